from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.allocation import (
    MisallocatedError,
    Paid,
    allocate,
    order_at,
    position_after,
)
from chalicelib.domain.due import owed
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, Part, total
from chalicelib.domain.position import START, Position, is_settled, outstanding_principal
from chalicelib.domain.product import Method, Product
from chalicelib.domain.schedule import Terms, make

RATE = Decimal("0.12")
DISBURSED_ON = date(2026, 1, 10)
PRODUCT = Product(code="P1", name="消费贷")


def schedule_of(*, method=Method.EQUAL_PRINCIPAL, instalments=3, fen=3_000_00, rate=RATE):
    terms = Terms(
        principal=Money(fen),
        annual_rate=rate,
        method=method,
        instalments=instalments,
        disbursed_on=DISBURSED_ON,
        first_due_on=date(2026, 2, 10),
    )
    return make(terms=terms, product=PRODUCT)


SCHEDULE = schedule_of()


class Account:
    """A loan that is paid: what the flows do, without a store."""

    def __init__(self, product=PRODUCT, schedule=SCHEDULE, position=START, rate=RATE):
        self.product = product
        self.schedule = schedule
        self.position = position
        self.rate = rate

    def owed(self, as_of):
        return owed(
            position=self.position,
            schedule=self.schedule,
            product=self.product,
            annual_rate=self.rate,
            as_of=as_of,
        )

    def pay(self, amount, as_of):
        due = self.owed(as_of)
        paid = allocate(amount=amount, due=due, product=self.product)
        self.position = position_after(
            position=self.position, schedule=self.schedule, due=due, paid=paid
        )
        return paid

    def but(self):
        return Account(self.product, self.schedule, self.position, self.rate)


@st.composite
def accounts(draw):
    """Build a loan of any method and product, perhaps after earlier part payments."""
    product = Product(
        code="P",
        name="P",
        grace_days=draw(st.integers(0, 5)),
        penalty_on_interest=draw(st.booleans()),
        accruing_order=tuple(draw(st.permutations(tuple(Part)))),
    )
    rate = draw(st.sampled_from([Decimal(0), Decimal("0.12"), Decimal("0.24")]))
    schedule = schedule_of(
        method=draw(st.sampled_from(Method)),
        instalments=draw(st.integers(1, 6)),
        fen=draw(st.integers(1, 100_000_00)),
        rate=rate,
    )
    account = Account(product, schedule, START, rate)
    as_of = date(2026, 2, 8)
    for _ in range(draw(st.integers(0, 3))):
        as_of += timedelta(days=draw(st.integers(0, 60)))
        account.pay(_part_of(draw, account.owed(as_of).amount), as_of)
    return account, as_of + timedelta(days=draw(st.integers(0, 120)))


def _part_of(draw, amount):
    return Money(draw(st.integers(0, amount.fen)))


amounts = st.integers(0, 120_000_00).map(Money)


