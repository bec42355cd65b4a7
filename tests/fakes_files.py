"""The exchange bucket and what files are taken in with, in memory; and makers of files."""

import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import date, datetime
from functools import partial

from chalicelib.adapters import accounts
from chalicelib.adapters.day_reports import S3DayReports
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat, Dialect
from chalicelib.adapters.file_layouts import BILL, LOANS
from chalicelib.adapters.voucher_files import S3VoucherFiles
from chalicelib.domain.audit_trail import Entry
from chalicelib.domain.deduction import AnswerStatus
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.loan import Mode
from chalicelib.flows import (
    day_close,
    day_report,
    deduction,
    deduction_round,
    discrepancy_life,
    due_list,
    landing,
    loan_intake,
    posting,
    reconciliation,
    vouchers,
)
from chalicelib.flows.discrepancy_ports import IllegalCursorError, Page
from chalicelib.flows.file_ports import FileRecord, FileState, ObjectReplacedError
from chalicelib.flows.landing import Route
from chalicelib.flows.ports import Borrower, MovedByAnotherError, StoredObject
from tests.builders import FUNDER, TODAY, a_joint_loan, a_loan, a_schedule, at
from tests.fakes import Outside, World, _Counted

CHART = accounts.read()
TOMORROW_AT_TEN = at(10, day=date(2026, 11, 25))
LOANS_KEY = "in/loans/20261124/loans_v1.csv"
BILL_KEY = "in/payment/main/bill/20261124/bill_v1.csv"


class FakeObjects(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.bodies: dict[str, bytes] = {}

    def open(self, key: str, *, etag: str = ""):
        body = self.bodies[key]
        if etag and etag != _etag(body):
            raise ObjectReplacedError(key)
        return iter([body[start : start + 100] for start in range(0, len(body), 100)])

    def read(self, key: str) -> bytes:
        return self.bodies[key]

    def write_once(self, key: str, body: bytes) -> bool:
        is_new = key not in self.bodies
        self.bodies.setdefault(key, body)
        return is_new

    def write(self, key: str, body) -> None:
        self.bodies[key] = body if isinstance(body, bytes) else body.read()

    def head(self, key: str):
        if key not in self.bodies:
            return None
        body = self.bodies[key]
        return StoredObject(key=key, size=len(body), etag=_etag(body))

    def keys(self, prefix: str):
        return iter(sorted(key for key in self.bodies if key.startswith(prefix)))

    def copy(self, source: str, target: str) -> None:
        self.bodies[target] = self.bodies[source]


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:8]


class FakeFiles(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[str, str], FileRecord] = {}

    def land(self, record: FileRecord) -> FileRecord:
        standing = self.rows.get((record.object_key, record.sha256))
        is_new = standing is None or (
            standing.state is FileState.QUARANTINED
            and standing.manifest_sha256 != record.manifest_sha256
        )
        if is_new:
            self.rows[record.object_key, record.sha256] = record
        return record if is_new else standing

    def finish(self, record: FileRecord) -> None:
        if self.rows[record.object_key, record.sha256].state is FileState.LANDED:
            self.rows[record.object_key, record.sha256] = record

    def readmit(self, record: FileRecord) -> bool:
        key = (record.object_key, record.sha256)
        if self.rows[key].state is not FileState.REFUSED:
            return False
        self.rows[key] = replace(record, state=FileState.LANDED, finished_at=None, reason="")
        return True

    def get(self, object_key: str, sha256: str):
        return self.rows.get((object_key, sha256))

    def of_key(self, object_key: str):
        return [row for (key, _), row in sorted(self.rows.items()) if key == object_key]


