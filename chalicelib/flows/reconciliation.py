"""Reconcile a day's bill with the deduction journal, and settle what a rule can settle.

Every bill row and every order of the day ends in one bucket.  Run again, with the same bill or
a later one, it writes what then is true: nothing twice, and what has an explanation now is
resolved.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from chalicelib.domain import reconciliation as matching
from chalicelib.domain.deduction import Deduction, Status, facts_of
from chalicelib.domain.reconciliation import (
    Account,
    BillRow,
    Discrepancy,
    DiscrepancyState,
    Kind,
    LocalOrder,
    Match,
    OrderState,
    day_of,
    paid_on,
)
from chalicelib.domain.run import NONE, Run, Tally
from chalicelib.flows import deduction_round, landing
from chalicelib.flows.file_ports import (
    CloseUnknown,
    Discrepancies,
    Fault,
    SettleFromBill,
    UnusableFileError,
)
from chalicelib.flows.landing import Applied, Batch

CLOSE_JOB = "close"
BILLED_ON = "billed_on"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is reconciled with; `rounds` knows the orders that have no end yet."""

    rounds: deduction_round.Desk
    discrepancies: Discrepancies
    settle_from_bill: SettleFromBill
    close_unknown: CloseUnknown


class PrematureBillError(Exception):
    """The bill's day is not over: what it does not show may still be paid."""


class UntiedTotalsError(Exception):
    """The buckets do not add up to the two sides."""


def job_of(channel: str) -> str:
    """Name the job.

    >>> job_of("main")
    'reconciliation_main'
    """
    return f"reconciliation_{channel}"


def take(*, batch: Batch[BillRow], channel: str, now: datetime, desk: Desk) -> Applied:
    """Reconcile with a bill that has landed; one older than what was reconciled is set aside.

    :raises UnusableFileError: if it is not this day's bill, or the day is closed.
    """
    runs = desk.rounds.runs
    standing = runs.get(batch.business_date, job_of(channel))
    bill = standing.totals.get("bill", {}) if standing else {}
    if bill.get("version", 0) > batch.version:
        return Applied(applied=0, note=f"superseded by version {bill['version']}")
    closed = runs.get(batch.business_date, CLOSE_JOB)
    if closed and closed.is_complete and bill.get("sha256") != batch.sha256:
        # Bytes that nobody has compared yet would change a day that people have closed.
        raise UnusableFileError(Fault(reason="the day is closed: this needs an approval"))
    run(batch=batch, channel=channel, now=now, desk=desk)
    return Applied(applied=batch.rows)


def run(*, batch: Batch[BillRow], channel: str, now: datetime, desk: Desk) -> Run:
    """Put every row and every order in its bucket; safe to repeat.

    :raises PrematureBillError: if the day is not over.
    :raises UnusableFileError: if a row was paid on another day; nothing is concluded then.
    :raises UntiedTotalsError: if the buckets do not add up.
    """
    business_date = batch.business_date
    if business_date >= paid_on(now):
        raise PrematureBillError(batch.key)
    started = desk.rounds.runs.start(business_date=business_date, job=job_of(channel), at=now)
    sheet = _Sheet(batch=batch, channel=channel, now=now, desk=desk)
    account = sheet.match()
    strays = sheet.strays(account.findings)
    settled = [_settle(found, now, desk) for found in account.findings]
    settled += [_settle(found, now, desk) for found in sheet.stray_findings(strays)]
    if any(settled) or strays:
        account = sheet.match(strays)
    findings = [sheet.tried_elsewhere(found) for found in account.findings]
    _write(findings=findings, batch=batch, channel=channel, now=now, desk=desk)
    return sheet.complete(started, account)


def again(
    *, business_date: date, channel: str, now: datetime, desk: Desk, files: landing.Desk
) -> Run | None:
    """Reconcile once more with the bill that was last taken; None if there is none to read."""
    standing = desk.rounds.runs.get(business_date, job_of(channel))
    if standing is None or "bill" not in standing.totals:
        return None
    try:
        batch = landing.reopen(key=standing.totals["bill"]["key"], desk=files)
    except KeyError:
        return None
    return run(batch=batch, channel=channel, now=now, desk=desk)


def unresolved(*, business_date: date, channel: str, desk: Desk) -> Sequence[Discrepancy]:
    """List what keeps the day open."""
    return [
        discrepancy
        for discrepancy in desk.discrepancies.of_day(business_date, channel)
        if not discrepancy.is_resolved
    ]
