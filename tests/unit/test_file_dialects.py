"""Files are read as their dialect says, or refused; nothing is guessed."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters import file_cells as cells
from chalicelib.adapters.file_cells import IllegalCellError, shape_of
from chalicelib.adapters.file_dialects import CsvFormat, Dialect, Trailer
from chalicelib.adapters.file_layouts import BILL, LOANS
from chalicelib.adapters.file_manifests import read_manifest
from chalicelib.adapters.file_text import text_lines
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import UnusableFileError
from tests.fakes_files import a_bill_row, a_file, a_loan_row

ROWS = [a_loan_row("LN1", borrower_name="韩梅梅"), a_loan_row("LN2", borrower_name="=HYPERLINK(1)")]
BODY = a_file(ROWS)
PLAIN = CsvFormat(layout=LOANS)


def read(body: bytes, fmt=PLAIN, *, size: int = 7) -> list:
    return list(fmt.lines(body[start : start + size] for start in range(0, len(body), size)))


def records(body: bytes, fmt=PLAIN) -> list:
    return [line.record for line in read(body, fmt)]


def refusal(body: bytes, fmt=PLAIN) -> str:
    with pytest.raises(UnusableFileError) as caught:
        read(body, fmt)
    return caught.value.faults[0].reason


class TestEncodings:
    def test_reads_utf_8_with_and_without_its_mark_and_with_either_line_end(self):
        plain = records(BODY)

        assert plain[0].borrower_name == "韩梅梅"
        assert records(b"\xef\xbb\xbf" + BODY) == plain
        assert records(a_file(ROWS, end="\r\n")) == plain

    def test_reads_gb18030_where_it_is_agreed(self):
        chinese = CsvFormat(layout=LOANS, dialect=Dialect(encoding="gb18030"))

        assert records(BODY.decode().encode("gb18030"), chinese) == records(BODY)

    def test_never_takes_one_encoding_for_the_other(self):
        chinese = CsvFormat(layout=LOANS, dialect=Dialect(encoding="gb18030"))

        assert refusal(BODY.decode().encode("gbk")) == "not utf-8"
        assert refusal(BODY, chinese) == "not gb18030"
        mojibake = a_file([a_loan_row(borrower_name="李雷")])
        assert refusal(mojibake, chinese) == "UTF-8, not gb18030"
        assert refusal(BODY.decode().encode("utf-16")) == "not utf-8"

    def test_names_the_line_that_is_not_text(self):
        with pytest.raises(UnusableFileError) as caught:
            read(BODY.replace("韩".encode(), b"\xff"))

        assert caught.value.faults[0].line == 2

    def test_refuses_lines_that_end_in_carriage_returns_alone(self):
        refusal(a_file(ROWS, end="\r"))

    def test_refuses_a_line_without_end_and_one_that_never_ends(self):
        assert refusal(BODY[:-1]) == "the line has no end: the file is cut"
        assert refusal(BODY + b"x" * 70_000) == "the line is too long"

    @pytest.mark.parametrize("size", [7, 1024 * 1024])
    def test_refuses_a_long_line_however_it_is_streamed(self, size):
        body = a_file([*ROWS, a_loan_row("LN3", borrower_name="x" * 70_000)])

        with pytest.raises(UnusableFileError, match="line 4: the line is too long"):
            read(body, size=size)

    def test_refuses_a_row_that_goes_on_over_line_after_line(self):
        """It would be kept in memory until the file ends, and a file may have 256 MiB."""
        with pytest.raises(UnusableFileError, match="the line is too long"):
            read(BODY + b'"\n",' * 40_000, size=4096)

    @given(st.binary(max_size=300), st.sampled_from(["utf-8", "gb18030"]))
    def test_any_bytes_are_lines_or_refused(self, body, encoding):
        try:
            decoded = "".join(text_lines([body], encoding))
        except UnusableFileError:
            return
        assert decoded.encode(encoding) == body.removeprefix(b"\xef\xbb\xbf")


class TestCells:
    @pytest.mark.parametrize(
        "cell",
        ["", " 1", "1 ", "+1", "1_000", "1,000", "1.0", "1e3", "1E2", "NaN", "１００", "1\u00a0"]
        + ["0x1", "٣", "--1", "1" * 16],
    )
    def test_an_amount_is_plain_digits(self, cell):
        with pytest.raises(IllegalCellError):
            cells.in_fen(cell)

    @pytest.mark.parametrize("cell", ["19.9", "19", "19.999", ".99", "1,000.00", "１.00", "1e2.00"])
    def test_yuan_have_two_decimals(self, cell):
        with pytest.raises(IllegalCellError):
            cells.in_yuan(cell)

    @given(st.integers(0, 10**14))
    def test_no_fen_is_lost_between_yuan_and_fen(self, fen):
        assert cells.in_yuan(f"{fen // 100}.{fen % 100:02}") == Money(fen)

    @pytest.mark.parametrize("cell", ["0.37", "18%", ".18", "1e-1", "-0.1", "0.1８", "36", ""])
    def test_a_rate_is_a_plain_decimal_up_to_36_percent(self, cell):
        with pytest.raises(IllegalCellError):
            cells.rate(cell)

    def test_a_rate_may_be_nothing_or_36_percent(self):
        assert [cells.rate(cell) for cell in ("0", "0.36")] == [Decimal(0), Decimal("0.36")]

    @pytest.mark.parametrize(
        "cell", ["20261124", "2026-11-31", "2026-W48-2", "24/11/2026", "9999-12-31", "2026-1-1"]
    )
    def test_a_date_is_written_in_one_way(self, cell):
        with pytest.raises(IllegalCellError):
            cells.day(cell)

    def test_a_moment_has_its_offset(self):
        assert cells.moment("2026-11-24T01:00:00Z") == cells.moment("2026-11-24T09:00:00+08:00")
        for cell in (
            "2026-11-24T09:00:00",
            "2026-11-24 09:00:00+08:00",
            "2026-11-24T25:00:00Z",
            "2026-11-24T09:00:00+08:60",
        ):
            with pytest.raises(IllegalCellError):
                cells.moment(cell)

    @pytest.mark.parametrize(
        "cell", ["", " 王", "王\u00a0", "王\x00", "王\u202e", "王" * 65, "王\n"]
    )
    def test_a_name_has_nothing_invisible(self, cell):
        with pytest.raises(IllegalCellError):
            cells.text(cell)

    @given(st.text())
    def test_a_shape_gives_nothing_away(self, cell):
        assert not set(shape_of(cell)) & set("012345678BCDEFGHIJKLMNOPQRSTUVWXYZ王李")
        assert len(shape_of(cell)) <= 32

    def test_a_formula_stays_what_it_is(self):
        assert records(BODY)[1].borrower_name == "=HYPERLINK(1)"


class TestLines:
    def test_are_found_by_the_names_of_their_columns(self):
        turned = a_file(ROWS, columns=list(reversed(ROWS[0])))

        assert records(turned) == records(BODY)

    def test_name_every_fault_with_number_and_column(self):
        bad = a_loan_row("LN3", method="magic", terms="0", phone="110") | {"loan_id": "LN 3"}
        line = read(a_file([*ROWS, bad]))[2]

        assert line.record is None
        assert [(f.line, f.column, f.value) for f in line.faults] == [
            (4, "loan_id", "AA 9"),
            (4, "phone", "999"),
            (4, "method", "AAAAA"),
            (4, "terms", "9"),
        ]

    def test_keep_their_amount_for_the_control_sum_where_it_can_be_read(self):
        lines = read(a_file([a_loan_row(principal_fen="-5"), a_loan_row(principal_fen="5,0")]))

        assert [(line.amount, line.record) for line in lines] == [(Money(-5), None), (None, None)]

    def test_a_column_twice_spoils_the_file_whichever_of_them_is_meant(self):
        twice = b"".join(line + b",13800000000\n" for line in BODY.splitlines())

        assert refusal(twice.replace(b"13800000000", b"phone", 1)) == "a column stands twice"

    def test_a_quote_that_never_ends_spoils_the_file(self):
        refusal(BODY + b'"LN3,\n')


class TestAPartnersDialect:
    """As one platform writes: yuan, a backtick before each value, its own headers, a trailer."""

    HEADERS = {"交易单号": "trade_no", "商户单号": "order_no", "协议号": "agreement_no",
               "金额": "amount_fen", "资金方": "funder_amount_fen", "平台": "platform_amount_fen",
               "状态": "status", "时间": "paid_at"}  # fmt: skip
    DIALECT = Dialect(
        encoding="gb18030",
        separator="|",
        headers=HEADERS,
        amount_unit="yuan",
        value_prefix="`",
        trailer=Trailer(mark="合计"),
        has_manifest=False,
    )

    def body(self, *, trailer: str = "`合计|`1|`100.00\n") -> bytes:
        row = a_bill_row(amount_fen="100.00", funder_amount_fen="0.00")
        told = {theirs: "`" + row[ours] for theirs, ours in self.HEADERS.items()}
        return (a_file([told], separator="|").decode() + trailer).encode("gb18030")

    @property
    def format(self):
        return CsvFormat(layout=BILL, dialect=self.DIALECT)

    def test_says_the_same_as_the_default_one(self):
        assert records(self.body(), self.format) == records(
            a_file([a_bill_row()]), CsvFormat(layout=BILL)
        )

    def test_is_cut_where_the_trailer_is_missing(self):
        reason = refusal(self.body(trailer=""), self.format)

        assert reason == "the trailer is missing: the file is cut"

    @pytest.mark.parametrize(
        "trailer",
        ["`合计|`2|`100.00\n", "`合计|`1|`100.01\n", "`合计|`1\n", "`合计|`一|`100.00\n"]
        + ["`合计|`1|`100.00\n`合计|`1|`100.00\n"],
    )
    def test_is_refused_where_the_trailer_says_otherwise(self, trailer):
        refusal(self.body(trailer=trailer), self.format)

    def test_must_prove_files_complete_in_one_way_or_the_other(self):
        with pytest.raises(ValueError, match="trailer"):
            Dialect(has_manifest=False)


class TestManifest:
    def test_is_three_figures(self):
        told = read_manifest(b'{"rows": 3, "amount_fen": 123456, "sha256": "%s"}' % (b"a" * 64))

        assert (told.rows, told.amount, told.sha256) == (3, Money(123456), "a" * 64)

    @pytest.mark.parametrize(
        ("body", "faults"),
        [
            ('{"rows": 1, "sha256": "%s"}', [("amount_fen", "missing in the manifest")]),
            (
                '{"rows": "1", "amount_fen": 1.0, "sha256": "%s"}',
                [
                    ("rows", "not a whole number in the manifest"),
                    ("amount_fen", "not a whole number in the manifest"),
                ],
            ),
            (
                '{"rows": -1, "amount_fen": 1, "sha256": "%s"}',
                [("rows", "out of bounds in the manifest")],
            ),
            (
                '{"rows": 1, "amount_fen": 1, "sha256": "%s0"}',
                [("sha256", "not 64 of 0-9 a-f in the manifest")],
            ),
            (
                '{"rows": 1, "amount_fen": 1, "sha256": "%s", "name": 1}',
                [("", "the manifest has 1 more than rows, amount_fen, sha256")],
            ),
            ("rows=1 %s", [("", "the manifest is not JSON in UTF-8")]),
            ('["%s"]', [("", "the manifest is not {rows, amount_fen, sha256}")]),
            ('{"rows": 1, "rows": 1, "sha": "%s"}', [("", "a name stands in the manifest twice")]),
        ],
    )
    def test_says_what_is_wrong_with_it(self, body, faults):
        with pytest.raises(UnusableFileError) as refused:
            read_manifest((body % ("0" * 64)).encode())

        assert [(fault.column, fault.reason) for fault in refused.value.faults] == faults

    @given(st.binary(max_size=200) | st.text().map(str.encode))
    def test_anything_else_is_refused(self, body):
        with pytest.raises(UnusableFileError):
            read_manifest(body)

    @pytest.mark.parametrize(
        "told",
        ['{"rows": 1.0, "amount_fen": 1, "sha256": "%s"}']
        + ['{"rows": 1, "amount_fen": NaN, "sha256": "%s"}']
        + ['{"rows": -1, "amount_fen": 1, "sha256": "%s"}']
        + ['{"rows": 1, "amount_fen": 1e999, "sha256": "%s"}']
        + ['{"rows": 1, "amount_fen": 1, "sha256": "%sA"}']
        + ['[["rows", 1], ["amount_fen", 1], ["sha256", "%s"]]']
        + ['{"rows": 1, "rows": 1, "amount_fen": 1, "sha256": "%s"}'],
    )
    def test_has_no_leniency(self, told):
        with pytest.raises(UnusableFileError):
            read_manifest((told % ("0" * 64)).encode())


def test_reads_the_bill_of_the_contract():
    record = records(a_file([a_bill_row()]), CsvFormat(layout=BILL))[0]

    assert record.amount == record.platform_amount == Money(100_00)
    assert record.paid_at == datetime.fromisoformat("2026-11-24T09:00:00+08:00")
