"""A borrower sees his loans and his orders as they are, and nothing of anybody else's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import Kind, Skip, SkipReason
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.position import Position
from chalicelib.flows import borrower_loans, deduction
from chalicelib.flows.borrower_loans import OrderState
from chalicelib.flows.early_repayment import NotFoundError
from chalicelib.flows.ports import DeductionMessage
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World
from tests.repayments import (
    CUT,
    NOW,
    WISHES,
    a_world,
    loan_of,
    quoted,
    repaid,
    send_all,
    settle,
    start,
)

ALL_KINDS = (Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL)
SETTLED = {
    "status": LoanStatus.SETTLED,
    "position": Position(instalment_no=7),
    "unpaid_due_on": None,
}
ROUND_ORDER = "20261124-1-LN1"


def view(world: World, loan_id: str = "LN1", *, borrower_id: str = "B1"):
    return borrower_loans.loan_of(
        borrower_id=borrower_id, loan_id=loan_id, now=NOW, desk=world.repaying
    )


def views(world: World, borrower_id: str = "B1"):
    return borrower_loans.loans_of(borrower_id=borrower_id, now=NOW, desk=world.repaying)


def order(world: World, order_no: str, *, borrower_id: str = "B1"):
    return borrower_loans.order_of(borrower_id=borrower_id, order_no=order_no, desk=world.repaying)


class TestOwnLoans:
    def test_come_by_due_date_and_the_settled_ones_last(self):
        world = World()
        for loan_id, days in (("LN5", -9), ("LN4", 3), ("LN3", 3), ("LN2", 0)):
            world.book(
                a_loan(loan_id, overdue_days=days),
                a_cut(first_due_on=TODAY - timedelta(days=days)),
            )
        world.book(a_loan("LN1", **SETTLED), CUT)

        assert [each.loan.loan_id for each in views(world)] == ["LN3", "LN4", "LN2", "LN5", "LN1"]

    def test_are_no_one_elses(self):
        world = a_world()
        world.book(a_loan("LN2", borrower_id="B2"), CUT)

        assert [each.loan.loan_id for each in views(world)] == ["LN1"]
        assert views(world, "B3") == []

    def test_are_those_of_the_head_where_the_index_lags_behind(self):
        world = a_world()
        listed = world.loans.of_borrower("B1")
        world.loans.of_borrower = lambda _: listed
        world.loans.rows["LN1"] = replace(loan_of(world), borrower_id="B2")

        assert views(world) == []


class TestALoan:
    def test_asks_what_is_due_and_shows_what_is_left(self):
        seen = view(a_world())

        assert seen.due.amount == quoted(a_world(), WISHES["overdue"]).offered.amount
        assert seen.outstanding == CUT.terms.principal
        assert seen.upcoming == CUT.instalments
        assert seen.product_name == "消费贷"
        assert seen.kinds == ALL_KINDS
        assert seen.limits.payoff == quoted(a_world(), WISHES["full"]).offered.amount

    def test_that_is_settled_asks_nothing(self):
        world = a_world()
        repaid(world, WISHES["full"])
        seen = view(world)

        assert (seen.outstanding, seen.due.amount) == (ZERO, ZERO)
        assert (seen.upcoming, seen.kinds, seen.limits) == ((), (), None)

    def test_with_an_order_in_flight_offers_nothing_but_names_it(self):
        world = a_world("timeout_after_charge")
        quote = quoted(world)
        start(world, quote)
        seen = view(world)

        assert (seen.kinds, seen.limits) == ((), None)
        assert seen.order_in_flight == quote.terms.order_no
        settle(world)
        assert view(world).order_in_flight == ""
        assert Kind.FULL in view(world).kinds

    def test_that_is_paid_to_somebody_else_offers_nothing(self):
        seen = view(a_world(mode=Mode.LOAN_ASSISTANCE))

        assert (seen.kinds, seen.limits) == ((), None)

    def test_after_a_part_was_paid_shows_the_new_schedule(self):
        world = a_world()
        quote = quoted(world)
        repaid(world, WISHES["lower instalments"])
        seen = view(world)

        assert seen.upcoming == quote.offered.cut_after.instalments
        assert Kind.OVERDUE not in seen.kinds
        assert seen.due.amount == ZERO

    @pytest.mark.parametrize(("loan_id", "borrower_id"), [("LN1", "B2"), ("LN9", "B1")])
    def test_of_another_is_as_one_that_is_not_there(self, loan_id, borrower_id):
        with pytest.raises(NotFoundError) as missed:
            view(a_world(), loan_id, borrower_id=borrower_id)
        assert missed.value.args == (loan_id,)


class TestAnOrder:
    def test_in_flight_is_being_processed_with_what_it_costs(self):
        world = a_world()
        quote = quoted(world, WISHES["full"])
        start(world, quote)
        seen = order(world, quote.terms.order_no)

        assert (seen.state, seen.kind, seen.loan_id) == (OrderState.PROCESSING, Kind.FULL, "LN1")
        assert (seen.amount, seen.fee) == (quote.offered.amount, quote.offered.fee)
        assert seen.components == quote.offered.components
        assert (seen.paid_at, seen.settles, seen.failure_code) == (None, False, "")

    def test_whose_end_is_unknown_is_being_processed(self):
        world = a_world("timeout_after_charge")
        quote = quoted(world)
        start(world, quote)
        send_all(world)

        assert order(world, quote.terms.order_no).state is OrderState.PROCESSING

    def test_that_is_recorded_and_not_yet_posted_has_ended(self):
        world = a_world()
        quote = quoted(world)
        start(world, quote)
        claimed = loan_of(world)
        settle(world)
        world.loans.rows["LN1"] = claimed

        assert order(world, quote.terms.order_no).state is OrderState.SUCCEEDED

    @pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
    def test_that_succeeded_says_when_and_whether_all_is_paid(self, wish):
        world = a_world()
        seen = order(world, repaid(world, wish))

        assert (seen.state, seen.paid_at, seen.kind) == (OrderState.SUCCEEDED, at(9), wish.kind)
        assert seen.settles == (wish.kind is Kind.FULL)
        assert seen.amount == seen.components.total + seen.fee

    def test_that_failed_says_why(self):
        world = a_world("insufficient_funds")
        seen = order(world, repaid(world, WISHES["full"]))

        assert (seen.state, seen.failure_code) == (OrderState.FAILED, "INSUFFICIENT_FUNDS")
        assert (seen.paid_at, seen.settles) == (None, False)

    def test_of_a_round_is_shown_as_well(self):
        world = a_world()
        message = DeductionMessage(order_no=ROUND_ORDER, listed_fen=10**9)
        deduction.take(message=message, now=NOW, desk=world.deducting)

        assert order(world, ROUND_ORDER).kind is Kind.SCHEDULED

    def test_that_a_round_skipped_is_none(self):
        world = a_world()
        world.journal.put_skip(
            Skip(
                order_no=ROUND_ORDER,
                loan_id="LN1",
                mode="self_operated",
                business_date=TODAY,
                round_no=1,
                listed=Money(1),
                reason=SkipReason.SLOT_TAKEN,
                recorded_at=NOW,
            )
        )

        with pytest.raises(NotFoundError):
            order(world, ROUND_ORDER)

    def test_that_was_never_claimed_is_none(self):
        world = a_world("timeout_after_charge")
        first, second = quoted(world), quoted(world, WISHES["full"])
        start(world, first)

        with pytest.raises(NotFoundError):
            order(world, second.terms.order_no)

    @pytest.mark.parametrize("is_in_flight", [True, False])
    def test_of_another_is_as_one_that_is_not_there(self, is_in_flight):
        world = a_world()
        quote = quoted(world)
        start(world, quote)
        if not is_in_flight:
            settle(world)

        def missed(order_no: str, borrower_id: str) -> tuple[type, int]:
            with pytest.raises(NotFoundError) as error:
                order(world, order_no, borrower_id=borrower_id)
            return type(error.value), len(error.value.args)

        nobodys = "20261124-Qaidmaa27lfexbaru-LN9"
        found = {
            missed(quote.terms.order_no, "B2"),
            missed(nobodys, "B2"),
            missed("nonsense", "B2"),
        }
        assert len(found) == 1


class TestTheHistory:
    def test_has_what_was_paid_the_latest_first(self):
        world = a_world("insufficient_funds", "succeed", "succeed")
        orders = [
            repaid(world, WISHES[name], request=name)
            for name in ("overdue", "overdue", "lower instalments")
        ]
        first, second = world.journal.results[orders[1]], world.journal.results[orders[2]]
        world.journal.results[orders[1]] = replace(first, recorded_at=at(8))
        history = borrower_loans.history_of(borrower_id="B1", loan_id="LN1", desk=world.repaying)

        assert [record.order_no for record in history] == [second.order_no, first.order_no]

    def test_of_anothers_loan_is_not_there(self):
        with pytest.raises(NotFoundError):
            borrower_loans.history_of(borrower_id="B2", loan_id="LN1", desk=a_world().repaying)
