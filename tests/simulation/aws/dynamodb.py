"""DynamoDB in memory, for the simulation: complete where we use it, exact, and fast.

What it does not know it does not pass over: an operation or a parameter that nobody has simulated
stops the simulation.  Reads that AWS calls eventually consistent, those of indexes among them, may
be made to lag behind.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, ClassVar

from botocore.exceptions import ParamValidationError

from tests.simulation.aws import dynamodb_transactions as transactions
from tests.simulation.aws import dynamodb_writes as writes
from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters, refused
from tests.simulation.aws.dynamodb_batches import batch_get, batch_write
from tests.simulation.aws.dynamodb_capacity import Bill, read_units, total_written
from tests.simulation.aws.dynamodb_compiled import compiled
from tests.simulation.aws.dynamodb_descriptions import described, table_of
from tests.simulation.aws.dynamodb_reads import query, scan
from tests.simulation.aws.dynamodb_refusals import InvalidError, RefusedError
from tests.simulation.aws.dynamodb_streams import stream_record
from tests.simulation.aws.dynamodb_tables import Table
from tests.simulation.aws.dynamodb_updates import projected
from tests.simulation.aws.dynamodb_values import Item, Record
from tests.simulation.aws.operations import Simulated, check_understood

READ = "TableName IndexName Select Limit ExclusiveStartKey ConsistentRead ReturnConsumedCapacity "
EXPRESSED = "ExpressionAttributeNames ExpressionAttributeValues "
ONE = (
    "TableName ConditionExpression ReturnValues ReturnConsumedCapacity "
    "ReturnItemCollectionMetrics ReturnValuesOnConditionCheckFailure "
)
RETURNS_OLD = frozenset(("NONE", "ALL_OLD"))
RETURNS = RETURNS_OLD | {"ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"}
LIST_TABLES_MAX = 100


class DynamoDB(Simulated):
    """All tables of one region."""

    service = "dynamodb"
    understands: ClassVar[Mapping[str, str]] = {
        "GetItem": "TableName Key ConsistentRead ReturnConsumedCapacity ProjectionExpression "
        "ExpressionAttributeNames",
        "PutItem": f"{ONE}{EXPRESSED}Item",
        "UpdateItem": f"{ONE}{EXPRESSED}Key UpdateExpression",
        "DeleteItem": f"{ONE}{EXPRESSED}Key",
        "Query": f"{READ}{EXPRESSED}KeyConditionExpression FilterExpression ProjectionExpression "
        "ScanIndexForward",
        "Scan": f"{READ}{EXPRESSED}FilterExpression ProjectionExpression Segment TotalSegments",
        "BatchGetItem": "RequestItems ReturnConsumedCapacity",
        "BatchWriteItem": "RequestItems ReturnConsumedCapacity ReturnItemCollectionMetrics",
        "TransactWriteItems": "TransactItems ReturnConsumedCapacity ReturnItemCollectionMetrics "
        "ClientRequestToken",
        "TransactGetItems": "TransactItems ReturnConsumedCapacity",
        "CreateTable": "TableName KeySchema AttributeDefinitions GlobalSecondaryIndexes "
        "LocalSecondaryIndexes BillingMode ProvisionedThroughput StreamSpecification "
        "SSESpecification Tags TableClass DeletionProtectionEnabled",
        "DescribeTable": "TableName",
        "DeleteTable": "TableName",
        "ListTables": "ExclusiveStartTableName Limit",
        "UpdateTimeToLive": "TableName TimeToLiveSpecification",
        "DescribeTimeToLive": "TableName",
        "UpdateContinuousBackups": "TableName PointInTimeRecoverySpecification",
        "DescribeContinuousBackups": "TableName",
    }

    def __init__(
        self, *, clock: Callable[[], float], lag: Callable[[], float] | None = None
    ) -> None:
        super().__init__(clock=clock)
        self._lag = lag
        self._tables: dict[str, Table] = {}
        self._tables_made = 0
        self._tokens = transactions.Tokens()

    def call(self, operation: str, parameters: Parameters) -> Answer:
        """Answer one API call.

        :raises ClientError: as AWS would refuse it.
        :raises NotSimulatedError: if nobody has simulated the operation, or a parameter of it.
        """
        try:
            answer, understood = self._operations[operation]
        except KeyError:
            raise NotSimulatedError(f"dynamodb {operation}") from None
        check_understood(parameters, understood, operation)
        try:
            return answer(parameters)
        except RefusedError as error:
            metadata = {"HTTPStatusCode": 400}
            raise refused(
                operation, error.code, error.message, ResponseMetadata=metadata, **error.more
            ) from None

    def _table(self, name: str) -> Table:
        """Find a table by its name or ARN."""
        found = self._tables.get(name) or self._tables.get(name.rpartition("table/")[2])
        if found is None:
            raise RefusedError("ResourceNotFoundException", "Requested resource not found")
        return found

    # --- one item -----------------------------------------------------------------------

    def _get_item(self, parameters: Parameters) -> Answer:
        table = self._table(parameters["TableName"])
        code = compiled(parameters)
        key = table.key_given(parameters["Key"])
        consistent = parameters.get("ConsistentRead", False)
        if consistent or not table.late:
            record = table.shelf.rows.get(key)
        else:
            record = table.seen(key, self._clock())
        answer: Answer = {}
        if record is not None:
            answer["Item"] = (
                record.copy()
                if code.projection is None
                else projected(code.projection, record.item)
            )
        if "ReturnConsumedCapacity" in parameters:
            bill = Bill(parameters["ReturnConsumedCapacity"])
            if bill.asked:
                size = record.size if record else 0
                bill.counts(table, read_units(size, consistent=consistent))
                answer["ConsumedCapacity"] = bill.single()
        return answer

    def _put_item(self, parameters: Parameters) -> Answer:
        return self._written(writes.put, parameters, RETURNS_OLD)

    def _update_item(self, parameters: Parameters) -> Answer:
        return self._written(writes.update, parameters, RETURNS)

    def _delete_item(self, parameters: Parameters) -> Answer:
        return self._written(writes.delete, parameters, RETURNS_OLD)

    def _written(
        self,
        make: Callable[[Table, Parameters], writes.Plan],
        parameters: Parameters,
        returns: frozenset[str],
    ) -> Answer:
        table = self._table(parameters["TableName"])
        wanted = parameters.get("ReturnValues", "NONE")
        if wanted not in returns:
            raise InvalidError("Return values set to invalid value")
        plan = make(table, parameters)
        plan.find()
        plan.decide()
        self._write(plan)
        answer: Answer = {}
        if wanted != "NONE" and (attributes := writes.returned(plan, wanted)) is not None:
            answer["Attributes"] = attributes
        asked = parameters.get("ReturnConsumedCapacity")
        if asked == "TOTAL":
            answer["ConsumedCapacity"] = total_written(table, plan.old, plan.new)
        elif asked == "INDEXES":
            bill = Bill(asked)
            bill.wrote(table, plan.old, plan.new)
            answer["ConsumedCapacity"] = bill.single()
        return answer

    def _write(self, plan: writes.Plan) -> None:
        plan.table.write(plan.key, plan.old, plan.new, clock=self._clock, lag=self._lag)

    # --- many items ---------------------------------------------------------------------

    def _query(self, parameters: Parameters) -> Answer:
        return query(self._table(parameters["TableName"]), parameters, self._clock())

    def _scan(self, parameters: Parameters) -> Answer:
        return scan(self._table(parameters["TableName"]), parameters, self._clock())

    def _batch_get_item(self, parameters: Parameters) -> Answer:
        return batch_get(parameters, self._table, self._clock())

    def _batch_write_item(self, parameters: Parameters) -> Answer:
        return batch_write(parameters, self._table, self._write)

    # --- transactions -------------------------------------------------------------------

    def _transact_write_items(self, parameters: Parameters) -> Answer:
        items = parameters["TransactItems"]
        transactions.check_number(items)
        bill = Bill(parameters.get("ReturnConsumedCapacity"))
        token = parameters.get("ClientRequestToken")
        kind = "Write"
        if token is not None and self._tokens.is_done(token, items, self._clock()):
            kind = "Read"
            transactions.read_again(items, self._table, bill)
        else:
            plans = transactions.decided(items, self._table)
            for plan in plans:
                if plan.new is not plan.old or plan.new is None:
                    self._write(plan)
            transactions.written(plans, bill)
            if token is not None:
                self._tokens.remember(token, items, self._clock())
        return {"ConsumedCapacity": bill.consumed(kind=kind)} if bill.asked else {}

    def _transact_get_items(self, parameters: Parameters) -> Answer:
        transactions.check_number(parameters["TransactItems"])
        bill = Bill(parameters.get("ReturnConsumedCapacity"))
        answer: Answer = {
            "Responses": transactions.got(parameters["TransactItems"], self._table, bill)
        }
        if bill.asked:
            answer["ConsumedCapacity"] = bill.consumed(kind="Read")
        return answer

    # --- tables -------------------------------------------------------------------------

    def _create_table(self, parameters: Parameters) -> Answer:
        name = parameters["TableName"]
        if name in self._tables:
            raise RefusedError("ResourceInUseException", f"Table already exists: {name}")
        self._tables_made += 1
        table = table_of(parameters, now=self._clock(), number=self._tables_made)
        self._tables[name] = table
        return {"TableDescription": described(table)}

    def _describe_table(self, parameters: Parameters) -> Answer:
        return {"Table": described(self._known(parameters["TableName"]))}

    def _delete_table(self, parameters: Parameters) -> Answer:
        table = self._known(parameters["TableName"])
        if table.description["DeletionProtectionEnabled"]:
            raise InvalidError(
                f"Resource cannot be deleted as it is currently protected against deletion. "
                f"Disable deletion protection first. Table: {table.name}"
            )
        del self._tables[table.name]
        return {"TableDescription": described(table) | {"TableStatus": "DELETING"}}

    def _known(self, name: str) -> Table:
        """Find a table, for who asks about the table itself."""
        try:
            return self._table(name)
        except RefusedError as error:
            raise RefusedError(error.code, f"{error.message}: Table: {name} not found") from None

    def _list_tables(self, parameters: Parameters) -> Answer:
        limit = parameters.get("Limit", LIST_TABLES_MAX)
        if not 1 <= limit <= LIST_TABLES_MAX:
            raise ParamValidationError(report=f"Invalid value for parameter Limit: {limit}")
        after = parameters.get("ExclusiveStartTableName", "")
        names = sorted(name for name in self._tables if name > after)
        answer: Answer = {"TableNames": names[:limit]}
        if len(names) > limit:
            answer["LastEvaluatedTableName"] = names[limit - 1]
        return answer

    def _update_time_to_live(self, parameters: Parameters) -> Answer:
        table, asked = self._known(parameters["TableName"]), parameters["TimeToLiveSpecification"]
        is_on = table.time_to_live["TimeToLiveStatus"] == "ENABLED"
        if is_on == asked["Enabled"]:
            raise InvalidError(f"TimeToLive is already {'enabled' if is_on else 'disabled'}")
        table.time_to_live = (
            {"TimeToLiveStatus": "ENABLED", "AttributeName": asked["AttributeName"]}
            if asked["Enabled"]
            else {"TimeToLiveStatus": "DISABLED"}
        )
        return {"TimeToLiveSpecification": dict(asked)}

    def _describe_time_to_live(self, parameters: Parameters) -> Answer:
        return {"TimeToLiveDescription": dict(self._known(parameters["TableName"]).time_to_live)}

    def _update_continuous_backups(self, parameters: Parameters) -> Answer:
        table = self._known(parameters["TableName"])
        asked = parameters["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        table.backups = "ENABLED" if asked else "DISABLED"
        return self._describe_continuous_backups(parameters)

    def _describe_continuous_backups(self, parameters: Parameters) -> Answer:
        table = self._known(parameters["TableName"])
        return {
            "ContinuousBackupsDescription": {
                "ContinuousBackupsStatus": "ENABLED",
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": table.backups},
            }
        }

    # --- for the simulation -------------------------------------------------------------

    def stream(self, table_name: str) -> list[dict[str, Any]]:
        """Give the records of a table's stream that nobody has taken, oldest first."""
        table = self._tables[table_name]
        return [stream_record(table, written) for written in table.stream]

    def take_stream(self, table_name: str, limit: int) -> list[dict[str, Any]]:
        """Take the oldest records of a table's stream away."""
        table = self._tables[table_name]
        taken, table.stream = table.stream[:limit], table.stream[limit:]
        return [stream_record(table, written) for written in taken]

    def items(self, table_name: str) -> Iterator[Item]:
        """Give the items of a table as they are stored: they are to be looked at only."""
        return (record.item for record in self._tables[table_name].shelf.rows.values())

    def clear(self) -> None:
        """Drop all items and streams; the tables stay."""
        for table in self._tables.values():
            table.clear()
        self._tokens.done = {}

    def snapshot(self) -> object:
        """Remember everything; what is remembered may be restored any number of times."""
        tables = [(table, table.snapshot()) for table in self._tables.values()]
        return tables, dict(self._tokens.done), self._tables_made

    def restore(self, snapshot: Any) -> None:
        """Have everything be as it was at a snapshot."""
        tables, done, self._tables_made = snapshot
        self._tables = {table.name: table for table, _ in tables}
        for table, state in tables:
            table.restore(state)
        self._tokens.done = dict(done)

    def digest(self) -> str:
        """Digest the items of all tables: the same items, the same digest, in every process."""
        whole = blake2b(digest_size=16)
        for name in sorted(self._tables):
            rows = self._tables[name].shelf.rows
            whole.update(f"{name} {len(rows)}\n".encode())
            for fingerprint in sorted([_fingerprint(record) for record in rows.values()]):
                whole.update(fingerprint)
        return whole.hexdigest()


def _fingerprint(record: Record) -> bytes:
    if record.fingerprint is None:
        text = json.dumps(record.item, sort_keys=True, default=bytes.hex)
        record.fingerprint = blake2b(text.encode(), digest_size=16).digest()
    return record.fingerprint
