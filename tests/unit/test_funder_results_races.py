"""A results file that dies anywhere, or meets another version or a borrower: money moves once."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from chalicelib.domain import prepayment
from chalicelib.domain.deduction import Status
from chalicelib.domain.funder import ResultLine, ResultStatus
from chalicelib.domain.money import Money
from chalicelib.domain.told import Told, told_by_loan
from chalicelib.flows import assisted_day, deduction, landing, told_orders
from chalicelib.flows.funder_results import StillInWorkError
from chalicelib.flows.ports import AskMessage
from chalicelib.flows.told_orders import Sheet
from tests.assisted import AssistedWorld, a_failure, a_result, fen_of, more, paid, wrongs
from tests.builders import TODAY, at
from tests.fakes import Crash
from tests.interleavings import every_order
from tests.repayments import ask_all, send_all
from tests.unit.test_forwarded_repayments import told as told_of_wish
from tests.unit.test_forwarded_repayments import wish

NOON = at(12)
ORDERS_MAX = 12_000


@pytest.fixture(autouse=True)
def _remembered_offers(monkeypatch):
    """What a wish costs is arithmetic: asked the same thing ten thousand times, it is looked up."""
    monkeypatch.setattr(prepayment, "offer", cache(prepayment.offer))


# --- a whole file -------------------------------------------------------------------------


class Scene:
    """Four loans and a file of round 1, in two versions.

    LN1 is collected, LN2 failed for good, LN3 not what we reckon, LN4 at its borrower's wish whose
    answer never came.  The second version takes LN1 back, and has LN2 and LN3 right.
    """

    def __init__(self) -> None:
        self.world = world = AssistedWorld()
        world.lend("LN2")
        world.lend("LN3")
        world.lend("LN5", overdue_days=31)
        world.lend("LN1", overdue_days=5)
        world.funder_platform.script["AG-LN1"] = ["timeout_after_charge"]
        self.order_no = wish(world)
        send_all(world)
        first, second = paid(world, "LN5")
        self.rows = {
            1: [
                told_of_wish(world, self.order_no),
                first,
                a_failure("LN2", "CARD_CLOSED"),
                more(paid(world, "LN3")[0]),
            ],
            2: [
                told_of_wish(world, self.order_no),
                second | {"instalment_no": "1"},
                *paid(world, "LN2"),
                *paid(world, "LN3"),
            ],
        }
        # The second version has all of LN5: what it adds is posted beside what stands.
        self.rows[2][1:2] = [first, second]
        world.outside.boundaries = 0

    def put(self, version: int) -> str:
        return self.world.put(*self.rows[version], version=version)

    def deliver(self, key: str, *, times: int = 4) -> None:
        """Deliver until it is taken, as a queue does."""
        for _ in range(times):
            try:
                self.world.take(key, NOON)
            except StillInWorkError:
                continue
            return
        raise AssertionError(f"{key} is never taken")

    def end(self) -> dict:
        """All that two ways to the same end must have in common: not times, not counts of writes."""
        world = self.world
        return {
            "loans": {no: replace(loan, version=0) for no, loan in world.loans.rows.items()},
            "schedules": dict(world.schedules.rows),
            "journal": {
                no: (row.result, row.amount, row.lines) for no, row in world.journal.results.items()
            },
            "open": world.open_findings,
        }


def dies(scene: Scene, work: Callable[[], object], *, boundary: int) -> bool:
    outside = scene.world.outside
    outside.boundaries, outside.dies_at = 0, boundary
    try:
        work()
    except Crash:
        return True
    finally:
        outside.dies_at = None
    return False


@cache
def calm(versions: tuple[int, ...]) -> tuple[int, dict]:
    """Take the versions one by one; return the last one's boundaries and the end."""
    scene = Scene()
    for version in versions:
        key = scene.put(version)
        scene.world.outside.boundaries = 0
        scene.deliver(key)
    return scene.world.outside.boundaries, scene.end()


