"""What meetings are arranged with: a list of them, those who tell us something, short names."""

import json
from collections.abc import Callable, Collection
from typing import Any

from chalicelib.adapters.dynamodb.shards import shard_of
from tests.simulation.day import CONTEXT
from tests.simulation.gateway import request
from tests.simulation.meetings import Meeting, Scene
from tests.simulation.outside import THEIR_KEYS
from tests.simulation.sleep_sets import Call, Touch
from tests.simulation.staged import EVERYTHING
from tests.simulation.world import SHARDS

Arranged = Callable[[Meeting], None]
ROUND_1, ROUND_2 = "20261124-1-LN01", "20261124-2-LN01"
LADDER = ("timeout_after_charge", "timeout_before_charge", "not_exist_after_accept")
"""Outcomes after which an order is asked after."""


class Scenes(list[Scene]):
    """Meetings, each once for all that may come out of it."""

    def of_orders(self, name: str, *outcomes: str, **more: Any) -> Callable[[Arranged], Arranged]:
        """List a meeting once for each outcome of the loan's orders."""
        return self._listed(name, "outcomes", "LN01", outcomes or ("succeed",), more)

    def of_texts(self, name: str, *outcomes: str, **more: Any) -> Callable[[Arranged], Arranged]:
        """List a meeting once for each outcome of the borrower's first text."""
        return self._listed(name, "texts", "BR01", outcomes or ("delivered",), more)

    def _listed(
        self, name: str, what: str, whose: str, outcomes: Collection[str], more: Any
    ) -> Callable[[Arranged], Arranged]:
        def listed(arrange: Arranged) -> Arranged:
            for outcome in outcomes:
                scripts = {what: {whose: outcome.split()}}
                self.append(Scene(name=name, arrange=arrange, **scripts, **more))
            return arrange

        return listed


def but(*free: str) -> Collection[str]:
    """Hold back everything but this."""
    return EVERYTHING - set(free)


def shard() -> str:
    """Name the loan's shard as a message does."""
    return f'"shard":{shard_of("BR01", SHARDS)}'


def is_told(met: Meeting, order_no: str) -> None:
    """Have the platform tell us as soon as it knows, and the notification be taken at once."""

    def work() -> object:
        met.pause(
            Call(
                says="the platform tells", touches=frozenset({(("order", order_no), Touch.WRITES)})
            )
        )
        told = met.day.payment.take_notification()
        if told is None:
            return "nothing to tell yet"
        status = post(met, told)
        return handled(met, "payment-notifications"), status

    met.invite("notified", work)


def post(met: Meeting, told: Any) -> int:
    """Post a notification to us, and let the platform hear how we took it."""
    path = f"/{told.url.split('/', 3)[3]}"
    body = json.dumps(told.body, ensure_ascii=False).encode()
    headers = met.day.world.platforms.signed("POST", path, body, keys=THEIR_KEYS)
    answer = request("POST", path, headers=headers, body=body)
    platform = met.day.payment if "payments" in path else met.day.sms
    platform.notified(told.key, acknowledged=answer.status < 300)
    return answer.status


def handled(met: Meeting, queue: str) -> object:
    """Have a queue's Lambda work what has just come into it."""
    sqs, name = met.day.world.sqs, f"afterloan-test-{queue}"
    records = sqs.receive(name, sqs.waiting(name)[:1])
    answer = met.day._workers[queue][0]({"Records": records}, CONTEXT)
    if not answer["batchItemFailures"]:
        sqs.finish(name, records[0]["receiptHandle"])
    return answer


def begun(met: Meeting, hours: float, *, free: str = "walks") -> str:
    """Have a borrower start the order of a full repayment, and hold it back."""
    met.day.until(hours, holding=but(free))
    quote_id = met.day.quote()
    assert met.day.pay(quote_id, key="k1").status == 202
    return quote_id
