"""Whatever stands behind the FileBook port, it keeps these promises."""

from dataclasses import replace

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.files import DynamoFiles
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import FileRecord, FileState
from tests.builders import at
from tests.fakes import Outside
from tests.fakes_files import LOANS_KEY, FakeFiles

LANDED = FileRecord(
    object_key=LOANS_KEY, sha256="a" * 64, kind="loans", landed_at=at(9), manifest_sha256="b" * 64
)
APPLIED = replace(
    LANDED,
    state=FileState.APPLIED,
    rows=9,
    amount=Money(-5),
    applied=4,
    refused=5,
    finished_at=at(10),
    reason="superseded by version 2",
)
QUARANTINED = replace(LANDED, state=FileState.QUARANTINED, finished_at=at(10), reason="cut")


@pytest.fixture(params=["fake", "dynamodb"])
def files(request):
    if request.param == "fake":
        yield FakeFiles(Outside())
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.FileRow.create_table()
        yield DynamoFiles()


class TestFileBook:
    def test_gives_back_what_it_was_given(self, files):
        assert files.land(LANDED) == LANDED
        assert files.get(LOANS_KEY, LANDED.sha256) == LANDED
        files.finish(APPLIED)

        assert files.get(LOANS_KEY, LANDED.sha256) == APPLIED

    def test_lets_whoever_comes_second_join(self, files):
        files.land(LANDED)

        assert files.land(replace(LANDED, landed_at=at(11))) == LANDED

    @pytest.mark.parametrize("ended", [APPLIED, QUARANTINED], ids=lambda end: end.state)
    def test_ends_a_file_once(self, files, ended):
        files.land(LANDED)
        files.finish(ended)
        files.finish(replace(ended, finished_at=at(12), applied=99))

        assert files.land(LANDED) == ended

    def test_lets_a_quarantined_file_land_again_under_another_manifest(self, files):
        files.land(LANDED)
        files.finish(QUARANTINED)
        anew = replace(LANDED, manifest_sha256="c" * 64, landed_at=at(11))

        assert files.land(anew) == anew
        assert files.get(LOANS_KEY, LANDED.sha256) == anew

    def test_never_lets_an_applied_file_land_again(self, files):
        files.land(LANDED)
        files.finish(APPLIED)

        assert files.land(replace(LANDED, manifest_sha256="c" * 64)) == APPLIED

    def test_lists_whatever_came_under_a_key(self, files):
        files.land(LANDED)
        files.land(replace(LANDED, sha256="d" * 64))
        files.land(replace(LANDED, object_key="in/loans/20261124/loans_v2.csv"))

        assert [record.sha256[0] for record in files.of_key(LOANS_KEY)] == ["a", "d"]

    def test_knows_nothing_of_what_never_came(self, files):
        assert files.get(LOANS_KEY, "a" * 64) is None
        assert list(files.of_key(LOANS_KEY)) == []
