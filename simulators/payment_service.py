"""The payment platform's routes (interfaces.md section 4)."""

import re
from collections.abc import Callable
from datetime import date
from typing import Protocol

from simulators import bill
from simulators.clock import SettableClock
from simulators.keys import KeyRing
from simulators.payment_platform import PaymentPlatform
from simulators.service import Call, Handler, Service, clock_route, mix_route, script_route
from simulators.wire import Reply, refusal

CHANNEL = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)


class Bucket(Protocol):
    def put(self, key: str, body: bytes) -> None:
        """Write an object."""


def payment_service(
    *,
    platform: PaymentPlatform,
    clock: SettableClock,
    keys: KeyRing,
    bucket: Bucket | None = None,
    refuses: Callable[[], bool] = lambda: False,
) -> Service:
    """Put the payment platform behind HTTP."""
    return Service(
        name="payment",
        keys=keys,
        refuses=refuses,
        routes={
            "POST /v1/deductions": lambda call: platform.deduct(call.body),
            "GET /v1/deductions/<order_no>": lambda call: platform.query(call.args["order_no"]),
            "POST /v1/deductions/<order_no>/close": lambda call: platform.close(
                call.args["order_no"]
            ),
            "POST /v1/deductions/<order_no>/splits": lambda call: platform.split(
                call.args["order_no"], call.body
            ),
            "POST /v1/refunds": lambda call: platform.refund(call.body),
            "POST /_control/scripts": script_route("agreement_no", platform.script),
            "POST /_control/mix": mix_route(platform.mix),
            "POST /_control/clock": clock_route(clock),
            "GET /_control/ledger": _ledger(platform),
            "POST /_control/corrections": lambda _: Reply(body={"orders": platform.correct()}),
            "POST /_control/close-day": _close_day(platform, bucket),
        },
    )


def _ledger(platform: PaymentPlatform) -> Handler:
    def ledger(call: Call) -> Reply:
        day = call.query.get("date")
        return Reply(body=platform.ledger(date.fromisoformat(day) if day else None))

    return ledger


def _close_day(platform: PaymentPlatform, bucket: Bucket | None) -> Handler:
    """Make POST /_control/close-day {date, version?, channel?, mutations?}.

    The manifest is written after the bill.  Asked twice, the same bytes are written twice.
    """

    def close_day(call: Call) -> Reply:
        if bucket is None:
            return refusal(409, "NO_BUCKET", "start the simulator with --bucket")
        day = date.fromisoformat(str(call.body.get("date")))
        version, channel = call.body.get("version", 1), call.body.get("channel", "main")
        mutations = call.body.get("mutations", [])
        if type(version) is not int or version < 1 or not isinstance(mutations, list):
            raise ValueError("version must be 1 or more, mutations a list")
        if not isinstance(channel, str) or not CHANNEL.fullmatch(channel):
            raise ValueError("channel must be lower-case letters, digits, - and _")
        made = platform.bill(day=day, mutations=[bill.mutation_of(each) for each in mutations])
        key, manifest_key = bill.keys_of(day=day, channel=channel, version=version)
        bucket.put(key, made.body)
        if made.manifest is not None:
            bucket.put(manifest_key, made.manifest)
        return Reply(
            body={
                "key": key,
                "rows": made.rows,
                "amount_fen": made.amount_fen,
                "mutations": [{"kind": kind, "order_no": hit} for kind, hit in made.hits],
            }
        )

    return close_day
