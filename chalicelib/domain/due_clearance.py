"""What a comparison with a funder's due list means for the rounds: who goes, who is held, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chalicelib.domain.deduction import SkipReason
from chalicelib.domain.due_comparison import DueComparison, DueDifference, Match


class Verdict(StrEnum):
    """All go, the loans that differ are held, or all are."""

    GO = "go"
    HOLD_LOANS = "hold_loans"
    HOLD_ALL = "hold_all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clearance:
    """What of a funder's dues may go out on a date: the same for every round of it.

    With a `reason` nothing may; else all but the loans that are `held`, each with its note.
    """

    reason: SkipReason | None = None
    held: Mapping[str, str] = field(default_factory=dict)

    def why_held(self, loan_id: str) -> tuple[SkipReason, str] | None:
        """Say why a loan's due must not go out, and what differs; None if it may.

        >>> held = Clearance(held={"LN7": "instalment 2 interest: 900 here, 800 there"})
        >>> held.why_held("LN7")[0].value
        'funder_differs'
        >>> held.why_held("LN8") is None
        True
        """
        if self.reason:
            return self.reason, ""
        if loan_id in self.held:
            return SkipReason.FUNDER_DIFFERS, self.held[loan_id]
        return None


NO_VERDICT = Clearance(reason=SkipReason.FUNDER_FILE_MISSING)
"""What stands of a funder nobody has heard of: its loans' dues go out with a verdict only."""


def verdict_of(compared: DueComparison, *, tolerance_bps: int) -> Verdict:
    """Judge by how many instalments differ: over the tolerance nothing of the file is believed.

    Nor where they are so many that not all are named: then nobody knows whom to hold alone.
    """
    if not compared.differing:
        return Verdict.GO
    if compared.differing_bps > tolerance_bps or compared.left_out:
        return Verdict.HOLD_ALL
    return Verdict.HOLD_LOANS


def held_of(compared: DueComparison) -> Mapping[str, str]:
    """Name each loan that is not the same on both sides, with its first difference in words."""
    held: dict[str, str] = {}
    for difference in compared.differences:
        held.setdefault(difference.loan_id, _note(difference))
    return held


def facts_of(compared: DueComparison) -> Mapping[str, Any]:
    """Write counts and fen of both sides as plain data."""
    return {
        "differing": compared.differing,
        "left_out": compared.left_out,
        "differing_bps": compared.differing_bps,
        "theirs_fen": compared.theirs.fen,
        "ours_fen": compared.ours.fen,
        "lines": {
            match.value: {
                "count": tally.count,
                "theirs_fen": tally.theirs.fen,
                "ours_fen": tally.ours.fen,
            }
            for match, tally in compared.tallies.items()
        },
    }


def _note(difference: DueDifference) -> str:
    told = f"instalment {difference.instalment_no}"
    match difference.match:
        case Match.ONLY_OURS:
            return f"{told}: missing there"
        case Match.ONLY_THEIRS:
            return f"{told}: missing here"
        case _:
            line = difference.lines[0]
            here, there = (
                (line.our_due_on, line.their_due_on)
                if line.field == "due_on"
                else (line.ours.fen, line.theirs.fen)
            )
            return f"{told} {line.field}: {here} here, {there} there"
