"""Take back a payment that never was, if it is the loan's last one: the loan stands as before it.

Two people have decided it.  Claim, record, post, as every order: safe to repeat at any point.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import loan as loans
from chalicelib.domain import loan_history
from chalicelib.domain.correction import CorrectionKind, correction_no_of
from chalicelib.domain.deduction import AnswerStatus
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.loan import Loan, Slot
from chalicelib.domain.loan_history import History, Payment, UntoldHistoryError
from chalicelib.flows.correction import (
    REFUSALS,
    begun,
    claimed,
    loan_of,
    made_for,
    owed,
    parts_of,
    post,
    refused,
)
from chalicelib.flows.discrepancy_ports import DisputePlatform
from chalicelib.flows.ports import Books

UNANSWERED = "platform_unanswered"
NEVER_PAID = frozenset({AnswerStatus.FAILED, AnswerStatus.CLOSED, AnswerStatus.NOT_EXIST})


def preview(*, each: Discrepancy, now: datetime, books: Books) -> Mapping[str, Any]:
    """Say what taking the payment back would do; nothing is changed.

    :raises StepRefusedError: if it cannot be taken back.
    """
    number = correction_no_of(each.order_no, CorrectionKind.REVERSAL)
    made_for(each, books, CorrectionKind.REVERSAL)
    loan = replace(loan_of(each, books), slot=None)
    history = _history(loan, books, without=number)
    payment = _last_of(each, history)
    undone = loan_history.before_last(loan=loan, history=history)
    cut = undone.cut_after or books.schedules.get(loan.loan_id, loan.schedule_version)
    return {
        "correction_no": number,
        "value_date": payment.as_of.isoformat(),
        **parts_of(payment.components, payment.fee),
        "owed_before_fen": owed(loan, books, now).fen,
        "owed_after_fen": loans.owed(
            loan=undone.loan,
            schedule=cut.instalments,
            product=books.products[loan.product],
            as_of=now.date(),
        ).amount.fen,
        "schedule_goes_back": undone.cut_after is not None,
    }


def make(*, each: Discrepancy, now: datetime, books: Books, platform: DisputePlatform) -> str:
    """Take a payment back that the platform never had, if it is the loan's last; safe to repeat.

    The platform has the last word: a bill that lacks the order may be wrong itself.

    :raises StepRefusedError: if it cannot be taken back; nothing is changed then.
    """
    if waits_for := _never_paid(each.order_no, platform):
        return waits_for
    number = correction_no_of(each.order_no, CorrectionKind.REVERSAL)

    def slot_of(loan: Loan) -> Slot:
        payment = _last_of(each, _history(loan, books, without=number))
        return replace(loan_history.slot_of(payment), order_no=number, sent_at=now)

    loan = claimed(each, number, books, slot_of)
    if not isinstance(loan, Loan):
        return loan
    try:
        history = _history(loan, books, without=number)
        payment = _last_of(each, history)
    except StepRefusedError as error:  # read from an index that lags: claimed, it was otherwise
        return error.rule
    record = replace(
        begun(each, kind=CorrectionKind.REVERSAL, loan=loan, now=now),
        value_date=payment.as_of,
        amount=payment.amount,
        components=payment.components,
        fee=payment.fee,
        lines=payment.lines,
        pays=payment.kind,
        trade_no=payment.trade_no,
    )
    books.journal.put_correction(record)
    post(
        each,
        number,
        books,
        lambda current: loan_history.before_last(loan=current, history=history),
    )
    return ""


def _never_paid(order_no: str, platform: DisputePlatform) -> str:
    """Have the platform say that it never took the money, and never will; or why we must wait.

    :raises StepRefusedError: if it has taken it.
    """
    answer = platform.ask(order_no)
    if answer.status is AnswerStatus.NOT_EXIST:
        answer = platform.close(order_no)
    if answer.status is AnswerStatus.SUCCEEDED:
        raise refused("paid_there")
    return "" if answer.status in NEVER_PAID else UNANSWERED


def _history(loan: Loan, books: Books, *, without: str) -> History:
    """Tell the loan's history, but for the correction that is just being made."""
    versions = range(loan_history.FIRST_VERSION, loan.schedule_version + 1)
    try:
        return loan_history.told(
            loan=loan,
            deductions=books.journal.of_loan(loan.loan_id),
            corrections=(
                each
                for each in books.journal.corrections_of_loan(loan.loan_id)
                if each.correction_no != without
            ),
            cuts={no: books.schedules.get(loan.loan_id, no) for no in versions},
            product=books.products[loan.product],
        )
    except UntoldHistoryError as error:
        raise refused("journal_unclear") from error


def _last_of(each: Discrepancy, history: History) -> Payment:
    orders = {place.payment.order_no for place in history.places if place.payment}
    if each.order_no not in orders:
        raise refused("not_paid_here")
    if history.last is None or history.last.order_no != each.order_no:
        last = history.last.order_no if history.last else ""
        raise StepRefusedError("not_the_last", f"{REFUSALS['not_the_last']}: {last}")
    return history.last
