"""Every order of a joint loan carries its receivers, and its record what of each line is whose.

failures.md row 88: nothing is lost or made, by whatever way the loan is paid.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import split
from chalicelib.domain.deduction import Kind, Outcome, Share, order_no_of
from chalicelib.domain.funder import FunderTerms, PenaltyTo
from chalicelib.domain.loan import TermsMovedError, UnknownTermsError
from chalicelib.domain.money import NOTHING, Components, Money, total
from chalicelib.domain.position import Position
from chalicelib.domain.split import Shares
from chalicelib.flows import deduction, posting
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import FUNDER, PRODUCT, TODAY, a_joint_loan, a_loan, a_schedule, at
from tests.fakes import World
from tests.repayments import CUT, OVERDUE_DAYS, WISHES, WITH_FEE, loan_of, repaid
from tests.unit.test_prepayment_properties import new_accounts, payments

ORDER_NO = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
SHARES = Shares(funder_bps=7_000, annual_rate=Decimal("0.18"), terms=FUNDER.terms[1])


def a_world(*outcomes: str, **changes: object) -> World:
    """Book a joint loan with an instalment five days overdue."""
    world = World()
    world.paid_to_us = frozenset([a_joint_loan().mode])
    world.funders["F1"] = FUNDER
    world.books.products[PRODUCT.code] = WITH_FEE
    world.book(a_joint_loan(overdue_days=OVERDUE_DAYS, **changes), CUT)
    world.platform.script["AG-LN1"] = list(outcomes)
    return world


def deducted(world: World, *, order_no: str = ORDER_NO) -> Outcome:
    message = DeductionMessage(order_no=order_no, listed_fen=10**9)
    return deduction.take(message=message, now=at(8), desk=world.deducting)


def received(world: World, order_no: str) -> dict[str, Money]:
    return {share.account: share.amount for share in world.platform.ordered[order_no].split}


class TestAnOrder:
    def test_of_a_round_names_what_each_account_receives(self):
        world = a_world()
        assert deducted(world) is Outcome.SUCCEEDED

        record = world.journal.results[ORDER_NO]
        [line] = record.lines
        expected = split.of(amount=line.components, shares=SHARES)
        assert line.components.penalty
        assert line.funder == expected.funder
        assert world.platform.ordered[ORDER_NO].split == (
            Share(account="funder-F1", amount=expected.funder.total),
            Share(account="platform-F1", amount=expected.platform.total),
        )

    @pytest.mark.parametrize("wish", WISHES)
    def test_of_a_borrowers_wish_does_so_too_and_the_fee_is_the_platforms(self, wish):
        world = a_world()
        order_no = repaid(world, WISHES[wish])
        record = world.journal.results[order_no]

        assert received(world, order_no) == {
            "funder-F1": record.funder.total,
            "platform-F1": (record.components - record.funder).total + record.fee,
        }
        assert sum(received(world, order_no).values(), Money(0)) == record.amount
        assert bool(record.fee) == (wish == "full")
        for line in record.lines:
            assert line.funder == split.of(amount=line.components, shares=SHARES).funder

    @pytest.mark.parametrize("wish", ["lower instalments", "fewer instalments"])
    def test_of_a_schedule_cut_anew_goes_on_adding_up(self, wish):
        world = a_world()
        repaid(world, WISHES[wish])
        repaid(world, WISHES["full"], request="r2")
        records = world.journal.results.values()

        assert not loan_of(world).unpaid_due_on
        assert total(r.components.principal for r in records) == loan_of(world).principal
        for record in records:
            assert sum(received(world, record.order_no).values(), Money(0)) == record.amount
            assert record.components.covers(record.funder)
            assert record.funder.covers(NOTHING)

    def test_leaves_out_who_receives_nothing(self):
        world = a_world(funder_share_bps=10_000)
        world.funders["F1"] = replace(FUNDER, terms={1: FunderTerms(penalty_to=PenaltyTo.FUNDER)})
        deducted(world)

        assert received(world, ORDER_NO) == {"funder-F1": world.journal.results[ORDER_NO].amount}

    def test_of_a_self_operated_loan_is_not_split(self):
        world = a_world()
        world.book(a_loan(), a_schedule())
        deducted(world)

        assert world.platform.ordered[ORDER_NO].split == ()
        assert not world.journal.results[ORDER_NO].is_split

    def test_is_not_made_where_the_funders_terms_are_lost(self):
        for lost in ({}, {"F1": replace(FUNDER, terms={1: FunderTerms()})}):
            world = a_world(funder_terms=2)
            world.funders.clear()
            world.funders.update(lost)

            with pytest.raises(UnknownTermsError):
                deducted(world)
            assert not world.platform.ordered

    def test_that_is_sent_again_is_the_same(self):
        """FakePlatform holds every repetition against the first."""
        world = a_world("timeout_before_charge")
        assert deducted(world) is Outcome.UNKNOWN
        world.funders["F1"] = replace(
            FUNDER, terms={**FUNDER.terms, 2: FunderTerms(penalty_to=PenaltyTo.PLATFORM)}
        )
        for _ in range(2):
            deducted(world)

        assert world.journal.results[ORDER_NO].is_split


class TestAnInstalmentPartlyPaid:
    def test_is_split_by_what_was_paid_of_it_before(self):
        before = Components(principal=Money(1), interest=Money(3))
        position = Position(
            instalment_no=1, principal_paid=before.principal, interest_paid=before.interest
        )
        world = a_world(position=position)
        deducted(world)

        row = CUT.instalments[0]
        [line] = world.journal.results[ORDER_NO].lines
        whole = split.of(
            amount=Components(
                principal=row.principal, interest=row.interest, penalty=line.components.penalty
            ),
            shares=SHARES,
        )
        first = split.of(amount=before, shares=SHARES)
        assert line.funder == whole.funder - first.funder


class TestTermsThatMoveUnderAnOrder:
    @pytest.mark.parametrize("terms", [FunderTerms(), FunderTerms(rate=Decimal("0.01"))])
    def test_are_seen_before_a_fen_is_posted_otherwise_than_it_was_sent(self, terms):
        world = a_world("timeout_after_charge")
        deducted(world)
        world.funders["F1"] = replace(FUNDER, terms={1: terms})

        with pytest.raises(TermsMovedError):
            deduction.ask(message=AskMessage(order_no=ORDER_NO), now=at(9), desk=world.deducting)
        assert not world.journal.results

    def test_leave_an_order_without_a_split_alone(self):
        """A slot that an earlier version wrote is posted as it was sent."""
        world = a_world("timeout_after_charge")
        deducted(world)
        loan = loan_of(world)
        world.loans.rows["LN1"] = replace(loan, slot=replace(loan.slot, split=None))
        deduction.ask(message=AskMessage(order_no=ORDER_NO), now=at(9), desk=world.deducting)

        assert not world.journal.results[ORDER_NO].is_split
        assert posting.loan_of(ORDER_NO, world.books).slot is None


# --- whatever is paid, and however ------------------------------------------------------

shares_of_all_kinds = st.builds(
    Shares,
    funder_bps=st.integers(0, 10_000),
    annual_rate=st.just(Decimal("0.12")),
    terms=st.builds(
        FunderTerms,
        rate=st.none() | st.decimals(min_value=0, max_value=1, places=4),
        penalty_to=st.sampled_from(PenaltyTo),
    ),
)


@st.composite
def joint_lives(draw):
    """Draw a joint loan after some payments, by rounds and by wishes, and a last one of all of it."""
    account = replace(draw(new_accounts()), shares=draw(shares_of_all_kinds))
    day = account.cut.terms.disbursed_on + timedelta(days=draw(st.integers(-40, 100)))
    for _ in range(draw(st.integers(1, 6))):
        account = draw(payments(account, day))
        day += timedelta(days=draw(st.sampled_from([0, 1, 15, 30]) | st.integers(0, 400)))
    return account if account.is_settled else account.after(Kind.FULL, day)


class TestALife:
    @given(joint_lives())
    def test_neither_loses_nor_makes_a_fen_between_the_two(self, account):
        for line in account.lines:
            assert line.funder.covers(NOTHING)
            assert line.components.covers(line.funder)
        parts = split.of_whole(account.lines)

        assert parts.whole == account.paid
        assert parts.whole.principal == account.loan.principal

    @given(joint_lives())
    def test_is_mirrored_payment_by_payment_where_all_of_it_is_taken_back(self, account):
        parts = split.of_whole(account.lines)
        back = [
            split.taken_back(split=split.of_whole([line]), before=NOTHING, amount=line.components)
            for line in account.lines
        ]

        assert sum((each.funder for each in back), NOTHING) == parts.negated().funder
        assert sum((each.platform for each in back), NOTHING) == parts.negated().platform
