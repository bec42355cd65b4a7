"""What DynamoDB promises of updates.

Sources: the developer guide, "Update expressions" (SET, REMOVE, ADD, DELETE); the API reference of
UpdateItem, its ReturnValues among them.
"""

from typing import Any

import pytest

from tests.simulation.conformance.a_table import FAILED, INVALID, ATable, a_table, given, plain
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _with(backend: Backend, **values: Any) -> ATable:
    table = a_table(backend)
    table.puts(pk="a", **values)
    return table


def _updated(table: ATable, expression: str, **values: Any) -> Any:
    more = {"ExpressionAttributeValues": given(**values)} if values else {}
    answer = table.update(expression, ReturnValues="ALL_NEW", **more)
    found = plain(answer["Attributes"])
    assert found.pop("pk") == "a"
    assert table.item() == {"pk": "a"} | found
    return found


def case_set_adds_and_replaces(backend: Backend) -> None:
    table = _with(backend, v=1, other=2)
    assert _updated(table, "SET v = :v, w = :w", v=5, w="x") == {"v": 5, "w": "x", "other": 2}


def case_an_update_of_nothing_makes_an_item(backend: Backend) -> None:
    assert _updated(a_table(backend), "SET v = :v", v=1) == {"v": 1}


@differs(MOTO, because="UpdateItem adds an item that is not there, with or without an expression")
def case_an_update_without_an_expression_makes_an_item(backend: Backend) -> None:
    table = a_table(backend)
    table.update(None)
    assert table.item() == {"pk": "a"}


def case_set_takes_another_attributes_value(backend: Backend) -> None:
    assert _updated(_with(backend, v=1), "SET w = v") == {"v": 1, "w": 1}


def case_right_hand_sides_see_the_item_before(backend: Backend) -> None:
    assert _updated(_with(backend, v=1, w=2), "SET v = w, w = v") == {"v": 2, "w": 1}


def case_a_removed_attribute_may_still_be_read(backend: Backend) -> None:
    assert _updated(_with(backend, v=1), "REMOVE v SET w = v") == {"w": 1}


def case_set_adds_and_subtracts(backend: Backend) -> None:
    table = _with(backend, v=10)
    assert _updated(table, "SET v = v + :x, w = v - :y", x=5, y=20) == {"v": 15, "w": -10}


def case_a_value_may_stand_on_the_left_of_a_sum(backend: Backend) -> None:
    assert _updated(_with(backend, v=10), "SET v = :x - v", x=3) == {"v": -7}


def case_two_attributes_may_be_added(backend: Backend) -> None:
    assert _updated(_with(backend, v=10, w=5), "SET v = v - w") == {"v": 5, "w": 5}


def case_a_sum_with_what_is_missing_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend), "SET v = v + :x", x=1)


@differs(LOCAL_CLOUD, because="+ and - take numbers only")
def case_a_sum_with_a_text_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v="1"), "SET v = v + :x", x=1)


@differs(LOCAL_CLOUD, because="+ and - take numbers only")
def case_a_sum_with_a_given_text_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v=1), "SET v = v + :x", x="1")


def case_set_from_what_is_missing_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend), "SET v = gone")


def case_if_not_exists_keeps_what_is_there(backend: Backend) -> None:
    table = _with(backend, v=1)
    assert _updated(table, "SET v = if_not_exists(v, :x), w = if_not_exists(w, :x)", x=9) == {
        "v": 1,
        "w": 9,
    }


def case_if_not_exists_may_look_at_another_attribute(backend: Backend) -> None:
    assert _updated(_with(backend, v=1), "SET w = if_not_exists(v, :x)", x=9) == {"v": 1, "w": 1}


def case_a_counter_begins_by_itself(backend: Backend) -> None:
    table = _with(backend)
    for _ in range(2):
        found = _updated(table, "SET n = if_not_exists(n, :zero) + :one", zero=0, one=1)
    assert found == {"n": 2}


def case_list_append_joins_lists_in_order(backend: Backend) -> None:
    table = _with(backend, v=[1])
    assert _updated(table, "SET v = list_append(v, :x)", x=[2]) == {"v": [1, 2]}
    assert _updated(table, "SET v = list_append(:x, v)", x=[0]) == {"v": [0, 1, 2]}


@differs(LOCAL_CLOUD, because="list_append takes lists only")
def case_list_append_takes_lists_only(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v="x"), "SET v = list_append(v, :x)", x=[2])
    with refused(INVALID):
        _updated(_with(backend, v=[1]), "SET v = list_append(v, :x)", x=2)


