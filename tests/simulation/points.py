"""Every single point at which a handler can die, and every pair of them within twelve calls.

A few small days without chance, on which every handler takes each of its ways.  At every call a
copy of this process is left behind in which a fault strikes that very call: the Lambda dies before
it or after it, it is done twice, its answer is lost.  The copy plays the day to its end, recovers,
and is judged like any other day.

Whoever dies after a call that only read has left what he would have left by dying before it, or
after the call before: so of the pairs those are played that leave something else (`is_literal`
plays every one).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from app import app
from tests.simulation.checkers import CHECKERS, Books
from tests.simulation.faults import Faults
from tests.simulation.forks import Copies
from tests.simulation.plan import Fault
from tests.simulation.seeds import Result, _repeated
from tests.simulation.staged import Shelf, StagedDay
from tests.simulation.typical_days import Typical
from tests.simulation.watch import Watch
from tests.simulation.world import World

KINDS = ("crash_before", "crash_after", "done_again", "answer_lost")
SECOND_WITHIN = 12
ONLY_READ = frozenset(
    (
        *("GetItem", "Query", "Scan", "BatchGetItem"),
        *("GetObject", "HeadObject", "ListObjectsV2", "GetQueueUrl", "GetQueueAttributes"),
    )
)
"""Calls that leave nothing behind: dying before one, or after it, is dying after the one before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A call at which something struck, and whose call it was."""

    call: int
    kind: str
    handler: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} at call {self.call}, {self.handler}: {self.what}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What came of a day on which something struck here, once or twice."""

    points: tuple[Point, ...]
    wrongs: tuple[str, ...]
    trace: str


Strikes = Callable[[int], bool]


