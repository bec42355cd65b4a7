"""HTTP for those who look after the days: runs, reopened days, the pause switch."""

from chalice.app import Blueprint, Response

from chalicelib import wiring, wiring_operations
from chalicelib.entrypoints.authorizer import borrower as bearer
from chalicelib.entrypoints.boundary import boundary, now
from chalicelib.entrypoints.operations_models import (
    DayBody,
    DayReopenRequest,
    NothingRequest,
    RunBody,
    RunDetailBody,
    RunsBody,
    SwitchBody,
)
from chalicelib.entrypoints.operations_requests import (
    CHECKERS,
    JSON,
    MAKERS,
    READERS,
    SWITCHERS,
    NothingThereError,
    answered,
    body_of,
    date_in,
    day_in_path,
    for_staff,
    query_of,
)
from chalicelib.flows import audit, day_reopen

bp = Blueprint(__name__)


@bp.route("/v1/ops/runs", methods=["GET"], authorizer=bearer)
@boundary
def list_runs() -> Response:
    """List the jobs of a date, today's by default."""
    return for_staff(bp.current_request, READERS, lambda _who: _runs())


@bp.route("/v1/ops/runs/{day}", methods=["GET"], authorizer=bearer)
@boundary
def show_day(day: str) -> Response:
    """Show the jobs of a date with their control totals."""
    return for_staff(bp.current_request, READERS, lambda _who: _day(day))


@bp.route("/v1/ops/days/{day}/reopen", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def ask_day_reopened(day: str) -> Response:
    """Ask for a closed day to be opened again."""
    return for_staff(
        bp.current_request,
        MAKERS,
        lambda who: answered(
            RunBody.model_validate(
                RunBody.facts_of(
                    day_reopen.ask(
                        business_date=day_in_path(day),
                        reason=body_of(DayReopenRequest, bp.current_request).reason,
                        by=who.subject,
                        now=now(),
                        desk=wiring_operations.reopenings(),
                    )
                )
            ),
            status=202,
        ),
    )


@bp.route(
    "/v1/ops/days/{day}/reopen/approve", methods=["POST"], authorizer=bearer, content_types=JSON
)
@boundary
def reopen_day(day: str) -> Response:
    """Open a closed day again, as a second person."""

    def work(by: str) -> Response:
        body_of(NothingRequest, bp.current_request)
        run = day_reopen.approve(
            business_date=day_in_path(day), by=by, now=now(), desk=wiring_operations.reopenings()
        )
        return answered(RunBody.model_validate(RunBody.facts_of(run)))

    return for_staff(bp.current_request, CHECKERS, lambda who: work(who.subject))


# --- the pause switch -------------------------------------------------------------------


@bp.route("/v1/ops/pause", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def pause_deductions() -> Response:
    """Send no more deductions, within half a minute."""
    return for_staff(bp.current_request, SWITCHERS, lambda who: _switched(on=True, by=who.subject))


@bp.route("/v1/ops/resume", methods=["POST"], authorizer=bearer, content_types=JSON)
@boundary
def resume_deductions() -> Response:
    """Send deductions again."""
    return for_staff(bp.current_request, SWITCHERS, lambda who: _switched(on=False, by=who.subject))


# --- one request each -------------------------------------------------------------------


def _runs() -> Response:
    business_date = date_in(query_of(bp.current_request, "date")) or now().date()
    found = wiring.runs().of_day(business_date)
    return answered(
        RunsBody(runs=tuple(RunBody.model_validate(RunBody.facts_of(run)) for run in found))
    )


def _day(day: str) -> Response:
    business_date = day_in_path(day)
    found = wiring.runs().of_day(business_date)
    if not found:
        raise NothingThereError
    return answered(
        DayBody(
            business_date=business_date,
            runs=tuple(
                RunDetailBody.model_validate({**RunBody.facts_of(run), "totals": run.totals})
                for run in found
            ),
        )
    )


def _switched(*, on: bool, by: str) -> Response:
    body_of(NothingRequest, bp.current_request)
    at = now()
    audit.note(
        subject="controls",
        at=at,
        by=by,
        verb="pause" if on else "resume",
        trail=wiring_operations.trail(),
    )
    wiring.controls().pause(on=on, by=by, at=at)
    return answered(SwitchBody(paused=on))
