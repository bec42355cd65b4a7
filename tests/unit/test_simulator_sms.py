from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - seeded

import pytest

from simulators.clock import SHANGHAI, SettableClock
from simulators.sms_platform import SmsPlatform
from simulators.wire import Wire

PHONE = "10012345678"
EIGHT = datetime(2026, 11, 24, 8, 0, tzinfo=SHANGHAI)


def seeded(seed=7):
    return Random(seed)


@pytest.fixture
def clock():
    clock = SettableClock()
    clock.set(EIGHT)
    return clock


@pytest.fixture
def platform(clock):
    return SmsPlatform(
        clock=clock,
        rng=seeded(),
        receipts_url="http://127.0.0.1:1/receipts",
        receipt_seconds=5,
    )


def a_text(message_id="M1", *, phone=PHONE, text="您的还款已成功"):
    return {
        "message_id": message_id,
        "phone": phone,
        "template": "deduction_succeeded",
        "params": {},
        "text": text,
    }


def accepted(platform):
    return [message["message_id"] for message in platform.messages()["messages"]]


class TestEachOutcome:
    @pytest.mark.parametrize(
        ("outcome", "end", "reason"),
        [("delivered", "DELIVERED", None), ("failed", "FAILED", "MOBILE_NOT_ON_SERVICE")],
    )
    def test_is_accepted_then_reported(self, platform, clock, outcome, end, reason):
        platform.script(PHONE, [outcome])

        receipt_id = platform.send(a_text()).body["receipt_id"]

        assert platform.query("M1").body["status"] == "ACCEPTED"
        assert platform.take_notification() is None
        clock.set(clock() + timedelta(seconds=60))
        report = {
            "receipt_id": receipt_id,
            "message_id": "M1",
            "status": end,
            "reported_at": "2026-11-24T08:00:05+08:00",
            "reason": reason,
        }
        assert platform.query("M1").body == report
        assert platform.take_notification().body == report

    def test_times_out_after_it_was_accepted(self, platform):
        platform.script(PHONE, ["timeout_after_accept"])

        assert platform.send(a_text()).wire is Wire.DROPPED
        assert accepted(platform) == ["M1"]

    @pytest.mark.parametrize(
        ("outcome", "status", "wire"),
        [
            ("timeout_before_accept", 200, Wire.DROPPED),
            ("limit", 200, Wire.SIGNED),
            ("html_error", 502, Wire.UNSIGNED),
        ],
    )
    def test_is_not_accepted_and_new_when_it_comes_again(self, platform, outcome, status, wire):
        platform.script(PHONE, [outcome])

        reply = platform.send(a_text())

        assert (reply.status, reply.wire) == (status, wire)
        assert platform.query("M1").body["code"] == "NOT_EXIST"
        assert accepted(platform) == []
        assert "receipt_id" in platform.send(a_text()).body

    def test_of_the_limit_has_its_code(self, platform):
        platform.mix({"limit": 1})

        assert platform.send(a_text()).body["code"] == "BUSINESS_LIMIT_CONTROL"


class TestOneMessageId:
    def test_is_accepted_once(self, platform):
        replies = [platform.send(a_text()) for _ in range(3)]

        assert replies == [replies[0]] * 3
        assert accepted(platform) == ["M1"]
        assert (platform.messages()["requests"], platform.messages()["duplicates"]) == (3, 2)

    def test_is_not_used_for_other_words(self, platform):
        platform.send(a_text())

        assert platform.send(a_text(text="别的")).body["code"] == "MESSAGE_CONFLICT"

    @pytest.mark.parametrize(
        "broken",
        [{"phone": "1391234567"}, {"phone": "１００12345678"}, {"text": ""}, {"params": []}],
    )
    def test_with_a_broken_body_is_refused(self, platform, broken):
        assert platform.send(a_text() | broken).status == 400


class TestOracle:
    def test_tells_texts_and_what_was_told_twice(self, platform):
        platform.send(a_text("M1"))
        platform.send(a_text("M2"))
        platform.send(a_text("M3", text="别的"))

        told = platform.messages()

        assert [(each["phone"], each["text"]) for each in told["messages"]] == [
            (PHONE, "您的还款已成功"),
            (PHONE, "您的还款已成功"),
            (PHONE, "别的"),
        ]
        assert told["repeated_texts"] == 1

    def test_gives_the_same_receipt_ids_for_the_same_seed(self, clock):
        first, second = (SmsPlatform(clock=clock, rng=seeded()).send(a_text()) for _ in range(2))

        assert first == second


class TestReceipts:
    def test_wait_for_an_address(self, clock):
        platform = SmsPlatform(clock=clock, rng=seeded())
        platform.send(a_text())

        assert platform.take_notification() is None
        platform.set_receipts_url("http://127.0.0.1:1/receipts")
        assert platform.take_notification().key == "M1"

    def test_come_again_until_they_are_answered(self, platform, clock):
        platform.send(a_text())
        clock.set(clock() + timedelta(seconds=5))
        platform.notified(platform.take_notification().key, acknowledged=False)

        assert platform.next_notification_at() == clock() + timedelta(seconds=15)
        clock.set(clock() + timedelta(seconds=15))
        platform.notified(platform.take_notification().key, acknowledged=True)

        assert platform.next_notification_at() is None
