"""Items by key and, in their partitions, in order: what tables and indexes stand on.

Nothing stored is changed in place, so that a snapshot copies two dictionaries.  The sort keys of a
partition are one list, shared with snapshots until the partition is written to.
"""

from bisect import bisect_left, insort
from typing import Any
from zlib import crc32

from tests.simulation.aws.dynamodb_values import Record

Key = Any
"""What an item is found by: its hash key, or (hash key, range key)."""


class Shelf:
    """Items by key and, in their partitions, in order."""

    __slots__ = ("_owned", "_scanned", "partitions", "rows")

    def __init__(self, rows: dict[Key, Record], partitions: dict[Any, list[Any]]) -> None:
        self.rows = rows
        self.partitions = partitions
        self._owned: set[Any] = set()
        self._scanned: list[Any] | None = None

    def place(self, partition: Any, sort: Any) -> None:
        """Have a partition hold one more sort key."""
        if partition in self._owned:
            insort(self.partitions[partition], sort)
            return
        self._owned.add(partition)
        if (shared := self.partitions.get(partition)) is None:
            self.partitions[partition] = [sort]
            self._scanned = None
        else:
            self.partitions[partition] = mine = shared.copy()
            insort(mine, sort)

    def displace(self, partition: Any, sort: Any) -> None:
        """Take a sort key out of a partition."""
        held = self.partitions[partition]
        if len(held) == 1:
            del self.partitions[partition]
            self._owned.discard(partition)
            self._scanned = None
            return
        if partition not in self._owned:
            self._owned.add(partition)
            self.partitions[partition] = held = held.copy()
        del held[bisect_left(held, sort)]

    def copy(self) -> tuple[dict[Key, Record], dict[Any, list[Any]]]:
        """Give what `Shelf` is made of; from now on no list is this shelf's alone."""
        self._owned.clear()
        return self.rows.copy(), self.partitions.copy()

    def restore(self, copy: tuple[dict[Key, Record], dict[Any, list[Any]]]) -> None:
        self.rows, self.partitions = copy[0].copy(), copy[1].copy()
        self._owned.clear()
        self._scanned = None

    def clear(self) -> None:
        self.rows, self.partitions = {}, {}
        self._owned.clear()
        self._scanned = None

    def scanned(self) -> list[Any]:
        """List the partitions in the order a scan takes them: by a digest, as at AWS."""
        if self._scanned is None:
            self._scanned = sorted(self.partitions, key=lambda each: (scattered(each), each))
        return self._scanned


def scattered(partition: Any) -> int:
    """Say where in a table's 2**32 places a partition lies."""
    return crc32(repr(partition).encode())
