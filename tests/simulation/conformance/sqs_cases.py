"""What SQS promises of standard queues, of what is sent to them, and of dead letters.

Sources: the API reference of SQS, and of its developer guide "Dead-letter queues", "Batch actions"
and "Message quotas".
"""

import json
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

SQS = "AWS.SimpleQueueService."
BYTES_MAX = 1024 * 1024
WAITING = "ApproximateNumberOfMessages"
IN_WORK = "ApproximateNumberOfMessagesNotVisible"
DELAYED = "ApproximateNumberOfMessagesDelayed"


@dataclass(frozen=True)
class Queue:
    """One queue and its client."""

    client: Any
    url: str

    def sends(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body, **more)

    def sends_batch(self, *entries: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.send_message_batch(
            QueueUrl=self.url, Entries=list(entries)
        )
        return answer

    def receives(self, most: int = 10, **more: Any) -> list[dict[str, Any]]:
        answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most, **more)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def bodies(self, **more: Any) -> list[str]:
        return sorted(message["Body"] for message in self.receives(**more))

    def hides(self, handle: str, seconds: int) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=seconds
        )

    def deletes(self, handle: str) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=handle)

    def attributes(self, *names: str) -> dict[str, str]:
        answer = self.client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=list(names) or ["All"]
        )
        attributes: dict[str, str] = answer["Attributes"]
        return attributes

    def counts(self) -> tuple[int, int, int]:
        """Count what waits, what is in work, and what is delayed."""
        found = self.attributes(WAITING, IN_WORK, DELAYED)
        return int(found[WAITING]), int(found[IN_WORK]), int(found[DELAYED])


def a_queue(backend: Backend, **attributes: str) -> Queue:
    client = backend.client("sqs")
    name = backend.unique("queue")
    return Queue(client, client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def a_queue_with_dead_letters(backend: Backend, *, receives_max: int = 1) -> tuple[Queue, Queue]:
    dead = a_queue(backend)
    policy = {
        "deadLetterTargetArn": dead.attributes("QueueArn")["QueueArn"],
        "maxReceiveCount": receives_max,
    }
    return a_queue(backend, RedrivePolicy=json.dumps(policy), VisibilityTimeout="0"), dead


def an_entry(entry_id: str = "1", body: str = "a", **more: Any) -> dict[str, Any]:
    return {"Id": entry_id, "MessageBody": body, **more}


# --- queues ----------------------------------------------------------------------------------


def case_a_queue_that_is_not_there_is_refused(backend: Backend) -> None:
    client = backend.client("sqs")
    with refused(f"{SQS}NonExistentQueue"):
        client.get_queue_url(QueueName=backend.unique("missing"))
    with refused(f"{SQS}NonExistentQueue"):
        client.send_message(QueueUrl=f"{a_queue(backend).url}-missing", MessageBody="a")


def case_a_queue_is_found_by_its_name(backend: Backend) -> None:
    queue = a_queue(backend)
    name = queue.url.rpartition("/")[2]
    assert queue.client.get_queue_url(QueueName=name)["QueueUrl"] == queue.url
    assert queue.attributes("QueueArn")["QueueArn"].rpartition(":")[2] == name


def case_making_the_same_queue_twice_is_making_it_once(backend: Backend) -> None:
    client, name = backend.client("sqs"), backend.unique("queue")
    made = [
        client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
        for _ in range(2)
    ]
    assert made[0] == made[1]


def case_a_queue_is_not_made_again_with_other_attributes(backend: Backend) -> None:
    client, name = backend.client("sqs"), backend.unique("queue")
    client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})
    with refused("QueueAlreadyExists"):
        client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "61"})


@differs(
    LOCAL_CLOUD,
    because='QueueName: "up to 80 characters", "alphanumeric characters, hyphens, and underscores"',
)
def case_a_queue_has_a_proper_name(backend: Backend) -> None:
    with refused("InvalidParameterValue"):
        backend.client("sqs").create_queue(QueueName="not a name")


