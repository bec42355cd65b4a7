"""Plays one seed: a business day and the morning after it, with everything that was drawn for it.

The loop knows five kinds of things that can happen next: somebody at work goes on, a message is
delivered, a batch of the journal's stream, a notification, or time passes to the next appointment.
Which, is drawn.
"""

import heapq
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from types import SimpleNamespace
from typing import Any

from chalicelib.entrypoints import streams
from simulators.payment_platform import PaymentPlatform
from simulators.sms_platform import SmsPlatform
from tests.simulation.borrowers import Borrowers
from tests.simulation.catalogue import Catalogue
from tests.simulation.clock import clock_time
from tests.simulation.files import Bills, MoreLoans
from tests.simulation.funders import FunderSide, is_shared
from tests.simulation.notifications import Notifications
from tests.simulation.outside import US
from tests.simulation.plan import Plan
from tests.simulation.rows import Rows, is_being_done, text
from tests.simulation.staff import Staff
from tests.simulation.tasks import Crash
from tests.simulation.timetable import Timetable
from tests.simulation.world import World, forget, jobs, workers

JOURNAL = "afterloan-test-journal"
STREAM_BATCH_MAX = 100
JOB_TRIES = 3
JOB_PAUSE_SECONDS = 60
STEPS_MAX = 60_000
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
OLDER = {
    "asks": "rung",
    "repayments": "rung",
    "texts": "rung",
    "payment-notifications": "notification_id",
}
"""What messages did not have once: an older Lambda, still at work, puts them without."""


class NeverQuietError(Exception):
    """The day does not come to rest."""


@dataclass(order=True)
class Appointment:
    at: float
    place: int
    name: str = field(compare=False)
    keep: Callable[[], object] = field(compare=False)


