"""What the simulated S3 has that AWS's API has not: whole states, events at once, one thread."""

import json
import threading

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from tests.simulation.aws.calls import NotSimulatedError, answered_by, refused
from tests.simulation.aws.operations import ACCOUNT, REGION
from tests.simulation.aws.s3 import S3, single_threaded_transfers
from tests.simulation.aws.sqs import Sqs

BEGINNING = 1_800_000_000.25
BUCKET = "afterloan-test"
LARGE = 8 * 1024 * 1024 + 1
SOURCE = {"Bucket": BUCKET, "Key": "a"}


class House:
    """A bucket that tells the queue `files` of what comes under `in/`."""

    def __init__(self) -> None:
        self.sqs = Sqs(clock=lambda: BEGINNING)
        self.s3 = S3(clock=lambda: BEGINNING, sqs=self.sqs)
        self.sqs.call("CreateQueue", {"QueueName": "files"})
        self.s3.call("CreateBucket", {"Bucket": BUCKET})
        configuration = {
            "Id": "files",
            "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:files",
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
        }
        given = {"QueueConfigurations": [configuration]}
        self.s3.call(
            "PutBucketNotificationConfiguration",
            {"Bucket": BUCKET, "NotificationConfiguration": given},
        )
        self.sqs.clear()

    def told(self):
        records = self.sqs.receive("files", self.sqs.waiting("files"))
        return [json.loads(record["body"]) for record in records]

    def calls(self, operation, **given):
        return self.s3.call(operation, {"Bucket": BUCKET, **given})


@pytest.fixture
def house():
    return House()


class TestAnObject:
    def test_is_put_and_got_by_anybody(self, house):
        house.s3.put(BUCKET, "a/2", b"two")
        house.s3.put(BUCKET, "a/1", b"one")
        assert house.s3.get(BUCKET, "a/1") == b"one"
        assert house.s3.get(BUCKET, "a/3") is None
        assert house.s3.keys(BUCKET) == house.s3.keys(BUCKET, "a/") == ["a/1", "a/2"]
        assert house.s3.keys(BUCKET, "b/") == []

    def test_is_not_the_callers(self, house):
        body = bytearray(b"one")
        house.calls("PutObject", Key="a", Body=body)
        body[0] = 0
        assert house.s3.get(BUCKET, "a") == b"one"

    def test_is_told_to_a_queue_as_aws_tells_it(self, house):
        house.s3.put(BUCKET, "in/A 1/清.csv", b"abc")
        assert house.told() == [
            {
                "Records": [
                    {
                        "eventVersion": "2.1",
                        "eventSource": "aws:s3",
                        "awsRegion": REGION,
                        "eventTime": "2027-01-15T08:00:00.250Z",
                        "eventName": "ObjectCreated:Put",
                        "userIdentity": {"principalId": f"AWS:{ACCOUNT}"},
                        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                        "responseElements": {
                            "x-amz-request-id": "000000000000000002",
                            "x-amz-id-2": "000000000000000002",
                        },
                        "s3": {
                            "s3SchemaVersion": "1.0",
                            "configurationId": "files",
                            "bucket": {
                                "name": BUCKET,
                                "ownerIdentity": {"principalId": ACCOUNT},
                                "arn": f"arn:aws:s3:::{BUCKET}",
                            },
                            "object": {
                                "key": "in/A+1/%E6%B8%85.csv",
                                "size": 3,
                                "eTag": "900150983cd24fb0d6963f7d28e17f72",
                                "sequencer": "000000000000000002",
                            },
                        },
                    }
                ]
            }
        ]

    def test_is_not_told_where_nobody_asked(self, house):
        house.s3.put(BUCKET, "out/a", b"abc")
        assert house.told() == []


