"""Take a file in: land, read, apply.  Each step may be repeated, and ends the same.

A file is its name and its bytes.  What fails as a whole is quarantined with its reasons, and
nothing is concluded from it; the same bytes a second time change nothing.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from chalicelib.domain.money import Money
from chalicelib.flows.file_ports import (
    FAULTS_MAX,
    Exchange,
    Fault,
    FileBook,
    FileRecord,
    FileState,
    Format,
    Line,
    Manifest,
    NotYetError,
    RefusedFileError,
    UnusableFileError,
)
from chalicelib.flows.ports import StoredObject

MANIFEST_SUFFIX = ".ok"
QUARANTINE = "quarantine/"
REASONS_SUFFIX = ".reasons.json"
REASONS_MAX = FAULTS_MAX
MEBIBYTE = 1024 * 1024
OTHER_DIGEST = "not the manifest's digest"

Record = TypeVar("Record")


class Outcome(StrEnum):
    """What became of a file, this time."""

    WAITING = "waiting"
    KNOWN = "known"
    APPLIED = "applied"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Generic[Record]):
    """A file that has landed whole; `lines` and `opened` stream it anew, always the same bytes.

    `round_no` is 0 where its kind has no rounds.
    """

    key: str
    sha256: str
    business_date: date
    version: int
    rows: int
    amount: Money
    round_no: int = 0
    lines: Callable[[], Iterator[Line[Record]]]
    opened: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """What applying a file did: rows that went in, rows refused and why."""

    applied: int
    refused: int = 0
    faults: Sequence[Fault] = ()
    note: str = ""


class UnexpectedNameError(ValueError):
    """No file of this kind has such a name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route(Generic[Record]):
    """One kind of file: its names, its format, and what is done with it.

    `folder` and `stem` are its name: `{folder}/{yyyymmdd}/{stem}_v{n}.csv`, or where the kind is
    `by_round`, `{stem}_r{round}_v{n}.csv`.  Where
    `takes_good_lines`, bad lines are refused alone; else one bad line fails the file.
    """

    kind: str
    folder: str
    stem: str
    format: Format[Record]
    apply: Callable[[Batch[Record], datetime], Applied]
    takes_good_lines: bool = False
    bytes_max: int = 256 * MEBIBYTE
    by_round: bool = False

    def expects(self, key: str) -> bool:
        """Whether this is a name of this kind."""
        try:
            self.facts_of(key)
        except UnexpectedNameError:
            return False
        return True

    def facts_of(self, key: str) -> tuple[date, int, int]:
        """Read business date, round and version off a name; the round is 0 where there is none.

        :raises UnexpectedNameError: if it is not a name of this kind.
        """
        found = re.fullmatch(
            rf"{re.escape(self.folder)}/(\d{{4}})(\d\d)(\d\d)/{re.escape(self.stem)}"
            rf"{'_r([1-3])' if self.by_round else '()'}"
            r"_v([1-9]\d{0,3})\.csv",
            key,
            re.ASCII,
        )
        if found is None:
            raise UnexpectedNameError(key)
        year, month, day, round_no, version = (int(part or 0) for part in found.groups())
        try:
            return date(year, month, day), round_no, version
        except ValueError as error:
            raise UnexpectedNameError(key) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that files are taken in with; a kind of file more is a route more."""

    objects: Exchange
    files: FileBook
    routes: Sequence[Route[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of a file."""

    key: str
    outcome: Outcome
    applied: int = 0
    refused: int = 0
    reason: str = ""


