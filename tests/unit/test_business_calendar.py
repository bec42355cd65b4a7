from calendar import monthrange
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.business_calendar import WEEKDAYS, WorkingDays, add_months, due_dates
from chalicelib.domain.product import WorkingDayShift

days = st.dates(date(2020, 1, 1), date(2040, 12, 31))

GOLDEN = {
    "the 31st comes back after every short month": (
        date(2026, 12, 31),
        None,
        "2026-12-31 2027-01-31 2027-02-28 2027-03-31 2027-04-30 2027-05-31",
    ),
    "the 30th gives way to February alone": (
        date(2027, 12, 30),
        None,
        "2027-12-30 2028-01-30 2028-02-29 2028-03-30",
    ),
    "the 29th is the 28th in three years of four": (
        date(2027, 1, 29),
        None,
        "2027-01-29 2027-02-28 2027-03-29",
    ),
    "29 February is its own anchor": (date(2028, 2, 29), None, "2028-02-29 2028-03-29"),
    "28 February is its own anchor": (date(2027, 2, 28), None, "2027-02-28 2027-03-28"),
    "28 February stands for the 31st if told so": (
        date(2027, 2, 28),
        31,
        "2027-02-28 2027-03-31 2027-04-30",
    ),
    "30 April stands for the 31st if told so": (date(2027, 4, 30), 31, "2027-04-30 2027-05-31"),
}


class TestDueDates:
    @pytest.mark.parametrize(("first", "anchor", "expected"), GOLDEN.values(), ids=GOLDEN)
    def test_follow_the_golden_table(self, first, anchor, expected):
        instalments = len(expected.split())
        assert " ".join(map(str, due_dates(first, instalments, anchor))) == expected

    def test_pass_two_leap_days_without_a_drift(self):
        dates = due_dates(date(2024, 2, 29), 49)
        assert dates[12] == date(2025, 2, 28)
        assert dates[48] == date(2028, 2, 29)
        assert {day.day for day in dates} == {28, 29}

    @given(days, st.integers(1, 360))
    def test_fall_once_in_every_month_on_the_anchored_day(self, first, instalments):
        dates = due_dates(first, instalments)
        assert dates[0] == first
        months = [day.year * 12 + day.month for day in dates]
        assert months == list(range(months[0], months[0] + instalments))
        for day in dates:
            assert day.day == min(first.day, monthrange(day.year, day.month)[1])

    def test_refuse_a_first_date_off_the_anchor(self):
        with pytest.raises(ValueError, match="not anchored to day 31"):
            due_dates(date(2026, 1, 30), 2, 31)

    @given(days, st.integers(-60, 60))
    def test_months_count_both_ways(self, day, months):
        assert add_months(add_months(day, months), -months, day.day) == day


HOLIDAYS_2026 = WorkingDays(
    holidays=frozenset({date(2026, 10, day) for day in range(1, 8)}),
    makeup_workdays=frozenset({date(2026, 9, 20), date(2026, 10, 10)}),
    known_years=frozenset({2026}),
)


class TestWorkingDays:
    @pytest.mark.parametrize(
        ("day", "following", "preceding"),
        [
            (date(2026, 10, 1), date(2026, 10, 8), date(2026, 9, 30)),
            (date(2026, 10, 10), date(2026, 10, 10), date(2026, 10, 10)),
            (date(2026, 10, 11), date(2026, 10, 12), date(2026, 10, 10)),
            (date(2026, 10, 12), date(2026, 10, 12), date(2026, 10, 12)),
            (date(2027, 1, 2), date(2027, 1, 4), date(2027, 1, 1)),
        ],
    )
    def test_take_a_due_date_out_of_the_holidays(self, day, following, preceding):
        assert HOLIDAYS_2026.shift(day, WorkingDayShift.FOLLOWING) == following
        assert HOLIDAYS_2026.shift(day, WorkingDayShift.PRECEDING) == preceding
        assert HOLIDAYS_2026.shift(day, WorkingDayShift.NONE) == day

    def test_of_an_unknown_year_are_its_weekdays_and_say_so(self):
        assert HOLIDAYS_2026.knows(date(2026, 1, 1))
        assert not HOLIDAYS_2026.knows(date(2027, 10, 1))
        assert HOLIDAYS_2026.is_working(date(2027, 10, 1))
        assert not WEEKDAYS.is_working(date(2027, 10, 2))
