"""Say what is late, missing or still open, so that a person is called before a borrower calls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from chalicelib.domain.funder import Funder
from chalicelib.domain.funder_results import channel_of
from chalicelib.domain.loan import Mode
from chalicelib.domain.run import Run
from chalicelib.flows import deduction_round, due_list, funder_due, funder_results, reconciliation
from chalicelib.flows.file_ports import Discrepancies
from chalicelib.flows.ports import Runs

OPEN_DISCREPANCIES = "open_discrepancies"
LIST_PATIENCE = timedelta(minutes=30)
CLOSE = reconciliation.CLOSE_JOB
ROUND_PATIENCE = timedelta(hours=2)
DAYS_BACK = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """When each job is expected, the channel whose bill is, and the funders whose files are.

    Those that deduct by themselves send a results file after each of their rounds, be it an empty
    one, while our list has dues of assisted loans.
    """

    runs: Runs
    channel: str
    list_at: time
    round_at: tuple[time, ...]
    discrepancies: Discrepancies
    bill_by: time = time(10, 30)
    close_by: time = time(18, 0)
    funders: Mapping[str, Funder] = field(default_factory=dict)


def late(*, now: datetime, desk: Desk) -> tuple[str, ...]:
    """Name what should be done by now and is not.

    Reads a few run items, and in the evening the discrepancies of days that are still open.
    """
    return tuple(_late(now, desk))


def _late(now: datetime, desk: Desk) -> Iterator[str]:
    today, yesterday = now.date(), now.date() - timedelta(days=1)
    last = desk.runs.last_completed(due_list.JOB)
    runs = {run.job: run for run in desk.runs.of_day(today)}
    if _is_past(desk.list_at, LIST_PATIENCE, now) and not _is_complete(runs.get(due_list.JOB)):
        yield f"{today} {due_list.JOB}"
    for round_no, at in enumerate(desk.round_at, start=1):
        job = deduction_round.job_of(round_no)
        if _is_past(at, ROUND_PATIENCE, now) and not _is_complete(runs.get(job)):
            yield f"{today} {job}"
    for funder_id in funder_due.missing(
        business_date=today, at=now.time(), runs=desk.runs, funders=desk.funders
    ):
        yield f"{today} {funder_due.job_of(funder_id)}"
    yield from _results_late(today, now, desk)
    if last and desk.runs.get(yesterday, due_list.JOB) is None:
        yield f"{yesterday} {due_list.JOB}"
    for days_ago in range(1, DAYS_BACK + 1):
        day = today - timedelta(days=days_ago)
        if desk.runs.get(day, due_list.JOB) and not _is_done(day, CLOSE, desk):
            yield from _late_of_open_day(day, now, desk)


def _late_of_open_day(day: date, now: datetime, desk: Desk) -> Iterator[str]:
    for by, job in ((desk.bill_by, reconciliation.job_of(desk.channel)), (desk.close_by, CLOSE)):
        if _is_over(day, by, now) and not _is_done(day, job, desk):
            yield f"{day} {job}"
    if _is_over(day, desk.close_by, now) and _has_open_discrepancies(day, desk):
        yield f"{day} {OPEN_DISCREPANCIES}"
    yield from _results_late(day, now, desk)


def _has_open_discrepancies(day: date, desk: Desk) -> bool:
    """Whether a day that is reconciled waits for somebody to explain what was found."""
    if not _is_done(day, reconciliation.job_of(desk.channel), desk):
        return False
    channels = (desk.channel, *map(channel_of, sorted(desk.funders)))
    return any(
        not each.is_resolved
        for channel in channels
        for each in desk.discrepancies.of_day(day, channel)
    )


def _results_late(day: date, now: datetime, desk: Desk) -> Iterator[str]:
    listed = desk.runs.get(day, due_list.JOB) if desk.funders else None
    modes = listed.totals.get("modes", {}) if listed else {}
    if not any(Mode(mode).funder_deducts for mode in modes):
        return
    for funder in (each for each in desk.funders.values() if each.deducts):
        for round_no, by in enumerate(funder.results_by, start=1):
            is_past = now >= datetime.combine(day, by, tzinfo=now.tzinfo)
            run = desk.runs.get(day, funder_results.job_of(funder.funder_id, round_no))
            if is_past and not funder_results.is_current(run):
                yield f"{day} {funder_results.job_of(funder.funder_id, round_no)}"


def _is_over(day: date, by: time, now: datetime) -> bool:
    """Whether this time of the day after has come."""
    return now >= datetime.combine(day + timedelta(days=1), by, tzinfo=now.tzinfo)


def _is_done(business_date: date, job: str, desk: Desk) -> bool:
    return _is_complete(desk.runs.get(business_date, job))


def _is_past(at: time, patience: timedelta, now: datetime) -> bool:
    return now - datetime.combine(now.date(), at, tzinfo=now.tzinfo) >= patience


def _is_complete(run: Run | None) -> bool:
    return run is not None and run.is_complete
