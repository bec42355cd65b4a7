"""How the funder reaches the payment platform: over the wire, or within one process."""

import json
from collections.abc import Mapping

import urllib3

from simulators.merchant import Merchant
from simulators.payment_platform import PaymentPlatform
from simulators.signatures import BadSignatureError
from simulators.wire import Reply, Wire

SECONDS = 2.0


class InProcess:
    """The funder's own merchant account at a platform in the same process."""

    def __init__(self, platform: PaymentPlatform) -> None:
        self._platform = platform

    def deduct(self, body: Mapping[str, object]) -> Mapping[str, object] | None:
        return _believed(self._platform.deduct(body))

    def query(self, order_no: str) -> Mapping[str, object] | None:
        return _believed(self._platform.query(order_no))


class OverHttp:
    """The same over signed HTTP; what hangs, or is not to be believed, is no answer."""

    def __init__(self, merchant: Merchant, *, seconds: float = SECONDS) -> None:
        self._merchant = merchant
        self._seconds = seconds

    def deduct(self, body: Mapping[str, object]) -> Mapping[str, object] | None:
        return self._call("POST", "/v1/deductions", body)

    def query(self, order_no: str) -> Mapping[str, object] | None:
        return self._call("GET", f"/v1/deductions/{order_no}")

    def _call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, object] | None:
        try:
            status, answer = self._merchant.call(method, path, body, seconds=self._seconds)
        except (urllib3.exceptions.HTTPError, BadSignatureError, json.JSONDecodeError):
            return None
        return answer if status == 200 and isinstance(answer, dict) else None


def _believed(reply: Reply) -> Mapping[str, object] | None:
    if reply.wire is not Wire.SIGNED or reply.status != 200 or isinstance(reply.body, str):
        return None
    return reply.body