def test_the_two_versions_come_to_what_they_say():
    _, first = calm((1,))
    _, both = calm((1, 2))

    assert first["open"] == {"amount_differs#20261124-1-LN3": "not_our_allocation"}
    assert both["open"] == {}
    assert {no: row[0].status for no, row in both["journal"].items()} == {
        "20261124-1-LN2": Status.FAILED,
        "20261124-1v2-LN2": Status.SUCCEEDED,
        "20261124-1-LN3": Status.SUCCEEDED,
        "20261124-1-LN5": Status.SUCCEEDED,
        "20261124-1v2-LN5": Status.SUCCEEDED,
        next(no for no in both["journal"] if "Q" in no): Status.SUCCEEDED,
    }


@pytest.mark.parametrize("versions", [(1,), (1, 2), (2,)], ids=str)
def test_dying_at_any_call_leaves_the_same_end(versions):
    boundaries, end = calm(versions)
    for boundary in range(boundaries):
        scene = Scene()
        for version in versions[:-1]:
            scene.deliver(scene.put(version))
        key = scene.put(versions[-1])
        assert dies(scene, lambda: scene.world.take(key, NOON), boundary=boundary)  # noqa: B023
        assert wrongs(scene.world) == [], boundary
        scene.deliver(key)

        assert scene.end() == end, boundary
        assert wrongs(scene.world) == [], boundary


