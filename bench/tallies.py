"""What it costs to say how a round stands: time and memory a due, over fakes."""

import pickle
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any

from bench.stopwatch import race, seconds
from bench.table import Line, timed
from chalicelib.domain.deduction import (
    Deduction,
    Result,
    Skip,
    SkipReason,
    Status,
    failed,
    order_no_of,
)
from chalicelib.domain.loan import Loan, Slot
from chalicelib.domain.money import Components
from chalicelib.domain.run import Run
from chalicelib.flows import deduction_round
from chalicelib.flows.deduction_round import Desk
from chalicelib.flows.ports import DueLine
from tests.builders import TODAY, a_loan, a_schedule, at
from tests.fakes import FakeDueLists, FakeJournal, FakeLoans, World

TITLE = "how a round stands (deduction_round.stand)"
DUES = 20_000
FEWER = 5_000
LARGE = 100_000
TURNS = 5
MEGABYTE = 1024 * 1024
ROUND_1 = deduction_round.job_of(1)
FIRST = a_schedule()[0]
OWED = Components(principal=FIRST.principal, interest=FIRST.interest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """A round that went out, and the world it went out in."""

    world: World
    run: Run
    dues: int

    def seconds_a_due(self) -> float:
        return seconds(partial(self._stand, self.world.rounds)) / self.dues

    def peak_bytes_a_due(self) -> float:
        """Trace one pass, far too slow to be timed; every reader gets objects of its own."""
        desk = _with_stores(self.world)
        tracemalloc.start()
        self._stand(desk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak / self.dues

    def _stand(self, desk: Desk) -> None:
        deduction_round.stand(run=self.run, desk=desk)


def measure() -> Iterator[Line]:
    """Time it for all dues and for fewer; then the memory, in passes of its own."""
    all_dues, fewer = _a_round(dues=DUES), _a_round(dues=FEWER)
    the_same = f"the same, {FEWER:,} dues"
    timing = race(ours=all_dues.seconds_a_due, peer=fewer.seconds_a_due, turns=TURNS)
    yield timed(what=f"  a due, {DUES:,} dues", race=timing, peer_is=the_same)
    most, most_of_fewer = all_dues.peak_bytes_a_due(), fewer.peak_bytes_a_due()
    yield Line(
        what=f"  peak memory a due, {DUES:,} dues",
        ours=f"{most:,.0f} B",
        peer=f"{most_of_fewer:,.0f} B",
        ratio=most / most_of_fewer,
        peer_is=the_same,
    )
    yield Line(
        what=f"  {LARGE:,} dues (reckoned)",
        ours=f"{timing.ours_seconds * LARGE:.1f} s",
        peer_is=f"and {most * LARGE / MEGABYTE:,.0f} MB; what the client library adds not included",
    )


# --- the round ---------------------------------------------------------------------------


def _a_round(*, dues: int) -> Round:
    """Make a round: of 100 dues 85 succeeded, 9 failed, 1 skipped, 3 unknown, 2 waiting."""
    world = World(shards=1)
    lines = [_line(number) for number in range(dues)]
    for number, line in enumerate(lines):
        _end(world, line, fate=number % 100)
    world.due_lists.lists[TODAY, 1, 0] = tuple(lines)
    run = Run(business_date=TODAY, job=ROUND_1, started_at=at(8), parts={0: {}})
    return Round(world=world, run=run, dues=dues)


def _line(number: int) -> DueLine:
    return DueLine(
        loan_id=f"LN{number:08}",
        borrower_id=f"BR{number:08}",
        mode="self_operated",
        product="consumer",
        due_on=TODAY,
        dpd=0,
        amount=OWED.total,
        components=OWED,
    )


def _end(world: World, line: DueLine, *, fate: int) -> None:
    loan = a_loan(line.loan_id, borrower_id=line.borrower_id)
    order_no = order_no_of(business_date=TODAY, round_no=1, loan_id=line.loan_id)
    if fate < 94:
        paid = Result(status=Status.SUCCEEDED, trade_no=f"T{order_no}", paid_at=at(9))
        result = paid if fate < 85 else failed("INSUFFICIENT_FUNDS")
        world.journal.results[order_no] = _deduction(loan, line, order_no, result)
    elif fate == 94:
        world.journal.skips[order_no] = _skip(line, order_no)
    elif fate < 98:
        loan = replace(loan, slot=_slot(line, order_no))
    world.loans.rows[loan.loan_id] = loan


def _deduction(loan: Loan, line: DueLine, order_no: str, result: Result) -> Deduction:
    return Deduction(
        order_no=order_no,
        loan_id=loan.loan_id,
        borrower_id=loan.borrower_id,
        mode=line.mode,
        business_date=TODAY,
        round_no=1,
        agreement_no=loan.agreement_no,
        amount=line.amount,
        components=line.components,
        result=result,
        recorded_at=at(9),
        listed=line.amount,
    )


def _skip(line: DueLine, order_no: str) -> Skip:
    return Skip(
        order_no=order_no,
        loan_id=line.loan_id,
        mode=line.mode,
        business_date=TODAY,
        round_no=1,
        listed=line.amount,
        reason=SkipReason.ON_HOLD,
        recorded_at=at(9),
    )


def _slot(line: DueLine, order_no: str) -> Slot:
    return Slot(
        order_no=order_no,
        amount=line.amount,
        components=line.components,
        listed=line.amount,
        as_of=TODAY,
        sent_at=at(8),
    )


# --- stores that give back new objects, as tables and files do -----------------------------


class StoredLoans(FakeLoans):
    def __init__(self, world: World) -> None:
        super().__init__(world.outside)
        self.stored = {loan_id: pickle.dumps(loan) for loan_id, loan in world.loans.rows.items()}

    def get_many(self, loan_ids: Sequence[str]) -> Mapping[str, Loan]:
        return {loan_id: _read(self.stored[loan_id]) for loan_id in loan_ids}


class StoredJournal(FakeJournal):
    """Knows one day."""

    def __init__(self, world: World) -> None:
        super().__init__(world.outside)
        self.stored = [pickle.dumps(record) for record in world.journal.of_day(TODAY)]

    def of_day(self, business_date: date) -> Iterator[Deduction | Skip]:  # noqa: ARG002  one day
        return map(_read, self.stored)


class StoredDueLists(FakeDueLists):
    """Knows one list."""

    def __init__(self, world: World) -> None:
        super().__init__(world.outside)
        self.stored = [pickle.dumps(line) for line in world.due_lists.lists[TODAY, 1, 0]]

    def read(self, **_: object) -> Iterator[DueLine]:
        return map(_read, self.stored)


def _with_stores(world: World) -> Desk:
    desk = world.rounds
    books = replace(desk.books, loans=StoredLoans(world), journal=StoredJournal(world))
    return replace(desk, books=books, due_lists=StoredDueLists(world))


def _read(stored: bytes) -> Any:
    return pickle.loads(stored)  # noqa: S301  our own bytes
