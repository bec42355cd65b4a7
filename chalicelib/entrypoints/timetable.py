"""The business day, in clock order.  Crons are UTC; Shanghai is UTC+8 all year round."""

from chalice.app import Blueprint, CloudWatchEvent, Cron

from chalicelib import wiring, wiring_assistance
from chalicelib.adapters.telemetry import count
from chalicelib.entrypoints.boundary import boundary, scheduled_at
from chalicelib.flows import day_close, deduction_round, due_list, notices
from chalicelib.flows import sweep as sweeping
from chalicelib.flows import watch as watching

bp = Blueprint(__name__)


@bp.schedule(Cron(10, 16, "*", "*", "?", "*"))  # 00:10
@boundary
def make_due_list(event: CloudWatchEvent) -> str:
    """List who owes what today."""
    at = scheduled_at(event)
    return due_list.make(business_date=at.date(), now=at, desk=wiring.mornings()).state


@bp.schedule(Cron(0, 0, "*", "*", "?", "*"))  # 08:00
@boundary
def open_round_1(event: CloudWatchEvent) -> str:
    """Deduct what is on the list."""
    at = scheduled_at(event)
    return deduction_round.start(
        business_date=at.date(), round_no=1, now=at, desk=wiring.rounds()
    ).state


@bp.schedule(Cron("0/5", "0-13", "*", "*", "?", "*"))  # every 5 minutes, 08:00 to 21:55
@boundary
def release_texts(event: CloudWatchEvent) -> int:
    """Send the texts whose time has come."""
    return notices.release(now=scheduled_at(event), desk=wiring_assistance.texts())


@bp.schedule(Cron(0, 8, "*", "*", "?", "*"))  # 16:00
@boundary
def open_round_2(event: CloudWatchEvent) -> str:
    """Deduct a second time from those that failed and may be tried again today."""
    at = scheduled_at(event)
    return deduction_round.start(
        business_date=at.date(), round_no=2, now=at, desk=wiring.rounds()
    ).state


@bp.schedule(Cron("0/15", "*", "*", "*", "?", "*"))  # every quarter of an hour
@boundary
def sweep(event: CloudWatchEvent) -> dict[str, object]:
    """Take up whatever was left undone."""
    report = sweeping.run(now=scheduled_at(event), desk=wiring_assistance.sweeps())
    count("UnknownOrders", report.unknown)
    count("UnsplitOrders", report.unsplit)
    count("WaitingDues", report.waiting)
    return {
        "unknown": report.unknown,
        "unsplit": report.unsplit,
        "waiting": report.waiting,
        "started": report.started,
        "held_up": report.held_up,
        "written": report.written,
        "brought": report.brought,
    }


@bp.schedule(Cron(0, "3-10", "*", "*", "?", "*"))  # hourly, 11:00 to 18:00
@boundary
def close_day(event: CloudWatchEvent) -> dict[str, tuple[str, ...]]:
    """Close the days of which nothing is open, and say what keeps the others open."""
    closings = day_close.close_all(now=scheduled_at(event), desk=wiring_assistance.closings())
    count("Discrepancies", sum(closing.discrepancies for closing in closings))
    return {closing.business_date.isoformat(): closing.open for closing in closings}


@bp.schedule(Cron(40, "*", "*", "*", "?", "*"))  # hourly, at :40
@boundary
def watch(event: CloudWatchEvent) -> tuple[str, ...]:
    """Say what is late or missing."""
    late = watching.late(now=scheduled_at(event), desk=wiring.watches())
    count("Late", len(late))
    count("BillMissing", sum("reconciliation" in job for job in late))
    count("OpenDifferences", sum(watching.OPEN_DISCREPANCIES in job for job in late))
    count("DueFileMissing", sum("funder_due" in job for job in late))
    return late
