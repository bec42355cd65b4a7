"""One deduction, exactly once: claim, send, record, post; or ask until it is known.

The loan's slot is the lock and says what is unfinished, the journal is the log.  Whoever
holds a message of an order may be killed anywhere; whoever gets the message again goes on.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain import loan as loans
from chalicelib.domain.allocation import Paid
from chalicelib.domain.deduction import (
    FAILURE_CLASSES,
    Answer,
    AnswerStatus,
    Deduction,
    FailureClass,
    Order,
    Result,
    Skip,
    SkipReason,
    Status,
    Unknown,
    facts_of,
    failed,
    verdict,
)
from chalicelib.domain.due import days_past_due
from chalicelib.domain.loan import Loan, Slot
from chalicelib.domain.money import Money
from chalicelib.domain.window import SendWindow
from chalicelib.flows.ports import (
    AskMessage,
    Books,
    Controls,
    DeductionMessage,
    MovedByAnotherError,
    PaymentPlatform,
    Queue,
)

LADDER = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""When an unknown order is asked after; from then on the sweep asks, last the bill."""

PUT_OFF = timedelta(minutes=1)
CLAIMS_MAX = 3


class Outcome(StrEnum):
    """What became of a message."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    PUT_OFF = "put_off"


class UnknownLoanError(Exception):
    """The order names a loan that is not in the book."""


class CrowdedLoanError(Exception):
    """Others kept writing the loan's head: leave it to the message's next delivery."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a deduction is worked with."""

    books: Books
    platform: PaymentPlatform
    deductions: Queue[DeductionMessage]
    asks: Queue[AskMessage]
    controls: Controls
    window: SendWindow


def take(*, message: DeductionMessage, now: datetime, desk: Desk) -> Outcome:
    """Deduct one listed due; safe to repeat, at once or days later.

    :raises UnknownLoanError: if there is no such loan.
    :raises CrowdedLoanError: if the slot could not be claimed for the crowd.
    """
    for _ in range(CLAIMS_MAX):
        # The head is read before the journal: had the order ended between the two reads,
        # the head's version would have moved and the claim below would fail.
        loan = _loan_of(message.order_no, desk)
        if _is_in_flight(loan, message.order_no):
            return _resume(loan=loan, now=now, rung=0, desk=desk)
        if desk.books.journal.find(message.order_no):
            return Outcome.REPEATED
        if _finish_other(loan, desk):
            continue
        decided = _decide(loan=loan, message=message, now=now, desk=desk)
        if isinstance(decided, SkipReason):
            return _skip(loan=loan, message=message, reason=decided, now=now, desk=desk)
        if isinstance(decided, Outcome):
            desk.deductions.put([message], delay_seconds=int(PUT_OFF.total_seconds()))
            return decided
        try:
            claimed = desk.books.loans.write(replace(loan, slot=decided))
        except MovedByAnotherError:
            continue
        return _conclude(loan=claimed, answer=_send(claimed, desk), now=now, rung=0, desk=desk)
    raise CrowdedLoanError(message.order_no)


def ask(*, message: AskMessage, now: datetime, desk: Desk) -> Outcome:
    """Ask what became of an unknown order, and end it if the platform knows; safe to repeat."""
    loan = _loan_of(message.order_no, desk)
    if _is_in_flight(loan, message.order_no):
        return _resume(loan=loan, now=now, rung=message.rung, desk=desk)
    record = desk.books.journal.find(message.order_no)
    if isinstance(record, Deduction) and record.result.status is Status.FAILED:
        answer = desk.platform.ask(message.order_no)
        if answer.status is AnswerStatus.SUCCEEDED:
            return _contradicted(record=record, desk=desk)
    return Outcome.REPEATED


def settle_from_bill(
    *, order_no: str, trade_no: str, amount: Money, paid_at: datetime, now: datetime, desk: Desk
) -> Outcome:
    """Post an unknown order that the platform's bill shows paid, to the fen; else leave it."""
    loan = _loan_of(order_no, desk)
    if not _is_in_flight(loan, order_no):
        return Outcome.REPEATED
    shown = Answer(status=AnswerStatus.SUCCEEDED, trade_no=trade_no, amount=amount, paid_at=paid_at)
    return _conclude(loan=loan, answer=shown, now=now, rung=None, desk=desk, settled_by="bill")


