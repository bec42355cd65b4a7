"""Files of every dialect, spoilt in every way: read as agreed or refused, and nothing in between.

Each input goes the real way, into the bucket and through `landing.take`; what comes of it is held
against another reading of the same bytes.  FUZZ_INPUTS says how many: `make fuzz` takes 10,000.
"""

import json
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from random import Random  # noqa: TID251  seeded

import pytest

from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_layouts import BILL
from chalicelib.domain.loan import Loan
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import FileState, Line, UnusableFileError
from chalicelib.flows.landing import REASONS_MAX, Outcome, Taken
from tests.builders import TODAY
from tests.fakes_files import BILL_KEY, LOANS_KEY, FileWorld, a_worked_day, the_true_bill
from tests.fuzz import manifests, readings
from tests.fuzz.counting import many
from tests.fuzz.files import CASES, Case, Input, a_table, an_input, written

INPUTS = int(os.environ.get("FUZZ_INPUTS", "300"))
GOLDEN = Path(__file__).parents[1] / "golden" / "fuzz"
KEYS = {"loans": LOANS_KEY, "bill": BILL_KEY}
DAY = {
    "LN1": "succeed",
    "LN2": "timeout_after_charge",
    "LN3": "insufficient_funds",
    "LN4": "succeed",
}


def a_world(case: Case) -> FileWorld:
    """Open an empty book for loans; a bill comes after a day of work."""
    world = FileWorld(dialect=case.dialect)
    if case.kind == "bill":
        for store, attributes in MEMORY.items():
            for name in attributes:
                kept = getattr(getattr(a_day_that_was_worked(), store), name)
                setattr(getattr(world, store), name, kept.copy())
    return world


MEMORY = {
    "loans": ("rows",),
    "schedules": ("rows", "sources"),
    "journal": ("results", "skips"),
    "runs": ("rows",),
    "due_lists": ("lists", "manifests"),
    "platform": ("charged", "ends", "silent"),
}


@cache
def a_day_that_was_worked() -> FileWorld:
    return a_worked_day(DAY)


def the_bill() -> list[dict[str, str]]:
    return list(the_true_bill(a_day_that_was_worked()).values())


def conclusions(world: FileWorld) -> dict:
    """All that is concluded from files; that one arrived, and why it was refused, is none."""
    return {k: v for k, v in world.state().items() if k not in {"objects", "files"}}


# --- one input --------------------------------------------------------------------------


def check(made: Input, case: Case) -> str:
    """Take a file in and hold it against the other reading; say in a word what became of it."""
    expected = expectation(made.body, case)
    check_lines(made.body, case, expected)
    world, key = a_world(case), KEYS[case.kind]
    before = conclusions(world)
    world.drop(key, made.body, made.manifest)
    taken = world.take(key)
    if taken.outcome is Outcome.QUARANTINED:
        assert conclusions(world) == before, "something was concluded from a file that fails"
        assert world.objects.bodies[f"quarantine/{key}"] == made.body
        reasons = world.reasons(key)
        assert reasons and all(each["reason"] for each in reasons)
        assert must_fail(expected, made, case) or case.kind == "bill", "a good file was refused"
        if made.manifest is None or is_true(made.manifest, made.body, expected or []):
            check_reasons(expected, reasons, case)
        return "quarantined"
    assert taken.outcome is Outcome.APPLIED
    assert not must_fail(expected, made, case), "a bad file was applied"
    check_applied(world, taken, expected, case)
    assert world.take(key).outcome is Outcome.KNOWN
    return "applied in part" if taken.refused else "applied"


def expectation(body: bytes, case: Case) -> list[readings.Reading] | None:
    try:
        return readings.read(body, sheet=case.sheet, dialect=case.dialect)
    except readings.RefusedError:
        return None


