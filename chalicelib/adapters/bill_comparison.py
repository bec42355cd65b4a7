"""Compare a bill with our orders in SQL: it finds what agrees, all else goes to the domain's `match`.

The text is what DuckDB and Athena have in common, over two tables, `bill` and `orders`; how they
came to be is for whoever asks.  What agrees is only counted: a row that is paid on the day itself,
and the order of its number, which succeeded, equal in all they share; and an order that failed
and has no row.  What differs leaves the engine, and whatever bears upon it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from re import fullmatch
from typing import Any, Protocol

from chalicelib.adapters.file_layouts import BILL
from chalicelib.domain.bill_account import RULES, Account, Orders, counted
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import (
    PAID,
    BillRow,
    LocalOrder,
    OrderState,
    match,
    paid_close_to,
)
from chalicelib.domain.run import Tally, sum_of, tally_of
from chalicelib.flows.file_ports import Fault, UnusableFileError
from chalicelib.flows.landing import Batch
from chalicelib.flows.reconciliation_ports import UntiedTotalsError, rows_of

DIFFERING_MAX = 200_000
"""More rows and orders that differ are no day's differences: it is another bill, or half a journal."""

NAMES_AT_ONCE = 2_000

BILL_COLUMNS = ", ".join(BILL.names)
ORDER_COLUMNS = (
    "order_no, agreement_no, state, amount_fen, funder_amount_fen, trade_no, paid_at, settled_by"
)

AGREES = f"""case
    when b.order_no is null then o.state = '{OrderState.FAILED}'
    else b.status = '{PAID}' and o.state = '{OrderState.SUCCEEDED}'
        and b.amount_fen = o.amount_fen
        and b.agreement_no = o.agreement_no
        and b.trade_no = o.trade_no
        and b.funder_amount_fen = o.funder_amount_fen
        and b.platform_amount_fen = o.amount_fen - o.funder_amount_fen
        and b.paid_at like '{{day}}T%+08:00'
    end"""

DIFFERING = ", ".join(
    (
        *(
            f"case when agrees then null else {name} end as {name}"
            for name in (*BILL.names, "here_no")
        ),
        "count(order_no) as row_count",
        "sum(amount_fen) as there_fen",
    )
)
LAID = " ".join(
    (
        "(select b.*, o.order_no as here_no,",
        AGREES,
        "as agrees from bill b full outer join orders o on b.order_no = o.order_no) laid group by",
        ", ".join(str(at + 1) for at in range(len(BILL.names) + 1)),
    )
)
"""Side by side, in groups, the orders in memory: of them fewer columns are needed.  Equal rows that differ are one, and all that agrees is one without a name."""

CONCERNED = """orders where order_no in (
        select here_no from differing where here_no is not null)
    or trade_no in (select trade_no from differing where trade_no is not null)"""
"""The orders that differ, and those whose trade stands in a row that does."""

TWICE = "bill group by order_no having count(*) > 1"


class Tables(Protocol):
    """Who answers a query: the words between select and from, and those after it."""

    def make(self, table: str, what: str, source: str) -> None:
        """Give a name to what a query finds."""

    def rows(self, what: str, source: str) -> Iterator[tuple[Any, ...]]:
        """Stream what a query finds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """What has left the engine: the rows and the orders that the domain is to judge."""

    rows: list[BillRow]
    orders: dict[str, LocalOrder]


def compare(
    *,
    tables: Tables,
    batch: Batch[BillRow],
    streamed: Orders,
    business_date: date,
    billed_elsewhere: Collection[str],
) -> Account:
    """Compare; see `BillMatcher`.  `streamed` was counted on the orders' way into their table."""
    tables.make("differing", DIFFERING, LAID.format(day=business_date.isoformat()))
    whole, rows, here_nos = _differing(tables)
    if whole != Tally(count=batch.rows, amount=batch.amount):
        raise UntiedTotalsError(f"{batch.key}: {whole} were read of the bill")
    orders = _totals(tables)
    if orders != streamed + Orders():
        raise UntiedTotalsError(f"{batch.key}: {orders} were read of the journal")
    _check_days(rows, batch)
    concerned = {order.order_no: order for order in _orders(tables, CONCERNED)}
    differing = _Side(rows=rows, orders={no: concerned[no] for no in here_nos})
    names = concerned.keys() - here_nos | set(billed_elsewhere)
    if _are_several(whole - _tally(rows), orders - counted(differing.orders.values())):
        names |= {order_no for (order_no,) in tables.rows("order_no", TWICE)}
    judged = _with_named(differing, names, tables)
    agreed_there = whole - _tally(judged.rows)
    agreed = orders - counted(judged.orders.values())
    _check_agreed(agreed_there, agreed, batch)
    account = Account(agreed_there=agreed_there, agreed_here=agreed.moved, orders=orders)
    return account.with_findings(
        match(
            rows=judged.rows,
            orders=judged.orders.values(),
            business_date=business_date,
            billed_elsewhere=billed_elsewhere,
        )
    )


