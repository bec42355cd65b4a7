"""Who may do what at the borrower's API, and what leaks: nothing.

Test numbers are those of failures.md part D.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from io import StringIO

import jwt
import pytest
from chalice.config import Config
from chalice.local import LocalGateway

from app import app
from chalicelib import wiring
from chalicelib.adapters.page_tokens import Purpose
from chalicelib.adapters.wall_clock import wall_clock
from tests.builders import a_cut, a_loan, at
from tests.entrypoints.house import AUDIENCE, ISSUER, Phone
from tests.lambdas import log_to

NAME = '<img src=x onerror=alert(1)>{{7*7}}\r\n=HYPERLINK("http://x")王小明'
PHONE = "13912345678"
OFFICES = ("operations", "finance", "collector", "risk", "approver", "auditor", "borrowers")
A_QUOTE_ID = "Qabcdefghijklmno2"
AN_ORDER_NO = f"20261124-{A_QUOTE_ID}-LN1"


@dataclass(frozen=True)
class Route:
    """One route of the borrower's: with which body, and what its owner and a stranger get.

    `of` says which of a borrower's things it names, and `path` where; `misses` how many names a
    minute may be tried.
    """

    method: str
    path: str
    owner: int
    stranger: int
    of: str = ""
    body: str = ""
    misses: int = 20

    def asked(self, house, phone, *, thing=None, body=None):
        """Ask for something, else for what is B1's."""
        of_b1 = {"loan": "LN1", "order": house.order_no}.get(self.of, "")
        path = self.path.replace("{thing}", of_b1 if thing is None else thing)
        if self.method == "GET":
            return phone.get(path)
        sent = (self.body if body is None else body).replace("{quote}", house.quote_id)
        return phone.post(path, sent.encode(), headers={"Idempotency-Key": "a-key"})


MATRIX = {
    "/v1/loans": [Route("GET", "/v1/loans", owner=200, stranger=200)],
    "/v1/loans/{loan_id}": [Route("GET", "/v1/loans/{thing}", owner=200, stranger=404, of="loan")],
    "/v1/loans/{loan_id}/quotes": [
        Route("POST", "/v1/loans/{thing}/quotes", 201, 404, of="loan", body='{"kind": "full"}')
    ],
    "/v1/loans/{loan_id}/repayments": [
        Route(
            "POST",
            "/v1/loans/{thing}/repayments",
            *(202, 404),
            of="loan",
            body='{"quote_id": "{quote}"}',
            misses=10,  # of repayments there are fewer
        )
    ],
    "/v1/repayments/{order_no}": [
        Route("GET", "/v1/repayments/{thing}", owner=200, stranger=404, of="order")
    ],
    "/v1/page-links": [Route("POST", "/v1/page-links", owner=201, stranger=201, body="{}")],
}
"""Every route of the borrower's, with who gets what of it."""

FOR_STAFF = "/v1/ops/"
FOR_OTHERS = {"/v1/health", "/v1/notifications/payments", "/v1/notifications/sms"}
EVERY_ROUTE = [pytest.param(route, id=path) for path, each in MATRIX.items() for route in each]
OF_ONE_BORROWER = [param for param in EVERY_ROUTE if param.values[0].of]
WITH_BODIES = [param for param in EVERY_ROUTE if param.values[0].body]


@pytest.fixture
def house(house):
    """Give B1 a loan with an order of a round behind it and a quote before it, B2 a loan."""
    house.book(a_loan(), a_cut(), name=NAME, phone=PHONE)
    house.book(a_loan("LN2", borrower_id="B2"), a_cut())
    house.order_no = house.deduct()
    house.quote_id = house.phone().quote()["quote_id"]
    return house


@pytest.fixture
def logged(monkeypatch):
    stream = StringIO()
    log_to(stream, monkeypatch)
    return stream


def facts_of(answer):
    return answer.status_code, answer.body, answer.headers


class TestEveryRoute:
    def test_is_in_the_matrix_with_each_of_its_methods(self):
        served = {
            (method, path)
            for path, by_method in app.routes.items()
            for method in by_method
            if path.startswith("/v1/") and path not in FOR_OTHERS and not path.startswith(FOR_STAFF)
        }

        assert served == {(one.method, path) for path, each in MATRIX.items() for one in each}

    @pytest.mark.parametrize("route", EVERY_ROUTE)
    def test_serves_its_owner(self, house, route):
        answer = route.asked(house, house.phone())

        assert answer.status_code == route.owner

    @pytest.mark.parametrize("route", EVERY_ROUTE)
    def test_shows_a_stranger_nothing(self, house, route):
        answer = route.asked(house, house.phone("B2"))

        assert answer.status_code == route.stranger
        assert b"LN1" not in answer.body

    @pytest.mark.parametrize("roles", [(), ("funder",), OFFICES])
    def test_61_is_for_the_role_of_a_borrower_alone(self, house, roles):
        assert asked_all(house, house.phone(roles=roles)) == all_of({403})

    def test_60_is_closed_at_once_to_a_borrower_who_is_blocked(self, house):
        phone = house.phone()
        wiring.controls().block("B1", on=True, by="ops", at=at(10))
        blocked = asked_all(house, phone)
        wiring.controls().block("B1", on=False, by="ops", at=at(10))

        assert blocked == all_of({403})
        assert phone.loan().status_code == 200

    def test_59_is_closed_without_a_token(self, house):
        assert asked_all(house, Phone(house, None)) == all_of({401})


