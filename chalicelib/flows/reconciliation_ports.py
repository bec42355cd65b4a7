"""What a reconciliation needs from the outside world, beside ports.py and file_ports.py."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from chalicelib.domain.bill_account import Account, account_of
from chalicelib.domain.reconciliation import BillRow, LocalOrder, paid_close_to
from chalicelib.flows.file_ports import Fault, UnusableFileError
from chalicelib.flows.landing import Batch

Part = Callable[[], Iterator[LocalOrder]]
"""One part of a day's ended orders; each call streams it anew."""


class UntiedTotalsError(Exception):
    """The buckets do not add up to the two sides, or a side was not read whole."""


class TooLargeError(Exception):
    """More rows or orders than this way to compare has memory for."""


class EndedOrders(Protocol):
    def parts(self, business_date: date) -> Sequence[Part]:
        """Give the orders of a date that have their end, in parts that may be read side by side.

        Those of funders that deduct by themselves are left out: they are in no bill of ours.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class DayOrders:
    """Our orders of a day: the journal's parts, and those `known` besides: in flight, refunds."""

    known: Mapping[str, LocalOrder] = field(default_factory=dict)
    parts: Sequence[Part] = ()

    def __iter__(self) -> Iterator[LocalOrder]:
        """Stream them, each once: of an order that has ended meanwhile the journal has the last word."""
        left = dict(self.known)
        for part in self.parts:
            for order in part():
                left.pop(order.order_no, None)
                yield order
        yield from left.values()


class BillMatcher(Protocol):
    def compare(
        self,
        *,
        batch: Batch[BillRow],
        orders: DayOrders,
        business_date: date,
        billed_elsewhere: Collection[str],
    ) -> Account:
        """Compare a day's bill with our orders; whoever does it, the account is the same.

        :raises UnusableFileError: if a row was paid on another day.
        :raises UntiedTotalsError: if a side was not read whole: nothing is missing then.
        :raises TooLargeError: if somebody else has to do it.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class RowByRow:
    """Compares in the memory of all rows and orders: on small days nothing is faster."""

    orders_max: int = 200_000

    def compare(
        self,
        *,
        batch: Batch[BillRow],
        orders: DayOrders,
        business_date: date,
        billed_elsewhere: Collection[str],
    ) -> Account:
        """Compare; see `BillMatcher`."""
        return account_of(
            rows=rows_of(batch),
            orders=self._few(orders),
            business_date=business_date,
            billed_elsewhere=billed_elsewhere,
        )

    def _few(self, orders: Iterable[LocalOrder]) -> Iterator[LocalOrder]:
        for number, order in enumerate(orders):
            if number >= self.orders_max:
                raise TooLargeError(f"more than {self.orders_max} orders")
            yield order


@dataclass(frozen=True, kw_only=True, slots=True)
class BySize:
    """Lets the first compare that is made for so many rows, and the next one where that is too much."""

    matchers: Sequence[tuple[int, BillMatcher]]

    def compare(
        self,
        *,
        batch: Batch[BillRow],
        orders: DayOrders,
        business_date: date,
        billed_elsewhere: Collection[str],
    ) -> Account:
        """Compare; see `BillMatcher`."""
        for rows_max, matcher in self.matchers:
            if batch.rows > rows_max:
                continue
            try:
                return matcher.compare(
                    batch=batch,
                    orders=orders,
                    business_date=business_date,
                    billed_elsewhere=billed_elsewhere,
                )
            except TooLargeError:
                continue
        raise TooLargeError(f"{batch.key}: {batch.rows} rows")


def rows_of(batch: Batch[BillRow]) -> Iterator[BillRow]:
    """Stream the rows; one that was paid on another day is in the wrong bill, and spoils it."""
    faults = []
    for line in batch.lines():
        if line.record and paid_close_to(line.record.paid_at, batch.business_date):
            yield line.record
        else:
            faults.append(
                Fault(line=line.number, column="paid_at", reason=f"not on {batch.business_date}")
            )
    if faults:
        raise UnusableFileError(*faults)
