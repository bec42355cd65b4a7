"""What a borrower of an assisted loan wishes is the funder's to deduct, and ends here once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import AnswerStatus, Kind, Outcome, Status
from chalicelib.domain.loan import Mode, Slot
from chalicelib.domain.money import Money
from chalicelib.domain.product import Recut
from chalicelib.flows import (
    assisted_day,
    deduction,
    early_repayment,
    forwarding,
    funder_results,
    landing,
    our_orders,
    sweep,
)
from chalicelib.flows.early_repayment import Refused
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.assisted import (
    TOMORROW,
    AssistedWorld,
    a_failure,
    a_result,
    collected,
    fen_of,
    more,
    paid,
    wrongs,
)
from tests.builders import TODAY, at
from tests.repayments import WISHES, ask_all, send_all

SENT_AT = at(9)


def a_world(*outcomes: str) -> AssistedWorld:
    made = AssistedWorld()
    made.lend("LN1", overdue_days=5)
    made.funder_platform.script["AG-LN1"] = list(outcomes)
    return made


def wish(world: AssistedWorld, name: str = "lower instalments", *, now=SENT_AT) -> str:
    """Start a wish; return its order's number."""
    facts = {"borrower_id": "B-LN1", "loan_id": "LN1", "now": now, "desk": world.repaying}
    quoted = early_repayment.quote(wish=WISHES[name], **facts)
    begun = early_repayment.start(quote_id=quoted.quote_id, request=f"r-{name}", **facts)
    return begun.order_no


def told(world: AssistedWorld, order_no: str, **changes: object) -> dict[str, str]:
    """Make the line of a results file that tells of a wish, as one sum."""
    slot = world.loans.rows["LN1"].slot
    parts = slot.components if slot else world.journal.results[order_no].components
    facts = {"round": 0, "funder_trade_no": f"T{order_no}", "paid_at": "2026-11-24T09:00:00+08:00"}
    return a_result(**(facts | fen_of(parts) | changes))


def in_flight(world: AssistedWorld) -> str:
    slot = world.loans.rows["LN1"].slot
    return slot.order_no if slot else ""


class TestAWish:
    @pytest.mark.parametrize("name", WISHES)
    def test_is_sent_to_the_funder_and_posted_from_its_answer(self, name):
        world = a_world()
        order_no = wish(world, name)
        send_all(world)

        assert world.journal.results[order_no].result.status is Status.SUCCEEDED
        assert dict(world.funder_platform.charged) == {order_no: 1}
        assert not world.platform.charged
        assert wrongs(world) == []

    def test_says_to_the_funder_what_was_wished(self):
        world = a_world()
        order_no = wish(world, "fewer instalments")
        send_all(world)

        order = world.funder_platform.ordered[order_no]
        assert (order.loan_id, order.kind, order.recut, order.as_of) == (
            "LN1",
            Kind.PARTIAL,
            Recut.SHORTEN_TERM.value,
            TODAY,
        )

    @pytest.mark.parametrize("name", WISHES)
    def test_says_what_it_pays_of_which_instalment(self, name):
        world = a_world("timeout_after_charge")
        order_no = wish(world, name)
        send_all(world)
        told = world.funder_platform.ordered[order_no].lines
        ask_all(world)

        assert told
        assert told == world.journal.results[order_no].lines

    def test_without_an_answer_is_asked_after_at_the_funder(self):
        world = a_world("timeout_after_charge")
        order_no = wish(world)
        send_all(world)
        assert in_flight(world) == order_no
        ask_all(world)

        assert world.journal.results[order_no].settled_by == "platform"
        assert (in_flight(world), not world.platform.ends) == ("", True)

    def test_is_in_no_bill_of_ours(self):
        world = a_world()
        order_no = wish(world)
        gathered = {"rounds": world.rounds, "active_orders": world.active_orders}
        assert not list(our_orders.of_day(business_date=TODAY, **gathered))
        send_all(world)

        assert not list(our_orders.of_day(business_date=TODAY, **gathered))
        assert our_orders.find(order_no, world.books) is None

    def test_is_not_offered_while_the_mode_is_not_served(self):
        world = a_world()
        desk = replace(world.repaying, served_modes=frozenset({Mode.SELF_OPERATED}))
        facts = {"borrower_id": "B-LN1", "loan_id": "LN1", "now": SENT_AT, "desk": desk}

        assert early_repayment.quote(wish=WISHES["full"], **facts) == Refused(code="not_offered")

    @pytest.mark.parametrize("forwards", [forwarding.to_nobody, forwarding.to_funders({}.get)])
    def test_goes_to_nobody_where_nobody_takes_it(self, forwards):
        world = a_world()
        order_no = wish(world)
        desk = replace(world.deducting, forwards=forwards)
        for work in (deduction.send, deduction.ask):
            message = AskMessage(order_no=order_no, rung=None)
            assert work(message=message, now=SENT_AT, desk=desk) is Outcome.UNKNOWN
        closed = deduction.close_unknown(order_no=order_no, now=SENT_AT, desk=desk)

        assert closed is Outcome.UNKNOWN
        assert not world.platform.ordered and not world.funder_platform.ordered
        assert in_flight(world) == order_no

    def test_that_the_funder_refuses_frees_the_loan(self):
        world = a_world("limit_exceeded")
        order_no = wish(world)
        send_all(world)

        assert world.journal.results[order_no].result.failure_code == "LIMIT_EXCEEDED"
        assert in_flight(world) == ""


