"""Write units, as DynamoDB itself counts them, gathered per thread: one order is one thread's work."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pynamodb.models import Model

_gathered = threading.local()


class WriteUnits:
    """A running sum."""

    def __init__(self) -> None:
        self.units = 0.0


@contextmanager
def metered() -> Iterator[WriteUnits]:
    """Gather the write units of what this thread does inside."""
    units = WriteUnits()
    _gathered.units = units
    try:
        yield units
    finally:
        _gathered.units = None


def attach(*tables: type[Model]) -> None:
    """Listen to what writes to the tables cost; once per process."""
    for table in tables:
        client = table._get_connection().connection.client  # noqa: SLF001  PynamoDB has no door
        for operation in ("PutItem", "UpdateItem"):
            client.meta.events.register(f"after-call.dynamodb.{operation}", _gather)


def _gather(parsed: Mapping[str, Any], **_: object) -> None:
    units = getattr(_gathered, "units", None)
    if units is not None:
        units.units += parsed.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
