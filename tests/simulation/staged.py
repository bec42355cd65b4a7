"""Small days that are brought to a certain moment: whose loans, which outcomes, who is held back."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from chalicelib import wiring
from chalicelib.adapters.wall_clock import SHANGHAI
from infra.local import sample_book
from infra.local.sample_book import SampleBook, SampleLoan
from tests.simulation.book import CANARY, PHONE_FROM
from tests.simulation.catalogue import Book
from tests.simulation.clock import clock_time
from tests.simulation.day import Day
from tests.simulation.gateway import Answered, Phone
from tests.simulation.notifications import Notifications
from tests.simulation.plan import CALM, JOBS, Fault, Plan
from tests.simulation.timetable import Timetable
from tests.simulation.tokens import token_of
from tests.simulation.world import BUCKET, World, workers

BUSINESS_DATE = date(2026, 11, 24)
JOURNAL_STREAM, NOTIFICATIONS = "the journal's stream", "notifications"
APPOINTMENTS = {
    "sweep": (0.5, 8.5, 12.25, 16.5, 23.75),
    "release_texts": (8.5, 12.0, 16.5, 32.0),
    "close_day": (35.0, 36.0),
}
BILL_AT, CORRECTED_BILL_AT = 34.0, 35.5
EVERYTHING = frozenset(
    (
        *("walks", "deductions", "asks", "repayments", "payment-notifications"),
        *("notices", "texts", "receipts", "files", JOURNAL_STREAM, NOTIFICATIONS),
    )
)


def a_loan(place: int = 1, *, borrower: int = 1, dpd: int = 0, terms: int = 3, **more: Any):
    """Make up a loan by its place in the book; it fell due so many days ago."""
    first_due_on = BUSINESS_DATE - timedelta(days=dpd)
    facts = {
        "loan_id": f"LN{place:02}",
        "borrower_id": f"BR{borrower:02}",
        "borrower_name": f"{CANARY}{borrower:02}",
        "phone": str(PHONE_FROM + borrower),
        "product": "consumer",
        "mode": "self_operated",
        "funder_id": "",
        "funder_share_bps": 0,
        "principal_fen": 900_000 + place,
        "annual_rate": "0.12",
        "method": "equal_instalment",
        "terms": terms,
        "disbursed_on": first_due_on - timedelta(days=30),
        "first_due_on": first_due_on,
        "agreement_no": f"AG6222{place:02}",
        "revolving": "false",
    }
    return SampleLoan(**(facts | more))


def a_book(*loans: SampleLoan) -> SampleBook:
    return SampleBook(
        business_date=BUSINESS_DATE,
        loans=loans or (a_loan(),),
        scripts={},
        planted={},
        fails_twice=(),
    )


def a_plan(
    sample: SampleBook,
    *,
    outcomes: Mapping[str, Sequence[str]] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
    faults: Sequence[Fault] = (),
    visits: Sequence[Any] = (),
    seed: int = 1,
) -> Plan:
    """Plan a day on which nothing is drawn: `outcomes` by loan, `texts` by borrower."""
    loans = {loan.loan_id: loan for loan in sample.loans}
    phones = {loan.borrower_id: loan.phone for loan in sample.loans}
    said = [
        ("outcome", loans[name].agreement_no, tuple(all_))
        for name, all_ in (outcomes or {}).items()
    ]
    said += [("text", phones[name], tuple(all_)) for name, all_ in (texts or {}).items()]
    scripted = [
        Fault(number=place, kind=kind, about=about, more=more)
        for place, (kind, about, more) in enumerate(said)
    ]
    numbered = [replace(fault, number=len(scripted) + place) for place, fault in enumerate(faults)]
    return Plan(
        seed=seed,
        book=0,
        weather=CALM,
        faults=(*scripted, *numbered),
        visits=tuple(visits),
        sample=sample,
    )


class Shelf:
    """Stands where the catalogue stands: books of our own, each taken in when it is first wanted.

    Loans whose numbers are in `late` are in no table yet: a file of the day will bring them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken: dict[tuple[SampleLoan, ...], Book] = {}

    def of(self, sample: SampleBook, *, late: Collection[str] = ()) -> "Shelf":
        """Choose the book that the next day is given."""
        self._sample, self._late = sample, late
        return self

    def put(self, _number: int, *, funders: bool = False) -> Book:
        """Put the chosen book into the tables."""
        there = tuple(loan for loan in self._sample.loans if loan.loan_id not in self._late)
        whole = self._read(self._sample.loans)
        book = replace(whole, snapshot=self._read(there).snapshot)
        self._world.dynamodb.restore(book.snapshot)
        return book

    def _read(self, loans: tuple[SampleLoan, ...]) -> Book:
        if loans not in self._taken:
            world = self._world
            world.clear()
            world.clock.move_to(clock_time(midnight_of(self._sample), -2))
            land(world, a_book(*loans))
            handler, _ = workers()["files"]
            for message in world.sqs.waiting("afterloan-test-files"):
                handler({"Records": world.sqs.receive("afterloan-test-files", [message])}, None)
            ledger = wiring.books()
            heads = {loan.loan_id: ledger.loans.get(loan.loan_id) for loan in loans}
            cuts = {loan_id: ledger.schedules.get(loan_id, 1) for loan_id in heads}
            snapshot = world.dynamodb.snapshot()
            self._taken[loans] = Book(snapshot=snapshot, loans=heads, cuts=cuts)
            world.clear()
            world.clock.move_to(midnight_of(self._sample))
        return self._taken[loans]


