"""A funder's due file against our list: equal dues go, differing ones are held, and once only."""

import json
from dataclasses import replace
from datetime import time

import pytest

from chalicelib.domain.due_comparison import Match
from chalicelib.domain.funder import FunderTerms, WithoutFile
from chalicelib.domain.money import Money
from chalicelib.flows import deduction_round, funder_due, sweep, watch
from chalicelib.flows.file_ports import FileState
from chalicelib.flows.funder_due import TOO_LATE
from chalicelib.flows.landing import Outcome
from tests.builders import FUNDER, TODAY, a_joint_loan, a_schedule, at
from tests.fakes import Crash
from tests.fakes_funders import (
    F1,
    TOMORROW,
    FunderWorld,
    a_book_with_funder,
    drop_due,
    due_key,
    go_round,
    list_dues,
    our_dues,
    with_more_interest,
)

DIFFERENCES = f"out/funders/{F1}/due-differences/20261124/"
FIVE = {f"LN{number}": "succeed" for number in range(1, 6)}
LENIENT = replace(FUNDER, tolerance_bps=5_000)


def a_listed_book(outcomes=FIVE, **changes) -> FunderWorld:
    world = a_book_with_funder(outcomes, **changes)
    list_dues(world)
    return world


def lands(world: FunderWorld, lines, *, version: int = 1, now=None):
    return world.take(drop_due(world, lines, version=version), now or at(5))


def paid(world: FunderWorld) -> list[str]:
    return sorted(record.loan_id for record in world.journal.results.values())


class TestOurList:
    def test_names_the_funder_and_both_parts_of_each_instalment(self):
        world = FunderWorld()
        loan = a_joint_loan("LN1", overdue_days=31)
        world.book(loan, a_schedule(first_due_on=loan.unpaid_due_on))
        list_dues(world)

        lines = our_dues(world)
        assert [line.instalment_no for line in lines] == [1, 2]
        assert all(line.adds_up for line in lines)
        assert lines[0].penalty > lines[1].penalty == Money(0)
        assert lines[0].funder_principal == lines[0].principal.shares((7, 3))[0]

    def test_counts_dues_by_funder(self):
        world = a_listed_book({"LN1": "succeed", "LN2": "succeed"})

        told = world.run("due_list").totals["funders"]
        assert told == {
            F1: {"count": 2, "amount_fen": sum(line.whole.total.fen for line in our_dues(world))}
        }

    def test_leaves_out_alone_a_loan_whose_funder_nobody_knows(self):
        world = a_book_with_funder({"LN1": "succeed"})
        world.book(a_joint_loan("LN2", funder_id="gone"), a_schedule())
        list_dues(world)

        assert world.run("due_list").totals["left_out"] == ["LN2"]
        assert [line.loan_id for line in our_dues(world)] == ["LN1"]


class TestADueFile:
    def test_that_is_equal_lets_all_go_and_is_answered_by_an_empty_differences_file(self):
        world = a_listed_book()

        assert lands(world, our_dues(world)).outcome is Outcome.APPLIED
        assert world.run("funder_due_F1").totals["verdict"] == "go"
        assert world.sent("due-differences", DIFFERENCES) == [[]]
        go_round(world, 1)
        assert paid(world) == ["LN1", "LN2", "LN3", "LN4", "LN5", "LN90"]

    def test_that_differs_holds_the_differing_loans_alone(self):
        world = a_listed_book(funder=LENIENT)
        first, second, *others = our_dues(world)
        stranger = replace(second, loan_id="LN77")

        lands(world, [with_more_interest(first), *others, stranger])
        go_round(world, 1)

        assert paid(world) == ["LN3", "LN4", "LN5", "LN90"]
        assert world.skips() == {
            "20261124-1-LN1": "funder_differs",
            "20261124-1-LN2": "funder_differs",
        }
        note = world.journal.skips["20261124-1-LN1"].note
        assert note == (
            f"instalment 1 interest: {first.interest.fen} here, {first.interest.fen + 1} there"
        )

    def test_that_differs_is_answered_field_by_field(self):
        world = a_listed_book(funder=LENIENT)
        first, second, *others = our_dues(world)
        stranger = replace(second, loan_id="LN77")
        lands(world, [with_more_interest(first), *others, stranger])

        [told] = world.sent("due-differences", DIFFERENCES)
        assert [(line.loan_id, line.difference, line.field) for line in told] == [
            ("LN1", Match.DIFFERS, "interest"),
            ("LN1", Match.DIFFERS, "funder_interest"),
            ("LN2", Match.ONLY_OURS, ""),
            ("LN77", Match.ONLY_THEIRS, ""),
        ]
        assert told[0].theirs - told[0].ours == Money(1)

    def test_that_differs_too_much_holds_the_whole_file_and_nothing_else(self):
        world = a_listed_book()
        first, *others = our_dues(world)

        lands(world, [with_more_interest(first), *others])
        go_round(world, 1)

        assert world.run("funder_due_F1").totals["verdict"] == "hold_all"
        assert paid(world) == ["LN90"]
        assert set(world.skips().values()) == {"funder_file_held"}
        assert len(world.skips()) == 5

    def test_that_sums_its_parts_otherwise_is_quarantined_and_no_verdict(self):
        world = a_listed_book()
        first, *others = our_dues(world)
        broken = replace(first, interest=first.interest + Money(1))

        assert lands(world, [broken, *others]).outcome is Outcome.QUARANTINED
        assert world.run("funder_due_F1") is None

    def test_that_lands_again_changes_nothing(self):
        world = a_listed_book(funder=LENIENT)
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])
        before = world.state()

        assert world.take(due_key(), at(6)).outcome is Outcome.KNOWN
        assert world.state() == before

    def test_names_itself_and_what_it_came_to_in_the_run(self):
        world = a_listed_book(funder=LENIENT)
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])

        totals = world.run("funder_due_F1").totals
        assert (totals["version"], totals["key"]) == (1, due_key())
        assert (totals["verdict"], totals["held"]["loans"]) == ("hold_loans", 1)
        assert totals["theirs_fen"] == totals["ours_fen"] + 1
        assert totals["lines"]["equal"]["count"] == 4


