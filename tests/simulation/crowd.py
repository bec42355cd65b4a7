"""A crowd: what else may happen on a day, drawn so that guards are leaned on that rarely are.

It adds to a plan (visits at the very moments of rounds and sweeps, a platform that is away all
night and whose notifications are lost) and to a day (operators who fire jobs at odd hours, answers
nobody has listed, batches that are taken in part, two versions of a bill at once, borrowers who
dawdle).  All of it is drawn from the seed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from json import dumps, loads
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import TYPE_CHECKING, Any

from chalicelib.flows import posting
from chalicelib.wiring import books
from tests.simulation import tasks
from tests.simulation.clock import clock_time
from tests.simulation.gateway import Phone
from tests.simulation.outside import FOREIGN_KEYS, Response
from tests.simulation.plan import LIE, Fault, Plan, Visit
from tests.simulation.rows import fen
from tests.simulation.tokens import token_of

if TYPE_CHECKING:
    from tests.simulation.day import Day

STRETCH_USUAL = tasks.STRETCH_MAX
MOMENTS = (
    *(10 / 60, 10 / 60, 0.5, 7.999, 8.0, 8.0, 8.0, 8.001, 8.25, 8.5, 8.75, 12.25),
    *(15.999, 16.0, 16.0, 16.001, 16.25, 16.5, 16.75, 21.75, 23.5, 23.75),
)
"""When jobs fire: whoever comes at the same moment meets them step by step."""

AT_NIGHT = ("timeout_after_charge",), ("timeout_before_charge",), ("not_exist_after_accept",)
NOTIFICATIONS_LOST = 120
BILLS = ("shift_day", "shift_day", "drop_row", "duplicate_row", "change_amount", "wrong_digest")
DAWDLES = ((2.0, 0.3), (10.0, 0.3), (13.0, 0.1), (7.95, 0.1), (7.95, 0.1), (15.9, 0.15))
"""When somebody quotes, and how many hours later he pays."""

LIFETIME_HOURS = 0.25
RUSH = 0.5
"""How many of those who come all come at one moment."""

JUST_BEFORE_LIST = 10 / 60 - 2 / 3600
TWO_LINES = 15
"""The place in a book of the loan that owes two instalments: the older one may be paid alone."""

FATAL = {
    "schedules": 0.3,
    "active_orders": 0.15,
    "files": 0.1,
    "runs": 0.06,
    "journal": 0.08,
    "loans": 0.03,
    "notices": 0.02,
}
"""How often a Lambda dies right after it has written there."""

FATAL_UNTIL = 37.0
BY_HAND = "asked for by hand"
OFTEN = (
    *((10 / 60, "sweep"), (8.0, "sweep"), (16.0, "sweep")),
    *((6.0, "release_texts"), (22.1, "release_texts")),
)
CALM_LAG_SECONDS = 3.0
HONEST_FROM = 33.0
"""From here on the platform answers as it should: what it says of a night is the truth."""


# --- more for a plan --------------------------------------------------------------------


def crowded(plan: Plan) -> Plan:
    """Let more people come, and more go wrong; a calm day stays calm."""
    rng = Random(f"crowd {plan.seed}")
    loans = len(plan.sample.loans)
    hot = [rng.randrange(loans), TWO_LINES if rng.random() < 0.4 else rng.randrange(loans)]
    visits = tuple(sorted((*plan.visits, *_visits(rng, hot, loans)), key=lambda visit: visit.at))
    faults = list(plan.faults)
    if plan.weather.name == "calm" and rng.random() < 0.4:
        faults.append(Fault(number=len(faults), kind="job_missing", about="make_due_list"))
    if plan.weather.name != "calm":
        agreements = [loan.agreement_no for loan in plan.sample.loans]
        for facts in _more_faults(rng, [agreements[place] for place in hot], agreements):
            faults.append(Fault(number=len(faults), **facts))
    return replace(plan, visits=visits, faults=tuple(faults))


def _visits(rng: Random, hot: list[int], loans: int) -> Iterator[Visit]:
    rush = rng.choice(MOMENTS)
    if rng.random() < 0.3:
        at = rng.choice((10 / 60, 10 / 60, JUST_BEFORE_LIST))
        yield Visit(
            at=at,
            loan=TWO_LINES if at != JUST_BEFORE_LIST else rng.randrange(TWO_LINES),
            kind="overdue" if at != JUST_BEFORE_LIST else "instalment",
            recut="reduce_instalment",
            amount_share=0.0,
            tabs=1,
            taps=1,
        )
    for _ in range(rng.randrange(2, 7)):
        yield Visit(
            at=rush if rng.random() < RUSH else rng.choice(MOMENTS),
            loan=rng.choice(hot) if rng.random() < 0.7 else rng.randrange(loans),
            kind=rng.choice(("overdue", "instalment", "partial", "partial", "full")),
            recut=rng.choice(("reduce_instalment", "shorten_term")),
            amount_share=rng.random() * 0.8,
            tabs=rng.choice((1, 1, 2)),
            taps=rng.choice((1, 1, 2)),
        )


def _more_faults(rng: Random, hot: list[str], agreements: list[str]) -> Iterator[Mapping[str, Any]]:
    if rng.random() < 0.2:
        yield {"kind": "outcome", "about": rng.choice(agreements), "more": (LIE,)}
    for agreement in hot:
        if rng.random() < 0.4:
            failing = ("insufficient_funds", "insufficient_funds", "succeed")
            yield {"kind": "outcome", "about": agreement, "more": failing}
    if rng.random() < 0.4:
        yield {"kind": "bill", "about": rng.choice(BILLS), "more": 0}
    if rng.random() < 0.35:
        begins = rng.choice((16.003, 16.003, 16.2))
        for agreement in (*hot, *rng.sample(agreements, 6)):
            yield {"kind": "outcome", "about": agreement, "more": rng.choice(AT_NIGHT)}
        for ordinal in range(1, NOTIFICATIONS_LOST):
            yield {"kind": "notification_lost", "at": float(ordinal)}
        ends = rng.choice((33.9, 33.9, 34.3))
        yield {"kind": "platform_down", "at": begins, "until": ends}


# --- more for a day ---------------------------------------------------------------------


class Crowd:
    """Whoever else comes on a day; `wrongs` are what they were told and should not have been."""

    def __init__(self, day: "Day") -> None:
        day.crowd = self  # type: ignore[attr-defined]
        self._day = day
        self._rng = Random(f"crowd of {day.plan.seed}")
        self.wrongs: list[str] = []
        self.days_without_list = 0
        self._remember_an_earlier_list()
        self._have_jobs_fired()
        self._have_bills_dropped()
        self._have_borrowers_dawdle()
        self._have_answers_spoilt()
        self._have_everybody_in_a_hurry()

    def _have_everybody_in_a_hurry(self) -> None:
        """Let those at work come between each other at every call; let what is read be old."""
        day, rng = self._day, self._rng
        tasks.STRETCH_MAX = rng.choice((1, 2, STRETCH_USUAL))
        day._at_once = rng.choice((2, 4, 8))
        if day.plan.weather.name == "calm":
            lag = rng.choice((0.0, CALM_LAG_SECONDS))
            day.world.lag_seconds = lambda: lag

    def is_fatal(self, operation: str, table: str) -> bool:
        """Whether a Lambda dies now that it has written."""
        day = self._day
        if operation not in {"PutItem", "UpdateItem"} or not day.plan.weather.call:
            return False
        chance = FATAL.get(table.rpartition("-")[2], 0.0)
        return self._rng.random() < chance and day.hours(day.world.clock.seconds) < FATAL_UNTIL

    # --- jobs ---------------------------------------------------------------------------

    def _remember_an_earlier_list(self) -> None:
        """Some days before this one had no list."""
        self.days_without_list = self._rng.choice((0, 0, 1, 4))
        last = self._day.plan.business_date - timedelta(days=1 + self.days_without_list)
        self._day.world.dynamodb.call(
            "PutItem",
            {
                "TableName": "afterloan-test-runs",
                "Item": {
                    "business_date": {"S": "last"},
                    "job": {"S": "due_list"},
                    "last_date": {"S": last.isoformat()},
                    "parts": {"M": {}},
                },
            },
        )

    def _have_jobs_fired(self) -> None:
        """An operator opens a round before its time, makes up for yesterday's list, and so on."""
        day, rng = self._day, self._rng
        if rng.random() < 0.3:
            day.at(8.0, "round 2", lambda: day.fire("open_round_2", 8.0, tries=1))
        if rng.random() < 0.15:
            day.at(10.0, "yesterday's list", lambda: day.fire("make_due_list", -23.8))
        if rng.random() < 0.3:
            day.at(22.2, "a third round", self._put_third_round)
        for at, job in OFTEN:
            if rng.random() < 0.3:
                day.at(at, job, lambda job=job, at=at: day.fire(job, at))
        for visit in day.plan.visits:
            if visit.at in MOMENTS and visit.at > 1 and rng.random() < 0.15:
                loan_id = day.plan.sample.loans[visit.loan].loan_id
                day.at(visit.at, "a hold", lambda loan_id=loan_id: self._hold(loan_id))
                day.at(visit.at, "a sweep", lambda at=visit.at: day.fire("sweep", at))

    def _hold(self, loan_id: str) -> None:
        """Somebody holds a loan by hand, whatever is under way, and lifts that late at night."""

        def lift() -> None:
            by_hand(lambda: posting.lift(loan_id=loan_id, reason=BY_HAND, books=books()))

        def by_hand(work: Callable[[], object], tries: int = 9) -> None:
            def done(ended: object) -> None:
                if isinstance(ended, BaseException) and tries:
                    by_hand(work, tries - 1)

            self._day.world.tasks.start("by hand", work, done)

        by_hand(lambda: posting.hold(loan_id=loan_id, reason=BY_HAND, books=books()))
        self._day.at(33.0, "a hold is lifted", lift)

    def _put_third_round(self) -> None:
        """Messages of a third round come when its window has closed."""
        on = f"{self._day.plan.business_date:%Y%m%d}"
        for loan in self._rng.sample(self._day.plan.sample.loans, 5):
            message = {"order_no": f"{on}-3-{loan.loan_id}", "listed_fen": 10**10}
            self._day.put_again("deductions", dumps(message), 0)

    # --- bills --------------------------------------------------------------------------

    def _have_bills_dropped(self) -> None:
        """A corrected bill comes at once with the first; the first is announced again at the end."""
        day, rng = self._day, self._rng
        if rng.random() < 0.3:
            # Made at that moment, so that it is kept behind the first.
            day.at(34.0, "bills", lambda: day.at(34.0, "a second bill", self._correct_at_once))
        if rng.random() < 0.5:
            day.at(36.6, "the first bill again", self._announce_first_bill)

    def _correct_at_once(self) -> None:
        self._day.bills.correct(self._day.plan.business_date)

    def _announce_first_bill(self) -> None:
        key = f"in/payment/main/bill/{self._day.plan.business_date:%Y%m%d}/bill_v1.csv"
        record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": key}}}
        self._day.put_again("files", dumps({"Records": [record]}), 0)

    # --- borrowers ----------------------------------------------------------------------

    def _have_borrowers_dawdle(self) -> None:
        """Some quote, and pay when the quote has expired, or when a round has come between."""
        rng = self._rng
        for number in range(rng.choice((0, 1, 2))):
            at, pause = rng.choice(DAWDLES)
            loan = rng.randrange(len(self._day.plan.sample.loans))
            self._expect(number, loan, at, pause)

    def _expect(self, number: int, loan: int, at: float, pause: float) -> None:
        day = self._day
        sample = day.plan.sample.loans[loan]
        path, key = f"/v1/loans/{sample.loan_id}/repayments", f"slow-{number}"
        token = token_of(sample.borrower_id, day=clock_time(day.plan.midnight, -1))
        phone = Phone(world=day.world, token=token)
        kind = self._rng.choice(("full", "partial"))
        wishes = [
            Visit(at=at, loan=loan, kind=kind, recut=recut, amount_share=0.2, tabs=1, taps=1)
            for recut in ("reduce_instalment", "shorten_term")
        ]

        def quoted() -> None:
            found = [day.borrowers._quoted(phone, sample.loan_id, wish) for wish in wishes]
            version = self._schedule_of(sample.loan_id)
            if kind == "partial" and all(found) and found[0] != found[1]:
                phone.post(path, {"quote_id": found[0]}, key=f"{key}-first")
            if quote_id := found[-1]:
                pay = lambda: paid(quote_id, version)  # noqa: E731
                day.at(at + pause, "who has dawdled", lambda: self._slowly(pay))

        def paid(quote_id: str, version: int) -> None:
            now_version = self._schedule_of(sample.loan_id)
            answer = phone.post(path, {"quote_id": quote_id}, key=key)
            if answer.status == 202 and pause > LIFETIME_HOURS:
                self.wrongs.append(f"I3 {sample.loan_id}: a quote that had expired was taken")
            if answer.status == 202 and version != now_version:
                self.wrongs.append(f"I3 {sample.loan_id}: a quote of another schedule was taken")
            other = phone.post(path, {"quote_id": "Qaaaaaaaaaaaaaaaa"}, key=key)
            if answer.status == 409 and other.status < 500 and other.status not in {409, 422}:
                self.wrongs.append(f"I3 {sample.loan_id}: a key was taken twice: {other.status}")

        day.at(at, "who dawdles", lambda: self._slowly(quoted))

    def _slowly(self, work: Callable[[], object]) -> None:
        self._day.world.tasks.start("slow", work, lambda _: None)

    def _schedule_of(self, loan_id: str) -> int:
        head = self._day.rows.head(loan_id)
        return fen(head["sv"]) if head else 0

    # --- answers ------------------------------------------------------------------------

    def _have_answers_spoilt(self) -> None:
        """Have answers of the platform, of SQS and of SNS spoilt now and then."""
        world, chance = self._day.world, self._day.plan.weather.call
        platforms, rng = world.platforms, self._rng
        platforms.__dict__.pop("_answered", None)
        for service in (world.sqs, world.sns):
            service.__dict__.pop("call", None)
        if not chance:
            return
        real = platforms._answered

        def answered(name: str, method: str, path: str, *rest: Any) -> Response:
            given = real(name, method, path, *rest)
            is_late = self._day.hours(world.clock.seconds) > HONEST_FROM
            if name != "payment" or is_late or given.status != 200 or rng.random() > chance * 6:
                return given
            return self._spoilt(given, method, path)

        platforms._answered = answered  # type: ignore[method-assign]
        for service, operation, entries in (
            (world.sqs, "SendMessageBatch", "Entries"),
            (world.sns, "PublishBatch", "PublishBatchRequestEntries"),
        ):
            service.call = self._in_part(service.call, operation, entries, chance * 6)  # type: ignore[method-assign]

    def _spoilt(self, given: Response, method: str, path: str) -> Response:
        """Say something that must not be believed, or that says nothing."""
        platforms = self._day.world.platforms
        said = loads(given.data)
        contrary = "FAILED" if said["status"] == "SUCCEEDED" else "SUCCEEDED"
        lie = {**said, "status": contrary, "failure_code": "INSUFFICIENT_FUNDS"}
        match self._rng.choice(("forged", "unlisted", "another", "html")):
            case "forged":
                body = dumps(lie).encode()
                signed = platforms.signed(method, path, body, keys=FOREIGN_KEYS)
                return Response(200, body, signed)
            case "unlisted":
                said |= {"status": "FAILED", "failure_code": "SYSTEM_BUSY", "paid_at": None}
            case "another":
                said = {**lie, "order_no": f"{said['order_no']}9"}
            case _:
                return Response(502, b"<html>", {})
        body = dumps(said).encode()
        return Response(200, body, platforms.signed(method, path, body))

    def _in_part(
        self, call: Callable[..., Any], operation: str, name: str, chance: float
    ) -> Callable[..., Any]:
        """Have a batch taken but for its last entry, now and then."""

        def called(asked: str, parameters: Mapping[str, Any]) -> Any:
            entries = parameters.get(name, ())
            if asked != operation or len(entries) < 2 or self._rng.random() > chance:
                return call(asked, parameters)
            answer = call(asked, {**parameters, name: entries[:-1]})
            refused = {"Id": entries[-1]["Id"], "Code": "InternalError", "SenderFault": False}
            return {**answer, "Failed": [*answer.get("Failed", ()), refused]}

        return called
