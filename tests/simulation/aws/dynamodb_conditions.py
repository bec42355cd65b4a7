"""What conditions mean: trees made into functions of an item and the values given.

Made once for each text of an expression, they are called for every item; what depends on the
values alone (their types) is checked once a call, before any item is looked at.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tests.simulation.aws.dynamodb_refusals import InvalidError
from tests.simulation.aws.dynamodb_trees import (
    Between,
    Call,
    Comparison,
    Junction,
    Membership,
    Negation,
    Node,
    Operand,
    Path,
)
from tests.simulation.aws.dynamodb_values import SETS, Item, Value, number, text_bytes
from tests.simulation.aws.expressions import CONDITIONS, Text

Values = Mapping[str, Value]
Getter = Callable[[Item, Values], Value | None]
Condition = Callable[[Item, Values], bool]
Check = Callable[[Values], None]

TYPES = frozenset(("S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"))
ORDERED = frozenset(("S", "N", "B"))
SIZED = frozenset(("S", "B", "SS", "NS", "BS", "L", "M"))
ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TYPE_NAMES = {
    "S": "STRING",
    "N": "NUMBER",
    "B": "BINARY",
    "SS": "STRING_SET",
    "NS": "NUMBER_SET",
    "BS": "BINARY_SET",
    "L": "LIST",
    "M": "MAP",
    "BOOL": "BOOLEAN",
    "NULL": "NULL",
}


def kind_of(value: Value) -> str:
    return next(iter(value))


def comparable(value: Value) -> Any:
    """Give what a string, number or binary is compared by."""
    ((kind, held),) = value.items()
    return number(held) if kind == "N" else held


def shown(value: Value) -> str:
    ((kind, held),) = value.items()
    return f"AttributeValue: {{{kind}:{held}}}"


# --- operands -------------------------------------------------------------------------------


def getter(node: Node, text: Text, checks: list[Check]) -> Getter:
    """Make what gives an operand's value: None where the item has none."""
    if isinstance(node, Path):
        return path_getter(node)
    if isinstance(node, Operand):
        name = node.name
        return lambda _item, values: values[name]
    if isinstance(node, Call):
        if node.function == "size":
            return _size(node, text, checks)
        if node.function in CONDITIONS:
            text.refuse(
                "The function is not allowed to be used this way in an expression; "
                f"function: {node.function}"
            )
        text.refuse(f"Invalid function name; function: {node.function}")
    return text.unexpected()


def path_getter(path: Path) -> Getter:
    first, *rest = path.parts
    if not rest:
        return lambda item, _values: item.get(first)

    def deep(item: Item, _values: Values) -> Value | None:
        return found_at(item, path)

    return deep


def found_at(item: Item, path: Path) -> Value | None:
    """Walk a document path."""
    value: Value | None = {"M": item}
    for part in path.parts:
        if type(part) is int:
            held = value.get("L")
            if held is None or part >= len(held):
                return None
            value = held[part]
        else:
            value = value.get("M", {}).get(part)
            if value is None:
                return None
    return value


def _size(node: Call, text: Text, checks: list[Check]) -> Getter:
    _needs_operands(node, 1, text)
    argument = getter(node.arguments[0], text, checks)
    checks.extend(_typed(node.arguments[0], SIZED, "operator or function: size", text))

    def size(item: Item, values: Values) -> Value | None:
        value = argument(item, values)
        if value is None:
            return None
        ((kind, held),) = value.items()
        if kind == "S":
            return {"N": str(text_bytes(held))}
        return {"N": str(len(held))} if kind in SIZED else None

    return size


# --- checks of what is written, and of the values given -------------------------------------


def _needs_operands(node: Call, wanted: int, text: Text) -> None:
    if len(node.arguments) != wanted:
        text.refuse(
            "Incorrect number of operands for operator or function; "
            f"operator or function: {node.function}, number of operands: {len(node.arguments)}"
        )


