"""A watch over the texts: what is out stays as it is, and asks nobody for what he has paid."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tests.simulation.rows import Item, Rows, text

if TYPE_CHECKING:
    from tests.simulation.day import Day

ASKING = frozenset(("pre_due", "deduction_failed"))


class TextWatch:
    """Sees notices written and texts sent; says what must not have been.

    `freed_at` tells when a loan's slot was freed, `began_at` when the one at work began.
    """

    def __init__(self, day: "Day", freed_at: Mapping[str, float]) -> None:
        self._day = day
        self._rows = Rows(day.world.dynamodb)
        self._freed_at = freed_at
        self._before: dict[str, Item | None] = {}
        self._keys: dict[str, Item] = {}

    def written(self, item: Item, *, began_at: float, is_done: bool) -> Iterator[str]:
        """Judge a notice that is being written: once begun it tells of the same, in the same words."""
        notice_id = text(item["notice_id"])
        if not is_done:
            self._keys[notice_id] = item
            self._before[notice_id] = self._rows.notice(item)
            return
        before, after = self._before.pop(notice_id, None), self._rows.notice(item)
        if before is None or after is None or after is before:
            return
        if text(before["state"]) != "WAITING":
            if before["items"]["M"].keys() != after["items"]["M"].keys():
                yield f"I9 {notice_id} is joined, and was {text(before['state'])}"
            if text(before.get("text")) != text(after.get("text")):
                yield f"I9 {notice_id} is {text(before['state'])}, and its words change"
        elif text(after["state"]) == "SENDING":
            yield from self._asked_in_vain(after, began_at)

    def sent(self, body: bytes) -> Iterator[str]:
        """Judge a text that is about to go out: it is the one we have kept."""
        wanted = json.loads(body)
        notice_id = wanted["message_id"]
        key = self._keys.get(notice_id)
        row = self._rows.notice(key) if key else None
        if row is None or text(row.get("text")) != wanted["text"]:
            yield f"I9 {notice_id} is sent in words that nobody keeps"

    def _asked_in_vain(self, row: Item, began_at: float) -> Iterator[str]:
        """Find who is asked for what he had paid before the text was taken up."""
        if text(row["scenario"]) not in ASKING:
            return
        for key, line in row["items"]["M"].items():
            said, loan_id = line["M"], key.partition("/")[0]
            head = self._rows.head(loan_id)
            until = text(said.get("due_on")) if text(row["scenario"]) == "pre_due" else ""
            until = until or text(row["business_date"])
            due = text(head.get("due")) if head else ""
            has_paid = head and self._freed_at.get(loan_id, began_at) < began_at
            if not text(said.get("dropped")) and has_paid and (not due or due > until):
                yield f"I9 {text(row['notice_id'])} asks for {loan_id}, which has paid"
