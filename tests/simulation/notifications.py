"""What the platforms tell us by themselves: in time or late, once or often, true or forged."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simulators.notifications import Notification, Notifying
from tests.simulation.gateway import request
from tests.simulation.outside import FOREIGN_KEYS, THEIR_KEYS, CheapKeys

if TYPE_CHECKING:
    from tests.simulation.day import Day


class Notifications:
    """Takes what the platforms have to say, and posts it to us."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._sent = 0
        self._faults = {
            int(fault.at): fault
            for fault in day.plan.standing()
            if fault.kind.startswith("notification_")
        }
        self._platforms: tuple[Any, ...] = (day.payment, day.sms)
        self.believed_forgeries: list[str] = []

    def next_at(self) -> float | None:
        times = [at.timestamp() for each in self._platforms if (at := each.next_notification_at())]
        return min(times, default=None)

    def startable(self) -> list[Callable[[], object]]:
        now = self._day.world.clock.seconds
        return [
            lambda platform=platform: self._post(platform)
            for platform in self._platforms
            if (at := platform.next_notification_at()) and at.timestamp() <= now
        ]

    def _post(self, platform: Notifying) -> None:
        notification = platform.take_notification()
        if notification is None:
            return
        self._sent += 1
        fault = self._faults.get(self._sent)
        kind = fault.kind.removeprefix("notification_") if fault else ""
        seconds = fault.more if fault else 0
        if kind:
            self._day.tell(f"notification of {notification.key}: {kind}")
        match kind:
            case "lost":
                platform.notified(notification.key, acknowledged=False)
                return
            case "late":
                self._day.after(
                    seconds, "late notification", lambda: self._send(platform, notification)
                )
                return
            case "replayed":
                self._send(None, notification)
            case "repeated_later":
                self._day.after(seconds, "again", lambda: self._send(None, notification))
            case "forged":
                self._send(None, notification, keys=FOREIGN_KEYS, lie=True)
            case "altered":
                self._send(None, notification, lie=True)
        self._send(platform, notification)

    def _send(
        self,
        platform: Notifying | None,
        notification: Notification,
        *,
        keys: CheapKeys = THEIR_KEYS,
        lie: bool = False,
    ) -> None:
        """Post it; a lie says another amount and the other end."""
        day = self._day
        path = urlsplit(notification.url).path
        said: Mapping[str, object] = notification.body
        if lie:
            said = {**said, "amount_fen": 1, "status": _contrary(said.get("status"))}
        body = json.dumps(said, ensure_ascii=False).encode()
        headers = day.world.platforms.signed("POST", path, body, keys=keys)

        def done(answered: Any) -> None:
            status = getattr(answered, "status", 502)
            if keys is FOREIGN_KEYS and status < 400:
                self.believed_forgeries.append(notification.key)
            if platform:
                platform.notified(notification.key, acknowledged=200 <= status < 300)

        day.world.tasks.start(
            "notified", lambda: request("POST", path, headers=headers, body=body), done
        )


def _contrary(status: object) -> str:
    return "FAILED" if status == "SUCCEEDED" else "SUCCEEDED"
