"""What a morning reads and writes, for a book and for one twice as large with the same dues."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench import cloud
from bench.ledger import Bill, Ledger
from bench.table import Line, counted, figure
from bench.units import Item, size_of
from chalicelib.adapters.dynamodb.runs import DynamoRuns
from chalicelib.adapters.dynamodb.tables import LoanRow, RunRow, ScheduleRow
from chalicelib.flows import due_list
from chalicelib.flows.ports import Books
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World

TITLE = "a morning (DynamoDB units)"
SHARDS = 2
DUES = 150
REMINDERS = 20
BOOK = 600
RETRIED_DAYS = 91
LARGE_BOOK = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Morning:
    """What one morning cost, and what one scan of the same loans table costs."""

    bill: Bill
    scan: Bill
    listed: int


def measure() -> Iterator[Line]:
    """Work the same morning over both books."""
    with cloud.counted_tables() as ledger:
        books = cloud.books(shards=SHARDS)
        _add_loans(books, first=0, last=BOOK)
        one = _morning(books, ledger)
        _add_loans(books, first=BOOK, last=2 * BOOK)
        RunRow.delete_table()
        RunRow.create_table()
        two = _morning(books, ledger)
    the_same = f"the same, {BOOK:,} loans"
    for what, ours, peer in (
        ("dues listed", two.listed, one.listed),
        ("items read", two.bill.items_read, one.bill.items_read),
        ("read units", two.bill.read_units, one.bill.read_units),
        ("write units", two.bill.write_units, one.bill.write_units),
    ):
        yield counted(
            what=f"  {what}, {2 * BOOK:,} loans",
            ours=ours,
            peer=peer,
            peer_is=the_same,
            promised=1,
        )
    yield from _against_scan(one, two)


def _against_scan(one: Morning, two: Morning) -> Iterator[Line]:
    """Compare finding the dues and their heads with a scan, which has the heads at once."""
    agenda = two.bill.of("Query", table=LoanRow)
    heads = two.bill.of("BatchGetItem", table=LoanRow)
    schedules = two.bill.of("BatchGetItem", table=ScheduleRow)
    found = agenda.read_units + heads.read_units
    scan = two.scan.read_units
    yield Line(
        what="  of these: agenda + heads + schedules",
        ours=" + ".join(figure(bill.read_units) for bill in (agenda, heads, schedules)),
        peer_is=f"{len(agenda.calls)} dates and shards, {DUES} dues, {REMINDERS} reminders",
    )
    yield counted(
        what=f"  a full Scan itself, {2 * BOOK:,} loans",
        ours=scan,
        peer=one.scan.read_units,
        peer_is=f"the Scan, {BOOK:,} loans",
    )
    yield counted(
        what=f"  agenda + heads, {2 * BOOK:,} loans", ours=found, peer=scan, peer_is="full Scan"
    )
    by_loan = scan / (2 * BOOK)
    yield counted(
        what=f"  agenda + heads, {LARGE_BOOK:,} loans (reckoned)",
        ours=found,
        peer=by_loan * LARGE_BOOK,
        peer_is=f"full Scan; even at {found / by_loan:,.0f} loans with these dues",
    )
    by_due = heads.read_units / (DUES + REMINDERS)
    head_bytes = sum(map(size_of, _items(two.scan))) / (2 * BOOK)
    yield Line(
        what="  dues a day from which a Scan reads less",
        ours=f"{by_loan / by_due:.1%} of book",
        peer_is=f"full Scan, {by_loan:.3f} units a head of {head_bytes:.0f} B; read again: {by_due:g}",
    )


def _items(bill: Bill) -> Iterator[Item]:
    return (item for call in bill.calls for item in call.items)


def _morning(books: Books, ledger: Ledger) -> Morning:
    world = World()
    desk = replace(world.morning, books=books, runs=DynamoRuns(), shards=SHARDS)
    with ledger.billing() as bill:
        run = due_list.make(business_date=TODAY, now=at(0, 10), desk=desk)
        for message in world.walks.messages:
            run = due_list.walk(message=message, now=at(0, 10), desk=desk)
    with ledger.billing() as scan:
        list(LoanRow.scan())
    listed = run.totals["modes"]["self_operated"]["count"]
    return Morning(bill=bill, scan=scan, listed=listed)


def _add_loans(books: Books, *, first: int, last: int) -> None:
    """Add loans; the first of all are due or soon due, the others at no date the morning reads."""
    for number in range(first, last):
        overdue_days = _overdue_days(number)
        loan = a_loan(f"LN{number:08}", overdue_days=overdue_days, borrower_id=f"BR{number:08}")
        books.loans.add(loan)
        if number < DUES + REMINDERS:
            plan = a_cut(first_due_on=loan.unpaid_due_on or TODAY, instalments=12)
            books.schedules.add(loan.loan_id, loan.schedule_version, plan, source="bench")


def _overdue_days(number: int) -> int:
    if number < DUES:
        return number % RETRIED_DAYS
    if number < DUES + REMINDERS:
        return (-1, -3)[number % 2]
    return -10 - number % 20
