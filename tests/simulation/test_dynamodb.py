"""The simulated DynamoDB beyond what AWS's documentation says: streams, snapshots, digests."""

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.simulation.aws.calls import NotSimulatedError
from tests.simulation.conformance.a_table import given, index, plain, written
from tests.simulation.dynamodb_home import TABLE, Home, home_with_lags

BY_DAY = "by_day"


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
