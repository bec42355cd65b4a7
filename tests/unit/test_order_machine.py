"""Orders in any order of events: rounds, borrowers, notifications, sweeps, bills, deaths, repeats.

Hypothesis draws what happens and what the platform does; after every step the invariants hold, and
once the faults stop every order comes to its end.  FUZZ_EXAMPLES makes the drawing longer.
"""

import os
from datetime import timedelta
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.domain.deduction import FailureClass, Kind
from chalicelib.domain.loan import LoanStatus
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Recut
from chalicelib.flows import payment_notification, reconciliation
from chalicelib.flows.early_repayment import Quote
from chalicelib.flows.landing import Outcome as FileOutcome
from chalicelib.flows.payment_notification import Notification
from tests.builders import TODAY, at
from tests.order_life import DIED, LOANS, OUTCOMES, QUEUES, OrderWorld, wrongs

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
PASSES_MAX = 8
LAST_DAY = TODAY + timedelta(days=3)
WISHES = (
    Wish(kind=Kind.OVERDUE),
    Wish(kind=Kind.INSTALMENT),
    Wish(kind=Kind.PARTIAL, amount=Money(5_000_00), recut=Recut.REDUCE_INSTALMENT),
    Wish(kind=Kind.PARTIAL, amount=Money(6_000_00), recut=Recut.SHORTEN_TERM),
    Wish(kind=Kind.FULL),
)
NOTIFIED = ("SUCCEEDED", "FAILED", "CLOSED", "PROCESSING")

loan_ids = st.sampled_from([loan_id for loan_id, *_ in LOANS])
picks = st.integers(0, 10**6)
deaths = st.none() | st.none() | st.integers(0, 25)


