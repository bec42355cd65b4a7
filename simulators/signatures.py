r"""Signatures on both directions of the wire.

RSA-SHA256 (PKCS #1 v1.5, base64) over `METHOD\nPATH\nTIMESTAMP\nNONCE\nSHA256(body) in hex\n`;
an answer is signed with the method and path of its request.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

TOLERANCE = timedelta(minutes=5)


class BadSignatureError(Exception):
    """The message is not believed; the text says why."""


def signed_text(*, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    r"""Write what is signed.

    >>> text = signed_text(
    ...     method="GET", path="/v1/deductions/7", timestamp="2026-11-24T08:00:00+08:00",
    ...     nonce="n", body=b"",
    ... )
    >>> text.startswith(b"GET\n/v1/deductions/7\n2026-11-24T08:00:00+08:00\nn\ne3b0c44298fc")
    True
    """
    digest = hashlib.sha256(body).hexdigest()
    return f"{method}\n{path}\n{timestamp}\n{nonce}\n{digest}\n".encode()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one private key."""

    key_id: str
    private_key: RSAPrivateKey

    def sign(
        self, *, method: str, path: str, body: bytes, timestamp: str, nonce: str
    ) -> dict[str, str]:
        """Make the four headers of a message."""
        text = signed_text(method=method, path=path, timestamp=timestamp, nonce=nonce, body=body)
        return {
            "X-Key-Id": self.key_id,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": base64.b64encode(
                self.private_key.sign(text, PKCS1v15(), hashes.SHA256())
            ).decode(),
        }


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies with the public keys of the other side."""

    public_keys: Mapping[str, RSAPublicKey]

    def verify(
        self, *, method: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> None:
        """Believe a message or raise; `now` is wall-clock time.

        :raises BadSignatureError: if a header is missing or malformed, the key is unknown, the
            timestamp is more than five minutes away, or the signature is not of these bytes.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            key_id, timestamp = given["x-key-id"], given["x-timestamp"]
            nonce, encoded = given["x-nonce"], given["x-signature"]
        except KeyError as error:
            raise BadSignatureError(f"missing header {error.args[0]}") from error
        if key_id not in self.public_keys:
            raise BadSignatureError("unknown key")
        _check_age(timestamp, now)
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadSignatureError("the signature is not base64") from error
        text = signed_text(method=method, path=path, timestamp=timestamp, nonce=nonce, body=body)
        try:
            self.public_keys[key_id].verify(signature, text, PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise BadSignatureError("the signature does not match") from error


def _check_age(timestamp: str, now: datetime) -> None:
    try:
        age = abs(now - datetime.fromisoformat(timestamp))
    except (ValueError, TypeError) as error:
        raise BadSignatureError("the timestamp is not RFC 3339 with a zone") from error
    if age > TOLERANCE:
        raise BadSignatureError("the timestamp is more than five minutes away")
