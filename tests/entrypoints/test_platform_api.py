"""What the platforms notify us of, over HTTP and then from the queue.

Test numbers are those of failures.md part B.
"""

import hashlib
import json
from collections import Counter
from io import StringIO

import boto3
import pytest
from moto import mock_aws

from app import app
from chalicelib import wiring
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.tables import NotificationRow
from chalicelib.adapters.queues import encoded
from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.deduction import Outcome
from chalicelib.domain.money import Money
from chalicelib.flows import payment_notification
from chalicelib.flows.payment_notification import NotificationMessage, State, Taken
from chalicelib.flows.ports import AskMessage
from simulators import keys
from tests.fakes_notifications import ORDER_NO
from tests.lambdas import client, count_to, failures, forget, log_to, sqs_event

PAYMENTS, TEXTS = "/v1/notifications/payments", "/v1/notifications/sms"
QUEUES = ("payment-notifications", "receipts", "asks", "deductions")
CANARY = "6222020200112233445"


@pytest.fixture(scope="module")
def cloud():
    with mock_aws():
        forget()
        tables.bind("test", region="us-east-1")
        for table in tables.TABLES:
            table.create_table()
        for name in QUEUES:
            boto3.client("sqs", region_name="us-east-1").create_queue(
                QueueName=f"afterloan-test-{name}"
            )
        yield
    forget()


@pytest.fixture(autouse=True)
def world(cloud, monkeypatch):
    """Start with an empty inbox and empty queues, and a platform that must not be called."""
    forget()
    for row in NotificationRow.scan():
        row.delete()
    for name in QUEUES:
        waiting(name)

    def called():
        pytest.fail("the platform was called before the notification was acknowledged")

    monkeypatch.setattr(wiring, "payment_platform", called)
    monkeypatch.setattr(wiring, "sms_platform", called, raising=False)
    yield
    forget()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Make the platform's key, and ours to verify with."""
    directory = tmp_path_factory.mktemp("keys")
    keys.make(directory)
    theirs = json.loads((directory / "platform.json").read_text())
    ours = json.loads((directory / "merchant.json").read_text())
    stranger = Signer(theirs["key_id"], ours["private_key_pem"])
    return (
        Signer(theirs["key_id"], theirs["private_key_pem"]),
        stranger,
        Verifier(ours["platform_public_keys"]),
    )


@pytest.fixture
def signer(pair, monkeypatch):
    platform, _, verifier = pair
    monkeypatch.setattr(wiring, "payment_verifier", lambda: verifier)
    monkeypatch.setattr(wiring, "sms_verifier", lambda: verifier)
    return platform


def waiting(name):
    """Take what lies in a queue."""
    sqs = boto3.client("sqs", region_name="us-east-1")
    url = sqs.get_queue_url(QueueName=f"afterloan-test-{name}")["QueueUrl"]
    taken = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken.append(message["Body"])
    return taken


def inbox():
    return list(NotificationRow.scan())


def a_body(**changes) -> bytes:
    facts = {
        "order_no": ORDER_NO,
        "trade_no": "T1",
        "status": "SUCCEEDED",
        "failure_code": None,
        "message": f"card {CANARY}",
        "amount_fen": 1_000_00,
        "paid_at": "2026-11-24T09:00:00+08:00",
    }
    return json.dumps(facts | changes).encode()


def signed(signer, path, body, *, timestamp=None, nonce="n1"):
    timestamp = timestamp or wall_clock().isoformat(timespec="seconds")
    return signer.sign("POST", path, body, timestamp=timestamp, nonce=nonce)


def post(path, body, headers):
    with client() as lambdas:
        return lambdas.http.post(
            path, body=body, headers={"Content-Type": "application/json", **headers}
        )


def notify(signer, body, path=PAYMENTS):
    return post(path, body, signed(signer, path, body))


def nothing_happened():
    return inbox() == [] and waiting("payment-notifications") == [] == waiting("receipts")