class TestAllocation:
    @given(accounts(), amounts)
    def test_sums_to_the_payment(self, an_account, amount):
        account, as_of = an_account
        paid = allocate(amount=amount, due=account.owed(as_of), product=account.product)
        assert paid.components.total + paid.rest == amount
        assert total(line.components.total for line in paid.lines) == paid.components.total

    @given(accounts(), amounts)
    def test_never_pays_more_than_is_due_of_any_part(self, an_account, amount):
        account, as_of = an_account
        due = account.owed(as_of)
        owed_by_no = {line.instalment_no: line.components for line in due.lines}
        paid = allocate(amount=amount, due=due, product=account.product)
        for line in paid.lines:
            assert owed_by_no[line.instalment_no].covers(line.components)
            assert line.components.covers(NOTHING)
        assert paid.rest == max(amount - due.amount, ZERO)

    @given(accounts(), amounts)
    def test_pays_a_later_instalment_only_once_the_earlier_are_paid(self, an_account, amount):
        account, as_of = an_account
        due = account.owed(as_of)
        paid = allocate(amount=amount, due=due, product=account.product)
        whole = [line for line in due.lines if line in paid.lines]
        assert whole == list(due.lines[: len(whole)])
        assert len(paid.lines) - len(whole) in (0, 1)

    @pytest.mark.parametrize(
        ("fen", "components"),
        [
            (10_00, Components(penalty=Money(10_00))),
            (40_00, Components(penalty=Money(14_00), interest=Money(26_00))),
            (50_00, Components(penalty=Money(14_00), interest=Money(30_00), principal=Money(6_00))),
        ],
    )
    def test_of_an_accruing_loan_pays_penalty_interest_principal(self, fen, components):
        paid = Account().pay(Money(fen), date(2026, 3, 10))
        assert paid.components == components
        assert [line.instalment_no for line in paid.lines] == [1]

    @pytest.mark.parametrize(
        ("fen", "components"),
        [
            (999_00, Components(principal=Money(999_00))),
            (1_010_00, Components(principal=Money(1_000_00), interest=Money(10_00))),
            (
                1_040_00,
                Components(principal=Money(1_000_00), interest=Money(30_00), penalty=Money(10_00)),
            ),
        ],
    )
    def test_of_a_non_accruing_loan_pays_principal_interest_penalty(self, fen, components):
        paid = Account().pay(Money(fen), date(2026, 2, 10) + timedelta(days=91))
        assert paid.components == components

    def test_changes_its_order_between_dpd_90_and_91(self):
        assert order_at(90, PRODUCT) == (Part.PENALTY, Part.INTEREST, Part.PRINCIPAL)
        assert order_at(91, PRODUCT) == (Part.PRINCIPAL, Part.INTEREST, Part.PENALTY)

    def test_follows_the_order_of_the_product_not_of_the_code(self):
        order = (Part.INTEREST, Part.PRINCIPAL, Part.PENALTY)
        account = Account(replace(PRODUCT, accruing_order=order))
        assert account.pay(Money(10_00), date(2026, 3, 10)).components.interest == Money(10_00)

    def test_is_accruing_again_for_what_reaches_a_younger_instalment(self):
        """Once the instalment 91 days past due is paid, the loan is 63 days past due."""
        as_of = date(2026, 2, 10) + timedelta(days=91)
        account = Account()
        oldest = account.owed(as_of).lines[0].components
        paid = account.pay(oldest.total + Money(5_00), as_of)
        assert paid.lines[1].components == Components(penalty=Money(5_00))

    def test_refuses_a_negative_payment(self):
        with pytest.raises(ValueError, match="not negative"):
            Account().pay(Money(-1), date(2026, 3, 10))


