"""What SNS promises of standard topics whose subscribers are queues.

Sources: the API reference of SNS, and of its developer guide "Message filtering", "Raw message
delivery", "Message attributes" and "Dead-letter queues".
"""

import json
from dataclasses import dataclass
from typing import Any

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused
from tests.simulation.conformance.sqs_cases import Queue, a_queue

BYTES_MAX = 256 * 1024


@dataclass(frozen=True)
class Topic:
    """One topic and its client."""

    client: Any
    arn: str

    def publishes(self, message: str = "a", **more: Any) -> str:
        answer = self.client.publish(TopicArn=self.arn, Message=message, **more)
        message_id: str = answer["MessageId"]
        return message_id

    def publishes_batch(self, *entries: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.publish_batch(
            TopicArn=self.arn, PublishBatchRequestEntries=list(entries)
        )
        return answer

    def has_listener(self, queue: Queue, **attributes: Any) -> str:
        """Subscribe a queue; what is not a text is written as JSON."""
        written = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in attributes.items()
        }
        answer = self.client.subscribe(
            TopicArn=self.arn,
            Protocol="sqs",
            Endpoint=arn_of(queue),
            Attributes=written,
            ReturnSubscriptionArn=True,
        )
        subscription: str = answer["SubscriptionArn"]
        return subscription


def arn_of(queue: Queue) -> str:
    return queue.attributes("QueueArn")["QueueArn"]


def a_topic(backend: Backend) -> Topic:
    client = backend.client("sns")
    return Topic(client, client.create_topic(Name=backend.unique("events"))["TopicArn"])


def a_topic_with_listener(backend: Backend, **attributes: Any) -> tuple[Topic, Queue]:
    topic, queue = a_topic(backend), a_queue(backend, VisibilityTimeout="0")
    topic.has_listener(queue, **{"RawMessageDelivery": "true", **attributes})
    return topic, queue


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def an_entry(entry_id: str = "1", message: str = "a", **more: Any) -> dict[str, Any]:
    return {"Id": entry_id, "Message": message, **more}


def heard(backend: Backend, policy: dict[str, Any], *published: dict[str, Any]) -> list[str]:
    """Publish messages with these attributes, numbered; tell which a policy lets through."""
    topic, queue = a_topic_with_listener(backend, FilterPolicy=policy)
    for number, attributes in enumerate(published):
        topic.publishes(str(number), MessageAttributes=attributes)
    return queue.bodies()


# --- topics and subscriptions ------------------------------------------------------------------


def case_making_the_same_topic_twice_is_making_it_once(backend: Backend) -> None:
    client, name = backend.client("sns"), backend.unique("events")
    made = {client.create_topic(Name=name)["TopicArn"] for _ in range(2)}
    assert len(made) == 1
    assert made.pop().endswith(f":{name}")


def case_a_topic_that_is_missing_is_refused(backend: Backend) -> None:
    topic = a_topic(backend)
    missing = Topic(topic.client, f"{topic.arn}-missing")
    with refused("NotFound", status=404):
        missing.publishes()
    with refused("NotFound", status=404):
        missing.publishes_batch(an_entry())
    with refused("NotFound", status=404):
        missing.has_listener(a_queue(backend))


