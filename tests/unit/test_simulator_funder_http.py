"""The funder and its merchant account at the payment platform, over real connections."""

import os
import signal
import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import boto3
import pytest
from moto import mock_aws

from simulators import keys
from simulators.__main__ import main
from simulators.clock import SettableClock
from simulators.exchange_bucket import ExchangeBucket
from simulators.funder import Funder
from simulators.funder_acquirer import OverHttp
from simulators.funder_service import funder_service
from simulators.keys import UnreadableKeysError
from simulators.merchant import Merchant
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer
from tests.funder_side import (
    MemoryBucket,
    a_loan,
    a_repayment,
    an_assisted_loan,
    land_loans,
    send,
)

ROOT = Path(__file__).parents[2]
FEB_15 = date(2026, 2, 15)
EIGHT = "2026-02-15T08:00:00+08:00"
FIRST = (4000_00, 120_00, 0, 2800_00, 59_50, 0, 1200_00, 60_50, 0)
ORDER = {
    "order_no": "20260215-Qaaaaaaaaaaaaaaaa-LN3",
    "agreement_no": "AG3",
    "amount_fen": 4120_00,
    "currency": "CNY",
}

of_merchant, of_platform = cache(keys.of_merchant), cache(keys.of_platform)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("payment", "funder"):
        assert keys.make(folder / name)
    assert keys.add_merchant(folder / "payment", "funder")
    return folder


@pytest.fixture
def bucket():
    bucket = MemoryBucket()
    land_loans(bucket, a_loan(1), an_assisted_loan(2), an_assisted_loan(3))
    return bucket


@pytest.fixture
def payment(folder):
    clock = SettableClock()
    ours, theirs = (
        PaymentPlatform(clock=clock, rng=Random(seed), hang_seconds=0.3) for seed in (7, 8)
    )
    service = payment_service(
        platform=ours,
        clock=clock,
        keys=of_platform(folder / "payment"),
        accounts={"funder": theirs},
    )
    with SimulatorServer(service, port=0) as server:
        merchant = Merchant(url=server.url, ring=of_merchant(folder / "payment"))
        merchant.control("POST", "clock", {"now": EIGHT})
        merchant.url = server.url
        yield merchant
        merchant.close()


@pytest.fixture
def funder(folder, bucket, payment):
    clock = SettableClock()
    account = Merchant(url=payment.url, ring=of_merchant(folder / "payment", "funder"))
    core = Funder(
        clock=clock, rng=Random(7), bucket=bucket, acquirer=OverHttp(account, seconds=0.2)
    )
    service = funder_service(funder=core, clock=clock, keys=of_platform(folder / "funder"))
    with SimulatorServer(service, port=0) as server:
        merchant = Merchant(url=server.url, ring=of_merchant(folder / "funder"))
        merchant.control("POST", "clock", {"now": EIGHT})
        yield merchant
        merchant.close()
    account.close()


def of(funder_id, **more):
    return {"funder_id": funder_id, "date": "2026-02-15", **more}


class TestJointLending:
    def test_lives_a_day(self, funder, bucket):
        status, due = funder.control("POST", "due-file", of("F1", mutations=["change_amount"]))
        assert (status, due["rows"], due["mutations"]) == (
            200,
            1,
            [{"kind": "change_amount", "hit": "LN1"}],
        )
        assert funder.control("POST", "due-file", of("F1", version=2))[1]["amount_fen"] == 4120_00

        assert funder.control("POST", "confirm", of("F1"))[1]["code"] == "NO_FILE"
        for kind in ("repayments", "reconciliation"):
            send(bucket, kind, FEB_15, [a_repayment(*FIRST)])
        assert funder.control("POST", "repayments", of("F1"))[1]["taken"] == ["O1"]
        answer = funder.control("POST", "confirm", of("F1"))[1]
        assert (answer["agreed"], answer["differs"]) == (1, [])

        books = funder.control("GET", "books?funder_id=F1&date=2026-02-16")[1]
        assert books["repaid"]["funder"]["interest_fen"] == 59_50


