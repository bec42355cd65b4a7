"""PynamoDB made faster reads and writes the very same."""

import pytest
from pynamodb.attributes import AttributeContainer
from pynamodb.models import Model

from chalicelib.adapters.dynamodb import tables
from tests.simulation.plan import STORM, draw
from tests.simulation.quick import quick
from tests.simulation.seeds import play

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def stored(world, catalogue):
    """Everything some stormy days have left in the tables, by table."""
    found = {table: [] for table in tables.TABLES}
    for seed in SEEDS:
        play(world, catalogue, draw(seed, weather=STORM, repaying=1.0))
        for table in tables.TABLES:
            found[table] += world.dynamodb.items(table.Meta.table_name)
    return found


def values_of(row):
    """Give what a row holds, maps as plain ones."""
    return {
        name: value.as_dict() if hasattr(value, "as_dict") else value
        for name, value in row.attribute_values.items()
    }


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.__name__)
def test_rows_are_read_the_same(stored, table):
    # The world is quick already: here the slow way is put back beside it.
    for item in stored[table]:
        slow = table(_user_instantiated=False)
        AttributeContainer._container_deserialize(slow, dict(item))

        assert values_of(table.from_raw_data(item)) == values_of(slow)


def test_most_tables_have_been_read_from(stored):
    assert sum(bool(rows) for rows in stored.values()) >= 12


def test_it_ends_with_the_world_it_was_made_for():
    before = Model.__dict__.get("_instantiate")
    with quick():
        assert Model.__dict__.get("_instantiate") is not before

    assert Model.__dict__.get("_instantiate") is before
