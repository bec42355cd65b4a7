"""What a borrower is quoted he is charged, to the fen and once, or nothing is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import Answer, AnswerStatus, Kind, Outcome, SkipReason, Status
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.position import Position
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Prepayment, Recut
from chalicelib.flows import deduction, early_repayment, posting
from chalicelib.flows.early_repayment import CrowdedLoanError, NotFoundError, Refused, Started
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import PRODUCT, TODAY, a_cut, a_loan, at
from tests.repayments import (
    CUT,
    NOW,
    PART,
    WISHES,
    WITH_FEE,
    a_world,
    ask_all,
    ask_for,
    end_of,
    loan_of,
    principal_left,
    quoted,
    repaid,
    send_all,
    settle,
    start,
    swept,
    wrongs,
)

TOMORROW = TODAY + timedelta(days=1)
IN_THREE_DAYS = TODAY + timedelta(days=3)
FULL, OVERDUE, INSTALMENT = WISHES["full"], WISHES["overdue"], WISHES["instalment"]
LOWER = WISHES["lower instalments"]
ROUND_ORDER = "20261124-1-LN1"


def payoff(world) -> Money:
    return quoted(world, FULL).offered.amount


def touch(world) -> None:
    """Write the loan's head so that nothing but its version has changed in the end."""
    posting.hold(loan_id="LN1", reason="a look", books=world.books)
    posting.lift(loan_id="LN1", reason="a look", books=world.books)


class TestAQuote:
    @pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
    def test_costs_its_parts(self, wish):
        quote = quoted(a_world(), wish)

        parts = quote.offered.components
        assert quote.offered.amount == parts.total + quote.offered.fee
        assert (quote.offered.fee > ZERO) == (wish is FULL)
        assert parts.penalty > ZERO

    def test_is_kept_with_what_makes_it_hold(self):
        world = a_world()
        quote = quoted(world)
        kept = world.quotes.rows[quote.quote_id]

        assert (kept.loan_id, kept.borrower_id, kept.wish) == ("LN1", "B1", LOWER)
        assert (kept.amount_fen, sum(kept.parts_fen)) == (PART.fen, PART.fen)
        assert (kept.as_of, kept.expires_at) == (TODAY, at(9, 15))

    def test_asked_again_while_nothing_moved_is_the_same_for_longer(self):
        world = a_world()
        first, again = quoted(world), quoted(world, now=at(9, 5))

        assert again.quote_id == first.quote_id
        assert world.quotes.rows[first.quote_id].expires_at == at(9, 20)

    def test_is_another_after_any_write_of_the_loan(self):
        world = a_world()
        first = quoted(world)
        touch(world)

        assert quoted(world).quote_id != first.quote_id

    @pytest.mark.parametrize(
        "wish", [FULL, WISHES["fewer instalments"], replace(LOWER, amount=PART + Money(1))]
    )
    def test_is_another_for_another_wish(self, wish):
        world = a_world()

        assert quoted(world, wish).quote_id != quoted(world).quote_id

    def test_does_not_outlive_its_day(self):
        assert quoted(a_world(), now=at(23, 55)).expires_at == at(0, day=TOMORROW)

    def test_of_all_there_is_settles_the_loan(self):
        world = a_world()
        everything = replace(LOWER, amount=payoff(world))

        assert quoted(world, everything).offered.kind is Kind.FULL

    @pytest.mark.parametrize("whose", [{"borrower_id": "B2"}, {"loan_id": "LN2"}], ids=str)
    def test_is_given_to_nobody_but_the_loans_borrower(self, whose):
        with pytest.raises(NotFoundError):
            ask_for(a_world(), FULL, **whose)


ALL_PAID = {"position": Position(instalment_no=7), "unpaid_due_on": None}
REFUSED = {
    "settled": ({"status": LoanStatus.SETTLED, **ALL_PAID}, FULL),
    "not_offered": ({"mode": Mode.LOAN_ASSISTANCE}, FULL),
    "on_hold": ({"hold": "contradiction 20261124-1-LN1"}, FULL),
    "nothing_overdue": ({"position": Position(instalment_no=2)}, OVERDUE),
    "nothing_due": ({"position": Position(instalment_no=2)}, INSTALMENT),
    "amount_out_of_limits": ({}, Wish(kind=Kind.PARTIAL, amount=Money(1))),
}


