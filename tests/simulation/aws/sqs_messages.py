"""A message of SQS: what it is, what SQS lets in, and how it is shown to whoever receives it."""

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple

from tests.simulation.aws.operations import REGION, RefusedError

SENDER = "AIDAAFTERLOAN00000000"
ATTRIBUTES_MAX = 10
NAME_LENGTH_MAX = 256
KINDS_KEPT = 256
DELAY_SECONDS = range(901)
FORBIDDEN = re.compile("[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DATA_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
ATTRIBUTE_NAME = re.compile(
    r"(?!aws\.|amazon\.)[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII | re.IGNORECASE
)

Attributes = Mapping[str, Mapping[str, Any]]
"""Attributes of a message, by name, as they are sent."""

Fault = tuple[str, str]
"""AWS's code and its message."""


class Message(NamedTuple):
    """A message as it lies in a queue; it is never changed but replaced."""

    message_id: str
    body: str
    body_md5: str
    attributes: Attributes
    trace_header: str
    sent_at: float
    visible_at: float
    receives: int = 0
    received_at: float = 0.0
    first_received_at: float = 0.0
    came_from: str = ""
    """The ARN of the queue whose dead letter it is."""

    def received(self, now: float, visible_at: float) -> "Message":
        """Give it as it is once it has been received once more."""
        first = self.first_received_at if self.receives else now
        return Message(*self[:6], visible_at, self.receives + 1, now, first, self.came_from)


def fault_of(given: Mapping[str, Any], *, size: int, bytes_max: int) -> Fault | None:
    """Find what is wrong with a message that is to be sent."""
    body = given["MessageBody"]
    if not (body.isascii() and body.isprintable()) and FORBIDDEN.search(body):
        return "InvalidMessageContents", "Invalid characters found."
    attributes = given.get("MessageAttributes")
    if attributes:
        if len(attributes) > ATTRIBUTES_MAX:
            most = f"exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
            return (
                "InvalidParameterValue",
                f"Number of message attributes [{len(attributes)}] {most}",
            )
        if wrong := wrong_attribute(attributes):
            return "InvalidParameterValue", wrong
    if size > bytes_max:
        reason = f"Message must be shorter than {bytes_max} bytes."
        return "InvalidParameterValue", f"One or more parameters are invalid. Reason: {reason}"
    delay = given.get("DelaySeconds")
    if delay is not None and delay not in DELAY_SECONDS:
        return out_of_range("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900.")
    return None


def out_of_range(name: str, value: object, reason: str) -> Fault:
    return (
        "InvalidParameterValue",
        f"Value {value} for parameter {name} is invalid. Reason: {reason}",
    )


def check_range(name: str, value: int, allowed: range) -> None:
    if value not in allowed:
        reason = f"Must be between {allowed[0]} and {allowed[-1]}, if provided."
        raise RefusedError(*out_of_range(name, value, reason))


def wrong_attribute(attributes: Attributes) -> str:
    """Say what is wrong with the first attribute that SQS and SNS would not take."""
    for name, attribute in attributes.items():
        wrong = _wrong_kind(name, attribute["DataType"])
        if not wrong and not _value_of(attribute):
            wrong = f"Message (user) attribute '{name}' must contain a non-empty value."
        if wrong:
            return wrong
    return ""


@lru_cache(maxsize=KINDS_KEPT)
def _wrong_kind(name: str, data_type: str) -> str:
    if len(name) > NAME_LENGTH_MAX or not ATTRIBUTE_NAME.fullmatch(name):
        return f"The message attribute name '{name}' is invalid."
    if not DATA_TYPE.fullmatch(data_type):
        return f"The type of message (user) attribute '{name}' is invalid."
    return ""


def _value_of(attribute: Mapping[str, Any]) -> bytes:
    if attribute["DataType"].startswith("Binary"):
        return bytes(attribute.get("BinaryValue", b""))
    text: str = attribute.get("StringValue", "")
    return text.encode()


def size_of(body: str, attributes: Attributes | None) -> int:
    """Count the bytes of a message as the limits do: names, types and values of attributes too."""
    size = len(body) if body.isascii() else len(body.encode())
    if attributes:
        for name, attribute in attributes.items():
            kind = attribute["DataType"]
            size += len(name.encode()) + len(kind.encode()) + len(_value_of(attribute))
    return size


def attributes_digest(attributes: Attributes) -> str:
    """Digest attributes as SQS and its clients do, so that each can check the other."""
    digest = md5(usedforsecurity=False)
    for name, attribute in sorted(attributes.items()):
        for text in (name.encode(), attribute["DataType"].encode()):
            digest.update(len(text).to_bytes(4, "big") + text)
        kind = b"\x02" if attribute["DataType"].startswith("Binary") else b"\x01"
        value = _value_of(attribute)
        digest.update(kind + len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()


# --- handles: the queue, the message, and which time it was received -------------------------


def handle_of(queue_name: str, message: Message) -> str:
    return f"{queue_name}/{message.message_id}/{message.receives}"


def read_handle(queue_name: str, handle: str) -> tuple[str, int]:
    """Read a message's id, and at which receipt the handle was given.

    :raises RefusedError: if no message of this queue ever had it.
    """
    queue, _, rest = handle.partition("/")
    message_id, _, receives = rest.partition("/")
    if queue != queue_name or not receives.isdecimal():
        message = f'The input receipt handle "{handle}" is not a valid receipt handle.'
        raise RefusedError("ReceiptHandleIsInvalid", message)
    return message_id, int(receives)


# --- how it is shown ---------------------------------------------------------------------------


def shown(queue_name: str, message: Message, given: Mapping[str, Any]) -> dict[str, Any]:
    """Show a message to whoever asked for it, with what he asked for."""
    answer: dict[str, Any] = {
        "MessageId": message.message_id,
        "ReceiptHandle": handle_of(queue_name, message),
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    names = {*given.get("AttributeNames", ()), *given.get("MessageSystemAttributeNames", ())}
    if names:
        system = _system_attributes(message)
        wanted = {name: system[name] for name in system if name in names or "All" in names}
        if wanted:
            answer["Attributes"] = wanted
    if message.attributes and (names := given.get("MessageAttributeNames", ())):
        asked = {
            name: dict(message.attributes[name])
            for name in message.attributes
            if _is_asked(name, names)
        }
        if asked:
            answer["MessageAttributes"] = asked
            answer["MD5OfMessageAttributes"] = attributes_digest(asked)
    return answer


def _is_asked(name: str, names: Collection[str]) -> bool:
    return any(
        asked in ("All", ".*", name) or (asked.endswith(".*") and name.startswith(asked[:-2]))
        for asked in names
    )


def record_of(queue_name: str, queue_arn: str, message: Message) -> dict[str, Any]:
    """Show a message as a record of a Lambda's event."""
    record = {
        "messageId": message.message_id,
        "receiptHandle": handle_of(queue_name, message),
        "body": message.body,
        "attributes": _system_attributes(message),
        "messageAttributes": {
            name: _lambda_attribute(attribute) for name, attribute in message.attributes.items()
        },
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
    if message.attributes:
        record["md5OfMessageAttributes"] = attributes_digest(message.attributes)
    return record


def _lambda_attribute(attribute: Mapping[str, Any]) -> dict[str, Any]:
    value = (
        {"binaryValue": b64encode(attribute["BinaryValue"]).decode()}
        if "BinaryValue" in attribute
        else {"stringValue": attribute["StringValue"]}
    )
    lists: dict[str, Any] = {"stringListValues": [], "binaryListValues": []}
    return {**value, **lists, "dataType": attribute["DataType"]}


def _system_attributes(message: Message) -> dict[str, str]:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "SenderId": SENDER,
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
    }
    if message.trace_header:
        attributes["AWSTraceHeader"] = message.trace_header
    if message.came_from:
        attributes["DeadLetterQueueSourceArn"] = message.came_from
    return attributes
