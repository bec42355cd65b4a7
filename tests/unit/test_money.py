from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.money import NOTHING, ZERO, Components, Money, Part, total

moneys = st.integers(-(10**13), 10**13).map(Money)
weights = st.lists(st.integers(0, 10_000), min_size=1, max_size=6).filter(any)


class TestMoney:
    @pytest.mark.parametrize("fen", [True, 1.0, Decimal(1), "1", None])
    def test_is_made_of_nothing_but_an_int(self, fen):
        with pytest.raises(TypeError, match="fen must be an int"):
            Money(fen)

    @pytest.mark.parametrize("other", [0, 1.5, None, NOTHING])
    def test_is_added_to_nothing_but_money(self, other):
        with pytest.raises(TypeError):
            Money(1) + other
        with pytest.raises(TypeError):
            Money(1) - other
        with pytest.raises(TypeError):
            NOTHING + Money(1)
        with pytest.raises(TypeError):
            NOTHING - Money(1)

    @given(moneys, moneys)
    def test_adds_and_takes_back(self, a, b):
        assert a + b - b == a
        assert a - b == -(b - a)
        assert total([a, b]) == a + b
        assert (a < b) == (a.fen < b.fen)

    def test_is_true_if_there_is_any(self):
        assert Money(-1)
        assert not ZERO

    @pytest.mark.parametrize(
        ("fen", "yuan"),
        [(0, "0.00"), (7, "0.07"), (-7, "-0.07"), (-123_456, "-1,234.56"), (10**8, "1,000,000.00")],
    )
    def test_is_read_as_yuan(self, fen, yuan):
        assert str(Money(fen)) == yuan


class TestTimes:
    @pytest.mark.parametrize(
        ("fen", "half_up", "half_even"), [(50, 1, 0), (150, 2, 2), (250, 3, 2), (-50, -1, 0)]
    )
    def test_rounds_half_a_fen_as_told(self, fen, half_up, half_even):
        percent = Decimal("0.01")
        assert Money(fen).times(percent) == Money(half_up)
        assert Money(fen).times(percent, rounding=ROUND_HALF_EVEN) == Money(half_even)

    @given(moneys, st.integers(1, 366), st.integers(0, 3600))
    @example(Money(3), 300, 10_000)
    def test_rounds_once_and_exactly(self, money, days, basis_points):
        factor = Fraction(basis_points, 10_000) * Fraction(days, 360)
        exact = money.fen * factor
        rounded = money.times(factor).fen
        assert abs(rounded - exact) <= Fraction(1, 2)
        if abs(rounded - exact) == Fraction(1, 2):
            assert abs(rounded) > abs(exact)

    @pytest.mark.parametrize("factor", [0.1, 1, None])
    def test_refuses_a_factor_that_may_not_be_exact(self, factor):
        with pytest.raises(TypeError, match="factor"):
            Money(1).times(factor)

    @pytest.mark.parametrize("factor", ["NaN", "Infinity"])
    def test_refuses_what_is_no_number(self, factor):
        with pytest.raises((ValueError, OverflowError)):
            Money(1).times(Decimal(factor))


class TestShares:
    @given(moneys, weights)
    def test_lose_nothing(self, money, weights):
        assert total(money.shares(weights)) == money

    @given(moneys, weights)
    def test_are_less_than_a_fen_from_exact(self, money, weights):
        for share, weight in zip(money.shares(weights), weights, strict=True):
            assert abs(share.fen - Fraction(money.fen * weight, sum(weights))) < 1

    @given(moneys, weights)
    def test_of_an_amount_taken_back_are_taken_back(self, money, weights):
        assert (-money).shares(weights) == tuple(-share for share in money.shares(weights))

    @pytest.mark.parametrize(
        ("fen", "weights", "shares"),
        [
            (1, (70, 30), (1, 0)),
            (1, (30, 70), (0, 1)),
            (100, (1, 1, 1), (34, 33, 33)),
            (101, (1, 1, 1), (34, 34, 33)),
            (10, (1, 0), (10, 0)),
            (0, (1, 2), (0, 0)),
        ],
    )
    def test_give_the_odd_fen_to_the_largest_remainder(self, fen, weights, shares):
        assert Money(fen).shares(weights) == tuple(map(Money, shares))

    @pytest.mark.parametrize("weights", [(), (0, 0), (3, -1)])
    def test_need_a_weight(self, weights):
        with pytest.raises(ValueError, match="weights"):
            Money(1).shares(weights)


class TestComponents:
    @given(*[st.builds(Components, principal=moneys, interest=moneys, penalty=moneys)] * 2)
    def test_add_up_part_by_part(self, a, b):
        for part in Part:
            assert (a + b).of(part) == a.of(part) + b.of(part)
            assert (a - b).of(part) == a.of(part) - b.of(part)
        assert (a + b).total == a.total + b.total
        assert a.covers(b) == all(a.of(part) >= b.of(part) for part in Part)

    def test_are_true_if_any_part_is_there_even_when_they_cancel(self):
        assert Components(principal=Money(1), interest=Money(-1))
        assert not NOTHING
