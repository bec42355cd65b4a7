from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251 - seeded
from threading import Thread

import pytest

from simulators.clock import SHANGHAI
from simulators.outcomes import UnknownOutcomeError
from simulators.payment_platform import OUTCOMES, PaymentPlatform
from simulators.wire import Wire

EIGHT = datetime(2026, 11, 24, 8, 0, tzinfo=SHANGHAI)
TODAY = date(2026, 11, 24)


def seeded(seed=7):
    return Random(seed)  # noqa: S311 - chance of a simulated platform


class StandingClock:
    def __init__(self):
        self.now = EIGHT

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
def platform(clock):
    return PaymentPlatform(clock=clock, rng=seeded())


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
        clock.advance(seconds=599)
        assert platform.query("O1").body["status"] == "PROCESSING"
        assert charged(platform) == {}
        clock.advance(hours=1)
        assert platform.query("O1").body["status"] == end
        assert charged(platform) == taken

    def test_dates_a_late_success_when_it_happened_not_when_it_was_asked_for(self, platform, clock):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order())
        clock.advance(days=3)

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


class TestOneNumber:
    def test_is_charged_once_however_often_it_is_sent(self, platform, clock):
        first = platform.deduct(an_order())
        clock.advance(hours=5)

        assert [platform.deduct(an_order()) for _ in range(100)] == [first] * 100
        assert charged(platform) == {"O1": 100_00}
        assert platform.ledger(TODAY)["requests"] == 101
        assert platform.ledger(TODAY)["duplicates_refused"] == 100

    def test_is_charged_once_by_many_at_the_same_time(self, platform):
        threads = [Thread(target=platform.deduct, args=(an_order(),)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert charged(platform) == {"O1": 100_00}
        assert platform.ledger()["requests"] == 20

    @pytest.mark.parametrize("other", [{"amount_fen": 100_01}, {"agreement_no": "AG2"}])
    def test_is_not_used_for_something_else(self, platform, other):
        platform.deduct(an_order())

        reply = platform.deduct(an_order(**other))

        assert (reply.status, reply.body["code"]) == (409, "ORDER_CONFLICT")
        assert charged(platform) == {"O1": 100_00}
        assert platform.ledger()["conflicts"] == 1

    def test_that_was_never_sent_does_not_exist(self, platform):
        for reply in (platform.query("O1"), platform.close("O1")):
            assert (reply.status, reply.body["code"]) == (404, "NOT_EXIST")

    @pytest.mark.parametrize(
        "broken",
        [
            {"amount_fen": 0},
            {"amount_fen": -1},
            {"amount_fen": True},
            {"amount_fen": "100"},
            {"amount_fen": 1.0},
            {"currency": "USD"},
            {"order_no": ""},
            {"agreement_no": None},
            {"split": [{"account": "platform", "amount_fen": 1}]},
            {"split": "all"},
            {"notify_url": 7},
            {"notify_url": "//x"},
        ],
    )
    def test_with_a_broken_body_is_refused(self, platform, broken):
        reply = platform.deduct(an_order() | broken)

        assert (reply.status, reply.body["code"]) == (400, "PARAM_ERROR")
        assert charged(platform) == {}


class TestClose:
    def test_ends_an_order_that_is_not_charged(self, platform, clock):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order())

        assert [platform.close("O1").body["status"] for _ in range(2)] == ["CLOSED"] * 2
        clock.advance(days=1)
        assert platform.query("O1").body["status"] == "CLOSED"
        assert charged(platform) == {}

    def test_makes_the_number_unusable(self, platform):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order())
        platform.close("O1")

        reply = platform.deduct(an_order())

        assert (reply.status, reply.body["code"], reply.body["status"]) == (
            409,
            "ORDER_CLOSED",
            "CLOSED",
        )
        assert charged(platform) == {}

    @pytest.mark.parametrize("outcome", ["succeed", "not_exist_after_accept"])
    def test_refuses_a_paid_order_and_gives_its_result(self, platform, outcome):
        platform.script("AG1", [outcome])
        platform.deduct(an_order())

        reply = platform.close("O1")

        assert (reply.status, reply.body["code"], reply.body["status"]) == (
            409,
            "ORDER_PAID",
            "SUCCEEDED",
        )
        assert reply.body["trade_no"] == platform.query("O1").body["trade_no"]

    def test_leaves_a_failed_order_failed(self, platform):
        platform.script("AG1", ["insufficient_funds"])
        platform.deduct(an_order())

        assert platform.close("O1").body["status"] == "FAILED"


def a_refund(refund_no="R1", *, amount_fen=60_00, order_no="O1"):
    return {"refund_no": refund_no, "order_no": order_no, "amount_fen": amount_fen}


