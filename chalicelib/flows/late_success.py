"""Post what was paid after all: the loan takes it as of its order's own day.

Two people have decided it.  Claim, record, post, as every order: safe to repeat at any point.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import late_success
from chalicelib.domain import loan as loans
from chalicelib.domain.correction import CorrectionKind, correction_no_of
from chalicelib.domain.deduction import Deduction
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.late_success import NotOwed
from chalicelib.domain.loan import Loan, Posting, Slot
from chalicelib.domain.money import ZERO
from chalicelib.flows import posting
from chalicelib.flows.correction import (
    begun,
    claimed,
    is_paid_there,
    is_taken,
    loan_of,
    made_for,
    owed,
    parts_of,
    post,
    refused,
    rows_there,
)
from chalicelib.flows.ports import Books


def preview(*, each: Discrepancy, now: datetime, books: Books) -> Mapping[str, Any]:
    """Say what posting it late would do; nothing is changed.

    :raises StepRefusedError: if it cannot be posted.
    """
    loan = replace(loan_of(each, books), slot=None)
    slot = _late_slot(each, loan=loan, now=now, books=books)
    after = _late_posting(replace(loan, slot=slot), books).loan
    return {
        "correction_no": slot.order_no,
        "value_date": slot.as_of.isoformat(),
        **parts_of(slot.components, slot.fee),
        "owed_before_fen": owed(loan, books, now).fen,
        "owed_after_fen": owed(after, books, now).fen,
        "settles": after.unpaid_due_on is None,
    }


def post_to_loan(*, each: Discrepancy, now: datetime, books: Books) -> str:
    """Let the loan take, as of the order's own day, what it has paid after all; safe to repeat.

    :raises StepRefusedError: if the loan cannot take it; nothing is changed then.
    """
    number = correction_no_of(each.order_no, CorrectionKind.LATE_SUCCESS)
    loan = claimed(
        each, number, books, lambda loan: _late_slot(each, loan=loan, now=now, books=books)
    )
    if not isinstance(loan, Loan):
        return loan
    slot, after = posting.slot_of(loan), _late_posting(loan, books)
    trade_no = next((str(row["trade_no"]) for row in rows_there(each)), "")
    record = replace(
        begun(each, kind=CorrectionKind.LATE_SUCCESS, loan=loan, now=now),
        value_date=slot.as_of,
        amount=slot.amount,
        components=slot.components,
        fee=slot.fee,
        lines=after.paid.lines,
        pays=slot.kind,
        settles=after.loan.unpaid_due_on is None,
        trade_no=trade_no,
    )
    books.journal.put_correction(record)
    post(each, number, books, lambda current: _late_posting(current, books))
    return ""


def _late_slot(each: Discrepancy, *, loan: Loan, now: datetime, books: Books) -> Slot:
    if not is_paid_there(each):
        raise refused("nothing_paid_there")
    record = books.journal.find(each.order_no)
    failure = record if isinstance(record, Deduction) else None
    if is_taken(failure, made_for(each, books, CorrectionKind.LATE_SUCCESS)):
        raise refused("succeeded_already")
    found = late_success.slot_for(
        loan=loan,
        cut=books.schedules.get(loan.loan_id, loan.schedule_version),
        product=books.products[loan.product],
        correction_no=correction_no_of(each.order_no, CorrectionKind.LATE_SUCCESS),
        order_no=each.order_no,
        record=failure,  # or a success that was taken back: owed as it was
        amount=each.there or ZERO,
        now=now,
        shares=loans.shares_of(loan=loan, funders=books.funders),
    )
    if isinstance(found, NotOwed):
        raise refused(found.rule)
    return found


def _late_posting(loan: Loan, books: Books) -> Posting:
    return loans.posted(
        loan=loan,
        cut=books.schedules.get(loan.loan_id, loan.schedule_version),
        product=books.products[loan.product],
        shares=loans.shares_of(loan=loan, funders=books.funders),
    )
