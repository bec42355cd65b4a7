"""The books, taken in once through the loans file and then put back for every day that wants one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import wiring
from chalicelib.domain.loan import Loan
from chalicelib.domain.schedule import Cut
from infra.local import sample_book
from tests.simulation import book as books
from tests.simulation.world import BUCKET, World, workers

LOANS_TABLE = "afterloan-test-loans"


@dataclass(frozen=True, kw_only=True)
class Book:
    """A book as it was taken in."""

    snapshot: Any
    loans: Mapping[str, Loan]
    cuts: Mapping[str, Cut]


class BookNotTakenError(Exception):
    """The loans file was not taken in whole."""


class Catalogue:
    """Books by number."""

    def __init__(self, world: World, *, loans: int = books.LOANS) -> None:
        self._world = world
        self._loans = loans
        self._books: dict[tuple[int, bool], Book] = {}

    def put(self, number: int, *, funders: bool = False) -> Book:
        """Put a book into the tables, as it is on the morning of its day."""
        if (number, funders) not in self._books:
            self._books[number, funders] = self._taken(number, funders=funders)
        book = self._books[number, funders]
        self._world.dynamodb.restore(book.snapshot)
        return book

    def _taken(self, number: int, *, funders: bool) -> Book:
        world = self._world
        sample = books.make(number, loans=self._loans, funders=funders)
        key = sample_book.key(sample)
        for name, body in (
            (key, sample_book.loans_csv(sample)),
            (f"{key}.ok", sample_book.manifest(sample)),
        ):
            world.s3.call("PutObject", {"Bucket": BUCKET, "Key": name, "Body": body})
        handler, _ = workers()["files"]
        queue = "afterloan-test-files"
        for message in world.sqs.waiting(queue):
            records = world.sqs.receive(queue, [message])
            handler({"Records": records}, None)
            for record in records:
                world.sqs.finish(queue, record["receiptHandle"])
        ledger = wiring.books()
        loans = ledger.loans.get_many([loan.loan_id for loan in sample.loans])
        if len(loans) != len(sample.loans):
            raise BookNotTakenError(f"book {number}: {len(loans)} of {len(sample.loans)} loans")
        cuts = {loan_id: ledger.schedules.get(loan_id, 1) for loan_id in sorted(loans)}
        world.s3.clear()
        return Book(snapshot=world.dynamodb.snapshot(), loans=loans, cuts=cuts)
