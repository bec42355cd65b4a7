"""Whoever meets, in every order of their calls: money moves once, and nobody is lied to.

`make enumerate` explores all meetings; here a part of them, and the search itself is proven.
"""

from dataclasses import replace
from itertools import permutations
from random import Random  # noqa: TID251  seeded: chance is what programs are drawn with

import pytest

from chalicelib.adapters.dynamodb.loans import DynamoLoans
from chalicelib.adapters.dynamodb.tables import LoanRow
from tests.simulation.forks import much_copied
from tests.simulation.meetings import explore
from tests.simulation.scenes import SCENES
from tests.simulation.sleep_sets import (
    AllAsleepError,
    Call,
    NotTheSameWayError,
    Played,
    TooManyOrdersError,
    Touch,
    Way,
    are_independent,
    every_order,
    softened,
)

PROGRAMS = 150
LONG = (
    *("a bill × itself", "a bill × its next version", "the close × the bill's next version"),
    "the close × itself",
    *("a deduction × itself × its notification", "two repayments' starts × a deduction"),
    "a spoilt bill × its next version",
    "a confirmation (reject_row) × its next version",
    "a confirmation (missing_line) × its next version",
    "a results file × itself",
    *(
        f"a results file ({way}) × its next version"
        for way in ("wrong_status", "change_amount", "missing_line")
    ),
)
"""Meetings of hundreds of orders each."""


# --- the search ---------------------------------------------------------------------------------


class Toy:
    """Handlers that read, write, and put once, over shared things; `seen` is what they learn."""

    def __init__(self, *programs: str) -> None:
        self.programs = {f"h{n}": program.split() for n, program in enumerate(programs)}

    @classmethod
    def drawn(cls, seed: int) -> "Toy":
        rng = Random(seed)
        handlers = rng.choice((2, 2, 3, 4))
        steps_max = {2: 5, 3: 3, 4: 3}[handlers]
        return cls(
            *(
                " ".join(
                    rng.choice(("read", "write", "once")) + rng.choice("xyz")
                    for _ in range(rng.randrange(1, steps_max))
                )
                for _ in range(handlers)
            )
        )

    def steps(self) -> list[str]:
        return [name for name, program in self.programs.items() for _ in program]

    def call(self, name: str, place: int) -> Call:
        step = self.programs[name][place]
        touch = Touch.READS if step.startswith("read") else Touch.WRITES
        return Call(says=step, touches=frozenset({((step[-1],), touch)}))

    def do(self, state: dict, name: str, place: int) -> bool:
        """Take a step; False if it has changed nothing, though it could have."""
        step = self.programs[name][place]
        if step.startswith("read") or (step.startswith("once") and step[-1] in state):
            state[name, place] = state.get(step[-1])
            return step.startswith("read")
        state[step[-1]] = (name, place)
        return True

    def play(self, way: Way, *, learns: bool = True) -> Played:
        at, state, order = dict.fromkeys(self.programs, 0), {}, []
        while pending := {
            name: self.call(name, place)
            for name, place in at.items()
            if place < len(self.programs[name])
        }:
            try:
                name = way.choose(pending)
            except AllAsleepError:
                return Played(way, is_whole=False)
            if not self.do(state, name, at[name]) and learns:
                way.learn(softened(pending[name]))
            order.append((name, at[name]))
            at[name] += 1
        return Played(way, is_whole=True, outcome=(frozenset(state.items()), self.kind(order)))

    def kind(self, order: list) -> frozenset:
        """Say who came before whom, of those whom it concerns."""
        return frozenset(
            (early, late)
            for place, early in enumerate(order)
            for late in order[place + 1 :]
            if early[0] != late[0] and not are_independent(self.call(*early), self.call(*late))
        )

    def by_hand(self) -> set:
        """Play every order there is."""
        found = set()
        for names in set(permutations(self.steps())):
            at, state, order = dict.fromkeys(self.programs, 0), {}, []
            for name in names:
                self.do(state, name, at[name])
                order.append((name, at[name]))
                at[name] += 1
            found.add((frozenset(state.items()), self.kind(order)))
        return found


def orders(toy: Toy, *, learns: bool = True, orders_max: int = 10_000) -> list:
    played = every_order(lambda way: toy.play(way, learns=learns), orders_max=orders_max)
    return [outcome for _, outcome in played]


