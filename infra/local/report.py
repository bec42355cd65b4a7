"""What became of a business day, for people: in 笔 and 元, and proven against the ledger."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from chalicelib import wiring, wiring_funders
from chalicelib.domain.deduction import Answer, Deduction, Skip, Status
from chalicelib.domain.due import Due
from chalicelib.domain.funder_results import channel_of
from chalicelib.domain.loan import Loan, Mode, Schedule, Slot
from chalicelib.domain.money import Money
from chalicelib.domain.run import Tally
from chalicelib.flows import borrower_loans, day_close
from chalicelib.settings import settings
from infra.local import controls, funder_proof
from infra.local.borrowers import of_borrowers
from infra.local.cloud import STAGE, Cloud

UNITS_MAX = {Status.SUCCEEDED: 6, Status.FAILED: 3}
"""Write units a deduction may cost on the loans and journal tables, by its end."""


def of_runs(business_date: date) -> dict[str, Any]:
    """Read the run items of a date."""
    return {
        run.job: {
            "state": run.state,
            "started_at": run.started_at,
            "completed_at": run.completed_at,
            "totals": run.totals,
        }
        for run in wiring.runs().of_day(business_date)
    }


def of_day(cloud: Cloud, business_date: date) -> dict[str, Any]:
    """Gather a day of the local cloud: its runs, its texts, what it cost, and the proof."""
    records = list(wiring.books().journal.of_day(business_date))
    journal = [record for record in records if isinstance(record, Deduction)]
    runs = of_runs(business_date)
    proof = _proof(cloud, business_date, journal)
    funders = funder_proof.of_day(cloud, business_date, journal)
    proof["funders"] = funders
    proof["holds"] = proof["holds"] and all(each["holds"] for each in funders.values())
    return {
        "date": business_date.isoformat(),
        "runs": runs,
        "is_closed": runs.get(day_close.JOB, {}).get("state") == "complete",
        "lenders": _lenders(records),
        "repayments": _repayments(journal),
        "discrepancies": _discrepancies(business_date),
        "texts": _texts(cloud),
        "write_units": _write_units(cloud, journal),
        "proof": proof,
    }


def _lenders(records: Sequence[Deduction | Skip]) -> dict[str, Any]:
    """Count what became of the day by mode and funder: taken, failed, left out and why."""
    heads = wiring.books().loans.get_many(sorted({record.loan_id for record in records}))
    found: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for record in records:
        funder_id = heads[record.loan_id].funder_id if record.loan_id in heads else ""
        if isinstance(record, Skip):
            end, amount = f"skipped {record.reason}", record.listed
        else:
            end, amount = record.result.status.lower(), record.amount
        found[f"{record.mode} {funder_id}".strip()][end] += Tally(count=1, amount=amount)
    return {
        lender: {
            end: {"count": tally.count, "amount_fen": tally.amount.fen}
            for end, tally in sorted(ends.items(), key=_place_of_end)
        }
        for lender, ends in sorted(found.items())
    }


def _place_of_end(item: tuple[str, Tally]) -> tuple[bool, bool, str]:
    return item[0].startswith("skipped"), item[0] != "succeeded", item[0]


def _repayments(journal: Sequence[Deduction]) -> dict[str, Any]:
    """Count what borrowers paid themselves, by kind and end."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for record in of_borrowers(journal):
        end = record.result.failure_code or "succeeded"
        tallies[f"{record.kind} {end}"] += Tally(count=1, amount=record.amount)
    return {
        name: {"count": tally.count, "amount_fen": tally.amount.fen}
        for name, tally in sorted(tallies.items())
    }


def _discrepancies(business_date: date) -> list[dict[str, str]]:
    channels = [settings().channel, *map(channel_of, sorted(wiring_funders.catalogue()))]
    return [
        {
            "channel": channel,
            "class": found.kind.value,
            "order_no": found.order_no,
            "state": found.state.value,
            "here": str(found.here or "-"),
            "there": str(found.there or "-"),
            "reason": found.reason,
        }
        for channel in channels
        for found in wiring.reconciling().discrepancies.of_day(business_date, channel)
    ]


# --- the proof --------------------------------------------------------------------------


def _proof(cloud: Cloud, business_date: date, journal: Sequence[Deduction]) -> dict[str, Any]:
    """Hold the journal against what the payment platform really charged us, order by order.

    What funders have deducted under accounts of their own is in their proofs.
    """
    ledger = controls.ask(cloud.payment_url, f"ledger?date={business_date.isoformat()}")
    charges: dict[str, list[int]] = defaultdict(list)
    for charge in ledger["charges"]:
        charges[charge["order_no"]].append(charge["amount_fen"])
    posted = {
        record.order_no: record.amount.fen
        for record in journal
        if record.result.status is Status.SUCCEEDED and not Mode(record.mode).funder_deducts
    }
    twice = sorted(no for no, amounts in charges.items() if len(amounts) > 1)
    phantom = sorted(no for no in posted if no not in charges)
    differing = sorted(no for no, fen in posted.items() if no in charges and charges[no] != [fen])
    not_posted = sorted(no for no in charges if no not in posted)
    held = {no for no in not_posted if _is_held(no)}
    return {
        "charged": {"count": len(charges), "amount_fen": sum(map(sum, charges.values()))},
        "posted": {"count": len(posted), "amount_fen": sum(posted.values())},
        "charged_twice": twice,
        "posted_not_charged": phantom,
        "amounts_differ": differing,
        "charged_not_posted": not_posted,
        "of_these_held_as_unknown": sorted(held),
        "holds": not (twice or phantom or differing or set(not_posted) - held),
    }


