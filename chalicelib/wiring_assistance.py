"""What funders' days are worked with: the desks of wiring.py, with what funders add to them.

A kind of day for itself is switched on with its mode: while it is not served, its files are
expected by nobody and its funders are watched by nobody.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

from chalicelib import wiring, wiring_funders, wiring_operations
from chalicelib.adapters.dynamodb.discrepancies import DynamoDiscrepancies
from chalicelib.adapters.funder_files import format_of
from chalicelib.adapters.payment_platform import Breaker, HttpPaymentPlatform
from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.domain.deduction import Outcome
from chalicelib.domain.funder import Funder, TextsBy
from chalicelib.domain.loan import Mode
from chalicelib.flows import (
    assisted_day,
    day_close,
    deduction,
    discrepancy_life,
    forwarding,
    funder_results,
    landing,
    notices,
    payment_notification,
    posting,
    sweep,
)
from chalicelib.flows.ports import PaymentPlatform
from chalicelib.settings import settings

DEDUCTIONS_PATH = "/v1/deductions"


catalogue = wiring_funders.catalogue
dialects = wiring_funders.dialects


# --- the desks ----------------------------------------------------------------------------


@cache
def files() -> landing.Desk:
    ours = wiring.files()
    return replace(ours, routes=(*ours.routes, *results_routes()))


@cache
def deductions() -> deduction.Desk:
    return replace(wiring.deductions(), forwards=forwarding.to_funders(funder_platform))


@cache
def notifications() -> payment_notification.Desk:
    return replace(wiring.notifications(), deducting=deductions())


@cache
def texts() -> notices.Desk:
    ours = wiring.texts()
    silent = frozenset(
        each.funder_id for each in catalogue().values() if each.texts_by is TextsBy.FUNDER
    )
    return replace(ours, policy=replace(ours.policy, silent_for=silent))


@cache
def sweeps() -> sweep.Desk:
    return replace(
        wiring.sweeps(),
        others=(
            partial(assisted_day.sweep, desk=assisted_days()),
            partial(discrepancy_life.go_on, desk=wiring_operations.carrying_out()),
        ),
    )


@cache
def closings() -> day_close.Desk:
    days = assisted_day.FunderDays(desk=assisted_days())
    return replace(wiring.closings(), files=files(), others=(days,))


# --- loan assistance ----------------------------------------------------------------------


@cache
def assisted() -> Mapping[str, Funder]:
    """Read the funders that deduct by themselves; none while that mode is not served."""
    if Mode.LOAN_ASSISTANCE not in settings().served_modes:
        return {}
    return {name: each for name, each in catalogue().items() if each.deducts}


def results_routes() -> tuple[landing.Route[object], ...]:
    """Say how each funder's results land."""
    return tuple(_results_route(each) for each in assisted().values())


def _results_route(funder: Funder) -> landing.Route[object]:
    return landing.Route(
        kind="results",
        folder=funder_results.folder_of(funder.funder_id),
        stem="results",
        by_round=True,
        format=format_of(funder, "results", dialects()),
        apply=lambda batch, now: funder_results.take(
            batch=batch,
            funder_id=funder.funder_id,
            now=now,
            desk=results(),
            files=files(),
        ),
        # What one call applies within its time, ten loans at once; the next delivery goes on.
        bytes_max=5 * landing.MEBIBYTE,
    )


@cache
def results() -> funder_results.Desk:
    books = wiring.books()
    return funder_results.Desk(
        books=books,
        runs=wiring.runs(),
        discrepancies=DynamoDiscrepancies(),
        hold=partial(posting.hold, books=books),
        lift=partial(posting.lift, books=books),
        calls=wiring.in_flight(),
        funders=assisted(),
    )


@cache
def assisted_days() -> assisted_day.Desk:
    return assisted_day.Desk(
        results=results(),
        files=files(),
        due_lists=wiring.due_lists(),
        active_orders=wiring.active_orders(),
        close_unknown=_close_unknown,
        landed=wiring.queue("files"),
    )


def _close_unknown(*, order_no: str, now: object) -> Outcome:
    return wiring.counted(deduction.close_unknown, order_no=order_no, now=now, desk=deductions())


@cache
def funder_platform(funder_id: str) -> PaymentPlatform | None:
    """Reach a funder's deduction interface: our platform's language, its own address and keys.

    It does not notify us: what its answer leaves open is asked after, or told by its results.
    Where it is may differ from stage to stage.
    """
    funder = assisted().get(funder_id)
    if funder is None:
        return None
    url = settings().funder_urls.get(funder_id, funder.deductions_url)
    return HttpPaymentPlatform(
        http=wiring.signed_http(f"funder-{funder_id}", url.removesuffix(DEDUCTIONS_PATH)),
        bucket=TokenBucket(settings().payment_calls_per_second),
        notify_url="",
        breaker=Breaker(),
        keeps_books=True,
    )
