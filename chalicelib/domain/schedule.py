"""Cut a loan into instalments.

Conventions, where the contract leaves a choice:

* 30/360: a month is 1/12 of a year.  A first period that is not a whole month counts its days
  after the US rule (a 31st, and the end of February, count as a 30th) over 360.
* ACT/360 and ACT/365 count real days, from one contractual due date to the next.
* The working-day shift moves the day of payment and never the interest, whatever the day count.
* Equal instalments are the amount that repays the loan at its real period rates, so they are equal
  in a broken first period, too.  Where interest alone exceeds that amount, it alone is due.
* Every interest is rounded once; the last instalment takes what rounding left of the principal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise

from chalicelib.domain.business_calendar import WEEKDAYS, WorkingDays, add_months, due_dates
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.product import DayCount, Method, Product

RATE_MAX = Decimal("0.36")  # a higher figure is a percentage misread as a rate
INSTALMENTS_MAX = 360


class IllegalTermsError(ValueError):
    """No schedule can be cut from these terms; `reasons` says everything that is wrong."""

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.args

    def __str__(self) -> str:
        return "; ".join(self.args)


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a loan's contract says; terms that can not be kept do not come into being.

    `instalments` are months, also for a bullet loan, whose one payment is at their end.
    `anchor_day` is the contractual due day where the first due date does not show it: a loan due
    on the 31st and cut again in February.  A loan that is cut again goes on counting from
    `first_no`; the interest of its first period is paid up to `interest_paid_until`.

    :raises IllegalTermsError: with every reason.
    """

    principal: Money
    annual_rate: Decimal
    method: Method
    instalments: int
    disbursed_on: date
    first_due_on: date
    anchor_day: int | None = None
    first_no: int = 1
    interest_paid_until: date | None = None

    def __post_init__(self) -> None:
        if reasons := tuple(_reasons_against(self)):
            raise IllegalTermsError(*reasons)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instalment:
    """One row of a schedule; numbers count from 1."""

    number: int
    due_on: date
    principal: Money
    interest: Money

    @property
    def total(self) -> Money:
        return self.principal + self.interest


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A schedule, and the terms it was cut from."""

    terms: Terms
    instalments: tuple[Instalment, ...]


def make(
    *, terms: Terms, product: Product, working_days: WorkingDays | None = None
) -> tuple[Instalment, ...]:
    """Cut a loan into instalments; the principal column sums to the loan.

    >>> yuan_1200 = Terms(
    ...     principal=Money(1_200_00), annual_rate=Decimal("0.12"), method=Method.EQUAL_INSTALMENT,
    ...     instalments=3, disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28),
    ... )
    >>> for row in make(terms=yuan_1200, product=Product(code="P", name="P")):
    ...     print(row.number, row.due_on, row.principal, row.interest, row.total)
    1 2026-02-28 396.03 12.00 408.03
    2 2026-03-31 399.99 8.04 408.03
    3 2026-04-30 403.98 4.04 408.02
    """
    return cut(terms=terms, product=product, working_days=working_days).instalments


def cut(
    *,
    terms: Terms,
    product: Product,
    working_days: WorkingDays | None = None,
    level: Money | None = None,
) -> Cut:
    """Cut a loan into instalments, and keep the terms beside them.

    With `level` every instalment asks that much (of equal principal: repays that much) until the
    principal is repaid; those left ask nothing, and the last takes what is left.
    """
    calendar = working_days or WEEKDAYS
    contractual = contractual_due_dates(terms)
    rates = _period_rates(terms, product.day_count)
    rounding = product.rounding.mode
    amounts = _cut(
        terms, rates, rounding, _level(terms, rates, rounding) if level is None else level
    )
    instalments = tuple(
        Instalment(
            number=number,
            due_on=calendar.shift(due_on, product.working_day_shift),
            principal=principal,
            interest=interest,
        )
        for number, (due_on, (principal, interest)) in enumerate(
            zip(contractual, amounts, strict=True), start=terms.first_no
        )
    )
    return Cut(terms=terms, instalments=instalments)


def contractual_due_dates(terms: Terms) -> tuple[date, ...]:
    """List each instalment's due date before any working-day shift: there its interest ends."""
    months = _months(terms)
    return months[-1:] if terms.method is Method.BULLET else months


def onward(terms: Terms, number: int) -> Terms:
    """Say the terms again from an instalment on; the principal is left to the caller."""
    index = number - terms.first_no
    if not index:
        return terms
    due_dates = contractual_due_dates(terms)
    return replace(
        terms,
        instalments=terms.instalments - index,
        disbursed_on=due_dates[index - 1],
        first_due_on=due_dates[index],
        anchor_day=_anchor_day(terms) or terms.first_due_on.day,
        first_no=number,
        interest_paid_until=None,
    )


def interest_run(*, terms: Terms, product: Product, as_of: date) -> Fraction:
    """Return the rate that has run of the first period up to a date, and is not yet paid.

    Never more than the whole period's; before the period begins it is zero.

    >>> yuan_1200 = Terms(
    ...     principal=Money(1_200_00), annual_rate=Decimal("0.12"), method=Method.EQUAL_INSTALMENT,
    ...     instalments=3, disbursed_on=date(2026, 1, 31), first_due_on=date(2026, 2, 28),
    ... )
    >>> product = Product(code="P", name="P")
    >>> interest_run(terms=yuan_1200, product=product, as_of=date(2026, 2, 10)) == (
    ...     Fraction("0.12") * 10 / 360
    ... )
    True
    >>> interest_run(terms=onward(yuan_1200, 2), product=product, as_of=date(2026, 2, 10))
    Fraction(0, 1)
    """
    day_count = product.day_count
    run = _days_between(terms.disbursed_on, as_of, day_count) - _paid_days(terms, day_count)
    unpaid, *_ = _period_days(terms, day_count)
    return Fraction(terms.annual_rate) * Fraction(
        max(min(run, unpaid), 0), _days_of_year(day_count)
    )


