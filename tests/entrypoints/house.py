"""The house behind the borrower's API, for tests: real doors, moto's stores, simulated others.

A request goes the whole way: a token the issuer signed, the authorizer, the handler, DynamoDB,
the queue, the Lambda behind it, and the payment platform over HTTP.
"""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from random import Random  # noqa: TID251  seeded: the simulator's chance
from threading import Barrier, Lock

import boto3
import botocore.session
import chalice.test
import pynamodb.connection.base
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from chalice.local import LocalChalice
from moto import mock_aws
from pynamodb.models import Model

from app import app
from chalicelib import wiring
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.tables import ActiveOrderRow, JournalRow, NoticeRow
from chalicelib.adapters.queues import encoded
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.deduction import order_no_of
from chalicelib.entrypoints import borrower_api, borrower_requests
from chalicelib.flows.ports import AskMessage, Borrower, DeductionMessage
from simulators import keys
from simulators.clock import SettableClock
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer
from tests.builders import TODAY, at
from tests.entrypoints.gateway import gateway
from tests.lambdas import client, count_to, failures, forget, sqs_event

REGION = "us-east-1"
ISSUER, AUDIENCE = "https://issuer.test", "afterloan"
QUEUES = ("walks", "deductions", "repayments", "asks", "notices", "texts", "files")
BUCKET = "afterloan-test-exchange"
KEY_BYTES_MAX = 2048
SETTINGS = {
    "TOKEN_ISSUER": ISSUER,
    "TOKEN_AUDIENCE": AUDIENCE,
    "NOTIFY_URL": "http://127.0.0.1:1",
    "PAYMENT_CALLS_PER_SECOND": "1000",
    "DELAY_SECONDS_MAX": "0",
    "TEST_CLOCK": "on",
    "AGENDA_SHARDS": "1",
    "PAGE_BASE": "",  # chalice.test is no stage of a gateway
}


@dataclass
class Wall:
    """The clock on the wall: it stands still until it is moved, so that no window ends mid-test."""

    now: datetime = field(default_factory=wall_clock)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Phone:
    """A borrower's app, signed in."""

    house: "House"
    token: str

    def get(self, path):
        return self.house.request("GET", path, token=self.token)

    def post(self, path, body=b"", *, headers=None):
        given = {"Content-Type": "application/json", **(headers or {})}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.house.request("POST", path, token=self.token, headers=given, body=raw)

    def loan(self, loan_id="LN1"):
        return self.get(f"/v1/loans/{loan_id}")

    def asks_quote(self, loan_id="LN1", kind="full", **wish):
        return self.post(f"/v1/loans/{loan_id}/quotes", {"kind": kind, **wish})

    def quote(self, loan_id="LN1", kind="full", **wish):
        answer = self.asks_quote(loan_id, kind, **wish)
        assert answer.status_code == 201, answer.body
        return answer.json_body

    def pays(self, quote_id, *, key="a-key", loan_id="LN1"):
        return self.post(
            f"/v1/loans/{loan_id}/repayments",
            {"quote_id": quote_id},
            headers={"Idempotency-Key": key},
        )

    def order(self, order_no):
        return self.get(f"/v1/repayments/{order_no}")


