"""Work a discrepancy: hand it over, talk about it, explain it, approve what is to be done, reopen.

Every step is written against the version that was read: of two people one wins, and the other is
told.  An approval is written before anything is done; whoever dies after it is followed by the
sweep, or by the next who approves, and it ends the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain import discrepancy_life as life
from chalicelib.domain.correction import CorrectionKind
from chalicelib.domain.discrepancy import (
    Action,
    Discrepancy,
    Proposal,
    facts_of_reference,
)
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.money import Money
from chalicelib.flows import (
    audit,
    correction,
    discrepancy,
    late_success,
    posting,
    refund,
    reversal,
)
from chalicelib.flows.discrepancy_ports import AuditTrail, DisputePlatform, HandledDiscrepancies
from chalicelib.flows.file_ports import HoldLoan
from chalicelib.flows.ports import Books, MovedByAnotherError

NO_PLATFORM = "waits_for_the_sweep"
AGED_AFTER = timedelta(days=2)
PAGE = 100

CORRECTS: Mapping[Action, CorrectionKind] = {
    Action.POST_LATE_SUCCESS: CorrectionKind.LATE_SUCCESS,
    Action.REVERSE: CorrectionKind.REVERSAL,
    Action.REFUND: CorrectionKind.REFUND,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that discrepancies are worked with.

    Without a platform, as on the API, what needs it is left to the sweep, which has the key to it.
    """

    discrepancies: HandledDiscrepancies
    books: Books
    trail: AuditTrail
    hold: HoldLoan
    lift: HoldLoan
    platform: DisputePlatform | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Worked:
    """A discrepancy after a step; `waits_for` says why what was approved is not done yet."""

    discrepancy: Discrepancy
    waits_for: str = ""


class NoSuchDiscrepancyError(Exception):
    """Nothing stands under this reference."""


class SeenOtherwiseError(Exception):
    """It was written since the caller has seen it: look again."""


def find(*, reference: str, desk: Desk) -> Discrepancy:
    """Read one, as fresh as the last write.

    :raises NoSuchDiscrepancyError: if there is none.
    :raises IllegalReferenceError: if it cannot be the name of one.
    """
    business_date, channel, kind, order_no = facts_of_reference(reference)
    found = desk.discrepancies.get(
        business_date=business_date, channel=channel, discrepancy_id=f"{kind}#{order_no}"
    )
    if found is None:
        raise NoSuchDiscrepancyError(reference)
    return found


def assign(
    *, reference: str, version: int, owner: str, by: str, now: datetime, desk: Desk
) -> Worked:
    """Hand a discrepancy to somebody; the errors are those of `explain`."""
    each = _seen(reference, version, desk)
    return _stepped(
        each,
        lambda: life.assigned(each, owner=owner),
        verb="assign",
        by=by,
        now=now,
        desk=desk,
        facts={"owner": owner},
    )


def comment(*, reference: str, text: str, by: str, now: datetime, desk: Desk) -> Worked:
    """Add a comment to whatever stands by now; the errors are those of `explain`."""
    each = find(reference=reference, desk=desk)
    return _stepped(
        each,
        lambda: life.commented(each, by=by, at=now, text=text),
        verb="comment",
        by=by,
        now=now,
        desk=desk,
        facts={"text": text},
    )


def explain(
    *,
    reference: str,
    version: int,
    action: Action,
    reason: str,
    amount: Money | None,
    by: str,
    now: datetime,
    desk: Desk,
) -> Worked:
    """Propose what is to be done, with the effect it would have now.

    :raises SeenOtherwiseError: if it is not as the caller has seen it, or another was first.
    :raises StepRefusedError: if a rule stands against it.
    """
    each = _seen(reference, version, desk)

    def proposed() -> Discrepancy:
        life.check_proposal(each, action=action, amount=amount, reason=reason)
        return life.explained(
            each,
            proposal=Proposal(
                action=action,
                reason=reason,
                made_by=by,
                made_at=now,
                amount=amount,
                effect=_effect(each, action, now=now, desk=desk),
            ),
        )

    facts = {"action": action.value, "reason": reason, "amount_fen": amount.fen if amount else None}
    return _stepped(each, proposed, verb="explain", by=by, now=now, desk=desk, facts=facts)


