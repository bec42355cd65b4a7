"""The SMS platform's routes (interfaces.md section 5)."""

from collections.abc import Callable

from simulators.clock import SettableClock
from simulators.keys import KeyRing
from simulators.service import Call, Handler, Service, clock_route, mix_route, script_route
from simulators.sms_platform import SmsPlatform
from simulators.wire import Reply


def sms_service(
    *,
    platform: SmsPlatform,
    clock: SettableClock,
    keys: KeyRing,
    refuses: Callable[[], bool] = lambda: False,
) -> Service:
    """Put the SMS platform behind HTTP."""
    return Service(
        name="sms",
        keys=keys,
        refuses=refuses,
        routes={
            "POST /v1/messages": lambda call: platform.send(call.body),
            "GET /v1/messages/<message_id>": lambda call: platform.query(call.args["message_id"]),
            "POST /_control/scripts": script_route("phone", platform.script),
            "POST /_control/mix": mix_route(platform.mix),
            "POST /_control/clock": clock_route(clock),
            "POST /_control/receipts-url": _receipts_url(platform),
            "GET /_control/messages": lambda _: Reply(body=platform.messages()),
        },
    )


def _receipts_url(platform: SmsPlatform) -> Handler:
    """Make POST /_control/receipts-url {"url"}; an empty one holds receipts back."""

    def set_url(call: Call) -> Reply:
        url = call.body.get("url")
        if not isinstance(url, str) or not (not url or url.startswith(("http://", "https://"))):
            raise ValueError("url must be an http address or empty")
        platform.set_receipts_url(url)
        return Reply(body={"url": url})

    return set_url
