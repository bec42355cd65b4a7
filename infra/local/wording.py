"""Runs, loans and orders in words: in 笔 and 元."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.deduction import Answer, Deduction, Skip
from chalicelib.domain.due import Due
from chalicelib.domain.loan import Loan, Schedule, Slot
from chalicelib.domain.money import Money
from chalicelib.flows import borrower_loans

OF_FUNDERS = ("funder_", "results_", "assisted_day_")
"""Jobs of files between a funder and us begin so."""

UNTOLD = frozenset(("key", "sha256", "lines", "differing_bps", "ties"))
"""Facts of a run that say little to people."""


def runs_as_text(runs: Mapping[str, Any]) -> str:
    """Write the runs of a date, in the order they started."""
    if not runs:
        return "no runs on this date"
    ordered = sorted(runs.items(), key=lambda item: item[1]["started_at"])
    return "\n".join(line for job, run in ordered for line in _run_lines(job, run))


def _run_lines(job: str, run: Mapping[str, Any]) -> list[str]:
    totals = run["totals"]
    lines = [f"{job}  {run['state']}"]
    if "modes" in totals:
        lines += [
            row_as_text(mode, tally_as_text(tally)) for mode, tally in totals["modes"].items()
        ]
        lines.append(row_as_text("reminders", f"{totals['reminders']:>6} 笔"))
        lines += [row_as_text("left out", loan_id) for loan_id in totals["left_out"]]
        lines += [
            row_as_text(f"stage {name} from today", f"{n:>6} 笔")
            for name, n in totals["stage_moves"].items()
        ]
    elif "due" in totals:
        lines.append(row_as_text("due", tally_as_text(totals["due"])))
        lines.append(row_as_text("succeeded", tally_as_text(totals["succeeded"])))
        for code, tally in totals["failed"].items():
            lines.append(row_as_text(f"failed {code}", tally_as_text(tally)))
        lines.append(row_as_text("unknown", tally_as_text(totals["unknown"])))
        for reason, tally in totals["skipped"].items():
            lines.append(row_as_text(f"skipped {reason}", tally_as_text(tally)))
        if totals["waiting"]["count"]:
            lines.append(row_as_text("waiting", tally_as_text(totals["waiting"])))
        lines.append(
            row_as_text("", "the totals tie" if totals["ties"] else "THE TOTALS DO NOT TIE")
        )
    elif "classes" in totals:
        bill = totals["bill"]
        lines.append(
            row_as_text(
                f"bill version {bill['version']}", tally_as_text({"count": bill["rows"], **bill})
            )
        )
        lines += [
            row_as_text(f"journal {name}", tally_as_text(t))
            for name, t in totals["journal"].items()
        ]
        lines += [
            row_as_text(
                name, f"{max(t['rows'], t['orders']):>6} 笔 {Money(t['there_fen'])!s:>16} 元 there"
            )
            for name, t in totals["classes"].items()
        ]
        lines += [
            row_as_text(name.replace("_", " "), f"{n:>6} 笔") for name, n in totals["rules"].items()
        ]
        lines.append(row_as_text("open", f"{totals['open']:>6} 笔"))
        lines.append(
            row_as_text("", "the totals tie" if totals["ties"] else "THE TOTALS DO NOT TIE")
        )
    elif job.startswith(OF_FUNDERS):
        lines[0] = f"{lines[0]}  {', '.join(_in_words(totals))}".rstrip()
    return lines


def _in_words(facts: Mapping[str, Any]) -> Iterator[str]:
    """Tell what a funder's file or day came to, on one line; what is nothing is left out."""
    for name, fact in facts.items():
        if name in UNTOLD or not fact:
            continue
        if isinstance(fact, Mapping):
            yield from [f"{name} {_in_short(fact)}"] if "count" in fact else _in_words(fact)
        elif name.endswith("_fen"):
            yield f"{name.removesuffix('_fen')} {Money(fact)} 元"
        else:
            yield f"{name} {fact}"


def _in_short(tally: Mapping[str, int]) -> str:
    return f"{tally['count']} 笔 {Money(tally['amount_fen'])} 元"


