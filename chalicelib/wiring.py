"""Which adapter stands behind which port, each built once; the tables' own are in stores.py."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from typing import Any

import boto3

from chalicelib import stores, wiring_bills, wiring_funders
from chalicelib.adapters import accounts, file_layouts, telemetry
from chalicelib.adapters.access_tokens import AccessTokens
from chalicelib.adapters.day_reports import S3DayReports
from chalicelib.adapters.due_lists import S3DueLists
from chalicelib.adapters.dynamodb import meter, tables
from chalicelib.adapters.dynamodb.discrepancies import DynamoDiscrepancies
from chalicelib.adapters.dynamodb.ended_orders import DynamoEndedOrders
from chalicelib.adapters.dynamodb.files import DynamoFiles
from chalicelib.adapters.dynamodb.notices import DynamoNotices
from chalicelib.adapters.dynamodb.quotes import DynamoQuotes
from chalicelib.adapters.event_bus import SnsEventBus
from chalicelib.adapters.file_dialects import CsvFormat
from chalicelib.adapters.in_flight import InFlight
from chalicelib.adapters.issuer_keys import IssuerKeys
from chalicelib.adapters.object_store import S3ObjectStore
from chalicelib.adapters.page_tokens import PageTokens
from chalicelib.adapters.payment_platform import Breaker, HttpPaymentPlatform
from chalicelib.adapters.platform_keys import PlatformKeys
from chalicelib.adapters.queues import SqsQueue
from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.adapters.signatures import Verifier
from chalicelib.adapters.signed_http import SignedHttp
from chalicelib.adapters.sms_platform import HttpSmsPlatform, read_templates
from chalicelib.adapters.voucher_files import S3VoucherFiles
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.bill_account import RULES
from chalicelib.domain.deduction import Outcome
from chalicelib.domain.notice import NoticePolicy
from chalicelib.flows import (
    day_close,
    day_report,
    deduction,
    deduction_round,
    due_list,
    early_repayment,
    landing,
    loan_intake,
    notices,
    payment_notification,
    posting,
    reconciliation,
    sweep,
    vouchers,
    watch,
)
from chalicelib.settings import queue_name, settings

metered = meter.metered

active_orders = stores.active_orders
books = stores.books
borrowers = stores.borrowers
controls = stores.controls
inbox = stores.inbox
requests = stores.requests
runs = stores.runs
split_repairs = stores.split_repairs
throttles = stores.throttles
_tables = stores.bound


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
        clearing=with_funders(),
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
        split_repairs=split_repairs(),
    )


@cache
def notifications() -> payment_notification.Desk:
    return payment_notification.Desk(inbox=inbox(), deducting=deductions())


@cache
def repayments() -> early_repayment.Desk:
    _tables()
    return early_repayment.Desk(
        books=books(),
        quotes=DynamoQuotes(),
        active_orders=active_orders(),
        repayments=queue("repayments"),
        asks=queue("asks"),
        controls=controls(),
        window=settings().active_window,
        served_modes=settings().served_modes,
    )


@cache
def texts() -> notices.Desk:
    _tables()
    return notices.Desk(
        book=DynamoNotices(),
        loans=books().loans,
        borrowers=borrowers(),
        platform=HttpSmsPlatform(
            http=signed_http("sms-platform", settings().sms_url, read_seconds=5.0)
        ),
        texts=queue("texts"),
        templates=read_templates(signature=settings().text_signature),
        policy=NoticePolicy(
            collecting=timedelta(seconds=settings().text_pause_seconds),
            modes=frozenset(mode.value for mode in settings().served_modes),
        ),
    )


@cache
def sweeps() -> sweep.Desk:
    return sweep.Desk(
        mornings=mornings(),
        rounds=rounds(),
        active_orders=active_orders(),
        asks=queue("asks"),
        split_repairs=split_repairs(),
        list_at=settings().list_at,
        round_at=settings().round_at,
        funders=with_funders().day(),
    )


@cache
def with_funders() -> wiring_funders.Funders:
    return wiring_funders.Funders(
        objects=object_store,
        due_lists=due_lists,
        reconciling=reconciling,
        files=files,
        landed=partial(queue, "files"),
    )


@cache
def files() -> landing.Desk:
    _tables()
    channel = settings().channel
    return landing.Desk(
        objects=object_store(),
        files=DynamoFiles(),
        routes=(
            landing.Route(
                kind="loans",
                folder="in/loans",
                stem="loans",
                format=CsvFormat(layout=file_layouts.LOANS),
                apply=lambda batch, _now: loan_intake.take(batch=batch, desk=intakes()),
                takes_good_lines=True,
                # What one call takes in within its time: about 30,000 loans; more come in parts.
                bytes_max=5 * landing.MEBIBYTE,
            ),
            landing.Route(
                kind="bill",
                folder=f"in/payment/{channel}/bill",
                stem="bill",
                format=wiring_bills.FORMAT,
                # Ten million rows.
                bytes_max=2 * 1024 * landing.MEBIBYTE,
                apply=lambda batch, now: reconciliation.take(
                    batch=batch, channel=channel, now=now, desk=reconciling(), files=files()
                ),
            ),
            *with_funders().routes(),
        ),
    )


@cache
def intakes() -> loan_intake.Desk:
    return loan_intake.Desk(
        loans=books().loans,
        schedules=books().schedules,
        borrowers=borrowers(),
        products=books().products,
        served_modes=settings().served_modes,
        calls=in_flight(),
        funders=books().funders,
    )


@cache
def reconciling() -> reconciliation.Desk:
    _tables()
    return reconciliation.Desk(
        rounds=rounds(),
        active_orders=active_orders(),
        discrepancies=DynamoDiscrepancies(),
        settle_from_bill=partial(_by_rule, deduction.settle_from_bill, RULES["bill"]),
        close_unknown=partial(_by_rule, deduction.close_unknown, RULES["bill_absence"]),
        hold=partial(posting.hold, books=books()),
        lift=partial(posting.lift, books=books()),
        matcher=wiring_bills.matcher(client),
        ended=DynamoEndedOrders(),
    )


def _by_rule(work: Callable[..., Outcome], rule: str, *, order_no: str, **given: Any) -> object:
    """Do what a rule of the reconciliation says of an order, and log that it was this rule."""
    outcome = counted(work, order_no=order_no, **given, desk=deductions())
    telemetry.log.info("rule", rule=rule, order_no=order_no, outcome=outcome)
    return outcome


def counted(work: Callable[..., Outcome], *, order_no: str, **given: Any) -> Outcome:
    """Do some work on an order, and count what became of it and what it cost."""
    with meter.metered() as cost:
        outcome = work(order_no=order_no, **given)
    telemetry.count_deduction(order_no, outcome, cost.units)
    return outcome


@cache
def closings() -> day_close.Desk:
    return day_close.Desk(
        rounds=rounds(),
        reconciling=reconciling(),
        files=files(),
        channels=(settings().channel,),
        round_count=len(settings().round_at),
        sealing=sealings(),
        funders=with_funders().day(),
    )


@cache
def sealings() -> day_report.Desk:
    return day_report.Desk(
        booking=vouchers.Desk(
            books=books(),
            discrepancies=DynamoDiscrepancies(),
            files=S3VoucherFiles(store=object_store()),
            chart=accounts.read(codes=settings().account_codes),
            channels=(settings().channel,),
        ),
        runs=runs(),
        due_lists=due_lists(),
        reports=S3DayReports(store=object_store()),
        round_count=len(settings().round_at),
    )


@cache
def watches() -> watch.Desk:
    _tables()
    return watch.Desk(
        runs=runs(),
        channel=settings().channel,
        list_at=settings().list_at,
        round_at=settings().round_at,
        discrepancies=DynamoDiscrepancies(),
        funders=wiring_funders.catalogue(),
    )


# --- files ------------------------------------------------------------------------------


@cache
def object_store() -> S3ObjectStore:
    return S3ObjectStore(client=client("s3"), bucket=settings().exchange_bucket)


@cache
def due_lists() -> S3DueLists:
    modes = tuple(sorted(mode.value for mode in settings().served_modes))
    return S3DueLists(store=object_store(), modes=modes)


# --- queues and platforms ---------------------------------------------------------------


@cache
def queue(name: str) -> SqsQueue[Any]:
    return SqsQueue(
        client=client("sqs"),
        name=queue_name(name),
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
        http=signed_http("payment-platform", settings().payment_url),
        bucket=TokenBucket(settings().payment_calls_per_second),
        notify_url=f"{settings().notify_url}/v1/notifications/payments",
        breaker=Breaker(),
    )


def payment_verifier() -> Verifier:
    return _keys("payment-platform").verifier()


def sms_verifier() -> Verifier:
    return _keys("sms-platform").verifier()


def signed_http(platform: str, base_url: str, *, read_seconds: float = 8.0) -> SignedHttp:
    return SignedHttp(
        base_url=base_url,
        keys=_keys(platform),
        clock=wall_clock,
        read_seconds=read_seconds,
        on_bad_signature=lambda: telemetry.count("SignaturesRefused"),
    )


@cache
def _keys(platform: str) -> PlatformKeys:
    return PlatformKeys(client=client("secretsmanager"), stage=settings().stage, platform=platform)


# --- who calls --------------------------------------------------------------------------


@cache
def access_tokens() -> AccessTokens:
    return AccessTokens(
        issuer=settings().token_issuer,
        audience=settings().token_audience,
        keys=IssuerKeys(url=settings().jwks_url),
        clock=wall_clock,
    )


@cache
def page_tokens() -> PageTokens:
    return PageTokens(
        client=client("secretsmanager"), secret_id=f"afterloan/{settings().stage}/pages"
    )


@cache
def client(service: str) -> Any:
    return boto3.client(service, region_name=settings().region)
