"""A business day over the in-memory world: list, rounds, sweep; repeated, reordered, interrupted."""

import contextlib
from collections import Counter
from datetime import time, timedelta

import pytest

from chalicelib.domain.deduction import Kind, SkipReason
from chalicelib.domain.money import Money, total
from chalicelib.domain.prepayment import Wish
from chalicelib.flows import deduction, deduction_round, due_list, early_repayment, sweep, watch
from chalicelib.flows.ports import AskMessage, DeductionMessage, WalkMessage
from tests.builders import TODAY, a_loan, a_schedule, at
from tests.fakes import Crash, World
from tests.fakes_files import FakeDiscrepancies


def a_book(world: World) -> World:
    """Loans due today, overdue, due soon and not due; by name, what the platform will do."""
    for loan_id, overdue_days, outcomes in (
        ("LN1", 0, ["succeed"]),
        ("LN2", 0, ["insufficient_funds", "succeed"]),
        ("LN3", 5, ["insufficient_funds", "insufficient_funds"]),
        ("LN4", 0, ["limit_exceeded"]),
        ("LN5", 1, ["timeout_after_charge"]),
        ("LN6", 0, ["wrong_amount"]),
        ("LN7", -3, []),
        ("LN8", 91, []),
        ("LN9", -9, []),
    ):
        world.book(
            a_loan(loan_id, overdue_days=overdue_days, borrower_id=f"B{loan_id[-1]}"),
            a_schedule(first_due_on=TODAY - timedelta(days=overdue_days)),
        )
        world.platform.script[f"AG-{loan_id}"] = outcomes
    return world


def drain(world: World, now, *, times: int = 1) -> None:
    """Deliver every message, each so many times, until all queues are empty."""
    desks = {
        WalkMessage: lambda m: (
            due_list.walk(message=m, now=now, desk=world.morning)
            if m.job == due_list.JOB
            else deduction_round.send_out(message=m, now=now, desk=world.rounds)
        ),
        DeductionMessage: lambda m: deduction.take(message=m, now=now, desk=world.deducting),
        AskMessage: lambda m: deduction.ask(message=m, now=now, desk=world.deducting),
    }
    for _ in range(20):
        queues = (world.walks, world.deductions, world.asks)
        messages = [message for queue in queues for message in queue._take_all()]
        if not messages:
            return
        for message in messages:
            for _ in range(times):
                desks[type(message)](message)


def a_day(world: World, *, times: int = 1) -> World:
    for _ in range(times):
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
    drain(world, at(0, 10), times=times)
    for round_no, hour in ((1, 8), (2, 16)):
        for _ in range(times):
            # A round that is not over yet is left to the sweep, as a failed schedule is on AWS.
            with contextlib.suppress(deduction_round.RoundNotOverError):
                deduction_round.start(
                    business_date=TODAY, round_no=round_no, now=at(hour), desk=world.rounds
                )
        drain(world, at(hour), times=times)
        for _ in range(times):
            sweep.run(now=at(hour, 30), desk=world.sweeping)
        drain(world, at(hour, 30), times=times)
    sweep.run(now=at(21), desk=world.sweeping)
    return world


def totals_of(world: World, job: str):
    return world.runs.rows[TODAY, job].totals