def tally_as_text(tally: Mapping[str, int]) -> str:
    """Write a number of orders and their amount."""
    return f"{tally['count']:>6} 笔 {Money(tally['amount_fen'])!s:>16} 元"


def row_as_text(name: str, value: str) -> str:
    """Write one row of a report."""
    return f"  {name:<34} {value}"


def loan_as_text(
    loan: Loan,
    schedule: Schedule,
    dues: Due,
    payments: Sequence[Deduction],
    skips: Sequence[Skip] = (),
) -> str:
    """Write one loan; `schedule` is the whole of it, what it was before it was cut again too."""
    slot = f"{loan.slot.order_no}, {loan.slot.amount} 元" if loan.slot else "free"
    settled_from = borrower_loans.settled_ahead_from(payments)
    unpaid = sum(row.number >= loan.position.instalment_no for row in schedule)
    lines = [
        f"{loan.loan_id}  {loan.status}  {loan.mode}  {loan.product}  borrower {loan.borrower_id}",
        row_as_text(
            "principal",
            f"{loan.principal} 元 at {loan.annual_rate:%}, {schedule[-1].number} instalments,"
            f" {unpaid} of them unpaid",
        ),
        row_as_text("oldest unpaid", f"{loan.unpaid_due_on or '-'}  ({dues.dpd} days past due)"),
        row_as_text(f"owed on {dues.as_of}", f"{dues.amount} 元"),
        row_as_text("in flight", slot),
        row_as_text("last failure", loan.last_failure or "-"),
        row_as_text("hold", loan.hold or "-"),
        *(row_as_text(f"skipped {skip.order_no}", _skip_as_text(skip)) for skip in skips),
        "",
        f"schedule {loan.schedule_version:<9}{'principal':>15}{'interest':>14}{'together':>14}",
    ]
    for row in schedule:
        state = "paid" if row.number < loan.position.instalment_no else ""
        if settled_from is not None and row.number >= settled_from:
            state = "settled early"
        lines.append(
            f"  {row.number:>3}  {row.due_on}  {row.principal!s:>14}{row.interest!s:>14}"
            f"{row.total!s:>14}  {state}"
        )
    lines += ["", "payments", *(_deduction_line(record) for record in payments)]
    return "\n".join(lines)


def order_as_text(
    order_no: str,
    record: Deduction | Skip | None,
    slot: Slot | None,
    who: str,
    answer: Answer | None,
) -> str:
    """Write one order: what we know, what is in flight, what he says who was sent it."""
    journal = "-"
    if isinstance(record, Deduction):
        journal = _deduction_line(record).strip()
    if isinstance(record, Skip):
        journal = f"SKIPPED {_skip_as_text(record)}"
    flight = f"{slot.amount} 元 since {slot.sent_at:%Y-%m-%d %H:%M:%S}" if slot else "-"
    return "\n".join(
        [
            order_no,
            row_as_text("journal", journal),
            row_as_text("in flight", flight),
            row_as_text(f"{who} says", _answer_as_text(answer)),
        ]
    )


def _answer_as_text(answer: Answer | None) -> str:
    if answer is None:
        return "not asked: we have sent it nowhere"
    amount = f"{answer.amount} 元" if answer.amount else ""
    says = (answer.status, amount, answer.trade_no, answer.failure_code, answer.note)
    return "  ".join(word for word in says if word)


def _skip_as_text(skip: Skip) -> str:
    """Write why a listed due was not sent."""
    return "  ".join(filter(None, (skip.reason, skip.note, f"listed {skip.listed} 元")))


def _deduction_line(record: Deduction) -> str:
    result = record.result
    parts = record.components
    return (
        f"  {record.order_no}  {record.recorded_at:%Y-%m-%d %H:%M:%S}  {record.kind}"
        f"  {result.status}  {record.amount} 元"
        f" = {parts.principal} + {parts.interest} + {parts.penalty}"
        f"  {result.trade_no or result.failure_code}  by {record.settled_by}"
    )