def check_lines(body: bytes, case: Case, expected: list[readings.Reading] | None) -> None:
    """Every line is read as it ought to be or named with its faults, however the bytes arrive."""
    for size in (100, len(body) or 1):
        lines, refused = lines_of(chunks(body, size), case)
        if refused:
            assert refused.faults
            assert all(fault.reason for fault in refused.faults)
            assert expected is None, f"refused: {refused}"
            continue
        assert expected is not None, "read, and ought to be refused"
        assert [told(line) for line in lines] == expected
        for line in lines:
            assert bool(line.faults) == (line.record is None)
            assert all(fault.line == line.number and fault.reason for fault in line.faults)


def lines_of(stream, case: Case) -> tuple[list[Line], UnusableFileError | None]:
    try:
        return list(CsvFormat(layout=case.layout, dialect=case.dialect).lines(stream)), None
    except UnusableFileError as error:
        return [], error


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def told(line: Line) -> readings.Reading:
    """Write a line down as the other reading does."""
    amount = line.amount.fen if line.amount is not None else None
    if line.record is None:
        return readings.Reading(line.number, amount, None)
    plain = {field.name: getattr(line.record, field.name) for field in fields(line.record)}
    values = {
        name: value.fen if isinstance(value, Money) else value for name, value in plain.items()
    }
    return readings.Reading(line.number, amount, values)


def must_fail(expected: list[readings.Reading] | None, made: Input, case: Case) -> bool:
    if expected is None or any(line.amount is None for line in expected):
        return True
    if case.kind == "bill" and any(line.values is None for line in expected):
        return True
    return made.manifest is not None and not is_true(made.manifest, made.body, expected)


def is_true(manifest: bytes, body: bytes, expected: list[readings.Reading]) -> bool:
    """Whether a manifest is what somebody honest would have written."""
    return manifest == manifests.honest(body, expected)


def check_reasons(expected, reasons, case: Case) -> None:
    """Of a file whose lines can all be told apart, every line that spoils it is named."""
    if expected is None:
        return
    spoils = {
        line.number
        for line in expected
        if line.amount is None or (case.kind == "bill" and line.values is None)
    }
    named = {each["line"] for each in reasons}
    assert spoils <= named or len(reasons) >= REASONS_MAX


def check_applied(world: FileWorld, taken: Taken, expected, case: Case) -> None:
    assert taken.applied + taken.refused == len(expected)
    [record] = world.files.rows.values()
    assert record.state is FileState.APPLIED
    assert (record.rows, record.amount.fen) == (
        len(expected),
        sum(line.amount for line in expected),
    )
    if case.kind == "loans":
        check_book(world, taken, expected)
    else:
        assert not taken.refused
        assert all(TODAY.year == line.values["paid_at"].year for line in expected)
        check_money(world)


def check_book(world: FileWorld, taken: Taken, expected) -> None:
    """Every line is a loan in the book, word for word, or named with its number."""
    assert len(world.loans.rows) == taken.applied
    key = f"quarantine/{LOANS_KEY}.reasons.json"
    named = (
        {each["line"] for each in world.reasons(LOANS_KEY)}
        if key in world.objects.bodies
        else set()
    )
    assert len(named) == taken.refused
    good = [line for line in expected if line.number not in named]
    assert all(line.values for line in good)
    assert [as_booked(world.loans.rows[line.values["loan_id"]]) for line in good] == [
        {name: line.values[name] for name in BOOKED} for line in good
    ]
    for line in good:
        borrower = world.borrowers.rows[line.values["borrower_id"]]
        same = [each.values for each in good if each.values["borrower_id"] == borrower.borrower_id]
        assert (borrower.name, borrower.phone) in {
            (values["borrower_name"], values["phone"]) for values in same
        }


BOOKED = ("loan_id", "borrower_id", "product", "mode", "principal", "annual_rate", "agreement_no")


def as_booked(loan: Loan) -> dict[str, object]:
    plain = {name: getattr(loan, name) for name in BOOKED}
    return plain | {"principal": loan.principal.fen}


