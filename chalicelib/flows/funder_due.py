"""Hold a funder's due file against our list, and say what of its dues may go out.

One run item a funder and date decides it all.  A file claims its version there; a round claims
the last of all versions, and from then on what the item says stands: of file and round that meet
one comes first, and neither can half undo the other.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from chalicelib.domain.deduction import SkipReason
from chalicelib.domain.due_clearance import Clearance, Verdict, facts_of, held_of, verdict_of
from chalicelib.domain.due_comparison import DueComparison, difference_lines
from chalicelib.domain.funder import DueLine, Funder, WithoutFile
from chalicelib.domain.run import Run
from chalicelib.flows import due_list
from chalicelib.flows.file_ports import NotYetError, RefusedFileError
from chalicelib.flows.funder_ports import FunderFile, FunderFiles, MatchDues
from chalicelib.flows.landing import Applied, Batch
from chalicelib.flows.ports import DueLists, ObjectStore, Runs

JOBS = "funder_due_"
ROUND_BEGUN = 10_000
"""The version a round claims: no file's name has one as high."""

TOO_LATE = "too late: the first round of its date has begun"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that due files are held against ours with."""

    runs: Runs
    due_lists: DueLists
    objects: ObjectStore
    writer: FunderFiles
    match: MatchDues
    funders: Mapping[str, Funder]


class UntiedTotalsError(Exception):
    """The comparison does not add up to the two lists."""


def job_of(funder_id: str) -> str:
    """Name the job.

    >>> job_of("bank-a")
    'funder_due_bank-a'
    """
    return f"{JOBS}{funder_id}"


def folder_of(funder_id: str, business_date: date) -> str:
    """Name the folder where a funder puts the due files of a date."""
    return f"in/funders/{funder_id}/due/{business_date:%Y%m%d}/"


# --- the file ---------------------------------------------------------------------------


def take(*, batch: Batch[DueLine], funder_id: str, now: datetime, desk: Desk) -> Applied:
    """Compare a due file with our list of its date, and write once what it means for the rounds.

    The latest version that is there before the first round stands.  Safe to repeat: the same
    file has the same outcome, and one that was overtaken changes nothing.

    :raises NotYetError: if our list is not made yet; the sweep brings the file again.
    :raises RefusedFileError: if a round of its date has begun.
    :raises UntiedTotalsError: if the comparison does not add up.
    """
    listed = desk.runs.get(batch.business_date, due_list.JOB)
    if listed is None or not listed.is_complete:
        raise NotYetError("our due list of its date is not made yet")
    job = job_of(funder_id)
    run = desk.runs.start(business_date=batch.business_date, job=job, at=now)
    stands = run.totals.get("sha256") == batch.sha256
    if not stands and not desk.runs.claim(
        business_date=batch.business_date, job=job, version=batch.version
    ):
        return _not_taken(batch=batch, funder_id=funder_id, desk=desk)
    compared = _compared(batch=batch, listed=listed, funder_id=funder_id, desk=desk)
    if not stands:
        totals = _totals(batch=batch, compared=compared, funder_id=funder_id, desk=desk)
        desk.runs.put_totals(replace(run, claimed=batch.version, totals=totals))
        standing = desk.runs.get(batch.business_date, job)
        if standing is None or standing.totals.get("sha256") != batch.sha256:
            return _not_taken(batch=batch, funder_id=funder_id, desk=desk)
    # Last: what goes back to the funder is about a file that stands.  Who dies here comes again.
    desk.writer.write(
        kind=FunderFile.DUE_DIFFERENCES,
        funder_id=funder_id,
        key=differences_key(funder_id, batch.business_date, batch.version),
        lines=difference_lines(compared.differences),
    )
    return Applied(applied=batch.rows)


def differences_key(funder_id: str, business_date: date, version: int) -> str:
    """Name the file that tells a funder what differs, by the version of its own."""
    folder = f"out/funders/{funder_id}/due-differences/{business_date:%Y%m%d}"
    return f"{folder}/differences_v{version}.csv"


def _not_taken(*, batch: Batch[DueLine], funder_id: str, desk: Desk) -> Applied:
    """Say why a file does not stand: a later version does, or the round has begun."""
    standing = desk.runs.get(batch.business_date, job_of(funder_id))
    if standing is None or standing.claimed >= ROUND_BEGUN:
        raise RefusedFileError(TOO_LATE)
    return Applied(applied=0, note=f"superseded by version {standing.claimed}")


def _compared(*, batch: Batch[DueLine], listed: Run, funder_id: str, desk: Desk) -> DueComparison:
    compared = desk.match(
        funder_id=funder_id,
        batch=batch,
        ours=lambda: _our_lines(listed=listed, funder_id=funder_id, desk=desk),
    )
    told = due_list.funders_of(listed).get(funder_id, {"amount_fen": 0})
    if compared.ours.fen != told["amount_fen"]:
        raise UntiedTotalsError(f"{batch.key}: {compared.ours} of ours, {told} listed")
    if (compared.rows, compared.theirs) != (batch.rows, batch.amount):
        raise UntiedTotalsError(f"{batch.key}: {compared.rows} rows, {compared.theirs} of theirs")
    return compared


def _our_lines(*, listed: Run, funder_id: str, desk: Desk) -> Iterator[DueLine]:
    for shard in sorted(listed.parts):
        lines = desk.due_lists.read(business_date=listed.business_date, round_no=1, shard=shard)
        for line in lines:
            if line.funder_id == funder_id:
                yield from line.instalments


def _totals(
    *, batch: Batch[DueLine], compared: DueComparison, funder_id: str, desk: Desk
) -> Mapping[str, object]:
    """Write who is held, and give the facts that point at it: a round reads both."""
    verdict = verdict_of(compared, tolerance_bps=desk.funders[funder_id].tolerance_bps)
    held = held_of(compared) if verdict is Verdict.HOLD_LOANS else {}
    key = _held_key(funder_id, batch)
    if held:
        desk.objects.write(key, json.dumps(dict(held), indent=0).encode())
    return {
        "key": batch.key,
        "sha256": batch.sha256,
        "version": batch.version,
        "verdict": verdict.value,
        "held": {"key": key if held else "", "loans": len(held)},
        **facts_of(compared),
    }


def _held_key(funder_id: str, batch: Batch[DueLine]) -> str:
    """Name the list of held loans by the bytes it is about: two files never share one."""
    folder = f"due-lists/{batch.business_date:%Y%m%d}/held/{funder_id}"
    return f"{folder}/v{batch.version}-{batch.sha256[:16]}.json"


# --- the round --------------------------------------------------------------------------


def begin(*, business_date: date, now: datetime, desk: Desk) -> Mapping[str, Run]:
    """Let stand what each listed funder's files have come to; from the first call on it does."""
    listed = due_list.funders_of(desk.runs.get(business_date, due_list.JOB))
    return {
        funder_id: _frozen(business_date=business_date, funder_id=funder_id, now=now, desk=desk)
        for funder_id in sorted(listed)
    }


