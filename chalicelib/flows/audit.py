"""Write down what people do, before it is done, and what they are refused."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain import audit_trail
from chalicelib.flows.discrepancy_ports import AuditTrail

TRIES_MAX = 20
DONE = "done"
REFUSED = "refused"


class CrowdedTrailError(Exception):
    """Others kept writing about the same subject: try again."""


def note(
    *,
    subject: str,
    at: datetime,
    by: str,
    verb: str,
    trail: AuditTrail,
    outcome: str = DONE,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to a subject's chain.  What is done twice is written twice.

    :raises CrowdedTrailError: if others kept coming first.
    """
    for _ in range(TRIES_MAX):
        entry = audit_trail.following(
            trail.last(subject),
            subject=subject,
            at=at,
            by=by,
            verb=verb,
            outcome=outcome,
            facts=facts or {},
        )
        if trail.add(entry):
            return
    raise CrowdedTrailError(subject)


def verify(*, subject: str, trail: AuditTrail) -> int | None:
    """Name the first entry of a subject that somebody has tampered with; None if all hold."""
    return audit_trail.broken_at(trail.of_subject(subject))
