"""Give every test the environment of a stage of its own, before anything is imported."""

import os

from hypothesis import settings

os.environ |= {
    "STAGE": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "EXCHANGE_BUCKET": "afterloan-test-exchange",
    "EVENTS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:afterloan-test-servicing-events",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "POWERTOOLS_METRICS_DISABLED": "true",
    # Never sent, they pile up: at a hundred of a kind Powertools writes them out, and wants a name.
    "POWERTOOLS_METRICS_NAMESPACE": "afterloan-test",
}
os.environ.pop("AWS_ENDPOINT_URL", None)

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
