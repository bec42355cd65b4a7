"""One simulated region, with the production's own entry points in it.

What is simulated: AWS below botocore, time, chance, and the platforms behind their wire.  What is
ours runs unchanged; wiring.py is told of five stand-ins: sequential branches for threads, cheap
keys, a pool without HTTP, a clock for what measures pauses; funders' files are read row by row,
as they are where DuckDB is not: its verdict is the same (tests/unit/test_file_screen.py).
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Self

import pynamodb.connection.base
from cfnlint.decode import decode

from app import app
from chalicelib import settings as stage
from chalicelib import stores, wiring, wiring_assistance, wiring_bills, wiring_operations
from chalicelib.adapters import (
    due_matching,
    file_screen,
    funders,
    products,
    signed_http,
    telemetry,
)
from chalicelib.adapters.access_tokens import AccessTokens
from chalicelib.adapters.dynamodb import controls, tables
from chalicelib.adapters.payment_platform import Breaker
from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.adapters.signed_http import SignedHttp
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.loan import Mode
from chalicelib.domain.notice import NoticePolicy
from chalicelib.flows import day_close, sweep, watch
from tests.simulation.aws.calls import answered_by
from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.aws.s3 import S3, single_threaded_transfers
from tests.simulation.aws.sns import Sns
from tests.simulation.aws.sqs import Sqs
from tests.simulation.clock import VirtualClock
from tests.simulation.faults import Faults
from tests.simulation.funders import our_funders
from tests.simulation.outside import OUR_KEYS, PAYMENT, SMS, US, Platforms
from tests.simulation.quick import quick
from tests.simulation.setting import environment
from tests.simulation.tasks import Tasks
from tests.simulation.tokens import AUDIENCE, ISSUER, KEYS

REGION, ACCOUNT = "us-east-1", "123456789012"
BUCKET = "afterloan-test-exchange"
SHARDS = 2
RETRY_DPD_MAX = 14
SETTINGS = {
    "PAYMENT_URL": PAYMENT,
    "SMS_URL": SMS,
    "NOTIFY_URL": US,
    "TOKEN_ISSUER": ISSUER,
    "TOKEN_AUDIENCE": AUDIENCE,
    "PAYMENT_CALLS_PER_SECOND": "1000000",
    "AGENDA_SHARDS": str(SHARDS),
    "RETRY_DPD_MAX": str(RETRY_DPD_MAX),
    "PAGE_BASE": "",
    "QUOTES_PER_MINUTE": "1000",
    "REPAYMENTS_PER_MINUTE": "1000",
    "SERVED_MODES": Mode.SELF_OPERATED.value,
}
DAYS_BACK = 2
"""No book here is older: looking 30 days back would read nothing, thirty times."""

KEPT = frozenset(("client", "_tables", "catalogue", "dialects"))
WIRED = (wiring, wiring_bills, wiring_operations, wiring_assistance)
"""What is wired once for all Lambdas, and holds nothing a dying one could lose."""


class World:
    """Everything that is there, whatever the day; a context while botocore is answered by it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.dynamodb = DynamoDB(clock=self.clock, lag=self._lag)
        self.sqs = Sqs(clock=self.clock)
        self.s3 = S3(clock=self.clock, sqs=self.sqs)
        self.sns = Sns(clock=self.clock, sqs=self.sqs)
        self.tasks = Tasks()
        self.faults = Faults()
        self.platforms = Platforms(clock=self.clock, around=self.around)
        self.lag_seconds: Callable[[], float] | None = None
        self.watching: Callable[[str, str, Mapping[str, Any], bool], None] | None = None
        self.counted: dict[str, float] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        enter(environment(SETTINGS))
        enter(self.clock)
        enter(single_threaded_transfers())
        enter(quick())
        services = {"dynamodb": self.dynamodb, "sqs": self.sqs, "s3": self.s3, "sns": self.sns}
        enter(answered_by(services, around=self.around))
        enter(self._wired())
        self._furnish()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        forget()

    def clear(self) -> None:
        """Begin with nothing: no row, no message, no object, nobody at work, nothing remembered."""
        for service in (self.dynamodb, self.sqs, self.s3):
            service.clear()
        self.counted.clear()
        self.trace = hashlib.blake2b(digest_size=8)
        self.calls = 0
        self.lag_seconds = self.watching = None
        forget()

    def serve(self, modes: Iterable[str]) -> None:
        """Serve these modes from now on, besides what we lend alone."""
        os.environ["SERVED_MODES"] = ",".join(sorted({Mode.SELF_OPERATED.value, *modes}))
        stage.settings.cache_clear()
        forget()

    def digest(self) -> str:
        """Say what stands in tables and bucket; the same state is the same text."""
        return f"{self.dynamodb.digest()}{self.s3.digest()}"

    # --- calls --------------------------------------------------------------------------

    def around(
        self, service: str, operation: str, parameters: Mapping[str, Any], make: Callable[[], Any]
    ) -> Any:
        """Let others come first, then make the call, or what the day's faults make of it."""
        if self.tasks.current is None:
            return make()
        self.tasks.give_way()
        self.calls += 1
        self.trace.update(f"{operation}{parameters.get('Key') or ''}".encode())
        if self.watching:
            self.watching(service, operation, parameters, False)
        if self.faults.at(self.calls):
            answer = self.faults.strike(self.calls, service, operation, make)
        else:
            answer = make()
        if self.watching:
            self.watching(service, operation, parameters, True)
        return answer

    def _lag(self) -> float:
        return self.lag_seconds() if self.lag_seconds else 0.0

    # --- furniture ----------------------------------------------------------------------

    def _furnish(self) -> None:
        tables.bind("test", region=REGION)
        for table in tables.TABLES:
            table.create_table()
        for name, properties in queues_of_template().items():
            self.sqs.call("CreateQueue", {"QueueName": name, "Attributes": properties})
        self.s3.call("CreateBucket", {"Bucket": BUCKET})
        self.s3.call(
            "PutBucketNotificationConfiguration",
            {
                "Bucket": BUCKET,
                "NotificationConfiguration": {
                    "QueueConfigurations": [
                        {
                            "QueueArn": arn_of("files"),
                            "Events": ["s3:ObjectCreated:*"],
                            "Filter": {
                                "Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}
                            },
                        }
                    ]
                },
            },
        )
        topic = self.sns.call("CreateTopic", {"Name": "afterloan-test-servicing-events"})
        self.sns.call(
            "Subscribe",
            {
                "TopicArn": topic["TopicArn"],
                "Protocol": "sqs",
                "Endpoint": arn_of("notices"),
                "Attributes": {"RawMessageDelivery": "true"},
            },
        )
        self.sqs.clear()

    @contextmanager
    def _wired(self) -> Iterator[None]:
        """Put the stand-ins in their places, and what they stand in for back again."""
        clock = self.clock
        session = pynamodb.connection.base.get_session()
        in_flight = SimpleNamespace(map=self.tasks.in_flight)
        tokens = AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=KEYS, clock=wall_clock)
        places: list[tuple[Any, str, Any]] = [
            (pynamodb.connection.base, "get_session", lambda: session),
            (wiring, "in_flight", lambda: in_flight),
            (wiring, "signed_http", self._signed_http),
            (wiring, "_keys", lambda _platform: OUR_KEYS),
            (wiring, "Breaker", partial(Breaker, monotonic=clock)),
            (wiring, "TokenBucket", partial(TokenBucket, monotonic=clock, sleep=clock.pass_)),
            (wiring, "access_tokens", lambda: tokens),
            (products, "read", cache(products.read)),
            (funders, "read", partial(our_funders, funders.read())),
            *((module, "is_here", lambda: False) for module in (due_matching, file_screen)),
            (wiring.meter, "attach", lambda *_: None),
            (wiring, "NoticePolicy", partial(NoticePolicy, days_back=DAYS_BACK)),
            (controls, "time", SimpleNamespace(monotonic=clock)),
            (signed_http, "secrets", SimpleNamespace(token_hex=lambda _: "0")),
            (telemetry.metrics, "add_metric", self._count),
            *((module, "DAYS_BACK", DAYS_BACK) for module in (sweep, day_close, watch)),
        ]
        before = [(place, name, getattr(place, name)) for place, name, _ in places]
        try:
            for place, name, stand_in in places:
                setattr(place, name, stand_in)
            forget_funders()
            yield
        finally:
            for place, name, real in before:
                setattr(place, name, real)
            forget_funders()

    def _signed_http(self, _platform: str, base_url: str, **_: object) -> SignedHttp:
        http = SignedHttp(
            base_url=base_url,
            keys=OUR_KEYS,
            clock=wall_clock,
            on_bad_signature=lambda: telemetry.count("SignaturesRefused"),
        )
        http._pool = self.platforms
        return http

    def _count(self, *, name: str, unit: str, value: float) -> None:
        assert unit == "Count"
        self.counted[name] = self.counted.get(name, 0) + value