def case_list_append_and_if_not_exists_go_together(backend: Backend) -> None:
    table = _with(backend)
    assert _updated(table, "SET v = list_append(if_not_exists(v, :none), :x)", none=[], x=[1]) == {
        "v": [1]
    }


def case_set_reaches_into_maps(backend: Backend) -> None:
    table = _with(backend, m={"x": 1, "y": {"z": 2}})
    assert _updated(table, "SET m.x = :v, m.y.w = :v", v=9) == {
        "m": {"x": 9, "y": {"z": 2, "w": 9}}
    }


def case_set_reaches_into_lists(backend: Backend) -> None:
    assert _updated(_with(backend, v=[1, 2, 3]), "SET v[1] = :v", v=9) == {"v": [1, 9, 3]}


def case_set_beyond_a_lists_end_appends(backend: Backend) -> None:
    assert _updated(_with(backend, v=[1]), "SET v[7] = :v", v=9) == {"v": [1, 9]}


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="elements set beyond a list's end are appended in the order of their indexes",
)
def case_several_sets_beyond_the_end_keep_their_order(backend: Backend) -> None:
    table = _with(backend, v=[1])
    assert _updated(table, "SET v[9] = :x, v[5] = :y", x=9, y=5) == {"v": [1, 5, 9]}


def case_set_into_a_map_that_is_missing_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend), "SET m.x = :v", v=9)


@differs(MOTO, because="a path leads into a map that is there")
def case_set_into_what_is_no_map_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, m=1), "SET m.x = :v", v=9)


def case_remove_takes_attributes_away(backend: Backend) -> None:
    assert _updated(_with(backend, v=1, w=2, x=3), "REMOVE v, w") == {"x": 3}


def case_remove_of_what_is_missing_is_no_error(backend: Backend) -> None:
    assert _updated(_with(backend, v=1), "REMOVE gone") == {"v": 1}


def case_remove_reaches_into_maps(backend: Backend) -> None:
    assert _updated(_with(backend, m={"x": 1, "y": 2}), "REMOVE m.x") == {"m": {"y": 2}}


@differs(LOCAL_CLOUD, because="indexes of removed elements are those before the update")
def case_remove_closes_up_a_list(backend: Backend) -> None:
    assert _updated(_with(backend, v=[1, 2, 3, 4]), "REMOVE v[0], v[2]") == {"v": [2, 4]}


def case_remove_beyond_a_lists_end_is_no_error(backend: Backend) -> None:
    assert _updated(_with(backend, v=[1]), "REMOVE v[5]") == {"v": [1]}


def case_add_counts(backend: Backend) -> None:
    table = _with(backend, v=10)
    assert _updated(table, "ADD v :x, w :x", x=-3) == {"v": 7, "w": -3}


def case_add_makes_an_item(backend: Backend) -> None:
    assert _updated(a_table(backend), "ADD n :x", x=1) == {"n": 1}


def case_add_joins_sets(backend: Backend) -> None:
    table = _with(backend, v={"a"})
    assert _updated(table, "ADD v :x", x={"a", "b"}) == {"v": {"a", "b"}}
    assert _updated(table, "ADD w :x", x={1}) == {"v": {"a", "b"}, "w": {1}}


def case_add_takes_numbers_and_sets_only(backend: Backend) -> None:
    for value in ("x", [1], {"x": 1}, True):
        with refused(INVALID):
            _updated(_with(backend), "ADD v :x", x=value)


def case_add_of_another_type_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v="x"), "ADD v :x", x=1)
    with refused(INVALID):
        _updated(_with(backend, v={1}), "ADD v :x", x={"a"})


def case_delete_takes_members_out_of_a_set(backend: Backend) -> None:
    assert _updated(_with(backend, v={1, 2, 3}), "DELETE v :x", x={2, 9}) == {"v": {1, 3}}


def case_a_set_without_members_is_gone(backend: Backend) -> None:
    assert _updated(_with(backend, v={1}), "DELETE v :x", x={1}) == {}


def case_delete_from_what_is_missing_is_no_error(backend: Backend) -> None:
    assert _updated(_with(backend), "DELETE v :x", x={1}) == {}


def case_delete_takes_sets_only(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v=1), "DELETE v :x", x=1)


def case_all_sections_work_together(backend: Backend) -> None:
    table = _with(backend, v=1, gone=1, n=1, tags={"a", "b"})
    found = _updated(table, "DELETE tags :t SET v = :v ADD n :n REMOVE gone", t={"b"}, v=2, n=1)
    assert found == {"v": 2, "n": 2, "tags": {"a"}}


@differs(LOCAL_CLOUD, because="each of SET, REMOVE, ADD and DELETE stands once")
def case_a_section_stands_once(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend), "SET v = :x SET w = :x", x=1)


