"""failures.md part E, row by row, over every kind of file that moves money.

Rows 72 to 75, 81 and 85 are the samples in `tests/golden/funders`, each with its numbers, told and
taken in by `test_validate_file.py`; what is here goes through landing, and says what it leaves.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from hashlib import sha256
from pathlib import Path

import pytest

from chalicelib.domain.due_clearance import Clearance
from chalicelib.domain.due_comparison import compare
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money
from chalicelib.flows import day_close, due_list, funder_due, sweep, watch
from chalicelib.flows.landing import Outcome
from tests import assisted
from tests.assisted import AssistedWorld
from tests.builders import FUNDER, TODAY, a_joint_loan, a_schedule, at
from tests.fakes_files import (
    BILL_KEY,
    FileWorld,
    a_bill_row,
    a_worked_day,
    drop_bill,
    the_true_bill,
)
from tests.fakes_funders import (
    F1,
    TOMORROW,
    a_book_with_funder,
    a_day_with_funder,
    agreeing,
    bill_comes,
    confirmation_key,
    drop_confirmation,
    drop_due,
    due_key,
    go_round,
    list_dues,
    our_dues,
    with_more_interest,
)

MORNING = at(10, 30, day=TOMORROW)
TESTS = Path(__file__).parents[1]
ROWS = {*range(67, 91)} - {71, 82}
"""Part E, and the rows of part F that are about a split."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A world in which a good file lies, and nobody has been told of it."""

    world: FileWorld
    key: str
    now: datetime

    def take(self):
        return self.world.take(self.key, self.now)

    def spoil(self, spoilt: Callable[[bytes], bytes]) -> None:
        self.world.objects.bodies[self.key] = spoilt(self.world.objects.bodies[self.key])

    def money(self) -> dict:
        """Give what a file may move: loans, journal, discrepancies, skips."""
        state = self.world.state()
        return {
            "loans": state["loans"],
            "results": dict(self.world.journal.results),
            "skips": dict(self.world.journal.skips),
            "discrepancies": dict(self.world.discrepancies.rows),
        }


def a_due() -> Scene:
    world = a_book_with_funder({"LN1": "succeed", "LN2": "succeed"})
    list_dues(world)
    return Scene(world=world, key=drop_due(world, our_dues(world)), now=at(5))


def some_results() -> Scene:
    world = AssistedWorld()
    world.lend("LN1")
    world.lend("LN2")
    world.list_dues()
    key = world.put(*assisted.paid(world, "LN1"), *assisted.paid(world, "LN2"))
    return Scene(world=world, key=key, now=at(12))


def a_confirmation() -> Scene:
    world = a_day_with_funder({"LN1": "succeed", "LN2": "succeed"})
    bill_comes(world)
    sweep.run(now=at(10, 15, day=TOMORROW), desk=world.sweeping)
    (ours,) = world.sent("reconciliation", RECONCILIATIONS)
    return Scene(world=world, key=drop_confirmation(world, agreeing(ours)), now=MORNING)


def a_bill() -> Scene:
    world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    drop_bill(world, list(the_true_bill(world).values()))
    return Scene(world=world, key=BILL_KEY, now=MORNING)


RECONCILIATIONS = f"out/funders/{F1}/reconciliation/20261124/"


def found(world: FileWorld) -> set[str]:
    """Name the open discrepancies."""
    return {
        each.discrepancy_id for each in world.discrepancies.rows.values() if not each.is_resolved
    }


SCENES = (a_due, some_results, a_confirmation, a_bill)


@pytest.fixture(params=SCENES, ids=lambda made: made.__name__)
def scene(request) -> Scene:
    return request.param()


class TestRow67:
    def test_the_same_bytes_again_change_nothing(self, scene):
        assert scene.take().outcome is Outcome.APPLIED
        before = scene.world.state()

        assert scene.take().outcome is Outcome.KNOWN
        assert scene.world.state() == before


