"""Compare a funder's due file with our own list at any size: only differences leave the engine."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.adapters import file_writer
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_engine import Engine, engine, is_here
from chalicelib.adapters.file_screen import sound
from chalicelib.adapters.file_spool import NotPlainError, Opened
from chalicelib.adapters.funder_layouts import DUE, NINE_AMOUNTS
from chalicelib.domain.due_comparison import (
    NAMED_MAX,
    DueComparison,
    DueDifference,
    Match,
    Tally,
    compare,
)
from chalicelib.domain.funder import DueLine
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import UnusableFileError

KEY = "loan_id, instalment_no"
WHOLE = f"coalesce(sum({' + '.join(DUE.control)}), 0)"
FIELDS = ("due_on", *(amount.name for amount in NINE_AMOUNTS))
DIFFERING = ", ".join(
    (
        "coalesce(t.loan_id, o.loan_id) as loan_id",
        "coalesce(t.instalment_no, o.instalment_no) as instalment_no",
        *(f"t.{name} as their_{name}, o.{name} as our_{name}" for name in FIELDS),
    )
)
BOTH = (
    "theirs t full outer join ours o"
    " on t.loan_id = o.loan_id and t.instalment_no = o.instalment_no"
    " where t.loan_id is null or o.loan_id is null or "
    + " or ".join(f"t.{name} <> o.{name}" for name in FIELDS)
)

MATCH = (
    f"case when their_due_on is null then '{Match.ONLY_OURS}'"
    f" when our_due_on is null then '{Match.ONLY_THEIRS}' else '{Match.DIFFERS}' end"
)
SIDES = ", ".join(
    f"coalesce(sum({' + '.join(f'{side}_{name}' for name in DUE.control)}), 0)"
    for side in ("their", "our")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DueFile:
    """A due list as a file; each call of `opened` streams it anew, the same bytes."""

    form: CsvFormat[DueLine]
    opened: Opened

    def lines(self) -> Iterator[DueLine]:
        """Read it row by row.

        :raises UnusableFileError: at its first bad line.
        """
        for line in self.form.lines(self.opened()):
            if line.record is None:
                raise UnusableFileError(*line.faults)
            yield line.record


def as_file(made: Callable[[], Iterable[DueLine]]) -> DueFile:
    """Tell lines as a file; each call of `made` makes them anew, the same."""
    return DueFile(
        form=CsvFormat(layout=DUE), opened=lambda: file_writer.stream(made(), layout=DUE)
    )


def match(*, theirs: DueFile, ours: DueFile, named_max: int = NAMED_MAX) -> DueComparison:
    """Compare two due lists, as `due_comparison.compare` does, in the memory of one engine.

    Without the engine they are compared row by row, in the memory of all their lines.

    :raises UnusableFileError: if a line is bad, or stands twice.
    """
    if is_here():
        try:
            return _matched(theirs, ours, named_max)
        except NotPlainError:
            pass  # the row reader says which line it is
    return compare(theirs=theirs.lines(), ours=ours.lines(), named_max=named_max)


def _matched(theirs: DueFile, ours: DueFile, named_max: int) -> DueComparison:
    with engine() as found:
        rows = [_load(found, "theirs", theirs), _load(found, "ours", ours)]
        sums = [Money(int(found.one(WHOLE, table))) for table in ("theirs", "ours")]
        found.make("differing", DIFFERING, BOTH)
        differences = tuple(
            DueDifference(theirs=_line(row[:2], row[2::2]), ours=_line(row[:2], row[3::2]))
            for row in found.rows("*", f"differing order by {KEY} limit {named_max}")
        )
        differing = {
            Match(told): Tally(count=count, theirs=Money(int(their)), ours=Money(int(our)))
            for told, count, their, our in found.rows(
                f"{MATCH}, count(*), {SIDES}", "differing group by 1"
            )
        }
    return _tallied(differences, differing, rows=rows, sums=sums)


def _load(found: Engine, table: str, file: DueFile) -> int:
    """Load a list whole; one that is not plain is told anew, row by row."""
    try:
        spooled = found.load(table, file.form, file.opened)
        unsound = f"{table} where not coalesce({sound(DUE.columns)}, false)"
        if not spooled.odd and not found.one("count(*)", unsound):
            return spooled.good
    except NotPlainError:
        pass
    found.drop(table)
    plain = as_file(file.lines)
    spooled = found.load(table, plain.form, plain.opened)
    return spooled.good


def _line(key: tuple[Any, ...], values: tuple[Any, ...]) -> DueLine | None:
    loan_id, instalment_no = key
    due_on, *amounts = values
    if due_on is None:
        return None
    return DueLine(
        loan_id=loan_id,
        instalment_no=instalment_no,
        due_on=due_on,
        **{
            column.attribute: Money(amount)
            for column, amount in zip(NINE_AMOUNTS, amounts, strict=True)
        },
    )


def _tallied(
    differences: tuple[DueDifference, ...],
    differing: Mapping[Match, Tally],
    *,
    rows: list[int],
    sums: list[Money],
) -> DueComparison:
    """Add what differs; what is left over of both lists is equal, and must be the same."""
    tallies = {**dict.fromkeys(Match, Tally()), **differing}
    theirs, ours = rows
    both = tallies[Match.DIFFERS].count
    equal = (
        theirs - both - tallies[Match.ONLY_THEIRS].count,
        sums[0] - tallies[Match.DIFFERS].theirs - tallies[Match.ONLY_THEIRS].theirs,
    )
    if equal != (
        ours - both - tallies[Match.ONLY_OURS].count,
        sums[1] - tallies[Match.DIFFERS].ours - tallies[Match.ONLY_OURS].ours,
    ):
        raise NotPlainError("what is equal is not the same on both sides: a line stands twice")
    tallies[Match.EQUAL] = Tally(count=equal[0], theirs=equal[1], ours=equal[1])
    return DueComparison(tallies=tallies, differences=differences)
