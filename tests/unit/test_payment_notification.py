"""Callbacks: before or after the answer, repeated, false, late.  Numbers are failures.md's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import Answer, AnswerStatus, Outcome, Status
from chalicelib.domain.money import Money
from chalicelib.flows import deduction
from chalicelib.flows.payment_notification import NotificationMessage, State
from chalicelib.flows.ports import DeductionMessage
from tests.builders import TODAY, at
from tests.fakes import Crash
from tests.fakes_notifications import (
    DUE,
    ORDER_NO,
    NotifiedWorld,
    a_fen_more,
    a_notification,
)

MESSAGE = NotificationMessage(order_no=ORDER_NO, notification_id="a" * 64)
LATER = at(9, day=TODAY + timedelta(days=40))
PAID = Answer(status=AnswerStatus.SUCCEEDED, trade_no="T1", amount=DUE, paid_at=at(9))


def deducted(world, now=None) -> Outcome:
    message = DeductionMessage(order_no=ORDER_NO, listed_fen=DUE.fen)
    return deduction.take(message=message, now=now or at(8), desk=world.deducting)


def loan_of(world):
    return world.loans.rows["LN1"]


def stored(world):
    return world.inbox.rows[MESSAGE.notification_id]


def during(world, happens):
    """Let something happen while the platform works on the next order, before it answers."""
    answer = world.platform.deduct

    def overtaken(order):
        world.platform.deduct = answer
        answered = answer(order)
        happens()
        return answered

    world.platform.deduct = overtaken


class TestReceiving:
    def test_38_stores_and_puts_a_message_and_calls_nobody_else(self):
        world = NotifiedWorld("timeout_after_charge")
        deducted(world)
        before = world.outside.boundaries
        world.receive(a_notification())

        assert world.outside.boundaries - before == 4, "one put into the inbox, one on the queue"
        assert world.notified.messages == [MESSAGE]
        assert stored(world) == replace(a_notification(), order_date=TODAY)
        assert not world.journal.results

    def test_31_a_replay_keeps_what_is_stored_and_puts_its_message_again(self):
        world = NotifiedWorld("succeed")
        deducted(world)
        world.told(a_notification())
        taken = stored(world)
        world.receive(a_notification(status="FAILED", received_at=at(10)))

        assert stored(world) == taken
        assert world.notified.messages == [MESSAGE]

    def test_34_stores_an_order_number_that_is_none(self):
        world = NotifiedWorld()
        world.receive(a_notification("NOT-OURS"))

        assert stored(world).order_date is None
        assert stored(world).state is State.RECEIVED


class TestACallback:
    def test_30_before_the_answer_posts_once(self):
        world = NotifiedWorld("succeed")
        during(world, lambda: world.told(a_notification()))

        assert deducted(world) is Outcome.SUCCEEDED
        assert stored(world).state is State.TAKEN
        assert loan_of(world).position.instalment_no == 2
        assert list(world.journal.results) == [ORDER_NO]
        assert world.posted_fen == world.charged_fen == DUE.fen

    def test_30_while_the_answer_is_lost_posts_once(self):
        world = NotifiedWorld("timeout_after_charge")
        assert deducted(world) is Outcome.UNKNOWN
        world.platform.silent.clear()

        assert world.told(a_notification()).outcome is Outcome.SUCCEEDED
        assert deducted(world) is Outcome.REPEATED
        assert stored(world).state is State.TAKEN
        assert world.posted_fen == world.charged_fen == DUE.fen

    def test_30_after_the_answer_changes_nothing(self):
        world = NotifiedWorld("succeed")
        deducted(world)
        before = (loan_of(world), dict(world.journal.results))

        taken = world.told(a_notification())
        assert (taken.state, taken.outcome) == (State.TAKEN, Outcome.REPEATED)
        assert (loan_of(world), world.journal.results) == before

    def test_31_repeated_a_hundred_times_asks_and_posts_once(self):
        world = NotifiedWorld("timeout_after_charge")
        deducted(world)
        world.platform.silent.clear()
        for _ in range(100):
            world.receive(a_notification())
        first, *others = world.take_all()
        before = world.outside.boundaries
        assert world.told(a_notification()).outcome is None

        assert world.outside.boundaries - before == 6, "the inbox and the queue, nothing else"
        assert first.outcome is Outcome.SUCCEEDED
        assert {taken.outcome for taken in others} == {None}
        assert {taken.state for taken in others} == {State.TAKEN}
        assert len(world.inbox.rows) == 1
        assert world.posted_fen == world.charged_fen == DUE.fen

    def test_of_an_order_whose_end_nobody_knows_yet_is_taken_again_when_it_comes_again(self):
        world = NotifiedWorld("timeout_after_charge")
        deducted(world)
        world.platform.silent[ORDER_NO] = 1

        assert world.told(a_notification()).state is State.RECEIVED
        assert stored(world).finding == "end unknown"
        assert world.told(a_notification()).state is State.TAKEN
        assert stored(world).finding == ""

    def test_that_says_nothing_of_an_end_contradicts_nothing(self):
        world = NotifiedWorld("succeed")
        deducted(world)

        assert world.told(a_notification(status="PROCESSING", amount=None)).state is State.TAKEN

    def test_of_a_failure_is_taken_like_any_other(self):
        world = NotifiedWorld("insufficient_funds")
        deducted(world)
        notified = a_notification(status="FAILED", failure_code="INSUFFICIENT_FUNDS", paid_at=None)

        assert world.told(notified).state is State.TAKEN
        assert not loan_of(world).hold

    def test_without_a_stored_notification_is_asked_after_as_it_was_before_there_were_any(self):
        for message in (NotificationMessage(order_no=ORDER_NO), MESSAGE):
            world = NotifiedWorld("timeout_after_charge")
            deducted(world)
            world.platform.silent.clear()
            taken = world.take(message)

            assert (taken.state, taken.outcome) == (State.TAKEN, Outcome.SUCCEEDED)
            assert loan_of(world).position.instalment_no == 2


class TestADifference:
    @pytest.mark.parametrize(
        ("changes", "finding"),
        [
            ({"amount": Money(1)}, f"amount_fen 1, ordered {DUE.fen}"),
            ({"amount": a_fen_more(DUE)}, f"amount_fen {DUE.fen + 1}, ordered {DUE.fen}"),
            ({"currency": "USD"}, "currency USD, ordered CNY"),
        ],
    )
    @pytest.mark.parametrize("outcome", ["succeed", "timeout_after_charge"])
    def test_33_is_a_finding_and_what_was_ordered_is_posted(self, outcome, changes, finding):
        world = NotifiedWorld(outcome)
        deducted(world)
        world.platform.silent.clear()
        taken = world.told(a_notification(**changes))

        assert taken.state is State.DIFFERS
        assert (stored(world).state, stored(world).finding) == (State.DIFFERS, finding)
        assert world.posted_fen == world.charged_fen == DUE.fen
        assert world.take(MESSAGE).state is State.DIFFERS, "said again at each delivery"

    def test_33_that_the_platform_stands_by_is_not_applied(self):
        world = NotifiedWorld("wrong_amount")
        deducted(world)
        taken = world.told(a_notification(amount=a_fen_more(DUE)))

        assert (taken.state, taken.outcome) == (State.DIFFERS, Outcome.UNKNOWN)
        assert not world.journal.results
        assert loan_of(world).slot.order_no == ORDER_NO
        assert loan_of(world).position.instalment_no == 1

    def test_33_of_a_success_the_platform_does_not_know_is_not_applied(self):
        world = NotifiedWorld("insufficient_funds", "succeed")
        deducted(world)

        assert world.told(a_notification(amount=Money(1))).state is State.CONTRADICTS
        assert not world.posted_fen
        assert not world.charged_fen

    def test_33_the_right_currency_is_none(self):
        world = NotifiedWorld("succeed")
        deducted(world)

        assert world.told(a_notification(currency="CNY")).state is State.TAKEN


class TestAnUnknownOrder:
    @pytest.mark.parametrize(
        ("order_no", "finding"),
        [
            ("20261124-1-LN404", "no loan of ours"),
            ("NOT-OURS", "no loan of ours"),
            ("20261324-1-LN1", "no loan of ours"),
            ("20261124-2-LN1", "never sent"),
        ],
    )
    def test_34_is_stored_and_found_and_no_failure(self, order_no, finding):
        world = NotifiedWorld("succeed")
        deducted(world)
        before = (loan_of(world), dict(world.journal.results))
        taken = world.told(a_notification(order_no))

        assert taken.state is State.UNKNOWN_ORDER
        assert (stored(world).state, stored(world).finding) == (State.UNKNOWN_ORDER, finding)
        assert (loan_of(world), world.journal.results) == before
        assert world.charged_fen == DUE.fen

    def test_34_is_found_without_a_stored_notification_as_well(self):
        taken = NotifiedWorld().take(NotificationMessage(order_no="NOT-OURS"))

        assert (taken.state, taken.outcome) == (State.UNKNOWN_ORDER, None)


class TestAContradiction:
    @pytest.mark.parametrize("status", ["FAILED", "CLOSED"])
    def test_35_a_failure_notified_after_a_success_leaves_the_success(self, status):
        world = NotifiedWorld("succeed")
        deducted(world)
        before = (loan_of(world), dict(world.journal.results))
        taken = world.told(a_notification(status=status, failure_code="BANK_UNAVAILABLE"))

        assert taken.state is State.CONTRADICTS
        assert stored(world).finding == f"status {status}, recorded SUCCEEDED"
        assert (loan_of(world), world.journal.results) == before

    def test_35_a_success_the_platform_stands_by_after_a_failure_holds_the_loan(self):
        world = NotifiedWorld("insufficient_funds")
        deducted(world)
        world.platform.ends[ORDER_NO] = PAID
        taken = world.told(a_notification())

        assert (taken.state, taken.outcome) == (State.CONTRADICTS, Outcome.CONTRADICTED)
        assert loan_of(world).hold == f"contradiction {ORDER_NO}"
        assert world.journal.results[ORDER_NO].result.status is Status.FAILED

    def test_35_a_success_the_platform_denies_is_found_and_holds_nothing(self):
        world = NotifiedWorld("insufficient_funds")
        deducted(world)
        taken = world.told(a_notification())

        assert (taken.state, taken.outcome) == (State.CONTRADICTS, Outcome.REPEATED)
        assert not loan_of(world).hold


class TestTwoCallbacks:
    def test_36_at_the_same_time_post_once(self):
        world = NotifiedWorld("timeout_after_charge")
        deducted(world)
        world.platform.silent.clear()
        other = a_notification(notification_id="b" * 64, status="FAILED")
        for notification in (a_notification(), other):
            world.receive(notification)
        ask = world.platform.ask

        def overtaken(order_no):
            world.platform.ask = ask
            world.take(NotificationMessage(order_no=ORDER_NO, notification_id="b" * 64))
            return ask(order_no)

        world.platform.ask = overtaken

        assert world.take(MESSAGE).outcome is Outcome.SUCCEEDED
        assert [row.state for row in world.inbox.rows.values()] == [
            State.TAKEN,
            State.CONTRADICTS,
        ]
        assert loan_of(world).position.instalment_no == 2
        assert world.posted_fen == world.charged_fen == DUE.fen

    def test_36_of_the_same_bytes_end_alike(self):
        world = NotifiedWorld("succeed")
        deducted(world)
        world.receive(a_notification())
        get = world.inbox.get

        def overtaken(notification_id):
            world.inbox.get = get
            found = get(notification_id)
            world.take(MESSAGE, now=at(9, 2))
            return found

        world.inbox.get = overtaken

        assert world.take(MESSAGE, now=at(9, 3)).state is State.TAKEN
        assert stored(world).taken_at == at(9, 2), "the first finding sticks"


class TestALateCallback:
    @pytest.mark.parametrize("outcome", ["succeed", "insufficient_funds", "timeout_before_charge"])
    def test_39_for_a_closed_day_posts_nothing_twice(self, outcome):
        world = NotifiedWorld(outcome)
        deducted(world)
        deduction.close_unknown(
            order_no=ORDER_NO, now=at(11, day=LATER.date()), desk=world.deducting
        )
        before = (loan_of(world).position, dict(world.journal.results))
        world.told(a_notification(), now=LATER)

        assert (loan_of(world).position, world.journal.results) == before
        assert world.posted_fen == world.charged_fen

    def test_39_for_an_order_still_unknown_posts_it_with_today_s_book_date(self):
        world = NotifiedWorld("timeout_after_charge")
        deducted(world)
        world.platform.silent.clear()
        world.told(a_notification(), now=LATER)
        record = world.journal.results[ORDER_NO]

        assert (record.business_date, record.recorded_at) == (TODAY, LATER)
        assert record.result.paid_at == at(9), "the value date is the platform's"
        assert world.posted_fen == world.charged_fen == DUE.fen

    def test_39_never_sends_an_order_of_a_day_that_is_over(self):
        world = NotifiedWorld("timeout_before_charge")
        deducted(world)
        world.platform.silent.clear()

        assert world.told(a_notification(), now=LATER).state is State.RECEIVED
        assert not world.platform.charged


OUTCOMES = ("succeed", "insufficient_funds", "timeout_after_charge", "processing_then_succeed")


def recovered(world, notification) -> None:
    """Deliver everything again: the platform its notification, the queues their messages."""
    world.outside.dies_at = None
    for _ in range(4):
        world.receive(notification)
        world.take_all()
        world.take(MESSAGE)
        deducted(world)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_dying_anywhere_leaves_the_same_end(outcome, status):
    notification = a_notification(status=status)
    whole = NotifiedWorld(outcome)
    deducted(whole)
    before = whole.outside.boundaries
    recovered(whole, notification)
    calm = whole.outside.boundaries

    for boundary in range(before, calm):
        world = NotifiedWorld(outcome)
        deducted(world)
        world.outside.dies_at = boundary
        try:
            world.receive(notification)
            world.take_all()
        except Crash:
            pass
        recovered(world, notification)

        assert world.platform.charged[ORDER_NO] <= 1, boundary
        assert stored(world) == stored(whole), boundary
        assert world.journal.results == whole.journal.results, boundary
        assert loan_of(world) == replace(loan_of(whole), version=loan_of(world).version), boundary
        assert world.posted_fen == world.charged_fen, boundary
