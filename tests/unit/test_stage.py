import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.stage import (
    ClassRules,
    LoanClass,
    Stage,
    StageRules,
    class_floor,
    stage_of,
)


class TestStage:
    @pytest.mark.parametrize(
        ("dpd", "stage"),
        [
            (-1, None),
            (0, None),
            (1, Stage.SMS),
            (7, Stage.SMS),
            (8, Stage.AGENT_EARLY),
            (30, Stage.AGENT_EARLY),
            (31, Stage.AGENT_MIDDLE),
            (60, Stage.AGENT_MIDDLE),
            (61, Stage.AGENT_LATE),
            (90, Stage.AGENT_LATE),
            (91, Stage.FIELD_VISIT),
            (9999, Stage.FIELD_VISIT),
        ],
    )
    def test_follows_its_boundaries(self, dpd, stage):
        assert stage_of(dpd) is stage

    def test_boundaries_are_data(self):
        agents_from_day_7 = StageRules(starts=(1, 7, 31, 61, 91))
        assert stage_of(7, agents_from_day_7) is Stage.AGENT_EARLY

    @given(st.integers(-10, 1000))
    def test_never_grows_milder_with_the_days(self, dpd):
        order = [None, *Stage]
        assert order.index(stage_of(dpd)) <= order.index(stage_of(dpd + 1))


class TestLoanClass:
    @pytest.mark.parametrize(
        ("dpd", "floor"),
        [
            (-1, LoanClass.NORMAL),
            (0, LoanClass.NORMAL),
            (1, LoanClass.SPECIAL_MENTION),
            (90, LoanClass.SPECIAL_MENTION),
            (91, LoanClass.SUBSTANDARD),
            (270, LoanClass.SUBSTANDARD),
            (271, LoanClass.DOUBTFUL),
            (360, LoanClass.DOUBTFUL),
            (361, LoanClass.LOSS),
        ],
    )
    def test_floor_follows_its_boundaries(self, dpd, floor):
        assert class_floor(dpd) is floor


class TestRules:
    @pytest.mark.parametrize("starts", [(), (1, 8, 31, 61), (0, 8, 31, 61, 91), (1, 8, 8, 61, 91)])
    def test_name_a_rising_start_for_every_stage(self, starts):
        with pytest.raises(ValueError, match="5 rising"):
            StageRules(starts=starts)

    @pytest.mark.parametrize("starts", [(1, 91, 271), (1, 271, 91, 361)])
    def test_name_a_rising_start_for_every_class(self, starts):
        with pytest.raises(ValueError, match="4 rising"):
            ClassRules(starts=starts)