class TestLoanAssistance:
    def test_deducts_under_an_account_of_its_own(self, funder, payment):
        script = {"agreement_no": "AG2", "outcomes": ["insufficient_funds"]}
        assert payment.control("POST", "scripts", script)[0] == 200

        rows = [
            funder.control("POST", "round", of("F3", round=round_no))[1]["rows"]
            for round_no in (1, 2)
        ]

        assert rows == [2, 1]
        theirs = payment.control("GET", "ledger?date=2026-02-15&merchant=funder")[1]
        assert [charge["order_no"] for charge in theirs["charges"]] == [
            "F3-20260215-1-LN3",
            "F3-20260215-2-LN2",
        ]
        assert payment.control("GET", "ledger?date=2026-02-15")[1]["charges"] == []
        ledger = funder.control("GET", "ledger?funder_id=F3")[1]
        assert ledger["amount_fen"] == theirs["amount_fen"] == 2 * 4120_00

    @pytest.mark.parametrize("outcome", ["timeout_after_charge", "bad_signature", "html_error"])
    def test_finds_out_what_became_of_an_order(self, funder, payment, outcome):
        script = {"agreement_no": "AG2", "outcomes": [outcome]}
        payment.control("POST", "scripts", script)

        answer = funder.control("POST", "round", of("F3", round=1))[1]

        assert (answer["rows"], answer["unknown"]) == (2, [])
        assert len(payment.control("GET", "ledger?merchant=funder")[1]["charges"]) == 2

    def test_takes_forwarded_repayments(self, funder):
        funder.control("POST", "loans")

        status, answer = funder.call("POST", "/v1/deductions", ORDER)

        assert (status, answer["status"], answer["paid_at"]) == (200, "SUCCEEDED", EIGHT)
        assert funder.call("GET", f"/v1/deductions/{ORDER['order_no']}") == (200, answer)
        assert funder.call("GET", "/v1/deductions/nothing")[1]["code"] == "NOT_EXIST"
        assert funder.call("POST", f"/v1/deductions/{ORDER['order_no']}/close")[0] == 409

    def test_believes_no_unsigned_order(self, funder):
        answer = funder.send("POST", "/v1/deductions", b"{}")

        assert (answer.status, answer.json()["code"]) == (401, "SIGNATURE_INVALID")


class TestControl:
    def test_says_it_is_well(self, funder):
        assert funder.control("GET", "health") == (200, {"name": "funder"})

    def test_is_told_of_loans_and_agreements(self, funder):
        agreed = {"funder_id": "F7", "rate": None, "dialects": {"due": "pipe-backtick"}}
        assert funder.control("POST", "funders", agreed) == (200, {"funder_id": "F7"})
        told = {"loans": [a_loan(7, funder_id="F7")]}
        assert funder.control("POST", "loans", told) == (200, {"opened": 1, "refused": 0})
        assert funder.control("POST", "due-file", of("F7"))[1]["rows"] == 1

    def test_is_told_how_a_schedule_is_cut_again(self, funder):
        funder.control("POST", "loans")
        told = {"loan_id": "LN1", "order_no": "O1", "recut": "shorten_term"}

        assert funder.control("POST", "recuts", told)[0] == 200
        assert funder.control("POST", "recuts", {**told, "recut": "shrink"})[0] == 400

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("due-file", {"funder_id": "F9", "date": "2026-02-15"}),
            ("due-file", {"date": "2026-02-15"}),
            ("due-file", of("F1", date="20260215")),
            ("due-file", of("F1", version=0)),
            ("due-file", of("F1", version=True)),
            ("due-file", of("F1", mutations=["explode"])),
            ("due-file", of("F1", mutations="late")),
            ("round", of("F3")),
            ("round", of("F3", round="1")),
            ("confirm", of("F9")),
            ("repayments", of("F9")),
            ("loans", {"loans": "LN1"}),
            ("loans", {"loans": ["LN1"]}),
            ("funders", {"funder_id": ""}),
            ("funders", {"funder_id": "F1", "rate": "dear"}),
            ("funders", {"funder_id": "F1", "penalty_to": "nobody"}),
            ("funders", {"funder_id": "F1", "dpd_max": "many"}),
            ("funders", {"funder_id": "F1", "dialects": {"due": "klingon"}}),
            ("scripts", {"agreement_no": "AG1", "outcomes": ["explode"]}),
        ],
    )
    def test_refuses_nonsense(self, funder, name, content):
        assert funder.control("POST", name, content)[0] == 400

    def test_tells_of_no_unknown_funder(self, funder):
        assert funder.control("GET", "books?funder_id=F9")[0] == 400
        assert funder.control("GET", "ledger")[0] == 400


