"""The journal's stream: nothing is announced that is not written, nothing written is forgotten."""

from typing import Any

from chalice.app import Blueprint, DynamoDBEvent

from chalicelib import wiring
from chalicelib.adapters.dynamodb.stream import event_of
from chalicelib.entrypoints.boundary import boundary
from chalicelib.settings import settings

bp = Blueprint(__name__)


@bp.on_dynamodb_record(
    # infra/app.yaml puts the stream's real ARN here, which only the data stack knows.
    stream_arn=f"arn:aws:dynamodb:us-east-1:000000000000:table/afterloan-{settings().stage}-journal/stream/-",
    batch_size=100,
)
@boundary
def announce(event: DynamoDBEvent) -> dict[str, Any]:
    """Tell whoever listens what became of deductions; a failed batch is told again, whole."""
    images = [
        record["dynamodb"]["NewImage"]
        for record in event.to_dict()["Records"]
        if record["eventName"] == "INSERT"
    ]
    events = [found for image in images if (found := event_of(image))]
    wiring.event_bus().publish(events)
    return {"batchItemFailures": []}
