"""failures.md row 89: a split that fails after the charge is done again, and the repayment stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import (
    Answer,
    AnswerStatus,
    Outcome,
    Status,
    order_no_of,
    split_no_of,
    verdict,
)
from chalicelib.domain.money import Money
from chalicelib.flows import deduction, split_repair, sweep
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import FUNDER, TODAY, a_joint_loan, a_loan, a_schedule, at
from tests.fakes import Crash, World
from tests.repayments import WISHES, loan_of, quoted, settle, start

ORDER_NO = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
DUE = a_schedule()[0].total


def a_world(*outcomes: str) -> World:
    world = World()
    world.funders["F1"] = FUNDER
    world.paid_to_us = frozenset([a_joint_loan().mode])
    world.book(a_joint_loan(), a_schedule())
    world.platform.script["AG-LN1"] = list(outcomes)
    return world


def take(world: World) -> Outcome:
    message = DeductionMessage(order_no=ORDER_NO, listed_fen=DUE.fen)
    return deduction.take(message=message, now=at(8), desk=world.deducting)


def ask(world: World, *, rung: int | None = 0, now=None) -> Outcome:
    message = AskMessage(order_no=ORDER_NO, rung=rung)
    return deduction.ask(message=message, now=now or at(8, 1), desk=world.deducting)


def asked_until_quiet(world: World) -> list[Outcome]:
    outcomes = []
    while world.asks.messages:
        outcomes += [
            deduction.ask(message=message, now=at(8, 5), desk=world.deducting)
            for message in world.asks._take_all()
        ]
    return outcomes


def swept(world: World, now) -> sweep.Report:
    report = sweep.run(now=now, desk=world.sweeping)
    asked_until_quiet(world)
    return report


def is_posted_and_split(world: World) -> bool:
    return (
        world.platform.charged == {ORDER_NO: 1}
        and world.platform.splits == {ORDER_NO: world.platform.ordered[ORDER_NO].split}
        and not world.split_repairs.rows
        and loan_of(world).slot is None
        and loan_of(world).position.instalment_no == 2
        and world.journal.results[ORDER_NO].result.status is Status.SUCCEEDED
    )


class TestASplitThatFailed:
    def test_leaves_the_repayment_posted_and_the_record_says_so(self):
        world = a_world("split_fails_after_charge")

        assert take(world) is Outcome.SUCCEEDED
        assert world.journal.results[ORDER_NO].result.split_pending
        assert world.journal.results[ORDER_NO].is_split
        assert loan_of(world).position.instalment_no == 2
        assert set(world.split_repairs.rows) == {ORDER_NO}
        assert not world.platform.splits

    def test_is_done_again_by_its_own_number_and_charges_nothing(self):
        world = a_world("split_fails_after_charge")
        take(world)
        record = world.journal.results[ORDER_NO]

        assert asked_until_quiet(world) == [Outcome.SPLIT]
        assert world.platform.split_numbers == {split_no_of(ORDER_NO)}
        assert is_posted_and_split(world)
        assert world.journal.results[ORDER_NO] == record, "a record is never changed"
        assert ask(world) is Outcome.REPEATED

    def test_is_tried_down_the_ladder_and_then_with_each_sweep_until_it_is_done(self):
        world = a_world("split_fails_after_charge")
        world.platform.split_failures = 6
        take(world)

        assert asked_until_quiet(world) == [Outcome.UNSPLIT] * 4
        assert world.asks.delays == [30, 60, 300, 900]
        reports = [swept(world, at(8, 15) + timedelta(minutes=15 * n)) for n in range(4)]
        assert [report.unsplit for report in reports] == [1, 1, 1, 0]
        assert world.platform.split_numbers == {split_no_of(ORDER_NO)}
        assert is_posted_and_split(world)

    def test_is_left_to_the_ladder_for_a_while_before_a_sweep_takes_it_up(self):
        world = a_world("split_fails_after_charge")
        take(world)

        assert sweep.run(now=at(8, 5), desk=world.sweeping).unsplit == 0
        assert sweep.run(now=at(8, 11), desk=world.sweeping).unsplit == 1

    @pytest.mark.parametrize("days", [1, 40])
    def test_is_not_forgotten_however_old_it_is(self, days):
        world = a_world("split_fails_after_charge")
        take(world)
        world.asks._take_all()

        assert swept(world, at(9) + timedelta(days=days)).unsplit == 1
        assert is_posted_and_split(world)

    def test_may_be_heard_of_only_when_the_order_is_asked_after(self):
        world = a_world("split_fails_unheard")

        assert take(world) is Outcome.UNKNOWN
        assert asked_until_quiet(world) == [Outcome.SUCCEEDED, Outcome.SPLIT]
        assert is_posted_and_split(world)

    def test_is_found_where_only_the_bill_has_shown_the_order_paid(self):
        world = a_world("split_fails_unheard")
        take(world)
        world.asks._take_all()
        outcome = deduction.settle_from_bill(
            order_no=ORDER_NO,
            trade_no=f"T{ORDER_NO}",
            amount=DUE,
            paid_at=at(9),
            now=at(10, day=TODAY + timedelta(days=1)),
            desk=world.deducting,
        )

        assert outcome is Outcome.SUCCEEDED
        swept(world, at(11, day=TODAY + timedelta(days=1)))
        assert is_posted_and_split(world)

    def test_waits_while_calls_are_paused(self):
        world = a_world("split_fails_after_charge")
        take(world)
        world.controls.paused = True

        assert ask(world) is Outcome.UNSPLIT
        assert not world.platform.split_numbers
        world.controls.paused = False
        assert ask(world) is Outcome.SPLIT

    @pytest.mark.parametrize("wish", WISHES)
    def test_of_a_borrowers_own_order_is_done_again_too(self, wish):
        world = a_world("split_fails_after_charge")
        world.book(a_joint_loan(overdue_days=5), a_schedule(first_due_on=TODAY - timedelta(days=5)))
        quote = quoted(world, WISHES[wish])
        start(world, quote)
        settle(world)
        order_no = quote.terms.order_no

        assert world.platform.splits == {order_no: world.platform.ordered[order_no].split}
        assert world.platform.charged == {order_no: 1}
        assert not world.split_repairs.rows

    def test_is_nobodys_concern_where_nothing_was_to_be_split(self):
        world = a_world("succeed")
        world.book(a_loan(), a_schedule())
        taken = replace(
            Answer(status=AnswerStatus.SUCCEEDED, trade_no="T", amount=DUE, paid_at=at(9)),
            split_pending=True,
        )
        world.platform.ends[ORDER_NO] = taken

        assert take(world) is Outcome.SUCCEEDED
        assert not world.journal.results[ORDER_NO].result.split_pending
        assert not world.split_repairs.rows


class TestANote:
    def test_of_an_order_that_failed_after_all_is_forgotten(self):
        world = a_world("insufficient_funds")
        take(world)
        world.split_repairs.note(order_no=ORDER_NO, at=at(8))

        assert swept(world, at(9)).unsplit == 0
        assert not world.split_repairs.rows

    def test_of_an_order_in_flight_stays_and_the_order_is_asked_after_from_its_slot(self):
        world = a_world("timeout_after_charge")
        take(world)
        world.split_repairs.note(order_no=ORDER_NO, at=at(8))

        found = split_repair.undone(
            now=at(9),
            patience=timedelta(minutes=10),
            repairs=world.split_repairs,
            journal=world.journal,
        )
        assert (list(found), set(world.split_repairs.rows)) == ([], {ORDER_NO})


def recovered(world: World) -> None:
    """Deliver the message again, whatever it put on the queues, and sweep, until all is quiet."""
    world.outside.dies_at = None
    for minutes in (0, 15, 30, 45):
        take(world)
        asked_until_quiet(world)
        swept(world, at(8, 20) + timedelta(minutes=minutes))


@pytest.mark.parametrize("outcome", ["split_fails_after_charge", "split_fails_unheard"])
@pytest.mark.parametrize("split_failures", [0, 1])
def test_dying_anywhere_leaves_the_loan_paid_once_and_split(outcome, split_failures):
    whole = a_world(outcome)
    whole.platform.split_failures = split_failures
    take(whole)
    asked_until_quiet(whole)
    assert is_posted_and_split(whole)

    for boundary in range(whole.outside.boundaries):
        world = a_world(outcome)
        world.platform.split_failures = split_failures
        world.outside.dies_at = boundary
        try:
            take(world)
            asked_until_quiet(world)
        except Crash:
            pass
        recovered(world)

        assert is_posted_and_split(world), boundary
        assert world.platform.split_numbers == {split_no_of(ORDER_NO)}, boundary


def test_a_verdict_keeps_what_was_said_of_the_split():
    answer = Answer(
        status=AnswerStatus.SUCCEEDED,
        trade_no="T",
        amount=Money(1),
        paid_at=at(9),
        split_pending=True,
    )

    assert verdict(ordered=Money(1), answer=answer).split_pending
    assert not verdict(ordered=Money(1), answer=replace(answer, split_pending=False)).split_pending
