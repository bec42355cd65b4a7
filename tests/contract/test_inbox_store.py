"""Whatever stands behind the Inbox port, it keeps these promises."""

from dataclasses import replace

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.notifications import DynamoInbox
from chalicelib.domain.money import Money
from chalicelib.flows.payment_notification import State
from tests.builders import TODAY, at
from tests.fakes import Outside
from tests.fakes_notifications import FakeInbox, a_notification

RECEIVED = a_notification(
    order_date=TODAY, amount=Money(0), currency="CNY", failure_code="BANK_UNAVAILABLE"
)
ENDS = [
    replace(RECEIVED, state=state, finding="amount_fen 1, ordered 2", taken_at=at(10))
    for state in State
    if state is not State.RECEIVED
]


@pytest.fixture(params=["fake", "dynamodb"])
def inbox(request):
    if request.param == "fake":
        yield FakeInbox(Outside())
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.NotificationRow.create_table()
        yield DynamoInbox()


class TestInbox:
    def test_gives_back_what_it_was_given(self, inbox):
        bare = a_notification(
            "NOT-OURS", notification_id="b" * 64, status="", amount=None, paid_at=None
        )
        for notification in (RECEIVED, bare):
            assert inbox.put(notification)
            assert inbox.get(notification.notification_id) == notification

    def test_stores_the_same_bytes_once(self, inbox):
        inbox.put(RECEIVED)

        assert not inbox.put(replace(RECEIVED, received_at=at(11), status="FAILED"))
        assert inbox.get(RECEIVED.notification_id) == RECEIVED

    @pytest.mark.parametrize("ended", ENDS, ids=lambda end: end.state)
    def test_keeps_the_first_finding(self, inbox, ended):
        inbox.put(RECEIVED)

        assert inbox.conclude(ended)
        assert not inbox.conclude(replace(ended, state=State.TAKEN, taken_at=at(11)))
        assert not inbox.put(RECEIVED)
        assert inbox.get(RECEIVED.notification_id) == ended

    def test_lets_an_order_s_end_be_found_later(self, inbox):
        inbox.put(RECEIVED)

        assert inbox.conclude(replace(RECEIVED, finding="end unknown", taken_at=at(10)))
        assert inbox.conclude(ENDS[0])
        assert inbox.get(RECEIVED.notification_id) == ENDS[0]

    def test_knows_nothing_of_what_never_came(self, inbox):
        assert inbox.get("a" * 64) is None


@mock_aws
def test_a_notification_may_be_deleted_after_half_a_year():
    tables.bind("test", region="us-east-1")
    tables.NotificationRow.create_table()
    DynamoInbox().put(RECEIVED)
    row = tables.NotificationRow.get(RECEIVED.notification_id)

    assert row.expires_at == int(at(9).timestamp()) + 180 * 24 * 3600
