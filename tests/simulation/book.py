"""Small loan books for simulated days: each number is one book, on a date of its own.

Twenty loans of some fourteen borrowers: most are due, some overdue, some soon due, some of one
instalment only, so that they settle.  A book is made once and taken in through the loans file.
"""

from dataclasses import replace
from datetime import date, timedelta
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of

from infra.local.sample_book import SampleBook, SampleLoan

BOOKS = 48
LOANS = 20
DATES = (
    date(2026, 11, 24),
    date(2026, 12, 31),
    date(2027, 2, 28),
    date(2027, 3, 31),
    date(2028, 2, 29),
    date(2027, 10, 1),
    date(2026, 4, 30),
    date(2027, 1, 1),
)
DPD = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 8, 12, 31, -1, -3, -4, -20)
"""Days past due of the twenty loans; negative before the due date."""

CANARY = "金丝雀"
PHONE_FROM = 10_088_000_000
METHODS = ("equal_instalment", "equal_principal", "interest_first", "bullet")
PRODUCTS = ("consumer", "consumer_act", "cash_line")


SHARED = (
    *(("self_operated", ""),) * 4,
    *(("joint_lending", "F1"), ("joint_lending", "F1"), ("joint_lending", "F2")),
    *(("loan_assistance", "F3"),) * 3,
)
"""Whose the loans of a book with funders are, drawn one by one."""

SHARES_BPS = (7_000, 3_333, 9_001, 5_000, 10_000)


def make(number: int, *, loans: int = LOANS, funders: bool = False) -> SampleBook:
    """Make up one book; the same number always gives the same, with funders or without."""
    if funders:
        return with_funders(make(number, loans=loans), number)
    rng = Random(f"book {number}")
    business_date = DATES[number % len(DATES)]
    made: list[SampleLoan] = []
    borrower = 0
    while len(made) < loans:
        borrower += 1
        for _ in range(min(rng.choice((1, 1, 1, 2, 3)), loans - len(made))):
            made.append(
                _loan(
                    place=len(made) + 1,
                    borrower=borrower,
                    dpd=DPD[len(made) % len(DPD)],
                    day=business_date,
                    rng=rng,
                )
            )
    return SampleBook(
        business_date=business_date, loans=tuple(made), scripts={}, planted={}, fails_twice=()
    )


def with_funders(sample: SampleBook, number: int) -> SampleBook:
    """Have others lend beside us, or instead of us; all else about the loans stays."""
    rng = Random(f"funders of book {number}")
    made = []
    for loan in sample.loans:
        (mode, funder_id), share = rng.choice(SHARED), rng.choice(SHARES_BPS)
        is_joint = mode == "joint_lending"
        made.append(
            replace(
                loan,
                mode=mode,
                funder_id=funder_id,
                funder_share_bps=share if is_joint else 10_000 if funder_id else 0,
            )
        )
    return replace(sample, loans=tuple(made))


def more(number: int) -> SampleBook:
    """Make up what else arrives on a book's day: three loans of two new borrowers."""
    rng = Random(f"more of book {number}")
    day = DATES[number % len(DATES)]
    made = [
        _loan(place=90 + place, borrower=90 + place // 2, dpd=-20, day=day, rng=rng)
        for place in range(3)
    ]
    return SampleBook(business_date=day, loans=tuple(made), scripts={}, planted={}, fails_twice=())


def _loan(*, place: int, borrower: int, dpd: int, day: date, rng: Random) -> SampleLoan:
    method = rng.choice(METHODS)
    first_due_on = day - timedelta(days=dpd)
    product = rng.choice(PRODUCTS)
    return SampleLoan(
        loan_id=f"LN{place:02}",
        borrower_id=f"BR{borrower:02}",
        borrower_name=f"{CANARY}{borrower:02}",
        phone=str(PHONE_FROM + borrower),
        product=product,
        mode="self_operated",
        funder_id="",
        funder_share_bps=0,
        principal_fen=rng.randrange(500_00, 30_000_00),
        annual_rate=rng.choice(("0.06", "0.12", "0.18", "0.236")),
        method=method,
        terms=rng.choice((1, 1, 2, 3, 6, 12, 24)),
        disbursed_on=first_due_on - timedelta(days=rng.randrange(20, 40)),
        first_due_on=first_due_on,
        agreement_no=f"AG6222{place:02}",
        revolving="true" if product == "cash_line" else "false",
    )
