"""A day closes when nothing of it is open, and says what is as long as something is."""

from dataclasses import replace
from datetime import date

from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import Answer, AnswerStatus, Kind
from chalicelib.domain.money import Money
from chalicelib.flows import day_close
from tests.builders import PRODUCT, TODAY, a_loan, a_schedule, at
from tests.fakes import Crash
from tests.fakes_files import (
    BILL_KEY,
    TOMORROW_AT_TEN,
    FileWorld,
    a_worked_day,
    drop_bill,
    the_true_bill,
)

AT_ELEVEN = at(11, day=date(2026, 11, 25))
BORROWERS_ORDER = "20261124-Qaidmaa27lfexbaru-LN71"
PAID = {"LN01": "succeed", "LN02": ["insufficient_funds", "succeed"], "LN03": "card_closed"}


def close(world: FileWorld, now=AT_ELEVEN):
    return day_close.close(business_date=TODAY, now=now, desk=world.closing)


def billed(world: FileWorld, rows) -> FileWorld:
    drop_bill(world, list(rows))
    world.take(BILL_KEY, TOMORROW_AT_TEN)
    return world


class TestADayOnWhichNothingIsOpen:
    def test_is_closed_with_the_figures_of_its_jobs(self):
        world = a_worked_day(PAID)
        billed(world, the_true_bill(world).values())

        assert close(world).is_closed
        run = world.runs.rows[TODAY, "close"]
        assert (run.is_complete, run.completed_at) == (True, AT_ELEVEN)
        assert list(run.totals) == [
            "due_list",
            "round_1",
            "round_2",
            "reconciliation_main",
            "vouchers",
            "report",
        ]
        paid = sum(run.totals[job]["succeeded"]["amount_fen"] for job in ("round_1", "round_2"))
        assert paid == run.totals["reconciliation_main"]["bill"]["amount_fen"] > 0

    def test_stays_closed(self):
        world = a_worked_day(PAID)
        billed(world, the_true_bill(world).values())
        close(world)
        del world.runs.rows[TODAY, "reconciliation_main"]
        before = world.state()

        assert close(world, at(18, day=date(2026, 11, 25))).is_closed
        assert world.state() == before

    def test_closes_although_an_order_was_unknown_until_the_bill(self):
        world = a_worked_day(PAID | {"LN04": "timeout_after_charge"})
        billed(world, the_true_bill(world).values())

        assert close(world).is_closed
        assert world.runs.rows[TODAY, "round_1"].totals["unknown"]["count"] == 0


class TestWhatKeepsADayOpen:
    def test_everything_is_missing_before_it_has_begun(self):
        assert close(FileWorld()).open == (
            "due_list is not complete",
            "reconciliation_main is not complete",
            "round_1 has not started",
            "round_2 has not started",
        )

    def test_a_bill_that_has_not_come(self):
        world = a_worked_day(PAID)

        assert close(world).open == ("reconciliation_main is not complete",)
        assert (TODAY, "close") not in world.runs.rows

    def test_an_unknown_order(self):
        world = a_worked_day(PAID | {"LN04": "wrong_amount"})
        rows = the_true_bill(world)
        billed(world, rows.values())

        assert close(world).open == (
            "reconciliation_main has 1 open discrepancies",
            "round_1 has 1 orders without an end",
        )

    def test_an_order_of_a_borrowers_without_an_end(self):
        """It has no bill yet, and is in no round: its note alone says that it is open."""
        world = a_worked_day(PAID)
        slot = replace(
            loans.slot_for(
                loan=a_loan("LN71"),
                schedule=a_schedule(),
                product=PRODUCT,
                order_no=BORROWERS_ORDER,
                business_date=TODAY,
                listed=Money(10**9),
                now=at(9),
            ),
            kind=Kind.INSTALMENT,
        )
        world.book(a_loan("LN71", slot=slot), a_schedule())
        world.active_orders.rows[TODAY, BORROWERS_ORDER] = at(9)
        world.platform.ends[BORROWERS_ORDER] = Answer(status=AnswerStatus.PROCESSING)
        billed(world, the_true_bill(world).values())
        assert close(world).open == (
            "reconciliation_main has 1 open discrepancies",
            "borrowers started 1 orders without an end",
        )

        del world.platform.ends[BORROWERS_ORDER]

        assert close(world).is_closed
        assert world.loans.rows["LN71"].slot is None

    def test_a_discrepancy_until_it_has_found_its_explanation(self):
        world = a_worked_day(PAID | {"LN04": "timeout_before_charge"})
        order_no = "20261124-1-LN04"
        world.platform.ends[order_no] = Answer(status=AnswerStatus.PROCESSING)
        billed(world, the_true_bill(world).values())
        assert len(close(world).open) == 2

        del world.platform.ends[order_no]

        assert close(world).is_closed

    def test_an_order_paid_after_midnight_until_the_next_bill_has_come(self):
        world = a_worked_day({"LN01": "succeed", "LN02": "succeed"})
        rows = the_true_bill(world)
        late = rows.pop("LN01") | {"paid_at": "2026-11-25T00:00:01+08:00"}
        billed(world, rows.values())
        assert close(world).open == ("reconciliation_main has 1 open discrepancies",)

        drop_bill(world, [late], key=BILL_KEY.replace("20261124", "20261125"))
        world.take(BILL_KEY.replace("20261124", "20261125"), at(10, day=date(2026, 11, 26)))

        assert close(world, at(11, day=date(2026, 11, 26))).is_closed
        totals = world.runs.rows[TODAY, "close"].totals["reconciliation_main"]
        assert (totals["open"], totals["classes"]["cross_day"]["orders"]) == (0, 1)

    def test_a_bill_that_can_no_longer_be_read_explains_nothing(self):
        world = a_worked_day(PAID)
        billed(world, list(the_true_bill(world).values())[1:])
        del world.objects.bodies[BILL_KEY]

        assert close(world).open == ("reconciliation_main has 1 open discrepancies",)


class TestTheLastDays:
    def test_are_closed_as_their_turn_comes(self):
        world = a_worked_day(PAID)
        billed(world, list(the_true_bill(world).values())[1:])
        desk = world.closing

        (open_day,) = day_close.close_all(now=AT_ELEVEN, desk=desk)
        assert not open_day.is_closed

        drop_bill(world, list(the_true_bill(world).values()), key=BILL_KEY.replace("v1", "v2"))
        world.take(BILL_KEY.replace("v1", "v2"), at(10, day=date(2026, 11, 27)))
        (closed_day,) = day_close.close_all(now=at(11, day=date(2026, 11, 27)), desk=desk)
        assert (closed_day.business_date, closed_day.is_closed) == (TODAY, True)

    def test_do_not_include_today(self):
        world = a_worked_day(PAID)

        assert day_close.close_all(now=at(18), desk=world.closing) == ()


def test_a_crash_at_any_call_changes_nothing_at_the_end():
    def a_day():
        world = a_worked_day(PAID | {"LN04": "timeout_after_charge"})
        billed(world, the_true_bill(world).values())
        world.outside.boundaries = 0
        return world

    plain = a_day()
    close(plain)
    for dies_at in range(plain.outside.boundaries):
        world = a_day()
        world.outside.dies_at = dies_at
        try:
            close(world)
        except Crash:
            assert close(world).is_closed
        assert world.state() == plain.state(), dies_at