class TestARefusal:
    @pytest.mark.parametrize("code", REFUSED)
    def test_says_why_and_keeps_no_quote(self, code):
        changes, wish = REFUSED[code]
        world = a_world(**changes)

        assert ask_for(world, wish).code == code
        assert not world.quotes.rows

    def test_of_an_amount_says_which_would_do(self):
        world = a_world()
        limits = ask_for(world, Wish(kind=Kind.PARTIAL, amount=Money(1))).limits

        for amount in (limits.amount_min, limits.amount_max):
            assert quoted(world, replace(LOWER, amount=amount)).offered.amount == amount
        for amount in (limits.amount_min - Money(1), limits.amount_max + Money(1)):
            assert ask_for(world, replace(LOWER, amount=amount)) == Refused(
                code="amount_out_of_limits", limits=limits
            )

    def test_of_a_part_when_only_what_is_due_is_left(self):
        world = a_world()
        world.book(a_loan(), a_cut(instalments=1))

        assert ask_for(world, LOWER).code == "nothing_ahead"

    @pytest.mark.parametrize(
        ("terms", "wish", "code"),
        [
            ({"prepayment": Prepayment.FULL_ONLY}, LOWER, "not_offered"),
            ({"prepayment": Prepayment.NONE}, FULL, "not_offered"),
            (
                {"recuts": (Recut.REDUCE_INSTALMENT,)},
                WISHES["fewer instalments"],
                "recut_not_offered",
            ),
        ],
        ids=str,
    )
    def test_of_what_the_product_does_not_offer(self, terms, wish, code):
        world = a_world()
        world.books.products[PRODUCT.code] = replace(PRODUCT, **terms)

        assert ask_for(world, wish).code == code

    def test_while_an_order_is_in_flight_names_it(self):
        world = a_world("timeout_after_charge")
        quote = quoted(world)
        start(world, quote)

        assert ask_for(world, FULL) == Refused(code="loan_busy", order_no=quote.terms.order_no)


class TestAnOrder:
    @pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
    def test_takes_what_was_quoted_and_the_loan_moves_on(self, wish):
        world = a_world()
        owed = payoff(world)
        quote = quoted(world, wish)
        order_no = repaid(world, wish)
        record = world.journal.results[order_no]

        assert world.platform.ends[order_no].amount == quote.offered.amount
        assert (record.kind, record.fee, record.request) == (
            quote.offered.kind,
            quote.offered.fee,
            "r1",
        )
        assert (record.components, record.round_no) == (quote.offered.components, 0)
        assert loan_of(world).position == quote.offered.position_after
        assert loan_of(world).slot is None
        assert wrongs(world, owed=owed) == []

    def test_is_noted_and_looked_after_before_it_is_claimed(self):
        world = a_world()
        quote = quoted(world)
        calls: list[str] = []
        world.outside.before_call = calls.append
        start(world, quote)

        assert calls[-4:] == [
            "FakeActiveOrders.open",
            "FakeQueue.put",
            "FakeLoans.write",
            "FakeQueue.put",
        ]
        assert list(world.active_orders.of_day(TODAY)) == [(quote.terms.order_no, NOW)]
        assert world.asks.messages == [AskMessage(order_no=quote.terms.order_no)]
        assert world.asks.delays == [30]
        assert world.repayments.messages == [AskMessage(order_no=quote.terms.order_no)]

    def test_is_sent_and_posted_as_one_message_asks(self):
        world = a_world()
        quote = quoted(world)
        start(world, quote)
        message = AskMessage(order_no=quote.terms.order_no)

        outcomes = [
            deduction.send(message=message, now=NOW, desk=world.deducting) for _ in range(2)
        ]
        assert outcomes == [Outcome.SUCCEEDED, Outcome.REPEATED]
        assert world.platform.charged[quote.terms.order_no] == 1

    @pytest.mark.parametrize("ended", [False, True], ids=["in flight", "ended"])
    def test_asked_for_by_the_same_request_again_is_the_same(self, ended):
        world = a_world()
        quote = quoted(world)
        first = start(world, quote)
        if ended:
            settle(world)
        version = loan_of(world).version

        assert start(world, quote) == first
        assert loan_of(world).version == version
        settle(world)
        assert world.platform.charged == {quote.terms.order_no: 1}

    def test_whose_message_was_lost_is_sent_when_asked_for_again(self):
        world = a_world()
        quote = quoted(world)
        start(world, quote)
        world.repayments._take_all()
        start(world, quote)
        send_all(world)

        assert world.platform.charged[quote.terms.order_no] == 1

    def test_of_another_request_is_told_of_the_one_in_flight(self):
        world = a_world()
        quote = quoted(world)
        start(world, quote)

        assert start(world, quote, request="r2") == Refused(
            code="loan_busy", order_no=quote.terms.order_no
        )

    @pytest.mark.parametrize("outcome", ["succeed", "insufficient_funds"])
    def test_of_another_request_is_told_of_the_one_that_ended(self, outcome):
        world = a_world(outcome)
        quote = quoted(world)
        start(world, quote)
        settle(world)

        assert start(world, quote, request="r2") == Refused(
            code="quote_used", order_no=quote.terms.order_no
        )

    def test_of_another_quote_is_told_of_the_one_in_flight(self):
        world = a_world()
        first, second = quoted(world), quoted(world, FULL)
        start(world, first)

        assert start(world, second, request="r2") == Refused(
            code="loan_busy", order_no=first.terms.order_no
        )

    def test_of_another_borrower_is_not_there(self):
        world = a_world()
        quote = quoted(world)
        world.book(a_loan("LN2"), CUT)

        for whose in ({"borrower_id": "B2"}, {"loan_id": "LN2"}):
            with pytest.raises(NotFoundError):
                start(world, quote, **whose)
        with pytest.raises(NotFoundError):
            start(world, replace(quote, quote_id="Q" + "a" * 16))
        assert loan_of(world).slot is None

    def test_that_cannot_be_claimed_for_the_crowd_is_not_begun(self):
        world = a_world()
        owed, quote = payoff(world), quoted(world)

        def crowd(call: str) -> None:
            if call == "FakeLoans.write":
                loan = loan_of(world)
                world.loans.rows["LN1"] = replace(loan, version=loan.version + 1)

        world.outside.before_call = crowd
        with pytest.raises(CrowdedLoanError):
            start(world, quote)
        world.outside.before_call = None
        settle(world)
        assert (loan_of(world).slot, world.journal.results) == (None, {})
        assert wrongs(world, owed=owed) == []


