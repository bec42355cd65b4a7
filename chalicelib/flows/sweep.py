"""The second net: whatever a lost message, a dead worker or a silent scheduler left undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from chalicelib.domain.run import Run
from chalicelib.flows import active_orders, deduction_round, due_list, funder_day, split_repair
from chalicelib.flows.active_orders import ActiveOrders
from chalicelib.flows.ports import AskMessage, Queue
from chalicelib.flows.split_repair import SplitRepairs

PATIENCE = timedelta(minutes=10)
"""How long a round's own messages are given before the sweep puts them again."""

DAYS_BACK = 30
MINUTES_BETWEEN = 15

NOT_YET = (deduction_round.DueListMissingError, deduction_round.RoundNotOverError)
"""Why a round that is late cannot start with this sweep; a later one tries again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that the sweep is worked with; `round_at` says when each round starts.

    `others` take up what else was left undone, given the time; each says how much still waits.
    """

    mornings: due_list.Desk
    rounds: deduction_round.Desk
    active_orders: ActiveOrders
    asks: Queue[AskMessage]
    split_repairs: SplitRepairs
    list_at: time
    round_at: tuple[time, ...]
    others: Sequence[Callable[..., int]] = ()
    funders: funder_day.Desk | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found undone: orders without an end, or not split, dues nobody took up, late jobs.

    And of funders' files: what was written, and what had waited and was brought again; `held_up`
    is what other jobs wait with for orders without an end.
    """

    unknown: int = 0
    unsplit: int = 0
    waiting: int = 0
    started: tuple[str, ...] = ()
    held_up: int = 0
    written: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()


def run(*, now: datetime, desk: Desk) -> Report:
    """Start what should have started, tally the open rounds, ask after what is unknown.

    Safe to repeat and to run beside the jobs themselves: it only puts messages again.
    """
    unknown = waiting = 0
    unfinished: list[str] = []
    for days_ago in range(DAYS_BACK + 1):
        business_date = now.date() - timedelta(days=days_ago)
        started_by_borrowers = active_orders.tidy(
            business_date=business_date,
            now=now,
            patience=PATIENCE,
            active_orders=desk.active_orders,
            books=desk.rounds.books,
        )
        unfinished += started_by_borrowers
        unknown += len(started_by_borrowers)
        for round_no in range(1, len(desk.round_at) + 1):
            opened = desk.rounds.runs.get(business_date, deduction_round.job_of(round_no))
            if opened is not None and not deduction_round.is_settled(opened):
                found = _sweep_round(opened=opened, now=now, desk=desk)
                unfinished += found.unfinished
                unknown += found.totals.unknown.count
                waiting += len(found.waiting)
    unsplit = split_repair.undone(
        now=now,
        patience=PATIENCE,
        repairs=desk.split_repairs,
        journal=desk.rounds.books.journal,
    )
    unfinished += unsplit
    # One question each, unless earlier ones still wait for their turn.  Those of the ladder and of
    # orders just started are delayed, and always there: they keep nobody from being asked after.
    # Nor does a message that fails again and again: once an hour everybody is asked after.
    if now.minute < MINUTES_BETWEEN or not desk.asks.is_at_work():
        desk.asks.put(AskMessage(order_no=no, rung=None) for no in unfinished)
    # After the tallies, for they say whether the round before is over.
    started = tuple(_start_what_is_late(now=now, desk=desk))
    # Last, for no funder's file may keep a borrower's order from being looked after.
    files = funder_day.run(now=now, desk=desk.funders) if desk.funders else funder_day.Report()
    held_up = sum(other(now=now) for other in desk.others)
    return Report(
        unknown=unknown,
        unsplit=len(unsplit),
        waiting=waiting,
        started=started,
        held_up=held_up,
        written=files.written,
        brought=files.brought,
    )


def _start_what_is_late(*, now: datetime, desk: Desk) -> list[str]:
    today, runs = now.date(), desk.rounds.runs
    started = []
    if _is_late(desk.list_at, now) and not _is_complete(runs.get(today, due_list.JOB)):
        due_list.make(business_date=today, now=now, desk=desk.mornings)
        started.append(due_list.JOB)
    for round_no, at in enumerate(desk.round_at, start=1):
        job = deduction_round.job_of(round_no)
        opened = runs.get(today, job)
        if _is_late(at, now) and (opened is None or len(opened.parts) < desk.rounds.shards):
            try:
                deduction_round.start(
                    business_date=today, round_no=round_no, now=now, desk=desk.rounds
                )
            except NOT_YET:
                continue
            started.append(job)
    return started


def _sweep_round(*, opened: Run, now: datetime, desk: Desk) -> deduction_round.Standing:
    if known := deduction_round.still_unfinished(run=opened, desk=desk.rounds):
        return known  # nothing has moved since the last tally: no more is read
    standing = deduction_round.tally(run=opened, now=now, desk=desk.rounds)
    # While the queue still works at the round, nothing is lost and nothing is put again.
    if now - opened.started_at > PATIENCE and not desk.rounds.deductions.is_busy():
        round_no = deduction_round.round_of(opened.job)
        desk.rounds.deductions.put(
            deduction_round.message_of(line, opened.business_date, round_no)
            for line in standing.waiting
        )
    return standing


def _is_late(at: time, now: datetime) -> bool:
    return now - datetime.combine(now.date(), at, tzinfo=now.tzinfo) > PATIENCE


def _is_complete(found: Run | None) -> bool:
    return found is not None and found.is_complete
