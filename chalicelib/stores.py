"""Which table stands behind which store.  Each is built once, and bound to this stage's tables."""

from collections.abc import Mapping
from functools import cache

from chalicelib.adapters import funders as funder_catalogue
from chalicelib.adapters import products
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.active_orders import DynamoActiveOrders
from chalicelib.adapters.dynamodb.borrowers import DynamoBorrowers
from chalicelib.adapters.dynamodb.controls import DynamoControls
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.adapters.dynamodb.loans import DynamoLoans
from chalicelib.adapters.dynamodb.notifications import DynamoInbox
from chalicelib.adapters.dynamodb.requests import DynamoRequests
from chalicelib.adapters.dynamodb.runs import DynamoRuns
from chalicelib.adapters.dynamodb.schedules import DynamoSchedules
from chalicelib.adapters.dynamodb.split_repairs import DynamoSplitRepairs
from chalicelib.adapters.dynamodb.throttles import DynamoThrottles
from chalicelib.domain.funder import Funder
from chalicelib.flows.ports import Books
from chalicelib.settings import settings


@cache
def bound() -> None:
    """Name the tables for this stage."""
    tables.bind(settings().stage, region=settings().region)


@cache
def books() -> Books:
    bound()
    return Books(
        loans=DynamoLoans(shards=settings().agenda_shards),
        schedules=DynamoSchedules(),
        journal=DynamoJournal(),
        products=products.read(),
        funders=funders(),
    )


@cache
def funders() -> Mapping[str, Funder]:
    return funder_catalogue.read()


@cache
def active_orders() -> DynamoActiveOrders:
    bound()
    return DynamoActiveOrders()


@cache
def split_repairs() -> DynamoSplitRepairs:
    bound()
    return DynamoSplitRepairs()


@cache
def requests() -> DynamoRequests:
    bound()
    return DynamoRequests()


@cache
def throttles() -> DynamoThrottles:
    bound()
    return DynamoThrottles()


@cache
def runs() -> DynamoRuns:
    bound()
    return DynamoRuns()


@cache
def borrowers() -> DynamoBorrowers:
    bound()
    return DynamoBorrowers()


@cache
def inbox() -> DynamoInbox:
    bound()
    return DynamoInbox()


@cache
def controls() -> DynamoControls:
    bound()
    return DynamoControls()
