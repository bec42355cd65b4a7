"""A bill of ten thousand rows with twelve planted defects: each in its class, and nothing else."""

import json
from dataclasses import replace
from random import Random  # noqa: TID251  seeded

import pytest

from chalicelib.adapters import file_writer
from chalicelib.adapters.file_layouts import BILL
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind, OrderState
from chalicelib.domain.run import sum_of, tally_of
from chalicelib.flows.landing import Outcome
from tests.bill_days import ROW_BY_ROW, a_row, an_order, compared, in_the_engine, order_no
from tests.builders import TODAY, at
from tests.fakes_files import (
    BILL_KEY,
    TOMORROW_AT_TEN,
    a_bill_row,
    a_file,
    a_manifest,
    a_worked_day,
)

ROWS = 10_000
YESTERDAY = TODAY.replace(day=23)
FUNDER = Money(30_00)


def a_golden_day():
    """Make both sides agree: two thirds of the orders are split, every tenth more has failed."""
    rows = [a_row(n, funder_amount=FUNDER if n % 3 else Money(0)) for n in range(ROWS)]
    orders = [an_order(n, funder_amount=FUNDER if n % 3 else Money(0)) for n in range(ROWS)]
    orders += [
        an_order(n, state=OrderState.FAILED, trade_no="", paid_at=None)
        for n in range(ROWS, ROWS + ROWS // 10)
    ]
    return rows, orders


def plant(rows, orders):
    """Plant twelve defects; give where each must be found, one of them on both sides."""
    rows[100] = replace(rows[100], amount=Money(99_00), platform_amount=Money(99_00) - FUNDER)
    rows[201] = replace(rows[201], funder_amount=Money(1), platform_amount=rows[201].amount)
    rows[303] = replace(rows[303], status="FAILED")
    rows[404] = replace(rows[404], agreement_no="AG-OF-ANOTHER")
    rows[505] = replace(rows[505], trade_no="T-OF-NOBODY")
    rows[606] = replace(rows[606], status="REVERSED")
    orders[707] = replace(orders[707], state=OrderState.FAILED, trade_no="")
    lost = rows[808]
    rows[808] = a_row(808, order_no="20261123-1-LN00000808", trade_no="T-YESTERDAY")
    rows.append(a_row(77_777))
    rows.append(rows[909])
    rows.append(a_row(88_888, trade_no=rows[910].trade_no))
    orders.append(an_order(99_999, paid_at=at(0, 1, day=TODAY.replace(day=25))))
    return {
        (order_no(100), Kind.AMOUNT_DIFFERS, ""),
        (order_no(201), Kind.SPLIT_DIFFERS, ""),
        (order_no(303), Kind.STATUS_DIFFERS, "not_paid_there"),
        (order_no(404), Kind.STATUS_DIFFERS, "agreement_no"),
        (order_no(505), Kind.STATUS_DIFFERS, "trade_no"),
        (order_no(606), Kind.STATUS_DIFFERS, "reversed_there"),
        (order_no(707), Kind.STATUS_DIFFERS, "failed_here_paid_there"),
        (lost.order_no, Kind.MISSING_THERE, ""),
        (order_no(808, YESTERDAY), Kind.CROSS_DAY, ""),
        (order_no(77_777), Kind.MISSING_HERE, ""),
        (order_no(909), Kind.DUPLICATE, "row_again"),
        (order_no(88_888), Kind.DUPLICATE, "trade_of_another_order"),
        (order_no(99_999), Kind.CROSS_DAY, ""),
    }


@pytest.mark.parametrize("matcher", [ROW_BY_ROW, in_the_engine()], ids=["rows", "engine"])
class TestAGoldenBill:
    def test_has_each_planted_defect_in_its_class_and_none_else(self, matcher):
        rows, orders = a_golden_day()
        expected = plant(rows, orders)
        Random(7).shuffle(rows)
        account = compared(matcher, rows, orders)

        assert {(f.order_no, f.kind, f.note) for f in account.findings} == expected
        assert len(account.findings) == len(expected)

    def test_ties_on_both_sides(self, matcher):
        rows, orders = a_golden_day()
        plant(rows, orders)
        account = compared(matcher, rows, orders)

        assert sum_of(account.there.values()) == tally_of(row.amount for row in rows)
        assert sum_of(account.here.values()) == tally_of(order.moved for order in orders)

    def test_without_defects_agrees_to_the_last_fen(self, matcher):
        rows, orders = a_golden_day()
        account = compared(matcher, rows, orders)

        assert account.findings == ()
        assert account.agreed_there == tally_of(row.amount for row in rows)


# --- bills from which nothing is concluded ----------------------------------------------

OUTCOMES = {"LN01": "succeed", "LN02": "succeed", "LN32": "timeout_before_charge"}
ROWS_OF_A_FILE = [a_bill_row("LN01"), a_bill_row("LN02")]


def whole() -> bytes:
    return a_file(ROWS_OF_A_FILE, columns=list(a_bill_row()))


def wrong_date() -> bytes:
    other = [row | {"paid_at": "2026-11-23T09:00:00+08:00"} for row in ROWS_OF_A_FILE]
    return a_file(other, columns=list(a_bill_row()))


def shuffled() -> bytes:
    """Shuffle the cells of the columns, and leave the header."""
    names = list(a_bill_row())
    turned = [dict(zip(names, reversed(row.values()), strict=True)) for row in ROWS_OF_A_FILE]
    return a_file(turned, columns=names)


SPOILT = {
    "truncated": (lambda: whole()[:-40], "not the manifest's digest"),
    "empty": (lambda: b"", "the file is empty"),
    "of another day": (wrong_date, f"not on {TODAY}"),
    "in another encoding": (lambda: whole().decode().encode("utf-16"), "not utf-8"),
    "with its columns shuffled": (shuffled, "not an amount in whole fen"),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_from_a_bill_that_is(spoilt):
    """Nothing is concluded: it is quarantined, with its reason."""
    world = a_worked_day(OUTCOMES)
    before = world.state()
    make, reason = SPOILT[spoilt]
    told = whole() if spoilt == "truncated" else make()
    rows = [] if spoilt == "empty" else ROWS_OF_A_FILE
    world.drop(BILL_KEY, make(), a_manifest(told, rows, "amount_fen"))
    taken = world.take(BILL_KEY, TOMORROW_AT_TEN)
    after = world.state()

    assert taken.outcome is Outcome.QUARANTINED
    assert reason in {fault["reason"] for fault in world.reasons(BILL_KEY)}
    assert world.loans.rows["LN32"].slot is not None
    for kept in ("loans", "journal", "discrepancies", "runs"):
        assert after[kept] == before[kept]
    assert (
        json.loads(world.objects.bodies[f"quarantine/{BILL_KEY}.reasons.json"])["key"] == BILL_KEY
    )


def test_a_bill_whose_columns_stand_in_another_order_is_read_by_their_names():
    world = a_worked_day({"LN01": "succeed", "LN02": "succeed"})
    rows = [a_row(1), a_row(2)]
    turned = file_writer.write(rows, layout=replace(BILL, columns=BILL.columns[::-1]))
    world.drop(BILL_KEY, turned.body, turned.manifest)

    assert world.take(BILL_KEY, TOMORROW_AT_TEN).outcome is Outcome.APPLIED
