"""A few small days on which every handler takes each of its ways, and nothing is left to chance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from infra.local.sample_book import SampleBook
from tests.simulation.clock import clock_time
from tests.simulation.gateway import Phone
from tests.simulation.plan import Fault, Plan, Visit
from tests.simulation.staged import Shelf, StagedDay, a_book, a_loan, a_plan, land
from tests.simulation.tokens import token_of
from tests.simulation.world import World

LOANS_LAND_AT, LOANS_ARE_LOOKED_AT = 9.0, 9.5
WATCHES = (10.67, 34.67)


@dataclass(frozen=True, kw_only=True)
class Typical:
    """One such day: `late` loans come by a file of the day itself."""

    name: str
    sample: SampleBook
    outcomes: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    visits: tuple[Visit, ...] = ()
    bill: str = ""
    late: frozenset[str] = frozenset()

    def plan(self, *faults: Fault) -> Plan:
        """Plan it, with these faults of calls."""
        spoilt = [Fault(number=0, kind="bill", about=self.bill)] if self.bill else []
        return a_plan(
            self.sample,
            outcomes={about: said.split() for about, said in self.outcomes.items()},
            texts={about: said.split() for about, said in self.texts.items()},
            faults=[*spoilt, *faults],
            visits=self.visits,
        )

    def day(self, world: World, shelf: Shelf, *faults: Fault) -> "TypicalDay":
        """Begin it."""
        return TypicalDay(world, self, shelf, faults)


class TypicalDay(StagedDay):
    """A day with somebody who looks at his loans, the watch, and a file of loans."""

    def __init__(
        self, world: World, typical: Typical, shelf: Shelf, faults: tuple[Fault, ...]
    ) -> None:
        super().__init__(world, typical.plan(*faults), shelf.of(typical.sample, late=typical.late))
        self._typical = typical
        for hours in WATCHES:
            self.at(hours, "watch", partial(self.fire, "watch", hours))
        self.at(LOANS_ARE_LOOKED_AT, "a borrower", self._looks)
        if typical.late:
            self.at(LOANS_LAND_AT, "a loans file", self._loans_land)

    def _loans_land(self) -> None:
        typical = self._typical
        late = [loan for loan in typical.sample.loans if loan.loan_id in typical.late]
        land(self.world, a_book(*late), version=2)

    def _looks(self) -> None:
        borrower_id = self.plan.sample.loans[0].borrower_id
        token = token_of(borrower_id, day=clock_time(self.plan.midnight, -1))
        phone = Phone(world=self.world, token=token)
        self.world.tasks.start("visit", lambda: phone.get("/v1/loans"), lambda _: None)


def a_visit(
    at: float,
    loan: int,
    kind: str,
    *,
    tabs: int = 1,
    taps: int = 1,
    recut: str = "reduce_instalment",
) -> Visit:
    return Visit(at=at, loan=loan, kind=kind, recut=recut, amount_share=0.4, tabs=tabs, taps=taps)


TYPICAL_DAYS = (
    Typical(
        name="a day of rounds",
        sample=a_book(
            a_loan(1),
            a_loan(2, borrower=1),
            a_loan(3, borrower=2, dpd=5),
            a_loan(4, borrower=3, dpd=-3),
            a_loan(5, borrower=4, dpd=-20),
        ),
        outcomes={"LN02": "insufficient_funds succeed", "LN03": "agreement_terminated"},
        late=frozenset({"LN05"}),
    ),
    Typical(
        name="a day of doubt",
        sample=a_book(
            a_loan(1),
            a_loan(2, borrower=2),
            a_loan(3, borrower=3, terms=1),
            a_loan(4, borrower=4),
        ),
        outcomes={
            "LN01": "timeout_after_charge",
            "LN02": "timeout_before_charge",
            "LN03": "processing_then_succeed",
            "LN04": "not_exist_after_accept",
        },
        texts={"BR01": "timeout_after_accept", "BR02": "timeout_before_accept"},
        bill="wrong_digest",
    ),
    Typical(
        name="a day of borrowers",
        sample=a_book(
            a_loan(1),
            a_loan(2, borrower=2),
            a_loan(3, borrower=3, dpd=5),
            a_loan(4, borrower=4),
        ),
        outcomes={"LN02": "timeout_after_charge"},
        visits=(
            a_visit(7.0, 0, "full", taps=2),
            a_visit(8.0, 1, "partial", tabs=2),
            a_visit(7.2, 2, "overdue"),
            a_visit(7.4, 3, "instalment"),
        ),
    ),
    Typical(
        name="a day of differences",
        sample=a_book(a_loan(1), a_loan(2, borrower=2), a_loan(3, borrower=3, terms=1)),
        outcomes={
            "LN01": "wrong_amount",
            "LN02": "insufficient_funds insufficient_funds",
            "LN03": "processing_then_fail succeed",
        },
        texts={"BR02": "failed", "BR03": "limit"},
        bill="drop_row",
    ),
)
