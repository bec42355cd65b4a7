"""Who may meet whom over one loan, one borrower, one file, one day; each with what may come out.

The names of those who meet are their queues, their jobs, or what is said of them here.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from chalicelib.adapters.dynamodb.shards import shard_of
from chalicelib.entrypoints import streams
from simulators import bill
from simulators.bill import Mutation
from tests.simulation.day import CONTEXT, JOURNAL
from tests.simulation.gateway import request
from tests.simulation.meetings import Meeting, Scene
from tests.simulation.outside import THEIR_KEYS
from tests.simulation.plan import Visit
from tests.simulation.sleep_sets import Call, Touch
from tests.simulation.staged import (
    BUSINESS_DATE,
    EVERYTHING,
    JOURNAL_STREAM,
    NOTIFICATIONS,
    a_book,
    a_loan,
)
from tests.simulation.touches import queue_of
from tests.simulation.world import BUCKET, SHARDS

Arranged = Callable[[Meeting], None]
SCENES: list[Scene] = []
ROUND_1, ROUND_2 = "20261124-1-LN01", "20261124-2-LN01"
LADDER = ("timeout_after_charge", "timeout_before_charge", "not_exist_after_accept")
TWO_LOANS = a_book(a_loan(1), a_loan(2))


def meeting(name: str, *outcomes: str, **more: Any) -> Callable[[Arranged], Arranged]:
    """Put a meeting on the list, once for each outcome of the loan's orders."""

    def listed(arrange: Arranged) -> Arranged:
        SCENES.extend(
            Scene(name=name, arrange=arrange, outcomes={"LN01": outcome.split()}, **more)
            for outcome in outcomes or ("succeed",)
        )
        return arrange

    return listed


def but(*free: str) -> Collection[str]:
    """Hold back everything but this."""
    return EVERYTHING - set(free)


def shard() -> str:
    """Name the loan's shard as a message does."""
    return f'"shard":{shard_of("BR01", SHARDS)}'


# --- a round --------------------------------------------------------------------------------


