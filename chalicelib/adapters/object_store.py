"""The exchange bucket, in S3."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from botocore.exceptions import ClientError

from chalicelib.flows.file_ports import ObjectReplacedError
from chalicelib.flows.ports import StoredObject

CHUNK_BYTES = 1024 * 1024
MISSING = frozenset(("NoSuchKey", "404", "NotFound"))
REPLACED = frozenset(("PreconditionFailed", "412", "ConditionalRequestConflict", "409"))


@dataclass(frozen=True, kw_only=True, slots=True)
class S3ObjectStore:
    """One bucket.  Whoever reads it needs ListBucket as well: without, a missing key is a 403."""

    client: Any
    bucket: str

    def open(self, key: str, *, etag: str = "") -> Iterator[bytes]:
        pinned = {"IfMatch": f'"{etag}"'} if etag else {}
        with _errors(key):
            found = self.client.get_object(Bucket=self.bucket, Key=key, **pinned)
        if etag and _etag(found) != etag:  # not every S3 minds the condition
            raise ObjectReplacedError(key)
        chunks: Iterator[bytes] = found["Body"].iter_chunks(CHUNK_BYTES)
        return chunks

    def read(self, key: str) -> bytes:
        return b"".join(self.open(key))

    def write(self, key: str, body: bytes | IO[bytes]) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def write_once(self, key: str, body: bytes) -> bool:
        try:
            with _errors(key):
                self.client.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ObjectReplacedError:
            return False
        return True

    def head(self, key: str) -> StoredObject | None:
        try:
            with _errors(key):
                found = self.client.head_object(Bucket=self.bucket, Key=key)
        except KeyError:
            return None
        return StoredObject(key=key, size=found["ContentLength"], etag=_etag(found))

    def keys(self, prefix: str) -> Iterator[str]:
        pages = self.client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                yield found["Key"]

    def copy(self, source: str, target: str) -> None:
        with _errors(source):
            # The managed copy goes in parts where one request would be too large.
            self.client.copy({"Bucket": self.bucket, "Key": source}, self.bucket, target)


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


@contextmanager
def _errors(key: str) -> Iterator[None]:
    """Say in our words that an object is missing or another one; let everything else out."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise KeyError(key) from error
        if code in REPLACED:
            raise ObjectReplacedError(key) from error
        raise
