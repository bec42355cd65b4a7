"""What has moved a loan since it was made, told again, so that its last payment can be taken back.

A payment is posted anew on what the payments before it have left, by the rules it was posted by;
a reversal goes back to where the loan stood before.  Nothing is guessed: where the journal's
records do not lead to where the loan stands, the history is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from chalicelib.domain import loan as loans
from chalicelib.domain.allocation import Paid
from chalicelib.domain.correction import Correction, CorrectionKind
from chalicelib.domain.deduction import Deduction, Kind
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.loan import Loan, LoanStatus, Posting, Slot, TermsMovedError
from chalicelib.domain.money import Components, Money
from chalicelib.domain.position import START, Position, unpaid_due_on
from chalicelib.domain.product import Product, Recut
from chalicelib.domain.schedule import Cut

FIRST_VERSION = 1


class UntoldHistoryError(Exception):
    """The journal's records, as they can be read now, do not lead to where the loan stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """Money that a loan has taken: a deduction, or one that was found to have succeeded late."""

    order_no: str
    kind: Kind
    as_of: date
    recorded_at: datetime
    amount: Money
    components: Components
    fee: Money
    lines: tuple[InstalmentDue, ...]
    trade_no: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a loan stood after a payment, and by which schedule; `payment` is None at its start."""

    position: Position
    cut: Cut
    payment: Payment | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The places of all payments that still stand, oldest first, and the schedule's version."""

    places: tuple[Place, ...]
    version: int

    @property
    def last(self) -> Payment | None:
        """The payment that can be taken back."""
        return self.places[-1].payment


def told(
    *,
    loan: Loan,
    deductions: Iterable[Deduction],
    corrections: Iterable[Correction],
    cuts: Mapping[int, Cut],
    product: Product,
) -> History:
    """Tell a loan's history: successes and corrections in the order they were recorded.

    `cuts` are all versions of its schedule.

    :raises UntoldHistoryError: if it does not end where the loan stands.
    """
    moves = sorted(
        (
            *((each.recorded_at, each.order_no, _of_deduction(each), "") for each in deductions),
            *(
                (each.recorded_at, each.correction_no, _of_correction(each), _undoes(each))
                for each in corrections
                if each.kind is not CorrectionKind.REFUND
            ),
        ),
        key=lambda move: move[:2],
    )
    places, version = [Place(position=START, cut=cuts[FIRST_VERSION])], FIRST_VERSION
    for _, _, payment, undone in moves:
        if undone:
            taken = places.pop() if len(places) > 1 else None
            if taken is None or taken.payment is None or taken.payment.order_no != undone:
                raise UntoldHistoryError(f"{loan.loan_id}: {undone} is not the last payment")
            version += taken.cut is not places[-1].cut
        else:
            after = _paid(payment, at=places[-1], version=version, loan=loan, cuts=cuts, by=product)
            version += after.cut is not places[-1].cut
            places.append(after)
    stands = (loan.position, loan.schedule_version)
    if (places[-1].position, version) != stands:
        raise UntoldHistoryError(f"{loan.loan_id}: {len(moves)} records do not lead to its head")
    return History(places=tuple(places), version=version)


def before_last(*, loan: Loan, history: History) -> Posting:
    """Take the last payment back: the loan as it stood before, its slot free.

    Where the payment had cut the schedule, the one before is the next version.
    """
    before, after = history.places[-2:]
    is_cut = after.cut is not before.cut
    due_on = unpaid_due_on(before.position, before.cut.instalments)
    payment = after.payment
    taken_back = replace(
        loan,
        position=before.position,
        schedule_version=loan.schedule_version + is_cut,
        unpaid_due_on=due_on,
        status=LoanStatus.OPEN if due_on else LoanStatus.SETTLED,
        slot=None,
    )
    return Posting(
        loan=taken_back,
        paid=Paid(lines=payment.lines if payment else ()),
        cut_after=before.cut if is_cut else None,
    )


def _paid(
    payment: Payment,
    *,
    at: Place,
    version: int,
    loan: Loan,
    cuts: Mapping[int, Cut],
    by: Product,
) -> Place:
    """Post a payment again; of a part paid ahead the schedule it left says how it was cut."""
    recuts = tuple(Recut) if payment.kind is Kind.PARTIAL else (None,)
    for recut in recuts:
        found = replace(
            loan,
            position=at.position,
            status=LoanStatus.OPEN,
            slot=slot_of(payment, recut=recut),
        )
        try:
            posting = loans.posted(loan=found, cut=at.cut, product=by)
        except TermsMovedError:
            continue
        if posting.cut_after in {None, cuts.get(version + 1)}:
            return Place(
                position=posting.loan.position, cut=posting.cut_after or at.cut, payment=payment
            )
    raise UntoldHistoryError(f"{loan.loan_id}: {payment.order_no} would be posted otherwise today")


def slot_of(payment: Payment, *, recut: Recut | None = None) -> Slot:
    """Put a payment into a slot, as it was when it was in flight; whoever splits it is left out."""
    return Slot(
        order_no=payment.order_no,
        amount=payment.amount,
        components=payment.components,
        listed=payment.amount,
        as_of=payment.as_of,
        sent_at=payment.recorded_at,
        kind=payment.kind,
        recut=recut,
        fee=payment.fee,
    )


def _undoes(correction: Correction) -> str:
    return correction.order_no if correction.kind is CorrectionKind.REVERSAL else ""


def _of_deduction(record: Deduction) -> Payment:
    return Payment(
        order_no=record.order_no,
        kind=record.kind,
        as_of=record.business_date,
        recorded_at=record.recorded_at,
        amount=record.amount,
        components=record.components,
        fee=record.fee,
        lines=record.lines,
        trade_no=record.result.trade_no,
    )


def _of_correction(correction: Correction) -> Payment:
    return Payment(
        order_no=correction.order_no,
        kind=correction.pays,
        as_of=correction.value_date,
        recorded_at=correction.recorded_at,
        amount=correction.amount,
        components=correction.components,
        fee=correction.fee,
        lines=correction.lines,
        trade_no=correction.trade_no,
    )
