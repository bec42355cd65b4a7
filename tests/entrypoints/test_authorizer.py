"""The door of the API, as API Gateway asks it, and the same check behind it."""

import pytest
from chalice.app import Chalice, Response

from chalicelib import wiring
from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.telemetry import log
from chalicelib.domain.identity import Identity
from chalicelib.entrypoints import authorizer, caller
from chalicelib.entrypoints.boundary import HandlerFailedError, UnauthorizedError
from tests.entrypoints.gateway import gateway

GOOD = "good.good.good"
CANARY = "eyJjYW5hcnki.eyJjYW5hcnki.c2ln"
ARN = "arn:aws:execute-api:cn-north-1:000000000000:abc/api/GET/v1/loans"


class Judge:
    def identity(self, token):
        if token == GOOD:
            return Identity(subject="B1", roles=frozenset({"borrower"}))
        if token == "unknowable":
            raise TokensUnverifiableError("the issuer does not answer")
        raise BadTokenError("signature")


@pytest.fixture(autouse=True)
def judge(monkeypatch):
    monkeypatch.setattr(wiring, "access_tokens", Judge)


@pytest.fixture
def said(monkeypatch):
    """Collect what is logged and counted."""
    made = []
    for kind in ("info", "warning", "error"):
        monkeypatch.setattr(
            log, kind, lambda text, kind=kind, **more: made.append((kind, text, more))
        )
    monkeypatch.setattr(caller, "count", lambda name: made.append(("count", name, {})))
    return made


def asked(authorization):
    event = {"type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN}
    return authorizer.borrower(event, None)


class TestTheAuthorizer:
    @pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
    def test_lets_a_good_token_through_to_every_route(self, scheme):
        answer = asked(scheme + GOOD)

        assert answer["principalId"] == "B1"
        [statement] = answer["policyDocument"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Resource"] == ["arn:aws:execute-api:cn-north-1:000000000000:abc/api/*/*"]

    @pytest.mark.parametrize(
        "authorization", ["", GOOD, f"Basic {GOOD}", "Bearer", "Bearer ", f"Bearer {CANARY}"]
    )
    def test_refuses_anything_else_by_the_word_that_api_gateway_knows(self, authorization):
        with pytest.raises(UnauthorizedError) as error:
            asked(authorization)

        assert str(error.value) == "Unauthorized"

    def test_fails_where_no_token_can_be_judged(self):
        with pytest.raises(HandlerFailedError, match="TokensUnverifiableError"):
            asked("Bearer unknowable")

    def test_says_why_it_refused_and_nothing_of_the_token(self, said):
        with pytest.raises(UnauthorizedError):
            asked(f"Bearer {CANARY}")

        assert said == [
            ("warning", "token not believed", {"reason": "signature"}),
            ("count", "TokensRefused", {}),
            ("info", "refused", {}),  # an answer, not a failure
        ]

    def test_says_that_no_token_can_be_judged(self, said):
        with pytest.raises(HandlerFailedError, match="TokensUnverifiableError"):
            asked("Bearer unknowable")

        assert ("count", "TokensUnverifiable", {}) in said
        assert [kind for kind, text, _ in said if text == "failed"] == ["error"]

    def test_is_never_remembered(self):
        app = app_with_a_route()

        assert app.builtin_auth_handlers[0].ttl_seconds == 0


def app_with_a_route():
    app = Chalice(app_name="behind-the-door")
    app.register_blueprint(authorizer.bp)

    @app.route("/mine", authorizer=authorizer.borrower)
    def mine():
        try:
            return {"subject": caller.identity(app.current_request).subject}
        except BadTokenError:
            return Response(body={}, status_code=401)

    @app.route("/forgotten")
    def forgotten():
        return mine()

    return app


class TestARoute:
    @pytest.mark.parametrize("path", ["/mine", "/forgotten"])
    def test_serves_who_shows_a_good_token(self, path):
        with gateway(app_with_a_route()) as api:
            assert api.get(path, token=GOOD).json_body == {"subject": "B1"}

    @pytest.mark.parametrize("path", ["/mine", "/forgotten"])
    @pytest.mark.parametrize("token", [None, "", "bad", CANARY])
    def test_is_closed_without_one_even_if_its_authorizer_was_forgotten(self, path, token):
        with gateway(app_with_a_route()) as api:
            assert api.get(path, token=token).status_code == 401
