"""HTTP: whether we are there."""

from chalice.app import Blueprint

from chalicelib.entrypoints.boundary import boundary
from chalicelib.settings import settings

bp = Blueprint(__name__)


@bp.route("/v1/health", methods=["GET"])
@boundary
def health() -> dict[str, str]:
    """Say that the API answers, and for which stage."""
    return {"status": "ok", "stage": settings().stage}
