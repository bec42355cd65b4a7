"""The next day with a funder: our file once the bill is clear, its answer, and the close."""

from dataclasses import replace
from datetime import date

import pytest

from chalicelib.domain import funder_results as results
from chalicelib.domain.deduction import AnswerStatus
from chalicelib.domain.discrepancy import DiscrepancyState
from chalicelib.domain.funder import Agreement
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows import (
    day_close,
    discrepancy,
    funder_discrepancies,
    funder_reconciliation,
    sweep,
)
from chalicelib.flows.file_ports import FileState
from chalicelib.flows.landing import Outcome
from tests.builders import TODAY, at
from tests.fakes import Crash
from tests.fakes_files import BILL_KEY, drop_bill, the_true_bill
from tests.fakes_funders import (
    F1,
    TOMORROW,
    FunderWorld,
    a_day_with_funder,
    agreeing,
    bill_comes,
    confirmation_key,
    drop_confirmation,
)

FOLDER = f"out/funders/{F1}/reconciliation/20261124/"
CHANNEL = "funder-F1"
FIRST, SECOND = "20261124-1-LN1", "20261124-1-LN2"
TWO = {"LN1": "succeed", "LN2": "succeed"}


def tomorrow(hour: int, minute: int = 0):
    return at(hour, minute, day=TOMORROW)


def swept(world: FunderWorld, now=None):
    return sweep.run(now=now or tomorrow(10, 15), desk=world.sweeping)


def close(world: FunderWorld, now=None):
    return day_close.close(business_date=TODAY, now=now or tomorrow(12), desk=world.closing)


def our_lines(world: FunderWorld, version: int = -1):
    return world.sent("reconciliation", FOLDER)[version]


def a_settled_day(outcomes=None) -> FunderWorld:
    """A day whose bill is clear and whose file is written."""
    world = a_day_with_funder(outcomes or TWO)
    bill_comes(world)
    swept(world)
    return world


def answers(world: FunderWorld, lines, *, version: int = 1, now=None):
    return world.take(drop_confirmation(world, lines, version=version), now or tomorrow(11))


def open_ones(world: FunderWorld) -> dict[str, tuple[Kind, str]]:
    return {
        each.order_no: (each.kind, each.facts["note"])
        for each in world.discrepancies.of_day(TODAY, CHANNEL)
        if not each.is_resolved
    }


def differs(order_no: str, fen: int = 1):
    """Make a funder that reckons some fen more of one order."""

    def change(line):
        if line.order_no != order_no:
            return line
        return replace(
            line,
            status=Agreement.DIFFERS,
            funder_amount=line.funder_amount + Money(fen),
            reason="one fen more",
        )

    return change


class TestOurFile:
    def test_is_not_written_before_the_bill(self):
        world = a_day_with_funder(TWO)
        swept(world, at(22, 45))

        assert FOLDER + "reconciliation_v1.csv" not in world.objects.bodies
        assert swept(world, tomorrow(9)).written == ()

    def test_has_every_success_of_the_day_of_repayments_and_supplements_alike(self):
        world = a_day_with_funder(TWO | {"LN3": "processing_then_succeed", "LN4": "card_closed"})
        swept(world, at(22, 45))
        bill_comes(world)

        assert f"{FOLDER}reconciliation_v1.csv" in swept(world).written
        repaid = world.sent("repayments", f"out/funders/{F1}/repayments/20261124/")
        assert len(repaid) == 2
        told = {(line.order_no, line.instalment_no): line for line in our_lines(world)}
        assert told == {
            (line.order_no, line.instalment_no): line for file in repaid for line in file
        }
        assert len(told) == 3

    def test_waits_while_a_discrepancy_of_its_own_orders_is_open(self):
        world = a_day_with_funder(TWO)
        bill_comes(world, without=["LN1"])

        assert swept(world).written == (f"out/funders/{F1}/repayments/20261124/repayments_v1.csv",)
        assert "funder_reconciliation_F1 is not complete" in close(world).open

    def test_does_not_wait_for_a_discrepancy_of_somebody_else_s(self):
        world = a_day_with_funder(TWO)
        bill_comes(world, without=["LN90"])

        assert f"{FOLDER}reconciliation_v1.csv" in swept(world).written

    def test_is_written_once(self):
        world = a_settled_day()
        before = dict(world.objects.bodies)

        assert swept(world, tomorrow(10, 30)).written == ()
        assert world.objects.bodies == before

    def test_is_a_new_version_once_there_are_more_orders(self):
        """An order that failed by the first bill is shown paid by a later one and posted by hand."""
        world = a_settled_day()
        record = world.journal.results.pop(SECOND)
        world.objects.bodies = {
            key: body
            for key, body in world.objects.bodies.items()
            if not key.startswith(("out/", "file-versions/"))
        }
        for job in ("funder_repayments_F1", "funder_reconciliation_F1"):
            del world.runs.rows[TODAY, job]
        swept(world, tomorrow(10, 30))
        assert {line.order_no for line in our_lines(world)} == {FIRST}
        answers(world, agreeing(our_lines(world)))
        world.journal.results[SECOND] = record

        swept(world, tomorrow(11, 30))

        assert {line.order_no for line in our_lines(world)} == {FIRST, SECOND}
        assert close(world).open == ("funder_confirmation_F1 has 1 open discrepancies",)
        assert open_ones(world) == {SECOND: (Kind.UNCONFIRMED, "never_mentioned")}
        answers(world, agreeing(our_lines(world)), version=2)
        assert close(world).is_closed

    def test_says_that_nothing_was_paid_where_nothing_was(self):
        world = a_settled_day({"LN1": "card_closed"})

        assert our_lines(world) == []
        assert close(world).is_closed

    def test_dies_anywhere_and_is_the_same(self):
        def a_world():
            world = a_day_with_funder(TWO)
            bill_comes(world)
            world.outside.boundaries = 0
            return world

        def write(world):
            funder_reconciliation.write(
                business_date=TODAY, now=tomorrow(10, 15), desk=world.settling
            )

        plain = a_world()
        write(plain)
        for dies_at in range(plain.outside.boundaries):
            world = a_world()
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                write(world)
            write(world)
            assert world.state() == plain.state(), dies_at


