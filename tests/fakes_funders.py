"""A world with a funder in it, whose files come and go; and makers of its files."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial

from chalicelib.adapters import file_writer
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat
from chalicelib.adapters.funder_files import S3FunderFiles
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.domain.deduction import facts_of
from chalicelib.domain.due_comparison import DueComparison, compare
from chalicelib.domain.funder import Agreement, ConfirmationLine, DueLine, RepaymentLine
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import Money
from chalicelib.flows import (
    day_close,
    deduction,
    deduction_round,
    due_list,
    early_repayment,
    funder_day,
    funder_due,
    funder_reconciliation,
    landing,
    repayment_file,
    sweep,
)
from chalicelib.flows.landing import Route
from tests.builders import FUNDER, TODAY, a_joint_loan, a_loan, a_schedule, at
from tests.fakes import FakeQueue
from tests.fakes_files import BILL_KEY, FileWorld, drop_bill, the_true_bill

F1 = FUNDER.funder_id
TOMORROW = date(2026, 11, 25)


class Clearing:
    """Clears by what due files have come to."""

    def __init__(self, desk: funder_due.Desk) -> None:
        self.begin = partial(funder_due.begin, desk=desk)
        self.clear = partial(funder_due.clear, desk=desk)


class FunderWorld(FileWorld):
    """The world, with FUNDER's files."""

    def __init__(self, *, funder=FUNDER, shards: int = 2) -> None:
        super().__init__(shards=shards)
        self.funders[F1] = funder
        self.landed = FakeQueue(self.outside)
        self.writer = S3FunderFiles(store=self.objects, funders=self.funders, dialects={})

    @property
    def due(self) -> funder_due.Desk:
        return funder_due.Desk(
            runs=self.runs,
            due_lists=self.due_lists,
            objects=self.objects,
            writer=self.writer,
            match=line_by_line,
            funders=self.funders,
        )

    @property
    def rounds(self) -> deduction_round.Desk:
        return replace(super().rounds, clearing=Clearing(self.due))

    @property
    def repaying(self) -> early_repayment.Desk:
        both = frozenset({Mode.SELF_OPERATED, Mode.JOINT_LENDING})
        return replace(super().repaying, served_modes=both)

    @property
    def repaying_funders(self) -> repayment_file.Desk:
        return repayment_file.Desk(
            books=self.books,
            runs=self.runs,
            objects=self.objects,
            writer=self.writer,
            round_count=2,
        )

    @property
    def settling(self) -> funder_reconciliation.Desk:
        return funder_reconciliation.Desk(
            reconciling=self.reconciling,
            objects=self.objects,
            writer=self.writer,
            channels=("main",),
        )

    @property
    def funder_days(self) -> funder_day.Desk:
        return funder_day.Desk(
            runs=self.runs,
            funders=self.funders,
            repaying=self.repaying_funders,
            settling=self.settling,
            files=self.arrivals,
            landed=self.landed,
        )

    @property
    def sweeping(self) -> sweep.Desk:
        return replace(super().sweeping, funders=self.funder_days)

    @property
    def closing(self) -> day_close.Desk:
        return replace(super().closing, funders=self.funder_days)

    @property
    def arrivals(self) -> landing.Desk:
        standing = super().arrivals
        due = Route(
            kind="funder_due",
            folder=f"in/funders/{F1}/due",
            stem="due",
            format=CsvFormat(layout=FUNDER_LAYOUTS["due"]),
            apply=lambda batch, now: funder_due.take(
                batch=batch, funder_id=F1, now=now, desk=self.due
            ),
        )
        confirmation = Route(
            kind="funder_confirmation",
            folder=f"in/funders/{F1}/confirmations",
            stem="confirmation",
            format=CsvFormat(layout=FUNDER_LAYOUTS["confirmation"]),
            apply=lambda batch, now: funder_reconciliation.take(
                batch=batch, funder_id=F1, now=now, desk=self.settling, files=self.arrivals
            ),
        )
        return replace(standing, routes=(*standing.routes, due, confirmation))

    def run(self, job: str, day: date = TODAY):
        return self.runs.rows.get((day, job))

    def sent(self, kind: str, folder: str) -> list:
        """Read back all files that went out into a folder, version by version."""
        layout = CsvFormat(layout=FUNDER_LAYOUTS[kind])
        keys = [key for key in sorted(self.objects.bodies) if key.startswith(folder)]
        return [
            [line.record for line in layout.lines([self.objects.bodies[key]])]
            for key in keys
            if key.endswith(".csv") and f"{key}.ok" in self.objects.bodies
        ]

    def skips(self) -> dict[str, str]:
        """Why dues were not sent, by order number."""
        return {no: skip.reason.value for no, skip in sorted(self.journal.skips.items())}


def line_by_line(*, funder_id, batch, ours) -> DueComparison:
    """Compare as the engine does, without one."""
    return compare(theirs=[line.record for line in batch.lines()], ours=ours())


# --- days -------------------------------------------------------------------------------


