"""The staff's API: a discrepancy's whole way by two people, days, switches, and what is refused."""

import json
from dataclasses import replace
from datetime import date

import pytest

from chalicelib import wiring, wiring_operations
from chalicelib.domain.deduction import failed, order_no_of
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.loan import Slot, owed
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows import discrepancy, discrepancy_life, posting
from tests.builders import TODAY, a_cut, a_loan, at
from tests.entrypoints.house import AUDIENCE, around_calls

ORDER = order_no_of(business_date=TODAY, round_no=1, loan_id="LN1")
LATER = at(10, day=date(2026, 11, 26))
OPS = "/v1/ops/discrepancies"


class Desk:
    """Somebody of the staff, with his token."""

    def __init__(self, house, subject, *roles):
        self.house = house
        self.token = house.issuer.token(
            subject=subject, roles=list(roles), seconds=900, audience=AUDIENCE, algorithm="RS256"
        )

    def get(self, path):
        return self.house.request("GET", path, token=self.token)

    def post(self, path, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        return self.house.request("POST", path, token=self.token, headers=headers, body=raw)

    def do(self, each, verb, **body):
        """Take a step on what was seen, as it was seen."""
        sent = body if verb == "comments" else {"version": each["version"], **body}
        return self.post(f"{OPS}/{each['id']}/{verb}", sent)


@pytest.fixture
def disputed(house):
    """LN1's order failed, and two days later the bill shows it paid."""
    loan = house.book(a_loan(), a_cut())
    books = wiring.books()
    amount = owed(
        loan=loan, schedule=a_cut().instalments, product=books.products["consumer"], as_of=TODAY
    )
    slot = Slot(
        order_no=ORDER,
        amount=amount.amount,
        components=amount.components,
        listed=amount.amount,
        as_of=TODAY,
        sent_at=at(8),
    )
    claimed = books.loans.write(replace(books.loans.get("LN1"), slot=slot))
    posting.end(
        loan=claimed,
        result=failed("INSUFFICIENT_FUNDS"),
        now=at(9),
        settled_by="platform",
        books=books,
    )
    house.clock(LATER)
    found = Discrepancy(
        business_date=TODAY,
        channel="main",
        kind=Kind.STATUS_DIFFERS,
        order_no=ORDER,
        opened_at=at(10, day=date(2026, 11, 25)),
        here=amount.amount,
        there=amount.amount,
        facts={
            "note": "failed_here_paid_there",
            "there": [{"trade_no": "T1", "status": "SUCCEEDED"}],
        },
        suggestion="ask_platform_for_final_status",
    )
    discrepancy.write(
        found={found.discrepancy_id: found},
        standing=[],
        gone="",
        now=LATER,
        keeper=wiring.reconciling(),
    )
    assert house.loan().hold
    return house


@pytest.fixture
def wang(disputed):
    return Desk(disputed, "wang", "finance")


@pytest.fixture
def li(disputed):
    return Desk(disputed, "li", "approver")


def only(desk):
    [each] = desk.get(f"{OPS}?date={TODAY}").json_body["discrepancies"]
    return each


class TestADiscrepancy:
    def test_goes_its_whole_way_by_two_people(self, disputed, wang, li):
        each = only(wang)
        assert (each["state"], each["age_days"], each["order_no"]) == ("open", 1, ORDER)
        said = wang.do(each, "comments", text="问过平台，已付").json_body
        owned = wang.do(said, "assign", owner="wang").json_body
        proposed = wang.do(
            owned, "explain", action="post_late_success", reason="平台流水 T1"
        ).json_body
        assert proposed["proposal"]["effect"]["value_date"] == TODAY.isoformat()
        assert proposed["proposal"]["effect"]["owed_after_fen"] == 0
        done = li.do(proposed, "resolve")

        assert (done.status_code, done.json_body["state"]) == (200, "resolved")
        loan = disputed.loan()
        assert (loan.position.instalment_no, loan.hold, loan.slot) == (2, "", None)
        assert wang.get(f"{OPS}").json_body == {"discrepancies": [], "cursor": ""}
        trail = Desk(disputed, "zhao", "auditor").get(f"{OPS}/{each['id']}/audit").json_body
        assert [(one["by"], one["verb"]) for one in trail["entries"]] == [
            ("wang", "comment"),
            ("wang", "assign"),
            ("wang", "explain"),
            ("li", "approve"),
            ("li", "resolve"),
        ]
        assert trail["broken_at"] is None

    def test_is_approved_by_nobody_s_own_hand(self, disputed, wang):
        both = Desk(disputed, "wang", "finance", "approver")
        proposed = wang.do(only(wang), "explain", action="accept", reason="known").json_body
        answer = both.do(proposed, "resolve")

        assert (answer.status_code, answer.json_body["code"]) == (403, "maker_is_checker")
        assert only(wang)["state"] == "explained"

    def test_is_worked_as_it_was_seen_or_not_at_all(self, wang, li):
        seen = only(wang)
        wang.do(seen, "comments", text="first")
        answer = wang.do(seen, "explain", action="accept", reason="known")

        assert (answer.status_code, answer.json_body["code"]) == (409, "moved_by_another")
        refused = li.do(only(wang), "resolve")
        assert (refused.status_code, refused.json_body["code"]) == (409, "not_explained")

    def test_refuses_what_does_not_fit_its_kind(self, wang):
        answer = wang.do(only(wang), "explain", action="write_off", reason="no", amount_fen=10**9)

        assert (answer.status_code, answer.json_body["code"]) == (409, "amount_not_fitting")

    def test_is_rejected_and_opened_again(self, wang, li):
        proposed = wang.do(only(wang), "explain", action="accept", reason="known").json_body
        rejected = li.do(proposed, "reject", reason="why?").json_body
        assert (rejected["state"], rejected["comments"][-1]["text"]) == ("open", "why?")
        again = wang.do(rejected, "explain", action="accept", reason="known").json_body
        resolved = li.do(again, "resolve").json_body
        reopened = wang.do(resolved, "reopen", reason="not so").json_body

        assert (resolved["state"], reopened["state"]) == ("resolved", "open")

    def test_whose_money_goes_back_waits_for_the_sweep(self, disputed, wang, li):
        proposed = wang.do(only(wang), "explain", action="refund", reason="twice").json_body
        answer = li.do(proposed, "resolve").json_body

        assert (answer["state"], answer["is_approved"]) == ("explained", True)
        assert answer["waits_for"] == "waits_for_the_sweep"
        # The simulated platform never had the order: a plain refusal opens it again.
        desk = wiring_operations.carrying_out()
        assert discrepancy_life.go_on(now=LATER, desk=desk) == 0
        assert only(wang)["state"] == "open"

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"{", 400, "not_json"),
            (b'{"version": 1, "version": 2}', 400, "duplicate_key"),
            (b'{"version": "1"}', 422, "invalid_body"),
            (b'{"version": true}', 422, "invalid_body"),
            (b'{"version": 1, "by": "li"}', 422, "invalid_body"),
            (b'{"version": 1, "x": "' + b"y" * 65_536 + b'"}', 413, "body_too_large"),
        ],
    )
    def test_takes_no_other_body(self, wang, li, body, status, code):
        answer = li.post(f"{OPS}/{only(wang)['id']}/resolve", body)

        assert (answer.status_code, answer.json_body["code"]) == (status, code)


