"""Filter policies of SNS: which messages a subscription wants, by their attributes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.simulation.aws.calls import NotSimulatedError
from tests.simulation.aws.operations import RefusedError

Attributes = Mapping[str, Mapping[str, Any]]
Test = Callable[[object], bool]
"""Told a value of an attribute: a text, a number, or what an array holds."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class FilterPolicy:
    """What a subscription wants: for every name one of the conditions must hold."""

    def __init__(self, text: str) -> None:
        try:
            policy = json.loads(text)
        except ValueError:
            raise _invalid("failed to parse JSON") from None
        if not isinstance(policy, dict):
            raise _invalid("Filter policy must be an object")
        self._wanted = {name: _conditions(name, policy[name]) for name in policy}

    def wants(self, attributes: Attributes) -> bool:
        return all(
            any(test(value) for value in _values(attributes[name]) for test in tests)
            if name in attributes
            else is_absence_wanted
            for name, (tests, is_absence_wanted) in self._wanted.items()
        )


def _conditions(name: str, wanted: object) -> tuple[Sequence[Test], bool]:
    """Read what is wanted of an attribute, and whether it may as well be absent."""
    if name == "$or" or isinstance(wanted, dict):
        raise NotSimulatedError(f"sns: a filter policy with {name}: {wanted}")
    if not isinstance(wanted, list) or not wanted:
        raise _invalid(f'"{name}" must be an object or an array')
    is_absence_wanted = {"exists": False} in wanted
    return [_test(each) for each in wanted if each != {"exists": False}], is_absence_wanted


def _test(wanted: object) -> Test:
    if not isinstance(wanted, dict):
        plain = _plain(wanted)
        return lambda value: type(value) is type(plain) and value == plain
    if len(wanted) != 1:
        raise _invalid("a match type must have one key")
    ((kind, operand),) = wanted.items()
    if kind == "exists":
        return lambda _value: True
    if kind == "anything-but":
        return _anything_but(operand)
    if kind == "numeric":
        return _numeric(operand)
    return _about_text(kind, operand)


def _about_text(kind: str, operand: str) -> Test:
    matches: Mapping[str, Callable[[str], bool]] = {
        "prefix": lambda text: text.startswith(operand),
        "suffix": lambda text: text.endswith(operand),
        "equals-ignore-case": lambda text: text.casefold() == operand.casefold(),
    }
    if kind not in matches:
        raise _invalid(f"Unrecognized match type {kind}")
    match = matches[kind]
    return lambda value: isinstance(value, str) and match(value)


def _anything_but(operand: object) -> Test:
    if isinstance(operand, dict):
        unwanted = _test(operand)
        return lambda value: not unwanted(value)
    refused = operand if isinstance(operand, list) else [operand]
    return lambda value: value not in refused


def _numeric(operand: Sequence[Any]) -> Test:
    pairs = list(zip(operand[::2], operand[1::2], strict=True))
    if not pairs or any(sign not in COMPARISONS for sign, _bound in pairs):
        raise _invalid("Value of numeric must be comparisons and numbers")
    return lambda value: (
        isinstance(value, float) and all(COMPARISONS[sign](value, bound) for sign, bound in pairs)
    )


def _values(attribute: Mapping[str, Any]) -> Sequence[object]:
    """Give the values of an attribute that conditions are about; binary ones match nothing."""
    kind = attribute["DataType"]
    if kind.startswith("Number"):
        return (float(attribute["StringValue"]),)
    if kind == "String.Array":
        held = json.loads(attribute["StringValue"])
        values = held if isinstance(held, list) else [held]
        return [_plain(value) for value in values]
    return (attribute["StringValue"],) if kind.startswith("String") else ()


def _plain(value: object) -> object:
    """Take every number for one kind of number."""
    return float(value) if type(value) is int else value


def _invalid(reason: str) -> RefusedError:
    return RefusedError("InvalidParameter", f"Invalid parameter: FilterPolicy: {reason}")