class FakeDiscrepancies(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[date, str, str], Discrepancy] = {}
        self.writes = 0

    def put(self, discrepancy: Discrepancy) -> bool:
        key = (discrepancy.business_date, discrepancy.channel, discrepancy.discrepancy_id)
        standing = self.rows.get(key)
        if standing and standing.decided_by:
            return False
        self.writes += 1
        self.rows[key] = replace(
            discrepancy,
            handling=standing.handling if standing else discrepancy.handling,
            version=standing.version + 1 if standing else 1,
        )
        return True

    def get(self, *, business_date: date, channel: str, discrepancy_id: str):
        return self.rows.get((business_date, channel, discrepancy_id))

    def write(self, discrepancy: Discrepancy) -> Discrepancy:
        key = (discrepancy.business_date, discrepancy.channel, discrepancy.discrepancy_id)
        if self.rows[key].version != discrepancy.version:
            raise MovedByAnotherError(discrepancy.discrepancy_id)
        self.rows[key] = replace(discrepancy, version=discrepancy.version + 1)
        return self.rows[key]

    def page_of_day(self, *, business_date: date, channel: str, cursor: str = "", count_max: int):
        return _page(self.of_day(business_date, channel), cursor, count_max)

    def page_of_open(self, *, cursor: str = "", count_max: int):
        found = [row for _, row in sorted(self.rows.items(), reverse=True) if not row.is_resolved]
        return _page(found, cursor, count_max)

    def of_day(self, business_date: date, channel: str):
        return [
            row
            for (day, name, _), row in sorted(self.rows.items())
            if (day, name) == (business_date, channel)
        ]


def _page(found, cursor: str, count_max: int) -> Page:
    """Cut a page; the cursor is the number of what has been shown."""
    if not (cursor or "0").isdigit():
        raise IllegalCursorError(cursor)
    start = int(cursor or 0)
    shown = found[start : start + count_max]
    rest = len(found) > start + count_max
    return Page(discrepancies=shown, cursor=str(start + count_max) if rest else "")


