"""Discrepancies, in DynamoDB: one item for each kind and order of a day and channel."""

from collections.abc import Sequence
from datetime import date

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import DiscrepancyRow
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.reconciliation import Kind


class DynamoDiscrepancies:
    def put(self, discrepancy: Discrepancy) -> bool:
        try:
            # Rules write over rules; what a person has decided stays as it is.
            with conditional():
                _row_of(discrepancy).save(condition=DiscrepancyRow.decided_by.does_not_exist())
        except ConditionFailedError:
            return False
        return True

    def of_day(self, business_date: date, channel: str) -> Sequence[Discrepancy]:
        rows = DiscrepancyRow.query(day_channel(business_date, channel), consistent_read=True)
        return [_discrepancy_of(row) for row in rows]


def day_channel(business_date: date, channel: str) -> str:
    """Name a partition.

    >>> day_channel(date(2026, 11, 24), "main")
    '2026-11-24#main'
    """
    return f"{business_date.isoformat()}#{channel}"


def _row_of(discrepancy: Discrepancy) -> DiscrepancyRow:
    return DiscrepancyRow(
        day_channel=day_channel(discrepancy.business_date, discrepancy.channel),
        discrepancy_id=discrepancy.discrepancy_id,
        kind=discrepancy.kind.value,
        order_no=discrepancy.order_no,
        state=discrepancy.state.value,
        here=discrepancy.here,
        there=discrepancy.there,
        facts=dict(discrepancy.facts),
        suggestion=discrepancy.suggestion or None,
        opened_at=discrepancy.opened_at,
        resolved_at=discrepancy.resolved_at,
        reason=discrepancy.reason or None,
        decided_by=discrepancy.decided_by or None,
    )


def _discrepancy_of(row: DiscrepancyRow) -> Discrepancy:
    day, _, channel = row.day_channel.partition("#")
    return Discrepancy(
        business_date=date.fromisoformat(day),
        channel=channel,
        kind=Kind(row.kind),
        order_no=row.order_no,
        state=DiscrepancyState(row.state),
        here=row.here,
        there=row.there,
        facts=row.facts or {},
        suggestion=row.suggestion or "",
        opened_at=row.opened_at,
        resolved_at=row.resolved_at,
        reason=row.reason or "",
        decided_by=row.decided_by or "",
    )
