"""Which shard a key falls into: a stable hash, so that every writer and reader agrees."""

import zlib
from datetime import date

JOURNAL_SHARDS = 8


def shard_of(key: str, shards: int) -> int:
    """Place a key.

    >>> shard_of("LN1", 8)
    7
    """
    return zlib.crc32(key.encode()) % shards


def agenda_key(unpaid_due_on: date, shard: int) -> str:
    """Name a partition of the agenda.

    >>> agenda_key(date(2026, 11, 24), 3)
    '2026-11-24#3'
    """
    return f"{unpaid_due_on.isoformat()}#{shard}"


def day_shard(business_date: date, shard: int) -> str:
    """Name a partition of the journal."""
    return f"{business_date.isoformat()}#{shard}"
