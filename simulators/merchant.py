"""A client of the simulated platforms, for tests and benchmarks: it plays Afterloan."""

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import urllib3

from simulators.clock import rfc3339, wall_clock
from simulators.keys import KeyRing


class Merchant:
    """Calls one platform on kept connections; no call is ever repeated by itself."""

    def __init__(self, *, url: str, ring: KeyRing) -> None:
        self.ring = ring
        self.http = urllib3.connection_from_url(url, maxsize=16, retries=False)

    def headers(
        self, method: str, path: str, body: bytes, *, at: datetime | None = None
    ) -> dict[str, str]:
        """Sign a request, now or as if it were some other time."""
        return self.ring.signer.sign(
            method=method,
            path=path,
            body=body,
            timestamp=rfc3339(at or wall_clock()),
            nonce=secrets.token_hex(16),
        )

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 5.0,
    ) -> urllib3.BaseHTTPResponse:
        """Send bytes as they are."""
        return self.http.request(method, path, body=body, headers=headers, timeout=seconds)

    def verify(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Believe the platform or raise.

        :raises BadSignatureError: if it must not be believed.
        """
        self.ring.verifier.verify(
            method=method, path=path, headers=headers, body=body, now=wall_clock()
        )

    def call(
        self,
        method: str,
        path: str,
        content: Mapping[str, object] | None = None,
        *,
        seconds: float = 5.0,
    ) -> tuple[int, Any]:
        """Call signed, verify the answer, and give its status and its JSON.

        :raises BadSignatureError: if the answer must not be believed.
        """
        body = b"" if content is None else json.dumps(content).encode()
        signed = self.headers(method, path, body)
        answer = self.send(method, path, body, signed, seconds=seconds)
        self.verify(method, path, answer.headers, answer.data)
        return answer.status, json.loads(answer.data)

    def control(
        self, method: str, name: str, content: Mapping[str, object] | None = None
    ) -> tuple[int, Any]:
        """Call a control route: `POST`, `clock`."""
        body = b"" if content is None else json.dumps(content).encode()
        answer = self.send(method, f"/_control/{name}", body)
        return answer.status, json.loads(answer.data)

    def close(self) -> None:
        self.http.close()
