from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251 - seeded
from threading import Thread

import pytest

from simulators.clock import SHANGHAI, SettableClock
from simulators.outcomes import UnknownOutcomeError
from simulators.payment_platform import OUTCOMES, PaymentPlatform
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


class TestOneNumber:
    def test_is_charged_once_however_often_it_is_sent(self, platform, clock):
        first = platform.deduct(an_order())
        advance(clock, hours=5)

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
        advance(clock, days=1)
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

    def test_stands_in_the_bill_of_the_day_it_was_made_on(self, platform):
        platform.deduct(an_order())
        platform.refund(a_refund())
        header, paid, refunded = platform.bill(day=TODAY).body.decode().splitlines()
        cells = dict(zip(header.split(","), refunded.split(","), strict=True))

        assert ",SUCCEEDED," in paid
        assert (cells["order_no"], cells["amount_fen"], cells["status"]) == (
            "R1",
            "6000",
            "REFUNDED",
        )
        assert b"REFUNDED" not in platform.bill(day=TODAY + timedelta(days=1)).body

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
        clock.set(datetime(2026, 11, 24, 23, 59, 59, tzinfo=SHANGHAI))
        platform.deduct(an_order("LATE"))
        advance(clock, seconds=1)
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
        clock = SettableClock()
        clock.set(EIGHT)
        platform = PaymentPlatform(clock=clock, rng=seeded(seed))
        platform.mix(dict.fromkeys(sorted(OUTCOMES - {"succeed"}), 0.05))
        answers = {}
        for n in order:
            answers[n] = platform.deduct(an_order(f"O{n}", agreement_no=f"AG{n}"))
        advance(clock, hours=1)
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
            waits.append((due - clock()).total_seconds())
            clock.set(due)
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
        clock.set(platform.next_notification_at())
        assert platform.take_notification().body["status"] == "FAILED"

    def test_are_not_sent_of_what_was_closed_or_has_no_address(self, platform, clock):
        platform.script("AG1", ["processing_then_succeed"])
        platform.deduct(an_order(notify_url=self.URL))
        platform.close("O1")
        platform.deduct(an_order("O2"))
        advance(clock, days=1)

        assert platform.take_notification() is None

    def test_tell_of_a_charge_whose_answer_was_lost(self, platform):
        platform.script("AG1", ["timeout_after_charge"])
        platform.deduct(an_order(notify_url=self.URL))

        assert platform.take_notification().body["status"] == "SUCCEEDED"


TWO = [{"account": "funder-F1", "amount_fen": 70_00}, {"account": "platform", "amount_fen": 30_00}]


def splits(platform):
    """Say who has really received what, by the ledger and by the bill."""
    [charge] = platform.ledger()["charges"]
    line = platform.bill(day=TODAY).body.decode().splitlines()[1].split(",")
    return charge["split_status"], charge["split"], int(line[4]), int(line[5])


class TestASplitThatFails:
    """failures.md row 89: the charge stands, and the split is done again by its own number."""

    def again(self, platform, *, split_no="O1-S", split=None):
        return platform.split(
            "O1", {"split_no": split_no, "split": TWO if split is None else split}
        )

    def test_leaves_the_charge_and_the_money_with_the_merchant(self, platform):
        platform.script("AG1", ["split_fails_after_charge"])
        body = platform.deduct(an_order(split=TWO)).body

        assert (body["status"], body["split_status"]) == ("SUCCEEDED", "FAILED")
        assert platform.query("O1").body == platform.deduct(an_order(split=TWO)).body == body
        assert splits(platform) == ("FAILED", [], 0, 100_00)

    def test_is_done_again_once_and_charges_nothing(self, platform):
        platform.script("AG1", ["split_fails_after_charge"])
        platform.deduct(an_order(split=TWO))
        first = self.again(platform)

        assert first.body == {"order_no": "O1", "split_no": "O1-S", "status": "SUCCEEDED"}
        assert self.again(platform) == first
        assert platform.query("O1").body["split_status"] == "SUCCEEDED"
        assert splits(platform) == ("SUCCEEDED", TWO, 70_00, 30_00)
        assert charged(platform) == {"O1": 100_00}

    def test_may_fail_again_or_be_done_unheard(self, platform):
        platform.script("AG1", ["split_fails_twice"])
        platform.deduct(an_order(split=TWO))
        told = [self.again(platform).body["status"] for _ in range(3)]
        assert told == ["FAILED", "SUCCEEDED", "SUCCEEDED"]

        platform.script("AG2", ["split_repair_lost"])
        platform.deduct(an_order("O2", agreement_no="AG2", split=TWO))
        body = {"split_no": "O2-S", "split": TWO}
        assert platform.split("O2", body).wire is Wire.DROPPED
        assert platform.split("O2", body).body["status"] == "SUCCEEDED"

    def test_of_one_that_has_not_failed_moves_nothing(self, platform):
        platform.deduct(an_order(split=TWO))

        assert self.again(platform).body["status"] == "SUCCEEDED"
        assert splits(platform) == (None, TWO, 70_00, 30_00)

    def test_is_refused_where_it_would_be_another(self, platform):
        platform.script("AG1", ["split_fails_after_charge"])
        platform.deduct(an_order(split=TWO))
        other = [{"account": "platform", "amount_fen": 100_00}]
        less = [{"account": "platform", "amount_fen": 1}]
        self.again(platform)

        assert self.again(platform, split=other).body["code"] == "SPLIT_CONFLICT"
        assert self.again(platform, split_no="O1-S2").body["code"] == "SPLIT_CONFLICT"
        assert self.again(platform, split=less).body["code"] == "PARAM_ERROR"
        assert self.again(platform, split_no="").body["code"] == "PARAM_ERROR"
        assert platform.split("O9", {}).body["code"] == "NOT_EXIST"

    def test_is_refused_of_an_order_that_is_not_paid(self, platform):
        platform.script("AG1", ["insufficient_funds"])
        platform.deduct(an_order(split=TWO))

        assert self.again(platform).body["code"] == "ORDER_NOT_PAID"

    def test_has_no_place_where_nothing_is_split(self, platform):
        platform.script("AG1", ["split_fails_after_charge"])

        assert "split_status" not in platform.deduct(an_order(split=[])).body
