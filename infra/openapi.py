"""Write docs/openapi.json: the API as programs read it, made of the very models that serve it.

`python -m infra.openapi` prints it.  A test holds it against the route table and the file.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from chalicelib.entrypoints import api_models as models
from chalicelib.entrypoints.platform_api import PaymentNotification, Receipt
from infra.openapi_staff import STAFFS_OPERATIONS, Operation

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"
REFERENCES = "#/components/schemas/{model}"
CALLER = (401, 403, 429, 500, 503)
"""What any request with a token may be answered."""

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "loan_id": {
        "name": "loan_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,32}$"},
    },
    "order_no": {
        "name": "order_no",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Names this request; sent again, it is answered the same.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
SIGNATURE = tuple(
    {
        "name": name,
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "see docs/interfaces.md, Signature",
    }
    for name in ("X-Key-Id", "X-Timestamp", "X-Nonce", "X-Signature")
)
REPLAYED = {
    "Idempotent-Replayed": {
        "description": "true where the answer was given before",
        "schema": {"type": "string", "enum": ["true"]},
    }
}


BORROWERS_OPERATIONS = (
    Operation(
        method="get",
        path="/v1/health",
        name="health",
        says="Whether the API answers.",
        status=200,
        gives=models.HealthBody,
        signed_in=False,
    ),
    Operation(
        method="get",
        path="/v1/loans",
        name="listLoans",
        says="The borrower's own loans.",
        status=200,
        gives=models.LoansBody,
    ),
    Operation(
        method="get",
        path="/v1/loans/{loan_id}",
        name="getLoan",
        says="One loan: what is owed now, its schedule and history, what may be paid.",
        status=200,
        gives=models.LoanDetailBody,
        problems=(404,),
        parameters=(PARAMETERS["loan_id"],),
    ),
    Operation(
        method="post",
        path="/v1/loans/{loan_id}/quotes",
        name="quote",
        says="Quote what the borrower wishes to pay, part by part.",
        status=201,
        gives=models.QuoteBody,
        takes=models.QuoteRequest,
        problems=(400, 404, 409, 413, 415, 422),
        parameters=(PARAMETERS["loan_id"],),
    ),
    Operation(
        method="post",
        path="/v1/loans/{loan_id}/repayments",
        name="repay",
        says="Charge a quote: to the fen, once, or not at all.",
        status=202,
        gives=models.StartedBody,
        takes=models.RepaymentRequest,
        problems=(400, 404, 409, 413, 415, 422),
        parameters=(PARAMETERS["loan_id"], IDEMPOTENCY_KEY),
        headers={
            "Location": {
                "description": "where the result is asked for",
                "schema": {"type": "string"},
            },
            **REPLAYED,
        },
    ),
    Operation(
        method="get",
        path="/v1/repayments/{order_no}",
        name="getRepayment",
        says="What became of an order.",
        status=200,
        gives=models.RepaymentBody,
        problems=(404,),
        parameters=(PARAMETERS["order_no"],),
    ),
    Operation(
        method="post",
        path="/v1/page-links",
        name="makePageLink",
        says="The address of the borrower's page, signed in; good for 15 minutes.",
        status=201,
        gives=models.PageLinkBody,
        problems=(415,),
    ),
    Operation(
        method="post",
        path="/v1/notifications/payments",
        name="notifyPayment",
        says="The payment platform tells of an order; it is stored and worked afterwards.",
        status=200,
        gives=models.AcknowledgedBody,
        takes=PaymentNotification,
        problems=(400, 401, 413, 415),
        parameters=SIGNATURE,
        signed_in=False,
    ),
    Operation(
        method="post",
        path="/v1/notifications/sms",
        name="notifyText",
        says="The SMS platform tells of a text.",
        status=200,
        gives=models.AcknowledgedBody,
        takes=Receipt,
        problems=(400, 401, 413, 415),
        parameters=SIGNATURE,
        signed_in=False,
    ),
)

OPERATIONS = (*BORROWERS_OPERATIONS, *STAFFS_OPERATIONS)


def document() -> Mapping[str, Any]:
    """Make the document."""
    given = {operation.gives for operation in OPERATIONS} | {models.Problem}
    taken = {operation.takes for operation in OPERATIONS if operation.takes}
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "serialization") for model in given),
        *((model, "validation") for model in taken if issubclass(model, BaseModel)),
    ]
    _, schemas = models_json_schema(
        sorted(wanted, key=lambda one: one[0].__name__), ref_template=REFERENCES
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Afterloan",
            "version": "1",
            "summary": "Loans, quotes and repayments of a borrower; notifications of platforms;"
            " discrepancies and days for the staff.",
            "description": "Amounts are whole fen (1/100 CNY), dates are business dates in"
            " Asia/Shanghai. Errors are application/problem+json with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "borrower": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token with the role `borrower`, or one of the staff's.",
                }
            },
        },
    }


def _described(operation: Operation) -> Mapping[str, Any]:
    refusals = {*operation.problems, *(CALLER if operation.signed_in else (500,))}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says,
        "security": [{"borrower": []}] if operation.signed_in else [],
        "responses": {
            str(operation.status): {
                "description": "done",
                "content": _json(operation.gives.__name__),
                **({"headers": dict(operation.headers)} if operation.headers else {}),
            },
            **{str(status): _refusal() for status in sorted(refusals)},
        },
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.takes is not None:
        described["requestBody"] = {"required": True, "content": _taken(operation.takes)}
    return described


def _taken(model: type[Any]) -> Mapping[str, Any]:
    if issubclass(model, BaseModel):
        return _json(model.__name__)
    return {"application/json": {"schema": TypeAdapter(model).json_schema()}}


def _json(name: str) -> Mapping[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCES.format(model=name)}}}


def _refusal() -> Mapping[str, Any]:
    return {
        "description": "a problem",
        "content": {
            "application/problem+json": {"schema": {"$ref": REFERENCES.format(model="Problem")}}
        },
    }


def text() -> str:
    """Write the document, the same every time."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
