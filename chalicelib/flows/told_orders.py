"""Let a loan take what its funder tells of it: claim the slot, record, post, as every order does.

A claim carries the version of the file that made it, and only that version goes on with it: so
two versions of one file never finish each other's work with their own figures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from chalicelib.domain import funder_results as results
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import (
    FAILURE_CLASSES,
    NO_ROUND,
    Deduction,
    Outcome,
    Status,
    order_no_of,
    order_no_of_addition,
)
from chalicelib.domain.due import Due
from chalicelib.domain.funder_results import Decision, Finding, Step
from chalicelib.domain.loan import Loan, Slot
from chalicelib.domain.money import NOTHING, Components
from chalicelib.domain.told import Told, failure_of
from chalicelib.flows import posting
from chalicelib.flows.ports import Books, MovedByAnotherError

CLAIMS_MAX = 5
SETTLED_BY = "results"


class CrowdedLoanError(Exception):
    """Others kept writing the loan's head: the file's next delivery goes on with it."""


class State(StrEnum):
    """What became of what is told of a loan."""

    POSTED = "posted"
    FAILED = "failed"
    KNOWN = "known"
    WAITING = "waiting"
    DISPUTED = "disputed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What became of it, and what is to be said; `strange_code` is a failure nobody listed."""

    state: State
    finding: Finding | None = None
    strange_code: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """One version of a funder's results of one round, on the desk.

    `claim` is what the slots say of who claimed them, and the journal of who told.
    """

    funder_id: str
    business_date: date
    round_no: int
    version: int
    claim: str
    now: datetime
    books: Books

    def of(self, told: Told) -> "Sheet":
        """Give the sheet of the round that is told of: of an earlier one there are no versions."""
        if (told.business_date, told.round_no) == (self.business_date, self.round_no):
            return self
        return replace(self, business_date=told.business_date, round_no=told.round_no, version=1)

    def order_no(self, loan_id: str) -> str:
        """Name the order of a loan in this round."""
        return order_no_of(
            business_date=self.business_date, round_no=self.round_no, loan_id=loan_id
        )

    def addition_no(self, loan_id: str, version: int) -> str:
        """Name what a later version adds to it."""
        return order_no_of_addition(
            business_date=self.business_date,
            round_no=self.round_no,
            version=version,
            loan_id=loan_id,
        )

    def order_nos(self, loan_id: str) -> Sequence[str]:
        """Name all orders a loan may have of this round by now."""
        later = range(2, self.version + 1)
        return [self.order_no(loan_id), *(self.addition_no(loan_id, each) for each in later)]

    def is_own(self, loan: Loan | None) -> bool:
        """Whether it is a loan this funder deducts."""
        return bool(loan and loan.mode.funder_deducts and loan.funder_id == self.funder_id)


def apply(*, told: Told, sheet: Sheet) -> Applied:
    """Post what the loan can take of a round, or record that it failed; safe to repeat.

    A loan that another order holds waits until that has ended.

    :raises CrowdedLoanError: if the slot could not be claimed for the crowd.
    """
    sheet = sheet.of(told)
    order_nos = sheet.order_nos(told.loan_id)
    for _ in range(CLAIMS_MAX):
        # The head is read before the journal: had an order ended between the two reads, the
        # head's version would have moved and the claim below would fail.
        loan = sheet.books.loans.get(told.loan_id)
        if loan is None or not sheet.is_own(loan):
            found = results.foreign(told, sheet.order_no(told.loan_id))
            return Applied(state=State.DISPUTED, finding=found)
        records = _records(order_nos, sheet)
        if loan.slot and _went_on(loan=loan, told=told, records=records, sheet=sheet):
            continue
        decision = _decide(loan=loan, told=told, records=records, sheet=sheet)
        if decision.step is Step.NOTHING:
            if records and _holds(sheet.books.loans.get(told.loan_id), records):
                continue  # claimed and recorded since the head was read: its worker may have died
            return _concluded(decision, told)
        if loan.slot:
            return Applied(state=State.WAITING)
        order_no = order_nos[-1] if records else order_nos[0]
        slot = _slot(loan=loan, decision=decision, order_no=order_no, sheet=sheet)
        try:
            claimed = sheet.books.loans.write(replace(loan, slot=slot))
        except MovedByAnotherError:
            continue
        _end(loan=claimed, told=told, new=decision.new, sheet=sheet)
        return _concluded(decision, told)
    raise CrowdedLoanError(told.loan_id)


def finish(*, told: Told, sheet: Sheet) -> None:
    """Go on with what this version has claimed, and begin nothing: a later version has come."""
    sheet = sheet.of(told)
    loan = sheet.books.loans.get(told.loan_id)
    if loan and loan.slot and sheet.is_own(loan):
        records = _records(sheet.order_nos(told.loan_id), sheet)
        _went_on(loan=loan, told=told, records=records, sheet=sheet)


