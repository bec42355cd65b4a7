"""What a funder tells of its own deductions is posted once, or shown to people: no fen vanishes."""

import itertools
from datetime import time, timedelta

import pytest

from chalicelib.domain.deduction import FailureClass, Status
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import ZERO
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows import (
    assisted_day,
    deduction,
    deduction_round,
    funder_results,
    landing,
    our_orders,
    watch,
)
from chalicelib.flows.ports import DeductionMessage
from tests.assisted import (
    TOMORROW,
    AssistedWorld,
    a_failure,
    a_result,
    collected,
    fen_of,
    more,
    paid,
    wrongs,
)
from tests.builders import TODAY, at
from tests.repayments import send_all
from tests.unit.test_forwarded_repayments import wish

ORDER = "20261124-1-LN1"
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def world():
    made = AssistedWorld()
    made.lend("LN1")
    yield made
    assert wrongs(made) == []


@pytest.fixture
def overdue():
    """A loan with one instalment overdue by a month and another due today."""
    made = AssistedWorld()
    made.lend("LN1", overdue_days=31)
    assert len(made.owed().lines) == 2
    yield made
    assert wrongs(made) == []


class TestASuccess:
    def test_is_posted_under_the_round_s_number_with_the_funder_s_trade(self, world):
        owed = world.owed()
        world.send(*paid(world))

        record = world.journal.results[ORDER]
        assert (record.amount, record.components) == (owed.amount, owed.components)
        assert (record.result.trade_no, record.settled_by) == ("FT-LN1-1", "results")
        assert record.result.paid_at == at(9, 30)
        assert record.mode == Mode.LOAN_ASSISTANCE
        assert world.loans.rows["LN1"].position.instalment_no == 2
        assert world.loans.rows["LN1"].slot is None
        assert world.run_of().totals["loans"]["posted"] == 1
        assert world.open_findings == {}

    def test_of_several_instalments_is_one_order(self, overdue):
        rows = paid(overdue)
        overdue.send(*rows)

        assert [line.instalment_no for line in overdue.journal.results[ORDER].lines] == [1, 2]
        assert collected(overdue).fen == sum(
            int(row[part])
            for row in rows
            for part in ("principal_fen", "interest_fen", "penalty_fen")
        )

    def test_of_the_oldest_instalment_alone_is_an_allocation_too(self, overdue):
        overdue.send(paid(overdue)[0])

        assert [line.instalment_no for line in overdue.journal.results[ORDER].lines] == [1]
        assert overdue.loans.rows["LN1"].position.instalment_no == 2

    def test_of_a_part_in_our_order_is_one_too(self, world):
        interest = world.owed().components.interest
        world.send(a_result(interest_fen=interest.fen, principal_fen=5))

        position = world.loans.rows["LN1"].position
        assert (position.interest_paid, position.principal_paid.fen) == (interest, 5)
        assert world.open_findings == {}

    def test_settles_a_loan_that_owes_no_more(self, world):
        world.lend("LN2", overdue_days=200)
        world.send(*paid(world, "LN2"))

        assert world.loans.rows["LN2"].status is LoanStatus.SETTLED
        assert world.journal.results["20261124-1-LN2"].settles

    def test_is_posted_on_a_held_loan_for_the_money_is_taken(self):
        world = AssistedWorld()
        world.lend("LN1", hold="discrepancy x")
        world.send(*paid(world))

        assert world.journal.results[ORDER].result.status is Status.SUCCEEDED
        assert world.loans.rows["LN1"].hold == "discrepancy x"


