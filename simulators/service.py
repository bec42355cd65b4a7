"""A simulated platform behind HTTP: signatures, routes, control; what is served by server.py.

`/v1` is for the merchant: signed both ways.  `/_control` is for tests: never signed.  A service
without keys is for everybody, and signs nothing.
"""

import secrets
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from simulators.clock import SettableClock, rfc3339, wall_clock
from simulators.keys import KeyRing
from simulators.signatures import BadSignatureError
from simulators.wire import IllegalRequestError, Reply, Wire, refusal, strictly_object

BODY_BYTES_MAX = 1_000_000


class NoKeysError(Exception):
    """A service without keys is to sign something."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, its signature already checked; `merchant` names one beside Afterloan."""

    args: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, object]
    merchant: str = ""


Handler = Callable[[Call], Reply]


class Service:
    """Answers requests; None instead of an answer means: drop the connection.

    `routes` are "METHOD /path/<argument>"; `refuses` says that a merchant's request is one too
    many; `wait` is how the server lets seconds pass.
    """

    def __init__(
        self,
        *,
        name: str,
        keys: KeyRing | None,
        routes: Mapping[str, Handler],
        refuses: Callable[[], bool] = lambda: False,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.name = name
        self._keys = keys
        self._refuses = refuses
        self._wall = wall
        known = {**routes, "GET /_control/health": lambda _: Reply(body={"name": name})}
        rules = []
        for route, handler in known.items():
            method, path = route.split()
            rules.append(Rule(path, methods=[method], endpoint=handler))
        self._map = Map(rules)

    def respond(self, request: Request, *, wait: Callable[[float], object]) -> Response | None:
        """Answer one request over the wire as the core wants it."""
        request.max_content_length = BODY_BYTES_MAX
        control = request.path.startswith("/_control/")
        try:
            reply = self._controlled(request) if control else self._merchants(request)
        except HTTPException as error:
            reply = refusal(error.code or 500, "NO_SUCH_ROUTE", error.description or "")
        except Exception:  # noqa: BLE001 - the simulator's own fault: say so, and go on
            sys.stderr.write(traceback.format_exc())
            reply = refusal(500, "SIMULATOR_ERROR", "simulator error")
        if reply.seconds:
            wait(reply.seconds)
        if reply.wire is Wire.DROPPED:
            return None
        payload = reply.payload()
        response = Response(payload, reply.status, content_type=reply.content_type)
        if self._keys and not control and reply.wire is not Wire.UNSIGNED:
            signed = payload if reply.wire is Wire.SIGNED else payload + b"?"
            response.headers.update(self.signed(request.method, path_of(request), signed))
        return response

    def signed(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """Make the headers that sign something of ours, now.

        :raises NoKeysError: if this service signs nothing.
        """
        if self._keys is None:
            raise NoKeysError(self.name)
        return self._keys.signer.sign(
            method=method,
            path=path,
            body=body,
            timestamp=rfc3339(self._wall()),
            nonce=secrets.token_hex(16),
        )

    def _merchants(self, request: Request) -> Reply:
        body = request.get_data()
        if self._keys is None:
            return self._handled(request, body)
        try:
            self._keys.verifier.verify(
                method=request.method,
                path=path_of(request),
                headers=dict(request.headers),
                body=body,
                now=self._wall(),
            )
        except BadSignatureError as error:
            return refusal(401, "SIGNATURE_INVALID", str(error))
        if self._refuses():
            return refusal(429, "RATE_LIMITED", "请求过于频繁")
        merchant = self._keys.merchants.get(request.headers.get("X-Key-Id", ""), "")
        return self._handled(request, body, merchant=merchant)

    def _controlled(self, request: Request) -> Reply:
        try:
            return self._handled(request, request.get_data())
        except ValueError as error:
            return refusal(400, "BAD_CONTROL", str(error))

    def _handled(self, request: Request, body: bytes, *, merchant: str = "") -> Reply:
        handler, args = self._map.bind_to_environ(request.environ).match()
        try:
            parsed = strictly_object(body)
        except IllegalRequestError as error:
            return refusal(400, "PARAM_ERROR", str(error))
        call = Call(args=args, query=request.args, body=parsed, merchant=merchant)
        return cast("Handler", handler)(call)


def path_of(request: Request) -> str:
    """Read the path as it came over the wire, without its query."""
    return str(request.environ["REQUEST_URI"]).partition("?")[0]


def clock_route(clock: SettableClock) -> Handler:
    """Make POST /_control/clock {"now": RFC 3339, or null for the real time}."""

    def set_clock(call: Call) -> Reply:
        now = call.body.get("now")
        if now is not None and not isinstance(now, str):
            raise IllegalRequestError("now must be a text or null")
        clock.set(datetime.fromisoformat(now) if now is not None else None)
        return Reply(body={"now": rfc3339(clock())})

    return set_clock


def script_route(key: str, script: Callable[[str, list[str]], None]) -> Handler:
    """Make POST /_control/scripts {<key>, outcomes: [...]}, or {"scripts": [such objects]}."""

    def set_scripts(call: Call) -> Reply:
        scripts = call.body.get("scripts", [call.body])
        if not isinstance(scripts, list) or not all(isinstance(each, dict) for each in scripts):
            raise IllegalRequestError("scripts must be a list of objects")
        for each in scripts:
            outcomes = each.get("outcomes")
            if not isinstance(each.get(key), str) or not isinstance(outcomes, list):
                raise IllegalRequestError(f"a script needs {key} and a list of outcomes")
            script(each[key], outcomes)
        return Reply(body={"scripts": len(scripts)})

    return set_scripts


def mix_route(mix: Callable[[Mapping[str, float]], None]) -> Handler:
    """Make POST /_control/mix {outcome: probability}."""

    def set_mix(call: Call) -> Reply:
        mix(cast("Mapping[str, float]", call.body))
        return Reply(body={"mix": call.body})

    return set_mix
