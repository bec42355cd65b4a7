"""Apply what a funder tells of its own deductions, each line once: claim, record, post, announce.

One file tells of one round of one date, in versions.  What a version adds is posted; what it says
again does nothing; what it denies of what was posted is a discrepancy and never taken back.  Files
and rounds may come in any order, twice, or side by side: each is worked to the same end.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from chalicelib.domain import funder_results as results
from chalicelib.domain.deduction import NO_ROUND, Deduction, Status
from chalicelib.domain.funder import Funder, ResultLine
from chalicelib.domain.funder_results import Finding
from chalicelib.domain.run import Run
from chalicelib.domain.told import NO_SUCH_ROUND, Told, told_by_loan, why_unusable
from chalicelib.flows import funder_discrepancies, landing, told_orders
from chalicelib.flows.file_ports import (
    CallsInFlight,
    Discrepancies,
    Fault,
    HoldLoan,
    UnusableFileError,
)
from chalicelib.flows.landing import Applied, Batch
from chalicelib.flows.ports import Books, Runs
from chalicelib.flows.told_orders import Sheet, State

CLOSE_JOB = "close"
VERSIONS_MAX = 20
"""More corrections of one file are a misunderstanding for people to clear up."""

LOANS_AT_ONCE = 100
DAYS_BACK = 30
"""So long the close of day comes back to a day that is open."""


class StillInWorkError(Exception):
    """A later version has begun and not ended: this one looks again when it is delivered again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that funders' results are applied with; `funders` are those that deduct by themselves."""

    books: Books
    runs: Runs
    discrepancies: Discrepancies
    hold: HoldLoan
    lift: HoldLoan
    calls: CallsInFlight
    funders: Mapping[str, Funder]


def job_of(funder_id: str, round_no: int) -> str:
    """Name the job.

    >>> job_of("F7", 1)
    'results_F7_r1'
    """
    return f"results_{funder_id}_r{round_no}"


def folder_of(funder_id: str) -> str:
    """Name where a funder's results land."""
    return f"in/funders/{funder_id}/results"


def key_of(*, funder_id: str, business_date: date, round_no: int, version: int) -> str:
    """Name a results file.

    >>> key_of(funder_id="F7", business_date=date(2026, 11, 24), round_no=1, version=2)
    'in/funders/F7/results/20261124/results_r1_v2.csv'
    """
    name = f"results_r{round_no}_v{version}.csv"
    return f"{folder_of(funder_id)}/{business_date:%Y%m%d}/{name}"


# --- the file ---------------------------------------------------------------------------


def take(
    *, batch: Batch[ResultLine], funder_id: str, now: datetime, desk: Desk, files: landing.Desk
) -> Applied:
    """Apply a results file that has landed; one older than what was applied ends what it began.

    :raises UnusableFileError: if it is not of its day and round, or its day is closed.
    :raises StillInWorkError: if a later version is being applied.
    """
    sheet = _sheet(batch, funder_id=funder_id, now=now, desk=desk)
    told = _told(batch, sheet, desk)
    _check_day(batch, sheet, desk)
    run(batch=batch, funder_id=funder_id, now=now, desk=desk)
    # Asked again: a later version may have come while this one was worked.
    claimed = _claimed(sheet, desk)
    if claimed > batch.version:
        for each in told:
            told_orders.finish(told=each, sheet=sheet)
        again(sheet=sheet, version=claimed, desk=desk, files=files)
        return Applied(applied=0, note=f"superseded by version {claimed}")
    return Applied(applied=batch.rows)


def run(*, batch: Batch[ResultLine], funder_id: str, now: datetime, desk: Desk) -> Run | None:
    """Apply one version of a file; safe to repeat.  None if a later version has begun.

    :raises CrowdedLoanError: if a loan could not be claimed for the crowd; the others are done.
    """
    sheet = _sheet(batch, funder_id=funder_id, now=now, desk=desk)
    told = _told(batch, sheet, desk)
    job = job_of(funder_id, sheet.round_no)
    begun = desk.runs.start(business_date=sheet.business_date, job=job, at=now)
    if not desk.runs.claim(business_date=sheet.business_date, job=job, version=batch.version):
        return None
    if batch.version not in begun.parts:
        # Before anything is claimed: what these bytes begin, no others under their name can end.
        desk.runs.put_part(
            business_date=sheet.business_date,
            job=job,
            shard=batch.version,
            totals={"sha256": batch.sha256},
        )
    applied = _applied(told, sheet, desk)
    findings = [each.finding for each in applied if each.finding]
    findings += _denied(told, sheet)
    if _claimed(sheet, desk) > batch.version:
        return None
    _write(findings, sheet, desk)
    return _complete(batch, applied, findings, sheet, desk)


def again(*, sheet: Sheet, version: int, desk: Desk, files: landing.Desk) -> Run | None:
    """Apply a version once more that was applied before.

    :raises StillInWorkError: if it has not been applied to its end.
    """
    key = key_of(
        funder_id=sheet.funder_id,
        business_date=sheet.business_date,
        round_no=sheet.round_no,
        version=version,
    )
    try:
        batch = landing.reopen(key=key, desk=files)
    except KeyError as error:
        raise StillInWorkError(key) from error
    return run(batch=batch, funder_id=sheet.funder_id, now=sheet.now, desk=desk)


