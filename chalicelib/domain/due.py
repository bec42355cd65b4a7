"""What a loan owes on a business date: the overdue instalments, and the one due that day."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from chalicelib.domain import penalty
from chalicelib.domain.money import NOTHING, Components, Money
from chalicelib.domain.position import Position, unpaid
from chalicelib.domain.product import Product
from chalicelib.domain.schedule import Instalment


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalmentDue:
    """What one instalment owes, or is paid; `funder` is the funder's part of it.

    None where nothing is split: all of it is the platform's.
    """

    instalment_no: int
    due_on: date
    components: Components
    funder: Components | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """What a loan owes as of a date, oldest instalment first."""

    as_of: date
    lines: tuple[InstalmentDue, ...]

    @property
    def components(self) -> Components:
        return sum((line.components for line in self.lines), NOTHING)

    @property
    def amount(self) -> Money:
        return self.components.total

    @property
    def dpd(self) -> int:
        """Days past due of the oldest line; 0 if nothing is overdue."""
        oldest = min((line.due_on for line in self.lines), default=self.as_of)
        return max(days_past_due(oldest, self.as_of), 0)

    @property
    def is_nothing(self) -> bool:
        return not self.components


def days_past_due(unpaid_due_on: date, as_of: date) -> int:
    """Count calendar days since the due date; negative before it.

    >>> days_past_due(date(2026, 2, 28), date(2026, 3, 1))
    1
    """
    return (as_of - unpaid_due_on).days


def owed(
    *,
    position: Position,
    schedule: tuple[Instalment, ...],
    product: Product,
    annual_rate: Decimal,
    as_of: date,
    through_no: int = 0,
) -> Due:
    """Return what is owed as of a date: one line for each unpaid instalment due by then.

    Those up to `through_no` are counted in as well, due or not.
    """
    lines = (
        InstalmentDue(
            instalment_no=instalment.number,
            due_on=instalment.due_on,
            components=left
            + Components(
                penalty=penalty.accrued(
                    overdue=_overdue(left, product),
                    annual_rate=annual_rate,
                    product=product,
                    due_on=instalment.due_on,
                    since=_penalty_from(position, instalment),
                    as_of=as_of,
                )
            ),
        )
        for instalment, left in unpaid(position, schedule)
        if instalment.due_on <= as_of or instalment.number <= through_no
    )
    return Due(as_of=as_of, lines=tuple(lines))


def _overdue(left: Components, product: Product) -> Money:
    """Return what earns penalty."""
    return left.principal + left.interest if product.penalty_on_interest else left.principal


def _penalty_from(position: Position, instalment: Instalment) -> date | None:
    return position.penalty_from if instalment.number == position.instalment_no else None
