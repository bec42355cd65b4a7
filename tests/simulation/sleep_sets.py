"""Every order that the calls of several handlers can have: one of each kind that can differ.

Two calls that do not touch one another may change places, and nobody can tell.  Orders that differ
only so are one kind.  The search goes depth first.  What was taken at a branch sleeps in the next
one until somebody touches what it touches: so no kind is played twice (sleep sets, P. Godefroid,
Partial-Order Methods for the Verification of Concurrent Systems, 1996).  And a branch is tried only
where two calls raced that could have come the other way round (source sets, P. Abdulla and others,
Optimal Dynamic Partial Order Reduction, 2014).
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


def softened(call: Call) -> Call:
    """Say of a call that it has changed nothing: it only looked at what it could have written."""
    touches = {
        (resource, Touch.READS) for resource, touch in call.touches if touch is not Touch.ADDS
    }
    return Call(says=call.says, touches=frozenset(touches))


class TooManyOrdersError(Exception):
    """There are more orders than was allowed for: nothing is said of those left out."""


class AllAsleepError(Exception):
    """Whatever could go on here has been played elsewhere."""


class NotTheSameWayError(Exception):
    """Going the same way again, the handlers do something else: they share what nobody watches."""


@dataclass(slots=True)
class Branch:
    """A moment of a way: who could go on, who slept, who went on, who is wanted there as well."""

    pending: dict[str, Call]
    asleep: dict[str, Call]
    taken: str
    wanted: set[str]

    @property
    def call(self) -> Call:
        return self.pending[self.taken]

    @property
    def says(self) -> str:
        return f"{self.taken}: {self.call.says}"


@dataclass(slots=True)
class Way:
    """A way through the steps: as it was told at first, then whoever is awake, the first first.

    `asleep` are those who slept where the last told step was taken.
    """

    told: Sequence[tuple[str, str]] = ()
    asleep: dict[str, Call] = field(default_factory=dict)
    steps: list[Branch] = field(default_factory=list)
    turned: Call | None = None
    _at: int = 0
    _done: Call | None = None

    def choose(self, pending: Mapping[str, Call]) -> str:
        """Say who goes on.

        :raises AllAsleepError: if what is left of this way has been played.
        :raises NotTheSameWayError: if somebody is not about to do what he was.
        """
        self._at += 1
        if self._at <= len(self.told):
            name, said = self.told[self._at - 1]
            if name not in pending or pending[name].says != said:
                found = pending[name].says if name in pending else "nothing"
                raise NotTheSameWayError(f"{name}: {found}, not {said}")
            self._done = self.turned = pending[name]
            return name
        if self._done:
            self.asleep = _still(self.asleep, self._done)
        awake = [name for name in pending if name not in self.asleep]
        if not awake:
            raise AllAsleepError
        taken = awake[0]
        self.steps.append(Branch(dict(pending), dict(self.asleep), taken, {taken}))
        self._done = pending[taken]
        return taken

    def learn(self, call: Call) -> None:
        """Be told that what was just done has touched less than it could have."""
        self._done = call
        if self.steps:
            self.steps[-1].pending[self.steps[-1].taken] = call
        else:
            self.turned = call


def _still(asleep: Mapping[str, Call], done: Call) -> dict[str, Call]:
    """Leave those asleep whom it does not concern what was done."""
    return {name: call for name, call in asleep.items() if are_independent(call, done)}


@dataclass(frozen=True, slots=True)
class Played:
    """A way to its end, or (`is_whole` is False) to where all that could follow had been played."""

    way: Way
    is_whole: bool
    outcome: Any = None


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
    branches: list[Branch] = []
    way: Way | None = Way()
    while way:
        played = play(way)
        known = max(len(branches) - 1, 0)  # the last one has been turned to another
        if branches and played.way.turned:
            branches[-1].pending[branches[-1].taken] = played.way.turned
        branches += played.way.steps
        _want_the_other_way_round(branches, since=known)
        if played.is_whole:
            figures.orders += 1
            yield tuple(branch.says for branch in branches), played.outcome
        else:
            figures.cut += 1
        if figures.orders + figures.cut > orders_max:
            raise TooManyOrdersError(orders_max)
        way = _next_way(branches)


def _next_way(branches: list[Branch]) -> Way | None:
    """Go back to the last branch where somebody else is wanted; None if there is none."""
    while branches:
        last = branches[-1]
        last.asleep[last.taken] = last.call
        awake = [name for name in last.pending if name in last.wanted - last.asleep.keys()]
        if awake:
            last.taken = awake[0]
            return Way(
                told=[(each.taken, each.call.says) for each in branches],
                asleep=dict(last.asleep),
            )
        branches.pop()
    return None


def _want_the_other_way_round(branches: Sequence[Branch], *, since: int) -> None:
    """For each two calls that raced, have somebody tried who leads to their coming in turn."""
    before = _happened_before(branches)
    for late in range(since, len(branches)):
        for early in range(late - 1, -1, -1):
            if not _raced(branches, before, early, late):
                continue
            # What does not come of the early one, and then the late one: who may begin this?
            rest = [place for place in range(early + 1, late) if early not in before[place]] + [
                late
            ]
            beginners = [branches[place].taken for place in rest if before[place].isdisjoint(rest)]
            if not branches[early].wanted & set(beginners):
                branches[early].wanted.add(beginners[0])


def _raced(branches: Sequence[Branch], before: Sequence[set[int]], early: int, late: int) -> bool:
    """Whether two calls of different handlers mind each other, and nothing lies between them."""
    return (
        early in before[late]
        and branches[early].taken != branches[late].taken
        and not any(early in before[place] for place in before[late])
    )


def _happened_before(branches: Sequence[Branch]) -> list[set[int]]:
    """For each step, those that had to come before it in this order."""
    before: list[set[int]] = []
    for place, branch in enumerate(branches):
        had_to: set[int] = set()
        for earlier in range(place - 1, -1, -1):
            if earlier in had_to:
                continue
            other = branches[earlier]
            if other.taken == branch.taken or not are_independent(other.call, branch.call):
                had_to |= before[earlier] | {earlier}
        before.append(had_to)
    return before
