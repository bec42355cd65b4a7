"""Tokens that are forged, borrowed, or shown where none belongs, at the real door and behind it.

What one token can be wrong in is in tests/unit/test_access_tokens.py; here is what only shows
once a door is around it, and the forgeries that file leaves out.  The number is failures.md 59.
"""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from app import app
from chalicelib import wiring
from chalicelib.adapters.wall_clock import wall_clock
from tests.builders import a_cut, a_loan
from tests.entrypoints.callers import Knock, behind_the_door
from tests.entrypoints.gateway import gateway
from tests.entrypoints.house import AUDIENCE, ISSUER, SETTINGS
from tests.lambdas import forget

LOANS = Knock(method="GET", path="/v1/loans")
NOW = int(wall_clock().timestamp())
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "B1",
    "roles": ["borrower"],
    "iat": NOW,
    "exp": NOW + 900,
}


class Forge:
    """Makes tokens with the issuer's own keys, and with a thief's."""

    def __init__(self, issuer):
        self.rsa, self.curve = issuer._keys[:2]
        self.thief = rsa.generate_private_key(65537, 2048)
        self.head = {"kid": self.rsa.key_id, "typ": "at+jwt"}

    def signed(self, *, head=None, key=None, alg="RS256", **claims):
        """Sign whatever is asked for, as no honest library would."""
        payload = json.dumps(CLAIMS | claims).encode()
        head = {name: value for name, value in {**self.head, **(head or {})}.items() if value}
        return jwt.api_jws.encode(payload, key or self.rsa.private, algorithm=alg, headers=head)

    def with_signature(self, signature, **head):
        return f"{b64(json.dumps(self.head | head))}.{b64(json.dumps(CLAIMS))}.{b64(signature)}"

    def with_header(self, text):
        """Keep a good token's payload and signature under a header written by hand."""
        _, payload, signature = self.signed().split(".")
        return f"{b64(text)}.{payload}.{signature}"


def b64(text):
    raw = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture
def door(issuing, monkeypatch):
    """Open the API's door alone: who is refused gets no further, and no store is needed."""
    for name, value in {**SETTINGS, "JWKS_URL": f"{issuing.url}/jwks.json"}.items():
        monkeypatch.setenv(name, value)
    forget()
    with gateway(app) as api:
        yield api
    if wiring.access_tokens.cache_info().currsize:
        wiring.access_tokens()._keys._pool.clear()
    forget()


@pytest.fixture
def forge(issuing):
    return Forge(issuing.issuer)


def told_behind_the_door(authorization):
    answer = behind_the_door(LOANS, headers={"Authorization": authorization})
    return answer["statusCode"], json.loads(answer["body"]).get("code")


