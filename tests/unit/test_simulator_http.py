"""The simulators over real connections on 127.0.0.1, on ports the system picks."""

import json
import os
import queue
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from threading import Thread

import pytest
import urllib3

from simulators import keys
from simulators.__main__ import main
from simulators.clock import SettableClock, rfc3339, wall_clock
from simulators.keys import UnreadableKeysError
from simulators.notifier import Notifier
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import PortInUseError, SimulatorServer
from simulators.signatures import BadSignatureError
from simulators.sms_platform import SmsPlatform
from simulators.sms_service import sms_service
from simulators.throttle import Throttle

ROOT = Path(__file__).parents[2]
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
    return Random(seed)  # noqa: S311 - chance of a simulated platform


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "payment"
    assert keys.make(folder)
    return folder


class Merchant:
    """Calls a simulated platform as Afterloan does."""

    def __init__(self, url, folder):
        self.ring = of_merchant(folder)
        self.http = urllib3.HTTPConnectionPool("127.0.0.1", int(url.rpartition(":")[2]))

    def headers(self, method, path, body, at=None):
        timestamp = rfc3339(at or wall_clock())
        return self.ring.signer.sign(
            method=method, path=path, body=body, timestamp=timestamp, nonce="n1"
        )

    def raw(self, method, path, body=b"", headers=None, timeout=5.0):
        return self.http.request(
            method, path, body=body, headers=headers, timeout=timeout, retries=False
        )

    def call(self, method, path, content=None, *, timeout=5.0):
        """Call signed, verify the answer's signature, give status and body."""
        body = b"" if content is None else json.dumps(content).encode()
        answer = self.raw(method, path, body, self.headers(method, path, body), timeout)
        self.verify(method, path, dict(answer.headers), answer.data)
        return answer.status, json.loads(answer.data)

    def verify(self, method, path, headers, body):
        self.ring.verifier.verify(
            method=method, path=path, headers=headers, body=body, now=wall_clock()
        )

    def control(self, method, name, content=None):
        body = None if content is None else json.dumps(content).encode()
        answer = self.raw(method, f"/_control/{name}", body)
        return answer.status, json.loads(answer.data)

    def script(self, *outcomes):
        return self.control("POST", "scripts", {"agreement_no": "AG7", "outcomes": outcomes})


class MemoryBucket:
    def __init__(self):
        self.objects = []

    def put(self, key, body):
        self.objects.append((key, body))


@contextmanager
def serving(service, folder):
    server = SimulatorServer(service, port=0)
    server.start()
    merchant = Merchant(server.url, folder)
    try:
        yield merchant
    finally:
        merchant.http.close()
        server.stop()


@pytest.fixture
def bucket():
    return MemoryBucket()


