"""Compare a day's bill with our orders in Athena: for what one function's memory and disk cannot hold.

The same SQL as in DuckDB, over Parquet files in the bucket; the Glue tables `bill_parts` and
`order_parts` lie over them (infra/data.yaml).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from chalicelib.adapters import bill_comparison, journal_columns
from chalicelib.adapters.bill_matching import take_in
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_engine import Engine, engine
from chalicelib.adapters.file_spool import NotPlainError
from chalicelib.domain.bill_account import Account
from chalicelib.domain.reconciliation import BillRow
from chalicelib.flows.landing import Batch
from chalicelib.flows.reconciliation_ports import DayOrders, TooLargeError

BILL_PARTS, ORDER_PARTS = "bill_parts", "order_parts"
FOLDER = "reconciling"
ATTEMPTS_MAX = 3
WAITING = frozenset(("QUEUED", "RUNNING"))
READ_AS: Mapping[str, Callable[[str], Any]] = {"bigint": int, "integer": int}
CHUNK_BYTES = 1024 * 1024


class QueryFailedError(Exception):
    """Athena has not answered: nothing is known, and nothing was concluded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InAthena:
    """Compares in Athena; the engine here only turns both sides into columns.

    `client` gives a service's client, when it is needed.  A query that has not ended after `polls_max` pauses is stopped.
    """

    form: CsvFormat[BillRow]
    memory_max: str
    client: Callable[[str], Any]
    bucket: str
    workgroup: str
    database: str
    pause: Callable[[], None]
    polls_max: int = 400

    def compare(
        self,
        *,
        batch: Batch[BillRow],
        orders: DayOrders,
        business_date: date,
        billed_elsewhere: Collection[str],
    ) -> Account:
        """Compare; see `BillMatcher`."""
        try:
            with engine(memory_max=self.memory_max, threads=1, streams=True) as found:
                run, columns = self._laid_out(batch, orders, found)
        except NotPlainError as error:
            raise TooLargeError(f"{batch.key}: {error}") from error
        return bill_comparison.compare(
            tables=_Queries(desk=self, run=run),
            batch=batch,
            streamed=columns.orders,
            business_date=business_date,
            billed_elsewhere=billed_elsewhere,
        )

    def _laid_out(
        self, batch: Batch[BillRow], orders: DayOrders, found: Engine
    ) -> tuple[str, journal_columns.Columns]:
        """Put both sides into the bucket; the same bytes lie under the same name."""
        take_in(batch, self.form, found)
        bill = found.path("bill.parquet")
        found.write_parquet(bill, "bill")
        columns = journal_columns.spool(orders, found)
        digest = hashlib.sha256(batch.sha256.encode())
        for path in columns.paths:
            _digest(path, digest)
        run = f"{batch.business_date:%Y%m%d}-{digest.hexdigest()[:32]}"
        for table, paths in ((BILL_PARTS, [bill]), (ORDER_PARTS, columns.paths)):
            for path in paths:
                key = f"{FOLDER}/{table}/run={run}/{path.name}"
                self.client("s3").upload_file(str(path), self.bucket, key)
        return run, columns


@dataclass(frozen=True, kw_only=True, slots=True)
class _Queries:
    """The two sides of one run as tables, and what was made of them as named queries."""

    desk: InAthena
    run: str
    named: dict[str, str] = field(default_factory=dict)

    def make(self, table: str, what: str, source: str) -> None:
        self.named[table] = _select(what, source)

    def rows(self, what: str, source: str) -> Iterator[tuple[Any, ...]]:
        sides = {
            "bill": _select(bill_comparison.BILL_COLUMNS, f"{BILL_PARTS} where run = '{self.run}'"),
            "orders": _select(
                bill_comparison.ORDER_COLUMNS, f"{ORDER_PARTS} where run = '{self.run}'"
            ),
        }
        named = ", ".join(f"{name} as ({query})" for name, query in (sides | self.named).items())
        return self._answer(f"with {named} {_select(what, source)}")

    def _answer(self, query: str) -> Iterator[tuple[Any, ...]]:
        for attempt in range(ATTEMPTS_MAX):
            # Asked again with the same token it is the same query, and paid once; but one that
            # has failed stays failed under it.
            token = hashlib.sha256(f"{self.run} {attempt} {query}".encode()).hexdigest()
            asked = self.desk.client("athena").start_query_execution(
                QueryString=query,
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self.desk.database},
                WorkGroup=self.desk.workgroup,
            )["QueryExecutionId"]
            if (state := self._end_of(asked)) == "SUCCEEDED":
                return self._read(asked)
        raise QueryFailedError(f"{self.run}: {state}")

    def _end_of(self, asked: str) -> str:
        """Wait for a query; one that does not end is stopped."""
        for _ in range(self.desk.polls_max):
            found = self.desk.client("athena").get_query_execution(QueryExecutionId=asked)
            state = str(found["QueryExecution"]["Status"]["State"])
            if state not in WAITING:
                return state
            self.desk.pause()
        self.desk.client("athena").stop_query_execution(QueryExecutionId=asked)
        raise QueryFailedError(f"{self.run}: no answer in time")

    def _read(self, asked: str) -> Iterator[tuple[Any, ...]]:
        pages = self.desk.client("athena").get_paginator("get_query_results")
        is_header = True
        for page in pages.paginate(QueryExecutionId=asked):
            results = page["ResultSet"]
            kinds = [
                READ_AS.get(column["Type"], str)
                for column in results["ResultSetMetadata"]["ColumnInfo"]
            ]
            for row in results["Rows"][is_header:]:
                cells = (cell.get("VarCharValue") for cell in row["Data"])
                yield tuple(
                    None if cell is None else read(cell)
                    for cell, read in zip(cells, kinds, strict=True)
                )
            is_header = False


def _select(what: str, source: str) -> str:
    words = ("select", what, "from", source)
    return " ".join(words)


def _digest(path: Path, digest: "hashlib._Hash") -> None:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
