"""Makes a borrower's repayment: a loan he may pay, his wish, his request, and its messages."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.deduction import AnswerStatus, Kind, Status
from chalicelib.domain.loan import Loan, LoanStatus
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.position import outstanding_principal
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Recut
from chalicelib.flows import deduction, early_repayment, sweep
from chalicelib.flows.early_repayment import Quote, Refused, Started
from tests.builders import PRODUCT, TODAY, a_cut, a_loan, at
from tests.fakes import FakeQueue, World

NOW = at(9)
PART = Money(5_000_00)
WITH_FEE = replace(PRODUCT, settlement_fee_rate=Decimal("0.01"))
OVERDUE_DAYS = 5
CUT = a_cut(first_due_on=TODAY - timedelta(days=OVERDUE_DAYS))

WISHES = {
    "overdue": Wish(kind=Kind.OVERDUE),
    "instalment": Wish(kind=Kind.INSTALMENT),
    "lower instalments": Wish(kind=Kind.PARTIAL, amount=PART, recut=Recut.REDUCE_INSTALMENT),
    "fewer instalments": Wish(kind=Kind.PARTIAL, amount=PART, recut=Recut.SHORTEN_TERM),
    "full": Wish(kind=Kind.FULL),
}


def a_world(*outcomes: str, **changes: object) -> World:
    """Book a loan with an instalment five days overdue; its orders meet the outcomes, one each."""
    world = World()
    world.books.products[PRODUCT.code] = WITH_FEE
    world.book(a_loan(overdue_days=OVERDUE_DAYS, **changes), CUT)
    world.platform.script["AG-LN1"] = list(outcomes)
    return world


def loan_of(world: World) -> Loan:
    return world.loans.rows["LN1"]


def ask_for(world: World, wish: Wish, *, now: datetime = NOW, **whose: str) -> Quote | Refused:
    facts = {"borrower_id": "B1", "loan_id": "LN1"} | whose
    return early_repayment.quote(**facts, wish=wish, now=now, desk=world.repaying)


def quoted(world: World, wish: Wish = WISHES["lower instalments"], **when: datetime) -> Quote:
    given = ask_for(world, wish, **when)
    assert isinstance(given, Quote), given
    return given


def start(
    world: World, quote: Quote, *, request: str = "r1", now: datetime = NOW, **whose: str
) -> Started | Refused:
    facts = {"borrower_id": "B1", "loan_id": "LN1"} | whose
    return early_repayment.start(
        **facts, quote_id=quote.quote_id, request=request, now=now, desk=world.repaying
    )


def send_all(world: World, *, now: datetime = NOW) -> None:
    """Deliver what waits to be sent; who dies leaves his message in the queue."""
    deliver(
        world.repayments, lambda one: deduction.send(message=one, now=now, desk=world.deducting)
    )


def ask_all(world: World, *, now: datetime = NOW) -> None:
    deliver(world.asks, lambda one: deduction.ask(message=one, now=now, desk=world.deducting))


def deliver(queue: FakeQueue, handle: Callable[[object], object]) -> None:
    for message in list(queue.messages):
        handle(message)
        queue.messages.remove(message)


def settle(world: World, *, now: datetime = NOW) -> None:
    """Deliver every message, and those they lead to, until all is quiet."""
    while world.repayments.messages or world.asks.messages:
        send_all(world, now=now)
        ask_all(world, now=now)


def swept(world: World, *, now: datetime) -> None:
    """Let the sweep come by twice, and its questions be asked."""
    for minutes in (0, 15):
        sweep.run(now=now + timedelta(minutes=minutes), desk=world.sweeping)
        ask_all(world, now=now + timedelta(minutes=minutes))


def repaid(world: World, wish: Wish, *, request: str = "r1") -> str:
    """Quote, start, and deliver; return the order's number."""
    quote = quoted(world, wish)
    begun = start(world, quote, request=request)
    assert begun == Started(order_no=quote.terms.order_no, amount_fen=quote.offered.amount.fen)
    settle(world)
    return quote.terms.order_no


# --- what must hold ---------------------------------------------------------------------


@dataclass(frozen=True)
class End:
    """All that two ways to the same end must have in common: not times, not counts of writes."""

    loans: dict
    schedules: dict
    sources: dict
    journal: dict
    charged: dict


def end_of(world: World) -> End:
    return End(
        loans={no: replace(loan, version=0) for no, loan in world.loans.rows.items()},
        schedules=dict(world.schedules.rows),
        sources=dict(world.schedules.sources),
        journal={
            no: replace(record, recorded_at=NOW) for no, record in world.journal.results.items()
        },
        charged=dict(+world.platform.charged),
    )


def principal_left(world: World) -> Money:
    loan = loan_of(world)
    if loan.status is LoanStatus.SETTLED:
        return ZERO
    schedule = world.schedules.rows["LN1", loan.schedule_version].instalments
    return outstanding_principal(loan.position, schedule)


def wrongs(world: World, *, owed: Money) -> list[str]:
    """Name what must never be, at whatever moment nobody is at work; `owed` is the payoff."""
    slot, journal = loan_of(world).slot, world.journal.results
    paid = {no for no, record in journal.items() if record.result.status is Status.SUCCEEDED}
    ends = world.platform.ends
    there = {no for no, answer in ends.items() if answer.status is AnswerStatus.SUCCEEDED}
    taken = total(ends[no].amount for no in there)
    principal = total(record.components.principal for no, record in journal.items() if no in paid)
    found = {
        "an order charged twice": any(times > 1 for times in world.platform.charged.values()),
        "money posted that nobody paid": not paid <= there,
        "money paid that nobody posts": not there <= paid | ({slot.order_no} if slot else set()),
        "more taken than was owed": taken > owed,
        "an ended order that holds the slot": slot is not None and slot.order_no in journal,
        "an order in flight that nobody would look after": slot is not None
        and slot.kind is not Kind.SCHEDULED
        and (slot.as_of, slot.order_no) not in world.active_orders.rows,
        "principal lost or made": principal + principal_left(world) != loan_of(world).principal,
    }
    return [name for name, is_so in found.items() if is_so]
