"""What must hold at every single step: seen from the calls themselves, while the day goes on.

Rows are read raw, as they lie in the tables: nothing here trusts the code it watches.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.rows import Rows, loan_id_of, text

if TYPE_CHECKING:
    from tests.simulation.day import Day

LOANS = "afterloan-test-loans"
JOURNAL = "afterloan-test-journal"
TAKE_ORDERS = frozenset(("payment", "funder"))


class Watch:
    """Sees every call of the day; `wrongs` is what must never have been."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._rows = Rows(day.world.dynamodb)
        self._sent: dict[str, list[str]] = defaultdict(list)
        self._head_before: dict[str, Mapping[str, Any] | None] = {}
        self.amounts: dict[str, int] = {}
        self.wrongs: list[str] = []

    def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], is_done: bool
    ) -> None:
        if service in TAKE_ORDERS:
            if operation == "POST /v1/deductions" and not is_done:
                self._before_sending(json.loads(parameters["body"]))
            return
        table = parameters.get("TableName")
        if table == LOANS and operation == "PutItem":
            self._head_written(parameters["Item"], is_done=is_done)
        elif table == JOURNAL and operation in {"UpdateItem", "DeleteItem"}:
            self._wrong("I11", f"a record of the journal is changed by {operation}")

    def _before_sending(self, wanted: Mapping[str, Any]) -> None:
        """A new number only when all earlier ones of the loan have their end in our journal."""
        order_no, amount = wanted["order_no"], wanted["amount_fen"]
        loan_id = loan_id_of(order_no)
        head = self._rows.head(loan_id)
        if order_no in self._sent[loan_id]:
            if self.amounts[order_no] != amount:
                self._wrong("I1", f"{order_no} is sent again with another amount")
            return
        for earlier in self._sent[loan_id]:
            if not self._rows.record(earlier):
                self._wrong("I1", f"{order_no} is sent while {earlier} has no end")
        if head is None or text(head.get("st")) != "open":
            self._wrong("I7", f"{order_no} is sent, and its loan is not open")
        elif text(head.get("slot", {}).get("M", {}).get("no")) != order_no:
            self._wrong("I1", f"{order_no} is sent without holding its loan's slot")
        self._sent[loan_id].append(order_no)
        self.amounts[order_no] = amount

    def _head_written(self, item: Mapping[str, Any], *, is_done: bool) -> None:
        loan_id = item["loan_id"]["S"]
        if not is_done:
            self._head_before[loan_id] = self._rows.head(loan_id)
            return
        before, after = self._head_before.pop(loan_id, None), self._rows.head(loan_id)
        if before is None or after is None or after is before:
            return
        had, has = _slot_of(before), _slot_of(after)
        if had == has:
            return
        if had and has:
            self._wrong("I8", f"{loan_id}: {has} takes the slot of {had}")
        record = self._rows.ended(had) if had else None
        if had and record is None:
            self._wrong("I8", f"{loan_id}: {had} leaves the slot without a record")
        if has and self._rows.record(has):
            self._wrong("I8", f"{loan_id}: {has} takes the slot, and has its end already")
        if had and text(before.get("st")) != "open" and not _is_told_failed(before, record):
            self._wrong("I8", f"{loan_id}: a settled loan moves")

    def _wrong(self, invariant: str, what: str) -> None:
        told = f"{invariant} {what}"
        if told not in self.wrongs:
            self.wrongs.append(told)


def _is_told_failed(head: Mapping[str, Any], record: Mapping[str, Any] | None) -> bool:
    """Whether a funder tells late of a deduction that has failed, before the loan was settled."""
    is_failed = record is not None and text(record.get("status")) == "FAILED"
    return is_failed and text(head.get("mode")) == "loan_assistance"


def _slot_of(head: Mapping[str, Any]) -> str:
    return text(head.get("slot", {}).get("M", {}).get("no"))