def _is_held(order_no: str) -> bool:
    loan = wiring.books().loans.get(order_no.split("-", 2)[2])
    return bool(loan and loan.slot and loan.slot.order_no == order_no)


def _write_units(cloud: Cloud, journal: Sequence[Deduction]) -> dict[str, Any]:
    """Add up what each order of a round cost over all its Lambdas' calls, as DynamoDB counted it."""
    spent: Counter[str] = Counter()
    for line in _log_lines(
        cloud, ("deduct", "ask", "take_payment_notification", "file_landed", "close_day")
    ):
        if "write_units" in line:
            spent[line["order_no"]] += line["write_units"]
    ended: dict[str, list[float]] = defaultdict(list)
    for record in journal:
        if record.order_no in spent and record.round_no:
            ended[record.result.status].append(spent[record.order_no])
    return {
        status.value.lower(): {
            "orders": len(ended[status]),
            "mean": round(sum(ended[status]) / max(len(ended[status]), 1), 2),
            "most": max(ended[status], default=0),
            "allowed": allowed,
        }
        for status, allowed in UNITS_MAX.items()
    }


def _log_lines(cloud: Cloud, functions: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    logs = cloud.client("logs")
    for function in functions:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/afterloan-{STAGE}-{function}"
        )
        for page in pages:
            for event in page["events"]:
                if event["message"].startswith("{"):
                    yield json.loads(event["message"])


def _texts(cloud: Cloud) -> dict[str, Any]:
    messages = controls.ask(cloud.sms_url, "messages")["messages"]
    return {
        "sent": len(messages),
        "by_scenario": dict(sorted(Counter(_scenario_of(text) for text in messages).items())),
        "by_receipt": dict(sorted(Counter(str(text["status"]) for text in messages).items())),
        "examples": {_scenario_of(text): text["text"] for text in messages},
    }


def _scenario_of(message: Mapping[str, Any]) -> str:
    return str(message["template"]).rpartition("_v")[0].rpartition("_")[0]


# --- as text ----------------------------------------------------------------------------


def as_text(found: Mapping[str, Any]) -> str:
    """Write the report of a day."""
    lines = [f"Business day {found['date']}", "", runs_as_text(found["runs"]), ""]
    lines += ["By mode and funder 按模式与资金方"]
    for lender, ends in found["lenders"].items():
        lines += [f"  {lender}", *(_row(f"  {end}", _tally(tally)) for end, tally in ends.items())]
    lines += ["", "Early repayment 主动还款"]
    lines += [_row(name, _tally(tally)) for name, tally in found["repayments"].items()] or [
        _row("none", "")
    ]
    lines += ["", "Discrepancies 差错"]
    lines += [
        _row(
            f"{found['class']} {found['state']}",
            f"{found['channel']}  {found['order_no']}: {found['here']} here,"
            f" {found['there']} there",
        )
        for found in found["discrepancies"]
    ] or [_row("none", "")]
    lines.append("")
    texts, units, proof = found["texts"], found["write_units"], found["proof"]
    lines += ["Texts 短信"]
    lines += [_row(name, f"{count:>6} 条") for name, count in texts["by_scenario"].items()]
    lines += [_row(f"receipt {name}", f"{count:>6}") for name, count in texts["by_receipt"].items()]
    lines += ["", "Cost: DynamoDB write units a deduction of a round, loans + journal"]
    lines += [
        _row(
            name,
            f"{cost['orders']:>6} 笔  mean {cost['mean']}, most {cost['most']:g},"
            f" allowed {cost['allowed']}",
        )
        for name, cost in units.items()
    ]
    lines += ["", "Proof against the payment platform's own ledger"]
    lines += [
        _row("charged", _tally(proof["charged"])),
        _row("posted", _tally(proof["posted"])),
        _row("charged twice", f"{len(proof['charged_twice']):>6} 笔"),
        _row("posted, not charged", f"{len(proof['posted_not_charged']):>6} 笔"),
        _row("amounts differ", f"{len(proof['amounts_differ']):>6} 笔"),
        _row(
            "charged, not posted",
            f"{len(proof['charged_not_posted']):>6} 笔,"
            f" {len(proof['of_these_held_as_unknown'])} of them held as unknown",
        ),
    ]
    for funder_id, told in proof["funders"].items():
        lines += ["", *funder_proof.as_lines(funder_id, told)]
    lines += ["", *_end(found)]
    return "\n".join(lines)


