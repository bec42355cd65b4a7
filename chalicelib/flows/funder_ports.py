"""What a day with funders needs from the outside world, beside ports.py and file_ports.py."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.due_comparison import DueComparison
from chalicelib.domain.funder import DueLine
from chalicelib.domain.money import Money
from chalicelib.flows.landing import Batch


class FunderFile(StrEnum):
    """The kinds of files that funders get, by the names of their layouts."""

    DUE_DIFFERENCES = "due-differences"
    REPAYMENTS = "repayments"
    RECONCILIATION = "reconciliation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A file that was written, as its manifest has it."""

    key: str
    rows: int
    amount: Money
    sha256: str


class FunderFiles(Protocol):
    """Files for funders, each in the funder's own dialect, its manifest after it."""

    def write(
        self, *, kind: FunderFile, funder_id: str, key: str, lines: Iterable[object]
    ) -> Written:
        """Write a file and then its manifest; the same lines make the same bytes."""


class MatchDues(Protocol):
    def __call__(
        self, *, funder_id: str, batch: Batch[DueLine], ours: Callable[[], Iterable[DueLine]]
    ) -> DueComparison:
        """Compare a funder's due file with our lines, as `due_comparison.compare` does.

        Each call of `ours` makes our lines anew, the same.
        """