class TestRow68:
    def other_bytes(self, scene: Scene) -> str:
        """Let a second version lie there, of the same lines in another order."""
        header, *lines = scene.world.objects.bodies[scene.key].splitlines(keepends=True)
        body = b"".join((header, *reversed(lines)))
        manifest = json.loads(scene.world.objects.bodies[scene.key + ".ok"])
        key = scene.key.replace("_v1", "_v2")
        manifest["sha256"] = sha256(body).hexdigest()
        scene.world.drop(key, body, json.dumps(manifest).encode())
        return key

    def test_other_bytes_are_another_version_and_the_latest_stands(self, scene):
        scene.take()
        money = scene.money()
        key = self.other_bytes(scene)

        assert scene.world.take(key, scene.now).outcome is Outcome.APPLIED
        assert scene.money() == money
        stands = [run for run in scene.world.runs.rows.values() if run.claimed == 2]
        assert len(stands) == 1

    def test_of_a_closed_day_need_an_approval(self, scene):
        scene.take()
        run = scene.world.runs.start(business_date=TODAY, job="close", at=scene.now)
        scene.world.runs.put_totals(run.completed(at=scene.now, totals={}))
        if "/due/" in scene.key:  # its day is over once the round has begun
            go_round(scene.world, 1)
        money = scene.money()

        taken = scene.world.take(self.other_bytes(scene), scene.now)
        assert taken.outcome in {Outcome.REFUSED, Outcome.QUARANTINED}
        assert scene.money() == money


class TestRow69:
    @pytest.mark.parametrize(
        "cut",
        [lambda body: body[:-5], lambda body: body.rsplit(b"\n", 2)[0] + b"\n", lambda _: b""],
        ids=["half a line", "a line", "everything"],
    )
    def test_a_file_that_is_cut_is_quarantined_and_nothing_is_missing(self, scene, cut):
        before = scene.money()
        scene.spoil(cut)

        assert scene.take().outcome is Outcome.QUARANTINED
        assert scene.money() == before


class TestRow70:
    @pytest.mark.parametrize("figure", ["rows", "amount_fen"])
    def test_a_manifest_that_counts_otherwise_quarantines_the_file(self, scene, figure):
        before = scene.money()
        manifest = json.loads(scene.world.objects.bodies[scene.key + ".ok"])
        manifest[figure] += 1
        scene.world.objects.bodies[scene.key + ".ok"] = json.dumps(manifest).encode()

        assert scene.take().outcome is Outcome.QUARANTINED
        assert [each["column"] for each in scene.world.reasons(scene.key)] == [figure]
        assert scene.money() == before


class TestRow75:
    def test_two_amounts_of_one_instalment_are_a_discrepancy_and_post_neither(self):
        world = AssistedWorld()
        world.lend("LN1")
        (line,) = assisted.paid(world)
        world.send(line, assisted.more(line) | {"funder_trade_no": "FT-OTHER"})

        assert world.open_findings == {"duplicate#20261124-1-LN1": "two_lines_of_one_instalment"}
        assert world.loans.rows["LN1"].hold == "discrepancy duplicate#20261124-1-LN1"
        assert world.journal.results == {}


class TestRow76:
    """Money there that is not here: 长款."""

    def test_a_row_of_the_bill_that_nobody_ordered_is_a_case_and_holds_the_loan(self):
        world = a_worked_day({"LN1": "succeed", "LN2": "limit_exceeded"})
        stranger = a_bill_row("LN2", order_no="20261124-Qnwsmn46acvyqqxmf-LN2", trade_no="T-9")
        drop_bill(world, [*the_true_bill(world).values(), stranger])
        world.take(BILL_KEY, MORNING)

        assert found(world) == {"missing_here#20261124-Qnwsmn46acvyqqxmf-LN2"}
        assert world.loans.rows["LN2"].hold
        assert "20261124-Qnwsmn46acvyqqxmf-LN2" not in world.journal.results

    def test_an_unknown_order_is_posted_only_if_it_is_the_same_to_the_fen(self):
        for outcome, posted in (("timeout_after_charge", True), ("wrong_amount", False)):
            world = a_worked_day({"LN1": outcome})
            drop_bill(world, list(the_true_bill(world).values()))
            world.take(BILL_KEY, MORNING)

            assert ("20261124-1-LN1" in world.journal.results) is posted

    @pytest.mark.parametrize(
        "changes", [{"mode": Mode.SELF_OPERATED, "funder_id": ""}, {"funder_id": "F9"}]
    )
    @pytest.mark.parametrize("round_no", [0, 1])
    def test_a_result_of_a_loan_that_is_none_of_its_funder_s_moves_nothing(self, changes, round_no):
        world = AssistedWorld()
        loan = world.lend("LN1", **changes)
        world.send(*assisted.paid(world, round=round_no))

        assert set(world.open_findings.values()) == {"no_loan_of_this_funder"}
        assert (world.loans.rows["LN1"].position, world.journal.results) == (loan.position, {})