FORGERIES = {
    "names its subject by a number": lambda forge: forge.signed(sub=7),
    "names several subjects": lambda forge: forge.signed(sub=["B1"]),
    "names a subject by parts": lambda forge: forge.signed(sub={"id": "B1"}),
    "names its subject by true": lambda forge: forge.signed(sub=True),
    "names its subject by nothing": lambda forge: forge.signed(sub=None),
    "has an issuer among others": lambda forge: forge.signed(iss=[ISSUER, "https://thief.test"]),
    "has no issuer": lambda forge: forge.signed(iss=None),
    "has an audience that is no text": lambda forge: forge.signed(aud=[AUDIENCE, 7]),
    "has an audience of parts": lambda forge: forge.signed(aud={AUDIENCE: True}),
    "has almost our audience": lambda forge: forge.signed(aud=f"{AUDIENCE} "),
    "has our audience in capitals": lambda forge: forge.signed(aud=AUDIENCE.upper()),
    "was issued to sign in": lambda forge: forge.signed(
        head={"typ": "JWT"}, nonce="n", at_hash="h"
    ),
    "says nothing of its type": lambda forge: forge.signed(head={"typ": None}),
    "names no role but in one text": lambda forge: forge.signed(roles="borrower"),
    "names roles by parts": lambda forge: forge.signed(roles={"borrower": True}),
    "is signed by zeros on the curve": lambda forge: forge.with_signature(
        bytes(64), alg="ES256", kid=forge.curve.key_id
    ),
    "is signed by nothing on the curve": lambda forge: forge.with_signature(
        b"", alg="ES256", kid=forge.curve.key_id
    ),
    "is signed by a zero": lambda forge: forge.with_signature(bytes(256), alg="RS256"),
    "is signed on the curve as by RSA": lambda forge: forge.signed(
        head={"kid": forge.rsa.key_id}, key=forge.curve.private, alg="ES256"
    ),
    "names a key of the curve for RSA": lambda forge: forge.signed(
        head={"kid": forge.curve.key_id}
    ),
    "brings a key that fits": lambda forge: forge.signed(
        head={"jwk": RSAAlgorithm.to_jwk(forge.thief.public_key(), as_dict=True)}, key=forge.thief
    ),
    "brings the address of a certificate": lambda forge: forge.signed(
        head={"x5u": "https://thief.test/chain.pem"}
    ),
    "names its key by a statement": lambda forge: forge.signed(head={"kid": "x' OR '1'='1' --"}),
    "names its key by a command": lambda forge: forge.signed(head={"kid": "ka|id"}),
    "names its key by a path": lambda forge: forge.signed(head={"kid": "../../../dev/null"}),
    "names its key at length": lambda forge: forge.signed(head={"kid": "k" * 3000}),
    "names its key in other digits": lambda forge: forge.signed(head={"kid": "ｋ１"}),
    "names its key with an end": lambda forge: forge.signed(head={"kid": "ka\x00"}),
    "says twice how it is signed": lambda forge: forge.with_header(
        f'{{"alg":"none","typ":"at+jwt","kid":"{forge.rsa.key_id}","alg":"RS256"}}'
    ),
    "says at last that it is not signed": lambda forge: forge.with_header(
        f'{{"alg":"RS256","typ":"at+jwt","kid":"{forge.rsa.key_id}","alg":"none"}}'
    ),
    "is compressed": lambda forge: forge.with_header(
        f'{{"alg":"RS256","typ":"at+jwt","kid":"{forge.rsa.key_id}","zip":"DEF"}}'
    ),
    "is encrypted": lambda forge: f"{forge.signed()}.{b64('iv')}.{b64('tag')}",
    "holds another token": lambda forge: ".".join(
        (b64(json.dumps(forge.head | {"alg": "RS256", "cty": "JWT"})), b64(forge.signed()), "c2ln")
    ),
    "is cut in two": lambda forge: forge.signed().replace(".", ". ", 1),
    "comes twice": lambda forge: f"{forge.signed()} {forge.signed()}",
    "comes twice in one header": lambda forge: f"{forge.signed()}, Bearer {forge.signed()}",
}
"""Tokens that must not be believed, by what is wrong with each."""


