"""A table of the simulated DynamoDB for its own tests, on a clock that stands still."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.conformance.a_table import given, index, keys, plain, written

TABLE = "loans"
BY_OWNER = "by_owner"
NO_LAG = repeat(0.0)


@dataclass
class Home:
    """A table with a stream and an index, on a clock that stands still."""

    lags: Iterator[float] = NO_LAG
    now: float = 1_000.0
    dynamodb: DynamoDB = field(init=False)

    def __post_init__(self):
        self.dynamodb = DynamoDB(clock=lambda: self.now, lag=lambda: next(self.lags))
        self.creates(TABLE, view="NEW_AND_OLD_IMAGES")

    def creates(self, name, *, view=None, **more):
        stream = {"StreamEnabled": True, "StreamViewType": view}
        self.call(
            "CreateTable",
            TableName=name,
            KeySchema=keys("pk", "sk"),
            AttributeDefinitions=[
                {"AttributeName": attribute, "AttributeType": kind}
                for attribute, kind in (("pk", "S"), ("sk", "N"), ("owner_id", "S"))
            ],
            GlobalSecondaryIndexes=[index(BY_OWNER, "owner_id")],
            BillingMode="PAY_PER_REQUEST",
            **({"StreamSpecification": stream} if view else {}),
            **more,
        )

    def call(self, operation, **parameters):
        return self.dynamodb.call(operation, parameters)

    def puts(self, v, *, pk="a", sk=1, **more):
        self.call("PutItem", TableName=TABLE, Item=written(pk=pk, sk=sk, v=v, **more))

    def deletes(self, *, pk="a", sk=1):
        self.call("DeleteItem", TableName=TABLE, Key=written(pk=pk, sk=sk))

    def gets(self, *, consistent=False, pk="a", sk=1):
        answer = self.call(
            "GetItem", TableName=TABLE, Key=written(pk=pk, sk=sk), ConsistentRead=consistent
        )
        return plain(answer["Item"])["v"] if "Item" in answer else None

    def queries(self, *, consistent=False, pk="a"):
        answer = self.call(
            "Query",
            TableName=TABLE,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=given(pk=pk),
            ConsistentRead=consistent,
        )
        return [plain(item)["v"] for item in answer["Items"]]

    def of_owner(self, owner="o"):
        answer = self.call(
            "Query",
            TableName=TABLE,
            IndexName=BY_OWNER,
            KeyConditionExpression="owner_id = :o",
            ExpressionAttributeValues=given(o=owner),
        )
        return [plain(item)["v"] for item in answer["Items"]]

    def scans(self):
        return [plain(item)["v"] for item in self.call("Scan", TableName=TABLE)["Items"]]

    def batch(self):
        asked = {TABLE: {"Keys": [written(pk="a", sk=1)]}}
        answer = self.call("BatchGetItem", RequestItems=asked)
        return [plain(item)["v"] for item in answer["Responses"][TABLE]]

    def events(self):
        return [record["eventName"] for record in self.dynamodb.stream(TABLE)]


def home_with_lags(*seconds):
    return Home(lags=iter([*seconds, *[0.0] * 100]))