@differs(LOCAL_CLOUD, because="an update's paths must not overlap or conflict")
def case_overlapping_paths_are_refused(backend: Backend) -> None:
    table = _with(backend, m={"x": 1}, v=[1])
    for expression in ("SET v = :x REMOVE v", "SET m = :x, m.x = :x", "SET v[0] = :x REMOVE v[0]"):
        with refused(INVALID):
            _updated(table, expression, x=1)


@differs(MOTO, because="an update's paths must not overlap or conflict")
def case_conflicting_paths_are_refused(backend: Backend) -> None:
    with refused(INVALID):
        _updated(_with(backend, v=[1]), "SET v[0] = :x, v.y = :x", x=1)


def case_neighbouring_paths_are_no_overlap(backend: Backend) -> None:
    table = _with(backend, m={"x": 1, "y": 1}, v=[1, 2])
    assert _updated(table, "SET m.x = :x, v[0] = :x REMOVE m.y, v[1]", x=9) == {
        "m": {"x": 9},
        "v": [9],
    }


def case_a_key_cannot_be_updated(backend: Backend) -> None:
    table = _with(backend)
    for expression in ("SET pk = :x", "ADD pk :x", "DELETE pk :x"):
        with refused(INVALID):
            table.update(expression, ExpressionAttributeValues={":x": {"SS": ["b"]}})
    with refused(INVALID):
        table.update("REMOVE pk")


@differs(MOTO, LOCAL_CLOUD, because="what the grammar does not know is a ValidationException")
def case_what_is_no_update_is_refused(backend: Backend) -> None:
    table = _with(backend, v=1)
    for expression in ("v = :x", "SET v", "SET v = :x,", "SET v = :x + :x + :x", "ADD v = :x"):
        with refused(INVALID):
            _updated(table, expression, x=1)


def case_a_condition_may_guard_an_update(backend: Backend) -> None:
    table = _with(backend, v=1)
    guarded = {"ConditionExpression": "v = :x", "ExpressionAttributeValues": given(x=1, y=2)}
    table.update("SET v = :y", **guarded)
    with refused(FAILED):
        table.update("SET v = :y", **guarded)
    assert table.item() == {"pk": "a", "v": 2}


def case_a_failed_update_shows_the_item_when_asked(backend: Backend) -> None:
    table = _with(backend, v=1)
    with pytest.raises(table.client.exceptions.ClientError) as caught:
        table.update(
            "REMOVE v",
            ConditionExpression="attribute_not_exists(v)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert plain(caught.value.response["Item"]) == {"pk": "a", "v": 1}


def case_nothing_is_returned_unless_asked(backend: Backend) -> None:
    assert "Attributes" not in _with(backend, v=1).update("REMOVE v")


def case_all_old_is_the_item_before(backend: Backend) -> None:
    answer = _with(backend, v=1, w=2).update("REMOVE v", ReturnValues="ALL_OLD")
    assert plain(answer["Attributes"]) == {"pk": "a", "v": 1, "w": 2}


def case_a_new_item_has_nothing_old(backend: Backend) -> None:
    answer = a_table(backend).update(
        "SET v = :v", ExpressionAttributeValues=given(v=1), ReturnValues="ALL_OLD"
    )
    assert not answer.get("Attributes")


def case_updated_old_is_what_was_changed(backend: Backend) -> None:
    answer = _with(backend, v=1, w=2).update(
        "SET v = :v REMOVE w", ExpressionAttributeValues=given(v=5), ReturnValues="UPDATED_OLD"
    )
    assert plain(answer["Attributes"]) == {"v": 1, "w": 2}


def case_updated_new_is_what_it_became(backend: Backend) -> None:
    answer = _with(backend, v=1, w=2).update(
        "SET v = :v, x = :v", ExpressionAttributeValues=given(v=5), ReturnValues="UPDATED_NEW"
    )
    assert plain(answer["Attributes"]) == {"v": 5, "x": 5}


def case_updated_new_of_a_map_is_the_part_changed(backend: Backend) -> None:
    answer = _with(backend, m={"x": 1, "y": 2}).update(
        "SET m.x = :v", ExpressionAttributeValues=given(v=5), ReturnValues="UPDATED_NEW"
    )
    assert plain(answer["Attributes"]) == {"m": {"x": 5}}


def case_updated_new_shows_nothing_of_what_was_removed(backend: Backend) -> None:
    answer = _with(backend, v=1).update("REMOVE v", ReturnValues="UPDATED_NEW")
    assert not answer.get("Attributes")
