"""Access tokens: every way to forge one, and the keys coming and going.

The keys come over HTTP from a server on the loopback, the tokens from PyJWT or from bare hands.
"""

import base64
import hashlib
import hmac
import json
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from chalicelib.adapters.access_tokens import (
    CHARACTERS_MAX,
    AccessTokens,
    BadTokenError,
    TokensUnverifiableError,
)
from chalicelib.adapters.issuer_keys import IssuerKeys
from chalicelib.domain.identity import Identity
from tests.builders import at
from tests.fakes import MonotonicClock

ISSUER, AUDIENCE = "https://issuer.test", "afterloan"
NOW = int(at(9).timestamp())


@cache
def rsa_key(name, bits=2048):
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(name):
    return ec.generate_private_key(ec.SECP256R1())


def public(key, kid, **more):
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    made = algorithm.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, "kid": kid, "use": "sig", **more}


class Issuer:
    """A JWKS on the loopback, counted, that can fail in any way."""

    def __init__(self):
        self.keys = [public(rsa_key("a"), "ka"), public(ec_key("e"), "ke")]
        self.status, self.body, self.headers, self.asked = 200, None, {}, 0

    def answer(self):
        self.asked += 1
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


@contextmanager
def serving(issuer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = issuer.answer()
            self.send_response(issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def clock():
    return MonotonicClock()


@pytest.fixture
def tokens(issuer, clock):
    with serving(issuer) as url:
        keys = IssuerKeys(url=url, monotonic=clock)
        yield AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=lambda: at(9))
        keys._pool.clear()


CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "B1",
    "roles": ["borrower"],
    "iat": NOW,
    "exp": NOW + 900,
}


def a_token(*, key=None, alg="RS256", kid="ka", typ="at+jwt", headers=None, without=(), **claims):
    payload = {name: value for name, value in {**CLAIMS, **claims}.items() if name not in without}
    return jwt.encode(
        payload,
        key or rsa_key("a"),
        algorithm=alg,
        headers={"kid": kid, "typ": typ, **(headers or {})},
    )


