"""Files to be fuzzed: valid ones in every dialect, and what may happen to them on their way."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random  # noqa: TID251  seeded: the same number makes the same file

from chalicelib.adapters import file_layouts
from chalicelib.adapters.file_dialects import DEFAULT, Dialect, Trailer
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.adapters.funders import read_dialects
from tests.fakes_files import a_bill_row, a_loan_row
from tests.fuzz import funder_rows, manifests, readings

BILL_HEADERS = {
    "交易单号": "trade_no", "商户单号": "order_no", "协议号": "agreement_no", "金额": "amount_fen",
    "资金方": "funder_amount_fen", "平台": "platform_amount_fen", "状态": "status", "时间": "paid_at",
}  # fmt: skip
NAMES = (
    "王*明",
    "韩梅梅",
    "欧阳锋锋",
    "𠮷野家",
    "=HYPERLINK(1)",
    'O"Hara',
    "a, b",
    "李|雷",
    "é",
    "1",
)
CELLS = (
    "", " ", "0", "-0", "-1", "1", "+1", " 1", "1 ", "01", "1e9", "1E2", "1e999", "NaN", "Infinity",
    "-5.00", "12.345", "19.99", "1,000.00", "1_000", "１００", "１.00", "٣", "\u00a01", "1\u00a0", "0x1",
    "9" * 15, "9" * 16, "9" * 18, "9" * 19, "9" * 5000, "99999999999.99", "`1", "'1", "=1+1",
    "=HYPERLINK()", "+cmd|' /C calc'!A0", "@SUM(1)", "\t1", "true", "TRUE", "y", "N", "null", "None",
    "王\x00", "王\u202e", "王\u3000", "\ufeff", "\ufffd", "\ufffe", "é", "x" * 64, "x" * 65, "x" * 70_000,
    '"', '""', "a\nb", "a\rb", "a\r\nb", "2026-11-31", "2024-02-29", "2023-02-29", "20261124",
    "2026-1-1", "9999-12-31", "2099-12-31", "2000-01-01", "2026-11-24T24:00:00Z", "0.36", "0.37", ".1",
    "2026-11-24T09:00:00", "2026-11-24T23:59:60Z", "2026-11-24T09:00:00.1+08:00", "0.123456789", "合计",
    "2026-11-24T09:00:00-23:59", "2026-11-24T09:00:00+24:00", "self_operated", "bullet", "360", "361",
    "SUCCEEDED", "FAILED", "agreed", "differs", "ok", "x" * 200, "x" * 201, "`" * 2, "0.00", "000000000000000001",
)  # fmt: skip
MARKS = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b'"', b'""', b"\r", b"\n", b"\r\n", b"\r\r\n", b",", b"|",
    b";", b"\t", b"\xa0", b"\xc2\xa0", b"\xe3\x80\x80", b"\x1a", b"\x85", b"\xe2\x80\xa8", b"\x0b", b"\x0c",
    b"`", b"=", b"-", b"\xff", b"\xed\xa0\x80", b"\x81\x30\x81\x30", b"\x84\x31\x95\x33", b"\xb0\xa1",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One kind of file in one dialect."""

    kind: str
    dialect: Dialect = DEFAULT

    @property
    def sheet(self) -> readings.Sheet:
        return getattr(readings, self.kind.upper())

    @property
    def layout(self) -> file_layouts.Layout:
        return {
            "loans": file_layouts.LOANS,
            "bill": file_layouts.BILL,
            **FUNDER_LAYOUTS,
        }[self.kind]


CASES = {
    "loans as we take them": Case("loans"),
    "bill as we take it": Case("bill"),
    "loans in gb18030": Case("loans", Dialect(encoding="gb18030")),
    "loans in yuan, by tabs, with trailer": Case(
        "loans",
        Dialect(
            separator="\t", amount_unit="yuan", trailer=Trailer(mark="SUM", rows_at=3, amount_at=1)
        ),
    ),
    "bill with backticks": Case("bill", Dialect(separator=";", value_prefix="`")),
    "bill as a platform writes it": Case(
        "bill",
        Dialect(
            encoding="gb18030",
            separator="|",
            headers=BILL_HEADERS,
            amount_unit="yuan",
            value_prefix="`",
            trailer=Trailer(mark="合计"),
            has_manifest=False,
        ),
    ),
}

