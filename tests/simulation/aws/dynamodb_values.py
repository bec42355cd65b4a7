"""Attribute values: which there are, how AWS normalises them, and how many bytes they count.

What is stored is normalised, never shared with the caller and never changed: two values are equal
if their Python forms are (sets are sorted), and an item may stand in many snapshots.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from botocore.exceptions import ParamValidationError

from tests.simulation.aws.dynamodb_refusals import ILLEGAL, InvalidError

Value = dict[str, Any]
Item = dict[str, Value]

DIGITS_MAX = 38
EXPONENT_MAX, EXPONENT_MIN = 125, -130
DEPTH_MAX = 32
NESTED_BYTES = 3
ELEMENT_BYTES = 1
SETS = {"SS": "S", "NS": "N", "BS": "B"}
SET_NAMES = {"SS": "string", "NS": "number", "BS": "binary"}
NUMERAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WIDE = Context(prec=1000)
OVERFLOW, UNDERFLOW = (
    f"Number {word}. Attempting to store a number with magnitude {size} than supported range"
    for word, size in (("overflow", "larger"), ("underflow", "smaller"))
)


def canonical(text: str) -> str:
    """Write a number as AWS gives it back.

    >>> [canonical(text) for text in ("00012", "1e3", "-0", "1.50", ".5")]
    ['12', '1000', '0', '1.5', '0.5']

    :raises InvalidError: if it is none, has more than 38 digits, or is out of range.
    """
    if type(text) is not str:
        raise wrong_type(text, "<class 'str'>")
    if text.isdigit() and text.isascii() and text[0] != "0" and len(text) <= DIGITS_MAX:
        return text
    return _canonical(text)


@lru_cache(maxsize=8192)
def _canonical(text: str) -> str:
    if not NUMERAL.fullmatch(text):
        told = f": {text}" if text else ""
        raise InvalidError(f"The parameter cannot be converted to a numeric value{told}")
    try:
        return written(Decimal(text))
    except InvalidOperation:  # its exponent is beyond whatever can be computed
        raise InvalidError(OVERFLOW) from None


def written(number: Decimal) -> str:
    """Write what was read or computed.

    :raises InvalidError: if it has more than 38 digits, or is out of range.
    """
    if not number:
        return "0"
    if number.adjusted() > EXPONENT_MAX:
        raise InvalidError(OVERFLOW)
    if number.adjusted() < EXPONENT_MIN:
        raise InvalidError(UNDERFLOW)
    number = number.normalize(WIDE)
    if len(number.as_tuple().digits) > DIGITS_MAX:
        raise InvalidError("Attempting to store more than 38 significant digits in a Number")
    return format(number, "f")


def number(text: str) -> int | Decimal:
    """Read a canonical number so that it compares and counts exactly."""
    return int(text) if "." not in text else Decimal(text)


def added(one: str, other: str, sign: int = 1) -> str:
    """Add two canonical numbers, or subtract (sign -1), exactly.

    :raises InvalidError: if the sum is too long or out of range.
    """
    if "." not in one and "." not in other:
        total = int(one) + sign * int(other)
        text = str(total)
        return text if len(text) <= DIGITS_MAX else written(Decimal(total))
    return written(WIDE.add(Decimal(one), WIDE.multiply(Decimal(sign), Decimal(other))))


def wrong_type(given: object, wanted: str) -> ParamValidationError:
    """What botocore says before anything is sent."""
    return ParamValidationError(
        report=f"Invalid type for parameter, value: {given!r}, type: {type(given)}, "
        f"valid types: {wanted}"
    )


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def number_bytes(text: str) -> int:
    digits = len(text.replace(".", "").strip("-0")) or 1
    return (digits + 1) // 2 + 1 + (text[0] == "-")


# --- what is given, checked and copied ------------------------------------------------------


def normal(given: Mapping[str, Any], depth: int = 0) -> Value:
    """Copy a value as it would be stored.

    :raises InvalidError: if it is not a legal one.
    """
    if len(given) != 1:
        many = "has more than one datatypes set" if given else "is empty"
        raise InvalidError(
            f"Supplied AttributeValue {many}, must contain exactly one of the supported datatypes"
        )
    ((kind, value),) = given.items()
    if kind == "S":
        if type(value) is not str:
            if not isinstance(value, str):
                raise wrong_type(value, "<class 'str'>")
            value = str.__str__(value)  # an enumeration's text is a text, to botocore as well
        return {"S": value}
    if kind == "N":
        return {"N": canonical(value)}
    try:
        make = _NORMAL[kind]
    except KeyError:
        raise ParamValidationError(report=f"Unknown parameter: {kind}") from None
    if depth > DEPTH_MAX:
        raise InvalidError("Nesting Levels have exceeded supported limits")
    return {kind: make(value, depth)}


def _binary(value: Any, _depth: int) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, bytes | bytearray):
        raise wrong_type(value, "<class 'bytes'>, <class 'bytearray'>, file-like object")
    return bytes(value)


def _boolean(value: Any, _depth: int) -> bool:
    if type(value) is not bool:
        raise wrong_type(value, "<class 'bool'>")
    return value


def _null(value: Any, depth: int) -> bool:
    if not _boolean(value, depth):
        raise InvalidError(f"{ILLEGAL}Null attribute value types must have the value of true")
    return True


def _list(value: Any, depth: int) -> list[Value]:
    if not isinstance(value, list | tuple):
        raise wrong_type(value, "<class 'list'>, <class 'tuple'>")
    return [normal(element, depth + 1) for element in value]


def _map(value: Any, depth: int) -> Item:
    if not isinstance(value, dict):
        raise wrong_type(value, "<class 'dict'>")
    return {name: normal(element, depth + 1) for name, element in value.items()}


def _set_of(kind: str) -> Callable[[Any, int], list[Any]]:
    element_kind = SETS[kind]

    def made(value: Any, depth: int) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise wrong_type(value, "<class 'list'>, <class 'tuple'>")
        if not value:
            raise InvalidError(f"{ILLEGAL}An {SET_NAMES[kind]} set  may not be empty")
        elements = [normal({element_kind: element})[element_kind] for element in value]
        if len(set(elements)) != len(elements):
            shown = ", ".join(str(element) for element in value)
            raise InvalidError(f"{ILLEGAL}Input collection [{shown}] contains duplicates.")
        return in_order(kind, elements)

    return made


def in_order(kind: str, elements: list[Any]) -> list[Any]:
    """Sort a set's elements: equal sets are equal lists."""
    return sorted(elements, key=number) if kind == "NS" else sorted(elements)


