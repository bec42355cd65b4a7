"""Schedules, in DynamoDB: one immutable item a version, packed as text."""

from collections.abc import Mapping, Sequence
from datetime import date

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, chunks, conditional
from chalicelib.adapters.dynamodb.tables import ScheduleRow
from chalicelib.domain.loan import Schedule
from chalicelib.domain.money import Money
from chalicelib.domain.schedule import Instalment


class DynamoSchedules:
    def get(self, loan_id: str, version: int) -> Schedule:
        try:
            return unpacked(ScheduleRow.get(loan_id, version).instalments)
        except ScheduleRow.DoesNotExist as error:
            raise KeyError((loan_id, version)) from error

    def get_many(self, wanted: Sequence[tuple[str, int]]) -> Mapping[str, Schedule]:
        return {
            row.loan_id: unpacked(row.instalments)
            for keys in chunks(wanted)
            for row in ScheduleRow.batch_get(list(keys))
        }

    def add(self, loan_id: str, version: int, schedule: Schedule, *, source: str) -> bool:
        row = ScheduleRow(
            loan_id=loan_id, version=version, instalments=packed(schedule), source=source
        )
        try:
            # A schedule is written once; the same line of the same file may come again.
            with conditional():
                row.save(
                    condition=ScheduleRow.loan_id.does_not_exist() | (ScheduleRow.source == source)
                )
        except ConditionFailedError:
            return False
        return True


def packed(schedule: Schedule) -> str:
    """Write a schedule as text: "number,due date,principal fen,interest fen" by semicolons.

    >>> packed((Instalment(number=1, due_on=date(2026, 12, 1), principal=Money(9), interest=Money(1)),))
    '1,20261201,9,1'
    """
    return ";".join(
        f"{row.number},{row.due_on:%Y%m%d},{row.principal.fen},{row.interest.fen}"
        for row in schedule
    )


def unpacked(text: str) -> Schedule:
    """Read a schedule back.

    >>> packed(unpacked("1,20261201,9,1;2,20270101,9,0"))
    '1,20261201,9,1;2,20270101,9,0'
    """
    rows = (row.split(",") for row in text.split(";"))
    return tuple(
        Instalment(
            number=int(number),
            due_on=date(int(day[:4]), int(day[4:6]), int(day[6:])),
            principal=Money(int(principal)),
            interest=Money(int(interest)),
        )
        for number, day, principal, interest in rows
    )
