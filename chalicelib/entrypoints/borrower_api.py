"""HTTP: what the platforms tell us, and whether we are there.

A notification is verified over its raw bytes, put on a queue, acknowledged, and worked
afterwards; a forged one changes nothing.
"""

from collections.abc import Callable

from chalice.app import Blueprint, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chalicelib import wiring
from chalicelib.adapters.signatures import BadSignatureError, Verifier
from chalicelib.adapters.telemetry import count, log
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.entrypoints.boundary import boundary
from chalicelib.flows.notice_ports import ReceiptMessage
from chalicelib.flows.ports import AskMessage
from chalicelib.settings import settings

bp = Blueprint(__name__)

BODY_BYTES_MAX = 64 * 1024


class PaymentNotification(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    order_no: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")


@bp.route("/v1/health", methods=["GET"])
@boundary
def health() -> dict[str, str]:
    """Say that the API answers, and for which stage."""
    return {"status": "ok", "stage": settings().stage}


@bp.route("/v1/notifications/payments", methods=["POST"], content_types=["application/json"])
@boundary
def notified_of_payment() -> Response:
    """Acknowledge that an order has ended, and have it asked after."""
    return _acknowledged(
        "payment-notifications",
        wiring.payment_verifier,
        lambda body: AskMessage(
            order_no=PaymentNotification.model_validate_json(body).order_no, rung=None
        ),
    )


@bp.route("/v1/notifications/sms", methods=["POST"], content_types=["application/json"])
@boundary
def notified_of_text() -> Response:
    """Acknowledge a delivery receipt, and have it stored."""
    return _acknowledged("receipts", wiring.sms_verifier, _receipt)


def _receipt(body: bytes) -> ReceiptMessage:
    return TypeAdapter(ReceiptMessage).validate_json(body, strict=True)


def _acknowledged(
    queue: str, verifier: Callable[[], Verifier], read: Callable[[bytes], object]
) -> Response:
    """Verify, put on the queue, acknowledge; the work is done by the queue's reader."""
    request = bp.current_request
    raw = request.raw_body
    body = raw if isinstance(raw, bytes) else raw.encode()
    path = settings().signed_path.format(**request.context)
    if len(body) > BODY_BYTES_MAX:
        return problem(413, "body_too_large", f"at most {BODY_BYTES_MAX} bytes")
    try:
        verifier().verify(request.method, path, request.headers, body, now=wall_clock())
        message = read(body)
    except BadSignatureError as error:
        log.warning("notification not believed", reason=str(error))
        count("SignaturesRefused")
        return problem(401, "bad_signature", "the signature does not fit")
    except ValidationError as error:
        return problem(400, "bad_request", f"{error.error_count()} fields do not fit")
    wiring.queue(queue).put([message])
    return Response(body={"acknowledged": True}, status_code=200)


def problem(status: int, code: str, detail: str) -> Response:
    """Make an RFC 9457 problem."""
    return Response(
        body={"type": "about:blank", "status": status, "code": code, "detail": detail},
        status_code=status,
        headers={"Content-Type": "application/problem+json", "Cache-Control": "no-store"},
    )
