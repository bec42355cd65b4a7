"""Writing a day's vouchers, against the csv module writing the very same cells."""

import csv
import io
import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from bench.stopwatch import race, seconds
from bench.table import Line, figure, timed
from chalicelib.adapters import accounts
from chalicelib.adapters.voucher_files import S3VoucherFiles
from chalicelib.domain.deduction import Deduction, Result, Status, order_no_of
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import Components, Money
from chalicelib.flows import vouchers
from chalicelib.flows.ports import Books
from tests.builders import PRODUCT, TODAY, at

TITLE = "write a day's vouchers (vouchers.write)"
EVENTS = 100_000
TURNS = 5
JOINT_IN = 5
MEBIBYTE = 1024 * 1024


def measure() -> Iterator[Line]:
    """Write a day both ways; then the memory of a day, and of one ten times as small."""
    body = _file_of(EVENTS)
    rows = list(csv.reader(io.StringIO(body.decode(), newline="")))
    yield timed(
        what=f"  one of {EVENTS:,} events, {(len(rows) - 1) / EVENTS:.1f} lines each",
        race=race(
            ours=partial(_an_event, partial(_write, EVENTS, _Nowhere())),
            peer=partial(_an_event, partial(_write_rows, rows)),
            turns=TURNS,
        ),
        peer_is="csv.writer, its rows ready in memory",
    )
    whole, tenth = _peak(EVENTS), _peak(EVENTS // 10)
    yield Line(
        what=f"  peak memory, {EVENTS:,} events ({len(body) / MEBIBYTE:.0f} MiB of file)",
        ours=f"{figure(whole)} MiB",
        peer=f"{figure(tenth)} MiB",
        ratio=whole / tenth,
        peer_is="a tenth of the events",
    )


class _Day:
    """A journal that makes its records as they are read, as one of DynamoDB does."""

    def __init__(self, events: int) -> None:
        self.events = events

    def of_day(self, _business_date: object) -> Iterator[Deduction]:
        return map(_record, range(self.events))

    def get_many(self, _loan_ids: object) -> dict[str, object]:
        return {}


class _Calm:
    """Nobody has written anything off."""

    def of_day(self, _business_date: object, _channel: str) -> Iterable[object]:
        return ()


class _Nowhere:
    """A bucket that takes in whatever it is given, a piece at a time."""

    def write(self, _key: str, body: object) -> None:
        read = getattr(body, "read", None)
        while read and read(MEBIBYTE):
            pass


class _Kept(_Nowhere):
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def write(self, _key: str, body: object) -> None:
        self.bodies.append(body.read() if hasattr(body, "read") else body)


def _write(events: int, bucket: _Nowhere) -> None:
    day = _Day(events)
    books = Books(loans=day, schedules=None, journal=day, products={PRODUCT.code: PRODUCT})
    vouchers.write(
        business_date=TODAY,
        desk=vouchers.Desk(
            books=books,
            discrepancies=_Calm(),
            files=S3VoucherFiles(store=bucket),
            chart=accounts.read(),
            channels=("main",),
        ),
    )


def _write_rows(rows: list[list[str]]) -> None:
    with tempfile.TemporaryFile("w", newline="", encoding="utf-8") as target:
        csv.writer(target, lineterminator="\n").writerows(rows)


def _file_of(events: int) -> bytes:
    bucket = _Kept()
    _write(events, bucket)
    return bucket.bodies[0]


def _an_event(work: Callable[[], object]) -> float:
    return seconds(work) / EVENTS


def _peak(events: int) -> float:
    tracemalloc.start()
    _write(events, _Nowhere())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / MEBIBYTE


def _record(number: int) -> Deduction:
    paid = Components(principal=Money(1_000_00 + number), interest=Money(90_00), penalty=Money(45))
    funder = None
    if number % JOINT_IN == 0:
        funder = Components(principal=Money(700_00), interest=Money(60_00), penalty=Money(30))
    loan_id = f"LN{number:08}"
    return Deduction(
        order_no=order_no_of(business_date=TODAY, round_no=1, loan_id=loan_id),
        loan_id=loan_id,
        borrower_id=f"BR{number:08}",
        mode="joint_lending" if funder else "self_operated",
        business_date=TODAY,
        round_no=1,
        agreement_no="AG",
        amount=paid.total,
        components=paid,
        result=Result(status=Status.SUCCEEDED, trade_no=f"T{number:08}", paid_at=at(9)),
        recorded_at=at(9),
        listed=paid.total,
        lines=(InstalmentDue(instalment_no=1, due_on=TODAY, components=paid, funder=funder),),
        product=PRODUCT.code,
    )
