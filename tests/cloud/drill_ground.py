"""What every drill stands on: one book, saved as it was, and what must hold when it is over."""

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time

from infra.local import business_day, controls, dead_letters, sample_book
from infra.local import cloud as local_cloud
from infra.local.cloud import STAGE, Cloud
from infra.local.processes import Processes

DAY = date(2026, 11, 24)
NEXT_DAY = DAY + timedelta(days=1)
EVENING, MORNING = "evening", "morning"


def moment(hour: int, minute: int = 0, *, day: date = DAY) -> datetime:
    from chalicelib.adapters.wall_clock import SHANGHAI

    return datetime.combine(day, clock_time(hour, minute), tzinfo=SHANGHAI)


def loan_of(order_no: str) -> str:
    return order_no.split("-", 2)[2]


def until(come_true: Callable[[], bool], what: str, *, seconds: float = 120.0) -> float:
    """Wait until something has come true, and say how long it took."""
    began = time.monotonic()
    while not come_true():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


def tell(text: str) -> None:
    """Say what was seen, past a test that reads what commands print."""
    sys.__stdout__.write(f"{text}\n")


@dataclass
class Ground:
    """A local cloud that can be put back to the evening before the day, or to its morning."""

    cloud: Cloud
    book: sample_book.SampleBook
    dues: dict[str, int] = field(default_factory=dict)

    # --- putting back -------------------------------------------------------------------

    def prepare(self) -> None:
        """Take the book in and save that; make the day's list and save that."""
        from chalicelib import wiring

        business_day.set_clock(self.cloud, moment(20, day=DAY - timedelta(days=1)))
        store, key = wiring.object_store(), sample_book.key(self.book)
        store.write(key, sample_book.loans_csv(self.book))
        store.write(f"{key}.ok", sample_book.manifest(self.book))
        business_day.wait_until_quiet(self.cloud)
        self.save(EVENING)
        self.call("make_due_list", 0, 10)
        business_day.wait_until_quiet(self.cloud)
        self.dues = self.listed()
        self.save(MORNING)

    def save(self, name: str) -> None:
        """Stop the cloud, keep what it has written under a name, and start it again."""
        local_cloud.break_down(self.cloud.home, saving=True)
        shutil.rmtree(self.cloud.home / name, ignore_errors=True)
        shutil.copytree(self.cloud.home / "ministack", self.cloud.home / name)
        self.start()

    def start(self) -> None:
        local_cloud.up(self.cloud.home, self.cloud.ports)

    def begin(self, name: str) -> None:
        """Put everything back as it was saved; the payment platform has never heard of us."""
        Processes(home=self.cloud.home).kill(["cloud", "payment"])
        shutil.rmtree(self.cloud.home / "ministack")
        shutil.copytree(self.cloud.home / name, self.cloud.home / "ministack")
        self.start()

    def restore(self, name: str) -> None:
        """Kill the cloud and put tables and queues back as they were saved; the bucket stays."""
        local_cloud.break_down(self.cloud.home, saving=False)
        for state in (self.cloud.home / name).glob("*.json"):
            shutil.copy(state, self.cloud.home / "ministack")
        self.start()

    # --- driving ------------------------------------------------------------------------

    def plant(self, outcomes: dict[str, tuple[str, ...]], *, others: str = "") -> None:
        """Say what the platform does to each loan's orders, and to those of all others."""
        agreements = {loan.loan_id: loan.agreement_no for loan in self.book.loans}
        scripts = [
            {"agreement_no": agreements[loan_id], "outcomes": does}
            for loan_id, does in outcomes.items()
        ]
        controls.tell(self.cloud.payment_url, "scripts", {"scripts": scripts})
        controls.tell(self.cloud.payment_url, "mix", {others: 1.0} if others else {})

    def at(self, hour: int, minute: int = 0, *, day: date = DAY) -> datetime:
        """Let it be that time, for the system and for the platforms."""
        now = moment(hour, minute, day=day)
        business_day.set_clock(self.cloud, now)
        return now

    def call(self, name: str, hour: int, minute: int = 0, *, day: date = DAY):
        """Let it be that time, and run a scheduled Lambda as of then."""
        return business_day.call(self.cloud, name, self.at(hour, minute, day=day))

    def work_off(self, name: str, hour: int, minute: int = 0, *, day: date = DAY):
        """The same, and wait until all that it set going is done."""
        result = self.call(name, hour, minute, day=day)
        business_day.wait_until_quiet(self.cloud)
        return result

    def redeliver_after(self, seconds: int) -> None:
        """Let what a worker never finished come again sooner than after six time-outs."""
        for name in sorted(dead_letters.REDRIVEN):
            self.cloud.client("sqs").set_queue_attributes(
                QueueUrl=self.url(name), Attributes={"VisibilityTimeout": str(seconds)}
            )

    def configure(self, function: str, **settings) -> None:
        self.cloud.client("lambda").update_function_configuration(
            FunctionName=f"afterloan-{STAGE}-{function}", **settings
        )

    def throttle(self, function: str, *, calls_per_second: float, batch: int) -> None:
        """Let one worker of a function at a time make so many calls, so many messages at once."""
        client, name = self.cloud.client("lambda"), f"afterloan-{STAGE}-{function}"
        variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        rate = {"PAYMENT_CALLS_PER_SECOND": str(calls_per_second)}
        self.configure(function, Environment={"Variables": variables | rate})
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        for one in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            client.update_event_source_mapping(UUID=one["UUID"], BatchSize=batch)

    def listen(self, function: str, *, on: bool) -> None:
        """Let a function take its queue's messages, or let them wait."""
        client, name = self.cloud.client("lambda"), f"afterloan-{STAGE}-{function}"
        for one in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            client.update_event_source_mapping(UUID=one["UUID"], Enabled=on)

    # --- messages -----------------------------------------------------------------------

    def message(self, loan_id: str) -> str:
        """Write the message of a listed due's order in round 1."""
        order_no = f"{DAY:%Y%m%d}-1-{loan_id}"
        return json.dumps({"order_no": order_no, "listed_fen": self.dues.get(loan_id, 100)})

    def put(self, queue: str, bodies: list[str]) -> None:
        for start in range(0, len(bodies), 10):
            batch = enumerate(bodies[start : start + 10])
            entries = [{"Id": str(number), "MessageBody": body} for number, body in batch]
            self.cloud.client("sqs").send_message_batch(QueueUrl=self.url(queue), Entries=entries)

    def dead_letters(self) -> int:
        return dead_letters.held(self.cloud.client("sqs"), "deductions")["deductions"]

    # --- looking ------------------------------------------------------------------------

    def url(self, queue: str) -> str:
        return self.cloud.client("sqs").get_queue_url(QueueName=f"afterloan-{STAGE}-{queue}")[
            "QueueUrl"
        ]

    def held(self) -> dict[str, int]:
        """Count the messages of each queue that has any: waiting, in work, delayed."""
        sqs = self.cloud.client("sqs")
        counts = {
            name: business_day._held(sqs, self.url(name)) for name in sorted(dead_letters.REDRIVEN)
        }
        return {name: count for name, count in counts.items() if count}

    def listed(self, day: date = DAY) -> dict[str, int]:
        """Read the day's list: what each loan is to be deducted."""
        from chalicelib import wiring
        from chalicelib.settings import settings

        return {
            line.loan_id: line.amount.fen
            for shard in range(settings().agenda_shards)
            for line in wiring.due_lists().read(business_date=day, round_no=1, shard=shard)
        }

    def ledger(self, day: date = DAY) -> dict:
        return controls.ask(self.cloud.payment_url, f"ledger?date={day}")

    def requests(self, day: date = DAY) -> int:
        return self.ledger(day)["requests"]

    def records(self, day: date = DAY) -> dict:
        """Read the journal of a day: deductions and skips, by order."""
        from chalicelib import wiring

        return {record.order_no: record for record in wiring.books().journal.of_day(day)}

    def heads(self) -> dict:
        from chalicelib import wiring

        return wiring.books().loans.get_many([loan.loan_id for loan in self.book.loans])

    def in_flight(self) -> set[str]:
        return {head.slot.order_no for head in self.heads().values() if head.slot}

    def owed(self, day: date = DAY) -> dict[str, int]:
        """Reckon what each loan owes on a day, from its head and schedule."""
        from chalicelib import wiring
        from chalicelib.domain import loan as loans

        books, heads = wiring.books(), self.heads()
        return {
            head.loan_id: loans.owed(
                loan=head,
                schedule=books.schedules.get(head.loan_id, head.schedule_version).instalments,
                product=books.products[head.product],
                as_of=day,
            ).amount.fen
            for head in heads.values()
        }

    # --- what must hold -----------------------------------------------------------------

    def prove(self, day: date = DAY) -> dict[str, int]:
        """Hold the platform's ledger against list, journal and heads; give what was charged."""
        from chalicelib.domain.deduction import Deduction, Status

        ledger = self.ledger(day)
        charged = {charge["order_no"]: charge["amount_fen"] for charge in ledger["charges"]}
        assert len(charged) == len(ledger["charges"]), "an order was charged twice"
        times = Counter(map(loan_of, charged))
        assert not [loan_id for loan_id, count in times.items() if count > 1], (
            "a due, charged twice"
        )
        assert ledger["conflicts"] == 0
        listed = self.listed(day)
        assert {loan_of(no): fen for no, fen in charged.items()} == {
            loan_id: listed[loan_id] for loan_id in times
        }, "charged another amount than was listed"
        posted = {
            no: record.amount.fen
            for no, record in self.records(day).items()
            if isinstance(record, Deduction) and record.result.status is Status.SUCCEEDED
        }
        assert posted == charged, "charged and not posted, or the reverse"
        assert self.in_flight() == set()
        owed = self.owed(day)
        for loan_id, fen in listed.items():
            assert owed[loan_id] == (0 if loan_id in times else fen), loan_id
        return charged
