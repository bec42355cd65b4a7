"""A bill and our orders of a million rows each, and of ten, compared to the last fen.

Ours is what a reconciliation does from the files to its discrepancies: read both sides, prove them
whole, classify, totals, and every difference as a record.  The first peer is the least that DuckDB
can do with the same files, a full outer join that counts the same classes; the second is datacompy on
pandas.  All must count the same.  All work on one core, as a Lambda of one processor does; ten million
rows are compared in processes of their own that may have no more data than it has memory.
"""

import json
import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import duckdb

from bench.stopwatch import race, seconds
from bench.table import Line, figure
from chalicelib.adapters import bill_comparison, journal_columns
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_engine import Engine, engine
from chalicelib.adapters.file_layouts import BILL
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.domain.bill_account import Account, Orders
from chalicelib.domain.discrepancy import discrepancies
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import BillRow, LocalOrder, OrderState
from chalicelib.domain.run import Tally
from chalicelib.flows.landing import Batch
from chalicelib.flows.reconciliation_ports import DayOrders
from tests.builders import TODAY, at

TITLE = "reconcile a day (bill against journal)"
MILLION, TEN_MILLION = 1_000_000, 10_000_000
TURNS = 5
DIFFERING_IN = 1_000
"""Of so many rows one is missing here, one there, one differs in amount, split and status each."""

MEMORY_MAX = "1200MB"
LAMBDA_MIB = 1_769
"""A Lambda of so much memory has one processor.

It is set as RLIMIT_DATA: all memory that is the process' own and may be written, touched or not,
which is never less than what a Lambda would be charged for.  RLIMIT_AS would count what is only
reserved as well, and the interpreter's own code.
"""
SHARDS = 8
RATIO_MAX, FASTER_MIN = 1.5, 5
CHUNK_BYTES = 1024 * 1024
ROOT = Path(__file__).resolve().parents[1]

BILL_TYPES = {name: "BIGINT" if name.endswith("_fen") else "VARCHAR" for name in BILL.names}


def measure() -> Iterator[Line]:
    """Compare a million rows here, and ten million in children of this process."""
    with TemporaryDirectory(prefix="afterloan-bench-") as folder, _one_core():
        yield from _a_million(Path(folder))
    with TemporaryDirectory(prefix="afterloan-bench-") as folder:
        yield from _ten_million(Path(folder))


def _a_million(folder: Path) -> Iterator[Line]:
    _write(folder, MILLION)
    found = _classes(_ours(folder))
    expected = _bare(folder)
    agree = found == expected == _datacompy(folder)
    for name, peer in (("full outer join", _bare), ("datacompy", _datacompy)):
        ran = race(
            ours=partial(seconds, partial(_ours, folder)),
            peer=partial(seconds, partial(peer, folder)),
            turns=TURNS,
        )
        promised = ran.ratio <= (RATIO_MAX if peer is _bare else 1 / FASTER_MIN)
        yield Line(
            what=f"  {MILLION:,} x {MILLION:,}, one core",
            ours=f"{ran.ours_seconds:.2f} s",
            peer=f"{ran.peer_seconds:.2f} s",
            ratio=ran.ratio,
            turns=f"{ran.lowest:.2f}-{ran.highest:.2f}",
            peer_is=f"{name}; {'as' if promised else 'NOT as'} promised",
        )
    yield Line(
        what="  classes found",
        ours="equal" if agree else "differ",
        peer_is=", ".join(f"{name} {count:,}" for name, count in sorted(expected.items())),
        kept=agree,
    )
    yield from _on_the_way(folder)


def _on_the_way(folder: Path) -> Iterator[Line]:
    """Time what is no part of the comparison: landing reads every line, orders come in a stream."""
    landing = partial(ScreenedFormat(layout=BILL).census, partial(_chunks, folder / "bill.csv"))
    yield Line(what="  on landing: every line read and summed up", ours=f"{seconds(landing):.1f} s")
    spooling = seconds(partial(_spooled, folder))
    yield Line(what="  orders into columns, from memory", ours=f"{spooling:.1f} s")


