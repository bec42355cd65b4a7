"""A file lands, is read and applied; or it is quarantined whole, and nothing is concluded."""

import json
from dataclasses import replace

import pytest

from chalicelib.flows import landing
from chalicelib.flows.file_ports import FileState, ObjectReplacedError
from chalicelib.flows.landing import Outcome, reopen
from tests.fakes import Crash
from tests.fakes_files import (
    BILL_KEY,
    LOANS_KEY,
    TOMORROW_AT_TEN,
    FakeFiles,
    FileWorld,
    a_bill_row,
    a_file,
    a_loan_row,
    a_manifest,
    drop_bill,
    drop_loans,
)

NAME, PHONE = "欧阳锋锋", "13912345678"
ROWS = [a_loan_row("LN1"), a_loan_row("LN2", borrower_name=NAME, phone=PHONE)]


@pytest.fixture
def world():
    return FileWorld()


class TestWaiting:
    def test_waits_for_the_manifest(self, world):
        world.drop(LOANS_KEY, a_file(ROWS))

        assert world.take(LOANS_KEY).outcome is Outcome.WAITING
        assert not world.files.rows

    def test_waits_for_the_file(self, world):
        world.drop(f"{LOANS_KEY}.ok", b"{}")

        assert world.take(f"{LOANS_KEY}.ok").outcome is Outcome.WAITING

    @pytest.mark.parametrize("key", [LOANS_KEY, f"{LOANS_KEY}.ok"])
    def test_takes_the_file_in_on_whichever_event_comes_last(self, world, key):
        drop_loans(world, ROWS)

        assert world.take(key).outcome is Outcome.APPLIED

    def test_does_nothing_for_a_file_that_is_gone_again(self, world):
        assert world.take(BILL_KEY).outcome is Outcome.WAITING
        assert world.state() == FileWorld().state()


class TestTheSameBytes:
    def test_change_nothing_the_second_time(self, world):
        drop_loans(world, ROWS)
        world.take(LOANS_KEY)
        before = world.state()

        assert world.take(f"{LOANS_KEY}.ok").outcome is Outcome.KNOWN
        assert world.state() == before

    def test_are_looked_at_again_if_their_manifest_was_wrong(self, world):
        drop_loans(world, ROWS, rows=9)
        assert world.take(LOANS_KEY).outcome is Outcome.QUARANTINED

        drop_loans(world, ROWS)

        assert world.take(f"{LOANS_KEY}.ok").outcome is Outcome.APPLIED
        assert set(world.loans.rows) == {"LN1", "LN2"}

    def test_under_another_name_bring_no_loan_twice(self, world):
        drop_loans(world, ROWS)
        world.take(LOANS_KEY)
        book = dict(world.loans.rows)
        again = LOANS_KEY.replace("v1", "v2")
        drop_loans(world, ROWS, key=again)

        assert world.take(again).refused == 0
        assert world.loans.rows == book


