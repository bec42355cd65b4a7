"""`python -m tests.simulation.hunt`: let one mutant after the other live, until somebody notices.

Each plays the seeds in their order until a checker complains that does not complain of the same
seed without the mutant.  What judges is the production code as it is, never the mutant.
"""

import argparse
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import conftest  # noqa: F401  the stage of the tests, before anything of ours is imported
from chalicelib.domain.loan import Mode
from tests.simulation import (
    book,
    checkers,
    checkers_funders,
    mutants_bill,
    mutants_doors,
    mutants_funders,
    mutants_money,
    mutants_notices,
    mutants_posting,
    mutants_rounds,
    seeds,
    tasks,
    world,
)
from tests.simulation.catalogue import Catalogue
from tests.simulation.checkers import CHECKERS, Checker
from tests.simulation.checkers_more import MORE_CHECKERS
from tests.simulation.crowd import STRETCH_USUAL, Crowd
from tests.simulation.crowded import crowded
from tests.simulation.day import Day
from tests.simulation.mutants import Living, Mutant
from tests.simulation.plan import draw
from tests.simulation.tasks import Crash
from tests.simulation.watch_more import CloserWatch
from tests.simulation.world import World

MUTANTS: tuple[Mutant, ...] = (
    *mutants_posting.MUTANTS,
    *mutants_rounds.MUTANTS,
    *mutants_bill.MUTANTS,
    *mutants_doors.MUTANTS,
    *mutants_notices.MUTANTS,
    *mutants_money.MUTANTS,
    *mutants_funders.MUTANTS,
)
BY_NAME: Mapping[str, Mutant] = {each.name: each for each in MUTANTS}
DAYS = 500
DAYS_SAME = 25
"""How many days are played with one of which we say that it makes no difference."""

SECONDS_MAX = 60
"""So much of a processor's time a day may take: a busy machine makes none endless."""

RETRY_DPD_MAX = 35
PROOF = Path("docs/proof.md")
BEGINS, ENDS = "<!-- mutants -->", "<!-- /mutants -->"
ROW = re.compile(r"\| `(\w+)`:")
SAME, LIVES = "no difference:", "**lives**"
JUDGES = (
    *CHECKERS,
    *(each for each in MORE_CHECKERS if each not in CHECKERS),
    *checkers_funders.CHECKERS,
)


class CrowdedWatch(CloserWatch):
    """Lets a crowd in before it begins to watch."""

    def __init__(self, day: Day) -> None:
        super().__init__(day)
        self._crowd = Crowd(day)

    def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], is_done: bool
    ) -> None:
        slow = self._crowd.slow
        if not is_done:  # what is watched of a call is what stands when it is made
            slow.before(service, operation, parameters)
        super().__call__(service, operation, parameters, is_done)
        if not is_done:
            return
        if self._crowd.is_fatal(operation, parameters.get("TableName", "")):
            raise Crash
        slow.after(service, operation, parameters)


class HungError(BaseException):
    """A day takes for ever; no `except Exception` may catch it."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What became of a mutant; `seed` is 0 if it survived, `net` was removed as well if named."""

    name: str
    net: str = ""
    seed: int = 0
    checker: str = ""
    wrong: str = ""
    days: int = 0
    seconds: float = 0.0
    unreached: tuple[str, ...] = ()


