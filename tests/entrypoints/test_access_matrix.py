"""Every door and everybody who may knock at it: what each is answered, and what he learns by it.

Read TABLE first.  Its rows are the route table, all of it; what a word stands for is in ANSWERS.
"""

import json

import pytest

from app import app
from chalicelib import wiring
from chalicelib.domain.discrepancy import reference_of
from chalicelib.domain.reconciliation import Kind
from simulators import keys
from tests.builders import TODAY, a_cut, a_loan
from tests.entrypoints.callers import FORM, OFFICES, Knock, behind_the_door, furnish, replaced

CALLERS = {
    "nobody": "shows nothing",
    "expired": "the owner, with a token that ended a minute ago",
    "owner": "the borrower whose loan it is, with his token",
    "another": "another borrower, with his own token",
    "office": "a token of every other role, and one of none",
    "blocked": "the owner whom a person keeps out, with token and session",
    "session": "the owner on his pages, signed in",
    "neighbour": "another borrower on his pages, signed in",
    "link": "whoever holds the owner's link, before it is used",
    "payments": "the payment platform, signing",
    "texts": "the SMS platform, signing",
    "forger": "somebody else, signing under the payment platform's key id",
}

ANSWERS = {
    "closed": (401, "unauthorized"),  # no token, or none to be believed: the gateway's own answer
    "barred": (403, "forbidden"),  # a good token of somebody who may not use this
    "absent": (404, "not_found"),  # another's, and to the byte what is nobody's
    "unsigned": (401, "bad_signature"),
    "unclosed": (409, "not_closed"),  # he may ask, and the day is open
    "unasked": (409, "not_asked"),  # he may approve, and nobody has asked
    "sign-in": (401, "为了您的安全，请从短信或"),  # the page that leads back to text and app
    "no-page": (404, "没有这笔借款或还款"),  # another's, and to the byte what is nobody's
}
"""What the words of the table stand for; a number alone is served."""

TABLE = """
                                   nobody   expired  owner    another  office   blocked  session  neighbour link     payments texts    forger
GET  /v1/health                    200      200      200      200      200      200      200      200       200      200      200      200
GET  /v1/loans                     closed   closed   200      200      barred   barred   closed   closed    closed   closed   closed   closed
GET  /v1/loans/{loan_id}           closed   closed   200      absent   barred   barred   closed   closed    closed   closed   closed   closed
POST /v1/loans/{loan_id}/quotes    closed   closed   201      absent   barred   barred   closed   closed    closed   closed   closed   closed
POST /v1/loans/{loan_id}/repayments closed  closed   202      absent   barred   barred   closed   closed    closed   closed   closed   closed
GET  /v1/repayments/{order_no}     closed   closed   200      absent   barred   barred   closed   closed    closed   closed   closed   closed
POST /v1/page-links                closed   closed   201      201      barred   barred   closed   closed    closed   closed   closed   closed
POST /v1/notifications/payments    unsigned unsigned unsigned unsigned unsigned unsigned unsigned unsigned  unsigned 200      unsigned unsigned
POST /v1/notifications/sms         unsigned unsigned unsigned unsigned unsigned unsigned unsigned unsigned  unsigned unsigned 200      unsigned
GET  /v1/ops/discrepancies         closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
GET  /v1/ops/discrepancies/{reference} closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
GET  /v1/ops/discrepancies/{reference}/audit closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/comments closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/assign closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/explain closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/resolve closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/reject closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/discrepancies/{reference}/reopen closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
GET  /v1/ops/runs                  closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
GET  /v1/ops/runs/{day}            closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/days/{day}/reopen     closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/days/{day}/reopen/approve closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/pause                 closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
POST /v1/ops/resume                closed   closed   barred   barred   roles    barred   closed   closed   closed   closed   closed   closed
GET  /m/enter                      sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  sign-in   303      sign-in  sign-in  sign-in
GET  /m                            sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      200       sign-in  sign-in  sign-in  sign-in
GET  /m/loans/{loan_id}            sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      no-page   sign-in  sign-in  sign-in  sign-in
GET  /m/repay                      sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      no-page   sign-in  sign-in  sign-in  sign-in
POST /m/quotes                     sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  303      no-page   sign-in  sign-in  sign-in  sign-in
GET  /m/confirm                    sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      no-page   sign-in  sign-in  sign-in  sign-in
POST /m/repayments                 sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  303      no-page   sign-in  sign-in  sign-in  sign-in
GET  /m/result                     sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      no-page   sign-in  sign-in  sign-in  sign-in
GET  /m/result/progress            sign-in  sign-in  sign-in  sign-in  sign-in  sign-in  200      no-page   sign-in  sign-in  sign-in  sign-in
GET  /m/assets/{name}              200      200      200      200      200      200      200      200       200      200      200      200
"""