class FakeAuditTrail(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[tuple[str, int], Entry] = {}

    def last(self, subject: str):
        return max(self._of(subject), key=lambda entry: entry.sequence, default=None)

    def add(self, entry: Entry) -> bool:
        is_new = (entry.subject, entry.sequence) not in self.rows
        self.rows.setdefault((entry.subject, entry.sequence), entry)
        return is_new

    def of_subject(self, subject: str):
        return iter(self._of(subject))

    def _of(self, subject: str):
        return [entry for (name, _), entry in sorted(self.rows.items()) if name == subject]


class FakeBorrowers(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, Borrower] = {}

    def put(self, borrower: Borrower) -> None:
        self.rows[borrower.borrower_id] = borrower

    def get(self, borrower_id: str):
        return self.rows.get(borrower_id)


class OneByOne:
    """Calls in flight, one at a time."""

    def map(self, work, items):
        return [work(item) for item in items]


class FileWorld(World):
    """The world, with the exchange bucket in it."""

    def __init__(self, *, shards: int = 2, dialect: Dialect = DEFAULT) -> None:
        super().__init__(shards=shards)
        self.objects = FakeObjects(self.outside)
        self.files = FakeFiles(self.outside)
        self.discrepancies = FakeDiscrepancies(self.outside)
        self.borrowers = FakeBorrowers(self.outside)
        self.trail = FakeAuditTrail(self.outside)
        self.dialect = dialect
        self.bytes_max = 1_000_000
        self.calls = None
        self.served_modes = frozenset({Mode.SELF_OPERATED})

    @property
    def intake(self) -> loan_intake.Desk:
        return loan_intake.Desk(
            loans=self.loans,
            schedules=self.schedules,
            borrowers=self.borrowers,
            products=self.books.products,
            served_modes=self.served_modes,
            calls=self.calls or OneByOne(),
            funders=self.funders,
        )

    @property
    def reconciling(self) -> reconciliation.Desk:
        return reconciliation.Desk(
            rounds=self.rounds,
            active_orders=self.active_orders,
            discrepancies=self.discrepancies,
            settle_from_bill=partial(deduction.settle_from_bill, desk=self.deducting),
            close_unknown=partial(deduction.close_unknown, desk=self.deducting),
            hold=partial(posting.hold, books=self.books),
            lift=partial(posting.lift, books=self.books),
        )

    @property
    def working(self) -> discrepancy_life.Desk:
        return discrepancy_life.Desk(
            discrepancies=self.discrepancies,
            books=self.books,
            trail=self.trail,
            hold=partial(posting.hold, books=self.books),
            lift=partial(posting.lift, books=self.books),
            platform=self.platform,
        )

    @property
    def arrivals(self) -> landing.Desk:
        loans = Route(
            kind="loans",
            folder="in/loans",
            stem="loans",
            format=CsvFormat(layout=LOANS, dialect=self.dialect),
            apply=lambda batch, now: loan_intake.take(batch=batch, desk=self.intake),
            takes_good_lines=True,
            bytes_max=self.bytes_max,
        )
        bill = Route(
            kind="bill",
            folder="in/payment/main/bill",
            stem="bill",
            format=CsvFormat(layout=BILL, dialect=self.dialect),
            apply=lambda batch, now: reconciliation.take(
                batch=batch, channel="main", now=now, desk=self.reconciling, files=self.arrivals
            ),
        )
        return landing.Desk(objects=self.objects, files=self.files, routes=(loans, bill))

    @property
    def closing(self) -> day_close.Desk:
        return day_close.Desk(
            rounds=self.rounds,
            reconciling=self.reconciling,
            files=self.arrivals,
            channels=("main",),
            round_count=2,
            sealing=self.sealing,
        )

    @property
    def sealing(self) -> day_report.Desk:
        return day_report.Desk(
            booking=vouchers.Desk(
                books=self.books,
                discrepancies=self.discrepancies,
                files=S3VoucherFiles(store=self.objects),
                chart=CHART,
                channels=("main",),
            ),
            runs=self.runs,
            due_lists=self.due_lists,
            reports=S3DayReports(store=self.objects),
            round_count=2,
        )

    def drop(self, key: str, body: bytes, manifest: bytes | None = None) -> None:
        """Put a file and its manifest, as a partner does; nobody counts these calls."""
        self.objects.bodies[key] = body
        if manifest is not None:
            self.objects.bodies[f"{key}.ok"] = manifest

    def take(self, key: str, now: datetime = TOMORROW_AT_TEN) -> landing.Taken:
        return landing.take(key=key, now=now, desk=self.arrivals)

    def reasons(self, key: str) -> list[dict]:
        return json.loads(self.objects.bodies[f"quarantine/{key}.reasons.json"])["reasons"]

    def state(self) -> dict:
        """All that is durable: what two ways to the same end must have in common."""
        return {
            "loans": dict(self.loans.rows),
            "schedules": dict(self.schedules.rows),
            "borrowers": dict(self.borrowers.rows),
            "journal": dict(self.journal.results),
            "corrections": dict(self.journal.corrections),
            "objects": dict(self.objects.bodies),
            "files": dict(self.files.rows),
            "discrepancies": dict(self.discrepancies.rows),
            "runs": dict(self.runs.rows),
        }


# --- makers of files --------------------------------------------------------------------


def a_loan_row(loan_id: str = "LN1", **changes: object) -> dict[str, str]:
    row: dict[str, object] = {
        "loan_id": loan_id,
        "borrower_id": f"B-{loan_id}",
        "borrower_name": "王*明",
        "phone": "13800000000",
        "product": "consumer",
        "mode": "self_operated",
        "funder_id": "",
        "funder_share_bps": "0",
        "principal_fen": "1200000",
        "annual_rate": "0.18",
        "method": "equal_instalment",
        "terms": "6",
        "disbursed_on": "2026-10-24",
        "first_due_on": "2026-11-24",
        "agreement_no": f"AG-{loan_id}",
        "revolving": "false",
    }
    return {name: str(value) for name, value in (row | changes).items()}


def a_bill_row(loan_id: str = "LN1", **changes: object) -> dict[str, str]:
    order_no = str(changes.get("order_no", f"{TODAY:%Y%m%d}-1-{loan_id}"))
    amount_fen = changes.get("amount_fen", 100_00)
    row: dict[str, object] = {
        "trade_no": f"T{order_no}",
        "order_no": order_no,
        "agreement_no": f"AG-{loan_id}",
        "amount_fen": amount_fen,
        "funder_amount_fen": 0,
        "platform_amount_fen": amount_fen,
        "status": "SUCCEEDED",
        "paid_at": "2026-11-24T09:00:00+08:00",
    }
    return {name: str(value) for name, value in (row | changes).items()}


def a_file(rows: list[dict[str, str]], *, columns=None, end: str = "\n", separator=",") -> bytes:
    text = io.StringIO(newline="")
    columns = columns or list(rows[0])
    writer = csv.DictWriter(text, columns, lineterminator=end, delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def a_manifest(body: bytes, rows: list[dict[str, str]], amount: str, /, **changes: object) -> bytes:
    told = {
        "rows": len(rows),
        "amount_fen": sum(_fen(row[amount]) for row in rows),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return json.dumps(told | changes).encode()


def _fen(cell: str) -> int:
    return int(cell) if cell.isascii() and cell.removeprefix("-").isdigit() else 0


def drop_loans(world: FileWorld, rows, /, *, key: str = LOANS_KEY, **changes) -> None:
    body = a_file(rows)
    world.drop(key, body, a_manifest(body, rows, "principal_fen", **changes))


def drop_bill(world: FileWorld, rows, /, *, key: str = BILL_KEY, **changes) -> None:
    body = a_file(rows, columns=list(a_bill_row()))
    world.drop(key, body, a_manifest(body, rows, "amount_fen", **changes))


def without_times(state: dict) -> dict:
    """Forget when files landed and finished: a second try is later."""
    files = {
        key: replace(record, landed_at=TOMORROW_AT_TEN, finished_at=None)
        for key, record in state["files"].items()
    }
    return state | {"files": files}


# --- makers of days ---------------------------------------------------------------------


def a_worked_day(
    outcomes: dict[str, str | list[str]], *, day: date = TODAY, joint: bool = False
) -> FileWorld:
    """Drive a day's list and its two rounds; each loan meets its outcomes, one an order.

    Nobody asks after unknown orders: they are left to the bill.
    """
    world = FileWorld()
    world.funders["F1"] = FUNDER
    make = a_joint_loan if joint else a_loan
    for loan_id, outcome in outcomes.items():
        world.book(
            make(loan_id, borrower_id=f"B-{loan_id}", unpaid_due_on=day),
            a_schedule(first_due_on=day),
        )
        world.platform.script[f"AG-{loan_id}"] = [outcome] if isinstance(outcome, str) else outcome
    due_list.make(business_date=day, now=at(0, 10, day=day), desk=world.morning)
    for message in world.walks._take_all():
        due_list.walk(message=message, now=at(0, 11, day=day), desk=world.morning)
    for round_no, hour in ((1, 8), (2, 16)):
        now = at(hour, day=day)
        deduction_round.start(business_date=day, round_no=round_no, now=now, desk=world.rounds)
        for message in world.walks._take_all():
            deduction_round.send_out(message=message, now=now, desk=world.rounds)
        for message in world.deductions._take_all():
            deduction.take(message=message, now=now, desk=world.deducting)
        opened = world.runs.rows[day, deduction_round.job_of(round_no)]
        deduction_round.tally(run=opened, now=now, desk=world.rounds)
    return world


def the_true_bill(world: FileWorld) -> dict[str, dict[str, str]]:
    """Write what the platform has really taken, by loan."""
    paid = {
        order_no.rpartition("-")[2]: (order_no, answer)
        for order_no, answer in world.platform.ends.items()
        if answer.status is AnswerStatus.SUCCEEDED
    }
    return {
        loan_id: a_bill_row(
            loan_id,
            order_no=order_no,
            trade_no=answer.trade_no,
            amount_fen=answer.amount.fen,
            **_parts_of(world, order_no),
            paid_at=answer.paid_at.isoformat(),
        )
        for loan_id, (order_no, answer) in sorted(paid.items())
    }


def _parts_of(world: FileWorld, order_no: str) -> dict[str, int]:
    """Say what each party has received of an order; without a split all of it is the platform's."""
    shares = world.platform.splits.get(order_no, ())
    funder = sum(share.amount.fen for share in shares if share.account == FUNDER.account)
    whole = world.platform.ends[order_no].amount.fen
    return {"funder_amount_fen": funder, "platform_amount_fen": whole - funder}
