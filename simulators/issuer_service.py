"""The issuer's routes: what everybody may read, and the control door that issues tokens."""

from simulators.issuer import ES256, RS256, SECONDS, SECONDS_MAX, Issuer
from simulators.service import Call, Handler, Service
from simulators.wire import IllegalRequestError, Reply, text_of

AUDIENCE = "afterloan"


def issuer_service(issuer: Issuer) -> Service:
    """Put the issuer behind HTTP; it signs tokens, not answers."""
    return Service(
        name="issuer",
        keys=None,
        routes={
            "GET /.well-known/openid-configuration": lambda _: Reply(body=issuer.configuration()),
            "GET /jwks.json": lambda _: Reply(body=issuer.jwks()),
            "POST /_control/tokens": _tokens(issuer),
            "POST /_control/rotate": lambda _: Reply(body={"keys": issuer.rotate()}),
            "POST /_control/retire": lambda _: Reply(body={"keys": issuer.retire()}),
        },
    )


def _tokens(issuer: Issuer) -> Handler:
    """Make POST /_control/tokens {sub, roles, seconds?, audience?, alg?}."""

    def tokens(call: Call) -> Reply:
        roles = call.body.get("roles")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise IllegalRequestError("roles must be a list of texts")
        seconds = call.body.get("seconds", SECONDS)
        if type(seconds) is not int or abs(seconds) > SECONDS_MAX:
            raise IllegalRequestError(f"seconds must be a whole number of at most {SECONDS_MAX}")
        algorithm = text_of({"alg": RS256, **call.body}, "alg")
        if algorithm not in {RS256, ES256}:
            raise IllegalRequestError("alg must be RS256 or ES256")
        token = issuer.token(
            subject=text_of(call.body, "sub"),
            roles=roles,
            seconds=seconds,
            audience=text_of({"audience": AUDIENCE, **call.body}, "audience"),
            algorithm=algorithm,
        )
        return Reply(body={"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    return tokens
