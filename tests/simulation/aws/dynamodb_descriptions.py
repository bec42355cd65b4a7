"""Creating tables, and telling how they are."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.simulation.aws.dynamodb_refusals import ILLEGAL, InvalidError
from tests.simulation.aws.dynamodb_tables import Index, Schema, Table
from tests.simulation.aws.operations import ACCOUNT, REGION, numbered

INDEXES_MAX = {"GlobalSecondaryIndexes": 20, "LocalSecondaryIndexes": 5}
PROJECTED_MAX = 100
KEPT = ("AttributeDefinitions", "TableName", "KeySchema")
NO_THROUGHPUT = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0}


def table_of(parameters: Mapping[str, Any], *, now: float, number: int) -> Table:
    """Make a table as CreateTable asks for it.

    :raises InvalidError: if its keys and attributes do not fit.
    """
    name = parameters["TableName"]
    types = {
        each["AttributeName"]: each["AttributeType"] for each in parameters["AttributeDefinitions"]
    }
    schema = _schema(parameters["KeySchema"], types)
    indexes: dict[str, Index] = {}
    for kind, most in INDEXES_MAX.items():
        asked = parameters.get(kind) or ()
        if len(asked) > most:
            raise InvalidError(f"{ILLEGAL}{kind} count exceeds the per-table limit of {most}")
        for each in asked:
            if each["IndexName"] in indexes:
                raise InvalidError(f"{ILLEGAL}Duplicate index name: {each['IndexName']}")
            indexes[each["IndexName"]] = _index(each, types, schema, kind)
    used = {*schema.names, *(name for index in indexes.values() for name in index.schema.names)}
    if used != set(types):
        raise InvalidError(
            f"{ILLEGAL}Number of attributes in KeySchema does not exactly match number of "
            "attributes defined in AttributeDefinitions"
        )
    if parameters.get("BillingMode", "PROVISIONED") == "PROVISIONED" and not parameters.get(
        "ProvisionedThroughput"
    ):
        raise InvalidError(
            f"{ILLEGAL}ReadCapacityUnits and WriteCapacityUnits must both be specified when "
            "BillingMode is PROVISIONED"
        )
    stream = parameters.get("StreamSpecification") or {}
    return Table(
        name=name,
        schema=schema,
        indexes=indexes,
        description=_description(parameters, now=now, number=number),
        stream_view=stream["StreamViewType"] if stream.get("StreamEnabled") else None,
    )


def _schema(given: Any, types: Mapping[str, str]) -> Schema:
    kinds = [each["KeyType"] for each in given]
    names = [each["AttributeName"] for each in given]
    if kinds not in (["HASH"], ["HASH", "RANGE"]):
        raise InvalidError("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if len(set(names)) != len(names):
        raise InvalidError(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name"
        )
    if missing := [name for name in names if name not in types]:
        raise InvalidError(
            f"{ILLEGAL}Some index key attributes are not defined in AttributeDefinitions. "
            f"Keys: [{', '.join(missing)}], AttributeDefinitions: [{', '.join(types)}]"
        )
    return Schema(
        hash_name=names[0],
        hash_type=types[names[0]],
        range_name=names[1] if len(names) > 1 else None,
        range_type=types[names[1]] if len(names) > 1 else "",
    )


def _index(given: Mapping[str, Any], types: Mapping[str, str], table: Schema, kind: str) -> Index:
    schema = _schema(given["KeySchema"], types)
    is_local = kind == "LocalSecondaryIndexes"
    if is_local and (schema.hash_name != table.hash_name or schema.range_name is None):
        raise InvalidError(
            f"{ILLEGAL}Index KeySchema does not have the same leading hash key as the table's, "
            f"or no range key for index: {given['IndexName']}"
        )
    projection = given.get("Projection") or {}
    projection_type = projection.get("ProjectionType")
    included = projection.get("NonKeyAttributes")
    if projection_type not in {"ALL", "KEYS_ONLY", "INCLUDE"}:
        raise InvalidError(f"{ILLEGAL}Unknown ProjectionType: {projection_type}")
    if (projection_type == "INCLUDE") != bool(included):
        raise InvalidError(
            f"{ILLEGAL}ProjectionType is {projection_type}, but NonKeyAttributes is "
            f"{'' if included else 'not '}specified"
        )
    names = dict.fromkeys((*table.names, *schema.names, *(included or ())))
    return Index(
        name=given["IndexName"],
        schema=schema,
        projection=None if projection_type == "ALL" else tuple(names),
        is_local=is_local,
    )


def _description(parameters: Mapping[str, Any], *, now: float, number: int) -> dict[str, Any]:
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{parameters['TableName']}"
    created = datetime.fromtimestamp(now, UTC)
    throughput = NO_THROUGHPUT | (parameters.get("ProvisionedThroughput") or {})
    described = {
        **{name: parameters[name] for name in KEPT},
        "TableStatus": "ACTIVE",
        "CreationDateTime": created,
        "ProvisionedThroughput": throughput,
        "TableArn": arn,
        "TableId": numbered(number),
        "DeletionProtectionEnabled": bool(parameters.get("DeletionProtectionEnabled")),
    }
    if parameters.get("BillingMode") == "PAY_PER_REQUEST":
        described["BillingModeSummary"] = {
            "BillingMode": "PAY_PER_REQUEST",
            "LastUpdateToPayPerRequestDateTime": created,
        }
    for kind in INDEXES_MAX:
        if asked := parameters.get(kind):
            described[kind] = [_described_index(each, arn, kind) for each in asked]
    stream = parameters.get("StreamSpecification") or {}
    if stream.get("StreamEnabled"):
        label = created.strftime("%Y-%m-%dT%H:%M:%S.000")
        described |= {
            "StreamSpecification": stream,
            "LatestStreamLabel": label,
            "LatestStreamArn": f"{arn}/stream/{label}",
        }
    if (parameters.get("SSESpecification") or {}).get("Enabled"):
        described["SSEDescription"] = {"Status": "ENABLED", "SSEType": "KMS"}
    if "TableClass" in parameters:
        described["TableClassSummary"] = {"TableClass": parameters["TableClass"]}
    return described


def _described_index(given: Mapping[str, Any], arn: str, kind: str) -> dict[str, Any]:
    described = {
        "IndexName": given["IndexName"],
        "KeySchema": given["KeySchema"],
        "Projection": given["Projection"],
        "IndexArn": f"{arn}/index/{given['IndexName']}",
    }
    if kind == "GlobalSecondaryIndexes":
        described |= {
            "IndexStatus": "ACTIVE",
            "ProvisionedThroughput": NO_THROUGHPUT | (given.get("ProvisionedThroughput") or {}),
        }
    return described


def described(table: Table) -> dict[str, Any]:
    """Describe a table, with what is in it now (AWS counts every six hours)."""
    told = table.description | {
        "ItemCount": len(table.shelf.rows),
        "TableSizeBytes": sum(record.size for record in table.shelf.rows.values()),
    }
    for kind in INDEXES_MAX:
        if kind in told:
            told[kind] = [
                each | _index_figures(table.indexes[each["IndexName"]]) for each in told[kind]
            ]
    return told


def _index_figures(index: Index) -> dict[str, int]:
    return {
        "ItemCount": len(index.shelf.rows),
        "IndexSizeBytes": sum(record.size for record in index.shelf.rows.values()),
    }
