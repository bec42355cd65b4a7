"""The orders whose split is not known to be done, beside those that borrowers have started.

They are few, and end whatever their date: one partition of that table holds them all.
"""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.adapters.dynamodb.tables import ActiveOrderRow

SPLITS = "splits"


class DynamoSplitRepairs:
    def note(self, *, order_no: str, at: datetime) -> None:
        ActiveOrderRow(business_date=SPLITS, order_no=order_no, noted_at=at).save()

    def is_noted(self, order_no: str) -> bool:
        try:
            ActiveOrderRow.get(SPLITS, order_no, consistent_read=True)
        except ActiveOrderRow.DoesNotExist:
            return False
        return True

    def all(self) -> Iterator[tuple[str, datetime]]:
        for row in ActiveOrderRow.query(SPLITS, consistent_read=True):
            yield row.order_no, row.noted_at

    def forget(self, order_no: str) -> None:
        ActiveOrderRow(business_date=SPLITS, order_no=order_no).delete()
