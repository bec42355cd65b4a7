"""A payment found only afterwards: what it would have paid on its own day, and pays now."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain import loan as loans
from chalicelib.domain import prepayment
from chalicelib.domain.deduction import NO_ROUND, Deduction, Kind, facts_of
from chalicelib.domain.loan import Loan, LoanStatus, Slot, TermsMovedError
from chalicelib.domain.money import ZERO, Components, Money
from chalicelib.domain.prepayment import Refusal, Wish
from chalicelib.domain.product import Product
from chalicelib.domain.schedule import Cut
from chalicelib.domain.split import Shares

WISHES = (Kind.INSTALMENT, Kind.OVERDUE, Kind.FULL)
"""What a borrower's order without a record may have been for; each costs another amount."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotOwed:
    """Why the money cannot be posted late, and has to go back; `rule` is stable."""

    rule: str


def slot_for(
    *,
    loan: Loan,
    cut: Cut,
    product: Product,
    correction_no: str,
    order_no: str,
    record: Deduction | None,
    amount: Money,
    now: datetime,
    shares: Shares | None = None,
) -> Slot | NotOwed:
    """Make the slot of a late success: the order's amount, owed to the fen as of its own date.

    `record` is the order's failure, None where there is none.  Penalty and days past due since
    that date fall away; if the loan has moved since, or never owed just this, nothing is posted.
    """
    as_of = facts_of(order_no)[0]
    if loan.status is not LoanStatus.OPEN:
        return NotOwed(rule="loan_settled")
    if record is not None and record.amount != amount:
        return NotOwed(rule="amount_differs")
    if record is not None and record.kind is Kind.PARTIAL:
        # How the borrower wished his schedule cut is nowhere any more.
        return NotOwed(rule="part_ahead")
    wanted = _wanted(record, loan=loan, cut=cut, product=product, order_no=order_no, amount=amount)
    if wanted is None:
        return NotOwed(rule="not_owed")
    kind, components, fee = wanted
    slot = Slot(
        order_no=correction_no,
        amount=amount,
        components=components,
        listed=amount,
        as_of=as_of,
        sent_at=now,
        kind=kind,
        fee=fee,
    )
    try:
        posting = loans.posted(loan=replace(loan, slot=slot), cut=cut, product=product)
    except TermsMovedError:
        return NotOwed(rule="not_owed")
    parts = loans.split_of(
        lines=posting.paid.lines, loan=loan, schedule=cut.instalments, shares=shares
    )
    return replace(slot, split=parts)


def _wanted(
    record: Deduction | None,
    *,
    loan: Loan,
    cut: Cut,
    product: Product,
    order_no: str,
    amount: Money,
) -> tuple[Kind, Components, Money] | None:
    """Say what the order was to pay: by its record, else by what was owed on its date."""
    if record is not None:
        return record.kind, record.components, record.fee
    as_of, round_no, _ = facts_of(order_no)
    if round_no != NO_ROUND:
        dues = loans.owed(loan=loan, schedule=cut.instalments, product=product, as_of=as_of)
        return (Kind.SCHEDULED, dues.components, ZERO) if dues.amount == amount else None
    standing = loans.standing(loan=loan, cut=cut, product=product, as_of=as_of)
    for kind in WISHES:
        offered = prepayment.offer(wish=Wish(kind=kind), standing=standing)
        if not isinstance(offered, Refusal) and offered.amount == amount:
            return kind, offered.components, offered.fee
    return None
