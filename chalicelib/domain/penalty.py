"""Penalty: a pure function of facts and date, so that no day has to write it."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.product import Product

DAYS_OF_YEAR = 360


def annual_penalty_rate(*, annual_rate: Decimal, product: Product) -> Decimal:
    """Return the contract rate with its uplift, or the cap if that is lower."""
    return min(annual_rate * (1 + product.penalty_uplift), product.annual_cost_cap)


def accrued(
    *,
    overdue: Money,
    annual_rate: Decimal,
    product: Product,
    due_on: date,
    since: date | None,
    as_of: date,
) -> Money:
    """Return the penalty an overdue amount earned from `since` (None: the due date) to `as_of`.

    Simple, by real days over 360, rounded once.  Within the grace days nothing is earned; after
    them it counts from the due date.

    >>> accrued(
    ...     overdue=Money(1_000_00), annual_rate=Decimal("0.12"),
    ...     product=Product(code="P", name="P"),
    ...     due_on=date(2026, 3, 1), since=None, as_of=date(2026, 3, 11),
    ... )
    Money(fen=500)
    """
    if (as_of - due_on).days <= product.grace_days:
        return ZERO
    days = (as_of - max(since or due_on, due_on)).days
    rate = Fraction(annual_penalty_rate(annual_rate=annual_rate, product=product))
    return overdue.times(rate * max(days, 0) / DAYS_OF_YEAR, rounding=product.rounding.mode)
