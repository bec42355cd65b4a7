"""The funder's joint-lending day, in process: due file, our files checked, confirmation."""

from datetime import date

import pytest

from simulators.funder import NoFileError, NoSuchFunderError
from simulators.funder_dialects import NINE
from simulators.funder_mutations import mutation_of
from tests.funder_side import Outside, a_loan, a_repayment, an_assisted_loan, at, land_loans, send

FEB_15, FEB_16, MARCH_20 = date(2026, 2, 15), date(2026, 2, 16), date(2026, 3, 20)
FIRST = (4000_00, 120_00, 0, 2800_00, 59_50, 0, 1200_00, 60_50, 0)
FIRST_LATE = (4000_00, 120_00, 66_00, 2800_00, 59_50, 46_20, 1200_00, 60_50, 19_80)
SECOND_LATE = (4000_00, 80_00, 10_00, 2800_00, 39_67, 7_00, 1200_00, 40_33, 3_00)


@pytest.fixture
def outside():
    return Outside(a_loan())


def due_lines(outside, day, **asked):
    answer = outside.funder.send_due_file(funder_id="F1", day=day, **asked)
    return [
        (
            line["loan_id"],
            int(line["instalment_no"]),
            line["due_on"],
            tuple(int(line[name]) for name in NINE),
        )
        for line in outside.lines(answer["key"])
    ]


def take(outside, day=FEB_15):
    return outside.funder.take_repayments(funder_id="F1", day=day)


def repaid(outside, party="whole", as_of=FEB_16):
    told = outside.funder.books(funder_id="F1", as_of=as_of)["repaid"][party]
    return told["principal_fen"], told["interest_fen"], told["penalty_fen"]


def reason_for(outside, *rows, day=FEB_15):
    send(outside.bucket, "repayments", day, rows)
    taken = take(outside, day)
    assert taken["taken"] == []
    return [one["reason"] for one in taken["objections"]]


class TestLoans:
    def test_are_read_from_the_bucket_once_their_manifest_is_there(self, outside):
        land_loans(outside.bucket, a_loan(2), key="in/loans/20260116/loans_v1.csv")
        manifest = outside.bucket.objects.pop("in/loans/20260116/loans_v1.csv.ok")

        assert outside.funder.read_loans() == {"opened": 1, "refused": 0}
        outside.bucket.put("in/loans/20260116/loans_v1.csv.ok", manifest)
        assert outside.funder.read_loans() == {"opened": 1, "refused": 0}
        assert outside.funder.read_loans() == {"opened": 0, "refused": 0}

    def test_of_a_file_that_does_not_tie_are_not_believed(self, outside):
        land_loans(outside.bucket, a_loan(2), key="in/loans/20260116/loans_v1.csv")
        outside.bucket.objects["in/loans/20260116/loans_v1.csv"] += b"x"

        assert outside.funder.read_loans() == {"opened": 1, "refused": 0}

    def test_of_others_are_passed_over_and_spoilt_ones_refused(self, outside):
        others = (
            a_loan(2, mode="self_operated", funder_id=""),
            a_loan(3, funder_id="F9"),
            a_loan(4, method="by_dice"),
            a_loan(5, annual_rate="a lot"),
            a_loan(6, product="lottery"),
            a_loan(1),
        )

        assert outside.funder.add_loans(others) == {"opened": 1, "refused": 3}

    def test_keep_the_terms_they_came_under(self, outside):
        outside.funder.read_loans()

        outside.funder.agree({"funder_id": "F1", "rate": "0.12", "penalty_to": "platform"})
        land_loans(outside.bucket, a_loan(2), key="in/loans/20260215/loans_v1.csv")

        first, second = due_lines(outside, FEB_15)
        assert first == ("LN1", 1, "2026-02-15", FIRST)
        assert second[3][4] == 84_00

    def test_of_an_unknown_funder_are_nobodys(self, outside):
        with pytest.raises(NoSuchFunderError):
            outside.funder.send_due_file(funder_id="F9", day=FEB_15)


