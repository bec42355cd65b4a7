"""CSV files in partners' dialects.  A layout says which columns, a dialect how they are written.

Both are data.  Nothing here guesses: a file is read as agreed, or it is refused with its lines.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from chalicelib.adapters.file_cells import (
    AMOUNT_UNITS,
    IllegalCellError,
    WholeNumber,
    raw,
    shape_of,
)
from chalicelib.adapters.file_layouts import Amount, Column, Layout
from chalicelib.adapters.file_manifests import ROWS_MAX, read_manifest
from chalicelib.adapters.file_text import ENCODINGS, LINE_CHARACTERS_MAX, UTF_8, text_lines
from chalicelib.domain.money import ZERO, Money
from chalicelib.flows.file_ports import Census, Fault, Line, Manifest, UnusableFileError, census_of

TWICE = "stands in the file twice"
ONE_CELL = "one column only: another separator, dialect or funder?"

Record = TypeVar("Record")
Key = tuple[object, ...] | None
"""What tells a line from the others; None if that cannot be read."""


# --- dialects: how a partner writes -----------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Trailer:
    """A last line of control figures: its first cell is `mark`, two others are rows and amount."""

    mark: str
    rows_at: int = 1
    amount_at: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How one partner writes its files; `headers` maps its names to ours.

    :raises ValueError: if neither manifest nor trailer would prove a file complete, or if it names
        what nobody can read.
    """

    encoding: str = UTF_8
    separator: str = ","
    headers: Mapping[str, str] = field(default_factory=dict)
    amount_unit: str = "fen"
    value_prefix: str = ""
    trailer: Trailer | None = None
    has_manifest: bool = True

    def __post_init__(self) -> None:
        if not (self.has_manifest or self.trailer):
            raise ValueError("a dialect without manifest needs a trailer")
        if self.encoding not in ENCODINGS:
            raise ValueError(f"{self.encoding!r} is none of {', '.join(sorted(ENCODINGS))}")
        if self.amount_unit not in AMOUNT_UNITS:
            raise ValueError(f"{self.amount_unit!r} is none of {', '.join(AMOUNT_UNITS)}")
        if len(self.separator) != 1 or self.separator.isalnum() or self.separator in '"\r\n-._:+':
            raise ValueError(f"{self.separator!r} separates nothing")
        if self.trailer and min(self.trailer.rows_at, self.trailer.amount_at) < 1:
            raise ValueError("a trailer's figures come after its mark")
        if len(set(self.headers.values())) != len(self.headers):
            raise ValueError("two headers are the same column")

    @property
    def theirs(self) -> Mapping[str, str]:
        """Their name of each of our columns that they call otherwise."""
        return {ours: theirs for theirs, ours in self.headers.items()}


DEFAULT = Dialect()