def _ten_million(folder: Path) -> Iterator[Line]:
    _write(folder, TEN_MILLION)
    turns = [(_told("ours", folder), _told("bare", folder)) for _ in range(TURNS)]
    ratios = [ours["seconds"] / bare["seconds"] for ours, bare in turns]
    agree = all(ours["found"] == bare["found"] for ours, bare in turns)
    promised = median(ratios) <= RATIO_MAX
    yield Line(
        what=f"  {TEN_MILLION:,} x {TEN_MILLION:,}, one core, {LAMBDA_MIB:,} MiB",
        ours=f"{median(ours['seconds'] for ours, _ in turns):.1f} s",
        peer=f"{median(bare['seconds'] for _, bare in turns):.1f} s",
        ratio=median(ratios),
        turns=f"{min(ratios):.2f}-{max(ratios):.2f}",
        peer_is=f"full outer join; {'as' if promised else 'NOT as'} promised",
    )
    peaks = [max(each["peak_mib"] for each in side) for side in zip(*turns, strict=True)]
    yield Line(
        what="  peak memory of the process",
        ours=f"{figure(peaks[0])} MiB",
        peer=f"{figure(peaks[1])} MiB",
        ratio=peaks[0] / peaks[1],
        peer_is=f"the same; ours is promised below {LAMBDA_MIB:,}",
        kept=peaks[0] < LAMBDA_MIB,
    )
    yield Line(what="  classes found", ours="equal" if agree else "differ", kept=agree)


