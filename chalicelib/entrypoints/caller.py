"""Who calls the API: the bearer token of a request, verified where it is used."""

from chalice.app import Request

from chalicelib import wiring
from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.telemetry import count, log
from chalicelib.domain.identity import Identity

SCHEME = "bearer "


def identity(request: Request) -> Identity:
    """Verify a request's token again, whatever an authorizer has said of it.

    :raises BadTokenError: 401; the token is missing or must not be believed.
    :raises TokensUnverifiableError: 503; no token can be judged now.
    """
    return identity_of(request.headers.get("authorization", ""))


def identity_of(authorization: str) -> Identity:
    """Verify the token of an Authorization header; errors as above, and they are counted."""
    try:
        return wiring.access_tokens().identity(_token_of(authorization))
    except BadTokenError as error:
        log.warning("token not believed", reason=str(error))
        count("TokensRefused")
        raise
    except TokensUnverifiableError as error:
        log.error("no token can be judged", reason=str(error))
        count("TokensUnverifiable")
        raise


def _token_of(authorization: str) -> str:
    if not authorization.lower().startswith(SCHEME):
        raise BadTokenError("no bearer token")
    return authorization[len(SCHEME) :].strip(" ")
