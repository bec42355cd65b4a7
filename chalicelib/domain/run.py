"""A run: one job of one business date, and the control totals it must tie to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from chalicelib.domain.money import ZERO, Money, total


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many, and how much.

    >>> Tally(count=1, amount=Money(5)) + Tally(count=2, amount=Money(7))
    Tally(count=3, amount=Money(fen=12))
    """

    count: int = 0
    amount: Money = ZERO

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(count=self.count + other.count, amount=self.amount + other.amount)

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(count=self.count - other.count, amount=self.amount - other.amount)


NONE = Tally()

Facts = Mapping[str, Any]
"""Plain data of a run as people read it: counts, fen, names."""


def tally_of(amounts: Iterable[Money]) -> Tally:
    """Count amounts, and add them up.

    >>> tally_of([Money(5), Money(7)])
    Tally(count=2, amount=Money(fen=12))
    """
    amounts = tuple(amounts)
    return Tally(count=len(amounts), amount=total(amounts))


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Add tallies up."""
    tallies = tuple(tallies)
    return Tally(count=sum(t.count for t in tallies), amount=total(t.amount for t in tallies))


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundTotals:
    """What became of every due of a round.

    `waiting` are dues nobody has taken up yet; `reduced` is the part of listed amounts
    that was paid between list and deduction (an amount without a count).
    """

    due: Tally = NONE
    succeeded: Tally = NONE
    failed: Mapping[str, Tally] = field(default_factory=dict)
    unknown: Tally = NONE
    skipped: Mapping[str, Tally] = field(default_factory=dict)
    waiting: Tally = NONE
    reduced: Money = ZERO

    @property
    def accounted(self) -> Tally:
        return sum_of(
            (
                self.succeeded,
                *self.failed.values(),
                self.unknown,
                *self.skipped.values(),
                self.waiting,
                Tally(amount=self.reduced),
            )
        )

    @property
    def ties(self) -> bool:
        """Whether due = succeeded + failed + unknown + skipped + waiting, in number and fen."""
        return self.due == self.accounted

    @property
    def is_complete(self) -> bool:
        """Whether every due was taken up and the totals tie; unknown orders may remain."""
        return self.ties and not self.waiting.count

    def as_facts(self) -> Facts:
        """Write the totals as plain data."""
        return {
            "due": _facts(self.due),
            "succeeded": _facts(self.succeeded),
            "failed": {code: _facts(tally) for code, tally in sorted(self.failed.items())},
            "unknown": _facts(self.unknown),
            "skipped": {why: _facts(tally) for why, tally in sorted(self.skipped.items())},
            "waiting": _facts(self.waiting),
            "reduced_fen": self.reduced.fen,
            "ties": self.ties,
        }


def _facts(tally: Tally) -> Facts:
    return {"count": tally.count, "amount_fen": tally.amount.fen}


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The run item of (business date, job): `totals` are plain data, `parts` the shards done.

    `claimed` is the latest version of a file that somebody works it with; 0 where none is needed.
    `asked` is who wishes, or wished, a complete run reopened and why, `is_asked` while nobody has
    answered; `reopened` is how often it was.
    """

    business_date: date
    job: str
    state: str = "started"
    started_at: datetime
    completed_at: datetime | None = None
    parts: Mapping[int, Facts] = field(default_factory=dict)
    totals: Facts = field(default_factory=dict)
    claimed: int = 0
    reopened: int = 0
    asked: Facts = field(default_factory=dict)
    is_asked: bool = False

    @property
    def is_complete(self) -> bool:
        return self.state == "complete"

    def completed(self, *, at: datetime, totals: Facts) -> "Run":
        return replace(self, state="complete", completed_at=at, totals=totals)