def case_a_subscription_is_listed_with_its_topic(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    arn = topic.has_listener(queue)
    (found,) = topic.client.list_subscriptions_by_topic(TopicArn=topic.arn)["Subscriptions"]
    assert found["SubscriptionArn"] == arn
    assert (found["Protocol"], found["Endpoint"]) == ("sqs", arn_of(queue))
    assert found["TopicArn"] == topic.arn


def case_subscribing_twice_is_subscribing_once(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    assert topic.has_listener(queue) == topic.has_listener(queue)
    topic.publishes()
    assert len(queue.receives()) == 1


def case_a_subscription_tells_its_attributes(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    arn = topic.has_listener(queue, RawMessageDelivery="true", FilterPolicy={"event": ["paid"]})
    get = topic.client.get_subscription_attributes
    found = get(SubscriptionArn=arn)["Attributes"]
    assert found["RawMessageDelivery"] == "true"
    assert json.loads(found["FilterPolicy"]) == {"event": ["paid"]}
    topic.client.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="false"
    )
    assert get(SubscriptionArn=arn)["Attributes"]["RawMessageDelivery"] == "false"


def case_who_has_unsubscribed_hears_nothing(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    arn = topic.has_listener(queue)
    for _ in range(2):
        topic.client.unsubscribe(SubscriptionArn=arn)
    topic.publishes()
    assert queue.receives() == []
    assert topic.client.list_subscriptions_by_topic(TopicArn=topic.arn)["Subscriptions"] == []


# --- delivery ------------------------------------------------------------------------------------


def case_a_raw_message_comes_as_it_was_published(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend)
    topic.publishes('{"order_no": "清"}', MessageAttributes={"event": text("paid")})
    (message,) = queue.receives(MessageAttributeNames=["All"])
    assert message["Body"] == '{"order_no": "清"}'
    assert message["MessageAttributes"] == {"event": text("paid")}


def case_a_message_comes_in_an_envelope(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    topic.has_listener(queue)
    message_id = topic.publishes("清", Subject="Paid", MessageAttributes={"event": text("paid")})
    (message,) = queue.receives(MessageAttributeNames=["All"])
    assert "MessageAttributes" not in message
    envelope = json.loads(message["Body"])
    assert envelope["Type"] == "Notification"
    assert (envelope["MessageId"], envelope["TopicArn"]) == (message_id, topic.arn)
    assert (envelope["Subject"], envelope["Message"]) == ("Paid", "清")
    assert envelope["MessageAttributes"] == {"event": {"Type": "String", "Value": "paid"}}
    assert envelope["Timestamp"].endswith("Z")


def case_an_envelope_without_a_subject_has_none(backend: Backend) -> None:
    topic, queue = a_topic(backend), a_queue(backend)
    topic.has_listener(queue)
    topic.publishes()
    (body,) = queue.bodies()
    assert "Subject" not in json.loads(body)
    assert "MessageAttributes" not in json.loads(body)


def case_every_subscriber_hears(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend)
    other = a_queue(backend)
    topic.has_listener(other, RawMessageDelivery="true")
    topic.publishes("a")
    assert (queue.bodies(), other.bodies()) == (["a"], ["a"])


@differs(
    MOTO,
    LOCAL_CLOUD,
    because='MessageStructure: "contain at least a top-level JSON key of default"',
)
def case_a_message_may_say_something_else_to_queues(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend)
    topic.publishes(json.dumps({"default": "d", "sqs": "q"}), MessageStructure="json")
    assert queue.bodies() == ["q"]
    with refused("InvalidParameter"):
        topic.publishes(json.dumps({"sqs": "q"}), MessageStructure="json")


@differs(
    MOTO,
    LOCAL_CLOUD,
    because='"Client-side errors": undelivered messages go to the dead-letter queue',
)
def case_what_cannot_be_delivered_is_a_dead_letter(backend: Backend) -> None:
    topic, queue, dead = a_topic(backend), a_queue(backend), a_queue(backend)
    policy = {"deadLetterTargetArn": arn_of(dead)}
    topic.has_listener(queue, RawMessageDelivery="true", RedrivePolicy=policy)
    queue.client.delete_queue(QueueUrl=queue.url)
    topic.publishes("a")
    assert dead.bodies() == ["a"]


# --- batches and limits --------------------------------------------------------------------------


def case_every_entry_of_a_batch_is_published(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend)
    answer = topic.publishes_batch(*(an_entry(str(number), f"m{number}") for number in range(10)))
    assert [each["Id"] for each in answer["Successful"]] == [str(number) for number in range(10)]
    assert len({each["MessageId"] for each in answer["Successful"]}) == 10
    assert answer["Failed"] == []
    assert queue.bodies() == [f"m{number}" for number in range(10)]


def case_eleven_entries_are_too_many(backend: Backend) -> None:
    with refused("TooManyEntriesInBatchRequest", status=400):
        a_topic(backend).publishes_batch(*(an_entry(str(number)) for number in range(11)))


def case_ids_of_a_batch_are_distinct(backend: Backend) -> None:
    with refused("BatchEntryIdsNotDistinct", status=400):
        a_topic(backend).publishes_batch(an_entry(), an_entry())


@differs(
    MOTO,
    LOCAL_CLOUD,
    because='EmptyBatchRequest: "The batch request doesn\'t contain any entries."',
)
def case_an_empty_batch_is_refused(backend: Backend) -> None:
    with refused("EmptyBatchRequest", status=400):
        a_topic(backend).publishes_batch()


@differs(
    MOTO,
    LOCAL_CLOUD,
    because='BatchRequestTooLong: "The length of all the batch messages put together"',
)
def case_a_batch_has_256_kibibytes_in_all(backend: Backend) -> None:
    topic, half = a_topic(backend), "x" * (BYTES_MAX // 2)
    assert len(topic.publishes_batch(an_entry("1", half), an_entry("2", half))["Successful"]) == 2
    with refused("BatchRequestTooLong", status=400):
        topic.publishes_batch(an_entry("1", half), an_entry("2", half + "x"))


@differs(
    LOCAL_CLOUD, because='MessageStructure: "contain at least a top-level JSON key of default"'
)
def case_a_bad_entry_fails_alone(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend)
    wrong = {"MessageStructure": "json"}
    answer = topic.publishes_batch(an_entry("good", "a"), an_entry("bad", "no JSON", **wrong))
    assert [each["Id"] for each in answer["Successful"]] == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "InvalidParameter")
    assert queue.bodies() == ["a"]


def case_a_message_has_256_kibibytes(backend: Backend) -> None:
    topic = a_topic(backend)
    topic.publishes("x" * BYTES_MAX)
    with refused("InvalidParameter", status=400):
        topic.publishes("x" * (BYTES_MAX + 1))


@differs(MOTO, LOCAL_CLOUD, because="InvalidParameter: Empty message")
def case_an_empty_message_is_refused(backend: Backend) -> None:
    with refused("InvalidParameter", status=400):
        a_topic(backend).publishes("")


# --- filters -------------------------------------------------------------------------------------


def case_one_of_the_values_must_match(backend: Backend) -> None:
    policy = {"event": ["paid", "settled"]}
    published = [{"event": text(value)} for value in ("paid", "failed", "settled", "Paid")]
    assert heard(backend, policy, *published) == ["0", "2"]


def case_every_attribute_of_the_policy_must_match(backend: Backend) -> None:
    policy = {"event": ["paid"], "mode": ["joint"]}
    both = {"event": text("paid"), "mode": text("joint")}
    published = ({}, {"event": text("paid")}, both, {**both, "more": text("x")})
    assert heard(backend, policy, *published) == ["2", "3"]


def case_anything_but_wants_another_value(backend: Backend) -> None:
    policy = {"event": [{"anything-but": ["paid", "settled"]}]}
    published = ({"event": text("paid")}, {"event": text("failed")}, {})
    assert heard(backend, policy, *published) == ["1"]


def case_a_value_may_begin_in_some_way(backend: Backend) -> None:
    policy = {"event": [{"prefix": "paid_"}]}
    published = ({"event": text("paid_late")}, {"event": text("paid")})
    assert heard(backend, policy, *published) == ["0"]


@differs(LOCAL_CLOUD, because='"exists": "the absence of an attribute key" is matched as well')
def case_an_attribute_may_have_to_be_there_or_not(backend: Backend) -> None:
    published: tuple[dict[str, Any], ...] = ({"event": text("paid")}, {})
    assert heard(backend, {"event": [{"exists": True}]}, *published) == ["0"]
    assert heard(backend, {"event": [{"exists": False}]}, *published) == ["1"]


def case_a_number_may_have_to_lie_between(backend: Backend) -> None:
    policy = {"fen": [{"numeric": [">=", 100, "<", 200]}]}
    published = [
        {"fen": {"DataType": "Number", "StringValue": value}} for value in ("99", "100", "200")
    ]
    assert heard(backend, policy, *published) == ["1"]


@differs(LOCAL_CLOUD, because="a number of a policy matches the data type Number alone")
def case_a_number_is_no_text(backend: Backend) -> None:
    published = ({"fen": {"DataType": "Number", "StringValue": "100"}}, {"fen": text("100")})
    assert heard(backend, {"fen": [100]}, *published) == ["0"]


def case_one_value_of_an_array_must_match(backend: Backend) -> None:
    array = {"DataType": "String.Array", "StringValue": json.dumps(["early", "paid"])}
    assert heard(backend, {"event": ["paid"]}, {"event": array}, {"event": text("early")}) == ["0"]


def case_entries_of_a_batch_are_filtered_each(backend: Backend) -> None:
    topic, queue = a_topic_with_listener(backend, FilterPolicy={"event": ["paid"]})
    topic.publishes_batch(
        an_entry("1", "a", MessageAttributes={"event": text("paid")}),
        an_entry("2", "b", MessageAttributes={"event": text("failed")}),
    )
    assert queue.bodies() == ["a"]


@differs(MOTO, LOCAL_CLOUD, because="InvalidParameter: FilterPolicy: failed to parse JSON")
def case_a_policy_is_json(backend: Backend) -> None:
    with refused("InvalidParameter", status=400):
        a_topic(backend).has_listener(a_queue(backend), FilterPolicy="no JSON")
