"""The simulated payment platform over real connections, on ports the system picks."""

import json
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from random import Random  # noqa: TID251 - seeded

import boto3
import pytest
import urllib3
from moto import mock_aws

from simulators import keys
from simulators.clock import SettableClock, wall_clock
from simulators.exchange_bucket import ExchangeBucket
from simulators.merchant import Merchant
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer
from simulators.signatures import BadSignatureError
from simulators.throttle import Throttle

DEDUCTIONS = "/v1/deductions"
ORDER = {
    "order_no": "20261124-1-LN7",
    "agreement_no": "AG7",
    "amount_fen": 100_00,
    "currency": "CNY",
    "split": [],
    "notify_url": "",
    "subject": "还款",
}
QUERY = f"{DEDUCTIONS}/{ORDER['order_no']}"

of_merchant, of_platform = cache(keys.of_merchant), cache(keys.of_platform)


def seeded(seed=7):
    return Random(seed)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "payment"
    assert keys.make(folder)
    return folder


@pytest.fixture
def serving(key_folder):
    """Serve a platform, and give a merchant who knows it."""

    @contextmanager
    def serve(service):
        with SimulatorServer(service, port=0) as server:
            merchant = Merchant(url=server.url, ring=of_merchant(key_folder))
            yield merchant
            merchant.close()

    return serve


def script(merchant, *outcomes):
    return merchant.control("POST", "scripts", {"agreement_no": "AG7", "outcomes": outcomes})


class MemoryBucket:
    def __init__(self):
        self.objects = []

    def put(self, key, body):
        self.objects.append((key, body))


@pytest.fixture
def bucket():
    return MemoryBucket()


@pytest.fixture
def payment(serving, key_folder, bucket):
    clock = SettableClock()
    platform = PaymentPlatform(clock=clock, rng=seeded(), hang_seconds=0.6)
    service = payment_service(
        platform=platform, clock=clock, keys=of_platform(key_folder), bucket=bucket
    )
    with serving(service) as merchant:
        yield merchant


class TestSignatures:
    def test_are_on_every_answer(self, payment):
        assert payment.call("POST", DEDUCTIONS, ORDER)[1]["status"] == "SUCCEEDED"
        assert payment.call("GET", QUERY)[0] == 200
        assert payment.call("GET", f"{DEDUCTIONS}/nothing") == (
            404,
            {"code": "NOT_EXIST", "message": "订单不存在"},
        )

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda headers: headers.clear(),
            lambda headers: headers.update({"X-Key-Id": "other"}),
            lambda headers: headers.update({"X-Nonce": "n2"}),
            lambda headers: headers.update({"X-Signature": "!"}),
            lambda headers: headers.update({"X-Timestamp": "yesterday"}),
            lambda headers: headers.pop("X-Signature"),
        ],
    )
    def test_must_be_right(self, payment, spoil):
        body = json.dumps(ORDER).encode()
        headers = payment.headers("POST", DEDUCTIONS, body)
        spoil(headers)

        answer = payment.send("POST", DEDUCTIONS, body, headers)

        assert (answer.status, answer.json()["code"]) == (401, "SIGNATURE_INVALID")
        assert payment.control("GET", "ledger")[1]["charges"] == []

    def test_are_over_the_raw_bytes(self, payment):
        body = json.dumps(ORDER).encode()
        headers = payment.headers("POST", DEDUCTIONS, body)

        answer = payment.send("POST", DEDUCTIONS, body.replace(b": ", b":"), headers)

        assert answer.status == 401

    @pytest.mark.parametrize(("minutes", "status"), [(-6, 401), (-4, 404), (4, 404), (6, 401)])
    def test_are_good_for_five_minutes(self, payment, minutes, status):
        at = wall_clock() + timedelta(minutes=minutes)

        answer = payment.send("GET", QUERY, b"", payment.headers("GET", QUERY, b"", at=at))

        assert answer.status == status

    def test_are_judged_by_the_real_time_whatever_the_platforms_clock_says(self, payment):
        payment.control("POST", "clock", {"now": "2030-01-01T08:00:00+08:00"})

        _, result = payment.call("POST", DEDUCTIONS, ORDER)

        assert result["paid_at"] == "2030-01-01T08:00:00+08:00"

    def test_are_bad_on_request(self, payment):
        script(payment, "bad_signature")

        for method, path, content in ((("POST", DEDUCTIONS, ORDER)), ("GET", QUERY, None)):
            with pytest.raises(BadSignatureError, match="does not match"):
                payment.call(method, path, content)
        assert payment.call("GET", QUERY)[1]["status"] == "SUCCEEDED"


