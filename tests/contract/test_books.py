"""Whatever stands behind the stores' ports, it keeps these promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.client import BaseClient
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.adapters.dynamodb.loans import DynamoLoans
from chalicelib.adapters.dynamodb.meter import attach, metered
from chalicelib.adapters.dynamodb.runs import DynamoRuns
from chalicelib.adapters.dynamodb.schedules import DynamoSchedules
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import (
    Deduction,
    Kind,
    Result,
    Skip,
    SkipReason,
    Status,
    failed,
    order_no_of,
    order_no_of_quote,
)
from chalicelib.domain.loan import LoanStatus, Mode
from chalicelib.domain.money import Components, Money
from chalicelib.domain.product import Recut
from chalicelib.domain.split import Split
from chalicelib.flows.early_repayment import request_named
from chalicelib.flows.ports import MovedByAnotherError
from tests.builders import PRODUCT, TODAY, a_cut, a_joint_loan, a_loan, a_schedule, at
from tests.fakes import FakeJournal, FakeLoans, FakeRuns, FakeSchedules, Outside

ORDER_NO = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
QUOTE_ORDER_NO = order_no_of_quote(business_date=TODAY, quote_id="Qaidmaa27lfexbaru", loan_id="LN1")


@pytest.fixture(params=["fake", "dynamodb"])
def stores(request):
    if request.param == "fake":
        outside = Outside()
        yield FakeLoans(outside, 1), FakeSchedules(outside), FakeJournal(outside), FakeRuns(outside)
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        for table in (tables.LoanRow, tables.ScheduleRow, tables.JournalRow, tables.RunRow):
            table.create_table()
        yield DynamoLoans(shards=1), DynamoSchedules(), DynamoJournal(), DynamoRuns()


@pytest.fixture
def book(stores):
    return stores[0]


@pytest.fixture
def schedules(stores):
    return stores[1]


@pytest.fixture
def journal(stores):
    return stores[2]


@pytest.fixture
def runs(stores):
    return stores[3]


def in_flight(loan):
    slot = loans.slot_for(
        loan=loan,
        schedule=a_schedule(),
        product=PRODUCT,
        order_no=ORDER_NO,
        business_date=TODAY,
        listed=Money(10**9),
        now=at(8),
    )
    return replace(loan, slot=slot)


def a_deduction(**changes):
    facts = {
        "order_no": ORDER_NO,
        "loan_id": "LN1",
        "borrower_id": "B1",
        "mode": "self_operated",
        "business_date": TODAY,
        "round_no": 1,
        "agreement_no": "AG-LN1",
        "amount": Money(2_100_00),
        "components": Components(principal=Money(2_000_00), interest=Money(100_00)),
        "result": Result(status=Status.SUCCEEDED, trade_no="T1", paid_at=at(8, 1)),
        "recorded_at": at(8, 2),
        "listed": Money(2_100_00),
    }
    return Deduction(**(facts | changes))


class TestLoans:
    def test_gives_back_what_it_was_given(self, book):
        loan = in_flight(a_loan(hold="", last_failure="INSUFFICIENT_FUNDS"))
        book.add(loan)

        assert book.get("LN1") == loan
        assert book.get("LN2") is None

    def test_gives_back_what_was_agreed_with_its_funder(self, book):
        book.add(a_joint_loan())

        assert book.get("LN1") == a_joint_loan()

    def test_gives_back_what_a_borrower_wished_to_pay(self, book):
        slot = replace(
            in_flight(a_loan()).slot,
            order_no=QUOTE_ORDER_NO,
            kind=Kind.PARTIAL,
            recut=Recut.SHORTEN_TERM,
            fee=Money(12_34),
            request="b3efd1a3eea8fc87",
        )
        book.add(a_loan(slot=slot))

        assert book.get("LN1").slot == slot

    def test_gives_back_how_an_order_is_split(self, book):
        funder = Components(principal=Money(7), penalty=Money(1))
        platform = Components(principal=Money(3), interest=Money(9))
        slot = replace(
            in_flight(a_joint_loan()).slot,
            components=funder + platform,
            split=Split(funder=funder, platform=platform),
        )
        book.add(a_joint_loan(slot=slot))

        assert book.get("LN1").slot == slot

    def test_adds_a_loan_only_once(self, book):
        assert [book.add(a_loan()), book.add(a_loan(overdue_days=9))] == [True, False]
        assert book.get("LN1") == a_loan()

    def test_lets_only_one_of_two_who_read_the_same_write(self, book):
        book.add(a_loan())
        read = book.get("LN1")
        book.write(in_flight(read))

        with pytest.raises(MovedByAnotherError):
            book.write(replace(read, last_failure="X"))

    def test_lists_open_loans_under_their_unpaid_due_date(self, book):
        for number in range(3):
            book.add(a_loan(f"LN{number}", overdue_days=number % 2))

        found = [entry.loan_id for entry in book.agenda(unpaid_due_on=TODAY, shard=0)]

        assert found == ["LN0", "LN2"]

    def test_takes_a_settled_loan_off_the_agenda(self, book):
        book.add(a_loan())
        book.write(replace(book.get("LN1"), status=LoanStatus.SETTLED, unpaid_due_on=None))

        assert list(book.agenda(unpaid_due_on=TODAY, shard=0)) == []

    def test_reads_many_at_once(self, book):
        for number in range(120):
            book.add(a_loan(f"LN{number}"))

        assert len(book.get_many([f"LN{number}" for number in range(130)])) == 120

    def test_knows_a_borrowers_loans(self, book):
        book.add(a_loan("LN1"))
        book.add(a_loan("LN2"))
        book.add(a_loan("LN3", borrower_id="B2"))

        assert sorted(book.of_borrower("B1")) == ["LN1", "LN2"]


class TestSchedules:
    def test_takes_the_same_line_again_but_nobody_elses(self, schedules):
        first, other = a_cut(), a_cut(instalments=3)

        assert schedules.add("LN1", 1, first, source="f:2")
        assert schedules.add("LN1", 1, first, source="f:2")
        assert not schedules.add("LN1", 1, other, source="g:2")
        assert schedules.get("LN1", 1) == first
        assert schedules.get_many([("LN1", 1), ("LN2", 1)]) == {"LN1": first.instalments}

    def test_are_read_again_as_fresh_as_can_be_where_a_cheap_read_lags(self, monkeypatch):
        """DynamoDB may not yet know in one copy what it has written to the others."""
        first = a_cut()
        call = BaseClient._make_api_call

        def lagging(client, operation, parameters):
            wanted = parameters.get("RequestItems", {}) or {"table": parameters}
            is_fresh = all(one.get("ConsistentRead") for one in wanted.values())
            if operation in {"GetItem", "BatchGetItem"} and not is_fresh:
                return {"Responses": dict.fromkeys(wanted, ()), "UnprocessedKeys": {}}
            return call(client, operation, parameters)

        with mock_aws():
            tables.bind("test", region="us-east-1")
            tables.ScheduleRow.create_table(wait=True)
            stored = DynamoSchedules()
            stored.add("LN1", 1, first, source="f:2")
            monkeypatch.setattr(BaseClient, "_make_api_call", lagging)

            assert stored.get("LN1", 1) == first
            assert stored.get_many([("LN1", 1)]) == {"LN1": first.instalments}
            with pytest.raises(KeyError):
                stored.get("LN2", 1)


class TestJournal:
    def test_gives_back_what_it_was_given(self, journal):
        record = a_deduction(
            lines=(
                loans.owed(
                    loan=a_loan(), schedule=a_schedule(), product=PRODUCT, as_of=TODAY
                ).lines[0],
            ),
            settles=True,
            product="consumer",
        )
        journal.put(record)

        assert journal.find(ORDER_NO) == record
        assert journal.get_many([ORDER_NO, "20261124-1-LN9"]) == {ORDER_NO: record}

    def test_gives_back_the_funders_part_of_each_line(self, journal):
        [line] = loans.owed(
            loan=a_loan(), schedule=a_schedule(), product=PRODUCT, as_of=TODAY
        ).lines
        lines = (
            replace(line, funder=Components(principal=Money(7), interest=Money(1))),
            replace(line, instalment_no=2, funder=Components()),
            replace(line, instalment_no=3),
        )
        journal.put(a_deduction(mode="joint_lending", lines=lines))

        assert journal.find(ORDER_NO).lines == lines

    def test_gives_back_that_a_split_was_pending(self, journal):
        pending = replace(a_deduction().result, split_pending=True)
        journal.put(a_deduction(result=pending))

        assert journal.find(ORDER_NO).result == pending

    def test_never_changes_a_record(self, journal):
        assert journal.put(a_deduction())
        assert not journal.put(a_deduction(result=failed("INSUFFICIENT_FUNDS")))
        assert journal.find(ORDER_NO) == a_deduction()

    def test_keeps_loans_of_like_names_apart(self, journal):
        journal.put(a_deduction(order_no=ORDER_NO + "0", loan_id="LN10"))

        assert journal.find(ORDER_NO) is None

    def test_puts_a_result_before_a_skip(self, journal):
        skip = Skip(
            order_no=ORDER_NO,
            loan_id="LN1",
            mode="self_operated",
            business_date=TODAY,
            round_no=1,
            listed=Money(5),
            reason=SkipReason.SLOT_TAKEN,
            note="other",
            recorded_at=at(8),
        )
        assert journal.put_skip(skip)
        assert not journal.put_skip(skip)
        assert journal.find(ORDER_NO) == skip
        journal.put(a_deduction())
        assert journal.find(ORDER_NO) == a_deduction()
        assert list(journal.of_day(TODAY)) == [a_deduction(), skip]
        assert list(journal.of_day(TODAY + timedelta(days=1))) == []

    def test_gives_back_what_a_borrower_wished_to_pay(self, journal):
        record = a_deduction(
            order_no=QUOTE_ORDER_NO,
            round_no=0,
            kind=Kind.PARTIAL,
            fee=Money(12_34),
            request="b3efd1a3eea8fc87",
        )
        journal.put(record)

        assert journal.find(QUOTE_ORDER_NO) == record
        assert list(journal.of_day(TODAY)) == [record]
        assert journal.find(ORDER_NO) is None

    def test_lists_a_loans_money_the_oldest_first(self, journal):
        yesterday = {
            "order_no": ORDER_NO.replace("20261124", "20261123"),
            "business_date": TODAY - timedelta(days=1),
        }
        failure = {"order_no": ORDER_NO.replace("-1-", "-2-"), "round_no": 2}
        journal.put(a_deduction())
        journal.put(a_deduction(**yesterday))
        journal.put(a_deduction(**failure, result=failed("INSUFFICIENT_FUNDS")))
        journal.put(a_deduction(order_no="20261124-1-LN2", loan_id="LN2"))

        paid = [record.order_no for record in journal.of_loan("LN1")]
        assert paid == [yesterday["order_no"], ORDER_NO]


class TestRuns:
    def test_opens_a_run_once(self, runs):
        first = runs.start(business_date=TODAY, job="due_list", at=at(0, 10))
        again = runs.start(business_date=TODAY, job="due_list", at=at(0, 20))

        assert again == first

    def test_gathers_the_shards(self, runs):
        runs.start(business_date=TODAY, job="due_list", at=at(0, 10))
        runs.put_part(business_date=TODAY, job="due_list", shard=1, totals={"reminders": 2})
        run = runs.put_part(business_date=TODAY, job="due_list", shard=0, totals={"reminders": 1})

        assert run.parts == {0: {"reminders": 1}, 1: {"reminders": 2}}

    def test_completes_a_run_and_remembers_how_far_the_job_has_come(self, runs):
        assert runs.last_completed("due_list") is None
        for day in (TODAY, TODAY - timedelta(days=1)):
            run = runs.start(business_date=day, job="due_list", at=at(0, 10))
            runs.put_totals(run.completed(at=at(0, 11), totals={"modes": {}}))

        assert runs.get(TODAY, "due_list").is_complete
        assert runs.last_completed("due_list") == TODAY
        assert [run.job for run in runs.of_day(TODAY)] == ["due_list"]


@mock_aws
def test_the_largest_loan_head_is_one_write_unit():
    """The attribute names and values of a head with everything in it, as DynamoDB counts bytes."""
    tables.bind("test", region="us-east-1")
    long_id = "L" * 32
    loan = in_flight(
        a_loan(
            long_id,
            borrower_id="B" * 32,
            agreement_no="A" * 64,
            mode=Mode.LOAN_ASSISTANCE,
            overdue_days=200,
            funder_id="F" * 32,
            funder_share_bps=9_999,
            funder_terms=99,
        )
    )
    slot = replace(
        in_flight(a_loan(overdue_days=200)).slot,
        order_no=order_no_of_quote(
            business_date=TODAY, quote_id="Qaidmaa27lfexbaru", loan_id=long_id
        ),
        sent_at=at(23, 59, second=59).replace(microsecond=999_999),
        kind=Kind.INSTALMENT,
        recut=Recut.REDUCE_INSTALMENT,
        fee=Money(10**12),
        request=request_named(borrower_id="B" * 32, key="k" * 255),
        split=Split(
            funder=Components(
                principal=Money(10**12), interest=Money(10**12), penalty=Money(10**12)
            ),
            platform=Components(),
        ),
    )
    hold = f"discrepancy status_differs#{slot.order_no}"
    loan = replace(loan, slot=slot, hold=hold, last_failure="AGREEMENT_TERMINATED")
    row = DynamoLoans(shards=64)._row_of(loan).serialize()

    def size(value):
        [(kind, inner)] = value.items()
        if kind == "M":
            return 3 + sum(len(name) + 1 + size(part) for name, part in inner.items())
        return len(inner.encode()) if kind == "S" else 21

    assert sum(len(name) + size(value) for name, value in row.items()) <= 1024


@mock_aws
def test_the_meter_counts_what_this_thread_writes():
    tables.bind("test", region="us-east-1")
    tables.LoanRow.create_table()
    attach(tables.LoanRow)
    with metered() as cost:
        DynamoLoans(shards=1).add(a_loan())

    assert cost.units > 0
