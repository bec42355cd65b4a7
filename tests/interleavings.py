"""Run handlers side by side, step by step, in every order their steps can have.

A handler runs until it is about to make a call that another's could meet, and there the others
may come first.  Calls that meet nobody are no steps: rows that never change, queues that no
handler reads, switches that stay as they are.  In whatever order such calls are made, all see
and leave the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet

from tests.fakes import World

Handlers = Mapping[str, Callable[[], object]]

MEETS_NOBODY = frozenset(
    {
        "FakeSchedules.get",
        "FakeControls.is_paused",
        "FakeQueue.put",
    }
)


class TooManyOrdersError(Exception):
    """There are more orders than a test should take: nothing is said of those left out."""


@dataclass(frozen=True)
class Meeting:
    """One order of the steps, as `handler: call`, and what each handler returned or raised."""

    world: World
    outcomes: dict[str, object]
    steps: list[str]


@dataclass
class _Choice:
    taken: int
    options: int


@dataclass
class _Path:
    """Which handler went on at each step; the next path is the next in depth-first order."""

    choices: list[_Choice] = field(default_factory=list)
    at: int = 0

    def choose(self, options: int) -> int:
        if self.at == len(self.choices):
            self.choices.append(_Choice(taken=0, options=options))
        self.at += 1
        return self.choices[self.at - 1].taken

    def move_on(self) -> bool:
        """Turn to the next path; False if there is none."""
        self.at = 0
        while self.choices and self.choices[-1].taken + 1 == self.choices[-1].options:
            self.choices.pop()
        if self.choices:
            self.choices[-1].taken += 1
        return bool(self.choices)


def every_order(
    scene: Callable[[], tuple[World, Handlers]], *, orders_max: int
) -> Iterator[Meeting]:
    """Play the scene anew for every order of its handlers' steps.

    :raises TooManyOrdersError: if there are more than `orders_max`.
    """
    path = _Path()
    for _ in range(orders_max):
        yield _play(*scene(), path)
        if not path.move_on():
            return
    raise TooManyOrdersError(orders_max)


def _play(world: World, handlers: Handlers, path: _Path) -> Meeting:
    meeting = Meeting(world=world, outcomes={}, steps=[])
    running = {name: greenlet(_guarded(work)) for name, work in handlers.items()}
    world.outside.before_call = _give_way
    waiting_for = {name: each.switch() for name, each in running.items()}
    while running:
        for name in [name for name, each in running.items() if each.dead]:
            del running[name]
            meeting.outcomes[name] = waiting_for.pop(name)
        if running:
            name = list(running)[path.choose(len(running))]
            meeting.steps.append(f"{name}: {waiting_for[name]}")
            waiting_for[name] = running[name].switch()
    world.outside.before_call = None
    return meeting


def _give_way(call: str) -> None:
    if call not in MEETS_NOBODY:
        getcurrent().parent.switch(call)


def _guarded(work: Callable[[], object]) -> Callable[[], object]:
    def run() -> object:
        try:
            return work()
        except Exception as error:  # noqa: BLE001  what a handler raises is what became of it
            return error

    return run
