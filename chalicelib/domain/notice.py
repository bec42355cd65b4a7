"""A notice: one text to one borrower about what happened to loans of his.

WAITING → SENDING → SENT | UNKNOWN | REFUSED → DELIVERED | FAILED, or CANCELLED before it went
out.  It takes in loans while it is WAITING and never goes back there: that is what keeps a loan
from being told of twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from chalicelib.domain.loan import Loan
from chalicelib.domain.money import Money
from chalicelib.domain.quiet_hours import QuietHours

NOTICE_ID_LENGTH_MAX = 64


class Scenario(StrEnum):
    """What a text is about."""

    PRE_DUE = "pre_due"
    DEDUCTION_SUCCEEDED = "deduction_succeeded"
    DEDUCTION_FAILED = "deduction_failed"
    ACTIVE_SUCCEEDED = "active_succeeded"
    ACTIVE_FAILED = "active_failed"
    SETTLED = "settled"


_CODES = {
    Scenario.PRE_DUE: "due",
    Scenario.DEDUCTION_SUCCEEDED: "paid",
    Scenario.DEDUCTION_FAILED: "failed",
    Scenario.ACTIVE_SUCCEEDED: "repaid",
    Scenario.ACTIVE_FAILED: "unrepaid",
    Scenario.SETTLED: "settled",
}
_SCENARIOS = {code: scenario for scenario, code in _CODES.items()}


class State(StrEnum):
    """Where a notice stands; REFUSED is the platform's no, CANCELLED is ours."""

    WAITING = "WAITING"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"

    @property
    def is_open(self) -> bool:
        """Whether something is left to do for it."""
        return self in {State.WAITING, State.SENDING, State.UNKNOWN}

    @property
    def is_reported(self) -> bool:
        """Whether the platform has said how it ended: nothing changes that."""
        return self in {State.DELIVERED, State.FAILED}


class Dropped(StrEnum):
    """Why a loan is left out of the text it was collected for."""

    PAID = "paid"
    NO_LONGER_AHEAD = "no_longer_ahead"
    UNKNOWN_LOAN = "unknown_loan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What a notice says of one loan; one order or, before the due date, none."""

    loan_id: str
    order_no: str = ""
    amount: Money
    due_on: date | None = None
    dropped: Dropped | None = None

    @property
    def key(self) -> str:
        return f"{self.loan_id}/{self.order_no}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """Whose loans are put together into one text."""

    borrower_id: str
    scenario: Scenario
    business_date: date

    @property
    def key(self) -> str:
        return f"{self.borrower_id}#{self.scenario}#{self.business_date.isoformat()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """The words as they go out: fixed when the notice is claimed, the same at every repetition."""

    template: str
    params: Mapping[str, str]
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One text, from the first loan collected to the receipt of the handset.

    `send_at` is when the release must look at it next, None once nothing is left to do;
    `version` counts the writes.
    """

    recipient: Recipient
    sequence: int
    lines: tuple[Line, ...]
    opened_at: datetime
    send_at: datetime | None
    state: State = State.WAITING
    text: Text | None = None
    receipt_id: str = ""
    sent_at: datetime | None = None
    reported_at: datetime | None = None
    reason: str = ""
    version: int = 0

    @property
    def notice_id(self) -> str:
        return notice_id_of(self.recipient, self.sequence)


class IllegalNoticeIdError(ValueError):
    """The text is not the id of a notice, or would be too long for the platform."""


def notice_id_of(recipient: Recipient, sequence: int) -> str:
    """Name a notice by its key alone; at the platform it is the message's number.

    >>> day = date(2026, 11, 24)
    >>> failed = Recipient(
    ...     borrower_id="B-7", scenario=Scenario.DEDUCTION_FAILED, business_date=day
    ... )
    >>> notice_id_of(failed, 1)
    '20261124-failed-1-B-7'

    :raises IllegalNoticeIdError: if the platform would not take it: more than 64 characters.
    """
    code = _CODES[recipient.scenario]
    notice_id = f"{recipient.business_date:%Y%m%d}-{code}-{sequence}-{recipient.borrower_id}"
    if len(notice_id) > NOTICE_ID_LENGTH_MAX:
        raise IllegalNoticeIdError(f"too long: {notice_id!r}")
    return notice_id


