"""The funder's loan-assistance day, in process: its rounds, its results, forwarded repayments."""

from datetime import date, timedelta

import pytest

from simulators.funder_mutations import mutation_of
from simulators.wire import Wire
from tests.funder_side import Outside, an_assisted_loan, at

FEB_15, FEB_16 = date(2026, 2, 15), date(2026, 2, 16)
DUE_FEN, PAYOFF_FEN = 4120_00, 12_120_00


@pytest.fixture
def outside():
    return Outside(an_assisted_loan(1), an_assisted_loan(2))


def run(outside, round_no, *, day=FEB_15, version=1, mutations=()):
    """Run a round, and give the lines of its results file."""
    answer = outside.funder.run_round(
        funder_id="F3",
        day=day,
        round_no=round_no,
        version=version,
        mutations=[mutation_of(each) for each in mutations],
    )
    lines = outside.lines(answer["key"], separator="|")
    return [{name[1:]: cell[1:] for name, cell in line.items()} for line in lines]


def short(lines):
    return [
        (line["loan_id"], int(line["instalment_no"]), int(line["round"]), line["status"])
        for line in lines
    ]


def an_order(order_no="20260215-Qaaaaaaaaaaaaaaaa-LN1", amount_fen=DUE_FEN, **more):
    return {
        "order_no": order_no,
        "agreement_no": "AG1",
        "amount_fen": amount_fen,
        "currency": "CNY",
        "split": [],
        "notify_url": "",
        "subject": "还款",
        **more,
    }


def wish(outside, *args, **more):
    return outside.funder.wishes.deduct(an_order(*args, **more)).body


def charged(outside):
    return [charge.order_no for charge in outside.platform.charges()]


def repaid_fen(outside):
    told = outside.funder.books(funder_id="F3", as_of=FEB_16)["repaid"]
    assert told["platform"] == {"principal_fen": 0, "interest_fen": 0, "penalty_fen": 0}
    return sum(told["whole"].values())


def later(outside, *, minutes=20):
    outside.clock.set(outside.clock() + timedelta(minutes=minutes))


