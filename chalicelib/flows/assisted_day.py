"""Hold a funder's day against the dues we expected of it, and say what keeps the day open.

Nothing is concluded from what is missing before all rounds' results are in: until then the file
itself is what is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Protocol

from chalicelib.domain.deduction import NO_ROUND, Deduction, Status, facts_of
from chalicelib.domain.funder import Funder
from chalicelib.domain.funder_results import Finding
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.run import Run
from chalicelib.flows import active_orders as borrowers_orders
from chalicelib.flows import due_list, funder_discrepancies, funder_results, landing
from chalicelib.flows.active_orders import ActiveOrders
from chalicelib.flows.discrepancy import FOUND_IN
from chalicelib.flows.file_ports import CloseUnknown
from chalicelib.flows.ports import DueLine, DueLists, LandedMessage, Queue

DAYS_SWEPT = 2
CLOSES_MAX = 100
"""How many unknown orders one pass closes at the funder; the close of day passes each hour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that funders' days are held against ours with; `landed` brings a file to who takes it in."""

    results: funder_results.Desk
    files: landing.Desk
    due_lists: DueLists
    active_orders: ActiveOrders
    close_unknown: CloseUnknown
    landed: Queue[LandedMessage]


class AlsoOpen(Protocol):
    """What else of a day must be over before it closes."""

    def open(self, *, business_date: date, now: datetime) -> Sequence[str]:
        """Settle what can be settled, and name what keeps the day open."""

    def unresolved(self, business_date: date) -> int:
        """Count the discrepancies that are not resolved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FunderDays:
    """The days of all funders that deduct by themselves."""

    desk: Desk

    def open(self, *, business_date: date, now: datetime) -> Sequence[str]:
        funders = self.desk.results.funders.values()
        for funder in funders:
            _close_unknown(business_date=business_date, funder=funder, now=now, desk=self.desk)
        # After it: what had to wait for those orders to end may go on by now.
        funder_results.go_on(
            business_date=business_date, now=now, desk=self.desk.results, files=self.desk.files
        )
        return [
            reason
            for funder in funders
            for reason in keeps_open(
                business_date=business_date, funder=funder, now=now, desk=self.desk
            )
        ]

    def unresolved(self, business_date: date) -> int:
        funders = self.desk.results.funders
        return sum(_unresolved(business_date, each, self.desk) for each in funders)


def job_of(funder_id: str) -> str:
    """Name the job.

    >>> job_of("F7")
    'assisted_day_F7'
    """
    return f"assisted_day_{funder_id}"


def sweep(*, now: datetime, desk: Desk) -> int:
    """Go on with what waits of today and yesterday, and compare what is told of whole by now.

    A file without an end is brought again: nobody was told of it, or its worker died once too
    often, and what it has claimed none but it can finish.
    """
    waiting = 0
    for days_ago in range(DAYS_SWEPT):
        business_date = now.date() - timedelta(days=days_ago)
        waiting += funder_results.go_on(
            business_date=business_date, now=now, desk=desk.results, files=desk.files
        )
        for funder in desk.results.funders.values():
            folder = f"{funder_results.folder_of(funder.funder_id)}/{business_date:%Y%m%d}/"
            desk.landed.put(
                LandedMessage(key=key) for key in landing.untaken(folder=folder, desk=desk.files)
            )
            compared = desk.results.runs.get(business_date, job_of(funder.funder_id))
            if compared is None:
                compare(business_date=business_date, funder=funder, now=now, desk=desk)
    return waiting


def compare(*, business_date: date, funder: Funder, now: datetime, desk: Desk) -> Run | None:
    """Hold what was collected against what was expected, loan by loan; safe to repeat.

    None while the results of a round are missing, or wait.
    """
    runs = desk.results.runs
    if _rounds_missing(business_date, funder, desk):
        return None
    expected = _expected(business_date, funder, desk)
    records = _records(business_date, funder, desk)
    findings = list(_findings(expected, records, business_date, funder, desk))
    _write(findings, business_date=business_date, funder=funder, now=now, desk=desk)
    job = job_of(funder.funder_id)
    started = runs.start(business_date=business_date, job=job, at=now)
    collected = [
        record.amount
        for each in records.values()
        for record in each
        if record.result.status is Status.SUCCEEDED
    ]
    totals = {
        "expected": {
            "count": len(expected),
            "amount_fen": total(line.amount for line in expected.values()).fen,
        },
        "collected": {"count": len(collected), "amount_fen": total(collected).fen},
        "open": len(findings),
    }
    done = replace(started, totals=totals)
    if not started.is_complete:
        done = done.completed(at=now, totals=totals)
    runs.put_totals(done)
    return done


def keeps_open(*, business_date: date, funder: Funder, now: datetime, desk: Desk) -> Iterator[str]:
    """Compare once more, and name what keeps the day open."""
    missing = _rounds_missing(business_date, funder, desk)
    if missing:
        if not _is_concerned(business_date, funder, desk):
            return
        _say_missing(missing, business_date=business_date, funder=funder, now=now, desk=desk)
        for round_no in missing:
            yield f"{funder_results.job_of(funder.funder_id, round_no)} is not complete"
        return
    compare(business_date=business_date, funder=funder, now=now, desk=desk)
    if left := _unresolved(business_date, funder.funder_id, desk):
        yield f"{job_of(funder.funder_id)} has {left} open discrepancies"


# --- both sides -------------------------------------------------------------------------


def _rounds_missing(business_date: date, funder: Funder, desk: Desk) -> Sequence[int]:
    return [
        round_no
        for round_no in funder_results.rounds_of(funder)
        if not funder_results.is_current(_run_of(business_date, funder, round_no, desk))
    ]


def _run_of(business_date: date, funder: Funder, round_no: int, desk: Desk) -> Run | None:
    job = funder_results.job_of(funder.funder_id, round_no)
    return desk.results.runs.get(business_date, job)


def _is_concerned(business_date: date, funder: Funder, desk: Desk) -> bool:
    """Whether anything of the day is the funder's: a due we expect, or a file."""
    some_landed = any(
        _run_of(business_date, funder, round_no, desk)
        for round_no in funder_results.rounds_of(funder)
    )
    return some_landed or bool(_expected(business_date, funder, desk))


