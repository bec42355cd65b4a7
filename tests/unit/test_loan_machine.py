"""A loan's whole life in any order, beside a clerk's ledger that is kept day by day.

Hypothesis draws the loan and what happens to it; after each step the two must agree to the fen.
FUZZ_EXAMPLES makes the drawing longer: `make fuzz`.
"""

import os
from dataclasses import replace
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from chalicelib.domain import allocation
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import FAILURE_CLASSES, FailureClass, Kind, SkipReason, failed
from chalicelib.domain.due import Due
from chalicelib.domain.loan import LoanStatus, Posting, Slot, TermsMovedError
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Offer, Prepayment, Refusal, Wish
from chalicelib.domain.product import DayCount, Recut
from tests.builders import at
from tests.day_ledger import Row, rounded
from tests.loan_life import LoanLife, fen_of

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "500"))
NAMES = {Kind.OVERDUE: "nothing_overdue", Kind.INSTALMENT: "nothing_due"}
DAYS_OF_YEAR = {DayCount.ACT_360: 360, DayCount.ACT_365: 365}


def lines_of(due: Due) -> dict[int, dict[str, int]]:
    return {line.instalment_no: fen_of(line.components) for line in due.lines}


class LoanMachine(LoanLife):
    """Orders are claimed and end later, as in life: days pass and terms change in between."""

    # --- orders begin -------------------------------------------------------------------

    @rule(less=st.just(0) | st.integers(-3, 3), at_once=st.booleans())
    def a_round_comes(self, less, at_once):
        owed = self.ledger.amount_owed(self.product)
        found = loans.slot_for(
            loan=self.loan,
            schedule=self.account.cut.instalments,
            product=self.product,
            order_no="R",
            business_date=self.today,
            listed=Money(owed - less),
            now=at(8, day=self.today),
        )
        if not isinstance(found, Slot):
            assert found is self.why_skipped(owed, less)
            return
        assert self.why_skipped(owed, less) is None
        assert (found.amount.fen, found.as_of) == (owed, self.today)
        self.claim(found, offered=None)
        if at_once:
            self.succeed()

    def why_skipped(self, owed: int, less: int) -> SkipReason | None:
        if not self.is_free:
            return SkipReason.SLOT_TAKEN
        if self.loan.hold:
            return SkipReason.ON_HOLD
        if not owed:
            return SkipReason.NOTHING_DUE
        return SkipReason.AMOUNT_ROSE if less > 0 else None

    @rule(kind=st.sampled_from([Kind.OVERDUE, Kind.INSTALMENT]), at_once=st.booleans())
    def the_borrower_pays_what_is_due(self, kind, at_once):
        asks = self.ledger.overdue if kind is Kind.OVERDUE else self.ledger.owed
        owed, offered = asks(self.product), self.account.offer(kind, self.today)
        if isinstance(offered, Refusal):
            assert not owed
            assert offered.code == (NAMES[kind] if self.ledger.open_rows else "settled")
            return
        assert (lines_of(offered.due), offered.ahead, offered.fee.fen) == (owed, None, 0)
        self.ask_for(offered, at_once=at_once)

    @rule(at_once=st.booleans(), means_it=st.sampled_from([False, False, True]))
    def the_borrower_settles(self, at_once, means_it):
        """Most only ask: a settled loan has no more to tell."""
        offered = self.account.offer(Kind.FULL, self.today)
        ahead = self.ledger.principal_ahead
        if isinstance(offered, Refusal):
            wants = self.product.prepayment is Prepayment.NONE and ahead
            assert offered.code == ("not_offered" if wants else "settled")
            assert wants or not self.ledger.open_rows
            return
        self.check_ahead(offered)
        fee = rounded(ahead * Fraction(self.product.settlement_fee_rate), self.product)
        assert (offered.fee.fen, offered.components.principal.fen) == (
            fee,
            self.ledger.principal_left,
        )
        if means_it:
            self.ask_for(offered, at_once=at_once)

    @rule(
        share=st.sampled_from([0, 1000]) | st.integers(0, 1000),
        recut=st.sampled_from(Recut),
        at_once=st.booleans(),
        again_in=st.sampled_from([None, 0, 1, 6]),
    )
    def the_borrower_pays_a_part_ahead(self, share, recut, at_once, again_in):
        """And perhaps another one, before the period is over."""
        self.pay_a_part_ahead(share, recut, at_once=at_once or again_in is not None)
        if again_in is not None:
            self.ledger.live(again_in)
            self.pay_a_part_ahead(share, recut, at_once=at_once)

    def pay_a_part_ahead(self, share, recut, *, at_once):
        limits = self.account.limits(self.today)
        if not self.ledger.open_rows or limits.amount_min is None:
            return
        least, most = limits.amount_min.fen, limits.amount_max.fen
        wish = Wish(
            kind=Kind.PARTIAL,
            amount=Money(least + (most - least) * share // 1000),
            recut=recut,
        )
        offered = self.account.offer(wish, self.today)
        if isinstance(offered, Refusal):
            assert offered.code == "recut_not_offered"
            return
        self.check_ahead(offered)
        assert offered.amount == wish.amount
        left = self.ledger.principal_left - offered.components.principal.fen
        assert left >= self.product.partial_min.fen
        assert sum(row.principal.fen for row in offered.cut_after.instalments) == left
        self.ask_for(offered, at_once=at_once)

    @rule(off=st.sampled_from([-1, 1]))
    def a_fen_outside_the_limits_is_refused(self, off):
        limits = self.account.limits(self.today)
        if not self.ledger.open_rows or limits.amount_min is None:
            return
        edge = limits.amount_min if off < 0 else limits.amount_max
        asked = Wish(kind=Kind.PARTIAL, amount=edge + Money(off))
        offered = self.account.offer(asked, self.today)
        assert isinstance(offered, Refusal) or asked.amount == limits.payoff
        assert not isinstance(offered, Refusal) or offered.code == "amount_out_of_limits"

    def check_ahead(self, offered: Offer) -> None:
        """What is due is in it whole; interest to the day is what ran, day by day."""
        assert lines_of(offered.due) == self.ledger.owed(self.product)
        running = self.running
        if running is None:
            assert offered.ahead is None
            return
        interest = offered.ahead.components.interest.fen if offered.ahead else 0
        assert 0 <= interest <= running.interest
        if days_of_year := DAYS_OF_YEAR.get(self.product.day_count):
            run = self.ledger.interest_run(
                running=running,
                disbursed_on=self.account.cut.terms.disbursed_on,
                paid_until=self.paid_until,
                days_of_year=days_of_year,
            )
            assert interest == min(rounded(run, self.product), running.interest)

    @property
    def running(self) -> Row | None:
        ahead = [row for row in self.ledger.open_rows if row.due_on > self.today]
        return ahead[0] if ahead else None

    def ask_for(self, offered: Offer, *, at_once: bool) -> None:
        """Claim the loan for a wish, if it is not barred."""
        barred = loans.why_barred(self.loan)
        assert barred is self.why_barred()
        if barred is None:
            slot = loans.slot_of_offer(
                offered=offered,
                order_no="Q",
                as_of=self.today,
                now=at(10, day=self.today),
            )
            self.claim(slot, offered=offered)
            if at_once:
                self.succeed()

    def why_barred(self) -> SkipReason | None:
        if not self.is_free:
            return SkipReason.SLOT_TAKEN
        if not self.ledger.open_rows:
            return SkipReason.NOTHING_DUE
        mandate = FAILURE_CLASSES.get(self.loan.hold) is FailureClass.NEVER
        return SkipReason.ON_HOLD if self.loan.hold and not mandate else None

    def claim(self, slot: Slot, *, offered: Offer | None) -> None:
        self.claimed_at, self.claimed_under = self.ledger.as_it_was(), self.product
        self.offered = offered
        self.becomes(replace(self.loan, slot=slot), by="claim")

    # --- orders end ---------------------------------------------------------------------

    @precondition(lambda self: not self.is_free)
    @rule(code=st.just("") | st.just("") | st.sampled_from(sorted(FAILURE_CLASSES)))
    def the_order_ends(self, code):
        if code:
            self.fail(code)
        else:
            self.succeed()

    def fail(self, code: str) -> None:
        after = loans.released(loan=self.loan, result=failed(code))
        never = FAILURE_CLASSES[code] is FailureClass.NEVER
        assert after.hold == (self.loan.hold or (code if never else ""))
        self.becomes(after, by="fail")

    def succeed(self) -> None:
        try:
            posting = self.post()
        except TermsMovedError:
            assert self.product != self.claimed_under, "the terms are as they were"
            self.account = replace(self.account, product=self.claimed_under)
            posting = self.post()
        else:
            self.check_terms_held()
        self.book(posting)

    def post(self) -> Posting:
        return loans.posted(loan=self.loan, cut=self.account.cut, product=self.product)

    def check_terms_held(self) -> None:
        """Posted under other terms than it was claimed under, it owes the same under both."""
        slot, then = self.loan.slot, self.claimed_at
        if slot.kind is Kind.SCHEDULED:
            assert then.owed(self.product) == then.owed(self.claimed_under)

    def book(self, posting: Posting) -> None:
        slot, then, offered = self.loan.slot, self.claimed_at, self.offered
        asks = then.overdue if slot.kind is Kind.OVERDUE else then.owed
        spread = asks(self.claimed_under)
        paid = {line.instalment_no: fen_of(line.components) for line in posting.paid.lines}
        if offered is None or offered.ahead is None:
            assert paid == spread
        self.ledger.pay(spread, spread)
        if offered and offered.ahead:
            ahead = offered.ahead.components
            rows = posting.cut_after.instalments if posting.cut_after else ()
            self.check_cut_again(rows, interest=ahead.interest.fen)
            self.ledger.pay_ahead(
                principal=ahead.principal.fen, interest=ahead.interest.fen, again=rows
            )
            self.paid_until = slot.as_of
        elif offered and slot.kind is Kind.FULL:
            self.ledger.pay_ahead(principal=0, interest=0, again=())
        self.fees += slot.fee.fen
        assert sum(self.ledger.paid.values()) - sum(then.paid.values()) + slot.fee.fen == (
            slot.amount.fen
        )
        self.account = replace(self.account, cut=posting.cut_after or self.account.cut)
        self.becomes(posting.loan, by="recut" if posting.cut_after else "pay")

    def check_cut_again(self, rows, *, interest: int) -> None:
        left = self.ledger.open_rows
        if not rows:
            return
        assert all(row.principal.fen >= 0 and row.interest.fen >= 0 for row in rows)
        assert rows[0].number == left[0].number
        assert [(row.number, row.due_on) for row in rows] == [
            named for named in self.contract if named[0] >= rows[0].number
        ][: len(rows)]
        assert interest + sum(row.interest.fen for row in rows) <= sum(
            row.left["interest"] for row in left
        )

    # --- money that comes by another way --------------------------------------------------

    @precondition(lambda self: self.is_payable)
    @rule(share=st.integers(0, 1100), late_by=st.sampled_from([None, 0, 1, 2]))
    def a_part_of_what_is_due_is_paid(self, share, late_by):
        """Perhaps in the days of grace, which few drawn numbers hit."""
        if late_by is not None:
            self.live_to_the_next_due_day()
            self.ledger.live(late_by)
        owed = self.ledger.owed(self.product)
        amount = self.ledger.amount_owed(self.product) * share // 1000
        due, rows = self.account.owed(self.today), self.account.cut.instalments
        paid = allocation.allocate(amount=Money(amount), due=due, product=self.product)
        spread = self.ledger.poured(amount, self.product)
        assert {line.instalment_no: fen_of(line.components) for line in paid.lines} == spread
        assert paid.rest.fen == amount - sum(sum(parts.values()) for parts in spread.values())
        moved = allocation.position_after(
            position=self.loan.position, schedule=rows, due=due, paid=paid
        )
        self.ledger.pay(spread, owed)
        self.becomes(loans._moved(self.loan, moved, rows), by="pay")

    # --- what holds after every step ------------------------------------------------------

    @invariant()
    def the_principal_is_neither_lost_nor_made(self):
        left, paid = self.account.outstanding.fen, self.ledger.paid["principal"]
        assert 0 <= left == self.ledger.principal_left
        assert paid + left == self.ledger.disbursed == self.loan.principal.fen

    @invariant()
    def no_row_is_paid_more_than_it_asks(self):
        for row in self.ledger.rows:
            assert all(left >= 0 for left in row.left.values())

    @invariant()
    def what_is_owed_is_what_the_days_have_added_up_to(self):
        owed = self.account.owed(self.today)
        assert lines_of(owed) == self.ledger.owed(self.product)
        assert owed.dpd == self.ledger.days_past_due

    @invariant()
    def the_agenda_names_the_oldest_unpaid_row(self):
        assert self.loan.unpaid_due_on == self.ledger.unpaid_due_on
        assert (self.loan.status is LoanStatus.SETTLED) == (not self.ledger.open_rows)

    @invariant()
    def nothing_is_owed_and_nothing_starts_after_the_end(self):
        if self.loan.status is LoanStatus.SETTLED:
            assert self.loan.slot is None
            assert self.account.owed(self.today).is_nothing
            assert loans.why_barred(self.loan) is SkipReason.NOTHING_DUE
            assert {self.account.offer(kind, self.today) for kind in WISHES} == {
                Refusal(code="settled")
            }


WISHES = (Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL)
TestALoan = LoanMachine.TestCase
TestALoan.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
