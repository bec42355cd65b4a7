"""Lambdas side by side in one thread: each runs until a call, and there another may go on.

A task is one invocation.  What it has in flight at once are branches of it: they go on in any
order, too.  Who goes on where is drawn, so that one seed is one order of steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import Any

from greenlet import getcurrent, greenlet

from app import app

STRETCH_MAX = 9
"""How many calls at most somebody makes before another may go on."""


class Crash(BaseException):
    """A Lambda dies here; no `except Exception` may catch it."""


@dataclass(eq=False, kw_only=True)
class Task:
    """One invocation: `done` is told of its end, be it a value, an error or a Crash."""

    name: str
    done: Callable[[object], None]
    branches: list[greenlet] = field(default_factory=list)
    waits_for: int = 0
    request: Any = None
    is_dead: bool = False


class Tasks:
    """Who is at work."""

    def __init__(self) -> None:
        self._hub = getcurrent()
        self.begin(Random(0))

    def begin(self, rng: Random) -> None:
        """Start a day with nobody at work."""
        self._rng = rng
        self._running: list[tuple[Task, greenlet]] = []
        self._stretch = 1
        self.current: Task | None = None

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, work: Callable[[], object], done: Callable[[object], None]) -> None:
        """Put somebody to work; it runs with the next steps."""
        task = Task(name=name, done=done)

        def run() -> None:
            try:
                ended: object = work()
            except Exception as error:  # noqa: BLE001  how an invocation ends is its caller's business
                ended = error
            except Crash as crash:
                ended = crash
                self._kill_branches(task)
            task.is_dead = True
            self._running = [one for one in self._running if one[0] is not task]
            task.done(ended)

        self._running.append((task, greenlet(run, self._hub)))

    def step(self) -> None:
        """Let one that is drawn go on until it gives way or ends."""
        running = self._running
        task, branch = running[int(self._rng.random() * len(running))]
        self.switch_to(task, branch)

    def give_way(self) -> None:
        """Called at every call of a task: after a stretch, somebody else goes on."""
        self._stretch -= 1
        if self._stretch <= 0:
            self._stretch = 1 + int(self._rng.random() * STRETCH_MAX)
            if len(self._running) > 1:
                self._hub.switch()

    def in_flight(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """Work items side by side, each as a branch of the task; give their outcomes in order.

        A failure stands in its own item's place; who dies takes the others with him.
        """
        task = self.current
        if task is None or len(items) < 2:
            return [_outcome(work, item) for item in items]
        outcomes: list[Any] = [None] * len(items)
        waiting = [entry for entry in self._running if entry[0] is task]
        left = [len(items)]
        crashes: list[Crash] = []

        def branch(place: int, item: Any) -> Callable[[], None]:
            def run() -> None:
                try:
                    outcomes[place] = _outcome(work, item)
                except Crash as crash:
                    crashes.append(crash)
                left[0] -= 1
                self._running = [one for one in self._running if one[1] is not getcurrent()]
                if crashes or not left[0]:
                    self._resume(waiting)

            return run

        self._running = [entry for entry in self._running if entry[0] is not task]
        branches = [greenlet(branch(*numbered), self._hub) for numbered in enumerate(items)]
        task.branches = branches
        self._running += [(task, one) for one in branches]
        self._hub.switch()
        if crashes:
            raise crashes[0]
        return outcomes

    def _resume(self, waiting: list[tuple[Task, greenlet]]) -> None:
        """Let the one go on that waits for its branches."""
        if waiting and waiting[0] not in self._running:
            self._running += waiting

    def _kill_branches(self, task: Task) -> None:
        """Whoever dies takes all he has in flight with him, wherever they stand."""
        for one in task.branches:
            if one and not one.dead and one is not getcurrent():
                one.parent = getcurrent()
                one.throw(Crash())
        task.branches = []

    def switch_to(self, task: Task, branch: greenlet) -> None:
        before, self.current = self.current, task
        app.current_request = task.request
        branch.switch()
        task.request = app.current_request
        self.current = before


def _outcome(work: Callable[[Any], Any], item: Any) -> Any:
    try:
        return work(item)
    except Exception as error:  # noqa: BLE001  as the production's own does
        return error
