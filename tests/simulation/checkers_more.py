"""More of what must hold: written for mutants that the first checkers let pass."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain import loan as loans
from chalicelib.domain import prepayment
from chalicelib.domain.deduction import Kind, facts_of
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.stage import stage_of
from simulators.orders import Status
from tests.simulation.checkers import PRODUCTS, UNRESOLVED, Books
from tests.simulation.rows import ENDS, Item, fen, loan_id_of, text

if TYPE_CHECKING:
    from simulators.orders import Order

STAGE_STARTS = (1, 8, 31, 61, 91)
CORRECTED_AT = 34.0
FIRST_RUNGS_SECONDS = 180.0
LAST_RUNG_SECONDS = 1500.0


def no_failure_is_made_up(books: Books) -> Iterator[str]:
    """I3: what we call failed has failed there; what was taken wrongly is not posted as right."""
    there: Mapping[str, Order] = books.day.payment._orders
    corrected = books.day.plan.midnight + timedelta(hours=CORRECTED_AT)
    watch = books.day.watch  # type: ignore[attr-defined]
    for row in books.records:
        order_no, code = text(row["order_no"]), text(row.get("failure_code"))
        order = there.get(order_no)
        if order_no in books.lies or loan_id_of(order_no) in books.assisted:
            continue
        if text(row["status"]) == "SUCCEEDED":
            recorded_at = datetime.fromisoformat(text(row["recorded_at"]))
            if order and order.outcome == "wrong_amount" and recorded_at < corrected:
                yield f"I2 {order_no}: posted while another amount was taken"
        elif order is None:
            if (code, text(row.get("settled_by"))) != ("CLOSED", "bill_absence"):
                yield f"I3 {order_no}: {code} posted, and the platform does not know it"
            elif order_no not in watch.closed:
                yield f"I3 {order_no}: {code} posted, and nobody has closed it"
        elif (order.status, order.failure_code or "CLOSED") not in {
            (Status.FAILED, code),
            (Status.CLOSED, code),
        }:
            yield f"I3 {order_no}: {code} posted, {order.status} {order.failure_code} there"


def contradictions_are_minded(books: Books) -> Iterator[str]:
    """I7: once the platform was heard to call a failed order paid, its loan is held."""
    watch, crowd = books.day.watch, getattr(books.day, "crowd", None)  # type: ignore[attr-defined]
    spoilt = " ".join(what for _, what in books.day.world.faults.struck)
    for order_no in sorted(books.lies):
        charged_at = books.charges[order_no].paid_at.timestamp()
        heard = [at for at in watch.asked_at.get(order_no, ()) if at > charged_at]
        is_plain = order_no not in spoilt and not (crowd and order_no in crowd.spoilt)
        holds = watch.laid_on.get(loan_id_of(order_no), set())
        if heard and is_plain and not any("contradiction" in h or "by hand" in h for h in holds):
            yield f"I7 {order_no}: charged after it had failed, heard and not minded"


def skips_are_true(books: Books) -> Iterator[str]:
    """I8: who is skipped for the order in its slot is not that order, and that order had no end."""
    for row in books.rows.all("journal"):
        if text(row["status"]) != "SKIPPED" or text(row.get("reason")) != "slot_taken":
            continue
        order_no, other = text(row["order_no"]).removesuffix("#skip"), text(row.get("note"))
        if other == order_no:
            yield f"I8 {order_no} is skipped because it is in flight itself"
        ended_at = books.day.watch.written_at.get(other)  # type: ignore[attr-defined]
        began_at = datetime.fromisoformat(text(row["recorded_at"])).timestamp()
        if ended_at is not None and ended_at < began_at - 1:
            yield f"I8 {order_no} is skipped for {other}, which had its end"


def who_may_be_tried_again_is(books: Books) -> Iterator[str]:
    """I10: the second round takes what failed for the day, or was kept out, and nothing else."""
    on = books.day.plan.business_date.isoformat()
    rounds: dict[str, dict[str, list[Item]]] = {"1": defaultdict(list), "2": defaultdict(list)}
    for row in books.rows.all("journal"):
        if text(row["status"]) not in ENDS | {"SKIPPED"}:
            continue
        day, source, loan_id = text(row["order_no"]).removesuffix("#skip").split("-", 2)
        if loan_id not in books.assisted and day == on.replace("-", "") and source in rounds:
            rounds[source][loan_id].append(row)
    for loan_id in rounds["2"]:
        if not any(map(_may_be_tried_again, rounds["1"][loan_id])):
            yield f"I10 {loan_id}: nothing of round 1 sends it into round 2"
    watch = books.day.watch  # type: ignore[attr-defined]
    opened_at = watch.opened_at.get(f"{on} round_2")
    for loan_id, rows in rounds["1"].items():
        head = books.heads[loan_id]
        still_owes = text(head.get("due"))[:10] <= on and not books.paid_of_loan.get(loan_id)
        was_known = opened_at and all(
            watch.written_at.get(text(row["order_no"]), opened_at) < opened_at for row in rows
        )
        may = all(map(_may_be_tried_again, rows))
        if may and was_known and still_owes and head.get("due") and loan_id not in rounds["2"]:
            yield f"I10 {loan_id}: might have been tried again in round 2"


def _may_be_tried_again(row: Item) -> bool:
    return "RETRY_TODAY" in text(row.get("failure_class")).upper() or (
        text(row.get("reason")) == "slot_taken"
    )


def quotes_are_kept(books: Books) -> Iterator[str]:
    """I3: what a borrower is charged is what he was quoted; one request begins one order."""
    quoted = {text(row["quote_id"]): fen(row["amount_fen"]) for row in books.rows.all("quotes")}
    for order_no, charge in books.charges.items():
        amount = quoted.get(order_no.split("-")[1])
        if amount is not None and charge.amount_fen != amount:
            yield f"I3 {order_no}: quoted {amount} fen, {charge.amount_fen} taken"
    begun: Counter[str] = Counter()
    for row in books.rows.all("requests"):
        answer = json.loads(text(row.get("answer")) or "{}")
        if answer.get("status") == 202:
            begun[answer["body"]["order_no"]] += 1
    for order_no, times in begun.items():
        if times > 1:
            yield f"I3 {order_no}: {times} requests were told that they had begun it"


SPOILT_FILES = frozenset(("wrong_digest", "wrong_rows", "wrong_sum", "truncate"))
SPOILT_ROWS = frozenset(("drop_row", "duplicate_row", "change_amount", "change_status"))


def spoilt_bills_are_found_out(books: Books) -> Iterator[str]:
    """I10: what was spoilt in the bill stands in quarantine, or as a discrepancy since resolved."""
    day = books.day.plan.business_date
    spoilt = next((fault.about for fault in books.day.plan.of_kind("bill")), "")
    files = {
        text(row["object_key"]): row
        for row in books.rows.all("files")
        if text(row["object_key"]).endswith(f"{day:%Y%m%d}/bill_v1.csv")
    }
    first = next(iter(files.values()), None)
    if first is None:
        return
    if spoilt in SPOILT_FILES and text(first["state"]) != "quarantined":
        yield f"I10 {spoilt}: the bill is {text(first['state'])}"
    if text(first["state"]) != "applied" or text(first.get("reason")):
        return
    known = {text(row["order_no"]) for row in books.discrepancies}
    charges = books.day.payment.charges(day)
    if spoilt in SPOILT_ROWS and charges and charges[0].order_no not in known | books.untold:
        yield f"I10 {spoilt}: nothing was found at {charges[0].order_no}"
    kinds = {text(row["kind"]) for row in books.discrepancies}
    if spoilt == "change_amount" and charges and "amount_differs" not in kinds:
        yield "I10 change_amount: no amount was found to differ"
    if spoilt == "extra_row" and not any("LN99999" in order_no for order_no in known):
        yield "I10 extra_row: nothing was found"


def a_closed_day_stays_as_it_was(books: Books) -> Iterator[str]:
    """I10: no other bill is reconciled with a day that is closed."""
    on = books.day.plan.business_date
    closed = books.runs.get((on.isoformat(), "close"))
    if closed is None or not closed.get("totals"):
        return
    totals = json.loads(text(closed["totals"])).get("reconciliation_main", {})
    closed_with = totals.get("bill", {}).get("sha256")
    taken: dict[str, str] = {}
    for row in books.rows.all("files"):
        is_applied = text(row["state"]) == "applied" and not text(row.get("reason"))
        if is_applied and f"/bill/{on:%Y%m%d}/" in text(row["object_key"]):
            first = taken.setdefault(text(row["sha256"]), text(row["finished_at"]))
            taken[text(row["sha256"])] = min(first, text(row["finished_at"]))
    for sha256, first in taken.items():
        if first > text(closed["completed_at"]) and sha256 != closed_with:
            yield f"I10 {on} is closed, and another bill was taken: {sha256[:8]}"


def a_newer_bill_stands(books: Books) -> Iterator[str]:
    """I10: a bill that came to be worked after a newer one is set aside, and says so."""
    for on in books.day.plan.dates:
        taken = {
            text(row["object_key"]): row
            for row in books.rows.all("files")
            if f"/bill/{on:%Y%m%d}/" in text(row["object_key"]) and text(row["state"]) == "applied"
        }
        latest = ""
        for key in sorted(taken, reverse=True):
            at = text(taken[key]["finished_at"])
            if latest and at > latest and not text(taken[key].get("reason")):
                yield f"I10 {key} was reconciled after a newer bill"
            latest = min(latest, at) if latest else at


def holds_have_a_reason(books: Books) -> Iterator[str]:
    """I7: a loan is held for a discrepancy as long as that is open."""
    is_open = {
        text(row["discrepancy_id"])
        for row in books.discrepancies
        if text(row["state"]) in UNRESOLVED
    }
    for loan_id, head in books.heads.items():
        hold = text(head.get("hold"))
        if hold.startswith("discrepancy ") and hold.removeprefix("discrepancy ") not in is_open:
            yield f"I7 {loan_id} is held for {hold}, which is not open"


def texts_are_what_they_are_said_to_be(books: Books) -> Iterator[str]:
    """I9: a text we call sent was accepted, one we call refused was not; none is sent unknown."""
    there = {each["message_id"] for each in books.day.sms.messages()["messages"]}
    ours: set[str] = set()
    for row in books.rows.all("notices"):
        notice_id, state, reason = (
            text(row.get(name)) for name in ("notice_id", "state", "reason")
        )
        ours.add(notice_id)
        if state in {"SENT", "DELIVERED", "FAILED"} and notice_id not in there:
            yield f"I9 {notice_id} is {state}, and the platform never had it"
        if state == "REFUSED" and reason != "BUSINESS_LIMIT_CONTROL":
            yield f"I9 {notice_id} is given up: {reason}"
        if notice_id in books.day.watch.receipts and state not in {"DELIVERED", "FAILED"}:  # type: ignore[attr-defined]
            yield f"I9 {notice_id} is {state}, and its receipt was taken"
    for notice_id in sorted(there - ours):
        yield f"I9 {notice_id} was sent, and is no notice of ours"
    day = books.day.plan.business_date
    asked_for = {books.day.plan.sample.loans[visit.loan].loan_id for visit in books.day.plan.visits}
    reminded = {
        key.partition("/")[0]
        for row in books.rows.all("notices")
        if text(row["scenario"]) == "pre_due"
        for key in row["items"]["M"]
    }
    for loan_id, loan in books.day.book.loans.items():
        ahead = (loan.unpaid_due_on - day).days if loan.unpaid_due_on else 0
        if loan_id in reminded & books.silent:
            yield f"I9 {loan_id}: its funder reminds, and we do as well"
        if ahead in {1, 3} and loan_id not in reminded | books.silent | asked_for | set(
            books.paid_of_loan
        ):
            yield f"I9 {loan_id} is due in {ahead} days, and nobody is reminded"


def records_say_what_was(books: Books) -> Iterator[str]:
    """I12: days past due, and what a wish cost, found anew for each loan's first payment."""
    for row in books.records:
        loan_id = text(row["loan_id"])
        loan, cut = books.day.book.loans[loan_id], books.day.book.cuts[loan_id]
        order_no = text(row["order_no"])
        is_first = not any(
            text(each["recorded_at"]) <= text(row["recorded_at"])
            for each in books.paid_of_loan.get(loan_id, ())
            if text(each["order_no"]) != order_no
        )
        on = facts_of(order_no)[0]
        if not is_first or loan.unpaid_due_on is None:
            continue
        dpd = max((on - loan.unpaid_due_on).days, 0)
        if fen(row.get("dpd")) != dpd:
            yield f"I12 {order_no}: {fen(row.get('dpd'))} days past due recorded, {dpd} by hand"
        kind = text(row.get("kind"))
        if kind not in {"full", "partial"} or text(row["status"]) != "SUCCEEDED":
            continue
        offered = prepayment.offer(
            wish=Wish(kind=Kind(kind), amount=Money(fen(row["amount"]))),
            standing=loans.standing(loan=loan, cut=cut, product=PRODUCTS[loan.product], as_of=on),
        )
        said = tuple(fen(row.get(part)) for part in ("principal", "interest", "penalty"))
        if not isinstance(offered, prepayment.Offer) or said != tuple(
            part.fen
            for part in (
                offered.components.principal,
                offered.components.interest,
                offered.components.penalty,
            )
        ):
            yield f"I12 {order_no}: {said} recorded, {offered} by the terms"


