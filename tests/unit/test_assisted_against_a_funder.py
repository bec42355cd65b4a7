"""Weeks of loan assistance against a funder with books and arithmetic of its own.

It makes its list, deducts, answers what we forward, and writes its files; at the end of every day
its books and ours agree loan by loan, part by part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251  seeded: the simulator's chance

import pytest

from chalicelib.adapters import funders
from chalicelib.domain.deduction import Answer, AnswerStatus, Status
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import Components, Money
from chalicelib.flows import assisted_day, early_repayment
from chalicelib.flows.early_repayment import Started
from simulators.clock import SettableClock
from simulators.funder import Funder
from simulators.funder_acquirer import InProcess
from simulators.payment_platform import PaymentPlatform
from simulators.wire import Wire
from tests.assisted import AssistedWorld, fen_of, wrongs
from tests.builders import at
from tests.fakes_files import a_loan_row, drop_loans
from tests.repayments import WISHES, ask_all, send_all

FIRST = date(2026, 11, 23)
MIX = {
    "succeed": 0.6,
    "insufficient_funds": 0.2,
    "limit_exceeded": 0.05,
    "processing_then_succeed": 0.05,
    "processing_then_fail": 0.05,
    "timeout_after_charge": 0.05,
}


@dataclass
class Desk:
    """The exchange bucket as the funder sees it."""

    bodies: dict[str, bytes]
    written: list[str] = field(default_factory=list)

    def put(self, key: str, body: bytes) -> None:
        self.bodies[key] = body
        self.written.append(key)

    def get(self, key: str) -> bytes | None:
        return self.bodies.get(key)

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.bodies if key.startswith(prefix))


class Forwarded:
    """The funder's deduction interface, in this process."""

    def __init__(self, wishes) -> None:
        self._wishes = wishes
        self.charged = {}
        self.ends = {}

    def is_available(self) -> bool:
        return True

    def deduct(self, order) -> Answer:
        body = {
            "order_no": order.order_no,
            "agreement_no": order.agreement_no,
            "amount_fen": order.amount.fen,
            "currency": "CNY",
            "split": [],
            "notify_url": "",
            "subject": order.subject,
            "loan_id": order.loan_id,
            "kind": order.kind.value,
            "as_of": order.as_of.isoformat(),
            **({"recut": order.recut} if order.recut else {}),
            "lines": [
                {"instalment_no": line.instalment_no, **fen_of(line.components)}
                for line in order.lines
            ],
        }
        return _read(self._wishes.deduct(body))

    def ask(self, order_no: str) -> Answer:
        return _read(self._wishes.query(order_no))

    def close(self, order_no: str) -> Answer:
        return _read(self._wishes.close(order_no))


def _read(reply) -> Answer:
    if reply.wire is not Wire.SIGNED or not isinstance(reply.body, Mapping):
        return Answer(status=AnswerStatus.UNREADABLE)
    if reply.status == 404:
        return Answer(status=AnswerStatus.NOT_EXIST)
    if reply.status != 200:
        return Answer(status=AnswerStatus.UNREADABLE)
    said = reply.body
    return Answer(
        status=AnswerStatus(said["status"]),
        trade_no=str(said.get("trade_no") or ""),
        amount=Money(said["amount_fen"]) if said.get("amount_fen") is not None else None,
        failure_code=str(said.get("failure_code") or ""),
        paid_at=datetime.fromisoformat(said["paid_at"]) if said.get("paid_at") else None,
    )


