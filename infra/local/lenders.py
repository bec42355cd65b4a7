"""Who lends in the made-up book: we alone, two funders beside us, and one that deducts by itself.

Each has a book of its own, in a loans file of its own, with outcomes planted in it.
"""

from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded: chance comes from the caller

OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "agreement_terminated",
    "limit_exceeded",
    "bank_unavailable",
    "card_closed",
    "risk_rejected",
    "processing_then_succeed",
    "processing_then_fail",
    "timeout_after_charge",
    "timeout_before_charge",
    "wrong_amount",
    "bad_signature",
    "html_error",
    "not_exist_after_accept",
    "slow_ms:800",
)
"""Each is planted once; what follows an outcome in a script is its agreement's round 2."""

OUTCOMES_OF_JOINT_LOANS = (
    "succeed",
    "insufficient_funds",
    "split_fails_after_charge",
    "split_fails_twice",
    "split_repair_lost",
    "card_closed",
    "processing_then_succeed",
    "timeout_after_charge",
)
OUTCOMES_OF_ASSISTED_LOANS = (
    "succeed",
    "insufficient_funds",
    "agreement_terminated",
    "limit_exceeded",
    "processing_then_succeed",
    "timeout_after_charge",
    "not_exist_after_accept",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lender:
    """Whose loans a book is made of.

    `place` tells the numbers of its loans, borrowers and phones from everybody else's, 0 to 9;
    `per_hundred` is how many loans it has for a hundred of ours; a joint loan's share is one of
    `shares_bps`.
    """

    place: int
    mode: str
    funder_id: str = ""
    per_hundred: int = 100
    shares_bps: tuple[int, ...] = ()
    outcomes: tuple[str, ...] = OUTCOMES

    def share_bps(self, rng: Random) -> int:
        """Draw a share; where there is nothing to choose, nothing is drawn."""
        return rng.choice(self.shares_bps) if self.shares_bps else 0


OURS = Lender(place=0, mode="self_operated")
LENDERS = (
    OURS,
    Lender(
        place=1,
        mode="joint_lending",
        funder_id="F1",
        per_hundred=32,
        shares_bps=(7_000, 3_333, 9_001),
        outcomes=OUTCOMES_OF_JOINT_LOANS,
    ),
    Lender(
        place=2,
        mode="joint_lending",
        funder_id="F2",
        per_hundred=13,
        shares_bps=(5_000, 8_000, 10_000),
        outcomes=OUTCOMES_OF_JOINT_LOANS,
    ),
    Lender(
        place=3,
        mode="loan_assistance",
        funder_id="F3",
        per_hundred=32,
        shares_bps=(10_000,),
        outcomes=OUTCOMES_OF_ASSISTED_LOANS,
    ),
)
"""All whose loans the demo services; the three funders are in the catalogue and in the simulator."""
