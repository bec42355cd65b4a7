import csv
import hashlib
import io
import json
import re
from collections import Counter
from datetime import date, timedelta
from functools import cache
from itertools import groupby

import pytest

from chalicelib.adapters import funders
from infra.local import sample_book
from infra.local.lenders import LENDERS, OUTCOMES
from infra.local.sample_book import BUCKETS, make, make_all
from simulators.outcomes import SLOW
from simulators.payment_platform import OUTCOMES as KNOWN_OUTCOMES

DAY = date(2026, 11, 24)
COLUMNS = [
    *("loan_id", "borrower_id", "borrower_name", "phone", "product", "mode"),
    *("funder_id", "funder_share_bps", "principal_fen", "annual_rate", "method", "terms"),
    *("disbursed_on", "first_due_on", "agreement_no", "revolving"),
]


@pytest.fixture(scope="module")
def book():
    return make(loans=320, seed=7, business_date=DAY)


@cache
def book_of_320(seed, business_date):
    return make(loans=320, seed=seed, business_date=business_date)


@cache
def books_of_320():
    return make_all(loans=320, seed=7, business_date=DAY)


def by_borrower(book):
    loans = sorted(book.loans, key=lambda loan: loan.borrower_id)
    return [list(group) for _, group in groupby(loans, key=lambda loan: loan.borrower_id)]


class TestFile:
    def test_has_the_columns_of_the_contract(self, book):
        rows = list(csv.DictReader(io.StringIO(sample_book.loans_csv(book).decode())))

        assert list(rows[0]) == COLUMNS
        assert len(rows) == 320
        assert rows[0] == {column: str(getattr(book.loans[0], column)) for column in COLUMNS}

    def test_has_a_manifest_that_ties(self, book):
        assert json.loads(sample_book.manifest(book)) == {
            "rows": 320,
            "amount_fen": sum(loan.principal_fen for loan in book.loans),
            "sha256": hashlib.sha256(sample_book.loans_csv(book)).hexdigest(),
        }

    def test_lies_under_its_date(self, book):
        assert sample_book.key(book, version=2) == "in/loans/20261124/loans_v2.csv"


class TestMake:
    def test_gives_the_same_book_for_the_same_seed(self, book):
        assert make(loans=320, seed=7, business_date=DAY) == book
        assert make(loans=320, seed=8, business_date=DAY) != book

    @pytest.mark.parametrize("loans", [1, 2, 17, 39, 40, 41, 1_000])
    def test_gives_as_many_loans_as_asked(self, loans):
        made = make(loans=loans, seed=3, business_date=DAY)

        assert len({loan.loan_id for loan in made.loans}) == loans

    def test_needs_a_loan(self):
        with pytest.raises(ValueError, match="at least one"):
            make(loans=0, seed=7, business_date=DAY)


