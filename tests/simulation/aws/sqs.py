"""SQS in memory: standard queues, exact and in order, with the clock of the simulation.

Where AWS only says "might" this one decides: messages come oldest first, each once, counts are
exact, and a message received too often is among the dead letters when it would be received again.
Besides `call` there is what an event source needs: to choose which messages a Lambda is given.
"""

import re
from collections.abc import Callable, Iterable
from hashlib import md5
from math import inf
from typing import Any

from tests.simulation.aws.batches import ENTRIES_MAX, Entry, check_entries, check_size, each
from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters
from tests.simulation.aws.operations import RefusedError, Simulated, digest_of, numbered
from tests.simulation.aws.sqs_messages import (
    Attributes,
    Message,
    attributes_digest,
    check_range,
    fault_of,
    record_of,
    shown,
    size_of,
)
from tests.simulation.aws.sqs_queues import (
    ARN_PREFIX,
    ATTRIBUTE_NAMES,
    BYTES_MAX,
    HIDDEN_SECONDS,
    SQS,
    URL_PREFIX,
    WAIT_SECONDS,
    Queue,
    a_queue,
    checked,
    settings_of,
)

LISTED_MAX = 1000
PURGE_SECONDS = 60
QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
SENT = frozenset(
    ("Id", "MessageBody", "DelaySeconds", "MessageAttributes", "MessageSystemAttributes")
)
DELETED = frozenset(("Id", "ReceiptHandle"))
RECEIVED = range(1, ENTRIES_MAX + 1)
NO_ATTRIBUTES: Attributes = {}
HIDDEN = DELETED | {"VisibilityTimeout"}

Snapshot = tuple[int, dict[str, Queue]]


class MessageHiddenError(LookupError):
    """A message that an event source wants is not there, or not visible."""


