"""What is left of a schedule after a part was paid ahead, cut again by the funder's own hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

from simulators.funder_schedule import Contract, Row, annuity, filled

REDUCE = "reduce_instalment"
SHORTEN = "shorten_term"
RECUTS = frozenset((REDUCE, SHORTEN))


def recut_rows(
    contract: Contract,
    later: Sequence[Row],
    *,
    as_of: date,
    principal_fen: int,
    interest_fen: int,
    recut: str,
) -> tuple[Row, ...]:
    """Cut what is left of the principal into the rows that are left, or into fewer.

    A reduced instalment is less in proportion to the principal, and evenly less by the interest
    paid already; a shortened loan asks on what it asked.  Numbers and dates stay; no more than
    `interest_fen` is asked in all: what rounding would add is taken off the last rows.
    """
    first = later[0]
    paid = max(contract.product.days(first.starts_on, as_of), first.days_paid)
    blank = [replace(first, days_paid=paid), *later[1:]]
    level = Fraction(_level(contract, later))
    if recut == REDUCE:
        before = sum(row.principal_fen for row in later)
        level *= Fraction(principal_fen, before) * _evenly(contract, later, blank)
    rows = filled(contract, blank, principal_fen, contract.product.round(level))
    if recut == SHORTEN:
        last = max(place for place, row in enumerate(rows) if row.principal_fen)
        rows = rows[: last + 1]
    return _at_most(rows, interest_fen)


def _regular(rows: Sequence[Row]) -> Row:
    """Give the first row like the others: neither the last, nor one of interest alone."""
    return next((row for row in rows[:-1] if row.principal_fen), rows[0])


def _level(contract: Contract, rows: Sequence[Row]) -> int:
    row = _regular(rows)
    whole = contract.method == "equal_instalment"
    return row.principal_fen + (row.interest_fen if whole else 0)


def _evenly(contract: Contract, before: Sequence[Row], after: Sequence[Row]) -> Fraction:
    if contract.method != "equal_instalment" or _regular(before) is not before[0]:
        return Fraction(1)
    return annuity(contract, before) / annuity(contract, after)


def _at_most(rows: Sequence[Row], interest_fen: int) -> tuple[Row, ...]:
    excess = max(sum(row.interest_fen for row in rows) - interest_fen, 0)
    kept: list[Row] = []
    for row in reversed(rows):
        off = min(excess, row.interest_fen)
        excess -= off
        kept.insert(0, replace(row, interest_fen=row.interest_fen - off))
    return tuple(kept)
