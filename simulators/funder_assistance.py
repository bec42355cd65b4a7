"""Loan assistance as the funder lives it: its own list, its own deductions, its results.

A round charges every loan that owes something under the funder's own order number, at its own
merchant account.  An order without an end is asked after, resent under the same number, and left
out of the results until its end is known; its loan is in no other round meanwhile.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from simulators.funder_books import Account, Books, Payment
from simulators.funder_contracts import ASSISTED, Agreement
from simulators.funder_dialects import Row
from simulators.funder_standing import Line

TRIES_MAX = 4
WISH = 0
"""The round of what a borrower wished himself."""
RETRIED_TODAY = frozenset(("INSUFFICIENT_FUNDS",))

Answer = Mapping[str, object]


class Acquirer(Protocol):
    """The payment platform as the funder's own merchant account sees it."""

    def deduct(self, body: Mapping[str, object]) -> Answer | None:
        """Ask for a deduction; None if nothing came back that could be believed."""

    def query(self, order_no: str) -> Answer | None:
        """Ask where an order stands; None as above."""


@dataclass(kw_only=True, slots=True)
class Deduction:
    """One order of the funder's own, or one a borrower wished, and how it stands."""

    order_no: str
    account: Account
    round_no: int
    value_on: date
    lines: tuple[Line, ...]
    recut: str = ""
    status: str = ""
    failure_code: str = ""
    trade_no: str = ""
    paid_at: str = ""
    listed: dict[int, str] = field(default_factory=dict)

    @property
    def amount_fen(self) -> int:
        return sum(line.parts.total for line in self.lines)

    @property
    def is_ended(self) -> bool:
        return self.status in {"SUCCEEDED", "FAILED"}

    def told(self) -> dict[str, object]:
        """Write it for the ledger."""
        return {
            "order_no": self.order_no,
            "loan_id": self.account.loan.loan_id,
            "funder_id": self.account.loan.funder_id,
            "round": self.round_no,
            "value_on": self.value_on.isoformat(),
            "amount_fen": self.amount_fen,
            "status": self.status or "UNKNOWN",
            "failure_code": self.failure_code,
            "funder_trade_no": self.trade_no,
            "paid_at": self.paid_at or None,
            "lines": [{"instalment_no": line.number, **line.parts.told()} for line in self.lines],
            "listed": sorted(set(self.listed.values())),
        }

    def row(self, line: Line) -> Row:
        """Write a line of a results file: a failure pays nothing."""
        paid = self.status == "SUCCEEDED"
        amounts = line.parts.told() if paid else dict.fromkeys(line.parts.told(), 0)
        return {
            "loan_id": self.account.loan.loan_id,
            "instalment_no": line.number,
            "round": self.round_no,
            "status": self.status,
            **amounts,
            "paid_at": self.paid_at if paid else "",
            "failure_code": self.failure_code,
            "funder_trade_no": self.trade_no,
        }


