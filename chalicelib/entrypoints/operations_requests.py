"""What surrounds every request of the staff: who asks, in which role, and what goes wrong."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from chalice.app import Request, Response
from pydantic import BaseModel, ValidationError

from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.telemetry import count, log
from chalicelib.domain.discrepancy import IllegalReferenceError
from chalicelib.domain.discrepancy_life import StepRefusedError
from chalicelib.domain.identity import Identity
from chalicelib.entrypoints import caller, request_body
from chalicelib.entrypoints.borrower_requests import TROUBLES as COMMON
from chalicelib.entrypoints.borrower_requests import ForbiddenError, errors_of
from chalicelib.entrypoints.boundary import where
from chalicelib.entrypoints.problems import problem
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows.audit import CrowdedTrailError
from chalicelib.flows.discrepancy_life import NoSuchDiscrepancyError, SeenOtherwiseError
from chalicelib.flows.discrepancy_ports import IllegalCursorError

Model = TypeVar("Model")

JSON = ["application/json"]
OPERATIONS, FINANCE, APPROVER, AUDITOR = "operations", "finance", "approver", "auditor"
READERS = frozenset({OPERATIONS, FINANCE, APPROVER, AUDITOR})
TALKERS = READERS - {AUDITOR}
MAKERS = frozenset({OPERATIONS, FINANCE})
CHECKERS = frozenset({APPROVER})
SWITCHERS = frozenset({OPERATIONS})

NOT_ALLOWED = frozenset({"maker_is_checker"})
"""What is refused for who asks, and not for how things stand: 403, not 409."""


class UnfittingQueryError(Exception):
    """A part of the query does not fit; the text names it."""


class NothingThereError(Exception):
    """There is no such thing."""


TROUBLES: Mapping[type[Exception], tuple[int, str, str, Mapping[str, str]]] = {
    **{kind: COMMON[kind] for kind in (BadTokenError, ForbiddenError, TokensUnverifiableError)},
    NoSuchDiscrepancyError: (404, "not_found", "there is no such thing here", {}),
    IllegalReferenceError: (404, "not_found", "there is no such thing here", {}),
    NothingThereError: (404, "not_found", "there is no such thing here", {}),
    IllegalCursorError: (400, "cursor_invalid", "the cursor is none of ours", {}),
    SeenOtherwiseError: (
        *(409, "moved_by_another", "it has changed since you have seen it; look again"),
        {},
    ),
    CrowdedTrailError: (
        *(503, "crowded", "others are at work on it; try again"),
        {"Retry-After": "2"},
    ),
}
"""What stops a request, on HTTP."""


def for_staff(
    request: Request, roles: frozenset[str], work: Callable[[Identity], Response]
) -> Response:
    """Work a request for somebody in one of the roles, and answer whatever goes wrong."""
    try:
        return work(_staff(request, roles))
    except UnreadableBodyError as error:
        return problem(error.status, error.code, error.detail)
    except ValidationError as error:
        return problem(422, "invalid_body", "the body does not fit", errors=errors_of(error))
    except UnfittingQueryError as error:
        return problem(400, "query_invalid", f"the query's {error} does not fit")
    except StepRefusedError as error:
        return problem(403 if error.rule in NOT_ALLOWED else 409, error.rule, error.detail)
    except tuple(TROUBLES) as error:
        status, code, detail, headers = TROUBLES[type(error)]
        answer = problem(status, code, detail)
        answer.headers.update(headers)
        return answer
    except Exception as error:  # noqa: BLE001  the last resort: nothing of it reaches the caller
        log.error("failed", error=type(error).__name__, where=where(error))
        count("ApiFailures")
        return problem(500, "internal_error", "something went wrong here; try again later")


def _staff(request: Request, roles: frozenset[str]) -> Identity:
    identity = caller.identity(request)
    if not roles & identity.roles:
        raise ForbiddenError
    return identity


def body_of(model: type[Model], request: Request) -> Model:
    """Read a request's body, strictly."""
    return request_body.read(model, request_body.bytes_of(request))


def answered(body: BaseModel, *, status: int = 200) -> Response:
    """Send a body."""
    return Response(
        body=body.model_dump(mode="json"),
        status_code=status,
        headers={
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def query_of(request: Request, name: str) -> str:
    """Read one part of the query; empty if it is not there."""
    given: Mapping[str, str] = request.query_params or {}
    return given.get(name, "")


def date_in(text: str) -> date | None:
    """Read a date as it is written, YYYY-MM-DD; None if the text is empty.

    :raises UnfittingQueryError: if it is no date.
    """
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise UnfittingQueryError("date") from None
    if found.isoformat() != text:
        raise UnfittingQueryError("date")
    return found


def day_in_path(text: str) -> date:
    """Read the date a path names.

    :raises NothingThereError: if it is no date.
    """
    try:
        found = date_in(text)
    except UnfittingQueryError:
        raise NothingThereError from None
    if found is None:
        raise NothingThereError
    return found
