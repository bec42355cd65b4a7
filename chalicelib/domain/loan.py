"""A loan's head: its terms, where it stands, and the one order that may be in flight."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain import allocation, due, position, prepayment, split
from chalicelib.domain.allocation import Paid
from chalicelib.domain.deduction import FAILURE_CLASSES, FailureClass, Kind, Result, SkipReason
from chalicelib.domain.due import Due, InstalmentDue
from chalicelib.domain.funder import Funder
from chalicelib.domain.money import ZERO, Components, Money
from chalicelib.domain.position import Position
from chalicelib.domain.prepayment import Offer, Refusal, Standing, Wish
from chalicelib.domain.product import Product, Recut
from chalicelib.domain.schedule import Cut, Instalment
from chalicelib.domain.split import Shares, Split

Schedule = tuple[Instalment, ...]


class Mode(StrEnum):
    """Whose money it is, and who deducts."""

    SELF_OPERATED = "self_operated"
    JOINT_LENDING = "joint_lending"
    LOAN_ASSISTANCE = "loan_assistance"

    @property
    def funder_deducts(self) -> bool:
        """Whether the funder deducts by itself: we never do, and forward what borrowers wish."""
        return self is Mode.LOAN_ASSISTANCE


class LoanStatus(StrEnum):
    OPEN = "open"
    SETTLED = "settled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """The loan's only place for an order in flight: SENT, or UNKNOWN once its answer is overdue.

    `amount` is `components` and `fee` together; `split` is of the components, None where all is the
    platform's; `request` names what asked for it: the borrower's request, or the version of the
    results file that told of it; what was wished is computed again from `kind`, `amount`, `recut`
    and `as_of` when the order has ended.
    """

    order_no: str
    amount: Money
    components: Components
    listed: Money
    as_of: date
    sent_at: datetime
    kind: Kind = Kind.SCHEDULED
    recut: Recut | None = None
    fee: Money = ZERO
    request: str = ""
    split: Split | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Loan:
    """What is written on every event of a loan; at most 1 KB in the store.

    `version` counts the writes; `unpaid_due_on` is the due date of the oldest unpaid
    instalment, None when nothing is left to pay; `hold` names why nothing may be deducted;
    `funder_terms` is the version of what was agreed with the funder that the loan was made under.
    """

    loan_id: str
    borrower_id: str
    product: str
    mode: Mode
    principal: Money
    annual_rate: Decimal
    agreement_no: str
    schedule_version: int
    position: Position
    unpaid_due_on: date | None
    status: LoanStatus = LoanStatus.OPEN
    slot: Slot | None = None
    hold: str = ""
    last_failure: str = ""
    funder_id: str = ""
    funder_share_bps: int = 0
    funder_terms: int = 0
    revolving: bool = False
    version: int = 0


def owed(*, loan: Loan, schedule: Schedule, product: Product, as_of: date) -> Due:
    """Say what the loan owes on a business date."""
    return due.owed(
        position=loan.position,
        schedule=schedule,
        product=product,
        annual_rate=loan.annual_rate,
        as_of=as_of,
    )


class UnknownTermsError(Exception):
    """The catalogue has lost the funder, or the terms, that a loan was made under."""


def shares_of(*, loan: Loan, funders: Mapping[str, Funder]) -> Shares | None:
    """Say by what the loan's money is split; None where nobody splits it in transit.

    :raises UnknownTermsError: if the funder or the version of its terms is not in the catalogue.
    """
    if loan.mode is not Mode.JOINT_LENDING:
        return None
    funder = funders.get(loan.funder_id)
    if funder is None or loan.funder_terms not in funder.terms:
        raise UnknownTermsError(f"{loan.loan_id}: {loan.funder_id} {loan.funder_terms}")
    return Shares(
        funder_bps=loan.funder_share_bps,
        annual_rate=loan.annual_rate,
        terms=funder.terms[loan.funder_terms],
    )


def split_of(
    *, lines: Iterable[InstalmentDue], loan: Loan, schedule: Schedule, shares: Shares | None
) -> Split | None:
    """Split what is about to be paid of a loan; None where nobody splits it."""
    if shares is None:
        return None
    return split.of_whole(
        split.of_lines(lines=lines, position=loan.position, schedule=schedule, shares=shares)
    )


def slot_for(
    *,
    loan: Loan,
    schedule: Schedule,
    product: Product,
    order_no: str,
    business_date: date,
    listed: Money,
    now: datetime,
    shares: Shares | None = None,
) -> Slot | SkipReason:
    """Decide whether the loan may be deducted now, and for how much: what it owes today.

    Never more than was listed: a loan that owes more by now is left to the next list.
    """
    if loan.mode.funder_deducts:
        return SkipReason.FUNDER_DEDUCTS
    if loan.slot is not None:
        return SkipReason.SLOT_TAKEN
    if loan.hold:
        return SkipReason.ON_HOLD
    dues = owed(loan=loan, schedule=schedule, product=product, as_of=business_date)
    if loan.status is not LoanStatus.OPEN or not dues.amount:
        return SkipReason.NOTHING_DUE
    if dues.amount > listed:
        return SkipReason.AMOUNT_ROSE
    return Slot(
        order_no=order_no,
        amount=dues.amount,
        components=dues.components,
        listed=listed,
        as_of=business_date,
        sent_at=now,
        split=split_of(lines=dues.lines, loan=loan, schedule=schedule, shares=shares),
    )


def standing(*, loan: Loan, cut: Cut, product: Product, as_of: date) -> Standing:
    """Say how a payment finds the loan."""
    return Standing(
        position=loan.position,
        cut=cut,
        product=product,
        annual_rate=loan.annual_rate,
        as_of=as_of,
    )


def why_barred(loan: Loan) -> SkipReason | None:
    """Say why nothing may be paid on the loan now at its borrower's own wish; None if something may.

    A mandate that failed may be tried again by its owner; any other hold holds.
    """
    if loan.slot is not None:
        return SkipReason.SLOT_TAKEN
    if loan.status is not LoanStatus.OPEN:
        return SkipReason.NOTHING_DUE
    if loan.hold and not is_mandate_hold(loan.hold):
        return SkipReason.ON_HOLD
    return None


def slot_of_offer(
    *, offered: Offer, order_no: str, as_of: date, now: datetime, split: Split | None = None
) -> Slot:
    """Make the slot of a borrower's own wish, with all it takes to compute the wish again."""
    return Slot(
        order_no=order_no,
        amount=offered.amount,
        components=offered.components,
        listed=offered.amount,
        as_of=as_of,
        sent_at=now,
        kind=offered.kind,
        recut=offered.recut,
        fee=offered.fee,
        split=split,
    )


