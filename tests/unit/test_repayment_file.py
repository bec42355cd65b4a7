"""What was collected goes to the funder once: no order in two files, none in no file."""

from collections.abc import Iterator
from itertools import chain

import pytest

from chalicelib.domain.deduction import Kind, Status
from chalicelib.domain.money import Money, total
from chalicelib.flows import deduction, repayment_file, sweep
from chalicelib.flows.early_repayment import Started
from chalicelib.flows.ports import AskMessage
from tests.builders import TODAY, a_joint_loan, a_schedule, at
from tests.fakes import Crash
from tests.fakes_funders import (
    F1,
    TOMORROW,
    FunderWorld,
    a_book_with_funder,
    a_day_with_funder,
    bill_comes,
    drop_due,
    due_key,
    go_round,
    list_dues,
    our_dues,
)
from tests.repayments import WISHES, quoted, settle, start

FOLDER = f"out/funders/{F1}/repayments/20261124/"
AFTER_ROUNDS, CUT_OFF = at(16, 45), at(22, 30)
UNKNOWN = {"LN1": "succeed", "LN2": "processing_then_succeed", "LN3": "card_closed"}


def write(world: FunderWorld, now=CUT_OFF):
    return repayment_file.write(business_date=TODAY, now=now, desk=world.repaying_funders)


def versions(world: FunderWorld) -> list[list[str]]:
    return [sorted({line.order_no for line in lines}) for lines in world.sent("repayments", FOLDER)]


def ends_paid(world: FunderWorld, order_no: str, now) -> None:
    """Let an unknown order end, as the platform says when it is asked."""
    world.platform.silent[order_no] = 0
    deduction.ask(message=AskMessage(order_no=order_no, rung=None), now=now, desk=world.deducting)
    assert world.journal.results[order_no].result.status is Status.SUCCEEDED


class TestTheFirstFile:
    def test_has_every_success_with_both_parts_and_nothing_else(self):
        world = a_day_with_funder(
            {"LN1": "succeed", "LN2": ["insufficient_funds", "succeed"], "LN3": "card_closed"}
        )

        assert write(world, AFTER_ROUNDS) == (f"{FOLDER}repayments_v1.csv",)
        [lines] = world.sent("repayments", FOLDER)
        assert [line.order_no for line in lines] == ["20261124-1-LN1", "20261124-2-LN2"]
        assert all(line.adds_up for line in lines)
        for line in lines:
            record = world.journal.results[line.order_no]
            assert (line.whole, line.funder) == (record.components, record.funder)

    def test_tells_an_overdue_loan_s_order_instalment_by_instalment_as_of_one_kind(self):
        world = FunderWorld()
        loan = a_joint_loan("LN1", overdue_days=31, borrower_id="B-LN1")
        world.book(loan, a_schedule(first_due_on=loan.unpaid_due_on))
        list_dues(world)
        drop_due(world, our_dues(world))
        world.take(due_key(), at(5))
        go_round(world, 1)
        go_round(world, 2)
        write(world, AFTER_ROUNDS)

        [lines] = world.sent("repayments", FOLDER)
        assert [(line.instalment_no, line.kind) for line in lines] == [
            (1, Kind.SCHEDULED),
            (2, Kind.SCHEDULED),
        ]
        assert lines[0].penalty > lines[1].penalty == Money(0)
        [record] = world.journal.results.values()
        assert total(line.whole.total for line in lines) == record.amount

    def test_is_written_by_the_sweep_when_the_last_round_is_over(self):
        world = a_day_with_funder({"LN1": "succeed"})

        assert sweep.run(now=AFTER_ROUNDS, desk=world.sweeping).written == (
            f"{FOLDER}repayments_v1.csv",
        )
        assert sweep.run(now=at(17), desk=world.sweeping).written == ()

    def test_waits_for_the_last_round(self):
        world = a_book_with_funder({"LN1": "succeed"})
        list_dues(world)
        drop_due(world, our_dues(world))
        world.take(due_key(), at(5))
        go_round(world, 1)

        assert write(world, at(15)) == ()

    def test_waits_for_an_unknown_order_until_the_cut_off_and_no_longer(self):
        world = a_day_with_funder(UNKNOWN)

        assert write(world, at(22, 29)) == ()
        assert write(world, CUT_OFF) == (f"{FOLDER}repayments_v1.csv",)
        assert versions(world) == [["20261124-1-LN1"]]

    def test_does_not_wait_for_an_unknown_order_that_is_none_of_the_funder_s(self):
        world = a_book_with_funder({"LN1": "succeed"})
        world.platform.script["AG-LN90"] = ["processing_then_succeed"]
        list_dues(world)
        drop_due(world, our_dues(world))
        world.take(due_key(), at(5))
        go_round(world, 1)
        go_round(world, 2)

        assert write(world, AFTER_ROUNDS) != ()

    def test_is_written_at_the_cut_off_though_no_round_was_ever_opened(self):
        world = a_book_with_funder({"LN1": "succeed"})
        list_dues(world)

        write(world, CUT_OFF)

        assert world.sent("repayments", FOLDER) == [[]]

    def test_says_that_nothing_was_paid_where_nothing_was(self):
        world = a_day_with_funder({"LN1": "card_closed"})

        write(world, AFTER_ROUNDS)

        assert world.sent("repayments", FOLDER) == [[]]
        assert b'"rows": 0' in world.objects.bodies[f"{FOLDER}repayments_v1.csv.ok"]

    def test_is_of_no_funder_that_had_no_part_in_the_day(self):
        world = a_day_with_funder({})

        assert write(world, CUT_OFF) == ()

    def test_is_counted_in_the_run(self):
        world = a_day_with_funder({"LN1": "succeed"})
        write(world, AFTER_ROUNDS)

        run = world.run("funder_repayments_F1")
        assert run.is_complete
        assert (run.totals["versions"], run.totals["orders"]) == (1, 1)
        assert run.totals["amount_fen"] == world.journal.results["20261124-1-LN1"].amount.fen


