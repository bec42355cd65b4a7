"""Package the application and deploy both stacks: to AWS, or to the local cloud.

`make package STAGE=prod` · `make deploy STAGE=prod PAYMENT_URL=https://… SMS_URL=https://…`

The two clouds differ by their endpoint and by one thing more: for the local stage the bundle
holds no requirements, because its functions use the packages of this environment.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import controls, local_stage
from infra.local.cloud import ROOT, STAGE, Cloud, Ports, home_of, up
from infra.local.packaging import Package, PackagingFailedError, package, sizes

STACK_SECONDS_MAX = 3600
POLL_SECONDS = {STAGE: 0.05}
POLL_SECONDS_ON_AWS = 3.0
PARAMETERS_FROM_ENVIRON = {
    "PaymentUrl": "PAYMENT_URL",
    "SmsUrl": "SMS_URL",
    "TokenIssuer": "TOKEN_ISSUER",
    "TokenAudience": "TOKEN_AUDIENCE",
    "JwksUrl": "JWKS_URL",
    "ServedModes": "SERVED_MODES",
    "ReconcileWith": "RECONCILE_WITH",
    "FunderUrls": "FUNDER_URLS",
    "NotifyUrl": "NOTIFY_URL",
    "AlarmEmail": "ALARM_EMAIL",
    "Timetable": "TIMETABLE",
}
KEEPS_DATA = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
}


class DeploymentFailedError(Exception):
    """CloudFormation refused or rolled back; the message names the resources."""


class WouldLoseDataError(Exception):
    """The change would replace or remove what holds data; it was not made."""


class _TaglessLoader(yaml.SafeLoader):
    """Reads a CloudFormation template for its names; its functions become None."""


_TaglessLoader.add_multi_constructor("!", lambda *_: None)

Found = TypeVar("Found")


class Clients(Protocol):
    """Where the clients come from: a Cloud, or a boto3 session."""

    def client(self, service: str, /) -> Any: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """One stack as it is to be; `template` is an argument of create_change_set."""

    name: str
    template: Mapping[str, str]
    takes: Sequence[str]
    given: Mapping[str, str]
    keeps_data: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """What stands after a deployment; `changed` names the stacks that differ from before."""

    api_url: str
    exchange_bucket: str
    changed: tuple[str, ...]


def deploy(
    clients: Clients, made: Package, *, stage: str, parameters: Mapping[str, str]
) -> Deployment:
    """Bring both stacks to what is packaged; nothing to change is fine.

    `parameters` may name those of either template; one that is not given keeps its value.

    :raises WouldLoseDataError: if data would be lost; nothing of the data stack is changed.
    :raises DeploymentFailedError: if CloudFormation refuses or rolls back.
    """
    cloudformation = clients.client("cloudformation")
    given = {"Stage": stage, **parameters}
    poll_seconds = POLL_SECONDS.get(stage, POLL_SECONDS_ON_AWS)
    text = (ROOT / "infra" / "data.yaml").read_text()
    data = Stack(
        name=f"afterloan-{stage}-data",
        template={"TemplateBody": text},
        takes=tuple(yaml.load(text, _TaglessLoader)["Parameters"]),  # noqa: S506  a SafeLoader
        given=given,
        keeps_data=True,
    )
    changed = [data.name] if _apply(cloudformation, data, poll_seconds=poll_seconds) else []
    kept = _outputs(cloudformation, data.name)
    app = Stack(
        name=f"afterloan-{stage}-app",
        template={
            "TemplateURL": _put_artifacts(clients.client("s3"), made, kept["ArtifactsBucket"])
        },
        takes=tuple(made.template["Parameters"]),
        given=given,
        keeps_data=False,
    )
    if _apply(cloudformation, app, poll_seconds=poll_seconds):
        changed.append(app.name)
    return Deployment(
        api_url=_outputs(cloudformation, app.name)["ApiUrl"],
        exchange_bucket=kept["ExchangeBucket"],
        changed=tuple(changed),
    )


def deploy_locally(cloud: Cloud) -> Deployment:
    """Package and deploy to the local cloud, put the secrets, and say where receipts go.

    Run twice, the second time changes nothing.

    :raises PackagingFailedError: see `package`.
    :raises DeploymentFailedError: see `deploy`.
    """
    made = package(root=ROOT, build=cloud.home / "build", stage=STAGE, requirements="")
    made = replace(made, template=local_stage.with_batch_actions(made.template))
    deployment = deploy(
        cloud,
        made,
        stage=STAGE,
        parameters={
            "Protection": "off",
            "Timetable": "DISABLED",
            "CloudEndpoint": cloud.endpoint,
            "PaymentUrl": cloud.payment_url,
            "SmsUrl": cloud.sms_url,
            "FunderUrls": cloud.funder_urls,
            "TokenIssuer": cloud.issuer_url,
            "JwksUrl": f"{cloud.issuer_url}/jwks.json",
        },
    )
    local_stage.put_secrets(cloud)
    local_stage.put_gateway_responses(cloud, made.template)
    receipts = {"url": f"{deployment.api_url}/v1/notifications/sms"}
    controls.tell(cloud.sms_url, "receipts-url", receipts)
    return deployment


# --- artifacts --------------------------------------------------------------------------


def _put_artifacts(s3: Any, made: Package, bucket: str) -> str:
    """Put bundle and template, each named by its content, and give the template's URL."""
    code = {"Bucket": bucket, "Key": f"bundles/{made.digest}.zip"}
    _put_once(s3, code, made.bundle.read_bytes())
    layer = {"Bucket": bucket, "Key": f"layers/{made.layer_digest}.zip"}
    if made.layer:
        _put_once(s3, layer, made.layer.read_bytes())
    resources = {
        name: _with_layer(_with_code(one, code), layer)
        for name, one in made.template["Resources"].items()
    }
    # JSON: Chalice writes YAML with aliases, which CloudFormation does not read.
    text = json.dumps({**made.template, "Resources": resources}, sort_keys=True).encode()
    template = {"Bucket": bucket, "Key": f"templates/{_digest(text)}.json"}
    _put_once(s3, template, text)
    return f"{s3.meta.endpoint_url}/{bucket}/{template['Key']}"


