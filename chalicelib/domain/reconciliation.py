"""Lay the payment platform's bill beside our journal: every row and every order in one bucket.

The two sides are streams of plain records, so that whatever can join two tables may take
the place of `match` one day.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.quiet_hours import SHANGHAI
from chalicelib.domain.run import NONE, Tally

PAID = "SUCCEEDED"
BY_THE_BILL = "bill"
NOT_PAID = frozenset(("FAILED", "CLOSED"))


class Kind(StrEnum):
    """The buckets of a bill, MATCHED is agreement; then what a funder does not confirm."""

    MATCHED = "matched"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    STATUS_DIFFERS = "status_differs"
    DUPLICATE = "duplicate"
    CROSS_DAY = "cross_day"
    SPLIT_DIFFERS = "split_differs"
    CONFIRMATION_DIFFERS = "confirmation_differs"
    UNCONFIRMED = "unconfirmed"
    CONFIRMED_UNKNOWN = "confirmed_unknown"


BUCKETS = tuple(Kind)[: tuple(Kind).index(Kind.CONFIRMATION_DIFFERS)]


@dataclass(frozen=True, kw_only=True, slots=True)
class BillRow:
    """One row of the bill."""

    trade_no: str
    order_no: str
    agreement_no: str
    amount: Money
    funder_amount: Money
    platform_amount: Money
    status: str
    paid_at: datetime


class OrderState(StrEnum):
    """What we know of an order."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalOrder:
    """One order as we have it: from the journal, or UNKNOWN from a loan's slot."""

    order_no: str
    agreement_no: str
    state: OrderState
    amount: Money
    funder_amount: Money = ZERO
    trade_no: str = ""
    paid_at: datetime | None = None
    settled_by: str = ""

    @property
    def charged(self) -> Money:
        """What the borrower has paid by our own books."""
        return self.amount if self.state is OrderState.SUCCEEDED else ZERO


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """One finding: a bill row, an order, or both, in one bucket; `note` says what differs."""

    kind: Kind
    row: BillRow | None = None
    order: LocalOrder | None = None
    note: str = ""
    explained: bool = False

    @property
    def order_no(self) -> str:
        return self.row.order_no if self.row else self.order.order_no if self.order else ""

    @property
    def is_open(self) -> bool:
        return self.kind is not Kind.MATCHED and not self.explained

    @property
    def shows_unknown_paid(self) -> bool:
        """Whether the bill proves that an unknown order was paid, to the fen."""
        return self.kind is Kind.STATUS_DIFFERS and self.note == "unknown_here_paid_there"

    @property
    def shows_unknown_unpaid(self) -> bool:
        """Whether a complete bill does not show an unknown order as paid."""
        return (
            self.order is not None
            and self.order.state is OrderState.UNKNOWN
            and (self.row is None or self.row.status in NOT_PAID)
        )


def match(
    *,
    rows: Iterable[BillRow],
    orders: Iterable[LocalOrder],
    business_date: date,
    billed_elsewhere: Collection[str] = (),
) -> Iterator[Match]:
    """Put every row of a day's bill and every order of the day in exactly one bucket.

    Of several rows for one order the one that agrees with it is its row, else the first; the
    others are duplicates.  So is a row whose trade stands above it under another order.
    `billed_elsewhere` are orders of the day that another day's bill has shown and that match.
    """
    ours = {order.order_no: order for order in orders}
    trades: dict[str, str] = {}
    taken: set[str] = set()
    undecided: dict[str, Match] = {}
    for row in rows:
        order_no = row.order_no
        found = judge(row=row, order=ours.get(order_no), business_date=business_date)
        is_new_trade = trades.setdefault(row.trade_no, order_no) == order_no
        if not is_new_trade and found.kind is not Kind.MATCHED:
            found = replace(found, kind=Kind.DUPLICATE, note="trade_of_another_order")
        elif order_no in billed_elsewhere:
            found = replace(found, kind=Kind.DUPLICATE, note="billed_on_another_day_too")
        if order_no not in taken:
            taken.add(order_no)
            if found.kind is Kind.MATCHED:
                yield found
            else:
                undecided[order_no] = found
        elif found.kind is Kind.MATCHED and order_no in undecided:
            yield found
            yield _duplicate(undecided.pop(order_no).row)
        else:
            yield _duplicate(row)
    yield from undecided.values()
    for order in ours.values():
        if order.order_no not in taken:
            alone = judge(row=None, order=order, business_date=business_date)
            if order.order_no in billed_elsewhere and alone.is_open:
                alone = replace(alone, kind=Kind.CROSS_DAY, explained=True)
            yield alone


