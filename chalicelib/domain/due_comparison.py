"""Lay a funder's due list beside ours, instalment by instalment and field by field.

Neither side is right by itself: what differs is held and shown to both, what is equal goes out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chalicelib.domain.deduction import SkipReason
from chalicelib.domain.funder import DueLine
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.run import NONE, Tally, sum_of

AMOUNTS = (
    "principal",
    "interest",
    "penalty",
    "funder_principal",
    "funder_interest",
    "funder_penalty",
    "platform_principal",
    "platform_interest",
    "platform_penalty",
)
WHOLE_LINE = "line"
"""The column that a finding about a line as a whole names."""


class Finding(StrEnum):
    """What is found of one line.  Of two lines about one instalment the second is TWICE_THERE."""

    EQUAL = "equal"
    DIFFERS = "differs"
    MISSING_THERE = "missing_there"
    EXTRA_THERE = "extra_there"
    TWICE_THERE = "twice_there"


class Verdict(StrEnum):
    """What a due file means for the round: all go, its differing loans are held, or all are."""

    GO = "go"
    HOLD_LOANS = "hold_loans"
    HOLD_ALL = "hold_all"


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceLine:
    """One field that the two sides have otherwise: a line of the differences file.

    `difference` is theirs less ours, nothing for a date.
    """

    loan_id: str
    instalment_no: int
    finding: Finding
    column: str
    ours: str
    theirs: str
    difference: Money = ZERO


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """One instalment that is not the same on both sides."""

    finding: Finding
    ours: DueLine | None = None
    theirs: DueLine | None = None

    @property
    def line(self) -> DueLine:
        """Give the line to name the instalment by.

        :raises ValueError: if there is none on either side.
        """
        found = self.ours or self.theirs
        if found is None:
            raise ValueError("a finding is about a line")
        return found

    @property
    def differences(self) -> tuple[DifferenceLine, ...]:
        return tuple(self._differences())

    def _differences(self) -> Iterator[DifferenceLine]:
        if self.ours and self.theirs:
            if self.ours.due_on != self.theirs.due_on:
                days = (self.ours.due_on.isoformat(), self.theirs.due_on.isoformat())
                yield self._told("due_on", *days)
            for name in AMOUNTS:
                ours: Money = getattr(self.ours, name)
                theirs: Money = getattr(self.theirs, name)
                if ours != theirs:
                    yield self._told(f"{name}_fen", str(ours.fen), str(theirs.fen), theirs - ours)
            return
        here = self.ours.whole.total if self.ours else None
        there = self.theirs.whole.total if self.theirs else None
        yield self._told(
            WHOLE_LINE,
            "" if here is None else str(here.fen),
            "" if there is None else str(there.fen),
            (there or ZERO) - (here or ZERO),
        )

    def _told(
        self, column: str, ours: str, theirs: str, difference: Money = ZERO
    ) -> DifferenceLine:
        return DifferenceLine(
            loan_id=self.line.loan_id,
            instalment_no=self.line.instalment_no,
            finding=self.finding,
            column=column,
            ours=ours,
            theirs=theirs,
            difference=difference,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What the two lists came to; `findings` are those that are not equal, in order of loans.

    `ours` and `theirs` count each side's lines by finding: both add up to the whole list.
    """

    verdict: Verdict
    findings: tuple[Compared, ...]
    ours: Mapping[Finding, Tally]
    theirs: Mapping[Finding, Tally]

    @property
    def differing(self) -> int:
        return len(self.findings)

    @property
    def held(self) -> Mapping[str, str]:
        """Name each loan of ours that is not the same, with its first difference."""
        held: dict[str, str] = {}
        for found in self.findings:
            held.setdefault(found.line.loan_id, _note(found.differences[0]))
        return held

    @property
    def differences(self) -> Iterator[DifferenceLine]:
        """Stream the lines of the differences file."""
        return (line for found in self.findings for line in found.differences)

    def as_facts(self) -> Mapping[str, Any]:
        """Write counts and fen as plain data."""
        return {
            "verdict": self.verdict.value,
            "differing": self.differing,
            "ours": _facts(self.ours),
            "theirs": _facts(self.theirs),
        }


