"""A round: one pass of deductions over the due list; a later one takes what may be tried again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import (
    Deduction,
    FailureClass,
    Skip,
    SkipReason,
    Status,
    facts_of,
    order_no_of,
)
from chalicelib.domain.due_clearance import NO_VERDICT, Clearance
from chalicelib.domain.loan import Loan, Mode, Slot
from chalicelib.domain.money import ZERO
from chalicelib.domain.run import NONE, RoundTotals, Run, Tally
from chalicelib.flows import due_list
from chalicelib.flows.ports import (
    Books,
    Clearing,
    DeductionMessage,
    DueLine,
    DueLists,
    Queue,
    Runs,
    WalkMessage,
)

UNFINISHED_NAMED_MAX = 500
"""How many orders without an end a run item names; of more, it tells the number alone."""


class WithoutFunders:
    """Clears nobody: where no funder is known, nothing of any goes out."""

    def begin(self, *, business_date: date, now: datetime) -> None:
        """Do nothing."""

    def clear(self, *, business_date: date, now: datetime) -> Mapping[str, Clearance]:  # noqa: ARG002
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a round is worked with; `clearing` says what of the funders' dues may go out."""

    books: Books
    runs: Runs
    due_lists: DueLists
    walks: Queue[WalkMessage]
    deductions: Queue[DeductionMessage]
    shards: int
    clearing: Clearing = field(default_factory=WithoutFunders)


class DueListMissingError(Exception):
    """The due list of the date is not complete: there is nothing a round could trust."""


class RoundNotOverError(Exception):
    """The round before still has dues nobody took up: what may be tried again is not known yet."""


def job_of(round_no: int) -> str:
    """Name the job of a round.

    >>> job_of(2)
    'round_2'
    """
    return f"round_{round_no}"


def round_of(job: str) -> int:
    """Read the round back from the name of its job."""
    return int(job.removeprefix("round_"))


def start(*, business_date: date, round_no: int, now: datetime, desk: Desk) -> Run:
    """Start a round, one message a shard; a shard that went out already is left alone.

    :raises DueListMissingError: if the due list of the date is not complete.
    :raises RoundNotOverError: if the round before is not complete; the sweep starts it then.
    """
    listed = desk.runs.get(business_date, due_list.JOB)
    if listed is None or not listed.is_complete:
        raise DueListMissingError(business_date.isoformat())
    before = desk.runs.get(business_date, job_of(round_no - 1))
    if round_no > 1 and not (before and before.is_complete):
        raise RoundNotOverError(f"{business_date} {job_of(round_no - 1)}")
    job = job_of(round_no)
    run = desk.runs.start(business_date=business_date, job=job, at=now)
    if not run.is_complete:
        desk.walks.put(
            WalkMessage(job=job, business_date=business_date, shard=shard)
            for shard in range(desk.shards)
            if shard not in run.parts
        )
        # After the shards are on their way: no funder's file delays what is ours alone.
        desk.clearing.begin(business_date=business_date, now=now)
    return run


def send_out(*, message: WalkMessage, now: datetime, desk: Desk) -> Run:
    """Put one shard's deductions on the queue; done twice, the same orders are put again."""
    run = desk.runs.start(business_date=message.business_date, job=message.job, at=now)
    if message.shard in run.parts:
        return run
    round_no = round_of(message.job)
    lines = tuple(filter(is_ours, _lines_of(message=message, round_no=round_no, desk=desk)))
    _put(lines=lines, run=run, round_no=round_no, now=now, desk=desk)
    return desk.runs.put_part(
        business_date=message.business_date,
        job=message.job,
        shard=message.shard,
        totals={"modes": due_list.by_mode(lines)},
    )


def is_ours(line: DueLine) -> bool:
    """Whether we deduct a listed due; what a funder deducts is on the list, and in no round of ours."""
    return not Mode(line.mode).funder_deducts


def _put(*, lines: Sequence[DueLine], run: Run, round_no: int, now: datetime, desk: Desk) -> None:
    """Send a shard's dues: what is ours alone first, for no funder's file may delay it."""
    joint = [line for line in lines if line.mode == Mode.JOINT_LENDING]
    alone = [line for line in lines if line.mode != Mode.JOINT_LENDING]
    desk.deductions.put(message_of(line, run.business_date, round_no) for line in alone)
    if joint:
        _put_cleared(lines=joint, run=run, round_no=round_no, now=now, desk=desk)


