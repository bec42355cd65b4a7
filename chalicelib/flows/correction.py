"""Correct a loan as two people have decided: one new record, and the old one stays as it is.

A correction goes through the loan's slot as every order does: claim, record, then post.  Whoever
dies in between leaves the slot to whoever comes next; its number makes it happen once.  Here is
what late_success.py, reversal.py and refund.py have in common; each of their verbs returns why it
still waits, nothing once it is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.domain import loan as loans
from chalicelib.domain.correction import Correction, CorrectionKind, correction_no_of
from chalicelib.domain.deduction import Deduction, IllegalOrderNumberError, Status, facts_of
from chalicelib.domain.discrepancy import Approval, Discrepancy, Proposal
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.loan import Loan, Posting, Slot
from chalicelib.domain.money import NOTHING, ZERO, Components, Money
from chalicelib.domain.reconciliation import PAID
from chalicelib.domain.reconciliation import Kind as Bucket
from chalicelib.flows import posting
from chalicelib.flows.ports import Books, MovedByAnotherError

CLAIMS_MAX = 3
EXTRA = "#extra"
BUSY = "loan_busy"

REFUSALS: Mapping[str, str] = {
    "no_loan": "the order names no loan of the book",
    "funder_deducts": "the funder deducts this loan: a new version of its results corrects it",
    "succeeded_already": "the journal has this order as paid, or its loan has taken it late",
    "nothing_paid_there": "the bill does not show that it was paid",
    "loan_settled": "the loan is settled: refund the money",
    "amount_differs": "the bill's amount is not the order's: refund the money",
    "part_ahead": "a part paid ahead cannot be posted late: refund the money",
    "not_owed": "the loan did not owe just this on that day, or has moved since: refund the money",
    "not_paid_here": "no payment of this order stands in the journal",
    "paid_there": "the platform has taken the money: ask it for a corrected bill",
    "not_the_last": "the loan has taken a later payment: reverse that one first",
    "journal_unclear": "the journal does not lead to where the loan stands; try again in a minute",
    "nothing_to_refund": "the bill shows no money of this order that no loan took",
    "refund_refused": "the payment platform does not give it back",
    "corrected_already": "this order has such a correction already",
    "corrected_elsewhere": "another discrepancy corrects this order's money",
}
"""Why a correction is refused; the names are stable."""


def claim(*, each: Discrepancy, kind: CorrectionKind, now: datetime, books: Books) -> None:
    """Let an order's money be corrected for one discrepancy alone; the same again is fine.

    What was charged once more than the order is money of its own; but of refunds an order has one.

    :raises StepRefusedError: if another discrepancy corrects it.
    """
    keys = [each.order_no + (EXTRA if each.kind is Bucket.DUPLICATE else "")]
    if kind is CorrectionKind.REFUND:
        keys.append(correction_no_of(each.order_no, kind))
    for key in keys:
        if books.journal.claim_correction(key=key, by=each.reference, at=now) != each.reference:
            raise refused("corrected_elsewhere")


def claimed(
    each: Discrepancy, number: str, books: Books, slot_of: Callable[[Loan], Slot]
) -> Loan | str:
    """Put the correction into the loan's slot, or find it there; empty if it is done already."""
    _, approval = decided(each)
    for _ in range(CLAIMS_MAX):
        # The head before the journal: what leaves the slot in between is recorded by then.
        loan = loan_of(each, books)
        if posting.is_in_flight(loan, number):
            return loan
        if is_recorded(number, approval, loan.loan_id, books):
            return ""
        if loan.slot is not None:
            return BUSY
        try:
            return books.loans.write(replace(loan, slot=slot_of(loan)))
        except MovedByAnotherError:
            continue
    return BUSY


def post(each: Discrepancy, number: str, books: Books, posted: Callable[[Loan], Posting]) -> None:
    """Let the loan stand as the correction leaves it; whoever comes second does nothing."""
    while posting.is_in_flight(current := loan_of(each, books), number):
        after = posted(current)
        loan_id, version = current.loan_id, after.loan.schedule_version
        # The correction's number is the source: done again, it finds its own and changes nothing.
        if after.cut_after is not None and not books.schedules.add(
            loan_id, version, after.cut_after, source=number
        ):
            raise posting.SchedulePutByAnotherError(f"{loan_id} {version}")
        try:
            books.loans.write(after.loan)
        except MovedByAnotherError:
            continue
        return


