"""A crowd: what else may happen on a day, drawn so that guards are leaned on that rarely are.

Operators who fire jobs at odd hours, answers nobody has listed, batches that are taken in part, two
versions of a bill at once, borrowers who dawdle, Lambdas that die right after the rare writes.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from json import dumps, loads
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.stream import event_of
from chalicelib.adapters.queues import encoded
from chalicelib.flows import posting
from chalicelib.wiring import books
from tests.simulation import tasks
from tests.simulation.clock import clock_time
from tests.simulation.crowded import MOMENTS
from tests.simulation.gateway import Phone
from tests.simulation.outside import FOREIGN_KEYS, Response
from tests.simulation.plan import Visit
from tests.simulation.rows import fen, text
from tests.simulation.slowness import Slowness
from tests.simulation.tokens import token_of

if TYPE_CHECKING:
    from tests.simulation.day import Day

STRETCH_USUAL = tasks.STRETCH_MAX
DAWDLES = ((2.0, 0.3), (10.0, 0.3), (13.0, 0.1), (7.95, 0.1), (7.95, 0.1), (15.9, 0.15))
"""When somebody quotes, and how many hours later he pays."""

LIFETIME_HOURS = 0.25
FATAL = {
    "schedules": 0.3,
    "active_orders": 0.15,
    "files": 0.25,
    "runs": 0.06,
    "journal": 0.08,
    "loans": 0.03,
    "notices": 0.02,
}
"""How often a Lambda dies right after it has written there."""

FATAL_TO_BILLS = {"journal": 0.3}
"""Somebody who dies between the record and the loan leaves an order that holds its slot."""

FATAL_UNTIL = 37.0
BY_HAND = "asked for by hand"
OFTEN = (
    *((10 / 60, "sweep"), (8.0, "sweep"), (16.0, "sweep")),
    *((6.0, "release_texts"), (22.1, "release_texts")),
)
CALM_LAG_SECONDS = 3.0
HONEST_FROM = 33.0
"""From here on the platform answers as it should: what it says of a night is the truth."""


class Crowd:
    """Whoever else comes on a day; `wrongs` are what they were told and should not have been."""

    def __init__(self, day: "Day") -> None:
        day.crowd = self  # type: ignore[attr-defined]
        self._day = day
        self._rng = Random(f"crowd of {day.plan.seed}")
        self.slow = Slowness(day)
        self.wrongs: list[str] = []
        self.days_without_list = 0
        self.reported: dict[str, str] = {}
        self.spoilt: set[str] = set()
        if self._rng.random() < 0.5:
            day.sms._until_receipt = timedelta()
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
        hours, about = day.hours(day.world.clock.seconds), table.rpartition("-")[2]
        fatal = FATAL | FATAL_TO_BILLS if hours > HONEST_FROM else FATAL
        return self._rng.random() < fatal.get(about, 0.0) and hours < FATAL_UNTIL

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
        if rng.random() < 0.5:
            day.at(18.0, "old events", self._announce_again)
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

    def _announce_again(self) -> None:
        """Events of the day come again when their texts are long gone; a text fails after all."""
        day, rng = self._day, self._rng
        records = day.rows.records()
        for row in rng.sample(records, min(len(records), 5)):
            event = event_of(row)
            day.put_again("notices", encoded(event), 0)
        for row in day.rows.all("notices"):
            if text(row["state"]) in {"DELIVERED", "FAILED"} and rng.random() < 0.3:
                self.reported[text(row["notice_id"])] = text(row["state"])
                contrary = "FAILED" if text(row["state"]) == "DELIVERED" else "DELIVERED"
                receipt = {
                    "message_id": text(row["notice_id"]),
                    "receipt_id": "R",
                    "status": contrary,
                }
                day.put_again("receipts", dumps(receipt), 0)

    def _put_third_round(self) -> None:
        """Messages of a third round come when its window has closed."""
        on = f"{self._day.plan.business_date:%Y%m%d}"
        for loan in self._rng.sample(self._day.plan.sample.loans, 5):
            message = {"order_no": f"{on}-3-{loan.loan_id}", "listed_fen": 10**10}
            self._day.put_again("deductions", dumps(message), 0)

    # --- bills --------------------------------------------------------------------------

    def _have_bills_dropped(self) -> None:
        """A corrected bill comes right after the first; the first is announced again at the end."""
        day, rng = self._day, self._rng
        is_right = not any(day.plan.of_kind("bill")) and not any(
            "wrong_amount" in fault.more for fault in day.plan.of_kind("outcome")
        )
        if is_right and rng.random() < 0.7:  # then there is nothing to correct
            day.bills.correct = lambda _: None  # type: ignore[method-assign]
        elif rng.random() < 0.5:
            # Who died at the first one goes on with it when the second has been worked.
            day.at(34.05, "a second bill", lambda: day.bills.correct(day.plan.business_date))
        if rng.random() < 0.5:
            day.at(36.6, "the first bill again", self._announce_first_bill)

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
        self.spoilt.add(path.rpartition("/")[2])
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
