"""The deduction engine in process, and the rows it must be written into and read from."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pynamodb.models import Model

from bench import cloud, deductions
from bench.ledger import Bill, Call
from bench.stopwatch import Race, race, seconds
from bench.table import Line, timed
from bench.units import Item
from chalicelib.adapters.dynamodb.schedules import unpacked
from chalicelib.adapters.dynamodb.tables import JournalRow, LoanRow, ScheduleRow
from chalicelib.domain.deduction import order_no_of
from chalicelib.domain.loan import Schedule
from chalicelib.flows import deduction
from chalicelib.flows.ports import DeductionMessage
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World

TITLE = "the deduction engine in process"
ORDERS = 500
TURNS = 7
INSTALMENTS = 12

Work = Callable[[], object]


def measure() -> Iterator[Line]:
    """Work orders that succeed over fakes; beside it, do what their rows need."""
    with cloud.counted_tables() as ledger:
        bill = deductions.take(deductions.CASES[0], loan_id="LN00000000", ledger=ledger)
    rows = race(ours=_engine, peer=_wire(bill, LoanRow, JournalRow), turns=TURNS)
    schedules = race(ours=_engine, peer=_wire(bill, ScheduleRow), turns=TURNS)
    engine = rows.ours_seconds
    yield timed(
        what="  an order, against its rows", race=rows, peer_is=_told(bill, LoanRow, JournalRow)
    )
    yield timed(
        what="  an order, against its schedules", race=schedules, peer_is=_told(bill, ScheduleRow)
    )
    yield Line(
        what="  orders a second",
        ours=f"{1 / engine:,.0f}",
        peer=f"{1 / (engine + rows.peer_seconds + schedules.peer_seconds):,.0f}",
        peer_is="engine with all its rows (no botocore, no network)",
    )
    yield Line(what="  of that time, rows of heads and journal", ours=_share(rows, schedules))
    yield Line(what="  of that time, rows of schedules", ours=_share(schedules, rows))


def _engine() -> float:
    """Return the seconds of one order, over a new world."""
    world = World()
    plan = a_cut(instalments=INSTALMENTS)
    messages = []
    for number in range(ORDERS):
        loan = world.book(a_loan(f"LN{number:08}", borrower_id=f"BR{number:08}"), plan)
        order_no = order_no_of(business_date=TODAY, round_no=1, loan_id=loan.loan_id)
        messages.append(
            DeductionMessage(order_no=order_no, listed_fen=plan.instalments[0].total.fen)
        )
    desk = world.deducting

    def take_all() -> None:
        for message in messages:
            deduction.take(message=message, now=at(8), desk=desk)

    return seconds(take_all) / ORDERS


def _wire(bill: Bill, *tables: type[Model]) -> Callable[[], float]:
    """Repeat what an order's calls do with rows: one made of every item read, one written of each put."""
    work = [work for table in tables for call in _calls(bill, table) for work in _of(call, table)]

    def all_rows() -> None:
        for step in work:
            step()

    return partial(seconds, all_rows, times=ORDERS)


def _of(call: Call, table: type[Model]) -> Iterator[Work]:
    for item in call.items:
        if call.write_units:
            yield table.from_raw_data(dict(item)).serialize
        elif table is ScheduleRow:
            yield partial(_schedule_of, item)
        else:
            yield partial(table.from_raw_data, dict(item))


def _schedule_of(item: Item) -> Schedule:
    return unpacked(ScheduleRow.from_raw_data(dict(item)).instalments)


def _calls(bill: Bill, table: type[Model]) -> Sequence[Call]:
    return [call for call in bill.calls if call.table == table.Meta.table_name]


def _told(bill: Bill, *tables: type[Model]) -> str:
    """Say what the rows are: how many of each table are read and written."""
    told = []
    for table in tables:
        calls = _calls(bill, table)
        read = sum(len(call.items) for call in calls if not call.write_units)
        written = sum(len(call.items) for call in calls if call.write_units)
        name = table.Meta.table_name.rpartition("-")[2]
        told.append(f"{name} {read} read {written} written")
    return "its rows: " + ", ".join(told)


def _share(part: Race, rest: Race) -> str:
    whole = part.ours_seconds + part.peer_seconds + rest.peer_seconds
    return f"{part.peer_seconds / whole:.0%}"
