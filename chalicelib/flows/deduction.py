"""One deduction, exactly once: claim, send, record, post; or ask until it is known.

The loan's slot is the lock and says what is unfinished, the journal is the log.  Whoever
holds a message of an order may be killed anywhere; whoever gets the message again goes on.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import (
    FAILURE_CLASSES,
    NO_ROUND,
    Answer,
    AnswerStatus,
    Deduction,
    FailureClass,
    Order,
    Outcome,
    Result,
    Skip,
    SkipReason,
    Status,
    Unknown,
    facts_of,
    failed,
    verdict,
)
from chalicelib.domain.loan import Loan, Slot
from chalicelib.domain.money import Money
from chalicelib.domain.window import SendWindow
from chalicelib.flows import forwarding, posting, split_repair
from chalicelib.flows.forwarding import Forwards
from chalicelib.flows.ports import (
    AskMessage,
    Books,
    Controls,
    DeductionMessage,
    MovedByAnotherError,
    PaymentPlatform,
    Queue,
)
from chalicelib.flows.split_repair import SplitRepairs

LADDER = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""When an unknown order is asked after; from then on the sweep asks, last the bill."""

SAYS_NOTHING = frozenset((AnswerStatus.THROTTLED, AnswerStatus.UNREADABLE, AnswerStatus.PROCESSING))
"""Answers that leave it open whether an order that failed was charged after all."""

PUT_OFF = timedelta(minutes=1)
CLAIMS_MAX = 3


class CrowdedLoanError(Exception):
    """Others kept writing the loan's head: leave it to the message's next delivery."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a deduction is worked with.

    `forwards` says which orders are not our platform's; `split_repairs` are of orders whose split
    has failed.
    """

    books: Books
    platform: PaymentPlatform
    deductions: Queue[DeductionMessage]
    asks: Queue[AskMessage]
    controls: Controls
    window: SendWindow
    split_repairs: SplitRepairs
    forwards: Forwards = forwarding.to_nobody

    def platform_for(self, loan: Loan, order_no: str) -> PaymentPlatform:
        """Say who takes an order of the loan's: our platform, or whoever it is forwarded to."""
        return self.forwards(loan, order_no) or self.platform


def take(*, message: DeductionMessage, now: datetime, desk: Desk) -> Outcome:
    """Deduct one listed due; safe to repeat, at once or days later.

    :raises UnknownLoanError: if there is no such loan.
    :raises CrowdedLoanError: if the slot could not be claimed for the crowd.
    """
    for _ in range(CLAIMS_MAX):
        # The head is read before the journal: had the order ended between the two reads,
        # the head's version would have moved and the claim below would fail.
        loan = posting.loan_of(message.order_no, desk.books)
        if posting.is_in_flight(loan, message.order_no):
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
    """Ask what became of an unknown order, and end it if the platform knows; safe to repeat.

    Of one that has ended and is not split yet, have it split.
    """
    loan = posting.loan_of(message.order_no, desk.books)
    if posting.is_in_flight(loan, message.order_no):
        return _resume(loan=loan, now=now, rung=message.rung, desk=desk)
    record = desk.books.journal.find(message.order_no)
    if isinstance(record, Deduction) and record.result.status is Status.FAILED:
        answer = desk.platform_for(loan, message.order_no).ask(message.order_no)
        if answer.status is AnswerStatus.SUCCEEDED:
            return posting.contradicted(record=record, books=desk.books)
        if answer.status in SAYS_NOTHING:
            # Who asks has been told otherwise, perhaps with right: until it is known, it is asked.
            _ask_later(order_no=message.order_no, rung=message.rung or 0, desk=desk)
            return Outcome.UNKNOWN
    if isinstance(record, Deduction) and record.is_split:
        return _split_again(loan=loan, record=record, rung=message.rung, desk=desk)
    return Outcome.REPEATED


def settle_from_bill(
    *, order_no: str, trade_no: str, amount: Money, paid_at: datetime, now: datetime, desk: Desk
) -> Outcome:
    """Post an unknown order that the platform's bill shows paid, to the fen; else leave it."""
    loan = posting.loan_of(order_no, desk.books)
    if not posting.is_in_flight(loan, order_no):
        return Outcome.REPEATED
    shown = Answer(
        status=AnswerStatus.SUCCEEDED,
        trade_no=trade_no,
        amount=amount,
        paid_at=paid_at,
        split_pending=True,  # nobody has said that it was split
    )
    return _conclude(loan=loan, answer=shown, now=now, rung=None, desk=desk, settled_by="bill")


def close_unknown(*, order_no: str, now: datetime, desk: Desk) -> Outcome:
    """End an unknown order that a complete bill does not show: ask once more, then close it.

    Closed, the platform can never charge it later: only then it has failed and the loan is free.
    """
    loan = posting.loan_of(order_no, desk.books)
    if not posting.is_in_flight(loan, order_no):
        return Outcome.REPEATED
    platform = desk.platform_for(loan, order_no)
    answer = platform.ask(order_no)
    if answer.status is AnswerStatus.NOT_EXIST:
        answer = platform.close(order_no)
    if answer.status is AnswerStatus.FAILED and answer.failure_code not in FAILURE_CLASSES:
        # A code nobody listed, and a whole day's bill without it: it failed, for whatever reason.
        result = Result(
            status=Status.FAILED,
            failure_code=answer.failure_code or "UNNAMED",
            failure_class=FailureClass.RETRY_LATER,
        )
        return posting.end(
            loan=loan, result=result, now=now, settled_by="bill_absence", books=desk.books
        )
    if answer.status is AnswerStatus.NOT_EXIST:
        # Neither known nor closable, and a whole day's bill without it: it never arrived.
        return posting.end(
            loan=loan, result=failed("CLOSED"), now=now, settled_by="bill_absence", books=desk.books
        )
    return _conclude(
        loan=loan, answer=answer, now=now, rung=None, desk=desk, settled_by="bill_absence"
    )


