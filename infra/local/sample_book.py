"""A made-up loan book, and how each of its agreements behaves at the simulated platform.

Nobody in it exists: phones begin with 10 (no such mobile numbers are given out), names come
masked.  The same arguments always give the same book.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from itertools import chain, islice, repeat
from random import Random  # noqa: TID251 - seeded: chance comes from the caller

from infra.local.lenders import LENDERS, OURS, Lender

ROUND_TWO_SUCCEEDS = ("insufficient_funds", "succeed")
BOTH_ROUNDS_FAIL = ("insufficient_funds", "insufficient_funds")

BUCKETS = ((1, 7), (8, 30), (31, 60), (61, 90), (91, 270), (271, 360), (361, 500))
"""Days past due, from and to; the first two loans of a bucket stand on its ends."""

FAR = 1_000_003
"""Seeds of two lenders' books lie so far apart."""

LOANS_OF_A_LENDER_MAX = 1_000_000

TODAY = (0, 0)
SOON = ((-1, -1), (-3, -3))
LATER = (-40, -4)
SHARES = {
    TODAY: 44,
    BUCKETS[0]: 8,
    BUCKETS[1]: 7,
    BUCKETS[2]: 3,
    BUCKETS[3]: 2,
    BUCKETS[4]: 3,
    BUCKETS[5]: 1,
    BUCKETS[6]: 1,
    SOON[0]: 5,
    SOON[1]: 5,
    LATER: 21,
}
"""Of 100 borrowers, how many have their loans' first due date in which span."""

LOANS_OF_BORROWERS = (2, 1, 1, 3, 1, 1)
"""Loans of one borrower after the other, over and over: a third have several."""

ODD_ONE_OUT = 10
"""Every tenth borrower with several loans has one that is due on another day."""

METHODS = ("equal_instalment", "equal_principal", "interest_first", "bullet")
PRODUCTS = ("consumer", "consumer_act", "cash_line")
REVOLVING = "cash_line"
TERMS = (3, 6, 9, 12, 18, 24, 36)
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹"
LAST_CHARACTERS = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚英华玉兰萍红鹏辉婷宁"


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleLoan:
    """One loan; the fields are the columns of the loans file, in order."""

    loan_id: str
    borrower_id: str
    borrower_name: str
    phone: str
    product: str
    mode: str
    funder_id: str
    funder_share_bps: int
    principal_fen: int
    annual_rate: str
    method: str
    terms: int
    disbursed_on: date
    first_due_on: date
    agreement_no: str
    revolving: str


COLUMNS = tuple(field.name for field in fields(SampleLoan))


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleBook:
    """The loans, the scripts of their agreements, and where each outcome was planted.

    An agreement without a script succeeds.  `planted` is by outcome; of its two loans that lack
    funds in round 1, `planted["insufficient_funds"]` pays in round 2 and `fails_twice` does not.
    Nothing of any loan was paid yet: an overdue loan's first due date is business_date - dpd.
    All its loans are of one lender.
    """

    business_date: date
    loans: tuple[SampleLoan, ...]
    scripts: Mapping[str, tuple[str, ...]]
    planted: Mapping[str, str]
    fails_twice: tuple[str, ...]
    lender: Lender = OURS

    def dpd(self, loan: SampleLoan) -> int:
        """Count the days past due; negative before the due date."""
        return (self.business_date - loan.first_due_on).days

    def due(self) -> tuple[SampleLoan, ...]:
        """List the loans that owe something on the business date."""
        return tuple(loan for loan in self.loans if self.dpd(loan) >= 0)


