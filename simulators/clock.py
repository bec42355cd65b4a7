"""Time as the simulated platforms see it."""

from datetime import datetime, timedelta, timezone
from threading import Lock

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


def wall_clock() -> datetime:
    """Read the real time, in Shanghai."""
    return datetime.now(SHANGHAI)  # noqa: TID251 - a platform's own clock: its door


class SettableClock:
    """The real time until it is set; from then on it stands still until it is set again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._set_to: datetime | None = None

    def __call__(self) -> datetime:
        with self._lock:
            return self._set_to or wall_clock()

    def set(self, now: datetime | None) -> None:
        """Stand still at a time, or follow the real time again.

        :raises ValueError: if the time has no zone.
        """
        if now is not None and now.tzinfo is None:
            raise ValueError("now needs a zone, as in 2026-11-24T08:00:00+08:00")
        with self._lock:
            self._set_to = now and now.astimezone(SHANGHAI)


def rfc3339(moment: datetime) -> str:
    """Write a time the way the wire wants it.

    >>> rfc3339(datetime(2026, 11, 24, 8, 0, 5, 999, tzinfo=SHANGHAI))
    '2026-11-24T08:00:05+08:00'
    """
    return moment.astimezone(SHANGHAI).isoformat(timespec="seconds")