def by_hand(header, payload, signature=b""):
    """Make what no library would make."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )


def refused(tokens, token):
    with pytest.raises(BadTokenError) as error:
        tokens.identity(token)
    assert token == "" or token not in str(error.value)
    return str(error.value)


class TestAGoodToken:
    def test_says_who_calls_and_in_which_roles(self, tokens):
        assert tokens.identity(a_token()) == Identity(subject="B1", roles=frozenset({"borrower"}))

    def test_may_be_signed_on_an_elliptic_curve(self, tokens):
        token = a_token(key=ec_key("e"), alg="ES256", kid="ke")

        assert tokens.identity(token).subject == "B1"

    def test_may_be_for_several_audiences_and_carry_no_roles(self, tokens):
        token = a_token(aud=["else", AUDIENCE], without=("roles",))

        assert tokens.identity(token).roles == frozenset()

    @pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
    def test_says_that_it_is_an_access_token(self, tokens, typ):
        assert tokens.identity(a_token(typ=typ)).subject == "B1"


class TestAForgedToken:
    @pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 7, ["RS256"], {}])
    def test_without_an_algorithm(self, tokens, alg):
        for signature in (b"", b"x" * 256):
            token = by_hand({"alg": alg, "kid": "ka", "typ": "at+jwt"}, CLAIMS, signature)
            assert refused(tokens, token) == "algorithm"

    @pytest.mark.parametrize("encoding", ["pem", "der", "n"])
    def test_signed_with_the_public_key_as_a_secret(self, tokens, encoding):
        key = rsa_key("a").public_key()
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        secret = {
            "pem": key.public_bytes(serialization.Encoding.PEM, info),
            "der": key.public_bytes(serialization.Encoding.DER, info),
            "n": public(rsa_key("a"), "ka")["n"].encode(),
        }[encoding]
        text = by_hand({"alg": "HS256", "kid": "ka", "typ": "at+jwt"}, CLAIMS).rstrip(".")
        digest = hmac.digest(secret, text.encode(), hashlib.sha256)
        signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

        assert refused(tokens, f"{text}.{signature}") == "algorithm"

    @pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
    def test_with_an_algorithm_that_is_not_allowed(self, tokens, alg):
        assert refused(tokens, a_token(alg=alg)) == "algorithm"

    def test_with_an_algorithm_of_another_kind_of_key(self, tokens):
        token = a_token(key=ec_key("e"), alg="ES256", kid="ka")

        assert refused(tokens, token) == "algorithm does not fit the key"

    def test_signed_by_somebody_else_under_a_known_key_id(self, tokens):
        assert refused(tokens, a_token(key=rsa_key("thief"))) == "signature"

    def test_changed_after_it_was_signed(self, tokens):
        head, _, signature = a_token().split(".")
        _, payload, _ = a_token(sub="B2").split(".")

        assert refused(tokens, f"{head}.{payload}.{signature}") == "signature"
        assert refused(tokens, f"{head}.{payload}.") == "signature"

    @pytest.mark.parametrize(
        "kid", ["../../dev/null", "ka' OR '1'='1", "ka\n", "", "ké", "k" * 65, None, 7, ["ka"]]
    )
    def test_with_a_key_id_that_is_none(self, tokens, issuer, kid):
        token = by_hand({"alg": "RS256", "kid": kid, "typ": "at+jwt"}, CLAIMS, b"x" * 256)

        assert refused(tokens, token) in {"key id", "malformed"}
        assert issuer.asked == 0

    def test_without_a_key_id(self, tokens):
        token = by_hand({"alg": "RS256", "typ": "at+jwt"}, CLAIMS, b"x" * 256)

        assert refused(tokens, token) in {"key id", "malformed"}

    @pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "b64"])
    def test_that_brings_its_own_key_or_rules(self, tokens, name):
        thief = rsa_key("thief")
        brought = {
            "jwk": public(thief, "ka"),
            "crit": ["exp"],
            "b64": True,
        }.get(name, "https://thief.test/jwks.json")
        head = {"alg": "RS256", "kid": "ka", "typ": "at+jwt", name: brought}
        _, _, signature = a_token(key=thief).split(".")

        token = by_hand(head, CLAIMS) + signature
        assert refused(tokens, token) in {"header brings its own key or rules", "malformed"}

    @pytest.mark.parametrize("typ", ["JWT", "id_token", "", "at+jwt2", None])
    def test_that_is_an_id_token(self, tokens, typ):
        assert refused(tokens, a_token(typ=typ)) == "not an access token"

    @pytest.mark.parametrize(
        "token",
        [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c",
            "a.b.c.d",
            "e30.e30.e30",
            "Bearer x",
            "\x00",
            "令牌.令牌.令牌",
            "x" * (CHARACTERS_MAX + 1),
            by_hand(b"[" * 1500, {}),
            by_hand(b"[]", {}),
        ],
    )
    def test_that_is_no_token_at_all(self, tokens, issuer, token):
        assert refused(tokens, token) in {"not a token", "malformed", "algorithm"}
        assert issuer.asked == 0

    def test_that_is_good_but_larger_than_any(self, tokens):
        assert refused(tokens, a_token(padding="x" * CHARACTERS_MAX)) == "not a token"

    def test_whose_payload_is_nonsense(self, tokens):
        for payload in (b"[]", b"7", b"{", b"\xff", b"[" * 2000):
            signed = jwt.api_jws.encode(
                payload, rsa_key("a"), algorithm="RS256", headers={"kid": "ka", "typ": "at+jwt"}
            )
            assert refused(tokens, signed) == "malformed"


class TestTheClaims:
    @pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub"])
    def test_are_all_there(self, tokens, name):
        assert refused(tokens, a_token(without=(name,))) == f"claim {name} is missing"

    @pytest.mark.parametrize("issued_by", ["https://issuer.test/", "https://thief.test", ""])
    def test_name_our_issuer(self, tokens, issued_by):
        assert refused(tokens, a_token(iss=issued_by)) == "issuer"

    @pytest.mark.parametrize("audience", ["afterloan-console", "", [], ["afterloan2"]])
    def test_name_us(self, tokens, audience):
        assert refused(tokens, a_token(aud=audience)) in {"audience", "claim aud is missing"}

    @pytest.mark.parametrize("subject", ["", "B 1", "../B1", "B1\n", "借款人", "B" * 65])
    def test_name_a_subject_of_ours(self, tokens, subject):
        assert refused(tokens, a_token(sub=subject)) == "claim sub"

    @pytest.mark.parametrize(
        "roles", ["borrower", {"borrower": 1}, [7], ["Borrower"], ["a b"], [""], ["a"] * 17]
    )
    def test_hold_roles_in_a_list(self, tokens, roles):
        assert refused(tokens, a_token(roles=roles)) == "claim roles"

    @pytest.mark.parametrize(
        ("claim", "offset", "reason"),
        [
            ("exp", 1, None),
            ("exp", 0, None),
            ("exp", -59, None),
            ("exp", -60, "expired"),
            ("exp", -61, "expired"),
            ("nbf", 60, None),
            ("nbf", 61, "not valid yet"),
            ("iat", 60, None),
            ("iat", 61, "issued in the future"),
        ],
    )
    def test_hold_times_with_a_minute_to_spare(self, tokens, claim, offset, reason):
        token = a_token(**{claim: NOW + offset})
        if reason:
            assert refused(tokens, token) == reason
        else:
            assert tokens.identity(token).subject == "B1"

    @pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize(
        "value", [True, "2000000000", [], {}, float("nan"), float("inf"), -float("inf")]
    )
    def test_hold_times_that_are_numbers(self, tokens, claim, value):
        payload = json.dumps({**CLAIMS, claim: value}).encode()
        token = jwt.api_jws.encode(
            payload, rsa_key("a"), algorithm="RS256", headers={"kid": "ka", "typ": "at+jwt"}
        )

        assert refused(tokens, token) == f"claim {claim}"

    def test_are_judged_by_the_clock_that_is_given(self, issuer, clock):
        with serving(issuer) as url:
            keys = IssuerKeys(url=url, monotonic=clock)
            later = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=lambda: at(11))
            assert refused(later, a_token()) == "expired"
            keys._pool.clear()


class TestTheKeys:
    def test_are_read_once_in_five_minutes(self, tokens, issuer, clock):
        for _ in range(3):
            tokens.identity(a_token())
        clock.seconds += 299
        tokens.identity(a_token())
        assert issuer.asked == 1

        clock.seconds += 2
        tokens.identity(a_token())
        assert issuer.asked == 2

    def test_rotate_while_both_verify(self, tokens, issuer, clock):
        tokens.identity(a_token())
        issuer.keys.insert(0, public(rsa_key("b"), "kb"))

        assert tokens.identity(a_token(key=rsa_key("b"), kid="kb")).subject == "B1"
        assert tokens.identity(a_token()).subject == "B1"
        assert issuer.asked == 2

    def test_that_are_retired_verify_nothing(self, tokens, issuer, clock):
        tokens.identity(a_token())
        issuer.keys = [public(rsa_key("b"), "kb")]
        clock.seconds += 301

        assert refused(tokens, a_token()) == "unknown key"

    def test_are_not_read_for_every_made_up_key_id(self, tokens, issuer, clock):
        tokens.identity(a_token())
        for number in range(20):
            assert refused(tokens, a_token(kid=f"made-up-{number}")) == "unknown key"
        assert issuer.asked == 2

        clock.seconds += 30
        for number in range(20):
            assert refused(tokens, a_token(kid=f"made-up-{number}")) == "unknown key"
        assert issuer.asked == 3

    def test_serve_on_for_an_hour_while_the_issuer_is_down(self, tokens, issuer, clock):
        tokens.identity(a_token())
        issuer.status = 500
        for _ in range(3590 // 10):
            clock.seconds += 10
            assert tokens.identity(a_token()).subject == "B1"
        assert issuer.asked <= 1 + 3600 // 30, "an issuer that is down is left in peace"

        clock.seconds += 11
        with pytest.raises(TokensUnverifiableError, match="500"):
            tokens.identity(a_token())
        issuer.status = 200
        clock.seconds += 30
        assert tokens.identity(a_token()).subject == "B1"

    def test_that_may_be_new_are_no_forgery_while_the_issuer_is_down(self, tokens, issuer, clock):
        tokens.identity(a_token())
        issuer.status = 500
        clock.seconds += 31

        for _ in range(2):
            with pytest.raises(TokensUnverifiableError):
                tokens.identity(a_token(key=rsa_key("b"), kid="kb"))

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (500, b""),
            (404, b"{}"),
            (302, b""),
            (200, b""),
            (200, b"{"),
            (200, b"[]"),
            (200, b'{"keys": 7}'),
            (200, b'{"keys": {}}'),
            (200, b'{"keys": []}'),
            (200, b'{"keys": [7, {}, {"kty": ["RSA"], "kid": "ka"}]}'),
            (200, b"[" * 60_000),
            (200, b'{"keys": []' + b" " * 70_000 + b"}"),
        ],
    )
    def test_that_cannot_be_read_close_the_door(self, tokens, issuer, clock, status, body):
        issuer.status, issuer.body = status, body
        with pytest.raises(TokensUnverifiableError):
            tokens.identity(a_token())

        issuer.status, issuer.body = 200, None
        clock.seconds += 2
        assert tokens.identity(a_token()).subject == "B1"

    def test_are_not_looked_for_where_a_redirect_points(self, tokens, issuer):
        other = Issuer()
        with serving(other) as url:
            issuer.status, issuer.headers = 302, {"Location": url}
            with pytest.raises(TokensUnverifiableError):
                tokens.identity(a_token())
        assert other.asked == 0

    def test_are_not_there_where_nobody_listens(self, clock):
        keys = IssuerKeys(url="http://127.0.0.1:9/jwks.json", monotonic=clock)
        tokens = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=lambda: at(9))

        with pytest.raises(TokensUnverifiableError, match="does not answer"):
            tokens.identity(a_token())

    @pytest.mark.parametrize(("issued_by", "audience"), [("", AUDIENCE), (ISSUER, "")])
    def test_do_not_help_where_no_issuer_is_set(self, issued_by, audience):
        keys = IssuerKeys(url="")
        tokens = AccessTokens(issuer=issued_by, audience=audience, keys=keys, clock=lambda: at(9))

        with pytest.raises(TokensUnverifiableError):
            tokens.identity(a_token())

    def test_that_are_no_keys_of_ours_are_left_out(self, tokens, issuer):
        weak = rsa_key("weak", 1024)
        issuer.keys = [
            {"kty": "oct", "kid": "ka", "k": "c2VjcmV0" * 8, "alg": "HS256"},
            public(rsa_key("a"), "enc", use="enc"),
            public(rsa_key("a"), "ps", alg="PS256"),
            public(rsa_key("a"), "../ka"),
            public(weak, "weak"),
            {**public(ec_key("e"), "bent"), "y": "AAAA"},
            public(ec_key("e"), "ke"),
        ]
        for kid in ("ka", "enc", "ps", "weak", "bent"):
            assert refused(tokens, a_token(kid=kid)) == "unknown key"
        assert tokens.identity(a_token(key=ec_key("e"), alg="ES256", kid="ke")).subject == "B1"
