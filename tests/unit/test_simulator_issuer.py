"""The issuer of tokens: what it publishes, what it issues, how its keys rotate."""

import json
import stat
from datetime import timedelta

import jwt
import pytest
import urllib3

from chalicelib.adapters.access_tokens import AccessTokens, BadTokenError
from chalicelib.adapters.issuer_keys import IssuerKeys
from chalicelib.adapters.wall_clock import wall_clock
from simulators.__main__ import main
from simulators.clock import wall_clock as their_clock
from simulators.issuer import Issuer
from simulators.issuer_service import issuer_service
from simulators.keys import UnreadableKeysError
from simulators.server import SimulatorServer

URL = "http://issuer.test"


class Caller:
    def __init__(self, url):
        self.url = url
        self.pool = urllib3.PoolManager(retries=False)

    def get(self, path):
        response = self.pool.request("GET", self.url + path)
        return response.status, response.json()

    def tell(self, door, **body):
        response = self.pool.request("POST", f"{self.url}/_control/{door}", json=body)
        return response.status, response.json()

    def token(self, **body):
        status, answer = self.tell("tokens", **{"sub": "B1", "roles": ["borrower"], **body})
        assert status == 200
        return answer["access_token"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "issuer"


@pytest.fixture
def issuer(folder):
    made = Issuer(url=URL, directory=folder, clock=their_clock)
    with SimulatorServer(issuer_service(made), port=0) as server:
        caller = Caller(server.url)
        yield caller
        caller.pool.clear()


@pytest.fixture
def tokens(issuer):
    made = []

    def make(clock=wall_clock):
        keys = IssuerKeys(url=f"{issuer.url}/jwks.json")
        made.append(keys)
        return AccessTokens(issuer=URL, audience="afterloan", keys=keys, clock=clock)

    yield make
    for keys in made:
        keys._pool.clear()


def kids(issuer):
    return [key["kid"] for key in issuer.get("/jwks.json")[1]["keys"]]


def test_says_where_its_keys_are(issuer):
    status, found = issuer.get("/.well-known/openid-configuration")

    assert status == 200
    assert (found["issuer"], found["jwks_uri"]) == (URL, f"{URL}/jwks.json")


def test_publishes_no_private_key(issuer):
    for key in issuer.get("/jwks.json")[1]["keys"]:
        assert set(key) <= {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_issues_tokens_that_we_believe(issuer, tokens, alg):
    identity = tokens().identity(issuer.token(alg=alg))

    assert (identity.subject, identity.roles) == ("B1", frozenset({"borrower"}))


def test_issues_what_we_do_not_believe_too(issuer, tokens):
    for wrong in ({"seconds": -120}, {"audience": "else"}):
        with pytest.raises(BadTokenError):
            tokens().identity(issuer.token(**wrong))
    good = issuer.token(seconds=30)
    with pytest.raises(BadTokenError, match="expired"):
        tokens(clock=lambda: wall_clock() + timedelta(seconds=120)).identity(good)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sub": ""},
        {"sub": 7},
        {"roles": "borrower"},
        {"roles": [7]},
        {"seconds": "900"},
        {"seconds": 10**9},
        {"alg": "none"},
        {"alg": ["RS256"]},
        {"audience": 7},
    ],
)
def test_refuses_what_makes_no_token(issuer, wrong):
    status, answer = issuer.tell("tokens", **{"sub": "B1", "roles": [], **wrong})

    assert (status, answer["code"]) == (400, "BAD_CONTROL")


def test_rotates_and_retires_its_keys(issuer, tokens):
    old, before = issuer.token(), kids(issuer)
    issuer.tell("rotate")
    new = issuer.token()

    assert kids(issuer)[2:4] == before[:2]
    assert jwt.get_unverified_header(new)["kid"] not in before
    for token in (old, new):
        assert tokens().identity(token).subject == "B1"

    issuer.tell("retire")
    assert len(kids(issuer)) == 2
    assert tokens().identity(new).subject == "B1"
    with pytest.raises(BadTokenError, match="unknown key"):
        tokens().identity(old)


def test_keeps_its_keys_for_the_owner_alone(issuer, folder):
    before = kids(issuer)
    [file] = folder.iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = Issuer(url=URL, directory=folder, clock=their_clock)
    assert [key["kid"] for key in again.jwks()["keys"]] == before


def test_answers_everybody_unsigned_and_only_where_it_should(issuer):
    response = issuer.pool.request("GET", f"{issuer.url}/jwks.json")

    assert "X-Signature" not in response.headers
    assert issuer.get("/_control/health") == (200, {"name": "issuer"})
    assert issuer.get("/nothing")[0] == 404


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"key_id": "k"}]}'])
def test_says_in_one_line_that_its_keys_are_not_its_own(tmp_path, capsys, content):
    (tmp_path / "issuer.json").write_text(content)
    with pytest.raises(UnreadableKeysError):
        Issuer(url=URL, directory=tmp_path, clock=their_clock)

    assert main(["issuer", "--port", "0", "--keys", str(tmp_path), "--issuer", URL]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "issuer.json").read_text() == content


def test_writes_what_it_reads(folder, issuer):
    kept = json.loads((folder / "issuer.json").read_text())["keys"]

    assert [key["algorithm"] for key in kept[:2]] == ["RS256", "ES256"]
