"""Active repayment: what a borrower may pay when he wishes to, and what it does to the loan.

What is due comes first, whatever is wished for: the overdue instalments, then today's.  Only
then does money go ahead: interest to the day, then principal.

Conventions, where the contract leaves a choice:

* An instalment whose interest period has ended counts as due, even if a holiday has moved its
  day of payment.
* Interest to the day counts the days from the start of the period, in the product's day count;
  what is left of the period is charged by the new cut.  The two never exceed the whole period.
* A reduced instalment is less in proportion to the principal, and evenly less by the interest that
  is paid already: an instalment that was short stays short.  A shortened loan goes on asking the
  instalment it asked.
* A new cut asks for no more interest than was left: what rounding would add is left off.
"""

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from chalicelib.domain import due as dues
from chalicelib.domain import schedule as schedules
from chalicelib.domain.allocation import Paid, position_after
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import Due, InstalmentDue
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, total
from chalicelib.domain.position import Position, outstanding_principal, unpaid
from chalicelib.domain.product import Method, Prepayment, Product, Recut
from chalicelib.domain.schedule import Cut, Instalment, Terms

QUOTE_ID_BYTES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What the borrower asks for; `amount` is of a partial prepayment alone."""

    kind: Kind
    amount: Money | None = None
    recut: Recut | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What may be paid: a part between the two ends, if there is such a part, or the payoff."""

    amount_min: Money | None
    amount_max: Money | None
    payoff: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why there is nothing to offer; `code` is stable, `limits` say what would be accepted."""

    code: str
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A loan as a payment finds it: position, schedule, product, and the date."""

    position: Position
    cut: Cut
    product: Product
    annual_rate: Decimal
    as_of: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What a payment would cost, part by part, and what it would leave.

    `due` is what is due of it; `ahead` is paid before its time: interest to the day and
    principal, under the number of the instalment whose period runs.
    """

    kind: Kind
    due: Due
    ahead: InstalmentDue | None = None
    fee: Money = ZERO
    recut: Recut | None = None
    cut_after: Cut | None = None
    position_after: Position

    @property
    def components(self) -> Components:
        return self.due.components + (self.ahead.components if self.ahead else NOTHING)

    @property
    def amount(self) -> Money:
        return self.components.total + self.fee

    @property
    def paid(self) -> Paid:
        """Which instalments the money pays."""
        return Paid(lines=(*self.due.lines, *((self.ahead,) if self.ahead else ())))


def offer(*, wish: Wish, standing: Standing) -> Offer | Refusal:
    """Say what the wish costs as of the standing's date, or why it cannot be had."""
    return _offer(wish, standing, _Ahead.of(standing))


def _offer(wish: Wish, standing: Standing, ahead: "_Ahead") -> Offer | Refusal:
    if not (ahead.due.lines or ahead.principal):
        return Refusal(code="settled")
    match wish.kind:
        case Kind.OVERDUE:
            overdue = tuple(line for line in ahead.due.lines if line.due_on < standing.as_of)
            return _due_offer(Kind.OVERDUE, overdue, standing) or Refusal(code="nothing_overdue")
        case Kind.INSTALMENT:
            whole = _due_offer(Kind.INSTALMENT, ahead.due.lines, standing)
            return whole or Refusal(code="nothing_due")
        case Kind.FULL:
            return _full(standing, ahead)
        case Kind.PARTIAL:
            return _partial(wish, standing, ahead)
        case Kind.SCHEDULED:
            raise ValueError("a scheduled deduction is no wish")


def limits(standing: Standing) -> Limits:
    """Say between which amounts a part may be paid ahead, and what all of it costs."""
    return _limits(standing, _Ahead.of(standing))


def kinds_offered(standing: Standing) -> tuple[Kind, ...]:
    """List what the borrower may pay now."""
    ahead = _Ahead.of(standing)
    wishes = (
        Wish(kind=Kind.OVERDUE),
        Wish(kind=Kind.INSTALMENT),
        Wish(kind=Kind.PARTIAL, amount=_limits(standing, ahead).amount_min),
        Wish(kind=Kind.FULL),
    )
    return tuple(
        wish.kind for wish in wishes if not isinstance(_offer(wish, standing, ahead), Refusal)
    )


def recuts_offered(standing: Standing) -> tuple[Recut, ...]:
    """List how the schedule may be cut again; a loan that repays at its end cannot be shortened."""
    if standing.cut.terms.method in {Method.INTEREST_FIRST, Method.BULLET}:
        return (Recut.REDUCE_INSTALMENT,)
    return standing.product.recuts


