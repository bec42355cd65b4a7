"""Amounts of money, counted in fen: exact whole numbers, never floats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from fractions import Fraction

_DIGITS = 60  # more than any amount × rate × days needs, so that only the last step rounds


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """A whole number of fen (1/100 CNY); negative where something is taken back.

    >>> Money(1_00) + Money(50) - Money(1)
    Money(fen=149)
    >>> print(Money(1_234_56), -Money(5))
    1,234.56 -0.05
    >>> Money(1.0)
    Traceback (most recent call last):
    TypeError: fen must be an int, not 1.0
    """

    fen: int

    def __post_init__(self) -> None:
        if type(self.fen) is not int:  # bool is an int to isinstance, and no amount
            raise TypeError(f"fen must be an int, not {self.fen!r}")

    def __add__(self, other: "Money") -> "Money":
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.fen + other.fen)

    def __sub__(self, other: "Money") -> "Money":
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.fen - other.fen)

    def __neg__(self) -> "Money":
        return Money(-self.fen)

    def __bool__(self) -> bool:
        return self.fen != 0

    def __str__(self) -> str:
        yuan, fen = divmod(abs(self.fen), 100)
        return f"{'-' if self.fen < 0 else ''}{yuan:,}.{fen:02}"

    def times(self, factor: Decimal | Fraction, *, rounding: str = ROUND_HALF_UP) -> "Money":
        """Multiply by an exact factor, and round once to a whole fen.

        A quotient such as days / 360 belongs in a Fraction: as a Decimal it is already rounded,
        and half a fen may fall on the wrong side.

        >>> Money(3).times(Fraction(5, 6))
        Money(fen=3)
        >>> Money(50).times(Decimal("0.01"), rounding="ROUND_HALF_EVEN")
        Money(fen=0)
        """
        if not isinstance(factor, Decimal | Fraction):
            raise TypeError(f"factor must be a Decimal or a Fraction, not {factor!r}")
        numerator, denominator = factor.as_integer_ratio()
        with localcontext(prec=_DIGITS):
            exact = Decimal(self.fen * numerator) / denominator
            return Money(int(exact.quantize(Decimal(1), rounding=rounding)))

    def shares(self, weights: Sequence[int]) -> "tuple[Money, ...]":
        """Share out by weight; the fen left over go to the largest remainders, the first at a tie.

        Nothing is lost, and the shares of an amount taken back are the negatives of the shares.

        >>> Money(1).shares((70, 30))
        (Money(fen=1), Money(fen=0))
        >>> Money(100).shares((1, 1, 1))
        (Money(fen=34), Money(fen=33), Money(fen=33))

        :raises ValueError: if a weight is negative, or none is positive.
        """
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError(f"weights must be zero or more, and one of them more: {weights!r}")
        quotients = [divmod(abs(self.fen) * weight, whole) for weight in weights]
        left_over = abs(self.fen) - sum(floor for floor, _ in quotients)
        by_remainder = sorted(range(len(weights)), key=lambda i: -quotients[i][1])
        rounded_up = set(by_remainder[:left_over])
        sign = -1 if self.fen < 0 else 1
        return tuple(
            Money(sign * (floor + (i in rounded_up))) for i, (floor, _) in enumerate(quotients)
        )


ZERO = Money(0)


def total(moneys: Iterable[Money]) -> Money:
    """Add up; nothing adds up to zero.

    >>> total([Money(1), Money(2)])
    Money(fen=3)
    """
    return Money(sum(money.fen for money in moneys))


class Part(StrEnum):
    """What an amount consists of."""

    PRINCIPAL = "principal"
    INTEREST = "interest"
    PENALTY = "penalty"


@dataclass(frozen=True, kw_only=True, slots=True)
class Components:
    """An amount by its parts.

    >>> a = Components(principal=Money(100), interest=Money(5))
    >>> (a + a).total
    Money(fen=210)
    >>> a.of(Part.INTEREST)
    Money(fen=5)
    >>> a.covers(Components(penalty=Money(1)))
    False
    """

    principal: Money = ZERO
    interest: Money = ZERO
    penalty: Money = ZERO

    def __add__(self, other: "Components") -> "Components":
        if not isinstance(other, Components):
            return NotImplemented
        return Components(
            principal=self.principal + other.principal,
            interest=self.interest + other.interest,
            penalty=self.penalty + other.penalty,
        )

    def __sub__(self, other: "Components") -> "Components":
        if not isinstance(other, Components):
            return NotImplemented
        return Components(
            principal=self.principal - other.principal,
            interest=self.interest - other.interest,
            penalty=self.penalty - other.penalty,
        )

    def __bool__(self) -> bool:
        return bool(self.principal or self.interest or self.penalty)

    @property
    def total(self) -> Money:
        return self.principal + self.interest + self.penalty

    def of(self, part: Part) -> Money:
        """Return one part."""
        match part:
            case Part.PRINCIPAL:
                return self.principal
            case Part.INTEREST:
                return self.interest
            case Part.PENALTY:
                return self.penalty

    def covers(self, other: "Components") -> bool:
        """Tell whether no part of the other is larger than ours."""
        return all(self.of(part) >= other.of(part) for part in Part)


NOTHING = Components()
