"""A day that closes leaves vouchers and a report: proven, frozen, and the same however often."""

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from chalicelib.adapters.day_reports import BOM, S3DayReports, as_csv, as_name, canonical
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_manifests import read_manifest
from chalicelib.adapters.voucher_files import VOUCHERS
from chalicelib.domain.correction import CorrectionKind
from chalicelib.domain.day_report import (
    DayReport,
    Differences,
    Evidence,
    Figures,
    Place,
    differences,
)
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.money import ZERO, Components, Money, total
from chalicelib.domain.money_event import EventKind, UntiedError
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.run import Tally
from chalicelib.domain.voucher import Side
from chalicelib.flows import day_close, day_report, vouchers
from chalicelib.flows.close_ports import FrozenReportError
from tests.builders import TODAY, at
from tests.fakes import Crash
from tests.fakes_files import BILL_KEY, CHART, FileWorld, a_worked_day, drop_bill, the_true_bill
from tests.unit.test_voucher import a_correction, a_record

TOMORROW = TODAY + timedelta(days=1)
AT_ELEVEN = at(11, day=TOMORROW)
VOUCHER_KEY = "vouchers/20261124.csv"
REPORT_KEY = "reports/20261124/day_v1.json"


def outcomes() -> dict[str, str | list[str]]:
    return {"LN01": "succeed", "LN02": ["insufficient_funds", "succeed"], "LN03": "card_closed"}


def a_billed_day(*, joint: bool = False) -> FileWorld:
    world = a_worked_day(outcomes(), joint=joint)
    drop_bill(world, list(the_true_bill(world).values()))
    world.take(BILL_KEY, at(10, day=TOMORROW))
    return world


def close(world: FileWorld):
    return day_close.close(business_date=TODAY, now=AT_ELEVEN, desk=world.closing)


def closed(world: FileWorld) -> FileWorld:
    assert close(world).is_closed
    return world


def told(world: FileWorld, key: str = REPORT_KEY) -> dict:
    return json.loads(world.objects.bodies[key])


def lines(world: FileWorld) -> list:
    found = CsvFormat(layout=VOUCHERS).lines([world.objects.bodies[VOUCHER_KEY]])
    return [line.record for line in found]


class TestTheVouchers:
    def test_hold_every_success_and_nothing_else(self):
        world = closed(a_billed_day())

        paid = {
            record.order_no: record.amount
            for record in world.journal.results.values()
            if record.result.status == "SUCCEEDED"
        }
        debits = {line.order_no: line.amount for line in lines(world) if line.side is Side.DEBIT}
        assert debits == paid
        assert len(paid) == 2

    def test_are_read_back_as_they_were_written_with_their_manifest(self):
        world = closed(a_billed_day(joint=True))

        body = world.objects.bodies[VOUCHER_KEY]
        manifest = read_manifest(world.objects.bodies[VOUCHER_KEY + ".ok"])
        assert manifest.sha256 == hashlib.sha256(body).hexdigest()
        assert manifest.rows == len(lines(world)) == body.count(b"\n") - 1
        assert manifest.amount == total(line.amount for line in lines(world))
        assert {line.funder_id for line in lines(world)} == {"F1"}

    def test_name_the_product_though_the_record_is_older_than_that(self):
        world = a_billed_day()
        records = world.journal.results
        records.update({no: replace(record, product="") for no, record in records.items()})

        assert {line.product for line in lines(closed(world))} == {"consumer"}

    def test_hold_the_corrections_approved_that_day(self):
        world = a_billed_day()
        [first, *_] = world.journal.results.values()
        for kind in (CorrectionKind.REFUND, CorrectionKind.REVERSAL):
            world.journal.put_correction(a_correction(kind, first))
        world.journal.put_correction(
            replace(a_correction(CorrectionKind.LATE_SUCCESS, first), business_date=TOMORROW)
        )
        closed(world)

        kinds = [line.event for line in lines(world)]
        assert kinds.index("suspense") < kinds.index("refund") < kinds.index("reversal")
        assert "late_success" not in kinds
        assert told(world)["total"]["refund"] == {"count": 1, "amount_fen": first.amount.fen}

    def test_keep_what_was_written_off_in_suspense(self):
        world = a_billed_day()
        world.discrepancies.put(written_off())
        closed(world)

        assert [(line.account_code, line.amount) for line in lines(world)[-2:]] == [
            ("101201", Money(7)),
            ("224102", Money(7)),
        ]
        assert told(world)["remainder"] == {"count": 1, "amount_fen": 7}

    def test_are_not_written_when_an_amount_is_not_the_sum_of_its_parts(self):
        world = a_billed_day()
        records = world.journal.results
        number, record = next((no, one) for no, one in records.items() if one.lines)
        records[number] = replace(record, fee=Money(1))

        [reason] = close(world).open
        assert "the day's figures do not tie: 20261124" in reason
        assert not world.runs.rows[TODAY, "close"].is_complete
        assert not [key for key in world.objects.bodies if key.startswith(("vouchers", "reports"))]


