"""Splits that failed while their charge stands: done again, each by a number of its own.

The repayment stays, whatever becomes of its split.  An order is noted before it is recorded, so
that whoever dies behind the note leaves somebody who will look: the question on the ladder first,
then the sweep, until the platform says that it is done.  Nothing is ever charged again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.deduction import Deduction, Status, split_no_of
from chalicelib.domain.funder import Funder
from chalicelib.flows.ports import Journal, PaymentPlatform


class SplitRepairs(Protocol):
    """Notes of orders whose split is not known to be done."""

    def note(self, *, order_no: str, at: datetime) -> None:
        """Note an order; noted again, it is as if it were noted only then."""

    def is_noted(self, order_no: str) -> bool:
        """Whether an order is noted, as fresh as the last write."""

    def all(self) -> Iterator[tuple[str, datetime]]:
        """List order numbers with the time they were noted, as fresh as the last write."""

    def forget(self, order_no: str) -> None:
        """Forget an order; done twice it changes nothing."""


def again(
    *, record: Deduction, funder: Funder, repairs: SplitRepairs, platform: PaymentPlatform
) -> bool:
    """Have a recorded order split, and forget it once it is; safe to repeat."""
    is_done = platform.split_again(
        order_no=record.order_no,
        split_no=split_no_of(record.order_no),
        split=funder.receivers(amount=record.amount, part=record.funder.total),
    )
    if is_done:
        repairs.forget(record.order_no)
    return is_done


def undone(
    *, now: datetime, patience: timedelta, repairs: SplitRepairs, journal: Journal
) -> Sequence[str]:
    """List the recorded orders that are noted for longer than patience lasts.

    One that is recorded as failed has nothing to split, and is forgotten; one without a record is
    still in its loan's slot, and is asked after from there.
    """
    noted = dict(repairs.all())
    recorded = journal.get_many(list(noted))
    for order_no, record in recorded.items():
        if record.result.status is Status.FAILED:
            repairs.forget(order_no)
    return sorted(
        order_no
        for order_no, record in recorded.items()
        if record.result.status is Status.SUCCEEDED and now - noted[order_no] > patience
    )
