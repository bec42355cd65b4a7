"""The keys a platform and we sign with, from Secrets Manager; read again while they rotate.

Ours are in a secret a platform, for those that call it: `{"key_id", "private_key_pem"}`.  The
platforms' public keys are together in another, for those that only listen:
`{"payment-platform": {"<key id>": "<pem>"}, …}`.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from chalicelib.adapters.signatures import Signer, Verifier

KEPT_SECONDS = 300.0
PUBLIC = "public-keys"


class PlatformKeys:
    """One platform's keys, at most five minutes old: a new key is known before the old one ends."""

    def __init__(
        self,
        *,
        client: Any,
        stage: str,
        platform: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._stage = stage
        self._platform = platform
        self._monotonic = monotonic
        self._signer: tuple[float, Signer] | None = None
        self._verifier: tuple[float, Verifier] | None = None

    def signer(self) -> Signer:
        """Give our key: who never calls the platform needs no leave to read it."""
        now = self._monotonic()
        if self._signer is None or now - self._signer[0] > KEPT_SECONDS:
            secret = self._read(self._platform)
            self._signer = now, Signer(secret["key_id"], secret["private_key_pem"])
        return self._signer[1]

    def verifier(self) -> Verifier:
        """Give the platform's keys."""
        now = self._monotonic()
        if self._verifier is None or now - self._verifier[0] > KEPT_SECONDS:
            self._verifier = now, Verifier(self._read(PUBLIC)[self._platform])
        return self._verifier[1]

    def _read(self, name: str) -> dict[str, Any]:
        found = self._client.get_secret_value(SecretId=f"afterloan/{self._stage}/{name}")
        secret: dict[str, Any] = json.loads(found["SecretString"])
        return secret