class TestMerchants:
    def test_have_numbers_of_their_own(self, folder, payment):
        """Another merchant's order of the same number is another order, and charged again."""
        other = Merchant(url=payment.url, ring=of_merchant(folder / "payment", "funder"))
        order = {**ORDER, "order_no": "O1"}

        for merchant in (payment, other):
            assert merchant.call("POST", "/v1/deductions", order)[1]["status"] == "SUCCEEDED"

        for query in ("", "?merchant=funder"):
            assert len(payment.control("GET", f"ledger{query}")[1]["charges"]) == 1
        assert payment.control("GET", "ledger?merchant=nobody")[0] == 400
        other.close()

    def test_are_put_right_together(self, folder, payment):
        other = Merchant(url=payment.url, ring=of_merchant(folder / "payment", "funder"))
        payment.control("POST", "mix", {"wrong_amount": 1.0})
        for merchant, order_no in ((payment, "O1"), (other, "O2")):
            merchant.call("POST", "/v1/deductions", {**ORDER, "order_no": order_no})

        assert payment.control("POST", "corrections")[1] == {"orders": ["O1", "O2"]}
        other.close()

    def test_are_let_in_once(self, folder):
        before = (folder / "payment" / "platform.json").read_bytes()

        assert not keys.add_merchant(folder / "payment", "funder")
        assert (folder / "payment" / "platform.json").read_bytes() == before
        assert list(keys.of_platform(folder / "payment").merchants.values()) == ["funder"]

    def test_need_a_platform(self, tmp_path):
        with pytest.raises(UnreadableKeysError):
            keys.add_merchant(tmp_path, "funder")

    def test_are_let_in_by_command(self, tmp_path, capsys):
        command = ["keys", "--out", str(tmp_path), "--merchant", "funder"]

        assert [main(command), main(command)] == [0, 0]
        assert capsys.readouterr().out.count("already there") == 1
        assert (tmp_path / "funder.json").exists()


def test_the_exchange_bucket_is_read_as_it_is_written():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="exchange")
        bucket = ExchangeBucket("exchange", "", "us-east-1")
        for name in ("in/b", "in/a", "out/c"):
            bucket.put(name, name.encode())

        assert bucket.keys("in/") == ["in/a", "in/b"]
        assert (bucket.get("in/a"), bucket.get("in/z")) == (b"in/a", None)


def test_the_command_serves_and_ends_when_asked(folder):
    command = [
        *(sys.executable, "-m", "simulators", "funder", "--port", "0", "--notify"),
        *("--keys", str(folder / "funder"), "--payment-keys", str(folder / "payment")),
    ]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        url = process.stdout.readline().split()[-1]
        merchant = Merchant(url=url, ring=of_merchant(folder / "funder"))
        assert merchant.control("GET", "health") == (200, {"name": "funder"})
        merchant.close()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=5) == 0


def test_the_command_says_in_one_line_what_is_missing(folder, tmp_path, capsys):
    command = ["funder", "--port", "0", "--keys", str(folder / "funder"), "--payment-keys"]

    assert main([*command, str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
