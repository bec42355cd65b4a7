"""What the borrower's API takes and gives, as the outside sees it: the source of docs/openapi.json."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from chalicelib.domain.deduction import Deduction, Kind
from chalicelib.domain.loan import LoanStatus
from chalicelib.domain.money import Components, Money
from chalicelib.domain.prepayment import Limits, Wish
from chalicelib.domain.product import Recut
from chalicelib.domain.schedule import Instalment
from chalicelib.flows.borrower_loans import LoanView, OrderView
from chalicelib.flows.early_repayment import Quote

AMOUNT_FEN_MAX = 10**12
Fen = Annotated[int, Field(ge=0, le=AMOUNT_FEN_MAX, description="whole fen, 1/100 CNY")]
LoanId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
OrderNo = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
QuoteId = Annotated[str, Field(pattern=r"^Q[a-z2-7]{16}$")]
QuoteKind = Literal["overdue", "instalment", "partial", "full"]
RecutName = Literal["reduce_instalment", "shorten_term"]


class _Taken(BaseModel):
    """A body we take: strict, and nothing that we do not know."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Given(BaseModel):
    """A body we give."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuoteRequest(_Taken):
    """What the borrower wishes to pay; `amount_fen` and `recut` are of a partial prepayment."""

    kind: QuoteKind
    amount_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX)
    recut: RecutName | None = None

    @model_validator(mode="after")
    def _amount_belongs_to_a_part(self) -> "QuoteRequest":
        if (self.kind == "partial") != (self.amount_fen is not None):
            raise ValueError("amount_fen belongs to kind partial, and to no other")
        if self.kind != "partial" and self.recut is not None:
            raise ValueError("recut belongs to kind partial")
        return self

    def wish(self) -> Wish:
        """Read the wish."""
        return Wish(
            kind=Kind(self.kind),
            amount=None if self.amount_fen is None else Money(self.amount_fen),
            recut=Recut(self.recut) if self.recut else None,
        )


class RepaymentRequest(_Taken):
    """Which quote is to be charged."""

    quote_id: QuoteId


class InstalmentBody(_Given):
    """One row of a schedule."""

    instalment_no: int
    due_on: date
    principal_fen: Fen
    interest_fen: Fen

    @classmethod
    def of(cls, row: Instalment) -> "InstalmentBody":
        return cls(
            instalment_no=row.number,
            due_on=row.due_on,
            principal_fen=row.principal.fen,
            interest_fen=row.interest.fen,
        )


class LimitsBody(_Given):
    """Between which amounts a part may be paid, if any; and what all of it costs."""

    amount_min_fen: Fen | None
    amount_max_fen: Fen | None
    payoff_fen: Fen

    @classmethod
    def of(cls, limits: Limits) -> "LimitsBody":
        return cls(
            amount_min_fen=limits.amount_min.fen if limits.amount_min else None,
            amount_max_fen=limits.amount_max.fen if limits.amount_max else None,
            payoff_fen=limits.payoff.fen,
        )


class AmountBody(_Given):
    """An amount by its parts."""

    amount_fen: Fen
    principal_fen: Fen
    interest_fen: Fen
    penalty_fen: Fen
    fee_fen: Fen


def parts_of(components: Components, fee: Money) -> Mapping[str, int]:
    """Name the parts of an amount, and their sum."""
    return {
        "amount_fen": components.total.fen + fee.fen,
        "principal_fen": components.principal.fen,
        "interest_fen": components.interest.fen,
        "penalty_fen": components.penalty.fen,
        "fee_fen": fee.fen,
    }


class QuoteBody(AmountBody):
    """What a wish costs, and what the schedule is afterwards; nothing is left of a settled loan."""

    quote_id: QuoteId
    loan_id: LoanId
    kind: QuoteKind
    recut: RecutName | None
    as_of: date
    expires_at: datetime
    schedule_after: tuple[InstalmentBody, ...]

    @classmethod
    def of(cls, quote: Quote, *, unpaid_after: tuple[Instalment, ...]) -> "QuoteBody":
        offered = quote.offered
        return cls.model_validate(
            {
                **parts_of(offered.components, offered.fee),
                "quote_id": quote.quote_id,
                "loan_id": quote.loan_id,
                "kind": offered.kind.value,
                "recut": offered.recut.value if offered.recut else None,
                "as_of": quote.as_of,
                "expires_at": quote.expires_at,
                "schedule_after": tuple(InstalmentBody.of(row) for row in unpaid_after),
            }
        )


class LoanBody(_Given):
    """A loan as its borrower sees it; `kinds` are what he may ask a quote for now."""

    loan_id: LoanId
    product: str
    product_name: str
    status: Literal["open", "settled"]
    principal_fen: Fen
    annual_rate: str
    outstanding_principal_fen: Fen
    due_fen: Fen
    days_past_due: int
    next_due_on: date | None
    kinds: tuple[QuoteKind, ...]
    order_in_flight: OrderNo | None

    @classmethod
    def facts_of(cls, view: LoanView) -> Mapping[str, object]:
        """Name what every view of a loan shows."""
        return {
            "loan_id": view.loan.loan_id,
            "product": view.loan.product,
            "product_name": view.product_name,
            "status": "open" if view.loan.status is LoanStatus.OPEN else "settled",
            "principal_fen": view.loan.principal.fen,
            "annual_rate": str(view.loan.annual_rate),
            "outstanding_principal_fen": view.outstanding.fen,
            "due_fen": view.due.amount.fen,
            "days_past_due": view.due.dpd,
            "next_due_on": view.loan.unpaid_due_on,
            "kinds": tuple(kind.value for kind in view.kinds),
            "order_in_flight": view.order_in_flight or None,
        }


class LoansBody(_Given):
    """A borrower's own loans."""

    loans: tuple[LoanBody, ...]


