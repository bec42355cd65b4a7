"""Keep the discrepancies of a day: open what is found, resolve what is found no more.

While one says that the platform has a loan's money and the journal has not, the loan is held:
nothing more is taken from it until somebody, or a rule, has resolved it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.domain.reconciliation import Discrepancy, DiscrepancyState, Kind
from chalicelib.flows.file_ports import Discrepancies, HoldLoan

UNBOOKED = frozenset({Kind.MISSING_HERE, Kind.STATUS_DIFFERS, Kind.DUPLICATE, Kind.CROSS_DAY})
"""Where the bill may show money that the journal has not."""


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
        opened = replace(each, opened_at=known.opened_at) if known else each
        if opened != known:
            keeper.discrepancies.put(opened)
        if loan_id := _unbooked_loan(opened):
            keeper.hold(loan_id=loan_id, reason=_reason(opened))
    for discrepancy_id, each in before.items():
        if discrepancy_id not in found and each.state is DiscrepancyState.OPEN:
            resolve(each, reason=gone, now=now, keeper=keeper)


def resolve(each: Discrepancy, *, reason: str, now: datetime, keeper: Keeper) -> None:
    """Resolve a discrepancy by rule, and lift the hold it laid on its loan."""
    keeper.discrepancies.put(
        replace(each, state=DiscrepancyState.RESOLVED, resolved_at=now, reason=reason)
    )
    if loan_id := _unbooked_loan(each):
        keeper.lift(loan_id=loan_id, reason=_reason(each))


def _unbooked_loan(each: Discrepancy) -> str:
    """Name the loan whose money the bill shows and the journal has not; empty if there is none."""
    if each.is_resolved or each.kind not in UNBOOKED or not each.there:
        return ""
    try:
        return facts_of(each.order_no)[2]
    except IllegalOrderNumberError:
        return ""


def _reason(each: Discrepancy) -> str:
    return f"discrepancy {each.discrepancy_id}"