class TestTheConfirmation:
    def test_that_agrees_lets_the_day_close(self):
        world = a_settled_day()
        assert close(world).open == ("funder_confirmation_F1 is not complete",)

        assert answers(world, agreeing(our_lines(world))).outcome is Outcome.APPLIED

        assert close(world).is_closed
        totals = world.run("funder_confirmation_F1").totals
        assert totals["agreed"]["count"] == 2
        assert totals["agreed"]["amount_fen"] == sum(
            line.funder.total.fen for line in our_lines(world)
        )

    def test_that_differs_opens_a_discrepancy_and_keeps_the_day_open(self):
        world = a_settled_day()

        answers(world, agreeing(our_lines(world), differs(FIRST)))

        assert open_ones(world) == {FIRST: (Kind.CONFIRMATION_DIFFERS, "differs_there")}
        closing = close(world)
        assert closing.open == ("funder_confirmation_F1 has 1 open discrepancies",)
        assert closing.discrepancies == 1
        [each] = world.discrepancies.of_day(TODAY, CHANNEL)
        assert each.there - each.here == Money(1)

    def test_that_differs_holds_no_loan(self):
        world = a_settled_day()

        answers(world, agreeing(our_lines(world), differs(FIRST)))

        assert world.loans.rows["LN1"].hold == ""

    def test_that_leaves_an_order_out_keeps_the_day_open(self):
        world = a_settled_day()

        answers(world, agreeing(our_lines(world))[:1])

        assert open_ones(world) == {SECOND: (Kind.UNCONFIRMED, "never_mentioned")}
        assert not close(world).is_closed

    def test_that_names_an_order_of_nobody_s_keeps_the_day_open(self):
        world = a_settled_day()
        first, second = agreeing(our_lines(world))

        answers(world, [first, second, replace(first, order_no="20261124-1-LN77")])

        assert set(open_ones(world)) == {"20261124-1-LN77"}
        assert not close(world).is_closed

    def test_that_is_corrected_resolves_what_it_now_agrees_to(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world), differs(FIRST))[:1])
        assert set(open_ones(world)) == {FIRST, SECOND}

        answers(world, agreeing(our_lines(world), differs(SECOND)), version=2)
        assert open_ones(world) == {SECOND: (Kind.CONFIRMATION_DIFFERS, "differs_there")}
        answers(world, agreeing(our_lines(world)), version=3)

        assert open_ones(world) == {}
        assert close(world).is_closed
        states = {each.state for each in world.discrepancies.of_day(TODAY, CHANNEL)}
        assert states == {DiscrepancyState.RESOLVED}

    def test_takes_back_nothing_that_the_funder_s_own_deductions_show(self):
        """A funder may lend with us and deduct other loans by itself: one channel, two finders."""
        world = a_settled_day()
        finding = results.Finding(
            kind=Kind.MISSING_HERE, note="no_order_of_ours", loan_id="LN1", order_no="T-1-LN1"
        )
        funder_discrepancies.write(
            [finding],
            funder_id=F1,
            business_date=TODAY,
            found_in="results_F1_r1",
            now=tomorrow(9),
            keeper=world.reconciling,
        )

        answers(world, agreeing(our_lines(world)))

        assert set(open_ones(world)) == {"T-1-LN1"}
        assert world.loans.rows["LN1"].hold == "discrepancy missing_here#T-1-LN1"

    def test_of_an_older_version_changes_nothing(self):
        world = a_settled_day()
        lines = agreeing(our_lines(world))
        drop_confirmation(world, agreeing(our_lines(world), differs(FIRST)))
        answers(world, lines, version=2)

        taken = world.take(confirmation_key(), tomorrow(11, 30))

        assert taken.reason == "superseded by version 2"
        assert open_ones(world) == {}
        assert close(world).is_closed

    def test_that_comes_before_our_file_waits_for_it(self):
        world = a_day_with_funder(TWO)
        lines = agreeing(a_settled_day_s_lines())

        taken = answers(world, lines, now=tomorrow(9))

        assert taken.outcome is Outcome.WAITING
        bill_comes(world)
        assert swept(world).brought == ()
        assert swept(world, tomorrow(10, 30)).brought == (confirmation_key(),)
        world.take(confirmation_key(), tomorrow(10, 31))
        assert close(world).is_closed

    def test_of_a_closed_day_is_refused_and_kept(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world)))
        assert close(world).is_closed

        taken = answers(world, agreeing(our_lines(world), differs(FIRST)), version=2)

        assert taken.outcome is Outcome.REFUSED
        [record] = world.files.of_key(confirmation_key(2))
        assert (record.state, record.reason[:17]) == (FileState.REFUSED, "the day is closed")
        assert close(world).is_closed

    def test_lands_again_and_changes_nothing(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world), differs(FIRST)))
        before = world.state()

        assert world.take(confirmation_key(), tomorrow(13)).outcome is Outcome.KNOWN
        assert world.state() == before

    def test_what_people_have_decided_about_stands(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world), differs(FIRST)))
        [each] = world.discrepancies.of_day(TODAY, CHANNEL)
        discrepancy.resolve(each, reason="told", now=tomorrow(12), keeper=world.reconciling)
        key = (TODAY, CHANNEL, each.discrepancy_id)
        decided = replace(world.discrepancies.rows[key], decided_by="wang")
        world.discrepancies.rows[key] = decided

        answers(world, agreeing(our_lines(world), differs(FIRST)), version=2)

        assert world.discrepancies.rows[key] == decided

    def test_that_says_otherwise_than_was_decided_on_is_looked_at_again(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world), differs(FIRST)))
        [each] = world.discrepancies.of_day(TODAY, CHANNEL)
        discrepancy.resolve(each, reason="told", now=tomorrow(12), keeper=world.reconciling)
        key = (TODAY, CHANNEL, each.discrepancy_id)
        world.discrepancies.rows[key] = replace(world.discrepancies.rows[key], decided_by="wang")

        answers(world, agreeing(our_lines(world), differs(FIRST, 2)), version=2)

        opened = world.discrepancies.rows[key]
        assert (opened.is_resolved, opened.decided_by) == (False, "")

    def test_dies_anywhere_and_ends_the_same(self):
        def a_world():
            world = a_settled_day()
            drop_confirmation(world, agreeing(our_lines(world), differs(FIRST)))
            world.outside.boundaries = 0
            return world

        plain = a_world()
        plain.take(confirmation_key(), tomorrow(11))
        for dies_at in range(plain.outside.boundaries):
            world = a_world()
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                world.take(confirmation_key(), tomorrow(11))
            world.take(confirmation_key(), tomorrow(11))
            assert world.state() == plain.state(), dies_at


