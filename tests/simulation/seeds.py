"""One seed, played and judged."""

from dataclasses import dataclass, field
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import Any

from tests.simulation import checkers, checkers_funders, checkers_more, checkers_staff
from tests.simulation.catalogue import Catalogue
from tests.simulation.checkers import Books
from tests.simulation.day import Day
from tests.simulation.plan import Plan
from tests.simulation.watch_more import CloserWatch as Watch
from tests.simulation.world import World

CHECKERS = (
    *checkers.CHECKERS,
    *checkers_more.MORE_CHECKERS,
    *checkers_funders.CHECKERS,
    *checkers_staff.CHECKERS,
)
AGAIN = (
    ("make_due_list", 0 + 10 / 60),
    ("open_round_1", 8.0),
    ("open_round_2", 16.0),
    ("sweep", 23.75),
    ("close_day", 36.0),
    ("release_texts", 17.0),
)
"""Jobs that are run once more when all is over; nothing may be different then."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a seed."""

    seed: int
    weather: str
    wrongs: tuple[str, ...]
    trace: str
    calls: int
    charges: int
    struck: tuple[str, ...] = ()
    story: tuple[tuple[float, str], ...] = field(default=(), repr=False)
    day: Any = field(default=None, repr=False)


def play(world: World, catalogue: Catalogue, plan: Plan) -> Result:
    """Play a plan, let the system recover, and hold every invariant against what stands."""
    day = Day(world, plan, catalogue)
    watch = world.watching = Watch(day)
    wrongs: list[str] = []
    try:
        day.play()
        day.recover()
        world.watching = None
        wrongs += watch.wrongs
        books = Books(day)
        for checker in CHECKERS:
            wrongs += checker(books)
        wrongs += _repeated(day)
    except Exception as error:  # noqa: BLE001  a seed that breaks the play itself is a finding, too
        wrongs += [*watch.wrongs, f"I13 the day breaks off: {type(error).__name__}: {error}"]
    return Result(
        seed=plan.seed,
        weather=plan.weather.name,
        wrongs=tuple(wrongs),
        trace=world.trace.hexdigest(),
        calls=world.calls,
        charges=len(day.payment.charges()),
        struck=tuple(f"{fault}: {what}" for fault, what in world.faults.struck),
        story=tuple(day.story),
        day=day,
    )


def _repeated(day: Day) -> list[str]:
    """I14: run one job again; nothing may be different."""
    job, hours = Random(f"again {day.plan.seed}").choice(AGAIN)
    if job == "sweep":  # the last one may have died before it had tidied up
        day.fire(job, hours)
        day.until_quiet()
    before = day.world.digest()
    day.fire(job, hours)
    day.until_quiet()
    return [] if day.world.digest() == before else [f"I14 {job} run again changes what stands"]
