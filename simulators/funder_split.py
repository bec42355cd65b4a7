"""The funder's own split of an amount between the two lenders.

Principal by the funder's share; interest by its share at its own rate, and never more than the
customer pays; penalty as agreed.  The odd fen goes to the larger remainder, to the funder at a
tie: with two parties that is rounding the funder's part half up.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

PENALTY_TO = frozenset(("share", "platform", "funder"))
WHOLE_BPS = 10_000


class Parts(NamedTuple):
    """An amount by component, in fen."""

    principal: int = 0
    interest: int = 0
    penalty: int = 0

    @property
    def total(self) -> int:
        return sum(self)

    def plus(self, other: "Parts") -> "Parts":
        return Parts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def less(self, other: "Parts") -> "Parts":
        return Parts(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def told(self) -> dict[str, int]:
        """Write it the way the wire wants it.

        >>> Parts(principal=5).told()
        {'principal_fen': 5, 'interest_fen': 0, 'penalty_fen': 0}
        """
        return {f"{name}_fen": fen for name, fen in self._asdict().items()}


NOTHING = Parts()


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitTerms:
    """What was agreed: the rate of the funder's own principal (None: the customer's)."""

    rate: Fraction | None = None
    penalty_to: str = "share"

    def __post_init__(self) -> None:
        if self.penalty_to not in PENALTY_TO:
            raise ValueError(f"penalty goes to one of {sorted(PENALTY_TO)}")


AS_THE_CUSTOMER = SplitTerms()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """By what one loan's money is split, frozen when the loan was made."""

    share_bps: int
    annual_rate: Fraction
    terms: SplitTerms = AS_THE_CUSTOMER

    def __post_init__(self) -> None:
        if not 0 <= self.share_bps <= WHOLE_BPS:
            raise ValueError("a share is between 0 and 10000 basis points")

    def funders(self, paid_before: Parts, amount: Parts) -> Parts:
        """Say what of an amount is the funder's, so much of the instalment being paid already.

        All payments of an instalment together are split as if it were paid at once; penalty is
        split payment by payment.  The rest is the platform's.

        >>> seven_in_ten = Sharing(share_bps=7_000, annual_rate=Fraction(12, 100))
        >>> seven_in_ten.funders(Parts(), Parts(1, 1, 1))
        Parts(principal=1, interest=1, penalty=1)
        >>> seven_in_ten.funders(Parts(1), Parts(1)), seven_in_ten.funders(Parts(2), Parts(1))
        (Parts(principal=0, interest=0, penalty=0), Parts(principal=1, interest=0, penalty=0))
        """
        before, after = paid_before, paid_before.plus(amount)
        share = Fraction(self.share_bps, WHOLE_BPS)
        earns = self._of_interest(share)
        return Parts(
            principal=_half_up(after.principal, share) - _half_up(before.principal, share),
            interest=_half_up(after.interest, earns) - _half_up(before.interest, earns),
            penalty=_half_up(amount.penalty, self._of_penalty(share)),
        )

    def _of_interest(self, share: Fraction) -> Fraction:
        if self.terms.rate is None or self.annual_rate == 0:
            return share
        return min(Fraction(1), share * self.terms.rate / self.annual_rate)

    def _of_penalty(self, share: Fraction) -> Fraction:
        return {"share": share, "platform": Fraction(0), "funder": Fraction(1)}[
            self.terms.penalty_to
        ]


def _half_up(fen: int, part: Fraction) -> int:
    """Take a part of an amount; of an amount taken back, the mirror."""
    whole = (2 * abs(fen) * part.numerator + part.denominator) // (2 * part.denominator)
    return -whole if fen < 0 else whole