class TestAFileThatComesBeforeOurList:
    def test_waits_as_it_landed(self):
        world = a_listed_book()
        lines = our_dues(world)
        early = a_book_with_funder(FIVE)

        taken = lands(early, lines, now=at(0, 5))

        assert taken.outcome is Outcome.WAITING
        [record] = early.files.of_key(due_key())
        assert record.state is FileState.LANDED
        assert early.run("funder_due_F1") is None

    def test_is_brought_again_by_the_sweep_once_the_list_is_made(self):
        world = a_book_with_funder(FIVE)
        lines = our_dues(a_listed_book())
        lands(world, lines, now=at(0, 5))
        assert sweep.run(now=at(0, 8), desk=world.sweeping).brought == ()
        list_dues(world)

        assert sweep.run(now=at(0, 15), desk=world.sweeping).brought == (due_key(),)
        [message] = world.landed._take_all()
        world.take(message.key, at(0, 15))

        assert world.run("funder_due_F1").totals["verdict"] == "go"
        assert sweep.run(now=at(0, 30), desk=world.sweeping).brought == ()

    def test_is_brought_by_the_sweep_though_nobody_was_told_of_it(self):
        world = a_listed_book()
        drop_due(world, our_dues(world))

        assert sweep.run(now=at(0, 15), desk=world.sweeping).brought == (due_key(),)


class TestACorrectedVersion:
    def test_replaces_the_first_before_the_round(self):
        world = a_listed_book()
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])
        assert world.run("funder_due_F1").totals["verdict"] == "hold_all"

        lands(world, our_dues(world), version=2, now=at(7, 59))
        go_round(world, 1)

        totals = world.run("funder_due_F1").totals
        assert (totals["version"], totals["verdict"]) == (2, "go")
        assert len(paid(world)) == 6
        assert len(world.sent("due-differences", DIFFERENCES)) == 2

    def test_is_refused_once_the_round_has_begun_and_stays_as_it_landed(self):
        world = a_listed_book()
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])
        go_round(world, 1)
        before = world.run("funder_due_F1")

        taken = lands(world, our_dues(world), version=2, now=at(8, 1))

        assert (taken.outcome, taken.reason) == (Outcome.REFUSED, TOO_LATE)
        [record] = world.files.of_key(due_key(2))
        assert (record.state, record.reason) == (FileState.REFUSED, TOO_LATE)
        assert world.run("funder_due_F1") == before
        assert len(world.sent("due-differences", DIFFERENCES)) == 1
        assert not [key for key in world.objects.bodies if key.startswith("quarantine/")]

    def test_refused_is_followed_by_no_round(self):
        world = a_listed_book({"LN1": "insufficient_funds", "LN2": "succeed"}, funder=LENIENT)
        first, second = our_dues(world)
        lands(world, [first, with_more_interest(second)])
        go_round(world, 1)
        lands(world, our_dues(world), version=2, now=at(9))

        go_round(world, 2)

        assert paid(world) == ["LN1", "LN1", "LN90"]
        assert world.run("round_2").totals["due"]["count"] == 1

    def test_stands_though_the_older_one_is_worked_after_it(self):
        world = a_listed_book()
        first, *others = our_dues(world)
        drop_due(world, [with_more_interest(first), *others])
        lands(world, our_dues(world), version=2)

        taken = world.take(due_key(), at(6))

        assert (taken.outcome, taken.reason) == (Outcome.APPLIED, "superseded by version 2")
        assert world.run("funder_due_F1").totals["version"] == 2
        assert len(world.sent("due-differences", DIFFERENCES)) == 1

    def test_too_late_as_the_first_is_refused_as_well(self):
        world = a_listed_book()
        go_round(world, 1)

        assert lands(world, our_dues(world), now=at(8, 5)).outcome is Outcome.REFUSED