class TestAQuoteThatNoLongerHolds:
    def refused(self, world, quote, *, now) -> Refused:
        answer = start(world, quote, now=now, request="r9")
        assert answer.code == "quote_expired"
        assert loan_of(world).slot is None
        return answer

    def test_after_its_time_gives_way_to_one_that_does(self):
        world = a_world()
        quote = quoted(world)
        answer = self.refused(world, quote, now=at(9, 15))

        assert answer.fresh.expires_at == at(9, 30)
        assert isinstance(start(world, answer.fresh, now=at(9, 15)), Started)

    def test_the_next_day_gives_way_to_that_days(self):
        world = a_world()
        quote = quoted(world, now=at(23, 49))
        answer = self.refused(world, quote, now=at(0, 1, day=TOMORROW))

        assert answer.fresh.as_of == TOMORROW
        assert answer.fresh.terms.order_no != quote.terms.order_no

    def test_since_a_round_has_paid_what_was_due_costs_something_else_now(self):
        world = a_world()
        quote = quoted(world)
        take_in_round(world)
        answer = self.refused(world, quote, now=NOW)

        assert answer.fresh.offered.due.lines == ()
        assert answer.fresh.offered.amount == PART

    def test_for_nothing_is_left_of_its_kind_says_so(self):
        world = a_world()
        quote = quoted(world, OVERDUE)
        take_in_round(world)

        assert start(world, quote, request="r9") == Refused(code="nothing_overdue")

    def test_since_the_schedule_was_cut_again_though_it_costs_the_same(self):
        """On a first day of a period no interest has run: two parts cost the same, part by part."""
        world = a_world()
        world.book(
            a_loan(position=Position(instalment_no=2), unpaid_due_on=a_cut().instalments[1].due_on),
            a_cut(),
        )
        in_one_tab = quoted(world, replace(LOWER, amount=Money(3_000_00)))
        in_another = quoted(world, replace(in_one_tab.wish, recut=Recut.SHORTEN_TERM))
        assert in_another.offered.components == in_one_tab.offered.components
        start(world, in_one_tab)
        settle(world)
        answer = self.refused(world, in_another, now=NOW)

        assert answer.fresh.schedule_version == 2
        assert world.platform.charged == {in_one_tab.terms.order_no: 1}


def take_in_round(world) -> Outcome:
    message = DeductionMessage(order_no=ROUND_ORDER, listed_fen=10**9)
    return deduction.take(message=message, now=at(8), desk=world.deducting)


