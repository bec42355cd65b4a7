"""Personal data that can be told from afar: it is put in at one end, and looked for everywhere.

Borrowers, phones and cards with names like no other go through a day's worth of doors, good and
bad.  Whatever the house has then said, to a log, a metric, a queue, a file, another borrower or a
caller who was refused, must hold none of it.  The numbers are those of failures.md.
"""

import json
from random import Random  # noqa: TID251  seeded: the simulator's chance

import boto3
import pytest

from app import app
from chalicelib import wiring
from chalicelib.adapters import telemetry
from chalicelib.adapters.dynamodb.tables import TABLES, BorrowerRow
from chalicelib.adapters.queues import encoded
from chalicelib.flows import (
    day_close,
    deduction,
    deduction_round,
    due_list,
    landing,
    notices,
    payment_notification,
    sweep,
    watch,
)
from chalicelib.flows.notice_ports import ReceiptMessage, TextMessage
from chalicelib.flows.payment_notification import NotificationMessage
from chalicelib.flows.ports import AskMessage, DeductionMessage, ServicingEvent, WalkMessage
from simulators import keys
from simulators.clock import SettableClock
from simulators.server import SimulatorServer
from simulators.sms_platform import SmsPlatform
from simulators.sms_service import sms_service
from tests.builders import TODAY, at
from tests.entrypoints.callers import Knock, furnish, signed
from tests.entrypoints.canaries import (
    CANARY,
    CARD,
    NEIGHBOUR,
    PEOPLE,
    SURNAME,
    a_file,
    capturing,
    marks_in,
    the_book,
)
from tests.entrypoints.canary_day import a_day, attempt
from tests.entrypoints.house import BUCKET, REGION
from tests.entrypoints.test_access_matrix import NOBODYS, ROUTES, knock_at
from tests.lambdas import sqs_event

ORDER_NO = "20261124-1-L1"
EVENT = ServicingEvent(
    event="due_soon",
    loan_id="L1",
    borrower_id="B1",
    mode="self_operated",
    business_date=TODAY,
    occurred_at=at(8),
    amount_fen=1,
    due_on=TODAY,
)
SCHEDULED = {
    "make_due_list": (due_list, "make"),
    "open_round_1": (deduction_round, "start"),
    "open_round_2": (deduction_round, "start"),
    "release_texts": (notices, "release"),
    "sweep": (sweep, "run"),
    "close_day": (day_close, "close_all"),
    "watch": (watch, "late"),
}
"""What the clock starts, and the flow it calls."""

READ = {
    "walk_shard": (due_list, "walk", WalkMessage(job="due_list", business_date=TODAY, shard=0)),
    "deduct": (deduction, "take", DeductionMessage(order_no=ORDER_NO, listed_fen=1)),
    "send_repayment": (deduction, "send", AskMessage(order_no=ORDER_NO)),
    "ask": (deduction, "ask", AskMessage(order_no=ORDER_NO)),
    "take_payment_notification": (
        *(payment_notification, "take"),
        NotificationMessage(order_no=ORDER_NO),
    ),
    "collect_notice": (notices, "collect", EVENT),
    "send_text": (notices, "send", TextMessage(notice_id="20261124-paid-1-B1")),
    "take_receipt": (
        *(notices, "take_receipt"),
        ReceiptMessage(message_id="M", receipt_id="R", status="FAILED"),
    ),
}
"""What reads a queue, the flow it calls, and a message it understands."""

TOLD = {
    "file_landed": {
        "eventName": "ObjectCreated:Put",
        "s3": {"object": {"key": "in/loans/20261124/loans_v1.csv"}},
    },
    "announce": {"eventName": "INSERT", "dynamodb": {"NewImage": {}}},
}
"""What is told of files and of the journal."""


@pytest.fixture(scope="module")
def texts_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sms-keys")
    keys.make(folder)
    return folder


@pytest.fixture
def street(house, key_folder, texts_folder, monkeypatch):
    """Open the house at midnight, with an SMS platform as well, and an empty book."""
    made = furnish(house, payments_folder=key_folder, texts_folder=texts_folder)
    clock = SettableClock()
    clock.set(at(10))
    made.phones = SmsPlatform(clock=clock, rng=Random(7), hang_seconds=0.1)
    service = sms_service(platform=made.phones, clock=clock, keys=keys.of_platform(texts_folder))
    with SimulatorServer(service, port=0) as server:
        monkeypatch.setenv("SMS_URL", server.url)
        house.restart()
        house.clock(at(0, 5))
        yield made
        if wiring.texts.cache_info().currsize:
            wiring.texts().platform._http._pool.clear()


@pytest.fixture
def said(street, monkeypatch):
    with capturing(monkeypatch) as made:
        yield made


def found_in(**where):
    """List each place with a canary: its kind, the marks, and how it begins."""
    return [
        (kind, marks_in(text), str(text)[-300:])
        for kind, texts in where.items()
        for text in texts
        if marks_in(text)
    ]


def told(answers):
    return [f"{one.status_code} {one.headers} {one.body.decode()}" for one in answers]


