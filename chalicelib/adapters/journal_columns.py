"""A day's orders in columns: the journal's parts are streamed side by side into Parquet files.

What stands in them is what a bill has of an order, and no more of anybody.
"""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from threading import Lock

from chalicelib.adapters.file_engine import Engine
from chalicelib.domain.bill_account import Orders, counted
from chalicelib.domain.reconciliation import LocalOrder
from chalicelib.flows.reconciliation_ports import DayOrders, Part

COLUMNS = {
    "order_no": "VARCHAR",
    "agreement_no": "VARCHAR",
    "state": "VARCHAR",
    "amount_fen": "BIGINT",
    "funder_amount_fen": "BIGINT",
    "trade_no": "VARCHAR",
    "paid_at": "VARCHAR",
    "settled_by": "VARCHAR",
}
ORDERS_AT_ONCE = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """The files, and what was counted of the orders on their way into them."""

    paths: Sequence[Path]
    orders: Orders


def spool(orders: DayOrders, found: Engine) -> Columns:
    """Write a day's orders, a file for each part of the journal and one for those known besides.

    Of an order that has ended meanwhile the journal has the last word.
    """
    left, writes = dict(orders.known), Lock()

    def part(number: int, source: Part) -> Orders:
        def without_known() -> Iterator[LocalOrder]:
            for order in source():
                left.pop(order.order_no, None)
                yield order

        return _write(without_known(), number=number, found=found, writes=writes)

    with ThreadPoolExecutor(max(1, len(orders.parts))) as pool:
        told = list(pool.map(part, range(len(orders.parts)), orders.parts))
    last = len(orders.parts)
    told.append(_write(iter(left.values()), number=last, found=found, writes=writes))
    return Columns(
        paths=[found.path(_name(number)) for number in range(last + 1)],
        orders=reduce(add, told, Orders()),
    )


def _name(number: int) -> str:
    return f"shard-{number}.parquet"


def _write(orders: Iterator[LocalOrder], *, number: int, found: Engine, writes: Lock) -> Orders:
    """Write one part; the engine turns lines into columns, one part at a time."""
    told, lines = Orders(), found.path(f"shard-{number}.csv")
    with lines.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        while some := [order for _, order in zip(range(ORDERS_AT_ONCE), orders, strict=False)]:
            told += counted(some)
            writer.writerows(map(_cells, some))
    with writes:
        table = f"shard_{number}"
        found.see_csv(table, lines, COLUMNS, quote='"')
        found.write_parquet(found.path(_name(number)), table)
    lines.unlink()
    return told


def _cells(order: LocalOrder) -> tuple[object, ...]:
    return (
        order.order_no,
        order.agreement_no,
        order.state.value,
        order.amount.fen,
        order.funder_amount.fen,
        order.trade_no,
        order.paid_at.isoformat() if order.paid_at else "",
        order.settled_by,
    )