def _end(found: Mapping[str, Any]) -> list[str]:
    if found["proof"]["holds"]:
        return ["THE PROOF HOLDS: the ledgers agree to the fen, order by order"]
    if found["is_closed"]:
        return ["THE PROOF DOES NOT HOLD"]
    return ["THE PROOF DOES NOT HOLD; the day is not closed, what is told later is still to come"]


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
        lines += [_row(mode, _tally(tally)) for mode, tally in totals["modes"].items()]
        lines.append(_row("reminders", f"{totals['reminders']:>6} 笔"))
        lines += [_row("left out", loan_id) for loan_id in totals["left_out"]]
        lines += [_row(f"to {name}", f"{n:>6} 笔") for name, n in totals["stage_moves"].items()]
    elif "due" in totals:
        lines.append(_row("due", _tally(totals["due"])))
        lines.append(_row("succeeded", _tally(totals["succeeded"])))
        for code, tally in totals["failed"].items():
            lines.append(_row(f"failed {code}", _tally(tally)))
        lines.append(_row("unknown", _tally(totals["unknown"])))
        for reason, tally in totals["skipped"].items():
            lines.append(_row(f"skipped {reason}", _tally(tally)))
        if totals["waiting"]["count"]:
            lines.append(_row("waiting", _tally(totals["waiting"])))
        lines.append(_row("", "the totals tie" if totals["ties"] else "THE TOTALS DO NOT TIE"))
    elif "classes" in totals:
        bill = totals["bill"]
        lines.append(
            _row(f"bill version {bill['version']}", _tally({"count": bill["rows"], **bill}))
        )
        lines += [_row(f"journal {name}", _tally(t)) for name, t in totals["journal"].items()]
        lines += [
            _row(
                name, f"{max(t['rows'], t['orders']):>6} 笔 {Money(t['there_fen'])!s:>16} 元 there"
            )
            for name, t in totals["classes"].items()
        ]
        lines += [_row(name.replace("_", " "), f"{n:>6} 笔") for name, n in totals["rules"].items()]
        lines.append(_row("open", f"{totals['open']:>6} 笔"))
        lines.append(_row("", "the totals tie" if totals["ties"] else "THE TOTALS DO NOT TIE"))
    elif job.startswith("funder_"):
        told = {name: fact for name, fact in totals.items() if isinstance(fact, str | int)}
        lines += [_row(name, str(fact)) for name, fact in told.items() if name != "sha256"]
    return lines


def _tally(tally: Mapping[str, int]) -> str:
    return f"{tally['count']:>6} 笔 {Money(tally['amount_fen'])!s:>16} 元"


def _row(name: str, value: str) -> str:
    return f"  {name:<34} {value}"


def loan_as_text(loan: Loan, schedule: Schedule, dues: Due, payments: Sequence[Deduction]) -> str:
    """Write one loan; `schedule` is the whole of it, what it was before it was cut again too."""
    slot = f"{loan.slot.order_no}, {loan.slot.amount} 元" if loan.slot else "free"
    settled_from = borrower_loans.settled_ahead_from(payments)
    unpaid = sum(row.number >= loan.position.instalment_no for row in schedule)
    lines = [
        f"{loan.loan_id}  {loan.status}  {loan.mode}  {loan.product}  borrower {loan.borrower_id}",
        _row(
            "principal",
            f"{loan.principal} 元 at {loan.annual_rate:%}, {schedule[-1].number} instalments,"
            f" {unpaid} of them unpaid",
        ),
        _row("oldest unpaid", f"{loan.unpaid_due_on or '-'}  ({dues.dpd} days past due)"),
        _row(f"owed on {dues.as_of}", f"{dues.amount} 元"),
        _row("in flight", slot),
        _row("last failure", loan.last_failure or "-"),
        _row("hold", loan.hold or "-"),
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
    order_no: str, record: Deduction | Skip | None, slot: Slot | None, answer: Answer
) -> str:
    """Write one order: what we know, what is in flight, what the platform says."""
    journal = "-"
    if isinstance(record, Deduction):
        journal = _deduction_line(record).strip()
    if isinstance(record, Skip):
        journal = f"SKIPPED {record.reason} {record.note}  listed {record.listed} 元"
    flight = f"{slot.amount} 元 since {slot.sent_at:%Y-%m-%d %H:%M:%S}" if slot else "-"
    amount = f"{answer.amount} 元" if answer.amount else ""
    says = (answer.status, amount, answer.trade_no, answer.failure_code, answer.note)
    return "\n".join(
        [
            order_no,
            _row("journal", journal),
            _row("in flight", flight),
            _row("the platform says", "  ".join(word for word in says if word)),
        ]
    )


def _deduction_line(record: Deduction) -> str:
    result = record.result
    parts = record.components
    return (
        f"  {record.order_no}  {record.recorded_at:%Y-%m-%d %H:%M:%S}  {record.kind}"
        f"  {result.status}  {record.amount} 元"
        f" = {parts.principal} + {parts.interest} + {parts.penalty}"
        f"  {result.trade_no or result.failure_code}  by {record.settled_by}"
    )
