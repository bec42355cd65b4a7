"""What one seed has in store: the day's faults, each of which can be left out, and its acts.

Everything is drawn before the day begins, from streams of their own: leaving one fault out leaves
the others what they were.  So a day that fails can be told with the fewest faults that make it fail.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import islice
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import Any

from chalicelib.adapters.wall_clock import SHANGHAI
from infra.local.sample_book import SampleBook
from tests.simulation import book as books
from tests.simulation import plan_funders

CALL_FAULTS = {
    "crash_before": 4,
    "crash_after": 4,
    "answer_lost": 3,
    "done_again": 3,
    "throttled": 2,
    "refused": 2,
}
"""What may happen to a call, and how often: the Lambda dies before it or after it; it is done and
its answer lost; the client loses the answer and does it again by itself; AWS refuses it."""

OUTCOMES = (
    *plan_funders.OF_ANY_PLATFORM,
    ("wrong_amount",),
    ("limit_exceeded",),
    ("bank_unavailable", "timeout_after_charge"),
    ("agreement_terminated",),
    ("card_closed",),
    ("risk_rejected",),
)
LIE = "failed_then_paid"
"""The platform says that an order failed, and charges it ten minutes later."""

LIES, INTAKES = 0.06, 0.15
"""The chances of a lie, and of more loans in the course of the day."""

TEXT_OUTCOMES = ("failed", "timeout_after_accept", "timeout_before_accept", "limit", "html_error")
BILL_FAULTS = (
    *("drop_row", "duplicate_row", "extra_row", "change_amount", "change_status", "shift_day"),
    *("wrong_digest", "wrong_rows", "wrong_sum", "no_manifest", "truncate", "late", "twice"),
)
JOBS = ("make_due_list", "open_round_1", "open_round_2")
HOURS = {"make_due_list": 0 + 10 / 60, "open_round_1": 8.0, "open_round_2": 16.0}
QUEUES = ("walks", "deductions", "asks", "repayments", "payment-notifications", "notices", "texts")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that goes wrong; `number` is its place in the plan, by which it is left out."""

    number: int
    kind: str
    about: str = ""
    at: float = 0.0
    until: float = 0.0
    more: Any = None

    def __str__(self) -> str:
        when = f" at {_clock(self.at)}" if self.at and self.kind not in CALL_FAULTS else ""
        ends = f" until {_clock(self.until)}" if self.until else ""
        more = f" {self.more}" if self.more else ""
        return f"#{self.number} {self.kind} {self.about}{more}{when}{ends}".replace("  ", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A borrower pays early: what he wishes, when, and how clumsily."""

    at: float
    loan: int
    kind: str
    recut: str
    amount_share: float
    tabs: int
    taps: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Weather:
    """How much goes wrong, as chances."""

    name: str
    call: float
    delivery: float
    outcome: float
    text: float
    bill: float
    job: float
    notification: float
    window: float
    index_lag_seconds: float


CALM = Weather(
    name="calm", call=0.0, delivery=0.0, outcome=0.15, text=0.05, bill=0.0, job=0.0,
    notification=0.0, window=0.0, index_lag_seconds=0.0,
)  # fmt: skip
USUAL = Weather(
    name="usual", call=0.004, delivery=0.03, outcome=0.35, text=0.15, bill=0.5, job=0.15,
    notification=0.2, window=0.2, index_lag_seconds=3.0,
)  # fmt: skip
STORM = Weather(
    name="storm", call=0.025, delivery=0.12, outcome=0.6, text=0.3, bill=0.7, job=0.3,
    notification=0.4, window=0.5, index_lag_seconds=20.0,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One seed's day; `left_out` names the faults that are switched off."""

    seed: int
    book: int
    weather: Weather
    faults: tuple[Fault, ...]
    visits: tuple[Visit, ...]
    days: int = 1
    funders: bool = False
    left_out: frozenset[int] = frozenset()
    sample: SampleBook = field(repr=False)

    @property
    def business_date(self) -> date:
        return self.sample.business_date

    @property
    def dates(self) -> tuple[date, ...]:
        """The business dates that are played through to their close."""
        return tuple(self.business_date + timedelta(days=number) for number in range(self.days))

    @property
    def midnight(self) -> datetime:
        return datetime.combine(self.business_date, time(), SHANGHAI)

    def standing(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.number not in self.left_out)

    def of_kind(self, *kinds: str) -> Iterator[Fault]:
        return (fault for fault in self.standing() if fault.kind in kinds)

    def without(self, numbers: frozenset[int]) -> "Plan":
        return replace(self, left_out=self.left_out | numbers)


FUNDERS = 0.4
"""The chance that others lend beside us in a day's book."""


def draw(
    seed: int,
    *,
    repaying: float = 0.5,
    weather: Weather | None = None,
    funders: float = FUNDERS,
) -> Plan:
    """Draw a seed's day; `repaying` is the chance that borrowers pay early on it.

    `funders` is the chance of funders, drawn apart: a day without them is what it always was.
    """
    plan = _with_staff(_drawn(seed, repaying=repaying, weather=weather))
    if Random(f"funders {seed}").random() >= funders:
        return plan
    sample = books.make(plan.book, funders=True)
    more = plan_funders.faults(seed, sample, plan.weather)
    numbered = [Fault(number=len(plan.faults) + place, **facts) for place, facts in enumerate(more)]
    visits = (Visit(**facts) for facts in plan_funders.visits(seed, sample, repaying))
    return replace(
        plan,
        funders=True,
        sample=sample,
        faults=(*plan.faults, *numbered),
        visits=tuple(sorted((*plan.visits, *visits), key=lambda visit: visit.at)),
    )


def _with_staff(plan: Plan) -> Plan:
    """Have finance staff come, of another stream of chance."""
    rng = Random(f"staff {plan.seed}")
    drawn = [
        {"kind": kind, "about": rng.choice(what), "more": rng.choice(HOW_APPROVED)}
        for kind, what in STAFF.items()
        if rng.random() < STAFF_COMES and plan.weather is not CALM
    ]
    first = len(plan.faults)
    more = (Fault(number=first + place, **facts) for place, facts in enumerate(drawn))
    return replace(plan, faults=(*plan.faults, *more))


def _drawn(seed: int, *, repaying: float, weather: Weather | None) -> Plan:
    rng = Random(f"day {seed}")
    number = rng.randrange(books.BOOKS)
    sample = books.make(number)
    drawn = rng.choices((CALM, USUAL, STORM), (2, 5, 3))[0]
    weather = weather or drawn
    faults = [
        Fault(number=place, **facts) for place, facts in enumerate(_faults(seed, sample, weather))
    ]
    visits = _visits(seed, len(sample.loans)) if rng.random() < repaying else ()
    return Plan(
        seed=seed,
        book=number,
        weather=weather,
        faults=tuple(faults),
        visits=visits,
        days=2 if weather is not CALM and rng.random() < TWO_DAYS else 1,
        sample=sample,
    )


STAFF_COMES = 0.6
STAFF: Mapping[str, tuple[str, ...]] = {
    "staff_hasty": ("reverse", "reject", "reopen"),
    "staff_decides": ("post_late_success", "post_late_success", "refund"),
}
"""What finance staff do of a discrepancy, too early, or when all bills are there."""

HOW_APPROVED = ("", "", "alone", "at_once")

TWO_DAYS = 0.2
"""The chance that the next business day is played as well, on what the first has left."""

CALLS_MAX = 6_000
DELIVERIES_MAX = 400
MEDDLED_MAX = 16


def _faults(seed: int, sample: SampleBook, weather: Weather) -> Iterator[dict[str, Any]]:
    yield from _of_platforms(Random(f"platforms {seed}"), sample, weather)
    yield from _of_schedules_and_files(Random(f"schedules {seed}"), weather)
    rng = Random(f"calls {seed}")
    kinds, weights = tuple(CALL_FAULTS), tuple(CALL_FAULTS.values())
    for ordinal in _points(rng, weather.call, CALLS_MAX):
        yield {"kind": rng.choices(kinds, weights)[0], "at": float(ordinal)}
    rng = Random(f"deliveries {seed}")
    # A due that is put off doubles with each doubled delivery, minute after minute: not too many.
    for ordinal in islice(_points(rng, weather.delivery, DELIVERIES_MAX), MEDDLED_MAX):
        kind = rng.choice(("delivered_twice", "delivered_late", "newer_shape", "older_shape"))
        yield {"kind": kind, "at": float(ordinal), "more": rng.randrange(30, 900)}
    rng = Random(f"notifications {seed}")
    for ordinal in _points(rng, weather.notification, 60):
        kind = rng.choice(("lost", "replayed", "forged", "altered", "late", "repeated_later"))
        yield {"kind": f"notification_{kind}", "at": float(ordinal), "more": rng.randrange(1, 1200)}


def _of_platforms(rng: Random, sample: SampleBook, weather: Weather) -> Iterator[dict[str, Any]]:
    for loan in sample.loans:
        if rng.random() < weather.outcome:
            yield {
                "kind": "outcome",
                "about": loan.agreement_no,
                "more": rng.choice(OUTCOMES),
            }
    if weather is not CALM and rng.random() < LIES:
        yield {"kind": "outcome", "about": rng.choice(sample.loans).agreement_no, "more": (LIE,)}
    for phone in sorted({loan.phone for loan in sample.loans}):
        if rng.random() < weather.text:
            yield {"kind": "text", "about": phone, "more": (rng.choice(TEXT_OUTCOMES),)}
    for kind in ("platform_down", "platform_throttling", "paused"):
        if rng.random() < weather.window:
            begins = rng.choice((0.0, 7.99, 8.0, 8.01, 12.0, 15.99, 16.0, 21.9, 24.5, 34.0))
            yield {"kind": kind, "at": begins, "until": begins + rng.choice((0.02, 0.1, 0.3, 0.6))}
    if weather.index_lag_seconds:
        yield {"kind": "index_lag", "more": rng.random() * weather.index_lag_seconds}


def _of_schedules_and_files(rng: Random, weather: Weather) -> Iterator[dict[str, Any]]:
    for job in JOBS:
        if rng.random() < weather.job:
            kind = rng.choice(("job_missing", "job_thrice", "job_late"))
            yield {"kind": kind, "about": job, "more": rng.choice((0.3, 1.0, 3.0))}
    if rng.random() < INTAKES:
        how = rng.choice(("in order", "manifest first", "twice"))
        yield {"kind": "more_loans", "about": how, "at": rng.choice((0.1, 7.9, 9.0, 16.0))}
    if rng.random() < weather.bill:
        yield {"kind": "bill", "about": rng.choice(BILL_FAULTS), "more": rng.randrange(8)}


def _points(rng: Random, chance: float, most: int) -> Iterator[int]:
    """Draw at which of a sequence of events something happens."""
    if not chance:
        return
    at = 0
    while True:
        at += 1 + int(math.log(1.0 - rng.random()) / math.log(1.0 - chance))
        if at > most:
            return
        yield at


def _visits(seed: int, loans: int) -> tuple[Visit, ...]:
    rng = Random(f"visits {seed}")
    return tuple(
        sorted(
            (
                Visit(
                    at=rng.choice((0.2, 6.0, 7.999, 8.0, 8.002, 9.0, 12.0, 15.999, 16.001, 22.5))
                    + rng.random() * 0.01,
                    loan=rng.randrange(loans),
                    kind=rng.choice(("overdue", "instalment", "partial", "full", "full")),
                    recut=rng.choice(("reduce_instalment", "shorten_term")),
                    amount_share=rng.random(),
                    tabs=rng.choice((1, 1, 2)),
                    taps=rng.choice((1, 1, 2)),
                )
                for _ in range(rng.randrange(1, 5))
            ),
            key=lambda visit: visit.at,
        )
    )


def _clock(hours: float) -> str:
    minutes = round(hours * 60)
    days, rest = divmod(minutes, 24 * 60)
    return f"{'next day ' if days else ''}{rest // 60:02}:{rest % 60:02}"
