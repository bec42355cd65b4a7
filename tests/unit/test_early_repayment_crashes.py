"""Wherever the process dies over a repayment: nothing happened, or one charge, posted once."""

from collections.abc import Callable
from functools import cache

import pytest

from chalicelib.domain import prepayment
from chalicelib.domain.money import Money
from tests.builders import at
from tests.fakes import Crash, World
from tests.repayments import (
    WISHES,
    End,
    a_world,
    ask_all,
    end_of,
    loan_of,
    quoted,
    send_all,
    settle,
    start,
    swept,
    wrongs,
)

OUTCOMES = (
    "succeed",
    "insufficient_funds",
    "timeout_after_charge",
    "timeout_before_charge",
    "processing_then_succeed",
    "wrong_amount",
    "agreement_terminated",
)
SECOND_CRASH_WITHIN = 12


@pytest.fixture(autouse=True)
def _remembered_offers(monkeypatch):
    """What a wish costs is arithmetic: asked the same thing ten thousand times, it is looked up."""
    monkeypatch.setattr(prepayment, "offer", cache(prepayment.offer))


def go(world: World, wish) -> None:
    """Start the order of a wish and send it."""
    start(world, quoted(world, wish))
    send_all(world)


def asked_again(world: World, wish) -> None:
    """The app gets no answer and asks once more, under its key."""
    [quote_id] = world.quotes.rows or [None]
    if quote_id is None:
        quoted(world, wish)
    start(world, quoted(world, wish)) if _is_unclaimed(world) else _start_anew(world, quote_id)
    settle(world)


RECOVERIES: dict[str, Callable[[World], None]] = {}