def key_of(notice_id: str) -> tuple[Recipient, int]:
    """Read recipient and sequence back from a notice's id.

    >>> recipient, sequence = key_of("20261124-failed-1-B-7")
    >>> recipient.key, sequence
    ('B-7#deduction_failed#2026-11-24', 1)

    :raises IllegalNoticeIdError: if it is not one of ours.
    """
    day, _, rest = notice_id.partition("-")
    code, _, rest = rest.partition("-")
    sequence, _, borrower_id = rest.partition("-")
    numbers = day + sequence
    if not (len(day) == 8 and sequence and numbers.isascii() and numbers.isdigit() and borrower_id):
        raise IllegalNoticeIdError(f"not a notice: {notice_id!r}")
    try:
        business_date = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        scenario = _SCENARIOS[code]
    except (ValueError, KeyError) as error:
        raise IllegalNoticeIdError(f"not a notice: {notice_id!r}") from error
    recipient = Recipient(borrower_id=borrower_id, scenario=scenario, business_date=business_date)
    return recipient, int(sequence)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticePolicy:
    """Settings: how texts are put together and when they go out.

    `collecting` is how long a new notice waits for the borrower's other loans; `look_again`
    when the release comes back to one that was begun, longer than the ladder's longest rung;
    `days_late_max` how many days after its news a text still goes out; `days_back` how far the
    release looks for what was left over, `texts_per_release` how many it puts at once; past
    `failed_dpd_max` days past due a failed retry is no news: collections speak to the borrower.
    The funders in `silent_for` tell the borrowers of their loans themselves.
    """

    quiet: QuietHours = field(default_factory=QuietHours)
    collecting: timedelta = timedelta(minutes=5)
    look_again: timedelta = timedelta(minutes=20)
    days_late_max: int = 1
    days_back: int = 7
    texts_per_release: int = 15_000
    modes: frozenset[str] = frozenset({"self_operated", "joint_lending", "loan_assistance"})
    silent_for: frozenset[str] = frozenset()
    failed_dpd_max: int = 7

    def is_too_late(self, *, since: datetime, now: datetime) -> bool:
        """Whether the news is too old to be sent.

        >>> at = datetime.fromisoformat
        >>> held_over_night = at("2026-11-24T21:58:00+08:00"), at("2026-11-25T08:00:00+08:00")
        >>> NoticePolicy().is_too_late(since=held_over_night[0], now=held_over_night[1])
        False
        """
        return (now.date() - since.astimezone(now.tzinfo).date()).days > self.days_late_max


# --- what ---------------------------------------------------------------------------------


def scenario_of(*, event: str, settles: bool) -> Scenario | None:
    """Say which text an event asks for; None if nobody is told.

    >>> scenario_of(event="deduction_succeeded", settles=True)
    <Scenario.SETTLED: 'settled'>
    """
    match event:
        case "due_soon":
            return Scenario.PRE_DUE
        case "deduction_succeeded":
            return Scenario.SETTLED if settles else Scenario.DEDUCTION_SUCCEEDED
        case "deduction_failed":
            return Scenario.DEDUCTION_FAILED
        case "repayment_succeeded":
            return Scenario.SETTLED if settles else Scenario.ACTIVE_SUCCEEDED
        case "repayment_failed":
            return Scenario.ACTIVE_FAILED
        case _:
            return None


def opened(
    *, recipient: Recipient, sequence: int, lines: Iterable[Line], now: datetime, send_at: datetime
) -> Notice:
    """Open a notice with its first loans."""
    return Notice(
        recipient=recipient,
        sequence=sequence,
        lines=_in_order(lines),
        opened_at=now,
        send_at=send_at,
    )


def joined(notice: Notice, lines: Iterable[Line]) -> Notice:
    """Take more loans into a notice that waits."""
    return replace(notice, lines=_in_order((*notice.lines, *lines)))


