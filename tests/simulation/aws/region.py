"""One simulated region: every service production calls, on one clock."""

from collections.abc import Callable

from tests.simulation.aws.calls import Service
from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.aws.s3 import S3
from tests.simulation.aws.secrets import Secrets
from tests.simulation.aws.sns import Sns
from tests.simulation.aws.sqs import Sqs


def simulated_services(clock: Callable[[], float]) -> dict[str, Service]:
    """Make the services of an empty region, by the names botocore calls them."""
    sqs = Sqs(clock=clock)
    return {
        "dynamodb": DynamoDB(clock=clock),
        "sqs": sqs,
        "s3": S3(clock=clock, sqs=sqs),
        "sns": Sns(clock=clock, sqs=sqs),
        "secretsmanager": Secrets(clock=clock),
    }