def approve(*, reference: str, version: int, by: str, now: datetime, desk: Desk) -> Worked:
    """Approve as a second person, then do it; of what is approved already, go on with it.

    The errors are those of `explain`; refused before it is approved, nothing has changed.
    """
    each = _seen(reference, version, desk)
    if not life.is_being_done(each):
        seen = each

        def checked() -> Discrepancy:
            after = life.approved(seen, by=by, at=now, business_date=now.date())
            proposal, _ = correction.decided(after)
            _effect(seen, proposal.action, now=now, desk=desk)
            if kind := CORRECTS.get(proposal.action):
                correction.claim(each=seen, kind=kind, now=now, books=desk.books)
            return after

        each = _stepped(each, checked, verb="approve", by=by, now=now, desk=desk).discrepancy
    return carry_out(each=each, now=now, desk=desk)


def reject(
    *, reference: str, version: int, reason: str, by: str, now: datetime, desk: Desk
) -> Worked:
    """Take a proposal off again; the errors are those of `explain`."""
    each = _seen(reference, version, desk)
    return _stepped(
        each,
        lambda: life.commented(life.rejected(each), by=by, at=now, text=reason),
        verb="reject",
        by=by,
        now=now,
        desk=desk,
        facts={"reason": reason},
    )


def reopen(
    *, reference: str, version: int, reason: str, by: str, now: datetime, desk: Desk
) -> Worked:
    """Open it again; what was corrected stays so.  The errors are those of `explain`."""
    each = _seen(reference, version, desk)
    return _stepped(
        each,
        lambda: life.commented(life.reopened(each, reason=reason), by=by, at=now, text=reason),
        verb="reopen",
        by=by,
        now=now,
        desk=desk,
        facts={"reason": reason},
    )


# --- what is approved is carried out ----------------------------------------------------


def carry_out(*, each: Discrepancy, now: datetime, desk: Desk) -> Worked:
    """Do what is approved, then resolve it; safe to repeat, at once or days later.

    What cannot be done after all is opened again, with the reason.
    """
    proposal, approval = correction.decided(each)
    try:
        waits_for = _done(each, proposal.action, now=now, desk=desk)
    except StepRefusedError as error:
        back = life.commented(
            life.withdrawn(each),
            by=approval.approved_by,
            at=now,
            text=f"{error.rule}: {error.detail}",
        )
        return _stepped(
            each,
            lambda: back,
            verb="withdraw",
            by=approval.approved_by,
            now=now,
            desk=desk,
            facts={"rule": error.rule},
        )
    if waits_for:
        return Worked(discrepancy=each, waits_for=waits_for)
    return _conclude(each, now=now, desk=desk)


def go_on(*, now: datetime, desk: Desk) -> int:
    """Carry out whatever is approved and not at its end; return how many still wait."""
    waiting = 0
    for seen in of_open(desk):
        if not life.is_being_done(seen):
            continue
        each = find(reference=seen.reference, desk=desk)
        if life.is_being_done(each):
            try:
                waiting += bool(carry_out(each=each, now=now, desk=desk).waits_for)
            except SeenOtherwiseError:  # another goes on with it
                continue
    return waiting


def of_open(desk: Desk) -> Iterator[Discrepancy]:
    """Stream what is not resolved, of whatever day; may lag behind."""
    cursor = ""
    while True:
        page = desk.discrepancies.page_of_open(cursor=cursor, count_max=PAGE)
        yield from page.discrepancies
        cursor = page.cursor
        if not cursor:
            return


