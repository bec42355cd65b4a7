"""What the confirm page shows: each quote's breakdown, and what the payment does to the loan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.prepayment import Offer
from chalicelib.domain.product import Recut
from chalicelib.domain.schedule import Instalment
from chalicelib.entrypoints.page_views import LoanCard, Said, card_of, said
from chalicelib.flows.borrower_loans import LoanView
from chalicelib.flows.early_repayment import Quote, QuotedTerms, Refused


@dataclass(frozen=True, kw_only=True, slots=True)
class EffectRow:
    """One instalment before and after the payment; None where none is left."""

    number: int
    due_on: date
    before: Money
    after: Money | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What is left to pay before and after; the next instalment stands for the level."""

    rows: tuple[EffectRow, ...]
    count_before: int
    count_after: int
    next_before: Money | None
    next_after: Money | None
    last_before: date | None
    last_after: date | None
    interest_saved: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmPart:
    """One loan on the confirm page: what is paid and what follows, or why it cannot be."""

    card: LoanCard
    refusal: Said | None = None
    quote_id: str = ""
    is_renewed: bool = False
    kind: Kind = Kind.PARTIAL
    recut: Recut | None = None
    amount: Money = ZERO
    principal: Money = ZERO
    interest: Money = ZERO
    penalty: Money = ZERO
    fee: Money = ZERO
    lines: tuple[InstalmentDue, ...] = ()
    effect: Effect | None = None
    expires_at: datetime | None = None


def confirm_part(*, kept: QuotedTerms, found: Quote | Refused, view: LoanView) -> ConfirmPart:
    """Show a quote as it holds now, and say so if it is no more what it was."""
    if isinstance(found, Refused):
        return ConfirmPart(card=card_of(view), refusal=said(found))
    offered = found.offered
    parts = offered.components
    return ConfirmPart(
        card=card_of(view),
        quote_id=found.quote_id,
        is_renewed=kept.parts_fen != found.terms.parts_fen,
        kind=offered.kind,
        recut=offered.recut,
        amount=offered.amount,
        principal=parts.principal,
        interest=parts.interest,
        penalty=parts.penalty,
        fee=offered.fee,
        lines=offered.due.lines,
        effect=effect_of(offered, view),
        expires_at=found.expires_at,
    )


def total_of(parts: Sequence[ConfirmPart]) -> Money:
    """Add up what can be paid."""
    return total(part.amount for part in parts)


def effect_of(offered: Offer, view: LoanView) -> Effect:
    """Compare what is left to pay before and after a payment."""
    before = view.upcoming
    after = _after(offered, view)
    paid = {line.instalment_no for line in offered.due.lines}
    ahead_interest = offered.ahead.components.interest if offered.ahead else ZERO
    later = [row for row in before if row.number not in paid]
    saved = total(row.interest for row in later) - total(row.interest for row in after)
    return Effect(
        rows=tuple(_rows(before, after)),
        count_before=len(before),
        count_after=len(after),
        next_before=later[0].total if later else None,
        next_after=after[0].total if after else None,
        last_before=before[-1].due_on if before else None,
        last_after=after[-1].due_on if after else None,
        interest_saved=max(saved - ahead_interest, ZERO),
    )


def _after(offered: Offer, view: LoanView) -> tuple[Instalment, ...]:
    schedule = offered.cut_after.instalments if offered.cut_after else view.standing.cut.instalments
    reached = offered.position_after.instalment_no
    return tuple(row for row in schedule if row.number >= reached)


def _rows(before: tuple[Instalment, ...], after: tuple[Instalment, ...]) -> list[EffectRow]:
    by_number = {row.number: row for row in after}
    return [
        EffectRow(
            number=row.number,
            due_on=row.due_on,
            before=row.total,
            after=by_number[row.number].total if row.number in by_number else None,
        )
        for row in before
    ]
