"""The SMS platform over real HTTP: what it says is believed only if it is signed and plain."""

import json
import logging
from datetime import UTC, datetime
from random import Random  # noqa: TID251 - seeded: the simulator's receipt ids
from types import SimpleNamespace

import pytest

from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.signed_http import Reply, SignedHttp
from chalicelib.adapters.sms_platform import HttpSmsPlatform, _read_accepted, _read_standing
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.money import Money
from chalicelib.domain.notice import Line, Recipient, Scenario, SmsStatus, Text, opened
from chalicelib.domain.notice_text import compose
from chalicelib.flows.notice_ports import Sms
from simulators import keys
from simulators.clock import SettableClock
from simulators.server import SimulatorServer
from simulators.sms_platform import SmsPlatform
from simulators.sms_service import sms_service
from tests.builders import TODAY, at
from tests.fakes_notices import NAME, PHONE, TEMPLATES

NOTICE_ID = "20261124-paid-1-B1"
SMS = Sms(
    message_id=NOTICE_ID,
    phone=PHONE,
    text=Text(template="settled_one_v1", params={"name": "王*"}, text="【Afterloan】王*您好"),
)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    keys.make(folder)
    return folder


@pytest.fixture
def simulator():
    return SmsPlatform(clock=SettableClock(), rng=Random(7), hang_seconds=0.0)


@pytest.fixture
def server(key_folder, simulator):
    refusing = []
    service = sms_service(
        platform=simulator,
        clock=SettableClock(),
        keys=keys.of_platform(key_folder),
        refuses=lambda: bool(refusing),
    )
    server = SimulatorServer(service, port=0)
    server.refusing = refusing
    server.start()
    yield server
    server.stop()


@pytest.fixture
def platform(key_folder, server):
    return platform_at(server.url, key_folder)


def platform_at(url, key_folder, **changes):
    ours = json.loads((key_folder / "merchant.json").read_text())
    signer = Signer(ours["key_id"], ours["private_key_pem"])
    verifier = Verifier(changes.get("public_keys", ours["platform_public_keys"]))
    http = SignedHttp(
        base_url=url,
        keys=SimpleNamespace(signer=lambda: signer, verifier=lambda: verifier),
        clock=wall_clock,
        connect_seconds=1.0,
        read_seconds=2.0,
    )
    return HttpSmsPlatform(http=http)


class TestOverTheWire:
    def test_sends_a_text_once_under_its_id(self, platform, simulator):
        first, second = platform.send(SMS), platform.send(SMS)

        assert first.status is SmsStatus.ACCEPTED
        assert first == second
        [message] = simulator.messages()["messages"]
        assert (message["message_id"], message["phone"]) == (NOTICE_ID, PHONE)
        assert (message["template"], message["text"]) == (SMS.text.template, SMS.text.text)
        assert message["params"] == SMS.text.params

    @pytest.mark.parametrize("scenario", Scenario)
    @pytest.mark.parametrize("count", [1, 2])
    def test_takes_the_texts_of_every_scenario(self, platform, scenario, count):
        notice = opened(
            recipient=Recipient(borrower_id="B1", scenario=scenario, business_date=TODAY),
            sequence=1,
            lines=[Line(loan_id=f"LN{number}", amount=Money(1)) for number in range(count)],
            now=at(9),
            send_at=at(9, 5),
        )
        text = compose(notice=notice, name=NAME, templates=TEMPLATES)
        sms = Sms(message_id=notice.notice_id, phone=PHONE, text=text)

        assert platform.send(sms).status is SmsStatus.ACCEPTED

    def test_asks_after_what_was_sent(self, platform):
        assert platform.ask(NOTICE_ID).status is SmsStatus.NOT_EXIST

        receipt_id = platform.send(SMS).receipt_id
        standing = platform.ask(NOTICE_ID)

        assert standing.status is SmsStatus.DELIVERED
        assert standing.receipt_id == receipt_id
        assert standing.reported_at is not None

    def test_asks_by_an_id_that_is_no_path(self, platform):
        odd = Sms(message_id="20261124-paid-1-B/1 ?", phone=PHONE, text=SMS.text)

        assert platform.ask("20261124-paid-1-B 1?").status is SmsStatus.NOT_EXIST
        assert platform.send(odd).status is SmsStatus.ACCEPTED

    @pytest.mark.parametrize("outcome", ["timeout_after_accept", "timeout_before_accept"])
    def test_does_not_know_what_was_not_answered(self, platform, simulator, outcome):
        simulator.script(PHONE, [outcome])

        assert platform.send(SMS).status is SmsStatus.UNREADABLE
        assert platform.ask(NOTICE_ID).status is (
            SmsStatus.DELIVERED if outcome == "timeout_after_accept" else SmsStatus.NOT_EXIST
        )

    def test_does_not_know_what_was_answered_by_a_page(self, platform, simulator):
        simulator.script(PHONE, ["html_error"])

        assert platform.send(SMS).status is SmsStatus.UNREADABLE

    def test_takes_a_daily_limit_for_a_no(self, platform, simulator):
        simulator.script(PHONE, ["limit"])

        answer = platform.send(SMS)

        assert (answer.status, answer.reason) == (SmsStatus.REFUSED, "BUSINESS_LIMIT_CONTROL")

    def test_takes_a_throttled_call_for_not_taken(self, platform, server):
        server.refusing.append(True)

        assert platform.send(SMS).status is SmsStatus.NOT_TAKEN

    def test_asks_rather_than_fail_when_other_words_have_the_id(self, platform):
        platform.send(SMS)
        other = Sms(
            message_id=NOTICE_ID, phone=PHONE, text=Text(template="x", params={}, text="别的")
        )

        answer = platform.send(other)

        assert (answer.status, answer.reason) == (SmsStatus.UNREADABLE, "MESSAGE_CONFLICT")

    def test_believes_nobody_else(self, key_folder, server):
        stranger = platform_at(server.url, key_folder, public_keys={})

        assert stranger.send(SMS).status is SmsStatus.UNREADABLE
        assert stranger.ask(NOTICE_ID).status is SmsStatus.UNREADABLE

    def test_knows_that_a_text_without_a_connection_was_not_taken(self, key_folder, server):
        url = server.url
        server.stop()

        assert platform_at(url, key_folder).send(SMS).status is SmsStatus.NOT_TAKEN

    def test_puts_the_phone_number_into_no_log(self, key_folder, server, simulator, caplog):
        caplog.set_level(logging.DEBUG)
        simulator.script(PHONE, ["timeout_before_accept", "limit", "html_error"])
        platform = platform_at(server.url, key_folder)

        answers = [platform.send(SMS) for _ in range(4)]

        assert PHONE not in caplog.text + repr(SMS) + repr(answers)


