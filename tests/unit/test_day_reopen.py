"""A closed day is opened again by two people, takes the bill that came too late, and closes anew."""

import pytest

from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.flows import audit, day_close, day_reopen, landing
from chalicelib.flows.landing import Outcome
from tests.builders import TODAY
from tests.disputed import IN_TWO_DAYS, LI, WANG, standing
from tests.fakes import Crash
from tests.fakes_files import (
    BILL_KEY,
    TOMORROW_AT_TEN,
    a_bill_row,
    a_worked_day,
    drop_bill,
    the_true_bill,
)

SECOND_BILL_KEY = BILL_KEY.replace("v1", "v2")
SUBJECT = day_reopen.subject_of(TODAY)


@pytest.fixture
def world():
    return a_closed_day()


def close(world):
    return day_close.close(business_date=TODAY, now=IN_TWO_DAYS, desk=world.closing)


def desk_of(world):
    return day_reopen.Desk(
        runs=world.runs,
        trail=world.trail,
        files=world.arrivals,
        landed=world.walks,
        bill_folders=("in/payment/main/bill",),
    )


def ask(world, by=WANG):
    return day_reopen.ask(
        business_date=TODAY, reason="a corrected bill", by=by, now=IN_TWO_DAYS, desk=desk_of(world)
    )


def approve(world, by=LI):
    return day_reopen.approve(business_date=TODAY, by=by, now=IN_TWO_DAYS, desk=desk_of(world))


def deliver(world):
    return [world.take(message.key, IN_TWO_DAYS).outcome for message in world.walks._take_all()]


def rule_against(step):
    with pytest.raises(StepRefusedError) as refused:
        step()
    return refused.value.rule


class TestAReopenedDay:
    def test_takes_the_bill_that_was_refused_and_closes_again(self, world):
        totals = world.runs.rows[TODAY, "close"].totals
        ask(world)
        run = approve(world)

        assert (run.state, run.reopened, run.totals) == ("started", 1, totals)
        assert deliver(world) == [Outcome.APPLIED]
        assert standing(world, "status_differs").order_no == f"{TODAY:%Y%m%d}-1-LN2"
        assert world.loans.rows["LN2"].hold
        assert not close(world).is_closed, "a discrepancy is open now"
        settle(world)
        assert close(world).is_closed
        assert world.runs.rows[TODAY, "close"].reopened == 1

    def test_is_asked_for_and_approved_by_two(self, world):
        assert rule_against(lambda: approve(world)) == "not_asked"
        ask(world)
        assert rule_against(lambda: ask(world, by="zhao")) == "asked_already"
        assert rule_against(lambda: approve(world, by=WANG)) == "maker_is_checker"
        assert world.runs.rows[TODAY, "close"].is_complete
        approve(world)
        assert rule_against(lambda: ask(world)) == "not_closed"

        said = [(each.by, each.verb, each.outcome) for each in world.trail.of_subject(SUBJECT)]
        assert said == [
            (LI, "reopen", "refused"),
            (WANG, "ask_reopening", "done"),
            ("zhao", "ask_reopening", "refused"),
            (WANG, "reopen", "refused"),
            (LI, "reopen", "done"),
            (WANG, "ask_reopening", "refused"),
        ]
        assert audit.verify(subject=SUBJECT, trail=world.trail) is None

    def test_once_closed_again_has_to_be_asked_for_again(self, world):
        ask(world)
        approve(world)
        assert close(world).is_closed

        assert rule_against(lambda: approve(world)) == "not_asked"

    def test_is_reopened_the_same_whoever_dies_on_the_way(self, world):
        for died_at in range(40):
            other = a_closed_day()
            ask(other)
            other.outside.dies_at = other.outside.boundaries + died_at
            try:
                approve(other)
                died = False
            except Crash:
                died = True
            other.outside.dies_at = None
            if died:
                approve(other)
            deliver(other)
            assert standing(other, "status_differs")
            assert other.runs.rows[TODAY, "close"].reopened == 1, died_at
            if not died:
                return
        raise AssertionError("it never came to its end")

    def test_that_a_rule_reopens_needs_nobody_else(self, world):
        opened = {"business_date": TODAY, "reason": "open again", "by": "close", "now": IN_TWO_DAYS}

        assert day_reopen.reopen(**opened, desk=desk_of(world))
        assert not day_reopen.reopen(**opened, desk=desk_of(world))
        assert world.runs.rows[TODAY, "close"].reopened == 1
        assert [each.verb for each in world.trail.of_subject(SUBJECT)] == ["reopen"]


def a_closed_day():
    """Close a day, and let a second bill come that shows more than the first."""
    made = a_worked_day({"LN1": "succeed", "LN2": ["insufficient_funds"] * 2})
    rows = list(the_true_bill(made).values())
    drop_bill(made, rows)
    made.take(BILL_KEY, TOMORROW_AT_TEN)
    assert close(made).is_closed
    drop_bill(made, [*rows, a_bill_row("LN2")], key=SECOND_BILL_KEY)
    assert made.take(SECOND_BILL_KEY, IN_TWO_DAYS).outcome is Outcome.REFUSED
    return made


def settle(world):
    """Let the bill's third version show that the second was wrong."""
    key = BILL_KEY.replace("v1", "v3")
    drop_bill(world, list(the_true_bill(world).values()), key=key)
    assert landing.take(key=key, now=IN_TWO_DAYS, desk=world.arrivals).outcome is Outcome.APPLIED