class TestAToken:
    def test_59_is_good_but_for_what_is_wrong_with_it(self, house, issuing):
        assert house.request("GET", "/v1/loans", token=Forge(issuing.issuer).signed()).json_body

    @pytest.mark.parametrize("what", FORGERIES)
    def test_59_is_refused_at_the_door_and_behind_it_if_it(self, door, forge, what):
        token = FORGERIES[what](forge)

        assert door.get("/v1/loans", token=token).status_code == 401
        assert told_behind_the_door(f"Bearer {token}") == (401, "bad_token")

    @pytest.mark.parametrize(
        ("claim", "seconds", "status"),
        [
            ("exp", -59, 200),
            ("exp", -60, 401),
            ("nbf", 60, 200),
            ("nbf", 61, 401),
            ("iat", 60, 200),
            ("iat", 61, 401),
        ],
    )
    def test_59_is_good_for_a_minute_around_its_times_and_no_longer(
        self, house, issuing, monkeypatch, claim, seconds, status
    ):
        monkeypatch.setattr(wiring, "wall_clock", lambda: house.wall.now.replace(microsecond=0))
        wiring.access_tokens.cache_clear()
        now = int(house.wall.now.timestamp())
        token = Forge(issuing.issuer).signed(**{"iat": now, "exp": now + 900, claim: now + seconds})

        assert house.request("GET", "/v1/loans", token=token).status_code == status
        answer = behind_the_door(LOANS, headers={"Authorization": f"Bearer {token}"})
        assert answer["statusCode"] == status

    def test_59_of_a_key_that_is_no_longer_published_is_refused(self, house, issuing):
        retired = house.phone()
        assert retired.get("/v1/loans").status_code == 200
        issuing.issuer.rotate()
        issuing.issuer.retire()
        house.restart()

        assert retired.get("/v1/loans").status_code == 401
        assert house.phone().get("/v1/loans").status_code == 200

    def test_59_of_a_page_is_none_of_the_api(self, house):
        now = wall_clock()
        tokens = wiring.page_tokens()
        for token in (tokens.link("B1", now=now), tokens.session("B1", now=now, since=now)):
            assert house.request("GET", "/v1/loans", token=token).status_code == 401
            assert told_behind_the_door(f"Bearer {token}") == (401, "bad_token")

    def test_59_of_the_api_is_none_of_a_page(self, house):
        token = house.phone().token
        for given in ({"path": f"/m/enter?token={token}"}, {"cookie": token}):
            cookie = given.get("cookie", "")
            answer = house._api.request(
                "GET",
                given.get("path", "/m"),
                headers={"Cookie": f"afterloan_session={cookie}", "Authorization": token},
            )
            assert answer.status_code == 401


class TestAGoodTokenInTheWrongPlace:
    @pytest.mark.parametrize(
        "scheme", ["Basic ", "Token ", "DPoP ", "Bearer:", "Bearer\t", "bearer", ""]
    )
    def test_59_is_refused_under_another_scheme(self, house, scheme):
        headers = {"Authorization": f"{scheme}{house.phone().token}"}

        assert house._api.request("GET", "/v1/loans", headers=headers).status_code == 401
        assert told_behind_the_door(headers["Authorization"]) == (401, "bad_token")

    def test_59_is_not_looked_for_in_address_cookie_body_or_other_headers(self, house):
        token = house.phone().token
        for headers, query in (
            ({}, f"?access_token={token}"),
            ({"Cookie": f"access_token={token}; Authorization=Bearer {token}"}, ""),
            ({"X-Access-Token": token, "X-Authorization": f"Bearer {token}"}, ""),
            ({"Proxy-Authorization": f"Bearer {token}"}, ""),
        ):
            answer = house._api.request("GET", f"/v1/loans{query}", headers=headers)
            assert answer.status_code == 401, headers


class TestWhoSomebodySaysHeIs:
    @pytest.fixture
    def phone(self, house):
        house.book(a_loan(), a_cut())
        house.book(a_loan("LN2", borrower_id="B2"), a_cut())
        return house.phone("B2")

    def loans(self, answer):
        return [loan["loan_id"] for loan in answer["loans"]]

    def test_61_beside_the_token_is_not_heard(self, house, phone):
        headers = {
            "X-Borrower-Id": "B1",
            "X-User": "B1",
            "X-Forwarded-User": "B1",
            "X-Amzn-Principal-Id": "B1",
            "X-Role": "operations",
        }
        answer = house.request(
            "GET", "/v1/loans?borrower_id=B1&sub=B1", token=phone.token, headers=headers
        )

        assert self.loans(answer.json_body) == ["LN2"]

    def test_61_is_what_the_token_says_whatever_the_gateway_was_told(self, phone):
        headers = {"Authorization": f"Bearer {phone.token}"}
        context = {
            "httpMethod": "GET",
            "resourcePath": "/v1/loans",
            "path": "/v1/loans",
            "identity": {"sourceIp": "127.0.0.1"},
            "authorizer": {"principalId": "B1", "claims": {"sub": "B1"}},
        }
        answer = behind_the_door(LOANS, headers=headers, requestContext=context)

        assert self.loans(json.loads(answer["body"])) == ["LN2"]
