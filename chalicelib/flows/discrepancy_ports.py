"""What handling discrepancies needs from the outside world, beside ports.py and file_ports.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from chalicelib.domain.audit_trail import Entry
from chalicelib.domain.correction import RefundAnswer
from chalicelib.domain.deduction import Answer
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import Discrepancies


class IllegalCursorError(ValueError):
    """The text does not say where to go on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some discrepancies, and where to go on; `cursor` is empty at the end."""

    discrepancies: Sequence[Discrepancy]
    cursor: str = ""


class HandledDiscrepancies(Discrepancies, Protocol):
    """The discrepancies, as people handle them."""

    def get(self, *, business_date: date, channel: str, discrepancy_id: str) -> Discrepancy | None:
        """Read one, as fresh as the last write."""

    def page_of_day(
        self, *, business_date: date, channel: str, cursor: str = "", count_max: int
    ) -> Page:
        """Read a day's discrepancies in whatever state, page by page.

        :raises IllegalCursorError: if the cursor is none of ours.
        """

    def page_of_open(self, *, cursor: str = "", count_max: int) -> Page:
        """Read what is not resolved, of whatever day, the latest first; may lag behind.

        :raises IllegalCursorError: if the cursor is none of ours.
        """


class AuditTrail(Protocol):
    """What people did; nothing of it is ever changed or taken away."""

    def last(self, subject: str) -> Entry | None:
        """Read a subject's last entry, as fresh as the last write."""

    def add(self, entry: Entry) -> bool:
        """Write an entry; False if there is one of its sequence number."""

    def of_subject(self, subject: str) -> Iterator[Entry]:
        """Stream a subject's entries, the first one first."""


class DisputePlatform(Protocol):
    """Where money goes back from, and who has the last word on whether it was ever taken."""

    def refund(self, *, refund_no: str, order_no: str, amount: Money) -> RefundAnswer:
        """Give money of a paid order back; the same number again gives it back once.

        Never raises for what the network or the other side does: that is UNKNOWN, to be asked
        again by the same number.
        """

    def ask(self, order_no: str) -> Answer:
        """Ask what became of an order."""

    def close(self, order_no: str) -> Answer:
        """Make sure an order can no longer be charged; SUCCEEDED if it already was."""
