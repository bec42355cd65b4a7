"""The journal's stream: what was written, as events."""

from collections.abc import Mapping
from typing import Any

from chalicelib.adapters.dynamodb.corrections import CLAIMED, CORRECTED
from chalicelib.adapters.dynamodb.journal import correction_of, record_of
from chalicelib.adapters.dynamodb.tables import JournalRow
from chalicelib.domain.correction import Correction, CorrectionKind
from chalicelib.domain.deduction import Deduction, Kind, Status
from chalicelib.flows.ports import ServicingEvent

SCHEDULED = {Status.SUCCEEDED: "deduction_succeeded", Status.FAILED: "deduction_failed"}
ACTIVE = {Status.SUCCEEDED: "repayment_succeeded", Status.FAILED: "repayment_failed"}


def event_of(image: Mapping[str, Any]) -> ServicingEvent | None:
    """Make the event of a journal item's new image; a skip is no event.

    Of corrections one is told: that money the borrower was told had failed was paid after all.
    """
    row = JournalRow()
    row.deserialize(dict(image))
    if row.status == CORRECTED:
        return _event_of_correction(correction_of(row))
    if row.status == CLAIMED:
        return None
    record = record_of(row)
    if not isinstance(record, Deduction):
        return None
    result = record.result
    events = SCHEDULED if record.kind is Kind.SCHEDULED else ACTIVE
    return ServicingEvent(
        event=events[result.status],
        loan_id=record.loan_id,
        borrower_id=record.borrower_id,
        mode=record.mode,
        business_date=record.business_date,
        occurred_at=record.recorded_at,
        amount_fen=record.amount.fen,
        order_no=record.order_no,
        failure_code=result.failure_code,
        failure_class=result.failure_class.value if result.failure_class else "",
        settles=record.settles,
        dpd=record.dpd,
    )


def _event_of_correction(correction: Correction) -> ServicingEvent | None:
    if correction.kind is not CorrectionKind.LATE_SUCCESS:
        return None
    events = SCHEDULED if correction.pays is Kind.SCHEDULED else ACTIVE
    return ServicingEvent(
        event=events[Status.SUCCEEDED],
        loan_id=correction.loan_id,
        borrower_id=correction.borrower_id,
        mode=correction.mode,
        business_date=correction.business_date,
        occurred_at=correction.recorded_at,
        amount_fen=correction.amount.fen,
        order_no=correction.correction_no,
        settles=correction.settles,
    )
