"""What a borrower sees: his loans, what each asks of him now, and what became of his orders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain import prepayment
from chalicelib.domain.deduction import (
    Deduction,
    IllegalOrderNumberError,
    Kind,
    Skip,
    Status,
    facts_of,
)
from chalicelib.domain.due import Due
from chalicelib.domain.loan import Loan, LoanStatus, Schedule, owed
from chalicelib.domain.money import ZERO, Components, Money
from chalicelib.domain.position import outstanding_principal, unpaid
from chalicelib.domain.prepayment import Limits, Standing
from chalicelib.domain.product import Recut
from chalicelib.domain.schedule import Instalment
from chalicelib.flows.early_repayment import (
    Desk,
    NotFoundError,
    Refused,
    own_loan,
    standing_of,
    why_not,
)
from chalicelib.flows.ports import Schedules


class OrderState(StrEnum):
    """Where an order stands, as its borrower is told."""

    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoanView:
    """A loan as its borrower sees it on a date.

    `refused` says why he may pay nothing now, whatever he wishes, and then `kinds` are none;
    `upcoming` are the unpaid instalments, oldest first.
    """

    loan: Loan
    standing: Standing
    product_name: str
    outstanding: Money
    due: Due
    upcoming: tuple[Instalment, ...]
    refused: Refused | None
    kinds: tuple[Kind, ...]
    recuts: tuple[Recut, ...]
    limits: Limits | None

    @property
    def order_in_flight(self) -> str:
        return self.loan.slot.order_no if self.loan.slot else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderView:
    """One order as its borrower sees it."""

    order_no: str
    loan_id: str
    kind: Kind
    state: OrderState
    amount: Money
    components: Components
    fee: Money
    failure_code: str = ""
    paid_at: datetime | None = None
    settles: bool = False


def loans_of(*, borrower_id: str, now: datetime, desk: Desk) -> Sequence[LoanView]:
    """List a borrower's loans, the open ones first, by due date; a new one may lag behind."""
    heads = desk.books.loans.get_many(desk.books.loans.of_borrower(borrower_id))
    own = [loan for loan in heads.values() if loan.borrower_id == borrower_id]
    views = [_view(loan, now=now, desk=desk) for loan in own]
    return sorted(
        views, key=lambda view: (view.loan.unpaid_due_on or now.date().max, view.loan.loan_id)
    )


def loan_of(*, borrower_id: str, loan_id: str, now: datetime, desk: Desk) -> LoanView:
    """Look at one loan.

    :raises NotFoundError: if the borrower has no such loan.
    """
    return _view(own_loan(borrower_id=borrower_id, loan_id=loan_id, desk=desk), now=now, desk=desk)


def history_of(*, borrower_id: str, loan_id: str, desk: Desk) -> Sequence[Deduction]:
    """List a loan's successful deductions, the latest first; may lag behind.

    :raises NotFoundError: if the borrower has no such loan.
    """
    own_loan(borrower_id=borrower_id, loan_id=loan_id, desk=desk)
    paid = desk.books.journal.of_loan(loan_id)
    return sorted(paid, key=lambda record: record.recorded_at, reverse=True)


def whole_schedule(*, loan: Loan, schedules: Schedules) -> Schedule:
    """Give the instalments a loan has today, and before them those it had when it was cut again."""
    version = loan.schedule_version
    rows = schedules.get(loan.loan_id, version).instalments
    while rows[0].number > 1 and version > 1:
        version -= 1
        earlier = schedules.get(loan.loan_id, version).instalments
        rows = (*(row for row in earlier if row.number < rows[0].number), *rows)
    return rows


def settled_ahead_from(payments: Iterable[Deduction]) -> int | None:
    """Name the first instalment a settlement paid before its time: it and later ones never fell due."""
    return next(
        (
            payment.lines[-1].instalment_no
            for payment in payments
            if payment.kind is Kind.FULL
            and payment.lines
            and payment.lines[-1].due_on > payment.business_date
        ),
        None,
    )


def order_of(*, borrower_id: str, order_no: str, desk: Desk) -> OrderView:
    """Say what became of an order: what the journal has, else what is in the loan's slot.

    :raises NotFoundError: if it is no order of a loan of the borrower's.
    """
    try:
        loan_id = facts_of(order_no)[2]
    except IllegalOrderNumberError as error:
        raise NotFoundError(order_no) from error
    # The head first: an order that ends between the two reads is in the journal by then.
    loan = own_loan(borrower_id=borrower_id, loan_id=loan_id, desk=desk)
    record = desk.books.journal.find(order_no)
    if isinstance(record, Deduction):
        return _ended(record)
    if isinstance(record, Skip) or loan.slot is None or loan.slot.order_no != order_no:
        raise NotFoundError(order_no)
    return OrderView(
        order_no=order_no,
        loan_id=loan_id,
        kind=loan.slot.kind,
        state=OrderState.PROCESSING,
        amount=loan.slot.amount,
        components=loan.slot.components,
        fee=loan.slot.fee,
    )


def _ended(record: Deduction) -> OrderView:
    succeeded = record.result.status is Status.SUCCEEDED
    return OrderView(
        order_no=record.order_no,
        loan_id=record.loan_id,
        kind=record.kind,
        state=OrderState.SUCCEEDED if succeeded else OrderState.FAILED,
        amount=record.amount,
        components=record.components,
        fee=record.fee,
        failure_code=record.result.failure_code,
        paid_at=record.result.paid_at,
        settles=record.settles,
    )


def _view(loan: Loan, *, now: datetime, desk: Desk) -> LoanView:
    standing = standing_of(loan=loan, as_of=now.date(), desk=desk)
    schedule = standing.cut.instalments
    is_open = loan.status is LoanStatus.OPEN
    refused = why_not(loan=loan, desk=desk)
    return LoanView(
        loan=loan,
        standing=standing,
        product_name=standing.product.name,
        outstanding=outstanding_principal(loan.position, schedule) if is_open else ZERO,
        due=owed(loan=loan, schedule=schedule, product=standing.product, as_of=now.date()),
        upcoming=tuple(instalment for instalment, _ in unpaid(loan.position, schedule)),
        refused=refused,
        kinds=() if refused else prepayment.kinds_offered(standing),
        recuts=prepayment.recuts_offered(standing),
        limits=None if refused else prepayment.limits(standing),
    )
