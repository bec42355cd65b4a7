"""Wherever the process dies over a repayment: nothing happened, or one charge, posted once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest

from chalicelib.domain import prepayment
from chalicelib.domain.money import Money
from chalicelib.flows.early_repayment import Quote
from tests.builders import at
from tests.fakes import Crash, World
from tests.repayments import (
    WISHES,
    a_world,
    ask_all,
    end_of,
    loan_of,
    quoted,
    send_all,
    settle,
    start,
    swept,
    wrongs,
)

OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "timeout_after_charge",
    "timeout_before_charge",
    "processing_then_succeed",
    "wrong_amount",
    "agreement_terminated",
)
SECOND_CRASH_WITHIN = 12
PAYOFF = quoted(a_world(), WISHES["full"]).offered.amount


@pytest.fixture(autouse=True)
def _remembered_offers(monkeypatch):
    """What a wish costs is arithmetic: asked the same thing ten thousand times, it is looked up."""
    monkeypatch.setattr(prepayment, "offer", cache(prepayment.offer))


@dataclass
class Try:
    """A borrower's one try at a wish."""

    world: World
    quote: Quote

    @classmethod
    def of(cls, wish: str, outcome: str) -> "Try":
        world = a_world(outcome)
        made = cls(world=world, quote=quoted(world, WISHES[wish]))
        world.outside.boundaries = 0
        return made

    def go(self) -> None:
        start(self.world, self.quote)
        send_all(self.world)

    def dies(self, work: Callable[[], None], *, boundary: int) -> bool:
        """Do some work that dies at the boundary, if it comes so far."""
        outside = self.world.outside
        outside.boundaries, outside.dies_at = 0, boundary
        try:
            work()
        except Crash:
            return True
        finally:
            outside.dies_at = None
        return False

    # --- what comes afterwards, each by itself ---

    def is_asked_for_again(self) -> None:
        """The app got no answer: it asks once more, under its key."""
        start(self.world, self.quote)
        settle(self.world)

    def is_delivered_again(self) -> None:
        settle(self.world)

    def is_asked_after(self) -> None:
        """The message to send it never arrives; the question of 30 seconds does."""
        self.world.repayments.messages.clear()
        ask_all(self.world)
        settle(self.world)

    def is_swept(self) -> None:
        """No message arrives: the sweep alone is left."""
        self.world.repayments.messages.clear()
        self.world.asks.messages.clear()
        swept(self.world, now=at(9, 20))


RECOVERIES = {
    "asked for again": Try.is_asked_for_again,
    "delivered again": Try.is_delivered_again,
    "asked after": Try.is_asked_after,
    "swept": Try.is_swept,
}


@cache
def calm(wish: str, outcome: str) -> tuple[int, object, object]:
    """Count the boundaries of a try nobody disturbs; return where it begins and where it ends."""
    tried = Try.of(wish, outcome)
    before = end_of(tried.world)
    tried.go()
    boundaries = tried.world.outside.boundaries
    settle(tried.world)
    return boundaries, before, end_of(tried.world)


def boundaries_of(wish: str, outcome: str) -> Iterator[int]:
    return iter(range(calm(wish, outcome)[0]))


def check(tried: Try, *, wish: str, outcome: str, recovery: str, where: object) -> None:
    """See that the try ended as if nobody had died, or as if it had never begun."""
    _, before, after = calm(wish, outcome)
    world = tried.world
    if recovery != "asked for again" and loan_of(world).slot:
        swept(world, now=at(9, 40))
    # A platform that takes another amount than was ordered is off by this one fen.
    owed = PAYOFF + Money(int(outcome == "wrong_amount"))
    end = end_of(world)

    assert wrongs(world, owed=owed) == [], where
    assert end == after or (recovery != "asked for again" and end == before), where
    swept(world, now=at(10))
    assert bool(world.active_orders.rows) == bool(loan_of(world).slot), where
    assert end_of(world) == end, where


@pytest.mark.parametrize("recovery", RECOVERIES)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("wish", WISHES)
def test_dying_anywhere_leaves_all_of_it_or_nothing(wish, outcome, recovery):
    for boundary in boundaries_of(wish, outcome):
        tried = Try.of(wish, outcome)
        assert tried.dies(tried.go, boundary=boundary)
        RECOVERIES[recovery](tried)

        check(tried, wish=wish, outcome=outcome, recovery=recovery, where=boundary)


@pytest.mark.parametrize("recovery", RECOVERIES)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_dying_again_over_the_recovery_does_so_too(outcome, recovery):
    wish = "lower instalments"
    for boundary in boundaries_of(wish, outcome):
        for again in range(SECOND_CRASH_WITHIN):
            tried = Try.of(wish, outcome)
            tried.dies(tried.go, boundary=boundary)
            if not tried.dies(lambda: RECOVERIES[recovery](tried), boundary=again):  # noqa: B023
                break
            RECOVERIES[recovery](tried)

            check(tried, wish=wish, outcome=outcome, recovery=recovery, where=(boundary, again))


@pytest.mark.parametrize("wish", WISHES)
def test_a_request_that_died_after_its_claim_is_charged_without_being_asked_for_again(wish):
    """What was claimed goes on by itself: the borrower is never left with a loan that is stuck."""
    whole, begun = calm(wish, "succeed")[2], 0
    for boundary in boundaries_of(wish, "succeed"):
        tried = Try.of(wish, "succeed")
        tried.dies(tried.go, boundary=boundary)
        is_claimed = tried.world.loans.rows["LN1"].version > 0
        begun += is_claimed
        tried.is_asked_after()

        assert (end_of(tried.world) == whole) == is_claimed, boundary
    assert begun > 0
