"""Who sees a write at once, and who sees the item as it was for a while."""

import pytest
from botocore.exceptions import ClientError

from tests.simulation.conformance.a_table import plain, written
from tests.simulation.dynamodb_home import TABLE, home_with_lags


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
