"""Ways to spoil a funder's file on request, one line each; the books behind it stay true.

A mutation that names no line hits the line of its own place in the list of mutations, so the
same request always hits the same lines.

Of lines: change_amount (by_fen, whole and funder's part, so that it adds up) · change_penalty (the
same of the penalty) · swapped_split (the parties exchanged) · wrong_total (by_fen, of the whole
alone) · missing_line, missing_loan (all its lines) · duplicate_line · extra_loan (a loan nobody
has) · formula_cell (the first column) · bad_cell (to `to`: the first amount) · wrong_status (a
success is told as a plain failure, or the status becomes `to`) · reject_row (a confirmation says
"differs").
Of the file: truncated, wrong_digest, wrong_rows, wrong_sum, no_manifest · utf8 (whatever the
dialect says) · late (nothing is written).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from simulators.funder_dialects import (
    AMOUNTS,
    COLUMNS,
    CONTROL,
    Dialect,
    Row,
    Written,
    fen_of,
    manifest_of,
    written,
)

OF_LINES = frozenset(
    (
        *("change_amount", "change_penalty", "swapped_split", "wrong_total", "missing_line"),
        *("missing_loan", "duplicate_line", "formula_cell", "bad_cell", "wrong_status"),
        "reject_row",
    )
)
OF_FILE = frozenset(
    ("truncated", "wrong_digest", "wrong_rows", "wrong_sum", "no_manifest", "utf8", "late")
)
MUTATIONS = OF_LINES | OF_FILE | {"extra_loan"}
STRANGER = "LN9999900000"
FORMULA = '=HYPERLINK("http://example.test","x")'
PLAINLY_FAILED: Row = {
    **dict.fromkeys(AMOUNTS, 0),
    "status": "FAILED",
    "paid_at": "",
    "failure_code": "INSUFFICIENT_FUNDS",
}
DEFAULT_TO = {"bad_cell": "12.345", "reject_row": "amount differs"}


class UnknownMutationError(ValueError):
    """No file of a funder can be spoilt in this way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutation:
    """One way to spoil a file; `key` names the line by its loan, or by its order."""

    kind: str
    key: str = ""
    by_fen: int = 1
    to: str = ""


def mutation_of(given: object) -> Mutation:
    """Read a mutation: its kind alone, or an object {kind, loan_id? or order_no?, by_fen?, to?}.

    >>> mutation_of({"kind": "missing_line", "loan_id": "LN7"}).key
    'LN7'

    :raises UnknownMutationError: if it is neither.
    """
    asked = {"kind": given} if isinstance(given, str) else given
    if not isinstance(asked, Mapping):
        raise UnknownMutationError(f"a mutation is a text or an object, not {given!r}")
    named = {"key" if name in {"loan_id", "order_no"} else name: asked[name] for name in asked}
    try:
        mutation = Mutation(**named)
    except TypeError as error:
        raise UnknownMutationError(str(error)) from error
    texts = all(isinstance(text, str) for text in (mutation.kind, mutation.key, mutation.to))
    if not texts or type(mutation.by_fen) is not int or mutation.kind not in MUTATIONS:
        known = ", ".join(sorted(MUTATIONS))
        raise UnknownMutationError(f"{given!r} is not a mutation; known are {known}")
    return mutation


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoilt:
    """What goes out, or None if nothing does; `hits` say which line each mutation hit."""

    file: Written | None
    hits: tuple[tuple[str, str], ...]


def spoilt(
    kind: str, rows: Sequence[Row], dialect: Dialect, mutations: Sequence[Mutation]
) -> Spoilt:
    """Write a file, spoilt as asked; without mutations it is the true one."""
    name = COLUMNS[kind][0]
    aimed = [
        replace(mutation, key=str(rows[place % len(rows)][name]))
        if mutation.kind in OF_LINES and not mutation.key and rows
        else mutation
        for place, mutation in enumerate(mutations)
    ]
    changed: list[Row] = list(rows)
    for mutation in aimed:
        changed = _lines(kind, changed, mutation)
    kinds = {mutation.kind for mutation in aimed}
    encoded = replace(dialect, encoding="utf-8") if "utf8" in kinds else dialect
    file = written(kind, changed, encoded)
    hits = tuple((one.kind, STRANGER if one.kind == "extra_loan" else one.key) for one in aimed)
    return Spoilt(file=None if "late" in kinds else _file(file, kinds), hits=hits)


def _lines(kind: str, rows: Sequence[Row], mutation: Mutation) -> list[Row]:
    name = COLUMNS[kind][0]
    if mutation.kind == "extra_loan":
        if not rows:
            return []
        return [*rows, {**rows[0], name: STRANGER}]
    made: list[Row] = []
    is_hit = False
    for row in rows:
        if row[name] != mutation.key or (is_hit and mutation.kind != "missing_loan"):
            made.append(row)
            continue
        is_hit = True
        made += _line(kind, row, mutation)
    return made


def _line(kind: str, row: Row, mutation: Mutation) -> list[Row]:
    match mutation.kind:
        case "missing_line" | "missing_loan":
            return []
        case "duplicate_line":
            return [row, row]
        case _:
            return [{**row, **_changes(kind, row, mutation)}]


def _changes(kind: str, row: Row, mutation: Mutation) -> Row:
    """Say which cells of a line become what."""
    to = mutation.to or DEFAULT_TO.get(mutation.kind, "")
    first, by_fen = CONTROL[kind][0], mutation.by_fen
    match mutation.kind:
        case "formula_cell":
            return {COLUMNS[kind][0]: FORMULA}
        case "bad_cell":
            return {first: to}
        case "swapped_split":
            return _swapped(row)
        case "wrong_status":
            return {"status": to} if to else PLAINLY_FAILED
        case "reject_row":
            return {"status": "differs", "reason": to}
        case "change_penalty":
            return _moved(row, ("penalty_fen", "funder_penalty_fen"), by_fen)
        case "wrong_total":
            return _moved(row, (first,), by_fen)
        case _:
            return _moved(row, (first, f"funder_{first}"), by_fen)


def _moved(row: Row, names: Sequence[str], by_fen: int) -> Row:
    return {name: fen_of(row[name]) + by_fen for name in names if name in row}


def _swapped(row: Row) -> Row:
    pairs = [(f"funder_{name}", f"platform_{name}") for name in AMOUNTS]
    both = [*pairs, *(pair[::-1] for pair in pairs)]
    return {name: row[other] for name, other in both if other in row}


def _file(file: Written, kinds: set[str]) -> Written:
    manifest = file.manifest
    if manifest is not None and kinds & {"wrong_digest", "wrong_rows", "wrong_sum"}:
        told = manifest_of(
            rows=file.rows + ("wrong_rows" in kinds),
            amount_fen=file.amount_fen + ("wrong_sum" in kinds),
            body=file.body + b"?" * ("wrong_digest" in kinds),
        )
        manifest = json.dumps(json.loads(told)).encode()
    return replace(
        file,
        body=file.body[: len(file.body) * 2 // 3] if "truncated" in kinds else file.body,
        manifest=None if "no_manifest" in kinds else manifest,
    )