def cut(body: bytes) -> bytes:
    return body[: len(body) * 2 // 3]


BODY = a_file(ROWS)


def manifest(body: bytes = BODY, lines=ROWS, /, **changes) -> bytes:
    return a_manifest(body, lines, "principal_fen", **changes)


HALF_LINE = BODY.rstrip(b"\n")[:-3]
GBK = BODY.decode().encode("gbk")
WITHOUT_PHONE = a_file([{k: v for k, v in row.items() if k != "phone"} for row in ROWS])
RENAMED = BODY.replace(b"phone", b"mobile")
TWICE = BODY.replace(b"funder_id", b"phone")
EXTRA = a_file([row | {"nickname": "x"} for row in ROWS])
SHORT_LINE = BODY + b"LN3,B3\n"
UNREADABLE = [*ROWS, a_loan_row("LN3", principal_fen="１００")]
WHOLE = {
    "truncated, the manifest is of the whole": (cut(BODY), manifest()),
    "truncated, the manifest knows": (cut(BODY), manifest(cut(BODY))),
    "half a last line": (HALF_LINE, manifest(HALF_LINE)),
    "another digest": (BODY, manifest(sha256="0" * 64)),
    "a row too few": (BODY, manifest(rows=3)),
    "another sum": (BODY, manifest(amount_fen=1)),
    "an empty file": (b"", manifest(b"", [])),
    "a manifest that is none": (BODY, b"[]"),
    "a manifest with more": (BODY, manifest(extra=1)),
    "a manifest of text": (BODY, manifest(amount_fen="2400000")),
    "a manifest of truth": (BODY, manifest(rows=True)),
    "a manifest of depth": (BODY, b"[" * 4000),
    "a name twice in the manifest": (BODY, manifest()[:-1] + b', "rows": 2}'),
    "GBK where UTF-8 is agreed": (GBK, manifest(GBK)),
    "a column missing": (WITHOUT_PHONE, manifest(WITHOUT_PHONE)),
    "a column renamed": (RENAMED, manifest(RENAMED)),
    "a column twice": (TWICE, manifest(TWICE)),
    "a line of two cells": (SHORT_LINE, manifest(SHORT_LINE, rows=3)),
    "an amount in other digits": (
        a_file(UNREADABLE),
        manifest(a_file(UNREADABLE), UNREADABLE),
    ),
}


def test_a_column_more_is_a_partners_new_version_and_no_harm(world):
    world.drop(LOANS_KEY, EXTRA, manifest(EXTRA))

    assert world.take(LOANS_KEY).outcome is Outcome.APPLIED


class TestAFileThatFailsAsAWhole:
    @pytest.mark.parametrize("spoilt", WHOLE.values(), ids=WHOLE)
    def test_is_quarantined_with_its_reasons_and_nothing_is_concluded(self, world, spoilt):
        world.drop(LOANS_KEY, *spoilt)

        assert world.take(LOANS_KEY).outcome is Outcome.QUARANTINED
        assert world.objects.bodies[f"quarantine/{LOANS_KEY}"] == spoilt[0]
        assert world.reasons(LOANS_KEY)
        assert not (world.loans.rows or world.schedules.rows or world.borrowers.rows)

    @pytest.mark.parametrize("spoilt", WHOLE.values(), ids=WHOLE)
    def test_names_nobody_in_its_reasons(self, world, spoilt):
        world.drop(LOANS_KEY, *spoilt)
        world.take(LOANS_KEY)
        told = world.objects.bodies[f"quarantine/{LOANS_KEY}.reasons.json"].decode()

        assert not [secret for secret in (NAME, PHONE) if secret in told + repr(world.files.rows)]

    def test_names_the_line_whose_amount_cannot_be_read(self, world):
        drop_loans(world, UNREADABLE)
        world.take(LOANS_KEY)

        assert world.reasons(LOANS_KEY) == [
            {
                "line": 4,
                "column": "principal_fen",
                "reason": "not an amount in whole fen",
                "value": "???",
            }
        ]

    @pytest.mark.parametrize(
        "key",
        [
            "in/loans/20261324/loans_v1.csv",
            "in/loans/20261124/loans_v0.csv",
            "in/loans/20261124/loans_v1.csv.exe",
            "in/loans/20261124/../loans_v1.csv",
            "in/loans/２０２６１１２４/loans_v1.csv",
            "in/payment/other/bill/20261124/bill_v1.csv",
            "in/loans/20261124/loans_v1.zip",
        ],
    )
    def test_may_fail_by_its_name_alone(self, world, key):
        world.drop(key, BODY, manifest())

        assert world.take(key).outcome is Outcome.QUARANTINED
        assert world.reasons(key) == [
            {"line": 0, "column": "", "reason": "no file of this name is expected", "value": ""}
        ]

    def test_may_be_too_large_to_be_read(self, world):
        drop_loans(world, ROWS)
        world.bytes_max = 100

        assert world.take(LOANS_KEY).outcome is Outcome.QUARANTINED
        assert world.reasons(LOANS_KEY)[0]["reason"] == "larger than 100 bytes"

    def test_may_be_a_bill_with_one_bad_row(self, world):
        drop_bill(world, [a_bill_row("LN1"), a_bill_row("LN2", amount_fen="-5")])

        assert world.take(BILL_KEY).outcome is Outcome.QUARANTINED
        assert [(r["line"], r["column"]) for r in world.reasons(BILL_KEY)] == [
            (3, "amount_fen"),
            (3, "platform_amount_fen"),
        ]
        assert not world.runs.rows


class TestACrash:
    """Killed before or after any call, and called again: the end is the same."""

    @pytest.mark.parametrize(
        "rows", [ROWS, UNREADABLE, [*ROWS, a_loan_row("LN1", terms=12)]], ids=str
    )
    def test_changes_nothing_at_the_end(self, rows):
        plain = FileWorld()
        drop_loans(plain, rows)
        plain.take(LOANS_KEY)
        assert plain.outside.boundaries > 10

        for dies_at in range(plain.outside.boundaries):
            world = FileWorld()
            drop_loans(world, rows)
            world.outside.dies_at = dies_at
            with pytest.raises(Crash):
                world.take(LOANS_KEY)
            world.take(LOANS_KEY)
            assert world.state() == plain.state(), dies_at

    def test_may_find_that_another_was_faster(self, world):
        drop_loans(world, ROWS)
        route = world.arrivals.routes[0]

        def overtaken(batch, now):
            assert world.take(LOANS_KEY).outcome is Outcome.APPLIED
            return route.apply(batch, now)

        slow = replace(world.arrivals, routes=(replace(route, apply=overtaken),))
        taken = landing.take(key=LOANS_KEY, now=TOMORROW_AT_TEN, desk=slow)

        assert (taken.applied, taken.refused) == (2, 0)
        assert set(world.loans.rows) == {"LN1", "LN2"}


class TestReplacedWhileItIsRead:
    def test_is_not_mixed_with_the_new_bytes(self, world):
        drop_loans(world, ROWS)

        class Replacing(FakeFiles):
            def land(self, record):
                drop_loans(world, [a_loan_row("LN9")])
                return super().land(record)

        desk = replace(world.arrivals, files=Replacing(world.outside))
        with pytest.raises(ObjectReplacedError):
            landing.take(key=LOANS_KEY, now=TOMORROW_AT_TEN, desk=desk)

        assert world.take(LOANS_KEY).outcome is Outcome.APPLIED
        assert set(world.loans.rows) == {"LN9"}

    def test_is_not_mixed_after_it_was_proven_either(self, world):
        drop_loans(world, ROWS)
        route = world.arrivals.routes[0]

        def replaced(batch, now):
            drop_loans(world, [a_loan_row("LN9")])
            return route.apply(batch, now)

        desk = replace(world.arrivals, routes=(replace(route, apply=replaced),))
        with pytest.raises(ObjectReplacedError):
            landing.take(key=LOANS_KEY, now=TOMORROW_AT_TEN, desk=desk)

        assert not world.loans.rows


class TestReopen:
    def test_gives_the_lines_of_an_applied_file_again(self, world):
        drop_loans(world, ROWS)
        world.take(LOANS_KEY)

        batch = reopen(key=LOANS_KEY, desk=world.arrivals)

        assert [line.record.loan_id for line in batch.lines()] == ["LN1", "LN2"]
        assert (batch.rows, batch.amount.fen) == (2, 2_400_000)

    def test_refuses_what_was_not_applied(self, world):
        drop_loans(world, ROWS, rows=9)
        world.take(LOANS_KEY)

        with pytest.raises(KeyError):
            reopen(key=LOANS_KEY, desk=world.arrivals)
        with pytest.raises(KeyError):
            reopen(key=BILL_KEY, desk=world.arrivals)


def test_keeps_a_record_of_each_arrival(world):
    drop_loans(world, ROWS, rows=9)
    world.take(LOANS_KEY)
    drop_loans(world, ROWS[:1])
    world.take(LOANS_KEY)

    assert sorted((r.state, r.rows) for r in world.files.of_key(LOANS_KEY)) == [
        (FileState.APPLIED, 1),
        (FileState.QUARANTINED, 0),
    ]
    assert json.loads(world.objects.bodies[f"{LOANS_KEY}.ok"])["rows"] == 1
