"""Calls the Lambdas as AWS does."""

import logging
from contextlib import contextmanager

from chalice.test import Client

from app import app
from chalicelib import wiring, wiring_assistance, wiring_operations
from chalicelib.adapters import telemetry
from chalicelib.settings import settings

WIRED = (wiring, wiring_operations, wiring_assistance)


def forget() -> None:
    """Forget the settings and whatever was wired with them."""
    settings.cache_clear()
    for found in (value for each in WIRED for value in vars(each).values()):
        if hasattr(found, "cache_clear"):
            found.cache_clear()


def sqs_event(*bodies):
    """Make an SQS event whose records have message ids of their own."""
    return {
        "Records": [
            {"messageId": f"m{number}", "receiptHandle": "-", "body": body}
            for number, body in enumerate(bodies)
        ]
    }


def failures(payload):
    return [failure["itemIdentifier"] for failure in payload["batchItemFailures"]]


@contextmanager
def client():
    with Client(app) as made:
        yield made


def log_to(stream, monkeypatch) -> None:
    """Write the logs of a test to a stream, from INFO; by itself a test logs nothing."""
    monkeypatch.setattr(telemetry.log.registered_handler, "stream", stream)
    # The logger remembers which levels are on: its own word for it leaves nothing behind.
    monkeypatch.setattr(telemetry.log._logger, "isEnabledFor", lambda level: level >= logging.INFO)


def count_to(counted, monkeypatch) -> None:
    """Count the metrics of a test in a Counter."""

    def add(*, name, value, unit):
        assert unit == "Count"
        counted[name] += value

    monkeypatch.setattr(telemetry.metrics, "add_metric", add)
