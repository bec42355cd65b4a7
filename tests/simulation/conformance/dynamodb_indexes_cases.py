"""What DynamoDB promises of global secondary indexes.

Sources: the developer guide, "Using Global Secondary Indexes in DynamoDB": sparse indexes,
projections, keys that need not be unique; the API reference of Query.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.conformance.a_table import (
    INVALID,
    ATable,
    a_table,
    given,
    index,
    plain,
    written,
)
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

IDX, BY_DAY = "by_owner", "by_owner_and_day"
OTHERS = {"owner_id": "S", "due": "S"}


def _table(backend: Backend, **more: Any) -> ATable:
    return a_table(
        backend,
        indexes=[index(IDX, "owner_id", **more), index(BY_DAY, "owner_id", "due")],
        others=OTHERS,
    )


def _found(table: ATable, name: str = IDX, owner: str = "o", **more: Any) -> list[dict[str, Any]]:
    answer = table.query(
        "owner_id = :o", ExpressionAttributeValues=given(o=owner), IndexName=name, **more
    )
    return [plain(item) for item in answer["Items"]]


def case_an_index_finds_items_by_another_attribute(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o", v=1)
    table.puts(pk="b", owner_id="p", v=2)
    assert _found(table) == [{"pk": "a", "owner_id": "o", "v": 1}]


def case_an_index_holds_only_items_with_its_keys(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    table.puts(pk="b")
    assert [item["pk"] for item in _found(table)] == ["a"]
    assert _found(table, BY_DAY) == []


def case_an_index_is_sorted_by_its_own_sort_key(backend: Backend) -> None:
    table = _table(backend)
    for key, day in (("a", "3"), ("b", "1"), ("c", "2")):
        table.puts(pk=key, owner_id="o", due=day)
    assert [item["pk"] for item in _found(table, BY_DAY)] == ["b", "c", "a"]
    assert [item["pk"] for item in _found(table, BY_DAY, ScanIndexForward=False)] == ["a", "c", "b"]


def case_keys_of_an_index_need_not_be_unique(backend: Backend) -> None:
    table = _table(backend)
    for key in ("a", "b", "c"):
        table.puts(pk=key, owner_id="o", due="1")
    assert sorted(item["pk"] for item in _found(table, BY_DAY)) == ["a", "b", "c"]


def case_an_entry_moves_with_its_key(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    table.update("SET owner_id = :o", ExpressionAttributeValues=given(o="p"))
    assert _found(table) == []
    assert [item["pk"] for item in _found(table, owner="p")] == ["a"]


def case_an_entry_goes_with_its_key(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    table.update("REMOVE owner_id")
    assert _found(table) == []


def case_an_entry_goes_with_its_item(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    table.delete()
    assert _found(table) == []


def case_an_entry_follows_its_item(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o", v=1)
    table.puts(pk="a", owner_id="o", v=2)
    assert _found(table) == [{"pk": "a", "owner_id": "o", "v": 2}]


def case_keys_only_projects_keys(backend: Backend) -> None:
    table = _table(backend, ProjectionType="KEYS_ONLY")
    table.puts(pk="a", owner_id="o", due="1", v=1)
    assert _found(table) == [{"pk": "a", "owner_id": "o"}]


def case_include_projects_what_it_names(backend: Backend) -> None:
    table = _table(backend, ProjectionType="INCLUDE", NonKeyAttributes=["v", "gone"])
    table.puts(pk="a", owner_id="o", v=1, w=2)
    assert _found(table) == [{"pk": "a", "owner_id": "o", "v": 1}]


@differs(LOCAL_CLOUD, because="a query of a global index can ask for projected attributes only")
def case_an_index_gives_no_more_than_it_holds(backend: Backend) -> None:
    table = _table(backend, ProjectionType="KEYS_ONLY")
    with refused(INVALID):
        _found(table, Select="ALL_ATTRIBUTES")


@differs(
    MOTO, LOCAL_CLOUD, because="a query of a global index can ask for projected attributes only"
)
def case_what_an_index_does_not_hold_cannot_be_projected(backend: Backend) -> None:
    table = _table(backend, ProjectionType="KEYS_ONLY")
    with refused(INVALID):
        _found(table, ProjectionExpression="v")


def case_a_filter_sees_what_the_index_holds(backend: Backend) -> None:
    table = _table(backend, ProjectionType="INCLUDE", NonKeyAttributes=["v"])
    table.puts(pk="a", owner_id="o", v=1)
    table.puts(pk="b", owner_id="o", v=2)
    answer = table.query(
        "owner_id = :o",
        IndexName=IDX,
        FilterExpression="v = :v",
        ExpressionAttributeValues=given(o="o", v=2),
    )
    assert [plain(item)["pk"] for item in answer["Items"]] == ["b"]


def case_an_index_is_not_read_consistently(backend: Backend) -> None:
    with refused(INVALID):
        _found(_table(backend), ConsistentRead=True)


def case_an_unknown_index_is_refused(backend: Backend) -> None:
    """AWS answers with a ValidationException, its reference names a ResourceNotFoundException."""
    with pytest.raises(ClientError) as caught:
        _found(_table(backend), "by_nothing")
    assert caught.value.response["Error"]["Code"] in {INVALID, "ResourceNotFoundException"}


def case_an_index_is_asked_by_its_own_key(backend: Backend) -> None:
    with refused(INVALID):
        _table(backend).query(IndexName=IDX)


def case_a_page_of_an_index_ends_with_both_keys(backend: Backend) -> None:
    table = _table(backend)
    for key in ("a", "b"):
        table.puts(pk=key, owner_id="o", due="1")
    answer = table.query(
        "owner_id = :o", ExpressionAttributeValues=given(o="o"), IndexName=BY_DAY, Limit=1
    )
    assert set(answer["LastEvaluatedKey"]) == {"pk", "owner_id", "due"}


def case_pages_of_an_index_give_each_item_once(backend: Backend) -> None:
    table = _table(backend)
    for number in range(7):
        table.puts(pk=f"p{number}", owner_id="o", due=str(number // 3))
    more: dict[str, Any] = {
        "ExpressionAttributeValues": given(o="o"),
        "IndexName": BY_DAY,
        "Limit": 2,
    }
    answer = table.query("owner_id = :o", **more)
    found = answer["Items"]
    while start := answer.get("LastEvaluatedKey"):
        answer = table.query("owner_id = :o", **more, ExclusiveStartKey=start)
        found += answer["Items"]
    assert sorted(plain(item)["pk"] for item in found) == [f"p{number}" for number in range(7)]


@differs(MOTO, because="a page of an index begins with the keys of the index and of the table")
def case_a_page_of_an_index_does_not_begin_with_half_a_key(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    with refused(INVALID):
        _found(table, ExclusiveStartKey=written(pk="a"))


def case_conditions_on_the_sort_key_of_an_index(backend: Backend) -> None:
    table = _table(backend)
    for day in ("2026-11-01", "2026-11-02", "2026-12-01"):
        table.puts(pk=day, owner_id="o", due=day)
    found = table.query(
        "owner_id = :o AND begins_with(due, :d)",
        IndexName=BY_DAY,
        ExpressionAttributeValues=given(o="o", d="2026-11"),
    )
    assert [plain(item)["pk"] for item in found["Items"]] == ["2026-11-01", "2026-11-02"]


@differs(MOTO, because="a value for the key of an index must have its type")
def case_a_key_of_an_index_has_its_type(backend: Backend) -> None:
    table = _table(backend)
    with refused(INVALID):
        table.puts(pk="a", owner_id=5)
    assert table.item() is None


def case_an_update_does_not_change_that_type(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    with refused(INVALID):
        table.update("SET owner_id = :o", ExpressionAttributeValues=given(o=5))
    assert table.item() == {"pk": "a", "owner_id": "o"}


def case_a_key_of_an_index_is_not_empty(backend: Backend) -> None:
    table = _table(backend)
    with refused(INVALID):
        table.puts(pk="a", owner_id="")


def case_an_index_may_be_scanned(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    table.puts(pk="b", owner_id="p")
    table.puts(pk="c")
    answer = table.scan(IndexName=IDX)
    assert sorted(plain(item)["pk"] for item in answer["Items"]) == ["a", "b"]


def case_an_index_may_only_count(backend: Backend) -> None:
    table = _table(backend)
    table.puts(pk="a", owner_id="o")
    answer = table.query(
        "owner_id = :o", ExpressionAttributeValues=given(o="o"), IndexName=IDX, Select="COUNT"
    )
    assert (answer["Count"], "Items" in answer) == (1, False)


def case_the_tables_key_may_be_a_key_of_the_index(backend: Backend) -> None:
    table = a_table(backend, indexes=[index(IDX, "owner_id", "pk")], others={"owner_id": "S"})
    for key in ("b", "a"):
        table.puts(pk=key, owner_id="o")
    answer = table.query(
        "owner_id = :o AND pk > :pk",
        IndexName=IDX,
        ExpressionAttributeValues=given(o="o", pk="a"),
    )
    assert [plain(item)["pk"] for item in answer["Items"]] == ["b"]
