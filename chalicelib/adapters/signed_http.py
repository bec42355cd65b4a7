"""Signed calls to a platform: one request, one verified answer, no silent second try."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import urllib3

from chalicelib.adapters.signatures import BadSignatureError, Signer, Verifier

ANSWER_BYTES_MAX = 64 * 1024


class NoAnswerError(Exception):
    """No answer that could be believed; `reason` says why, `is_unreachable` that none was asked."""

    def __init__(self, reason: str, *, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_unreachable = is_unreachable


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A verified answer; or, unsigned and without a body, a gateway's refusal of the call (429)."""

    status: int
    body: bytes


class Keys(Protocol):
    def signer(self) -> Signer:
        """Give the key we sign with now."""

    def verifier(self) -> Verifier:
        """Give the keys the other side may sign with now."""


class SignedHttp:
    """One platform's address and keys.  Connections are kept; calls are never repeated.

    The keys are looked up at the first call: who never calls needs no leave to read them.
    """

    def __init__(
        self,
        *,
        base_url: str,
        keys: Keys,
        clock: Callable[[], datetime],
        on_bad_signature: Callable[[], None] = lambda: None,
        connect_seconds: float = 1.0,
        read_seconds: float = 8.0,
        connections: int = 16,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._keys = keys
        self._clock = clock
        self._on_bad_signature = on_bad_signature
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=connect_seconds, read=read_seconds),
            retries=False,
            maxsize=connections,
        )

    def call(self, method: str, path: str, payload: Mapping[str, Any] | None = None) -> Reply:
        """Make one call.

        :raises NoAnswerError: on time-out, refusal, bad signature or an oversized answer.
        """
        body = json.dumps(payload, ensure_ascii=False).encode() if payload is not None else b""
        headers = self._keys.signer().sign(
            method,
            path,
            body,
            timestamp=self._clock().isoformat(timespec="seconds"),
            nonce=secrets.token_hex(16),
        ) | {"Content-Type": "application/json"}
        try:
            response = self._pool.request(
                method, self._base_url + path, body=body or None, headers=headers, redirect=False
            )
        except (
            urllib3.exceptions.ConnectTimeoutError,
            urllib3.exceptions.NewConnectionError,
        ) as error:
            raise NoAnswerError("unreachable", is_unreachable=True) from error
        except urllib3.exceptions.HTTPError as error:
            raise NoAnswerError("no_answer") from error
        return self._believed(method, path, response)

    def _believed(self, method: str, path: str, response: urllib3.BaseHTTPResponse) -> Reply:
        if len(response.data) > ANSWER_BYTES_MAX:
            raise NoAnswerError("oversized")
        try:
            self._keys.verifier().verify(method, path, response.headers, response.data)
        except BadSignatureError as error:
            if response.status == 429:
                return Reply(status=429, body=b"")
            if response.status >= 500:
                raise NoAnswerError("server_error") from error
            self._on_bad_signature()
            raise NoAnswerError("bad_signature") from error
        return Reply(status=response.status, body=response.data)
