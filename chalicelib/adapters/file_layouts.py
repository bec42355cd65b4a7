"""What each kind of CSV file holds: its columns, and what must be true of a line."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chalicelib.adapters.file_cells import (
    IllegalCellError,
    MaybeEmpty,
    OneOf,
    WholeNumber,
    day,
    flag,
    identifier,
    identifier_or_none,
    long_identifier,
    moment,
    phone,
    plain,
    rate,
    status,
    text,
)
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money
from chalicelib.domain.product import Method
from chalicelib.domain.reconciliation import BillRow
from chalicelib.domain.schedule import INSTALMENTS_MAX
from chalicelib.flows.loan_intake import LoanLine

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Column:
    """One column, how its cells are read, and how they are told where `str` does not tell it."""

    name: str
    read: Callable[[str], object]
    tell: Callable[[Any], str] = plain


@dataclass(frozen=True, slots=True)
class Amount:
    """A column of money, `…_fen` whatever the dialect's unit; the record has it without."""

    name: str
    at_least_fen: int = 0

    @property
    def attribute(self) -> str:
        return self.name.removesuffix("_fen")

    def checked(self, money: Money) -> Money:
        """Return the amount.

        :raises IllegalCellError: if it is too small.
        """
        if money.fen < self.at_least_fen:
            raise IllegalCellError(f"less than {self.at_least_fen} fen")
        return money


def nothing_broken(_: object) -> Iterable[tuple[str, str]]:
    """Have no rule over a line."""
    return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout(Generic[Record]):
    """A kind of file; the columns of `control`, added up, are the amount that the manifest says.

    `broken_rules` names columns and reasons where cells that are fine each for itself do not fit
    together.  Lines are told apart by `key`: the same a second time is refused; without a key
    nobody looks.  A kind that `is_sent` is written by us, its texts safe to open in a spreadsheet.
    """

    columns: Sequence[Column | Amount]
    control: Sequence[str]
    make: Callable[..., Record]
    broken_rules: Callable[[Record], Iterable[tuple[str, str]]] = nothing_broken
    key: Sequence[str] = ()
    is_sent: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


LOANS = Layout(
    control=("principal_fen",),
    make=LoanLine,
    columns=(
        Column("loan_id", identifier),
        Column("borrower_id", identifier),
        Column("borrower_name", text),
        Column("phone", phone),
        Column("product", identifier),
        Column("mode", OneOf(Mode)),
        Column("funder_id", identifier_or_none),
        Column("funder_share_bps", MaybeEmpty(WholeNumber(at_least=0, at_most=10_000), 0)),
        Amount("principal_fen", at_least_fen=1),
        Column("annual_rate", rate),
        Column("method", OneOf(Method)),
        Column("terms", WholeNumber(at_least=1, at_most=INSTALMENTS_MAX)),
        Column("disbursed_on", day),
        Column("first_due_on", day),
        Column("agreement_no", identifier),
        Column("revolving", flag),
    ),
)

BILL = Layout(
    control=("amount_fen",),
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