_NORMAL: dict[str, Callable[[Any, int], Any]] = {
    "B": _binary,
    "BOOL": _boolean,
    "NULL": _null,
    "L": _list,
    "M": _map,
    **{kind: _set_of(kind) for kind in SETS},
}

# --- what it counts -------------------------------------------------------------------------


def value_bytes(value: Value) -> int:
    """Count a stored value's bytes, by AWS's rules."""
    ((kind, held),) = value.items()
    if kind == "S":
        return text_bytes(held)
    if kind == "N":
        return number_bytes(held)
    return _BYTES[kind](held)


def item_bytes(item: Item) -> int:
    return sum(text_bytes(name) + value_bytes(value) for name, value in item.items())


_BYTES: dict[str, Callable[[Any], int]] = {
    "B": len,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "L": lambda held: NESTED_BYTES + sum(ELEMENT_BYTES + value_bytes(each) for each in held),
    "M": lambda held: NESTED_BYTES + ELEMENT_BYTES * len(held) + item_bytes(held),
    "SS": lambda held: sum(map(text_bytes, held)),
    "NS": lambda held: sum(map(number_bytes, held)),
    "BS": lambda held: sum(map(len, held)),
}

# --- what is given back ---------------------------------------------------------------------


def copied(value: Value) -> Value:
    """Copy a value so deeply that nobody can change what is stored."""
    ((kind, held),) = value.items()
    if kind == "M":
        return {"M": {name: copied(each) for name, each in held.items()}}
    if kind == "L":
        return {"L": [copied(each) for each in held]}
    return {kind: list(held)} if kind in SETS else {kind: held}


FLAT = frozenset(("S", "N", "B", "BOOL", "NULL"))


class Record:
    """One version of an item, with what was found out about it; never changed."""

    __slots__ = ("entry_sizes", "fingerprint", "flat", "item", "size")

    def __init__(self, item: Item, size: int, *, flat: bool) -> None:
        self.item = item
        self.size = size
        self.flat = flat
        self.fingerprint: bytes | None = None
        self.entry_sizes: dict[str, int] | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Record":
        """Make an item of what a caller gave.

        :raises InvalidError: if a value is not a legal one.
        """
        item: Item = {}
        size = 0
        flat = True
        for name, value in given.items():
            if len(value) != 1:
                normal(value)
            ((kind, held),) = value.items()
            # Most attributes are strings and numbers: they are not sent through `normal`.
            if kind == "S" and type(held) is str:
                item[name] = {"S": held}
                size += len(held) if held.isascii() else text_bytes(held)
            elif kind == "N":
                held = canonical(held)
                item[name] = {"N": held}
                size += number_bytes(held)
            else:
                kept = item[name] = normal(value)
                size += value_bytes(kept)
                flat = flat and kind in FLAT
            size += len(name) if name.isascii() else text_bytes(name)
        return cls(item, size, flat=flat)

    def copy(self) -> Item:
        """Give the item to a caller."""
        if self.flat:
            return {name: value.copy() for name, value in self.item.items()}
        return {name: copied(value) for name, value in self.item.items()}


def is_flat(value: Value) -> bool:
    """Say whether a shallow copy is a copy."""
    return next(iter(value)) in FLAT