class TestWhatIsNotOurArithmetic:
    @pytest.mark.parametrize("fen", [1, -1, 100_000])
    @pytest.mark.parametrize("part", ["principal_fen", "interest_fen", "penalty_fen"])
    def test_is_not_posted_and_holds_the_loan_with_both_amounts(self, overdue, fen, part):
        row, rest = paid(overdue)
        owed = overdue.owed()
        if int(row[part]) + fen < 0:
            pytest.skip("less than nothing cannot be told")
        overdue.send(more(row, fen, part=part), rest)

        (found,) = overdue.discrepancies.rows.values()
        assert (found.kind, found.order_no) == ("amount_differs", ORDER)
        assert (found.here, found.there.fen) == (owed.amount, owed.amount.fen + fen)
        assert overdue.loans.rows["LN1"].hold == f"discrepancy amount_differs#{ORDER}"
        assert overdue.journal.results == {}

    def test_a_later_instalment_before_an_earlier_one(self, overdue):
        overdue.send(paid(overdue)[1])

        assert overdue.open_findings == {f"amount_differs#{ORDER}": "not_our_allocation"}

    def test_money_where_nothing_is_owed(self):
        world = AssistedWorld()
        world.lend("LN1", overdue_days=-5)
        world.send(a_result(principal_fen=100))

        assert world.open_findings == {f"missing_here#{ORDER}": "nothing_owed"}
        assert world.loans.rows["LN1"].hold == f"discrepancy missing_here#{ORDER}"

    @pytest.mark.parametrize(
        "changes", [{"mode": Mode.SELF_OPERATED, "funder_id": ""}, {"funder_id": "F9"}]
    )
    def test_a_loan_that_is_not_the_funder_s_is_neither_posted_nor_held(self, world, changes):
        world.lend("LN2", **changes)
        world.send(*paid(world, "LN2"), a_result("LN404", principal_fen=5))

        assert set(world.open_findings.values()) == {"no_loan_of_this_funder"}
        assert world.loans.rows["LN2"].hold == ""
        assert world.journal.results == {}

    def test_others_in_the_file_are_posted(self, world):
        world.lend("LN2")
        world.send(more(paid(world)[0]), *paid(world, "LN2"))

        assert list(world.journal.results) == ["20261124-1-LN2"]


class TestAFailure:
    @pytest.mark.parametrize(
        ("code", "kept", "failure_class"),
        [
            ("INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", FailureClass.RETRY_TODAY),
            ("LIMIT_EXCEEDED", "LIMIT_EXCEEDED", FailureClass.RETRY_LATER),
            ("CARD_CLOSED", "CARD_CLOSED", FailureClass.NEVER),
            ("MOON_TOO_FULL", "MOON_TOO_FULL", FailureClass.RETRY_LATER),
        ],
    )
    def test_is_recorded_with_our_class(self, world, code, kept, failure_class):
        owed = world.owed()
        world.send(a_failure(code=code))

        record = world.journal.results[ORDER]
        assert (record.result.failure_code, record.result.failure_class) == (kept, failure_class)
        assert record.amount == owed.amount
        loan = world.loans.rows["LN1"]
        assert (loan.slot, loan.last_failure) == (None, kept)
        assert loan.hold == (kept if failure_class is FailureClass.NEVER else "")

    def test_of_a_code_nobody_listed_is_noted(self, world):
        world.send(a_failure(code="MOON_TOO_FULL"))

        assert world.run_of().totals["strange_codes"] == {"MOON_TOO_FULL": 1}

    def test_in_round_1_leaves_round_2_its_own_order(self, world):
        world.send(a_failure())
        world.send(*paid(world, round=2), round_no=2)

        assert {no: row.result.status for no, row in world.journal.results.items()} == {
            ORDER: Status.FAILED,
            "20261124-2-LN1": Status.SUCCEEDED,
        }


