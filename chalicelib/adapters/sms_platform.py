"""The SMS platform, over signed HTTP, and the texts that are registered there."""

import json
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from chalicelib.adapters.signed_http import NoAnswerError, Reply, SignedHttp
from chalicelib.domain.notice import Scenario, SmsAnswer, SmsStatus
from chalicelib.domain.notice_text import Template, Templates
from chalicelib.flows.notice_ports import Sms

TEMPLATES = Path(__file__).with_name("sms_templates.json")
REFUSALS = frozenset(("BUSINESS_LIMIT_CONTROL", "PARAM_ERROR"))
"""A plain no to this very message; any other refusal says nothing of it."""

TOO_MANY_REQUESTS = 429


class _Accepted(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    receipt_id: str = Field(min_length=1, max_length=128)
    message_id: str | None = None


class _Standing(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    receipt_id: str = Field(min_length=1, max_length=128)
    message_id: str
    status: Literal["ACCEPTED", "DELIVERED", "FAILED"]
    reported_at: AwareDatetime | None = None
    reason: str | None = Field(default=None, max_length=128)


class _Refused(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    code: str = Field(min_length=1, max_length=64)


class HttpSmsPlatform:
    """Never raises for what the wire or the other side does: that is an UNREADABLE answer."""

    def __init__(self, *, http: SignedHttp) -> None:
        self._http = http

    def send(self, sms: Sms) -> SmsAnswer:
        payload = {
            "message_id": sms.message_id,
            "phone": sms.phone,
            "template": sms.text.template,
            "params": dict(sms.text.params),
            "text": sms.text.text,
        }
        try:
            reply = self._http.call("POST", "/v1/messages", payload)
        except NoAnswerError as error:
            return _no_answer(error)
        return _read_accepted(sms.message_id, reply)

    def ask(self, message_id: str) -> SmsAnswer:
        try:
            reply = self._http.call("GET", f"/v1/messages/{quote(message_id, safe='')}")
        except NoAnswerError as error:
            return _no_answer(error)
        return _read_standing(message_id, reply)


def _no_answer(error: NoAnswerError) -> SmsAnswer:
    status = SmsStatus.NOT_TAKEN if error.is_unreachable else SmsStatus.UNREADABLE
    return SmsAnswer(status=status, reason=error.reason)


def _read_accepted(message_id: str, reply: Reply) -> SmsAnswer:
    code = _code_of(reply)
    if code in REFUSALS:
        return SmsAnswer(status=SmsStatus.REFUSED, reason=code)
    if reply.status == TOO_MANY_REQUESTS:
        return SmsAnswer(status=SmsStatus.NOT_TAKEN, reason=code or "throttled")
    try:
        body = _Accepted.model_validate_json(reply.body)
    except ValidationError:
        return _unreadable(reply, code)
    if code or reply.status >= 300 or body.message_id not in {None, message_id}:
        return _unreadable(reply, code)
    return SmsAnswer(status=SmsStatus.ACCEPTED, receipt_id=body.receipt_id)


def _read_standing(message_id: str, reply: Reply) -> SmsAnswer:
    code = _code_of(reply)
    if reply.status == 404 and code == "NOT_EXIST":
        return SmsAnswer(status=SmsStatus.NOT_EXIST)
    try:
        body = _Standing.model_validate_json(reply.body)
    except ValidationError:
        return _unreadable(reply, code)
    if reply.status >= 300 or body.message_id != message_id:
        return _unreadable(reply, code)
    return SmsAnswer(
        status=SmsStatus(body.status),
        receipt_id=body.receipt_id,
        reported_at=body.reported_at,
        reason=body.reason or "",
    )


def _code_of(reply: Reply) -> str:
    try:
        return _Refused.model_validate_json(reply.body).code
    except ValidationError:
        return ""


def _unreadable(reply: Reply, code: str) -> SmsAnswer:
    return SmsAnswer(status=SmsStatus.UNREADABLE, reason=code or f"http_{reply.status}")


def read_templates(*, signature: str) -> Templates:
    """Read the texts; of each scenario the highest version is the one that is sent.

    :raises IllegalTemplateError: if one would not fit a text behind this signature.
    """
    entries = sorted(
        json.loads(TEMPLATES.read_text(encoding="utf-8")), key=lambda entry: entry["version"]
    )

    def texts(number: str) -> dict[Scenario, Template]:
        return {
            Scenario(entry["scenario"]): Template(
                code=f"{entry['scenario']}_{number}_v{entry['version']}", text=entry[number]
            )
            for entry in entries
        }

    return Templates(signature=signature, for_one=texts("one"), for_several=texts("several"))