def written_off(**changes) -> Discrepancy:
    facts = {
        "business_date": TODAY,
        "channel": "main",
        "kind": Kind.MISSING_HERE,
        "order_no": "20261124-1-LN9",
        "opened_at": at(10),
        "state": DiscrepancyState.WRITTEN_OFF,
        "there": Money(7),
        "decided_by": "ann",
    }
    return Discrepancy(**(facts | changes))


class TestTheReport:
    def test_says_what_became_of_the_day_and_adds_up(self):
        world = closed(a_billed_day())

        report = told(world)
        [place] = report["places"]
        assert {name: place[name] for name in ("mode", "channel", "funder_id", "product")} == {
            "mode": "self_operated",
            "channel": "main",
            "funder_id": "",
            "product": "consumer",
        }
        counts = {name: place[name]["count"] for name in ("due", "succeeded", "failed", "unknown")}
        assert counts == {"due": 3, "succeeded": 2, "failed": 2, "unknown": 0}
        parts = sum(place[f"{name}_fen"] for name in ("principal", "interest", "penalty", "fee"))
        assert parts == place["succeeded"]["amount_fen"] > 0
        assert {name: place[name] for name in report["total"]} == report["total"]

    def test_of_joint_loans_names_the_funder_and_its_part(self):
        world = closed(a_billed_day(joint=True))

        [place] = told(world)["places"]
        part = total(record.funder.total for record in world.journal.results.values())
        assert (place["mode"], place["funder_id"]) == ("joint_lending", "F1")
        assert place["funder_fen"] == part.fen > 0

    def test_rests_on_files_by_their_digests(self):
        world = closed(a_billed_day())

        assert told(world)["files"] == [
            {"key": key, "sha256": hashlib.sha256(world.objects.bodies[key]).hexdigest()}
            for key in (BILL_KEY, VOUCHER_KEY)
        ]

    def test_is_vouched_for_by_the_run_that_closed_the_day(self):
        world = closed(a_billed_day())

        totals = world.runs.rows[TODAY, "close"].totals
        digest = hashlib.sha256(world.objects.bodies[REPORT_KEY]).hexdigest()
        assert totals["report"] == {"key": REPORT_KEY, "sha256": digest, "version": 1}
        assert totals["vouchers"]["debit_fen"] == totals["vouchers"]["credit_fen"]

    def test_is_another_version_when_the_day_is_closed_again(self):
        world = closed(a_billed_day())
        first = world.objects.bodies[REPORT_KEY]
        run = world.runs.rows[TODAY, "close"]
        world.runs.rows[TODAY, "close"] = replace(run, state="started", reopened=1)
        world.discrepancies.put(written_off())

        assert close(world).is_closed
        assert world.objects.bodies[REPORT_KEY] == first
        assert told(world, "reports/20261124/day_v2.json")["remainder"]["count"] == 1
        assert world.runs.rows[TODAY, "close"].totals["report"]["version"] == 2

    def test_of_a_closing_that_died_stays_as_it_lies(self):
        """The day stood otherwise when it came again: it is told of under the next version."""
        world = a_billed_day()
        world.objects.write_once(REPORT_KEY, b"{}")

        closed(world)

        assert world.objects.bodies[REPORT_KEY] == b"{}"
        assert world.runs.rows[TODAY, "close"].totals["report"]["version"] == 2

    def test_counts_what_funders_collect_in_their_own_channel(self):
        world = a_billed_day()
        assisted = a_record("loan_assistance", number=77)
        world.journal.put(assisted)
        world.loans.rows["LN77"] = replace(
            world.loans.rows["LN01"], loan_id="LN77", mode="loan_assistance", funder_id="F3"
        )

        places = told(closed(world))["places"]
        [theirs] = [each for each in places if each["mode"] == "loan_assistance"]
        assert (theirs["channel"], theirs["funder_id"]) == ("funder-F3", "F3")
        assert theirs["succeeded"]["amount_fen"] == assisted.amount.fen

    @pytest.mark.parametrize(
        ("job", "path", "says"),
        [
            ("round_1", ("succeeded",), "round_1 succeeded: 1 orders"),
            ("round_2", ("failed", "INSUFFICIENT_FUNDS"), "round_2 failed"),
            ("round_1", ("unknown",), "round_1 unknown"),
            ("reconciliation_main", ("journal", "succeeded"), "reconciliation: 2 orders"),
        ],
    )
    def test_is_not_written_when_a_job_has_told_otherwise(self, job, path, says):
        world = a_billed_day()
        run = world.runs.rows[TODAY, job]
        totals = json.loads(json.dumps(run.totals))
        facts = totals
        for name in path[:-1]:
            facts = facts[name]
        facts[path[-1]] = {"count": 9, "amount_fen": 9}
        world.runs.rows[TODAY, job] = replace(run, totals=totals)

        with pytest.raises(UntiedError, match=says):
            day_report.seal(business_date=TODAY, closed_before=0, desk=world.sealing)
        assert REPORT_KEY not in world.objects.bodies

    def test_is_not_written_when_a_voucher_is_missing(self, monkeypatch):
        world = a_billed_day()
        whole = vouchers.write

        def one_less(**given):
            booked = whole(**given)
            repaid = booked.events[EventKind.REPAYMENT]
            fewer = {EventKind.REPAYMENT: replace(repaid, count=repaid.count - 1)}
            return replace(booked, events=fewer)

        monkeypatch.setattr(vouchers, "write", one_less)

        assert "vouchers of repayment" in close(world).open[0]

    def test_stays_the_same_whoever_dies_and_comes_again(self):
        plain = closed(a_billed_day(joint=True))
        boundaries = plain.outside.boundaries
        for dies_at in range(boundaries):
            world = a_billed_day(joint=True)
            world.outside.boundaries, world.outside.dies_at = 0, dies_at
            try:
                close(world)
            except Crash:
                assert close(world).is_closed
            for key in (VOUCHER_KEY, VOUCHER_KEY + ".ok", REPORT_KEY):
                assert world.objects.bodies[key] == plain.objects.bodies[key], dies_at
            if world.outside.boundaries <= dies_at:
                break