class TestAPaymentNotification:
    def test_38_is_stored_and_put_on_the_queue_and_no_platform_is_called(self, signer):
        body = a_body(currency="CNY")
        response = notify(signer, body)

        assert (response.status_code, response.json_body) == (200, {"acknowledged": True})
        digest = hashlib.sha256(body).hexdigest()
        [row] = inbox()
        assert (row.notification_id, row.order_no, row.state) == (digest, ORDER_NO, "received")
        assert (row.status, row.amount, row.currency) == ("SUCCEEDED", Money(1_000_00), "CNY")
        assert row.order_date.isoformat() == "2026-11-24"
        assert row.paid_at.isoformat() == "2026-11-24T09:00:00+08:00"
        [message] = waiting("payment-notifications")
        assert json.loads(message) == {"order_no": ORDER_NO, "notification_id": digest}

    def test_is_kept_for_half_a_year_and_without_what_may_be_personal(self, signer):
        notify(signer, a_body())
        [row] = inbox()

        assert row.expires_at - int(row.received_at.timestamp()) == 180 * 24 * 3600
        assert CANARY not in json.dumps(row.to_simple_dict(), default=str)

    def test_31_a_hundred_times_is_stored_once_and_acknowledged_each_time(self, signer):
        body = a_body()
        headers = signed(signer, PAYMENTS, body)
        with client() as lambdas:
            statuses = {
                lambdas.http.post(
                    PAYMENTS, body=body, headers={"Content-Type": "application/json", **headers}
                ).status_code
                for _ in range(100)
            }

        assert statuses == {200}
        assert len(inbox()) == 1
        assert len(set(waiting("payment-notifications"))) == 1

    def test_34_of_an_order_nobody_knows_is_stored(self, signer):
        assert notify(signer, a_body(order_no="NOT-OURS")).status_code == 200
        [row] = inbox()
        assert (row.order_no, row.order_date) == ("NOT-OURS", None)

    def test_40_again_with_another_nonce_is_the_same_one(self, signer):
        body = a_body()
        for nonce in ("n1", "n2"):
            assert (
                post(PAYMENTS, body, signed(signer, PAYMENTS, body, nonce=nonce)).status_code == 200
            )

        assert len(inbox()) == 1

    def test_whose_queue_fails_is_not_acknowledged_and_is_put_when_it_comes_again(
        self, signer, monkeypatch
    ):
        class Broken:
            def put(self, messages):
                raise ConnectionError

        with monkeypatch.context() as patched:
            patched.setattr(wiring, "queue", lambda _: Broken())
            assert notify(signer, a_body()).status_code == 500
        assert len(inbox()) == 1
        assert notify(signer, a_body()).status_code == 200
        assert len(waiting("payment-notifications")) == 1


class TestAForgery:
    """32, 40: refused, nothing changes, and the log says so."""

    @pytest.mark.parametrize(
        "spoilt",
        ["unsigned", "body", "serialised again", "path", "late", "early", "key id", "key", "base64"],
    )  # fmt: skip
    def test_32_is_refused(self, signer, pair, spoilt, monkeypatch):
        logged, counted = StringIO(), Counter()
        log_to(logged, monkeypatch)
        count_to(counted, monkeypatch)
        body = a_body()
        now = wall_clock()
        timestamps = {
            "late": "2020-01-01T00:00:00+08:00",
            "early": f"{now.year + 1}-01-01T00:00:00Z",
        }
        headers = signed(
            pair[1] if spoilt == "key" else signer,
            "/elsewhere" if spoilt == "path" else PAYMENTS,
            body,
            timestamp=timestamps.get(spoilt),
        )
        match spoilt:
            case "unsigned":
                headers = {}
            case "key id":
                headers["X-Key-Id"] = "somebody"
            case "base64":
                headers["X-Signature"] = "é"
            case "body":
                body += b" "
            case "serialised again":
                body = json.dumps(json.loads(body), separators=(",", ":")).encode()
        response = post(PAYMENTS, body, headers)

        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.json_body["code"] == "bad_signature"
        assert nothing_happened()
        assert counted == {"SignaturesRefused": 1}
        assert "notification not believed" in logged.getvalue()
        assert CANARY not in logged.getvalue()

    def test_32_of_a_receipt_is_refused_as_well(self, signer):
        assert post(TEXTS, b"{}", {}).status_code == 401
        assert nothing_happened()


class TestNonsense:
    """37: whatever comes, it is refused; signed or not, it never is a 500."""

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b"[]", "bad_request"),
            (b"null", "bad_request"),
            (b'{"order_no": 7}', "bad_request"),
            (b'{"order_no": "a b"}', "bad_request"),
            (b'{"order_no": "\\ud83d\\ude00"}', "bad_request"),
            (b'{"order_no": "\\ud83d"}', "not_json"),
            (b'{"order_no": "A", "order_no": "B"}', "duplicate_key"),
            (b'{"order_no": "A", "amount_fen": NaN}', "not_a_number"),
            (b'{"order_no": "A", "amount_fen": 1e999}', "not_a_number"),
            (b'{"order_no": "A", "amount_fen": "100"}', "bad_request"),
            (b'{"order_no": "A", "amount_fen": 100.0}', "bad_request"),
            (b'{"order_no": "A", "amount_fen": true}', "bad_request"),
            (b'{"order_no": "A", "amount_fen": -1}', "bad_request"),
            (b'{"order_no": "A", "status": "a b"}', "bad_request"),
            (b'{"order_no": "A", "paid_at": "2026-11-24T09:00:00"}', "bad_request"),
            (b"[" * 60_000, "too_deep"),
        ],
    )
    def test_37_that_is_signed_is_a_bad_request(self, signer, body, code):
        response = notify(signer, body)

        assert (response.status_code, response.json_body["code"]) == (400, code)
        assert nothing_happened()

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (a_body(message="😀 𠮷 王小明"), 200),
            ('{"order_no": "A", "message": "王小明"}'.encode("gbk"), 400),
            ('{"order_no": "A", "message": "王小明"}'.encode("utf-16"), 400),
            (b'{"order_no": "A", "message": "\xed\xa0\x80"}', 400),
        ],
    )
    def test_37_in_any_encoding_is_read_or_refused(self, signer, body, status):
        assert notify(signer, body).status_code == status

    @pytest.mark.parametrize("size", [64 * 1024 + 1, 10 * 1024 * 1024])
    def test_37_that_is_too_large_is_refused_before_it_is_verified(self, signer, size):
        response = post(PAYMENTS, b"[" * size, {})

        assert (response.status_code, response.json_body["code"]) == (413, "body_too_large")

    @pytest.mark.parametrize("content_type", ["application/xml", "text/xml", "text/plain"])
    def test_37_in_xml_is_not_read(self, signer, content_type):
        body = b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"
        headers = {**signed(signer, PAYMENTS, body), "Content-Type": content_type}

        assert post(PAYMENTS, body, headers).status_code == 415
        assert nothing_happened()

    @pytest.mark.parametrize(
        "given",
        [
            {"body": "\ud83d", "isBase64Encoded": False},
            {"body": "not base64", "isBase64Encoded": True},
            {"body": "王", "isBase64Encoded": True},
            {"body": None, "isBase64Encoded": False},
        ],
    )
    def test_37_that_aws_could_hand_us_is_never_a_500(self, signer, given):
        event = {
            "resource": PAYMENTS,
            "path": PAYMENTS,
            "headers": {"content-type": "application/json"},
            "multiValueQueryStringParameters": None,
            "pathParameters": None,
            "stageVariables": None,
            "requestContext": {"httpMethod": "POST", "resourcePath": PAYMENTS, "path": PAYMENTS},
            **given,
        }

        assert app(event, None)["statusCode"] in {400, 401}