class TestTheNextResultsFile:
    def unknown(self) -> tuple[AssistedWorld, str]:
        world = a_world("timeout_after_charge")
        order_no = wish(world)
        send_all(world)
        assert in_flight(world) == order_no
        return world, order_no

    def test_ends_an_unknown_wish(self):
        world, order_no = self.unknown()
        world.send(told(world, order_no))

        record = world.journal.results[order_no]
        assert (record.settled_by, record.result.trade_no) == ("results", f"T{order_no}")
        assert world.loans.rows["LN1"].schedule_version == 2
        ask_all(world)
        assert world.journal.results == {order_no: record}
        assert (world.open_findings, wrongs(world)) == ({}, [])

    def test_ends_it_in_the_morning_after(self):
        world, order_no = self.unknown()
        world.send(told(world, order_no), day=TOMORROW)

        assert world.journal.results[order_no].business_date == TODAY
        assert world.open_findings == {}

    def test_has_nothing_to_say_of_one_that_is_posted(self):
        world = a_world()
        order_no = wish(world)
        send_all(world)
        before = world.loans.rows["LN1"]
        for round_no in (1, 2):
            world.send(told(world, order_no), round_no=round_no)

        assert (world.loans.rows["LN1"], world.open_findings) == (before, {})

    @pytest.mark.parametrize("fen", [1, -1])
    def test_with_another_amount_ends_nothing_and_holds_the_loan(self, fen):
        world, order_no = self.unknown()
        world.send(more(told(world, order_no), fen))

        assert in_flight(world) == order_no
        assert world.open_findings == {f"amount_differs#{order_no}": "not_what_was_ordered"}
        assert world.loans.rows["LN1"].hold == f"discrepancy amount_differs#{order_no}"

    def test_with_another_amount_than_was_posted_holds_the_loan(self):
        world = a_world()
        order_no = wish(world)
        send_all(world)
        world.send(more(told(world, order_no)))

        assert world.open_findings == {f"amount_differs#{order_no}": "not_what_was_ordered"}

    def test_that_calls_it_failed_ends_it_under_its_own_number_alone(self):
        world, order_no = self.unknown()
        world.send(a_failure(round=0, funder_trade_no=""))
        assert in_flight(world) == order_no

        world.send(a_failure(round=0, funder_trade_no=order_no), round_no=2)
        assert world.journal.results[order_no].result.status is Status.FAILED
        assert in_flight(world) == ""

    def test_that_calls_a_failed_one_paid_holds_the_loan(self):
        world = a_world("insufficient_funds")
        order_no = wish(world)
        send_all(world)
        amount = fen_of(world.journal.results[order_no].components)
        line = a_result(round=0, funder_trade_no=order_no, **amount)
        world.send(line)

        assert world.open_findings == {f"status_differs#{order_no}": "failed_here_paid_there"}
        assert world.loans.rows["LN1"].hold

    def test_with_money_nobody_wished_for_holds_the_loan(self):
        world = a_world()
        world.send(a_result(round=0, principal_fen=5, funder_trade_no="T-404"))

        assert world.open_findings == {"missing_here#T-404-LN1": "no_order_of_ours"}
        assert world.loans.rows["LN1"].hold == "discrepancy missing_here#T-404-LN1"

    def test_with_one_trade_over_two_loans_holds_both(self):
        world = a_world()
        world.lend("LN2")
        trade = {"round": 0, "principal_fen": 5, "funder_trade_no": "T-404"}
        world.send(a_result("LN1", **trade), a_result("LN2", **trade))

        assert set(world.open_findings) == {f"missing_here#T-404-{no}" for no in ("LN1", "LN2")}
        assert all(world.loans.rows[no].hold for no in ("LN1", "LN2"))

    def test_in_two_trades_of_one_instalment_is_two_lines_of_one_file(self):
        world = a_world()
        taken = world.send(
            *(a_result(round=0, principal_fen=fen, funder_trade_no=f"T-{fen}") for fen in (5, 7))
        )

        assert taken.outcome is landing.Outcome.APPLIED
        assert set(world.open_findings) == {"missing_here#T-5-LN1", "missing_here#T-7-LN1"}

    def test_does_not_take_an_earlier_trade_of_the_same_amount_for_it(self):
        world = a_world("succeed", "timeout_before_charge")
        world.loans.rows["LN1"] = replace(
            world.loans.rows["LN1"], unpaid_due_on=TODAY + timedelta(days=31)
        )
        first = wish(world, "lower instalments")
        send_all(world)
        line = told(world, first)
        second = wish(world, "lower instalments", now=at(9, 2))
        slot = world.loans.rows["LN1"].slot
        # Two parts of one day can cost the same part by part: then the trade alone tells them apart.
        line |= {name: str(fen) for name, fen in fen_of(slot.components).items()}
        record = world.journal.results[first]
        world.journal.results[first] = replace(record, components=slot.components)
        world.send(line)

        assert in_flight(world) == second
        assert second not in world.journal.results


