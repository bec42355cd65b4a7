"""Payment notifications: received once, taken later; asked after, never believed.

A notification is stored before it is acknowledged.  What becomes of the order is what the
platform answers when it is asked; what the notification said is held against that.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.deduction import (
    Deduction,
    IllegalOrderNumberError,
    Outcome,
    Status,
    facts_of,
)
from chalicelib.domain.money import Money
from chalicelib.flows import deduction
from chalicelib.flows.ports import AskMessage, Queue
from chalicelib.flows.posting import UnknownLoanError

CURRENCY = "CNY"
ENDS = {
    "SUCCEEDED": Status.SUCCEEDED,
    "FAILED": Status.FAILED,
    "CLOSED": Status.FAILED,
}
"""What a notified status says of an order's end; any other says nothing."""


class State(StrEnum):
    """Where a notification stands; RECEIVED also while its order's end is not known."""

    RECEIVED = "received"
    TAKEN = "taken"
    UNKNOWN_ORDER = "unknown_order"
    DIFFERS = "differs"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """What the platform said of an order, as given; `notification_id` is its bytes' SHA-256.

    `order_date` is the business date in its order number, None if that is not one of ours;
    `finding` says in what it differs.
    """

    notification_id: str
    order_no: str
    received_at: datetime
    status: str = ""
    amount: Money | None = None
    currency: str = ""
    failure_code: str = ""
    paid_at: datetime | None = None
    order_date: date | None = None
    state: State = State.RECEIVED
    finding: str = ""
    taken_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationMessage:
    """A notification to be taken; additive: one without an id is an order to be asked after."""

    order_no: str
    notification_id: str = ""


class Inbox(Protocol):
    def put(self, notification: Notification) -> bool:
        """Store a notification; False if these very bytes are stored already (nothing changes)."""

    def get(self, notification_id: str) -> Notification | None:
        """Read one, as fresh as the last write; None once it is too old to be kept."""

    def conclude(self, notification: Notification) -> bool:
        """Write what became of it; False if that is written already: the first finding sticks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that notifications are taken with."""

    inbox: Inbox
    deducting: deduction.Desk


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of a message; `outcome` is None where nobody was asked."""

    state: State
    outcome: Outcome | None = None


def receive(*, notification: Notification, inbox: Inbox, queue: Queue[NotificationMessage]) -> None:
    """Store a notification and have it taken; safe to repeat.  No platform is called.

    The message is put for a repetition as well: whoever stored the first may have died then.
    """
    inbox.put(replace(notification, order_date=_order_date_of(notification.order_no)))
    queue.put(
        [
            NotificationMessage(
                order_no=notification.order_no, notification_id=notification.notification_id
            )
        ]
    )


def take(*, message: NotificationMessage, now: datetime, desk: Desk) -> Taken:
    """Ask what became of a notified order, then compare; safe to repeat, at once or days later.

    A notification for no order of ours changes nothing and is no failure: it is found and said.
    Nothing is posted because of what a notification says.
    """
    notification = desk.inbox.get(message.notification_id) if message.notification_id else None
    if notification and notification.state is not State.RECEIVED:
        return Taken(state=notification.state)
    try:
        outcome = deduction.ask(
            message=AskMessage(order_no=message.order_no, rung=None), now=now, desk=desk.deducting
        )
    except (IllegalOrderNumberError, UnknownLoanError):
        return _concluded(notification, State.UNKNOWN_ORDER, "no loan of ours", now=now, desk=desk)
    state, finding = _compared(notification, order_no=message.order_no, desk=desk)
    concluded = _concluded(notification, state, finding, now=now, desk=desk)
    return replace(concluded, outcome=outcome)


def _concluded(
    notification: Notification | None, state: State, finding: str, *, now: datetime, desk: Desk
) -> Taken:
    if notification:
        desk.inbox.conclude(replace(notification, state=state, finding=finding, taken_at=now))
    return Taken(state=state)


def _compared(notification: Notification | None, *, order_no: str, desk: Desk) -> tuple[State, str]:
    """Hold what was said against the record, or while there is none against the slot."""
    books = desk.deducting.books
    record, slot = books.journal.find(order_no), None
    if not isinstance(record, Deduction):
        # The head before the journal: an order that leaves the slot in between is recorded by then.
        loan = books.loans.get(facts_of(order_no)[2])
        slot = loan.slot if loan and loan.slot and loan.slot.order_no == order_no else None
        record = books.journal.find(order_no)
    if isinstance(record, Deduction):
        standing, end = record.amount, record.result.status
    elif slot:
        standing, end = slot.amount, None
    else:
        return State.UNKNOWN_ORDER, "never sent"
    if notification is None:
        return State.TAKEN, ""
    return _judged(notification, ordered=standing, end=end)


def _judged(notification: Notification, *, ordered: Money, end: Status | None) -> tuple[State, str]:
    said, amount = ENDS.get(notification.status), notification.amount
    contradictions = (
        [f"status {notification.status}, recorded {end}"]
        if said and end and said is not end
        else []
    )
    differences = []
    if amount is not None and amount != ordered:
        differences.append(f"amount_fen {amount.fen}, ordered {ordered.fen}")
    if notification.currency not in {"", CURRENCY}:
        differences.append(f"currency {notification.currency}, ordered {CURRENCY}")
    finding = "; ".join(contradictions + differences)
    if contradictions:
        return State.CONTRADICTS, finding
    if differences:
        return State.DIFFERS, finding
    return (State.TAKEN, "") if end else (State.RECEIVED, "end unknown")


def _order_date_of(order_no: str) -> date | None:
    try:
        return facts_of(order_no)[0]
    except IllegalOrderNumberError:
        return None
