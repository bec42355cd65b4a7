"""Files that arrive in the exchange bucket."""

import json
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import Blueprint, SQSEvent

from chalicelib import wiring_assistance
from chalicelib.adapters.telemetry import count, log
from chalicelib.entrypoints.boundary import boundary, now
from chalicelib.flows import landing
from chalicelib.settings import queue_name

bp = Blueprint(__name__)

COUNTED = {
    landing.Outcome.QUARANTINED: "FilesQuarantined",
    landing.Outcome.REFUSED: "FilesRefused",
}
"""What somebody must look at."""


@bp.on_sqs_message(queue=queue_name("files"), batch_size=1)
@boundary
def file_landed(event: SQSEvent) -> dict[str, Any]:
    """Take in a file once both it and its manifest are there."""
    for record in event:
        for key in _keys(json.loads(record.body)):
            taken = landing.take(key=key, now=now(), desk=wiring_assistance.files())
            log.info("file", key=taken.key, outcome=taken.outcome, reason=taken.reason)
            if taken.outcome in COUNTED:
                count(COUNTED[taken.outcome])
    return {"batchItemFailures": []}


def _keys(notification: dict[str, Any]) -> list[str]:
    """Read every object's key, decoded once; a test event has none, the sweep's message has one."""
    if "key" in notification:
        return [notification["key"]]
    return [
        unquote_plus(record["s3"]["object"]["key"])
        for record in notification.get("Records", ())
        if record.get("eventName", "").startswith("ObjectCreated")
    ]
