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
from chalicelib.domain.funder_results import Finding, Told
from chalicelib.domain.loan import Mode
from chalicelib.domain.reconciliation import Discrepancy
from chalicelib.domain.run import Run
from chalicelib.flows import discrepancy, landing, told_orders
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
DAYS_SWEPT = 2


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
    told = _told(batch, sheet)
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
    told = _told(batch, sheet)
    job = job_of(funder_id, sheet.round_no)
    desk.runs.start(business_date=sheet.business_date, job=job, at=now)
    if not desk.runs.claim(business_date=sheet.business_date, job=job, version=batch.version):
        return None
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
            sheet = Sheet(
                funder_id=funder.funder_id,
                business_date=business_date,
                round_no=round_no,
                version=standing.claimed,
                now=now,
                books=desk.books,
            )
            try:
                done = again(sheet=sheet, version=standing.claimed, desk=desk, files=files)
            except StillInWorkError:
                done = None
            waiting += not is_current(done)
    return waiting


def sweep(*, now: datetime, desk: Desk, files: landing.Desk) -> int:
    """Go on with what waits of today and yesterday."""
    days = (now.date() - timedelta(days=ago) for ago in range(DAYS_SWEPT))
    return sum(go_on(business_date=day, now=now, desk=desk, files=files) for day in days)


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
    return Sheet(
        funder_id=funder_id,
        business_date=batch.business_date,
        round_no=batch.round_no,
        version=batch.version,
        now=now,
        books=desk.books,
    )


def _told(batch: Batch[ResultLine], sheet: Sheet) -> Sequence[Told]:
    """Read what the file says, loan by loan; a line of another day or round spoils it."""
    faults, lines = [], []
    for line in batch.lines():
        if line.record is None:
            continue
        column, reason = results.why_unusable(
            line.record, round_no=sheet.round_no, business_date=sheet.business_date
        )
        if reason:
            faults.append(Fault(line=line.number, column=column, reason=reason))
        lines.append(line.record)
    if faults:
        raise UnusableFileError(*faults[: landing.REASONS_MAX])
    return results.told_by_loan(lines)


def _check_day(batch: Batch[Any], sheet: Sheet, desk: Desk) -> None:
    if batch.business_date > sheet.now.date():
        raise UnusableFileError(Fault(reason="of a day to come"))
    if batch.version > VERSIONS_MAX:
        raise UnusableFileError(Fault(reason=f"more than {VERSIONS_MAX} versions"))
    standing = desk.runs.get(batch.business_date, job_of(sheet.funder_id, sheet.round_no))
    file = standing.totals.get("file", {}) if standing else {}
    if file.get("sha256") == batch.sha256:
        return
    if file.get("version") == batch.version:
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
    rounds = [each for each in told if each.round_no != NO_ROUND]
    wishes = [each for each in told if each.round_no == NO_ROUND]
    known: dict[str, list[Deduction]] = {}
    for record in told_orders.wishes_lately(sheet) if wishes else ():
        known.setdefault(record.loan_id, []).append(record)
    outcomes: list[told_orders.Applied | Exception] = []
    # Wishes first: what they end no longer keeps a round's money waiting.
    outcomes += desk.calls.map(
        lambda each: told_orders.settle(told=each, known=known.get(each.loan_id, ()), sheet=sheet),
        wishes,
    )
    for start in range(0, len(rounds), LOANS_AT_ONCE):
        some = rounds[start : start + LOANS_AT_ONCE]
        new = [
            each for each, is_known in zip(some, _known(some, sheet), strict=True) if not is_known
        ]
        outcomes += [told_orders.Applied(state=State.KNOWN)] * (len(some) - len(new))
        outcomes += desk.calls.map(partial(_apply, sheet=sheet), new)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)]


def _apply(told: Told, *, sheet: Sheet) -> told_orders.Applied:
    return told_orders.apply(told=told, sheet=sheet)


def _known(some: Sequence[Told], sheet: Sheet) -> Sequence[bool]:
    """Say of which loans all that is told is recorded and posted already, in a few reads."""
    heads = sheet.books.loans.get_many(sorted({each.loan_id for each in some}))
    order_nos = {each.loan_id: sheet.order_nos(each.loan_id) for each in some}
    records = sheet.books.journal.get_many([no for nos in order_nos.values() for no in nos])

    def is_known(each: Told) -> bool:
        loan, nos = heads.get(each.loan_id), order_nos[each.loan_id]
        mine = [records[no] for no in nos if no in records]
        if loan is None or not mine or each.repeated or each.is_torn:
            return False
        is_free = loan.slot is None or loan.slot.order_no not in nos
        return is_free and sheet.is_own(loan) and dict(each.paid) == results.paid_by(mine)

    return [is_known(each) for each in some]


def _denied(told: Sequence[Told], sheet: Sheet) -> Sequence[Finding]:
    """Find the loans whose money an earlier version had us post, and this one has not a word of."""
    if sheet.version == 1:
        return ()
    named = {each.loan_id for each in told if each.round_no != NO_ROUND}
    posted: dict[str, list[Deduction]] = {}
    for record in sheet.books.journal.of_day(sheet.business_date):
        if (
            isinstance(record, Deduction)
            and Mode(record.mode).funder_deducts
            and record.round_no == sheet.round_no
            and record.result.status is Status.SUCCEEDED
            and record.loan_id not in named
        ):
            posted.setdefault(record.loan_id, []).append(record)
    heads = sheet.books.loans.get_many(sorted(posted))
    return [
        results.denied(loan_id=loan_id, order_no=sheet.order_no(loan_id), records=posted[loan_id])
        for loan_id, loan in heads.items()
        if sheet.is_own(loan)
    ]


# --- what is written --------------------------------------------------------------------


def _write(findings: Iterable[Finding], sheet: Sheet, desk: Desk) -> None:
    write_findings(
        findings,
        funder_id=sheet.funder_id,
        business_date=sheet.business_date,
        found_in=job_of(sheet.funder_id, sheet.round_no),
        now=sheet.now,
        desk=desk,
    )


def write_findings(
    findings: Iterable[Finding],
    *,
    funder_id: str,
    business_date: date,
    found_in: str,
    now: datetime,
    desk: Desk,
) -> None:
    """Write what is found, and resolve what the same finder found before and finds no more."""
    found = [
        results.discrepancy_of(
            each, business_date=business_date, funder_id=funder_id, found_in=found_in, at=now
        )
        for each in findings
    ]
    discrepancy.write(
        found={each.discrepancy_id: each for each in found},
        standing=[
            each
            for each in of_day(business_date=business_date, funder_id=funder_id, desk=desk)
            if each.facts.get("found_in") == found_in
        ],
        gone="the funder's files no longer show it",
        now=now,
        keeper=desk,
    )


def of_day(*, business_date: date, funder_id: str, desk: Desk) -> Sequence[Discrepancy]:
    """Read a funder's discrepancies of a day, in whatever state."""
    return desk.discrepancies.of_day(business_date, results.channel_of(funder_id))


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
