"""What a borrower does on each page, and what he is shown for it."""

import secrets
from collections.abc import Sequence

from chalice.app import Response

from chalicelib import wiring
from chalicelib.domain.deduction import IllegalOrderNumberError, facts_of
from chalicelib.domain.notice_text import masked
from chalicelib.entrypoints import page_confirm, page_forms, page_progress, page_views
from chalicelib.entrypoints.borrower_requests import slow_down
from chalicelib.entrypoints.page_forms import Choice, IllegalAmountError
from chalicelib.entrypoints.page_progress import Progress, ResultPart
from chalicelib.entrypoints.page_session import Page, Visit
from chalicelib.entrypoints.page_views import RepayPart, Said
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows import borrower_loans, early_repayment
from chalicelib.flows.borrower_loans import LoanView, OrderView
from chalicelib.flows.early_repayment import (
    CrowdedLoanError,
    NotFoundError,
    QuotedTerms,
    Refused,
    Started,
)
from chalicelib.settings import settings

KEY_BYTES = 12
HISTORY_MAX = 24


def loans(visit: Visit) -> Response:
    """Show all loans."""
    views = borrower_loans.loans_of(
        borrower_id=visit.borrower_id, now=visit.now, desk=wiring.repayments()
    )
    borrower = wiring.borrowers().get(visit.borrower_id)
    return visit.show(
        "home",
        home=page_views.home_of(views),
        name=masked(borrower.name) if borrower else "",
        chose_none="none" in visit.query,
        today=visit.now.date(),
    )


def loan(loan_id: str) -> Page:
    """Make the page of one loan."""
    return lambda visit: _loan(visit, loan_id)


def _loan(visit: Visit, loan_id: str) -> Response:
    view = _view(visit, loan_id)
    history = borrower_loans.history_of(
        borrower_id=visit.borrower_id, loan_id=loan_id, desk=wiring.repayments()
    )
    return visit.show(
        "loan",
        card=page_views.card_of(view),
        loan=view.loan,
        plan=page_views.plan_of(
            view,
            schedule=borrower_loans.whole_schedule(
                loan=view.loan, schedules=wiring.repayments().books.schedules
            ),
            settled_ahead_from=borrower_loans.settled_ahead_from(history),
        ),
        history=history[:HISTORY_MAX],
        has_more=len(history) > HISTORY_MAX,
    )


# --- how much ---------------------------------------------------------------------------


def choices(visit: Visit) -> Response:
    """Ask how much."""
    loan_ids = page_forms.loans_in(visit.query)
    if not loan_ids:
        return visit.go_to("/m", none="1")
    parts = [
        page_views.repay_part(_view(visit, loan_id), choice=Choice(loan_id=loan_id))
        for loan_id in loan_ids
    ]
    return _repay(visit, parts)


def quoted(visit: Visit) -> Response:
    """Quote each choice; if one will not do, all are shown again as they were filled in."""
    chosen = page_forms.choices_in(visit.form)
    if not chosen:
        return visit.go_to("/m", none="1")
    slow_down(borrower_id=visit.borrower_id, what="quotes", times_max=settings().quotes_per_minute)
    found = [_quoted(visit, choice) for choice in chosen]
    if parts := [part for part in found if isinstance(part, RepayPart)]:
        wrong = {part.choice.loan_id: part for part in parts}
        shown = [wrong.get(choice.loan_id) or _again(visit, choice) for choice in chosen]
        return _repay(visit, shown, is_wrong=True)
    return visit.go_to("/m/confirm", q=",".join(str(quote_id) for quote_id in found))


def _quoted(visit: Visit, choice: Choice) -> RepayPart | str:
    """Give the quote's id, or the choice with what is wrong with it."""
    view = _view(visit, choice.loan_id)
    try:
        wish = choice.wish
    except IllegalAmountError as error:
        return page_views.repay_part(view, choice=choice, fault=error.code)
    found = early_repayment.quote(
        borrower_id=visit.borrower_id,
        loan_id=choice.loan_id,
        wish=wish,
        now=visit.now,
        desk=wiring.repayments(),
    )
    if isinstance(found, Refused):
        return page_views.repay_part(view, choice=choice, refused=found)
    return found.quote_id


def _repay(visit: Visit, parts: Sequence[RepayPart], *, is_wrong: bool = False) -> Response:
    return visit.show(
        "repay",
        status=422 if is_wrong else 200,
        parts=parts,
        is_wrong=is_wrong,
        window=wiring.repayments().window,
    )


def _again(visit: Visit, choice: Choice) -> RepayPart:
    return page_views.repay_part(_view(visit, choice.loan_id), choice=choice)


# --- confirm ----------------------------------------------------------------------------


def confirm(visit: Visit) -> Response:
    """Show what the quotes cost now; those whose orders have begun lead to their result."""
    slow_down(
        borrower_id=visit.borrower_id, what="confirms", times_max=settings().quotes_per_minute
    )
    found = [_kept(visit, quote_id) for quote_id in page_forms.listed(visit.query.get("q", ""))]
    kept = list({terms.loan_id: terms for terms in found}.values())  # of one loan, the last
    if not kept:
        return visit.go_to("/m", none="1")
    begun = [order_no for terms in kept if (order_no := _begun(visit, terms))]
    if len(begun) == len(kept):
        return visit.go_to("/m/result", o=",".join(begun))
    parts = [_confirm_part(visit, terms) for terms in kept]
    window = wiring.repayments().window
    return visit.show(
        "confirm",
        parts=parts,
        total=page_confirm.total_of(parts),
        count=sum(part.refusal is None for part in parts),
        key=secrets.token_urlsafe(KEY_BYTES),
        is_renewed="renewed" in visit.query or any(part.is_renewed for part in parts),
        is_open=window.is_open(visit.now, visit.now.date()),
        window=window,
    )


