"""Drive a business day on the local cloud: the clock is set, the day's Lambdas are called.

Nothing is done for the system: a step sets business time, calls one scheduled Lambda with an
event of that time, as the scheduler would, and waits until the queues are quiet.
"""

import json
import sys
import time as stopwatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from chalicelib import wiring
from chalicelib.adapters.queues import HELD
from chalicelib.adapters.wall_clock import SHANGHAI
from infra.local import borrowers, controls, funders, sample_book
from infra.local.cloud import STAGE, Cloud
from infra.local.dead_letters import REDRIVEN
from infra.local.sample_book import SampleBook

QUIET_POLLS = 3
POLL_SECONDS = 0.3
QUIET_SECONDS_MAX = 480.0
"""Longer than a queue hides what a worker was cut off with on a slow machine: six time-outs."""


class StepFailedError(Exception):
    """A Lambda of the day raised, or its queues never came to rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What happens at one time of the day: a scheduled Lambda, or something outside."""

    at: datetime
    name: str
    what: str


def steps(business_date: date) -> Iterator[Step]:
    """List the day in clock order, up to the close on the next morning."""
    today, next_day = _clock_of(business_date), _clock_of(business_date + timedelta(days=1))
    yield Step(at=today(0, 10), name="make_due_list", what="due list and reminders")
    yield Step(at=today(5), name="due_files", what="the second lenders' due files land")
    yield Step(at=today(6), name="corrected_due_file", what="one of them corrects its own")
    yield Step(at=today(8), name="open_round_1", what="round 1")
    yield from _texts_and_sweep(today, 8)
    yield Step(at=today(9), name="results_1", what="a funder has deducted; results of its round 1")
    yield Step(at=today(10, 40), name="watch", what="what is late")
    yield Step(at=today(11, 30), name="corrected_results", what="it corrects what it told wrong")
    yield Step(at=today(12), name="early_repayment", what="borrowers pay early, through the API")
    yield Step(at=today(12, 10), name="release_texts", what="texts")
    yield Step(at=today(15, 45), name="sweep", what="whether round 1 is over")
    yield Step(at=today(16), name="open_round_2", what="round 2")
    yield from _texts_and_sweep(today, 16)
    yield Step(at=today(17), name="results_2", what="results of the funder's round 2")
    yield Step(at=today(21, 45), name="sweep", what="last sweep of the window")
    yield Step(at=today(22, 30), name="sweep", what="repayment files, at the latest")
    yield Step(at=today(22, 45), name="repayments", what="the second lenders take them in")
    yield Step(at=next_day(8), name="release_texts", what="texts held over night")
    yield Step(at=next_day(10), name="bill", what="the platform's bill lands; reconciliation")
    # No sweep from here on: it would begin the next business day, whose list nobody has made.
    yield Step(
        at=next_day(11), name="close_day", what="reconciliation files; close, if all is done"
    )
    yield Step(at=next_day(11, 30), name="confirmations", what="the second lenders confirm them")
    yield Step(at=next_day(12), name="close_day", what="close of day, if nothing is open")
    yield Step(at=next_day(13), name="corrected_confirmation", what="one of them thinks again")
    yield Step(
        at=next_day(14), name="corrected_bill", what="the platform corrects what it took wrong"
    )
    yield Step(at=next_day(15), name="close_day", what="close of day")


def _texts_and_sweep(at: "_At", hour: int) -> Iterator[Step]:
    yield Step(at=at(hour, 10), name="release_texts", what="texts")
    yield Step(at=at(hour, 15), name="sweep", what="unknown orders asked after")
    yield Step(at=at(hour, 45), name="sweep", what="unknown orders asked after")
    yield Step(at=at(hour, 50), name="release_texts", what="texts")


_At = Callable[..., datetime]


def _clock_of(day: date) -> _At:
    return lambda hour, minute=0: datetime.combine(day, time(hour, minute), tzinfo=SHANGHAI)


def drive(
    cloud: Cloud,
    *,
    business_date: date,
    until: str = "",
    resume: bool = False,
    mutations: tuple[str, ...] = (),
    tell: Callable[[str], None] = print,
) -> None:
    """Drive the day, step by step; `resume` leaves out what lies before the clock.

    :raises StepFailedError: if a Lambda raised or a queue never came to rest.
    """
    reached = wiring.controls().test_clock() if resume else None
    for step in steps(business_date):
        if reached and step.at <= reached:
            continue
        started = stopwatch.monotonic()
        set_clock(cloud, step.at)
        if not _do(cloud, step, business_date, mutations=mutations):
            continue
        wait_until_quiet(cloud)
        tell(
            f"{step.at:%m-%d %H:%M}  {step.name:<22} {step.what:<44}"
            f" {stopwatch.monotonic() - started:5.1f} s"
        )
        if step.name == until:
            return