class TestMoneyOfARound:
    def test_waits_for_a_wish_in_flight_and_is_posted_when_that_has_failed(self):
        world = a_world("processing_then_fail_never_heard_of")
        order_no = wish(world, "overdue")
        rows = paid(world)
        world.send(*rows)
        assert world.run_of().totals["loans"]["waiting"] == 1
        assert not funder_results.is_current(world.run_of())
        assert in_flight(world) == order_no

        world.funder_platform.script["AG-LN1"] = ["insufficient_funds"]
        send_all(world)
        waiting = assisted_day.sweep(now=at(12, 15), desk=world.days)

        assert waiting == 0
        assert world.journal.results["20261124-1-LN1"].result.status is Status.SUCCEEDED
        assert (world.open_findings, wrongs(world)) == ({}, [])

    def test_on_top_of_a_wish_that_was_paid_is_shown_to_people(self):
        """The funder has deducted twice: our books have the one, and a person looks at the other."""
        world = a_world()
        wish(world, "overdue")
        rows = paid(world)
        world.send(*rows)
        send_all(world)
        assisted_day.sweep(now=at(12, 15), desk=world.days)

        assert world.open_findings == {"missing_here#20261124-1-LN1": "nothing_owed"}
        assert world.loans.rows["LN1"].hold
        assert wrongs(world) == []

    def test_is_taken_up_by_the_sweep_itself(self):
        world = a_world()
        wish(world, "overdue")
        world.send(a_failure())
        send_all(world)
        desk = replace(
            world.sweeping, others=(lambda *, now: assisted_day.sweep(now=now, desk=world.days),)
        )
        world.list_dues()

        assert sweep.run(now=at(12, 15), desk=desk).held_up == 0
        assert world.journal.results["20261124-1-LN1"].result.status is Status.FAILED

    def test_that_is_claimed_and_not_recorded_is_nobody_s_to_ask_after(self):
        world = a_world()
        slot_of = world.loans.rows["LN1"]
        order_no = "20261124-1-LN1"
        claimed = early_claim(world, order_no)
        message = AskMessage(order_no=order_no, rung=None)
        assert deduction.ask(message=message, now=SENT_AT, desk=world.deducting) is Outcome.UNKNOWN
        listed = DeductionMessage(order_no=order_no, listed_fen=10**9)
        taken = deduction.take(message=listed, now=SENT_AT, desk=world.deducting)

        assert taken is Outcome.UNKNOWN
        assert not world.platform.ordered and not world.funder_platform.ordered
        assert world.loans.rows["LN1"] == claimed != slot_of


def early_claim(world: AssistedWorld, order_no: str):
    """Claim the loan as a results file does whose worker then dies."""
    world.send(*paid(world))
    record = world.journal.results.pop(order_no)
    world.lend("LN1", overdue_days=5)
    loan = world.loans.rows["LN1"]
    slot = Slot(
        order_no=order_no,
        amount=record.amount,
        components=record.components,
        listed=record.amount,
        as_of=TODAY,
        sent_at=SENT_AT,
        request="20261124-r1-v1",
    )
    return world.loans.write(replace(loan, slot=slot))


class TestTheDayAfter:
    def test_closes_at_the_funder_what_nobody_knows_of(self):
        world = a_world("timeout_before_charge")
        order_no = wish(world)
        send_all(world)
        world.list_dues()
        world.send(a_failure())
        world.send(a_failure(round=2), round_no=2)
        days = assisted_day.FunderDays(desk=world.days)
        days.open(business_date=TODAY, now=at(11, day=TOMORROW))
        assert in_flight(world) == order_no

        world.send(day=TOMORROW, now=at(11, 30, day=TOMORROW))
        days.open(business_date=TODAY, now=at(11, 40, day=TOMORROW))
        assert world.journal.results[order_no].result.failure_code == "CLOSED"
        assert days.open(business_date=TODAY, now=at(12, day=TOMORROW)) == []
        assert collected(world) == Money(0)

    def test_posts_it_if_the_funder_has_it_after_all(self):
        world = a_world("timeout_after_charge")
        order_no = wish(world, "overdue")
        world.funder_platform.silent[order_no] = 1
        send_all(world)
        world.asks.messages.clear()
        world.list_dues()
        world.send(round_no=1)
        world.send(round_no=2)
        assert world.funder_platform.ends[order_no].status is AnswerStatus.SUCCEEDED
        days = assisted_day.FunderDays(desk=world.days)

        assert days.open(business_date=TODAY, now=at(12, day=TOMORROW)) == []
        assert world.journal.results[order_no].result.status is Status.SUCCEEDED
