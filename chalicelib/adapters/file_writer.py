"""Write files for partners: the same lines in the same dialect are the same bytes."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from chalicelib.adapters.file_cells import TOLD_IN, neutralised
from chalicelib.adapters.file_dialects import DEFAULT, Dialect, Record
from chalicelib.adapters.file_layouts import Amount, Layout
from chalicelib.adapters.file_manifests import manifest_of
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.flows.file_ports import Manifest

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file and its manifest, which is put after it under the file's name and `.ok`."""

    body: bytes
    manifest: bytes
    rows: int
    amount: Money


def write(
    records: Iterable[Record], *, layout: Layout[Record], dialect: Dialect = DEFAULT
) -> Written:
    """Write lines in their order, under a header, with a trailer where the dialect has one.

    Text that a spreadsheet would take for a formula is neutralised in what is sent out; amounts
    stay numbers.  What was written is read back equal by `CsvFormat`.
    """
    counted = _Counted()
    chunks = _chunks(records, layout=layout, dialect=dialect, counted=counted)
    body = b"".join(chunks)
    manifest = manifest_of(body=body, rows=counted.rows, amount=counted.amount)
    return Written(body=body, manifest=manifest, rows=counted.rows, amount=counted.amount)


def stream(
    records: Iterable[Record], *, layout: Layout[Record], dialect: Dialect = DEFAULT
) -> Iterator[bytes]:
    """Write the same bytes as `write`, a few lines at a time, whoever needs no manifest."""
    return _chunks(records, layout=layout, dialect=dialect, counted=_Counted())


def spool(
    records: Iterable[Record],
    *,
    target: IO[bytes],
    layout: Layout[Record],
    dialect: Dialect = DEFAULT,
) -> Manifest:
    """Write the same bytes as `write` to a file, however many lines there are; say what it holds."""
    counted, digest = _Counted(), hashlib.sha256()
    for chunk in _chunks(records, layout=layout, dialect=dialect, counted=counted):
        digest.update(chunk)
        target.write(chunk)
    return Manifest(rows=counted.rows, amount=counted.amount, sha256=digest.hexdigest())


@dataclass(slots=True)
class _Counted:
    rows: int = 0
    amount: Money = ZERO


def _chunks(
    records: Iterable[Record], *, layout: Layout[Record], dialect: Dialect, counted: _Counted
) -> Iterator[bytes]:
    told = io.StringIO(newline="")
    writer = csv.writer(told, delimiter=dialect.separator, lineterminator="\n")
    writer.writerow(_prefixed((dialect.theirs.get(name, name) for name in layout.names), dialect))
    for record in records:
        writer.writerow(_prefixed(_cells(record, layout, dialect), dialect))
        counted.rows += 1
        counted.amount += _control(record, layout)
        if counted.rows % ROWS_AT_ONCE == 0:
            yield told.getvalue().encode(dialect.encoding)
            told.seek(0)
            told.truncate()
    if dialect.trailer:
        figures = {
            dialect.trailer.rows_at: str(counted.rows),
            dialect.trailer.amount_at: TOLD_IN[dialect.amount_unit](counted.amount),
        }
        cells = (figures.get(at, "") for at in range(1, max(figures) + 1))
        writer.writerow(_prefixed((dialect.trailer.mark, *cells), dialect))
    yield told.getvalue().encode(dialect.encoding)


def _prefixed(cells: Iterable[str], dialect: Dialect) -> list[str]:
    return [dialect.value_prefix + cell for cell in cells]


def _cells(record: Record, layout: Layout[Record], dialect: Dialect) -> Iterable[str]:
    for column in layout.columns:
        if isinstance(column, Amount):
            yield TOLD_IN[dialect.amount_unit](getattr(record, column.attribute))
            continue
        value = getattr(record, column.name)
        cell = column.tell(value)
        yield neutralised(cell) if layout.is_sent and isinstance(value, str) else cell


def _control(record: Record, layout: Layout[Record]) -> Money:
    return total(getattr(record, name.removesuffix("_fen")) for name in layout.control)
