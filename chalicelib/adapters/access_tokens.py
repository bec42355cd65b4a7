"""Access tokens (JWT, RFC 9068) of the lender's identity provider: who calls, or a refusal."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

from chalicelib.adapters.issuer_keys import KEY_ID, IssuerKey, IssuerKeys, KeysUnavailableError
from chalicelib.domain.identity import Identity

CHARACTERS_MAX = 4096
ALGORITHMS = frozenset({"RS256", "ES256"})
TYPES = frozenset({"at+jwt", "application/at+jwt"})
LEEWAY = timedelta(seconds=60)
FORBIDDEN_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})
"""What would let a token bring its own key, or rules that are not ours."""

SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
ROLE = re.compile(r"[a-z_]{1,32}", re.ASCII)
ROLES_MAX = 16
REQUIRED: Options = {
    "require": ["exp", "iat", "iss", "aud", "sub"],
    # The times are checked here: PyJWT would read the machine's clock.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


class BadTokenError(Exception):
    """The token must not be believed; the text says which check failed, never what it held."""


class TokensUnverifiableError(Exception):
    """No token can be judged now, so none is believed; the text says why."""


class AccessTokens:
    """Judges the access tokens of one issuer for one audience, always by the wall clock."""

    def __init__(
        self, *, issuer: str, audience: str, keys: IssuerKeys, clock: Callable[[], datetime]
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._clock = clock

    def identity(self, token: str) -> Identity:
        """Verify a token and say whose it is.

        :raises BadTokenError: if it must not be believed.
        :raises TokensUnverifiableError: if the issuer's keys are not known.
        """
        if not (self._issuer and self._audience):
            raise TokensUnverifiableError("no issuer or no audience is set")
        if len(token) > CHARACTERS_MAX or not token.isascii():
            raise BadTokenError("not a token")
        claims = self._verified(token, self._key_for(_header_of(token)))
        self._check_times(claims)
        return Identity(subject=_subject_of(claims), roles=_roles_of(claims))

    def _key_for(self, header: Mapping[str, Any]) -> IssuerKey:
        if FORBIDDEN_HEADERS & header.keys():
            raise BadTokenError("header brings its own key or rules")
        if str(header.get("alg")) not in ALGORITHMS:
            raise BadTokenError("algorithm")
        if str(header.get("typ")).lower() not in TYPES:
            raise BadTokenError("not an access token")
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
            raise BadTokenError("key id")
        try:
            key = self._keys.find(key_id)
        except KeysUnavailableError as error:
            raise TokensUnverifiableError(str(error)) from error
        if key is None:
            raise BadTokenError("unknown key")
        if header["alg"] != key.algorithm:
            raise BadTokenError("algorithm does not fit the key")
        return key

    def _verified(self, token: str, key: IssuerKey) -> Mapping[str, Any]:
        try:
            return jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options=REQUIRED,
            )
        except jwt.InvalidSignatureError as error:
            raise BadTokenError("signature") from error
        except jwt.InvalidAudienceError as error:
            raise BadTokenError("audience") from error
        except jwt.InvalidIssuerError as error:
            raise BadTokenError("issuer") from error
        except jwt.MissingRequiredClaimError as error:
            raise BadTokenError(f"claim {error.claim} is missing") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadTokenError("malformed") from error

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, leeway = self._clock().timestamp(), LEEWAY.total_seconds()
        if now - leeway >= _moment(claims, "exp"):
            raise BadTokenError("expired")
        if _moment(claims, "iat") > now + leeway:
            raise BadTokenError("issued in the future")
        if "nbf" in claims and _moment(claims, "nbf") > now + leeway:
            raise BadTokenError("not valid yet")


def _header_of(token: str) -> Mapping[str, Any]:
    """Read what a token says of itself; nothing of it is believed yet."""
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise BadTokenError("malformed") from error


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """Read a time in seconds since 1970: a finite number, and not `true`."""
    value = claims[name]
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise BadTokenError(f"claim {name}")


def _subject_of(claims: Mapping[str, Any]) -> str:
    subject = str(claims["sub"])
    if not SUBJECT.fullmatch(subject):
        raise BadTokenError("claim sub")
    return subject


def _roles_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Read the roles; a token without any may still say who calls."""
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or len(roles) > ROLES_MAX:
        raise BadTokenError("claim roles")
    if not all(isinstance(role, str) and ROLE.fullmatch(role) for role in roles):
        raise BadTokenError("claim roles")
    return frozenset(roles)
