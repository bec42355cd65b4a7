"""What each kind of CSV file holds: its columns, and how their cells are read.

Cells are read strictly: plain ASCII digits, one way to write a date, no leniency of int().
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money
from chalicelib.domain.product import Method
from chalicelib.domain.reconciliation import BillRow
from chalicelib.domain.schedule import INSTALMENTS_MAX, RATE_MAX
from chalicelib.flows.loan_intake import LoanLine

SHAPE_CHARACTERS_MAX = 32

Record = TypeVar("Record")
Choice = TypeVar("Choice", bound=StrEnum)


# --- cells ------------------------------------------------------------------------------


class IllegalCellError(ValueError):
    """A cell does not hold what its column holds."""


def whole_number(*, at_least: int, at_most: int) -> Callable[[str], int]:
    """Make a reader of plain digits; signs, spaces, separators and other scripts' are none."""

    def read(cell: str) -> int:
        if not re.fullmatch(r"\d{1,18}", cell, re.ASCII):
            raise IllegalCellError("not a whole number in plain digits")
        if not at_least <= int(cell) <= at_most:
            raise IllegalCellError(f"not between {at_least} and {at_most}")
        return int(cell)

    return read


def matching(pattern: str, reason: str) -> Callable[[str], str]:
    """Make a reader of cells that match a pattern as a whole."""
    whole = re.compile(rf"(?:{pattern})\Z", re.ASCII)

    def read(cell: str) -> str:
        if not whole.match(cell):
            raise IllegalCellError(reason)
        return cell

    return read


def one_of(choices: type[Choice]) -> Callable[[str], Choice]:
    """Make a reader of an enumeration's values."""

    def read(cell: str) -> Choice:
        try:
            return choices(cell)
        except ValueError as error:
            raise IllegalCellError(f"not one of {', '.join(choices)}") from error

    return read


def text(cell: str) -> str:
    """Read free text as it stands, `=HYPERLINK()` and all; what cannot be seen is refused.

    >>> text("=1+1"), text("李雷")
    ('=1+1', '李雷')
    """
    if not 1 <= len(cell) <= 64:
        raise IllegalCellError("not between 1 and 64 characters")
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
    time = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)"
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

identifier = matching(r"[A-Za-z0-9_-]{1,32}", "not 1 to 32 of A-Z a-z 0-9 _ -")
identifier_or_none = matching(r"[A-Za-z0-9_-]{0,32}", "not up to 32 of A-Z a-z 0-9 _ -")
long_identifier = matching(r"[A-Za-z0-9_-]{1,64}", "not 1 to 64 of A-Z a-z 0-9 _ -")
phone = matching(r"1\d{10}", "not a mobile number of 11 digits")
status = matching(r"[A-Z][A-Z_]{0,31}", "not a status in capitals")


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


# --- layouts: what a kind of file holds -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """One column, and how its cells are read; an amount's reader is the dialect's unit."""

    name: str
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Amount:
    """A column of money, `…_fen` whatever the dialect's unit; the record has it without."""

    name: str
    at_least_fen: int = 0

    def checked(self, money: Money) -> Money:
        """Return the amount.

        :raises IllegalCellError: if it is too small.
        """
        if money.fen < self.at_least_fen:
            raise IllegalCellError(f"less than {self.at_least_fen} fen")
        return money


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout(Generic[Record]):
    """A kind of file; `control` is the amount that the manifest sums up."""

    columns: Sequence[Column | Amount]
    control: str
    make: Callable[..., Record]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


LOANS = Layout(
    control="principal_fen",
    make=LoanLine,
    columns=(
        Column("loan_id", identifier),
        Column("borrower_id", identifier),
        Column("borrower_name", text),
        Column("phone", phone),
        Column("product", identifier),
        Column("mode", one_of(Mode)),
        Column("funder_id", identifier_or_none),
        Column(
            "funder_share_bps", lambda cell: whole_number(at_least=0, at_most=10_000)(cell or "0")
        ),
        Amount("principal_fen", at_least_fen=1),
        Column("annual_rate", rate),
        Column("method", one_of(Method)),
        Column("terms", whole_number(at_least=1, at_most=INSTALMENTS_MAX)),
        Column("disbursed_on", day),
        Column("first_due_on", day),
        Column("agreement_no", identifier),
        Column("revolving", flag),
    ),
)

BILL = Layout(
    control="amount_fen",
    make=BillRow,
    columns=(
        Column("trade_no", long_identifier),
        Column("order_no", long_identifier),
        Column("agreement_no", identifier),
        Amount("amount_fen", at_least_fen=1),
        Amount("funder_amount_fen"),
        Amount("platform_amount_fen"),
        Column("status", status),
        Column("paid_at", moment),
    ),
)
