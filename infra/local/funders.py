"""What the funders do on the driven day: their files come, with what is planted in them.

Each planted difference is one that the rules or the partner's next version resolve, so that the
day closes: what needs a person's decision is planted nowhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chalicelib import wiring, wiring_funders
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Mode
from chalicelib.settings import settings
from infra.local import controls
from infra.local.cloud import Cloud

SPOILT, CORRECTED = "F1", "F2"
"""Of the due files the one keeps its differences, the other is all wrong, then corrected."""

Mutation = Mapping[str, Any] | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Lent:
    """One funder, and how many loans it has with us."""

    funder: Funder
    loans: int

    @property
    def funder_id(self) -> str:
        return self.funder.funder_id


def lent(cloud: Cloud, *, deducts: bool) -> tuple[Lent, ...]:
    """List the funders that have a loan in the book: those that deduct, or those that do not."""
    found = (
        Lent(funder=funder, loans=len(books(cloud, funder_id)["loans"]))
        for funder_id, funder in sorted(wiring_funders.catalogue().items())
        if funder.deducts is deducts
    )
    return tuple(each for each in found if each.loans)


def books(cloud: Cloud, funder_id: str, as_of: date | None = None) -> Any:
    """Read a funder's own books."""
    day = f"&date={as_of}" if as_of else ""
    return controls.ask(cloud.funder_url, f"books?funder_id={funder_id}{day}")


def ledger(cloud: Cloud, funder_id: str) -> Any:
    """Read what a funder has deducted itself."""
    return controls.ask(cloud.funder_url, f"ledger?funder_id={funder_id}")


# --- joint lending ----------------------------------------------------------------------


def send_due_files(cloud: Cloud, business_date: date) -> bool:
    """Let every second lender send its due file, with what is planted in it."""
    joint = lent(cloud, deducts=False)
    for each in joint:
        planted = _in_due_file(each.funder, business_date)
        _send_due_file(cloud, business_date, each.funder_id, mutations=planted)
    return bool(joint)


def correct_due_file(cloud: Cloud, business_date: date) -> bool:
    """Let the one whose due file was all wrong send it again, before the first round."""
    joint = [each for each in lent(cloud, deducts=False) if each.funder_id == CORRECTED]
    for each in joint:
        _send_due_file(cloud, business_date, each.funder_id, version=2)
    return bool(joint)


def take_repayment_files(cloud: Cloud, business_date: date) -> bool:
    """Let every second lender read what it was repaid into its books."""
    joint = lent(cloud, deducts=False)
    for each in joint:
        wanted = {"funder_id": each.funder_id, "date": business_date}
        controls.tell(cloud.funder_url, "repayments", wanted)
    return bool(joint)


def confirm(cloud: Cloud, business_date: date) -> bool:
    """Let every second lender answer our reconciliation file; one disagrees without a cause."""
    answered = False
    for each in lent(cloud, deducts=False):
        planted = ["reject_row"] if each.funder_id == SPOILT else []
        answered |= _confirm(cloud, business_date, each.funder_id, mutations=planted)
    return answered


def correct_confirmation(cloud: Cloud, business_date: date) -> bool:
    """Let the one that disagreed think again."""
    joint = [each for each in lent(cloud, deducts=False) if each.funder_id == SPOILT]
    return any(_confirm(cloud, business_date, each.funder_id, version=2) for each in joint)


def _in_due_file(funder: Funder, business_date: date) -> Sequence[Mutation]:
    """Plant differences: all there is place for under the tolerance, or in every third line."""
    ours = _our_lines(funder.funder_id, business_date)
    if funder.funder_id == CORRECTED:
        every_third = list(ours)[::3]
        return [{"kind": "change_amount", "loan_id": loan_id} for loan_id in every_third]
    # What is planted elsewhere is at the front of the list.
    whole = [loan_id for loan_id, lines in reversed(list(ours.items())) if lines == 1]
    wanted: list[Mutation] = [
        {"kind": kind, "loan_id": loan_id}
        for kind, loan_id in zip(("change_amount", "missing_loan"), whole, strict=False)
    ]
    wanted.append("extra_loan")
    room = sum(ours.values()) * funder.tolerance_bps // 10_000
    return wanted[:room]


