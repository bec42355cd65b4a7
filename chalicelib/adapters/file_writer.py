"""Write files for partners: the same lines in the same dialect are the same bytes."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.adapters.file_cells import TOLD_IN, neutralised
from chalicelib.adapters.file_dialects import DEFAULT, Dialect, Record
from chalicelib.adapters.file_layouts import Amount, Layout
from chalicelib.adapters.file_manifests import manifest_of
from chalicelib.domain.money import ZERO, Money, total


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
    rows, amount = 0, ZERO
    told = io.StringIO(newline="")
    writer = csv.writer(told, delimiter=dialect.separator, lineterminator="\n")
    writer.writerow(_prefixed((dialect.theirs.get(name, name) for name in layout.names), dialect))
    for record in records:
        writer.writerow(_prefixed(_cells(record, layout, dialect), dialect))
        rows, amount = rows + 1, amount + _control(record, layout)
    if dialect.trailer:
        figures = {
            dialect.trailer.rows_at: str(rows),
            dialect.trailer.amount_at: TOLD_IN[dialect.amount_unit](amount),
        }
        cells = (figures.get(at, "") for at in range(1, max(figures) + 1))
        writer.writerow(_prefixed((dialect.trailer.mark, *cells), dialect))
    body = told.getvalue().encode(dialect.encoding)
    manifest = manifest_of(body=body, rows=rows, amount=amount)
    return Written(body=body, manifest=manifest, rows=rows, amount=amount)


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
