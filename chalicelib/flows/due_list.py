"""Make the due list of a business day: who owes what, and who is to be reminded.

One walk over the agenda's partitions, shard by shard: the cost follows what is due, not
what is on the book.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.domain import funder_lines, split
from chalicelib.domain import loan as loans
from chalicelib.domain.agenda import AgendaRules, Ask, Visit, visits
from chalicelib.domain.due import Due
from chalicelib.domain.funder import DueLine as FunderDueLine
from chalicelib.domain.loan import Loan, Schedule
from chalicelib.domain.run import Facts, Run
from chalicelib.domain.stage import stage_of
from chalicelib.flows.ports import (
    AgendaEntry,
    Books,
    DueLine,
    DueLists,
    Queue,
    Runs,
    ServicingEvent,
    WalkMessage,
)

JOB = "due_list"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that the morning is worked with."""

    books: Books
    runs: Runs
    due_lists: DueLists
    walks: Queue[WalkMessage]
    notices: Queue[ServicingEvent]
    rules: AgendaRules
    shards: int


class ShardsLoweredError(Exception):
    """The book is spread over more shards than the setting names: some loans would be lost."""


class UntiedTotalsError(Exception):
    """The shards' totals do not add up to the list's."""


def make(*, business_date: date, now: datetime, desk: Desk) -> Run:
    """Start the walk, one message a shard; a shard that is done already is left alone.

    :raises ShardsLoweredError: if the last list was made of more shards.
    """
    _check_shards(desk)
    run = desk.runs.start(business_date=business_date, job=JOB, at=now)
    if not run.is_complete:
        # All shards done and yet not complete: the last one died before it tied the run.
        undone = [shard for shard in range(desk.shards) if shard not in run.parts] or [0]
        desk.walks.put(
            WalkMessage(job=JOB, business_date=business_date, shard=shard) for shard in undone
        )
    return run


def _check_shards(desk: Desk) -> None:
    last = desk.runs.last_completed(JOB)
    run = desk.runs.get(last, JOB) if last else None
    if run and len(run.parts) > desk.shards:
        raise ShardsLoweredError(f"{len(run.parts)} shards on {last}, {desk.shards} now")


def walk(*, message: WalkMessage, now: datetime, desk: Desk) -> Run:
    """List one shard's dues, ask for its reminders, and tie the run if it is the last shard.

    Done twice, it writes the same again: a shard that is done is not walked a second time.
    """
    business_date = message.business_date
    run = desk.runs.start(business_date=business_date, job=JOB, at=now)
    if message.shard not in run.parts:
        found = _walk_shard(business_date=business_date, shard=message.shard, now=now, desk=desk)
        run = desk.runs.put_part(
            business_date=business_date, job=JOB, shard=message.shard, totals=found
        )
    if len(run.parts) == desk.shards and not run.is_complete:
        run = _complete(run=run, now=now, desk=desk)
    return run


def _walk_shard(*, business_date: date, shard: int, now: datetime, desk: Desk) -> Facts:
    lines: list[DueLine] = []
    reminders: list[ServicingEvent] = []
    moves: Counter[str] = Counter()
    met: set[str] = set()
    left_out: set[str] = set()
    last_completed = desk.runs.last_completed(JOB)
    # A later list has reminded of everything since the one before it: of this date as well.
    is_overtaken = last_completed is not None and last_completed > business_date
    for visit in visits(
        business_date=business_date, last_completed=last_completed, rules=desk.rules
    ):
        # A loan that is paid while the walk goes on moves to a later date: it is met once.
        entries = tuple(
            entry
            for entry in desk.books.loans.agenda(unpaid_due_on=visit.unpaid_due_on, shard=shard)
            if entry.loan_id not in met
        )
        met |= {entry.loan_id for entry in entries}
        if Ask.DEDUCT in visit.asks:
            lines += _due_lines(
                entries=entries, business_date=business_date, left_out=left_out, desk=desk
            )
        if Ask.REMIND in visit.asks and not is_overtaken:
            reminders += _reminders(
                entries=entries,
                visit=visit,
                business_date=business_date,
                now=now,
                left_out=left_out,
                desk=desk,
            )
        if Ask.MOVE_STAGE in visit.asks and (stage := stage_of(visit.dpd, desk.rules.stages)):
            moves[stage.value] += len(entries)
    standing = desk.due_lists.write(
        business_date=business_date, round_no=1, shard=shard, lines=lines
    )
    desk.notices.put(reminders)
    return {
        "modes": by_mode(standing),
        "funders": by_funder(standing),
        "left_out": sorted(left_out),
        "reminders": len(reminders),
        "stage_moves": dict(sorted((+moves).items())),
    }


def _due_lines(
    *, entries: Sequence[AgendaEntry], business_date: date, left_out: set[str], desk: Desk
) -> Iterator[DueLine]:
    owed = _owed(entries=entries, as_of=business_date, left_out=left_out, desk=desk)
    for loan, schedule, dues in owed:
        if not dues.amount:
            continue
        try:
            parts = _parts(loan, schedule, dues, desk)
        except loans.UnknownTermsError:
            left_out.add(loan.loan_id)
            continue
        yield DueLine(
            loan_id=loan.loan_id,
            borrower_id=loan.borrower_id,
            mode=loan.mode.value,
            product=loan.product,
            due_on=dues.lines[0].due_on,
            dpd=dues.dpd,
            amount=dues.amount,
            components=dues.components,
            funder_id=loan.funder_id if parts else "",
            instalments=parts,
        )


