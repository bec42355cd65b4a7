"""A day of all three modes on the local cloud: funders' files, their rounds, and three ledgers.

What is planted in the funders' files is found, told to them, and gone when the day closes.
"""

import csv
import io
from datetime import date, datetime

import pytest

DAY = date(2026, 11, 24)
LOANS = {"": 6, "F1": 96, "F2": 10, "F3": 14}
"""F1 has so many that three differing dues are within its tolerance."""


@pytest.fixture(scope="module")
def books(cloud):
    from chalicelib.adapters.wall_clock import SHANGHAI
    from infra.local import business_day, sample_book
    from infra.local.lenders import LENDERS

    business_day.set_clock(cloud, datetime(2026, 11, 23, 20, tzinfo=SHANGHAI))
    made = {
        lender.funder_id: sample_book.make(
            loans=LOANS[lender.funder_id], seed=7, business_date=DAY, lender=lender
        )
        for lender in LENDERS
    }
    for book in made.values():
        business_day.land(cloud, book)
    business_day.wait_until_quiet(cloud)
    return made


@pytest.fixture(scope="module")
def morning(cloud, books):
    """Drive the day until the second lenders have answered, and read how it stands then."""
    from infra.local import business_day, report

    business_day.drive(cloud, business_date=DAY, until="confirmations", tell=lambda _: None)
    return report.of_day(cloud, DAY)


@pytest.fixture(scope="module")
def found(cloud, morning):
    """Drive it to its end."""
    from infra.local import business_day, report

    business_day.drive(cloud, business_date=DAY, resume=True, tell=lambda _: None)
    return report.of_day(cloud, DAY)


def rows(key, *, encoding="utf-8"):
    from chalicelib import wiring

    return list(csv.DictReader(io.StringIO(wiring.object_store().read(key).decode(encoding))))


def of_channel(found, channel):
    return [
        (each["class"], each["state"])
        for each in found["discrepancies"]
        if each["channel"] == channel
    ]


class TestIntake:
    def test_takes_the_loans_of_every_lender_in(self, books):
        from chalicelib import wiring
        from infra.local import sample_book

        for funder_id, book in books.items():
            [record] = wiring.files().files.of_key(sample_book.key(book))
            taken = (record.state, record.applied, record.refused)
            assert taken == ("applied", LOANS[funder_id], 0)


class TestTheDueFiles:
    def test_hold_alone_what_differs_and_the_funder_is_told_of_it(self, morning):
        due = morning["runs"]["funder_due_F1"]["totals"]
        assert (due["verdict"], due["differing"]) == ("hold_loans", 3)

        told = rows("out/funders/F1/due-differences/20261124/differences_v1.csv")
        assert {line["difference"] for line in told} == {"differs", "only_ours", "only_theirs"}
        lender = morning["lenders"]["joint_lending F1"]
        assert lender["skipped funder_differs"]["count"] == 2, "the third is a stranger's"

    def test_corrected_before_the_first_round_hold_nobody(self, morning):
        due = morning["runs"]["funder_due_F2"]["totals"]
        assert (due["version"], due["verdict"], due["differing"]) == (2, "go", 0)

        first = "out/funders/F2/due-differences/20261124/differences_v1.csv"
        assert len(rows(first, encoding="gb18030")) > 1
        assert not any("skipped" in end for end in morning["lenders"]["joint_lending F2"])


class TestTheResults:
    def test_told_wrong_are_put_right_by_the_next_version(self, morning):
        assert of_channel(morning, "funder-F3") == [("amount_differs", "resolved")]
        assert morning["runs"]["results_F3_r1"]["totals"]["file"]["version"] == 2
        assert morning["runs"]["assisted_day_F3"]["state"] == "complete"

    def test_are_posted_once_by_our_own_allocation(self, morning):
        ends = morning["lenders"]["loan_assistance F3"]
        assert ends["succeeded"]["count"] == morning["proof"]["funders"]["F3"]["ours"]["count"] > 5
        assert ends["failed"]["count"] > 0


class TestTheClose:
    def test_waits_for_the_second_lender_that_disagrees(self, morning):
        assert not morning["is_closed"]
        assert of_channel(morning, "funder-F1") == [("confirmation_differs", "open")]

    def test_comes_when_nothing_is_open(self, found):
        assert found["is_closed"]
        assert {each["state"] for each in found["discrepancies"]} == {"resolved"}


