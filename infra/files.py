"""Commands about files: drop one into the exchange bucket, validate one, reconcile a bill again."""

import argparse
import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalicelib import wiring
from chalicelib.adapters import file_layouts, funders
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat, Dialect
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.domain.money import ZERO, Money
from chalicelib.flows import landing, reconciliation
from chalicelib.flows.file_ports import Fault, Manifest, UnusableFileError
from chalicelib.settings import settings
from infra.local import (
    business_day,
    cloud,
    office,
    report,
    wording,
)
from infra.local.office import CommandError, business_now

AMOUNT_COLUMNS = {"in/loans/": "principal_fen", "in/payment/": "amount_fen"}


def drop(options: argparse.Namespace) -> str:
    if not options.file.is_file():
        raise CommandError(f"no such file: {options.file}")
    body = options.file.read_bytes()
    manifest = _manifest(body, options.key, options.amount_column)
    if options.dry_run:
        return f"would put {options.key}\nmanifest  {manifest.decode()}"
    put(options.key, body, manifest)
    if options.stage == cloud.STAGE:
        business_day.wait_until_quiet(office.local_cloud())
        return f"{options.key}\nmanifest  {manifest.decode()}\noutcome   {file_record(options.key)}"
    return f"{options.key}\nmanifest  {manifest.decode()}"


def _manifest(body: bytes, key: str, amount_column: str) -> bytes:
    named = (column for prefix, column in AMOUNT_COLUMNS.items() if key.startswith(prefix))
    column = amount_column or next(named, "")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig", errors="replace"))))
    if not column or (rows and column not in rows[0]):
        raise CommandError("name the column the manifest sums up: --amount-column")
    amounts = [row[column] or "" for row in rows]
    readable = [int(text) for text in amounts if text.lstrip("-").isdecimal()]
    content = {
        "rows": len(rows),
        "amount_fen": sum(readable),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(content).encode()


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


def put(key: str, body: bytes, manifest: bytes) -> None:
    store = wiring.object_store()
    store.write(key, body)
    store.write(f"{key}.ok", manifest)


def file_record(key: str) -> str:
    records = wiring.files().files.of_key(key)
    if not records:
        return "waiting"
    last = records[-1]
    return f"{last.state}: {last.applied} in, {last.refused} refused"


KINDS: Mapping[str, file_layouts.Layout[Any]] = {
    "loans": file_layouts.LOANS,
    "bill": file_layouts.BILL,
    **FUNDER_LAYOUTS,
}


class WrongUseError(Exception):
    """The command line asks for what is not there."""


def validate_file(options: argparse.Namespace) -> int:
    """Read a file as the intake would, and list every bad line; nothing is taken in.

    It needs no cloud.  Where the dialect has a manifest, the one beside the file is read as well;
    without one only the lines are judged, unless one is named.  Give 0 if all is well, 1 if
    something is bad, 2 if there is no such file, funder or dialect.
    """
    try:
        form = CsvFormat(layout=KINDS[options.kind], dialect=_dialect(options))
        manifest = _manifest_beside(options)
    except WrongUseError as error:
        sys.stderr.write(f"afterloan validate-file: {error}\n")
        return 2
    found = _examined(form, options.file, manifest)
    sys.stdout.write(_as_json(found) if options.json else _as_text(found))
    return 1 if found["faults"] else 0


def _dialect(options: argparse.Namespace) -> Dialect:
    """Find how the file is written: as named, as the funder has agreed, or by default."""
    dialects = funders.read_dialects()
    if options.dialect:
        if options.dialect not in dialects:
            raise WrongUseError(
                f"no dialect {options.dialect}; there are {', '.join(sorted(dialects))}"
            )
        return dialects[options.dialect]
    if not options.funder:
        return DEFAULT
    known = funders.read()
    if options.funder not in known:
        raise WrongUseError(f"no funder {options.funder}; there are {', '.join(sorted(known))}")
    return funders.dialect_of(known[options.funder], options.kind, dialects)


def _manifest_beside(options: argparse.Namespace) -> bytes | None:
    for named in (options.file, options.manifest):
        if named and not named.is_file():
            raise WrongUseError(f"no such file: {named}")
    if options.manifest:
        return bytes(options.manifest.read_bytes())
    beside = options.file.with_name(options.file.name + landing.MANIFEST_SUFFIX)
    return bytes(beside.read_bytes()) if beside.is_file() else None


def _examined(form: CsvFormat[Any], path: Path, manifest: bytes | None) -> dict[str, Any]:
    rows, amount, faults, is_whole = 0, ZERO, list[Fault](), False
    try:
        for line in form.lines(_chunks(path)):
            rows, amount = rows + 1, amount + (line.amount or ZERO)
            faults += line.faults
        is_whole = True
    except UnusableFileError as error:
        faults += error.faults
    if manifest is not None and form.has_manifest:
        counted = (rows, amount) if is_whole else None
        faults += _contradicted(form, manifest, path=path, counted=counted)
    return {
        "file": path.name,
        "rows": rows,
        "amount_fen": amount.fen,
        "manifest": _said_of_manifest(form, manifest),
        "faults": [asdict(fault) for fault in sorted(faults, key=lambda fault: fault.line)],
    }


def _contradicted(
    form: CsvFormat[Any], manifest: bytes, *, path: Path, counted: tuple[int, Money] | None
) -> Sequence[Fault]:
    """Hold a manifest against its file; one that was not read to its end has no figures."""
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    try:
        told = form.manifest(manifest)
    except UnusableFileError as error:
        return error.faults
    rows, amount = counted or (told.rows, told.amount)
    found = Manifest(rows=rows, amount=amount, sha256=digest)
    strange = Fault(column="sha256", reason=landing.OTHER_DIGEST)
    return [strange] * (told.sha256 != digest) + [*landing.contradictions(told=told, counted=found)]


def _said_of_manifest(form: CsvFormat[Any], manifest: bytes | None) -> str:
    if not form.has_manifest:
        return "none is agreed, the trailer counts"
    return "not there, not checked" if manifest is None else "checked"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(landing.MEBIBYTE):
            yield chunk


def _as_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _as_text(found: Mapping[str, Any]) -> str:
    amount, count = Money(found["amount_fen"]), len(found["faults"])
    first = f"{found['rows']} rows, {amount} 元, {count} faults (manifest: {found['manifest']})\n"
    told = [first]
    for fault in found["faults"]:
        where = f"line {fault['line']}" if fault["line"] else "file"
        told.append(f"  {where:<10} {fault['column']:<22} {fault['reason']}  {fault['value']}\n")
    return "".join(told)
