"""The book of files that have arrived, in DynamoDB: a name and its bytes are one item."""

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables_operations import FileRow
from chalicelib.domain.money import ZERO
from chalicelib.flows.file_ports import FileRecord, FileState


class DynamoFiles:
    def land(self, record: FileRecord) -> FileRecord:
        try:
            # New bytes under this name; or known ones that were quarantined under another manifest.
            with conditional():
                _row_of(record).save(
                    condition=FileRow.object_key.does_not_exist()
                    | (
                        (FileRow.state == FileState.QUARANTINED.value)
                        & (FileRow.manifest_sha256 != record.manifest_sha256)
                    )
                )
        except ConditionFailedError:
            return self.get(record.object_key, record.sha256) or record
        return record

    def finish(self, record: FileRecord) -> None:
        try:
            # A file ends once: whoever took it in at the same time did the same.
            with conditional():
                _row_of(record).save(condition=FileRow.state == FileState.LANDED.value)
        except ConditionFailedError:
            return

    def readmit(self, record: FileRecord) -> bool:
        landed = replace(record, state=FileState.LANDED, finished_at=None, reason="")
        try:
            # Refused as it was read: nobody has let it in meanwhile, or taken it.
            with conditional():
                _row_of(landed).save(condition=FileRow.state == FileState.REFUSED.value)
        except ConditionFailedError:
            return False
        return True

    def get(self, object_key: str, sha256: str) -> FileRecord | None:
        try:
            return _record_of(FileRow.get(object_key, sha256, consistent_read=True))
        except FileRow.DoesNotExist:
            return None

    def of_key(self, object_key: str) -> Sequence[FileRecord]:
        return [_record_of(row) for row in FileRow.query(object_key, consistent_read=True)]


def _row_of(record: FileRecord) -> FileRow:
    return FileRow(
        object_key=record.object_key,
        sha256=record.sha256,
        manifest_sha256=record.manifest_sha256,
        kind=record.kind,
        state=record.state.value,
        rows=record.rows,
        amount=record.amount,
        applied=record.applied,
        refused=record.refused,
        landed_at=record.landed_at,
        finished_at=record.finished_at,
        reason=record.reason or None,
    )


def _record_of(row: FileRow) -> FileRecord:
    return FileRecord(
        object_key=row.object_key,
        sha256=row.sha256,
        manifest_sha256=row.manifest_sha256 or "",
        kind=row.kind or "",
        state=FileState(row.state),
        rows=row.rows or 0,
        amount=row.amount or ZERO,
        applied=row.applied or 0,
        refused=row.refused or 0,
        landed_at=row.landed_at,
        finished_at=row.finished_at,
        reason=row.reason or "",
    )
