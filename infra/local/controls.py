"""The simulators' control doors: scripts, clock, ledger, the bill."""

import json
from typing import Any

import urllib3

_pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=30.0), retries=False)


class RefusedError(Exception):
    """A simulator refused what it was told."""


def tell(base_url: str, door: str, payload: object) -> Any:
    """Post to a control door and read its answer.

    :raises RefusedError: if the answer is not a success.
    """
    body = json.dumps(payload, default=str).encode()
    response = _pool.request("POST", f"{base_url}/_control/{door}", body=body)
    return _read(door, response)


def ask(base_url: str, door: str) -> Any:
    """Read from a control door.

    :raises RefusedError: if the answer is not a success.
    """
    return _read(door, _pool.request("GET", f"{base_url}/_control/{door}"))


def _read(door: str, response: urllib3.BaseHTTPResponse) -> Any:
    if response.status >= 300:
        raise RefusedError(f"{door}: {response.status} {response.data.decode()[:500]}")
    return json.loads(response.data or b"null")