class TestTheMorning:
    def test_lists_what_is_due_and_overdue_within_the_retries(self):
        world = a_day(a_book(World()))

        listed = [
            line.loan_id for shard in (0, 1) for line in world.due_lists.lists[TODAY, 1, shard]
        ]
        assert sorted(listed) == ["LN1", "LN2", "LN3", "LN4", "LN5", "LN6"]

    def test_asks_for_reminders_before_the_due_date(self):
        world = a_day(a_book(World()))

        [reminder] = world.notices.messages
        assert (reminder.event, reminder.loan_id) == ("due_soon", "LN7")
        assert reminder.amount_fen == a_schedule()[0].total.fen

    def test_of_a_past_day_made_late_does_not_remind_again(self):
        """The list of the day after has reminded of both days: nobody is told twice."""
        world = a_book(World())
        for days_later in (-1, 1, 0):
            day = TODAY + timedelta(days=days_later)
            due_list.make(business_date=day, now=at(0, 10, day=day), desk=world.morning)
            drain(world, at(0, 10, day=day))

        assert world.runs.rows[TODAY, "due_list"].is_complete
        assert [each.loan_id for each in world.notices.messages].count("LN7") == 1

    def test_counts_the_loans_that_cross_a_stage(self):
        world = a_day(a_book(World()))

        assert totals_of(world, "due_list")["stage_moves"] == {"field_visit": 1, "sms": 1}

    def test_ties_what_it_listed_to_what_it_counted(self):
        world = a_day(a_book(World()))
        lines = [line for shard in (0, 1) for line in world.due_lists.lists[TODAY, 1, shard]]

        assert totals_of(world, "due_list")["modes"]["self_operated"] == {
            "count": 6,
            "amount_fen": total(line.amount for line in lines).fen,
        }

    def test_reads_what_is_due_not_what_is_on_the_book(self):
        small, large = World(), World()
        for world, more in ((small, 10), (large, 200)):
            a_book(world)
            for number in range(more):
                world.book(
                    a_loan(f"LX{number}", overdue_days=-20),
                    a_schedule(first_due_on=TODAY + timedelta(days=20)),
                )
            due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
            drain(world, at(0, 10))

        assert small.outside.boundaries == large.outside.boundaries

    def test_leaves_a_loan_that_cannot_be_reckoned_out_alone_and_names_it(self):
        world = a_book(World())
        world.book(a_loan("LX", product="withdrawn"), a_schedule())
        del world.schedules.rows["LN2", 1]
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))

        assert totals_of(world, "due_list")["left_out"] == ["LN2", "LX"]
        assert totals_of(world, "due_list")["modes"]["self_operated"]["count"] == 5

    def test_goes_on_with_the_list_that_stands_when_two_walk_a_shard(self):
        world = a_book(World())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        message, _ = world.walks._take_all()
        first = due_list._walk_shard(
            business_date=TODAY, shard=message.shard, now=at(0, 10), desk=world.morning
        )
        for loan_id in ("LN1", "LN2", "LN3", "LN4", "LN5", "LN6"):
            world.loans.rows.pop(loan_id)
        due_list.walk(message=message, now=at(0, 11), desk=world.morning)
        run = world.runs.rows[TODAY, "due_list"]

        assert run.parts[message.shard]["modes"] == first["modes"]

    def test_is_not_made_of_fewer_shards_than_the_book_is_spread_over(self):
        world = a_day(a_book(World()))
        world.shards = 1

        with pytest.raises(due_list.ShardsLoweredError):
            due_list.make(
                business_date=TODAY + timedelta(days=1), now=at(0, 10), desk=world.morning
            )


class TestTheRounds:
    def test_account_for_every_due(self):
        world = a_day(a_book(World()))
        first, second = totals_of(world, "round_1"), totals_of(world, "round_2")

        assert first["ties"] and second["ties"]
        assert first["due"]["count"] == 6
        assert first["succeeded"]["count"] == 2
        assert {code: tally["count"] for code, tally in first["failed"].items()} == {
            "INSUFFICIENT_FUNDS": 2,
            "LIMIT_EXCEEDED": 1,
        }
        assert first["unknown"]["count"] == 1

    def test_the_second_takes_what_may_be_tried_again_today(self):
        world = a_day(a_book(World()))

        listed = [
            line.loan_id for shard in (0, 1) for line in world.due_lists.lists[TODAY, 2, shard]
        ]
        assert sorted(listed) == ["LN2", "LN3"]
        assert totals_of(world, "round_2")["succeeded"]["count"] == 1

    def test_the_second_takes_what_another_order_kept_from_the_first(self):
        """A borrower's order held the loan at eight, and failed."""
        world = World()
        loan = world.book(a_loan("LN1"), a_schedule())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))
        wish = Wish(kind=Kind.INSTALMENT)
        asked = {"borrower_id": "B1", "loan_id": "LN1", "now": at(7, 58), "desk": world.repaying}
        quote = early_repayment.quote(wish=wish, **asked)
        early_repayment.start(quote_id=quote.quote_id, request="r", **asked)
        world.repayments._take_all()
        for round_no, hour in ((1, 8), (2, 16)):
            deduction_round.start(
                business_date=TODAY, round_no=round_no, now=at(hour), desk=world.rounds
            )
            for message in world.walks._take_all():
                deduction_round.send_out(message=message, now=at(hour), desk=world.rounds)
            for message in world.deductions._take_all():
                deduction.take(message=message, now=at(hour), desk=world.deducting)
            sweep.run(now=at(hour, 30), desk=world.sweeping)
            if round_no == 1:
                assert totals_of(world, "round_1")["skipped"]["slot_taken"]["count"] == 1
                world.platform.script[loan.agreement_no] = ["insufficient_funds"]
                deduction.send(
                    message=AskMessage(order_no=quote.terms.order_no),
                    now=at(9),
                    desk=world.deducting,
                )

        assert totals_of(world, "round_2")["succeeded"]["count"] == 1
        assert list(world.platform.charged.values()) == [1]

    def test_cannot_start_without_a_complete_list(self):
        world = a_book(World())

        with pytest.raises(deduction_round.DueListMissingError):
            deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)

    def test_the_second_waits_until_the_first_is_over(self):
        world = a_book(World())
        sweep.run(now=at(16, 50), desk=world.sweeping)
        drain(world, at(16, 50))
        started = []
        for hour, minute in ((17, 0), (17, 15), (17, 30), (17, 45)):
            started.append(sweep.run(now=at(hour, minute), desk=world.sweeping).started)
            drain(world, at(hour, minute))

        assert started[0] == ("round_1",)
        assert "round_2" in {job for jobs in started[1:] for job in jobs}
        assert totals_of(world, "round_2")["due"]["count"] == 2

    def test_skip_what_was_paid_between_list_and_deduction(self):
        world = a_book(World())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))
        world.book(
            a_loan("LN1", overdue_days=-30, borrower_id="B1"),
            a_schedule(first_due_on=TODAY + timedelta(days=30)),
        )
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        drain(world, at(8))
        sweep.run(now=at(8, 30), desk=world.sweeping)

        skipped = totals_of(world, "round_1")["skipped"]
        assert skipped[SkipReason.NOTHING_DUE]["count"] == 1
        assert totals_of(world, "round_1")["ties"]

    def test_charge_what_is_still_owed_when_part_was_paid_since(self):
        world = a_book(World())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))
        loan = world.loans.rows["LN1"]
        from dataclasses import replace

        world.loans.rows["LN1"] = replace(
            loan, position=replace(loan.position, interest_paid=Money(1))
        )
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        drain(world, at(8))
        sweep.run(now=at(8, 30), desk=world.sweeping)

        assert totals_of(world, "round_1")["reduced_fen"] == 1
        assert totals_of(world, "round_1")["ties"]


