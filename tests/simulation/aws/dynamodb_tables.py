"""Tables and their indexes: where items stand, in which order, and who sees which version.

A reader that is not consistent, and every reader of a global index, may see an item as it was.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws.dynamodb_conditions import comparable
from tests.simulation.aws.dynamodb_refusals import ILLEGAL, InvalidError
from tests.simulation.aws.dynamodb_shelves import Key, Shelf
from tests.simulation.aws.dynamodb_values import Item, Record, normal, text_bytes

HASH_BYTES_MAX, RANGE_BYTES_MAX = 2048, 1024
ITEM_BYTES_MAX = 400 * 1024
WRONG_KEY = "The provided key element does not match the schema"
EMPTY_KEY = (
    "One or more parameter values are not valid. The AttributeValue for a key attribute "
    "cannot contain an empty {} value. Key: {}"
)
EMPTY_INDEX_KEY = (
    "One or more parameter values are not valid. A value specified for a secondary index key is "
    "not supported. The AttributeValue for a key attribute cannot contain an empty {} value. "
    "IndexName: {}, IndexKey: {}"
)
EMPTY_NAMES = {"S": "string", "B": "binary"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """The key attributes of a table or an index, and their types."""

    hash_name: str
    hash_type: str
    range_name: str | None = None
    range_type: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.hash_name,) if self.range_name is None else (self.hash_name, self.range_name)

    @property
    def attributes(self) -> Iterator[tuple[str, str]]:
        yield self.hash_name, self.hash_type
        if self.range_name is not None:
            yield self.range_name, self.range_type


class Index:
    """A secondary index: the items that have its keys, ordered by them."""

    def __init__(
        self, *, name: str, schema: Schema, projection: tuple[str, ...] | None, is_local: bool
    ) -> None:
        self.name = name
        self.schema = schema
        self.projection = projection
        """The attributes of an entry; None for all."""
        self.is_local = is_local
        self.shelf = Shelf({}, {})

    def holds(self, item: Item) -> bool:
        """Say whether an item has the keys of this index."""
        name = self.schema.range_name
        return self.schema.hash_name in item and (name is None or name in item)

    def is_moved(self, was: Item, now: Item) -> bool:
        """Say whether the keys of this index differ."""
        hash_name, range_name = self.schema.hash_name, self.schema.range_name
        return was.get(hash_name) != now.get(hash_name) or (
            range_name is not None and was.get(range_name) != now.get(range_name)
        )

    def place_of(self, key: Key, item: Item) -> tuple[Any, Any] | None:
        """Say in which partition an item stands, and where; None if it lacks a key."""
        schema = self.schema
        partition = item.get(schema.hash_name)
        if partition is None:
            return None
        if schema.range_name is None:
            return comparable(partition), (None, key)
        sort = item.get(schema.range_name)
        return None if sort is None else (comparable(partition), (comparable(sort), key))

    def apply(self, key: Key, old: Record | None, new: Record | None) -> None:
        """Have the entry follow its item."""
        shelf = self.shelf
        if old is not None and new is not None and not self.is_moved(old.item, new.item):
            if key in shelf.rows:
                shelf.rows[key] = new
            return
        if old is not None and (place := self.place_of(key, old.item)):
            shelf.displace(*place)
            del shelf.rows[key]
        if new is not None and (place := self.place_of(key, new.item)):
            shelf.place(*place)
            shelf.rows[key] = new

    def entry(self, record: Record) -> Item:
        """Give what the index holds of an item (shared: to be copied before it is given out)."""
        if self.projection is None:
            return record.item
        item = record.item
        return {name: item[name] for name in self.projection if name in item}


@dataclass(kw_only=True)
class Table:
    """A table with its indexes, and what its readers do not see yet."""

    name: str
    schema: Schema
    indexes: dict[str, Index]
    description: dict[str, Any]
    stream_view: str | None = None
    shelf: Shelf = field(default_factory=lambda: Shelf({}, {}))
    late: dict[Key, tuple[Record | None, tuple[tuple[float, Record | None], ...]]] = field(
        default_factory=dict
    )
    """By key: the version eventually consistent readers see, and when they will see which."""

    stream: list[Any] = field(default_factory=list)
    sequence: int = 0
    time_to_live: dict[str, str] = field(default_factory=lambda: {"TimeToLiveStatus": "DISABLED"})
    backups: str = "DISABLED"

    def __post_init__(self) -> None:
        self.index_keys = [
            (name, kind, index.name)
            for index in self.indexes.values()
            for name, kind in index.schema.attributes
        ]
        self.index_attributes = frozenset(name for name, _, _ in self.index_keys)
        self.local_indexes = [index for index in self.indexes.values() if index.is_local]
        self.global_indexes = [index for index in self.indexes.values() if not index.is_local]

    # --- keys ---------------------------------------------------------------------------

    def key_of(self, item: Item) -> Key:
        """Give the key of an item that is to be stored.

        :raises InvalidError: if it has none, or a wrong one.
        """
        schema = self.schema
        partition = self._key_part(item, schema.hash_name, schema.hash_type)
        _check_hash(schema.hash_type, partition)
        if schema.range_name is None:
            return partition
        sort = self._key_part(item, schema.range_name, schema.range_type)
        _check_range(schema.range_type, sort)
        return partition, sort

    def _key_part(self, item: Item, name: str, kind: str) -> Any:
        value = item.get(name)
        if value is None:
            raise InvalidError(f"{ILLEGAL}Missing the key {name} in the item")
        if kind not in value:
            raise InvalidError(
                f"{ILLEGAL}Type mismatch for key {name} expected: {kind} actual: {next(iter(value))}"
            )
        held = value[kind]
        if kind == "N":
            return comparable(value)
        if not held:
            raise InvalidError(EMPTY_KEY.format(EMPTY_NAMES[kind], name))
        return held

    def key_given(self, given: Mapping[str, Any]) -> Key:
        """Read the key a request names.

        :raises InvalidError: if it is not of this table's schema.
        """
        schema = self.schema
        if len(given) != (1 if schema.range_name is None else 2):
            raise InvalidError(WRONG_KEY)
        partition = self._given_part(given, schema.hash_name, schema.hash_type)
        _check_hash(schema.hash_type, partition)
        if schema.range_name is None:
            return partition
        sort = self._given_part(given, schema.range_name, schema.range_type)
        _check_range(schema.range_type, sort)
        return partition, sort

    def _given_part(self, given: Mapping[str, Any], name: str, kind: str) -> Any:
        value = given.get(name)
        if value is None:
            raise InvalidError(WRONG_KEY)
        value = normal(value)
        if kind not in value:
            raise InvalidError(WRONG_KEY)
        if kind == "N":
            return comparable(value)
        if not value[kind]:
            raise InvalidError(EMPTY_KEY.format(EMPTY_NAMES[kind], name))
        return value[kind]

    def key_item(self, item: Item) -> Item:
        """Give the key attributes of an item."""
        return {name: item[name].copy() for name in self.schema.names}

    def check_index_keys(self, item: Item) -> None:
        """Refuse an item whose attribute cannot be the key of an index it is the key of."""
        for name, kind, index in self.index_keys:
            value = item.get(name)
            if value is None:
                continue
            if kind not in value:
                raise InvalidError(
                    f"{ILLEGAL}Type mismatch for Index Key {name} Expected: {kind} "
                    f"Actual: {next(iter(value))} IndexName: {index}"
                )
            if not value[kind]:
                raise InvalidError(EMPTY_INDEX_KEY.format(EMPTY_NAMES[kind], index, name))
            self._check_index_size(name, kind, index, value[kind])

    def _check_index_size(self, name: str, kind: str, index: str, held: Any) -> None:
        is_range = name == self.indexes[index].schema.range_name
        limit = RANGE_BYTES_MAX if is_range else HASH_BYTES_MAX
        if kind != "N" and len(held) * 4 > limit and _bytes(held) > limit:
            raise InvalidError(
                f"{ILLEGAL}Size of {'rangekey' if is_range else 'hashkey'} has exceeded the "
                f"maximum size limit of{limit} bytes. IndexName: {index}, IndexKey: {name}"
            )

    # --- writing ------------------------------------------------------------------------

    def write(
        self,
        key: Key,
        old: Record | None,
        new: Record | None,
        *,
        clock: Callable[[], float],
        lag: Callable[[], float] | None,
    ) -> None:
        """Put a version of an item in another's place; everything was checked before."""
        rows = self.shelf.rows
        if new is not None:
            rows[key] = new
            if old is None and self.schema.range_name is not None:
                self.shelf.place(*key)
        elif old is not None:
            del rows[key]
            if self.schema.range_name is not None:
                self.shelf.displace(*key)
        else:
            return
        if self.stream_view is not None:
            self._tell(old, new, clock())
        delay = lag() if lag is not None else 0.0
        is_late = delay > 0 or key in self.late
        for index in self.local_indexes if is_late else self.indexes.values():
            index.apply(key, old, new)
        if is_late:
            seen, steps = self.late.get(key, (old, ()))
            # Readers see the versions of an item in their order, none before its lag is over.
            at = max(clock() + delay, steps[-1][0] if steps else 0.0)
            self.late[key] = seen, (*steps, (at, new))

    def _tell(self, old: Record | None, new: Record | None, now: float) -> None:
        """Leave a record in the stream, unless the write changed nothing."""
        if old is None or new is None or old.item != new.item:
            self.sequence += 1
            self.stream.append((self.sequence, old, new, now))

    # --- reading ------------------------------------------------------------------------

    def settle(self, now: float) -> None:
        """Have readers see what they are to see by now."""
        for key, (seen, steps) in list(self.late.items()):
            due = [record for at, record in steps if at <= now]
            if not due:
                continue
            for index in self.global_indexes:
                index.apply(key, seen, due[-1])
            rest = steps[len(due) :]
            if rest:
                self.late[key] = due[-1], rest
            else:
                del self.late[key]

    def seen(self, key: Key, now: float) -> Record | None:
        """Give the version an eventually consistent reader gets."""
        self.settle(now)
        return self.late[key][0] if key in self.late else self.shelf.rows.get(key)

    def seen_shelf(self, now: float) -> Shelf:
        """Give the shelf as an eventually consistent reader sees it."""
        self.settle(now)
        if not self.late:
            return self.shelf
        shelf = Shelf(*self.shelf.copy())
        for key, (record, _) in self.late.items():
            stands = key in shelf.rows
            if self.schema.range_name is not None and stands != (record is not None):
                (shelf.displace if stands else shelf.place)(*key)
            if record is not None:
                shelf.rows[key] = record
            elif stands:
                del shelf.rows[key]
        return shelf

    # --- state --------------------------------------------------------------------------

    def snapshot(self) -> tuple[Any, ...]:
        shelves = [self.shelf.copy(), *(index.shelf.copy() for index in self.indexes.values())]
        return shelves, self.late.copy(), self.stream.copy(), self.sequence

    def restore(self, state: tuple[Any, ...]) -> None:
        shelves, late, stream, self.sequence = state
        self.shelf.restore(shelves[0])
        for index, shelf in zip(self.indexes.values(), shelves[1:], strict=True):
            index.shelf.restore(shelf)
        self.late, self.stream = late.copy(), stream.copy()

    def clear(self) -> None:
        self.shelf.clear()
        for index in self.indexes.values():
            index.shelf.clear()
        self.late, self.stream, self.sequence = {}, [], 0


def _bytes(held: str | bytes) -> int:
    return text_bytes(held) if isinstance(held, str) else len(held)


def _check_hash(kind: str, held: Any) -> None:
    if kind != "N" and len(held) * 4 > HASH_BYTES_MAX and _bytes(held) > HASH_BYTES_MAX:
        raise InvalidError(
            f"{ILLEGAL}Size of hashkey has exceeded the maximum size limit of{HASH_BYTES_MAX} bytes"
        )


def _check_range(kind: str, held: Any) -> None:
    if kind != "N" and len(held) * 4 > RANGE_BYTES_MAX and _bytes(held) > RANGE_BYTES_MAX:
        raise InvalidError(
            f"{ILLEGAL}Aggregated size of all range keys has exceeded the size limit of "
            f"{RANGE_BYTES_MAX} bytes"
        )
