"""The inbox of notifications, in memory; tests/contract holds the store to its word."""

from chalicelib.domain.deduction import order_no_of
from chalicelib.domain.money import Money
from chalicelib.flows import payment_notification
from chalicelib.flows.payment_notification import Notification, NotificationMessage, State
from tests.builders import TODAY, a_loan, a_schedule, at
from tests.fakes import FakeQueue, Outside, World, _Counted

ORDER_NO = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
DUE = a_schedule()[0].total


def a_notification(
    order_no: str = ORDER_NO, *, notification_id: str = "a" * 64, **changes: object
) -> Notification:
    """Make the notification of a success, to the fen."""
    facts: dict[str, object] = {
        "received_at": at(9),
        "status": "SUCCEEDED",
        "amount": DUE,
        "paid_at": at(9),
    }
    return Notification(order_no=order_no, notification_id=notification_id, **(facts | changes))


class FakeInbox(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, Notification] = {}

    def put(self, notification: Notification) -> bool:
        is_new = notification.notification_id not in self.rows
        self.rows.setdefault(notification.notification_id, notification)
        return is_new

    def get(self, notification_id: str):
        return self.rows.get(notification_id)

    def conclude(self, notification: Notification) -> bool:
        if self.rows[notification.notification_id].state is not State.RECEIVED:
            return False
        self.rows[notification.notification_id] = notification
        return True


class NotifiedWorld(World):
    """A book of one loan, its platform, and what that tells us."""

    def __init__(self, *outcomes: str) -> None:
        super().__init__()
        self.inbox = FakeInbox(self.outside)
        self.notified = FakeQueue(self.outside)
        self.book(a_loan(), a_schedule())
        self.platform.script["AG-LN1"] = list(outcomes)

    @property
    def notifications(self) -> payment_notification.Desk:
        return payment_notification.Desk(inbox=self.inbox, deducting=self.deducting)

    def receive(self, notification: Notification) -> None:
        payment_notification.receive(
            notification=notification, inbox=self.inbox, queue=self.notified
        )

    def take(self, message: NotificationMessage, now=None) -> payment_notification.Taken:
        return payment_notification.take(
            message=message, now=now or at(9, 1), desk=self.notifications
        )

    def take_all(self, now=None) -> list[payment_notification.Taken]:
        return [self.take(message, now) for message in self.notified._take_all()]

    def told(self, notification: Notification, now=None) -> payment_notification.Taken:
        """Receive a notification and take it."""
        self.receive(notification)
        [taken] = self.take_all(now)
        return taken

    @property
    def charged_fen(self) -> int:
        return sum(
            self.platform.ends[no].amount.fen * times for no, times in self.platform.charged.items()
        )

    @property
    def posted_fen(self) -> int:
        paid = [record.amount.fen for record in self.journal.results.values() if record.lines]
        return sum(paid)


def a_fen_more(amount: Money) -> Money:
    return amount + Money(1)