def annuity(terms: Terms, product: Product) -> Decimal:
    """Return the present value of one fen at the end of every period, at the periods' own rates."""
    return _annuity(_period_rates(terms, product.day_count))


def _reasons_against(terms: Terms) -> Iterator[str]:
    if terms.principal <= ZERO:
        yield "the principal is not positive"
    if not terms.annual_rate.is_finite() or not 0 <= terms.annual_rate <= RATE_MAX:
        yield f"the annual rate is not between 0 and {RATE_MAX}"
    if not 1 <= terms.instalments <= INSTALMENTS_MAX:
        yield f"the number of instalments is not between 1 and {INSTALMENTS_MAX}"
    if terms.first_due_on <= terms.disbursed_on:
        yield "the first due date is not after the disbursement"
    if terms.anchor_day and add_months(terms.first_due_on, 0, terms.anchor_day) != (
        terms.first_due_on
    ):
        yield "the first due date is not on the anchor day"


def _anchor_day(terms: Terms) -> int | None:
    """Return the due day: the disbursement's, if the first period is a whole month."""
    if terms.anchor_day is None and add_months(terms.disbursed_on, 1) == terms.first_due_on:
        return terms.disbursed_on.day
    return terms.anchor_day


def _months(terms: Terms) -> tuple[date, ...]:
    return due_dates(terms.first_due_on, terms.instalments, _anchor_day(terms))


def _period_rates(terms: Terms, day_count: DayCount) -> tuple[Fraction, ...]:
    """Return each period's rate, exactly; of the first, what is not paid yet."""
    annual, days_of_year = Fraction(terms.annual_rate), _days_of_year(day_count)
    days = _period_days(terms, day_count)
    return tuple(annual * Fraction(period, days_of_year) for period in days)


def _period_days(terms: Terms, day_count: DayCount) -> tuple[int, ...]:
    """Return each instalment's days; of the first, those whose interest is not paid yet."""
    if day_count is DayCount.THIRTY_360:
        days = [_days_of_first_period(terms)] + [30] * (terms.instalments - 1)
    else:
        days = [
            (end - start).days for start, end in pairwise((terms.disbursed_on, *_months(terms)))
        ]
    if terms.method is Method.BULLET:
        days = [sum(days)]
    return max(days[0] - _paid_days(terms, day_count), 0), *days[1:]


def _paid_days(terms: Terms, day_count: DayCount) -> int:
    if terms.interest_paid_until is None:
        return 0
    return max(_days_between(terms.disbursed_on, terms.interest_paid_until, day_count), 0)


def _days_between(start: date, end: date, day_count: DayCount) -> int:
    if day_count is DayCount.THIRTY_360:
        return _days_30_360(start, end)
    return (end - start).days


def _days_of_year(day_count: DayCount) -> int:
    return 365 if day_count is DayCount.ACT_365 else 360


def _days_of_first_period(terms: Terms) -> int:
    """Count 30 days for a whole month, and by the US rule for any other period."""
    if terms.disbursed_on == add_months(terms.first_due_on, -1, _anchor_day(terms)):
        return 30
    return _days_30_360(terms.disbursed_on, terms.first_due_on)


def _days_30_360(start: date, end: date) -> int:
    """Count days after the US rule.

    >>> _days_30_360(date(2026, 1, 10), date(2026, 2, 28))
    48
    >>> _days_30_360(date(2026, 2, 28), date(2026, 3, 31))
    30
    """
    first, last = start.day, end.day
    if _ends_february(start):
        first = 30
        last = 30 if _ends_february(end) else last
    if first >= 30:
        first, last = 30, min(last, 30)
    return (end.year - start.year) * 360 + (end.month - start.month) * 30 + last - first


def _ends_february(day: date) -> bool:
    return day.month == 2 and add_months(day, 0, 31) == day


def _cut(
    terms: Terms, rates: tuple[Fraction, ...], rounding: str, level: Money
) -> Iterator[tuple[Money, Money]]:
    """Give each period's principal and interest; the last takes the remainder."""
    balance = terms.principal
    for rate in rates[:-1]:
        interest = balance.times(rate, rounding=rounding)
        wanted = level - interest if terms.method is Method.EQUAL_INSTALMENT else level
        principal = min(max(wanted, ZERO), balance)
        yield principal, interest
        balance -= principal
    yield balance, balance.times(rates[-1], rounding=rounding)


def _level(terms: Terms, rates: tuple[Fraction, ...], rounding: str) -> Money:
    """Return what every instalment but the last has in common.

    The whole instalment, the principal in it, or no principal at all.
    """
    match terms.method:
        case Method.EQUAL_INSTALMENT:
            return terms.principal.times(1 / Fraction(_annuity(rates)), rounding=rounding)
        case Method.EQUAL_PRINCIPAL:
            return terms.principal.times(Fraction(1, len(rates)), rounding=rounding)
        case Method.INTEREST_FIRST | Method.BULLET:
            return ZERO


def _annuity(rates: tuple[Fraction, ...]) -> Decimal:
    """Return the present value of one fen at the end of every period.

    >>> _annuity((Fraction(0),) * 12)
    Decimal('12')
    """
    growth = (1 + Decimal(rate.numerator) / rate.denominator for rate in rates)
    return sum((1 / compounded for compounded in accumulate(growth, Decimal.__mul__)), Decimal())
