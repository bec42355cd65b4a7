"""The joint-lending day as the funder lives it: its due file, our files checked, its confirmation.

Every line of a repayment file is worked out again from the funder's own books; only what ties to
the fen, by party and component, is taken in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from simulators.clock import rfc3339
from simulators.funder_books import Account, Books, Payment, Shares
from simulators.funder_contracts import JOINT, Agreement
from simulators.funder_dialects import AMOUNTS, NINE, Row
from simulators.funder_split import Parts
from simulators.funder_standing import Line, Prospect

KINDS = frozenset(("scheduled", "overdue", "partial", "settlement"))


def due_rows(books: Books, agreement: Agreement, as_of: date) -> list[Row]:
    """List every unpaid instalment due by a date, in all joint loans of a funder."""
    rows: list[Row] = []
    for account in books.accounts(agreement.funder_id, JOINT):
        if account.days_past_due(as_of) > agreement.dpd_max:
            continue
        rows += [
            {
                "loan_id": account.loan.loan_id,
                "instalment_no": line.number,
                "due_on": line.due_on.isoformat(),
                **account.shares(line).nine(),
            }
            for line in account.owed(as_of)
        ]
    return rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Ordered:
    """All lines of one order in a file of Afterloan's."""

    order_no: str
    rows: Sequence[Mapping[str, str]]

    @property
    def head(self) -> tuple[str, str, str, str]:
        """What all lines of an order have in common."""
        first = self.rows[0]
        return first["loan_id"], first["trade_no"], first["kind"], first["paid_at"]

    @property
    def amount_fen(self) -> int:
        return sum(_parts(row).total for row in self.rows)


def orders_of(rows: Sequence[Mapping[str, str]]) -> list[Ordered]:
    """Put the lines of each order together, the orders in order of payment."""
    by_order: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        by_order.setdefault(row["order_no"], []).append(row)
    orders = [Ordered(order_no=number, rows=lines) for number, lines in by_order.items()]
    return sorted(orders, key=lambda order: (_sortable(order.head[3]), order.order_no))


class NotOursError(ValueError):
    """The order does not tie with the books; the text is the reason, a stable code."""


def payment_of(
    books: Books, funder_id: str, order: Ordered, value_on: date
) -> tuple[Account, Payment]:
    """Work an order out again, and give its account and the payment it is, if it ties.

    :raises NotOursError: with the reason, if it does not.
    """
    loan_id, trade_no, kind, paid_at = order.head
    account = books.find(loan_id)
    if account is None or account.loan.funder_id != funder_id or account.loan.mode != JOINT:
        raise NotOursError("unknown_loan")
    if kind not in KINDS:
        raise NotOursError("unknown_kind")
    _check_lines(order)
    payment = Payment(
        order_no=order.order_no,
        trade_no=trade_no,
        kind=kind,
        value_on=value_on,
        paid_at=_moment(paid_at),
        lines=(),
    )
    expected = _expected(account, order, payment)
    told = {int(row["instalment_no"]): row for row in order.rows}
    if {line.number: line.parts for line in expected} != {n: _parts(told[n]) for n in told}:
        raise NotOursError("amount_differs")
    for line in expected:
        row = told[line.number]
        if account.shares(line).nine() != {name: int(row[name]) for name in NINE}:
            raise NotOursError("split_differs")
    return account, replace(payment, lines=expected)


def same(account: Account, payment: Payment, order: Ordered) -> bool:
    """Whether an order that was taken in says now what it said then."""
    if order.head[:3] != (account.loan.loan_id, payment.trade_no, payment.kind):
        return False
    told = {row["instalment_no"]: {name: int(row[name]) for name in NINE} for row in order.rows}
    held = {str(line.number): account.shares(line).nine() for line in payment.lines}
    return told == held and len(order.rows) == len(payment.lines)


