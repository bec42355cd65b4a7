"""Commands that bring the local cloud up and drive a business day on it."""

import argparse
import os
import sys
import time as stopwatch
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice

import urllib3

from chalicelib import wiring
from chalicelib.adapters.dynamodb.controls import PAUSE_SEEN_SECONDS
from chalicelib.adapters.wall_clock import SHANGHAI, wall_clock
from chalicelib.flows import borrower_loans
from chalicelib.settings import settings
from infra.files import file_record
from infra.local import (
    business_day,
    cloud,
    dead_letters,
    office,
    report,
    sample_book,
)
from infra.local.deployment import deploy_locally
from infra.local.office import CommandError


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
    if cloud.PORT_SETTING not in os.environ:
        base = cloud.reserve_base(cloud.PORT_BASE)
        if base != cloud.PORT_BASE:
            # Somebody listens there, perhaps a cloud with a day half driven: take our own ports.
            os.environ[cloud.PORT_SETTING] = str(base)
            office.connect()
            running = office.local_cloud()
            _say(f"ports     from {base} on: {cloud.PORT_BASE} is in use")
    elif office.answers():
        raise CommandError(
            f"a local cloud runs on port {running.ports.cloud} already: `bin/afterloan down` first,"
            f" or another {cloud.PORT_SETTING}"
        )
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
    return 0 if found["proof"]["holds"] and found["is_closed"] else 1


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
        ("funder", f"{asked.funder_url}/_control/health"),
        ("issuer of tokens", f"{asked.issuer_url}/_control/health"),
    ):
        is_there = _answers(url)
        yield is_there, f"{name} answers on {url}" if is_there else f"no answer of {name} on {url}"
    if not _answers(f"{asked.endpoint}/_ministack/health"):
        _say("         start what is missing with `bin/afterloan up`")
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


def seed(options: argparse.Namespace) -> str:
    business_date = _date_of(options)
    books = sample_book.make_all(
        loans=options.loans, seed=options.seed, business_date=business_date
    )
    says = "\n".join(_book_as_text(book) for book in books)
    if getattr(options, "dry_run", False):
        return says + "".join(f"\nwould go  {sample_book.key(book)}" for book in books)
    running = office.local_cloud()
    evening = datetime.combine(business_date, datetime.min.time(), wall_clock().tzinfo)
    business_day.set_clock(running, evening - timedelta(hours=4))
    for book in books:
        business_day.land(running, book)
    business_day.wait_until_quiet(running)
    taken = [file_record(sample_book.key(book)) for book in books]
    return "\n".join([says, *(f"intake    {record}" for record in taken)])


def _book_as_text(book: sample_book.SampleBook) -> str:
    lender = f"{book.lender.mode} {book.lender.funder_id}".strip()
    return (
        f"book      {lender:<19} {len(book.loans):>4} loans of"
        f" {len({loan.borrower_id for loan in book.loans})} borrowers,"
        f" {len(book.due())} due or overdue on {book.business_date}"
    )


def run_day(options: argparse.Namespace) -> str:
    if options.dry_run:
        return "\n".join(
            f"{step.at:%m-%d %H:%M}  {step.name:<15} {step.what}"
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


def switch(options: argparse.Namespace) -> str:
    on = options.command == "pause"
    if options.dry_run:
        return f"would turn the pause switch {'on' if on else 'off'}"
    wiring.controls().pause(on=on, by=options.by, at=wall_clock())
    says = "no more deductions are sent" if on else "deductions are sent again"
    return f"{says}: every worker has seen it within {PAUSE_SEEN_SECONDS} s"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


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


def _addresses() -> str:
    running = office.local_cloud()
    api = office.api_url(cloud.STAGE)
    setting = f"{cloud.PORT_SETTING}={running.ports.cloud} "
    prefix = "" if running.ports.cloud == cloud.PORT_BASE else setting
    return (
        f"API={api}\n"
        f"page      {api}/m/enter?token={_link_token()}\n"
        "          (a borrower's page, signed in for 15 minutes;"
        f" {prefix}bin/afterloan link --borrower B makes another)\n"
        f"ledger    {running.payment_url}/_control/ledger\n"
        f"look      {prefix}bin/afterloan runs | loan ID | order NO   (down stops it)"
    )


def _link_token() -> str:
    """Sign in somebody whose page has something to show: several loans, of which some can be paid."""
    desk, now = wiring.repayments(), office.business_now(cloud.STAGE)
    today = now.date() - timedelta(days=1)
    listed = (
        line.borrower_id
        for shard in range(settings().agenda_shards)
        for line in wiring.due_lists().read(business_date=today, round_no=1, shard=shard)
    )
    views = {
        borrower_id: borrower_loans.loans_of(borrower_id=borrower_id, now=now, desk=desk)
        for borrower_id in islice(listed, 40)
    }
    payable = {who: sum(bool(view.kinds) for view in loans) for who, loans in views.items()}
    return wiring.page_tokens().link(max(payable, key=lambda who: payable[who]), now=wall_clock())
