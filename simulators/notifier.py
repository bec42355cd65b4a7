"""Posts a platform's notifications, signed, until somebody answers 2xx."""

import json
from collections.abc import Callable
from threading import Event, Thread
from urllib.parse import urlsplit

import urllib3

from simulators.notifications import Notification, Notifying

THREADS = 4
LOOK_EVERY_SECONDS = 0.05
ANSWER_WITHIN_SECONDS = 5.0

Sign = Callable[[str, str, bytes], dict[str, str]]


class Notifier:
    """A few threads that take what is due; the platform's answers never wait for them."""

    def __init__(self, *, platform: Notifying, sign: Sign) -> None:
        self._platform = platform
        self._sign = sign
        self._stopping = Event()
        self._http = urllib3.PoolManager(
            maxsize=THREADS, timeout=ANSWER_WITHIN_SECONDS, retries=False
        )
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take nothing more; what is under way has its time-out to end."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(ANSWER_WITHIN_SECONDS)
        self._http.clear()

    def _run(self) -> None:
        while not self._stopping.is_set():
            notification = self._platform.take_notification()
            if notification is None:
                self._stopping.wait(LOOK_EVERY_SECONDS)
            else:
                acknowledged = self._post(notification)
                self._platform.notified(notification.key, acknowledged=acknowledged)

    def _post(self, notification: Notification) -> bool:
        body = json.dumps(notification.body, ensure_ascii=False).encode()
        try:
            path = urlsplit(notification.url).path or "/"
            headers = {"Content-Type": "application/json", **self._sign("POST", path, body)}
            answer = self._http.request("POST", notification.url, body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, ValueError):
            return False
        return 200 <= answer.status < 300
