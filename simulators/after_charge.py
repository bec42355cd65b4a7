"""What may follow a charge: money given back, and a split that failed, done again."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from simulators.bill import Refund
from simulators.clock import SHANGHAI, rfc3339
from simulators.orders import Order, Status, split_of
from simulators.wire import IllegalRequestError, Reply, dropped, fen_of, refusal, text_of

NOT_EXIST = refusal(404, "NOT_EXIST", "订单不存在")
NOT_PAID = refusal(409, "ORDER_NOT_PAID", "订单未支付")


class Refunds:
    """Money that was given back, by refund number."""

    def __init__(self) -> None:
        self.done: dict[str, dict[str, object]] = {}

    def take(
        self,
        body: Mapping[str, object],
        *,
        orders: Mapping[str, Order],
        trade_no: Callable[[str, str], str],
        now: datetime,
    ) -> Reply:
        """Give money back, once per refund number and never more than was paid."""
        try:
            refund_no, order_no = text_of(body, "refund_no"), text_of(body, "order_no")
            amount_fen = fen_of(body, "amount_fen")
        except IllegalRequestError as error:
            return refusal(400, "PARAM_ERROR", str(error))
        if (done := self.done.get(refund_no)) is not None:
            if (done["order_no"], done["amount_fen"]) != (order_no, amount_fen):
                return refusal(409, "REFUND_CONFLICT", "退款单号已用于其他退款")
            return Reply(body=done)
        order = orders.get(order_no)
        if order is None:
            return NOT_EXIST
        if order.status is not Status.SUCCEEDED:
            return NOT_PAID
        if sum(order.refunds.values()) + amount_fen > order.amount_fen:
            return refusal(409, "REFUND_EXCEEDS_PAID", "退款总额超过支付金额")
        order.refunds[refund_no] = amount_fen
        self.done[refund_no] = {
            "refund_no": refund_no,
            "refund_trade_no": trade_no("5", f"refund:{refund_no}"),
            "order_no": order_no,
            "status": "SUCCEEDED",
            "amount_fen": amount_fen,
            "refunded_at": rfc3339(now),
        }
        return Reply(body=self.done[refund_no])

    def of_day(self, day: date, orders: Mapping[str, Order]) -> list[Refund]:
        """Say what went back on a day, as the day's bill says it."""
        made = (
            Refund(
                refund_no=str(done["refund_no"]),
                trade_no=str(done["refund_trade_no"]),
                agreement_no=orders[str(done["order_no"])].wanted.agreement_no,
                amount_fen=orders[str(done["order_no"])].refunds[str(done["refund_no"])],
                refunded_at=datetime.fromisoformat(str(done["refunded_at"])),
            )
            for done in self.done.values()
        )
        return [one for one in made if one.refunded_at.astimezone(SHANGHAI).date() == day]


def split_again(order: Order, body: Mapping[str, object], *, hang_seconds: float) -> Reply:
    """Split the money of a paid order whose split has failed; nothing is charged.

    Asked again, or of an order that is split just so already, it moves nothing and says so.  An
    order is split once: another split, or another number for it, is a conflict.
    """
    try:
        split_no, shares = text_of(body, "split_no"), split_of(body.get("split"))
    except IllegalRequestError as error:
        return refusal(400, "PARAM_ERROR", str(error))
    if sum(share.amount_fen for share in shares) != order.wanted.amount_fen:
        return refusal(400, "PARAM_ERROR", "split must sum to amount_fen")
    if order.status is not Status.SUCCEEDED:
        return NOT_PAID
    if shares != order.wanted.split or order.split_no not in {"", split_no}:
        return refusal(409, "SPLIT_CONFLICT", "分账与原订单不一致")
    order.split_no = split_no
    is_lost = order.outcome == "split_repair_lost" and order.split_status == "FAILED"
    order.split()
    if is_lost:
        return dropped(after_seconds=hang_seconds)
    return Reply(
        body={
            "order_no": order.wanted.order_no,
            "split_no": split_no,
            "status": order.split_status or "SUCCEEDED",
        }
    )