class TestAnyOrder:
    def test_of_files_and_rounds_and_repetitions_comes_to_the_same(self):
        ends = set()
        for order in itertools.permutations(["r1", "r2", "next"]):
            world = AssistedWorld()
            for loan_id in ("LN1", "LN2", "LN3"):
                world.lend(loan_id)
            files = {
                "r1": ([*paid(world, "LN1"), a_failure("LN2"), a_failure("LN3")], 1, TODAY),
                "r2": ([*paid(world, "LN2", round=2), a_failure("LN3", round=2)], 2, TODAY),
                "next": (paid(world, "LN3", day=TOMORROW), 1, TOMORROW),
            }
            for name in (*order, order[0]):
                rows, round_no, day = files[name]
                world.send(*rows, round_no=round_no, day=day, now=at(13, day=TOMORROW))
            assert wrongs(world) == []
            assert world.open_findings == {}
            # A failure says what was owed when it was recorded, and that may be nothing by then.
            records = sorted(
                (no, row.result.status, row.amount if row.lines else None)
                for no, row in world.journal.results.items()
            )
            positions = sorted((no, loan.position) for no, loan in world.loans.rows.items())
            ends.add((str(records), str(positions)))
        assert len(ends) == 1

    def test_the_same_file_again_changes_nothing(self, world):
        key = world.put(*paid(world))
        world.take(key, at(12))
        before = world.state()

        assert world.take(key, at(12)).outcome is landing.Outcome.KNOWN
        assert world.state() == before


class TestACorrection:
    def test_that_says_the_same_again_does_nothing(self, world):
        rows = paid(world)
        world.send(*rows)
        before = dict(world.journal.results), world.loans.rows["LN1"]
        world.send(*rows, a_result("LN404", principal_fen=1), version=2)

        assert (dict(world.journal.results), world.loans.rows["LN1"]) == before

    def test_that_adds_a_loan_posts_it(self, world):
        world.lend("LN2")
        first, second = paid(world), paid(world, "LN2")
        world.send(*first)
        world.send(*first, *second, version=2)

        assert sorted(world.journal.results) == [ORDER, "20261124-1-LN2"]
        assert world.open_findings == {}

    def test_that_adds_an_instalment_posts_it_under_a_number_of_its_own(self, overdue):
        first, second = paid(overdue)
        overdue.send(first)
        overdue.send(first, second, version=2)

        assert sorted(overdue.journal.results) == [ORDER, "20261124-1v2-LN1"]
        assert overdue.loans.rows["LN1"].position.instalment_no == 3
        assert overdue.open_findings == {}

    def test_that_turns_a_failure_into_a_success_posts_it_and_keeps_the_failure(self, world):
        rows = paid(world)
        world.send(a_failure())
        world.send(*rows, version=2)

        assert {no: row.result.status for no, row in world.journal.results.items()} == {
            ORDER: Status.FAILED,
            "20261124-1v2-LN1": Status.SUCCEEDED,
        }
        assert world.open_findings == {}

    @pytest.mark.parametrize(
        ("correct", "kind", "note"),
        [
            (lambda _: [], "status_differs", "posted_here_absent_there"),
            (lambda _: [a_failure()], "status_differs", "posted_here_denied_there"),
            (lambda rows: [more(rows[0])], "amount_differs", "posted_here_changed_there"),
        ],
    )
    def test_that_denies_what_was_posted_reverses_nothing_and_holds_the_loan(
        self, world, correct, kind, note
    ):
        rows = paid(world)
        world.send(*rows)
        posted = world.loans.rows["LN1"].position, dict(world.journal.results)
        world.send(*correct(rows), version=2)

        assert (world.loans.rows["LN1"].position, dict(world.journal.results)) == posted
        assert world.open_findings == {f"{kind}#{ORDER}": note}
        assert world.loans.rows["LN1"].hold == f"discrepancy {kind}#{ORDER}"

    def test_of_the_correction_resolves_it_and_lets_the_loan_go(self, world):
        rows = paid(world)
        world.send(*rows)
        world.send(a_failure(), version=2)
        world.send(*rows, version=3)

        assert world.open_findings == {}
        assert world.loans.rows["LN1"].hold == ""

    def test_of_a_wrong_amount_is_posted_as_it_should_have_been(self, world):
        rows = paid(world)
        world.send(more(rows[0]))
        world.send(*rows, version=2)

        assert world.journal.results[ORDER].result.status is Status.SUCCEEDED
        assert (world.open_findings, world.loans.rows["LN1"].hold) == ({}, "")

    def test_that_comes_first_leaves_the_first_nothing_to_say(self, world):
        rows = paid(world)
        world.send(*rows, version=2)
        taken = world.send(a_failure(), version=1)

        assert taken.reason == "superseded by version 2"
        assert list(world.journal.results) == [ORDER]
        assert world.journal.results[ORDER].result.status is Status.SUCCEEDED
        assert world.open_findings == {}

    def test_under_the_name_of_the_first_is_refused(self, world):
        world.send(*paid(world))

        assert world.send(a_failure()).outcome is landing.Outcome.QUARANTINED

    def test_takes_back_nothing_that_another_file_shows_as_well(self, world):
        line = a_result(round=0, funder_trade_no="T-1", principal_fen=5)
        world.send(line, round_no=1)
        world.send(line, round_no=2)
        world.send(round_no=2, version=2)
        assert world.open_findings == {"missing_here#T-1-LN1": "no_order_of_ours"}
        assert world.loans.rows["LN1"].hold

        world.send(round_no=1, version=2)
        assert world.open_findings == {}
        assert world.loans.rows["LN1"].hold == ""

    def test_of_one_round_leaves_what_another_found(self, world):
        world.lend("LN2")
        world.send(more(paid(world)[0]))
        world.send(*paid(world, "LN2", round=2), round_no=2)

        assert list(world.open_findings) == [f"amount_differs#{ORDER}"]
        assert world.loans.rows["LN1"].hold


