"""Secrets Manager in memory: versions, and the stages that move from one to the next."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from tests.simulation.aws.calls import Answer, NotSimulatedError, Parameters
from tests.simulation.aws.operations import (
    ACCOUNT,
    REGION,
    RefusedError,
    Simulated,
    digest_of,
    numbered,
)

ARN_PREFIX = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:"
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}", re.ASCII)
HELD = ("SecretString", "SecretBinary")
VALUES = "SecretId ClientRequestToken SecretString SecretBinary VersionStages"


class Version(NamedTuple):
    """One value of a secret."""

    held: Mapping[str, Any]
    created_at: float


class Secret(NamedTuple):
    """A secret, its versions, and which version a stage is at; never changed but replaced."""

    arn: str
    name: str
    description: str
    created_at: float
    changed_at: float
    versions: Mapping[str, Version]
    stages: Mapping[str, str]

    def with_version(
        self, version_id: str, version: Version, stages: list[str], *, now: float
    ) -> "Secret":
        """Give it with one more version; where the current one moves, the one before is previous."""
        moved = dict.fromkeys(stages, version_id)
        if CURRENT in moved and CURRENT in self.stages and PREVIOUS not in moved:
            moved[PREVIOUS] = self.stages[CURRENT]
        return self._replace(
            changed_at=now,
            versions={**self.versions, version_id: version},
            stages={**self.stages, **moved},
        )

    def stages_of(self, version_id: str) -> list[str]:
        return sorted(stage for stage, at in self.stages.items() if at == version_id)


Snapshot = tuple[int, dict[str, Secret]]


class Secrets(Simulated):
    """All secrets of an account."""

    service = "secretsmanager"
    understands = {
        "CreateSecret": "Name ClientRequestToken Description SecretString SecretBinary",
        "DeleteSecret": "SecretId ForceDeleteWithoutRecovery",
        "DescribeSecret": "SecretId",
        "GetSecretValue": "SecretId VersionId VersionStage",
        "PutSecretValue": VALUES,
        "UpdateSecret": VALUES.removesuffix(" VersionStages"),
    }

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._secrets: dict[str, Secret] = {}
        self._number = 0

    # --- what a simulation needs --------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return self._number, self._secrets.copy()

    def restore(self, snapshot: Snapshot) -> None:
        self._number, secrets = snapshot
        self._secrets = secrets.copy()

    def clear(self) -> None:
        """Forget all secrets."""
        self._secrets = {}

    def digest(self) -> str:
        return digest_of(sorted(self._secrets.items()))

    # --- operations ---------------------------------------------------------------------

    def _create_secret(self, given: Parameters) -> Answer:
        name, now = given["Name"], self._clock()
        if not NAME.fullmatch(name):
            message = (
                "Invalid name. Must be a valid name containing alphanumeric characters,"
                " or any of the following: -/_+=.@!"
            )
            raise RefusedError("ValidationException", message)
        if name in self._secrets:
            message = f"The operation failed because the secret {name} already exists."
            raise RefusedError("ResourceExistsException", message)
        arn = f"{ARN_PREFIX}{name}-{blake2b(name.encode(), digest_size=3).hexdigest()}"
        secret = Secret(arn, name, given.get("Description", ""), now, now, {}, {})
        self._secrets[name] = secret
        answer = {"ARN": arn, "Name": name}
        if not _held(given):
            return answer
        version_id = self._put(secret, given, [CURRENT])
        return {**answer, "VersionId": version_id}

    def _get_secret_value(self, given: Parameters) -> Answer:
        secret = self._secret(given)
        stage = given.get("VersionStage", "" if "VersionId" in given else CURRENT)
        version_id = given.get("VersionId") or secret.stages.get(stage, "")
        version = secret.versions.get(version_id)
        if version is None or (stage and secret.stages.get(stage) != version_id):
            which = f"staging label: {stage}" if stage else f"VersionId: {version_id}"
            message = f"Secrets Manager can't find the specified secret value for {which}"
            raise RefusedError("ResourceNotFoundException", message)
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version_id,
            **version.held,
            "VersionStages": secret.stages_of(version_id),
            "CreatedDate": _moment(version.created_at),
        }

    def _put_secret_value(self, given: Parameters) -> Answer:
        secret, stages = self._secret(given), given.get("VersionStages", [CURRENT])
        if len(_held(given)) != 1:
            message = "You must provide either SecretString or SecretBinary."
            raise RefusedError("InvalidParameterException", message)
        version_id = self._put(secret, given, stages)
        return {
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version_id,
            "VersionStages": self._secrets[secret.name].stages_of(version_id),
        }

    def _update_secret(self, given: Parameters) -> Answer:
        secret = self._secret(given)
        answer = {"ARN": secret.arn, "Name": secret.name}
        if not _held(given):
            return answer
        return {**answer, "VersionId": self._put(secret, given, [CURRENT])}

    def _describe_secret(self, given: Parameters) -> Answer:
        secret = self._secret(given)
        stages = {name: secret.stages_of(name) for name in secret.versions}
        answer = {
            "ARN": secret.arn,
            "Name": secret.name,
            "CreatedDate": _moment(secret.created_at),
            "LastChangedDate": _moment(secret.changed_at),
        }
        if secret.description:
            answer["Description"] = secret.description
        if staged := {name: found for name, found in stages.items() if found}:
            answer["VersionIdsToStages"] = staged
        return answer

    def _delete_secret(self, given: Parameters) -> Answer:
        secret = self._secret(given)
        if not given.get("ForceDeleteWithoutRecovery"):
            raise NotSimulatedError("secretsmanager: a secret that can be recovered")
        del self._secrets[secret.name]
        date = _moment(self._clock())
        return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": date}

    # --- shared -------------------------------------------------------------------------

    def _secret(self, given: Parameters) -> Secret:
        """Find a secret by its name or its ARN, with or without the six characters at its end."""
        wanted = given["SecretId"]
        name = wanted.removeprefix(ARN_PREFIX)
        secret = self._secrets.get(name) or self._secrets.get(name[:-7])
        if secret is None or wanted not in (secret.name, secret.arn, secret.arn[:-7]):
            message = "Secrets Manager can't find the specified secret."
            raise RefusedError("ResourceNotFoundException", message)
        return secret

    def _put(self, secret: Secret, given: Parameters, stages: list[str]) -> str:
        """Put a value, once for a token that is given."""
        now, held = self._clock(), _held(given)
        self._number += 1
        version_id = given.get("ClientRequestToken") or numbered(self._number)
        known = secret.versions.get(version_id)
        if known is not None and known.held != held:
            message = (
                "You can't use ClientRequestToken"
                f" {version_id} because that value is already in use for a version of secret"
                f" {secret.arn}."
            )
            raise RefusedError("ResourceExistsException", message)
        if known is None:
            self._secrets[secret.name] = secret.with_version(
                version_id, Version(held, now), stages, now=now
            )
        return str(version_id)


def _held(given: Parameters) -> dict[str, Any]:
    return {name: given[name] for name in HELD if name in given}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
