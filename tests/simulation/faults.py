"""What becomes of a call that a fault was drawn for."""

from collections.abc import Callable, Iterable
from typing import Any

import urllib3
from botocore.exceptions import ReadTimeoutError

from tests.simulation.aws.calls import refused
from tests.simulation.outside import THROTTLED, Response
from tests.simulation.plan import CALL_FAULTS, Fault
from tests.simulation.tasks import Crash

THROTTLES = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sqs": "RequestThrottled",
    "sns": "Throttled",
    "s3": "SlowDown",
}
SERVER_ERRORS = {
    "dynamodb": "InternalServerError",
    "sqs": "InternalError",
    "sns": "InternalError",
    "s3": "InternalError",
}


class Faults:
    """The day's faults of calls, by the number of the call they strike."""

    def __init__(self) -> None:
        self.struck: list[tuple[Fault, str]] = []
        self._by_call: dict[int, Fault] = {}

    def begin(self, faults: Iterable[Fault]) -> None:
        self._by_call = {int(fault.at): fault for fault in faults if fault.kind in CALL_FAULTS}
        self.struck = []

    def stop(self) -> None:
        """From here on every call is made as it should be."""
        self._by_call = {}

    def at(self, call: int) -> bool:
        return call in self._by_call

    def strike(self, call: int, service: str, operation: str, make: Callable[[], Any]) -> Any:
        """Do to a call what was drawn for it."""
        fault = self._by_call[call]
        self.struck.append((fault, f"{service} {operation}"))
        is_http = service not in THROTTLES
        match fault.kind:
            case "crash_before":
                raise Crash
            case "crash_after":
                make()
                raise Crash
            case "answer_lost":
                make()
                if is_http:
                    raise urllib3.exceptions.ReadTimeoutError(None, operation, "lost")  # type: ignore[arg-type]
                raise ReadTimeoutError(endpoint_url=service)
            case "done_again":
                # The client hears nothing and does it again by itself, as botocore does.
                if is_http and operation.startswith("GET"):
                    return Response(200, make().data, {})  # read again: an answer without signature
                make()
                return make()
            case "throttled" if is_http:
                return Response(429, THROTTLED.payload(), {})
            case "throttled":
                raise refused(operation, THROTTLES[service])
            case _ if is_http:
                raise urllib3.exceptions.NewConnectionError(None, "refused")  # type: ignore[arg-type]
            case _:
                raise refused(
                    operation, SERVER_ERRORS[service], ResponseMetadata={"HTTPStatusCode": 500}
                )
