"""A world in which orders live: queues that deliver in any order, a platform with a clock of its own.

Whoever is at work may die at any boundary; what must hold whenever nobody is at work is `wrongs`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta

from chalicelib.domain.deduction import Answer, AnswerStatus, Order, Status
from chalicelib.domain.loan import Loan, LoanStatus
from chalicelib.domain.money import total
from chalicelib.flows import (
    day_close,
    deduction,
    deduction_round,
    due_list,
    early_repayment,
    payment_notification,
    sweep,
)
from chalicelib.flows.ports import AskMessage
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import Crash, FakePlatform, FakeQueue
from tests.fakes_files import FileWorld, a_bill_row, a_file, a_manifest
from tests.fakes_notifications import FakeInbox
from tests.repayments import WITH_FEE

OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "limit_exceeded",
    "card_closed",
    "a_code_nobody_knows",
    "timeout_after_charge",
    "timeout_before_charge",
    "processing_then_succeed",
    "accepted_unseen",
    "wrong_amount",
)
LOANS = (("LN1", "B1", -5), ("LN2", "B1", 0), ("LN3", "B2", 1))
"""Loan, borrower, and when the first instalment is due, in days from TODAY."""

PAYABLE = WITH_FEE
QUEUES = ("walks", "deductions", "asks", "repayments", "notified")
DIED = object()


class Shelf(FakeQueue):
    """A queue that hands out what is visible, whichever of it."""

    def __init__(self, outside, clock: Callable[[], datetime]) -> None:
        super().__init__(outside)
        self.held: list[tuple[object, datetime]] = []
        self._clock = clock

    def put(self, messages, *, delay_seconds: int = 0) -> None:
        visible_at = self._clock() + timedelta(seconds=delay_seconds)
        self.held += [(message, visible_at) for message in messages]

    def is_busy(self) -> bool:
        return bool(self.held)

    def is_at_work(self) -> bool:
        return bool(self._visible())

    def _visible(self) -> list[tuple[object, datetime]]:
        return [each for each in self.held if each[1] <= self._clock()]


class TimedPlatform(FakePlatform):
    """Takes money when it is asked to, and may for a while not know an order it has accepted."""

    def __init__(self, outside, clock: Callable[[], datetime]) -> None:
        super().__init__(outside)
        self._clock = clock
        self.orders: dict[str, Order] = {}
        self.outcomes: dict[str, str] = {}
        self.unseen: dict[str, int] = {}

    def ask(self, order_no: str) -> Answer:
        if self.unseen.get(order_no):
            self.unseen[order_no] -= 1
            self.outside.enters("FakePlatform.ask")
            self.outside.passes()
            return Answer(status=AnswerStatus.NOT_EXIST)
        return super().ask(order_no)

    def _begin(self, order: Order, outcome: str) -> None:
        self.orders[order.order_no], self.outcomes[order.order_no] = order, outcome
        if outcome == "accepted_unseen":
            self.unseen[order.order_no], outcome = 2, "timeout_after_charge"
        super()._begin(order, outcome)
        end = self.ends.get(order.order_no)
        if end and end.paid_at:
            self.ends[order.order_no] = replace(end, paid_at=self._clock())

    def recover(self) -> None:
        """Let all faults stop; what comes from now on succeeds."""
        self.available = True
        self.unseen.clear()
        self.silent.clear()
        self.script.clear()


class OrderWorld(FileWorld):
    """Three loans of two borrowers; days are worked by whoever is called."""

    def __init__(self) -> None:
        super().__init__()
        self.now = at(0, 5)
        for name in QUEUES:
            setattr(self, name, Shelf(self.outside, lambda: self.now))
        self.platform = TimedPlatform(self.outside, lambda: self.now)
        self.inbox = FakeInbox(self.outside)
        self.books.products[PAYABLE.code] = PAYABLE
        self.bills = 0
        for loan_id, borrower_id, due_in in LOANS:
            due_on = TODAY + timedelta(days=due_in)
            loan = a_loan(loan_id, borrower_id=borrower_id, unpaid_due_on=due_on)
            self.book(loan, a_cut(first_due_on=due_on, instalments=3))

    # --- who works ------------------------------------------------------------------------

    def play(self, work: Callable[[], object], crash: int | None = None) -> object:
        """Let somebody work, and die at a boundary if he gets that far."""
        self.outside.dies_at = None if crash is None else self.outside.boundaries + crash
        try:
            return work()
        except Crash:
            return DIED
        finally:
            self.outside.dies_at = None

    def handle(self, queue: str, message) -> object:
        match queue:
            case "walks" if message.job == due_list.JOB:
                return due_list.walk(message=message, now=self.now, desk=self.morning)
            case "walks":
                return deduction_round.send_out(message=message, now=self.now, desk=self.rounds)
            case "deductions":
                return deduction.take(message=message, now=self.now, desk=self.deducting)
            case "asks":
                return deduction.ask(message=message, now=self.now, desk=self.deducting)
            case "repayments":
                return deduction.send(message=message, now=self.now, desk=self.deducting)
            case _:
                desk = payment_notification.Desk(inbox=self.inbox, deducting=self.deducting)
                return payment_notification.take(message=message, now=self.now, desk=desk)

    def list_dues(self) -> object:
        return due_list.make(business_date=self.now.date(), now=self.now, desk=self.morning)

    def start_round(self, round_no: int) -> object:
        """Start a round; one that cannot start yet is left to the sweep."""
        try:
            return deduction_round.start(
                business_date=self.now.date(), round_no=round_no, now=self.now, desk=self.rounds
            )
        except sweep.NOT_YET:
            return None

    def sweep(self) -> object:
        return sweep.run(now=self.now, desk=self.sweeping)

    def quote(self, loan_id: str, wish) -> object:
        return early_repayment.quote(
            borrower_id=self.loans.rows[loan_id].borrower_id,
            loan_id=loan_id,
            wish=wish,
            now=self.now,
            desk=self.repaying,
        )

    def start(self, quote, request: str) -> object:
        return early_repayment.start(
            borrower_id=quote.borrower_id,
            loan_id=quote.loan_id,
            quote_id=quote.quote_id,
            request=request,
            now=self.now,
            desk=self.repaying,
        )

    def ask(self, order_no: str) -> object:
        message = AskMessage(order_no=order_no, rung=None)
        return deduction.ask(message=message, now=self.now, desk=self.deducting)

    # --- bills ----------------------------------------------------------------------------

    def bill_of(self, day: date) -> list[dict[str, str]]:
        """Write what the platform has taken on a day."""
        return [
            a_bill_row(
                order_no=order_no,
                trade_no=end.trade_no,
                agreement_no=self.platform.orders[order_no].agreement_no,
                amount_fen=end.amount.fen,
                paid_at=end.paid_at.isoformat(),
            )
            for order_no, end in sorted(self.platform.ends.items())
            if end.status is AnswerStatus.SUCCEEDED and end.paid_at.date() == day
        ]

    def land_bill(self, day: date) -> str:
        self.bills += 1
        key, rows = f"in/payment/main/bill/{day:%Y%m%d}/bill_v{self.bills}.csv", self.bill_of(day)
        body = a_file(rows, columns=list(a_bill_row()))
        self.drop(key, body, a_manifest(body, rows, "amount_fen"))
        return key

    def close_days(self) -> object:
        return day_close.close_all(now=self.now, desk=self.closing)

    # --- what there is --------------------------------------------------------------------

    def visible(self) -> list[tuple[str, tuple[object, datetime]]]:
        return [(name, each) for name in QUEUES for each in getattr(self, name)._visible()]

    def orders_of(self, loan_id: str) -> Iterator[str]:
        return (no for no in self.platform.orders if no.endswith(f"-{loan_id}"))

    def known_orders(self) -> list[str]:
        slots = [loan.slot.order_no for loan in self.loans.rows.values() if loan.slot]
        return sorted({*self.platform.orders, *self.journal.results, *slots})

    def state(self) -> dict:
        return super().state() | {"charged": dict(self.platform.charged)}


# --- what must hold -----------------------------------------------------------------------


def wrongs(world: OrderWorld) -> list[str]:
    """Name what must never be, at whatever moment nobody is at work."""
    return [
        f"{loan.loan_id}: {name}"
        for loan in world.loans.rows.values()
        for name, is_so in _wrongs_of(loan, world).items()
        if is_so
    ]


def _wrongs_of(loan: Loan, world: OrderWorld) -> dict[str, bool]:
    platform, slot = world.platform, loan.slot
    records = {no: row for no, row in world.journal.results.items() if row.loan_id == loan.loan_id}
    held = {slot.order_no} if slot else set()
    sent = set(world.orders_of(loan.loan_id))
    paid = {no for no, row in records.items() if row.result.status is Status.SUCCEEDED}
    there = {
        no for no in sent if no in platform.ends and platform.ends[no].status.name == "SUCCEEDED"
    }
    posted = paid - held
    principal = total(records[no].components.principal for no in posted)
    first = world.schedules.rows[loan.loan_id, 1].instalments
    interest = total(records[no].components.interest for no in paid)
    amounts = {no: row.amount for no, row in records.items()} | (
        {slot.order_no: slot.amount} if slot else {}
    )
    return {
        "an order charged twice": any(platform.charged[no] > 1 for no in sent),
        "two orders alive": len(sent - set(records)) > 1 or not sent - set(records) <= held,
        "money posted that nobody paid": not paid <= there,
        "money paid that nobody posts": not there <= paid | held,
        "another amount ordered than is kept": any(
            platform.orders[no].amount != amounts[no] for no in sent & set(amounts)
        ),
        "another amount posted than was taken": any(
            platform.ends[no].amount != amounts[no] for no in paid & there
        ),
        "parts that are not the whole": any(
            row.components.total + row.fee != row.amount for row in records.values()
        ),
        "principal lost or made": principal + _principal_left(loan, world) != loan.principal,
        "more interest than the contract's": interest > total(row.interest for row in first),
        "an ended loan that is held": loan.status is LoanStatus.SETTLED and slot is not None,
        "an order nobody would look after": slot is not None
        and slot.request != ""
        and (slot.as_of, slot.order_no) not in world.active_orders.rows,
    }


def _principal_left(loan: Loan, world: OrderWorld):
    """Add up what the schedule still asks from where the loan stands."""
    at_row, rows = loan.position, world.schedules.rows[loan.loan_id, loan.schedule_version]
    left = total(row.principal for row in rows.instalments if row.number >= at_row.instalment_no)
    return left - at_row.principal_paid
