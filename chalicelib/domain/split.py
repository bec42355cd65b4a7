"""Split what a borrower pays between the funder of a joint loan and the platform.

Principal by the funder's share; interest by its share of the principal at its own rate, the rest
is the platform's; penalty as agreed.  The two parts are never negative and always add up to the
amount; the fen left over goes to the larger remainder, to the funder at a tie.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.funder import FunderTerms, PenaltyTo
from chalicelib.domain.money import NOTHING, Components, Money, Part
from chalicelib.domain.position import Position, paid_of
from chalicelib.domain.schedule import Instalment

WHOLE_BPS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """The two parts of one amount, component by component."""

    funder: Components
    platform: Components

    def __add__(self, other: "Split") -> "Split":
        if not isinstance(other, Split):
            return NotImplemented
        return Split(funder=self.funder + other.funder, platform=self.platform + other.platform)

    @property
    def whole(self) -> Components:
        """What was split."""
        return self.funder + self.platform

    def negated(self) -> "Split":
        """Give the split of the same amount taken back: its mirror, to the fen.

        >>> paid = Split(funder=Components(principal=Money(7)), platform=Components(interest=Money(3)))
        >>> (paid + paid.negated()).whole == NOTHING
        True
        """
        return Split(funder=NOTHING - self.funder, platform=NOTHING - self.platform)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """By what a loan's money is split: its own, frozen when it was made.

    `funder_bps` is the funder's share of the principal in basis points, `annual_rate` the
    customer's rate, `terms` what was agreed with the funder by then.
    """

    funder_bps: int
    annual_rate: Decimal
    terms: FunderTerms

    def __post_init__(self) -> None:
        if not 0 <= self.funder_bps <= WHOLE_BPS:
            raise ValueError(
                f"a share is between 0 and {WHOLE_BPS} basis points: {self.funder_bps}"
            )

    def funders(self, part: Part) -> Fraction:
        """Return which fraction of a component is the funder's.

        The funder's own rate is of its own part of the principal; it never earns more than the
        customer pays.

        >>> at_eight = Shares(
        ...     funder_bps=7_000, annual_rate=Decimal("0.12"), terms=FunderTerms(rate=Decimal("0.08"))
        ... )
        >>> at_eight.funders(Part.PRINCIPAL), at_eight.funders(Part.INTEREST)
        (Fraction(7, 10), Fraction(7, 15))
        """
        share = Fraction(self.funder_bps, WHOLE_BPS)
        match part:
            case Part.PRINCIPAL:
                return share
            case Part.INTEREST:
                rate = self.terms.rate
                if rate is None or not self.annual_rate:
                    return share
                return min(share * Fraction(rate) / Fraction(self.annual_rate), Fraction(1))
            case Part.PENALTY:
                return _of_penalty(self.terms.penalty_to, share)


def of(*, amount: Components, shares: Shares) -> Split:
    """Split one amount; one taken back is split into the negatives.

    >>> evenly = Shares(funder_bps=7_000, annual_rate=Decimal("0.12"), terms=FunderTerms())
    >>> of(amount=Components(principal=Money(1)), shares=evenly).funder.principal
    Money(fen=1)
    >>> of(amount=Components(principal=Money(-101)), shares=evenly).platform.principal
    Money(fen=-30)
    """
    funder = Components(
        **{part.value: _funders_part(amount.of(part), shares.funders(part)) for part in Part}
    )
    return Split(funder=funder, platform=amount - funder)


def of_line(
    *, instalment: Components, paid_before: Components, amount: Components, shares: Shares
) -> Split:
    """Split what is paid of an instalment of which something may be paid already.

    For principal and interest, all that is paid of the instalment together is split as if it were
    paid at once; penalty, for it accrues anew, payment by payment.  What is taken back of the last
    payment is split into its negatives.

    >>> evenly = Shares(funder_bps=5_000, annual_rate=Decimal("0.12"), terms=FunderTerms())
    >>> asked, fen, first = Components(principal=Money(2)), Components(principal=Money(1)), NOTHING
    >>> for paid_before in (NOTHING, fen):
    ...     of_line(instalment=asked, paid_before=paid_before, amount=fen, shares=evenly).funder.principal
    Money(fen=1)
    Money(fen=0)

    :raises ValueError: if more is paid before than the instalment asks: it is another one.
    """
    before = replace(paid_before, penalty=NOTHING.penalty)
    if not replace(instalment, penalty=NOTHING.penalty).covers(before):
        raise ValueError(f"{paid_before} is more than {instalment}")
    upto, already = of(amount=before + amount, shares=shares), of(amount=before, shares=shares)
    return upto + already.negated()


def of_lines(
    *,
    lines: Iterable[InstalmentDue],
    position: Position,
    schedule: Iterable[Instalment],
    shares: Shares,
) -> tuple[InstalmentDue, ...]:
    """Give each line, owed or paid, its funder's part; `position` is the loan's before the money."""
    asked = {
        row.number: Components(principal=row.principal, interest=row.interest) for row in schedule
    }

    def split(line: InstalmentDue) -> InstalmentDue:
        parts = of_line(
            instalment=asked[line.instalment_no],
            paid_before=paid_of(position, line.instalment_no),
            amount=line.components,
            shares=shares,
        )
        return replace(line, funder=parts.funder)

    return tuple(split(line) for line in lines)


def of_whole(lines: Iterable[InstalmentDue]) -> Split:
    """Add up the parts of lines; a line without a funder's part is all the platform's."""
    both = tuple(_parts(lines))
    return Split(
        funder=sum((funder for funder, _ in both), NOTHING),
        platform=sum((platform for _, platform in both), NOTHING),
    )


def taken_back(*, split: Split, before: Components, amount: Components) -> Split:
    """Split a refund pro rata of what was paid; `before` is what was refunded of it already.

    All of it refunded, in however many pieces, is the mirror of the payment.

    >>> paid = Split(funder=Components(principal=Money(2)), platform=Components(principal=Money(1)))
    >>> fen = Components(principal=Money(1))
    >>> [
    ...     taken_back(split=paid, before=Components(principal=Money(done)), amount=fen).funder.principal
    ...     for done in range(3)
    ... ]
    [Money(fen=-1), Money(fen=0), Money(fen=-1)]

    :raises ValueError: if more would be refunded than was paid, or less than nothing.
    """
    upto = before + amount
    if not (split.whole.covers(upto) and before.covers(NOTHING) and amount.covers(NOTHING)):
        raise ValueError(f"{before} and {amount} are not of {split.whole}")
    funder = _pro_rata(upto, split) - _pro_rata(before, split)
    return Split(funder=NOTHING - funder, platform=funder - amount)


def _funders_part(amount: Money, fraction: Fraction) -> Money:
    weights = (fraction.numerator, fraction.denominator - fraction.numerator)
    return amount.shares(weights)[0]


def _of_penalty(penalty_to: PenaltyTo, share: Fraction) -> Fraction:
    match penalty_to:
        case PenaltyTo.SHARE:
            return share
        case PenaltyTo.PLATFORM:
            return Fraction(0)
        case PenaltyTo.FUNDER:
            return Fraction(1)


def _parts(lines: Iterable[InstalmentDue]) -> Iterator[tuple[Components, Components]]:
    for line in lines:
        funder = line.funder or NOTHING
        yield funder, line.components - funder


def _pro_rata(amount: Components, split: Split) -> Components:
    """Return the funder's part of an amount by the parts of a payment."""
    return Components(
        **{
            part.value: _funders_part(
                amount.of(part), Fraction(split.funder.of(part).fen, whole.fen)
            )
            for part in Part
            if (whole := split.whole.of(part))
        }
    )
