"""Drills: the same faults an operator may meet, on the local cloud, in the middle of the work.

Each begins from a saved evening or morning, and ends with the payment platform's own ledger held
against our list, journal and heads: nobody charged twice, no charge lost.  The short ones run with
all tests, `make drills` runs every one and prints what it has seen.
"""

import os
import time
from collections import Counter
from datetime import timedelta

import pytest

from tests.cloud.drill_ground import (
    DAY,
    EVENING,
    MORNING,
    NEXT_DAY,
    Ground,
    loan_of,
    moment,
    tell,
    until,
)

LOANS = 40
IN_TROUBLE = (
    ("timeout_after_charge",),
    ("timeout_before_charge",),
    ("processing_then_succeed",),
    ("not_exist_after_accept",),
    ("bad_signature",),
    ("insufficient_funds", "succeed"),
    ("insufficient_funds", "succeed"),
    ("agreement_terminated",),
)
"""What the platform does to the first loans of a list; an order in round 2 meets the second."""

long = pytest.mark.skipif(
    os.environ.get("DRILLS") != "all", reason="a longer drill: `make drills` runs all of them"
)


@pytest.fixture(scope="module", autouse=True)
def _data_are_kept():
    """Have the local cloud write what it holds when it is asked to end."""
    from infra.local import cloud as local_cloud

    os.environ[local_cloud.KEEP_SETTING] = "on"
    yield
    del os.environ[local_cloud.KEEP_SETTING]


@pytest.fixture(scope="module")
def ground(cloud):
    from infra.local import sample_book

    made = Ground(cloud=cloud, book=sample_book.make(loans=LOANS, seed=11, business_date=DAY))
    made.prepare()
    return made


@pytest.fixture(scope="module")
def stopped(ground):
    """Stop the cloud while orders are in flight and others wait, and start it again."""
    from infra.local import cloud as local_cloud
    from infra.local.deployment import deploy_locally

    ground.begin(MORNING)
    ground.plant(dict(zip(sorted(ground.dues), IN_TROUBLE, strict=False)), others="slow_ms:2500")
    ground.redeliver_after(6)
    ground.call("open_round_1", 8)
    until(lambda: ground.requests() >= 12, "the round is going on")
    began = time.monotonic()
    local_cloud.break_down(ground.cloud.home, saving=True)
    ground.start()
    found = {"in_flight": ground.in_flight(), "held": ground.held()["deductions"]}
    found |= {"deployed": deploy_locally(ground.cloud).changed}
    tell(
        f"stopped with {len(found['in_flight'])} orders in flight, {found['held']} messages"
        f" not done, {ground.requests()} sent; up again after {time.monotonic() - began:.1f} s"
    )
    return found


