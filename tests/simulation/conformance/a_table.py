"""A DynamoDB table for the cases, spoken to in plain Python values.

Where a case is about how a value is written it gives and gets DynamoDB's own form.
"""

from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.simulation.conformance.backends import Backend

INVALID = "ValidationException"
FAILED = "ConditionalCheckFailedException"
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def written(**values: Any) -> dict[str, Any]:
    """Write an item, or a key, as DynamoDB has it."""
    return {name: _serialize(value) for name, value in values.items()}


def given(**values: Any) -> dict[str, Any]:
    """Write the values of placeholders."""
    return {f":{name}": _serialize(value) for name, value in values.items()}


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """Read an item as Python has it."""
    return {name: _deserialize(value) for name, value in item.items()}


@dataclass(frozen=True)
class ATable:
    """One table, its client, and short words for what cases do with it."""

    client: Any
    name: str

    def puts(self, **values: Any) -> None:
        self.client.put_item(TableName=self.name, Item=written(**values))

    def put(self, item: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.put_item(TableName=self.name, Item=item, **more)
        return answer

    def get(self, key: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_item(
            TableName=self.name, Key=key, **{"ConsistentRead": True, **more}
        )
        return answer

    def item(self, **key: Any) -> dict[str, Any] | None:
        """Get an item, or None."""
        found = self.get(written(**(key or {"pk": "a"}))).get("Item")
        return None if found is None else plain(found)

    def stores(self, value: dict[str, Any]) -> dict[str, Any]:
        """Store a value, and give it as it is stored."""
        self.put({"pk": {"S": "a"}, "v": value})
        stored: dict[str, Any] = self.get({"pk": {"S": "a"}})["Item"]["v"]
        return stored

    def update(
        self, expression: str | None, key: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        if expression is not None:
            more["UpdateExpression"] = expression
        answer: dict[str, Any] = self.client.update_item(
            TableName=self.name, Key=key or {"pk": {"S": "a"}}, **more
        )
        return answer

    def delete(self, key: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.delete_item(
            TableName=self.name, Key=key or {"pk": {"S": "a"}}, **more
        )
        return answer

    def meets(self, condition: str, *, names: dict[str, str] | None = None, **values: Any) -> bool:
        """Say whether the item `a` meets a condition."""
        more: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
        if values:
            more["ExpressionAttributeValues"] = given(**values)
        try:
            self.update("REMOVE never_there", ConditionExpression=condition, **more)
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != FAILED:
                raise
            return False
        return True

    def query(self, condition: str = "pk = :pk", **more: Any) -> dict[str, Any]:
        more.setdefault("ExpressionAttributeValues", given(pk="a"))
        answer: dict[str, Any] = self.client.query(
            TableName=self.name, KeyConditionExpression=condition, **more
        )
        return answer

    def sorts(self, condition: str = "pk = :pk", *, index: str = "", **values: Any) -> list[Any]:
        """Query, and give the sort keys found, in their order."""
        more = {"IndexName": index} if index else {}
        answer = self.query(
            condition, ExpressionAttributeValues=given(**({"pk": "a"} | values)), **more
        )
        return [plain(item)["sk"] for item in answer["Items"]]

    def scan(self, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.scan(TableName=self.name, **more)
        return answer


def keys(hash_name: str, range_name: str = "") -> list[dict[str, str]]:
    schema = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": range_name, "KeyType": "RANGE"}] if range_name else schema


def index(name: str, hash_name: str, range_name: str = "", **projection: Any) -> dict[str, Any]:
    """Describe an index; all attributes are projected unless it is said otherwise."""
    return {
        "IndexName": name,
        "KeySchema": keys(hash_name, range_name),
        "Projection": projection or {"ProjectionType": "ALL"},
    }


def a_table(
    backend: Backend,
    *,
    pk: str = "S",
    sk: str = "",
    indexes: list[dict[str, Any]] | None = None,
    others: dict[str, str] | None = None,
    called: str = "table",
    **more: Any,
) -> ATable:
    """Create a table with the keys `pk` and (if its type is given) `sk`."""
    client = backend.client("dynamodb")
    types = {"pk": pk} | ({"sk": sk} if sk else {}) | (others or {})
    if indexes:
        more["GlobalSecondaryIndexes"] = indexes
    name = backend.unique(called)
    client.create_table(
        **{
            "TableName": name,
            "KeySchema": keys("pk", "sk" if sk else ""),
            "AttributeDefinitions": [
                {"AttributeName": attribute, "AttributeType": kind}
                for attribute, kind in types.items()
            ],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }
    )
    return ATable(client, name)
