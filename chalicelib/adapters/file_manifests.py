"""Manifests: three figures beside a file that prove it whole."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.adapters.file_text import UTF_8
from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import Fault, Manifest, UnusableFileError

MANIFEST_BYTES_MAX = 4 * 1024
ROWS_MAX = 10**9
AMOUNT_FEN_MAX = 10**18
FIGURES = ("rows", "amount_fen", "sha256")
NOT_THREE_FIGURES = f"the manifest is not {{{', '.join(FIGURES)}}}"


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

    :raises UnusableFileError: if it is anything else; each fault names its figure.
    """
    told = _object_of(body)
    if faults := [*_strange_names(told), *_strange_figures(told)]:
        raise UnusableFileError(*faults)
    return Manifest(rows=told["rows"], amount=Money(told["amount_fen"]), sha256=told["sha256"])


def _object_of(body: bytes) -> dict[str, Any]:
    """Read a small JSON object.

    :raises UnusableFileError: if it is none, or a name stands in it twice.
    """
    if len(body) > MANIFEST_BYTES_MAX:
        raise UnusableFileError(
            Fault(reason=f"the manifest is longer than {MANIFEST_BYTES_MAX} bytes")
        )
    try:
        pairs = json.loads(body.decode(UTF_8), object_pairs_hook=tuple)
    except (ValueError, RecursionError) as error:
        raise UnusableFileError(Fault(reason="the manifest is not JSON in UTF-8")) from error
    # An array is a list, an object the tuple of its pairs.
    if not isinstance(pairs, tuple):
        raise UnusableFileError(Fault(reason=NOT_THREE_FIGURES))
    told = dict(pairs)
    if len(told) != len(pairs):
        raise UnusableFileError(Fault(reason="a name stands in the manifest twice"))
    return told


def _strange_names(told: Mapping[str, object]) -> Iterator[Fault]:
    for name in FIGURES:
        if name not in told:
            yield Fault(column=name, reason="missing in the manifest")
    if more := len(told.keys() - set(FIGURES)):
        # Not by its name: what stands where nothing should may be anything.
        yield Fault(reason=f"the manifest has {more} more than {', '.join(FIGURES)}")


def _strange_figures(told: Mapping[str, object]) -> Iterator[Fault]:
    for name, least, most in (
        ("rows", 0, ROWS_MAX),
        ("amount_fen", 1 - AMOUNT_FEN_MAX, AMOUNT_FEN_MAX - 1),
    ):
        figure = told.get(name, 0)
        # `type`, for a bool is an int to `isinstance`, and no number of rows.
        if type(figure) is not int:
            yield Fault(column=name, reason="not a whole number in the manifest")
        elif not least <= figure <= most:
            yield Fault(column=name, reason="out of bounds in the manifest")
    digest = told.get("sha256", "0" * 64)
    if not (isinstance(digest, str) and re.fullmatch(r"[0-9a-f]{64}", digest)):
        yield Fault(column="sha256", reason="not 64 of 0-9 a-f in the manifest")