def go_on(*, business_date: date, now: datetime, desk: Desk, files: landing.Desk) -> int:
    """Try once more what had to wait for other orders to end; return how many runs still wait."""
    waiting = 0
    for funder in desk.funders.values():
        for round_no in rounds_of(funder):
            standing = desk.runs.get(business_date, job_of(funder.funder_id, round_no))
            if standing is None or is_current(standing) or "file" not in standing.totals:
                continue
            sheet = _sheet_of(
                funder_id=funder.funder_id,
                business_date=business_date,
                round_no=round_no,
                version=standing.claimed,
                now=now,
                desk=desk,
            )
            try:
                done = again(sheet=sheet, version=standing.claimed, desk=desk, files=files)
            except StillInWorkError:
                done = None
            waiting += not is_current(done)
    return waiting


def rounds_of(funder: Funder) -> Sequence[int]:
    """List the rounds a funder deducts in."""
    return range(1, len(funder.results_by) + 1)


def is_current(run: Run | None) -> bool:
    """Whether a round is applied, with the latest version begun, and nothing of it waits."""
    if run is None or not run.is_complete:
        return False
    waits = run.totals["loans"][State.WAITING.value]
    return bool(run.claimed == run.totals["file"]["version"] and not waits)


# --- what may be applied ----------------------------------------------------------------


def _sheet(batch: Batch[Any], *, funder_id: str, now: datetime, desk: Desk) -> Sheet:
    return _sheet_of(
        funder_id=funder_id,
        business_date=batch.business_date,
        round_no=batch.round_no,
        version=batch.version,
        now=now,
        desk=desk,
    )


def _sheet_of(
    *,
    funder_id: str,
    business_date: date,
    round_no: int,
    version: int,
    now: datetime,
    desk: Desk,
) -> Sheet:
    return Sheet(
        funder_id=funder_id,
        business_date=business_date,
        round_no=round_no,
        version=version,
        claim=f"{_file_of(business_date, round_no)}{version}",
        now=now,
        books=desk.books,
    )


def _file_of(business_date: date, round_no: int) -> str:
    """Begin the name of whoever claims: the file, whatever its version."""
    return f"{business_date:%Y%m%d}-r{round_no}-v"


def _told(batch: Batch[ResultLine], sheet: Sheet, desk: Desk) -> Sequence[Told]:
    """Read what the file says, loan by loan; a line that cannot be of it spoils it."""
    rounds = len(rounds_of(desk.funders[sheet.funder_id]))
    faults, lines = [], []
    for line in batch.lines():
        if line.record is None:
            continue
        column, reason = why_unusable(line.record, business_date=sheet.business_date, rounds=rounds)
        if reason:
            faults.append(Fault(line=line.number, column=column, reason=reason))
        lines.append(line.record)
    if faults:
        raise UnusableFileError(*faults[: landing.REASONS_MAX])
    return told_by_loan(lines, business_date=sheet.business_date, round_no=sheet.round_no)


def _check_day(batch: Batch[Any], sheet: Sheet, desk: Desk) -> None:
    if batch.business_date > sheet.now.date():
        raise UnusableFileError(Fault(reason="of a day to come"))
    if sheet.now.date() - batch.business_date > timedelta(days=DAYS_BACK):
        # No close of day would come by: what is found there would be nobody's, and open for ever.
        raise UnusableFileError(Fault(reason=f"of a day more than {DAYS_BACK} days ago"))
    if batch.round_no not in rounds_of(desk.funders[sheet.funder_id]):
        raise UnusableFileError(Fault(reason=NO_SUCH_ROUND))
    if batch.version > VERSIONS_MAX:
        raise UnusableFileError(Fault(reason=f"more than {VERSIONS_MAX} versions"))
    standing = desk.runs.get(batch.business_date, job_of(sheet.funder_id, sheet.round_no))
    file = standing.totals.get("file", {}) if standing else {}
    if file.get("sha256") == batch.sha256:
        return
    begun = standing.parts.get(batch.version) if standing else None
    if begun and begun["sha256"] != batch.sha256:
        raise UnusableFileError(
            Fault(reason="a version is sent once: a correction is the next one")
        )
    closed = desk.runs.get(batch.business_date, CLOSE_JOB)
    if closed and closed.is_complete:
        raise UnusableFileError(Fault(reason="the day is closed: another file needs an approval"))


def _claimed(sheet: Sheet, desk: Desk) -> int:
    standing = desk.runs.get(sheet.business_date, job_of(sheet.funder_id, sheet.round_no))
    return standing.claimed if standing else 0


# --- what is applied ----------------------------------------------------------------------


