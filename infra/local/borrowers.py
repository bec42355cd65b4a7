"""What borrowers do on the driven day: they pay early, through the API, as an app would.

Everybody is one of the day's list, some of each lender's: some whose deduction failed pay what is
due, some who have paid settle, and some pay a part ahead, cut again both ways.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice
from typing import Any

import urllib3

from chalicelib import wiring
from chalicelib.domain.deduction import Deduction, Status
from chalicelib.domain.loan import Mode
from chalicelib.flows import deduction_round
from chalicelib.flows.ports import DueLine
from chalicelib.settings import settings
from infra.local import controls, office
from infra.local.cloud import STAGE, Cloud

OF_EACH = 3
OF_EACH_FUNDER = 1
PART_FEN = 1_000_00

_pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=30.0), retries=False)


class RefusedByTheApiError(Exception):
    """The API did not do what a borrower may ask of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One borrower's wish."""

    loan_id: str
    borrower_id: str
    body: dict[str, Any]


def repay(cloud: Cloud, business_date: date) -> int:
    """Let borrowers repay, once on a date, and say how many orders they have started.

    :raises RefusedByTheApiError: if the API refuses what it offers.
    """
    journal = wiring.books().journal.of_day(business_date)
    if of_borrowers([record for record in journal if isinstance(record, Deduction)]):
        return 0
    api = office.api_url(STAGE)
    return sum(_repay(cloud, api, wanted) for wanted in _wishes(cloud, api, business_date))


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """The loans of one lender that round 1 tried, with their borrowers, in the order of the loans."""

    funder_id: str
    failed: tuple[tuple[str, str], ...]
    paid: tuple[tuple[str, str], ...]


def _wishes(cloud: Cloud, api: str, business_date: date) -> Iterator[Wanted]:
    for tried in _by_lender(business_date):
        of_each = OF_EACH_FUNDER if tried.funder_id else OF_EACH
        for loan_id, borrower_id in islice(tried.failed, of_each):
            yield Wanted(loan_id=loan_id, borrower_id=borrower_id, body={"kind": "instalment"})
        yield from _ahead(cloud, api, tried, of_each)


def _ahead(cloud: Cloud, api: str, tried: Tried, of_each: int) -> Iterator[Wanted]:
    """Let some who have paid settle, and some pay a part ahead, cut again in one way after the other."""
    settling = parts = 0
    for loan_id, borrower_id in tried.paid:
        if settling == of_each and parts == 2 * of_each:
            return
        loan = _call(cloud, api, borrower_id, "GET", f"/v1/loans/{loan_id}")
        if settling < of_each and "full" in loan["kinds"]:
            settling += 1
            yield Wanted(loan_id=loan_id, borrower_id=borrower_id, body={"kind": "full"})
        elif parts < 2 * of_each and "partial" in loan["kinds"]:
            parts += 1
            limits = loan["limits"]
            amount_fen = max(limits["amount_min_fen"], min(PART_FEN, limits["amount_max_fen"]))
            recut = loan["recuts"][parts % len(loan["recuts"])]
            yield Wanted(
                loan_id=loan_id,
                borrower_id=borrower_id,
                body={"kind": "partial", "amount_fen": amount_fen, "recut": recut},
            )


def _by_lender(business_date: date) -> Iterator[Tried]:
    """Part the day's list by lender, and by what round 1 made of it."""
    lines = [
        line
        for shard in range(settings().agenda_shards)
        for line in wiring.due_lists().read(business_date=business_date, round_no=1, shard=shard)
    ]
    orders = {
        line.loan_id: deduction_round.message_of(line, business_date, 1).order_no for line in lines
    }
    records = wiring.books().journal.get_many(list(orders.values()))
    heads = wiring.books().loans.get_many(list(orders))

    def ended(code: str, status: Status, among: Sequence[DueLine]) -> Iterator[tuple[str, str]]:
        for line in among:
            record = records.get(orders[line.loan_id])
            if record and (record.result.status, record.result.failure_code) == (status, code):
                yield line.loan_id, line.borrower_id

    def lender(line: DueLine) -> str:
        return heads[line.loan_id].funder_id

    lines.sort(key=lambda line: (lender(line), line.loan_id))
    for funder_id, group in groupby(lines, key=lender):
        of_lender = tuple(group)
        yield Tried(
            funder_id=funder_id,
            failed=tuple(ended("INSUFFICIENT_FUNDS", Status.FAILED, of_lender)),
            paid=tuple(ended("", Status.SUCCEEDED, of_lender)),
        )


def _repay(cloud: Cloud, api: str, wanted: Wanted) -> int:
    path = f"/v1/loans/{wanted.loan_id}"
    quote = _call(cloud, api, wanted.borrower_id, "POST", f"{path}/quotes", wanted.body)
    started = _call(
        *(cloud, api, wanted.borrower_id, "POST", f"{path}/repayments"),
        {"quote_id": quote["quote_id"]},
        key=f"demo-{quote['quote_id']}",
    )
    if started["amount_fen"] != quote["amount_fen"]:
        raise RefusedByTheApiError(f"{wanted.loan_id}: {started} is not as quoted: {quote}")
    if recut := wanted.body.get("recut"):
        _tell_second_lender(cloud, wanted.loan_id, started["order_no"], recut)
    return 1


def _tell_second_lender(cloud: Cloud, loan_id: str, order_no: str, recut: str) -> None:
    """Say how a joint loan's schedule is cut again: no file between the two companies says it."""
    loan = wiring.books().loans.get(loan_id)
    if loan and loan.mode is Mode.JOINT_LENDING:
        told = {"loan_id": loan_id, "order_no": order_no, "recut": recut}
        controls.tell(cloud.funder_url, "recuts", told)


def _call(
    cloud: Cloud,
    api: str,
    borrower_id: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    key: str = "",
) -> Any:
    said = {"sub": borrower_id, "roles": ["borrower"], "audience": office.AUDIENCE}
    token = controls.tell(cloud.issuer_url, "tokens", said)["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    answer = _pool.request(
        method, api + path, body=json.dumps(body) if body else None, headers=headers
    )
    if answer.status >= 300:
        raise RefusedByTheApiError(f"{method} {path}: {answer.status} {answer.data.decode()}")
    return json.loads(answer.data)


def of_borrowers(journal: Sequence[Deduction]) -> list[Deduction]:
    """Pick what borrowers started themselves."""
    return [record for record in journal if not record.round_no]
