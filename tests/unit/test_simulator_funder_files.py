"""The funder's files: dialects, what is written, what is believed, and how it is spoilt."""

import hashlib
import json

import pytest

from simulators.funder_dialects import (
    CHINESE,
    COLUMNS,
    DIALECTS,
    UnusableFileError,
    dialect_of,
    read,
    written,
)
from simulators.funder_mutations import (
    FORMULA,
    MUTATIONS,
    STRANGER,
    UnknownMutationError,
    mutation_of,
    spoilt,
)

DEFAULT = DIALECTS["default"]


def a_due(n):
    return {
        "loan_id": f"LN{n}",
        "instalment_no": n,
        "due_on": "2026-02-15",
        "principal_fen": 100_00,
        "interest_fen": 10_00 + n,
        "penalty_fen": 0,
        "funder_principal_fen": 70_00,
        "funder_interest_fen": 7_00,
        "funder_penalty_fen": 0,
        "platform_principal_fen": 30_00,
        "platform_interest_fen": 3_00 + n,
        "platform_penalty_fen": 0,
    }


ROWS = [a_due(n) for n in range(1, 4)]


def spoil(*kinds, rows=ROWS, kind="due", dialect=DEFAULT):
    return spoilt(kind, rows, dialect, [mutation_of(each) for each in kinds])


def body_lines(made):
    return made.file.body.decode().splitlines()[1:]


class TestDialects:
    def test_the_contracts_own_is_the_file_of_the_contract(self):
        file = written("due", ROWS[:1], DEFAULT)

        assert file.body.decode() == (
            "loan_id,instalment_no,due_on,principal_fen,interest_fen,penalty_fen,"
            "funder_principal_fen,funder_interest_fen,funder_penalty_fen,"
            "platform_principal_fen,platform_interest_fen,platform_penalty_fen\n"
            "LN1,1,2026-02-15,10000,1001,0,7000,700,0,3000,301,0\n"
        )
        assert json.loads(file.manifest) == {
            "rows": 1,
            "amount_fen": 110_01,
            "sha256": hashlib.sha256(file.body).hexdigest(),
        }

    def test_chinese_names_yuan_and_a_trailer_stand_for_a_manifest(self):
        file = written("due", ROWS[:2], DIALECTS["gb18030-trailer"])
        header, first, _, trailer = file.body.decode("gb18030").splitlines()

        assert file.manifest is None
        assert header.startswith("借据号,期次,应还日,本金,利息,罚息,资金方本金")
        assert first == "LN1,1,2026-02-15,100.00,10.01,0.00,70.00,7.00,0.00,30.00,3.01,0.00"
        assert trailer == "合计,2,220.03"

    def test_a_prefix_stands_before_every_cell(self):
        body = written("due", ROWS[:1], DIALECTS["pipe-backtick"]).body.decode()

        assert body.startswith("`loan_id|`instalment_no|")
        assert "\n`LN1|`1|`2026-02-15|`10000|" in body

    def test_every_column_has_a_chinese_name(self):
        named = set(CHINESE.values())

        assert all(set(columns) <= named for columns in COLUMNS.values())

    @pytest.mark.parametrize("name", DIALECTS)
    def test_what_is_written_is_read(self, name):
        file = written("due", ROWS, DIALECTS[name])

        rows = read("due", file.body, file.manifest, DIALECTS[name])

        assert rows == [{column: str(cell) for column, cell in row.items()} for row in ROWS]

    def test_is_given_as_data_too(self):
        dialect = dialect_of({"separator": ";", "amount_unit": "yuan", "has_manifest": True})

        assert written("due", ROWS[:1], dialect).body.splitlines()[1].startswith(b"LN1;1;")

    @pytest.mark.parametrize(
        "given",
        [
            "klingon",
            7,
            {"colour": "red"},
            {"encoding": "nothing-such"},
            {"amount_unit": "dollars"},
            {"has_manifest": False},
        ],
    )
    def test_others_are_refused(self, given):
        with pytest.raises(ValueError, match=r"."):
            dialect_of(given)


