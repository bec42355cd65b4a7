"""What people did, in DynamoDB: entries are put once, and this stage's Lambdas may do no more."""

from collections.abc import Iterator

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables_operations import AuditRow
from chalicelib.domain.audit_trail import Entry


class DynamoAuditTrail:
    def last(self, subject: str) -> Entry | None:
        rows = AuditRow.query(subject, scan_index_forward=False, limit=1, consistent_read=True)
        return next((_entry_of(row) for row in rows), None)

    def add(self, entry: Entry) -> bool:
        row = AuditRow(
            subject=entry.subject,
            sequence=entry.sequence,
            at=entry.at,
            by=entry.by,
            verb=entry.verb,
            outcome=entry.outcome,
            facts=dict(entry.facts),
            previous=entry.previous,
            digest=entry.digest,
        )
        try:
            # One entry a number: whoever comes second follows the one that came first.
            with conditional():
                row.save(condition=AuditRow.sequence.does_not_exist())
        except ConditionFailedError:
            return False
        return True

    def of_subject(self, subject: str) -> Iterator[Entry]:
        return (_entry_of(row) for row in AuditRow.query(subject, consistent_read=True))


def _entry_of(row: AuditRow) -> Entry:
    return Entry(
        subject=row.subject,
        sequence=row.sequence,
        at=row.at,
        by=row.by,
        verb=row.verb,
        outcome=row.outcome,
        facts=row.facts,
        previous=row.previous,
        digest=row.digest,
    )