class TestADayThatStaysOpen:
    def test_freezes_nothing(self):
        world = a_worked_day(outcomes())
        drop_bill(world, list(the_true_bill(world).values())[1:])
        world.take(BILL_KEY, at(10, day=TOMORROW))

        assert not close(world).is_closed
        assert not [key for key in world.objects.bodies if key.startswith(("vouchers", "reports"))]

    def test_freezes_nothing_once_more_when_it_was_closed(self):
        world = closed(a_billed_day())
        del world.objects.bodies[VOUCHER_KEY]

        assert close(world).is_closed
        assert VOUCHER_KEY not in world.objects.bodies


class TestFreezing:
    def a_report(self, **changes) -> DayReport:
        place = Place(mode="self_operated", channel="main", funder_id="", product="6222020200")
        paid = Components(principal=Money(1_000_000_00), interest=Money(5))
        figures = Figures(
            due=Tally(count=2, amount=Money(1_000_000_05)),
            succeeded=Tally(count=1, amount=paid.total),
            paid=paid,
        )
        book = vouchers.VoucherBook(business_date=TODAY, chart=CHART)
        facts = {
            "business_date": TODAY,
            "version": 1,
            "places": {place: figures},
            "differences": (
                Differences(
                    channel="main",
                    kind="=HYPERLINK(1)",
                    state="written_off",
                    count=1,
                    here=ZERO,
                    there=Money(7),
                    apart=Money(7),
                ),
            ),
            "evidence": (Evidence(key="in/bill.csv", sha256="1e9"),),
            "vouchers": book.as_facts(),
        }
        return DayReport(**(facts | changes))

    def test_once_more_changes_nothing(self):
        world = FileWorld()
        reports = S3DayReports(store=world.objects)

        kept = reports.freeze(self.a_report())
        before = dict(world.objects.bodies)
        assert reports.freeze(self.a_report()) == kept
        assert world.objects.bodies == before

    def test_refuses_another_report_under_the_same_version(self):
        reports = S3DayReports(store=FileWorld().objects)
        reports.freeze(self.a_report())

        with pytest.raises(FrozenReportError, match="day_v1"):
            reports.freeze(self.a_report(evidence=()))

    def test_writes_the_same_facts_as_the_same_bytes(self):
        facts = self.a_report().as_facts()
        shuffled = dict(reversed(facts.items()))

        assert canonical(shuffled) == canonical(facts)
        assert canonical(facts).endswith(b"}\n")


