"""Nobody is charged twice and no success is lost, wherever the worker dies."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.deduction import (
    Answer,
    AnswerStatus,
    IllegalOrderNumberError,
    Outcome,
    SkipReason,
    Status,
    facts_of,
    order_no_of,
)
from chalicelib.domain.loan import LoanStatus, TermsMovedError
from chalicelib.domain.money import Money
from chalicelib.flows import deduction, posting
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import PRODUCT, TODAY, a_loan, a_schedule, at
from tests.fakes import Crash, World

ORDER_NO = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
DUE = a_schedule()[0].total


def a_world(*outcomes: str, instalments: int = 6) -> World:
    world = World()
    world.book(a_loan(), a_schedule(instalments=instalments))
    world.platform.script["AG-LN1"] = list(outcomes)
    return world


def message(listed: Money = DUE) -> DeductionMessage:
    return DeductionMessage(order_no=ORDER_NO, listed_fen=listed.fen)


def take(world: World, now=None) -> Outcome:
    return deduction.take(message=message(), now=now or at(8), desk=world.deducting)


def ask(world: World, rung=0) -> Outcome:
    return deduction.ask(
        message=AskMessage(order_no=ORDER_NO, rung=rung), now=at(8, 1), desk=world.deducting
    )


def loan_of(world: World):
    return world.loans.rows["LN1"]


class TestASuccess:
    def test_moves_the_loan_to_its_next_instalment_and_frees_the_slot(self):
        world = a_world("succeed")

        assert take(world) is Outcome.SUCCEEDED
        assert loan_of(world).position.instalment_no == 2
        assert loan_of(world).unpaid_due_on == a_schedule()[1].due_on
        assert loan_of(world).slot is None

    def test_is_in_the_journal_with_what_it_paid(self):
        world = a_world("succeed")
        take(world)

        record = world.journal.results[ORDER_NO]
        assert record.amount == DUE
        assert [line.instalment_no for line in record.lines] == [1]
        assert record.result.trade_no == f"T{ORDER_NO}"

    def test_of_the_last_instalment_settles_the_loan(self):
        world = a_world("succeed", instalments=1)
        deduction.take(
            message=message(a_schedule(instalments=1)[0].total), now=at(8), desk=world.deducting
        )

        assert loan_of(world).status is LoanStatus.SETTLED
        assert loan_of(world).unpaid_due_on is None
        assert world.journal.results[ORDER_NO].settles

    def test_delivered_again_changes_nothing(self):
        world = a_world("succeed")
        take(world)
        before = (loan_of(world), dict(world.journal.results))

        assert take(world) is Outcome.REPEATED
        assert (loan_of(world), world.journal.results) == before
        assert world.platform.charged[ORDER_NO] == 1


class TestAFailure:
    def test_frees_the_loan_for_the_next_round(self):
        world = a_world("insufficient_funds")

        assert take(world) is Outcome.FAILED
        assert loan_of(world).slot is None
        assert loan_of(world).last_failure == "INSUFFICIENT_FUNDS"
        assert not loan_of(world).hold

    def test_that_no_later_try_can_mend_holds_the_loan(self):
        world = a_world("agreement_terminated")
        take(world)

        assert loan_of(world).hold == "AGREEMENT_TERMINATED"

    def test_with_a_code_nobody_knows_is_unknown_not_failed(self):
        world = a_world("some_new_code")

        assert take(world) is Outcome.UNKNOWN
        assert not world.journal.results
        assert loan_of(world).slot.order_no == ORDER_NO


class TestAnUnknownOrder:
    @pytest.mark.parametrize(
        "outcome", ["timeout_after_charge", "timeout_before_charge", "processing_then_succeed"]
    )
    def test_is_asked_after_until_it_is_known(self, outcome):
        world = a_world(outcome)

        assert take(world) is Outcome.UNKNOWN
        assert world.asks.messages == [AskMessage(order_no=ORDER_NO, rung=1)]
        ends = [ask(world), ask(world)]
        assert Outcome.SUCCEEDED in ends
        assert world.platform.charged[ORDER_NO] == 1
        assert loan_of(world).position.instalment_no == 2

    def test_keeps_the_slot_so_that_no_other_order_takes_it(self):
        world = a_world("wrong_amount")
        take(world)
        second = order_no_of(business_date=TODAY, round_no=2, loan_id="LN1")

        outcome = deduction.take(
            message=DeductionMessage(order_no=second, listed_fen=DUE.fen),
            now=at(16),
            desk=world.deducting,
        )

        assert outcome is Outcome.SKIPPED
        assert world.journal.skips[second].reason is SkipReason.SLOT_TAKEN
        assert world.journal.skips[second].note == ORDER_NO

    def test_climbs_the_ladder_and_then_is_left_to_the_sweep(self):
        world = a_world("wrong_amount")
        take(world)
        while world.asks.messages:
            [again] = world.asks._take_all()
            deduction.ask(message=again, now=at(9), desk=world.deducting)

        assert world.asks.delays == [30, 60, 300, 900]

    def test_is_posted_when_the_bill_shows_it_paid_to_the_fen(self):
        world = a_world("timeout_after_charge")
        take(world)
        shown = {"order_no": ORDER_NO, "trade_no": "T9", "paid_at": at(9)}

        off_by_one = deduction.settle_from_bill(
            **shown, amount=DUE + Money(1), now=at(10), desk=world.deducting
        )
        assert off_by_one is Outcome.UNKNOWN
        exact = deduction.settle_from_bill(**shown, amount=DUE, now=at(10), desk=world.deducting)
        assert exact is Outcome.SUCCEEDED
        assert world.journal.results[ORDER_NO].settled_by == "bill"

    def test_that_never_arrived_is_closed_after_a_bill_without_it(self):
        world = a_world("timeout_before_charge")
        take(world)
        tomorrow = at(10, day=TODAY + timedelta(days=1))

        outcome = deduction.close_unknown(order_no=ORDER_NO, now=tomorrow, desk=world.deducting)

        assert outcome is Outcome.FAILED
        assert world.journal.results[ORDER_NO].result.failure_code == "CLOSED"
        assert loan_of(world).slot is None


class TestAPlatformThatContradictsItself:
    def test_has_the_loan_held_so_that_nothing_more_is_taken(self):
        world = a_world("insufficient_funds")
        take(world)
        world.platform.ends[ORDER_NO] = Answer(
            status=AnswerStatus.SUCCEEDED, trade_no="T1", amount=DUE, paid_at=at(9)
        )

        assert ask(world, rung=None) is Outcome.CONTRADICTED
        assert loan_of(world).hold == f"contradiction {ORDER_NO}"
        second = order_no_of(business_date=TODAY, round_no=2, loan_id="LN1")
        message = DeductionMessage(order_no=second, listed_fen=DUE.fen)
        again = deduction.take(message=message, now=at(16), desk=world.deducting)
        assert again is Outcome.SKIPPED
        assert not world.platform.charged

    @pytest.mark.parametrize("nothing", sorted(deduction.SAYS_NOTHING))
    def test_is_asked_again_while_it_says_nothing(self, nothing):
        world = a_world("insufficient_funds")
        take(world)
        world.platform.ends[ORDER_NO] = Answer(status=nothing)

        assert ask(world, rung=None) is Outcome.UNKNOWN

        [again], [delay] = world.asks.messages, world.asks.delays
        assert (again, delay) == (AskMessage(order_no=ORDER_NO, rung=1), 30)
        world.platform.ends[ORDER_NO] = Answer(
            status=AnswerStatus.SUCCEEDED, trade_no="T1", amount=DUE, paid_at=at(9)
        )
        assert ask(world, rung=again.rung) is Outcome.CONTRADICTED
        assert loan_of(world).hold == f"contradiction {ORDER_NO}"

    def test_is_not_asked_for_ever(self):
        world = a_world("insufficient_funds")
        take(world)
        world.platform.ends[ORDER_NO] = Answer(status=AnswerStatus.THROTTLED)

        ask(world, rung=len(deduction.LADDER))

        assert not world.asks.messages

    def test_changes_nothing_that_is_recorded(self):
        world = a_world("insufficient_funds")
        take(world)
        before = dict(world.journal.results)
        world.platform.ends[ORDER_NO] = Answer(
            status=AnswerStatus.SUCCEEDED, trade_no="T1", amount=DUE, paid_at=at(9)
        )
        ask(world)

        assert world.journal.results == before


class TestAHold:
    def test_is_lifted_by_its_own_reason_alone(self):
        world = a_world()
        posting.hold(loan_id="LN1", reason="one", books=world.books)
        posting.hold(loan_id="LN1", reason="two", books=world.books)
        posting.lift(loan_id="LN1", reason="two", books=world.books)
        assert loan_of(world).hold == "one"
        posting.lift(loan_id="LN1", reason="one", books=world.books)
        assert loan_of(world).hold == ""

    def test_of_a_loan_nobody_knows_is_no_harm(self):
        posting.hold(loan_id="NOBODY", reason="one", books=a_world().books)


def test_money_never_vanishes_when_terms_move_under_an_order_in_flight():
    world = a_world("timeout_after_charge")
    take(world)
    dearer = replace(PRODUCT, penalty_uplift=Decimal(1))
    loan = replace(loan_of(world), unpaid_due_on=TODAY - timedelta(days=9))
    world.loans.rows["LN1"] = replace(
        loan, slot=replace(loan.slot, as_of=TODAY + timedelta(days=9))
    )
    world.books.products[PRODUCT.code] = dearer

    with pytest.raises(TermsMovedError):
        ask(world)
    assert not world.journal.results


@pytest.mark.parametrize("order_no", ["20261124--LN9", "20261124-12-LN9", "20261124-4-LN9", "x"])
def test_an_odd_order_number_is_refused_as_one(order_no):
    with pytest.raises(IllegalOrderNumberError):
        facts_of(order_no)


class TestADueThatIsNotSent:
    def test_is_skipped_when_the_loan_has_been_paid(self):
        world = a_world()
        world.book(a_loan(overdue_days=-30), a_schedule(first_due_on=TODAY + timedelta(days=30)))

        assert take(world) is Outcome.SKIPPED
        assert world.journal.skips[ORDER_NO].reason is SkipReason.NOTHING_DUE

    def test_is_skipped_when_it_owes_more_than_was_listed(self):
        world = a_world()
        outcome = deduction.take(message=message(DUE - Money(1)), now=at(8), desk=world.deducting)

        assert outcome is Outcome.SKIPPED
        assert world.journal.skips[ORDER_NO].reason is SkipReason.AMOUNT_ROSE

    def test_is_skipped_after_the_window(self):
        world = a_world()

        assert take(world, now=at(22)) is Outcome.SKIPPED
        assert world.journal.skips[ORDER_NO].reason is SkipReason.WINDOW_CLOSED

    @pytest.mark.parametrize("why", ["early", "paused", "platform down"])
    def test_waits_in_the_queue_while_nothing_may_be_sent(self, why):
        world = a_world()
        world.controls.paused = why == "paused"
        world.platform.available = why != "platform down"

        assert take(world, now=at(7, 59) if why == "early" else at(8)) is Outcome.PUT_OFF
        assert world.deductions.messages == [message()]
        assert loan_of(world).slot is None
        assert not world.platform.charged


OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "agreement_terminated",
    "timeout_after_charge",
    "timeout_before_charge",
    "processing_then_succeed",
)


def recovered(world: World) -> None:
    """Deliver the message again, and whatever it put on the queues, until all is quiet."""
    world.outside.dies_at = None
    for _ in range(6):
        take(world)
        for again in world.asks._take_all():
            deduction.ask(message=again, now=at(8, 5), desk=world.deducting)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_dying_anywhere_leaves_the_same_end(outcome):
    whole = a_world(outcome)
    recovered(whole)
    calm = whole.outside.boundaries

    for boundary in range(calm):
        world = a_world(outcome)
        world.outside.dies_at = boundary
        try:
            take(world)
            ask(world)
        except Crash:
            pass
        recovered(world)

        assert world.platform.charged[ORDER_NO] <= 1, boundary
        assert loan_of(world) == _same_but_for_version(loan_of(whole), loan_of(world)), boundary
        assert world.journal.results.keys() == whole.journal.results.keys(), boundary
        paid = world.journal.results[ORDER_NO].result.status is Status.SUCCEEDED
        assert paid == bool(world.platform.charged[ORDER_NO]), boundary


def _same_but_for_version(loan, other):
    return replace(loan, version=other.version)