class TestTheWire:
    @pytest.mark.parametrize(
        ("outcome", "query_status"),
        [("timeout_after_charge", 200), ("timeout_before_charge", 404)],
    )
    def test_hangs_until_the_client_has_enough(self, payment, outcome, query_status):
        script(payment, outcome)

        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            payment.call("POST", DEDUCTIONS, ORDER, seconds=0.2)

        assert payment.call("GET", QUERY)[0] == query_status

    def test_is_dropped_in_the_end(self, payment):
        script(payment, "timeout_after_charge")

        with pytest.raises(urllib3.exceptions.ProtocolError):
            payment.call("POST", DEDUCTIONS, ORDER)

    def test_shows_a_page(self, payment):
        script(payment, "html_error")
        body = json.dumps(ORDER).encode()

        answer = payment.send("POST", DEDUCTIONS, body, payment.headers("POST", DEDUCTIONS, body))

        assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
        assert "X-Signature" not in answer.headers

    def test_is_slow(self, payment):
        script(payment, "slow_ms:200")
        started = time.monotonic()

        payment.call("POST", DEDUCTIONS, ORDER)

        assert time.monotonic() - started >= 0.2

    def test_keeps_connections(self, payment):
        for _ in range(5):
            payment.call("POST", DEDUCTIONS, ORDER)

        assert payment.http.num_connections == 1

    def test_refuses_what_is_not_json_or_too_much(self, payment):
        for body, status in (
            (b"[]", 400),
            (b"{", 400),
            (b"[" * 200_000, 400),
            (b" " * 1_000_001, 413),
        ):
            answer = payment.send(
                "POST", DEDUCTIONS, body, payment.headers("POST", DEDUCTIONS, body)
            )
            assert answer.status == status

    def test_has_no_other_routes(self, payment):
        assert payment.call("GET", "/v1/other")[0] == 404
        assert payment.call("DELETE", DEDUCTIONS)[0] == 405


class TestMoreOfThePlatform:
    def test_closes_and_refunds(self, payment):
        payment.call("POST", DEDUCTIONS, ORDER)

        status, closed = payment.call("POST", f"{QUERY}/close")
        refund = {"refund_no": "R1", "order_no": ORDER["order_no"], "amount_fen": 1}

        assert (status, closed["code"], closed["status"]) == (409, "ORDER_PAID", "SUCCEEDED")
        assert payment.call("POST", "/v1/refunds", refund)[1]["status"] == "SUCCEEDED"

    def test_has_a_rate_limit(self, serving, key_folder):
        clock, seconds = SettableClock(), iter([0.0, 0.0, 0.0, 0.0, 0.6])
        service = payment_service(
            platform=PaymentPlatform(clock=clock, rng=seeded()),
            clock=clock,
            keys=of_platform(key_folder),
            refuses=Throttle(qps=2, seconds=seconds.__next__).refuses,
        )
        with serving(service) as merchant:
            statuses = [merchant.call("POST", DEDUCTIONS, ORDER)[0] for _ in range(4)]

        assert statuses == [200, 200, 429, 200]


class TestControl:
    def test_says_it_is_well(self, payment):
        assert payment.control("GET", "health") == (200, {"name": "payment"})

    def test_stands_still_at_the_time_it_was_set_to(self, payment):
        at = "2026-11-24T08:00:00+08:00"

        assert payment.control("POST", "clock", {"now": at}) == (200, {"now": at})
        assert payment.call("POST", DEDUCTIONS, ORDER)[1]["paid_at"] == at
        assert payment.control("GET", "ledger?date=2026-11-24")[1]["requests"] == 1
        assert payment.control("GET", "ledger?date=2026-11-25")[1]["requests"] == 0

    def test_takes_many_scripts_at_once(self, payment):
        scripts = [{"agreement_no": f"AG{n}", "outcomes": ["card_closed"]} for n in range(9)]

        assert payment.control("POST", "scripts", {"scripts": scripts}) == (200, {"scripts": 9})
        assert payment.call("POST", DEDUCTIONS, ORDER)[1]["failure_code"] == "CARD_CLOSED"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("clock", {"now": "2026-11-24T08:00:00"}),
            ("clock", {"now": "soon"}),
            ("clock", {"now": 5}),
            ("scripts", {"agreement_no": "AG7", "outcomes": ["explode"]}),
            ("scripts", {"agreement_no": "AG7"}),
            ("scripts", {"scripts": [1]}),
            ("mix", {"explode": 1}),
            ("mix", {"succeed": "often"}),
            ("close-day", {"date": "tomorrow"}),
            ("close-day", {"date": "2026-11-24", "mutations": ["explode"]}),
            ("close-day", {"date": "2026-11-24", "version": 0}),
            ("close-day", {"date": "2026-11-24", "channel": "../x"}),
        ],
    )
    def test_refuses_nonsense(self, payment, name, content):
        assert payment.control("POST", name, content)[0] == 400

    def test_close_day_writes_the_bill_and_then_its_manifest(self, payment, bucket):
        payment.control("POST", "clock", {"now": "2026-11-24T08:00:00+08:00"})
        payment.call("POST", DEDUCTIONS, ORDER)
        asked = {"date": "2026-11-24", "version": 2, "mutations": ["extra_row"]}

        status, answer = payment.control("POST", "close-day", asked)

        key = "in/payment/main/bill/20261124/bill_v2.csv"
        assert status == 200
        assert answer == {
            "key": key,
            "rows": 2,
            "amount_fen": 200_00,
            "mutations": [{"kind": "extra_row", "order_no": "20261124-1-LN9999900000"}],
        }
        assert [name for name, _ in bucket.objects] == [key, f"{key}.ok"]
        assert json.loads(bucket.objects[1][1])["rows"] == 2

    def test_close_day_needs_a_bucket(self, serving, key_folder):
        clock = SettableClock()
        service = payment_service(
            platform=PaymentPlatform(clock=clock, rng=seeded()),
            clock=clock,
            keys=of_platform(key_folder),
        )
        with serving(service) as merchant:
            status, answer = merchant.control("POST", "close-day", {"date": "2026-11-24"})

        assert (status, answer["code"]) == (409, "NO_BUCKET")


def test_the_exchange_bucket_keeps_what_is_put(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="exchange")

        ExchangeBucket("exchange", "", "us-east-1").put("in/a.csv", b"a\n")

        assert s3.get_object(Bucket="exchange", Key="in/a.csv")["Body"].read() == b"a\n"
