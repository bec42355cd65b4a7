"""Who may meet when the clock strikes: lists, rounds, the sweep, what is redriven."""

from functools import partial

from tests.simulation.arranging import LADDER, Scenes, begun, but, handled, shard
from tests.simulation.meetings import Meeting
from tests.simulation.sleep_sets import Call, Touch
from tests.simulation.staged import EVERYTHING
from tests.simulation.touches import queue_of
from tests.simulation.world import SHARDS

JOBS = Scenes()

# --- jobs -------------------------------------------------------------------------------------


@JOBS.of_orders("the due list's making × itself")
def _list_twice(met: Meeting) -> None:
    met.day.until(0.16, holding=EVERYTHING)
    met.gather()
    met.day.fire("make_due_list", 10 / 60)
    met.day.fire("make_due_list", 10 / 60)


@JOBS.of_orders("the due list's walk × itself")
def _walk_twice(met: Meeting) -> None:
    met.day.until(0.2, holding=EVERYTHING)
    met.day.double("walks")
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("walks", about=shard())


@JOBS.of_orders("the due list's walk × the other shard's")
def _walks(met: Meeting) -> None:
    met.day.until(0.2, holding=EVERYTHING)
    met.gather()
    for number in range(SHARDS):
        met.day.deliver("walks", about=f'"shard":{number}')


@JOBS.of_orders("the due list's walk × the sweep")
def _walk_and_sweep(met: Meeting) -> None:
    met.day.until(0.4, holding=EVERYTHING)
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.fire("sweep", 0.5)


@JOBS.of_orders("a round's opening × itself")
def _round_twice(met: Meeting) -> None:
    met.day.until(7.9, holding=but("walks"))
    met.gather()
    met.day.fire("open_round_1", 8.0)
    met.day.fire("open_round_1", 8.0)


@JOBS.of_orders("a round's walk × itself", "succeed")
def _round_walk_twice(met: Meeting) -> None:
    _round_open(met)
    met.day.double("walks")
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.deliver("walks", about=shard())


@JOBS.of_orders("a round's walk × the sweep")
def _round_walk_and_sweep(met: Meeting) -> None:
    _round_open(met)
    met.day.until(8.2, holding=EVERYTHING)
    met.gather()
    met.day.deliver("walks", about=shard())
    met.day.fire("sweep", 8.25)


def _round_open(met: Meeting) -> None:
    met.day.until(7.9, holding=but("walks"))
    met.day.until(8.05, holding=EVERYTHING)


@JOBS.of_orders(
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


@JOBS.of_orders("round 2's opening × a question of round 1's order", "processing_then_fail succeed")
def _round_2_and_question(met: Meeting) -> None:
    met.day.until(15.9, holding=but("walks", "deductions"))
    met.gather()
    met.day.fire("open_round_2", 16.0)
    met.day.deliver("asks")


# --- the sweep --------------------------------------------------------------------------------


@JOBS.of_orders(
    "the sweep × a deduction", "succeed", "insufficient_funds succeed", "timeout_after_charge"
)
def _sweep_and_deduction(met: Meeting) -> None:
    met.day.until(8.24, holding=but("walks"))
    met.gather()
    met.day.fire("sweep", 8.25)
    met.day.deliver("deductions")


@JOBS.of_orders("the sweep × a question", "timeout_after_charge", "processing_then_fail succeed")
def _sweep_and_question(met: Meeting) -> None:
    met.day.until(8.24, holding=but("walks", "deductions"))
    met.gather()
    met.day.fire("sweep", 8.25)
    met.day.deliver("asks")


@JOBS.of_orders("the sweep × a repayment's start", "succeed")
def _sweep_and_start(met: Meeting) -> None:
    met.day.until(7.24)
    quote_id = met.day.quote()
    met.gather()
    met.day.fire("sweep", 7.25)
    met.pays("pays", quote_id, key="k1")


@JOBS.of_orders("the sweep × a repayment's sending", "succeed", "insufficient_funds", *LADDER)
def _sweep_and_sending(met: Meeting) -> None:
    begun(met, 7.0)
    met.day.until(7.24, holding=EVERYTHING)
    met.gather()
    met.day.fire("sweep", 7.25)
    met.day.deliver("repayments")


@JOBS.of_orders("the sweep × the redriving of a dead deduction", "succeed", "insufficient_funds")
def _sweep_and_redrive(met: Meeting) -> None:
    body = _killed(met)
    met.gather()
    met.day.fire("sweep", 8.25)
    met.invite("redrive", partial(_redrive, met, body))


@JOBS.of_orders(
    "the sweep × a redriven deduction", "succeed", "insufficient_funds", "timeout_after_charge"
)
def _sweep_and_redriven(met: Meeting) -> None:
    body = _killed(met)
    met.gather()
    met.day.fire("sweep", 8.25)

    def work() -> object:
        _redrive(met, body)
        return handled(met, "deductions")

    met.invite("redriven", work)


@JOBS.of_orders("the sweep × itself", "timeout_after_charge")
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