class House:
    """Everything behind the API, and what moves it on."""

    def __init__(self, *, api, lambdas, platform, clock, issuer, wall, monkeypatch):
        self.platform = platform
        self.issuer = issuer
        self.wall = wall
        self.answers = []
        self.messages = []
        self.counted = Counter()
        self._api = api
        self._lambdas = lambdas
        self._clock = clock
        self._monkeypatch = monkeypatch

    # --- the doors ----------------------------------------------------------------------

    def request(self, method, path, **given):
        """Send a request through the gateway; whatever we answer is JSON, and for nobody's cache."""
        answer = self._api.request(method, path, **given)
        self.answers.append(answer)
        if not _is_the_gateways(answer):
            assert answer.headers["Cache-Control"] == "no-store", answer.body
            wanted = "problem+json" if answer.status_code >= 400 else "json"
            assert answer.headers["Content-Type"] == f"application/{wanted}"
        return answer

    # --- what there is ------------------------------------------------------------------

    def phone(self, borrower_id="B1", *, roles=("borrower",)):
        token = self.issuer.token(
            subject=borrower_id,
            roles=list(roles),
            seconds=900,
            audience=AUDIENCE,
            algorithm="RS256",
        )
        return Phone(self, token)

    def book(self, loan, cut, *, name="王小明", phone="13812345678"):
        """Put a loan and its borrower into the book."""
        wiring.borrowers().put(Borrower(borrower_id=loan.borrower_id, name=name, phone=phone))
        books = wiring.books()
        assert books.schedules.add(loan.loan_id, loan.schedule_version, cut, source="test")
        assert books.loans.add(loan)
        return loan

    def loan(self, loan_id="LN1"):
        return wiring.books().loans.get(loan_id)

    def orders(self):
        """List the orders borrowers have started, as noted."""
        return sorted(row.order_no for row in ActiveOrderRow.scan())

    def journal(self, day: date = TODAY):
        return list(wiring.books().journal.of_day(day))

    def charges(self):
        return [(charge.order_no, charge.amount_fen) for charge in self.platform.charges()]

    def notices(self):
        return list(NoticeRow.scan())

    def restrict_keys(self):
        """Refuse keys as long as DynamoDB refuses them; moto takes any."""
        around_calls(self._monkeypatch, before=_check_key)

    # --- time ---------------------------------------------------------------------------

    def clock(self, now: datetime):
        """Set business time, here and at the platform."""
        wiring.controls().set_test_clock(now)
        self._clock.set(now)

    def restart(self):
        """Let fresh Lambdas start, which remember nothing."""
        _close_connections()
        forget()

    # --- what AWS does ------------------------------------------------------------------

    def invoke(self, function, *bodies):
        payload = self._lambdas.lambda_.invoke(function, sqs_event(*bodies)).payload
        assert failures(payload) == []

    def waiting(self, queue):
        """Take what lies in a queue."""
        sqs = boto3.client("sqs", region_name=REGION)
        url = sqs.get_queue_url(QueueName=f"afterloan-test-{queue}")["QueueUrl"]
        taken = []
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                taken.append(message["Body"])
        self.messages += taken
        return taken

    def send_repayments(self):
        """Deliver what lies in the borrowers' queue; return the order numbers."""
        bodies = self.waiting("repayments")
        self.invoke("send_repayment", *bodies)
        return [json.loads(body)["order_no"] for body in bodies]

    def ask(self, order_no):
        self.invoke("ask", encoded(AskMessage(order_no=order_no, rung=None)))

    def deduct(self, loan_id="LN1", *, round_no=1, listed_fen=10**9, day=TODAY):
        """Deliver a listed due of a round; return its order number."""
        order_no = order_no_of(business_date=day, round_no=round_no, loan_id=loan_id)
        message = DeductionMessage(order_no=order_no, listed_fen=listed_fen)
        self.invoke("deduct", encoded(message))
        return order_no

    def schedule(self, function, now: datetime):
        """Let a schedule fire, then work what it has put on its queues."""
        self.clock(now)
        event = {
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "1", "time": now.isoformat(), "region": "", "resources": [], "detail": {},
        }  # fmt: skip
        self._lambdas.lambda_.invoke(function, event)
        for queue, worker in (("walks", "walk_shard"), ("deductions", "deduct")):
            if bodies := self.waiting(queue):
                self.invoke(worker, *bodies)

    def announce(self):
        """Let the journal's stream run, twice as streams may, and whoever listens to it."""
        images = [row.serialize() for row in JournalRow.scan()]
        records = [{"eventName": "INSERT", "dynamodb": {"NewImage": image}} for image in images]
        for _ in range(2):
            self._lambdas.lambda_.invoke("announce", {"Records": records})
            self.invoke("collect_notice", *self.waiting("notices"))

    def land(self, body: bytes, manifest: bytes, *, key: str):
        """Let a file arrive in the exchange bucket."""
        for name, content in ((key, body), (f"{key}.ok", manifest)):
            wiring.object_store().write(name, content)
        event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}]}
        self.invoke("file_landed", json.dumps(event))

    def discrepancies(self, day: date = TODAY):
        return wiring.reconciling().discrepancies.of_day(day, "main")


