"""Active repayment: quote what a borrower wishes to pay, and start the one order of a quote.

The order claims the loan's slot, as a round's does: whoever comes second is told of the order
that is in flight.  What is charged equals the quote to the fen, or nothing is.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Protocol

from chalicelib.domain import loan as loans
from chalicelib.domain import prepayment
from chalicelib.domain.deduction import Deduction, SkipReason, is_quote_id, order_no_of_quote
from chalicelib.domain.loan import Loan, Mode, Slot
from chalicelib.domain.prepayment import Limits, Offer, Refusal, Wish
from chalicelib.domain.split import Split
from chalicelib.domain.window import SendWindow
from chalicelib.flows.active_orders import ActiveOrders
from chalicelib.flows.ports import (
    AskMessage,
    Books,
    Controls,
    MovedByAnotherError,
    Queue,
)

QUOTE_LIFETIME = timedelta(minutes=15)
NET_SECONDS = 30
"""When an order is looked after whose request died between the claim and its message."""

CLAIMS_MAX = 3
BARRED = {
    SkipReason.SLOT_TAKEN: "loan_busy",
    SkipReason.NOTHING_DUE: "settled",
    SkipReason.ON_HOLD: "on_hold",
}
_LOAN_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class NotFoundError(Exception):
    """There is no such loan, quote or order, or it is another borrower's: nobody is told which."""