@pytest.fixture
def payment(key_folder, bucket):
    clock = SettableClock()
    platform = PaymentPlatform(clock=clock, rng=seeded(), hang_seconds=0.6)
    service = payment_service(
        platform=platform, clock=clock, keys=of_platform(key_folder), bucket=bucket
    )
    with serving(service, key_folder) as merchant:
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

        answer = payment.raw("POST", DEDUCTIONS, body, headers)

        assert (answer.status, answer.json()["code"]) == (401, "SIGNATURE_INVALID")
        assert payment.control("GET", "ledger")[1]["charges"] == []

    def test_are_over_the_raw_bytes(self, payment):
        body = json.dumps(ORDER).encode()
        headers = payment.headers("POST", DEDUCTIONS, body)

        answer = payment.raw("POST", DEDUCTIONS, body.replace(b": ", b":"), headers)

        assert answer.status == 401

    @pytest.mark.parametrize(("minutes", "status"), [(-6, 401), (-4, 404), (4, 404), (6, 401)])
    def test_are_good_for_five_minutes(self, payment, minutes, status):
        at = wall_clock() + timedelta(minutes=minutes)

        answer = payment.raw("GET", QUERY, b"", payment.headers("GET", QUERY, b"", at))

        assert answer.status == status

    def test_are_judged_by_the_real_time_whatever_the_platforms_clock_says(self, payment):
        payment.control("POST", "clock", {"now": "2030-01-01T08:00:00+08:00"})

        _, result = payment.call("POST", DEDUCTIONS, ORDER)

        assert result["paid_at"] == "2030-01-01T08:00:00+08:00"

    def test_are_bad_on_request(self, payment):
        payment.script("bad_signature")

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
        payment.script(outcome)

        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            payment.call("POST", DEDUCTIONS, ORDER, timeout=0.2)

        assert payment.call("GET", QUERY)[0] == query_status

    def test_is_dropped_in_the_end(self, payment):
        payment.script("timeout_after_charge")

        with pytest.raises(urllib3.exceptions.ProtocolError):
            payment.call("POST", DEDUCTIONS, ORDER)

    def test_shows_a_page(self, payment):
        payment.script("html_error")
        body = json.dumps(ORDER).encode()

        answer = payment.raw("POST", DEDUCTIONS, body, payment.headers("POST", DEDUCTIONS, body))

        assert (answer.status, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
        assert "X-Signature" not in answer.headers

    def test_is_slow(self, payment):
        payment.script("slow_ms:200")
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
            answer = payment.raw(
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

    def test_has_a_rate_limit(self, key_folder):
        clock, seconds = SettableClock(), iter([0.0, 0.0, 0.0, 0.0, 0.6])
        service = payment_service(
            platform=PaymentPlatform(clock=clock, rng=seeded()),
            clock=clock,
            keys=of_platform(key_folder),
            refuses=Throttle(qps=2, seconds=seconds.__next__).refuses,
        )
        with serving(service, key_folder) as merchant:
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


@contextmanager
def listening(*statuses):
    """Take posts, answer them one status after the other, hand them over."""
    arrived, answers = queue.Queue(), iter(statuses)

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(next(answers))
            self.end_headers()
            arrived.put((self.path, dict(self.headers), body))

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v1/notifications", arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestNotifier:
    def test_posts_signed_and_again_when_its_time_has_come(self, key_folder):
        clock = SettableClock()
        clock.set(datetime.fromisoformat("2026-11-24T08:00:00+08:00"))
        platform = PaymentPlatform(clock=clock, rng=seeded())
        service = payment_service(platform=platform, clock=clock, keys=of_platform(key_folder))
        notifier = Notifier(platform=platform, sign=service.signed)
        notifier.start()
        try:
            with serving(service, key_folder) as merchant, listening(500, 204) as (url, arrived):
                _, result = merchant.call("POST", DEDUCTIONS, ORDER | {"notify_url": url})
                path, headers, body = arrived.get(timeout=5)
                merchant.verify("POST", path, headers, body)
                assert (path, json.loads(body)) == ("/api/v1/notifications", result)

                while platform.next_notification_at() is None:
                    time.sleep(0.01)
                assert arrived.empty()
                merchant.control("POST", "clock", {"now": "2026-11-24T08:00:15+08:00"})
                assert arrived.get(timeout=5)[2] == body
        finally:
            notifier.stop()
        assert platform.next_notification_at() is None

    def test_does_not_stop_at_an_address_that_is_none(self, key_folder):
        clock = SettableClock()
        platform = PaymentPlatform(clock=clock, rng=seeded())
        service = payment_service(platform=platform, clock=clock, keys=of_platform(key_folder))
        for n, url in enumerate(("http://127.0.0.1:1/", "http://[", "http://:x/", "http:///")):
            assert platform.deduct(ORDER | {"order_no": f"O{n}", "notify_url": url}).status == 200
        notifier = Notifier(platform=platform, sign=service.signed)
        notifier.start()
        with listening(200) as (url, arrived):
            platform.deduct(ORDER | {"notify_url": url})
            assert arrived.get(timeout=5)
        notifier.stop()


class TestSms:
    def test_takes_a_text_and_posts_its_receipt(self, key_folder):
        clock = SettableClock()
        platform = SmsPlatform(clock=clock, rng=seeded())
        service = sms_service(platform=platform, clock=clock, keys=of_platform(key_folder))
        notifier = Notifier(platform=platform, sign=service.signed)
        notifier.start()
        text = {"message_id": "M1", "phone": "10012345678", "template": "t", "text": "您好"}
        try:
            with serving(service, key_folder) as merchant, listening(200) as (url, arrived):
                status, accepted = merchant.call("POST", "/v1/messages", text)
                merchant.control("POST", "receipts-url", {"url": url})
                path, headers, body = arrived.get(timeout=5)
                merchant.verify("POST", path, headers, body)

                assert status == 200
                assert json.loads(body)["receipt_id"] == accepted["receipt_id"]
                assert json.loads(body)["status"] == "DELIVERED"
                assert merchant.call("GET", "/v1/messages/M1")[1] == json.loads(body)
                assert merchant.control("GET", "messages")[1]["messages"][0]["text"] == "您好"
                assert merchant.control("POST", "receipts-url", {"url": "x"})[0] == 400
        finally:
            notifier.stop()


class TestKeys:
    def test_are_made_once_and_for_the_owner_alone(self, key_folder, capsys):
        files = sorted(key_folder.iterdir())
        before = [file.read_bytes() for file in files]

        assert [file.name for file in files] == ["merchant.json", "platform.json"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert main(["keys", "--out", str(key_folder)]) == 0
        assert [file.read_bytes() for file in files] == before
        assert "already there" in capsys.readouterr().out

    def test_of_the_merchant_are_what_the_secret_holds(self, key_folder):
        given = json.loads((key_folder / "merchant.json").read_text())

        assert list(given) == [
            "key_id",
            "private_key_pem",
            "platform_key_id",
            "platform_public_keys",
        ]
        assert list(given["platform_public_keys"]) == [given["platform_key_id"]]

    def test_must_be_there(self, tmp_path):
        with pytest.raises(UnreadableKeysError):
            keys.of_platform(tmp_path)


class TestCommand:
    def test_says_in_one_line_that_a_port_is_in_use(self, key_folder, capsys):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            code = main(["payment", "--port", str(port), "--keys", str(key_folder)])

        said = capsys.readouterr().err
        assert (code, said.count("\n")) == (2, 1)
        assert f"127.0.0.1:{port}: Address already in use" in said

    def test_says_in_one_line_that_there_are_no_keys(self, tmp_path, capsys):
        assert main(["sms", "--port", "0", "--keys", str(tmp_path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_a_second_server_is_refused_the_port(self, payment, key_folder):
        clock = SettableClock()
        service = payment_service(
            platform=PaymentPlatform(clock=clock, rng=seeded()),
            clock=clock,
            keys=of_platform(key_folder),
        )
        with pytest.raises(PortInUseError):
            SimulatorServer(service, port=payment.http.port)

    def test_stops_at_once_even_while_somebody_hangs(self, key_folder):
        command = ["-m", "simulators", "payment", "--port", "0", "--keys", str(key_folder)]
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, *command, "--hang-seconds", "60", "--notify"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            url = process.stdout.readline().split()[-1]
            merchant = Merchant(url, key_folder)
            merchant.script("timeout_after_charge")
            with pytest.raises(urllib3.exceptions.ReadTimeoutError):
                merchant.call("POST", DEDUCTIONS, ORDER, timeout=0.2)
            started = time.monotonic()

            process.send_signal(signal.SIGTERM)

            assert process.wait(timeout=5) == 0
            assert time.monotonic() - started < 2
            merchant.http.close()
