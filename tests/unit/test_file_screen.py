"""A large due file is screened at once, and gets the verdict of reading it row by row."""

import sys

import pytest

from chalicelib.adapters import file_engine, file_screen, file_spool, file_writer
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat, Dialect
from chalicelib.adapters.file_engine import Engine
from chalicelib.adapters.file_layouts import BILL
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.adapters.file_spool import NotPlainError
from chalicelib.adapters.funder_layouts import DUE, RESULTS
from chalicelib.adapters.funders import read_dialects
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import Census, UnusableFileError
from tests.fakes_files import a_bill_row, a_file
from tests.fakes_funder_files import a_due_line, a_success

LINES = [a_due_line(f"LN{number:04}", principal=(Money(number), Money(1))) for number in range(300)]
BODY = file_writer.write(LINES, layout=DUE).body


def screened(body: bytes, *, dialect: Dialect = DEFAULT, size: int = 1000) -> Census:
    """Screen a file, and fail where it is left to the row reader."""
    form = ScreenedFormat(layout=DUE, dialect=dialect, lines_min=0)
    return form._screened(lambda: chunks(body, size), takes_good_lines=False)


def chunks(body: bytes, size: int):
    return (body[start : start + size] for start in range(0, len(body), size))


def row_by_row(body: bytes, *, dialect: Dialect = DEFAULT) -> Census:
    return CsvFormat(layout=DUE, dialect=dialect).census(lambda: [body])


@pytest.mark.parametrize("name", read_dialects())
@pytest.mark.parametrize("size", [7, 4096, 1024 * 1024])
def test_a_good_file_is_screened_in_every_dialect_however_it_is_streamed(name, size):
    dialect = read_dialects()[name]
    body = file_writer.write(LINES, layout=DUE, dialect=dialect).body

    found = screened(body, dialect=dialect, size=size)

    assert found == row_by_row(body, dialect=dialect)
    assert found.rows == 300
    assert found.amount == sum((line.whole.total for line in LINES), Money(0))


SPOILT = {
    "an amount in other digits": (b"LN0100,1,", "LN0100,１,".encode()),
    "a line less wide": (b",1,600,0\nLN0005", b",1,600\nLN0005"),
    "a line wider": (b"LN0200,", b"LN0200,,"),
    "an empty line": (b"LN0005", b"\nLN0005"),
    "a day of no calendar": (b"LN0007,1,2026-11-24", b"LN0007,1,2026-02-30"),
    "an instalment that is none": (b"LN0008,1,", b"LN0008,0,"),
    "two lines of one key": (b"LN0299,", b"LN0000,"),
    "two keys told otherwise": (b"LN0299,1,", b"LN0000,01,"),
    "two lines of a key that is none": (b"LN0299,1,", b"LN0299,999,"),
    "parts that do not add up": (b"LN0042,1,2026-11-24,43,", b"LN0042,1,2026-11-24,44,"),
    "less than nothing": (b"LN0042,1,2026-11-24,43,", b"LN0042,1,2026-11-24,-43,"),
    "no less than nothing": (b"LN0000,1,2026-11-24,1,2000,0,", b"LN0000,1,2026-11-24,1,2000,-0,"),
    "zeros before": (b"LN0042,1,2026-11-24,43,", b"LN0042,001,2026-11-24,00043,"),
    "sixteen digits": (b"LN0042,1,2026-11-24,43,", b"LN0042,1,2026-11-24,0000000000000043,"),
    "another line's end": (b"\nLN0042", b"\r\nLN0042"),
    "an amount with a name for a power": (b"LN0042,1,2026-11-24,43,", b"LN0042,1,2026-11-24,4e1,"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_line_is_found_as_the_row_reader_finds_it(name):
    before, after = SPOILT[name]
    body = BODY.replace(before, after)
    assert body != BODY

    assert screened(body) == row_by_row(body)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.replace(b"LN0042", b'"LN0042"'),
        lambda body: body.replace(b"LN0042", b'"LN\n0042"'),
        lambda body: body.replace(b"\nLN0042", b"\rLN0042"),
        lambda body: body.replace(b"LN0042", b"LN\x000042"),
        lambda body: body[:-1],
        lambda body: body.replace(b"LN0042", b"x" * 70_000),
        lambda body: body + b"\n" * (file_spool.ODD_MAX + 1),
    ],
)
def test_what_is_not_plain_is_left_to_the_row_reader(spoil):
    body = spoil(BODY)

    with pytest.raises((NotPlainError, UnusableFileError)):
        screened(body)
    form = ScreenedFormat(layout=DUE, lines_min=0)
    assert verdict(form, body) == verdict(CsvFormat(layout=DUE), body)


