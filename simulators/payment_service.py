"""The payment platform's routes (interfaces.md section 4)."""

import re
from collections.abc import Callable, Mapping, Sequence
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
    accounts: Mapping[str, PaymentPlatform] | None = None,
) -> Service:
    """Put the payment platform behind HTTP.

    `accounts` are of the merchants beside Afterloan, by name: their orders, ledgers and numbers
    are their own, and in no bill of ours; scripts and the mix are set for all.
    """
    others = accounts or {}
    everybody = (platform, *others.values())

    def of(call: Call) -> PaymentPlatform:
        return others.get(call.merchant, platform)

    def script(agreement_no: str, outcomes: Sequence[str]) -> None:
        for one in everybody:
            one.script(agreement_no, outcomes)

    def mix(probabilities: Mapping[str, float]) -> None:
        for one in everybody:
            one.mix(probabilities)

    def correct(_: Call) -> Reply:
        return Reply(body={"orders": [number for one in everybody for number in one.correct()]})

    return Service(
        name="payment",
        keys=keys,
        refuses=refuses,
        routes={
            "POST /v1/deductions": lambda call: of(call).deduct(call.body),
            "GET /v1/deductions/<order_no>": lambda call: of(call).query(call.args["order_no"]),
            "POST /v1/deductions/<order_no>/close": lambda call: of(call).close(
                call.args["order_no"]
            ),
            "POST /v1/deductions/<order_no>/splits": lambda call: of(call).split(
                call.args["order_no"], call.body
            ),
            "POST /v1/refunds": lambda call: of(call).refund(call.body),
            "POST /_control/scripts": script_route("agreement_no", script),
            "POST /_control/mix": mix_route(mix),
            "POST /_control/clock": clock_route(clock),
            "GET /_control/ledger": _ledger(platform, others),
            "POST /_control/corrections": correct,
            "POST /_control/close-day": _close_day(platform, bucket),
        },
    )


def _ledger(platform: PaymentPlatform, others: Mapping[str, PaymentPlatform]) -> Handler:
    """Make GET /_control/ledger?date=&merchant=: Afterloan's own, if no merchant is named."""

    def ledger(call: Call) -> Reply:
        day, merchant = call.query.get("date"), call.query.get("merchant", "")
        if merchant and merchant not in others:
            raise ValueError(f"no such merchant: {merchant}")
        account = others.get(merchant, platform)
        return Reply(body=account.ledger(date.fromisoformat(day) if day else None))

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
