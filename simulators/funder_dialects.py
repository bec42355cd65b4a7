"""How the funder writes and reads its CSV files: a dialect is data.

Written apart from whoever reads them: nothing here is lenient, and nothing is guessed.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

AMOUNTS = ("principal_fen", "interest_fen", "penalty_fen")
NINE = (
    *AMOUNTS,
    *(f"{party}_{amount}" for party in ("funder", "platform") for amount in AMOUNTS),
)
DUE = ("loan_id", "instalment_no", "due_on", *NINE)
RESULTS = (
    *("loan_id", "instalment_no", "round", "status", *AMOUNTS),
    *("paid_at", "failure_code", "funder_trade_no"),
)
REPAYMENTS = ("order_no", "trade_no", "loan_id", "instalment_no", "kind", *NINE, "paid_at")
CONFIRMATION = ("order_no", "status", "funder_amount_fen", "reason")
COLUMNS: Mapping[str, Sequence[str]] = {
    "due": DUE,
    "results": RESULTS,
    "confirmation": CONFIRMATION,
    "repayments": REPAYMENTS,
    "reconciliation": REPAYMENTS,
}
CONTROL: Mapping[str, Sequence[str]] = {
    "due": AMOUNTS,
    "results": AMOUNTS,
    "confirmation": ("funder_amount_fen",),
    "repayments": AMOUNTS,
    "reconciliation": AMOUNTS,
}
"""Which columns of a kind the manifest and the trailer sum up."""

CELL = str | int
Row = Mapping[str, CELL]


class UnusableFileError(ValueError):
    """The file cannot be believed; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """One way to write; `headers` maps the names in the file to the contract's.

    With a `trailer` the last line is that mark, the number of rows and the sum.  A value prefix
    stands before every cell, the header's and the trailer's too.
    """

    encoding: str = "utf-8"
    separator: str = ","
    headers: Mapping[str, str] = field(default_factory=dict)
    amount_unit: str = "fen"
    value_prefix: str = ""
    trailer: str = ""
    has_manifest: bool = True

    def __post_init__(self) -> None:
        if self.amount_unit not in {"fen", "yuan"} or not (self.has_manifest or self.trailer):
            raise ValueError("amounts are in fen or yuan; without manifest there is a trailer")
        "".encode(self.encoding)


CHINESE = {
    "借据号": "loan_id",
    "期次": "instalment_no",
    "应还日": "due_on",
    "本金": "principal_fen",
    "利息": "interest_fen",
    "罚息": "penalty_fen",
    "资金方本金": "funder_principal_fen",
    "资金方利息": "funder_interest_fen",
    "资金方罚息": "funder_penalty_fen",
    "平台本金": "platform_principal_fen",
    "平台利息": "platform_interest_fen",
    "平台罚息": "platform_penalty_fen",
    "轮次": "round",
    "状态": "status",
    "还款时间": "paid_at",
    "失败码": "failure_code",
    "资金方流水号": "funder_trade_no",
    "订单号": "order_no",
    "支付流水号": "trade_no",
    "还款类型": "kind",
    "资金方金额": "funder_amount_fen",
    "原因": "reason",
}

DIALECTS: Mapping[str, Dialect] = {
    "default": Dialect(),
    "gb18030-trailer": Dialect(
        encoding="gb18030",
        headers=CHINESE,
        amount_unit="yuan",
        trailer="合计",
        has_manifest=False,
    ),
    "pipe-backtick": Dialect(separator="|", value_prefix="`"),
}


