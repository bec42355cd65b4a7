"""A discrepancy: one disagreement about one order, and how far it has come."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.money import Money, total
from chalicelib.domain.reconciliation import BillRow, Kind, LocalOrder, Match

SUGGESTIONS: Mapping[Kind, str] = {
    Kind.MISSING_HERE: "ask_platform_then_book_or_refund",
    Kind.MISSING_THERE: "await_next_bill_then_ask_platform",
    Kind.AMOUNT_DIFFERS: "ask_platform_for_proof_of_amount",
    Kind.STATUS_DIFFERS: "ask_platform_for_final_status",
    Kind.DUPLICATE: "refund_if_charged_twice",
    Kind.CROSS_DAY: "await_next_bill",
    Kind.SPLIT_DIFFERS: "correct_split_at_platform",
    Kind.CONFIRMATION_DIFFERS: "compare_with_funder_line_by_line",
    Kind.UNCONFIRMED: "ask_funder_for_corrected_confirmation",
    Kind.CONFIRMED_UNKNOWN: "ask_funder_what_it_means",
}


class DiscrepancyState(StrEnum):
    """A discrepancy's life; only people explain and write off, rules and people resolve."""

    OPEN = "open"
    EXPLAINED = "explained"
    RESOLVED = "resolved"
    WRITTEN_OFF = "written_off"


class Action(StrEnum):
    """What people may have done about a discrepancy, once a second one has approved it."""

    POST_LATE_SUCCESS = "post_late_success"
    REVERSE = "reverse"
    REFUND = "refund"
    ACCEPT = "accept"
    WRITE_OFF = "write_off"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """What somebody has said about a discrepancy; never changed."""

    by: str
    at: datetime
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What is to be done about it, and why; `effect` is what its checker was shown."""

    action: Action
    reason: str
    made_by: str
    made_at: datetime
    amount: Money | None = None
    effect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """That a second person has approved; a correction is of `business_date`, whenever it is made."""

    approved_by: str
    approved_at: datetime
    business_date: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Handling:
    """What people have added to a discrepancy; rules leave it as it is."""

    owner: str = ""
    comments: tuple[Comment, ...] = ()
    proposal: Proposal | None = None
    approval: Approval | None = None


UNHANDLED = Handling()


@dataclass(frozen=True, kw_only=True, slots=True)
class Discrepancy:
    """One disagreement about one order; `facts` are both sides' figures as plain data.

    `here` is what we ordered, `there` what the bill says; `decided_by` names the person who
    explained or resolved it, empty while only rules have touched it.  `version` counts the writes,
    and is no part of what is compared.
    """

    business_date: date
    channel: str
    kind: Kind
    order_no: str
    opened_at: datetime
    state: DiscrepancyState = DiscrepancyState.OPEN
    here: Money | None = None
    there: Money | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    suggestion: str = ""
    resolved_at: datetime | None = None
    reason: str = ""
    decided_by: str = ""
    handling: Handling = UNHANDLED
    version: int = field(default=0, compare=False)

    @property
    def discrepancy_id(self) -> str:
        return f"{self.kind}#{self.order_no}"

    @property
    def reference(self) -> str:
        return reference_of(
            business_date=self.business_date,
            channel=self.channel,
            kind=self.kind,
            order_no=self.order_no,
        )

    @property
    def is_resolved(self) -> bool:
        """Whether it keeps no day open any more."""
        return self.state in {DiscrepancyState.RESOLVED, DiscrepancyState.WRITTEN_OFF}

    def age_days(self, today: date) -> int:
        """Count the days it has been, or had been, open."""
        until = self.resolved_at.date() if self.resolved_at else today
        return max((until - self.opened_at.date()).days, 0)


class IllegalReferenceError(ValueError):
    """The text is not a discrepancy's reference."""


def reference_of(*, business_date: date, channel: str, kind: Kind, order_no: str) -> str:
    """Name a discrepancy by one word that may stand in an address, whatever its order's number is.

    >>> reference_of(
    ...     business_date=date(2026, 11, 24), channel="main", kind=Kind.DUPLICATE, order_no="退款/1"
    ... )
    'MjAyNi0xMS0yNHxtYWlufGR1cGxpY2F0ZXzpgIDmrL4vMQ'
    """
    text = f"{business_date.isoformat()}|{channel}|{kind}|{order_no}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def facts_of_reference(reference: str) -> tuple[date, str, Kind, str]:
    """Read business date, channel, kind and order number back.

    >>> facts_of_reference("MjAyNi0xMS0yNHxtYWlufGR1cGxpY2F0ZXzpgIDmrL4vMQ")[1:]
    ('main', <Kind.DUPLICATE: 'duplicate'>, '退款/1')

    :raises IllegalReferenceError: if it is none, or is another way to write one.
    """
    try:
        padded = reference.encode("ascii") + b"=" * (-len(reference) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        day, channel, kind, order_no = text.split("|", 3)
        facts = date.fromisoformat(day), channel, Kind(kind), order_no
    except (ValueError, binascii.Error) as error:
        raise IllegalReferenceError(reference) from error
    day_of, *_ = facts
    if reference_of(business_date=day_of, channel=channel, kind=facts[2], order_no=order_no) != (
        reference
    ):
        raise IllegalReferenceError(reference)
    return facts


def discrepancies(
    *, findings: Iterable[Match], business_date: date, channel: str, at: datetime
) -> Mapping[str, Discrepancy]:
    """Make one discrepancy of all open findings of a kind about an order, by id."""
    groups: dict[tuple[Kind, str], list[Match]] = {}
    for found in findings:
        if found.is_open:
            groups.setdefault((found.kind, found.order_no), []).append(found)
    opened = (
        _discrepancy(group, business_date=business_date, channel=channel, at=at)
        for group in groups.values()
    )
    return {discrepancy.discrepancy_id: discrepancy for discrepancy in opened}


ROWS_SHOWN_MAX = 20
"""How many of a bill's rows one discrepancy shows; of more it tells the number."""


def _discrepancy(
    group: list[Match], *, business_date: date, channel: str, at: datetime
) -> Discrepancy:
    rows = [found.row for found in group if found.row]
    order = next((found.order for found in group if found.order), None)
    return Discrepancy(
        business_date=business_date,
        channel=channel,
        kind=group[0].kind,
        order_no=group[0].order_no,
        opened_at=at,
        here=order.amount if order else None,
        there=total(row.amount for row in rows) if rows else None,
        facts={
            "note": group[0].note,
            "here": _order_facts(order) if order else None,
            "there": [_row_facts(row) for row in rows[:ROWS_SHOWN_MAX]],
            "more_rows": max(len(rows) - ROWS_SHOWN_MAX, 0),
        },
        suggestion=SUGGESTIONS[group[0].kind],
    )


def _row_facts(row: BillRow) -> Mapping[str, Any]:
    return {
        "trade_no": row.trade_no,
        "amount_fen": row.amount.fen,
        "funder_amount_fen": row.funder_amount.fen,
        "platform_amount_fen": row.platform_amount.fen,
        "status": row.status,
        "paid_at": row.paid_at.isoformat(),
    }


def _order_facts(order: LocalOrder) -> Mapping[str, Any]:
    return {
        "state": order.state.value,
        "trade_no": order.trade_no,
        "amount_fen": order.amount.fen,
        "funder_amount_fen": order.funder_amount.fen,
        "paid_at": order.paid_at.isoformat() if order.paid_at else None,
    }
