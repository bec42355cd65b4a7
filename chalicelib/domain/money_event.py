"""A money event: one thing that happened to money on a business date, by its components.

Everything that is booked is one of these, wherever it comes from: an order of the journal, a
correction, a difference that people have written off, the disposal of a loan.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chalicelib.domain.correction import Correction, CorrectionKind
from chalicelib.domain.deduction import Deduction
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, Part, total
from chalicelib.domain.reconciliation import Kind


class EventKind(StrEnum):
    """What happened to the money."""

    REPAYMENT = "repayment"
    LATE_SUCCESS = "late_success"
    REVERSAL = "reversal"
    SUSPENSE = "suspense"
    REFUND = "refund"
    SHORTAGE = "shortage"
    CLAIM_PAID = "claim_paid"
    WRITE_OFF = "write_off"
    RECOVERY = "recovery"


class Component(StrEnum):
    """What the money is: a part of a loan, ours or its funder's, a fee, or of no loan at all."""

    PRINCIPAL = "principal"
    INTEREST = "interest"
    PENALTY = "penalty"
    FUNDER_PRINCIPAL = "funder_principal"
    FUNDER_INTEREST = "funder_interest"
    FUNDER_PENALTY = "funder_penalty"
    FEE = "fee"
    UNBOOKED = "unbooked"


OURS: Mapping[Part, Component] = {part: Component(part.value) for part in Part}
FUNDERS: Mapping[Part, Component] = {part: Component(f"funder_{part}") for part in Part}

Amounts = Mapping[Component, Money]


class UntiedError(Exception):
    """Figures that must be equal are not."""


class NegativeAmountError(ValueError):
    """An event takes money back by its kind, never by a sign."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MoneyEvent:
    """Money that moved, of one order; `amounts` has what is not zero, and nothing below it.

    `source_no` is the number of the record that tells of it; `mode` is empty where no loan is
    known, `funder_id` where there is no other lender.
    """

    kind: EventKind
    business_date: date
    source_no: str
    order_no: str
    amounts: Amounts
    loan_id: str = ""
    mode: str = ""
    product: str = ""
    funder_id: str = ""

    def __post_init__(self) -> None:
        if any(amount < ZERO for amount in self.amounts.values()):
            raise NegativeAmountError(f"{self.kind} {self.source_no}: {self.amounts}")

    @property
    def total(self) -> Money:
        return total(self.amounts.values())


def amounts_of(*, whole: Components, funder: Components = NOTHING, fee: Money = ZERO) -> Amounts:
    """Take an amount apart: what is ours, what its funder's, and the fee, which is ours alone.

    >>> paid = Components(principal=Money(100), interest=Money(9))
    >>> for name, amount in amounts_of(whole=paid, funder=Components(principal=Money(70))).items():
    ...     print(name, amount)
    principal 0.30
    interest 0.09
    funder_principal 0.70
    """
    ours = whole - funder
    apart = {
        **{name: ours.of(part) for part, name in OURS.items()},
        **{name: funder.of(part) for part, name in FUNDERS.items()},
        Component.FEE: fee,
    }
    return {name: amount for name, amount in apart.items() if amount}


def repaid(record: Deduction, *, product: str, funder_id: str) -> MoneyEvent:
    """Make the event of an order that succeeded.

    :raises UntiedError: if its parts are not its amount.
    """
    return _tied(
        MoneyEvent(
            kind=EventKind.REPAYMENT,
            business_date=record.business_date,
            source_no=record.order_no,
            order_no=record.order_no,
            amounts=amounts_of(whole=record.components, funder=record.funder, fee=record.fee),
            loan_id=record.loan_id,
            mode=record.mode,
            product=product,
            funder_id=funder_id,
        ),
        record.amount,
    )


def corrected(correction: Correction) -> Iterator[MoneyEvent]:
    """Make the events of a correction, of the date it was approved on.

    Money that is refunded was in no book of ours: it comes in as suspense, and goes back.

    :raises UntiedError: if its parts are not its amount.
    """
    amounts = amounts_of(whole=correction.components, funder=correction.funder, fee=correction.fee)
    unbooked = {Component.UNBOOKED: correction.amount}
    match correction.kind:
        case CorrectionKind.LATE_SUCCESS:
            kinds = {EventKind.LATE_SUCCESS: amounts}
        case CorrectionKind.REVERSAL:
            kinds = {EventKind.REVERSAL: amounts}
        case CorrectionKind.REFUND:
            kinds = {EventKind.SUSPENSE: unbooked, EventKind.REFUND: unbooked}
    for kind, moved in kinds.items():
        yield _tied(
            MoneyEvent(
                kind=kind,
                business_date=correction.business_date,
                source_no=correction.correction_no,
                order_no=correction.order_no,
                amounts=moved,
                loan_id=correction.loan_id,
                mode=correction.mode,
                product=correction.product,
                funder_id=correction.funder_id,
            ),
            correction.amount,
        )


def written_off(discrepancy: Discrepancy) -> MoneyEvent | None:
    """Make the event of a difference that two people have written off; None if it moves nothing.

    Money of the bill that is of no order of ours stays in suspense; money of ours that the bill
    lacks is a loss.  Of any other difference it is not known what moved.
    """
    if discrepancy.state is not DiscrepancyState.WRITTEN_OFF:
        return None
    match discrepancy.kind:
        case Kind.MISSING_HERE:
            kind, amount = EventKind.SUSPENSE, discrepancy.there
        case Kind.MISSING_THERE:
            kind, amount = EventKind.SHORTAGE, discrepancy.here
        case _:
            return None
    if not amount:
        return None
    return MoneyEvent(
        kind=kind,
        business_date=discrepancy.business_date,
        source_no=discrepancy.discrepancy_id,
        order_no=discrepancy.order_no,
        amounts={Component.UNBOOKED: amount},
    )


def assists(mode: str) -> bool:
    """Whether the money of a mode is never ours: its funder deducts it for itself."""
    return bool(mode) and Mode(mode).funder_deducts


def _tied(event: MoneyEvent, amount: Money) -> MoneyEvent:
    if event.total != amount:
        raise UntiedError(f"{event.source_no}: {amount} is not the sum of its parts, {event.total}")
    return event
