"""Collection stage and loan class, as functions of days past due."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Stage(StrEnum):
    """Who collects, mildest first."""

    SMS = "sms"
    AGENT_EARLY = "agent_early"
    AGENT_MIDDLE = "agent_middle"
    AGENT_LATE = "agent_late"
    FIELD_VISIT = "field_visit"


class LoanClass(StrEnum):
    """The five classes, best first."""

    NORMAL = "normal"
    SPECIAL_MENTION = "special_mention"
    SUBSTANDARD = "substandard"
    DOUBTFUL = "doubtful"
    LOSS = "loss"


def _check_starts(starts: tuple[int, ...], count: int) -> None:
    if len(starts) != count or any(a >= b for a, b in pairwise((0, *starts))):
        raise ValueError(f"{count} rising days past due are needed, not {starts}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRules:
    """The dpd each stage starts at, in the order of the stages."""

    starts: tuple[int, ...] = (1, 8, 31, 61, 91)

    def __post_init__(self) -> None:
        _check_starts(self.starts, len(Stage))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRules:
    """The dpd each class after normal starts at."""

    starts: tuple[int, ...] = (1, 91, 271, 361)

    def __post_init__(self) -> None:
        _check_starts(self.starts, len(LoanClass) - 1)


STAGE_RULES = StageRules()
CLASS_RULES = ClassRules()


def stage_of(dpd: int, rules: StageRules = STAGE_RULES) -> Stage | None:
    """Return the stage; None while nothing is overdue.

    >>> [str(stage_of(dpd)) for dpd in (0, 1, 7, 8, 90, 91)]
    ['None', 'sms', 'sms', 'agent_early', 'agent_late', 'field_visit']
    """
    reached = bisect_right(rules.starts, dpd)
    return tuple(Stage)[reached - 1] if reached else None


def class_floor(dpd: int, rules: ClassRules = CLASS_RULES) -> LoanClass:
    """Return the best class a loan so many days past due may have.

    >>> [str(class_floor(dpd)) for dpd in (0, 90, 91, 271, 361)]
    ['normal', 'special_mention', 'substandard', 'doubtful', 'loss']
    """
    return tuple(LoanClass)[bisect_right(rules.starts, dpd)]
