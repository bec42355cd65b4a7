from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.penalty import accrued, annual_penalty_rate
from chalicelib.domain.product import Product, Rounding

PRODUCT = Product(code="P1", name="消费贷")
DUE_ON = date(2026, 1, 31)


def penalty(days_past, product=PRODUCT, *, overdue=1_000_00, rate="0.12", since=None):
    return accrued(
        overdue=Money(overdue),
        annual_rate=Decimal(rate),
        product=product,
        due_on=DUE_ON,
        since=since,
        as_of=DUE_ON + timedelta(days=days_past),
    ).fen


overdues = st.integers(0, 10**9)
rates = st.integers(0, 3600).map(lambda basis_points: str(Decimal(basis_points) / 10_000))
days = st.integers(-5, 1000)
products = st.builds(
    Product,
    code=st.just("P"),
    name=st.just("P"),
    grace_days=st.integers(0, 5),
    rounding=st.sampled_from(Rounding),
    annual_cost_cap=st.sampled_from([Decimal("0.24"), Decimal("0.15"), Decimal(0)]),
)


class TestPenalty:
    @pytest.mark.parametrize(
        ("days_past", "fen"), [(-3, 0), (0, 0), (1, 50), (7, 3_50), (28, 14_00), (365, 182_50)]
    )
    def test_is_one_and_a_half_times_the_rate_by_real_days_over_360(self, days_past, fen):
        assert penalty(days_past) == fen

    @given(overdues, rates, products, days, st.integers(0, 400))
    def test_never_shrinks_with_the_days(self, overdue, rate, product, day, later):
        earlier = penalty(day, product, overdue=overdue, rate=rate)
        assert earlier <= penalty(day + later, product, overdue=overdue, rate=rate)

    @given(overdues, rates, products, days)
    def test_never_exceeds_the_cap_by_more_than_its_rounding(self, overdue, rate, product, day):
        cap = Fraction(product.annual_cost_cap) * overdue * max(day, 0) / 360
        assert penalty(day, product, overdue=overdue, rate=rate) <= cap + Fraction(1, 2)

    @pytest.mark.parametrize(
        ("rate", "penalty_rate"), [("0.12", "0.18"), ("0.16", "0.24"), ("0.18", "0.24"), ("0", "0")]
    )
    def test_rate_is_the_contract_s_with_its_uplift_up_to_the_cap(self, rate, penalty_rate):
        found = annual_penalty_rate(annual_rate=Decimal(rate), product=PRODUCT)
        assert found == Decimal(penalty_rate)

    @pytest.mark.parametrize(("rounding", "fen"), [("HALF_UP", 3), ("HALF_EVEN", 2)])
    def test_rounds_half_a_fen_by_the_product(self, rounding, fen):
        product = replace(PRODUCT, rounding=Rounding(rounding))
        assert penalty(5, product, overdue=10_00) == fen

    @pytest.mark.parametrize(("days_past", "fen"), [(0, 0), (3, 0), (4, 2_00), (5, 2_50)])
    def test_counts_from_the_due_date_once_the_grace_days_are_over(self, days_past, fen):
        assert penalty(days_past, replace(PRODUCT, grace_days=3)) == fen

    @given(overdues, rates, st.integers(0, 300), st.integers(0, 300))
    def test_goes_on_from_where_it_was_carried(self, overdue, rate, before, after):
        since = DUE_ON + timedelta(days=before)
        whole = penalty(before + after, overdue=overdue, rate=rate)
        carried = penalty(before, overdue=overdue, rate=rate)
        rest = penalty(before + after, overdue=overdue, rate=rate, since=since)
        assert abs(whole - carried - rest) <= 1

    def test_is_none_for_days_that_were_already_counted(self):
        assert penalty(10, since=DUE_ON + timedelta(days=20)) == 0

    def test_is_not_earned_before_the_due_date(self):
        assert penalty(10, since=DUE_ON - timedelta(days=5)) == penalty(10)

    def test_of_nothing_is_nothing(self):
        assert Money(penalty(100, overdue=0)) == ZERO
