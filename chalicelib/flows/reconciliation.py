"""Reconcile a day's bill with the deduction journal, and settle what a rule can settle.

Every bill row and every order of the day ends in one bucket.  Run again, with the same bill or
a later one, it writes what is true by then: nothing twice, and what has found its explanation
is resolved.  Two rules settle by themselves, and a record of the journal they made says so:

* post_what_the_bill_shows_paid: an unknown order that is billed, to the fen.
* close_what_the_bill_does_not_show: an unknown order that a complete bill lacks; the platform
  has the last word.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from chalicelib.domain.bill_account import Account, by_rule, by_state
from chalicelib.domain.deduction import facts_of
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState, discrepancies
from chalicelib.domain.reconciliation import (
    BillRow,
    Kind,
    LocalOrder,
    Match,
    day_of,
    judge,
    paid_on,
)
from chalicelib.domain.run import Run, Tally, sum_of
from chalicelib.flows import deduction_round, discrepancy, landing, our_orders
from chalicelib.flows.active_orders import ActiveOrders
from chalicelib.flows.file_ports import (
    CloseUnknown,
    Discrepancies,
    HoldLoan,
    RefusedFileError,
    SettleFromBill,
)
from chalicelib.flows.landing import Applied, Batch
from chalicelib.flows.reconciliation_ports import (
    BillMatcher,
    EndedOrders,
    RowByRow,
    UntiedTotalsError,
)

CLOSE_JOB = "close"
BILLED_ON = "billed_on"


CLOSES_MAX = 100
"""How many unknown orders one pass closes at the platform; the close of day passes each hour."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is reconciled with.

    `rounds` and `active_orders` know the orders that have no end yet; `ended` reads the journal's
    own side by side, without it they are read one after the other.
    """

    rounds: deduction_round.Desk
    active_orders: ActiveOrders
    discrepancies: Discrepancies
    settle_from_bill: SettleFromBill
    close_unknown: CloseUnknown
    hold: HoldLoan
    lift: HoldLoan
    matcher: BillMatcher = field(default_factory=RowByRow)
    ended: EndedOrders | None = None


class PrematureBillError(Exception):
    """The bill's day is not over: what it does not show may still be paid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sheet:
    """One bill on the desk."""

    batch: Batch[BillRow]
    channel: str
    now: datetime
    desk: Desk


def job_of(channel: str) -> str:
    """Name the job.

    >>> job_of("main")
    'reconciliation_main'
    """
    return f"reconciliation_{channel}"


def take(
    *, batch: Batch[BillRow], channel: str, now: datetime, desk: Desk, files: landing.Desk
) -> Applied:
    """Reconcile with a bill that has landed; one older than what was reconciled is set aside.

    :raises UnusableFileError: if it is not this day's bill.
    :raises RefusedFileError: if the day is closed; once it is reopened, the bill is taken.
    """
    sheet = _Sheet(batch=batch, channel=channel, now=now, desk=desk)
    if not _overtaken(sheet):
        run(batch=batch, channel=channel, now=now, desk=desk)
    # Asked again: a newer bill, or the close of the day, may have come while this one was worked.
    if overtaken := _overtaken(sheet):
        # Overtaken between its last look and its writing, it has found what is none any more.
        again(business_date=batch.business_date, channel=channel, now=now, desk=desk, files=files)
        version = max(overtaken.claimed, overtaken.totals.get("bill", {}).get("version", 0))
        if version > batch.version:
            return Applied(applied=0, note=f"superseded by version {version}")
        raise RefusedFileError("the day is closed: another bill needs an approval")
    return Applied(applied=batch.rows)


def run(*, batch: Batch[BillRow], channel: str, now: datetime, desk: Desk) -> Run:
    """Put every row and every order in its bucket; safe to repeat.

    :raises PrematureBillError: if the day is not over.
    :raises UnusableFileError: if a row was paid on another day; nothing is concluded then.
    :raises UntiedTotalsError: if the buckets do not add up.
    """
    if batch.business_date >= paid_on(now):
        raise PrematureBillError(batch.key)
    sheet = _Sheet(batch=batch, channel=channel, now=now, desk=desk)
    account = _compared(sheet)
    if not _claimed(sheet):
        return sheet.desk.rounds.runs.start(
            business_date=batch.business_date, job=job_of(channel), at=now
        )
    account = _judged_again(account, _strays(account.findings, desk), sheet)
    to_close = [found for found in account.findings if found.shows_unknown_unpaid]
    left_for_later = {id(found) for found in to_close[CLOSES_MAX:]}
    settled = [
        found.order_no
        for found in account.findings
        if id(found) not in left_for_later and _settle(found, now=now, desk=desk)
    ]
    read_again = (our_orders.find(order_no, desk.rounds.books) for order_no in settled)
    account = _judged_again(account, filter(None, read_again), sheet)
    _check_ties(account, batch)
    if overtaken := _overtaken(sheet):
        return overtaken
    _write_discrepancies([_tried_elsewhere(found, sheet) for found in account.findings], sheet)
    return _complete(account, sheet)


