"""Every call to DynamoDB, as it goes over the wire, with the units it costs.

moto answers the calls and its own figures are not used: `units` counts from the items.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pynamodb.models import Model

from bench.units import Index, Item, read_units, size_of, write_units

UNCOUNTED = frozenset(("CreateTable", "DescribeTable"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call; `items` are those that were read, or the one that was written."""

    operation: str
    table: str
    items: Sequence[Item] = ()
    read: float = 0.0
    written: int = 0
    written_to_indexes: int = 0

    @property
    def write_units(self) -> int:
        return self.written + self.written_to_indexes

    @property
    def as_transaction(self) -> int:
        """The units if TransactWriteItems made the write: the item twice, its index entries once.

        The guide: two underlying writes of every item in the transaction; indexes follow after.
        """
        return 2 * self.written + self.written_to_indexes


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """What some calls cost together."""

    calls: Sequence[Call]

    @property
    def items_read(self) -> int:
        return sum(len(call.items) for call in self.calls if call.read)

    @property
    def read_units(self) -> float:
        return sum(call.read for call in self.calls)

    @property
    def writes(self) -> Sequence[Call]:
        return [call for call in self.calls if call.write_units]

    @property
    def write_units(self) -> int:
        return sum(call.write_units for call in self.calls)

    @property
    def as_transactions(self) -> int:
        return sum(call.as_transaction for call in self.calls)

    def of(self, *operations: str, table: type[Model] | None = None) -> "Bill":
        """Keep the calls of some operations, of one table."""
        return Bill(
            calls=[
                call
                for call in self.calls
                if call.operation in operations
                and (table is None or call.table == table.Meta.table_name)
            ]
        )


@dataclass(kw_only=True, slots=True)
class _Shape:
    """A table's keys and indexes, and every item that was seen to be written to it."""

    keys: Sequence[str]
    indexes: Sequence[Index]
    items: dict[str, Item] = field(default_factory=dict)

    def standing(self, item: Item) -> Item | None:
        return self.items.get(self._key_of(item))

    def put(self, item: Item) -> None:
        self.items[self._key_of(item)] = item

    def _key_of(self, item: Item) -> str:
        return json.dumps([item[key] for key in self.keys])


class Ledger:
    """Counts what the tables' clients do, from before the first item is written."""

    def __init__(self, tables: Iterable[type[Model]]) -> None:
        self.calls: list[Call] = []
        self._shapes: dict[str, _Shape] = {}
        for table in tables:
            self._shapes[table.Meta.table_name] = _shape_of(table.describe_table())
            events = table._get_connection().connection.client.meta.events  # noqa: SLF001  PynamoDB has no door
            events.register("before-call.dynamodb", _keep_the_question)
            events.register("after-call.dynamodb", self._count)

    @contextmanager
    def billing(self) -> Iterator[Bill]:
        """Gather what happens inside; the bill is complete when the block is left."""
        calls: list[Call] = []
        first = len(self.calls)
        yield Bill(calls=calls)
        calls += self.calls[first:]

    def _count(
        self, *, model: Any, parsed: Mapping[str, Any], context: Mapping[str, Any], **_: object
    ) -> None:
        operation, asked = model.name, context["asked"]
        if operation in {"Query", "Scan"}:
            self.calls.append(_read_together(operation, asked, parsed))
        elif operation == "GetItem":
            found = [parsed["Item"]] if "Item" in parsed else []
            self.calls.append(_read_singly(operation, asked["TableName"], asked, found, 1))
        elif operation == "BatchGetItem":
            for table, wanted in asked["RequestItems"].items():
                found = parsed["Responses"].get(table, [])
                self.calls.append(
                    _read_singly(operation, table, wanted, found, len(wanted["Keys"]))
                )
        elif operation in {"PutItem", "UpdateItem"}:
            self.calls.append(self._write(operation, asked, parsed))
        elif operation == "DeleteTable":
            self._shapes[asked["TableName"]].items.clear()
        elif operation not in UNCOUNTED:
            raise NotImplementedError(f"nobody knows what {operation} costs")

    def _write(self, operation: str, asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> Call:
        shape = self._shapes[asked["TableName"]]
        before = shape.standing(asked.get("Item") or asked["Key"])
        is_refused = "Error" in parsed
        after = asked["Item"] if operation == "PutItem" else parsed.get("Attributes", before)
        if after is None:
            raise NotImplementedError("an update must return the item: ReturnValues ALL_NEW")
        indexes = 0
        if not is_refused:
            indexes = sum(index.units(before, after) for index in shape.indexes)
            shape.put(after)
        return Call(
            operation=operation,
            table=asked["TableName"],
            items=[after],
            # A refused condition costs as much: the larger of what stands and what was to be.
            written=write_units(max(size_of(after), size_of(before or {}))),
            written_to_indexes=indexes,
        )


def _keep_the_question(*, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    context["asked"] = json.loads(params["body"])


def _read_together(operation: str, asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> Call:
    if "FilterExpression" in asked or "ProjectionExpression" in asked:
        raise NotImplementedError("what comes back is less than what was read")
    return Call(
        operation=operation,
        table=asked["TableName"],
        items=parsed["Items"],
        read=read_units(map(size_of, parsed["Items"]), is_consistent=_is_consistent(asked)),
    )


def _read_singly(
    operation: str, table: str, asked: Mapping[str, Any], found: Sequence[Item], keys: int
) -> Call:
    sizes = [*map(size_of, found), *[0] * (keys - len(found))]
    return Call(
        operation=operation,
        table=table,
        items=found,
        read=sum(read_units([size], is_consistent=_is_consistent(asked)) for size in sizes),
    )


def _is_consistent(asked: Mapping[str, Any]) -> bool:
    return bool(asked.get("ConsistentRead", False))


def _shape_of(described: Mapping[str, Any]) -> _Shape:
    keys = _names(described)
    return _Shape(
        keys=keys,
        indexes=[
            Index(
                name=index["IndexName"],
                keys=frozenset((*keys, *_names(index))),
                others=None
                if index["Projection"]["ProjectionType"] == "ALL"
                else frozenset(index["Projection"].get("NonKeyAttributes", ())),
            )
            for index in described.get("GlobalSecondaryIndexes", ())
        ],
    )


def _names(described: Mapping[str, Any]) -> Sequence[str]:
    return [key["AttributeName"] for key in described["KeySchema"]]
