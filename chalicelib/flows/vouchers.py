"""Write a day's vouchers: every money event of the journal in double entry, as one file.

They are derived from what never changes, in an order that never changes: the same day gives the
same numbers and the same bytes, however often it is written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from chalicelib.domain.correction import Correction
from chalicelib.domain.deduction import Deduction, Status
from chalicelib.domain.money_event import EventKind, MoneyEvent, corrected, repaid, written_off
from chalicelib.domain.run import Facts, Tally
from chalicelib.domain.voucher import Chart, VoucherBook, VoucherLine
from chalicelib.flows.close_ports import Kept, VoucherFiles
from chalicelib.flows.day_records import placed
from chalicelib.flows.file_ports import Discrepancies
from chalicelib.flows.ports import Books, Journal


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that vouchers are made of; `channels` are those whose bills show money of ours."""

    books: Books
    discrepancies: Discrepancies
    files: VoucherFiles
    chart: Chart
    channels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """A day's vouchers as they were written: the file, the day's sums, its events by kind."""

    kept: Kept
    totals: Facts
    events: Mapping[EventKind, Tally]


def write(*, business_date: date, desk: Desk) -> Booked:
    """Write the vouchers of a day that is over; safe to repeat.

    :raises UntiedError: if the accounts do not tie to the events, or an event to its record; then
        nothing is written.
    """
    book = VoucherBook(business_date=business_date, chart=desk.chart)
    kept = desk.files.write(business_date=business_date, lines=_lines(book, desk))
    return Booked(kept=kept, totals=book.as_facts(), events=dict(book.events))


def corrections_of(*, business_date: date, journal: Journal) -> list[Correction]:
    """Read the corrections that were approved on a date, always in the same order."""
    found = journal.corrections_of_day(business_date)
    return sorted(found, key=lambda correction: correction.correction_no)


def _lines(book: VoucherBook, desk: Desk) -> Iterator[VoucherLine]:
    """Book one event after the other; the proof is part of it, so that no file is without."""
    for event in _events(book.business_date, desk):
        yield from book.add(event).lines
    book.prove()


def _events(business_date: date, desk: Desk) -> Iterator[MoneyEvent]:
    journal = desk.books.journal
    paid = (
        record
        for record in journal.of_day(business_date)
        if isinstance(record, Deduction) and record.result.status is Status.SUCCEEDED
    )
    for each in placed(paid, desk.books.loans):
        yield repaid(each.record, product=each.product, funder_id=each.funder_id)
    for correction in corrections_of(business_date=business_date, journal=journal):
        yield from corrected(correction)
    for channel in desk.channels:
        standing = desk.discrepancies.of_day(business_date, channel)
        for discrepancy in sorted(standing, key=lambda each: each.discrepancy_id):
            if event := written_off(discrepancy):
                yield event