def _parts(loan: Loan, schedule: Schedule, dues: Due, desk: Desk) -> tuple[FunderDueLine, ...]:
    """Split a joint loan's due, instalment by instalment; of any other loan there are no parts."""
    shares = loans.shares_of(loan=loan, funders=desk.books.funders)
    if shares is None:
        return ()
    lines = split.of_lines(
        lines=dues.lines, position=loan.position, schedule=schedule, shares=shares
    )
    return funder_lines.due_lines(loan_id=loan.loan_id, lines=lines)


def _reminders(
    *,
    entries: Sequence[AgendaEntry],
    visit: Visit,
    business_date: date,
    now: datetime,
    left_out: set[str],
    desk: Desk,
) -> Iterator[ServicingEvent]:
    owed = _owed(entries=entries, as_of=visit.unpaid_due_on, left_out=left_out, desk=desk)
    for loan, _, dues in owed:
        if dues.amount:
            yield ServicingEvent(
                event="due_soon",
                loan_id=loan.loan_id,
                borrower_id=loan.borrower_id,
                mode=loan.mode.value,
                business_date=business_date,
                occurred_at=now,
                amount_fen=dues.amount.fen,
                due_on=visit.unpaid_due_on,
            )


def _owed(
    *, entries: Sequence[AgendaEntry], as_of: date, left_out: set[str], desk: Desk
) -> Iterator[tuple[Loan, Schedule, Due]]:
    """Read the heads again, for the agenda may lag, and say what each owes.

    A loan that cannot be reckoned (no schedule, a product withdrawn) is left out alone and
    named; the others go on.
    """
    heads = desk.books.loans.get_many([entry.loan_id for entry in entries])
    schedules = desk.books.schedules.get_many(
        [(loan.loan_id, loan.schedule_version) for loan in heads.values()]
    )
    for loan_id in sorted(heads):
        loan = heads[loan_id]
        if loan_id not in schedules or loan.product not in desk.books.products:
            left_out.add(loan_id)
            continue
        yield (
            loan,
            schedules[loan_id],
            loans.owed(
                loan=loan,
                schedule=schedules[loan_id],
                product=desk.books.products[loan.product],
                as_of=as_of,
            ),
        )


def by_mode(lines: Iterable[DueLine]) -> Facts:
    """Count and add up a list's lines, mode by mode."""
    return sum_of_modes({line.mode: {"count": 1, "amount_fen": line.amount.fen}} for line in lines)


def by_funder(lines: Iterable[DueLine]) -> Facts:
    """Count and add up the lines of joint loans, funder by funder."""
    return sum_of_modes(
        {line.funder_id: {"count": 1, "amount_fen": line.amount.fen}}
        for line in lines
        if line.funder_id
    )


def funders_of(run: Run | None) -> Facts:
    """Say which funders' dues a complete list has, how many and how much."""
    found: Facts = run.totals.get("funders", {}) if run and run.is_complete else {}
    return found


def sum_of_modes(parts: Iterable[Facts]) -> Facts:
    """Add up counts and amounts by mode.

    >>> sum_of_modes([{"self_operated": {"count": 1, "amount_fen": 5}}] * 2)
    {'self_operated': {'count': 2, 'amount_fen': 10}}
    """
    modes: dict[str, Counter[str]] = {}
    for part in parts:
        for mode, tally in part.items():
            modes.setdefault(mode, Counter()).update(tally)
    return {mode: dict(tally) for mode, tally in sorted(modes.items())}


def _complete(*, run: Run, now: datetime, desk: Desk) -> Run:
    """Write the manifests and close the run, once what was written adds up to what was counted."""
    listed = by_mode(
        [
            line
            for shard in run.parts
            for line in desk.due_lists.read(
                business_date=run.business_date, round_no=1, shard=shard
            )
        ]
    )
    counted = sum_of_modes(part["modes"] for part in run.parts.values())
    if listed != counted:
        raise UntiedTotalsError(f"{run.business_date}: listed {listed}, counted {counted}")
    desk.due_lists.write_manifest(business_date=run.business_date, round_no=1, parts=run.parts)
    moves: Counter[str] = Counter()
    for part in run.parts.values():
        moves.update(part["stage_moves"])
    completed = run.completed(
        at=now,
        totals={
            "modes": listed,
            "funders": sum_of_modes(part.get("funders", {}) for part in run.parts.values()),
            "left_out": sorted(
                loan_id for part in run.parts.values() for loan_id in part.get("left_out", ())
            ),
            "reminders": sum(part["reminders"] for part in run.parts.values()),
            "stage_moves": dict(sorted((+moves).items())),
        },
    )
    desk.runs.put_totals(completed)
    return completed
