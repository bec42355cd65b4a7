"""What DynamoDB counts.

Sources: the developer guide, "DynamoDB read and write operations" (units of 4 KB and of 1 KB),
"Provisioned throughput considerations for global secondary indexes", "DynamoDB item sizes and
formats"; "Amazon DynamoDB Transactions: How it works", capacity management.
"""

from typing import Any

from tests.simulation.conformance.a_table import ATable, a_table, given, index, written
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs

TOTAL = {"ReturnConsumedCapacity": "TOTAL"}
KB = 1024


def _units(answer: dict[str, Any]) -> float:
    consumed = answer["ConsumedCapacity"]
    if isinstance(consumed, list):
        return float(sum(each["CapacityUnits"] for each in consumed))
    return float(consumed["CapacityUnits"])


def _of(size: int, **values: Any) -> dict[str, Any]:
    """Write an item of so many bytes."""
    item = written(pk="a", **values)
    used = sum(len(name) + len(value["S"]) for name, value in item.items())
    return item | {"filler": {"S": "x" * (size - used - len("filler"))}}


def _indexed(backend: Backend, **projection: Any) -> ATable:
    return a_table(
        backend, indexes=[index("by_owner", "owner_id", **projection)], others={"owner_id": "S"}
    )


def case_nothing_is_counted_unless_asked(backend: Backend) -> None:
    assert "ConsumedCapacity" not in a_table(backend).put(written(pk="a"))
    assert "ConsumedCapacity" not in a_table(backend).put(
        written(pk="a"), ReturnConsumedCapacity="NONE"
    )


def case_a_small_write_is_one_unit(backend: Backend) -> None:
    table = a_table(backend)
    answer = table.put(written(pk="a"), **TOTAL)
    assert (answer["ConsumedCapacity"]["TableName"], _units(answer)) == (table.name, 1)


def case_a_kilobyte_written_is_one_unit(backend: Backend) -> None:
    assert _units(a_table(backend).put(_of(KB), **TOTAL)) == 1


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_a_byte_more_is_two(backend: Backend) -> None:
    assert _units(a_table(backend).put(_of(KB + 1), **TOTAL)) == 2


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_a_write_counts_the_larger_of_old_and_new(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(3 * KB))
    assert _units(table.put(written(pk="a"), **TOTAL)) == 3


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_an_update_counts_the_whole_item(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(3 * KB - 10))
    answer = table.update("SET v = :v", ExpressionAttributeValues=given(v="1"), **TOTAL)
    assert _units(answer) == 3


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_an_update_counts_the_item_as_it_is_then(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(KB))
    more = {"ExpressionAttributeValues": given(x="y" * 900)}
    assert _units(table.update("SET filler = :x", **more, **TOTAL)) == 1
    assert _units(table.update("SET rest_of_it = :x REMOVE filler", **more, **TOTAL)) == 1
    assert _units(table.update("SET filler = :x", **more, **TOTAL)) == 2


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_a_delete_counts_what_it_deletes(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(2 * KB))
    assert _units(table.delete(**TOTAL)) == 2
    assert _units(table.delete(**TOTAL)) == 1


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_4_kilobytes_read_consistently_are_one_unit(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(4 * KB))
    assert _units(table.get(written(pk="a"), **TOTAL)) == 1
    table.put(_of(4 * KB + 1))
    assert _units(table.get(written(pk="a"), **TOTAL)) == 2


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_a_read_that_may_lag_costs_half(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(4 * KB + 1))
    assert _units(table.get(written(pk="a"), ConsistentRead=False, **TOTAL)) == 1


