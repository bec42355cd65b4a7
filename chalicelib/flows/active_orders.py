"""The orders borrowers have started: no list of the day names them, so they are noted by date."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

from chalicelib.domain.deduction import facts_of
from chalicelib.domain.loan import Slot
from chalicelib.flows.ports import Books


class ActiveOrders(Protocol):
    """Notes of orders, until somebody has seen their end."""

    def open(self, *, business_date: date, order_no: str, at: datetime) -> None:
        """Note an order before it is claimed; noted again, it is as if it were noted only then."""

    def of_day(self, business_date: date) -> Iterator[tuple[str, datetime]]:
        """List order numbers with the time they were noted, as fresh as the last write."""

    def remove(self, *, business_date: date, order_no: str, noted_at: datetime) -> None:
        """Forget an order unless it was noted anew; done twice it changes nothing."""


def unfinished(
    *, business_date: date, active_orders: ActiveOrders, books: Books
) -> Mapping[str, Slot]:
    """Find the date's orders that hold their loan's slot: their end is unknown, or not posted."""
    noted = [order_no for order_no, _ in active_orders.of_day(business_date)]
    heads = books.loans.get_many([facts_of(order_no)[2] for order_no in noted])
    slots = ((no, loan.slot) for no in noted if (loan := heads.get(facts_of(no)[2])))
    return {no: slot for no, slot in slots if slot and slot.order_no == no}


def tidy(
    *,
    business_date: date,
    now: datetime,
    patience: timedelta,
    active_orders: ActiveOrders,
    books: Books,
) -> Sequence[str]:
    """Forget the orders that have ended, or were never claimed.

    List those that hold their slot for longer than patience lasts: somebody must ask after them.
    """
    noted = dict(active_orders.of_day(business_date))
    # The slots first: an order that ends between the two reads is in the journal by then.
    held = unfinished(business_date=business_date, active_orders=active_orders, books=books)
    ended = books.journal.get_many([order_no for order_no in noted if order_no not in held])
    for order_no, noted_at in noted.items():
        is_idle = order_no not in held and now - noted_at > patience
        if order_no in ended or is_idle:
            # As it was read: whoever is about to claim has noted it anew.
            active_orders.remove(business_date=business_date, order_no=order_no, noted_at=noted_at)
    return sorted(no for no, slot in held.items() if now - slot.sent_at > patience)
