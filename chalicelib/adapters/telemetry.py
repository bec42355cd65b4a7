"""Logs and metrics: JSON lines and the embedded metric format, both on standard output.

Service and namespace come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE.
"""

from aws_lambda_powertools import Logger, Metrics

log = Logger(use_rfc3339=True)
metrics = Metrics()


def count_deduction(order_no: str, outcome: str, write_units: float) -> None:
    """Log and count one piece of work on one order."""
    log.info("deduction", order_no=order_no, outcome=outcome, write_units=write_units)
    count(f"Deductions_{outcome}")
    if outcome == "contradicted":
        count("Contradictions")


def count(name: str, value: float = 1) -> None:
    """Count something; it is sent when the handler ends."""
    metrics.add_metric(name=name, unit="Count", value=value)