def the_ladder_is_climbed(books: Books) -> Iterator[str]:
    """I13: where nothing else goes wrong, an order has its end soon."""
    if books.day.plan.weather.name != "calm":
        return
    watch = books.day.watch  # type: ignore[attr-defined]
    for order_no, sent_at in watch.first_sent_at.items():
        order = books.day.payment._orders.get(order_no)
        if order and order.outcome == "wrong_amount":
            continue
        taken = watch.written_at.get(order_no, float("inf")) - sent_at
        never_arrived = books.day.payment._attempts[order_no] > 1
        if taken > (FIRST_RUNGS_SECONDS if never_arrived else LAST_RUNG_SECONDS):
            yield f"I13 {order_no}: its end is known after {taken:.0f} s"


def missed_days_are_made_up_for(books: Books) -> Iterator[str]:
    """I10: the list's moves of stage, counted by hand over all days since the last list."""
    crowd, plan = getattr(books.day, "crowd", None), books.day.plan
    on = plan.business_date.isoformat()
    run = books.runs.get((on, "due_list"))
    if run is None or text(run.get("state")) != "complete":
        return
    missed = crowd.days_without_list if crowd else 0
    visited = {plan.sample.loans[visit.loan].loan_id for visit in plan.visits if visit.at < 9.0}
    visited |= crowd.slow.visited if crowd else set()
    visited |= {
        loan_id
        for loan_id, paid in books.paid_of_loan.items()
        if text(paid[0]["recorded_at"]) < text(run["completed_at"])
    }
    moves: Counter[str] = Counter()
    unsure: Counter[str] = Counter()
    for loan_id, loan in books.day.book.loans.items():
        if loan.unpaid_due_on is None:
            continue
        dpd = (plan.business_date - loan.unpaid_due_on).days
        if any(dpd - missed <= start <= dpd for start in STAGE_STARTS):
            (unsure if loan_id in visited else moves)[str(stage_of(dpd))] += 1
    counted = json.loads(text(run["totals"]))["stage_moves"]
    for stage in sorted({*counted, *moves}):
        if not moves[stage] <= counted.get(stage, 0) <= moves[stage] + len(visited):
            yield f"I10 {missed} days without a list: {counted} moved, by hand {dict(moves)}"


def nobody_in_the_crowd_was_lied_to(books: Books) -> Iterator[str]:
    """What those were told who dawdle, or try a key twice."""
    crowd = getattr(books.day, "crowd", None)
    yield from crowd.wrongs if crowd else ()
    for row in books.rows.all("notices") if crowd else ():
        first = crowd.reported.get(text(row["notice_id"]), text(row["state"]))
        if first != text(row["state"]):
            yield f"I9 {text(row['notice_id'])} was {first}, and is {text(row['state'])}"
    if not books.day.plan.weather.call and (failed := books.day.world.counted.get("ApiFailures")):
        yield f"I13 {failed:.0f} requests failed, and nothing was wrong with AWS"


MORE_CHECKERS = (
    missed_days_are_made_up_for,
    nobody_in_the_crowd_was_lied_to,
    no_failure_is_made_up,
    contradictions_are_minded,
    skips_are_true,
    who_may_be_tried_again_is,
    quotes_are_kept,
    spoilt_bills_are_found_out,
    a_closed_day_stays_as_it_was,
    a_newer_bill_stands,
    holds_have_a_reason,
    texts_are_what_they_are_said_to_be,
    records_say_what_was,
    the_ladder_is_climbed,
)
