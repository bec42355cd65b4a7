"""What Secrets Manager promises of secrets and their versions.

Sources: the API reference of Secrets Manager, and of its user guide "What's in a secret".
"""

from typing import Any

from tests.simulation.conformance.backends import LOCAL_CLOUD, MOTO, Backend, differs
from tests.simulation.conformance.refusals import refused

MISSING = "ResourceNotFoundException"


def a_secret(backend: Backend, value: str = "one") -> tuple[Any, str, dict[str, Any]]:
    """Make a secret; give the client, its name, and what was answered."""
    client, name = backend.client("secretsmanager"), f"afterloan/test/{backend.unique('keys')}"
    return client, name, client.create_secret(Name=name, SecretString=value)


def case_a_secret_is_read_by_its_name_and_its_arn(backend: Backend) -> None:
    client, name, made = a_secret(backend, '{"current": "k1"}')
    by_name = client.get_secret_value(SecretId=name)
    assert by_name["SecretString"] == '{"current": "k1"}'
    assert (by_name["Name"], by_name["ARN"]) == (name, made["ARN"])
    assert by_name["VersionId"] == made["VersionId"]
    assert by_name["VersionStages"] == ["AWSCURRENT"]
    assert client.get_secret_value(SecretId=made["ARN"])["SecretString"] == '{"current": "k1"}'


def case_an_arn_ends_in_six_characters_of_its_own(backend: Backend) -> None:
    client, name, made = a_secret(backend)
    assert made["ARN"][:-6].endswith(f":secret:{name}-")
    assert client.get_secret_value(SecretId=made["ARN"][:-7])["Name"] == name


def case_a_secret_that_is_missing_is_refused(backend: Backend) -> None:
    client, name = backend.client("secretsmanager"), backend.unique("missing")
    with refused(MISSING):
        client.get_secret_value(SecretId=name)
    with refused(MISSING):
        client.describe_secret(SecretId=name)
    with refused(MISSING):
        client.put_secret_value(SecretId=name, SecretString="two")


def case_a_secret_is_made_once(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    with refused("ResourceExistsException"):
        client.create_secret(Name=name, SecretString="two")
    assert client.get_secret_value(SecretId=name)["SecretString"] == "one"


def case_a_new_value_is_current_and_the_old_one_previous(backend: Backend) -> None:
    client, name, made = a_secret(backend)
    put = client.put_secret_value(SecretId=name, SecretString="two")
    assert put["VersionStages"] == ["AWSCURRENT"]
    assert put["VersionId"] != made["VersionId"]
    assert client.get_secret_value(SecretId=name)["SecretString"] == "two"
    before = client.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    assert (before["SecretString"], before["VersionId"]) == ("one", made["VersionId"])


@differs(
    MOTO,
    because='VersionIdsToStages: "the versions of the secret that have staging labels attached"',
)
def case_only_two_values_have_a_stage(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    ids = [
        client.put_secret_value(SecretId=name, SecretString=value)["VersionId"]
        for value in ("two", "three")
    ]
    found = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert found == {ids[0]: ["AWSPREVIOUS"], ids[1]: ["AWSCURRENT"]}


def case_a_value_is_read_by_its_version(backend: Backend) -> None:
    client, name, made = a_secret(backend)
    client.put_secret_value(SecretId=name, SecretString="two")
    found = client.get_secret_value(SecretId=name, VersionId=made["VersionId"])
    assert found["SecretString"] == "one"


def case_a_stage_that_no_value_has_is_refused(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    with refused(MISSING):
        client.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")


def case_a_pending_value_is_not_current(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    client.put_secret_value(SecretId=name, SecretString="two", VersionStages=["AWSPENDING"])
    assert client.get_secret_value(SecretId=name)["SecretString"] == "one"
    pending = client.get_secret_value(SecretId=name, VersionStage="AWSPENDING")
    assert pending["SecretString"] == "two"


@differs(LOCAL_CLOUD, because='"the request is ignored": the operation is idempotent')
def case_a_token_puts_a_value_once(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    token = "0123456789abcdef0123456789abcdef"
    for _ in range(2):
        put = client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=token)
        assert put["VersionId"] == token
    before = client.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")
    assert before["SecretString"] == "one"


@differs(LOCAL_CLOUD, because='"you cannot modify an existing version"')
def case_a_token_is_not_used_for_another_value(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    token = "0123456789abcdef0123456789abcdef"
    client.put_secret_value(SecretId=name, SecretString="two", ClientRequestToken=token)
    with refused("ResourceExistsException"):
        client.put_secret_value(SecretId=name, SecretString="three", ClientRequestToken=token)


def case_a_secret_may_hold_bytes(backend: Backend) -> None:
    client, name = backend.client("secretsmanager"), backend.unique("keys")
    client.create_secret(Name=name, SecretBinary=b"\x00\xff")
    found = client.get_secret_value(SecretId=name)
    assert found["SecretBinary"] == b"\x00\xff"
    assert "SecretString" not in found


@differs(LOCAL_CLOUD, because='"creates an empty secret": it has no version')
def case_a_secret_without_a_value_has_none_to_read(backend: Backend) -> None:
    client, name = backend.client("secretsmanager"), backend.unique("keys")
    assert "VersionId" not in client.create_secret(Name=name, Description="Of the platform")
    with refused(MISSING):
        client.get_secret_value(SecretId=name)
    assert client.describe_secret(SecretId=name)["Description"] == "Of the platform"


def case_a_deleted_secret_is_gone(backend: Backend) -> None:
    client, name, _ = a_secret(backend)
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    with refused(MISSING):
        client.describe_secret(SecretId=name)