def quote_id_of(*, loan_id: str, version: int, as_of: date, wish: Wish, offered: Offer) -> str:
    """Name a quote by what it quotes: asked again, the same; after any write of the loan, another.

    >>> from chalicelib.domain.position import START
    >>> nothing = Offer(
    ...     kind=Kind.FULL, due=Due(as_of=date(2026, 11, 24), lines=()), position_after=START
    ... )
    >>> quote_id_of(
    ...     loan_id="LN7", version=1, as_of=date(2026, 11, 24), wish=Wish(kind=Kind.FULL),
    ...     offered=nothing,
    ... )
    'Qaidmaa27lfexbaru'
    """
    facts = (loan_id, version, as_of, wish.kind, offered.kind, offered.amount, offered.recut)
    digest = hashlib.sha256("|".join(map(str, facts)).encode()).digest()
    return "Q" + base64.b32encode(digest[:QUOTE_ID_BYTES]).decode().lower()


# --- what there is to pay ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ahead:
    """What is due, and what lies ahead of it: the running instalment, its interest, all principal."""

    due: Due
    running: Instalment | None
    interest: Money
    principal: Money

    @classmethod
    def of(cls, standing: Standing) -> "_Ahead":
        position, cut = standing.position, standing.cut
        due = _owed(standing, through_no=_last_ended(standing))
        reached = due.lines[-1].instalment_no if due.lines else 0
        later = [row for row, _ in unpaid(position, cut.instalments) if row.number > reached]
        principal = outstanding_principal(position, cut.instalments) - due.components.principal
        if not later:
            return cls(due=due, running=None, interest=ZERO, principal=principal)
        rate = schedules.interest_run(
            terms=schedules.onward(cut.terms, later[0].number),
            product=standing.product,
            as_of=standing.as_of,
        )
        interest = principal.times(rate, rounding=standing.product.rounding.mode)
        return cls(
            due=due,
            running=later[0],
            interest=min(interest, later[0].interest),
            principal=principal,
        )

    def line(self, *, interest: Money, principal: Money) -> InstalmentDue | None:
        paid = Components(principal=principal, interest=interest)
        if self.running is None or not paid:
            return None
        return InstalmentDue(
            instalment_no=self.running.number, due_on=self.running.due_on, components=paid
        )


def _owed(standing: Standing, *, through_no: int = 0) -> Due:
    return dues.owed(
        position=standing.position,
        schedule=standing.cut.instalments,
        product=standing.product,
        annual_rate=standing.annual_rate,
        as_of=standing.as_of,
        through_no=through_no,
    )


def _last_ended(standing: Standing) -> int:
    """Return the last instalment whose interest period has ended."""
    terms = standing.cut.terms
    ends = enumerate(schedules.contractual_due_dates(terms), start=terms.first_no)
    return max((number for number, end in ends if end <= standing.as_of), default=0)


def _due_offer(kind: Kind, lines: tuple[InstalmentDue, ...], standing: Standing) -> Offer | None:
    due = Due(as_of=standing.as_of, lines=lines)
    if not due.amount:
        return None
    return Offer(kind=kind, due=due, position_after=_position_after(due, standing))


def _position_after(due: Due, standing: Standing) -> Position:
    return position_after(
        position=standing.position,
        schedule=standing.cut.instalments,
        due=due,
        paid=Paid(lines=due.lines),
    )


# --- all of it --------------------------------------------------------------------------


def _full(standing: Standing, ahead: _Ahead) -> Offer | Refusal:
    if ahead.principal and standing.product.prepayment is Prepayment.NONE:
        return Refusal(code="not_offered")
    return _settlement(standing, ahead)


def _settlement(standing: Standing, ahead: _Ahead) -> Offer:
    last = standing.cut.instalments[-1].number
    rate = standing.product.settlement_fee_rate
    return Offer(
        kind=Kind.FULL,
        due=ahead.due,
        ahead=ahead.line(interest=ahead.interest, principal=ahead.principal),
        fee=ahead.principal.times(rate, rounding=standing.product.rounding.mode),
        position_after=Position(instalment_no=last + 1),
    )


# --- a part of it -----------------------------------------------------------------------


