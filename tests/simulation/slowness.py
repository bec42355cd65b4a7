"""Slow Lambdas: who hangs at a call, and who comes meanwhile.

A guard against somebody who comes between two calls of another is seen only if somebody does.
So the one hangs there for a while; and now and then the very one comes whom the guard is for.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.queues import encoded
from chalicelib.flows import due_list
from chalicelib.flows.ports import AskMessage, WalkMessage
from tests.simulation.plan import Visit
from tests.simulation.rows import loan_id_of, text
from tests.simulation.world import SHARDS

if TYPE_CHECKING:
    from tests.simulation.day import Day

BEFORE = {
    ("PutItem", "loans"): 0.03,
    ("PutItem", "notices"): 0.05,
    ("UpdateItem", "runs"): 0.02,
}
AFTER = {
    ("GetItem", "journal"): 0.02,
    ("PutItem", "journal"): 0.08,
    ("PutItem", "active_orders"): 0.25,
    ("Query", "loans"): 0.01,
    ("Query", "notices"): 0.05,
    ("GetItem", "notices"): 0.03,
    ("PutObject", "s3"): 0.15,
}
"""How often somebody hangs before such a call, or after it."""

SECONDS = (0.01, 0.5, 4.0, 20.0, 35.0)
SECONDS_CALM = (0.01, 0.5, 2.0)
"""For how long: less than the shortest time-out of a Lambda."""

LISTS = 0.15
"""How often somebody hangs who has written a list and not said so yet."""

HANGS_MAX = 60
TWICE = {"deductions": 0.15, "walks": 0.2, "notices": 0.1}
"""How often SQS delivers a batch of messages twice."""

TWICE_MAX = 6
"""How often on a day: what is put off doubles with each doubled delivery."""


class Slowness:
    """Has Lambdas hang, and others come meanwhile; `visited` are the loans they came to pay."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._rng = Random(f"slowness of {day.plan.seed}")
        self._is_slow = self._rng.random() < 0.7
        self._left = HANGS_MAX
        self._visits = 0
        self.visited: set[str] = set()
        self._twice_left = TWICE_MAX
        is_calm = day.plan.weather.name == "calm"
        self._seconds = SECONDS_CALM if is_calm else SECONDS
        self._meanwhile: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "journal": self._others_of_loan,
            "active_orders": self._a_sweep,
        }

    def before(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Hang, perhaps, before a call is made."""
        if operation == "UpdateItem" and _is_of_list(parameters) and self._is_to_hang(LISTS):
            self._walked_again(parameters)
            self._hang(1.0)
            return
        self._hang(BEFORE.get((operation, _about(service, parameters)), 0.0))

    def after(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Hang, perhaps, when a call is done, or have it that others come."""
        if operation == "SendMessageBatch":
            self._deliver_twice(parameters)
            return
        about = _about(service, parameters)
        chance = AFTER.get((operation, about), 0.0)
        if not chance or not self._is_to_hang(chance):
            return
        meanwhile = self._meanwhile.get(about)
        if meanwhile and operation == "PutItem":
            meanwhile(parameters)
        self._hang(1.0)

    def _is_to_hang(self, chance: float) -> bool:
        return bool(self._is_slow and self._left and self._rng.random() < chance)

    def _hang(self, chance: float) -> None:
        if not chance or not self._is_to_hang(chance):
            return
        self._left -= 1
        world = self._day.world
        world.tasks.hang(world.clock.seconds + self._rng.choice(self._seconds))

    # --- who comes meanwhile ------------------------------------------------------------

    def _deliver_twice(self, parameters: Mapping[str, Any]) -> None:
        queue = parameters["QueueUrl"].rpartition("afterloan-test-")[2]
        if self._twice_left and self._rng.random() < TWICE.get(queue, 0.0):
            self._twice_left -= 1
            for entry in parameters["Entries"]:
                self._day.put_again(queue, entry["MessageBody"], 0)

    def _others_of_loan(self, parameters: Mapping[str, Any]) -> None:
        """An order has its end: another asks after it and posts it, and its borrower comes."""
        item = parameters["Item"]
        if text(item["status"]) != "FAILED":
            return
        order_no = text(item["order_no"])
        self._day.put_again("asks", encoded(AskMessage(order_no=order_no, rung=None)), 0)
        loans = [loan.loan_id for loan in self._day.plan.sample.loans]
        self._comes(loans.index(loan_id_of(order_no)), (0.005, 0.3, 3.0))

    def _walked_again(self, parameters: Mapping[str, Any]) -> None:
        """Some who are listed pay, and then the list is made by another who began as early."""
        day = self._day
        for loan in self._rng.sample(range(len(day.plan.sample.loans)), 3):
            self._comes(loan, (0.001,))
        on = date.fromisoformat(text(parameters["Key"]["business_date"]))
        for shard in range(SHARDS):
            message = encoded(WalkMessage(job=due_list.JOB, business_date=on, shard=shard))
            day.after(0.3, "a walk", lambda message=message: day.put_again("walks", message, 0))

    def _comes(self, loan: int, after: Sequence[float]) -> None:
        """A borrower comes to pay, once or more often."""
        day = self._day
        visit = Visit(
            at=0.0,
            loan=loan,
            kind=self._rng.choice(("instalment", "overdue", "full")),
            recut="reduce_instalment",
            amount_share=0.0,
            tabs=1,
            taps=1,
        )
        self._visits += 1
        self.visited.add(day.plan.sample.loans[loan].loan_id)
        place = len(day.plan.visits) + self._visits
        for tab, seconds in enumerate(after):
            come = partial(day.borrowers._come, place, visit, tab)
            day.after(seconds, "a borrower", come)

    def _a_sweep(self, _: Mapping[str, Any]) -> None:
        """A borrower's order is noted, and not claimed yet: a sweep comes by."""
        hours = self._day.hours(self._day.world.clock.seconds)
        self._day.after(0.001, "a sweep", lambda: self._day.fire("sweep", hours))


def _is_of_list(parameters: Mapping[str, Any]) -> bool:
    """Whether a shard of the due list is called done, or the list complete."""
    return text(parameters["Key"].get("job")) == due_list.JOB


def _about(service: str, parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("TableName") or service).rpartition("-")[2]
