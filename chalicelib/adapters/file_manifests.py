"""Manifests: three figures beside a file that prove it whole."""

import hashlib
import json
import re

from chalicelib.adapters.file_text import UTF_8
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import Fault, Manifest, UnusableFileError

MANIFEST_BYTES_MAX = 4 * 1024
ROWS_MAX = 10**9
AMOUNT_FEN_MAX = 10**18


def manifest_of(*, body: bytes, rows: int, amount: Money) -> bytes:
    """Write the manifest of a file; the same file, the same bytes."""
    digest = hashlib.sha256(body).hexdigest()
    return told_manifest(Manifest(rows=rows, amount=amount, sha256=digest))


def told_manifest(manifest: Manifest) -> bytes:
    """Write what a file holds the way `read_manifest` reads it."""
    told = {"rows": manifest.rows, "amount_fen": manifest.amount.fen, "sha256": manifest.sha256}
    return json.dumps(told).encode()


def read_manifest(body: bytes) -> Manifest:
    """Read a manifest: these three figures, and nothing else.

    >>> read_manifest(b'{"rows": 0, "amount_fen": 0, "sha256": "' + b"0" * 64 + b'"}').rows
    0

    :raises UnusableFileError: if it is anything else.
    """
    told = _object_of(body)
    match told:
        # bool is an int to `int()`, and no number of rows
        case {"rows": int(rows), "amount_fen": int(amount_fen), "sha256": str(sha256)} if (
            len(told) == 3
            and type(rows) is type(amount_fen) is int
            and 0 <= rows <= ROWS_MAX
            and abs(amount_fen) < AMOUNT_FEN_MAX
            and re.fullmatch(r"[0-9a-f]{64}", sha256)
        ):
            return Manifest(rows=rows, amount=Money(amount_fen), sha256=sha256)
    raise UnusableFileError(Fault(reason="the manifest is not {rows, amount_fen, sha256}"))


def _object_of(body: bytes) -> dict[str, object]:
    """Read a small JSON object; a name that stands twice, or any doubt, makes it an empty one."""
    if len(body) > MANIFEST_BYTES_MAX:
        return {}
    try:
        pairs = json.loads(body.decode(UTF_8), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return {}
    is_sound = isinstance(pairs, tuple) and len(dict(pairs)) == len(pairs)
    return dict(pairs) if is_sound else {}