class Weeks:
    """Both sides, day by day."""

    def __init__(self, seed: int, *, mix: Mapping[str, float] = MIX) -> None:
        self.rng = Random(seed)
        self.world = world = AssistedWorld()
        world.dialect = funders.read_dialects()["default"]
        world.served_modes = frozenset(Mode)
        self.clock = SettableClock()
        self.clock.set(at(0, 5, day=FIRST))
        platform = PaymentPlatform(clock=self.clock, rng=Random(seed), hang_seconds=0.0)
        platform.mix(mix)
        self.desk = Desk(world.objects.bodies)
        self.funder = Funder(
            clock=self.clock,
            rng=Random(seed + 1),
            bucket=self.desk,
            acquirer=InProcess(platform),
            hang_seconds=0.0,
        )
        self.funder.agree({"funder_id": "F3", "dialects": {"results": {}}})
        self.funder.wishes.mix(mix)
        world.funder_platform = Forwarded(self.funder.wishes)

    def lend(self, count: int) -> None:
        rows = [
            a_loan_row(
                f"LN{number}",
                mode="loan_assistance",
                funder_id="F3",
                funder_share_bps=10_000,
                terms=self.rng.choice([1, 3, 6]),
                principal_fen=self.rng.randrange(100_000, 2_000_000),
                method=self.rng.choice(["equal_instalment", "equal_principal", "interest_first"]),
                disbursed_on=FIRST - timedelta(days=31),
                first_due_on=FIRST + timedelta(days=self.rng.randrange(4)),
            )
            for number in range(1, count + 1)
        ]
        drop_loans(self.world, rows)
        taken = self.world.take("in/loans/20261124/loans_v1.csv", at(0, 5, day=FIRST))
        assert taken.applied == count, taken
        assert self.funder.add_loans(rows)["opened"] + self.funder.read_loans()["opened"] == count

    def live(self, day: date) -> None:
        world = self.world
        self.clock.set(at(0, 10, day=day))
        world.list_dues(day)
        for hour, round_no in ((8, 1), (16, 2)):
            self.clock.set(at(hour, day=day))
            self.wish(day, hour)
            self.funder.run_round(funder_id="F3", day=day, round_no=round_no)
            self.clock.set(at(hour + 3, day=day))
            self.land()
            self.clock.set(at(hour + 3, 15, day=day))
            ask_all(world, now=self.clock())
            assisted_day.sweep(now=self.clock(), desk=world.days)
        self.clock.set(at(21, day=day))
        assisted_day.sweep(now=self.clock(), desk=world.days)
        assert wrongs_of(self) == [], day

    def wish(self, day: date, hour: int) -> None:
        """Let a borrower pay by himself, now and then."""
        world = self.world
        if self.rng.random() > 0.3:
            return
        open_loans = [no for no, one in world.loans.rows.items() if one.status is LoanStatus.OPEN]
        for loan_id in self.rng.sample(open_loans, min(len(open_loans), 2)):
            facts = {
                "borrower_id": world.loans.rows[loan_id].borrower_id,
                "loan_id": loan_id,
                "now": at(hour, 1, day=day),
                "desk": world.repaying,
            }
            name = self.rng.choice(sorted(WISHES))
            quoted = early_repayment.quote(wish=WISHES[name], **facts)
            if isinstance(quoted, early_repayment.Refused):
                continue
            begun = early_repayment.start(quote_id=quoted.quote_id, request="r", **facts)
            assert isinstance(begun, Started)
        send_all(world, now=at(hour, 2, day=day))

    def land(self) -> None:
        """Let what the funder wrote land, and once more, and in whatever order."""
        keys = list(dict.fromkeys(key.removesuffix(".ok") for key in self.desk.written))
        self.desk.written.clear()
        for key in self.rng.sample(keys * 2, len(keys) * 2):
            assert self.world.take(key, self.clock()).outcome in {"applied", "known"}, key

    def books(self, day: date) -> dict[str, dict]:
        return self.funder.books(funder_id="F3", as_of=day)["loans"]


def wrongs_of(weeks: Weeks) -> list[str]:
    return [wrong for wrong in wrongs(weeks.world) if "was asked for it" not in wrong]


def whole(parts: Mapping[str, int]) -> Mapping[str, int]:
    return {name: parts[name] for name in ("principal_fen", "interest_fen", "penalty_fen")}


@pytest.mark.parametrize("seed", range(6))
def test_its_books_and_ours_agree_after_weeks(seed):
    weeks = Weeks(seed)
    weeks.lend(12)
    for days in range(40):
        weeks.live(FIRST + timedelta(days=days))
    last = FIRST + timedelta(days=40)
    # One calm day more: what was unknown has its end, and is told.
    weeks.clock.set(at(8, day=last))
    weeks.world.list_dues(last)
    weeks.funder.run_round(funder_id="F3", day=last, round_no=1)
    weeks.clock.set(at(12, day=last))
    ask_all(weeks.world, now=weeks.clock())
    weeks.land()

    world = weeks.world
    for loan_id, theirs in weeks.books(last).items():
        paid = sum(
            (
                row.components
                for row in world.journal.results.values()
                if row.loan_id == loan_id and row.result.status is Status.SUCCEEDED
            ),
            Components(),
        )
        assert fen_of(paid) == whole(theirs["repaid"]["whole"]), loan_id
        assert fen_of(world.owed(loan_id, day=last).components) == whole(theirs["owed"]["whole"]), (
            loan_id
        )
    assert world.open_findings == {}
    kinds = {(row.kind != "scheduled", row.settled_by) for row in world.journal.results.values()}
    assert {(False, "results"), (True, "platform")} <= kinds, "rounds and wishes"
