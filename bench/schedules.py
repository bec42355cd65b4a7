"""Cutting a schedule, against numpy-financial's ipmt and ppmt over whole columns."""

import importlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from typing import Any

from bench.stopwatch import MILLION, race, seconds
from bench.table import Line, timed
from chalicelib.domain import schedule
from chalicelib.domain.loan import Schedule
from chalicelib.domain.money import Money
from chalicelib.domain.product import Method
from chalicelib.domain.schedule import Terms
from tests.builders import PRODUCT

TITLE = "cut a schedule, equal instalments"
ROWS = (12, 36, 360)
ROWS_A_TURN = 2_400
TURNS = 7
ANNUAL_RATE = Decimal("0.18")
PRINCIPAL = Money(120_000_00)


def measure() -> Iterator[Line]:
    """Cut the same loan both ways; say how far the floats are from the fen."""
    for rows in ROWS:
        cuts = ROWS_A_TURN // rows
        terms = Terms(
            principal=PRINCIPAL,
            annual_rate=ANNUAL_RATE,
            method=Method.EQUAL_INSTALMENT,
            instalments=rows,
            disbursed_on=date(2026, 11, 24),
            first_due_on=date(2026, 12, 24),
        )
        cut = partial(schedule.make, terms=terms, product=PRODUCT)
        what = f"  {rows} rows"
        if find_spec("numpy_financial") is None:
            ours = seconds(cut, times=cuts)
            yield Line(what=what, ours=f"{ours * MILLION:,.1f} us", peer_is="peer not installed")
            continue
        columns = _columns(rows)
        yield timed(
            what=what,
            race=race(
                ours=partial(seconds, cut, times=cuts),
                peer=partial(seconds, columns, times=cuts),
                turns=TURNS,
            ),
            peer_is=f"numpy-financial; a row differs by {_difference(cut(), *columns())}",
        )


def _columns(rows: int) -> Any:
    """Make what the peer does: interest and principal of all rows, as floats."""
    numpy: Any = importlib.import_module("numpy")
    financial: Any = importlib.import_module("numpy_financial")
    asked = (float(ANNUAL_RATE) / 12, numpy.arange(1, rows + 1), rows, -float(PRINCIPAL.fen))
    return lambda: (financial.ipmt(*asked), financial.ppmt(*asked))


def _difference(ours: Schedule, interests: Any, principals: Any) -> str:
    differences = [
        max(abs(row.interest.fen - interest), abs(row.principal.fen - principal))
        for row, interest, principal in zip(ours, interests, principals, strict=True)
    ]
    return f"{max(differences[:-1]):.1f} fen at most, the last by {differences[-1]:.1f}"