def _typed(node: Node, allowed: frozenset[str], named: str, text: Text) -> Iterator[Check]:
    """Check the type of a value, if the operand is one."""
    if isinstance(node, Operand):
        yield partial(_check_type, node.name, allowed, named, text.label)


def _check_type(name: str, allowed: frozenset[str], named: str, label: str, values: Values) -> None:
    kind = kind_of(values[name])
    if kind not in allowed:
        raise InvalidError(
            f"Invalid {label}: Incorrect operand type for operator or function; "
            f"{named}, operand type: {kind}"
        )


def _needs_distinct(first: Node, others: tuple[Node, ...], named: str, text: Text) -> None:
    if first in others:
        text.refuse(
            "The first operand must be distinct from the remaining operands for this operator "
            f"or function; {named}, first operand: {first}"
        )


# --- conditions -----------------------------------------------------------------------------


def condition(node: Node, text: Text, checks: list[Check]) -> Condition:
    """Make the function of a condition."""
    if isinstance(node, Junction):
        left = condition(node.left, text, checks)
        right = condition(node.right, text, checks)
        if node.word == "AND":
            return lambda item, values: left(item, values) and right(item, values)
        return lambda item, values: left(item, values) or right(item, values)
    if isinstance(node, Negation):
        inner = condition(node.condition, text, checks)
        return lambda item, values: not inner(item, values)
    if isinstance(node, Comparison):
        return _comparison(node, text, checks)
    if isinstance(node, Between):
        return _between(node, text, checks)
    if isinstance(node, Membership):
        return _membership(node, text, checks)
    if isinstance(node, Call):
        _needs_operands(node, CONDITIONS[node.function], text)
        return _FUNCTIONS[node.function](node, text, checks)
    return text.unexpected()


def _comparison(node: Comparison, text: Text, checks: list[Check]) -> Condition:
    _needs_distinct(node.left, (node.right,), f"operator: {node.operator}", text)
    left, right = getter(node.left, text, checks), getter(node.right, text, checks)
    if node.operator == "=":
        return _equal(node, left, right)
    if node.operator == "<>":
        equal = _equal(node, left, right)
        return lambda item, values: not equal(item, values)
    for operand in (node.left, node.right):
        checks.extend(_typed(operand, ORDERED, f"operator: {node.operator}", text))
    holds = ORDERINGS[node.operator]

    def ordered(item: Item, values: Values) -> bool:
        one, other = left(item, values), right(item, values)
        if one is None or other is None:
            return False
        kind = kind_of(one)
        if kind not in other or kind not in ORDERED:
            return False
        return holds(comparable(one), comparable(other))

    return ordered


def _equal(node: Comparison, left: Getter, right: Getter) -> Condition:
    if (
        isinstance(node.left, Path)
        and len(node.left.parts) == 1
        and isinstance(node.right, Operand)
    ):
        attribute, name = node.left.parts[0], node.right.name
        return lambda item, values: item.get(attribute) == values[name]

    def equal(item: Item, values: Values) -> bool:
        one = left(item, values)
        return one is not None and one == right(item, values)

    return equal


def _between(node: Between, text: Text, checks: list[Check]) -> Condition:
    _needs_distinct(node.operand, (node.low, node.high), "operator: BETWEEN", text)
    operand = getter(node.operand, text, checks)
    low, high = getter(node.low, text, checks), getter(node.high, text, checks)
    for each in (node.operand, node.low, node.high):
        checks.extend(_typed(each, ORDERED, "operator: BETWEEN", text))
    if isinstance(node.low, Operand) and isinstance(node.high, Operand):
        checks.append(partial(check_bounds, node.low.name, node.high.name, text.label))

    def between(item: Item, values: Values) -> bool:
        one, least, most = operand(item, values), low(item, values), high(item, values)
        if one is None or least is None or most is None:
            return False
        kind = kind_of(one)
        if kind not in least or kind not in most or kind not in ORDERED:
            return False
        return bool(comparable(least) <= comparable(one) <= comparable(most))

    return between


