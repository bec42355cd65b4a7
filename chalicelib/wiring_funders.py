"""What days with funders are worked with; wiring.py gives what all others use as well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from chalicelib import stores
from chalicelib.adapters import funders
from chalicelib.adapters.file_dialects import Dialect
from chalicelib.adapters.funder_files import DueMatcher, S3FunderFiles, format_of
from chalicelib.domain.due_clearance import Clearance
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Mode
from chalicelib.flows import (
    funder_day,
    funder_due,
    funder_reconciliation,
    landing,
    reconciliation,
    repayment_file,
)
from chalicelib.flows.file_ports import Exchange
from chalicelib.flows.landing import Applied, Batch, Route
from chalicelib.flows.ports import DueLists, LandedMessage, Queue
from chalicelib.settings import settings

catalogue = stores.funders


@cache
def dialects() -> Mapping[str, Dialect]:
    return funders.read_dialects()


@dataclass(frozen=True, kw_only=True, slots=True)
class Funders:
    """Makes the desks, each of what it is given when it is first needed."""

    objects: Callable[[], Exchange]
    due_lists: Callable[[], DueLists]
    reconciling: Callable[[], reconciliation.Desk]
    files: Callable[[], landing.Desk]
    landed: Callable[[], Queue[LandedMessage]]

    def begin(self, *, business_date: date, now: datetime) -> None:
        """Let stand what the funders' files have come to; see `funder_due.begin`."""
        funder_due.begin(business_date=business_date, now=now, desk=self.due())

    def clear(self, *, business_date: date, now: datetime) -> Mapping[str, Clearance]:
        """Say what of the funders' dues may go out; see `funder_due.clear`."""
        return funder_due.clear(business_date=business_date, now=now, desk=self.due())

    def due(self) -> funder_due.Desk:
        return funder_due.Desk(
            runs=stores.runs(),
            due_lists=self.due_lists(),
            objects=self.objects(),
            writer=self._writer(),
            match=DueMatcher(funders=catalogue(), dialects=dialects()),
            funders=catalogue(),
        )

    def settling(self) -> funder_reconciliation.Desk:
        return funder_reconciliation.Desk(
            reconciling=self.reconciling(),
            objects=self.objects(),
            writer=self._writer(),
            channels=(settings().channel,),
        )

    def day(self) -> funder_day.Desk | None:
        """Make the desk of the whole day; None where no loan has a second lender."""
        if Mode.JOINT_LENDING not in settings().served_modes:
            return None
        return funder_day.Desk(
            runs=stores.runs(),
            funders=catalogue(),
            repaying=repayment_file.Desk(
                books=stores.books(),
                runs=stores.runs(),
                objects=self.objects(),
                writer=self._writer(),
                round_count=len(settings().round_at),
                cut_off=settings().repayments_by,
            ),
            settling=self.settling(),
            files=self.files(),
            landed=self.landed(),
        )

    def routes(self) -> tuple[Route[Any], ...]:
        """Give the routes of the files that come from each funder that lends with us.

        Of any other, files of these kinds are expected by nobody: they are quarantined.
        """
        return tuple(
            route
            for funder in catalogue().values()
            if funder.lends_jointly
            for route in (self._due_route(funder), self._confirmation_route(funder))
        )

    def _due_route(self, funder: Funder) -> Route[Any]:
        def apply(batch: Batch[Any], now: datetime) -> Applied:
            return funder_due.take(
                batch=batch, funder_id=funder.funder_id, now=now, desk=self.due()
            )

        return Route(
            kind="funder_due",
            folder=f"in/funders/{funder.funder_id}/due",
            stem="due",
            format=format_of(funder, "due", dialects()),
            apply=apply,
        )

    def _confirmation_route(self, funder: Funder) -> Route[Any]:
        def apply(batch: Batch[Any], now: datetime) -> Applied:
            return funder_reconciliation.take(
                batch=batch,
                funder_id=funder.funder_id,
                now=now,
                desk=self.settling(),
                files=self.files(),
            )

        return Route(
            kind="funder_confirmation",
            folder=f"in/funders/{funder.funder_id}/confirmations",
            stem="confirmation",
            format=format_of(funder, "confirmation", dialects()),
            apply=apply,
        )

    def _writer(self) -> S3FunderFiles:
        return S3FunderFiles(store=self.objects(), funders=catalogue(), dialects=dialects())
