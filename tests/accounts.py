"""A loan that is paid: what the flows do with it, without a store."""

from dataclasses import dataclass, replace
from datetime import date

from chalicelib.domain import loan as loans
from chalicelib.domain import prepayment
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import Due, InstalmentDue
from chalicelib.domain.loan import Loan, LoanStatus, Posting, Slot
from chalicelib.domain.money import NOTHING, ZERO, Components, Money
from chalicelib.domain.position import outstanding_principal
from chalicelib.domain.prepayment import Limits, Offer, Refusal, Standing, Wish
from chalicelib.domain.product import Product
from chalicelib.domain.schedule import Cut, Instalment
from chalicelib.domain.split import Shares
from tests.builders import at


@dataclass(frozen=True, kw_only=True)
class Account:
    """A loan, the schedule it has now, and what was paid so far; every payment gives another.

    `shares` are those of a loan with a funder; `lines` is all that was paid, with its parts.
    """

    loan: Loan
    cut: Cut
    product: Product
    paid: Components = NOTHING
    fees: Money = ZERO
    shares: Shares | None = None
    lines: tuple[InstalmentDue, ...] = ()

    @property
    def outstanding(self) -> Money:
        return outstanding_principal(self.loan.position, self.cut.instalments)

    @property
    def is_settled(self) -> bool:
        return self.loan.status is LoanStatus.SETTLED

    def of_product(self, **changes: object) -> "Account":
        return replace(self, product=replace(self.product, **changes))

    def owed(self, as_of: date) -> Due:
        return loans.owed(
            loan=self.loan, schedule=self.cut.instalments, product=self.product, as_of=as_of
        )

    def ahead(self, as_of: date) -> tuple[Instalment, ...]:
        """List the instalments a part paid ahead is taken from."""
        reached = max((line.instalment_no for line in self.full(as_of).due.lines), default=0)
        first = max(self.loan.position.instalment_no, reached + 1)
        return tuple(row for row in self.cut.instalments if row.number >= first)

    def standing(self, as_of: date) -> Standing:
        return loans.standing(loan=self.loan, cut=self.cut, product=self.product, as_of=as_of)

    def limits(self, as_of: date) -> Limits:
        return prepayment.limits(self.standing(as_of))

    def offer(self, wish: Wish | Kind, as_of: date) -> Offer | Refusal:
        asked = Wish(kind=wish) if isinstance(wish, Kind) else wish
        return prepayment.offer(wish=asked, standing=self.standing(as_of))

    def full(self, as_of: date) -> Offer:
        """Say what all of it costs, whatever the product offers."""
        everything = self.of_product(prepayment=prepayment.Prepayment.PARTIAL_AND_FULL)
        offered = everything.offer(Kind.FULL, as_of)
        assert isinstance(offered, Offer), offered
        return offered

    def claimed(self, wish: Wish | Kind, as_of: date) -> Loan:
        """Put the order of a wish into the loan's slot."""
        offered = self.offer(wish, as_of)
        assert isinstance(offered, Offer), offered
        slot = loans.slot_of_offer(
            offered=offered,
            order_no="Q",
            as_of=as_of,
            now=at(10, day=as_of),
            split=loans.split_of(
                lines=offered.paid.lines,
                loan=self.loan,
                schedule=self.cut.instalments,
                shares=self.shares,
            ),
        )
        return replace(self.loan, slot=slot)

    def after(self, wish: Wish | Kind, as_of: date) -> "Account":
        """Pay what the borrower wishes."""
        return self._posted(self.claimed(wish, as_of))

    def after_round(self, as_of: date) -> "Account":
        """Pay what is due by a round's deduction, if there is anything."""
        slot = loans.slot_for(
            loan=self.loan,
            schedule=self.cut.instalments,
            product=self.product,
            order_no="R",
            business_date=as_of,
            listed=self.owed(as_of).amount,
            now=at(7, day=as_of),
            shares=self.shares,
        )
        if not isinstance(slot, Slot):
            return self
        return self._posted(replace(self.loan, slot=slot))

    def _posted(self, claimed: Loan) -> "Account":
        posting = posted(claimed, self)
        slot = claimed.slot
        return replace(
            self,
            loan=posting.loan,
            cut=posting.cut_after or self.cut,
            paid=self.paid + posting.paid.components,
            fees=self.fees + (slot.fee if slot else ZERO),
            lines=self.lines + posting.paid.lines,
        )


def posted(claimed: Loan, account: Account) -> Posting:
    return loans.posted(
        loan=claimed, cut=account.cut, product=account.product, shares=account.shares
    )


def part(amount: Money, recut: prepayment.Recut | None = None) -> Wish:
    return Wish(kind=Kind.PARTIAL, amount=amount, recut=recut)