class TestAState:
    def test_comes_back_as_it_was(self, house):
        house.s3.put(BUCKET, "a", b"one")
        upload_id = house.calls("CreateMultipartUpload", Key="b")["UploadId"]
        before = house.s3.snapshot(), house.s3.digest()
        for _ in range(2):
            house.s3.put(BUCKET, "a", b"two")
            house.calls("UploadPart", Key="b", UploadId=upload_id, PartNumber=1, Body=b"x")
            assert house.s3.digest() != before[1]
            house.s3.restore(before[0])
            assert house.s3.digest() == before[1]
        assert house.s3.get(BUCKET, "a") == b"one"
        assert "Parts" not in house.calls("ListParts", Key="b", UploadId=upload_id)

    def test_begins_anew_with_the_same_buckets_and_listeners(self, house):
        house.s3.put(BUCKET, "in/a", b"one")
        house.calls("CreateMultipartUpload", Key="b")
        house.s3.clear()
        house.sqs.clear()
        assert house.s3.keys(BUCKET) == []
        assert "Uploads" not in house.calls("ListMultipartUploads")
        house.s3.put(BUCKET, "in/a", b"one")
        assert len(house.told()) == 1


class TestWhatNobodyHasSimulated:
    def test_is_said(self, house):
        with pytest.raises(NotSimulatedError, match="Tagging"):
            house.calls("PutObject", Key="a", Tagging="of=one")
        with pytest.raises(NotSimulatedError, match="PutBucketVersioning"):
            house.calls("PutBucketVersioning")
        with pytest.raises(NotSimulatedError, match="versionId"):
            house.calls("CopyObject", Key="a", CopySource=f"{BUCKET}/b?versionId=1")


class DiedError(BaseException):
    """The Lambda dies in the middle of a call: no code of its own may catch that."""


@pytest.fixture
def client():
    return boto3.client("s3", region_name=REGION)


class TestAManagedCopy:
    @pytest.mark.parametrize("size", [1, LARGE])
    def test_runs_in_the_callers_thread(self, house, client, size, monkeypatch):
        monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread"))
        house.s3.put(BUCKET, "a", b"x" * size)
        with answered_by({"s3": house.s3}), single_threaded_transfers():
            client.copy(SOURCE, BUCKET, "in/copy")
        assert house.s3.get(BUCKET, "in/copy") == b"x" * size
        (told,) = house.told()
        ended = "Copy" if size == 1 else "CompleteMultipartUpload"
        assert told["Records"][0]["eventName"] == f"ObjectCreated:{ended}"

    @pytest.mark.parametrize(
        ("size", "operation"),
        [
            (1, "HeadObject"),
            (1, "CopyObject"),
            (LARGE, "CreateMultipartUpload"),
            (LARGE, "UploadPartCopy"),
            (LARGE, "CompleteMultipartUpload"),
        ],
    )
    def test_lets_a_death_through_wherever_it_comes(self, house, client, size, operation):
        house.s3.put(BUCKET, "a", b"x" * size)

        def dies(_service, made, _given, make):
            if made == operation:
                raise DiedError
            return make()

        with (
            answered_by({"s3": house.s3}, around=dies),
            single_threaded_transfers(),
            pytest.raises(DiedError),
        ):
            client.copy(SOURCE, BUCKET, "copy")
        assert house.s3.get(BUCKET, "copy") is None

    def test_that_fails_says_so_and_leaves_no_upload_open(self, house, client):
        house.s3.put(BUCKET, "a", b"x" * LARGE)

        def fails(_service, made, _given, make):
            if made == "UploadPartCopy":
                raise refused(made, "SlowDown")
            return make()

        with (
            answered_by({"s3": house.s3}, around=fails),
            single_threaded_transfers(),
            pytest.raises(client.exceptions.ClientError, match="SlowDown"),
        ):
            client.copy(SOURCE, BUCKET, "copy")
        assert "Uploads" not in house.calls("ListMultipartUploads")

    def test_is_threaded_again_afterwards(self):
        with single_threaded_transfers():
            assert TransferConfig().use_threads is False
        assert TransferConfig().use_threads is True
