"""Small days that are brought to a certain moment: whose loans, which outcomes, who is held back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from infra.local.sample_book import SampleBook, SampleLoan
from tests.simulation.book import CANARY, PHONE_FROM
from tests.simulation.catalogue import Book, Catalogue
from tests.simulation.clock import clock_time
from tests.simulation.day import Day
from tests.simulation.gateway import Answered, Phone
from tests.simulation.notifications import Notifications
from tests.simulation.plan import CALM, Fault, Plan
from tests.simulation.tasks import Crash
from tests.simulation.tokens import token_of
from tests.simulation.world import World

BUSINESS_DATE = date(2026, 11, 24)
JOURNAL_STREAM, NOTIFICATIONS = "the journal's stream", "notifications"
EVERYTHING = frozenset(
    (
        *("walks", "deductions", "asks", "repayments", "payment-notifications"),
        *("notices", "texts", "receipts", "files", JOURNAL_STREAM, NOTIFICATIONS),
    )
)


def a_loan(place: int = 1, *, borrower: int = 1, dpd: int = 0, terms: int = 3, **more: Any):
    """Make up a loan by its place in the book; it fell due so many days ago."""
    first_due_on = BUSINESS_DATE - timedelta(days=dpd)
    facts = {
        "loan_id": f"LN{place:02}",
        "borrower_id": f"BR{borrower:02}",
        "borrower_name": f"{CANARY}{borrower:02}",
        "phone": str(PHONE_FROM + borrower),
        "product": "consumer",
        "mode": "self_operated",
        "funder_id": "",
        "funder_share_bps": 0,
        "principal_fen": 900_000 + place,
        "annual_rate": "0.12",
        "method": "equal_instalment",
        "terms": terms,
        "disbursed_on": first_due_on - timedelta(days=30),
        "first_due_on": first_due_on,
        "agreement_no": f"AG6222{place:02}",
        "revolving": "false",
    }
    return SampleLoan(**(facts | more))


def a_book(*loans: SampleLoan) -> SampleBook:
    return SampleBook(
        business_date=BUSINESS_DATE,
        loans=loans or (a_loan(),),
        scripts={},
        planted={},
        fails_twice=(),
    )


def a_plan(
    sample: SampleBook,
    *,
    outcomes: Mapping[str, Sequence[str]] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
    faults: Sequence[Fault] = (),
    visits: Sequence[Any] = (),
    seed: int = 1,
) -> Plan:
    """Plan a day on which nothing is drawn: `outcomes` by loan, `texts` by borrower."""
    loans = {loan.loan_id: loan for loan in sample.loans}
    phones = {loan.borrower_id: loan.phone for loan in sample.loans}
    said = [("outcome", loans[name].agreement_no, tuple(all_)) for name, all_ in (outcomes or {}).items()]
    said += [("text", phones[name], tuple(all_)) for name, all_ in (texts or {}).items()]
    scripted = [
        Fault(number=place, kind=kind, about=about, more=more)
        for place, (kind, about, more) in enumerate(said)
    ]
    numbered = [
        replace(fault, number=len(scripted) + place) for place, fault in enumerate(faults)
    ]
    return Plan(
        seed=seed,
        book=0,
        weather=CALM,
        faults=(*scripted, *numbered),
        visits=tuple(visits),
        sample=sample,
    )


class Shelf:
    """The one book of a plan, taken in when it is first wanted: a catalogue for days of our own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._taken: dict[SampleBook, Book] = {}
        self.wanted: SampleBook = a_book()

    def put(self, _number: int) -> Book: ...


__all__ = ["Answered", "Callable", "Catalogue", "Crash", "Day", "Notifications", "Phone", "clock_time", "token_of"]
