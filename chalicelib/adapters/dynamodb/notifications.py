"""The inbox of payment notifications, in DynamoDB: one item for the same bytes."""

from datetime import timedelta

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import NotificationRow
from chalicelib.flows.payment_notification import Notification, State

KEPT_FOR = timedelta(days=180)


class DynamoInbox:
    def put(self, notification: Notification) -> bool:
        try:
            # The same bytes are stored once: a replay finds its own, and what became of it.
            with conditional():
                _row_of(notification).save(
                    condition=NotificationRow.notification_id.does_not_exist()
                )
        except ConditionFailedError:
            return False
        return True

    def get(self, notification_id: str) -> Notification | None:
        try:
            return _notification_of(NotificationRow.get(notification_id, consistent_read=True))
        except NotificationRow.DoesNotExist:
            return None

    def conclude(self, notification: Notification) -> bool:
        try:
            # The first finding sticks: whoever took it at the same time asked the same platform.
            with conditional():
                _row_of(notification).save(condition=NotificationRow.state == State.RECEIVED.value)
        except ConditionFailedError:
            return False
        return True


def _row_of(notification: Notification) -> NotificationRow:
    return NotificationRow(
        notification_id=notification.notification_id,
        order_no=notification.order_no,
        order_date=notification.order_date,
        status=notification.status or None,
        amount=notification.amount,
        currency=notification.currency or None,
        failure_code=notification.failure_code or None,
        paid_at=notification.paid_at,
        received_at=notification.received_at,
        state=notification.state.value,
        finding=notification.finding or None,
        taken_at=notification.taken_at,
        expires_at=int((notification.received_at + KEPT_FOR).timestamp()),
    )


def _notification_of(row: NotificationRow) -> Notification:
    return Notification(
        notification_id=row.notification_id,
        order_no=row.order_no,
        order_date=row.order_date,
        status=row.status or "",
        amount=row.amount,
        currency=row.currency or "",
        failure_code=row.failure_code or "",
        paid_at=row.paid_at,
        received_at=row.received_at,
        state=State(row.state),
        finding=row.finding or "",
        taken_at=row.taken_at,
    )
