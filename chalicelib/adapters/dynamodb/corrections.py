"""Corrections as items of the journal: in the partition of the day they were approved on."""

from collections.abc import Callable
from datetime import date

from chalicelib.adapters.dynamodb.shards import JOURNAL_SHARDS, day_shard, shard_of
from chalicelib.adapters.dynamodb.tables import JournalRow
from chalicelib.domain.correction import Correction, CorrectionKind
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import ZERO, Components

CORRECTED = "CORRECTION"
CLAIMED = "CLAIMED"


def partition_of(*, business_date: date, loan_id: str) -> str:
    """Name the partition of a loan's corrections of a day."""
    return day_shard(business_date, shard_of(loan_id, JOURNAL_SHARDS))


def claims_of(key: str) -> str:
    """Name the partition that says for what an order's money is corrected.

    >>> claims_of("20261124-1-LN1")
    'corrected#3'
    """
    return f"corrected#{shard_of(key, JOURNAL_SHARDS)}"


def row_of(correction: Correction, lines: str) -> JournalRow:
    """Write a correction; `lines` are packed as those of deductions are."""
    return JournalRow(
        day_shard=partition_of(business_date=correction.business_date, loan_id=correction.loan_id),
        order_no=correction.correction_no,
        loan_id=correction.loan_id,
        borrower_id=correction.borrower_id or None,
        mode=correction.mode,
        status=CORRECTED,
        amount=correction.amount,
        principal=correction.components.principal,
        interest=correction.components.interest,
        penalty=correction.components.penalty,
        listed=correction.amount,
        lines=lines or None,
        trade_no=correction.trade_no or None,
        fee=correction.fee or None,
        correction={
            "kind": correction.kind.value,
            "order_no": correction.order_no,
            "product": correction.product,
            "funder_id": correction.funder_id,
            "business_date": correction.business_date.isoformat(),
            "value_date": correction.value_date.isoformat(),
            "reason": correction.reason,
            "made_by": correction.made_by,
            "approved_by": correction.approved_by,
            "pays": correction.pays.value,
            "settles": correction.settles,
        },
        recorded_at=correction.recorded_at,
        # Money of nobody's loan is found under its order.
        history_loan_id=correction.loan_id or correction.order_no,
    )


def correction_of(
    row: JournalRow, unpacked: Callable[[str], tuple[InstalmentDue, ...]]
) -> Correction:
    """Read a correction back."""
    facts = row.correction
    return Correction(
        correction_no=row.order_no,
        kind=CorrectionKind(facts["kind"]),
        order_no=facts["order_no"],
        loan_id=row.loan_id,
        borrower_id=row.borrower_id or "",
        mode=row.mode,
        product=facts["product"],
        funder_id=facts["funder_id"],
        business_date=date.fromisoformat(facts["business_date"]),
        value_date=date.fromisoformat(facts["value_date"]),
        amount=row.amount or ZERO,
        components=Components(
            principal=row.principal or ZERO,
            interest=row.interest or ZERO,
            penalty=row.penalty or ZERO,
        ),
        fee=row.fee or ZERO,
        lines=unpacked(row.lines or ""),
        trade_no=row.trade_no or "",
        reason=facts["reason"],
        made_by=facts["made_by"],
        approved_by=facts["approved_by"],
        recorded_at=row.recorded_at,
        pays=Kind(facts["pays"]),
        settles=facts["settles"],
    )