def is_mandate_hold(hold: str) -> bool:
    """Whether a loan is held because the platform refused its mandate for good."""
    return FAILURE_CLASSES.get(hold) is FailureClass.NEVER


class NothingInFlightError(Exception):
    """The loan's slot is empty: there is no order whose money could be posted."""


class TermsMovedError(Exception):
    """What was ordered is not what the terms say now: a person must look, no fen may vanish."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """A loan after a payment, what the money paid, and the schedule it was cut into anew, if any."""

    loan: Loan
    paid: Paid
    cut_after: Cut | None = None


def posted(*, loan: Loan, cut: Cut, product: Product, shares: Shares | None = None) -> Posting:
    """Take the money of the order in the slot: the loan moves on and the slot is free.

    The position has not moved since the claim, for the slot is the lock: the same
    allocation comes out whenever and however often this is computed, and the same split.

    :raises NothingInFlightError: if the slot is empty.
    :raises TermsMovedError: if the product's terms were changed under an order in flight, or the
        funder's.
    """
    if loan.slot is None:
        raise NothingInFlightError(loan.loan_id)
    posting = _posted(loan=loan, slot=loan.slot, cut=cut, product=product)
    if loan.slot.split is None:
        return posting
    if shares is None:
        raise TermsMovedError(loan.slot.order_no)
    lines = split.of_lines(
        lines=posting.paid.lines,
        position=loan.position,
        schedule=cut.instalments,
        shares=shares,
    )
    if split.of_whole(lines) != loan.slot.split:
        raise TermsMovedError(loan.slot.order_no)
    return replace(posting, paid=replace(posting.paid, lines=lines))


def _posted(*, loan: Loan, slot: Slot, cut: Cut, product: Product) -> Posting:
    if slot.kind is not Kind.SCHEDULED:
        return _posted_wish(loan=loan, slot=slot, cut=cut, product=product)
    dues = owed(loan=loan, schedule=cut.instalments, product=product, as_of=slot.as_of)
    paid = allocation.allocate(amount=slot.amount, due=dues, product=product)
    # A funder may have taken a part of what is due; we never do.
    takes_all = not loan.mode.funder_deducts
    if (dues.components if takes_all else paid.components) != slot.components or paid.rest:
        raise TermsMovedError(slot.order_no)
    moved = allocation.position_after(
        position=loan.position, schedule=cut.instalments, due=dues, paid=paid
    )
    return Posting(loan=_moved(loan, moved, cut.instalments), paid=paid)


def _posted_wish(*, loan: Loan, slot: Slot, cut: Cut, product: Product) -> Posting:
    """Compute again what the borrower wished to pay, on the date he wished it."""
    offered = prepayment.offer(
        wish=Wish(kind=slot.kind, amount=slot.amount, recut=slot.recut),
        standing=standing(loan=loan, cut=cut, product=product, as_of=slot.as_of),
    )
    ordered = (slot.amount, slot.components, slot.fee)
    if isinstance(offered, Refusal) or ordered != (
        offered.amount,
        offered.components,
        offered.fee,
    ):
        raise TermsMovedError(slot.order_no)
    schedule = offered.cut_after.instalments if offered.cut_after else cut.instalments
    after = _moved(loan, offered.position_after, schedule)
    if offered.cut_after:
        after = replace(after, schedule_version=loan.schedule_version + 1)
    return Posting(loan=after, paid=offered.paid, cut_after=offered.cut_after)


def _moved(loan: Loan, moved: Position, schedule: Schedule) -> Loan:
    """Put the loan at a position, its slot free; a mandate that has paid is no longer held."""
    unpaid_due_on = position.unpaid_due_on(moved, schedule)
    return replace(
        loan,
        position=moved,
        unpaid_due_on=unpaid_due_on,
        status=LoanStatus.OPEN if unpaid_due_on else LoanStatus.SETTLED,
        slot=None,
        last_failure="",
        hold="" if is_mandate_hold(loan.hold) else loan.hold,
    )


def released(*, loan: Loan, result: Result) -> Loan:
    """Free the slot after a failure; where no later try can help, hold the loan."""
    never = result.failure_class is FailureClass.NEVER
    return replace(
        loan,
        slot=None,
        last_failure=result.failure_code,
        hold=(loan.hold or result.failure_code) if never else loan.hold,
    )
