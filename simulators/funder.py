"""The funder's core: every funder of the table in one, with books that are nobody's but its own.

No HTTP and no sleep: files go through a bucket, deductions through an acquirer, both given.
Thread-safe.  The same files, in the same order, at the same times, give the same books.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from random import Random  # noqa: TID251 - seeded by whoever builds the funder
from threading import RLock
from typing import Protocol

from simulators import funder_lending
from simulators.clock import SHANGHAI
from simulators.funder_assistance import Acquirer, Deduction, Deductions
from simulators.funder_books import Account, Books, Payment
from simulators.funder_contracts import (
    AGREEMENTS,
    PRODUCTS,
    Agreement,
    agreement_of,
    lines_of,
    loan_of,
)
from simulators.funder_dialects import Row, UnusableFileError, read
from simulators.funder_lending import NotOursError, Ordered, orders_of
from simulators.funder_mutations import Mutation, spoilt
from simulators.funder_schedule import ProductTerms
from simulators.funder_wishes import WishedDeductions

LOANS = "in/loans/"
VERSION = re.compile(r"_v(\d{1,4})\.csv\Z", re.ASCII)


class Bucket(Protocol):
    """The exchange bucket, as the other side sees it."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""

    def get(self, key: str) -> bytes | None:
        """Read an object; None if it is not there."""

    def keys(self, prefix: str) -> Sequence[str]:
        """List the keys that begin so."""


class NoSuchFunderError(ValueError):
    """No agreement was made with this funder."""


class NoFileError(ValueError):
    """There is nothing to answer yet."""


