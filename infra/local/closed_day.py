"""What a closed day left behind, for people: its frozen report and its vouchers, in 笔 and 元."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from chalicelib import wiring
from chalicelib.adapters.day_reports import AMOUNTS, TALLIES
from chalicelib.domain.money import Money
from chalicelib.flows import day_close
from infra.local.office import CommandError
from infra.local.wording import row_as_text, tally_as_text

Facts = Mapping[str, Any]


def report_of(business_date: date) -> dict[str, Any]:
    """Read the frozen report of a date.

    :raises CommandError: if the day is not closed, or the report is not the one it closed with.
    """
    told = _closed(business_date)["report"]
    report: dict[str, Any] = json.loads(_proven(told))
    return report | {"sha256": told["sha256"]}


def vouchers_of(business_date: date) -> dict[str, Any]:
    """Read the sums of a date's vouchers, after their file is held against its digest.

    :raises CommandError: if the day is not closed, or the file is not the one it closed with.
    """
    told = _closed(business_date)["vouchers"]
    _proven(told)
    return dict(told)


def _closed(business_date: date) -> Facts:
    run = wiring.runs().get(business_date, day_close.JOB)
    if run is None or not run.is_complete:
        raise CommandError(
            f"{business_date} is not closed: `bin/afterloan runs` shows how far it is"
        )
    if "report" not in run.totals:
        raise CommandError(f"{business_date} was closed before reports were written")
    return run.totals


def _proven(told: Facts) -> bytes:
    """Read a file, and hold it against the digest the day closed with."""
    try:
        body = wiring.object_store().read(told["key"])
    except KeyError as error:
        raise CommandError(f"{told['key']} is not in the bucket any more") from error
    digest = hashlib.sha256(body).hexdigest()
    if digest != told["sha256"]:
        raise CommandError(f"{told['key']} is not the file its day closed with: {digest}")
    return body


# --- as text ----------------------------------------------------------------------------


def report_as_text(report: Facts) -> str:
    """Write a report: the whole day, then place by place, then what it leaves and rests on."""
    lines = [f"Business day {report['business_date']}, closed, report version {report['version']}"]
    lines += ["", "All together 合计", *_figures(report["total"])]
    for place in report["places"]:
        names = (place[name] for name in ("mode", "channel", "funder_id", "product"))
        lines += ["", "  ".join(name for name in names if name), *_figures(place)]
    lines += ["", "Discrepancies 差错"]
    lines += [
        row_as_text(
            f"{each['channel']} {each['kind']} {each['state']}",
            tally_as_text({"count": each["count"], "amount_fen": each["apart_fen"]}),
        )
        for each in report["discrepancies"]
    ]
    lines.append(row_as_text("written off 经批准的余额", tally_as_text(report["remainder"])))
    lines += ["", *vouchers_as_lines(report["vouchers"]), "", "It rests on 依据"]
    lines += [f"  {each['sha256'][:16]}  {each['key']}" for each in report["files"]]
    return "\n".join([*lines, "", f"SHA-256 {report['sha256']}"])


def _figures(figures: Facts) -> Iterator[str]:
    for name, chinese in TALLIES.items():
        if figures[name]["count"] or name in {"due", "succeeded", "unknown"}:
            yield row_as_text(f"{name} {chinese}", tally_as_text(figures[name]))
    for name, chinese in AMOUNTS.items():
        if fen := figures[f"{name}_fen"]:
            yield row_as_text(f"  {name} {chinese}", f"{Money(fen)!s:>26} 元")


def vouchers_as_text(business_date: date, vouchers: Facts) -> str:
    """Write a day's vouchers: what happened, and every account's two sides."""
    lines = [f"Vouchers of {business_date} 会计凭证"]
    lines += [row_as_text(kind, tally_as_text(tally)) for kind, tally in vouchers["events"].items()]
    lines += ["", *vouchers_as_lines(vouchers)]
    return "\n".join([*lines, "", f"{vouchers['key']}  SHA-256 {vouchers['sha256']}"])


def vouchers_as_lines(vouchers: Facts) -> Iterator[str]:
    """Write every account's two sides, and that they tie."""
    yield f"{'Accounts 科目':<24}{'debit 借方':>18}{'credit 贷方':>18}"
    for code, account in vouchers["accounts"].items():
        sides = (Money(account[f"{side}_fen"]) for side in ("debit", "credit"))
        yield f"  {code:<22}" + "".join(f"{side!s:>20}" for side in sides) + f"  {account['name']}"
    yield f"  {'together 合计':<20}" + "".join(
        f"{Money(vouchers[f'{side}_fen'])!s:>20}" for side in ("debit", "credit")
    )
    yield f"  {verdict(vouchers)}"


def verdict(vouchers: Facts) -> str:
    """Say in a line how much was booked, and whether it balances."""
    ties = vouchers["debit_fen"] == vouchers["credit_fen"]
    balance = "debit = credit" if ties else "DEBIT AND CREDIT DIFFER"
    return (
        f"{vouchers['vouchers']} vouchers, {vouchers['lines']} lines, {balance} ="
        f" {Money(vouchers['debit_fen'])} 元"
    )