def send(*, message: AskMessage, now: datetime, desk: Desk) -> Outcome:
    """Send an order whose borrower has claimed the loan for it; safe to repeat.

    The same number may be sent again: it is charged once.
    """
    loan = posting.loan_of(message.order_no, desk.books)
    if not posting.is_in_flight(loan, message.order_no):
        return Outcome.REPEATED
    record = desk.books.journal.find(message.order_no)
    if isinstance(record, Deduction):
        return posting.post(loan=loan, record=record, books=desk.books)
    if not _may_send(loan, message.order_no, now=now, desk=desk):
        return _resume(loan=loan, now=now, rung=0, desk=desk)
    return _conclude(loan=loan, answer=_send(loan, desk), now=now, rung=0, desk=desk)


# --- the steps --------------------------------------------------------------------------


def _decide(
    *, loan: Loan, message: DeductionMessage, now: datetime, desk: Desk
) -> Slot | SkipReason | Outcome:
    business_date, _, _ = facts_of(message.order_no)
    if desk.window.has_closed(now, business_date):
        return SkipReason.WINDOW_CLOSED
    slot = loans.slot_for(
        loan=loan,
        schedule=desk.books.schedules.get(loan.loan_id, loan.schedule_version).instalments,
        product=desk.books.products[loan.product],
        order_no=message.order_no,
        business_date=business_date,
        listed=Money(message.listed_fen),
        now=now,
        shares=loans.shares_of(loan=loan, funders=desk.books.funders),
    )
    if isinstance(slot, SkipReason):
        return slot
    return slot if _may_send(loan, message.order_no, now=now, desk=desk) else Outcome.PUT_OFF


def _may_send(loan: Loan, order_no: str, *, now: datetime, desk: Desk) -> bool:
    business_date, round_no, _ = facts_of(order_no)
    # A borrower's order was claimed within the hours for it: it is sent while its date lasts.
    is_time = (
        now.date() == business_date
        if round_no == NO_ROUND
        else desk.window.is_open(now, business_date)
    )
    platform = desk.platform_for(loan, order_no)
    return is_time and not desk.controls.is_paused() and platform.is_available()


def _finish_other(loan: Loan, desk: Desk) -> bool:
    """Post an earlier order that is recorded and still holds the slot: its worker died there."""
    record = desk.books.journal.find(loan.slot.order_no) if loan.slot else None
    if isinstance(record, Deduction):
        posting.post(loan=loan, record=record, books=desk.books)
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
    slot = posting.slot_of(loan)
    return desk.platform_for(loan, slot.order_no).deduct(
        Order(
            order_no=slot.order_no,
            agreement_no=loan.agreement_no,
            amount=slot.amount,
            subject=f"还款 {loan.loan_id}",
            split=desk.books.funders[loan.funder_id].receivers(
                amount=slot.amount, part=slot.split.funder.total
            )
            if slot.split
            else (),
            loan_id=loan.loan_id,
            kind=slot.kind,
            recut=slot.recut.value if slot.recut else "",
            as_of=slot.as_of,
            # A funder whose round has taken the due meanwhile would pay ahead with the same sum.
            lines=posting.lines_of(loan=loan, books=desk.books) if loan.mode.funder_deducts else (),
        )
    )


def _resume(*, loan: Loan, now: datetime, rung: int | None, desk: Desk) -> Outcome:
    """Go on with the order in the slot: post what the journal has, else ask, else send again."""
    slot = posting.slot_of(loan)
    record = desk.books.journal.find(slot.order_no)
    if isinstance(record, Deduction):
        return posting.post(loan=loan, record=record, books=desk.books)
    answer = desk.platform_for(loan, slot.order_no).ask(slot.order_no)
    if answer.status is AnswerStatus.NOT_EXIST and _may_send(
        loan, slot.order_no, now=now, desk=desk
    ):
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
    slot = posting.slot_of(loan)
    judged = verdict(ordered=slot.amount, answer=answer)
    if isinstance(judged, Unknown):
        _ask_later(order_no=slot.order_no, rung=rung, desk=desk)
        return Outcome.UNKNOWN
    if judged.split_pending and slot.split is None:
        judged = replace(judged, split_pending=False)
    if judged.split_pending:
        # Before the record: whoever dies behind it leaves somebody who will look.
        desk.split_repairs.note(order_no=slot.order_no, at=now)
    outcome = posting.end(
        loan=loan, result=judged, now=now, settled_by=settled_by, books=desk.books
    )
    if judged.split_pending:
        _ask_later(order_no=slot.order_no, rung=rung, desk=desk)
    return outcome


def _split_again(*, loan: Loan, record: Deduction, rung: int | None, desk: Desk) -> Outcome:
    """Have an order split whose split has failed; the repayment stays as it is posted."""
    if not desk.split_repairs.is_noted(record.order_no):
        return Outcome.REPEATED
    if not desk.controls.is_paused() and split_repair.again(
        record=record,
        funder=desk.books.funders[loan.funder_id],
        repairs=desk.split_repairs,
        platform=desk.platform,
    ):
        return Outcome.SPLIT
    _ask_later(order_no=record.order_no, rung=rung, desk=desk)
    return Outcome.UNSPLIT


def _ask_later(*, order_no: str, rung: int | None, desk: Desk) -> None:
    if rung is not None and rung < len(LADDER):
        desk.asks.put(
            [AskMessage(order_no=order_no, rung=rung + 1)],
            delay_seconds=int(LADDER[rung].total_seconds()),
        )
