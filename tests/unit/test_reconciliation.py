"""Every bill row and every order ends in one bucket; every defect in its own, and in none else."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.deduction import Kind as DeductionKind
from chalicelib.domain.deduction import Status
from chalicelib.domain.discrepancy import DiscrepancyState
from chalicelib.domain.loan import LoanStatus
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.reconciliation import BillRow, Kind, LocalOrder, OrderState, judge, match
from chalicelib.flows import deduction, early_repayment, reconciliation
from chalicelib.flows.landing import Outcome
from chalicelib.flows.ports import AskMessage, DeductionMessage
from chalicelib.flows.reconciliation import PrematureBillError
from simulators.bill import Charge, aimed, make, mutation_of
from tests.builders import TODAY, a_cut, a_loan, a_schedule, at
from tests.fakes import Crash
from tests.fakes_files import (
    BILL_KEY,
    TOMORROW_AT_TEN,
    a_bill_row,
    a_worked_day,
    drop_bill,
    the_true_bill,
)

TOMORROW = date(2026, 11, 25)
NEXT_BILL_KEY = "in/payment/main/bill/20261125/bill_v1.csv"
SECOND_BILL_KEY = BILL_KEY.replace("v1", "v2")
DUE = a_schedule()[0].total
SUCCESSES = {f"LN{number:02}": "succeed" for number in range(1, 15)}
FAILURES: dict[str, str | list[str]] = {"LN21": ["insufficient_funds"] * 2, "LN22": "card_closed"}
UNKNOWNS = {
    "LN31": "timeout_after_charge",
    "LN32": "timeout_before_charge",
    "LN33": "wrong_amount",
}


def order(loan_id: str, round_no: int = 1) -> str:
    return f"20261124-{round_no}-{loan_id}"


def classes(world) -> dict[str, set[str]]:
    """Say which orders stand open in which class."""
    found: dict[str, set[str]] = {}
    for discrepancy in world.discrepancies.of_day(TODAY, "main"):
        if discrepancy.state is DiscrepancyState.OPEN:
            found.setdefault(discrepancy.kind.value, set()).add(discrepancy.order_no)
    return found


def totals(world, day=TODAY):
    return world.runs.rows[day, "reconciliation_main"].totals


def reconcile(world, rows, *, key=BILL_KEY, now=TOMORROW_AT_TEN):
    drop_bill(world, list(rows), key=key)
    return world.take(key, now)


class TestACleanDay:
    def test_matches_to_the_last_fen(self):
        world = a_worked_day(SUCCESSES | FAILURES)
        taken = reconcile(world, the_true_bill(world).values())

        assert (taken.outcome, classes(world)) == (Outcome.APPLIED, {})
        assert totals(world)["classes"]["matched"] == {
            "rows": 14,
            "there_fen": 14 * DUE.fen,
            "orders": 17,  # three failed orders of two loans: both sides took nothing
            "here_fen": 14 * DUE.fen,
        }
        assert totals(world)["journal"]["failed"]["count"] == 3
        assert totals(world)["open"] == 0
        assert world.runs.rows[TODAY, "reconciliation_main"].is_complete

    def test_may_be_one_on_which_nobody_paid(self):
        world = a_worked_day({"LN1": "card_closed"})

        assert reconcile(world, []).outcome is Outcome.APPLIED
        assert classes(world) == {}


Rows = dict[str, dict[str, str]]


def lose(loan_id: str):
    return lambda rows: rows.pop(loan_id)


def add(row: dict[str, str]):
    return lambda rows: rows.update({f"+{row['order_no']}": row})


def change(loan_id: str, **cells: object):
    return lambda rows: rows[loan_id].update({name: str(cell) for name, cell in cells.items()})


def pay(loan_id: str, fen: int):
    return change(loan_id, amount_fen=fen, platform_amount_fen=fen)


def repeat(loan_id: str, **cells: str):
    """Write the row of a loan a second time, above the true one."""

    def planted(rows: Rows) -> None:
        true = rows.pop(loan_id)
        rows.update({f"+{loan_id}": true | cells, loan_id: true})

    return planted


FEN = DUE.fen
DEFECTS = {
    "a success the bill lacks": ("missing_there", order("LN01"), lose("LN01")),
    "a charge nobody ordered": ("missing_here", order("LN99"), add(a_bill_row("LN99"))),
    "a charge of another system": ("missing_here", "ZZ-1", add(a_bill_row(order_no="ZZ-1"))),
    "a fen too much": ("amount_differs", order("LN02"), pay("LN02", FEN + 1)),
    "a fen too little": ("amount_differs", order("LN03"), pay("LN03", FEN - 1)),
    "another split": (
        "split_differs",
        order("LN04"),
        change("LN04", funder_amount_fen=1, platform_amount_fen=FEN - 1),
    ),
    "a success that failed there": (
        "status_differs",
        order("LN05"),
        change("LN05", status="FAILED"),
    ),
    "a failure that was charged": (
        "status_differs",
        order("LN22"),
        add(a_bill_row("LN22", amount_fen=FEN)),
    ),
    "a row twice": ("duplicate", order("LN06"), repeat("LN06")),
    "an order with two amounts": (
        "duplicate",
        order("LN07"),
        repeat("LN07", amount_fen="5", platform_amount_fen="5", trade_no="T5"),
    ),
    "an order of another day": (
        "cross_day",
        "20261120-1-LN08",
        add(a_bill_row("LN08", order_no="20261120-1-LN08")),
    ),
    "another trade": ("status_differs", order("LN09"), change("LN09", trade_no="T0")),
    "another card": ("status_differs", order("LN10"), change("LN10", agreement_no="AG-LN11")),
    "one trade for two orders": (
        "duplicate",
        order("LN98"),
        add(a_bill_row("LN98", trade_no=f"T{order('LN12')}")),
    ),
    "an unknown order with a fen too much": (
        "amount_differs",
        order("LN33"),
        pay("LN33", FEN + 1),
    ),
}


def plant(rows: Rows, defect: str) -> None:
    DEFECTS[defect][2](rows)


class TestMoneyTheJournalHasNot:
    """What the bill shows paid is not taken a second time while nobody has decided."""

    def held(self, world, loan_id="LN21"):
        return world.loans.rows[loan_id].hold

    @pytest.fixture
    def world(self):
        return a_worked_day(SUCCESSES | {"LN21": "limit_exceeded"})

    def billed(self, world):
        return [*the_true_bill(world).values(), a_bill_row("LN21", order_no=order("LN21"))]

    def test_holds_the_loan_until_the_discrepancy_is_resolved(self, world):
        reconcile(world, self.billed(world))
        assert self.held(world) == f"discrepancy status_differs#{order('LN21')}"

        reconcile(world, the_true_bill(world).values(), key=SECOND_BILL_KEY)
        assert self.held(world) == ""

    def test_is_not_deducted_again_the_next_day(self, world):
        reconcile(world, self.billed(world))
        tomorrow = DeductionMessage(order_no="20261125-1-LN21", listed_fen=DUE.fen * 2)
        deduction.take(message=tomorrow, now=at(12, day=TOMORROW), desk=world.deducting)

        assert "20261125-1-LN21" not in world.platform.charged
        assert world.journal.skips["20261125-1-LN21"].reason == "on_hold"

    def test_is_let_go_for_good_once_a_person_has_decided(self, world):
        reconcile(world, self.billed(world))
        [found] = world.discrepancies.of_day(TODAY, "main")
        decided = replace(found, state=DiscrepancyState.RESOLVED, decided_by="finance")
        world.discrepancies.rows[next(iter(world.discrepancies.rows))] = decided
        world.loans.rows["LN21"] = replace(world.loans.rows["LN21"], hold="")
        reconciliation.again(
            business_date=TODAY,
            channel="main",
            now=TOMORROW_AT_TEN,
            desk=world.reconciling,
            files=world.arrivals,
        )

        assert self.held(world) == ""

    def test_that_the_bill_lacks_holds_nobody(self, world):
        rows = the_true_bill(world)
        del rows["LN01"]
        reconcile(world, rows.values())

        assert self.held(world, "LN01") == ""

    def test_of_orders_that_are_not_ours_holds_nobody(self, world):
        row = a_bill_row("LN01", order_no="somebody-elses", trade_no="T77")
        reconcile(world, [*the_true_bill(world).values(), row])

        assert {loan.hold for loan in world.loans.rows.values()} == {""}


def test_one_pass_closes_so_many_unknown_orders_and_the_next_one_the_rest(monkeypatch):
    monkeypatch.setattr(reconciliation, "CLOSES_MAX", 1)
    never_arrived = dict.fromkeys(("LN41", "LN42"), "timeout_before_charge")
    world = a_worked_day(SUCCESSES | never_arrived)
    reconcile(world, the_true_bill(world).values())
    left = [loan_id for loan_id in never_arrived if world.loans.rows[loan_id].slot]
    assert len(left) == 1
    assert totals(world)["ties"]

    reconciliation.again(
        business_date=TODAY,
        channel="main",
        now=TOMORROW_AT_TEN,
        desk=world.reconciling,
        files=world.arrivals,
    )
    assert not any(world.loans.rows[loan_id].slot for loan_id in never_arrived)


class TestDefects:
    @pytest.mark.parametrize("defect", DEFECTS)
    def test_stand_each_in_its_class_and_in_none_else(self, defect):
        unknown = {"LN33": "wrong_amount"} if "unknown" in defect else {}
        world = a_worked_day(SUCCESSES | FAILURES | unknown)
        rows = the_true_bill(world)
        plant(rows, defect)
        reconcile(world, rows.values())
        kind, order_no, _ = DEFECTS[defect]

        assert classes(world) == {kind: {order_no}}
        assert totals(world)["open"] == 1

    def test_planted_all_together_are_found_all(self):
        world = a_worked_day(SUCCESSES | FAILURES | UNKNOWNS)
        rows = the_true_bill(world)
        for defect in DEFECTS:
            plant(rows, defect)
        reconcile(world, rows.values())
        expected: dict[str, set[str]] = {}
        for kind, order_no, _ in DEFECTS.values():
            expected.setdefault(kind, set()).add(order_no)

        assert classes(world) == expected
        assert totals(world)["open"] == len(DEFECTS)
        buckets = totals(world)["classes"].values()
        assert sum(bucket["rows"] for bucket in buckets) == len(rows)
        assert sum(bucket["there_fen"] for bucket in buckets) == totals(world)["bill"]["amount_fen"]

    def test_show_both_sides_and_what_to_do(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        plant(rows, "a fen too much")
        reconcile(world, rows.values())
        found = world.discrepancies.of_day(TODAY, "main")[0]

        assert (found.here, found.there) == (DUE, DUE + Money(1))
        assert found.facts["here"]["trade_no"] == found.facts["there"][0]["trade_no"]
        assert found.suggestion == "ask_platform_for_proof_of_amount"

    def test_are_not_written_again_when_the_bill_is_run_again(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        plant(rows, "a success the bill lacks")
        reconcile(world, rows.values())
        before = world.state()
        again(world, now=at(12, day=TOMORROW))

        assert world.discrepancies.writes == 1
        assert world.state() == before

    def test_are_resolved_by_a_later_bill_that_explains_them(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        whole = list(rows.values())
        plant(rows, "a success the bill lacks")
        reconcile(world, rows.values())
        reconcile(world, whole, key=SECOND_BILL_KEY)
        found = world.discrepancies.of_day(TODAY, "main")[0]

        assert (found.state, found.opened_at) == (DiscrepancyState.RESOLVED, TOMORROW_AT_TEN)
        assert found.reason == "not found again with version 2 of the bill"
        assert totals(world)["open"] == 0
        writes = world.discrepancies.writes
        again(world, now=at(12, day=TOMORROW))
        assert world.discrepancies.writes == writes

    def test_stay_as_people_have_decided(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        whole = list(rows.values())
        plant(rows, "a success the bill lacks")
        reconcile(world, rows.values())
        (key, found), *_ = world.discrepancies.rows.items()
        decided = replace(found, state=DiscrepancyState.EXPLAINED, decided_by="alice")
        world.discrepancies.rows[key] = decided
        again(world, now=TOMORROW_AT_TEN)
        reconcile(world, whole, key=SECOND_BILL_KEY)

        assert world.discrepancies.rows[key] == decided
        assert totals(world)["open"] == 1


def again(world, *, now, day=TODAY):
    return reconciliation.again(
        business_date=day,
        channel="main",
        now=now,
        desk=world.reconciling,
        files=world.arrivals,
    )


class TestTheSimulatorsBill:
    """What the simulated platform writes and spoils is read as what it is."""

    def bill(self, world, *kinds: str):
        charges = [
            Charge(
                order_no=row["order_no"],
                trade_no=row["trade_no"],
                agreement_no=row["agreement_no"],
                amount_fen=int(row["amount_fen"]),
                split=(),
                paid_at=datetime.fromisoformat(row["paid_at"]),
            )
            for row in the_true_bill(world).values()
        ]
        return make(
            day=TODAY, charges=charges, mutations=aimed(list(map(mutation_of, kinds)), charges)
        )

    def test_matches_as_it_is(self):
        world = a_worked_day(SUCCESSES)
        true = self.bill(world)
        world.drop(BILL_KEY, true.body, true.manifest)

        assert world.take(BILL_KEY).outcome is Outcome.APPLIED
        assert classes(world) == {}

    def test_shows_each_mutation_in_its_class(self):
        world = a_worked_day(SUCCESSES)
        kinds = {
            "drop_row": "missing_there",
            "duplicate_row": "duplicate",
            "change_amount": "amount_differs",
            "change_split": "split_differs",
            "change_status": "status_differs",
            "reverse": "status_differs",
            "extra_row": "missing_here",
        }
        spoilt = self.bill(world, *kinds)
        world.drop(BILL_KEY, spoilt.body, spoilt.manifest)
        world.take(BILL_KEY)

        expected: dict[str, set[str]] = {}
        for kind, order_no in spoilt.hits:
            expected.setdefault(kinds[kind], set()).add(order_no)
        assert classes(world) == expected

    @pytest.mark.parametrize("kind", ["wrong_digest", "wrong_rows", "wrong_sum", "truncate"])
    def test_is_quarantined_where_the_file_is_spoilt(self, kind):
        world = a_worked_day(SUCCESSES)
        spoilt = self.bill(world, kind)
        world.drop(BILL_KEY, spoilt.body, spoilt.manifest)

        assert world.take(BILL_KEY).outcome is Outcome.QUARANTINED
        assert not world.discrepancies.rows


class TestWhatARuleSettles:
    def test_posts_an_unknown_order_that_is_billed_to_the_fen(self):
        world = a_worked_day({"LN31": "timeout_after_charge"})
        reconcile(world, the_true_bill(world).values())
        record = world.journal.results[order("LN31")]

        assert (record.result.status, record.settled_by) == (Status.SUCCEEDED, "bill")
        assert world.loans.rows["LN31"].slot is None
        assert classes(world) == {}
        assert totals(world)["rules"]["post_what_the_bill_shows_paid"] == 1

    def test_never_posts_one_that_differs_by_a_fen(self):
        world = a_worked_day({"LN33": "wrong_amount"})
        reconcile(world, the_true_bill(world).values())

        assert world.loans.rows["LN33"].slot is not None
        assert not world.journal.results
        assert classes(world) == {"amount_differs": {order("LN33")}}

    def test_closes_an_unknown_order_that_a_complete_bill_lacks(self):
        world = a_worked_day({"LN32": "timeout_before_charge"})
        reconcile(world, [])

        assert world.journal.results[order("LN32")].result.status is Status.FAILED
        assert world.loans.rows["LN32"].slot is None
        assert classes(world) == {}
        assert totals(world)["rules"]["close_what_the_bill_does_not_show"] == 1

    def test_lets_the_platform_have_the_last_word(self):
        """It says paid, and its bill does not: that is posted, and it is a discrepancy."""
        world = a_worked_day({"LN31": "timeout_after_charge"})
        reconcile(world, [])

        assert world.journal.results[order("LN31")].result.status is Status.SUCCEEDED
        assert classes(world) == {"missing_there": {order("LN31")}}

    def test_leaves_open_what_even_the_platform_does_not_know(self):
        world = a_worked_day({"LN31": "timeout_after_charge"})
        world.platform.silent[order("LN31")] = 5
        reconcile(world, [])

        assert classes(world) == {"status_differs": {order("LN31")}}

    def test_resolves_what_a_late_answer_explains(self):
        world = a_worked_day({"LN31": "timeout_after_charge"})
        row = the_true_bill(world)["LN31"] | {"status": "FAILED"}
        world.platform.silent[order("LN31")] = 5
        reconcile(world, [row])
        assert classes(world) == {"status_differs": {order("LN31")}}

        reconcile(world, the_true_bill(world).values(), key=SECOND_BILL_KEY)

        assert classes(world) == {}

    def test_finds_an_unknown_order_that_no_round_lists(self):
        world = a_worked_day({"LN31": "timeout_after_charge"})
        for shard in range(2):
            world.due_lists.lists[TODAY, 1, shard] = ()
        reconcile(world, the_true_bill(world).values())

        assert world.journal.results[order("LN31")].settled_by == "bill"


class TestWhatABorrowerStarted:
    """No list of the day names his order: its note does."""

    def a_day(self, outcome: str):
        """Let a borrower settle his loan on a day with a round; nobody asks after his order."""
        world = a_worked_day({"LN01": "succeed"})
        world.book(a_loan("LN71", borrower_id="B71"), a_cut())
        world.platform.script["AG-LN71"] = [outcome]
        quote = early_repayment.quote(
            borrower_id="B71",
            loan_id="LN71",
            wish=Wish(kind=DeductionKind.FULL),
            now=at(9),
            desk=world.repaying,
        )
        early_repayment.start(
            borrower_id="B71",
            loan_id="LN71",
            quote_id=quote.quote_id,
            request="r1",
            now=at(9),
            desk=world.repaying,
        )
        [message] = world.repayments._take_all()
        deduction.send(message=message, now=at(9), desk=world.deducting)
        return world, quote.terms.order_no

    def test_is_posted_if_the_bill_shows_it_paid(self):
        world, order_no = self.a_day("timeout_after_charge")
        assert world.loans.rows["LN71"].slot is not None
        reconcile(world, the_true_bill(world).values())

        assert world.journal.results[order_no].settled_by == "bill"
        assert world.loans.rows["LN71"].status is LoanStatus.SETTLED
        assert classes(world) == {}
        assert totals(world)["rules"]["post_what_the_bill_shows_paid"] == 1

    def test_is_closed_if_a_complete_bill_does_not_show_it(self):
        world, order_no = self.a_day("timeout_before_charge")
        reconcile(world, the_true_bill(world).values())

        assert world.journal.results[order_no].result.failure_code == "CLOSED"
        assert world.loans.rows["LN71"].slot is None
        assert classes(world) == {}
        assert totals(world)["rules"]["close_what_the_bill_does_not_show"] == 1

    def test_is_a_discrepancy_if_the_bill_shows_a_fen_more(self):
        world, order_no = self.a_day("wrong_amount")
        reconcile(world, the_true_bill(world).values())

        assert world.loans.rows["LN71"].slot is not None
        assert classes(world) == {"amount_differs": {order_no}}

    def test_is_matched_when_it_has_ended(self):
        world, _ = self.a_day("succeed")
        reconcile(world, the_true_bill(world).values())

        assert classes(world) == {}
        assert totals(world)["classes"]["matched"]["orders"] == 2


class TestAcrossMidnight:
    def paid_after_midnight(self):
        """An order of today that the platform took in the first second of tomorrow."""
        world = a_worked_day({"LN01": "succeed", "LN02": "succeed"})
        record = world.journal.results[order("LN01")]
        late = at(0, 0, second=1, day=TOMORROW)
        world.journal.results[order("LN01")] = replace(
            record, result=replace(record.result, paid_at=late)
        )
        rows = the_true_bill(world)
        return world, rows.pop("LN01") | {"paid_at": late.isoformat()}, list(rows.values())

    def test_an_order_waits_for_the_next_bill_and_is_explained_by_it(self):
        world, late, today = self.paid_after_midnight()
        reconcile(world, today)
        assert classes(world) == {"cross_day": {order("LN01")}}

        reconcile(world, [late], key=NEXT_BILL_KEY, now=at(10, day=date(2026, 11, 26)))

        assert classes(world) == {}
        assert world.discrepancies.of_day(TOMORROW, "main") == []
        assert totals(world, TOMORROW)["classes"]["cross_day"]["rows"] == 1
        again(world, now=at(11, day=date(2026, 11, 26)))
        before = world.state()
        assert totals(world)["open"] == 0
        again(world, now=at(12, day=date(2026, 11, 26)))
        again(world, now=at(11, day=date(2026, 11, 26)), day=TOMORROW)
        assert world.state() == before

    def test_the_next_bill_may_come_first(self):
        world, late, today = self.paid_after_midnight()
        now = at(10, day=date(2026, 11, 26))
        reconcile(world, [late], key=NEXT_BILL_KEY, now=now)
        reconcile(world, today, now=now)

        assert classes(world) == {}
        assert totals(world)["classes"]["cross_day"]["orders"] == 1

    def test_a_success_the_bill_lacked_may_stand_in_the_next_one(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        shifted = rows.pop("LN01") | {"paid_at": "2026-11-25T00:00:01+08:00"}
        reconcile(world, rows.values())
        reconcile(world, [shifted], key=NEXT_BILL_KEY, now=at(10, day=date(2026, 11, 26)))

        assert classes(world) == {}
        writes = world.discrepancies.writes
        again(world, now=at(11, day=date(2026, 11, 26)), day=TOMORROW)
        assert world.discrepancies.writes == writes

    def test_an_order_billed_on_both_days_is_a_discrepancy(self):
        world = a_worked_day({"LN01": "succeed"})
        rows = the_true_bill(world)
        reconcile(world, rows.values())
        shifted = rows["LN01"] | {"paid_at": "2026-11-25T00:00:01+08:00"}
        now = at(10, day=date(2026, 11, 26))
        reconcile(world, [shifted], key=NEXT_BILL_KEY, now=now)

        assert classes(world) == {}
        found = world.discrepancies.of_day(TOMORROW, "main")[0]
        assert (found.kind, found.facts["note"]) == (Kind.CROSS_DAY, "billed_on_its_own_day_too")

    def test_an_order_billed_as_two_trades_on_two_days_is_not_explained(self):
        world = a_worked_day({"LN01": "succeed"})
        row = the_true_bill(world)["LN01"]
        reconcile(world, [row | {"trade_no": "T0"}])
        shifted = row | {"paid_at": "2026-11-25T00:00:01+08:00"}
        reconcile(world, [shifted], key=NEXT_BILL_KEY, now=at(10, day=date(2026, 11, 26)))

        assert classes(world) == {"status_differs": {order("LN01")}}
        assert len(world.discrepancies.of_day(TOMORROW, "main")) == 1

    def test_an_order_billed_on_both_days_is_found_the_other_way_round_as_well(self):
        world = a_worked_day({"LN01": "succeed"})
        rows = the_true_bill(world)
        shifted = rows["LN01"] | {"paid_at": "2026-11-25T00:00:01+08:00"}
        now = at(10, day=date(2026, 11, 26))
        reconcile(world, [shifted], key=NEXT_BILL_KEY, now=now)
        reconcile(world, rows.values(), now=now)

        assert classes(world) == {"duplicate": {order("LN01")}}

    def test_an_unknown_order_may_be_settled_by_the_next_bill(self):
        world = a_worked_day({"LN31": "timeout_after_charge"})
        row = the_true_bill(world)["LN31"] | {"paid_at": "2026-11-25T00:00:01+08:00"}
        world.platform.silent[order("LN31")] = 5
        reconcile(world, [])
        assert classes(world) == {"status_differs": {order("LN31")}}

        reconcile(world, [row], key=NEXT_BILL_KEY, now=at(10, day=date(2026, 11, 26)))

        assert world.journal.results[order("LN31")].settled_by == "bill"
        assert classes(world) == {}


class TestABillThatIsNotTheDays:
    def test_fails_as_a_whole_if_a_row_was_paid_on_another_day(self):
        world = a_worked_day(SUCCESSES | UNKNOWNS)
        rows = the_true_bill(world)
        rows["LN01"] |= {"paid_at": "2026-11-23T09:00:00+08:00"}
        taken = reconcile(world, rows.values())

        assert taken.outcome is Outcome.QUARANTINED
        assert world.reasons(BILL_KEY)[0]["column"] == "paid_at"
        assert not world.discrepancies.rows
        assert world.loans.rows["LN31"].slot is not None
        assert (TODAY, "reconciliation_main") not in world.runs.rows

    def test_may_have_a_row_of_the_first_seconds_after_midnight(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        rows["LN01"] |= {"paid_at": "2026-11-25T00:00:00+08:00"}

        assert reconcile(world, rows.values()).outcome is Outcome.APPLIED

    def test_is_left_alone_while_the_day_is_not_over(self):
        world = a_worked_day(UNKNOWNS)

        with pytest.raises(PrematureBillError):
            reconcile(world, the_true_bill(world).values(), now=at(23, 59))
        assert world.loans.rows["LN32"].slot is not None

        assert world.take(BILL_KEY).outcome is Outcome.APPLIED

    def test_overtaken_by_a_newer_one_while_it_is_worked_writes_nothing(self, monkeypatch):
        world = a_worked_day(SUCCESSES)

        def overtaken(*_):
            run = world.runs.start(
                business_date=TODAY, job="reconciliation_main", at=TOMORROW_AT_TEN
            )
            newer = {"bill": {"version": 9}, "open": 0}
            world.runs.put_totals(run.completed(at=TOMORROW_AT_TEN, totals=newer))

        monkeypatch.setattr(reconciliation, "_check_ties", overtaken)
        reconcile(world, list(the_true_bill(world).values())[1:])

        assert totals(world)["bill"] == {"version": 9}
        assert classes(world) == {}

    def test_is_set_aside_if_it_is_an_older_version(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        reconcile(world, rows.values(), key=SECOND_BILL_KEY)
        taken = reconcile(world, list(rows.values())[1:])

        assert (taken.outcome, taken.reason) == (Outcome.APPLIED, "superseded by version 2")
        assert classes(world) == {}

    def test_needs_an_approval_once_the_day_is_closed(self):
        world = a_worked_day(SUCCESSES)
        rows = the_true_bill(world)
        reconcile(world, rows.values())
        run = world.runs.start(business_date=TODAY, job="close", at=TOMORROW_AT_TEN)
        world.runs.put_totals(run.completed(at=TOMORROW_AT_TEN, totals={}))
        before = totals(world)

        taken = reconcile(world, list(rows.values())[1:], key=SECOND_BILL_KEY)

        assert taken.outcome is Outcome.REFUSED
        assert totals(world) == before
        assert classes(world) == {}

    def test_truncated_marks_nothing_as_missing(self):
        world = a_worked_day(SUCCESSES | UNKNOWNS)
        drop_bill(world, list(the_true_bill(world).values()))
        world.objects.bodies[BILL_KEY] = world.objects.bodies[BILL_KEY][:-200]

        assert world.take(BILL_KEY).outcome is Outcome.QUARANTINED
        assert not world.discrepancies.rows
        assert world.loans.rows["LN32"].slot is not None


def test_a_crash_at_any_call_changes_nothing_at_the_end():
    outcomes = {"LN01": "succeed", "LN02": "succeed", "LN22": "card_closed"} | UNKNOWNS

    def a_day():
        world = a_worked_day(outcomes)
        rows = the_true_bill(world)
        plant(rows, "a success the bill lacks")
        plant(rows, "a fen too much")
        rows["+"] = a_bill_row("LN08", order_no="20261120-1-LN08")
        drop_bill(world, list(rows.values()))
        world.outside.boundaries = 0
        return world

    plain = a_day()
    plain.take(BILL_KEY)
    assert len(plain.discrepancies.rows) == 4

    for dies_at in range(plain.outside.boundaries):
        world = a_day()
        world.outside.dies_at = dies_at
        with pytest.raises(Crash):
            world.take(BILL_KEY)
        world.take(BILL_KEY)
        sweep(world)
        assert world.state() == plain.state(), dies_at


def sweep(world):
    """Post what is recorded and was not posted, as the sweep does within a quarter of an hour."""
    for loan in list(world.loans.rows.values()):
        if loan.slot and loan.slot.order_no in world.journal.results:
            deduction.ask(
                message=AskMessage(order_no=loan.slot.order_no, rung=None),
                now=TOMORROW_AT_TEN,
                desk=world.deducting,
            )


class TestAJointDay:
    """The bill's two parts of every order are held against the journal's."""

    def worked(self, outcomes=None):
        return a_worked_day(outcomes or dict.fromkeys(("LN1", "LN2"), "succeed"), joint=True)

    def test_matches_to_the_last_fen_of_either_part(self):
        world = self.worked()
        rows = the_true_bill(world)
        taken = reconcile(world, rows.values())

        assert all(int(row["funder_amount_fen"]) for row in rows.values())
        assert (taken.outcome, classes(world)) == (Outcome.APPLIED, {})
        assert totals(world)["ties"]

    @pytest.mark.parametrize("by", [1, -1])
    def test_finds_a_fen_that_went_to_the_other(self, by):
        world = self.worked()
        rows = the_true_bill(world)
        row = rows["LN1"]
        funder, platform = int(row["funder_amount_fen"]), int(row["platform_amount_fen"])
        change("LN1", funder_amount_fen=funder + by, platform_amount_fen=platform - by)(rows)
        reconcile(world, rows.values())

        assert classes(world) == {"split_differs": {order("LN1")}}
        [found] = world.discrepancies.of_day(TODAY, "main")
        assert found.facts["here"]["funder_amount_fen"] == funder
        assert found.facts["there"][0]["funder_amount_fen"] == funder + by
        assert found.suggestion == "correct_split_at_platform"

    def test_finds_an_order_that_was_not_split_at_all_until_a_later_bill_has_it_split(self):
        """failures.md row 89: the repayment stays; what is wrong is said, and seen to be righted."""
        world = self.worked({"LN1": "split_fails_after_charge", "LN2": "succeed"})
        reconcile(world, the_true_bill(world).values())
        assert classes(world) == {"split_differs": {order("LN1")}}
        [found] = world.discrepancies.of_day(TODAY, "main")
        assert found.facts["note"] == "not_split_there"
        assert world.loans.rows["LN1"].position.instalment_no == 2

        ask(world, "LN1")
        reconcile(world, the_true_bill(world).values(), key=SECOND_BILL_KEY)
        assert classes(world) == {}

    def test_posts_an_unknown_order_that_is_paid_however_it_was_split(self):
        world = self.worked({"LN1": "split_fails_unheard", "LN2": "timeout_after_charge"})
        reconcile(world, the_true_bill(world).values())

        assert classes(world) == {"split_differs": {order("LN1")}}
        for loan_id in ("LN1", "LN2"):
            assert world.journal.results[order(loan_id)].settled_by == "bill"
            assert world.loans.rows[loan_id].position.instalment_no == 2
        for loan_id in ("LN1", "LN2"):
            ask(world, loan_id)
        assert set(world.platform.splits) == {order("LN1"), order("LN2")}
        assert not world.split_repairs.rows

    @given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(OrderState))
    def test_calls_a_split_equal_only_where_both_parts_are(self, ours, theirs, state):
        amount = Money(3)
        found = judge(
            row=BillRow(
                trade_no="T1",
                order_no="20261124-1-L1",
                agreement_no="AG",
                amount=amount,
                funder_amount=Money(theirs),
                platform_amount=amount - Money(theirs),
                status="SUCCEEDED",
                paid_at=at(9),
            ),
            order=LocalOrder(
                order_no="20261124-1-L1",
                agreement_no="AG",
                state=state,
                amount=amount,
                funder_amount=Money(ours),
                trade_no="T1",
                paid_at=at(9),
            ),
            business_date=TODAY,
        )

        expected = Kind.MATCHED if ours == theirs else Kind.SPLIT_DIFFERS
        assert found.kind is (expected if state is OrderState.SUCCEEDED else Kind.STATUS_DIFFERS)


def ask(world, loan_id):
    message = AskMessage(order_no=order(loan_id), rung=None)
    return deduction.ask(message=message, now=TOMORROW_AT_TEN, desk=world.deducting)


# --- the matching itself ----------------------------------------------------------------

orders_of_a_day = st.sampled_from([f"20261124-1-L{n}" for n in range(6)])
amounts = st.integers(1, 3).map(Money)
moments = st.sampled_from([at(9), at(23), at(9) + timedelta(days=1)])
bill_rows = st.builds(
    BillRow,
    trade_no=st.sampled_from("ABCDEF"),
    order_no=orders_of_a_day | st.sampled_from(["20261123-1-L1", "X"]),
    agreement_no=st.just("AG"),
    amount=amounts,
    funder_amount=st.just(Money(0)),
    platform_amount=amounts,
    status=st.sampled_from(["SUCCEEDED", "FAILED", "REFUNDED"]),
    paid_at=moments,
)
local_orders = st.lists(
    st.builds(
        LocalOrder,
        order_no=orders_of_a_day,
        agreement_no=st.just("AG"),
        state=st.sampled_from(OrderState),
        amount=amounts,
        trade_no=st.sampled_from(["", "A", "B"]),
        paid_at=moments,
    ),
    unique_by=lambda local: local.order_no,
)


class TestMatching:
    @given(st.lists(bill_rows), local_orders, st.sets(orders_of_a_day))
    def test_puts_every_row_and_every_order_in_exactly_one_bucket(self, rows, orders, elsewhere):
        found = list(
            match(rows=rows, orders=orders, business_date=TODAY, billed_elsewhere=elsewhere)
        )

        assert sorted(id(f.row) for f in found if f.row) == sorted(map(id, rows))
        assert sorted(id(f.order) for f in found if f.order) == sorted(map(id, orders))

    @given(st.lists(amounts, max_size=6), st.lists(amounts, max_size=6))
    def test_is_symmetric(self, ours, theirs):
        """Turn the two sides around, and what was missing here is missing there."""

        def counted(here, there):
            rows = [
                BillRow(
                    trade_no=f"T{n}",
                    order_no=f"20261124-1-L{n}",
                    agreement_no="AG",
                    amount=amount,
                    funder_amount=Money(0),
                    platform_amount=amount,
                    status="SUCCEEDED",
                    paid_at=at(9),
                )
                for n, amount in enumerate(there)
            ]
            orders = [
                LocalOrder(
                    order_no=f"20261124-1-L{n}",
                    agreement_no="AG",
                    state=OrderState.SUCCEEDED,
                    amount=amount,
                    trade_no=f"T{n}",
                    paid_at=at(9),
                )
                for n, amount in enumerate(here)
            ]
            kinds = [f.kind for f in match(rows=rows, orders=orders, business_date=TODAY)]
            return {kind: kinds.count(kind) for kind in Kind}

        one, other = counted(ours, theirs), counted(theirs, ours)

        assert one[Kind.MISSING_HERE] == other[Kind.MISSING_THERE]
        assert one[Kind.MISSING_THERE] == other[Kind.MISSING_HERE]
        assert one[Kind.MATCHED] == other[Kind.MATCHED]
        assert one[Kind.AMOUNT_DIFFERS] == other[Kind.AMOUNT_DIFFERS]

    @given(st.lists(bill_rows), local_orders)
    def test_settles_only_what_is_unknown_and_equal_to_the_fen(self, rows, orders):
        for found in match(rows=rows, orders=orders, business_date=TODAY):
            if found.shows_unknown_paid:
                assert found.order.state is OrderState.UNKNOWN
                assert found.row.amount == found.order.amount
                assert found.row.status == "SUCCEEDED"
            if found.shows_unknown_unpaid:
                assert found.order.state is OrderState.UNKNOWN
                assert found.row is None or found.row.status == "FAILED"

    def test_takes_the_true_row_of_a_trade_whatever_stands_above_it(self):
        rows = [
            BillRow(
                trade_no="T1",
                order_no=f"20261124-1-L{n}",
                agreement_no="AG",
                amount=Money(1),
                funder_amount=Money(0),
                platform_amount=Money(1),
                status="SUCCEEDED",
                paid_at=at(9),
            )
            for n in (0, 1)
        ]
        ours = LocalOrder(
            order_no="20261124-1-L1",
            agreement_no="AG",
            state=OrderState.SUCCEEDED,
            amount=Money(1),
            trade_no="T1",
            paid_at=at(9),
        )
        found = list(match(rows=rows, orders=[ours], business_date=TODAY))

        assert {f.order_no: f.kind for f in found} == {
            "20261124-1-L0": Kind.DUPLICATE,
            "20261124-1-L1": Kind.MATCHED,
        }