def _partial(wish: Wish, standing: Standing, ahead: _Ahead) -> Offer | Refusal:
    if standing.product.prepayment is not Prepayment.PARTIAL_AND_FULL:
        return Refusal(code="not_offered")
    if not ahead.principal:
        return Refusal(code="nothing_ahead")
    recut = wish.recut or recuts_offered(standing)[0]
    if recut not in recuts_offered(standing):
        return Refusal(code="recut_not_offered")
    allowed = _limits(standing, ahead)
    if wish.amount == allowed.payoff:
        return _settlement(standing, ahead)
    if wish.amount is None or not _is_within(wish.amount, allowed):
        return Refusal(code="amount_out_of_limits", limits=allowed)
    principal = wish.amount - ahead.due.amount - ahead.interest
    cut_after = _cut_again(recut, ahead.principal - principal, standing, ahead)
    return Offer(
        kind=Kind.PARTIAL,
        due=ahead.due,
        ahead=ahead.line(interest=ahead.interest, principal=principal),
        recut=recut,
        cut_after=cut_after,
        position_after=Position(instalment_no=cut_after.instalments[0].number),
    )


def _limits(standing: Standing, ahead: _Ahead) -> Limits:
    """At least the product's minimum goes ahead, and at least as much is left, or nothing."""
    payoff = _settlement(standing, ahead).amount
    least = standing.product.partial_min
    amount_min = ahead.due.amount + max(least, ahead.interest + Money(1))
    amount_max = ahead.due.amount + ahead.interest + ahead.principal - least
    offers_parts = standing.product.prepayment is Prepayment.PARTIAL_AND_FULL
    if not offers_parts or amount_min > amount_max:
        return Limits(amount_min=None, amount_max=None, payoff=payoff)
    return Limits(amount_min=amount_min, amount_max=amount_max, payoff=payoff)


def _is_within(amount: Money, allowed: Limits) -> bool:
    if allowed.amount_min is None or allowed.amount_max is None:
        return False
    return allowed.amount_min <= amount <= allowed.amount_max


def _cut_again(recut: Recut, principal: Money, standing: Standing, ahead: _Ahead) -> Cut:
    """Cut what is left of the principal into the instalments that are left, or into fewer."""
    running = ahead.running
    if running is None:
        raise ValueError("nothing lies ahead")
    later = tuple(row for row in standing.cut.instalments if row.number >= running.number)
    terms = schedules.onward(standing.cut.terms, running.number)
    paid_until = max(standing.as_of, terms.interest_paid_until or terms.disbursed_on)
    again = replace(terms, principal=principal, interest_paid_until=paid_until)
    level = _level(later, terms)
    if recut is Recut.REDUCE_INSTALMENT:
        less = Fraction(principal.fen, ahead.principal.fen) * _evenly(later, terms, again, standing)
        level = level.times(less, rounding=standing.product.rounding.mode)
    rows = schedules.cut(terms=again, product=standing.product, level=level).instalments
    if recut is Recut.SHORTEN_TERM:
        rows = rows[: max(count for count, row in enumerate(rows, start=1) if row.principal)]
        again = replace(again, instalments=len(rows))
    on_their_days = tuple(
        replace(row, due_on=before.due_on) for row, before in zip(rows, later, strict=False)
    )
    interest_max = total(row.interest for row in later) - ahead.interest
    return Cut(terms=again, instalments=_without_excess(on_their_days, interest_max))


def _level(rows: tuple[Instalment, ...], terms: Terms) -> Money:
    """Return what every instalment but the last has in common, in it or of its principal."""
    regular = _regular(rows)
    return regular.total if terms.method is Method.EQUAL_INSTALMENT else regular.principal


def _regular(rows: tuple[Instalment, ...]) -> Instalment:
    """Return the first that is like the others: not the last, nor one of interest alone."""
    return next((row for row in rows[:-1] if row.principal), rows[0])


def _evenly(
    rows: tuple[Instalment, ...], terms: Terms, again: Terms, standing: Standing
) -> Fraction:
    """Return by how much all instalments are less for the first one's interest being paid."""
    if terms.method is not Method.EQUAL_INSTALMENT or _regular(rows) is not rows[0]:
        return Fraction(1)
    before, after = (schedules.annuity(each, standing.product) for each in (terms, again))
    return Fraction(before) / Fraction(after)


def _without_excess(rows: tuple[Instalment, ...], interest_max: Money) -> tuple[Instalment, ...]:
    """Take off, from the last instalments, the interest that exceeds what it may be."""
    excess = max(total(row.interest for row in rows) - interest_max, ZERO)
    kept = []
    for row in reversed(rows):
        off = min(excess, row.interest)
        kept.append(replace(row, interest=row.interest - off))
        excess -= off
    return tuple(reversed(kept))
