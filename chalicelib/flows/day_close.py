"""Close a business day: the proof that nothing of it is open, and what is told of it from then on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chalicelib.domain.money_event import UntiedError
from chalicelib.domain.run import Facts, Run
from chalicelib.flows import (
    active_orders,
    day_report,
    deduction_round,
    due_list,
    funder_day,
    landing,
    reconciliation,
)
from chalicelib.flows.assisted_day import AlsoOpen

JOB = reconciliation.CLOSE_JOB
DAYS_BACK = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is closed with; `round_count` is how many rounds a day has of ours.

    `others` have days of their own, which must be over as well.
    """

    rounds: deduction_round.Desk
    reconciling: reconciliation.Desk
    files: landing.Desk
    channels: tuple[str, ...]
    round_count: int
    sealing: day_report.Desk
    funders: funder_day.Desk | None = None
    others: Sequence[AlsoOpen] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """Whether the day is closed, and if not, all that is open."""

    business_date: date
    open: tuple[str, ...] = ()
    discrepancies: int = 0

    @property
    def is_closed(self) -> bool:
        return not self.open


def close(*, business_date: date, now: datetime, desk: Desk) -> Closing:
    """Close the day if nothing is open; safe to repeat, and a closed day stays closed."""
    if _is_complete(desk.rounds.runs.get(business_date, JOB)):
        for channel in desk.channels:
            if _unresolved(business_date, channel, desk):
                # An older bill, still in work when the day was closed, may have written it.
                _reconcile_again(business_date, channel, now, desk)
        left = _all_unresolved(business_date, desk)
        return Closing(business_date=business_date, discrepancies=left)
    found: tuple[str, ...] = (
        *_open_jobs(business_date, desk),
        *_open_channels(business_date, now, desk),
        # After the bills, for they may have settled what a round still counts as unknown.
        *_open_rounds(business_date, now, desk),
        *(
            reason
            for other in desk.others
            for reason in other.open(business_date=business_date, now=now)
        ),
        # Last, for the others may have settled what borrowers wished of them.
        *_open_repayments(business_date, desk),
        *_open_funders(business_date, now, desk),
    )
    return Closing(
        business_date=business_date,
        open=found or tuple(_untied(business_date, now, desk)),
        discrepancies=_all_unresolved(business_date, desk),
    )


def _untied(business_date: date, now: datetime, desk: Desk) -> Iterator[str]:
    """Seal the day and complete its run; a day whose figures do not tie stays open, and says so.

    The files are there before anybody is told that the day is closed.
    """
    run = desk.rounds.runs.start(business_date=business_date, job=JOB, at=now)
    try:
        sealed = day_report.seal(
            business_date=business_date, closed_before=run.reopened, desk=desk.sealing
        )
    except UntiedError as error:
        yield f"the day's figures do not tie: {error}"
        return
    totals = {**_totals(business_date, desk), **sealed}
    desk.rounds.runs.put_totals(run.completed(at=now, totals=totals))


def close_all(*, now: datetime, desk: Desk) -> tuple[Closing, ...]:
    """Close what can be closed of the last days, the oldest first; days without a list are none.

    A day may have to wait for the next day's bill: what was paid after midnight stands there.
    """
    days = (now.date() - timedelta(days=ago) for ago in range(DAYS_BACK, 0, -1))
    return tuple(
        close(business_date=day, now=now, desk=desk)
        for day in days
        if desk.rounds.runs.get(day, due_list.JOB)
    )


def _open_jobs(business_date: date, desk: Desk) -> Iterator[str]:
    if not _is_complete(desk.rounds.runs.get(business_date, due_list.JOB)):
        yield f"{due_list.JOB} is not complete"


def _open_channels(business_date: date, now: datetime, desk: Desk) -> Iterator[str]:
    for channel in desk.channels:
        job = reconciliation.job_of(channel)
        reconciled = desk.rounds.runs.get(business_date, job)
        if reconciled is None or not reconciliation.is_current(reconciled):
            yield f"{job} is not complete"
            continue
        left = _unresolved(business_date, channel, desk)
        if left or left != reconciled.totals["open"]:
            # What was open may have found its explanation since the bill came.
            _reconcile_again(business_date, channel, now, desk)
            left = _unresolved(business_date, channel, desk)
        if left:
            yield f"{job} has {left} open discrepancies"


def _reconcile_again(business_date: date, channel: str, now: datetime, desk: Desk) -> None:
    reconciliation.again(
        business_date=business_date,
        channel=channel,
        now=now,
        desk=desk.reconciling,
        files=desk.files,
    )


def _open_rounds(business_date: date, now: datetime, desk: Desk) -> Iterator[str]:
    for round_no in range(1, desk.round_count + 1):
        job = deduction_round.job_of(round_no)
        opened = desk.rounds.runs.get(business_date, job)
        if opened is None:
            yield f"{job} has not started"
            continue
        standing = deduction_round.tally(run=opened, now=now, desk=desk.rounds)
        if not _is_complete(desk.rounds.runs.get(business_date, job)):
            yield f"{job} is not complete"
        if standing.unfinished:
            yield f"{job} has {len(standing.unfinished)} orders without an end"


def _open_repayments(business_date: date, desk: Desk) -> Iterator[str]:
    left = active_orders.unfinished(
        business_date=business_date,
        active_orders=desk.reconciling.active_orders,
        books=desk.rounds.books,
    )
    if left:
        yield f"borrowers started {len(left)} orders without an end"


def _open_funders(business_date: date, now: datetime, desk: Desk) -> Iterator[str]:
    """Say what is not agreed yet with those who lent beside us."""
    if desk.funders:
        yield from funder_day.open_points(business_date=business_date, now=now, desk=desk.funders)


def _all_unresolved(business_date: date, desk: Desk) -> int:
    with_funders = (
        funder_day.open_discrepancies(business_date=business_date, desk=desk.funders)
        if desk.funders
        else 0
    )
    with_others = sum(other.unresolved(business_date) for other in desk.others)
    ours = sum(_unresolved(business_date, channel, desk) for channel in desk.channels)
    return ours + with_funders + with_others


def _unresolved(business_date: date, channel: str, desk: Desk) -> int:
    return len(
        reconciliation.unresolved(
            business_date=business_date, channel=channel, desk=desk.reconciling
        )
    )


def _totals(business_date: date, desk: Desk) -> Facts:
    """Put the figures of the day's jobs side by side."""
    jobs = (
        due_list.JOB,
        *map(deduction_round.job_of, range(1, desk.round_count + 1)),
        *map(reconciliation.job_of, desk.channels),
    )
    runs = {job: desk.rounds.runs.get(business_date, job) for job in jobs}
    return {job: dict(run.totals) for job, run in runs.items() if run}


def _is_complete(run: Run | None) -> bool:
    return run is not None and run.is_complete