def aged(
    *, now: datetime, opened: Iterable[Discrepancy], after: timedelta = AGED_AFTER
) -> tuple[str, ...]:
    """Name what has been open for longer than that, the oldest first: the watch tells of it."""
    old = sorted(
        (each.opened_at, f"{each.business_date} {each.channel} {each.discrepancy_id}")
        for each in opened
        if not each.is_resolved and now - each.opened_at > after
    )
    return tuple(name for _, name in old)


# --- the steps --------------------------------------------------------------------------


def _seen(reference: str, version: int, desk: Desk) -> Discrepancy:
    each = find(reference=reference, desk=desk)
    if each.version != version:
        raise SeenOtherwiseError(reference)
    return each


def _stepped(
    each: Discrepancy,
    step: Callable[[], Discrepancy],
    *,
    verb: str,
    by: str,
    now: datetime,
    desk: Desk,
    facts: Mapping[str, Any] | None = None,
) -> Worked:
    """Take a step: write down that somebody takes it, then take it; or write down the refusal."""
    subject = subject_of(each)
    said = {"version": each.version, **(facts or {})}
    try:
        after = step()
    except StepRefusedError as error:
        audit.note(
            subject=subject,
            at=now,
            by=by,
            verb=verb,
            outcome=audit.REFUSED,
            facts={**said, "rule": error.rule},
            trail=desk.trail,
        )
        raise
    audit.note(subject=subject, at=now, by=by, verb=verb, facts=said, trail=desk.trail)
    try:
        return Worked(discrepancy=desk.discrepancies.write(after))
    except MovedByAnotherError as error:
        audit.note(
            subject=subject,
            at=now,
            by=by,
            verb=verb,
            outcome=audit.REFUSED,
            facts={**said, "rule": "moved_by_another"},
            trail=desk.trail,
        )
        raise SeenOtherwiseError(each.reference) from error


def subject_of(each: Discrepancy) -> str:
    """Name the discrepancy in the audit trail."""
    return f"discrepancy/{each.reference}"


def _effect(each: Discrepancy, action: Action, *, now: datetime, desk: Desk) -> Mapping[str, Any]:
    """Say what would be done, or refuse it."""
    match action:
        case Action.POST_LATE_SUCCESS:
            return late_success.preview(each=each, now=now, books=desk.books)
        case Action.REVERSE:
            return reversal.preview(each=each, now=now, books=desk.books)
        case Action.REFUND:
            return refund.preview(each=each, books=desk.books)
        case Action.ACCEPT | Action.WRITE_OFF:
            return {}


def _done(each: Discrepancy, action: Action, *, now: datetime, desk: Desk) -> str:
    """Do it; say what it still waits for, if it does."""
    match action:
        case Action.POST_LATE_SUCCESS:
            return late_success.post_to_loan(each=each, now=now, books=desk.books)
        case Action.REVERSE if desk.platform:
            return reversal.make(each=each, now=now, books=desk.books, platform=desk.platform)
        case Action.REFUND if desk.platform:
            return refund.make(each=each, now=now, books=desk.books, platform=desk.platform)
        case Action.REVERSE | Action.REFUND:
            return NO_PLATFORM
        case Action.ACCEPT | Action.WRITE_OFF:
            return ""


def _conclude(each: Discrepancy, *, now: datetime, desk: Desk) -> Worked:
    """Lift what it laid on its loan, then end it.

    In this order, and once more after it, for the same reasons as when a rule resolves one.
    """
    _lift(each, desk)
    ended = life.concluded(each, at=now)
    worked = _stepped(
        each,
        lambda: ended,
        verb="resolve",
        by=ended.decided_by,
        now=now,
        desk=desk,
        facts={"state": ended.state.value},
    )
    _lift(each, desk)
    return worked


def _lift(each: Discrepancy, desk: Desk) -> None:
    """Let the loan go, and what a contradiction about this order holds, for it is settled now."""
    discrepancy.lift_holds(each, keeper=desk)
    if loan_id := correction.loan_id_of(each.order_no):
        desk.lift(loan_id=loan_id, reason=posting.reason_of_contradiction(each.order_no))
