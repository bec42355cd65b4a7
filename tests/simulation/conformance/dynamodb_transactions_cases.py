"""What DynamoDB promises of transactions.

Sources: the developer guide, "Amazon DynamoDB Transactions: How it works"; the API reference of
TransactWriteItems (its cancellation reasons, ClientRequestToken) and TransactGetItems.
"""

from typing import Any

import pytest

from tests.simulation.conformance.a_table import (
    INVALID,
    ATable,
    a_table,
    given,
    index,
    plain,
    written,
)
from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

CANCELLED = "TransactionCanceledException"


def _put(table: ATable, condition: str = "", **values: Any) -> dict[str, Any]:
    more = {"ConditionExpression": condition} if condition else {}
    return {"Put": {"TableName": table.name, "Item": written(**values), **more}}


def _update(table: ATable, expression: str, *, key: str = "a", **values: Any) -> dict[str, Any]:
    more = {"ExpressionAttributeValues": given(**values)} if values else {}
    return {
        "Update": {
            "TableName": table.name,
            "Key": written(pk=key),
            "UpdateExpression": expression,
            **more,
        }
    }


def _delete(table: ATable, key: str = "a", **more: Any) -> dict[str, Any]:
    return {"Delete": {"TableName": table.name, "Key": written(pk=key), **more}}


def _check(table: ATable, condition: str, key: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "ConditionCheck": {
            "TableName": table.name,
            "Key": written(pk=key),
            "ConditionExpression": condition,
            **more,
        }
    }


