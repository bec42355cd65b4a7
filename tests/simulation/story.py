"""The story of the money: what happened to the loans that a failed seed speaks of, in Chinese."""

import re
from collections.abc import Iterator
from datetime import datetime

from chalicelib.adapters.wall_clock import SHANGHAI
from tests.simulation.plan import CALL_FAULTS
from tests.simulation.rows import Rows, fen, loan_id_of, text
from tests.simulation.seeds import Result

LOAN = re.compile(r"\bLN\d{2}\b")
LINES_MAX = 60
ENDS = {"SUCCEEDED": "成功", "FAILED": "失败"}


def told(result: Result) -> Iterator[str]:
    """Tell, line by line, of the loans that are named in what went wrong."""
    day = result.day
    concerned = sorted({name for wrong in result.wrongs for name in LOAN.findall(wrong)})
    yield f"种子 {result.seed} · 账册 {day.plan.book} · 业务日 {day.plan.business_date} · 天气 {result.weather}"
    yield "出错的地方："
    yield from (f"  ✗ {wrong}" for wrong in result.wrongs[:LINES_MAX])
    yield "发生过的故障："
    yield from (f"  · {fault}" for fault in day.plan.standing() if fault.kind not in CALL_FAULTS)
    yield from (f"  · {struck}" for struck in result.struck)
    for loan_id in concerned:
        yield f"借据 {loan_id} 的资金经过："
        yield from _of_loan(loan_id, result)


def _of_loan(loan_id: str, result: Result) -> Iterator[str]:
    day = result.day
    events: list[tuple[float, str]] = [(at, what) for at, what in result.story if loan_id in what]
    events += [
        (
            charge.paid_at.timestamp(),
            f"平台实际扣款 {charge.order_no} {_yuan(charge.amount_fen)} 元",
        )
        for charge in day.payment.charges()
        if loan_id_of(charge.order_no) == loan_id
    ]
    for row in Rows(day.world.dynamodb).records():
        if text(row["loan_id"]) == loan_id:
            at = datetime.fromisoformat(text(row["recorded_at"])).timestamp()
            end = ENDS[text(row["status"])]
            why = text(row.get("failure_code"))
            events.append(
                (
                    at,
                    f"我方记账 {text(row['order_no'])} {_yuan(fen(row['amount']))} 元 {end} {why}".rstrip(),
                )
            )
    for at, what in sorted(events):
        yield f"  {datetime.fromtimestamp(at, SHANGHAI):%m-%d %H:%M:%S}  {what}"
    head = Rows(day.world.dynamodb).head(loan_id) or {}
    slot = text(head.get("slot", {}).get("M", {}).get("no"))
    yield f"  现状：状态 {text(head.get('st'))}，最早未还到期日 {text(head.get('due')) or '无'}，在途 {slot or '无'}"


def _yuan(amount_fen: int) -> str:
    """Write fen as yuan.

    >>> _yuan(123456)
    '1,234.56'
    """
    return f"{amount_fen // 100:,}.{amount_fen % 100:02}"
