"""What else is drawn for a day with funders: their files, their deductions, splits that fail.

Drawn from streams of their own, so that the rest of the seed's day stays what it is without them.
"""

from collections.abc import Iterator, Mapping
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import TYPE_CHECKING, Any

from infra.local.sample_book import SampleBook

if TYPE_CHECKING:
    from tests.simulation.plan import Weather

SPLITS = ("split_fails_after_charge", "split_fails_twice", "split_repair_lost")
OF_ANY_FILE = ("wrong_digest", "wrong_rows", "wrong_sum", "no_manifest", "truncated", "late")
OF_ANY_TIME = ("twice", "manifest_first")
DUE_FILES = (
    *OF_ANY_FILE,
    *OF_ANY_TIME,
    *("change_amount", "change_penalty", "swapped_split", "wrong_total", "missing_line"),
    *("missing_loan", "duplicate_line", "extra_loan", "formula_cell", "bad_cell", "utf8"),
)
RESULTS = (
    *OF_ANY_FILE,
    *OF_ANY_TIME,
    *("change_amount", "wrong_status", "missing_line", "missing_loan", "duplicate_line"),
    *("extra_loan", "formula_cell", "bad_cell"),
)
CONFIRMATIONS = (
    *OF_ANY_FILE,
    *OF_ANY_TIME,
    *("reject_row", "change_amount", "missing_line", "duplicate_line", "extra_loan"),
    *("formula_cell", "bad_cell"),
)
CORRECTED_AT = {
    "due_file": (7.5, 7.999, 8.001, 9.0, 0.0),
    "results": (12.0, 19.0, 33.0, 0.0),
    "confirmation": (35.8, 0.0),
}
"""When a corrected version comes by itself; 0 is when somebody has asked for it, the next day."""

OF_ANY_PLATFORM = (
    ("insufficient_funds",),
    ("insufficient_funds", "insufficient_funds"),
    ("timeout_after_charge",),
    ("timeout_before_charge",),
    ("timeout_before_charge", "timeout_after_charge"),
    ("processing_then_succeed",),
    ("processing_then_fail", "succeed"),
    ("not_exist_after_accept",),
    ("bad_signature",),
    ("html_error", "html_error", "succeed"),
)
"""What deductions meet wherever they are made."""

OUTCOMES = (*OF_ANY_PLATFORM, ("limit_exceeded",), ("card_closed",))
"""What deductions of assisted loans meet: the funder's own, and those we forward."""

WISHES, NEXT_ROUND = 0.5, 0.5
CORRECTED_LAST_AT = 33.0


def faults(seed: int, sample: SampleBook, weather: "Weather") -> Iterator[Mapping[str, Any]]:
    """Draw what goes wrong between the funders and us."""
    yield from _outcomes(Random(f"funder outcomes {seed}"), sample, weather)
    rng = Random(f"funder files {seed}")
    joint = sorted({loan.funder_id for loan in sample.loans if loan.mode == "joint_lending"})
    for funder_id in joint:
        yield from _file(rng, "due_file", funder_id, DUE_FILES, weather.bill)
        yield from _file(rng, "confirmation", funder_id, CONFIRMATIONS, weather.bill)
    for about in ("r1", "r2"):
        yield from _file(rng, "results", about, RESULTS, weather.bill)
    if rng.random() < weather.window:
        begins = rng.choice((0.0, 7.99, 8.0, 12.0, 15.99, 22.4, 24.5, 34.0))
        yield {"kind": "funder_down", "at": begins, "until": begins + rng.choice((0.1, 0.6, 3.0))}
    if rng.random() < NEXT_ROUND:
        yield {"kind": "next_round"}


def visits(seed: int, sample: SampleBook, repaying: float) -> Iterator[Mapping[str, Any]]:
    """Draw borrowers of shared loans who pay early."""
    rng = Random(f"funder visits {seed}")
    shared = [place for place, loan in enumerate(sample.loans) if loan.funder_id]
    if rng.random() >= repaying * WISHES * 2 or not shared:
        return
    for _ in range(rng.randrange(1, 4)):
        yield {
            "at": rng.choice((0.2, 6.0, 8.0, 9.4, 9.51, 12.0, 16.001, 17.99, 18.01, 22.5, 23.2))
            + rng.random() * 0.01,
            "loan": rng.choice(shared),
            "kind": rng.choice(("overdue", "instalment", "partial", "partial", "full")),
            "recut": rng.choice(("reduce_instalment", "shorten_term")),
            "amount_share": rng.random(),
            "tabs": rng.choice((1, 1, 2)),
            "taps": rng.choice((1, 1, 2)),
        }


def _outcomes(rng: Random, sample: SampleBook, weather: "Weather") -> Iterator[Mapping[str, Any]]:
    for loan in sample.loans:
        if loan.mode == "joint_lending" and rng.random() < weather.outcome / 2:
            yield {"kind": "outcome", "about": loan.agreement_no, "more": (rng.choice(SPLITS),)}
        if loan.mode == "loan_assistance":
            for kind in ("funder_outcome", "wish_outcome"):
                if rng.random() < weather.outcome:
                    yield {"kind": kind, "about": loan.agreement_no, "more": rng.choice(OUTCOMES)}


def _file(
    rng: Random, kind: str, about: str, ways: tuple[str, ...], chance: float
) -> Iterator[Mapping[str, Any]]:
    if rng.random() < chance:
        corrected_at, way = rng.choice(CORRECTED_AT[kind]), rng.choice(ways)
        if way == "wrong_status":  # nobody would ask: the funder finds out by itself
            corrected_at = corrected_at or CORRECTED_LAST_AT
        yield {"kind": kind, "about": about, "more": (way, corrected_at)}
