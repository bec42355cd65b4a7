"""Notices, in DynamoDB: one item a text, one conditional put a write."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from pynamodb.attributes import MapAttribute

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import NoticeRow
from chalicelib.domain.money import Money
from chalicelib.domain.notice import (
    Dropped,
    IllegalNoticeIdError,
    Line,
    Notice,
    Recipient,
    Scenario,
    State,
    Text,
    key_of,
    notice_id_of,
)
from chalicelib.domain.quiet_hours import SHANGHAI
from chalicelib.flows.ports import MovedByAnotherError


class DynamoNotices:
    """A recipient's notices share a partition; what waits stands in an index by day and time."""

    def of_recipient(self, recipient: Recipient) -> Sequence[Notice]:
        return [_notice_of(row) for row in NoticeRow.query(recipient.key, consistent_read=True)]

    def get(self, notice_id: str) -> Notice | None:
        try:
            recipient, sequence = key_of(notice_id)
            return _notice_of(NoticeRow.get(recipient.key, sequence, consistent_read=True))
        except (IllegalNoticeIdError, NoticeRow.DoesNotExist):
            return None

    def write(self, notice: Notice) -> Notice:
        written = replace(notice, version=notice.version + 1)
        unmoved = (
            NoticeRow.version == notice.version
            if notice.version
            else NoticeRow.recipient_key.does_not_exist()
        )
        try:
            # The notice is as it was read: no loan joined it, nobody began it, no receipt came.
            with conditional():
                _row_of(written).save(condition=unmoved)
        except ConditionFailedError as error:
            raise MovedByAnotherError(notice.notice_id) from error
        return written

    def waiting(self, *, on: date, until: datetime) -> Iterator[str]:
        rows = NoticeRow.waiting.query(
            on.isoformat(), range_key_condition=NoticeRow.send_at <= _clock_time(until)
        )
        return (notice_id_of(_recipient_of(row.recipient_key), row.sequence) for row in rows)


def _clock_time(at: datetime) -> str:
    """Write an instant so that texts order like instants: Shanghai, whole seconds."""
    return at.astimezone(SHANGHAI).isoformat(timespec="seconds")


def _recipient_of(recipient_key: str) -> Recipient:
    borrower_id, scenario, business_date = recipient_key.rsplit("#", 2)
    return Recipient(
        borrower_id=borrower_id,
        scenario=Scenario(scenario),
        business_date=date.fromisoformat(business_date),
    )


def _row_of(notice: Notice) -> NoticeRow:
    send_at = _clock_time(notice.send_at) if notice.send_at else None
    return NoticeRow(
        recipient_key=notice.recipient.key,
        sequence=notice.sequence,
        notice_id=notice.notice_id,
        borrower_id=notice.recipient.borrower_id,
        scenario=notice.recipient.scenario.value,
        business_date=notice.recipient.business_date,
        state=notice.state.value,
        items=MapAttribute(**{line.key: _map_of(line) for line in notice.lines}),
        opened_at=notice.opened_at,
        send_at=send_at,
        waiting_on=send_at[:10] if send_at else None,
        template=notice.text.template if notice.text else None,
        params=dict(notice.text.params) if notice.text else None,
        text=notice.text.text if notice.text else None,
        receipt_id=notice.receipt_id or None,
        sent_at=notice.sent_at,
        reported_at=notice.reported_at,
        reason=notice.reason or None,
        version=notice.version,
    )


def _notice_of(row: NoticeRow) -> Notice:
    lines = (_line_of(line) for line in row.items.as_dict().values())
    return Notice(
        recipient=_recipient_of(row.recipient_key),
        sequence=row.sequence,
        lines=tuple(sorted(lines, key=lambda line: line.key)),
        opened_at=row.opened_at,
        send_at=datetime.fromisoformat(row.send_at) if row.send_at else None,
        state=State(row.state),
        text=Text(template=row.template or "", params=row.params or {}, text=row.text)
        if row.text
        else None,
        receipt_id=row.receipt_id or "",
        sent_at=row.sent_at,
        reported_at=row.reported_at,
        reason=row.reason or "",
        version=row.version,
    )


def _map_of(line: Line) -> dict[str, str]:
    """Write a line as texts: PynamoDB's numbers inside a map go through floats."""
    due_on = line.due_on.isoformat() if line.due_on else ""
    fields = {
        "loan_id": line.loan_id,
        "order_no": line.order_no,
        "amount_fen": str(line.amount.fen),
        "due_on": due_on,
        "dropped": line.dropped or "",
    }
    return {name: str(value) for name, value in fields.items() if value}


def _line_of(fields: Mapping[str, str]) -> Line:
    due_on, dropped = fields.get("due_on"), fields.get("dropped")
    return Line(
        loan_id=fields["loan_id"],
        order_no=fields.get("order_no", ""),
        amount=Money(int(fields["amount_fen"])),
        due_on=date.fromisoformat(due_on) if due_on else None,
        dropped=Dropped(dropped) if dropped else None,
    )