class TestDueFile:
    def test_has_a_line_for_every_unpaid_instalment_due(self, outside):
        assert due_lines(outside, date(2026, 2, 14)) == []
        assert due_lines(outside, FEB_15) == [("LN1", 1, "2026-02-15", FIRST)]
        assert due_lines(outside, MARCH_20) == [
            ("LN1", 1, "2026-02-15", FIRST_LATE),
            ("LN1", 2, "2026-03-15", SECOND_LATE),
        ]

    def test_comes_before_its_manifest_and_says_what_it_holds(self, outside):
        answer = outside.funder.send_due_file(funder_id="F1", day=FEB_15, version=2)

        key = "in/funders/F1/due/20260215/due_v2.csv"
        assert answer == {"key": key, "rows": 1, "amount_fen": 4120_00, "mutations": []}
        assert outside.bucket.puts[-2:] == [key, f"{key}.ok"]

    def test_is_the_same_when_asked_again(self, outside):
        bodies = []
        for _ in range(2):
            answer = outside.funder.send_due_file(funder_id="F1", day=MARCH_20)
            bodies.append(outside.bucket.objects[answer["key"]])

        assert bodies[0] == bodies[1]

    def test_leaves_out_loans_too_long_overdue(self, outside):
        assert len(due_lines(outside, date(2026, 5, 16))) == 3
        assert due_lines(outside, date(2026, 5, 17)) == []

    def test_of_another_funder_is_in_its_dialect(self):
        outside = Outside(a_loan(), a_loan(2, funder_id="F2"), an_assisted_loan(3))

        key = outside.funder.send_due_file(funder_id="F2", day=FEB_15)["key"]

        line, trailer = outside.lines(key, encoding="gb18030")
        assert (line["借据号"], line["本金"], line["资金方利息"]) == ("LN2", "4000.00", "63.00")
        assert trailer["借据号"] == "合计"
        assert f"{key}.ok" not in outside.bucket.objects

    def test_is_spoilt_on_request_and_the_books_stay_true(self, outside):
        spoilt = [mutation_of("change_amount")]

        wrong = due_lines(outside, FEB_15, mutations=spoilt)
        right = due_lines(outside, FEB_15, version=2)

        assert wrong[0][3][0] == 4000_01
        assert right == [("LN1", 1, "2026-02-15", FIRST)]

    def test_that_is_late_is_not_there(self, outside):
        answer = outside.funder.send_due_file(
            funder_id="F1", day=FEB_15, mutations=[mutation_of("late")]
        )

        assert answer["key"] is None
        assert outside.bucket.keys("in/funders/") == []


