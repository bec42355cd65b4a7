"""Screen all rows of a large file at once; only the suspicious ones are read one by one.

The verdict is the row reader's on every row: what DuckDB does not find sound goes through the row
reader for its exact faults, and a file that is not plain goes there whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.adapters.file_cells import WholeNumber, day, moment
from chalicelib.adapters.file_dialects import CsvFormat, Key, Record
from chalicelib.adapters.file_engine import Engine, engine, is_here
from chalicelib.adapters.file_layouts import Amount, Column, nothing_broken
from chalicelib.adapters.file_spool import NotPlainError, Opened, Spooled, split
from chalicelib.adapters.file_text import text_lines
from chalicelib.adapters.funder_layouts import unequal_parts
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import Census, Line, UnusableFileError, census_of

SUSPICIOUS_MAX = 50_000
LINE_BYTES = 50
"""No line of the kinds that are screened is much shorter."""

BROKEN: Mapping[Callable[..., Any], str] = {
    nothing_broken: "false",
    unequal_parts: " or ".join(
        f"funder_{part}_fen + platform_{part}_fen <> {part}_fen"
        for part in ("principal", "interest", "penalty")
    ),
}
"""The rules over a line, as DuckDB says them."""

Keyed = tuple[Line[Record], Key]


@dataclass(frozen=True, kw_only=True)
class ScreenedFormat(CsvFormat[Record]):
    """A layout in a dialect whose files may have a million lines.

    A file of fewer than `lines_min` is read row by row: it is as fast.
    """

    lines_min: int = 5_000

    def census(self, opened: Opened, *, takes_good_lines: bool = False) -> Census:
        if is_here():
            small = _if_small(opened(), bytes_max=self.lines_min * LINE_BYTES)
            if small is not None:
                return CsvFormat.census(self, lambda: small, takes_good_lines=takes_good_lines)
            try:
                return self._screened(opened, takes_good_lines=takes_good_lines)
            except (NotPlainError, UnusableFileError, OSError):
                pass  # the row reader says it in its own words
        return CsvFormat.census(self, opened, takes_good_lines=takes_good_lines)

    def _screened(self, opened: Opened, *, takes_good_lines: bool) -> Census:
        with engine() as found:
            spooled = found.load("lines", self, opened)
            if spooled.good < self.lines_min:
                raise NotPlainError("a small file")
            odd = dict(self._odd(spooled))
            twice = _twice(self, spooled, odd, found)
            unsound = _unsound(self, spooled, found)
            amount = found.one(f"coalesce(sum({' + '.join(self.layout.control)}), 0)", "lines")
        again = self._read_again(opened, (unsound.keys() | twice) - odd.keys(), spooled.header)
        for number in unsound.keys() & again.keys():
            if again[number][1] not in (None, unsound[number]):
                raise NotPlainError("the lines are in another order")
        exact = {number: line for number, (line, _) in (odd | again).items()}
        exact |= {number: self.twice(exact[number]) for number in twice}
        told = census_of(
            (line for _, line in sorted(exact.items())), takes_good_lines=takes_good_lines
        )
        of_odd = sum(line.amount.fen for line, _ in odd.values() if line.amount)
        census = replace(told, rows=spooled.good + len(odd), amount=Money(int(amount) + of_odd))
        if spooled.trailer:
            is_summed = all(line.amount is not None for line, _ in odd.values())
            self.check_trailer(*spooled.trailer, census.rows, census.amount if is_summed else None)
        return census

    def _odd(self, spooled: Spooled) -> Iterator[tuple[int, Keyed[Record]]]:
        for number, text in spooled.odd.items():
            cells = split(self, text)
            if self.is_trailer(cells):
                raise NotPlainError("lines follow a trailer")
            yield number, self.line(number, spooled.header, cells)

    def _read_again(
        self, opened: Opened, wanted: set[int], header: Sequence[str]
    ) -> dict[int, Keyed[Record]]:
        """Read some lines of the file exactly, by their numbers."""
        if not wanted:
            return {}
        lines = enumerate(text_lines(opened(), self.dialect.encoding), start=1)
        return {
            number: self.line(number, header, split(self, text.rstrip("\r\n")))
            for number, text in lines
            if number in wanted
        }


def _if_small(chunks: Iterable[bytes], *, bytes_max: int) -> list[bytes] | None:
    """Read a file whole if it is so small: the engine would take longer to start."""
    head, size = [], 0
    for chunk in chunks:
        head.append(chunk)
        size += len(chunk)
        if size > bytes_max:
            return None
    return head


def sound(columns: Iterable[Column | Amount]) -> str:
    """Say what values these columns have where they make sense."""
    said = ["true"]
    for column in columns:
        if isinstance(column, Amount):
            said.append(f"{column.name} >= {column.at_least_fen}")
        elif isinstance(column.read, WholeNumber):
            said.append(f"{column.name} between {column.read.at_least} and {column.read.at_most}")
        elif column.read is day:
            said.append(f"{column.name} is not null")
        elif column.read is moment:
            # The rest of its form is in order, or the line would be an odd one.
            said.append(f"try_cast(substr({column.name}, 1, 10) as date) is not null")
    return " and ".join(said)


def _unsound(
    form: CsvFormat[Any], spooled: Spooled, found: Engine
) -> dict[int, tuple[object, ...]]:
    """Name the lines of which some value, or all together, make no sense; with their keys."""
    if form.layout.broken_rules not in BROKEN:
        raise NotPlainError("a rule that only the row reader knows")
    is_sound = f"{sound(form.layout.columns)} and not ({BROKEN[form.layout.broken_rules]})"
    return dict(_some(form, spooled, found, f"where not coalesce({is_sound}, false)"))


def _twice(
    form: CsvFormat[Any], spooled: Spooled, odd: Mapping[int, Keyed[Any]], found: Engine
) -> frozenset[int]:
    """Name the lines before which one stands that has the same key."""
    if not form.layout.key:
        return frozenset()
    key = ", ".join(form.layout.key)
    # A key of which a part makes no sense is none.
    key_is_sound = sound(column for column in form.layout.columns if column.name in form.layout.key)
    having = f"where {key_is_sound} group by all having count(*) > 1"
    found.make("several", key, f"lines {having}")
    keys = {number: each for number, (_, each) in odd.items() if each is not None}
    found.insert("several", set(keys.values()))
    keys |= dict(
        _some(form, spooled, found, f"semi join several using ({key}) where {key_is_sound}")
    )
    first: dict[tuple[object, ...], int] = {}
    return frozenset(
        number for number, each in sorted(keys.items()) if first.setdefault(each, number) != number
    )


def _some(
    form: CsvFormat[Any], spooled: Spooled, found: Engine, which: str
) -> Iterator[tuple[int, tuple[object, ...]]]:
    """Give numbers and keys of some lines.

    :raises NotPlainError: if they are so many that the row reader is no slower.
    """
    columns = ", ".join(("lines.rowid", *(f"lines.{name}" for name in form.layout.key)))
    rows = list(found.rows(columns, f"lines {which} limit {SUSPICIOUS_MAX + 1}"))
    if len(rows) > SUSPICIOUS_MAX:
        raise NotPlainError("too many lines are suspicious")
    numbers = spooled.numbers_of(row[0] for row in rows)
    return zip(numbers, (row[1:] for row in rows), strict=True)