def _expected(business_date: date, funder: Funder, desk: Desk) -> Mapping[str, DueLine]:
    """Read what we listed of the funder's loans that morning."""
    listed = desk.results.runs.get(business_date, due_list.JOB)
    lines = {
        line.loan_id: line
        for shard in (listed.parts if listed else ())
        for line in desk.due_lists.read(business_date=business_date, round_no=1, shard=shard)
        if Mode(line.mode).funder_deducts
    }
    return {loan_id: lines[loan_id] for loan_id in _own(list(lines), funder, desk)}


def _records(business_date: date, funder: Funder, desk: Desk) -> Mapping[str, Sequence[Deduction]]:
    """Read what is recorded of the funder's loans that day, rounds and wishes."""
    found: dict[str, list[Deduction]] = {}
    for record in desk.results.books.journal.of_day(business_date):
        if isinstance(record, Deduction) and Mode(record.mode).funder_deducts:
            found.setdefault(record.loan_id, []).append(record)
    return {loan_id: found[loan_id] for loan_id in _own(list(found), funder, desk)}


def _own(loan_ids: Sequence[str], funder: Funder, desk: Desk) -> Sequence[str]:
    heads = desk.results.books.loans.get_many(loan_ids)
    return [no for no in loan_ids if no in heads and heads[no].funder_id == funder.funder_id]


# --- what differs -----------------------------------------------------------------------


def _findings(
    expected: Mapping[str, DueLine],
    records: Mapping[str, Sequence[Deduction]],
    business_date: date,
    funder: Funder,
    desk: Desk,
) -> Iterator[Finding]:
    standing = funder_discrepancies.of_day(
        business_date=business_date, funder_id=funder.funder_id, keeper=desk.results
    )
    job = job_of(funder.funder_id)
    disputed = {
        each.facts["loan_id"]
        for each in standing
        if each.facts[FOUND_IN] != job and not each.is_resolved
    }
    busy = _busy(expected, business_date, funder, desk)
    began = min(
        (
            record.result.paid_at
            for each in records.values()
            for record in each
            if record.round_no != NO_ROUND and record.result.paid_at
        ),
        default=None,
    )
    # A loan in dispute is a discrepancy already: it is not told of twice.
    for loan_id in sorted({*expected, *records} - disputed):
        order_no = f"{business_date:%Y%m%d}-{NO_ROUND}-{loan_id}"
        line, of_loan = expected.get(loan_id), records.get(loan_id, ())
        found = _finding(loan_id, order_no, line, of_loan, began)
        if found and not (loan_id in busy or _paid_late(loan_id, business_date, desk)):
            yield found


