"""What comes in over HTTP: API Gateway's event for the real app, and a borrower's phone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app import app
from tests.simulation.tasks import Crash
from tests.simulation.world import World, forget

TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    status: int
    body: Any


def request(
    method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Answered:
    """Have the app answer a request; a Lambda that dies is a 502 of the gateway."""
    resource, arguments = _route(path)
    event = {
        "httpMethod": method,
        "resource": resource,
        "path": path,
        "pathParameters": arguments,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": body.decode() or None,
        "requestContext": {"httpMethod": method, "resourcePath": resource, "path": path},
    }
    try:
        answer = app(event, None)
    except Crash:
        forget()
        return Answered(status=502, body=None)
    text = answer.get("body") or "null"
    return Answered(status=answer["statusCode"], body=json.loads(text))


def _route(path: str) -> tuple[str, dict[str, str] | None]:
    """Find the route of a path, as the gateway does."""
    if path in app.routes:
        return path, None
    parts = path.split("/")
    for resource in app.routes:
        names = resource.split("/")
        if len(names) == len(parts) and all(
            name == part or name.startswith("{") for name, part in zip(names, parts, strict=True)
        ):
            pairs = zip(names, parts, strict=True)
            return resource, {name[1:-1]: part for name, part in pairs if name.startswith("{")}
    return path, None


class Phone:
    """A borrower's app: it tries again what a dead Lambda left without an answer."""

    def __init__(self, *, world: World, token: str) -> None:
        self._world = world
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Answered:
        return self._tried("GET", path, {}, b"")

    def post(self, path: str, wanted: Mapping[str, Any], *, key: str = "") -> Answered:
        more = {"Idempotency-Key": key} if key else {}
        return self._tried("POST", path, more, json.dumps(wanted).encode())

    def _tried(self, method: str, path: str, more: Mapping[str, str], body: bytes) -> Answered:
        for _ in range(TRIES):
            answer = request(method, path, headers={**self._headers, **more}, body=body)
            if answer.status < 500:
                break
        return answer
