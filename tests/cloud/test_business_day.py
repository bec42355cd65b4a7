"""The business day on the local cloud: deployed Lambdas, real queues, real servers.

The tests run in order on one book: a day with killed workers and doubled messages, then every
job once more, then files nobody should believe.
"""

import json
import os
import signal
import threading
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

DAY = date(2026, 11, 24)
LOANS = 90


@pytest.fixture(scope="module")
def book(cloud):
    from datetime import datetime

    from chalicelib import wiring
    from chalicelib.adapters.wall_clock import SHANGHAI
    from infra.local import business_day, controls, sample_book

    made = sample_book.make(loans=LOANS, seed=11, business_date=DAY)
    business_day.set_clock(cloud, datetime(2026, 11, 23, 20, tzinfo=SHANGHAI))
    scripts = [{"agreement_no": no, "outcomes": does} for no, does in made.scripts.items()]
    controls.tell(cloud.payment_url, "scripts", {"scripts": scripts})
    store = wiring.object_store()
    store.write(sample_book.key(made), sample_book.loans_csv(made))
    store.write(sample_book.key(made) + ".ok", sample_book.manifest(made))
    business_day.wait_until_quiet(cloud)
    return made


@pytest.fixture(scope="module")
def driven(cloud, book):
    """Drive the day while workers are killed and every deduction message is doubled."""
    from infra.local import business_day

    killer = Killer(cloud)
    _hasten_redelivery(cloud)
    business_day.drive(cloud, business_date=DAY, until="make_due_list", tell=lambda _: None)
    killer.start()
    try:
        _double_the_deductions(cloud)
        business_day.drive(cloud, business_date=DAY, resume=True, tell=lambda _: None)
    finally:
        killer.stop()
    return killer


class Killer(threading.Thread):
    """Kills Lambda workers in mid-work, by process id: those of this cloud's home alone."""

    def __init__(self, cloud) -> None:
        super().__init__(daemon=True)
        self.home = str(cloud.home)
        self.killed = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(2.0) and self.killed < 8:
            for pid in self._workers():
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
                break

    def stop(self) -> None:
        self.stopped.set()
        self.join()

    def _workers(self):
        """Find the processes MiniStack started for the functions that move money."""
        for status in Path("/proc").glob("[0-9]*/environ"):
            try:
                environment = status.read_bytes()
            except OSError:
                continue
            if self.home.encode() in environment and any(
                f"AWS_LAMBDA_FUNCTION_NAME=afterloan-local-{name}\0".encode() in environment
                for name in ("deduct", "ask")
            ):
                yield int(status.parent.name)


def _hasten_redelivery(cloud) -> None:
    """Let what a killed worker held come again in seconds, not in six time-outs."""
    sqs = cloud.client("sqs")
    for name in ("deductions", "asks"):
        url = sqs.get_queue_url(QueueName=f"afterloan-local-{name}")["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "4"})


def _double_the_deductions(cloud) -> None:
    """Put every listed due's message beforehand, too: each order comes at least twice."""
    from chalicelib import wiring
    from chalicelib.flows import deduction_round
    from chalicelib.settings import settings

    wiring.queue("deductions").put(
        deduction_round.message_of(line, DAY, 1)
        for shard in range(settings().agenda_shards)
        for line in wiring.due_lists().read(business_date=DAY, round_no=1, shard=shard)
    )


def money(cloud):
    """Read all that must not change: heads, journal, what was really charged."""
    from chalicelib import wiring
    from chalicelib.domain.deduction import Deduction
    from infra.local import controls

    heads = (
        cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName="afterloan-local-loans", ConsistentRead=True)
    )
    ledger = controls.ask(cloud.payment_url, f"ledger?date={DAY}")
    return (
        sorted(json.dumps(item, sort_keys=True) for page in heads for item in page["Items"]),
        {r.order_no: r for r in wiring.books().journal.of_day(DAY) if isinstance(r, Deduction)},
        sorted((charge["order_no"], charge["amount_fen"]) for charge in ledger["charges"]),
    )


