"""The watch calls a person in time: for a bill that is missing, for differences nobody explains."""

from datetime import date, time, timedelta

import pytest

from chalicelib.flows import day_close, watch
from tests.builders import FUNDER, TODAY, at
from tests.fakes_files import BILL_KEY, FileWorld, a_worked_day, drop_bill, the_true_bill

TOMORROW = TODAY + timedelta(days=1)
OPEN = f"{TODAY} open_discrepancies"
BILL = f"{TODAY} reconciliation_main"


def a_desk(world: FileWorld) -> watch.Desk:
    return watch.Desk(
        runs=world.runs,
        channel="main",
        list_at=time(0, 10),
        round_at=(time(8), time(16)),
        discrepancies=world.discrepancies,
        funders={FUNDER.funder_id: FUNDER},
    )


def a_day(*, missing: int = 0) -> FileWorld:
    """Work a day and its bill, of which so many rows are missing."""
    world = a_worked_day({"LN01": "succeed", "LN02": "succeed"})
    drop_bill(world, list(the_true_bill(world).values())[missing:])
    return world


def late(world: FileWorld, hour: int, minute: int = 0, *, day: date = TOMORROW):
    return watch.late(now=at(hour, minute, day=day), desk=a_desk(world))


class TestTheBill:
    @pytest.mark.parametrize(("minute", "is_missing"), [(29, False), (30, True), (31, True)])
    def test_is_missing_from_half_past_ten_of_the_next_day(self, minute, is_missing):
        assert (BILL in late(a_day(), 10, minute)) is is_missing

    def test_is_not_missing_once_it_is_reconciled(self):
        world = a_day()
        world.take(BILL_KEY, at(10, day=TOMORROW))

        assert BILL not in late(world, 10, 31)

    def test_stays_missing_on_the_days_after(self):
        assert BILL in late(a_day(), 0, 1, day=TOMORROW + timedelta(days=1))


class TestOpenDifferences:
    @pytest.mark.parametrize(
        ("hour", "minute", "are_named"), [(17, 59, False), (18, 0, True), (23, 59, True)]
    )
    def test_are_named_from_six_in_the_evening(self, hour, minute, are_named):
        world = a_day(missing=1)
        world.take(BILL_KEY, at(10, day=TOMORROW))

        assert (OPEN in late(world, hour, minute)) is are_named

    def test_are_named_of_every_day_before(self):
        world = a_day(missing=1)
        world.take(BILL_KEY, at(10, day=TOMORROW))

        assert OPEN in late(world, 9, day=TOMORROW + timedelta(days=3))

    def test_are_none_where_nothing_was_found(self):
        world = a_day()
        world.take(BILL_KEY, at(10, day=TOMORROW))

        assert late(world, 18) == (f"{TOMORROW} due_list", *rounds_of(TOMORROW), f"{TODAY} close")

    def test_are_none_before_there_is_a_bill_to_differ_from(self):
        assert OPEN not in late(a_day(missing=1), 18)

    def test_are_none_once_the_day_is_closed(self):
        world = a_day()
        world.take(BILL_KEY, at(10, day=TOMORROW))
        assert day_close.close(
            business_date=TODAY, now=at(11, day=TOMORROW), desk=world.closing
        ).is_closed

        assert late(world, 18) == (f"{TOMORROW} due_list", *rounds_of(TOMORROW))

    def test_with_a_funder_count_as_well(self):
        world = a_day(missing=1)
        world.take(BILL_KEY, at(10, day=TOMORROW))
        [key] = world.discrepancies.rows
        theirs = world.discrepancies.rows.pop(key)
        world.discrepancies.rows[TODAY, "funder-F1", key[2]] = theirs

        assert OPEN in late(world, 18)


def rounds_of(day: date) -> tuple[str, str]:
    return f"{day} round_1", f"{day} round_2"