@long
class TestTheCloudStoppedInMidRound:
    """One round, in order: stopped and started, killed after it, and lost back to the morning."""

    def test_comes_back_with_its_data_and_nothing_to_deploy(self, stopped, ground):
        assert stopped["in_flight"]
        assert stopped["held"] > len(stopped["in_flight"])
        assert stopped["deployed"] == ()

    def test_goes_on_where_it_was(self, stopped, ground):
        from infra.local import business_day

        business_day.wait_until_quiet(ground.cloud)
        for minute in (15, 30):
            ground.work_off("sweep", 8, minute)

        charged = ground.prove()
        assert len(charged) >= len(ground.dues) - 3
        assert self.round_1()["ties"]
        tell(
            f"{len(charged)} of {len(ground.dues)} charged, {ground.ledger()['requests']} requests"
        )

    def test_killed_after_it_finds_the_ends_of_what_the_old_backup_has_in_flight(
        self, stopped, ground
    ):
        """The tables know half a round: what was in flight then has ended, the rest is new."""
        before = ground.ledger()["charges"]
        from infra.local import cloud as local_cloud

        local_cloud.break_down(ground.cloud.home, saving=False)
        ground.start()
        assert ground.in_flight()

        self.recover(ground, before)

    def test_lost_back_to_the_morning_learns_every_charge_again(self, stopped, ground):
        """The tables have never heard of the round: the sweep opens it, under the same numbers."""
        before = ground.ledger()["charges"]
        ground.restore(MORNING)
        ground.redeliver_after(6)
        assert not ground.records()

        self.recover(ground, before)

    def test_ends_its_day_with_the_bill(self, stopped, ground):
        from infra.local import business_day

        ground.work_off("open_round_2", 16)
        ground.work_off("sweep", 16, 30)
        business_day.set_clock(ground.cloud, moment(10, day=NEXT_DAY))
        business_day.drop_bill(ground.cloud, DAY)
        business_day.wait_until_quiet(ground.cloud)
        closed = ground.work_off("close_day", 11, day=NEXT_DAY)

        assert closed == {DAY.isoformat(): []}
        assert len(ground.prove()) == len(ground.dues) - 1, "all but the one without an agreement"
        assert set(map(loan_of, self.told(ground))) == set(ground.dues), "announced to nobody"

    def recover(self, ground, before):
        began = time.monotonic()
        for minute in (45, 50, 55):
            ground.work_off("sweep", 8, minute)
        tell(
            f"caught up in {time.monotonic() - began:.1f} s, {ground.ledger()['requests']} requests"
        )
        ground.prove()
        assert ground.ledger()["charges"] == before
        assert self.round_1()["ties"]

    def told(self, ground):
        """Read of which orders the borrowers were told, or are to be."""
        rows = ground.cloud.client("dynamodb").scan(TableName="afterloan-local-notices")["Items"]
        return {key.partition("/")[2] for row in rows for key in row["items"]["M"]} - {""}

    def round_1(self):
        from infra.local import report

        found = report.of_runs(DAY)["round_1"]
        assert found["state"] == "complete"
        return found["totals"]


class TestALambdaCutOffInMidBatch:
    def test_leaves_what_was_done_done_and_charges_nobody_twice(self, ground):
        """Its time-out is lowered to 7 s, and for three loans the platform takes 7.8 to answer.

        The platform's notifications would end their orders meanwhile, so they are held back.
        """
        from infra.local import business_day

        ground.begin(MORNING)
        ground.plant(dict.fromkeys(sorted(ground.dues)[::12], ("slow_ms:7800",)))
        ground.configure("deduct", Timeout=7)
        ground.listen("take_payment_notification", on=False)
        ground.redeliver_after(15)
        log = ground.cloud.home / "logs" / "cloud.log"
        before = log.stat().st_size

        def cut_off():
            return log.read_bytes()[before:].count(b"deduct timed out")

        began = time.monotonic()
        ground.call("open_round_1", 8)
        while not (cut_off() and (in_flight := ground.in_flight())):
            assert time.monotonic() - began < 60, "no worker was cut off while it waited"
        done = ground.records()
        assert done, "progress was lost"
        until(lambda: "deductions" not in ground.held(), "all messages have come again")
        ground.prove()
        ground.listen("take_payment_notification", on=True)
        business_day.wait_until_quiet(ground.cloud)
        charged = ground.prove()

        assert len(charged) == len(ground.dues)
        assert done.items() <= ground.records().items()
        tell(
            f"{cut_off()} workers cut off, {len(done)} orders done and {len(in_flight)} in flight at"
            f" the first; all {len(charged)} charged once after {time.monotonic() - began:.1f} s"
        )


