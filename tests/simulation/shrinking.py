"""The fewest faults that still make a day fail: halves are left out, then quarters, and so on."""

from collections.abc import Callable

from tests.simulation.plan import Fault, Plan

PLAYS_MAX = 300


def shrunk(plan: Plan, *, fails: Callable[[Plan], bool], plays_max: int = PLAYS_MAX) -> Plan:
    """Leave out whatever need not be there; what comes back fails still."""
    plays = 0

    def still(candidate: Plan) -> bool:
        nonlocal plays
        plays += 1
        return plays <= plays_max and fails(candidate)

    parts = 2
    while (standing := plan.standing()) and plays < plays_max:
        parts = min(parts, len(standing))
        for chunk in _chunks(standing, parts):
            smaller = plan.without(frozenset(fault.number for fault in chunk))
            if still(smaller):
                plan, parts = smaller, max(parts - 1, 2)
                break
        else:
            if parts == len(standing):
                break
            parts = min(parts * 2, len(standing))
    return plan


def _chunks(faults: tuple[Fault, ...], parts: int) -> list[tuple[Fault, ...]]:
    """Cut into so many parts, as equal as can be.

    >>> [len(part) for part in _chunks(tuple("abcdefg"), 3)]
    [2, 2, 3]
    """
    bounds = [len(faults) * place // parts for place in range(parts + 1)]
    return [faults[bounds[place] : bounds[place + 1]] for place in range(parts)]