class TestASupplement:
    def test_holds_only_what_came_later(self):
        world = a_day_with_funder(UNKNOWN)
        write(world)
        ends_paid(world, "20261124-1-LN2", at(22, 40))

        assert write(world, at(22, 45)) == (f"{FOLDER}repayments_v2.csv",)
        assert versions(world) == [["20261124-1-LN1"], ["20261124-1-LN2"]]
        assert write(world, at(23)) == ()

    def test_takes_what_the_bill_has_settled_next_morning(self):
        world = a_day_with_funder(UNKNOWN)
        write(world)
        bill_comes(world)

        assert write(world, at(10, 15, day=TOMORROW)) == (f"{FOLDER}repayments_v2.csv",)
        assert versions(world)[1] == ["20261124-1-LN2"]

    def test_of_an_evening_is_one(self):
        world = a_day_with_funder({"LN1": "succeed", "LN2": "succeed"})
        write(world, AFTER_ROUNDS)
        for hour, loan_id in ((18, "LN1"), (20, "LN2")):
            pays_ahead(world, loan_id, at(hour))
            assert write(world, at(hour, 15)) == ()

        assert write(world) == (f"{FOLDER}repayments_v2.csv",)
        [_, supplement] = world.sent("repayments", FOLDER)
        assert {line.loan_id for line in supplement} == {"LN1", "LN2"}
        assert {line.kind for line in supplement} == {Kind.FULL}

    def test_may_be_all_there_is_for_a_loan_that_was_on_no_list(self):
        world = a_day_with_funder({})
        world.book(a_joint_loan("LN8", borrower_id="B-LN8"), a_schedule())
        pays_ahead(world, "LN8", at(18))

        assert write(world) == (f"{FOLDER}repayments_v1.csv",)
        assert len(versions(world)) == 1

    def test_is_counted_with_the_first(self):
        world = a_day_with_funder(UNKNOWN)
        write(world)
        ends_paid(world, "20261124-1-LN2", at(22, 40))
        write(world, at(22, 45))

        totals = world.run("funder_repayments_F1").totals
        assert (totals["versions"], totals["orders"]) == (2, 2)
        paid = [r for r in world.journal.results.values() if r.funder.total]
        assert totals["amount_fen"] == sum(record.amount.fen for record in paid)


class TestDying:
    @staticmethod
    def evenings(**outcomes: str) -> Iterator[FunderWorld]:
        """Play the evening of a late success to its end, and then once for each call it dies at."""

        def evening() -> FunderWorld:
            world = a_day_with_funder(UNKNOWN | outcomes)
            write(world)
            ends_paid(world, "20261124-1-LN2", at(22, 40))
            world.outside.boundaries = 0
            return world

        plain = evening()
        write(plain, at(22, 45))
        yield plain
        for dies_at in range(plain.outside.boundaries):
            world = evening()
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                write(world, at(22, 45))
            yield world

    def test_anywhere_leaves_the_same_files(self):
        plain, *died = self.evenings()
        assert died
        for world in died:
            write(world, at(22, 45))
            assert world.state() == plain.state()

    def test_between_two_successes_puts_none_in_two_and_none_in_no_file(self):
        """The one that is known when the writer comes again is not in the version he had begun."""
        _, *died = self.evenings(LN4="processing_then_succeed")
        assert died
        for world in died:
            ends_paid(world, "20261124-1-LN4", at(22, 50))
            write(world, at(23))
            told = list(chain(*versions(world)))
            assert sorted(told) == ["20261124-1-LN1", "20261124-1-LN2", "20261124-1-LN4"]


def pays_ahead(world: FunderWorld, loan_id: str, now) -> None:
    """Let a borrower settle his loan by himself."""
    whose = {"loan_id": loan_id, "borrower_id": f"B-{loan_id}"}
    quote = quoted(world, WISHES["full"], now=now, **whose)
    assert isinstance(start(world, quote, now=now, **whose), Started)
    settle(world, now=now)
