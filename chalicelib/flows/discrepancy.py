"""Keep the discrepancies of a day: open what is found, resolve what is found no more.

While one says that the platform has a loan's money and the journal has not, the loan is held:
nothing more is taken from it until somebody, or a rule, has resolved it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.domain.discrepancy import Comment, Discrepancy, DiscrepancyState
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows.file_ports import Discrepancies, HoldLoan
from chalicelib.flows.ports import MovedByAnotherError

PAID_THERE = frozenset({"failed_here_paid_there", Kind.MISSING_HERE.value})
"""What the note of a discrepancy says where the bill shows money that the journal has not."""


FOUND_IN = "found_in"
"""The fact that names who finds it; so it tells what a funder's own deductions show from what it
confirms of ours, which names nobody."""

RULE = "reconciliation"
"""Who says what a rule has to say about a discrepancy."""


class Keeper(Protocol):
    """What discrepancies are kept with."""

    @property
    def discrepancies(self) -> Discrepancies: ...

    @property
    def hold(self) -> HoldLoan: ...

    @property
    def lift(self) -> HoldLoan: ...


def write(
    *,
    found: Mapping[str, Discrepancy],
    standing: Sequence[Discrepancy],
    gone: str,
    now: datetime,
    keeper: Keeper,
) -> None:
    """Write what is found, by id, over what stands; the same again writes nothing."""
    before = {each.discrepancy_id: each for each in standing}
    for discrepancy_id, each in found.items():
        known = before.get(discrepancy_id)
        opened = (
            replace(each, opened_at=known.opened_at, handling=known.handling) if known else each
        )
        # What people have decided stands: then neither the record nor the loan is touched.
        stands = opened == known or keeper.discrepancies.put(opened)
        if not stands and known and known.is_resolved and _says_otherwise(opened, known):
            stands = _opened_again(opened, known=known, now=now, keeper=keeper)
        is_held = stands or (known is not None and not known.is_resolved)
        if is_held and (loan_id := _unbooked_loan(opened)):
            _hold(opened, loan_id=loan_id, keeper=keeper)
    for discrepancy_id, each in before.items():
        if discrepancy_id in found:
            continue
        if each.state is DiscrepancyState.OPEN:
            resolve(each, reason=gone, now=now, keeper=keeper)
        elif each.is_resolved:
            # Whoever resolved it may have died before he lifted its hold.
            lift_holds(each, keeper=keeper)


def _says_otherwise(found: Discrepancy, known: Discrepancy) -> bool:
    """Whether the files show something else by now than people have decided about."""
    facts = [{**each.facts, FOUND_IN: None} for each in (found, known)]
    return (found.here, found.there, facts[0]) != (known.here, known.there, facts[1])


def _opened_again(found: Discrepancy, *, known: Discrepancy, now: datetime, keeper: Keeper) -> bool:
    """Open what people have ended, for it is another by now; False if they were at it meanwhile."""
    said = Comment(by=RULE, at=now, text=f"the files say otherwise since it was {known.state}")
    handling = replace(
        known.handling, proposal=None, approval=None, comments=(*known.handling.comments, said)
    )
    try:
        keeper.discrepancies.write(replace(found, handling=handling, version=known.version))
    except MovedByAnotherError:
        return False
    return True


def lift_holds(each: Discrepancy, *, keeper: Keeper) -> None:
    """Take off its loan what a discrepancy laid on it while it was open."""
    if loan_id := _held_loan(each):
        keeper.lift(loan_id=loan_id, reason=_reason(each))


def _hold(each: Discrepancy, *, loan_id: str, keeper: Keeper) -> None:
    """Lay the hold, and take it off again if the discrepancy was resolved in the meantime."""
    keeper.hold(loan_id=loan_id, reason=_reason(each))
    standing = keeper.discrepancies.of_day(each.business_date, each.channel)
    if any(one.is_resolved for one in standing if one.discrepancy_id == each.discrepancy_id):
        keeper.lift(loan_id=loan_id, reason=_reason(each))


def resolve(each: Discrepancy, *, reason: str, now: datetime, keeper: Keeper) -> None:
    """Lift the hold a discrepancy laid on its loan, then resolve it by rule.

    In this order: who dies between finds it open and does both again.  And lift it once more:
    whoever opened it may have laid the hold only then, and looks at it again after that.
    """
    loan_id = _unbooked_loan(each)
    if loan_id:
        keeper.lift(loan_id=loan_id, reason=_reason(each))
    keeper.discrepancies.put(
        replace(each, state=DiscrepancyState.RESOLVED, resolved_at=now, reason=reason)
    )
    if loan_id:
        keeper.lift(loan_id=loan_id, reason=_reason(each))


def is_unbilled(each: Discrepancy) -> bool:
    """Whether it says that the bill of the order's own day did not have it."""
    return each.kind is Kind.CROSS_DAY or (
        each.kind in {Kind.MISSING_THERE, Kind.STATUS_DIFFERS} and not each.facts.get("there")
    )


def _unbooked_loan(each: Discrepancy) -> str:
    """Name the loan whose money the bill shows and the journal has not; empty if there is none."""
    return "" if each.is_resolved else _held_loan(each)


def _held_loan(each: Discrepancy) -> str:
    """Name the loan that such a discrepancy holds while it is open."""
    if "holds" in each.facts:  # whoever found it has said
        return str(each.facts["holds"])
    if not _shows_more_there(each):
        return ""
    try:
        return facts_of(each.order_no)[2]
    except IllegalOrderNumberError:
        return ""


def _shows_more_there(each: Discrepancy) -> bool:
    match each.kind:
        case Kind.MISSING_HERE | Kind.DUPLICATE:
            return each.facts.get("note") != "refunded_there"  # money went back, not in
        case Kind.AMOUNT_DIFFERS:
            return bool(each.there and each.here and each.there > each.here)
        case Kind.STATUS_DIFFERS | Kind.CROSS_DAY:
            return each.facts.get("note") in PAID_THERE
        case _:
            return False


def _reason(each: Discrepancy) -> str:
    return f"discrepancy {each.discrepancy_id}"
