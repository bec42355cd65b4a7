"""The borrower's API, as his app calls it: what is quoted, what is charged, what is refused.

Test numbers are those of failures.md part C.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from chalicelib import wiring
from chalicelib.domain.deduction import Skip, SkipReason
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import ZERO, Money
from chalicelib.domain.stage import LoanClass, class_floor
from simulators import bill
from tests.builders import TODAY, a_cut, a_loan, at

TOMORROW = TODAY + timedelta(days=1)


def a_month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=day.day)


@pytest.fixture
def phone(house):
    """Give the phone of a borrower whose first instalment falls due today."""
    house.book(a_loan(), a_cut())
    return house.phone()


def refused(answer):
    """Say with which status and code a request was refused."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json_body["status"] == answer.status_code
    return answer.status_code, answer.json_body["code"]


class TestALoan:
    def test_says_what_is_owed_now_and_what_may_be_paid(self, phone):
        [listed] = phone.get("/v1/loans").json_body["loans"]
        shown = phone.loan().json_body

        assert shown.items() >= listed.items()
        assert shown["owed"]["amount_fen"] == listed["due_fen"] == 2_106_30
        assert shown["kinds"] == ["instalment", "partial", "full"]
        assert len(shown["schedule"]) == 6

    def test_that_is_held_offers_nothing_that_would_be_refused(self, house):
        house.book(a_loan(hold="dispute 7"), a_cut())
        phone = house.phone()
        shown = phone.loan().json_body

        assert (shown["kinds"], shown["limits"]) == ([], None)
        assert refused(phone.asks_quote()) == (409, "on_hold")

    def test_whose_mandate_failed_may_be_paid_by_its_owner(self, house):
        house.book(a_loan(hold="CARD_CLOSED"), a_cut())
        phone = house.phone()
        phone.pays(phone.quote(kind="instalment")["quote_id"])
        house.send_repayments()

        assert len(house.charges()) == 1
        assert house.loan().hold == ""


class TestAQuote:
    def test_asked_again_while_nothing_moved_is_the_same(self, phone):
        assert phone.quote() == phone.quote()

    def test_that_has_expired_is_replaced_by_a_fresh_one_that_works(self, house, phone):
        quoted = phone.quote()
        house.clock(at(10, 15))
        answer = phone.pays(quoted["quote_id"], key="late")
        fresh = answer.json_body["quote"]

        assert refused(answer) == (409, "quote_expired")
        assert (fresh["expires_at"], house.orders()) == ("2026-11-24T10:30:00+08:00", [])
        assert phone.pays(fresh["quote_id"], key="again").status_code == 202

    def test_holds_to_its_last_second(self, house, phone):
        quoted = phone.quote()
        house.clock(at(10, 14, second=59))

        assert phone.pays(quoted["quote_id"]).status_code == 202

    def test_does_not_outlive_its_business_date(self, house, phone):
        house.clock(at(23, 45))
        quoted = phone.quote(kind="full")
        house.clock(at(0, 1, day=TOMORROW))
        answer = phone.pays(quoted["quote_id"], key="late")
        fresh = answer.json_body["quote"]

        assert quoted["expires_at"] == "2026-11-25T00:00:00+08:00"
        assert refused(answer) == (409, "quote_expired")
        assert (fresh["as_of"], fresh["quote_id"] != quoted["quote_id"]) == ("2026-11-25", True)
        assert fresh["penalty_fen"] > 0, "a day has passed"
        assert phone.pays(fresh["quote_id"], key="again").status_code == 202

    def test_is_used_up_by_its_order(self, house, phone):
        quoted = phone.quote(kind="instalment")
        order_no = phone.pays(quoted["quote_id"], key="first").json_body["order_no"]
        house.send_repayments()
        answer = phone.pays(quoted["quote_id"], key="second")

        assert refused(answer) == (409, "quote_used")
        assert phone.get(answer.json_body["order"]).json_body["order_no"] == order_no
        assert len(house.charges()) == 1

    def test_whose_order_failed_gives_way_to_a_new_one(self, house, phone):
        house.platform.script("AG-LN1", ["insufficient_funds"])
        quoted = phone.quote()
        started = phone.pays(quoted["quote_id"], key="first")
        house.send_repayments()
        failed = phone.get(started.headers["Location"]).json_body
        again = phone.quote()

        assert (failed["status"], failed["failure_code"]) == ("FAILED", "INSUFFICIENT_FUNDS")
        assert again["quote_id"] != quoted["quote_id"]
        assert phone.pays(again["quote_id"], key="second").status_code == 202
        house.send_repayments()
        assert [fen for _, fen in house.charges()] == [again["amount_fen"]]


