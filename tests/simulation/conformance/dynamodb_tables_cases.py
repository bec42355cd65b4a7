"""What DynamoDB promises of tables themselves.

Sources: the API reference of CreateTable, DescribeTable, DeleteTable, ListTables, UpdateTimeToLive
and DescribeContinuousBackups.
"""

from typing import Any

from tests.simulation.conformance.a_table import INVALID, a_table, index, keys
from tests.simulation.conformance.backends import MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

UNKNOWN = "ResourceNotFoundException"


def _described(backend: Backend, **more: Any) -> dict[str, Any]:
    table = a_table(backend, **more)
    described: dict[str, Any] = table.client.describe_table(TableName=table.name)["Table"]
    return described


def case_a_table_is_described_as_it_was_made(backend: Backend) -> None:
    described = _described(backend, sk="N")
    assert described["TableStatus"] == "ACTIVE"
    assert described["KeySchema"] == keys("pk", "sk")
    types = {
        each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]
    }
    assert types == {"pk": "S", "sk": "N"}
    assert described["TableArn"].endswith(f":table/{described['TableName']}")


def case_a_table_tells_how_it_is_billed(backend: Backend) -> None:
    described = _described(backend)
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def case_an_index_is_described_with_its_projection(backend: Backend) -> None:
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["v"]}
    described = _described(
        backend,
        indexes=[index("by_owner", "owner_id", **projection)],
        others={"owner_id": "S"},
    )
    (found,) = described["GlobalSecondaryIndexes"]
    assert (found["IndexName"], found["IndexStatus"]) == ("by_owner", "ACTIVE")
    assert found["Projection"] == projection


def case_a_stream_is_described(backend: Backend) -> None:
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    described = _described(backend, StreamSpecification=stream)
    assert described["StreamSpecification"] == stream
    assert f"/{described['TableName']}/stream/" in described["LatestStreamArn"]


def case_a_table_counts_its_items(backend: Backend) -> None:
    """AWS does so every six hours: until then it says 0."""
    assert _described(backend)["ItemCount"] == 0


def case_a_name_is_given_once(backend: Backend) -> None:
    table = a_table(backend)
    with refused("ResourceInUseException"):
        table.client.create_table(
            TableName=table.name,
            KeySchema=keys("pk"),
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def case_every_key_is_defined(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, indexes=[index("by_owner", "owner_id")])


def case_nothing_is_defined_but_keys(backend: Backend) -> None:
    with refused(INVALID):
        a_table(backend, others={"v": "S"})


@differs(MOTO, because="indexes have names of their own")
def case_indexes_have_names_of_their_own(backend: Backend) -> None:
    with refused(INVALID):
        a_table(
            backend,
            indexes=[index("by_owner", "owner_id"), index("by_owner", "owner_id")],
            others={"owner_id": "S"},
        )


@differs(MOTO, because="INCLUDE needs NonKeyAttributes")
def case_an_index_includes_what_it_names(backend: Backend) -> None:
    with refused(INVALID):
        a_table(
            backend,
            indexes=[index("by_owner", "owner_id", ProjectionType="INCLUDE")],
            others={"owner_id": "S"},
        )


def case_a_deleted_table_is_gone(backend: Backend) -> None:
    table = a_table(backend)
    table.client.delete_table(TableName=table.name)
    with refused(UNKNOWN):
        table.client.describe_table(TableName=table.name)
    with refused(UNKNOWN):
        table.item()


def case_an_unknown_table_is_neither_described_nor_deleted(backend: Backend) -> None:
    client = backend.client("dynamodb")
    with refused(UNKNOWN):
        client.describe_table(TableName=backend.unique("never-made"))
    with refused(UNKNOWN):
        client.delete_table(TableName=backend.unique("never-made"))


def case_a_protected_table_is_not_deleted(backend: Backend) -> None:
    table = a_table(backend, DeletionProtectionEnabled=True)
    with refused(INVALID):
        table.client.delete_table(TableName=table.name)
    table.puts(pk="a")


@differs(MOTO, because="ListTables answers in the order of the names; moto in that of creation")
def case_tables_are_listed_by_name(backend: Backend) -> None:
    tables = [a_table(backend, called=name) for name in ("c", "a", "b")]
    pages = tables[0].client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2})
    names = [name for page in pages for name in page["TableNames"]]
    assert names == sorted(names)
    assert {table.name for table in tables} <= set(names)


def case_a_table_is_found_by_its_arn(backend: Backend) -> None:
    table = a_table(backend)
    table.puts(pk="a")
    arn = table.client.describe_table(TableName=table.name)["Table"]["TableArn"]
    found = table.client.get_item(TableName=arn, Key={"pk": {"S": "a"}})
    assert found["Item"] == {"pk": {"S": "a"}}


def case_items_live_for_ever_unless_it_is_said(backend: Backend) -> None:
    table = a_table(backend)
    told = table.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "DISABLED"}


def case_the_attribute_of_the_time_to_live_is_told(backend: Backend) -> None:
    table = a_table(backend)
    table.client.update_time_to_live(
        TableName=table.name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
    )
    told = table.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    assert (told["TimeToLiveStatus"], told["AttributeName"]) == ("ENABLED", "expires")


def case_backups_are_told(backend: Backend) -> None:
    table = a_table(backend)
    told = table.client.describe_continuous_backups(TableName=table.name)
    description = told["ContinuousBackupsDescription"]
    assert description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
