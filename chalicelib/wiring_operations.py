"""What people who look after the days work with: discrepancies, reopened days, what they did.

The API has no key to the payment platform: refunds and reversals approved there are made by the sweep.
"""

from dataclasses import replace
from functools import cache, partial

from chalicelib import stores, wiring
from chalicelib.adapters.dynamodb.audit import DynamoAuditTrail
from chalicelib.adapters.dynamodb.discrepancies import DynamoDiscrepancies
from chalicelib.flows import day_reopen, discrepancy_life, posting
from chalicelib.settings import settings


@cache
def trail() -> DynamoAuditTrail:
    stores.bound()
    return DynamoAuditTrail()


@cache
def discrepancies() -> discrepancy_life.Desk:
    """Work without the key to the payment platform."""
    books = wiring.books()
    return discrepancy_life.Desk(
        discrepancies=DynamoDiscrepancies(),
        books=books,
        trail=trail(),
        lift=partial(posting.lift, books=books),
        hold=partial(posting.hold, books=books),
    )


@cache
def carrying_out() -> discrepancy_life.Desk:
    """Work with it: whatever is approved can be done."""
    return replace(discrepancies(), platform=wiring.payment_platform())


@cache
def reopenings() -> day_reopen.Desk:
    return day_reopen.Desk(
        runs=wiring.runs(),
        trail=trail(),
        files=wiring.files(),
        landed=wiring.queue("files"),
        bill_folders=(f"in/payment/{settings().channel}/bill",),
    )
