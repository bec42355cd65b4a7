"""Rows as they lie in the tables, read without the production's adapters."""

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tests.simulation.aws.dynamodb import DynamoDB

JOURNAL_SHARDS = 8
ENDS = frozenset(("SUCCEEDED", "FAILED"))
Item = Mapping[str, Any]


def text(value: Mapping[str, Any] | None) -> str:
    """Read a text; what is not there is empty."""
    return str(value.get("S", "")) if value else ""


def fen(value: Mapping[str, Any] | None) -> int:
    """Read a whole number; what is not there is 0."""
    return int(value["N"]) if value and "N" in value else 0


def loan_id_of(order_no: str) -> str:
    """Read the loan from an order's number.

    >>> loan_id_of("20261124-2-LN7")
    'LN7'
    """
    return order_no.split("-", 2)[2]


def is_being_done(discrepancy: Item) -> bool:
    """Whether two people have decided about it, and it is not done yet."""
    handling = json.loads(text(discrepancy.get("handling")) or "{}")
    return text(discrepancy["state"]) == "explained" and bool(handling.get("approval"))


def is_correction(order_no: str) -> bool:
    """Whether it is a correction's number, a late success's or a reversal's: the order's and a mark."""
    return order_no.endswith(("-L", "-V"))


class Rows:
    """The simulated tables."""

    def __init__(self, dynamodb: DynamoDB) -> None:
        self._dynamodb = dynamodb

    def all(self, table: str) -> Iterator[Item]:
        return iter(self._dynamodb.items(f"afterloan-test-{table}"))

    def head(self, loan_id: str) -> Item | None:
        return self._get("loans", {"loan_id": {"S": loan_id}})

    def notice(self, key: Item) -> Item | None:
        """Read a text."""
        return self._get("notices", {name: key[name] for name in ("recipient_key", "sequence")})

    def record(self, order_no: str) -> Item | None:
        """Read an order's terminal record; a skip is none."""
        day, _, rest = order_no.partition("-")
        shard = zlib.crc32(rest.split("-", 1)[1].encode()) % JOURNAL_SHARDS
        key = {
            "day_shard": {"S": f"{day[:4]}-{day[4:6]}-{day[6:]}#{shard}"},
            "order_no": {"S": order_no},
        }
        return self._get("journal", key)

    def run(self, on: date, job: str) -> Item | None:
        """Read the run item of a job."""
        return self._get("runs", {"business_date": {"S": on.isoformat()}, "job": {"S": job}})

    def records(self) -> list[Item]:
        """List the terminal records, by order number."""
        found = [row for row in self.all("journal") if text(row["status"]) in ENDS]
        return sorted(found, key=lambda row: text(row["order_no"]))

    def corrections(self) -> list[Item]:
        """List what two people have decided about an order's money."""
        return [row for row in self.all("journal") if text(row["status"]) == "CORRECTION"]

    def ended(self, order_no: str) -> Item | None:
        """Read the record of whatever has left a slot: an order's, or a correction's."""
        if not is_correction(order_no):
            return self.record(order_no)
        return next((row for row in self.corrections() if text(row["order_no"]) == order_no), None)

    def _get(self, table: str, key: Item) -> Item | None:
        item: Item | None = self._dynamodb.call(
            "GetItem", {"TableName": f"afterloan-test-{table}", "Key": key, "ConsistentRead": True}
        ).get("Item")
        return item
