"""Query and Scan: which items, in which order, and where the next page begins."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from botocore.exceptions import ParamValidationError

from tests.simulation.aws.dynamodb_capacity import Bill, entry_size, read_units
from tests.simulation.aws.dynamodb_compiled import VALUES, Compiled, KeyCondition, compiled
from tests.simulation.aws.dynamodb_conditions import Values, comparable, kind_of
from tests.simulation.aws.dynamodb_refusals import ILLEGAL, InvalidError
from tests.simulation.aws.dynamodb_shelves import Shelf, scattered
from tests.simulation.aws.dynamodb_tables import (
    EMPTY_KEY,
    EMPTY_NAMES,
    Index,
    Schema,
    Table,
)
from tests.simulation.aws.dynamodb_updates import projected
from tests.simulation.aws.dynamodb_values import Item, Record, copied, normal

Parameters = Mapping[str, Any]
PAGE_BYTES_MAX = 1024 * 1024
SEGMENTS_MAX = 1_000_000
PLACES = 2**32
WRONG_START = "The provided starting key is invalid"
OUTSIDE = "The provided starting key is outside query boundaries based on provided conditions"
SELECTS = frozenset(("ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"))


@dataclass(slots=True)
class Reading:
    """One Query or Scan of a table or of an index, read and checked."""

    table: Table
    parameters: Parameters
    now: float

    code: Compiled = None
    values: Values = None
    index: Index | None = None
    schema: Schema = None
    select: str = ""
    consistent: bool = False
    whole: bool = False
    """Whether attributes are fetched from the table that the (local) index does not hold."""

    def __post_init__(self) -> None:
        parameters, table = self.parameters, self.table
        self.code = compiled(parameters)
        self.values = self.code.operands(parameters.get(VALUES))
        self.schema = table.schema
        self.consistent = bool(parameters.get("ConsistentRead"))
        if (limit := parameters.get("Limit")) is not None and limit < 1:
            raise ParamValidationError(
                report=f"Invalid value for parameter Limit, value: {limit}, valid min value: 1"
            )
        if name := parameters.get("IndexName"):
            if name not in table.indexes:
                raise InvalidError(f"The table does not have the specified index: {name}")
            self.index = table.indexes[name]
            self.schema = self.index.schema
            if self.consistent and not self.index.is_local:
                raise InvalidError("Consistent reads are not supported on global secondary indexes")
        self.select = self._selected()

    def _selected(self) -> str:
        select = self.parameters.get("Select")
        projection, index = self.code.projection, self.index
        if select is None:
            select = "SPECIFIC_ATTRIBUTES" if projection else "ALL_PROJECTED_ATTRIBUTES"
        elif select not in SELECTS:
            raise InvalidError(f"Value '{select}' at 'select' failed to satisfy constraint")
        elif select == "ALL_PROJECTED_ATTRIBUTES" and index is None:
            raise InvalidError(
                f"{ILLEGAL}Select type {select} is not supported when there is no index"
            )
        if (select == "SPECIFIC_ATTRIBUTES") != (projection is not None):
            raise InvalidError(
                f"Cannot specify the ProjectionExpression when choosing to get {select}"
                if projection
                else f"Must specify the ProjectionExpression when choosing to get {select}"
            )
        if index is not None and index.projection is not None:
            self._check_projected(index, frozenset(index.projection), select)
        return select

    def _check_projected(self, index: Index, held: frozenset[str], select: str) -> None:
        wanted = {str(path.parts[0]) for path in self.code.projection or ()}
        beyond = sorted(wanted - held)
        if index.is_local:
            self.whole = select == "ALL_ATTRIBUTES" or bool(beyond)
        elif select == "ALL_ATTRIBUTES":
            raise InvalidError(
                f"{ILLEGAL}Select type ALL_ATTRIBUTES is not supported for global secondary "
                f"index {index.name} because its projection type is not ALL"
            )
        elif beyond:
            raise InvalidError(
                f"{ILLEGAL}Global secondary index {index.name} does not project "
                f"[{', '.join(beyond)}]"
            )

    def shelf(self) -> Shelf:
        """Give what this reader sees."""
        if self.index is not None:
            if self.table.late:
                self.table.settle(self.now)
            return self.index.shelf
        if self.consistent or not self.table.late:
            return self.table.shelf
        return self.table.seen_shelf(self.now)

    def record_at(self, shelf: Shelf, partition: Any) -> Callable[[Any], Record]:
        """Make what finds the item of a sort key."""
        rows = shelf.rows
        if self.index is not None:
            return lambda sort: rows[sort[1]]
        return lambda sort: rows[partition, sort]

    # --- the start ----------------------------------------------------------------------

    def start(self) -> tuple[Any, Any] | None:
        """Read where the page before ended: a partition and a sort key.

        :raises InvalidError: if that is no key of this table and index.
        """
        given = self.parameters.get("ExclusiveStartKey")
        if given is None:
            return None
        base = self.table.schema
        wanted = dict([*base.attributes, *self.schema.attributes])
        if given.keys() != wanted.keys():
            raise InvalidError(WRONG_START)
        item = {name: normal(value) for name, value in given.items()}
        if any(kind_of(value) != wanted[name] for name, value in item.items()):
            raise InvalidError(WRONG_START)
        key = self.table.key_given({name: item[name] for name in base.names})
        if self.index is not None:
            return self.index.place_of(key, item)
        return (key, None) if base.range_name is None else key

    # --- the page -----------------------------------------------------------------------

    def answer(self, records: Iterator[Record]) -> dict[str, Any]:
        """Answer with one page."""
        limit = self.parameters.get("Limit")
        page = list(records if limit is None else islice(records, limit))
        is_cut = len(page) == limit
        if sum(record.size for record in page) > PAGE_BYTES_MAX:
            within = self._within(page)
            is_cut = is_cut or within < len(page)
            del page[within:]
        answer: dict[str, Any] = {}
        kept = self._filtered(page)
        if self.select != "COUNT":
            answer["Items"] = self._shown(kept)
        answer["Count"] = len(kept)
        answer["ScannedCount"] = len(page)
        if is_cut:
            answer["LastEvaluatedKey"] = self._key_of(page[-1].item)
        bill = Bill(self.parameters.get("ReturnConsumedCapacity"))
        if bill.asked:
            self._charge(bill, page)
            answer["ConsumedCapacity"] = bill.single()
        return answer

    def _size_of(self, record: Record) -> int:
        return record.size if self.index is None else entry_size(self.index, record)

    def _within(self, page: list[Record]) -> int:
        """Count the items that fit on a page; one always does."""
        size = 0
        for number, record in enumerate(page):
            size += self._size_of(record)
            if size > PAGE_BYTES_MAX and number:
                return number
        return len(page)

    def _filtered(self, page: list[Record]) -> list[Record]:
        keep, values, index = self.code.filter, self.values, self.index
        if keep is None:
            return page
        if index is None or index.projection is None or self.whole:
            return [record for record in page if keep(record.item, values)]
        return [record for record in page if keep(index.entry(record), values)]

    def _shown(self, records: list[Record]) -> list[Item]:
        if (paths := self.code.projection) is not None:
            return [projected(paths, record.item) for record in records]
        index = self.index
        if index is None or index.projection is None or self.whole:
            return [record.copy() for record in records]
        names = index.projection
        return [
            {name: item[name].copy() for name in names if name in item}
            if record.flat
            else {name: copied(item[name]) for name in names if name in item}
            for record in records
            for item in (record.item,)
        ]

    def _key_of(self, item: Item) -> Item:
        names = (*self.table.schema.names, *self.schema.names)
        return {name: item[name].copy() for name in dict.fromkeys(names)}

    def _charge(self, bill: Bill, page: list[Record]) -> None:
        size = sum(self._size_of(record) for record in page)
        bill.counts(self.table, read_units(size, consistent=self.consistent), index=self.index)
        if self.whole:
            for record in page:
                bill.counts(self.table, read_units(record.size, consistent=self.consistent))


# --- Query ----------------------------------------------------------------------------------


def query(table: Table, parameters: Parameters, now: float) -> dict[str, Any]:
    """Answer a Query.

    :raises InvalidError: if its conditions are not for these keys.
    """
    reading = Reading(table, parameters, now)
    schema, code = reading.schema, reading.code
    partition, sort = _key_conditions(reading)
    if code.filtered and (named := sorted(code.filtered.intersection(schema.names))):
        raise InvalidError(
            "Filter Expression can only contain non-primary key attributes: "
            f"Primary key attribute: {named[0]}"
        )
    start = reading.start()
    if start is not None and start[0] != partition:
        raise InvalidError(OUTSIDE)
    shelf = reading.shelf()
    backward = parameters.get("ScanIndexForward") is False
    if reading.index is None and schema.range_name is None:
        record = shelf.rows.get(partition)
        return reading.answer(iter([record] if record and start is None else []))
    sorts = shelf.partitions.get(partition, [])
    key = itemgetter(0) if reading.index is not None else None
    low, high = _bounds(sorts, sort, reading.values, key)
    if start is not None:
        if backward:
            high = min(high, bisect_left(sorts, start[1]))
        else:
            low = max(low, bisect_right(sorts, start[1]))
    chosen = sorts[low:high]
    if backward:
        chosen.reverse()
    return reading.answer(map(reading.record_at(shelf, partition), chosen))


def _key_conditions(reading: Reading) -> tuple[Any, KeyCondition | None]:
    """Give the partition's value, and the condition on the sort key."""
    schema, values, keys = reading.schema, reading.values, reading.code.keys
    if not keys:
        raise InvalidError(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified "
            "in the request."
        )
    if len(keys) > 2:
        raise InvalidError("Conditions can be of length 1 or 2 only")
    wanted = keys.get(schema.hash_name)
    if wanted is None:
        raise InvalidError(f"Query condition missed key schema element: {schema.hash_name}")
    if wanted.operator != "=":
        raise InvalidError("Query key condition not supported")
    sort = None
    if len(keys) > 1:
        if schema.range_name is None:
            raise InvalidError("Query key condition not supported")
        sort = keys.get(schema.range_name)
        if sort is None:
            raise InvalidError(f"Query condition missed key schema element: {schema.range_name}")
        for name in sort.operands:
            _check_key_value(values[name], str(schema.range_name), schema.range_type)
    partition = values[wanted.operands[0]]
    _check_key_value(partition, schema.hash_name, schema.hash_type)
    return comparable(partition), sort


