"""Two key pairs per platform: `merchant.json` is for Afterloan, `platform.json` stays here.

A platform may have merchants beside Afterloan: each has a file of its own, and is known by name.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from simulators.signatures import Signer, Verifier


class UnreadableKeysError(Exception):
    """There are no keys in the folder, or they are not ours."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """What one side needs: its own private key and the other side's public keys.

    `merchants` names those beside Afterloan, by key id.
    """

    signer: Signer
    verifier: Verifier
    merchants: Mapping[str, str] = field(default_factory=dict)


def make(directory: Path) -> bool:
    """Make both files, 0600; False (and nothing is touched) if both are there.

    One without the other is of no use: both are made anew.
    """
    merchant_file, platform_file = directory / "merchant.json", directory / "platform.json"
    if merchant_file.exists() and platform_file.exists():
        return False
    directory.mkdir(parents=True, exist_ok=True)
    merchant, platform = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    merchant_public, platform_public = merchant.public_key(), platform.public_key()
    kept = {
        "key_id": _key_id(platform_public),
        "private_key_pem": _private_pem(platform),
        "merchant_public_keys": {_key_id(merchant_public): _public_pem(merchant_public)},
    }
    given = {
        "key_id": _key_id(merchant_public),
        "private_key_pem": _private_pem(merchant),
        "platform_key_id": _key_id(platform_public),
        "platform_public_keys": {_key_id(platform_public): _public_pem(platform_public)},
    }
    _write(platform_file, kept)
    _write(merchant_file, given)
    return True


def add_merchant(directory: Path, name: str) -> bool:
    """Let one more merchant in, with a file of its own; False if it is in already.

    The platform reads its keys when it starts.

    :raises UnreadableKeysError: if the platform has no keys yet.
    """
    platform_file, file = directory / "platform.json", directory / f"{name}.json"
    try:
        kept = json.loads(platform_file.read_text())
        if file.exists() and json.loads(file.read_text())["key_id"] in kept["merchant_public_keys"]:
            return False
        of_merchants = json.loads((directory / "merchant.json").read_text())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableKeysError(f"{directory}: {error!r}") from error
    private = rsa.generate_private_key(65537, 2048)
    public = private.public_key()
    key_id = _key_id(public)
    kept["merchant_public_keys"][key_id] = _public_pem(public)
    kept["merchants"] = {**kept.get("merchants", {}), key_id: name}
    given = {**of_merchants, "key_id": key_id, "private_key_pem": _private_pem(private)}
    _write(file, given)
    _write(platform_file, kept)
    return True


def of_platform(directory: Path) -> KeyRing:
    """Read the platform's side.

    :raises UnreadableKeysError: if it cannot be read.
    """
    return _read(directory / "platform.json", "merchant_public_keys")


def of_merchant(directory: Path, name: str = "merchant") -> KeyRing:
    """Read a merchant's side: Afterloan's, for whoever plays it, or that of one beside it.

    :raises UnreadableKeysError: if it cannot be read.
    """
    return _read(directory / f"{name}.json", "platform_public_keys")


def _read(file: Path, others: str) -> KeyRing:
    try:
        given = json.loads(file.read_text())
        private = serialization.load_pem_private_key(given["private_key_pem"].encode(), None)
        public = {
            key_id: serialization.load_pem_public_key(pem.encode())
            for key_id, pem in given[others].items()
        }
        key_id, merchants = given["key_id"], dict(given.get("merchants", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableKeysError(f"{file}: {error!r}") from error
    if not isinstance(private, RSAPrivateKey):
        raise UnreadableKeysError(f"{file}: the private key is not an RSA key")
    rsa_keys = {name: key for name, key in public.items() if isinstance(key, RSAPublicKey)}
    return KeyRing(Signer(key_id, private), Verifier(rsa_keys), merchants)


def _write(file: Path, content: object) -> None:
    """Put a file in its place whole, never half."""
    draft = file.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)
    draft.replace(file)


def _key_id(key: RSAPublicKey) -> str:
    """Name a key by its fingerprint."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:16]


def _public_pem(key: RSAPublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _private_pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
