"""What DynamoDB refuses of expressions, whatever stands in the table.

Sources: the developer guide, "Expression attribute names (aliases)", "Using expression attribute
values", "Reserved words" and "Constraints" (4 KB an expression, 300 operators).
"""

from typing import Any

from tests.simulation.conformance.a_table import INVALID, ATable, a_table, given
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused


def _with(backend: Backend, **values: Any) -> ATable:
    table = a_table(backend)
    table.puts(pk="a", **values)
    return table


def case_an_unused_value_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).meets("attribute_exists(pk)", v=1)


def case_an_unused_name_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).meets("attribute_exists(pk)", names={"#n": "n"})


@differs(
    MOTO,
    because="every placeholder of an expression must be defined: otherwise a ValidationException",
)
def case_an_undefined_value_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=1).meets("v = :v")


@differs(
    MOTO,
    because="every placeholder of an expression must be defined: otherwise a ValidationException",
)
def case_a_value_undefined_beside_others_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=1).meets("v = :v OR v = :w", v=1)


@differs(
    MOTO,
    because="every placeholder of an expression must be defined: otherwise a ValidationException",
)
def case_an_undefined_name_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).meets("attribute_exists(#n)")


def case_no_values_are_no_empty_map(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).update(
            "REMOVE v", ConditionExpression="attribute_exists(pk)", ExpressionAttributeValues={}
        )


@differs(MOTO, because="placeholders stand beside an expression that uses them")
def case_no_names_are_no_empty_map(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend).update(
            "REMOVE v", ConditionExpression="attribute_exists(pk)", ExpressionAttributeNames={}
        )


@differs(MOTO, because="placeholders stand beside an expression that uses them")
def case_values_without_an_expression_are_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).put({"pk": {"S": "a"}}, ExpressionAttributeValues=given(v=1))


def case_names_without_an_expression_are_refused(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend).put({"pk": {"S": "a"}}, ExpressionAttributeNames={"#n": "n"})


@differs(MOTO, because="what the grammar does not know is a ValidationException")
def case_an_empty_expression_is_refused(backend: Backend) -> None:
    table = _with(backend)
    with refused(INVALID):
        table.meets("")
    with refused(INVALID):
        table.update("")


def case_a_reserved_word_needs_a_placeholder(backend: Backend) -> None:
    table = _with(backend, status="x")
    with refused(INVALID):
        table.meets("status = :v", v="x")
    assert table.meets("#s = :v", names={"#s": "status"}, v="x")


def case_reserved_words_are_reserved_in_any_case(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, Name="x").meets("Name = :v", v="x")


def case_reserved_words_are_reserved_within_a_path(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, m={"count": 1}).meets("m.count = :v", v=1)


def case_words_that_only_begin_like_reserved_ones_are_free(backend: Backend) -> None:
    assert _with(backend, status_of="x").meets("status_of = :v", v="x")


def case_reserved_words_are_reserved_in_updates_and_projections(backend: Backend) -> None:
    table = _with(backend)
    with refused(INVALID):
        table.update("SET name = :v", ExpressionAttributeValues=given(v=1))
    with refused(INVALID):
        table.get({"pk": {"S": "a"}}, ProjectionExpression="name")


@differs(MOTO, because="what the grammar does not know is a ValidationException")
def case_what_is_no_condition_is_refused(backend: Backend) -> None:
    table = _with(backend, v=1)
    for condition in ("v", "v = ", "= :v", "v == :v", "v = :v AND", "(v = :v", "v = :v)"):
        with refused(INVALID):
            table.meets(condition, v=1)


@differs(MOTO, LOCAL_CLOUD, because="what the grammar does not know is a ValidationException")
def case_strange_signs_are_refused(backend: Backend) -> None:
    table = _with(backend, v=1)
    for condition in ("v != :v", "v = :v;", "v = :v && v = :v", "a-b = :v", "v = '1'"):
        with refused(INVALID):
            table.meets(condition, v=1)


def case_doubled_parentheses_are_redundant(backend: Backend) -> None:
    table = _with(backend, v=1)
    assert table.meets("(v = :v)", v=1)
    with refused(INVALID):
        table.meets("((v = :v))", v=1)


@differs(MOTO, LOCAL_CLOUD, because="what the grammar does not know is a ValidationException")
def case_an_unknown_function_is_refused(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v="x").meets("ends_with(v, :v)", v="x")


@differs(MOTO, because="what the grammar does not know is a ValidationException")
def case_a_function_takes_as_many_operands_as_it_has(backend: Backend) -> None:
    table = _with(backend, v="x")
    with refused(INVALID):
        table.meets("begins_with(v)")
    with refused(INVALID):
        table.meets("attribute_exists(v, w)")


@differs(MOTO, because="what the grammar does not know is a ValidationException")
def case_functions_of_updates_are_none_of_conditions(backend: Backend) -> None:
    with refused(INVALID):
        _with(backend, v=1).meets("if_not_exists(v, :v) = :v", v=1)


@differs(MOTO, because="an expression has up to 4 KB")
def case_an_expression_has_4_kilobytes(backend: Backend) -> None:
    table = _with(backend, v=1)
    assert table.meets(f"v = :v{' ' * 4080}OR v=:v", v=1)
    with refused(INVALID):
        table.meets(f"v = :v{' ' * 4096}OR v=:v", v=1)


@differs(MOTO, LOCAL_CLOUD, because="an expression has up to 300 operators")
def case_an_expression_has_300_operators(backend: Backend) -> None:
    table = _with(backend, v=1)
    assert table.meets(" OR ".join(["v=:v"] * 150), v=1)
    with refused(INVALID):
        table.meets(" OR ".join(["v=:v"] * 151), v=1)


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="values of placeholders are attribute values, and refused where those are",
)
def case_values_are_checked_like_an_items(backend: Backend) -> None:
    table = _with(backend, v=1)
    for value in ({"N": "x"}, {"NS": []}, {"NULL": False}):
        with refused(INVALID):
            table.update(
                "REMOVE v", ConditionExpression="v = :v", ExpressionAttributeValues={":v": value}
            )
