"""bin/afterloan drop, files, runs: what they put, and what they say became of it."""

import argparse
import json
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from chalicelib import wiring
from chalicelib.domain.loan import Mode
from infra import files, looking
from infra.local import business_day
from infra.local.office import CommandError
from tests.builders import TODAY

GOLDEN = Path(__file__).parents[1] / "golden"
LOANS = GOLDEN / "loans_v1.csv"
GOOD_DUE = GOLDEN / "funders" / "due_good.csv"
CHINESE_DUE = GOLDEN / "funders" / "due_good_in_gb18030_with_trailer.csv"
CUT_DUE = GOLDEN / "funders" / "due_without_its_trailer.csv"
TOO_MUCH_SAID = GOLDEN / "funders" / "due_manifest_says_otherwise.csv"


@pytest.fixture
def bucket(house, monkeypatch):
    """The house serves all modes, and takes in what was dropped while a command waits."""
    monkeypatch.setenv("SERVED_MODES", ",".join(sorted(Mode)))
    house.restart()

    def taken(_cloud):
        for key in wiring.object_store().keys("in/"):
            record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}}
            house.invoke("file_landed", json.dumps({"Records": [record]}))

    monkeypatch.setattr(business_day, "wait_until_quiet", taken)
    return wiring.object_store()


def dropped(path: Path, key: str, **more: object) -> int:
    given = {"file": path, "key": key, "stage": "local", "json": False, "dry_run": False, **more}
    return files.drop(argparse.Namespace(**given))


def due_key(funder_id: str = "F1", version: int = 1) -> str:
    return f"in/funders/{funder_id}/due/{TODAY:%Y%m%d}/due_v{version}.csv"


class TestDrop:
    @pytest.mark.parametrize("has_own", [True, False], ids=["beside it", "made"])
    def test_sends_the_manifest_that_its_kind_asks_for(self, bucket, tmp_path, has_own, capsys):
        path = GOOD_DUE if has_own else tmp_path / "due.csv"
        path.write_bytes(GOOD_DUE.read_bytes())

        assert dropped(path, due_key()) == 0

        manifest = json.loads(bucket.read(due_key() + ".ok"))
        assert (manifest["rows"], manifest["amount_fen"]) == (4, 406011)
        assert "waiting for our due list of its date" in capsys.readouterr().out

    def test_writes_no_manifest_where_a_trailer_is_agreed(self, bucket, capsys):
        assert dropped(CHINESE_DUE, due_key("F2")) == 0

        assert list(bucket.keys("in/")) == [due_key("F2")]
        said = capsys.readouterr().out
        assert "manifest  none: a trailer is agreed" in said and "waiting for" in said

    def test_fails_and_says_why_a_file_was_not_taken(self, bucket, capsys):
        assert dropped(CUT_DUE, due_key("F2")) == 1

        said = capsys.readouterr().out
        reasons = f"quarantine/{due_key('F2')}.reasons.json"
        assert "outcome   quarantined: the trailer is missing: the file is cut" in said
        assert f"reasons   {reasons}" in said and bucket.head(reasons) is not None

    def test_says_that_it_knows_a_file_and_how_that_ended(self, bucket, capsys):
        assert [dropped(CUT_DUE, due_key("F2")) for _ in range(2)] == [1, 1]

        assert "known: these bytes came before, and are quarantined" in capsys.readouterr().out

    def test_tells_programs_the_same(self, bucket, capsys):
        assert dropped(TOO_MUCH_SAID, due_key(), json=True) == 1

        told = json.loads(capsys.readouterr().out)
        assert (told["outcome"], told["kind"]) == ("quarantined", "funder_due")

    def test_names_the_lines_that_were_refused_of_a_file_that_was_taken(self, bucket, capsys):
        key = f"in/loans/{TODAY:%Y%m%d}/loans_v1.csv"

        assert dropped(LOANS, key) == 0

        said = capsys.readouterr().out
        assert "outcome   applied: 5 in, 4 refused" in said
        assert "line 9     first_due_on           not after the disbursement" in said

    def test_puts_nothing_under_a_name_that_nobody_expects(self, bucket):
        with pytest.raises(CommandError, match="F3 sends results"):
            dropped(GOOD_DUE, due_key("F3"))

        assert list(bucket.keys("in/")) == []

    def test_only_says_what_it_would_do(self, bucket, capsys):
        assert dropped(GOOD_DUE, due_key(), dry_run=True) == 0

        assert list(bucket.keys("in/")) == []
        assert '"amount_fen": 406011' in capsys.readouterr().out


def test_a_file_of_a_kind_that_a_funder_does_not_send_is_taken_by_nobody(bucket):
    files.put(due_key("F3"), GOOD_DUE.read_bytes(), None)
    business_day.wait_until_quiet(None)

    (told,) = files.of_date(TODAY)
    assert (told["outcome"], told["reason"]) == (
        "quarantined",
        "no file of this name is expected",
    )


class TestFiles:
    def test_tells_what_became_of_each_of_a_date(self, bucket):
        dropped(CUT_DUE, due_key("F2"))
        dropped(GOOD_DUE, due_key("F1"))
        files.put(due_key("F1", 2), GOOD_DUE.read_bytes(), None)

        found = {told["key"]: told for told in files.of_date(TODAY)}

        assert {key: told["outcome"] for key, told in found.items()} == {
            due_key("F1"): "waiting",
            due_key("F1", 2): "waiting",
            due_key("F2"): "quarantined",
        }
        assert found[due_key("F1", 2)]["reason"] == "its manifest, if one is agreed"
        assert files.of_date(TODAY + timedelta(days=1)) == []

    def test_a_name_is_no_longer_untaken_once_a_better_file_lies_there(self, bucket, tmp_path):
        key = f"in/loans/{TODAY:%Y%m%d}/loans_v1.csv"
        spoilt = tmp_path / "loans.csv"
        spoilt.write_bytes(LOANS.read_bytes().replace(b"phone", b"fax"))

        assert dropped(spoilt, key) == 1
        assert [told["key"] for told in files.untaken(TODAY)] == [key]

        assert dropped(LOANS, key) == 0
        assert files.untaken(TODAY) == []
        assert {told["outcome"] for told in files.of_date(TODAY)} == {"quarantined", "applied"}

    def test_the_runs_of_a_date_end_with_the_files_that_were_not_taken(self, bucket):
        dropped(CUT_DUE, due_key("F2"))

        said = looking.runs(argparse.Namespace(stage="local", date=TODAY, json=False))

        assert "files not taken" in said
        assert f"reasons  quarantine/{due_key('F2')}.reasons.json" in said
