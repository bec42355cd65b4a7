"""Allocate a payment to what is owed, and move the loan's position on."""

from dataclasses import dataclass, replace
from datetime import date
from itertools import islice

from chalicelib.domain.due import Due, InstalmentDue, days_past_due
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, Part
from chalicelib.domain.position import Position, unpaid
from chalicelib.domain.product import Product
from chalicelib.domain.schedule import Instalment


class MisallocatedError(ValueError):
    """The payment does not fit the due, or the due is not of the position it is posted to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paid:
    """What a payment pays of each instalment; `rest` is what exceeds the due."""

    lines: tuple[InstalmentDue, ...]
    rest: Money = ZERO

    @property
    def components(self) -> Components:
        return sum((line.components for line in self.lines), NOTHING)


def order_at(dpd: int, product: Product) -> tuple[Part, ...]:
    """Return which part is paid first, so many days past due."""
    if dpd < product.non_accruing_from_dpd:
        return product.accruing_order
    return product.non_accruing_order


def allocate(*, amount: Money, due: Due, product: Product) -> Paid:
    """Allocate a payment: the oldest instalment first, within it by the order of its dpd.

    The dpd is the loan's when the payment reaches the instalment, its elders being paid by then:
    so two payments of one day pay what one payment of their sum does.

    :raises ValueError: if the amount is negative.
    """
    if amount < ZERO:
        raise ValueError(f"a payment is not negative: {amount}")
    lines = []
    for line in due.lines:
        order = order_at(days_past_due(line.due_on, due.as_of), product)
        paid = _pour(amount, line.components, order)
        if paid:
            lines.append(replace(line, components=paid))
        amount -= paid.total
    return Paid(lines=tuple(lines), rest=amount)


def position_after(
    *, position: Position, schedule: tuple[Instalment, ...], due: Due, paid: Paid
) -> Position:
    """Return where the loan stands once the payment is posted on the due's date.

    An instalment paid whole is left behind.  A part payment carries the rest of its penalty.
    Posted twice it is refused, the due being of a position the loan has left.

    :raises MisallocatedError: if the due is of another position, or the payment pays more of an
        instalment than it owes, or a later one before an earlier one.
    """
    _check_is_of(due, position, schedule)
    unposted = {line.instalment_no: line.components for line in paid.lines}
    for line in due.lines:
        part = unposted.pop(line.instalment_no, NOTHING)
        if not (line.components.covers(part) and part.covers(NOTHING)):
            raise MisallocatedError(f"instalment {line.instalment_no}: {part} of {line.components}")
        if part == line.components:
            position = Position(instalment_no=_number_after(line.instalment_no, schedule))
            continue
        if part:
            position = _paid_in_part(position, line, part, due.as_of)
        break
    if any(unposted.values()):
        raise MisallocatedError(f"no instalment before them is unpaid: {sorted(unposted)}")
    return position


def _check_is_of(due: Due, position: Position, schedule: tuple[Instalment, ...]) -> None:
    """Refuse a due whose lines are not the position's oldest unpaid instalments."""
    oldest = [
        (row.number, left.principal, left.interest)
        for row, left in islice(unpaid(position, schedule), len(due.lines))
    ]
    if oldest != [
        (line.instalment_no, line.components.principal, line.components.interest)
        for line in due.lines
    ]:
        raise MisallocatedError(f"the due as of {due.as_of} is not of {position}")


def _pour(amount: Money, owed: Components, order: tuple[Part, ...]) -> Components:
    """Fill the parts in their order as far as the amount reaches."""
    filled: dict[str, Money] = {}
    for part in order:
        filled[part] = min(amount, owed.of(part))
        amount -= filled[part]
    return Components(**filled)


def _number_after(number: int, schedule: tuple[Instalment, ...]) -> int:
    """Return the next instalment that asks anything, or one past the last."""
    later = (row.number for row in schedule if row.number > number and row.total)
    return next(later, schedule[-1].number + 1)


def _paid_in_part(
    position: Position, line: InstalmentDue, part: Components, as_of: date
) -> Position:
    """Carry the penalty not paid, and let it accrue from here.

    Where there was none yet (on the due date, in the grace days) it goes on counting from where
    it did: after the grace days it counts from the due date, also on what a part payment left.
    Nor does it count twice of the days before an earlier payment that is told of only later.
    """
    if position.instalment_no != line.instalment_no:
        position = Position(instalment_no=line.instalment_no)
    penalty = line.components.penalty
    return replace(
        position,
        principal_paid=position.principal_paid + part.principal,
        interest_paid=position.interest_paid + part.interest,
        penalty_carried=penalty - part.penalty,
        penalty_from=max(as_of, position.penalty_from or line.due_on, line.due_on)
        if penalty
        else position.penalty_from,
    )