def asked_all(house, phone):
    """Ask every route for what is B1's, and give what each answers."""
    return {
        path: {route.asked(house, phone).status_code for route in routes}
        for path, routes in MATRIX.items()
    }


def all_of(statuses):
    return dict.fromkeys(MATRIX, statuses)


class TestWhatIsNotHis:
    @pytest.mark.parametrize("route", OF_ONE_BORROWER)
    def test_58_answers_as_what_is_not_there(self, house, route):
        house.restrict_keys()
        phone = house.phone("B2")
        foreign = route.asked(house, phone)
        for thing in guesses(route.of):
            assert facts_of(route.asked(house, phone, thing=thing)) == facts_of(foreign), thing
            house.wall.passes(60)
        assert (foreign.status_code, house.orders()) == (404, [])

    def test_58_is_not_his_by_way_of_a_quote_either(self, house):
        phone = house.phone("B2")
        foreign = phone.pays(house.quote_id, loan_id="LN2")
        missing = phone.pays(A_QUOTE_ID, loan_id="LN2")
        of_his_own = phone.pays(phone.quote("LN2")["quote_id"], loan_id="LN1", key="other")

        assert facts_of(foreign) == facts_of(missing) == facts_of(of_his_own)
        assert (foreign.status_code, house.orders()) == (404, [])

    @pytest.mark.parametrize("route", OF_ONE_BORROWER)
    def test_58_may_not_be_guessed_for_long(self, house, route):
        phone = house.phone("B2")
        names = [f"{'20261124-1-' if route.of == 'order' else ''}X{n}" for n in range(21)]
        seen = [route.asked(house, phone, thing=name).status_code for name in names]
        own = phone.loan("LN2").status_code
        house.wall.passes(60)

        assert seen == [404] * route.misses + [429] * (21 - route.misses)
        assert own == (429 if route.misses == 20 else 200), "who guesses must wait for everything"
        assert phone.loan("LN2").status_code == 200

    def test_58_leaves_a_trace(self, house, logged):
        house.phone("B2").loan("LN1")

        assert '"result":404' in logged.getvalue()

    def test_58_is_behind_no_link_of_his(self, house):
        url = house.phone("B2").post("/v1/page-links", {}).json_body["url"]
        token = url.partition("token=")[2]

        visit = wiring.page_tokens().read(token, purpose=Purpose.LINK, now=wall_clock())
        assert visit.borrower_id == "B2"

    def test_58_is_not_listed(self, house):
        [listed] = house.phone("B2").get("/v1/loans").json_body["loans"]

        assert listed["loan_id"] == "LN2"


def guesses(of):
    """List names of things that are not there, or can be no name at all."""
    shapes = ["LN9", "ln1", "LN1%00", "LN1%20", "%2e%2e", "借款", "*", "x" * 65, "x" * 3000]
    if of == "loan":
        return shapes
    nobodys = [AN_ORDER_NO, "20261124-2-LN1", "20261124-9-LN1", "20269999-1-LN1", "LN1", "0"]
    return [*nobodys, *(f"20261124-1-{shape}" for shape in shapes)]


class TestABody:
    @pytest.mark.parametrize("route", WITH_BODIES[:2])
    @pytest.mark.parametrize(
        "extra", ['"role": "operations"', '"borrower_id": "B2"', '"roles": []', '"amount": 1']
    )
    def test_61_that_claims_more_than_the_token_is_refused(self, house, route, extra):
        body = f"{route.body[:-1]}, {extra}}}"
        answer = route.asked(house, house.phone(), body=body)

        assert (answer.status_code, answer.json_body["code"]) == (422, "invalid_body")
        assert [error["reason"] for error in answer.json_body["errors"]] == ["extra_forbidden"]
        assert house.orders() == []


