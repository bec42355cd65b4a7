"""Whoever meets over one loan, step by step in every order: money moves once, and nobody is lied to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import Outcome, Status
from chalicelib.domain.money import Money
from chalicelib.flows import active_orders, deduction, posting
from chalicelib.flows.early_repayment import CrowdedLoanError, Quote, Refused, Started
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import TODAY, at
from tests.fakes import World
from tests.interleavings import Meeting, TooManyOrdersError, every_order
from tests.repayments import (
    NOW,
    WISHES,
    a_world,
    ask_for,
    loan_of,
    quoted,
    settle,
    start,
    swept,
    wrongs,
)

ORDERS_MAX = 6_000
TOMORROW_AT_TEN = at(10, day=TODAY + timedelta(days=1))
ROUND_ORDER = "20261124-1-LN1"
PAYOFF = quoted(a_world(), WISHES["full"]).offered.amount
LOWER, FULL = WISHES["lower instalments"], WISHES["full"]
OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "card_closed",
    "timeout_after_charge",
    "timeout_before_charge",
    "processing_then_succeed",
    "wrong_amount",
)


@dataclass
class Scene:
    """A loan, two quotes for it, and who may come for them."""

    outcome: str = "succeed"

    def __post_init__(self) -> None:
        self.world = a_world(self.outcome)
        self.quote = quoted(self.world, LOWER)
        self.other = quoted(self.world, FULL)

    def started(self) -> "Scene":
        assert isinstance(start(self.world, self.quote), Started)
        return self

    def recorded(self) -> "Scene":
        """Let the sender die between the journal and the loan's head."""
        self.started()
        slot_full = loan_of(self.world)
        settle(self.world)
        self.world.loans.rows["LN1"] = slot_full
        return self

    def starting(self, request: str = "r1", *, other: bool = False) -> Callable[[], object]:
        quote = self.other if other else self.quote
        return lambda: start(self.world, quote, request=request)

    def taking(self) -> Outcome:
        message = DeductionMessage(order_no=ROUND_ORDER, listed_fen=10**9)
        return deduction.take(message=message, now=NOW, desk=self.world.deducting)

    def sending(self) -> Outcome:
        message = AskMessage(order_no=self.quote.order_no)
        return deduction.send(message=message, now=NOW, desk=self.world.deducting)

    def asking(self, rung: int | None = None, order_no: str = "") -> Callable[[], object]:
        message = AskMessage(order_no=order_no or self.quote.order_no, rung=rung)
        return lambda: deduction.ask(message=message, now=NOW, desk=self.world.deducting)

    def holding(self) -> None:
        posting.hold(loan_id="LN1", reason="discrepancy x", books=self.world.books)

    def tidying(self, now=NOW) -> object:
        return active_orders.tidy(
            business_date=TODAY,
            now=now,
            patience=timedelta(minutes=10),
            active_orders=self.world.active_orders,
            books=self.world.books,
        )

    def closing(self) -> Outcome:
        return deduction.close_unknown(
            order_no=self.quote.order_no, now=TOMORROW_AT_TEN, desk=self.world.deducting
        )

    def settling(self) -> Outcome:
        return deduction.settle_from_bill(
            order_no=self.quote.order_no,
            trade_no=f"T{self.quote.order_no}",
            amount=self.quote.offered.amount,
            paid_at=NOW,
            now=TOMORROW_AT_TEN,
            desk=self.world.deducting,
        )


def meet(
    scene: Callable[[], Scene], **handlers: Callable[[Scene], Callable[[], object]]
) -> list[tuple[Scene, Meeting]]:
    """Play every order, and see that nothing is wrong right after it and when all has settled."""
    played: list[Scene] = []

    def anew():
        played.append(scene())
        return played[-1].world, {name: make(played[-1]) for name, make in handlers.items()}

    return [
        (played[-1], checked(meeting, played[-1]))
        for meeting in every_order(anew, orders_max=ORDERS_MAX)
    ]


def checked(meeting: Meeting, scene: Scene) -> Meeting:
    world = meeting.world
    # A platform that takes another amount than was ordered is off by this one fen.
    owed = PAYOFF + Money(int(scene.outcome == "wrong_amount"))
    assert wrongs(world, owed=owed) == [], meeting.steps
    untrue = [name for name, said in meeting.outcomes.items() if not is_true(world, name, said)]
    assert untrue == [], (meeting.steps, meeting.outcomes)
    settle(world)
    swept(world, now=at(9, 20))
    assert wrongs(world, owed=owed) == [], meeting.steps
    assert loan_of(world).slot is None or scene.outcome == "wrong_amount", meeting.steps
    return meeting


def is_true(world: World, name: str, said: object) -> bool:
    """Whether a request was told what is: Started has an order of its own, Refused has none."""
    if isinstance(said, Exception):
        return isinstance(said, CrowdedLoanError | deduction.CrowdedLoanError)
    owners = {no: record.request for no, record in world.journal.results.items()}
    if slot := loan_of(world).slot:
        owners[slot.order_no] = slot.request
    if isinstance(said, Started):
        return owners.get(said.order_no) == name
    if isinstance(said, Refused):
        return name not in owners.values()
    return True


def counted(met: list[tuple[Scene, Meeting]], *names: str) -> set[tuple[object, ...]]:
    """List the combinations of answers that came out, requests by class or code."""
    return {tuple(_short(meeting.outcomes[name]) for name in names) for _, meeting in met}


def _short(said: object) -> object:
    return said.code if isinstance(said, Refused) else getattr(type(said), "__name__", said) if isinstance(said, Started | Quote | Exception) else said


class TestTwoStarts:
    def test_of_one_quote_begin_one_order(self):
        met = meet(Scene, r1=lambda s: s.starting("r1"), r2=lambda s: s.starting("r2"))

        assert counted(met, "r1", "r2") == {("Started", "loan_busy"), ("loan_busy", "Started")}
        assert all(
            meeting.world.platform.charged == {scene.quote.order_no: 1} for scene, meeting in met
        )

    def test_of_one_request_begin_one_order_and_both_are_told(self):
        met = meet(Scene, first=lambda s: s.starting("r1"), again=lambda s: s.starting("r1"))

        assert counted(met, "first", "again") == {("Started", "Started")}
        assert {sum(meeting.world.platform.charged.values()) for _, meeting in met} == {1}

    def test_of_two_quotes_begin_one_order(self):
        met = meet(
            Scene, r1=lambda s: s.starting("r1"), r2=lambda s: s.starting("r2", other=True)
        )

        assert counted(met, "r1", "r2") == {("Started", "loan_busy"), ("loan_busy", "Started")}
        assert {sum(meeting.world.platform.charged.values()) for _, meeting in met} == {1}