def compare(
    *, ours: Iterable[DueLine], theirs: Iterable[DueLine], tolerance_bps: int
) -> Comparison:
    """Compare two lists; more than `tolerance_bps` of all lines differing hold everything.

    Ours is held in memory, theirs is streamed.
    """
    left = {(line.loan_id, line.instalment_no): line for line in ours}
    seen: set[tuple[str, int]] = set()
    here = dict.fromkeys(Finding, NONE)
    there = dict.fromkeys(Finding, NONE)
    findings: list[Compared] = []
    for line in theirs:
        key = (line.loan_id, line.instalment_no)
        found = _judge(ours=left.pop(key, None), theirs=line, is_again=key in seen)
        seen.add(key)
        there[found.finding] += _tally(line)
        if found.ours:
            here[found.finding] += _tally(found.ours)
        if found.finding is not Finding.EQUAL:
            findings.append(found)
    for line in left.values():
        here[Finding.MISSING_THERE] += _tally(line)
        findings.append(Compared(finding=Finding.MISSING_THERE, ours=line))
    lines = here[Finding.MISSING_THERE].count + sum(tally.count for tally in there.values())
    return Comparison(
        verdict=verdict_of(differing=len(findings), lines=lines, tolerance_bps=tolerance_bps),
        findings=tuple(sorted(findings, key=_order)),
        ours=here,
        theirs=there,
    )


def verdict_of(*, differing: int, lines: int, tolerance_bps: int) -> Verdict:
    """Judge by how much differs.

    >>> verdict_of(differing=5, lines=100, tolerance_bps=500).value
    'hold_loans'
    >>> verdict_of(differing=6, lines=100, tolerance_bps=500).value
    'hold_all'
    """
    if not differing:
        return Verdict.GO
    if differing * 10_000 > tolerance_bps * lines:
        return Verdict.HOLD_ALL
    return Verdict.HOLD_LOANS


def _judge(*, ours: DueLine | None, theirs: DueLine, is_again: bool) -> Compared:
    if is_again:
        return Compared(finding=Finding.TWICE_THERE, theirs=theirs)
    if ours is None:
        return Compared(finding=Finding.EXTRA_THERE, theirs=theirs)
    finding = Finding.EQUAL if ours == theirs else Finding.DIFFERS
    return Compared(finding=finding, ours=ours, theirs=theirs)


def _order(found: Compared) -> tuple[str, int, str]:
    return found.line.loan_id, found.line.instalment_no, found.finding.value


def _note(difference: DifferenceLine) -> str:
    """Say one difference in a few words."""
    here, there = difference.ours or "none", difference.theirs or "none"
    return f"instalment {difference.instalment_no} {difference.column}: {here} here, {there} there"


def _tally(line: DueLine) -> Tally:
    return Tally(count=1, amount=line.whole.total)


def _facts(tallies: Mapping[Finding, Tally]) -> Mapping[str, Any]:
    told = {finding.value: tally for finding, tally in tallies.items() if tally.count}
    told["all"] = sum_of(tallies.values())
    return {
        name: {"count": tally.count, "amount_fen": tally.amount.fen} for name, tally in told.items()
    }


# --- what it means for the rounds -------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Clearance:
    """What of a funder's dues may go out on a date: the same for every round of it.

    With a `reason` nothing may; else all but the loans that are `held`, each with its note.
    """

    reason: SkipReason | None = None
    held: Mapping[str, str] = field(default_factory=dict)

    def why_held(self, loan_id: str) -> tuple[SkipReason, str] | None:
        """Say why a loan's due must not go out, and what differs; None if it may.

        >>> Clearance(held={"LN7": "instalment 2 line: 900 here, none there"}).why_held("LN7")[0]
        <SkipReason.FUNDER_DIFFERS: 'funder_differs'>
        >>> Clearance(held={"LN7": ""}).why_held("LN8") is None
        True
        """
        if self.reason:
            return self.reason, ""
        if loan_id in self.held:
            return SkipReason.FUNDER_DIFFERS, self.held[loan_id]
        return None


NO_VERDICT = Clearance(reason=SkipReason.FUNDER_FILE_MISSING)
"""What stands of a funder nobody has heard of: its loans' dues go out with a verdict only."""
