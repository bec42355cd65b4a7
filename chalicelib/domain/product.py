"""What a loan product fixes for all its loans; the defaults are the house's."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum

from chalicelib.domain.money import ZERO, Money, Part


class Method(StrEnum):
    """How principal and interest are spread over the instalments."""

    EQUAL_INSTALMENT = "equal_instalment"
    EQUAL_PRINCIPAL = "equal_principal"
    INTEREST_FIRST = "interest_first"
    BULLET = "bullet"


class DayCount(StrEnum):
    """What part of a year a period is."""

    THIRTY_360 = "30/360"
    ACT_360 = "ACT/360"
    ACT_365 = "ACT/365"


class Rounding(StrEnum):
    """What becomes of half a fen."""

    HALF_UP = "HALF_UP"
    HALF_EVEN = "HALF_EVEN"

    @property
    def mode(self) -> str:
        """The decimal module's constant."""
        return ROUND_HALF_UP if self is Rounding.HALF_UP else ROUND_HALF_EVEN


class WorkingDayShift(StrEnum):
    """Where a due date goes that is no working day."""

    NONE = "none"
    FOLLOWING = "following"
    PRECEDING = "preceding"


PARTIAL_MIN = Money(100_00)


class Prepayment(StrEnum):
    """What a borrower may pay before it is due; what is due he may always pay."""

    NONE = "none"
    FULL_ONLY = "full_only"
    PARTIAL_AND_FULL = "partial_and_full"


class Recut(StrEnum):
    """What a partial prepayment does to the instalments that are left."""

    REDUCE_INSTALMENT = "reduce_instalment"
    SHORTEN_TERM = "shorten_term"


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """A product's settings; rates are annual, `penalty_uplift` is a part of the contract rate.

    `recuts` are those a borrower may choose from, the first where he does not choose;
    `partial_min` is the least he may pay ahead; `settlement_fee_rate` is a part of the principal
    that an early settlement pays before it is due.

    >>> Product(code="P1", name="随借随还", grace_days=-1)
    Traceback (most recent call last):
    ValueError: P1: grace_days must be zero or more
    """

    code: str
    name: str
    day_count: DayCount = DayCount.THIRTY_360
    rounding: Rounding = Rounding.HALF_UP
    working_day_shift: WorkingDayShift = WorkingDayShift.NONE
    grace_days: int = 0
    penalty_uplift: Decimal = Decimal("0.5")
    annual_cost_cap: Decimal = Decimal("0.24")
    penalty_on_interest: bool = False
    accruing_order: tuple[Part, ...] = (Part.PENALTY, Part.INTEREST, Part.PRINCIPAL)
    non_accruing_order: tuple[Part, ...] = (Part.PRINCIPAL, Part.INTEREST, Part.PENALTY)
    non_accruing_from_dpd: int = 91
    prepayment: Prepayment = Prepayment.PARTIAL_AND_FULL
    recuts: tuple[Recut, ...] = (Recut.REDUCE_INSTALMENT, Recut.SHORTEN_TERM)
    partial_min: Money = PARTIAL_MIN
    settlement_fee_rate: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for field in ("grace_days", "penalty_uplift", "annual_cost_cap", "settlement_fee_rate"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{self.code}: {field} must be zero or more")
        if self.non_accruing_from_dpd < 1:
            raise ValueError(f"{self.code}: non_accruing_from_dpd must be one or more")
        for order in (self.accruing_order, self.non_accruing_order):
            if sorted(order) != sorted(Part):
                raise ValueError(f"{self.code}: an order names every part once, not {order}")
        if not self.recuts or self.partial_min <= ZERO:
            raise ValueError(f"{self.code}: a recut and a positive partial_min are needed")