def _confirm_part(visit: Visit, terms: QuotedTerms) -> page_confirm.ConfirmPart:
    view = _view(visit, terms.loan_id)
    if order_no := _begun(visit, terms):
        found: early_repayment.Quote | Refused = Refused(code="quote_used", order_no=order_no)
    else:
        found = early_repayment.quote(
            borrower_id=visit.borrower_id,
            loan_id=terms.loan_id,
            wish=terms.wish,
            now=visit.now,
            desk=wiring.repayments(),
        )
    return page_confirm.confirm_part(kept=terms, found=found, view=view)


def _begun(visit: Visit, terms: QuotedTerms) -> str:
    """Name the quote's order if it has begun: whoever comes back must not pay a second time."""
    return terms.order_no if _order(visit, terms.order_no) else ""


# --- start ------------------------------------------------------------------------------


def started(visit: Visit) -> Response:
    """Start each loan's order; of several some may be refused, and each is told of by itself."""
    quotes, key = page_forms.quotes_in(visit.form), visit.form.get("key", "")
    if not quotes or not page_forms.IDENTIFIER.fullmatch(key):
        raise UnreadableBodyError("not_a_form", "no quote or no key")
    kept = {loan_id: _kept(visit, quote_id) for loan_id, quote_id in quotes.items()}
    if any(terms.loan_id != loan_id for loan_id, terms in kept.items()):
        raise NotFoundError
    slow_down(
        borrower_id=visit.borrower_id,
        what="repayments",
        times_max=settings().repayments_per_minute,
    )
    orders: list[str] = []
    refusals: dict[str, Said] = {}
    for loan_id, terms in kept.items():
        found = _start(visit, terms, key=key)
        # Refused for the very order this quote has become: another tab was first.
        if isinstance(found, Started) or found.order_no == terms.order_no:
            orders.append(terms.order_no)
        else:
            refusals[loan_id] = page_views.said(found)
    fresh = [told.fresh_id for told in refusals.values() if told.fresh_id]
    if len(fresh) == len(kept):
        return visit.go_to("/m/confirm", q=",".join(fresh), renewed="1")
    return visit.go_to("/m/result", o=",".join(orders), x=page_progress.refusals_text(refusals))


def _start(visit: Visit, terms: QuotedTerms, *, key: str) -> Started | Refused:
    try:
        return early_repayment.start(
            borrower_id=visit.borrower_id,
            loan_id=terms.loan_id,
            quote_id=terms.quote_id,
            request=early_repayment.request_named(borrower_id=visit.borrower_id, key=key),
            now=visit.now,
            desk=wiring.repayments(),
        )
    except CrowdedLoanError:
        return Refused(code="crowded")


# --- result -----------------------------------------------------------------------------


def result(visit: Visit) -> Response:
    """Show what became of the orders, and ask again by itself until all have ended."""
    progress = _progress(visit)
    if not progress.parts:
        return visit.go_to("/m")
    return _show_progress(visit, "result", progress)


def progress(visit: Visit) -> Response:
    """Show the orders again if there is something new, and say when to ask next."""
    return _show_progress(visit, "progress", _progress(visit))


def _show_progress(visit: Visit, template: str, progress: Progress) -> Response:
    """Show the orders, with the addresses they are asked for at again."""
    given = {name: visit.query.get(name, "") for name in ("o", "x")}
    following = str(progress.step + 1)
    return visit.show(
        template,
        progress=progress,
        is_new=visit.query.get("s") != progress.mark,
        again=visit.address("/m/result", **given, n=following),
        asking=visit.address("/m/result/progress", **given, n=following, s=progress.mark),
        window=wiring.repayments().window,
    )


def _progress(visit: Visit) -> Progress:
    parts: list[ResultPart] = []
    views: list[LoanView] = []
    for order_no in page_forms.listed(visit.query.get("o", "")):
        view = _view(visit, _loan_id_of(order_no))
        views.append(view)
        parts.append(
            page_progress.part_of(card=page_views.card_of(view), order=_order(visit, order_no))
        )
    for loan_id, told in page_progress.refusals_in(visit.query.get("x", "")).items():
        card = page_views.card_of(_view(visit, loan_id))
        parts.append(ResultPart(card=card, state="REFUSED", refusal=told))
    return page_progress.progress_of(
        parts, views=views, step=page_progress.step_in(visit.query), now=visit.now
    )


def _order(visit: Visit, order_no: str) -> OrderView | None:
    """Find an order of a loan that is the borrower's; None if it never went out."""
    try:
        return borrower_loans.order_of(
            borrower_id=visit.borrower_id, order_no=order_no, desk=wiring.repayments()
        )
    except NotFoundError:
        return None


# --- what all of them need --------------------------------------------------------------


def _view(visit: Visit, loan_id: str) -> LoanView:
    return borrower_loans.loan_of(
        borrower_id=visit.borrower_id, loan_id=loan_id, now=visit.now, desk=wiring.repayments()
    )


def _kept(visit: Visit, quote_id: str) -> QuotedTerms:
    return early_repayment.own_quote(
        borrower_id=visit.borrower_id, quote_id=quote_id, desk=wiring.repayments()
    )


def _loan_id_of(order_no: str) -> str:
    try:
        return facts_of(order_no)[2]
    except IllegalOrderNumberError as error:
        raise NotFoundError(order_no) from error
