"""What the journal's stream says of a record is what was written."""

from dataclasses import replace

import pytest

from chalicelib.adapters.dynamodb.journal import SKIP_MARK, SKIPPED, _row_of
from chalicelib.adapters.dynamodb.stream import event_of
from chalicelib.adapters.dynamodb.tables import JournalRow
from chalicelib.domain.deduction import (
    Deduction,
    Kind,
    Result,
    Status,
    failed,
    order_no_of,
    order_no_of_quote,
)
from chalicelib.domain.money import Components, Money
from tests.builders import TODAY, at

ROUND = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
QUOTE = order_no_of_quote(business_date=TODAY, quote_id="Qabcdefghijklmno2", loan_id="LN1")
PAID = Deduction(
    order_no=ROUND,
    loan_id="LN1",
    borrower_id="B1",
    mode="self_operated",
    business_date=TODAY,
    round_no=1,
    agreement_no="AG-LN1",
    amount=Money(100),
    components=Components(principal=Money(90), interest=Money(10)),
    result=Result(status=Status.SUCCEEDED, trade_no="T1", paid_at=at(9)),
    recorded_at=at(9),
    listed=Money(100),
)


def told(record):
    return event_of(_row_of(record).serialize())


class TestARecord:
    def test_of_a_round_tells_of_a_deduction(self):
        assert told(PAID).event == "deduction_succeeded"
        assert told(replace(PAID, result=failed("CARD_CLOSED"))).event == "deduction_failed"

    @pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.SCHEDULED])
    def test_of_the_borrower_s_own_wish_tells_of_a_repayment(self, kind):
        active = replace(PAID, order_no=QUOTE, round_no=0, kind=kind)

        assert told(active).event == "repayment_succeeded"
        assert told(replace(active, result=failed("CARD_CLOSED"))).event == "repayment_failed"

    def test_carries_what_a_text_needs(self):
        event = told(replace(PAID, settles=True, dpd=3))

        assert (event.loan_id, event.borrower_id, event.order_no) == ("LN1", "B1", ROUND)
        assert (event.amount_fen, event.settles, event.dpd) == (100, True, 3)
        assert (event.business_date, event.occurred_at) == (TODAY, at(9))

    def test_written_before_there_were_kinds_is_of_a_round(self):
        image = _row_of(PAID).serialize()

        assert "kind" not in image
        assert event_of(image).event == "deduction_succeeded"

    def test_of_a_skip_tells_nothing(self):
        skip = JournalRow(
            day_shard="2026-11-24#0",
            order_no=ROUND + SKIP_MARK,
            loan_id="LN1",
            mode="self_operated",
            status=SKIPPED,
            reason="nothing_due",
            listed=Money(100),
            recorded_at=at(9),
        )

        assert event_of(skip.serialize()) is None
