"""Active repayment by examples; a number in a name is the fault's in the catalogue.

The loan, if nothing else is said: 12,000.00 at 12 %, twelve instalments of equal principal due on
the 15th, so that a day's interest on all of it is 4.00.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from chalicelib.domain.business_calendar import WorkingDays
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import ZERO, Components, Money, total
from chalicelib.domain.position import Position
from chalicelib.domain.prepayment import (
    Limits,
    Offer,
    Refusal,
    Wish,
    kinds_offered,
    quote_id_of,
    recuts_offered,
)
from chalicelib.domain.product import (
    DayCount,
    Method,
    Prepayment,
    Recut,
    Rounding,
    WorkingDayShift,
)
from chalicelib.domain.schedule import Terms, cut
from tests.accounts import Account, part
from tests.builders import PRODUCT, a_loan

DISBURSED_ON = date(2026, 1, 15)
TEN_DAYS_ON = date(2026, 1, 25)
FIRST_DUE_ON = date(2026, 2, 15)
OVERDUE_40 = FIRST_DUE_ON + timedelta(days=40)
GOLDEN_WEEK = WorkingDays(holidays=frozenset(date(2026, 10, day) for day in range(1, 8)))


def an_account(*, working_days=None, product=None, schedule_version=1, **changes):
    facts = {
        "principal": Money(12_000_00),
        "annual_rate": Decimal("0.12"),
        "method": Method.EQUAL_PRINCIPAL,
        "instalments": 12,
        "disbursed_on": DISBURSED_ON,
        "first_due_on": FIRST_DUE_ON,
    }
    terms, product = Terms(**facts | changes), replace(PRODUCT, **product or {})
    made = cut(terms=terms, product=product, working_days=working_days)
    loan = a_loan(
        principal=terms.principal,
        annual_rate=terms.annual_rate,
        schedule_version=schedule_version,
        position=Position(instalment_no=terms.first_no),
        unpaid_due_on=made.instalments[0].due_on,
    )
    return Account(loan=loan, cut=made, product=product)


ACCOUNT = an_account()


def fen(components):
    return components.principal.fen, components.interest.fen, components.penalty.fen


def lines(offered):
    return [(line.instalment_no, *fen(line.components)) for line in offered.paid.lines]


def table(schedule):
    return [f"{row.number} {row.due_on:%m-%d} {row.principal} {row.interest}" for row in schedule]


class TestWhatIsDue:
    def test_52_is_paid_first_when_overdue_40_days_with_its_penalty(self):
        offered = ACCOUNT.offer(part(Money(3_296_00)), OVERDUE_40)
        # penalty: 1,000.00 x 18 % x 40 / 360, and x 12 / 360; interest: 10,000.00 x 12 % x 12 / 360
        assert lines(offered) == [
            (1, 1_000_00, 120_00, 20_00),
            (2, 1_000_00, 110_00, 6_00),
            (3, 1_000_00, 40_00, 0),
        ]
        assert (offered.due.dpd, offered.due.amount) == (40, Money(2_256_00))

    def test_52_is_paid_so_that_the_loan_is_no_longer_past_due(self):
        after = ACCOUNT.after(part(Money(3_296_00)), OVERDUE_40)
        assert after.owed(OVERDUE_40).dpd == 0
        assert after.loan.unpaid_due_on == date(2026, 4, 15)

    def test_may_be_paid_alone(self):
        offered = ACCOUNT.offer(Kind.INSTALMENT, date(2026, 3, 15))
        assert lines(offered) == [(1, 1_000_00, 120_00, 14_00), (2, 1_000_00, 110_00, 0)]
        assert offered.position_after == Position(instalment_no=3)
        assert (offered.ahead, offered.cut_after, offered.fee) == (None, None, ZERO)

    def test_may_be_paid_as_far_as_it_is_overdue(self):
        offered = ACCOUNT.offer(Kind.OVERDUE, date(2026, 3, 15))
        assert lines(offered) == [(1, 1_000_00, 120_00, 14_00)]
        after = ACCOUNT.after(Kind.OVERDUE, date(2026, 3, 15))
        assert after.owed(date(2026, 3, 15)).amount == Money(1_110_00)

    def test_from_dpd_91_on_is_what_a_part_payment_in_that_order_left(self):
        on_day_91 = FIRST_DUE_ON + timedelta(days=91)
        partly_paid = Position(
            principal_paid=Money(1_000_00), penalty_carried=Money(45_50), penalty_from=on_day_91
        )
        account = replace(ACCOUNT, loan=replace(ACCOUNT.loan, position=partly_paid))
        offered = account.offer(Kind.OVERDUE, on_day_91)
        assert offered.due.dpd == 91
        assert lines(offered)[0] == (1, 0, 120_00, 45_50)
        assert account.after(Kind.OVERDUE, on_day_91).owed(on_day_91).is_nothing

    def test_28_is_not_offered_twice(self):
        after = ACCOUNT.after(Kind.INSTALMENT, FIRST_DUE_ON)
        assert after.offer(Kind.INSTALMENT, FIRST_DUE_ON) == Refusal(code="nothing_due")
        assert after.offer(Kind.OVERDUE, FIRST_DUE_ON) == Refusal(code="nothing_overdue")

    def test_28_is_not_offered_before_its_date(self):
        day_before = FIRST_DUE_ON - timedelta(days=1)
        assert ACCOUNT.offer(Kind.INSTALMENT, day_before) == Refusal(code="nothing_due")
        assert ACCOUNT.offer(Kind.OVERDUE, FIRST_DUE_ON) == Refusal(code="nothing_overdue")

    def test_costs_no_penalty_within_the_grace_days(self):
        account = an_account(product={"grace_days": 3})
        within, after_them = (FIRST_DUE_ON + timedelta(days=days) for days in (3, 4))
        assert lines(account.offer(Kind.OVERDUE, within)) == [(1, 1_000_00, 120_00, 0)]
        assert lines(account.offer(Kind.OVERDUE, after_them)) == [(1, 1_000_00, 120_00, 2_00)]

    def test_is_all_there_is_after_maturity(self):
        settled = ACCOUNT.offer(Kind.FULL, date(2027, 3, 1))
        assert settled.paid == ACCOUNT.offer(Kind.INSTALMENT, date(2027, 3, 1)).paid
        assert settled.ahead is None
        refused = ACCOUNT.offer(part(Money(500_00)), date(2027, 3, 1))
        assert refused == Refusal(code="nothing_ahead")


class TestOnTheDueDate:
    def test_47_the_due_instalment_comes_first_and_the_remainder_goes_ahead(self):
        offered = ACCOUNT.offer(part(Money(3_120_00)), FIRST_DUE_ON)
        assert lines(offered) == [(1, 1_000_00, 120_00, 0), (2, 2_000_00, 0, 0)]
        assert table(offered.cut_after.instalments)[:2] == [
            "2 03-15 818.18 90.00",
            "3 04-15 818.18 81.82",
        ]

    def test_47_before_round_1_and_after_it_leave_the_same(self):
        before = ACCOUNT.after(part(Money(3_120_00)), FIRST_DUE_ON)
        after = ACCOUNT.after_round(FIRST_DUE_ON).after(part(Money(2_000_00)), FIRST_DUE_ON)
        assert (before.cut, before.paid) == (after.cut, after.paid)

    def test_47_round_2_finds_nothing_due_and_the_next_month_the_new_amount(self):
        after = ACCOUNT.after(part(Money(3_120_00)), FIRST_DUE_ON)
        assert after.after_round(FIRST_DUE_ON) == after
        assert after.owed(date(2026, 3, 15)).amount == Money(908_18)


class TestAPartAhead:
    def test_pays_interest_to_the_day_and_then_principal(self):
        offered = ACCOUNT.offer(part(Money(1_040_00)), TEN_DAYS_ON)
        assert lines(offered) == [(1, 1_000_00, 40_00, 0)]

    def test_on_the_day_of_disbursement_pays_principal_alone(self):
        offered = ACCOUNT.offer(part(Money(1_200_00)), DISBURSED_ON)
        assert lines(offered) == [(1, 1_200_00, 0, 0)]
        assert table(offered.cut_after.instalments)[0] == "1 02-15 900.00 108.00"

    def test_leaves_the_rest_of_the_period_s_interest_to_the_running_instalment(self):
        offered = ACCOUNT.offer(part(Money(1_040_00)), TEN_DAYS_ON)
        # 11,000.00 x 12 % x 20 / 360, then 10,083.33 x 1 %
        assert table(offered.cut_after.instalments)[:2] == [
            "1 02-15 916.67 73.33",
            "2 03-15 916.67 100.83",
        ]

    def test_may_shorten_the_term_instead(self):
        offered = ACCOUNT.offer(part(Money(1_040_00), Recut.SHORTEN_TERM), TEN_DAYS_ON)
        rows = offered.cut_after.instalments
        assert [row.principal for row in rows] == [Money(1_000_00)] * 11
        assert offered.cut_after.terms.instalments == 11

    def test_keeps_equal_instalments_equal(self):
        account = an_account(method=Method.EQUAL_INSTALMENT, instalments=6)
        reduced, shortened = (
            account.offer(part(Money(2_040_00), recut), TEN_DAYS_ON).cut_after.instalments
            for recut in Recut
        )
        # 10,000.00 repaid at 0.667 % once and 1 % five times; before it was 2,070.58
        assert {row.total for row in reduced[:-1]} == {Money(1_719_79)}
        assert {row.total for row in shortened[:-1]} == {Money(2_070_58)}
        assert (len(reduced), reduced[-1].total) == (6, Money(1_719_80))
        assert (len(shortened), shortened[-1].total) == (5, Money(1_983_95))

    def test_of_the_last_instalment_makes_it_smaller(self):
        last = replace(ACCOUNT, loan=replace(ACCOUNT.loan, position=Position(instalment_no=12)))
        for recut in Recut:
            # 1,000.00 x 12 % x 15 / 360
            offered = last.offer(part(Money(405_00), recut), date(2026, 12, 30))
            assert table(offered.cut_after.instalments) == ["12 01-15 600.00 3.00"]

    def test_costs_no_interest_a_second_time_on_the_same_day(self):
        once = ACCOUNT.after(part(Money(3_040_00)), TEN_DAYS_ON)
        twice = ACCOUNT.after(part(Money(1_040_00)), TEN_DAYS_ON).after(
            part(Money(2_000_00)), TEN_DAYS_ON
        )
        assert twice.paid == once.paid
        assert twice.outstanding == once.outstanding

    def test_later_in_the_same_period_pays_the_interest_since_the_first(self):
        after = ACCOUNT.after(part(Money(1_040_00)), TEN_DAYS_ON)
        offered = after.offer(part(Money(1_033_00)), date(2026, 2, 4))
        # 19 days less 10: 11,000.00 x 12 % x 9 / 360; then 10,000.00 x 12 % x 11 / 360
        assert lines(offered) == [(1, 1_000_00, 33_00, 0)]
        assert offered.cut_after.instalments[0].interest == Money(36_67)

    def test_of_a_loan_cut_again_before_counts_on_at_its_own_rate(self):
        restructured = an_account(
            principal=Money(6_000_00),
            annual_rate=Decimal("0.06"),
            instalments=6,
            disbursed_on=date(2026, 6, 20),
            first_due_on=date(2026, 7, 20),
            first_no=5,
            schedule_version=3,
        )
        after = restructured.after(part(Money(1_015_00)), date(2026, 7, 5))
        assert fen(after.paid) == (1_000_00, 15_00, 0)
        assert table(after.cut.instalments)[:2] == ["5 07-20 833.33 12.50", "6 08-20 833.33 20.83"]
        assert (after.loan.position, after.loan.schedule_version) == (Position(instalment_no=5), 4)

    def test_of_a_bullet_loan_leaves_one_payment(self):
        account = an_account(method=Method.BULLET, instalments=3)
        # 43 days after the US rule: 12,000.00 x 12 % x 43 / 360; the 47 left: on 11,000.00
        after = account.after(part(Money(1_172_00)), date(2026, 2, 28))
        assert table(after.cut.instalments) == ["1 04-15 11,000.00 172.33"]
        again = after.after(part(Money(1_000_00)), date(2026, 3, 15))
        # 60 days less 43: 11,000.00 x 12 % x 17 / 360
        assert fen(again.paid) == (1_937_67, 234_33, 0)

    def test_of_interest_first_leaves_its_principal_at_the_end(self):
        account = an_account(method=Method.INTEREST_FIRST, instalments=3)
        offered = account.offer(part(Money(3_060_00)), date(2026, 1, 30))
        assert table(offered.cut_after.instalments) == [
            "1 02-15 0.00 45.00",
            "2 03-15 0.00 90.00",
            "3 04-15 9,000.00 90.00",
        ]

    @pytest.mark.parametrize("method", [Method.INTEREST_FIRST, Method.BULLET])
    def test_of_a_loan_repaid_at_its_end_cannot_shorten_it(self, method):
        account = an_account(method=method, product={"recuts": (Recut.SHORTEN_TERM,)})
        wish = part(Money(1_040_00), Recut.SHORTEN_TERM)
        assert account.offer(wish, TEN_DAYS_ON) == Refusal(code="recut_not_offered")
        assert recuts_offered(account.standing(TEN_DAYS_ON)) == (Recut.REDUCE_INSTALMENT,)

    @pytest.mark.parametrize("method", Method)
    def test_at_a_zero_rate_is_all_principal(self, method):
        account = an_account(method=method, annual_rate=Decimal(0), instalments=3)
        offered = account.offer(part(Money(3_000_00)), TEN_DAYS_ON)
        assert fen(offered.components) == (3_000_00, 0, 0)
        assert total(row.total for row in offered.cut_after.instalments) == Money(9_000_00)

    def test_is_recut_by_the_product_s_first_choice_or_the_borrower_s(self):
        account = an_account(product={"recuts": (Recut.SHORTEN_TERM,)})
        assert account.offer(part(Money(1_040_00)), TEN_DAYS_ON).recut is Recut.SHORTEN_TERM
        refused = account.offer(part(Money(1_040_00), Recut.REDUCE_INSTALMENT), TEN_DAYS_ON)
        assert refused == Refusal(code="recut_not_offered")

    def test_comes_back_to_the_31st_after_february(self):
        account = an_account(disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28))
        for day in (date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 15)):
            offered = account.offer(part(Money(3_300_00)), day)
            due_dates = [f"{row.due_on:%m-%d}" for row in offered.cut_after.instalments]
            assert due_dates[-11:-8] == ["03-31", "04-30", "05-31"]


class TestARecut:
    """What the first version of the code got wrong."""

    def test_keeps_the_days_of_payment_that_holidays_moved(self):
        account = an_account(
            disbursed_on=date(2026, 9, 1),
            first_due_on=date(2026, 10, 1),
            product={"working_day_shift": WorkingDayShift.FOLLOWING},
            working_days=GOLDEN_WEEK,
        )
        after = account.after(part(Money(1_000_00)), date(2026, 9, 10))
        assert after.cut.instalments[0].due_on == date(2026, 10, 8)

    def test_that_shortens_asks_the_regular_instalment_not_a_long_first_period_s_interest(self):
        account = an_account(
            method=Method.EQUAL_INSTALMENT, instalments=360, first_due_on=date(2026, 5, 15)
        )
        assert [row.total for row in account.cut.instalments[:2]] == [Money(480_00), Money(127_10)]
        wish = part(Money(1_000_00), Recut.SHORTEN_TERM)
        rows = account.offer(wish, DISBURSED_ON).cut_after.instalments
        assert [row.total for row in rows[:2]] == [Money(440_00), Money(127_10)]

    def test_that_reduces_after_one_that_shortened_gives_no_interest_away(self):
        account = an_account(method=Method.EQUAL_INSTALMENT)
        # eleven instalments are left, and of the last 13.16
        shortened = account.after(part(Money(1_890_00), Recut.SHORTEN_TERM), DISBURSED_ON)
        reduced = shortened.after(part(Money(100_00), Recut.REDUCE_INSTALMENT), DISBURSED_ON)
        before, rows = shortened.cut.instalments, reduced.cut.instalments
        assert (len(before), before[-1].total) == (11, Money(13_16))
        assert (len(rows), rows[-1].total) == (11, Money(13_07))
        # 565.06 less what the 100.00 of 10,110.00 would have borne
        interest = [total(row.interest for row in each) for each in (before, rows)]
        assert interest == [Money(565_06), Money(559_47)]


class TestLimits:
    LIMITS = Limits(amount_min=Money(100_00), amount_max=Money(11_940_00), payoff=Money(12_040_00))

    def test_49_leave_the_minimum_on_either_side(self):
        assert ACCOUNT.limits(TEN_DAYS_ON) == self.LIMITS

    @pytest.mark.parametrize("amount", [100_00, 11_940_00])
    def test_49_may_be_met_to_the_fen(self, amount):
        offered = ACCOUNT.offer(part(Money(amount)), TEN_DAYS_ON)
        assert offered.amount == Money(amount)

    @pytest.mark.parametrize(
        "amount", [-1, 0, 1, 99_99, 11_940_01, 12_039_99, 12_040_01, 10**11], ids=str
    )
    def test_49_are_named_where_they_are_missed(self, amount):
        refused = ACCOUNT.offer(part(Money(amount)), TEN_DAYS_ON)
        assert refused == Refusal(code="amount_out_of_limits", limits=self.LIMITS)

    def test_49_are_named_where_no_amount_is(self):
        refused = ACCOUNT.offer(Kind.PARTIAL, TEN_DAYS_ON)
        assert refused == Refusal(code="amount_out_of_limits", limits=self.LIMITS)

    def test_49_the_exact_payoff_settles(self):
        offered = ACCOUNT.offer(part(Money(12_040_00)), TEN_DAYS_ON)
        assert offered == ACCOUNT.offer(Kind.FULL, TEN_DAYS_ON)
        assert ACCOUNT.after(part(Money(12_040_00)), TEN_DAYS_ON).is_settled

    def test_49_the_exact_payoff_is_with_its_fee(self):
        account = an_account(product={"settlement_fee_rate": Decimal("0.01")})
        assert isinstance(account.offer(part(Money(12_040_00)), TEN_DAYS_ON), Refusal)
        assert account.offer(part(Money(12_160_00)), TEN_DAYS_ON).kind is Kind.FULL

    def test_count_what_is_due_in(self):
        assert ACCOUNT.limits(OVERDUE_40) == Limits(
            amount_min=Money(2_356_00), amount_max=Money(12_196_00), payoff=Money(12_296_00)
        )

    def test_leave_a_fen_of_principal_where_interest_alone_reaches_the_minimum(self):
        limits = an_account(product={"partial_min": Money(40_00)}).limits(TEN_DAYS_ON)
        assert limits.amount_min == Money(40_01)

    @pytest.mark.parametrize(("principal", "offers"), [(199_99, False), (200_00, True)])
    def test_are_none_of_a_loan_too_small_for_a_part(self, principal, offers):
        account = an_account(principal=Money(principal))
        limits = account.limits(DISBURSED_ON)
        assert (limits.amount_min is not None) is offers
        assert limits.payoff == Money(principal)
        assert (Kind.PARTIAL in kinds_offered(account.standing(DISBURSED_ON))) is offers
        assert isinstance(account.offer(part(Money(100_00)), DISBURSED_ON), Offer) is offers


class TestPolicies:
    @pytest.mark.parametrize(
        ("policy", "ahead"),
        [
            (Prepayment.NONE, ()),
            (Prepayment.FULL_ONLY, (Kind.FULL,)),
            (Prepayment.PARTIAL_AND_FULL, (Kind.PARTIAL, Kind.FULL)),
        ],
    )
    def test_say_what_may_go_ahead_and_what_is_due_may_always_be_paid(self, policy, ahead):
        account = an_account(product={"prepayment": policy})
        for day, due in (
            (TEN_DAYS_ON, ()),
            (FIRST_DUE_ON, (Kind.INSTALMENT,)),
            (OVERDUE_40, (Kind.OVERDUE, Kind.INSTALMENT)),
        ):
            assert kinds_offered(account.standing(day)) == (*due, *ahead)

    @pytest.mark.parametrize("policy", [Prepayment.NONE, Prepayment.FULL_ONLY])
    def test_that_offer_no_part_refuse_it_and_name_no_limits(self, policy):
        account = an_account(product={"prepayment": policy})
        refused = account.offer(part(Money(1_040_00)), TEN_DAYS_ON)
        assert refused == Refusal(code="not_offered")
        assert account.limits(TEN_DAYS_ON).amount_min is None

    def test_that_offer_nothing_ahead_refuse_a_settlement_before_maturity_alone(self):
        account = an_account(product={"prepayment": Prepayment.NONE})
        assert account.offer(Kind.FULL, OVERDUE_40) == Refusal(code="not_offered")
        assert account.after(Kind.FULL, date(2027, 1, 15)).is_settled


class TestASettlement:
    def test_is_principal_interest_to_the_day_penalty_and_fee(self):
        account = an_account(product={"settlement_fee_rate": Decimal("0.01")})
        offered = account.offer(Kind.FULL, OVERDUE_40)
        assert fen(offered.components) == (12_000_00, 270_00, 26_00)
        assert offered.fee == Money(100_00)  # of the 10,000.00 that are ahead
        assert offered.amount == Money(12_396_00)

    def test_on_the_day_of_disbursement_costs_the_loan(self):
        assert ACCOUNT.offer(Kind.FULL, DISBURSED_ON).amount == Money(12_000_00)
        day_before = DISBURSED_ON - timedelta(days=1)
        assert ACCOUNT.offer(Kind.FULL, day_before).amount == Money(12_000_00)

    def test_on_a_due_date_costs_that_instalment_whole_and_no_more_interest(self):
        offered = ACCOUNT.offer(Kind.FULL, FIRST_DUE_ON)
        assert lines(offered) == [(1, 1_000_00, 120_00, 0), (2, 11_000_00, 0, 0)]

    def test_of_the_last_instalment_before_it_is_due_saves_the_days_that_are_left(self):
        last = replace(ACCOUNT, loan=replace(ACCOUNT.loan, position=Position(instalment_no=12)))
        assert lines(last.offer(Kind.FULL, date(2027, 1, 14))) == [(12, 1_000_00, 9_67, 0)]
        assert lines(last.offer(Kind.FULL, date(2027, 1, 15))) == [(12, 1_000_00, 10_00, 0)]

    def test_54_is_not_offered_of_a_settled_loan_nor_is_anything_else(self):
        settled = ACCOUNT.after(Kind.FULL, TEN_DAYS_ON)
        for kind in (Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL):
            assert settled.offer(kind, OVERDUE_40) == Refusal(code="settled")
        assert kinds_offered(settled.standing(OVERDUE_40)) == ()

    def test_asks_the_interest_of_the_day_at_the_rate_the_loan_was_cut_at(self):
        restructured = an_account(
            principal=Money(6_000_00), annual_rate=Decimal("0.06"), first_no=5, schedule_version=3
        )
        # 6,000.00 x 6 % x 10 / 360
        assert lines(restructured.offer(Kind.FULL, TEN_DAYS_ON)) == [(5, 6_000_00, 10_00, 0)]


class TestMonthEnds:
    """Golden cases.  12,000.00 at 12 % is 4.00 a day over 360, and 3.945205... over 365."""

    CASES = (
        # the period begins on a 15th: the 31st is a day more, the 1st is not
        (DayCount.THIRTY_360, date(2026, 1, 15), date(2026, 1, 30), 60_00),  # 30 - 15 = 15
        (DayCount.THIRTY_360, date(2026, 1, 15), date(2026, 1, 31), 64_00),  # 31 - 15 = 16
        (DayCount.THIRTY_360, date(2026, 1, 15), date(2026, 2, 1), 64_00),  # 30 + 1 - 15 = 16
        # it begins on a 31st, which counts as a 30th
        (DayCount.THIRTY_360, date(2026, 1, 31), date(2026, 2, 1), 4_00),  # 30 + 1 - 30 = 1
        (DayCount.THIRTY_360, date(2026, 1, 31), date(2026, 2, 27), 108_00),  # 30 + 27 - 30 = 27
        (DayCount.THIRTY_360, date(2026, 3, 31), date(2026, 4, 29), 116_00),  # 30 + 29 - 30 = 29
        # it begins on a 30th: the 31st is the same day
        (DayCount.THIRTY_360, date(2026, 3, 30), date(2026, 3, 31), 0),  # 30 - 30 = 0
        (DayCount.THIRTY_360, date(2026, 3, 30), date(2026, 4, 1), 4_00),  # 30 + 1 - 30 = 1
        # it begins at the end of February, which counts as a 30th; 28 February 2028 is not the end
        (DayCount.THIRTY_360, date(2026, 2, 28), date(2026, 3, 1), 4_00),  # 30 + 1 - 30 = 1
        (DayCount.THIRTY_360, date(2028, 2, 29), date(2028, 3, 1), 4_00),  # 30 + 1 - 30 = 1
        (DayCount.THIRTY_360, date(2028, 2, 28), date(2028, 3, 1), 12_00),  # 30 + 1 - 28 = 3
        # real days
        (DayCount.ACT_360, date(2026, 1, 31), date(2026, 2, 27), 108_00),  # 27
        (DayCount.ACT_360, date(2026, 2, 28), date(2026, 3, 1), 4_00),  # 1
        (DayCount.ACT_360, date(2028, 2, 28), date(2028, 3, 1), 8_00),  # 2
        (DayCount.ACT_365, date(2026, 1, 15), date(2026, 1, 31), 63_12),  # 16 x 3.945205 = 63.1233
        (DayCount.ACT_365, date(2026, 1, 31), date(2026, 2, 27), 106_52),  # 27 x ... = 106.5205
        (DayCount.ACT_365, date(2028, 2, 28), date(2028, 3, 1), 7_89),  # 2 x ... = 7.8904
    )

    @pytest.mark.parametrize(("day_count", "begins", "as_of", "interest"), CASES)
    def test_55_count_their_days_by_the_product(self, day_count, begins, as_of, interest):
        account = an_account(
            disbursed_on=begins,
            first_due_on=begins + timedelta(days=60),
            product={"day_count": day_count},
        )
        assert account.offer(Kind.FULL, as_of).components.interest == Money(interest)

    @pytest.mark.parametrize(("day_count", "begins", "as_of", "interest"), CASES)
    def test_55_agree_with_days_counted_one_by_one(self, day_count, begins, as_of, interest):
        days = counted_days(day_count, begins, as_of)
        of_year = 365 if day_count is DayCount.ACT_365 else 360
        exact = Decimal(12_000_00) * Decimal("0.12") * days / of_year
        assert int(exact.quantize(Decimal(1), ROUND_HALF_UP)) == interest

    def test_55_of_february_leave_its_last_three_days_to_the_due_date(self):
        account = an_account(disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28))
        day_before, due_date = (
            account.offer(Kind.FULL, date(2026, 2, day)).components.interest for day in (27, 28)
        )
        assert (day_before, due_date) == (Money(108_00), Money(120_00))
        after = account.after(part(Money(1_108_00)), date(2026, 2, 27))
        # 11,000.00 x 12 % x 3 / 360
        assert after.cut.instalments[0].interest == Money(11_00)

    def test_55_are_never_charged_more_than_the_period(self):
        account = an_account(disbursed_on=date(2026, 4, 30), first_due_on=date(2026, 5, 31))
        after = account.after(part(Money(1_120_00)), date(2026, 5, 30))
        assert fen(after.paid) == (1_000_00, 120_00, 0)
        assert after.cut.instalments[0].interest == ZERO

    @pytest.mark.parametrize(
        ("as_of", "fee"),
        [
            (date(2026, 2, 27), 60_00),  # 0.5 % of 12,000.00: nothing is due yet
            (date(2026, 2, 28), 55_00),  # 0.5 % of 11,000.00: today's instalment bears no fee
            (date(2026, 3, 1), 55_00),
            (date(2026, 3, 31), 50_00),  # 0.5 % of 10,000.00
            (date(2027, 1, 31), 0),  # nothing is ahead
        ],
    )
    def test_55_bear_a_fee_on_what_is_ahead_alone(self, as_of, fee):
        account = an_account(
            disbursed_on=date(2026, 1, 31),
            first_due_on=date(2026, 2, 28),
            product={"settlement_fee_rate": Decimal("0.005")},
        )
        assert account.offer(Kind.FULL, as_of).fee == Money(fee)

    @pytest.mark.parametrize(
        ("rounding", "fee", "interest"), [(Rounding.HALF_UP, 51, 1), (Rounding.HALF_EVEN, 50, 0)]
    )
    def test_55_round_half_a_fen_by_the_product(self, rounding, fee, interest):
        product = {"rounding": rounding, "settlement_fee_rate": Decimal("0.005")}
        # 101.00 x 0.5 % = 0.505; 15.00 x 12 % x 1 / 360 = 0.005
        account = an_account(principal=Money(101_00), product=product)
        assert account.offer(Kind.FULL, DISBURSED_ON).fee == Money(fee)
        account = an_account(principal=Money(15_00), product=product)
        next_day = DISBURSED_ON + timedelta(days=1)
        assert account.offer(Kind.FULL, next_day).components.interest == Money(interest)


def counted_days(day_count, begins, as_of):
    """Count day by day; by the US rule some days at a month's end are longer, or none."""
    days = (begins + timedelta(days=passed) for passed in range((as_of - begins).days))
    if day_count is DayCount.THIRTY_360:
        return sum(length_30_360(day, begins) for day in days)
    return len(list(days))


