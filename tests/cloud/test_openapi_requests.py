"""Requests made up from the API's document, sent to the API as it is deployed: none breaks it.

SCHEMA_REQUESTS says how many; `make fuzz-api` sends 2,000.
"""

import os
from datetime import date, datetime
from itertools import cycle
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra import openapi

DAY = date(2026, 11, 24)
REQUESTS = int(os.environ.get("SCHEMA_REQUESTS", "200"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(dict(openapi.document()))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def book(cloud):
    from chalicelib import wiring
    from chalicelib.adapters.wall_clock import SHANGHAI
    from infra.local import business_day, sample_book

    made = sample_book.make(loans=40, seed=5, business_date=DAY)
    business_day.set_clock(cloud, datetime(2026, 11, 24, 9, tzinfo=SHANGHAI))
    store = wiring.object_store()
    store.write(sample_book.key(made), sample_book.loans_csv(made))
    store.write(sample_book.key(made) + ".ok", sample_book.manifest(made))
    business_day.wait_until_quiet(cloud)
    return made


@pytest.fixture(scope="module")
def borrowers(cloud, book):
    """Go round the borrowers: a loan of each, and a token."""
    from infra.local import controls

    said = {"roles": ["borrower"], "seconds": 3600}
    return cycle(
        (
            loan.loan_id,
            controls.tell(cloud.issuer_url, "tokens", {"sub": loan.borrower_id, **said}),
        )
        for loan in book.loans
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
def test_no_made_up_request_breaks_the_api(operation, cloud, borrowers):
    from infra.local import office

    base = office.api_url("local")
    statuses = set()

    @settings(
        max_examples=max(REQUESTS // len(OPERATIONS), 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), is_own=st.booleans())
    def send(case, is_own):
        loan_id, given_token = next(borrowers)
        if is_own and "loan_id" in (case.path_parameters or {}):
            case.path_parameters["loan_id"] = loan_id
        headers = {"Authorization": f"Bearer {given_token['access_token']}"}
        if is_own and case.path.endswith("/repayments"):
            case.body = _quoted(base, loan_id, headers) or case.body
        wanted = case.as_transport_kwargs(base_url=base, headers=headers)
        response = _sent(wanted, platform=_platform_of(case), cloud=cloud)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()
    print(operation.label, sorted(statuses))  # noqa: T201  what `make fuzz-api` is read for


def _quoted(base, loan_id, headers):
    """Quote all of a loan, so that there is something to repay; None if it is settled by now."""
    answer = requests.post(
        f"{base}/v1/loans/{loan_id}/quotes", json={"kind": "full"}, headers=headers, timeout=30
    )
    return {"quote_id": answer.json()["quote_id"]} if answer.status_code == 201 else None


def _platform_of(case) -> str:
    return {"payments": "payment", "sms": "sms"}.get(case.path.rpartition("/")[2], "")


def _sent(wanted, *, platform, cloud):
    """Send a request; a platform's with its signature over the bytes that go out."""
    from chalicelib.adapters.wall_clock import wall_clock
    from simulators import keys

    with requests.Session() as session:
        wanted = {name: value for name, value in wanted.items() if name != "cookies"}
        prepared = session.prepare_request(requests.Request(**wanted))
        if platform:
            body = prepared.body or b""
            prepared.headers.update(
                keys.of_platform(cloud.keys_of(platform)).signer.sign(
                    method=prepared.method,
                    path=urlsplit(prepared.url).path,
                    body=body if isinstance(body, bytes) else body.encode(),
                    timestamp=wall_clock().isoformat(timespec="seconds"),
                    nonce="n" * 32,
                )
            )
        return session.send(prepared, timeout=30)
