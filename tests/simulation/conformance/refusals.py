"""How a case says that AWS refuses."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError


@contextmanager
def refused(code: str, *, status: int | None = None) -> Iterator[None]:
    """Expect a call to be refused with this code, as boto3 sees it."""
    with pytest.raises(ClientError) as caught:
        yield
    found = caught.value.response
    assert found["Error"]["Code"] == code
    if status is not None:
        assert found["ResponseMetadata"]["HTTPStatusCode"] == status