class PaymentBody(AmountBody):
    """One payment of a loan's history."""

    order_no: OrderNo
    kind: Literal["scheduled", "overdue", "instalment", "partial", "full"]
    business_date: date
    paid_at: datetime | None

    @classmethod
    def of(cls, record: Deduction) -> "PaymentBody":
        return cls.model_validate(
            {
                **parts_of(record.components, record.fee),
                "order_no": record.order_no,
                "kind": record.kind.value,
                "business_date": record.business_date,
                "paid_at": record.result.paid_at,
            }
        )


class LoanDetailBody(LoanBody):
    """A loan with what is owed now, the unpaid instalments, its payments, and what may be paid."""

    owed: AmountBody
    schedule: tuple[InstalmentBody, ...]
    history: tuple[PaymentBody, ...]
    limits: LimitsBody | None
    recuts: tuple[RecutName, ...]


class StartedBody(_Given):
    """The order is on its way."""

    order_no: OrderNo
    status: Literal["PROCESSING"]
    amount_fen: Fen


class RepaymentBody(AmountBody):
    """What became of an order; `failure_code` says why it failed."""

    order_no: OrderNo
    loan_id: LoanId
    kind: Literal["scheduled", "overdue", "instalment", "partial", "full"]
    status: Literal["PROCESSING", "SUCCEEDED", "FAILED"]
    failure_code: str | None
    paid_at: datetime | None
    settles: bool

    @classmethod
    def of(cls, view: OrderView) -> "RepaymentBody":
        return cls.model_validate(
            {
                **parts_of(view.components, view.fee),
                "order_no": view.order_no,
                "loan_id": view.loan_id,
                "kind": view.kind.value,
                "status": view.state.value,
                "failure_code": view.failure_code or None,
                "paid_at": view.paid_at,
                "settles": view.settles,
            }
        )


class PageLinkBody(_Given):
    """The borrower's page, already signed in; anybody who has the address can open it."""

    url: str
    expires_at: datetime


class HealthBody(_Given):
    """That the API answers, and for which stage."""

    status: Literal["ok"]
    stage: str


class AcknowledgedBody(_Given):
    """That a notification is stored."""

    acknowledged: Literal[True]


class Problem(BaseModel):
    """RFC 9457; `code` is stable.  A problem may have members of its own."""

    model_config = ConfigDict(extra="allow")

    type: str
    status: int
    code: str
    detail: str