FUNDERS_DO: Mapping[str, Callable[[Cloud, date], bool]] = {
    "due_files": funders.send_due_files,
    "corrected_due_file": funders.correct_due_file,
    "results_1": funders.deduct_round_1,
    "corrected_results": funders.correct_results,
    "results_2": funders.deduct_round_2,
    "repayments": funders.take_repayment_files,
    "confirmations": funders.confirm,
    "corrected_confirmation": funders.correct_confirmation,
}


def _do(cloud: Cloud, step: Step, business_date: date, *, mutations: tuple[str, ...]) -> bool:
    """Do one step; False if there is nobody to do it."""
    if step.name in FUNDERS_DO:
        return FUNDERS_DO[step.name](cloud, business_date)
    match step.name:
        case "bill":
            drop_bill(cloud, business_date, mutations=mutations)
        case "corrected_bill":
            controls.tell(cloud.payment_url, "corrections", {})
            drop_bill(cloud, business_date, version=2)
        case "early_repayment":
            borrowers.repay(cloud, business_date)
        case _:
            call(cloud, step.name, step.at)
    return True


def land(cloud: Cloud, book: SampleBook) -> None:
    """Script a made-up book's agreements, and let its loans file land."""
    scripts = [{"agreement_no": no, "outcomes": does} for no, does in book.scripts.items()]
    controls.tell(cloud.payment_url, "scripts", {"scripts": scripts})
    store, key = wiring.object_store(), sample_book.key(book)
    store.write(key, sample_book.loans_csv(book))
    store.write(f"{key}.ok", sample_book.manifest(book))


def set_clock(cloud: Cloud, now: datetime) -> None:
    """Set business time, for the system, the simulated platforms and the funder."""
    wiring.controls().set_test_clock(now)
    for url in (cloud.payment_url, cloud.sms_url, cloud.funder_url):
        controls.tell(url, "clock", {"now": now.isoformat()})


def call(cloud: Cloud, name: str, at: datetime) -> Any:
    """Call one scheduled Lambda as the scheduler would.

    :raises StepFailedError: if it raised.
    """
    event = {
        "version": "0",
        "id": f"{name}-{at:%Y%m%d%H%M}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "0",
        "time": at.isoformat(),
        "region": "",
        "resources": [],
        "detail": {},
    }
    answer = cloud.client("lambda").invoke(
        FunctionName=f"afterloan-{STAGE}-{name}", Payload=json.dumps(event)
    )
    result = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise StepFailedError(f"{name} at {at}: {result}")
    return result


def drop_bill(
    cloud: Cloud, business_date: date, *, version: int = 1, mutations: tuple[str, ...] = ()
) -> Any:
    """Have the payment platform put its bill of the date into the exchange bucket."""
    wanted = {"date": business_date.isoformat(), "version": version, "mutations": list(mutations)}
    return controls.tell(cloud.payment_url, "close-day", wanted)


def wait_until_quiet(cloud: Cloud, *, seconds: float = QUIET_SECONDS_MAX) -> None:
    """Wait until no queue holds, delays or works a message, some polls in a row.

    However slow the machine is, it is waited for as long as the messages grow fewer.

    :raises StepFailedError: if for so many seconds they do not; the text names the queues.
    """
    sqs = cloud.client("sqs")
    urls = {
        name: sqs.get_queue_url(QueueName=f"afterloan-{STAGE}-{name}")["QueueUrl"]
        for name in sorted(REDRIVEN)
    }
    fewest, quiet = sys.maxsize, 0
    deadline = stopwatch.monotonic() + seconds
    while quiet < QUIET_POLLS:
        busy = {name: held for name, url in urls.items() if (held := _held(sqs, url))}
        quiet = 0 if busy else quiet + 1
        if sum(busy.values()) < fewest:
            fewest, deadline = sum(busy.values()), stopwatch.monotonic() + seconds
        if stopwatch.monotonic() > deadline:
            raise StepFailedError(f"queues never came to rest: {busy}")
        stopwatch.sleep(POLL_SECONDS)


def _held(sqs: Any, url: str) -> int:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(HELD))["Attributes"]
    return sum(int(attributes[name]) for name in HELD)
