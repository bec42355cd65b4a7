"""A repayment is started once and charged once: repeated, raced, or killed in the midst of it.

Test numbers are those of failures.md part C.
"""

from functools import partial

import pytest

from chalicelib.domain.deduction import Skip, SkipReason
from chalicelib.flows.idempotency import PATIENCE
from tests.builders import a_cut, a_loan, at
from tests.entrypoints.house import around_calls, at_once
from tests.fakes import Crash, Outside

CALLS_MIN = 12
"""Fewer calls than this, and a request was not worked at all."""


@pytest.fixture
def phone(house):
    house.book(a_loan(), a_cut())
    return house.phone()


def problem_of(answer):
    return answer.status_code, answer.json_body["code"]


def is_replayed(answer):
    return answer.headers.get("Idempotent-Replayed") == "true"


def is_started(answer):
    return answer.status_code == 202


class TestTheSameRequest:
    def test_41_twice_is_one_order_and_one_charge_and_the_replay_says_so(self, house, phone):
        quoted = phone.quote()
        first, second = phone.pays(quoted["quote_id"]), phone.pays(quoted["quote_id"])
        house.send_repayments()

        assert (first.status_code, is_replayed(first)) == (202, False)
        assert (second.status_code, is_replayed(second)) == (202, True)
        assert second.body == first.body
        assert second.headers["Location"] == first.headers["Location"]
        assert len(house.charges()) == len(house.orders()) == 1

    def test_41_while_the_first_is_worked_is_told_to_wait(self, house, phone, monkeypatch):
        quoted = phone.quote()
        seen = []

        def come_again(operation, _):
            if operation == "SendMessageBatch" and not seen:
                seen.append(None)
                seen[0] = phone.pays(quoted["quote_id"])

        around_calls(monkeypatch, before=come_again)
        first = phone.pays(quoted["quote_id"])
        [second] = seen

        assert problem_of(second) == (409, "request_in_progress")
        assert int(second.headers["Retry-After"]) > 0
        assert (first.status_code, len(house.orders())) == (202, 1)
        assert is_replayed(phone.pays(quoted["quote_id"]))

    def test_41_in_a_crowd_is_one_order_and_one_charge(self, house, phone, monkeypatch):
        quoted = phone.quote()
        request = partial(phone.pays, quoted["quote_id"])
        answers = at_once(monkeypatch, *[request] * 8)
        started = [answer for answer in answers if is_started(answer)]
        waiting = [answer for answer in answers if not is_started(answer)]
        house.send_repayments()

        assert len([answer for answer in started if not is_replayed(answer)]) == 1
        assert {answer.body for answer in started} == {started[0].body}
        assert {problem_of(answer) for answer in waiting} <= {(409, "request_in_progress")}
        assert len(house.charges()) == len(house.orders()) == 1

    def test_42_of_another_quote_or_loan_is_refused_and_starts_nothing(self, house, phone):
        house.book(a_loan("LN2"), a_cut())
        quoted, other = phone.quote(), phone.quote(kind="instalment")
        elsewhere = phone.quote("LN2")
        first = phone.pays(quoted["quote_id"])

        for answer in (
            phone.pays(other["quote_id"]),
            phone.pays(elsewhere["quote_id"], loan_id="LN2"),
            phone.pays(quoted["quote_id"], loan_id="LN2"),
        ):
            assert problem_of(answer) == (422, "idempotency_key_reused")
        assert house.orders() == [first.json_body["order_no"]]
        assert is_replayed(phone.pays(quoted["quote_id"]))

    def test_42_is_another_one_if_it_is_another_borrowers(self, house, phone):
        house.book(a_loan("LN2", borrower_id="B2"), a_cut())
        other = house.phone("B2")
        phone.pays(phone.quote()["quote_id"])
        answer = other.pays(other.quote("LN2")["quote_id"], loan_id="LN2")

        assert (answer.status_code, is_replayed(answer)) == (202, False)

    def test_45_after_its_result_is_answered_as_it_was(self, house, phone):
        quoted = phone.quote()
        first = phone.pays(quoted["quote_id"])
        house.send_repayments()
        house.clock(at(18))
        house.wall.passes(8 * 3600)
        again = phone.pays(quoted["quote_id"])

        assert (again.status_code, again.body, is_replayed(again)) == (202, first.body, True)
        assert phone.get(again.headers["Location"]).json_body["status"] == "SUCCEEDED"
        assert (len(house.charges()), house.waiting("repayments")) == (1, [])

    def test_that_was_refused_is_refused_again_in_the_same_words(self, house, phone):
        quoted = phone.quote()
        house.clock(at(10, 15))
        first, second = phone.pays(quoted["quote_id"]), phone.pays(quoted["quote_id"])

        assert problem_of(first) == (409, "quote_expired")
        assert (second.body, is_replayed(second)) == (first.body, True)


class TestTwoRequests:
    def test_44_one_after_the_other_start_one_order_and_name_it(self, phone):
        quoted, other = phone.quote(kind="full"), phone.quote(kind="instalment")
        order_no = phone.pays(quoted["quote_id"], key="one").json_body["order_no"]

        for quote in (quoted, other):
            answer = phone.pays(quote["quote_id"], key=f"two-{quote['kind']}")
            assert problem_of(answer) == (409, "loan_busy")
            assert answer.json_body["order_no"] == order_no
            assert phone.get(answer.json_body["order"]).json_body["status"] == "PROCESSING"

    @pytest.mark.parametrize("kinds", [["full"] * 6, ["full", "instalment"] * 3])
    def test_44_at_once_start_one_order_and_name_it(self, house, phone, monkeypatch, kinds):
        quotes = [phone.quote(kind=kind)["quote_id"] for kind in kinds]
        requests = [
            partial(phone.pays, quote_id, key=f"tab-{tab}") for tab, quote_id in enumerate(quotes)
        ]
        answers = at_once(monkeypatch, *requests)
        house.send_repayments()

        [started] = filter(is_started, answers)
        order_no = started.json_body["order_no"]
        for answer in answers:
            if answer is not started:
                assert problem_of(answer) == (409, "loan_busy")
                assert answer.json_body["order_no"] == order_no
        assert house.charges() == [(order_no, started.json_body["amount_fen"])]