class Funder:
    """Lends beside Afterloan, and believes only its own arithmetic."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        rng: Random,
        bucket: Bucket,
        acquirer: Acquirer,
        agreements: Mapping[str, Agreement] = AGREEMENTS,
        products: Mapping[str, ProductTerms] = PRODUCTS,
        processing_seconds: float = 600.0,
        hang_seconds: float = 3.0,
    ) -> None:
        self._clock = clock
        self._bucket = bucket
        self._acquirer = acquirer
        self._agreements = dict(agreements)
        self._products = products
        self._lock = RLock()
        self._books = Books()
        self._deductions = Deductions(self._books)
        self._read: set[tuple[str, str]] = set()
        self._reasons: dict[tuple[str, date], dict[str, str]] = {}
        self._loan_of_order: dict[str, str] = {}
        self.wishes = WishedDeductions(
            books=self._books,
            deductions=self._deductions,
            lock=self._lock,
            read_loans=self.read_loans,
            clock=clock,
            rng=rng,
            processing_seconds=processing_seconds,
            hang_seconds=hang_seconds,
        )

    # --- agreements and loans ----------------------------------------------------------

    def agree(self, given: Mapping[str, object]) -> str:
        """Make or change an agreement; loans that are in keep the terms they came under.

        :raises ValueError: if it cannot be read.
        """
        with self._lock:
            agreement = agreement_of(given, self._agreements.get(str(given.get("funder_id"))))
            self._agreements[agreement.funder_id] = agreement
            return agreement.funder_id

    def add_loans(self, lines: Iterable[Mapping[str, str]]) -> dict[str, int]:
        """Open an account for every loan that is a funder's; the first line of a loan counts."""
        with self._lock:
            opened = refused = 0
            for line in lines:
                try:
                    loan = loan_of(line, self._agreements, self._products)
                except ValueError:
                    refused += 1
                else:
                    opened += loan is not None and self._books.open(loan)
            return {"opened": opened, "refused": refused}

    def read_loans(self) -> dict[str, int]:
        """Read every loans file not read yet, if its manifest proves it."""
        with self._lock:
            counts = {"opened": 0, "refused": 0}
            for key in _by_version(self._bucket.keys(LOANS)):
                manifest = self._bucket.get(f"{key}.ok")
                if manifest is None or (key, _digest_in(manifest)) in self._read:
                    continue
                body = self._bucket.get(key)
                if body is None or _digest(body) != _digest_in(manifest):
                    continue
                self._read.add((key, _digest(body)))
                added = self.add_loans(lines_of(body))
                counts = {name: counts[name] + added[name] for name in counts}
            return counts

    def recut(self, *, loan_id: str, order_no: str, recut: str) -> None:
        """Note how a borrower wished a part paid ahead to cut his schedule: no file says it.

        :raises ValueError: if there is no such loan, or no such way.
        """
        with self._lock:
            account = self._books.find(loan_id)
            if account is None:
                raise ValueError(f"no such loan: {loan_id}")
            account.recut(order_no, recut)

    # --- joint lending -----------------------------------------------------------------

    def send_due_file(
        self, *, funder_id: str, day: date, version: int = 1, mutations: Sequence[Mutation] = ()
    ) -> dict[str, object]:
        """Write what every joint loan owes by a date; the same again writes the same bytes."""
        with self._lock:
            agreement = self._ready(funder_id)
            rows = funder_lending.due_rows(self._books, agreement, day)
            key = f"in/funders/{funder_id}/due/{day:%Y%m%d}/due_v{version}.csv"
            return self._send(agreement, "due", key, rows, mutations)

    def take_repayments(self, *, funder_id: str, day: date) -> dict[str, object]:
        """Read the repayment files of a date not read yet, and take in every order that ties."""
        with self._lock:
            agreement = self._ready(funder_id)
            folder = f"out/funders/{funder_id}/repayments/{day:%Y%m%d}/"
            taken: list[str] = []
            repeated: list[str] = []
            unusable: dict[str, str] = {}
            for key in _by_version(self._bucket.keys(folder)):
                try:
                    body, rows = self._rows(agreement, "repayments", key)
                except UnusableFileError as error:
                    unusable[key] = str(error)
                    continue
                if self._is_new(key, body):
                    for order in orders_of(rows):
                        into = taken if self._take(funder_id, order, day) else repeated
                        into.append(order.order_no)
            reasons = self._reasons.get((funder_id, day), {})
            return {
                "taken": taken,
                "repeated": [one for one in repeated if one not in reasons],
                "objections": [
                    {"order_no": order_no, "reason": reason}
                    for order_no, reason in sorted(reasons.items())
                ],
                "unusable": unusable,
                "repaid": funder_lending.shares_on(self._books, funder_id, day).told(),
            }

    def confirm(
        self, *, funder_id: str, day: date, version: int = 1, mutations: Sequence[Mutation] = ()
    ) -> dict[str, object]:
        """Answer the latest reconciliation file of a date, order by order.

        An order that comes with it alone is taken in if it ties.

        :raises NoFileError: if there is none that can be believed.
        """
        with self._lock:
            self.take_repayments(funder_id=funder_id, day=day)
            agreement = self._ready(funder_id)
            orders = self._reconciliation(agreement, day)
            for order in orders:
                self._take(funder_id, order, day)
            held = dict(funder_lending.payments_on(self._books, funder_id, day))
            held |= {one.order_no: found for one in orders if (found := self._held(one))}
            reasons = self._reasons.get((funder_id, day), {})
            rows = funder_lending.confirmation_rows(held, orders, reasons)
            key = f"in/funders/{funder_id}/confirmations/{day:%Y%m%d}/confirmation_v{version}.csv"
            answer = self._send(agreement, "confirmation", key, rows, mutations)
            differs = [row for row in rows if row["status"] == "differs"]
            return {**answer, "agreed": len(rows) - len(differs), "differs": differs}

    # --- loan assistance ---------------------------------------------------------------

    def run_round(
        self,
        *,
        funder_id: str,
        day: date,
        round_no: int,
        version: int = 1,
        mutations: Sequence[Mutation] = (),
    ) -> dict[str, object]:
        """Deduct what is due, once, and write the results; again it writes what is known by then.

        A later version holds the lines of the earlier ones and what became known since.
        """
        with self._lock:
            agreement = self._ready(funder_id)
            self.wishes.settle()
            self._settle(self._deductions.all(funder_id))
            self._settle(self._deductions.open_round(agreement, day, round_no))
            rows = self._deductions.results(agreement, day, round_no)
            folder = f"in/funders/{funder_id}/results/{day:%Y%m%d}"
            key = f"{folder}/results_r{round_no}_v{version}.csv"
            answer = self._send(agreement, "results", key, rows, mutations)
            unknown = [one.order_no for one in self._deductions.all(funder_id) if not one.is_ended]
            return {**answer, "unknown": unknown}

    # --- the oracle --------------------------------------------------------------------

    def books(self, *, funder_id: str, as_of: date | None = None) -> Mapping[str, object]:
        """Tell what every loan owes and was repaid, by party and component."""
        with self._lock:
            self._ready(funder_id)
            self.wishes.settle()
            return self._books.told(funder_id, as_of or self._today())

    def ledger(self, *, funder_id: str) -> dict[str, object]:
        """Tell what was deducted of assisted loans, and what became of each order."""
        with self._lock:
            self._ready(funder_id)
            self.wishes.settle()
            orders = list(self._deductions.all(funder_id))
            paid = [one for one in orders if one.status == "SUCCEEDED"]
            return {
                "deductions": [one.told() for one in orders],
                "amount_fen": sum(one.amount_fen for one in paid),
            }

    # --- inside ------------------------------------------------------------------------

    def _ready(self, funder_id: str) -> Agreement:
        """Give an agreement, all loans there are being read."""
        if funder_id not in self._agreements:
            raise NoSuchFunderError(f"no such funder: {funder_id}")
        self.read_loans()
        return self._agreements[funder_id]

    def _today(self) -> date:
        return self._clock().astimezone(SHANGHAI).date()

    def _settle(self, deductions: Iterable[Deduction]) -> None:
        for deduction in deductions:
            self._deductions.settle(deduction, self._acquirer)

    def _send(
        self,
        agreement: Agreement,
        kind: str,
        key: str,
        rows: Sequence[Row],
        mutations: Sequence[Mutation],
    ) -> dict[str, object]:
        """Write a file, and its manifest after it."""
        made = spoilt(kind, rows, agreement.dialect(kind), mutations)
        if made.file is not None:
            self._bucket.put(key, made.file.body)
            if made.file.manifest is not None:
                self._bucket.put(f"{key}.ok", made.file.manifest)
        return {
            "key": key if made.file else None,
            "rows": made.file.rows if made.file else 0,
            "amount_fen": made.file.amount_fen if made.file else 0,
            "mutations": [{"kind": name, "hit": hit} for name, hit in made.hits],
        }

    def _rows(
        self, agreement: Agreement, kind: str, key: str
    ) -> tuple[bytes, list[dict[str, str]]]:
        body = self._bucket.get(key)
        if body is None:
            raise UnusableFileError("the file is gone")
        return body, read(kind, body, self._bucket.get(f"{key}.ok"), agreement.dialect(kind))

    def _reconciliation(self, agreement: Agreement, day: date) -> list[Ordered]:
        folder = f"out/funders/{agreement.funder_id}/reconciliation/{day:%Y%m%d}/"
        keys = _by_version(self._bucket.keys(folder))
        if not keys:
            raise NoFileError(f"no reconciliation file of {day}")
        try:
            return orders_of(self._rows(agreement, "reconciliation", keys[-1])[1])
        except UnusableFileError as error:
            raise NoFileError(f"{keys[-1]}: {error}") from error

    def _take(self, funder_id: str, order: Ordered, day: date) -> bool:
        """Take an order in, once; or note why not.  What is held already is left as it is."""
        reasons = self._reasons.setdefault((funder_id, day), {})
        held = self._held(order)
        if held is not None:
            if funder_lending.same(*held, order):
                reasons.pop(order.order_no, None)
            else:
                reasons[order.order_no] = "order_differs"
            return False
        if order.order_no in self._loan_of_order:
            reasons[order.order_no] = "order_twice"
            return False
        try:
            account, payment = funder_lending.payment_of(self._books, funder_id, order, day)
        except NotOursError as reason:
            reasons[order.order_no] = str(reason)
            return False
        account.take(payment)
        self._loan_of_order[order.order_no] = account.loan.loan_id
        reasons.pop(order.order_no, None)
        return True

    def _held(self, order: Ordered) -> tuple[Account, Payment] | None:
        account = self._books.find(order.head[0])
        for payment in account.payments if account else ():
            if account and payment.order_no == order.order_no:
                return account, payment
        return None

    def _is_new(self, key: str, body: bytes) -> bool:
        """Whether these bytes were not read under this key; from now on they were."""
        seen = key, _digest(body)
        is_new = seen not in self._read
        self._read.add(seen)
        return is_new


def _by_version(keys: Iterable[str]) -> list[str]:
    """Order the files of a folder by version; manifests are left out."""
    found = [
        (key.rpartition("/")[0], int(match[1]), key)
        for key in keys
        if (match := VERSION.search(key))
    ]
    return [key for _, _, key in sorted(found)]


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _digest_in(manifest: bytes) -> str:
    """Read what a manifest says its file's digest is."""
    try:
        told = json.loads(manifest)
    except ValueError:
        return ""
    return str(told.get("sha256")) if isinstance(told, dict) else ""