class Deductions:
    """All that was deducted of assisted loans, by order number."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._orders: dict[str, Deduction] = {}
        self._latest: dict[str, Deduction] = {}
        self._rounds: set[tuple[str, date, int]] = set()

    def find(self, order_no: str) -> Deduction | None:
        return self._orders.get(order_no)

    def all(self, funder_id: str) -> Iterator[Deduction]:
        for deduction in self._orders.values():
            if deduction.account.loan.funder_id == funder_id:
                yield deduction

    def is_open(self, loan_id: str) -> bool:
        """Whether an order of the loan has no end yet."""
        latest = self._latest.get(loan_id)
        return latest is not None and not latest.is_ended

    def add(self, deduction: Deduction) -> Deduction:
        """Keep an order; one that is there already is kept as it is."""
        kept = self._orders.setdefault(deduction.order_no, deduction)
        self._latest[kept.account.loan.loan_id] = kept
        return kept

    def open_round(self, agreement: Agreement, day: date, round_no: int) -> list[Deduction]:
        """Make the orders of a round, once: all that is due, later what the round before failed."""
        funder_id = agreement.funder_id
        made: list[Deduction] = []
        if (funder_id, day, round_no) in self._rounds:
            return made
        self._rounds.add((funder_id, day, round_no))
        for account in self._books.accounts(funder_id, ASSISTED):
            loan_id, lines = account.loan.loan_id, account.owed(day)
            if (
                lines
                and account.days_past_due(day) <= agreement.dpd_max
                and not self.is_open(loan_id)
                and self._may_try(funder_id, day, round_no, loan_id)
            ):
                deduction = Deduction(
                    order_no=_order_no(funder_id, day, round_no, loan_id),
                    account=account,
                    round_no=round_no,
                    value_on=day,
                    lines=lines,
                )
                made.append(self.add(deduction))
        return made

    def settle(self, deduction: Deduction, acquirer: Acquirer) -> None:
        """Ask for an order until it has an end, or a few times; never under another number."""
        if deduction.is_ended or deduction.round_no == WISH:
            return
        loan = deduction.account.loan
        body = {
            "order_no": deduction.order_no,
            "agreement_no": loan.agreement_no,
            "amount_fen": deduction.amount_fen,
            "currency": "CNY",
            "split": [],
            "notify_url": "",
            "subject": "还款",
        }
        for _ in range(TRIES_MAX):
            answer = acquirer.deduct(body)
            if answer is None or answer.get("status") not in {"SUCCEEDED", "FAILED"}:
                answer = acquirer.query(deduction.order_no)
            if answer is not None and (
                self.heard(deduction, answer) or answer.get("status") == "PROCESSING"
            ):
                return

    def heard(self, deduction: Deduction, answer: Answer) -> bool:
        """Take an answer for the end of an order, if it is one; a success goes into the books."""
        if deduction.is_ended:
            return True
        status = answer.get("status")
        if status == "SUCCEEDED" and answer.get("amount_fen") == deduction.amount_fen:
            deduction.status = "SUCCEEDED"
            deduction.trade_no = str(answer.get("trade_no"))
            deduction.paid_at = str(answer.get("paid_at"))
            self._post(deduction)
            return True
        if status in {"FAILED", "CLOSED"}:
            deduction.status = "FAILED"
            deduction.trade_no = str(answer.get("trade_no") or "")
            deduction.failure_code = str(answer.get("failure_code") or "CLOSED")
            return True
        return False

    def results(self, agreement: Agreement, day: date, round_no: int) -> list[Row]:
        """List what became known since the last file, and what this one listed before.

        Of an instalment one line a round: a success stands for the failures before it, and a
        second success is left to the next file; so is what is of a later day than the file.
        """
        name = f"{day:%Y%m%d}-r{round_no}"
        rows: dict[tuple[str, int, int], tuple[bool, Row]] = {}
        ended = [
            one
            for one in self.all(agreement.funder_id)
            if one.is_ended and max(f"{one.value_on}", one.paid_at[:10]) <= f"{day}"
        ]
        for deduction in ended:
            for line in deduction.lines:
                if deduction.listed.get(line.number) == name:
                    self._list(rows, deduction, line, name)
        for deduction in ended:
            for line in deduction.lines:
                if line.number not in deduction.listed:
                    self._list(rows, deduction, line, name)
        return [row for _, row in rows.values()]

    def _list(
        self,
        rows: dict[tuple[str, int, int], tuple[bool, Row]],
        deduction: Deduction,
        line: Line,
        name: str,
    ) -> None:
        key = deduction.account.loan.loan_id, line.number, deduction.round_no
        paid = deduction.status == "SUCCEEDED"
        stands = rows.get(key)
        if stands is not None and stands[0] and paid:
            return
        deduction.listed[line.number] = name
        if stands is None or not stands[0]:
            rows[key] = paid, deduction.row(line)

    def _may_try(self, funder_id: str, day: date, round_no: int, loan_id: str) -> bool:
        """Whether a later round takes the loan: the one before it lacked funds today."""
        if round_no == 1:
            return True
        before = self._orders.get(_order_no(funder_id, day, round_no - 1, loan_id))
        return before is not None and before.failure_code in RETRIED_TODAY

    def _post(self, deduction: Deduction) -> None:
        account = deduction.account
        if deduction.recut:
            account.recut(deduction.order_no, deduction.recut)
        account.take(
            Payment(
                order_no=deduction.order_no,
                trade_no=deduction.trade_no,
                kind="scheduled" if deduction.round_no != WISH else "wish",
                value_on=deduction.value_on,
                paid_at=deduction.paid_at,
                lines=deduction.lines,
            )
        )


def _order_no(funder_id: str, day: date, round_no: int, loan_id: str) -> str:
    """Name an order by its facts, so that it is the same whenever it is sent."""
    return f"{funder_id}-{day:%Y%m%d}-{round_no}-{loan_id}"
