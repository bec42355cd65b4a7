"""Settle a day with a funder: our reconciliation file, its confirmation, and what they differ in.

The file is written once the bill is reconciled and nothing of the funder's orders is open.  The
funder confirms it order by order; the day closes when it has agreed to every one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from chalicelib.domain import confirmation
from chalicelib.domain.deduction import Deduction, IllegalOrderNumberError, facts_of
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.funder import ConfirmationLine
from chalicelib.domain.money import Money, total
from chalicelib.domain.run import Run
from chalicelib.flows import (
    discrepancy,
    due_list,
    file_versions,
    landing,
    reconciliation,
    repayment_file,
)
from chalicelib.flows.discrepancy import FOUND_IN
from chalicelib.flows.file_ports import NotYetError, RefusedFileError
from chalicelib.flows.file_versions import Shelf, Version
from chalicelib.flows.funder_ports import FunderFile, FunderFiles
from chalicelib.flows.landing import Applied, Batch
from chalicelib.flows.ports import ObjectStore
from chalicelib.flows.repayment_file import Paid

FILE_JOBS = "funder_reconciliation_"
CONFIRMATION_JOBS = "funder_confirmation_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is settled with funders with; `channels` are those whose bills count."""

    reconciling: reconciliation.Desk
    objects: ObjectStore
    writer: FunderFiles
    channels: tuple[str, ...]


class UntiedTotalsError(Exception):
    """What is agreed and what is not do not add up to the two files."""


def file_job_of(funder_id: str) -> str:
    """Name the job that writes the file.

    >>> file_job_of("bank-a")
    'funder_reconciliation_bank-a'
    """
    return f"{FILE_JOBS}{funder_id}"


def confirmation_job_of(funder_id: str) -> str:
    """Name the job that applies the confirmation.

    >>> confirmation_job_of("bank-a")
    'funder_confirmation_bank-a'
    """
    return f"{CONFIRMATION_JOBS}{funder_id}"


def channel_of(funder_id: str) -> str:
    """Name the channel under which a funder's discrepancies stand.

    >>> channel_of("bank-a")
    'funder-bank-a'
    """
    return f"funder-{funder_id}"


def folder_of(funder_id: str, business_date: date) -> str:
    """Name the folder where a funder puts the confirmations of a date."""
    return f"in/funders/{funder_id}/confirmations/{business_date:%Y%m%d}/"


# --- our file ---------------------------------------------------------------------------


def write(
    *, business_date: date, now: datetime, desk: Desk, paid: Paid | None = None
) -> tuple[str, ...]:
    """Write each funder's reconciliation file of a date, as soon as nothing of it is open.

    Safe to repeat: a file of the same orders is not written again, other orders are a new version.
    """
    if not _is_reconciled(business_date, desk):
        return ()
    runs, books = desk.reconciling.rounds.runs, desk.reconciling.rounds.books
    if paid is None:
        paid = repayment_file.paid_by_funder(business_date=business_date, books=books)
    listed = due_list.funders_of(runs.get(business_date, due_list.JOB))
    held_up = _funders_with_open_orders(business_date, desk)
    written: list[str] = []
    for funder_id in sorted(({*listed, *paid} & books.funders.keys()) - held_up):
        shelf = _shelf(funder_id, business_date)
        written += _write(shelf=shelf, paid=paid.get(funder_id, {}), now=now, desk=desk)
    return tuple(written)


def _write(
    *, shelf: Shelf, paid: Mapping[str, Deduction], now: datetime, desk: Desk
) -> Sequence[str]:
    runs, job = desk.reconciling.rounds.runs, file_job_of(shelf.funder_id)
    run = runs.start(business_date=shelf.business_date, job=job, at=now)
    versions = file_versions.standing(shelf=shelf, objects=desk.objects)
    if not versions or set(versions[-1].order_nos) != set(paid):
        file_versions.add(
            shelf=shelf, number=len(versions) + 1, order_nos=paid, objects=desk.objects
        )
        versions = file_versions.standing(shelf=shelf, objects=desk.objects)
    written = [
        repayment_file.put(
            version=version,
            shelf=shelf,
            job=job,
            paid=paid,
            books=desk.reconciling.rounds.books,
            runs=runs,
            writer=desk.writer,
        )
        for version in versions
        if version.number not in run.parts
    ]
    run = runs.start(business_date=shelf.business_date, job=job, at=now)
    if not run.is_complete or run.totals.get("versions") != len(run.parts):
        totals = {"versions": len(run.parts), **run.parts[len(run.parts)]}
        runs.put_totals(run.completed(at=run.completed_at or now, totals=totals))
    return written


