"""Messages that wait in SQS; each may come twice, and each fails alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from chalice.app import Blueprint, SQSEvent

from chalicelib import wiring, wiring_assistance
from chalicelib.adapters.queues import decoded
from chalicelib.adapters.telemetry import count, count_deduction, log
from chalicelib.domain.deduction import Outcome
from chalicelib.entrypoints.boundary import boundary, now, where
from chalicelib.flows import deduction, deduction_round, due_list, notices, payment_notification
from chalicelib.flows.notice_ports import ReceiptMessage, TextMessage
from chalicelib.flows.payment_notification import NotificationMessage, State
from chalicelib.flows.ports import AskMessage, DeductionMessage, ServicingEvent, WalkMessage
from chalicelib.settings import queue_name

bp = Blueprint(__name__)

Message = TypeVar("Message")

FOUND = {
    State.UNKNOWN_ORDER: "NotificationsUnknown",
    State.DIFFERS: "NotificationsDiffering",
    State.CONTRADICTS: "Contradictions",
}
"""What is counted of a notification, each time it is delivered: an alarm must not get lost."""


@bp.on_sqs_message(queue=queue_name("walks"), batch_size=1)
@boundary
def walk_shard(event: SQSEvent) -> dict[str, Any]:
    """Walk one shard: list its dues, or put its deductions on the queue."""
    return _each(event, WalkMessage, _walk)


@bp.on_sqs_message(queue=queue_name("deductions"), batch_size=10)
@boundary
def deduct(event: SQSEvent) -> dict[str, Any]:
    """Deduct listed dues, several in flight."""
    return _each(event, DeductionMessage, _deduct)


@bp.on_sqs_message(queue=queue_name("repayments"), batch_size=5)
@boundary
def send_repayment(event: SQSEvent) -> dict[str, Any]:
    """Send the orders borrowers have started."""
    return _each(event, AskMessage, _send_repayment)


@bp.on_sqs_message(queue=queue_name("asks"), batch_size=10)
@boundary
def ask(event: SQSEvent) -> dict[str, Any]:
    """Ask what became of unknown orders."""
    return _each(event, AskMessage, _ask)


@bp.on_sqs_message(queue=queue_name("payment-notifications"), batch_size=10)
@boundary
def take_payment_notification(event: SQSEvent) -> dict[str, Any]:
    """Look after an order the platform says has ended: it is asked, never taken at its word."""
    return _each(event, NotificationMessage, _take_notification)


@bp.on_sqs_message(queue=queue_name("notices"), batch_size=10)
@boundary
def collect_notice(event: SQSEvent) -> dict[str, Any]:
    """Put what happened into the borrower's next text."""
    events: list[ServicingEvent] = []
    failed = _each(event, ServicingEvent, lambda message, _at: events.append(message))
    notices.collect(events=events, now=now(), desk=wiring_assistance.texts())
    return failed


@bp.on_sqs_message(queue=queue_name("texts"), batch_size=10)
@boundary
def send_text(event: SQSEvent) -> dict[str, Any]:
    """Send texts."""
    return _each(event, TextMessage, _send)


@bp.on_sqs_message(queue=queue_name("receipts"), batch_size=10)
@boundary
def take_receipt(event: SQSEvent) -> dict[str, Any]:
    """Store what became of texts."""
    return _each(event, ReceiptMessage, _take_receipt)


# --- one message each -------------------------------------------------------------------


def _walk(message: WalkMessage, at: datetime) -> None:
    if message.job == due_list.JOB:
        run = due_list.walk(message=message, now=at, desk=wiring.mornings())
        count("LoansLeftOut", len(run.totals.get("left_out", ())))
    else:
        deduction_round.send_out(message=message, now=at, desk=wiring.rounds())


def _deduct(message: DeductionMessage, at: datetime) -> None:
    with wiring.metered() as cost:
        outcome = deduction.take(message=message, now=at, desk=wiring_assistance.deductions())
    count_deduction(message.order_no, outcome, cost.units)


def _send_repayment(message: AskMessage, at: datetime) -> None:
    with wiring.metered() as cost:
        outcome = deduction.send(message=message, now=at, desk=wiring_assistance.deductions())
    count_deduction(message.order_no, outcome, cost.units)


def _ask(message: AskMessage, at: datetime) -> None:
    with wiring.metered() as cost:
        outcome = deduction.ask(message=message, now=at, desk=wiring_assistance.deductions())
    count_deduction(message.order_no, outcome, cost.units)


def _take_notification(message: NotificationMessage, at: datetime) -> None:
    with wiring.metered() as cost:
        taken = payment_notification.take(
            message=message, now=at, desk=wiring_assistance.notifications()
        )
    log.info("notification", order_no=message.order_no, state=taken.state)
    if taken.outcome:
        count_deduction(message.order_no, taken.outcome, cost.units)
    if taken.state in FOUND and taken.outcome is not Outcome.CONTRADICTED:
        count(FOUND[taken.state])


def _send(message: TextMessage, at: datetime) -> None:
    notices.send(message=message, now=at, desk=wiring_assistance.texts())


def _take_receipt(message: ReceiptMessage, at: datetime) -> None:
    notices.take_receipt(message=message, now=at, desk=wiring_assistance.texts())


def _each(
    event: SQSEvent, kind: type[Message], work: Callable[[Message, datetime], None]
) -> dict[str, Any]:
    """Work a batch's records, several in flight; those that failed come again, alone."""
    at = now()
    records = event.to_dict()["Records"]
    outcomes = wiring.in_flight().map(
        lambda record: work(decoded(kind, record["body"]), at), records
    )
    failed = []
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(outcome, Exception):
            # Which message and what kind of failure; never what the message carries.
            log.error(
                "message failed",
                message_id=record["messageId"],
                error=type(outcome).__name__,
                where=where(outcome),
            )
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
