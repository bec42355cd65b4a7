"""What platforms notify us of, and anything else that may arrive there: read, or refused in words.

FUZZ_INPUTS says how many: `make fuzz` takes 10,000 of each.  A tenth of them goes the whole way of
a request, with its signature, to what DynamoDB and SQS would be given.
"""

import json
import os
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from time import process_time

import pytest
from botocore.client import BaseClient
from pydantic import ValidationError

from app import app
from chalicelib import wiring
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.entrypoints import request_body
from chalicelib.entrypoints.platform_api import OTHER, PaymentNotification, Receipt
from chalicelib.entrypoints.request_body import BYTES_MAX, UnreadableBodyError
from simulators import keys
from tests.fuzz import notifications
from tests.fuzz.counting import many
from tests.lambdas import forget

INPUTS = int(os.environ.get("FUZZ_INPUTS", "300"))
GOLDEN = Path(__file__).parents[1] / "golden" / "fuzz"
PATHS = {"payments": "/v1/notifications/payments", "sms": "/v1/notifications/sms"}
MODELS = {"payments": PaymentNotification, "sms": Receipt}
VALID = {"payments": notifications.PAYMENT, "sms": notifications.RECEIPT}
REFUSALS = {400, 401, 413, 415}
NAMING = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
SQS_TEXT = ((0x9, 0xA), (0xD, 0xD), (0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
SQS_BYTES_MAX = 256 * 1024


# --- the body alone ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
def test_any_body_is_read_as_it_says_or_refused(kind):
    def one(seed: str) -> str:
        return check_read(kind, notifications.a_body(seed, VALID[kind]))

    counted = many(kind, INPUTS, one)
    assert counted["read"]
    assert counted["does not fit"]


def check_read(kind: str, body: bytes) -> str:
    try:
        found = request_body.read(MODELS[kind], body)
    except UnreadableBodyError as error:
        return {400: error.code, 413: "too large"}[error.status]
    except ValidationError:
        return "does not fit"
    said = json.loads(body, object_pairs_hook=once_each)
    for name, value in dict(found).items():
        check_value(name, value, said.get(name))
    if kind == "payments":
        assert 1 <= len(found.order_no) <= 64
        assert NAMING.issuperset(found.order_no)
    return "read"


def once_each(pairs):
    assert len(dict(pairs)) == len(pairs), "one of two equal keys was believed"
    return dict(pairs)


def check_value(name: str, value: object, said: object) -> None:
    """What was read is what was said, of its very type; a moment is the same moment."""
    if isinstance(value, datetime):
        assert isinstance(said, str), f"{name}: {said!r} was read as {value}"
        assert "T" in said.upper()
        assert value.tzinfo is not None, "what is acknowledged must be storable: with an offset"
        if not said.endswith("60Z"):
            moment = datetime.fromisoformat((said[:26] + zone_of(said)).upper())
            assert abs((value - moment).total_seconds()) < 1
    elif (name, value) == ("reason", OTHER):
        assert isinstance(said, str), said
    elif said is None:
        assert value in {None, ""}, name
    else:
        assert (type(value), value) == (type(said), said), name


def zone_of(said: str) -> str:
    return said[26:].lstrip("0123456789") if len(said) > 26 else ""


# --- the whole way ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    keys.make(folder)
    theirs = json.loads((folder / "platform.json").read_text())
    ours = json.loads((folder / "merchant.json").read_text())
    return Signer(theirs["key_id"], theirs["private_key_pem"]), Verifier(
        ours["platform_public_keys"]
    )


@pytest.fixture
def door(pair, monkeypatch):
    """Open the app to requests; what goes to AWS goes no further, and must be what AWS takes."""

    def call(self, operation, parameters):
        if operation == "SendMessageBatch":
            for entry in parameters["Entries"]:
                check_message(entry["MessageBody"])
        return {"QueueUrl": "https://queue.test"} if operation == "GetQueueUrl" else {}

    forget()
    tables.bind("test", region="us-east-1")
    signer, verifier = pair
    monkeypatch.setattr(wiring, "payment_verifier", lambda: verifier)
    monkeypatch.setattr(wiring, "sms_verifier", lambda: verifier)
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    yield signer
    forget()


def check_message(body: str) -> None:
    assert len(body.encode()) <= SQS_BYTES_MAX
    strange = [each for each in body if not any(a <= ord(each) <= b for a, b in SQS_TEXT)]
    assert not strange, f"SQS refuses {strange[0]!r}"


@pytest.mark.parametrize("kind", PATHS)
def test_any_body_that_is_signed_is_acknowledged_or_refused(kind, door):
    def one(seed: str) -> str:
        body = notifications.a_body(seed, VALID[kind])
        answer = sent(kind, body, signed(door, kind, body))
        assert (answer["statusCode"] == 200) == (check_read(kind, body) == "read")
        return str(answer["statusCode"])

    counted = many(f"{kind}, the whole way", max(INPUTS // 10, 100), one)
    assert counted["200"]
    assert counted["400"]


@pytest.mark.parametrize("kind", PATHS)
def test_any_headers_are_believed_or_refused(kind, door):
    body = json.dumps(VALID[kind]).encode()

    def one(seed: str) -> str:
        given = signed(door, kind, body)
        made = notifications.some_headers(seed, given)
        answer = sent(kind, body, made)
        lower = {name.lower(): value for name, value in made.items()}
        genuine = all(lower.get(name.lower()) == value for name, value in given.items())
        assert answer["statusCode"] == 200 or not genuine
        return str(answer["statusCode"])

    counted = many(f"{kind}, headers", max(INPUTS // 10, 100), one)
    assert counted["200"]
    assert counted["401"]


def signed(signer: Signer, kind: str, body: bytes) -> dict[str, str]:
    timestamp = wall_clock().isoformat(timespec="seconds")
    headers = signer.sign("POST", PATHS[kind], body, timestamp=timestamp, nonce="n1")
    return {"Content-Type": "application/json", **headers}


def sent(kind: str, body: bytes, headers: dict[str, str]) -> dict:
    """Hand the app what API Gateway would; whatever it answers is an answer in our words."""
    answer = app(event_of(kind, body, headers), None)
    assert answer["statusCode"] in {200, *REFUSALS}, answer
    said = json.loads(answer["body"])
    assert said == {"acknowledged": True} or said["code"]
    return answer


def event_of(kind: str, body: bytes, headers: dict[str, str]) -> dict:
    path = PATHS[kind]
    return {
        "resource": path,
        "path": path,
        "headers": {name.lower(): value for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": "POST", "resourcePath": path, "path": path},
        "body": b64encode(body).decode(),
        "isBase64Encoded": True,
    }


# --- large bodies -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("again", notifications.LARGE, ids=repr)
def test_sixty_four_kilobytes_of_anything_take_a_moment(kind, again):
    """Alone, as a value, and as a key: read once, whatever it is; a platform waits five seconds."""
    for start, end in (
        (b"", b""),
        (b'{"message_id": "', b'"}'),
        (b'{"', b'": 1}'),
        (b'{"a": ', b"}"),
    ):
        body = start + again * ((BYTES_MAX - len(start) - len(end)) // len(again)) + end
        began = process_time()
        check_read(kind, body)
        assert process_time() - began < 1


# --- what once failed -------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_what_once_failed_is_answered(path, door):
    """A golden file is named after its door and what was wrong; its bytes came from a run."""
    kind, body = path.stem.partition("-")[0], path.read_bytes()
    answer = sent(kind, body, signed(door, kind, body))

    assert (answer["statusCode"] == 200) == (check_read(kind, body) == "read")