def _put_cleared(
    *, lines: Sequence[DueLine], run: Run, round_no: int, now: datetime, desk: Desk
) -> None:
    """Send what the funders' verdicts let go, and write of the others why they are held.

    What may go is read once for the shard, and never changes: done twice, it ends the same.
    """
    cleared = desk.clearing.clear(business_date=run.business_date, now=now)
    going = []
    for line in lines:
        message = message_of(line, run.business_date, round_no)
        held = cleared.get(line.funder_id, NO_VERDICT).why_held(line.loan_id)
        if held is None:
            going.append(message)
            continue
        reason, note = held
        desk.books.journal.put_skip(
            Skip(
                order_no=message.order_no,
                loan_id=line.loan_id,
                mode=line.mode,
                business_date=run.business_date,
                round_no=round_no,
                listed=line.amount,
                reason=reason,
                note=note,
                recorded_at=now,
            )
        )
    desk.deductions.put(going)


def message_of(line: DueLine, business_date: date, round_no: int) -> DeductionMessage:
    """Make the message that starts a listed due's order."""
    return DeductionMessage(
        order_no=order_no_of(business_date=business_date, round_no=round_no, loan_id=line.loan_id),
        listed_fen=line.amount.fen,
    )


# --- what a later round takes -----------------------------------------------------------


def _lines_of(*, message: WalkMessage, round_no: int, desk: Desk) -> Iterator[DueLine]:
    """Read the round's list; a later round's is written first, so that it stays what it is."""
    business_date, shard, lists = message.business_date, message.shard, desk.due_lists
    try:
        yield from lists.read(business_date=business_date, round_no=round_no, shard=shard)
    except KeyError:
        if round_no == 1:
            raise
        lines = _still_owed(
            lines=tuple(
                filter(is_ours, lists.read(business_date=business_date, round_no=1, shard=shard))
            ),
            business_date=business_date,
            failed_in=round_no - 1,
            desk=desk,
        )
        yield from lists.write(
            business_date=business_date, round_no=round_no, shard=shard, lines=lines
        )


def _still_owed(
    *, lines: Sequence[DueLine], business_date: date, failed_in: int, desk: Desk
) -> tuple[DueLine, ...]:
    """Keep today's dues that may be tried again today, at what their loans owe now.

    So are those whose loan another order held when their turn came.
    """
    orders = {
        line.loan_id: order_no_of(
            business_date=business_date, round_no=failed_in, loan_id=line.loan_id
        )
        for line in lines
    }
    records = desk.books.journal.get_many(list(orders.values()))
    again = [
        line
        for line in lines
        if _may_try_again(records.get(orders[line.loan_id]))
        or _was_kept_out(orders[line.loan_id], records, desk)
    ]
    heads = desk.books.loans.get_many([line.loan_id for line in again])
    schedules = desk.books.schedules.get_many(
        [(loan.loan_id, loan.schedule_version) for loan in heads.values()]
    )
    now_owed = (
        (
            line,
            loans.owed(
                loan=heads[line.loan_id],
                schedule=schedules[line.loan_id],
                product=desk.books.products[line.product],
                as_of=business_date,
            ),
        )
        for line in again
    )
    return tuple(
        replace(line, amount=dues.amount, components=dues.components, instalments=())
        for line, dues in now_owed
        if dues.amount
    )


def _was_kept_out(order_no: str, records: Mapping[str, Deduction], desk: Desk) -> bool:
    """Whether another order held the loan's slot: it has ended by now, or it is skipped again."""
    record = None if order_no in records else desk.books.journal.find(order_no)
    return isinstance(record, Skip) and record.reason is SkipReason.SLOT_TAKEN


def _may_try_again(record: Deduction | None) -> bool:
    return record is not None and record.result.failure_class is FailureClass.RETRY_TODAY


