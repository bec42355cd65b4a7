"""The sample files of funders, good and bad: what `validate-file` says of each, and the intake.

`failures` in a golden file are the rows of the catalogue of faults that it stands for.
"""

import json
import os
from pathlib import Path

import pytest

from chalicelib.adapters import funders
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_manifests import manifest_of
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.adapters.funder_layouts import CONFIRMATION, FUNDER_LAYOUTS
from chalicelib.domain.money import ZERO
from chalicelib.flows import landing
from chalicelib.flows.file_ports import UnusableFileError
from chalicelib.flows.landing import Applied, Outcome, Route
from infra.commands import main
from tests.fakes_files import TOMORROW_AT_TEN, FileWorld

SAMPLES = Path(__file__).parents[1] / "golden" / "funders"
FILES = sorted(SAMPLES.glob("*.csv"))
KEY = "in/funders/F1/due/20261124/due_v{}.csv"
GOOD = SAMPLES / "due_good.csv"


@pytest.fixture(autouse=True)
def _environment():
    """Leave the environment as it was: the command points it at the local cloud."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def expected_of(path: Path) -> dict:
    return json.loads(path.with_suffix(".faults.json").read_text())


def form_of(told: dict, kind=CsvFormat, **more) -> CsvFormat:
    funder = funders.read().get(told["funder"])
    dialect = funders.dialect_of(funder, told["kind"], funders.read_dialects()) if funder else None
    chosen = {"dialect": dialect} if dialect else {}
    return kind(layout=FUNDER_LAYOUTS[told["kind"]], **chosen, **more)


def validated(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["validate-file", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_there_are_samples_of_every_fault_a_file_may_have():
    assert len(FILES) >= 20
    assert {row for path in FILES for row in expected_of(path)["failures"]} >= {
        67, 68, 69, 70, 72, 73, 74, 75, 81, 85,
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestASample:
    def test_is_told_with_every_bad_line(self, path, capsys):
        told = expected_of(path)
        whose = ("--funder", told["funder"]) if told["funder"] else ()

        code, said, _ = validated(capsys, path, "--kind", told["kind"], *whose, "--json")

        assert (code, json.loads(said)) == (told["exit"], told["found"])
        assert (code == 0) == ("good" in path.stem)

    def test_is_taken_in_by_the_same_verdict(self, path):
        told, body = expected_of(path), path.read_bytes()
        world, form = FileWorld(), form_of(told, ScreenedFormat, lines_min=0)
        manifest = path.with_suffix(".csv.ok")
        world.drop(
            KEY.format(1),
            body,
            manifest.read_bytes()
            if manifest.exists()
            else manifest_of(body=body, rows=told["found"]["rows"], amount=ZERO),
        )

        taken = take(world, KEY.format(1), form)

        if told["exit"]:
            assert taken.outcome is Outcome.QUARANTINED
            reasons = world.reasons(KEY.format(1))
            # Where the file fails as a whole, or its manifest, the intake says this alone.
            assert reasons and all(each in told["found"]["faults"] for each in reasons)
            assert world.objects.bodies[f"quarantine/{KEY.format(1)}"] == body
        else:
            assert (taken.outcome, taken.applied) == (Outcome.APPLIED, told["found"]["rows"])

    def test_is_screened_as_it_is_read(self, path):
        told, body = expected_of(path), path.read_bytes()

        assert verdict(form_of(told, ScreenedFormat, lines_min=0), body) == verdict(
            form_of(told), body
        )


def verdict(form: CsvFormat, body: bytes) -> object:
    try:
        return form.census(lambda: [body])
    except UnusableFileError as error:
        return error.faults


def take(world: FileWorld, key: str, form: CsvFormat) -> landing.Taken:
    route = Route(
        kind="due",
        folder="in/funders/F1/due",
        stem="due",
        format=form,
        apply=lambda batch, _now: Applied(applied=sum(1 for _ in batch.lines())),
    )
    desk = landing.Desk(objects=world.objects, files=world.files, routes=(route,))
    return landing.take(key=key, now=TOMORROW_AT_TEN, desk=desk)


def test_the_same_bytes_twice_are_one_file_and_other_bytes_another_version():
    world, form = FileWorld(), form_of(expected_of(GOOD), ScreenedFormat)
    body, manifest = GOOD.read_bytes(), GOOD.with_suffix(".csv.ok").read_bytes()
    world.drop(KEY.format(1), body, manifest)

    outcomes = [take(world, KEY.format(1), form).outcome for _ in range(2)]

    assert outcomes == [Outcome.APPLIED, Outcome.KNOWN]
    world.drop(KEY.format(2), body, manifest)
    assert take(world, KEY.format(2), form).outcome is Outcome.APPLIED


def test_a_file_that_is_too_large_is_not_even_read():
    world, form = FileWorld(), form_of(expected_of(GOOD))
    world.drop(KEY.format(1), GOOD.read_bytes(), GOOD.with_suffix(".csv.ok").read_bytes())
    route = Route(
        kind="due",
        folder="in/funders/F1/due",
        stem="due",
        format=form,
        apply=lambda _batch, _now: pytest.fail("it was read"),
        bytes_max=100,
    )
    desk = landing.Desk(objects=world.objects, files=world.files, routes=(route,))

    taken = landing.take(key=KEY.format(1), now=TOMORROW_AT_TEN, desk=desk)

    assert (taken.outcome, taken.reason) == (Outcome.QUARANTINED, "larger than 100 bytes")


def test_a_formula_from_outside_is_kept_as_it_came():
    path = SAMPLES / "confirmation_good_with_formula.csv"

    lines = list(CsvFormat(layout=CONFIRMATION).lines([path.read_bytes()]))

    assert lines[1].record.reason == '=HYPERLINK("http://funder.example","利息不同")'


class TestTheCommand:
    def test_says_it_in_words(self, capsys):
        code, said, _ = validated(capsys, SAMPLES / "due_parts_do_not_add_up.csv", "--kind", "due")

        assert code == 1
        assert said.startswith("3 rows, 3,040.01 元, 3 faults (manifest: not there, not checked)\n")
        assert "line 2" in said and "do not add up" in said

    def test_reads_a_manifest_from_another_place(self, capsys):
        other = SAMPLES / "due_manifest_says_otherwise.csv.ok"

        code, said, _ = validated(capsys, GOOD, "--kind", "due", "--manifest", other)

        assert code == 1
        assert "4, not the manifest's 5" in said

    def test_reads_in_a_dialect_by_its_name(self, capsys):
        path = SAMPLES / "results_good_with_backticks.csv"

        assert validated(capsys, path, "--kind", "results", "--dialect", "pipe-backtick")[0] == 0
        assert validated(capsys, path, "--kind", "results", "--dialect", "default")[0] == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            ("nothing.csv", "--kind", "due"),
            (GOOD, "--kind", "due", "--funder", "F9"),
            (GOOD, "--kind", "due", "--dialect", "klingon"),
            (GOOD, "--kind", "due", "--manifest", "nothing.ok"),
        ],
        ids=str,
    )
    def test_says_what_is_not_there(self, wrong, capsys):
        code, said, complaint = validated(capsys, *wrong)

        assert (code, said) == (2, "")
        assert complaint.startswith("afterloan validate-file: no ")
