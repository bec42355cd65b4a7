"""What one deduction writes, by outcome, against the same writes as transactions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench import cloud
from bench.ledger import Bill, Ledger
from bench.table import Line, counted
from chalicelib.domain.deduction import order_no_of
from chalicelib.flows import deduction
from chalicelib.flows.ports import AskMessage, DeductionMessage
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World

TITLE = "one deduction (write units)"
SHARDS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One order: what the platform does, how often its messages come, what it should cost."""

    what: str
    outcome: str
    promised: int
    instalments: int = 12
    deliveries: int = 1
    asks: int = 0
    is_on_hold: bool = False


CASES = (
    Case(what="succeeds", outcome="succeed", promised=6),
    Case(what="succeeds and settles the loan", outcome="succeed", promised=5, instalments=1),
    Case(what="fails", outcome="insufficient_funds", promised=3),
    Case(
        what="times out, is asked, has succeeded",
        outcome="timeout_after_charge",
        promised=6,
        asks=1,
    ),
    Case(what="succeeds, message delivered 3 times", outcome="succeed", promised=6, deliveries=3),
    Case(what="skipped: on hold", outcome="succeed", promised=1, is_on_hold=True),
)


def measure() -> Iterator[Line]:
    """Take one order of each kind over moto's tables."""
    with cloud.counted_tables() as ledger:
        for number, case in enumerate(CASES):
            bill = take(case, loan_id=f"LN{number:08}", ledger=ledger)
            # A skip moves nothing: either design puts it with one plain write.
            peer = bill.write_units if case.is_on_hold else bill.as_transactions
            yield replace(
                counted(
                    what=f"  {case.what}",
                    ours=bill.write_units,
                    peer=peer,
                    peer_is=f"transactions; ours {_steps(bill)}, reads {bill.read_units:g}",
                ),
                kept=bill.write_units == case.promised,
            )


def take(case: Case, *, loan_id: str, ledger: Ledger) -> Bill:
    """Book a loan, and deduct its first instalment."""
    world = World()
    books = cloud.books(shards=SHARDS)
    hold = "AGREEMENT_TERMINATED" if case.is_on_hold else ""
    loan = a_loan(loan_id, borrower_id=f"BR{loan_id}", hold=hold)
    plan = a_cut(instalments=case.instalments)
    books.loans.add(loan)
    books.schedules.add(loan_id, loan.schedule_version, plan, source="bench")
    world.platform.script[loan.agreement_no] = [case.outcome]
    desk = replace(world.deducting, books=books)
    order_no = order_no_of(business_date=TODAY, round_no=1, loan_id=loan_id)
    message = DeductionMessage(order_no=order_no, listed_fen=plan.instalments[0].total.fen)
    with ledger.billing() as bill:
        for _ in range(case.deliveries):
            deduction.take(message=message, now=at(8), desk=desk)
        for _ in range(case.asks):
            deduction.ask(message=AskMessage(order_no=order_no), now=at(8, 1), desk=desk)
    return bill


def _steps(bill: Bill) -> str:
    """Write what each call wrote: 1 for the item, +n for the indexes."""
    steps: Sequence[str] = [
        f"{call.written}+{call.written_to_indexes}"
        if call.written_to_indexes
        else f"{call.written}"
        for call in bill.writes
    ]
    return ", ".join(steps)
