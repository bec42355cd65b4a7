"""The orders borrowers have started, by business date, until their end has been seen."""

from collections.abc import Iterator
from datetime import date, datetime

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import ActiveOrderRow


class DynamoActiveOrders:
    def open(self, *, business_date: date, order_no: str, at: datetime) -> None:
        ActiveOrderRow(
            business_date=business_date.isoformat(), order_no=order_no, noted_at=at
        ).save()

    def of_day(self, business_date: date) -> Iterator[tuple[str, datetime]]:
        for row in ActiveOrderRow.query(business_date.isoformat(), consistent_read=True):
            yield row.order_no, row.noted_at

    def remove(self, *, business_date: date, order_no: str, noted_at: datetime) -> None:
        row = ActiveOrderRow(business_date=business_date.isoformat(), order_no=order_no)
        try:
            # Noted when we saw it noted: one noted since then is about to be claimed.
            with conditional():
                row.delete(condition=ActiveOrderRow.noted_at == noted_at)
        except ConditionFailedError:
            return