class TestARepayment:
    def test_outside_the_borrowers_hours_is_refused(self, house, phone):
        house.clock(at(23, 59, second=59))

        assert refused(phone.pays(phone.quote()["quote_id"])) == (409, "window_closed")
        assert (house.orders(), house.waiting("repayments")) == ([], [])

    def test_while_payments_are_paused_may_be_repeated_under_its_key(self, house, phone):
        wiring.controls().pause(on=True, by="ops", at=at(10))
        quoted = phone.quote()
        paused = phone.pays(quoted["quote_id"], key="patient")
        wiring.controls().pause(on=False, by="ops", at=at(10))
        house.restart()

        assert refused(paused) == (503, "paused")
        assert int(paused.headers["Retry-After"]) > 0
        answer = phone.pays(quoted["quote_id"], key="patient")
        assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (202, None)

    def test_of_a_loan_that_was_held_since_its_quote_is_refused(self, house, phone):
        quoted = phone.quote()
        wiring.books().loans.write(replace(house.loan(), hold="dispute 7"))

        assert refused(phone.pays(quoted["quote_id"])) == (409, "on_hold")
        assert house.orders() == []

    def test_53_is_told_truly_while_it_is_worked_and_afterwards(self, house, phone):
        house.platform.script("AG-LN1", ["processing_then_succeed"])
        quoted = phone.quote(kind="instalment")
        started = phone.pays(quoted["quote_id"])
        link = started.headers["Location"]
        seen = [phone.get(link).json_body["status"]]
        [order_no] = house.send_repayments()
        seen.append(phone.get(link).json_body["status"])
        assert phone.loan().json_body["order_in_flight"] == order_no
        house.clock(at(10, 10))
        house.ask(order_no)
        shown = phone.get(link).json_body

        assert seen == ["PROCESSING", "PROCESSING"]
        assert (shown["status"], shown["paid_at"]) == ("SUCCEEDED", "2026-11-24T10:10:00+08:00")
        assert [paid["order_no"] for paid in phone.loan().json_body["history"]] == [order_no]
        assert phone.loan().json_body["order_in_flight"] is None

    def test_53_is_told_in_one_text_however_often_it_is_announced(self, house, phone):
        phone.pays(phone.quote(kind="instalment")["quote_id"])
        [order_no] = house.send_repayments()
        house.announce()
        house.announce()

        [notice] = house.notices()
        assert notice.scenario == "active_succeeded"
        assert list(notice.items.attribute_values) == [f"LN1/{order_no}"]

    def test_54_of_a_settled_loan_is_refused(self, house, phone):
        early, other = phone.quote(kind="full"), phone.quote(kind="instalment")
        phone.pays(early["quote_id"], key="all-of-it")
        house.send_repayments()

        assert refused(phone.pays(other["quote_id"], key="more")) == (409, "settled")
        assert refused(phone.asks_quote()) == (409, "settled")
        assert phone.loan().json_body["kinds"] == []
        assert len(house.charges()) == 1

    def test_54_of_a_loan_that_others_serve_is_refused(self, house):
        house.book(a_loan(mode=Mode.JOINT_LENDING, funder_id="F1"), a_cut())
        phone = house.phone()

        assert refused(phone.asks_quote()) == (409, "not_offered")
        assert phone.loan().json_body["kinds"] == []


