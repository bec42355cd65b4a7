"""Servicing events on SNS; listeners filter by event and mode."""

from collections.abc import Sequence
from typing import Any

from chalicelib.adapters.queues import ENTRIES_MAX, encoded
from chalicelib.flows.ports import ServicingEvent


class NotPublishedError(Exception):
    """Some events were refused; the batch is to be announced again."""


class SnsEventBus:
    def __init__(self, *, client: Any, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, events: Sequence[ServicingEvent]) -> None:
        for start in range(0, len(events), ENTRIES_MAX):
            entries = [
                {
                    "Id": str(number),
                    "Message": encoded(event),
                    "MessageAttributes": {
                        "event": {"DataType": "String", "StringValue": event.event},
                        "mode": {"DataType": "String", "StringValue": event.mode},
                    },
                }
                for number, event in enumerate(events[start : start + ENTRIES_MAX])
            ]
            answer = self._client.publish_batch(
                TopicArn=self._topic_arn, PublishBatchRequestEntries=entries
            )
            if answer.get("Failed"):
                raise NotPublishedError(f"{len(answer['Failed'])} events refused")
