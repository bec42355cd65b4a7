"""What the simulated SQS has that AWS's API has not: an event source's view, and whole states."""

import json

import pytest

from tests.simulation.aws.calls import NotSimulatedError
from tests.simulation.aws.operations import ACCOUNT, REGION
from tests.simulation.aws.sqs import MessageHiddenError, Sqs

BEGINNING = 1_800_000_000.0
FOUR_DAYS = 4 * 24 * 3600
ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}"


class Wall:
    """A clock that is moved by hand."""

    now = BEGINNING

    def __call__(self) -> float:
        return self.now


class House:
    """A queue `work` with its dead letters `dead`, where a message is received twice at most."""

    def __init__(self) -> None:
        self.wall = Wall()
        self.sqs = Sqs(clock=self.wall)
        self.sqs.call("CreateQueue", {"QueueName": "dead"})
        policy = {"deadLetterTargetArn": f"{ARN}:dead", "maxReceiveCount": 2}
        attributes = {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(policy)}
        made = self.sqs.call("CreateQueue", {"QueueName": "work", "Attributes": attributes})
        self.url = made["QueueUrl"]

    def sends(self, body="a", **more):
        given = {"QueueUrl": self.url, "MessageBody": body, **more}
        return self.sqs.call("SendMessage", given)["MessageId"]

    def receives(self, *message_ids):
        return self.sqs.receive("work", message_ids or self.sqs.waiting("work"))

    def passes(self, seconds):
        self.wall.now += seconds


@pytest.fixture
def house():
    return House()


class TestAnEventSource:
    def test_sees_what_is_visible_oldest_first(self, house):
        sent = [house.sends("a"), house.sends("b", DelaySeconds=1), house.sends("c")]
        assert house.sqs.waiting("work") == [sent[0], sent[2]]
        house.passes(1)
        assert house.sqs.waiting("work") == sent

    def test_gives_a_lambda_what_lambda_is_given(self, house):
        house.sends("清", MessageAttributes={"n": {"DataType": "Number", "StringValue": "1"}})
        house.passes(1.5)
        (record,) = house.receives()
        assert record == {
            "messageId": "00000000-0000-4000-8000-000000000001",
            "receiptHandle": "work/00000000-0000-4000-8000-000000000001/1",
            "body": "清",
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1800000000000",
                "SenderId": "AIDAAFTERLOAN00000000",
                "ApproximateFirstReceiveTimestamp": "1800000001500",
            },
            "messageAttributes": {
                "n": {
                    "stringValue": "1",
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": "Number",
                }
            },
            "md5OfBody": "adcfe4db2100818bdf5b0f6dc958db70",
            "md5OfMessageAttributes": record["md5OfMessageAttributes"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"{ARN}:work",
            "awsRegion": REGION,
        }

    def test_takes_just_the_messages_it_chose(self, house):
        sent = [house.sends(body) for body in "abc"]
        records = house.receives(sent[2], sent[0])
        assert [record["body"] for record in records] == ["c", "a"]
        assert house.sqs.waiting("work") == [sent[1]]

    def test_cannot_take_what_is_hidden(self, house):
        sent = house.sends()
        house.receives(sent)
        with pytest.raises(MessageHiddenError):
            house.receives(sent)
        with pytest.raises(MessageHiddenError):
            house.receives("missing")

    def test_sees_a_message_again_after_the_time_of_its_queue(self, house):
        sent = house.sends()
        house.receives(sent)
        house.passes(59.9)
        assert house.sqs.waiting("work") == []
        house.passes(0.1)
        assert house.sqs.waiting("work") == [sent]

    def test_gives_a_message_back_at_once(self, house):
        sent = house.sends()
        (record,) = house.receives()
        house.sqs.release("work", record["receiptHandle"])
        assert house.sqs.waiting("work") == [sent]

    def test_finishes_a_message_for_good(self, house):
        house.sends()
        (record,) = house.receives()
        house.sqs.finish("work", record["receiptHandle"])
        house.passes(60)
        assert house.sqs.depth("work") == 0

    def test_finishes_nothing_that_somebody_else_has_received_since(self, house):
        house.sends()
        (late,) = house.receives()
        house.passes(60)
        house.receives()
        house.sqs.finish("work", late["receiptHandle"])
        assert house.sqs.depth("work") == 1

    def test_is_not_given_what_was_received_too_often(self, house):
        sent = house.sends("poison")
        for _ in range(2):
            assert len(house.receives()) == 1
            house.passes(60)
        assert house.receives() == []
        assert house.sqs.waiting("work") == []
        assert house.sqs.waiting("dead") == [sent]
        (letter,) = house.sqs.receive("dead", [sent])
        assert letter["attributes"]["ApproximateReceiveCount"] == "3"
        assert letter["attributes"]["DeadLetterQueueSourceArn"] == f"{ARN}:work"

    def test_knows_when_something_becomes_visible(self, house):
        assert house.sqs.next_at() is None
        house.sends(DelaySeconds=90)
        assert house.sqs.next_at() == BEGINNING + 90
        house.receives(house.sends())
        assert house.sqs.next_at() == BEGINNING + 60
        house.passes(60)
        assert house.sqs.next_at() == BEGINNING + 90
        house.passes(30)
        assert house.sqs.next_at() is None

    def test_knows_how_many_messages_there_are(self, house):
        house.sends()
        house.sends(DelaySeconds=90)
        house.receives()
        assert house.sqs.depth("work") == 2


