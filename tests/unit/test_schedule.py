from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.business_calendar import WorkingDays, add_months
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.product import DayCount, Method, Product, Rounding, WorkingDayShift
from chalicelib.domain.schedule import IllegalTermsError, Terms, make

PRODUCT = Product(code="P1", name="消费贷")


def terms(**changes):
    facts = {
        "principal": Money(12_000_00),
        "annual_rate": Decimal("0.12"),
        "method": Method.EQUAL_INSTALMENT,
        "instalments": 12,
        "disbursed_on": date(2026, 1, 15),
        "first_due_on": date(2026, 2, 15),
    }
    return Terms(**facts | changes)


def rows(product=PRODUCT, **changes):
    return make(terms=terms(**changes), product=product)


def table(schedule):
    return [f"{row.due_on:%y-%m-%d} {row.principal} {row.interest}" for row in schedule]


dates = st.dates(date(2023, 1, 1), date(2030, 12, 31))
rates = st.integers(0, 3600).map(lambda basis_points: Decimal(basis_points) / 10_000)
products = st.builds(
    Product,
    code=st.just("P"),
    name=st.just("P"),
    day_count=st.sampled_from(DayCount),
    rounding=st.sampled_from(Rounding),
    working_day_shift=st.sampled_from(WorkingDayShift),
)


@st.composite
def legal_terms(draw, methods=tuple(Method), principal_min=1, rate=rates, first_period_max=95):
    disbursed_on = draw(dates)
    broken = st.integers(1, first_period_max).map(lambda days: disbursed_on + timedelta(days=days))
    return Terms(
        principal=Money(draw(st.integers(principal_min, 10**9))),
        annual_rate=draw(rate),
        method=draw(st.sampled_from(methods)),
        instalments=draw(st.integers(1, 36)),
        disbursed_on=disbursed_on,
        first_due_on=draw(st.just(add_months(disbursed_on, 1)) | broken),
    )


class TestEverySchedule:
    @given(legal_terms(), products)
    def test_repays_the_loan_and_nothing_is_negative(self, terms, product):
        schedule = make(terms=terms, product=product)
        assert total(row.principal for row in schedule) == terms.principal
        assert all(row.principal >= ZERO and row.interest >= ZERO for row in schedule)

    @given(legal_terms(), products)
    def test_counts_its_rows_and_its_dates_rise(self, terms, product):
        schedule = make(terms=terms, product=product)
        count = 1 if terms.method is Method.BULLET else terms.instalments
        assert [row.number for row in schedule] == list(range(1, count + 1))
        due_dates = [row.due_on for row in schedule]
        assert sorted(set(due_dates)) == due_dates

    @given(legal_terms(rate=st.just(Decimal(0))), products)
    def test_at_a_zero_rate_bears_no_interest(self, terms, product):
        schedule = make(terms=terms, product=product)
        assert total(row.interest for row in schedule) == ZERO

    @given(legal_terms(), products)
    def test_charges_the_same_interest_wherever_its_due_dates_are_shifted(self, terms, product):
        unshifted = replace(product, working_day_shift=WorkingDayShift.NONE)
        for row, at_home in zip(
            make(terms=terms, product=product), make(terms=terms, product=unshifted), strict=True
        ):
            assert (row.principal, row.interest) == (at_home.principal, at_home.interest)
            assert abs(row.due_on - at_home.due_on) <= timedelta(days=2)


