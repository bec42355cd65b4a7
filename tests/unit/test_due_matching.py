"""Two due lists, compared field by field: in the engine and on paper the same."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters import due_matching, file_writer
from chalicelib.adapters.due_matching import DueFile, as_file, match
from chalicelib.adapters.file_dialects import CsvFormat, Dialect
from chalicelib.adapters.funder_layouts import DUE
from chalicelib.adapters.funders import read_dialects
from chalicelib.domain.due_comparison import (
    DifferenceLine,
    DueDifference,
    Match,
    Tally,
    compare,
    difference_lines,
)
from chalicelib.domain.funder import DueLine
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import UnusableFileError
from tests.builders import TODAY
from tests.fakes_funder_files import a_due_line

small = st.integers(0, 2).map(Money)


@st.composite
def lists(draw) -> list[DueLine]:
    keys = draw(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 2)), unique=True))
    return [
        a_due_line(
            loan_id,
            instalment_no=number,
            due_on=TODAY.replace(day=draw(st.integers(23, 24))),
            principal=(draw(small), draw(small)),
            penalty=(draw(small), draw(small)),
        )
        for loan_id, number in keys
    ]


@given(lists(), lists())
def test_the_engine_finds_what_is_found_on_paper(theirs, ours):
    expected = compare(theirs=theirs, ours=ours)

    assert match(theirs=as_file(lambda: theirs), ours=as_file(lambda: ours)) == expected
    assert expected.theirs == sum((line.whole.total for line in theirs), Money(0))
    assert expected.ours == sum((line.whole.total for line in ours), Money(0))
    assert expected.rows == len(theirs)


@given(lists(), lists(), st.integers(0, 2))
@settings(max_examples=30)
def test_what_is_too_much_to_be_named_is_counted_all_the_same(theirs, ours, named_max):
    whole = compare(theirs=theirs, ours=ours)
    expected = replace(whole, differences=whole.differences[:named_max])

    assert compare(theirs=theirs, ours=ours, named_max=named_max) == expected
    assert (
        match(theirs=as_file(lambda: theirs), ours=as_file(lambda: ours), named_max=named_max)
        == expected
    )
    assert expected.left_out == max(0, len(whole.differences) - named_max)
    assert expected.differing_bps == whole.differing_bps


@given(lists(), lists())
@settings(max_examples=20)
def test_comparing_the_other_way_round_swaps_the_sides(theirs, ours):
    one, other = compare(theirs=theirs, ours=ours), compare(theirs=ours, ours=theirs)

    assert [(d.ours, d.theirs) for d in one.differences] == [
        (d.theirs, d.ours) for d in other.differences
    ]
    assert one.differing_bps == other.differing_bps


def test_a_difference_is_told_field_by_field():
    ours = a_due_line("LN1")
    theirs = replace(ours, due_on=TODAY.replace(day=1), interest=Money(7), funder_interest=Money(7))
    strange = a_due_line("LN2", principal=(Money(70), Money(30)))

    found = compare(theirs=[theirs, strange], ours=[ours])

    assert found.tallies[Match.DIFFERS] == Tally(
        count=1, theirs=theirs.whole.total, ours=ours.whole.total
    )
    assert list(difference_lines(found.differences)) == [
        DifferenceLine(
            loan_id="LN1",
            instalment_no=1,
            difference=Match.DIFFERS,
            field="due_on",
            their_due_on=theirs.due_on,
            our_due_on=ours.due_on,
        ),
        DifferenceLine(
            loan_id="LN1",
            instalment_no=1,
            difference=Match.DIFFERS,
            field="interest",
            theirs=Money(7),
            ours=ours.interest,
        ),
        DifferenceLine(
            loan_id="LN1",
            instalment_no=1,
            difference=Match.DIFFERS,
            field="funder_interest",
            theirs=Money(7),
            ours=ours.funder_interest,
        ),
        DifferenceLine(
            loan_id="LN2",
            instalment_no=1,
            difference=Match.ONLY_THEIRS,
            theirs=Money(2100),
            their_due_on=strange.due_on,
        ),
    ]


def test_a_difference_that_nobody_has_is_none():
    with pytest.raises(ValueError, match="nobody"):
        DueDifference(theirs=None, ours=None)


def test_one_of_a_thousand_is_more_than_nothing():
    lines = [a_due_line(f"LN{number}") for number in range(30_000)]

    assert compare(theirs=lines[1:], ours=lines).differing_bps == 1


@pytest.mark.parametrize("name", [*read_dialects(), "quoted"])
def test_a_list_is_compared_in_whatever_dialect(name):
    lines = [a_due_line("LN1"), a_due_line("LN2", principal=(Money(5), Money(0)))]
    dialect = read_dialects().get(name, Dialect())
    body = file_writer.write(lines, layout=DUE, dialect=dialect).body
    if name == "quoted":
        body = body.replace(b"LN1", b'"LN1"')
    theirs = DueFile(form=CsvFormat(layout=DUE, dialect=dialect), opened=lambda: [body])

    found = match(theirs=theirs, ours=as_file(lambda: lines))

    assert found.differences == ()
    assert found.tallies[Match.EQUAL].count == 2


def test_a_bad_line_or_one_that_stands_twice_is_never_compared():
    lines = [a_due_line("LN1")]
    body = file_writer.write(lines, layout=DUE).body
    for bad in (b"2026-11-31", b"2026-11-2", b""):
        spoilt = body.replace(f"{TODAY}".encode(), bad)
        theirs = DueFile(form=CsvFormat(layout=DUE), opened=lambda spoilt=spoilt: [spoilt])
        with pytest.raises(UnusableFileError):
            match(theirs=theirs, ours=as_file(lambda: lines))
    with pytest.raises(UnusableFileError, match="line 3: stands in the file twice"):
        match(theirs=as_file(lambda: lines * 2), ours=as_file(lambda: lines))


def test_without_the_engine_lists_are_compared_on_paper(monkeypatch):
    monkeypatch.setattr(due_matching, "is_here", lambda: False)
    lines = [a_due_line("LN1"), a_due_line("LN2")]

    found = match(theirs=as_file(lambda: lines), ours=as_file(lambda: lines[:1]))

    assert found == compare(theirs=lines, ours=lines[:1])
    with pytest.raises(UnusableFileError, match="stands in the file twice"):
        match(theirs=as_file(lambda: lines * 2), ours=as_file(lambda: lines))
