"""What S3 promises of copies and of uploads in parts.

Sources: the API reference of S3, and of its user guide "Multipart upload overview"; for managed
copies the documentation of boto3.
"""

from boto3.s3.transfer import TransferConfig

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused
from tests.simulation.conformance.s3_cases import PART, a_bucket, digest

ONE_BY_ONE = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, use_threads=False)


# --- copying ---------------------------------------------------------------------------------------


def case_a_copy_is_like_its_source(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a b", b"one", Metadata={"of": "one"}, ContentType="text/csv")
    answer = place.copies({"Bucket": place.bucket, "Key": "a b"}, "copy")
    assert answer["CopyObjectResult"]["ETag"] == f'"{digest(b"one")}"'
    assert place.body("copy") == b"one"
    found = place.heads("copy")
    assert (found["Metadata"], found["ContentType"]) == ({"of": "one"}, "text/csv")


def case_a_source_may_be_written_as_a_path(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("in/清 1", b"one")
    place.copies(f"{place.bucket}/in/清 1", "copy")
    assert place.body("copy") == b"one"


def case_a_copy_may_have_metadata_of_its_own(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a", Metadata={"of": "one"})
    source = {"Bucket": place.bucket, "Key": "a"}
    place.copies(source, "a", MetadataDirective="REPLACE", Metadata={"of": "two"})
    assert place.heads("a")["Metadata"] == {"of": "two"}


@differs(LOCAL_CLOUD, because="InvalidRequest: a copy onto itself that changes nothing is illegal")
def case_a_copy_onto_itself_must_change_something(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("a")
    with refused("InvalidRequest", status=400):
        place.copies({"Bucket": place.bucket, "Key": "a"}, "a")


def case_what_is_missing_is_not_copied(backend: Backend) -> None:
    place = a_bucket(backend)
    with refused("NoSuchKey", status=404):
        place.copies({"Bucket": place.bucket, "Key": "a"}, "copy")


@differs(MOTO, because='CopySourceIfMatch: "if its entity tag (ETag) matches the specified tag"')
def case_a_source_is_copied_if_it_is_still_the_same(backend: Backend) -> None:
    place = a_bucket(backend)
    first = place.puts("a", b"one")["ETag"]
    source = {"Bucket": place.bucket, "Key": "a"}
    place.copies(source, "copy", CopySourceIfMatch=first)
    place.puts("a", b"two")
    with refused("PreconditionFailed", status=412):
        place.copies(source, "copy", CopySourceIfMatch=first)
    assert place.body("copy") == b"one"


def case_a_managed_copy_goes_in_parts_where_it_must(backend: Backend) -> None:
    place = a_bucket(backend)
    body = b"x" * PART + b"y"
    place.puts("a", body, ContentType="text/csv", Metadata={"of": "one"})
    source = {"Bucket": place.bucket, "Key": "a"}
    place.client.copy(source, place.bucket, "copy", Config=ONE_BY_ONE)
    assert place.body("copy") == body
    found = place.heads("copy")
    assert found["ETag"].endswith('-2"')
    assert (found["Metadata"], found["ContentType"]) == ({"of": "one"}, "text/csv")


def case_a_managed_copy_of_what_is_missing_has_the_status_of_its_head(backend: Backend) -> None:
    place = a_bucket(backend)
    with refused("404", status=404):
        place.client.copy(
            {"Bucket": place.bucket, "Key": "a"}, place.bucket, "copy", Config=ONE_BY_ONE
        )


# --- uploads in parts --------------------------------------------------------------------------------


def case_parts_make_an_object(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a", ContentType="text/csv", Metadata={"of": "one"})
    bodies = [b"x" * PART, b"end"]
    parts = [place.adds("a", upload_id, number + 1, bodies[number]) for number in (1, 0)]
    assert place.keys() == []
    place.completes("a", upload_id, parts[::-1])
    assert place.body("a") == b"".join(bodies)
    found = place.heads("a")
    digests = b"".join(bytes.fromhex(digest(body)) for body in bodies)
    assert found["ETag"] == f'"{digest(digests)}-2"'
    assert (found["Metadata"], found["ContentType"]) == ({"of": "one"}, "text/csv")


@differs(
    LOCAL_CLOUD,
    because='EntityTooSmall: "Each part must be at least 5 MB in size, except the last part."',
)
def case_every_part_but_the_last_has_five_mebibytes(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    parts = [place.adds("a", upload_id, number, b"x" * (PART - 1)) for number in (1, 2)]
    with refused("EntityTooSmall", status=400):
        place.completes("a", upload_id, parts)


@differs(
    MOTO, LOCAL_CLOUD, because='InvalidPartOrder: "The list of parts was not in ascending order."'
)
def case_parts_are_named_in_their_order(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    parts = [place.adds("a", upload_id, number, b"x" * PART) for number in (1, 2)]
    with refused("InvalidPartOrder", status=400):
        place.completes("a", upload_id, parts[::-1])


def case_a_part_that_is_not_there_is_refused(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    part = place.adds("a", upload_id, 1, b"x")
    with refused("InvalidPart", status=400):
        place.completes("a", upload_id, [part, {**part, "PartNumber": 2}])
    with refused("InvalidPart", status=400):
        place.completes("a", upload_id, [{**part, "ETag": f'"{digest(b"y")}"'}])


def case_an_upload_is_completed_once(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    part = place.adds("a", upload_id, 1, b"x")
    place.completes("a", upload_id, [part], IfNoneMatch="*")
    other = place.begins("a")
    part = place.adds("a", other, 1, b"y")
    with refused("PreconditionFailed", status=412):
        place.completes("a", other, [part], IfNoneMatch="*")
    assert place.body("a") == b"x"


@differs(MOTO, because='NoSuchUpload: "The specified multipart upload does not exist."')
def case_an_aborted_upload_is_gone(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    part = place.adds("a", upload_id, 1, b"x")
    place.client.abort_multipart_upload(Bucket=place.bucket, Key="a", UploadId=upload_id)
    with refused("NoSuchUpload", status=404):
        place.completes("a", upload_id, [part])
    assert place.keys() == []


def case_an_open_upload_tells_its_parts(backend: Backend) -> None:
    place = a_bucket(backend)
    upload_id = place.begins("a")
    part = place.adds("a", upload_id, 1, b"xyz")
    answer = place.client.list_parts(Bucket=place.bucket, Key="a", UploadId=upload_id)
    (found,) = answer["Parts"]
    assert (found["PartNumber"], found["ETag"], found["Size"]) == (1, part["ETag"], 3)


def case_a_part_may_be_a_range_of_another_object(backend: Backend) -> None:
    place = a_bucket(backend)
    place.puts("source", b"x" * PART + b"abcdef")
    upload_id = place.begins("a")
    copied = place.client.upload_part_copy(
        Bucket=place.bucket,
        Key="a",
        UploadId=upload_id,
        PartNumber=1,
        CopySource={"Bucket": place.bucket, "Key": "source"},
        CopySourceRange=f"bytes={PART + 1}-{PART + 2}",
    )
    part = {"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}
    place.completes("a", upload_id, [part])
    assert place.body("a") == b"bc"