class CrowdedLoanError(Exception):
    """Others kept writing the loan's head: the request may be repeated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotedTerms:
    """What is kept of a quote: enough to compute it again, and to see whether it still holds."""

    quote_id: str
    loan_id: str
    borrower_id: str
    wish: Wish
    amount_fen: int
    parts_fen: tuple[int, int, int, int]
    schedule_version: int
    as_of: date
    expires_at: datetime

    @property
    def order_no(self) -> str:
        """The number of the one order the quote may become."""
        return order_no_of_quote(
            business_date=self.as_of, quote_id=self.quote_id, loan_id=self.loan_id
        )

    def still_hold(self, found: "QuotedTerms") -> bool:
        """Whether the quote says to the fen, part by part, what its wish costs now.

        And of the same schedule: where no interest has run, a part costs the same before and
        after another part was paid.
        """
        return (self.as_of, self.schedule_version, self.amount_fen, self.parts_fen) == (
            found.as_of,
            found.schedule_version,
            found.amount_fen,
            found.parts_fen,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """What a wish costs on a business date; its id names the one order it may become."""

    quote_id: str
    loan_id: str
    borrower_id: str
    wish: Wish
    offered: Offer
    as_of: date
    expires_at: datetime
    schedule_version: int

    @property
    def terms(self) -> QuotedTerms:
        """What is kept of it."""
        parts = self.offered.components
        return QuotedTerms(
            quote_id=self.quote_id,
            loan_id=self.loan_id,
            borrower_id=self.borrower_id,
            wish=self.wish,
            amount_fen=self.offered.amount.fen,
            parts_fen=(
                parts.principal.fen,
                parts.interest.fen,
                parts.penalty.fen,
                self.offered.fee.fen,
            ),
            schedule_version=self.schedule_version,
            as_of=self.as_of,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Why nothing was quoted or started; `code` is stable.

    `order_no` is the order in flight, or the one the quote became; `fresh` a quote that holds
    now; `limits` what would be accepted.
    """

    code: str
    order_no: str = ""
    fresh: Quote | None = None
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The order is on its way: its result is asked for by its number."""

    order_no: str
    amount_fen: int


class Quotes(Protocol):
    def put(self, quoted: QuotedTerms) -> None:
        """Keep a quote; the same id again is the same quote, perhaps with a later expiry."""

    def get(self, quote_id: str) -> QuotedTerms | None:
        """Read a quote, as fresh as the last write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that active repayments are worked with; `served_modes` may be paid to us directly."""

    books: Books
    quotes: Quotes
    active_orders: ActiveOrders
    repayments: Queue[AskMessage]
    asks: Queue[AskMessage]
    controls: Controls
    window: SendWindow
    served_modes: frozenset[Mode]


# --- quote ------------------------------------------------------------------------------


def quote(
    *, borrower_id: str, loan_id: str, wish: Wish, now: datetime, desk: Desk
) -> Quote | Refused:
    """Quote what a wish costs today; asked again while nothing moved, it is the same quote.

    :raises NotFoundError: if the borrower has no such loan.
    """
    loan = own_loan(borrower_id=borrower_id, loan_id=loan_id, desk=desk)
    if refused := why_not(loan=loan, desk=desk):
        return refused
    quoted = _quoted(loan=loan, wish=wish, now=now, desk=desk)
    if isinstance(quoted, Quote):
        desk.quotes.put(quoted.terms)
    return quoted


def own_loan(*, borrower_id: str, loan_id: str, desk: Desk) -> Loan:
    """Read a loan of the borrower's.

    :raises NotFoundError: if there is none, or it is another's.
    """
    # What cannot be a number of ours is not asked for: a store refuses a long key with an error.
    loan = desk.books.loans.get(loan_id) if _LOAN_ID.fullmatch(loan_id) else None
    if loan is None or loan.borrower_id != borrower_id:
        raise NotFoundError(loan_id)
    return loan


def own_quote(*, borrower_id: str, quote_id: str, desk: Desk) -> QuotedTerms:
    """Read what was quoted to the borrower.

    :raises NotFoundError: if nothing was, or it was quoted to another.
    """
    quoted = desk.quotes.get(quote_id) if is_quote_id(quote_id) else None
    if quoted is None or quoted.borrower_id != borrower_id:
        raise NotFoundError(quote_id)
    return quoted


def standing_of(*, loan: Loan, as_of: date, desk: Desk) -> prepayment.Standing:
    """Say how a payment would find the loan."""
    return loans.standing(
        loan=loan,
        cut=desk.books.schedules.get(loan.loan_id, loan.schedule_version),
        product=desk.books.products[loan.product],
        as_of=as_of,
    )


def why_not(*, loan: Loan, desk: Desk) -> Refused | None:
    """Say why nothing can be paid on the loan now, whatever is wished for; None if something can."""
    if barred := loans.why_barred(loan):
        return Refused(code=BARRED[barred], order_no=loan.slot.order_no if loan.slot else "")
    return None if loan.mode in desk.served_modes else Refused(code="not_offered")


def _quoted(*, loan: Loan, wish: Wish, now: datetime, desk: Desk) -> Quote | Refused:
    as_of = now.date()
    offered = prepayment.offer(wish=wish, standing=standing_of(loan=loan, as_of=as_of, desk=desk))
    if isinstance(offered, Refusal):
        return Refused(code=offered.code, limits=offered.limits)
    return Quote(
        quote_id=prepayment.quote_id_of(
            loan_id=loan.loan_id, version=loan.version, as_of=as_of, wish=wish, offered=offered
        ),
        loan_id=loan.loan_id,
        borrower_id=loan.borrower_id,
        wish=wish,
        offered=offered,
        as_of=as_of,
        schedule_version=loan.schedule_version,
        expires_at=min(now + QUOTE_LIFETIME, _midnight_after(now)),
    )


def _midnight_after(now: datetime) -> datetime:
    """Return the end of the business date: a quote does not outlive it."""
    return datetime.combine(now.date() + timedelta(days=1), time.min, tzinfo=now.tzinfo)


def request_named(*, borrower_id: str, key: str) -> str:
    """Name a request by its borrower and the key he gave it, short enough for the slot.

    >>> request_named(borrower_id="B7", key="a-key")
    '3a9f16bc60256d5d'
    """
    return hashlib.sha256(f"{borrower_id}|{key}".encode()).hexdigest()[:16]


# --- start ------------------------------------------------------------------------------


def start(
    *, borrower_id: str, loan_id: str, quote_id: str, request: str, now: datetime, desk: Desk
) -> Started | Refused:
    """Claim the loan for the quote's order and send it on its way; safe to repeat.

    `request` names the request that asks: of several for one quote, one has started the order,
    and the same request again is answered the same.

    :raises NotFoundError: if the borrower has no such loan, or no such quote for it.
    :raises CrowdedLoanError: if the slot could not be claimed for the crowd.
    """
    quoted = own_quote(borrower_id=borrower_id, quote_id=quote_id, desk=desk)
    if quoted.loan_id != loan_id:
        raise NotFoundError(quote_id)
    order_no = quoted.order_no
    for _ in range(CLAIMS_MAX):
        # The head is read before the journal: had the order ended between the two reads, the
        # head's version would have moved and the claim below would fail.
        loan = own_loan(borrower_id=borrower_id, loan_id=loan_id, desk=desk)
        if begun := _begun(loan=loan, order_no=order_no, request=request, desk=desk):
            return begun
        slot = _decide(loan=loan, quoted=quoted, now=now, desk=desk)
        if isinstance(slot, Refused):
            return slot
        # Before the claim: whoever dies behind it leaves somebody who will look.
        desk.active_orders.open(business_date=quoted.as_of, order_no=order_no, at=now)
        desk.asks.put([AskMessage(order_no=order_no)], delay_seconds=NET_SECONDS)
        try:
            desk.books.loans.write(replace(loan, slot=replace(slot, request=request)))
        except MovedByAnotherError:
            continue
        return _on_its_way(order_no=order_no, amount_fen=slot.amount.fen, desk=desk)
    raise CrowdedLoanError(loan_id)


def _begun(*, loan: Loan, order_no: str, request: str, desk: Desk) -> Started | Refused | None:
    """Say what became of the quote's order, if it was started already."""
    if loan.slot is not None and loan.slot.order_no == order_no:
        if loan.slot.request != request:
            return Refused(code="loan_busy", order_no=order_no)
        return _on_its_way(order_no=order_no, amount_fen=loan.slot.amount.fen, desk=desk)
    record = desk.books.journal.find(order_no)
    if not isinstance(record, Deduction):
        return None
    if record.request != request:
        return Refused(code="quote_used", order_no=order_no)
    return Started(order_no=order_no, amount_fen=record.amount.fen)


