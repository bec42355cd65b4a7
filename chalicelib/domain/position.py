"""Where a loan stands: its oldest unpaid instalment, and what of it is paid.

Instalments are paid oldest first, so these five facts and the schedule say everything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from chalicelib.domain.money import NOTHING, ZERO, Components, Money, total
from chalicelib.domain.schedule import Instalment


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """The oldest unpaid instalment: what of it is paid, and its penalty so far.

    `penalty_carried` is accrued and unpaid up to `penalty_from`; it accrues on from there
    (None: from the due date).
    """

    instalment_no: int = 1
    principal_paid: Money = ZERO
    interest_paid: Money = ZERO
    penalty_carried: Money = ZERO
    penalty_from: date | None = None


START = Position()


def paid_of(position: Position, instalment_no: int) -> Components:
    """Return what of an instalment that is not paid whole is paid already, but for penalty."""
    if instalment_no != position.instalment_no:
        return NOTHING
    return Components(principal=position.principal_paid, interest=position.interest_paid)


def unpaid(
    position: Position, schedule: tuple[Instalment, ...]
) -> Iterator[tuple[Instalment, Components]]:
    """Yield what each instalment still asks, oldest first; the penalty only as carried.

    An instalment that asks nothing (interest first at a zero rate) is left out: there is nothing
    to pay, so it can be neither due nor overdue.
    """
    for instalment in schedule:
        if instalment.number >= position.instalment_no and (left := _left_of(instalment, position)):
            yield instalment, left


def is_settled(position: Position, schedule: tuple[Instalment, ...]) -> bool:
    """Tell whether nothing is left to pay, now or later."""
    return unpaid_due_on(position, schedule) is None


def unpaid_due_on(position: Position, schedule: tuple[Instalment, ...]) -> date | None:
    """Return the due date of the oldest unpaid instalment; None once the loan is settled."""
    return next((instalment.due_on for instalment, _ in unpaid(position, schedule)), None)


def outstanding_principal(position: Position, schedule: tuple[Instalment, ...]) -> Money:
    """Return the principal not yet repaid, due or not."""
    return total(left.principal for _, left in unpaid(position, schedule))


def _left_of(instalment: Instalment, position: Position) -> Components:
    if instalment.number != position.instalment_no:
        return Components(principal=instalment.principal, interest=instalment.interest)
    return Components(
        principal=instalment.principal - position.principal_paid,
        interest=instalment.interest - position.interest_paid,
        penalty=position.penalty_carried,
    )