def a_book_with_funder(
    outcomes: dict[str, str | list[str]], *, alone: Sequence[str] = ("LN90",), funder=FUNDER
) -> FunderWorld:
    """Put joint loans into the book, by what becomes of their orders, and others beside them."""
    world = FunderWorld(funder=funder)
    for loan_id, outcome in outcomes.items():
        world.book(a_joint_loan(loan_id, borrower_id=f"B-{loan_id}"), a_schedule())
        world.platform.script[f"AG-{loan_id}"] = [outcome] if isinstance(outcome, str) else outcome
    for loan_id in alone:
        world.book(a_loan(loan_id, borrower_id=f"B-{loan_id}"), a_schedule())
    return world


def list_dues(world: FunderWorld, day: date = TODAY) -> None:
    due_list.make(business_date=day, now=at(0, 10, day=day), desk=world.morning)
    for message in world.walks._take_all():
        due_list.walk(message=message, now=at(0, 11, day=day), desk=world.morning)


def go_round(world: FunderWorld, round_no: int) -> None:
    """Open a round, send it out, and deduct all of it."""
    now = at({1: 8, 2: 16}[round_no])
    deduction_round.start(business_date=TODAY, round_no=round_no, now=now, desk=world.rounds)
    work(world, now)
    opened = world.runs.rows[TODAY, deduction_round.job_of(round_no)]
    deduction_round.tally(run=opened, now=now, desk=world.rounds)


def work(world: FunderWorld, now: datetime) -> None:
    for message in world.walks._take_all():
        deduction_round.send_out(message=message, now=now, desk=world.rounds)
    for message in world.deductions._take_all():
        deduction.take(message=message, now=now, desk=world.deducting)


def a_day_with_funder(outcomes: dict[str, str | list[str]], **changes) -> FunderWorld:
    """Drive a day's list, the funder's true due file, and both rounds."""
    world = a_book_with_funder(outcomes, **changes)
    list_dues(world)
    drop_due(world, our_dues(world))
    world.take(due_key(), at(5))
    go_round(world, 1)
    go_round(world, 2)
    return world


def bill_comes(world: FunderWorld, *, without: Iterable[str] = ()) -> None:
    """Let the platform's bill of the day come the next morning."""
    rows = {loan: _with_parts(world, row) for loan, row in the_true_bill(world).items()}
    drop_bill(world, [row for loan, row in rows.items() if loan not in set(without)])
    world.take(BILL_KEY, at(10, day=TOMORROW))


def _with_parts(world: FunderWorld, row: dict[str, str]) -> dict[str, str]:
    """Let the bill show what the two parties received of an order."""
    order_no = row["order_no"]
    slot = world.loans.rows[facts_of(order_no)[2]].slot
    if order_no in world.journal.results:
        funder_fen = world.journal.results[order_no].funder.total.fen
    else:
        funder_fen = slot.split.funder.total.fen if slot and slot.split else 0
    amount_fen = int(row["amount_fen"])
    return row | {
        "funder_amount_fen": str(funder_fen),
        "platform_amount_fen": str(amount_fen - funder_fen),
    }


# --- files of the funder ----------------------------------------------------------------


def due_key(version: int = 1, day: date = TODAY) -> str:
    return f"in/funders/{F1}/due/{day:%Y%m%d}/due_v{version}.csv"


def confirmation_key(version: int = 1, day: date = TODAY) -> str:
    return f"in/funders/{F1}/confirmations/{day:%Y%m%d}/confirmation_v{version}.csv"


def our_dues(world: FunderWorld, day: date = TODAY) -> list[DueLine]:
    """List what we say that the funder's loans owe, instalment by instalment."""
    lines = [
        line
        for (listed_on, round_no, _), dues in world.due_lists.lists.items()
        if (listed_on, round_no) == (day, 1)
        for due in dues
        for line in due.instalments
    ]
    return sorted(lines, key=lambda line: (line.loan_id, line.instalment_no))


def with_more_interest(line: DueLine, fen: int = 1) -> DueLine:
    """Give a line in which the funder reckons some fen more interest for itself."""
    more = Money(fen)
    return replace(line, interest=line.interest + more, funder_interest=line.funder_interest + more)


def drop(world: FunderWorld, kind: str, key: str, lines: Iterable[object]) -> None:
    written = file_writer.write(lines, layout=FUNDER_LAYOUTS[kind], dialect=DEFAULT)
    world.drop(key, written.body, written.manifest)


def drop_due(world: FunderWorld, lines: Iterable[DueLine], *, version: int = 1) -> str:
    drop(world, "due", due_key(version), lines)
    return due_key(version)


def drop_confirmation(
    world: FunderWorld, lines: Iterable[ConfirmationLine], *, version: int = 1
) -> str:
    drop(world, "confirmation", confirmation_key(version), lines)
    return confirmation_key(version)


def agreeing(
    lines: Iterable[RepaymentLine],
    change: Callable[[ConfirmationLine], ConfirmationLine] = lambda line: line,
) -> list[ConfirmationLine]:
    """Agree to every order of a reconciliation file, but for what is changed."""
    parts: dict[str, Money] = {}
    for line in lines:
        parts[line.order_no] = parts.get(line.order_no, Money(0)) + line.funder.total
    return [
        change(
            ConfirmationLine(order_no=no, status=Agreement.AGREED, funder_amount=amount, reason="")
        )
        for no, amount in sorted(parts.items())
    ]