class TestARound:
    def test_46_whose_order_is_in_flight_is_named_to_the_borrower(self, house, phone):
        house.platform.script("AG-LN1", ["processing_then_succeed"])
        quoted = phone.quote()
        order_no = house.deduct()
        answer = phone.pays(quoted["quote_id"])
        shown = phone.get(answer.json_body["order"]).json_body

        assert problem_of(answer) == (409, "loan_busy")
        assert (shown["order_no"], shown["kind"]) == (order_no, "scheduled")
        assert house.orders() == []

    def test_46_skips_a_loan_whose_borrower_is_paying(self, house, phone):
        mine = phone.pays(phone.quote(kind="instalment")["quote_id"]).json_body["order_no"]
        house.deduct()
        house.send_repayments()

        [skip] = [each for each in house.journal() if isinstance(each, Skip)]
        assert (skip.reason, skip.note) == (SkipReason.SLOT_TAKEN, mine)
        assert [order_no for order_no, _ in house.charges()] == [mine]

    @pytest.mark.parametrize(
        ("outcome", "code"),
        [("processing_then_succeed", "loan_busy"), ("succeed", "quote_expired")],
    )
    def test_46_that_comes_between_the_look_and_the_claim_wins(
        self, house, phone, monkeypatch, outcome, code
    ):
        house.platform.script("AG-LN1", [outcome])
        quoted = phone.quote()
        rounds = []

        def let_a_round_in(operation, parameters):
            claims = operation == "PutItem" and parameters["TableName"].endswith("-loans")
            if claims and not rounds:
                rounds.append(None)
                rounds[0] = house.deduct()

        around_calls(monkeypatch, before=let_a_round_in)
        answer = phone.pays(quoted["quote_id"])
        house.clock(at(10, 10))
        house.ask(rounds[0])

        assert problem_of(answer) == (409, code)
        assert [order_no for order_no, _ in house.charges()] == rounds


class Failure(Outside):
    """Fails where `Outside` dies: as a store that answers with an error."""

    def passes(self):
        try:
            super().passes()
        except Crash:
            raise RuntimeError("6222020200112233445") from None


def requests_that_die(house, outside, monkeypatch):
    """Give phone and quote of a loan each, at whose request everything ends at the next call."""

    def passes(*_):
        outside.passes()

    around_calls(monkeypatch, before=passes, after=passes)
    for boundary in range(200):
        name = f"{boundary:03}"
        house.book(a_loan(f"LN{name}", borrower_id=f"B{name}"), a_cut())
        phone = house.phone(f"B{name}")
        quote_id = phone.quote(f"LN{name}")["quote_id"]
        pays = partial(phone.pays, quote_id, loan_id=f"LN{name}")
        outside.boundaries, outside.dies_at = 0, boundary
        try:
            answer = pays()
        except Crash:
            answer = None
        outside.dies_at = None
        if outside.boundaries <= boundary:
            assert boundary > 2 * CALLS_MIN
            return
        yield pays, answer
    pytest.fail("a request makes calls without end")


class TestARequestThatDied:
    def test_is_taken_over_after_half_a_minute_and_charges_once(self, house, monkeypatch):
        for pays, answer in requests_that_die(house, Outside(), monkeypatch):
            soon = pays()
            house.wall.passes(PATIENCE.total_seconds())
            late = pays()

            assert answer is None
            assert is_started(soon) or problem_of(soon) == (409, "request_in_progress")
            assert is_started(late)
            assert late.json_body["amount_fen"] == 12_180_00
        house.send_repayments()

        charged = [order_no for order_no, _ in house.charges()]
        assert sorted(charged) == house.orders()
        assert len(charged) == len(set(charged)) > 2 * CALLS_MIN

    def test_with_an_error_says_nothing_of_it_and_may_be_repeated_at_once(self, house, monkeypatch):
        for pays, answer in requests_that_die(house, Failure(), monkeypatch):
            assert problem_of(answer) == (500, "internal_error")
            assert b"6222" not in answer.body
            soon = pays()
            house.wall.passes(PATIENCE.total_seconds())

            assert is_started(soon) or problem_of(soon) == (409, "request_in_progress")
            assert is_started(pays())
        house.send_repayments()

        charged = [order_no for order_no, _ in house.charges()]
        assert sorted(charged) == house.orders()
        assert len(charged) == len(set(charged))

    def test_and_never_came_back_is_charged_once_or_not_at_all(self, house, monkeypatch):
        for _ in requests_that_die(house, Outside(), monkeypatch):
            house.wall.passes(60)
        for body in house.waiting("asks"):
            house.invoke("ask", body)
        charged = [order_no for order_no, _ in house.charges()]

        assert 0 < len(charged) == len(set(charged)) < len(house.orders())
        assert {record.order_no for record in house.journal()} == set(charged)
        for order_no in house.orders():
            assert house.loan(order_no.rpartition("-")[2]).slot is None
