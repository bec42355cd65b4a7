"""The borrower's pages over the fakes, and a browser that keeps cookies and follows links."""

import html
import json
import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

from chalicelib import wiring
from chalicelib.adapters.page_tokens import PageTokens
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.position import unpaid_due_on
from chalicelib.entrypoints import page_session
from chalicelib.flows import deduction
from chalicelib.flows.ports import Borrower
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World
from tests.fakes_notices import FakeBorrowers
from tests.fakes_requests import FakeThrottles
from tests.lambdas import client, forget

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


class _Secrets:
    def get_secret_value(self, SecretId):  # noqa: N803  boto3's name
        return {"SecretString": json.dumps({"current": "k1", "keys": {"k1": "a1" * 32}})}


class Site:
    """One borrower's world: what is wired is the fakes, and the time is ours."""

    def __init__(self, monkeypatch, *, name="王小明", stage="test"):
        self.world = World()
        self.world.controls = self.controls = SimpleNamespace(
            paused=False,
            blocked=set(),
            is_paused=lambda: self.controls.paused,
            is_blocked=lambda borrower_id: borrower_id in self.controls.blocked,
        )
        self.tokens = PageTokens(client=_Secrets(), secret_id="afterloan/test/pages")
        self.borrowers = FakeBorrowers(self.world.outside)
        self.borrowers.put(Borrower(borrower_id="B1", name=name, phone="13800000000"))
        self.throttles = FakeThrottles(self.world.outside)
        self.now, self.wall = at(9), wall_clock()
        monkeypatch.setenv("PAGE_BASE", "/api")
        monkeypatch.setenv("STAGE", stage)
        forget()
        for wired, made in {
            "repayments": lambda: self.world.repaying,
            "page_tokens": lambda: self.tokens,
            "borrowers": lambda: self.borrowers,
            "controls": lambda: self.controls,
            "throttles": lambda: self.throttles,
        }.items():
            monkeypatch.setattr(wiring, wired, made)
        monkeypatch.setattr(page_session, "now", lambda: self.now)
        monkeypatch.setattr(page_session, "wall_clock", lambda: self.wall)

    def lend(self, loan_id="LN1", *, due_in_days=12, instalments=6, **changes):
        """Lend 12,000 yuan; the first instalment is due in so many days."""
        cut = a_cut(first_due_on=TODAY + timedelta(days=due_in_days), instalments=instalments)
        facts = {"agreement_no": f"AG-2026-{loan_id}", **changes}
        loan = a_loan(loan_id, **facts)
        due_on = unpaid_due_on(loan.position, cut.instalments)
        return self.world.book(a_loan(loan_id, **facts, unpaid_due_on=due_on), cut)

    def work(self):
        """Send what waits to be sent to the platform."""
        for message in self.world.repayments._take_all():
            deduction.send(message=message, now=self.now, desk=self.world.deducting)

    def link(self, borrower_id="B1"):
        return self.tokens.link(borrower_id, now=self.wall)


class Browser:
    """Keeps cookies and the page it is on."""

    def __init__(self, site):
        self.site = site
        self.cookies = {}
        self.status = 0
        self.headers = {}
        self.text = ""
        self.location = ""  # where an answer has led last

    def enter(self, borrower_id="B1"):
        self.get(f"/m/enter?token={self.site.link(borrower_id)}")
        return self

    def get(self, path):
        with client() as lambdas:
            return self._take(lambdas.http.get(path, headers=self._headers()))

    def post(self, path, fields, **headers):
        with client() as lambdas:
            return self._take(
                lambdas.http.post(
                    path,
                    body=urlencode(fields).encode(),
                    headers={**self._headers(), **FORM_TYPE, **headers},
                )
            )

    def follow(self):
        """Go where the answer leads."""
        assert self.status == 303, self.text
        return self.get(self.location)

    @property
    def polled(self):
        """Where the page of the result asks again."""
        return self.location.replace("/m/result", "/m/result/progress")

    @property
    def hidden(self):
        """The fields the forms on the page carry by themselves."""
        return {name: html.unescape(value) for name, value in HIDDEN.findall(self.text)}

    def choose(self, **choices):
        """Say how much is to be paid: `LN1="full"`, or an amount."""
        fields = {}
        self.get("/m/repay?" + urlencode({f"loan.{loan_id}": "1" for loan_id in choices}))
        for loan_id, choice in choices.items():
            is_kind = choice in {"overdue", "instalment", "full", "partial", ""}
            fields[f"choice.{loan_id}"] = choice if is_kind else "partial"
            fields[f"amount.{loan_id}"] = "" if is_kind else choice
        return self.post("/m/quotes", {**self.hidden, **fields})

    def confirm(self):
        """Tap the last button of the confirm page."""
        return self.post("/m/repayments", self.hidden)

    def pay(self, **choices):
        """Go all the way to the result."""
        self.choose(**choices).follow()
        return self.confirm().follow()

    def _headers(self):
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": cookies} if cookies else {}

    def _take(self, response):
        self.status, self.headers = response.status_code, response.headers
        self.text = response.body.decode()
        self.location = self.headers.get("Location", self.location).removeprefix("/api")
        for cookie in self.headers.get("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return self
