"""Our side of a reconciliation: every order of a day, those without an end included."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from chalicelib.domain.correction import Correction, CorrectionKind
from chalicelib.domain.deduction import Deduction, Skip, facts_of
from chalicelib.domain.discrepancy import UNHANDLED, Discrepancy
from chalicelib.domain.loan import Loan, Mode
from chalicelib.domain.money import ZERO
from chalicelib.domain.reconciliation import LocalOrder, OrderState, day_of
from chalicelib.flows import active_orders as borrowers_orders
from chalicelib.flows import deduction_round
from chalicelib.flows.active_orders import ActiveOrders
from chalicelib.flows.ports import Books, Journal
from chalicelib.flows.reconciliation_ports import DayOrders, EndedOrders, Part

ROUND_JOBS = "round_"


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalInOne:
    """A day's ended orders as the journal streams them, in one part."""

    journal: Journal

    def parts(self, business_date: date) -> Sequence[Part]:
        """Give the one part; see `EndedOrders`."""
        return (lambda: _ended_of(self.journal.of_day(business_date)),)


def of_day(
    *,
    business_date: date,
    rounds: deduction_round.Desk,
    active_orders: ActiveOrders,
    ended: EndedOrders | None = None,
    corrected: Iterable[str] = (),
) -> DayOrders:
    """Gather the day's orders; those of funders that deduct by themselves are in no bill of ours.

    Those without an end are read first: one that ends meanwhile is in the journal by then, and
    the journal has the last word, but for the `corrected`: people have decided about them.
    """
    journal = rounds.books.journal
    known = [
        *_unknown(business_date=business_date, rounds=rounds, active_orders=active_orders),
        *_refunds(journal.corrections_of_day(business_date)),
    ]
    parts = (ended or JournalInOne(journal=journal)).parts(business_date)
    if again := {no: order for no in corrected if (order := find(no, rounds.books))}:
        parts = [partial(_instead, part, again) for part in parts]
    return DayOrders(known={order.order_no: order for order in known}, parts=parts)


def handled(discrepancies: Iterable[Discrepancy]) -> Iterator[str]:
    """Name the orders that people have been at: they may have corrected them."""
    return (
        each.order_no
        for each in discrepancies
        if each.handling != UNHANDLED and day_of(each.order_no)
    )


def _instead(part: Part, again: Mapping[str, LocalOrder]) -> Iterator[LocalOrder]:
    return (again.get(order.order_no, order) for order in part())


def find(order_no: str, books: Books) -> LocalOrder | None:
    """Read one order of whatever day, as it stands corrected; None if we never sent it."""
    loan_id = facts_of(order_no)[2]
    heads = books.loans.get_many([loan_id])
    in_flight = _in_flight(order_no, heads)
    record = books.journal.find(order_no)
    if isinstance(record, Deduction) and Mode(record.mode).funder_deducts:
        return None
    found = _ended(record) if isinstance(record, Deduction) else in_flight
    for correction in books.journal.corrections_of_loan(loan_id) if loan_id in heads else ():
        if correction.order_no == order_no:
            found = _corrected(found, correction, heads[loan_id])
    return found


def _corrected(order: LocalOrder | None, correction: Correction, loan: Loan) -> LocalOrder | None:
    """Say how an order stands once its money was found after all, or found never to have been."""
    match correction.kind:
        case CorrectionKind.LATE_SUCCESS:
            return LocalOrder(
                order_no=correction.order_no,
                agreement_no=order.agreement_no if order else loan.agreement_no,
                state=OrderState.SUCCEEDED,
                amount=correction.amount,
                funder_amount=correction.funder.total,
                trade_no=correction.trade_no,
            )
        case CorrectionKind.REVERSAL if order:
            return replace(order, state=OrderState.FAILED, trade_no="", paid_at=None)
        case _:
            return order


def _unknown(
    *, business_date: date, rounds: deduction_round.Desk, active_orders: ActiveOrders
) -> Iterator[LocalOrder]:
    """Find what rounds and borrowers have sent and what has no end yet."""
    books = rounds.books
    order_nos = list(
        borrowers_orders.unfinished(
            business_date=business_date, active_orders=active_orders, books=books
        )
    )
    for opened in rounds.runs.of_day(business_date):
        if opened.job.startswith(ROUND_JOBS):
            order_nos += deduction_round.unfinished(run=opened, desk=rounds)
    heads = books.loans.get_many([facts_of(no)[2] for no in order_nos])
    yield from filter(None, (_in_flight(no, heads) for no in order_nos))


def _in_flight(order_no: str, heads: Mapping[str, Loan]) -> LocalOrder | None:
    loan = heads.get(facts_of(order_no)[2])
    if loan is None or loan.slot is None or loan.slot.order_no != order_no:
        return None
    if loan.mode.funder_deducts:
        return None
    return LocalOrder(
        order_no=order_no,
        agreement_no=loan.agreement_no,
        state=OrderState.UNKNOWN,
        amount=loan.slot.amount,
        funder_amount=loan.slot.split.funder.total if loan.slot.split else ZERO,
    )


def _refunds(corrections: Iterable[Correction]) -> Iterator[LocalOrder]:
    """Give what went back to borrowers; the bill shows it under the correction's own number."""
    for correction in corrections:
        if correction.kind is CorrectionKind.REFUND:
            yield LocalOrder(
                order_no=correction.correction_no,
                agreement_no="",
                state=OrderState.REFUNDED,
                amount=correction.amount,
                trade_no=correction.trade_no,
            )


def _ended_of(records: Iterable[Deduction | Skip]) -> Iterator[LocalOrder]:
    for record in records:
        if isinstance(record, Deduction) and not Mode(record.mode).funder_deducts:
            yield _ended(record)


def _ended(record: Deduction) -> LocalOrder:
    return LocalOrder(
        order_no=record.order_no,
        agreement_no=record.agreement_no,
        state=OrderState(record.result.status),
        amount=record.amount,
        funder_amount=record.funder.total,
        trade_no=record.result.trade_no,
        paid_at=record.result.paid_at,
        settled_by=record.settled_by,
    )
