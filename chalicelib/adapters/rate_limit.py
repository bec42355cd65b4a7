"""A token bucket: how fast this worker may call its channel account.

The account's limit is shared out beforehand: limit ÷ reserved concurrency is each worker's.
"""

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Lets `per_second` calls through, with a burst of one second's worth."""

    def __init__(
        self,
        per_second: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._tokens = max(per_second, 1.0)
        self._monotonic = monotonic
        self._sleep = sleep
        self._filled_at = monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for a turn."""
        with self._lock:
            now = self._monotonic()
            self._tokens = min(
                max(self._per_second, 1.0),
                self._tokens + (now - self._filled_at) * self._per_second,
            )
            self._filled_at = now
            self._tokens -= 1
            pause = -self._tokens / self._per_second if self._tokens < 0 else 0.0
        if pause:
            self._sleep(pause)