class TestTheWholeDay:
    def test_repeated_at_every_step_ends_the_same(self):
        once, thrice = a_day(a_book(World())), a_day(a_book(World()), times=3)

        assert once.platform.charged == thrice.platform.charged
        assert max(thrice.platform.charged.values()) == 1
        assert once.loans.rows == thrice.loans.rows
        assert once.journal.results == thrice.journal.results
        assert totals_of(once, "round_1") == totals_of(thrice, "round_1")

    def test_killed_anywhere_is_finished_by_the_sweep(self):
        calm = a_day(a_book(World()))
        for boundary in range(calm.outside.boundaries):
            world = a_book(World())
            world.outside.dies_at = boundary
            try:
                a_day(world)
            except Crash:
                world.outside.dies_at = None
            a_day(world)  # the message that was being worked is lost: only the nets are left

            assert world.platform.charged == calm.platform.charged, boundary
            assert _money(world) == _money(calm), boundary


def _money(world: World):
    return Counter({no: deduction.amount.fen for no, deduction in world.journal.results.items()}), {
        loan.loan_id: (loan.position, loan.unpaid_due_on) for loan in world.loans.rows.values()
    }


class TestTheSweep:
    def test_starts_what_the_scheduler_forgot(self):
        world = a_book(World())
        sweep.run(now=at(0, 30), desk=world.sweeping)
        drain(world, at(0, 30))
        report = sweep.run(now=at(8, 30), desk=world.sweeping)
        drain(world, at(8, 30))

        assert report.started == ("round_1",)
        assert world.runs.rows[TODAY, "due_list"].is_complete
        assert len(world.platform.charged) == 3

    def test_puts_lost_messages_again(self):
        world = a_book(World())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        for message in world.walks._take_all():
            deduction_round.send_out(message=message, now=at(8), desk=world.rounds)
        world.deductions._take_all()

        report = sweep.run(now=at(8, 15), desk=world.sweeping)

        assert report.waiting == 6
        assert len(world.deductions.messages) == 6

    def test_leaves_a_queue_that_still_works_alone(self):
        world = a_book(World())
        due_list.make(business_date=TODAY, now=at(0, 10), desk=world.morning)
        drain(world, at(0, 10))
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        for message in world.walks._take_all():
            deduction_round.send_out(message=message, now=at(8), desk=world.rounds)

        for minute in (15, 30, 45):
            sweep.run(now=at(8, minute), desk=world.sweeping)

        assert len(world.deductions.messages) == 6, "a long round, or a paused one, is not doubled"

    def test_reads_a_complete_round_no_more_than_its_open_orders(self):
        world = a_day(a_book(World()))
        world.due_lists.lists.clear()  # reading a list again would fail

        report = sweep.run(now=at(21, 15), desk=world.sweeping)

        assert (report.unknown, report.waiting) == (1, 0)
        assert [message.order_no for message in world.asks.messages] == ["20261124-1-LN6"]


class TestTheWatch:
    def test_names_what_is_late(self):
        world = a_book(World())
        desk = watch.Desk(
            runs=world.runs,
            channel="main",
            discrepancies=FakeDiscrepancies(world.outside),
            list_at=time(0, 10),
            round_at=(time(8), time(16)),
        )
        assert watch.late(now=at(0, 39), desk=desk) == ()
        assert watch.late(now=at(10, 40), desk=desk) == (
            f"{TODAY} due_list",
            f"{TODAY} round_1",
        )
        a_day(world)
        tomorrow = TODAY + timedelta(days=1)
        assert f"{TODAY} reconciliation_main" in watch.late(now=at(10, 40, day=tomorrow), desk=desk)
