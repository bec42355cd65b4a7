"""Wherever a handler dies, once or twice: the day ends as it should.

`make enumerate` plays every point; here is a part of them, some of every handler.
"""

from collections import Counter
from dataclasses import replace

import pytest

from chalicelib.adapters.dynamodb.active_orders import DynamoActiveOrders
from chalicelib.adapters.queues import SqsQueue
from chalicelib.flows.early_repayment import NET_SECONDS
from tests.simulation.forks import much_copied
from tests.simulation.points import KINDS, enumerate_points, play, without_points
from tests.simulation.staged import Shelf
from tests.simulation.typical_days import TYPICAL_DAYS

EVERY, EVERY_PAIR = 73, 251
"""Of the calls of each handler every so manyth is struck here; of all calls, for the pairs."""

KINDS_HERE = ("crash_after", "answer_lost")

DOUBT, BORROWERS = TYPICAL_DAYS[1], TYPICAL_DAYS[2]


@pytest.fixture(scope="module")
def shelf(world):
    return Shelf(world)


@pytest.fixture(scope="module")
def calm(world, shelf):
    """Play the days with nothing struck, and see whose every call is."""
    with much_copied():
        return {
            typical.name: enumerate_points(world, shelf, typical, is_wanted=lambda _: False)
            for typical in TYPICAL_DAYS
        }


def some_of_each(handlers) -> set[int]:
    """Choose calls so that no handler is left out."""
    seen: Counter[str] = Counter()
    chosen = set()
    for call, handler in enumerate(handlers, start=1):
        if seen[handler] % EVERY == EVERY // 2 % (handlers.count(handler)):
            chosen.add(call)
        seen[handler] += 1
    return chosen


def day_called(name: str):
    return pytest.param(next(day for day in TYPICAL_DAYS if day.name == name), id=name)


DAYS = [day_called(day.name) for day in TYPICAL_DAYS]


@pytest.mark.parametrize("typical", DAYS)
class TestATypicalDay:
    def test_is_well_when_nothing_is_struck(self, calm, typical):
        assert calm[typical.name].wrongs == ()

    def test_is_well_wherever_a_handler_is_struck(self, world, shelf, calm, typical, capsys):
        handlers = calm[typical.name].handlers
        chosen = some_of_each(handlers)
        with much_copied():
            found = enumerate_points(
                world, shelf, typical, kinds=KINDS_HERE, is_wanted=chosen.__contains__
            )
        with capsys.disabled():
            left_out = len(handlers) - len(chosen)
            print(f"\n{typical.name}: {left_out} of {len(handlers)} calls left to `make enumerate`")

        assert [each for each in found.judged if each.wrongs] == []
        assert len(found.judged) == len(chosen) * len(KINDS_HERE)
        assert {each.points[0].handler for each in found.judged} == set(handlers)

    def test_is_well_where_one_dies_and_soon_another(self, world, shelf, typical):
        with much_copied():
            found = enumerate_points(
                world,
                shelf,
                typical,
                kinds=("crash_after",),
                is_wanted=lambda call: call % EVERY_PAIR == 0,
                pairs=True,
                is_literal=True,
            )

        assert [each for each in found.judged if each.wrongs] == []
        assert any(len(each.points) == 2 for each in found.judged)


def test_every_handler_of_the_app_is_struck_somewhere(calm):
    covered = {handler for each in calm.values() for handler in each.handlers}

    assert without_points(covered) == frozenset()
    assert without_points(covered - {"deduct"}) == {"deduct"}


class TestACopy:
    @pytest.mark.parametrize("kind", KINDS)
    def test_plays_what_the_day_struck_there_plays_from_its_beginning(self, world, shelf, kind):
        with much_copied():
            found = enumerate_points(
                world, shelf, DOUBT, kinds=(kind,), is_wanted=lambda call: call in {111, 333}
            )

        for judged in found.judged:
            again = play(world, shelf, DOUBT, *((each.call, each.kind) for each in judged.points))
            assert (again.trace, again.wrongs) == (judged.trace, judged.wrongs)
            assert len(again.struck) == len(judged.points)

    def test_of_a_copy_does_so_too(self, world, shelf):
        with much_copied():
            found = enumerate_points(
                world,
                shelf,
                DOUBT,
                kinds=("crash_after",),
                is_wanted=lambda call: call == 222,
                pairs=True,
                is_literal=True,
            )
        pairs = [each for each in found.judged if len(each.points) == 2]

        assert len(pairs) == 24
        for judged in pairs[::7]:
            again = play(world, shelf, DOUBT, *((each.call, each.kind) for each in judged.points))
            assert (again.trace, again.wrongs) == (judged.trace, judged.wrongs)


def test_a_fault_that_only_a_crash_shows_is_found(world, shelf, calm, monkeypatch):
    """Nobody looks after an order whose request died between its claim and its message."""
    put = SqsQueue.put

    def put_at_once(self, messages, *, delay_seconds=0):
        if delay_seconds != NET_SECONDS:
            put(self, messages, delay_seconds=delay_seconds)

    monkeypatch.setattr(DynamoActiveOrders, "open", lambda *_, **__: None)
    monkeypatch.setattr(SqsQueue, "put", put_at_once)
    one = replace(BORROWERS, visits=BORROWERS.visits[-1:])
    begins = "POST /v1/loans/{loan_id}/repayments"
    with much_copied():
        handlers = enumerate_points(world, shelf, one, is_wanted=lambda _: False).handlers
        wanted = {call for call, handler in enumerate(handlers, start=1) if handler == begins}
        found = enumerate_points(
            world, shelf, one, kinds=("crash_after",), is_wanted=wanted.__contains__
        )

    assert found.wrongs == ()
    assert any("still holds the slot" in wrong for each in found.failed() for wrong in each.wrongs)
