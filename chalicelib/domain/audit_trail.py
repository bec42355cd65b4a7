"""What people did, in a chain: each entry carries the hash of the one before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

FIRST = "0" * 64
"""What stands before the first entry of a subject."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One thing that somebody did, or was refused; `facts` are plain data.

    `subject` is what it was done to, such as `discrepancy/…` or `day/2026-11-24`; `digest` is of
    all of it and of the entry before it.
    """

    subject: str
    sequence: int
    at: datetime
    by: str
    verb: str
    outcome: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    previous: str = FIRST
    digest: str = ""


def following(
    last: Entry | None,
    *,
    subject: str,
    at: datetime,
    by: str,
    verb: str,
    outcome: str,
    facts: Mapping[str, Any],
) -> Entry:
    """Make the entry that comes after the last one of a subject."""
    unsigned = Entry(
        subject=subject,
        sequence=last.sequence + 1 if last else 1,
        at=at,
        by=by,
        verb=verb,
        outcome=outcome,
        facts=facts,
        previous=last.digest if last else FIRST,
    )
    return replace(unsigned, digest=_digest(unsigned))


def broken_at(entries: Iterable[Entry]) -> int | None:
    """Name the first entry that does not follow from the one before it; None if all do.

    >>> from datetime import timezone
    >>> at = datetime(2026, 11, 24, 10, tzinfo=timezone.utc)
    >>> said = {"at": at, "by": "wang", "verb": "comment", "outcome": "done", "facts": {}}
    >>> one = following(None, subject="day/1", **said)
    >>> two = following(one, subject="day/1", **said)
    >>> broken_at([one, two]), broken_at([two]), broken_at([one, one])
    (None, 2, 1)
    """
    last: Entry | None = None
    for entry in entries:
        expected = following(
            last,
            subject=entry.subject,
            at=entry.at,
            by=entry.by,
            verb=entry.verb,
            outcome=entry.outcome,
            facts=entry.facts,
        )
        if entry != expected:
            return entry.sequence
        last = entry
    return None


def _digest(entry: Entry) -> str:
    """Hash the entry before and this one, written the one way there is to write it."""
    said = (
        entry.subject,
        entry.sequence,
        entry.at.isoformat(),
        entry.by,
        entry.verb,
        entry.outcome,
        entry.facts,
    )
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"{entry.previous}{text}".encode()).hexdigest()
