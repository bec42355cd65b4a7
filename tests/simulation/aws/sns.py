"""SNS in memory: standard topics that deliver into queues, at once and in order."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws.batches import Entry, check_entries, check_size, each
from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters
from tests.simulation.aws.operations import (
    ACCOUNT,
    REGION,
    RefusedError,
    Simulated,
    digest_of,
    numbered,
)
from tests.simulation.aws.s3_events import written
from tests.simulation.aws.sns_filters import FilterPolicy
from tests.simulation.aws.sqs import Sqs
from tests.simulation.aws.sqs_messages import ATTRIBUTES_MAX, size_of, wrong_attribute

ARN_PREFIX = f"arn:aws:sns:{REGION}:{ACCOUNT}:"
BYTES_MAX = 256 * 1024
SUBJECT_LENGTH_MAX = 100
TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
TOPIC_ARN = re.compile(r"arn:aws:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}", re.ASCII)
PUBLISHED = frozenset(("Id", "Message", "Subject", "MessageAttributes", "MessageStructure"))
SETTINGS = frozenset(("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"))


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who listens to a topic, and to what of it."""

    arn: str
    topic_arn: str
    endpoint: str
    settings: Mapping[str, str]
    filter_policy: FilterPolicy | None
    is_raw: bool
    dead_letters: str

    def told(self) -> dict[str, str]:
        return {
            "SubscriptionArn": self.arn,
            "Owner": ACCOUNT,
            "Protocol": "sqs",
            "Endpoint": self.endpoint,
            "TopicArn": self.topic_arn,
        }


@dataclass(slots=True)
class Topic:
    """A topic and its subscriptions, the first one first."""

    arn: str
    subscriptions: dict[str, Subscription] = field(default_factory=dict)


Snapshot = tuple[int, int, dict[str, dict[str, Subscription]]]