@long
class TestAPoisonMessage:
    """Three of a round's messages cannot be worked; one of them is none of ours."""

    POISON = '{"order_no": "20261124-1-LN00110000001", "listed_fen": "939.82"}'

    def test_keeps_nobody_waiting_and_is_put_back_without_harm(self, ground, capsys):
        ground.begin(MORNING)
        ground.plant({})
        ground.redeliver_after(3)
        ground.at(8)
        mended, overtaken, *good = sorted(ground.dues)
        products = {loan_id: self.spoil(ground, loan_id) for loan_id in (mended, overtaken)}
        began = time.monotonic()
        nine = [ground.message(one) for one in good[:9]]
        ground.put("deductions", [*nine[:5], self.POISON, *nine[5:]])
        ground.put("deductions", [ground.message(one) for one in products])
        took = until(lambda: ground.dead_letters() == 3, "three dead letters")

        assert {loan_of(no) for no in ground.records()} == set(good[:9])
        assert ground.requests() == 9
        tell(f"9 done, 3 dead letters after {took:.1f} s")

        listed = self.command(capsys, "dlq", "list", "deductions")
        assert self.POISON in listed
        for loan in ground.book.loans:
            assert loan.borrower_name not in listed and loan.phone not in listed
        assert "3" in self.command(capsys, "dlq", "redrive", "deductions", "--dry-run")
        assert ground.dead_letters() == 3

        for loan_id, product in products.items():
            self.spoil(ground, loan_id, product)
        ground.put("deductions", [ground.message(overtaken)])
        until(lambda: len(ground.records()) == 10, "the overtaken one is done by another message")
        self.command(capsys, "dlq", "redrive", "deductions")
        until(lambda: ground.dead_letters() == 1, "the poison is back, and nothing else")
        assert len(ground.records()) == ground.requests() == 11
        ground.work_off("open_round_1", 8, 5)
        ground.prove()
        tell(f"mended, put back, and the round ended after {time.monotonic() - began:.1f} s")

    def test_of_two_weeks_ago_does_nothing_any_more(self, ground, capsys):
        """All of the day's messages once more, and one of a loan that was never taken up."""
        before, records = ground.ledger()["requests"], ground.records()
        never = next(loan.loan_id for loan in ground.book.loans if loan.loan_id not in ground.dues)
        ground.put("deductions-dlq", [ground.message(one) for one in (*ground.dues, never)])
        ground.at(10, day=DAY + timedelta(days=14))
        self.command(capsys, "dlq", "redrive", "deductions")
        until(lambda: ground.dead_letters() == 1 and not ground.held(), "only the poison is left")

        assert ground.ledger()["requests"] == before
        after = ground.records()
        assert records.items() <= after.items()
        assert [after[no].reason for no in after.keys() - records.keys()] == ["window_closed"]

    def spoil(self, ground, loan_id, product="withdrawn"):
        """Write another product into a loan's head, and give what stood there."""
        old = ground.cloud.client("dynamodb").update_item(
            TableName="afterloan-local-loans",
            Key={"loan_id": {"S": loan_id}},
            UpdateExpression="SET #p = :p",
            ExpressionAttributeNames={"#p": "product"},
            ExpressionAttributeValues={":p": {"S": product}},
            ReturnValues="UPDATED_OLD",
        )
        return old["Attributes"]["product"]["S"]

    def command(self, capsys, *words):
        from infra.commands import main

        capsys.readouterr()
        assert main(words) == 0
        return capsys.readouterr().out


