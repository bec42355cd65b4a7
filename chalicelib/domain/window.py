"""When orders may be sent: the send window of a business day."""

from dataclasses import dataclass
from datetime import date, datetime, time


@dataclass(frozen=True, kw_only=True, slots=True)
class SendWindow:
    """Half open: from `opens` up to, not including, `closes`; Asia/Shanghai, like every clock here."""

    opens: time = time(8, 0)
    closes: time = time(22, 0)

    def is_open(self, now: datetime, business_date: date) -> bool:
        """Whether an order of the business date may be sent now.

        >>> from datetime import datetime as at
        >>> day = date(2026, 11, 24)
        >>> [SendWindow().is_open(at(2026, 11, 24, h, m), day) for h, m in ((7, 59), (8, 0), (22, 0))]
        [False, True, False]
        """
        return now.date() == business_date and self.opens <= now.time() < self.closes

    def has_closed(self, now: datetime, business_date: date) -> bool:
        """Whether the window of the business date is over for good."""
        return now.date() > business_date or (
            now.date() == business_date and now.time() >= self.closes
        )
