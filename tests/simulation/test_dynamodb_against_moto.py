"""Whatever is done to a small table, the simulated DynamoDB and moto answer the same.

Two implementations that know nothing of each other rarely share a fault.  Where moto is known to
differ from AWS (the conformance cases say where) nothing is drawn.
"""

from functools import partial

import pytest
from botocore.exceptions import ClientError
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from moto import mock_aws

from tests.simulation.aws.dynamodb import DynamoDB
from tests.simulation.conformance.a_table import ATable, a_table, given, index, plain, written
from tests.simulation.conformance.backends import MOTO, Backend

EXAMPLES = 60
BY_OWNER = "by_owner"
OWNERS = {"owner_id": "S"}

keys = st.fixed_dictionaries({"pk": st.sampled_from("ab"), "sk": st.integers(1, 2)})
small = st.integers(-2, 3)
kinds = {
    "n": small,
    "t": st.sampled_from(["x", "xy", "y"]),
    "owner_id": st.sampled_from("op"),
    "tags": st.sets(st.sampled_from("uvw"), min_size=1),
    "seq": st.lists(small, max_size=3),
    "m": st.fixed_dictionaries({"k": small}),
}
whole = st.fixed_dictionaries(kinds)
attributes = whole | st.fixed_dictionaries({}, optional=kinds)
CONDITIONS = (
    "attribute_exists(pk)",
    "attribute_not_exists(pk)",
    "attribute_exists(m.k)",
    "attribute_type(t, :text_type)",
    "n = :n",
    "n <> :n",
    "n < :n",
    "n >= :n OR t = :t",
    "n BETWEEN :low AND :n2",
    "n IN (:n, :n2)",
    "begins_with(t, :t)",
    "contains(tags, :tag)",
    "contains(seq, :n)",
    "NOT (n = :n AND t = :t)",
    "m.k = :n",
    "seq[0] > :n",
)
UPDATES = (
    "SET n = :n",
    "SET n = n + :n",
    "SET n = if_not_exists(n, :n) - :n2",
    "SET m.k = :n, t = :t",
    "SET seq[1] = :n",
    "SET seq = list_append(seq, :more)",
    "SET owner_id = :t",
    "SET n = :n REMOVE t, tags",
    "REMOVE seq[0], owner_id",
    "ADD n :n",
    "ADD tags :tags",
    "DELETE tags :tags",
    "ADD n :n REMOVE m.k SET t = :t",
)
QUERIES = (
    "pk = :pk",
    "pk = :pk AND sk = :n",
    "pk = :pk AND sk < :n",
    "pk = :pk AND sk <= :n",
    "pk = :pk AND sk > :n",
    "pk = :pk AND sk >= :n",
    "pk = :pk AND sk BETWEEN :low AND :n2",
)
values = st.fixed_dictionaries(
    {
        "n": small,
        "n2": small,
        "low": st.just(-2),
        "t": st.sampled_from("xyz"),
        "tag": st.sampled_from("uvw"),
        "tags": st.sets(st.sampled_from("uvw"), min_size=1),
        "more": st.lists(small, min_size=1, max_size=2),
        "text_type": st.just("S"),
        "pk": st.sampled_from("ab"),
    }
)
conditions = st.sampled_from([None] * len(CONDITIONS) + list(CONDITIONS))
steps = st.one_of(
    st.tuples(
        st.just("put_item"), keys, attributes, conditions, st.sampled_from(["NONE", "ALL_OLD"])
    ),
    st.tuples(
        st.just("update_item"),
        keys,
        st.sampled_from(UPDATES),
        conditions,
        st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW"]),
    ),
    st.tuples(
        st.just("delete_item"), keys, st.none(), conditions, st.sampled_from(["NONE", "ALL_OLD"])
    ),
    st.tuples(
        st.just("query"),
        st.none(),
        st.sampled_from(QUERIES),
        st.none() | st.sampled_from([text for text in CONDITIONS if "pk" not in text]),
        st.booleans(),
    ),
    st.tuples(st.just("query_index"), st.none(), st.sampled_from("op"), st.none(), st.booleans()),
)
beginnings = st.lists(st.tuples(keys, whole), min_size=2, max_size=4)
days = st.lists(st.tuples(steps, values), min_size=8, max_size=20)


def request(step, chosen):
    """Write one step as an operation and its parameters, and give the placeholders it uses."""
    operation, key, what, condition, how = step
    used = " ".join(text for text in (what, condition) if isinstance(text, str))
    parameters = {}
    match operation:
        case "put_item":
            parameters = {"Item": written(**key, **what), "ReturnValues": how}
        case "update_item":
            parameters = {"Key": written(**key), "UpdateExpression": what, "ReturnValues": how}
        case "delete_item":
            parameters = {"Key": written(**key), "ReturnValues": how}
        case "query":
            parameters = {"KeyConditionExpression": what, "ScanIndexForward": how}
        case "query_index":
            operation, used, chosen = "query", ":owner", {"owner": what}
            parameters = {
                "IndexName": BY_OWNER,
                "KeyConditionExpression": "owner_id = :owner",
                "ScanIndexForward": how,
            }
    if condition is not None:
        name = "FilterExpression" if operation == "query" else "ConditionExpression"
        parameters[name] = condition
    words = set(used.replace("(", " ").replace(")", " ").replace(",", " ").split())
    placeholders = {name: value for name, value in chosen.items() if f":{name}" in words}
    if placeholders:
        parameters["ExpressionAttributeValues"] = given(**placeholders)
    return operation, parameters


def answer_of(call):
    """Give what a call answers, in a form that only compares: an index has no order of its own."""
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    told = {name: answer[name] for name in ("Count", "ScannedCount") if name in answer}
    if answer.get("Attributes"):
        told["Attributes"] = plain(answer["Attributes"])
    if "Items" in answer:
        told["Items"] = [plain(item) for item in answer["Items"]]
    return told


def unordered(told):
    if isinstance(told, dict) and "Items" in told:
        return told | {"Items": sorted(told["Items"], key=lambda item: (item["pk"], item["sk"]))}
    return told


class Simulated:
    """The simulated service, spoken to as to a client of boto3."""

    exceptions = type("Exceptions", (), {"ClientError": ClientError})

    def __init__(self):
        self._service = DynamoDB(clock=lambda: 0.0)

    def __getattr__(self, name):
        operation = "".join(word.capitalize() for word in name.split("_"))
        return lambda **parameters: self._service.call(operation, parameters)


@pytest.fixture(scope="module")
def moto():
    with mock_aws():
        yield Backend(name=MOTO)


def tables(moto) -> list[ATable]:
    simulated = Backend(name="fake", _clients={"dynamodb": Simulated()})
    return [
        a_table(backend, sk="N", indexes=[index(BY_OWNER, "owner_id")], others=OWNERS)
        for backend in (simulated, moto)
    ]


@settings(max_examples=EXAMPLES)
@drawn(beginnings, days)
def test_the_simulated_table_and_motos_answer_the_same(moto, beginning, day):
    ours, theirs = tables(moto)
    for key, what in beginning:
        for table in (ours, theirs):
            table.puts(**key, **what)
    for step, chosen in day:
        operation, parameters = request(step, chosen)
        answers = [
            answer_of(partial(getattr(table.client, operation), TableName=table.name, **parameters))
            for table in (ours, theirs)
        ]
        if "IndexName" in parameters:
            answers = [unordered(answer) for answer in answers]
        assert answers[0] == answers[1], (operation, parameters)
    left = [unordered(answer_of(table.scan)) for table in (ours, theirs)]
    assert left[0] == left[1]
