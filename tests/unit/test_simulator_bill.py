import csv
import hashlib
import io
import json
from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251 - seeded

import pytest

from simulators import bill
from simulators.bill import MUTATIONS, Charge, Mutation, Share, UnknownMutationError, mutation_of
from simulators.clock import SHANGHAI
from simulators.payment_platform import PaymentPlatform

DAY = date(2026, 11, 24)
NEXT_DAY = date(2026, 11, 25)
EIGHT = datetime(2026, 11, 24, 8, 0, tzinfo=SHANGHAI)
HEADER = (
    "trade_no,order_no,agreement_no,amount_fen,funder_amount_fen,platform_amount_fen,status,paid_at"
)


def seeded(seed=7):
    return Random(seed)


def a_charge(n):
    return Charge(
        order_no=f"O{n}",
        trade_no=f"T{n}",
        agreement_no=f"AG{n}",
        amount_fen=100_00 + n,
        split=(
            Share(account="funder-1", amount_fen=70_00),
            Share(account="platform", amount_fen=30_00 + n),
        ),
        paid_at=EIGHT + timedelta(minutes=n),
    )


CHARGES = [a_charge(n) for n in range(4)]


def spoilt(*kinds):
    mutations = bill.aimed([mutation_of(kind) for kind in kinds], CHARGES)
    return bill.make(day=DAY, charges=CHARGES, mutations=mutations)


def lines(made):
    return list(csv.DictReader(io.StringIO(made.body.decode())))


def numbers(made):
    return [line["order_no"] for line in lines(made)]


class TestBill:
    def test_is_the_file_of_the_contract(self):
        body = bill.make(day=DAY, charges=CHARGES[:2]).body.decode()

        assert body == (
            f"{HEADER}\n"
            "T0,O0,AG0,10000,7000,3000,SUCCEEDED,2026-11-24T08:00:00+08:00\n"
            "T1,O1,AG1,10001,7000,3001,SUCCEEDED,2026-11-24T08:01:00+08:00\n"
        )

    def test_has_a_manifest_that_ties(self):
        made = bill.make(day=DAY, charges=CHARGES)

        assert json.loads(made.manifest) == {
            "rows": 4,
            "amount_fen": 400_06,
            "sha256": hashlib.sha256(made.body).hexdigest(),
        }

    def test_of_an_empty_day_is_a_header(self):
        made = bill.make(day=DAY, charges=[])

        assert (made.body.decode(), made.rows, made.amount_fen) == (f"{HEADER}\n", 0, 0)


