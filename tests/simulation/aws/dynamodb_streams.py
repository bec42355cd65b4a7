"""The stream of a table, in the shape a Lambda gets its records."""

from base64 import b64encode
from typing import Any

from tests.simulation.aws.dynamodb_tables import Table
from tests.simulation.aws.dynamodb_values import SETS, Item, Record, Value, item_bytes
from tests.simulation.aws.operations import REGION

Written = tuple[int, Record | None, Record | None, float]
"""One write: its number, the item before and after, and when."""

SHOWS_NEW = frozenset(("NEW_IMAGE", "NEW_AND_OLD_IMAGES"))
SHOWS_OLD = frozenset(("OLD_IMAGE", "NEW_AND_OLD_IMAGES"))


def stream_record(table: Table, written: Written) -> dict[str, Any]:
    """Write one record as Lambda is given it: binary values in base64, as JSON has no others."""
    number, old, new, at = written
    view = str(table.stream_view)
    there = new or old
    keys = {name: there.item[name] for name in table.schema.names}
    told: dict[str, Any] = {
        "ApproximateCreationDateTime": float(int(at)),
        "Keys": _in_json(keys),
        "SequenceNumber": f"{number:021d}",
        "StreamViewType": view,
    }
    size = item_bytes(keys)
    if new is not None and view in SHOWS_NEW:
        told["NewImage"] = _in_json(new.item)
        size += new.size
    if old is not None and view in SHOWS_OLD:
        told["OldImage"] = _in_json(old.item)
        size += old.size
    told["SizeBytes"] = size
    return {
        "eventID": f"{table.name}-{number}",
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": told,
        "eventSourceARN": table.description["LatestStreamArn"],
    }


def _in_json(item: Item) -> Item:
    return {name: _value_in_json(value) for name, value in item.items()}


def _value_in_json(value: Value) -> Value:
    ((kind, held),) = value.items()
    match kind:
        case "B":
            return {"B": b64encode(held).decode()}
        case "BS":
            return {"BS": [b64encode(each).decode() for each in held]}
        case "M":
            return {"M": _in_json(held)}
        case "L":
            return {"L": [_value_in_json(each) for each in held]}
        case _:
            return {kind: list(held) if kind in SETS else held}
