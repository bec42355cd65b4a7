"""What DynamoDB promises of single items and of the values in them.

Sources: the API reference of PutItem, GetItem, DeleteItem and AttributeValue; the developer guide,
"Supported data types and naming rules" and "Constraints in Amazon DynamoDB".
"""

import pytest
from botocore.exceptions import ParamValidationError

from tests.simulation.conformance.a_table import FAILED, INVALID, a_table, given, plain, written
from tests.simulation.conformance.backends import MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def case_an_item_is_read_as_it_was_put(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", text="b", number=7)
    assert table.item() == {"pk": "a", "text": "b", "number": 7}


def case_an_item_that_is_not_there_is_no_error(backend: Backend) -> None:
    assert "Item" not in a_table(backend).get({"pk": {"S": "a"}})


def case_put_answers_with_no_attributes_unless_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    assert "Attributes" not in table.put(written(pk="a", v=2))


def case_put_replaces_the_whole_item(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", old=1)
    table.puts(pk="a", new=2)
    assert table.item() == {"pk": "a", "new": 2}


def case_put_gives_the_old_item_when_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    answer = table.put(written(pk="a", v=2), ReturnValues="ALL_OLD")
    assert plain(answer["Attributes"]) == {"pk": "a", "v": 1}


def case_put_of_a_new_item_has_no_old_one_to_give(backend: Backend) -> None:
    assert "Attributes" not in a_table(backend).put(written(pk="a"), ReturnValues="ALL_OLD")


def case_put_cannot_give_the_new_item(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).put(written(pk="a"), ReturnValues="ALL_NEW")


def case_delete_takes_the_item_away(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a")
    table.delete()
    assert table.item() is None


def case_delete_of_nothing_is_no_error(backend: Backend) -> None:
    assert "Attributes" not in a_table(backend).delete(ReturnValues="ALL_OLD")


def case_delete_gives_the_old_item_when_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    assert plain(table.delete(ReturnValues="ALL_OLD")["Attributes"]) == {"pk": "a", "v": 1}


def case_delete_cannot_give_a_new_item(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).delete(ReturnValues="UPDATED_NEW")


def case_two_range_keys_are_two_items(backend: Backend) -> None:
    table = a_table(backend, sk="S")
    table.puts(pk="a", sk="1", v=1)
    table.puts(pk="a", sk="2", v=2)
    assert table.item(pk="a", sk="1") == {"pk": "a", "sk": "1", "v": 1}


def case_a_binary_value_comes_back_as_bytes(backend: Backend) -> None:
    assert a_table(backend).stores({"B": b"\x00\xff"}) == {"B": b"\x00\xff"}


def case_true_false_and_null_are_values(backend: Backend) -> None:
    table = a_table(backend)
    stored = [table.stores(value) for value in ({"BOOL": True}, {"BOOL": False}, {"NULL": True})]
    assert stored == [{"BOOL": True}, {"BOOL": False}, {"NULL": True}]


def case_lists_and_maps_nest(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", deep={"list": [1, {"text": "x"}, []], "map": {}})
    found = table.item()
    assert found is not None
    assert found["deep"] == {"list": [1, {"text": "x"}, []], "map": {}}


def case_a_list_may_hold_values_of_different_types(backend: Backend) -> None:
    value = {"L": [{"S": "a"}, {"N": "1"}, {"NULL": True}]}
    assert a_table(backend).stores(value) == value


def case_the_order_of_a_list_is_kept(backend: Backend) -> None:
    value = {"L": [{"N": "3"}, {"N": "1"}, {"N": "2"}]}
    assert a_table(backend).stores(value) == value


def case_a_string_set_holds_each_string_once(backend: Backend) -> None:
    stored = a_table(backend).stores({"SS": ["b", "a", "c"]})
    assert sorted(stored["SS"]) == ["a", "b", "c"]


def case_a_number_set_holds_numbers(backend: Backend) -> None:
    stored = a_table(backend).stores({"NS": ["10", "9", "-1"]})
    assert sorted(stored["NS"], key=int) == ["-1", "9", "10"]


def case_a_binary_set_holds_bytes(backend: Backend) -> None:
    assert sorted(a_table(backend).stores({"BS": [b"b", b"a"]})["BS"]) == [b"a", b"b"]


@differs(MOTO, because="a set is not empty, and all its members are different")
def case_an_empty_set_is_refused(backend: Backend) -> None:
    table = a_table(backend)
    for kind in ("SS", "NS", "BS"):
        with refused(INVALID):
            table.stores({kind: []})


@differs(MOTO, because="a set is not empty, and all its members are different")
def case_a_set_with_a_member_twice_is_refused(backend: Backend) -> None:
    table = a_table(backend)
    for value in ({"SS": ["a", "a"]}, {"NS": ["1", "1"]}, {"BS": [b"a", b"a"]}):
        with refused(INVALID):
            table.stores(value)


@differs(MOTO, because="a set is not empty, and all its members are different")
def case_a_number_twice_in_a_set_is_refused_however_it_is_written(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).stores({"NS": ["1", "1.0"]})


def case_an_empty_string_is_a_value(backend: Backend) -> None:
    assert a_table(backend).stores({"S": ""}) == {"S": ""}


def case_an_empty_binary_is_a_value(backend: Backend) -> None:
    assert a_table(backend).stores({"B": b""}) == {"B": b""}


def case_empty_lists_and_maps_are_values(backend: Backend) -> None:
    table = a_table(backend)
    assert [table.stores({"L": []}), table.stores({"M": {}})] == [{"L": []}, {"M": {}}]


def case_a_set_may_hold_the_empty_string(backend: Backend) -> None:
    assert sorted(a_table(backend).stores({"SS": ["", "a"]})["SS"]) == ["", "a"]


def case_null_can_only_be_true(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).stores({"NULL": False})


@differs(MOTO, because="a value has exactly one type")
def case_a_value_has_a_type(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).stores({})


@differs(MOTO, because="a value has exactly one type")
def case_a_value_has_one_type(backend: Backend) -> None:
    with pytest.raises((backend.client("dynamodb").exceptions.ClientError, ParamValidationError)):
        a_table(backend).stores({"S": "a", "N": "1"})


def case_values_nest_32_levels_deep(backend: Backend) -> None:
    value: dict[str, object] = {"S": "bottom"}
    for _ in range(31):
        value = {"L": [value]}
    assert a_table(backend).stores(value) == value


@differs(MOTO, because="values nest 32 levels deep")
def case_values_do_not_nest_deeper(backend: Backend) -> None:
    value: dict[str, object] = {"S": "bottom"}
    for _ in range(34):
        value = {"L": [value]}
    with refused(INVALID):
        a_table(backend).stores(value)


def case_chinese_text_comes_back_whole(backend: Backend) -> None:
    assert a_table(backend).stores({"S": "借据"}) == {"S": "借据"}


def case_names_of_attributes_may_hold_any_letters(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(**{"pk": "a", "a.b-c 借": 1})
    assert table.item() == {"pk": "a", "a.b-c 借": 1}


def case_names_differ_by_case(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", name=1, Name=2)
    assert table.item() == {"pk": "a", "name": 1, "Name": 2}


def case_what_was_given_is_not_what_is_stored(backend: Backend) -> None:
    """The caller may go on using his dictionaries."""
    table = a_table(backend)
    item = written(pk="a", m={"x": 1})
    table.put(item)
    item["m"]["M"]["x"]["N"] = "2"
    found = table.get({"pk": {"S": "a"}})["Item"]
    found["m"]["M"]["x"]["N"] = "3"
    assert table.item() == {"pk": "a", "m": {"x": 1}}


def case_a_condition_may_guard_a_put(backend: Backend) -> None:
    table = a_table(backend)
    table.put(written(pk="a", v=1), ConditionExpression="attribute_not_exists(pk)")
    with refused(FAILED):
        table.put(written(pk="a", v=2), ConditionExpression="attribute_not_exists(pk)")
    assert table.item() == {"pk": "a", "v": 1}


def case_a_condition_may_guard_a_delete(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    with refused(FAILED):
        table.delete(ConditionExpression="v = :v", ExpressionAttributeValues=given(v=2))
    assert table.item() is not None
    table.delete(ConditionExpression="v = :v", ExpressionAttributeValues=given(v=1))
    assert table.item() is None


def case_a_failed_condition_shows_the_item_when_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    with pytest.raises(table.client.exceptions.ClientError) as caught:
        table.put(
            written(pk="a", v=2),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert caught.value.response["Error"]["Code"] == FAILED
    assert plain(caught.value.response["Item"]) == {"pk": "a", "v": 1}


def case_a_failed_condition_shows_nothing_unless_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    with pytest.raises(table.client.exceptions.ClientError) as caught:
        table.put(written(pk="a"), ConditionExpression="attribute_not_exists(pk)")
    assert "Item" not in caught.value.response


@differs(MOTO, because="a projection gives the elements of a list it names, and only those")
def case_get_gives_only_what_is_projected(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", x=1, y=2, m={"u": 1, "w": 2}, l=[1, 2, 3])
    answer = table.get(written(pk="a"), ProjectionExpression="x, m.u, l[2], l[0], gone")
    assert plain(answer["Item"]) == {"x": 1, "m": {"u": 1}, "l": [1, 3]}


def case_what_is_projected_may_be_nothing(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a")
    assert not table.get(written(pk="a"), ProjectionExpression="gone").get("Item")


@differs(MOTO, because="paths of a projection must not overlap")
def case_projected_paths_must_not_overlap(backend: Backend) -> None:
    table = a_table(backend)
    with refused(INVALID):
        table.get(written(pk="a"), ProjectionExpression="m, m.u")
