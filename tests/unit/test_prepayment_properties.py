"""What holds of every active repayment, whatever the loan, the day and what was paid before."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.business_calendar import WorkingDays, add_months
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import NOTHING, ZERO, Money, total
from chalicelib.domain.position import Position, unpaid_due_on
from chalicelib.domain.prepayment import Offer, Refusal, recuts_offered
from chalicelib.domain.product import (
    DayCount,
    Method,
    Product,
    Recut,
    Rounding,
    WorkingDayShift,
)
from chalicelib.domain.schedule import Terms, _period_rates, contractual_due_dates, cut, onward
from tests.accounts import Account, part, posted
from tests.builders import PRODUCT, a_loan

GOLDEN_WEEKS = WorkingDays(
    holidays=frozenset(date(year, 10, day) for year in range(2024, 2036) for day in range(1, 8))
)
AMORTISING = (Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL)
WISHES = (Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL)

rates = st.integers(0, 3600).map(lambda basis_points: Decimal(basis_points) / 10_000)
products = st.builds(
    Product,
    code=st.just("P"),
    name=st.just("P"),
    day_count=st.sampled_from(DayCount),
    rounding=st.sampled_from(Rounding),
    working_day_shift=st.sampled_from(WorkingDayShift),
    grace_days=st.integers(0, 5),
    penalty_on_interest=st.booleans(),
    partial_min=st.sampled_from([Money(1), Money(100_00)]),
    settlement_fee_rate=st.sampled_from([Decimal(0), Decimal("0.005"), Decimal("0.03")]),
)


@st.composite
def legal_terms(draw, methods, principal_min):
    disbursed_on = draw(st.dates(date(2024, 1, 1), date(2028, 12, 31)))
    first_due_on, anchor_day = draw(
        st.just((add_months(disbursed_on, 1), None))
        | st.integers(1, 95).map(lambda days: (disbursed_on + timedelta(days=days), None))
        | st.integers(29, 31).map(lambda day: (add_months(disbursed_on, 2, day), day))
    )
    return Terms(
        principal=Money(draw(st.integers(principal_min, 10**8))),
        annual_rate=draw(rates),
        method=draw(st.sampled_from(methods)),
        instalments=draw(st.integers(1, 60)),
        disbursed_on=disbursed_on,
        first_due_on=first_due_on,
        anchor_day=anchor_day,
        first_no=draw(st.just(1) | st.integers(2, 40)),
    )


@st.composite
def new_accounts(draw, methods=tuple(Method), principal_min=1):
    """Draw a loan nobody has paid on yet; one that counts on from another number is restructured."""
    terms, product = draw(legal_terms(methods, principal_min)), draw(products)
    working_days = draw(st.sampled_from([GOLDEN_WEEKS, None]))
    made = cut(terms=terms, product=product, working_days=working_days)
    position = Position(instalment_no=terms.first_no)
    loan = a_loan(
        principal=terms.principal,
        annual_rate=terms.annual_rate if terms.first_no == 1 else draw(rates),
        schedule_version=1 if terms.first_no == 1 else 3,
        position=position,
        unpaid_due_on=unpaid_due_on(position, made.instalments),
    )
    return Account(loan=loan, cut=made, product=product)


@st.composite
def accounts(draw, methods=tuple(Method)):
    """Draw a loan and a day, after any payments: of rounds, and of the borrower's wishes."""
    account = draw(new_accounts(methods))
    day = account.cut.terms.disbursed_on + timedelta(days=draw(st.integers(-40, 100)))
    for _ in range(draw(st.integers(0, 6))):
        account = draw(payments(account, day))
        day += timedelta(days=draw(st.sampled_from([0, 0, 1, 15, 30]) | st.integers(0, 400)))
    return account, day


@st.composite
def untouched(draw):
    """Draw a loan on which nothing was paid ahead, and a day.

    Of a loan of a few fen an instalment's rounding can be the whole of it.
    """
    account = draw(new_accounts(AMORTISING, principal_min=100_00))
    day = account.cut.terms.disbursed_on + timedelta(days=draw(st.integers(0, 1200)))
    return (account.after_round(day) if draw(st.booleans()) else account), day


@st.composite
def payments(draw, account, day):
    """Draw how one payment leaves the loan; what is refused leaves it as it was."""
    kind = draw(st.sampled_from([Kind.SCHEDULED, *WISHES[:3], Kind.PARTIAL, Kind.PARTIAL]))
    if kind is Kind.SCHEDULED:
        return account.after_round(day)
    wish = draw(parts(account, day)) if kind is Kind.PARTIAL else kind
    if wish is None or isinstance(account.offer(wish, day), Refusal):
        return account
    return account.after(wish, day)


@st.composite
def parts(draw, account, day, recut=None):
    """Draw a part that may be paid ahead, or None where there is none."""
    limits = account.limits(day)
    if limits.amount_min is None:
        return None
    fen = draw(st.integers(limits.amount_min.fen, limits.amount_max.fen))
    recuts = recuts_offered(account.standing(day))
    return part(Money(fen), recut or draw(st.sampled_from(recuts)))