def read(table):
    """Read the table: by route, what each caller is answered."""
    header, *lines = table.strip().splitlines()
    callers = header.split()
    assert callers == list(CALLERS)
    rows = {}
    for line in lines:
        method, path, *cells = line.split()
        rows[f"{method} {path}"] = dict(zip(callers, cells, strict=True))
    return rows


ROLES = """
                                                  operations finance  approver auditor
GET  /v1/ops/discrepancies                        200        200      200      200
GET  /v1/ops/discrepancies/{reference}            absent     absent   absent   absent
GET  /v1/ops/discrepancies/{reference}/audit      absent     absent   absent   absent
POST /v1/ops/discrepancies/{reference}/comments   absent     absent   absent   barred
POST /v1/ops/discrepancies/{reference}/assign     absent     absent   absent   barred
POST /v1/ops/discrepancies/{reference}/explain    absent     absent   barred   barred
POST /v1/ops/discrepancies/{reference}/resolve    barred     barred   absent   barred
POST /v1/ops/discrepancies/{reference}/reject     barred     barred   absent   barred
POST /v1/ops/discrepancies/{reference}/reopen     absent     absent   barred   barred
GET  /v1/ops/runs                                 200        200      200      200
GET  /v1/ops/runs/{day}                           absent     absent   absent   absent
POST /v1/ops/days/{day}/reopen                    unclosed   unclosed barred   barred
POST /v1/ops/days/{day}/reopen/approve            barred     barred   unasked  barred
POST /v1/ops/pause                                200        barred   barred   barred
POST /v1/ops/resume                               200        barred   barred   barred
"""
"""What `roles` stands for: the staff, role by role; all other offices are barred.

The discrepancy and the day are nobody's: who is told that they are absent may work with others.
"""


def read_roles(table):
    header, *lines = table.strip().splitlines()
    rows = (line.split() for line in lines)
    return {
        f"{method} {path}": dict(zip(header.split(), cells, strict=True))
        for method, path, *cells in rows
    }


MATRIX = read(TABLE)
OF_STAFF = read_roles(ROLES)
ROUTES = list(MATRIX)
OF_OURS = [route for route in ROUTES if "closed" in MATRIX[route].values()]
MISSED = [route for route in ROUTES if {"absent", "no-page"} & set(MATRIX[route].values())]

ASKED = {
    "GET /m/repay": "/m/repay?loan.{loan_id}=1",
    "GET /m/confirm": "/m/confirm?q={quote_id}",
    "GET /m/result": "/m/result?o={order_no}",
    "GET /m/result/progress": "/m/result/progress?o={order_no}",
}
"""What an address says beside its path, where it names a thing."""

