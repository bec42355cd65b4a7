"""What borrowers have started is looked after until somebody has seen its end."""

from datetime import timedelta

import pytest

from chalicelib.flows import active_orders, sweep
from chalicelib.flows.ports import AskMessage
from tests.builders import TODAY, at
from tests.fakes import World
from tests.repayments import WISHES, a_world, loan_of, quoted, repaid, send_all, start, swept

FULL = WISHES["full"]


def noted(world: World) -> list[str]:
    return [order_no for order_no, _ in world.active_orders.of_day(TODAY)]


def sweep_at(world: World, *when) -> sweep.Report:
    return sweep.run(now=at(*when), desk=world.sweeping)


class TestTheSweep:
    @pytest.mark.parametrize("outcome", ["succeed", "insufficient_funds"])
    def test_forgets_an_order_that_has_ended(self, outcome):
        world = a_world(outcome)
        order_no = repaid(world, FULL)
        assert noted(world) == [order_no]
        report = sweep_at(world, 9, 1)

        assert noted(world) == []
        assert report.unknown == 0
        assert world.asks.messages == []

    def test_forgets_an_order_that_was_never_claimed_after_ten_minutes(self):
        world = a_world()
        world.active_orders.open(
            business_date=TODAY, order_no=quoted(world).terms.order_no, at=at(9)
        )
        sweep_at(world, 9, 10)
        assert noted(world) != []
        report = sweep.run(now=at(9, 10, second=1), desk=world.sweeping)

        assert noted(world) == []
        assert report.unknown == 0

    def test_asks_after_an_order_that_holds_its_loan(self):
        world = a_world("wrong_amount")
        start(world, quoted(world))
        send_all(world)
        world.asks._take_all()
        report = sweep_at(world, 11)
        [order_no] = noted(world)

        assert report.unknown == 1
        assert world.asks.messages == [AskMessage(order_no=order_no, rung=None)]
        assert loan_of(world).slot.order_no == order_no

    def test_asks_although_questions_of_orders_just_started_are_delayed(self):
        world = a_world("wrong_amount")
        start(world, quoted(world))
        send_all(world)
        [order_no] = noted(world)
        assert world.asks.is_busy()  # the question for 30 s later, and the ladder's
        assert not world.asks.is_at_work()
        sweep_at(world, 11)

        assert world.asks.messages[-1] == AskMessage(order_no=order_no, rung=None)

    def test_asks_once_an_hour_though_the_queue_is_at_work(self):
        """A message that nobody can work stays in the queue for hours."""
        world = a_world("wrong_amount")
        start(world, quoted(world))
        send_all(world)
        [order_no] = noted(world)
        for hour, minute, asked in ((10, 45, 0), (11, 0, 1)):
            world.asks._take_all()
            world.asks.put([AskMessage(order_no="poison")])
            sweep_at(world, hour, minute)

            assert world.asks.messages.count(AskMessage(order_no=order_no, rung=None)) == asked

    def test_has_an_order_posted_whose_worker_died_before_it(self):
        world = a_world()
        start(world, quoted(world))
        claimed = loan_of(world)
        send_all(world)
        after, world.loans.rows["LN1"] = loan_of(world), claimed
        world.asks._take_all()
        swept(world, now=at(9, 20))

        assert loan_of(world) == after
        assert noted(world) == []

    def test_looks_after_the_orders_of_the_last_thirty_days(self):
        world = a_world("wrong_amount")
        start(world, quoted(world))
        send_all(world)

        for days, found in ((30, 1), (31, 0)):
            world.asks._take_all()
            report = sweep.run(now=at(0, 5, day=TODAY + timedelta(days=days)), desk=world.sweeping)
            assert (report.unknown, len(world.asks.messages)) == (found, found)


class TestTheUnfinished:
    def test_are_those_that_hold_their_loan(self):
        world = a_world("wrong_amount")
        quote = quoted(world)
        world.active_orders.open(business_date=TODAY, order_no=quote.terms.order_no, at=at(9))
        unfinished = {
            "business_date": TODAY,
            "active_orders": world.active_orders,
            "books": world.books,
        }
        assert not active_orders.unfinished(**unfinished)
        start(world, quote)

        assert list(active_orders.unfinished(**unfinished)) == [quote.terms.order_no]

    def test_are_not_those_of_loans_nobody_knows(self):
        world = a_world()
        world.active_orders.open(
            business_date=TODAY, order_no="20261124-Qaidmaa27lfexbaru-LN9", at=at(9)
        )

        assert sweep_at(world, 9, 1).unknown == 0