class TestTheAmount:
    def test_49_of_a_part_has_limits_which_a_refusal_names(self, phone):
        limits = phone.loan().json_body["limits"]
        least, most = limits["amount_min_fen"], limits["amount_max_fen"]
        payoff = limits["payoff_fen"]

        for amount_fen in (1, least - 1, most + 1, payoff - 1, payoff + 1, 10**12):
            answer = phone.asks_quote(kind="partial", amount_fen=amount_fen)
            assert refused(answer) == (422, "amount_out_of_limits"), amount_fen
            assert answer.json_body.items() >= limits.items()
        for amount_fen in (least, most):
            quoted = phone.quote(kind="partial", amount_fen=amount_fen)
            assert (quoted["kind"], quoted["amount_fen"]) == ("partial", amount_fen)

    def test_49_that_is_all_of_it_settles_to_zero(self, house, phone):
        payoff = phone.loan().json_body["limits"]["payoff_fen"]
        quoted = phone.quote(kind="partial", amount_fen=payoff)
        phone.pays(quoted["quote_id"])
        [order_no] = house.send_repayments()
        shown = phone.loan().json_body

        assert (quoted["kind"], quoted["schedule_after"]) == ("full", [])
        assert house.charges() == [(order_no, payoff)]
        assert phone.order(order_no).json_body["settles"] is True
        assert (shown["status"], shown["outstanding_principal_fen"]) == ("settled", 0)
        assert (shown["due_fen"], shown["schedule"], shown["next_due_on"]) == (0, [], None)

    def test_51_of_all_of_it_is_not_quoted_while_an_instalment_is_unknown(self, house, phone):
        house.platform.script("AG-LN1", ["processing_then_succeed"])
        order_no = house.deduct()
        answer = phone.asks_quote()
        link = answer.json_body["order"]

        assert refused(answer) == (409, "loan_busy")
        assert phone.get(link).json_body["status"] == "PROCESSING"
        house.clock(at(10, 10))
        house.ask(order_no)
        assert phone.get(link).json_body["status"] == "SUCCEEDED"
        assert phone.quote()["principal_fen"] == phone.loan().json_body["outstanding_principal_fen"]

    def test_52_of_what_is_overdue_pays_penalty_interest_and_principal_and_cures(self, house):
        house.book(a_loan(overdue_days=40), a_cut(first_due_on=TODAY - timedelta(days=40)))
        phone = house.phone()
        before = phone.loan().json_body
        quoted = phone.quote(kind="overdue")
        phone.pays(quoted["quote_id"])
        [order_no] = house.send_repayments()
        after = phone.loan().json_body
        [record] = house.journal()

        # 24 % a year (the cap) on 192,134 fen for 40 days and on 195,616 fen for 9, over 360.
        assert quoted["penalty_fen"] == 5124 + 1174
        assert quoted["interest_fen"] == 186_00 + 151_18
        assert quoted["principal_fen"] == 1_921_34 + 1_956_16
        assert house.charges() == [(order_no, quoted["amount_fen"])]
        assert (before["days_past_due"], after["days_past_due"]) == (40, 0)
        assert class_floor(before["days_past_due"]) is LoanClass.SPECIAL_MENTION
        assert class_floor(after["days_past_due"]) is LoanClass.NORMAL
        assert (record.dpd, [line.instalment_no for line in record.lines]) == (40, [1, 2])
        assert after["schedule"] == quoted["schedule_after"]

    @pytest.mark.parametrize(
        ("paid_on", "interest_fen", "ahead_fen"),
        [
            (date(2027, 2, 27), 159_78, 12_000_00),  # 27 days of ACT/365, nothing is due yet
            (
                date(2027, 2, 28),
                165_70,
                10_061_41,
            ),  # 28 days; 1,938.59 of the first instalment are due
        ],
    )
    def test_55_of_a_settlement_at_the_end_of_a_month(
        self, house, paid_on, interest_fen, ahead_fen
    ):
        products = wiring.books().products
        product = replace(products["consumer_act"], settlement_fee_rate=Decimal("0.01"))
        products["consumer_act"] = product
        first = date(2027, 2, 28)
        cut = a_cut(first_due_on=first, disbursed_on=date(2027, 1, 31), product=product)
        house.book(a_loan(product="consumer_act", unpaid_due_on=first), cut)
        house.clock(at(10, day=paid_on))
        phone = house.phone()
        quoted = phone.quote(kind="full")
        phone.pays(quoted["quote_id"])
        house.send_repayments()

        assert quoted["principal_fen"] == 12_000_00
        assert quoted["interest_fen"] == interest_fen
        assert quoted["fee_fen"] == ahead_fen // 100, "1 % of the principal ahead of its time"
        assert phone.loan().json_body["status"] == "settled"


