"""A small book for the borrower's pages: one borrower for each thing that may happen to him."""

from datetime import date, datetime, timedelta

DAY = date(2026, 11, 24)
SOON = DAY + timedelta(days=16)
OVERDUE = DAY - timedelta(days=40)

WHO = {
    "settles": (SOON, ()),
    "reduces": (SOON, ()),
    "shortens": (SOON, ()),
    "due": (DAY, ()),
    "conflict": (DAY, ("processing_then_succeed",)),
    "poor": (SOON, ("insufficient_funds",)),
    "silent": (SOON, ("timeout_after_charge",)),
    "late": (SOON, ("processing_then_succeed",)),
    "expires": (SOON, ()),
    "stranger": (SOON, ()),
    "taps": (SOON, ()),
    "back": (SOON, ()),
    "plain": (SOON, ()),
    "keys": (SOON, ()),
    "several": (OVERDUE, ()),
}
"""Who there is: the first due date of his loan, and what the platform does with it."""


def loan_id_of(who: str, number: int = 1) -> str:
    return f"LN-{who}-{number}"


def book():
    """Make the loans: 12,000 yuan at 18 % in 12 instalments, two of them of `several`."""
    from infra.local.sample_book import SampleBook, SampleLoan

    loans = [
        SampleLoan(
            loan_id=loan_id_of(who, number),
            borrower_id=f"BR-{who}",
            borrower_name="王小明",
            phone=f"1000000{place:04}",
            product="consumer",
            mode="self_operated",
            funder_id="",
            funder_share_bps=0,
            principal_fen=12_000_00,
            annual_rate="0.18",
            method="equal_instalment",
            terms=12,
            disbursed_on=_month_before(first_due_on),
            first_due_on=first_due_on,
            agreement_no=f"AG-{who}-{number}-6217",
            revolving="false",
        )
        for place, (who, (first_due_on, _)) in enumerate(WHO.items())
        for number in ((1, 2) if who == "several" else (1,))
    ]
    scripts = {f"AG-{who}-1-6217": outcomes for who, (_, outcomes) in WHO.items() if outcomes}
    return SampleBook(
        business_date=DAY, loans=tuple(loans), scripts=scripts, planted={}, fails_twice=()
    )


def land(cloud) -> None:
    """Land the book in the morning of the day."""
    from chalicelib import wiring
    from chalicelib.adapters.wall_clock import SHANGHAI
    from infra.local import business_day, controls, sample_book

    made = book()
    business_day.set_clock(cloud, datetime(2026, 11, 24, 9, tzinfo=SHANGHAI))
    scripts = [{"agreement_no": no, "outcomes": does} for no, does in made.scripts.items()]
    controls.tell(cloud.payment_url, "scripts", {"scripts": scripts})
    store = wiring.object_store()
    store.write(sample_book.key(made), sample_book.loans_csv(made))
    store.write(sample_book.key(made) + ".ok", sample_book.manifest(made))
    business_day.wait_until_quiet(cloud)


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=day.day)
