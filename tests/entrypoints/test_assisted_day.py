"""A day of loan assistance through the Lambdas: the funder deducts, we apply what it tells."""

import hashlib
import json
from dataclasses import replace
from random import Random  # noqa: TID251  seeded: the simulator's chance
from types import SimpleNamespace

import boto3
import pytest

from chalicelib import wiring, wiring_assistance
from chalicelib.adapters import funders
from chalicelib.domain.funder import Funder, TextsBy
from chalicelib.domain.loan import Mode
from simulators import keys
from simulators.clock import SettableClock
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer
from tests.assisted import COLUMNS, PARTS, TOMORROW, a_failure, a_result, fen_of
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes_files import a_bill_row, a_file, a_manifest
from tests.lambdas import forget

FOLDER = "in/funders/F3/results/20261124"
BILL_KEY = "in/payment/main/bill/20261124/bill_v1.csv"


@pytest.fixture
def funder(house, key_folder, monkeypatch):
    """Let a funder deduct by itself, at an address of its own, under keys of its own."""
    clock = SettableClock()
    clock.set(at(10))
    platform = PaymentPlatform(clock=clock, rng=Random(3), hang_seconds=0.1)
    service = payment_service(platform=platform, clock=clock, keys=keys.of_platform(key_folder))
    merchant = json.loads((key_folder / "merchant.json").read_text())
    secrets = boto3.client("secretsmanager", region_name="us-east-1")
    ours = {name: merchant[name] for name in ("key_id", "private_key_pem")}
    secrets.create_secret(Name="afterloan/test/funder-F3", SecretString=json.dumps(ours))
    public = dict.fromkeys(("payment-platform", "funder-F3"), merchant["platform_public_keys"])
    secrets.put_secret_value(SecretId="afterloan/test/public-keys", SecretString=json.dumps(public))
    monkeypatch.setenv("SERVED_MODES", "self_operated,loan_assistance")
    with SimulatorServer(service, port=0) as server:
        made = Funder(
            funder_id="F3",
            name="草原信托",
            deductions_url="https://three.example/v1/deductions",
        )
        monkeypatch.setenv("FUNDER_URLS", f"F3={server.url}/v1/deductions")
        monkeypatch.setattr(funders, "read", lambda: {"F3": made})
        forget()
        yield SimpleNamespace(platform=platform, clock=clock, agreed=made)
        if reached := wiring_assistance.funder_platform("F3"):
            reached._http._pool.clear()
    forget()


def lend(house, loan_id, **changes):
    facts = {"mode": Mode.LOAN_ASSISTANCE, "funder_id": "F3", "borrower_id": f"B-{loan_id}"}
    return house.book(a_loan(loan_id, **(facts | changes)), a_cut())


def tell(house, *rows, round_no=1, version=1):
    body = a_file(list(rows), columns=COLUMNS)
    told = {
        "rows": len(rows),
        "amount_fen": sum(int(row[part]) for row in rows for part in PARTS),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    key = f"{FOLDER}/results_r{round_no}_v{version}.csv"
    house.land(body, json.dumps(told).encode(), key=key)


def first_instalment(loan_id):
    first = a_cut().instalments[0]
    return a_result(loan_id, principal_fen=first.principal.fen, interest_fen=first.interest.fen)


def at_work(house, hour, minute=0, *, day=TODAY):
    house.clock(at(hour, minute, day=day))


def test_from_the_list_to_the_close(house, funder):
    for loan_id in ("LN1", "LN2", "LN3"):
        lend(house, loan_id)
    house.schedule("make_due_list", at(0, 10))
    house.schedule("open_round_1", at(8))
    assert house.charges() == [], "what a funder deducts is in no round of ours"

    at_work(house, 10)
    phone = house.phone("B-LN3")
    quote = phone.quote("LN3", "instalment")
    order_no = phone.pays(quote["quote_id"], loan_id="LN3").headers["Location"].rpartition("/")[2]
    house.send_repayments()
    assert phone.order(order_no).json_body["status"] == "SUCCEEDED"
    assert [charge.order_no for charge in funder.platform.charges()] == [order_no]
    assert house.charges() == []

    at_work(house, 12)
    (record,) = [row for row in house.journal() if row.order_no == order_no]
    wish = a_result(
        "LN3",
        round=0,
        funder_trade_no=record.result.trade_no,
        paid_at="2026-11-24T10:00:00+08:00",
        **fen_of(record.components),
    )
    tell(house, first_instalment("LN1"), a_failure("LN2"), wish)
    tell(house, first_instalment("LN1"), a_failure("LN2"), wish)
    at_work(house, 18)
    tell(house, first_instalment("LN2") | {"round": "2"}, round_no=2)
    ends = {row.order_no: row.result.status for row in house.journal()}
    assert ends == {
        order_no: "SUCCEEDED",
        "20261124-1-LN1": "SUCCEEDED",
        "20261124-1-LN2": "FAILED",
        "20261124-2-LN2": "SUCCEEDED",
    }

    house.announce()
    told = {
        (row.recipient_key.split("#")[0], row.recipient_key.split("#")[1])
        for row in house.notices()
    }
    assert told == {
        ("B-LN1", "deduction_succeeded"),
        ("B-LN2", "deduction_failed"),
        ("B-LN2", "deduction_succeeded"),
        ("B-LN3", "active_succeeded"),
    }

    house.schedule("sweep", at(15, 45))
    house.schedule("open_round_2", at(16))
    house.schedule("sweep", at(20, 15))
    day = wiring.runs().get(TODAY, "assisted_day_F3")
    assert day.is_complete
    assert (day.totals["expected"]["count"], day.totals["open"]) == (3, 0)

    body = a_file([], columns=list(a_bill_row()))
    at_work(house, 10, day=TOMORROW)
    house.land(body, a_manifest(body, [], "amount_fen"), key=BILL_KEY)
    house.schedule("close_day", at(11, day=TOMORROW))
    assert wiring.runs().get(TODAY, "close").is_complete


def test_a_file_of_a_funder_that_is_not_served_is_expected_by_nobody(house, funder, monkeypatch):
    lend(house, "LN1")
    monkeypatch.setenv("SERVED_MODES", "self_operated")
    forget()
    tell(house, first_instalment("LN1"))

    assert house.journal() == []
    assert house.counted["FilesQuarantined"] > 0


def test_the_watch_names_results_that_are_late(house, funder):
    lend(house, "LN1")
    house.schedule("make_due_list", at(0, 10))
    house.schedule("watch", at(13, 40))

    late = house.counted["Late"]
    tell(house, first_instalment("LN1"))
    house.schedule("watch", at(13, 40))
    assert house.counted["Late"] == 2 * late - 1


def test_texts_of_a_funder_that_sends_them_are_its_own(house, funder, monkeypatch):
    lend(house, "LN1")
    silent = replace(funder.agreed, texts_by=TextsBy.FUNDER)
    monkeypatch.setattr(funders, "read", lambda: {"F3": silent})
    forget()
    tell(house, first_instalment("LN1"))
    house.announce()

    assert len(house.journal()) == 1
    assert house.notices() == []
