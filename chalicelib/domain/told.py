"""What a funder's results file tells, put together loan by loan."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chalicelib.domain.deduction import (
    FAILURE_CLASSES,
    NO_ROUND,
    FailureClass,
    Result,
    Status,
    failed,
)
from chalicelib.domain.funder import ResultLine, ResultStatus
from chalicelib.domain.money import NOTHING, Components
from chalicelib.domain.reconciliation import paid_on

CLOCKS_DIFFER = timedelta(minutes=5)
DAYS_LATE_MAX = 31
UNNAMED = "UNNAMED"
NO_SUCH_ROUND = "the funder has no such round"


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What one file says of one loan in one round; of round 0, of one trade at a borrower's wish.

    `business_date` is the round's: a file may tell late of an earlier round.  `repeated` lines stand twice, word for word; `is_torn` says that two lines of one instalment
    say two things.
    """

    loan_id: str
    business_date: date
    round_no: int
    trade_no: str
    lines: tuple[ResultLine, ...]
    repeated: int = 0
    is_torn: bool = False

    @property
    def paid(self) -> Mapping[int, Components]:
        """What was collected, by instalment."""
        return {line.instalment_no: line.whole for line in self._of(ResultStatus.SUCCEEDED)}

    @property
    def components(self) -> Components:
        return sum(self.paid.values(), NOTHING)

    @property
    def failure(self) -> ResultLine | None:
        """The first line that failed."""
        return next(iter(self._of(ResultStatus.FAILED)), None)

    @property
    def paid_at(self) -> datetime | None:
        """When the last of it was paid."""
        return max((line.paid_at for line in self.lines if line.paid_at), default=None)

    def result(self, new: Iterable[int]) -> Result:
        """Make the result of the instalments that are new of what was collected."""
        lines = [line for line in self._of(ResultStatus.SUCCEEDED) if line.instalment_no in new]
        return Result(
            status=Status.SUCCEEDED,
            trade_no=lines[0].funder_trade_no,
            paid_at=max(line.paid_at for line in lines if line.paid_at),
        )

    def _of(self, status: ResultStatus) -> tuple[ResultLine, ...]:
        return tuple(line for line in self.lines if line.status is status)


def told_by_loan(
    lines: Iterable[ResultLine], *, business_date: date, round_no: int
) -> Sequence[Told]:
    """Put together what a file says of each loan and round; a wish's lines by their trade."""
    groups: dict[tuple[str, date, int, str], list[ResultLine]] = {}
    for line in lines:
        is_wish = line.round == NO_ROUND
        day = business_date if is_wish else date_of(line, of=business_date, round_no=round_no)
        trade_no = line.funder_trade_no if is_wish else ""
        groups.setdefault((line.loan_id, day, line.round, trade_no), []).append(line)
    return [_told(key, group) for key, group in groups.items()]


def date_of(line: ResultLine, *, of: date, round_no: int) -> date:
    """Say of which date's round a line tells, in the file of a date and round.

    What had no end when a round's file was written is told by a later one: a round that has not
    been yet is an earlier day's, and what was paid on an earlier day is that day's.
    """
    latest = of if line.round <= round_no else of - timedelta(days=1)
    return min(latest, paid_on(line.paid_at)) if line.paid_at else latest


def _told(key: tuple[str, date, int, str], group: Sequence[ResultLine]) -> Told:
    loan_id, business_date, round_no, trade_no = key
    once = list(dict.fromkeys(group))
    return Told(
        loan_id=loan_id,
        business_date=business_date,
        round_no=round_no,
        trade_no=trade_no,
        lines=tuple(sorted(once, key=lambda line: line.instalment_no)),
        repeated=len(group) - len(once),
        is_torn=len({line.instalment_no for line in once}) < len(once),
    )


def why_unusable(line: ResultLine, *, business_date: date, rounds: int) -> tuple[str, str]:
    """Name the column of a line that cannot be of this file, and why; two empty texts if all can.

    `rounds` is how many the funder deducts in.
    """
    if line.round > rounds:
        return "round", NO_SUCH_ROUND
    if line.status is ResultStatus.FAILED:
        return "", ""
    if line.paid_at is None or not line.funder_trade_no:
        return ("funder_trade_no" if line.paid_at else "paid_at"), "missing of what succeeded"
    if not line.whole.total or not line.whole.covers(NOTHING):
        return "principal_fen", "nothing was collected, or less"
    days = (business_date - paid_on(line.paid_at - CLOCKS_DIFFER)).days
    if not 0 <= days <= DAYS_LATE_MAX:
        return "paid_at", f"after {business_date}, or more than {DAYS_LATE_MAX} days before"
    return "", ""


def failure_of(line: ResultLine) -> Result:
    """Make the result of a failure; a code nobody listed waits for the next list.

    >>> line = ResultLine(
    ...     loan_id="LN7", instalment_no=1, round=1, status=ResultStatus.FAILED,
    ...     failure_code="MOON_TOO_FULL",
    ... )
    >>> failure_of(line).failure_class
    <FailureClass.RETRY_LATER: 'retry_later'>
    """
    if line.failure_code in FAILURE_CLASSES:
        return failed(line.failure_code)
    return Result(
        status=Status.FAILED,
        failure_code=line.failure_code or UNNAMED,
        failure_class=FailureClass.RETRY_LATER,
    )
