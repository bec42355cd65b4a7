"""What each command of bin/afterloan does; commands.py says how it is called."""

import argparse
import csv
import hashlib
import io
import json
import os
import sys
import time as stopwatch
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import urllib3

from chalicelib import wiring
from chalicelib.adapters.wall_clock import SHANGHAI, wall_clock
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.flows import reconciliation
from chalicelib.settings import settings
from infra.local import (
    business_day,
    cloud,
    controls,
    dead_letters,
    office,
    report,
    sample_book,
)
from infra.local.deployment import deploy_locally

APPLIED_SECONDS_MAX = 60.0


class CommandError(Exception):
    """What was asked cannot be done; the text says why and what to do."""


# --- the local cloud --------------------------------------------------------------------


def up(_: argparse.Namespace) -> str:
    started = stopwatch.monotonic()
    asked = office.local_cloud()
    running = cloud.up(asked.home, asked.ports)
    deployment = deploy_locally(running)
    began = ", ".join(running.started) or "nothing: it runs already"
    changed = ", ".join(deployment.changed) or "nothing: no changes"
    return (
        f"started   {began}\n"
        f"deployed  {changed}\n"
        f"API       {deployment.api_url}/v1/health\n"
        f"ready in  {stopwatch.monotonic() - started:.1f} s"
    )


def down(_: argparse.Namespace) -> str:
    stopped = cloud.down(office.local_cloud().home)
    return "stopped   " + (", ".join(stopped) or "nothing: nothing ran")


def demo(options: argparse.Namespace) -> int:
    began = stopwatch.monotonic()
    running = office.local_cloud()
    if cloud.PORT_SETTING not in os.environ and cloud.free_base(cloud.PORT_BASE) > cloud.PORT_BASE:
        # Somebody listens there, perhaps a cloud with a day half driven: take ports of our own.
        os.environ[cloud.PORT_SETTING] = str(cloud.free_base(cloud.PORT_BASE))
        office.connect()
        running = office.local_cloud()
        _say(f"ports     from {running.ports.cloud} on: {cloud.PORT_BASE} is in use")
    try:
        _say(up(options))
        business_date = _date_of(options)
        _say(seed(options))
        _say("")
        driven = stopwatch.monotonic()
        business_day.drive(running, business_date=business_date, tell=_say)
        driven = stopwatch.monotonic() - driven
        found = report.of_day(running, business_date)
        _say("\n" + report.as_text(found))
        _say(f"\nthe day took {driven:.0f} s, all of it {stopwatch.monotonic() - began:.0f} s")
        _say(_addresses() if options.keep else "make demo KEEP=1 leaves it running, to look around")
    finally:
        if not options.keep:
            _say(down(options))
    return 0 if found["proof"]["holds"] else 1


def doctor(options: argparse.Namespace) -> int:
    checks = list(_checks(options.stage))
    for fine, what in checks:
        _say(("ok       " if fine else "WRONG    ") + what)
    return 0 if all(fine for fine, _ in checks) else 1


def _checks(stage: str) -> Iterator[tuple[bool, str]]:
    yield sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} (3.11 or newer)"
    if stage != cloud.STAGE:
        return
    asked = office.local_cloud()
    for name, url in (
        ("cloud", f"{asked.endpoint}/_ministack/health"),
        ("payment platform", f"{asked.payment_url}/_control/health"),
        ("SMS platform", f"{asked.sms_url}/_control/health"),
    ):
        yield _answers(url), f"{name} answers on {url}"
    if not _answers(f"{asked.endpoint}/_ministack/health"):
        return
    found = asked.client("lambda").get_paginator("list_functions").paginate()
    functions = [function for page in found for function in page["Functions"]]
    yield len(functions) > 0, f"{len(functions)} Lambdas deployed"
    dead = {name: count for name, count in dead_letters.held(wiring.client("sqs")).items() if count}
    yield not dead, f"dead letters: {dead or 'none'}"


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=2.0, retries=False).status < 300
    except urllib3.exceptions.HTTPError:
        return False


