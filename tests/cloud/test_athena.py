"""The same files, compared by DuckDB and by Athena: the same account."""

from dataclasses import replace
from functools import partial
from time import sleep

import pytest

from chalicelib.adapters.bill_athena import InAthena, QueryFailedError
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import OrderState
from tests.bill_days import ROW_BY_ROW, a_row, an_order, compared, in_the_engine, order_no
from tests.builders import TODAY
from tests.unit.test_bill_golden import a_golden_day, plant


@pytest.fixture(scope="module")
def athena(cloud):
    """The one that the deployed functions are wired with, with a shorter pause."""
    from chalicelib import wiring, wiring_bills
    from chalicelib.settings import settings

    settings.cache_clear()
    *_, (_, found) = wiring_bills.matcher(wiring.client).matchers
    assert isinstance(found, InAthena)
    return replace(found, pause=partial(sleep, 0.05))


def test_a_golden_bill(athena):
    rows, orders = a_golden_day()
    expected = plant(rows, orders)
    account = compared(athena, rows, orders)

    assert account == compared(in_the_engine(), rows, orders) == compared(ROW_BY_ROW, rows, orders)
    assert {(f.order_no, f.kind, f.note) for f in account.findings} == expected


def test_a_day_with_unknown_orders_refunds_and_a_row_that_another_day_has_shown(athena):
    rows = [a_row(n) for n in range(8)]
    orders = [an_order(n) for n in range(1, 9)]
    orders[2] = replace(orders[2], state=OrderState.UNKNOWN, trade_no="", paid_at=None)
    orders[3] = replace(orders[3], settled_by="bill")
    rows.append(a_row(20, order_no="20261120-1-LN7-R", status="REFUNDED", amount=Money(5)))
    elsewhere = {order_no(1), order_no(8)}
    account = compared(athena, rows, orders, elsewhere=elsewhere)

    assert account == compared(ROW_BY_ROW, rows, orders, elsewhere=elsewhere)
    assert len(account.findings) == 5


def test_an_empty_day(athena):
    assert compared(athena, [], []) == compared(ROW_BY_ROW, [], [])


def test_a_query_that_fails_concludes_nothing(athena):
    with pytest.raises(QueryFailedError, match=f"{TODAY:%Y%m%d}"):
        compared(replace(athena, database="nowhere"), [a_row(1)], [an_order(1)])
