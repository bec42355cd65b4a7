"""Capacity units, as AWS counts them; computed only for who asks."""

from collections.abc import Mapping
from typing import Any

from tests.simulation.aws.dynamodb_tables import Index, Table
from tests.simulation.aws.dynamodb_values import Item, Record, item_bytes

WRITE_BYTES, READ_BYTES = 1024, 4096


def write_units(size: int) -> float:
    return float(max(1, -(-size // WRITE_BYTES)))


def read_units(size: int, *, consistent: bool) -> float:
    """Count what reading so many bytes takes; reading nothing is a unit, or half of one."""
    units = float(max(1, -(-size // READ_BYTES)))
    return units if consistent else units / 2


def table_units(old: Record | None, new: Record | None) -> float:
    """Count a write by the larger of what was and what is."""
    return write_units(max(old.size if old else 0, new.size if new else 0))


def entry_size(index: Index, record: Record) -> int:
    """Count the bytes of an item's entry in an index; counted once."""
    if index.projection is None:
        return record.size
    if record.entry_sizes is None:
        record.entry_sizes = {}
    size = record.entry_sizes.get(index.name)
    if size is None:
        size = record.entry_sizes[index.name] = item_bytes(index.entry(record))
    return size


def index_units(index: Index, old: Record | None, new: Record | None) -> float:
    """Count what an index's following costs: nothing if its entry stays as it is."""
    was = old if old is not None and index.holds(old.item) else None
    now = new if new is not None and index.holds(new.item) else None
    if was is None or now is None:
        there = was or now
        return write_units(entry_size(index, there)) if there else 0.0
    if index.is_moved(was.item, now.item):
        return write_units(entry_size(index, was)) + write_units(entry_size(index, now))
    if _is_same(index, was.item, now.item):
        return 0.0
    return write_units(max(entry_size(index, was), entry_size(index, now)))


def _is_same(index: Index, was: Item, now: Item) -> bool:
    if index.projection is None:
        return was == now
    return all(was.get(name) == now.get(name) for name in index.projection)


def total_written(table: Table, old: Record | None, new: Record | None) -> dict[str, Any]:
    """Tell what one write consumed in all: short, for it is asked for with every write."""
    units = table_units(old, new)
    for index in table.indexes.values():
        units += index_units(index, old, new)
    return {"TableName": table.name, "CapacityUnits": units}


class Bill:
    """What one call consumed, by table and index."""

    def __init__(self, asked: str | None) -> None:
        self.asked = asked if asked in {"TOTAL", "INDEXES"} else None
        self._tables: dict[str, float] = {}
        self._indexes: dict[str, dict[Index, float]] = {}

    def wrote(
        self, table: Table, old: Record | None, new: Record | None, *, times: int = 1
    ) -> None:
        """Count a write: a transaction's costs twice in the table, and once in its indexes."""
        self.counts(table, table_units(old, new) * times)
        for index in table.indexes.values():
            if units := index_units(index, old, new):
                self.counts(table, units, index=index)

    def counts(self, table: Table, units: float, *, index: Index | None = None) -> None:
        self._tables.setdefault(table.name, 0.0)
        if index is None:
            self._tables[table.name] += units
            return
        indexes = self._indexes.setdefault(table.name, {})
        indexes[index] = indexes.get(index, 0.0) + units

    def consumed(self, *, kind: str = "") -> list[dict[str, Any]]:
        """Tell it in AWS's shape; `kind` is `Read` or `Write` where AWS says which."""
        return [self._of(name, kind) for name in self._tables]

    def single(self) -> dict[str, Any]:
        """Tell it for a call on one table."""
        return self.consumed()[0]

    def _of(self, name: str, kind: str) -> dict[str, Any]:
        indexes = self._indexes.get(name, {})
        told = {"TableName": name} | _capacity(self._tables[name] + sum(indexes.values()), kind)
        if self.asked == "INDEXES":
            told["Table"] = _capacity(self._tables[name], kind)
            for word, is_local in (("Global", False), ("Local", True)):
                found = {
                    index.name: _capacity(units, kind)
                    for index, units in indexes.items()
                    if index.is_local is is_local
                }
                if found:
                    told[f"{word}SecondaryIndexes"] = found
        return told


def _capacity(units: float, kind: str) -> Mapping[str, Any]:
    told = {"CapacityUnits": units}
    return told | {f"{kind}CapacityUnits": units} if kind else told