class TestADayWithCanaries:
    def test_66_leaves_none_where_it_does_not_belong(self, street, said, capsys):
        a_day(street, said, readers=READ)
        house = street.house
        for queue in street.queues:
            house.waiting(queue)

        phones = {row.borrower_id: row.phone for row in BorrowerRow.scan()}
        assert phones == {who: phone for who, (_, phone) in (PEOPLE | NEIGHBOUR).items()}
        assert (len(said.lines()) > 100, len(house.answers) > 30, len(house.messages) > 20) == (
            *(True, True, True),
        )
        assert (
            found_in(
                log=said.lines(),
                metric=said.metrics,
                failure=said.failures,
                answer=told(house.answers),
                message=house.messages,
                printed=capsys.readouterr(),
                file=files_of_ours(),
                table=rows_of_ours(),
            )
            == []
        )
        assert all(json.loads(line)["level"] for line in said.ours())

    def test_is_seen_by_whoever_looks_for_it(self, street, said):
        """The trap itself: what is said is caught, however it is written."""
        telemetry.log.debug("a", who=PEOPLE["B5"][0])
        telemetry.log.info(f"card {CARD}")
        telemetry.count(CANARY)
        street.house.land(*a_file(*the_book()), key="in/loans/20261124/loans_v1.csv")
        page = street.send(Knock(method="GET", path="/m/loans/L5"), cookie=street.session("B5"))

        assert [marks_in(line) for line in said.ours()[:2]] == [
            [CANARY, SURNAME],
            [CARD],
        ]
        assert marks_in(said.metrics[0])
        assert f"{CARD}L5"[-4:] in page.body.decode()


def test_32_a_forger_writes_nothing_into_the_log(street, said):
    knock = Knock(method="POST", path="/v1/notifications/payments", body=b"{}")
    headers = signed(street.payments, knock) | {"X-Key-Id": f"{CANARY} {CARD}"}
    assert street.send(knock, headers=headers).status_code == 401

    assert found_in(log=said.lines(), metric=said.metrics) == []


class TestAFailureThatSaysTooMuch:
    """What a library or a store may put into an exception: its text holds all the canaries."""

    @pytest.fixture(autouse=True)
    def full(self, street):
        street.house.land(*a_file(*the_book()), key="in/loans/20261124/loans_v1.csv")

    def test_is_tried_on_every_lambda(self):
        told_of = {source.name for source in app.event_sources}

        assert told_of == {*SCHEDULED, *READ, *TOLD}

    @pytest.mark.parametrize("handler", [*SCHEDULED, *READ, *TOLD])
    def test_66_is_a_kind_and_a_place_in_the_log(self, street, said, monkeypatch, handler):
        payload = failing(street, said, monkeypatch, handler)

        assert "RuntimeError" in said.logs.getvalue()
        assert found_in(log=said.lines(), metric=said.metrics, payload=[payload]) == []

    def test_66_is_nothing_the_runtime_could_print(self, street, said, monkeypatch):
        for handler in (*SCHEDULED, *READ, *TOLD):
            with monkeypatch.context() as patched:
                failing(street, said, patched, handler)

        assert found_in(failure=said.failures) == []

    def test_66_is_no_part_of_an_answer(self, street, said, monkeypatch):
        for wired in ("repayments", "inbox", "queue", "throttles"):
            monkeypatch.setattr(wiring, wired, fails)
        answers = {}
        for route in ROUTES:
            knock = knock_at(route, NOBODYS)
            for caller in ("owner", "session", "payments", "texts"):
                answers[f"{caller} {route}"] = street.ask(caller, knock)

        failed = {asked for asked, answer in answers.items() if answer.status_code == 500}
        assert len(failed) > 12, failed
        assert found_in(log=said.lines(), metric=said.metrics, answer=told(answers.values())) == []


def fails(*_args, **_given):
    raise RuntimeError(f"{PEOPLE['B5']} {CARD}")


def failing(street, said, patched, handler):
    """Call a Lambda whose flow fails with everything it knows; return what it answers."""
    lambdas = street.house._lambdas.lambda_
    if handler in SCHEDULED:
        patched.setattr(*SCHEDULED[handler], fails)
        event = {
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "1", "time": at(8).isoformat(), "region": "", "resources": [], "detail": {},
        }  # fmt: skip
    elif handler in READ:
        flow, verb, message = READ[handler]
        patched.setattr(flow, verb, fails)
        event = sqs_event(encoded(message))
    elif handler == "file_landed":
        patched.setattr(landing, "take", fails)
        event = sqs_event(json.dumps({"Records": [TOLD[handler]]}))
    else:
        patched.setattr(wiring, "event_bus", fails)
        event = {"Records": [TOLD[handler] | {"eventName": "REMOVE"}]}
    return attempt(said, lambdas.invoke, handler, event)


def files_of_ours():
    """Read whatever is in the bucket but what partners have put there, and copies of that."""
    s3 = boto3.client("s3", region_name=REGION)
    keys_there = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    ours = [
        key
        for key in keys_there
        if not key.startswith("in/")
        and not (key.startswith("quarantine/") and key.endswith(".csv"))
    ]
    assert [key for key in ours if key.endswith(".reasons.json")]
    return [s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in ours]


AGREEMENTS = {"agreement_no", "agr"}


def rows_of_ours():
    """Read every table but that of personal data, without the agreements that are charged by."""
    rows = [
        row.to_simple_dict() for table in TABLES if table is not BorrowerRow for row in table.scan()
    ]
    return [{name: value for name, value in row.items() if name not in AGREEMENTS} for row in rows]
