"""Give money back that no loan took, as two people have decided: once, by the correction's number."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain.correction import CorrectionKind, RefundStatus, correction_no_of
from chalicelib.domain.deduction import Deduction
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.reconciliation import Kind as Bucket
from chalicelib.domain.reconciliation import paid_on
from chalicelib.flows.correction import (
    REFUSALS,
    begun,
    decided,
    is_paid_there,
    is_recorded,
    is_taken,
    loan_id_of,
    made_for,
    refused,
)
from chalicelib.flows.discrepancy_ports import DisputePlatform
from chalicelib.flows.ports import Books

UNANSWERED = "refund_unanswered"


def preview(*, each: Discrepancy, books: Books) -> Mapping[str, Any]:
    """Say what would be given back: what the bill shows and no loan took.

    :raises StepRefusedError: if there is no such money.
    """
    amount = _refundable(each, books)
    if amount <= ZERO:
        raise refused("nothing_to_refund")
    number = correction_no_of(each.order_no, CorrectionKind.REFUND)
    return {"correction_no": number, "amount_fen": amount.fen}


def make(*, each: Discrepancy, now: datetime, books: Books, platform: DisputePlatform) -> str:
    """Give the money back, as it was approved; safe to repeat, and asked again until it is known.

    Recorded once the platform has said that it is done.

    :raises StepRefusedError: if the platform plainly refuses.
    """
    number = correction_no_of(each.order_no, CorrectionKind.REFUND)
    proposal, approval = decided(each)
    loan_id = loan_id_of(each.order_no)
    if is_recorded(number, approval, loan_id, books):
        return ""
    amount = Money(int(proposal.effect["amount_fen"]))
    answer = platform.refund(refund_no=number, order_no=each.order_no, amount=amount)
    match answer.status:
        case RefundStatus.UNKNOWN:
            return UNANSWERED
        case RefundStatus.REFUSED:
            raise StepRefusedError("refund_refused", f"{REFUSALS['refund_refused']}: {answer.note}")
        case RefundStatus.DONE:
            record = replace(
                begun(
                    each,
                    kind=CorrectionKind.REFUND,
                    loan=books.loans.get(loan_id) if loan_id else None,
                    now=now,
                ),
                value_date=paid_on(answer.refunded_at or now),
                amount=amount,
                trade_no=answer.trade_no,
            )
            books.journal.put_correction(record)
            return ""


def _refundable(each: Discrepancy, books: Books) -> Money:
    """Say how much the bill shows that no loan took; of a charge that came twice, the second."""
    made = made_for(each, books, CorrectionKind.REFUND)
    if each.there is None or not is_paid_there(each):
        return ZERO
    if each.kind is Bucket.DUPLICATE:
        return each.there
    record = books.journal.find(each.order_no) if loan_id_of(each.order_no) else None
    known = record if isinstance(record, Deduction) else None
    if not is_taken(known, made):
        return each.there
    return each.there - (known.amount if known else each.there)