class Sns(Simulated):
    """All topics of an account; what is published is in the queues of `sqs` at once."""

    service = "sns"
    understands = {
        "CreateTopic": "Name",
        "DeleteTopic": "TopicArn",
        "GetSubscriptionAttributes": "SubscriptionArn",
        "GetTopicAttributes": "TopicArn",
        "ListSubscriptionsByTopic": "TopicArn",
        "ListTopics": "",
        "Publish": "TopicArn TargetArn Message Subject MessageAttributes MessageStructure",
        "PublishBatch": "TopicArn PublishBatchRequestEntries",
        "SetSubscriptionAttributes": "SubscriptionArn AttributeName AttributeValue",
        "Subscribe": "TopicArn Protocol Endpoint Attributes ReturnSubscriptionArn",
        "Unsubscribe": "SubscriptionArn",
    }

    def __init__(self, *, clock: Callable[[], float], sqs: Sqs) -> None:
        super().__init__(clock=clock)
        self._sqs = sqs
        self._topics: dict[str, Topic] = {}
        self._subscribed = 0
        self._published = 0

    # --- what a simulation needs --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        topics = {arn: topic.subscriptions.copy() for arn, topic in self._topics.items()}
        return self._subscribed, self._published, topics

    def restore(self, snapshot: Snapshot) -> None:
        self._subscribed, self._published, topics = snapshot
        self._topics = {arn: Topic(arn, found.copy()) for arn, found in topics.items()}

    def clear(self) -> None:
        """Keep topics and subscriptions; messages are numbered from the first again."""
        self._published = 0

    def digest(self) -> str:
        return digest_of(
            [
                (arn, [(s.arn, s.endpoint, sorted(s.settings.items())) for s in _all(topic)])
                for arn, topic in sorted(self._topics.items())
            ]
        )

    # --- topics and subscriptions -------------------------------------------------------

    def _create_topic(self, given: Parameters) -> Answer:
        name = given["Name"]
        if name.endswith(".fifo"):
            raise NotSimulatedError(f"sns: {name} is first in, first out")
        if not TOPIC_NAME.fullmatch(name):
            raise _invalid("Topic Name")
        arn = ARN_PREFIX + name
        self._topics.setdefault(arn, Topic(arn))
        return {"TopicArn": arn}

    def _delete_topic(self, given: Parameters) -> Answer:
        self._topics.pop(given["TopicArn"], None)
        return {}

    def _list_topics(self, _given: Parameters) -> Answer:
        return {"Topics": [{"TopicArn": arn} for arn in sorted(self._topics)]}

    def _get_topic_attributes(self, given: Parameters) -> Answer:
        topic = self._topic(given["TopicArn"])
        attributes = {
            "TopicArn": topic.arn,
            "Owner": ACCOUNT,
            "SubscriptionsConfirmed": str(len(topic.subscriptions)),
            "SubscriptionsPending": "0",
            "SubscriptionsDeleted": "0",
        }
        return {"Attributes": attributes}

    def _subscribe(self, given: Parameters) -> Answer:
        topic = self._topic(given["TopicArn"])
        if given["Protocol"] != "sqs":
            raise NotSimulatedError(f"sns: a subscription by {given['Protocol']}")
        endpoint, settings = given.get("Endpoint", ""), given.get("Attributes", {})
        if not endpoint.startswith("arn:aws:sqs:"):
            raise _invalid("SQS endpoint ARN")
        for found in _all(topic):
            if found.endpoint == endpoint:
                if any(found.settings.get(name) != settings[name] for name in settings):
                    reason = "Subscription already exists with different attributes"
                    raise _invalid(f"Attributes Reason: {reason}")
                return {"SubscriptionArn": found.arn}
        self._subscribed += 1
        arn = f"{topic.arn}:{numbered(self._subscribed)}"
        topic.subscriptions[arn] = _subscription(arn, topic.arn, endpoint, settings)
        return {"SubscriptionArn": arn}

    def _unsubscribe(self, given: Parameters) -> Answer:
        topic = self._topics.get(given["SubscriptionArn"].rpartition(":")[0])
        if topic is not None:
            topic.subscriptions.pop(given["SubscriptionArn"], None)
        return {}

    def _list_subscriptions_by_topic(self, given: Parameters) -> Answer:
        return {"Subscriptions": [found.told() for found in _all(self._topic(given["TopicArn"]))]}

    def _get_subscription_attributes(self, given: Parameters) -> Answer:
        found = self._subscription(given)
        raw = str(found.is_raw).lower()
        attributes = {**found.told(), **found.settings, "RawMessageDelivery": raw}
        return {"Attributes": {**attributes, "PendingConfirmation": "false"}}

    def _set_subscription_attributes(self, given: Parameters) -> Answer:
        found = self._subscription(given)
        settings = {**found.settings, given["AttributeName"]: given.get("AttributeValue", "")}
        self._topics[found.topic_arn].subscriptions[found.arn] = _subscription(
            found.arn, found.topic_arn, found.endpoint, settings
        )
        return {}

    # --- publishing ---------------------------------------------------------------------

    def _publish(self, given: Parameters) -> Answer:
        arn = given.get("TopicArn") or given.get("TargetArn")
        if not arn:
            raise _invalid("TopicArn or TargetArn Reason: no value for required parameter")
        return self._deliver(self._topic(arn), given, _size_of(given))

    def _publish_batch(self, given: Parameters) -> Answer:
        topic, entries = self._topic(given["TopicArn"]), given["PublishBatchRequestEntries"]
        check_entries(entries, PUBLISHED, prefix="")
        size = sum(map(_size_of, entries))
        check_size(size, bytes_max=BYTES_MAX, prefix="")
        return {"Failed": [], **each(entries, lambda entry: self._deliver(topic, entry, size))}

    def _deliver(self, topic: Topic, given: Entry, size: int) -> Answer:
        """Put a message into every queue whose subscription wants it."""
        _check(given, size)
        self._published += 1
        message_id, attributes = numbered(self._published), given.get("MessageAttributes", {})
        text = _text(given)
        for found in topic.subscriptions.values():
            if found.filter_policy is not None and not found.filter_policy.wants(attributes):
                continue
            if found.is_raw:
                self._put(found, text, attributes)
            else:
                self._put(found, self._envelope(found, message_id, text, given), {})
        return {"MessageId": message_id}

    def _put(
        self, found: Subscription, body: str, attributes: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Put a message; where it cannot be delivered it goes to the subscription's dead letters."""
        fits = len(attributes) <= ATTRIBUTES_MAX
        if not (fits and self._sqs.deliver(found.endpoint, body, attributes)):
            self._sqs.deliver(found.dead_letters, body, attributes if fits else {})

    def _envelope(self, found: Subscription, message_id: str, text: str, given: Entry) -> str:
        envelope = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": found.topic_arn,
            **({"Subject": given["Subject"]} if "Subject" in given else {}),
            "Message": text,
            "Timestamp": written(self._clock()),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService.pem",
            "UnsubscribeURL": f"https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe"
            f"&SubscriptionArn={found.arn}",
        }
        if attributes := given.get("MessageAttributes"):
            envelope["MessageAttributes"] = {
                name: {"Type": attribute["DataType"], "Value": _written(attribute)}
                for name, attribute in attributes.items()
            }
        return json.dumps(envelope)

    # --- shared -------------------------------------------------------------------------

    def _topic(self, arn: str) -> Topic:
        topic = self._topics.get(arn)
        if topic is None:
            if not TOPIC_ARN.fullmatch(arn):
                raise _invalid("TopicArn")
            raise RefusedError("NotFound", "Topic does not exist", status=404)
        return topic

    def _subscription(self, given: Parameters) -> Subscription:
        arn = given["SubscriptionArn"]
        topic = self._topics.get(arn.rpartition(":")[0])
        if topic is None or arn not in topic.subscriptions:
            raise RefusedError("NotFound", "Subscription does not exist", status=404)
        return topic.subscriptions[arn]


