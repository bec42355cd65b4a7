"""What S3 promises of objects: put and got, under conditions, deleted, listed.

Sources: the API reference of S3, and of its user guide "Conditional requests" and "Organizing
objects using prefixes".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from hashlib import md5
from io import BytesIO
from typing import Any

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

PART = 5 * 1024 * 1024


@dataclass(frozen=True)
class Place:
    """One bucket and its client."""

    client: Any
    bucket: str

    def puts(self, key: str, body: Any = b"a", **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.put_object(
            Bucket=self.bucket, Key=key, Body=body, **more
        )
        return answer

    def gets(self, key: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get_object(Bucket=self.bucket, Key=key, **more)
        return answer

    def body(self, key: str, **more: Any) -> bytes:
        body: bytes = self.gets(key, **more)["Body"].read()
        return body

    def heads(self, key: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.head_object(Bucket=self.bucket, Key=key, **more)
        return answer

    def copies(self, source: Any, key: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.copy_object(
            Bucket=self.bucket, Key=key, CopySource=source, **more
        )
        return answer

    def lists(self, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.list_objects_v2(Bucket=self.bucket, **more)
        return answer

    def keys(self, **more: Any) -> list[str]:
        return [found["Key"] for found in self.lists(**more).get("Contents", ())]

    def begins(self, key: str, **more: Any) -> str:
        answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, **more)
        upload_id: str = answer["UploadId"]
        return upload_id

    def adds(self, key: str, upload_id: str, number: int, body: bytes) -> dict[str, Any]:
        answer = self.client.upload_part(
            Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def completes(
        self, key: str, upload_id: str, parts: Iterable[dict[str, Any]], **more: Any
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.complete_multipart_upload(
            Bucket=self.bucket,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": list(parts)},
            **more,
        )
        return answer


def a_bucket(backend: Backend) -> Place:
    client, name = backend.client("s3"), backend.unique("afterloan-bucket")
    client.create_bucket(Bucket=name)
    return Place(client, name)


def digest(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


# --- putting and getting -----------------------------------------------------------------------


@differs(LOCAL_CLOUD, because="the type of what has none is binary/octet-stream")
def case_what_is_put_is_got(backend: Backend) -> None:
    place = a_bucket(backend)
    body = b"loan,1\n"
    put = place.puts("in/a.csv", body)
    got = place.gets("in/a.csv")
    assert got["Body"].read() == body
    assert got["ContentLength"] == 7
    assert got["ETag"] == put["ETag"] == f'"{digest(body)}"'
    assert got["ContentType"] == "binary/octet-stream"
    assert got["LastModified"].astimezone(UTC).microsecond == 0


def case_a_file_is_put_as_its_bytes_are(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", BytesIO(b"abc"))
    assert place.body("a") == b"abc"


def case_a_body_is_read_in_pieces(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"one\ntwo\n")
    assert list(place.gets("a")["Body"].iter_chunks(3)) == [b"one", b"\ntw", b"o\n"]
    assert list(place.gets("a")["Body"].iter_lines()) == [b"one", b"two"]
    body = place.gets("a")["Body"]
    assert (body.read(3), body.read(), body.read()) == (b"one", b"\ntwo\n", b"")
    body.close()


def case_an_object_may_be_empty(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"")
    assert place.body("a") == b""
    assert place.heads("a")["ContentLength"] == 0


def case_a_later_object_replaces(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"one", Metadata={"of": "one"})
    place.puts("a", b"two")
    assert place.body("a") == b"two"
    assert place.heads("a")["Metadata"] == {}


def case_metadata_comes_back_in_lower_case(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", Metadata={"Partner": "A"}, ContentType="text/csv")
    found = place.heads("a")
    assert found["Metadata"] == {"partner": "A"}
    assert found["ContentType"] == "text/csv"


def case_a_key_that_is_missing_is_refused(backend: Backend) -> None:
    place = a_bucket(backend)
    with refused("NoSuchKey", status=404):
        place.gets("a")


def case_a_head_that_is_missing_has_only_its_status(backend: Backend) -> None:
    place = a_bucket(backend)
    with refused("404", status=404):
        place.heads("a")


def case_a_bucket_that_is_missing_is_refused(backend: Backend) -> None:
    place = Place(backend.client("s3"), backend.unique("afterloan-missing"))
    with refused("NoSuchBucket", status=404):
        place.gets("a")
    with refused("NoSuchBucket", status=404):
        place.puts("a")
    with refused("NoSuchBucket", status=404):
        place.lists()
    with refused("404", status=404):
        place.client.head_bucket(Bucket=place.bucket)


@differs(MOTO, LOCAL_CLOUD, because='"The maximum length of a key is 1,024 bytes"')
def case_a_key_has_1024_bytes_at_most(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("k" * 1024)
    with refused("KeyTooLongError", status=400):
        place.puts("k" * 1025)


# --- ranges and conditions -----------------------------------------------------------------------


def case_a_range_is_a_part_of_the_body(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"abcdef")
    found = place.gets("a", Range="bytes=1-2")
    assert found["Body"].read() == b"bc"
    assert found["ContentRange"] == "bytes 1-2/6"
    assert found["ContentLength"] == 2
    assert place.body("a", Range="bytes=4-") == b"ef"
    assert place.body("a", Range="bytes=-1") == b"f"
    assert place.body("a", Range="bytes=3-99") == b"def"


def case_a_range_after_the_end_is_refused(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"abc")
    with refused("InvalidRange", status=416):
        place.gets("a", Range="bytes=3-")


def case_an_object_is_read_if_it_is_still_the_same(backend: Backend) -> None:
    place = a_bucket(backend)
    first = place.puts("a", b"one")["ETag"]
    assert place.body("a", IfMatch=first) == b"one"
    place.puts("a", b"two")
    with refused("PreconditionFailed", status=412):
        place.gets("a", IfMatch=first)
    with refused("412", status=412):
        place.heads("a", IfMatch=first)


def case_an_object_is_not_sent_again_if_it_is_the_same(backend: Backend) -> None:
    place = a_bucket(backend)
    etag = place.puts("a", b"one")["ETag"]
    with refused("304", status=304):
        place.gets("a", IfNoneMatch=etag)
    assert place.body("a", IfNoneMatch='"other"') == b"one"


def case_an_object_is_written_once(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", b"one", IfNoneMatch="*")
    with refused("PreconditionFailed", status=412):
        place.puts("a", b"two", IfNoneMatch="*")
    assert place.body("a") == b"one"
    place.client.delete_object(Bucket=place.bucket, Key="a")
    place.puts("a", b"three", IfNoneMatch="*")
    assert place.body("a") == b"three"


def case_an_object_is_replaced_if_it_is_still_the_same(backend: Backend) -> None:
    place = a_bucket(backend)
    etag = place.puts("a", b"one")["ETag"]
    place.puts("a", b"two", IfMatch=etag)
    with refused("PreconditionFailed", status=412):
        place.puts("a", b"three", IfMatch=etag)
    assert place.body("a") == b"two"


def case_what_is_missing_cannot_be_replaced(backend: Backend) -> None:
    place = a_bucket(backend)
    with refused("NoSuchKey", status=404):
        place.puts("a", b"one", IfMatch=f'"{digest(b"one")}"')


# --- deleting --------------------------------------------------------------------------------------


def case_a_deleted_object_is_gone_and_may_be_deleted_again(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    for _ in range(2):
        place.client.delete_object(Bucket=place.bucket, Key="a")
    assert place.keys() == []


def case_many_objects_are_deleted_at_once(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    place.puts("b")
    answer = place.client.delete_objects(
        Bucket=place.bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "missing"}]}
    )
    assert sorted(each["Key"] for each in answer["Deleted"]) == ["a", "missing"]
    assert place.keys() == ["b"]


def case_a_bucket_with_objects_is_not_deleted(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    with refused("BucketNotEmpty", status=409):
        place.client.delete_bucket(Bucket=place.bucket)
    place.client.delete_object(Bucket=place.bucket, Key="a")
    place.client.delete_bucket(Bucket=place.bucket)
    with refused("404"):
        place.client.head_bucket(Bucket=place.bucket)


# --- listing ---------------------------------------------------------------------------------------


def case_keys_are_listed_in_the_order_of_their_bytes(backend: Backend) -> None:
    place = a_bucket(backend)
    keys = ["B", "a", "a/", "a-", "é", "清", "𐀀", "\uffee"]
    for key in keys:
        place.puts(key)
    assert place.keys() == sorted(keys, key=str.encode)


def case_a_list_says_what_an_object_is(backend: Backend) -> None:
    place = a_bucket(backend)
    put = place.puts("a", b"abc")
    (found,) = place.lists()["Contents"]
    assert (found["Key"], found["Size"], found["ETag"]) == ("a", 3, put["ETag"])
    assert found["StorageClass"] == "STANDARD"


def case_an_empty_list_has_no_contents(backend: Backend) -> None:
    answer = a_bucket(backend).lists(Prefix="none/")
    assert "Contents" not in answer
    assert (answer["KeyCount"], answer["IsTruncated"]) == (0, False)
    assert answer["Prefix"] == "none/"


def case_keys_are_listed_by_prefix(backend: Backend) -> None:
    place = a_bucket(backend)
    for key in ("in/a", "in/b", "inner", "out/a"):
        place.puts(key)
    assert place.keys(Prefix="in/") == ["in/a", "in/b"]
    assert place.keys(StartAfter="in/b") == ["inner", "out/a"]


def case_keys_share_prefixes_up_to_a_delimiter(backend: Backend) -> None:
    place = a_bucket(backend)
    for key in ("in/1/a", "in/1/b", "in/2/a", "in/c", "out"):
        place.puts(key)
    answer = place.lists(Prefix="in/", Delimiter="/")
    assert answer["CommonPrefixes"] == [{"Prefix": "in/1/"}, {"Prefix": "in/2/"}]
    assert [found["Key"] for found in answer["Contents"]] == ["in/c"]
    assert answer["KeyCount"] == 3


def case_a_long_list_goes_on(backend: Backend) -> None:
    place = a_bucket(backend)
    keys = [f"k{number}" for number in range(5)]
    for key in keys:
        place.puts(key)
    page = place.lists(MaxKeys=2)
    assert (page["IsTruncated"], page["KeyCount"], page["MaxKeys"]) == (True, 2, 2)
    pages = place.client.get_paginator("list_objects_v2").paginate(
        Bucket=place.bucket, PaginationConfig={"PageSize": 2}
    )
    listed = [[found["Key"] for found in page["Contents"]] for page in pages]
    assert listed == [keys[:2], keys[2:4], keys[4:]]


def case_shared_prefixes_go_on_as_well(backend: Backend) -> None:
    place = a_bucket(backend)
    for key in ("a/1", "a/2", "b/1", "c"):
        place.puts(key)
    first = place.lists(Delimiter="/", MaxKeys=1)
    assert first["CommonPrefixes"] == [{"Prefix": "a/"}]
    second = place.lists(Delimiter="/", MaxKeys=1, ContinuationToken=first["NextContinuationToken"])
    assert second["CommonPrefixes"] == [{"Prefix": "b/"}]