class TestRounds:
    def test_deduct_what_is_due_under_the_funders_own_numbers(self, outside):
        lines = run(outside, 1)

        assert charged(outside) == ["F3-20260215-1-LN1", "F3-20260215-1-LN2"]
        assert short(lines) == [("LN1", 1, 1, "SUCCEEDED"), ("LN2", 1, 1, "SUCCEEDED")]
        assert lines[0] | {"funder_trade_no": ""} == {
            "loan_id": "LN1",
            "instalment_no": "1",
            "round": "1",
            "status": "SUCCEEDED",
            "principal_fen": "400000",
            "interest_fen": "12000",
            "penalty_fen": "0",
            "paid_at": "2026-02-15T08:00:00+08:00",
            "failure_code": "",
            "funder_trade_no": "",
        }
        assert lines[0]["funder_trade_no"] == outside.platform.charges()[0].trade_no
        assert repaid_fen(outside) == 2 * DUE_FEN

    def test_write_one_line_an_instalment(self, outside):
        lines = run(outside, 1, day=date(2026, 3, 20))

        assert [line[:2] for line in short(lines)] == [
            ("LN1", 1),
            ("LN1", 2),
            ("LN2", 1),
            ("LN2", 2),
        ]
        assert [line["penalty_fen"] for line in lines[:2]] == ["6600", "1000"]
        assert len(charged(outside)) == 2

    def test_fail_with_a_code_and_no_amount(self, outside):
        outside.platform.script("AG1", ["insufficient_funds"])

        line = run(outside, 1)[0]

        assert (line["status"], line["failure_code"]) == ("FAILED", "INSUFFICIENT_FUNDS")
        assert (line["principal_fen"], line["interest_fen"], line["paid_at"]) == ("0", "0", "")

    def test_again_take_what_lacked_funds_and_nothing_else(self, outside):
        outside.platform.script("AG1", ["insufficient_funds"])
        outside.platform.script("AG2", ["card_closed"])
        run(outside, 1)

        assert short(run(outside, 2)) == [("LN1", 1, 2, "SUCCEEDED")]
        assert charged(outside) == ["F3-20260215-2-LN1"]

    def test_run_again_charge_nothing_again(self, outside):
        first = run(outside, 1)
        outside.clock.set(at(FEB_15, 12))

        assert run(outside, 1, version=2) == first
        assert outside.platform.ledger()["requests"] == 2

    def test_leave_out_loans_too_long_overdue(self, outside):
        assert run(outside, 1, day=date(2026, 5, 17)) == []

    @pytest.mark.parametrize(
        "outcome",
        [
            "timeout_after_charge",
            "timeout_before_charge",
            "bad_signature",
            "html_error",
            "not_exist_after_accept",
        ],
    )
    def test_find_out_what_became_of_an_order(self, outside, outcome):
        outside.platform.script("AG1", [outcome])

        assert short(run(outside, 1))[0] == ("LN1", 1, 1, "SUCCEEDED")
        assert charged(outside).count("F3-20260215-1-LN1") == 1

    def test_leave_out_what_is_not_known_yet(self, outside):
        outside.platform.script("AG1", ["processing_then_succeed"])

        answer = outside.funder.run_round(funder_id="F3", day=FEB_15, round_no=1)

        assert (answer["rows"], answer["unknown"]) == (1, ["F3-20260215-1-LN1"])
        later(outside)
        assert short(run(outside, 1, version=2)) == [
            ("LN2", 1, 1, "SUCCEEDED"),
            ("LN1", 1, 1, "SUCCEEDED"),
        ]

    def test_list_what_became_known_late_under_its_own_round(self, outside):
        outside.platform.script("AG1", ["processing_then_fail"])
        run(outside, 1)
        later(outside)

        assert short(run(outside, 2)) == [("LN1", 1, 1, "FAILED"), ("LN1", 1, 2, "SUCCEEDED")]

    def test_of_a_day_told_late_say_nothing_of_the_day_after(self, outside):
        run(outside, 1)
        outside.clock.set(at(FEB_16, 9))
        wish(outside, amount_fen=PAYOFF_FEN - DUE_FEN)
        of_the_day = run(outside, 1, version=2)

        assert {line["paid_at"][:10] for line in of_the_day} == {FEB_15.isoformat()}
        assert run(outside, 1, day=FEB_16)

    def test_do_not_touch_a_loan_whose_order_has_no_end(self, outside):
        outside.platform.script("AG1", ["processing_then_fail"])
        run(outside, 1)

        assert run(outside, 2) == []
        assert outside.platform.ledger()["duplicates_refused"] == 1

    def test_do_not_believe_another_amount_until_it_is_put_right(self, outside):
        outside.platform.script("AG1", ["wrong_amount"])

        assert short(run(outside, 1)) == [("LN2", 1, 1, "SUCCEEDED")]
        outside.platform.correct()
        assert short(run(outside, 2)) == [("LN1", 1, 1, "SUCCEEDED")]


class TestSpoiltResults:
    @pytest.mark.parametrize(
        ("mutation", "expected"),
        [
            ("missing_line", [("LN2", "SUCCEEDED", "400000")]),
            ("change_amount", [("LN1", "SUCCEEDED", "400001"), ("LN2", "SUCCEEDED", "400000")]),
            ("wrong_status", [("LN1", "FAILED", "0"), ("LN2", "SUCCEEDED", "400000")]),
            (
                "duplicate_line",
                [("LN1", "SUCCEEDED", "400000")] * 2 + [("LN2", "SUCCEEDED", "400000")],
            ),
        ],
    )
    def test_are_put_right_by_a_later_version(self, outside, mutation, expected):
        spoilt = run(outside, 1, mutations=[mutation])

        assert [(line["loan_id"], line["status"], line["principal_fen"]) for line in spoilt] == (
            expected
        )
        assert short(run(outside, 1, version=2)) == [
            ("LN1", 1, 1, "SUCCEEDED"),
            ("LN2", 1, 1, "SUCCEEDED"),
        ]
        assert repaid_fen(outside) == 2 * DUE_FEN


