from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import FAILURE_CLASSES, FailureClass, Kind, SkipReason, failed
from chalicelib.domain.loan import (
    LoanStatus,
    NothingInFlightError,
    TermsMovedError,
    is_mandate_hold,
)
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.position import Position
from chalicelib.domain.product import DayCount, Method, Prepayment, Recut
from chalicelib.domain.schedule import Terms, cut
from tests.accounts import Account, part, posted
from tests.builders import PRODUCT, TODAY, a_loan, at

TEN_DAYS_AGO = TODAY - timedelta(days=10)
MANDATE_HOLDS = [code for code, it in FAILURE_CLASSES.items() if it is FailureClass.NEVER]


def an_account(**changes):
    """Make a loan of twelve times 1,000.00, whose first instalment is due today."""
    terms = Terms(
        principal=Money(12_000_00),
        annual_rate=Decimal("0.12"),
        method=Method.EQUAL_PRINCIPAL,
        instalments=12,
        disbursed_on=date(2026, 10, 24),
        first_due_on=TODAY,
    )
    loan = a_loan(principal=terms.principal, annual_rate=terms.annual_rate, **changes)
    product = replace(PRODUCT, settlement_fee_rate=Decimal("0.01"))
    return Account(loan=loan, cut=cut(terms=terms, product=product), product=product)


ACCOUNT = an_account()


def slot_of(account, wish, as_of=TODAY):
    return loans.slot_of_offer(
        offered=account.offer(wish, as_of),
        order_no="Q",
        as_of=as_of,
        now=at(10, day=as_of),
    )


class TestASlotOfAnOffer:
    def test_keeps_all_that_is_needed_to_compute_the_wish_again(self):
        slot = slot_of(ACCOUNT, part(Money(1_200_00), Recut.SHORTEN_TERM), TEN_DAYS_AGO)
        assert (slot.kind, slot.recut) == (Kind.PARTIAL, Recut.SHORTEN_TERM)
        assert (slot.as_of, slot.amount, slot.listed) == (
            TEN_DAYS_AGO,
            Money(1_200_00),
            Money(1_200_00),
        )
        assert slot.components.total + slot.fee == slot.amount

    def test_keeps_the_fee_apart(self):
        slot = slot_of(ACCOUNT, Kind.FULL)
        assert (slot.fee, slot.components.total) == (Money(110_00), Money(12_120_00))
        assert slot.amount == Money(12_230_00)

    @pytest.mark.parametrize("first", [Kind.INSTALMENT, Kind.FULL])
    def test_51_is_refused_while_another_order_is_in_flight_or_unknown(self, first):
        assert loans.why_barred(ACCOUNT.claimed(first, TODAY)) is SkipReason.SLOT_TAKEN

    def test_54_is_refused_by_a_settled_loan(self):
        assert loans.why_barred(ACCOUNT.after(Kind.FULL, TODAY).loan) is SkipReason.NOTHING_DUE

    def test_is_refused_while_the_loan_is_held(self):
        assert loans.why_barred(an_account(hold="DISPUTED").loan) is SkipReason.ON_HOLD

    @pytest.mark.parametrize("code", MANDATE_HOLDS)
    def test_may_try_a_mandate_that_failed_again(self, code):
        assert loans.why_barred(an_account(hold=code).loan) is None

    @pytest.mark.parametrize("hold", ["", "DISPUTED", "INSUFFICIENT_FUNDS", "BANK_UNAVAILABLE"])
    def test_knows_a_mandate_s_hold_from_any_other(self, hold):
        assert not is_mandate_hold(hold)