class TestWhatIsNotBegun:
    def test_outside_the_window(self):
        world = a_world()
        early, late = at(23, 49, second=59), at(23, 50)
        quote = quoted(world, now=at(23, 45))

        assert start(world, quote, now=late) == Refused(code="window_closed")
        assert isinstance(start(world, quote, now=early), Started)

    def test_while_the_pause_switch_is_on(self):
        world = a_world()
        quote = quoted(world)
        world.controls.paused = True
        assert start(world, quote) == Refused(code="paused")
        world.controls.paused = False

        assert isinstance(start(world, quote), Started)

    @pytest.mark.parametrize(
        "hold", [f"contradiction {ROUND_ORDER}", f"discrepancy missing_here#{ROUND_ORDER}"]
    )
    def test_of_a_loan_held_for_money_that_is_in_doubt(self, hold):
        world = a_world()
        quote = quoted(world)
        posting.hold(loan_id="LN1", reason=hold, books=world.books)

        assert start(world, quote) == Refused(code="on_hold")
        assert ask_for(world, FULL) == Refused(code="on_hold")

    def test_of_a_loan_that_has_been_settled(self):
        world = a_world()
        owed = payoff(world)
        other = quoted(world, LOWER)
        repaid(world, FULL)

        assert loan_of(world).status is LoanStatus.SETTLED
        assert loan_of(world).unpaid_due_on is None
        assert principal_left(world) == ZERO
        assert ask_for(world, FULL) == Refused(code="settled")
        assert start(world, other, request="r2") == Refused(code="settled")
        assert take_in_round(world) is Outcome.SKIPPED
        assert world.journal.skips[ROUND_ORDER].reason is SkipReason.NOTHING_DUE
        assert wrongs(world, owed=owed) == []


class TestAnOrderThatWaits:
    """Claimed and not yet sent: the number is sent later, or closed by the bill."""

    @pytest.fixture
    def world(self):
        world = a_world()
        start(world, quoted(world, now=at(23, 45)), now=at(23, 46))
        return world

    def test_for_the_pause_to_end_is_sent_then(self, world):
        world.controls.paused = True
        send_all(world, now=at(23, 46))
        ask_all(world, now=at(23, 47))
        assert not world.platform.charged
        assert loan_of(world).slot is not None
        world.controls.paused = False
        ask_all(world, now=at(23, 48))

        assert loan_of(world).slot is None
        assert list(world.platform.charged.values()) == [1]

    def test_for_a_platform_that_is_down_is_sent_when_it_is_back(self, world):
        world.platform.available = False
        send_all(world, now=at(23, 46))
        assert not world.platform.charged
        world.platform.available = True
        ask_all(world, now=at(23, 48))

        assert list(world.platform.charged.values()) == [1]

    def test_past_the_window_is_sent_while_its_date_lasts(self, world):
        settle(world, now=at(23, 59))

        assert list(world.platform.charged.values()) == [1]

    def test_until_its_date_is_over_is_sent_no_more(self, world):
        settle(world, now=at(0, day=TOMORROW))
        assert not world.platform.charged
        order_no = loan_of(world).slot.order_no
        ended = deduction.close_unknown(
            order_no=order_no, now=at(10, day=TOMORROW), desk=world.deducting
        )

        assert ended is Outcome.FAILED
        assert loan_of(world).slot is None
        assert world.journal.results[order_no].result.failure_code == "CLOSED"


class TestALateSuccess:
    @pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
    def test_posts_as_of_the_quotes_date(self, wish):
        prompt, late = a_world(), a_world("timeout_after_charge")
        repaid(prompt, wish)
        start(late, quoted(late, wish))
        send_all(late)
        assert loan_of(late).slot is not None
        ask_all(late, now=at(10, day=IN_THREE_DAYS))

        assert end_of(late) == end_of(prompt)

    def test_is_found_by_the_sweep(self):
        prompt, late = a_world(), a_world("timeout_after_charge")
        repaid(prompt, LOWER)
        start(late, quoted(late))
        send_all(late)
        late.asks._take_all()
        swept(late, now=at(10, day=IN_THREE_DAYS))

        assert end_of(late) == end_of(prompt)
        assert not list(late.active_orders.of_day(TODAY))

    def test_of_another_amount_than_ordered_keeps_the_slot(self):
        world = a_world("wrong_amount")
        quote = quoted(world)
        start(world, quote)
        settle(world)

        assert loan_of(world).slot.order_no == quote.terms.order_no
        assert not world.journal.results
        assert start(world, quote, request="r2").code == "loan_busy"