class TestAState:
    def test_comes_back_as_it_was(self, house):
        kept = house.sends("kept")
        before = house.sqs.snapshot(), house.sqs.digest()
        for _ in range(2):
            (record,) = house.receives(kept)
            house.sqs.finish("work", record["receiptHandle"])
            later = house.sends("later")
            house.sqs.restore(before[0])
            assert house.sqs.digest() == before[1]
            assert house.sqs.waiting("work") == [kept]
        assert house.sends("later") == later

    def test_is_another_one_after_every_change(self, house):
        digests = [house.sqs.digest()]

        def changed():
            digests.append(house.sqs.digest())
            return len(set(digests)) == len(digests)

        house.sends()
        assert changed()
        (record,) = house.receives()
        assert changed()
        house.sqs.release("work", record["receiptHandle"])
        assert changed()
        house.sqs.finish("work", record["receiptHandle"])
        assert house.sqs.digest() == digests[0]

    def test_begins_anew_with_the_same_queues(self, house):
        first = house.sends()
        house.sqs.clear()
        assert house.sqs.depth("work") == 0
        assert house.sends() == first

    def test_loses_what_was_kept_for_long_enough(self, house):
        house.sends("old")
        house.passes(FOUR_DAYS - 1)
        house.sends("new")
        house.passes(0.5)
        assert house.sqs.depth("work") == 2
        house.passes(0.5)
        assert [record["body"] for record in house.receives()] == ["new"]

    def test_is_not_the_callers(self, house):
        attributes = {"n": {"DataType": "String", "StringValue": "1"}}
        house.sends(MessageAttributes=attributes)
        before = house.sqs.digest()
        attributes["n"]["StringValue"] = "2"
        assert house.sqs.digest() == before


class TestWhatNobodyHasSimulated:
    def test_is_said(self, house):
        with pytest.raises(NotSimulatedError, match="StartMessageMoveTask"):
            house.sqs.call("StartMessageMoveTask", {"SourceArn": f"{ARN}:dead"})
        with pytest.raises(NotSimulatedError, match="MessageGroupId"):
            house.sends(MessageGroupId="LN1")
        entry = {"Id": "1", "MessageBody": "a", "MessageGroupId": "LN1"}
        with pytest.raises(NotSimulatedError, match="MessageGroupId"):
            house.sqs.call("SendMessageBatch", {"QueueUrl": house.url, "Entries": [entry]})
        with pytest.raises(NotSimulatedError, match="first in, first out"):
            house.sqs.call("CreateQueue", {"QueueName": "work.fifo"})