# --- the business day -------------------------------------------------------------------


def seed(options: argparse.Namespace) -> str:
    business_date = _date_of(options)
    book = sample_book.make(loans=options.loans, seed=options.seed, business_date=business_date)
    says = (
        f"book      {len(book.loans)} loans of"
        f" {len({loan.borrower_id for loan in book.loans})} borrowers,"
        f" {len(book.due())} due or overdue on {business_date}"
    )
    if getattr(options, "dry_run", False):
        return says + f"\nwould go  {sample_book.key(book)}"
    running = office.local_cloud()
    evening = datetime.combine(business_date, datetime.min.time(), wall_clock().tzinfo)
    business_day.set_clock(running, evening - timedelta(hours=4))
    scripts = [
        {"agreement_no": agreement_no, "outcomes": outcomes}
        for agreement_no, outcomes in book.scripts.items()
    ]
    controls.tell(running.payment_url, "scripts", {"scripts": scripts})
    _put(sample_book.key(book), sample_book.loans_csv(book), sample_book.manifest(book))
    business_day.wait_until_quiet(running)
    record = _file_record(sample_book.key(book))
    return f"{says}\nintake    {record}"


def run_day(options: argparse.Namespace) -> str:
    if options.dry_run:
        return "\n".join(
            f"{step.at:%m-%d %H:%M}  {step.name:<14} {step.what}"
            for step in business_day.steps(options.date)
        )
    names = [step.name for step in business_day.steps(options.date)]
    if options.until and options.until not in names:
        raise CommandError(
            f"no job {options.until}; the jobs are {', '.join(dict.fromkeys(names))}"
        )
    running = office.local_cloud()
    business_day.drive(
        running,
        business_date=options.date,
        until=options.until,
        resume=options.resume,
        mutations=tuple(options.mutate),
        tell=_say,
    )
    return "\n" + report.as_text(report.of_day(running, options.date))


def clock(options: argparse.Namespace) -> str:
    standing = wiring.controls().test_clock()
    if options.action == "show":
        return f"{standing or wall_clock():%Y-%m-%d %H:%M:%S %z}" + ("" if standing else " (wall)")
    if options.action == "advance":
        if not options.value.isdigit():
            raise CommandError("advance takes whole minutes, such as: clock advance 15")
        moved = (standing or wall_clock()) + timedelta(minutes=int(options.value))
    else:
        moved = _moment(options.value)
    if not options.dry_run:
        business_day.set_clock(office.local_cloud(), moved)
    return f"{moved:%Y-%m-%d %H:%M:%S %z}"


def drop(options: argparse.Namespace) -> str:
    if not options.file.is_file():
        raise CommandError(f"no such file: {options.file}")
    body = options.file.read_bytes()
    manifest = _manifest(body, options.key, options.amount_column)
    if options.dry_run:
        return f"would put {options.key}\nmanifest  {manifest.decode()}"
    _put(options.key, body, manifest)
    if options.stage == cloud.STAGE:
        business_day.wait_until_quiet(office.local_cloud())
        return (
            f"{options.key}\nmanifest  {manifest.decode()}\noutcome   {_file_record(options.key)}"
        )
    return f"{options.key}\nmanifest  {manifest.decode()}"


AMOUNT_COLUMNS = {"in/loans/": "principal_fen", "in/payment/": "amount_fen"}


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


def switch(options: argparse.Namespace) -> str:
    on = options.command == "pause"
    if not options.dry_run:
        wiring.controls().pause(on=on, by=options.by, at=wall_clock())
    return "no more deductions are sent" if on else "deductions are sent"


# --- looking ----------------------------------------------------------------------------


def runs(options: argparse.Namespace) -> Any:
    business_date = options.date or _now(options.stage).date()
    if options.json:
        return report.of_runs(business_date)
    return report.runs_as_text(report.of_runs(business_date))