def _finding(
    loan_id: str,
    order_no: str,
    line: DueLine | None,
    records: Sequence[Deduction],
    began: datetime | None,
) -> Finding | None:
    """Say what differs of one loan; none of it holds the loan, for what was told is posted.

    A borrower's own order that failed before the funder began says nothing of its rounds; one
    that was on its way then kept them out.
    """
    tries = [
        record
        for record in records
        if record.round_no != NO_ROUND or began is None or record.recorded_at >= began
    ]
    in_rounds = _collected([record for record in records if record.round_no != NO_ROUND])
    if line is None:
        if not in_rounds or _collected(records) > in_rounds:
            return None  # whose borrower paid that day may owe an instalment the list left out
        kind, note, there = Kind.MISSING_HERE, "not_listed", in_rounds
    elif _failed(tries) or _collected(records) >= line.amount:
        return None
    elif not _collected(records):
        kind, note, there = Kind.MISSING_THERE, "never_tried", ZERO
    else:
        kind, note, there = Kind.AMOUNT_DIFFERS, "collected_in_part", _collected(records)
    return Finding(
        kind=kind,
        note=note,
        loan_id=loan_id,
        order_no=order_no,
        here=line.amount if line else None,
        there=there,
        holds=False,
    )


def _busy(
    expected: Mapping[str, DueLine], business_date: date, funder: Funder, desk: Desk
) -> frozenset[str]:
    """Name the loans that another order holds, or one of the day before still held that day."""
    heads = desk.results.books.loans.get_many(list(expected))
    before = _records(business_date - timedelta(days=1), funder, desk)
    ended = [
        loan_id
        for loan_id, records in before.items()
        if any(business_date <= record.recorded_at.date() for record in records)
    ]
    return frozenset(ended) | {no for no, loan in heads.items() if loan.slot}


def _paid_late(loan_id: str, business_date: date, desk: Desk) -> bool:
    """Whether an order of an earlier day was posted since the list of this one was made."""
    return any(
        record.business_date < business_date <= record.recorded_at.date()
        for record in desk.results.books.journal.of_loan(loan_id)
    )


def _collected(records: Sequence[Deduction]) -> Money:
    return total(each.amount for each in records if each.result.status is Status.SUCCEEDED)


def _failed(records: Sequence[Deduction]) -> bool:
    return any(each.result.status is Status.FAILED for each in records)


def _say_missing(
    missing: Sequence[int], *, business_date: date, funder: Funder, now: datetime, desk: Desk
) -> None:
    """Make a discrepancy of each file that never came: what it would have told is open."""
    expected = total(line.amount for line in _expected(business_date, funder, desk).values())
    findings = [
        Finding(
            kind=Kind.MISSING_THERE,
            note="no_results_file",
            loan_id="",
            order_no=funder_results.job_of(funder.funder_id, round_no),
            here=expected,
            holds=False,
        )
        for round_no in missing
        if _run_of(business_date, funder, round_no, desk) is None
    ]
    _write(findings, business_date=business_date, funder=funder, now=now, desk=desk)


def _write(
    findings: Sequence[Finding], *, business_date: date, funder: Funder, now: datetime, desk: Desk
) -> None:
    funder_discrepancies.write(
        findings,
        funder_id=funder.funder_id,
        business_date=business_date,
        found_in=job_of(funder.funder_id),
        now=now,
        keeper=desk.results,
    )


def _unresolved(business_date: date, funder_id: str, desk: Desk) -> int:
    standing = funder_discrepancies.of_day(
        business_date=business_date, funder_id=funder_id, keeper=desk.results
    )
    return sum(not each.is_resolved for each in standing)


# --- what borrowers wished and nobody knows of --------------------------------------------


def _close_unknown(*, business_date: date, funder: Funder, now: datetime, desk: Desk) -> None:
    """Close at the funder what borrowers wished that day and no results file has told of.

    Only once all files of the day are in, and the next day's first or late: what was paid in the
    evening stands there.  The order ends as the funder says, or stays unknown.
    """
    rounds = funder_results.rounds_of(funder)
    if not all(_run_of(business_date, funder, round_no, desk) for round_no in rounds):
        return
    next_day = business_date + timedelta(days=1)
    by = datetime.combine(next_day, funder.results_by[0], tzinfo=now.tzinfo)
    if now < by and not funder_results.is_current(_run_of(next_day, funder, 1, desk)):
        return
    unfinished = borrowers_orders.unfinished(
        business_date=business_date,
        active_orders=desk.active_orders,
        books=desk.results.books,
    )
    loan_ids = {facts_of(order_no)[2]: order_no for order_no in unfinished}
    for loan_id in _own(list(loan_ids), funder, desk)[:CLOSES_MAX]:
        desk.close_unknown(order_no=loan_ids[loan_id], now=now)
