"""Texts: collect what happened, release what is due, send each once, take the receipts.

A notice is written with its version: of two who move it, one wins and the other reads again.
Whoever is killed leaves it in the index of what waits, and the release brings it back.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain, islice

from chalicelib.domain import notice as notices
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money
from chalicelib.domain.notice import (
    Line,
    Notice,
    NoticePolicy,
    Recipient,
    Scenario,
    SmsAnswer,
    SmsStatus,
    State,
)
from chalicelib.domain.notice_text import Templates, compose, is_mobile
from chalicelib.flows.notice_ports import (
    NoticeBook,
    ReceiptMessage,
    Sms,
    SmsPlatform,
    TextMessage,
)
from chalicelib.flows.ports import (
    Borrower,
    Borrowers,
    Loans,
    MovedByAnotherError,
    Queue,
    ServicingEvent,
)

LADDER = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""When a text that is not known to be taken is gone on with; from then on the release does."""

WRITES_MAX = 12
REPORTS = frozenset((SmsStatus.DELIVERED.value, SmsStatus.FAILED.value))


class Outcome(StrEnum):
    """What became of a message."""

    SENT = "sent"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    PUT_OFF = "put_off"
    REPORTED = "reported"
    REPEATED = "repeated"
    NOT_OURS = "not_ours"


