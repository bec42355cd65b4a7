"""Whatever stands behind the Discrepancies port, it keeps these promises."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.discrepancies import DynamoDiscrepancies
from chalicelib.domain.discrepancy import (
    Action,
    Approval,
    Comment,
    Discrepancy,
    DiscrepancyState,
    Handling,
    Proposal,
)
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows.discrepancy_ports import IllegalCursorError
from chalicelib.flows.ports import MovedByAnotherError
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


HANDLED = Handling(
    owner="li",
    comments=(Comment(by="wang", at=at(11), text="问过了"),),
    proposal=Proposal(
        action=Action.WRITE_OFF,
        reason="gone",
        made_by="wang",
        made_at=at(11),
        amount=Money(1),
        effect={"amount_fen": 1},
    ),
    approval=Approval(approved_by="li", approved_at=at(12), business_date=TODAY),
)


class TestWhatPeopleAdd:
    def test_is_given_back_as_it_was_written(self, discrepancies):
        discrepancies.put(OPEN)
        [read] = of_day(discrepancies)
        written = discrepancies.write(replace(read, handling=HANDLED, decided_by="wang"))

        assert written.version == read.version + 1
        assert get(discrepancies) == written
        assert get(discrepancies).version == written.version

    def test_is_not_written_over_what_was_written_since(self, discrepancies):
        discrepancies.put(OPEN)
        [read] = of_day(discrepancies)
        discrepancies.put(replace(OPEN, there=Money(102)))

        with pytest.raises(MovedByAnotherError):
            discrepancies.write(replace(read, handling=HANDLED))
        assert get(discrepancies).there == Money(102)

    def test_stays_when_rules_write(self, discrepancies):
        discrepancies.put(OPEN)
        [read] = of_day(discrepancies)
        discrepancies.write(replace(read, handling=HANDLED))
        assert discrepancies.put(replace(OPEN, there=Money(102)))

        assert (get(discrepancies).there, get(discrepancies).handling) == (Money(102), HANDLED)

    def test_gives_way_to_the_rules_once_it_is_nobody_s_decision_any_more(self, discrepancies):
        discrepancies.put(OPEN)
        [read] = of_day(discrepancies)
        decided = discrepancies.write(replace(read, decided_by="wang", reason="x"))
        discrepancies.write(replace(decided, decided_by="", reason=""))

        assert discrepancies.put(RESOLVED)
        assert get(discrepancies) == RESOLVED

    def test_nothing_stands_under_another_name(self, discrepancies):
        assert get(discrepancies) is None


def get(store):
    return store.get(business_date=TODAY, channel="main", discrepancy_id=OPEN.discrepancy_id)


class TestPages:
    @pytest.fixture
    def many(self, discrepancies):
        for number in range(7):
            day = TODAY + timedelta(days=number % 2)
            discrepancies.put(replace(OPEN, order_no=f"{number}", business_date=day))
        discrepancies.put(replace(RESOLVED, order_no="9"))
        return discrepancies

    @staticmethod
    def all_of(page):
        cursor, found = "", []
        while True:
            read = page(cursor=cursor)
            found += [each.order_no for each in read.discrepancies]
            cursor = read.cursor
            if not cursor:
                return found

    def test_of_a_day_have_all_of_it_once(self, many):
        found = self.all_of(
            partial(many.page_of_day, business_date=TODAY, channel="main", count_max=2)
        )

        assert found == ["0", "2", "4", "6", "9"]

    def test_of_what_is_open_have_the_latest_days_first(self, many):
        found = self.all_of(partial(many.page_of_open, count_max=3))

        assert [int(no) % 2 for no in found] == [1, 1, 1, 0, 0, 0, 0]
        assert sorted(found) == ["0", "1", "2", "3", "4", "5", "6"]

    def test_do_not_go_on_from_what_is_no_cursor(self, many):
        for page in (
            partial(many.page_of_open, count_max=3),
            partial(many.page_of_day, business_date=TODAY, channel="main", count_max=3),
        ):
            for cursor in ("nonsense!", "W10", "é"):
                with pytest.raises(IllegalCursorError):
                    page(cursor=cursor)
