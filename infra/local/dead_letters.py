"""Messages that failed five times: how many, what failed, and back to their queue."""

from typing import Any

from chalicelib.settings import queue_name

QUEUES = (
    "files",
    "walks",
    "deductions",
    "repayments",
    "asks",
    "payment-notifications",
    "notices",
    "texts",
    "receipts",
    "announce",
    "timetable",
)
REDRIVEN = frozenset(QUEUES) - {"announce", "timetable"}
"""Queues whose messages can go back; a stream's and a scheduler's events are run again by hand."""


def held(sqs: Any, only: str = "") -> dict[str, int]:
    """Count the dead letters of each queue."""
    return {name: _count(sqs, name) for name in QUEUES if only in ("", name)}


def peek(sqs: Any, name: str) -> list[str]:
    """Read up to ten dead letters of a queue and leave them where they are."""
    received = sqs.receive_message(
        QueueUrl=_url(sqs, f"{name}-dlq"), MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [message["Body"] for message in received.get("Messages", [])]


def redrive(sqs: Any, name: str) -> int:
    """Put a queue's dead letters back: put first, then deleted, so a reader may see one twice."""
    source, target = _url(sqs, f"{name}-dlq"), _url(sqs, name)
    moved = 0
    while True:
        batch = sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, WaitTimeSeconds=1).get(
            "Messages", []
        )
        if not batch:
            return moved
        for message in batch:
            sqs.send_message(QueueUrl=target, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1


def _count(sqs: Any, name: str) -> int:
    attribute = "ApproximateNumberOfMessages"
    answer = sqs.get_queue_attributes(QueueUrl=_url(sqs, f"{name}-dlq"), AttributeNames=[attribute])
    return int(answer["Attributes"][attribute])


def _url(sqs: Any, name: str) -> str:
    return str(sqs.get_queue_url(QueueName=queue_name(name))["QueueUrl"])
