"""A request with an idempotency key is worked once; asked again, it is answered the same.

This guards the answer, never the money: an order is started once because its number and the
loan's slot say so, whatever is forgotten here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

PATIENCE = timedelta(seconds=30)
"""How long a request is believed to be in work: longer than any invocation lives."""

KEPT = timedelta(days=30)


class KeyReusedError(Exception):
    """The key came before, with another request."""


class InProgressError(Exception):
    """The same request is in work at this moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a request was answered; `is_final` unless the same request may yet be answered better."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str]
    is_final: bool = True
    is_replayed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request by its key; `fingerprint` says what was asked."""

    key: str
    fingerprint: str
    begun_at: datetime
    answer: Answer | None = None


class Requests(Protocol):
    def begin(self, request: Request) -> Request | None:
        """Note a request unless its key is known; then return what stands, as fresh as can be."""

    def take_over(self, standing: Request, *, at: datetime) -> bool:
        """Go on with a request nobody has answered; False if another does."""

    def end(self, request: Request) -> None:
        """Keep the answer; the first one kept stands."""

    def forget(self, request: Request) -> None:
        """Let the same request be tried again as if it had never come, unless another works it."""


def once(*, request: Request, store: Requests, work: Callable[[], Answer]) -> Answer:
    """Work a request unless it was answered before; one whose work failed is forgotten.

    :raises KeyReusedError: if the key came with another request.
    :raises InProgressError: if the same request is in work.
    """
    standing = store.begin(request)
    if standing is not None:
        if standing.fingerprint != request.fingerprint:
            raise KeyReusedError(request.key)
        if standing.answer is not None:
            return replace(standing.answer, is_replayed=True)
        if request.begun_at - standing.begun_at < PATIENCE:
            raise InProgressError(request.key)
        # Whoever worked at it is dead by now: of those who come for it, one goes on.
        if not store.take_over(standing, at=request.begun_at):
            raise InProgressError(request.key)
    try:
        answer = work()
    except Exception:
        store.forget(request)
        raise
    if answer.is_final:
        store.end(replace(request, answer=answer))
    else:
        store.forget(request)
    return answer
