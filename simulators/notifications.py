"""When notifications are sent: at once, then on a ladder until somebody answers 2xx."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Protocol

LADDER_SECONDS = (0, 15, 15, 30, 180, 1800)
"""Waits before each attempt (failures.md section 1, deduct callback)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One attempt to tell the merchant something; attempts count from 1."""

    key: str
    url: str
    body: Mapping[str, object]
    attempt: int


class Notifying(Protocol):
    """A platform with something to tell."""

    def take_notification(self) -> Notification | None:
        """Take what is due now, the oldest first; None if nothing is."""

    def notified(self, key: str, *, acknowledged: bool) -> None:
        """Say how the attempt ended; an unanswered one climbs the ladder, then is given up."""


@dataclass(order=True, slots=True)
class _Entry:
    due_at: datetime
    sequence: int
    key: str = field(compare=False)
    attempt: int = field(compare=False)


class Outbox:
    """Keys that wait to be told; bodies are made when they go out.  Not thread-safe by itself."""

    def __init__(self) -> None:
        self._waiting: list[_Entry] = []
        self._under_way: dict[str, int] = {}
        self._known: set[str] = set()
        self._sequence = count()

    def add(self, key: str, *, at: datetime) -> None:
        """Plan the first attempt; a key that was ever added is left as it is."""
        if key not in self._known:
            self._known.add(key)
            self._push(key, attempt=1, at=at + timedelta(seconds=LADDER_SECONDS[0]))

    def next_at(self) -> datetime | None:
        """Say when the next attempt is due."""
        return self._waiting[0].due_at if self._waiting else None

    def take(self, *, now: datetime) -> tuple[str, int] | None:
        """Take the key that is due first, with the number of this attempt."""
        if not self._waiting or self._waiting[0].due_at > now:
            return None
        entry = heapq.heappop(self._waiting)
        self._under_way[entry.key] = entry.attempt
        return entry.key, entry.attempt

    def done(self, key: str, *, acknowledged: bool, now: datetime) -> None:
        """End an attempt; said twice, the second time changes nothing."""
        attempt = self._under_way.pop(key, None)
        if attempt is None or acknowledged or attempt == len(LADDER_SECONDS):
            return
        wait = timedelta(seconds=LADDER_SECONDS[attempt])
        self._push(key, attempt=attempt + 1, at=now + wait)

    def _push(self, key: str, *, attempt: int, at: datetime) -> None:
        heapq.heappush(self._waiting, _Entry(at, next(self._sequence), key, attempt))
