"""Texts, as a day passes: what is told, when, and how often."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.loan import Mode
from chalicelib.domain.notice import NoticePolicy
from chalicelib.flows import notices
from chalicelib.flows.notice_ports import TextMessage
from chalicelib.flows.notices import LADDER, Outcome
from chalicelib.flows.ports import Borrower
from tests.builders import TODAY, a_loan, at
from tests.fakes import Crash
from tests.fakes_notices import NAME, PHONE, TextWorld, an_event

TOMORROW = TODAY + timedelta(days=1)
PAID_1 = "20261124-paid-1-B1"


def a_world(**changes):
    world = TextWorld(**changes)
    for loan_id in ("LN1", "LN2", "LN3"):
        world.loans.rows[loan_id] = a_loan(loan_id)
    return world


class TestCollecting:
    def test_puts_a_borrowers_loans_into_one_text(self):
        world = a_world()
        world.collect(an_event("LN2"), an_event("LN1"))
        world.now = at(9, 3)
        world.collect(an_event("LN3"))
        world.pass_until(at(10))

        assert world.said == [
            "【Afterloan】王*明您好，您的3笔借款已于11月24日成功还款共3,000.00元，感谢您的支持。"
        ]

    def test_opens_the_next_text_for_a_loan_that_comes_after_the_first_was_sent(self):
        world = a_world()
        world.collect(an_event("LN1"))
        world.pass_until(at(9, 30))
        world.collect(an_event("LN2"), an_event("LN1"))
        world.pass_until(at(10))

        assert world.states == {PAID_1: "SENT", "20261124-paid-2-B1": "SENT"}
        assert ["尾号LN1的" in text for text in world.said] == [True, False]

    @pytest.mark.parametrize(("dpd", "collected"), [(0, 1), (7, 1), (8, 0), (60, 0)])
    def test_a_failed_retry_is_no_news_once_collections_speak(self, dpd, collected):
        report = a_world().collect(an_event("LN1", "deduction_failed", dpd=dpd))

        assert report.collected == collected

    def test_tells_apart_what_is_told(self):
        report = a_world().collect(
            an_event("LN1"),
            an_event("LN1"),
            an_event("LN2", mode="unheard_of"),
            an_event("LN3", event="case_opened"),
        )

        assert report == notices.Report(collected=1, repeated=1, left_out=2)

    def test_leaves_the_loans_of_a_funder_that_sends_the_texts_to_it(self):
        world = a_world()
        world.policy = NoticePolicy(silent_for=frozenset({"F3"}))
        for loan_id, funder_id in (("LN1", "F3"), ("LN2", "F1"), ("LN3", "")):
            world.loans.rows[loan_id] = a_loan(loan_id, funder_id=funder_id)
        report = world.collect(
            an_event("LN1", mode="loan_assistance"),
            an_event("LN2", mode="loan_assistance"),
            an_event("LN3"),
            an_event("LN404", mode="loan_assistance"),
        )

        assert report == notices.Report(collected=3, repeated=0, left_out=1)

    @pytest.mark.parametrize("mode", Mode)
    def test_tells_the_same_in_every_mode(self, mode):
        report = a_world().collect(an_event("LN1", mode=mode.value))

        assert report.collected == 1

    def test_tells_of_a_settled_loan_that_it_is_settled_and_nothing_else(self):
        world = a_world()
        world.collect(an_event("LN1", settles=True))
        world.pass_until(at(10))

        assert world.states == {"20261124-settled-1-B1": "SENT"}
        assert "全部结清" in world.said[0]

    def test_leaves_out_what_was_put_back_on_the_queue_days_later(self):
        world = a_world(now=at(9, day=TODAY + timedelta(days=14)))

        assert world.collect(an_event("LN1")).left_out == 1
        assert world.book.rows == {}

    def test_reads_again_when_another_worker_was_faster(self):
        world = a_world()
        of_recipient = world.book.of_recipient

        def overtaken(recipient):
            world.book.of_recipient = of_recipient
            found = of_recipient(recipient)
            world.collect(an_event("LN2"))
            return found

        world.book.of_recipient = overtaken
        world.collect(an_event("LN1"))

        assert [line.loan_id for line in world.book.rows[PAID_1].lines] == ["LN1", "LN2"]

    def test_gives_a_crowd_back_to_the_queue(self):
        world = a_world()
        world.collect(an_event("LN1"))
        world.book.of_recipient = lambda _: []

        with pytest.raises(notices.CrowdedNoticeError):
            world.collect(an_event("LN2"))

    @given(
        st.lists(
            st.builds(
                an_event,
                st.sampled_from(["LN1", "LN2", "LN3"]),
                st.sampled_from(["deduction_succeeded", "deduction_failed", "due_soon"]),
                borrower_id=st.sampled_from(["B1", "B2"]),
            ),
            min_size=1,
            max_size=12,
        ),
        st.randoms(use_true_random=False),
    )
    @settings(max_examples=60, deadline=None)
    def test_says_the_same_whatever_is_repeated_and_in_whatever_order(self, events, random):
        once, often = a_world(), a_world()
        for world in (once, often):
            world.borrowers.rows["B2"] = Borrower(borrower_id="B2", name=NAME, phone=PHONE)
            for loan_id in ("LN1", "LN2", "LN3"):
                world.loans.rows[loan_id] = a_loan(loan_id)
        for event in events:
            once.arrive(event)
        repeated = events * 2
        random.shuffle(repeated)
        for event in repeated:
            often.arrive(event)
        once.pass_until(at(12))
        often.pass_until(at(12))
        for event in repeated:
            often.arrive(event)
        often.pass_until(at(21))

        assert sorted(often.platform.taken) == sorted(once.platform.taken)
        assert sorted(often.said) == sorted(once.said)

    @given(
        st.lists(
            st.tuples(st.sampled_from(["LN1", "LN2", "LN3"]), st.integers(0, 60)),
            min_size=1,
            max_size=12,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_says_each_loan_once_however_its_events_and_the_sending_mix(self, arrivals):
        world = a_world()
        for loan_id, minute in arrivals:
            world._arrive(an_event(loan_id), at(9, minute % 60))
        world.pass_until(at(12))

        lines = [line.loan_id for notice in world.book.rows.values() for line in notice.lines]
        assert sorted(lines) == sorted({loan_id for loan_id, _ in arrivals})
        assert set(world.states.values()) == {"SENT"}


class TestQuietHours:
    @pytest.mark.parametrize(
        ("happens_at", "sent_at"),
        [
            (at(0, 10), at(8)),
            (at(7, 59, second=59), at(8, 5)),
            (at(8), at(8, 5)),
            (at(12, 1), at(12, 10)),
            (at(21, 50), at(21, 55)),
            (at(21, 54, second=59), at(8, day=TOMORROW)),
            (at(21, 59, second=59), at(8, day=TOMORROW)),
            (at(22), at(8, day=TOMORROW)),
        ],
    )
    def test_a_text_goes_out_with_the_release_after_its_pause_and_never_at_night(
        self, happens_at, sent_at
    ):
        world = a_world(now=happens_at)
        world.collect(an_event("LN1", occurred_at=happens_at))
        world.pass_until(at(12, day=TOMORROW))

        assert [notice.sent_at for notice in world.book.rows.values()] == [sent_at]

    @pytest.mark.parametrize(
        ("now", "outcome"),
        [
            (at(7, 59, second=59), Outcome.PUT_OFF),
            (at(8), Outcome.SENT),
            (at(21, 59, second=59), Outcome.SENT),
            (at(22), Outcome.PUT_OFF),
        ],
    )
    def test_a_message_that_arrives_at_night_sends_nothing(self, now, outcome):
        world = a_world(now=at(0, 10))
        world.collect(an_event("LN1", occurred_at=at(0, 10)))
        world.now = now

        sent = notices.send(message=TextMessage(notice_id=PAID_1), now=now, desk=world.desk)

        assert sent is outcome
        assert len(world.said) == (outcome is Outcome.SENT)

    def test_the_release_puts_nothing_at_night(self):
        world = a_world(now=at(1))
        world.collect(an_event("LN1", occurred_at=at(1)))

        assert notices.release(now=at(7, 59, second=59), desk=world.desk) == 0
        assert notices.release(now=at(8), desk=world.desk) == 1
        assert notices.release(now=at(21, 59, second=59), desk=world.desk) == 1
        assert notices.release(now=at(22), desk=world.desk) == 0
        assert notices.release(now=at(7, 59, second=59, day=TOMORROW), desk=world.desk) == 0

    def test_what_was_begun_before_the_night_is_gone_on_with_in_the_morning(self):
        world = a_world(now=at(21, 48))
        world.collect(an_event("LN1"))
        world.platform.script = ["no_answer"] * 4
        world.pass_until(at(7, day=TOMORROW))
        sendings = world.platform.sendings[PAID_1]
        world.pass_until(at(9, day=TOMORROW))

        assert sendings == 3  # 21:55, half a minute and a minute later; the next would be 22:01:30
        assert world.states == {PAID_1: "SENT"}

    def test_the_release_takes_what_was_left_over_days_ago_and_no_more_than_its_fill(self):
        world = a_world()
        world.policy = NoticePolicy(texts_per_release=2)
        world.collect(*(an_event("LN1", borrower_id=f"B{number}") for number in range(5)))

        assert notices.release(now=at(9, day=TODAY + timedelta(days=2)), desk=world.desk) == 2


class TestReminding:
    def remind(self, world):
        world.now = at(0, 10)
        world.loans.rows["LN1"] = a_loan("LN1", overdue_days=-3)
        world.loans.rows["LN2"] = a_loan("LN2", overdue_days=-1)
        world.collect(
            an_event("LN1", "due_soon", occurred_at=world.now),
            an_event("LN2", "due_soon", occurred_at=world.now, due_on=TOMORROW),
        )
        return world

    def test_reminds_of_what_is_unpaid(self):
        world = self.remind(a_world()).pass_until(at(9))

        assert world.said == [
            "【Afterloan】王*明您好，您有2笔借款共2,000.00元近日到期，最早11月25日，请备足款项。已还请忽略。"
        ]

    def test_leaves_out_a_loan_that_was_paid_since(self):
        world = self.remind(a_world())
        world.loans.rows["LN2"] = a_loan("LN2", overdue_days=-31)
        world.pass_until(at(9))

        assert world.said == [
            "【Afterloan】王*明您好，尾号LN1的借款1,000.00元将于11月27日到期并自动扣款，请备足款项。已还请忽略。"
        ]
        assert [line.dropped for line in world.book.rows["20261124-due-1-B1"].lines] == [
            None,
            "paid",
        ]

    def test_reminds_nobody_who_has_paid_everything(self):
        world = self.remind(a_world())
        world.loans.rows["LN1"] = a_loan("LN1", unpaid_due_on=None)
        world.loans.rows["LN2"] = a_loan("LN2", overdue_days=-31)
        world.pass_until(at(9))

        assert world.said == []
        assert world.states == {"20261124-due-1-B1": "CANCELLED"}

    def test_reminds_of_nothing_that_is_due_already(self):
        world = self.remind(a_world())
        world.now = at(9, day=TOMORROW)
        world.pass_until(at(10, day=TOMORROW))

        assert "尾号LN1" in world.said[0]

    def test_does_not_repeat_a_reminder_that_was_overtaken_by_the_payment(self):
        world = self.remind(a_world())
        world.platform.script = ["unreachable"]
        world.pass_until(at(8))
        for loan_id in ("LN1", "LN2"):
            world.loans.rows[loan_id] = a_loan(loan_id, overdue_days=-31)
        world.pass_until(at(9))

        assert world.said == []
        assert world.states == {"20261124-due-1-B1": "CANCELLED"}


class TestTellingOfFailures:
    def fail(self, world, *orders):
        world.collect(
            *(
                an_event(loan_id, "deduction_failed", order_no=f"20261124-{round_no}-{loan_id}")
                for round_no, loan_id in orders
            )
        )
        return world.pass_until(at(12))

    def test_tells_of_a_failed_deduction(self):
        assert self.fail(a_world(), (1, "LN1")).said == [
            "【Afterloan】王*明您好，尾号LN1借款11月24日扣款1,000.00元未成功，请备足款项或主动还款。已还请忽略。"
        ]

    def test_tells_nobody_who_has_paid_since(self):
        world = a_world()
        world.loans.rows["LN1"] = a_loan("LN1", overdue_days=-31)
        self.fail(world, (1, "LN1"))

        assert world.said == []

    def test_counts_a_loan_that_failed_twice_once(self):
        assert "1,000.00" in self.fail(a_world(), (1, "LN1"), (2, "LN1")).said[0]

    def test_tells_of_each_round(self):
        world = self.fail(a_world(), (1, "LN1"))
        world.now = at(16, 5)
        world.collect(an_event("LN1", "deduction_failed", order_no="20261124-2-LN1"))
        world.pass_until(at(17))

        assert len(world.said) == 2


class TestTellingOfRepayments:
    """The borrower asked for it, so he is told how it ended, whatever else is due."""

    def repay(self, event, *numbers, **changes):
        world = a_world()
        for number, loan_id in numbers:
            order_no = f"20261124-Qabcdefghijklmno{number}-{loan_id}"
            world.collect(an_event(loan_id, event, order_no=order_no, **changes))
        return world.pass_until(at(12))

    def test_says_that_it_succeeded(self):
        assert self.repay("repayment_succeeded", (2, "LN1")).said == [
            "【Afterloan】王*明您好，尾号LN1的借款已于11月24日主动还款1,000.00元成功，感谢您的支持。"
        ]

    def test_says_that_the_loan_is_settled_instead(self):
        world = self.repay("repayment_succeeded", (2, "LN1"), settles=True)

        assert world.states == {"20261124-settled-1-B1": "SENT"}

    def test_says_that_it_failed_and_that_nothing_was_taken(self):
        assert self.repay("repayment_failed", (2, "LN1")).said == [
            "【Afterloan】王*明您好，尾号LN1借款11月24日主动还款1,000.00元未成功，没有扣款，请核对银行卡后再试。"
        ]

    @pytest.mark.parametrize("dpd", [0, 8, 60])
    def test_of_a_failure_he_is_told_however_old_the_trouble(self, dpd):
        world = self.repay("repayment_failed", (2, "LN1"), dpd=dpd)

        assert world.states == {"20261124-unrepaid-1-B1": "SENT"}

    @pytest.mark.parametrize("loan", [a_loan("LN1", overdue_days=-31), None])
    def test_of_a_failure_he_is_told_though_nothing_is_due(self, loan):
        world = a_world()
        world.loans.rows.pop("LN1")
        if loan:
            world.loans.rows["LN1"] = loan
        world.collect(an_event("LN1", "repayment_failed"))
        world.pass_until(at(12))

        assert world.states == {"20261124-unrepaid-1-B1": "SENT"}

    def test_of_two_failures_of_one_loan_he_is_told_as_of_two(self):
        assert self.repay("repayment_failed", (2, "LN1"), (3, "LN1")).said == [
            "【Afterloan】王*明您好，您11月24日有2笔主动还款共2,000.00元未成功，均没有扣款，请核对银行卡后再试。"
        ]

    def test_of_two_successes_of_one_loan_he_is_told_the_sum(self):
        [said] = self.repay("repayment_succeeded", (2, "LN1"), (3, "LN1")).said

        assert "尾号LN1的借款" in said
        assert "主动还款2,000.00元成功" in said

    @pytest.mark.parametrize("event", ["repayment_succeeded", "repayment_failed"])
    def test_of_an_order_he_is_told_once(self, event):
        world = self.repay(event, (2, "LN1"), (2, "LN1"))
        world.collect(an_event("LN1", event, order_no="20261124-Qabcdefghijklmno2-LN1"))
        world.pass_until(at(20))

        assert len(world.said) == 1

    def test_of_a_failure_that_came_after_the_text_he_is_told_again(self):
        world = self.repay("repayment_failed", (2, "LN1"))
        world.collect(
            an_event("LN1", "repayment_failed", order_no="20261124-Qabcdefghijklmno3-LN1")
        )
        world.pass_until(at(20))

        assert len(world.said) == 2

    def test_is_not_mixed_up_with_what_was_deducted(self):
        world = a_world()
        world.collect(
            an_event("LN1"),
            an_event("LN2", "repayment_succeeded"),
            an_event("LN3", "repayment_failed"),
        )
        world.pass_until(at(12))

        assert sorted(world.states) == [
            "20261124-paid-1-B1",
            "20261124-repaid-1-B1",
            "20261124-unrepaid-1-B1",
        ]


class TestSending:
    def send(self, script, *, deaf=0, until=None):
        world = a_world()
        world.platform.script = list(script)
        world.platform.deaf = deaf
        world.collect(an_event("LN1"))
        return world.pass_until(until or at(20))

    @pytest.mark.parametrize("silence", ["time_out", "no_answer"])
    def test_asks_after_a_text_without_an_answer_and_sends_it_once(self, silence):
        world = self.send([silence])

        assert world.states == {PAID_1: "SENT"}
        assert len(world.said) == 1
        assert world.book.rows[PAID_1].receipt_id == f"R-{PAID_1}"
        assert world.platform.sendings[PAID_1] == (1 if silence == "time_out" else 2)

    def test_climbs_the_ladder_then_leaves_it_to_the_release(self):
        world = a_world()
        world.platform.script = ["time_out"]
        world.platform.deaf = 10**6
        world.collect(an_event("LN1"))
        asked_at = []
        ask = world.platform.ask
        world.platform.ask = lambda message_id: asked_at.append(world.now) or ask(message_id)
        world.pass_until(at(10, 15))

        sent_at = at(9, 5)
        rungs = [sent_at]
        for pause in LADDER:
            rungs.append(rungs[-1] + pause)
        assert asked_at[:4] == rungs[1:]
        assert asked_at[4:] == [at(9, 50), at(10, 10)]
        assert world.platform.sendings[PAID_1] == 1

    def test_is_left_alone_by_the_release_while_it_is_being_sent(self):
        world = a_world()
        world.collect(an_event("LN1"))
        world.platform.send = lambda _: (_ for _ in ()).throw(Crash)
        world.now = at(9, 5)

        with pytest.raises(Crash):
            notices.send(message=TextMessage(notice_id=PAID_1), now=world.now, desk=world.desk)

        assert world.states == {PAID_1: "SENDING"}
        assert notices.release(now=at(9, 20), desk=world.desk) == 0
        assert notices.release(now=at(9, 25), desk=world.desk) == 1

    def test_gives_up_asking_once_the_news_is_old(self):
        world = self.send(["time_out"], deaf=10**6, until=at(12, day=TODAY + timedelta(days=3)))

        assert world.states == {PAID_1: "UNKNOWN"}
        assert world.book.rows[PAID_1].send_at is None
        assert world.book.rows[PAID_1].reason == "too_late"
        asked = world.platform.questions[PAID_1]
        world.pass_until(at(12, day=TODAY + timedelta(days=4)))
        assert world.platform.questions[PAID_1] == asked

    def test_does_not_try_again_what_is_refused_for_the_day(self):
        world = self.send(["limit"])

        assert world.states == {PAID_1: "REFUSED"}
        assert world.platform.sendings[PAID_1] == 1
        assert world.book.rows[PAID_1].reason == "BUSINESS_LIMIT_CONTROL"

    @pytest.mark.parametrize("trouble", ["unreachable", "throttled"])
    def test_tries_again_while_the_platform_is_down(self, trouble):
        world = self.send([trouble] * 6)

        assert world.states == {PAID_1: "SENT"}
        assert len(world.said) == 1

    def test_one_borrowers_trouble_is_nobody_elses(self):
        world = a_world()
        world.borrowers.rows["B2"] = Borrower(borrower_id="B2", name="", phone=PHONE)
        world.platform.script = ["unreachable"]
        world.collect(an_event("LN1"), an_event("LN2", borrower_id="B2"))
        world.pass_until(at(9, 5))

        assert sorted(world.states.values()) == ["SENDING", "SENT"]

    def test_cancels_what_is_not_taken_until_the_news_is_old(self):
        world = self.send(["unreachable"] * 10**4, until=at(12, day=TODAY + timedelta(days=3)))

        assert world.states == {PAID_1: "CANCELLED"}
        assert world.book.rows[PAID_1].send_at is None

    @pytest.mark.parametrize(
        "phone", [None, "", "1391234567", "１３９１２３４５６７８", "02112345678"]
    )
    def test_cancels_a_text_that_nobody_can_get(self, phone):
        world = a_world()
        if phone is None:
            del world.borrowers.rows["B1"]
        else:
            world.borrowers.rows["B1"] = Borrower(borrower_id="B1", name=NAME, phone=phone)
        world.collect(an_event("LN1"))
        world.pass_until(at(10))

        assert world.states == {PAID_1: "CANCELLED"}
        assert world.book.rows[PAID_1].reason == "no_phone"

    def test_sends_the_same_words_again_though_the_name_was_corrected(self):
        world = a_world()
        world.platform.script = ["no_answer"]
        world.collect(an_event("LN1"))
        world.pass_until(at(9, 5))
        world.borrowers.rows["B1"] = Borrower(borrower_id="B1", name="李四", phone=PHONE)
        world.pass_until(at(10))

        assert "王*明" in world.said[0]
        assert world.platform.changed == []

    def test_a_loan_that_joins_while_the_text_is_made_is_in_it(self):
        world = a_world()
        world.collect(an_event("LN1"))
        get, world.now = world.borrowers.get, at(9, 5)

        def slow(borrower_id):
            world.borrowers.get = get
            world.collect(an_event("LN2"))
            return get(borrower_id)

        world.borrowers.get = slow
        world.pass_until(at(10))

        assert world.states == {PAID_1: "SENT"}
        assert "2笔" in world.said[0]

    def test_knows_no_text_that_is_not_its_own(self):
        world = a_world()

        for notice_id in ("", "x", "20261124-paid-1-B9", "20269999-paid-1-B1", "20261124-lost-1-B"):
            message = TextMessage(notice_id=notice_id)
            assert notices.send(message=message, now=at(9), desk=world.desk) is Outcome.NOT_OURS