def loan(options: argparse.Namespace) -> Any:
    books = wiring.books()
    found = books.loans.get(options.loan_id)
    if found is None:
        raise CommandError(f"no loan {options.loan_id}")
    schedule = books.schedules.get(found.loan_id, found.schedule_version)
    today = _now(options.stage).date()
    dues = loans.owed(
        loan=found, schedule=schedule, product=books.products[found.product], as_of=today
    )
    deductions = list(books.journal.of_loan(found.loan_id))
    if options.json:
        owed = {"as_of": today, "amount": dues.amount, "dpd": dues.dpd, "lines": dues.lines}
        return {"loan": found, "owed": owed, "deductions": deductions, "schedule": schedule}
    return report.loan_as_text(found, schedule, dues, deductions)


def order(options: argparse.Namespace) -> Any:
    try:
        loan_id = facts_of(options.order_no)[2]
    except IllegalOrderNumberError as error:
        raise CommandError(str(error)) from error
    record = wiring.books().journal.find(options.order_no)
    found = wiring.books().loans.get(loan_id)
    slot = found.slot if found and found.slot and found.slot.order_no == options.order_no else None
    if record is None and slot is None:
        raise CommandError(f"no order {options.order_no}: neither in the journal nor in flight")
    if options.json:
        return {"journal": record, "slot": slot}
    return report.order_as_text(options.order_no, record, slot)


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
        now=_now(options.stage),
        desk=wiring.reconciling(),
        files=wiring.files(),
    )
    found = {job: report.of_runs(options.date)[job]}
    return found if options.json else report.runs_as_text(found)


def dlq(options: argparse.Namespace) -> str:
    sqs = wiring.client("sqs")
    if options.queue and options.queue not in dead_letters.QUEUES:
        raise CommandError(f"no queue {options.queue}; there are {', '.join(dead_letters.QUEUES)}")
    held = dead_letters.held(sqs, options.queue)
    if options.action == "redrive" and not options.dry_run:
        moved = {
            name: dead_letters.redrive(sqs, name)
            for name, count in held.items()
            if count and name in dead_letters.REDRIVEN
        }
        return "\n".join(f"{name:<24}{n:>6} put back" for name, n in moved.items()) or "nothing"
    return "\n".join(f"{name:<24}{n:>6}" for name, n in held.items() if n) or "no dead letters"


# --- what they share --------------------------------------------------------------------


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _now(stage: str) -> datetime:
    """Read business time: the test clock's where one may be set."""
    standing = wiring.controls().test_clock() if stage != "prod" else None
    return standing or wall_clock()


def _date_of(options: argparse.Namespace) -> date:
    """Take the date that was given, else tomorrow."""
    given: date | None = options.date
    return given or wall_clock().date() + timedelta(days=1)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"not a time (2026-11-24T08:00:00+08:00): {text!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=SHANGHAI)


def _put(key: str, body: bytes, manifest: bytes) -> None:
    store = wiring.object_store()
    store.write(key, body)
    store.write(f"{key}.ok", manifest)


def _file_record(key: str) -> str:
    records = wiring.files().files.of_key(key)
    if not records:
        return "waiting"
    last = records[-1]
    return f"{last.state}: {last.applied} in, {last.refused} refused"


def _addresses() -> str:
    running = office.local_cloud()
    outputs = running.client("cloudformation").describe_stacks(
        StackName=f"afterloan-{cloud.STAGE}-app"
    )["Stacks"][0]["Outputs"]
    api = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "ApiUrl")
    setting = f"{cloud.PORT_SETTING}={running.ports.cloud} "
    prefix = "" if running.ports.cloud == cloud.PORT_BASE else setting
    return (
        f"API       {api}/v1/health\n"
        f"ledger    {running.payment_url}/_control/ledger\n"
        f"look      {prefix}bin/afterloan runs | loan ID | order NO   (down stops it)"
    )
