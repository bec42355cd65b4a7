"""Receipts, deaths and meetings: at most one text a notice, and none is lost."""

from dataclasses import replace

import pytest

from chalicelib.domain.notice import State
from chalicelib.flows import notices
from chalicelib.flows.notice_ports import TextMessage
from chalicelib.flows.notices import Outcome
from tests.builders import a_loan, at
from tests.fakes_notices import PHONE, TextWorld, an_event

PAID_1 = "20261124-paid-1-B1"


def a_world():
    world = TextWorld()
    for loan_id in ("LN1", "LN2"):
        world.loans.rows[loan_id] = a_loan(loan_id)
    return world


class TestReceipts:
    def sent(self):
        world = a_world()
        world.collect(an_event("LN1"))
        return world.pass_until(at(9, 30))

    @pytest.mark.parametrize(("status", "reason"), [("DELIVERED", ""), ("FAILED", "NO_SERVICE")])
    def test_are_stored(self, status, reason):
        world = self.sent()

        assert world.receive(PAID_1, status, reason=reason or None) is Outcome.REPORTED
        notice = world.book.rows[PAID_1]
        assert (notice.state, notice.reported_at, notice.reason) == (status, at(9, 30), reason)
        assert notice.sent_at == at(9, 5)

    def test_stick(self):
        world = self.sent()
        world.receive(PAID_1)
        standing = world.book.rows[PAID_1]

        assert world.receive(PAID_1, "FAILED") is Outcome.REPEATED
        assert world.receive(PAID_1) is Outcome.REPEATED
        assert world.book.rows[PAID_1] == standing

    def test_may_come_before_the_sending_is_recorded(self):
        world = a_world()
        world.collect(an_event("LN1"))
        send = world.platform.send

        def overtaken(sms):
            answer = send(sms)
            world.receive(sms.message_id)
            return answer

        world.platform.send = overtaken
        world.pass_until(at(10))

        assert world.states == {PAID_1: "DELIVERED"}
        assert world.book.rows[PAID_1].send_at is None
        assert world.platform.sendings[PAID_1] == 1

    def test_end_what_was_unknown_and_what_was_thought_lost(self):
        world = a_world()
        world.platform.script, world.platform.deaf = ["time_out"], 10**6
        world.collect(an_event("LN1"))
        world.pass_until(at(9, 30))
        world.receive(PAID_1)
        asked = world.platform.questions[PAID_1]
        world.pass_until(at(12))

        assert world.states == {PAID_1: "DELIVERED"}
        assert world.platform.questions[PAID_1] == asked

    def test_of_nobody_change_nothing(self):
        world = self.sent()

        for notice_id in ("20261124-paid-7-B1", "nonsense", ""):
            assert world.receive(notice_id) is Outcome.NOT_OURS
        assert world.receive(PAID_1, "ACCEPTED") is Outcome.NOT_OURS
        assert world.states == {PAID_1: "SENT"}

    def test_give_a_crowd_back_to_the_queue(self):
        world = self.sent()
        stale = world.book.rows[PAID_1]
        world.book.get = lambda _: stale
        world.book.rows[PAID_1] = replace(stale, version=99)

        with pytest.raises(notices.CrowdedNoticeError):
            world.receive(PAID_1)


class TestCrashes:
    """The process dies at one of its calls, before it or after; what it held comes again."""

    def day(self, *, script=(), dies_at=None):
        world = a_world()
        world.platform.script = list(script)
        world.outside.dies_at = dies_at
        for loan_id in ("LN1", "LN2"):
            world.arrive(an_event(loan_id))
        world.arrive(an_event("LN1", "deduction_failed"))
        world.pass_until(at(11))
        return world

    @pytest.mark.parametrize(
        "script", [(), ("time_out",), ("no_answer",), ("unreachable", "time_out")], ids=str
    )
    def test_no_death_costs_or_repeats_a_text(self, script):
        boundaries = self.day(script=script).outside.boundaries
        for dies_at in range(boundaries):
            world = self.day(script=script, dies_at=dies_at)

            assert len(world.said) == 2, dies_at
            assert set(world.states.values()) == {State.SENT.value}, dies_at
            assert world.platform.changed == [], dies_at
            lines = [n.notice_id for n in world.book.rows.values() for _ in n.lines]
            assert len(lines) == 3, dies_at

    def test_no_phone_number_leaves_the_process_but_to_the_platform(self):
        world = self.day()

        assert PHONE not in repr(world.book.rows) + repr(world.platform.taken) + repr(world.said)
        assert {sms.phone for sms in world.platform.taken.values()} == {PHONE}


class TestMeetings:
    """Somebody comes between two calls of a sending."""

    MESSAGE = TextMessage(notice_id=PAID_1)

    def send(self, *, script, meets_at, meet):
        """Collect LN1, send it, and let `meet` happen at one boundary of the sending."""
        world = a_world()
        world.platform.script = list(script)
        world.collect(an_event("LN1"))
        world.now, world.outside.boundaries = at(9, 5), 0
        passes = world.outside.passes

        def passing():
            is_met = world.outside.boundaries == meets_at
            passes()
            if is_met:
                meet(world)

        world.outside.passes = passing
        notices.send(message=self.MESSAGE, now=world.now, desk=world.desk)
        return world

    def meetings(self, meet, script):
        """Send once for every boundary there is."""
        alone = self.send(script=script, meets_at=None, meet=meet)
        for boundary in range(alone.outside.boundaries):
            yield self.send(script=script, meets_at=boundary, meet=meet)

    @pytest.mark.parametrize("script", [(), ("time_out",), ("no_answer",)], ids=str)
    def test_the_same_message_sends_no_second_text(self, script):
        def meet(world):
            notices.send(message=self.MESSAGE, now=world.now, desk=world.desk)

        for world in self.meetings(meet, script):
            world.pass_until(at(12))

            assert world.states == {PAID_1: "SENT"}
            assert len(world.said) == 1
            assert world.platform.changed == []

    @pytest.mark.parametrize("script", [(), ("time_out",), ("no_answer",)], ids=str)
    def test_another_loan_is_told_once_in_this_text_or_the_next(self, script):
        for world in self.meetings(lambda world: world.collect(an_event("LN2")), script):
            world.collect(an_event("LN2"))
            world.pass_until(at(12))

            assert set(world.states.values()) == {"SENT"}
            assert len(world.said) == len(world.book.rows)
            assert sum("2笔" in text or "尾号LN2" in text for text in world.said) == 1
            lines = [line.loan_id for notice in world.book.rows.values() for line in notice.lines]
            assert sorted(lines) == ["LN1", "LN2"]

    @pytest.mark.parametrize("script", [(), ("time_out",), ("no_answer",)], ids=str)
    def test_a_receipt_sticks(self, script):
        for world in self.meetings(lambda world: world.receive(PAID_1), script):
            world.pass_until(at(12))

            assert world.states == {PAID_1: "DELIVERED"}
            assert world.platform.changed == []