def length_30_360(day, begins):
    """Return how many days it is from a day to the next."""
    following = day + timedelta(days=1)
    begins_as_30th = begins.day >= 30 or (begins + timedelta(days=1)).day == 1
    if following.day == 31:
        return 0 if begins_as_30th else 1
    if day.day == 31:
        return 1 if begins_as_30th else 0
    if following.day == 1 and day != begins:
        return 31 - day.day
    return 1


class TestADayOfPaymentThatWasMoved:
    """The first due date is 1 October, in the golden week."""

    def account(self, shift):
        return an_account(
            disbursed_on=date(2026, 9, 1),
            first_due_on=date(2026, 10, 1),
            product={"working_day_shift": shift},
            working_days=GOLDEN_WEEK,
        )

    def test_on_is_due_to_a_borrower_who_pays_and_overdue_to_nobody(self):
        account, in_between = self.account(WorkingDayShift.FOLLOWING), date(2026, 10, 3)
        offered = account.offer(Kind.INSTALMENT, in_between)
        assert lines(offered) == [(1, 1_000_00, 120_00, 0)]
        assert account.owed(in_between).is_nothing
        assert account.offer(Kind.OVERDUE, in_between) == Refusal(code="nothing_overdue")
        assert account.offer(Kind.INSTALMENT, date(2026, 9, 30)) == Refusal(code="nothing_due")

    def test_on_comes_before_a_part_ahead_whose_interest_runs_from_the_contractual_date(self):
        account = self.account(WorkingDayShift.FOLLOWING)
        offered = account.offer(part(Money(2_127_33)), date(2026, 10, 3))
        # 11,000.00 x 12 % x 2 / 360
        assert lines(offered) == [(1, 1_000_00, 120_00, 0), (2, 1_000_00, 7_33, 0)]
        assert [row.due_on for row in offered.cut_after.instalments] == [
            row.due_on for row in account.cut.instalments[1:]
        ]

    def test_on_is_overdue_from_the_day_after_it(self):
        offered = self.account(WorkingDayShift.FOLLOWING).offer(Kind.OVERDUE, date(2026, 10, 9))
        assert (offered.due.dpd, lines(offered)) == (1, [(1, 1_000_00, 120_00, 50)])

    def test_back_is_due_there_with_the_interest_of_the_whole_period(self):
        account = self.account(WorkingDayShift.PRECEDING)
        assert account.cut.instalments[0].due_on == date(2026, 9, 30)
        offered = account.offer(Kind.INSTALMENT, date(2026, 9, 30))
        assert lines(offered) == [(1, 1_000_00, 120_00, 0)]

    def test_back_is_followed_by_a_part_without_interest_for_its_period_has_not_begun(self):
        account = self.account(WorkingDayShift.PRECEDING)
        offered = account.offer(part(Money(2_220_00)), date(2026, 9, 30))
        assert lines(offered) == [(1, 1_000_00, 120_00, 0), (2, 1_100_00, 0, 0)]
        # 9,900.00 x 1 %: the whole of the next period
        assert offered.cut_after.instalments[0].interest == Money(99_00)