class TestAToken:
    """The rest of the ways to forge one: tests/unit/test_access_tokens.py."""

    def test_59_that_is_not_to_be_believed_is_refused_at_the_door_and_behind_it(
        self, house, issuing
    ):
        for what, token in forged(issuing.issuer).items():
            assert house.request("GET", "/v1/loans", token=token).status_code == 401, what
            answer = behind_the_door(token)
            assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "bad_token")
            assert answer["headers"]["Cache-Control"] == "no-store"

    def test_59_that_is_good_is_believed_behind_the_door(self, house):
        assert behind_the_door(house.phone().token)["statusCode"] == 200

    def test_59_is_no_page_token(self, house):
        url = house.phone().post("/v1/page-links", {}).json_body["url"]

        assert behind_the_door(url.partition("token=")[2])["statusCode"] == 401

    def test_59_signed_with_a_key_that_rotated_in_is_believed(self, house, issuing):
        house.phone().loan()
        old = house.phone()
        issuing.issuer.rotate()
        house.restart()

        assert [phone.loan().status_code for phone in (old, house.phone())] == [200, 200]


def forged(issuer):
    """Make tokens that are wrong in one thing each."""
    key, now = issuer._keys[0], int(wall_clock().timestamp())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "B1", "roles": ["borrower"]}
    claims |= {"iat": now, "exp": now + 900}
    head = {"kid": key.key_id, "typ": "at+jwt"}

    def signed(*, headers=None, **changes):
        return jwt.encode(
            {**claims, **changes}, key.private, "RS256", headers={**head, **(headers or {})}
        )

    assert behind_the_door(signed())["statusCode"] == 200, "each is good but for one thing"
    return {
        "expired": signed(exp=now - 61),
        "not yet": signed(nbf=now + 120),
        "for another": signed(aud="afterloan-console"),
        "from another": signed(iss="https://thief.test"),
        "an id token": signed(headers={"typ": "JWT"}),
        "a kid that is a path": signed(headers={"kid": "../../dev/null"}),
        "brings its keys": signed(headers={"jku": "https://thief.test/jwks.json"}),
        "signed by nobody": unsigned({**head, "alg": "none"}, claims),
        "signed with the public key": by_hmac({**head, "alg": "HS256"}, claims, issuer),
        "nobody's": signed(sub=""),
    }


def unsigned(head, claims):
    parts = (json.dumps(part).encode() for part in (head, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def by_hmac(head, claims, issuer):
    text = unsigned(head, claims).rstrip(".")
    secret = json.dumps(issuer.jwks()["keys"][0]).encode()
    digest = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def behind_the_door(token):
    """Call the API's Lambda as if the authorizer had let the token through."""
    made = LocalGateway(app, Config.create()).event_converter.create_lambda_event(
        method="GET", path="/v1/loans", headers={"authorization": f"Bearer {token}"}, body=b""
    )
    return app(made, None)


class TestABorrowersNameAndPhone:
    def test_65_66_are_in_no_answer_log_line_or_message(self, house, logged):
        house.platform.script("AG-LN1", ["processing_then_succeed"])
        phone = house.phone()
        quoted = phone.quote()
        started = phone.pays(quoted["quote_id"])
        phone.pays(quoted["quote_id"], key="other")
        [order_no] = house.send_repayments()
        phone.get(started.headers["Location"])
        house.clock(at(10, 10))
        house.ask(order_no)
        house.announce()
        phone.get("/v1/loans")
        phone.loan()
        phone.asks_quote(kind="partial", amount_fen=1)
        phone.post("/v1/page-links", {})
        phone.post("/v1/loans/LN1/quotes", json.dumps({"kind": NAME}).encode())
        for queue in ("asks", "repayments", "notices", "texts"):
            house.waiting(queue)

        assert len(house.charges()) == 2
        assert (len(house.notices()), len(house.messages) > 3, len(house.answers)) == (2, True, 10)
        said = [f"{answer.headers}{answer.body.decode()}" for answer in house.answers]
        for text in (*said, *house.messages, *lines_of(logged)):
            for canary in ("王小明", "onerror", "HYPERLINK", PHONE, phone.token):
                assert canary not in text
                assert canary.encode("unicode_escape").decode() not in text

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/loans/LN1%0d%0aforged",
            "/v1/loans/%0a%7B%22level%22%3A%22INFO%22%7D",
            "/v1/repayments/20261124-1-LN1%0d%0aSet-Cookie:%20a=b",
        ],
    )
    def test_66_and_a_path_with_line_breaks_forge_no_line(self, house, logged, path):
        answer = house.phone().get(path)

        assert answer.status_code == 404
        assert not {"\r", "\n"} & set(str(answer.headers))
        assert [json.loads(line)["message"] for line in lines_of(logged)] == [
            "finished",  # the authorizer
            "missed",
            "finished",
        ]

    def test_66_and_an_idempotency_key_with_line_breaks_forges_no_line(self, house, logged):
        key = 'k\r\n{"level": "INFO"}'
        house.phone().pays(house.quote_id, key=key)

        for line in lines_of(logged):
            assert json.loads(line)["handler"] in {"borrower", "repay"}


def lines_of(stream):
    return stream.getvalue().splitlines()
