"""What holds of every active repayment, whatever the loan, the day and what was paid before."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chalicelib.domain.business_calendar import WorkingDays, add_months
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.position import START, Position, outstanding_principal, unpaid_due_on
from chalicelib.domain.prepayment import Offer, Refusal, recuts_offered
from chalicelib.domain.product import (
    DayCount,
    Method,
    Prepayment,
    Product,
    Recut,
    Rounding,
    WorkingDayShift,
)
from chalicelib.domain.schedule import Terms, _period_rates, contractual_due_dates, cut, onward
from tests.accounts import Account, part, posted
from tests.builders import a_loan
settings.register_profile("hunt",deadline=None,max_examples=2500,suppress_health_check=list(HealthCheck));settings.load_profile("hunt")

GOLDEN_WEEKS = WorkingDays(
    holidays=frozenset(date(year, 10, day) for year in range(2024, 2036) for day in range(1, 8))
)
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
def legal_terms(draw, methods=tuple(Method), instalments_max=60, principal_max=10**8):
    disbursed_on = draw(st.dates(date(2024, 1, 1), date(2028, 12, 31)))
    first_due_on, anchor_day = draw(
        st.just((add_months(disbursed_on, 1), None))
        | st.integers(1, 95).map(lambda days: (disbursed_on + timedelta(days=days), None))
        | st.integers(29, 31).map(lambda day: (add_months(disbursed_on, 2, day), day))
    )
    return Terms(
        principal=Money(draw(st.integers(1, principal_max))),
        annual_rate=draw(rates),
        method=draw(st.sampled_from(methods)),
        instalments=draw(st.integers(1, instalments_max)),
        disbursed_on=disbursed_on,
        first_due_on=first_due_on,
        anchor_day=anchor_day,
        first_no=draw(st.just(1) | st.integers(2, 40)),
    )


@st.composite
def new_accounts(draw, **of_terms):
    """Draw a loan nobody has paid on yet; one that counts on from another number is restructured."""
    terms, product = draw(legal_terms(**of_terms)), draw(products)
    made = cut(terms=terms, product=product, working_days=draw(st.sampled_from([GOLDEN_WEEKS, None])))
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
def accounts(draw, **of_terms):
    """Draw a loan and a day, after any payments: of rounds, and of the borrower's wishes."""
    account = draw(new_accounts(**of_terms))
    day = account.cut.terms.disbursed_on + timedelta(days=draw(st.integers(-40, 100)))
    for _ in range(draw(st.integers(0, 6))):
        account = draw(payments(account, day))
        day += timedelta(days=draw(st.sampled_from([0, 0, 1, 15, 30]) | st.integers(0, 400)))
    return account, day


@st.composite
def untouched(draw, methods=(Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL)):
    """Draw a loan on which nothing was paid ahead, and a day."""
    account = draw(new_accounts(methods=methods))
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
def parts(draw, account, day):
    """Draw a part that may be paid ahead, or None where there is none."""
    limits = account.limits(day)
    if limits.amount_min is None:
        return None
    fen = draw(st.integers(limits.amount_min.fen, limits.amount_max.fen))
    return part(Money(fen), draw(st.sampled_from(recuts_offered(account.standing(day)))))


@st.composite
def parts_ahead(draw, **of_terms):
    """Draw a loan, a day and a part that may be paid ahead on it."""
    account, day = draw(accounts(**of_terms))
    wish = draw(parts(account, day))
    assume(wish is not None)
    return account, day, wish