def clear(*, business_date: date, now: datetime, desk: Desk) -> Mapping[str, Clearance]:
    """Say what of each listed funder's dues may go out: by what stands, see `begin`."""
    begun = begin(business_date=business_date, now=now, desk=desk)
    return {funder_id: _clearance(run=run, desk=desk) for funder_id, run in begun.items()}


def _frozen(*, business_date: date, funder_id: str, now: datetime, desk: Desk) -> Run:
    job = job_of(funder_id)
    run = desk.runs.start(business_date=business_date, job=job, at=now)
    if run.is_complete:
        return run
    # Whoever writes a file's outcome does so while its version is the latest claimed: no more.
    desk.runs.claim(business_date=business_date, job=job, version=ROUND_BEGUN)
    run = desk.runs.get(business_date, job) or run
    totals = {**run.totals, "without_file": _policy(funder_id, desk).value}
    desk.runs.put_totals(replace(run, claimed=ROUND_BEGUN).completed(at=now, totals=totals))
    return desk.runs.get(business_date, job) or run


def _policy(funder_id: str, desk: Desk) -> WithoutFile:
    funder = desk.funders.get(funder_id)
    return funder.without_file if funder else WithoutFile.HOLD


def _clearance(*, run: Run, desk: Desk) -> Clearance:
    match run.totals.get("verdict"):
        case Verdict.GO:
            return Clearance()
        case Verdict.HOLD_LOANS:
            return Clearance(held=json.loads(desk.objects.read(run.totals["held"]["key"])))
        case Verdict.HOLD_ALL:
            return Clearance(reason=SkipReason.FUNDER_FILE_HELD)
        case _ if run.totals.get("without_file") == WithoutFile.GO_ON:
            return Clearance()
        case _:
            return Clearance(reason=SkipReason.FUNDER_FILE_MISSING)


# --- what is missing --------------------------------------------------------------------


def missing(
    *, business_date: date, at: time, runs: Runs, funders: Mapping[str, Funder]
) -> Sequence[str]:
    """Name the listed funders whose due file should be here by now, and does not stand."""
    listed = due_list.funders_of(runs.get(business_date, due_list.JOB))
    return [
        funder_id
        for funder_id in sorted(listed)
        if funder_id in funders
        and at >= funders[funder_id].due_by
        and not _has_verdict(runs.get(business_date, job_of(funder_id)))
    ]


def _has_verdict(run: Run | None) -> bool:
    return run is not None and "verdict" in run.totals
