"""What DynamoDB promises of conditions.

Source: the developer guide, "Condition and filter expressions, operators, and functions": the
comparators, BETWEEN, IN, the functions, the logical operators and their precedence.
"""

from typing import Any

from tests.simulation.conformance.a_table import INVALID, ATable, a_table, given
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _with(backend: Backend, **values: Any) -> ATable:
    table = a_table(backend)
    table.puts(pk="a", **values)
    return table


def case_equal(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v = :v", v=5)
    assert not table.meets("v = :v", v=6)


def case_values_of_other_types_are_not_equal(backend: Backend) -> None:
    assert not _with(backend, v=5).meets("v = :v", v="5")


def case_numbers_are_equal_however_they_are_written(backend: Backend) -> None:
    table = a_table(backend)
    table.put({"pk": {"S": "a"}, "v": {"N": "5.0"}})
    same = {"ConditionExpression": "v = :v", "ExpressionAttributeValues": {":v": {"N": "05"}}}
    table.delete(**same)
    assert table.item() is None


def case_lists_and_maps_are_compared_whole(backend: Backend) -> None:
    table = _with(backend, m={"x": [1, 2]})
    assert table.meets("m = :v", v={"x": [1, 2]})
    assert not table.meets("m = :v", v={"x": [2, 1]})


def case_sets_are_equal_in_any_order(backend: Backend) -> None:
    assert _with(backend, v={1, 2, 3}).meets("v = :v", v={3, 2, 1})


def case_what_is_missing_equals_nothing(backend: Backend) -> None:
    assert not _with(backend).meets("v = :v", v=5)


def case_not_equal(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v <> :v", v=6)
    assert not table.meets("v <> :v", v=5)


def case_values_of_other_types_are_not_equal_to_each_other(backend: Backend) -> None:
    assert _with(backend, v=5).meets("v <> :v", v="5")


def case_what_is_missing_is_not_equal(backend: Backend) -> None:
    assert _with(backend).meets("v <> :v", v=5)


def case_numbers_are_ordered_by_their_size(backend: Backend) -> None:
    table = _with(backend, v=9)
    assert table.meets("v < :v", v=10)
    assert table.meets("v <= :v", v=9)
    assert table.meets("v > :v", v=-10)
    assert table.meets("v >= :v", v=9)
    assert not table.meets("v > :v", v=9)


def case_texts_are_ordered_by_their_bytes(backend: Backend) -> None:
    table = _with(backend, v="Z")
    assert table.meets("v < :v", v="a")
    assert table.meets("v < :v", v="借")
    assert not table.meets("v < :v", v="A")


def case_bytes_are_ordered_unsigned(backend: Backend) -> None:
    assert _with(backend, v=b"\x80").meets("v > :v", v=b"\x7f")


@differs(MOTO, because="a comparison of values of two types is false")
def case_values_of_other_types_have_no_order(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert not table.meets("v < :v", v="9")
    assert not table.meets("v >= :v", v="1")


def case_what_is_missing_has_no_order(backend: Backend) -> None:
    table = _with(backend)
    assert not table.meets("v < :v", v=9)
    assert not table.meets("v >= :v", v=0)


@differs(
    MOTO, LOCAL_CLOUD, because="<, <=, >, >= and BETWEEN take strings, numbers and binaries only"
)
def case_there_is_no_order_of_booleans(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=True).meets("v < :v", v=True)


def case_between_includes_both_bounds(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v BETWEEN :x AND :y", x=5, y=6)
    assert table.meets("v BETWEEN :x AND :y", x=4, y=5)
    assert not table.meets("v BETWEEN :x AND :y", x=6, y=7)


@differs(MOTO, because="BETWEEN takes bounds of one type, the lower first")
def case_between_needs_its_bounds_in_order(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=5).meets("v BETWEEN :x AND :y", x=6, y=4)


@differs(MOTO, LOCAL_CLOUD, because="BETWEEN takes bounds of one type, the lower first")
def case_between_needs_bounds_of_one_type(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=5).meets("v BETWEEN :x AND :y", x=4, y="6")


def case_in_finds_one_of_several(backend: Backend) -> None:
    table = _with(backend, v="b")
    assert table.meets("v IN (:x, :y)", x="a", y="b")
    assert not table.meets("v IN (:x)", x="a")


def case_in_takes_a_hundred_values(backend: Backend) -> None:
    table = _with(backend, v=99)
    hundred = {f"v{number}": number for number in range(100)}
    assert table.meets(f"v IN ({', '.join(f':{name}' for name in hundred)})", **hundred)


@differs(MOTO, LOCAL_CLOUD, because="IN takes up to 100 values")
def case_in_takes_no_more_than_a_hundred(backend: Backend) -> None:
    table = _with(backend, v=99)
    many = {f"v{number}": number for number in range(101)}
    with refused(INVALID):
        table.meets(f"v IN ({', '.join(f':{name}' for name in many)})", **many)


def case_attribute_exists(backend: Backend) -> None:
    table = _with(backend, v=None)
    assert table.meets("attribute_exists(v)")
    assert not table.meets("attribute_exists(w)")


def case_attribute_not_exists(backend: Backend) -> None:
    table = _with(backend, v=1)
    assert table.meets("attribute_not_exists(w)")
    assert not table.meets("attribute_not_exists(v)")


def case_attribute_exists_looks_into_documents(backend: Backend) -> None:
    table = _with(backend, m={"x": [{"y": 1}]})
    assert table.meets("attribute_exists(m.x[0].y)")
    assert table.meets("attribute_not_exists(m.x[1])")
    assert table.meets("attribute_not_exists(m.x.y)")


@differs(MOTO, because="attribute_exists takes a document path")
def case_attribute_exists_wants_a_path(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).meets("attribute_exists(:v)", v="v")


def case_attribute_type(backend: Backend) -> None:
    table = _with(backend, v="x", w=[1], n=None)
    assert table.meets("attribute_type(v, :t)", t="S")
    assert table.meets("attribute_type(w, :t)", t="L")
    assert table.meets("attribute_type(n, :t)", t="NULL")
    assert not table.meets("attribute_type(v, :t)", t="N")
    assert not table.meets("attribute_type(gone, :t)", t="S")


@differs(MOTO, LOCAL_CLOUD, because="attribute_type takes one of the ten names of types")
def case_attribute_type_knows_its_types(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v="x").meets("attribute_type(v, :t)", t="STRING")


def case_begins_with(backend: Backend) -> None:
    table = _with(backend, v="2026-11-24")
    assert table.meets("begins_with(v, :p)", p="2026-11")
    assert not table.meets("begins_with(v, :p)", p="11")
    assert not table.meets("begins_with(gone, :p)", p="2")


@differs(MOTO, because="begins_with takes a string or a binary")
def case_begins_with_takes_no_number(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=2026).meets("begins_with(v, :p)", p=20)


def case_contains_finds_part_of_a_text(backend: Backend) -> None:
    table = _with(backend, v="借据号")
    assert table.meets("contains(v, :p)", p="据")
    assert not table.meets("contains(v, :p)", p="x")


def case_contains_finds_a_member_of_a_set(backend: Backend) -> None:
    table = _with(backend, v={"a", "b"}, n={1, 2})
    assert table.meets("contains(v, :p)", p="a")
    assert not table.meets("contains(v, :p)", p="ab")
    assert table.meets("contains(n, :p)", p=2)
    assert not table.meets("contains(n, :p)", p="2")


def case_contains_finds_an_element_of_a_list(backend: Backend) -> None:
    table = _with(backend, v=[1, "x", {"y": 1}])
    assert table.meets("contains(v, :p)", p="x")
    assert table.meets("contains(v, :p)", p={"y": 1})
    assert not table.meets("contains(v, :p)", p=2)


def case_size_counts_bytes_members_and_elements(backend: Backend) -> None:
    table = _with(backend, s="abc", b=b"ab", l=[1, 2, 3, 4], m={"x": 1}, n={1, 2})
    assert table.meets("size(s) = :v", v=3)
    assert table.meets("size(b) = :v", v=2)
    assert table.meets("size(l) > :v", v=3)
    assert table.meets("size(m) = :v", v=1)
    assert table.meets("size(n) = :v", v=2)


@differs(MOTO, because="size of an attribute that is missing is no number: the comparison is false")
def case_size_of_what_is_missing_is_nothing(backend: Backend) -> None:
    table = _with(backend)
    assert not table.meets("size(v) = :v", v=0)
    assert not table.meets("size(v) < :v", v=1)


@differs(MOTO, because="size is an operand, no condition")
def case_size_is_no_condition_by_itself(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v="x").meets("size(v)")


def case_two_attributes_may_be_compared(backend: Backend) -> None:
    table = _with(backend, v=5, w=6)
    assert table.meets("v < w")
    assert not table.meets("v = w")


@differs(MOTO, LOCAL_CLOUD, because="the first operand must be distinct from the others")
def case_an_attribute_is_not_compared_with_itself(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=5).meets("v = v")


def case_and_needs_both(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v > :x AND v < :y", x=4, y=6)
    assert not table.meets("v > :x AND v < :y", x=4, y=5)


def case_or_needs_one(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v = :x OR v = :y", x=4, y=5)
    assert not table.meets("v = :x OR v = :y", x=4, y=6)


def case_not_turns_around(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("NOT v = :v", v=6)
    assert not table.meets("NOT attribute_exists(v)")


def case_and_comes_before_or(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert table.meets("v = :a OR v = :b AND v = :c", a=5, b=6, c=6)


def case_not_comes_before_and(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert not table.meets("NOT v = :a AND v = :b", a=6, b=6)


def case_parentheses_come_first(backend: Backend) -> None:
    table = _with(backend, v=5)
    assert not table.meets("(v = :a OR v = :b) AND v = :c", a=5, b=6, c=6)
    assert table.meets("NOT (v = :a AND v = :c)", a=5, c=6)


def case_words_are_understood_in_any_case(backend: Backend) -> None:
    assert _with(backend, v=5).meets("v between :x and :y Or not v = :x", x=4, y=6)


@differs(MOTO, LOCAL_CLOUD, because="names of functions are case-sensitive")
def case_functions_are_not(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=5).meets("ATTRIBUTE_EXISTS(v)")


def case_paths_lead_into_maps_and_lists(backend: Backend) -> None:
    table = _with(backend, m={"x": {"y": [10, 20]}})
    assert table.meets("m.x.y[1] = :v", v=20)
    assert not table.meets("m.x.y[2] = :v", v=20)
    assert not table.meets("m.gone.y = :v", v=20)


def case_a_placeholder_is_one_step_of_a_path(backend: Backend) -> None:
    table = _with(backend, **{"a.b": 1, "a": {"b": 2}})
    assert table.meets("#n = :v", names={"#n": "a.b"}, v=1)
    assert table.meets("#a.#b = :v", names={"#a": "a", "#b": "b"}, v=2)


def case_a_condition_on_no_item_sees_nothing(backend: Backend) -> None:
    table = a_table(backend)
    assert not table.meets("attribute_exists(pk)")
    assert table.meets("attribute_not_exists(pk)")


def case_a_failed_condition_changes_nothing(backend: Backend) -> None:
    table = _with(backend, v=1)
    with refused("ConditionalCheckFailedException"):
        table.update(
            "SET v = :new",
            ConditionExpression="v = :old",
            ExpressionAttributeValues=given(new=3, old=2),
        )
    assert table.item() == {"pk": "a", "v": 1}
