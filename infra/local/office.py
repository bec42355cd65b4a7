"""Connect the tools to a stage: the local cloud by its ports, any other by AWS's own settings."""

import os
from datetime import datetime
from pathlib import Path

import boto3

from chalicelib import wiring
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.loan import Mode
from infra.local.cloud import ACCOUNT, EXCHANGE_BUCKET, REGION, STAGE, Cloud, Ports, home_of
from infra.local.processes import is_listening

ROOT = Path(__file__).resolve().parents[2]
AUDIENCE = "afterloan"
SERVES = {"test": ",".join(sorted(Mode)), "prod": Mode.SELF_OPERATED.value}
"""What a stage serves where its deployer says nothing else, as in the template."""


def local_cloud() -> Cloud:
    """Name the local cloud of this checkout, whether it runs or not."""
    ports = Ports.from_environ()
    return Cloud(home=home_of(ROOT, ports), ports=ports)


class CommandError(Exception):
    """What was asked cannot be done; the text says why and what to do."""


def business_now(stage: str) -> datetime:
    """Read business time: the test clock's where one may be set."""
    standing = wiring.controls().test_clock() if stage != "prod" else None
    return standing or wall_clock()


def api_url(stage: str) -> str:
    """Read where a deployed stage's API is.

    :raises botocore.exceptions.ClientError: if the stack is not there, or may not be read.
    """
    stacks = wiring.client("cloudformation").describe_stacks(StackName=f"afterloan-{stage}-app")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stacks["Stacks"][0]["Outputs"]}
    return str(outputs["ApiUrl"])


def answers() -> bool:
    """Say whether the local cloud of this checkout listens."""
    return is_listening(local_cloud().ports.cloud)


def connect(stage: str = STAGE) -> None:
    """Point everything chalicelib reads from the environment at a stage."""
    os.environ |= {"STAGE": stage, "POWERTOOLS_METRICS_DISABLED": "true"}
    if stage != STAGE:
        os.environ |= _of_stacks(stage)
        return
    cloud = local_cloud()
    os.environ |= {
        "TEST_CLOCK": "on",
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "EXCHANGE_BUCKET": EXCHANGE_BUCKET,
        "PAYMENT_URL": cloud.payment_url,
        "SMS_URL": cloud.sms_url,
        "SERVED_MODES": ",".join(sorted(Mode)),
        "FUNDER_URLS": cloud.funder_urls,
        "TOKEN_ISSUER": cloud.issuer_url,
        "TOKEN_AUDIENCE": AUDIENCE,
        "JWKS_URL": f"{cloud.issuer_url}/jwks.json",
        "EVENTS_TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:afterloan-{STAGE}-servicing-events",
    }


def _of_stacks(stage: str) -> dict[str, str]:
    """Read what the tools need of a deployed stage from its two stacks.

    :raises botocore.exceptions.ClientError: if a stack is not there, or may not be read.
    """
    cloudformation = boto3.client("cloudformation")
    data, app = (
        cloudformation.describe_stacks(StackName=f"afterloan-{stage}-{name}")["Stacks"][0]
        for name in ("data", "app")
    )
    outputs = {one["OutputKey"]: one["OutputValue"] for one in data["Outputs"]}
    parameters = {one["ParameterKey"]: one["ParameterValue"] for one in app["Parameters"]}
    return {
        "EXCHANGE_BUCKET": outputs["ExchangeBucket"],
        "PAYMENT_URL": parameters["PaymentUrl"],
        "SMS_URL": parameters["SmsUrl"],
        "SERVED_MODES": parameters.get("ServedModes") or SERVES[stage],
        "FUNDER_URLS": parameters.get("FunderUrls", ""),
        "TOKEN_ISSUER": parameters.get("TokenIssuer", ""),
        "TOKEN_AUDIENCE": parameters.get("TokenAudience", ""),
        "JWKS_URL": parameters.get("JwksUrl", ""),
    }