class OrderMachine(RuleBasedStateMachine):
    world: OrderWorld

    @initialize(
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=12, max_size=12),
        begins=st.sampled_from(["in round 1", "in round 1", "in the morning", "at night"]),
    )
    def open_book(self, outcomes, begins):
        self.world = OrderWorld()
        for place, (loan_id, *_) in enumerate(LOANS):
            self.world.platform.script[f"AG-{loan_id}"] = outcomes[place::3]
        self.quotes: list[Quote] = []
        self.delivered: list[tuple[str, object]] = []
        self.numbers = count(1)
        self.records: dict[str, object] = {}
        self.released: set[str] = set()
        self.held: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        if begins != "at night":
            self.world.list_dues()
            self.the_queues_are_worked(times=1)
            self.world.now = at(8)
        if begins == "in round 1":
            self.world.start_round(1)
            self.the_queues_are_worked(times=1)

    # --- what happens -------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 1, 5, 15, 15, 60, 240, 480, 960]))
    def time_passes(self, minutes):
        later = self.world.now + timedelta(minutes=minutes)
        if later.date() < LAST_DAY:
            self.world.now = later

    @rule(crash=deaths)
    def the_list_is_made(self, crash):
        self.world.play(self.world.list_dues, crash)

    @rule(crash=deaths)
    def an_evening_and_a_morning_pass(self, crash):
        """To ten in the morning of the next day, its list being made."""
        later = at(10, day=self.world.now.date() + timedelta(days=1))
        if later.date() < LAST_DAY:
            self.world.now = later
            self.world.play(self.world.list_dues, crash)

    @rule(round_no=st.sampled_from([1, 2]), crash=deaths)
    def a_round_starts(self, round_no, crash):
        self.world.play(lambda: self.world.start_round(round_no), crash)

    @precondition(lambda self: self.world.visible())
    @rule(pick=picks, crash=deaths, fate=st.sampled_from(["gone", "gone", "kept", "lost"]))
    def a_message_is_delivered(self, pick, crash, fate):
        """Kept: it will come again.  Lost: whoever died over it was the last to try."""
        waiting = self.world.visible()
        queue, held = waiting[pick % len(waiting)]
        died = self.world.play(lambda: self.world.handle(queue, held[0]), crash) is DIED
        self.delivered.append((queue, held[0]))
        if fate != "kept" and (not died or fate == "lost"):
            getattr(self.world, queue).held.remove(held)

    @rule(times=st.integers(1, 3))
    def everybody_works(self, times):
        """As it is most of the time: nobody dies, and all that is visible is taken once."""
        self.the_queues_are_worked(times)

    def the_queues_are_worked(self, times):
        for _ in range(times):
            for queue, held in self.world.visible():
                self.world.handle(queue, held[0])
                self.delivered.append((queue, held[0]))
                getattr(self.world, queue).held.remove(held)
                self.hold_true()

    @rule(
        loan_id=loan_ids,
        wish=st.sampled_from(WISHES),
        pays=st.booleans(),
        is_sent=st.booleans(),
        crash=deaths,
    )
    def a_borrower_asks_for_a_quote(self, loan_id, wish, pays, is_sent, crash):
        """And perhaps pays at once, and perhaps his order is sent at once."""
        given = self.world.play(lambda: self.world.quote(loan_id, wish))
        if not isinstance(given, Quote):
            return
        self.quotes.append(given)
        if pays:
            self.world.play(lambda: self.world.start(given, "r1"), crash)
        if is_sent:
            self.the_queues_are_worked(times=1)

    @precondition(lambda self: self.quotes)
    @rule(pick=picks, tab=st.sampled_from(["r1", "r1", "r2"]), crash=deaths)
    def a_borrower_pays(self, pick, tab, crash):
        quote = self.quotes[-1 - pick % len(self.quotes[-3:])]
        self.world.play(lambda: self.world.start(quote, tab), crash)

    @precondition(lambda self: self.world.known_orders())
    @rule(pick=picks, status=st.sampled_from(NOTIFIED), off=st.sampled_from([0, 1]), crash=deaths)
    def the_platform_notifies(self, pick, status, off, crash):
        order_no = self.pick_order(pick)
        ordered = self.world.platform.orders.get(order_no)
        told = Notification(
            notification_id=f"{next(self.numbers):064}",
            order_no=order_no,
            received_at=self.world.now,
            status=status,
            amount=ordered and ordered.amount + Money(off),
        )
        inbox, queue = self.world.inbox, self.world.notified
        self.world.play(
            lambda: payment_notification.receive(notification=told, inbox=inbox, queue=queue), crash
        )

    @precondition(lambda self: self.world.known_orders())
    @rule(pick=picks, crash=deaths)
    def somebody_asks(self, pick, crash):
        self.world.play(lambda: self.world.ask(self.pick_order(pick)), crash)

    def pick_order(self, pick: int) -> str:
        known = self.world.known_orders()
        return known[pick % len(known)]

    @rule(crash=deaths)
    def the_sweep_comes(self, crash):
        self.world.play(self.world.sweep, crash)

    @precondition(lambda self: self.world.now.date() > TODAY)
    @rule(days_ago=st.sampled_from([1, 1, 2]), crash=deaths)
    def a_bill_lands(self, days_ago, crash):
        day = max(self.world.now.date() - timedelta(days=days_ago), TODAY)
        key = self.world.land_bill(day)
        self.world.play(lambda: self.world.take(key, self.world.now), crash)

    @rule(crash=deaths)
    def the_days_are_closed(self, crash):
        self.world.play(self.world.close_days, crash)

    @rule(what=st.sampled_from(["platform", "switch"]))
    def something_is_turned_off_or_on(self, what):
        if what == "platform":
            self.world.platform.available = not self.world.platform.available
        else:
            self.world.controls.paused = not self.world.controls.paused

    # --- what holds after every step ------------------------------------------------------

    @invariant()
    def hold_true(self):
        if hasattr(self, "world"):
            assert wrongs(self.world) == []
            self.only_legal_transitions()
            self.nothing_starts_after_the_end()

    def only_legal_transitions(self):
        """SENT is the slot, an end is a record: no order goes back, and no record changes."""
        world = self.world
        for order_no, record in self.records.items():
            assert world.journal.results[order_no] == record
        self.records |= world.journal.results
        for loan_id, loan in world.loans.rows.items():
            now_held = loan.slot.order_no if loan.slot else ""
            before = self.held.get(loan_id, "")
            if before and before != now_held:
                assert before in self.records, "left the slot without an end"
                if self.records[before].result.failure_class is FailureClass.NEVER:
                    assert loan.hold, "a mandate that is gone, and nothing holds the loan"
                self.released.add(before)
            assert now_held not in self.released, "an order that had ended is in flight again"
            assert loan.version >= self.versions.get(loan_id, 0)
            self.held[loan_id], self.versions[loan_id] = now_held, loan.version
            if loan.slot:
                assert loan.slot.sent_at <= world.now
        for record in world.journal.results.values():
            paid_at = record.result.paid_at
            assert paid_at is None or paid_at <= record.recorded_at <= world.now

    def nothing_starts_after_the_end(self):
        for loan_id, loan in self.world.loans.rows.items():
            if loan.status is LoanStatus.SETTLED:
                sent = len(list(self.world.orders_of(loan_id)))
                assert self.settled.setdefault(loan_id, sent) == sent

    # --- what holds in the end ------------------------------------------------------------

    def teardown(self):
        if hasattr(self, "world"):
            self.recover()
            self.end_well()
            self.change_nothing_when_all_comes_again()

    def recover(self):
        """Let the faults stop, the days go by with their bills, and the sweep come by."""
        world = self.world
        world.platform.recover()
        world.controls.paused = False
        days = [TODAY + timedelta(days=ago) for ago in range((LAST_DAY - TODAY).days)]
        world.now = at(10, 5, day=LAST_DAY)
        for passed in range(PASSES_MAX):
            world.sweep()
            self.drain()
            if passed == 1:
                for day in days:
                    taken = world.take(world.land_bill(day), world.now)
                    # A day that was closed keeps the bill it was closed with.
                    assert taken.outcome is FileOutcome.APPLIED or "closed" in taken.reason
            world.now += timedelta(minutes=15)
            self.hold_true()

    def drain(self):
        for _ in range(20):
            waiting = self.world.visible()
            if not waiting:
                return
            for queue, held in waiting:
                self.world.handle(queue, held[0])
                getattr(self.world, queue).held.remove(held)
        raise AssertionError("the queues do not drain")

    def end_well(self):
        world = self.world
        left = {
            loan.slot.order_no: world.platform.outcomes[loan.slot.order_no]
            for loan in world.loans.rows.values()
            if loan.slot
        }
        # Of an amount that was not ordered a person decides: it is open, and somebody is told.
        assert set(left.values()) <= {"wrong_amount"}, left
        told = {row.order_no for row in world.discrepancies.rows.values() if not row.is_resolved}
        assert set(left) <= told | set(self.todays_orders())
        asked = {message.order_no for message, _ in world.asks.held}
        assert asked <= set(left)
        assert not any(getattr(world, name).held for name in QUEUES if name != "asks")
        self.every_row_is_in_one_bucket()
        self.every_due_is_accounted_for()

    def every_due_is_accounted_for(self):
        for (_, job), run in self.world.runs.rows.items():
            if job.startswith("round_") and len(run.parts) == self.world.shards:
                assert run.is_complete and run.totals["ties"], job

    def todays_orders(self):
        """Name those whose bill is not there yet."""
        return [no for no in self.world.platform.orders if no.startswith(f"{LAST_DAY:%Y%m%d}")]

    def every_row_is_in_one_bucket(self):
        world = self.world
        for (day, job), run in world.runs.rows.items():
            if job == reconciliation.job_of("main") and run.is_complete:
                buckets = run.totals["classes"].values()
                billed = world.bill_of(day)
                assert sum(each["rows"] for each in buckets) == len(billed)
                assert sum(each["there_fen"] for each in buckets) == sum(
                    int(row["amount_fen"]) for row in billed
                )

    def change_nothing_when_all_comes_again(self):
        """Every message that ever was comes once more."""
        money = self.money()
        for queue, message in self.delivered:
            self.world.handle(queue, message)
        assert self.money() == money

    def money(self):
        world = self.world
        return dict(world.loans.rows), dict(world.journal.results), dict(world.platform.charged)


TestOrders = OrderMachine.TestCase
TestOrders.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
