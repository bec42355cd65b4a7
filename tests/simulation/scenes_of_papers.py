"""Who may meet over a bill, the close of a day, a text, a file of loans."""

import json
from functools import partial

from chalicelib.entrypoints import streams
from simulators import bill
from simulators.bill import Mutation
from tests.simulation.arranging import LADDER, ROUND_1, Scenes, but, handled, post
from tests.simulation.day import CONTEXT, JOURNAL
from tests.simulation.meetings import Meeting
from tests.simulation.sleep_sets import Call, Touch
from tests.simulation.staged import (
    BUSINESS_DATE,
    EVERYTHING,
    JOURNAL_STREAM,
    NOTIFICATIONS,
    a_book,
    a_loan,
    land,
)
from tests.simulation.world import BUCKET

PAPERS = Scenes()
TWO_LOANS = a_book(a_loan(1), a_loan(2))

# --- bills and the close ------------------------------------------------------------------------


@PAPERS.of_orders("a bill × a question", "processing_then_fail", "insufficient_funds", *LADDER)
def _bill_and_question(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    if met.day.bodies("asks"):
        met.day.deliver("asks")
    else:
        _asks(met, ROUND_1)


@PAPERS.of_orders(
    "a bill × a notification's taking", "timeout_after_charge", "not_exist_after_accept"
)
def _bill_and_notification(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions", NOTIFICATIONS))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("payment-notifications")


@PAPERS.of_orders("a bill × itself", "succeed", "timeout_after_charge", "wrong_amount")
def _bill_twice(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("files", about='bill_v1.csv"')


@PAPERS.of_orders("a bill × its next version", "succeed", "wrong_amount", "timeout_after_charge")
def _bill_and_next(met: Meeting) -> None:
    met.day.until(34.05, holding=but("walks", "deductions"))
    met.day.bills.correct(BUSINESS_DATE)
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("files", about="bill_v2.csv.ok")


for _spoilt in ("change_amount", "duplicate_row", "drop_row"):

    @PAPERS.of_orders("a spoilt bill × its next version", bill=_spoilt)
    def _spoilt_bill_and_next(met: Meeting) -> None:
        _bill_and_next(met)


for _spoilt in ("", "drop_row", "extra_row"):

    @PAPERS.of_orders("the close × the bill's next version", bill=_spoilt)
    def _close_and_bill(met: Meeting) -> None:
        met.day.until(34.5)
        met.day.hold("files")
        met.day.bills.correct(BUSINESS_DATE)
        met.gather()
        met.day.fire("close_day", 35.0)
        met.day.deliver("files", about="bill_v2.csv.ok")


@PAPERS.of_orders("the close × itself", "succeed", "wrong_amount")
def _close_twice(met: Meeting) -> None:
    met.day.until(34.5)
    met.gather()
    met.day.fire("close_day", 35.0)
    met.day.fire("close_day", 35.0)


@PAPERS.of_orders(
    "a hold by the bill × a repayment's start", "insufficient_funds insufficient_funds succeed"
)
def _hold_and_start(met: Meeting) -> None:
    _billed_though_failed(met)
    quote_id = met.day.quote()
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.pays("pays", quote_id, key="k1")


@PAPERS.of_orders(
    "a hold by the bill × a repayment's sending", "insufficient_funds insufficient_funds succeed"
)
def _hold_and_sending(met: Meeting) -> None:
    _billed_though_failed(met)
    assert met.day.pay(met.day.quote(), key="k1").status == 202
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("repayments")


@PAPERS.of_orders(
    "a hold by the bill × the next day's deduction",
    "insufficient_funds insufficient_funds succeed",
    "insufficient_funds insufficient_funds timeout_after_charge",
)
def _hold_and_deduction(met: Meeting) -> None:
    _billed_though_failed(met, next_morning=True)
    met.gather()
    met.day.deliver("files", about="bill_v1.csv.ok")
    met.day.deliver("deductions")


def _billed_though_failed(met: Meeting, *, next_morning: bool = False) -> None:
    """Have the bill show an order paid that has failed; its next version does not."""
    if next_morning:
        for at, job in ((24.2, "make_due_list"), (32.0, "open_round_1")):
            met.day.at(at, job, partial(met.day.fire, job, at))
        met.day.until(31.9)
    met.day.until(33.9, holding=but("walks") if next_morning else ())
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


TEXT_OUTCOMES = (
    *("delivered", "failed", "limit"),
    *("timeout_after_accept", "timeout_before_accept"),
)


@PAPERS.of_texts("an event × another of the same borrower", sample=TWO_LOANS)
def _collected_twice(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices"})
    met.gather()
    met.day.deliver("notices", about="LN01")
    met.day.deliver("notices", about="LN02")


@PAPERS.of_texts("an event × itself")
def _collected_again(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices"})
    met.day.double("notices")
    met.gather()
    met.day.deliver("notices")
    met.day.deliver("notices")


@PAPERS.of_texts("an event × the sending of the borrower's text", *TEXT_OUTCOMES, sample=TWO_LOANS)
def _collected_and_sent(met: Meeting) -> None:
    met.day.until(8.07, holding={"notices", "texts"})
    met.day.deliver("notices", about="LN01")
    met.day.until(8.55, holding={"notices", "texts"})
    met.gather()
    met.day.deliver("notices", about="LN02")
    met.day.deliver("texts")


@PAPERS.of_texts("a text's sending × itself", *TEXT_OUTCOMES)
def _sent_twice(met: Meeting) -> None:
    met.day.until(8.55, holding={"texts"})
    met.day.double("texts")
    met.gather()
    met.day.deliver("texts")
    met.day.deliver("texts")


@PAPERS.of_texts("a text's sending × the release", *TEXT_OUTCOMES)
def _sent_and_released(met: Meeting) -> None:
    met.day.until(8.55, holding={"texts"})
    met.gather()
    met.day.deliver("texts")
    met.day.fire("release_texts", 8.6)


@PAPERS.of_texts("a text's sending × its receipt", *TEXT_OUTCOMES)
def _sent_and_reported(met: Meeting) -> None:
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
        status = post(met, told)
        return handled(met, "receipts"), status

    met.invite("reported", work)


@PAPERS.of_texts("a receipt × itself", "delivered", "failed")
def _reported_twice(met: Meeting) -> None:
    met.day.until(8.6, holding={"receipts"})
    met.day.double("receipts")
    met.gather()
    met.day.deliver("receipts")
    met.day.deliver("receipts")


@PAPERS.of_orders("the stream's batch × itself", "succeed", "insufficient_funds")
def _announced_twice(met: Meeting) -> None:
    met.day.until(8.07, holding={JOURNAL_STREAM})
    batch = list(met.day.world.dynamodb.take_stream(JOURNAL, 100))
    met.day._stream.extend(batch)
    met.gather()
    for name in ("announce", "announce again"):
        met.invite(name, partial(streams.announce, {"Records": batch}, CONTEXT))


# --- files of loans -----------------------------------------------------------------------------


@PAPERS.of_orders(
    "a loans file × itself", sample=a_book(a_loan(1), a_loan(2, dpd=-20)), late=frozenset({"LN02"})
)
def _loans_twice(met: Meeting) -> None:
    met.day.until(9.0)
    met.day.hold("files")
    land(met.day.world, a_book(a_loan(2, dpd=-20)), version=2)
    met.gather()
    met.day.deliver("files", about="loans_v2.csv.ok")
    met.day.deliver("files", about='loans_v2.csv"')
