"""S3 in memory: general purpose buckets without versions, consistent as S3 is.

A queue is told of new objects at once.  boto3's managed transfers (`client.copy` and its kin) run
threads of their own: inside `single_threaded_transfers()` they do not.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.response import StreamingBody

from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters
from tests.simulation.aws.operations import RefusedError, Simulated, digest_of, numbered
from tests.simulation.aws.s3_events import event_of, notification_of, trial_of
from tests.simulation.aws.s3_objects import (
    ENCRYPTION,
    HEADERS,
    LISTED_MAX,
    NOT_FOUND,
    Bucket,
    Content,
    check_match,
    check_write,
    etag_of,
    failed_condition,
    headers_of,
    moment,
    no_such_key,
    page_of,
    ranged,
    read,
    source_of,
)
from tests.simulation.aws.s3_uploads import Upload, etag_of_parts, find_upload
from tests.simulation.aws.sqs import Sqs

KEY_BYTES_MAX = 1024
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
PHRASES = {304: "Not Modified", 404: "Not Found", 412: "Precondition Failed"}
READ = "Bucket Key IfMatch IfNoneMatch ChecksumMode"
KEPT = f"Bucket Key Metadata ChecksumAlgorithm {' '.join(HEADERS)}"
COPIED = "CopySource CopySourceIfMatch CopySourceIfNoneMatch"

Snapshot = tuple[int, dict[str, Bucket], dict[str, Upload]]


class S3(Simulated):
    """All buckets of an account.  Queues are told through `sqs`."""

    service = "s3"
    understands = {
        "AbortMultipartUpload": "Bucket Key UploadId",
        "CompleteMultipartUpload": "Bucket Key UploadId MultipartUpload IfMatch IfNoneMatch",
        "CopyObject": f"{KEPT} {COPIED} MetadataDirective IfMatch IfNoneMatch",
        "CreateBucket": "Bucket",
        "CreateMultipartUpload": KEPT,
        "DeleteBucket": "Bucket",
        "DeleteObject": "Bucket Key",
        "DeleteObjects": "Bucket Delete",
        "GetBucketNotificationConfiguration": "Bucket",
        "GetObject": f"{READ} Range",
        "HeadBucket": "Bucket",
        "HeadObject": READ,
        "ListBuckets": "",
        "ListMultipartUploads": "Bucket",
        "ListObjectsV2": "Bucket Prefix Delimiter MaxKeys ContinuationToken StartAfter"
        " EncodingType",
        "ListParts": "Bucket Key UploadId",
        "PutBucketNotificationConfiguration": "Bucket NotificationConfiguration"
        " SkipDestinationValidation",
        "PutObject": f"{KEPT} Body ContentLength IfMatch IfNoneMatch",
        "UploadPart": "Bucket Key UploadId PartNumber Body ContentLength ChecksumAlgorithm",
        "UploadPartCopy": f"Bucket Key UploadId PartNumber {COPIED} CopySourceRange",
    }

    def __init__(self, *, clock: Callable[[], float], sqs: Sqs | None = None) -> None:
        super().__init__(clock=clock)
        self._sqs = sqs
        self._buckets: dict[str, Bucket] = {}
        self._uploads: dict[str, Upload] = {}
        self._number = 0

    # --- what a simulation needs --------------------------------------------------------

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put an object as somebody else does."""
        self.call("PutObject", {"Bucket": bucket, "Key": key, "Body": body})

    def get(self, bucket: str, key: str) -> bytes | None:
        content = self._buckets[bucket].contents.get(key)
        return None if content is None else content.body

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return sorted(key for key in self._buckets[bucket].contents if key.startswith(prefix))

    def snapshot(self) -> Snapshot:
        buckets = {name: bucket.copy() for name, bucket in self._buckets.items()}
        return self._number, buckets, self._uploads.copy()

    def restore(self, snapshot: Snapshot) -> None:
        self._number, buckets, uploads = snapshot
        self._buckets = {name: bucket.copy() for name, bucket in buckets.items()}
        self._uploads = uploads.copy()

    def clear(self) -> None:
        """Empty all buckets; they stay, and who is told of new objects."""
        self._number = 0
        self._uploads = {}
        for bucket in self._buckets.values():
            bucket.contents = {}

    def digest(self) -> str:
        buckets = sorted(self._buckets.items())
        return digest_of(
            [
                [(name, bucket.notifications) for name, bucket in buckets],
                [
                    (name, key, content.etag, content.changed_at, content.headers)
                    for name, bucket in buckets
                    for key, content in sorted(bucket.contents.items())
                ],
                [
                    (
                        name,
                        *upload[:3],
                        [(number, upload.parts[number].etag) for number in upload.parts],
                    )
                    for name, upload in sorted(self._uploads.items())
                ],
            ]
        )

    # --- buckets ------------------------------------------------------------------------

    def _create_bucket(self, given: Parameters) -> Answer:
        name = given["Bucket"]
        if not BUCKET_NAME.fullmatch(name):
            raise RefusedError("InvalidBucketName", "The specified bucket is not valid.")
        self._buckets.setdefault(name, Bucket(name, self._clock()))
        return {"Location": f"/{name}"}

    def _delete_bucket(self, given: Parameters) -> Answer:
        bucket = self._bucket(given)
        if bucket.contents:
            message = "The bucket you tried to delete is not empty"
            raise RefusedError("BucketNotEmpty", message, status=409)
        del self._buckets[bucket.name]
        return {}

    def _head_bucket(self, given: Parameters) -> Answer:
        try:
            self._bucket(given)
        except RefusedError as error:
            raise _bodiless(error) from None
        return {}

    def _list_buckets(self, _given: Parameters) -> Answer:
        return {
            "Buckets": [
                {"Name": name, "CreationDate": moment(bucket.created_at)}
                for name, bucket in sorted(self._buckets.items())
            ]
        }

    def _put_bucket_notification_configuration(self, given: Parameters) -> Answer:
        bucket, asked = self._bucket(given), given["NotificationConfiguration"]
        if asked.keys() - {"QueueConfigurations"}:
            raise NotSimulatedError(f"s3: a bucket that tells {', '.join(asked)}")
        configurations, notifications = [], []
        for configuration in asked.get("QueueConfigurations", ()):
            self._number += 1
            named = {"Id": numbered(self._number), **configuration}
            configurations.append(named)
            notifications.append(notification_of(named))
        for notification in notifications:
            trial = trial_of(bucket.name, now=self._clock())
            if self._sqs is None or not self._sqs.deliver(notification.queue_arn, trial):
                message = "Unable to validate the following destination configurations"
                raise RefusedError("InvalidArgument", message)
        bucket.configurations, bucket.notifications = configurations, notifications
        return {}

    def _get_bucket_notification_configuration(self, given: Parameters) -> Answer:
        configurations = self._bucket(given).configurations
        return {"QueueConfigurations": list(configurations)} if configurations else {}

    # --- objects ------------------------------------------------------------------------

    def _put_object(self, given: Parameters) -> Answer:
        bucket, body = self._bucket(given), read(given.get("Body", b""))
        check_write(bucket.contents.get(given["Key"]), given)
        content = self._keep(bucket, given["Key"], body, etag_of(body), headers_of(given), "Put")
        return {"ETag": content.etag, **ENCRYPTION}

    def _copy_object(self, given: Parameters) -> Answer:
        bucket, source = self._bucket(given), self._source(given)
        replaces = given.get("MetadataDirective", "COPY") == "REPLACE"
        if source_of(given) == (given["Bucket"], given["Key"]) and not replaces:
            message = (
                "This copy request is illegal because it is trying to copy an object to itself"
                " without changing the object's metadata, storage class, website redirect location"
                " or encryption attributes."
            )
            raise RefusedError("InvalidRequest", message)
        check_write(bucket.contents.get(given["Key"]), given)
        headers = headers_of(given) if replaces else source.headers
        etag = etag_of(source.body)
        content = self._keep(bucket, given["Key"], source.body, etag, headers, "Copy")
        result = {"ETag": etag, "LastModified": moment(content.changed_at)}
        return {"CopyObjectResult": result, **ENCRYPTION}

    def _get_object(self, given: Parameters) -> Answer:
        content = self._content(given)
        answer, body = content.told(), content.body
        if "Range" in given and (found := ranged(body, given["Range"])):
            body, answer["ContentRange"] = found
            answer["ContentLength"] = len(body)
        answer["Body"] = StreamingBody(BytesIO(body), len(body))
        return answer

    def _head_object(self, given: Parameters) -> Answer:
        try:
            return self._content(given).told()
        except RefusedError as error:
            raise _bodiless(error) from None

    def _delete_object(self, given: Parameters) -> Answer:
        self._delete(self._bucket(given), given["Key"])
        return {}

    def _delete_objects(self, given: Parameters) -> Answer:
        bucket, asked = self._bucket(given), given["Delete"]
        if not 0 < len(asked["Objects"]) <= LISTED_MAX:
            message = "The XML you provided was not well-formed"
            raise RefusedError("MalformedXML", message)
        for each in asked["Objects"]:
            self._delete(bucket, each["Key"])
        deleted = [{"Key": each["Key"]} for each in asked["Objects"]]
        return {} if asked.get("Quiet") else {"Deleted": deleted}

    def _list_objects_v2(self, given: Parameters) -> Answer:
        return page_of(self._bucket(given), given)

    # --- uploads in parts ---------------------------------------------------------------

    def _create_multipart_upload(self, given: Parameters) -> Answer:
        name, key = self._bucket(given).name, given["Key"]
        self._number += 1
        upload_id = numbered(self._number)
        self._uploads[upload_id] = Upload(name, key, headers_of(given), {})
        return {"Bucket": name, "Key": key, "UploadId": upload_id, **ENCRYPTION}

    def _upload_part(self, given: Parameters) -> Answer:
        return {"ETag": self._add_part(given, read(given.get("Body", b""))), **ENCRYPTION}

    def _upload_part_copy(self, given: Parameters) -> Answer:
        body = self._source(given).body
        if "CopySourceRange" in given:
            found = ranged(body, given["CopySourceRange"])
            if found is None or not given["CopySourceRange"].endswith(
                found[1].partition("/")[0][6:]
            ):
                message = "The x-amz-copy-source-range value must be of the form bytes=first-last"
                raise RefusedError("InvalidArgument", message)
            body = found[0]
        result = {"ETag": self._add_part(given, body), "LastModified": moment(self._clock())}
        return {"CopyPartResult": result, **ENCRYPTION}

    def _add_part(self, given: Parameters, body: bytes) -> str:
        upload, number = find_upload(self._uploads, given), given["PartNumber"]
        upload = upload.with_part(number, body, now=self._clock())
        self._uploads[given["UploadId"]] = upload
        return upload.parts[number].etag

    def _list_parts(self, given: Parameters) -> Answer:
        told = find_upload(self._uploads, given).told()
        answer = {name: given[name] for name in ("Bucket", "Key", "UploadId")}
        return {**answer, "IsTruncated": False, **({"Parts": told} if told else {})}

    def _list_multipart_uploads(self, given: Parameters) -> Answer:
        bucket = self._bucket(given).name
        uploads = [
            {"UploadId": upload_id, "Key": upload.key}
            for upload_id, upload in self._uploads.items()
            if upload.bucket == bucket
        ]
        answer = {"Bucket": bucket, "IsTruncated": False}
        return {**answer, **({"Uploads": uploads} if uploads else {})}

    def _complete_multipart_upload(self, given: Parameters) -> Answer:
        upload, bucket = find_upload(self._uploads, given), self._bucket(given)
        parts = upload.chosen(given.get("MultipartUpload", {}).get("Parts", ()))
        check_write(bucket.contents.get(upload.key), given)
        body, etag = b"".join(part.body for part in parts), etag_of_parts(parts)
        event = "CompleteMultipartUpload"
        self._keep(bucket, upload.key, body, etag, upload.headers, event)
        del self._uploads[given["UploadId"]]
        location = f"https://{bucket.name}.s3.amazonaws.com/{upload.key}"
        answer = {"Location": location, "Bucket": bucket.name, "Key": upload.key, "ETag": etag}
        return {**answer, **ENCRYPTION}

    def _abort_multipart_upload(self, given: Parameters) -> Answer:
        find_upload(self._uploads, given)
        del self._uploads[given["UploadId"]]
        return {}

    # --- shared -------------------------------------------------------------------------

    def _bucket(self, given: Parameters) -> Bucket:
        bucket = self._buckets.get(given["Bucket"])
        if bucket is None:
            message = "The specified bucket does not exist"
            raise RefusedError("NoSuchBucket", message, status=NOT_FOUND)
        return bucket

    def _content(self, given: Parameters) -> Content:
        """Find the object of a call whose conditions hold."""
        content = self._bucket(given).contents.get(given["Key"])
        if content is None:
            raise no_such_key()
        if "IfMatch" in given:
            check_match(content, given["IfMatch"], "If-Match")
        elif given.get("IfNoneMatch", "") in ("*", content.etag, content.etag.strip('"')):
            raise RefusedError("304", PHRASES[304], status=304)
        return content

    def _source(self, given: Parameters) -> Content:
        """Find the object that is to be copied."""
        bucket, key = source_of(given)
        content = self._bucket({"Bucket": bucket}).contents.get(key)
        if content is None:
            raise no_such_key()
        if "CopySourceIfMatch" in given:
            check_match(content, given["CopySourceIfMatch"], "x-amz-copy-source-If-Match")
        if given.get("CopySourceIfNoneMatch", "") in ("*", content.etag, content.etag.strip('"')):
            raise failed_condition("x-amz-copy-source-If-None-Match")
        return content

    def _keep(
        self,
        bucket: Bucket,
        key: str,
        body: bytes,
        etag: str,
        headers: Mapping[str, Any],
        event: str,
    ) -> Content:
        if len(key.encode()) > KEY_BYTES_MAX:
            raise RefusedError("KeyTooLongError", "Your key is too long")
        content = bucket.contents[key] = Content(body, etag, self._clock(), headers)
        told = {"key": key, "size": len(body), "eTag": etag.strip('"')}
        self._tell(bucket, f"s3:ObjectCreated:{event}", told)
        return content

    def _delete(self, bucket: Bucket, key: str) -> None:
        if bucket.contents.pop(key, None) is not None:
            self._tell(bucket, "s3:ObjectRemoved:Delete", {"key": key})

    def _tell(self, bucket: Bucket, event: str, told: dict[str, Any]) -> None:
        for notification in bucket.notifications:
            if self._sqs is not None and notification.is_about(event, told["key"]):
                self._number += 1
                told = {**told, "sequencer": f"{self._number:018X}"}
                body = event_of(notification, event, bucket.name, told, now=self._clock())
                self._sqs.deliver(notification.queue_arn, body)


def _bodiless(error: RefusedError) -> RefusedError:
    """Refuse as a HEAD is refused: without a body there is no code but the status."""
    status = int(error.status)
    return RefusedError(str(status), PHRASES.get(status, error.message), status=status)


@contextmanager
def single_threaded_transfers() -> Iterator[None]:
    """Have managed transfers made by the caller's thread, unless he configures them himself.

    What is no Exception, and is raised inside a call, then comes out of the transfer.
    """
    before = TransferConfig.DEFAULTS["use_threads"]
    TransferConfig.DEFAULTS["use_threads"] = False
    try:
        yield
    finally:
        TransferConfig.DEFAULTS["use_threads"] = before
