"""A joint loan's order through the doors: split in transit, and split again where that failed."""

import json

import pytest

from chalicelib import wiring
from chalicelib.adapters.queues import encoded
from chalicelib.domain.deduction import split_no_of
from chalicelib.flows.ports import AskMessage
from tests.builders import FUNDER, a_cut, a_joint_loan, at


@pytest.fixture
def house(house, monkeypatch):
    monkeypatch.setitem(wiring.books().funders, "F1", FUNDER)
    house.book(a_joint_loan(), a_cut())
    return house


def the_split(house):
    [charge] = house.platform.ledger()["charges"]
    return charge["split_status"], {each["account"]: each["amount_fen"] for each in charge["split"]}


def parts(record):
    rest = record.amount - record.funder.total
    return {"funder-F1": record.funder.total.fen, "platform-F1": rest.fen}


def test_a_round_splits_what_it_deducts(house):
    house.deduct()
    [record] = house.journal()

    assert record.is_split
    assert the_split(house) == (None, parts(record))
    assert house.loan().position.instalment_no == 2


def test_row_89_a_split_that_failed_is_done_again_from_the_queue(house):
    house.platform.script("AG-LN1", ["split_fails_twice"])
    order_no = house.deduct()
    [record] = house.journal()

    assert record.result.split_pending
    assert the_split(house) == ("FAILED", {})
    assert house.loan().position.instalment_no == 2
    for _ in range(2):
        house.invoke("ask", *house.waiting("asks"))
    assert the_split(house) == ("SUCCEEDED", parts(record))
    assert house.waiting("asks") == []
    assert house.journal() == [record]
    assert house.charges() == [(order_no, record.amount.fen)]
    assert (
        house.platform.split(
            order_no, {"split_no": split_no_of(order_no), "split": _wire(record)}
        ).body["status"]
        == "SUCCEEDED"
    )


def test_row_89_a_lost_question_is_asked_by_the_sweep(house):
    house.platform.script("AG-LN1", ["split_fails_after_charge"])
    house.deduct()
    house.waiting("asks")
    house.schedule("sweep", at(10, 15))

    [body] = [body for body in house.waiting("asks") if json.loads(body)["rung"] is None]
    assert house.counted["UnsplitOrders"] == 1
    house.invoke("ask", body)
    assert the_split(house)[0] == "SUCCEEDED"
    house.schedule("sweep", at(10, 30))
    assert house.counted["UnsplitOrders"] == 1
    house.invoke("ask", encoded(AskMessage(order_no=house.journal()[0].order_no)))
    assert house.counted["Deductions_split"] == 1


def _wire(record):
    return [
        {"account": account, "amount_fen": fen} for account, fen in parts(record).items() if fen
    ]
