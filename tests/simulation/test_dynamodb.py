"""The simulated DynamoDB beyond what AWS's documentation says: lag, streams, snapshots, digests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.simulation.aws.calls import NotSimulatedError
from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.conformance.a_table import given, index, keys, plain, written

TABLE = "loans"
BY_OWNER, BY_DAY = "by_owner", "by_day"
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


class TestALaggingReader:
    def test_sees_no_new_item_until_its_lag_is_over(self):
        home = home_with_lags(5.0)
        home.puts(1, owner_id="o")

        before = home.gets(), home.queries(), home.scans(), home.batch(), home.of_owner()
        home.now += 5
        after = home.gets(), home.queries(), home.scans(), home.batch(), home.of_owner()

        assert before == (None, [], [], [], [])
        assert after == (1, [1], [1], [1], [1])

    def test_sees_the_item_as_it_was_before_a_change(self):
        home = home_with_lags(0.0, 5.0)
        home.puts(1, owner_id="o")
        home.puts(2, owner_id="p")
        home.now += 4.9

        assert (home.gets(), home.queries(), home.scans(), home.batch()) == (1, [1], [1], [1])
        assert (home.of_owner("o"), home.of_owner("p")) == ([1], [])

    def test_sees_a_deleted_item_until_its_lag_is_over(self):
        home = home_with_lags(0.0, 5.0)
        home.puts(1, owner_id="o")
        home.deletes()

        assert (home.gets(), home.queries(), home.of_owner()) == (1, [1], [1])
        home.now += 5
        assert (home.gets(), home.queries(), home.of_owner()) == (None, [], [])

    def test_sees_the_versions_of_an_item_in_their_order(self):
        """A later write with a shorter lag does not overtake the one before it."""
        home = home_with_lags(10.0, 2.0)
        home.puts(1)
        home.now += 1
        home.puts(2)

        seen = []
        for _ in range(12):
            seen.append(home.gets())
            home.now += 1
        assert seen == [None] * 9 + [2] * 3

    def test_sees_each_version_in_its_time(self):
        home = home_with_lags(1.0, 5.0)
        home.puts(1)
        home.puts(2)
        home.now += 1

        assert home.gets() == 1
        home.now += 4
        assert home.gets() == 2

    def test_does_not_see_an_item_that_came_and_went(self):
        home = home_with_lags(5.0, 5.0)
        home.puts(1)
        home.deletes()

        assert home.queries() == []
        home.now += 5
        assert home.queries() == []

    def test_keeps_the_order_of_a_partition(self):
        home = home_with_lags(0.0, 5.0, 0.0, 5.0)
        home.puts(1, sk=1)
        home.puts(2, sk=2)
        home.puts(3, sk=3)
        home.deletes(sk=1)

        assert home.queries() == [1, 3]
        assert home.queries(consistent=True) == [2, 3]

    def test_of_another_item_is_not_held_up(self):
        home = home_with_lags(5.0, 0.0)
        home.puts(1, sk=1)
        home.puts(2, sk=2)

        assert home.queries() == [2]


class TestAConsistentReader:
    def test_sees_every_write_at_once(self):
        home = home_with_lags(5.0)
        home.puts(1)

        assert (home.gets(consistent=True), home.queries(consistent=True)) == (1, [1])

    def test_is_a_condition(self):
        home = home_with_lags(5.0)
        home.puts(1)

        with pytest.raises(ClientError):
            home.call(
                "PutItem",
                TableName=TABLE,
                Item=written(pk="a", sk=1),
                ConditionExpression="attribute_not_exists(pk)",
            )

    def test_is_a_transaction(self):
        home = home_with_lags(5.0)
        home.puts(1)
        key = written(pk="a", sk=1)

        answer = home.call(
            "TransactGetItems", TransactItems=[{"Get": {"TableName": TABLE, "Key": key}}]
        )

        assert plain(answer["Responses"][0]["Item"])["v"] == 1


class TestAStream:
    def test_tells_what_became_of_items(self):
        home = Home()
        home.puts(1)
        home.puts(2)
        home.deletes()

        assert home.events() == ["INSERT", "MODIFY", "REMOVE"]

    def test_shows_keys_and_images_as_a_lambda_is_given_them(self):
        home = Home()
        home.puts(1)
        home.puts(b"\x00")

        first, second = home.dynamodb.stream(TABLE)

        assert first["dynamodb"]["Keys"] == written(pk="a", sk=1)
        assert first["dynamodb"]["NewImage"] == written(pk="a", sk=1, v=1)
        assert "OldImage" not in first["dynamodb"]
        assert second["dynamodb"]["OldImage"] == written(pk="a", sk=1, v=1)
        assert second["dynamodb"]["NewImage"]["v"] == {"B": "AA=="}
        assert first["dynamodb"]["SequenceNumber"] < second["dynamodb"]["SequenceNumber"]
        assert first["eventSourceARN"].startswith("arn:aws:dynamodb:")
        assert f":table/{TABLE}/stream/" in first["eventSourceARN"]

    @pytest.mark.parametrize(
        ("view", "shown"),
        [
            ("KEYS_ONLY", set()),
            ("NEW_IMAGE", {"NewImage"}),
            ("OLD_IMAGE", {"OldImage"}),
            ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
        ],
    )
    def test_shows_what_its_view_says(self, view, shown):
        home = Home()
        home.creates("other", view=view)
        for v in (1, 2):
            home.call("PutItem", TableName="other", Item=written(pk="a", sk=1, v=v))

        change = home.dynamodb.stream("other")[1]["dynamodb"]

        assert change.keys() & {"NewImage", "OldImage"} == shown

    def test_says_nothing_of_a_write_that_changes_nothing(self):
        home = Home()
        home.puts(1)
        home.puts(1)
        home.deletes(sk=9)

        assert home.events() == ["INSERT"]

    def test_says_nothing_of_a_write_that_was_refused(self):
        home = Home()
        with pytest.raises(ClientError):
            home.call(
                "UpdateItem",
                TableName=TABLE,
                Key=written(pk="a", sk=1),
                ConditionExpression="attribute_exists(pk)",
            )

        assert home.events() == []

    def test_is_taken_from_its_oldest_end(self):
        home = Home()
        for v in range(5):
            home.puts(v)

        taken = home.dynamodb.take_stream(TABLE, 2)

        assert [record["dynamodb"]["NewImage"]["v"] for record in taken] == [
            {"N": "0"},
            {"N": "1"},
        ]
        assert len(home.dynamodb.stream(TABLE)) == 3

    def test_is_kept_only_where_it_was_asked_for(self):
        home = Home()
        home.creates("other")
        home.call("PutItem", TableName="other", Item=written(pk="a", sk=1))

        assert home.dynamodb.stream("other") == []


class TestASnapshot:
    def test_brings_everything_back(self):
        home = Home()
        home.puts(1, owner_id="o")
        home.puts(2, sk=2)
        snapshot = home.dynamodb.snapshot()
        before = home.dynamodb.digest()

        home.puts(9, owner_id="p")
        home.deletes(sk=2)
        home.puts(3, sk=3)
        home.dynamodb.restore(snapshot)

        assert home.dynamodb.digest() == before
        assert (home.queries(), home.of_owner("o"), home.of_owner("p")) == ([1, 2], [1], [])
        assert home.events() == ["INSERT", "INSERT"]

    def test_may_be_restored_again_and_again(self):
        home = Home()
        home.puts(1)
        snapshot = home.dynamodb.snapshot()

        for sk in (2, 3):
            home.puts(sk, sk=sk)
            assert home.queries() == [1, sk]
            home.dynamodb.restore(snapshot)
            assert home.queries() == [1]

    def test_does_not_change_with_what_comes_after(self):
        home = Home()
        home.puts(1)
        first = home.dynamodb.snapshot()
        home.puts(2, sk=2)
        second = home.dynamodb.snapshot()
        home.deletes()

        home.dynamodb.restore(second)
        assert home.queries() == [1, 2]
        home.dynamodb.restore(first)
        assert home.queries() == [1]

    @pytest.mark.parametrize(
        "expression", ["SET v.x = :n", "SET v.l[0] = :n", "REMOVE v.l[0]", "SET v.l[9] = :n"]
    )
    def test_is_not_changed_by_an_update_within_a_document(self, expression):
        home = Home()
        home.puts({"x": 1, "l": [1, 2]})
        snapshot = home.dynamodb.snapshot()

        values = {"ExpressionAttributeValues": given(n=9)} if ":n" in expression else {}
        home.call(
            "UpdateItem",
            TableName=TABLE,
            Key=written(pk="a", sk=1),
            UpdateExpression=expression,
            **values,
        )
        assert home.gets() != {"x": 1, "l": [1, 2]}
        home.dynamodb.restore(snapshot)

        assert home.gets() == {"x": 1, "l": [1, 2]}

    def test_remembers_what_readers_do_not_see_yet(self):
        home = home_with_lags(5.0)
        home.puts(1)
        snapshot = home.dynamodb.snapshot()
        home.now += 5
        assert home.gets() == 1

        home.now -= 5
        home.dynamodb.restore(snapshot)

        assert (home.gets(), home.gets(consistent=True)) == (None, 1)

    def test_forgets_tables_made_later(self):
        home = Home()
        snapshot = home.dynamodb.snapshot()
        home.creates("other")

        home.dynamodb.restore(snapshot)

        assert home.call("ListTables")["TableNames"] == [TABLE]

    def test_remembers_tokens(self):
        home = Home()
        add = {
            "Update": {
                "TableName": TABLE,
                "Key": written(pk="a", sk=1),
                "UpdateExpression": "ADD v :one",
                "ExpressionAttributeValues": given(one=1),
            }
        }
        before = home.dynamodb.snapshot()
        home.call("TransactWriteItems", TransactItems=[add], ClientRequestToken="t")
        home.dynamodb.restore(before)
        home.call("TransactWriteItems", TransactItems=[add], ClientRequestToken="t")

        assert home.gets() == 1


class TestADigest:
    def test_is_the_same_for_the_same_items_however_they_came(self):
        one, other = Home(), Home()
        one.puts(1, sk=1)
        one.puts({"b", "a", "c"}, sk=2)
        other.puts({"c", "a", "b"}, sk=2)
        other.puts(7, sk=1)
        other.puts(1, sk=1)

        assert one.dynamodb.digest() == other.dynamodb.digest()

    def test_differs_where_an_item_does(self):
        one, other = Home(), Home()
        one.puts(1)
        other.puts("1")

        assert len({one.dynamodb.digest(), other.dynamodb.digest(), Home().dynamodb.digest()}) == 3

    def test_is_the_same_in_every_process(self):
        home = Home()
        home.puts({"x": [1, b"\x00", None]})

        assert home.dynamodb.digest() == "1cbd1a48487902a0fd786ace67b14192"


class TestClearing:
    def test_leaves_empty_tables(self):
        home = home_with_lags(0.0, 5.0)
        home.puts(1, owner_id="o")
        home.puts(2, owner_id="o")

        home.dynamodb.clear()

        assert home.dynamodb.digest() == Home().dynamodb.digest()
        assert (home.queries(), home.of_owner(), home.events()) == ([], [], [])
        assert list(home.dynamodb.items(TABLE)) == []


class TestATokenOfATransaction:
    @pytest.mark.parametrize(("seconds", "counted"), [(599.0, 1), (600.0, 2)])
    def test_is_remembered_for_ten_minutes(self, seconds, counted):
        home = Home()
        add = {
            "Update": {
                "TableName": TABLE,
                "Key": written(pk="a", sk=1),
                "UpdateExpression": "ADD v :one",
                "ExpressionAttributeValues": given(one=1),
            }
        }
        for _ in range(2):
            home.call("TransactWriteItems", TransactItems=[add], ClientRequestToken="t")
            home.now += seconds

        assert home.gets(consistent=True) == counted


class TestALocalIndex:
    @pytest.fixture
    def home(self):
        home = home_with_lags(5.0)
        home.creates(
            "days",
            LocalSecondaryIndexes=[
                index(BY_DAY, "pk", "owner_id", ProjectionType="KEYS_ONLY"),
            ],
        )
        home.call(
            "PutItem", TableName="days", Item=written(pk="a", sk=1, owner_id="o", v="x" * 5000)
        )
        return home

    def found(self, home, **more):
        return home.call(
            "Query",
            TableName="days",
            IndexName=BY_DAY,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=given(pk="a"),
            ReturnConsumedCapacity="TOTAL",
            **more,
        )

    def test_may_be_read_consistently(self, home):
        (item,) = self.found(home, ConsistentRead=True)["Items"]

        assert plain(item) == {"pk": "a", "sk": 1, "owner_id": "o"}

    def test_fetches_what_it_does_not_hold(self, home):
        answer = self.found(home, ConsistentRead=True, Select="ALL_ATTRIBUTES")

        assert len(plain(answer["Items"][0])["v"]) == 5000
        assert answer["ConsumedCapacity"]["CapacityUnits"] == 1 + 2


class TestWhatIsNotSimulated:
    def test_an_operation_stops_the_simulation(self):
        with pytest.raises(NotSimulatedError, match="ExecuteStatement"):
            Home().call("ExecuteStatement", Statement="SELECT * FROM loans")

    def test_a_parameter_stops_the_simulation(self):
        with pytest.raises(NotSimulatedError, match="Expected"):
            Home().call("PutItem", TableName=TABLE, Item=written(pk="a", sk=1), Expected={})


class TestAValueOfAWrongPythonType:
    """Botocore would not let it out of the house."""

    @pytest.mark.parametrize(
        "value", [{"N": 5}, {"S": 5}, {"B": 5}, {"BOOL": "true"}, {"L": "x"}, {"M": []}, {"X": "x"}]
    )
    def test_is_refused_as_botocore_does(self, value):
        with pytest.raises(ParamValidationError):
            Home().call("PutItem", TableName=TABLE, Item=written(pk="a", sk=1) | {"v": value})
