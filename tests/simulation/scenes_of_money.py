"""Who may meet over one loan: rounds, borrowers, questions, notifications."""

from dataclasses import replace
from functools import partial

from tests.simulation.arranging import (
    LADDER,
    ROUND_1,
    ROUND_2,
    Scenes,
    begun,
    but,
    is_told,
    post,
    shard,
)
from tests.simulation.meetings import Meeting
from tests.simulation.plan import Visit
from tests.simulation.staged import EVERYTHING, NOTIFICATIONS

MONEY = Scenes()

# --- a round --------------------------------------------------------------------------------


@MONEY.of_orders(
    "a deduction × itself", "succeed", "insufficient_funds succeed", "wrong_amount", *LADDER
)
def _deduction_twice(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.gather()
    met.day.deliver("deductions")
    met.day.deliver("deductions")


@MONEY.of_orders(
    "round 2's deduction × round 1's, recorded and not posted", "insufficient_funds succeed"
)
def _rounds(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.dies_after("journal")
    met.day.until(8.1, holding=but("walks", "deductions"))
    met.day.until(16.05, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions", about=ROUND_2)
    met.day.deliver("deductions", about=ROUND_1)


@MONEY.of_orders(
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


@MONEY.of_orders(
    "round 2's deduction × a question of round 1's unknown order",
    "timeout_after_charge",
    "processing_then_succeed",
)
def _round_2_and_unknown(met: Meeting) -> None:
    """No list names such a loan; an operator may have put the message by hand."""
    met.day.until(16.05, holding=but("walks", "deductions"))
    met.day.hold(*EVERYTHING)
    met.day.put_again("deductions", f'{{"order_no": "{ROUND_2}", "listed_fen": 999999999}}', 0)
    met.gather()
    met.day.deliver("deductions", about=ROUND_2)
    met.day.deliver("asks")


@MONEY.of_orders(
    "a question × itself", "processing_then_succeed", "processing_then_fail succeed", *LADDER
)
def _question_twice(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions"))
    met.day.double("asks")
    met.gather()
    met.day.deliver("asks")
    met.day.deliver("asks")


@MONEY.of_orders("a deduction, delivered again × a question", "processing_then_succeed", *LADDER)
def _deduction_and_question(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.day.deliver("deductions")
    met.day.until(8.2, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions")
    met.day.deliver("asks")


# --- a borrower who pays ----------------------------------------------------------------------


@MONEY.of_orders(
    "a deduction × a repayment's start", "succeed", "insufficient_funds succeed", *LADDER
)
def _deduction_and_start(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    quote_id = met.day.quote()
    met.gather()
    met.day.deliver("deductions")
    met.pays("pays", quote_id, key="k1")


@MONEY.of_orders("a deduction × a part's repayment's start", "succeed", "insufficient_funds")
def _deduction_and_part(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    quote_id = met.day.quote(kind="partial", amount_fen=400_000, recut="shorten_term")
    met.gather()
    met.day.deliver("deductions")
    met.pays("pays", quote_id, key="k1")


@MONEY.of_orders("a repayment's start × another request for its quote")
def _two_tabs(met: Meeting) -> None:
    met.day.until(7.0)
    quote_id = met.day.quote()
    met.gather()
    met.pays("pays", quote_id, key="k1")
    met.pays("pays in another tab", quote_id, key="k2")


@MONEY.of_orders("two repayments' starts × a deduction", "succeed", "insufficient_funds")
def _two_tabs_and_deduction(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    full, part = met.day.quote(), met.day.quote(kind="instalment")
    met.gather()
    met.pays("pays all", full, key="k1")
    met.pays("pays the instalment", part, key="k2")
    met.day.deliver("deductions")


@MONEY.of_orders("a repayment's start × another quote's start")
def _two_quotes(met: Meeting) -> None:
    met.day.until(7.0)
    full, part = met.day.quote(), met.day.quote(kind="instalment")
    met.gather()
    met.pays("pays all", full, key="k1")
    met.pays("pays the instalment", part, key="k2")


@MONEY.of_orders("a repayment's start × the same request")
def _two_taps(met: Meeting) -> None:
    met.day.until(7.0)
    quote_id = met.day.quote()
    met.gather()
    met.pays("taps", quote_id, key="k1")
    met.pays("taps again", quote_id, key="k1")


@MONEY.of_orders(
    "a repayment's sending × itself", "succeed", "insufficient_funds", "wrong_amount", *LADDER
)
def _sending_twice(met: Meeting) -> None:
    begun(met, 7.0)
    met.day.double("repayments")
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("repayments")


@MONEY.of_orders("a repayment's sending × the question after it", "succeed", "card_closed", *LADDER)
def _sending_and_question(met: Meeting) -> None:
    begun(met, 7.0)
    met.day.until(7.02, holding=EVERYTHING)
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("asks")


@MONEY.of_orders(
    "a repayment's sending × a deduction", "succeed", "insufficient_funds succeed", *LADDER
)
def _sending_and_deduction(met: Meeting) -> None:
    begun(met, 7.999)
    met.day.until(8.05, holding=but("walks"))
    met.gather()
    met.day.deliver("repayments")
    met.day.deliver("deductions")


@MONEY.of_orders(
    "a repayment's sending × another request for its quote", "succeed", "insufficient_funds"
)
def _sending_and_start(met: Meeting) -> None:
    quote_id = begun(met, 7.0)
    met.gather()
    met.day.deliver("repayments")
    met.pays("pays in another tab", quote_id, key="k2")


@MONEY.of_orders("the due list's walk × a repayment's sending", "succeed", "insufficient_funds")
def _walk_and_sending(met: Meeting) -> None:
    visit = Visit(at=0.1, loan=0, kind="full", recut="", amount_share=0, tabs=1, taps=1)
    begun(met, 0.18, free="nothing")
    met.day.plan = replace(met.day.plan, visits=(visit,))  # what is listed depends on who is first
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("repayments")


# --- notifications ----------------------------------------------------------------------------


@MONEY.of_orders("a deduction × its notification", "succeed", "insufficient_funds succeed", *LADDER)
def _deduction_and_notification(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.gather()
    met.day.deliver("deductions")
    is_told(met, ROUND_1)


@MONEY.of_orders("a deduction × itself × its notification", "succeed", "timeout_after_charge")
def _deduction_twice_and_notification(met: Meeting) -> None:
    met.day.until(8.05, holding=but("walks"))
    met.day.double("deductions")
    met.gather()
    met.day.deliver("deductions")
    met.day.deliver("deductions")
    is_told(met, ROUND_1)


@MONEY.of_orders("a repayment's sending × its notification", "succeed", "card_closed", *LADDER)
def _sending_and_notification(met: Meeting) -> None:
    met.day.until(7.0, holding=but("walks"))
    answer = met.day.pay(met.day.quote(), key="k1")
    met.gather()
    met.day.deliver("repayments")
    is_told(met, answer.body["order_no"])


@MONEY.of_orders("a notification × itself, over HTTP")
def _told_twice(met: Meeting) -> None:
    met.day.until(8.07, holding=but("walks", "deductions"))
    told = met.day.payment.take_notification()
    assert told
    met.gather()
    for name in ("notified", "notified again"):
        met.invite(name, partial(post, met, told))


@MONEY.of_orders(
    "a notification's taking × itself", "timeout_after_charge", "processing_then_succeed"
)
def _taken_twice(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions", NOTIFICATIONS))
    met.day.double("payment-notifications")
    met.gather()
    met.day.deliver("payment-notifications")
    met.day.deliver("payment-notifications")


@MONEY.of_orders(
    "a notification's taking × a question", "timeout_after_charge", "processing_then_succeed"
)
def _taken_and_question(met: Meeting) -> None:
    met.day.until(8.2, holding=but("walks", "deductions", NOTIFICATIONS))
    met.gather()
    met.day.deliver("payment-notifications")
    met.day.deliver("asks")