class TestNoFile:
    def test_holds_the_funder_s_dues_where_that_is_the_policy(self):
        world = a_listed_book()

        go_round(world, 1)

        assert paid(world) == ["LN90"]
        assert set(world.skips().values()) == {"funder_file_missing"}

    def test_lets_them_go_where_that_is_the_policy(self):
        world = a_listed_book(funder=replace(FUNDER, without_file=WithoutFile.GO_ON))

        go_round(world, 1)

        assert len(paid(world)) == 6
        assert world.skips() == {}

    def test_is_the_same_for_the_second_round_whatever_the_policy_is_by_then(self):
        world = a_listed_book(
            {"LN1": "insufficient_funds", "LN2": "succeed"},
            funder=replace(FUNDER, without_file=WithoutFile.GO_ON),
        )
        go_round(world, 1)
        world.funders[F1] = replace(FUNDER, without_file=WithoutFile.HOLD)

        go_round(world, 2)

        assert world.skips() == {}
        assert paid(world) == ["LN1", "LN1", "LN2", "LN90"]

    def test_is_named_by_the_watch_from_the_deadline_on(self):
        world = a_listed_book()
        desk = watch.Desk(
            runs=world.runs,
            channel="main",
            discrepancies=world.discrepancies,
            list_at=time(0, 10),
            round_at=(time(8), time(16)),
            funders=world.funders,
        )

        missing = f"{TODAY} funder_due_F1"
        assert missing not in watch.late(now=at(6, 59), desk=desk)
        assert missing in watch.late(now=at(7, 40), desk=desk)
        lands(world, our_dues(world), now=at(7, 41))
        assert missing not in watch.late(now=at(7, 45), desk=desk)

    def test_is_nothing_to_call_for_where_the_funder_has_no_dues(self):
        world = a_listed_book({})

        found = funder_due.missing(
            business_date=TODAY, at=time(9), runs=world.runs, funders=world.funders
        )
        assert found == []

    def test_of_a_funder_that_left_the_catalogue_holds_its_dues(self):
        world = a_listed_book()
        lands(world, our_dues(world))
        del world.funders[F1]
        world.runs.rows.pop((TODAY, "funder_due_F1"))

        go_round(world, 1)

        assert set(world.skips().values()) == {"funder_file_missing"}