def _on_its_way(*, order_no: str, amount_fen: int, desk: Desk) -> Started:
    desk.repayments.put([AskMessage(order_no=order_no)])
    return Started(order_no=order_no, amount_fen=amount_fen)


def _decide(*, loan: Loan, quoted: QuotedTerms, now: datetime, desk: Desk) -> Slot | Refused:
    if refused := why_not(loan=loan, desk=desk):
        return refused
    found = _quoted(loan=loan, wish=quoted.wish, now=now, desk=desk)
    if isinstance(found, Refused):
        return found
    if now >= quoted.expires_at or not quoted.still_hold(found.terms):
        desk.quotes.put(found.terms)
        return Refused(code="quote_expired", fresh=found)
    if not desk.window.is_open(now, quoted.as_of):
        return Refused(code="window_closed")
    if desk.controls.is_paused():
        return Refused(code="paused")
    return loans.slot_of_offer(
        offered=found.offered,
        order_no=quoted.order_no,
        as_of=quoted.as_of,
        now=now,
        split=_split(loan=loan, offered=found.offered, desk=desk),
    )


def _split(*, loan: Loan, offered: Offer, desk: Desk) -> Split | None:
    shares = loans.shares_of(loan=loan, funders=desk.books.funders)
    if shares is None:
        return None
    return loans.split_of(
        lines=offered.paid.lines,
        loan=loan,
        schedule=desk.books.schedules.get(loan.loan_id, loan.schedule_version).instalments,
        shares=shares,
    )
