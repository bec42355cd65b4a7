"""What became of a business day, for people: in 笔 and 元, and proven against the ledger."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from chalicelib import wiring, wiring_funders
from chalicelib.domain.deduction import Deduction, Skip, Status
from chalicelib.domain.funder_results import channel_of
from chalicelib.domain.loan import Mode
from chalicelib.domain.run import Tally
from chalicelib.flows import day_close
from chalicelib.settings import settings
from infra.local import closed_day, controls, funder_proof
from infra.local.borrowers import of_borrowers
from infra.local.cloud import STAGE, Cloud
from infra.local.wording import row_as_text, runs_as_text, tally_as_text

SEALED = ("vouchers", "report")
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
        "sealed": {
            name: runs.get(day_close.JOB, {}).get("totals", {}).get(name) for name in SEALED
        },
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
        lines += [
            f"  {lender}",
            *(row_as_text(f"  {end}", tally_as_text(tally)) for end, tally in ends.items()),
        ]
    lines += ["", "Early repayment 主动还款"]
    lines += [
        row_as_text(name, tally_as_text(tally)) for name, tally in found["repayments"].items()
    ] or [row_as_text("none", "")]
    lines += ["", "Discrepancies 差错"]
    lines += [
        row_as_text(
            f"{found['class']} {found['state']}",
            f"{found['channel']}  {found['order_no']}: {found['here']} here,"
            f" {found['there']} there",
        )
        for found in found["discrepancies"]
    ] or [row_as_text("none", "")]
    lines.append("")
    texts, units, proof = found["texts"], found["write_units"], found["proof"]
    lines += ["Texts 短信"]
    lines += [row_as_text(name, f"{count:>6} 条") for name, count in texts["by_scenario"].items()]
    lines += [
        row_as_text(f"receipt {name}", f"{count:>6}") for name, count in texts["by_receipt"].items()
    ]
    lines += ["", "Cost: DynamoDB write units a deduction of a round, loans + journal"]
    lines += [
        row_as_text(
            name,
            f"{cost['orders']:>6} 笔  mean {cost['mean']}, most {cost['most']:g},"
            f" allowed {cost['allowed']}",
        )
        for name, cost in units.items()
    ]
    lines += ["", "Proof against the payment platform's own ledger"]
    lines += [
        row_as_text("charged", tally_as_text(proof["charged"])),
        row_as_text("posted", tally_as_text(proof["posted"])),
        row_as_text("charged twice", f"{len(proof['charged_twice']):>6} 笔"),
        row_as_text("posted, not charged", f"{len(proof['posted_not_charged']):>6} 笔"),
        row_as_text("amounts differ", f"{len(proof['amounts_differ']):>6} 笔"),
        row_as_text(
            "charged, not posted",
            f"{len(proof['charged_not_posted']):>6} 笔,"
            f" {len(proof['of_these_held_as_unknown'])} of them held as unknown",
        ),
    ]
    for funder_id, told in proof["funders"].items():
        lines += ["", *funder_proof.as_lines(funder_id, told)]
    lines += ["", *_sealed(found["sealed"]), "", *_end(found)]
    return "\n".join(lines)


def _sealed(sealed: Mapping[str, Any]) -> Iterator[str]:
    """Say what the day left when it closed."""
    yield "Close of day 日终关账"
    if not sealed["report"]:
        yield row_as_text("not closed", "")
        return
    yield row_as_text("vouchers 会计凭证", closed_day.verdict(sealed["vouchers"]))
    yield row_as_text("report 日终报告", sealed["report"]["key"])
    yield row_as_text("", f"SHA-256 {sealed['report']['sha256']}")


def _end(found: Mapping[str, Any]) -> list[str]:
    if found["proof"]["holds"]:
        return ["THE PROOF HOLDS: the ledgers agree to the fen, order by order"]
    if found["is_closed"]:
        return ["THE PROOF DOES NOT HOLD"]
    return ["THE PROOF DOES NOT HOLD; the day is not closed, what is told later is still to come"]
