"""What S3 promises to tell of its objects.

Sources: of S3's user guide "Event notification types and destinations", "Event message structure"
and "Configuring event notifications using object key name filtering".
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from tests.simulation.conformance.backends import MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused
from tests.simulation.conformance.s3_cases import Place, a_bucket


@dataclass(frozen=True)
class Listener:
    """A queue that is told of new objects."""

    client: Any
    url: str

    def hears(self) -> list[dict[str, Any]]:
        """Take what it was told, without S3's test."""
        answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        told = []
        for message in answer.get("Messages", ()):
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            told += json.loads(message["Body"]).get("Records", ())
        return told


def a_listener(backend: Backend, place: Place, *, events: str, **rules: str) -> Listener:
    client = backend.client("sqs")
    url = client.create_queue(QueueName=backend.unique("files"))["QueueUrl"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    filter_rules = [{"Name": name, "Value": value} for name, value in rules.items()]
    configuration: dict[str, Any] = {
        "QueueArn": found["Attributes"]["QueueArn"],
        "Events": [events],
        **({"Filter": {"Key": {"FilterRules": filter_rules}}} if rules else {}),
    }
    place.client.put_bucket_notification_configuration(
        Bucket=place.bucket,
        NotificationConfiguration={"QueueConfigurations": [configuration]},
    )
    return Listener(client, url)


# --- events --------------------------------------------------------------------------------------------


def case_a_queue_is_told_of_a_new_object(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    put = place.puts("in/清 1+2.csv", b"abc")
    (record,) = listener.hears()
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["eventSource"] == "aws:s3"
    assert record["eventVersion"].startswith("2.")
    assert record["s3"]["bucket"]["name"] == place.bucket
    told = record["s3"]["object"]
    assert " " not in told["key"]
    assert told["key"].isascii()
    assert unquote_plus(told["key"]) == "in/清 1+2.csv"
    assert (told["size"], told["eTag"]) == (3, put["ETag"].strip('"'))


@differs(MOTO, because="the message structure has a sequencer")
def case_later_events_of_a_key_have_later_sequencers(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    for body in (b"one", b"three"):
        place.puts("a", body)
    told = sorted((r["s3"]["object"] for r in listener.hears()), key=lambda o: o["sequencer"])
    assert [each["size"] for each in told] == [3, 5]


def case_a_queue_is_told_how_an_object_came(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    place.puts("a")
    place.copies({"Bucket": place.bucket, "Key": "a"}, "b")
    upload_id = place.begins("c")
    place.completes("c", upload_id, [place.adds("c", upload_id, 1, b"x")])
    told = {r["s3"]["object"]["key"]: r["eventName"] for r in listener.hears()}
    assert told == {
        "a": "ObjectCreated:Put",
        "b": "ObjectCreated:Copy",
        "c": "ObjectCreated:CompleteMultipartUpload",
    }


def case_a_queue_is_told_what_it_asked_for(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:Put", prefix="in/", suffix=".ok")
    for key in ("in/a.csv", "in/a.csv.ok", "out/a.csv.ok"):
        place.puts(key)
    place.copies({"Bucket": place.bucket, "Key": "in/a.csv"}, "in/b.csv.ok")
    assert [unquote_plus(r["s3"]["object"]["key"]) for r in listener.hears()] == ["in/a.csv.ok"]


def case_what_is_not_written_is_not_told(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    with refused("PreconditionFailed"):
        place.puts("a", IfNoneMatch="*")
    assert listener.hears() == []


def case_a_queue_is_told_of_a_removed_object(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    listener = a_listener(backend, place, events="s3:ObjectRemoved:*")
    place.client.delete_object(Bucket=place.bucket, Key="a")
    (record,) = listener.hears()
    assert record["eventName"] == "ObjectRemoved:Delete"


def case_a_queue_is_tried_when_it_is_configured(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    answer = listener.client.receive_message(QueueUrl=listener.url)
    body = json.loads(answer["Messages"][0]["Body"])
    assert (body["Event"], body["Bucket"]) == ("s3:TestEvent", place.bucket)


def case_the_configuration_is_told(backend: Backend) -> None:
    place = a_bucket(backend)
    get = place.client.get_bucket_notification_configuration
    assert "QueueConfigurations" not in get(Bucket=place.bucket)
    a_listener(backend, place, events="s3:ObjectCreated:*", prefix="in/")
    (found,) = get(Bucket=place.bucket)["QueueConfigurations"]
    assert found["Events"] == ["s3:ObjectCreated:*"]
    (rule,) = found["Filter"]["Key"]["FilterRules"]
    assert (rule["Name"].lower(), rule["Value"]) == ("prefix", "in/")
    assert found["Id"]


@differs(MOTO, because="S3 validates that the destination exists")
def case_a_queue_that_is_not_there_cannot_be_told(backend: Backend) -> None:
    place = a_bucket(backend)
    listener = a_listener(backend, place, events="s3:ObjectCreated:*")
    listener.client.delete_queue(QueueUrl=listener.url)
    place.puts("a")
    (found,) = place.client.get_bucket_notification_configuration(Bucket=place.bucket)[
        "QueueConfigurations"
    ]
    with refused("InvalidArgument", status=400):
        place.client.put_bucket_notification_configuration(
            Bucket=place.bucket, NotificationConfiguration={"QueueConfigurations": [found]}
        )