def check_money(world: FileWorld) -> None:
    """A bill posts nothing that the platform has not taken, and nothing twice."""
    for order_no, record in world.journal.results.items():
        if record.lines:
            assert world.platform.ends[order_no].amount == record.amount
            assert world.platform.charged[order_no] == 1


# --- many inputs ------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_spoilt_files_are_read_as_agreed_or_refused(name):
    case, bill = CASES[name], the_bill()

    def one(seed: str) -> str:
        made = an_input(seed, case, bill)
        return noted(lambda: check(made, case), made)

    counted = many(name, INPUTS, one)
    assert counted["applied"]
    assert counted["quarantined"]


def noted(work, made: Input) -> str:
    """Let a failure say what was done to the file, and how it begins."""
    try:
        return work()
    except Exception as error:
        error.add_note(f"{made.done}: {made.body[:300]!r}, manifest {made.manifest!r}")
        raise


def test_spoilt_manifests_are_read_as_agreed_or_refused():
    case = CASES["loans as we take them"]
    good = Input(
        body=written(a_table(Random(7), case, []), case),
        manifest=None,
        done=(),
    )
    truth = manifests.told(good.body, expectation(good.body, case))

    def one(seed: str) -> str:
        body = manifests.a_manifest(seed, truth)
        return noted(lambda: check_manifest(replace(good, manifest=body), truth), good)

    counted = many("manifests", INPUTS, one)
    assert counted["applied"]
    assert counted["quarantined"]


def check_manifest(made: Input, truth: dict[str, object]) -> str:
    world = FileWorld()
    world.drop(LOANS_KEY, made.body, made.manifest)
    outcome = world.take(LOANS_KEY).outcome
    if outcome is Outcome.APPLIED:
        assert manifests.figures_of(made.manifest) == truth, "a lie was believed"
    else:
        assert made.manifest != json.dumps(truth).encode()
        assert outcome is Outcome.QUARANTINED
        assert not conclusions(world)["loans"]
        assert world.reasons(LOANS_KEY)
    return outcome.value


# --- what may never fill the memory -----------------------------------------------------

HEADER = ",".join(BILL.names).encode() + b"\n"
ENDLESS = {
    "a line": (HEADER, b"x" * 1000),
    "a quote": (HEADER, b'"' + b"x" * 1000),
    "a quote over lines": (HEADER + b'"', b"x" * 70 + b"\n"),
    "a row of cells over lines": (HEADER, b'"\n",'),
    "a row of quoted ends": (HEADER, b'"a\n""","",'),
    "commas": (HEADER, b"," * 1000),
    "a header": (b"", b"column,"),
    "bad lines": (HEADER, b"a,b,c" * 100 + b"\n"),
    "a character that never ends": (HEADER, b"\xe7"),
    "carriage returns": (HEADER, b"\r"),
}


@pytest.mark.parametrize("chunk_size", [4096, 1024 * 1024])
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_never_fills_the_memory(name, chunk_size):
    """However much comes, it is read or refused in the memory of one chunk cut into lines."""
    start, again = ENDLESS[name]
    chunk = again * (chunk_size // len(again))
    stream = iter([start, *[chunk] * (8 if chunk_size > 10**5 else 500)])
    tracemalloc.start()
    with suppress(UnusableFileError):
        for _ in CsvFormat(layout=BILL).lines(stream):
            pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 32 * chunk_size + 1024 * 1024


# --- what once failed -------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.csv")), ids=lambda path: path.stem)
def test_what_once_failed_is_taken_in_or_refused(path):
    """A golden file is named after its kind and what was wrong; its bytes came from a run."""
    case = Case(path.stem.partition("-")[0])
    body = path.read_bytes()
    manifest = manifests.honest(body, expectation(body, case) or [])
    check(Input(body=body, manifest=manifest, done=(path.stem,)), case)
