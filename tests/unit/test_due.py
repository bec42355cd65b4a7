from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.due import Due, InstalmentDue, days_past_due, owed
from chalicelib.domain.money import ZERO, Components, Money
from chalicelib.domain.position import (
    START,
    Position,
    is_settled,
    outstanding_principal,
    unpaid_due_on,
)
from chalicelib.domain.product import Method, Product
from chalicelib.domain.schedule import Instalment, Terms, make

RATE = Decimal("0.12")
PRODUCT = Product(code="P1", name="消费贷")
SCHEDULE = tuple(
    Instalment(
        number=number,
        due_on=date(2026, number, 10),
        principal=Money(1_000_00),
        interest=Money((4 - number) * 10_00),
    )
    for number in (1, 2, 3)
)


def due_at(as_of, position=START, product=PRODUCT, schedule=SCHEDULE):
    return owed(
        position=position, schedule=schedule, product=product, annual_rate=RATE, as_of=as_of
    )


def lines(due):
    return [
        (
            line.instalment_no,
            line.components.principal.fen,
            line.components.interest.fen,
            line.components.penalty.fen,
        )
        for line in due.lines
    ]


class TestOwed:
    def test_is_nothing_before_the_first_due_date(self):
        due = due_at(date(2026, 1, 9))
        assert (due.lines, due.amount, due.dpd, due.is_nothing) == ((), ZERO, 0, True)

    def test_is_the_instalment_on_its_day_without_penalty(self):
        due = due_at(date(2026, 1, 10))
        assert lines(due) == [(1, 1_000_00, 30_00, 0)]
        assert (due.dpd, due.is_nothing) == (0, False)

    def test_is_every_overdue_instalment_and_the_day_s_own(self):
        due = due_at(date(2026, 3, 10))
        assert lines(due) == [
            (1, 1_000_00, 30_00, 29_50),  # 59 days at 0.50 a day
            (2, 1_000_00, 20_00, 14_00),  # 28 days
            (3, 1_000_00, 10_00, 0),
        ]
        assert due.components == Components(
            principal=Money(3_000_00), interest=Money(60_00), penalty=Money(43_50)
        )
        assert (due.amount, due.dpd) == (Money(3_103_50), 59)

    def test_is_what_is_left_of_an_instalment_paid_in_part(self):
        paid_in_part = Position(
            instalment_no=2,
            principal_paid=Money(400_00),
            interest_paid=Money(20_00),
            penalty_carried=Money(1_23),
            penalty_from=date(2026, 2, 20),
        )
        # 600.00 for ten days from where the penalty was carried, and what was carried
        assert lines(due_at(date(2026, 3, 2), paid_in_part)) == [(2, 600_00, 0, 3_00 + 1_23)]
        assert lines(due_at(date(2026, 3, 11), paid_in_part))[1] == (3, 1_000_00, 10_00, 50)

    def test_earns_penalty_on_interest_where_the_product_says_so(self):
        due = due_at(date(2026, 1, 20), product=replace(PRODUCT, penalty_on_interest=True))
        assert lines(due) == [(1, 1_000_00, 30_00, 5_15)]

    def test_is_nothing_once_the_loan_is_settled(self):
        assert due_at(date(2026, 12, 31), Position(instalment_no=4)).is_nothing

    def test_passes_over_an_instalment_that_asks_nothing(self):
        """Interest first at a zero rate: nothing is due, so nothing can be overdue."""
        schedule = make(
            terms=Terms(
                principal=Money(1_000_00),
                annual_rate=Decimal(0),
                method=Method.INTEREST_FIRST,
                instalments=3,
                disbursed_on=date(2026, 1, 10),
                first_due_on=date(2026, 2, 10),
            ),
            product=PRODUCT,
        )
        assert unpaid_due_on(START, schedule) == date(2026, 4, 10)
        assert due_at(date(2026, 4, 9), schedule=schedule).is_nothing
        assert due_at(date(2026, 4, 10), schedule=schedule).amount == Money(1_000_00)


class TestDaysPastDue:
    @pytest.mark.parametrize(
        ("as_of", "dpd"),
        [
            (date(2028, 2, 27), -1),
            (date(2028, 2, 28), 0),
            (date(2028, 2, 29), 1),
            (date(2028, 3, 1), 2),
            (date(2029, 2, 28), 366),
        ],
    )
    def test_count_calendar_days(self, as_of, dpd):
        assert days_past_due(date(2028, 2, 28), as_of) == dpd

    def test_of_a_due_are_those_of_its_oldest_line_and_never_negative(self):
        line = InstalmentDue(instalment_no=1, due_on=date(2026, 1, 10), components=Components())
        assert Due(as_of=date(2026, 1, 9), lines=(line,)).dpd == 0
        younger = replace(line, due_on=date(2026, 2, 10))
        assert Due(as_of=date(2026, 2, 11), lines=(line, younger)).dpd == 32


class TestPosition:
    def test_starts_with_all_principal_outstanding(self):
        assert outstanding_principal(START, SCHEDULE) == Money(3_000_00)
        assert unpaid_due_on(START, SCHEDULE) == date(2026, 1, 10)

    def test_knows_what_is_outstanding_of_a_part_payment(self):
        position = Position(instalment_no=2, principal_paid=Money(1))
        assert outstanding_principal(position, SCHEDULE) == Money(1_999_99)
        assert unpaid_due_on(position, SCHEDULE) == date(2026, 2, 10)

    def test_is_not_settled_while_a_penalty_is_left(self):
        position = Position(
            instalment_no=3,
            principal_paid=Money(1_000_00),
            interest_paid=Money(10_00),
            penalty_carried=Money(1),
            penalty_from=date(2026, 6, 1),
        )
        assert not is_settled(position, SCHEDULE)
        assert unpaid_due_on(position, SCHEDULE) == date(2026, 3, 10)
        assert lines(due_at(date(2026, 9, 1), position)) == [(3, 0, 0, 1)]

    def test_is_settled_past_the_last_instalment(self):
        position = Position(instalment_no=4)
        assert is_settled(position, SCHEDULE)
        assert unpaid_due_on(position, SCHEDULE) is None
        assert outstanding_principal(position, SCHEDULE) == ZERO

    def test_counts_instalments_by_their_number_not_their_place(self):
        """A schedule cut again may begin where the old one was left."""
        assert unpaid_due_on(Position(instalment_no=2), SCHEDULE[1:]) == date(2026, 2, 10)


def test_the_same_question_asked_twice_has_one_answer():
    day = date(2026, 3, 10)
    assert due_at(day) == due_at(day)
    assert due_at(day + timedelta(days=1)).amount > due_at(day).amount
