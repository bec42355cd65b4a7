"""Which adapter stands behind which port.  The only module that builds them, each once."""

import json
from functools import cache
from typing import Any

import boto3

from chalicelib.adapters import products, telemetry
from chalicelib.adapters.due_lists import S3DueLists
from chalicelib.adapters.dynamodb import meter, tables
from chalicelib.adapters.dynamodb.borrowers import DynamoBorrowers
from chalicelib.adapters.dynamodb.controls import DynamoControls
from chalicelib.adapters.dynamodb.journal import DynamoJournal
from chalicelib.adapters.dynamodb.loans import DynamoLoans
from chalicelib.adapters.dynamodb.runs import DynamoRuns
from chalicelib.adapters.dynamodb.schedules import DynamoSchedules
from chalicelib.adapters.event_bus import SnsEventBus
from chalicelib.adapters.in_flight import InFlight
from chalicelib.adapters.object_store import S3ObjectStore
from chalicelib.adapters.payment_platform import Breaker, HttpPaymentPlatform
from chalicelib.adapters.queues import SqsQueue
from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.signed_http import SignedHttp
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.flows import deduction, deduction_round, due_list, sweep, watch
from chalicelib.flows.ports import Books
from chalicelib.settings import queue_name, settings

metered = meter.metered


@cache
def mornings() -> due_list.Desk:
    return due_list.Desk(
        books=books(),
        runs=runs(),
        due_lists=due_lists(),
        walks=queue("walks"),
        notices=queue("notices"),
        rules=settings().rules,
        shards=settings().agenda_shards,
    )


@cache
def rounds() -> deduction_round.Desk:
    return deduction_round.Desk(
        books=books(),
        runs=runs(),
        due_lists=due_lists(),
        walks=queue("walks"),
        deductions=queue("deductions"),
        shards=settings().agenda_shards,
    )


@cache
def deductions() -> deduction.Desk:
    _tables()
    meter.attach(tables.LoanRow, tables.JournalRow)
    return deduction.Desk(
        books=books(),
        platform=payment_platform(),
        deductions=queue("deductions"),
        asks=queue("asks"),
        controls=controls(),
        window=settings().window,
    )


@cache
def sweeps() -> sweep.Desk:
    return sweep.Desk(
        mornings=mornings(),
        rounds=rounds(),
        asks=queue("asks"),
        list_at=settings().list_at,
        round_at=settings().round_at,
    )


@cache
def watches() -> watch.Desk:
    return watch.Desk(
        runs=runs(),
        channel=settings().channel,
        list_at=settings().list_at,
        round_at=settings().round_at,
    )


# --- stores -----------------------------------------------------------------------------


@cache
def books() -> Books:
    _tables()
    return Books(
        loans=DynamoLoans(shards=settings().agenda_shards),
        schedules=DynamoSchedules(),
        journal=DynamoJournal(),
        products=products.read(),
    )


@cache
def runs() -> DynamoRuns:
    _tables()
    return DynamoRuns()


@cache
def borrowers() -> DynamoBorrowers:
    _tables()
    return DynamoBorrowers()


@cache
def controls() -> DynamoControls:
    _tables()
    return DynamoControls()


@cache
def object_store() -> S3ObjectStore:
    return S3ObjectStore(client=client("s3"), bucket=settings().exchange_bucket)


@cache
def due_lists() -> S3DueLists:
    return S3DueLists(store=object_store())


@cache
def _tables() -> None:
    tables.bind(settings().stage, region=settings().region)


# --- queues and platforms ---------------------------------------------------------------


@cache
def queue(name: str) -> SqsQueue[Any]:
    sqs = client("sqs")
    return SqsQueue(
        client=sqs,
        url=sqs.get_queue_url(QueueName=queue_name(name))["QueueUrl"],
        delay_seconds_max=settings().delay_seconds_max,
    )


@cache
def event_bus() -> SnsEventBus:
    return SnsEventBus(client=client("sns"), topic_arn=settings().events_topic_arn)


@cache
def in_flight() -> InFlight:
    return InFlight(settings().calls_in_flight)


@cache
def payment_platform() -> HttpPaymentPlatform:
    return HttpPaymentPlatform(
        http=_signed_http("payment-platform", settings().payment_url),
        bucket=TokenBucket(settings().payment_calls_per_second),
        notify_url=f"{settings().notify_url}/v1/notifications/payments",
        breaker=Breaker(),
    )


@cache
def payment_verifier() -> Verifier:
    return Verifier(_secret("payment-platform")["platform_public_keys"])


@cache
def sms_verifier() -> Verifier:
    return Verifier(_secret("sms-platform")["platform_public_keys"])


def _signed_http(platform: str, base_url: str) -> SignedHttp:
    secret = _secret(platform)
    return SignedHttp(
        base_url=base_url,
        signer=Signer(secret["key_id"], secret["private_key_pem"]),
        verifier=Verifier(secret["platform_public_keys"]),
        clock=wall_clock,
        on_bad_signature=lambda: telemetry.count("SignaturesRefused"),
    )


@cache
def _secret(platform: str) -> dict[str, Any]:
    found = client("secretsmanager").get_secret_value(
        SecretId=f"afterloan/{settings().stage}/{platform}"
    )
    secret: dict[str, Any] = json.loads(found["SecretString"])
    return secret


@cache
def client(service: str) -> Any:
    return boto3.client(service, region_name=settings().region)