def settle(*, told: Told, known: Sequence[Deduction], sheet: Sheet) -> Applied:
    """End the order a borrower wished for by what is told of its trade; safe to repeat.

    `known` are records of the loan that somebody has read some time ago.

    :raises CrowdedLoanError: if others kept ending the loan's orders.
    """
    for _ in range(CLAIMS_MAX):
        loan = sheet.books.loans.get(told.loan_id)
        if loan is None or not sheet.is_own(loan):
            found = results.foreign(told, results.trade_of(told))
            return Applied(state=State.DISPUTED, finding=found)
        record = _record_of(loan.slot, sheet) if loan.slot else None
        if record:  # whoever recorded it died before he posted it
            posting.post(loan=loan, record=record, books=sheet.books)
            continue
        if results.judge_wish(told=told, slot=None, records=known).is_known:
            return Applied(state=State.KNOWN)
        # The head first: an order that leaves the slot between the two reads is recorded by then,
        # and its trade is never taken for the next order's.
        wishes = {record.order_no: record for record in wishes_of(told.loan_id, sheet)}
        if _holds(loan, wishes):
            continue  # recorded since the head was read: its worker may have died
        wished = results.judge_wish(told=told, slot=loan.slot, records=list(wishes.values()))
        if wished.ends is None:
            state = State.DISPUTED if wished.finding else State.KNOWN
            return Applied(state=state, finding=wished.finding)
        outcome = posting.end(
            loan=loan, result=wished.ends, now=sheet.now, settled_by=SETTLED_BY, books=sheet.books
        )
        if outcome is not Outcome.CONTRADICTED:
            succeeded = wished.ends.status is Status.SUCCEEDED
            return Applied(state=State.POSTED if succeeded else State.FAILED)
    raise CrowdedLoanError(told.loan_id)


def wishes_of(loan_id: str, sheet: Sheet) -> Iterator[Deduction]:
    """Stream what borrowers' orders for a loan have come to, of this date, the last, and before."""
    for record in wishes_lately(sheet):
        if record.loan_id == loan_id:
            yield record
    for record in sheet.books.journal.of_loan(loan_id):
        if record.round_no == NO_ROUND:
            yield record


def wishes_lately(sheet: Sheet) -> Iterator[Deduction]:
    """Stream what borrowers' orders of this date and the last have come to."""
    for business_date in (sheet.business_date, sheet.business_date - timedelta(days=1)):
        for record in sheet.books.journal.of_day(business_date):
            if isinstance(record, Deduction) and record.round_no == NO_ROUND:
                yield record


# --- the steps --------------------------------------------------------------------------


def _records(order_nos: Sequence[str], sheet: Sheet) -> Mapping[str, Deduction]:
    return sheet.books.journal.get_many(order_nos)


def _went_on(*, loan: Loan, told: Told, records: Mapping[str, Deduction], sheet: Sheet) -> bool:
    """End the order in the slot if it is recorded, or this version's own; tell whether it was."""
    slot = posting.slot_of(loan)
    is_of_round = slot.order_no in sheet.order_nos(told.loan_id)
    record = records.get(slot.order_no) if is_of_round else _record_of(slot, sheet)
    if record:
        posting.post(loan=loan, record=record, books=sheet.books)
        return True
    if not is_of_round or slot.request != sheet.claim:
        return False
    posted = results.paid_by(records.values())
    new = {no: paid for no, paid in told.paid.items() if no not in posted}
    _end(loan=loan, told=told, new=new, sheet=sheet)
    return True


def _holds(loan: Loan | None, records: Mapping[str, Deduction]) -> bool:
    """Whether a recorded order still holds the loan's slot: it is not posted."""
    return bool(loan and loan.slot and loan.slot.order_no in records)


def _record_of(slot: Slot, sheet: Sheet) -> Deduction | None:
    """Find the record of an order that still holds the slot: its worker died there."""
    record = sheet.books.journal.find(slot.order_no)
    return record if isinstance(record, Deduction) else None


def _decide(*, loan: Loan, told: Told, records: Mapping[str, Deduction], sheet: Sheet) -> Decision:
    decision = results.decide(
        told=told,
        order_no=sheet.order_no(told.loan_id),
        records=records.values(),
        dues=_owed(loan, sheet),
        product=sheet.books.products[loan.product],
    )
    if decision.step is Step.POST and sheet.order_nos(told.loan_id)[-1] in records:
        # A version, or an earlier round, is told of once: there is no number for more.
        found = results.used_up(told, sheet.order_no(told.loan_id))
        return replace(decision, step=Step.NOTHING, finding=found)
    return decision


def _owed(loan: Loan, sheet: Sheet) -> Due:
    books = sheet.books
    return loans.owed(
        loan=loan,
        schedule=books.schedules.get(loan.loan_id, loan.schedule_version).instalments,
        product=books.products[loan.product],
        as_of=sheet.business_date,
    )


def _slot(*, loan: Loan, decision: Decision, order_no: str, sheet: Sheet) -> Slot:
    """Make the slot: of what was collected, or of a failure what is owed."""
    dues = _owed(loan, sheet)
    taken = sum(decision.new.values(), NOTHING) if decision.new else dues.components
    return Slot(
        order_no=order_no,
        amount=taken.total,
        components=taken,
        listed=dues.amount,
        as_of=sheet.business_date,
        sent_at=sheet.now,
        request=sheet.claim,
    )


def _end(*, loan: Loan, told: Told, new: Mapping[int, Components], sheet: Sheet) -> None:
    result = told.result(new) if new else failure_of(told.failure or told.lines[0])
    posting.end(loan=loan, result=result, now=sheet.now, settled_by=SETTLED_BY, books=sheet.books)


def _concluded(decision: Decision, told: Told) -> Applied:
    if decision.step is Step.POST:
        return Applied(state=State.POSTED, finding=decision.finding)
    code = told.failure.failure_code if told.failure else ""
    strange = code if code not in FAILURE_CLASSES else ""
    if decision.step is Step.FAIL:
        return Applied(state=State.FAILED, finding=decision.finding, strange_code=strange)
    state = State.DISPUTED if decision.finding else State.KNOWN
    return Applied(state=state, finding=decision.finding)
