"""The payment platform's core: its orders, its rules, and the ledger of what was really charged.

What a number means (failures.md section 1): the same order number is charged once however often
it is sent; a number that was closed or paid is never used again; a number that was never taken
in (`timeout_before_charge`, `html_error`) is new, and takes the next outcome.

Every outcome, and what it does to a new order number:

* succeed, slow_ms:N (answers N ms late) - charged at once.
* insufficient_funds, limit_exceeded, bank_unavailable, agreement_terminated, card_closed,
  risk_rejected - FAILED with that code, not charged.
* processing_then_succeed, processing_then_fail (INSUFFICIENT_FUNDS) - PROCESSING until
  `processing_seconds` of the platform's clock have passed; paid_at is that moment.
* failed_then_paid - FAILED (INSUFFICIENT_FUNDS), and `processing_seconds` later charged after all:
  only then it is notified.
* timeout_after_charge, timeout_before_charge - the connection is held `hang_seconds`, then
  dropped; only the first is charged.
* wrong_amount - one fen more than asked is charged, answered and billed.
* bad_signature - charged; every answer to the deduction, and the first to a query, is badly
  signed.
* html_error - 502 with a page, not taken in.
* not_exist_after_accept - charged, answered PROCESSING; the first query says NOT_EXIST, then
  everything says SUCCEEDED.
* split_fails_after_charge - charged, but the split in transit fails: the money stays with the
  merchant, and every answer says split_status FAILED until it is split again.  So, too:
  split_fails_twice - the first try to split again fails as well; split_repair_lost - it is done,
  but the connection is dropped.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from random import Random  # noqa: TID251 - seeded by whoever builds the platform
from threading import RLock

from simulators import bill
from simulators.after_charge import NOT_EXIST, Refunds, split_again
from simulators.bill import Bill, Charge, Mutation
from simulators.clock import SHANGHAI, rfc3339
from simulators.notifications import Notification, Outbox
from simulators.orders import FAILURES, Order, Status, Wanted, wanted_of
from simulators.outcomes import Outcomes, delay_seconds
from simulators.wire import (
    HTML_ERROR,
    IllegalRequestError,
    Reply,
    Wire,
    dropped,
    refusal,
)

NOT_TAKEN_IN = frozenset(("timeout_before_charge", "html_error"))
SPLIT_FAILURES = {"split_fails_after_charge": 1, "split_fails_twice": 2, "split_repair_lost": 1}
"""How often the split of an order fails, the one in transit counted."""

OUTCOMES = (
    frozenset(FAILURES)
    | NOT_TAKEN_IN
    | frozenset(SPLIT_FAILURES)
    | {
        "succeed",
        "processing_then_succeed",
        "processing_then_fail",
        "failed_then_paid",
        "timeout_after_charge",
        "wrong_amount",
        "bad_signature",
        "not_exist_after_accept",
    }
)
EXCESS_FEN = 1


class PaymentPlatform:
    """Charges bank cards, as badly as it is told to.

    Thread-safe.  Every draw depends on the seed and the order number alone, so answers do not
    depend on which of two calls came first.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        rng: Random,
        processing_seconds: float = 600.0,
        hang_seconds: float = 3.0,
    ) -> None:
        self._clock = clock
        self._salt = rng.getrandbits(64)
        self._outcomes = Outcomes(known=OUTCOMES, default="succeed", rng=rng)
        self._processing = timedelta(seconds=processing_seconds)
        self._hang_seconds = hang_seconds
        self._lock = RLock()
        self._orders: dict[str, Order] = {}
        self._unresolved: dict[str, Order] = {}
        self._refunds = Refunds()
        self._attempts: Counter[str] = Counter()
        self._counts: Counter[tuple[str, date]] = Counter()
        self._shifted: dict[str, date] = {}
        self._outbox = Outbox()

    # --- what the merchant may ask -----------------------------------------------------

    def deduct(self, body: Mapping[str, object]) -> Reply:
        """Charge an order once; the same order again is answered as it stands."""
        with self._lock:
            self._count("requests")
            try:
                wanted = wanted_of(body)
            except IllegalRequestError as error:
                return refusal(400, "PARAM_ERROR", str(error))
            self._resolve_all()
            order = self._orders.get(wanted.order_no)
            return self._take_in(wanted) if order is None else self._repeat(order, wanted)

    def query(self, order_no: str) -> Reply:
        """Say where an order stands; 404 NOT_EXIST if it was never taken in."""
        with self._lock:
            self._resolve_all()
            order = self._orders.get(order_no)
            if order is None:
                return NOT_EXIST
            if order.hidden:
                order.hidden = False
                return NOT_EXIST
            wire = Wire.BADLY_SIGNED if order.bad_queries else Wire.SIGNED
            order.bad_queries = max(0, order.bad_queries - 1)
            return Reply(body=order.result(), wire=wire)

    def close(self, order_no: str) -> Reply:
        """Close an order that is not charged; 409 ORDER_PAID with the result if it is.

        A failed order stays failed: it is at its end and was not charged.  Closing again
        answers the same.
        """
        with self._lock:
            self._resolve_all()
            order = self._orders.get(order_no)
            if order is None:
                return NOT_EXIST
            order.hidden = False
            if order.status is Status.SUCCEEDED:
                return _refusal_with(order, "ORDER_PAID", "订单已支付")
            if order.status is Status.PROCESSING:
                order.status = Status.CLOSED
                self._unresolved.pop(order_no, None)
            return Reply(body=order.result())

    def refund(self, body: Mapping[str, object]) -> Reply:
        """Give money back, once per refund number and never more than was paid."""
        with self._lock:
            self._resolve_all()
            return self._refunds.take(
                body, orders=self._orders, trade_no=self._trade_no, now=self._clock()
            )

    def split(self, order_no: str, body: Mapping[str, object]) -> Reply:
        """Split the money of an order again, once per split number; nothing is charged."""
        with self._lock:
            self._resolve_all()
            order = self._orders.get(order_no)
            if order is None:
                return NOT_EXIST
            return split_again(order, body, hang_seconds=self._hang_seconds)

    # --- what a test may set and see ---------------------------------------------------

    def script(self, agreement_no: str, outcomes: Sequence[str]) -> None:
        """Set what the next new order numbers of an agreement meet; replaces what was left.

        :raises UnknownOutcomeError: if one is not known.
        """
        with self._lock:
            self._outcomes.script(agreement_no, outcomes)

    def mix(self, probabilities: Mapping[str, float]) -> None:
        """Set what orders without a script meet; the rest succeed.

        :raises UnknownOutcomeError: if one is not known or they sum to more than 1.
        """
        with self._lock:
            self._outcomes.mix(probabilities)

    def charges(self, day: date | None = None) -> tuple[Charge, ...]:
        """List what was really taken (on a day, by paid_at in Shanghai), in order of time."""
        with self._lock:
            self._resolve_all()
            taken = [charge for charge in self._charges() if day in (None, charge.paid_on)]
            return tuple(sorted(taken, key=lambda charge: (charge.paid_at, charge.order_no)))

    def ledger(self, day: date | None = None) -> dict[str, object]:
        """Tell the truth about a day, or about everything: the oracle.

        `requests` are deduction requests that came, `duplicates_refused` those for a number that
        was taken in before, `conflicts` those among them that asked for something else.
        """
        with self._lock:
            charges = self.charges(day)
            return {
                "charges": [_told(charge, self._orders[charge.order_no]) for charge in charges],
                "amount_fen": sum(charge.amount_fen for charge in charges),
                **{
                    name: sum(
                        n
                        for (kind, on), n in self._counts.items()
                        if kind == name and day in (None, on)
                    )
                    for name in ("requests", "duplicates_refused", "conflicts")
                },
                "refunds": [
                    refund
                    for refund in self._refunds.done.values()
                    if day is None or str(refund["refunded_at"]).startswith(f"{day}")
                ],
            }

    def correct(self) -> tuple[str, ...]:
        """Give back what was taken beyond what was asked, and name the orders.

        Ledger, answers and the next version of the bill then say what was asked.
        """
        with self._lock:
            wrong = [
                order
                for order in self._orders.values()
                if order.amount_fen != order.wanted.amount_fen
            ]
            for order in wrong:
                order.amount_fen = order.wanted.amount_fen
            return tuple(order.wanted.order_no for order in wrong)

    def bill(self, *, day: date, mutations: Sequence[Mutation] = ()) -> Bill:
        """Write the bill of a day.  Asked again it is the same, but a shifted order stays shifted.

        Refunded orders stand in it with what was paid, and each refund of the day for itself.
        """
        with self._lock:
            targets = bill.aimed(mutations, self.charges(day))
            own = {charge.order_no for charge in self.charges(day)}
            for mutation in targets:
                if mutation.kind == "shift_day" and mutation.order_no in own:
                    self._shifted[mutation.order_no] = day + timedelta(days=1)
            billed = [
                charge
                for charge in self.charges()
                if self._shifted.get(charge.order_no, charge.paid_on) == day
            ]
            refunds = self._refunds.of_day(day, self._orders)
            return bill.make(day=day, charges=billed, refunds=refunds, mutations=targets)

    # --- notifications -----------------------------------------------------------------

    def next_notification_at(self) -> datetime | None:
        """Say when there is something to tell next; an order in processing counts as well."""
        with self._lock:
            self._resolve_all()
            times = [order.resolves_at for order in self._unresolved.values() if order.resolves_at]
            if (waiting := self._outbox.next_at()) is not None:
                times.append(waiting)
            return min(times, default=None)

    def take_notification(self) -> Notification | None:
        """Take the notification that is due first, with the result as it is now."""
        with self._lock:
            self._resolve_all()
            taken = self._outbox.take(now=self._clock())
            if taken is None:
                return None
            order_no, attempt = taken
            order = self._orders[order_no]
            order.hidden = False
            return Notification(
                key=order_no, url=order.wanted.notify_url, body=order.result(), attempt=attempt
            )

    def notified(self, key: str, *, acknowledged: bool) -> None:
        """Say how a notification ended; unanswered, it climbs the ladder."""
        with self._lock:
            self._outbox.done(key, acknowledged=acknowledged, now=self._clock())

    # --- inside ------------------------------------------------------------------------

    def _take_in(self, wanted: Wanted) -> Reply:
        """Meet a new number with its outcome."""
        self._attempts[wanted.order_no] += 1
        attempt = self._attempts[wanted.order_no]
        outcome = self._outcomes.take(wanted.agreement_no, about=f"{wanted.order_no}:{attempt}")
        if outcome == "html_error":
            return HTML_ERROR
        if outcome == "timeout_before_charge":
            return dropped(after_seconds=self._hang_seconds)
        now = self._clock()
        order = Order(
            wanted=wanted,
            outcome=outcome,
            trade_no=self._trade_no("4", wanted.order_no),
            amount_fen=wanted.amount_fen + (EXCESS_FEN if outcome == "wrong_amount" else 0),
        )
        self._orders[wanted.order_no] = order
        if outcome in FAILURES:
            order.fail(FAILURES[outcome][0])
        elif outcome.startswith("processing_then_"):
            order.resolves_at = now + self._processing
            ends_well = outcome == "processing_then_succeed"
            order.resolves_to = "succeed" if ends_well else "insufficient_funds"
            self._unresolved[wanted.order_no] = order
        elif outcome == "failed_then_paid":
            order.fail(FAILURES["insufficient_funds"][0])
            order.resolves_at, order.resolves_to = now + self._processing, "succeed"
            self._unresolved[wanted.order_no] = order
        else:
            order.split_failures = SPLIT_FAILURES.get(outcome, 0)
            order.succeed(now)
            order.hidden = outcome == "not_exist_after_accept"
            order.bad_queries = int(outcome == "bad_signature")
        if order.status is not Status.PROCESSING and not order.resolves_at:
            self._plan_notification(order, at=now + self._processing if order.hidden else now)
        if outcome == "timeout_after_charge":
            return dropped(after_seconds=self._hang_seconds)
        return self._answer(order, seconds=delay_seconds(outcome))

    def _repeat(self, order: Order, wanted: Wanted) -> Reply:
        """Answer a number that was taken in before: nothing is charged."""
        self._count("duplicates_refused")
        if not order.wanted.same_as(wanted):
            self._count("conflicts")
            return refusal(409, "ORDER_CONFLICT", "订单号已用于其他扣款")
        if order.status is Status.CLOSED:
            return _refusal_with(order, "ORDER_CLOSED", "订单已关闭")
        return self._answer(order)

    def _answer(self, order: Order, *, seconds: float = 0.0) -> Reply:
        bad = order.outcome == "bad_signature"
        wire = Wire.BADLY_SIGNED if bad else Wire.SIGNED
        return Reply(body=order.result(), wire=wire, seconds=seconds)

    def _resolve_all(self) -> None:
        """End every processing whose time has come, whoever asks for what."""
        now = self._clock()
        for order_no, order in list(self._unresolved.items()):
            if order.resolve(now):
                del self._unresolved[order_no]
                self._plan_notification(order, at=order.resolves_at or now)

    def _plan_notification(self, order: Order, *, at: datetime) -> None:
        if order.wanted.notify_url:
            self._outbox.add(order.wanted.order_no, at=at)

    def _charges(self) -> Iterator[Charge]:
        for order in self._orders.values():
            if (charge := order.charge()) is not None:
                yield charge

    def _count(self, kind: str) -> None:
        self._counts[kind, self._clock().astimezone(SHANGHAI).date()] += 1

    def _trade_no(self, prefix: str, about: str) -> str:
        """Derive a number of 28 digits: the same seed, day and order give the same one."""
        digest = hashlib.sha256(f"{self._salt}:{about}".encode()).hexdigest()
        day = self._clock().astimezone(SHANGHAI)
        return f"{prefix}200{day:%Y%m%d}{int(digest, 16) % 10**16:016}"


def _told(charge: Charge, order: Order) -> dict[str, object]:
    return {
        "order_no": charge.order_no,
        "trade_no": charge.trade_no,
        "agreement_no": charge.agreement_no,
        "amount_fen": charge.amount_fen,
        "split": [asdict(share) for share in charge.split],
        "paid_at": rfc3339(charge.paid_at),
        "status": order.status,
        "split_status": order.split_status or None,
        "refunded_fen": sum(order.refunds.values()),
    }


def _refusal_with(order: Order, code: str, message: str) -> Reply:
    """Refuse, and say how the order stands."""
    return Reply(status=409, body={**order.result(), "code": code, "message": message})