def make(*, loans: int, seed: int, business_date: date, lender: Lender = OURS) -> SampleBook:
    """Make up a book of so many loans of one lender.

    From 40 loans on it has every outcome, every bucket of days past due and every reminder; a
    smaller one has as many of them as fit, in that order.

    :raises ValueError: if there is not at least one loan.
    """
    if loans < 1:
        raise ValueError("a book has at least one loan")
    rng = Random(seed + lender.place * FAR)  # noqa: S311 - a sample, not a secret
    made = tuple(
        _loans(count=loans, seed=seed, business_date=business_date, rng=rng, lender=lender)
    )
    plan = _planted_scripts(lender.outcomes)
    scripts: dict[str, tuple[str, ...]] = {}
    planted: dict[str, str] = {}
    fails_twice: list[str] = []
    first_of_borrower = {loan.borrower_id: loan for loan in reversed(made)}
    for loan in made:
        dpd = (business_date - loan.first_due_on).days
        outcomes: tuple[str, ...] = ()
        if plan and dpd == 0 and first_of_borrower[loan.borrower_id] is loan:
            outcomes = plan.pop(0)
            planted.setdefault(outcomes[0], loan.loan_id)
        elif dpd >= 0:
            outcomes = _chance(dpd, rng)
        if outcomes == BOTH_ROUNDS_FAIL:
            fails_twice.append(loan.loan_id)
        if outcomes and outcomes != ("succeed",):
            scripts[loan.agreement_no] = outcomes
    return SampleBook(
        business_date=business_date,
        loans=made,
        scripts=scripts,
        planted=planted,
        fails_twice=tuple(fails_twice),
        lender=lender,
    )


