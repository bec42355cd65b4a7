"""The SMS platform's core: which texts it accepted, and what it reported of them.

A message id is accepted once however often it is sent.  Outcomes, by script per phone or by
mix: delivered, slow_ms:N · failed (accepted, then reported FAILED) · timeout_after_accept,
timeout_before_accept (held `hang_seconds`, then dropped) · limit (HTTP 200 with the code
BUSINESS_LIMIT_CONTROL, as Aliyun does) · html_error (502 with a page).  A message that was not
accepted is new when it comes again, and takes the next outcome.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - seeded by whoever builds the platform
from threading import RLock

from simulators.clock import SHANGHAI, rfc3339
from simulators.notifications import Notification, Outbox
from simulators.outcomes import Outcomes, delay_seconds
from simulators.wire import HTML_ERROR, IllegalRequestError, Reply, dropped, refusal, text_of

OUTCOMES = frozenset(
    ("delivered", "failed", "timeout_after_accept", "timeout_before_accept", "limit", "html_error")
)
NOT_EXIST = refusal(404, "NOT_EXIST", "短信不存在")
LIMIT = refusal(200, "BUSINESS_LIMIT_CONTROL", "触发号码天级流控")
NOT_ACCEPTED = {"limit": LIMIT, "html_error": HTML_ERROR}
REASON = "MOBILE_NOT_ON_SERVICE"
TEXT_LENGTH_MAX = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A text as it was accepted; it is reported at `reports_at`, not before."""

    message_id: str
    receipt_id: str
    phone: str
    template: str
    params: Mapping[str, object]
    text: str
    accepted_at: datetime
    reports_at: datetime
    fails: bool

    def status(self, now: datetime) -> str:
        if now < self.reports_at:
            return "ACCEPTED"
        return "FAILED" if self.fails else "DELIVERED"

    def result(self, now: datetime) -> dict[str, object]:
        """Write the receipt: the same for queries and for what is posted."""
        status = self.status(now)
        return {
            "receipt_id": self.receipt_id,
            "message_id": self.message_id,
            "status": status,
            "reported_at": None if status == "ACCEPTED" else rfc3339(self.reports_at),
            "reason": REASON if status == "FAILED" else None,
        }