NUMBER = re.compile(r"-?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?%?")
DATE = re.compile(r"\d{1,4}[-/]\d{1,2}([-/]\d{1,4})?")


def as_excel_types(cell: str) -> str:
    """Say what Excel makes of a cell of a CSV that it opens, as far as its help tells."""
    if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "formula"
    if DATE.fullmatch(cell):
        return "date"
    return "number" if NUMBER.fullmatch(cell) else "text"


class TestInExcel:
    """Excel itself was not at hand: its typing of cells is modelled above."""

    def opened(self, report: DayReport) -> list[list[str]]:
        body = as_csv(report.as_facts())
        assert body.startswith(BOM.encode())
        assert body.count(b"\n") == body.count(b"\r\n")
        return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))

    def test_amounts_and_counts_are_numbers_and_names_are_text(self):
        rows = self.opened(TestFreezing().a_report())
        place = rows[1]

        assert as_excel_types(place[0]) == "date"
        assert [as_excel_types(cell) for cell in place[1:5] if cell] == ["text"] * 3
        assert {as_excel_types(cell) for cell in place[5:]} == {"number"}
        assert place[6] == "1000000.05"

    def test_no_cell_is_a_formula_or_loses_digits(self):
        cells = [cell for row in self.opened(TestFreezing().a_report()) for cell in row]

        assert "formula" not in map(as_excel_types, cells)
        assert "'=HYPERLINK(1)" in cells
        assert not [cell for cell in cells if re.fullmatch(r"\d{12,}|\d+[eE]\d+", cell)]

    def test_every_block_has_as_many_cells_as_its_heading(self):
        blocks: list[list[int]] = [[]]
        for row in self.opened(TestFreezing().a_report()):
            if row:
                blocks[-1].append(len(row))
            else:
                blocks.append([])

        assert len(blocks) == 4
        assert all(len(set(block)) == 1 and len(block) > 1 for block in blocks)

    @pytest.mark.parametrize(
        "name",
        ["6222020200112233445", "007", "1E10", "3-4", "2026-11", "12:30", "1,5", "5%", "TRUE"],
    )
    def test_a_name_that_looks_like_a_value_stays_a_name(self, name):
        assert as_name(name) == f"'{name}"
        assert as_excel_types(as_name(name)) == "text"

    @pytest.mark.parametrize("name", ["20261124-1-LN7", "F1", "消费贷", "12ab34", ""])
    def test_a_name_that_looks_like_none_is_left_alone(self, name):
        assert as_name(name) == name


class TestDifferences:
    def test_are_counted_by_channel_kind_and_state(self):
        standing = [
            written_off(),
            written_off(order_no="x", there=Money(3)),
            written_off(kind=Kind.AMOUNT_DIFFERS, here=Money(100), there=Money(101)),
            written_off(kind=Kind.STATUS_DIFFERS, here=Money(5), there=Money(5)),
        ]

        assert [(each.kind, each.count, each.apart) for each in differences(standing)] == [
            ("amount_differs", 1, Money(1)),
            ("missing_here", 2, Money(10)),
            ("status_differs", 1, Money(5)),
        ]


def test_a_day_of_another_month_is_kept_apart():
    report = replace(TestFreezing().a_report(), business_date=date(2027, 1, 2), version=3)

    kept = S3DayReports(store=FileWorld().objects).freeze(report)
    assert kept.key == "reports/20270102/day_v3.json"