def take(*, key: str, now: datetime, desk: Desk) -> Taken:
    """Take a file in, once it and its manifest are there; `key` may be either's.

    Whoever is killed on the way leaves the file landed: the next call goes on and ends the same.
    """
    key = key.removesuffix(MANIFEST_SUFFIX)
    stored = desk.objects.head(key)
    route, manifest = _expected(key, desk)
    if stored is None or manifest is None:
        return Taken(key=key, outcome=Outcome.WAITING)
    record = desk.files.land(
        FileRecord(
            object_key=key,
            sha256=_digest(stored, route, desk),
            kind=route.kind if route else "unexpected",
            manifest_sha256=hashlib.sha256(manifest).hexdigest() if manifest else "",
            landed_at=now,
        )
    )
    if record.state is not FileState.LANDED:
        return Taken(key=key, outcome=Outcome.KNOWN, reason=record.reason)
    if route is None:
        unexpected = UnusableFileError(Fault(reason="no file of this name is expected"))
        return _quarantine(record=record, error=unexpected, now=now, desk=desk)
    try:
        batch = _read(
            stored=stored, route=route, sha256=record.sha256, manifest=manifest, desk=desk
        )
        applied = route.apply(batch, now)
    except UnusableFileError as error:
        return _quarantine(record=record, error=error, now=now, desk=desk)
    except NotYetError as error:
        return Taken(key=key, outcome=Outcome.WAITING, reason=str(error))
    except RefusedFileError as error:
        return _refuse(record=record, reason=str(error), now=now, desk=desk)
    return _finish(record=record, batch=batch, applied=applied, now=now, desk=desk)


def reopen(*, key: str, desk: Desk) -> Batch[Any]:
    """Open a file again that was applied before.

    :raises KeyError: if it is not there, or is not the file that was applied.
    """
    stored = desk.objects.head(key)
    route, manifest = _expected(key, desk)
    if stored is None or route is None or manifest is None:
        raise KeyError(key)
    record = desk.files.get(key, _digest(stored, route, desk))
    if record is None or record.state is not FileState.APPLIED:
        raise KeyError(key)
    counted = Manifest(rows=record.rows, amount=record.amount, sha256=record.sha256)
    return _batch(stored=stored, route=route, counted=counted, desk=desk)


def readmit(*, folder: str, desk: Desk) -> Sequence[str]:
    """Let the refused files under a folder count as landed again; name those that wait by now.

    Done twice it names them twice, and changes nothing: each is taken in once.
    """
    for key in _files_under(folder, desk):
        for record in desk.files.of_key(key):
            if record.state is FileState.REFUSED:
                desk.files.readmit(record)
    return untaken(folder=folder, desk=desk)


def untaken(*, folder: str, desk: Desk) -> Sequence[str]:
    """List the files under a folder that have no end yet: they wait, or nobody was told of them."""
    keys = _files_under(folder, desk)
    return [key for key in keys if not _has_an_end(desk.files.of_key(key))]


def _files_under(folder: str, desk: Desk) -> Sequence[str]:
    return [key for key in desk.objects.keys(folder) if not key.endswith(MANIFEST_SUFFIX)]


def _has_an_end(records: Sequence[FileRecord]) -> bool:
    return bool(records) and all(record.state is not FileState.LANDED for record in records)


# --- land -------------------------------------------------------------------------------


def _expected(key: str, desk: Desk) -> tuple[Route[Any] | None, bytes | None]:
    """Find who takes files of this name, and the manifest: None while it is not there."""
    route = next((route for route in desk.routes if route.expects(key)), None)
    if route is None or not route.format.has_manifest:
        return route, b""
    try:
        return route, desk.objects.read(key + MANIFEST_SUFFIX)
    except KeyError:
        return route, None


def _digest(stored: StoredObject, route: Route[Any] | None, desk: Desk) -> str:
    """Name the bytes.  What is not expected or too large is not read, not even for its digest."""
    if route is None or stored.size > route.bytes_max:
        return f"etag:{stored.etag}"
    digest = hashlib.sha256()
    for chunk in desk.objects.open(stored.key, etag=stored.etag):
        digest.update(chunk)
    return digest.hexdigest()


# --- read -------------------------------------------------------------------------------


def _read(
    *,
    stored: StoredObject,
    route: Route[Record],
    sha256: str,
    manifest: bytes,
    desk: Desk,
) -> Batch[Record]:
    """Prove that the file is whole, and that what it says of itself is true."""
    if stored.size > route.bytes_max:
        raise UnusableFileError(Fault(reason=f"larger than {route.bytes_max} bytes"))
    control = route.format.manifest(manifest) if route.format.has_manifest else None
    if control and control.sha256 != sha256:
        raise UnusableFileError(Fault(column="sha256", reason=OTHER_DIGEST))
    rows, amount = _counted(route, lambda: desk.objects.open(stored.key, etag=stored.etag))
    counted = Manifest(rows=rows, amount=amount, sha256=sha256)
    if control:
        _compare(told=control, counted=counted)
    return _batch(stored=stored, route=route, counted=counted, desk=desk)


