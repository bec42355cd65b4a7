"""What DynamoDB promises of batches.

Sources: the API reference of BatchGetItem (100 items) and BatchWriteItem (25 writes).
"""

from typing import Any

from tests.simulation.conformance.a_table import INVALID, ATable, a_table, plain, written
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _get(table: ATable, *keys: str, **more: Any) -> dict[str, Any]:
    asked = {"Keys": [written(pk=key) for key in keys], **more}
    answer: dict[str, Any] = table.client.batch_get_item(RequestItems={table.name: asked})
    return answer


def _write(table: ATable, *writes: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = table.client.batch_write_item(RequestItems={table.name: list(writes)})
    return answer


def _put(**values: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": written(**values)}}


def _delete(**key: Any) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": written(**key)}}


def case_a_batch_gives_what_there_is_of_what_was_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    table.puts(pk="b", v=2)
    answer = _get(table, "a", "b", "gone")
    found = sorted(plain(item)["v"] for item in answer["Responses"][table.name])
    assert (found, answer["UnprocessedKeys"]) == ([1, 2], {})


def case_a_batch_of_nothing_found_is_empty(backend: Backend) -> None:
    table = a_table(backend)
    assert _get(table, "gone")["Responses"] == {table.name: []}


def case_a_batch_reads_several_tables(backend: Backend) -> None:
    one, other = a_table(backend), a_table(backend)
    one.puts(pk="a", v=1)
    other.puts(pk="a", v=2)
    answer = one.client.batch_get_item(
        RequestItems={table.name: {"Keys": [written(pk="a")]} for table in (one, other)}
    )
    found = {name: plain(items[0])["v"] for name, items in answer["Responses"].items()}
    assert found == {one.name: 1, other.name: 2}


def case_a_batch_projects(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1, name=2)
    answer = _get(table, "a", ProjectionExpression="#n", ExpressionAttributeNames={"#n": "name"})
    assert plain(answer["Responses"][table.name][0]) == {"name": 2}


def case_a_batch_asks_for_no_key_twice(backend: Backend) -> None:
    with refused(INVALID):
        _get(a_table(backend), "a", "a")


def case_a_batch_asks_for_a_hundred_keys(backend: Backend) -> None:
    table = a_table(backend)
    assert _get(table, *(str(number) for number in range(100)))["Responses"] == {table.name: []}
    with refused(INVALID):
        _get(table, *(str(number) for number in range(101)))


def case_a_batch_asks_by_whole_keys(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    with refused(INVALID):
        _get(table, "a")


def case_a_batch_from_an_unknown_table_is_not_found(backend: Backend) -> None:
    with refused("ResourceNotFoundException"):
        backend.client("dynamodb").batch_get_item(
            RequestItems={backend.unique("never-made"): {"Keys": [written(pk="a")]}}
        )


@differs(LOCAL_CLOUD, because="a batch reads 16 MB; the other keys are UnprocessedKeys")
def case_a_batch_of_more_than_16_megabytes_leaves_keys_for_the_next(backend: Backend) -> None:
    table = a_table(backend)
    keys = [str(number) for number in range(45)]
    for key in keys:
        table.puts(pk=key, v="x" * 400_000)
    answer = _get(table, *keys)
    found = {item["pk"]["S"] for item in answer["Responses"][table.name]}
    left = {key["pk"]["S"] for key in answer["UnprocessedKeys"][table.name]["Keys"]}
    assert 0 < len(found) <= 41
    assert found | left == set(keys)
    assert not found & left


def case_a_batch_puts_and_deletes(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="old")
    answer = _write(table, _put(pk="a", v=1), _put(pk="b"), _delete(pk="old"))
    assert answer["UnprocessedItems"] == {}
    assert table.item(pk="a") == {"pk": "a", "v": 1}
    assert table.item(pk="old") is None


def case_a_batch_replaces_whole_items(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    _write(table, _put(pk="a", w=2))
    assert table.item() == {"pk": "a", "w": 2}


@differs(MOTO, because="a batch has 25 writes, and no item twice: otherwise a ValidationException")
def case_a_batch_writes_25_items(backend: Backend) -> None:
    table = a_table(backend)
    _write(table, *(_put(pk=str(number)) for number in range(25)))
    with refused(INVALID):
        _write(table, *(_put(pk=str(number)) for number in range(26)))


@differs(MOTO, because="a batch has 25 writes, and no item twice: otherwise a ValidationException")
def case_a_batch_puts_no_item_twice(backend: Backend) -> None:
    with refused(INVALID):
        _write(a_table(backend), _put(pk="a", v=1), _put(pk="a", v=2))


@differs(MOTO, because="a batch has 25 writes, and no item twice: otherwise a ValidationException")
def case_a_batch_does_not_put_and_delete_one_item(backend: Backend) -> None:
    with refused(INVALID):
        _write(a_table(backend), _put(pk="a"), _delete(pk="a"))


@differs(MOTO, because="an illegal write of a batch refuses the whole batch")
def case_a_batch_with_an_illegal_item_writes_nothing(backend: Backend) -> None:
    table = a_table(backend)
    with refused(INVALID):
        _write(table, _put(pk="a"), _put(v=1))
    assert table.item() is None


def case_a_batch_to_an_unknown_table_is_not_found(backend: Backend) -> None:
    with refused("ResourceNotFoundException"):
        backend.client("dynamodb").batch_write_item(
            RequestItems={backend.unique("never-made"): [_put(pk="a")]}
        )