class TestALineThatComesLate:
    """What had no end when its round's file was written is told by a later one."""

    def test_of_round_1_in_the_file_of_round_2(self, world):
        world.send(*paid(world), round_no=2)

        assert list(world.journal.results) == [ORDER]

    def test_of_yesterday_in_this_morning_s_file(self, world):
        rows = paid(world, round=2, paid_at="2026-11-24T16:30:00+08:00")
        world.send(*rows, day=TOMORROW)

        assert list(world.journal.results) == ["20261124-2-LN1"]
        assert world.loans.rows["LN1"].position.instalment_no == 2

    def test_is_denied_by_a_correction_of_the_file_that_told_it_and_by_no_other(self, world):
        world.send(*paid(world), round_no=2)
        world.send(round_no=1)
        world.send(round_no=1, version=2)
        assert world.open_findings == {}

        world.send(round_no=2, version=2)
        assert world.open_findings == {f"status_differs#{ORDER}": "posted_here_absent_there"}


class TestAFileThatIsRefused:
    @pytest.mark.parametrize(
        "changes",
        [
            {"paid_at": "2026-11-25T09:30:00+08:00"},
            {"paid_at": "2026-10-01T09:30:00+08:00"},
            {"paid_at": ""},
            {"funder_trade_no": ""},
            {"round": 4},
            {"principal_fen": -1},
            {"principal_fen": "００１"},
            {"status": "PAID"},
        ],
        ids=str,
    )
    def test_leaves_every_loan_alone(self, world, changes):
        good = paid(world)
        world.lend("LN2")
        taken = world.send(*good, *paid(world, "LN2", **changes))

        assert taken.outcome is landing.Outcome.QUARANTINED
        assert world.journal.results == {}
        assert world.open_findings == {}

    def test_when_nothing_is_left_of_it(self, world):
        assert world.send(a_result(principal_fen=0)).outcome is landing.Outcome.QUARANTINED

    def test_when_its_day_has_not_come(self, world):
        rows = paid(world, day=TOMORROW)
        taken = world.send(*rows, day=TOMORROW, now=at(12))

        assert taken.outcome is landing.Outcome.QUARANTINED

    def test_when_its_day_is_closed(self, world):
        world.send(round_no=1)
        run = world.runs.start(business_date=TODAY, job="close", at=at(12))
        world.runs.put_totals(run.completed(at=at(12), totals={}))

        assert world.send(*paid(world), version=2).outcome is landing.Outcome.QUARANTINED
        assert world.journal.results == {}

    def test_when_it_is_cut_or_its_sums_are_not_the_manifest_s(self, world):
        key = world.put(*paid(world))
        world.objects.bodies[key] = world.objects.bodies[key][:-20]

        assert world.take(key, at(12)).outcome is landing.Outcome.QUARANTINED
        assert world.journal.results == {}

    def test_when_no_close_of_day_would_come_by_any_more(self, world):
        day = TODAY - timedelta(days=31)
        rows = paid(world, paid_at=f"{day}T09:30:00+08:00")

        assert world.send(*rows, day=day, now=at(12)).outcome is landing.Outcome.QUARANTINED
        assert world.open_findings == {}

    @pytest.mark.parametrize("round_no", [2, 3])
    def test_when_it_tells_of_a_round_its_funder_has_not(self, world, round_no):
        taken = world.send(*paid(world, round=3), round_no=round_no)

        assert taken.outcome is landing.Outcome.QUARANTINED
        assert taken.reason == "the funder has no such round"
        assert (world.journal.results, world.open_findings) == ({}, {})

    def test_when_it_is_of_a_round_its_funder_has_not_be_it_empty(self, world):
        taken = world.send(round_no=3)

        assert (taken.outcome, taken.reason) == (
            landing.Outcome.QUARANTINED,
            "the funder has no such round",
        )

    def test_after_too_many_corrections(self, world):
        assert world.send(version=21).outcome is landing.Outcome.QUARANTINED


