"""Transactions: everything is planned, then decided, then done; or nothing is.

A token names a transaction for ten minutes, so that one whose answer was lost is not done twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ParamValidationError

from tests.simulation.aws.dynamodb_capacity import Bill, read_units
from tests.simulation.aws.dynamodb_compiled import compiled
from tests.simulation.aws.dynamodb_refusals import (
    CONDITION_MESSAGE,
    ConditionFailedError,
    InvalidError,
    RefusedError,
)
from tests.simulation.aws.dynamodb_tables import Table
from tests.simulation.aws.dynamodb_updates import projected
from tests.simulation.aws.dynamodb_writes import Plan, check, delete, put, update
from tests.simulation.aws.operations import check_understood

Parameters = Mapping[str, Any]
ITEMS_MAX = 100
BYTES_MAX = 4 * 1024 * 1024
TOKEN_SECONDS = 600.0
TOKEN_CHARACTERS_MAX = 36
UNITS_TIMES = 2
COMMON = (
    "TableName ConditionExpression ExpressionAttributeNames ExpressionAttributeValues "
    "ReturnValuesOnConditionCheckFailure "
)
ACTIONS: Mapping[str, tuple[Callable[[Table, Parameters], Plan], frozenset[str]]] = {
    name: (make, frozenset((COMMON + own).split()))
    for name, make, own in (
        ("Put", put, "Item"),
        ("Update", update, "Key UpdateExpression"),
        ("Delete", delete, "Key"),
        ("ConditionCheck", check, "Key"),
    )
}
GET = frozenset(("TableName", "Key", "ProjectionExpression", "ExpressionAttributeNames"))
NO_REASON = {"Code": "None"}
Find = Callable[[str], Table]


def check_number(items: Sequence[Any]) -> None:
    """Refuse none, and more than a hundred."""
    if not items:
        raise ParamValidationError(report="Invalid length for parameter TransactItems, value: 0")
    if len(items) > ITEMS_MAX:
        raise InvalidError(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            f"Member must have length less than or equal to {ITEMS_MAX}"
        )


def decided(items: Sequence[Parameters], find: Find) -> list[Plan]:
    """Plan and decide on every write of a transaction.

    :raises InvalidError: if the request is none, or names an item twice.
    :raises RefusedError: as a cancelled transaction, with a reason for each of its writes.
    """
    plans = [_planned(item, find) for item in items]
    reasons = [_reason(plan.find) for plan in plans]
    _cancel_for(reasons)
    places = {(plan.table.name, plan.key) for plan in plans}
    if len(places) < len(plans):
        raise InvalidError("Transaction request cannot include multiple operations on one item")
    _cancel_for([_reason(plan.decide) for plan in plans])
    if sum(plan.new.size for plan in plans if plan.new and plan.new is not plan.old) > BYTES_MAX:
        raise InvalidError("Transaction request size exceeds the maximum of 4 MB")
    return plans


def _planned(item: Parameters, find: Find) -> Plan:
    if len(item) != 1:
        raise InvalidError("TransactItems can only contain one of Check, Put, Update or Delete")
    ((action, parameters),) = item.items()
    make, understood = ACTIONS[action]
    check_understood(parameters, understood, f"dynamodb {action}")
    return make(find(parameters["TableName"]), parameters)


def _reason(step: Callable[[], object]) -> Mapping[str, Any]:
    try:
        step()
    except ConditionFailedError as error:
        return {"Code": "ConditionalCheckFailed", "Message": CONDITION_MESSAGE, **error.more}
    except InvalidError as error:
        return {"Code": "ValidationError", "Message": error.message}
    return NO_REASON


def _cancel_for(reasons: list[Mapping[str, Any]]) -> None:
    if all(reason is NO_REASON for reason in reasons):
        return
    codes = ", ".join(reason["Code"] for reason in reasons)
    raise RefusedError(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        Message=f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=[dict(reason) for reason in reasons],
    )


def written(plans: Sequence[Plan], bill: Bill) -> None:
    """Count what a transaction's writes cost."""
    for plan in plans:
        bill.wrote(plan.table, plan.old, plan.new, times=UNITS_TIMES)


class Tokens:
    """The transactions done in the last ten minutes, by their tokens."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[float, str]] = {}

    def is_done(self, token: str, items: Sequence[Parameters], now: float) -> bool:
        """Say whether this very transaction was done.

        :raises RefusedError: if another one was, under the same token.
        """
        if not 1 <= len(token) <= TOKEN_CHARACTERS_MAX:
            raise InvalidError(
                "1 validation error detected: Value at 'clientRequestToken' failed to satisfy "
                f"constraint: Member must have length between 1 and {TOKEN_CHARACTERS_MAX}"
            )
        at, said = self.done.get(token, (float("-inf"), ""))
        if now >= at + TOKEN_SECONDS:
            return False
        if said != repr(items):
            raise RefusedError(
                "IdempotentParameterMismatchException",
                "Request parameters do not match those of an earlier request with this token",
            )
        return True

    def remember(self, token: str, items: Sequence[Parameters], now: float) -> None:
        """Remember a transaction that was done; forget those of long ago."""
        self.done = {
            each: kept for each, kept in self.done.items() if now < kept[0] + TOKEN_SECONDS
        }
        self.done[token] = (now, repr(items))


def read_again(items: Sequence[Parameters], find: Find, bill: Bill) -> None:
    """Count what a repeated transaction costs: it reads its items."""
    for item in items:
        ((_, parameters),) = item.items()
        table = find(parameters["TableName"])
        given = parameters.get("Key") or {
            name: parameters["Item"][name] for name in table.schema.names
        }
        _read(table, given, bill)


def _read(table: Table, key: Parameters, bill: Bill) -> Any:
    record = table.shelf.rows.get(table.key_given(key))
    size = record.size if record else 0
    bill.counts(table, read_units(size, consistent=True) * UNITS_TIMES)
    return record


def got(items: Sequence[Parameters], find: Find, bill: Bill) -> list[dict[str, Any]]:
    """Read a transaction's items, in its order.

    :raises RefusedError: as a cancelled transaction, if a key is none of its table.
    """
    gets = []
    for item in items:
        parameters = item["Get"]
        check_understood(parameters, GET, "dynamodb Get")
        gets.append((find(parameters["TableName"]), parameters, compiled(parameters)))
    records: list[Any] = []

    def read(table: Table, key: Parameters) -> None:
        records.append(_read(table, key, bill))

    _cancel_for([_reason(lambda t=table, p=given: read(t, p["Key"])) for table, given, _ in gets])
    return [
        {}
        if record is None
        else {
            "Item": record.copy()
            if code.projection is None
            else projected(code.projection, record.item)
        }
        for record, (_, _, code) in zip(records, gets, strict=True)
    ]
