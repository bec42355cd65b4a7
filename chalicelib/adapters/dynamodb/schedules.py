"""Schedules, in DynamoDB: one immutable item a version, packed as text."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, chunks, conditional
from chalicelib.adapters.dynamodb.tables import ScheduleRow
from chalicelib.domain.loan import Schedule
from chalicelib.domain.money import Money
from chalicelib.domain.product import Method
from chalicelib.domain.schedule import Cut, Instalment, Terms


class DynamoSchedules:
    def get(self, loan_id: str, version: int) -> Cut:
        row = _row_of(loan_id, version)
        return Cut(terms=terms_of(row.terms), instalments=unpacked(row.instalments))

    def get_many(self, wanted: Sequence[tuple[str, int]]) -> Mapping[str, Schedule]:
        found = {
            row.loan_id: row.instalments
            for keys in chunks(wanted)
            for row in ScheduleRow.batch_get(list(keys))
        }
        # A head is read as fresh as can be: its schedule may be newer than a cheap read knows.
        missing = [key for key in wanted if key[0] not in found]
        for keys in chunks(missing):
            for row in ScheduleRow.batch_get(list(keys), consistent_read=True):
                found[row.loan_id] = row.instalments
        return {loan_id: unpacked(text) for loan_id, text in found.items()}

    def add(self, loan_id: str, version: int, cut: Cut, *, source: str) -> bool:
        row = ScheduleRow(
            loan_id=loan_id,
            version=version,
            terms=text_of(cut.terms),
            instalments=packed(cut.instalments),
            source=source,
        )
        try:
            # A schedule is written once; who wrote it may write it again, and changes nothing.
            with conditional():
                row.save(
                    condition=ScheduleRow.loan_id.does_not_exist() | (ScheduleRow.source == source)
                )
        except ConditionFailedError:
            return False
        return True


def _row_of(loan_id: str, version: int) -> ScheduleRow:
    """Read a schedule cheaply, for it never changes; one that was only just written, again."""
    for is_fresh in (False, True):
        with suppress(ScheduleRow.DoesNotExist):
            return ScheduleRow.get(loan_id, version, consistent_read=is_fresh)
    raise KeyError((loan_id, version))


def text_of(terms: Terms) -> str:
    """Write terms as text, field by field, separated by commas; what is not set is empty."""
    return ",".join(
        (
            str(terms.principal.fen),
            str(terms.annual_rate),
            terms.method.value,
            str(terms.instalments),
            terms.disbursed_on.isoformat(),
            terms.first_due_on.isoformat(),
            str(terms.anchor_day or ""),
            str(terms.first_no),
            terms.interest_paid_until.isoformat() if terms.interest_paid_until else "",
        )
    )


def terms_of(text: str) -> Terms:
    """Read terms back.

    >>> text_of(terms_of("900,0.12,bullet,3,2026-11-01,2026-12-01,,1,"))
    '900,0.12,bullet,3,2026-11-01,2026-12-01,,1,'
    """
    principal, rate, method, count, disbursed_on, first_due_on, anchor, first_no, paid = text.split(
        ","
    )
    return Terms(
        principal=Money(int(principal)),
        annual_rate=Decimal(rate),
        method=Method(method),
        instalments=int(count),
        disbursed_on=date.fromisoformat(disbursed_on),
        first_due_on=date.fromisoformat(first_due_on),
        anchor_day=int(anchor) if anchor else None,
        first_no=int(first_no),
        interest_paid_until=date.fromisoformat(paid) if paid else None,
    )


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
