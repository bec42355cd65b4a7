"""The keys a platform and we sign with, from Secrets Manager; read again while they rotate."""

import json
import time
from collections.abc import Callable
from typing import Any

from chalicelib.adapters.signatures import Signer, Verifier

KEPT_SECONDS = 300.0


class PlatformKeys:
    """One platform's keys, at most five minutes old: a new key is known before the old one ends."""

    def __init__(
        self, *, client: Any, secret_id: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._kept: tuple[float, Signer, Verifier] | None = None

    def signer(self) -> Signer:
        return self._fresh()[1]

    def verifier(self) -> Verifier:
        return self._fresh()[2]

    def _fresh(self) -> tuple[float, Signer, Verifier]:
        now = self._monotonic()
        if self._kept is None or now - self._kept[0] > KEPT_SECONDS:
            found = self._client.get_secret_value(SecretId=self._secret_id)
            secret: dict[str, Any] = json.loads(found["SecretString"])
            self._kept = (
                now,
                Signer(secret["key_id"], secret["private_key_pem"]),
                Verifier(secret["platform_public_keys"]),
            )
        return self._kept
