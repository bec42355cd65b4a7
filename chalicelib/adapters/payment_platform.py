"""The payment platform, over signed HTTP: what it answers, made into facts or into doubt."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.adapters.signed_http import NoAnswerError, Reply, SignedHttp
from chalicelib.domain.correction import RefundAnswer, RefundStatus
from chalicelib.domain.deduction import Answer, AnswerStatus, Order, Share
from chalicelib.domain.money import Money

FAILURES_UNTIL_OPEN = 5
OPEN_SECONDS = 30.0
SPLIT_DONE = "SUCCEEDED"
REFUND_DONE = "SUCCEEDED"
NO_REFUND = frozenset(
    {"NOT_EXIST", "ORDER_NOT_PAID", "REFUND_CONFLICT", "REFUND_EXCEEDS_PAID", "PARAM_ERROR"}
)
"""The plain refusals of a refund; anything else that is not done may yet be."""


Fen = Annotated[int, Field(strict=True, ge=0, le=10**12)]


class _AnswerBody(BaseModel):
    """What interfaces.md promises; anything else is not understood, so not believed."""

    model_config = ConfigDict(extra="ignore")

    order_no: str
    status: Literal["SUCCEEDED", "FAILED", "PROCESSING", "CLOSED"]
    trade_no: str | None = None
    failure_code: str | None = None
    amount_fen: Fen | None = None
    paid_at: AwareDatetime | None = None
    split_status: str | None = None


class _SplitBody(BaseModel):
    """What became of a split that was asked for again."""

    model_config = ConfigDict(extra="ignore")

    order_no: str
    split_no: str
    status: str


class _RefundBody(BaseModel):
    """What became of a refund."""

    model_config = ConfigDict(extra="ignore")

    refund_no: str
    order_no: str
    amount_fen: Fen
    status: str
    refund_trade_no: str = ""
    refunded_at: AwareDatetime | None = None


class _Refusal(BaseModel):
    code: str


class Breaker:
    """Opens after failures in a row, and lets a call through again after a pause."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._opened_at: float | None = None
        self._lock = threading.Lock()

    def lets_through(self) -> bool:
        """Say whether a call is worth making; of an open breaker's pause, one caller finds the end."""
        with self._lock:
            if self._opened_at is None:
                return True
            if self._monotonic() - self._opened_at < OPEN_SECONDS:
                return False
            self._opened_at = self._monotonic()
            return True

    def heard(self, *, answered: bool) -> None:
        """Count a call that was answered, or was not."""
        with self._lock:
            self._failures = 0 if answered else self._failures + 1
            if answered:
                self._opened_at = None
            elif self._failures >= FAILURES_UNTIL_OPEN:
                self._opened_at = self._monotonic()


