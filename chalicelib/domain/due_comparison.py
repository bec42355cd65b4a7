"""A funder's due list and ours, compared field by field: neither side's arithmetic is trusted."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum

from chalicelib.domain.funder import DueLine, NineAmounts
from chalicelib.domain.money import ZERO, Money, total

COMPARED = ("due_on", *(field.name for field in fields(NineAmounts)))
"""The date and the nine amounts."""

NAMED_MAX = 100_000
"""So many differences of one file are named; the others are counted: two lists that differ
everywhere, by one rate reckoned otherwise, are as large as the lists."""


class Match(StrEnum):
    """What two due lists say of one instalment."""

    EQUAL = "equal"
    DIFFERS = "differs"
    ONLY_THEIRS = "only_theirs"
    ONLY_OURS = "only_ours"


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceLine:
    """One field on which the lists differ, as the differences file tells it.

    Of an instalment that only one list has there is one line without a field: its whole amount.
    """

    loan_id: str
    instalment_no: int
    difference: Match
    field: str = ""
    theirs: Money = ZERO
    ours: Money = ZERO
    their_due_on: date | None = None
    our_due_on: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many instalments, and what each list says that they owe together."""

    count: int = 0
    theirs: Money = ZERO
    ours: Money = ZERO

    def __add__(self, other: "Tally") -> "Tally":
        if not isinstance(other, Tally):
            return NotImplemented
        return Tally(
            count=self.count + other.count,
            theirs=self.theirs + other.theirs,
            ours=self.ours + other.ours,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DueDifference:
    """One instalment on which the lists differ; None is the list that does not have it.

    :raises ValueError: if neither list has it.
    """

    theirs: DueLine | None
    ours: DueLine | None

    def __post_init__(self) -> None:
        _ = self._either

    @property
    def _either(self) -> DueLine:
        line = self.theirs or self.ours
        if line is None:
            raise ValueError("nobody has this line")
        return line

    @property
    def match(self) -> Match:
        if self.ours is None:
            return Match.ONLY_THEIRS
        return Match.ONLY_OURS if self.theirs is None else Match.DIFFERS

    @property
    def loan_id(self) -> str:
        return self._either.loan_id

    @property
    def instalment_no(self) -> int:
        return self._either.instalment_no

    @property
    def tally(self) -> Tally:
        """Count it, with what each list says is owed."""
        return Tally(count=1, theirs=_amount(self.theirs, ""), ours=_amount(self.ours, ""))

    @property
    def fields(self) -> tuple[str, ...]:
        """Which of the date and the amounts differ; none if one list lacks the line."""
        if self.theirs is None or self.ours is None:
            return ()
        return tuple(
            name for name in COMPARED if getattr(self.theirs, name) != getattr(self.ours, name)
        )

    @property
    def lines(self) -> tuple[DifferenceLine, ...]:
        """Tell it field by field."""
        return tuple(self._line(name) for name in self.fields or ("",))

    def _line(self, name: str) -> DifferenceLine:
        tells_date = name in {"", "due_on"}
        return DifferenceLine(
            loan_id=self.loan_id,
            instalment_no=self.instalment_no,
            difference=self.match,
            field=name,
            theirs=_amount(self.theirs, name),
            ours=_amount(self.ours, name),
            their_due_on=self.theirs.due_on if self.theirs and tells_date else None,
            our_due_on=self.ours.due_on if self.ours and tells_date else None,
        )


def _amount(line: DueLine | None, name: str) -> Money:
    """Read an amount off a line, its whole one where no field is named; a date is none."""
    if line is None or name == "due_on":
        return ZERO
    amount: Money = getattr(line, name) if name else line.whole.total
    return amount


@dataclass(frozen=True, kw_only=True, slots=True)
class DueComparison:
    """What two lists have in common and what not.

    `differences` are in order of loan and instalment, the first of them where they are many;
    `tallies` count all.
    """

    tallies: Mapping[Match, Tally]
    differences: tuple[DueDifference, ...]

    @property
    def theirs(self) -> Money:
        """Their whole list: what their manifest says, if all was counted."""
        return total(tally.theirs for tally in self.tallies.values())

    @property
    def ours(self) -> Money:
        return total(tally.ours for tally in self.tallies.values())

    @property
    def rows(self) -> int:
        """How many lines their list has."""
        return sum(
            tally.count for match, tally in self.tallies.items() if match is not Match.ONLY_OURS
        )

    @property
    def differing(self) -> int:
        """How many instalments differ, those that are not named too."""
        return sum(tally.count for match, tally in self.tallies.items() if match is not Match.EQUAL)

    @property
    def left_out(self) -> int:
        """How many differences are counted and not named."""
        return self.differing - len(self.differences)

    @property
    def differing_bps(self) -> int:
        """Say how many of 10,000 instalments of either list differ, rounded up: none is hidden."""
        count = sum(tally.count for tally in self.tallies.values())
        return -(-10_000 * self.differing // count) if count else 0


def compare(
    *, theirs: Iterable[DueLine], ours: Iterable[DueLine], named_max: int = NAMED_MAX
) -> DueComparison:
    """Compare two lists in which each (loan, instalment) stands once; name so many differences.

    :raises ValueError: if one stands twice in a list.
    """
    left, right = _by_instalment(theirs), _by_instalment(ours)
    tallies = dict.fromkeys(Match, Tally())
    differences: list[DueDifference] = []
    for key in sorted(left.keys() | right.keys()):
        found = DueDifference(theirs=left.get(key), ours=right.get(key))
        is_equal = found.theirs == found.ours
        tallies[Match.EQUAL if is_equal else found.match] += found.tally
        if not is_equal and len(differences) < named_max:
            differences.append(found)
    return DueComparison(tallies=tallies, differences=tuple(differences))


def _by_instalment(lines: Iterable[DueLine]) -> dict[tuple[str, int], DueLine]:
    found: dict[tuple[str, int], DueLine] = {}
    for line in lines:
        key = line.loan_id, line.instalment_no
        if key in found:
            raise ValueError(f"{key} stands in a list twice")
        found[key] = line
    return found


def difference_lines(differences: Iterable[DueDifference]) -> Iterator[DifferenceLine]:
    """Tell differences field by field: the lines of the differences file."""
    return (line for difference in differences for line in difference.lines)
