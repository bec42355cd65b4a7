"""HTTP for the borrower's app: his loans, quotes, repayments."""

import hashlib

from chalice.app import Blueprint, Response

from chalicelib import wiring
from chalicelib.adapters.page_tokens import LINK_LIFETIME
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.money import ZERO
from chalicelib.entrypoints import request_body
from chalicelib.entrypoints.api_models import (
    AmountBody,
    InstalmentBody,
    LimitsBody,
    LoanBody,
    LoanDetailBody,
    LoansBody,
    PageLinkBody,
    PaymentBody,
    QuoteRequest,
    RepaymentBody,
    RepaymentRequest,
    StartedBody,
    parts_of,
)
from chalicelib.entrypoints.authorizer import borrower
from chalicelib.entrypoints.borrower_requests import (
    base_of,
    for_borrower,
    given,
    idempotency_key,
    of_own,
    quote_body,
    refusal,
    repayment_path,
    sent,
    slow_down,
)
from chalicelib.entrypoints.boundary import boundary, now
from chalicelib.flows import borrower_loans, early_repayment, idempotency
from chalicelib.flows.early_repayment import Refused
from chalicelib.flows.idempotency import Answer
from chalicelib.settings import settings

bp = Blueprint(__name__)

JSON = ["application/json"]


@bp.route("/v1/health", methods=["GET"])
@boundary
def health() -> dict[str, str]:
    """Say that the API answers, and for which stage."""
    return {"status": "ok", "stage": settings().stage}


@bp.route("/v1/loans", methods=["GET"], authorizer=borrower)
@boundary
def own_loans() -> Response:
    """List the borrower's loans."""
    return for_borrower(bp.current_request, lambda who: sent(_loans(who)))


@bp.route("/v1/loans/{loan_id}", methods=["GET"], authorizer=borrower)
@boundary
def own_loan(loan_id: str) -> Response:
    """Show one loan: what it owes now, its schedule, its history."""
    return for_borrower(
        bp.current_request, lambda who: of_own(who, loan_id, lambda: sent(_loan(who, loan_id)))
    )


@bp.route("/v1/loans/{loan_id}/quotes", methods=["POST"], authorizer=borrower, content_types=JSON)
@boundary
def quote(loan_id: str) -> Response:
    """Quote what the borrower wishes to pay."""
    return for_borrower(
        bp.current_request, lambda who: of_own(who, loan_id, lambda: sent(_quote(who, loan_id)))
    )


@bp.route(
    "/v1/loans/{loan_id}/repayments", methods=["POST"], authorizer=borrower, content_types=JSON
)
@boundary
def repay(loan_id: str) -> Response:
    """Start the order of a quote: once for a key, however often it is asked."""
    return for_borrower(
        bp.current_request, lambda who: of_own(who, loan_id, lambda: sent(_repay(who, loan_id)))
    )


@bp.route("/v1/repayments/{order_no}", methods=["GET"], authorizer=borrower)
@boundary
def repayment(order_no: str) -> Response:
    """Say what became of an order."""
    return for_borrower(
        bp.current_request,
        lambda who: of_own(who, order_no, lambda: sent(_repayment(who, order_no))),
    )


@bp.route("/v1/page-links", methods=["POST"], authorizer=borrower, content_types=JSON)
@boundary
def page_link() -> Response:
    """Give the address of the borrower's page, signed in for 15 minutes."""
    return for_borrower(bp.current_request, lambda who: sent(_page_link(who)))


# --- one request each -------------------------------------------------------------------


def _loans(borrower_id: str) -> Answer:
    views = borrower_loans.loans_of(borrower_id=borrower_id, now=now(), desk=wiring.repayments())
    loans = tuple(LoanBody.model_validate(LoanBody.facts_of(view)) for view in views)
    return given(LoansBody(loans=loans))


def _loan(borrower_id: str, loan_id: str) -> Answer:
    desk = wiring.repayments()
    view = borrower_loans.loan_of(borrower_id=borrower_id, loan_id=loan_id, now=now(), desk=desk)
    history = borrower_loans.history_of(borrower_id=borrower_id, loan_id=loan_id, desk=desk)
    return given(
        LoanDetailBody.model_validate(
            {
                **LoanBody.facts_of(view),
                "owed": AmountBody.model_validate(parts_of(view.due.components, ZERO)),
                "schedule": tuple(InstalmentBody.of(row) for row in view.upcoming),
                "history": tuple(PaymentBody.of(record) for record in history),
                "limits": LimitsBody.of(view.limits) if view.limits else None,
                "recuts": tuple(recut.value for recut in view.recuts),
            }
        )
    )


def _quote(borrower_id: str, loan_id: str) -> Answer:
    slow_down(borrower_id=borrower_id, what="quotes", times_max=settings().quotes_per_minute)
    wanted = request_body.read(QuoteRequest, request_body.bytes_of(bp.current_request))
    quoted = early_repayment.quote(
        borrower_id=borrower_id,
        loan_id=loan_id,
        wish=wanted.wish(),
        now=now(),
        desk=wiring.repayments(),
    )
    if isinstance(quoted, Refused):
        return refusal(quoted, base=base_of(bp.current_request))
    return given(quote_body(quoted), status=201)


def _repay(borrower_id: str, loan_id: str) -> Answer:
    slow_down(
        borrower_id=borrower_id, what="repayments", times_max=settings().repayments_per_minute
    )
    key = idempotency_key(bp.current_request)
    wanted = request_body.read(RepaymentRequest, request_body.bytes_of(bp.current_request))
    return idempotency.once(
        request=idempotency.Request(
            key=f"repayments#{borrower_id}#{key}",
            fingerprint=hashlib.sha256(f"{loan_id}|{wanted.quote_id}".encode()).hexdigest(),
            begun_at=wall_clock(),
        ),
        store=wiring.requests(),
        work=lambda: _start(borrower_id, loan_id, wanted.quote_id, key),
    )


def _start(borrower_id: str, loan_id: str, quote_id: str, key: str) -> Answer:
    base = base_of(bp.current_request)
    begun = early_repayment.start(
        borrower_id=borrower_id,
        loan_id=loan_id,
        quote_id=quote_id,
        request=early_repayment.request_named(borrower_id=borrower_id, key=key),
        now=now(),
        desk=wiring.repayments(),
    )
    if isinstance(begun, Refused):
        return refusal(begun, base=base, fresh=quote_body(begun.fresh) if begun.fresh else None)
    return given(
        StartedBody(order_no=begun.order_no, status="PROCESSING", amount_fen=begun.amount_fen),
        status=202,
        headers={"Location": repayment_path(base, begun.order_no)},
    )


def _repayment(borrower_id: str, order_no: str) -> Answer:
    found = borrower_loans.order_of(
        borrower_id=borrower_id, order_no=order_no, desk=wiring.repayments()
    )
    return given(RepaymentBody.of(found))


def _page_link(borrower_id: str) -> Answer:
    slow_down(borrower_id=borrower_id, what="links", times_max=settings().repayments_per_minute)
    at, request = wall_clock(), bp.current_request
    token = wiring.page_tokens().link(borrower_id, now=at)
    # The gateway's own word for where it was called, never a header's.
    domain = request.context.get("domainName")
    origin = f"https://{domain}" if domain and settings().stage != "local" else ""
    return given(
        PageLinkBody(
            url=f"{origin}{base_of(request)}/m/enter?token={token}",
            expires_at=at + LINK_LIFETIME,
        ),
        status=201,
    )
