"""Lay the payment platform's bill beside our journal: every row and every order in one bucket.

`match` is what the buckets mean.  Whoever can join two tables may find what agrees beyond doubt
by himself, and leave the rest to it: the account is the same.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from operator import attrgetter

from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.quiet_hours import SHANGHAI

PAID = "SUCCEEDED"
REFUNDED = "REFUNDED"
REVERSED = "REVERSED"
NOT_PAID = frozenset(("FAILED", "CLOSED"))
CLOCKS_DIFFER = timedelta(minutes=5)


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
    """What we know of an order; REFUNDED is money that we gave back, under a number of its own."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    REFUNDED = "REFUNDED"


MOVED = frozenset((OrderState.SUCCEEDED, OrderState.REFUNDED))
"""Money has moved, in or out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalOrder:
    """One order as we have it: from the journal, or UNKNOWN from a loan's slot; or a refund."""

    order_no: str
    agreement_no: str
    state: OrderState
    amount: Money
    funder_amount: Money = ZERO
    trade_no: str = ""
    paid_at: datetime | None = None
    settled_by: str = ""

    @property
    def moved(self) -> Money:
        """What was paid, or given back, by our own books."""
        return self.amount if self.state in MOVED else ZERO


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

    In whatever order the rows come.  Of several rows for one order the one that agrees with it is
    its row, the others are duplicates.  A trade under several orders is that of the one that
    agrees, the rows under the others are duplicates, too.  Where none agrees, the least is taken.
    `billed_elsewhere` are orders of the day that another day's bill has shown and that match.
    """
    ours = {order.order_no: order for order in orders}
    judged = [
        judge(row=row, order=ours.get(row.order_no), business_date=business_date) for row in rows
    ]
    owner = _owners(judged)
    by_order: dict[str, list[Match]] = {}
    for found in judged:
        told = _told_twice(found, owner=owner, billed_elsewhere=billed_elsewhere)
        by_order.setdefault(found.order_no, []).append(told)
    for group in by_order.values():
        its_own = min(group, key=_rank)
        yield its_own
        others = list(group)
        others.remove(its_own)
        yield from (Match(kind=Kind.DUPLICATE, row=each.row, note="row_again") for each in others)
    for order in ours.values():
        if order.order_no not in by_order:
            alone = judge(row=None, order=order, business_date=business_date)
            if order.order_no in billed_elsewhere and alone.is_open:
                alone = replace(alone, kind=Kind.CROSS_DAY, explained=True)
            yield alone


def _owners(judged: Iterable[Match]) -> Mapping[str, str]:
    """Say of each trade under which order it counts."""
    owner: dict[str, tuple[bool, str]] = {}
    for found in judged:
        if found.row:
            claim = found.kind is not Kind.MATCHED, found.row.order_no
            owner[found.row.trade_no] = min(owner.get(found.row.trade_no, claim), claim)
    return {trade_no: order_no for trade_no, (_, order_no) in owner.items()}


def _told_twice(
    found: Match, *, owner: Mapping[str, str], billed_elsewhere: Collection[str]
) -> Match:
    """Call a row a duplicate whose trade is another order's, or whose order another day has billed."""
    is_others = found.row is not None and owner[found.row.trade_no] != found.order_no
    if is_others and found.kind is not Kind.MATCHED:
        return replace(found, kind=Kind.DUPLICATE, note="trade_of_another_order")
    if found.order_no in billed_elsewhere:
        return replace(found, kind=Kind.DUPLICATE, note="billed_on_another_day_too")
    return found


def _rank(found: Match) -> tuple[object, ...]:
    """Order the rows of one order: what agrees first, a duplicate last, equals by all they say."""
    return found.kind is not Kind.MATCHED, found.kind is Kind.DUPLICATE, values_of(found.row)


def values_of(row: BillRow | None) -> tuple[object, ...]:
    """Give all that a row says, in the order of its columns; nothing of none."""
    return _VALUES(row) if row else ()


def judge(*, row: BillRow | None, order: LocalOrder | None, business_date: date) -> Match:
    """Compare one row with the order of its number; either may be missing."""
    if row is None:
        kind, note = _order_alone(order, business_date) if order else (Kind.MATCHED, "")
    elif order is None:
        day = day_of(row.order_no)
        is_foreign = day is not None and day != business_date
        kind, note = (Kind.CROSS_DAY if is_foreign else Kind.MISSING_HERE), ""
        if row.status == REFUNDED:
            # A refund is of the day it was made on, whatever day its order was of.
            kind, note = Kind.MISSING_HERE, "refunded_there"
    elif REFUNDED in {row.status, order.state}:
        kind, note = _refund(row, order)
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
        case OrderState.SUCCEEDED | OrderState.REFUNDED:
            return Kind.MISSING_THERE, ""


def _refund(row: BillRow, order: LocalOrder) -> tuple[Kind, str]:
    """Compare where either side says that money went back."""
    if row.status != order.state:
        return Kind.STATUS_DIFFERS, "refunded_there" if row.status == REFUNDED else ""
    return Kind.MATCHED if row.amount == order.amount else Kind.AMOUNT_DIFFERS, ""


def _both(row: BillRow, order: LocalOrder) -> tuple[Kind, str]:
    """Compare; the gravest difference names the bucket."""
    if row.status != PAID:
        agreed = row.status in NOT_PAID and order.state is OrderState.FAILED
        note = "reversed_there" if row.status == REVERSED else "not_paid_there"
        return (Kind.MATCHED, "") if agreed else (Kind.STATUS_DIFFERS, note)
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


_VALUES: Callable[[BillRow], tuple[object, ...]] = attrgetter(
    *(column.name for column in fields(BillRow))
)


def paid_on(paid_at: datetime) -> date:
    """Return the day of a payment, in Shanghai."""
    return paid_at.astimezone(SHANGHAI).date()


def paid_close_to(paid_at: datetime, business_date: date) -> bool:
    """Whether a payment is of this day; at its edges, for clocks differ, the neighbour's will do."""
    return business_date in {paid_on(paid_at - CLOCKS_DIFFER), paid_on(paid_at + CLOCKS_DIFFER)}


def day_of(order_no: str) -> date | None:
    """Read the business date off an order number; None if it is not one of ours.

    >>> day_of("20261124-1-LN7"), day_of("REFUND-1")
    (datetime.date(2026, 11, 24), None)
    """
    try:
        return facts_of(order_no)[0]
    except IllegalOrderNumberError:
        return None
