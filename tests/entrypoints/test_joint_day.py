"""A joint-lending day through the Lambdas: the funder's files come and go, and the day closes."""

import json
from datetime import timedelta

import pytest

from chalicelib import wiring, wiring_funders
from chalicelib.adapters import file_writer
from chalicelib.adapters.dynamodb.tables import RunRow
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_layouts import BILL
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.adapters.funders import dialect_of
from chalicelib.domain.deduction import Deduction
from chalicelib.domain.funder import Agreement, ConfirmationLine
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import ZERO, total
from chalicelib.domain.reconciliation import BillRow
from tests.builders import TODAY, a_cut, a_joint_loan, a_loan, at
from tests.fakes_funders import with_more_interest

TOMORROW = TODAY + timedelta(days=1)
MODES = frozenset({Mode.SELF_OPERATED, Mode.JOINT_LENDING})


@pytest.fixture(params=["F1", "F2"])
def funder_id(request):
    """One funder writes as we do, the other in GB18030 with a trailer and no manifest."""
    return request.param


@pytest.fixture
def office(house, monkeypatch, funder_id):
    monkeypatch.setenv("SERVED_MODES", ",".join(MODES))
    house.restart()
    for loan_id in ("LN1", "LN2", "LN3"):
        loan = a_joint_loan(loan_id, borrower_id=f"B-{loan_id}", funder_id=funder_id)
        house.book(loan, a_cut())
    house.book(a_loan("LN9", borrower_id="B-LN9"), a_cut())
    return Office(house, funder_id)


class Office:
    """The house, and a funder at its files' door."""

    def __init__(self, house, funder_id):
        self.house = house
        self.funder_id = funder_id

    def dialect(self, kind):
        funder = wiring_funders.catalogue()[self.funder_id]
        return dialect_of(funder, kind, wiring_funders.dialects())

    def land(self, kind, key, lines):
        written = file_writer.write(lines, layout=FUNDER_LAYOUTS[kind], dialect=self.dialect(kind))
        self.house.land(written.body, written.manifest, key=key)

    def due_lands(self, lines, version=1):
        key = f"in/funders/{self.funder_id}/due/20261124/due_v{version}.csv"
        self.land("due", key, lines)

    def our_dues(self):
        lists = wiring.due_lists()
        listed = lists.read(business_date=TODAY, round_no=1, shard=0)
        return [line for due in listed for line in due.instalments]

    def sent(self, kind, folder, stem, version=1):
        key = f"out/funders/{self.funder_id}/{folder}/20261124/{stem}_v{version}.csv"
        store = wiring.object_store()
        told = json.loads(store.read(f"{key}.ok"))
        layout = CsvFormat(layout=FUNDER_LAYOUTS[kind], dialect=self.dialect(kind))
        lines = [line.record for line in layout.lines([store.read(key)])]
        assert told["rows"] == len(lines)
        return lines

    def sweeps(self, now):
        self.house.schedule("sweep", now)
        for body in self.house.waiting("files"):
            self.house.invoke("file_landed", body)

    def rounds(self):
        self.house.schedule("open_round_1", at(8))
        self.sweeps(at(15, 45))  # which says that the first round is over
        self.house.schedule("open_round_2", at(16))
        self.sweeps(at(16, 15))

    def bill_lands(self):
        rows = [_billed(record) for record in self.house.journal() if _is_paid(record)]
        written = file_writer.write(rows, layout=BILL)
        self.house.clock(tomorrow(10))
        key = "in/payment/main/bill/20261124/bill_v1.csv"
        self.house.land(written.body, written.manifest, key=key)

    def run(self, job):
        return wiring.runs().get(TODAY, job.format(self.funder_id))


def _is_paid(record):
    return isinstance(record, Deduction) and record.lines != ()


