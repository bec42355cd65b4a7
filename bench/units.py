"""What DynamoDB counts: sizes of items, read units of 4 KB, write units of 1 KB, index rules.

From the developer guide: "Item sizes and formats", "Capacity unit consumption for read and
write operations", "Provisioned throughput considerations for global secondary indexes".
The examples below are run before anything is measured.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
"""An item as it goes over the wire: attribute name to {type: value}."""

READ_BYTES = 4096
WRITE_BYTES = 1024


def size_of(item: Item) -> int:
    """Count an item's bytes: every name, and every value by its type.

    >>> size_of({"loan_id": {"S": "LN1"}, "amount": {"N": "12345"}, "note": {"NULL": True}})
    25
    >>> size_of({"m": {"M": {"a": {"S": "bc"}}}})
    8
    """
    return sum(len(name.encode()) + _size_of_value(value) for name, value in item.items())


def _size_of_value(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _size_of_number(content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _size_of_value(inner) for name, inner in content.items()
            )
        case "L":
            return 3 + sum(1 + _size_of_value(inner) for inner in content)
        case _:
            raise NotImplementedError(f"no item of ours has the type {kind}")


def _size_of_number(text: str) -> int:
    """Count a number's bytes: one for two significant digits, and one more; two if negative.

    >>> [_size_of_number(text) for text in ("0", "12", "123", "-123", "1200")]
    [2, 2, 3, 4, 2]
    """
    digits = text.lstrip("-").strip("0") or "0"
    return math.ceil(len(digits) / 2) + 1 + text.startswith("-")


def read_units(sizes: Iterable[int], *, is_consistent: bool) -> float:
    """Count one read whose items are added up before rounding; nothing found costs as well.

    >>> read_units([3000, 3000], is_consistent=True), read_units([], is_consistent=False)
    (2.0, 0.5)
    """
    blocks = max(math.ceil(sum(sizes) / READ_BYTES), 1)
    return blocks * (1.0 if is_consistent else 0.5)


def write_units(size: int) -> int:
    """Count one write of an item.

    >>> [write_units(size) for size in (0, 1024, 1025)]
    [1, 1, 2]
    """
    return max(math.ceil(size / WRITE_BYTES), 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """A global secondary index: `keys` make an item appear in it, `others` come along.

    `others` None: the whole item comes along.
    """

    name: str
    keys: frozenset[str]
    others: frozenset[str] | None

    def entry_of(self, item: Item | None) -> Item | None:
        """Say what stands in the index for an item; None if it is not in it."""
        if item is None or not self.keys <= item.keys():
            return None
        if self.others is None:
            return item
        wanted = self.keys | self.others
        return {name: value for name, value in item.items() if name in wanted}

    def units(self, before: Item | None, after: Item | None) -> int:
        """Count what a change of an item costs in the index.

        Nothing if its entry stays the same; a key that moves is a deletion and a put.

        >>> due = Index(name="due", keys=frozenset({"due", "id"}), others=frozenset())
        >>> one = {"id": {"S": "1"}, "due": {"S": "monday"}}
        >>> due.units(None, one), due.units(one, one), due.units(one, {"id": {"S": "1"}})
        (1, 0, 1)
        >>> due.units(one, one | {"due": {"S": "tuesday"}})
        2
        """
        old, new = self.entry_of(before), self.entry_of(after)
        if old == new:
            return 0
        if old and new and all(old[key] == new[key] for key in self.keys):
            return write_units(max(size_of(old), size_of(new)))
        return sum(write_units(size_of(entry)) for entry in (old, new) if entry)
