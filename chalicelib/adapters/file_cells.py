"""How the cells of files are read: plain ASCII digits, one way to write a date, no leniency of int()."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Generic, TypeVar

from chalicelib.domain.money import Money
from chalicelib.domain.schedule import RATE_MAX

SHAPE_CHARACTERS_MAX = 32

Choice = TypeVar("Choice", bound=StrEnum)


class IllegalCellError(ValueError):
    """A cell does not hold what its column holds."""


@dataclass(frozen=True, kw_only=True)
class WholeNumber:
    """Reads plain digits; signs, spaces, separators and other scripts' are none."""

    at_least: int
    at_most: int

    def __call__(self, cell: str) -> int:
        if not re.fullmatch(r"\d{1,18}", cell, re.ASCII):
            raise IllegalCellError("not a whole number in plain digits")
        if not self.at_least <= int(cell) <= self.at_most:
            raise IllegalCellError(f"not between {self.at_least} and {self.at_most}")
        return int(cell)


@dataclass(frozen=True)
class Matching:
    """Reads cells that match a pattern as a whole; `reason` says what they are not."""

    pattern: str
    reason: str

    def __call__(self, cell: str) -> str:
        if not self._whole.match(cell):
            raise IllegalCellError(self.reason)
        return cell

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        return re.compile(rf"(?:{self.pattern})\Z", re.ASCII)


@dataclass(frozen=True)
class OneOf(Generic[Choice]):
    """Reads an enumeration's values."""

    choices: type[Choice]

    def __call__(self, cell: str) -> Choice:
        try:
            return self.choices(cell)
        except ValueError as error:
            raise IllegalCellError(f"not one of {', '.join(self.choices)}") from error


@dataclass(frozen=True)
class Named(Generic[Choice]):
    """Reads what a file calls by names of its own."""

    names: Mapping[str, Choice]

    def __call__(self, cell: str) -> Choice:
        try:
            return self.names[cell]
        except KeyError as error:
            raise IllegalCellError(f"not one of {', '.join(self.names)}") from error


Read = TypeVar("Read")


@dataclass(frozen=True)
class MaybeEmpty(Generic[Read]):
    """Reads what may be missing: an empty cell is `nothing`."""

    read: Callable[[str], Read]
    nothing: Read

    def __call__(self, cell: str) -> Read:
        return self.read(cell) if cell else self.nothing


@dataclass(frozen=True)
class Text:
    """Reads free text as it stands, `=HYPERLINK()` and all; what cannot be seen is refused.

    >>> text("=1+1"), text("李雷")
    ('=1+1', '李雷')
    """

    at_most: int

    def __call__(self, cell: str) -> str:
        if not 1 <= len(cell) <= self.at_most:
            raise IllegalCellError(f"not between 1 and {self.at_most} characters")
        if not cell.isprintable() or cell != cell.strip():
            raise IllegalCellError("has invisible characters")
        return cell


def rate(cell: str) -> Decimal:
    """Read an annual rate, a plain decimal.

    >>> rate("0.18")
    Decimal('0.18')
    """
    if not re.fullmatch(r"\d(\.\d{1,8})?", cell, re.ASCII):
        raise IllegalCellError("not a plain decimal")
    if Decimal(cell) > RATE_MAX:
        raise IllegalCellError(f"not between 0 and {RATE_MAX}")
    return Decimal(cell)


def day(cell: str) -> date:
    """Read a date of this century, YYYY-MM-DD."""
    if not re.fullmatch(r"20\d\d-\d\d-\d\d", cell, re.ASCII):
        raise IllegalCellError("not a date 20YY-MM-DD")
    try:
        return date.fromisoformat(cell)
    except ValueError as error:
        raise IllegalCellError("not a day of the calendar") from error


def moment(cell: str) -> datetime:
    """Read a time with its offset, RFC 3339."""
    # An offset's minutes are looked at here: `fromisoformat` takes 60 of them, and more, for hours.
    time = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:[0-5]\d)"
    if not re.fullmatch(time, cell, re.ASCII):
        raise IllegalCellError("not a time 20YY-MM-DDThh:mm:ss with its offset")
    try:
        return datetime.fromisoformat(cell)
    except ValueError as error:
        raise IllegalCellError("not a moment of the calendar") from error