class TestAReceipt:
    def test_is_put_on_its_queue(self, signer):
        body = json.dumps(
            {
                "receipt_id": "R1",
                "message_id": "20261124-paid-1-B1",
                "status": "DELIVERED",
                "reported_at": "2026-11-24T08:10:00+08:00",
                "reason": None,
            }
        ).encode()

        assert notify(signer, body, TEXTS).status_code == 200
        assert json.loads(waiting("receipts")[0])["message_id"] == "20261124-paid-1-B1"

    def test_with_a_key_twice_is_refused(self, signer):
        body = b'{"receipt_id": "R", "message_id": "M", "status": "FAILED", "status": "DELIVERED"}'

        assert notify(signer, body, TEXTS).json_body["code"] == "duplicate_key"


class TestTheWorker:
    @pytest.fixture(autouse=True)
    def platform(self, world, monkeypatch):
        monkeypatch.setattr(wiring, "payment_platform", lambda: None)

    def work(self, *bodies):
        with client() as lambdas:
            return lambdas.lambda_.invoke("take_payment_notification", sqs_event(*bodies)).payload

    def test_34_counts_an_order_nobody_knows_and_has_no_dead_letter(self, signer, monkeypatch):
        counted = Counter()
        count_to(counted, monkeypatch)
        for order_no in ("NOT-OURS", "20261124-1-LN404"):
            notify(signer, a_body(order_no=order_no))
        payload = self.work(*waiting("payment-notifications"))

        assert failures(payload) == []
        assert {row.state for row in inbox()} == {"unknown_order"}
        assert counted == {"NotificationsUnknown": 2}

    def test_takes_a_message_of_the_version_before(self):
        old = encoded(AskMessage(order_no="20261124-1-LN404", rung=None))

        assert "notification_id" not in old
        assert failures(self.work(old)) == []

    def test_gives_the_version_before_a_message_it_can_read(self):
        new = json.loads(encoded(NotificationMessage(order_no=ORDER_NO, notification_id="a" * 64)))

        assert set(new) == {"order_no", "notification_id"}

    @pytest.mark.parametrize(
        ("taken", "counted"),
        [
            (Taken(state=State.DIFFERS, outcome=Outcome.SUCCEEDED), {"NotificationsDiffering"}),
            (Taken(state=State.CONTRADICTS, outcome=Outcome.REPEATED), {"Contradictions"}),
            (Taken(state=State.CONTRADICTS, outcome=Outcome.CONTRADICTED), {"Contradictions"}),
            (Taken(state=State.CONTRADICTS), {"Contradictions"}),
            (Taken(state=State.UNKNOWN_ORDER), {"NotificationsUnknown"}),
            (Taken(state=State.TAKEN, outcome=Outcome.SUCCEEDED), set()),
            (Taken(state=State.RECEIVED, outcome=Outcome.UNKNOWN), set()),
        ],
    )
    def test_33_35_counts_what_it_found_once(self, taken, counted, monkeypatch):
        told = Counter()
        count_to(told, monkeypatch)
        monkeypatch.setattr(payment_notification, "take", lambda **_: taken)

        assert failures(self.work(encoded(NotificationMessage(order_no=ORDER_NO)))) == []
        assert {name for name in told if not name.startswith("Deductions_")} == counted
        assert set(told.values()) == {1} or not told
