"""Compare a day's bill with our orders at any size: only what differs leaves the engine."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from chalicelib.adapters import bill_comparison, journal_columns
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat
from chalicelib.adapters.file_engine import Engine, engine
from chalicelib.adapters.file_layouts import Amount
from chalicelib.adapters.file_spool import NotPlainError
from chalicelib.domain.bill_account import Account
from chalicelib.domain.reconciliation import BillRow
from chalicelib.flows.landing import Batch
from chalicelib.flows.reconciliation_ports import DayOrders, TooLargeError

NOT_PLAIN = (b'"', b"\r", b"\0")


@dataclass(frozen=True, kw_only=True, slots=True)
class InTheEngine:
    """Compares in DuckDB, within so much memory; what does not fit goes to the disk.

    `form` is how the bill is written.
    """

    form: CsvFormat[BillRow]
    memory_max: str
    threads: int = 1

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
            with engine(memory_max=self.memory_max, threads=self.threads, streams=True) as found:
                take_in(batch, self.form, found)
                columns = journal_columns.spool(orders, found)
                found.see_parquet("orders", columns.paths)
                return bill_comparison.compare(
                    tables=found,
                    batch=batch,
                    streamed=columns.orders,
                    business_date=business_date,
                    billed_elsewhere=billed_elsewhere,
                )
        except NotPlainError as error:
            raise TooLargeError(f"{batch.key}: {error}") from error


def take_in(batch: Batch[BillRow], form: CsvFormat[BillRow], found: Engine) -> None:
    """Give the bill to the engine: as it stands if that is plain, else line by line.

    Every line of it was read when it landed, so none is looked at again; that all of them arrive
    is proven by their number and their sum.
    """
    path = found.path("bill.csv")
    if form.dialect == DEFAULT and (header := _downloaded(batch, path)):
        found.see_csv("bill", path, {name: _type_of(form, name) for name in header})
        return
    spooled = found.load("bill", form, batch.opened)
    if spooled.odd:
        raise NotPlainError("lines that are not of the agreed shape")


def _downloaded(batch: Batch[BillRow], path: Path) -> list[str]:
    """Copy the bill to the disk; give its header, nothing if its bytes are not plain."""
    head = b""
    with path.open("wb") as target:
        for chunk in batch.opened():
            if not chunk.isascii() or any(mark in chunk for mark in NOT_PLAIN):
                return []
            if b"\n" not in head:
                head += chunk
            target.write(chunk)
    first, end, _ = head.partition(b"\n")
    return first.decode().split(",") if end else []


def _type_of(form: CsvFormat[BillRow], name: str) -> str:
    is_amount = any(
        isinstance(column, Amount) for column in form.layout.columns if column.name == name
    )
    return "BIGINT" if is_amount else "VARCHAR"