class Day:
    """One seed in one world."""

    def __init__(self, world: World, plan: Plan, catalogue: Catalogue) -> None:
        self.world, self.plan = world, plan
        self.rng = Random(f"order {plan.seed}")
        self.story: list[tuple[float, str]] = []
        self.died: list[BaseException] = []
        self._appointments: list[Appointment] = []
        self._places = count()
        self._stream: deque[Any] = deque()
        self._announcing = False
        self._deliveries = 0
        self.rows = Rows(world.dynamodb)
        self._workers = workers()
        self._jobs = jobs()
        world.clear()
        world.clock.move_to(plan.midnight)
        world.serve({loan.mode for loan in plan.sample.loans})
        self.book = catalogue.put(plan.book, funders=plan.funders)
        world.tasks.begin(self.rng)
        self._set_outside()
        self.bills = Bills(self)
        self.more_loans = MoreLoans(self)
        self.notifications = Notifications(self)
        self.borrowers = Borrowers(self)
        self.staff = Staff(self)
        self.timetable = Timetable(self)
        self._delivery_faults = {
            int(fault.at): fault
            for fault in plan.of_kind(
                "delivered_twice", "delivered_late", "newer_shape", "older_shape"
            )
        }
        self._at_once = self.rng.choice((1, 2, 3, 4))
        world.faults.begin(plan.standing())

    def _set_outside(self) -> None:
        world, plan = self.world, self.plan
        self.payment = PaymentPlatform(clock=world.clock.now, rng=Random(f"payment {plan.seed}"))
        self.sms = SmsPlatform(
            clock=world.clock.now,
            rng=Random(f"sms {plan.seed}"),
            receipts_url=f"{US}/v1/notifications/sms",
            receipt_seconds=5.0,
        )
        for fault in plan.of_kind("outcome"):
            self.payment.script(fault.about, fault.more)
        for fault in plan.of_kind("text"):
            self.sms.script(fault.about, fault.more)
        self.funders = FunderSide(self) if is_shared(plan.sample) else None
        wishes = self.funders.funder.wishes if self.funders else None
        world.platforms.begin(payment=self.payment, sms=self.sms, wishes=wishes)
        rng = Random(f"lag {plan.seed}")
        for fault in plan.of_kind("index_lag"):
            world.lag_seconds = lambda most=fault.more: rng.random() * most

    # --- the day ------------------------------------------------------------------------

    def play(self) -> None:
        """Play from midnight to the close of the next morning, faults and all."""
        self.timetable.make()
        self.until_quiet()

    def hours(self, seconds: float) -> float:
        return (seconds - self.plan.midnight.timestamp()) / 3600

    def tell(self, what: str) -> None:
        """Note something for the story of the day."""
        self.story.append((self.world.clock.seconds, what))

    def at(self, hours: float, name: str, keep: Callable[[], object]) -> None:
        """Make an appointment, so many hours after the day's midnight."""
        moment = clock_time(self.plan.midnight, hours).timestamp()
        heapq.heappush(self._appointments, Appointment(moment, next(self._places), name, keep))

    def after(self, seconds: float, name: str, keep: Callable[[], object]) -> None:
        moment = self.world.clock.seconds + seconds
        heapq.heappush(self._appointments, Appointment(moment, next(self._places), name, keep))

    def fire(self, job: str, hours: float, *, tries: int = JOB_TRIES) -> None:
        """Call a scheduled Lambda; one that fails is called twice more, as EventBridge does."""
        event = {
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "1", "region": "", "resources": [], "detail": {},
            "time": clock_time(self.plan.midnight, hours).isoformat(),
        }  # fmt: skip
        handler = self._jobs[job]

        def done(ended: object) -> None:
            if self._failed(ended) and tries > 1:
                self.after(
                    JOB_PAUSE_SECONDS * (JOB_TRIES + 1 - tries),
                    job,
                    lambda: self.fire(job, hours, tries=tries - 1),
                )

        self.tell(f"{job}")
        self.world.tasks.start(job, lambda: handler(event, CONTEXT), done)

    def _failed(self, ended: object) -> bool:
        if isinstance(ended, Crash):
            forget()
            return True
        if isinstance(ended, Exception):
            self.died.append(ended)
            return True
        return False

    # --- the loop -----------------------------------------------------------------------

    def until_quiet(self) -> None:
        """Let everything happen until nothing is left to happen.

        :raises NeverQuietError: if that takes too long.
        """
        tasks, rng = self.world.tasks, self.rng
        for _ in range(STEPS_MAX):
            if len(tasks) and (len(tasks) >= self._at_once or rng.random() < 0.6):
                tasks.step()
            elif startable := self._startable():
                startable[int(rng.random() * len(startable))]()
            elif len(tasks):
                tasks.step()
            elif not self._pass_time():
                return
        raise NeverQuietError(f"seed {self.plan.seed}")

    def _startable(self) -> list[Callable[[], object]]:
        found: list[Callable[[], object]] = [
            partial(self._deliver, queue, waiting)
            for queue in self._workers
            if (waiting := self.world.sqs.waiting(f"afterloan-test-{queue}"))
        ]
        if not self._announcing:
            self._stream.extend(self.world.dynamodb.take_stream(JOURNAL, STREAM_BATCH_MAX))
            if self._stream:
                found.append(self._announce)
        found += self.notifications.startable()
        return found

    def _pass_time(self) -> bool:
        """Go to the next moment at which something happens; False if there is none."""
        moments = [
            moment
            for moment in (
                self._appointments[0].at if self._appointments else None,
                self.world.sqs.next_at(),
                self.notifications.next_at(),
                self.world.tasks.next_at(),
            )
            if moment is not None
        ]
        if not moments:
            return False
        self.world.clock.move_to(max(min(moments), self.world.clock.seconds))
        now = self.world.clock.seconds
        self.world.tasks.wake(now)
        while self._appointments and self._appointments[0].at <= now:
            heapq.heappop(self._appointments).keep()
        return True

    # --- deliveries ---------------------------------------------------------------------

    def _deliver(self, queue: str, waiting: list[str]) -> None:
        """Give a Lambda some of what waits, in no order."""
        handler, most = self._workers[queue]
        name = f"afterloan-test-{queue}"
        size = min(len(waiting), most, self.rng.choice((1, 3, most)))
        chosen = waiting[:size] if self.rng.random() < 0.5 else self.rng.sample(waiting, size)
        records = self.world.sqs.receive(name, chosen)
        if not records:
            return
        self._deliveries += 1
        if fault := self._delivery_faults.get(self._deliveries):
            self._meddle(fault.kind, queue, records, fault.more)

        def done(ended: object) -> None:
            if self._failed(ended):
                return  # all of them come again when their time-out is over
            failed = {each["itemIdentifier"] for each in ended["batchItemFailures"]}  # type: ignore[index]
            for record in records:
                if record["messageId"] not in failed:
                    self.world.sqs.finish(name, record["receiptHandle"])

        event = {"Records": records}
        self.world.tasks.start(queue, lambda: handler(event, CONTEXT), done)

    def _meddle(self, kind: str, queue: str, records: list[dict[str, Any]], seconds: int) -> None:
        """Do to a delivery what was drawn for it."""
        self.tell(f"{queue}: {kind}")
        if kind in {"delivered_twice", "delivered_late"}:
            delay = 0 if kind == "delivered_twice" else seconds
            for record in records:
                self.put_again(queue, record["body"], delay)
            return
        for record in records:
            body = json.loads(record["body"])
            if kind == "newer_shape" and isinstance(body, dict):
                body["added_later"] = {"by": ["a newer version"]}
            elif kind == "older_shape":
                body.pop(OLDER.get(queue, ""), None)
            record["body"] = json.dumps(body)

    def put_again(self, queue: str, body: str, delay: int) -> None:
        url = self.world.sqs.call("GetQueueUrl", {"QueueName": f"afterloan-test-{queue}"})
        self.world.sqs.call(
            "SendMessage",
            {"QueueUrl": url["QueueUrl"], "MessageBody": body, "DelaySeconds": min(delay, 900)},
        )

    def _announce(self) -> None:
        """Give the stream's Lambda its next records; those of a batch that failed come again."""
        size = min(len(self._stream), self.rng.choice((1, 5, STREAM_BATCH_MAX)))
        batch = [self._stream[place] for place in range(size)]
        self._announcing = True

        def done(ended: object) -> None:
            self._announcing = False
            if not self._failed(ended):
                for _ in range(size):
                    self._stream.popleft()

        self.world.tasks.start(
            "announce", lambda: streams.announce({"Records": batch}, CONTEXT), done
        )

    # --- once the faults have stopped -----------------------------------------------------

    def recover(self) -> None:
        """Let nothing more go wrong, and the system's own nets bring everything to its end."""
        self.world.faults.stop()
        self._delivery_faults = {}
        self.world.platforms.is_down = self.world.platforms.is_throttling = False
        self.world.platforms.is_funder_down = False
        self.world.lag_seconds = None
        self.timetable.pause(on=False)
        for at, brings_bill in self.timetable.recoveries():
            if not (dead := self.redrive()) and self._is_over():
                return
            if self.funders:
                self.funders.catch_up(at, sweeps=not self.is_closed())
            if brings_bill:
                self.at(at - 0.5, "the next bill", self.bills.drop_following)
            unfinished = dead or self._is_unfinished()
            for job in ("sweep", "release_texts", "close_day")[0 if unfinished else 1 :]:
                self.at(at, job, lambda job=job, at=at: self.fire(job, at))
            self.until_quiet()

    def is_closed(self, *dates: date) -> bool:
        """Whether these business dates are closed; all of the plan's if none is named."""
        runs = [self.rows.run(on, "close") for on in dates or self.plan.dates]
        return all(run is not None and text(run.get("state")) == "complete" for run in runs)

    def _is_unfinished(self) -> bool:
        """Whether an order holds its slot, a round has no end, or what is decided is not done."""
        runs = [
            self.rows.run(on, job)
            for on in self.plan.dates
            for job in ("due_list", "round_1", "round_2")
        ]
        return (
            any(run is None or text(run.get("state")) != "complete" for run in runs)
            or any(row.get("slot") for row in self.rows.all("loans"))
            or any(map(is_being_done, self.rows.all("discrepancies")))
        )

    def _is_over(self) -> bool:
        waiting = any(row.get("waiting_on") for row in self.rows.all("notices"))
        return self.is_closed() and not waiting and not self._is_unfinished()

    def dead_letters(self) -> Mapping[str, int]:
        """Count the messages that failed again and again, by queue."""
        depths = {
            queue: self.world.sqs.depth(f"afterloan-test-{queue}-dlq") for queue in self._workers
        }
        return {queue: depth for queue, depth in depths.items() if depth}

    def redrive(self) -> bool:
        """Put the dead messages back into their queues, as an operator does; tell if any were."""
        for queue in (dead := self.dead_letters()):
            name = f"afterloan-test-{queue}-dlq"
            for record in self.world.sqs.receive(name, self.world.sqs.waiting(name)):
                self.put_again(queue, record["body"], 0)
                self.world.sqs.finish(name, record["receiptHandle"])
        return bool(dead)