class TestRow77:
    """Money here that is not there: 短款."""

    def test_a_success_that_the_bill_lacks_is_a_case_and_stays_posted(self):
        world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
        before = dict(world.loans.rows)
        drop_bill(world, [the_true_bill(world)["LN2"]])
        world.take(BILL_KEY, MORNING)

        assert found(world) == {"missing_there#20261124-1-LN1"}
        assert world.loans.rows == before

    def test_a_success_that_a_later_version_of_the_results_lacks_is_a_case_and_stays_posted(self):
        world = AssistedWorld()
        world.lend("LN1")
        world.send(*assisted.paid(world))
        before = world.loans.rows["LN1"].position
        world.send(version=2)

        assert world.open_findings == {"status_differs#20261124-1-LN1": "posted_here_absent_there"}
        assert world.loans.rows["LN1"].position == before


class TestRow78:
    """One fen is a difference, in whatever file."""

    def test_in_a_due_file_it_holds_the_loan(self):
        scene = a_due()
        first, *others = our_dues(scene.world)
        drop_due(scene.world, [with_more_interest(first, 1), *others])
        scene.world.funders[F1] = replace(FUNDER, tolerance_bps=10_000)
        scene.take()
        go_round(scene.world, 1)

        assert scene.world.skips() == {"20261124-1-LN1": "funder_differs"}

    def test_in_a_bill_it_is_a_case(self):
        world = a_worked_day({"LN1": "succeed"})
        row = the_true_bill(world)["LN1"]
        for name in ("amount_fen", "platform_amount_fen"):
            row |= {name: str(int(row[name]) + 1)}
        drop_bill(world, [row])
        world.take(BILL_KEY, MORNING)

        assert found(world) == {"amount_differs#20261124-1-LN1"}

    def test_in_results_it_is_a_case_and_nothing_is_posted(self):
        world = AssistedWorld()
        world.lend("LN1")
        (line,) = assisted.paid(world)
        world.send(assisted.more(line, 1))

        assert set(world.open_findings) == {"amount_differs#20261124-1-LN1"}
        assert world.journal.results == {}

    def test_in_a_confirmation_it_is_a_case_whatever_it_is_called(self):
        scene = a_confirmation()
        (ours,) = scene.world.sent("reconciliation", RECONCILIATIONS)
        first, second = agreeing(ours)
        more = replace(first, funder_amount=first.funder_amount + Money(1))
        drop_confirmation(scene.world, [more, second])
        scene.take()

        assert found(scene.world) == {"confirmation_differs#20261124-1-LN1"}


class TestRow79:
    def test_an_order_paid_after_midnight_is_told_under_its_own_day_and_settled_by_the_next_bill(
        self,
    ):
        world = a_day_with_funder({"LN1": "succeed", "LN2": "succeed"})
        record = world.journal.results["20261124-1-LN1"]
        late = at(0, 0, second=1, day=TOMORROW)
        result = replace(record.result, paid_at=late)
        world.journal.results["20261124-1-LN1"] = replace(record, result=result)
        bill_comes(world, without=["LN1"])
        sweep.run(now=at(22, 31), desk=world.sweeping)
        sweep.run(now=MORNING, desk=world.sweeping)

        (told,) = world.sent("repayments", f"out/funders/{F1}/repayments/20261124/")
        assert {line.order_no for line in told} == {"20261124-1-LN1", "20261124-1-LN2"}
        assert found(world) == {"cross_day#20261124-1-LN1"}
        assert world.sent("reconciliation", RECONCILIATIONS) == []

    def test_results_of_the_first_minute_of_the_day_are_no_money_of_yesterday(self):
        world = AssistedWorld()
        world.lend("LN1")
        world.send(*assisted.paid(world, paid_at="2026-11-24T00:00:01+08:00"))

        assert set(world.journal.results) == {"20261124-1-LN1"}


