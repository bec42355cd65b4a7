"""The deduction journal, in DynamoDB: records are put once and never changed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from chalicelib.adapters.dynamodb import corrections
from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, chunks, conditional
from chalicelib.adapters.dynamodb.corrections import CLAIMED, CORRECTED
from chalicelib.adapters.dynamodb.shards import JOURNAL_SHARDS, day_shard, shard_of
from chalicelib.adapters.dynamodb.tables import JournalRow
from chalicelib.domain.correction import Correction
from chalicelib.domain.deduction import (
    Deduction,
    FailureClass,
    Kind,
    Result,
    Skip,
    SkipReason,
    Status,
    facts_of,
)
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import ZERO, Components, Money

SKIP_MARK = "#skip"
SKIPPED = "SKIPPED"


class DynamoJournal:
    def put(self, deduction: Deduction) -> bool:
        return _put(_row_of(deduction))

    def put_skip(self, skip: Skip) -> bool:
        return _put(
            JournalRow(
                day_shard=_partition_of(skip.order_no),
                order_no=skip.order_no + SKIP_MARK,
                loan_id=skip.loan_id,
                mode=skip.mode,
                status=SKIPPED,
                reason=skip.reason.value,
                note=skip.note or None,
                listed=skip.listed,
                recorded_at=skip.recorded_at,
            )
        )

    def find(self, order_no: str) -> Deduction | Skip | None:
        rows = JournalRow.query(
            _partition_of(order_no),
            # Result and skip stand side by side: '#' sorts before all that may follow in an id.
            range_key_condition=JournalRow.order_no.between(order_no, order_no + SKIP_MARK),
            consistent_read=True,
        )
        return next((record_of(row) for row in rows), None)

    def get_many(self, order_nos: Sequence[str]) -> Mapping[str, Deduction]:
        return {
            row.order_no: _deduction_of(row)
            for keys in chunks([(_partition_of(no), no) for no in order_nos])
            for row in JournalRow.batch_get(list(keys), consistent_read=True)
        }

    def of_day(self, business_date: date) -> Iterator[Deduction | Skip]:
        return (record_of(row) for row in _of_day(business_date) if row.status != CORRECTED)

    def of_loan(self, loan_id: str) -> Iterator[Deduction]:
        rows = JournalRow.by_loan.query(loan_id)
        return (_deduction_of(row) for row in rows if row.status != CORRECTED)

    def claim_correction(self, *, key: str, by: str, at: datetime) -> str:
        row = JournalRow(
            day_shard=corrections.claims_of(key),
            order_no=key,
            loan_id="-",
            mode="-",
            status=CLAIMED,
            note=by,
            listed=ZERO,
            recorded_at=at,
        )
        if _put(row):
            return by
        standing = JournalRow.get(row.day_shard, key, consistent_read=True)
        return standing.note or ""

    def put_correction(self, correction: Correction) -> bool:
        return _put(corrections.row_of(correction, _packed(correction.lines)))

    def find_correction(
        self, *, correction_no: str, business_date: date, loan_id: str
    ) -> Correction | None:
        partition = corrections.partition_of(business_date=business_date, loan_id=loan_id)
        try:
            row = JournalRow.get(partition, correction_no, consistent_read=True)
        except JournalRow.DoesNotExist:
            return None
        return correction_of(row)

    def corrections_of_day(self, business_date: date) -> Iterator[Correction]:
        return (correction_of(row) for row in _of_day(business_date) if row.status == CORRECTED)

    def corrections_of_loan(self, loan_id: str) -> Iterator[Correction]:
        rows = JournalRow.by_loan.query(loan_id)
        return (correction_of(row) for row in rows if row.status == CORRECTED)


def record_of(row: JournalRow) -> Deduction | Skip:
    """Read either kind of record of an order."""
    return _skip_of(row) if row.status == SKIPPED else _deduction_of(row)


def correction_of(row: JournalRow) -> Correction:
    """Read a correction."""
    return corrections.correction_of(row, _unpacked)


def _of_day(business_date: date) -> Iterator[JournalRow]:
    for shard in range(JOURNAL_SHARDS):
        yield from JournalRow.query(day_shard(business_date, shard), consistent_read=True)


def _put(row: JournalRow) -> bool:
    try:
        # Terminal records are put once: a repetition finds its own and changes nothing.
        with conditional():
            row.save(condition=JournalRow.order_no.does_not_exist())
    except ConditionFailedError:
        return False
    return True


def _partition_of(order_no: str) -> str:
    business_date, _, loan_id = facts_of(order_no)
    return day_shard(business_date, shard_of(loan_id, JOURNAL_SHARDS))


def _row_of(deduction: Deduction) -> JournalRow:
    result = deduction.result
    return JournalRow(
        day_shard=_partition_of(deduction.order_no),
        order_no=deduction.order_no,
        loan_id=deduction.loan_id,
        borrower_id=deduction.borrower_id,
        mode=deduction.mode,
        status=result.status.value,
        agreement_no=deduction.agreement_no,
        amount=deduction.amount,
        principal=deduction.components.principal,
        interest=deduction.components.interest,
        penalty=deduction.components.penalty,
        listed=deduction.listed,
        dpd=deduction.dpd,
        lines=_packed(deduction.lines) or None,
        trade_no=result.trade_no or None,
        paid_at=result.paid_at,
        failure_code=result.failure_code or None,
        failure_class=result.failure_class.value if result.failure_class else None,
        settles=deduction.settles or None,
        split_pending=result.split_pending or None,
        settled_by=deduction.settled_by,
        kind=deduction.kind.value if deduction.kind is not Kind.SCHEDULED else None,
        fee=deduction.fee or None,
        request=deduction.request or None,
        product=deduction.product or None,
        recorded_at=deduction.recorded_at,
        history_loan_id=deduction.loan_id if result.status is Status.SUCCEEDED else None,
    )


def _deduction_of(row: JournalRow) -> Deduction:
    business_date, round_no, loan_id = facts_of(row.order_no)
    return Deduction(
        order_no=row.order_no,
        loan_id=loan_id,
        borrower_id=row.borrower_id or "",
        mode=row.mode,
        business_date=business_date,
        round_no=round_no,
        agreement_no=row.agreement_no or "",
        amount=row.amount or ZERO,
        components=Components(
            principal=row.principal or ZERO,
            interest=row.interest or ZERO,
            penalty=row.penalty or ZERO,
        ),
        result=Result(
            status=Status(row.status),
            trade_no=row.trade_no or "",
            paid_at=row.paid_at,
            failure_code=row.failure_code or "",
            failure_class=FailureClass(row.failure_class) if row.failure_class else None,
            split_pending=bool(row.split_pending),
        ),
        recorded_at=row.recorded_at,
        listed=row.listed,
        dpd=row.dpd or 0,
        lines=_unpacked(row.lines or ""),
        settles=bool(row.settles),
        settled_by=row.settled_by or "",
        kind=Kind(row.kind or Kind.SCHEDULED),
        fee=row.fee or ZERO,
        request=row.request or "",
        product=row.product or "",
    )


def _skip_of(row: JournalRow) -> Skip:
    order_no = row.order_no.removesuffix(SKIP_MARK)
    business_date, round_no, loan_id = facts_of(order_no)
    return Skip(
        order_no=order_no,
        loan_id=loan_id,
        mode=row.mode,
        business_date=business_date,
        round_no=round_no,
        listed=row.listed,
        reason=SkipReason(row.reason),
        note=row.note or "",
        recorded_at=row.recorded_at,
    )


def _packed(lines: tuple[InstalmentDue, ...]) -> str:
    """Write lines as "instalment,due date,three amounts", and three more where a funder has a part."""
    return ";".join(
        ",".join(
            (
                str(line.instalment_no),
                line.due_on.isoformat(),
                *_fen_of(line.components),
                *(_fen_of(line.funder) if line.funder is not None else ()),
            )
        )
        for line in lines
    )


def _fen_of(amount: Components) -> tuple[str, str, str]:
    return str(amount.principal.fen), str(amount.interest.fen), str(amount.penalty.fen)


def _unpacked(text: str) -> tuple[InstalmentDue, ...]:
    """Read lines back.

    >>> _packed(_unpacked("1,2026-11-24,90,9,0;2,2026-12-24,90,9,0,63,6,0"))
    '1,2026-11-24,90,9,0;2,2026-12-24,90,9,0,63,6,0'
    """
    rows = (row.split(",") for row in text.split(";") if row)
    return tuple(
        InstalmentDue(
            instalment_no=int(number),
            due_on=date.fromisoformat(day),
            components=_amount_of(fen[:3]),
            funder=_amount_of(fen[3:]) if fen[3:] else None,
        )
        for number, day, *fen in rows
    )


def _amount_of(fen: Sequence[str]) -> Components:
    principal, interest, penalty = (Money(int(one)) for one in fen)
    return Components(principal=principal, interest=interest, penalty=penalty)
