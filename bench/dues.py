"""A funder's due file of a million lines, validated and compared with our own list.

Ours is `ScreenedFormat.census`, then `due_matching.match`.  The peer is one strict pydantic model a
row, and a dict; both must find the same.  Each works in a process of its own, so that its memory is its own, and is
charged by the processor's time, of all its threads: a Lambda of this size has one processor.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from random import Random  # noqa: TID251  seeded
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from bench.table import Line, figure
from chalicelib.adapters.due_matching import DueFile, match
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_screen import ScreenedFormat
from chalicelib.adapters.funder_layouts import DUE
from chalicelib.domain.due_comparison import Match

TITLE = "a due file (validate and compare)"
LINES = 1_000_000
TURNS = 1
DIFFERING_IN = 1_000
"""Of so many lines one differs, one is only theirs and one only ours."""
MEMORY_MIB_MAX = 700
ROOT = Path(__file__).resolve().parents[1]
CHUNK_BYTES = 1024 * 1024


def measure() -> Iterator[Line]:
    """Let both work the same files, turn by turn."""
    with TemporaryDirectory(prefix="afterloan-bench-") as folder:
        size = _write(Path(folder))
        turns = [(_told("ours", folder), _told("peer", folder)) for _ in range(TURNS)]
    agree = all(ours["found"] == peer["found"] for ours, peer in turns)
    for what in ("validate", "compare", "both"):
        ratios = [ours[what] / peer[what] for ours, peer in turns]
        yield Line(
            what=f"  {what}, {LINES:,} lines, {size / 10**6:.0f} MB",
            ours=f"{median(ours[what] for ours, _ in turns):.1f} s",
            peer=f"{median(peer[what] for _, peer in turns):.1f} s",
            ratio=median(ratios),
            turns=f"{min(ratios):.2f}-{max(ratios):.2f}",
            peer_is="a strict pydantic model a row, a dict",
        )
    peaks = [max(each["peak_mib"] for each in side) for side in zip(*turns, strict=True)]
    yield Line(
        what="  peak memory of the process",
        ours=f"{figure(peaks[0])} MiB",
        peer=f"{figure(peaks[1])} MiB",
        ratio=peaks[0] / peaks[1],
        peer_is=f"the same; ours is promised below {MEMORY_MIB_MAX}",
        kept=peaks[0] < MEMORY_MIB_MAX,
    )
    yield Line(
        what="  rows, fen, faults and classes found",
        ours="equal" if agree else "differ",
        peer_is=f"{turns[0][1]['found']}",
        kept=agree,
    )


def _told(who: str, folder: str) -> dict:
    ran = subprocess.run(  # noqa: S603  ourselves
        [sys.executable, "-m", "bench.dues", who, folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ran.stdout)
    return told | {"both": told["validate"] + told["compare"]}


# --- the files --------------------------------------------------------------------------


def _write(folder: Path) -> int:
    """Write two lists that differ here and there; give the size of the funder's."""
    rng = Random(7)
    paths = {side: folder / f"{side}.csv" for side in ("theirs", "ours")}
    with paths["theirs"].open("w") as theirs, paths["ours"].open("w") as ours:
        for side in (theirs, ours):
            side.write(",".join(DUE.names) + "\n")
        for number in range(LINES):
            amounts = _amounts(rng)
            line = partial(_line, number, amounts)
            match number % DIFFERING_IN:
                case 1:
                    theirs.write(line())
                case 2:
                    theirs.write(line())
                    ours.write(line(more=1))
                case 3:
                    theirs.write(line())
                    ours.write(line(prefix="OURS"))
                case _:
                    theirs.write(line())
                    ours.write(line())
    return paths["theirs"].stat().st_size


