"""When nobody is sent a text."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietHours:
    """When nobody is sent a text: half open, over midnight if it starts later than it ends."""

    starts: time = time(22, 0)
    ends: time = time(8, 0)

    def covers(self, at: datetime) -> bool:
        """Whether a text would disturb.

        >>> at = datetime.fromisoformat
        >>> [QuietHours().covers(at(f"2026-11-24T{t}+08:00")) for t in ("21:59:59", "22:00:00")]
        [False, True]
        >>> [QuietHours().covers(at(f"2026-11-24T{t}+08:00")) for t in ("07:59:59", "08:00:00")]
        [True, False]
        """
        clock = at.astimezone(SHANGHAI).time()
        if self.starts <= self.ends:
            return self.starts <= clock < self.ends
        return clock >= self.starts or clock < self.ends

    def over_at(self, at: datetime) -> datetime:
        """Say when a text may be sent, at this time or after it.

        >>> at = datetime.fromisoformat("2026-11-24T22:00:00+08:00")
        >>> QuietHours().over_at(at).isoformat()
        '2026-11-25T08:00:00+08:00'
        """
        if not self.covers(at):
            return at
        local = at.astimezone(SHANGHAI)
        end = datetime.combine(local.date(), self.ends, tzinfo=SHANGHAI)
        return end if end > local else end + timedelta(days=1)
