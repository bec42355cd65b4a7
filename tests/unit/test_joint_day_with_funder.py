"""Our joint-lending day against a funder that keeps its own books, with its own arithmetic."""

from dataclasses import replace
from random import Random  # noqa: TID251  seeded

import pytest

from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money, total
from chalicelib.flows import day_close, sweep
from simulators.clock import SettableClock
from simulators.funder import Funder
from simulators.funder_acquirer import InProcess
from simulators.funder_mutations import mutation_of
from simulators.payment_platform import PaymentPlatform
from tests import funder_side
from tests.builders import FUNDER, TODAY, at
from tests.fakes_files import LOANS_KEY
from tests.fakes_funders import (
    F1,
    TOMORROW,
    FunderWorld,
    bill_comes,
    confirmation_key,
    due_key,
    go_round,
    list_dues,
)

LOANS = 60
METHODS = ("equal_principal", "equal_instalment", "interest_first", "bullet")


class BothSides(FunderWorld):
    """The world, and the funder as it is outside: the exchange bucket is all they share."""

    def __init__(self) -> None:
        super().__init__(funder=replace(FUNDER, tolerance_bps=1_000))
        self.clock = SettableClock()
        self.clock.set(at(0, 5))
        self.funder = Funder(
            clock=self.clock,
            rng=Random(7),
            bucket=self,
            acquirer=InProcess(PaymentPlatform(clock=self.clock, rng=Random(7))),
        )
        terms = FUNDER.terms[1]
        self.funder.agree(
            {"funder_id": F1, "rate": str(terms.rate), "penalty_to": terms.penalty_to.value}
        )

    @property
    def intake(self):
        both = frozenset({Mode.SELF_OPERATED, Mode.JOINT_LENDING})
        return replace(super().intake, served_modes=both)

    def put(self, key: str, body: bytes) -> None:
        self.objects.bodies[key] = body

    def get(self, key: str) -> bytes | None:
        return self.objects.bodies.get(key)

    def keys(self, prefix: str):
        return sorted(key for key in self.objects.bodies if key.startswith(prefix))

    def funder_at(self, now) -> Funder:
        self.clock.set(now)
        return self.funder


def some_loans(seed: int):
    """Make loans of every method, share and rate, every fourth one overdue."""
    chance = Random(seed)
    for number in range(1, LOANS + 1):
        first_due_on = "2026-10-24" if number % 4 == 0 else "2026-11-24"
        yield funder_side.a_loan(
            number,
            phone=f"1{number:010}",
            agreement_no=f"AG-LN{number}",
            principal_fen=str(chance.randrange(10_000_00, 90_000_00)),
            funder_share_bps=str(chance.choice([7_000, 3_333, 9_001, 5_000, 10_000])),
            annual_rate=chance.choice(["0.12", "0.18", "0.0735"]),
            method=METHODS[number % 4 - 1] if number % 3 else chance.choice(METHODS),
            terms="6",
            disbursed_on="2026-09-20",
            first_due_on=first_due_on,
        )


@pytest.fixture(params=[1, 2, 3])
def world(request):
    made = BothSides()
    funder_side.land_loans(made, *some_loans(request.param), key=LOANS_KEY)
    assert made.take(LOANS_KEY, at(0, 1)).applied == LOANS
    assert made.funder.read_loans() == {"opened": LOANS, "refused": 0}
    for number in range(1, LOANS + 1, 7):
        made.platform.script[f"AG-LN{number}"] = ["insufficient_funds", "succeed"]
    for number in range(2, LOANS + 1, 7):
        made.platform.script[f"AG-LN{number}"] = ["processing_then_succeed"]
    for number in range(3, LOANS + 1, 7):
        made.platform.script[f"AG-LN{number}"] = ["card_closed"]
    list_dues(made)
    return made


def test_both_reckon_the_same_to_the_fen_and_the_day_closes(world):
    world.funder_at(at(5)).send_due_file(funder_id=F1, day=TODAY)
    world.take(due_key(), at(5))
    assert world.run("funder_due_F1").totals["verdict"] == "go"

    go_round(world, 1)
    go_round(world, 2)
    sweep.run(now=at(22, 30), desk=world.sweeping)
    taken = world.funder_at(at(22, 45)).take_repayments(funder_id=F1, day=TODAY)
    assert (taken["objections"], taken["unusable"]) == ([], {})

    bill_comes(world)
    sweep.run(now=at(10, 15, day=TOMORROW), desk=world.sweeping)
    taken = world.funder_at(at(10, 20, day=TOMORROW)).take_repayments(funder_id=F1, day=TODAY)
    assert (taken["objections"], taken["unusable"]) == ([], {})

    answer = world.funder.confirm(funder_id=F1, day=TODAY)
    assert answer["differs"] == []
    world.take(confirmation_key(), at(10, 40, day=TOMORROW))
    assert close(world).is_closed

    books = world.funder.books(funder_id=F1, as_of=TOMORROW)["repaid"]
    paid = [record for record in world.journal.results.values() if record.lines]
    assert Money(sum(books["whole"].values())) == total(record.amount for record in paid)
    assert Money(sum(books["funder"].values())) == total(r.funder.total for r in paid)


def test_what_the_funder_spoils_is_held_alone_and_the_rest_is_agreed(world):
    spoilt = [
        mutation_of({"kind": "change_amount", "loan_id": "LN5"}),
        mutation_of({"kind": "missing_loan", "loan_id": "LN10"}),
        mutation_of("extra_loan"),
    ]
    world.funder_at(at(5)).send_due_file(funder_id=F1, day=TODAY, mutations=spoilt)
    world.take(due_key(), at(5))
    go_round(world, 1)
    go_round(world, 2)

    assert world.skips() == {
        "20261124-1-LN5": "funder_differs",
        "20261124-1-LN10": "funder_differs",
    }
    sweep.run(now=at(22, 30), desk=world.sweeping)
    bill_comes(world)
    sweep.run(now=at(10, 15, day=TOMORROW), desk=world.sweeping)
    funder = world.funder_at(at(10, 20, day=TOMORROW))
    assert funder.take_repayments(funder_id=F1, day=TODAY)["objections"] == []

    funder.confirm(funder_id=F1, day=TODAY, mutations=[mutation_of("reject_row")])
    world.take(confirmation_key(), at(10, 40, day=TOMORROW))
    assert close(world).open == ("funder_confirmation_F1 has 1 open discrepancies",)
    funder.confirm(funder_id=F1, day=TODAY, version=2)
    world.take(confirmation_key(2), at(11, 10, day=TOMORROW))
    assert close(world).is_closed


def close(world):
    return day_close.close(business_date=TODAY, now=at(12, day=TOMORROW), desk=world.closing)