class CrowdedNoticeError(Exception):
    """Others kept writing the borrower's notices: leave it to the message's next delivery."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that texts are worked with."""

    book: NoticeBook
    loans: Loans
    borrowers: Borrowers
    platform: SmsPlatform
    texts: Queue[TextMessage]
    templates: Templates
    policy: NoticePolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What became of events: loans to be told of, repetitions, and what nobody is told."""

    collected: int = 0
    repeated: int = 0
    left_out: int = 0


def collect(*, events: Sequence[ServicingEvent], now: datetime, desk: Desk) -> Report:
    """Put what happened into the notices of the borrowers concerned.

    A loan is told of once per scenario, business date and order: the same events again, in any
    order, at any time, change nothing.

    :raises CrowdedNoticeError: if a notice could not be written for the crowd.
    """
    wanted: dict[Recipient, dict[str, Line]] = defaultdict(dict)
    told = 0
    silent = _told_by_others(events, desk)
    for event in events:
        scenario = notices.scenario_of(event=event.event, settles=event.settles)
        if (
            event.loan_id in silent
            or scenario is None
            or not _is_told(event, scenario, now=now, desk=desk)
        ):
            continue
        told += 1
        recipient = Recipient(
            borrower_id=event.borrower_id, scenario=scenario, business_date=event.business_date
        )
        line = _line_of(event)
        wanted[recipient][line.key] = line
    collected = sum(
        _collect(recipient=recipient, lines=lines.values(), now=now, desk=desk)
        for recipient, lines in wanted.items()
    )
    return Report(collected=collected, repeated=told - collected, left_out=len(events) - told)


def release(*, now: datetime, desk: Desk) -> int:
    """Put the texts whose time has come on the queue; none in the quiet hours.

    Safe to repeat: a text that is put twice is sent once.
    """
    if desk.policy.quiet.covers(now):
        return 0
    days = (now.date() - timedelta(days=ago) for ago in range(desk.policy.days_back, -1, -1))
    waiting = chain.from_iterable(desk.book.waiting(on=day, until=now) for day in days)
    due = list(islice(waiting, desk.policy.texts_per_release))
    desk.texts.put(TextMessage(notice_id=notice_id) for notice_id in due)
    return len(due)


def send(*, message: TextMessage, now: datetime, desk: Desk) -> Outcome:
    """Send one notice, or go on with one that was begun; safe to repeat, at once or days later.

    What was begun is asked after before it is sent again, and always under the same message id:
    wherever this is killed, the platform sends at most one text.
    """
    notice = desk.book.get(message.notice_id)
    if notice is None:
        return Outcome.NOT_OURS
    if not notice.state.is_open:
        return Outcome.REPEATED
    try:
        if desk.policy.quiet.covers(now):
            desk.book.write(replace(notice, send_at=desk.policy.quiet.over_at(now)))
            return Outcome.PUT_OFF
        if notice.state is State.WAITING:
            return _begin(notice=notice, now=now, desk=desk)
        return _go_on(notice=notice, rung=message.rung, now=now, desk=desk)
    except MovedByAnotherError:
        # Whoever moved it goes on with it.  A loan that joined leaves it waiting, and the next
        # release brings it back.
        return Outcome.REPEATED


def take_receipt(*, message: ReceiptMessage, now: datetime, desk: Desk) -> Outcome:
    """Store what the platform reports of a text, be it before its sending was recorded.

    Safe to repeat; the first report sticks.  A receipt for no notice of ours changes nothing.

    :raises CrowdedNoticeError: if the notice could not be written for the crowd.
    """
    if message.status not in REPORTS:
        return Outcome.NOT_OURS
    answer = SmsAnswer(
        status=SmsStatus(message.status),
        receipt_id=message.receipt_id,
        reported_at=message.reported_at or now,
        reason=message.reason or "",
    )
    for _ in range(WRITES_MAX):
        notice = desk.book.get(message.message_id)
        if notice is None:
            return Outcome.NOT_OURS
        if notice.state.is_reported:
            return Outcome.REPEATED
        try:
            desk.book.write(notices.reported(notice, answer))
        except MovedByAnotherError:
            continue
        return Outcome.REPORTED
    raise CrowdedNoticeError(message.message_id)


# --- collecting -------------------------------------------------------------------------


def _is_told(event: ServicingEvent, scenario: Scenario, *, now: datetime, desk: Desk) -> bool:
    policy = desk.policy
    is_old_trouble = scenario is Scenario.DEDUCTION_FAILED and event.dpd > policy.failed_dpd_max
    return (
        event.mode in policy.modes
        and not is_old_trouble
        and not policy.is_too_late(since=event.occurred_at, now=now)
    )


def _told_by_others(events: Sequence[ServicingEvent], desk: Desk) -> frozenset[str]:
    """Name the loans whose funder sends the texts: no text of ours is about them."""
    if not desk.policy.silent_for:
        return frozenset()
    loan_ids = {event.loan_id for event in events if event.mode != Mode.SELF_OPERATED}
    heads = desk.loans.get_many(sorted(loan_ids))
    return frozenset(no for no, loan in heads.items() if loan.funder_id in desk.policy.silent_for)


def _line_of(event: ServicingEvent) -> Line:
    return Line(
        loan_id=event.loan_id,
        order_no=event.order_no,
        amount=Money(event.amount_fen),
        due_on=event.due_on,
    )


def _collect(*, recipient: Recipient, lines: Iterable[Line], now: datetime, desk: Desk) -> int:
    """Write the lines that no notice of the recipient has yet; return how many."""
    for _ in range(WRITES_MAX):
        written = desk.book.of_recipient(recipient)
        known = {line.key for notice in written for line in notice.lines}
        new = [line for line in lines if line.key not in known]
        if not new:
            return 0
        try:
            desk.book.write(_with(new, recipient=recipient, written=written, now=now, desk=desk))
        except MovedByAnotherError:
            continue
        return len(new)
    raise CrowdedNoticeError(recipient.key)


def _with(
    new: Sequence[Line],
    *,
    recipient: Recipient,
    written: Sequence[Notice],
    now: datetime,
    desk: Desk,
) -> Notice:
    """Take the lines into the notice that waits, or open the next one."""
    if written and written[-1].state is State.WAITING:
        return notices.joined(written[-1], new)
    return notices.opened(
        recipient=recipient,
        sequence=len(written) + 1,
        lines=new,
        now=now,
        send_at=desk.policy.quiet.over_at(now + desk.policy.collecting),
    )


# --- sending ----------------------------------------------------------------------------


def _begin(*, notice: Notice, now: datetime, desk: Desk) -> Outcome:
    """Claim a notice with its words, then send it.  Nobody else begins it, no loan joins it."""
    borrower = desk.borrowers.get(notice.recipient.borrower_id)
    checked = _checked(notice, now=now, desk=desk)
    reason = _why_not(checked, borrower=borrower, now=now, desk=desk)
    if reason or borrower is None:
        return _cancel(checked, reason=reason, desk=desk)
    claimed = desk.book.write(
        replace(
            checked,
            state=State.SENDING,
            text=compose(notice=checked, name=borrower.name, templates=desk.templates),
            send_at=_look_again_at(now, desk),
        )
    )
    return _post(notice=claimed, borrower=borrower, rung=0, now=now, desk=desk)


def _go_on(*, notice: Notice, rung: int | None, now: datetime, desk: Desk) -> Outcome:
    """Ask after a notice that was begun; the platform does not know it: send the same words."""
    answer = desk.platform.ask(notice.notice_id)
    if answer.status is not SmsStatus.NOT_EXIST:
        return _conclude(notice=notice, answer=answer, rung=rung, now=now, desk=desk)
    borrower = desk.borrowers.get(notice.recipient.borrower_id)
    reason = _why_not(_checked(notice, now=now, desk=desk), borrower=borrower, now=now, desk=desk)
    if reason or borrower is None:
        return _cancel(notice, reason=reason, desk=desk)
    return _post(notice=notice, borrower=borrower, rung=rung, now=now, desk=desk)


def _checked(notice: Notice, *, now: datetime, desk: Desk) -> Notice:
    """Read the loans' heads, where the text asks for something that may have been done."""
    if not notices.asks_for_money(notice.recipient.scenario):
        return notice
    loans = desk.loans.get_many(sorted({line.loan_id for line in notice.lines}))
    return notices.checked(notice, loans=loans, today=now.date())