def _all(topic: Topic) -> list[Subscription]:
    return list(topic.subscriptions.values())


def _subscription(
    arn: str, topic_arn: str, endpoint: str, settings: Mapping[str, str]
) -> Subscription:
    """Read a subscription's attributes.

    :raises RefusedError: if SNS would not take them.
    """
    if settings.keys() - SETTINGS:
        raise _invalid("AttributeName")
    if settings.get("FilterPolicyScope", "MessageAttributes") != "MessageAttributes":
        raise NotSimulatedError("sns: a filter by what a message says")
    raw = settings.get("RawMessageDelivery", "false").lower()
    if raw not in ("true", "false"):
        raise _invalid("RawMessageDelivery Reason: RawMessageDelivery must be true or false")
    policy, redrive = settings.get("FilterPolicy"), settings.get("RedrivePolicy") or "{}"
    return Subscription(
        arn=arn,
        topic_arn=topic_arn,
        endpoint=endpoint,
        settings=dict(settings),
        filter_policy=FilterPolicy(policy) if policy else None,
        is_raw=raw == "true",
        dead_letters=json.loads(redrive).get("deadLetterTargetArn", ""),
    )


def _check(given: Entry, size: int) -> None:
    """See that SNS takes a message; it may have more attributes than one of a queue."""
    if not given.get("Message"):
        raise _invalid("Empty message")
    if size > BYTES_MAX:
        raise _invalid("Message too long")
    if "Subject" in given:
        subject = given["Subject"]
        if not (
            0 < len(subject) <= SUBJECT_LENGTH_MAX and subject.isascii() and subject.isprintable()
        ):
            raise _invalid("Subject")
    attributes = given.get("MessageAttributes")
    if attributes and (wrong := wrong_attribute(attributes)):
        raise RefusedError("ParameterValueInvalid", wrong)


def _size_of(given: Entry) -> int:
    return size_of(given["Message"], given.get("MessageAttributes"))


def _text(given: Entry) -> str:
    """Give what queues are to be told: a message may say something else to each protocol."""
    if given.get("MessageStructure") != "json":
        return str(given["Message"])
    try:
        texts = json.loads(given["Message"])
    except ValueError:
        raise _invalid("Message Structure - JSON message body failed to parse") from None
    if "default" not in texts:
        raise _invalid("Message Structure - No default entry in JSON message body")
    return str(texts.get("sqs", texts["default"]))


def _written(attribute: Mapping[str, Any]) -> str:
    if "BinaryValue" in attribute:
        return b64encode(attribute["BinaryValue"]).decode()
    return str(attribute["StringValue"])


def _invalid(what: str) -> RefusedError:
    return RefusedError("InvalidParameter", f"Invalid parameter: {what}")
