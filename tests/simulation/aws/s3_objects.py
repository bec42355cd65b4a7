"""Objects of S3: what is kept of one, what a condition or a range asks of it, how they are listed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from http import HTTPStatus
from itertools import islice
from typing import Any, NamedTuple

from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters
from tests.simulation.aws.operations import RefusedError
from tests.simulation.aws.s3_events import Notification

HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
)
"""What is kept with an object and told with it, besides its metadata."""
TOLD_AGAIN = ("Delimiter", "ContinuationToken", "StartAfter", "EncodingType")
"""What a list repeats of what it was asked."""
ENCRYPTION = {"ServerSideEncryption": "AES256"}
LISTED_MAX = 1000
NOT_FOUND = HTTPStatus.NOT_FOUND
PRECONDITION_FAILED = HTTPStatus.PRECONDITION_FAILED
RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII)


class Content(NamedTuple):
    """What lies under a key; it is never changed but replaced."""

    body: bytes
    etag: str
    """In quotes, as S3 gives it."""
    changed_at: float
    headers: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """Tell everything but the body."""
        return {
            "AcceptRanges": "bytes",
            "LastModified": moment(self.changed_at),
            "ContentLength": len(self.body),
            "ETag": self.etag,
            **ENCRYPTION,
            **self.headers,
            "Metadata": dict(self.headers["Metadata"]),
        }


@dataclass(slots=True)
class Bucket:
    """A bucket: its objects, and who is told of new ones."""

    name: str
    created_at: float
    contents: dict[str, Content] = field(default_factory=dict)
    notifications: Sequence[Notification] = ()
    configurations: Sequence[Mapping[str, Any]] = ()
    """The notifications as they were asked for."""

    def copy(self) -> "Bucket":
        return Bucket(
            self.name,
            self.created_at,
            self.contents.copy(),
            self.notifications,
            self.configurations,
        )


def moment(seconds: float) -> datetime:
    """Write a moment as S3's headers do: in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC)


def read(given: Any) -> bytes:
    """Read the body of a request: bytes, a text, or a file."""
    if isinstance(given, bytes):
        return given
    found = given.read() if hasattr(given, "read") else given
    return found.encode() if isinstance(found, str) else bytes(found)


def etag_of(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


def headers_of(given: Parameters) -> dict[str, Any]:
    """Take what is kept with an object; the names of its metadata come back in lower case."""
    metadata = {name.lower(): value for name, value in given.get("Metadata", {}).items()}
    headers = {name: given[name] for name in HEADERS if name in given}
    return {"ContentType": "binary/octet-stream", **headers, "Metadata": metadata}


# --- conditions ------------------------------------------------------------------------------


def check_write(found: Content | None, given: Parameters) -> None:
    """See that the conditions of a write hold.

    :raises RefusedError: if one does not.
    """
    if "IfNoneMatch" in given:
        if given["IfNoneMatch"] != "*":
            message = "A header you provided implies functionality that is not implemented"
            raise RefusedError("NotImplemented", message, status=501)
        if found is not None:
            raise failed_condition("If-None-Match")
    if "IfMatch" in given:
        if found is None:
            raise no_such_key()
        check_match(found, given["IfMatch"], "If-Match")


def check_match(found: Content, wanted: str, header: str) -> None:
    if wanted not in ("*", found.etag, found.etag.strip('"')):
        raise failed_condition(header)


def failed_condition(header: str) -> RefusedError:
    message = f"At least one of the pre-conditions you specified did not hold: {header}"
    return RefusedError("PreconditionFailed", message, status=PRECONDITION_FAILED)


def no_such_key() -> RefusedError:
    return RefusedError("NoSuchKey", "The specified key does not exist.", status=NOT_FOUND)


def ranged(body: bytes, wanted: str) -> tuple[bytes, str] | None:
    """Cut a range out of a body, and say which; None if what is wanted is no range.

    >>> ranged(b"abcdef", "bytes=1-2"), ranged(b"abcdef", "bytes=-2"), ranged(b"abc", "lines=1-2")
    ((b'bc', 'bytes 1-2/6'), (b'ef', 'bytes 4-5/6'), None)
    """
    found = RANGE.fullmatch(wanted)
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, end = max(len(body) - int(last), 0), len(body)
        is_empty = not int(last)
    else:
        start, end = int(first), min(int(last) + 1, len(body)) if last else len(body)
        is_empty = False
        if last and int(last) < start:
            return None
    if start >= len(body) or is_empty:
        message = "The requested range is not satisfiable"
        raise RefusedError("InvalidRange", message, status=416)
    return body[start:end], f"bytes {start}-{end - 1}/{len(body)}"


def source_of(given: Parameters) -> tuple[str, str]:
    """Read which object is to be copied."""
    source = given["CopySource"]
    if isinstance(source, str):
        if "?versionId=" in source:
            raise NotSimulatedError(f"s3: a copy of {source}")
        bucket, _, key = source.removeprefix("/").partition("/")
        return bucket, key
    if source.keys() != {"Bucket", "Key"}:
        raise NotSimulatedError(f"s3: a copy of {source}")
    return source["Bucket"], source["Key"]


# --- lists -------------------------------------------------------------------------------------


def page_of(bucket: Bucket, given: Parameters) -> Answer:
    """Answer a list, in the order of UTF-8, which is that of the characters."""
    prefix = given.get("Prefix", "")
    most = min(given.get("MaxKeys", LISTED_MAX), LISTED_MAX)
    token = given.get("ContinuationToken", "")
    after = bytes.fromhex(token).decode() if token else given.get("StartAfter", "")
    keys = sorted(key for key in bucket.contents if key.startswith(prefix) and key > after)
    found = listed(keys, prefix=prefix, delimiter=given.get("Delimiter", ""), after=after)
    page = list(islice(found, most))
    answer: Answer = {
        "IsTruncated": bool(page) and next(found, None) is not None,
        "Name": bucket.name,
        "Prefix": prefix,
        "MaxKeys": most,
        "KeyCount": len(page),
        **{name: given[name] for name in TOLD_AGAIN if name in given},
    }
    if contents := [_entry(key, bucket.contents[key]) for key, is_shared in page if not is_shared]:
        answer["Contents"] = contents
    if prefixes := [{"Prefix": key} for key, is_shared in page if is_shared]:
        answer["CommonPrefixes"] = prefixes
    if answer["IsTruncated"]:
        answer["NextContinuationToken"] = page[-1][0].encode().hex()
    return answer


def _entry(key: str, content: Content) -> dict[str, Any]:
    return {
        "Key": key,
        "LastModified": moment(content.changed_at),
        "ETag": content.etag,
        "Size": len(content.body),
        "StorageClass": "STANDARD",
    }


def listed(
    keys: Sequence[str], *, prefix: str, delimiter: str, after: str
) -> Iterator[tuple[str, bool]]:
    """List keys that come after one and, once each, what they share up to a delimiter.

    >>> list(listed(["a/1", "a/2", "b"], prefix="", delimiter="/", after=""))
    [('a/', True), ('b', False)]
    """
    shared = ""
    for key in keys:
        if shared and key.startswith(shared):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            yield key, False
            continue
        shared = key[: end + len(delimiter)]
        if shared != after:
            yield shared, True