def _check_key_value(value: Mapping[str, Any], name: str, kind: str) -> None:
    if kind not in value:
        raise InvalidError(f"{ILLEGAL}Condition parameter type does not match schema type")
    if kind != "N" and not value[kind]:
        raise InvalidError(EMPTY_KEY.format(EMPTY_NAMES[kind], name))


def _bounds(
    sorts: list[Any],
    wanted: KeyCondition | None,
    values: Values,
    key: Callable[[Any], Any] | None,
) -> tuple[int, int]:
    """Say from where to where a partition's sort keys meet a condition."""
    if wanted is None:
        return 0, len(sorts)
    one, *others = (comparable(values[name]) for name in wanted.operands)
    match wanted.operator:
        case "=":
            return bisect_left(sorts, one, key=key), bisect_right(sorts, one, key=key)
        case "<":
            return 0, bisect_left(sorts, one, key=key)
        case "<=":
            return 0, bisect_right(sorts, one, key=key)
        case ">":
            return bisect_right(sorts, one, key=key), len(sorts)
        case ">=":
            return bisect_left(sorts, one, key=key), len(sorts)
        case "BETWEEN":
            return bisect_left(sorts, one, key=key), bisect_right(sorts, others[0], key=key)
        case _:
            length = len(one)
            low = bisect_left(sorts, one, key=key)
            return low, bisect_right(
                sorts, one, lo=low, key=lambda sort: (key(sort) if key else sort)[:length]
            )


