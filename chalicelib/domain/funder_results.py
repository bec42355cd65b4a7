"""What a funder tells of its own deductions, laid beside what we owe, expect and have posted.

One rule says whether a loan takes the money: the lines of a round are exactly what our own
allocation makes of their sum, instalment by instalment and part by part, to the fen.  That is
all of what is due, or a part of it in the product's order.  Anything else is a disagreement:
nothing of it is posted, both figures are shown, and the loan is held.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain import allocation
from chalicelib.domain.deduction import (
    NO_ROUND,
    Deduction,
    Result,
    Status,
    facts_of,
)
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.due import Due
from chalicelib.domain.loan import Slot
from chalicelib.domain.money import NOTHING, ZERO, Components, Money
from chalicelib.domain.product import Product
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.told import CLOCKS_DIFFER, Told, failure_of

LINES_SHOWN_MAX = 40


# --- what becomes of it -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One disagreement about one loan; `holds` says that nothing more may be taken from it."""

    kind: Kind
    note: str
    loan_id: str
    order_no: str
    here: Money | None = None
    there: Money | None = None
    lines_here: Mapping[int, Components] | None = None
    told: Told | None = None
    holds: bool = True


class Step(StrEnum):
    """What is to be done with what is told of a loan."""

    NOTHING = "nothing"
    POST = "post"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is to be done, `new` being the instalments whose money the loan takes."""

    step: Step
    new: Mapping[int, Components]
    finding: Finding | None = None


def decide(
    *, told: Told, order_no: str, records: Iterable[Deduction], dues: Due, product: Product
) -> Decision:
    """Hold what is told of a round against what of the round is recorded and what is owed.

    What was posted stays: a version that denies or changes it is a disagreement, and a loan in
    dispute takes nothing more.
    """
    records = tuple(records)
    posted = paid_by(records)
    new = {no: paid for no, paid in told.paid.items() if no not in posted}
    finding = _disputed(told, order_no=order_no, posted=posted)
    if finding:
        return Decision(step=Step.NOTHING, new={}, finding=finding)
    twice = _finding(told, Kind.DUPLICATE, "row_again", order_no) if told.repeated else None
    if new:
        amount = sum(new.values(), NOTHING).total
        paid = allocation.allocate(amount=amount, due=dues, product=product)
        if paid.rest or {line.instalment_no: line.components for line in paid.lines} != new:
            kind = Kind.AMOUNT_DIFFERS if dues.amount else Kind.MISSING_HERE
            note = "not_our_allocation" if dues.amount else "nothing_owed"
            expected = {line.instalment_no: line.components for line in dues.lines}
            differs = _finding(
                told, kind, note, order_no, here=dues.amount, there=amount, lines_here=expected
            )
            return Decision(step=Step.NOTHING, new={}, finding=differs)
        return Decision(step=Step.POST, new=new, finding=twice)
    if told.failure and not told.paid and not records:
        return Decision(step=Step.FAIL, new={}, finding=twice)
    return Decision(step=Step.NOTHING, new={}, finding=twice)


def _disputed(told: Told, *, order_no: str, posted: Mapping[int, Components]) -> Finding | None:
    """Find what a file says against itself, or against what an earlier version had us post."""
    here = sum(posted.values(), NOTHING).total
    if told.is_torn:
        return _finding(told, Kind.DUPLICATE, "two_lines_of_one_instalment", order_no, here=here)
    if all(told.paid.get(no) == paid for no, paid in posted.items()):
        return None
    changed = any(no in told.paid for no in posted)
    kind = Kind.AMOUNT_DIFFERS if changed else Kind.STATUS_DIFFERS
    note = "posted_here_changed_there" if changed else "posted_here_denied_there"
    return _finding(told, kind, note, order_no, here=here, lines_here=posted)


def denied(*, loan_id: str, order_no: str, records: Iterable[Deduction]) -> Finding:
    """Say that a later version has not a word of a loan whose money an earlier one had us post."""
    posted = paid_by(records)
    return Finding(
        kind=Kind.STATUS_DIFFERS,
        note="posted_here_absent_there",
        loan_id=loan_id,
        order_no=order_no,
        here=sum(posted.values(), NOTHING).total,
        lines_here=posted,
    )


def foreign(told: Told, order_no: str) -> Finding:
    """Say that a funder tells of a loan that is not its own; nobody's loan is held for that."""
    found = _finding(told, Kind.MISSING_HERE, "no_loan_of_this_funder", order_no)
    return replace(found, holds=False)


def used_up(told: Told, order_no: str) -> Finding:
    """Say that the number is used up that the money would be posted under: people must look."""
    return _finding(told, Kind.AMOUNT_DIFFERS, "told_otherwise_before", order_no)


def _finding(told: Told, kind: Kind, note: str, order_no: str, **sides: Any) -> Finding:
    facts = {"there": told.components.total} | sides
    return Finding(
        kind=kind, note=note, loan_id=told.loan_id, order_no=order_no, told=told, **facts
    )


