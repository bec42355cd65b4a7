"""What must hold of what people have decided: by two of them, once, and nothing of it left lying."""

import json
from collections.abc import Iterator

from tests.simulation.checkers import UNRESOLVED, Books, Checker
from tests.simulation.clock import clock_time
from tests.simulation.rows import fen, text
from tests.simulation.staff import DECIDED_AT


def two_have_decided(books: Books) -> Iterator[str]:
    """I8: no money is corrected by one person alone, and the trail names both."""
    trail: dict[str, list[dict[str, object]]] = {}
    for row in books.rows.all("audit"):
        trail.setdefault(text(row["subject"]), []).append(row)  # type: ignore[arg-type]
    for subject, rows in trail.items():
        numbers = sorted(fen(row["sequence"]) for row in rows)  # type: ignore[arg-type]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            yield f"I11 {subject}: its trail has a gap, {numbers}"
    for (order_no, kind), row in books.corrections.items():
        said = json.loads(text(row["correction"]))
        if not said["made_by"] or said["made_by"] == said["approved_by"]:
            yield f"I8 {kind} of {order_no}: decided by {said['made_by']} and {said['approved_by']}"


def what_went_back_went_back_once(books: Books) -> Iterator[str]:
    """I1, I3: a refund of ours is one of the platform's, to the fen; no charge went both ways."""
    there = {
        each["refund_no"]: each["amount_fen"] for each in books.day.payment.ledger()["refunds"]
    }
    ours = {
        text(row["order_no"]): fen(row["amount"])
        for (_, kind), row in books.corrections.items()
        if kind == "refund"
    }
    if there != ours:
        yield f"I3 refunds: {there} there, {ours} here"
    for order_no, kind in books.corrections:
        if kind == "reversal" and order_no in books.charges:
            yield f"I2 {order_no}: taken back from its loan, and the platform has it"
        if kind == "late_success" and (order_no, "refund") in books.corrections:
            yield f"I1 {order_no}: posted late, and given back as well"
    for order_no, amount in books.corrected.items():
        charge = books.charges.get(order_no)
        if charge is None or charge.amount_fen != amount:
            yield f"I3 {order_no}: {amount} fen corrected, and the platform took {charge}"


def nothing_decided_is_left_lying(books: Books) -> Iterator[str]:
    """I13: whatever could be decided when everything was there has come to its end."""
    if not any(books.day.plan.of_kind("staff_decides")):
        return
    later = 24.0 * (len(books.day.plan.dates) - 1)
    decided_at = clock_time(books.day.plan.midnight, DECIDED_AT + later)
    for row in books.discrepancies:
        was_there = text(row["opened_at"]) < decided_at.isoformat()
        if text(row["order_no"]) in books.lies and was_there and text(row["state"]) in UNRESOLVED:
            yield f"I13 {text(row['order_no'])}: {text(row['kind'])} is {text(row['state'])} still"


CHECKERS: tuple[Checker, ...] = (
    two_have_decided,
    what_went_back_went_back_once,
    nothing_decided_is_left_lying,
)
