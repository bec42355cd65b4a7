"""Tokens of our own for the borrower's page: a link that signs in once opened, and a session.

A link is good for 15 minutes, a session for 15 minutes from its last renewal and two hours from
the link that began it.  Both are for one borrower, and neither is taken for the other.  They are
signed (HS256) with a key of the secret `afterloan/<stage>/pages`:
`{"current": "k1", "keys": {"k1": "<64 or more hex digits>"}}`.  While a key rotates the secret
holds two, and a token names its own.
"""

import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import jwt
from jwt.types import Options

from chalicelib.adapters.access_tokens import (
    SUBJECT,
    BadTokenError,
    TokensUnverifiableError,
)
from chalicelib.adapters.issuer_keys import KEY_ID
from chalicelib.adapters.wall_clock import SHANGHAI

LINK_LIFETIME = timedelta(minutes=15)
SESSION_PAUSE_MAX = timedelta(minutes=15)
SESSION_LIFETIME_MAX = timedelta(hours=2)
ALGORITHM = "HS256"
TYPE = "page+jwt"
REQUIRED: Options = {
    "require": ["sub", "purpose", "auth_time", "exp"],
    "verify_exp": False,  # by the time that is passed in
}
CHARACTERS_MAX = 2048
KEPT_SECONDS = 300.0
READ_AGAIN_SECONDS = 30.0
KEY = re.compile(r"(?:[0-9a-fA-F]{2}){32,}", re.ASCII)


class Purpose(StrEnum):
    """What a page token is for."""

    LINK = "link"
    SESSION = "session"


@dataclass(frozen=True, kw_only=True, slots=True)
class PageVisit:
    """Whose page it is, and since when the borrower is signed in (for a link: since never)."""

    borrower_id: str
    auth_time: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class _Keys:
    current: str
    by_id: Mapping[str, bytes]


class PageTokens:
    """Makes and reads page tokens with keys that are at most five minutes old."""

    def __init__(
        self, *, client: Any, secret_id: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._secret_id = secret_id
        self._monotonic = monotonic
        self._kept: tuple[float, _Keys] | None = None
        self._looked_at = float("-inf")

    def link(self, borrower_id: str, *, now: datetime) -> str:
        """Make the token of a link that signs a borrower in.

        :raises TokensUnverifiableError: if there are no keys.
        """
        return self._signed(borrower_id, Purpose.LINK, auth_time=now, ends=now + LINK_LIFETIME)

    def session(self, borrower_id: str, *, now: datetime, since: datetime) -> str:
        """Make the token of a session that began at `since`, or renew it.

        :raises BadTokenError: if it has lasted two hours.
        :raises TokensUnverifiableError: if there are no keys.
        """
        last = since + SESSION_LIFETIME_MAX
        if now >= last:
            raise BadTokenError("expired")
        ends = min(now + SESSION_PAUSE_MAX, last)
        return self._signed(borrower_id, Purpose.SESSION, auth_time=since, ends=ends)

    def read(self, token: str, *, purpose: Purpose, now: datetime) -> PageVisit:
        """Verify a token for one purpose.

        :raises BadTokenError: if it must not be believed.
        :raises TokensUnverifiableError: if there are no keys.
        """
        claims = self._verified(token, purpose)
        if now.timestamp() >= claims["exp"]:
            raise BadTokenError("expired")
        return PageVisit(
            borrower_id=claims["sub"],
            auth_time=datetime.fromtimestamp(claims["auth_time"], SHANGHAI),
        )

    def form_token(self, session_token: str) -> str:
        """Make what a form of this session carries, so that no other site can post it.

        It stays the same while the session is renewed: a second window posts, too.

        :raises BadTokenError: if the session is not one of ours.
        """
        keys = self._keys()
        return _form_token(keys.by_id[keys.current], self._verified(session_token, Purpose.SESSION))

    def is_form_token(self, session_token: str, given: str) -> bool:
        """Say whether a form carries what its session's forms carry."""
        try:
            claims = self._verified(session_token, Purpose.SESSION)
        except BadTokenError:
            return False
        # Any key that is held: a form may have been made before the current one was.
        fits = [
            hmac.compare_digest(_form_token(key, claims).encode(), given.encode())
            for key in self._keys().by_id.values()
        ]
        return any(fits)

    def _signed(
        self, borrower_id: str, purpose: Purpose, *, auth_time: datetime, ends: datetime
    ) -> str:
        if not SUBJECT.fullmatch(borrower_id):
            raise BadTokenError("claim sub")
        keys = self._keys()
        return jwt.encode(
            {
                "sub": borrower_id,
                "purpose": purpose,
                "auth_time": int(auth_time.timestamp()),
                "exp": int(ends.timestamp()),
            },
            keys.by_id[keys.current],
            algorithm=ALGORITHM,
            headers={"kid": keys.current, "typ": TYPE},
        )

    def _verified(self, token: str, purpose: Purpose) -> Mapping[str, Any]:
        """Verify everything but the time; what we signed has the shape we gave it."""
        if len(token) > CHARACTERS_MAX or not token.isascii():
            raise BadTokenError("not a token")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise BadTokenError("malformed") from error
        key_id = header.get("kid")
        if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
            raise BadTokenError("key id")
        key = self._keys(asked_for=key_id).by_id.get(key_id)
        if key is None:
            raise BadTokenError("unknown key")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                options=REQUIRED,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise BadTokenError("signature") from error
        if header.get("typ") != TYPE or claims["purpose"] != purpose:
            raise BadTokenError("purpose")
        return claims

    def _keys(self, *, asked_for: str = "") -> _Keys:
        now = self._monotonic()
        if self._kept is None or now - self._kept[0] > KEPT_SECONDS:
            self._kept = (now, self._read())
        is_unknown = asked_for and asked_for not in self._kept[1].by_id
        if is_unknown and now - self._looked_at > READ_AGAIN_SECONDS:
            # It may have rotated in since, and another worker signs with it already.
            self._looked_at = now
            self._kept = (now, self._read())
        return self._kept[1]

    def _read(self) -> _Keys:
        found = self._client.get_secret_value(SecretId=self._secret_id)
        return _keys_of(found["SecretString"], self._secret_id)


def _keys_of(secret: str, secret_id: str) -> _Keys:
    try:
        given = json.loads(secret)
        current, keys = str(given["current"]), given["keys"]
        by_id = {
            key_id: bytes.fromhex(key)
            for key_id, key in keys.items()
            if KEY_ID.fullmatch(key_id) and KEY.fullmatch(key)
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        current, by_id = "", {}
    if current not in by_id:
        raise TokensUnverifiableError(f"secret {secret_id} holds no current key of 64 hex digits")
    return _Keys(current=current, by_id=by_id)


def _form_token(key: bytes, claims: Mapping[str, Any]) -> str:
    text = f"form\n{claims['sub']}\n{claims['auth_time']}"
    return hmac.digest(key, text.encode(), "sha256").hex()