def verdict(form: CsvFormat, body: bytes) -> object:
    try:
        return form.census(lambda: chunks(body, 4096))
    except UnusableFileError as error:
        return error.faults


def test_a_kind_with_cells_of_no_simple_shape_is_left_to_the_row_reader():
    results = file_writer.write([a_success(), a_success("LN2")], layout=RESULTS).body
    for form, body in (
        (ScreenedFormat(layout=RESULTS, lines_min=0), results),
        (ScreenedFormat(layout=BILL, lines_min=0), a_file([a_bill_row()])),
    ):
        found = form.census(lambda body=body: [body])
        assert found == CsvFormat(layout=form.layout).census(lambda body=body: [body])
        assert found.rows


def test_too_many_suspicious_lines_are_left_to_the_row_reader(monkeypatch):
    monkeypatch.setattr(file_screen, "SUSPICIOUS_MAX", 3)
    body = BODY.replace(b"2026-11-24", b"2026-02-30")

    with pytest.raises(NotPlainError):
        screened(body)
    assert ScreenedFormat(layout=DUE, lines_min=0).census(lambda: [body]) == row_by_row(body)


def test_lines_that_come_in_another_order_are_not_believed(monkeypatch):
    body = BODY.replace(b"LN0007,1,2026-11-24", b"LN0007,1,2026-02-30")
    rows = Engine.rows

    def shifted(self, what, source):
        for row in rows(self, what, source):
            yield (row[0] + 1, *row[1:]) if "rowid" in what else row

    monkeypatch.setattr(Engine, "rows", shifted)

    with pytest.raises(NotPlainError, match="another order"):
        screened(body)


@pytest.mark.parametrize("is_here", [True, False])
def test_without_the_engine_every_file_is_read_row_by_row(monkeypatch, is_here):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert not file_engine.is_here()
    monkeypatch.setattr(file_screen, "is_here", lambda: is_here)

    found = ScreenedFormat(layout=DUE, lines_min=0).census(lambda: [BODY])

    assert found == row_by_row(BODY)


def test_an_engine_that_fails_is_no_verdict(monkeypatch):
    monkeypatch.setattr(file_engine, "MEMORY_MAX", "1KB")

    found = ScreenedFormat(layout=DUE, lines_min=0).census(lambda: [BODY])

    assert found == row_by_row(BODY)


@pytest.mark.parametrize(
    "moment",
    [
        *("2026-11-24T09:00:00Z", "2026-11-24T09:00:00.123456-11:30"),
        *("2026-02-29T09:00:00+08:00", "2026-11-24T24:00:00+08:00", "2026-11-24T09:00:60+08:00"),
        *("2026-11-24T09:00:00+24:00", "2026-11-24T09:00:00", "2026-11-24 09:00:00+08:00", ""),
    ],
)
def test_a_moment_is_read_as_the_row_reader_reads_it(moment):
    body = a_file([a_bill_row("LN1"), a_bill_row("LN2", paid_at=moment), a_bill_row("LN3")])
    form = ScreenedFormat(layout=BILL, lines_min=0)

    assert form._screened(lambda: [body], takes_good_lines=False) == CsvFormat(layout=BILL).census(
        lambda: [body]
    )