def case_a_new_queue_has_the_documented_defaults(backend: Backend) -> None:
    found = a_queue(backend).attributes()
    assert found["VisibilityTimeout"] == "30"
    assert found["DelaySeconds"] == "0"
    assert found["MessageRetentionPeriod"] == str(4 * 24 * 3600)
    assert found["ReceiveMessageWaitTimeSeconds"] == "0"
    assert "RedrivePolicy" not in found


def case_a_message_may_have_a_mebibyte(backend: Backend) -> None:
    queue = a_queue(backend)
    assert queue.attributes("MaximumMessageSize") == {"MaximumMessageSize": str(BYTES_MAX)}
    queue.sends("x" * BYTES_MAX)
    with refused("InvalidParameterValue"):
        queue.sends("x" * (BYTES_MAX + 1))


def case_attributes_are_set_and_told(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"DelaySeconds": "7"})
    assert queue.attributes("DelaySeconds") == {"DelaySeconds": "7"}


@differs(LOCAL_CLOUD, because='InvalidAttributeName: "The specified attribute doesn\'t exist."')
def case_an_unknown_attribute_is_refused(backend: Backend) -> None:
    queue = a_queue(backend)
    with refused("InvalidAttributeName"):
        queue.attributes("Colour")


@differs(MOTO, because='VisibilityTimeout: "An integer from 0 to 43,200"')
def case_an_attribute_out_of_range_is_refused(backend: Backend) -> None:
    queue = a_queue(backend)
    with refused("InvalidAttributeValue"):
        queue.client.set_queue_attributes(
            QueueUrl=queue.url, Attributes={"VisibilityTimeout": "43201"}
        )


def case_queues_are_listed_by_prefix(backend: Backend) -> None:
    queue = a_queue(backend)
    name = queue.url.rpartition("/")[2]
    assert queue.client.list_queues(QueueNamePrefix=name)["QueueUrls"] == [queue.url]
    assert not queue.client.list_queues(QueueNamePrefix=f"{name}-none").get("QueueUrls")