def _applied(told: Sequence[Told], sheet: Sheet, desk: Desk) -> Sequence[told_orders.Applied]:
    """Work the loans side by side; one that fails alone leaves the others done."""
    wishes = [each for each in told if each.round_no == NO_ROUND]
    known: dict[str, list[Deduction]] = {}
    for record in told_orders.wishes_lately(sheet) if wishes else ():
        known.setdefault(record.loan_id, []).append(record)
    outcomes: list[told_orders.Applied | Exception] = []
    # Wishes first, then earlier rounds: what they end no longer keeps a round's money waiting.
    outcomes += desk.calls.map(
        lambda each: told_orders.settle(told=each, known=known.get(each.loan_id, ()), sheet=sheet),
        wishes,
    )
    for rounds in (_rounds(told, sheet, late=True), _rounds(told, sheet, late=False)):
        for start in range(0, len(rounds), LOANS_AT_ONCE):
            some = rounds[start : start + LOANS_AT_ONCE]
            new = _unknown(some, sheet)
            outcomes += [told_orders.Applied(state=State.KNOWN)] * (len(some) - len(new))
            outcomes += desk.calls.map(partial(_apply, sheet=sheet), new)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]


def _rounds(told: Sequence[Told], sheet: Sheet, *, late: bool) -> Sequence[Told]:
    """Choose what is told of the file's own round, or late of an earlier one, the oldest first."""
    chosen = [
        each for each in told if each.round_no != NO_ROUND and (sheet.of(each) is not sheet) == late
    ]
    return sorted(chosen, key=lambda each: (each.business_date, each.round_no))


def _apply(told: Told, *, sheet: Sheet) -> told_orders.Applied:
    return told_orders.apply(told=told, sheet=sheet)


def _unknown(some: Sequence[Told], sheet: Sheet) -> Sequence[Told]:
    """Leave out the loans of which all that is told is recorded and posted, in a few reads."""
    order_nos = [sheet.of(each).order_nos(each.loan_id) for each in some]
    # The journal before the heads: what is recorded by then and holds no slot after it is posted.
    records = sheet.books.journal.get_many(sorted({no for nos in order_nos for no in nos}))
    heads = sheet.books.loans.get_many(sorted({each.loan_id for each in some}))

    def is_known(each: Told, nos: Sequence[str]) -> bool:
        loan, mine = heads.get(each.loan_id), [records[no] for no in nos if no in records]
        if loan is None or not mine or each.repeated or each.is_torn:
            return False
        is_free = loan.slot is None or loan.slot.order_no not in nos
        return is_free and sheet.is_own(loan) and dict(each.paid) == results.paid_by(mine)

    return [each for each, nos in zip(some, order_nos, strict=True) if not is_known(each, nos)]


def _denied(told: Sequence[Told], sheet: Sheet) -> Sequence[Finding]:
    """Find the orders an earlier version had us post, and this one has not a word of."""
    if sheet.version == 1:
        return ()
    named = {(each.loan_id, each.business_date, each.round_no) for each in told}
    file = _file_of(sheet.business_date, sheet.round_no)
    posted: dict[tuple[str, date, int], list[Deduction]] = {}
    for business_date in (sheet.business_date, sheet.business_date - timedelta(days=1)):
        for record in sheet.books.journal.of_day(business_date):
            if (
                isinstance(record, Deduction)
                and record.settled_by == told_orders.SETTLED_BY
                and record.request.startswith(file)
                and record.result.status is Status.SUCCEEDED
            ):
                key = record.loan_id, record.business_date, record.round_no
                posted.setdefault(key, []).append(record)
    heads = sheet.books.loans.get_many(sorted({loan_id for loan_id, _, _ in posted}))
    return [
        results.denied(loan_id=key[0], order_no=records[0].order_no, records=records)
        for key, records in posted.items()
        if key not in named and sheet.is_own(heads.get(key[0]))
    ]


# --- what is written --------------------------------------------------------------------


def _write(findings: Iterable[Finding], sheet: Sheet, desk: Desk) -> None:
    funder_discrepancies.write(
        findings,
        funder_id=sheet.funder_id,
        business_date=sheet.business_date,
        found_in=job_of(sheet.funder_id, sheet.round_no),
        now=sheet.now,
        keeper=desk,
    )


def _complete(
    batch: Batch[Any],
    applied: Sequence[told_orders.Applied],
    findings: Sequence[Finding],
    sheet: Sheet,
    desk: Desk,
) -> Run:
    """Write the round's totals; it is complete when nothing of it waits any more."""
    standing = desk.runs.start(
        business_date=sheet.business_date,
        job=job_of(sheet.funder_id, sheet.round_no),
        at=sheet.now,
    )
    states = Counter(each.state for each in applied)
    totals = {
        "file": {
            "key": batch.key,
            "sha256": batch.sha256,
            "version": batch.version,
            "rows": batch.rows,
            "amount_fen": batch.amount.fen,
        },
        "loans": {state.value: states[state] for state in State},
        "strange_codes": dict(Counter(each.strange_code for each in applied if each.strange_code)),
        "disputed": len(findings),
    }
    done = replace(standing, totals=totals, claimed=batch.version)
    if not standing.is_complete and not states[State.WAITING]:
        done = done.completed(at=sheet.now, totals=totals)
    desk.runs.put_totals(done)
    return done
