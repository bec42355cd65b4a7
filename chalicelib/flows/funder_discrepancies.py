"""The discrepancies of a funder's day: each finder opens its own, and takes back no other's."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from chalicelib.domain import funder_results as results
from chalicelib.domain.funder_results import Finding
from chalicelib.domain.reconciliation import Discrepancy
from chalicelib.flows import discrepancy
from chalicelib.flows.discrepancy import Keeper

FOUND_IN = "found_in"
"""The fact that tells what a funder's own deductions show from what it confirms of ours."""


def write(
    findings: Iterable[Finding],
    *,
    funder_id: str,
    business_date: date,
    found_in: str,
    now: datetime,
    keeper: Keeper,
) -> None:
    """Write what is found, and resolve what the same finder found before and finds no more."""
    found = [
        results.discrepancy_of(
            each, business_date=business_date, funder_id=funder_id, found_in=found_in, at=now
        )
        for each in findings
    ]
    discrepancy.write(
        found={each.discrepancy_id: each for each in found},
        standing=[
            each
            for each in of_day(business_date=business_date, funder_id=funder_id, keeper=keeper)
            if each.facts[FOUND_IN] == found_in
        ],
        gone="the funder's files no longer show it",
        now=now,
        keeper=keeper,
    )


def of_day(*, business_date: date, funder_id: str, keeper: Keeper) -> Sequence[Discrepancy]:
    """Read a funder's discrepancies of a day, in whatever state.

    Those of the confirmation of what we deducted stand in the same channel, and are none of these.
    """
    standing = keeper.discrepancies.of_day(business_date, results.channel_of(funder_id))
    return [each for each in standing if FOUND_IN in each.facts]