def _differing(tables: Tables) -> tuple[Tally, list[BillRow], set[str]]:
    """Read what differs, rows and the numbers of orders, and count the whole bill on the way."""
    count, fen, rows, here_nos = 0, 0, list[BillRow](), set[str]()
    found = tables.rows(f"{BILL_COLUMNS}, here_no, row_count, there_fen", "differing")
    for number, (*cells, here_no, row_count, there_fen) in enumerate(found):
        if number > DIFFERING_MAX:
            reason = f"more than {DIFFERING_MAX} rows or orders differ"
            raise UnusableFileError(Fault(reason=reason))
        count, fen = count + row_count, fen + int(there_fen or 0)
        if cells[0] is not None:
            rows += [_row(cells)] * row_count
        if here_no is not None:
            here_nos.add(here_no)
    return Tally(count=count, amount=Money(fen)), rows, here_nos


def _totals(tables: Tables) -> Orders:
    totals = Orders() + Orders()
    for state, settled_by, count, fen in tables.rows(
        "state, settled_by, count(*), sum(amount_fen)", "orders group by state, settled_by"
    ):
        totals += Orders(
            by_state={OrderState(state): Tally(count=count, amount=Money(int(fen)))},
            settled={settled_by: count} if settled_by in RULES else {},
        )
    return totals


def _check_days(rows: Iterable[BillRow], batch: Batch[BillRow]) -> None:
    """Leave a bill with a row of another day to the row reader: it names the lines."""
    if all(paid_close_to(row.paid_at, batch.business_date) for row in rows):
        return
    for _ in rows_of(batch):
        pass
    raise UntiedTotalsError(f"{batch.key}: rows of another day were read, and there are none")


def _are_several(agreed_there: Tally, agreed: Orders) -> bool:
    """Whether more rows agree than orders: some order has another row beside the one that agrees."""
    return agreed_there.count > agreed.by_state[OrderState.SUCCEEDED].count


def _check_agreed(agreed_there: Tally, agreed: Orders, batch: Batch[BillRow]) -> None:
    """Hold what agrees on either side against each other: it must be the same, to the fen."""
    alone = sum_of(
        tally for state, tally in agreed.by_state.items() if state is not OrderState.FAILED
    )
    if not agreed_there == alone == agreed.by_state[OrderState.SUCCEEDED]:
        raise UntiedTotalsError(f"{batch.key}: {agreed_there} of the bill agree, {agreed} of ours")


def _with_named(differing: _Side, names: Collection[str], tables: Tables) -> _Side:
    """Add what agrees for itself and is concerned all the same, with all the rows it has."""
    if not names:
        return differing
    rows = [row for row in differing.rows if row.order_no not in names]
    orders = dict(differing.orders)
    for some in _listed(names):
        rows += [
            _row(cells) for cells in tables.rows(BILL_COLUMNS, f"bill where order_no in ({some})")
        ]
        found = _orders(tables, f"orders where order_no in ({some})")
        orders |= {order.order_no: order for order in found}
    return _Side(rows=rows, orders=orders)


def _listed(names: Collection[str]) -> Iterator[str]:
    """List names as SQL does, a few at a time.

    >>> list(_listed({"A-2", "A-1"}))
    ["'A-1', 'A-2'"]

    :raises UntiedTotalsError: if one is no name of a bill.
    """
    ordered = sorted(names)
    if odd := [name for name in ordered if not fullmatch(r"[A-Za-z0-9_-]{1,64}", name)]:
        raise UntiedTotalsError(f"{len(odd)} order numbers cannot stand in a bill")
    for start in range(0, len(ordered), NAMES_AT_ONCE):
        yield ", ".join(f"'{name}'" for name in ordered[start : start + NAMES_AT_ONCE])


# --- records ----------------------------------------------------------------------------


def _tally(rows: Iterable[BillRow]) -> Tally:
    return tally_of(row.amount for row in rows)


def _row(cells: Iterable[Any]) -> BillRow:
    trade_no, order_no, agreement_no, amount, funder, platform, status, paid_at = cells
    return BillRow(
        trade_no=trade_no,
        order_no=order_no,
        agreement_no=agreement_no,
        amount=Money(amount),
        funder_amount=Money(funder),
        platform_amount=Money(platform),
        status=status,
        paid_at=datetime.fromisoformat(paid_at),
    )


def _orders(tables: Tables, source: str) -> Iterator[LocalOrder]:
    for order_no, agreement_no, state, amount, funder, trade_no, paid_at, settled_by in tables.rows(
        ORDER_COLUMNS, source
    ):
        yield LocalOrder(
            order_no=order_no,
            agreement_no=agreement_no,
            state=OrderState(state),
            amount=Money(amount),
            funder_amount=Money(funder),
            trade_no=trade_no,
            paid_at=datetime.fromisoformat(paid_at) if paid_at else None,
            settled_by=settled_by,
        )