def is_current(run: Run | None) -> bool:
    """Whether a date is reconciled, and with the latest bill that anybody has begun to work."""
    if run is None or not run.is_complete:
        return False
    return run.claimed in {0, run.totals.get("bill", {}).get("version", 0)}


def _claimed(sheet: _Sheet) -> bool:
    """Say that the date is worked with this bill, before anything is written; False if too late."""
    runs, batch = sheet.desk.rounds.runs, sheet.batch
    job = job_of(sheet.channel)
    runs.start(business_date=batch.business_date, job=job, at=sheet.now)
    return runs.claim(business_date=batch.business_date, job=job, version=batch.version)


def _overtaken(sheet: _Sheet) -> Run | None:
    """Find what a newer bill, or the close of the day, wrote while this one was worked."""
    runs, batch = sheet.desk.rounds.runs, sheet.batch
    standing = runs.get(batch.business_date, job_of(sheet.channel))
    bill = standing.totals.get("bill", {}) if standing else {}
    closed = runs.get(batch.business_date, CLOSE_JOB)
    is_newer = max(bill.get("version", 0), standing.claimed if standing else 0) > batch.version
    is_closed = bool(closed and closed.is_complete) and bill.get("sha256") != batch.sha256
    return standing if is_newer or is_closed else None


def again(
    *, business_date: date, channel: str, now: datetime, desk: Desk, files: landing.Desk
) -> Run | None:
    """Reconcile once more with the bill that was taken last; None if there is none to read."""
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
    standing = desk.discrepancies.of_day(business_date, channel)
    return [each for each in standing if not each.is_resolved]


# --- the two sides ----------------------------------------------------------------------


def _compared(sheet: _Sheet) -> Account:
    """Hold the bill against the orders as they are now."""
    business_date, desk = sheet.batch.business_date, sheet.desk
    orders = our_orders.of_day(
        business_date=business_date,
        rounds=desk.rounds,
        active_orders=desk.active_orders,
        ended=desk.ended,
        corrected=our_orders.handled(desk.discrepancies.of_day(business_date, sheet.channel)),
    )
    return desk.matcher.compare(
        batch=sheet.batch,
        orders=orders,
        business_date=business_date,
        billed_elsewhere=_billed_elsewhere(sheet),
    )


def _judged_again(account: Account, orders: Iterable[LocalOrder], sheet: _Sheet) -> Account:
    """Judge some findings once more, by their orders as they are by now."""
    return account.judged_again(
        orders=orders,
        business_date=sheet.batch.business_date,
        billed_elsewhere=_billed_elsewhere(sheet),
    )


def _strays(findings: Iterable[Match], desk: Desk) -> Sequence[LocalOrder]:
    """Find the unknown orders among rows that we seem not to have: nothing of the day names them."""
    order_nos = [found.order_no for found in findings if found.kind is Kind.MISSING_HERE]
    books = desk.rounds.books
    return [order for no in order_nos if day_of(no) and (order := our_orders.find(no, books))]


# --- what rules settle ------------------------------------------------------------------


def _settle(found: Match, *, now: datetime, desk: Desk) -> bool:
    """Do what a rule says of an unknown order; tell whether one had something to say."""
    if found.row and found.shows_unknown_paid:
        desk.settle_from_bill(
            order_no=found.row.order_no,
            trade_no=found.row.trade_no,
            amount=found.row.amount,
            paid_at=found.row.paid_at,
            now=now,
        )
        return True
    if found.shows_unknown_unpaid:
        desk.close_unknown(order_no=found.order_no, now=now)
        return True
    return False