class TestTheList:
    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("", 1),
            (f"?date={TODAY}", 1),
            ("?date=2026-11-23", 0),
            ("?state=open", 1),
            ("?state=explained", 0),
            ("?owner=wang", 0),
            ("?channel=main", 1),
            (f"?date={TODAY}&channel=other", 0),
        ],
    )
    def test_shows_what_is_asked_for(self, wang, query, count):
        assert len(wang.get(f"{OPS}{query}").json_body["discrepancies"]) == count

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("?date=20261124", "query_invalid"),
            ("?date=2026-13-01", "query_invalid"),
            ("?state=nonsense", "query_invalid"),
            ("?cursor=nonsense", "cursor_invalid"),
            ("?channel=a%23b", "query_invalid"),
        ],
    )
    def test_refuses_a_query_that_does_not_fit(self, wang, query, code):
        answer = wang.get(f"{OPS}{query}")

        assert (answer.status_code, answer.json_body["code"]) == (400, code)


class TestDays:
    def test_show_their_jobs_and_totals(self, wang):
        runs = wiring.runs()
        run = runs.start(business_date=TODAY, job="close", at=at(11))
        runs.put_totals(run.completed(at=at(12), totals={"a": 1}))

        [listed] = wang.get(f"/v1/ops/runs?date={TODAY}").json_body["runs"]
        assert (listed["job"], listed["state"]) == ("close", "complete")
        assert wang.get(f"/v1/ops/runs/{TODAY}").json_body["runs"][0]["totals"] == {"a": 1}
        assert wang.get("/v1/ops/runs").json_body == {"runs": []}
        assert wang.get("/v1/ops/runs/nonsense").status_code == 404

    def test_are_reopened_by_two(self, wang, li):
        runs = wiring.runs()
        run = runs.start(business_date=TODAY, job="close", at=at(11))
        runs.put_totals(run.completed(at=at(12), totals={}))
        asked = wang.post(f"/v1/ops/days/{TODAY}/reopen", {"reason": "a corrected bill"})
        assert (asked.status_code, asked.json_body["reopening_asked_by"]) == (202, "wang")
        opened = li.post(f"/v1/ops/days/{TODAY}/reopen/approve", {})

        assert (opened.status_code, opened.json_body["reopened"]) == (200, 1)
        assert opened.json_body["state"] == "started"


def test_the_switch_is_turned_by_operations_and_written_down(disputed):
    desk = Desk(disputed, "chen", "operations")
    assert desk.post("/v1/ops/pause", {}).json_body == {"paused": True}
    assert desk.post("/v1/ops/resume", {}).json_body == {"paused": False}

    trail = wiring_operations.trail()
    assert [(each.by, each.verb) for each in trail.of_subject("controls")] == [
        ("chen", "pause"),
        ("chen", "resume"),
    ]


def test_what_fails_tells_nothing_of_itself(disputed, monkeypatch, wang):
    def breaks(operation, _parameters):
        if operation == "Query":
            raise RuntimeError("13812345678")

    around_calls(monkeypatch, before=breaks)
    answer = wang.get(OPS)

    assert (answer.status_code, answer.json_body["code"]) == (500, "internal_error")
    assert b"138" not in answer.body
    assert disputed.counted["ApiFailures"] == 1
