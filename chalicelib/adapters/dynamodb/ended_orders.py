"""The journal's orders as a reconciliation needs them: a shard a part, without the record around."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any

from chalicelib.adapters.dynamodb.shards import JOURNAL_SHARDS, day_shard
from chalicelib.adapters.dynamodb.tables import JournalRow
from chalicelib.domain.deduction import Status
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.reconciliation import LocalOrder, OrderState
from chalicelib.flows.reconciliation_ports import Part

TERMINAL = frozenset(Status)
FUNDERS_CELLS = slice(5, 8)
"""Where a line of a record has what of it is a funder's; see journal.py."""

Item = Mapping[str, Mapping[str, Any]]


class DynamoEndedOrders:
    """Reads every shard by itself, page by page, as fresh as the last write."""

    def parts(self, business_date: date) -> Sequence[Part]:
        return [partial(_part, business_date, shard) for shard in range(JOURNAL_SHARDS)]


def _part(business_date: date, shard: int) -> Iterator[LocalOrder]:
    # Items as they come over the wire: a row made of each would cost more than all the rest.
    journal = JournalRow._get_connection()  # noqa: SLF001  PynamoDB has no door
    page: Mapping[str, Any] = {"LastEvaluatedKey": None}
    while "LastEvaluatedKey" in page:
        page = journal.query(
            day_shard(business_date, shard),
            consistent_read=True,
            exclusive_start_key=page["LastEvaluatedKey"],
        )
        yield from (_order_of(item) for item in page["Items"] if _is_ours(item))


def _is_ours(item: Item) -> bool:
    """Whether it is an order that has ended, and was deducted by us."""
    return item["status"]["S"] in TERMINAL and not Mode(item["mode"]["S"]).funder_deducts


def _order_of(item: Item) -> LocalOrder:
    paid_at = _text(item, "paid_at")
    return LocalOrder(
        order_no=item["order_no"]["S"],
        agreement_no=_text(item, "agreement_no"),
        state=OrderState(item["status"]["S"]),
        amount=Money(int(item["amount"]["N"])) if "amount" in item else ZERO,
        funder_amount=_funder_of(_text(item, "lines")),
        trade_no=_text(item, "trade_no"),
        paid_at=datetime.fromisoformat(paid_at) if paid_at else None,
        settled_by=_text(item, "settled_by"),
    )


def _text(item: Item, name: str) -> str:
    return str(item[name]["S"]) if name in item else ""


def _funder_of(lines: str) -> Money:
    """Add up what of an order is a funder's.

    >>> _funder_of("1,2026-11-24,90,9,0;2,2026-12-24,90,9,0,63,6,0")
    Money(fen=69)
    """
    return total(
        Money(int(fen)) for line in lines.split(";") for fen in line.split(",")[FUNDERS_CELLS]
    )
