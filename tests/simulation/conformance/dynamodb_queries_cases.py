"""What DynamoDB promises of queries and scans of a table.

Sources: the API reference of Query and Scan; the developer guide, "Key condition expressions",
"Filter expressions" and "Paginating table query results".
"""

from decimal import Decimal
from typing import Any

from tests.simulation.conformance.a_table import INVALID, ATable, a_table, given, plain, written
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _days(backend: Backend) -> ATable:
    """Make a partition `a` of five days, and a partition `b` of one."""
    table = a_table(backend, sk="S")
    for day in (3, 1, 5, 2, 4):
        table.puts(pk="a", sk=f"2026-11-0{day}", v=day)
    table.puts(pk="b", sk="2026-11-01", v=10)
    return table


def _numbered(backend: Backend, *numbers: Any) -> ATable:
    table = a_table(backend, sk="N")
    for number in numbers:
        table.puts(pk="a", sk=number)
    return table


def _pages(read: Any, **more: Any) -> list[dict[str, Any]]:
    pages = [read(**more)]
    while "LastEvaluatedKey" in pages[-1]:
        pages.append(read(**more, ExclusiveStartKey=pages[-1]["LastEvaluatedKey"]))
    return pages


def case_a_query_gives_a_partition_in_the_order_of_its_sort_keys(backend: Backend) -> None:
    assert _days(backend).sorts() == [f"2026-11-0{day}" for day in (1, 2, 3, 4, 5)]


def case_a_query_may_go_backward(backend: Backend) -> None:
    answer = _days(backend).query(ScanIndexForward=False, Limit=2)
    assert [plain(item)["v"] for item in answer["Items"]] == [5, 4]


def case_an_unknown_partition_is_empty(backend: Backend) -> None:
    answer = _days(backend).query(ExpressionAttributeValues=given(pk="z"))
    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 0)
    assert "LastEvaluatedKey" not in answer


def case_sort_keys_may_be_equal(backend: Backend) -> None:
    assert _days(backend).sorts("pk = :pk AND sk = :x", x="2026-11-03") == ["2026-11-03"]


def case_sort_keys_may_be_less(backend: Backend) -> None:
    table = _numbered(backend, 1, 2, 3)
    assert table.sorts("pk = :pk AND sk < :x", x=2) == [1]
    assert table.sorts("pk = :pk AND sk <= :x", x=2) == [1, 2]


def case_sort_keys_may_be_greater(backend: Backend) -> None:
    table = _numbered(backend, 1, 2, 3)
    assert table.sorts("pk = :pk AND sk > :x", x=2) == [3]
    assert table.sorts("pk = :pk AND sk >= :x", x=2) == [2, 3]


def case_sort_keys_may_be_between(backend: Backend) -> None:
    table = _numbered(backend, 1, 2, 3, 4)
    assert table.sorts("pk = :pk AND sk BETWEEN :x AND :y", x=2, y=3) == [2, 3]


