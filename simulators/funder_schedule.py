"""The funder's own schedule arithmetic, written from the contract and from nobody's code.

Amounts are whole fen (int), rates exact fractions, days whole: every interest is rounded once.
A period charges days over the days of a year: under 30/360 a whole month has 30, a broken first
period its days after the US rule; under ACT the calendar's.
"""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

DAY_COUNTS = {"30/360": 360, "ACT/360": 360, "ACT/365": 365}
METHODS = frozenset(("equal_instalment", "equal_principal", "interest_first", "bullet"))
ROUNDINGS = frozenset(("HALF_UP", "HALF_EVEN"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductTerms:
    """What a product fixes; `uplift` is a part of the contract rate, `cap` an annual rate."""

    day_count: str = "30/360"
    rounding: str = "HALF_UP"
    grace_days: int = 0
    uplift: Fraction = Fraction(1, 2)
    cap: Fraction = Fraction(24, 100)

    def __post_init__(self) -> None:
        if self.day_count not in DAY_COUNTS or self.rounding not in ROUNDINGS:
            raise ValueError(f"no such day count or rounding: {self.day_count}, {self.rounding}")

    def round(self, amount: Fraction) -> int:
        """Round an amount of zero or more to a whole fen.

        >>> ProductTerms().round(Fraction(5, 2)), ProductTerms(rounding="HALF_EVEN").round(Fraction(5, 2))
        (3, 2)
        """
        floor, rest = divmod(amount.numerator, amount.denominator)
        above_half = 2 * rest - amount.denominator
        is_up = above_half > 0 or (above_half == 0 and (self.rounding == "HALF_UP" or floor % 2))
        return floor + bool(is_up)

    def interest(self, balance_fen: int, annual_rate: Fraction, days: int) -> int:
        return self.round(balance_fen * annual_rate * days / DAY_COUNTS[self.day_count])

    def days(self, start: date, end: date) -> int:
        """Count the days between two dates as the contract does."""
        return us_days(start, end) if self.day_count == "30/360" else (end - start).days


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """What a loan's contract says of its schedule."""

    principal_fen: int
    annual_rate: Fraction
    method: str
    months: int
    disbursed_on: date
    first_due_on: date
    product: ProductTerms = ProductTerms()

    def __post_init__(self) -> None:
        if self.method not in METHODS or self.principal_fen < 1 or self.months < 1:
            raise ValueError("a contract has a method, a principal and months")
        if self.first_due_on <= self.disbursed_on or self.annual_rate < 0:
            raise ValueError("a contract has a rate, and is due after it is paid out")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One instalment; its period is charged `days` in all, of which `days_paid` are paid already."""

    number: int
    due_on: date
    principal_fen: int
    interest_fen: int
    starts_on: date
    days: int
    days_paid: int = 0

    @property
    def days_left(self) -> int:
        return max(self.days - self.days_paid, 0)


def schedule(contract: Contract) -> tuple[Row, ...]:
    """Cut a loan into rows; the principal column sums to the loan.

    >>> for row in schedule(Contract(
    ...     principal_fen=12_000_00, annual_rate=Fraction(12, 100), method="equal_instalment",
    ...     months=3, disbursed_on=date(2026, 1, 15), first_due_on=date(2026, 2, 15),
    ... )):
    ...     print(row.due_on, row.principal_fen, row.interest_fen)
    2026-02-15 396027 12000
    2026-03-15 399987 8040
    2026-04-15 403986 4040
    """
    blank = _periods(contract)
    return filled(contract, blank, contract.principal_fen, _level(contract, blank))


def filled(
    contract: Contract, rows: Sequence[Row], principal_fen: int, level_fen: int
) -> tuple[Row, ...]:
    """Put principal and interest into rows, every one asking for the level but the last.

    The level is a whole instalment of equal instalments, the principal of one otherwise.
    """
    balance, made = principal_fen, []
    for place, row in enumerate(rows, start=1):
        interest = contract.product.interest(balance, contract.annual_rate, row.days_left)
        if place == len(rows):
            repaid = balance
        else:
            asked = level_fen - (interest if contract.method == "equal_instalment" else 0)
            repaid = max(0, min(asked, balance))
        made.append(replace(row, principal_fen=repaid, interest_fen=interest))
        balance -= repaid
    return tuple(made)


def annuity(contract: Contract, rows: Sequence[Row]) -> Fraction:
    """Say what one fen at the end of every row is worth at the beginning of the first."""
    year = DAY_COUNTS[contract.product.day_count]
    whole = contract.annual_rate.denominator * year
    grown, paid_in, power = 1, 0, 1
    for row in rows:
        factor = whole + contract.annual_rate.numerator * row.days_left
        power *= whole
        grown, paid_in = grown * factor, paid_in * factor + power
    return Fraction(paid_in, grown)


def month_on(day: date, months: int, anchor: int) -> date:
    """Go so many months on, to the anchor's day or the last of a shorter month.

    >>> month_on(date(2026, 1, 31), 1, 31), month_on(date(2026, 3, 28), -1, 31)
    (datetime.date(2026, 2, 28), datetime.date(2026, 2, 28))
    """
    count = day.year * 12 + day.month - 1 + months
    year, month = count // 12, count % 12 + 1
    return date(year, month, min(anchor, monthrange(year, month)[1]))


def us_days(start: date, end: date) -> int:
    """Count days of 30/360 after the US rule (NASD).

    >>> us_days(date(2026, 1, 15), date(2026, 3, 1)), us_days(date(2026, 1, 31), date(2026, 2, 28))
    (46, 28)
    """
    first, last = start.day, end.day
    if _is_end_of_february(start):
        last = 30 if _is_end_of_february(end) else last
        first = 30
    if last == 31 and first >= 30:
        last = 30
    if first == 31:
        first = 30
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + (last - first)


def _is_end_of_february(day: date) -> bool:
    return day.month == 2 and day.day == monthrange(day.year, 2)[1]


def _periods(contract: Contract) -> tuple[Row, ...]:
    """Lay out rows without amounts: when they begin, when they are due, how many days they charge."""
    disbursed, first = contract.disbursed_on, contract.first_due_on
    is_month_after = month_on(disbursed, 1, disbursed.day) == first
    anchor = disbursed.day if is_month_after else first.day
    dues = [month_on(first, months, anchor) for months in range(contract.months)]
    if contract.product.day_count == "30/360":
        is_whole = month_on(first, -1, anchor) == disbursed
        days = [30 if is_whole else us_days(disbursed, first)] + [30] * (contract.months - 1)
    else:
        days = [(end - start).days for start, end in pairwise([disbursed, *dues])]
    starts = [disbursed, *dues[:-1]]
    if contract.method == "bullet":
        starts, dues, days = starts[:1], dues[-1:], [sum(days)]
    return tuple(
        Row(number=n, due_on=due, principal_fen=0, interest_fen=0, starts_on=start, days=count)
        for n, (start, due, count) in enumerate(zip(starts, dues, days, strict=True), start=1)
    )


def _level(contract: Contract, rows: Sequence[Row]) -> int:
    match contract.method:
        case "equal_instalment":
            return contract.product.round(contract.principal_fen / annuity(contract, rows))
        case "equal_principal":
            return contract.product.round(Fraction(contract.principal_fen, len(rows)))
        case _:
            return 0
