"""Due days and working days.  A month later is anchored to a day, so that it never drifts."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.domain.product import WorkingDayShift

ONE_DAY = timedelta(days=1)
SATURDAY = 5


def add_months(start: date, months: int, anchor_day: int | None = None) -> date:
    """Return the day so many months on, on the anchor day or the last day of a shorter month.

    >>> add_months(date(2026, 1, 31), 1)
    datetime.date(2026, 2, 28)
    >>> add_months(date(2026, 2, 28), 1, anchor_day=31)
    datetime.date(2026, 3, 31)
    """
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return date(year, month, min(anchor_day or start.day, monthrange(year, month)[1]))


def due_dates(
    first_due_on: date, instalments: int, anchor_day: int | None = None
) -> tuple[date, ...]:
    """List the monthly due dates, anchored to a day of the month.

    The first due date is its own anchor: 28 February is followed by 28 March, unless the anchor
    says that it stands for the 31st.

    >>> [f"{day:%m-%d}" for day in due_dates(date(2028, 1, 31), 4)]
    ['01-31', '02-29', '03-31', '04-30']
    >>> [f"{day:%m-%d}" for day in due_dates(date(2026, 2, 28), 3, anchor_day=31)]
    ['02-28', '03-31', '04-30']

    :raises ValueError: if the first due date is not the anchor day of its month.
    """
    if add_months(first_due_on, 0, anchor_day) != first_due_on:
        raise ValueError(f"{first_due_on} is not anchored to day {anchor_day}")
    return tuple(add_months(first_due_on, month, anchor_day) for month in range(instalments))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkingDays:
    """The days banks work: weekdays without the holidays, and the weekends worked for them.

    The state publishes a year's holidays in the November before.  In a year not yet known weekdays
    are taken for working days, so that no business day stops; `knows` lets the caller warn.

    >>> golden_week = WorkingDays(
    ...     holidays=frozenset({date(2026, 10, 1), date(2026, 10, 2)}),
    ...     makeup_workdays=frozenset({date(2026, 10, 10)}),
    ...     known_years=frozenset({2026}),
    ... )
    >>> golden_week.shift(date(2026, 10, 1), WorkingDayShift.FOLLOWING)
    datetime.date(2026, 10, 5)
    >>> golden_week.is_working(date(2026, 10, 10)), golden_week.knows(date(2027, 10, 1))
    (True, False)
    """

    holidays: frozenset[date] = frozenset()
    makeup_workdays: frozenset[date] = frozenset()
    known_years: frozenset[int] = frozenset()

    def knows(self, day: date) -> bool:
        """Tell whether the holidays of the day's year have been published to us."""
        return day.year in self.known_years

    def is_working(self, day: date) -> bool:
        """Tell whether banks work on the day."""
        if day in self.makeup_workdays:
            return True
        return day.weekday() < SATURDAY and day not in self.holidays

    def shift(self, day: date, shift: WorkingDayShift) -> date:
        """Move a day that is no working day to the next or the last one."""
        if shift is WorkingDayShift.NONE:
            return day
        step = ONE_DAY if shift is WorkingDayShift.FOLLOWING else -ONE_DAY
        while not self.is_working(day):
            day += step
        return day


WEEKDAYS = WorkingDays()
