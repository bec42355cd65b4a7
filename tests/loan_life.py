"""How a loan lives: it is disbursed, days pass, terms change, people hold it and let it go.

What a life is checked against is a clerk's ledger (day_ledger.py); what is paid is the test's.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from chalicelib.domain import schedule
from chalicelib.domain.business_calendar import add_months
from chalicelib.domain.loan import Loan, LoanStatus
from chalicelib.domain.money import Components, Money
from chalicelib.domain.position import Position, unpaid_due_on
from chalicelib.domain.prepayment import Offer, Prepayment
from chalicelib.domain.product import DayCount, Method, Product, Recut, Rounding
from chalicelib.domain.schedule import Terms
from tests.accounts import Account
from tests.builders import a_loan
from tests.day_ledger import PARTS, DayLedger

disbursements = st.sampled_from(
    [date(2024, 1, 31), date(2024, 2, 29), date(2023, 12, 31), date(2025, 1, 30), date(2026, 8, 31)]
) | st.dates(date(2023, 1, 1), date(2028, 12, 31))
rates = st.integers(0, 3600).map(lambda basis_points: Decimal(basis_points) / 10_000)
changeable = st.fixed_dictionaries(
    {},
    optional={
        "grace_days": st.sampled_from([0, 1, 3, 5]),
        "penalty_uplift": st.sampled_from([Decimal(0), Decimal("0.3"), Decimal("0.5"), Decimal(1)]),
        "penalty_on_interest": st.booleans(),
        "non_accruing_from_dpd": st.sampled_from([1, 31, 91]),
        "prepayment": st.sampled_from([*Prepayment, *[Prepayment.PARTIAL_AND_FULL] * 4]),
        "partial_min": st.sampled_from([Money(1), Money(100)]),
        "settlement_fee_rate": st.sampled_from([Decimal(0), Decimal("0.005"), Decimal("0.03")]),
        "recuts": st.sampled_from([tuple(Recut), (Recut.SHORTEN_TERM,)]),
    },
)


def fen_of(components: Components) -> dict[str, int]:
    return {part: getattr(components, part).fen for part in PARTS}


class LoanLife(RuleBasedStateMachine):
    """Orders are claimed and end later, as in life: days pass and terms change in between."""

    account: Account
    ledger: DayLedger
    contract: tuple[tuple[int, date], ...]

    @initialize(
        method=st.sampled_from(Method),
        principal=st.sampled_from([1_234_567, 10**6, 300, 7]) | st.integers(10_000, 10**7),
        rate=rates,
        instalments=st.sampled_from([12, 6, 3, 24, 2, 1]),
        disbursed_on=disbursements,
        first_in=st.none() | st.integers(1, 70),
        day_count=st.sampled_from(DayCount),
        rounding=st.sampled_from(Rounding),
        changes=changeable,
    )
    def disburse(
        self, method, principal, rate, instalments, disbursed_on, first_in, day_count, rounding,
        changes,
    ):  # fmt: skip
        first_due_on = (
            add_months(disbursed_on, 1)
            if first_in is None
            else disbursed_on + timedelta(days=first_in)
        )
        terms = Terms(
            principal=Money(principal),
            annual_rate=rate,
            method=method,
            instalments=instalments,
            disbursed_on=disbursed_on,
            first_due_on=first_due_on,
        )
        product = Product(code="P", name="P", day_count=day_count, rounding=rounding, **changes)
        cut = schedule.cut(terms=terms, product=product)
        self.contract = tuple((row.number, row.due_on) for row in cut.instalments)
        self.ledger = DayLedger.of(cut.instalments, today=disbursed_on, annual_rate=Fraction(rate))
        loan = a_loan(
            principal=terms.principal,
            annual_rate=rate,
            position=Position(),
            unpaid_due_on=unpaid_due_on(Position(), cut.instalments),
        )
        self.account = Account(loan=loan, cut=cut, product=product)
        self.claimed_at: DayLedger | None = None
        self.claimed_under = product
        self.offered: Offer | None = None
        self.fees = 0
        self.paid_until = date.min

    # --- what is at hand ----------------------------------------------------------------

    @property
    def loan(self):
        return self.account.loan

    @property
    def product(self):
        return self.account.product

    @property
    def today(self) -> date:
        return self.ledger.today

    @property
    def is_free(self) -> bool:
        return self.loan.slot is None

    @property
    def is_payable(self) -> bool:
        return self.is_free and bool(self.ledger.open_rows)

    def becomes(self, after: Loan, *, by: str) -> None:
        """Move to what the loan is now; only some steps are legal."""
        before = self.loan
        moves, cuts = by in {"pay", "recut"}, by == "recut"
        assert after.schedule_version == before.schedule_version + cuts
        assert after.position.instalment_no >= before.position.instalment_no
        assert (after.slot is not None) == (by == "claim" or (by == "hold" and not self.is_free))
        if not moves or before.status is LoanStatus.SETTLED:
            for fact in ("position", "unpaid_due_on", "status"):
                assert getattr(after, fact) == getattr(before, fact)
        self.account = replace(self.account, loan=after)

    # --- time, terms, holds -------------------------------------------------------------

    @rule(days=st.sampled_from([0, 0, 1, 1, 2, 2, 3, 4, 9, 31]))
    def days_pass(self, days):
        self.ledger.live(days)

    @rule(days=st.just(92) | st.integers(0, 400))
    def months_pass(self, days):
        self.ledger.live(days)

    @rule()
    def the_next_due_day_comes(self):
        """Most of what happens happens there, and few drawn numbers lead there."""
        self.live_to_the_next_due_day()

    def live_to_the_next_due_day(self) -> None:
        ahead = [row.due_on for row in self.ledger.open_rows if row.due_on > self.today]
        self.ledger.live((min(ahead) - self.today).days if ahead else 0)

    @rule(changes=changeable)
    def terms_change(self, changes):
        self.account = self.account.of_product(**changes)

    @rule(hold=st.sampled_from(["", "", "", "discrepancy x"]))
    def a_person_holds_or_lifts(self, hold):
        self.becomes(replace(self.loan, hold=hold), by="hold")
