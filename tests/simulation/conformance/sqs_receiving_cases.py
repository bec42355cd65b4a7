"""What SQS promises of receiving: delays, time-outs, handles, counts and attributes.

Sources: the API reference of SQS, and of its developer guide "Visibility timeout", "Delay queues",
"Queue and message identifiers" and "Message attributes".
"""

from hashlib import md5

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused
from tests.simulation.conformance.sqs_cases import SQS, a_queue

# --- delays ----------------------------------------------------------------------------------


def case_a_delayed_message_is_not_received_before_its_time(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("later", DelaySeconds=1)
    assert queue.bodies() == []
    assert queue.counts() == (0, 0, 1)
    backend.sleep(1.2)
    assert queue.bodies() == ["later"]
    assert queue.counts() == (0, 1, 0)


def case_a_queue_delays_messages_that_do_not_say(backend: Backend) -> None:
    queue = a_queue(backend, DelaySeconds="60")
    queue.sends("later")
    queue.sends("now", DelaySeconds=0)
    assert queue.bodies() == ["now"]


@differs(LOCAL_CLOUD, because='DelaySeconds: "Valid values: 0 to 900"')
def case_a_delay_is_at_most_a_quarter_of_an_hour(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a", DelaySeconds=900)
    with refused("InvalidParameterValue"):
        queue.sends("a", DelaySeconds=901)


# --- receiving -------------------------------------------------------------------------------


def case_an_empty_queue_answers_no_messages(backend: Backend) -> None:
    queue = a_queue(backend)
    assert "Messages" not in queue.client.receive_message(QueueUrl=queue.url)


def case_one_message_is_received_unless_more_are_asked_for(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a", "b")
    assert len(queue.client.receive_message(QueueUrl=queue.url)["Messages"]) == 1


def case_at_most_ten_messages_are_received(backend: Backend) -> None:
    queue = a_queue(backend)
    for wrong in (0, 11):
        with refused("InvalidParameterValue"):
            queue.receives(most=wrong)


def case_a_received_message_is_hidden_until_its_time_is_over(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="1")
    queue.sends("a")
    assert queue.bodies() == ["a"]
    assert queue.bodies() == []
    assert queue.counts() == (0, 1, 0)
    backend.sleep(1.2)
    assert queue.counts() == (1, 0, 0)
    assert queue.bodies() == ["a"]


def case_a_receiver_may_hide_for_another_time(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a")
    assert queue.bodies(VisibilityTimeout=0) == ["a"]
    assert queue.bodies(VisibilityTimeout=60) == ["a"]
    assert queue.bodies() == []


def case_receipts_are_counted(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    counted = [
        queue.receives(AttributeNames=["ApproximateReceiveCount"])[0]["Attributes"]
        for _ in range(2)
    ]
    assert counted == [{"ApproximateReceiveCount": "1"}, {"ApproximateReceiveCount": "2"}]


def case_a_message_says_when_it_was_sent_and_first_received(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    (first,), (second,) = (queue.receives(MessageSystemAttributeNames=["All"]) for _ in range(2))
    sent, received = (
        int(first["Attributes"][name])
        for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp")
    )
    assert 10**12 < sent <= received < 10**13
    for name in ("SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"):
        assert second["Attributes"][name] == first["Attributes"][name]


def case_attributes_are_received_if_asked_for(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    mode = {"DataType": "String", "StringValue": "self_operated"}
    fen = {"DataType": "Number", "StringValue": "12"}
    raw = {"DataType": "Binary", "BinaryValue": b"\x00\xff"}
    sent = queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody="a",
        MessageAttributes={"mode": mode, "fen": fen, "raw": raw},
    )
    assert "MessageAttributes" not in queue.receives()[0]
    (found,) = queue.receives(MessageAttributeNames=["All"])
    assert found["MessageAttributes"] == {"mode": mode, "fen": fen, "raw": raw}
    assert found["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    (found,) = queue.receives(MessageAttributeNames=["m.*", "mode"])
    assert found["MessageAttributes"] == {"mode": mode}


def case_attributes_are_digested_as_documented(backend: Backend) -> None:
    queue = a_queue(backend)
    sent = queue.client.send_message(
        QueueUrl=queue.url,
        MessageBody="a",
        MessageAttributes={"b": {"DataType": "String", "StringValue": "2"}},
    )
    written = b"\x00\x00\x00\x01b\x00\x00\x00\x06String\x01\x00\x00\x00\x012"
    digest = md5(written, usedforsecurity=False).hexdigest()
    assert sent["MD5OfMessageAttributes"] == digest


@differs(
    LOCAL_CLOUD, because='"Amazon SQS supports the logical data types String, Number, and Binary"'
)
def case_an_attribute_has_a_known_type(backend: Backend) -> None:
    with refused("InvalidParameterValue"):
        a_queue(backend).sends(
            "a", MessageAttributes={"mode": {"DataType": "Text", "StringValue": "b"}}
        )


# --- deleting, and changing for how long a message is hidden -----------------------------------


@differs(LOCAL_CLOUD, because="deleting a message that is deleted already succeeds")
def case_a_deleted_message_does_not_come_back(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    (message,) = queue.receives()
    for _ in range(2):
        queue.deletes(message["ReceiptHandle"])
    assert queue.bodies() == []
    assert queue.counts() == (0, 0, 0)


def case_a_handle_is_good_after_its_time_while_nobody_else_received(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    (message,) = queue.receives()
    assert queue.counts() == (1, 0, 0)
    queue.deletes(message["ReceiptHandle"])
    assert queue.counts() == (0, 0, 0)


def case_every_receipt_has_a_handle_of_its_own(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    first, second = (queue.receives()[0]["ReceiptHandle"] for _ in range(2))
    assert first != second


@differs(
    MOTO,
    LOCAL_CLOUD,
    because='"If you use an old ReceiptHandle, the request will succeed, but the message might not be deleted."',
)
def case_an_old_handle_deletes_nothing(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    old, last = (queue.receives()[0]["ReceiptHandle"] for _ in range(2))
    queue.deletes(old)
    assert queue.counts() == (1, 0, 0)
    queue.deletes(last)
    assert queue.counts() == (0, 0, 0)


def case_a_handle_that_is_none_is_refused(backend: Backend) -> None:
    queue = a_queue(backend)
    with refused("ReceiptHandleIsInvalid"):
        queue.deletes("nothing")
    with refused("ReceiptHandleIsInvalid"):
        queue.hides("nothing", 0)


def case_a_batch_deletes_each_entry_by_itself(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a")
    (message,) = queue.receives()
    answer = queue.client.delete_message_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"]},
            {"Id": "bad", "ReceiptHandle": "nothing"},
        ],
    )
    assert [done["Id"] for done in answer["Successful"]] == ["good"]
    assert [(f["Id"], f["Code"]) for f in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    assert queue.counts() == (0, 0, 0)


def case_a_message_is_given_back_at_once(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a")
    (message,) = queue.receives()
    queue.hides(message["ReceiptHandle"], 0)
    assert queue.counts() == (1, 0, 0)
    assert queue.bodies() == ["a"]


def case_the_time_counts_from_when_it_is_changed(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="1")
    queue.sends("a")
    (message,) = queue.receives()
    queue.hides(message["ReceiptHandle"], 60)
    backend.sleep(1.2)
    assert queue.bodies() == []


@differs(LOCAL_CLOUD, because='"The minimum is 0 seconds. The maximum is 12 hours."')
def case_a_message_is_hidden_for_twelve_hours_at_most(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a")
    (message,) = queue.receives()
    with refused("InvalidParameterValue"):
        queue.hides(message["ReceiptHandle"], 43_201)


def case_a_batch_hides_each_entry_by_itself(backend: Backend) -> None:
    queue = a_queue(backend)
    queue.sends("a")
    (message,) = queue.receives()
    answer = queue.client.change_message_visibility_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "bad", "ReceiptHandle": "nothing", "VisibilityTimeout": 0},
        ],
    )
    assert [done["Id"] for done in answer["Successful"]] == ["good"]
    assert [(f["Id"], f["Code"]) for f in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    assert queue.counts() == (1, 0, 0)


@differs(MOTO, LOCAL_CLOUD, because='MessageNotInflight: "The specified message isn\'t in flight."')
def case_only_a_message_in_work_is_hidden(backend: Backend) -> None:
    queue = a_queue(backend, VisibilityTimeout="0")
    queue.sends("a")
    (message,) = queue.receives()
    with refused(f"{SQS}MessageNotInflight"):
        queue.hides(message["ReceiptHandle"], 60)
