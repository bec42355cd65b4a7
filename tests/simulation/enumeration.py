"""`python -m tests.simulation.enumeration`: all points, all pairs, all orders of all meetings."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import conftest  # noqa: F401  the stage of the tests, before anything of ours is imported
from tests.simulation.forks import Copies, much_copied
from tests.simulation.meetings import ORDERS_MAX, Scene, explore
from tests.simulation.points import (
    KINDS,
    all_handlers,
    enumerate_points,
    play,
    without_points,
)
from tests.simulation.scenes import SCENES
from tests.simulation.sleep_sets import TooManyOrdersError
from tests.simulation.staged import Shelf
from tests.simulation.story import told
from tests.simulation.typical_days import TYPICAL_DAYS, Typical
from tests.simulation.world import World

TOLD_MAX = 5
PROGRESS_EVERY = 100


def main(given: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(given)
    with World() as world:
        if asked.at:
            return _replay(world, asked)
        failed = 0
        if asked.what in {"points", "all"}:
            failed += _points(world, asked)
        if asked.what in {"meetings", "all"}:
            failed += _meetings(world, asked)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.enumeration", description=__doc__
    )
    parser.add_argument("what", nargs="?", default="all", choices=("all", "points", "meetings"))
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    parser.add_argument("--only", default="", help="days or meetings whose name says this")
    parser.add_argument("--every", type=int, default=1, help="of the calls only every so manyth")
    parser.add_argument(
        "--literal", action="store_true", help="every pair, also those that leave the same"
    )
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        help="one day again, struck here, and its story: --only doubt --at 123:crash_after",
    )
    return parser


# --- points -----------------------------------------------------------------------------------


def _points(world: World, asked: argparse.Namespace) -> int:
    shelf, calls = Shelf(world), Counter[str]()
    struck: Counter[str] = Counter()
    days = [day for day in TYPICAL_DAYS if asked.only in day.name]
    failed = singles = pairs = 0
    began = time.perf_counter()
    for typical in days:
        with much_copied():
            found = enumerate_points(
                world,
                shelf,
                typical,
                is_wanted=lambda call: call % asked.every == 0,
                pairs=True,
                is_literal=asked.literal,
                most=asked.jobs,
                passes=partial(_progress, typical.name, began),
            )
        calls.update(found.calls)
        struck.update(each.points[0].handler for each in found.judged if len(each.points) == 1)
        singles += (one := sum(len(each.points) == 1 for each in found.judged))
        pairs += (two := len(found.judged) - one)
        _say(
            f"{typical.name}: {sum(found.calls.values()):,} calls, {one:,} points,"
            f" {two:,} pairs, {len(found.failed())} failed,"
            f" {time.perf_counter() - began:.0f} s",
            *(wrong for wrong in found.wrongs),
        )
        for each in found.failed()[:TOLD_MAX]:
            again = " ".join(f"--at {point.call}:{point.kind}" for point in each.points)
            _say(
                *(f"  {point}" for point in each.points),
                *(f"    {wrong}" for wrong in each.wrongs[:TOLD_MAX]),
                f"    again: --only '{typical.name}' {again}",
            )
        failed += len(found.failed()) + bool(found.wrongs)
    for handler in sorted(calls):
        _say(f"  {handler}: {calls[handler]:,} calls, {struck[handler]:,} points")
    if not asked.only and (missing := without_points(struck)) and asked.every == 1:
        _say(f"without points: {', '.join(sorted(missing))}")
        failed += 1
    _say(
        f"points: {singles:,} of {sum(calls.values()):,} calls and {len(KINDS)} kinds,"
        f" pairs: {pairs:,}; failed: {failed}; {time.perf_counter() - began:.0f} s",
        f"left out: {', '.join(sorted(all_handlers() - set(calls)))}",
    )
    return failed


def _progress(name: str, began: float, call: int) -> None:
    if call % PROGRESS_EVERY == 0:
        _say(f"  {name}: at call {call:,}, {time.perf_counter() - began:.0f} s")


def _replay(world: World, asked: argparse.Namespace) -> int:
    """Play one day again, struck at given calls, and tell the story of its money."""
    typical: Typical = next(day for day in TYPICAL_DAYS if asked.only in day.name)
    points = [(int(call), kind) for call, _, kind in (each.partition(":") for each in asked.at)]
    result = play(world, Shelf(world), typical, *points)
    _say(*told(result))
    return 1 if result.wrongs else 0


# --- meetings ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came of a meeting, as a copy of this process tells it."""

    name: str
    orders: int
    cut: int
    ends: int
    failed: int
    seconds: float


def _meetings(world: World, asked: argparse.Namespace) -> int:
    began, copies = time.perf_counter(), Copies(most=asked.jobs)
    for scene in SCENES:
        if asked.only in str(scene) and copies.is_the_copy():
            copies.tell(lambda scene=scene: meet(world, scene))
    told: list[Told] = copies.told()
    failed = sum(bool(each.failed) for each in told)
    _say(
        f"meetings: {len(told)}, orders: {sum(each.orders for each in told):,},"
        f" different ends: {sum(each.ends for each in told):,}; failed: {failed};"
        f" {time.perf_counter() - began:.0f} s"
    )
    return failed


def meet(world: World, scene: Scene, *, orders_max: int = ORDERS_MAX) -> Told:
    """Explore a meeting, and say what came of it."""
    began = time.perf_counter()
    try:
        with much_copied():
            found = explore(world, scene, orders_max=orders_max)
    except TooManyOrdersError:
        _say(f"{scene}: more than {orders_max:,} orders")
        return Told(name=str(scene), orders=orders_max, cut=0, ends=0, failed=1, seconds=0)
    seconds = time.perf_counter() - began
    _say(
        f"{scene}: {found.figures.orders:,} orders, {len(found.ends)} ends,"
        f" {len(found.failed)} failed, {seconds:.1f} s"
    )
    for each in found.failed[:1]:
        _say(
            *(f"  {wrong}" for wrong in each.wrongs),
            *(f"    {step}" for step in each.steps),
            *(f"  {name} ended with {how}" for name, how in each.ended.items()),
        )
    return Told(
        name=str(scene),
        orders=found.figures.orders,
        cut=found.figures.cut,
        ends=len(found.ends),
        failed=len(found.failed),
        seconds=seconds,
    )


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