class TestTheSearch:
    def test_plays_every_kind_of_order_once(self):
        for toy in map(Toy.drawn, range(PROGRAMS)):
            kinds = [kind for _, kind in orders(toy, learns=False)]

            assert set(kinds) == {kind for _, kind in toy.by_hand()}, toy.programs
            assert len(kinds) == len(set(kinds)), toy.programs

    def test_sees_all_that_can_be_seen_where_calls_that_change_nothing_are_known(self):
        fewer = 0
        for toy in map(Toy.drawn, range(PROGRAMS)):
            seen = orders(toy)

            assert {state for state, _ in seen} == {state for state, _ in toy.by_hand()}
            fewer += len(seen) < len(orders(toy, learns=False))
        assert fewer > 0

    @pytest.mark.parametrize(
        ("programs", "number"),
        [
            (("readx readx readx", "readx readx"), 1),
            (("writex writey", "writez"), 1),
            (("writex", "writex", "writex"), 6),
            (("writex writex writex writex", "writex writex writex writex"), 70),
            (("readx writex", "readx writex"), 4),
        ],
    )
    def test_plays_as_many_orders_as_there_are(self, programs, number):
        assert len(orders(Toy(*programs))) == number

    def test_finds_a_lost_update(self):
        """Two read a balance and write it back, each with one more."""

        def play(way):
            balance, read, stands = [0], {}, {"a": 0, "b": 0}
            while pending := {
                name: Call(
                    says=("read", "write")[place],
                    touches=frozenset({(("balance",), (Touch.READS, Touch.WRITES)[place])}),
                )
                for name, place in stands.items()
                if place < 2
            }:
                name = way.choose(pending)
                if stands[name]:
                    balance[0] = read[name] + 1
                read[name] = balance[0]
                stands[name] += 1
            return Played(way, is_whole=True, outcome=balance[0])

        ends = dict(every_order(play, orders_max=10))

        assert sorted(ends.values()) == [1, 1, 2, 2]
        assert ends["a: read", "a: write", "b: read", "b: write"] == 2

    def test_passes_over_no_order_in_silence(self):
        with pytest.raises(TooManyOrdersError):
            orders(Toy("writex writex", "writex writex"), orders_max=5)

    def test_stops_at_handlers_that_share_what_nobody_watches(self):
        calls = iter(("one", "other", "and", "another"))

        def play(way):
            pending = {name: Call(says=next(calls)) for name in "ab"}
            pending["b"] = pending["a"] = Call(
                says=pending["a"].says, touches=frozenset({(("x",), Touch.WRITES)})
            )
            way.choose(pending)
            way.choose({"b": pending["b"]})
            return Played(way, is_whole=True)

        with pytest.raises(NotTheSameWayError):
            list(every_order(play, orders_max=10))


# --- the meetings -------------------------------------------------------------------------------


def short() -> list:
    """Choose the first outcome of each meeting that is not long."""
    first = {scene.name: scene for scene in reversed(SCENES)}
    return [scene for scene in SCENES if scene is first[scene.name] and scene.name not in LONG]


@pytest.mark.parametrize("scene", short(), ids=str)
def test_whoever_meets_leaves_everything_as_it_should_be(world, scene):
    with much_copied():
        found = explore(world, scene)

    assert [each.wrongs for each in found.failed] == []
    assert found.figures.orders >= 1


def test_what_is_left_out_here_is_told(capsys):
    left_out = [str(scene) for scene in SCENES if scene not in short()]
    with capsys.disabled():
        print(f"\n{len(left_out)} of {len(SCENES)} meetings are left to `make enumerate`")

    assert all(any(name == scene.name for scene in SCENES) for name in LONG)
    assert left_out


class TestAPlantedFault:
    def test_of_a_write_without_its_condition_is_found(self, world, monkeypatch):
        """Two that claim the loan both think they have it: the second posts over the first."""

        def write(self, loan):
            written = replace(loan, version=loan.version + 1)
            self._row_of(written).save(condition=LoanRow.loan_id.exists())
            return written

        monkeypatch.setattr(DynamoLoans, "write", write)
        (scene,) = [
            each
            for each in SCENES
            if str(each).startswith("a deduction × a repayment's start (LN01: succeed")
        ]
        with much_copied():
            found = explore(world, scene)

        assert any("I1" in wrong for each in found.failed for wrong in each.wrongs)