def case_a_deleted_queue_is_gone(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.client.delete_queue(QueueUrl=queue.url)
    with refused(f"{SQS}NonExistentQueue"):
        queue.attributes()


def case_a_purged_queue_is_empty(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a", "b")
    queue.receives(most=1)
    queue.client.purge_queue(QueueUrl=queue.url)
    assert queue.counts() == (0, 0, 0)


@differs(LOCAL_CLOUD, because='PurgeQueueInProgress: "within the last 60 seconds"')
def case_a_queue_is_purged_once_a_minute(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.client.purge_queue(QueueUrl=queue.url)
    with refused(f"{SQS}PurgeQueueInProgress"):
        queue.client.purge_queue(QueueUrl=queue.url)


# --- sending ---------------------------------------------------------------------------------


def case_what_is_sent_is_received(backend: Backend) -> None:
    queue = a_queue(backend)
    sent = queue.client.send_message(QueueUrl=queue.url, MessageBody="结清")
    (message,) = queue.receives()
    assert message["Body"] == "结清"
    assert message["MessageId"] == sent["MessageId"]
    digest = md5("结清".encode(), usedforsecurity=False).hexdigest()
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == digest


def case_every_entry_of_a_batch_is_sent(backend: Backend) -> None:
    queue = a_queue(backend)
    answer = queue.sends_batch(*(an_entry(str(number), f"b{number}") for number in range(10)))
    assert [sent["Id"] for sent in answer["Successful"]] == [str(number) for number in range(10)]
    assert not answer.get("Failed")
    assert queue.bodies() == [f"b{number}" for number in range(10)]


def case_an_empty_batch_is_refused(backend: Backend) -> None:
    with refused(f"{SQS}EmptyBatchRequest"):
        a_queue(backend).sends_batch()


def case_eleven_entries_are_too_many(backend: Backend) -> None:
    with refused(f"{SQS}TooManyEntriesInBatchRequest"):
        a_queue(backend).sends_batch(*(an_entry(str(number)) for number in range(11)))


def case_ids_of_a_batch_are_distinct(backend: Backend) -> None:
    with refused(f"{SQS}BatchEntryIdsNotDistinct"):
        a_queue(backend).sends_batch(an_entry(), an_entry())


def case_an_id_of_a_batch_is_a_name(backend: Backend) -> None:
    for wrong in ("a.b", "x" * 81):
        with refused(f"{SQS}InvalidBatchEntryId"):
            a_queue(backend).sends_batch(an_entry(wrong))


def case_a_batch_has_a_mebibyte_in_all(backend: Backend) -> None:
    queue = a_queue(backend)
    half = "x" * (BYTES_MAX // 2)
    assert len(queue.sends_batch(an_entry("1", half), an_entry("2", half))["Successful"]) == 2
    with refused(f"{SQS}BatchRequestTooLong"):
        queue.sends_batch(an_entry("1", half), an_entry("2", half + "x"))


@differs(LOCAL_CLOUD, because='DelaySeconds: "Valid values: 0 to 900"')
def case_a_bad_entry_fails_alone(backend: Backend) -> None:
    queue = a_queue(backend)
    answer = queue.sends_batch(an_entry("good"), an_entry("bad", DelaySeconds=901))
    assert [sent["Id"] for sent in answer["Successful"]] == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "InvalidParameterValue")
    assert failed["SenderFault"] is True
    assert queue.counts() == (1, 0, 0)


@differs(MOTO, because='"The maximum size is 1 MiB or 1,048,576 bytes"')
def case_bytes_are_counted_not_characters(backend: Backend) -> None:
    queue = a_queue(backend)
    with refused("InvalidParameterValue"):
        queue.sends("清" * (BYTES_MAX // 3 + 1))


@differs(MOTO, because='"rejects the message and returns an InvalidMessageContents error"')
def case_characters_outside_xml_are_refused(backend: Backend) -> None:
    with refused("InvalidMessageContents"):
        a_queue(backend).sends("\x01")


@differs(MOTO, because='"The minimum size is one character."')
def case_an_empty_message_is_refused(backend: Backend) -> None:
    with refused("MissingParameter"):
        a_queue(backend).sends("")


# --- dead letters ----------------------------------------------------------------------------


def case_a_message_received_too_often_is_a_dead_letter(backend: Backend) -> None:
    queue, dead = a_queue_with_dead_letters(backend, receives_max=2)
    queue.sends("poison")
    assert [queue.bodies() for _ in range(3)] == [["poison"], ["poison"], []]
    assert queue.counts() == (0, 0, 0)
    assert dead.bodies() == ["poison"]


def case_a_dead_letter_keeps_its_id_and_its_count(backend: Backend) -> None:
    queue, dead = a_queue_with_dead_letters(backend)
    queue.sends("poison")
    (before,) = queue.receives(AttributeNames=["All"])
    assert queue.receives() == []
    (after,) = dead.receives(AttributeNames=["All"])
    assert after["MessageId"] == before["MessageId"]
    assert after["Attributes"]["SentTimestamp"] == before["Attributes"]["SentTimestamp"]
    # "The number of times a message has been received across all queues but not deleted."
    assert after["Attributes"]["ApproximateReceiveCount"] == "2"


@differs(MOTO, because="DeadLetterQueueSourceArn is one of the system attributes")
def case_a_dead_letter_says_where_it_came_from(backend: Backend) -> None:
    queue, dead = a_queue_with_dead_letters(backend)
    queue.sends("poison")
    queue.receives()
    queue.receives()
    (letter,) = dead.receives(AttributeNames=["All"])
    source = queue.attributes("QueueArn")["QueueArn"]
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == source


@differs(LOCAL_CLOUD, because="ListDeadLetterSourceQueues is an operation of SQS")
def case_dead_letters_know_their_sources(backend: Backend) -> None:
    queue, dead = a_queue_with_dead_letters(backend)
    answer = queue.client.list_dead_letter_source_queues(QueueUrl=dead.url)
    assert answer["queueUrls"] == [queue.url]


@differs(
    MOTO,
    LOCAL_CLOUD,
    because="the parameter is at fault, not the queue of the call: InvalidParameterValue",
)
def case_dead_letters_go_to_a_queue_that_is_there(backend: Backend) -> None:
    queue = a_queue(backend)
    arn = f"{queue.attributes('QueueArn')['QueueArn']}-missing"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    with refused("InvalidParameterValue"):
        queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"RedrivePolicy": policy})
