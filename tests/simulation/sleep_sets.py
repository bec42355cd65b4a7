"""Every order that the calls of several handlers can have: one of each kind that can differ.

Two calls that do not touch one another may change places, and nobody can tell.  Orders that differ
only so are one kind.  The search goes depth first; what was taken at a branch sleeps in the next
one until somebody touches what it touches: so each kind is played once, to its end (sleep sets,
P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Resource = tuple[str, ...]


class Touch(StrEnum):
    """What a call does to a resource.  Reads do not mind each other, nor do additions."""

    READS = "reads"
    WRITES = "writes"
    ADDS = "adds"


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler is about to do; `says` names it in a story of steps."""

    says: str
    touches: frozenset[tuple[Resource, Touch]] = frozenset()


def are_independent(one: Call, other: Call) -> bool:
    """Whether the two calls see and leave the same, whichever is first."""
    theirs: dict[Resource, set[Touch]] = {}
    for resource, touch in other.touches:
        theirs.setdefault(resource, set()).add(touch)
    return not any(
        met is Touch.WRITES or met is not touch
        for resource, touch in one.touches
        for met in theirs.get(resource, ())
    )


class TooManyOrdersError(Exception):
    """There are more orders than was allowed for: nothing is said of those left out."""


class AllAsleepError(Exception):
    """Whatever could go on here has been played elsewhere."""


class NotTheSameWayError(Exception):
    """Going the same way again, the handlers do something else: they share what nobody watches."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who could go on, who of them slept, and who went on."""

    pending: Mapping[str, Call]
    asleep: frozenset[str]
    taken: str

    @property
    def says(self) -> str:
        return f"{self.taken}: {self.pending[self.taken].says}"


@dataclass(slots=True)
class Way:
    """A way through the steps: as it was told at first, then whoever is awake, the first first."""

    told: Sequence[tuple[str, str]]
    asleep: frozenset[str]
    steps: list[Step] = field(default_factory=list)
    at: int = 0

    def choose(self, pending: Mapping[str, Call]) -> str:
        """Say who goes on.

        :raises AllAsleepError: if what is left of this way has been played.
        :raises NotTheSameWayError: if somebody is not about to do what he was.
        """
        self.at += 1
        if self.at <= len(self.told):
            name, said = self.told[self.at - 1]
            if name not in pending or pending[name].says != said:
                found = pending[name].says if name in pending else "nothing"
                raise NotTheSameWayError(f"{name}: {found}, not {said}")
            return name
        awake = [name for name in pending if name not in self.asleep]
        if not awake:
            raise AllAsleepError
        taken = awake[0]
        self.steps.append(Step(pending=dict(pending), asleep=self.asleep, taken=taken))
        self.asleep = _still_asleep(self.asleep, pending, taken)
        return taken


def _still_asleep(
    asleep: frozenset[str], pending: Mapping[str, Call], taken: str
) -> frozenset[str]:
    return frozenset(
        name for name in asleep if are_independent(pending[name], pending[taken])
    )


@dataclass(frozen=True, slots=True)
class Played:
    """One way to its end, or to where all that could follow had been played (`is_whole` is False)."""

    steps: Sequence[Step]
    is_whole: bool
    outcome: Any = None


@dataclass(slots=True)
class _Branch:
    pending: Mapping[str, Call]
    asleep: frozenset[str]
    taken: str


@dataclass(slots=True)
class Figures:
    """How many orders were played to their end, and how many were given up as known."""

    orders: int = 0
    cut: int = 0


def every_order(
    play: Callable[[Way], Played], *, orders_max: int, figures: Figures | None = None
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Play once for each kind of order; give its steps and what came out.

    :raises TooManyOrdersError: if there are more than `orders_max`.
    """
    figures = figures or Figures()
    branches: list[_Branch] = []
    way: Way | None = Way(told=(), asleep=frozenset())
    while way:
        played = play(way)
        branches += [_Branch(each.pending, each.asleep, each.taken) for each in played.steps]
        if played.is_whole:
            figures.orders += 1
            yield tuple(_said(branch) for branch in branches), played.outcome
        else:
            figures.cut += 1
        if figures.orders > orders_max:
            raise TooManyOrdersError(orders_max)
        way = _next_way(branches)


def _said(branch: _Branch) -> str:
    return f"{branch.taken}: {branch.pending[branch.taken].says}"


def _next_way(branches: list[_Branch]) -> Way | None:
    """Go back to the last branch where somebody else may go on; None if there is none."""
    while branches:
        last = branches[-1]
        last.asleep |= {last.taken}
        awake = [name for name in last.pending if name not in last.asleep]
        if awake:
            last.taken = awake[0]
            return Way(
                told=[(each.taken, each.pending[each.taken].says) for each in branches],
                asleep=_still_asleep(last.asleep, last.pending, last.taken),
            )
        branches.pop()
    return None