class Ground:
    """One world to hunt in; its books are taken in before any mutant lives."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        # So that a loan of two instalments due is on the list.
        for holder, name, value in (
            (world.SETTINGS, "RETRY_DPD_MAX", str(RETRY_DPD_MAX)),
            (vars(checkers), "RETRY_DPD_MAX", RETRY_DPD_MAX),
        ):
            self._stack.callback(holder.__setitem__, name, holder[name])
            holder[name] = value
        self.world = self._stack.enter_context(World())
        self.catalogue = Catalogue(self.world)
        self._taken_in: set[bool] = set()
        self.take_in(funders=False)

    def take_in(self, *, funders: bool) -> None:
        """Take in all books of a kind, if they are not yet."""
        if funders in self._taken_in:
            return
        self._taken_in.add(funders)
        for number in range(book.BOOKS):
            self.world.clear()
            self.world.serve(Mode if funders else ())
            self.catalogue.put(number, funders=funders)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wrongs(
        self, seed: int, living: Living | None = None, *, funders: bool = False
    ) -> dict[str, str]:
        """Play a seed; say what was wrong, each with the checker that found it."""
        by: dict[str, str] = {}
        plan = draw(seed, repaying=1.0, funders=float(funders))
        with _judged(by, living), _in_time():
            try:
                result = seeds.play(self.world, self.catalogue, crowded(plan))
            except HungError:
                return {"I13 the day does not end": "the day itself"}
        return {wrong: by.get(wrong) or _found_by(wrong) for wrong in result.wrongs}


@contextmanager
def _judged(by: dict[str, str], living: Living | None) -> Iterator[None]:
    """Have the seeds judged by the checkers, the mutant being lifted while they do."""
    before = seeds.CHECKERS, seeds.Watch

    def outside(checker: Checker) -> Checker:
        @wraps(checker)
        def judge(books: seeds.Books) -> Iterator[str]:
            if living is None:
                wrongs = list(checker(books))
            else:
                with living.lifted():
                    wrongs = list(checker(books))
            by.update(dict.fromkeys(wrongs, checker.__name__))
            yield from wrongs

        return judge

    seeds.CHECKERS, seeds.Watch = tuple(map(outside, JUDGES)), CrowdedWatch
    try:
        yield
    finally:
        seeds.CHECKERS, seeds.Watch = before
        tasks.STRETCH_MAX = STRETCH_USUAL


@contextmanager
def _in_time() -> Iterator[None]:
    def hung(*_: object) -> None:
        raise HungError

    before = signal.signal(signal.SIGPROF, hung)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _found_by(wrong: str) -> str:
    if "breaks off" in wrong:
        return "the day itself"
    return "a job run again" if "run again" in wrong else "the watch of every call"


def hunted(ground: Ground, mutant: Mutant, *, days: int = DAYS, net: str = "") -> Found:
    """Let a mutant live through the seeds until it is noticed."""
    started = time.perf_counter()
    more = (BY_NAME[net],) if net else ()
    shared = mutant.area == mutants_funders.AREA
    ground.take_in(funders=shared)
    living = Living(mutant, *more)
    for seed in range(1, days + 1):
        with living:
            wrongs = ground.wrongs(seed, living, funders=shared)
        if not wrongs:
            continue
        usual = ground.wrongs(seed, funders=shared)
        for wrong, checker in wrongs.items():
            if wrong not in usual:
                return Found(
                    name=mutant.name,
                    net=net,
                    seed=seed,
                    checker=checker,
                    wrong=wrong,
                    days=seed,
                    seconds=time.perf_counter() - started,
                )
    return Found(
        name=mutant.name,
        net=net,
        days=days,
        seconds=time.perf_counter() - started,
        unreached=tuple(place for place in living.places if place not in living.reached),
    )


# --- the command ------------------------------------------------------------------------


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.hunt", description=__doc__)
    parser.add_argument("--only", nargs="*", default=(), help="names of mutants")
    parser.add_argument("--days", type=int, default=DAYS, help=f"seeds at most (default {DAYS})")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    asked = parser.parse_args(given)
    wanted = [BY_NAME[name] for name in asked.only] or list(MUTANTS)
    started, found = time.perf_counter(), []
    errands = [(each.name, asked.days) for each in wanted]
    for each in _hunted(errands, jobs=asked.jobs):
        found.append(each)
        print(_told(each, len(found), len(wanted), time.perf_counter() - started), flush=True)
        write(PROOF, found, days=DAYS)
    alive = [each.name for each in found if not each.seed and not BY_NAME[each.name].same_because]
    print(f"{len(found)} mutants, {len(alive)} alive: {', '.join(alive) or 'none'}")
    return 1 if alive else 0


def _hunted(errands: Sequence[tuple[str, int]], *, jobs: int) -> Iterator[Found]:
    if jobs == 1:
        yield from map(_hunt, errands)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(_hunt, errands)


_grounds: list[Ground] = []


def _hunt(errand: tuple[str, int]) -> Found:
    """Hunt one; what lives behind its net is hunted once more without the net."""
    name, days = errand
    if not _grounds:
        _grounds.append(Ground())
    mutant = BY_NAME[name]
    days = min(days, DAYS_SAME) if mutant.same_because else days
    found = hunted(_grounds[0], mutant, days=days)
    if not found.seed and mutant.net:
        found = hunted(_grounds[0], mutant, days=days, net=mutant.net)
    return found


def _told(found: Found, number: int, count: int, seconds: float) -> str:
    without = f" without {found.net}" if found.net else ""
    if not found.seed:
        unreached = f"; never reached: {', '.join(found.unreached)}" if found.unreached else ""
        told = f"LIVES after {found.days} days{without}{unreached}"
    else:
        told = f"seed {found.seed}{without}, {found.checker}: {found.wrong}"
    return f"{number}/{count} {seconds:.0f} s  {found.name}: {told}"


# --- the table --------------------------------------------------------------------------


def write(path: Path, found: Sequence[Found], *, days: int) -> None:
    """Put the rows of what was found into the table; others, and the rest of the file, stay."""
    text = path.read_text(encoding="utf-8") if path.exists() else f"# Proof\n\n{BEGINS}\n{ENDS}\n"
    before, _, rest = text.partition(BEGINS)
    standing, _, after = rest.partition(ENDS)
    rows = {
        **{named[1]: row for row in standing.splitlines() if (named := ROW.match(row))},
        **{each.name: _row(BY_NAME[each.name], each) for each in found},
    }
    path.write_text(f"{before}{BEGINS}\n{table(rows, days=days)}{ENDS}{after}", encoding="utf-8")


def table(rows: Mapping[str, str], *, days: int) -> str:
    """Write the rows of the mutants, by their names, area by area, as Markdown."""
    known = {name: rows[name] for name in BY_NAME if name in rows}
    same = sum(SAME in row for row in known.values())
    alive = sum(LIVES in row for row in known.values())
    told = (
        f"{len(known)} guards removed, one at a time: {len(known) - same - alive} are noticed"
        f" within {days} days, {same} make no difference and say why, {alive} are noticed by nobody."
    )
    lines = [
        told,
        "",
        "Written by `python -m tests.simulation.hunt`; `--only NAME` writes that row anew.",
        "",
        "| guard removed | killed at seed | by |",
        "|---|---|---|",
    ]
    area = ""
    for name, row in known.items():
        if BY_NAME[name].area != area:
            area = BY_NAME[name].area
            lines.append(f"| **{area}** | | |")
        lines.append(row)
    return "\n".join(lines) + "\n"


def _row(mutant: Mutant, found: Found) -> str:
    guard = f"`{mutant.name}`: {mutant.guard}"
    if found.net:
        guard += f"; the net behind it (`{found.net}`) removed as well"
    if found.seed:
        by = found.checker.replace("_", " ")
        return f"| {guard} | {found.seed} | {by}: {found.wrong.replace('|', '/')[:90]} |"
    if mutant.same_because:
        return f"| {guard} | none of {found.days} | {SAME} {mutant.same_because} |"
    return f"| {guard} | {LIVES} | nobody within {found.days} days |"


if __name__ == "__main__":
    sys.exit(main())
