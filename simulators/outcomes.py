"""What happens to a request: by script, else by a mix of probabilities, else all goes well."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random  # noqa: TID251 - seeded by whoever builds the platform
from typing import Final

SLOW = re.compile(r"slow_ms:(\d{1,6})", re.ASCII)


class UnknownOutcomeError(ValueError):
    """No platform knows this outcome, or the probabilities make no sense."""


class Outcomes:
    """Hands out outcomes.

    A draw from the mix depends on the seed and on what is asked about, never on the order of
    arrival: calls that overtake each other get what they would have got.
    """

    def __init__(self, *, known: frozenset[str], default: str, rng: Random) -> None:
        self._known: Final = known
        self._default: Final = default
        self._salt: Final = rng.getrandbits(64)
        self._scripts: dict[str, deque[str]] = {}
        self._mix: dict[str, float] = {}

    def script(self, key: str, outcomes: Sequence[str]) -> None:
        """Set what happens next to a key; replaces what was left of its last script.

        :raises UnknownOutcomeError: if one is not known; then nothing is changed.
        """
        for outcome in outcomes:
            self._check(outcome)
        self._scripts[key] = deque(outcomes)

    def mix(self, probabilities: Mapping[str, float]) -> None:
        """Set the probabilities of everything without a script; the rest goes well.

        :raises UnknownOutcomeError: if one is not known or they sum to more than 1.
        """
        for outcome, probability in probabilities.items():
            self._check(outcome)
            if isinstance(probability, bool) or not isinstance(probability, int | float):
                raise UnknownOutcomeError(f"{outcome}: {probability!r} is no probability")
            if not 0 <= probability <= 1:
                raise UnknownOutcomeError(f"{outcome}: {probability!r} is no probability")
        if sum(probabilities.values()) > 1 + 1e-9:
            raise UnknownOutcomeError("the probabilities sum to more than 1")
        self._mix = dict(sorted(probabilities.items()))

    def take(self, key: str, *, about: str) -> str:
        """Take the next outcome of a key's script, or draw one about this request."""
        if script := self._scripts.get(key):
            return script.popleft()
        drawn = Random(f"{self._salt}:{about}").random()
        for outcome, probability in self._mix.items():
            if drawn < probability:
                return outcome
            drawn -= probability
        return self._default

    def _check(self, outcome: object) -> None:
        if not isinstance(outcome, str) or not (outcome in self._known or SLOW.fullmatch(outcome)):
            known = ", ".join(sorted(self._known))
            raise UnknownOutcomeError(f"{outcome!r} is not one of {known}, slow_ms:N")


def delay_seconds(outcome: str) -> float:
    """Read the delay out of slow_ms:N; 0 for every other outcome.

    >>> delay_seconds("slow_ms:250")
    0.25
    """
    slow = SLOW.fullmatch(outcome)
    return int(slow[1]) / 1000 if slow else 0.0