class TestRepayments:
    def test_that_tie_are_taken_in(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])

        taken = take(outside)

        assert (taken["taken"], taken["objections"]) == (["O1"], [])
        assert repaid(outside) == (4000_00, 120_00, 0)
        assert repaid(outside, "funder") == (2800_00, 59_50, 0)
        assert repaid(outside, "platform") == (1200_00, 60_50, 0)
        assert due_lines(outside, FEB_15) == []

    def test_of_several_instalments_are_one_order(self, outside):
        late = {"paid_at": "2026-03-20T08:00:00+08:00"}
        rows = [
            a_repayment(*FIRST_LATE, **late),
            a_repayment(*SECOND_LATE, instalment_no=2, **late),
        ]
        send(outside.bucket, "repayments", MARCH_20, rows)

        assert take(outside, MARCH_20)["taken"] == ["O1"]
        assert repaid(outside, "funder", MARCH_20) == (5600_00, 99_17, 53_20)

    def test_overdue_are_without_what_is_due_today(self, outside):
        march_15 = date(2026, 3, 15)
        first = (4000_00, 120_00, 56_00, 2800_00, 59_50, 39_20, 1200_00, 60_50, 16_80)
        row = a_repayment(*first, kind="overdue", paid_at="2026-03-15T09:00:00+08:00")
        send(outside.bucket, "repayments", march_15, [row])

        assert take(outside, march_15)["taken"] == ["O1"]
        assert [line[1] for line in due_lines(outside, march_15)] == [2]

    def test_of_a_supplement_are_taken_in_beside_the_first(self, outside):
        land_loans(outside.bucket, a_loan(2), key="in/loans/20260116/loans_v1.csv")
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        take(outside)
        later = a_repayment(*FIRST, order_no="O2", loan_id="LN2")
        send(outside.bucket, "repayments", FEB_15, [later], version=2)

        assert take(outside)["taken"] == ["O2"]
        assert repaid(outside) == (8000_00, 240_00, 0)

    def test_that_come_again_count_once(self, outside):
        for version in (1, 2, 10):
            send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)], version=version)

        taken = take(outside)

        assert (taken["taken"], taken["repeated"]) == (["O1"], ["O1", "O1"])
        assert (take(outside)["taken"], take(outside)["repeated"]) == ([], [])
        assert repaid(outside) == (4000_00, 120_00, 0)

    def test_late_for_an_earlier_date_count_from_that_date(self, outside):
        """A success of yesterday that became known today pays what was owed yesterday."""
        march_21 = date(2026, 3, 21)
        outside.clock.set(at(march_21))
        rows = [a_repayment(*FIRST, paid_at="2026-02-16T00:00:01+08:00")]
        send(outside.bucket, "repayments", FEB_15, rows)

        assert take(outside)["taken"] == ["O1"]
        assert [line[1] for line in due_lines(outside, march_21)] == [2]

    def test_of_another_day_than_the_kind_allows_are_not(self, outside):
        assert reason_for(outside, a_repayment(*FIRST), day=FEB_16) == ["amount_differs"]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (a_repayment(*FIRST, loan_id="LN8"), "unknown_loan"),
            (a_repayment(*FIRST, kind="gift"), "unknown_kind"),
            (a_repayment(*FIRST, kind="overdue"), "amount_differs"),
            (a_repayment(*FIRST, kind="settlement"), "amount_differs"),
            (a_repayment(*FIRST, instalment_no=2), "amount_differs"),
            (a_repayment(*FIRST, instalment_no="x"), "unknown_instalment"),
            (a_repayment(*FIRST, paid_at="noon"), "no_time"),
            (a_repayment(*FIRST, paid_at="2026-02-15T08:00:00"), "no_time"),
            (a_repayment(4000_01, *FIRST[1:]), "parts_do_not_add_up"),
            (a_repayment(4000_01, *FIRST[1:3], 2800_01, *FIRST[4:]), "amount_differs"),
            (
                a_repayment(*FIRST[:3], 2799_99, *FIRST[4:6], 1200_01, *FIRST[7:]),
                "split_differs",
            ),
            (a_repayment(*FIRST[:3], *FIRST[6:], *FIRST[3:6]), "split_differs"),
        ],
    )
    def test_that_do_not_tie_are_not_taken_in(self, outside, row, reason):
        assert reason_for(outside, row) == [reason]
        assert repaid(outside) == (0, 0, 0)

    def test_with_a_line_twice_are_not_taken_in(self, outside):
        row = a_repayment(*FIRST)

        assert reason_for(outside, row, row) == ["line_twice"]

    def test_of_one_order_for_two_loans_are_not_taken_in(self, outside):
        rows = (a_repayment(*FIRST), a_repayment(*FIRST, instalment_no=2, loan_id="LN2"))

        assert reason_for(outside, *rows) == ["lines_of_one_order_differ"]

    def test_that_change_their_mind_are_an_objection(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        take(outside)
        changed = a_repayment(*FIRST[:3], 2799_99, *FIRST[4:6], 1200_01, *FIRST[7:])
        send(outside.bucket, "repayments", FEB_15, [changed], version=2)

        assert take(outside)["objections"] == [{"order_no": "O1", "reason": "order_differs"}]
        assert repaid(outside, "funder") == (2800_00, 59_50, 0)

    def test_under_another_loans_number_are_an_objection(self, outside):
        land_loans(outside.bucket, a_loan(2), key="in/loans/20260116/loans_v1.csv")
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        take(outside)
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST, loan_id="LN2")], version=2)

        assert take(outside)["objections"] == [{"order_no": "O1", "reason": "order_twice"}]

    def test_put_right_by_a_later_version_are_taken_in(self, outside):
        assert reason_for(outside, a_repayment(*FIRST, kind="gift")) == ["unknown_kind"]
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)], version=2)

        taken = take(outside)

        assert (taken["taken"], taken["objections"]) == (["O1"], [])

    def test_without_their_manifest_are_not_believed(self, outside):
        key = send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        manifest = outside.bucket.objects.pop(f"{key}.ok")

        assert take(outside)["unusable"] == {key: "the manifest is missing"}
        assert repaid(outside) == (0, 0, 0)
        outside.bucket.put(f"{key}.ok", manifest)
        assert take(outside)["taken"] == ["O1"]