class SmsPlatform:
    """Sends texts to nobody and remembers them.  Thread-safe; same seed, same receipt ids."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        rng: Random,
        receipts_url: str = "",
        receipt_seconds: float = 0.0,
        hang_seconds: float = 3.0,
    ) -> None:
        self._clock = clock
        self._salt = rng.getrandbits(64)
        self._outcomes = Outcomes(known=OUTCOMES, default="delivered", rng=rng)
        self._receipts_url = receipts_url
        self._until_receipt = timedelta(seconds=receipt_seconds)
        self._hang_seconds = hang_seconds
        self._lock = RLock()
        self._messages: dict[str, Message] = {}
        self._attempts: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._outbox = Outbox()

    def send(self, body: Mapping[str, object]) -> Reply:
        """Accept a text; the same message id again is answered with the same receipt id."""
        with self._lock:
            self._counts["requests"] += 1
            try:
                message = self._message_of(body)
            except IllegalRequestError as error:
                return refusal(400, "PARAM_ERROR", str(error))
            accepted = self._messages.get(message.message_id)
            if accepted is None:
                return self._accept(message)
            self._counts["duplicates"] += 1
            if (accepted.phone, accepted.text) != (message.phone, message.text):
                self._counts["conflicts"] += 1
                return refusal(409, "MESSAGE_CONFLICT", "短信编号已用于其他短信")
            return Reply(body={"receipt_id": accepted.receipt_id})

    def query(self, message_id: str) -> Reply:
        """Say what became of a message; 404 NOT_EXIST if it was never accepted."""
        with self._lock:
            message = self._messages.get(message_id)
            return NOT_EXIST if message is None else Reply(body=message.result(self._clock()))

    def script(self, phone: str, outcomes: Sequence[str]) -> None:
        """Set what the next new messages to a phone meet; replaces what was left.

        :raises UnknownOutcomeError: if one is not known.
        """
        with self._lock:
            self._outcomes.script(phone, outcomes)

    def mix(self, probabilities: Mapping[str, float]) -> None:
        """Set what messages to phones without a script meet; the rest are delivered.

        :raises UnknownOutcomeError: if one is not known or they sum to more than 1.
        """
        with self._lock:
            self._outcomes.mix(probabilities)

    def set_receipts_url(self, url: str) -> None:
        """Say where receipts go; what waited for an address goes there as well."""
        with self._lock:
            self._receipts_url = url

    def messages(self) -> dict[str, object]:
        """Tell every text that was accepted, in order of acceptance: the oracle.

        `duplicates` came again under their message id; `repeated_texts` were accepted twice,
        the same words to the same phone, under different ids.
        """
        with self._lock:
            now = self._clock()
            told = Counter((message.phone, message.text) for message in self._messages.values())
            return {
                "messages": [
                    {
                        **message.result(now),
                        "phone": message.phone,
                        "template": message.template,
                        "params": message.params,
                        "text": message.text,
                        "accepted_at": rfc3339(message.accepted_at),
                    }
                    for message in self._messages.values()
                ],
                "requests": self._counts["requests"],
                "duplicates": self._counts["duplicates"],
                "conflicts": self._counts["conflicts"],
                "repeated_texts": sum(times - 1 for times in told.values()),
            }

    def next_notification_at(self) -> datetime | None:
        """Say when the next receipt is due; None while there is no address for it."""
        with self._lock:
            return self._outbox.next_at() if self._receipts_url else None

    def take_notification(self) -> Notification | None:
        """Take the receipt that is due first."""
        with self._lock:
            now = self._clock()
            taken = self._outbox.take(now=now) if self._receipts_url else None
            if taken is None:
                return None
            message_id, attempt = taken
            return Notification(
                key=message_id,
                url=self._receipts_url,
                body=self._messages[message_id].result(now),
                attempt=attempt,
            )

    def notified(self, key: str, *, acknowledged: bool) -> None:
        """Say how a receipt was taken; unanswered, it climbs the ladder."""
        with self._lock:
            self._outbox.done(key, acknowledged=acknowledged, now=self._clock())

    def _message_of(self, body: Mapping[str, object]) -> Message:
        """Read a request; unknown fields are let through.

        :raises IllegalRequestError: if a field is missing or of the wrong shape.
        """
        params = body.get("params", {})
        if not isinstance(params, Mapping):
            raise IllegalRequestError("params must be an object")
        phone = text_of(body, "phone")
        if not (len(phone) == 11 and phone.isascii() and phone.isdigit()):
            raise IllegalRequestError("phone must be 11 digits")
        message_id, now = text_of(body, "message_id", length_max=128), self._clock()
        return Message(
            message_id=message_id,
            receipt_id=self._receipt_id(message_id, now),
            phone=phone,
            template=text_of(body, "template"),
            params=params,
            text=text_of(body, "text", length_max=TEXT_LENGTH_MAX),
            accepted_at=now,
            reports_at=now + self._until_receipt,
            fails=False,
        )

    def _accept(self, message: Message) -> Reply:
        """Meet a new message with its outcome."""
        self._attempts[message.message_id] += 1
        attempt = self._attempts[message.message_id]
        outcome = self._outcomes.take(message.phone, about=f"{message.message_id}:{attempt}")
        if outcome == "timeout_before_accept":
            return dropped(after_seconds=self._hang_seconds)
        if outcome in NOT_ACCEPTED:
            return NOT_ACCEPTED[outcome]
        if outcome == "failed":
            message = replace(message, fails=True)
        self._messages[message.message_id] = message
        self._outbox.add(message.message_id, at=message.reports_at)
        if outcome == "timeout_after_accept":
            return dropped(after_seconds=self._hang_seconds)
        return Reply(body={"receipt_id": message.receipt_id}, seconds=delay_seconds(outcome))

    def _receipt_id(self, message_id: str, now: datetime) -> str:
        digest = hashlib.sha256(f"{self._salt}:{message_id}".encode()).hexdigest()
        return f"R{now.astimezone(SHANGHAI):%Y%m%d}{digest[:16]}"
