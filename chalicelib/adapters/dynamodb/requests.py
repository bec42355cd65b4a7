"""Requests by their idempotency key, in DynamoDB; kept for a month."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables import RequestRow
from chalicelib.flows.idempotency import KEPT, Answer, Request


class DynamoRequests:
    def begin(self, request: Request) -> Request | None:
        try:
            # Whoever comes first works; everybody else is told of the first.
            with conditional():
                _row_of(request).save(condition=RequestRow.request_key.does_not_exist())
        except ConditionFailedError:
            try:
                return _request_of(RequestRow.get(request.key, consistent_read=True))
            except RequestRow.DoesNotExist:  # forgotten in between: it may be tried again
                return request
        return None

    def take_over(self, standing: Request, *, at: datetime) -> bool:
        try:
            # Still begun when we saw it begun, and not answered: of several, one goes on.
            with conditional():
                RequestRow(request_key=standing.key).update(
                    actions=[RequestRow.begun_at.set(at)],
                    condition=(RequestRow.begun_at == standing.begun_at)
                    & RequestRow.answer.does_not_exist(),
                )
        except ConditionFailedError:
            return False
        return True

    def end(self, request: Request) -> None:
        try:
            # The first answer stands: it may have been given to somebody.
            with conditional():
                _row_of(request).save(condition=RequestRow.answer.does_not_exist())
        except ConditionFailedError:
            return

    def forget(self, request: Request) -> None:
        try:
            # An answer that was kept is never forgotten, nor what another has taken over.
            with conditional():
                RequestRow(request_key=request.key).delete(
                    condition=(RequestRow.begun_at == request.begun_at)
                    & RequestRow.answer.does_not_exist()
                )
        except ConditionFailedError:
            return


def _row_of(request: Request) -> RequestRow:
    return RequestRow(
        request_key=request.key,
        fingerprint=request.fingerprint,
        begun_at=request.begun_at,
        answer=_facts_of(request.answer) if request.answer else None,
        expires_at=int((request.begun_at + KEPT).timestamp()),
    )


def _facts_of(answer: Answer) -> Mapping[str, Any]:
    return {
        "status": answer.status,
        "body": dict(answer.body),
        "headers": dict(answer.headers),
    }


def _request_of(row: RequestRow) -> Request:
    answer: Any = row.answer
    return Request(
        key=row.request_key,
        fingerprint=row.fingerprint,
        begun_at=row.begun_at,
        answer=Answer(status=answer["status"], body=answer["body"], headers=answer["headers"])
        if answer
        else None,
    )
