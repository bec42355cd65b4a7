"""Days of bills and orders, small and large, for whoever can compare them."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from chalicelib.adapters import file_writer
from chalicelib.adapters.bill_matching import InTheEngine
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat, Dialect
from chalicelib.adapters.file_layouts import BILL
from chalicelib.domain.money import Money, total
from chalicelib.domain.reconciliation import BillRow, LocalOrder, OrderState
from chalicelib.flows.landing import Batch
from chalicelib.flows.reconciliation_ports import BillMatcher, DayOrders, RowByRow
from tests.builders import TODAY, at

KEY = "in/payment/main/bill/20261124/bill_v1.csv"


def a_row(number: int, **changes: object) -> BillRow:
    """Make the row of one order of the day; one that is told only an amount has all of it ours."""
    amount = changes.get("amount", Money(100_00 + number))
    funder = changes.get("funder_amount", Money(0))
    told = {
        "trade_no": f"T{number:08}",
        "order_no": order_no(number),
        "agreement_no": f"AG{number:08}",
        "amount": amount,
        "funder_amount": funder,
        "platform_amount": amount - funder,
        "status": "SUCCEEDED",
        "paid_at": at(9),
    }
    return BillRow(**(told | changes))


def an_order(number: int, **changes: object) -> LocalOrder:
    told = {
        "order_no": order_no(number),
        "agreement_no": f"AG{number:08}",
        "state": OrderState.SUCCEEDED,
        "amount": Money(100_00 + number),
        "trade_no": f"T{number:08}",
        "paid_at": at(9),
    }
    return LocalOrder(**(told | changes))


def order_no(number: int, day: date = TODAY) -> str:
    return f"{day:%Y%m%d}-1-LN{number:08}"


def a_batch(rows: Sequence[BillRow], dialect: Dialect = DEFAULT) -> Batch[BillRow]:
    """Make a bill that has landed."""
    form = CsvFormat(layout=BILL, dialect=dialect)
    body = file_writer.write(rows, layout=BILL, dialect=dialect).body
    return Batch(
        key=KEY,
        sha256=hashlib.sha256(body).hexdigest(),
        business_date=TODAY,
        version=1,
        rows=len(rows),
        amount=total(row.amount for row in rows),
        lines=lambda: form.lines([body]),
        opened=lambda: iter([body]),
    )


def day_orders(orders: Iterable[LocalOrder], *, parts: int = 3) -> DayOrders:
    """Lay orders into parts, those without an end beside them."""
    orders = list(orders)
    ended = [order for order in orders if order.state is not OrderState.UNKNOWN]
    return DayOrders(
        known={order.order_no: order for order in orders if order.state is OrderState.UNKNOWN},
        parts=[lambda at=at: iter(ended[at::parts]) for at in range(parts)],
    )


def compared(matcher: BillMatcher, rows, orders, *, elsewhere=(), dialect=DEFAULT, parts=3):
    return matcher.compare(
        batch=a_batch(rows, dialect),
        orders=day_orders(orders, parts=parts),
        business_date=TODAY,
        billed_elsewhere=elsewhere,
    )


def in_the_engine(dialect: Dialect = DEFAULT) -> InTheEngine:
    return InTheEngine(form=CsvFormat(layout=BILL, dialect=dialect), memory_max="350MB")


ROW_BY_ROW = RowByRow()
