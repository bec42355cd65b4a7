"""Whatever stands behind the ports of a borrower's repayment, it keeps these promises."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Lock

import pytest
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.active_orders import DynamoActiveOrders
from chalicelib.adapters.dynamodb.quotes import DynamoQuotes
from chalicelib.adapters.dynamodb.requests import DynamoRequests
from chalicelib.adapters.dynamodb.split_repairs import DynamoSplitRepairs
from chalicelib.adapters.dynamodb.throttles import DynamoThrottles
from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Recut
from chalicelib.flows.early_repayment import QuotedTerms
from chalicelib.flows.idempotency import Answer, Request
from tests.builders import TODAY, at
from tests.fakes import FakeActiveOrders, FakeQuotes, FakeSplitRepairs, Outside
from tests.fakes_requests import FakeRequests, FakeThrottles

ORDER_NO = "20261124-Qaidmaa27lfexbaru-LN1"
OTHER_ORDER_NO = "20261124-Qbidmaa27lfexbaru-LN2"
AT_ONCE = 8


def one_at_a_time(monkeypatch) -> None:
    """Let moto work one write after the other, as DynamoDB does with those of an item."""
    lock = Lock()

    def locked(write):
        def work(*given, **named):
            with lock:
                return write(*given, **named)

        return work

    for name in ("put_item", "update_item", "delete_item"):
        monkeypatch.setattr(DynamoDBBackend, name, locked(getattr(DynamoDBBackend, name)))


@pytest.fixture(params=["fake", "dynamodb"])
def stores(request, monkeypatch):
    if request.param == "fake":
        outside = Outside()
        yield (
            FakeQuotes(outside),
            FakeActiveOrders(outside),
            FakeRequests(outside),
            FakeThrottles(outside),
            FakeSplitRepairs(outside),
        )
        return
    one_at_a_time(monkeypatch)
    with mock_aws():
        tables.bind("test", region="us-east-1")
        for table in (
            tables.QuoteRow,
            tables.ActiveOrderRow,
            tables.RequestRow,
            tables.ThrottleRow,
        ):
            table.create_table()
        yield (
            DynamoQuotes(),
            DynamoActiveOrders(),
            DynamoRequests(),
            DynamoThrottles(),
            DynamoSplitRepairs(),
        )


@pytest.fixture
def quotes(stores):
    return stores[0]


@pytest.fixture
def active_orders(stores):
    return stores[1]


@pytest.fixture
def requests(stores):
    return stores[2]


@pytest.fixture
def throttles(stores):
    return stores[3]


@pytest.fixture
def split_repairs(stores):
    return stores[4]


def all_at_once(work: Callable[[int], object]) -> list[object]:
    """Do the work in several threads that start together."""
    together = Barrier(AT_ONCE)

    def begin(number: int) -> object:
        together.wait(timeout=10)
        return work(number)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(begin, range(AT_ONCE)))


QUOTED = QuotedTerms(
    quote_id="Qaidmaa27lfexbaru",
    loan_id="LN1",
    borrower_id="B1",
    wish=Wish(kind=Kind.PARTIAL, amount=Money(5_000_00), recut=Recut.SHORTEN_TERM),
    amount_fen=5_000_00,
    parts_fen=(4_800_00, 150_00, 49_00, 1_00),
    schedule_version=3,
    as_of=TODAY,
    expires_at=at(9, 15),
)


class TestQuotes:
    @pytest.mark.parametrize(
        "wish",
        [QUOTED.wish, replace(QUOTED.wish, recut=None), Wish(kind=Kind.FULL)],
        ids=["a part, cut again", "a part", "all of it"],
    )
    def test_give_back_what_they_were_given(self, quotes, wish):
        quoted = replace(QUOTED, wish=wish)
        quotes.put(quoted)

        assert quotes.get(QUOTED.quote_id) == quoted

    def test_hold_for_longer_when_put_again(self, quotes):
        quotes.put(QUOTED)
        quotes.put(replace(QUOTED, expires_at=at(9, 20)))

        assert quotes.get(QUOTED.quote_id).expires_at == at(9, 20)

    def test_know_nothing_of_what_was_never_quoted(self, quotes):
        assert quotes.get(QUOTED.quote_id) is None


class TestSplitRepairs:
    def test_are_noted_until_they_are_forgotten(self, split_repairs):
        split_repairs.note(order_no=OTHER_ORDER_NO, at=at(9, 1))
        split_repairs.note(order_no=ORDER_NO, at=at(9))
        split_repairs.note(order_no=ORDER_NO, at=at(10))

        assert list(split_repairs.all()) == [(ORDER_NO, at(10)), (OTHER_ORDER_NO, at(9, 1))]
        for _ in range(2):
            split_repairs.forget(ORDER_NO)
        assert [split_repairs.is_noted(no) for no in (ORDER_NO, OTHER_ORDER_NO)] == [False, True]

    def test_are_no_orders_of_any_day(self, split_repairs, active_orders):
        split_repairs.note(order_no=ORDER_NO, at=at(9))

        assert list(active_orders.of_day(TODAY)) == []


class TestActiveOrders:
    def note(self, active_orders, order_no=ORDER_NO, *, day=TODAY, when=None):
        active_orders.open(business_date=day, order_no=order_no, at=when or at(9))

    def test_are_listed_by_their_day_with_when_they_were_noted(self, active_orders):
        self.note(active_orders)
        self.note(active_orders, OTHER_ORDER_NO, when=at(9, 1))
        self.note(active_orders, ORDER_NO, day=TODAY + timedelta(days=1))

        assert sorted(active_orders.of_day(TODAY)) == [
            (ORDER_NO, at(9)),
            (OTHER_ORDER_NO, at(9, 1)),
        ]

    def test_noted_again_count_from_then(self, active_orders):
        self.note(active_orders)
        self.note(active_orders, when=at(9, 11))

        assert list(active_orders.of_day(TODAY)) == [(ORDER_NO, at(9, 11))]

    def test_are_forgotten_once_and_alone(self, active_orders):
        self.note(active_orders)
        self.note(active_orders, OTHER_ORDER_NO)
        for _ in range(2):
            active_orders.remove(business_date=TODAY, order_no=ORDER_NO, noted_at=at(9))

        assert [no for no, _ in active_orders.of_day(TODAY)] == [OTHER_ORDER_NO]

    def test_are_not_forgotten_if_they_were_noted_anew(self, active_orders):
        self.note(active_orders)
        self.note(active_orders, when=at(9, 11))
        active_orders.remove(business_date=TODAY, order_no=ORDER_NO, noted_at=at(9))

        assert list(active_orders.of_day(TODAY)) == [(ORDER_NO, at(9, 11))]

    def test_are_none_on_a_day_without_any(self, active_orders):
        active_orders.remove(business_date=TODAY, order_no=ORDER_NO, noted_at=at(9))

        assert list(active_orders.of_day(TODAY)) == []


REQUEST = Request(key="repayments#B1#k", fingerprint="f" * 64, begun_at=at(9))
ANSWER = Answer(
    status=202,
    body={
        "order_no": ORDER_NO,
        "amount_fen": 5_000_00,
        "parts": [{"name": "本金", "fen": 0, "whole": True, "rest": None}],
        "a": {"z": 1, "b": "\u2028é\U0001f4b0"},
    },
    headers={"Location": f"/v1/repayments/{ORDER_NO}", "Content-Type": "application/json"},
)


class TestRequests:
    def test_are_begun_once(self, requests):
        assert requests.begin(REQUEST) is None
        assert requests.begin(replace(REQUEST, begun_at=at(9, 1), fingerprint="g")) == REQUEST

    def test_begun_all_at_once_are_begun_by_one(self, requests):
        def begin(number: int) -> object:
            return requests.begin(replace(REQUEST, begun_at=at(9, second=number)))

        standing = [found for found in all_at_once(begin) if found is not None]
        assert len(standing) == AT_ONCE - 1
        assert len({found.begun_at for found in standing}) == 1

    def test_that_are_answered_give_the_answer_back_to_the_byte(self, requests):
        requests.begin(REQUEST)
        requests.end(replace(REQUEST, answer=ANSWER))
        answer = requests.begin(REQUEST).answer

        assert answer == ANSWER
        assert json.dumps(answer.body) == json.dumps(ANSWER.body)
        assert list(answer.headers.items()) == list(ANSWER.headers.items())

    def test_keep_the_first_answer(self, requests):
        requests.begin(REQUEST)
        requests.end(replace(REQUEST, answer=ANSWER))
        requests.end(replace(REQUEST, answer=replace(ANSWER, status=409)))

        assert requests.begin(REQUEST).answer == ANSWER

    def test_nobody_answered_are_taken_over_by_one(self, requests):
        requests.begin(REQUEST)
        taken = all_at_once(lambda number: requests.take_over(REQUEST, at=at(9, 1, second=number)))

        assert sorted(taken) == [False] * (AT_ONCE - 1) + [True]
        assert requests.begin(REQUEST) == replace(
            REQUEST, begun_at=at(9, 1, second=taken.index(True))
        )

    def test_that_are_answered_are_taken_over_by_nobody(self, requests):
        requests.begin(REQUEST)
        requests.end(replace(REQUEST, answer=ANSWER))

        assert not requests.take_over(REQUEST, at=at(9, 1))

    def test_that_are_forgotten_may_be_begun_anew(self, requests):
        requests.begin(REQUEST)
        requests.forget(REQUEST)

        assert not requests.take_over(REQUEST, at=at(9, 1))
        assert requests.begin(replace(REQUEST, fingerprint="g")) is None

    def test_that_are_answered_are_not_forgotten(self, requests):
        requests.begin(REQUEST)
        requests.end(replace(REQUEST, answer=ANSWER))
        requests.forget(REQUEST)

        assert requests.begin(REQUEST).answer == ANSWER

    def test_of_other_keys_are_others(self, requests):
        requests.begin(REQUEST)

        assert requests.begin(replace(REQUEST, key="repayments#B2#k")) is None


class TestThrottles:
    def test_count_within_a_window(self, throttles):
        counts = [
            throttles.count(key="quotes#B1", now=at(9, 0, second=second), window_seconds=60)
            for second in (0, 30, 59)
        ]

        assert counts == [1, 2, 3]
        assert throttles.times(key="quotes#B1", now=at(9), window_seconds=60) == 3

    def test_count_from_one_in_the_next_window(self, throttles):
        throttles.count(key="quotes#B1", now=at(9, 0, second=59), window_seconds=60)

        assert throttles.times(key="quotes#B1", now=at(9, 1), window_seconds=60) == 0
        assert throttles.count(key="quotes#B1", now=at(9, 1), window_seconds=60) == 1

    def test_count_each_by_itself(self, throttles):
        throttles.count(key="quotes#B1", now=at(9), window_seconds=60)

        for key, seconds in (("quotes#B2", 60), ("misses#B1", 60), ("quotes#B1", 3600)):
            assert throttles.count(key=key, now=at(9), window_seconds=seconds) == 1