def _is_reconciled(business_date: date, desk: Desk) -> bool:
    runs = desk.reconciling.rounds.runs
    return all(
        reconciliation.is_current(runs.get(business_date, reconciliation.job_of(channel)))
        for channel in desk.channels
    )


def _funders_with_open_orders(business_date: date, desk: Desk) -> set[str]:
    """Find the funders of whose orders the bill and the journal still disagree."""
    loan_ids = {
        loan_id
        for channel in desk.channels
        for each in reconciliation.unresolved(
            business_date=business_date, channel=channel, desk=desk.reconciling
        )
        if (loan_id := _loan_of(each))
    }
    heads = desk.reconciling.rounds.books.loans.get_many(sorted(loan_ids))
    return {loan.funder_id for loan in heads.values()}


def _loan_of(each: Discrepancy) -> str:
    try:
        return facts_of(each.order_no)[2]
    except IllegalOrderNumberError:
        return ""


def _shelf(funder_id: str, business_date: date) -> Shelf:
    return Shelf(kind=FunderFile.RECONCILIATION, funder_id=funder_id, business_date=business_date)


# --- the funder's answer ----------------------------------------------------------------


def take(
    *,
    batch: Batch[ConfirmationLine],
    funder_id: str,
    now: datetime,
    desk: Desk,
    files: landing.Desk,
) -> Applied:
    """Apply a confirmation: what is agreed closes, everything else is a discrepancy.

    A later version resolves what it agrees to; one older than what was applied is set aside.

    :raises NotYetError: if our file is not written yet; the sweep brings the confirmation again.
    :raises RefusedFileError: if the day is closed.
    """
    runs = desk.reconciling.rounds.runs
    closed = runs.get(batch.business_date, reconciliation.CLOSE_JOB)
    if closed is not None and closed.is_complete:
        raise RefusedFileError("the day is closed: another confirmation needs an approval")
    if _latest(funder_id, batch.business_date, desk) is None:
        raise NotYetError("our reconciliation file of its date is not written yet")
    if _apply(batch=batch, funder_id=funder_id, now=now, desk=desk):
        return Applied(applied=batch.rows)
    # A later one came before this was written: what this has found may be none any more.
    again(business_date=batch.business_date, funder_id=funder_id, now=now, desk=desk, files=files)
    standing = runs.get(batch.business_date, confirmation_job_of(funder_id))
    return Applied(applied=0, note=f"superseded by version {standing.claimed if standing else 0}")


def again(
    *, business_date: date, funder_id: str, now: datetime, desk: Desk, files: landing.Desk
) -> None:
    """Hold the confirmation that stands against our latest file; nothing if there is none."""
    runs = desk.reconciling.rounds.runs
    standing = runs.get(business_date, confirmation_job_of(funder_id))
    if standing is None or "key" not in standing.totals:
        return
    try:
        batch = landing.reopen(key=standing.totals["key"], desk=files)
    except KeyError:
        return
    _apply(batch=batch, funder_id=funder_id, now=now, desk=desk)


def _apply(*, batch: Batch[ConfirmationLine], funder_id: str, now: datetime, desk: Desk) -> bool:
    """Judge and write; False if a later version has come."""
    runs, job = desk.reconciling.rounds.runs, confirmation_job_of(funder_id)
    run = runs.start(business_date=batch.business_date, job=job, at=now)
    # Claimed first: whoever is at work with an older one finds out before he writes his totals.
    if not runs.claim(business_date=batch.business_date, job=job, version=batch.version):
        return False
    latest = _latest(funder_id, batch.business_date, desk)
    ours = _funders_parts(latest, desk) if latest else {}
    judged = confirmation.judge(
        ours=ours, lines=(line.record for line in batch.lines() if line.record)
    )
    _check_ties(judged, ours, batch)
    channel = channel_of(funder_id)
    discrepancy.write(
        found=confirmation.discrepancies(
            judged=judged, business_date=batch.business_date, channel=channel, at=now
        ),
        standing=_standing(funder_id, batch.business_date, desk),
        gone=f"not found again with version {batch.version} of the confirmation",
        now=now,
        keeper=desk.reconciling,
    )
    totals = {
        "key": batch.key,
        "sha256": batch.sha256,
        "version": batch.version,
        "rows": batch.rows,
        "reconciliation_version": latest.number if latest else 0,
        **judged.as_facts(),
        "open": _open(funder_id, batch.business_date, desk),
    }
    done = replace(run, claimed=batch.version, totals=totals)
    if not run.is_complete:
        done = done.completed(at=now, totals=totals)
    runs.put_totals(done)
    standing = runs.get(batch.business_date, job)
    return standing is not None and standing.claimed == batch.version


