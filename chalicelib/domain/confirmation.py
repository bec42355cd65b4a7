"""Hold what a funder says of a reconciliation file against the file, order by order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.domain.discrepancy import SUGGESTIONS, Discrepancy
from chalicelib.domain.funder import Agreement, ConfirmationLine
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.run import NONE, Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What a confirmation came to: every order of ours and every line of theirs is in one place.

    `agreed` are orders both sides have alike, by our funder's part; `findings` all others.
    """

    agreed: Tally
    findings: tuple["Finding", ...]

    def as_facts(self) -> Mapping[str, Any]:
        """Write counts and fen as plain data."""
        kinds = [found.kind for found in self.findings]
        return {
            "agreed": {"count": self.agreed.count, "amount_fen": self.agreed.amount.fen},
            "findings": {kind.value: kinds.count(kind) for kind in sorted(set(kinds))},
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One order that the two sides do not agree about; `here` and `there` are the funder's part."""

    kind: Kind
    order_no: str
    note: str
    here: Money | None = None
    there: Money | None = None
    reason: str = ""


def judge(*, ours: Mapping[str, Money], lines: Iterable[ConfirmationLine]) -> Judged:
    """Compare; `ours` is the funder's part of each order of the reconciliation file.

    >>> agreed = ConfirmationLine(order_no="1", status=Agreement.AGREED, funder_amount=Money(7))
    >>> judge(ours={"1": Money(7)}, lines=[agreed]).findings
    ()
    >>> [found.note for found in judge(ours={"1": Money(8), "2": Money(5)}, lines=[agreed]).findings]
    ['agreed_with_another_amount', 'never_mentioned']
    """
    mentioned: dict[str, ConfirmationLine] = {}
    twice: set[str] = set()
    for line in lines:
        if line.order_no in mentioned:
            twice.add(line.order_no)
        else:
            mentioned[line.order_no] = line
    agreed = NONE
    findings = []
    for order_no in sorted({*ours, *mentioned}):
        found = _judge(order_no, ours.get(order_no), mentioned.get(order_no))
        if order_no in twice and (found is None or found.kind is not Kind.CONFIRMED_UNKNOWN):
            found = Finding(
                kind=Kind.CONFIRMATION_DIFFERS,
                order_no=order_no,
                note="mentioned_twice",
                here=ours[order_no],
                there=mentioned[order_no].funder_amount,
            )
        if found is None:
            agreed += Tally(count=1, amount=ours[order_no])
        else:
            findings.append(found)
    return Judged(agreed=agreed, findings=tuple(findings))


def discrepancies(
    *, judged: Judged, business_date: date, channel: str, at: datetime
) -> Mapping[str, Discrepancy]:
    """Make a discrepancy of each finding, by id."""
    opened = [
        Discrepancy(
            business_date=business_date,
            channel=channel,
            kind=found.kind,
            order_no=found.order_no,
            opened_at=at,
            here=found.here,
            there=found.there,
            facts={"note": found.note, "reason": found.reason},
            suggestion=SUGGESTIONS[found.kind],
        )
        for found in judged.findings
    ]
    return {discrepancy.discrepancy_id: discrepancy for discrepancy in opened}


def _judge(order_no: str, here: Money | None, line: ConfirmationLine | None) -> Finding | None:
    """Say what is wrong with one order; None if both sides agree."""
    if line is None:
        return Finding(kind=Kind.UNCONFIRMED, order_no=order_no, note="never_mentioned", here=here)
    if here is None:
        kind, note = Kind.CONFIRMED_UNKNOWN, "not_in_our_file"
    elif line.status is not Agreement.AGREED:
        kind, note = Kind.CONFIRMATION_DIFFERS, "differs_there"
    elif line.funder_amount != here:
        kind, note = Kind.CONFIRMATION_DIFFERS, "agreed_with_another_amount"
    else:
        return None
    return Finding(
        kind=kind,
        order_no=order_no,
        note=note,
        here=here,
        there=line.funder_amount,
        reason=line.reason,
    )
