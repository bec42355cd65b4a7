"""The public keys of whoever issues access tokens: its JWKS, read over HTTP and kept.

Keys are read again after five minutes, and at once for a key id nobody knows, for that no more
often than every 30 seconds: tokens with made-up key ids cost the issuer nothing.  While it does
not answer, the keys that are held serve on, for an hour.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
import urllib3
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

FRESH_SECONDS = 300.0
READ_AGAIN_SECONDS = 30.0
FIRST_READ_AGAIN_SECONDS = 2.0  # while there are no keys at all
HELD_SECONDS_MAX = 3600.0
BYTES_MAX = 64 * 1024
KEYS_MAX = 32
RSA_BITS_MIN = 2048
KINDS = {
    ("RSA", ""): ("RS256", ("kty", "n", "e")),
    ("EC", "P-256"): ("ES256", ("kty", "crv", "x", "y")),
}
"""What kinds of key there are: the algorithm of each, and its public parts."""

KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be read, or not anew; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IssuerKey:
    """One public key, with the only algorithm it may verify."""

    algorithm: str
    public: RSAPublicKey | EllipticCurvePublicKey


class IssuerKeys:
    """The keys of one JWKS address, by key id."""

    def __init__(self, *, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._monotonic = monotonic
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=1.0, read=2.0), retries=False, maxsize=1
        )
        self._keys: Mapping[str, IssuerKey] = {}
        self._read_at = float("-inf")
        self._not_before = float("-inf")
        self._failure = ""

    def find(self, key_id: str) -> IssuerKey | None:
        """Give a key, None if the issuer does not publish it.

        :raises KeysUnavailableError: if there are no keys, or if the key is not among those
            held and the issuer cannot be asked: the token may be good.
        """
        is_old = self._age() > FRESH_SECONDS
        if (is_old or key_id not in self._keys) and self._monotonic() >= self._not_before:
            self._read()
            if self._failure or not is_old:
                pause = READ_AGAIN_SECONDS if self._keys else FIRST_READ_AGAIN_SECONDS
                self._not_before = self._monotonic() + pause
        if self._age() > HELD_SECONDS_MAX:
            raise KeysUnavailableError(self._failure)
        found = self._keys.get(key_id)
        if found is None and self._failure:
            raise KeysUnavailableError(self._failure)
        return found

    def _age(self) -> float:
        return self._monotonic() - self._read_at

    def _read(self) -> None:
        try:
            self._keys = _keys_of(self._fetch())
        except KeysUnavailableError as error:
            self._failure = str(error)
        else:
            self._read_at, self._failure = self._monotonic(), ""

    def _fetch(self) -> bytes:
        try:
            response = self._pool.request(
                "GET",
                self._url,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                redirect=False,
                preload_content=False,
            )
            try:
                body = response.read(BYTES_MAX + 1, decode_content=False)
            finally:
                response.close()  # one read of an oversized answer is enough
        except urllib3.exceptions.HTTPError as error:
            raise KeysUnavailableError("the issuer does not answer") from error
        if response.status != 200:
            raise KeysUnavailableError(f"the issuer answers {response.status}")
        if len(body) > BYTES_MAX:
            raise KeysUnavailableError("the issuer's keys are oversized")
        return body


def _keys_of(body: bytes) -> Mapping[str, IssuerKey]:
    """Read those keys of a JWKS that may verify access tokens; others are of no concern."""
    try:
        published = json.loads(body)["keys"]
        entries = [entry for entry in published[:KEYS_MAX] if isinstance(entry, dict)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeysUnavailableError("the issuer's keys are not a JWKS") from error
    keys: dict[str, IssuerKey] = {}
    for entry in entries:
        key_id, key = entry.get("kid"), _key_of(entry)
        if key is not None and isinstance(key_id, str) and KEY_ID.fullmatch(key_id):
            keys.setdefault(key_id, key)
    if not keys:
        raise KeysUnavailableError("the issuer publishes no usable key")
    return keys


def _key_of(entry: Mapping[str, Any]) -> IssuerKey | None:
    """Read one key; None unless it is an RSA key of 2048 bits or a P-256 key, for signatures."""
    kind = str(entry.get("kty")), str(entry.get("crv", ""))
    if kind not in KINDS:
        return None
    algorithm, parts = KINDS[kind]
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        # The public parts alone: a private key published by mistake is not loaded.
        public = jwt.PyJWK({part: entry[part] for part in parts}, algorithm).key
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
    if isinstance(public, RSAPublicKey) and public.key_size < RSA_BITS_MIN:
        return None
    return IssuerKey(algorithm=algorithm, public=public)