class TestWhatTheDayLeaves:
    """Vouchers and a frozen report, written by the deployed Lambda with its own policy."""

    def test_is_vouched_for_by_digest_and_ties(self, found, capsys):
        import json

        from infra.commands import main
        from infra.local import closed_day

        report, vouchers = closed_day.report_of(DAY), closed_day.vouchers_of(DAY)
        assert {place["mode"] for place in report["places"]} == {
            "self_operated",
            "joint_lending",
            "loan_assistance",
        }
        assert vouchers["debit_fen"] == vouchers["credit_fen"] > 0
        assert report["total"]["succeeded"] == vouchers["events"]["repayment"]
        taken = [each["ours"]["amount_fen"] for each in found["proof"]["funders"].values()]
        lent = [place for place in report["places"] if place["mode"] != "self_operated"]
        parts = ("principal_fen", "interest_fen", "penalty_fen")
        assert sum(place[part] for place in lent for part in parts) == sum(taken)
        assert main(["report", "--date", DAY.isoformat(), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == report
        assert main(["vouchers", "--date", DAY.isoformat()]) == 0
        assert "debit = credit" in capsys.readouterr().out
        assert main(["report", "--date", "2026-11-01"]) == 1

    def test_holds_a_line_for_each_side_of_each_account(self, found):
        lines = rows("vouchers/20261124.csv")

        sums = {"debit": 0, "credit": 0}
        for line in lines:
            sums[line["side"]] += int(line["amount_fen"])
        assert sums["debit"] == sums["credit"] > 0
        assert {line["event"] for line in lines} == {"repayment"}


class TestTheProof:
    def test_three_ledgers_agree_to_the_fen(self, found):
        proof = found["proof"]
        assert proof["holds"], proof
        for funder_id, told in proof["funders"].items():
            assert told["ours"] == told["books"], funder_id
            assert told["ours"]["count"] == told["platform"]["count"] > 5
            assert told["ours"]["funder_fen"] == told["platform"]["funder_fen"] > 0
            assert told["loans"] == LOANS[funder_id]
        assert set(proof["funders"]) == {"F1", "F2", "F3"}

    def test_borrowers_of_every_lender_have_paid_by_themselves(self, found):
        from chalicelib import wiring
        from chalicelib.domain.deduction import Deduction, Status

        kinds = {
            (record.mode, record.kind.value)
            for record in wiring.books().journal.of_day(DAY)
            if isinstance(record, Deduction) and record.result.status is Status.SUCCEEDED
        }
        for mode in ("joint_lending", "loan_assistance"):
            assert {(mode, kind) for kind in ("full", "partial", "scheduled")} <= kinds

    def test_does_not_hold_where_a_fen_is_missing(self, found, cloud):
        """The proof itself is tried: a journal that lacks an order, and one a fen too high."""
        from dataclasses import replace

        from chalicelib import wiring
        from chalicelib.domain.deduction import Deduction, Status
        from chalicelib.domain.money import Components, Money
        from infra.local import funder_proof

        journal = [
            record
            for record in wiring.books().journal.of_day(DAY)
            if isinstance(record, Deduction) and record.result.status is Status.SUCCEEDED
        ]
        joint = next(each for each in journal if each.mode == "joint_lending")
        told = next(each for each in journal if each.mode == "loan_assistance")
        others = [each for each in journal if each not in (joint, told)]
        fen = Components(interest=Money(1))
        more = replace(told, components=told.components + fen, amount=told.amount + Money(1))

        spoilt = funder_proof.of_day(cloud, DAY, [*others, more])

        wrong = [no for each in spoilt.values() for no in each["orders_differ_from_books"]]
        assert sorted(wrong) == sorted([joint.order_no, told.result.trade_no])
        assert [each["holds"] for each in spoilt.values()].count(False) == 2

    def test_split_that_failed_is_done_when_the_bill_comes(self, found, books):
        from chalicelib import wiring

        planted = [
            f"20261124-1-{loan_id}"
            for funder_id in ("F1", "F2")
            for outcome, loan_id in books[funder_id].planted.items()
            if outcome.startswith("split_")
        ]
        records = wiring.books().journal.get_many(planted)
        assert {no for no, each in records.items() if each.result.split_pending} == set(planted)
        assert not list(wiring.split_repairs().all())
        assert (
            found["runs"]["reconciliation_main"]["totals"]["classes"]["split_differs"]["rows"] == 0
        )

    def test_does_not_hold_where_a_schedule_was_cut_otherwise(self, found, cloud):
        from chalicelib import wiring
        from infra.local import controls, funder_proof

        journal = [each for each in wiring.books().journal.of_day(DAY) if hasattr(each, "result")]
        ahead = [each for each in journal if (each.mode, each.kind) == ("joint_lending", "partial")]
        for each in ahead:
            told = {"loan_id": each.loan_id, "order_no": each.order_no}
            controls.tell(cloud.funder_url, "recuts", told | {"recut": "reduce_instalment"})

        spoilt = funder_proof.of_day(cloud, DAY, journal)

        otherwise = {no for each in spoilt.values() for no in each["loans_stand_otherwise"]}
        assert otherwise
        assert otherwise < {each.loan_id for each in ahead}, "some were cut so from the beginning"
        assert not all(each["holds"] for each in spoilt.values())
