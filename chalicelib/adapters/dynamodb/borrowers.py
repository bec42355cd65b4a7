"""Borrowers' personal data, in a table of its own under the customer key."""

from chalicelib.adapters.dynamodb.tables import BorrowerRow
from chalicelib.flows.ports import Borrower


class DynamoBorrowers:
    def put(self, borrower: Borrower) -> None:
        BorrowerRow(
            borrower_id=borrower.borrower_id, name=borrower.name, phone=borrower.phone
        ).save()

    def get(self, borrower_id: str) -> Borrower | None:
        try:
            row = BorrowerRow.get(borrower_id)
        except BorrowerRow.DoesNotExist:
            return None
        return Borrower(borrower_id=row.borrower_id, name=row.name, phone=row.phone)
