"""What surrounds every request of a borrower: who he is, how often he may, what goes wrong."""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from chalice.app import Request, Response
from pydantic import BaseModel, ValidationError

from chalicelib import wiring
from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.telemetry import count, log
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.entrypoints import caller
from chalicelib.entrypoints.api_models import LimitsBody, QuoteBody
from chalicelib.entrypoints.boundary import where
from chalicelib.entrypoints.problems import problem
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows.early_repayment import (
    CrowdedLoanError,
    NotFoundError,
    Quote,
    Refused,
)
from chalicelib.flows.idempotency import Answer, InProgressError, KeyReusedError
from chalicelib.settings import settings

ROLE = "borrower"
WINDOW_SECONDS = 60
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

DETAILS: Mapping[str, tuple[int, str]] = {
    "loan_busy": (409, "an order of this loan is in flight; ask for its result first"),
    "settled": (409, "the loan is settled"),
    "on_hold": (409, "nothing may be taken from this loan at present"),
    "not_offered": (409, "the product does not offer this"),
    "nothing_overdue": (409, "nothing is overdue"),
    "nothing_due": (409, "nothing is due today"),
    "nothing_ahead": (409, "nothing is left to pay ahead"),
    "amount_out_of_limits": (422, "the amount is outside the limits"),
    "recut_not_offered": (422, "the loan cannot be cut again like that"),
    "quote_expired": (409, "the quote no longer holds; a fresh one is given"),
    "quote_used": (409, "the quote's order has ended; ask for a new quote"),
    "window_closed": (409, "borrowers cannot pay at this hour"),
    "paused": (503, "payments are paused; try again later"),
}
"""What a refusal of the flows is on HTTP."""


class TooManyRequestsError(Exception):
    """The borrower has asked too often within a minute."""


class ForbiddenError(Exception):
    """The token is good, and its bearer may not use this."""


TROUBLES: Mapping[type[Exception], tuple[int, str, str, Mapping[str, str]]] = {
    BadTokenError: (
        *(401, "bad_token", "the token is missing or not valid"),
        {"WWW-Authenticate": "Bearer"},
    ),
    ForbiddenError: (403, "forbidden", "this caller may not use this", {}),
    KeyReusedError: (422, "idempotency_key_reused", "this key came with another request", {}),
    InProgressError: (
        *(409, "request_in_progress", "the same request is in work"),
        {"Retry-After": "2"},
    ),
    TooManyRequestsError: (
        *(429, "too_many_requests", "asked too often; wait a minute"),
        {"Retry-After": str(WINDOW_SECONDS)},
    ),
    TokensUnverifiableError: (
        *(503, "tokens_unverifiable", "no token can be verified now"),
        {"Retry-After": "5"},
    ),
    CrowdedLoanError: (
        *(503, "crowded", "the loan is being worked on; try again"),
        {"Retry-After": "5"},
    ),
}
"""What stops a request, on HTTP."""


def for_borrower(request: Request, work: Callable[[str], Response]) -> Response:
    """Work a request for the borrower its token names, and answer whatever goes wrong."""
    try:
        return work(_borrower(request))
    except UnreadableBodyError as error:
        return problem(error.status, error.code, error.detail)
    except ValidationError as error:
        return problem(422, "invalid_body", "the body does not fit", errors=errors_of(error))
    except tuple(TROUBLES) as error:
        status, code, detail, headers = TROUBLES[type(error)]
        answer = problem(status, code, detail)
        answer.headers.update(headers)
        return answer
    except Exception as error:  # noqa: BLE001  the last resort: nothing of it reaches the caller
        log.error("failed", error=type(error).__name__, where=where(error))
        count("ApiFailures")
        return problem(500, "internal_error", "something went wrong here; try again later")


def _borrower(request: Request) -> str:
    identity = caller.identity(request)
    if ROLE not in identity.roles or wiring.controls().is_blocked(identity.subject):
        raise ForbiddenError
    return identity.subject


def of_own(borrower_id: str, named: str, work: Callable[[], Response]) -> Response:
    """Work on something of the borrower's; what is not his is not there, and guessing is slowed.

    A name that cannot be one is not looked up: DynamoDB would refuse a long one with an error.

    :raises TooManyRequestsError: if he has missed too often.
    """
    slow_guesses(borrower_id)
    if NAME.fullmatch(named):
        with suppress(NotFoundError):
            return work()
    count_miss(borrower_id)
    return problem(404, "not_found", "there is no such thing here")


