"""A loan is paid, fails, is found paid later, is reversed: its journal always leads to its head."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.domain import loan as loans
from chalicelib.domain import loan_history, prepayment
from chalicelib.domain.deduction import (
    Kind,
    Result,
    Status,
    failed,
    order_no_of,
    order_no_of_quote,
)
from chalicelib.domain.discrepancy import Action, Approval, Discrepancy, Handling, Proposal
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.loan import Slot
from chalicelib.domain.loan_history import UntoldHistoryError
from chalicelib.domain.prepayment import Prepayment, Refusal, Wish
from chalicelib.domain.product import Recut
from chalicelib.domain.reconciliation import PAID
from chalicelib.domain.reconciliation import Kind as Bucket
from chalicelib.flows import late_success, posting, reversal
from tests.builders import FUNDER, PRODUCT, TODAY, a_cut, a_joint_loan, a_loan, at
from tests.fakes import World

PRODUCT_AHEAD = replace(PRODUCT, prepayment=Prepayment.PARTIAL_AND_FULL, recuts=tuple(Recut))


def approved(order_no, action, *, there=None, on=TODAY):
    """Make a discrepancy that two people have decided about."""
    rows = [{"trade_no": f"T{order_no}", "status": PAID}] if there else []
    return Discrepancy(
        business_date=on,
        channel="main",
        kind=Bucket.STATUS_DIFFERS,
        order_no=order_no,
        opened_at=at(10),
        there=there,
        facts={"there": rows},
        handling=Handling(
            proposal=Proposal(action=action, reason="seen", made_by="wang", made_at=at(10)),
            approval=Approval(approved_by="li", approved_at=at(11), business_date=on),
        ),
    )


class HistoryMachine(RuleBasedStateMachine):
    """Whatever happens to the loan, in whatever order."""

    @initialize(is_joint=st.booleans())
    def the_loan_is_made(self, is_joint):
        self.world = World()
        self.books = self.world.books
        self.books.products[PRODUCT.code] = PRODUCT_AHEAD
        self.world.funders["F1"] = FUNDER
        loan = a_joint_loan() if is_joint else a_loan()
        self.world.book(loan, a_cut(product=PRODUCT_AHEAD))
        self.today, self.orders, self.minutes = TODAY, 0, 0
        self.failures, self.befores = {}, []

    @property
    def loan(self):
        return self.world.loans.rows["LN1"]

    @property
    def cut(self):
        return self.books.schedules.get("LN1", self.loan.schedule_version)

    def tick(self):
        self.minutes += 1
        return at(0, day=self.today) + timedelta(minutes=self.minutes)

    @rule(days=st.integers(1, 40))
    def days_pass(self, days):
        self.today += timedelta(days=days)
        self.minutes = 0

    # --- orders -------------------------------------------------------------------------

    @rule(succeeds=st.booleans())
    def a_round_comes(self, succeeds):
        self.orders += 1
        dues = loans.owed(
            loan=self.loan,
            schedule=self.cut.instalments,
            product=PRODUCT_AHEAD,
            as_of=self.today,
        )
        order_no = order_no_of(business_date=self.today, round_no=1, loan_id="LN1")
        if order_no in self.world.journal.results:
            return
        slot = loans.slot_for(
            loan=self.loan,
            schedule=self.cut.instalments,
            product=PRODUCT_AHEAD,
            order_no=order_no,
            business_date=self.today,
            listed=dues.amount,
            now=self.tick(),
            shares=loans.shares_of(loan=self.loan, funders=self.books.funders),
        )
        if isinstance(slot, Slot):
            self.ends(slot, succeeds=succeeds)

    @rule(
        kind=st.sampled_from([Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.PARTIAL]),
        recut=st.sampled_from(Recut),
        succeeds=st.booleans(),
    )
    def the_borrower_pays(self, kind, recut, succeeds):
        self.wishes(kind, recut if kind is Kind.PARTIAL else None, succeeds=succeeds)

    @rule(succeeds=st.booleans())
    def the_borrower_settles(self, succeeds):
        self.wishes(Kind.FULL, None, succeeds=succeeds)

    def wishes(self, kind, recut, *, succeeds):
        standing = loans.standing(
            loan=self.loan, cut=self.cut, product=PRODUCT_AHEAD, as_of=self.today
        )
        if loans.why_barred(self.loan):
            return
        least = prepayment.limits(standing).amount_min if kind is Kind.PARTIAL else None
        offered = prepayment.offer(
            wish=Wish(kind=kind, amount=least, recut=recut), standing=standing
        )
        if isinstance(offered, Refusal):
            return
        self.orders += 1
        letters = "abcdefghijklmnopqrstuvwxyz"
        name = "".join(letters[self.orders // 26**i % 26] for i in range(3))
        order_no = order_no_of_quote(
            business_date=self.today, quote_id=f"Q{name}aaaaaaaaaaaaa", loan_id="LN1"
        )
        split = loans.split_of(
            lines=offered.paid.lines,
            loan=self.loan,
            schedule=self.cut.instalments,
            shares=loans.shares_of(loan=self.loan, funders=self.books.funders),
        )
        slot = loans.slot_of_offer(
            offered=offered, order_no=order_no, as_of=self.today, now=self.tick(), split=split
        )
        self.ends(slot, succeeds=succeeds)

    def ends(self, slot, *, succeeds):
        before = self.loan
        claimed = self.books.loans.write(replace(before, slot=slot))
        now = self.tick()
        result = (
            Result(status=Status.SUCCEEDED, trade_no=f"T{slot.order_no}", paid_at=now)
            if succeeds
            else failed("INSUFFICIENT_FUNDS")
        )
        posting.end(loan=claimed, result=result, now=now, settled_by="platform", books=self.books)
        if succeeds:
            self.befores.append((slot.order_no, before))
        else:
            self.failures[slot.order_no] = slot.amount

    # --- corrections ----------------------------------------------------------------------

    @precondition(lambda self: self.failures)
    @rule(data=st.data())
    def a_failure_is_found_paid(self, data):
        order_no = data.draw(st.sampled_from(sorted(self.failures)))
        before, made = self.loan, dict(self.world.journal.corrections)
        each = approved(
            order_no, Action.POST_LATE_SUCCESS, there=self.failures[order_no], on=self.today
        )
        try:
            waits = late_success.post_to_loan(each=each, now=self.tick(), books=self.books)
        except StepRefusedError:
            assert (self.loan, self.world.journal.corrections) == (before, made)
            return
        assert waits == ""
        after = self.loan
        late_success.post_to_loan(each=each, now=self.tick(), books=self.books)
        assert self.loan == after, "twice is once"
        self.befores.append((order_no, before))
        del self.failures[order_no]

    def reversed(self, each):
        return reversal.make(
            each=each, now=self.tick(), books=self.books, platform=self.world.platform
        )

    @precondition(lambda self: self.befores)
    @rule()
    def the_last_payment_is_reversed(self):
        order_no, before = self.befores[-1]
        each = approved(order_no, Action.REVERSE, on=self.today)
        if f"{order_no}-V" in {each.correction_no for each in self.corrections()}:
            return
        assert self.reversed(each) == ""
        after = self.loan
        self.reversed(each)
        assert self.loan == after, "twice is once"
        unmoved = {"version": 0, "schedule_version": 0, "last_failure": ""}
        assert replace(after, **unmoved) == replace(before, **unmoved)
        assert self.cut == self.books.schedules.get("LN1", before.schedule_version)
        self.befores.pop()

    @precondition(lambda self: len(self.befores) > 1)
    @rule(data=st.data())
    def an_earlier_payment_is_not_reversed(self, data):
        order_no, _ = data.draw(st.sampled_from(self.befores[:-1]))
        if order_no == self.befores[-1][0]:
            return
        before = self.loan
        with pytest.raises(StepRefusedError) as refused:
            reversal.preview(
                each=approved(order_no, Action.REVERSE), now=self.tick(), books=self.books
            )
        assert refused.value.rule in {"not_the_last", "corrected_already"}
        assert self.loan == before

    # --- what always holds ----------------------------------------------------------------

    def corrections(self):
        return list(self.world.journal.corrections_of_loan("LN1"))

    @invariant()
    def the_journal_leads_to_the_head(self):
        if not hasattr(self, "world"):
            return
        versions = range(1, self.loan.schedule_version + 1)
        history = loan_history.told(
            loan=self.loan,
            deductions=self.books.journal.of_loan("LN1"),
            corrections=self.corrections(),
            cuts={no: self.books.schedules.get("LN1", no) for no in versions},
            product=PRODUCT_AHEAD,
        )
        assert [place.payment.order_no for place in history.places[1:]] == [
            order_no for order_no, _ in self.befores
        ]
        assert self.loan.slot is None


TestALoanOfCorrections = HistoryMachine.TestCase
TestALoanOfCorrections.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True
)


class TestAHistory:
    def test_that_the_journal_does_not_tell_is_refused(self):
        loan = replace(a_loan(), position=replace(a_loan().position, instalment_no=2))
        with pytest.raises(UntoldHistoryError):
            loan_history.told(
                loan=loan, deductions=(), corrections=(), cuts={1: a_cut()}, product=PRODUCT
            )

    def test_that_has_not_begun_has_nothing_to_take_back(self):
        history = loan_history.told(
            loan=a_loan(), deductions=(), corrections=(), cuts={1: a_cut()}, product=PRODUCT
        )
        assert history.last is None


def test_a_late_success_of_two_days_ago_costs_what_it_cost_then():
    """The worked numbers of docs/business-rules.md."""
    world = World()
    loan = world.book(a_loan(), a_cut())
    order_no = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
    due = loans.owed(loan=loan, schedule=a_cut().instalments, product=PRODUCT, as_of=TODAY).amount
    each = approved(order_no, Action.POST_LATE_SUCCESS, there=due)
    now = at(10, day=date(2026, 11, 26))
    effect = late_success.preview(each=each, now=now, books=world.books)

    assert (effect["amount_fen"], effect["penalty_fen"]) == (2_106_30, 0)
    assert (effect["owed_before_fen"], effect["owed_after_fen"]) == (2_108_87, 0)