def _amounts(rng: Random) -> list[int]:
    whole = [rng.randint(1, 10**6), rng.randint(1, 10**5), rng.randint(0, 1000)]
    funder = [amount * 7 // 10 for amount in whole]
    return [*whole, *funder, *(all_ - part for all_, part in zip(whole, funder, strict=True))]


def _line(number: int, amounts: list[int], *, prefix: str = "LN", more: int = 0) -> str:
    told = [amounts[0] + more, *amounts[1:3], amounts[3] + more, *amounts[4:]]
    cells = [f"{prefix}{number:011}", 1 + number % 36, f"2026-11-{1 + number % 28:02}", *told]
    return ",".join(map(str, cells)) + "\n"


# --- ours -------------------------------------------------------------------------------


def _ours(folder: Path) -> dict:
    files = {
        side: DueFile(form=CsvFormat(layout=DUE), opened=partial(_chunks, folder / f"{side}.csv"))
        for side in ("theirs", "ours")
    }
    began = process_time()
    census = ScreenedFormat(layout=DUE).census(files["theirs"].opened)
    validated = process_time()
    found = match(theirs=files["theirs"], ours=files["ours"])
    return {
        "validate": validated - began,
        "compare": process_time() - validated,
        "found": [census.rows, census.amount.fen, len(census.faults)]
        + [found.tallies[each].count for each in Match],
    }


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            yield chunk


# --- the peer ---------------------------------------------------------------------------

Fen = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}$"), AfterValidator(int)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$"), AfterValidator(int)]
Day = Annotated[
    str,
    StringConstraints(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"),
    AfterValidator(date.fromisoformat),
]


class DueRow(BaseModel):
    """One row, as strict as our own reader."""

    model_config = ConfigDict(strict=True, frozen=True)

    loan_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    instalment_no: Number
    due_on: Day
    principal_fen: Fen
    interest_fen: Fen
    penalty_fen: Fen
    funder_principal_fen: Fen
    funder_interest_fen: Fen
    funder_penalty_fen: Fen
    platform_principal_fen: Fen
    platform_interest_fen: Fen
    platform_penalty_fen: Fen

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if not (
            1 <= self.instalment_no <= 360
            and self.funder_principal_fen + self.platform_principal_fen == self.principal_fen
            and self.funder_interest_fen + self.platform_interest_fen == self.interest_fen
            and self.funder_penalty_fen + self.platform_penalty_fen == self.penalty_fen
        ):
            raise ValueError("does not add up")
        return self


def _rows(path: Path) -> Iterator[DueRow]:
    with path.open(newline="", encoding="utf-8") as source:
        rows = csv.reader(source, strict=True)
        header = next(rows)
        for cells in rows:
            yield DueRow.model_validate(dict(zip(header, cells, strict=True)))


def _peer(folder: Path) -> dict:
    began = process_time()
    count, fen, twice = 0, 0, 0
    seen: set[tuple[str, int]] = set()
    for row in _rows(folder / "theirs.csv"):
        key = row.loan_id, row.instalment_no
        twice += key in seen
        seen.add(key)
        count += 1
        fen += row.principal_fen + row.interest_fen + row.penalty_fen
    validated = process_time()
    seen.clear()
    theirs = {(row.loan_id, row.instalment_no): _facts(row) for row in _rows(folder / "theirs.csv")}
    classes = dict.fromkeys(Match, 0)
    for row in _rows(folder / "ours.csv"):
        their = theirs.pop((row.loan_id, row.instalment_no), None)
        if their is None:
            classes[Match.ONLY_OURS] += 1
        else:
            classes[Match.EQUAL if their == _facts(row) else Match.DIFFERS] += 1
    classes[Match.ONLY_THEIRS] = len(theirs)
    return {
        "validate": validated - began,
        "compare": process_time() - validated,
        "found": [count, fen, twice, *classes.values()],
    }


def _facts(row: DueRow) -> tuple[object, ...]:
    return tuple(row.__dict__.values())


def _peak_mib() -> float:
    """Read the most memory that this process ever held, and none of its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    worker = {"ours": _ours, "peer": _peer}[sys.argv[1]]
    told = worker(Path(sys.argv[2]))
    print(json.dumps(told | {"peak_mib": _peak_mib()}))
