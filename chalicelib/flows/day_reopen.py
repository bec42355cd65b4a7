"""Open a closed day again: one person asks and says why, a second one lets it.

What was closed stays in the run's totals, and in what was written of it; the day is closed anew once
nothing of it is open, and counts how often that has been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.domain.discrepancy_life import TEXT_MAX, StepRefusedError
from chalicelib.domain.run import Run
from chalicelib.flows import audit, landing
from chalicelib.flows.discrepancy_ports import AuditTrail
from chalicelib.flows.ports import LandedMessage, Queue, Runs

JOB = "close"

RULES = {
    "not_closed": "the day is not closed",
    "not_asked": "nobody has asked to reopen this day",
    "asked_already": "somebody else has asked to reopen this day",
    "maker_is_checker": "whoever asked for it cannot approve it",
    "reason_missing": "a reason of 1 to 1000 characters is needed",
}
"""Why a day is not reopened; the names are stable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is reopened with; under `bill_folders` lie the bills of all channels."""

    runs: Runs
    trail: AuditTrail
    files: landing.Desk
    landed: Queue[LandedMessage]
    bill_folders: Sequence[str] = ()


def ask(*, business_date: date, reason: str, by: str, now: datetime, desk: Desk) -> Run:
    """Ask for a closed day to be reopened; the same person again asks anew.

    :raises StepRefusedError: if it is not closed, or somebody else has asked.
    """
    run = _closed(business_date, desk)
    rule = ""
    if not 0 < len(reason.strip()) <= TEXT_MAX:
        rule = "reason_missing"
    elif run is None:
        rule = "not_closed"
    elif run.is_asked and run.asked["by"] != by:
        rule = "asked_already"
    _note(business_date, verb="ask_reopening", rule=rule, by=by, now=now, desk=desk, reason=reason)
    asked = {"by": by, "at": now.isoformat(), "reason": reason}
    if not desk.runs.ask_reopening(business_date=business_date, job=JOB, asked=asked):
        raise _refused("asked_already")  # or it was reopened in the meantime
    return _run(business_date, desk)


def approve(*, business_date: date, by: str, now: datetime, desk: Desk) -> Run:
    """Reopen it as a second person, and have the bills taken that came for it when it was closed.

    Of a day that is reopened already it goes on with the bills: whoever died before them is followed.

    :raises StepRefusedError: if nobody has asked, or the same person.
    """
    run = desk.runs.get(business_date, JOB)
    rule = ""
    if run is None or not (run.is_asked or run.reopened):
        rule = "not_asked"
    elif run.asked.get("by") == by:
        rule = "maker_is_checker"
    elif run.is_complete and not run.is_asked:
        rule = "not_asked"
    _note(business_date, verb="reopen", rule=rule, by=by, now=now, desk=desk)
    desk.runs.reopen(business_date=business_date, job=JOB)
    _readmit_bills(business_date, desk)
    return _run(business_date, desk)


def reopen(*, business_date: date, reason: str, by: str, now: datetime, desk: Desk) -> bool:
    """Reopen a closed day that an open discrepancy shows not to be at its end; False if it is open.

    Nobody has to approve it: nothing is written by it that a person would not have to decide.
    """
    if _closed(business_date, desk) is None:
        return False
    _note(business_date, verb="reopen", rule="", by=by, now=now, desk=desk, reason=reason)
    return desk.runs.reopen(business_date=business_date, job=JOB)


def subject_of(business_date: date) -> str:
    """Name the day in the audit trail."""
    return f"day/{business_date.isoformat()}"


def _readmit_bills(business_date: date, desk: Desk) -> None:
    for folder in desk.bill_folders:
        keys = landing.readmit(folder=f"{folder}/{business_date:%Y%m%d}/", desk=desk.files)
        desk.landed.put(LandedMessage(key=key) for key in keys)


def _note(
    business_date: date,
    *,
    verb: str,
    rule: str,
    by: str,
    now: datetime,
    desk: Desk,
    reason: str = "",
) -> None:
    """Write down what somebody does, or is refused."""
    audit.note(
        subject=subject_of(business_date),
        at=now,
        by=by,
        verb=verb,
        outcome=audit.REFUSED if rule else audit.DONE,
        facts={"rule": rule} if rule else {"reason": reason},
        trail=desk.trail,
    )
    if rule:
        raise _refused(rule)


def _closed(business_date: date, desk: Desk) -> Run | None:
    run = desk.runs.get(business_date, JOB)
    return run if run is not None and run.is_complete else None


def _run(business_date: date, desk: Desk) -> Run:
    run = desk.runs.get(business_date, JOB)
    if run is None:
        raise _refused("not_closed")
    return run


def _refused(rule: str) -> StepRefusedError:
    return StepRefusedError(rule, RULES[rule])