def midnight_of(sample: SampleBook) -> datetime:
    return datetime.combine(sample.business_date, time(), SHANGHAI)


def land(world: World, sample: SampleBook, *, version: int = 1) -> None:
    """Drop a loans file and its manifest into the exchange bucket."""
    key = sample_book.key(sample, version=version)
    for name, body in (
        (key, sample_book.loans_csv(sample)),
        (f"{key}.ok", sample_book.manifest(sample)),
    ):
        world.s3.call("PutObject", {"Bucket": BUCKET, "Key": name, "Body": body})


class ArrivedError(Exception):
    """The moment has come that the day was to be brought to."""


class HeldNotifications(Notifications):
    """Notifications that may be held back."""

    is_held = False

    def next_at(self) -> float | None:
        return None if self.is_held else super().next_at()

    def startable(self) -> list[Callable[[], object]]:
        return [] if self.is_held else super().startable()


class StagedTimetable(Timetable):
    """That of a day on which little is to be found: few sweeps, one bill, its correction."""

    def make(self) -> None:
        day, on = self._day, self._day.plan.business_date
        for job in JOBS:
            self._expect(job, 0.0)
        for job, times in APPOINTMENTS.items():
            for at in times:
                self.fire(job, at)
        day.at(BILL_AT, "bill", lambda: day.bills.drop(on))
        day.at(CORRECTED_BILL_AT, "bill", lambda: self._correct(on))
        day.borrowers.make_appointments()


class StagedDay(Day):
    """A day that is played up to a moment, while some of its queues are held back."""

    def __init__(self, world: World, plan: Plan, shelf: Shelf) -> None:
        super().__init__(world, plan, shelf)  # type: ignore[arg-type]
        self.notifications: HeldNotifications = HeldNotifications(self)
        self.held: frozenset[str] = frozenset()
        self.timetable: StagedTimetable = StagedTimetable(self)
        self.timetable.make()

    def until(self, hours: float, *, holding: Collection[str] = ()) -> None:
        """Go on until so many hours after midnight; what is held back waits."""
        self.hold(*holding)
        self.at(hours, "the moment", self._arrive)
        with suppress(ArrivedError):
            self.until_quiet()

    def hold(self, *held: str) -> None:
        """Hold these back from now on, and nothing else."""
        self.held = frozenset(held)
        self.notifications.is_held = NOTIFICATIONS in self.held

    def _arrive(self) -> None:
        raise ArrivedError

    def _startable(self) -> list[Callable[[], object]]:
        workers, announcing = self._workers, self._announcing
        self._workers = {queue: work for queue, work in workers.items() if queue not in self.held}
        self._announcing = announcing or JOURNAL_STREAM in self.held
        try:
            return super()._startable()
        finally:
            self._workers, self._announcing = workers, announcing

    # --- what the ones who meet are made of ---------------------------------------------

    def bodies(self, queue: str) -> dict[str, str]:
        """Read what can be delivered of a queue now, by message id."""
        held = self.world.sqs._queues[f"afterloan-test-{queue}"].messages
        return {each: held[each].body for each in self.world.sqs.waiting(f"afterloan-test-{queue}")}

    def deliver(self, queue: str, *, about: str = "") -> None:
        """Deliver the oldest message of a queue that says this, by itself."""
        found = [each for each, body in self.bodies(queue).items() if about in body]
        assert found, f"nothing about {about or 'anything'} waits in {queue}"
        self._deliver(queue, found[:1])

    def double(self, queue: str, *, about: str = "") -> None:
        """Have what waits in a queue there twice."""
        for body in self.bodies(queue).values():
            if about in body:
                self.put_again(queue, body, 0)

    def phone(self, loan_id: str = "LN01") -> Phone:
        """Take the phone of a loan's borrower."""
        loan = self.book.loans[loan_id]
        token = token_of(loan.borrower_id, day=clock_time(self.plan.midnight, -1))
        return Phone(world=self.world, token=token)

    def quote(self, loan_id: str = "LN01", kind: str = "full", **more: Any) -> str:
        """Ask for a quote, outside of everybody's sight."""
        answer = self.phone(loan_id).post(f"/v1/loans/{loan_id}/quotes", {"kind": kind, **more})
        assert answer.status == 201, answer
        return str(answer.body["quote_id"])

    def pay(self, quote_id: str, *, key: str, loan_id: str = "LN01") -> Answered:
        """Start a quote's order, and note what we are promised."""
        path, wanted = f"/v1/loans/{loan_id}/repayments", {"quote_id": quote_id}
        answer = self.phone(loan_id).post(path, wanted, key=key)
        if answer.status == 202:
            self.borrowers.promised[answer.body["order_no"]] = answer.body["amount_fen"]
        return answer
