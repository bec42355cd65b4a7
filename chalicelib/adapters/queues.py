"""Messages in SQS: typed, in JSON, additive (an unknown key is ignored)."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

ENTRIES_MAX = 10
TRIES_MAX = 4
AT_WORK = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
HELD = (*AT_WORK, "ApproximateNumberOfMessagesDelayed")
"""What SQS counts of a queue: waiting, in work, delayed."""

Message = TypeVar("Message")


class NotQueuedError(Exception):
    """Some messages could not be put, again and again."""


_adapters: dict[object, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encoded(message: object) -> str:
    """Write a message as JSON."""
    # In ASCII: SQS refuses some characters that JSON lets through as they are.
    return _adapter(type(message)).dump_json(message, ensure_ascii=True).decode()


def decoded(kind: type[Message], body: str) -> Message:
    """Read a message strictly.

    :raises pydantic.ValidationError: if it is not of its kind; the message is poison.
    """
    message: Message = _adapter(kind).validate_json(body, strict=True)
    return message


class SqsQueue(Generic[Message]):
    """One queue.  `delay_seconds_max` shortens every delay where time is a test's.

    The queue is looked up when it is first used: who never puts needs no leave to.
    """

    def __init__(self, *, client: Any, name: str, delay_seconds_max: int = 900) -> None:
        self._client = client
        self._name = name
        self._delay_seconds_max = delay_seconds_max

    @cached_property
    def _url(self) -> str:
        return str(self._client.get_queue_url(QueueName=self._name)["QueueUrl"])

    def put(self, messages: Iterable[Message], *, delay_seconds: int = 0) -> None:
        """Put messages; each arrives at least once.

        :raises NotQueuedError: if SQS keeps refusing some of them.
        """
        delay = min(delay_seconds, self._delay_seconds_max)
        for batch in _batches(messages):
            entries = [
                {"Id": str(number), "MessageBody": encoded(message), "DelaySeconds": delay}
                for number, message in enumerate(batch)
            ]
            for _ in range(TRIES_MAX):
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
                refused = {failure["Id"] for failure in answer.get("Failed", ())}
                entries = [entry for entry in entries if entry["Id"] in refused]
                if not entries:
                    break
            else:
                raise NotQueuedError(f"{len(entries)} messages refused by {self._name}")

    def is_busy(self) -> bool:
        return self._holds(HELD)

    def is_at_work(self) -> bool:
        return self._holds(AT_WORK)

    def _holds(self, counts: Sequence[str]) -> bool:
        answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(counts))
        return any(int(answer["Attributes"][name]) for name in counts)


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    rest = iter(messages)
    while batch := list(islice(rest, ENTRIES_MAX)):
        yield batch
