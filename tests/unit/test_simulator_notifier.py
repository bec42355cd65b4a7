"""What the simulated platforms tell by themselves: notifications and receipts, over HTTP."""

import json
import queue
import time
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random  # noqa: TID251 - seeded
from threading import Thread

import pytest

from simulators import keys
from simulators.clock import SettableClock
from simulators.merchant import Merchant
from simulators.notifier import Notifier
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer
from simulators.sms_platform import SmsPlatform
from simulators.sms_service import sms_service

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
    def test_posts_signed_and_again_when_its_time_has_come(self, serving, key_folder):
        clock = SettableClock()
        clock.set(datetime.fromisoformat("2026-11-24T08:00:00+08:00"))
        platform = PaymentPlatform(clock=clock, rng=seeded())
        service = payment_service(platform=platform, clock=clock, keys=of_platform(key_folder))
        notifier = Notifier(platform=platform, sign=service.signed)
        notifier.start()
        try:
            with serving(service) as merchant, listening(500, 204) as (url, arrived):
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
    def test_takes_a_text_and_posts_its_receipt(self, serving, key_folder):
        clock = SettableClock()
        platform = SmsPlatform(clock=clock, rng=seeded())
        service = sms_service(platform=platform, clock=clock, keys=of_platform(key_folder))
        notifier = Notifier(platform=platform, sign=service.signed)
        notifier.start()
        text = {"message_id": "M1", "phone": "10012345678", "template": "t", "text": "您好"}
        try:
            with serving(service) as merchant, listening(200) as (url, arrived):
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
