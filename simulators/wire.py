"""What goes over the wire: the cores say it, the HTTP servers do it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Wire(StrEnum):
    """What becomes of an answer on its way."""

    SIGNED = "signed"
    BADLY_SIGNED = "badly_signed"
    UNSIGNED = "unsigned"
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One answer; `seconds` pass before it goes out, or before the connection is dropped.

    A Mapping is sent as JSON, a text as HTML.
    """

    status: int = 200
    body: Mapping[str, object] | str
    wire: Wire = Wire.SIGNED
    seconds: float = 0.0

    @property
    def content_type(self) -> str:
        return "text/html; charset=utf-8" if isinstance(self.body, str) else "application/json"

    def payload(self) -> bytes:
        """Render the body; the same body always gives the same bytes."""
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


HTML_ERROR = Reply(
    status=502,
    body="<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>",
    wire=Wire.UNSIGNED,
)


def dropped(*, after_seconds: float) -> Reply:
    """Hold the connection, then drop it without a byte."""
    return Reply(body="", wire=Wire.DROPPED, seconds=after_seconds)


def refusal(status: int, code: str, message: str, **more: object) -> Reply:
    """Refuse a request with a stable code.

    >>> refusal(404, "NOT_EXIST", "订单不存在").payload().decode()
    '{"code":"NOT_EXIST","message":"订单不存在"}'
    """
    return Reply(status=status, body={"code": code, "message": message, **more})


class IllegalRequestError(ValueError):
    """The request lacks a field, or has one of the wrong shape; the text names it."""


def text_of(body: Mapping[str, object], name: str, *, length_max: int = 64) -> str:
    """Read a text that must be there.

    :raises IllegalRequestError: if it is missing, empty or too long.
    """
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= length_max:
        raise IllegalRequestError(f"{name} must be a text of 1 to {length_max} characters")
    return value


def fen_of(body: Mapping[str, object], name: str) -> int:
    """Read an amount in fen.

    :raises IllegalRequestError: if it is not a positive integer.
    """
    value = body.get(name)
    if type(value) is not int or value <= 0:
        raise IllegalRequestError(f"{name} must be a positive integer of fen")
    return value


def strictly_object(raw: bytes) -> Mapping[str, object]:
    """Parse a JSON object; an empty body is an empty one.

    :raises IllegalRequestError: if it is anything else.
    """
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError) as error:
        raise IllegalRequestError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise IllegalRequestError("the body is not a JSON object")
    return body
