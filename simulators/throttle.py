"""A platform's rate limit."""

from collections.abc import Callable
from threading import Lock


class Throttle:
    """A token bucket of one second's requests; `seconds` is a clock that never goes back."""

    def __init__(self, *, qps: float, seconds: Callable[[], float]) -> None:
        self._qps = qps
        self._seconds = seconds
        self._lock = Lock()
        self._tokens = max(qps, 1.0)
        self._filled_at = seconds()

    def refuses(self) -> bool:
        """Take a token, or say that there is none."""
        with self._lock:
            now = self._seconds()
            filled = self._tokens + (now - self._filled_at) * self._qps
            self._tokens, self._filled_at = min(filled, max(self._qps, 1.0)), now
            if self._tokens < 1:
                return True
            self._tokens -= 1
            return False
