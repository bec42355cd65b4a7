"""Commands about files: drop one into the exchange bucket, see what became of them, match a bill again."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chalicelib import wiring, wiring_assistance
from chalicelib.adapters import funders
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_manifests import manifest_of
from chalicelib.flows import landing, reconciliation
from chalicelib.flows.file_ports import Fault, FileRecord, FileState
from chalicelib.settings import settings
from infra.examining import beside, digest_of, examined, fault_as_text
from infra.local import (
    business_day,
    cloud,
    office,
    report,
    wording,
)
from infra.local.office import CommandError, business_now

REASONS_SHOWN = 10
KNOWN = "known"
WAITING = "waiting"
WAITS_FOR: Mapping[str, str] = {
    "funder_due": "our due list of its date; the sweep brings it again",
    "funder_confirmation": "our reconciliation file of its date; the sweep brings it again",
    "results": "a later version that is still in work, or an order without an end",
    "bill": "the end of its day",
}
"""What a file of a kind that is whole may wait for."""


# --- drop -------------------------------------------------------------------------------


def drop(options: argparse.Namespace) -> int:
    """Put a file into the bucket with its manifest, and say what became of it.

    The manifest is the one beside the file, else what is right for the name's kind and funder.
    Give 1 if the file was not taken; one that waits is no fault.
    """
    if not options.file.is_file():
        raise CommandError(f"no such file: {options.file}")
    manifest = _manifest(options.file, options.key)
    if options.dry_run:
        _say(f"would put {options.key}", _manifest_as_text(manifest))
        return 0
    before = _record(options.key, digest_of(options.file))
    put(options.key, options.file.read_bytes(), manifest)
    if options.stage != cloud.STAGE:
        _say(options.key, _manifest_as_text(manifest))
        return 0
    business_day.wait_until_quiet(office.local_cloud())
    record = _record(options.key, digest_of(options.file))
    found = _told(options.key, record)
    if record and record == before and record.state is not FileState.LANDED:
        found = {**found, "outcome": KNOWN, "known_as": record.state.value}
    if options.json:
        _say(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _say(options.key, _manifest_as_text(manifest), f"outcome   {_outcome_as_text(found)}")
        if record and (record.refused or record.state is FileState.QUARANTINED):
            _say(*_reasons_as_lines(options.key))
    return 1 if record and record.state in {FileState.QUARANTINED, FileState.REFUSED} else 0


def put(key: str, body: bytes, manifest: bytes | None) -> None:
    store = wiring.object_store()
    store.write(key, body)
    if manifest is not None:
        store.write(key + landing.MANIFEST_SUFFIX, manifest)


def _manifest(path: Path, key: str) -> bytes | None:
    """Take the manifest beside a file, else reckon it; None if the dialect has none."""
    route = next((each for each in wiring_assistance.files().routes if each.expects(key)), None)
    if route is None:
        raise CommandError(f"no file of this name is expected: {key}{_hint(key)}")
    form = route.format
    if not form.has_manifest or not isinstance(form, CsvFormat):
        return None
    if (told := beside(path)) is not None:
        return told
    read = examined(form, path)
    return manifest_of(body=path.read_bytes(), rows=read.rows, amount=read.amount)


def _hint(key: str) -> str:
    """Say what a funder sends, if the name has one."""
    named = re.match(r"in/funders/([^/]+)/", key)
    funder = funders.read().get(named[1]) if named else None
    return f"; {funder.funder_id} sends {', '.join(funders.sent_by(funder))}" if funder else ""


def _manifest_as_text(manifest: bytes | None) -> str:
    return f"manifest  {'none: a trailer is agreed' if manifest is None else manifest.decode()}"


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


# --- what became of files ---------------------------------------------------------------


def files(options: argparse.Namespace) -> Any:
    """Say what became of the files of a date, also of those that were not taken."""
    found = of_date(options.date)
    if options.json:
        return found
    return "\n".join(as_lines(found)) or f"no files of {options.date}"


def of_date(business_date: date) -> Sequence[Mapping[str, Any]]:
    """Read what became of the date's files, each arrival by itself."""
    return [
        _told(key, record)
        for key in _keys_of(business_date)
        for record in _arrivals(key) or (None,)
    ]


def untaken(business_date: date) -> Sequence[Mapping[str, Any]]:
    """Read what became of the names of a date under which nothing has been taken yet."""
    found = of_date(business_date)
    taken = {told["key"] for told in found if told["outcome"] == FileState.APPLIED}
    return [told for told in found if told["key"] not in taken]


