"""A crowded plan: more people come, and at worse moments, than on a usual day.

Visits at the very moments of rounds and sweeps, several to one loan; a platform that is away all
night and whose notifications are lost; a failure that is charged after all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import Any

from tests.simulation.plan import LIE, Fault, Plan, Visit

MOMENTS = (
    *(10 / 60, 10 / 60, 0.5, 7.999, 8.0, 8.0, 8.0, 8.001, 8.25, 8.5, 8.75, 12.25),
    *(15.999, 16.0, 16.0, 16.001, 16.25, 16.5, 16.75, 21.75, 23.5, 23.75),
)
"""When jobs fire: whoever comes at the same moment meets them step by step."""

AT_NIGHT = ("timeout_after_charge",), ("timeout_before_charge",), ("not_exist_after_accept",)
NOTIFICATIONS_LOST = 120
BILLS = ("shift_day", "shift_day", "drop_row", "duplicate_row", "change_amount", "wrong_digest")
RUSH = 0.5
"""How many of those who come all come at one moment."""

JUST_BEFORE_LIST = 10 / 60 - 2 / 3600
DUE = 10
"""So many loans of a book, the first ones, are due on its day."""

TWO_LINES = 15
"""The place in a book of the loan that owes two instalments: the older one may be paid alone."""

RELEASED_AT = 12.2
AFTER_BILL = 34.3
"""When the platform answers again, if the bill has come before."""

KEPT_OUT = ("processing_then_fail", "succeed")


def crowded(plan: Plan) -> Plan:
    """Let more people come, and more go wrong; a calm day stays calm."""
    rng = Random(f"crowd {plan.seed}")
    loans = len(plan.sample.loans)
    hot = [rng.randrange(loans), TWO_LINES if rng.random() < 0.4 else rng.randrange(loans)]
    visits = tuple(sorted((*plan.visits, *_visits(rng, hot, loans)), key=lambda visit: visit.at))
    faults = list(plan.faults)
    if plan.weather.name == "calm" and rng.random() < 0.4:
        faults.append(Fault(number=len(faults), kind="job_missing", about="make_due_list"))
    if rng.random() < 0.15:
        visit, outcome = _keeping_a_round_out(rng, plan)
        visits = tuple(sorted((*visits, visit), key=lambda each: each.at))
        faults.append(Fault(number=len(faults), **outcome))
    if plan.weather.name != "calm":
        agreements = [loan.agreement_no for loan in plan.sample.loans]
        for facts in _more_faults(rng, [agreements[place] for place in hot], agreements):
            faults.append(Fault(number=len(faults), **facts))
        if any(fault.until == AFTER_BILL for fault in faults):
            # A bill that is right need not come again: it stays with what it left open.
            faults = [fault for fault in faults if fault.kind != "bill"]
    if plan.funders and plan.weather.name != "calm":
        for facts in _between_funders_and_us(Random(f"crowd of funders {plan.seed}"), plan):
            faults.append(Fault(number=len(faults), **facts))
    return replace(plan, visits=visits, faults=tuple(faults))


def _between_funders_and_us(rng: Random, plan: Plan) -> Iterator[Mapping[str, Any]]:
    """Have funders reject what is right and tell what is wrong, and wishes be lost on the way."""
    if rng.random() < 0.4:
        yield {
            "kind": "confirmation",
            "about": rng.choice(("F1", "F2")),
            "more": (rng.choice(("reject_row", "change_amount", "extra_loan")), 0.0),
        }
    if rng.random() < 0.4:
        way = rng.choice(("change_amount", "wrong_status", "missing_line"))
        yield {"kind": "results", "about": rng.choice(("r1", "r2")), "more": (way, 19.0)}
    for loan in plan.sample.loans:
        if loan.mode == "loan_assistance" and rng.random() < 0.4:
            lost = ("timeout_before_charge",) * 3
            yield {"kind": "wish_outcome", "about": loan.agreement_no, "more": lost}


def _visits(rng: Random, hot: list[int], loans: int) -> Iterator[Visit]:
    rush = rng.choice(MOMENTS)
    if rng.random() < 0.3:
        at = rng.choice((10 / 60, 10 / 60, JUST_BEFORE_LIST))
        yield Visit(
            at=at,
            loan=TWO_LINES if at != JUST_BEFORE_LIST else rng.randrange(TWO_LINES),
            kind="overdue" if at != JUST_BEFORE_LIST else "instalment",
            recut="reduce_instalment",
            amount_share=0.0,
            tabs=1,
            taps=1,
        )
    if rng.random() < 0.25:
        yield from _neighbours(rng, hot[0], loans)
    for _ in range(rng.randrange(2, 7)):
        yield Visit(
            at=rush if rng.random() < RUSH else rng.choice(MOMENTS),
            loan=rng.choice(hot) if rng.random() < 0.7 else rng.randrange(loans),
            kind=rng.choice(("overdue", "instalment", "partial", "partial", "full")),
            recut=rng.choice(("reduce_instalment", "shorten_term")),
            amount_share=rng.random() * 0.8,
            tabs=rng.choice((1, 1, 2)),
            taps=rng.choice((1, 1, 2)),
        )


def _neighbours(rng: Random, loan: int, loans: int) -> Iterator[Visit]:
    """Two loans, often of one borrower, are paid while the text about the first goes out."""
    for place, at in enumerate((RELEASED_AT - 0.1, RELEASED_AT)):
        yield Visit(
            at=at,
            loan=(loan + place) % loans,
            kind=rng.choice(("instalment", "partial")),
            recut="reduce_instalment",
            amount_share=0.1,
            tabs=1,
            taps=1,
        )


def _keeping_a_round_out(rng: Random, plan: Plan) -> tuple[Visit, Mapping[str, Any]]:
    """A borrower's order is still at work when the round comes, and fails: the next may take it."""
    place = rng.randrange(DUE)
    visit = Visit(
        at=8.0 - 1 / 3600,
        loan=place,
        kind="instalment",
        recut="reduce_instalment",
        amount_share=0.0,
        tabs=1,
        taps=1,
    )
    agreement = plan.sample.loans[place].agreement_no
    return visit, {"kind": "outcome", "about": agreement, "more": KEPT_OUT}


def _more_faults(rng: Random, hot: list[str], agreements: list[str]) -> Iterator[Mapping[str, Any]]:
    if rng.random() < 0.2:
        yield {"kind": "outcome", "about": rng.choice(agreements), "more": (LIE,)}
    for agreement in hot:
        if rng.random() < 0.4:
            failing = ("insufficient_funds", "insufficient_funds", "succeed")
            yield {"kind": "outcome", "about": agreement, "more": failing}
    if rng.random() < 0.4:
        yield {"kind": "bill", "about": rng.choice(BILLS), "more": 0}
    if rng.random() < 0.35:
        begins = rng.choice((16.003, 16.003, 16.2))
        for agreement in (*hot, *rng.sample(agreements, 6)):
            yield {"kind": "outcome", "about": agreement, "more": rng.choice(AT_NIGHT)}
        for ordinal in range(1, NOTIFICATIONS_LOST):
            yield {"kind": "notification_lost", "at": float(ordinal)}
        ends = rng.choice((33.9, AFTER_BILL))
        yield {"kind": "platform_down", "at": begins, "until": ends}