class TestReading:
    @pytest.mark.parametrize(
        ("status", "body", "read_as"),
        [
            (200, {"receipt_id": "R1"}, SmsStatus.ACCEPTED),
            (202, {"receipt_id": "R1", "message_id": NOTICE_ID, "more": 1}, SmsStatus.ACCEPTED),
            (200, {"receipt_id": "R1", "message_id": "another"}, SmsStatus.UNREADABLE),
            (200, {"receipt_id": 7}, SmsStatus.UNREADABLE),
            (200, {"receipt_id": ""}, SmsStatus.UNREADABLE),
            (200, {}, SmsStatus.UNREADABLE),
            (200, {"code": "BUSINESS_LIMIT_CONTROL"}, SmsStatus.REFUSED),
            (200, {"code": "SYSTEM_BUSY", "receipt_id": "R1"}, SmsStatus.UNREADABLE),
            (429, {"code": "BUSINESS_LIMIT_CONTROL"}, SmsStatus.REFUSED),
            (429, {"code": "RATE_LIMITED"}, SmsStatus.NOT_TAKEN),
            (429, None, SmsStatus.NOT_TAKEN),
            (400, {"code": "PARAM_ERROR"}, SmsStatus.REFUSED),
            (401, {"code": "SIGNATURE_INVALID"}, SmsStatus.UNREADABLE),
            (500, {"code": "SYSTEM"}, SmsStatus.UNREADABLE),
            (500, {"receipt_id": "R1"}, SmsStatus.UNREADABLE),
            (200, "nonsense", SmsStatus.UNREADABLE),
        ],
    )
    def test_of_an_answer_to_a_text(self, status, body, read_as):
        assert _read_accepted(NOTICE_ID, reply(status, body)).status is read_as

    @pytest.mark.parametrize(
        ("status", "change", "read_as"),
        [
            (200, {}, SmsStatus.DELIVERED),
            (200, {"status": "ACCEPTED", "reported_at": None}, SmsStatus.ACCEPTED),
            (200, {"status": "FAILED", "reason": "NO_SERVICE"}, SmsStatus.FAILED),
            (200, {"status": "LOST"}, SmsStatus.UNREADABLE),
            (200, {"message_id": "another"}, SmsStatus.UNREADABLE),
            (200, {"reported_at": "2026-11-24T09:00:00"}, SmsStatus.UNREADABLE),
            (200, {"receipt_id": None}, SmsStatus.UNREADABLE),
            (404, {"code": "NOT_EXIST"}, SmsStatus.NOT_EXIST),
            (404, {"code": "NO_SUCH_ROUTE"}, SmsStatus.UNREADABLE),
            (502, {}, SmsStatus.UNREADABLE),
        ],
    )
    def test_of_an_answer_to_a_question(self, status, change, read_as):
        standing = {
            "receipt_id": "R1",
            "message_id": NOTICE_ID,
            "status": "DELIVERED",
            "reported_at": "2026-11-24T09:00:00+08:00",
            "reason": None,
        }
        body = change if "code" in change else standing | change

        answer = _read_standing(NOTICE_ID, reply(status, body))

        assert answer.status is read_as
        if read_as is SmsStatus.DELIVERED:
            assert answer.reported_at == datetime(2026, 11, 24, 1, tzinfo=UTC)


def reply(status, body):
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body)
    return Reply(status=status, body=raw if isinstance(raw, bytes) else raw.encode())
