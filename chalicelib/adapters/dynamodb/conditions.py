"""What DynamoDB's refusals mean: a failed condition is a business answer, the rest is trouble."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from pynamodb.exceptions import DeleteError, PutError, UpdateError

CONDITION_FAILED = "ConditionalCheckFailedException"
BATCH_GET_KEYS_MAX = 100

Key = TypeVar("Key")


class ConditionFailedError(Exception):
    """The stored item is not in the state the write was made for."""


@contextmanager
def conditional() -> Iterator[None]:
    """Turn a failed condition into ConditionFailedError; let everything else out."""
    try:
        yield
    except (PutError, UpdateError, DeleteError) as error:
        if error.cause_response_code != CONDITION_FAILED:
            raise
        raise ConditionFailedError from error


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """Cut keys into what one BatchGetItem takes."""
    for start in range(0, len(keys), BATCH_GET_KEYS_MAX):
        yield keys[start : start + BATCH_GET_KEYS_MAX]
