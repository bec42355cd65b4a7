"""Discrepancies, in DynamoDB: one item for each kind and order of a day and channel."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pynamodb.expressions.update import Action as Change

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables_operations import DiscrepancyRow
from chalicelib.domain.discrepancy import (
    UNHANDLED,
    Action,
    Approval,
    Comment,
    Discrepancy,
    DiscrepancyState,
    Handling,
    Proposal,
)
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows.discrepancy_ports import IllegalCursorError, Page
from chalicelib.flows.ports import MovedByAnotherError

UNRESOLVED = "unresolved"
FOUND = (
    *("kind", "order_no", "state", "here", "there", "facts", "suggestion"),
    *("opened_at", "resolved_at", "reason", UNRESOLVED),
)
"""The attributes that rules write; the others are people's."""


class DynamoDiscrepancies:
    def put(self, discrepancy: Discrepancy) -> bool:
        row = _row_of(discrepancy)
        given = {name: getattr(row, name) for name in FOUND}
        changes: list[Change] = [
            getattr(DiscrepancyRow, name).remove()
            if value is None
            else getattr(DiscrepancyRow, name).set(value)
            for name, value in given.items()
        ]
        try:
            # Rules write over rules; what a person has decided stays as it is.
            with conditional():
                row.update(
                    actions=[*changes, DiscrepancyRow.version.add(1)],
                    condition=DiscrepancyRow.decided_by.does_not_exist(),
                )
        except ConditionFailedError:
            return False
        return True

    def of_day(self, business_date: date, channel: str) -> Sequence[Discrepancy]:
        rows = DiscrepancyRow.query(day_channel(business_date, channel), consistent_read=True)
        return [_discrepancy_of(row) for row in rows]

    def get(self, *, business_date: date, channel: str, discrepancy_id: str) -> Discrepancy | None:
        try:
            row = DiscrepancyRow.get(
                day_channel(business_date, channel), discrepancy_id, consistent_read=True
            )
        except DiscrepancyRow.DoesNotExist:
            return None
        return _discrepancy_of(row)

    def write(self, discrepancy: Discrepancy) -> Discrepancy:
        written = replace(discrepancy, version=discrepancy.version + 1)
        as_read = (
            DiscrepancyRow.version == discrepancy.version
            if discrepancy.version
            else DiscrepancyRow.version.does_not_exist()
        )
        try:
            # As it was read: no rule has found otherwise since, and nobody else has been at it.
            with conditional():
                _row_of(written).save(condition=as_read)
        except ConditionFailedError as error:
            raise MovedByAnotherError(discrepancy.discrepancy_id) from error
        return written

    def page_of_day(
        self, *, business_date: date, channel: str, cursor: str = "", count_max: int
    ) -> Page:
        partition = day_channel(business_date, channel)
        rows = DiscrepancyRow.query(
            partition,
            limit=count_max,
            last_evaluated_key=_key_of(cursor, partition) if cursor else None,
            consistent_read=True,
        )
        found = [_discrepancy_of(row) for row in rows]
        return Page(discrepancies=found, cursor=_cursor_of(rows.last_evaluated_key))

    def page_of_open(self, *, cursor: str = "", count_max: int) -> Page:
        after = {**_key_of(cursor), UNRESOLVED: {"S": UNRESOLVED}} if cursor else None
        rows = DiscrepancyRow.open_ones.query(
            UNRESOLVED, scan_index_forward=False, limit=count_max, last_evaluated_key=after
        )
        found = [_discrepancy_of(row) for row in rows]
        return Page(discrepancies=found, cursor=_cursor_of(rows.last_evaluated_key))


def day_channel(business_date: date, channel: str) -> str:
    """Name a partition.

    >>> day_channel(date(2026, 11, 24), "main")
    '2026-11-24#main'
    """
    return f"{business_date.isoformat()}#{channel}"


def _cursor_of(key: Mapping[str, Mapping[str, str]] | None) -> str:
    """Write where to go on as one word.

    >>> _key_of(_cursor_of({"day_channel": {"S": "2026-11-24#main"}, "discrepancy_id": {"S": "a"}}))
    {'day_channel': {'S': '2026-11-24#main'}, 'discrepancy_id': {'S': 'a'}}
    """
    if not key:
        return ""
    names = [key["day_channel"]["S"], key["discrepancy_id"]["S"]]
    return base64.urlsafe_b64encode(json.dumps(names).encode()).decode().rstrip("=")


def _key_of(cursor: str, partition: str = "") -> dict[str, dict[str, str]]:
    """Read a cursor back.

    :raises IllegalCursorError: if it is none of ours, or of another partition.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        names = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        day, found = names
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise IllegalCursorError(cursor) from error
    if not (isinstance(day, str) and day and isinstance(found, str) and found) or (
        partition and day != partition
    ):
        raise IllegalCursorError(cursor)
    return {"day_channel": {"S": day}, "discrepancy_id": {"S": found}}


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
        handling=_facts_of(discrepancy.handling) if discrepancy.handling != UNHANDLED else None,
        unresolved=None if discrepancy.is_resolved else UNRESOLVED,
        version=discrepancy.version or None,
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
        handling=_handling_of(row.handling) if row.handling else UNHANDLED,
        version=row.version or 0,
    )


def _facts_of(handling: Handling) -> Mapping[str, Any]:
    proposal, approval = handling.proposal, handling.approval
    return {
        "owner": handling.owner,
        "comments": [[each.by, each.at.isoformat(), each.text] for each in handling.comments],
        "proposal": {
            "action": proposal.action.value,
            "reason": proposal.reason,
            "made_by": proposal.made_by,
            "made_at": proposal.made_at.isoformat(),
            "amount_fen": proposal.amount.fen if proposal.amount else None,
            "effect": dict(proposal.effect),
        }
        if proposal
        else None,
        "approval": {
            "approved_by": approval.approved_by,
            "approved_at": approval.approved_at.isoformat(),
            "business_date": approval.business_date.isoformat(),
        }
        if approval
        else None,
    }


def _handling_of(facts: Mapping[str, Any]) -> Handling:
    proposal, approval = facts["proposal"], facts["approval"]
    return Handling(
        owner=facts["owner"],
        comments=tuple(_comments_of(facts["comments"])),
        proposal=Proposal(
            action=Action(proposal["action"]),
            reason=proposal["reason"],
            made_by=proposal["made_by"],
            made_at=datetime.fromisoformat(proposal["made_at"]),
            amount=Money(proposal["amount_fen"]) if proposal["amount_fen"] is not None else None,
            effect=proposal["effect"],
        )
        if proposal
        else None,
        approval=Approval(
            approved_by=approval["approved_by"],
            approved_at=datetime.fromisoformat(approval["approved_at"]),
            business_date=date.fromisoformat(approval["business_date"]),
        )
        if approval
        else None,
    )


def _comments_of(rows: Iterable[tuple[str, str, str]]) -> Iterable[Comment]:
    for by, at, text in rows:
        yield Comment(by=by, at=datetime.fromisoformat(at), text=text)