class TestTheName:
    @pytest.mark.parametrize(
        ("name", "facts"),
        [
            ("results_r1_v1.csv", (TODAY, 1, 1)),
            ("results_r3_v12.csv", (TODAY, 3, 12)),
            ("results_r0_v1.csv", None),
            ("results_r4_v1.csv", None),
            ("results_v1.csv", None),
            ("results_r1.csv", None),
        ],
    )
    def test_says_the_round(self, name, facts):
        route = AssistedWorld().arrivals.routes[-1]
        key = f"in/funders/F3/results/20261124/{name}"

        assert route.expects(key) == (facts is not None)
        assert facts is None or route.facts_of(key) == facts


class TestRoundsOfOurs:
    def test_leave_an_assisted_loan_to_its_funder(self, world):
        world.lend("LN2", mode=Mode.SELF_OPERATED, funder_id="")
        world.list_dues()
        deduction_round.start(business_date=TODAY, round_no=1, now=at(8), desk=world.rounds)
        for message in world.walks._take_all():
            deduction_round.send_out(message=message, now=at(8), desk=world.rounds)
        assert [each.order_no for each in world.deductions.messages] == ["20261124-1-LN2"]

        run = world.runs.rows[TODAY, "round_1"]
        assert deduction_round.stand(run=run, desk=world.rounds).totals.due.count == 1
        listed = [line.loan_id for lines in world.due_lists.lists.values() for line in lines]
        assert sorted(listed) == ["LN1", "LN2"]

    def test_skip_one_whose_message_comes_all_the_same(self, world):
        message = DeductionMessage(order_no=ORDER, listed_fen=10**9)
        deduction.take(message=message, now=at(9), desk=world.deducting)

        assert world.journal.skips[ORDER].reason == "funder_deducts"
        assert not world.platform.charged


class TestTheBill:
    def test_is_not_asked_for_what_a_funder_deducted(self, world):
        world.send(*paid(world))

        assert not list(
            our_orders.of_day(
                business_date=TODAY, rounds=world.rounds, active_orders=world.active_orders
            )
        )