class TestTheDay:
    def test_takes_the_whole_book_in(self, book, cloud):
        from chalicelib import wiring
        from infra.local import sample_book

        [record] = wiring.files().files.of_key(sample_book.key(book))
        assert (record.state, record.applied, record.refused) == ("applied", LOANS, 0)

    def test_charges_nobody_twice_and_loses_no_success_though_workers_died(self, driven, cloud):
        from infra.local import report

        found = report.of_day(cloud, DAY)

        assert driven.killed >= 1, "no worker was killed: the test showed nothing"
        assert found["proof"]["holds"], found["proof"]
        assert found["proof"]["posted"]["count"] > 20

    def test_ties_every_round(self, driven):
        from infra.local import report

        runs = report.of_runs(DAY)
        for job in ("round_1", "round_2"):
            assert runs[job]["state"] == "complete"
            assert runs[job]["totals"]["ties"]
            assert runs[job]["totals"]["waiting"]["count"] == 0

    def test_closes_once_the_platform_has_corrected_what_was_planted(self, driven, cloud):
        from infra.local import report

        assert report.of_runs(DAY)["close"]["state"] == "complete"
        assert report.of_day(cloud, DAY)["proof"]["charged_not_posted"] == []

    def test_finds_what_was_planted_in_its_class_and_nothing_else(self, driven, book):
        from chalicelib import wiring
        from infra.local import report

        found = wiring.reconciling().discrepancies.of_day(DAY, "main")
        planted = book.planted["wrong_amount"]
        assert [(d.kind, d.order_no) for d in found] == [
            ("amount_differs", f"20261124-1-{planted}")
        ]
        assert report.of_runs(DAY)["reconciliation_main"]["totals"]["ties"]

    def test_tells_each_borrower_once_of_each_order(self, driven, cloud):
        from infra.local import controls

        rows = cloud.client("dynamodb").scan(TableName="afterloan-local-notices")["Items"]
        lines = [(row["scenario"]["S"], key) for row in rows for key in row["items"]["M"]]
        assert len(lines) == len(set(lines)) > 20
        messages = controls.ask(cloud.sms_url, "messages")["messages"]
        assert len({message["message_id"] for message in messages}) == len(messages)
        assert all(len(message["text"]) <= 70 for message in messages)

    def test_stores_the_receipts(self, driven, cloud):
        states = {
            item["state"]["S"]
            for item in cloud.client("dynamodb").scan(TableName="afterloan-local-notices")["Items"]
        }
        assert "DELIVERED" in states

    def test_run_again_at_every_job_changes_nothing(self, driven, cloud):
        from infra.local import business_day

        before = money(cloud)
        business_day.drive(cloud, business_date=DAY, tell=lambda _: None)

        assert money(cloud) == before

    def test_stays_within_its_write_units(self, driven, cloud):
        """Killed workers pay again for what they repeat; the undisturbed orders must not."""
        from infra.local import report

        units = report.of_day(cloud, DAY)["write_units"]
        assert 0 < units["succeeded"]["mean"] <= 6.5
        assert 0 < units["failed"]["mean"] <= 3.5


class TestFilesNobodyShouldBelieve:
    HEADER = (
        "loan_id,borrower_id,borrower_name,phone,product,mode,funder_id,funder_share_bps,"
        "principal_fen,annual_rate,method,terms,disbursed_on,first_due_on,agreement_no,revolving"
    )
    GOOD = (
        "{id},BX,王*明,10012345678,consumer,self_operated,,0,{amount},0.18,{method},12,"
        "2026-11-24,{first},AGX,false"
    )

    def drop(self, cloud, version, lines, **manifest):
        import hashlib

        from chalicelib import wiring
        from infra.local import business_day

        key = f"in/loans/20261125/loans_v{version}.csv"
        body = ("\n".join([self.HEADER, *lines]) + "\n").encode()
        facts = {
            "rows": len(lines),
            "amount_fen": 100_000 * len(lines),
            "sha256": hashlib.sha256(body).hexdigest(),
        } | manifest
        store = wiring.object_store()
        store.write(key, body[: manifest.pop("cut", len(body))])
        facts.pop("cut", None)
        store.write(key + ".ok", json.dumps(facts).encode())
        business_day.wait_until_quiet(cloud)
        reasons = store.read(f"quarantine/{key}.reasons.json")
        return json.loads(reasons)["reasons"]

    def row(self, loan_id="LX1", amount="100000", method="equal_instalment", first="2026-12-24"):
        return self.GOOD.format(id=loan_id, amount=amount, method=method, first=first)

    @pytest.mark.parametrize(
        ("version", "what", "manifest"),
        [
            (1, "wrong digest", {"sha256": "0" * 64}),
            (2, "cut", {"cut": 250}),
            (3, "rows", {"rows": 9}),
        ],
    )
    def test_are_quarantined_whole(self, driven, cloud, version, what, manifest):
        from chalicelib import wiring

        loan_id = f"LQ{version}"
        assert self.drop(cloud, version, [self.row(loan_id)], **manifest)
        assert wiring.books().loans.get(loan_id) is None

    @pytest.mark.parametrize(
        ("version", "bad"),
        [
            (11, {"method": "balloon"}),
            (12, {"first": "2026-11-23"}),
            (13, {"amount": "-100000"}),
            (14, {"amount": "１００000"}),
            (15, {"loan_id": "LN-TWICE"}),
        ],
    )
    def test_or_their_bad_lines_are_refused_with_number_and_reason(
        self, driven, cloud, version, bad
    ):
        good = self.row("LN-TWICE" if "loan_id" in bad else f"LG{version}")
        amount = -100_000 + 100_000 if bad.get("amount") == "-100000" else 200_000
        reasons = self.drop(
            cloud, version, [good, self.row(**{"loan_id": f"LB{version}"} | bad)], amount_fen=amount
        )

        assert [reason["line"] for reason in reasons if reason.get("line")] == [3]
        assert all(reason["reason"] for reason in reasons)


def test_the_next_day_lists_what_is_still_owed(driven, cloud):
    """A loan whose agreement is gone is listed, and skipped with the reason."""
    from datetime import datetime
    from datetime import time as clock_time

    from chalicelib.adapters.wall_clock import SHANGHAI
    from infra.local import business_day, report

    next_day = DAY + timedelta(days=1)
    for hour, minute, job in ((0, 10, "make_due_list"), (8, 0, "open_round_1"), (8, 15, "sweep")):
        at = datetime.combine(next_day, clock_time(hour, minute), tzinfo=SHANGHAI)
        business_day.set_clock(cloud, at)
        business_day.call(cloud, job, at)
        business_day.wait_until_quiet(cloud)
        time.sleep(0.1)

    totals = report.of_runs(next_day)["round_1"]["totals"]
    assert totals["ties"]
    assert totals["due"]["count"] > totals["skipped"]["on_hold"]["count"] > 0
