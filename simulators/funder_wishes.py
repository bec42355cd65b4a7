"""Deductions that Afterloan forwards to the funder: a borrower of an assisted loan pays by himself.

The same port as the payment platform's, outcomes, notifications and all; but the funder first
looks into its books.  What it refuses, it refuses under the order's number, for good:

* BANK_UNAVAILABLE - another order of the loan has no end yet.
* LIMIT_EXCEEDED - the amount, the kind or the lines are not what its books say may be paid.
* RISK_REJECTED - it has no such assisted loan.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from random import Random  # noqa: TID251 - seeded by whoever builds the funder
from threading import RLock

from simulators.clock import SHANGHAI, rfc3339
from simulators.funder_assistance import WISH, Deduction, Deductions
from simulators.funder_books import Account, Books
from simulators.funder_contracts import ASSISTED
from simulators.funder_recut import RECUTS, REDUCE
from simulators.funder_split import Parts
from simulators.funder_standing import Line
from simulators.orders import Order, Status, Wanted
from simulators.payment_platform import PaymentPlatform
from simulators.wire import Reply

BUSY, NOT_OWED, STRANGER = "BANK_UNAVAILABLE", "LIMIT_EXCEEDED", "RISK_REJECTED"
KINDS = frozenset(("", "overdue", "instalment", "partial", "full", "settlement"))


class RefusedError(Exception):
    """The books speak against the order; the text is the failure code."""


class WishedDeductions(PaymentPlatform):
    """Charges what a borrower wishes to pay, if the funder's books allow it.

    Beyond the port's fields an order may say `loan_id`, `kind`, `recut`, `as_of` and `lines`
    ({instalment_no, principal_fen, interest_fen, penalty_fen}): then they are checked, too.
    """

    def __init__(
        self,
        *,
        books: Books,
        deductions: Deductions,
        lock: RLock,
        read_loans: Callable[[], object],
        clock: Callable[[], datetime],
        rng: Random,
        processing_seconds: float = 600.0,
        hang_seconds: float = 3.0,
    ) -> None:
        super().__init__(
            clock=clock,
            rng=rng,
            processing_seconds=processing_seconds,
            hang_seconds=hang_seconds,
        )
        self._lock = lock  # the funder's: these orders and its files move the same books
        self._books = books
        self._deductions = deductions
        self._read_loans = read_loans
        self._told: dict[str, Mapping[str, object]] = {}

    def deduct(self, body: Mapping[str, object]) -> Reply:
        """Charge an order once; the same order again is answered as it stands."""
        with self._lock:
            self._told[str(body.get("order_no"))] = body
            reply = super().deduct(body)
            self.settle()
            return reply

    def settle(self) -> None:
        """Take every end there is by now into the books."""
        with self._lock:
            self._resolve_all()
            for order_no, order in self._orders.items():
                deduction = self._deductions.find(order_no)
                if deduction is not None and order_no not in self._unresolved:
                    self._deductions.heard(deduction, _end_of(order))

    def _take_in(self, wanted: Wanted) -> Reply:
        """Look into the books, then meet a new number with its outcome."""
        try:
            deduction = self._judged(wanted, self._told[wanted.order_no])
        except RefusedError as refused:
            return self._refuse(wanted, str(refused))
        reply = super()._take_in(wanted)
        if wanted.order_no in self._orders:
            self._deductions.add(deduction)
        return reply

    def _refuse(self, wanted: Wanted, code: str) -> Reply:
        order = Order(
            wanted=wanted,
            outcome="refused",
            trade_no=self._trade_no("4", wanted.order_no),
            amount_fen=wanted.amount_fen,
        )
        order.fail(code)
        self._orders[wanted.order_no] = order
        self._plan_notification(order, at=self._clock())
        return self._answer(order)

    def _judged(self, wanted: Wanted, told: Mapping[str, object]) -> Deduction:
        """Work out what the order pays.

        :raises RefusedError: if it may not.
        """
        account = self._account(wanted, told)
        if account is None or account.loan.mode != ASSISTED:
            raise RefusedError(STRANGER)
        if self._deductions.is_open(account.loan.loan_id):
            raise RefusedError(BUSY)
        value_on = self._value_date(told)
        kind, recut = str(told.get("kind") or ""), str(told.get("recut") or REDUCE)
        if kind not in KINDS or recut not in RECUTS:
            raise RefusedError(NOT_OWED)
        lines = account.allocated(value_on, wanted.amount_fen)
        if not lines or not _fits(account, kind, value_on, wanted.amount_fen):
            raise RefusedError(NOT_OWED)
        if "lines" in told and told["lines"] != [_told(line) for line in lines]:
            raise RefusedError(NOT_OWED)
        return Deduction(
            order_no=wanted.order_no,
            account=account,
            round_no=WISH,
            value_on=value_on,
            lines=lines,
            recut=recut,
        )

    def _account(self, wanted: Wanted, told: Mapping[str, object]) -> Account | None:
        """Find the loan: by its name, by the end of the order number, or by its own agreement."""
        named = str(told.get("loan_id") or wanted.order_no.split("-", 2)[-1])
        if self._books.find(named) is None:
            self._read_loans()
        account = self._books.find(named) or self._books.of_agreement(wanted.agreement_no)
        if account is None or account.loan.agreement_no != wanted.agreement_no:
            return None
        return account

    def _value_date(self, told: Mapping[str, object]) -> date:
        try:
            return date.fromisoformat(str(told["as_of"]))
        except (KeyError, ValueError):
            return self._clock().astimezone(SHANGHAI).date()


def _fits(account: Account, kind: str, value_on: date, amount_fen: int) -> bool:
    """Whether the amount is what its kind asks for."""
    prospect = account.prospect(value_on)
    overdue = sum(line.parts.total for line in prospect.due if line.due_on < value_on)
    whole = {overdue, prospect.due_fen, prospect.payoff_fen}
    is_partial = prospect.due_fen < amount_fen < prospect.payoff_fen
    match kind:
        case "overdue":
            return amount_fen == overdue
        case "instalment":
            return amount_fen == prospect.due_fen
        case "full" | "settlement":
            return amount_fen == prospect.payoff_fen
        case "partial":
            return is_partial
        case _:
            return amount_fen in whole or is_partial


def _end_of(order: Order) -> dict[str, object]:
    """Say how an order ended, also one that denies it: these are the funder's own books."""
    charge = order.charge()
    if charge is None:
        code = "CLOSED" if order.status is Status.CLOSED else order.failure_code
        return {
            "status": order.status.value,
            "failure_code": code,
            "trade_no": order.trade_no,
        }
    result = {**order.result(), "status": "SUCCEEDED"}
    return {**result, "paid_at": rfc3339(charge.paid_at)}


def _told(line: Line) -> dict[str, int]:
    parts: Parts = line.parts
    return {"instalment_no": line.number, **parts.told()}
