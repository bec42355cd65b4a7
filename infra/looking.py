"""Commands that look: what the jobs of a date did, one loan, one order, dead letters."""

import argparse
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from chalicelib import wiring, wiring_assistance, wiring_operations
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import (
    NO_ROUND,
    Answer,
    Deduction,
    IllegalOrderNumberError,
    Skip,
    facts_of,
    order_no_of,
)
from chalicelib.domain.discrepancy import IllegalReferenceError
from chalicelib.domain.loan import Loan
from chalicelib.entrypoints.operations_models import DiscrepancyBody, DiscrepancyDetailBody
from chalicelib.flows import audit, borrower_loans, discrepancy_life
from chalicelib.settings import settings
from infra import files
from infra.local import (
    closed_day,
    dead_letters,
    report,
    wording,
)
from infra.local.office import CommandError, business_now

DAYS_BACK = 30
SKIPS_OF_DAYS = 3
OURS = "the platform"


def runs(options: argparse.Namespace) -> Any:
    today = business_now(options.stage).date()
    business_date = options.date or _last_with_runs(today)
    if options.json:
        return report.of_runs(business_date)
    told = f"{business_date}\n{wording.runs_as_text(report.of_runs(business_date))}"
    # A file that failed has no run: it would not be missed here.
    left = files.untaken(business_date)
    return "\n".join([told, *(["files not taken"] if left else []), *files.as_lines(left)])


def day_report(options: argparse.Namespace) -> Any:
    found = closed_day.report_of(options.date)
    return found if options.json else closed_day.report_as_text(found)


def vouchers(options: argparse.Namespace) -> Any:
    found = closed_day.vouchers_of(options.date)
    return found if options.json else closed_day.vouchers_as_text(options.date, found)


def _last_with_runs(today: date) -> date:
    """Go back to the last date that something ran for: on a morning, that is yesterday."""
    days = (today - timedelta(days=ago) for ago in range(DAYS_BACK))
    return next((day for day in days if report.of_runs(day)), today)


def loan(options: argparse.Namespace) -> Any:
    books = wiring.books()
    found = books.loans.get(options.loan_id)
    if found is None:
        raise CommandError(f"no loan {options.loan_id}")
    schedule = borrower_loans.whole_schedule(loan=found, schedules=books.schedules)
    today = business_now(options.stage).date()
    dues = loans.owed(
        loan=found, schedule=schedule, product=books.products[found.product], as_of=today
    )
    deductions, skips = list(books.journal.of_loan(found.loan_id)), _skips(found, today)
    if options.json:
        owed = {"as_of": today, "amount": dues.amount, "dpd": dues.dpd, "lines": dues.lines}
        return {
            "loan": found,
            "owed": owed,
            "deductions": deductions,
            "skips": skips,
            "schedule": schedule,
        }
    return wording.loan_as_text(found, schedule, dues, deductions, skips)


def _skips(found: Loan, today: date) -> Sequence[Skip]:
    """Find why the loan was left out of the rounds of the last days, the latest first."""
    order_nos = (
        order_no_of(
            business_date=today - timedelta(days=ago), round_no=round_no, loan_id=found.loan_id
        )
        for ago in range(SKIPS_OF_DAYS)
        for round_no in range(len(settings().round_at), NO_ROUND, -1)
    )
    records = map(wiring.books().journal.find, order_nos)
    return [record for record in records if isinstance(record, Skip)]


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
    who, answer = _answer(options.order_no, record, found)
    if options.json:
        return {"journal": record, "slot": slot, "platform": answer}
    return wording.order_as_text(options.order_no, record, slot, who, answer)


def _answer(
    order_no: str, record: Deduction | Skip | None, found: Loan | None
) -> tuple[str, Answer | None]:
    """Ask whoever was sent the order, and name him; None if it was sent to nobody."""
    if isinstance(record, Skip):
        return OURS, None
    if found is None or not found.mode.funder_deducts:
        return OURS, wiring.payment_platform().ask(order_no)
    # A round of its own a funder tells in its results; only what a borrower wished was sent to it.
    is_sent = facts_of(order_no)[1] == NO_ROUND
    platform = wiring_assistance.funder_platform(found.funder_id) if is_sent else None
    return found.funder_id, platform.ask(order_no) if platform else None


def discrepancies(options: argparse.Namespace) -> Any:
    desk = wiring_operations.discrepancies()
    today = business_now(options.stage).date()
    if options.action == "show":
        return _discrepancy(options.reference, today)
    found = (
        desk.discrepancies.of_day(options.date, options.channel)
        if options.date
        else tuple(discrepancy_life.of_open(desk))
    )
    if options.json:
        return [DiscrepancyBody.facts_of(each, today) for each in found]
    return "\n".join(
        f"{each.reference}  {each.business_date} {each.channel}  {each.discrepancy_id}"
        f"  {each.state}  {each.age_days(today)} d  {each.handling.owner or '-'}"
        for each in found
    ) or ("none on this date" if options.date else "none is open")


def _discrepancy(reference: str, today: date) -> Any:
    desk = wiring_operations.discrepancies()
    try:
        each = discrepancy_life.find(reference=reference, desk=desk)
    except (IllegalReferenceError, discrepancy_life.NoSuchDiscrepancyError) as error:
        raise CommandError(f"no discrepancy {reference!r}") from error
    subject = discrepancy_life.subject_of(each)
    return {
        **DiscrepancyDetailBody.of(each, today=today).model_dump(mode="json"),
        "audit": list(desk.trail.of_subject(subject)),
        "audit_broken_at": audit.verify(subject=subject, trail=desk.trail),
    }


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
    lines = [f"{name:<24}{n:>6}" for name, n in held.items() if n]
    if options.queue:
        lines += [f"  {body}" for body in dead_letters.peek(sqs, options.queue)]
    return "\n".join(lines) or "no dead letters"
