"""Record what became of an order, then let its loan take it.

The journal is the log: a record that stands is the truth, whatever is heard later.  The loan's
slot says what is unfinished: whoever finds a record whose order still holds it posts it again.
"""

from dataclasses import replace
from datetime import datetime

from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import Deduction, Outcome, Result, Status, facts_of
from chalicelib.domain.due import InstalmentDue, days_past_due
from chalicelib.domain.loan import Loan, Posting, Slot
from chalicelib.flows.ports import Books, MovedByAnotherError


class UnknownLoanError(Exception):
    """The order names a loan that is not in the book."""


class SchedulePutByAnotherError(Exception):
    """The next version of a loan's schedule is there, and this order did not write it."""


def end(*, loan: Loan, result: Result, now: datetime, settled_by: str, books: Books) -> Outcome:
    """Record, then post.  A record that stands already is the truth, whatever we heard since."""
    posting = _posted(loan, books) if result.status is Status.SUCCEEDED else None
    record = _record_of(loan=loan, posting=posting, result=result, now=now, settled_by=settled_by)
    if not books.journal.put(record):
        standing = books.journal.find(record.order_no)
        if isinstance(standing, Deduction):
            if standing.result.status is Status.FAILED and result.status is Status.SUCCEEDED:
                post(loan=loan, record=standing, books=books)
                return contradicted(record=standing, books=books)
            record = standing
    return post(loan=loan, record=record, books=books, posting=posting)


def post(*, loan: Loan, record: Deduction, books: Books, posting: Posting | None = None) -> Outcome:
    """Let the loan take the recorded result and free its slot; whoever comes second does nothing.

    `posting` is what the success makes of this very head, where that is computed already.
    """
    succeeded = record.result.status is Status.SUCCEEDED
    current: Loan = loan
    while is_in_flight(current, record.order_no):
        after = (
            _after(posting or _posted(current, books), record, books)
            if succeeded
            else loans.released(loan=current, result=record.result)
        )
        try:
            books.loans.write(after)
            break
        except MovedByAnotherError:
            current, posting = loan_of(record.order_no, books), None
    return Outcome.SUCCEEDED if succeeded else Outcome.FAILED


def contradicted(*, record: Deduction, books: Books) -> Outcome:
    """Hold a loan whose failed order the platform now calls paid: nothing more may be taken.

    The journal is not changed; the bill will show the money, and a person decides.
    """
    hold(loan_id=record.loan_id, reason=reason_of_contradiction(record.order_no), books=books)
    return Outcome.CONTRADICTED


def reason_of_contradiction(order_no: str) -> str:
    """Name what a contradiction about an order lays on its loan."""
    return f"contradiction {order_no}"


def hold(*, loan_id: str, reason: str, books: Books) -> None:
    """Let nothing more be deducted from a loan until the reason is lifted; the first one stands.

    But for a mandate that is gone: its owner may try it again, so it gives way.
    """
    while (loan := books.loans.get(loan_id)) and (
        not loan.hold or loans.is_mandate_hold(loan.hold)
    ):
        if _written(replace(loan, hold=reason), books):
            return


def lift(*, loan_id: str, reason: str, books: Books) -> None:
    """Take this very reason off a loan, if it is what holds it."""
    while (loan := books.loans.get(loan_id)) and loan.hold == reason:
        if _written(replace(loan, hold=""), books):
            return


def loan_of(order_no: str, books: Books) -> Loan:
    """Read the loan of an order.

    :raises UnknownLoanError: if there is none.
    """
    loan_id = facts_of(order_no)[2]
    loan = books.loans.get(loan_id)
    if loan is None:
        raise UnknownLoanError(loan_id)
    return loan


def is_in_flight(loan: Loan, order_no: str) -> bool:
    """Whether the order holds the loan's slot."""
    return loan.slot is not None and loan.slot.order_no == order_no


def slot_of(loan: Loan) -> Slot:
    """Give the order in flight.

    :raises NothingInFlightError: if there is none.
    """
    if loan.slot is None:
        raise loans.NothingInFlightError(loan.loan_id)
    return loan.slot


def lines_of(*, loan: Loan, books: Books) -> tuple[InstalmentDue, ...]:
    """Say what the order in the slot pays of which instalment: the same as long as it is there."""
    return _posted(loan, books).paid.lines


def _written(loan: Loan, books: Books) -> bool:
    try:
        books.loans.write(loan)
    except MovedByAnotherError:
        return False
    return True


def _after(posting: Posting, record: Deduction, books: Books) -> Loan:
    """Give the loan as it goes on; a new schedule is written before the head that points at it."""
    loan_id, version = posting.loan.loan_id, posting.loan.schedule_version
    # The order's number is the source: done again, it finds its own and changes nothing.
    if posting.cut_after is not None and not books.schedules.add(
        loan_id, version, posting.cut_after, source=record.order_no
    ):
        raise SchedulePutByAnotherError(f"{loan_id} {version}")
    return posting.loan


def _record_of(
    *, loan: Loan, posting: Posting | None, result: Result, now: datetime, settled_by: str
) -> Deduction:
    slot = slot_of(loan)
    business_date, round_no, _ = facts_of(slot.order_no)
    return Deduction(
        order_no=slot.order_no,
        loan_id=loan.loan_id,
        borrower_id=loan.borrower_id,
        mode=loan.mode,
        business_date=business_date,
        round_no=round_no,
        agreement_no=loan.agreement_no,
        amount=slot.amount,
        components=slot.components,
        result=result,
        recorded_at=now,
        listed=slot.listed,
        dpd=max(days_past_due(loan.unpaid_due_on or slot.as_of, slot.as_of), 0),
        lines=posting.paid.lines if posting else (),
        settles=posting is not None and posting.loan.unpaid_due_on is None,
        settled_by=settled_by,
        kind=slot.kind,
        fee=slot.fee,
        request=slot.request,
        product=loan.product,
    )


def _posted(loan: Loan, books: Books) -> Posting:
    is_split = loan.slot is not None and loan.slot.split is not None
    return loans.posted(
        loan=loan,
        cut=books.schedules.get(loan.loan_id, loan.schedule_version),
        product=books.products[loan.product],
        shares=loans.shares_of(loan=loan, funders=books.funders) if is_split else None,
    )