FUNDER_CASES = {
    f"{kind} in {name}": Case(kind, dialect)
    for kind in ("due", "results", "confirmation")
    for name, dialect in read_dialects().items()
}

Table = list[list[str]]


# --- valid files ------------------------------------------------------------------------


def a_table(rng: Random, case: Case, bill: list[dict[str, str]]) -> Table:
    """Draw a few good rows under their header; a bill is drawn from what was really paid."""
    if case.kind == "loans":
        rows = [_a_loan(rng, number) for number in range(rng.randint(1, 4))]
    elif case.kind in FUNDER_LAYOUTS:
        rows = funder_rows.rows_of(rng, case.kind)
    else:
        strange = [a_bill_row("LN9", amount_fen=rng.randint(1, 10**6))] * rng.randint(0, 1)
        rows = rng.sample(bill, rng.randint(1, len(bill))) + strange
    names = list(rows[0])
    if rng.random() < 0.3:
        rng.shuffle(names)
    theirs = {ours: name for name, ours in case.dialect.headers.items()}
    header = [theirs.get(name, name) for name in names]
    return [header, *([_told(row[name], name, case.dialect) for name in names] for row in rows)]


def _a_loan(rng: Random, number: int) -> dict[str, str]:
    disbursed_on = date(2026, 1, 1) + timedelta(days=rng.randint(0, 300))
    return a_loan_row(
        f"LN{number}",
        borrower_name=rng.choice(NAMES),
        principal_fen=rng.choice([1, 100, 10**6, 10**14, rng.randint(1, 10**8)]),
        annual_rate=rng.choice(["0", "0.18", "0.36", "0.00000001"]),
        method=rng.choice(["equal_instalment", "equal_principal", "interest_first", "bullet"]),
        terms=rng.choice([1, 3, 12]),
        disbursed_on=disbursed_on,
        first_due_on=disbursed_on + timedelta(days=rng.randint(1, 60)),
        revolving=rng.choice(["true", "", "N"]),
    )


def _told(cell: str, name: str, dialect: Dialect) -> str:
    if name.endswith("_fen") and dialect.amount_unit == "yuan":
        whole, part = divmod(abs(int(cell)), 100)
        return f"{'-' * (int(cell) < 0)}{whole}.{part:02}"
    return cell


def written(table: Table, case: Case, *, end: str = "\n", quotes_all: bool = False) -> bytes:
    """Write a table as the dialect says, its trailer as well."""
    dialect = case.dialect
    rows = [[dialect.value_prefix + cell for cell in row] for row in table]
    if dialect.trailer:
        rows.append([dialect.value_prefix + cell for cell in _trailer(table, case)])
    text = "".join(
        dialect.separator.join(_quoted(cell, dialect.separator, quotes_all) for cell in row) + end
        for row in rows
    )
    return text.encode(dialect.encoding, "replace")


def _trailer(table: Table, case: Case) -> list[str]:
    dialect, unit = (
        case.dialect,
        readings.yuan if case.dialect.amount_unit == "yuan" else readings.fen,
    )
    header = [dialect.headers.get(name, name) for name in table[0]]
    amounts = []
    for row in table[1:]:
        cells = dict(zip(header, row, strict=False))
        try:
            amounts.append(sum(unit(cells.get(name, "")) for name in case.sheet.control))
        except readings.RefusedError:
            continue
    figures = {dialect.trailer.rows_at: str(len(table) - 1)}
    figures[dialect.trailer.amount_at] = _told(str(sum(amounts)), "_fen", dialect)
    return [dialect.trailer.mark, *(figures.get(at, "") for at in range(1, max(figures) + 1))]