def judge(*, row: BillRow | None, order: LocalOrder | None, business_date: date) -> Match:
    """Compare one row with the order of its number; either may be missing."""
    if row is None:
        kind, note = _order_alone(order, business_date) if order else (Kind.MATCHED, "")
    elif order is None:
        day = day_of(row.order_no)
        is_foreign = day is not None and day != business_date
        kind, note = (Kind.CROSS_DAY if is_foreign else Kind.MISSING_HERE), ""
    else:
        kind, note = _both(row, order)
    return Match(kind=kind, row=row, order=order, note=note)


def _order_alone(order: LocalOrder, business_date: date) -> tuple[Kind, str]:
    match order.state:
        case OrderState.FAILED:
            return Kind.MATCHED, ""
        case OrderState.UNKNOWN:
            return Kind.STATUS_DIFFERS, "unknown_here_absent_there"
        case OrderState.SUCCEEDED if order.paid_at and paid_on(order.paid_at) != business_date:
            return Kind.CROSS_DAY, ""
        case OrderState.SUCCEEDED:
            return Kind.MISSING_THERE, ""


def _both(row: BillRow, order: LocalOrder) -> tuple[Kind, str]:
    """Compare; the gravest difference names the bucket."""
    if row.status != PAID:
        agreed = row.status in NOT_PAID and order.state is OrderState.FAILED
        return (Kind.MATCHED, "") if agreed else (Kind.STATUS_DIFFERS, "not_paid_there")
    if order.state is OrderState.FAILED:
        return Kind.STATUS_DIFFERS, "failed_here_paid_there"
    if row.amount != order.amount:
        return Kind.AMOUNT_DIFFERS, ""
    if row.agreement_no != order.agreement_no:
        return Kind.STATUS_DIFFERS, "agreement_no"
    if order.trade_no and row.trade_no != order.trade_no:
        return Kind.STATUS_DIFFERS, "trade_no"
    if order.state is OrderState.UNKNOWN:
        # That it was paid is certain, however it was split: posted, it is compared once more.
        return Kind.STATUS_DIFFERS, "unknown_here_paid_there"
    expected = (order.funder_amount, order.amount - order.funder_amount)
    if (row.funder_amount, row.platform_amount) != expected:
        return Kind.SPLIT_DIFFERS, "" if row.funder_amount else "not_split_there"
    return Kind.MATCHED, ""


def _duplicate(row: BillRow | None) -> Match:
    return Match(kind=Kind.DUPLICATE, row=row, note="row_again")


def paid_on(paid_at: datetime) -> date:
    """Return the day of a payment, in Shanghai."""
    return paid_at.astimezone(SHANGHAI).date()


def day_of(order_no: str) -> date | None:
    """Read the business date off an order number; None if it is not one of ours.

    >>> day_of("20261124-1-LN7"), day_of("REFUND-1")
    (datetime.date(2026, 11, 24), None)
    """
    try:
        return facts_of(order_no)[0]
    except IllegalOrderNumberError:
        return None


# --- control totals ---------------------------------------------------------------------


@dataclass(kw_only=True, slots=True)
class Account:
    """Counts findings as they pass, and keeps those that are not plain agreement."""

    there: dict[Kind, Tally] = field(default_factory=dict)
    here: dict[Kind, Tally] = field(default_factory=dict)
    findings: list[Match] = field(default_factory=list)

    def add(self, found: Match) -> None:
        """Count one finding."""
        if found.row:
            taken = Tally(count=1, amount=found.row.amount)
            self.there[found.kind] = self.there.get(found.kind, NONE) + taken
        if found.order:
            taken = Tally(count=1, amount=found.order.charged)
            self.here[found.kind] = self.here.get(found.kind, NONE) + taken
        if found.kind is not Kind.MATCHED:
            self.findings.append(found)

    def as_facts(self) -> Mapping[str, Any]:
        """Write every bucket as plain data; `here_fen` is what was charged by our books."""
        return {
            kind.value: {
                "rows": self.there.get(kind, NONE).count,
                "there_fen": self.there.get(kind, NONE).amount.fen,
                "orders": self.here.get(kind, NONE).count,
                "here_fen": self.here.get(kind, NONE).amount.fen,
            }
            for kind in BUCKETS
        }


def by_state(orders: Iterable[LocalOrder]) -> Mapping[str, Any]:
    """Count our orders by what became of them, with what was ordered."""
    tallies = dict.fromkeys(OrderState, NONE)
    for order in orders:
        tallies[order.state] += Tally(count=1, amount=order.amount)
    return {
        state.lower(): {"count": tally.count, "amount_fen": tally.amount.fen}
        for state, tally in tallies.items()
    }


def by_rule(orders: Iterable[LocalOrder]) -> Mapping[str, int]:
    """Count the orders that a rule has settled by the bill."""
    settled = [order.state for order in orders if order.settled_by == BY_THE_BILL]
    return {
        "post_what_the_bill_shows_paid": settled.count(OrderState.SUCCEEDED),
        "close_what_the_bill_does_not_show": settled.count(OrderState.FAILED),
    }
