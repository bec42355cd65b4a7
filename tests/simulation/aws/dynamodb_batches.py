"""Batches: many single reads or writes in one call, none of which knows of the others."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ParamValidationError

from tests.simulation.aws.dynamodb_capacity import Bill, read_units
from tests.simulation.aws.dynamodb_compiled import compiled
from tests.simulation.aws.dynamodb_refusals import InvalidError
from tests.simulation.aws.dynamodb_tables import Table
from tests.simulation.aws.dynamodb_updates import projected
from tests.simulation.aws.dynamodb_values import Item
from tests.simulation.aws.dynamodb_writes import Plan, delete, put
from tests.simulation.aws.operations import check_understood

Parameters = Mapping[str, Any]
Find = Callable[[str], Table]
KEYS_MAX, WRITES_MAX = 100, 25
GET_BYTES_MAX = 16 * 1024 * 1024
DUPLICATES = "Provided list of item keys contains duplicates"
GET = frozenset(("Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"))


def batch_get(parameters: Parameters, find: Find, now: float) -> dict[str, Any]:
    """Answer a BatchGetItem; the items come in no order worth relying on.

    :raises InvalidError: if it asks for too many keys, or for one twice.
    """
    requests = parameters["RequestItems"]
    if not requests or not all(request["Keys"] for request in requests.values()):
        raise ParamValidationError(report="Invalid length for parameter RequestItems, value: 0")
    if sum(len(request["Keys"]) for request in requests.values()) > KEYS_MAX:
        raise InvalidError("Too many items requested for the BatchGetItem call")
    asked = [_asked(find(name), request) for name, request in requests.items()]
    bill = Bill(parameters.get("ReturnConsumedCapacity"))
    responses: dict[str, list[Item]] = {}
    unprocessed: dict[str, Any] = {}
    room = GET_BYTES_MAX
    for (name, request), (table, keys) in zip(requests.items(), asked, strict=True):
        consistent = bool(request.get("ConsistentRead"))
        paths = compiled(request).projection
        shelf = table.shelf if consistent or not table.late else table.seen_shelf(now)
        items: list[Item] = []
        for number, key in enumerate(keys):
            record = shelf.rows.get(key)
            size = record.size if record else 0
            if size > room:
                unprocessed[name] = {**request, "Keys": request["Keys"][number:]}
                room = -1
                break
            room -= size
            if record:
                items.append(record.copy() if paths is None else projected(paths, record.item))
            if bill.asked:
                bill.counts(table, read_units(size, consistent=consistent))
        items.reverse()
        responses[table.name] = items
    answer: dict[str, Any] = {"Responses": responses, "UnprocessedKeys": unprocessed}
    if bill.asked:
        answer["ConsumedCapacity"] = bill.consumed()
    return answer


def _asked(table: Table, request: Parameters) -> tuple[Table, list[Any]]:
    check_understood(request, GET, "dynamodb BatchGetItem")
    keys = [table.key_given(key) for key in request["Keys"]]
    if len(set(keys)) < len(keys):
        raise InvalidError(DUPLICATES)
    return table, keys


def batch_write(
    parameters: Parameters, find: Find, write: Callable[[Plan], None]
) -> dict[str, Any]:
    """Answer a BatchWriteItem.

    :raises InvalidError: if one of its writes is none, there are too many, or two of one item.
    """
    requests = parameters["RequestItems"]
    if not requests or not all(requests.values()):
        raise ParamValidationError(report="Invalid length for parameter RequestItems, value: 0")
    if sum(len(asked) for asked in requests.values()) > WRITES_MAX:
        raise InvalidError("Too many items requested for the BatchWriteItem call")
    plans = [_planned(find(name), each) for name, asked in requests.items() for each in asked]
    if len({(plan.table.name, plan.find()) for plan in plans}) < len(plans):
        raise InvalidError(DUPLICATES)
    bill = Bill(parameters.get("ReturnConsumedCapacity"))
    for plan in plans:
        plan.decide()
        write(plan)
        if bill.asked:
            bill.wrote(plan.table, plan.old, plan.new)
    answer: dict[str, Any] = {"UnprocessedItems": {}}
    if bill.asked:
        answer["ConsumedCapacity"] = bill.consumed()
    return answer


def _planned(table: Table, asked: Parameters) -> Plan:
    if len(asked) != 1:
        raise InvalidError(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one "
            "of the supported datatypes"
        )
    if "PutRequest" in asked:
        return put(table, {"Item": asked["PutRequest"]["Item"]})
    return delete(table, {"Key": asked["DeleteRequest"]["Key"]})
