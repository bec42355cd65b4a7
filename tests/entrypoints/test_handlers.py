"""The Lambdas as AWS calls them, over moto's stores: batches, poison, logs."""

import json
from io import StringIO

import boto3
import pytest
from moto import mock_aws

from chalicelib import wiring
from chalicelib.adapters.dynamodb import tables
from chalicelib.adapters.queues import encoded
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.flows.ports import DeductionMessage, ServicingEvent
from tests.builders import TODAY, at
from tests.lambdas import client, failures, forget, log_to, sqs_event

CANARY = "6222020200112233445"


@pytest.fixture(autouse=True)
def world():
    with mock_aws():
        forget()
        tables.bind("test", region="us-east-1")
        for table in tables.TABLES:
            table.create_table()
        sqs = boto3.client("sqs", region_name="us-east-1")
        for name in ("walks", "deductions", "asks", "notices", "receipts", "payment-notifications"):
            sqs.create_queue(QueueName=f"afterloan-test-{name}")
        yield
    forget()


class TestABatch:
    def test_fails_only_the_records_that_failed(self):
        good = encoded(
            ServicingEvent(
                event="due_soon",
                loan_id="LN1",
                borrower_id="B1",
                mode="self_operated",
                business_date=TODAY,
                occurred_at=wall_clock(),
                amount_fen=100,
                due_on=TODAY,
            )
        )
        with client() as lambdas:
            payload = lambdas.lambda_.invoke(
                "collect_notice", sqs_event(good, "{}", good, "not json")
            ).payload

        assert failures(payload) == ["m1", "m3"]

    def test_of_orders_of_loans_nobody_knows_goes_to_the_dead_letters(self):
        message = encoded(DeductionMessage(order_no="20261124-1-LN404", listed_fen=1))
        with client() as lambdas:
            payload = lambdas.lambda_.invoke("deduct", sqs_event(message)).payload

        assert failures(payload) == ["m0"]

    def test_ignores_keys_a_newer_version_may_add(self):
        body = json.loads(encoded(DeductionMessage(order_no="20261124-1-LN404", listed_fen=1)))
        assert "listed_fen" in body
        with client() as lambdas:
            payload = lambdas.lambda_.invoke(
                "walk_shard",
                sqs_event(
                    json.dumps(
                        {"job": "round_1", "business_date": "2026-11-24", "shard": 0, "new": 1}
                    )
                ),
            ).payload
        assert failures(payload) == ["m0"], "understood, and refused for want of a list"

    def test_that_fails_says_what_kind_of_failure_and_nothing_of_what_it_carried(self, monkeypatch):
        logged = StringIO()
        log_to(logged, monkeypatch)
        with client() as lambdas:
            lambdas.lambda_.invoke("deduct", sqs_event(f'{{"order_no": "{CANARY}"}}'))

        assert "ValidationError" in logged.getvalue()
        assert CANARY not in logged.getvalue()


class TestTheSchedule:
    def test_takes_the_business_date_from_the_event_in_shanghai(self):
        for time, expected in (
            ("2026-11-23T15:59:59Z", "2026-11-23"),
            ("2026-11-23T16:10:00Z", "2026-11-24"),
        ):
            event = {
                "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
                "account": "1", "time": time, "region": "", "resources": [], "detail": {},
            }  # fmt: skip
            with client() as lambdas:
                lambdas.lambda_.invoke("make_due_list", event)
            run = wiring.runs().of_day(at(0, day=TODAY).date().fromisoformat(expected))
            assert [found.job for found in run] == ["due_list"]


def test_a_test_event_of_the_bucket_is_no_file():
    with client() as lambdas:
        payload = lambdas.lambda_.invoke(
            "file_landed", sqs_event(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"}))
        ).payload

    assert failures(payload) == []


def test_health():
    with client() as lambdas:
        assert lambdas.http.get("/v1/health").json_body == {"status": "ok", "stage": "test"}
