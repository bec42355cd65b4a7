"""The orders borrowers have started, by business date, until their end has been seen."""

from collections.abc import Iterator
from datetime import date, datetime

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import ActiveOrderRow


class DynamoActiveOrders:
    def open(self, *, business_date: date, order_no: str, at: datetime) -> None:
        row = ActiveOrderRow(
            business_date=business_date.isoformat(), order_no=order_no, noted_at=at
        )
        try:
            # Noted once: the time of the first note says how long nothing has come of it.
            with conditional():
                row.save(condition=ActiveOrderRow.order_no.does_not_exist())
        except ConditionFailedError:
            return

    def of_day(self, business_date: date) -> Iterator[tuple[str, datetime]]:
        for row in ActiveOrderRow.query(business_date.isoformat(), consistent_read=True):
            yield row.order_no, row.noted_at

    def remove(self, *, business_date: date, order_no: str) -> None:
        ActiveOrderRow(business_date=business_date.isoformat(), order_no=order_no).delete()