def case_sort_keys_may_begin_with(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    for sort in ("a", "ab", "abc", "ac", "b"):
        table.puts(pk="a", sk=sort)
    assert table.sorts("pk = :pk AND begins_with(sk, :x)", x="ab") == ["ab", "abc"]


def case_numbers_are_sorted_by_their_size(backend: Backend) -> None:
    numbers = (10, 9, -1, Decimal("9.5"), 100, 0)
    assert _numbered(backend, *numbers).sorts() == sorted(numbers)


def case_texts_are_sorted_by_their_bytes(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    for sort in ("b", "B", "a", "Z", "借", "é", "1"):
        table.puts(pk="a", sk=sort)
    assert table.sorts() == ["1", "B", "Z", "a", "b", "é", "借"]


def case_bytes_are_sorted_unsigned(backend: Backend) -> None:
    table = a_table(backend, sk="B")
    for sort in (b"\x80", b"\x01", b"\xff", b"\x7f"):
        table.puts(pk="a", sk=sort)
    assert table.sorts() == [b"\x01", b"\x7f", b"\x80", b"\xff"]


def case_the_key_condition_may_name_the_sort_key_first(backend: Backend) -> None:
    assert _numbered(backend, 1, 2).sorts("sk > :x AND pk = :pk", x=1) == [2]


def case_a_table_without_sort_key_may_be_queried(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    answer = table.query()
    assert [plain(item) for item in answer["Items"]] == [{"pk": "a", "v": 1}]


def case_a_query_needs_the_partition_key(backend: Backend) -> None:
    table = _days(backend)
    with refused(INVALID):
        table.query("sk = :x", ExpressionAttributeValues=given(x="2026-11-03"))


@differs(MOTO, because="the partition key must be equal to a value")
def case_a_query_needs_the_partition_key_to_be_equal(backend: Backend) -> None:
    table = _days(backend)
    for condition in ("pk > :pk", "begins_with(pk, :pk)", "pk <> :pk"):
        with refused(INVALID):
            table.query(condition)


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="key conditions are joined by AND, one for a key, with =, <, <=, >, >=, BETWEEN or begins_with",
)
def case_key_conditions_know_no_or(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).sorts("pk = :pk OR sk = :x", x="2026-11-03")


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="key conditions are joined by AND, one for a key, with =, <, <=, >, >=, BETWEEN or begins_with",
)
def case_key_conditions_know_no_not_equal_and_no_in(backend: Backend) -> None:
    table = _days(backend)
    for condition in ("sk <> :x", "sk IN (:x)", "contains(sk, :x)", "NOT sk = :x"):
        with refused(INVALID):
            table.sorts(f"pk = :pk AND {condition}", x="2026-11-03")


def case_key_conditions_name_keys_only(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).sorts("pk = :pk AND v = :x", x=1)


@differs(
    MOTO,
    because="key conditions are joined by AND, one for a key, with =, <, <=, >, >=, BETWEEN or begins_with",
)
def case_there_is_one_condition_for_a_key(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).sorts("pk = :pk AND sk > :x AND sk < :y", x="1", y="2")


@differs(MOTO, because="a key condition has the type of the key")
def case_a_key_condition_has_the_keys_type(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).query(ExpressionAttributeValues=given(pk=1))


def case_a_filter_takes_out_what_was_read(backend: Backend) -> None:
    answer = _days(backend).query(
        FilterExpression="v > :v", ExpressionAttributeValues=given(pk="a", v=3)
    )
    assert [plain(item)["v"] for item in answer["Items"]] == [4, 5]
    assert (answer["Count"], answer["ScannedCount"]) == (2, 5)


@differs(MOTO, LOCAL_CLOUD, because="a filter cannot name the keys: a key condition does")
def case_a_filter_cannot_name_keys(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).query(
            FilterExpression="sk > :v", ExpressionAttributeValues=given(pk="a", v="2")
        )


def case_the_limit_counts_before_the_filter(backend: Backend) -> None:
    answer = _days(backend).query(
        FilterExpression="v > :v", ExpressionAttributeValues=given(pk="a", v=3), Limit=3
    )
    assert (answer["Count"], answer["ScannedCount"]) == (0, 3)
    assert plain(answer["LastEvaluatedKey"]) == {"pk": "a", "sk": "2026-11-03"}


def case_pages_go_on_where_the_last_one_ended(backend: Backend) -> None:
    pages = _pages(_days(backend).query, Limit=2)
    assert [plain(item)["v"] for page in pages for item in page["Items"]] == [1, 2, 3, 4, 5]


def case_pages_may_go_backward(backend: Backend) -> None:
    pages = _pages(_days(backend).query, Limit=2, ScanIndexForward=False)
    assert [plain(item)["v"] for page in pages for item in page["Items"]] == [5, 4, 3, 2, 1]


@differs(MOTO, because="who meets the limit is told where to go on, though nothing may follow")
def case_a_page_that_meets_its_limit_says_where_to_go_on(backend: Backend) -> None:
    """Though nothing follows: "the only way to know is when LastEvaluatedKey is empty"."""
    answer = _days(backend).query(Limit=5)
    assert plain(answer["LastEvaluatedKey"]) == {"pk": "a", "sk": "2026-11-05"}


def case_a_page_may_begin_where_no_item_is(backend: Backend) -> None:
    answer = _days(backend).query(ExclusiveStartKey=written(pk="a", sk="2026-11-03-deleted"))
    assert [plain(item)["v"] for item in answer["Items"]] == [4, 5]


@differs(MOTO, because="a page begins with a key of the queried partition")
def case_a_page_begins_within_its_partition(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).query(ExclusiveStartKey=written(pk="b", sk="2026-11-01"))


@differs(MOTO, because="a page begins with a key of the queried partition")
def case_a_page_begins_with_a_whole_key(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).query(ExclusiveStartKey=written(pk="a"))


def case_a_limit_may_be_larger_than_what_there_is(backend: Backend) -> None:
    assert "LastEvaluatedKey" not in _days(backend).query(Limit=6)


def case_a_page_has_a_megabyte(backend: Backend) -> None:
    table = a_table(backend, sk="N")
    for number in range(4):
        table.puts(pk="a", sk=number, v="x" * 300_000)
    pages = _pages(table.query)
    assert [page["Count"] for page in pages] == [3, 1]


def case_a_page_has_a_megabyte_before_its_filter(backend: Backend) -> None:
    table = a_table(backend, sk="N")
    for number in range(4):
        table.puts(pk="a", sk=number, v="x" * 300_000)
    more = {"FilterExpression": "v = :v", "ExpressionAttributeValues": given(pk="a", v="y")}
    assert [page["Count"] for page in _pages(table.query, **more)] == [0, 0]


def case_a_query_may_only_count(backend: Backend) -> None:
    answer = _days(backend).query(Select="COUNT")
    assert (answer["Count"], answer["ScannedCount"]) == (5, 5)
    assert "Items" not in answer


def case_a_query_gives_only_what_is_projected(backend: Backend) -> None:
    answer = _days(backend).query(ProjectionExpression="v", Limit=1)
    assert [plain(item) for item in answer["Items"]] == [{"v": 1}]


def case_a_projection_is_of_what_the_filter_kept(backend: Backend) -> None:
    answer = _days(backend).query(
        ProjectionExpression="sk",
        FilterExpression="v = :v",
        ExpressionAttributeValues=given(pk="a", v=4),
    )
    assert [plain(item) for item in answer["Items"]] == [{"sk": "2026-11-04"}]


def case_who_wants_all_attributes_projects_none(backend: Backend) -> None:
    with refused(INVALID):
        _days(backend).query(Select="ALL_ATTRIBUTES", ProjectionExpression="v")


def case_a_scan_gives_every_item_once(backend: Backend) -> None:
    answer = _days(backend).scan()
    assert sorted(plain(item)["v"] for item in answer["Items"]) == [1, 2, 3, 4, 5, 10]


def case_a_scan_gives_each_partition_in_order(backend: Backend) -> None:
    answer = _days(backend).scan()
    items = [plain(item) for item in answer["Items"]]
    assert [item["v"] for item in items if item["pk"] == "a"] == [1, 2, 3, 4, 5]


def case_a_scan_goes_on_where_it_ended(backend: Backend) -> None:
    pages = _pages(_days(backend).scan, Limit=2)
    found = [plain(item)["v"] for page in pages for item in page["Items"]]
    assert sorted(found) == [1, 2, 3, 4, 5, 10]


def case_a_scan_of_a_table_without_sort_key_goes_on(backend: Backend) -> None:
    table = a_table(backend)
    for number in range(7):
        table.puts(pk=f"p{number}")
    pages = _pages(table.scan, Limit=3)
    found = sorted(plain(item)["pk"] for page in pages for item in page["Items"])
    assert found == [f"p{number}" for number in range(7)]


def case_a_scan_may_filter_by_keys(backend: Backend) -> None:
    answer = _days(backend).scan(
        FilterExpression="pk = :pk", ExpressionAttributeValues=given(pk="b")
    )
    assert (answer["Count"], answer["ScannedCount"]) == (1, 6)


def case_segments_share_the_items(backend: Backend) -> None:
    table = a_table(backend)
    for number in range(40):
        table.puts(pk=f"p{number}")
    segments = [table.scan(Segment=segment, TotalSegments=4)["Items"] for segment in range(4)]
    found = [plain(item)["pk"] for items in segments for item in items]
    assert sorted(found) == sorted(f"p{number}" for number in range(40))
    assert all(len(items) < 40 for items in segments)


def case_a_segment_is_one_of_them(backend: Backend) -> None:
    table = _days(backend)
    with refused(INVALID):
        table.scan(Segment=4, TotalSegments=4)
    with refused(INVALID):
        table.scan(Segment=1)
