"""Reports of closed days in the exchange bucket: as JSON, whose digest is kept, and for Excel."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib.adapters.file_cells import neutralised
from chalicelib.domain.day_report import DayReport
from chalicelib.flows.close_ports import FrozenReportError, Kept
from chalicelib.flows.ports import ObjectStore

BOM = "\ufeff"
TALLIES: Mapping[str, str] = {
    "due": "应还",
    "succeeded": "成功",
    "failed": "失败",
    "unknown": "未知",
    "skipped": "跳过",
    "late_success": "补记",
    "reversal": "冲回",
    "refund": "退款",
}
AMOUNTS: Mapping[str, str] = {
    "principal": "本金",
    "interest": "利息",
    "penalty": "罚息",
    "fee": "违约金",
    "funder": "其中资金方",
}
PLACES: Mapping[str, str] = {
    "mode": "业务模式",
    "channel": "渠道",
    "funder_id": "资金方",
    "product": "产品",
}
LOOKS_LIKE_A_VALUE = re.compile(r"(?:[\d.,/:%\s+-]|\de(?=[\d+-]))+|true|false", re.IGNORECASE)

Row = Sequence[str]


def key_of(business_date: date, version: int) -> str:
    """Name a version of a day's report.

    >>> key_of(date(2026, 11, 24), 1)
    'reports/20261124/day_v1.json'
    """
    return f"reports/{business_date:%Y%m%d}/day_v{version}.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class S3DayReports:
    store: ObjectStore

    def freeze(self, report: DayReport) -> Kept:
        key = key_of(report.business_date, report.version)
        facts = report.as_facts()
        body = canonical(facts)
        self._put_once(key, body)
        self._put_once(key.removesuffix("json") + "csv", as_csv(facts))
        return Kept(key=key, sha256=hashlib.sha256(body).hexdigest())

    def _put_once(self, key: str, body: bytes) -> None:
        if not self.store.write_once(key, body) and self.store.read(key) != body:
            raise FrozenReportError(key)


def canonical(facts: Mapping[str, Any]) -> bytes:
    """Write facts so that the same facts are the same bytes."""
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode() + b"\n"


# --- for Excel --------------------------------------------------------------------------


def as_csv(facts: Mapping[str, Any]) -> bytes:
    """Write a report as a table that Excel opens by a double click: four blocks under each other.

    UTF-8 is believed for its mark alone; amounts are yuan, plain numbers; whatever is a name stays
    one, be it made of digits.
    """
    told = io.StringIO(newline="")
    writer = csv.writer(told, lineterminator="\r\n")
    for number, block in enumerate((_places, _differences, _accounts, _files)):
        if number:
            writer.writerow(())
        writer.writerows(block(facts))
    return (BOM + told.getvalue()).encode()


def as_name(cell: str) -> str:
    """Keep a spreadsheet from taking a name for a number, a date, a truth or a formula.

    >>> as_name("F1"), as_name("6222020200112233445"), as_name("1E10"), as_name("=1"), as_name("")
    ('F1', "'6222020200112233445", "'1E10", "'=1", '')
    """
    cell = neutralised(cell)
    return f"'{cell}" if LOOKS_LIKE_A_VALUE.fullmatch(cell) else cell


def in_yuan(fen: int) -> str:
    """Write an amount as Excel reads a number.

    >>> in_yuan(123456), in_yuan(5)
    ('1234.56', '0.05')
    """
    return f"{fen // 100}.{fen % 100:02}"


def _places(facts: Mapping[str, Any]) -> Iterator[Row]:
    tallies = [heading for name in TALLIES.values() for heading in (f"{name}笔数", f"{name}金额")]
    yield ("业务日期", *PLACES.values(), *tallies, *AMOUNTS.values())
    day = facts["business_date"]
    for place in facts["places"]:
        yield (day, *(as_name(place[name]) for name in PLACES), *_figures(place))
    yield (day, "合计", *("" for _ in list(PLACES)[1:]), *_figures(facts["total"]))


def _figures(facts: Mapping[str, Any]) -> Iterable[str]:
    for name in TALLIES:
        yield str(facts[name]["count"])
        yield in_yuan(facts[name]["amount_fen"])
    for name in AMOUNTS:
        yield in_yuan(facts[f"{name}_fen"])


def _differences(facts: Mapping[str, Any]) -> Iterator[Row]:
    yield ("差错渠道", "类别", "状态", "笔数", "我方金额", "对方金额", "差额")
    for each in facts["discrepancies"]:
        amounts = (in_yuan(each[f"{side}_fen"]) for side in ("here", "there", "apart"))
        names = (as_name(each[name]) for name in ("channel", "kind", "state"))
        yield (*names, str(each["count"]), *amounts)
    remainder = facts["remainder"]
    count, amount = str(remainder["count"]), in_yuan(remainder["amount_fen"])
    yield ("经批准的余额", "", "", count, "", "", amount)


def _accounts(facts: Mapping[str, Any]) -> Iterator[Row]:
    yield ("科目代码", "科目名称", "借方", "贷方")
    vouchers = facts["vouchers"]
    for code, account in sorted(vouchers["accounts"].items()):
        sides = (in_yuan(account[f"{side}_fen"]) for side in ("debit", "credit"))
        yield (as_name(code), as_name(account["name"]), *sides)
    yield ("合计", "", in_yuan(vouchers["debit_fen"]), in_yuan(vouchers["credit_fen"]))


def _files(facts: Mapping[str, Any]) -> Iterator[Row]:
    yield ("依据文件", "SHA-256")
    for each in facts["files"]:
        yield (as_name(each["key"]), as_name(each["sha256"]))
