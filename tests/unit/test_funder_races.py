"""A funder's files and our own jobs side by side, step by step in every order."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from itertools import chain

import pytest

from chalicelib.domain.due_clearance import Clearance
from chalicelib.domain.money import Money
from chalicelib.flows import (
    deduction,
    funder_day,
    funder_due,
    funder_reconciliation,
    landing,
    repayment_file,
)
from chalicelib.flows.file_ports import RefusedFileError
from chalicelib.flows.landing import Applied
from chalicelib.flows.ports import AskMessage
from tests import interleavings
from tests.builders import FUNDER, TODAY, at
from tests.fakes import Crash
from tests.fakes_funders import (
    F1,
    TOMORROW,
    FunderWorld,
    a_book_with_funder,
    a_day_with_funder,
    agreeing,
    bill_comes,
    confirmation_key,
    drop_confirmation,
    drop_due,
    due_key,
    list_dues,
    our_dues,
    with_more_interest,
)
from tests.interleavings import every_order

ORDERS_MAX = 20_000
NEVER_CHANGES = frozenset({"FakeDueLists.read", "FakeObjects.open", "FakeLoans.get_many"})
"""Lists that are written, files that have landed, and heads as far as they name a funder."""

LENIENT = replace(FUNDER, tolerance_bps=10_000)


@pytest.fixture(autouse=True)
def _more_that_meets_nobody(monkeypatch):
    monkeypatch.setattr(interleavings, "MEETS_NOBODY", interleavings.MEETS_NOBODY | NEVER_CHANGES)


def batch_of(world: FunderWorld, key: str, kind: str):
    """Open a landed file as its route does."""
    [route] = [one for one in world.arrivals.routes if one.kind == kind]
    stored = world.objects.head(key)
    manifest = world.objects.read(f"{key}.ok")
    digest = landing._digest(stored, route, world.arrivals)
    return landing._read(
        stored=stored, route=route, sha256=digest, manifest=manifest, desk=world.arrivals
    )


def copies_of(made: FunderWorld):
    """Give the same world again and again: building it costs more than playing in it."""

    def scene() -> FunderWorld:
        return deepcopy(made)

    return scene


def broken_into(scene, *, work, by):
    """Play the scene anew for every call of `work`, with all of `by` done just before that call."""
    at_call, is_met = 0, True
    while is_met:
        world, calls, is_met = scene(), 0, False

        def before(_call, world=world, at_call=at_call):
            nonlocal calls, is_met
            calls += 1
            if calls == at_call + 1:
                is_met, world.outside.before_call = True, None
                by(world)

        world.outside.before_call = before
        work(world)
        world.outside.before_call = None
        if is_met:
            yield world
        at_call += 1


def cleared(world: FunderWorld):
    return funder_due.clear(business_date=TODAY, now=at(8), desk=world.due)


@pytest.fixture(scope="module")
def with_first():
    """A date whose first file holds a loan, and whose second one has it right."""
    world = a_book_with_funder({"LN1": "succeed"}, alone=(), funder=LENIENT)
    list_dues(world)
    [line] = our_dues(world)
    drop_due(world, [with_more_interest(line)])
    world.take(due_key(), at(5))
    drop_due(world, [line], version=2)
    world.batch = batch_of(world, due_key(2), "funder_due")
    return copies_of(world)


@pytest.fixture(scope="module")
def with_more():
    """A first file is out; one order has ended since, and another may at any moment."""
    unknown = {"LN2": "processing_then_succeed", "LN3": "processing_then_succeed"}
    world = a_day_with_funder({"LN1": "succeed"} | unknown, alone=())
    write(world)
    world.platform.silent.clear()
    ends_paid(world, "20261124-1-LN2")
    return copies_of(world)


@pytest.fixture(scope="module")
def with_two():
    """Our file is out; the first confirmation differs in an order, the second agrees."""
    world = a_day_with_funder({"LN1": "succeed"}, alone=())
    bill_comes(world)
    write(world, tomorrow(10))
    funder_reconciliation.write(business_date=TODAY, now=tomorrow(10), desk=world.settling)
    [lines] = world.sent("reconciliation", f"out/funders/{F1}/reconciliation/20261124/")

    def fen_more(line):
        return replace(line, funder_amount=line.funder_amount + Money(1))

    drop_confirmation(world, agreeing(lines, fen_more))
    drop_confirmation(world, agreeing(lines), version=2)
    return copies_of(world)


class TestADueFileThatMeetsTheRound:
    def test_comes_before_it_whole_or_after_it_whole(self, with_first):
        def scene():
            world = with_first()
            return world, {
                "file": lambda: funder_due.take(
                    batch=world.batch, funder_id=F1, now=at(8), desk=world.due
                ),
                "round": lambda: cleared(world),
            }

        ends = set()
        for met in every_order(scene, orders_max=ORDERS_MAX):
            world, taken, went = met.world, met.outcomes["file"], met.outcomes["round"][F1]
            came_first = isinstance(taken, Applied)
            assert came_first or isinstance(taken, RefusedFileError), (taken, met.steps)
            assert (went == Clearance()) is came_first, met.steps
            assert (went.why_held("LN1") is None) is came_first, met.steps
            assert cleared(world)[F1] == went, met.steps
            assert world.run("funder_due_F1").totals["version"] == 1 + came_first, met.steps
            answered = "out/funders/F1/due-differences/20261124/differences_v2.csv"
            assert (answered in world.objects.bodies) is came_first, met.steps
            ends.add(came_first)
        assert ends == {True, False}

    def test_goes_out_by_one_verdict_though_two_shards_ask_for_it_at_once(self, with_first):
        def scene():
            world = with_first()
            return world, {
                "shard 0": lambda: cleared(world),
                "shard 1": lambda: cleared(world),
            }

        for met in every_order(scene, orders_max=ORDERS_MAX):
            assert met.outcomes["shard 0"] == met.outcomes["shard 1"], met.steps


class TestTwoWhoWriteTheSupplement:
    def test_tell_every_order_once_whoever_is_first(self, with_more):
        def scene():
            world = with_more()
            del world.journal.results["20261124-1-LN2"]
            late = with_more().journal.results["20261124-1-LN2"]
            handlers = {
                "one": lambda: write(world),
                "end": lambda: world.journal.put(late),
            }
            return world, handlers

        for met in every_order(scene, orders_max=ORDERS_MAX):
            write(met.world)
            assert orders_told(met.world) == ["20261124-1-LN1", "20261124-1-LN2"], met.steps

    def test_at_once_tell_it_once(self, with_more):
        for world in broken_into(with_more, work=write, by=write):
            assert orders_told(world) == ["20261124-1-LN1", "20261124-1-LN2"]
            assert sorted(world.run("funder_repayments_F1").parts) == [1, 2]

    def test_one_with_more_than_the_other_leave_nothing_out(self, with_more):
        def another_ends_and_is_written(world):
            ends_paid(world, "20261124-1-LN3")
            write(world)

        for world in broken_into(with_more, work=write, by=another_ends_and_is_written):
            write(world)
            assert orders_told(world) == [f"20261124-1-LN{number}" for number in (1, 2, 3)]

    @pytest.mark.parametrize("dies_at", range(0, 60, 4))
    def test_tell_it_once_though_the_first_dies_and_more_has_ended(self, with_more, dies_at):
        world = with_more()
        world.outside.boundaries, world.outside.dies_at = 0, dies_at
        try:
            write(world)
        except Crash:
            ends_paid(world, "20261124-1-LN3")
            write(world)
        ends = {"20261124-1-LN1", "20261124-1-LN2"}
        told = orders_told(world)
        assert len(told) == len(set(told))
        assert ends <= set(told)
        assert set(told) == world.journal.results.keys()


class TestTwoConfirmationsAtOnce:
    def test_end_by_the_newer_one_s_word(self, with_two):
        def apply(number):
            return lambda world: world.take(confirmation_key(number), tomorrow(11))

        for first, second in ((1, 2), (2, 1)):
            for world in broken_into(with_two, work=apply(first), by=apply(second)):
                assert world.run("funder_confirmation_F1").totals["version"] == 2
                left = funder_day.open_points(
                    business_date=TODAY, now=tomorrow(12), desk=world.funder_days
                )
                assert left == []
                closed = world.discrepancies.of_day(TODAY, "funder-F1")
                assert all(each.is_resolved for each in closed)


def tomorrow(hour: int):
    return at(hour, day=TOMORROW)


def write(world: FunderWorld, now=None):
    now = now or at(22, 30) + timedelta(minutes=30)
    return repayment_file.write(business_date=TODAY, now=now, desk=world.repaying_funders)


def ends_paid(world: FunderWorld, order_no: str) -> None:
    deduction.ask(
        message=AskMessage(order_no=order_no, rung=None), now=at(22, 40), desk=world.deducting
    )
    assert order_no in world.journal.results


def orders_told(world: FunderWorld) -> list[str]:
    files = world.sent("repayments", f"out/funders/{F1}/repayments/20261124/")
    return sorted(chain.from_iterable({line.order_no for line in file} for file in files))
