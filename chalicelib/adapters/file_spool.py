"""Sort a file's lines in one pass: those of the agreed shape go to disk, the odd ones are kept.

A line of the agreed shape has all its cells, and each looks as its column wants it: digits where
digits stand, a date's form where a date stands.  Whether the values make sense is asked later, of
all at once.  What is not plain text, one row a line, is left to the row reader.
"""

import csv
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import IO, Any

from chalicelib.adapters.file_cells import Matching, WholeNumber, day, moment
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_layouts import Amount, Column
from chalicelib.adapters.file_text import LINE_CHARACTERS_MAX, decoded_chunks

ODD_MAX = 20_000
COLUMNS_MAX = 100
FIRST_LINE = 2
"""The header is line 1."""
MOMENT = (
    r"20\d\d-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?"
    r"(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
DAY = r"20\d\d-\d\d-\d\d"
WHOLE_NUMBER = r"\d{1,18}"
AMOUNTS = {"fen": r"\d{1,15}", "yuan": r"\d{1,13}\.\d\d"}

Opened = Callable[[], Iterable[bytes]]


class NotPlainError(Exception):
    """The row reader must read this file: its lines are no rows, or too many are odd."""


@dataclass(kw_only=True, slots=True)
class Spooled:
    """What was found: so many lines of the agreed shape, the odd ones by number, the trailer."""

    header: list[str]
    good: int = 0
    odd: dict[int, str] = field(default_factory=dict)
    trailer: tuple[int, list[str]] | None = None

    def numbers_of(self, positions: Iterable[int]) -> Iterator[int]:
        """Tell on which lines the good ones of these positions stood, counted from 0."""
        before = [number - FIRST_LINE - count for count, number in enumerate(sorted(self.odd))]
        for position in positions:
            yield position + FIRST_LINE + bisect_right(before, position)


def spool(form: CsvFormat[Any], opened: Opened, target: IO[bytes]) -> Spooled:
    """Write the lines of the agreed shape to `target`, in UTF-8, amounts in fen, without prefix.

    :raises NotPlainError: if the row reader must read the file.
    :raises UnusableFileError: where the row reader raises it as well.
    """
    blocks = _blocks(decoded_chunks(opened(), form.dialect.encoding))
    first, _, block = next(blocks, "").partition("\n")
    found = Spooled(header=form.header(iter([(1, split(form, first))])))
    _check_columns(form, found.header)
    target.write(form.dialect.separator.join(f"c{n}" for n in range(len(found.header))).encode())
    target.write(b"\n")
    shape, number = _shape_of_lines(form, found.header), FIRST_LINE
    for lines in chain((block,), blocks):
        number = _sort(form, lines, shape, number, found, target)
    if form.dialect.trailer:
        last = number - 1
        found.trailer = (last, split(form, found.odd.pop(last, "")))
        if not form.is_trailer(found.trailer[1]):
            raise NotPlainError("no trailer at the end")
    return found


def split(form: CsvFormat[Any], line: str) -> list[str]:
    """Cut one line without quotes into its cells."""
    rows = csv.reader([line + "\n"], delimiter=form.dialect.separator, strict=True)
    return [cell.removeprefix(form.dialect.value_prefix) for cell in next(rows, [])]


def _blocks(decoded: Iterable[str]) -> Iterator[str]:
    """Cut a text between lines, and every line's end to a line feed."""
    rest = ""
    for text in decoded:
        whole, end, rest = (rest + text).rpartition("\n")
        if len(rest) >= LINE_CHARACTERS_MAX:
            raise NotPlainError("a line is too long")
        block = whole + end
        if '"' in block or "\0" in block:
            raise NotPlainError("cells are quoted")
        if "\r" in block:
            block = block.replace("\r\n", "\n")
            if "\r" in block:
                raise NotPlainError("a carriage return stands alone")
        if block:
            yield block
    if rest:
        raise NotPlainError("the last line has no end")


def _sort(
    form: CsvFormat[Any],
    block: str,
    shape: re.Pattern[str],
    number: int,
    found: Spooled,
    target: IO[bytes],
) -> int:
    """Sort one block, the first line of which has this number; give the next block's."""
    at = 0
    while at < len(block):
        matched = shape.match(block, at)
        end = matched.end() if matched else at
        if end > at:
            lines = block.count("\n", at, end)
            found.good, number = found.good + lines, number + lines
            target.write(_in_fen(form, block[at:end]).encode())
        if end < len(block):
            stop = block.index("\n", end)
            found.odd[number] = block[end:stop]
            number, end = number + 1, stop + 1
            if len(found.odd) > ODD_MAX or len(found.odd[number - 1]) >= LINE_CHARACTERS_MAX - 2:
                raise NotPlainError("too many lines are odd, or one is too long")
        at = end
    return number


def _in_fen(form: CsvFormat[Any], lines: str) -> str:
    """Take from lines of the agreed shape what is not part of a value."""
    if form.dialect.value_prefix:
        lines = lines.replace(form.dialect.value_prefix, "")
    return lines.replace(".", "") if form.dialect.amount_unit == "yuan" else lines


# --- the shape of a line ----------------------------------------------------------------


def _check_columns(form: CsvFormat[Any], header: Sequence[str]) -> None:
    if len(header) > COLUMNS_MAX:
        raise NotPlainError("too many columns")
    if re.search(r"[A-Za-z0-9_.-]", form.dialect.value_prefix):
        raise NotPlainError("the prefix may be part of a value")
    columns = {column.name: column for column in form.layout.columns}
    if form.dialect.trailer:
        first = columns.get(header[0])
        mark = form.dialect.trailer.mark
        if first is None or re.fullmatch(_shape_of_cell(form, first), mark, re.ASCII):
            raise NotPlainError("a line may begin like the trailer")


def _shape_of_lines(form: CsvFormat[Any], header: Sequence[str]) -> re.Pattern[str]:
    """Make the pattern of as many lines as follow each other in the agreed shape."""
    columns = {column.name: column for column in form.layout.columns}
    separator, prefix = map(re.escape, (form.dialect.separator, form.dialect.value_prefix))
    cells = [
        f"(?:{prefix})?(?:{_shape_of_cell(form, columns[name])})"
        if name in columns
        else rf"[^{separator}\n]{{0,999}}"
        for name in header
    ]
    return re.compile(f"(?:{separator.join(cells)}\\n)*+", re.ASCII)


def _shape_of_cell(form: CsvFormat[Any], column: Column | Amount) -> str:
    if isinstance(column, Amount):
        return AMOUNTS[form.dialect.amount_unit]
    match column.read:
        case Matching(pattern=pattern):
            return pattern
        case WholeNumber():
            return WHOLE_NUMBER
        case _ if column.read is day:
            return DAY
        case _ if column.read is moment:
            return MOMENT
    raise NotPlainError(f"{column.name} has cells of no simple shape")