def _with_code(resource: Any, code: Mapping[str, str]) -> Any:
    if not isinstance(resource, dict) or resource["Type"] != "AWS::Serverless::Function":
        return resource
    return {**resource, "Properties": {**resource["Properties"], "CodeUri": dict(code)}}


def _with_layer(resource: Any, layer: Mapping[str, str]) -> Any:
    if not isinstance(resource, dict) or resource["Type"] != "AWS::Lambda::LayerVersion":
        return resource
    content = {"S3Bucket": layer["Bucket"], "S3Key": layer["Key"]}
    return {**resource, "Properties": {**resource["Properties"], "Content": content}}


def _put_once(s3: Any, place: Mapping[str, str], content: bytes) -> None:
    try:
        s3.head_object(**place)
    except ClientError:
        s3.put_object(**place, Body=content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- change sets ------------------------------------------------------------------------


def _apply(cloudformation: Any, stack: Stack, *, poll_seconds: float) -> bool:
    """Change a stack through a change set; False if there is nothing to change."""
    before = _described(cloudformation, stack.name)
    if before and before["StackStatus"] == "ROLLBACK_COMPLETE":  # it was never made: no update
        cloudformation.delete_stack(StackName=stack.name)
        _settled(cloudformation, stack.name, poll_seconds)
        before = None
    is_new = before is None or before["StackStatus"] == "REVIEW_IN_PROGRESS"
    place = {"StackName": stack.name, "ChangeSetName": f"to-{_digest(repr(stack).encode())[:32]}"}
    try:
        if before:
            cloudformation.delete_change_set(**place)  # of the same deployment, cut short
        cloudformation.create_change_set(
            **place,
            **stack.template,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=_parameters(stack, before=None if is_new else before),
        )
        changes = _changes(cloudformation, place, poll_seconds)
        if not changes:
            cloudformation.delete_change_set(**place)
            return False
        _refuse_losses(stack, changes)
        cloudformation.execute_change_set(**place)
    except ClientError as error:
        raise DeploymentFailedError(f"{stack.name}: {error}") from error
    status = _settled(cloudformation, stack.name, poll_seconds)
    if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        failed = "\n".join(_failures(cloudformation, stack.name))
        raise DeploymentFailedError(f"{stack.name} is {status}\n{failed}")
    return True


def _parameters(stack: Stack, *, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Give the values of a stack's parameters; one that is not given keeps its value."""
    kept = {one["ParameterKey"] for one in (before or {}).get("Parameters", ())}
    values: list[dict[str, Any]] = []
    for name in stack.takes:
        if name in stack.given:
            values.append({"ParameterKey": name, "ParameterValue": stack.given[name]})
        elif name in kept:
            values.append({"ParameterKey": name, "UsePreviousValue": True})
    return values


def _changes(
    cloudformation: Any, place: Mapping[str, str], poll_seconds: float
) -> list[dict[str, Any]]:
    """Wait for a change set and read it whole; empty if nothing changes."""
    found = _wait(
        lambda: cloudformation.describe_change_set(**place),
        lambda found: found["Status"] in {"CREATE_COMPLETE", "FAILED"},
        poll_seconds,
    )
    if found["Status"] == "FAILED":
        reason = found.get("StatusReason", "")
        if "didn't contain changes" in reason or "No updates are to be performed" in reason:
            return []
        raise DeploymentFailedError(f"{place['StackName']}: {reason}")
    changes = list(found["Changes"])
    while token := found.get("NextToken"):
        found = cloudformation.describe_change_set(**place, NextToken=token)
        changes += found["Changes"]
    return [change["ResourceChange"] for change in changes]


def _refuse_losses(stack: Stack, changes: Sequence[Mapping[str, Any]]) -> None:
    losses = [
        change["LogicalResourceId"]
        for change in changes
        if change["ResourceType"] in KEEPS_DATA
        and (change["Action"] == "Remove" or change.get("Replacement") == "True")
    ]
    if stack.keeps_data and losses:
        raise WouldLoseDataError(f"{stack.name} would replace or remove {', '.join(losses)}")


def _settled(cloudformation: Any, name: str, poll_seconds: float) -> str:
    """Wait until nothing happens to a stack any more, and give its status."""
    time.sleep(poll_seconds)  # an operation just begun shows a moment later
    found = _wait(
        lambda: _described(cloudformation, name),
        lambda found: found is None or not found["StackStatus"].endswith("_IN_PROGRESS"),
        poll_seconds,
    )
    return str(found["StackStatus"]) if found else "DELETE_COMPLETE"


def _failures(cloudformation: Any, name: str) -> Iterator[str]:
    """Say what failed in the last operation on a stack."""
    for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
        if event["ResourceStatus"].endswith("FAILED"):
            yield f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        if event["LogicalResourceId"] == name and event["ResourceStatus"] in {
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        }:
            return


def _described(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def _outputs(cloudformation: Any, name: str) -> dict[str, str]:
    stack = _described(cloudformation, name) or {}
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def _wait(read: Callable[[], Found], is_done: Callable[[Found], bool], seconds: float) -> Found:
    """Read again and again until it is done, and give what was read last.

    :raises DeploymentFailedError: after an hour.
    """
    deadline = time.monotonic() + STACK_SECONDS_MAX
    while not is_done(found := read()):
        if time.monotonic() > deadline:
            raise DeploymentFailedError(f"no end after {STACK_SECONDS_MAX} s")
        time.sleep(seconds)
    return found


# --- the command ------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and give the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "deploy" and options.stage == STAGE:
            ports = Ports.from_environ()
            _say(deploy_locally(up(home_of(ROOT, ports), ports)))
            return 0
        made = package(
            root=ROOT,
            build=ROOT / "build" / options.stage,
            stage=options.stage,
            requirements=(ROOT / "requirements.txt").read_text(),
            layer_requirements=(ROOT / "requirements-files.txt").read_text(),
        )
        print(f"{made.bundle}: {sizes(made)}")
        if options.command == "deploy":
            given = {
                name: os.environ[key]
                for name, key in PARAMETERS_FROM_ENVIRON.items()
                if key in os.environ
            }
            _say(deploy(boto3.Session(), made, stage=options.stage, parameters=given))
    except (
        PackagingFailedError,
        DeploymentFailedError,
        WouldLoseDataError,
        BotoCoreError,
        ClientError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _say(deployment: Deployment) -> None:
    print(f"changed: {', '.join(deployment.changed) or 'nothing'}")
    print(f"API: {deployment.api_url}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local.deployment", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    for name, says in (("package", "make the bundle, say its size"), ("deploy", "both stacks")):
        command = commands.add_parser(name, help=says)
        command.add_argument("--stage", required=True, choices=["local", "test", "prod"])
    return parser


if __name__ == "__main__":
    sys.exit(main())
