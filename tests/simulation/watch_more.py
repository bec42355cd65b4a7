"""A closer watch: hours, switches, holds and jobs, seen from the calls while the day goes on."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from chalicelib.domain.deduction import facts_of
from tests.simulation.rows import Item, fen, is_correction, loan_id_of, text
from tests.simulation.tasks import Task
from tests.simulation.watch import TAKE_ORDERS, Watch
from tests.simulation.watch_texts import TextWatch

if TYPE_CHECKING:
    from tests.simulation.day import Day

SLACK_HOURS = 0.1
SECOND = 1 / 3600
"""Somebody who began in time may be at it still: ten calls of a batch may each hang."""

CORRECTIONS = frozenset(("CORRECTION", "CLAIMED"))
MANDATE = frozenset(("AGREEMENT_TERMINATED", "CARD_CLOSED", "RISK_REJECTED"))


class CloserWatch(Watch):
    """Sees hours, switches, holds and jobs as well; what it has seen is for the checkers, too."""

    def __init__(self, day: "Day") -> None:
        super().__init__(day)
        day.watch = self  # type: ignore[attr-defined]
        self.first_sent_at: dict[str, float] = {}
        self.written_at: dict[str, float] = {}
        self.opened_at: dict[str, float] = {}
        self.receipts: set[str] = set()
        self.closed: set[str] = set()
        self.asked_at: dict[str, list[float]] = {}
        self._freed_at: dict[str, float] = {}
        self.laid_on: dict[str, set[str]] = {}
        self._last: dict[str, str] = {}
        self._completed: set[tuple[str, str]] = set()
        self._seeing: Mapping[tuple[str, str], Callable[[Mapping[str, Any], bool], None]] = {
            ("POST /v1/deductions", "payment"): self._at_the_right_time,
            ("POST /v1/deductions", "funder"): self._at_the_right_time,
            ("PutItem", "loans"): self._claimed,
            ("PutItem", "journal"): self._recorded,
            ("PutItem", "runs"): self._opened,
            ("UpdateItem", "runs"): self._run_moved,
            ("PutItem", "discrepancies"): self._discrepancy_written,
            ("PutObject", "s3"): self._listed,
            ("SendMessageBatch", "sqs"): self._receipts_put,
            ("PutItem", "notices"): self._notice_written,
            ("POST /v1/messages", "sms"): self._text_sent,
        }
        self._texts = TextWatch(day, self._freed_at)
        self._began_at: dict[Task | None, float] = {}
        self._unclaimed: dict[str, Item | None] = {}
        self._standing: Item | None = None
        self._laid: set[str] = set()
        self._more_there: set[str] = set()

    def __call__(
        self, service: str, operation: str, parameters: Mapping[str, Any], is_done: bool
    ) -> None:
        super().__call__(service, operation, parameters, is_done)
        world = self._day.world
        self._began_at.setdefault(world.tasks.current, world.clock.seconds)
        if service in TAKE_ORDERS and operation.endswith("/close"):
            self.closed.add(operation.split("/")[-2])
        if service == "payment" and operation.startswith("GET") and is_done and self._answers():
            order_no = operation.rpartition("/")[2]
            self.asked_at.setdefault(order_no, []).append(self._day.world.clock.seconds)
        about = str(parameters.get("TableName") or service).rpartition("-")[2]
        see = self._seeing.get((operation, about))
        if see:
            see(parameters, is_done)

    def _answers(self) -> bool:
        """Whether the platform says anything of orders now."""
        platforms = self._day.world.platforms
        return not (platforms.is_down or platforms.is_throttling)

    def _now_began_at(self) -> float:
        """Say when the one at work began: what was written before that, he knows."""
        return self._began_at[self._day.world.tasks.current]

    def _notice_written(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        judged = self._texts.written(
            parameters["Item"], began_at=self._now_began_at(), is_done=is_done
        )
        self.wrongs += [wrong for wrong in judged if wrong not in self.wrongs]

    def _text_sent(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        if not is_done:
            judged = self._texts.sent(parameters["body"])
            self.wrongs += [wrong for wrong in judged if wrong not in self.wrongs]

    def _receipts_put(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        if is_done and parameters["QueueUrl"].endswith("receipts"):
            bodies = (json.loads(entry["MessageBody"]) for entry in parameters["Entries"])
            self.receipts |= {
                body["message_id"] for body in bodies if body["status"] in {"DELIVERED", "FAILED"}
            }

    def _recorded(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """A record is put once, and never over another."""
        order_no = parameters["Item"]["order_no"]["S"]
        if parameters["Item"]["status"]["S"] in CORRECTIONS:
            return
        if not is_done:
            self._standing = self._rows.record(order_no)
            return
        if self._standing is not None:
            self._wrong("I11", f"{order_no}: a record is written over the one that stands")
        self.written_at.setdefault(order_no, self._day.world.clock.seconds)

    def _listed(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """Nobody is listed whose head was known to owe nothing before the list was begun."""
        key = parameters["Key"]
        if not (is_done and key.startswith("due-lists/") and key.endswith(".jsonl")):
            return
        body = bytes(parameters["Body"])
        now, began = self._day.world.clock.seconds, self._now_began_at()
        on = key.split("/")[1]
        paid = {
            loan_id: self._freed_at[loan_id]
            for order_no in self.written_at
            if self._freed_at.get(loan_id := loan_id_of(order_no), began) < began
            and (record := self._rows.record(order_no))
            and text(record["status"]) == "SUCCEEDED"
        }
        for line in body.decode().splitlines():
            loan_id = json.loads(line)["loan_id"]
            head = self._rows.head(loan_id)
            due = text(head.get("due")).replace("-", "") if head else ""
            if loan_id in paid and (not due or due > on) and "/round-" not in key:
                self._wrong(
                    "I10", f"{loan_id} is listed, and has paid {now - paid[loan_id]:.0f} s ago"
                )

    def _at_the_right_time(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        if is_done:
            return
        order_no = json.loads(parameters["body"])["order_no"]
        seconds = self._day.world.clock.seconds
        self.first_sent_at.setdefault(order_no, seconds)
        source = order_no.split("-")[1]
        midnight = datetime.combine(facts_of(order_no)[0], time(), self._day.plan.midnight.tzinfo)
        hours = (seconds - midnight.timestamp()) / 3600
        opens, closes = (8.0, 22.0) if source in {"1", "2", "3"} else (0.0, 24.0)
        if not opens <= hours < closes + SLACK_HOURS:
            self._wrong("I7", f"{order_no} is sent {hours:.2f} hours after its day's midnight")
        for fault in self._day.plan.of_kind("paused"):
            if fault.at + SLACK_HOURS < self._day.hours(seconds) < fault.until - SECOND:
                self._wrong("I7", f"{order_no} is sent while payments are paused")

    def _claimed(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """No round claims what is held; no borrower, unless it is for his mandate."""
        item = parameters["Item"]
        loan_id = item["loan_id"]["S"]
        if not is_done:
            self._unclaimed[loan_id] = self._rows.head(loan_id)
            self._laid.add(text(item.get("hold")))
            if hold := text(item.get("hold")):
                self.laid_on.setdefault(loan_id, set()).add(hold)
            return
        before = self._unclaimed.pop(loan_id, None)
        if before and "slot" in before and "slot" not in item:
            self._freed_at[loan_id] = self._day.world.clock.seconds
        if not before or "slot" in before or "slot" not in item:
            return
        hold, slot = text(before.get("hold")), item["slot"]["M"]
        if is_correction(text(slot["no"])):
            return  # two people have decided about the very reason why it is held
        is_told = text(before.get("mode")) == "loan_assistance" and "k" not in slot
        if hold and not is_told and not ("k" in slot and hold in MANDATE):
            self._wrong("I7", f"{loan_id} is claimed for {text(slot['no'])}, held: {hold}")

    def _opened(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """A round begins when what it rests on is complete."""
        if not is_done:
            return
        item = parameters["Item"]
        job, on = text(item["job"]), text(item["business_date"])
        self.opened_at.setdefault(f"{on} {job}", self._day.world.clock.seconds)
        before = {"round_1": "due_list", "round_2": "round_1"}.get(job)
        if before and (on, before) not in self._completed and not self._is_complete(on, before):
            self._wrong("I10", f"{job} of {on} begins before {before} is complete")

    def _run_moved(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """A day is closed when nothing of it is open, at that very moment."""
        on, job = (text(parameters["Key"][name]) for name in ("business_date", "job"))
        if is_done and on == "last":
            self._last_moved(job)
        if is_done and job == "round_1" and self._is_complete(on, job):
            self._completed.add((on, job))  # tallied again, an end may be counted a moment late
        if not is_done or job != "close" or not self._is_complete(on, "close"):
            return
        for needed in ("due_list", "round_1", "round_2", "reconciliation_main"):
            if not self._is_complete(on, needed):
                self._wrong("I10", f"{on} is closed before {needed} is complete")
        for head in self._rows.all("loans"):
            slot = text(head.get("slot", {}).get("M", {}).get("no"))
            if slot.startswith(on.replace("-", "")):
                self._wrong("I10", f"{on} is closed, and {slot} has no end")
        for row in self._rows.all("discrepancies"):
            if text(row["day_channel"]).startswith(on) and text(row["state"]) == "open":
                self._wrong("I10", f"{on} is closed, and {text(row['discrepancy_id'])} is open")

    def _last_moved(self, job: str) -> None:
        """How far a job has come only moves forward."""
        for row in self._rows.all("runs"):
            if (text(row["business_date"]), text(row["job"])) == ("last", job):
                moved = text(row["last_date"])
                if moved < self._last.get(job, ""):
                    self._wrong("I10", f"the last {job} moves back to {moved}")
                self._last[job] = moved

    def _is_complete(self, on: str, job: str) -> bool:
        for row in self._rows.all("runs"):
            if (text(row["business_date"]), text(row["job"])) == (on, job):
                totals = json.loads(text(row.get("totals")) or "{}")
                waiting = totals.get("waiting", {}).get("count", 0)
                return text(row.get("state")) == "complete" and not waiting
        return False

    def _discrepancy_written(self, parameters: Mapping[str, Any], is_done: bool) -> None:
        """Where the bill shows more than we have, the loan is held until that is resolved.

        Unless somebody has died: he may have done so before he laid the hold.
        """
        if not is_done or self._day.world.faults.struck:
            return
        item = parameters["Item"]
        named = text(item["discrepancy_id"])
        if text(item["state"]) == "open" and shows_more_there(item):
            self._more_there.add(named)
        if text(item["state"]) == "resolved" and named in self._more_there:
            head = self._rows.head(loan_id_of(text(item["order_no"])))
            if head and not head.get("hold") and f"discrepancy {named}" not in self._laid:
                self._wrong("I7", f"{named}: its loan was never held")


def shows_more_there(row: Item) -> bool:
    """Whether a discrepancy says that the platform has money which our journal has not."""
    kind, facts = text(row["kind"]), json.loads(text(row.get("facts")) or "{}")
    if kind in {"missing_here", "duplicate"}:
        return True
    if kind == "amount_differs":
        return fen(row.get("there")) > fen(row.get("here"))
    return kind == "status_differs" and facts.get("note") == "failed_here_paid_there"