@st.composite
def parts_ahead(draw, loans=None, recut=None):
    """Draw what lay ahead of a loan, and the offer of a part of it."""
    account, day = draw(accounts() if loans is None else loans)
    wish = draw(parts(account, day, recut))
    assume(wish is not None)
    offered = account.offer(wish, day)
    first = offered.cut_after.instalments[0].number
    ahead = tuple(row for row in account.ahead(day) if row.number >= first)
    return account, day, ahead, offered


def a_small_account(method):
    terms = Terms(
        principal=Money(6_00),
        annual_rate=Decimal("0.36"),
        method=method,
        instalments=5,
        disbursed_on=date(2026, 1, 31),
        first_due_on=date(2026, 2, 28),
    )
    product = replace(PRODUCT, partial_min=Money(1))
    loan = a_loan(principal=terms.principal, unpaid_due_on=terms.first_due_on)
    return Account(loan=loan, cut=cut(terms=terms, product=product), product=product)


class TestEveryOffer:
    @given(accounts(), st.data())
    def test_leaves_exactly_the_balance_it_promised(self, an_account, data):
        account, day = an_account
        for kind in WISHES:
            wish = data.draw(parts(account, day)) if kind is Kind.PARTIAL else kind
            offered = account.offer(wish, day) if wish else Refusal(code="")
            if isinstance(offered, Refusal):
                continue
            after = account.after(wish, day)
            assert after.outstanding == account.outstanding - offered.components.principal
            assert after.paid == account.paid + offered.components
            if offered.cut_after:
                assert (
                    total(r.principal for r in offered.cut_after.instalments) == after.outstanding
                )
                assert after.cut == offered.cut_after

    @given(accounts())
    def test_is_the_same_when_asked_again_and_posts_the_same_or_not_at_all(self, an_account):
        account, day = an_account
        for kind in (Kind.OVERDUE, Kind.INSTALMENT, Kind.FULL):
            assert account.offer(kind, day) == account.offer(kind, day)
            if isinstance(account.offer(kind, day), Offer):
                claimed = account.claimed(kind, day)
                assert posted(claimed, account) == posted(claimed, account)

    @given(accounts())
    def test_names_every_part_without_a_negative(self, an_account):
        account, day = an_account
        assume(not account.is_settled)
        offered = account.full(day)
        for line in offered.paid.lines:
            assert line.components.covers(NOTHING)
        assert offered.fee >= ZERO


class TestASettlement:
    @given(accounts(), st.integers(0, 2000))
    def test_leaves_nothing_then_and_ever_after(self, an_account, days):
        account, day = an_account
        assume(not account.is_settled)
        after, later = account.after(Kind.FULL, day), day + timedelta(days=days)
        assert after.is_settled
        assert after.outstanding == ZERO
        assert after.owed(later).is_nothing
        assert {after.offer(kind, later) for kind in WISHES} == {Refusal(code="settled")}

    @given(accounts())
    def test_costs_the_same_after_what_is_overdue_or_due_is_paid_that_day(self, an_account):
        account, day = an_account
        for first in (Kind.OVERDUE, Kind.INSTALMENT):
            if isinstance(account.offer(first, day), Refusal):
                continue
            full, due_first = account.after(Kind.FULL, day), account.after(first, day)
            if not due_first.is_settled:
                due_first = due_first.after(Kind.FULL, day)
            assert (due_first.paid, due_first.fees) == (full.paid, full.fees)

    @given(accounts())
    def test_never_costs_more_than_the_schedule_but_for_its_fee(self, an_account):
        account, day = an_account
        assume(not account.is_settled)
        later = interest_of(account.ahead(day))
        assert account.full(day).amount <= (
            account.full(day).due.amount + account.outstanding + later + account.full(day).fee
        )


class TestEverySequenceOfPayments:
    @given(accounts())
    def test_keeps_the_principal_to_the_fen(self, an_account):
        account, _ = an_account
        assert account.paid.principal + account.outstanding == account.loan.principal

    @given(accounts())
    def test_ends_settled_if_and_only_if_the_principal_is_paid(self, an_account):
        account, day = an_account
        if account.is_settled:
            assert account.outstanding == ZERO
        else:
            assert account.full(day).amount > ZERO

    @given(accounts())
    def test_keeps_the_due_dates_of_the_first_schedule(self, an_account):
        account, _ = an_account
        later = [row.due_on for row in account.cut.instalments]
        assert sorted(set(later)) == later


