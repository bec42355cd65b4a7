"""Uploads of S3 that come in parts and are not complete yet."""

from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Any, NamedTuple

from tests.simulation.aws.calls import Answer, Parameters
from tests.simulation.aws.operations import RefusedError
from tests.simulation.aws.s3_objects import NOT_FOUND, etag_of, moment

PART_BYTES_MIN = 5 * 1024 * 1024
PART_NUMBERS = range(1, 10_001)


class Part(NamedTuple):
    """A part of an upload that is not complete yet."""

    body: bytes
    etag: str
    changed_at: float


class Upload(NamedTuple):
    """An upload in parts."""

    bucket: str
    key: str
    headers: Mapping[str, Any]
    parts: Mapping[int, Part]

    def with_part(self, number: int, body: bytes, *, now: float) -> "Upload":
        """Give it with one more part, or another one under that number.

        :raises RefusedError: if there is no such number.
        """
        if number not in PART_NUMBERS:
            message = "Part number must be an integer between 1 and 10000, inclusive"
            raise RefusedError("InvalidArgument", message)
        parts = {**self.parts, number: Part(body, etag_of(body), now)}
        return Upload(self.bucket, self.key, self.headers, dict(sorted(parts.items())))

    def told(self) -> list[Answer]:
        return [
            {
                "PartNumber": number,
                "ETag": part.etag,
                "Size": len(part.body),
                "LastModified": moment(part.changed_at),
            }
            for number, part in self.parts.items()
        ]

    def chosen(self, wanted: Sequence[Mapping[str, Any]]) -> list[Part]:
        """Choose the parts that make the object.

        :raises RefusedError: if one is missing, another one, out of order, or too small.
        """
        if not wanted:
            message = "The XML you provided was not well-formed"
            raise RefusedError("MalformedXML", message)
        numbers = [part["PartNumber"] for part in wanted]
        if numbers != sorted(set(numbers)):
            message = "The list of parts was not in ascending order."
            raise RefusedError("InvalidPartOrder", message)
        parts = []
        for asked in wanted:
            part = self.parts.get(asked["PartNumber"])
            if part is None or part.etag.strip('"') != asked["ETag"].strip('"'):
                message = "One or more of the specified parts could not be found."
                raise RefusedError("InvalidPart", message)
            parts.append(part)
        if any(len(part.body) < PART_BYTES_MIN for part in parts[:-1]):
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise RefusedError("EntityTooSmall", message)
        return parts


def etag_of_parts(parts: Sequence[Part]) -> str:
    """Make the ETag of an object put together: the digest of the digests, and how many they are."""
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
    return f'"{md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def find_upload(uploads: Mapping[str, Upload], given: Parameters) -> Upload:
    """Find the upload of a call.

    :raises RefusedError: if there is none under this id for this key.
    """
    upload = uploads.get(given["UploadId"])
    if upload is None or (upload.bucket, upload.key) != (given["Bucket"], given["Key"]):
        message = "The specified upload does not exist."
        raise RefusedError("NoSuchUpload", message, status=NOT_FOUND)
    return upload
