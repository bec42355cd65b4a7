"""Virtual time: it stands still until the simulation moves it."""

from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import time_machine

from chalicelib.adapters.wall_clock import SHANGHAI

BEGINNING = datetime(2026, 1, 1, tzinfo=SHANGHAI)


class VirtualClock:
    """Whatever asks the machine for the date and time is told this; a context while it holds."""

    def __init__(self) -> None:
        self.seconds = BEGINNING.timestamp()
        self._travel = time_machine.travel(BEGINNING, tick=False)

    def __enter__(self) -> Self:
        self._traveller = self._travel.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._travel.stop()

    def __call__(self) -> float:
        """Give the seconds since 1970; they serve as monotonic time as well."""
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, SHANGHAI)

    def move_to(self, moment: datetime | float) -> None:
        """Let time pass, or begin another day."""
        self.seconds = moment if isinstance(moment, float) else moment.timestamp()
        self._traveller.move_to(datetime.fromtimestamp(self.seconds, UTC), tick=False)

    def pass_(self, seconds: float) -> None:
        self.move_to(self.seconds + seconds)


def clock_time(day: datetime, hours: float) -> datetime:
    """Say when it is so many hours after a midnight.

    >>> clock_time(BEGINNING, 32.5).isoformat()
    '2026-01-02T08:30:00+08:00'
    """
    return day + timedelta(hours=hours)