# --- what became of it ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A round's totals, and what is still to be done.

    `unfinished` orders hold their loan's slot: their end is unknown, or recorded and not
    posted; `waiting` dues have neither slot nor record.
    """

    totals: RoundTotals
    unfinished: tuple[str, ...] = ()
    waiting: tuple[DueLine, ...] = field(default=())


def stand(*, run: Run, desk: Desk) -> Standing:
    """Say what became of every listed due, from the journal and the slots; writes nothing."""
    round_no = round_of(run.job)
    written = {
        record.order_no: record
        for record in _results_last(desk=desk, business_date=run.business_date)
        if record.round_no == round_no
    }
    lines = _lines_out(run, desk)
    heads = desk.books.loans.get_many([line.loan_id for line in lines.values()])
    held = {no: slot for no, line in lines.items() if (slot := _held(heads, line.loan_id, no))}
    return Standing(
        totals=_totals(lines=lines, written=written, held=held),
        unfinished=tuple(held),
        waiting=tuple(line for no, line in lines.items() if no not in held and no not in written),
    )


def unfinished(*, run: Run, desk: Desk) -> tuple[str, ...]:
    """Name the orders that hold their loan's slot, as `stand` does, without reading the journal."""
    lines = _lines_out(run, desk)
    heads = desk.books.loans.get_many([line.loan_id for line in lines.values()])
    return tuple(no for no, line in lines.items() if _held(heads, line.loan_id, no))


def tally(*, run: Run, now: datetime, desk: Desk) -> Standing:
    """Write what became of the round; complete once every due was taken up and all ties."""
    standing = stand(run=run, desk=desk)
    totals = standing.totals
    facts = {
        **totals.as_facts(),
        "unfinished": len(standing.unfinished),
        "unfinished_orders": list(standing.unfinished[:UNFINISHED_NAMED_MAX]),
    }
    all_out = len(run.parts) == desk.shards
    if all_out and totals.is_complete and not run.is_complete:
        desk.runs.put_totals(run.completed(at=now, totals=facts))
    else:
        desk.runs.put_totals(replace(run, totals=facts))
    return standing


def still_unfinished(*, run: Run, desk: Desk) -> Standing | None:
    """Say of a complete round that it waits for the very orders it waited for, from their heads.

    None if that is not so, or not known: then the whole round is to be read again.
    """
    named = run.totals.get("unfinished_orders", ())
    if not run.is_complete or run.totals.get("unfinished") != len(named):
        return None
    loans_of = {no: facts_of(no)[2] for no in named}
    heads = desk.books.loans.get_many(list(loans_of.values()))
    if not all(_held(heads, loan_id, no) for no, loan_id in loans_of.items()):
        return None
    unknown = Tally(count=run.totals["unknown"]["count"])
    return Standing(totals=RoundTotals(unknown=unknown), unfinished=tuple(named))


def is_settled(run: Run) -> bool:
    """Whether every order of the round has its end, and every end is posted."""
    return run.is_complete and not run.totals.get("unfinished")


def _lines_out(run: Run, desk: Desk) -> Mapping[str, DueLine]:
    """Read what has been sent out of a round, by order number."""
    round_no = round_of(run.job)
    return {
        message_of(line, run.business_date, round_no).order_no: line
        for shard in run.parts
        for line in desk.due_lists.read(
            business_date=run.business_date, round_no=round_no, shard=shard
        )
        if is_ours(line)
    }


def _results_last(*, desk: Desk, business_date: date) -> Sequence[Deduction | Skip]:
    """Order the day's records so that a result replaces a skip of the same order."""
    return sorted(
        desk.books.journal.of_day(business_date), key=lambda record: isinstance(record, Deduction)
    )


def _held(heads: Mapping[str, Loan], loan_id: str, order_no: str) -> Slot | None:
    loan = heads.get(loan_id)
    slot = loan.slot if loan else None
    return slot if slot and slot.order_no == order_no else None


def _totals(
    *,
    lines: Mapping[str, DueLine],
    written: Mapping[str, Deduction | Skip],
    held: Mapping[str, Slot],
) -> RoundTotals:
    due = succeeded = asked = waiting = NONE
    failed: dict[str, Tally] = {}
    skipped: dict[str, Tally] = {}
    reduced = ZERO
    for order_no, line in lines.items():
        listed = Tally(count=1, amount=line.amount)
        due += listed
        record = written.get(order_no)
        if isinstance(record, Skip):
            skipped[record.reason] = skipped.get(record.reason, NONE) + listed
            continue
        slot = held.get(order_no)
        amount = record.amount if record else slot.amount if slot else line.amount
        taken = Tally(count=1, amount=amount)
        reduced += line.amount - amount
        if record is None and slot is None:
            waiting += taken
        elif record is None:
            asked += taken
        elif record.result.status is Status.SUCCEEDED:
            succeeded += taken
        else:
            code = record.result.failure_code
            failed[code] = failed.get(code, NONE) + taken
    return RoundTotals(
        due=due,
        succeeded=succeeded,
        failed=failed,
        unknown=asked,
        skipped=skipped,
        waiting=waiting,
        reduced=reduced,
    )