@meeting("a deduction × itself", "succeed", "insufficient_funds succeed", "wrong_amount", *LADDER)
def _deduction_twice(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.gather()
    met.day.deliver("deductions")
    met.day.deliver("deductions")


@meeting("round 2's deduction × round 1's, recorded and not posted", "insufficient_funds succeed")
def _rounds(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.dies_after("journal")
    met.day.until(8.1, holding=but("walks", "deductions"))
    met.day.until(16.05, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions", about=ROUND_2)
    met.day.deliver("deductions", about=ROUND_1)


@meeting(
    "round 2's deduction × round 1's, delivered again",
    "insufficient_funds succeed",
    "insufficient_funds timeout_after_charge",
)
def _rounds_again(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.day.deliver("deductions")
    met.day.until(16.05, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions", about=ROUND_2)
    met.day.deliver("deductions", about=ROUND_1)


@meeting("a question × itself", "processing_then_succeed", "processing_then_fail succeed", *LADDER)
def _question_twice(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions"))
    met.day.double("asks")
    met.gather()
    met.day.deliver("asks")
    met.day.deliver("asks")


@meeting("a deduction, delivered again × a question", "processing_then_succeed", *LADDER)
def _deduction_and_question(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.day.deliver("deductions")
    met.day.until(8.2, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions")
    met.day.deliver("asks")


# --- a borrower who pays ----------------------------------------------------------------------


@meeting("a deduction × a repayment's start", "succeed", "insufficient_funds succeed", *LADDER)
def _deduction_and_start(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    quote_id = met.day.quote()
    met.gather()
    met.day.deliver("deductions")
    met.pays("pays", quote_id, key="k1")


@meeting("a deduction × a part's repayment's start", "succeed", "insufficient_funds")
def _deduction_and_part(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    quote_id = met.day.quote(kind="partial", amount_fen=400_000, recut="shorten_term")
    met.gather()
    met.day.deliver("deductions")
    met.pays("pays", quote_id, key="k1")


@meeting("a repayment's start × another request for its quote")
def _two_tabs(met: Meeting) -> None:
    met.day.until(7.0)
    quote_id = met.day.quote()
    met.gather()
    met.pays("pays", quote_id, key="k1")
    met.pays("pays in another tab", quote_id, key="k2")


@meeting("a repayment's start × another quote's start")
def _two_quotes(met: Meeting) -> None:
    met.day.until(7.0)
    full, part = met.day.quote(), met.day.quote(kind="instalment")
    met.gather()
    met.pays("pays all", full, key="k1")
    met.pays("pays the instalment", part, key="k2")


@meeting("a repayment's start × the same request")
def _two_taps(met: Meeting) -> None:
    met.day.until(7.0)
    quote_id = met.day.quote()
    met.gather()
    met.pays("taps", quote_id, key="k1")
    met.pays("taps again", quote_id, key="k1")


@meeting("a repayment's sending × itself", "succeed", "insufficient_funds", "wrong_amount", *LADDER)
def _sending_twice(met: Meeting) -> None:
    _begun(met, 7.0)
    met.day.double("repayments")
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("repayments")


@meeting("a repayment's sending × the question after it", "succeed", "card_closed", *LADDER)
def _sending_and_question(met: Meeting) -> None:
    _begun(met, 7.0)
    met.day.until(7.02, holding=EVERYTHING)
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("asks")


@meeting("a repayment's sending × a deduction", "succeed", "insufficient_funds succeed", *LADDER)
def _sending_and_deduction(met: Meeting) -> None:
    _begun(met, 7.999)
    met.day.until(8.05, holding=but("walks"))
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("deductions")


@meeting("a repayment's sending × another request for its quote", "succeed", "insufficient_funds")
def _sending_and_start(met: Meeting) -> None:
    quote_id = _begun(met, 7.0)
    met.gather()
    met.day.deliver("repayments")
    met.pays("pays in another tab", quote_id, key="k2")


@meeting("the due list's walk × a repayment's sending", "succeed", "insufficient_funds")
def _walk_and_sending(met: Meeting) -> None:
    visit = Visit(at=0.1, loan=0, kind="full", recut="", amount_share=0, tabs=1, taps=1)
    _begun(met, 0.18, free="nothing")
    met.day.plan = replace(met.day.plan, visits=(visit,))  # what is listed depends on who is first
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("repayments")


def _begun(met: Meeting, hours: float, *, free: str = "walks") -> str:
    """Have a borrower start the order of a full repayment, and hold it back."""
    met.day.until(hours, holding=but(free))
    quote_id = met.day.quote()
    assert met.day.pay(quote_id, key="k1").status == 202
    return quote_id


# --- notifications ----------------------------------------------------------------------------


@meeting("a deduction × its notification", "succeed", "insufficient_funds succeed", *LADDER)
def _deduction_and_notification(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions")
    _is_told(met, ROUND_1)


@meeting("a repayment's sending × its notification", "succeed", "card_closed", *LADDER)
def _sending_and_notification(met: Meeting) -> None:
    met.day.until(7.0, holding=but("walks"))
    answer = met.day.pay(met.day.quote(), key="k1")
    met.gather()
    met.day.deliver("repayments")
    _is_told(met, answer.body["order_no"])


@meeting("a notification × itself, over HTTP")
def _told_twice(met: Meeting) -> None:
    met.day.until(8.07, holding=but("walks", "deductions"))
    told = met.day.payment.take_notification()
    assert told
    met.gather()
    for name in ("notified", "notified again"):
        met.invite(name, partial(_post, met, told))


@meeting("a notification's taking × itself", "timeout_after_charge", "processing_then_succeed")
def _taken_twice(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions", NOTIFICATIONS))
    met.day.double("payment-notifications")
    met.gather()
    met.day.deliver("payment-notifications")
    met.day.deliver("payment-notifications")


@meeting("a notification's taking × a question", "timeout_after_charge", "processing_then_succeed")
def _taken_and_question(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions", NOTIFICATIONS))
    met.gather()
    met.day.deliver("payment-notifications")
    met.day.deliver("asks")


def _is_told(met: Meeting, order_no: str) -> None:
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
        status = _post(met, told)
        return _handled(met, "payment-notifications"), status

    met.invite("notified", work)


def _post(met: Meeting, told: Any) -> int:
    """Post a notification to us, and let the platform hear how we took it."""
    import json

    path = f"/{told.url.split('/', 3)[3]}"
    body = json.dumps(told.body, ensure_ascii=False).encode()
    headers = met.day.world.platforms.signed("POST", path, body, keys=THEIR_KEYS)
    answer = request("POST", path, headers=headers, body=body)
    platform = met.day.payment if "payments" in path else met.day.sms
    platform.notified(told.key, acknowledged=answer.status < 300)
    return answer.status


def _handled(met: Meeting, queue: str) -> object:
    """Have a queue's Lambda work what has just come into it."""
    sqs, name = met.day.world.sqs, f"afterloan-test-{queue}"
    records = sqs.receive(name, sqs.waiting(name)[:1])
    answer = met.day._workers[queue][0]({"Records": records}, CONTEXT)
    if not answer["batchItemFailures"]:
        sqs.finish(name, records[0]["receiptHandle"])
    return answer


# --- jobs -------------------------------------------------------------------------------------


@meeting("the due list's making × itself")
def _list_twice(met: Meeting) -> None:
    met.day.until(0.16, holding=EVERYTHING)
    met.gather()
    met.day.fire("make_due_list", 10 / 60)
    met.day.fire("make_due_list", 10 / 60)


@meeting("the due list's walk × itself")
def _walk_twice(met: Meeting) -> None:
    met.day.until(0.2, holding=EVERYTHING)
    met.day.double("walks")
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("walks", about=shard())


@meeting("the due list's walk × the other shard's")
def _walks(met: Meeting) -> None:
    met.day.until(0.2, holding=EVERYTHING)
    met.gather()
    for number in range(SHARDS):
        met.day.deliver("walks", about=f'"shard":{number}')


@meeting("the due list's walk × the sweep")
def _walk_and_sweep(met: Meeting) -> None:
    met.day.until(0.4, holding=EVERYTHING)
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.fire("sweep", 0.5)


@meeting("a round's opening × itself")
def _round_twice(met: Meeting) -> None:
    met.day.until(7.9, holding=but("walks"))
    met.gather()
    met.day.fire("open_round_1", 8.0)
    met.day.fire("open_round_1", 8.0)


@meeting("a round's walk × itself", "succeed")
def _round_walk_twice(met: Meeting) -> None:
    _round_open(met)
    met.day.double("walks")
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("walks", about=shard())


@meeting("a round's walk × the sweep")
def _round_walk_and_sweep(met: Meeting) -> None:
    _round_open(met)
    met.day.until(8.2, holding=EVERYTHING)
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.fire("sweep", 8.25)


def _round_open(met: Meeting) -> None:
    met.day.until(7.9, holding=but("walks"))
    met.day.until(8.05, holding=EVERYTHING)


@meeting(
    "round 2's walk × a question of round 1's order",
    "timeout_before_charge insufficient_funds succeed",
    "processing_then_fail succeed",
    "timeout_after_charge",
)
def _round_2_walk_and_question(met: Meeting) -> None:
    met.day.until(15.9, holding=but("walks", "deductions"))
    met.day.until(16.05, holding=EVERYTHING)
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("asks")


@meeting("round 2's opening × a question of round 1's order", "processing_then_fail succeed")
def _round_2_and_question(met: Meeting) -> None:
    met.day.until(15.9, holding=but("walks", "deductions"))
    met.gather()
    met.day.fire("open_round_2", 16.0)
    met.day.deliver("asks")


# --- the sweep --------------------------------------------------------------------------------


@meeting("the sweep × a deduction", "succeed", "insufficient_funds succeed", "timeout_after_charge")
def _sweep_and_deduction(met: Meeting) -> None:
    met.day.until(8.24, holding=but("walks"))
    met.gather()
    met.day.fire("sweep", 8.25)
    met.day.deliver("deductions")


@meeting("the sweep × a question", "timeout_after_charge", "processing_then_fail succeed")
def _sweep_and_question(met: Meeting) -> None:
    met.day.until(8.24, holding=but("walks", "deductions"))
    met.gather()
    met.day.fire("sweep", 8.25)
    met.day.deliver("asks")


@meeting("the sweep × a repayment's start", "succeed")
def _sweep_and_start(met: Meeting) -> None:
    met.day.until(7.24)
    quote_id = met.day.quote()
    met.gather()
    met.day.fire("sweep", 7.25)
    met.pays("pays", quote_id, key="k1")


@meeting("the sweep × a repayment's sending", "succeed", "insufficient_funds", *LADDER)
def _sweep_and_sending(met: Meeting) -> None:
    _begun(met, 7.0)
    met.day.until(7.24, holding=EVERYTHING)
    met.gather()
    met.day.fire("sweep", 7.25)
    met.day.deliver("repayments")


@meeting("the sweep × the redriving of a dead deduction", "succeed", "insufficient_funds")
def _sweep_and_redrive(met: Meeting) -> None:
    body = _killed(met)
    met.gather()
    met.day.fire("sweep", 8.25)
    met.invite("redrive", partial(_redrive, met, body))


@meeting(
    "the sweep × a redriven deduction", "succeed", "insufficient_funds", "timeout_after_charge"
)
def _sweep_and_redriven(met: Meeting) -> None:
    body = _killed(met)
    met.gather()
    met.day.fire("sweep", 8.25)

    def work() -> object:
        _redrive(met, body)
        return _handled(met, "deductions")

    met.invite("redriven", work)


@meeting("the sweep × itself", "timeout_after_charge")
def _sweep_twice(met: Meeting) -> None:
    met.day.until(8.24, holding=but("walks", "deductions"))
    met.gather()
    met.day.fire("sweep", 8.25)
    met.day.fire("sweep", 8.25)


def _killed(met: Meeting) -> str:
    """Put the one deduction among the dead letters."""
    met.day.until(8.05, holding=but("walks"))
    sqs, name = met.day.world.sqs, "afterloan-test-deductions"
    (record,) = sqs.receive(name, sqs.waiting(name))
    sqs.finish(name, record["receiptHandle"])
    met.day.put_again("deductions-dlq", record["body"], 0)
    met.day.until(8.24, holding=but("walks"))
    return str(record["body"])


def _redrive(met: Meeting, body: str) -> None:
    met.pause(Call(says="put again", touches=frozenset({(queue_of("deductions"), Touch.ADDS)})))
    sqs, name = met.day.world.sqs, "afterloan-test-deductions-dlq"
    (record,) = sqs.receive(name, sqs.waiting(name))
    met.day.put_again("deductions", body, 0)
    sqs.finish(name, record["receiptHandle"])


# --- bills and the close ------------------------------------------------------------------------


@meeting("a bill × a question", "processing_then_fail", "insufficient_funds", *LADDER)
def _bill_and_question(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    if met.day.bodies("asks"):
        met.day.deliver("asks")
    else:
        _asks(met, ROUND_1)


@meeting("a bill × a notification's taking", "timeout_after_charge", "not_exist_after_accept")
def _bill_and_notification(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions", NOTIFICATIONS))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("payment-notifications")


@meeting("a bill × itself", "succeed", "timeout_after_charge", "wrong_amount")
def _bill_twice(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("files", about='bill_v1.csv"')


@meeting("a bill × its next version", "succeed", "wrong_amount", "timeout_after_charge")
def _bill_and_next(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.day.bills.correct(BUSINESS_DATE)
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("files", about="bill_v2.csv.ok")


for _spoilt in ("", "drop_row", "extra_row"):

    @meeting("the close × the bill's next version", bill=_spoilt)
    def _close_and_bill(met: Meeting) -> None:
        met.day.until(34.5)
        met.day.hold("files")
        met.day.bills.correct(BUSINESS_DATE)
        met.gather()
        met.day.fire("close_day", 35.0)
        met.day.deliver("files", about="bill_v2.csv.ok")


@meeting("the close × itself", "succeed", "wrong_amount")
def _close_twice(met: Meeting) -> None:
    met.day.until(34.5)
    met.gather()
    met.day.fire("close_day", 35.0)
    met.day.fire("close_day", 35.0)


@meeting(
    "a hold by the bill × a repayment's start", "insufficient_funds insufficient_funds succeed"
)
def _hold_and_start(met: Meeting) -> None:
    _billed_though_failed(met)
    quote_id = met.day.quote()
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.pays("pays", quote_id, key="k1")


@meeting(
    "a hold by the bill × a repayment's sending", "insufficient_funds insufficient_funds succeed"
)
def _hold_and_sending(met: Meeting) -> None:
    _billed_though_failed(met)
    assert met.day.pay(met.day.quote(), key="k1").status == 202
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("repayments")


def _billed_though_failed(met: Meeting) -> None:
    """Have the bill show an order paid that has failed; its next version does not."""
    met.day.until(33.9)
    met.day.hold(*EVERYTHING)
    spoilt = Mutation(kind="extra_row", order_no=ROUND_1)
    made = met.day.payment.bill(day=BUSINESS_DATE, mutations=(spoilt,))
    key, manifest_key = bill.keys_of(day=BUSINESS_DATE, channel="main", version=1)
    met.day.bills._versions[BUSINESS_DATE] = 1
    for name, body in ((key, made.body), (manifest_key, made.manifest)):
        met.day.world.s3.call("PutObject", {"Bucket": BUCKET, "Key": name, "Body": body})


def _asks(met: Meeting, order_no: str) -> None:
    met.day.put_again("asks", f'{{"order_no": "{order_no}", "rung": null}}', 0)
    met.day.deliver("asks")


# --- texts --------------------------------------------------------------------------------------


def texts(name: str, *outcomes: str, **more: Any) -> Callable[[Arranged], Arranged]:
    """Put a meeting on the list, once for each outcome of the borrower's first text."""

    def listed(arrange: Arranged) -> Arranged:
        SCENES.extend(
            Scene(name=name, arrange=arrange, texts={"BR01": outcome.split()}, **more)
            for outcome in outcomes or ("delivered",)
        )
        return arrange

    return listed


TEXT_OUTCOMES: Sequence[str] = (
    *("delivered", "failed", "limit"),
    *("timeout_after_accept", "timeout_before_accept"),
)


@texts("an event × another of the same borrower", sample=TWO_LOANS)
def _collected_twice(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices"})
    met.gather()
    met.day.deliver("notices", about="LN01")
    met.day.deliver("notices", about="LN02")


@texts("an event × itself")
def _collected_again(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices"})
    met.day.double("notices")
    met.gather()
    met.day.deliver("notices")
    met.day.deliver("notices")


@texts("an event × the sending of the borrower's text", *TEXT_OUTCOMES, sample=TWO_LOANS)
def _collected_and_sent(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices", "texts"})
    met.day.deliver("notices", about="LN01")
    met.day.until(8.55, holding={"notices", "texts"})
    met.gather()
    met.day.deliver("notices", about="LN02")
    met.day.deliver("texts")


@texts("a text's sending × itself", *TEXT_OUTCOMES)
def _sent_twice(met: Meeting) -> None:
    met.day.until(8.55, holding={"texts"})
    met.day.double("texts")
    met.gather()
    met.day.deliver("texts")
    met.day.deliver("texts")


@texts("a text's sending × the release", *TEXT_OUTCOMES)
def _sent_and_released(met: Meeting) -> None:
    met.day.until(8.55, holding={"texts"})
    met.gather()
    met.day.deliver("texts")
    met.day.fire("release_texts", 8.6)


@texts("a text's sending × its receipt", *TEXT_OUTCOMES)
def _sent_and_reported(met: Meeting) -> None:
    import json

    met.day.sms._until_receipt *= 0
    met.day.until(8.55, holding={"texts", "receipts", NOTIFICATIONS})
    (body,) = met.day.bodies("texts").values()
    text = "text", json.loads(body)["notice_id"]
    met.gather()
    met.day.deliver("texts")

    def work() -> object:
        met.pause(Call(says="the platform reports", touches=frozenset({(text, Touch.WRITES)})))
        told = met.day.sms.take_notification()
        if told is None:
            return "nothing to report yet"
        status = _post(met, told)
        return _handled(met, "receipts"), status

    met.invite("reported", work)


@texts("a receipt × itself", "delivered", "failed")
def _reported_twice(met: Meeting) -> None:
    met.day.until(8.6, holding={"receipts"})
    met.day.double("receipts")
    met.gather()
    met.day.deliver("receipts")
    met.day.deliver("receipts")


@meeting("the stream's batch × itself", "succeed", "insufficient_funds")
def _announced_twice(met: Meeting) -> None:
    met.day.until(8.07, holding={JOURNAL_STREAM})
    batch = list(met.day.world.dynamodb.take_stream(JOURNAL, 100))
    met.day._stream.extend(batch)
    met.gather()
    for name in ("announce", "announce again"):
        met.invite(name, partial(streams.announce, {"Records": batch}, CONTEXT))


# --- files of loans -----------------------------------------------------------------------------


@meeting(
    "a loans file × itself", sample=a_book(a_loan(1), a_loan(2, dpd=-20)), late=frozenset({"LN02"})
)
def _loans_twice(met: Meeting) -> None:
    from tests.simulation.staged import land

    met.day.until(9.0)
    met.day.hold("files")
    land(met.day.world, a_book(a_loan(2, dpd=-20)), version=2)
    met.gather()
    met.day.deliver("files", about="loans_v2.csv.ok")
    met.day.deliver("files", about='loans_v2.csv"')