def is_recorded(number: str, approval: Approval, loan_id: str, books: Books) -> bool:
    found = books.journal.find_correction(
        correction_no=number, business_date=approval.business_date, loan_id=loan_id
    )
    return found is not None


def made_for(each: Discrepancy, books: Books, kind: CorrectionKind) -> frozenset[CorrectionKind]:
    """Say how the order is corrected already.

    :raises StepRefusedError: if it is by this very kind: of each an order has one.
    """
    kept_under = loan_id_of(each.order_no) or each.order_no
    corrections = books.journal.corrections_of_loan(kept_under)
    made = frozenset(one.kind for one in corrections if one.order_no == each.order_no)
    if kind in made:
        raise refused("corrected_already")
    return made


def is_taken(record: Deduction | None, made: frozenset[CorrectionKind]) -> bool:
    """Whether a loan has the order's money by now: paid, or found paid later, and not taken back."""
    paid = record is not None and record.result.status is Status.SUCCEEDED
    late = CorrectionKind.LATE_SUCCESS in made
    return paid + late - (CorrectionKind.REVERSAL in made) > 0


def loan_of(each: Discrepancy, books: Books) -> Loan:
    """Read the loan of the order.

    :raises StepRefusedError: if there is none, or a funder deducts it.
    """
    loan_id = loan_id_of(each.order_no)
    loan = books.loans.get(loan_id) if loan_id else None
    if loan is None:
        raise refused("no_loan")
    if loan.mode.funder_deducts:
        raise refused("funder_deducts")
    return loan


def loan_id_of(order_no: str) -> str:
    """Name the loan of an order; empty if the number is not one of ours."""
    try:
        return facts_of(order_no)[2]
    except IllegalOrderNumberError:
        return ""


def decided(each: Discrepancy) -> tuple[Proposal, Approval]:
    """Give what was proposed and approved.

    :raises StepRefusedError: if it is not.
    """
    proposal, approval = each.handling.proposal, each.handling.approval
    if proposal is None or approval is None:
        raise StepRefusedError("not_explained")
    return proposal, approval


def begun(
    each: Discrepancy, *, kind: CorrectionKind, loan: Loan | None, now: datetime
) -> Correction:
    """Begin the record: who decided what, about which order of whom."""
    proposal, approval = decided(each)
    return Correction(
        correction_no=correction_no_of(each.order_no, kind),
        kind=kind,
        order_no=each.order_no,
        loan_id=loan_id_of(each.order_no),
        borrower_id=loan.borrower_id if loan else "",
        mode=loan.mode.value if loan else "",
        product=loan.product if loan else "",
        funder_id=loan.funder_id if loan else "",
        business_date=approval.business_date,
        value_date=approval.business_date,
        amount=ZERO,
        components=NOTHING,
        reason=proposal.reason,
        made_by=proposal.made_by,
        approved_by=approval.approved_by,
        recorded_at=now,
    )


def is_paid_there(each: Discrepancy) -> bool:
    """Whether the bill shows a charge, and not only that money has gone back."""
    return any(row["status"] == PAID for row in rows_there(each))


def rows_there(each: Discrepancy) -> list[Mapping[str, Any]]:
    return [row for row in each.facts.get("there", ()) if "trade_no" in row]


def owed(loan: Loan, books: Books, now: datetime) -> Money:
    return loans.owed(
        loan=loan,
        schedule=books.schedules.get(loan.loan_id, loan.schedule_version).instalments,
        product=books.products[loan.product],
        as_of=now.date(),
    ).amount


def parts_of(components: Components, fee: Money) -> Mapping[str, int]:
    return {
        "amount_fen": components.total.fen + fee.fen,
        "principal_fen": components.principal.fen,
        "interest_fen": components.interest.fen,
        "penalty_fen": components.penalty.fen,
        "fee_fen": fee.fen,
    }


def refused(rule: str) -> StepRefusedError:
    return StepRefusedError(rule, REFUSALS[rule])
