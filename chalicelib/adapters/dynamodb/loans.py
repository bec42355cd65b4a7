"""Loan heads, in DynamoDB: one item a loan, one conditional put a write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, chunks, conditional
from chalicelib.adapters.dynamodb.shards import agenda_key, shard_of
from chalicelib.adapters.dynamodb.tables import LoanRow, SlotMap
from chalicelib.domain.deduction import Kind
from chalicelib.domain.loan import Loan, LoanStatus, Mode, Slot
from chalicelib.domain.money import ZERO, Components, Money
from chalicelib.domain.position import Position
from chalicelib.domain.product import Recut
from chalicelib.domain.split import Split
from chalicelib.flows.ports import AgendaEntry, MovedByAnotherError


@dataclass(frozen=True, kw_only=True, slots=True)
class DynamoLoans:
    """`shards` is how many partitions one due date of the agenda is spread over.

    A borrower's loans share a shard: whoever walks it can put their texts together.
    """

    shards: int

    def get(self, loan_id: str) -> Loan | None:
        try:
            return _loan_of(LoanRow.get(loan_id, consistent_read=True))
        except LoanRow.DoesNotExist:
            return None

    def get_many(self, loan_ids: Sequence[str]) -> Mapping[str, Loan]:
        return {
            row.loan_id: _loan_of(row)
            for keys in chunks(loan_ids)
            for row in LoanRow.batch_get(list(keys), consistent_read=True)
        }

    def add(self, loan: Loan) -> bool:
        try:
            # Whoever adds a loan first wins: a head is never written over by an intake.
            with conditional():
                self._row_of(loan).save(condition=LoanRow.loan_id.does_not_exist())
        except ConditionFailedError:
            return False
        return True

    def write(self, loan: Loan) -> Loan:
        written = replace(loan, version=loan.version + 1)
        try:
            # The head is as it was read: nobody claimed, posted or released since.
            with conditional():
                self._row_of(written).save(condition=LoanRow.version == loan.version)
        except ConditionFailedError as error:
            raise MovedByAnotherError(loan.loan_id) from error
        return written

    def agenda(self, *, unpaid_due_on: date, shard: int) -> Iterator[AgendaEntry]:
        for row in LoanRow.agenda.query(agenda_key(unpaid_due_on, shard)):
            yield AgendaEntry(
                loan_id=row.loan_id,
                borrower_id=row.borrower_id,
                mode=row.mode,
                product=row.product,
            )

    def of_borrower(self, borrower_id: str) -> Sequence[str]:
        return [row.loan_id for row in LoanRow.by_borrower.query(borrower_id)]

    def _row_of(self, loan: Loan) -> LoanRow:
        on_agenda = loan.status is LoanStatus.OPEN and loan.unpaid_due_on is not None
        shard = shard_of(loan.borrower_id, self.shards)
        return LoanRow(
            loan_id=loan.loan_id,
            borrower_id=loan.borrower_id,
            product=loan.product,
            mode=loan.mode.value,
            principal=loan.principal,
            annual_rate=loan.annual_rate,
            agreement_no=loan.agreement_no,
            schedule_version=loan.schedule_version,
            instalment_no=loan.position.instalment_no,
            principal_paid=loan.position.principal_paid,
            interest_paid=loan.position.interest_paid,
            penalty_carried=loan.position.penalty_carried,
            penalty_from=loan.position.penalty_from,
            unpaid_due_on=loan.unpaid_due_on,
            status=loan.status.value,
            slot=_map_of(loan.slot) if loan.slot else None,
            hold=loan.hold or None,
            last_failure=loan.last_failure or None,
            funder_id=loan.funder_id or None,
            funder_share_bps=loan.funder_share_bps or None,
            funder_terms=loan.funder_terms or None,
            revolving=loan.revolving or None,
            version=loan.version,
            agenda_key=agenda_key(loan.unpaid_due_on, shard)
            if on_agenda and loan.unpaid_due_on
            else None,
        )


def _map_of(slot: Slot) -> SlotMap:
    return SlotMap(
        order_no=slot.order_no,
        amount=slot.amount,
        principal=slot.components.principal,
        interest=slot.components.interest,
        penalty=slot.components.penalty,
        listed=slot.listed,
        as_of=slot.as_of,
        sent_at=slot.sent_at,
        kind=slot.kind.value if slot.kind is not Kind.SCHEDULED else None,
        recut=slot.recut.value if slot.recut else None,
        fee=slot.fee or None,
        request=slot.request or None,
        funder_fen=_packed(slot.split.funder) if slot.split else None,
    )


def _slot_of(slot: SlotMap | None) -> Slot | None:
    if slot is None:
        return None
    components = Components(principal=slot.principal, interest=slot.interest, penalty=slot.penalty)
    funder = _unpacked(slot.funder_fen) if slot.funder_fen else None
    return Slot(
        order_no=slot.order_no,
        amount=slot.amount,
        components=components,
        listed=slot.listed,
        as_of=slot.as_of,
        sent_at=slot.sent_at,
        kind=Kind(slot.kind or Kind.SCHEDULED),
        recut=Recut(slot.recut) if slot.recut else None,
        fee=slot.fee or ZERO,
        request=slot.request or "",
        split=Split(funder=funder, platform=components - funder) if funder is not None else None,
    )


def _packed(part: Components) -> str:
    """Write an amount as "principal,interest,penalty" in fen; a head's bytes count."""
    return f"{part.principal.fen},{part.interest.fen},{part.penalty.fen}"


def _unpacked(text: str) -> Components:
    """Read an amount back.

    >>> _packed(_unpacked("7,0,1"))
    '7,0,1'
    """
    principal, interest, penalty = (Money(int(fen)) for fen in text.split(","))
    return Components(principal=principal, interest=interest, penalty=penalty)


def _loan_of(row: LoanRow) -> Loan:
    return Loan(
        loan_id=row.loan_id,
        borrower_id=row.borrower_id,
        product=row.product,
        mode=Mode(row.mode),
        principal=row.principal,
        annual_rate=row.annual_rate,
        agreement_no=row.agreement_no,
        schedule_version=row.schedule_version,
        position=Position(
            instalment_no=row.instalment_no,
            principal_paid=row.principal_paid,
            interest_paid=row.interest_paid,
            penalty_carried=row.penalty_carried,
            penalty_from=row.penalty_from,
        ),
        unpaid_due_on=row.unpaid_due_on,
        status=LoanStatus(row.status),
        slot=_slot_of(row.slot),
        hold=row.hold or "",
        last_failure=row.last_failure or "",
        funder_id=row.funder_id or "",
        funder_share_bps=row.funder_share_bps or 0,
        funder_terms=row.funder_terms or 0,
        revolving=bool(row.revolving),
        version=row.version,
    )
