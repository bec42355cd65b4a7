"""One order at the simulated payment platform: what was asked, and where it stands."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from simulators.bill import Charge, Share
from simulators.clock import rfc3339
from simulators.wire import IllegalRequestError, fen_of, text_of


class Status(StrEnum):
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CLOSED = "CLOSED"


FAILURES = {
    "insufficient_funds": ("INSUFFICIENT_FUNDS", "银行卡余额不足"),
    "limit_exceeded": ("LIMIT_EXCEEDED", "超出银行卡支付限额"),
    "bank_unavailable": ("BANK_UNAVAILABLE", "银行系统维护中"),
    "agreement_terminated": ("AGREEMENT_TERMINATED", "用户已解约"),
    "card_closed": ("CARD_CLOSED", "银行卡已注销"),
    "risk_rejected": ("RISK_REJECTED", "交易存在风险,已拒绝"),
}
"""Outcomes that are plain refusals: failure code and message."""

MESSAGES = dict(FAILURES.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A deduction as the merchant asks for it."""

    order_no: str
    agreement_no: str
    amount_fen: int
    split: tuple[Share, ...]
    notify_url: str

    def same_as(self, other: "Wanted") -> bool:
        """Say whether it is the same deduction again; where to notify may change."""
        return (self.agreement_no, self.amount_fen, self.split) == (
            other.agreement_no,
            other.amount_fen,
            other.split,
        )


def wanted_of(body: Mapping[str, object]) -> Wanted:
    """Read the body of a deduction request; unknown fields are let through.

    :raises IllegalRequestError: if a field is missing or of the wrong shape.
    """
    amount_fen = fen_of(body, "amount_fen")
    if body.get("currency") != "CNY":
        raise IllegalRequestError("currency must be CNY")
    split = split_of(body.get("split", []))
    if split and sum(share.amount_fen for share in split) != amount_fen:
        raise IllegalRequestError("split must sum to amount_fen")
    notify_url = body.get("notify_url", "")
    if not isinstance(notify_url, str) or not re.match(r"(https?://.|$)", notify_url):
        raise IllegalRequestError("notify_url must be an http address or empty")
    return Wanted(
        order_no=text_of(body, "order_no"),
        agreement_no=text_of(body, "agreement_no"),
        amount_fen=amount_fen,
        split=split,
        notify_url=notify_url,
    )


def split_of(shares: object) -> tuple[Share, ...]:
    """Read who receives what.

    :raises IllegalRequestError: if it is not a list of accounts and amounts.
    """
    if not isinstance(shares, Sequence) or not all(isinstance(each, Mapping) for each in shares):
        raise IllegalRequestError("split must be a list of objects")
    return tuple(
        Share(account=text_of(share, "account"), amount_fen=fen_of(share, "amount_fen"))
        for share in shares
    )


@dataclass(kw_only=True, slots=True)
class Order:
    """An order the platform has taken in; `amount_fen` is what it takes or took.

    `hidden` orders are paid, but say so only after the first query; `resolves_at` is when
    PROCESSING, or FAILED, becomes `resolves_to`; `bad_queries` answers to queries are still badly signed.
    `split_status` is told once the split has failed, and after `split_failures` tries it is done;
    `split_no` is the number of the split done again.
    """

    wanted: Wanted
    outcome: str
    trade_no: str
    amount_fen: int
    status: Status = Status.PROCESSING
    failure_code: str = ""
    paid_at: datetime | None = None
    hidden: bool = False
    resolves_at: datetime | None = None
    resolves_to: str = ""
    bad_queries: int = 0
    split_status: str = ""
    split_failures: int = 0
    split_no: str = ""
    refunds: dict[str, int] = field(default_factory=dict)

    def succeed(self, at: datetime) -> None:
        self.status, self.paid_at, self.failure_code = Status.SUCCEEDED, at, ""
        self.split()

    def split(self) -> None:
        """Send the receivers their shares, or fail to; what is done is done once."""
        if not self.wanted.split or self.split_status == "SUCCEEDED":
            return
        if self.split_failures:
            self.split_failures -= 1
            self.split_status = "FAILED"
        elif self.split_status:
            self.split_status = "SUCCEEDED"

    def fail(self, code: str) -> None:
        self.status, self.failure_code = Status.FAILED, code

    def resolve(self, now: datetime) -> bool:
        """Do what was planned if its time has come; paid_at is that time, not the asking's."""
        if self.status is Status.CLOSED or not self.resolves_at or now < self.resolves_at:
            return False
        if self.resolves_to == "succeed":
            self.succeed(self.resolves_at)
        else:
            self.fail(FAILURES[self.resolves_to][0])
        return True

    def charge(self) -> Charge | None:
        """Say what was really taken, told or not."""
        if self.paid_at is None:
            return None
        return Charge(
            order_no=self.wanted.order_no,
            trade_no=self.trade_no,
            agreement_no=self.wanted.agreement_no,
            amount_fen=self.amount_fen,
            split=self._split_taken(),
            paid_at=self.paid_at,
        )

    def result(self) -> dict[str, object]:
        """Write the result body: the same for answers, queries and notifications."""
        told = Status.PROCESSING if self.hidden else self.status
        split = {"split_status": self.split_status} if self.split_status else {}
        return {
            "order_no": self.wanted.order_no,
            "trade_no": self.trade_no,
            "status": told,
            "failure_code": self.failure_code or None,
            "message": MESSAGES.get(self.failure_code, ""),
            "amount_fen": self.amount_fen,
            "paid_at": rfc3339(self.paid_at) if self.paid_at and told is Status.SUCCEEDED else None,
            **split,
        }

    def _split_taken(self) -> tuple[Share, ...]:
        """Give what is more than was asked to the first account; nobody anything while it fails."""
        if self.split_status == "FAILED":
            return ()
        more = self.amount_fen - self.wanted.amount_fen
        if not more or not self.wanted.split:
            return self.wanted.split
        first, *others = self.wanted.split
        return (Share(account=first.account, amount_fen=first.amount_fen + more), *others)