def close_unknown(*, order_no: str, now: datetime, desk: Desk) -> Outcome:
    """End an unknown order that a complete bill does not show: ask once more, then close it.

    Closed, the platform can never charge it later: only then it has failed and the loan is free.
    """
    loan = _loan_of(order_no, desk)
    if not _is_in_flight(loan, order_no):
        return Outcome.REPEATED
    answer = desk.platform.ask(order_no)
    if answer.status is AnswerStatus.NOT_EXIST:
        answer = desk.platform.close(order_no)
    if answer.status is AnswerStatus.FAILED and answer.failure_code not in FAILURE_CLASSES:
        # A code nobody listed, and a whole day's bill without it: it failed, for whatever reason.
        result = Result(
            status=Status.FAILED,
            failure_code=answer.failure_code or "UNNAMED",
            failure_class=FailureClass.RETRY_LATER,
        )
        return _end(loan=loan, result=result, now=now, desk=desk, settled_by="bill")
    if answer.status is AnswerStatus.NOT_EXIST:
        # Neither known nor closable, and a whole day's bill without it: it never arrived.
        return _end(loan=loan, result=failed("CLOSED"), now=now, desk=desk, settled_by="bill")
    return _conclude(loan=loan, answer=answer, now=now, rung=None, desk=desk, settled_by="bill")


def hold(*, loan_id: str, reason: str, desk: Desk) -> None:
    """Let nothing more be deducted from a loan until the reason is lifted; the first one stands."""
    while (loan := desk.books.loans.get(loan_id)) and not loan.hold:
        if _written(replace(loan, hold=reason), desk):
            return


def lift(*, loan_id: str, reason: str, desk: Desk) -> None:
    """Take this very reason off a loan, if it is what holds it."""
    while (loan := desk.books.loans.get(loan_id)) and loan.hold == reason:
        if _written(replace(loan, hold=""), desk):
            return


def _written(loan: Loan, desk: Desk) -> bool:
    try:
        desk.books.loans.write(loan)
    except MovedByAnotherError:
        return False
    return True


# --- the steps --------------------------------------------------------------------------


def _decide(
    *, loan: Loan, message: DeductionMessage, now: datetime, desk: Desk
) -> Slot | SkipReason | Outcome:
    business_date, _, _ = facts_of(message.order_no)
    if desk.window.has_closed(now, business_date):
        return SkipReason.WINDOW_CLOSED
    slot = loans.slot_for(
        loan=loan,
        schedule=desk.books.schedules.get(loan.loan_id, loan.schedule_version),
        product=desk.books.products[loan.product],
        order_no=message.order_no,
        business_date=business_date,
        listed=Money(message.listed_fen),
        now=now,
    )
    if isinstance(slot, SkipReason):
        return slot
    return slot if _may_send(message.order_no, now=now, desk=desk) else Outcome.PUT_OFF


def _may_send(order_no: str, *, now: datetime, desk: Desk) -> bool:
    return (
        desk.window.is_open(now, facts_of(order_no)[0])
        and not desk.controls.is_paused()
        and desk.platform.is_available()
    )


def _finish_other(loan: Loan, desk: Desk) -> bool:
    """Post an earlier order that is recorded and still holds the slot: its worker died there."""
    record = desk.books.journal.find(loan.slot.order_no) if loan.slot else None
    if isinstance(record, Deduction):
        _post(loan=loan, record=record, desk=desk)
        return True
    return False


def _skip(
    *, loan: Loan, message: DeductionMessage, reason: SkipReason, now: datetime, desk: Desk
) -> Outcome:
    business_date, round_no, loan_id = facts_of(message.order_no)
    note = {
        SkipReason.SLOT_TAKEN: loan.slot.order_no if loan.slot else "",
        SkipReason.ON_HOLD: loan.hold,
    }
    desk.books.journal.put_skip(
        Skip(
            order_no=message.order_no,
            loan_id=loan_id,
            mode=loan.mode,
            business_date=business_date,
            round_no=round_no,
            listed=Money(message.listed_fen),
            reason=reason,
            note=note.get(reason, ""),
            recorded_at=now,
        )
    )
    return Outcome.SKIPPED


def _send(loan: Loan, desk: Desk) -> Answer:
    slot = _slot_of(loan)
    return desk.platform.deduct(
        Order(
            order_no=slot.order_no,
            agreement_no=loan.agreement_no,
            amount=slot.amount,
            subject=f"还款 {loan.loan_id}",
        )
    )


