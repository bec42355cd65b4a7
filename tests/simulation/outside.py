"""The world outside, in process: what goes over the wire to the platforms, and how it is signed.

The production adapter signs, sends, verifies and reads as ever.  Two things stand in for slow
ones: the connection pool (no HTTP), and the two operations with an RSA key (a keyed digest).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from cryptography.exceptions import InvalidSignature

from chalicelib.adapters.signatures import BadSignatureError, Signer, Verifier
from simulators.payment_platform import PaymentPlatform
from simulators.sms_platform import SmsPlatform
from simulators.wire import Reply, Wire, refusal
from tests.simulation.clock import VirtualClock

PAYMENT, SMS, US = "http://payment.test", "http://sms.test", "http://us.test"
FUNDER = "http://funder.test"
READ_SECONDS = 8.0
THROTTLED = Reply(status=429, body={"code": "RATE_LIMITED"}, wire=Wire.UNSIGNED)


class CheapKey:
    """Signs like an RSA key, a thousand times faster: a digest under a secret of both sides."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, text: bytes, *_: object) -> bytes:
        return hashlib.blake2b(text, key=self._secret, digest_size=32).digest()

    def verify(self, signature: bytes, text: bytes, *_: object) -> None:
        if not hmac.compare_digest(signature, self.sign(text)):
            raise InvalidSignature


class CheapKeys:
    """One side's keys: the production's signer and verifier around cheap ones."""

    def __init__(self, ours: str, theirs: str) -> None:
        self._signer = Signer(key_id=ours, private_key_pem="")
        self._signer.__dict__["_key"] = CheapKey(ours)
        self._verifier = Verifier(public_keys={})
        self._verifier.__dict__["_keys"] = {theirs: CheapKey(theirs)}

    def signer(self) -> Signer:
        return self._signer

    def verifier(self) -> Verifier:
        return self._verifier


OUR_KEYS = CheapKeys(ours="afterloan", theirs="platform")
THEIR_KEYS = CheapKeys(ours="platform", theirs="afterloan")
FOREIGN_KEYS = CheapKeys(ours="stranger", theirs="stranger")


@dataclass(frozen=True, slots=True)
class Response:
    """What urllib3 would give."""

    status: int
    data: bytes
    headers: Mapping[str, str]


Around = Callable[[str, str, Mapping[str, Any], Callable[[], Any]], Any]


class Platforms:
    """Stands where urllib3's pool stands; every request is a call that may be made to fail."""

    def __init__(self, *, clock: VirtualClock, around: Around) -> None:
        self._clock = clock
        self._around = around
        self.is_down = False
        self.is_throttling = False
        self.is_funder_down = False

    def begin(
        self,
        *,
        payment: PaymentPlatform,
        sms: SmsPlatform,
        wishes: PaymentPlatform | None = None,
    ) -> None:
        """Put a day's platforms behind the wire; `wishes` is a funder that takes deductions."""
        self._payment, self._sms, self._wishes = payment, sms, wishes
        self.is_down = self.is_throttling = self.is_funder_down = False

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
        redirect: bool,
    ) -> Response:
        assert not redirect
        host, _, path = url.removeprefix("http://").partition("/")
        name = host.partition(".")[0]

        def make() -> Response:
            return self._answered(name, method, f"/{path}", body or b"", headers)

        given: Response = self._around(name, f"{method} /{path}", {"body": body or b""}, make)
        return given

    def _answered(
        self, name: str, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        if self.is_down or (name == "funder" and self.is_funder_down):
            raise urllib3.exceptions.NewConnectionError(None, "down")  # type: ignore[arg-type]
        if self.is_throttling:
            return Response(429, THROTTLED.payload(), {})
        try:
            THEIR_KEYS.verifier().verify(method, path, headers, body)
        except BadSignatureError as error:
            reply = refusal(401, "SIGNATURE_INVALID", str(error))
        else:
            reply = self._routed(name, method, path, json.loads(body) if body else {})
        if reply.wire is Wire.DROPPED:
            self._clock.pass_(min(reply.seconds, READ_SECONDS))
            raise urllib3.exceptions.ReadTimeoutError(None, path, "no answer")  # type: ignore[arg-type]
        payload = reply.payload()
        if reply.wire is Wire.UNSIGNED:
            return Response(reply.status, payload, {})
        signed = payload if reply.wire is Wire.SIGNED else payload + b"?"
        return Response(reply.status, payload, self.signed(method, path, signed))

    def signed(
        self, method: str, path: str, body: bytes, *, keys: CheapKeys = THEIR_KEYS
    ) -> dict[str, str]:
        """Make the headers of something the platforms say, now."""
        stamp = self._clock.now().isoformat(timespec="seconds")
        return keys.signer().sign(method, path, body, timestamp=stamp, nonce="0")

    def _routed(self, name: str, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        if name == "sms":
            return self._texts(method, path, body)
        platform = self._payment if name == "payment" else self._wishes
        assert platform is not None
        return self._payments(platform, method, path, body)

    def _payments(
        self, platform: PaymentPlatform, method: str, path: str, body: Mapping[str, Any]
    ) -> Reply:
        if path == "/v1/refunds":
            return platform.refund(body)
        parts = path.removeprefix("/v1/deductions").strip("/").split("/")
        if method == "POST" and parts == [""]:
            return platform.deduct(body)
        if method == "POST" and parts[1:] == ["close"]:
            return platform.close(parts[0])
        if method == "POST" and parts[1:] == ["splits"]:
            return platform.split(parts[0], body)
        return platform.query(parts[0])

    def _texts(self, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        if method == "POST":
            return self._sms.send(body)
        return self._sms.query(path.rpartition("/")[2].replace("%23", "#"))