class TestRefund:
    def test_is_made_once_for_each_number(self, platform):
        platform.deduct(an_order())

        first = platform.refund(a_refund())

        assert first.body["status"] == "SUCCEEDED"
        assert platform.refund(a_refund()) == first
        assert platform.ledger()["charges"][0]["refunded_fen"] == 60_00
        assert len(platform.ledger(TODAY)["refunds"]) == 1

    def test_never_gives_back_more_than_was_paid(self, platform):
        platform.deduct(an_order())
        platform.refund(a_refund())

        assert platform.refund(a_refund("R2", amount_fen=40_01)).body["code"] == (
            "REFUND_EXCEEDS_PAID"
        )
        assert platform.refund(a_refund("R2", amount_fen=40_00)).status == 200

    def test_number_is_not_used_for_another(self, platform):
        platform.deduct(an_order())
        platform.refund(a_refund())

        assert platform.refund(a_refund(amount_fen=1)).body["code"] == "REFUND_CONFLICT"

    def test_needs_a_paid_order(self, platform):
        platform.script("AG1", ["insufficient_funds"])
        platform.deduct(an_order())

        assert platform.refund(a_refund()).body["code"] == "ORDER_NOT_PAID"
        assert platform.refund(a_refund(order_no="O2")).body["code"] == "NOT_EXIST"
        assert platform.refund({"refund_no": "R1"}).body["code"] == "PARAM_ERROR"


class TestLedger:
    def test_tells_a_day_by_when_it_was_paid(self, platform, clock):
        clock.now = datetime(2026, 11, 24, 23, 59, 59, tzinfo=SHANGHAI)
        platform.deduct(an_order("LATE"))
        clock.advance(seconds=1)
        platform.deduct(an_order("EARLY"))

        assert [each["order_no"] for each in platform.ledger(TODAY)["charges"]] == ["LATE"]
        assert platform.ledger(TODAY)["requests"] == 1
        assert platform.ledger()["amount_fen"] == 200_00

    def test_tells_what_was_charged_even_if_the_platform_hides_it(self, platform):
        platform.script("AG1", ["not_exist_after_accept"])
        platform.deduct(an_order())

        assert platform.ledger()["charges"][0]["status"] == "SUCCEEDED"


class TestMix:
    def test_draws_about_as_often_as_told(self, platform):
        platform.mix({"insufficient_funds": 0.3, "timeout_after_charge": 0.1})

        replies = [platform.deduct(an_order(f"O{n}")) for n in range(2_000)]

        dropped = sum(reply.wire is Wire.DROPPED for reply in replies)
        failed = sum("FAILED" in reply.payload().decode() for reply in replies)
        assert 150 < dropped < 250
        assert 520 < failed < 680

    def test_goes_behind_a_script(self, platform):
        platform.mix({"insufficient_funds": 1})
        platform.script("AG1", ["succeed"])

        assert platform.deduct(an_order("A")).body["status"] == "SUCCEEDED"
        assert platform.deduct(an_order("B")).body["status"] == "FAILED"

    @pytest.mark.parametrize(
        "mix", [{"explode": 0.1}, {"succeed": 1.1}, {"succeed": 0.6, "html_error": 0.6}]
    )
    def test_must_make_sense(self, platform, mix):
        with pytest.raises(UnknownOutcomeError):
            platform.mix(mix)


class TestDeterminism:
    def played(self, seed, order):
        clock = StandingClock()
        platform = PaymentPlatform(clock=clock, rng=seeded(seed))
        platform.mix(dict.fromkeys(sorted(OUTCOMES - {"succeed"}), 0.06))
        answers = {}
        for n in order:
            answers[n] = platform.deduct(an_order(f"O{n}", agreement_no=f"AG{n}"))
        clock.advance(hours=1)
        return answers, platform.ledger()

    def test_same_seed_and_calls_give_the_same_answers(self):
        assert self.played(7, range(300)) == self.played(7, range(300))

    def test_answers_do_not_depend_on_who_came_first(self):
        assert self.played(7, range(300))[0] == self.played(7, reversed(range(300)))[0]

    def test_another_seed_gives_others(self):
        assert self.played(7, range(300)) != self.played(8, range(300))


class TestNotifications:
    URL = "http://127.0.0.1:1/notify"

    def test_tell_an_end_at_once_with_the_same_body(self, platform):
        reply = platform.deduct(an_order(notify_url=self.URL))

        told = platform.take_notification()

        assert (told.key, told.url, told.body, told.attempt) == ("O1", self.URL, reply.body, 1)
        assert platform.take_notification() is None

    def test_climb_the_ladder_until_answered_then_give_up(self, platform, clock):
        platform.deduct(an_order(notify_url=self.URL))
        waits = []

        while (due := platform.next_notification_at()) is not None:
            waits.append((due - clock.now).total_seconds())
            clock.now = due
            platform.notified(platform.take_notification().key, acknowledged=False)

        assert waits == [0, 15, 15, 30, 180, 1800]

    def test_stop_when_answered(self, platform):
        platform.deduct(an_order(notify_url=self.URL))
        platform.notified(platform.take_notification().key, acknowledged=True)
        platform.notified("O1", acknowledged=False)

        assert platform.next_notification_at() is None

    def test_wait_for_the_end_of_a_processing(self, platform, clock):
        platform.script("AG1", ["processing_then_fail"])
        platform.deduct(an_order(notify_url=self.URL))

        assert platform.take_notification() is None
        clock.now = platform.next_notification_at()
        assert platform.take_notification().body["status"] == "FAILED"

    def test_are_not_sent_of_what_was_closed_or_has_no_address(self, platform, clock):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order(notify_url=self.URL))
        platform.close("O1")
        platform.deduct(an_order("O2"))
        clock.advance(days=1)

        assert platform.take_notification() is None

    def test_tell_of_a_charge_whose_answer_was_lost(self, platform):
        platform.script("AG1", ["timeout_after_charge"])
        platform.deduct(an_order(notify_url=self.URL))

        assert platform.take_notification().body["status"] == "SUCCEEDED"