def _resume(*, loan: Loan, now: datetime, rung: int | None, desk: Desk) -> Outcome:
    """Go on with the order in the slot: post what the journal has, else ask, else send again."""
    slot = _slot_of(loan)
    record = desk.books.journal.find(slot.order_no)
    if isinstance(record, Deduction):
        return _post(loan=loan, record=record, desk=desk)
    answer = desk.platform.ask(slot.order_no)
    if answer.status is AnswerStatus.NOT_EXIST and _may_send(slot.order_no, now=now, desk=desk):
        # Not yet known is no proof of absence: the same number is charged once.
        answer = _send(loan, desk)
    return _conclude(loan=loan, answer=answer, now=now, rung=rung, desk=desk)


def _conclude(
    *,
    loan: Loan,
    answer: Answer,
    now: datetime,
    rung: int | None,
    desk: Desk,
    settled_by: str = "platform",
) -> Outcome:
    judged = verdict(ordered=_slot_of(loan).amount, answer=answer)
    if isinstance(judged, Unknown):
        return _ask_later(order_no=_slot_of(loan).order_no, rung=rung, desk=desk)
    return _end(loan=loan, result=judged, now=now, desk=desk, settled_by=settled_by)


def _ask_later(*, order_no: str, rung: int | None, desk: Desk) -> Outcome:
    if rung is not None and rung < len(LADDER):
        desk.asks.put(
            [AskMessage(order_no=order_no, rung=rung + 1)],
            delay_seconds=int(LADDER[rung].total_seconds()),
        )
    return Outcome.UNKNOWN


def _end(*, loan: Loan, result: Result, now: datetime, desk: Desk, settled_by: str) -> Outcome:
    """Record, then post.  A record that stands already is the truth, whatever we heard since."""
    record = _record_of(loan=loan, result=result, now=now, desk=desk, settled_by=settled_by)
    if not desk.books.journal.put(record):
        standing = desk.books.journal.find(record.order_no)
        if isinstance(standing, Deduction):
            if standing.result.status is Status.FAILED and result.status is Status.SUCCEEDED:
                _post(loan=loan, record=standing, desk=desk)
                return _contradicted(record=standing, desk=desk)
            record = standing
    return _post(loan=loan, record=record, desk=desk)


def _contradicted(*, record: Deduction, desk: Desk) -> Outcome:
    """Hold a loan whose failed order the platform now calls paid: nothing more may be taken.

    The journal is not changed; the bill will show the money, and a person decides.
    """
    hold(loan_id=record.loan_id, reason=f"contradiction {record.order_no}", desk=desk)
    return Outcome.CONTRADICTED


def _record_of(
    *, loan: Loan, result: Result, now: datetime, desk: Desk, settled_by: str
) -> Deduction:
    slot = _slot_of(loan)
    business_date, round_no, _ = facts_of(slot.order_no)
    succeeded = result.status is Status.SUCCEEDED
    after, paid = _posted(loan, desk) if succeeded else (loan, None)
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
        dpd=days_past_due(loan.unpaid_due_on or slot.as_of, slot.as_of),
        lines=paid.lines if paid else (),
        settles=succeeded and after.unpaid_due_on is None,
        settled_by=settled_by,
    )


def _posted(loan: Loan, desk: Desk) -> tuple[Loan, Paid]:
    return loans.posted(
        loan=loan,
        schedule=desk.books.schedules.get(loan.loan_id, loan.schedule_version),
        product=desk.books.products[loan.product],
    )


def _post(*, loan: Loan, record: Deduction, desk: Desk) -> Outcome:
    """Let the loan take the recorded result and free its slot; whoever comes second does nothing."""
    succeeded = record.result.status is Status.SUCCEEDED
    current: Loan = loan
    while _is_in_flight(current, record.order_no):
        after = (
            _posted(current, desk)[0]
            if succeeded
            else loans.released(loan=current, result=record.result)
        )
        try:
            desk.books.loans.write(after)
            break
        except MovedByAnotherError:
            current = _loan_of(record.order_no, desk)
    return Outcome.SUCCEEDED if succeeded else Outcome.FAILED


def _loan_of(order_no: str, desk: Desk) -> Loan:
    loan_id = facts_of(order_no)[2]
    loan = desk.books.loans.get(loan_id)
    if loan is None:
        raise UnknownLoanError(loan_id)
    return loan


def _is_in_flight(loan: Loan, order_no: str) -> bool:
    return loan.slot is not None and loan.slot.order_no == order_no


def _slot_of(loan: Loan) -> Slot:
    if loan.slot is None:
        raise loans.NothingInFlightError(loan.loan_id)
    return loan.slot