def rounds(house, *numbers):
    """Let rounds of the day be worked, each to its end."""
    for number in numbers:
        house.schedule(f"open_round_{number}", at(8 * number))
        house.schedule("sweep", at(8 * number, 15))


class TestTheDueDate:
    def test_47_a_part_before_round_1_pays_the_instalment_first_and_the_round_finds_nothing(
        self, house, phone
    ):
        house.schedule("make_due_list", at(0, 10))
        house.clock(at(7))
        due = phone.loan().json_body["owed"]
        quoted = phone.quote(kind="partial", amount_fen=5_000_00)
        phone.pays(quoted["quote_id"])
        [order_no] = house.send_repayments()
        rounds(house, 1, 2)

        assert quoted["principal_fen"] == 5_000_00 - due["interest_fen"]
        assert house.charges() == [(order_no, 5_000_00)]
        assert [each.reason for each in house.journal() if isinstance(each, Skip)] == [
            SkipReason.NOTHING_DUE
        ]
        shown = phone.loan().json_body
        assert shown["schedule"] == quoted["schedule_after"]
        assert shown["next_due_on"] == "2026-12-24"
        left = sum(row["principal_fen"] for row in shown["schedule"])
        assert left == 12_000_00 - quoted["principal_fen"] == shown["outstanding_principal_fen"]

    def test_47_a_part_after_round_1_has_paid_goes_to_principal_alone(self, house, phone):
        house.schedule("make_due_list", at(0, 10))
        rounds(house, 1)
        [(_, due_fen)] = house.charges()
        quoted = phone.quote(kind="partial", amount_fen=5_000_00)
        phone.pays(quoted["quote_id"])
        house.send_repayments()
        rounds(house, 2)

        assert (due_fen, quoted["principal_fen"]) == (2_106_30, 5_000_00)
        assert [fen for _, fen in house.charges()] == [due_fen, 5_000_00]

    def test_47_round_2_takes_what_is_left_after_the_borrower_paid_a_part(self, house):
        house.platform.script("AG-LN1", ["insufficient_funds"])
        house.book(a_loan(overdue_days=31), a_cut(first_due_on=a_month_before(TODAY)))
        phone = house.phone()
        house.schedule("make_due_list", at(0, 10))
        rounds(house, 1)
        house.clock(at(10))
        listed_fen = phone.loan().json_body["due_fen"]
        quoted = phone.quote(kind="overdue")
        phone.pays(quoted["quote_id"])
        house.send_repayments()
        left_fen = phone.loan().json_body["due_fen"]
        rounds(house, 2)

        assert 0 < left_fen == listed_fen - quoted["amount_fen"]
        assert [fen for _, fen in house.charges()] == [quoted["amount_fen"], left_fen]
        assert phone.loan().json_body["due_fen"] == 0


class TestABillThatShowsMore:
    def test_56_a_second_success_opens_a_case_and_holds_the_loan_and_posts_nothing(
        self, house, phone
    ):
        quoted = phone.quote(kind="instalment")
        phone.pays(quoted["quote_id"])
        [order_no] = house.send_repayments()
        before = house.loan()
        house.clock(at(11, day=TOMORROW))
        house.land(*a_bill_with_a_second_charge(house), key=BILL)

        [found] = house.discrepancies()
        assert (found.kind, found.order_no, found.is_resolved) == ("duplicate", order_no, False)
        assert found.there == Money(quoted["amount_fen"]) > ZERO
        assert [record.order_no for record in house.journal()] == [order_no]
        after = house.loan()
        assert (after.position, after.schedule_version) == (before.position, 1)
        assert after.hold.startswith("discrepancy")
        assert refused(phone.asks_quote()) == (409, "on_hold")


BILL = "in/payment/main/bill/20261124/bill_v1.csv"


def a_bill_with_a_second_charge(house):
    """Write the day's bill, in which every order was charged once more under another trade."""
    charges = house.platform.charges(TODAY)
    again = [replace(charge, trade_no=f"9{charge.trade_no[1:]}") for charge in charges]
    made = bill.make(day=TODAY, charges=[*charges, *again])
    return made.body, made.manifest