def make_all(
    *, loans: int, seed: int, business_date: date, lenders: Sequence[Lender] = LENDERS
) -> tuple[SampleBook, ...]:
    """Make up a book of each lender, in proportion to so many loans of our own.

    >>> [len(book.loans) for book in make_all(loans=320, seed=7, business_date=date(2026, 11, 24))]
    [320, 103, 42, 103]
    """
    return tuple(
        make(
            loans=-(-loans * lender.per_hundred // 100),
            seed=seed,
            business_date=business_date,
            lender=lender,
        )
        for lender in lenders
    )


def loans_csv(book: SampleBook) -> bytes:
    """Render the loans file: header, UTF-8, comma, line feeds."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(loan, column) for column in COLUMNS] for loan in book.loans)
    return text.getvalue().encode()


def manifest(book: SampleBook) -> bytes:
    """Render the manifest of the loans file; the amount is the sum of the principals."""
    content = {
        "rows": len(book.loans),
        "amount_fen": sum(loan.principal_fen for loan in book.loans),
        "sha256": hashlib.sha256(loans_csv(book)).hexdigest(),
    }
    return json.dumps(content).encode()


def key(book: SampleBook, *, version: int = 0) -> str:
    """Name the loans file in the exchange bucket; its manifest has `.ok` behind it.

    Each lender's loans are in a version of their own.

    >>> key(make(loans=1, seed=7, business_date=date(2026, 11, 24)))
    'in/loans/20261124/loans_v1.csv'
    """
    named = version or book.lender.place + 1
    return f"in/loans/{book.business_date:%Y%m%d}/loans_v{named}.csv"


def _planted_scripts(outcomes: Sequence[str]) -> list[tuple[str, ...]]:
    scripts: list[tuple[str, ...]] = [
        ROUND_TWO_SUCCEEDS if outcome == "insufficient_funds" else (outcome,)
        for outcome in outcomes
    ]
    scripts.insert(2, BOTH_ROUNDS_FAIL)
    return scripts


def _chance(dpd: int, rng: Random) -> tuple[str, ...]:
    """Draw a script: the longer a loan is overdue, the emptier its card."""
    drawn = rng.random()
    fails_twice, recovers, never = (
        (0.03, 0.08, 0.01) if dpd == 0 else (0.25, 0.15, 0.03) if dpd <= 30 else (0.75, 0.05, 0.1)
    )
    if drawn < fails_twice:
        return BOTH_ROUNDS_FAIL
    if drawn < fails_twice + recovers:
        return ROUND_TWO_SUCCEEDS
    if drawn < fails_twice + recovers + never:
        return ("agreement_terminated",)
    return ()


def _loans(
    *, count: int, seed: int, business_date: date, rng: Random, lender: Lender
) -> Iterator[SampleLoan]:
    """Make borrower after borrower until there are loans enough."""
    phones = rng.sample(range(10**8), count)
    spans = _spans(count, rng, lender)
    first = lender.place * LOANS_OF_A_LENDER_MAX
    seen: dict[tuple[int, int], int] = {}
    made = several = 0
    for borrower, span in enumerate(spans):
        size = min(LOANS_OF_BORROWERS[borrower % len(LOANS_OF_BORROWERS)], count - made)
        if not size:
            return
        name = _masked_name(rng)
        place = seen.get(span, 0)
        seen[span] = place + 1
        dues = [_first_due_on(business_date, span, place, rng)] * size
        several += size > 1
        if size > 1 and several % ODD_ONE_OUT == 0:
            dues[-1] = _first_due_on(business_date, LATER, several, rng)
        for due in dues:
            made += 1
            yield _loan(
                number=f"{seed % 10_000:04}{first + made:07}",
                borrower_id=f"BR{seed % 10_000:04}{first + borrower + 1:07}",
                borrower_name=name,
                phone=f"10{lender.place}{phones[borrower]:08}",
                first_due_on=due,
                business_date=business_date,
                rng=rng,
                lender=lender,
            )


def _spans(count: int, rng: Random, lender: Lender) -> Iterator[tuple[int, int]]:
    """Say for one borrower after the other when the first instalment is due.

    What a book must have comes first; the rest is dealt like cards, a hundred at a time.
    """
    planted = repeat(TODAY, len(_planted_scripts(lender.outcomes)))
    first = chain(planted, BUCKETS, SOON, [LATER])
    yield from islice(first, count)
    while True:
        hundred = list(chain.from_iterable(repeat(span, share) for span, share in SHARES.items()))
        rng.shuffle(hundred)
        yield from hundred


def _first_due_on(business_date: date, span: tuple[int, int], place: int, rng: Random) -> date:
    """Pick a date in a span of days past due.

    Dates well to come take one day of the month after the other: every due day is there.
    """
    low, high = span
    if span == LATER:
        wanted = place * 7 % 31 + 1
        start = business_date + timedelta(days=4)
        return next(
            day for day in (start + timedelta(days=n) for n in range(93)) if day.day == wanted
        )
    dpd = (low, high)[place] if place < 2 else rng.randint(low, high)
    return business_date - timedelta(days=dpd)


def _loan(
    *,
    number: str,
    borrower_id: str,
    borrower_name: str,
    phone: str,
    first_due_on: date,
    business_date: date,
    rng: Random,
    lender: Lender,
) -> SampleLoan:
    product = rng.choice(PRODUCTS)
    method = rng.choice(METHODS)
    terms = rng.choice(TERMS)
    yuan = rng.randrange(5, 300) * 100 if product == REVOLVING else rng.randrange(30, 2_000) * 100
    is_due_soon = (first_due_on - business_date).days <= 3
    return SampleLoan(
        loan_id=f"LN{number}",
        borrower_id=borrower_id,
        borrower_name=borrower_name,
        phone=phone,
        product=product,
        mode=lender.mode,
        funder_id=lender.funder_id,
        funder_share_bps=lender.share_bps(rng),
        principal_fen=yuan * 100,
        annual_rate=f"0.{rng.randrange(720, 2_401, 10):04}",
        method=method,
        # a bullet loan pays at the end of its months alone: one month, if that is now
        terms=1 if method == "bullet" and is_due_soon else terms,
        disbursed_on=_disbursed_on(first_due_on, business_date, rng),
        first_due_on=first_due_on,
        agreement_no=f"AG{number}",
        revolving="true" if product == REVOLVING else "false",
    )


def _disbursed_on(first_due_on: date, business_date: date, rng: Random) -> date:
    """Go back a month, or some weeks for a broken first period; never past the business date."""
    month_before = first_due_on.replace(day=1) - timedelta(days=1)
    whole_month = month_before.replace(day=min(first_due_on.day, month_before.day))
    broken = first_due_on - timedelta(days=rng.randint(20, 50))
    picked = broken if rng.random() < 0.15 else whole_month
    return min(picked, business_date - timedelta(days=1))


def _masked_name(rng: Random) -> str:
    """Make a name nobody can read: 王*明, or 王* for one of two characters."""
    surname = rng.choice(SURNAMES)
    return f"{surname}*{rng.choice(LAST_CHARACTERS)}" if rng.random() < 0.75 else f"{surname}*"
