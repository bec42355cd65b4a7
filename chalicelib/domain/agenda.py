"""What a date asks of a loan.  It is a function of days past due, so that no day writes it.

The book stands ordered by the due date of each loan's oldest unpaid instalment; the morning reads
the few dates of it that something is asked of.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from chalicelib.domain.due import days_past_due
from chalicelib.domain.stage import CLASS_RULES, STAGE_RULES, ClassRules, StageRules


class Ask(StrEnum):
    """What may be asked of a loan on a date, in the order it is done."""

    REMIND = "remind"
    DEDUCT = "deduct"
    MOVE_STAGE = "move_stage"
    MOVE_CLASS = "move_class"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgendaRules:
    """When something is asked: days before the due date, and days past it."""

    remind_days_before: tuple[int, ...] = (3, 1)
    retry_dpd_max: int = 90
    stages: StageRules = STAGE_RULES
    classes: ClassRules = CLASS_RULES

    def __post_init__(self) -> None:
        if any(days < 1 for days in self.remind_days_before) or self.retry_dpd_max < 0:
            raise ValueError("a reminder comes before the due date, a retry not before it")


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One due date of the agenda to read, and what to ask of every loan that stands there."""

    unpaid_due_on: date
    dpd: int
    asks: tuple[Ask, ...]


def asks_at(dpd: int, rules: AgendaRules) -> tuple[Ask, ...]:
    """Say what is asked of a loan so many days past due (negative: before).

    >>> [ask.value for ask in asks_at(-3, AgendaRules())]
    ['remind']
    >>> [ask.value for ask in asks_at(1, AgendaRules())]
    ['deduct', 'move_stage', 'move_class']
    >>> asks_at(95, AgendaRules())
    ()
    """
    asked = {
        Ask.REMIND: -dpd in rules.remind_days_before,
        Ask.DEDUCT: 0 <= dpd <= rules.retry_dpd_max,
        Ask.MOVE_STAGE: dpd in rules.stages.starts,
        Ask.MOVE_CLASS: dpd in rules.classes.starts,
    }
    return tuple(ask for ask, is_asked in asked.items() if is_asked)


def visits(
    *, business_date: date, last_completed: date | None, rules: AgendaRules
) -> tuple[Visit, ...]:
    """List the due dates the morning must read, oldest first.

    It covers every date after the last completed one, so that no boundary is skipped; the same
    morning repeated lists the same.  A missed deduction is not made up for (the day's own covers
    it), a missed reminder only while the due date is still to come.  With nothing completed yet,
    the business date stands alone.
    """
    gap = 0 if last_completed is None else max((business_date - last_completed).days - 1, 0)
    asked: dict[date, set[Ask]] = defaultdict(set)
    for dpd in _dpds_asked(rules):
        for days_ago in range(gap + 1):
            unpaid_due_on = business_date - timedelta(days=days_ago + dpd)
            asked[unpaid_due_on] |= _still_asked(
                asks_at(dpd, rules), dpd_then=dpd, dpd_now=dpd + days_ago
            )
    return tuple(
        Visit(
            unpaid_due_on=unpaid_due_on,
            dpd=days_past_due(unpaid_due_on, business_date),
            asks=tuple(ask for ask in Ask if ask in asks),
        )
        for unpaid_due_on, asks in sorted(asked.items())
        if asks
    )


def _dpds_asked(rules: AgendaRules) -> tuple[int, ...]:
    """List the dpds something is asked at; one may be named twice."""
    return (
        *(-days for days in rules.remind_days_before),
        *range(rules.retry_dpd_max + 1),
        *rules.stages.starts,
        *rules.classes.starts,
    )


def _still_asked(asks: tuple[Ask, ...], *, dpd_then: int, dpd_now: int) -> set[Ask]:
    """Leave out what is too late to do."""
    too_late = {Ask.DEDUCT: dpd_now > dpd_then, Ask.REMIND: dpd_now >= 0}
    return {ask for ask in asks if not too_late.get(ask, False)}
