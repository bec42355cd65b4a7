"""Where a loan stands in the funder's books: what is open, what is owed, what a payment does to it.

Everything is worked out anew from the contract and the payments, in order of their dates; nothing
is kept that could go wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from simulators.funder_recut import recut_rows
from simulators.funder_schedule import Contract, Row, schedule
from simulators.funder_split import NOTHING, Parts

NON_ACCRUING_FROM_DPD = 91
ACCRUING = ("penalty", "interest", "principal")
NON_ACCRUING = ("principal", "interest", "penalty")
DAYS_OF_PENALTY_YEAR = 360


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What one instalment owes, or is paid; `paid_before` of it, as its split must know."""

    number: int
    due_on: date
    parts: Parts
    paid_before: Parts = NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Open:
    """An instalment not yet paid whole; the penalty left unpaid at `since` is carried."""

    row: Row
    paid: Parts = NOTHING
    carried_fen: int = 0
    since: date | None = None

    @property
    def left(self) -> Parts:
        return Parts(
            self.row.principal_fen - self.paid.principal,
            self.row.interest_fen - self.paid.interest,
            self.carried_fen,
        )

    def owed(self, contract: Contract, as_of: date) -> Parts:
        """Say what it owes: after the grace days the penalty counts from the due date."""
        product, late = contract.product, (as_of - self.row.due_on).days
        if late <= product.grace_days:
            return self.left
        since = max(self.since or self.row.due_on, self.row.due_on)
        rate = min(contract.annual_rate * (1 + product.uplift), product.cap)
        days = max((as_of - since).days, 0)
        earned = self.left.principal * rate * days / DAYS_OF_PENALTY_YEAR
        return self.left.plus(Parts(penalty=product.round(Fraction(earned))))


Standing = tuple[Open, ...]


def at_start(contract: Contract) -> Standing:
    return tuple(Open(row=row) for row in schedule(contract))


def still_open(standing: Standing) -> Standing:
    """Leave out what asks nothing: it is neither due nor paid."""
    return tuple(one for one in standing if one.left.total)


def owed(standing: Standing, contract: Contract, as_of: date) -> tuple[Line, ...]:
    """List what every open instalment due by a date owes, the oldest first."""
    return tuple(
        Line(
            number=one.row.number,
            due_on=one.row.due_on,
            parts=one.owed(contract, as_of),
            paid_before=one.paid,
        )
        for one in still_open(standing)
        if one.row.due_on <= as_of
    )


def outstanding_principal(standing: Standing) -> int:
    return sum(one.left.principal for one in standing)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospect:
    """What may be paid on a date: what is due, and what lies ahead of it."""

    due: tuple[Line, ...]
    running: Open | None
    interest_fen: int
    principal_fen: int

    @property
    def due_fen(self) -> int:
        return sum(line.parts.total for line in self.due)

    @property
    def payoff_fen(self) -> int:
        return self.due_fen + self.interest_fen + self.principal_fen


def prospect(standing: Standing, contract: Contract, as_of: date) -> Prospect:
    """Work out what is due, and the interest to the day on all that is not due yet."""
    later = [one for one in still_open(standing) if one.row.due_on > as_of]
    principal = sum(one.left.principal for one in later)
    if not later:
        return Prospect(
            due=owed(standing, contract, as_of), running=None, interest_fen=0, principal_fen=0
        )
    row = later[0].row
    run = contract.product.days(row.starts_on, as_of) - row.days_paid
    days = max(0, min(run, row.days_left))
    interest = contract.product.interest(principal, contract.annual_rate, days)
    return Prospect(
        due=owed(standing, contract, as_of),
        running=later[0],
        interest_fen=min(interest, row.interest_fen),
        principal_fen=principal,
    )


def allocated(
    standing: Standing, contract: Contract, as_of: date, amount_fen: int
) -> tuple[Line, ...] | None:
    """Say which instalments an amount pays: what is due, then interest to the day, then principal.

    None if it is more than all that could be paid, or ends in the interest of what lies ahead.
    """
    ahead = prospect(standing, contract, as_of)
    lines, rest = [], amount_fen
    for line in ahead.due:
        late = (as_of - line.due_on).days
        poured = _poured(rest, line.parts, late)
        rest -= poured.total
        if poured.total:
            lines.append(replace(line, parts=poured))
    if not rest:
        return tuple(lines)
    if ahead.running is None or not ahead.interest_fen < rest <= (
        ahead.interest_fen + ahead.principal_fen
    ):
        return None
    parts = Parts(principal=rest - ahead.interest_fen, interest=ahead.interest_fen)
    row = ahead.running.row
    return (*lines, Line(number=row.number, due_on=row.due_on, parts=parts))


def after(
    standing: Standing,
    contract: Contract,
    as_of: date,
    lines: Iterable[Line],
    recut: str,
) -> Standing:
    """Say where the loan stands once a payment is taken in on its date.

    What is paid ahead of its time cuts the rest of the schedule again.
    """
    by_number = {line.number: line for line in lines}
    ahead = [line for line in by_number.values() if line.due_on > as_of]
    standing = tuple(
        _paid(one, contract, as_of, by_number[one.row.number].parts)
        if one.row.number in by_number and one.row.due_on <= as_of
        else one
        for one in standing
    )
    if not ahead:
        return standing
    due = tuple(one for one in standing if one.row.due_on <= as_of)
    # A row that asks nothing may be asked again by the new cut.
    later = tuple(one.row for one in standing if one.row.number >= ahead[0].number)
    paid = ahead[0].parts
    left_fen = sum(row.principal_fen for row in later) - paid.principal
    if left_fen <= 0:
        return due
    rows = recut_rows(
        contract,
        later,
        as_of=as_of,
        principal_fen=left_fen,
        interest_fen=sum(row.interest_fen for row in later) - paid.interest,
        recut=recut,
    )
    return due + tuple(Open(row=row) for row in rows)


def _poured(amount_fen: int, parts: Parts, dpd: int) -> Parts:
    order: Sequence[str] = ACCRUING if dpd < NON_ACCRUING_FROM_DPD else NON_ACCRUING
    poured = {}
    for name in order:
        poured[name] = min(amount_fen, getattr(parts, name))
        amount_fen -= poured[name]
    return Parts(**poured)


def _paid(one: Open, contract: Contract, as_of: date, paid: Parts) -> Open:
    """Take a payment of one instalment; penalty left over is carried and earns nothing."""
    penalty = one.owed(contract, as_of).penalty
    return replace(
        one,
        paid=one.paid.plus(Parts(paid.principal, paid.interest)),
        carried_fen=max(penalty - paid.penalty, 0),
        since=max(as_of, one.row.due_on) if penalty else one.since,
    )