def _why_not(notice: Notice, *, borrower: Borrower | None, now: datetime, desk: Desk) -> str:
    """Say why a notice is not to be sent any more; empty if it is."""
    if desk.policy.is_too_late(since=notice.opened_at, now=now):
        return "too_late"
    if not notices.said(notice):
        return "nothing_to_tell"
    if borrower is None or not is_mobile(borrower.phone):
        return "no_phone"
    return ""


def _cancel(notice: Notice, *, reason: str, desk: Desk) -> Outcome:
    desk.book.write(notices.ended(notice, State.CANCELLED, reason=reason))
    return Outcome.CANCELLED


def _post(
    *, notice: Notice, borrower: Borrower, rung: int | None, now: datetime, desk: Desk
) -> Outcome:
    if notice.text is None:
        raise ValueError(f"claimed without words: {notice.notice_id}")
    answer = desk.platform.send(
        Sms(message_id=notice.notice_id, phone=borrower.phone, text=notice.text)
    )
    return _conclude(notice=notice, answer=answer, rung=rung, now=now, desk=desk)


def _conclude(
    *, notice: Notice, answer: SmsAnswer, rung: int | None, now: datetime, desk: Desk
) -> Outcome:
    """Record what was heard; what stays open is gone on with up the ladder, then by the release."""
    look_again_at = _look_again_at(now, desk)
    after = notices.heard(notice, answer, now=now, look_again_at=look_again_at)
    if after.state.is_open and desk.policy.is_too_late(since=notice.opened_at, now=now):
        desk.book.write(notices.ended(after, State.UNKNOWN, reason="too_late"))
        return Outcome.UNKNOWN
    desk.book.write(after)
    if after.state.is_open and rung is not None and rung < len(LADDER):
        desk.texts.put(
            [TextMessage(notice_id=notice.notice_id, rung=rung + 1)],
            delay_seconds=int(LADDER[rung].total_seconds()),
        )
    return _OUTCOMES[after.state]


def _look_again_at(now: datetime, desk: Desk) -> datetime:
    return desk.policy.quiet.over_at(now + desk.policy.look_again)


_OUTCOMES = {
    State.SENDING: Outcome.PUT_OFF,
    State.UNKNOWN: Outcome.UNKNOWN,
    State.SENT: Outcome.SENT,
    State.REFUSED: Outcome.REFUSED,
    State.DELIVERED: Outcome.REPORTED,
    State.FAILED: Outcome.REPORTED,
}