class TestForwardedRepayments:
    def test_are_charged_once_and_answered_as_they_stand(self, outside):
        outside.funder.read_loans()

        first, again = wish(outside), wish(outside)

        assert (first["status"], first["amount_fen"]) == ("SUCCEEDED", DUE_FEN)
        assert first == again == outside.funder.wishes.query(first["order_no"]).body
        assert repaid_fen(outside) == DUE_FEN

    def test_of_a_loan_not_heard_of_yet_make_the_funder_look(self, outside):
        assert wish(outside)["status"] == "SUCCEEDED"

    def test_are_in_the_next_results_as_round_0(self, outside):
        outside.funder.read_loans()
        trade_no = wish(outside)["trade_no"]

        lines = run(outside, 1)

        assert short(lines) == [("LN1", 1, 0, "SUCCEEDED"), ("LN2", 1, 1, "SUCCEEDED")]
        assert lines[0]["funder_trade_no"] == trade_no
        assert run(outside, 2) == []

    def test_after_a_round_are_in_the_next_file_even_of_tomorrow(self, outside):
        outside.platform.script("AG1", ["card_closed"])
        run(outside, 1)
        run(outside, 2)
        wish(outside)
        outside.clock.set(at(FEB_16))

        assert short(run(outside, 1, day=FEB_16)) == [("LN1", 1, 0, "SUCCEEDED")]

    def test_that_fail_are_listed_too(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["insufficient_funds"])

        assert wish(outside)["failure_code"] == "INSUFFICIENT_FUNDS"
        assert short(run(outside, 1)) == [
            ("LN1", 1, 0, "FAILED"),
            ("LN1", 1, 1, "SUCCEEDED"),
            ("LN2", 1, 1, "SUCCEEDED"),
        ]

    def test_that_succeed_after_a_failure_are_one_line(self, outside):
        """A file has a line once by loan, instalment and round."""
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["insufficient_funds"])
        wish(outside)
        wish(outside, "20260215-Qbbbbbbbbbbbbbbbb-LN1")

        assert short(run(outside, 1))[0] == ("LN1", 1, 0, "SUCCEEDED")
        assert len(run(outside, 1, version=2)) == 2

    def test_of_two_parts_ahead_are_in_two_files(self, outside):
        outside.funder.read_loans()
        outside.clock.set(at(date(2026, 1, 25)))
        for letter in "ab":
            wish(outside, f"20260125-Q{letter * 16}-LN1", 1040_00, kind="partial")

        first = run(outside, 1, day=date(2026, 1, 25))
        second = run(outside, 2, day=date(2026, 1, 25))

        assert [line["principal_fen"] for line in (*first, *second)] == ["100000", "104000"]

    def test_without_an_answer_are_asked_after(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["timeout_after_charge"])

        reply = outside.funder.wishes.deduct(an_order())

        assert reply.wire is Wire.DROPPED
        assert repaid_fen(outside) == DUE_FEN
        assert outside.funder.wishes.query(an_order()["order_no"]).body["status"] == "SUCCEEDED"

    def test_that_never_arrived_leave_no_trace(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["timeout_before_charge"])

        assert outside.funder.wishes.deduct(an_order()).wire is Wire.DROPPED
        assert outside.funder.wishes.query(an_order()["order_no"]).status == 404
        assert repaid_fen(outside) == 0
        assert short(run(outside, 1))[0] == ("LN1", 1, 1, "SUCCEEDED")

    def test_in_processing_keep_the_loan_out_of_the_round(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["processing_then_succeed"])

        assert wish(outside)["status"] == "PROCESSING"
        assert short(run(outside, 1)) == [("LN2", 1, 1, "SUCCEEDED")]
        later(outside)
        assert short(run(outside, 2)) == [("LN1", 1, 0, "SUCCEEDED")]
        assert charged(outside) == ["F3-20260215-1-LN2"]

    def test_paid_after_they_failed_are_in_the_books_all_the_same(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["failed_then_paid"])

        assert wish(outside)["status"] == "FAILED"
        later(outside)
        assert repaid_fen(outside) == DUE_FEN
        assert short(run(outside, 1))[0] == ("LN1", 1, 0, "SUCCEEDED")

    def test_closed_before_they_were_charged_have_failed(self, outside):
        outside.funder.read_loans()
        outside.funder.wishes.script("AG1", ["processing_then_succeed"])
        order_no = wish(outside)["order_no"]

        assert outside.funder.wishes.close(order_no).body["status"] == "CLOSED"
        line = run(outside, 1)[0]
        assert (line["round"], line["status"], line["failure_code"]) == ("0", "FAILED", "CLOSED")

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"amount_fen": PAYOFF_FEN + 1}, "LIMIT_EXCEEDED"),
            ({"amount_fen": DUE_FEN - 1}, "LIMIT_EXCEEDED"),
            ({"kind": "overdue"}, "LIMIT_EXCEEDED"),
            ({"kind": "partial"}, "LIMIT_EXCEEDED"),
            ({"kind": "gift"}, "LIMIT_EXCEEDED"),
            ({"kind": "instalment", "recut": "shrink"}, "LIMIT_EXCEEDED"),
            ({"lines": []}, "LIMIT_EXCEEDED"),
            ({"agreement_no": "AG2"}, "RISK_REJECTED"),
            ({"loan_id": "LN8", "agreement_no": "AG8"}, "RISK_REJECTED"),
        ],
    )
    def test_that_do_not_tie_with_the_books_fail_for_good(self, outside, more, code):
        outside.funder.read_loans()

        for _ in range(2):
            answer = wish(outside, **more)
            assert (answer["status"], answer["failure_code"]) == ("FAILED", code)
        assert repaid_fen(outside) == 0

    def test_of_what_a_round_has_taken_fail(self, outside):
        """Quoted before the round, forwarded after it: the money was taken once already."""
        run(outside, 1)

        answer = wish(outside, kind="instalment")

        assert (answer["status"], answer["failure_code"]) == ("FAILED", "LIMIT_EXCEEDED")
        assert repaid_fen(outside) == 2 * DUE_FEN

    def test_beside_an_order_without_an_end_fail(self, outside):
        outside.platform.script("AG1", ["processing_then_succeed"])
        run(outside, 1)

        assert wish(outside)["failure_code"] == "BANK_UNAVAILABLE"

    def test_may_say_what_they_pay(self, outside):
        outside.funder.read_loans()
        lines = [
            {
                "instalment_no": 1,
                "principal_fen": 4000_00,
                "interest_fen": 120_00,
                "penalty_fen": 0,
            }
        ]

        answer = wish(
            outside,
            "any-number",
            loan_id="LN1",
            kind="instalment",
            as_of="2026-02-15",
            lines=lines,
        )

        assert answer["status"] == "SUCCEEDED"

    def test_of_all_settle_the_loan(self, outside):
        outside.funder.read_loans()

        assert wish(outside, amount_fen=PAYOFF_FEN, kind="full")["status"] == "SUCCEEDED"

        loan = outside.funder.books(funder_id="F3", as_of=FEB_16)["loans"]["LN1"]
        assert loan["is_settled"]
        assert loan["orders"][0]["whole"]["principal_fen"] == 12000_00

    def test_are_notified_where_they_asked_for_it(self, outside):
        outside.funder.read_loans()
        wish(outside, notify_url="http://127.0.0.1:1/notifications")

        notification = outside.funder.wishes.take_notification()

        assert (notification.body["status"], notification.attempt) == ("SUCCEEDED", 1)


class TestLedger:
    def test_tells_what_was_deducted_and_where_it_was_listed(self, outside):
        outside.platform.script("AG2", ["card_closed"])
        outside.funder.read_loans()
        wish(outside)
        run(outside, 1)

        ledger = outside.funder.ledger(funder_id="F3")

        assert ledger["amount_fen"] == DUE_FEN
        assert [
            (one["order_no"], one["round"], one["status"], one["listed"])
            for one in ledger["deductions"]
        ] == [
            ("20260215-Qaaaaaaaaaaaaaaaa-LN1", 0, "SUCCEEDED", ["20260215-r1"]),
            ("F3-20260215-1-LN2", 1, "FAILED", ["20260215-r1"]),
        ]

    def test_ties_with_the_platforms_and_the_books(self, outside):
        run(outside, 1)

        ledger = outside.funder.ledger(funder_id="F3")

        assert ledger["amount_fen"] == outside.platform.ledger()["amount_fen"]
        assert ledger["amount_fen"] == repaid_fen(outside)
