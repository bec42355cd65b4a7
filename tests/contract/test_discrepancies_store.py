"""Whatever stands behind the Discrepancies port, it keeps these promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.discrepancies import DynamoDiscrepancies
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from tests.builders import TODAY, at
from tests.fakes import Outside
from tests.fakes_files import FakeDiscrepancies

OPEN = Discrepancy(
    business_date=TODAY,
    channel="main",
    kind=Kind.AMOUNT_DIFFERS,
    order_no="20261124-1-LN1",
    opened_at=at(10),
    here=Money(100),
    there=Money(101),
    facts={
        "note": "",
        "here": {"state": "SUCCEEDED", "paid_at": None, "amount_fen": 100},
        "there": [{"trade_no": "T1", "amount_fen": 101}],
    },
    suggestion="ask_platform_for_proof_of_amount",
)
RESOLVED = replace(OPEN, state=DiscrepancyState.RESOLVED, resolved_at=at(11), reason="a later bill")


@pytest.fixture(params=["fake", "dynamodb"])
def discrepancies(request):
    if request.param == "fake":
        yield FakeDiscrepancies(Outside())
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.DiscrepancyRow.create_table()
        yield DynamoDiscrepancies()


def of_day(store, channel="main"):
    return list(store.of_day(TODAY, channel))


class TestDiscrepancies:
    def test_give_back_what_they_were_given(self, discrepancies):
        missing = replace(OPEN, kind=Kind.MISSING_HERE, here=None, facts={})
        assert discrepancies.put(OPEN)
        assert discrepancies.put(missing)

        assert of_day(discrepancies) == [OPEN, missing]

    def test_are_one_for_each_kind_and_order(self, discrepancies):
        discrepancies.put(OPEN)
        discrepancies.put(OPEN)
        discrepancies.put(replace(OPEN, there=Money(102)))

        assert [found.there for found in of_day(discrepancies)] == [Money(102)]

    def test_are_opened_and_resolved_by_rules_as_often_as_they_find(self, discrepancies):
        for state in (OPEN, RESOLVED, OPEN, RESOLVED):
            assert discrepancies.put(state)

        assert of_day(discrepancies) == [RESOLVED]

    @pytest.mark.parametrize("state", [DiscrepancyState.EXPLAINED, DiscrepancyState.RESOLVED])
    def test_stay_as_people_have_decided(self, discrepancies, state):
        discrepancies.put(OPEN)
        [read] = of_day(discrepancies)
        decided = replace(read, state=state, decided_by="alice", reason="proof seen")
        discrepancies.write(decided)

        assert not discrepancies.put(OPEN)
        assert not discrepancies.put(RESOLVED)
        assert of_day(discrepancies) == [decided]

    def test_belong_to_a_day_and_a_channel(self, discrepancies):
        discrepancies.put(OPEN)
        discrepancies.put(replace(OPEN, channel="other"))
        discrepancies.put(replace(OPEN, business_date=TODAY + timedelta(days=1)))

        assert of_day(discrepancies) == [OPEN]
        assert of_day(discrepancies, "nobody") == []