class Sqs(Simulated):
    """All queues of an account."""

    service = "sqs"
    understands = {
        "ChangeMessageVisibility": "QueueUrl ReceiptHandle VisibilityTimeout",
        "ChangeMessageVisibilityBatch": "QueueUrl Entries",
        "CreateQueue": "QueueName Attributes",
        "DeleteMessage": "QueueUrl ReceiptHandle",
        "DeleteMessageBatch": "QueueUrl Entries",
        "DeleteQueue": "QueueUrl",
        "GetQueueAttributes": "QueueUrl AttributeNames",
        "GetQueueUrl": "QueueName",
        "ListDeadLetterSourceQueues": "QueueUrl",
        "ListQueues": "QueueNamePrefix MaxResults NextToken",
        "PurgeQueue": "QueueUrl",
        "ReceiveMessage": "QueueUrl MaxNumberOfMessages VisibilityTimeout WaitTimeSeconds"
        " AttributeNames MessageSystemAttributeNames MessageAttributeNames",
        "SendMessage": "QueueUrl MessageBody DelaySeconds MessageAttributes"
        " MessageSystemAttributes",
        "SendMessageBatch": "QueueUrl Entries",
        "SetQueueAttributes": "QueueUrl Attributes",
    }

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._queues: dict[str, Queue] = {}
        self._number = 0

    # --- what an event source needs -----------------------------------------------------

    def waiting(self, queue_name: str) -> list[str]:
        """List the messages that are visible now, oldest first."""
        queue, now = self._now(self._queues[queue_name])
        return [name for name, message in queue.messages.items() if message.visible_at <= now]

    def receive(self, queue_name: str, message_ids: Iterable[str]) -> list[dict[str, Any]]:
        """Receive just these messages, as records of a Lambda's event.

        One that has been received too often goes to the dead letters instead.

        :raises MessageHiddenError: if one is not visible now.
        """
        queue, now = self._now(self._queues[queue_name])
        visible_at = now + queue.settings.hidden_seconds
        records = []
        for message_id in message_ids:
            message = queue.messages.get(message_id)
            if message is None or message.visible_at > now:
                raise MessageHiddenError(f"{queue_name} {message_id}")
            if received := self._receive(queue, message, now, visible_at):
                records.append(record_of(queue_name, queue.arn, received))
        return records

    def finish(self, queue_name: str, receipt_handle: str) -> None:
        """Delete a message that was received."""
        self._queues[queue_name].delete(receipt_handle)

    def release(self, queue_name: str, receipt_handle: str) -> None:
        """Make a message that was received visible again at once."""
        queue, now = self._now(self._queues[queue_name])
        queue.hide(receipt_handle, now, 0)

    def next_at(self) -> float | None:
        """Say when the next message of any queue becomes visible."""
        now = self._clock()
        soonest = inf
        for queue in self._queues.values():
            for message in queue.messages.values():
                if now < message.visible_at < soonest:
                    soonest = message.visible_at
        return None if soonest == inf else soonest

    def depth(self, queue_name: str) -> int:
        """Count the messages of a queue: visible, in work and delayed."""
        return len(self._now(self._queues[queue_name])[0].messages)

    def deliver(self, queue_arn: str, body: str, attributes: Attributes | None = None) -> bool:
        """Put what another service of AWS sends; say whether there is such a queue."""
        queue = self._queues.get(queue_arn.removeprefix(ARN_PREFIX))
        if queue is not None:
            self._put(queue, {"MessageBody": body, "MessageAttributes": attributes})
        return queue is not None

    # --- what a simulation needs --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return self._number, {name: queue.copy() for name, queue in self._queues.items()}

    def restore(self, snapshot: Snapshot) -> None:
        self._number, queues = snapshot
        self._queues = {name: queue.copy() for name, queue in queues.items()}

    def clear(self) -> None:
        """Empty all queues; they stay, and messages are numbered from the first again."""
        self._number = 0
        for queue in self._queues.values():
            queue.empty()

    def digest(self) -> str:
        return digest_of(
            [
                (name, sorted(queue.settings.told.items()), list(queue.messages.values()))
                for name, queue in sorted(self._queues.items())
            ]
        )

    # --- queues -------------------------------------------------------------------------

    def _create_queue(self, given: Parameters) -> Answer:
        name, attributes = given["QueueName"], given.get("Attributes", {})
        if name.endswith(".fifo") or "FifoQueue" in attributes:
            raise NotSimulatedError(f"sqs: {name} is first in, first out")
        if not QUEUE_NAME.fullmatch(name):
            reason = "Can only include alphanumeric characters, hyphens, or underscores."
            raise RefusedError("InvalidParameterValue", f"{reason} 1 to 80 in length")
        wanted = checked(attributes, known=self._queues)
        if name not in self._queues:
            self._queues[name] = a_queue(name, settings_of(wanted), now=self._clock())
        told = self._queues[name].settings.told
        for attribute, value in wanted.items():
            if told.get(attribute, "") != value:
                message = (
                    "A queue already exists with the same name"
                    f" and a different value for attribute {attribute}"
                )
                raise RefusedError("QueueAlreadyExists", message)
        return {"QueueUrl": self._queues[name].url}

    def _delete_queue(self, given: Parameters) -> Answer:
        del self._queues[self._queue(given)[0].name]
        return {}

    def _get_queue_url(self, given: Parameters) -> Answer:
        return {"QueueUrl": self._queue({"QueueUrl": URL_PREFIX + given["QueueName"]})[0].url}

    def _list_queues(self, given: Parameters) -> Answer:
        prefix, after = given.get("QueueNamePrefix", ""), given.get("NextToken", "")
        names = sorted(name for name in self._queues if name.startswith(prefix) and name > after)
        if not names:
            return {}
        page = names[: given.get("MaxResults", LISTED_MAX)]
        answer: Answer = {"QueueUrls": [URL_PREFIX + name for name in page]}
        if len(page) < len(names) and "MaxResults" in given:
            answer["NextToken"] = page[-1]
        return answer

    def _list_dead_letter_source_queues(self, given: Parameters) -> Answer:
        name = self._queue(given)[0].name
        queues = self._queues.values()
        return {"queueUrls": [q.url for q in queues if q.settings.dead_letters == name]}

    def _get_queue_attributes(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        wanted = given.get("AttributeNames", ())
        for name in wanted:
            if name not in ATTRIBUTE_NAMES:
                raise RefusedError("InvalidAttributeName", f"Unknown Attribute {name}.")
        all_told = queue.all_told(now)
        if "All" not in wanted:
            all_told = {name: all_told[name] for name in wanted if name in all_told}
        return {"Attributes": all_told} if all_told else {}

    def _set_queue_attributes(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        wanted = checked(given["Attributes"], known=self._queues)
        queue.settings = settings_of(wanted, before=queue.settings.told)
        queue.modified_at = now
        queue.expire(now)
        return {}

    def _purge_queue(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        if now - queue.purged_at < PURGE_SECONDS:
            message = f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds."
            raise RefusedError(f"{SQS}PurgeQueueInProgress", message)
        queue.purged_at = now
        queue.empty()
        return {}

    # --- messages -----------------------------------------------------------------------

    def _send_message(self, given: Parameters) -> Answer:
        queue, _ = self._queue(given)
        return self._send(queue, given, _size_of(given))

    def _send_message_batch(self, given: Parameters) -> Answer:
        queue, _ = self._queue(given)
        entries = given["Entries"]
        check_entries(entries, SENT, prefix=SQS)
        sizes = {entry["Id"]: _size_of(entry) for entry in entries}
        check_size(sum(sizes.values()), bytes_max=BYTES_MAX, prefix=SQS)
        return each(entries, lambda entry: self._send(queue, entry, sizes[entry["Id"]]))

    def _send(self, queue: Queue, given: Entry, size: int) -> Answer:
        if fault := fault_of(given, size=size, bytes_max=queue.settings.bytes_max):
            raise RefusedError(*fault)
        message = self._put(queue, given)
        answer = {"MessageId": message.message_id, "MD5OfMessageBody": message.body_md5}
        if message.attributes:
            answer["MD5OfMessageAttributes"] = attributes_digest(message.attributes)
        return answer

    def _put(self, queue: Queue, given: Entry) -> Message:
        now = self._clock()
        self._number += 1
        body = given["MessageBody"]
        attributes = given.get("MessageAttributes")
        delay = given.get("DelaySeconds")
        message = Message(
            numbered(self._number),
            body,
            md5(body.encode(), usedforsecurity=False).hexdigest(),
            {name: dict(attributes[name]) for name in attributes} if attributes else NO_ATTRIBUTES,
            _trace_header(given) if "MessageSystemAttributes" in given else "",
            now,
            now + (queue.settings.delay_seconds if delay is None else delay),
        )
        queue.add(message)
        return message

    def _receive_message(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        most = given.get("MaxNumberOfMessages", 1)
        hidden_seconds = given.get("VisibilityTimeout", queue.settings.hidden_seconds)
        check_range("MaxNumberOfMessages", most, RECEIVED)
        check_range("VisibilityTimeout", hidden_seconds, HIDDEN_SECONDS)
        check_range("WaitTimeSeconds", given.get("WaitTimeSeconds", 0), WAIT_SECONDS)
        found: list[dict[str, Any]] = []
        for message in list(queue.messages.values()):
            if message.visible_at <= now and (
                received := self._receive(queue, message, now, now + hidden_seconds)
            ):
                found.append(shown(queue.name, received, given))
                if len(found) == most:
                    break
        return {"Messages": found} if found else {}

    def _receive(
        self, queue: Queue, message: Message, now: float, visible_at: float
    ) -> Message | None:
        """Receive a message, or move it to the dead letters."""
        if message.receives >= queue.settings.receives_max and (
            target := self._queues.get(queue.settings.dead_letters)
        ):
            del queue.messages[message.message_id]
            target.add(message._replace(visible_at=now, came_from=queue.arn))
            return None
        received = message.received(now, visible_at)
        queue.messages[message.message_id] = received
        return received

    def _delete_message(self, given: Parameters) -> Answer:
        self._queue(given)[0].delete(given["ReceiptHandle"])
        return {}

    def _delete_message_batch(self, given: Parameters) -> Answer:
        queue, _ = self._queue(given)
        check_entries(given["Entries"], DELETED, prefix=SQS)
        return each(given["Entries"], lambda entry: queue.delete(entry["ReceiptHandle"]))

    def _change_message_visibility(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        queue.hide(given["ReceiptHandle"], now, given["VisibilityTimeout"])
        return {}

    def _change_message_visibility_batch(self, given: Parameters) -> Answer:
        queue, now = self._queue(given)
        check_entries(given["Entries"], HIDDEN, prefix=SQS)
        return each(
            given["Entries"],
            lambda entry: queue.hide(entry["ReceiptHandle"], now, entry["VisibilityTimeout"]),
        )

    # --- shared -------------------------------------------------------------------------

    def _queue(self, given: Parameters) -> tuple[Queue, float]:
        """Find the queue of a call, and say when it is."""
        url = given["QueueUrl"]
        queue = self._queues.get(url.rpartition("/")[2])
        if queue is None or queue.url != url:
            message = "The specified queue does not exist."
            raise RefusedError(f"{SQS}NonExistentQueue", message)
        return self._now(queue)

    def _now(self, queue: Queue) -> tuple[Queue, float]:
        """Say when it is, and see that a queue holds nothing that is too old by then."""
        now = self._clock()
        if now >= queue.expires_at:
            queue.expire(now)
        return queue, now


def _size_of(given: Entry) -> int:
    """Count the bytes of a message, of which there must be some."""
    body = given["MessageBody"]
    if not body:
        message = "The request must contain the parameter MessageBody."
        raise RefusedError("MissingParameter", message)
    return size_of(body, given.get("MessageAttributes"))


def _trace_header(given: Entry) -> str:
    header = given["MessageSystemAttributes"].get("AWSTraceHeader", {})
    return str(header.get("StringValue", ""))