class HttpPaymentPlatform:
    """Never raises for what the wire or the other side does: that is an UNREADABLE answer.

    A funder that deducts by itself speaks the same language; it `keeps_books` of the loans, and
    is told besides what the borrower wished.
    """

    def __init__(
        self,
        *,
        http: SignedHttp,
        bucket: TokenBucket,
        notify_url: str,
        breaker: Breaker,
        keeps_books: bool = False,
    ) -> None:
        self._http = http
        self._bucket = bucket
        self._notify_url = notify_url
        self._breaker = breaker
        self._keeps_books = keeps_books

    def is_available(self) -> bool:
        return self._breaker.lets_through()

    def deduct(self, order: Order) -> Answer:
        return self._answer(
            order.order_no,
            "POST",
            "/v1/deductions",
            {
                "order_no": order.order_no,
                "agreement_no": order.agreement_no,
                "amount_fen": order.amount.fen,
                "currency": "CNY",
                "split": _told(order.split),
                "notify_url": self._notify_url,
                "subject": order.subject,
                **(_wished(order) if self._keeps_books else {}),
            },
        )

    def ask(self, order_no: str) -> Answer:
        return self._answer(order_no, "GET", f"/v1/deductions/{order_no}")

    def close(self, order_no: str) -> Answer:
        return self._answer(order_no, "POST", f"/v1/deductions/{order_no}/close", {})

    def split_again(self, *, order_no: str, split_no: str, split: Sequence[Share]) -> bool:
        self._bucket.wait()
        try:
            reply = self._http.call(
                "POST",
                f"/v1/deductions/{order_no}/splits",
                {"split_no": split_no, "split": _told(split)},
            )
        except NoAnswerError as error:
            self._breaker.heard(answered=error.reason == "bad_signature")
            return False
        self._breaker.heard(answered=reply.status < 500)
        try:
            body = _SplitBody.model_validate_json(reply.body)
        except ValidationError:
            return False
        return (body.order_no, body.split_no, body.status) == (order_no, split_no, SPLIT_DONE)

    def refund(self, *, refund_no: str, order_no: str, amount: Money) -> RefundAnswer:
        asked = {"refund_no": refund_no, "order_no": order_no, "amount_fen": amount.fen}
        self._bucket.wait()
        try:
            reply = self._http.call("POST", "/v1/refunds", dict(asked))
        except NoAnswerError as error:
            self._breaker.heard(answered=error.reason == "bad_signature")
            return RefundAnswer(status=RefundStatus.UNKNOWN, note=error.reason)
        self._breaker.heard(answered=reply.status < 500)
        return _read_refund(asked, reply)

    def _answer(
        self, order_no: str, method: str, path: str, payload: dict[str, object] | None = None
    ) -> Answer:
        self._bucket.wait()
        try:
            reply = self._http.call(method, path, payload)
        except NoAnswerError as error:
            self._breaker.heard(answered=error.reason == "bad_signature")
            return Answer(status=AnswerStatus.UNREADABLE, note=error.reason)
        self._breaker.heard(answered=reply.status < 500)
        return _read(order_no, reply)


def _wished(order: Order) -> dict[str, object]:
    return {
        "loan_id": order.loan_id,
        "kind": order.kind.value,
        "as_of": order.as_of.isoformat() if order.as_of else None,
        **({"recut": order.recut} if order.recut else {}),
        "lines": [
            {
                "instalment_no": line.instalment_no,
                "principal_fen": line.components.principal.fen,
                "interest_fen": line.components.interest.fen,
                "penalty_fen": line.components.penalty.fen,
            }
            for line in order.lines
        ],
    }


def _told(split: Sequence[Share]) -> list[dict[str, object]]:
    return [{"account": share.account, "amount_fen": share.amount.fen} for share in split]


def _read(order_no: str, reply: Reply) -> Answer:
    if reply.status == 429:
        return Answer(status=AnswerStatus.THROTTLED)
    try:
        if reply.status == 404 and _Refusal.model_validate_json(reply.body).code == "NOT_EXIST":
            return Answer(status=AnswerStatus.NOT_EXIST)
        body = _AnswerBody.model_validate_json(reply.body)
    except ValidationError:
        return Answer(status=AnswerStatus.UNREADABLE, note=f"http_{reply.status}")
    if body.order_no != order_no:
        return Answer(status=AnswerStatus.UNREADABLE, note="another_order")
    return Answer(
        status=AnswerStatus(body.status),
        trade_no=body.trade_no or "",
        amount=Money(body.amount_fen) if body.amount_fen is not None else None,
        failure_code=body.failure_code or "",
        paid_at=body.paid_at,
        # Unknown is not done: to split again does no harm where it is.
        split_pending=body.split_status not in {None, SPLIT_DONE},
    )


def _read_refund(asked: Mapping[str, object], reply: Reply) -> RefundAnswer:
    """Read what became of a refund: done as it was asked for, plainly refused, or not known."""
    unknown = RefundAnswer(status=RefundStatus.UNKNOWN, note=f"http_{reply.status}")
    try:
        if 400 <= reply.status < 500:
            code = _Refusal.model_validate_json(reply.body).code
            is_plain = code in NO_REFUND
            return RefundAnswer(status=RefundStatus.REFUSED, note=code) if is_plain else unknown
        body = _RefundBody.model_validate_json(reply.body)
    except ValidationError:
        return unknown
    is_done = body.status == REFUND_DONE and asked == {name: getattr(body, name) for name in asked}
    if not is_done:
        return unknown
    return RefundAnswer(
        status=RefundStatus.DONE, trade_no=body.refund_trade_no, refunded_at=body.refunded_at
    )
