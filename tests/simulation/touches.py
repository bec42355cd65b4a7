"""What a call of AWS or of a platform reads and writes, as far as another call could notice.

Where it is not known exactly, more is said to be touched: then more orders are played than would
be needed, and none is missed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.journal import SKIP_MARK
from tests.simulation.sleep_sets import Call, Resource, Touch

READS, WRITES, ADDS = Touch.READS, Touch.WRITES, Touch.ADDS
STAGE = "afterloan-test-"
COUNTED = frozenset(("throttles",))
"""Tables in which things are only added up; nobody comes near what stops him."""

KEYS = {
    table.Meta.table_name.removeprefix(STAGE): tuple(
        attribute.attr_name
        for attribute in table.get_attributes().values()
        if attribute.is_hash_key or attribute.is_range_key
    )
    for table in tables.TABLES
}
Touches = Iterator[tuple[Resource, Touch]]
Parameters = Mapping[str, Any]


class UnknownCallError(BaseException):
    """Nobody has said what such a call touches; no `except Exception` of a handler may catch it."""


def call_of(service: str, operation: str, parameters: Parameters) -> Call:
    """Describe a call that is about to be made.

    :raises UnknownCallError: if it is not known what it touches.
    """
    try:
        touches = frozenset(_TOUCHES[service](operation, parameters))
    except Exception as error:
        raise UnknownCallError(f"{service} {operation} {parameters}") from error
    named = sorted({"/".join(resource[1:]) for resource, touch in touches if touch is not ADDS})
    return Call(says=f"{operation} {', '.join(named)}".strip(), touches=touches)


def _of_dynamodb(operation: str, given: Parameters) -> Touches:
    if operation == "BatchGetItem":
        for table, wanted in given["RequestItems"].items():
            for key in wanted["Keys"]:
                yield _item(_short(table), key), READS
        return
    table = _short(given["TableName"])
    if operation in {"Query", "Scan"}:
        yield from _queried(table, operation, given)
    elif operation == "GetItem":
        yield _item(table, given["Key"]), READS
    elif operation in {"PutItem", "UpdateItem", "DeleteItem"}:
        key = given.get("Key") or given["Item"]
        yield _item(table, key), ADDS if table in COUNTED else WRITES
        # Whoever lists a partition, or an index, sees what is put there.
        yield _partition(table, key), ADDS
        yield (table, "all"), ADDS
    else:
        yield (table, "all"), WRITES


def _queried(table: str, operation: str, given: Parameters) -> Touches:
    if operation == "Scan" or "IndexName" in given:
        yield (table, "all"), READS
        return
    names = {attribute: short for short, attribute in given["ExpressionAttributeNames"].items()}
    asked = re.search(rf"{names[KEYS[table][0]]} = (:\d+)", given["KeyConditionExpression"])
    assert asked, given
    partition = _plain(given["ExpressionAttributeValues"][asked[1]])
    between = _order_and_skip(given)
    if table == "journal" and between:
        for order_no in between:  # an order's result and its skip: no other lies between
            yield (table, partition, order_no), READS
    else:
        yield (table, "partition", partition), READS


def _order_and_skip(given: Parameters) -> tuple[str, ...]:
    if " BETWEEN :1 AND :2" not in given["KeyConditionExpression"]:
        return ()
    values = given["ExpressionAttributeValues"]
    found = _plain(values[":1"]), _plain(values[":2"])
    return found if found[1] == found[0] + SKIP_MARK else ()


def _of_s3(operation: str, given: Parameters) -> Touches:
    if operation == "ListObjectsV2":
        yield ("s3", "all"), READS
    elif operation in {"GetObject", "HeadObject"}:
        yield ("s3", given["Key"]), READS
    else:
        yield ("s3", given["Key"]), WRITES
        yield ("s3", "all"), ADDS
        if isinstance(source := given.get("CopySource"), Mapping):
            yield ("s3", source["Key"]), READS


def _of_sqs(operation: str, given: Parameters) -> Touches:
    if operation == "GetQueueAttributes":
        yield queue_of(given["QueueUrl"]), READS
    elif operation != "GetQueueUrl":
        yield queue_of(given["QueueUrl"]), ADDS


def _of_sns(operation: str, given: Parameters) -> Touches:
    yield queue_of("notices"), ADDS


def _of_payments(operation: str, given: Parameters) -> Touches:
    body = json.loads(given["body"] or b"{}")
    yield ("order", body.get("order_no") or operation.split("/")[3]), WRITES
    if "agreement_no" in body:  # its next order takes its next outcome
        yield ("agreement", body["agreement_no"]), WRITES


def _of_texts(operation: str, given: Parameters) -> Touches:
    body = json.loads(given["body"] or b"{}")
    text = body.get("message_id") or operation.rpartition("/")[2].replace("%23", "#")
    yield ("text", text), WRITES if body else READS
    if body:
        yield ("phone", body["phone"]), WRITES


def queue_of(name: str) -> Resource:
    """Name a queue by its URL, or by its short name."""
    return "queue", name.rpartition("/")[2].removeprefix(STAGE)


def key_of(given: Parameters) -> Mapping[str, Any]:
    """Read the key of the item that a call of DynamoDB writes."""
    if "Key" in given:
        return given["Key"]  # type: ignore[no-any-return]
    return {name: given["Item"][name] for name in KEYS[_short(given["TableName"])]}


def _short(table: str) -> str:
    return table.removeprefix(STAGE)


def _item(table: str, key: Mapping[str, Any]) -> Resource:
    return (table, *(_plain(key[name]) for name in KEYS[table]))


def _partition(table: str, key: Mapping[str, Any]) -> Resource:
    return table, "partition", _plain(key[KEYS[table][0]])


def _plain(value: Mapping[str, Any]) -> str:
    return str(next(iter(value.values())))


_TOUCHES = {
    "dynamodb": _of_dynamodb,
    "s3": _of_s3,
    "sqs": _of_sqs,
    "sns": _of_sns,
    "payment": _of_payments,
    "funder": _of_payments,
    "sms": _of_texts,
}