def _told(who: str, folder: Path) -> dict:
    ran = subprocess.run(  # noqa: S603  ourselves
        [sys.executable, "-m", "bench.reconcile", who, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


# --- the files --------------------------------------------------------------------------


def _write(folder: Path, rows: int) -> None:
    """Write a bill, and the orders in as many parts as the journal has shards."""
    numbered = f"""(
        select number, number % {DIFFERING_IN} as of_thousand,
            '20261124-1-LN' || lpad(number::varchar, 10, '0') as order_no,
            'T42' || lpad(((number * 7919) % {rows})::varchar, 12, '0') as trade_no,
            'AG' || lpad(number::varchar, 10, '0') as agreement_no,
            10000 + (number * 104729) % 900000 as amount_fen,
            amount_fen * 7 // 10 as funder_amount_fen,
            strftime(timestamp '2026-11-24 08:00:00' + to_seconds(number % 43200),
                '%Y-%m-%dT%H:%M:%S+08:00') as paid_at
        from range({rows}) numbers(number))"""
    billed = f"""select trade_no, order_no, agreement_no,
        amount_fen + (of_thousand = 2)::int as amount_fen,
        funder_amount_fen + (of_thousand = 3)::int as funder_amount_fen,
        amount_fen + (of_thousand = 2)::int - funder_amount_fen - (of_thousand = 3)::int
            as platform_amount_fen,
        case when of_thousand = 4 then 'FAILED' else 'SUCCEEDED' end as status, paid_at
        from {numbered} where of_thousand <> 1"""
    ordered = f"""select order_no, agreement_no, 'SUCCEEDED' as state, amount_fen,
        funder_amount_fen, trade_no, paid_at, '' as settled_by, number from {numbered}
        where of_thousand <> 0"""
    told: dict = {}
    with duckdb.connect(config={"memory_limit": MEMORY_MAX, "threads": 1}) as made:
        made.execute(f"copy ({billed}) to '{folder}/bill.csv' (header)")
        for shard in range(SHARDS):
            part = f"select * exclude (number) from ({ordered}) where number % {SHARDS} = {shard}"
            made.execute(f"copy ({part}) to '{folder}/shard-{shard}.parquet' (format parquet)")
        for name, source in (("bill", billed), ("orders", ordered)):
            told[name] = made.execute(
                f"select count(*), sum(amount_fen)::bigint from ({source})"
            ).fetchone()
    (folder / "told.json").write_text(json.dumps(told))


# --- ours -------------------------------------------------------------------------------


def _ours(folder: Path) -> Account:
    """Compare as `InTheEngine` does with files that lie on its disk already."""
    told = json.loads((folder / "told.json").read_text())
    with engine(memory_max=MEMORY_MAX, threads=1, streams=True) as found:
        found.see_csv("bill", folder / "bill.csv", BILL_TYPES)
        found.see_parquet("orders", _shards(folder))
        account = bill_comparison.compare(
            tables=found,
            batch=_batch(folder, *told["bill"]),
            streamed=Orders(by_state={OrderState.SUCCEEDED: _tally(*told["orders"])}),
            business_date=TODAY,
            billed_elsewhere=(),
        )
    account.as_facts()
    discrepancies(
        findings=account.findings,
        business_date=TODAY,
        channel="main",
        at=at(10) + timedelta(days=1),
    )
    return account


def _batch(folder: Path, rows: int, fen: int) -> Batch[BillRow]:
    opened = partial(_chunks, folder / "bill.csv")
    return Batch(
        key="bill",
        sha256="",
        business_date=TODAY,
        version=1,
        rows=rows,
        amount=Money(fen),
        lines=lambda: CsvFormat(layout=BILL).lines(opened()),
        opened=opened,
    )


def _classes(account: Account) -> dict[str, int]:
    """Count orders by class, as a full outer join counts its rows."""
    found = Counter(each.kind.value for each in account.findings)
    return {"matched": account.agreed_there.count, **found}


def _spooled(folder: Path) -> Orders:
    """Stream as many orders as there are, each made for the occasion, into columns."""
    rows = json.loads((folder / "told.json").read_text())["orders"][0]

    def part(shard: int) -> Iterator[LocalOrder]:
        for number in range(shard, rows, SHARDS):
            yield LocalOrder(
                order_no=f"20261124-1-LN{number:010}",
                agreement_no=f"AG{number:010}",
                state=OrderState.SUCCEEDED,
                amount=Money(number),
                trade_no=f"T42{number:012}",
                paid_at=at(9),
            )

    with engine(memory_max=MEMORY_MAX, streams=True) as found:
        parts = [partial(part, shard) for shard in range(SHARDS)]
        return journal_columns.spool(DayOrders(parts=parts), found).orders


def _tally(count: int, fen: int) -> Tally:
    return Tally(count=count, amount=Money(fen))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


def _shards(folder: Path) -> list[Path]:
    return [folder / f"shard-{shard}.parquet" for shard in range(SHARDS)]


# --- the peers --------------------------------------------------------------------------

CLASS = """case
    when o.order_no is null then 'missing_here'
    when b.order_no is null then 'missing_there'
    when b.status <> o.state or b.agreement_no <> o.agreement_no or b.trade_no <> o.trade_no
        then 'status_differs'
    when b.amount_fen <> o.amount_fen then 'amount_differs'
    when b.funder_amount_fen <> o.funder_amount_fen
        or b.platform_amount_fen <> o.amount_fen - o.funder_amount_fen then 'split_differs'
    else 'matched' end"""


def _bare(folder: Path) -> dict[str, int]:
    with TemporaryDirectory() as spilled:
        config = {
            "memory_limit": MEMORY_MAX,
            "threads": 1,
            "preserve_insertion_order": False,
            "temp_directory": spilled,
        }
        with duckdb.connect(config=config) as found:
            sides = Engine(found, folder)
            sides.see_csv("bill", folder / "bill.csv", BILL_TYPES)
            sides.see_parquet("orders", _shards(folder))
            joined = "bill b full outer join orders o on b.order_no = o.order_no group by 1"
            return dict(sides.rows(f"{CLASS}, count(*)", joined))


def _datacompy(folder: Path) -> dict[str, int]:
    import datacompy  # noqa: PLC0415  only this one needs it
    import pandas  # noqa: PLC0415, ICN001

    bill = pandas.read_csv(folder / "bill.csv").rename(columns={"status": "state"})
    orders = pandas.concat([pandas.read_parquet(path) for path in _shards(folder)])
    orders["platform_amount_fen"] = orders["amount_fen"] - orders["funder_amount_fen"]
    found = datacompy.PandasCompare(
        bill.drop(columns=["paid_at"]),
        orders.drop(columns=["paid_at", "settled_by"]),
        join_columns=["order_no"],
    )
    both = found.intersect_rows
    differs = {
        name: ~both[f"{name}_match"] for name in ("state", "agreement_no", "trade_no", "amount_fen")
    }
    status = differs["state"] | differs["agreement_no"] | differs["trade_no"]
    amount = differs["amount_fen"] & ~status
    parts = ~(both["funder_amount_fen_match"] & both["platform_amount_fen_match"])
    split = parts & ~status & ~amount
    return {
        "missing_here": len(found.df1_unq_rows),
        "missing_there": len(found.df2_unq_rows),
        "status_differs": int(status.sum()),
        "amount_differs": int(amount.sum()),
        "split_differs": int(split.sum()),
        "matched": int((~(status | amount | split)).sum()),
    }


# --- a process of its own ---------------------------------------------------------------


@contextmanager
def _one_core() -> Iterator[None]:
    """Work on one core for a while."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _alone(work: Callable[[], dict[str, int]]) -> dict:
    """Work on one core, with so much memory and no more."""
    resource.setrlimit(resource.RLIMIT_DATA, (LAMBDA_MIB * 1024 * 1024,) * 2)
    found: dict[str, int] = {}
    with _one_core():
        taken = seconds(lambda: found.update(work()))
    return {"seconds": taken, "found": dict(sorted(found.items())), "peak_mib": _peak_mib()}


def _peak_mib() -> float:
    """Read the most memory that this process ever held, and none of its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    of = Path(sys.argv[2])
    worker = {"ours": lambda: _classes(_ours(of)), "bare": lambda: _bare(of)}[sys.argv[1]]
    print(json.dumps(_alone(worker)))
