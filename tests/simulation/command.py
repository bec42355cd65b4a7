"""`python -m tests.simulation`: play many seeds, or one and tell its story."""

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.catalogue import Catalogue
from tests.simulation.many import WEATHERS, a_world, played
from tests.simulation.plan import Plan, draw
from tests.simulation.seeds import Result, play
from tests.simulation.shrinking import shrunk
from tests.simulation.story import told
from tests.simulation.world import World


def main(given: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(given)
    return int(asked.run(asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    many = commands.add_parser("simulate", help="play seeds one after the other")
    many.add_argument("--days", type=int, default=500, help="how many seeds (default 500)")
    many.add_argument("--seed", type=int, default=1, help="the first of them (default 1)")
    many.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    many.set_defaults(run=_simulate)
    one = commands.add_parser("replay", help="play one seed and tell the story of its money")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("--only", default="", help="numbers of the only faults there are: 3,17,18")
    one.add_argument("--shrink", action="store_true", help="look for the fewest faults that fail")
    one.set_defaults(run=_replay)
    for command in (many, one):
        command.add_argument(
            "--repaying", type=float, default=0.5, help="the chance that borrowers pay early"
        )
        command.add_argument(
            "--weather", choices=sorted(WEATHERS), default="", help="the same for every seed"
        )
    return parser


# --- many -------------------------------------------------------------------------------


def _simulate(asked: argparse.Namespace) -> int:
    seeds = range(asked.seed, asked.seed + asked.days)
    started, done, charges, calls = time.perf_counter(), 0, 0, 0
    weathers: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    failed: list[Result] = []
    traces = hashlib.blake2b(digest_size=8)
    for results in played(seeds, repaying=asked.repaying, weather=asked.weather, jobs=asked.jobs):
        for result in results:
            done, charges, calls = done + 1, charges + result.charges, calls + result.calls
            weathers[result.weather] += 1
            struck.update(each.split()[1] for each in result.struck)
            traces.update(result.trace.encode())
            if result.wrongs:
                failed.append(result)
                _tell_failure(result, asked)
        _progress(done, asked.days, len(failed), time.perf_counter() - started)
    seconds = time.perf_counter() - started
    told_weathers = ", ".join(f"{number} {name}" for name, number in sorted(weathers.items()))
    told_faults = ", ".join(f"{name} {number:,}" for name, number in sorted(struck.items()))
    print(f"{done:,} days ({told_weathers}) in {seconds:.1f} s: {done / seconds:.1f} days/s")
    print(f"{charges:,} charges, {calls:,} calls; faults of calls: {told_faults or 'none'}")
    print(f"violations: {len(failed)} days; traces {traces.hexdigest()}")
    return 1 if failed else 0


def _progress(done: int, days: int, failed: int, seconds: float) -> None:
    if sys.stderr.isatty():
        rate = done / seconds
        left = (days - done) / rate
        sys.stderr.write(
            f"\r{done:,}/{days:,} days, {failed} failed, {rate:.0f}/s, {left:.0f} s left "
        )
        sys.stderr.write("\n" if done == days else "")


def _tell_failure(result: Result, asked: argparse.Namespace) -> None:
    options = _options(asked)
    print(f"seed {result.seed} ({result.weather}) fails: {result.wrongs[0]}")
    print(f"  again: bin/afterloan replay --seed {result.seed} --shrink{options}", flush=True)


def _options(asked: argparse.Namespace) -> str:
    options = f" --repaying {asked.repaying}" if asked.repaying != 0.5 else ""
    return f"{options} --weather {asked.weather}" if asked.weather else options


# --- one --------------------------------------------------------------------------------


def _replay(asked: argparse.Namespace) -> int:
    world, catalogue = a_world()
    plan = draw(asked.seed, repaying=asked.repaying, weather=WEATHERS.get(asked.weather or ""))
    if asked.only:
        only = {int(number) for number in asked.only.split(",")}
        plan = plan.without(frozenset(fault.number for fault in plan.faults) - only)
    result = play(world, catalogue, plan)
    if result.wrongs and asked.shrink:
        plan = _shrunk(world, catalogue, plan, result)
        result = play(world, catalogue, plan)
    for line in told(result):
        print(line)
    if plan.left_out:
        numbers = ",".join(str(fault.number) for fault in plan.standing())
        print(f"留下 {len(plan.standing())} 个故障；重放：")
        print(f"  bin/afterloan replay --seed {asked.seed} --only {numbers}{_options(asked)}")
    print(f"trace {result.trace}")
    return 1 if result.wrongs else 0


def _shrunk(world: World, catalogue: Catalogue, plan: Plan, result: Result) -> Plan:
    invariant = result.wrongs[0].split()[0]

    def fails(candidate: Plan) -> bool:
        return any(
            wrong.split()[0] == invariant for wrong in play(world, catalogue, candidate).wrongs
        )

    return shrunk(plan, fails=fails)
