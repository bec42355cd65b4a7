"""Take up what a day with funders has left undone: files that wait, files to be written.

The sweep comes by every quarter of an hour and the close of day asks what is open: between them
nothing depends on a message or a schedule that may be lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chalicelib.domain.funder import Funder
from chalicelib.domain.run import Run
from chalicelib.flows import (
    due_list,
    funder_due,
    funder_reconciliation,
    landing,
    reconciliation,
    repayment_file,
)
from chalicelib.flows.ports import LandedMessage, Queue, Runs

DAYS_BACK = 30
DAYS_WRITTEN = 2
"""So long a day may wait in order: what was paid after midnight stands in the next day's bill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that is needed for days with funders; `landed` brings a file to who takes files in."""

    runs: Runs
    funders: Mapping[str, Funder]
    repaying: repayment_file.Desk
    settling: funder_reconciliation.Desk
    files: landing.Desk
    landed: Queue[LandedMessage]


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a pass did: the keys of files it wrote, and of files it brought again."""

    written: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()


def run(*, now: datetime, desk: Desk) -> Report:
    """Bring the files that wait, and write those whose time has come; safe to repeat."""
    written: list[str] = []
    brought: list[str] = []
    for business_date in _open_days(now, desk):
        brought += _waiting(business_date, desk)
        days_ago = (now.date() - business_date).days
        # What is older is written by the close of day, which comes by once an hour.
        if days_ago <= DAYS_WRITTEN:
            written += repayment_file.write(
                business_date=business_date, now=now, desk=desk.repaying
            )
        if 0 < days_ago <= DAYS_WRITTEN:
            written += funder_reconciliation.write(
                business_date=business_date, now=now, desk=desk.settling
            )
    desk.landed.put(LandedMessage(key=key) for key in brought)
    return Report(written=tuple(written), brought=tuple(brought))


def open_points(*, business_date: date, now: datetime, desk: Desk) -> Sequence[str]:
    """Write what can be written of a date that is over, and say what keeps it open."""
    if not desk.funders:
        return ()
    paid = repayment_file.paid_by_funder(business_date=business_date, books=desk.repaying.books)
    repayment_file.write(business_date=business_date, now=now, desk=desk.repaying, paid=paid)
    funder_reconciliation.write(business_date=business_date, now=now, desk=desk.settling, paid=paid)
    return funder_reconciliation.open_points(
        business_date=business_date, paid=paid, now=now, desk=desk.settling, files=desk.files
    )


def open_discrepancies(*, business_date: date, desk: Desk) -> int:
    """Count what funders and we still differ in on a date."""
    return sum(
        funder_reconciliation.open_discrepancies(
            business_date=business_date, funder_id=funder_id, desk=desk.settling
        )
        for funder_id in sorted(desk.funders)
    )


def _open_days(now: datetime, desk: Desk) -> Iterator[date]:
    """Name the days that are not closed: the last ones, and those before them that have a list."""
    for days_ago in range(DAYS_BACK + 1 if desk.funders else 0):
        business_date = now.date() - timedelta(days=days_ago)
        is_listed = desk.runs.get(business_date, due_list.JOB) is not None
        is_closed = _is_done(reconciliation.CLOSE_JOB, business_date, desk)
        if not is_closed and (is_listed or days_ago <= DAYS_WRITTEN):
            yield business_date


def _waiting(business_date: date, desk: Desk) -> Iterator[str]:
    """Find the files of a date that have no end yet, once there is what they are held against."""
    for funder_id in sorted(desk.funders):
        due, settled = funder_due.job_of(funder_id), funder_reconciliation.file_job_of(funder_id)
        # Once a round has begun no due file changes anything: what comes is refused as it lands.
        if _is_done(due_list.JOB, business_date, desk) and not _is_done(due, business_date, desk):
            folder = funder_due.folder_of(funder_id, business_date)
            yield from landing.untaken(folder=folder, desk=desk.files)
        if _is_done(settled, business_date, desk):
            folder = funder_reconciliation.folder_of(funder_id, business_date)
            yield from landing.untaken(folder=folder, desk=desk.files)


def _is_done(job: str, business_date: date, desk: Desk) -> bool:
    return _is_complete(desk.runs.get(business_date, job))


def _is_complete(found: Run | None) -> bool:
    return found is not None and found.is_complete
