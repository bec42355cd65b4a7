"""Funders' files, spoilt in every way: no crash, nothing wrong passes, every refusal has a reason.

And screening a due file at once finds what reading it row by row finds.
"""

import os
from collections import Counter

import pytest

from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_engine import Engine
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.adapters.file_spool import NotPlainError
from chalicelib.flows import landing
from chalicelib.flows.file_ports import FAULTS_MAX, Census, UnusableFileError
from chalicelib.flows.landing import Applied, Batch, Outcome, Route
from tests.fakes_files import TOMORROW_AT_TEN, FileWorld
from tests.fuzz import manifests
from tests.fuzz.counting import many
from tests.fuzz.files import FUNDER_CASES, Case, Input, an_input
from tests.fuzz.test_fuzz_files import check_lines, chunks, expectation, is_true, noted, told

INPUTS = int(os.environ.get("FUZZ_INPUTS", "500"))
DUE_CASES = {name: case for name, case in FUNDER_CASES.items() if case.kind == "due"}


def check(made: Input, case: Case) -> str:
    """Take a file in and hold it against the other reading; say in a word what became of it."""
    expected = expectation(made.body, case)
    check_lines(made.body, case, expected)
    world, applied = FileWorld(), []

    def apply(batch: Batch, _now) -> Applied:
        applied.extend(batch.lines())
        return Applied(applied=len(applied))

    key = f"in/funders/F1/{case.kind}/20261124/{case.kind}_v1.csv"
    route = Route(
        kind=case.kind,
        folder=f"in/funders/F1/{case.kind}",
        stem=case.kind,
        format=CsvFormat(layout=case.layout, dialect=case.dialect),
        apply=apply,
    )
    world.drop(key, made.body, made.manifest)
    desk = landing.Desk(objects=world.objects, files=world.files, routes=(route,))
    taken = landing.take(key=key, now=TOMORROW_AT_TEN, desk=desk)
    is_good = (
        expected is not None
        and all(line.values is not None for line in expected)
        and (made.manifest is None or is_true(made.manifest, made.body, expected))
    )
    if taken.outcome is Outcome.QUARANTINED:
        assert not is_good, "a good file was refused"
        assert not applied
        reasons = world.reasons(key)
        assert reasons and all(each["reason"] for each in reasons)
        if expected is not None and (
            made.manifest is None or made.manifest == manifests.honest(made.body, expected)
        ):
            spoils = {line.number for line in expected if line.values is None}
            assert {each["line"] for each in reasons} == spoils or len(reasons) == FAULTS_MAX
        return "quarantined"
    assert taken.outcome is Outcome.APPLIED
    assert is_good, "a bad file was applied"
    assert [told(line) for line in applied] == expected
    return "applied"


@pytest.mark.parametrize("name", FUNDER_CASES)
def test_spoilt_funder_files_are_read_as_agreed_or_refused(name):
    case = FUNDER_CASES[name]

    def one(seed: str) -> str:
        made = an_input(seed, case, [])
        return noted(lambda: check(made, case), made)

    counted = many(name, INPUTS, one)
    assert counted["applied"]
    assert counted["quarantined"]


# --- screening --------------------------------------------------------------------------


@pytest.mark.parametrize("name", DUE_CASES)
def test_screening_says_of_every_row_what_the_row_reader_says(name, monkeypatch):
    case, screened = DUE_CASES[name], Counter()
    load = Engine.load

    def loaded(self, *given):
        spooled = load(self, *given)
        screened["odd" if spooled.odd else "plain"] += 1
        return spooled

    monkeypatch.setattr(Engine, "load", loaded)

    def one(seed: str) -> str:
        made = an_input(seed, case, [])
        return noted(lambda: check_screening(made.body, case), made)

    counted = many(f"screened {name}", max(INPUTS // len(DUE_CASES), 1), one)
    assert counted["sound"] and counted["faults"] and counted["refused"]
    assert screened["plain"] and screened["odd"]


def check_screening(body: bytes, case: Case) -> str:
    given = {"layout": case.layout, "dialect": case.dialect}
    row_by_row = verdict(CsvFormat(**given), body)
    screening = ScreenedFormat(**given, lines_min=0)
    try:
        found = screening._screened(lambda: chunks(body, 4096), takes_good_lines=False)
    except UnusableFileError:
        # The row reader says why: of two reasons it may meet another one first.
        assert not isinstance(row_by_row, Census)
        found = row_by_row
    except NotPlainError as error:
        if "engine" in str(error):
            raise
        found = row_by_row
    assert found == row_by_row
    if not isinstance(row_by_row, Census):
        return "refused"
    return "faults" if row_by_row.faults else "sound"


def verdict(form: CsvFormat, body: bytes) -> object:
    try:
        return form.census(lambda: chunks(body, 4096))
    except UnusableFileError as error:
        return error.faults
