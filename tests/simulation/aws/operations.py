"""What the simulated services have in common: which operations they know, and how they refuse.

A service says for each operation which parameters it understands.  A call with another one is not
half understood but stopped: a condition that is ignored would make the simulation lie.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import ClassVar

from botocore import xform_name

from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters, refused

REGION = "us-east-1"
ACCOUNT = "123456789012"


class RefusedError(Exception):
    """AWS refuses; `call` makes of it what boto3 raises."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status


class Simulated:
    """A service whose operation `SendMessage` is answered by its method `_send_message`."""

    service: ClassVar[str]
    understands: ClassVar[Mapping[str, str]]
    """For each operation the names of its parameters."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._operations: dict[str, tuple[Callable[[Parameters], Answer], frozenset[str]]] = {
            operation: (getattr(self, f"_{xform_name(operation)}"), frozenset(names.split()))
            for operation, names in self.understands.items()
        }

    def call(self, operation: str, parameters: Parameters) -> Answer:
        """Answer one API call.

        :raises ClientError: as AWS would refuse it.
        :raises NotSimulatedError: if nobody has simulated the operation, or a parameter of it.
        """
        try:
            answer, understood = self._operations[operation]
        except KeyError:
            raise NotSimulatedError(f"{self.service} {operation}") from None
        check_understood(parameters, understood, f"{self.service} {operation}")
        try:
            return answer(parameters)
        except RefusedError as error:
            metadata = {"HTTPStatusCode": error.status}
            raise refused(operation, error.code, error.message, ResponseMetadata=metadata) from None


def check_understood(given: Parameters, understood: frozenset[str], what: str) -> None:
    """Stop at a parameter that would be ignored."""
    if not given.keys() <= understood:
        raise NotSimulatedError(f"{what}: {', '.join(sorted(given.keys() - understood))}")


def numbered(number: int) -> str:
    """Write a number as the identifiers of AWS look.

    >>> numbered(10)
    '00000000-0000-4000-8000-00000000000a'
    """
    return f"00000000-0000-4000-8000-{number:012x}"


def digest_of(state: object) -> str:
    """Digest a state that is written the same whenever it is the same."""
    return blake2b(repr(state).encode(), digest_size=16).hexdigest()