class TestTheRound:
    @pytest.mark.parametrize("verdict", ["go", "hold_loans", "hold_all", "missing"])
    def test_ties_whatever_the_verdict(self, verdict):
        outcomes = {"LN1": "insufficient_funds", "LN2": "card_closed", "LN3": "wrong_amount"}
        world = a_listed_book(outcomes | {"LN4": "succeed"}, funder=LENIENT)
        spoilt = {"go": 0, "hold_loans": 2, "hold_all": 3}.get(verdict)
        if spoilt is not None:
            lines = our_dues(world)
            lands(world, [*map(with_more_interest, lines[:spoilt]), *lines[spoilt:]])

        go_round(world, 1)

        totals = world.run("round_1").totals
        assert totals["ties"] is True and world.run("round_1").is_complete
        held = {"go": 0, "hold_loans": 2, "hold_all": 4, "missing": 4}[verdict]
        assert sum(skip["count"] for skip in totals["skipped"].values()) == held
        assert totals["due"]["count"] == 5

    def test_sends_what_is_ours_alone_though_the_verdict_cannot_be_read(self):
        world = a_listed_book(funder=LENIENT)
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])
        del world.objects.bodies[world.run("funder_due_F1").totals["held"]["key"]]

        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        for message in world.walks._take_all():
            try:
                deduction_round.send_out(message=message, now=at(8), desk=world.rounds)
            except KeyError:
                continue

        assert [m.order_no for m in world.deductions.messages] == ["20261124-1-LN90"]

    def test_puts_a_held_due_into_no_later_one(self):
        world = a_listed_book(funder=LENIENT)
        first, *others = our_dues(world)
        lands(world, [with_more_interest(first), *others])
        go_round(world, 1)
        go_round(world, 2)

        assert world.run("round_2").totals["due"]["count"] == 0

    def test_is_not_made_to_send_a_held_due_by_the_sweep(self):
        world = a_listed_book()
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        for message in world.walks._take_all():
            deduction_round.send_out(message=message, now=at(8), desk=world.rounds)
        world.deductions._take_all()

        sweep.run(now=at(8, 15), desk=world.sweeping)

        assert [m.order_no for m in world.deductions.messages] == ["20261124-1-LN90"]

    def test_dies_anywhere_and_holds_and_sends_the_same(self):
        def a_world():
            world = a_listed_book({"LN1": "succeed", "LN2": "succeed"}, funder=LENIENT)
            first, *others = our_dues(world)
            lands(world, [with_more_interest(first), *others])
            world.outside.boundaries = 0
            return world

        def send_out(world):
            deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
            for message in world.walks._take_all():
                deduction_round.send_out(message=message, now=at(8), desk=world.rounds)

        plain = a_world()
        send_out(plain)
        orders = {"20261124-1-LN2", "20261124-1-LN90"}
        assert {message.order_no for message in plain.deductions.messages} == orders
        for dies_at in range(plain.outside.boundaries):
            world = a_world()
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                send_out(world)
            send_out(world)
            assert {message.order_no for message in world.deductions.messages} == orders, dies_at
            assert world.skips() == {"20261124-1-LN1": "funder_differs"}, dies_at


class TestDyingWhileAFileIsTaken:
    def test_changes_nothing_at_the_end(self):
        def a_world():
            world = a_listed_book({"LN1": "succeed", "LN2": "succeed"}, funder=LENIENT)
            first, *others = our_dues(world)
            drop_due(world, [with_more_interest(first), *others])
            world.outside.boundaries = 0
            return world

        plain = a_world()
        plain.take(due_key(), at(5))
        for dies_at in range(plain.outside.boundaries):
            world = a_world()
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                world.take(due_key(), at(5))
            world.take(due_key(), at(5))
            assert world.state() == plain.state(), dies_at

    def test_after_its_verdict_stood_still_answers_the_funder_though_the_round_has_begun(self):
        world = a_listed_book(funder=LENIENT)
        first, *others = our_dues(world)
        drop_due(world, [with_more_interest(first), *others])

        def die(call):
            if call == "FakeObjects.write" and "verdict" in world.run("funder_due_F1").totals:
                raise Crash

        world.outside.before_call = die
        with pytest.raises(Crash):
            world.take(due_key(), at(5))
        world.outside.before_call = None
        go_round(world, 1)
        assert world.sent("due-differences", DIFFERENCES) == []

        assert world.take(due_key(), at(8, 30)).outcome is Outcome.APPLIED
        assert len(world.sent("due-differences", DIFFERENCES)[0]) == 2


def test_a_due_file_for_tomorrow_waits_for_tomorrow():
    world = a_listed_book()
    key = due_key(day=TOMORROW)
    drop_due(world, our_dues(world))
    world.objects.bodies[key] = world.objects.bodies[due_key()]
    world.objects.bodies[f"{key}.ok"] = world.objects.bodies[f"{due_key()}.ok"]

    assert world.take(key, at(20)).outcome is Outcome.WAITING


def test_terms_of_a_later_version_do_not_touch_what_is_listed():
    world = a_book_with_funder({"LN1": "succeed"})
    lists_before = a_listed_book({"LN1": "succeed"})
    world.funders[F1] = replace(FUNDER, terms={**FUNDER.terms, 2: FunderTerms()})
    list_dues(world)

    assert our_dues(world) == our_dues(lists_before)


def test_the_held_loans_stand_in_a_list_people_can_read():
    world = a_listed_book(funder=LENIENT)
    first, *others = our_dues(world)
    lands(world, [with_more_interest(first), *others])

    key = world.run("funder_due_F1").totals["held"]["key"]
    assert key.startswith("due-lists/20261124/held/F1/v1-")
    assert list(json.loads(world.objects.bodies[key])) == ["LN1"]
