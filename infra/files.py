"""Commands about files: drop one into the exchange bucket, validate one, reconcile a bill again."""

import argparse
import csv
import hashlib
import io
import json
import sys
from dataclasses import asdict, replace
from typing import Any

from chalicelib import wiring
from chalicelib.adapters import file_layouts
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.domain.money import ZERO
from chalicelib.flows import reconciliation
from chalicelib.flows.file_ports import Fault, UnusableFileError
from chalicelib.settings import settings
from infra.local import (
    business_day,
    cloud,
    office,
    report,
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
    return found if options.json else report.runs_as_text(found)


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


KINDS: dict[str, file_layouts.Layout[Any]] = {
    "loans": file_layouts.LOANS,
    "bill": file_layouts.BILL,
}


def validate_file(options: argparse.Namespace) -> Any:
    """Read a file as the intake would, and list every bad line; nothing is taken in."""
    if not options.file.is_file():
        raise CommandError(f"no such file: {options.file}")
    layout = KINDS[options.kind]
    rows, amount, faults = 0, ZERO, list[Fault]()
    try:
        for line in CsvFormat(layout=layout).lines(iter([options.file.read_bytes()])):
            rows, amount = rows + 1, amount + (line.amount or ZERO)
            faults += [replace(fault, line=line.number) for fault in line.faults]
    except UnusableFileError as error:
        faults += error.faults
    if options.json:
        found = {"rows": rows, "amount_fen": amount.fen, "faults": [asdict(f) for f in faults]}
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(f"{rows} rows, {amount} 元, {len(faults)} faults\n")
        for fault in faults:
            where = f"line {fault.line}" if fault.line else "file"
            sys.stdout.write(f"  {where:<10} {fault.column:<20} {fault.reason}  {fault.value}\n")
    return 1 if faults else 0
