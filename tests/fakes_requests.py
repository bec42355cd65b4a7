"""Requests by their key, and counts of them, in memory; tests/contract holds the stores to their word."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from chalicelib.flows.idempotency import Request
from tests.fakes import Outside, _Counted


class FakeRequests(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: dict[str, Request] = {}

    def begin(self, request: Request):
        mine = replace(request)
        standing = self.rows.setdefault(request.key, mine)
        return None if standing is mine else standing

    def take_over(self, standing: Request, *, at: datetime) -> bool:
        row = self.rows.get(standing.key)
        if row is None or row.answer or row.begun_at != standing.begun_at:
            return False
        self.rows[standing.key] = replace(row, begun_at=at)
        return True

    def end(self, request: Request) -> None:
        row = self.rows.get(request.key)
        if row is None or row.answer is None:
            self.rows[request.key] = request

    def forget(self, request: Request) -> None:
        row = self.rows.get(request.key)
        if row and row.answer is None and row.begun_at == request.begun_at:
            del self.rows[request.key]


class FakeThrottles(_Counted):
    def __init__(self, outside: Outside) -> None:
        super().__init__(outside)
        self.rows: Counter = Counter()

    def count(self, *, key: str, now: datetime, window_seconds: int) -> int:
        window = _window(key, now, window_seconds)
        self.rows[window] += 1
        return self.rows[window]

    def times(self, *, key: str, now: datetime, window_seconds: int) -> int:
        return self.rows[_window(key, now, window_seconds)]


def _window(key: str, now: datetime, window_seconds: int) -> tuple[str, int, int]:
    return key, window_seconds, int(now.timestamp()) // window_seconds
