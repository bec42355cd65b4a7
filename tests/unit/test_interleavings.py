"""Whoever meets over one loan, step by step in every order: money moves once, and nobody is lied to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import pytest

from chalicelib.domain import prepayment
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


@pytest.fixture(autouse=True)
def _remembered_offers(monkeypatch):
    """What a wish costs is arithmetic: asked the same thing ten thousand times, it is looked up."""
    monkeypatch.setattr(prepayment, "offer", cache(prepayment.offer))


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
        message = AskMessage(order_no=self.quote.terms.order_no)
        return deduction.send(message=message, now=NOW, desk=self.world.deducting)

    def asking(self, rung: int | None = None, *, now: datetime = NOW) -> Callable[[], object]:
        message = AskMessage(order_no=self.quote.terms.order_no, rung=rung)
        return lambda: deduction.ask(message=message, now=now, desk=self.world.deducting)

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
            order_no=self.quote.terms.order_no, now=TOMORROW_AT_TEN, desk=self.world.deducting
        )

    def settling(self) -> Outcome:
        return deduction.settle_from_bill(
            order_no=self.quote.terms.order_no,
            trade_no=f"T{self.quote.terms.order_no}",
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
    if loan_of(world).slot:
        swept(world, now=at(9, 20))
    assert wrongs(world, owed=owed) == [], meeting.steps
    assert loan_of(world).slot is None or scene.outcome == "wrong_amount", meeting.steps
    return meeting


def is_true(world: World, name: str, said: object) -> bool:
    """Whether a request was told what is: Started has an order of its own, Refused has none.

    A handler that starts is named by its request, and by what tells it from the other.
    """
    request = name.partition("_")[0]
    if isinstance(said, Exception):
        return isinstance(said, CrowdedLoanError | deduction.CrowdedLoanError)
    owners = {no: record.request for no, record in world.journal.results.items()}
    if slot := loan_of(world).slot:
        owners[slot.order_no] = slot.request
    if isinstance(said, Started):
        return owners.get(said.order_no) == request
    if isinstance(said, Refused):
        return request not in owners.values()
    return True


def answers(met: list[tuple[Scene, Meeting]], *names: str) -> set[tuple[object, ...]]:
    """List the combinations of answers that came out."""
    return {tuple(_short(meeting.outcomes[name]) for name in names) for _, meeting in met}


def _short(said: object) -> object:
    if isinstance(said, Refused):
        return said.code
    return said if isinstance(said, Outcome) else type(said).__name__


def charges(met: list[tuple[Scene, Meeting]]) -> set[int]:
    """Say how many charges there were, in each of the orders."""
    return {sum(meeting.world.platform.charged.values()) for _, meeting in met}


def charged(outcome: str) -> int:
    return int(outcome not in {"insufficient_funds", "card_closed"})


ONE_STARTS = {("Started", "loan_busy"), ("loan_busy", "Started")}


class TestTwoRequests:
    def test_for_one_quote_begin_one_order(self):
        met = meet(Scene, r1=lambda s: s.starting("r1"), r2=lambda s: s.starting("r2"))

        assert answers(met, "r1", "r2") == ONE_STARTS
        assert charges(met) == {1}

    def test_that_are_the_same_begin_one_order_and_both_are_told(self):
        met = meet(Scene, r1=lambda s: s.starting("r1"), r1_again=lambda s: s.starting("r1"))

        assert answers(met, "r1", "r1_again") == {("Started", "Started")}
        assert charges(met) == {1}

    def test_for_two_quotes_begin_one_order(self):
        met = meet(Scene, r1=lambda s: s.starting("r1"), r2=lambda s: s.starting("r2", other=True))

        assert answers(met, "r1", "r2") == ONE_STARTS
        assert charges(met) == {1}


class TestARequest:
    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_and_a_round_take_the_loan_one_after_the_other(self, outcome):
        met = meet(lambda: Scene(outcome), r1=lambda s: s.starting(), round=lambda s: s.taking)
        found = answers(met, "r1", "round")

        assert ("Started", Outcome.SKIPPED) in found
        assert "loan_busy" in {answer for answer, _ in found}
        # A round that failed leaves what was quoted as it was: it may still be had.
        assert ("quote_expired" in {answer for answer, _ in found}) == (outcome == "succeed")
        assert {
            loan_of(meeting.world).schedule_version
            for _, meeting in met
            if meeting.outcomes["round"] is Outcome.SKIPPED
        } <= {1, 2}

    def test_and_a_hold_find_each_other(self):
        met = meet(Scene, r1=lambda s: s.starting(), hold=lambda s: s.holding)

        assert answers(met, "r1") == {("Started",), ("on_hold",)}
        assert all(
            loan_of(meeting.world).hold == "discrepancy x"
            and sum(meeting.world.platform.charged.values())
            == int(isinstance(meeting.outcomes["r1"], Started))
            for _, meeting in met
        )

    def test_made_again_is_noted_while_the_sweep_forgets_the_first_note(self):
        """The first request died before its claim, and its note is about to be forgotten."""

        def scene() -> Scene:
            made = Scene("wrong_amount")
            made.world.active_orders.open(
                business_date=TODAY, order_no=made.quote.terms.order_no, at=at(8, 49)
            )
            return made

        met = meet(scene, r1=lambda s: s.starting(), sweep=lambda s: s.tidying)

        assert answers(met, "r1", "sweep") == {("Started", "list")}


class TestASending:
    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_delivered_twice_at_once_charges_once(self, outcome):
        met = meet(
            lambda: Scene(outcome).started(),
            one=lambda s: s.sending,
            other=lambda s: s.sending,
        )

        assert charges(met) == {charged(outcome)}

    @pytest.mark.parametrize("outcome", OUTCOMES)
    @pytest.mark.parametrize("rung", [0, None], ids=["ladder", "notification"])
    def test_and_a_question_charge_once(self, outcome, rung):
        met = meet(
            lambda: Scene(outcome).started(),
            send=lambda s: s.sending,
            ask=lambda s: s.asking(rung),
        )

        assert charges(met) == {charged(outcome)}

    @pytest.mark.parametrize("outcome", ["succeed", "timeout_after_charge", "card_closed"])
    def test_and_a_round_find_one_order_in_the_slot(self, outcome):
        met = meet(
            lambda: Scene(outcome).started(), send=lambda s: s.sending, round=lambda s: s.taking
        )

        # Whoever is late finds the part paid, and with it what was due.
        assert {meeting.outcomes["round"] for _, meeting in met} == {Outcome.SKIPPED}
        assert charges(met) == {charged(outcome)}

    def test_and_another_request_leave_no_order_unposted(self):
        met = meet(
            lambda: Scene().started(),
            send=lambda s: s.sending,
            r2=lambda s: s.starting("r2", other=True),
        )

        assert answers(met, "r2") == {("loan_busy",), ("quote_expired",)}
        assert charges(met) == {1}

    @pytest.mark.parametrize("outcome", ["succeed", "insufficient_funds"])
    def test_and_another_request_for_its_quote_begin_nothing_anew(self, outcome):
        """Ended and off the loan, it is in the journal: its number is never claimed again."""
        met = meet(
            lambda: Scene(outcome).started(),
            send=lambda s: s.sending,
            r2=lambda s: s.starting("r2"),
        )

        assert answers(met, "r2") == {("loan_busy",), ("quote_used",)}
        assert charges(met) == {charged(outcome)}

    def test_and_a_hold_both_leave_their_mark(self):
        met = meet(lambda: Scene().started(), send=lambda s: s.sending, hold=lambda s: s.holding)

        assert charges(met) == {1}
        assert all(
            (loan_of(meeting.world).hold, loan_of(meeting.world).schedule_version)
            == ("discrepancy x", 2)
            for _, meeting in met
        )


class TestAPosting:
    @pytest.mark.parametrize("outcome", ["succeed", "card_closed"])
    def test_done_by_two_moves_the_loan_once(self, outcome):
        met = meet(
            lambda: Scene(outcome).recorded(),
            send=lambda s: s.sending,
            ask=lambda s: s.asking(),
        )

        assert {loan_of(meeting.world).schedule_version for _, meeting in met} == {
            2 if outcome == "succeed" else 1
        }

    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_and_the_sweep_forget_no_order_without_an_end(self, outcome):
        met = meet(
            lambda: Scene(outcome).started(),
            send=lambda s: s.sending,
            sweep=lambda s: lambda: s.tidying(at(9, 11)),
        )

        for scene, meeting in met:
            scene.tidying(at(9, 31))
            noted = [no for no, _ in meeting.world.active_orders.of_day(TODAY)]
            is_open = loan_of(meeting.world).slot is not None
            assert noted == ([scene.quote.terms.order_no] if is_open else [])

    @pytest.mark.parametrize("outcome", OUTCOMES)
    def test_and_a_bill_without_the_order_end_it_once(self, outcome):
        def scene() -> Scene:
            """Let an order be sent, and stay unknown overnight."""
            made = Scene(outcome).started()
            made.sending()
            return made

        met = meet(scene, close=lambda s: s.closing, ask=lambda s: s.asking(now=TOMORROW_AT_TEN))

        assert charges(met) <= {0, charged(outcome)}
        for _, meeting in met:
            records = meeting.world.journal.results.values()
            paid = [record for record in records if record.result.status is Status.SUCCEEDED]
            if outcome != "wrong_amount":
                assert len(paid) == sum(meeting.world.platform.charged.values())

    def test_and_a_bill_that_shows_it_paid_end_it_once(self):
        def scene() -> Scene:
            made = Scene("timeout_after_charge").started()
            made.sending()
            return made

        met = meet(scene, bill=lambda s: s.settling, ask=lambda s: s.asking(now=TOMORROW_AT_TEN))

        assert charges(met) == {1}
        assert {loan_of(meeting.world).schedule_version for _, meeting in met} == {2}

    def test_and_a_quote_leave_no_quote_for_a_loan_that_has_moved(self):
        """A quote of the loan before the payment may be given; it cannot be started."""

        def scene() -> Scene:
            return Scene().recorded()

        met = meet(
            scene,
            send=lambda s: s.sending,
            quote=lambda s: lambda: ask_for(s.world, FULL),
        )

        assert answers(met, "quote") == {("loan_busy",), ("Quote",)}
        for _, meeting in met:
            if isinstance(quote := meeting.outcomes["quote"], Quote):
                assert isinstance(start(meeting.world, quote, request="r3"), Started)


def test_more_orders_than_a_test_should_take_are_not_passed_over_in_silence():
    def scene():
        made = Scene()
        return made.world, {"r1": made.starting("r1"), "r2": made.starting("r2")}

    with pytest.raises(TooManyOrdersError):
        list(every_order(scene, orders_max=10))
