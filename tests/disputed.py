"""Days that do not agree with their bill, and the people who look after them."""

from dataclasses import replace
from datetime import date

from chalicelib.domain.discrepancy import Action
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows import discrepancy_life
from tests.builders import TODAY, at
from tests.fakes_files import TOMORROW_AT_TEN, a_bill_row, a_worked_day, drop_bill, the_true_bill

IN_TWO_DAYS = at(10, day=date(2026, 11, 26))
ORDER = f"{TODAY:%Y%m%d}-1-LN1"
WANG, LI = "wang", "li"


def a_late_success(*, joint=False):
    """LN1's deductions failed, and the bill shows the first one paid."""
    world = a_worked_day(
        {"LN1": ["insufficient_funds", "insufficient_funds"], "LN2": "succeed"}, joint=joint
    )
    record = world.journal.results[ORDER]
    rows = {**the_true_bill(world), "LN1": a_bill_row("LN1", amount_fen=record.amount.fen)}
    return _billed(world, list(rows.values()))


def a_phantom():
    """LN1's deduction succeeded here, and a whole bill does not have it."""
    world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    rows = the_true_bill(world)
    del world.platform.ends[ORDER]
    return _billed(world, [rows["LN2"]])


def a_bill_that_lacks_a_row():
    """LN1's deduction succeeded, and a whole bill does not have it: the bill is wrong."""
    world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    return _billed(world, [the_true_bill(world)["LN2"]])


def a_double():
    """LN1 was charged twice: its row stands twice in the bill."""
    world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
    rows = list(the_true_bill(world).values())
    return _billed(world, [*rows, rows[0]])


def _billed(world, rows):
    return billed_again(world, rows, version=1)


def billed_again(world, rows, *, version=2):
    """Have a bill arrive, or a corrected one."""
    key = f"in/payment/main/bill/{TODAY:%Y%m%d}/bill_v{version}.csv"
    drop_bill(world, rows, key=key)
    world.take(key, TOMORROW_AT_TEN)
    return world


def standing(world, kind=None):
    """Give the one discrepancy of the day, or of a kind."""
    found = world.discrepancies.of_day(TODAY, "main")
    [one] = [each for each in found if kind is None or each.kind is Kind(kind)]
    return one


def explain(world, action, *, by=WANG, amount=None, now=IN_TWO_DAYS, reason="seen there"):
    each = standing(world)
    return discrepancy_life.explain(
        reference=each.reference,
        version=each.version,
        action=Action(action),
        reason=reason,
        amount=amount,
        by=by,
        now=now,
        desk=world.working,
    ).discrepancy


def approve(world, *, by=LI, now=IN_TWO_DAYS, desk=None):
    each = standing(world)
    return discrepancy_life.approve(
        reference=each.reference,
        version=each.version,
        by=by,
        now=now,
        desk=desk or world.working,
    )


def on_the_api(world):
    """Give the desk that has no key to the platform."""
    return replace(world.working, platform=None)


def verbs(world):
    """List what the audit trail says was done, and how it ended."""
    return [(entry.by, entry.verb, entry.outcome) for _, entry in sorted(world.trail.rows.items())]
