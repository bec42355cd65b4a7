"""The funder's own arithmetic, against numbers worked out by hand and those of the rules."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import funder_standing
from simulators.funder_recut import REDUCE, SHORTEN
from simulators.funder_schedule import Contract, ProductTerms, schedule, us_days
from simulators.funder_split import Parts, Sharing, SplitTerms

YUAN_12000 = Contract(
    principal_fen=12_000_00,
    annual_rate=Fraction(12, 100),
    method="equal_principal",
    months=3,
    disbursed_on=date(2026, 1, 15),
    first_due_on=date(2026, 2, 15),
)
MARCH_20 = date(2026, 3, 20)


def amounts(contract):
    return [(row.principal_fen, row.interest_fen) for row in schedule(contract)]


def due_days(contract):
    return [f"{row.due_on:%y-%m-%d}" for row in schedule(contract)]


class TestSchedule:
    @pytest.mark.parametrize(
        ("method", "rows"),
        [
            ("equal_instalment", [(3960_27, 120_00), (3999_87, 80_40), (4039_86, 40_40)]),
            ("equal_principal", [(4000_00, 120_00), (4000_00, 80_00), (4000_00, 40_00)]),
            ("interest_first", [(0, 120_00), (0, 120_00), (12_000_00, 120_00)]),
            ("bullet", [(12_000_00, 360_00)]),
        ],
    )
    def test_of_every_method_is_that_of_the_rules(self, method, rows):
        assert amounts(replace(YUAN_12000, method=method)) == rows

    def test_at_no_rate_asks_principal_alone(self):
        free = replace(YUAN_12000, method="equal_instalment", annual_rate=Fraction(0))

        assert amounts(free) == [(4000_00, 0)] * 3

    def test_charges_a_broken_first_period_by_its_days(self):
        broken = replace(YUAN_12000, method="equal_instalment", first_due_on=date(2026, 3, 1))

        assert amounts(broken) == [(3917_81, 184_00), (4020_99, 80_82), (4061_20, 40_61)]

    @pytest.mark.parametrize(
        ("day_count", "interest"),
        [("ACT/360", [124_00, 112_00, 124_00]), ("ACT/365", [122_30, 110_47, 122_30])],
    )
    def test_counts_the_calendars_days_where_the_product_does(self, day_count, interest):
        product = ProductTerms(day_count=day_count)
        contract = replace(YUAN_12000, method="interest_first", product=product)

        assert [row.interest_fen for row in schedule(contract)] == interest

    def test_comes_back_to_the_31st(self):
        contract = replace(
            YUAN_12000, months=5, disbursed_on=date(2027, 11, 30), first_due_on=date(2027, 12, 31)
        )

        assert due_days(contract) == ["27-12-31", "28-01-31", "28-02-29", "28-03-31", "28-04-30"]

    def test_takes_the_disbursements_day_if_the_first_period_is_a_month(self):
        contract = replace(
            YUAN_12000, disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28)
        )

        assert due_days(contract) == ["26-02-28", "26-03-31", "26-04-30"]

    @pytest.mark.parametrize(
        ("start", "end", "days"),
        [
            (date(2026, 1, 10), date(2026, 2, 28), 48),
            (date(2026, 2, 28), date(2026, 3, 31), 30),
            (date(2028, 2, 29), date(2029, 2, 28), 360),
            (date(2026, 1, 30), date(2026, 3, 31), 60),
            (date(2026, 1, 29), date(2026, 3, 31), 62),
        ],
    )
    def test_counts_30_360_after_the_us_rule(self, start, end, days):
        assert us_days(start, end) == days

    def test_rounds_half_a_fen_as_the_product_says(self):
        half = ProductTerms(rounding="HALF_EVEN")

        assert [ProductTerms().round(Fraction(n, 2)) for n in (1, 3, 5)] == [1, 2, 3]
        assert [half.round(Fraction(n, 2)) for n in (1, 3, 5)] == [0, 2, 2]


def standing_of(contract, *payments):
    """Pay amounts on dates, each whole as it is allocated."""
    standing = funder_standing.at_start(contract)
    for as_of, amount_fen, *recut in payments:
        lines = funder_standing.allocated(standing, contract, as_of, amount_fen)
        standing = funder_standing.after(standing, contract, as_of, lines, *recut or [REDUCE])
    return standing


def owed_of(contract, as_of, *payments):
    standing = standing_of(contract, *payments)
    return [(line.number, *line.parts) for line in funder_standing.owed(standing, contract, as_of)]


class TestPenalty:
    def one_thousand(self, rate, **product):
        contract = Contract(
            principal_fen=1000_00,
            annual_rate=rate,
            method="bullet",
            months=1,
            disbursed_on=date(2026, 1, 28),
            first_due_on=date(2026, 2, 28),
            product=ProductTerms(**product),
        )
        return lambda as_of: owed_of(contract, as_of)[0][-1]

    def test_is_simple_by_days_over_360(self):
        assert self.one_thousand(Fraction(12, 100))(date(2026, 3, 10)) == 5_00

    def test_never_costs_more_than_the_cap(self):
        assert self.one_thousand(Fraction(18, 100))(date(2026, 3, 10)) == 6_67

    def test_of_grace_days_counts_from_the_due_date_after_them(self):
        penalty = self.one_thousand(Fraction(12, 100), grace_days=3)

        assert [penalty(date(2026, 3, day)) for day in (2, 3, 4)] == [0, 0, 2_00]

    def test_is_owed_of_each_instalment_apart(self):
        assert owed_of(YUAN_12000, MARCH_20) == [
            (1, 4000_00, 120_00, 66_00),
            (2, 4000_00, 80_00, 10_00),
        ]

    def test_left_unpaid_past_90_days_is_carried_and_earns_nothing(self):
        on_day_91 = date(2026, 5, 17)

        assert owed_of(YUAN_12000, date(2026, 12, 31), (on_day_91, 4150_00))[0] == (1, 0, 0, 152_00)


class TestPayments:
    def test_pay_the_oldest_first(self):
        assert owed_of(YUAN_12000, MARCH_20, (MARCH_20, 4200_00)) == [(2, 4000_00, 76_00, 0)]

    def test_in_two_parts_are_as_one(self):
        at_once = standing_of(YUAN_12000, (MARCH_20, 4200_00))
        in_parts = standing_of(YUAN_12000, (MARCH_20, 4000_00), (MARCH_20, 200_00))

        assert owed_of(YUAN_12000, MARCH_20, (MARCH_20, 4000_00), (MARCH_20, 200_00)) == owed_of(
            YUAN_12000, MARCH_20, (MARCH_20, 4200_00)
        )
        assert at_once == in_parts

    @pytest.mark.parametrize(
        ("recut", "rows"),
        [
            (
                REDUCE,
                [
                    (1653_12, 66_67),
                    (1636_32, 83_47),
                    (1652_68, 67_11),
                    (1669_21, 50_58),
                    (1685_90, 33_89),
                    (1702_77, 17_03),
                ],
            ),
            (
                SHORTEN,
                [
                    (2003_91, 66_67),
                    (1990_62, 79_96),
                    (2010_53, 60_05),
                    (2030_63, 39_95),
                    (1964_31, 19_64),
                ],
            ),
        ],
    )
    def test_ahead_cut_the_rest_again(self, recut, rows):
        six = replace(YUAN_12000, method="equal_instalment", months=6)

        standing = standing_of(six, (date(2026, 1, 25), 2040_00, recut))

        assert [(one.row.principal_fen, one.row.interest_fen) for one in standing] == rows

    def test_of_all_leave_nothing(self):
        six = replace(YUAN_12000, method="equal_instalment", months=6)
        payoff = funder_standing.prospect(standing_of(six), six, MARCH_20).payoff_fen

        assert payoff == 12_351_86 - 80_79
        assert funder_standing.still_open(standing_of(six, (MARCH_20, payoff))) == ()

    def test_of_more_than_all_are_refused(self):
        payoff = funder_standing.prospect(standing_of(YUAN_12000), YUAN_12000, MARCH_20).payoff_fen

        assert (
            funder_standing.allocated(standing_of(YUAN_12000), YUAN_12000, MARCH_20, payoff + 1)
            is None
        )


SEVEN_TENTHS = Sharing(share_bps=7_000, annual_rate=Fraction(12, 100))
AT_EIGHT_AND_A_HALF = replace(SEVEN_TENTHS, terms=SplitTerms(rate=Fraction("0.085")))

rates = st.integers(0, 3600).map(lambda n: Fraction(n, 10_000))
sharings = st.builds(
    Sharing,
    share_bps=st.integers(0, 10_000),
    annual_rate=rates,
    terms=st.builds(
        SplitTerms,
        rate=st.none() | rates,
        penalty_to=st.sampled_from(["share", "platform", "funder"]),
    ),
)
fens = st.integers(0, 10_000_00)
parts = st.builds(Parts, fens, fens, fens)


class TestSplit:
    def test_gives_the_odd_fen_to_the_larger_remainder(self):
        assert SEVEN_TENTHS.funders(Parts(), Parts(1, 1, 1)) == (1, 1, 1)
        assert replace(SEVEN_TENTHS, share_bps=3_000).funders(Parts(), Parts(1, 1, 1)) == (0, 0, 0)

    def test_gives_it_to_the_funder_at_a_tie(self):
        assert replace(SEVEN_TENTHS, share_bps=5_000).funders(Parts(), Parts(1)) == (1, 0, 0)

    def test_pays_the_funder_its_own_rate_on_its_own_principal(self):
        # 70 % of the principal at 8.5 % of the customer's 12 %: 119 parts of 240
        assert AT_EIGHT_AND_A_HALF.funders(Parts(), Parts(4000_00, 120_00, 66_00)) == (
            2800_00,
            59_50,
            46_20,
        )
        assert AT_EIGHT_AND_A_HALF.funders(Parts(), Parts(4000_00, 80_00, 10_00)) == (
            2800_00,
            39_67,
            7_00,
        )

    def test_never_pays_the_funder_more_interest_than_there_is(self):
        dear = replace(SEVEN_TENTHS, terms=SplitTerms(rate=Fraction(24, 100)))

        assert dear.funders(Parts(), Parts(0, 120_00)).interest == 120_00

    @pytest.mark.parametrize(("to", "fen"), [("share", 70), ("platform", 0), ("funder", 1_00)])
    def test_gives_penalty_to_whom_it_was_agreed(self, to, fen):
        sharing = replace(SEVEN_TENTHS, terms=SplitTerms(penalty_to=to))

        assert sharing.funders(Parts(), Parts(0, 0, 1_00)).penalty == fen

    @given(sharings, parts)
    def test_is_the_rule_to_half_a_fen(self, sharing, amount):
        """What the rule says exactly lies half a fen away at most; at a half the funder has it."""
        share = Fraction(sharing.share_bps, 10_000)
        earns = share
        if sharing.terms.rate is not None and sharing.annual_rate:
            earns = min(share * sharing.terms.rate / sharing.annual_rate, 1)
        penalty = {"share": share, "platform": 0, "funder": 1}[sharing.terms.penalty_to]
        exact = (
            amount.principal * share,
            amount.interest * earns,
            amount.penalty * penalty,
        )
        for fen, wanted in zip(sharing.funders(Parts(), amount), exact, strict=True):
            assert -Fraction(1, 2) < fen - wanted <= Fraction(1, 2)

    @given(sharings, parts, st.lists(parts, max_size=5))
    def test_of_all_payments_is_that_of_their_sum(self, sharing, first, others):
        paid, funders = Parts(), Parts()
        for amount in (first, *others):
            share = sharing.funders(paid, amount)
            assert all(0 <= part <= whole for part, whole in zip(share, amount, strict=True))
            paid, funders = paid.plus(amount), funders.plus(share)

        at_once = sharing.funders(Parts(), paid)
        assert funders[:2] == at_once[:2]

    @given(sharings, parts, parts)
    def test_of_what_is_taken_back_is_the_mirror(self, sharing, before, amount):
        taken = sharing.funders(before, amount)

        back = sharing.funders(before.plus(amount), Parts().less(amount))

        assert taken.plus(back) == Parts()