@long
class TestADayThatNoScheduleFired:
    """The day before was listed; from then on nothing calls the Lambdas but what a test says."""

    def silence(self, ground):
        ground.begin(EVENING)
        ground.plant({})
        ground.work_off("make_due_list", 0, 10, day=DAY - timedelta(days=1))

    def test_is_caught_up_by_the_sweep_as_if_it_had_run(self, ground):
        """The scheduler comes back at 09:00: the same list, the same charges."""
        self.silence(ground)
        assert ground.work_off("sweep", 9)["started"] == ["due_list"]
        assert ground.listed() == ground.dues
        assert ground.work_off("sweep", 9, 15)["started"] == ["round_1"]

        assert {loan_of(no): fen for no, fen in ground.prove().items()} == ground.dues

    def test_sends_nothing_after_22_and_leaves_it_to_the_next_list(self, ground):
        from infra.local import report

        self.silence(ground)
        for minute in (0, 15, 30):
            ground.work_off("sweep", 22, minute)
        assert ground.requests() == 0
        totals = report.of_runs(DAY)["round_1"]["totals"]
        assert totals["ties"]
        assert totals["skipped"]["window_closed"]["count"] == len(ground.dues)

        self.morning_after(ground)

    def test_and_was_never_caught_up_is_in_the_next_list_with_its_boundaries(self, ground):
        from infra.local import business_day, report

        self.silence(ground)
        self.morning_after(ground)
        found = report.of_runs(NEXT_DAY)["due_list"]["totals"]
        assert found["stage_moves"] == self.moves(ground)
        assert found["reminders"] == self.reminders(ground) > 0

        requests = ground.requests(NEXT_DAY)
        for hour, job in ((0, "make_due_list"), (8, "open_round_1"), (16, "open_round_2")):
            # Somebody runs the day after all, with its proper times: the clock says it is over.
            business_day.call(ground.cloud, job, moment(hour, 10))
            business_day.wait_until_quiet(ground.cloud)
            ground.work_off("sweep", 9 + hour // 8, day=NEXT_DAY)
        assert (ground.requests(), ground.requests(NEXT_DAY)) == (0, requests)
        assert {record.reason for record in ground.records().values()} <= {"window_closed"}
        ground.prove(NEXT_DAY)

        ground.at(10, day=NEXT_DAY + timedelta(days=1))
        business_day.drop_bill(ground.cloud, DAY)
        business_day.wait_until_quiet(ground.cloud)
        closed = ground.call("close_day", 11, day=NEXT_DAY + timedelta(days=1))
        assert closed[DAY.isoformat()] == []

    def morning_after(self, ground):
        """Catch up by the sweep alone: the whole list, each due once."""
        ground.work_off("sweep", 0, 30, day=NEXT_DAY)
        ground.work_off("sweep", 8, 15, day=NEXT_DAY)
        within_90_days = {
            loan.loan_id for loan in ground.book.loans if -1 <= ground.book.dpd(loan) <= 89
        }
        assert set(ground.listed(NEXT_DAY)) == within_90_days
        charged = ground.prove(NEXT_DAY)
        assert len(charged) == len(within_90_days)

    def moves(self, ground):
        """Count from the book the stages that begin on the missed day or the next."""
        from chalicelib.domain.stage import STAGE_RULES, stage_of

        days = [ground.book.dpd(loan) for loan in ground.book.loans]
        return Counter(
            str(stage_of(dpd + 1)) for dpd in days if {dpd, dpd + 1} & set(STAGE_RULES.starts)
        )

    def reminders(self, ground):
        """Count those of the missed day and of the next that do not come too late."""
        return sum(ground.book.dpd(loan) in (-4, -3, -2) for loan in ground.book.loans)


@long
class TestThePauseSwitchInMidRound:
    def test_stops_new_calls_within_a_minute_and_what_is_in_flight_still_ends(self, ground, capsys):
        """The round is throttled, so that it lasts: two orders every five seconds."""
        from infra.commands import main

        ground.begin(MORNING)
        ground.plant({}, others="processing_then_succeed")
        ground.redeliver_after(15)
        ground.throttle("deduct", calls_per_second=0.4, batch=2)
        ground.call("open_round_1", 8)
        until(lambda: ground.requests() >= 2, "the round is going on")

        assert main(["pause", "--by", "drill"]) == 0
        paused, last, sent = time.monotonic(), time.monotonic(), ground.requests()
        in_flight = len(ground.in_flight())
        while time.monotonic() - last < 12 and time.monotonic() - paused < 75:
            if (now_sent := ground.requests()) > sent:
                last, sent = time.monotonic(), now_sent
            time.sleep(0.2)
        assert last - paused < 60
        assert 2 < sent < len(ground.dues), "nothing was stopped: the drill showed nothing"
        assert len(ground.in_flight()) == sent

        ground.call("sweep", 8, 15)
        until(lambda: not ground.in_flight(), "what was in flight has ended")
        assert len(ground.prove()) == ground.requests() == sent
        tell(
            f"paused with {in_flight} orders in flight; the last call {last - paused:.1f} s later,"
            f" {sent} of {len(ground.dues)} sent; all of them ended while paused"
        )

        resumed = time.monotonic()
        assert main(["resume", "--by", "drill"]) == 0
        ground.throttle("deduct", calls_per_second=50, batch=10)
        until(lambda: ground.requests() == len(ground.dues), "the rest is sent")
        ground.work_off("sweep", 8, 30)
        assert len(ground.prove()) == len(ground.dues)
        tell(f"resumed: the rest sent and ended after {time.monotonic() - resumed:.1f} s")
