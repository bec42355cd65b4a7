"""What the pages show of loans: facts of the flows, put the way a borrower thinks of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from chalicelib.domain import prepayment
from chalicelib.domain.deduction import FAILURE_CLASSES, Kind
from chalicelib.domain.loan import LoanStatus, Schedule, why_barred
from chalicelib.domain.money import Money, total
from chalicelib.domain.position import unpaid
from chalicelib.domain.prepayment import Limits, Refusal, Wish
from chalicelib.domain.product import Recut
from chalicelib.domain.schedule import Instalment
from chalicelib.entrypoints.page_forms import Choice
from chalicelib.flows.borrower_loans import LoanView
from chalicelib.flows.early_repayment import Refused

TAIL_LENGTH = 4
REFUSAL_CODES = (
    "loan_busy",
    "settled",
    "not_offered",
    "on_hold",
    "nothing_overdue",
    "nothing_due",
    "nothing_ahead",
    "amount_out_of_limits",
    "recut_not_offered",
    "quote_expired",
    "quote_used",
    "window_closed",
    "paused",
    "crowded",
)
UNNAMED = "unnamed"
FAILURE_CODES = (*FAILURE_CLASSES, UNNAMED)
KINDS = (Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL)


class Badge(StrEnum):
    """How a loan stands, in one word."""

    BUSY = "busy"
    SETTLED = "settled"
    OVERDUE = "overdue"
    DUE_TODAY = "due_today"
    HELD = "held"
    CURRENT = "current"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoanCard:
    """One loan at a glance; `next` is what it asks after today."""

    loan_id: str
    tail: str
    agreement_tail: str
    product_name: str
    badge: Badge
    outstanding: Money
    due: Money
    dpd: int
    next_on: date | None
    next_amount: Money | None
    is_payable: bool
    order_in_flight: str
    last_failure: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """All loans of a borrower; `due` and `outstanding` are of all that are open."""

    open: tuple[LoanCard, ...]
    settled: tuple[LoanCard, ...]
    due: Money
    outstanding: Money
    dpd: int
    next_on: date | None
    next_amount: Money | None

    @property
    def payable_count(self) -> int:
        return sum(card.is_payable for card in self.open)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """One instalment of the schedule; `left` is what it still asks without penalty."""

    number: int
    due_on: date
    principal: Money
    interest: Money
    amount: Money
    left: Money
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One way to pay; `amount` is None where the borrower says how much."""

    kind: Kind
    amount: Money | None
    is_chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What is said to a borrower about one loan, by its code; `order_no` leads to its order."""

    code: str
    order_no: str = ""
    fresh_id: str = ""
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RepayPart:
    """One loan on the page where the borrower says how much."""

    card: LoanCard
    options: tuple[Option, ...] = ()
    recuts: tuple[Recut, ...] = ()
    limits: Limits | None = None
    choice: Choice
    refusal: Said | None = None
    fault: str = ""

    @property
    def is_wrong(self) -> bool:
        return bool(self.fault or self.refusal)


def known(code: str, codes: Iterable[str], *, otherwise: str = UNNAMED) -> str:
    """Name a code the pages have words for."""
    return code if code in codes else otherwise


def said(refused: Refused) -> Said:
    """Put a refusal the way a page says it."""
    return Said(
        code=known(refused.code, REFUSAL_CODES),
        order_no=refused.order_no,
        fresh_id=refused.fresh.quote_id if refused.fresh else "",
        limits=refused.limits,
    )


def card_of(view: LoanView) -> LoanCard:
    """Put a loan on a card."""
    as_of = view.due.as_of
    ahead = [
        (row, left)
        for row, left in unpaid(view.loan.position, view.standing.cut.instalments)
        if row.due_on > as_of
    ]
    is_open = view.loan.status is LoanStatus.OPEN
    failure = view.loan.last_failure
    return LoanCard(
        loan_id=view.loan.loan_id,
        tail=view.loan.loan_id[-TAIL_LENGTH:],
        agreement_tail=view.loan.agreement_no[-TAIL_LENGTH:],
        product_name=view.product_name,
        badge=_badge(view, as_of),
        outstanding=view.outstanding,
        due=view.due.amount,
        dpd=view.due.dpd,
        next_on=ahead[0][0].due_on if is_open and ahead else None,
        next_amount=ahead[0][1].total if is_open and ahead else None,
        is_payable=bool(view.kinds),
        order_in_flight=view.order_in_flight,
        last_failure=known(failure, FAILURE_CODES) if failure and is_open else "",
    )


def home_of(views: Sequence[LoanView]) -> Home:
    """Put a borrower's loans on one page; what is being paid asks for nothing more today."""
    cards = [card_of(view) for view in views]
    still_open = tuple(card for card in cards if card.badge is not Badge.SETTLED)
    asking = [card for card in still_open if card.badge is not Badge.BUSY]
    nearest = min((card for card in still_open if card.next_on), key=_next_on, default=None)
    return Home(
        open=still_open,
        settled=tuple(card for card in cards if card.badge is Badge.SETTLED),
        due=total(card.due for card in asking),
        outstanding=total(card.outstanding for card in still_open),
        dpd=max((card.dpd for card in asking), default=0),
        next_on=nearest.next_on if nearest else None,
        next_amount=nearest.next_amount if nearest else None,
    )