class TestAQuote:
    def test_is_named_the_same_when_asked_again_and_another_after_any_write(self):
        wish = part(Money(1_040_00))

        def name(version=1, as_of=TEN_DAYS_ON, wish=wish):
            offered = ACCOUNT.offer(wish, as_of)
            return quote_id_of(
                loan_id="LN1", version=version, as_of=as_of, wish=wish, offered=offered
            )

        assert name() == name()
        others = {
            name(version=2),
            name(as_of=TEN_DAYS_ON + timedelta(days=1)),
            name(wish=part(Money(1_040_01))),
            name(wish=part(Money(1_040_00), Recut.SHORTEN_TERM)),
            name(wish=Wish(kind=Kind.FULL)),
        }
        assert len(others - {name()}) == 5

    def test_of_a_round_is_no_wish(self):
        with pytest.raises(ValueError, match="no wish"):
            ACCOUNT.offer(Kind.SCHEDULED, TEN_DAYS_ON)

    def test_adds_up(self):
        offered = ACCOUNT.offer(Kind.FULL, OVERDUE_40)
        parts = Components(principal=Money(12_000_00), interest=Money(270_00), penalty=Money(26_00))
        assert (offered.components, offered.paid.components) == (parts, parts)
        assert offered.amount == Money(12_296_00)
