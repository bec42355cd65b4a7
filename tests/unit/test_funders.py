"""The catalogue of funders is data, and is refused where it makes no sense."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from chalicelib.adapters import funders
from chalicelib.adapters.file_dialects import DEFAULT, Dialect
from chalicelib.adapters.funders import IllegalCatalogueError, dialect_of
from chalicelib.domain.funder import PenaltyTo, WithoutFile

A_FUNDER = {"funder_id": "F9", "name": "九号银行"}


@pytest.fixture
def read(tmp_path):
    def read(*entries: dict, dialects: dict | None = None):
        catalogue, written = tmp_path / "funders.json", tmp_path / "dialects.json"
        catalogue.write_text(json.dumps(entries))
        written.write_text(json.dumps({"default": {}} if dialects is None else dialects))
        return funders.read(catalogue, written)

    return read


class TestTheShippedCatalogue:
    def test_has_two_joint_lenders_and_one_that_is_assisted(self):
        found = funders.read()

        assert list(found) == ["F1", "F2", "F3"]
        assert all(found[name].account for name in ("F1", "F2"))
        assert found["F2"].terms[2].rate == Decimal("0.09")
        assert found["F2"].terms[1].penalty_to is PenaltyTo.SHARE
        assert found["F2"].without_file is WithoutFile.GO_ON
        assert found["F3"].deductions_url

    def test_says_how_each_writes(self):
        found, dialects = funders.read(), funders.read_dialects()

        assert dialect_of(found["F1"], "due", dialects) == DEFAULT
        chinese = dialect_of(found["F2"], "due", dialects)
        assert (chinese.encoding, chinese.amount_unit, chinese.has_manifest) == (
            "gb18030",
            "yuan",
            False,
        )
        assert dialect_of(found["F3"], "results", dialects) == Dialect(
            separator="|", value_prefix="`"
        )


class TestACatalogue:
    def test_has_a_funder_once(self, read):
        with pytest.raises(IllegalCatalogueError, match="F9 stands twice"):
            read(A_FUNDER, A_FUNDER)

    def test_names_no_dialect_that_nobody_knows(self, read):
        with pytest.raises(IllegalCatalogueError, match="no such dialects: \\['klingon'\\]"):
            read(A_FUNDER | {"dialects": {"due": "klingon"}})

    def test_names_no_file_that_nobody_knows(self, read):
        with pytest.raises(IllegalCatalogueError, match="no such files: \\['dues'\\]"):
            read(A_FUNDER | {"dialects": {"dues": "default"}})

    @pytest.mark.parametrize(
        "change",
        [
            {"tolerance_bps": "500"},
            {"tolerance_bps": 10_001},
            {"tolerance": 5},
            {"without_file": "hope"},
            {"terms": {}},
            {"terms": {"2": {}}},
            {"terms": {"1": {"rate": 0.085, "penalties": "share"}}},
            {"due_by": "at seven"},
        ],
        ids=str,
    )
    def test_holds_nothing_that_is_not_well_formed(self, read, change):
        assert read(A_FUNDER)
        with pytest.raises(ValidationError):
            read(A_FUNDER | change)

    @pytest.mark.parametrize(
        "dialect",
        [
            {"encoding": "latin-1"},
            {"separator": ""},
            {"separator": '"'},
            {"separator": "-"},
            {"amount_unit": "jiao"},
            {"has_manifest": False},
            {"trailer": {"mark": "SUM", "rows_at": 0}},
            {"headers": {"a": "loan_id", "b": "loan_id"}},
            {"quote": "'"},
        ],
        ids=str,
    )
    def test_has_no_dialect_that_nobody_can_read(self, read, dialect):
        with pytest.raises(ValidationError):
            read(A_FUNDER, dialects={"default": dialect})
