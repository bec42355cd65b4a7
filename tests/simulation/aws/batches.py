"""Batches of SQS and SNS: up to ten entries, each with an id of its own, each with its own end."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.simulation.aws.calls import Answer
from tests.simulation.aws.operations import RefusedError, check_understood

ENTRIES_MAX = 10
ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)

Entry = Mapping[str, Any]


def check_entries(entries: Sequence[Entry], understood: frozenset[str], *, prefix: str) -> None:
    """See that a batch is one.

    :raises RefusedError: if it is not; its code begins with `prefix`.
    """
    if not entries:
        raise RefusedError(f"{prefix}EmptyBatchRequest", "There should be at least one entry.")
    if len(entries) > ENTRIES_MAX:
        message = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise RefusedError(f"{prefix}TooManyEntriesInBatchRequest", message)
    seen = set()
    for entry in entries:
        if not entry.keys() <= understood:
            check_understood(entry, understood, "an entry of a batch")
        entry_id = entry["Id"]
        if not ENTRY_ID.fullmatch(entry_id):
            message = (
                "A batch entry id can only contain alphanumeric characters, hyphens and"
                " underscores. It can be at most 80 letters long."
            )
            raise RefusedError(f"{prefix}InvalidBatchEntryId", message)
        if entry_id in seen:
            raise RefusedError(f"{prefix}BatchEntryIdsNotDistinct", f"Id {entry_id} repeated.")
        seen.add(entry_id)


def check_size(size: int, *, bytes_max: int, prefix: str) -> None:
    if size > bytes_max:
        message = f"Batch requests cannot be longer than {bytes_max} bytes. You have sent {size}."
        raise RefusedError(f"{prefix}BatchRequestTooLong", message)


def each(entries: Sequence[Entry], do: Callable[[Entry], Answer | None]) -> Answer:
    """Do something with every entry, and tell what became of it."""
    done, failed = [], []
    for entry in entries:
        try:
            done.append({"Id": entry["Id"], **(do(entry) or {})})
        except RefusedError as error:
            failed.append(
                {
                    "Id": entry["Id"],
                    "Code": error.code,
                    "Message": error.message,
                    "SenderFault": True,
                }
            )
    return {"Successful": done, "Failed": failed} if failed else {"Successful": done}