def paid_by(records: Iterable[Deduction]) -> Mapping[int, Components]:
    """Add up what records say was paid of each instalment."""
    paid: dict[int, Components] = {}
    for record in records:
        if record.result.status is Status.SUCCEEDED:
            for line in record.lines:
                paid[line.instalment_no] = paid.get(line.instalment_no, NOTHING) + line.components
    return paid


# --- what borrowers wished ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Wished:
    """What became of a trade at a borrower's wish: it ends the order in flight, or is known.

    None of both and no finding: the line says nothing that could be concluded from.
    """

    ends: Result | None = None
    is_known: bool = False
    finding: Finding | None = None


def judge_wish(*, told: Told, slot: Slot | None, records: Iterable[Deduction]) -> Wished:
    """Find the order of ours that a trade belongs to: by its number or the trade's, else by amount.

    By amount it can only be the order in flight, paid after it was claimed, part by part to the
    fen.  A failure is believed under the order's own number alone: unknown is not failed.
    """
    record = next((each for each in records if _is_of(each, told.trade_no)), None)
    if record:
        return _judge_recorded(told, record)
    if slot is None or facts_of(slot.order_no)[1] != NO_ROUND:
        return _unmatched(told)
    is_named = told.trade_no == slot.order_no
    if not told.paid:
        return Wished(ends=failure_of(told.lines[0]) if is_named else None)
    is_since = bool(told.paid_at and told.paid_at >= slot.sent_at - CLOCKS_DIFFER)
    if not is_named and not is_since:
        return _unmatched(told)
    if told.components == slot.components and not told.is_torn:
        return Wished(ends=told.result(told.paid))
    differs = _finding(
        told, Kind.AMOUNT_DIFFERS, "not_what_was_ordered", slot.order_no, here=slot.amount
    )
    return Wished(finding=differs)


def _is_of(record: Deduction, trade_no: str) -> bool:
    return bool(trade_no) and trade_no in {record.order_no, record.result.trade_no}


def _judge_recorded(told: Told, record: Deduction) -> Wished:
    if record.result.status is Status.FAILED:
        if not told.paid:
            return Wished(is_known=True)
        kind, note, here = Kind.STATUS_DIFFERS, "failed_here_paid_there", ZERO
    elif not told.paid:
        kind, note, here = Kind.STATUS_DIFFERS, "posted_here_denied_there", record.amount
    elif told.components != record.components or told.is_torn:
        kind, note, here = Kind.AMOUNT_DIFFERS, "not_what_was_ordered", record.amount
    else:
        return Wished(is_known=True)
    return Wished(finding=_finding(told, kind, note, record.order_no, here=here))


def _unmatched(told: Told) -> Wished:
    if not told.paid:
        return Wished()
    return Wished(finding=_finding(told, Kind.MISSING_HERE, "no_order_of_ours", trade_of(told)))


def trade_of(told: Told) -> str:
    """Name a trade at one loan: a funder may have one number for what several loans paid.

    >>> trade_of(Told(loan_id="LN7", business_date=date(2026, 11, 24), round_no=0, trade_no="T1", lines=()))
    'T1-LN7'
    """
    return f"{told.trade_no}-{told.loan_id}"


# --- what people see ----------------------------------------------------------------------


def channel_of(funder_id: str) -> str:
    """Name what a funder's discrepancies are kept under.

    >>> channel_of("F7")
    'funder-F7'
    """
    return f"funder-{funder_id}"


def discrepancy_of(
    found: Finding, *, business_date: date, funder_id: str, found_in: str, at: datetime
) -> Discrepancy:
    """Make the discrepancy of a finding; `found_in` names who finds it, and may take it back."""
    lines = found.told.lines if found.told else ()
    return Discrepancy(
        business_date=business_date,
        channel=channel_of(funder_id),
        kind=found.kind,
        order_no=found.order_no,
        opened_at=at,
        here=found.here,
        there=found.there,
        facts={
            "note": found.note,
            "found_in": found_in,
            "loan_id": found.loan_id,
            "holds": found.loan_id if found.holds else "",
            "here": [
                {"instalment_no": no, **_fen_of(paid)}
                for no, paid in sorted((found.lines_here or {}).items())[:LINES_SHOWN_MAX]
            ],
            "there": [
                {
                    "instalment_no": line.instalment_no,
                    "status": line.status.value,
                    "funder_trade_no": line.funder_trade_no,
                    **_fen_of(line.whole),
                }
                for line in lines[:LINES_SHOWN_MAX]
            ],
            "more_rows": max(len(lines) - LINES_SHOWN_MAX, 0),
        },
        suggestion="ask_funder",
    )


def _fen_of(paid: Components) -> Mapping[str, int]:
    return {
        "principal_fen": paid.principal.fen,
        "interest_fen": paid.interest.fen,
        "penalty_fen": paid.penalty.fen,
    }
