"""How fast days are simulated, and how much of that is our own code and its libraries."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import conftest  # noqa: F401  the stage of the tests, before anything of ours
from bench.stopwatch import Race
from bench.table import Line, timed
from tests.simulation.catalogue import Catalogue
from tests.simulation.plan import CALM, Plan, draw
from tests.simulation.seeds import play
from tests.simulation.tasks import Tasks
from tests.simulation.world import World

TITLE = "a simulated day (seeds.play), one process"
DAYS = 60
OURS = "our Lambdas in it: handlers, flows, adapters, PynamoDB, Chalice"


@dataclass
class Clocks:
    """Seconds spent in Lambdas, and of those in what is simulated around them."""

    in_lambdas: float = 0.0
    in_calls: float = 0.0
    giving_way: float = 0.0
    calls: int = 0

    @property
    def ours(self) -> float:
        return self.in_lambdas - (self.in_calls - self.giving_way)


def measure() -> Iterator[Line]:
    """Play calm days of 20 loans and two rounds, then days as they are drawn."""
    clocks = Clocks()
    with _clocked(clocks), World() as world:
        world.clear()
        catalogue = Catalogue(world)
        drawn = [draw(seed) for seed in range(1, 10 * DAYS)]
        calm = [draw(plan.seed, weather=CALM, repaying=0.0) for plan in drawn]
        play(world, catalogue, calm[0])
        yield _played("calm, nobody pays early", calm[:DAYS], world, catalogue, clocks)
        yield _played("as drawn", drawn[:DAYS], world, catalogue, clocks)


def _played(
    what: str, plans: Sequence[Plan], world: World, catalogue: Catalogue, clocks: Clocks
) -> Line:
    vars(clocks).update(vars(Clocks()))
    started = perf_counter()
    for plan in plans:
        if wrongs := play(world, catalogue, plan).wrongs:
            raise RuntimeError(wrongs)
    seconds = perf_counter() - started
    ratio = seconds / clocks.ours
    per_day = seconds / len(plans)
    return timed(
        what=f"  {what}: {1 / per_day:.1f} days/s, {clocks.calls / len(plans):,.0f} calls",
        race=Race(
            ours_seconds=per_day,
            peer_seconds=clocks.ours / len(plans),
            ratio=ratio,
            lowest=ratio,
            highest=ratio,
        ),
        peer_is=f"{OURS}: alone {len(plans) / clocks.ours:.1f} days/s",
    )


@contextmanager
def _clocked(clocks: Clocks) -> Iterator[None]:
    """Read the clock where Lambdas are entered and left, and around each of their calls."""
    switch, around, give_way = Tasks.switch_to, World.around, Tasks.give_way

    def clocked(kept: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed_work(*given: Any) -> Any:
            started = perf_counter()
            try:
                return work(*given)
            finally:
                setattr(clocks, kept, getattr(clocks, kept) + perf_counter() - started)

        return timed_work

    in_calls = clocked("in_calls", around)

    def called(world: World, *given: Any) -> Any:
        if world.tasks.current is None:
            return around(world, *given)
        clocks.calls += 1
        return in_calls(world, *given)

    Tasks.switch_to = clocked("in_lambdas", switch)  # type: ignore[method-assign]
    Tasks.give_way = clocked("giving_way", give_way)  # type: ignore[method-assign]
    World.around = called  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tasks.switch_to, World.around, Tasks.give_way = switch, around, give_way  # type: ignore[method-assign]