@pytest.mark.parametrize("outer", [1, 2])
def test_a_version_that_comes_in_between_any_two_calls_of_the_other_leaves_people_the_truth(outer):
    """Whatever is posted is posted once; and the last version agrees with it, or it is shown."""
    _, both = calm((1, 2))
    _, second = calm((2,))
    for boundary in range(calm((outer,))[0] // 2):
        scene = Scene()
        keys = {version: scene.put(version) for version in (1, 2)}
        calls = 0

        def come_in(_call: str) -> None:
            nonlocal calls
            calls += 1
            if calls == boundary + 1:  # noqa: B023
                scene.world.outside.before_call = None  # noqa: B023
                meet(scene, keys[3 - outer])  # noqa: B023

        scene.world.outside.before_call = come_in
        meet(scene, keys[outer])
        scene.world.outside.before_call = None
        for key in (keys[1], keys[2]):
            scene.deliver(key)
        assisted_day.sweep(now=at(12, 15), desk=scene.world.days)

        assert wrongs(scene.world) == [], boundary
        assert settled(scene.end()) in (settled(both), settled(second)), boundary


@pytest.mark.parametrize("boundary", range(0, 80, 2))
def test_a_file_is_taken_whole_though_another_of_its_workers_dies_in_between_any_two_calls(
    boundary,
):
    """Whoever is left finishes the other's work: the dead one's message finds the file applied."""
    boundaries, end = calm((1,))
    for dies_at in range(boundaries):
        scene = Scene()
        key = scene.put(1)
        calls = 0

        def come_in_and_die(_call: str) -> None:
            nonlocal calls
            calls += 1
            if calls == boundary // 2 + 1:
                scene.world.outside.before_call = None  # noqa: B023
                dies(scene, lambda: scene.world.take(key, NOON), boundary=dies_at)  # noqa: B023

        scene.world.outside.before_call = come_in_and_die
        scene.deliver(key)
        scene.world.outside.before_call = None
        scene.deliver(key)

        assert wrongs(scene.world) == [], dies_at
        assert scene.end() == end, dies_at


def meet(scene: Scene, key: str) -> None:
    try:
        scene.world.take(key, NOON)
    except StillInWorkError:
        return


def settled(end: dict) -> dict:
    """What loans and people see in the end; under which number is another matter."""
    return {"open": end["open"], "positions": {no: x.position for no, x in end["loans"].items()}}


@pytest.mark.parametrize("boundary", range(0, 60, 3))
def test_a_version_that_died_and_one_that_came_after_end_as_if_nobody_had(boundary):
    scene = Scene()
    first, second = scene.put(1), scene.put(2)
    dies(scene, lambda: scene.world.take(first, NOON), boundary=boundary)
    meet(scene, second)
    scene.deliver(first)
    scene.deliver(second)
    assisted_day.sweep(now=at(12, 15), desk=scene.world.days)

    assert wrongs(scene.world) == []
    _, both = calm((1, 2))
    assert settled(scene.end()) == settled(both)


def test_other_bytes_end_nothing_that_a_version_began_and_its_own_put_back_do():
    """Replaced in the bucket while its worker lies dead (row 68): it still holds loans."""
    boundaries, end = calm((1,))
    began = 0
    for boundary in range(boundaries):
        scene = Scene()
        key = scene.put(1)
        bodies = scene.world.objects.bodies
        whole = bodies[key], bodies[f"{key}.ok"]
        dies(scene, lambda: scene.world.take(key, NOON), boundary=boundary)  # noqa: B023
        slots = [loan.slot for loan in scene.world.loans.rows.values() if loan.slot]
        if any(slot.request == "20261124-r1-v1" for slot in slots):
            began += 1
            scene.world.put(version=1)
            assert scene.world.take(key, NOON).outcome is landing.Outcome.QUARANTINED
        bodies[key], bodies[f"{key}.ok"] = whole
        scene.deliver(key)

        assert wrongs(scene.world) == [], boundary
        assert settled(scene.end()) == settled(end), boundary
    assert began


@pytest.mark.parametrize("boundary", range(0, 60, 3))
def test_a_version_that_died_for_good_is_finished_by_the_sweep_alone(boundary):
    """What it has claimed, none but it can finish: the sweep brings it (row 83)."""
    scene = Scene()
    first, second = scene.put(1), scene.put(2)
    dies(scene, lambda: scene.world.take(first, NOON), boundary=boundary)
    meet(scene, second)
    for minute in (15, 30, 45):
        assisted_day.sweep(now=at(12, minute), desk=scene.world.days)
        for message in scene.world.landed._take_all():
            meet(scene, message.key)

    assert wrongs(scene.world) == []
    _, both = calm((1, 2))
    assert settled(scene.end()) == settled(both)
    assert scene.world.run_of().totals["loans"]["waiting"] == 0


# --- one loan, step by step ---------------------------------------------------------------


def a_sheet(world: AssistedWorld, version: int = 1) -> Sheet:
    return Sheet(
        funder_id="F3",
        business_date=TODAY,
        round_no=1,
        version=version,
        claim=f"20261124-r1-v{version}",
        now=NOON,
        books=world.books,
    )


def a_told(world: AssistedWorld, *rows: dict[str, str]) -> Told:
    lines = [
        ResultLine(
            loan_id=row["loan_id"],
            instalment_no=int(row["instalment_no"]),
            round=int(row["round"]),
            status=ResultStatus(row["status"]),
            principal=Money(int(row["principal_fen"])),
            interest=Money(int(row["interest_fen"])),
            penalty=Money(int(row["penalty_fen"])),
            paid_at=at(9, 0) if row["paid_at"] else None,
            failure_code=row["failure_code"],
            funder_trade_no=row["funder_trade_no"],
        )
        for row in rows
    ]
    (told,) = told_by_loan(lines, business_date=TODAY, round_no=1)
    return told


def a_claimed_wish(outcome: str, name: str) -> tuple[AssistedWorld, str]:
    world = AssistedWorld()
    world.lend("LN1", overdue_days=5)
    world.funder_platform.script["AG-LN1"] = [outcome]
    return world, wish(world, name)


OUTCOMES = ("succeed", "insufficient_funds", "timeout_after_charge", "timeout_before_charge")


@pytest.mark.parametrize("name", ["lower instalments", "full", "overdue"])
@pytest.mark.parametrize("outcome", ["succeed", "timeout_after_charge"])
def test_a_results_line_and_the_answer_meet_over_a_wish_and_post_it_once(outcome, name):
    met = 0

    def scene():
        world, order_no = a_claimed_wish(outcome, name)
        line = a_told(world, told_of_wish(world, order_no))
        message = AskMessage(order_no=order_no)
        return world, {
            "file": lambda: told_orders.settle(told=line, known=(), sheet=a_sheet(world)),
            "sender": lambda: deduction.send(message=message, now=NOON, desk=world.deducting),
        }

    for meeting in every_order(scene, orders_max=ORDERS_MAX):
        met += 1
        world = meeting.world
        errors = [each for each in meeting.outcomes.values() if isinstance(each, Exception)]
        assert not errors, meeting.steps
        ask_all(world)
        (record,) = world.journal.results.values()
        assert record.result.status is Status.SUCCEEDED, meeting.steps
        assert world.loans.rows["LN1"].slot is None, meeting.steps
        assert wrongs(world) == [], meeting.steps
    assert met > 10


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("row", ["paid", "failed"])
def test_a_round_s_line_and_a_wish_meet_over_a_loan_and_neither_loses_money(outcome, row):
    """The slot decides; whoever finds it taken waits, or is told, and the rest is shown."""
    met = 0

    def scene():
        world, order_no = a_claimed_wish(outcome, "overdue")
        loan = world.loans.rows["LN1"]
        world.loans.rows["LN1"] = replace(loan, slot=None)
        rows = paid(world) if row == "paid" else [a_failure()]
        line = a_told(world, *rows)
        claim = replace(world.loans.rows["LN1"], slot=loan.slot)
        message = AskMessage(order_no=order_no)

        def repay() -> object:
            world.loans.write(claim)
            return deduction.send(message=message, now=NOON, desk=world.deducting)

        return world, {
            "file": lambda: told_orders.apply(told=line, sheet=a_sheet(world)),
            "borrower": repay,
        }

    for meeting in every_order(scene, orders_max=ORDERS_MAX):
        met += 1
        world = meeting.world
        assert wrongs(world) == [], meeting.steps
        ask_all(world)
        applied = told_orders.apply(
            told=a_told(world, *([a_failure()] if row == "failed" else paid_before(world))),
            sheet=a_sheet(world),
        )
        assert wrongs(world) == [], meeting.steps
        total = sum(each.amount.fen for each in good(world))
        shown = applied.finding is not None
        taken = sum(world.funder_platform.charged.values()) + (row == "paid")
        # What was taken is posted, is shown to people, or is a wish nobody has answered for yet.
        waits = world.loans.rows["LN1"].slot is not None
        assert len(good(world)) + shown + waits >= taken, meeting.steps
        assert total <= sum(line.components.total.fen for line in owed_at_start()), meeting.steps
    assert met > 10


def good(world: AssistedWorld) -> list:
    return [row for row in world.journal.results.values() if row.result.status is Status.SUCCEEDED]


@cache
def owed_at_start() -> tuple:
    world = AssistedWorld()
    world.lend("LN1", overdue_days=5)
    return world.owed().lines


def paid_before(_world: AssistedWorld) -> list[dict[str, str]]:
    return [
        a_result(instalment_no=line.instalment_no, **fen_of(line.components))
        for line in owed_at_start()
    ]


@pytest.mark.parametrize("second", ["same", "more", "failed"])
def test_two_versions_meet_over_a_loan_and_post_it_once(second):
    met = 0

    def scene():
        world = AssistedWorld()
        world.lend("LN1", overdue_days=5)
        rows = paid(world)
        other = {"same": rows, "more": [more(rows[0])], "failed": [a_failure()]}[second]
        lines = {1: a_told(world, *rows), 2: a_told(world, *other)}
        return world, {
            f"v{version}": lambda version=version: told_orders.apply(
                told=lines[version], sheet=a_sheet(world, version)
            )
            for version in (1, 2)
        }

    for meeting in every_order(scene, orders_max=ORDERS_MAX):
        met += 1
        world = meeting.world
        errors = [each for each in meeting.outcomes.values() if isinstance(each, Exception)]
        assert not errors, meeting.steps
        assert wrongs(world) == [], meeting.steps
        assert world.loans.rows["LN1"].slot is None, meeting.steps
        assert len(good(world)) <= 1, meeting.steps
    assert met > 10
