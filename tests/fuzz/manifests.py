"""Manifests to be fuzzed, and what an honest one is."""

import hashlib
import json
from collections.abc import Sequence
from random import Random  # noqa: TID251  seeded: the same number makes the same manifest

from pydantic_core import from_json

from tests.fuzz.readings import Reading

FIGURES = ("rows", "amount_fen", "sha256")
VALUES = (
    "0", "1", "-1", "-0", "1.0", "1e0", "1E2", "1e999", "NaN", "Infinity", "-Infinity", "true", "null",
    '"1"', '"１"', "[]", "{}", "[1]", '{"rows": 1}', "01", "+1", "1_000", "１", "0x1", "9" * 18, "9" * 19,
    "9" * 4000, "1000000000", "1000000001", "999999999999999999", "1000000000000000000", '"\\ud800"',
    '"' + "0" * 64 + '"', '"' + "A" * 64 + '"', '"' + "0" * 63 + '"', '"' + "0" * 64 + '\\n"', '"\\u0030"',
)  # fmt: skip
BYTES = (
    b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b'"', b"{", b"}", b"[" * 2000, b"\xff", b"\xa0", b",", b" ", b"\n",
    b"//", b"\\", b"\xed\xa0\x80", b" " * 5000, b'"rows": 1,', b"\xc2\xa0",
)  # fmt: skip


def told(body: bytes, lines: Sequence[Reading]) -> dict[str, object]:
    """Say what is true of a file."""
    return {
        "rows": len(lines),
        "amount_fen": sum(line.amount or 0 for line in lines),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def honest(body: bytes, lines: Sequence[Reading]) -> bytes:
    return json.dumps(told(body, lines)).encode()


def a_manifest(seed: str, truth: dict[str, object]) -> bytes:
    """Make the manifest of a seed: other figures, other JSON, other bytes."""
    rng = Random(seed)
    members = [[json.dumps(name), json.dumps(value)] for name, value in truth.items()]
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        member = rng.choice(members)
        match rng.randrange(6):
            case 0 | 1:
                member[1] = rng.choice(VALUES)
            case 2:
                member[0] = rng.choice(
                    ['"rows"', '"Rows"', '"r\\u006fws"', "rows", '"ｒows"', '""']
                )
            case 3:
                members.append(list(rng.choice(members)))
            case 4:
                members.append(['"more"', rng.choice(VALUES)])
            case _:
                members.remove(member) if len(members) > 1 else None
    rng.shuffle(members)
    space = rng.choice(["", " ", "\n", "\t\r\n"])
    body = (
        "{" + ("," + space).join(f"{name}:{space}{value}" for name, value in members) + "}"
    ).encode()
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        at = rng.randint(0, len(body))
        less = rng.choice([0, 1, len(body)])
        body = (
            body[:at] + rng.choice([*BYTES, bytes([rng.randrange(256)]), b""]) + body[at + less :]
        )
    return body


def figures_of(body: bytes) -> dict[str, object] | None:
    """Read a manifest with another reader of JSON; None if it is none by what that can see."""
    try:
        found = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    if not isinstance(found, dict) or set(found) != set(FIGURES):
        return None
    kinds = [type(found[name]) for name in FIGURES]
    return found if kinds == [int, int, str] else None
