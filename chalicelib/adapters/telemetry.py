"""Logs and metrics: JSON lines and the embedded metric format, both on standard output.

Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE.
"""

from aws_lambda_powertools import Logger, Metrics

log = Logger(use_rfc3339=True)
metrics = Metrics()


def count(name: str, value: float = 1) -> None:
    """Count something; it is sent when the handler ends."""
    metrics.add_metric(name=name, unit="Count", value=value)