class TestAPartAhead:
    @given(parts_ahead())
    def test_is_charged_at_the_interest_of_a_settlement_and_to_the_fen(self, case):
        account, day, _, offered = case
        full = account.full(day)
        assert account.limits(day).amount_min <= offered.amount <= account.limits(day).amount_max
        assert offered.due == full.due
        assert offered.ahead.components.interest == full.ahead.components.interest
        assert offered.fee == ZERO

    @given(parts_ahead())
    def test_never_raises_the_interest(self, case):
        *_, ahead, offered = case
        paid_now = offered.ahead.components.interest
        assert paid_now + interest_of(offered.cut_after.instalments) <= interest_of(ahead)

    @given(parts_ahead())
    def test_gives_no_interest_away_but_a_fen_an_instalment(self, case):
        account, _, _, offered = case
        terms, rows = offered.cut_after.terms, offered.cut_after.instalments
        balance, earned = terms.principal, ZERO
        for row, rate in zip(rows, _period_rates(terms, account.product.day_count), strict=True):
            earned += balance.times(rate, rounding=account.product.rounding.mode)
            balance -= row.principal
        assert interest_of(rows) <= earned <= interest_of(rows) + Money(len(rows))

    @given(parts_ahead())
    def test_cuts_what_is_left_of_the_principal_and_nothing_is_negative(self, case):
        *_, ahead, offered = case
        rows = offered.cut_after.instalments
        left = total(row.principal for row in ahead) - offered.ahead.components.principal
        assert total(row.principal for row in rows) == left == offered.cut_after.terms.principal
        assert all(row.principal >= ZERO and row.interest >= ZERO for row in rows)

    @given(parts_ahead())
    def test_keeps_the_numbers_and_the_due_dates_that_were_left(self, case):
        *_, ahead, offered = case
        rows = offered.cut_after.instalments
        kept = [(row.number, row.due_on) for row in ahead[: len(rows)]]
        assert [(row.number, row.due_on) for row in rows] == kept
        assert len(contractual_due_dates(offered.cut_after.terms)) == len(rows)

    @pytest.mark.parametrize("recut", Recut)
    @pytest.mark.parametrize("method", Method)
    def test_is_sound_at_every_amount_of_a_small_loan(self, method, recut):
        account, day = a_small_account(method), date(2026, 3, 11)
        limits, ahead = account.limits(day), account.ahead(day)
        for fen in range(limits.amount_min.fen, limits.amount_max.fen + 1):
            offered = account.offer(part(Money(fen), recut), day)
            if recut not in recuts_offered(account.standing(day)):
                assert offered == Refusal(code="recut_not_offered")
                continue
            parts, rows = offered.ahead.components, offered.cut_after.instalments
            left = total(row.principal for row in ahead) - parts.principal
            assert total(row.principal for row in rows) == left
            assert all(row.principal >= ZERO and row.interest >= ZERO for row in rows)
            assert parts.interest + interest_of(rows) <= interest_of(ahead)
            assert [row.number for row in rows] == [row.number for row in ahead[: len(rows)]]


class TestAReducedInstalment:
    """In proportion, so equal instalments are less; each is rounded, and the last takes the rest."""

    @given(parts_ahead(recut=Recut.REDUCE_INSTALMENT))
    def test_keeps_their_number_and_none_is_larger_but_for_the_fen_of_rounding(self, case):
        *_, ahead, offered = case
        rows = offered.cut_after.instalments
        largest = max(row.total for row in ahead)
        assert len(rows) == len(ahead)
        assert max((row.total for row in rows[:-1]), default=ZERO) <= largest + Money(1)
        assert rows[-1].total <= largest + Money(len(rows))


class TestAShortenedTerm:
    """It asks what it asked, with less interest in it: so each balance is less than it was."""

    shortened = parts_ahead(accounts(AMORTISING), Recut.SHORTEN_TERM)
    never_cut_before = parts_ahead(untouched(), Recut.SHORTEN_TERM)

    @given(shortened)
    def test_has_no_more_instalments_and_none_is_larger_than_the_largest_was(self, case):
        *_, ahead, offered = case
        rows = offered.cut_after.instalments
        assert len(rows) <= len(ahead)
        assert max(row.total for row in rows) <= max(row.total for row in ahead)

    @given(never_cut_before)
    def test_asks_no_more_in_any_instalment_of_a_loan_never_cut_before(self, case):
        *_, ahead, offered = case
        for row, before in zip(offered.cut_after.instalments, ahead, strict=False):
            assert row.total <= before.total
            assert row.interest <= before.interest


class TestInterestToTheDay:
    @given(new_accounts(), st.data())
    def test_rises_with_the_days_of_the_period_and_ends_at_the_scheduled(self, account, data):
        terms = account.cut.terms
        index = data.draw(st.integers(0, len(account.cut.instalments) - 1))
        row, end = account.cut.instalments[index], contractual_due_dates(terms)[index]
        assume(row.total)
        begin = onward(terms, row.number).disbursed_on
        reached = replace(account.loan, position=Position(instalment_no=row.number))
        there = replace(account, loan=reached)
        days = sorted(data.draw(st.lists(st.dates(begin, end), min_size=2, max_size=6)))
        paid = [interest_on(there, row, day) for day in days]
        assert paid == sorted(paid)
        assert max(paid) <= row.interest
        assert interest_on(there, row, end) == row.interest


def interest_of(rows):
    return total(row.interest for row in rows)


def interest_on(account, row, day):
    """Return the interest of one instalment that settling on a day costs."""
    lines = account.full(day).paid.lines
    return total(line.components.interest for line in lines if line.instalment_no == row.number)
