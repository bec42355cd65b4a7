"""What one active repayment costs: write units by kind, and the time a quote takes to compute."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench import cloud
from bench.ledger import Bill, Ledger
from bench.stopwatch import race, seconds
from bench.table import Line, counted, timed
from chalicelib.adapters.dynamodb.active_orders import DynamoActiveOrders
from chalicelib.adapters.dynamodb.quotes import DynamoQuotes
from chalicelib.domain import prepayment, schedule
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Standing, Wish
from chalicelib.domain.product import Recut
from chalicelib.flows import deduction, early_repayment
from chalicelib.flows.early_repayment import Quote, Refused
from tests.builders import PRODUCT, TODAY, a_cut, a_loan, at
from tests.fakes import World

TITLE = "one active repayment (write units, then time)"
SHARDS = 8
TURNS = 7
TIMES = 100
PART = Money(3_000_00)
WISHES = {
    "what is due": (Wish(kind=Kind.INSTALMENT), 8),
    "all": (Wish(kind=Kind.FULL), 7),
    "a part, smaller instalments": (Wish(kind=Kind.PARTIAL, amount=PART), 9),
    "a part, fewer instalments": (
        Wish(kind=Kind.PARTIAL, amount=PART, recut=Recut.SHORTEN_TERM),
        9,
    ),
}
"""What is wished, and what it may write: quote 1, note 1, claim 1, journal 2, the posted head 1,
the agenda's entry 2, or 1 when it only leaves, and 1 for a new schedule."""


class NotStartedError(Exception):
    """The bench's own loan was refused."""


def measure() -> Iterator[Line]:
    """Take one repayment of each kind over moto's tables; then compute quotes."""
    with cloud.counted_tables() as ledger:
        for number, (what, (wish, promised)) in enumerate(WISHES.items()):
            bill = _take(wish, loan_id=f"LN{number:08}", ledger=ledger)
            yield replace(
                counted(
                    what=f"  {what}",
                    ours=bill.write_units,
                    peer=bill.as_transactions,
                    peer_is=f"transactions; reads {bill.read_units:g}",
                ),
                kept=bill.write_units == promised,
            )
    for rows in (12, 36, 360):
        standing = Standing(
            position=a_loan().position,
            cut=a_cut(instalments=rows),
            product=PRODUCT,
            annual_rate=a_loan().annual_rate,
            as_of=TODAY,
        )
        wish = Wish(kind=Kind.PARTIAL, amount=PART)
        quote = partial(prepayment.offer, wish=wish, standing=standing)
        again = partial(schedule.cut, terms=standing.cut.terms, product=PRODUCT)
        times = max(TIMES * 12 // rows, 1)
        yield timed(
            what=f"  compute a quote of a part, {rows} rows",
            race=race(
                ours=partial(seconds, quote, times=times),
                peer=partial(seconds, again, times=times),
                turns=TURNS,
            ),
            peer_is="schedule.cut of the whole loan, which a quote does once",
        )


def _take(wish: Wish, *, loan_id: str, ledger: Ledger) -> Bill:
    """Book a loan, quote the wish, start its order, send it, post it."""
    world = World()
    books = cloud.books(shards=SHARDS)
    loan = a_loan(loan_id, borrower_id=f"BR{loan_id}")
    books.loans.add(loan)
    books.schedules.add(loan_id, loan.schedule_version, a_cut(instalments=12), source="bench")
    desk = replace(
        world.repaying, books=books, quotes=DynamoQuotes(), active_orders=DynamoActiveOrders()
    )
    with ledger.billing() as bill:
        quoted = early_repayment.quote(
            borrower_id=loan.borrower_id, loan_id=loan_id, wish=wish, now=at(9), desk=desk
        )
        if not isinstance(quoted, Quote):
            raise NotStartedError(str(quoted))
        begun = early_repayment.start(
            borrower_id=loan.borrower_id,
            loan_id=loan_id,
            quote_id=quoted.quote_id,
            request="bench",
            now=at(9),
            desk=desk,
        )
        if isinstance(begun, Refused):
            raise NotStartedError(str(begun))
        for message in world.repayments.messages:
            deduction.send(message=message, now=at(9), desk=replace(world.deducting, books=books))
    return bill
