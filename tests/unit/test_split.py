"""No fen is lost or made between the two lenders (failures.md rows 88 and 90)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import split
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.funder import Funder, FunderTerms, PenaltyTo
from chalicelib.domain.money import NOTHING, Components, Money, Part
from chalicelib.domain.position import Position
from chalicelib.domain.split import Shares, Split
from tests.builders import TODAY, a_schedule

RATE = Decimal("0.18")
EVENLY = Shares(funder_bps=7_000, annual_rate=RATE, terms=FunderTerms())

fen = st.integers(min_value=0, max_value=10**11).map(Money)
amounts = st.builds(Components, principal=fen, interest=fen, penalty=fen)
rates = st.decimals(min_value=0, max_value=1, places=6)
terms = st.builds(FunderTerms, rate=st.none() | rates, penalty_to=st.sampled_from(PenaltyTo))
shares_of_all_kinds = st.builds(
    Shares, funder_bps=st.integers(min_value=0, max_value=10_000), annual_rate=rates, terms=terms
)


def is_fair(found: Split, amount: Components) -> bool:
    """Whether the parts are the whole, and neither is negative."""
    return found.whole == amount and found.funder.covers(NOTHING) and found.platform.covers(NOTHING)


def cut(amount: Money, places: list[int]) -> list[Money]:
    """Cut an amount at some places into pieces, empty ones among them."""
    ends = sorted(place % (amount.fen + 1) for place in places)
    return [Money(b - a) for a, b in zip([0, *ends], [*ends, amount.fen], strict=True)]


places = st.lists(st.integers(min_value=0, max_value=10**12), max_size=6)


class TestRow88:
    def test_a_single_fen_over_70_and_30_goes_to_the_larger_remainder(self):
        found = split.of(amount=Components(principal=Money(1)), shares=EVENLY)

        assert (found.funder.principal, found.platform.principal) == (Money(1), Money(0))

    def test_three_ways_by_a_third_each_lose_nothing(self):
        assert Money(100).shares((1, 1, 1)) == (Money(34), Money(33), Money(33))
        assert Money(1).shares((1, 1, 1)) == (Money(1), Money(0), Money(0))
        assert Money(-200).shares((1, 1, 1)) == (Money(-67), Money(-67), Money(-66))

    def test_new_terms_with_a_funder_leave_the_loans_made_under_the_old_ones_alone(self):
        then = FunderTerms(rate=Decimal("0.09"))
        now = FunderTerms(rate=Decimal("0.12"), penalty_to=PenaltyTo.PLATFORM)
        funder = Funder(funder_id="F1", name="银行", terms={1: then, 2: now})
        amount = Components(principal=Money(700), interest=Money(100), penalty=Money(10))

        old, new = (
            split.of(amount=amount, shares=replace(EVENLY, terms=funder.terms[version]))
            for version in (1, funder.terms_version)
        )

        assert old.funder == Components(principal=Money(490), interest=Money(35), penalty=Money(7))
        assert new.funder == Components(principal=Money(490), interest=Money(47))


class TestAnAmount:
    @given(amounts, shares_of_all_kinds)
    def test_is_split_into_parts_that_add_up_and_are_never_negative(self, amount, shares):
        assert is_fair(split.of(amount=amount, shares=shares), amount)

    @given(amounts, shares_of_all_kinds)
    def test_taken_back_is_split_into_the_mirror_of_its_parts(self, amount, shares):
        back = split.of(amount=NOTHING - amount, shares=shares)

        assert back == split.of(amount=amount, shares=shares).negated()

    @given(amounts, st.integers(min_value=0, max_value=10_000))
    def test_at_the_customers_own_rate_is_shared_like_the_principal(self, amount, bps):
        own = Shares(funder_bps=bps, annual_rate=RATE, terms=FunderTerms())
        told = replace(own, terms=FunderTerms(rate=RATE))

        assert split.of(amount=amount, shares=own) == split.of(amount=amount, shares=told)

    def test_of_interest_is_the_funders_at_its_own_rate_and_the_rest_the_platforms(self):
        at_nine = replace(EVENLY, terms=FunderTerms(rate=Decimal("0.09")))
        found = split.of(amount=Components(interest=Money(1_000)), shares=at_nine)

        assert found.funder.interest == Money(350)

    def test_of_interest_is_never_more_than_the_customer_pays(self):
        dear = replace(EVENLY, terms=FunderTerms(rate=Decimal("0.36")))
        found = split.of(amount=Components(interest=Money(1_000)), shares=dear)

        assert (found.funder.interest, found.platform.interest) == (Money(1_000), Money(0))

    @pytest.mark.parametrize(
        ("to", "funders"),
        [(PenaltyTo.SHARE, 70), (PenaltyTo.PLATFORM, 0), (PenaltyTo.FUNDER, 100)],
    )
    def test_of_penalty_goes_to_whom_it_was_agreed(self, to, funders):
        shares = replace(EVENLY, terms=FunderTerms(penalty_to=to))
        found = split.of(amount=Components(penalty=Money(100)), shares=shares)

        assert found.funder.penalty == Money(funders)

    @pytest.mark.parametrize("bps", [-1, 10_001])
    def test_has_no_share_of_less_than_nothing_or_more_than_all(self, bps):
        with pytest.raises(ValueError, match="basis points"):
            replace(EVENLY, funder_bps=bps)


class TestAnInstalmentPaidInParts:
    @given(amounts, shares_of_all_kinds, places, places)
    def test_is_split_in_all_as_if_it_were_paid_at_once(self, asked, shares, cuts, other_cuts):
        asked = replace(asked, penalty=Money(0))
        principals = cut(asked.principal, cuts)
        interests = cut(asked.interest, other_cuts)
        length = max(len(principals), len(interests))
        pieces = [
            Components(
                principal=principals[i] if i < len(principals) else Money(0),
                interest=interests[i] if i < len(interests) else Money(0),
            )
            for i in range(length)
        ]
        paid, together = NOTHING, Split(funder=NOTHING, platform=NOTHING)
        for piece in pieces:
            part = split.of_line(instalment=asked, paid_before=paid, amount=piece, shares=shares)
            assert is_fair(part, piece)
            paid, together = paid + piece, together + part

        assert together == split.of(amount=asked, shares=shares)

    @given(amounts, shares_of_all_kinds, st.data())
    def test_is_mirrored_by_a_reversal_of_its_last_payment(self, asked, shares, data):
        paid_before = Components(
            principal=data.draw(st.integers(0, asked.principal.fen).map(Money)),
            interest=data.draw(st.integers(0, asked.interest.fen).map(Money)),
        )
        amount = replace(
            asked,
            principal=asked.principal - paid_before.principal,
            interest=asked.interest - paid_before.interest,
        )
        paid = split.of_line(
            instalment=asked, paid_before=paid_before, amount=amount, shares=shares
        )
        back = split.of_line(
            instalment=asked,
            paid_before=replace(paid_before + amount, penalty=Money(0)),
            amount=NOTHING - amount,
            shares=shares,
        )

        assert back == paid.negated()

    def test_has_its_penalty_split_payment_by_payment(self):
        penalty = Components(penalty=Money(1))
        parts = [
            split.of_line(instalment=NOTHING, paid_before=NOTHING, amount=penalty, shares=EVENLY)
            for _ in range(2)
        ]

        assert [part.funder.penalty for part in parts] == [Money(1), Money(1)]

    def test_is_not_taken_for_one_that_asks_less_than_is_paid(self):
        with pytest.raises(ValueError, match="is more than"):
            split.of_line(
                instalment=Components(principal=Money(1)),
                paid_before=Components(principal=Money(2)),
                amount=NOTHING,
                shares=EVENLY,
            )


class TestRow90:
    @given(amounts, shares_of_all_kinds, places)
    def test_a_payment_refunded_in_pieces_is_reversed_to_the_fen(self, amount, shares, cuts):
        paid = split.of(amount=amount, shares=shares)
        back, before = Split(funder=NOTHING, platform=NOTHING), NOTHING
        for part in Part:
            for piece in cut(amount.of(part), cuts):
                refund = Components(**{part.value: piece})
                mirrored = split.taken_back(split=paid, before=before, amount=refund)
                assert is_fair(mirrored.negated(), refund)
                back, before = back + mirrored, before + refund

        assert back == paid.negated()

    @pytest.mark.parametrize(("before", "amount"), [(2, 2), (0, 4), (-1, 1), (1, -1)])
    def test_no_more_is_refunded_than_was_paid_nor_less_than_nothing(self, before, amount):
        paid = split.of(amount=Components(principal=Money(3)), shares=EVENLY)
        with pytest.raises(ValueError, match="are not of"):
            split.taken_back(
                split=paid,
                before=Components(principal=Money(before)),
                amount=Components(principal=Money(amount)),
            )


class TestLines:
    def test_have_their_parts_by_what_is_paid_of_the_oldest_already(self):
        schedule = a_schedule()
        position = Position(instalment_no=1, principal_paid=Money(1), interest_paid=Money(2))
        left = Components(
            principal=schedule[0].principal - Money(1), interest=schedule[0].interest - Money(2)
        )
        lines = (
            InstalmentDue(instalment_no=1, due_on=TODAY, components=left),
            InstalmentDue(
                instalment_no=2,
                due_on=TODAY + timedelta(days=30),
                components=Components(principal=schedule[1].principal, penalty=Money(1)),
            ),
        )
        found = split.of_lines(lines=lines, position=position, schedule=schedule, shares=EVENLY)
        first = split.of(
            amount=Components(principal=schedule[0].principal, interest=schedule[0].interest),
            shares=EVENLY,
        )
        before = split.of(amount=Components(principal=Money(1), interest=Money(2)), shares=EVENLY)

        assert [line.components for line in found] == [line.components for line in lines]
        assert found[0].funder == first.funder - before.funder
        assert found[1].funder == split.of(amount=lines[1].components, shares=EVENLY).funder
        assert split.of_whole(found).whole == lines[0].components + lines[1].components

    def test_without_a_funders_part_are_all_the_platforms(self):
        line = InstalmentDue(
            instalment_no=1, due_on=TODAY, components=Components(principal=Money(5))
        )

        assert split.of_whole([line]) == Split(funder=NOTHING, platform=line.components)