def _tried_elsewhere(found: Match, sheet: _Sheet) -> Match:
    """Try a row of another day's order against that day; what agrees there is explained."""
    if found.kind is not Kind.CROSS_DAY or found.row is None:
        return found
    there = _judged_elsewhere(found.row, sheet.desk)
    if _settle(there, now=sheet.now, desk=sheet.desk):
        there = _judged_elsewhere(found.row, sheet.desk)
    if there.kind is not Kind.MATCHED:
        return replace(found, order=there.order, note=there.note or there.kind)
    if not _explain(there, sheet):
        return replace(found, note="billed_on_its_own_day_too")
    return replace(found, explained=True)


def _judged_elsewhere(row: BillRow, desk: Desk) -> Match:
    order_day = facts_of(row.order_no)[0]
    return judge(
        row=row, order=our_orders.find(row.order_no, desk.rounds.books), business_date=order_day
    )


def _billed_elsewhere(sheet: _Sheet) -> frozenset[str]:
    standing = sheet.desk.discrepancies.of_day(sheet.batch.business_date, sheet.channel)
    return frozenset(each.order_no for each in standing if BILLED_ON in each.facts)


def _explain(found: Match, sheet: _Sheet) -> bool:
    """Write into the order's own day that it is billed on ours; False if its bill had it, too."""
    order_day, desk = facts_of(found.order_no)[0], sheet.desk
    standing = {
        each.kind: each
        for each in desk.discrepancies.of_day(order_day, sheet.channel)
        if each.order_no == found.order_no and discrepancy.is_unbilled(each)
    }
    reconciled = desk.rounds.runs.get(order_day, job_of(sheet.channel))
    if reconciled and reconciled.is_complete and not standing:
        return False
    billed_on = sheet.batch.business_date.isoformat()
    pooled = standing.pop(Kind.CROSS_DAY, None) or Discrepancy(
        business_date=order_day,
        channel=sheet.channel,
        kind=Kind.CROSS_DAY,
        order_no=found.order_no,
        opened_at=sheet.now,
        here=found.order.amount if found.order else None,
        there=found.row.amount if found.row else None,
    )
    if BILLED_ON not in pooled.facts:
        standing[Kind.CROSS_DAY] = replace(
            pooled,
            state=DiscrepancyState.OPEN,
            facts={**pooled.facts, BILLED_ON: billed_on},
        )
    for each in standing.values():
        if not each.is_resolved:
            discrepancy.resolve(
                each, reason=f"billed on {billed_on}", now=sheet.now, keeper=sheet.desk
            )
    return True


# --- what is written --------------------------------------------------------------------


def _write_discrepancies(findings: Iterable[Match], sheet: _Sheet) -> None:
    batch = sheet.batch
    found = discrepancies(
        findings=findings, business_date=batch.business_date, channel=sheet.channel, at=sheet.now
    )
    discrepancy.write(
        found=found,
        standing=sheet.desk.discrepancies.of_day(batch.business_date, sheet.channel),
        gone=f"not found again with version {batch.version} of the bill",
        now=sheet.now,
        keeper=sheet.desk,
    )


def _check_ties(account: Account, batch: Batch[BillRow]) -> None:
    there = sum_of(account.there.values())
    here = sum_of(account.here.values())
    if there != Tally(count=batch.rows, amount=batch.amount):
        raise UntiedTotalsError(f"{batch.key}: buckets hold {there} of the bill")
    if here != account.orders.moved:
        raise UntiedTotalsError(f"{batch.key}: buckets hold {here} of the journal")


def _complete(account: Account, sheet: _Sheet) -> Run:
    batch, runs = sheet.batch, sheet.desk.rounds.runs
    started = runs.start(business_date=batch.business_date, job=job_of(sheet.channel), at=sheet.now)
    totals = {
        "bill": {
            "key": batch.key,
            "sha256": batch.sha256,
            "version": batch.version,
            "rows": batch.rows,
            "amount_fen": batch.amount.fen,
        },
        "journal": by_state(account.orders),
        "classes": account.as_facts(),
        "rules": by_rule(account.orders),
        "open": len(
            unresolved(business_date=batch.business_date, channel=sheet.channel, desk=sheet.desk)
        ),
        "ties": True,
    }
    done = replace(started, totals=totals, claimed=batch.version)
    if not started.is_complete:
        done = done.completed(at=sheet.now, totals=totals)
    runs.put_totals(done)
    return done
