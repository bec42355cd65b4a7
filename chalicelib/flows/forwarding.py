"""Who takes an order: our payment platform, or the funder that deducts its loans by itself.

Only what a borrower wishes is forwarded.  What a funder has deducted in its own rounds is told to
us by its results file: such an order is nobody's to send and nobody's to ask after.
"""

from collections.abc import Callable, Sequence

from chalicelib.domain.deduction import NO_ROUND, Answer, AnswerStatus, Order, Share, facts_of
from chalicelib.domain.loan import Loan
from chalicelib.flows.ports import PaymentPlatform

Forwards = Callable[[Loan, str], PaymentPlatform | None]
"""Give who takes an order of a loan; None is our own platform."""


class _Nobody:
    """Takes nothing and knows nothing: whatever is asked of it stays as unknown as it is."""

    def is_available(self) -> bool:
        return False

    def deduct(self, order: Order) -> Answer:
        return _not_asked(order.order_no)

    def ask(self, order_no: str) -> Answer:
        return _not_asked(order_no)

    def close(self, order_no: str) -> Answer:
        return _not_asked(order_no)

    def split_again(self, *, order_no: str, split_no: str, split: Sequence[Share]) -> bool:  # noqa: ARG002
        return False


NOBODY: PaymentPlatform = _Nobody()


def to_nobody(loan: Loan, _order_no: str) -> PaymentPlatform | None:
    """Forward nothing; what our platform must not see goes to nobody at all."""
    return NOBODY if loan.mode.funder_deducts else None


def to_funders(of_funder: Callable[[str], PaymentPlatform | None]) -> Forwards:
    """Forward what borrowers wish to pay to the funder of the loan, by its id."""

    def platform_of(loan: Loan, order_no: str) -> PaymentPlatform | None:
        if not loan.mode.funder_deducts:
            return None
        is_wish = facts_of(order_no)[1] == NO_ROUND
        return (of_funder(loan.funder_id) if is_wish else None) or NOBODY

    return platform_of


def _not_asked(order_no: str) -> Answer:
    return Answer(status=AnswerStatus.UNREADABLE, note=f"{order_no} is not ours to ask after")
