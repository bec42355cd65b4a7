"""Matching a bill with the journal, against a plain join over a dict."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.stopwatch import race, seconds
from bench.table import Line, timed
from chalicelib.domain.bill_account import account_of
from chalicelib.domain.deduction import order_no_of
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.reconciliation import PAID, BillRow, LocalOrder, OrderState, match
from tests.builders import TODAY, at

TITLE = "match a bill (reconciliation.match)"
ROWS = 20_000
TURNS = 7
STRAY_IN = 100
"""Of so many orders one is missing here and another there, and one differs in its amount."""


def measure() -> Iterator[Line]:
    """Match the same two sides both ways, and once more with the buckets counted."""
    rows, orders = _two_sides()
    join = partial(_a_row, partial(_join, rows, orders))
    for what, work in (("match", _match), ("match and count the buckets", _account)):
        yield timed(
            what=f"  {what}, a row of {ROWS:,}",
            race=race(ours=partial(_a_row, partial(work, rows, orders)), peer=join, turns=TURNS),
            peer_is="dict join: order found, amount equal",
        )


def _a_row(work: Callable[[], object]) -> float:
    return seconds(work) / ROWS


def _match(rows: Sequence[BillRow], orders: Sequence[LocalOrder]) -> None:
    deque(match(rows=rows, orders=orders, business_date=TODAY), maxlen=0)


def _account(rows: Sequence[BillRow], orders: Sequence[LocalOrder]) -> None:
    _ = account_of(rows=rows, orders=orders, business_date=TODAY).there


def _join(rows: Sequence[BillRow], orders: Sequence[LocalOrder]) -> tuple[int, int]:
    """Join by order number; return how many agree and how many are left over here."""
    ours = {order.order_no: order for order in orders}
    agreed = 0
    for row in rows:
        order = ours.pop(row.order_no, None)
        if order and row.amount == order.amount:
            agreed += 1
    return agreed, len(ours)


def _two_sides() -> tuple[Sequence[BillRow], Sequence[LocalOrder]]:
    rows, orders = [], []
    for number in range(ROWS):
        stray = number % STRAY_IN
        order = _order(number)
        rows.append(_row(order, amount=order.amount + Money(int(stray == 2))))
        orders.append(_order(ROWS + number) if stray == 1 else order)
    return rows, orders


def _order(number: int) -> LocalOrder:
    return LocalOrder(
        order_no=order_no_of(business_date=TODAY, round_no=1, loan_id=f"LN{number:08}"),
        agreement_no=f"AG{number:08}",
        state=OrderState.SUCCEEDED,
        amount=Money(1_000_00 + number),
        trade_no=f"T{number:08}",
        paid_at=at(9),
    )


def _row(order: LocalOrder, *, amount: Money) -> BillRow:
    return BillRow(
        trade_no=order.trade_no,
        order_no=order.order_no,
        agreement_no=order.agreement_no,
        amount=amount,
        funder_amount=ZERO,
        platform_amount=amount,
        status=PAID,
        paid_at=at(9),
    )