class TestAPostedWish:
    def test_that_pays_what_is_due_moves_the_loan_on_and_keeps_its_schedule(self):
        posting = posted(ACCOUNT.claimed(Kind.INSTALMENT, TODAY), ACCOUNT)
        assert posting.cut_after is None
        assert posting.loan.position == Position(instalment_no=2)
        assert posting.loan.unpaid_due_on == date(2026, 12, 24)
        assert (posting.loan.schedule_version, posting.loan.slot) == (1, None)

    def test_that_pays_a_part_ahead_has_a_schedule_of_the_next_version(self):
        posting = posted(ACCOUNT.claimed(part(Money(2_120_00)), TODAY), ACCOUNT)
        assert posting.loan.schedule_version == 2
        assert posting.cut_after.terms.first_no == posting.loan.position.instalment_no == 2
        assert posting.loan.unpaid_due_on == posting.cut_after.instalments[0].due_on
        assert posting.loan.status is LoanStatus.OPEN

    def test_that_pays_all_settles_the_loan(self):
        posting = posted(ACCOUNT.claimed(Kind.FULL, TODAY), ACCOUNT)
        assert posting.loan.status is LoanStatus.SETTLED
        assert posting.loan.unpaid_due_on is None
        assert posting.paid.components.principal == Money(12_000_00)

    def test_is_the_same_however_often_and_late_it_is_computed(self):
        claimed = ACCOUNT.claimed(part(Money(2_120_00)), TODAY)
        assert posted(claimed, ACCOUNT) == posted(claimed, ACCOUNT)

    def test_leaves_nothing_that_could_be_posted_again(self):
        after = ACCOUNT.after(Kind.FULL, TODAY)
        with pytest.raises(NothingInFlightError):
            posted(after.loan, after)

    @pytest.mark.parametrize(
        ("wish", "changes"),
        [
            (Kind.FULL, {"settlement_fee_rate": Decimal("0.02")}),
            (Kind.FULL, {"prepayment": Prepayment.NONE}),
            (part(Money(1_200_00)), {"prepayment": Prepayment.FULL_ONLY}),
            (part(Money(1_200_00)), {"partial_min": Money(2_000_00)}),
            (part(Money(1_200_00)), {"day_count": DayCount.ACT_365}),
            (part(Money(1_200_00)), {"recuts": (Recut.SHORTEN_TERM,)}),
        ],
        ids=["fee", "none", "full_only", "minimum", "day_count", "recut"],
    )
    def test_is_refused_if_the_product_moved_under_the_order_in_flight(self, wish, changes):
        claimed = ACCOUNT.claimed(wish, TEN_DAYS_AGO)
        with pytest.raises(TermsMovedError, match="Q"):
            posted(claimed, ACCOUNT.of_product(**changes))

    def test_is_refused_if_the_penalty_moved(self):
        later = TODAY + timedelta(days=10)
        claimed = ACCOUNT.claimed(Kind.OVERDUE, later)
        with pytest.raises(TermsMovedError):
            posted(claimed, ACCOUNT.of_product(penalty_uplift=Decimal(0)))

    @pytest.mark.parametrize("code", MANDATE_HOLDS)
    def test_shows_that_the_mandate_works_again(self, code):
        held = an_account(hold=code, last_failure=code)
        assert held.after_round(TODAY) == held
        after = held.after(Kind.INSTALMENT, TODAY).loan
        assert (after.hold, after.last_failure) == ("", "")

    def test_leaves_a_hold_of_another_reason_that_came_meanwhile(self):
        claimed = replace(ACCOUNT.claimed(Kind.INSTALMENT, TODAY), hold="DISPUTED")
        assert posted(claimed, ACCOUNT).loan.hold == "DISPUTED"


class TestARoundAfterAWish:
    def test_28_makes_no_order_of_what_the_borrower_has_paid(self):
        paid = ACCOUNT.after(Kind.INSTALMENT, TODAY)
        slot = loans.slot_for(
            loan=paid.loan,
            schedule=paid.cut.instalments,
            product=paid.product,
            order_no="R",
            business_date=TODAY,
            listed=Money(1_120_00),
            now=at(11),
        )
        assert slot is SkipReason.NOTHING_DUE

    def test_28_makes_none_of_an_amount_of_zero(self):
        assert ACCOUNT.after_round(TEN_DAYS_AGO) == ACCOUNT

    def test_takes_its_turn_when_the_wish_is_in_flight(self):
        in_flight = replace(ACCOUNT, loan=ACCOUNT.claimed(Kind.INSTALMENT, TODAY))
        assert in_flight.after_round(TODAY) == in_flight


class TestAFailedWish:
    def test_leaves_the_loan_as_it_was_and_its_slot_free(self):
        claimed = ACCOUNT.claimed(part(Money(2_120_00)), TODAY)
        released = loans.released(loan=claimed, result=failed("INSUFFICIENT_FUNDS"))
        assert released == replace(ACCOUNT.loan, last_failure="INSUFFICIENT_FUNDS")

    def test_that_ends_the_mandate_holds_the_loan_but_keeps_an_older_hold(self):
        result = failed("CARD_CLOSED")
        claimed = ACCOUNT.claimed(Kind.INSTALMENT, TODAY)
        assert loans.released(loan=claimed, result=result).hold == "CARD_CLOSED"
        disputed = replace(claimed, hold="DISPUTED")
        assert loans.released(loan=disputed, result=result).hold == "DISPUTED"

    def test_pays_nothing(self):
        claimed = ACCOUNT.claimed(Kind.FULL, TODAY)
        released = loans.released(loan=claimed, result=failed("CLOSED"))
        assert replace(ACCOUNT, loan=released).outstanding == Money(12_000_00)
        assert ACCOUNT.fees == ZERO
