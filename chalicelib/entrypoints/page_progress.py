"""What became of the orders: asked after with growing pauses, and honest when it takes long."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from chalicelib.domain.money import Money
from chalicelib.entrypoints.page_forms import IDENTIFIER, LOANS_MAX
from chalicelib.entrypoints.page_views import (
    FAILURE_CODES,
    REFUSAL_CODES,
    UNNAMED,
    LoanCard,
    Said,
    known,
)
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows.borrower_loans import LoanView, OrderState, OrderView

PAUSES = (2, 3, 5, 8, 13, 21, 30)
STEPS_MAX = 30
"""After about a quarter of an hour nobody asks by himself any more."""

LONG = timedelta(minutes=2)
NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultPart:
    """What became of one loan's order, or why there is none."""

    card: LoanCard
    state: str
    amount: Money | None = None
    failure_code: str = ""
    paid_at: datetime | None = None
    settles: bool = False
    refusal: Said | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """All orders of one going; `mark` changes when there is something new to say."""

    parts: tuple[ResultPart, ...]
    is_over: bool
    is_long: bool
    pause_seconds: int
    step: int
    outcome: str
    mark: str

    @property
    def is_asking(self) -> bool:
        return not self.is_over and self.step < STEPS_MAX


def step_in(query: Mapping[str, str]) -> int:
    """Read how often the page has asked already; anything else is the first time."""
    text = query.get("n", "")
    return min(int(text), STEPS_MAX) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def pause_seconds(step: int) -> int:
    """Say how long a page waits before it asks again.

    >>> [pause_seconds(step) for step in range(9)]
    [2, 3, 5, 8, 13, 21, 30, 30, 30]
    """
    return PAUSES[min(step, len(PAUSES) - 1)]


def waited(step: int) -> timedelta:
    """Say how long a page that asks for the so-manieth time has waited.

    >>> waited(3)
    datetime.timedelta(seconds=10)
    """
    pauses = [pause_seconds(before) for before in range(step)]
    return timedelta(seconds=max(accumulate(pauses), default=0))


def part_of(*, card: LoanCard, order: OrderView | None) -> ResultPart:
    """Show one order; None is one that was never sent."""
    if order is None:
        return ResultPart(card=card, state=NOT_SENT)
    return ResultPart(
        card=card,
        state=order.state.value,
        amount=order.amount,
        failure_code=known(order.failure_code, FAILURE_CODES)
        if order.state is OrderState.FAILED
        else "",
        paid_at=order.paid_at,
        settles=order.settles,
    )


def progress_of(
    parts: Sequence[ResultPart], *, views: Iterable[LoanView], step: int, now: datetime
) -> Progress:
    """Put all orders together: over when all have ended, long after two minutes."""
    states = [part.state for part in parts]
    sent = [view.loan.slot.sent_at for view in views if view.loan.slot]
    since = max((now - at for at in sent), default=timedelta())
    is_over = OrderState.PROCESSING not in states
    is_long = not is_over and max(since, waited(step)) >= LONG
    return Progress(
        parts=tuple(parts),
        is_over=is_over,
        is_long=is_long,
        pause_seconds=pause_seconds(step),
        step=step,
        outcome=_outcome(states),
        mark="".join(state[0] for state in states) + ("L" if is_long else ""),
    )


def refusals_text(refusals: Mapping[str, Said]) -> str:
    """Put refusals into an address.

    >>> refusals_text({"LN2": Said(code="quote_expired", fresh_id="Q7")})
    'LN2:quote_expired:Q7'
    """
    return ",".join(
        ":".join((loan_id, told.code, told.fresh_id or told.order_no)).rstrip(":")
        for loan_id, told in refusals.items()
    )


def refusals_in(text: str) -> Mapping[str, Said]:
    """Read refusals from an address: only codes and identifiers, nothing that could be said.

    >>> refusals_in("LN2:quote_expired:Q7,LN3:<b>")["LN2"].fresh_id
    'Q7'

    :raises UnreadableBodyError: if there are too many.
    """
    found: dict[str, Said] = {}
    for part in text.split(","):
        loan_id, _, rest = part.partition(":")
        code, _, more = rest.partition(":")
        if code not in {*REFUSAL_CODES, UNNAMED} or not IDENTIFIER.fullmatch(loan_id):
            continue
        if more and not IDENTIFIER.fullmatch(more):
            continue
        is_fresh = code == "quote_expired"
        found[loan_id] = Said(
            code=code, fresh_id=more if is_fresh else "", order_no="" if is_fresh else more
        )
    if len(found) > LOANS_MAX:
        raise UnreadableBodyError("too_many", f"at most {LOANS_MAX} at a time")
    return found


def _outcome(states: Sequence[str]) -> str:
    """Say in one word how it went."""
    if OrderState.PROCESSING in states:
        return "processing"
    if all(state == OrderState.SUCCEEDED for state in states):
        return "succeeded"
    return "mixed" if OrderState.SUCCEEDED in states else "failed"