def flag(cell: str) -> bool:
    """Read yes or no; nothing is no."""
    answers = {
        "true": True,
        "1": True,
        "y": True,
        "false": False,
        "0": False,
        "n": False,
        "": False,
    }
    try:
        return answers[cell.lower()]
    except KeyError as error:
        raise IllegalCellError("neither true nor false") from error


def in_fen(cell: str) -> Money:
    """Read whole fen.

    >>> in_fen("-500")
    Money(fen=-500)
    """
    if not re.fullmatch(r"-?\d{1,15}", cell, re.ASCII):
        raise IllegalCellError("not an amount in whole fen")
    return Money(int(cell))


def in_yuan(cell: str) -> Money:
    """Read yuan with two decimals, and never through a float.

    >>> in_yuan("19.99")
    Money(fen=1999)
    """
    if not re.fullmatch(r"-?\d{1,13}\.\d\d", cell, re.ASCII):
        raise IllegalCellError("not an amount in yuan with two decimals")
    return Money(int(cell.replace(".", "")))


AMOUNT_UNITS: Mapping[str, Callable[[str], Money]] = {"fen": in_fen, "yuan": in_yuan}

text = Text(64)
identifier = Matching(r"[A-Za-z0-9_-]{1,32}", "not 1 to 32 of A-Z a-z 0-9 _ -")
identifier_or_none = Matching(r"[A-Za-z0-9_-]{0,32}", "not up to 32 of A-Z a-z 0-9 _ -")
long_identifier = Matching(r"[A-Za-z0-9_-]{1,64}", "not 1 to 64 of A-Z a-z 0-9 _ -")
long_identifier_or_none = Matching(r"[A-Za-z0-9_-]{0,64}", "not up to 64 of A-Z a-z 0-9 _ -")
phone = Matching(r"1\d{10}", "not a mobile number of 11 digits")
status = Matching(r"[A-Z][A-Z_]{0,31}", "not a status in capitals")
status_or_none = Matching(r"(?:[A-Z][A-Z_]{0,31})?", "neither a status in capitals nor nothing")


def plain(value: object) -> str:
    """Tell a value the way it is read.

    >>> plain(date(2026, 11, 24)), plain(True), plain(None), plain(Decimal("0.18"))
    ('2026-11-24', 'true', '', '0.18')
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def told_in_fen(amount: Money) -> str:
    return str(amount.fen)


def told_in_yuan(amount: Money) -> str:
    """Tell yuan with two decimals.

    >>> told_in_yuan(Money(-1999))
    '-19.99'
    """
    yuan, fen = divmod(abs(amount.fen), 100)
    return f"{'-' if amount.fen < 0 else ''}{yuan}.{fen:02}"


TOLD_IN: Mapping[str, Callable[[Money], str]] = {"fen": told_in_fen, "yuan": told_in_yuan}

FORMULA = re.compile(r"'*[=+\-@\t\r]")


def neutralised(cell: str) -> str:
    """Keep a spreadsheet from taking a text for a formula.

    An apostrophe goes before it, and one more before a text that looks like one we put there:
    `raw` gives back every text as it was.

    >>> neutralised("=HYPERLINK(1)"), neutralised("'=1"), neutralised("O'Hara")
    ("'=HYPERLINK(1)", "''=1", "O'Hara")
    """
    return "'" + cell if FORMULA.match(cell) else cell


def raw(cell: str) -> str:
    """Take away what `neutralised` has put before a text.

    >>> raw("'=HYPERLINK(1)"), raw("''=1"), raw("=1")
    ('=HYPERLINK(1)', "'=1", '=1')
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def shape_of(cell: str) -> str:
    """Show what a cell looks like and not what it says: any cell may hold a name.

    >>> shape_of("-1,2E3"), shape_of("１００"), shape_of("韩梅梅")
    ('-9,9A9', '???', '???')
    """
    return "".join(map(_shape_of_character, cell[:SHAPE_CHARACTERS_MAX]))


def _shape_of_character(character: str) -> str:
    if not character.isascii() or not character.isprintable():
        return "?"
    return "9" if character.isdigit() else "A" if character.isalpha() else character
