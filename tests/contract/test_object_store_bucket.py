"""Whatever stands behind the Exchange port, it keeps these promises."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.adapters.object_store import CHUNK_BYTES, S3ObjectStore
from chalicelib.flows.file_ports import ObjectReplacedError
from tests.fakes import Outside
from tests.fakes_files import FakeObjects

BUCKET = "exchange"
KEY = "in/loans/20261124/loans_v1.csv"


@pytest.fixture(params=["fake", "s3"])
def store(request):
    if request.param == "fake":
        yield FakeObjects(Outside())
        return
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield S3ObjectStore(client=client, bucket=BUCKET)


class TestExchange:
    def test_gives_back_what_it_was_given(self, store):
        store.write(KEY, "一二三".encode())

        assert store.read(KEY) == b"".join(store.open(KEY)) == "一二三".encode()

    def test_streams_a_large_object_in_chunks(self, store):
        body = b"0123456789abcdef" * 70_000
        store.write(KEY, body)
        chunks = list(store.open(KEY))

        assert b"".join(chunks) == body
        assert max(map(len, chunks)) <= CHUNK_BYTES
        assert len(chunks) > 1

    def test_says_how_large_an_object_is_and_whether_it_is_there(self, store):
        store.write(KEY, b"12345")

        assert store.head(KEY).size == 5
        assert store.head("in/nothing") is None

    def test_raises_at_once_for_what_is_not_there(self, store):
        for read in (store.open, store.read, lambda key: store.copy(key, "elsewhere")):
            with pytest.raises(KeyError):
                read("in/nothing")

    def test_tells_a_replaced_object_from_the_one_it_knew(self, store):
        store.write(KEY, b"old")
        known = store.head(KEY).etag
        assert b"".join(store.open(KEY, etag=known)) == b"old"
        store.write(KEY, b"new")

        with pytest.raises(ObjectReplacedError):
            store.open(KEY, etag=known)

    def test_copies(self, store):
        store.write(KEY, b"12345")
        store.copy(KEY, f"quarantine/{KEY}")

        assert store.read(f"quarantine/{KEY}") == store.read(KEY) == b"12345"

    def test_lists_keys_by_prefix_in_order(self, store):
        for key in ("out/b", "in/c", "out/a"):
            store.write(key, b"")

        assert list(store.keys("out/")) == ["out/a", "out/b"]


def test_does_not_rely_on_the_bucket_to_mind_the_condition():
    class Careless:
        def get_object(self, **asked):
            return {"ETag": '"new"', "Body": None}

    with pytest.raises(ObjectReplacedError):
        S3ObjectStore(client=Careless(), bucket=BUCKET).open(KEY, etag="old")


def test_lets_other_trouble_out():
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        nowhere = S3ObjectStore(client=client, bucket="no-such-bucket")

        with pytest.raises(ClientError, match="NoSuchBucket"):
            nowhere.open(KEY)
