"""Due lists are files people can read, and a list half written is none."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.due_lists import S3DueLists, UnservedModeError, line_of, written
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.funder_lines import due_lines
from chalicelib.domain.money import Components, Money
from chalicelib.flows.ports import DueLine
from tests.builders import TODAY
from tests.fakes import Outside
from tests.fakes_files import FakeObjects

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDER = "due-lists/20261124"


def a_line(loan_id: str = "LN1", *, mode: str = "self_operated", dpd: int = 0) -> DueLine:
    components = Components(principal=Money(90_00), interest=Money(9_00), penalty=Money(dpd))
    return DueLine(
        loan_id=loan_id,
        borrower_id=f"B-{loan_id}",
        mode=mode,
        product="consumer",
        due_on=TODAY - timedelta(days=dpd),
        dpd=dpd,
        amount=components.total,
        components=components,
    )


@pytest.fixture
def objects():
    return FakeObjects(Outside())


@pytest.fixture
def lists(objects):
    return S3DueLists(store=objects, modes=("self_operated", "joint_lending"))


def write(lists, *lines, round_no=1, shard=0):
    lists.write(business_date=TODAY, round_no=round_no, shard=shard, lines=lines)


def read(lists, *, round_no=1, shard=0):
    return list(lists.read(business_date=TODAY, round_no=round_no, shard=shard))


class TestDueLists:
    def test_give_back_what_they_were_given_mode_by_mode(self, lists):
        lines = (a_line("LN1"), a_line("LN2", mode="joint_lending"), a_line("LN3", dpd=30))
        write(lists, *lines)

        assert read(lists) == [lines[0], lines[2], lines[1]]

    def test_give_back_a_joint_loan_s_funder_and_both_parts_of_each_instalment(self, lists):
        lines = [
            InstalmentDue(
                instalment_no=number,
                due_on=TODAY,
                components=Components(principal=Money(100), interest=Money(9)),
                funder=Components(principal=Money(70), interest=Money(number)),
            )
            for number in (1, 2)
        ]
        joint = replace(
            a_line("LN2", mode="joint_lending"),
            funder_id="F1",
            instalments=due_lines(loan_id="LN2", lines=lines),
        )
        write(lists, joint)

        assert read(lists) == [joint]

    def test_are_files_by_mode_and_shard(self, lists, objects):
        write(lists, a_line(), shard=3)

        assert list(objects.keys("")) == [
            f"{FOLDER}/joint_lending/shard-3.jsonl",
            f"{FOLDER}/self_operated/shard-3.jsonl",
        ]

    def test_of_later_rounds_stand_in_folders_of_their_own(self, lists, objects):
        write(lists, a_line("LN1"))
        write(lists, a_line("LN2"), round_no=2)

        assert f"{FOLDER}/self_operated/round-2/shard-0.jsonl" in objects.bodies
        assert [line.loan_id for line in read(lists)] == ["LN1"]
        assert [line.loan_id for line in read(lists, round_no=2)] == ["LN2"]

    def test_may_be_empty_which_is_not_missing(self, lists):
        write(lists)

        assert read(lists) == []
        with pytest.raises(KeyError):
            lists.read(business_date=TODAY, round_no=2, shard=0)

    def test_half_written_are_missing(self, lists, objects):
        write(lists, a_line())
        del objects.bodies[f"{FOLDER}/joint_lending/shard-0.jsonl"]

        with pytest.raises(KeyError):
            read(lists)

    def test_written_again_are_the_same(self, lists, objects):
        write(lists, a_line())
        before = dict(objects.bodies)
        write(lists, a_line())

        assert objects.bodies == before

    def test_lose_no_due_of_a_mode_they_do_not_keep(self, lists):
        with pytest.raises(UnservedModeError):
            write(lists, a_line(mode="loan_assistance"))

    def test_have_a_manifest_for_each_mode(self, lists, objects):
        tally = {"count": 2, "amount_fen": 99_00}
        parts = {1: {"modes": {"self_operated": tally}}, 0: {"modes": {"self_operated": tally}}}
        lists.write_manifest(business_date=TODAY, round_no=1, parts=parts)

        assert json.loads(objects.bodies[f"{FOLDER}/self_operated/manifest.json"]) == {
            "business_date": "2026-11-24",
            "mode": "self_operated",
            "round_no": 1,
            "count": 4,
            "amount_fen": 198_00,
            "shards": {"0": tally, "1": tally},
        }
        assert json.loads(objects.bodies[f"{FOLDER}/joint_lending/manifest.json"])["count"] == 0

    def test_look_like_the_golden_file(self, objects):
        lists = S3DueLists(store=objects)
        write(lists, a_line("LN1"), a_line("LN2", dpd=7))

        expected = (GOLDEN / "shard-0.jsonl").read_bytes()
        assert objects.bodies[f"{FOLDER}/self_operated/shard-0.jsonl"] == expected


@given(st.text(min_size=1), st.integers(0, 10**12), st.integers(0, 9999))
def test_a_line_is_read_as_it_was_written(borrower_id, fen, dpd):
    line = DueLine(
        loan_id="LN1",
        borrower_id=borrower_id,
        mode="self_operated",
        product="consumer",
        due_on=TODAY,
        dpd=dpd,
        amount=Money(fen),
        components=Components(principal=Money(fen)),
    )

    assert line_of(written(line)) == line
    assert "\n" not in written(line)
