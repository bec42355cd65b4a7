"""The other lender: what was agreed with it, and the lines of the files between it and us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum

from chalicelib.domain.deduction import Kind, Share
from chalicelib.domain.money import ZERO, Components, Money


class PenaltyTo(StrEnum):
    """Who gets the penalty of an overdue instalment."""

    SHARE = "share"
    PLATFORM = "platform"
    FUNDER = "funder"


class WithoutFile(StrEnum):
    """What becomes of a funder's dues while its due file is missing past the deadline."""

    HOLD = "hold"
    GO_ON = "go_on"


class TextsBy(StrEnum):
    """Who tells the borrowers of a funder's loans."""

    PLATFORM = "platform"
    FUNDER = "funder"


@dataclass(frozen=True, kw_only=True, slots=True)
class FunderTerms:
    """How money is split with a funder; `rate` is what its own part of the principal earns a year.

    None is the customer's rate.  The platform has the rest of the interest.
    """

    rate: Decimal | None = None
    penalty_to: PenaltyTo = PenaltyTo.SHARE


@dataclass(frozen=True, kw_only=True, slots=True)
class Funder:
    """One funder's agreement; data beside the code.

    `terms` are kept by version, and a loan keeps the version it was made under; `account` and
    `platform_account` receive the two parts of a split; `due_by` is when its due file is late;
    more than `tolerance_bps` of a due file's lines differing hold the whole file; `dialects`
    names how its files are written, by kind; `deductions_url` takes the repayments that
    borrowers of assisted loans wish, and who has one deducts by itself: then `results_by` says for
    each of its rounds when the results file is late.
    """

    funder_id: str
    name: str
    account: str = ""
    platform_account: str = ""
    terms: Mapping[int, FunderTerms] = field(default_factory=lambda: {1: FunderTerms()})
    due_by: time = time(7)
    without_file: WithoutFile = WithoutFile.HOLD
    tolerance_bps: int = 500
    texts_by: TextsBy = TextsBy.PLATFORM
    dialects: Mapping[str, str] = field(default_factory=dict)
    deductions_url: str = ""
    results_by: tuple[time, ...] = (time(12), time(20))

    def __post_init__(self) -> None:
        if not self.terms or sorted(self.terms) != list(range(1, len(self.terms) + 1)):
            raise ValueError(f"{self.funder_id}: terms are versions 1, 2, …")
        if not 0 <= self.tolerance_bps <= 10_000:
            raise ValueError(f"{self.funder_id}: tolerance_bps is between 0 and 10000")
        if list(self.results_by) != sorted(set(self.results_by)) or len(self.results_by) > 3:
            raise ValueError(f"{self.funder_id}: results_by are up to three times, in clock order")

    @property
    def lends_jointly(self) -> bool:
        """Whether what we deduct can be split with it: both parts have somewhere to go."""
        return bool(self.account and self.platform_account)

    @property
    def deducts(self) -> bool:
        """Whether it deducts its loans by itself."""
        return bool(self.deductions_url)

    @property
    def terms_version(self) -> int:
        """The version that new loans are made under."""
        return max(self.terms)

    def receivers(self, *, amount: Money, part: Money) -> tuple[Share, ...]:
        """Name who receives what of an amount of which a part is the funder's.

        Who receives nothing is left out.

        >>> funder = Funder(funder_id="F1", name="银行", account="A1", platform_account="P1")
        >>> funder.receivers(amount=Money(10), part=Money(7))
        (Share(account='A1', amount=Money(fen=7)), Share(account='P1', amount=Money(fen=3)))
        """
        both = (
            Share(account=self.account, amount=part),
            Share(account=self.platform_account, amount=amount - part),
        )
        return tuple(share for share in both if share.amount)


# --- lines of files ---------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class NineAmounts:
    """An amount by component, as a whole and by party, as the files have it."""

    principal: Money
    interest: Money
    penalty: Money
    funder_principal: Money
    funder_interest: Money
    funder_penalty: Money
    platform_principal: Money
    platform_interest: Money
    platform_penalty: Money

    @property
    def whole(self) -> Components:
        return Components(principal=self.principal, interest=self.interest, penalty=self.penalty)

    @property
    def funder(self) -> Components:
        return Components(
            principal=self.funder_principal,
            interest=self.funder_interest,
            penalty=self.funder_penalty,
        )

    @property
    def platform(self) -> Components:
        return Components(
            principal=self.platform_principal,
            interest=self.platform_interest,
            penalty=self.platform_penalty,
        )

    @property
    def adds_up(self) -> bool:
        """Whether the two parts are the whole, component by component."""
        return self.funder + self.platform == self.whole


@dataclass(frozen=True, kw_only=True, slots=True)
class DueLine(NineAmounts):
    """What one unpaid instalment owes by the date of a due file."""

    loan_id: str
    instalment_no: int
    due_on: date


@dataclass(frozen=True, kw_only=True, slots=True)
class RepaymentLine(NineAmounts):
    """What one order paid of one instalment: a line of a repayment or reconciliation file."""

    order_no: str
    trade_no: str
    loan_id: str
    instalment_no: int
    kind: Kind
    paid_at: datetime


class ResultStatus(StrEnum):
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultLine:
    """What became of one instalment that a funder deducted; round 0 is a borrower's own wish."""

    loan_id: str
    instalment_no: int
    round: int
    status: ResultStatus
    principal: Money = ZERO
    interest: Money = ZERO
    penalty: Money = ZERO
    paid_at: datetime | None = None
    failure_code: str = ""
    funder_trade_no: str = ""

    @property
    def whole(self) -> Components:
        return Components(principal=self.principal, interest=self.interest, penalty=self.penalty)


class Agreement(StrEnum):
    AGREED = "agreed"
    DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmationLine:
    """What a funder says of one order of a reconciliation file."""

    order_no: str
    status: Agreement
    funder_amount: Money
    reason: str = ""
