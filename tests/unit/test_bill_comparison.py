"""The comparison's SQL is one text for two engines: both read it as the same query."""

import pytest
import sqlglot
from sqlglot import exp

from chalicelib.adapters import bill_athena
from chalicelib.adapters.bill_athena import InAthena
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.file_layouts import BILL
from tests.bill_days import ROW_BY_ROW, a_row, an_order, compared


class FakeAthena:
    """Keeps the queries, answers each with what it was given for it, and is the bucket as well."""

    def __init__(self, answers=(), states=()):
        self.answers = iter(answers)
        self.states = iter(states)
        self.asked: list[dict] = []
        self.uploaded: list[str] = []
        self.stopped = 0

    def start_query_execution(self, **asked):
        self.asked.append(asked)
        return {"QueryExecutionId": str(len(self.asked))}

    def get_query_execution(self, *, QueryExecutionId):  # noqa: N803  boto's own name
        state = next(self.states, "SUCCEEDED")
        return {"QueryExecution": {"Status": {"State": state}}}

    def stop_query_execution(self, *, QueryExecutionId):  # noqa: N803
        self.stopped += 1

    def get_paginator(self, _):
        return self

    def paginate(self, *, QueryExecutionId):  # noqa: N803
        """Give the next answer, its rows on a page each; the first page has the header."""
        kinds, rows = next(self.answers)
        pages = [[("name",) * len(kinds)], *([row] for row in rows)]
        for page in pages:
            yield {
                "ResultSet": {
                    "ResultSetMetadata": {"ColumnInfo": [{"Type": kind} for kind in kinds]},
                    "Rows": [
                        {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]}
                        for row in page
                    ],
                }
            }

    def upload_file(self, _path, _bucket, key):
        self.uploaded.append(key)


def in_athena(fake: FakeAthena, polls_max: int = 3) -> InAthena:
    return InAthena(
        form=CsvFormat(layout=BILL),
        memory_max="350MB",
        client=lambda _: fake,
        bucket="exchange",
        workgroup="work",
        database="base",
        pause=lambda: None,
        polls_max=polls_max,
    )


VARCHAR, BIGINT = "varchar", "bigint"
SIDE = [VARCHAR, VARCHAR, VARCHAR, BIGINT, BIGINT, BIGINT, VARCHAR, VARCHAR]
ORDER = [VARCHAR, VARCHAR, VARCHAR, BIGINT, BIGINT, VARCHAR, VARCHAR, VARCHAR]
ROWS, ORDERS = [a_row(1), a_row(2)], [an_order(1), an_order(3)]
NOTHING = (None,) * 8


def told(row) -> tuple[str, ...]:
    return (
        *(row.trade_no, row.order_no, row.agreement_no),
        *(str(part.fen) for part in (row.amount, row.funder_amount, row.platform_amount)),
        *(row.status, row.paid_at.isoformat()),
    )


def order_told(order) -> tuple[str, ...]:
    return (
        *(order.order_no, order.agreement_no, order.state.value),
        *(str(order.amount.fen), "0", order.trade_no, order.paid_at.isoformat(), ""),
    )


def answers():
    """Say what Athena would of a row that agrees, one of ours alone, and one of the bill's."""
    one, two = ROWS
    return [
        (
            [*SIDE, VARCHAR, BIGINT, BIGINT],
            [
                (*NOTHING, None, "1", str(one.amount.fen)),
                (*told(two), None, "1", str(two.amount.fen)),
                (*NOTHING, ORDERS[1].order_no, "0", None),
            ],
        ),
        (
            [VARCHAR, VARCHAR, BIGINT, BIGINT],
            [("SUCCEEDED", "", "2", str(sum(order.amount.fen for order in ORDERS)))],
        ),
        (ORDER, [order_told(ORDERS[1])]),
        ([VARCHAR], []),
        (SIDE, []),
        (ORDER, []),
    ]


class TestAthena:
    def test_is_read_as_what_it_says(self):
        fake = FakeAthena(answers())

        assert compared(in_athena(fake), ROWS, ORDERS) == compared(ROW_BY_ROW, ROWS, ORDERS)
        run = fake.uploaded[0].split("/")[2]
        assert fake.uploaded == [
            f"reconciling/bill_parts/{run}/bill.parquet",
            *(f"reconciling/order_parts/{run}/shard-{part}.parquet" for part in range(4)),
        ]

    def test_is_asked_for_the_same_with_the_same_token(self):
        """Who was killed and comes again joins the query that runs already."""
        one, other = FakeAthena(answers()), FakeAthena(answers())
        for fake in (one, other):
            compared(in_athena(fake), ROWS, ORDERS)

        assert one.asked == other.asked
        assert len({asked["ClientRequestToken"] for asked in one.asked}) == len(one.asked)

    def test_is_asked_anew_where_it_has_failed(self):
        fake = FakeAthena(answers(), states=["QUEUED", "FAILED", "RUNNING", "SUCCEEDED"])

        assert compared(in_athena(fake), ROWS, ORDERS) == compared(ROW_BY_ROW, ROWS, ORDERS)
        first, second, *_ = fake.asked
        assert first["QueryString"] == second["QueryString"]
        assert first["ClientRequestToken"] != second["ClientRequestToken"]

    def test_is_stopped_where_it_does_not_end(self):
        fake = FakeAthena(states=["RUNNING"] * 9)
        with pytest.raises(bill_athena.QueryFailedError, match="no answer in time"):
            compared(in_athena(fake), ROWS, ORDERS)

        assert fake.stopped == 1


def test_duckdb_and_athena_read_the_same_query():
    fake = FakeAthena(answers())
    compared(in_athena(fake), [*ROWS], ORDERS)
    queries = [asked["QueryString"] for asked in fake.asked]

    assert len(queries) >= 3
    for query in queries:
        here, there = (sqlglot.parse_one(query, read=read) for read in ("duckdb", "athena"))
        assert here == there
        assert here.sql("duckdb") == here.sql("trino")
        assert not list(here.find_all(exp.Anonymous)), "a function that not both have"
