r"""Signatures on what goes to a platform and what comes back from it.

RSA-SHA256 (PKCS #1 v1.5) over `METHOD\nPATH\nTIMESTAMP\nNONCE\nSHA256(body)\n`, in the
headers X-Key-Id, X-Timestamp, X-Nonce and X-Signature; an answer is signed with the method
and path of its request.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOLERANCE = timedelta(minutes=5)


class BadSignatureError(Exception):
    """The message is not from whom it says, not what was sent, or too old; the text says which."""


def _signed_text(method: str, path: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return f"{method}\n{path}\n{timestamp}\n{nonce}\n{digest}\n".encode()


@dataclass(frozen=True)
class Signer:
    """Signs with our private key."""

    key_id: str
    private_key_pem: str

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        key = serialization.load_pem_private_key(self.private_key_pem.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"key {self.key_id} is not an RSA private key")
        return key

    def sign(
        self, method: str, path: str, body: bytes, *, timestamp: str, nonce: str
    ) -> dict[str, str]:
        """Make the headers that sign a message."""
        signature = self._key.sign(
            _signed_text(method, path, timestamp, nonce, body), padding.PKCS1v15(), hashes.SHA256()
        )
        return {
            "X-Key-Id": self.key_id,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": base64.b64encode(signature).decode(),
        }


@dataclass(frozen=True)
class Verifier:
    """Verifies with the other side's public keys; two may be valid while they rotate."""

    public_keys: Mapping[str, str]

    @cached_property
    def _keys(self) -> dict[str, rsa.RSAPublicKey]:
        keys = {}
        for key_id, pem in self.public_keys.items():
            key = serialization.load_pem_public_key(pem.encode())
            if not isinstance(key, rsa.RSAPublicKey):
                raise TypeError(f"key {key_id} is not an RSA public key")
            keys[key_id] = key
        return keys

    def verify(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        now: datetime | None = None,
    ) -> None:
        """Accept a message or raise; its age is judged where `now` (wall-clock time) is given.

        :raises BadSignatureError: if it must not be believed.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            if (key := self._keys.get(given["x-key-id"])) is None:
                raise BadSignatureError("unknown key")  # its name is a stranger's text
            timestamp, nonce = given["x-timestamp"], given["x-nonce"]
            signature = base64.b64decode(given["x-signature"], validate=True)
            if now is not None and abs(now - datetime.fromisoformat(timestamp)) > TOLERANCE:
                raise BadSignatureError("stale timestamp")
            key.verify(
                signature,
                _signed_text(method, path, timestamp, nonce, body),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        except KeyError as error:
            raise BadSignatureError(f"missing: {error.args[0]}") from error
        except (binascii.Error, ValueError, TypeError) as error:
            raise BadSignatureError("malformed") from error
        except InvalidSignature as error:
            raise BadSignatureError("does not match") from error
