"""What the flows need from the outside world.

Every write promises what happens when it is done twice; every read says how fresh it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Protocol, TypeVar

from chalicelib.domain import funder
from chalicelib.domain.correction import Correction
from chalicelib.domain.deduction import Answer, Deduction, Order, Share, Skip
from chalicelib.domain.due_clearance import Clearance
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Loan, Schedule
from chalicelib.domain.money import Components, Money
from chalicelib.domain.product import Product
from chalicelib.domain.run import Facts, Run
from chalicelib.domain.schedule import Cut

Message_contra = TypeVar("Message_contra", contravariant=True)


class MovedByAnotherError(Exception):
    """Somebody else wrote the record first: read it again and decide anew."""


# --- what lies in queues; additive: unknown keys are ignored ---------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkMessage:
    """One shard of one job: `due_list`, `round_1`, `round_2`."""

    job: str
    business_date: date
    shard: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeductionMessage:
    """One due of a round that waits to be deducted."""

    order_no: str
    listed_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LandedMessage:
    """A file that has landed and is to be looked at again."""

    key: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AskMessage:
    """An order whose end is unknown; rung counts up the ladder, None asks just once."""

    order_no: str
    rung: int | None = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicingEvent:
    """Something that happened to a loan and was written; what texts and cases live on.

    `event` is one of due_soon, deduction_succeeded, deduction_failed, and where the borrower paid
    by himself repayment_succeeded, repayment_failed.
    """

    event: str
    loan_id: str
    borrower_id: str
    mode: str
    business_date: date
    occurred_at: datetime
    amount_fen: int
    order_no: str = ""
    due_on: date | None = None
    failure_code: str = ""
    failure_class: str = ""
    settles: bool = False
    dpd: int = 0


# --- what lies in files -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class DueLine:
    """One line of a due list: what a loan owes on the business date, as listed.

    A joint loan's names its funder, and has what each instalment owes with both parties' parts.
    """

    loan_id: str
    borrower_id: str
    mode: str
    product: str
    due_on: date
    dpd: int
    amount: Money
    components: Components
    funder_id: str = ""
    instalments: tuple[funder.DueLine, ...] = ()


# --- stores -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class AgendaEntry:
    loan_id: str
    borrower_id: str
    mode: str
    product: str


class Loans(Protocol):
    def get(self, loan_id: str) -> Loan | None:
        """Read one head, as fresh as the last write."""

    def get_many(self, loan_ids: Sequence[str]) -> Mapping[str, Loan]:
        """Read many heads, as fresh as the last write; missing ones are left out."""

    def add(self, loan: Loan) -> bool:
        """Write a new head; False if the loan is already there (nothing is changed)."""

    def write(self, loan: Loan) -> Loan:
        """Write a head that was read at `loan.version`; return it with the next version.

        :raises MovedByAnotherError: if the stored version is another one.
        """

    def agenda(self, *, unpaid_due_on: date, shard: int) -> Iterator[AgendaEntry]:
        """Find the open loans whose oldest unpaid instalment falls due that day, by loan id.

        May lag behind: read the head again before acting.
        """

    def of_borrower(self, borrower_id: str) -> Sequence[str]:
        """List the loans of a borrower; may lag behind."""


class Schedules(Protocol):
    def get(self, loan_id: str, version: int) -> Cut:
        """Read a schedule with its terms; it never changes.

        :raises KeyError: if there is none.
        """

    def get_many(self, wanted: Sequence[tuple[str, int]]) -> Mapping[str, Schedule]:
        """Read many, by loan id."""

    def add(self, loan_id: str, version: int, cut: Cut, *, source: str) -> bool:
        """Write a schedule with its terms; False if there is one from another source.

        Writing it again from the same source (file digest and line, or the order number of the
        payment that cut it) is a success.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Borrower:
    """Personal data: in its own encrypted item, never in a log, a queue or an event."""

    borrower_id: str
    name: str
    phone: str

    def __repr__(self) -> str:
        return f"Borrower({self.borrower_id})"


class Borrowers(Protocol):
    def put(self, borrower: Borrower) -> None:
        """Write a borrower's personal data; the last one stands."""

    def get(self, borrower_id: str) -> Borrower | None: ...


class Journal(Protocol):
    def put(self, deduction: Deduction) -> bool:
        """Write a terminal record; False if the order already has one (nothing is changed)."""

    def put_skip(self, skip: Skip) -> bool:
        """Write why a due was not sent; False if that is already written."""

    def find(self, order_no: str) -> Deduction | Skip | None:
        """Read what is written of an order, as fresh as the last write; a result before a skip."""

    def get_many(self, order_nos: Sequence[str]) -> Mapping[str, Deduction]:
        """Read many results, as fresh as the last write; missing ones are left out."""

    def of_day(self, business_date: date) -> Iterator[Deduction | Skip]:
        """Stream every record of a business date, each time in the same order.

        By shard, then by order number; a skip comes right after a result of the same order.
        """

    def of_loan(self, loan_id: str) -> Iterator[Deduction]:
        """Stream a loan's successful deductions, oldest first; may lag behind."""

    def claim_correction(self, *, key: str, by: str, at: datetime) -> str:
        """Say that an order's money is corrected for `by`; read who has said so first."""

    def put_correction(self, correction: Correction) -> bool:
        """Write a correction; False if it is there already (nothing is changed)."""

    def find_correction(
        self, *, correction_no: str, business_date: date, loan_id: str
    ) -> Correction | None:
        """Read a correction of a date, as fresh as the last write."""

    def corrections_of_day(self, business_date: date) -> Iterator[Correction]:
        """Stream the corrections that were approved on a business date, in no order."""

    def corrections_of_loan(self, loan_id: str) -> Iterator[Correction]:
        """Stream a loan's corrections; may lag behind."""