class TestAFailure:
    def test_frees_the_loan_and_the_next_quote_has_another_order(self):
        world = a_world("insufficient_funds", "succeed")
        owed = payoff(world)
        first = repaid(world, LOWER)
        assert loan_of(world).slot is None
        assert loan_of(world).last_failure == "INSUFFICIENT_FUNDS"
        second = repaid(world, LOWER, request="r2")

        assert second != first
        assert world.platform.charged == {second: 1}
        assert wrongs(world, owed=owed) == []

    def test_leaves_the_schedule_as_it_was(self):
        world = a_world("limit_exceeded")
        repaid(world, LOWER)

        assert list(world.schedules.rows) == [("LN1", 1)]

    def test_that_ends_a_mandate_holds_the_rounds_but_not_the_borrower(self):
        world = a_world("card_closed", "succeed")
        repaid(world, LOWER)
        assert loan_of(world).hold == "CARD_CLOSED"
        assert take_in_round(world) is Outcome.SKIPPED
        assert world.journal.skips[ROUND_ORDER].reason is SkipReason.ON_HOLD

        repaid(world, LOWER, request="r2")

        assert loan_of(world).hold == ""

    def test_of_a_second_try_leaves_the_mandate_held(self):
        world = a_world("card_closed", "insufficient_funds")
        repaid(world, LOWER)
        repaid(world, LOWER, request="r2")

        assert loan_of(world).hold == "CARD_CLOSED"

    def test_that_the_platform_takes_back_holds_the_loan_for_everybody(self):
        world = a_world("insufficient_funds")
        order_no = repaid(world, LOWER)
        world.platform.ends[order_no] = Answer(
            status=AnswerStatus.SUCCEEDED, trade_no="T1", amount=PART, paid_at=NOW
        )
        message = AskMessage(order_no=order_no, rung=None)
        outcome = deduction.ask(message=message, now=at(10), desk=world.deducting)

        assert outcome is Outcome.CONTRADICTED
        assert ask_for(world, FULL) == Refused(code="on_hold")

    def test_is_no_harm_to_a_hold_laid_while_it_was_in_flight(self):
        world = a_world("card_closed")
        start(world, quoted(world))
        posting.hold(loan_id="LN1", reason="discrepancy x", books=world.books)
        settle(world)

        assert loan_of(world).hold == "discrepancy x"


class TestAPart:
    @pytest.mark.parametrize("name", ["lower instalments", "fewer instalments"])
    def test_is_cut_again_once_under_the_orders_number(self, name):
        world = a_world()
        quote = quoted(world, WISHES[name])
        order_no = repaid(world, WISHES[name])
        for _ in range(3):
            deduction.send(message=AskMessage(order_no=order_no), now=at(10), desk=world.deducting)

        assert loan_of(world).schedule_version == 2
        assert world.schedules.sources == {("LN1", 2): order_no}
        assert world.schedules.rows["LN1", 2] == quote.offered.cut_after
        assert len(world.schedules.rows["LN1", 2].instalments) <= len(CUT.instalments)

    def test_paid_twice_is_cut_twice(self):
        world = a_world()
        owed = payoff(world)
        orders = [repaid(world, LOWER), repaid(world, LOWER, request="r2")]

        assert [*world.schedules.sources.values()] == orders
        assert loan_of(world).schedule_version == 3
        assert wrongs(world, owed=owed) == []

    def test_does_not_take_a_schedule_another_has_written(self):
        world = a_world()
        start(world, quoted(world))
        world.schedules.add("LN1", 2, a_cut(instalments=3), source="loans_v2.csv:7")

        with pytest.raises(posting.SchedulePutByAnotherError):
            send_all(world)
        assert loan_of(world).schedule_version == 1
        assert loan_of(world).slot is not None
        assert world.schedules.rows["LN1", 2] == a_cut(instalments=3)


def test_whoever_pays_what_is_overdue_still_owes_the_rest():
    world = a_world()
    repaid(world, OVERDUE)

    assert loan_of(world).position == Position(instalment_no=2)
    assert loan_of(world).unpaid_due_on == CUT.instalments[1].due_on
    assert loan_of(world).schedule_version == 1
    assert loan_of(world).status is LoanStatus.OPEN


def test_a_fee_is_of_the_settlement_alone():
    world = a_world()
    order_no = repaid(world, FULL)
    record = world.journal.results[order_no]
    principal_ahead = CUT.terms.principal - CUT.instalments[0].principal

    assert record.fee == principal_ahead.times(
        WITH_FEE.settlement_fee_rate, rounding="ROUND_HALF_UP"
    )
    assert record.result.status is Status.SUCCEEDED
    assert (record.settles, record.amount) == (True, record.components.total + record.fee)


def test_a_request_is_named_by_its_borrower_and_his_key():
    name = early_repayment.request_named

    assert name(borrower_id="B1", key="k") == name(borrower_id="B1", key="k")
    assert len({name(borrower_id=b, key=k) for b in ("B1", "B2") for k in ("k", "l")}) == 4
