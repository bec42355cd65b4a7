"""What DynamoDB promises of keys.

Sources: the developer guide, "Constraints in Amazon DynamoDB" (partition keys of 1 to 2048 bytes,
sort keys of 1 to 1024, items of 400 KB); the API reference of PutItem and GetItem.
"""

from tests.simulation.conformance.a_table import INVALID, a_table, written
from tests.simulation.conformance.backends import MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

UNKNOWN = "ResourceNotFoundException"
LARGEST = 400 * 1024


def case_an_item_without_its_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).puts(v=1)


def case_an_item_without_its_range_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, sk="S").puts(pk="a")


def case_a_key_of_another_type_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).puts(pk=1)


def case_a_range_key_of_another_type_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, sk="N").puts(pk="a", sk="1")


def case_an_empty_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).puts(pk="")


def case_an_empty_range_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, sk="S").puts(pk="a", sk="")


@differs(MOTO, because="a key is not empty, binary keys too")
def case_an_empty_binary_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, pk="B").puts(pk=b"")


def case_get_needs_the_whole_key(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, sk="S").get(written(pk="a"))


def case_get_takes_nothing_but_the_key(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).get(written(pk="a", v=1))


def case_get_by_another_attribute_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).get(written(v="a"))


@differs(MOTO, because="a key has the types of the schema: otherwise a ValidationException")
def case_get_by_a_key_of_another_type_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).get(written(pk=1))


def case_get_by_an_empty_key_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).get(written(pk=""))


def case_delete_needs_the_whole_key(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, sk="S").delete(written(pk="a"))


def case_update_by_a_key_of_another_type_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).update("REMOVE v", written(pk=1))


def case_a_partition_key_has_2048_bytes(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="k" * 2048)
    with refused(INVALID):
        table.puts(pk="k" * 2049)


def case_a_sort_key_has_1024_bytes(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    table.puts(pk="a", sk="k" * 1024)
    with refused(INVALID):
        table.puts(pk="a", sk="k" * 1025)


def case_bytes_count_not_letters(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).puts(pk="借" * 683)


@differs(MOTO, because="an item has 400 KB, counting names and values")
def case_an_item_has_400_kilobytes_with_its_names(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v="x" * (LARGEST - len("pk" + "a" + "v")))
    with refused(INVALID):
        table.puts(pk="a", v="x" * (LARGEST - len("pk" + "a" + "v") + 1))


@differs(MOTO, because="an item has 400 KB, counting names and values")
def case_an_update_does_not_make_an_item_larger_than_that(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v="x" * (LARGEST - 10))
    with refused(INVALID):
        table.update("SET w = :w", ExpressionAttributeValues={":w": {"S": "y" * 10}})
    found = table.item()
    assert found is not None
    assert "w" not in found


def case_numbers_and_bytes_may_be_keys(backend: Backend) -> None:
    numbers, binary = a_table(backend, pk="N"), a_table(backend, pk="B")
    numbers.puts(pk=5)
    binary.put({"pk": {"B": b"\x01"}})
    assert numbers.item(pk=5) == {"pk": 5}
    assert binary.get({"pk": {"B": b"\x01"}})["Item"] == {"pk": {"B": b"\x01"}}


def case_an_unknown_table_is_not_found(backend: Backend) -> None:
    client = backend.client("dynamodb")
    name = backend.unique("never-made")
    with refused(UNKNOWN):
        client.get_item(TableName=name, Key=written(pk="a"))
    with refused(UNKNOWN):
        client.put_item(TableName=name, Item=written(pk="a"))
    with refused(UNKNOWN):
        client.update_item(TableName=name, Key=written(pk="a"))
    with refused(UNKNOWN):
        client.delete_item(TableName=name, Key=written(pk="a"))
    with refused(UNKNOWN):
        client.scan(TableName=name)