@contextmanager
def open_house(*, key_folder, issuer, issuer_url, monkeypatch):
    """Open the house at ten in the morning of TODAY, with one empty set of everything."""
    clock = SettableClock()
    clock.set(at(10))
    platform = PaymentPlatform(clock=clock, rng=Random(7), hang_seconds=0.1)
    service = payment_service(platform=platform, clock=clock, keys=keys.of_platform(key_folder))
    wall = Wall()
    with mock_aws(), SimulatorServer(service, port=0) as server:
        for name, value in SETTINGS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PAYMENT_URL", server.url)
        monkeypatch.setenv("JWKS_URL", f"{issuer_url}/jwks.json")
        # One session for every table's client: what it has read of AWS's descriptions it keeps.
        monkeypatch.setattr(pynamodb.connection.base, "get_session", _session)
        # And one client a service: all speak to the same imitation, whatever house they serve.
        monkeypatch.setattr(boto3, "client", _client)
        # Nothing is there yet: no table need be asked after before it is made.
        monkeypatch.setattr(Model, "exists", classmethod(lambda _: False))
        for door in (borrower_api, borrower_requests):
            monkeypatch.setattr(door, "wall_clock", wall)
        forget()
        _furnish(key_folder)
        with gateway(app) as api, client() as lambdas:
            house = House(
                api=api,
                lambdas=lambdas,
                platform=platform,
                clock=clock,
                issuer=issuer,
                wall=wall,
                monkeypatch=monkeypatch,
            )
            count_to(house.counted, monkeypatch)
            house.clock(at(10))
            yield house
        _close_connections()
    forget()


_session = cache(botocore.session.get_session)
_client = cache(boto3.client)


def _is_the_gateways(answer):
    """Whether API Gateway answered by itself: no such route, or a token that was refused."""
    return answer.status_code == 401 or "x-amzn-ErrorType" in answer.headers


def _furnish(key_folder):
    tables.bind("test", region=REGION)
    for table in tables.TABLES:
        table.create_table()
    sqs, sns = (boto3.client(service, region_name=REGION) for service in ("sqs", "sns"))
    for name in QUEUES:
        sqs.create_queue(QueueName=f"afterloan-test-{name}")
    topic = sns.create_topic(Name="afterloan-test-servicing-events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:123456789012:afterloan-test-notices",
        Attributes={"RawMessageDelivery": "true"},
    )
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=BUCKET)
    secrets = boto3.client("secretsmanager", region_name=REGION)
    merchant = json.loads((key_folder / "merchant.json").read_text())
    for name, secret in {
        "payment-platform": {name: merchant[name] for name in ("key_id", "private_key_pem")},
        "public-keys": {"payment-platform": merchant["platform_public_keys"]},
        "pages": {"current": "k1", "keys": {"k1": "00ff" * 32}},
    }.items():
        secrets.create_secret(Name=f"afterloan/test/{name}", SecretString=json.dumps(secret))


def _close_connections():
    if wiring.payment_platform.cache_info().currsize:
        wiring.payment_platform()._http._pool.clear()
    if wiring.access_tokens.cache_info().currsize:
        wiring.access_tokens()._keys._pool.clear()


def around_calls(monkeypatch, *, before=None, after=None):
    """Do something around every call of a store or queue; both are told operation and parameters."""
    call = BaseClient._make_api_call

    def surrounded(self, operation, parameters):
        if before:
            before(operation, parameters)
        answer = call(self, operation, parameters)
        if after:
            after(operation, parameters)
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", surrounded)


def _check_key(operation, parameters):
    for value in parameters.get("Key", {}).values():
        if len(value.get("S", "")) > KEY_BYTES_MAX:
            error = {"Code": "ValidationException", "Message": "key too long"}
            raise ClientError({"Error": error}, operation)


def at_once(monkeypatch, *requests):
    """Make requests at the same moment, a thread each; a call of a store is whole, as on AWS."""
    whole, together = Lock(), Barrier(len(requests))
    call = BaseClient._make_api_call

    def one_at_a_time(self, *given):
        with whole:
            return call(self, *given)

    def make(request):
        together.wait(timeout=10)
        return request()

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", one_at_a_time)
        _let_threads_in(patched)
        with ThreadPoolExecutor(len(requests)) as pool:
            return list(pool.map(make, requests))


def _let_threads_in(patched):
    """Keep the current request by thread, as chalice local does, and leave os.environ alone."""
    patched.setattr(app, "__class__", LocalChalice)
    patched.setattr(chalice.test.BaseClient, "_patched_env_vars", lambda *_: nullcontext())
