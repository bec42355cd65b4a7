"""HTTP: what the platforms tell us.

A notification is verified over its raw bytes, stored, put on a queue, acknowledged, and worked
afterwards; a forged one changes nothing.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from chalice.app import Blueprint, Response
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from chalicelib import wiring
from chalicelib.adapters.signatures import BadSignatureError, Verifier
from chalicelib.adapters.telemetry import count, log
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.money import Money
from chalicelib.entrypoints import request_body
from chalicelib.entrypoints.boundary import boundary
from chalicelib.entrypoints.problems import problem
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows import payment_notification
from chalicelib.flows.notice_ports import ReceiptMessage
from chalicelib.flows.payment_notification import Notification
from chalicelib.settings import settings

bp = Blueprint(__name__)

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{0,64}$")]
_MOMENTS: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
REASON = re.compile(r"[A-Za-z0-9_.:-]{0,64}", re.ASCII)
OTHER = "OTHER"


def _moment(given: object) -> object:
    """Read a time; a number, as a text too, is none: pydantic would take it for seconds."""
    if given is None:
        return None
    if not isinstance(given, str) or given[10:11] not in {"T", "t"}:
        raise ValueError("a time as in 2026-11-24T08:00:00+08:00")
    return _MOMENTS.validate_python(given)


def _code_or_other(reason: str) -> str:
    """Keep a reason that is a code; free text may name somebody, and is kept nowhere."""
    return reason if REASON.fullmatch(reason) else OTHER


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]


class PaymentNotification(BaseModel):
    """What is kept of a notification; the rest of it is read over and nowhere stored."""

    model_config = ConfigDict(strict=True, extra="ignore")

    order_no: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    status: Code = ""
    amount_fen: int | None = Field(default=None, ge=0, le=10**12)
    currency: Code = ""
    failure_code: Code | None = None
    paid_at: Moment | None = None


class Receipt(BaseModel):
    """What is kept of a delivery receipt."""

    model_config = ConfigDict(strict=True, extra="ignore")

    message_id: str
    receipt_id: str
    status: str
    reported_at: Moment | None = None
    reason: Annotated[str, AfterValidator(_code_or_other)] | None = None


@bp.route("/v1/notifications/payments", methods=["POST"], content_types=["application/json"])
@boundary
def notified_of_payment() -> Response:
    """Store what the platform says of an order, and have the order asked after."""
    return _acknowledged(wiring.payment_verifier, _received)


def _received(body: bytes) -> None:
    said = request_body.read(PaymentNotification, body)
    payment_notification.receive(
        notification=Notification(
            notification_id=hashlib.sha256(body).hexdigest(),
            order_no=said.order_no,
            received_at=wall_clock(),
            status=said.status,
            amount=None if said.amount_fen is None else Money(said.amount_fen),
            currency=said.currency,
            failure_code=said.failure_code or "",
            paid_at=said.paid_at,
        ),
        inbox=wiring.inbox(),
        queue=wiring.queue("payment-notifications"),
    )


@bp.route("/v1/notifications/sms", methods=["POST"], content_types=["application/json"])
@boundary
def notified_of_text() -> Response:
    """Acknowledge a delivery receipt, and have it stored."""
    return _acknowledged(wiring.sms_verifier, _reported)


def _reported(body: bytes) -> None:
    said = request_body.read(Receipt, body)
    wiring.queue("receipts").put([ReceiptMessage(**said.model_dump())])


def _acknowledged(verifier: Callable[[], Verifier], receive: Callable[[bytes], None]) -> Response:
    """Verify, receive, acknowledge; the work is done by the queue's reader."""
    request = bp.current_request
    path = settings().signed_path.format(**request.context)
    try:
        body = request_body.bytes_of(request)
        request_body.check_size(body)
        verifier().verify(request.method, path, request.headers, body, now=wall_clock())
        receive(body)
    except BadSignatureError as error:
        log.warning("notification not believed", reason=str(error))
        count("SignaturesRefused")
        return problem(401, "bad_signature", "the signature does not fit")
    except UnreadableBodyError as error:
        return problem(error.status, error.code, error.detail)
    except ValidationError as error:
        return problem(400, "bad_request", f"{error.error_count()} fields do not fit")
    return Response(body={"acknowledged": True}, status_code=200)