def check_bounds(low_name: str, high_name: str, label: str, values: Values) -> None:
    """Refuse a BETWEEN that nothing can be in."""
    low, high = values[low_name], values[high_name]
    told = f"lower bound operand: {shown(low)}, upper bound operand: {shown(high)}"
    if kind_of(low) != kind_of(high):
        raise InvalidError(
            f"Invalid {label}: The BETWEEN operator requires same data type for lower and "
            f"upper bounds; {told}"
        )
    if comparable(low) > comparable(high):
        raise InvalidError(
            f"Invalid {label}: The BETWEEN operator requires upper bound to be greater than or "
            f"equal to lower bound; {told}"
        )


def _membership(node: Membership, text: Text, checks: list[Check]) -> Condition:
    _needs_distinct(node.operand, node.options, "operator: IN", text)
    operand = getter(node.operand, text, checks)
    options = [getter(option, text, checks) for option in node.options]

    def among(item: Item, values: Values) -> bool:
        one = operand(item, values)
        return one is not None and any(one == option(item, values) for option in options)

    return among


# --- functions ------------------------------------------------------------------------------


def _exists(node: Call, text: Text, checks: list[Check]) -> Condition:
    path = node.arguments[0]
    if not isinstance(path, Path):
        text.refuse(
            f"Operator or function requires a document path; operator or function: {node.function}"
        )
    if len(path.parts) == 1:
        attribute = path.parts[0]
        if node.function == "attribute_exists":
            return lambda item, _values: attribute in item
        return lambda item, _values: attribute not in item
    get = path_getter(path)
    if node.function == "attribute_exists":
        return lambda item, values: get(item, values) is not None
    return lambda item, values: get(item, values) is None


def _attribute_type(node: Call, text: Text, checks: list[Check]) -> Condition:
    path, wanted = node.arguments
    if not isinstance(path, Path) or not isinstance(wanted, Operand):
        text.refuse(
            f"Operator or function requires a document path; operator or function: {node.function}"
        )
    checks.extend(_typed(wanted, frozenset("S"), "operator or function: attribute_type", text))
    name, get, label = wanted.name, path_getter(path), text.label

    def known(values: Values) -> None:
        if values[name]["S"] not in TYPES:
            raise InvalidError(
                f"Invalid {label}: Invalid attribute type name found; type: {values[name]['S']}, "
                "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
            )

    checks.append(known)

    def is_of_type(item: Item, values: Values) -> bool:
        value = get(item, values)
        return value is not None and values[name]["S"] in value

    return is_of_type


def _begins_with(node: Call, text: Text, checks: list[Check]) -> Condition:
    _needs_distinct(
        node.arguments[0], node.arguments[1:], "operator or function: begins_with", text
    )
    whole, prefix = (getter(argument, text, checks) for argument in node.arguments)
    for argument in node.arguments:
        checks.extend(_typed(argument, frozenset("SB"), "operator or function: begins_with", text))

    def begins(item: Item, values: Values) -> bool:
        one, other = whole(item, values), prefix(item, values)
        if one is None or other is None:
            return False
        kind = kind_of(one)
        return kind in {"S", "B"} and kind in other and bool(one[kind].startswith(other[kind]))

    return begins


def _contains(node: Call, text: Text, checks: list[Check]) -> Condition:
    _needs_distinct(node.arguments[0], node.arguments[1:], "operator or function: contains", text)
    whole, part = (getter(argument, text, checks) for argument in node.arguments)

    def contains(item: Item, values: Values) -> bool:
        one, other = whole(item, values), part(item, values)
        if one is None or other is None:
            return False
        ((kind, held),) = one.items()
        if kind in {"S", "B"}:
            return kind in other and other[kind] in held
        if kind == "L":
            return other in held
        return kind in SETS and SETS[kind] in other and other[SETS[kind]] in held

    return contains


_FUNCTIONS: Mapping[str, Callable[[Call, Text, list[Check]], Condition]] = {
    "attribute_exists": _exists,
    "attribute_not_exists": _exists,
    "attribute_type": _attribute_type,
    "begins_with": _begins_with,
    "contains": _contains,
}
