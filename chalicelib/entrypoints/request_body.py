"""The body of a request, read strictly: what two readers could read differently is refused.

Python's reader takes NaN, turns 1e999 into infinity, lets the last of two equal keys win and
falls over a deep array; pydantic's strict mode alone does not see the equal keys.
"""

import json
import math
import re
from typing import Any, TypeVar

from chalice.app import Request
from pydantic import TypeAdapter, ValidationError

BYTES_MAX = 64 * 1024
DEPTH_MAX = 32

# Possessive, and an open string ends with the text: read once, whatever was sent.
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_OPENING, _CLOSING = (b"[", b"{"), (b"]", b"}")

Model = TypeVar("Model")

_readers: dict[object, TypeAdapter[Any]] = {}


class UnreadableBodyError(Exception):
    """The body is no JSON to be relied on; `status` and `code` say what to answer."""

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail


def bytes_of(request: Request) -> bytes:
    """Take a request's body as it came.

    :raises UnreadableBodyError: if it cannot have come so: half a surrogate pair, broken base64.
    """
    try:
        raw = request.raw_body
        return raw if isinstance(raw, bytes) else raw.encode()
    except ValueError:
        raise _not_json() from None


def read(model: type[Model], raw: bytes) -> Model:
    """Read JSON into a model or dataclass, strictly: no text becomes a number, no 1.0 an integer.

    :raises UnreadableBodyError: if it is too large or too deep, no JSON in UTF-8, has a key
        twice, or a number that is none.
    :raises pydantic.ValidationError: if it is JSON, but not the model's; the error carries
        what was sent and belongs in no log.
    """
    check_size(raw)
    _check_depth(raw)
    _check_grammar(raw)
    try:
        made: Model = _reader_of(model).validate_json(raw, strict=True)
    except ValidationError as error:
        # What Python's reader lets pass and pydantic's does not: half a surrogate pair.
        if any(found["type"] == "json_invalid" for found in error.errors(include_input=False)):
            raise _not_json() from None
        raise
    return made


def _reader_of(model: Any) -> TypeAdapter[Any]:
    """Make a model's reader once: to make it takes longer than to read with it."""
    if model not in _readers:
        _readers[model] = TypeAdapter(model)
    return _readers[model]


def check_size(raw: bytes) -> None:
    """Refuse a body that is too large, before anything is computed over it.

    :raises UnreadableBodyError: with status 413.
    """
    if len(raw) > BYTES_MAX:
        raise UnreadableBodyError("body_too_large", f"at most {BYTES_MAX} bytes", status=413)


def _check_depth(raw: bytes) -> None:
    depth = 0
    for found in _BRACKET.finditer(raw):
        depth += (found[0] in _OPENING) - (found[0] in _CLOSING)
        if depth > DEPTH_MAX:
            raise UnreadableBodyError("too_deep", f"at most {DEPTH_MAX} levels")


def _check_grammar(raw: bytes) -> None:
    try:
        json.loads(
            raw.decode(),
            object_pairs_hook=_once_each,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except ValueError:
        # Without its cause: that one shows what was sent.
        raise _not_json() from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise UnreadableBodyError("duplicate_key", "a key is given twice")
    return made


def _no_number(_text: str) -> float:
    raise UnreadableBodyError("not_a_number", "NaN and Infinity are no numbers")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _not_json() -> UnreadableBodyError:
    return UnreadableBodyError("not_json", "not JSON in UTF-8")
