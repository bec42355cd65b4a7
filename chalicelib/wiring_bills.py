"""Who holds a bill against the journal: row by row, DuckDB, or Athena, as the stage says or by size."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from chalicelib.adapters.bill_athena import InAthena
from chalicelib.adapters.bill_matching import InTheEngine
from chalicelib.adapters.file_engine import is_here
from chalicelib.adapters.file_layouts import BILL
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.domain.reconciliation import BillRow
from chalicelib.flows.reconciliation_ports import BillMatcher, BySize, RowByRow
from chalicelib.settings import settings

FORMAT: ScreenedFormat[BillRow] = ScreenedFormat(layout=BILL)
ROW_BY_ROW_MAX = 20_000
"""So many rows are compared sooner than DuckDB has started."""

IN_THE_ENGINE_MAX = 15_000_000
"""Of more rows, the bill and what spills do not fit on one function's disk."""

EVER_SO_MANY = 10**12
PAUSE_SECONDS = 1.5


def matcher(client: Callable[[str], Any]) -> BillMatcher:
    """Choose who compares; a function without DuckDB has only one choice."""
    if settings().reconcile_with == "rows" or not is_here():
        return RowByRow(orders_max=EVER_SO_MANY)
    memory = settings().reconcile_memory
    engine = InTheEngine(form=FORMAT, memory_max=memory)
    if settings().reconcile_with == "duckdb":
        return engine
    athena = InAthena(
        form=FORMAT,
        memory_max=memory,
        client=client,
        bucket=settings().exchange_bucket,
        workgroup=f"afterloan-{settings().stage}",
        database=f"afterloan_{settings().stage}",
        pause=partial(time.sleep, PAUSE_SECONDS),
    )
    if settings().reconcile_with == "athena":
        return athena
    return BySize(
        matchers=[
            (ROW_BY_ROW_MAX, RowByRow()),
            (IN_THE_ENGINE_MAX, engine),
            (EVER_SO_MANY, athena),
        ]
    )
