"""Two hundred bad days: nobody is charged twice, no success is lost, whatever breaks.

`make simulate DAYS=20000 JOBS=2` plays more of them.
"""

import pytest

from tests.simulation.catalogue import Catalogue
from tests.simulation.plan import CALM, STORM, draw
from tests.simulation.seeds import play
from tests.simulation.shrinking import shrunk
from tests.simulation.story import told

DAYS, CHUNK = 200, 50


@pytest.mark.parametrize("first", range(1, DAYS + 1, CHUNK))
def test_days_with_faults_everywhere_hold_every_invariant(world, catalogue, first):
    failed = {
        seed: result.wrongs
        for seed in range(first, first + CHUNK)
        if (result := play(world, catalogue, draw(seed))).wrongs
    }

    assert failed == {}, "again: bin/afterloan replay --shrink --seed " + str(min(failed))


class TestASeed:
    def test_is_one_day_to_the_last_call(self, world, catalogue):
        once = [play(world, catalogue, draw(seed)).trace for seed in range(1, 9)]
        again = [play(world, Catalogue(world), draw(seed)).trace for seed in range(1, 9)]

        assert once == again
        assert len(set(once)) == len(once)

    def test_keeps_its_other_faults_when_one_is_left_out(self):
        plan = draw(3, weather=STORM)
        first, *others = plan.faults

        assert plan.without(frozenset({first.number})).standing() == tuple(others)

    def test_of_a_calm_day_has_no_fault_of_ours(self, world, catalogue):
        result = play(world, catalogue, draw(11, weather=CALM, repaying=1.0))

        assert result.wrongs == ()
        assert result.struck == ()
        assert result.charges > 0


class TestAFailure:
    def test_is_told_with_the_fewest_faults_that_make_it(self):
        plan = draw(3, weather=STORM)
        guilty = {plan.faults[4].number, plan.faults[-3].number}

        def fails(candidate):
            return guilty <= {fault.number for fault in candidate.standing()}

        assert {fault.number for fault in shrunk(plan, fails=fails).standing()} == guilty

    def test_is_told_as_a_story_of_the_money(self, world, catalogue, monkeypatch):
        from tests.simulation import seeds

        def complain(books):
            yield "I1 LN01: planted"

        monkeypatch.setattr(seeds, "CHECKERS", (complain,))
        story = "\n".join(told(play(world, catalogue, draw(11, weather=CALM))))

        assert "借据 LN01 的资金经过" in story
        assert "I1 LN01: planted" in story
        assert "平台实际扣款" in story
