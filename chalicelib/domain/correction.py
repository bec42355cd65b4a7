"""A correction: a new record of the journal that points at an old one, which stays as it is.

Its business date is the day it was approved on; what it corrects may be of any day before.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import NOTHING, ZERO, Components, Money


class CorrectionKind(StrEnum):
    """What a correction does to the order it names."""

    LATE_SUCCESS = "late_success"
    REVERSAL = "reversal"
    REFUND = "refund"


MARKS = {
    CorrectionKind.LATE_SUCCESS: "L",
    CorrectionKind.REVERSAL: "V",
    CorrectionKind.REFUND: "R",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """Money that was paid after all, was never paid, or has gone back to the borrower.

    `components`, `fee` and `lines` are what a late success posts, or what a reversal takes back, all
    positive; a refund of money that no loan ever took has none of them.  `value_date` is the day
    the money moved; `approved_by` is never `made_by`; `pays` is what its order was to pay, and
    `settles` whether a late success leaves nothing to pay.
    """

    correction_no: str
    kind: CorrectionKind
    order_no: str
    loan_id: str
    borrower_id: str
    mode: str
    product: str
    business_date: date
    value_date: date
    amount: Money
    reason: str
    made_by: str
    approved_by: str
    recorded_at: datetime
    components: Components = NOTHING
    fee: Money = ZERO
    lines: tuple[InstalmentDue, ...] = ()
    trade_no: str = ""
    funder_id: str = ""
    pays: Kind = Kind.SCHEDULED
    settles: bool = False

    @property
    def funder(self) -> Components:
        """What of the money is a funder's."""
        return sum((line.funder for line in self.lines if line.funder), NOTHING)


class RefundStatus(StrEnum):
    """What the payment platform said of a refund; UNKNOWN is all that is no plain answer."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundAnswer:
    """One answer about a refund, already verified; `note` says why it was refused, or unknown."""

    status: RefundStatus
    trade_no: str = ""
    refunded_at: datetime | None = None
    note: str = ""


def correction_no_of(order_no: str, kind: CorrectionKind) -> str:
    """Name the one correction of a kind that an order may have.

    >>> correction_no_of("20261124-2-LN7", CorrectionKind.REVERSAL)
    '20261124-2-LN7-V'
    """
    return f"{order_no}-{MARKS[kind]}"
