"""Whatever stands behind the NoticeBook port, it keeps these promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.borrowers import DynamoBorrowers
from chalicelib.adapters.dynamodb.notices import DynamoNotices
from chalicelib.domain.money import Money
from chalicelib.domain.notice import (
    Dropped,
    Line,
    Recipient,
    Scenario,
    SmsAnswer,
    SmsStatus,
    State,
    Text,
    ended,
    heard,
    joined,
    opened,
    reported,
)
from chalicelib.flows import notices
from chalicelib.flows.notice_ports import TextMessage
from chalicelib.flows.ports import Borrower, MovedByAnotherError
from tests.builders import TODAY, at
from tests.fakes import Outside
from tests.fakes_notices import NAME, PHONE, FakeNotices, TextWorld, an_event

RECIPIENT = Recipient(borrower_id="B#1-ü", scenario=Scenario.DEDUCTION_FAILED, business_date=TODAY)
LINE = Line(
    loan_id="LN-1.a[0]/#", order_no="20261124-1-LN-1", amount=Money(1_234_567_89), due_on=TODAY
)
WAITING = opened(recipient=RECIPIENT, sequence=1, lines=[LINE], now=at(9), send_at=at(9, 5))
TEXT = Text(template="failed_one_v1", params={"name": "王*", "amount": "0.01"}, text="王*您好")
ACCEPTED = SmsAnswer(status=SmsStatus.ACCEPTED, receipt_id="R1")
DELIVERED = SmsAnswer(status=SmsStatus.DELIVERED, receipt_id="R1", reported_at=at(9, 6))


@pytest.fixture(params=["fake", "dynamodb"])
def book(request):
    if request.param == "fake":
        yield FakeNotices(Outside())
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        tables.NoticeRow.create_table()
        yield DynamoNotices()


def waiting(book, until, day=TODAY):
    return list(book.waiting(on=day, until=until))


class TestNoticeBook:
    def test_gives_back_what_was_written(self, book):
        written = book.write(WAITING)

        assert written == replace(WAITING, version=1)
        assert book.get(WAITING.notice_id) == written
        assert book.of_recipient(RECIPIENT) == [written]

    @pytest.mark.parametrize(
        "change",
        [
            lambda notice: replace(notice, state=State.SENDING, text=TEXT),
            lambda notice: heard(notice, ACCEPTED, now=at(9, 5), look_again_at=at(9, 25)),
            lambda notice: reported(notice, DELIVERED),
            lambda notice: ended(notice, State.CANCELLED, reason="no_phone"),
            lambda notice: joined(notice, [Line(loan_id="LN2", amount=Money(1))]),
            lambda notice: replace(notice, lines=(replace(LINE, dropped=Dropped.PAID),)),
        ],
    )
    def test_gives_back_every_state(self, book, change):
        after = change(book.write(WAITING))

        written = book.write(after)

        assert book.get(WAITING.notice_id) == written == replace(after, version=2)

    def test_takes_a_new_notice_once(self, book):
        book.write(WAITING)

        with pytest.raises(MovedByAnotherError):
            book.write(WAITING)

    def test_lets_only_one_of_two_move_it(self, book):
        read = book.write(WAITING)
        claimed = book.write(replace(read, state=State.SENDING))

        with pytest.raises(MovedByAnotherError):
            book.write(joined(read, [Line(loan_id="LN2", amount=Money(1))]))
        assert book.get(WAITING.notice_id) == claimed

    def test_knows_no_notice_that_was_not_written(self, book):
        for notice_id in (WAITING.notice_id, "", "nonsense", "20261399-failed-1-B1"):
            assert book.get(notice_id) is None
        assert book.of_recipient(RECIPIENT) == []

    def test_lists_a_recipients_notices_in_order(self, book):
        for sequence in (2, 10, 1):
            book.write(replace(WAITING, sequence=sequence))
        book.write(replace(WAITING, recipient=replace(RECIPIENT, scenario=Scenario.PRE_DUE)))

        assert [notice.sequence for notice in book.of_recipient(RECIPIENT)] == [1, 2, 10]

    def test_lists_what_waits_by_day_and_time(self, book):
        next_day = TODAY + timedelta(days=1)
        for sequence, send_at in enumerate((at(8, 30), at(8), at(9), at(8, day=next_day)), start=1):
            book.write(replace(WAITING, sequence=sequence, send_at=send_at))

        assert waiting(book, at(8, 30)) == [
            "20261124-failed-2-B#1-ü",
            "20261124-failed-1-B#1-ü",
        ]
        assert waiting(book, at(22), day=next_day) == []
        assert waiting(book, at(8, day=next_day), day=next_day) == ["20261124-failed-4-B#1-ü"]

    def test_lists_what_was_begun_until_it_is_done(self, book):
        notice = book.write(replace(book.write(WAITING), state=State.SENDING, send_at=at(9, 25)))

        assert waiting(book, at(9, 24)) == []
        assert waiting(book, at(9, 25)) == [notice.notice_id]

        book.write(heard(notice, ACCEPTED, now=at(9, 25), look_again_at=at(9, 45)))
        assert waiting(book, at(23)) == []


class TestTheDayOnTheTable:
    """The flow over the production adapter: merged, sent once, reported, and no number kept."""

    @mock_aws
    def test_sends_one_text_and_keeps_no_phone_number(self):
        tables.bind("test", region="us-east-1")
        for table in (tables.NoticeRow, tables.BorrowerRow):
            table.create_table()
        world = TextWorld()
        world.book, world.borrowers = DynamoNotices(), DynamoBorrowers()
        world.borrowers.put(Borrower(borrower_id="B1", name=NAME, phone=PHONE))

        world.collect(an_event("LN1"), an_event("LN2"))
        world.collect(an_event("LN2"))
        world.pass_until(at(9, 30))
        world.receive("20261124-paid-1-B1")
        world.pass_until(at(10))

        assert world.said == [
            "【Afterloan】王*明您好，您的2笔借款已于11月24日成功还款共2,000.00元，感谢您的支持。"
        ]
        notice = world.book.get("20261124-paid-1-B1")
        assert (notice.state, notice.version) == (State.DELIVERED, 4)
        assert list(world.book.waiting(on=TODAY, until=at(23))) == []
        assert PHONE not in str([row.to_simple_dict() for row in tables.NoticeRow.scan()])

    @mock_aws
    def test_a_message_that_comes_again_finds_it_done(self):
        tables.bind("test", region="us-east-1")
        tables.NoticeRow.create_table()
        world = TextWorld()
        world.book = DynamoNotices()
        world.collect(an_event("LN1"))
        world.pass_until(at(9, 30))

        again = notices.send(
            message=TextMessage(notice_id="20261124-paid-1-B1"), now=at(9, 31), desk=world.desk
        )

        assert again is notices.Outcome.REPEATED
        assert len(world.said) == 1
