"""Read a file as the intake would: its rows, its amount, every fault, and what its manifest says."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.adapters.file_dialects import CsvFormat, sum_of
from chalicelib.domain.money import ZERO, Money
from chalicelib.flows import landing
from chalicelib.flows.file_ports import Fault, Line, Manifest, UnusableFileError

NO_MANIFEST = "missing, and the file would wait for it"

Judge = Callable[[Line[Any]], Iterable[Fault]]
"""Names the faults of a line; more than its own may be known of what stood before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """What was read: `amount` is of what can be read, `summed` is None if that is not all."""

    rows: int
    amount: Money
    summed: Money | None
    is_whole: bool
    faults: tuple[Fault, ...]


def own_faults(line: Line[Any]) -> Iterable[Fault]:
    return line.faults


def examined(form: CsvFormat[Any], path: Path, judge: Judge = own_faults) -> Examined:
    """Read a file to its end, or as far as it can be read."""
    rows, amount, faults, is_whole = 0, ZERO, list[Fault](), False
    summed: Money | None = ZERO
    try:
        for line in form.lines(_chunks(path)):
            rows, amount = rows + 1, amount + (line.amount or ZERO)
            summed = sum_of(summed, line.amount)
            faults += judge(line)
        is_whole = True
    except UnusableFileError as error:
        faults += error.faults
    return Examined(
        rows=rows, amount=amount, summed=summed, is_whole=is_whole, faults=tuple(faults)
    )


def contradicted(
    form: CsvFormat[Any], manifest: bytes, *, path: Path, read: Examined
) -> Sequence[Fault]:
    """Hold a manifest against its file, as far as that could be read: no figure, no fault."""
    try:
        told = form.manifest(manifest)
    except UnusableFileError as error:
        return error.faults
    digest = digest_of(path)
    found = Manifest(
        rows=read.rows if read.is_whole else told.rows,
        amount=read.summed if read.is_whole and read.summed is not None else told.amount,
        sha256=digest,
    )
    strange = Fault(column="sha256", reason=landing.OTHER_DIGEST)
    return [strange] * (told.sha256 != digest) + [*landing.contradictions(told=told, counted=found)]


def beside(path: Path) -> bytes | None:
    """Read the manifest that lies beside a file, if one does."""
    manifest = path.with_name(path.name + landing.MANIFEST_SUFFIX)
    return manifest.read_bytes() if manifest.is_file() else None


def digest_of(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def fault_as_text(fault: Fault) -> str:
    """Write one fault on a line of its own."""
    where = f"line {fault.line}" if fault.line else "file"
    return f"  {where:<10} {fault.column:<22} {fault.reason}  {fault.value}".rstrip()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(landing.MEBIBYTE):
            yield chunk