class TestReading:
    @pytest.mark.parametrize(
        ("spoiling", "reason"),
        [
            (lambda body: body[:-1], "cut"),
            (lambda body: body.replace(b"10000", b"10001", 1), "amount_fen, sha256"),
            (lambda body: body.replace(b"10000", b"1e4", 1), "no amount"),
            (lambda body: body.replace(b"LN1", b"LN9", 1), "does not tie: sha256"),
            (lambda body: body.replace(b"due_on", b"due_at"), "columns missing: due_on"),
            (lambda body: body.replace(b"LN2,", b"LN2,,"), "13 cells, not 12"),
            (lambda body: body.replace(b"LN2", b"\xff"), "not readable"),
            (lambda body: b"", "empty"),
        ],
    )
    def test_believes_nothing_that_does_not_tie(self, spoiling, reason):
        file = written("due", ROWS, DEFAULT)

        with pytest.raises(UnusableFileError, match=reason):
            read("due", spoiling(file.body), file.manifest, DEFAULT)

    @pytest.mark.parametrize("manifest", [None, b"{", b"[]", b'{"rows": 3}'])
    def test_needs_the_manifest(self, manifest):
        with pytest.raises(UnusableFileError, match="manifest"):
            read("due", written("due", ROWS, DEFAULT).body, manifest, DEFAULT)

    @pytest.mark.parametrize(
        ("trailer", "reason"),
        [("", "trailer is missing"), ("合计,2,330.06\n", "tie"), ("合计,3,330.07\n", "tie")],
    )
    def test_needs_the_trailer(self, trailer, reason):
        dialect = DIALECTS["gb18030-trailer"]
        text = written("due", ROWS, dialect).body.decode("gb18030")
        assert text.endswith("合计,3,330.06\n")
        body = (text[: text.index("合计")] + trailer).encode("gb18030")

        with pytest.raises(UnusableFileError, match=reason):
            read("due", body, None, dialect)


class TestMutations:
    def test_without_any_the_file_is_true(self):
        assert spoil().file == written("due", ROWS, DEFAULT)

    def test_change_amount_still_adds_up(self):
        assert body_lines(spoil({"kind": "change_amount", "by_fen": -7}))[0] == (
            "LN1,1,2026-02-15,9993,1001,0,6993,700,0,3000,301,0"
        )

    def test_change_penalty(self):
        assert body_lines(spoil({"kind": "change_penalty", "loan_id": "LN2"}))[1] == (
            "LN2,2,2026-02-15,10000,1002,1,7000,700,1,3000,302,0"
        )

    def test_swapped_split_exchanges_the_parties(self):
        assert body_lines(spoil("swapped_split"))[0] == (
            "LN1,1,2026-02-15,10000,1001,0,3000,301,0,7000,700,0"
        )

    def test_wrong_total_does_not_add_up(self):
        assert body_lines(spoil("wrong_total"))[0] == (
            "LN1,1,2026-02-15,10001,1001,0,7000,700,0,3000,301,0"
        )

    def test_lines_go_come_and_stand_twice(self):
        made = spoil("missing_line", "duplicate_line", "extra_loan")

        assert [line.split(",")[0] for line in body_lines(made)] == ["LN2", "LN2", "LN3", STRANGER]
        assert made.hits == (
            ("missing_line", "LN1"),
            ("duplicate_line", "LN2"),
            ("extra_loan", STRANGER),
        )

    def test_missing_loan_takes_all_its_lines(self):
        rows = [*ROWS, {**a_due(1), "instalment_no": 2}]

        assert len(body_lines(spoil("missing_line", rows=rows))) == 3
        assert len(body_lines(spoil("missing_loan", rows=rows))) == 2

    def test_late_writes_nothing(self):
        assert spoil("late").file is None

    def test_formula_cell_stands_as_it_is(self):
        assert FORMULA.replace('"', '""') in spoil("formula_cell").file.body.decode()

    def test_results_and_confirmations_are_spoilt_too(self):
        result = {
            "loan_id": "LN1",
            "instalment_no": 1,
            "round": 1,
            "status": "SUCCEEDED",
            "principal_fen": 1,
            "interest_fen": 0,
            "penalty_fen": 0,
            "paid_at": "",
            "failure_code": "",
            "funder_trade_no": "T1",
        }
        answer = {"order_no": "O1", "status": "agreed", "funder_amount_fen": 5, "reason": ""}

        assert (
            ",FAILED,0,0,0,,INSUFFICIENT_FUNDS,"
            in body_lines(spoil("wrong_status", rows=[result], kind="results"))[0]
        )
        assert body_lines(spoil("reject_row", rows=[answer], kind="confirmation")) == [
            "O1,differs,5,amount differs"
        ]
        assert body_lines(spoil("change_amount", rows=[answer], kind="confirmation")) == [
            "O1,agreed,6,"
        ]

    def test_every_mutation_of_a_due_file_has_an_effect(self):
        clean = spoil().file
        for kind in MUTATIONS - {"late", "wrong_status", "reject_row", "utf8"}:
            assert spoil(kind).file != clean, kind

    def test_utf8_comes_whatever_the_dialect_says(self):
        made = spoil("utf8", dialect=DIALECTS["gb18030-trailer"])

        assert made.file.body.decode("utf-8").startswith("借据号")

    def test_truncated_keeps_the_manifest_of_the_whole(self):
        whole, made = spoil().file, spoil("truncated").file

        assert whole.body.startswith(made.body)
        assert made.manifest == whole.manifest

    def test_of_an_empty_file_hit_nothing(self):
        assert spoil("missing_line", "extra_loan", rows=[]).file == written("due", [], DEFAULT)

    @pytest.mark.parametrize(
        "given", ["explode", 7, {"loan_id": "LN1"}, {"kind": "late", "row": 1}, {"kind": 1}]
    )
    def test_others_are_refused(self, given):
        with pytest.raises(UnknownMutationError):
            mutation_of(given)