class TestEqualInstalments:
    @given(legal_terms((Method.EQUAL_INSTALMENT,), principal_min=100_00, first_period_max=35))
    def test_are_equal_to_the_fen_but_for_the_last(self, terms):
        *regular, last = make(terms=terms, product=PRODUCT)
        assert len({row.total for row in regular}) <= 1
        assert all(abs(row.total.fen - last.total.fen) <= 1_00 for row in regular)

    def test_are_the_annuity(self):
        monthly = Decimal("0.01")
        annuity = 1_200_000 * monthly / (1 - (1 + monthly) ** -12)
        expected = int(annuity.quantize(Decimal(1), ROUND_HALF_UP))
        assert {row.total.fen for row in rows()[:-1]} == {expected} == {1_066_19}
        assert rows()[-1].total == Money(1_066_14)

    @pytest.mark.parametrize("day_count", DayCount)
    def test_stay_equal_through_a_broken_first_period_and_months_of_any_length(self, day_count):
        schedule = rows(replace(PRODUCT, day_count=day_count), first_due_on=date(2026, 3, 1))
        assert len({row.total for row in schedule[:-1]}) == 1
        assert abs(schedule[0].total.fen - schedule[-1].total.fen) < 20

    def test_are_interest_alone_while_that_exceeds_the_instalment(self):
        schedule = rows(instalments=360, first_due_on=date(2026, 5, 15))
        assert (schedule[0].principal, schedule[0].interest) == (ZERO, Money(480_00))
        assert schedule[1].principal > ZERO


class TestTheOtherMethods:
    def test_equal_principal_leaves_the_remainder_to_the_last(self):
        assert table(
            rows(method=Method.EQUAL_PRINCIPAL, principal=Money(1000_00), instalments=3)
        ) == [
            "26-02-15 333.33 10.00",
            "26-03-15 333.33 6.67",
            "26-04-15 333.34 3.33",
        ]

    def test_interest_first_repays_at_the_end(self):
        assert table(rows(method=Method.INTEREST_FIRST, instalments=3)) == [
            "26-02-15 0.00 120.00",
            "26-03-15 0.00 120.00",
            "26-04-15 12,000.00 120.00",
        ]

    def test_bullet_is_one_payment_at_the_end_of_the_term(self):
        assert table(rows(method=Method.BULLET, instalments=3)) == ["26-04-15 12,000.00 360.00"]

    def test_a_loan_of_a_few_fen_runs_out_early_and_never_below_zero(self):
        schedule = rows(
            method=Method.EQUAL_PRINCIPAL, principal=Money(5), annual_rate=Decimal(0), instalments=9
        )
        assert [row.principal.fen for row in schedule] == [1, 1, 1, 1, 1, 0, 0, 0, 0]


class TestInterest:
    @pytest.mark.parametrize(
        ("day_count", "disbursed_on", "first_due_on", "interest"),
        [
            # a whole month is a twelfth, from the 31st to a short month's end and back, too
            (DayCount.THIRTY_360, date(2026, 1, 15), date(2026, 2, 15), 120_00),
            (DayCount.THIRTY_360, date(2026, 1, 31), date(2026, 2, 28), 120_00),
            (DayCount.THIRTY_360, date(2028, 1, 30), date(2028, 2, 29), 120_00),
            (DayCount.THIRTY_360, date(2026, 2, 28), date(2026, 3, 31), 120_00),
            (DayCount.THIRTY_360, date(2026, 2, 28), date(2026, 3, 28), 120_00),
            (DayCount.THIRTY_360, date(2026, 4, 30), date(2026, 5, 31), 120_00),
            # any other first period by its days: 20, 48, 51, 1, none from the 30th to the 31st
            (DayCount.THIRTY_360, date(2026, 1, 26), date(2026, 2, 16), 80_00),
            (DayCount.THIRTY_360, date(2026, 1, 10), date(2026, 2, 28), 192_00),
            (DayCount.THIRTY_360, date(2026, 2, 10), date(2026, 3, 31), 204_00),
            (DayCount.THIRTY_360, date(2026, 2, 28), date(2026, 3, 1), 4_00),
            (DayCount.THIRTY_360, date(2026, 1, 30), date(2026, 1, 31), 0),
            (DayCount.THIRTY_360, date(2026, 2, 28), date(2028, 2, 29), 2_880_00),
            # real days: 31, 28, 29 in a leap year
            (DayCount.ACT_360, date(2026, 1, 15), date(2026, 2, 15), 124_00),
            (DayCount.ACT_360, date(2026, 2, 15), date(2026, 3, 15), 112_00),
            (DayCount.ACT_360, date(2028, 2, 15), date(2028, 3, 15), 116_00),
            (DayCount.ACT_365, date(2026, 1, 15), date(2026, 2, 15), 122_30),
            (DayCount.ACT_365, date(2028, 2, 29), date(2028, 3, 29), 114_41),
        ],
    )
    def test_of_the_first_period_follows_the_day_count(
        self, day_count, disbursed_on, first_due_on, interest
    ):
        product = replace(PRODUCT, day_count=day_count)
        schedule = rows(product, disbursed_on=disbursed_on, first_due_on=first_due_on)
        assert schedule[0].interest == Money(interest)

    @pytest.mark.parametrize(("rounding", "interest"), [("HALF_UP", 3), ("HALF_EVEN", 2)])
    def test_rounds_half_a_fen_by_the_product(self, rounding, interest):
        product = replace(PRODUCT, rounding=Rounding(rounding))
        assert rows(product, principal=Money(250))[0].interest == Money(interest)

    @pytest.mark.parametrize(
        ("day_count", "interest"),
        [
            (DayCount.THIRTY_360, 1_440_00),
            (DayCount.ACT_360, 1_464_00),
            (DayCount.ACT_365, 1_443_95),
        ],
    )
    def test_of_a_year_up_to_the_leap_day(self, day_count, interest):
        (row,) = rows(
            replace(PRODUCT, day_count=day_count),
            method=Method.BULLET,
            disbursed_on=date(2027, 2, 28),
            first_due_on=date(2028, 2, 29),
            instalments=1,
        )
        assert row.interest == Money(interest)