SENT = {
    "POST /v1/loans/{loan_id}/quotes": {"kind": "full"},
    "POST /v1/loans/{loan_id}/repayments": {"quote_id": "{quote_id}"},
    "POST /v1/page-links": {},
    "POST /v1/notifications/payments": {"order_no": "{order_no}", "status": "SUCCEEDED"},
    "POST /v1/notifications/sms": {"receipt_id": "R1", "message_id": "M1", "status": "DELIVERED"},
    "POST /v1/ops/discrepancies/{reference}/comments": {"text": "seen"},
    "POST /v1/ops/discrepancies/{reference}/assign": {"version": 1, "owner": "wang"},
    "POST /v1/ops/discrepancies/{reference}/explain": {
        "version": 1,
        "action": "accept",
        "reason": "known",
    },
    "POST /v1/ops/discrepancies/{reference}/resolve": {"version": 1},
    "POST /v1/ops/discrepancies/{reference}/reject": {"version": 1, "reason": "no"},
    "POST /v1/ops/discrepancies/{reference}/reopen": {"version": 1, "reason": "no"},
    "POST /v1/ops/days/{day}/reopen": {"reason": "a corrected bill"},
    "POST /v1/ops/days/{day}/reopen/approve": {},
    "POST /v1/ops/pause": {},
    "POST /v1/ops/resume": {},
    "POST /m/quotes": {"loan.{loan_id}": "1", "choice.{loan_id}": "full"},
    "POST /m/repayments": {"quote.{loan_id}": "{quote_id}", "key": "k1"},
}
"""What is sent: a form to a page, JSON elsewhere."""

NOBODYS = {
    "loan_id": "LN9",
    "order_no": "20261124-1-LN9",
    "quote_id": "Qabcdefghijklmno2",
    "name": "",
    "reference": reference_of(
        business_date=TODAY, channel="main", kind=Kind.DUPLICATE, order_no="20261124-1-LN9"
    ),
    "day": "2026-11-20",
}


@pytest.fixture(scope="session")
def texts_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sms-keys")
    keys.make(folder)
    return folder


@pytest.fixture
def street(house, key_folder, texts_folder):
    """Give B1 a loan with an order of a round behind it and a quote before it, B2 a loan."""
    house.book(a_loan(), a_cut(), name="欧阳小明", phone="13912345678")
    house.book(a_loan("LN2", borrower_id="B2"), a_cut(), name="李雷", phone="13812345678")
    made = furnish(house, payments_folder=key_folder, texts_folder=texts_folder)
    made.his = {
        "loan_id": "LN1",
        "order_no": house.deduct(),
        "quote_id": house.phone().quote()["quote_id"],
        "name": asset_name(made),
        "reference": NOBODYS["reference"],
        "day": NOBODYS["day"],
    }
    made.house.waiting("notices")
    return made


def asset_name(street):
    page = street.ask("nobody", Knock(method="GET", path="/m")).body.decode()
    return page.partition("/m/assets/")[2].partition('"')[0]


def knock_at(route, things):
    """Make the request of a route, about things that are somebody's or nobody's."""
    method, _, template = route.partition(" ")
    path = filled(ASKED.get(route, template), things)
    if method == "GET":
        return Knock(method=method, path=path)
    sent = {filled(name, things): filled(value, things) for name, value in SENT[route].items()}
    if path.startswith("/m/"):
        return Knock(method=method, path=path, form=sent, content_type=FORM)
    return Knock(method=method, path=path, body=json.dumps(sent).encode())


def filled(text, things):
    if not isinstance(text, str):
        return text
    for name, value in things.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def everybody():
    """List the callers as they are asked: every office by itself."""
    for caller in CALLERS:
        yield from (f"office:{role}" for role in OFFICES) if caller == "office" else (caller,)


def wanted(route, caller):
    kind, _, role = caller.partition(":")
    word = MATRIX[route][kind]
    return OF_STAFF[route].get(role, "barred") if word == "roles" else word


def is_served(word):
    return word not in ANSWERS


def what_is_answered(answer, word):
    """Say in the table's words what an answer is."""
    if is_served(word):
        return str(answer.status_code)
    text = answer.body.decode()
    for said, (status, code) in ANSWERS.items():
        # Without a token chalice.test answers itself, "Unauthorized"; on AWS it is our problem.
        if answer.status_code == status and code in text.lower():
            return said
    return f"{answer.status_code} {text}"


