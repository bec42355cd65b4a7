"""A small OpenID Connect issuer: keys that rotate, and whatever token a test asks for.

Its keys are kept in `issuer.json` (0600), one RSA and one P-256 key a generation, the current
generation first.  Tokens are access tokens (RFC 9068, `at+jwt`), by the real time.
"""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from simulators.keys import UnreadableKeysError

RS256, ES256 = "RS256", "ES256"
SECONDS = 900
SECONDS_MAX = 30 * 24 * 3600
FILE = "issuer.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuingKey:
    """One key pair, and the algorithm it signs with."""

    key_id: str
    algorithm: str
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    def public(self) -> dict[str, Any]:
        """Give the public half as a JWK."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            parts = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            parts = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        parts.pop("key_ops", None)
        return {**parts, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    def kept(self) -> dict[str, str]:
        """Give what is written to the file."""
        pem = self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "key_id": self.key_id,
            "algorithm": self.algorithm,
            "private_key_pem": pem.decode(),
        }


class Issuer:
    """Issues tokens as `url`; keys are made at the first start and read at every other.

    :raises UnreadableKeysError: if the folder's file is not one of ours.
    """

    def __init__(self, *, url: str, directory: Path, clock: Callable[[], datetime]) -> None:
        self.url = url.rstrip("/")
        self._file = directory / FILE
        self._clock = clock
        self._lock = Lock()
        self._keys = _read(self._file) if self._file.exists() else _generation()
        self._write()

    def configuration(self) -> Mapping[str, object]:
        """Describe the issuer (OpenID Connect Discovery)."""
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks.json",
            "id_token_signing_alg_values_supported": [RS256, ES256],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def jwks(self) -> Mapping[str, object]:
        """Publish the public keys, those that still verify and no longer sign as well."""
        with self._lock:
            return {"keys": [key.public() for key in self._keys]}

    def token(
        self, *, subject: str, roles: list[str], seconds: int, audience: str, algorithm: str
    ) -> str:
        """Issue a token that ends in `seconds`, or has ended if they are negative."""
        with self._lock:
            key = next(key for key in self._keys if key.algorithm == algorithm)
        now = int(self._clock().timestamp())
        return jwt.encode(
            {
                "iss": self.url,
                "aud": audience,
                "sub": subject,
                "roles": roles,
                "iat": min(now, now + seconds),
                "exp": now + seconds,
                "jti": secrets.token_hex(8),
            },
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.key_id, "typ": "at+jwt"},
        )

    def rotate(self) -> list[str]:
        """Sign with new keys from now on; the old ones are still published."""
        made = _generation()
        with self._lock:
            self._keys = made + self._keys
            self._write()
            return [key.key_id for key in self._keys]

    def retire(self) -> list[str]:
        """Publish the current keys alone."""
        with self._lock:
            self._keys = self._keys[:2]
            self._write()
            return [key.key_id for key in self._keys]

    def _write(self) -> None:
        """Put the file in its place whole, never half."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({"keys": [key.kept() for key in self._keys]}, stream, indent=1)
        draft.replace(self._file)


def _generation() -> list[IssuingKey]:
    name = secrets.token_hex(4)
    return [
        IssuingKey(
            key_id=f"{name}-rs", algorithm=RS256, private=rsa.generate_private_key(65537, 2048)
        ),
        IssuingKey(
            key_id=f"{name}-es", algorithm=ES256, private=ec.generate_private_key(ec.SECP256R1())
        ),
    ]


def _read(file: Path) -> list[IssuingKey]:
    try:
        keys = [_key_of(kept) for kept in json.loads(file.read_text())["keys"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableKeysError(f"{file}: {error!r}") from error
    if [key.algorithm for key in keys[:2]] != [RS256, ES256]:
        raise UnreadableKeysError(f"{file}: the first two keys are not an RSA and a P-256 key")
    return keys


def _key_of(kept: Mapping[str, str]) -> IssuingKey:
    private = serialization.load_pem_private_key(kept["private_key_pem"].encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise TypeError("neither an RSA nor an elliptic curve key")
    return IssuingKey(key_id=kept["key_id"], algorithm=kept["algorithm"], private=private)
