"""Good loans go into the book, bad lines are named, and a line is never taken twice."""

from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from chalicelib.domain.funder import FunderTerms
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import Money, total
from chalicelib.domain.position import START
from chalicelib.flows.landing import Outcome
from chalicelib.flows.ports import Borrower
from tests.builders import FUNDER
from tests.fakes import Crash
from tests.fakes_files import LOANS_KEY, FileWorld, a_loan_row, drop_loans

GOLDEN = Path(__file__).parents[1] / "golden"
SECOND_KEY = "in/loans/20261124/loans_v2.csv"


@pytest.fixture
def world():
    return FileWorld()


def take(world, *rows, key=LOANS_KEY):
    drop_loans(world, list(rows), key=key)
    return world.take(key)


class TestAGoodLine:
    def test_becomes_a_loan_with_its_schedule_and_its_borrower(self, world):
        taken = take(world, a_loan_row("LN1", borrower_id="B1"))
        loan = world.loans.rows["LN1"]
        cut = world.schedules.rows["LN1", 1].instalments

        assert (taken.outcome, taken.applied, taken.refused) == (Outcome.APPLIED, 1, 0)
        assert (loan.mode, loan.status, loan.position) == (
            Mode.SELF_OPERATED,
            LoanStatus.OPEN,
            START,
        )
        assert loan.unpaid_due_on == cut[0].due_on == date(2026, 11, 24)
        assert total(row.principal for row in cut) == loan.principal == Money(12_000_00)
        assert world.borrowers.rows == {
            "B1": Borrower(borrower_id="B1", name="王*明", phone="13800000000")
        }

    def test_of_a_free_loan_is_due_where_something_is_asked(self, world):
        take(world, a_loan_row(method="interest_first", annual_rate="0", terms=3))

        assert world.loans.rows["LN1"].unpaid_due_on == date(2027, 1, 24)

    def test_may_share_its_borrower_with_others(self, world):
        take(world, a_loan_row("LN1", borrower_id="B1"), a_loan_row("LN2", borrower_id="B1"))

        assert len(world.loans.rows) == 2
        assert set(world.borrowers.rows) == {"B1"}

    def test_is_put_as_a_whole_before_its_head(self):
        """A head in the book has a schedule and a borrower, wherever the process is killed."""
        whole = 0
        for dies_at in range(30):
            world = FileWorld()
            drop_loans(world, [a_loan_row("LN1")])
            world.outside.dies_at = dies_at
            with suppress(Crash):
                world.take(LOANS_KEY)
            if "LN1" in world.loans.rows:
                whole += 1
                assert world.schedules.rows["LN1", 1]
                assert world.borrowers.rows["B-LN1"]
        assert 0 < whole < 30


BAD_CELLS = {
    "method": "equal_installment",
    "product": "mortgage",
    "mode": "joint_lending",
    "terms": "361",
    "annual_rate": "0.3601",
    "principal_fen": "-500",
    "first_due_on": "2026-10-24",
    "disbursed_on": "2026-02-30",
    "loan_id": "LN#1",
    "borrower_id": "B" * 33,
    "phone": "１３８００００００００",
    "agreement_no": "",
    "funder_share_bps": "10001",
    "funder_id": "F1",
    "revolving": "maybe",
    "borrower_name": "\t",
}


class TestABadLine:
    @pytest.mark.parametrize("column", BAD_CELLS)
    def test_is_named_and_refused_alone(self, world, column):
        taken = take(world, a_loan_row("LN0"), a_loan_row("LN1") | {column: BAD_CELLS[column]})

        assert (taken.outcome, taken.applied, taken.refused) == (Outcome.APPLIED, 1, 1)
        assert [(r["line"], r["column"]) for r in world.reasons(LOANS_KEY)] == [(3, column)]
        assert set(world.loans.rows) == {"LN0"}
        assert f"quarantine/{LOANS_KEY}" not in world.objects.bodies

    @pytest.mark.parametrize(
        ("column", "cell"),
        [("principal_fen", "0"), ("terms", "0"), ("terms", "6.0"), ("terms", "٦"), ("mode", "x")]
        + [("first_due_on", "2026-11-2４"), ("annual_rate", "18%"), ("phone", "10086")],
    )
    def test_may_be_bad_in_other_ways(self, world, column, cell):
        assert take(world, a_loan_row() | {column: cell}).refused == 1
        assert not world.state()["loans"]

    def test_of_a_loan_that_the_file_has_already(self, world):
        taken = take(world, a_loan_row("LN1"), a_loan_row("LN2"), a_loan_row("LN1", terms=12))

        assert (taken.applied, taken.refused) == (2, 1)
        assert world.reasons(LOANS_KEY)[0]["line"] == 4
        assert len(world.schedules.rows["LN1", 1].instalments) == 6

    def test_of_a_loan_that_the_book_has_already_changes_nothing_of_it(self, world):
        take(world, a_loan_row("LN1", borrower_id="B1"))
        book = world.state()
        taken = take(
            world,
            a_loan_row("LN1", borrower_id="B1", phone="13999999999", terms=12),
            a_loan_row("LN2"),
            key=SECOND_KEY,
        )

        assert (taken.applied, taken.refused) == (1, 1)
        assert world.reasons(SECOND_KEY) == [
            {"line": 2, "column": "loan_id", "reason": "is in the book already", "value": ""}
        ]
        assert world.loans.rows["LN1"] == book["loans"]["LN1"]
        assert world.borrowers.rows["B1"] == book["borrowers"]["B1"]