def interest_of(rows):
    return total(row.interest for row in rows)


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
                assert total(r.principal for r in offered.cut_after.instalments) == after.outstanding
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
        if account.is_settled:
            return
        offered = account.full(day)
        for line in offered.paid.lines:
            parts = line.components
            assert min(parts.principal, parts.interest, parts.penalty) >= ZERO
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
    def test_never_raises_the_interest(self, case):
        account, day, wish = case
        offered = account.offer(wish, day)
        paid = offered.ahead.components.interest
        assert paid + interest_of(offered.cut_after.instalments) <= interest_of(account.ahead(day))

    @given(parts_ahead())
    def test_cuts_the_new_principal_into_sound_instalments(self, case):
        account, day, wish = case
        before, offered = account.ahead(day), account.offer(wish, day)
        rows = offered.cut_after.instalments
        ahead = total(row.principal for row in before)
        assert total(row.principal for row in rows) == ahead - offered.ahead.components.principal
        assert all(row.principal >= ZERO and row.interest >= ZERO for row in rows)

    @given(parts_ahead())
    def test_keeps_numbers_and_due_dates(self, case):
        account, day, wish = case
        before, offered = account.ahead(day), account.offer(wish, day)
        rows = offered.cut_after.instalments
        dates = [(row.number, row.due_on) for row in before if row.number >= rows[0].number]
        assert [(row.number, row.due_on) for row in rows] == dates[: len(rows)]
        if wish.recut is Recut.REDUCE_INSTALMENT:
            assert len(rows) == len(dates)

    @given(parts_ahead())
    def test_of_exactly_its_amount_is_charged(self, case):
        account, day, wish = case
        offered = account.offer(wish, day)
        assert offered.amount == wish.amount
        assert offered.due == account.full(day).due
        assert offered.ahead.components.interest == (
            account.full(day).ahead.components.interest
        )


class TestAShortenedTerm:
    @given(untouched(), st.data())
    def test_asks_no_more_instalment_by_instalment(self, an_account, data):
        account, day = an_account
        before, rows = shortened(account, day, data)
        for row, row_before in zip(rows, before, strict=False):
            assert row.total <= row_before.total
            assert row.interest <= row_before.interest
    @given(accounts(methods=(Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL)), st.data())
    def test_x(self, an_account, data):
        account, day = an_account
        before, rows = shortened(account, day, data)
        assert max(row.total for row in rows) <= max(row.total for row in before)
        assert len(rows) <= len(before)


class TestAReducedInstalment:
    @given(accounts(), st.data())
    def test_x(self, an_account, data):
        account, day = an_account
        before, rows = reduced(account, day, data)
        assert max((row.total.fen for row in rows[:-1]), default=0) <= max(row.total.fen for row in before) + 1

    @given(accounts(), st.data())
    def test_l(self, an_account, data):
        account, day = an_account
        before, rows = reduced(account, day, data)
        assert rows[-1].total.fen <= max(row.total.fen for row in before) + len(rows)

    @given(parts_ahead())
    def test_give(self, case):
        account, day, wish = case
        made = account.offer(wish, day).cut_after
        balance, fair = made.terms.principal, 0
        for row, rate in zip(made.instalments, _period_rates(made.terms, account.product.day_count), strict=True):
            fair += balance.times(rate, rounding=account.product.rounding.mode).fen
            balance -= row.principal
        assert fair - interest_of(made.instalments).fen <= len(made.instalments)

def shortened(account, day, data):
    wish = data.draw(parts(account, day))
    assume(wish is not None)
    wish = replace(wish, recut=Recut.SHORTEN_TERM)
    rows = account.offer(wish, day).cut_after.instalments
    return [r for r in account.ahead(day) if r.number>=rows[0].number], rows
def reduced(account, day, data):
    wish = data.draw(parts(account, day))
    assume(wish is not None)
    wish = replace(wish, recut=Recut.REDUCE_INSTALMENT)
    rows = account.offer(wish, day).cut_after.instalments
    return [r for r in account.ahead(day) if r.number>=rows[0].number], rows


class TestInterestToTheDay:
    @given(new_accounts(), st.data())
    def test_rises_with_the_days_of_the_period_and_ends_at_the_scheduled(self, account, data):
        terms = account.cut.terms
        index = data.draw(st.integers(0, len(account.cut.instalments) - 1))
        row = account.cut.instalments[index]
        assume(row.total)
        begin, end = onward(terms, row.number).disbursed_on, contractual_due_dates(terms)[index]
        at_it = replace(account, loan=replace(account.loan, position=Position(instalment_no=row.number)))
        days = sorted(data.draw(st.lists(st.dates(begin, end), min_size=2, max_size=6)))
        paid = [interest_on(at_it, row, day) for day in days]
        assert paid == sorted(paid)
        assert max(paid) <= row.interest
        assert interest_on(at_it, row, end) == row.interest


def interest_on(account, row, day):
    """Return the interest of one instalment that settling on a day costs."""
    lines = account.full(day).paid.lines
    return total(line.components.interest for line in lines if line.instalment_no == row.number)
