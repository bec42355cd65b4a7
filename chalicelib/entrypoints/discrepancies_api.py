"""HTTP for finance and operations: what does not agree with a bill, and what is done about it."""

from collections.abc import Callable

from chalice.app import Blueprint, Response

from chalicelib import wiring_operations
from chalicelib.domain.discrepancy import DiscrepancyState
from chalicelib.domain.identity import Identity
from chalicelib.entrypoints.authorizer import borrower as bearer
from chalicelib.entrypoints.boundary import boundary, now
from chalicelib.entrypoints.operations_models import (
    AssignRequest,
    AuditBody,
    CommentRequest,
    DiscrepanciesBody,
    DiscrepancyDetailBody,
    ExplainRequest,
    ReasonRequest,
    ResolveRequest,
    Step,
)
from chalicelib.entrypoints.operations_requests import (
    CHECKERS,
    JSON,
    MAKERS,
    READERS,
    TALKERS,
    UnfittingQueryError,
    answered,
    body_of,
    date_in,
    for_staff,
    query_of,
)
from chalicelib.flows import audit, discrepancy_life
from chalicelib.flows.discrepancy_life import Worked
from chalicelib.settings import settings

bp = Blueprint(__name__)

ONE = "/v1/ops/discrepancies/{reference}"
PAGE = 50
IN_CHANNELS = "-_"


@bp.route("/v1/ops/discrepancies", methods=["GET"], authorizer=bearer)
@boundary
def list_discrepancies() -> Response:
    """List a date's discrepancies, or without one whatever is not resolved, the latest first."""
    return for_staff(bp.current_request, READERS, lambda _who: _listed())


@bp.route(ONE, methods=["GET"], authorizer=bearer)
@boundary
def show_discrepancy(reference: str) -> Response:
    """Show one discrepancy with all that people have added to it."""
    return for_staff(
        bp.current_request,
        READERS,
        lambda _who: _shown(
            Worked(
                discrepancy=discrepancy_life.find(
                    reference=reference, desk=wiring_operations.discrepancies()
                )
            )
        ),
    )


@bp.route(f"{ONE}/audit", methods=["GET"], authorizer=bearer)
@boundary
def audit_of_discrepancy(reference: str) -> Response:
    """Show what people did about a discrepancy, and whether the chain of it holds."""
    return for_staff(bp.current_request, READERS, lambda _who: _audited(reference))


@bp.route(f"{ONE}/comments", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def comment_on_discrepancy(reference: str) -> Response:
    """Say something about a discrepancy."""
    return _step(reference, TALKERS, CommentRequest, discrepancy_life.comment, status=201)


@bp.route(f"{ONE}/assign", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def assign_discrepancy(reference: str) -> Response:
    """Hand a discrepancy to somebody."""
    return _step(reference, TALKERS, AssignRequest, discrepancy_life.assign)


@bp.route(f"{ONE}/explain", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def explain_discrepancy(reference: str) -> Response:
    """Propose what is to be done about a discrepancy; the answer shows its effect."""
    return _step(reference, MAKERS, ExplainRequest, discrepancy_life.explain)


@bp.route(f"{ONE}/resolve", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def resolve_discrepancy(reference: str) -> Response:
    """Approve what is proposed, as a second person, and have it done."""
    return _step(reference, CHECKERS, ResolveRequest, discrepancy_life.approve)


@bp.route(f"{ONE}/reject", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def reject_discrepancy(reference: str) -> Response:
    """Take a proposal off again."""
    return _step(reference, CHECKERS, ReasonRequest, discrepancy_life.reject)


@bp.route(f"{ONE}/reopen", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def reopen_discrepancy(reference: str) -> Response:
    """Open a discrepancy again."""
    return _step(reference, MAKERS, ReasonRequest, discrepancy_life.reopen)


# --- one request each -------------------------------------------------------------------


def _listed() -> Response:
    request, store = bp.current_request, wiring_operations.discrepancies().discrepancies
    business_date = date_in(query_of(request, "date"))
    channel, owner = query_of(request, "channel"), query_of(request, "owner")
    state, cursor = query_of(request, "state"), query_of(request, "cursor")
    if state and state not in set(DiscrepancyState):
        raise UnfittingQueryError("state")
    if not all(one.isascii() and (one.isalnum() or one in IN_CHANNELS) for one in channel):
        raise UnfittingQueryError("channel")
    page = (
        store.page_of_day(
            business_date=business_date,
            channel=channel or settings().channel,
            cursor=cursor,
            count_max=PAGE,
        )
        if business_date
        else store.page_of_open(cursor=cursor, count_max=PAGE)
    )
    found = [
        each
        for each in page.discrepancies
        if (not state or each.state == state)
        and (not owner or each.handling.owner == owner)
        and (not channel or each.channel == channel)
    ]
    return answered(DiscrepanciesBody.of(found, cursor=page.cursor, today=now().date()))


def _step(
    reference: str,
    roles: frozenset[str],
    takes: type[Step],
    verb: Callable[..., Worked],
    *,
    status: int = 200,
) -> Response:
    """Take a step as the body wishes it, and show what it came to."""

    def work(who: Identity) -> Response:
        wanted = body_of(takes, bp.current_request)
        worked = verb(
            reference=reference,
            **wanted.as_wished(),
            by=who.subject,
            now=now(),
            desk=wiring_operations.discrepancies(),
        )
        return _shown(worked, status=status)

    return for_staff(bp.current_request, roles, work)


def _shown(worked: Worked, *, status: int = 200) -> Response:
    return answered(
        DiscrepancyDetailBody.of(
            worked.discrepancy, today=now().date(), waits_for=worked.waits_for
        ),
        status=status,
    )


def _audited(reference: str) -> Response:
    desk = wiring_operations.discrepancies()
    subject = discrepancy_life.subject_of(discrepancy_life.find(reference=reference, desk=desk))
    return answered(
        AuditBody.of(
            list(desk.trail.of_subject(subject)),
            broken_at=audit.verify(subject=subject, trail=desk.trail),
        )
    )
