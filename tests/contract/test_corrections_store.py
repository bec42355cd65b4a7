"""Corrections in the journal, the trail of what people did, reopened runs: their stores' promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from moto import mock_aws

from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.audit import DynamoAuditTrail
from chalicelib.adapters.dynamodb.corrections import row_of
from chalicelib.adapters.dynamodb.files import DynamoFiles
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.adapters.dynamodb.runs import DynamoRuns
from chalicelib.adapters.dynamodb.stream import event_of
from chalicelib.domain.correction import Correction, CorrectionKind, correction_no_of
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import Components, Money
from chalicelib.flows import audit
from chalicelib.flows.file_ports import FileRecord, FileState
from tests.builders import TODAY, at
from tests.contract.test_journal_stream import PAID, ROUND
from tests.fakes import FakeJournal, FakeRuns, Outside
from tests.fakes_files import FakeAuditTrail, FakeFiles

LATER = TODAY + timedelta(days=2)
LATE = Correction(
    correction_no=correction_no_of(ROUND, CorrectionKind.LATE_SUCCESS),
    kind=CorrectionKind.LATE_SUCCESS,
    order_no=ROUND,
    loan_id="LN1",
    borrower_id="B1",
    mode="joint_lending",
    product="consumer",
    business_date=LATER,
    value_date=TODAY,
    amount=Money(101),
    components=Components(principal=Money(90), interest=Money(10)),
    fee=Money(1),
    lines=(
        InstalmentDue(
            instalment_no=1,
            due_on=TODAY,
            components=Components(principal=Money(90), interest=Money(10)),
            funder=Components(principal=Money(63)),
        ),
    ),
    reason="账单显示已付",
    made_by="wang",
    approved_by="li",
    recorded_at=at(10, day=LATER),
    trade_no="T1",
    funder_id="F1",
    pays=Kind.FULL,
    settles=True,
)
STRANGE = replace(
    LATE,
    kind=CorrectionKind.REFUND,
    correction_no="REFUND-1-R",
    order_no="REFUND-1",
    loan_id="",
    borrower_id="",
    mode="",
    product="",
    lines=(),
)


@pytest.fixture(params=["fake", "dynamodb"])
def stores(request):
    if request.param == "fake":
        outside = Outside()
        yield {
            "journal": FakeJournal(outside),
            "trail": FakeAuditTrail(outside),
            "runs": FakeRuns(outside),
            "files": FakeFiles(outside),
        }
        return
    with mock_aws():
        tables.bind("test", region="us-east-1")
        for table in (tables.JournalRow, tables.AuditRow, tables.RunRow, tables.FileRow):
            table.create_table()
        yield {
            "journal": DynamoJournal(),
            "trail": DynamoAuditTrail(),
            "runs": DynamoRuns(),
            "files": DynamoFiles(),
        }


@pytest.fixture
def journal(stores):
    return stores["journal"]


class TestCorrections:
    @pytest.mark.parametrize("made", [LATE, STRANGE], ids=["of a loan", "of nobody"])
    def test_are_given_back_as_they_were_written_once(self, journal, made):
        assert journal.put_correction(made)
        assert not journal.put_correction(replace(made, reason="another"))

        key = {"correction_no": made.correction_no, "business_date": LATER}
        assert journal.find_correction(**key, loan_id=made.loan_id) == made
        assert list(journal.corrections_of_day(LATER)) == [made]
        assert list(journal.corrections_of_day(TODAY)) == []
        assert list(journal.corrections_of_loan(made.loan_id or made.order_no)) == [made]

    def test_stand_beside_the_orders_and_are_none(self, journal):
        journal.put(PAID)
        journal.put_correction(replace(LATE, business_date=TODAY))

        assert journal.find(ROUND) == PAID
        assert list(journal.of_day(TODAY)) == [PAID]
        assert list(journal.of_loan("LN1")) == [PAID]

    def test_of_an_order_are_made_for_whoever_said_so_first(self, journal):
        assert journal.claim_correction(key=ROUND, by="one", at=at(10)) == "one"
        assert journal.claim_correction(key=ROUND, by="two", at=at(11)) == "one"
        assert journal.claim_correction(key=ROUND, by="one", at=at(12)) == "one"
        assert journal.claim_correction(key=f"{ROUND}#extra", by="two", at=at(12)) == "two"

    def test_are_not_there_before_they_are_made(self, journal):
        assert (
            journal.find_correction(
                correction_no=LATE.correction_no, business_date=LATER, loan_id="LN1"
            )
            is None
        )


class TestTheStream:
    def test_tells_of_a_late_success_as_of_any_other(self):
        event = event_of(row_of(LATE, "").serialize())

        assert (event.event, event.order_no) == ("repayment_succeeded", LATE.correction_no)
        assert (event.amount_fen, event.settles, event.business_date) == (101, True, LATER)
        scheduled = replace(LATE, pays=Kind.SCHEDULED)
        assert event_of(row_of(scheduled, "").serialize()).event == "deduction_succeeded"

    @pytest.mark.parametrize("kind", [CorrectionKind.REVERSAL, CorrectionKind.REFUND])
    def test_tells_of_no_other_correction(self, kind):
        assert event_of(row_of(replace(LATE, kind=kind), "").serialize()) is None

    def test_tells_nothing_of_a_claim(self):
        with mock_aws():
            tables.bind("test", region="us-east-1")
            tables.JournalRow.create_table()
            DynamoJournal().claim_correction(key=ROUND, by="one", at=at(10))
            [image] = [row.serialize() for row in tables.JournalRow.scan()]

        assert event_of(image) is None


class TestTheTrail:
    def test_is_a_chain_of_what_was_noted(self, stores):
        trail = stores["trail"]
        for number in range(3):
            audit.note(
                subject="day/1",
                at=at(10 + number),
                by="wang",
                verb="comment",
                facts={"text": "好", "number": number},
                trail=trail,
            )
        audit.note(subject="day/2", at=at(10), by="li", verb="reopen", trail=trail)

        entries = list(trail.of_subject("day/1"))
        assert [entry.sequence for entry in entries] == [1, 2, 3]
        assert trail.last("day/1") == entries[-1]
        assert audit.verify(subject="day/1", trail=trail) is None

    def test_has_one_entry_a_number(self, stores):
        trail = stores["trail"]
        audit.note(subject="day/1", at=at(10), by="wang", verb="reopen", trail=trail)
        first = trail.last("day/1")

        assert not trail.add(replace(first, by="li"))
        assert list(trail.of_subject("day/1")) == [first]


class TestAReopenedRun:
    @pytest.fixture
    def runs(self, stores):
        runs = stores["runs"]
        run = runs.start(business_date=TODAY, job="close", at=at(10))
        runs.put_totals(run.completed(at=at(11), totals={"a": 1}))
        return runs

    def test_keeps_its_totals_and_counts(self, runs):
        assert runs.reopen(business_date=TODAY, job="close")
        assert not runs.reopen(business_date=TODAY, job="close")

        run = runs.get(TODAY, "close")
        assert (run.state, run.totals, run.reopened, run.completed_at) == (
            *("started", {"a": 1}, 1),
            None,
        )
        runs.put_totals(run.completed(at=at(12), totals={"a": 2}))
        assert runs.get(TODAY, "close").reopened == 1
        assert runs.get(TODAY, "close").is_complete

    def test_is_asked_for_by_one_person(self, runs):
        ask = {"business_date": TODAY, "job": "close"}
        assert runs.ask_reopening(**ask, asked={"by": "wang", "reason": "a"})
        assert not runs.ask_reopening(**ask, asked={"by": "li", "reason": "b"})
        assert runs.ask_reopening(**ask, asked={"by": "wang", "reason": "c"})
        assert runs.get(TODAY, "close").asked["reason"] == "c"
        runs.reopen(**ask)

        assert not runs.get(TODAY, "close").is_asked
        assert not runs.ask_reopening(**ask, asked={"by": "li", "reason": "b"}), "it is open"


def test_a_refused_file_lands_anew_when_it_is_readmitted(stores):
    files = stores["files"]
    record = FileRecord(object_key="in/a.csv", sha256="s", kind="bill", landed_at=at(10))
    files.land(record)
    assert not files.readmit(record)
    refused = replace(record, state=FileState.REFUSED, reason="late", finished_at=at(11))
    files.finish(refused)

    assert files.readmit(refused)
    assert files.get("in/a.csv", "s") == record
    assert not files.readmit(refused), "it is landed already"
