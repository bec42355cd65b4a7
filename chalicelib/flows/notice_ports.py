"""What the texts need from the outside world, beside ports.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from chalicelib.domain.notice import Notice, Recipient, SmsAnswer, Text

# --- what lies in queues; additive: unknown keys are ignored ---------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class TextMessage:
    """A notice to be sent or gone on with; rung counts up the ladder, None tries just once."""

    notice_id: str
    rung: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptMessage:
    """What the SMS platform reports of a text; `message_id` is our notice's id."""

    message_id: str
    receipt_id: str
    status: str
    reported_at: datetime | None = None
    reason: str | None = None


# --- the store and the platform ---------------------------------------------------------


class NoticeBook(Protocol):
    def of_recipient(self, recipient: Recipient) -> Sequence[Notice]:
        """Read all notices of a recipient in order of sequence, as fresh as the last write."""

    def get(self, notice_id: str) -> Notice | None:
        """Read one notice, as fresh as the last write; None for an id that is not ours."""

    def write(self, notice: Notice) -> Notice:
        """Write a notice that was read at `notice.version`, 0 for a new one.

        Returns it with the next version.

        :raises MovedByAnotherError: if the stored version is another one.
        """

    def waiting(self, *, on: date, until: datetime) -> Iterator[str]:
        """List the notices to be looked at on a day up to a time, the longest waiting first.

        By id.  May lag behind: read the notice before acting.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Sms:
    """One message for the platform.  The phone number is nowhere else and never printed."""

    message_id: str
    phone: str = field(repr=False)
    text: Text


class SmsPlatform(Protocol):
    """Neither verb raises for what the network or the other side does: that is UNREADABLE."""

    def send(self, sms: Sms) -> SmsAnswer:
        """Send a text.  The same message id is sent once however often it is asked for."""

    def ask(self, message_id: str) -> SmsAnswer:
        """Ask what became of a text."""