def _billed(record):
    return BillRow(
        trade_no=record.result.trade_no,
        order_no=record.order_no,
        agreement_no=record.agreement_no,
        amount=record.amount,
        funder_amount=record.funder.total,
        platform_amount=record.amount - record.funder.total,
        status="SUCCEEDED",
        paid_at=record.result.paid_at,
    )


def tomorrow(hour, minute=0):
    return at(hour, minute, day=TOMORROW)


def confirmed(lines):
    order_nos = sorted({line.order_no for line in lines})
    return [
        ConfirmationLine(
            order_no=no,
            status=Agreement.AGREED,
            funder_amount=total(line.funder.total for line in lines if line.order_no == no),
        )
        for no in order_nos
    ]


def test_a_day_is_closed_when_the_funder_has_confirmed_it(office):
    house = office.house
    house.schedule("make_due_list", at(0, 10))
    office.due_lands(office.our_dues())
    assert office.run("funder_due_{}").totals["verdict"] == "go"
    assert office.sent("due-differences", "due-differences", "differences") == []

    office.rounds()
    assert len([record for record in house.journal() if _is_paid(record)]) == 4
    repaid = office.sent("repayments", "repayments", "repayments")
    assert {line.loan_id for line in repaid} == {"LN1", "LN2", "LN3"}
    assert all(line.adds_up and line.funder.total > ZERO for line in repaid)

    office.bill_lands()
    office.sweeps(tomorrow(10, 15))
    reconciled = office.sent("reconciliation", "reconciliation", "reconciliation")
    assert reconciled == repaid
    house.schedule("close_day", tomorrow(11))
    assert office.run("close") is None

    key = f"in/funders/{office.funder_id}/confirmations/20261124/confirmation_v1.csv"
    office.land("confirmation", key, confirmed(reconciled))
    house.schedule("close_day", tomorrow(12))

    assert office.run("close").is_complete
    assert house.counted["Discrepancies"] == 0


def test_a_file_that_comes_before_our_list_is_taken_by_the_sweep(office):
    house = office.house
    house.schedule("make_due_list", at(0, 10))
    lines = office.our_dues()
    RunRow.get(TODAY.isoformat(), "due_list").delete()  # as if it were made only later
    office.due_lands(lines)
    assert office.run("funder_due_{}") is None

    house.schedule("make_due_list", at(0, 20))
    office.sweeps(at(0, 30))

    assert office.run("funder_due_{}").totals["verdict"] == "go"


def test_a_differing_due_is_held_and_a_corrected_file_after_the_round_refused(office):
    house = office.house
    house.schedule("make_due_list", at(0, 10))
    first, *others = office.our_dues()
    office.due_lands([with_more_interest(first), *others])
    told = office.sent("due-differences", "due-differences", "differences")
    assert {(line.loan_id, line.field) for line in told} == {
        (first.loan_id, "interest"),
        (first.loan_id, "funder_interest"),
    }
    house.schedule("open_round_1", at(8))

    office.due_lands([first, *others], version=2)

    assert house.counted["FilesRefused"] == 1
    assert house.counted["FilesQuarantined"] == 0
    skipped = {record.loan_id for record in house.journal() if not isinstance(record, Deduction)}
    assert skipped == {"LN1", "LN2", "LN3"}, "one of three is more than the tolerance"
    assert {record.loan_id for record in house.journal() if _is_paid(record)} == {"LN9"}


def test_a_missing_file_is_an_alarm_from_its_deadline_on(office):
    house = office.house
    house.schedule("make_due_list", at(0, 10))

    house.schedule("watch", at(6, 40))
    before = house.counted["DueFileMissing"]
    house.schedule("watch", at(7, 40))

    assert before == (1 if office.funder_id == "F2" else 0), "F2's is due at half past six"
    assert house.counted["DueFileMissing"] == before + 1


def test_no_day_asks_for_a_funder_while_its_mode_is_not_served(house):
    assert wiring.closings().funders is None
    assert wiring.sweeps().funders is None
