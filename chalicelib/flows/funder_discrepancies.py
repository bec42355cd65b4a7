"""The discrepancies of a funder's day: each finder opens its own, and takes back no other's."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

from chalicelib.domain import funder_results as results
from chalicelib.domain.discrepancy import Discrepancy
from chalicelib.domain.funder_results import Finding
from chalicelib.flows import discrepancy
from chalicelib.flows.discrepancy import FOUND_IN, Keeper

AND = "+"


def write(
    findings: Iterable[Finding],
    *,
    funder_id: str,
    business_date: date,
    found_in: str,
    now: datetime,
    keeper: Keeper,
) -> None:
    """Write what is found, and resolve what the same finder found before and finds no more.

    What two finders have found stands until neither does.
    """
    standing = {
        each.discrepancy_id: each
        for each in of_day(business_date=business_date, funder_id=funder_id, keeper=keeper)
    }
    found = {}
    for finding in findings:
        each = results.discrepancy_of(
            finding, business_date=business_date, funder_id=funder_id, found_in=found_in, at=now
        )
        others = _others(standing.get(each.discrepancy_id), found_in)
        found[each.discrepancy_id] = _found_in(each, {*others, found_in})
    mine = []
    for discrepancy_id, each in standing.items():
        others = _others(each, found_in)
        if discrepancy_id in found or not others:
            mine.append(each)
        elif found_in in _finders(each):
            keeper.discrepancies.put(_found_in(each, others))
    discrepancy.write(
        found=found,
        standing=mine,
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


def _finders(each: Discrepancy) -> frozenset[str]:
    return frozenset(str(each.facts[FOUND_IN]).split(AND))


def _others(each: Discrepancy | None, found_in: str) -> frozenset[str]:
    """Name who else finds what is open by now."""
    return _finders(each) - {found_in} if each and not each.is_resolved else frozenset()


def _found_in(each: Discrepancy, finders: Iterable[str]) -> Discrepancy:
    return replace(each, facts={**each.facts, FOUND_IN: AND.join(sorted(finders))})