NOT_SUCH_LOANS = "not agreed with the funder: it has no part in such loans"


class TestALineOfAFundersLoan:
    """Of F1 that lends in both ways, F2 that lends jointly, F3 that deducts by itself."""

    @pytest.fixture
    def world(self):
        world = FileWorld()
        world.served_modes = frozenset(Mode)
        both = replace(FUNDER, deductions_url="https://funder.example/v1/deductions")
        world.funders["F1"] = replace(both, terms={1: FunderTerms(), 2: FunderTerms()})
        world.funders["F2"] = replace(FUNDER, funder_id="F2")
        world.funders["F3"] = replace(both, funder_id="F3", account="", platform_account="")
        return world

    @pytest.mark.parametrize("mode", ["joint_lending", "loan_assistance"])
    def test_becomes_a_loan_under_what_is_agreed_by_then(self, world, mode):
        taken = take(world, a_loan_row(mode=mode, funder_id="F1", funder_share_bps=7_000))
        world.funders["F1"] = replace(
            world.funders["F1"], terms=dict.fromkeys((1, 2, 3), FunderTerms())
        )
        take(world, a_loan_row("LN2", mode=mode, funder_id="F1"), key=SECOND_KEY)
        loan = world.loans.rows["LN1"]

        assert taken.applied == 1
        assert (loan.funder_id, loan.funder_share_bps, loan.funder_terms) == ("F1", 7_000, 2)
        assert world.loans.rows["LN2"].funder_terms == 3

    @pytest.mark.parametrize(
        ("cells", "column", "reason"),
        [
            ({"mode": "joint_lending", "funder_id": "F9"}, "funder_id", "no such funder"),
            ({"mode": "loan_assistance", "funder_id": "F9"}, "funder_id", "no such funder"),
            ({"mode": "joint_lending", "funder_id": "F3"}, "funder_id", NOT_SUCH_LOANS),
            ({"mode": "loan_assistance", "funder_id": "F2"}, "funder_id", NOT_SUCH_LOANS),
            (
                {"mode": "joint_lending", "funder_id": ""},
                "funder_id",
                "a funder belongs to every loan but a self-operated one",
            ),
            (
                {"mode": "self_operated", "funder_id": "F1"},
                "funder_id",
                "a funder belongs to every loan but a self-operated one",
            ),
            (
                {"mode": "self_operated", "funder_share_bps": "7000"},
                "funder_share_bps",
                "nobody has a share of a self-operated loan",
            ),
        ],
    )
    def test_is_refused_where_the_funder_does_not_fit(self, world, cells, column, reason):
        taken = take(world, a_loan_row("LN0"), a_loan_row("LN1") | cells)

        assert (taken.applied, taken.refused) == (1, 1)
        assert [(r["line"], r["column"], r["reason"]) for r in world.reasons(LOANS_KEY)] == [
            (3, column, reason)
        ]
        assert world.loans.rows["LN0"].funder_terms == 0


def test_takes_more_lines_than_it_holds_at_once(world):
    taken = take(world, *(a_loan_row(f"LN{n}") for n in range(450)))

    assert (taken.applied, len(world.loans.rows)) == (450, 450)


def test_lets_a_failure_of_one_call_out(world):
    class Failing:
        def map(self, work, items):
            return [ConnectionError("gone") for _ in items]

    drop_loans(world, [a_loan_row()])
    world.calls = Failing()

    with pytest.raises(ConnectionError):
        world.take(LOANS_KEY)
    world.calls = None
    assert world.take(LOANS_KEY).applied == 1


def test_the_golden_file(world):
    """The file of the contract: what is in it, line by line, and what becomes of it."""
    world.drop(
        LOANS_KEY,
        (GOLDEN / "loans_v1.csv").read_bytes(),
        (GOLDEN / "loans_v1.csv.ok").read_bytes(),
    )
    taken = world.take(LOANS_KEY)
    reasons = world.objects.bodies[f"quarantine/{LOANS_KEY}.reasons.json"]

    assert (taken.outcome, taken.applied, taken.refused) == (Outcome.APPLIED, 4, 5)
    assert sorted(world.loans.rows) == ["LN001", "LN002", "LN003", "LN004"]
    assert reasons == (GOLDEN / "loans_v1.csv.reasons.json").read_bytes()