def both_rounds(world, *, first=(), second=()):
    world.send(*first, round_no=1)
    world.send(*second, round_no=2)


def compared(world):
    return assisted_day.compare(
        business_date=TODAY, funder=world.funders["F3"], now=at(20), desk=world.days
    )


class TestTheDay:
    def test_agrees_where_all_was_tried(self, world):
        world.lend("LN2")
        world.list_dues()
        both_rounds(
            world,
            first=[*paid(world), a_failure("LN2")],
            second=[a_failure("LN2", round=2)],
        )

        done = compared(world)
        assert done.is_complete
        assert done.totals["expected"]["count"] == 2
        assert done.totals["collected"] == {"count": 1, "amount_fen": collected(world).fen}
        assert world.open_findings == {}

    def test_finds_what_was_expected_and_never_tried(self, world):
        world.list_dues()
        owed = world.owed()
        both_rounds(world)
        compared(world)

        (found,) = world.discrepancies.rows.values()
        assert world.open_findings == {"missing_there#20261124-0-LN1": "never_tried"}
        assert (found.here, found.there) == (owed.amount, ZERO)
        assert world.loans.rows["LN1"].hold == ""

    @pytest.mark.parametrize(
        ("ended_at", "findings"),
        [(at(8), {"missing_there#20261124-0-LN1": "never_tried"}), (at(10), {})],
        ids=["before the funder began", "while it deducted"],
    )
    def test_takes_a_wish_that_failed_for_a_try_if_it_kept_the_funder_out(
        self, world, ended_at, findings
    ):
        world.lend("LN2")
        world.list_dues()
        world.funder_platform.script["AG-LN1"] = ["insufficient_funds"]
        wish(world)
        send_all(world, now=ended_at)
        both_rounds(world, first=paid(world, "LN2"))
        compared(world)

        assert world.open_findings == findings

    def test_expects_what_is_due_once_a_borrower_has_paid_that_day(self, world):
        """Too long overdue to be listed, he paid what was: the day's own instalment was left."""
        world.lend("LN1", overdue_days=31)
        wish(world, "overdue")
        send_all(world)
        both_rounds(world, first=paid(world))
        compared(world)

        assert {"20261124-1-LN1"} < set(world.journal.results)
        assert world.open_findings == {}

    def test_finds_what_was_collected_in_part_and_never_failed(self, world):
        world.list_dues()
        interest = world.owed().components.interest
        part = a_result(**fen_of(type(world.owed().components)(interest=interest)))
        both_rounds(world, first=[part])
        compared(world)

        assert world.open_findings == {"amount_differs#20261124-0-LN1": "collected_in_part"}

    def test_tells_of_a_loan_in_dispute_once(self, world):
        world.list_dues()
        both_rounds(world, first=[more(paid(world)[0])])
        compared(world)

        assert list(world.open_findings) == [f"amount_differs#{ORDER}"]

    def test_is_not_stopped_by_what_the_funder_says_of_our_deductions(self, world):
        world.list_dues()
        confirmed = Discrepancy(
            business_date=TODAY,
            channel="funder-F3",
            kind=Kind.CONFIRMATION_DIFFERS,
            order_no=ORDER,
            opened_at=at(9),
            facts={"note": "differs_there", "reason": "one fen more"},
        )
        world.discrepancies.put(confirmed)
        both_rounds(world, first=paid(world))

        assert compared(world).totals["open"] == 0
        assert not world.discrepancies.of_day(TODAY, "funder-F3")[0].is_resolved

    def test_concludes_nothing_before_all_rounds_are_in(self, world):
        world.list_dues()
        world.send(round_no=1)

        assert compared(world) is None
        assert world.open_findings == {}

    def test_takes_what_comes_late_for_an_explanation(self, world):
        world.list_dues()
        both_rounds(world)
        compared(world)
        assert world.open_findings
        rows = paid(world, round=2, paid_at="2026-11-24T16:30:00+08:00")
        world.send(*rows, day=TOMORROW)
        compared(world)

        assert world.open_findings == {}

    def test_expects_no_try_of_a_loan_that_yesterday_s_order_still_held(self, world):
        world.list_dues()
        world.send(a_failure(round=2), round_no=2, day=YESTERDAY, now=at(9))
        both_rounds(world)
        compared(world)

        assert world.open_findings == {}

    def test_is_swept_once_its_rounds_are_in(self, world):
        world.list_dues()
        both_rounds(world)
        assisted_day.sweep(now=at(20, 15), desk=world.days)

        assert world.runs.rows[TODAY, "assisted_day_F3"].is_complete


