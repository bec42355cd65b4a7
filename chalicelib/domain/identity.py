"""Who calls, as a verified token says it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """One caller: for a borrower, `subject` is the borrower's id and the role is `borrower`."""

    subject: str
    roles: frozenset[str]