@dataclass(frozen=True, kw_only=True, slots=True)
class CsvFormat(Generic[Record]):
    """A layout in a dialect: what `landing` reads files with."""

    layout: Layout[Record]
    dialect: Dialect = DEFAULT

    @property
    def has_manifest(self) -> bool:
        return self.dialect.has_manifest

    def manifest(self, body: bytes) -> Manifest:
        return read_manifest(body)

    def lines(self, chunks: Iterable[bytes]) -> Iterator[Line[Record]]:
        rows = 0
        amount: Money | None = ZERO
        seen: set[Key] = set()
        numbered = self.cells(chunks)
        header = self.header(numbered)
        for number, cells in numbered:
            if self.is_trailer(cells):
                self.check_trailer(number, cells, rows, amount)
                _check_nothing_follows(numbered)
                return
            line, key = self.line(number, header, cells)
            if key is not None and key in seen:
                line = self.twice(line)
            seen.add(key)
            rows, amount = rows + 1, sum_of(amount, line.amount)
            yield line
        if self.dialect.trailer:
            raise UnusableFileError(Fault(reason="the trailer is missing: the file is cut"))

    def census(
        self, opened: Callable[[], Iterable[bytes]], *, takes_good_lines: bool = False
    ) -> Census:
        """Read a file line by line; see `Format`."""
        return census_of(self.lines(opened()), takes_good_lines=takes_good_lines)

    # --- a line, for whoever has the cells already ---

    def cells(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
        lines = _RowByRow(text_lines(chunks, self.dialect.encoding))
        rows = csv.reader(lines, delimiter=self.dialect.separator, strict=True)
        try:
            for cells in rows:
                lines.row_ends()
                prefix = self.dialect.value_prefix
                yield rows.line_num, [cell.removeprefix(prefix) for cell in cells]
        except csv.Error as error:
            # The module's messages name the rule that was broken, never the cell.
            raise UnusableFileError(Fault(line=rows.line_num, reason=str(error))) from error

    def header(self, numbered: Iterator[tuple[int, list[str]]]) -> list[str]:
        number, theirs = next(numbered, (0, []))
        if not theirs:
            raise UnusableFileError(Fault(reason="the file is empty"))
        header = [self.dialect.headers.get(name, name) for name in theirs]
        # A column more is a partner's new version and nobody's money; one less is refused.
        faults = [
            Fault(line=number, column=self.dialect.theirs.get(name, name), reason="column missing")
            for name in self.layout.names
            if name not in header
        ]
        if faults and len(header) == 1:
            faults = [Fault(line=number, reason=ONE_CELL)]
        if len(set(header)) != len(header):
            faults.append(Fault(line=number, reason="a column stands twice"))
        if faults:
            raise UnusableFileError(*faults)
        return header

    def line(
        self, number: int, header: Sequence[str], cells: Sequence[str]
    ) -> tuple[Line[Record], Key]:
        """Read one line; what it is told apart by comes with it, None if that cannot be read."""
        if len(cells) != len(header):
            reason = f"{len(cells)} cells, not {len(header)}"
            fault = Fault(line=number, reason=reason)
            return Line(number=number, amount=None, record=None, faults=(fault,)), None
        by_name = dict(zip(header, cells, strict=True))
        values: dict[str, object] = {}
        control: dict[str, Money] = {}
        faults: list[Fault] = []
        for column in self.layout.columns:
            cell = by_name[column.name]
            try:
                if isinstance(column, Amount):
                    money = AMOUNT_UNITS[self.dialect.amount_unit](cell)
                    control[column.name] = money
                    values[column.attribute] = column.checked(money)
                else:
                    values[column.name] = self._value(column, cell)
            except IllegalCellError as error:
                faults.append(
                    Fault(line=number, column=column.name, reason=str(error), value=shape_of(cell))
                )
        record = None if faults else self.layout.make(**values)
        if record is not None:
            faults += [
                Fault(line=number, column=name, reason=reason)
                for name, reason in self.layout.broken_rules(record)
            ]
        summed = [control[name] for name in self.layout.control if name in control]
        is_summed = len(summed) == len(self.layout.control)
        line = Line(
            number=number,
            amount=sum(summed, ZERO) if is_summed else None,
            record=None if faults else record,
            faults=tuple(faults),
        )
        return line, self._key(values)

    def _value(self, column: Column, cell: str) -> object:
        return column.read(raw(cell) if self.layout.is_sent else cell)

    def _key(self, values: Mapping[str, object]) -> Key:
        if not self.layout.key or any(name not in values for name in self.layout.key):
            return None
        return tuple(values[name] for name in self.layout.key)

    def twice(self, line: Line[Record]) -> Line[Record]:
        """Say of a line that one like it stands before it."""
        fault = Fault(line=line.number, column=", ".join(self.layout.key), reason=TWICE)
        return replace(line, record=None, faults=(*line.faults, fault))

    def is_trailer(self, cells: Sequence[str]) -> bool:
        """Whether these are the control figures that end a file."""
        return self.dialect.trailer is not None and cells[:1] == [self.dialect.trailer.mark]

    def check_trailer(
        self, number: int, cells: Sequence[str], rows: int, amount: Money | None
    ) -> None:
        """Hold the control figures against what was read; None is no sum to hold one against.

        :raises UnusableFileError: if they say otherwise, or nothing.
        """
        trailer = self.dialect.trailer or Trailer(mark="")
        try:
            said_rows = WholeNumber(at_least=0, at_most=ROWS_MAX)(cells[trailer.rows_at])
            said_amount = AMOUNT_UNITS[self.dialect.amount_unit](cells[trailer.amount_at])
        except (IllegalCellError, IndexError) as error:
            fault = Fault(line=number, reason="the trailer cannot be read")
            raise UnusableFileError(fault) from error
        summed = said_amount if amount is None else amount
        if (said_rows, said_amount) != (rows, summed):
            reason = (
                f"{rows} rows, {summed.fen} fen; the trailer says {said_rows}, {said_amount.fen}"
            )
            raise UnusableFileError(Fault(line=number, reason=reason))


def sum_of(amount: Money | None, more: Money | None) -> Money | None:
    """Add up; with an amount that cannot be read there is no sum.

    >>> sum_of(Money(1), Money(2)), sum_of(Money(1), None), sum_of(None, Money(2))
    (Money(fen=3), None, None)
    """
    return None if amount is None or more is None else amount + more


class _RowByRow:
    """Hands lines to the CSV reader; one row gets no more of them than a line may hold.

    A quote that is never closed, or cells that each hold a line's end, would make one row of a
    whole file, and keep it in memory.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = enumerate(lines, start=1)
        self._characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self._characters += len(line)
        if self._characters > LINE_CHARACTERS_MAX:
            raise UnusableFileError(Fault(line=number, reason="the line is too long"))
        return line

    def row_ends(self) -> None:
        self._characters = 0


def _check_nothing_follows(numbered: Iterator[tuple[int, list[str]]]) -> None:
    for number, _ in numbered:
        raise UnusableFileError(Fault(line=number, reason="a line after the trailer"))