class TestDueDates:
    @pytest.mark.parametrize("instalments", [12, 24, 36])
    def test_of_a_loan_of_29_february_come_back_to_it(self, instalments):
        schedule = rows(
            disbursed_on=date(2024, 2, 29),
            first_due_on=date(2024, 3, 29),
            instalments=instalments,
        )
        last = schedule[-1].due_on
        assert last == date(2024 + instalments // 12, 2, 28)
        assert {row.due_on.day for row in schedule if row.due_on.month != 2} == {29}

    def test_of_a_loan_of_the_31st_are_anchored_to_it_from_a_first_date_in_february(self):
        schedule = rows(disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28))
        assert [f"{row.due_on:%m-%d}" for row in schedule[:3]] == ["02-28", "03-31", "04-30"]

    def test_keep_the_contract_s_anchor_when_cut_again_in_february(self):
        again = rows(disbursed_on=date(2026, 2, 10), first_due_on=date(2026, 2, 28), anchor_day=31)
        assert again[1].due_on == date(2026, 3, 31)

    @pytest.mark.parametrize(("shift", "day"), [("none", 1), ("following", 5), ("preceding", 30)])
    def test_leave_the_holidays_by_the_product(self, shift, day):
        golden_week = WorkingDays(holidays=frozenset({date(2026, 10, 1), date(2026, 10, 2)}))
        product = replace(PRODUCT, working_day_shift=WorkingDayShift(shift))
        schedule = make(
            terms=terms(disbursed_on=date(2026, 9, 1), first_due_on=date(2026, 10, 1)),
            product=product,
            working_days=golden_week,
        )
        assert schedule[0].due_on.day == day


class TestIllegalTerms:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"principal": ZERO}, "principal"),
            ({"annual_rate": Decimal("-0.01")}, "annual rate"),
            ({"annual_rate": Decimal(18)}, "annual rate"),
            ({"annual_rate": Decimal("NaN")}, "annual rate"),
            ({"instalments": 0}, "number of instalments"),
            ({"instalments": 361}, "number of instalments"),
            ({"first_due_on": date(2026, 1, 15)}, "first due date"),
            ({"anchor_day": 31}, "anchor day"),
        ],
    )
    def test_are_refused_with_the_reason(self, changes, reason):
        with pytest.raises(IllegalTermsError, match=reason):
            terms(**changes)

    def test_are_refused_with_every_reason_at_once(self):
        with pytest.raises(IllegalTermsError) as refused:
            terms(principal=Money(-1), instalments=0)
        assert len(refused.value.reasons) == 2
        assert str(refused.value).count(";") == 1

    def test_end_where_the_law_does(self):
        assert rows(annual_rate=Decimal("0.36"), instalments=360)
