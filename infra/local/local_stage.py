"""What only the local stage needs: secrets of its own, and where MiniStack is not AWS."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local.cloud import STAGE, Cloud

BATCH_ACTIONS = {"sqs:SendMessage": "sqs:SendMessageBatch", "sns:Publish": "sns:PublishBatch"}
SIGNED_WITH = {"payment-platform": "payment", "sms-platform": "sms", "funder-F3": "funder"}
"""The folder of each platform's keys, by the name of its secret."""

PAGE_KEY_BYTES = 64


def with_batch_actions(node: Any) -> Any:
    """Let whoever may do one do a batch: AWS asks for the same action, MiniStack for another."""
    if isinstance(node, list):
        return [with_batch_actions(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: with_batch_actions(one) for name, one in node.items()}
    if isinstance(made.get("Action"), list):
        made["Action"] += [BATCH_ACTIONS[one] for one in made["Action"] if one in BATCH_ACTIONS]
    return made


def put_secrets(cloud: Cloud) -> None:
    """Put the platforms' keys and the pages' key; the same again makes no new version."""
    client = cloud.client("secretsmanager")
    public = {}
    for name, folder in SIGNED_WITH.items():
        given = json.loads((cloud.keys_of(folder) / "merchant.json").read_text())
        ours = {key: given[key] for key in ("key_id", "private_key_pem")}
        _put_secret(client, f"afterloan/{STAGE}/{name}", json.dumps(ours))
        public[name] = given["platform_public_keys"]
    _put_secret(client, f"afterloan/{STAGE}/public-keys", json.dumps(public, sort_keys=True))
    pages = f"afterloan/{STAGE}/pages"
    if "current" not in json.loads(client.get_secret_value(SecretId=pages)["SecretString"]):
        _put_secret(client, pages, _page_keys(cloud.keys_of("pages")))


def _page_keys(folder: Path) -> str:
    """Give the keys of the pages' tokens, made once: who was signed in stays it over a restart."""
    file = folder / "pages.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        keys = {"current": "k1", "keys": {"k1": secrets.token_hex(PAGE_KEY_BYTES)}}
        draft = file.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(keys, stream)
        draft.replace(file)
    return file.read_text()


def _put_secret(client: Any, name: str, value: str) -> None:
    if client.get_secret_value(SecretId=name)["SecretString"] != value:
        client.put_secret_value(SecretId=name, SecretString=value)


def put_gateway_responses(cloud: Cloud, template: Mapping[str, Any]) -> None:
    """Put the template's gateway responses: SAM writes them where MiniStack does not look.

    The same again changes nothing.
    """
    api = cloud.client("apigateway")
    api_id = cloud.client("cloudformation").describe_stack_resource(
        StackName=f"afterloan-{STAGE}-app", LogicalResourceId="RestAPI"
    )["StackResourceDetail"]["PhysicalResourceId"]
    properties = template["Resources"]["RestAPI"]["Properties"]
    standing = {
        one["responseType"]: one
        for one in api.get_gateway_responses(restApiId=api_id, limit=100)["items"]
    }
    changed = False
    for kind, response in properties["GatewayResponses"].items():
        wanted = {
            "statusCode": str(response["StatusCode"]),
            "responseParameters": {
                f"gatewayresponse.header.{name}": value
                for name, value in response["ResponseParameters"]["Headers"].items()
            },
            "responseTemplates": response["ResponseTemplates"],
        }
        if any(standing[kind].get(name) != value for name, value in wanted.items()):
            api.put_gateway_response(restApiId=api_id, responseType=kind, **wanted)
            changed = True
    if changed:  # they are in force from the next deployment on
        api.create_deployment(restApiId=api_id, stageName=properties["StageName"])
