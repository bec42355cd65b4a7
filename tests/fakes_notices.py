"""The outside of the texts, in memory; tests/contract holds the store to its word.

`TextWorld` lets a day pass: messages arrive when they are due, whatever died comes again after
three minutes, and the release ticks every five from 08:00 to 21:55.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta

from chalicelib.adapters.sms_platform import read_templates
from chalicelib.domain.notice import (
    IllegalNoticeIdError,
    Notice,
    NoticePolicy,
    SmsAnswer,
    SmsStatus,
    key_of,
)
from chalicelib.flows import notices
from chalicelib.flows.notice_ports import ReceiptMessage, Sms, TextMessage
from chalicelib.flows.ports import Borrower, MovedByAnotherError, ServicingEvent
from tests.builders import TODAY, at
from tests.fakes import Crash, FakeLoans, Outside, _Counted

PHONE = "13912345678"
NAME = "王小明"
TEMPLATES = read_templates(signature="【Afterloan】")
REDELIVERY = timedelta(minutes=3)


def an_event(
    loan_id: str = "LN1", event: str = "deduction_succeeded", **changes: object
) -> ServicingEvent:
    facts: dict[str, object] = {
        "event": event,
        "loan_id": loan_id,
        "borrower_id": "B1",
        "mode": "self_operated",
        "business_date": TODAY,
        "occurred_at": at(9),
        "amount_fen": 1_000_00,
        "order_no": "" if event == "due_soon" else f"20261124-1-{loan_id}",
        "due_on": TODAY + timedelta(days=3) if event == "due_soon" else None,
    }
    return ServicingEvent(**(facts | changes))


class FakeNotices(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, Notice] = {}

    def of_recipient(self, recipient):
        found = [notice for notice in self.rows.values() if notice.recipient == recipient]
        return sorted(found, key=lambda notice: notice.sequence)

    def get(self, notice_id: str):
        try:
            key_of(notice_id)
        except IllegalNoticeIdError:
            return None
        return self.rows.get(notice_id)

    def write(self, notice: Notice) -> Notice:
        standing = self.rows.get(notice.notice_id)
        if (standing.version if standing else 0) != notice.version:
            raise MovedByAnotherError(notice.notice_id)
        self.rows[notice.notice_id] = replace(notice, version=notice.version + 1)
        return self.rows[notice.notice_id]

    def waiting(self, *, on, until):
        found = [
            notice
            for notice in self.rows.values()
            if notice.send_at and notice.send_at.date() == on and notice.send_at <= until
        ]
        return iter([n.notice_id for n in sorted(found, key=lambda notice: notice.send_at)])


class FakeBorrowers(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, Borrower] = {}

    def put(self, borrower: Borrower) -> None:
        self.rows[borrower.borrower_id] = borrower

    def get(self, borrower_id: str):
        return self.rows.get(borrower_id)


class FakeSmsPlatform(_Counted):
    """Takes a message id once; `script` gives what each next sending meets, then it accepts.

    accept · time_out (taken, no answer) · no_answer (not taken) · unreachable · limit ·
    throttled.  `deaf` questions get no answer.
    """

    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.script: list[str] = []
        self.deaf = 0
        self.taken: dict[str, Sms] = {}
        self.sendings: Counter[str] = Counter()
        self.questions: Counter[str] = Counter()
        self.changed: list[str] = []

    def send(self, sms: Sms) -> SmsAnswer:
        self.sendings[sms.message_id] += 1
        outcome = self.script.pop(0) if self.script else "accept"
        match outcome:
            case "accept" | "time_out":
                if self.taken.setdefault(sms.message_id, sms) != sms:
                    self.changed.append(sms.message_id)
                if outcome == "accept":
                    return self._accepted(sms.message_id)
                return SmsAnswer(status=SmsStatus.UNREADABLE, reason="no_answer")
            case "no_answer":
                return SmsAnswer(status=SmsStatus.UNREADABLE, reason="no_answer")
            case "limit":
                return SmsAnswer(status=SmsStatus.REFUSED, reason="BUSINESS_LIMIT_CONTROL")
            case "unreachable" | "throttled":
                return SmsAnswer(status=SmsStatus.NOT_TAKEN, reason=outcome)
        raise AssertionError(outcome)

    def ask(self, message_id: str) -> SmsAnswer:
        self.questions[message_id] += 1
        if self.deaf:
            self.deaf -= 1
            return SmsAnswer(status=SmsStatus.UNREADABLE, reason="no_answer")
        if message_id not in self.taken:
            return SmsAnswer(status=SmsStatus.NOT_EXIST)
        return self._accepted(message_id)

    def _accepted(self, message_id: str) -> SmsAnswer:
        return SmsAnswer(status=SmsStatus.ACCEPTED, receipt_id=f"R-{message_id}")


class FakeTexts(_Counted):
    def __init__(self, outside: Outside, world: "TextWorld") -> None:
        super().__init__(outside)
        self.world = world

    def put(self, messages, *, delay_seconds: int = 0) -> None:
        for message in messages:
            self.world._arrive(message, self.world.now + timedelta(seconds=delay_seconds))


@dataclass
class TextWorld:
    """One day of texts; every call that leaves the process may be its last."""

    now: datetime = field(default_factory=lambda: at(9))
    policy: NoticePolicy = field(default_factory=NoticePolicy)
    outside: Outside = field(default_factory=Outside)
    outcomes: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = FakeNotices(self.outside)
        self.loans = FakeLoans(self.outside)
        self.borrowers = FakeBorrowers(self.outside)
        self.platform = FakeSmsPlatform(self.outside)
        self.texts = FakeTexts(self.outside, self)
        self.borrowers.rows["B1"] = Borrower(borrower_id="B1", name=NAME, phone=PHONE)
        self.waiting: list = []
        self.count = 0

    @property
    def desk(self) -> notices.Desk:
        return notices.Desk(
            book=self.book,
            loans=self.loans,
            borrowers=self.borrowers,
            platform=self.platform,
            texts=self.texts,
            templates=TEMPLATES,
            policy=self.policy,
        )

    def collect(self, *events: ServicingEvent) -> notices.Report:
        return notices.collect(events=events, now=self.now, desk=self.desk)

    def receive(self, notice_id: str, status: str = "DELIVERED", **changes: object):
        facts = {"receipt_id": f"R-{notice_id}", "reported_at": self.now} | changes
        message = ReceiptMessage(message_id=notice_id, status=status, **facts)
        return notices.take_receipt(message=message, now=self.now, desk=self.desk)

    def pass_until(self, end: datetime) -> "TextWorld":
        """Let time pass, and everything happen that is due."""
        while (due := self._next_at()) <= end:
            self.now = due
            if self.waiting and self.waiting[0][0] <= due:
                _, _, message = heapq.heappop(self.waiting)
                self._work(message)
            else:
                self._work("release")
                self.ticked = due
        self.now = end
        return self

    @property
    def said(self) -> list[str]:
        return [sms.text.text for sms in self.platform.taken.values()]

    @property
    def states(self) -> dict[str, str]:
        return {
            notice_id: notice.state.value for notice_id, notice in sorted(self.book.rows.items())
        }

    def arrive(self, message: object) -> None:
        self._arrive(message, self.now)

    def _arrive(self, message: object, due: datetime) -> None:
        self.count += 1
        heapq.heappush(self.waiting, (due, self.count, message))

    def _next_at(self) -> datetime:
        tick = _tick_after(getattr(self, "ticked", None), self.now)
        return min(max(self.waiting[0][0], self.now), tick) if self.waiting else tick

    def _work(self, message: object) -> None:
        try:
            match message:
                case "release":
                    notices.release(now=self.now, desk=self.desk)
                case TextMessage():
                    self.outcomes.append(
                        notices.send(message=message, now=self.now, desk=self.desk)
                    )
                case ServicingEvent():
                    self.collect(message)
                case ReceiptMessage():
                    notices.take_receipt(message=message, now=self.now, desk=self.desk)
        except (Crash, MovedByAnotherError):
            if message != "release":
                self._arrive(message, self.now + REDELIVERY)


def _tick_after(last: datetime | None, now: datetime) -> datetime:
    """Find the next tick of the release: every five minutes, 08:00 to 21:55."""
    step = timedelta(minutes=5)
    tick = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    while tick < now or (last and tick <= last) or not time(8) <= tick.time() <= time(21, 55):
        tick += step
    return tick
