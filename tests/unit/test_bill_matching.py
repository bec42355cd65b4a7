"""A bill and our orders, compared in the engine and row by row: the same account, to the last note."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters import bill_comparison, file_engine
from chalicelib.adapters.file_dialects import Dialect
from chalicelib.domain.bill_account import account_of
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind, OrderState
from chalicelib.domain.run import Tally, sum_of
from chalicelib.flows.file_ports import UnusableFileError
from chalicelib.flows.reconciliation_ports import (
    BySize,
    DayOrders,
    RowByRow,
    TooLargeError,
    UntiedTotalsError,
)
from tests.bill_days import (
    ROW_BY_ROW,
    a_batch,
    a_row,
    an_order,
    compared,
    day_orders,
    in_the_engine,
    order_no,
)
from tests.builders import TODAY, at

YESTERDAY = TODAY - timedelta(days=1)
numbers = st.integers(0, 5)
amounts = st.integers(1, 3).map(Money)


@st.composite
def rows_of_a_day(draw):
    """Draw rows that agree with their orders, and rows with every kind of defect."""
    made = []
    for number in draw(st.lists(numbers, max_size=9)):
        row = a_row(number, amount=Money(2), funder_amount=Money(1))
        if draw(st.booleans()):
            row = replace(
                row,
                trade_no=draw(
                    st.sampled_from([row.trade_no, *(a_row(n).trade_no for n in range(3))])
                ),
                amount=draw(amounts),
                funder_amount=draw(st.integers(0, 1).map(Money)),
                status=draw(st.sampled_from(["SUCCEEDED", "FAILED", "REFUNDED", "REVERSED"])),
                agreement_no=draw(st.sampled_from([row.agreement_no, "AG"])),
                order_no=draw(
                    st.sampled_from([row.order_no, order_no(number, YESTERDAY), "X", "R-1"])
                ),
                paid_at=draw(st.sampled_from([at(9), at(0), at(23, 59) + timedelta(minutes=2)])),
            )
        made.append(row)
    return made


@st.composite
def orders_of_a_day(draw):
    made = []
    for number in draw(st.sets(numbers)):
        order = an_order(number, amount=Money(2), funder_amount=Money(1))
        if draw(st.booleans()):
            order = replace(
                order,
                state=draw(st.sampled_from(OrderState)),
                amount=draw(amounts),
                trade_no=draw(st.sampled_from([order.trade_no, "", "T9", "T00000002"])),
                settled_by=draw(st.sampled_from(["", "bill", "bill_absence", "platform"])),
                paid_at=draw(st.sampled_from([None, at(9), at(9) + timedelta(days=1)])),
            )
        made.append(order)
    return made


elsewhere_of_a_day = st.sets(numbers.map(order_no), max_size=2)


class TestTheEngine:
    @given(rows_of_a_day(), orders_of_a_day(), elsewhere_of_a_day, st.integers(1, 3))
    @settings(max_examples=80, deadline=None)
    def test_comes_to_the_same_account_as_row_by_row(self, rows, orders, elsewhere, parts):
        expected = compared(ROW_BY_ROW, rows, orders, elsewhere=elsewhere)

        assert compared(in_the_engine(), rows, orders, elsewhere=elsewhere, parts=parts) == expected
        assert sum_of(expected.here.values()) == expected.orders.moved

    def test_reads_a_bill_in_whatever_dialect(self):
        dialect = Dialect(encoding="gb18030", separator="|", amount_unit="yuan", value_prefix="`")
        rows = [a_row(number) for number in range(20)]
        orders = [an_order(number) for number in range(1, 21)]
        expected = account_of(rows=rows, orders=orders, business_date=TODAY)

        assert compared(in_the_engine(dialect), rows, orders, dialect=dialect) == expected
        assert {found.kind for found in expected.findings} == {
            Kind.MISSING_HERE,
            Kind.MISSING_THERE,
        }

    def test_knows_a_trade_of_an_order_that_agrees_under_another_order(self):
        rows = [a_row(1), a_row(2), a_row(9, trade_no=a_row(1).trade_no)]
        account = compared(in_the_engine(), rows, [an_order(1), an_order(2)])

        assert [(f.order_no, f.kind, f.note) for f in account.findings] == [
            (order_no(9), Kind.DUPLICATE, "trade_of_another_order")
        ]
        assert account.agreed_there.count == 2

    def test_leaves_a_bill_with_rows_of_another_day_alone(self):
        rows = [a_row(number) for number in range(20)]
        rows[7] = a_row(7, paid_at=at(9) - timedelta(days=1))
        with pytest.raises(UnusableFileError) as told:
            compared(in_the_engine(), rows, [])

        assert [(fault.line, fault.column) for fault in told.value.faults] == [(9, "paid_at")]

    @pytest.mark.parametrize("lost", ["row", "order"])
    def test_concludes_nothing_from_a_side_that_was_not_read_whole(self, lost, monkeypatch):
        rows, orders = [a_row(n) for n in range(9)], [an_order(n) for n in range(9)]
        batch = a_batch(rows)
        if lost == "row":
            batch = replace(batch, rows=10)
        else:
            load = file_engine.Engine.see_parquet
            monkeypatch.setattr(
                file_engine.Engine,
                "see_parquet",
                lambda found, table, paths: load(found, table, paths[1:]),
            )
        with pytest.raises(UntiedTotalsError, match="read of"):
            in_the_engine().compare(
                batch=batch,
                orders=day_orders(orders),
                business_date=TODAY,
                billed_elsewhere=(),
            )

    def test_takes_a_bill_of_which_too_much_differs_for_another_days(self, monkeypatch):
        monkeypatch.setattr(bill_comparison, "DIFFERING_MAX", 5)
        with pytest.raises(UnusableFileError, match="more than 5 rows or orders differ"):
            compared(in_the_engine(), [a_row(number) for number in range(9)], [])

    def test_gives_up_where_it_fails(self):
        starved = replace(in_the_engine(), memory_max="1KB")
        with pytest.raises(TooLargeError):
            compared(starved, [a_row(1)], [an_order(1)])


class TestBySize:
    def test_lets_the_first_compare_that_is_made_for_so_many_rows(self):
        rows, orders = [a_row(1), a_row(2)], [an_order(1), an_order(2)]
        expected = compared(ROW_BY_ROW, rows, orders)

        assert compared(BySize(matchers=[(1, None), (2, ROW_BY_ROW)]), rows, orders) == expected
        few = RowByRow(orders_max=1)
        assert compared(BySize(matchers=[(2, few), (2, in_the_engine())]), rows, orders) == expected
        with pytest.raises(TooLargeError):
            compared(BySize(matchers=[(2, few)]), rows, orders)


class TestAnAccount:
    @given(rows_of_a_day(), orders_of_a_day(), elsewhere_of_a_day, st.randoms())
    def test_does_not_depend_on_the_order_of_rows_and_orders(self, rows, orders, elsewhere, chance):
        expected = compared(ROW_BY_ROW, rows, orders, elsewhere=elsewhere)
        chance.shuffle(rows)
        chance.shuffle(orders)

        assert compared(ROW_BY_ROW, rows, orders, elsewhere=elsewhere) == expected

    @given(rows_of_a_day(), orders_of_a_day(), st.integers(1, 4), st.integers(1, 4))
    def test_does_not_depend_on_the_split_into_parts(self, rows, orders, one, other):
        assert compared(ROW_BY_ROW, rows, orders, parts=one) == compared(
            ROW_BY_ROW, rows, orders, parts=other
        )

    @given(rows_of_a_day(), orders_of_a_day(), elsewhere_of_a_day)
    def test_has_every_row_and_every_order_in_exactly_one_bucket(self, rows, orders, elsewhere):
        account = compared(ROW_BY_ROW, rows, orders, elsewhere=elsewhere)

        assert sum_of(account.there.values()) == sum_of(
            Tally(count=1, amount=row.amount) for row in rows
        )
        assert sum_of(account.here.values()) == sum_of(
            Tally(count=1, amount=order.moved) for order in orders
        )
        left = Counter(found.row for found in account.findings if found.row)
        assert left <= Counter(rows)

    @given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 2)), max_size=8))
    @settings(max_examples=25, deadline=None)
    def test_is_symmetric(self, day):
        """Turn the two sides around, and what was missing here is missing there."""

        def account(*, turned: bool):
            rows = [
                a_row(n, amount=Money(fen if turned else 1))
                for n, (here, there, fen) in enumerate(day)
                if (here if turned else there)
            ]
            orders = [
                an_order(n, amount=Money(1 if turned else fen))
                for n, (here, there, fen) in enumerate(day)
                if (there if turned else here)
            ]
            return compared(in_the_engine(), rows, orders)

        one, other = account(turned=False), account(turned=True)
        turned = {
            Kind.MISSING_HERE: Kind.MISSING_THERE,
            Kind.MISSING_THERE: Kind.MISSING_HERE,
        }

        assert one.agreed_there == other.agreed_here
        assert {(f.order_no, f.kind) for f in one.findings} == {
            (f.order_no, turned.get(f.kind, f.kind)) for f in other.findings
        }

    @given(rows_of_a_day(), orders_of_a_day(), st.data())
    def test_judges_an_order_again_as_if_it_had_been_so_from_the_start(self, rows, orders, data):
        """Where no trade stands under two orders, for then its rows bear upon each other."""
        rows = [replace(row, trade_no=f"T-{row.order_no}") for row in rows]
        orders = [replace(order, trade_no="") for order in orders]
        unknown = [order for order in orders if order.state is OrderState.UNKNOWN]
        before = compared(ROW_BY_ROW, rows, orders)
        found = {f.order_no for f in before.findings}
        settled = [
            replace(order, state=data.draw(st.sampled_from(OrderState)), settled_by="bill")
            for order in unknown
            if order.order_no in found
        ]
        now = {order.order_no: order for order in [*orders, *settled]}

        assert before.judged_again(orders=settled, business_date=TODAY) == compared(
            ROW_BY_ROW, rows, now.values()
        )


def test_of_an_order_that_has_ended_meanwhile_the_journal_has_the_last_word():
    ended = an_order(1)
    unknown = replace(ended, state=OrderState.UNKNOWN, trade_no="")
    orders = DayOrders(known={ended.order_no: unknown}, parts=[lambda: iter([ended])])

    assert list(orders) == [ended]
    for matcher in (ROW_BY_ROW, in_the_engine()):
        account = matcher.compare(
            batch=a_batch([a_row(1)]), orders=orders, business_date=TODAY, billed_elsewhere=()
        )
        assert (account.findings, account.orders.by_state[OrderState.UNKNOWN].count) == ((), 0)


class TestRefundsAndReversals:
    """Money that went back stands in the bill of the day it went, under a number of its own."""

    REFUND = {"order_no": "20261120-1-LN7-R", "trade_no": "TR7", "agreement_no": "AG-LN7"}

    def found(self, rows, orders):
        return {(f.kind, f.note) for f in compared(in_the_engine(), rows, orders).findings}

    def test_a_refund_of_ours_that_the_bill_shows_agrees(self):
        row = a_row(7, **self.REFUND, status="REFUNDED", amount=Money(5))
        refund = an_order(
            7, **(self.REFUND | {"agreement_no": ""}), state=OrderState.REFUNDED, amount=Money(5)
        )

        assert self.found([row], [refund]) == set()
        assert self.found([row], [replace(refund, amount=Money(4))]) == {(Kind.AMOUNT_DIFFERS, "")}
        assert self.found([], [refund]) == {(Kind.MISSING_THERE, "")}
        assert self.found([row], []) == {(Kind.MISSING_HERE, "refunded_there")}

    def test_a_charge_that_the_bank_took_back_is_no_success(self):
        row = a_row(1, status="REVERSED")

        assert self.found([row], [an_order(1)]) == {(Kind.STATUS_DIFFERS, "reversed_there")}

    def test_an_order_of_ours_under_a_refunds_row_differs(self):
        row = a_row(1, status="REFUNDED")

        assert self.found([row], [an_order(1)]) == {(Kind.STATUS_DIFFERS, "refunded_there")}
