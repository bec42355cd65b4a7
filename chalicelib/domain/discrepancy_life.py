"""What people may do with a discrepancy: open → explained → resolved | written off, and back.

Whoever explains one proposes what is to be done about it; somebody else approves.  Between the
approval and its end it stays explained, so that whoever dies in between is followed by others.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

from chalicelib.domain.discrepancy import (
    Action,
    Approval,
    Comment,
    Discrepancy,
    DiscrepancyState,
    Handling,
    Proposal,
)
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.reconciliation import Kind

_TO_A_LOAN = frozenset({Action.POST_LATE_SUCCESS, Action.REFUND, Action.ACCEPT})
_OFF_A_LOAN = frozenset({Action.REVERSE, Action.ACCEPT, Action.WRITE_OFF})
_WITH_A_FUNDER = frozenset({Action.ACCEPT, Action.WRITE_OFF})

ALLOWED: Mapping[Kind, frozenset[Action]] = {
    Kind.MISSING_HERE: _TO_A_LOAN,
    Kind.MISSING_THERE: _OFF_A_LOAN,
    Kind.AMOUNT_DIFFERS: frozenset({Action.REFUND, Action.ACCEPT, Action.WRITE_OFF}),
    Kind.STATUS_DIFFERS: _TO_A_LOAN | _OFF_A_LOAN,
    Kind.DUPLICATE: frozenset({Action.REFUND, Action.ACCEPT}),
    Kind.CROSS_DAY: _TO_A_LOAN | _OFF_A_LOAN,
    Kind.SPLIT_DIFFERS: _WITH_A_FUNDER,
    Kind.CONFIRMATION_DIFFERS: _WITH_A_FUNDER,
    Kind.UNCONFIRMED: _WITH_A_FUNDER,
    Kind.CONFIRMED_UNKNOWN: _WITH_A_FUNDER,
}
"""What may be proposed for which kind.  What a borrower has paid too much is never written off."""

TEXT_MAX = 1000
COMMENTS_MAX = 100

RULES: Mapping[str, str] = {
    "not_open": "only what is open can be explained, and nothing that is resolved is handed over",
    "not_explained": "nothing is proposed that could be approved or rejected",
    "maker_is_checker": "whoever proposed it cannot approve it",
    "already_approved": "it is approved and being carried out",
    "already_open": "it is open",
    "action_not_allowed": "this cannot be done about a discrepancy of this kind",
    "amount_not_fitting": "an amount belongs to a write-off, and is no more than what differs",
    "reason_missing": "a reason of 1 to 1000 characters is needed",
    "text_not_fitting": "a comment has 1 to 1000 characters",
    "too_many_comments": "a discrepancy has at most 100 comments",
}
"""Why a step is refused; the names are stable."""


class StepRefusedError(Exception):
    """The step is not to be taken; `rule` names why."""

    def __init__(self, rule: str, detail: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.detail = detail or RULES.get(rule, "")


def assigned(each: Discrepancy, *, owner: str) -> Discrepancy:
    """Hand it to somebody, or to nobody.

    :raises StepRefusedError: if it is resolved.
    """
    if each.is_resolved:
        raise StepRefusedError("not_open")
    return _handled(each, owner=owner)


def commented(each: Discrepancy, *, by: str, at: datetime, text: str) -> Discrepancy:
    """Add a comment, in whatever state.

    :raises StepRefusedError: if it is empty or too long, or one too many.
    """
    if not 0 < len(text.strip()) <= TEXT_MAX:
        raise StepRefusedError("text_not_fitting")
    if len(each.handling.comments) >= COMMENTS_MAX:
        raise StepRefusedError("too_many_comments")
    said = Comment(by=by, at=at, text=text)
    return _handled(each, comments=(*each.handling.comments, said))


def explained(each: Discrepancy, *, proposal: Proposal) -> Discrepancy:
    """Explain it and propose what is to be done; rules leave it alone from now on.

    :raises StepRefusedError: if it is not open, or this cannot be done about it.
    """
    check_proposal(each, action=proposal.action, amount=proposal.amount, reason=proposal.reason)
    return replace(
        _handled(each, proposal=proposal, approval=None),
        state=DiscrepancyState.EXPLAINED,
        decided_by=proposal.made_by,
    )


def check_proposal(each: Discrepancy, *, action: Action, amount: Money | None, reason: str) -> None:
    """Refuse a proposal that could not be made.

    :raises StepRefusedError: with the first rule that stands against it.
    """
    if each.state is not DiscrepancyState.OPEN:
        raise StepRefusedError("not_open")
    if action not in ALLOWED[each.kind]:
        raise StepRefusedError("action_not_allowed")
    if not 0 < len(reason.strip()) <= TEXT_MAX:
        raise StepRefusedError("reason_missing")
    wants_amount = action is Action.WRITE_OFF
    if wants_amount is not (amount is not None) or (
        amount and not ZERO < amount <= remainder(each)
    ):
        raise StepRefusedError("amount_not_fitting")


def remainder(each: Discrepancy) -> Money:
    """Say by how much the two sides differ; of a split or a status, all of it may be in question."""
    here, there = each.here or ZERO, each.there or ZERO
    return max(here - there, there - here) or max(here, there)


def approved(each: Discrepancy, *, by: str, at: datetime, business_date: date) -> Discrepancy:
    """Approve the proposal, as a second person.

    :raises StepRefusedError: if nothing is proposed, it is approved already, or by its maker.
    """
    proposal = _proposal_of(each)
    if by == proposal.made_by:
        raise StepRefusedError("maker_is_checker")
    return _handled(
        each, approval=Approval(approved_by=by, approved_at=at, business_date=business_date)
    )


def rejected(each: Discrepancy) -> Discrepancy:
    """Take the proposal off: it is open again, and the rules' as well.

    :raises StepRefusedError: if nothing is proposed, or it is approved already.
    """
    _proposal_of(each)
    return _opened(each)


def reopened(each: Discrepancy, *, reason: str) -> Discrepancy:
    """Open again what was explained, resolved or written off; what was corrected stays corrected.

    :raises StepRefusedError: if it is open, is being carried out, or no reason is given.
    """
    if not 0 < len(reason.strip()) <= TEXT_MAX:
        raise StepRefusedError("reason_missing")
    if each.state is DiscrepancyState.OPEN:
        raise StepRefusedError("already_open")
    if is_being_done(each):
        raise StepRefusedError("already_approved")
    return _opened(each)


def withdrawn(each: Discrepancy) -> Discrepancy:
    """Open again what was approved and cannot be done after all; nothing has been done of it."""
    return _opened(each)


def concluded(each: Discrepancy, *, at: datetime) -> Discrepancy:
    """End it as it was approved, once that is done."""
    proposal, approval = each.handling.proposal, each.handling.approval
    if proposal is None or approval is None:
        raise StepRefusedError("not_explained")
    written_off = proposal.action is Action.WRITE_OFF
    return replace(
        each,
        state=DiscrepancyState.WRITTEN_OFF if written_off else DiscrepancyState.RESOLVED,
        resolved_at=at,
        reason=proposal.reason,
        decided_by=approval.approved_by,
    )


def is_being_done(each: Discrepancy) -> bool:
    """Whether it is approved, and not at its end."""
    return each.state is DiscrepancyState.EXPLAINED and each.handling.approval is not None


def _proposal_of(each: Discrepancy) -> Proposal:
    if each.state is not DiscrepancyState.EXPLAINED or each.handling.proposal is None:
        raise StepRefusedError("not_explained")
    if each.handling.approval is not None:
        raise StepRefusedError("already_approved")
    return each.handling.proposal


def _opened(each: Discrepancy) -> Discrepancy:
    return replace(
        _handled(each, proposal=None, approval=None),
        state=DiscrepancyState.OPEN,
        resolved_at=None,
        reason="",
        decided_by="",
    )


def _handled(each: Discrepancy, **changes: object) -> Discrepancy:
    handling: Handling = replace(each.handling, **changes)  # type: ignore[arg-type]
    return replace(each, handling=handling)
