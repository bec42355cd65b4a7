"""A day's ended orders, read shard by shard: what the journal itself streams."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.ended_orders import DynamoEndedOrders
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.domain.deduction import (
    Deduction,
    Result,
    Skip,
    SkipReason,
    Status,
    failed,
    order_no_of,
)
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import Components, Money
from chalicelib.flows.our_orders import JournalInOne
from tests.builders import TODAY, at


@pytest.fixture
def journal():
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.JournalRow.create_table()
        yield DynamoJournal()


def a_record(loan_id: str, *, day: date = TODAY, **changes) -> Deduction:
    half = Components(principal=Money(50), interest=Money(5))
    line = InstalmentDue(instalment_no=1, due_on=day, components=half + half, funder=half)
    told = {
        "order_no": order_no_of(business_date=day, round_no=1, loan_id=loan_id),
        "loan_id": loan_id,
        "borrower_id": "B1",
        "mode": "joint_lending",
        "business_date": day,
        "round_no": 1,
        "agreement_no": f"AG-{loan_id}",
        "amount": Money(110),
        "components": half + half,
        "lines": (line, replace(line, instalment_no=2, funder=None)),
        "result": Result(status=Status.SUCCEEDED, trade_no="T1", paid_at=at(9)),
        "recorded_at": at(9),
        "listed": Money(110),
        "settled_by": "bill",
    }
    return Deduction(**(told | changes))


def test_are_what_the_journal_streams_in_as_many_parts_as_it_has_shards(journal):
    for number in range(40):
        journal.put(a_record(f"LN{number}"))
    journal.put(a_record("LN40", mode="self_operated", result=failed("CARD_CLOSED"), lines=()))
    journal.put(a_record("LN41", mode="loan_assistance"))
    journal.put(a_record("LN42", day=TODAY + timedelta(days=1)))
    journal.put_skip(
        Skip(
            order_no=order_no_of(business_date=TODAY, round_no=1, loan_id="LN43"),
            loan_id="LN43",
            mode="self_operated",
            business_date=TODAY,
            round_no=1,
            listed=Money(1),
            reason=SkipReason.NOTHING_DUE,
            recorded_at=at(9),
        )
    )
    parts = [list(part()) for part in DynamoEndedOrders().parts(TODAY)]
    [whole] = JournalInOne(journal=journal).parts(TODAY)
    by_number = {order.order_no: order for part in parts for order in part}

    assert sum(len(part) > 0 for part in parts) > 1
    assert sum(map(len, parts)) == len(by_number) == 41
    assert by_number == {order.order_no: order for order in whole()}


def test_are_read_page_by_page(journal):
    """A page is 1 MB: of records as long as these only two go on one."""
    long = "X" * 390_000
    loan_ids = ["LN3", "LN8", "LN11", "LN26"]  # of one shard
    for loan_id in loan_ids:
        journal.put(a_record(loan_id, request=long))
    found = [order.order_no for part in DynamoEndedOrders().parts(TODAY) for order in part()]

    assert sorted(found) == sorted(a_record(loan_id).order_no for loan_id in loan_ids)
