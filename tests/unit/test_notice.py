"""A notice's name and its hours."""

from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.notice import (
    NOTICE_ID_LENGTH_MAX,
    IllegalNoticeIdError,
    Recipient,
    Scenario,
    SmsAnswer,
    SmsStatus,
    key_of,
    notice_id_of,
    opened,
    reported,
)
from chalicelib.domain.quiet_hours import SHANGHAI, QuietHours
from tests.builders import TODAY, at

TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31))  # noqa: DTZ001 - zoned below
HOURS = st.builds(QuietHours, starts=st.times(), ends=st.times())


class TestNoticeId:
    @given(
        st.text("ABCxyz-_0129#/.", min_size=1, max_size=36),
        st.sampled_from(Scenario),
        st.dates(date(2020, 1, 1), date(2099, 12, 31)),
        st.integers(1, 999),
    )
    def test_is_read_back_and_fits_the_platform(self, borrower_id, scenario, day, sequence):
        recipient = Recipient(borrower_id=borrower_id, scenario=scenario, business_date=day)

        notice_id = notice_id_of(recipient, sequence)

        assert key_of(notice_id) == (recipient, sequence)
        assert len(notice_id) <= NOTICE_ID_LENGTH_MAX

    def test_is_refused_where_the_platform_would_not_take_it(self):
        recipient = Recipient(borrower_id="B" * 50, scenario=Scenario.SETTLED, business_date=TODAY)

        with pytest.raises(IllegalNoticeIdError):
            notice_id_of(recipient, 1)

    @pytest.mark.parametrize(
        "text",
        ["", "x", "20261124", "20261124-paid-1-", "20261124-paid--B1", "2026112４-paid-1-B1",
         "20261324-paid-1-B1", "20261124-Paid-1-B1", "20261124-paid-x-B1"],
    )  # fmt: skip
    def test_is_not_read_out_of_anything_else(self, text):
        with pytest.raises(IllegalNoticeIdError):
            key_of(text)


class TestQuietHours:
    @given(HOURS, TIMES)
    def test_are_over_when_they_say(self, hours, naive):
        now = naive.replace(tzinfo=SHANGHAI)

        over_at = hours.over_at(now)

        assert over_at >= now
        assert not hours.covers(over_at)
        assert hours.covers(now) == (over_at > now)

    def test_are_shanghais_wherever_the_clock_is_read(self):
        assert QuietHours().covers(datetime.fromisoformat("2026-11-24T14:00:00+00:00"))
        assert not QuietHours().covers(datetime.fromisoformat("2026-11-24T00:00:00+00:00"))

    def test_are_none_if_they_end_as_they_start(self):
        none = QuietHours(starts=time(0), ends=time(0))

        assert not none.covers(datetime.fromisoformat("2026-11-24T00:00:00+08:00"))


class TestReport:
    def test_the_first_one_sticks(self):
        waiting = opened(
            recipient=Recipient(borrower_id="B1", scenario=Scenario.SETTLED, business_date=TODAY),
            sequence=1,
            lines=[],
            now=at(9),
            send_at=at(9, 5),
        )
        failed = SmsAnswer(status=SmsStatus.FAILED, reported_at=at(9, 6), reason="NO_SERVICE")
        delivered = SmsAnswer(status=SmsStatus.DELIVERED, reported_at=at(9, 7))

        assert reported(reported(waiting, failed), delivered) == reported(waiting, failed)