class TestPaidAhead:
    AHEAD = (2000_00, 40_00, 0, 1400_00, 19_83, 0, 600_00, 20_17, 0)
    JAN_25 = date(2026, 1, 25)

    def pay_ahead(self, outside):
        row = a_repayment(*self.AHEAD, kind="partial", paid_at="2026-01-25T10:00:00+08:00")
        send(outside.bucket, "repayments", self.JAN_25, [row])
        assert take(outside, self.JAN_25)["objections"] == []

    def test_a_part_cuts_the_schedule_again(self, outside):
        """10,000.00 in three: 3,333.33 each, 20 days left of the first period."""
        self.pay_ahead(outside)

        (line,) = due_lines(outside, FEB_15)
        assert line[3][:3] == (3333_33, 66_67, 0)

    def test_a_part_may_shorten_it(self, outside):
        self.pay_ahead(outside)
        outside.funder.recut(loan_id="LN1", order_no="O1", recut="shorten_term")

        (line,) = due_lines(outside, FEB_15)
        assert line[3][:3] == (4000_00, 66_67, 0)

    def test_all_of_it_settles_the_loan(self, outside):
        whole = (12000_00, 40_00, 0, 8400_00, 19_83, 0, 3600_00, 20_17, 0)
        row = a_repayment(*whole, kind="settlement", paid_at="2026-01-25T10:00:00+08:00")
        send(outside.bucket, "repayments", self.JAN_25, [row])

        assert take(outside, self.JAN_25)["taken"] == ["O1"]
        loan = outside.funder.books(funder_id="F1", as_of=MARCH_20)["loans"]["LN1"]
        assert (loan["is_settled"], loan["unpaid"]) == (True, [])

    def test_an_unknown_way_to_cut_is_refused(self, outside):
        outside.funder.read_loans()
        for loan_id, recut in (("LN1", "shrink"), ("LN8", "shorten_term")):
            with pytest.raises(ValueError, match=r"recut must be|no such loan"):
                outside.funder.recut(loan_id=loan_id, order_no="O1", recut=recut)


