from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251 - seeded

import pytest

from simulators.clock import SHANGHAI, SettableClock
from simulators.outcomes import UnknownOutcomeError
from simulators.payment_platform import PaymentPlatform
from simulators.wire import Wire

EIGHT = datetime(2026, 11, 24, 8, 0, tzinfo=SHANGHAI)
TODAY = date(2026, 11, 24)


def seeded(seed=7):
    return Random(seed)


@pytest.fixture
def clock():
    clock = SettableClock()
    clock.set(EIGHT)
    return clock


@pytest.fixture
def platform(clock):
    return PaymentPlatform(clock=clock, rng=seeded())


def advance(clock, **by):
    clock.set(clock() + timedelta(**by))


def an_order(order_no="O1", *, amount_fen=100_00, agreement_no="AG1", notify_url="", split=None):
    return {
        "order_no": order_no,
        "agreement_no": agreement_no,
        "amount_fen": amount_fen,
        "currency": "CNY",
        "split": [{"account": "platform", "amount_fen": amount_fen}] if split is None else split,
        "notify_url": notify_url,
        "subject": "还款",
    }


def charged(platform):
    return {charge.order_no: charge.amount_fen for charge in platform.charges()}


class TestEachOutcome:
    def test_succeeds_unless_told_otherwise(self, platform):
        reply = platform.deduct(an_order())

        assert reply.wire is Wire.SIGNED
        assert reply.body == {
            "order_no": "O1",
            "trade_no": reply.body["trade_no"],
            "status": "SUCCEEDED",
            "failure_code": None,
            "message": "",
            "amount_fen": 100_00,
            "paid_at": "2026-11-24T08:00:00+08:00",
        }
        assert charged(platform) == {"O1": 100_00}

    def test_fails_and_is_charged_after_all(self, platform, clock):
        platform.script("AG1", ["failed_then_paid"])

        told = [platform.deduct(an_order()).body["status"]]
        advance(clock, minutes=10)
        told.append(platform.query("O1").body["status"])

        assert told == ["FAILED", "SUCCEEDED"]
        assert charged(platform) == {"O1": 100_00}
        assert platform.deduct(an_order()).body["failure_code"] is None

    @pytest.mark.parametrize(
        ("outcome", "code"),
        [
            ("insufficient_funds", "INSUFFICIENT_FUNDS"),
            ("limit_exceeded", "LIMIT_EXCEEDED"),
            ("bank_unavailable", "BANK_UNAVAILABLE"),
            ("agreement_terminated", "AGREEMENT_TERMINATED"),
            ("card_closed", "CARD_CLOSED"),
            ("risk_rejected", "RISK_REJECTED"),
        ],
    )
    def test_refuses_with_its_code_and_takes_nothing(self, platform, outcome, code):
        platform.script("AG1", [outcome])

        body = platform.deduct(an_order()).body

        assert (body["status"], body["failure_code"], body["paid_at"]) == ("FAILED", code, None)
        assert platform.query("O1").body == body
        assert charged(platform) == {}

    @pytest.mark.parametrize(
        ("outcome", "end", "taken"),
        [
            ("processing_then_succeed", "SUCCEEDED", {"O1": 100_00}),
            ("processing_then_fail", "FAILED", {}),
        ],
    )
    def test_processes_until_its_time_has_come(self, platform, clock, outcome, end, taken):
        platform.script("AG1", [outcome])

        assert platform.deduct(an_order()).body["status"] == "PROCESSING"
        advance(clock, seconds=599)
        assert platform.query("O1").body["status"] == "PROCESSING"
        assert charged(platform) == {}
        advance(clock, hours=1)
        assert platform.query("O1").body["status"] == end
        assert charged(platform) == taken

    def test_dates_a_late_success_when_it_happened_not_when_it_was_asked_for(self, platform, clock):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order())
        advance(clock, days=3)

        assert platform.query("O1").body["paid_at"] == "2026-11-24T08:10:00+08:00"

    def test_times_out_after_the_charge(self, platform):
        platform.script("AG1", ["timeout_after_charge"])

        reply = platform.deduct(an_order())

        assert (reply.wire, reply.seconds) == (Wire.DROPPED, 3.0)
        assert charged(platform) == {"O1": 100_00}
        assert platform.query("O1").body["status"] == "SUCCEEDED"
        assert platform.deduct(an_order()).body["status"] == "SUCCEEDED"

    def test_times_out_before_the_charge_and_takes_the_number_next_time(self, platform):
        platform.script("AG1", ["timeout_before_charge", "insufficient_funds"])

        assert platform.deduct(an_order()).wire is Wire.DROPPED
        assert platform.query("O1").status == 404
        assert platform.deduct(an_order()).body["failure_code"] == "INSUFFICIENT_FUNDS"

    def test_shows_a_page_and_takes_the_number_next_time(self, platform):
        platform.script("AG1", ["html_error"])

        reply = platform.deduct(an_order())

        assert (reply.status, reply.wire, reply.content_type[:9]) == (
            502,
            Wire.UNSIGNED,
            "text/html",
        )
        assert charged(platform) == {}
        assert platform.deduct(an_order()).body["status"] == "SUCCEEDED"

    def test_charges_one_fen_more_than_asked_and_says_so(self, platform):
        platform.script("AG1", ["wrong_amount"])

        assert platform.deduct(an_order()).body["amount_fen"] == 100_01
        assert platform.query("O1").body["amount_fen"] == 100_01
        assert platform.ledger()["charges"][0]["split"] == [
            {"account": "platform", "amount_fen": 100_01}
        ]

    def test_signs_badly_until_the_second_query(self, platform):
        platform.script("AG1", ["bad_signature"])

        deductions = [platform.deduct(an_order()).wire for _ in range(2)]
        queries = [platform.query("O1").wire for _ in range(3)]

        assert deductions == [Wire.BADLY_SIGNED] * 2
        assert queries == [Wire.BADLY_SIGNED, Wire.SIGNED, Wire.SIGNED]
        assert charged(platform) == {"O1": 100_00}

    def test_denies_an_order_it_accepted_once(self, platform):
        platform.script("AG1", ["not_exist_after_accept"])

        assert platform.deduct(an_order()).body["status"] == "PROCESSING"
        assert platform.query("O1").body["code"] == "NOT_EXIST"
        assert platform.query("O1").body["status"] == "SUCCEEDED"
        assert platform.deduct(an_order()).body["status"] == "SUCCEEDED"
        assert charged(platform) == {"O1": 100_00}

    def test_answers_late(self, platform):
        platform.script("AG1", ["slow_ms:250"])

        reply = platform.deduct(an_order())

        assert (reply.wire, reply.seconds, reply.body["status"]) == (
            Wire.SIGNED,
            0.25,
            "SUCCEEDED",
        )

    def test_takes_one_outcome_for_each_new_number_then_the_default(self, platform):
        platform.script("AG1", ["insufficient_funds", "limit_exceeded"])

        for _ in range(2):
            codes = [platform.deduct(an_order(no)).body["failure_code"] for no in "ABC"]
            assert codes == ["INSUFFICIENT_FUNDS", "LIMIT_EXCEEDED", None]

    def test_knows_no_other_outcome(self, platform):
        with pytest.raises(UnknownOutcomeError):
            platform.script("AG1", ["succeed", "explode"])
