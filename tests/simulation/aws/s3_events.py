"""What S3 tells a queue of new objects and of removed ones."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from tests.simulation.aws.calls import NotSimulatedError
from tests.simulation.aws.operations import ACCOUNT, REGION, RefusedError

EVENTS = ("s3:ObjectCreated:", "s3:ObjectRemoved:")


class Notification(NamedTuple):
    """Which objects a queue is told of."""

    configuration_id: str
    queue_arn: str
    events: Sequence[str]
    prefix: str
    suffix: str

    def is_about(self, event: str, key: str) -> bool:
        return (
            key.startswith(self.prefix)
            and key.endswith(self.suffix)
            and any(
                wanted == event or (wanted.endswith("*") and event.startswith(wanted[:-1]))
                for wanted in self.events
            )
        )


def notification_of(asked: Mapping[str, Any]) -> Notification:
    """Read a queue's configuration, whose id is given by now.

    :raises RefusedError: if S3 would not take it.
    """
    for event in asked["Events"]:
        if not event.startswith(EVENTS):
            raise NotSimulatedError(f"s3: {event}")
    filters = {"prefix": "", "suffix": ""}
    for rule in asked.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
        if rule["Name"].lower() not in filters:
            message = "filter rule name must be either prefix or suffix"
            raise RefusedError("InvalidArgument", message)
        filters[rule["Name"].lower()] = rule["Value"]
    return Notification(asked["Id"], asked["QueueArn"], tuple(asked["Events"]), **filters)


def event_of(
    notification: Notification, event: str, bucket: str, told: Mapping[str, Any], *, now: float
) -> str:
    """Write the message a queue is sent; `told` is of the object, its key as it is."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": written(now),
        "eventName": event.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": told["sequencer"],
            "x-amz-id-2": told["sequencer"],
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notification.configuration_id,
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": ACCOUNT},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {**told, "key": quote_plus(told["key"], safe="/")},
        },
    }
    return json.dumps({"Records": [record]}, separators=(",", ":"))


def trial_of(bucket: str, *, now: float) -> str:
    """Write what S3 sends to see that it may."""
    event = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": written(now),
        "Bucket": bucket,
        "RequestId": "0",
        "HostId": "0",
    }
    return json.dumps(event, separators=(",", ":"))


def written(seconds: float) -> str:
    """Write a moment as events do.

    >>> written(1.5)
    '1970-01-01T00:00:01.500Z'
    """
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