class TestTheSweep:
    """What a lost message, or a worker that died once too often, leaves behind (row 83)."""

    def test_brings_a_file_that_nobody_was_told_of(self, world):
        key = world.put(*paid(world))
        assisted_day.sweep(now=at(12, 15), desk=world.days)

        (message,) = world.landed._take_all()
        assert world.take(message.key, at(12, 16)).outcome is landing.Outcome.APPLIED
        assert message.key == key
        assisted_day.sweep(now=at(12, 30), desk=world.days)
        assert world.landed.messages == []


class TestWhatKeepsTheDayOpen:
    def open_at(self, world, now):
        days = assisted_day.FunderDays(desk=world.days)
        return days.open(business_date=TODAY, now=now)

    def test_is_nothing_where_the_funder_has_no_due_and_no_file(self):
        world = AssistedWorld()
        world.lend("LN1", overdue_days=-9)
        world.list_dues()

        assert self.open_at(world, at(11, day=TOMORROW)) == []

    def test_is_a_file_that_never_came_and_that_is_a_discrepancy(self, world):
        world.list_dues()
        world.send(*paid(world), round_no=1)

        assert self.open_at(world, at(11, day=TOMORROW)) == ["results_F3_r2 is not complete"]
        assert world.open_findings == {"missing_there#results_F3_r2": "no_results_file"}
        world.send(round_no=2, now=at(11, day=TOMORROW))
        assert self.open_at(world, at(12, day=TOMORROW)) == []
        assert world.open_findings == {}

    def test_is_a_discrepancy(self, world):
        world.list_dues()
        both_rounds(world)

        assert self.open_at(world, at(11, day=TOMORROW)) == [
            "assisted_day_F3 has 1 open discrepancies"
        ]
        assert assisted_day.FunderDays(desk=world.days).unresolved(TODAY) == 1


class TestTheWatch:
    @pytest.mark.parametrize(("hour", "late"), [(11, []), (12, [1]), (19, [1]), (20, [1, 2])])
    def test_names_results_that_are_late(self, world, hour, late):
        world.list_dues()
        desk = watch.Desk(
            runs=world.runs,
            channel="main",
            discrepancies=world.discrepancies,
            list_at=time(0, 10),
            round_at=(),
            funders=world.funders,
        )

        expected = tuple(f"{TODAY} results_F3_r{round_no}" for round_no in late)
        late_now = watch.late(now=at(hour), desk=desk)
        assert tuple(each for each in late_now if "results" in each) == expected

    def test_is_content_with_an_empty_file(self, world):
        world.list_dues()
        world.send(round_no=1)
        desk = watch.Desk(
            runs=world.runs,
            channel="main",
            discrepancies=world.discrepancies,
            list_at=time(0, 10),
            round_at=(),
            funders=world.funders,
        )

        assert not [each for each in watch.late(now=at(13), desk=desk) if "results" in each]


def test_a_file_of_three_days_ago_is_taken_while_its_day_is_open(world):
    now = at(12, day=TODAY + timedelta(days=3))
    world.send(*paid(world), now=now)

    assert world.journal.results[ORDER].recorded_at == now
    assert funder_results.is_current(world.run_of())
