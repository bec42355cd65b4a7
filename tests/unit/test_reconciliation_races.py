"""Two bills of one day at work at once: the newer one's word stands, and no loan stays held."""

import pytest

from chalicelib.domain.discrepancy import DiscrepancyState
from chalicelib.flows import day_close, reconciliation
from chalicelib.flows.landing import Outcome
from tests.builders import TODAY
from tests.fakes import Crash
from tests.fakes_files import (
    BILL_KEY,
    TOMORROW_AT_TEN,
    a_worked_day,
    drop_bill,
    the_true_bill,
)

SECOND_BILL_KEY = BILL_KEY.replace("v1", "v2")


@pytest.fixture
def world():
    """A day whose first bill shows a charge twice, and the second one once."""
    made = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    rows = list(the_true_bill(made).values())
    drop_bill(made, [*rows, rows[0]], key=BILL_KEY)
    drop_bill(made, rows, key=SECOND_BILL_KEY)
    return made


def just_before(world, call, do):
    """Do something the first time somebody is about to make a call."""

    def before(made):
        if made == call:
            world.outside.before_call = None
            do()

    world.outside.before_call = before


def standing(world):
    [found] = world.discrepancies.of_day(TODAY, "main")
    return found.state, world.loans.rows["LN1"].hold, world.loans.rows["LN2"].hold


def test_an_older_bill_that_writes_after_the_newer_one_is_looked_at_again(world):
    just_before(
        world, "FakeDiscrepancies.put", lambda: world.take(SECOND_BILL_KEY, TOMORROW_AT_TEN)
    )
    taken = world.take(BILL_KEY, TOMORROW_AT_TEN)

    assert (taken.outcome, taken.reason) == (Outcome.APPLIED, "superseded by version 2")
    assert standing(world) == (DiscrepancyState.RESOLVED, "", "")
    assert world.runs.rows[TODAY, "reconciliation_main"].totals["bill"]["version"] == 2


def test_a_hold_that_is_laid_after_its_discrepancy_was_resolved_is_lifted(world):
    calls = []

    def before(call):
        calls.append(call)
        if "FakeDiscrepancies.put" in calls and call == "FakeLoans.write":
            world.outside.before_call = None
            world.take(SECOND_BILL_KEY, TOMORROW_AT_TEN)

    world.outside.before_call = before
    world.take(BILL_KEY, TOMORROW_AT_TEN)

    assert standing(world) == (DiscrepancyState.RESOLVED, "", "")


def test_a_newer_bill_that_dies_keeps_the_older_one_out_and_the_day_open(world):
    world.take(BILL_KEY, TOMORROW_AT_TEN)

    def die():
        raise Crash

    just_before(world, "FakeRuns.put_totals", die)
    with pytest.raises(Crash):
        world.take(SECOND_BILL_KEY, TOMORROW_AT_TEN)
    closing = day_close.close(business_date=TODAY, now=TOMORROW_AT_TEN, desk=world.closing)

    assert not reconciliation.is_current(world.runs.rows[TODAY, "reconciliation_main"])
    assert "reconciliation_main is not complete" in closing.open

    world.take(SECOND_BILL_KEY, TOMORROW_AT_TEN)

    assert standing(world) == (DiscrepancyState.RESOLVED, "", "")
    assert reconciliation.is_current(world.runs.rows[TODAY, "reconciliation_main"])


def test_what_an_older_bill_has_written_after_the_close_is_resolved_by_the_next_one(world):
    world.take(SECOND_BILL_KEY, TOMORROW_AT_TEN)
    [left, *_] = reconciliation.unresolved(
        business_date=TODAY, channel="main", desk=world.reconciling
    ) or [None]
    assert left is None
    day_close.close(business_date=TODAY, now=TOMORROW_AT_TEN, desk=world.closing)
    stale = _found_by_the_first_bill(world)
    world.discrepancies.put(stale)

    day_close.close(business_date=TODAY, now=TOMORROW_AT_TEN, desk=world.closing)

    assert standing(world)[0] is DiscrepancyState.RESOLVED


def _found_by_the_first_bill(world):
    other = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    rows = list(the_true_bill(other).values())
    drop_bill(other, [*rows, rows[0]], key=BILL_KEY)
    other.take(BILL_KEY, TOMORROW_AT_TEN)
    [found] = other.discrepancies.of_day(TODAY, "main")
    return found
