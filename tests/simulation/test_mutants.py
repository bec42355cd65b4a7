"""The mutants themselves: each is where it says, changes what runs, and leaves no trace."""

from dataclasses import replace
from random import Random  # noqa: TID251  seeded

import pytest

from tests.simulation.hunt import BY_NAME, MUTANTS, Found, Ground, hunted, write
from tests.simulation.mutants import Constant, Edit, Living, MissingPatchPointError, asleep, mutant
from tests.simulation.tasks import Tasks

FAST = (
    "posted_before_recorded",
    "sent_before_claimed",
    "not_exist_is_failed",
    "round_2_takes_unknown",
    "penalty_one_day_more",
    "words_not_kept",
    "sent_notice_joined",
)
SEEDS_MAX = 40
CROWDED_SEEDS = range(101, 121)
FUNDERS_SEEDS = range(1000, 1010)
REACHING_SEEDS = (*range(1, 4), 14, *FUNDERS_SEEDS[:4], *range(30, 80), *FUNDERS_SEEDS[4:])


@pytest.fixture(scope="module")
def ground():
    with Ground() as opened:
        yield opened


class TestAMutant:
    @pytest.mark.parametrize("each", MUTANTS, ids=lambda each: each.name)
    def test_changes_the_code_that_runs_and_leaves_it_as_it_was(self, each):
        functions = [patch.function() for patch in each.patches if isinstance(patch, Edit)]
        holders = [patch.holder() for patch in each.patches if isinstance(patch, Constant)]
        codes = [function.__code__ for function in functions]
        values = [getattr(*holder) for holder in holders]

        with Living(each) as living:
            assert all(
                function.__code__ is not code
                for function, code in zip(functions, codes, strict=True)
            )
            assert [getattr(*holder) for holder in holders] != values or not holders
            with living.lifted():
                assert [function.__code__ for function in functions] == codes

        assert [function.__code__ for function in functions] == codes
        assert [getattr(*holder) for holder in holders] == values
        assert not any("_mutant_reached" in function.__globals__ for function in functions)

    def test_is_known_by_one_name_and_its_net_is_a_mutant(self):
        assert len(BY_NAME) == len(MUTANTS) >= 40
        assert {each.net for each in MUTANTS} - {""} <= set(BY_NAME)

    def test_of_code_that_is_not_there_any_more_is_refused(self):
        place = "chalicelib.flows.sweep:run"
        for patch in (Edit(place, "no such line"), Edit(f"{place}_away", ""), Edit(place, "\n")):
            with pytest.raises(MissingPatchPointError):
                Living(mutant("area", "name", "guard", patch))
        with pytest.raises(MissingPatchPointError):
            Living(mutant("area", "name", "guard", Constant("chalicelib.flows.sweep:NONE", 1)))

    def test_is_reached_by_what_days_do(self, ground):
        ground.take_in(funders=True)
        with Living(*map(asleep, MUTANTS)) as living:
            for seed in REACHING_SEEDS:
                ground.wrongs(seed, funders=seed in FUNDERS_SEEDS)
                if set(living.places) <= living.reached:
                    break

        assert set(living.places) - living.reached == set()


class TestACrowdedDay:
    def test_of_the_real_code_holds_every_invariant(self, ground):
        failed = {seed: wrongs for seed in CROWDED_SEEDS if (wrongs := ground.wrongs(seed))}

        assert failed == {}

    def test_is_one_day_to_the_last_call(self, ground):
        def trace(seed):
            ground.wrongs(seed)
            return ground.world.trace.hexdigest()

        once = [trace(seed) for seed in CROWDED_SEEDS[:4]]

        assert once == [trace(seed) for seed in CROWDED_SEEDS[:4]]


class TestWhoHangs:
    def test_goes_on_no_sooner_than_his_time_and_others_go_on_meanwhile(self):
        tasks, told = Tasks(), []
        tasks.begin(Random(1))

        def slow():
            tasks.hang(until=5.0)
            told.append("slow")

        tasks.start("slow", slow, lambda _: None)
        tasks.step()
        tasks.start("other", lambda: told.append("other"), lambda _: None)
        tasks.step()
        tasks.wake(4.9)

        assert (len(tasks), tasks.next_at(), told) == (0, 5.0, ["other"])

        tasks.wake(5.0)
        tasks.step()

        assert (len(tasks), tasks.next_at(), told) == (0, None, ["other", "slow"])


class TestTheHunt:
    @pytest.mark.parametrize("name", FAST)
    def test_finds_what_dies_fast(self, ground, name):
        found = hunted(ground, BY_NAME[name], days=SEEDS_MAX)

        assert 1 <= found.seed <= SEEDS_MAX

    def test_writes_its_rows_between_the_markers_and_nothing_else(self, tmp_path):
        proof = tmp_path / "proof.md"
        proof.write_text("# Proof\n\n<!-- mutants -->\nold\n<!-- /mutants -->\n\nThe rest.\n")
        killed = Found(name="slot_not_checked", seed=3, checker="a_checker", wrong="I1 LN1")
        same = Found(name="waterfall_turned_around", days=50)

        write(proof, [killed, same], days=50)

        text = proof.read_text()
        assert text.startswith("# Proof\n\n<!-- mutants -->\n2 guards removed")
        assert text.endswith("<!-- /mutants -->\n\nThe rest.\n")
        assert "| 3 | a checker: I1 LN1 |" in text
        assert "no difference: rounds and borrowers pay whole dues" in text

    def test_writes_a_row_anew_and_leaves_the_others(self, tmp_path):
        proof = tmp_path / "proof.md"
        proof.write_text("<!-- mutants --><!-- /mutants -->")
        alive = Found(name="slot_not_checked", days=9)
        killed = Found(name="hold_not_checked", seed=3, checker="a_checker", wrong="I7 LN1")
        write(proof, [alive, killed], days=9)
        assert "1 are noticed within 9 days, 0 make no difference and say why, 1 are" in (
            proof.read_text()
        )

        write(proof, [replace(alive, seed=8, checker="a_checker", wrong="I8 LN2")], days=9)

        text = proof.read_text()
        assert "2 guards removed, one at a time: 2 are noticed within 9 days" in text
        assert "| 8 | a checker: I8 LN2 |" in text
        assert "| 3 | a checker: I7 LN1 |" in text
        assert "**lives**" not in text
