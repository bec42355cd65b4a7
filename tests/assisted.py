"""The assisted day: a funder that deducts by itself, its results files, and what borrowers wish."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.funder_layouts import RESULTS
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import Status
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import NOTHING, Components, Money, total
from chalicelib.domain.position import outstanding_principal
from chalicelib.flows import (
    assisted_day,
    day_close,
    deduction,
    due_list,
    early_repayment,
    forwarding,
    funder_results,
    landing,
    posting,
)
from tests.builders import PRODUCT, TODAY, a_cut, a_loan, at
from tests.fakes import FakePlatform, FakeQueue
from tests.fakes_files import FileWorld, OneByOne, a_file

FUNDER = Funder(funder_id="F3", name="草原信托", deductions_url="http://127.0.0.1:1/v1/deductions")
TOMORROW = TODAY + timedelta(days=1)
CHANNEL = "funder-F3"
COLUMNS = (
    "loan_id", "instalment_no", "round", "status", "principal_fen", "interest_fen", "penalty_fen",
    "paid_at", "failure_code", "funder_trade_no",
)  # fmt: skip
PARTS = COLUMNS[4:7]


class AssistedWorld(FileWorld):
    """The world, with a funder in it that takes what we forward and sends its results."""

    def __init__(self) -> None:
        super().__init__()
        self.funder_platform = FakePlatform(self.outside)
        self.funders = {FUNDER.funder_id: FUNDER}
        self.landed = FakeQueue(self.outside)

    @property
    def deducting(self) -> deduction.Desk:
        to = {FUNDER.funder_id: self.funder_platform}
        return replace(super().deducting, forwards=forwarding.to_funders(to.get))

    @property
    def repaying(self) -> early_repayment.Desk:
        return replace(super().repaying, served_modes=frozenset(Mode))

    @property
    def applying(self) -> funder_results.Desk:
        return funder_results.Desk(
            books=self.books,
            runs=self.runs,
            discrepancies=self.discrepancies,
            hold=partial(posting.hold, books=self.books),
            lift=partial(posting.lift, books=self.books),
            calls=OneByOneKept(),
            funders=self.funders,
        )

    @property
    def arrivals(self) -> landing.Desk:
        ours = super().arrivals
        routes = [
            landing.Route(
                kind="results",
                folder=funder_results.folder_of(funder_id),
                stem="results",
                by_round=True,
                format=CsvFormat(layout=RESULTS, dialect=self.dialect),
                apply=partial(self._apply, funder_id),
            )
            for funder_id in self.funders
        ]
        return replace(ours, routes=(*ours.routes, *routes))

    def _apply(self, funder_id, batch, now):
        return funder_results.take(
            batch=batch, funder_id=funder_id, now=now, desk=self.applying, files=self.arrivals
        )

    @property
    def days(self) -> assisted_day.Desk:
        return assisted_day.Desk(
            results=self.applying,
            files=self.arrivals,
            due_lists=self.due_lists,
            active_orders=self.active_orders,
            close_unknown=partial(deduction.close_unknown, desk=self.deducting),
            landed=self.landed,
        )

    @property
    def closing(self) -> day_close.Desk:
        return replace(super().closing, others=(assisted_day.FunderDays(desk=self.days),))

    # --- the day ------------------------------------------------------------------------

    def lend(self, loan_id: str = "LN1", *, overdue_days: int = 0, **changes: object):
        """Book an assisted loan whose first instalment fell due so many days ago."""
        facts = {
            "mode": Mode.LOAN_ASSISTANCE,
            "funder_id": FUNDER.funder_id,
            "borrower_id": f"B-{loan_id}",
        }
        first_due_on = TODAY - timedelta(days=overdue_days)
        loan = a_loan(loan_id, overdue_days=overdue_days, **(facts | changes))
        return self.book(loan, a_cut(first_due_on=first_due_on))

    def list_dues(self, day: date = TODAY) -> None:
        due_list.make(business_date=day, now=at(0, 10, day=day), desk=self.morning)
        for message in self.walks._take_all():
            due_list.walk(message=message, now=at(0, 11, day=day), desk=self.morning)

    def owed(self, loan_id: str = "LN1", *, day: date = TODAY):
        loan = self.loans.rows[loan_id]
        return loans.owed(
            loan=loan,
            schedule=self.schedules.rows[loan_id, loan.schedule_version].instalments,
            product=PRODUCT,
            as_of=day,
        )

    def send(
        self,
        *rows: dict[str, str],
        round_no: int = 1,
        version: int = 1,
        day: date = TODAY,
        funder_id: str = FUNDER.funder_id,
        now: datetime | None = None,
    ) -> landing.Taken:
        """Let a results file land, and take it."""
        key = self.put(*rows, round_no=round_no, version=version, day=day, funder_id=funder_id)
        return self.take(key, now or at(12, day=day))

    def put(self, *rows, round_no=1, version=1, day=TODAY, funder_id=FUNDER.funder_id) -> str:
        key = funder_results.key_of(
            funder_id=funder_id, business_date=day, round_no=round_no, version=version
        )
        body = a_file(list(rows), columns=COLUMNS)
        self.drop(key, body, _manifest(body, rows))
        return key

    # --- what there is ------------------------------------------------------------------

    @property
    def open_findings(self) -> dict[str, str]:
        """What is open, by the discrepancy's id, with its note."""
        return {
            each.discrepancy_id: each.facts["note"]
            for each in self.discrepancies.rows.values()
            if each.channel == CHANNEL and not each.is_resolved
        }

    def run_of(self, round_no: int = 1, *, day: date = TODAY):
        return self.runs.rows.get((day, f"results_F3_r{round_no}"))