def _latest(funder_id: str, business_date: date, desk: Desk) -> Version | None:
    """Give the latest version of our file; None if none is written whole."""
    run = desk.reconciling.rounds.runs.get(business_date, file_job_of(funder_id))
    if run is None or not run.is_complete:
        return None
    versions = file_versions.standing(shelf=_shelf(funder_id, business_date), objects=desk.objects)
    written = [version for version in versions if version.number in run.parts]
    return written[-1] if written else None


def _funders_parts(version: Version, desk: Desk) -> Mapping[str, Money]:
    """Give the funder's part of each order of a version of our file."""
    records = desk.reconciling.rounds.books.journal.get_many(list(version.order_nos))
    return {
        order_no: total(
            line.funder.total
            for line in repayment_file.lines_of(
                order_nos=[order_no], paid=records, books=desk.reconciling.rounds.books
            )
        )
        for order_no in version.order_nos
    }


def _check_ties(
    judged: confirmation.Judged, ours: Mapping[str, Money], batch: Batch[ConfirmationLine]
) -> None:
    alone = [found for found in judged.findings if found.here is None]
    if judged.agreed.count + len(judged.findings) - len(alone) != len(ours):
        raise UntiedTotalsError(f"{batch.key}: {judged.as_facts()} of {len(ours)} orders")


# --- whether both sides agree -----------------------------------------------------------


def open_points(
    *, business_date: date, paid: Paid, now: datetime, desk: Desk, files: landing.Desk
) -> Sequence[str]:
    """Say what of a date is not agreed with the funders that had a part in it."""
    runs = desk.reconciling.rounds.runs
    listed = due_list.funders_of(runs.get(business_date, due_list.JOB))
    found = []
    for funder_id in sorted({*listed, *paid}):
        latest = _latest(funder_id, business_date, desk)
        if latest is None or set(latest.order_nos) != set(paid.get(funder_id, {})):
            found.append(f"{file_job_of(funder_id)} is not complete")
            continue
        confirmed = runs.get(business_date, confirmation_job_of(funder_id))
        left = _open(funder_id, business_date, desk)
        if left or (confirmed and not _is_confirmed(confirmed, latest)):
            # Our file may be a newer one; or an older confirmation has written after the newer.
            again(business_date=business_date, funder_id=funder_id, now=now, desk=desk, files=files)
            confirmed = runs.get(business_date, confirmation_job_of(funder_id))
            left = _open(funder_id, business_date, desk)
        if paid.get(funder_id) and not _is_confirmed(confirmed, latest):
            found.append(f"{confirmation_job_of(funder_id)} is not complete")
        elif left:
            found.append(f"{confirmation_job_of(funder_id)} has {left} open discrepancies")
    return found


def _is_confirmed(run: Run | None, latest: Version) -> bool:
    """Whether the confirmation that stands is the latest anybody has begun, of our latest file."""
    return (
        run is not None
        and run.is_complete
        and run.claimed == run.totals.get("version")
        and run.totals.get("reconciliation_version") == latest.number
    )


def open_discrepancies(*, business_date: date, funder_id: str, desk: Desk) -> int:
    """Count what a funder and we still differ in on a date."""
    return _open(funder_id, business_date, desk)


def _open(funder_id: str, business_date: date, desk: Desk) -> int:
    return sum(not each.is_resolved for each in _standing(funder_id, business_date, desk))


def _standing(funder_id: str, business_date: date, desk: Desk) -> Sequence[Discrepancy]:
    """Read what confirmations have shown; what a funder's own deductions show is not theirs."""
    standing = desk.reconciling.discrepancies.of_day(business_date, channel_of(funder_id))
    return [each for each in standing if FOUND_IN not in each.facts]