# --- Scan -----------------------------------------------------------------------------------


def scan(table: Table, parameters: Parameters, now: float) -> dict[str, Any]:
    """Answer a Scan, of one segment or of everything.

    :raises InvalidError: if its segment or its start is none.
    """
    reading = Reading(table, parameters, now)
    segment, segments = parameters.get("Segment"), parameters.get("TotalSegments")
    if (segment is None) != (segments is None):
        given, missing = ("Segment", "TotalSegments")[:: 1 if segments is None else -1]
        raise InvalidError(
            f"The {missing} parameter is required but was not present in the request when "
            f"{given} parameter is present"
        )
    if segments is not None and not 0 <= segment < segments <= SEGMENTS_MAX:
        raise InvalidError(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {segments}"
        )
    return reading.answer(_scanned(reading, reading.start(), segment, segments))


def _scanned(
    reading: Reading, start: tuple[Any, Any] | None, segment: int | None, segments: int | None
) -> Iterator[Record]:
    shelf = reading.shelf()
    is_flat = reading.index is None and reading.schema.range_name is None
    order = (
        sorted(shelf.rows, key=lambda key: (scattered(key), key)) if is_flat else shelf.scanned()
    )
    begin = 0
    if start is not None:
        place = scattered(start[0]), start[0]
        begin = bisect_left(order, place, key=lambda each: (scattered(each), each))
    for partition in islice(order, begin, None):
        if segments is not None and scattered(partition) * segments // PLACES != segment:
            continue
        if is_flat:
            if start is None or partition != start[0]:
                yield shelf.rows[partition]
            continue
        sorts = shelf.partitions[partition]
        first = 0
        if start is not None and partition == start[0]:
            first = bisect_right(sorts, start[1])
        find = reading.record_at(shelf, partition)
        for sort in islice(sorts, first, None):
            yield find(sort)
