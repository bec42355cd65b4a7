"""What borrowers do on the driven day: they pay early, through the API, as an app would.

Everybody is one of the day's list: some whose deduction failed pay what is due, some who have
paid settle, and some pay a part ahead, cut again both ways.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

import urllib3

from chalicelib import wiring
from chalicelib.domain.deduction import Deduction, Status
from chalicelib.flows import deduction_round
from chalicelib.settings import settings
from infra.local import controls, office
from infra.local.cloud import STAGE, Cloud

OF_EACH = 3
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


def _wishes(cloud: Cloud, api: str, business_date: date) -> Iterator[Wanted]:
    failed, paid = _by_result(business_date)
    for loan_id, borrower_id in islice(failed, OF_EACH):
        yield Wanted(loan_id=loan_id, borrower_id=borrower_id, body={"kind": "instalment"})
    parts: list[tuple[str, str, list[str]]] = []
    settling = 0
    for loan_id, borrower_id in paid:
        loan = _call(cloud, api, borrower_id, "GET", f"/v1/loans/{loan_id}")
        if settling < OF_EACH and "full" in loan["kinds"]:
            settling += 1
            yield Wanted(loan_id=loan_id, borrower_id=borrower_id, body={"kind": "full"})
        elif len(parts) < 2 * OF_EACH and "partial" in loan["kinds"]:
            parts.append((loan_id, borrower_id, loan["recuts"]))
            least = loan["limits"]["amount_min_fen"]
            most = loan["limits"]["amount_max_fen"]
            yield Wanted(
                loan_id=loan_id,
                borrower_id=borrower_id,
                body={
                    "kind": "partial",
                    "amount_fen": max(least, min(PART_FEN, most)),
                    "recut": loan["recuts"][len(parts) % len(loan["recuts"])],
                },
            )


def _by_result(
    business_date: date,
) -> tuple[Iterator[tuple[str, str]], Iterator[tuple[str, str]]]:
    """Part the day's list by what round 1 made of it, in the order of the loans."""
    lines = [
        line
        for shard in range(settings().agenda_shards)
        for line in wiring.due_lists().read(business_date=business_date, round_no=1, shard=shard)
    ]
    lines.sort(key=lambda line: line.loan_id)
    orders = {
        line.loan_id: deduction_round.message_of(line, business_date, 1).order_no for line in lines
    }
    records = wiring.books().journal.get_many(list(orders.values()))

    def ended(*codes: str, status: Status) -> Iterator[tuple[str, str]]:
        return (
            (line.loan_id, line.borrower_id)
            for line in lines
            if (record := records.get(orders[line.loan_id]))
            and record.result.status is status
            and record.result.failure_code in codes
        )

    return ended("INSUFFICIENT_FUNDS", status=Status.FAILED), ended("", status=Status.SUCCEEDED)


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
    return 1


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
