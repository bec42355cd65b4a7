from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.agenda import AgendaRules, Ask, Visit, asks_at, visits
from chalicelib.domain.stage import ClassRules, StageRules

RULES = AgendaRules()
TODAY = date(2026, 11, 24)
MOVES = {Ask.MOVE_STAGE, Ask.MOVE_CLASS}

days = st.dates(date(2025, 1, 1), date(2028, 12, 31))
rules = st.builds(
    AgendaRules,
    remind_days_before=st.sampled_from([(3, 1), (), (7, 2)]),
    retry_dpd_max=st.integers(0, 10),
    stages=st.sampled_from([StageRules(), StageRules(starts=(1, 7, 31, 61, 91))]),
    classes=st.sampled_from([ClassRules(), ClassRules(starts=(1, 31, 61, 91))]),
)


def morning(gap=0, rules=RULES, business_date=TODAY):
    """List the visits of a morning so many days after one that was missed."""
    last_completed = business_date - timedelta(days=gap + 1)
    return visits(business_date=business_date, last_completed=last_completed, rules=rules)


def by_dpd(found):
    return {visit.dpd: set(visit.asks) for visit in found}


class TestAsks:
    @pytest.mark.parametrize(
        ("dpd", "asks"),
        [
            (-4, ()),
            (-3, (Ask.REMIND,)),
            (-2, ()),
            (-1, (Ask.REMIND,)),
            (0, (Ask.DEDUCT,)),
            (1, (Ask.DEDUCT, Ask.MOVE_STAGE, Ask.MOVE_CLASS)),
            (8, (Ask.DEDUCT, Ask.MOVE_STAGE)),
            (30, (Ask.DEDUCT,)),
            (31, (Ask.DEDUCT, Ask.MOVE_STAGE)),
            (90, (Ask.DEDUCT,)),
            (91, (Ask.MOVE_STAGE, Ask.MOVE_CLASS)),
            (271, (Ask.MOVE_CLASS,)),
            (361, (Ask.MOVE_CLASS,)),
            (362, ()),
        ],
    )
    def test_are_a_function_of_the_days_past_due(self, dpd, asks):
        assert asks_at(dpd, RULES) == asks


class TestVisits:
    def test_of_an_ordinary_morning_are_a_handful_of_dates(self):
        found = morning()
        assert len(found) == 2 + 91 + 3  # reminders, dues and retries, boundaries past them
        assert by_dpd(found) == {dpd: set(asks_at(dpd, RULES)) for dpd in by_dpd(found)}

    def test_with_nothing_completed_yet_are_those_of_the_day(self):
        assert visits(business_date=TODAY, last_completed=None, rules=RULES) == morning()

    @pytest.mark.parametrize("ahead", [0, 1, 30])
    def test_of_a_day_run_again_are_those_of_the_day(self, ahead):
        last_completed = TODAY + timedelta(days=ahead)
        again = visits(business_date=TODAY, last_completed=last_completed, rules=RULES)
        assert again == morning()

    @given(days, st.integers(0, 40), rules)
    def test_stand_in_order_each_date_once(self, business_date, gap, rules):
        found = morning(gap, rules, business_date)
        dates = [visit.unpaid_due_on for visit in found]
        assert dates == sorted(set(dates))
        for visit in found:
            assert visit.dpd == (business_date - visit.unpaid_due_on).days
            assert visit.asks

    @given(days, st.integers(0, 40), rules)
    def test_over_a_gap_pass_every_boundary_of_the_missed_days(self, business_date, gap, rules):
        missed = [morning(0, rules, business_date - timedelta(days=ago)) for ago in range(gap + 1)]
        boundaries = {
            (visit.unpaid_due_on, ask)
            for one_day in missed
            for visit in one_day
            for ask in MOVES & set(visit.asks)
        }
        found = morning(gap, rules, business_date)
        assert boundaries == {
            (visit.unpaid_due_on, ask) for visit in found for ask in MOVES & set(visit.asks)
        }

    @given(days, st.integers(0, 40), rules)
    def test_deduct_what_the_day_itself_asks(self, business_date, gap, rules):
        deducted = [
            visit.dpd for visit in morning(gap, rules, business_date) if Ask.DEDUCT in visit.asks
        ]
        assert sorted(deducted) == list(range(rules.retry_dpd_max + 1))

    @pytest.mark.parametrize(
        ("gap", "reminded"),
        [(0, {-3, -1}), (1, {-3, -2, -1}), (2, {-3, -2, -1}), (9, {-3, -2, -1})],
    )
    def test_make_up_for_a_missed_reminder_until_the_due_date(self, gap, reminded):
        assert {visit.dpd for visit in morning(gap) if Ask.REMIND in visit.asks} == reminded

    def test_over_a_gap_tell_today_s_dpd_of_a_boundary_passed_earlier(self):
        two_days_missed = morning(gap=2)
        assert (
            Visit(
                unpaid_due_on=TODAY - timedelta(days=93),
                dpd=93,
                asks=(Ask.MOVE_STAGE, Ask.MOVE_CLASS),
            )
            in two_days_missed
        )
        assert by_dpd(two_days_missed)[3] == {Ask.DEDUCT, Ask.MOVE_STAGE, Ask.MOVE_CLASS}


class TestAgendaRules:
    @pytest.mark.parametrize("wrong", [{"remind_days_before": (0,)}, {"retry_dpd_max": -1}])
    def test_remind_before_the_due_date_and_retry_after_it(self, wrong):
        with pytest.raises(ValueError, match="reminder"):
            AgendaRules(**wrong)