def _check_lines(order: Ordered) -> None:
    numbers = [row["instalment_no"] for row in order.rows]
    if not all(re.fullmatch(r"\d{1,4}", number, re.ASCII) for number in numbers):
        raise NotOursError("unknown_instalment")
    if len(set(numbers)) != len(numbers):
        raise NotOursError("line_twice")
    first = order.rows[0]
    for row in order.rows:
        if any(row[name] != first[name] for name in ("loan_id", "trade_no", "kind", "paid_at")):
            raise NotOursError("lines_of_one_order_differ")
        for name in AMOUNTS:
            whole = int(row[name])
            if int(row[f"funder_{name}"]) + int(row[f"platform_{name}"]) != whole or whole < 0:
                raise NotOursError("parts_do_not_add_up")


def _expected(account: Account, order: Ordered, payment: Payment) -> tuple[Line, ...]:
    """Say which lines the order must have; its kind must fit its amount."""
    prospect = account.prospect_at(payment)
    if not _fits(payment, order.amount_fen, prospect):
        raise NotOursError("amount_differs")
    lines = account.allocated(payment.value_on, order.amount_fen, before=payment.place)
    if lines is None:
        raise NotOursError("amount_differs")
    return lines


def _fits(payment: Payment, amount_fen: int, prospect: Prospect) -> bool:
    """Whether an amount is one that its kind may ask: what is due whole, and no more."""
    overdue = sum(line.parts.total for line in prospect.due if line.due_on < payment.value_on)
    match payment.kind:
        case "scheduled":
            return amount_fen == prospect.due_fen
        case "overdue":
            return amount_fen == overdue
        case "settlement":
            return amount_fen == prospect.payoff_fen
        case _:
            return prospect.due_fen < amount_fen < prospect.payoff_fen


def confirmation_rows(
    payments: Mapping[str, tuple[Account, Payment]],
    orders: Sequence[Ordered],
    reasons: Mapping[str, str],
) -> list[Row]:
    """Answer for every order of a reconciliation file, and for those it should have had.

    `payments` are what the books hold of the day, `reasons` why an order was not taken in.
    """
    rows: list[Row] = []
    for order in orders:
        held = payments.get(order.order_no)
        amount = _funders(held)
        if held is None:
            reason = reasons.get(order.order_no, "unknown_order")
        else:
            reason = "" if same(*held, order) else "amount_differs"
        rows.append(_answer(order.order_no, amount, reason))
    answered = {order.order_no for order in orders}
    rows += [
        _answer(order_no, _funders(held), "missing_in_reconciliation")
        for order_no, held in sorted(payments.items())
        if order_no not in answered
    ]
    return rows


def _answer(order_no: str, amount_fen: int, reason: str) -> Row:
    return {
        "order_no": order_no,
        "status": "differs" if reason else "agreed",
        "funder_amount_fen": amount_fen,
        "reason": reason,
    }


def _funders(held: tuple[Account, Payment] | None) -> int:
    return held[0].shares_of(held[1].lines).funder.total if held else 0


def payments_on(
    books: Books, funder_id: str, value_on: date
) -> Iterator[tuple[str, tuple[Account, Payment]]]:
    """List what the books hold of a value date, by order."""
    for account in books.accounts(funder_id, JOINT):
        for payment in account.payments:
            if payment.value_on == value_on:
                yield payment.order_no, (account, payment)


def shares_on(books: Books, funder_id: str, value_on: date) -> Shares:
    """Sum up what was repaid on a value date."""
    total = Shares()
    for _, (account, payment) in payments_on(books, funder_id, value_on):
        total = total.plus(account.shares_of(payment.lines))
    return total


def _parts(row: Mapping[str, str]) -> Parts:
    return Parts(*(int(row[name]) for name in AMOUNTS))


def _moment(text: str) -> str:
    """Write a time in one way, so that it sorts.

    :raises NotOursError: if it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotOursError("no_time") from error
    if moment.tzinfo is None:
        raise NotOursError("no_time")
    return rfc3339(moment)


def _sortable(text: str) -> str:
    try:
        return _moment(text)
    except NotOursError:
        return text