class Points(Faults):
    """Leaves copies of the process behind in which a fault strikes; here nothing ever does.

    `is_wanted` says of which calls; with `pairs`, a copy that has crashed leaves copies behind
    itself, for a second crash within the next twelve calls.  `passes` is told of each call.
    """

    def __init__(
        self,
        world: World,
        *,
        kinds: Sequence[str] = KINDS,
        is_wanted: Strikes = lambda _: True,
        pairs: bool = False,
        is_literal: bool = False,
        most: int = 1,
        passes: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.copies = Copies(most=most)
        self.handlers: list[str] = []
        self.points: tuple[Point, ...] = ()
        self._world, self._kinds, self._is_wanted = world, kinds, is_wanted
        self._pairs, self._is_literal, self._passes = pairs, is_literal, passes
        self._last = 0
        self._is_on = False
        self._met: list[tuple[object, object]] = []

    def begin(self, faults: Iterable[Fault]) -> None:
        super().begin(faults)
        self._is_on = True

    def stop(self) -> None:
        super().stop()
        self._is_on = False

    def at(self, call: int) -> bool:
        return self._is_on and (not self.points or call <= self._last)

    def strike(self, call: int, service: str, operation: str, make: Callable[[], Any]) -> Any:
        """Make the call as it should be made, but in the copies that are left behind here."""
        handler, crashes = handler_at_work(self._world), self._crashes(operation)
        if not self.points:
            self.handlers.append(handler)
            self._passes(call)
            kinds = self._kinds if self._is_wanted(call) else ()
        else:
            kinds = crashes
        for kind in kinds:
            if self.copies.is_the_copy():
                point = Point(call=call, kind=kind, handler=handler, what=f"{service} {operation}")
                self._struck_at(point, is_first=not self.points, leaves_pairs=kind in crashes)
                self._by_call = {call: Fault(number=0, kind=kind, at=float(call))}
                return super().strike(call, service, operation, make)
        return make()

    def _struck_at(self, point: Point, *, is_first: bool, leaves_pairs: bool) -> None:
        self.points += (point,)
        self._met = []
        more = SECOND_WITHIN if is_first and self._pairs and leaves_pairs else 0
        self._last = point.call + more

    def _crashes(self, operation: str) -> Sequence[str]:
        """Say which crashes at this call leave what no other crash does."""
        if self._is_literal:
            return ("crash_before", "crash_after")
        invocation = self._world.tasks.current, app.current_request
        is_first = not any(met[0] is invocation[0] and met[1] is invocation[1] for met in self._met)
        self._met.append(invocation)
        leaves_something = operation not in ONLY_READ
        return ("crash_before",) * is_first + ("crash_after",) * leaves_something


@dataclass(kw_only=True)
class Enumerated:
    """All that was struck on a day, each judged by itself; `handlers` says whose each call was."""

    typical: Typical
    handlers: Sequence[str]
    wrongs: tuple[str, ...]
    judged: list[Judged]

    @property
    def calls(self) -> Counter[str]:
        return Counter(self.handlers)

    def failed(self) -> list[Judged]:
        return [each for each in self.judged if each.wrongs]


def enumerate_points(world: World, shelf: Shelf, typical: Typical, **wanted: Any) -> Enumerated:
    """Play a day, and all the days that begin like it and are struck at one of its calls."""
    before = world.faults
    points = world.faults = Points(world, **wanted)
    try:
        wrongs = judge(typical.day(world, shelf))
        if points.points:  # this is a copy: it tells what it found, and what its own copies found
            points.copies.tell(
                lambda: [
                    Judged(points=points.points, wrongs=wrongs, trace=world.trace.hexdigest()),
                    *_all(points.copies.told()),
                ]
            )
        return Enumerated(
            typical=typical,
            handlers=points.handlers,
            wrongs=wrongs,
            judged=_all(points.copies.told()),
        )
    finally:
        world.faults = before


def _all(told: Iterable[list[Judged]]) -> list[Judged]:
    return [each for some in told for each in some]


def play(world: World, shelf: Shelf, typical: Typical, *points: tuple[int, str]) -> Result:
    """Play a day from its beginning, struck at these calls."""
    faults = tuple(Fault(number=0, kind=kind, at=float(call)) for call, kind in points)
    day = typical.day(world, shelf, *faults)
    wrongs = judge(day)
    return Result(
        seed=0,
        weather=typical.name,
        wrongs=wrongs,
        trace=world.trace.hexdigest(),
        calls=world.calls,
        charges=len(day.payment.charges()),
        struck=tuple(f"{fault}: {what}" for fault, what in world.faults.struck),
        story=tuple(day.story),
        day=day,
    )


def judge(day: StagedDay) -> tuple[str, ...]:
    """Play a day that was begun to its end, let it recover, and name what is wrong."""
    world = day.world
    watch = world.watching = Watch(day)
    wrongs: list[str] = []
    try:
        day.until_quiet()
        day.recover()
        world.watching = None
        books = Books(day)
        wrongs += [wrong for checker in CHECKERS for wrong in checker(books)]
        wrongs += _repeated(day)
    except Exception as error:  # noqa: BLE001  what breaks the day is a finding, too
        wrongs.append(f"I13 the day breaks off: {type(error).__name__}: {error}")
    return (*watch.wrongs, *wrongs)


# --- whose calls they are -------------------------------------------------------------------


def handler_at_work(world: World) -> str:
    """Name the Lambda, or the route, that is about to make a call."""
    task = world.tasks.current
    assert task is not None
    name = task.name
    if name in OF_QUEUES:
        return OF_QUEUES[name]
    if name in ROUTERS or name.startswith("tap"):
        request = app.current_request
        return f"{request.method} {request.context['resourcePath']}"
    return name


ROUTERS = frozenset(("visit", "notified"))
OF_QUEUES = {
    source.queue.removeprefix("afterloan-test-"): source.name
    for source in app.event_sources
    if hasattr(source, "queue")
}


def all_handlers() -> frozenset[str]:
    """Name every Lambda of the app and every route."""
    lambdas = {source.name for source in app.event_sources}
    routes = {f"{method} {path}" for path, methods in app.routes.items() for method in methods}
    return frozenset(lambdas | routes)


LEFT_OUT = ("/m", "/v1/page-links", "/v1/health", "/v1/ops")
"""Routes that are not played: the pages, which call the same flows, and what makes no call.

Nor do days have staff yet: tests/unit/test_discrepancy_life.py dies at every call of an approval.
"""


def without_points(covered: Iterable[str]) -> frozenset[str]:
    """Name the handlers that should have points and have none."""
    missing = all_handlers() - set(covered)
    return frozenset(name for name in missing if not name.partition(" ")[2].startswith(LEFT_OUT))
