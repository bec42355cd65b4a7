"""Several calls in flight: a worker waits for platforms, not for itself."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class InFlight:
    """Runs a function over items, `calls_max` at a time."""

    def __init__(self, calls_max: int) -> None:
        self._pool = ThreadPoolExecutor(calls_max)

    def map(
        self, work: Callable[[Item], Outcome], items: Sequence[Item]
    ) -> list[Outcome | Exception]:
        """Give each item's outcome, in order; a failure stands in its own item's place."""
        futures = [self._pool.submit(work, item) for item in items]
        return [
            error if isinstance(error := future.exception(), Exception) else future.result()
            for future in futures
        ]