def dialect_of(given: object) -> Dialect:
    """Read a dialect: a name of the table, or an object of its fields.

    >>> dialect_of("gb18030-trailer").amount_unit, dialect_of({"separator": ";"}).separator
    ('yuan', ';')

    :raises ValueError: if it is neither.
    """
    if isinstance(given, str) and given in DIALECTS:
        return DIALECTS[given]
    known = {field.name for field in fields(Dialect)}
    if isinstance(given, Mapping) and set(given) <= known:
        try:
            return Dialect(**given)
        except (TypeError, LookupError) as error:
            raise ValueError(f"no dialect: {error}") from error
    raise ValueError(f"a dialect is one of {', '.join(DIALECTS)}, or an object of its fields")


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file as it goes out; `manifest` is None in a dialect without one."""

    body: bytes
    manifest: bytes | None
    rows: int
    amount_fen: int


def written(kind: str, rows: Sequence[Row], dialect: Dialect) -> Written:
    """Write a file and its manifest; the same rows give the same bytes."""
    columns = COLUMNS[kind]
    theirs = {ours: name for name, ours in dialect.headers.items()}
    total = sum(fen_of(row[name]) for row in rows for name in CONTROL[kind])
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=dialect.separator, lineterminator="\n")
    lines = [[theirs.get(name, name) for name in columns]]
    lines += [[_cell(name, row[name], dialect) for name in columns] for row in rows]
    if dialect.trailer:
        lines.append([dialect.trailer, str(len(rows)), _cell("amount_fen", total, dialect)])
    writer.writerows([f"{dialect.value_prefix}{cell}" for cell in line] for line in lines)
    body = text.getvalue().encode(dialect.encoding)
    manifest = manifest_of(rows=len(rows), amount_fen=total, body=body)
    return Written(
        body=body,
        manifest=manifest if dialect.has_manifest else None,
        rows=len(rows),
        amount_fen=total,
    )


def manifest_of(*, rows: int, amount_fen: int, body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return json.dumps({"rows": rows, "amount_fen": amount_fen, "sha256": digest}).encode()


def read(kind: str, body: bytes, manifest: bytes | None, dialect: Dialect) -> list[dict[str, str]]:
    """Read a file of Afterloan's whole, amounts in fen; or believe nothing of it.

    :raises UnusableFileError: if it is not what its manifest or trailer says, or not well-formed.
    """
    try:
        text = body.decode(dialect.encoding)
        cells = list(csv.reader(io.StringIO(text), delimiter=dialect.separator, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableFileError(f"not readable: {type(error).__name__}") from error
    if not text.endswith("\n") or not cells:
        raise UnusableFileError("the file is cut, or empty")
    header, *lines = cells
    header = [name.removeprefix(dialect.value_prefix) for name in header]
    names = [dialect.headers.get(name, name) for name in header]
    if missing := [name for name in COLUMNS[kind] if name not in names]:
        raise UnusableFileError(f"columns missing: {', '.join(missing)}")
    told = _told_by_trailer(lines, dialect) if dialect.trailer else None
    rows = [_row(names, line, dialect) for line in lines]
    total = sum(fen_of(row[name]) for row in rows for name in CONTROL[kind])
    if told is not None and told != (len(rows), total):
        raise UnusableFileError("the trailer does not tie")
    if dialect.has_manifest:
        _check_manifest(manifest, rows=len(rows), amount_fen=total, body=body)
    return rows


def fen_of(cell: CELL) -> int:
    """Read fen for a sum; a cell spoilt on purpose counts as nothing."""
    return int(cell) if re.fullmatch(r"-?\d{1,18}", str(cell), re.ASCII) else 0


def _cell(name: str, value: CELL, dialect: Dialect) -> str:
    if not name.endswith("_fen") or dialect.amount_unit == "fen" or not isinstance(value, int):
        return str(value)
    yuan, fen = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{yuan}.{fen:02}"


def _row(names: Sequence[str], line: Sequence[str], dialect: Dialect) -> dict[str, str]:
    if len(line) != len(names):
        raise UnusableFileError(f"{len(line)} cells, not {len(names)}")
    cells = [cell.removeprefix(dialect.value_prefix) for cell in line]
    row = dict(zip(names, cells, strict=True))
    for name, cell in row.items():
        if name.endswith("_fen"):
            row[name] = _fen(cell, dialect)
    return row


def _fen(cell: str, dialect: Dialect) -> str:
    wanted = r"-?\d{1,15}" if dialect.amount_unit == "fen" else r"-?\d{1,13}\.\d\d"
    if not re.fullmatch(wanted, cell, re.ASCII):
        raise UnusableFileError(f"no amount in {dialect.amount_unit}")
    return str(int(cell.replace(".", "")))


def _told_by_trailer(lines: list[list[str]], dialect: Dialect) -> tuple[int, int]:
    """Take the trailer off the lines, and say what it says."""
    last = [cell.removeprefix(dialect.value_prefix) for cell in lines.pop()] if lines else []
    if (
        len(last) < 3
        or last[0] != dialect.trailer
        or not re.fullmatch(r"\d{1,9}", last[1], re.ASCII)
    ):
        raise UnusableFileError("the trailer is missing: the file is cut")
    return int(last[1]), int(_fen(last[2], dialect))


def _check_manifest(manifest: bytes | None, *, rows: int, amount_fen: int, body: bytes) -> None:
    if manifest is None:
        raise UnusableFileError("the manifest is missing")
    wanted = json.loads(manifest_of(rows=rows, amount_fen=amount_fen, body=body))
    try:
        told = json.loads(manifest)
    except ValueError as error:
        raise UnusableFileError("the manifest is not JSON") from error
    if told != wanted:
        names = [
            name for name in wanted if not isinstance(told, dict) or told.get(name) != wanted[name]
        ]
        raise UnusableFileError(f"the manifest does not tie: {', '.join(names) or 'more in it'}")
