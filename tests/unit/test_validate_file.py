"""The sample files of funders, good and bad: what `validate-file` says of each, and the intake.

`failures` in a golden file are the rows of the catalogue of faults that it stands for.
"""

import hashlib
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

        without = () if path.with_suffix(".csv.ok").exists() else ("--no-manifest",)

        code, said, _ = validated(capsys, path, "--kind", told["kind"], *whose, *without, "--json")

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
        path = SAMPLES / "due_parts_do_not_add_up.csv"

        code, said, _ = validated(capsys, path, "--kind", "due", "--no-manifest")

        assert code == 1
        assert said.startswith("3 rows, 3,040.01 元, 3 faults (manifest: left out, as asked)\n")
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

    def test_misses_a_manifest_where_one_is_agreed(self, tmp_path, capsys):
        path = tmp_path / "due.csv"
        path.write_bytes(GOOD.read_bytes())

        code, said, _ = validated(capsys, path, "--kind", "due", "--funder", "F1")
        assert (code, "1 fault (manifest: missing)" in said) == (1, True)

        assert validated(capsys, path, "--kind", "due", "--no-manifest")[0] == 0

    def test_says_what_it_has_not_looked_at(self, capsys):
        _, said, _ = validated(capsys, GOOD, "--kind", "due")
        assert "not checked: name, date, version and size" in said

        _, said, _ = validated(capsys, GOOD, "--kind", "due", "--key", KEY.format(1))
        assert "not checked: name" not in said and "not checked: whether" in said

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            ("in/funders/F1/due/20261124/due_1.csv", "no file of this name is expected"),
            ("in/funders/F1/due/20261131/due_v1.csv", "no file of this name is expected"),
            (
                "in/funders/F1/confirmations/20261124/confirmation_v1.csv",
                "the name of another kind of file: funder_confirmation",
            ),
            ("in/funders/F2/due/20261124/due_v1.csv", "the name of another funder's file"),
        ],
    )
    def test_holds_a_name_against_kind_and_funder(self, key, reason, capsys):
        code, said, _ = validated(
            capsys, GOOD, "--kind", "due", "--funder", "F1", "--key", key, "--json"
        )

        assert code == 1
        assert [fault["reason"] for fault in json.loads(said)["faults"]] == [reason]

    def test_knows_by_the_name_which_rounds_and_times_results_can_have(self, tmp_path, capsys):
        path, folder = tmp_path / "results.csv", "in/funders/F3/results/20261124"
        good = (SAMPLES / "results_good_with_backticks.csv").read_text()
        path.write_text(good.replace("`1|`SUCCEEDED", "`3|`SUCCEEDED", 1))
        asked = (path, "--kind", "results", "--no-manifest", "--json", "--key")

        code, said, _ = validated(capsys, *asked, f"{folder}/results_r1_v1.csv")
        assert code == 1
        assert "the funder has no such round" in said

        code, said, _ = validated(
            capsys, *asked, "in/funders/F3/results/20260101/results_r3_v21.csv"
        )
        reasons = {fault["reason"] for fault in json.loads(said)["faults"]}
        assert {"the funder has no such round", "more than 20 versions"} <= reasons
        assert any(reason.startswith("after 2026-01-01") for reason in reasons)

    def test_knows_what_does_not_go_between_a_funder_and_us(self, capsys):
        code, _, complaint = validated(capsys, GOOD, "--kind", "due", "--funder", "F3")

        assert code == 2
        assert complaint.endswith("no due file goes between F3 and us, only results\n")

    def test_names_what_is_wrong_with_loans_together(self, capsys):
        path = SAMPLES.parent / "loans_v1.csv"
        reasons = json.loads(path.with_suffix(".csv.reasons.json").read_text())["reasons"]

        _, said, _ = validated(capsys, path, "--kind", "loans", "--json")

        unserved = "a mode that is not served"  # is the stage's own, and here all are
        told = json.loads(said)["faults"]
        assert told == [each for each in reasons if each["reason"] != unserved]

    def test_one_bad_amount_is_one_fault_whatever_proves_the_file_whole(self, tmp_path, capsys):
        chinese = (SAMPLES / "due_good_in_gb18030_with_trailer.csv").read_text("gb18030")
        trailed = tmp_path / "trailed.csv"
        trailed.write_text(chinese.replace("1000.00", "1OOO.00", 1), "gb18030")
        sealed = tmp_path / "sealed.csv"
        sealed.write_bytes(GOOD.read_bytes().replace(b",100000,", b",1ooooo,", 1))
        manifest = json.loads(GOOD.with_suffix(".csv.ok").read_bytes())
        digest = hashlib.sha256(sealed.read_bytes()).hexdigest()
        (tmp_path / "sealed.csv.ok").write_text(json.dumps({**manifest, "sha256": digest}))

        for path, funder in ((trailed, "F2"), (sealed, "F1")):
            code, said, _ = validated(capsys, path, "--kind", "due", "--funder", funder)
            assert (code, "1 fault " in said) == (1, True), said

    def test_guesses_why_it_finds_one_column_only(self, capsys):
        path = SAMPLES / "results_good_with_backticks.csv"

        _, said, _ = validated(capsys, path, "--kind", "results", "--no-manifest")

        assert "one column only: another separator, dialect or funder?" in said

    def test_names_a_missing_column_as_its_dialect_does(self, tmp_path, capsys):
        chinese = (SAMPLES / "due_good_in_gb18030_with_trailer.csv").read_text("gb18030")
        path = tmp_path / "due.csv"
        path.write_text(chinese.replace("罚息", "滞纳金", 1), "gb18030")

        _, said, _ = validated(capsys, path, "--kind", "due", "--funder", "F2", "--json")

        (fault,) = json.loads(said)["faults"]
        assert (fault["column"], fault["reason"]) == ("罚息", "column missing")