class TestTheTable:
    def test_has_every_route_there_is_and_no_other(self):
        served = {f"{method} {path}" for path, each in app.routes.items() for method in each}

        assert served == set(MATRIX)

    def test_says_of_every_route_what_each_caller_gets(self):
        for route, row in MATRIX.items():
            words = {*row.values(), *OF_STAFF.get(route, {}).values()} - {"roles"}
            assert all(is_served(word) <= word.isdigit() for word in words), route
            assert ("roles" in row.values()) == (route in OF_STAFF), route

    def test_has_an_authorizer_wherever_it_says_closed_and_nowhere_else(self):
        with_authorizer = {
            f"{method} {path}"
            for path, each in app.routes.items()
            for method, entry in each.items()
            if entry.authorizer
        }

        assert with_authorizer == set(OF_OURS)


@pytest.mark.parametrize("route", ROUTES)
class TestEveryRoute:
    def test_answers_everybody_as_the_table_says(self, street, route):
        knock = knock_at(route, street.his)
        refused = [caller for caller in everybody() if not is_served(wanted(route, caller))]
        served = [caller for caller in everybody() if is_served(wanted(route, caller))]
        answers = {caller: street.ask(caller, knock) for caller in refused}
        assert street.traces() == [], "who is refused changes nothing"
        assert street.house.charges() == [("20261124-1-LN1", charged(street))]
        answers |= {caller: street.ask(caller, knock) for caller in served}

        said = {
            caller: what_is_answered(answer, wanted(route, caller))
            for caller, answer in answers.items()
        }
        assert said == {caller: wanted(route, caller) for caller in answers}
        for caller in {*refused, "neighbour", "another"}:
            shown = f"{answers[caller].headers}{answers[caller].body.decode()}"
            for secret in ("欧", "13912345678", "LN1"):
                is_his_own_word = secret in f"{knock.path}{knock.form}"
                assert is_his_own_word or secret not in shown, (caller, secret)


def charged(street):
    [(_, amount_fen)] = street.house.charges()
    return amount_fen


@pytest.mark.parametrize("route", MISSED)
def test_what_is_anothers_is_answered_to_the_byte_like_what_is_nobodys(street, route):
    [caller] = [name for name, word in MATRIX[route].items() if word in {"absent", "no-page"}]
    anothers, nobodys = (
        told(street.ask(caller, knock_at(route, things)), things)
        for things in (street.his, NOBODYS)
    )

    assert anothers == nobodys


def told(answer, things):
    """Give all of an answer but the names the caller has sent himself."""
    text = answer.body.decode()
    for name in ("order_no", "quote_id", "loan_id"):
        text = text.replace(things[name], f"<{name}>")
    return answer.status_code, dict(answer.headers), text


@pytest.mark.parametrize("route", OF_OURS)
def test_a_route_whose_authorizer_was_forgotten_is_closed_all_the_same(street, route):
    knock = knock_at(route, street.his)
    for word in ("", "Bearer", f"Bearer {street.token('B1', seconds=-61)}", "Basic QjE6eA=="):
        answer = behind_the_door(knock, headers={"Authorization": word})

        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "bad_token")
    assert street.traces() == []


@pytest.mark.parametrize("route", ["POST /m/quotes", "POST /m/repayments"])
def test_a_form_of_the_owners_page_is_of_no_use_in_anothers_session(street, route):
    knock = knock_at(route, street.his)
    filled_in = street._filled(knock, "B1")
    answer = street.send(filled_in, cookie=street.session("B2"))

    assert answer.status_code == 403
    assert street.traces() == []


def test_a_method_that_a_route_does_not_have_is_nobodys(street):
    for route in ROUTES:
        method, _, _ = route.partition(" ")
        knock = knock_at(route, street.his)
        for other in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}:
            answer = street.ask("owner", replaced(knock, method=other))
            assert answer.status_code in {403, 404, 405}, (other, route)
    assert street.traces() == []
    assert wiring.books().loans.get("LN1").slot is None