def _quoted(cell: str, separator: str, always: bool) -> str:
    if always or any(each in cell for each in (separator, '"', "\r", "\n")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


# --- what happens to them ---------------------------------------------------------------


def _other_cell(rng: Random, table: Table) -> None:
    row = rng.choice(table[1:] or table)
    if row:
        row[rng.randrange(len(row))] = rng.choice(CELLS)


def _row_again(rng: Random, table: Table) -> None:
    table.insert(rng.randint(1, len(table)), list(rng.choice(table)))


def _row_less(rng: Random, table: Table) -> None:
    del table[rng.randrange(len(table))]
    if not table:
        table.append([])


def _columns_swapped(rng: Random, table: Table) -> None:
    for row in table if rng.random() < 0.5 else [rng.choice(table)]:
        if len(row) > 2:
            row[0], row[2] = row[2], row[0]


def _column_less(rng: Random, table: Table) -> None:
    at = rng.randrange(max(len(table[0]), 1))
    for row in table if rng.random() < 0.5 else [rng.choice(table)]:
        del row[at : at + 1]


def _column_more(rng: Random, table: Table) -> None:
    name = rng.choice(["nickname", "phone", "", "amount_fen"])
    for number, row in enumerate(table):
        row.append(name if not number else rng.choice(CELLS[:30]))


def _rows_shuffled(rng: Random, table: Table) -> None:
    rng.shuffle(table)


TABLE_CHANGES: tuple[Callable[[Random, Table], None], ...] = (
    _other_cell, _other_cell, _other_cell, _other_cell, _row_again, _row_less, _columns_swapped,
    _column_less, _column_more, _rows_shuffled,
)  # fmt: skip


def _flipped(rng: Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) or 1)
    return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]


def _cut(rng: Random, body: bytes) -> bytes:
    return body[: rng.randint(0, len(body))]


def _marked(rng: Random, body: bytes) -> bytes:
    at = rng.choice([0, len(body), rng.randint(0, len(body))])
    return body[:at] + rng.choice(MARKS) + body[at:]


def _line_again(rng: Random, body: bytes) -> bytes:
    lines = body.splitlines(keepends=True) or [b""]
    lines.insert(rng.randint(0, len(lines)), rng.choice(lines))
    return b"".join(lines)


def _lost(rng: Random, body: bytes) -> bytes:
    at = rng.randint(0, len(body))
    return body[:at] + body[at + rng.randint(1, 9) :]


def _other_ends(rng: Random, body: bytes) -> bytes:
    end = rng.choice([b"\r\n", b"\r", b"\n\n", b"\n\r", b"\x0b", b""])
    return body.replace(b"\n", end, rng.choice([-1, 1, 2]))


def _other_encoding(rng: Random, body: bytes) -> bytes:
    for source, target in (
        ("utf-8", rng.choice(["gb18030", "utf-16", "utf-8-sig"])),
        ("gb18030", "utf-8"),
    ):
        try:
            return body.decode(source).encode(target)
        except UnicodeError:
            continue
    return body


def _grown(rng: Random, body: bytes) -> bytes:
    at, size = rng.randint(0, len(body)), rng.choice([200, 70_000, 140_000])
    return (
        body[:at]
        + rng.choice([b"x", b"1", b'"', b",", b"\n", b'"\n",', b"\xb0\xa1"]) * size
        + body[at:]
    )


BYTE_CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _flipped, _flipped, _flipped, _cut, _marked, _marked, _marked, _line_again, _lost, _other_ends,
    _other_encoding,
)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """What is put into the bucket; what was done to it has names."""

    body: bytes
    manifest: bytes | None
    done: tuple[str, ...]


def an_input(seed: str, case: Case, bill: list[dict[str, str]]) -> Input:
    """Make the file of a seed: the same seed, the same bytes."""
    rng = Random(seed)
    table, done = a_table(rng, case, bill), []
    for change in rng.choices(TABLE_CHANGES, k=rng.choice([0, 0, 1, 1, 2, 3])):
        change(rng, table)
        done.append(change.__name__)
    end, quotes_all = rng.choice(["\n", "\n", "\n", "\r\n"]), rng.random() < 0.1
    body = written(table, case, end=end, quotes_all=quotes_all)
    changes = rng.choices(BYTE_CHANGES, k=rng.choice([0, 0, 0, 1, 1, 2, 4]))
    if rng.random() < 0.004:
        changes.append(_grown)
    for change in changes:
        body = change(rng, body)
        done.append(change.__name__)
    manifest = a_manifest_of(rng, body, case) if case.dialect.has_manifest else None
    return Input(body=body, manifest=manifest, done=tuple(done))


def a_manifest_of(rng: Random, body: bytes, case: Case) -> bytes:
    """Say what is true of the file; now and then, what is not."""
    try:
        lines = readings.read(body, sheet=case.sheet, dialect=case.dialect)
    except readings.RefusedError:
        lines = []
    told = manifests.told(body, lines)
    if rng.random() < 0.05:
        told[rng.choice(list(told))] = rng.choice(
            [0, 1, -1, 1.0, True, None, "0" * 64, 10**18, "1"]
        )
    return json.dumps(told).encode()