@pytest.mark.parametrize("seed", [7, 1, 20_261])
@pytest.mark.parametrize("business_date", [DAY, date(2027, 3, 31), date(2028, 2, 29)])
class TestEveryBook:
    @pytest.fixture
    def book(self, seed, business_date):
        return book_of_320(seed, business_date)

    def test_has_enough_to_do(self, book):
        dpds = [book.dpd(loan) for loan in book.loans]

        assert sum(0 <= dpd <= 30 for dpd in dpds) >= 0.4 * 320
        assert len(book.due()) >= 120

    def test_has_every_bucket_with_its_ends_and_every_reminder(self, book):
        dpds = {book.dpd(loan) for loan in book.loans}

        assert {low for low, _ in BUCKETS} <= dpds
        assert {high for _, high in BUCKETS[:5]} <= dpds
        assert {0, -1, -3} <= dpds
        assert min(dpds) < -3

    def test_has_borrowers_with_several_loans(self, book):
        borrowers = by_borrower(book)
        sizes = Counter(len(loans) for loans in borrowers)
        same_day = [
            loans for loans in borrowers if len({loan.first_due_on for loan in loans}) < len(loans)
        ]

        assert set(sizes) == {1, 2, 3}
        assert 0.28 < (sizes[2] + sizes[3]) / len(borrowers) < 0.38
        assert len(same_day) >= 60
        assert any(len({loan.first_due_on for loan in loans}) > 1 for loans in borrowers)

    def test_has_people_who_do_not_exist(self, book):
        for loans in by_borrower(book):
            assert len({(loan.borrower_name, loan.phone) for loan in loans}) == 1
            assert re.fullmatch(r"100\d{8}", loans[0].phone)
            assert re.fullmatch(r"[一-龥]\*[一-龥]?", loans[0].borrower_name)
        assert len({loan.phone for loan in book.loans}) == len(by_borrower(book))

    def test_has_terms_a_schedule_can_be_cut_from(self, book):
        assert {loan.method for loan in book.loans} == set(sample_book.METHODS)
        assert {loan.first_due_on.day for loan in book.loans} == set(range(1, 32))
        for loan in book.loans:
            assert loan.mode == "self_operated"
            assert loan.disbursed_on < min(loan.first_due_on, book.business_date)
            assert re.fullmatch(r"0\.\d{4}", loan.annual_rate)
            assert 0.072 <= float(loan.annual_rate) <= 0.24
            assert loan.terms in range(3, 37) or (loan.terms, loan.method) == (1, "bullet")
            assert (loan.product == "cash_line") == (loan.revolving == "true")

    def test_has_what_is_due_in_its_first_instalment(self, book):
        """A bullet loan's only instalment is at the end of its months: one, where it is due."""
        due_or_soon = [loan for loan in book.loans if book.dpd(loan) >= -3]

        assert all(loan.terms == 1 for loan in due_or_soon if loan.method == "bullet")
        assert any(loan.terms > 1 for loan in book.loans if loan.method == "bullet")

    def test_plants_every_outcome_in_a_loan_that_is_due_today(self, book):
        loans = {loan.loan_id: loan for loan in book.loans}

        assert set(book.planted) == set(OUTCOMES)
        assert len(set(book.planted.values())) == len(OUTCOMES)
        for outcome, loan_id in book.planted.items():
            script = book.scripts.get(loans[loan_id].agreement_no, ("succeed",))
            assert (script[0], book.dpd(loans[loan_id])) == (outcome, 0)

    def test_has_those_who_pay_in_round_two_and_those_who_never_do(self, book):
        scripts = Counter(book.scripts.values())

        assert scripts["insufficient_funds", "succeed"] >= 10
        assert scripts["insufficient_funds", "insufficient_funds"] >= 10
        assert len(book.fails_twice) == scripts["insufficient_funds", "insufficient_funds"]

    def test_scripts_what_the_platform_knows(self, book):
        agreements = {loan.agreement_no for loan in book.loans}

        assert len(agreements) == 320
        assert set(book.scripts) <= agreements
        assert all(
            outcome in KNOWN_OUTCOMES or SLOW.fullmatch(outcome)
            for outcomes in book.scripts.values()
            for outcome in outcomes
        )


class TestEveryLender:
    @pytest.fixture
    def books(self):
        return books_of_320()

    @pytest.fixture
    def book(self):
        return book_of_320(7, DAY)

    def test_has_a_book_in_a_file_of_its_own_and_ours_is_as_ever(self, books, book):
        assert books[0] == book
        assert [sample_book.key(each) for each in books] == [
            f"in/loans/20261124/loans_v{version}.csv" for version in (1, 2, 3, 4)
        ]

    def test_has_a_hundred_loans_of_each_mode(self, books):
        modes = Counter(loan.mode for each in books for loan in each.loans)

        assert modes["self_operated"] == 320
        assert modes["joint_lending"] >= 100
        assert modes["loan_assistance"] >= 100

    def test_shares_no_number_with_another(self, books):
        for name in ("loan_id", "agreement_no"):
            numbers = [getattr(loan, name) for each in books for loan in each.loans]
            assert len(set(numbers)) == len(numbers)
        people = {
            (loan.phone, each.lender.place, loan.borrower_id)
            for each in books
            for loan in each.loans
        }
        assert len({phone for phone, _, _ in people}) == len(people)
        assert all(re.fullmatch(r"10\d{9}", phone) for phone, _, _ in people)

    def test_lends_what_its_lender_lends(self, books):
        for each in books:
            for loan in each.loans:
                assert (loan.mode, loan.funder_id) == (each.lender.mode, each.lender.funder_id)
                assert loan.funder_share_bps in (each.lender.shares_bps or (0,))

    def test_plants_what_its_lender_plants_and_the_platform_knows(self, books):
        for each in books:
            assert set(each.planted) == set(each.lender.outcomes)
            assert all(
                outcome in KNOWN_OUTCOMES or SLOW.fullmatch(outcome)
                for outcomes in each.scripts.values()
                for outcome in outcomes
            )
        assert "split_fails_after_charge" in books[1].planted

    def test_is_one_the_catalogue_knows(self):
        known = funders.read()
        assert {lender.funder_id for lender in LENDERS} == {"", *known}
        for lender in LENDERS[1:]:
            deducts = lender.mode == "loan_assistance"
            assert known[lender.funder_id].deducts is deducts


def test_dates_of_every_business_date_of_a_year_are_real():
    for n in range(0, 366, 7):
        day = date(2027, 1, 1) + timedelta(days=n)
        assert all(
            loan.disbursed_on < loan.first_due_on
            for loan in make(loans=60, seed=n, business_date=day).loans
        )
