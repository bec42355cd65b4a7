"""The Lambdas as AWS calls them, over moto's stores: batches, poison, notifications, logs."""

import json
from contextlib import contextmanager

import boto3
import pytest
from chalice.test import Client
from moto import mock_aws

from app import app
from chalicelib import wiring
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.queues import encoded
from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.flows.ports import DeductionMessage, ServicingEvent
from chalicelib.settings import settings
from simulators import keys
from tests.builders import TODAY, at

CANARY = "6222020200112233445"


@pytest.fixture(autouse=True)
def world(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "INFO")
    with mock_aws():
        _forget()
        tables.bind("test", region="us-east-1")
        for table in tables.TABLES:
            table.create_table()
        sqs = boto3.client("sqs", region_name="us-east-1")
        for name in ("walks", "deductions", "asks", "notices", "receipts", "payment-notifications"):
            sqs.create_queue(QueueName=f"afterloan-test-{name}")
        yield
    _forget()


def _forget():
    settings.cache_clear()
    for found in vars(wiring).values():
        if hasattr(found, "cache_clear"):
            found.cache_clear()


def sqs_event(*bodies):
    """Make an SQS event whose records have message ids of their own."""
    return {
        "Records": [
            {"messageId": f"m{number}", "receiptHandle": "-", "body": body}
            for number, body in enumerate(bodies)
        ]
    }


def failures(payload):
    return [failure["itemIdentifier"] for failure in payload["batchItemFailures"]]


@contextmanager
def client():
    with Client(app) as made:
        yield made


class TestABatch:
    def test_fails_only_the_records_that_failed(self):
        good = encoded(
            ServicingEvent(
                event="due_soon",
                loan_id="LN1",
                borrower_id="B1",
                mode="self_operated",
                business_date=TODAY,
                occurred_at=wall_clock(),
                amount_fen=100,
                due_on=TODAY,
            )
        )
        with client() as lambdas:
            payload = lambdas.lambda_.invoke(
                "collect_notice", sqs_event(good, "{}", good, "not json")
            ).payload

        assert failures(payload) == ["m1", "m3"]

    def test_of_orders_of_loans_nobody_knows_goes_to_the_dead_letters(self):
        message = encoded(DeductionMessage(order_no="20261124-1-LN404", listed_fen=1))
        with client() as lambdas:
            payload = lambdas.lambda_.invoke("deduct", sqs_event(message)).payload

        assert failures(payload) == ["m0"]

    def test_ignores_keys_a_newer_version_may_add(self):
        body = json.loads(encoded(DeductionMessage(order_no="20261124-1-LN404", listed_fen=1)))
        assert "listed_fen" in body
        with client() as lambdas:
            payload = lambdas.lambda_.invoke(
                "walk_shard",
                sqs_event(
                    json.dumps(
                        {"job": "round_1", "business_date": "2026-11-24", "shard": 0, "new": 1}
                    )
                ),
            ).payload
        assert failures(payload) == ["m0"], "understood, and refused for want of a list"

    def test_that_fails_says_what_kind_of_failure_and_nothing_of_what_it_carried(self, capsys):
        with client() as lambdas:
            lambdas.lambda_.invoke("deduct", sqs_event(f'{{"order_no": "{CANARY}"}}'))

        assert CANARY not in capsys.readouterr().out


class TestTheSchedule:
    def test_takes_the_business_date_from_the_event_in_shanghai(self):
        for time, expected in (
            ("2026-11-23T15:59:59Z", "2026-11-23"),
            ("2026-11-23T16:10:00Z", "2026-11-24"),
        ):
            event = {
                "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
                "account": "1", "time": time, "region": "", "resources": [], "detail": {},
            }  # fmt: skip
            with client() as lambdas:
                lambdas.lambda_.invoke("make_due_list", event)
            run = wiring.runs().of_day(at(0, day=TODAY).date().fromisoformat(expected))
            assert [found.job for found in run] == ["due_list"]


class TestNotifications:
    @pytest.fixture
    def signer(self, tmp_path, monkeypatch):
        keys.make(tmp_path)
        theirs = json.loads((tmp_path / "platform.json").read_text())
        ours = json.loads((tmp_path / "merchant.json").read_text())
        verifier = Verifier(ours["platform_public_keys"])
        monkeypatch.setattr(wiring, "payment_verifier", lambda: verifier)
        monkeypatch.setattr(wiring, "sms_verifier", lambda: verifier)
        return Signer(theirs["key_id"], theirs["private_key_pem"])

    def post(self, path, body, headers):
        with client() as lambdas:
            return lambdas.http.post(
                path, body=body, headers={"Content-Type": "application/json", **headers}
            )

    def signed(self, signer, path, body, *, timestamp=None):
        timestamp = timestamp or wall_clock().isoformat(timespec="seconds")
        return signer.sign("POST", path, body, timestamp=timestamp, nonce="n1")

    def waiting(self, name):
        sqs = boto3.client("sqs", region_name="us-east-1")
        url = sqs.get_queue_url(QueueName=f"afterloan-test-{name}")["QueueUrl"]
        return [m["Body"] for m in sqs.receive_message(QueueUrl=url).get("Messages", [])]

    def test_of_an_order_has_it_asked_after(self, signer):
        path, body = "/v1/notifications/payments", b'{"order_no": "20261124-1-LN1", "status": "X"}'
        response = self.post(path, body, self.signed(signer, path, body))

        assert response.status_code == 200
        [message] = self.waiting("payment-notifications")
        assert json.loads(message) == {"order_no": "20261124-1-LN1", "rung": None}

    def test_of_a_text_is_stored(self, signer):
        path = "/v1/notifications/sms"
        body = json.dumps(
            {
                "receipt_id": "R1",
                "message_id": "20261124-paid-1-B1",
                "status": "DELIVERED",
                "reported_at": "2026-11-24T08:10:00+08:00",
                "reason": None,
            }
        ).encode()
        assert self.post(path, body, self.signed(signer, path, body)).status_code == 200
        assert len(self.waiting("receipts")) == 1

    @pytest.mark.parametrize("spoilt", ["nothing", "body", "path", "stale", "key"])
    def test_is_refused_if_anything_of_it_is_forged(self, signer, spoilt):
        path, body = "/v1/notifications/payments", b'{"order_no": "20261124-1-LN1"}'
        headers = self.signed(
            signer,
            "/elsewhere" if spoilt == "path" else path,
            body,
            timestamp="2026-11-23T00:00:00+08:00" if spoilt == "stale" else None,
        )
        if spoilt == "nothing":
            headers = {}
        if spoilt == "key":
            headers["X-Key-Id"] = "somebody"
        response = self.post(path, body + (b" " if spoilt == "body" else b""), headers)

        assert response.status_code == 401
        assert response.json_body["code"] == "bad_signature"
        assert self.waiting("payment-notifications") == []

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"order_no": 7}', b'{"order_no": "a b"}'])
    def test_that_is_signed_nonsense_is_a_bad_request(self, signer, body):
        path = "/v1/notifications/payments"
        response = self.post(path, body, self.signed(signer, path, body))

        assert response.status_code == 400

    def test_has_a_size(self, signer):
        path, body = "/v1/notifications/payments", b" " * 70_000
        assert self.post(path, body, self.signed(signer, path, body)).status_code == 413


def test_a_test_event_of_the_bucket_is_no_file():
    with client() as lambdas:
        payload = lambdas.lambda_.invoke(
            "file_landed", sqs_event(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))
        ).payload

    assert failures(payload) == []


def test_health():
    with client() as lambdas:
        assert lambdas.http.get("/v1/health").json_body == {"status": "ok", "stage": "test"}
