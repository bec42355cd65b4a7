"""CSV files in partners' dialects.  A layout says which columns, a dialect how they are written.

Both are data.  Nothing here guesses: a file is read as agreed, or it is refused with its lines.
"""

import codecs
import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chalicelib.adapters.file_layouts import (
    AMOUNT_UNITS,
    Amount,
    IllegalCellError,
    Layout,
    shape_of,
    whole_number,
)
from chalicelib.domain.money import ZERO, Money
from chalicelib.flows.file_ports import Fault, Line, Manifest, UnusableFileError

LINE_CHARACTERS_MAX = 64 * 1024
MANIFEST_BYTES_MAX = 4 * 1024
ROWS_MAX = 10**9
AMOUNT_FEN_MAX = 10**18
UTF_8 = "utf-8"

Record = TypeVar("Record")


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

    :raises ValueError: if neither manifest nor trailer would prove a file complete.
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
        rows, amount = 0, ZERO
        numbered = self._cells(chunks)
        header = self._header(numbered)
        for number, cells in numbered:
            if self.dialect.trailer and cells[:1] == [self.dialect.trailer.mark]:
                self._check_trailer(self.dialect.trailer, number, cells, rows, amount)
                _check_nothing_follows(numbered)
                return
            line = self._line(number, header, cells)
            rows, amount = rows + 1, amount + (line.amount or ZERO)
            yield line
        if self.dialect.trailer:
            raise UnusableFileError(Fault(reason="the trailer is missing: the file is cut"))

    def _cells(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
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

    def _header(self, numbered: Iterator[tuple[int, list[str]]]) -> list[str]:
        number, theirs = next(numbered, (0, []))
        if not theirs:
            raise UnusableFileError(Fault(reason="the file is empty"))
        header = [self.dialect.headers.get(name, name) for name in theirs]
        # A column more is a partner's new version and nobody's money; one less is refused.
        faults = [
            Fault(line=number, column=name, reason="column missing")
            for name in self.layout.names
            if name not in header
        ]
        if len(set(header)) != len(header):
            faults.append(Fault(line=number, reason="a column stands twice"))
        if faults:
            raise UnusableFileError(*faults)
        return header

    def _line(self, number: int, header: Sequence[str], cells: Sequence[str]) -> Line[Record]:
        if len(cells) != len(header):
            reason = f"{len(cells)} cells, not {len(header)}"
            fault = Fault(line=number, reason=reason)
            return Line(number=number, amount=None, record=None, faults=(fault,))
        by_name = dict(zip(header, cells, strict=True))
        values: dict[str, object] = {}
        faults: list[Fault] = []
        control: Money | None = None
        for column in self.layout.columns:
            cell = by_name[column.name]
            try:
                if isinstance(column, Amount):
                    money = AMOUNT_UNITS[self.dialect.amount_unit](cell)
                    control = money if column.name == self.layout.control else control
                    values[column.name.removesuffix("_fen")] = column.checked(money)
                else:
                    values[column.name] = column.read(cell)
            except IllegalCellError as error:
                faults.append(
                    Fault(line=number, column=column.name, reason=str(error), value=shape_of(cell))
                )
        record = None if faults else self.layout.make(**values)
        return Line(number=number, amount=control, record=record, faults=tuple(faults))

    def _check_trailer(
        self, trailer: Trailer, number: int, cells: Sequence[str], rows: int, amount: Money
    ) -> None:
        try:
            said_rows = whole_number(at_least=0, at_most=ROWS_MAX)(cells[trailer.rows_at])
            said_amount = AMOUNT_UNITS[self.dialect.amount_unit](cells[trailer.amount_at])
        except (IllegalCellError, IndexError) as error:
            fault = Fault(line=number, reason="the trailer cannot be read")
            raise UnusableFileError(fault) from error
        if (said_rows, said_amount) != (rows, amount):
            reason = (
                f"{rows} rows, {amount.fen} fen; the trailer says {said_rows}, {said_amount.fen}"
            )
            raise UnusableFileError(Fault(line=number, reason=reason))


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


# --- bytes ------------------------------------------------------------------------------


def text_lines(chunks: Iterable[bytes], encoding: str = UTF_8) -> Iterator[str]:
    """Decode a stream strictly, line by line; every line ends in a line feed, the last one too.

    UTF-8 is read with or without its mark.  Text that is also UTF-8 is refused under any other
    encoding: read so, it would be mojibake without an error.

    :raises UnusableFileError: at the first byte that is not text of the encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == UTF_8 else encoding)()
    twin = None if encoding == UTF_8 else _Twin()
    number, rest = 1, ""
    for chunk in _and_end(chunks):
        if twin:
            twin.see(chunk, encoding)
        try:
            decoded = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            bad = number + error.object[: error.start].count(b"\n")
            fault = Fault(line=bad, reason=f"not {encoding}")
            raise UnusableFileError(fault) from error
        *whole, rest = (rest + decoded).split("\n")
        for line in whole:
            # Wherever the chunks end: the same file is refused, however it is streamed.
            if len(line) >= LINE_CHARACTERS_MAX:
                raise UnusableFileError(Fault(line=number, reason="the line is too long"))
            yield line + "\n"
            number += 1
        if len(rest) >= LINE_CHARACTERS_MAX:
            raise UnusableFileError(Fault(line=number, reason="the line is too long"))
    if rest:
        raise UnusableFileError(Fault(line=number, reason="the line has no end: the file is cut"))


def _and_end(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on what there is, and an empty chunk for the end."""
    for chunk in chunks:
        if chunk:
            yield chunk
    yield b""


class _Twin:
    """Reads the same bytes as UTF-8, to tell whether they are."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder(UTF_8)()
        self._may_be_utf_8 = True
        self._is_ascii = True

    def see(self, chunk: bytes, encoding: str) -> None:
        self._is_ascii = self._is_ascii and chunk.isascii()
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            self._may_be_utf_8 = False
        if not chunk and self._may_be_utf_8 and not self._is_ascii:
            raise UnusableFileError(Fault(reason=f"UTF-8, not {encoding}"))


# --- manifests --------------------------------------------------------------------------


def read_manifest(body: bytes) -> Manifest:
    """Read a manifest: these three figures, and nothing else.

    >>> read_manifest(b'{"rows": 0, "amount_fen": 0, "sha256": "' + b"0" * 64 + b'"}').rows
    0

    :raises UnusableFileError: if it is anything else.
    """
    told = _object_of(body)
    match told:
        # bool is an int to `int()`, and no number of rows
        case {"rows": int(rows), "amount_fen": int(amount_fen), "sha256": str(sha256)} if (
            len(told) == 3
            and type(rows) is type(amount_fen) is int
            and 0 <= rows <= ROWS_MAX
            and abs(amount_fen) < AMOUNT_FEN_MAX
            and re.fullmatch(r"[0-9a-f]{64}", sha256)
        ):
            return Manifest(rows=rows, amount=Money(amount_fen), sha256=sha256)
    raise UnusableFileError(Fault(reason="the manifest is not {rows, amount_fen, sha256}"))


def _object_of(body: bytes) -> dict[str, object]:
    """Read a small JSON object; a name that stands twice, or any doubt, makes it an empty one."""
    if len(body) > MANIFEST_BYTES_MAX:
        return {}
    try:
        pairs = json.loads(body.decode(UTF_8), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return {}
    is_sound = isinstance(pairs, tuple) and len(dict(pairs)) == len(pairs)
    return dict(pairs) if is_sound else {}