class OneByOneKept(OneByOne):
    """Calls in flight, one at a time; a failure stands in its own item's place."""

    def map(self, work, items):
        return [self._outcome(work, item) for item in items]

    def _outcome(self, work, item):
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001  as the pool of threads keeps it
            return error


def _manifest(body, rows) -> bytes:
    import hashlib
    import json

    amount = sum(int(row[part]) for row in rows for part in PARTS)
    told = {"rows": len(rows), "amount_fen": amount, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(told).encode()


# --- makers of lines ----------------------------------------------------------------------


def a_result(loan_id: str = "LN1", **changes: object) -> dict[str, str]:
    """Make a line that says nothing was due; say what was."""
    row: dict[str, object] = {
        "loan_id": loan_id,
        "instalment_no": 1,
        "round": 1,
        "status": "SUCCEEDED",
        "principal_fen": 0,
        "interest_fen": 0,
        "penalty_fen": 0,
        "paid_at": "2026-11-24T09:30:00+08:00",
        "failure_code": "",
        "funder_trade_no": f"FT-{loan_id}-{changes.get('round', 1)}",
    }
    return {name: str(value) for name, value in (row | changes).items()}


def a_failure(loan_id: str = "LN1", code: str = "INSUFFICIENT_FUNDS", **changes: object):
    return a_result(
        loan_id, **({"status": "FAILED", "failure_code": code, "paid_at": ""} | changes)
    )


def paid(world: AssistedWorld, loan_id: str = "LN1", *, day: date = TODAY, **changes: object):
    """Make the lines of a loan whose whole due was collected, as our own books have it."""
    return [
        a_result(
            loan_id,
            **(
                {"instalment_no": line.instalment_no, "paid_at": f"{day}T09:30:00+08:00"}
                | fen_of(line.components)
                | changes
            ),
        )
        for line in world.owed(loan_id, day=day).lines
    ]


def more(row: dict[str, str], fen: int = 1, *, part: str = "principal_fen") -> dict[str, str]:
    """Make the line another by so many fen."""
    return row | {part: str(int(row[part]) + fen)}


def fen_of(components: Components) -> dict[str, int]:
    return {
        "principal_fen": components.principal.fen,
        "interest_fen": components.interest.fen,
        "penalty_fen": components.penalty.fen,
    }


# --- what must hold -----------------------------------------------------------------------


def wrongs(world: AssistedWorld) -> list[str]:
    """Name what must never be of any assisted loan, at whatever moment nobody is at work."""
    return [
        f"{loan_id}: {name}"
        for loan_id in world.loans.rows
        for name, is_so in _wrongs_of(loan_id, world).items()
        if is_so
    ]


def _wrongs_of(loan_id: str, world: AssistedWorld) -> dict[str, bool]:
    loan = world.loans.rows[loan_id]
    records = [row for row in world.journal.results.values() if row.loan_id == loan_id]
    good = [row for row in records if row.result.status is Status.SUCCEEDED]
    unposted = [row for row in good if loan.slot and loan.slot.order_no == row.order_no]
    taken = sum((row.components for row in good if row not in unposted), NOTHING)
    schedule = world.schedules.rows[loan_id, loan.schedule_version].instalments
    left = outstanding_principal(loan.position, schedule) if loan.unpaid_due_on else Money(0)
    times = Counter(
        (row.business_date, row.round_no, line.instalment_no)
        for row in good
        if row.round_no
        for line in row.lines
    )
    return {
        "one line posted twice": any(count > 1 for count in times.values()),
        "principal lost or made": taken.principal + left != loan.principal,
        "a record that is not its lines": any(
            sum((line.components for line in row.lines), NOTHING) != row.components for row in good
        ),
        "our platform was asked for it": any(
            no.endswith(f"-{loan_id}") for no in [*world.platform.ends, *world.platform.charged]
        ),
        "charged twice": any(count > 1 for count in world.funder_platform.charged.values()),
        "another amount posted than was taken": any(
            row.order_no in world.funder_platform.ends
            and world.funder_platform.ends[row.order_no].amount != row.amount
            for row in good
        ),
    }


def collected(world: AssistedWorld) -> Money:
    """Add up what the journal says was paid."""
    rows = world.journal.results.values()
    return total(row.amount for row in rows if row.result.status is Status.SUCCEEDED)