def slow_guesses(borrower_id: str) -> None:
    """Stop whoever asks again and again for what is not his.

    :raises TooManyRequestsError: if he has missed too often.
    """
    missed = wiring.throttles().times(
        key=f"misses#{borrower_id}", now=wall_clock(), window_seconds=WINDOW_SECONDS
    )
    if missed >= settings().misses_per_minute:
        raise TooManyRequestsError


def count_miss(borrower_id: str) -> None:
    """Count that something was asked for that is not there, or not his."""
    log.info("missed", borrower_id=borrower_id)
    wiring.throttles().count(
        key=f"misses#{borrower_id}", now=wall_clock(), window_seconds=WINDOW_SECONDS
    )


def slow_down(*, borrower_id: str, what: str, times_max: int) -> None:
    """Count one more request of a kind.

    :raises TooManyRequestsError: if there were too many within a minute.
    """
    times = wiring.throttles().count(
        key=f"{what}#{borrower_id}", now=wall_clock(), window_seconds=WINDOW_SECONDS
    )
    if times > times_max:
        raise TooManyRequestsError


def idempotency_key(request: Request) -> str:
    """Read the key of a request that must not be done twice.

    :raises UnreadableBodyError: if it is missing, too long, or not printable ASCII.
    """
    given = request.headers.get("idempotency-key")
    if not given:
        raise UnreadableBodyError("idempotency_key_missing", "Idempotency-Key is needed")
    if not IDEMPOTENCY_KEY.fullmatch(given):
        raise UnreadableBodyError(
            "idempotency_key_invalid", "Idempotency-Key has 1 to 255 printable ASCII characters"
        )
    return str(given)


def given(
    body: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    """Make an answer of a body."""
    return Answer(status=status, body=body.model_dump(mode="json"), headers=dict(headers or {}))


def refusal(refused: Refused, *, base: str, fresh: QuoteBody | None = None) -> Answer:
    """Make the problem of a refusal: with the live order's address, a fresh quote, the limits."""
    status, detail = DETAILS[refused.code]
    extra: dict[str, object] = {}
    if refused.order_no:
        extra |= {"order_no": refused.order_no, "order": repayment_path(base, refused.order_no)}
    if fresh is not None:
        extra["quote"] = fresh.model_dump(mode="json")
    if refused.limits is not None:
        extra |= LimitsBody.of(refused.limits).model_dump(mode="json")
    made = problem(status, refused.code, detail, **extra)
    headers = {name: str(value) for name, value in made.headers.items()}
    if status == 503:
        headers["Retry-After"] = "60"
    body: Mapping[str, object] = made.body if isinstance(made.body, dict) else {}
    return Answer(status=status, body=body, headers=headers, is_final=status != 503)


def repayment_path(base: str, order_no: str) -> str:
    """Say where the result of an order is asked for."""
    return f"{base}/v1/repayments/{order_no}"


def base_of(request: Request) -> str:
    """Give the path our routes stand under at the gateway."""
    return settings().page_base.format(**request.context)


def sent(answer: Answer) -> Response:
    """Send an answer; one that was given before says so."""
    answered = Response(body=dict(answer.body), status_code=answer.status)
    answered.headers |= {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **answer.headers,
    }
    if answer.is_replayed:
        answered.headers["Idempotent-Replayed"] = "true"
    return answered


def quote_body(quote: Quote) -> QuoteBody:
    """Show a quote with the instalments it would leave."""
    later = quote.offered.position_after.instalment_no
    cut = quote.offered.cut_after or wiring.repayments().books.schedules.get(
        quote.loan_id, quote.schedule_version
    )
    return QuoteBody.of(
        quote, unpaid_after=tuple(row for row in cut.instalments if row.number >= later)
    )


def errors_of(error: ValidationError) -> list[dict[str, str]]:
    """Name the fields that do not fit; never what was sent."""
    return [
        {
            "field": ".".join(map(str, found["loc"])) or "body",
            # Our own sentence where we have one; the library's may show what was sent.
            "reason": found["msg"] if found["type"] == "value_error" else found["type"],
        }
        for found in error.errors(include_input=False, include_url=False, include_context=False)
    ]