class TestTheClose:
    def test_asks_nothing_of_a_funder_that_had_no_part_in_the_day(self):
        world = a_day_with_funder({})
        bill_comes(world)

        assert close(world).is_closed

    def test_writes_what_no_sweep_has_written(self):
        world = a_day_with_funder(TWO)
        bill_comes(world)

        assert close(world).open == ("funder_confirmation_F1 is not complete",)
        assert len(our_lines(world)) == 2
        repaid = world.sent("repayments", f"out/funders/{F1}/repayments/20261124/")
        assert [len(file) for file in repaid] == [2]

    def test_waits_for_a_newer_confirmation_that_somebody_has_begun(self):
        world = a_settled_day()
        answers(world, agreeing(our_lines(world)))
        drop_confirmation(world, agreeing(our_lines(world)), version=2)

        def die(call):
            if call == "FakeRuns.put_totals":
                raise Crash

        world.outside.before_call = die
        with pytest.raises(Crash):
            world.take(confirmation_key(2), tomorrow(11, 30))
        world.outside.before_call = None

        assert close(world).open == ("funder_confirmation_F1 is not complete",)
        world.take(confirmation_key(2), tomorrow(11, 45))
        assert close(world).is_closed

    def test_waits_for_an_order_paid_after_midnight_until_the_next_bill_shows_it(self):
        world = a_day_with_funder(TWO)
        late = the_true_bill(world)["LN1"] | {"paid_at": "2026-11-25T00:00:01+08:00"}
        record = world.journal.results[FIRST]
        parts = {
            "funder_amount_fen": str(record.funder.total.fen),
            "platform_amount_fen": str((record.amount - record.funder.total).fen),
        }
        bill_comes(world, without=["LN1"])
        swept(world)
        assert "funder_reconciliation_F1 is not complete" in close(world).open

        key = BILL_KEY.replace("20261124", "20261125")
        drop_bill(world, [late | parts], key=key)
        world.take(key, at(10, day=date(2026, 11, 26)))
        swept(world, at(10, 15, day=date(2026, 11, 26)))

        assert {line.order_no for line in our_lines(world)} == {FIRST, SECOND}
        assert world.platform.ends[FIRST].status is AnswerStatus.SUCCEEDED


def a_settled_day_s_lines():
    return our_lines(a_settled_day())