def _write(table: ATable, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = table.client.transact_write_items(TransactItems=list(items), **more)
    return answer


def _reasons(table: ATable, *items: dict[str, Any]) -> list[dict[str, Any]]:
    with pytest.raises(table.client.exceptions.ClientError) as caught:
        _write(table, *items)
    assert caught.value.response["Error"]["Code"] == CANCELLED
    reasons: list[dict[str, Any]] = caught.value.response["CancellationReasons"]
    return reasons


def _codes(table: ATable, *items: dict[str, Any]) -> list[str]:
    return [reason["Code"] for reason in _reasons(table, *items)]


def case_a_transaction_does_all_its_writes(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="old")
    table.puts(pk="u", v=1)
    _write(
        table,
        _put(table, pk="a"),
        _update(table, "SET v = v + :x", key="u", x=1),
        _delete(table, "old"),
    )
    assert (table.item(pk="a"), table.item(pk="u")) == ({"pk": "a"}, {"pk": "u", "v": 2})
    assert table.item(pk="old") is None


def case_a_transaction_spans_tables(backend: Backend) -> None:
    one, other = a_table(backend), a_table(backend)
    _write(one, _put(one, pk="a"), _put(other, pk="a"))
    assert (one.item(), other.item()) == ({"pk": "a"}, {"pk": "a"})


def case_a_failed_condition_cancels_everything(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="b")
    assert _codes(
        table, _put(table, pk="a"), _put(table, "attribute_not_exists(pk)", pk="b", v=1)
    ) == ["None", "ConditionalCheckFailed"]
    assert (table.item(pk="a"), table.item(pk="b")) == (None, {"pk": "b"})


def case_every_write_has_its_reason_in_order(backend: Backend) -> None:
    table = a_table(backend)
    assert _codes(
        table,
        _check(table, "attribute_exists(pk)", "a"),
        _put(table, pk="b"),
        _check(table, "attribute_exists(pk)", "c"),
    ) == ["ConditionalCheckFailed", "None", "ConditionalCheckFailed"]


def case_a_reason_shows_the_item_when_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    put = _put(table, "attribute_not_exists(pk)", pk="a")
    put["Put"]["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    (reason,) = _reasons(table, put)
    assert plain(reason["Item"]) == {"pk": "a", "v": 1}


def case_a_reason_shows_no_item_unless_asked(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    (reason,) = _reasons(table, _put(table, "attribute_not_exists(pk)", pk="a"))
    assert "Item" not in reason


def case_a_check_changes_nothing(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    _write(table, _check(table, "attribute_exists(v)"), _put(table, pk="b"))
    assert (table.item(), table.item(pk="b")) == ({"pk": "a", "v": 1}, {"pk": "b"})


def case_a_check_makes_no_item(backend: Backend) -> None:
    table = a_table(backend)
    _write(table, _check(table, "attribute_not_exists(pk)"))
    assert table.item() is None


def case_conditions_see_the_items_before_the_transaction(backend: Backend) -> None:
    table = a_table(backend)
    assert _codes(table, _put(table, pk="a"), _check(table, "attribute_exists(pk)", "b")) == [
        "None",
        "ConditionalCheckFailed",
    ]
    _write(table, _put(table, pk="b"), _check(table, "attribute_not_exists(pk)", "a"))


def case_a_delete_may_have_a_condition(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1)
    guarded = {
        "ConditionExpression": "v = :v",
        "ExpressionAttributeValues": given(v=2),
    }
    assert _codes(table, _delete(table, **guarded)) == ["ConditionalCheckFailed"]
    assert table.item() is not None


def case_an_item_stands_once_in_a_transaction(backend: Backend) -> None:
    table = a_table(backend)
    with refused(INVALID):
        _write(table, _put(table, pk="a"), _delete(table))
    with refused(INVALID):
        _write(table, _put(table, pk="a"), _check(table, "attribute_exists(pk)"))


def case_a_transaction_has_a_hundred_writes(backend: Backend) -> None:
    table = a_table(backend)
    _write(table, *(_put(table, pk=str(number)) for number in range(100)))
    assert table.item(pk="99") == {"pk": "99"}
    with refused(INVALID):
        _write(table, *(_put(table, pk=str(number)) for number in range(101)))


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="what is wrong with one write is its cancellation reason, ValidationError",
)
def case_an_update_that_cannot_be_done_is_a_reason(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v="text")
    assert _codes(table, _put(table, pk="b"), _update(table, "SET v = v + :x", x=1)) == [
        "None",
        "ValidationError",
    ]
    assert table.item(pk="b") is None


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="what is wrong with one write is its cancellation reason, ValidationError",
)
def case_an_item_without_its_key_is_a_reason(backend: Backend) -> None:
    table = a_table(backend)
    assert _codes(table, _put(table, v=1)) == ["ValidationError"]


@differs(MOTO, because="an illegal expression refuses the request: a ValidationException")
def case_a_syntax_error_refuses_the_request(backend: Backend) -> None:
    table = a_table(backend)
    with refused(INVALID):
        _write(table, _put(table, "attribute_not_exists(", pk="a"))


@differs(MOTO, because="an illegal expression refuses the request: a ValidationException")
def case_an_unused_value_refuses_the_request(backend: Backend) -> None:
    table = a_table(backend)
    with refused(INVALID):
        _write(table, _update(table, "REMOVE v", x=1))


def case_a_transaction_on_an_unknown_table_is_not_found(backend: Backend) -> None:
    client = backend.client("dynamodb")
    unknown = ATable(client, backend.unique("never-made"))
    with refused("ResourceNotFoundException"):
        _write(unknown, _put(unknown, pk="a"))


@differs(LOCAL_CLOUD, because="a key cannot be updated")
def case_a_key_may_not_be_updated_by_a_transaction(backend: Backend) -> None:
    table = a_table(backend)
    with pytest.raises(table.client.exceptions.ClientError) as caught:
        _write(table, _update(table, "SET pk = :x", x="b"))
    assert caught.value.response["Error"]["Code"] in {INVALID, CANCELLED}


@differs(
    MOTO,
    because="a token names a transaction for ten minutes: repeated it succeeds and does nothing",
)
def case_a_repeated_token_does_nothing_again(backend: Backend) -> None:
    table = a_table(backend)
    for _ in range(2):
        _write(table, _update(table, "ADD n :x", x=1), ClientRequestToken="a-token")
    assert table.item() == {"pk": "a", "n": 1}


@differs(
    MOTO,
    because="a token names a transaction for ten minutes: repeated it succeeds and does nothing",
)
def case_a_repeated_token_succeeds_whatever_the_item_is_now(backend: Backend) -> None:
    table = a_table(backend)
    put = _put(table, "attribute_not_exists(pk)", pk="a")
    for _ in range(2):
        _write(table, put, ClientRequestToken="another-token")
    assert table.item() == {"pk": "a"}


@differs(
    MOTO,
    because="a token names a transaction for ten minutes: repeated it succeeds and does nothing",
)
def case_a_token_is_for_one_transaction(backend: Backend) -> None:
    table = a_table(backend)
    _write(table, _update(table, "ADD n :x", x=1), ClientRequestToken="one-of-it")
    with refused("IdempotentParameterMismatchException"):
        _write(table, _update(table, "ADD n :x", x=2), ClientRequestToken="one-of-it")


def case_another_token_is_another_transaction(backend: Backend) -> None:
    table = a_table(backend)
    for token in ("first-token", "second-token"):
        _write(table, _update(table, "ADD n :x", x=1), ClientRequestToken=token)
    assert table.item() == {"pk": "a", "n": 2}


def case_indexes_follow_a_transaction(backend: Backend) -> None:
    table = a_table(backend, indexes=[index("by_owner", "owner_id")], others={"owner_id": "S"})
    _write(table, _put(table, pk="a", owner_id="o"))
    answer = table.query(
        "owner_id = :o", ExpressionAttributeValues=given(o="o"), IndexName="by_owner"
    )
    assert answer["Count"] == 1


def _get(table: ATable, *keys: str, **more: Any) -> list[dict[str, Any]]:
    items = [{"Get": {"TableName": table.name, "Key": written(pk=key), **more}} for key in keys]
    answers: list[dict[str, Any]] = table.client.transact_get_items(TransactItems=items)[
        "Responses"
    ]
    return answers


def case_a_transaction_reads_in_its_order(backend: Backend) -> None:
    table = a_table(backend)
    for key in ("a", "b"):
        table.puts(pk=key)
    found = _get(table, "b", "gone", "a")
    assert [answer.get("Item", {}).get("pk") for answer in found] == [
        {"S": "b"},
        None,
        {"S": "a"},
    ]


@differs(MOTO, because="a Get of a transaction may have a ProjectionExpression")
def case_a_transaction_projects(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a", v=1, w=2)
    (found,) = _get(table, "a", ProjectionExpression="w")
    assert plain(found["Item"]) == {"w": 2}


@differs(MOTO, because="a transaction reads up to 100 items")
def case_a_transaction_reads_a_hundred_items(backend: Backend) -> None:
    table = a_table(backend)
    assert len(_get(table, *(str(number) for number in range(100)))) == 100
    with refused(INVALID):
        _get(table, *(str(number) for number in range(101)))
