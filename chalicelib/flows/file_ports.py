"""What files need from the outside world, beside ports.py."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.money import ZERO, Money
from chalicelib.flows.ports import ObjectStore

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Record_co = TypeVar("Record_co", covariant=True)


# --- what is read from a file -----------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong in a file; line 0 is the file as a whole.

    `value` is the shape of a cell and never its content, for any cell may hold a name.
    """

    reason: str
    line: int = 0
    column: str = ""
    value: str = ""


class UnusableFileError(Exception):
    """The file fails as a whole: nothing may be concluded from it.

    `left_out` is how many faults there are besides, of too many to be named.
    """

    def __init__(self, *faults: Fault, left_out: int = 0) -> None:
        super().__init__("; ".join(f"line {fault.line}: {fault.reason}" for fault in faults[:3]))
        self.faults = faults
        self.left_out = left_out


class NotYetError(Exception):
    """The file is whole, and what it is to be held against is not there yet: it waits as it landed."""


class RefusedFileError(Exception):
    """The file is whole, and comes too late to be taken: it is kept as it landed, with the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line(Generic[Record_co]):
    """One line of a file; `amount` is None if it cannot be read, `record` where faults are."""

    number: int
    amount: Money | None
    record: Record_co | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What the sender says the file holds."""

    rows: int
    amount: Money
    sha256: str


FAULTS_MAX = 10_000
"""So many faults of one file are named; the others are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """What a file holds: its rows, the amounts that can be read, and the faults that spoil it.

    `left_out` is how many faults there are besides, of too many to be named.
    """

    rows: int
    amount: Money
    faults: tuple[Fault, ...] = ()
    left_out: int = 0


def census_of(lines: Iterable[Line[Any]], *, takes_good_lines: bool) -> Census:
    """Count rows and fen; an amount that cannot be read leaves the sum unproven.

    Where good lines are taken alone, a bad one with a readable amount spoils nothing.
    """
    rows, amount, found = 0, ZERO, 0
    faults: list[Fault] = []
    for line in lines:
        rows += 1
        amount += line.amount or ZERO
        if line.amount is None or not takes_good_lines:
            faults += line.faults[: max(0, FAULTS_MAX - len(faults))]
            found += len(line.faults)
    return Census(rows=rows, amount=amount, faults=tuple(faults), left_out=found - len(faults))


class Format(Protocol[Record_co]):
    """One kind of file in one partner's dialect."""

    @property
    def has_manifest(self) -> bool: ...

    def manifest(self, body: bytes) -> Manifest:
        """Read a manifest.

        :raises UnusableFileError: if it is not exactly one.
        """

    def lines(self, chunks: Iterable[bytes]) -> Iterator[Line[Record_co]]:
        """Stream the lines, the bad ones too.

        :raises UnusableFileError: if the file fails as a whole, be it at its last byte.
        """

    def census(
        self, opened: Callable[[], Iterable[bytes]], *, takes_good_lines: bool = False
    ) -> Census:
        """Say of all lines what `census_of` says; each call of `opened` streams the file anew.

        :raises UnusableFileError: where `lines` does.
        """


# --- stores -----------------------------------------------------------------------------


class ObjectReplacedError(Exception):
    """Other bytes lie under the key by now: begin again with them."""


class Exchange(ObjectStore, Protocol):
    """The exchange bucket: an object store that tells a replaced object from the one it knew."""

    def open(self, key: str, *, etag: str = "") -> Iterator[bytes]:
        """Stream an object in chunks.

        :raises KeyError: if it is not there.
        :raises ObjectReplacedError: if it is not the one of this etag.
        """

    def copy(self, source: str, target: str) -> None:
        """Copy an object inside the bucket, whatever its size.

        :raises KeyError: if it is not there.
        """


class FileState(StrEnum):
    """How far a file has come; all but the first are its ends."""

    LANDED = "landed"
    APPLIED = "applied"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRecord:
    """A file as it once arrived: its name and its bytes."""

    object_key: str
    sha256: str
    kind: str
    landed_at: datetime
    manifest_sha256: str = ""
    state: FileState = FileState.LANDED
    rows: int = 0
    amount: Money = ZERO
    applied: int = 0
    refused: int = 0
    finished_at: datetime | None = None
    reason: str = ""


class FileBook(Protocol):
    def land(self, record: FileRecord) -> FileRecord:
        """Write that a file has landed, or read what stands of the same bytes under the same key.

        One that stands quarantined lands anew if its manifest has changed since.
        """

    def finish(self, record: FileRecord) -> None:
        """Write how a landed file ended; one that has ended already stays as it is."""

    def get(self, object_key: str, sha256: str) -> FileRecord | None:
        """Read one file's record, as fresh as the last write."""

    def of_key(self, object_key: str) -> Sequence[FileRecord]:
        """List whatever has arrived under a key."""

    def readmit(self, record: FileRecord) -> bool:
        """Let a refused file count as landed again; False if it is not refused by now."""


class Discrepancies(Protocol):
    def put(self, discrepancy: Discrepancy) -> bool:
        """Write a discrepancy as the rules see it; the same again changes nothing.

        What people have added stays.  False if people have decided about it: theirs stands.
        """

    def write(self, discrepancy: Discrepancy) -> Discrepancy:
        """Write one over what was read, all of it; give it back with its new version.

        :raises MovedByAnotherError: if the stored version is another one.
        """

    def of_day(self, business_date: date, channel: str) -> Sequence[Discrepancy]:
        """Read a day's discrepancies in whatever state, as fresh as the last write."""


# --- what others do for a file's sake ---------------------------------------------------


class CallsInFlight(Protocol):
    def map(
        self, work: Callable[[Item], Outcome], items: Sequence[Item]
    ) -> Sequence[Outcome | Exception]:
        """Give each item's outcome, in order; a failure stands in its own item's place."""


class SettleFromBill(Protocol):
    def __call__(
        self, *, order_no: str, trade_no: str, amount: Money, paid_at: datetime, now: datetime
    ) -> object:
        """Post an unknown order that the bill shows paid with the amount ordered; safe to repeat."""


class HoldLoan(Protocol):
    def __call__(self, *, loan_id: str, reason: str) -> None:
        """Put this reason on a loan's hold, or take it off again; of an unknown loan nothing."""


class CloseUnknown(Protocol):
    def __call__(self, *, order_no: str, now: datetime) -> object:
        """End an unknown order that a complete bill does not show paid; safe to repeat.

        It ends as the platform says: failed and released, posted after all, or still unknown.
        """
