"""Every call of a boto3 client, answered in process: no HTTP, no thread, no retry behind our back.

A service is anything with `call(operation, parameters)`.  Around each call stands whoever wants to
see it, or to make it fail: the simulation's faults.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from botocore.client import BaseClient
from botocore.exceptions import ClientError

Parameters = Mapping[str, Any]
Answer = dict[str, Any]


class Service(Protocol):
    """One service of AWS."""

    def call(self, operation: str, parameters: Parameters) -> Answer:
        """Answer one API call.

        :raises ClientError: as AWS would refuse it.
        """


class NotSimulatedError(NotImplementedError):
    """The production code calls something that nobody has simulated yet."""


def refused(operation: str, code: str, message: str = "", **more: Any) -> ClientError:
    """Make the error AWS answers with; `more` stands beside `Error`, as cancellation reasons do."""
    return ClientError({"Error": {"Code": code, "Message": message or code}, **more}, operation)


Around = Callable[[str, str, Parameters, Callable[[], Answer]], Answer]
"""Told service, operation, parameters and how to make the call; gives the answer, or raises."""


def straight(
    _service: str, _operation: str, _parameters: Parameters, make: Callable[[], Answer]
) -> Answer:
    """Just make the call."""
    return make()


@contextmanager
def answered_by(services: Mapping[str, Service], *, around: Around = straight) -> Iterator[None]:
    """Have every boto3 client of this process answered by these services."""
    real = BaseClient._make_api_call

    def answer(client: BaseClient, operation: str, parameters: Parameters) -> Answer:
        name = client.meta.service_model.service_name
        if name not in services:
            raise NotSimulatedError(f"{name} {operation}")
        service = services[name]
        return around(name, operation, parameters, lambda: service.call(operation, parameters))

    BaseClient._make_api_call = answer
    try:
        yield
    finally:
        BaseClient._make_api_call = real
