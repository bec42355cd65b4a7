"""A queue of SQS: its messages, and what it is set to."""

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from math import inf

from tests.simulation.aws.operations import ACCOUNT, REGION, RefusedError
from tests.simulation.aws.sqs_messages import (
    DELAY_SECONDS,
    Message,
    check_range,
    out_of_range,
    read_handle,
)

URL_PREFIX = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/"
SQS = "AWS.SimpleQueueService."
"""How most codes of SQS begin."""
ARN_PREFIX = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
BYTES_MAX = 1024 * 1024
DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(BYTES_MAX),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
WAIT_SECONDS = range(21)
HIDDEN_SECONDS = range(43_201)
RANGES = {
    "DelaySeconds": DELAY_SECONDS,
    "KmsDataKeyReusePeriodSeconds": range(60, 86_401),
    "MaximumMessageSize": range(1024, BYTES_MAX + 1),
    "MessageRetentionPeriod": range(60, 1_209_601),
    "ReceiveMessageWaitTimeSeconds": WAIT_SECONDS,
    "VisibilityTimeout": HIDDEN_SECONDS,
}
REDRIVE = "RedrivePolicy"
TEXTS = frozenset(("KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled"))
RECEIVES = range(1, 1001)
COUNTED = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
ATTRIBUTE_NAMES = frozenset(
    (*COUNTED, *RANGES, *TEXTS, REDRIVE)
    + ("All", "QueueArn", "CreatedTimestamp", "LastModifiedTimestamp")
)
NUMBER = re.compile(r"[0-9]+", re.ASCII)

Given = Mapping[str, str]
"""Attributes of a queue as they are given, and as AWS tells them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a queue is set to: as AWS tells it, and as it is used."""

    told: Given
    delay_seconds: int
    hidden_seconds: int
    retention_seconds: int
    bytes_max: int
    receives_max: float
    dead_letters: str
    """The name of the queue where messages go that were received too often."""


@dataclass(slots=True)
class Queue:
    """A queue and its messages, oldest first."""

    name: str
    url: str
    arn: str
    settings: Settings
    created_at: float
    modified_at: float
    purged_at: float = -inf
    expires_at: float = inf
    """When the oldest message will have been kept for as long as messages are."""
    messages: dict[str, Message] = field(default_factory=dict)

    def copy(self) -> "Queue":
        return Queue(
            self.name,
            self.url,
            self.arn,
            self.settings,
            self.created_at,
            self.modified_at,
            self.purged_at,
            self.expires_at,
            self.messages.copy(),
        )

    def add(self, message: Message) -> None:
        self.messages[message.message_id] = message
        expires_at = message.sent_at + self.settings.retention_seconds
        self.expires_at = min(self.expires_at, expires_at)

    def expire(self, now: float) -> None:
        """Drop what has been kept for long enough, counted from when it was first sent."""
        kept_seconds = self.settings.retention_seconds
        self.messages = {
            message_id: message
            for message_id, message in self.messages.items()
            if message.sent_at + kept_seconds > now
        }
        sent = (message.sent_at for message in self.messages.values())
        self.expires_at = min(sent, default=inf) + kept_seconds

    def empty(self) -> None:
        self.messages = {}
        self.expires_at = inf

    def delete(self, handle: str) -> None:
        """Delete a message by its last handle; with an older one nothing happens."""
        message_id, receives = read_handle(self.name, handle)
        message = self.messages.get(message_id)
        if message is not None and message.receives == receives:
            del self.messages[message_id]

    def hide(self, handle: str, now: float, seconds: int) -> None:
        """Hide a message that is in work for so many seconds from now."""
        message_id, receives = read_handle(self.name, handle)
        check_range("VisibilityTimeout", seconds, HIDDEN_SECONDS)
        message = self.messages.get(message_id)
        if message is None or message.receives != receives:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise RefusedError(*out_of_range("ReceiptHandle", handle, reason))
        if message.visible_at <= now:
            raise RefusedError(f"{SQS}MessageNotInflight", "The message is not in flight.")
        if now + seconds > message.received_at + HIDDEN_SECONDS[-1]:
            reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            raise RefusedError(*out_of_range("VisibilityTimeout", seconds, reason))
        self.messages[message_id] = message._replace(visible_at=now + seconds)

    def all_told(self, now: float) -> dict[str, str]:
        """Give every attribute: what it is set to, and what it holds."""
        counts = dict.fromkeys(COUNTED, 0)
        visible, in_work, delayed = COUNTED
        for message in self.messages.values():
            is_visible = message.visible_at <= now
            counts[visible if is_visible else in_work if message.receives else delayed] += 1
        return {
            **self.settings.told,
            "QueueArn": self.arn,
            "CreatedTimestamp": str(int(self.created_at)),
            "LastModifiedTimestamp": str(int(self.modified_at)),
            **{name: str(count) for name, count in counts.items()},
        }


def a_queue(name: str, settings: Settings, *, now: float) -> Queue:
    return Queue(name, URL_PREFIX + name, ARN_PREFIX + name, settings, now, now)


def settings_of(given: Given, *, before: Given = DEFAULTS) -> Settings:
    """Add what is given to what was set before; an empty text unsets."""
    told = {name: value for name, value in {**before, **given}.items() if value}
    redrive = json.loads(told.get(REDRIVE, "{}"))
    return Settings(
        told=told,
        delay_seconds=int(told["DelaySeconds"]),
        hidden_seconds=int(told["VisibilityTimeout"]),
        retention_seconds=int(told["MessageRetentionPeriod"]),
        bytes_max=int(told["MaximumMessageSize"]),
        receives_max=redrive.get("maxReceiveCount", inf),
        dead_letters=redrive.get("deadLetterTargetArn", "").removeprefix(ARN_PREFIX),
    )


def checked(given: Given, *, known: Container[str]) -> Given:
    """Read attributes as SQS writes them.

    :raises RefusedError: if one is unknown, or SQS would not take its value.
    """
    return {name: _checked(name, value, known) for name, value in given.items()}


def _checked(name: str, value: str, known: Container[str]) -> str:
    if name == REDRIVE:
        return value and _redrive_policy(value, known)
    if name in TEXTS:
        return value
    if name not in RANGES:
        raise RefusedError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if not NUMBER.fullmatch(value) or int(value) not in RANGES[name]:
        raise RefusedError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    return value


def _redrive_policy(text: str, known: Container[str]) -> str:
    try:
        policy = json.loads(text)
        target = policy["deadLetterTargetArn"]
        receives_max = int(policy["maxReceiveCount"])
    except (KeyError, TypeError, ValueError):
        reason = "Redrive policy does not contain mandatory attributes."
        raise RefusedError(*out_of_range(REDRIVE, text, reason)) from None
    if receives_max not in RECEIVES:
        reason = "Invalid value for maxReceiveCount. Valid values are from 1 to 1000."
        raise RefusedError(*out_of_range(REDRIVE, text, reason))
    if target.removeprefix(ARN_PREFIX) not in known:
        reason = "Dead letter target does not exist."
        raise RefusedError(*out_of_range(REDRIVE, text, reason))
    policy = {"deadLetterTargetArn": target, "maxReceiveCount": receives_max}
    return json.dumps(policy, separators=(",", ":"))
