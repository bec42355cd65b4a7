"""The borrower's pages: my loans → how much → confirm → waiting → result.

Every page works without JavaScript; what a form does is idempotent, and answered with the way to a
page that can be shown again.
"""

from chalice.app import Blueprint, Response

from chalicelib.entrypoints import page_answers, page_session, page_visits
from chalicelib.entrypoints.boundary import boundary

bp = Blueprint(__name__)

FORM = ["application/x-www-form-urlencoded"]


@bp.route("/m/enter", methods=["GET"])
@boundary
def enter_page() -> Response:
    """Take the token of a link from a text or the app, and begin a session."""
    return page_session.entered(bp.current_request)


@bp.route("/m", methods=["GET"])
@boundary
def show_loans() -> Response:
    """Show a borrower his loans."""
    return page_session.answered(bp.current_request, page_visits.loans)


@bp.route("/m/loans/{loan_id}", methods=["GET"])
@boundary
def show_loan(loan_id: str) -> Response:
    """Show one loan: its schedule, and what was paid."""
    return page_session.answered(bp.current_request, page_visits.loan(loan_id))


@bp.route("/m/repay", methods=["GET"])
@boundary
def show_choices() -> Response:
    """Ask how much is to be paid on the loans that were picked."""
    return page_session.answered(bp.current_request, page_visits.choices)


@bp.route("/m/quotes", methods=["POST"], content_types=FORM)
@boundary
def take_choices() -> Response:
    """Quote what was chosen, or say what is wrong with it."""
    return page_session.answered(bp.current_request, page_visits.quoted)


@bp.route("/m/confirm", methods=["GET"])
@boundary
def show_quotes() -> Response:
    """Show breakdown and new schedule, and ask whether it is really meant."""
    return page_session.answered(bp.current_request, page_visits.confirm)


@bp.route("/m/repayments", methods=["POST"], content_types=FORM)
@boundary
def take_confirmation() -> Response:
    """Start the orders; the same form again starts nothing more."""
    return page_session.answered(bp.current_request, page_visits.started)


@bp.route("/m/result", methods=["GET"])
@boundary
def show_result() -> Response:
    """Show what became of the orders."""
    return page_session.answered(bp.current_request, page_visits.result)


@bp.route("/m/result/progress", methods=["GET"])
@boundary
def show_progress() -> Response:
    """Show what is new of the orders; asking for it does not lengthen the session."""
    return page_session.answered(bp.current_request, page_visits.progress, renews=False)


@bp.route("/m/assets/{name}", methods=["GET"])
@boundary
def show_asset(name: str) -> Response:
    """Serve a file the pages load."""
    return page_answers.asset(name)
