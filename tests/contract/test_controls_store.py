"""The switches, over a real table API."""

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.controls import DynamoControls
from tests.builders import at


@pytest.fixture
def controls():
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.ControlRow.create_table()
        yield DynamoControls()


def test_a_borrower_is_blocked_at_once_and_alone(controls):
    assert not controls.is_blocked("B1")

    controls.block("B1", on=True, by="ops", at=at(9))
    assert controls.is_blocked("B1")
    assert not controls.is_blocked("B2")
    assert not controls.is_paused()

    controls.block("B1", on=False, by="ops", at=at(10))
    assert not controls.is_blocked("B1")


def test_a_block_says_who_decided_it_and_when(controls):
    controls.block("B1", on=True, by="ops", at=at(9))

    row = tables.ControlRow.get("blocked#B1")
    assert (row.by, row.at) == ("ops", at(9).isoformat())