class TestPositionAfter:
    @given(accounts())
    def test_paying_the_whole_due_leaves_nothing_owed(self, an_account):
        account, as_of = an_account
        paid = account.pay(account.owed(as_of).amount, as_of)
        assert paid.rest == ZERO
        assert account.owed(as_of).is_nothing

    @given(accounts(), st.data())
    def test_paying_in_two_parts_on_a_day_equals_paying_once(self, an_account, data):
        account, as_of = an_account
        amount = _part_of(data.draw, account.owed(as_of).amount)
        first = _part_of(data.draw, amount)
        in_two, at_once = account.but(), account.but()
        paid_in_two = (
            in_two.pay(first, as_of).components + in_two.pay(amount - first, as_of).components
        )
        assert paid_in_two == at_once.pay(amount, as_of).components
        assert in_two.position == at_once.position

    @given(accounts(), amounts)
    def test_lowers_what_is_owed_by_what_is_paid(self, an_account, amount):
        account, as_of = an_account
        before, principal = (
            account.owed(as_of),
            outstanding_principal(account.position, account.schedule),
        )
        paid = account.pay(amount, as_of)
        assert account.owed(as_of).components == before.components - paid.components
        left = outstanding_principal(account.position, account.schedule)
        assert left == principal - paid.components.principal

    @given(accounts())
    def test_settles_the_loan_after_the_last_payment(self, an_account):
        account, _ = an_account
        end = date(2030, 1, 1)
        account.pay(account.owed(end).amount, end)
        assert is_settled(account.position, account.schedule)
        assert account.position == Position(instalment_no=account.schedule[-1].number + 1)

    @given(accounts(), amounts)
    def test_costs_no_more_penalty_the_day_after_than_not_paying(self, an_account, amount):
        account, as_of = an_account
        day_after = as_of + timedelta(days=1)
        paying = account.but()
        paid = paying.pay(amount, as_of).components.penalty
        left = paying.owed(day_after).components.penalty
        rounding = Money(len(account.schedule))
        assert paid + left <= account.owed(day_after).components.penalty + rounding

    def test_carries_the_penalty_not_paid(self):
        account = Account()
        account.pay(Money(4_00), date(2026, 3, 10))
        assert account.position == Position(
            penalty_carried=Money(10_00), penalty_from=date(2026, 3, 10)
        )

    def test_counts_no_day_twice_where_an_earlier_payment_is_told_of_later(self):
        account = Account()
        account.pay(Money(4_00), date(2026, 3, 10))
        account.pay(Money(1_00), date(2026, 3, 7))
        assert account.position == Position(
            penalty_carried=Money(9_00), penalty_from=date(2026, 3, 10)
        )

    def test_adds_up_part_payments_of_one_instalment(self):
        account = Account()
        for _ in range(2):
            account.pay(Money(100_00), date(2026, 2, 10))
        assert account.position == Position(
            interest_paid=Money(30_00), principal_paid=Money(170_00)
        )

    def test_begins_afresh_in_the_instalment_it_moves_on_to(self):
        account = Account()
        as_of = date(2026, 3, 20)
        account.pay(account.owed(as_of).lines[0].components.total + Money(3_00), as_of)
        assert account.position == Position(
            instalment_no=2, penalty_carried=Money(2_00), penalty_from=as_of
        )

    def test_lets_the_grace_days_of_a_part_payment_end(self):
        """What is left after the grace days counts from the due date, not from the payment."""
        account = Account(replace(PRODUCT, grace_days=5))
        account.pay(Money(530_00), date(2026, 2, 13))
        assert account.owed(date(2026, 2, 15)).components.penalty == ZERO
        assert account.owed(date(2026, 2, 16)).components.penalty == Money(1_50)

    def test_of_no_payment_is_where_it_was(self):
        account = Account()
        assert account.pay(ZERO, date(2026, 3, 10)) == Paid(lines=(), rest=ZERO)
        assert account.position == START

    def test_takes_a_payment_dated_before_one_already_posted(self):
        """A late success: its day's penalty is reversed by computing the due as of its date."""
        account = Account()
        account.pay(Money(4_00), date(2026, 3, 10))
        due = account.owed(date(2026, 2, 20))
        assert due.components.penalty == Money(10_00)
        account.pay(due.amount, date(2026, 2, 20))
        assert account.position == Position(instalment_no=2)


class TestMisallocation:
    DUE = Account().owed(date(2026, 3, 10))

    def paid(self, instalment_no, components):
        (line,) = (line for line in self.DUE.lines if line.instalment_no == instalment_no)
        return Paid(lines=(replace(line, components=components),))

    def post(self, paid, position=START, due=DUE):
        return position_after(position=position, schedule=SCHEDULE, due=due, paid=paid)

    @pytest.mark.parametrize(
        "components",
        [Components(interest=Money(30_01)), Components(interest=Money(-1), principal=Money(1))],
    )
    def test_of_more_than_is_owed_or_less_than_nothing_is_refused(self, components):
        with pytest.raises(MisallocatedError, match="instalment 1"):
            self.post(self.paid(1, components))

    def test_to_a_later_instalment_first_is_refused(self):
        with pytest.raises(MisallocatedError, match="no instalment before"):
            self.post(self.paid(2, Components(interest=Money(1))))

    def test_to_a_position_the_loan_has_left_is_refused(self):
        paid = allocate(amount=self.DUE.amount, due=self.DUE, product=PRODUCT)
        moved = self.post(paid)
        assert moved == Position(instalment_no=3)
        with pytest.raises(MisallocatedError, match="is not of"):
            self.post(paid, moved)

    def test_of_a_due_that_was_paid_in_part_meanwhile_is_refused(self):
        with pytest.raises(MisallocatedError, match="is not of"):
            self.post(Paid(lines=()), Position(principal_paid=Money(1)))

    def test_of_a_due_that_leaves_out_the_oldest_instalment_is_refused(self):
        younger = replace(self.DUE, lines=self.DUE.lines[1:])
        paid = allocate(amount=younger.amount, due=younger, product=PRODUCT)
        with pytest.raises(MisallocatedError, match="is not of"):
            self.post(paid, due=younger)