def as_lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for told in found:
        yield f"  {told['key']}"
        yield f"    {_outcome_as_text(told)}"
        if told["reasons"]:
            yield f"    reasons  {told['reasons']}"


def file_record(key: str) -> str:
    """Say what became of a file that was taken last under a key."""
    arrivals = _arrivals(key)
    return _outcome_as_text(_told(key, arrivals[-1] if arrivals else None))


def _arrivals(key: str) -> Sequence[FileRecord]:
    return sorted(wiring.files().files.of_key(key), key=lambda record: record.landed_at)


def _keys_of(business_date: date) -> Sequence[str]:
    """Name the date's files: those in the folders of their kinds, and whatever was quarantined."""
    store, day = wiring.object_store(), f"/{business_date:%Y%m%d}/"
    folders = {route.folder + day for route in wiring_assistance.files().routes}
    found = {key for folder in folders for key in store.keys(folder)}
    spoilt = (key.removeprefix(landing.QUARANTINE) for key in store.keys(landing.QUARANTINE))
    found |= {key for key in spoilt if day in key}
    suffixes = (landing.MANIFEST_SUFFIX, landing.REASONS_SUFFIX)
    return sorted(key for key in found if not key.endswith(suffixes))


def _record(key: str, sha256: str) -> FileRecord | None:
    """Read what stands of these bytes under a key."""
    return next((each for each in _arrivals(key) if each.sha256 == sha256), None)


def _told(key: str, record: FileRecord | None) -> Mapping[str, Any]:
    if record is None:
        has_manifest = wiring.object_store().head(key + landing.MANIFEST_SUFFIX) is not None
        missing = "" if has_manifest else "its manifest, if one is agreed"
        return {"key": key, "outcome": WAITING, "reason": missing, "reasons": ""}
    is_waiting = record.state is FileState.LANDED
    has_reasons = record.state is FileState.QUARANTINED or record.refused
    return {
        "key": key,
        "outcome": WAITING if is_waiting else record.state.value,
        "kind": record.kind,
        "landed_at": record.landed_at.isoformat(),
        "sha256": record.sha256,
        "rows": record.rows,
        "amount_fen": record.amount.fen,
        "applied": record.applied,
        "refused": record.refused,
        "reason": WAITS_FOR.get(record.kind, "") if is_waiting else record.reason,
        "reasons": f"{landing.QUARANTINE}{key}{landing.REASONS_SUFFIX}" if has_reasons else "",
    }


def _outcome_as_text(told: Mapping[str, Any]) -> str:
    outcome, reason = told["outcome"], told["reason"]
    if outcome == WAITING:
        return f"waiting for {reason or 'its turn'}"
    if outcome == KNOWN:
        return f"known: these bytes came before, and are {told['known_as']}{': ' * bool(reason)}{reason}"
    if outcome == FileState.APPLIED:
        taken = f"applied: {told['applied']} in, {told['refused']} refused"
        return f"{taken} ({reason})" if reason else taken
    return f"{outcome}: {reason}"


def _reasons_as_lines(key: str) -> Iterator[str]:
    """Show the first reasons, and where all of them are."""
    where = f"{landing.QUARANTINE}{key}{landing.REASONS_SUFFIX}"
    told = json.loads(wiring.object_store().read(where))
    shown = told["reasons"][:REASONS_SHOWN]
    yield from (fault_as_text(Fault(**reason)) for reason in shown)
    if more := len(told["reasons"]) - len(shown) + told["left_out"]:
        yield f"  and {more} more"
    yield f"reasons   {where}"


def read(options: argparse.Namespace) -> int:
    """Give an object of the exchange bucket as it lies there."""
    try:
        for chunk in wiring.object_store().open(options.key):
            sys.stdout.buffer.write(chunk)
    except KeyError as error:
        raise CommandError(f"no object {options.key}") from error
    return 0


# --- the bill ---------------------------------------------------------------------------


def reconcile(options: argparse.Namespace) -> Any:
    channel = settings().channel
    job = reconciliation.job_of(channel)
    standing = wiring.runs().get(options.date, job)
    if standing is None or "bill" not in standing.totals:
        raise CommandError(f"no bill of {options.date} has been taken in")
    if options.dry_run:
        return f"would match {standing.totals['bill']['key']} with the journal again"
    reconciliation.again(
        business_date=options.date,
        channel=channel,
        now=business_now(options.stage),
        desk=wiring.reconciling(),
        files=wiring.files(),
    )
    found = {job: report.of_runs(options.date)[job]}
    return found if options.json else wording.runs_as_text(found)