def case_reading_nothing_costs_as_much_as_a_small_item(backend: Backend) -> None:
    assert _units(a_table(backend).get(written(pk="a"), ConsistentRead=False, **TOTAL)) == 0.5


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_a_projection_saves_no_units(backend: Backend) -> None:
    table = a_table(backend)
    table.put(_of(8 * KB))
    assert _units(table.get(written(pk="a"), ProjectionExpression="pk", **TOTAL)) == 2


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_a_query_rounds_the_sum_of_its_items(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    for sort in "123":
        table.put(_of(2 * KB, sk=sort))
    assert _units(table.query(ConsistentRead=True, **TOTAL)) == 2
    assert _units(table.query(**TOTAL)) == 1


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_a_filter_saves_no_units(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    for sort in "12":
        table.put(_of(4 * KB, sk=sort))
    answer = table.query(FilterExpression="attribute_exists(gone)", ConsistentRead=True, **TOTAL)
    assert (answer["Count"], _units(answer)) == (0, 2)


@differs(
    LOCAL_CLOUD,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_a_scan_costs_what_it_reads(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    for sort in "12":
        table.put(_of(4 * KB, sk=sort))
    assert _units(table.scan(**TOTAL)) == 1


@differs(LOCAL_CLOUD, because="BatchGetItem rounds the size of each item up to 4 KB")
def case_a_batch_rounds_each_item(backend: Backend) -> None:
    table = a_table(backend)
    for key in ("a", "b"):
        table.puts(pk=key)
    answer = table.client.batch_get_item(
        RequestItems={
            table.name: {"Keys": [written(pk=key) for key in ("a", "b")], "ConsistentRead": True}
        },
        **TOTAL,
    )
    assert _units(answer) == 2


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_a_batch_counts_each_write(backend: Backend) -> None:
    table = a_table(backend)
    puts = [{"PutRequest": {"Item": written(pk=key)}} for key in ("a", "b", "c")]
    answer = table.client.batch_write_item(RequestItems={table.name: puts}, **TOTAL)
    assert _units(answer) == 3


@differs(
    MOTO,
    because="an entry of an index costs write units of its own: one to put, change or delete it, two to move it",
)
def case_an_entry_of_an_index_costs_a_write(backend: Backend) -> None:
    table = _indexed(backend)
    assert _units(table.put(written(pk="a", owner_id="o"), **TOTAL)) == 2
    assert _units(table.put(written(pk="b"), **TOTAL)) == 1


@differs(
    MOTO,
    because="an entry of an index costs write units of its own: one to put, change or delete it, two to move it",
)
def case_an_entry_that_moves_costs_two(backend: Backend) -> None:
    table = _indexed(backend)
    table.puts(pk="a", owner_id="o")
    assert _units(table.put(written(pk="a", owner_id="p"), **TOTAL)) == 3


@differs(
    MOTO,
    because="an entry of an index costs write units of its own: one to put, change or delete it, two to move it",
)
def case_an_entry_that_goes_costs_one(backend: Backend) -> None:
    table = _indexed(backend)
    table.puts(pk="a", owner_id="o")
    assert _units(table.update("REMOVE owner_id", **TOTAL)) == 2


@differs(
    MOTO,
    because="an entry of an index costs write units of its own: one to put, change or delete it, two to move it",
)
def case_an_entry_that_changes_costs_one(backend: Backend) -> None:
    table = _indexed(backend)
    table.puts(pk="a", owner_id="o", v=1)
    assert _units(table.put(written(pk="a", owner_id="o", v=2), **TOTAL)) == 2


def case_an_entry_that_stays_costs_nothing(backend: Backend) -> None:
    table = _indexed(backend, ProjectionType="KEYS_ONLY")
    table.puts(pk="a", owner_id="o", v=1)
    assert _units(table.put(written(pk="a", owner_id="o", v=2), **TOTAL)) == 1


@differs(
    MOTO,
    because="an entry of an index costs write units of its own: one to put, change or delete it, two to move it",
)
def case_table_and_indexes_are_told_apart(backend: Backend) -> None:
    table = _indexed(backend)
    answer = table.put(written(pk="a", owner_id="o"), ReturnConsumedCapacity="INDEXES")
    consumed = answer["ConsumedCapacity"]
    assert consumed["Table"]["CapacityUnits"] == 1
    assert consumed["GlobalSecondaryIndexes"]["by_owner"]["CapacityUnits"] == 1


@differs(
    MOTO,
    because="a read unit is 4 KB read consistently, or 8 KB otherwise, before filter and projection",
)
def case_an_index_is_read_by_the_size_of_its_entries(backend: Backend) -> None:
    table = _indexed(backend, ProjectionType="KEYS_ONLY")
    table.put(_of(8 * KB, owner_id="o"))
    answer = table.query(
        "owner_id = :o", ExpressionAttributeValues=given(o="o"), IndexName="by_owner", **TOTAL
    )
    assert _units(answer) == 0.5


@differs(MOTO, because="a transaction's writes cost two units for each KB, its checks too")
def case_a_transaction_costs_twice(backend: Backend) -> None:
    table = a_table(backend)
    puts = [{"Put": {"TableName": table.name, "Item": written(pk=key)}} for key in ("a", "b")]
    assert _units(table.client.transact_write_items(TransactItems=puts, **TOTAL)) == 4


@differs(MOTO, because="a transaction's writes cost two units for each KB, its checks too")
def case_a_check_costs_as_much_as_a_write(backend: Backend) -> None:
    table = a_table(backend)
    check = {
        "ConditionCheck": {
            "TableName": table.name,
            "Key": written(pk="a"),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    assert _units(table.client.transact_write_items(TransactItems=[check], **TOTAL)) == 2


def case_a_transaction_reads_twice(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a")
    gets = [{"Get": {"TableName": table.name, "Key": written(pk="a")}}]
    assert _units(table.client.transact_get_items(TransactItems=gets, **TOTAL)) == 2


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_an_item_counts_its_names_and_values(backend: Backend) -> None:
    """A list or a map has 3 bytes of its own and 1 for each element."""
    table = a_table(backend)
    item = {
        "pk": {"S": "a"},  # 3
        "借": {"S": "据"},  # 6
        "t": {"BOOL": True},  # 2
        "n": {"NULL": True},  # 2
        "b": {"B": b"12345"},  # 6
        "s": {"SS": ["ab", "c"]},  # 4
        "l": {"L": [{"S": "ab"}, {"BOOL": False}]},  # 1 + 3 + 2 + 2 + 1
        "m": {"M": {"k": {"S": "v"}}},  # 1 + 3 + 1 + 2
    }
    rest = KB - (3 + 6 + 2 + 2 + 6 + 4 + 9 + 7) - len("filler")
    assert _units(table.put(item | {"filler": {"S": "x" * rest}}, **TOTAL)) == 1
    assert _units(table.put(item | {"filler": {"S": "x" * (rest + 1)}}, **TOTAL)) == 2


@differs(MOTO, because="a write unit is 1 KB of the larger of the item before and after")
def case_a_number_counts_a_byte_for_two_digits_and_one_more(backend: Backend) -> None:
    table = a_table(backend)
    item = {"pk": {"S": "a"}, "n": {"N": "123456789"}}  # 3 and 1 + 5 + 1
    rest = KB - 10 - len("filler")
    assert _units(table.put(item | {"filler": {"S": "x" * rest}}, **TOTAL)) == 1
    assert _units(table.put(item | {"filler": {"S": "x" * (rest + 1)}}, **TOTAL)) == 2
