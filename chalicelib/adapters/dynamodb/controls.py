"""Switches people turn: the pause, the block of one borrower, (not in production) the clock."""

import time
from datetime import datetime

from chalicelib.adapters.dynamodb.tables_operations import ControlRow

PAUSE = "pause"
TEST_CLOCK = "test_clock"
PAUSE_SEEN_SECONDS = 30


class DynamoControls:
    def __init__(self) -> None:
        self._paused = False
        self._read_at = float("-inf")

    def is_paused(self) -> bool:
        if time.monotonic() - self._read_at > PAUSE_SEEN_SECONDS:
            row = _row(PAUSE)
            self._paused = bool(row and row.on)
            self._read_at = time.monotonic()
        return self._paused

    def pause(self, *, on: bool, by: str, at: datetime) -> None:
        """Turn the pause switch; workers see it within half a minute."""
        ControlRow(name=PAUSE, on=on, by=by, at=at.isoformat()).save()

    def is_blocked(self, borrower_id: str) -> bool:
        """Say whether a borrower is kept out, however good the token: read anew every time."""
        row = _row(_block_of(borrower_id))
        return bool(row and row.on)

    def block(self, borrower_id: str, *, on: bool, by: str, at: datetime) -> None:
        """Keep a borrower out of API and page, or let him in again."""
        ControlRow(name=_block_of(borrower_id), on=on, by=by, at=at.isoformat()).save()

    def test_clock(self) -> datetime | None:
        """Read the business time that was set, None if the clock was never set."""
        row = _row(TEST_CLOCK)
        return datetime.fromisoformat(row.now) if row and row.now else None

    def set_test_clock(self, now: datetime) -> None:
        """Set business time."""
        ControlRow(name=TEST_CLOCK, now=now.isoformat()).save()


def _block_of(borrower_id: str) -> str:
    return f"blocked#{borrower_id}"


def _row(name: str) -> ControlRow | None:
    try:
        return ControlRow.get(name, consistent_read=True)
    except ControlRow.DoesNotExist:
        return None