class TestRow80:
    def test_a_file_that_comes_late_is_named_until_then_and_taken(self):
        scene = a_bill()
        scene.world.objects.bodies.pop(BILL_KEY)
        assert scene.take().outcome is Outcome.WAITING
        assert scene.world.discrepancies.rows == {}

        drop_bill(scene.world, list(the_true_bill(scene.world).values()))
        assert scene.world.take(BILL_KEY, at(18, day=date(2026, 11, 26))).outcome is Outcome.APPLIED

    def test_results_of_yesterday_are_late_until_they_come_and_then_taken(self):
        scene = some_results()
        late = MORNING.replace(hour=18)
        desk = watch.Desk(
            runs=scene.world.runs,
            channel="main",
            discrepancies=scene.world.discrepancies,
            list_at=time(0, 10),
            round_at=(),
            funders=scene.world.funders,
        )
        job = "2026-11-24 results_F3_r1"
        assert job in watch.late(now=late, desk=desk)

        assert scene.world.take(scene.key, late).outcome is Outcome.APPLIED
        assert job not in watch.late(now=late, desk=desk)


class TestRow84:
    def test_a_list_that_differs_everywhere_is_held_whole_and_named_in_part(self, monkeypatch):
        """The million lines themselves are measured: `bench/dues.py`."""
        monkeypatch.setattr(
            "tests.fakes_funders.compare", lambda **sides: compare(**sides, named_max=1)
        )
        world = a_book_with_funder({"LN1": "succeed", "LN2": "succeed"})
        list_dues(world)
        drop_due(world, map(with_more_interest, our_dues(world)))
        world.take(due_key(), at(5))

        totals = world.run("funder_due_F1").totals
        assert (totals["verdict"], totals["differing"], totals["left_out"]) == ("hold_all", 2, 1)
        go_round(world, 1)
        assert set(world.skips().values()) == {"funder_file_held"}


class TestRow86:
    def test_a_funder_that_lists_another_s_loans_holds_none_of_them(self):
        world = a_book_with_funder({"LN1": "succeed"})
        other = replace(FUNDER, funder_id="F2", account="funder-F2")
        world.funders["F2"] = other
        world.book(a_joint_loan("LN5", borrower_id="B-LN5", funder_id="F2"), a_schedule())
        list_dues(world)
        run = world.runs.start(business_date=TODAY, job=funder_due.job_of("F2"), at=at(4))
        world.runs.put_totals(replace(run, totals={"verdict": "go", "version": 1}))
        # All that we list, of both: F1's file names F2's loan.
        drop_due(world, our_dues(world))
        world.take(due_key(), at(5))

        cleared = funder_due.clear(business_date=TODAY, now=at(8), desk=world.due)
        assert due_list.funders_of(world.run("due_list")).keys() == {F1, "F2"}
        assert cleared["F2"] == Clearance()
        assert cleared[F1].why_held("LN1") is not None
        assert world.run("funder_due_F1").totals["lines"]["only_theirs"]["count"] == 1


class TestRow87:
    def test_a_confirmation_that_rejects_is_corrected_by_the_next_version(self):
        scene = a_confirmation()
        world = scene.world
        (ours,) = world.sent("reconciliation", RECONCILIATIONS)
        first, second = agreeing(ours)
        drop_confirmation(world, [first], version=1)

        def closing():
            return day_close.close(
                business_date=TODAY, now=at(12, day=TOMORROW), desk=world.closing
            )

        assert scene.take().outcome is Outcome.APPLIED
        assert not closing().is_closed
        drop_confirmation(world, [first, second], version=2)
        assert world.take(confirmation_key(2), MORNING).outcome is Outcome.APPLIED
        assert closing().is_closed


def test_every_row_is_named_by_a_test():
    """`row 67` in a docstring, `TestRow67`, `test_row_67_…`, or a sample's `failures`."""
    named = {
        int(number)
        for path in TESTS.rglob("test_*.py")
        if path != Path(__file__)
        for number in re.findall(r"\b(?:Test|test_)?[Rr]ow[ _]?(\d\d)", path.read_text())
    }
    named |= {int(name.removeprefix("TestRow")) for name in globals() if "TestRow" in name}
    for path in (TESTS / "golden" / "funders").glob("*.faults.json"):
        named |= set(json.loads(path.read_text())["failures"])

    assert sorted(ROWS - named) == []
