"""Access tokens of the simulated identity provider."""

from datetime import datetime, timedelta
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.adapters.issuer_keys import IssuerKey

ISSUER, AUDIENCE, KEY_ID = "https://issuer.test", "afterloan", "k1"
_PRIVATE = ec.generate_private_key(ec.SECP256R1())


class _Keys:
    """Stands where the issuer's published keys are looked up."""

    def find(self, key_id: str) -> IssuerKey | None:
        return (
            IssuerKey(algorithm="ES256", public=_PRIVATE.public_key()) if key_id == KEY_ID else None
        )


KEYS = _Keys()


@cache
def token_of(subject: str, *, day: datetime, roles: tuple[str, ...] = ("borrower",)) -> str:
    """Sign somebody in for the day and the next."""
    return jwt.encode(
        {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "roles": list(roles),
            "iat": int(day.timestamp()),
            "exp": int((day + timedelta(days=3)).timestamp()),
        },
        _PRIVATE,
        algorithm="ES256",
        headers={"kid": KEY_ID, "typ": "at+jwt"},
    )
