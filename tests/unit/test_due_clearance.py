"""What differs is held alone, too much holds all, and every loan is told what differs."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.deduction import SkipReason
from chalicelib.domain.due_clearance import NO_VERDICT, Verdict, facts_of, held_of, verdict_of
from chalicelib.domain.due_comparison import compare
from chalicelib.domain.funder import DueLine
from chalicelib.domain.money import Money
from tests.builders import TODAY


def a_line(loan_id: str, instalment_no: int = 1, **changes) -> DueLine:
    amounts = {
        f"{party}{part}": Money({"": 100, "funder_": 70, "platform_": 30}[party])
        for party in ("", "funder_", "platform_")
        for part in ("principal", "interest", "penalty")
    }
    facts = {"loan_id": loan_id, "instalment_no": instalment_no, "due_on": TODAY}
    return DueLine(**(facts | amounts | changes))


OURS = [a_line(f"LN{number:03}") for number in range(100)]


def differing(count: int) -> list[DueLine]:
    return [replace(line, penalty=Money(101)) for line in OURS[:count]] + OURS[count:]


@pytest.mark.parametrize(
    ("count", "verdict"),
    [(0, Verdict.GO), (1, Verdict.HOLD_LOANS), (5, Verdict.HOLD_LOANS), (6, Verdict.HOLD_ALL)],
)
def test_more_than_the_tolerance_holds_the_whole_file(count, verdict):
    compared = compare(theirs=differing(count), ours=OURS)

    assert verdict_of(compared, tolerance_bps=500) is verdict


def test_without_tolerance_one_line_holds_the_whole_file():
    assert verdict_of(compare(theirs=differing(1), ours=OURS), tolerance_bps=0) is Verdict.HOLD_ALL


def test_more_differences_than_are_named_hold_the_whole_file_whatever_the_tolerance():
    compared = compare(theirs=differing(3), ours=OURS, named_max=2)

    assert verdict_of(compared, tolerance_bps=10_000) is Verdict.HOLD_ALL
    assert (facts_of(compared)["differing"], facts_of(compared)["left_out"]) == (3, 1)
    assert verdict_of(compare(theirs=differing(3), ours=OURS), tolerance_bps=10_000) is (
        Verdict.HOLD_LOANS
    )


def test_an_empty_file_of_an_empty_list_lets_all_go():
    assert verdict_of(compare(theirs=[], ours=[]), tolerance_bps=0) is Verdict.GO


def test_every_differing_loan_is_held_with_its_first_difference():
    ours = [a_line("LN1"), a_line("LN2"), a_line("LN3"), a_line("LN3", 2), a_line("LN5")]
    theirs = [
        a_line("LN1", interest=Money(99), penalty=Money(1)),
        a_line("LN2", due_on=date(2026, 11, 25)),
        a_line("LN3"),
        a_line("LN4"),
        a_line("LN5"),
    ]

    assert held_of(compare(theirs=theirs, ours=ours)) == {
        "LN1": "instalment 1 interest: 100 here, 99 there",
        "LN2": "instalment 1 due_on: 2026-11-24 here, 2026-11-25 there",
        "LN3": "instalment 2: missing there",
        "LN4": "instalment 1: missing here",
    }


def test_without_a_verdict_nothing_goes():
    assert NO_VERDICT.why_held("LN1") == (SkipReason.FUNDER_FILE_MISSING, "")


@given(
    theirs=st.lists(st.sampled_from(OURS[:9] + differing(9)[:9]), unique_by=lambda x: x.loan_id),
    ours=st.lists(st.sampled_from(OURS[:9]), unique_by=lambda line: line.loan_id),
)
def test_both_sides_totals_tie_and_exactly_the_differing_loans_are_held(theirs, ours):
    compared = compare(theirs=theirs, ours=ours)
    facts = facts_of(compared)
    same = {line.loan_id for line in ours if line in theirs}

    assert facts["theirs_fen"] == sum(line.whole.total.fen for line in theirs)
    assert facts["ours_fen"] == sum(line.whole.total.fen for line in ours)
    counted = sum(lines["count"] for lines in facts["lines"].values())
    assert counted == len({line.loan_id for line in (*ours, *theirs)})
    assert set(held_of(compared)) == {line.loan_id for line in (*ours, *theirs)} - same