def _counted(route: Route[Any], opened: Callable[[], Iterator[bytes]]) -> tuple[int, Money]:
    """Count rows and fen of a file that nothing spoils."""
    census = route.format.census(opened, takes_good_lines=route.takes_good_lines)
    if census.faults:
        raise UnusableFileError(*census.faults, left_out=census.left_out)
    return census.rows, census.amount


def _compare(*, told: Manifest, counted: Manifest) -> None:
    if faults := contradictions(told=told, counted=counted):
        raise UnusableFileError(*faults)


def contradictions(*, told: Manifest, counted: Manifest) -> Sequence[Fault]:
    """Name the figures that a manifest says otherwise than was counted; its digest is no figure."""
    faults = []
    if told.rows != counted.rows:
        reason = f"{counted.rows}, not the manifest's {told.rows}"
        faults.append(Fault(column="rows", reason=reason))
    if told.amount != counted.amount:
        reason = f"{counted.amount.fen}, not the manifest's {told.amount.fen}"
        faults.append(Fault(column="amount_fen", reason=reason))
    return faults


def _batch(
    *, stored: StoredObject, route: Route[Record], counted: Manifest, desk: Desk
) -> Batch[Record]:
    business_date, round_no, version = route.facts_of(stored.key)
    return Batch(
        key=stored.key,
        sha256=counted.sha256,
        business_date=business_date,
        round_no=round_no,
        version=version,
        rows=counted.rows,
        amount=counted.amount,
        lines=lambda: route.format.lines(desk.objects.open(stored.key, etag=stored.etag)),
        opened=lambda: desk.objects.open(stored.key, etag=stored.etag),
    )


# --- the two ends -----------------------------------------------------------------------


def _finish(
    *, record: FileRecord, batch: Batch[Any], applied: Applied, now: datetime, desk: Desk
) -> Taken:
    if applied.faults:
        _write_reasons(key=record.object_key, faults=applied.faults, desk=desk)
    desk.files.finish(
        replace(
            record,
            state=FileState.APPLIED,
            rows=batch.rows,
            amount=batch.amount,
            applied=applied.applied,
            refused=applied.refused,
            reason=applied.note,
            finished_at=now,
        )
    )
    return Taken(
        key=record.object_key,
        outcome=Outcome.APPLIED,
        applied=applied.applied,
        refused=applied.refused,
        reason=applied.note,
    )


def _refuse(*, record: FileRecord, reason: str, now: datetime, desk: Desk) -> Taken:
    desk.files.finish(replace(record, state=FileState.REFUSED, reason=reason, finished_at=now))
    return Taken(key=record.object_key, outcome=Outcome.REFUSED, reason=reason)


def _quarantine(
    *, record: FileRecord, error: UnusableFileError, now: datetime, desk: Desk
) -> Taken:
    reason = error.faults[0].reason
    desk.objects.copy(record.object_key, QUARANTINE + record.object_key)
    _write_reasons(key=record.object_key, faults=error.faults, left_out=error.left_out, desk=desk)
    desk.files.finish(replace(record, state=FileState.QUARANTINED, reason=reason, finished_at=now))
    return Taken(key=record.object_key, outcome=Outcome.QUARANTINED, reason=reason)


def _write_reasons(*, key: str, faults: Sequence[Fault], desk: Desk, left_out: int = 0) -> None:
    told = {
        "key": key,
        "reasons": [_as_plain(fault) for fault in faults[:REASONS_MAX]],
        "left_out": left_out + max(0, len(faults) - REASONS_MAX),
    }
    body = json.dumps(told, ensure_ascii=False, indent=1).encode()
    desk.objects.write(f"{QUARANTINE}{key}{REASONS_SUFFIX}", body)


def _as_plain(fault: Fault) -> Mapping[str, object]:
    return {
        "line": fault.line,
        "column": fault.column,
        "reason": fault.reason,
        "value": fault.value,
    }