def _in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Order by loan and order number: the words do not depend on who came first."""
    return tuple(sorted(lines, key=lambda line: line.key))


def checked(notice: Notice, *, loans: Mapping[str, Loan], today: date) -> Notice:
    """Drop the loans of which there is nothing to tell any more.

    A reminder is for what is unpaid and still ahead; a failure is not told once everything due
    by that business date is paid.  What succeeded stays true, and whoever asked for a repayment
    is told that it failed, whatever is due.

    `loans` are the heads of the notice's loans, read just now.
    """
    if not asks_for_money(notice.recipient.scenario):
        return notice
    return replace(
        notice,
        lines=tuple(
            replace(line, dropped=_why_dropped(line, notice.recipient, loans, today))
            for line in notice.lines
        ),
    )


def asks_for_money(scenario: Scenario) -> bool:
    """Whether the text asks the borrower to do something that he may have done since."""
    return scenario in {Scenario.PRE_DUE, Scenario.DEDUCTION_FAILED}


def _why_dropped(
    line: Line, recipient: Recipient, loans: Mapping[str, Loan], today: date
) -> Dropped | None:
    is_reminder = recipient.scenario is Scenario.PRE_DUE
    if is_reminder and (line.due_on is None or line.due_on <= today):
        return Dropped.NO_LONGER_AHEAD
    loan = loans.get(line.loan_id)
    if loan is None:
        return Dropped.UNKNOWN_LOAN
    asked_until = line.due_on if is_reminder and line.due_on else recipient.business_date
    if loan.unpaid_due_on is None or loan.unpaid_due_on > asked_until:
        return Dropped.PAID
    return None


def said(notice: Notice) -> tuple[Line, ...]:
    """List what the text speaks of: of a loan that failed twice, the later order alone."""
    lines = tuple(line for line in notice.lines if line.dropped is None)
    if notice.recipient.scenario is Scenario.DEDUCTION_FAILED:
        return tuple({line.loan_id: line for line in lines}.values())
    return lines


# --- what the platform says -----------------------------------------------------------------


class SmsStatus(StrEnum):
    """What the SMS platform said of a message.

    NOT_TAKEN: it certainly has not got it and may get it later.  UNREADABLE is everything we
    cannot trust.
    """

    ACCEPTED = "ACCEPTED"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    NOT_EXIST = "NOT_EXIST"
    NOT_TAKEN = "NOT_TAKEN"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, kw_only=True, slots=True)
class SmsAnswer:
    """One answer of the platform, already verified; `reason` is its code or why it is unreadable."""

    status: SmsStatus
    receipt_id: str = ""
    reported_at: datetime | None = None
    reason: str = ""


def heard(notice: Notice, answer: SmsAnswer, *, now: datetime, look_again_at: datetime) -> Notice:
    """Say where a notice stands after an answer; whatever is not plain stays open."""
    match answer.status:
        case SmsStatus.ACCEPTED:
            return replace(
                notice,
                state=State.SENT,
                receipt_id=answer.receipt_id,
                sent_at=now,
                send_at=None,
                reason="",
            )
        case SmsStatus.DELIVERED | SmsStatus.FAILED:
            return reported(notice, answer)
        case SmsStatus.REFUSED:
            return ended(notice, State.REFUSED, reason=answer.reason)
        case SmsStatus.NOT_TAKEN | SmsStatus.NOT_EXIST:
            return replace(notice, send_at=look_again_at, reason=answer.reason)
        case SmsStatus.UNREADABLE:
            return replace(notice, state=State.UNKNOWN, send_at=look_again_at, reason=answer.reason)


def reported(notice: Notice, answer: SmsAnswer) -> Notice:
    """Take the platform's last word, DELIVERED or FAILED; the first one said sticks."""
    if notice.state.is_reported:
        return notice
    return replace(
        notice,
        state=State(answer.status.value),
        receipt_id=answer.receipt_id or notice.receipt_id,
        reported_at=answer.reported_at,
        reason=answer.reason,
        send_at=None,
    )


def ended(notice: Notice, state: State, *, reason: str) -> Notice:
    """Leave a notice as it is for good, with its reason."""
    return replace(notice, state=state, reason=reason, send_at=None)