class TestMutations:
    def test_drop_row(self):
        made = spoilt("drop_row")

        assert numbers(made) == ["O1", "O2", "O3"]
        assert made.hits == (("drop_row", "O0"),)
        assert json.loads(made.manifest)["rows"] == 3

    def test_extra_row_is_of_an_order_nobody_sent(self):
        made = spoilt("extra_row", "extra_row")

        assert numbers(made)[4:] == ["20261124-1-LN9999900000", "20261124-1-LN9999900001"]
        assert [order_no for _, order_no in made.hits] == numbers(made)[4:]

    def test_extra_row_can_name_its_order_and_amount(self):
        made = spoilt({"kind": "extra_row", "order_no": "X", "amount_fen": 5})

        assert (lines(made)[4]["order_no"], lines(made)[4]["amount_fen"]) == ("X", "5")

    def test_change_amount(self):
        line = lines(spoilt({"kind": "change_amount", "order_no": "O2", "by_fen": -7}))[2]

        assert (line["amount_fen"], line["funder_amount_fen"], line["platform_amount_fen"]) == (
            "9995",
            "7000",
            "2995",
        )

    def test_change_split(self):
        line = lines(spoilt("change_split"))[0]

        assert (line["amount_fen"], line["funder_amount_fen"], line["platform_amount_fen"]) == (
            "10000",
            "7001",
            "2999",
        )

    def test_change_status(self):
        assert lines(spoilt("change_status"))[0]["status"] == "FAILED"

    def test_reverse(self):
        assert [line["status"] for line in lines(spoilt("reverse"))[:2]] == [
            "REVERSED",
            "SUCCEEDED",
        ]

    def test_duplicate_row(self):
        assert numbers(spoilt("duplicate_row")) == ["O0", "O0", "O1", "O2", "O3"]

    def test_wrong_digest(self):
        made = spoilt("wrong_digest")

        assert json.loads(made.manifest)["sha256"] != hashlib.sha256(made.body).hexdigest()

    @pytest.mark.parametrize(
        ("kind", "rows", "amount_fen"), [("wrong_rows", 5, 400_06), ("wrong_sum", 4, 400_07)]
    )
    def test_wrong_totals(self, kind, rows, amount_fen):
        manifest = json.loads(spoilt(kind).manifest)

        assert (manifest["rows"], manifest["amount_fen"]) == (rows, amount_fen)

    def test_truncate_keeps_the_manifest_of_the_whole(self):
        whole, made = bill.make(day=DAY, charges=CHARGES), spoilt("truncate")

        assert whole.body.startswith(made.body)
        assert len(made.body) < len(whole.body)
        assert made.manifest == whole.manifest

    def test_no_manifest(self):
        assert spoilt("no_manifest").manifest is None

    def test_several_hit_one_order_each(self):
        made = spoilt("drop_row", "change_amount", "duplicate_row")

        assert numbers(made) == ["O1", "O2", "O2", "O3"]
        assert lines(made)[0]["amount_fen"] == "10002"

    def test_every_mutation_has_an_effect(self):
        clean = bill.make(day=DAY, charges=CHARGES)
        for kind in MUTATIONS - {"shift_day"}:  # that is the platform's: TestPlatformsBill
            assert (spoilt(kind).body, spoilt(kind).manifest) != (clean.body, clean.manifest), kind

    def test_on_an_empty_day_hit_nothing(self):
        made = bill.make(day=DAY, charges=[], mutations=bill.aimed([Mutation(kind="drop_row")], []))

        assert made.hits == (("drop_row", ""),)

    @pytest.mark.parametrize(
        "given", ["explode", 7, {"order_no": "O1"}, {"kind": "drop_row", "row": 1}, {"kind": 1}]
    )
    def test_others_are_refused(self, given):
        with pytest.raises(UnknownMutationError):
            mutation_of(given)


class TestPlatformsBill:
    @pytest.fixture
    def platform(self):
        platform = PaymentPlatform(clock=lambda: EIGHT, rng=seeded())
        platform.script("AG9", ["insufficient_funds", "wrong_amount"])
        for order_no, agreement_no in (("A", "AG1"), ("B", "AG2"), ("X", "AG9"), ("W", "AG9")):
            platform.deduct(
                {
                    "order_no": order_no,
                    "agreement_no": agreement_no,
                    "amount_fen": 100,
                    "currency": "CNY",
                }
            )
        return platform

    def test_has_what_was_charged_and_nothing_else(self, platform):
        made = platform.bill(day=DAY)

        assert [(line["order_no"], line["amount_fen"]) for line in lines(made)] == [
            ("A", "100"),
            ("B", "100"),
            ("W", "101"),
        ]
        assert made.amount_fen == platform.ledger(DAY)["amount_fen"]

    def test_is_the_same_when_asked_again(self, platform):
        assert platform.bill(day=DAY) == platform.bill(day=DAY)

    def test_shift_day_leaves_an_order_to_the_next_days_bill(self, platform):
        shift = [Mutation(kind="shift_day")]

        for _ in range(2):
            assert numbers(platform.bill(day=DAY, mutations=shift)) == ["B", "W"]
        late = platform.bill(day=NEXT_DAY)

        assert numbers(late) == ["A"]
        assert lines(late)[0]["paid_at"] == "2026-11-25T00:00:01+08:00"

    def test_a_mutation_that_names_a_stranger_changes_nothing(self, platform):
        clean = platform.bill(day=DAY)

        spoilt_bill = platform.bill(day=DAY, mutations=[Mutation(kind="shift_day", order_no="?")])

        assert spoilt_bill.body == clean.body