def _our_lines(funder_id: str, business_date: date) -> Mapping[str, int]:
    """Count what we expect of a funder's due file, by loan."""
    found: dict[str, int] = {}
    for shard in range(settings().agenda_shards):
        for due in wiring.due_lists().read(business_date=business_date, round_no=1, shard=shard):
            if due.mode == Mode.JOINT_LENDING and due.funder_id == funder_id:
                found[due.loan_id] = len(due.instalments)
    return dict(sorted(found.items()))


def _send_due_file(
    cloud: Cloud,
    business_date: date,
    funder_id: str,
    *,
    version: int = 1,
    mutations: Sequence[Mutation] = (),
) -> None:
    wanted = {
        "funder_id": funder_id,
        "date": business_date,
        "version": version,
        "mutations": list(mutations),
    }
    controls.tell(cloud.funder_url, "due-file", wanted)


def _confirm(
    cloud: Cloud,
    business_date: date,
    funder_id: str,
    *,
    version: int = 1,
    mutations: Sequence[Mutation] = (),
) -> bool:
    """Let a funder confirm; False if it was sent nothing to confirm."""
    folder = f"out/funders/{funder_id}/reconciliation/{business_date:%Y%m%d}/"
    if not any(wiring.object_store().keys(folder)):
        return False
    wanted = {
        "funder_id": funder_id,
        "date": business_date,
        "version": version,
        "mutations": list(mutations),
    }
    controls.tell(cloud.funder_url, "confirm", wanted)
    return True


# --- loan assistance --------------------------------------------------------------------


def deduct_round_1(cloud: Cloud, business_date: date) -> bool:
    """Let every funder that deducts do its first round; what it tells of two loans is wrong.

    One amount is a fen too high, and of another loan nothing is told.
    """
    assisted = lent(cloud, deducts=True)
    for each in assisted:
        # Nothing is written yet: what to spoil is picked from what was paid.
        _round(cloud, business_date, each.funder_id, round_no=1, mutations=["late"])
        paid = list(_paid_in_one_line(cloud, business_date, each.funder_id))
        planted = [
            {"kind": kind, "loan_id": loan_id}
            for kind, loan_id in zip(
                ("change_amount", "missing_loan"), reversed(paid), strict=False
            )
        ]
        _round(cloud, business_date, each.funder_id, round_no=1, mutations=planted)
    return bool(assisted)


def correct_results(cloud: Cloud, business_date: date) -> bool:
    """Let them tell of the first round as it was, as a second version."""
    assisted = lent(cloud, deducts=True)
    for each in assisted:
        _round(cloud, business_date, each.funder_id, round_no=1, version=2)
    return bool(assisted)


def deduct_round_2(cloud: Cloud, business_date: date) -> bool:
    """Let them try again what lacked funds in the morning."""
    assisted = lent(cloud, deducts=True)
    for each in assisted:
        _round(cloud, business_date, each.funder_id, round_no=2)
    return bool(assisted)


def _paid_in_one_line(cloud: Cloud, business_date: date, funder_id: str) -> Iterator[str]:
    for order in ledger(cloud, funder_id)["deductions"]:
        is_paid = order["status"] == "SUCCEEDED" and order["value_on"] == business_date.isoformat()
        if is_paid and order["round"] == 1 and len(order["lines"]) == 1:
            yield order["loan_id"]


def _round(
    cloud: Cloud,
    business_date: date,
    funder_id: str,
    *,
    round_no: int,
    version: int = 1,
    mutations: Sequence[Mutation] = (),
) -> None:
    """Let a funder deduct, and write a version of the results; one that is out stays as it is."""
    folder = f"in/funders/{funder_id}/results/{business_date:%Y%m%d}"
    if wiring.object_store().head(f"{folder}/results_r{round_no}_v{version}.csv"):
        return
    wanted = {
        "funder_id": funder_id,
        "date": business_date,
        "round": round_no,
        "version": version,
        "mutations": list(mutations),
    }
    controls.tell(cloud.funder_url, "round", wanted)