class Runs(Protocol):
    def start(self, *, business_date: date, job: str, at: datetime) -> Run:
        """Open a run, or read the one that is open: whoever comes second joins it."""

    def get(self, business_date: date, job: str) -> Run | None: ...

    def of_day(self, business_date: date) -> Sequence[Run]: ...

    def put_part(self, *, business_date: date, job: str, shard: int, totals: Facts) -> Run:
        """Write what one shard did (the same again changes nothing), and read the run with all parts."""

    def claim(self, *, business_date: date, job: str, version: int) -> bool:
        """Say that an open run is worked with a version of its file; False if a later one is.

        The same version again is a success.
        """

    def put_totals(self, run: Run) -> None:
        """Write totals and state of a run.  A complete run is never opened again.

        A run that was claimed is written while `run.claimed` is the latest version, else it stays
        as it is.
        """

    def last_completed(self, job: str) -> date | None:
        """Read the latest business date for which the job is complete."""

    def ask_reopening(self, *, business_date: date, job: str, asked: Facts) -> bool:
        """Write who asks to reopen a complete run, and why; False if somebody else has asked.

        The same person again asks anew.
        """

    def reopen(self, *, business_date: date, job: str) -> bool:
        """Set a complete run back to started, its totals kept; False if it is not complete."""


class Controls(Protocol):
    def is_paused(self) -> bool:
        """Whether the pause switch is on; at most 30 s old."""


class Products(Protocol):
    def __getitem__(self, code: str) -> Product: ...

    def __contains__(self, code: object) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    key: str
    size: int
    etag: str


class ObjectStore(Protocol):
    def open(self, key: str) -> Iterator[bytes]:
        """Stream an object in chunks.

        :raises KeyError: if it is not there.
        """

    def read(self, key: str) -> bytes:
        """Read a small object whole.

        :raises KeyError: if it is not there.
        """

    def write(self, key: str, body: bytes | IO[bytes]) -> None:
        """Write an object, a large one from a file; the same again changes nothing that matters."""

    def write_once(self, key: str, body: bytes) -> bool:
        """Write an object unless there is one; False if there is."""

    def head(self, key: str) -> StoredObject | None: ...

    def keys(self, prefix: str) -> Iterator[str]: ...


class DueLists(Protocol):
    """The due lists and the lists of later rounds, as files people can read."""

    def write(
        self, *, business_date: date, round_no: int, shard: int, lines: Iterable[DueLine]
    ) -> Sequence[DueLine]:
        """Write one shard's list, a file for each mode, and return the list that stands.

        A list is written once: of two who walk the same shard, both go on with the first's.
        """

    def read(self, *, business_date: date, round_no: int, shard: int) -> Iterator[DueLine]: ...

    def write_manifest(
        self, *, business_date: date, round_no: int, parts: Mapping[int, Facts]
    ) -> None:
        """Write each mode's manifest: counts and sums by shard."""


class Clearing(Protocol):
    """What of the funders' dues may go out: the first call of a date decides, all later read it."""

    def begin(self, *, business_date: date, now: datetime) -> None:
        """Let stand from now on what the funders' files have come to, whatever lands later."""

    def clear(self, *, business_date: date, now: datetime) -> Mapping[str, Clearance]:
        """Say, by funder, what may go out on a date; done twice, it says the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Books:
    """The stores that every movement of money reads and writes.

    `funders` are those whose loans are in the book, with all versions of what was agreed.
    """

    loans: Loans
    schedules: Schedules
    journal: Journal
    products: Products
    funders: Mapping[str, Funder] = field(default_factory=dict)


# --- queues and platforms ---------------------------------------------------------------


class Queue(Protocol[Message_contra]):
    def put(self, messages: Iterable[Message_contra], *, delay_seconds: int = 0) -> None:
        """Put messages; each arrives at least once."""

    def is_busy(self) -> bool:
        """Whether messages wait, are delayed or in work; approximate."""

    def is_at_work(self) -> bool:
        """Whether messages wait or are in work, those that are delayed left out; approximate."""


class EventBus(Protocol):
    def publish(self, events: Sequence[ServicingEvent]) -> None:
        """Tell everyone who listens; at least once."""


class PaymentPlatform(Protocol):
    def is_available(self) -> bool:
        """Whether a call is worth making: False while the breaker is open after failures."""

    def deduct(self, order: Order) -> Answer:
        """Ask for the money.  The same order number is charged once however often it is asked.

        Never raises for what the network or the other side does: that is UNREADABLE.
        """

    def ask(self, order_no: str) -> Answer:
        """Ask what became of an order."""

    def close(self, order_no: str) -> Answer:
        """Make sure an order can no longer be charged; SUCCEEDED if it already was."""

    def split_again(self, *, order_no: str, split_no: str, split: Sequence[Share]) -> bool:
        """Have the money of a paid order split; tell whether it is, False while nobody knows.

        Never charges.  The same number moves the money once however often it is asked, and
        nothing where the order is split just so already.
        """