def forget_funders() -> None:
    """Have the catalogue of funders read anew, and what was made of it."""
    stores.funders.cache_clear()
    stores.books.cache_clear()


def forget() -> None:
    """Forget whatever was wired: the next Lambda is a new one."""
    for module in WIRED:
        for name, found in vars(module).items():
            if name not in KEPT and hasattr(found, "cache_clear"):
                found.cache_clear()


def arn_of(queue: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:afterloan-test-{queue}"


def queues_of_template() -> dict[str, dict[str, str]]:
    """Read the queues as they are deployed: visibility, and after how many tries one is dead."""
    data = decode("infra/data.yaml")[0]["Resources"]
    found: dict[str, dict[str, str]] = {}
    for resource in data.values():
        if resource.get("Type") != "AWS::SQS::Queue":
            continue
        properties = resource["Properties"]
        name = properties["QueueName"]["Fn::Sub"].replace("${Stage}", "test")
        attributes = {"VisibilityTimeout": str(properties.get("VisibilityTimeout", 30))}
        if redrive := properties.get("RedrivePolicy"):
            dead = data[redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]["Properties"]["QueueName"]
            target = dead["Fn::Sub"].replace("${Stage}", "test").removeprefix("afterloan-test-")
            attributes["RedrivePolicy"] = (
                f'{{"deadLetterTargetArn": "{arn_of(target)}",'
                f' "maxReceiveCount": {redrive["maxReceiveCount"]}}}'
            )
        found[name] = attributes
    return dict(sorted(found.items(), key=lambda item: "RedrivePolicy" in item[1]))


def workers() -> Mapping[str, tuple[Callable[..., Any], int]]:
    """Say which Lambda reads which queue, and how many messages at once, as deployed."""
    return {
        source.queue.removeprefix("afterloan-test-"): (
            _handler(source.handler_string),
            source.batch_size,
        )
        for source in app.event_sources
        if hasattr(source, "queue")
    }


def jobs() -> Mapping[str, Callable[..., Any]]:
    """Give the scheduled Lambdas by name."""
    return {
        source.name: _handler(source.handler_string)
        for source in app.event_sources
        if hasattr(source, "schedule_expression")
    }


def _handler(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)  # type: ignore[no-any-return]
