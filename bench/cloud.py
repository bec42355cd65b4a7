"""Tables on moto, in this process, empty and counted; and books that stand in them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto import mock_aws

from bench.ledger import Ledger
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.adapters.dynamodb.loans import DynamoLoans
from chalicelib.adapters.dynamodb.schedules import DynamoSchedules
from chalicelib.flows.ports import Books
from tests.builders import PRODUCT

TABLES = (
    tables.LoanRow,
    tables.ScheduleRow,
    tables.JournalRow,
    tables.RunRow,
    tables.QuoteRow,
    tables.ActiveOrderRow,
)


@contextmanager
def counted_tables() -> Iterator[Ledger]:
    """Make the tables and count every call to them."""
    os.environ.pop("AWS_ENDPOINT_URL", None)  # a local cloud that runs beside is left alone
    with mock_aws():
        tables.bind("bench", region="us-east-1")
        for table in TABLES:
            table.create_table()
        yield Ledger(TABLES)


def books(*, shards: int) -> Books:
    """Open the stores of the tables."""
    return Books(
        loans=DynamoLoans(shards=shards),
        schedules=DynamoSchedules(),
        journal=DynamoJournal(),
        products={PRODUCT.code: PRODUCT},
    )
