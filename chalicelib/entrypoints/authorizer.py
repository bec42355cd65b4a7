"""The door of the API: API Gateway asks it before it lets a request with a token through.

It proves the token and nothing more.  Whose loans these are, and whether the role will do, the
handlers decide, and they verify the token once more: a route whose authorizer is forgotten, or
answered from a cache, is still closed.
"""

from chalice.app import AuthRequest, AuthResponse, Blueprint

from chalicelib.adapters.access_tokens import BadTokenError
from chalicelib.entrypoints import caller
from chalicelib.entrypoints.boundary import UnauthorizedError, boundary

bp = Blueprint(__name__)


@bp.authorizer(ttl_seconds=0)  # nothing is remembered: an answer would outlive its token
@boundary
def borrower(request: AuthRequest) -> AuthResponse:
    """Let a believable token through to every route; anything else is refused with 401."""
    try:
        identity = caller.identity_of(request.token)
    except BadTokenError:
        raise UnauthorizedError from None  # logged already; its trace is nobody's business
    # All routes or an exception: with an empty list API Gateway was seen to answer 200.
    return AuthResponse(routes=["*"], principal_id=identity.subject)
