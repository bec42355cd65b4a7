"""What a write would do: read and checked first, decided on what is stored, and only then done.

A transaction plans all its writes before it decides on any, and decides on all before it does any.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.simulation.aws.dynamodb_compiled import VALUES, Compiled, compiled
from tests.simulation.aws.dynamodb_conditions import Values
from tests.simulation.aws.dynamodb_refusals import ILLEGAL, ConditionFailedError, InvalidError
from tests.simulation.aws.dynamodb_shelves import Key
from tests.simulation.aws.dynamodb_tables import ITEM_BYTES_MAX, Table
from tests.simulation.aws.dynamodb_updates import projected
from tests.simulation.aws.dynamodb_values import (
    Item,
    Record,
    is_flat,
    item_bytes,
    normal,
    text_bytes,
    value_bytes,
)

Parameters = Mapping[str, Any]
NOTHING: Item = {}
TOO_LARGE = "Item size has exceeded the maximum allowed size"
TOO_LARGE_UPDATED = "Item size to update has exceeded the maximum allowed size"


class Plan:
    """One write, read and checked as far as it can be without looking at the table's schema."""

    __slots__ = ("_find", "_make", "_parameters", "code", "key", "new", "old", "table", "values")

    def __init__(
        self,
        table: Table,
        parameters: Parameters,
        *,
        find: Callable[["Plan"], Key],
        make: Callable[["Plan"], Record | None],
    ) -> None:
        self.table = table
        self.code: Compiled = compiled(parameters)
        self.values: Values = self.code.operands(parameters.get(VALUES))
        self._parameters = parameters
        self._find = find
        self._make = make

    def find(self) -> Key:
        """Find the key.

        :raises InvalidError: if the write does not fit the table's schema.
        """
        self.key = self._find(self)
        return self.key

    def decide(self) -> None:
        """Look at the item, and say what it becomes.

        :raises ConditionFailedError: if it is not as it should be.
        :raises InvalidError: if it cannot become that.
        """
        old = self.old = self.table.shelf.rows.get(self.key)
        condition = self.code.condition
        if condition is not None and not condition(old.item if old else NOTHING, self.values):
            if old and self._parameters.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
                raise ConditionFailedError(Item=old.copy())
            raise ConditionFailedError
        self.new = self._make(self)


def put(table: Table, parameters: Parameters) -> Plan:
    record = Record.of(parameters["Item"])
    return Plan(table, parameters, find=partial(_find_put, record), make=lambda _: record)


def _find_put(record: Record, plan: Plan) -> Key:
    table = plan.table
    key = table.key_of(record.item)
    if table.index_keys:
        table.check_index_keys(record.item)
    if record.size > ITEM_BYTES_MAX:
        raise InvalidError(TOO_LARGE)
    return key


def delete(table: Table, parameters: Parameters) -> Plan:
    return Plan(table, parameters, find=partial(_find_key, parameters["Key"]), make=lambda _: None)


def check(table: Table, parameters: Parameters) -> Plan:
    """Plan to leave an item as it is, if it is as it should be."""
    return Plan(
        table, parameters, find=partial(_find_key, parameters["Key"]), make=lambda plan: plan.old
    )


def update(table: Table, parameters: Parameters) -> Plan:
    key = {name: normal(value) for name, value in parameters["Key"].items()}
    return Plan(table, parameters, find=partial(_find_update, key), make=partial(_updated, key))


def _find_key(given: Parameters, plan: Plan) -> Key:
    return plan.table.key_given(given)


def _find_update(given: Item, plan: Plan) -> Key:
    touched = plan.code.touched
    for name in plan.table.schema.names:
        if name in touched:
            raise InvalidError(
                f"{ILLEGAL}Cannot update attribute {name}. This attribute is part of the key"
            )
    return plan.table.key_given(given)


def _updated(key: Item, plan: Plan) -> Record:
    code, old = plan.code, plan.old
    before = old.item if old else key
    size = old.size if old else item_bytes(key)
    if code.update is None:
        return old or Record(key, size, flat=True)
    after = code.update(before, plan.values)
    flat = old.flat if old else True
    for name in code.touched:
        was, now = before.get(name), after.get(name)
        if was is now:
            continue
        if was is not None:
            size -= text_bytes(name) + value_bytes(was)
        if now is not None:
            size += text_bytes(name) + value_bytes(now)
            flat = flat and is_flat(now)
    if size > ITEM_BYTES_MAX:
        raise InvalidError(TOO_LARGE_UPDATED)
    if not plan.table.index_attributes.isdisjoint(code.touched):
        plan.table.check_index_keys(after)
    return Record(after, size, flat=flat)


def returned(plan: Plan, wanted: str) -> Item | None:
    """Give what the caller wants to have of the item, before or after.

    :raises InvalidError: if there is no such thing.
    """
    if wanted == "NONE":
        return None
    record = plan.old if wanted.endswith("OLD") else plan.new
    if record is None:
        return None
    if wanted.startswith("ALL"):
        return record.copy()
    return projected(plan.code.updated, record.item) or None