class TestConfirmation:
    def confirm(self, outside, **asked):
        answer = outside.funder.confirm(funder_id="F1", day=FEB_15, **asked)
        rows = outside.lines(answer["key"])
        return [tuple(row.values()) for row in rows]

    def test_agrees_with_what_its_books_hold(self, outside):
        for kind in ("repayments", "reconciliation"):
            send(outside.bucket, kind, FEB_15, [a_repayment(*FIRST)])

        assert self.confirm(outside) == [("O1", "agreed", "285950", "")]

    def test_is_answered_once_more_in_another_version(self, outside):
        for kind in ("repayments", "reconciliation"):
            send(outside.bucket, kind, FEB_15, [a_repayment(*FIRST)])

        assert self.confirm(outside) == self.confirm(outside, version=2)
        assert outside.bucket.keys("in/funders/F1/confirmations/20260215/") == [
            f"in/funders/F1/confirmations/20260215/confirmation_v{n}.csv{ok}"
            for n in (1, 2)
            for ok in ("", ".ok")
        ]

    def test_takes_in_what_came_with_the_reconciliation_alone(self, outside):
        send(outside.bucket, "reconciliation", FEB_15, [a_repayment(*FIRST)])

        assert self.confirm(outside) == [("O1", "agreed", "285950", "")]
        assert repaid(outside) == (4000_00, 120_00, 0)

    def test_differs_where_the_split_is_another(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        other = a_repayment(*FIRST[:3], 2799_99, *FIRST[4:6], 1200_01, *FIRST[7:])
        send(outside.bucket, "reconciliation", FEB_15, [other])

        assert self.confirm(outside) == [("O1", "differs", "285950", "amount_differs")]

    def test_differs_where_an_order_is_not_in_its_books(self, outside):
        send(outside.bucket, "reconciliation", FEB_15, [a_repayment(*FIRST, kind="overdue")])

        assert self.confirm(outside) == [("O1", "differs", "0", "amount_differs")]

    def test_misses_what_it_was_told_before(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        send(outside.bucket, "reconciliation", FEB_15, [])

        assert self.confirm(outside) == [("O1", "differs", "285950", "missing_in_reconciliation")]

    def test_answers_the_latest_version(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        send(outside.bucket, "reconciliation", FEB_15, [])
        send(outside.bucket, "reconciliation", FEB_15, [a_repayment(*FIRST)], version=2)

        assert self.confirm(outside) == [("O1", "agreed", "285950", "")]

    def test_rejects_wrongly_on_request(self, outside):
        for kind in ("repayments", "reconciliation"):
            send(outside.bucket, kind, FEB_15, [a_repayment(*FIRST)])

        rejected = self.confirm(outside, mutations=[mutation_of("reject_row")])

        assert rejected == [("O1", "differs", "285950", "amount differs")]
        assert self.confirm(outside, version=2) == [("O1", "agreed", "285950", "")]

    def test_without_a_file_to_answer_is_refused(self, outside):
        with pytest.raises(NoFileError):
            outside.funder.confirm(funder_id="F1", day=FEB_15)
        key = send(outside.bucket, "reconciliation", FEB_15, [a_repayment(*FIRST)])
        outside.bucket.objects[key] = outside.bucket.objects[key][:-1]
        with pytest.raises(NoFileError, match="cut"):
            outside.funder.confirm(funder_id="F1", day=FEB_15)

    def test_reads_and_answers_in_the_funders_dialect(self):
        outside = Outside(a_loan(1, funder_id="F2"))
        nine = (4000_00, 120_00, 0, 2800_00, 63_00, 0, 1200_00, 57_00, 0)
        for kind in ("repayments", "reconciliation"):
            send(
                outside.bucket,
                kind,
                FEB_15,
                [a_repayment(*nine)],
                funder_id="F2",
                dialect="gb18030-trailer",
            )

        answer = outside.funder.confirm(funder_id="F2", day=FEB_15)

        line, _ = outside.lines(answer["key"], encoding="gb18030")
        assert (answer["agreed"], line["状态"], line["资金方金额"]) == (1, "agreed", "2863.00")


class TestBooks:
    def test_tell_what_is_owed_and_repaid_by_party_and_component(self, outside):
        send(outside.bucket, "repayments", FEB_15, [a_repayment(*FIRST)])
        take(outside)

        told = outside.funder.books(funder_id="F1", as_of=MARCH_20)

        loan = told["loans"]["LN1"]
        assert loan["days_past_due"] == 5
        assert loan["owed"]["funder"] == {
            "principal_fen": 2800_00,
            "interest_fen": 39_67,
            "penalty_fen": 7_00,
        }
        assert loan["outstanding"]["platform"]["principal_fen"] == 2400_00
        assert [order["order_no"] for order in loan["orders"]] == ["O1"]
        assert loan["orders"][0]["platform"] == {
            "principal_fen": 1200_00,
            "interest_fen": 60_50,
            "penalty_fen": 0,
        }
        assert told["repaid"] == loan["repaid"]