def plan_of(
    view: LoanView, *, schedule: Schedule, settled_ahead_from: int | None
) -> tuple[PlanRow, ...]:
    """List a loan's instalments: those that were paid, and those that are or never will be."""
    left = {
        row.number: asked.principal + asked.interest
        for row, asked in unpaid(view.loan.position, view.standing.cut.instalments)
    }
    is_open = view.loan.status is LoanStatus.OPEN

    def state(row: Instalment) -> str:
        if settled_ahead_from is not None and row.number >= settled_ahead_from:
            return "settled"
        return _state(row, is_unpaid=is_open and row.number in left, as_of=view.due.as_of)

    return tuple(
        PlanRow(
            number=row.number,
            due_on=row.due_on,
            principal=row.principal,
            interest=row.interest,
            amount=row.total,
            left=left.get(row.number, Money(0)),
            state=state(row),
        )
        for row in schedule
    )


def repay_part(
    view: LoanView, *, choice: Choice, refused: Refused | None = None, fault: str = ""
) -> RepayPart:
    """Offer what may be paid on one loan, with what the borrower has chosen so far."""
    card = card_of(view)
    if not card.is_payable:
        refused = view.refused or Refused(code="not_offered")
        return RepayPart(card=card, choice=choice, refusal=said(refused))
    amounts = _amounts(view)
    only = len(amounts) == 1
    return RepayPart(
        card=card,
        options=tuple(
            Option(kind=kind, amount=amount, is_chosen=only or choice.kind == kind)
            for kind, amount in amounts.items()
        ),
        recuts=view.recuts if Kind.PARTIAL in amounts and len(view.recuts) > 1 else (),
        limits=view.limits,
        choice=choice,
        refusal=said(refused) if refused else None,
        fault=fault,
    )


def _amounts(view: LoanView) -> Mapping[Kind, Money | None]:
    """Price each way to pay; today's dues are no choice of their own where they are the overdue."""
    amounts: dict[Kind, Money | None] = {}
    for kind in KINDS:
        if kind not in view.kinds:
            continue
        if kind is Kind.PARTIAL:
            amounts[kind] = None
            continue
        offered = prepayment.offer(wish=Wish(kind=kind), standing=view.standing)
        if not isinstance(offered, Refusal) and offered.amount not in amounts.values():
            amounts[kind] = offered.amount
    return amounts


def _badge(view: LoanView, as_of: date) -> Badge:
    if view.loan.status is not LoanStatus.OPEN:
        return Badge.SETTLED
    if view.order_in_flight:
        return Badge.BUSY
    if view.due.dpd:
        return Badge.OVERDUE
    if any(line.due_on == as_of for line in view.due.lines):
        return Badge.DUE_TODAY
    return Badge.HELD if why_barred(view.loan) else Badge.CURRENT


def _state(row: Instalment, *, is_unpaid: bool, as_of: date) -> str:
    if not is_unpaid:
        return "paid"
    if row.due_on < as_of:
        return "overdue"
    return "due_today" if row.due_on == as_of else "ahead"


def _next_on(card: LoanCard) -> date:
    return card.next_on or date.max
