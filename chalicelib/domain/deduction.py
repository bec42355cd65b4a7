"""A deduction: one order to the payment platform, and what may become of it.

PLANNED → SENT → SUCCEEDED | FAILED(class) | UNKNOWN → SUCCEEDED | FAILED.  PLANNED is a
message in a queue, SENT and UNKNOWN are the loan's slot, the two ends are journal records.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.money import NOTHING, ZERO, Components, Money


class Kind(StrEnum):
    """What an order pays: a round's due, or what the borrower wished to pay."""

    SCHEDULED = "scheduled"
    OVERDUE = "overdue"
    INSTALMENT = "instalment"
    PARTIAL = "partial"
    FULL = "full"


class Status(StrEnum):
    """The two terminal results: what the journal holds."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Outcome(StrEnum):
    """What became of one piece of work on an order."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"
    PUT_OFF = "put_off"
    SPLIT = "split"
    UNSPLIT = "unsplit"


class FailureClass(StrEnum):
    """When a failed deduction may be tried again, under a new order number."""

    RETRY_TODAY = "retry_today"
    RETRY_LATER = "retry_later"
    NEVER = "never"


FAILURE_CLASSES: dict[str, FailureClass] = {
    "INSUFFICIENT_FUNDS": FailureClass.RETRY_TODAY,
    "LIMIT_EXCEEDED": FailureClass.RETRY_LATER,
    "BANK_UNAVAILABLE": FailureClass.RETRY_LATER,
    "CLOSED": FailureClass.RETRY_LATER,
    "AGREEMENT_TERMINATED": FailureClass.NEVER,
    "CARD_CLOSED": FailureClass.NEVER,
    "RISK_REJECTED": FailureClass.NEVER,
}


class SkipReason(StrEnum):
    """Why a listed due was not sent in its round."""

    NOTHING_DUE = "nothing_due"
    SLOT_TAKEN = "slot_taken"
    ON_HOLD = "on_hold"
    AMOUNT_ROSE = "amount_rose"
    WINDOW_CLOSED = "window_closed"
    FUNDER_DEDUCTS = "funder_deducts"
    FUNDER_DIFFERS = "funder_differs"
    FUNDER_FILE_HELD = "funder_file_held"
    FUNDER_FILE_MISSING = "funder_file_missing"


class AnswerStatus(StrEnum):
    """What the payment platform said of an order; UNREADABLE is everything we cannot trust."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    PROCESSING = "PROCESSING"
    CLOSED = "CLOSED"
    NOT_EXIST = "NOT_EXIST"
    THROTTLED = "THROTTLED"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer of the platform, already verified; `note` says why it is unreadable.

    `split_pending` if the money is taken, but not known to be split as it was ordered.
    """

    status: AnswerStatus
    trade_no: str = ""
    amount: Money | None = None
    failure_code: str = ""
    paid_at: datetime | None = None
    note: str = ""
    split_pending: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What one account receives of a deduction."""

    account: str
    amount: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is asked of the platform: fixed at the claim, the same at every repetition.

    `split` names all receivers and adds up to the amount; without one all of it is ours.  What
    follows it is for a funder that keeps books of the loan: what is wished, as of when, and what
    it pays of which instalment.
    """

    order_no: str
    agreement_no: str
    amount: Money
    subject: str
    split: tuple[Share, ...] = ()
    loan_id: str = ""
    kind: Kind = Kind.SCHEDULED
    recut: str = ""
    as_of: date | None = None
    lines: tuple[InstalmentDue, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a deduction ended; `split_pending` if its split was not known to be done by then."""

    status: Status
    trade_no: str = ""
    paid_at: datetime | None = None
    failure_code: str = ""
    failure_class: FailureClass | None = None
    split_pending: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """An order whose end is not known: to be asked after, never failed, never repeated anew."""

    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Deduction:
    """One record of the deduction journal: terminal, never changed.

    `lines` say which instalments the money paid, none for a failed one, and what of it is a
    funder's; the fee is the platform's alone; `dpd` is the loan's on the business date, before the
    money; `round_no` is 0 where the borrower paid by himself; `product` is empty in records of before
    it was written.
    """

    order_no: str
    loan_id: str
    borrower_id: str
    mode: str
    business_date: date
    round_no: int
    agreement_no: str
    amount: Money
    components: Components
    result: Result
    recorded_at: datetime
    listed: Money
    dpd: int = 0
    lines: tuple[InstalmentDue, ...] = ()
    settles: bool = False
    settled_by: str = "platform"
    kind: Kind = Kind.SCHEDULED
    fee: Money = ZERO
    request: str = ""
    product: str = ""

    @property
    def is_split(self) -> bool:
        """Whether the money was split with a funder."""
        return any(line.funder is not None for line in self.lines)

    @property
    def funder(self) -> Components:
        """What of the money is a funder's."""
        return sum((line.funder for line in self.lines if line.funder), NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Skip:
    """A listed due that its round did not send, and why."""

    order_no: str
    loan_id: str
    mode: str
    business_date: date
    round_no: int
    listed: Money
    reason: SkipReason
    note: str = ""
    recorded_at: datetime = field(kw_only=True)


NO_ROUND = 0
_ROUND = re.compile(r"([123])(?:v[1-9]\d{0,3})?", re.ASCII)
_QUOTE_ID = re.compile(r"Q[a-z2-7]{16}", re.ASCII)


class IllegalOrderNumberError(ValueError):
    """The text is not an order number of a round or of a quote."""


def order_no_of(*, business_date: date, round_no: int, loan_id: str) -> str:
    """Name an order by business facts alone, so that a repetition names it the same.

    >>> order_no_of(business_date=date(2026, 11, 24), round_no=2, loan_id="LN7")
    '20261124-2-LN7'
    """
    return f"{business_date:%Y%m%d}-{round_no}-{loan_id}"


def order_no_of_addition(*, business_date: date, round_no: int, version: int, loan_id: str) -> str:
    """Name what a later version of a funder's results adds to what a round's order has already.

    The record of the order itself is never changed.

    >>> order_no_of_addition(
    ...     business_date=date(2026, 11, 24), round_no=1, version=2, loan_id="LN7"
    ... )
    '20261124-1v2-LN7'
    """
    return f"{business_date:%Y%m%d}-{round_no}v{version}-{loan_id}"


def is_quote_id(text: str) -> bool:
    """Whether a quote may be named so.

    >>> is_quote_id("Qnwsmn46acvyqqxmf"), is_quote_id("1")
    (True, False)
    """
    return bool(_QUOTE_ID.fullmatch(text))


def order_no_of_quote(*, business_date: date, quote_id: str, loan_id: str) -> str:
    """Name the one order of a quote.

    >>> order_no_of_quote(
    ...     business_date=date(2026, 11, 24), quote_id="Qnwsmn46acvyqqxmf", loan_id="LN7"
    ... )
    '20261124-Qnwsmn46acvyqqxmf-LN7'
    """
    return f"{business_date:%Y%m%d}-{quote_id}-{loan_id}"


def split_no_of(order_no: str) -> str:
    """Name the split of an order that is done again: one number, however often it is tried.

    >>> split_no_of("20261124-2-LN7")
    '20261124-2-LN7-S'
    """
    return f"{order_no}-S"


def facts_of(order_no: str) -> tuple[date, int, str]:
    """Read business date, round and loan back from an order number; a quote's is of no round.

    >>> facts_of("20261124-2-LN7")
    (datetime.date(2026, 11, 24), 2, 'LN7')
    >>> facts_of("20261124-Qnwsmn46acvyqqxmf-LN7")
    (datetime.date(2026, 11, 24), 0, 'LN7')
    >>> facts_of("20261124-1v2-LN7")
    (datetime.date(2026, 11, 24), 1, 'LN7')

    :raises IllegalOrderNumberError: if it is not one of ours.
    """
    day, _, rest = order_no.partition("-")
    source, _, loan_id = rest.partition("-")
    of_round = _ROUND.fullmatch(source)
    if not (len(day) == 8 and day.isascii() and day.isdigit() and loan_id) or not (
        of_round or is_quote_id(source)
    ):
        raise IllegalOrderNumberError(f"not an order number: {order_no!r}")
    try:
        business_date = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError as error:
        raise IllegalOrderNumberError(f"not an order number: {order_no!r}") from error
    return business_date, int(of_round[1]) if of_round else NO_ROUND, loan_id


def verdict(*, ordered: Money, answer: Answer) -> Result | Unknown:
    """Judge an answer.  Whatever is not plainly a success or a known failure is unknown.

    >>> verdict(ordered=Money(100), answer=Answer(status=AnswerStatus.SUCCEEDED, amount=Money(101)))
    Unknown(reason='amount_differs')
    """
    match answer.status:
        case AnswerStatus.SUCCEEDED if answer.amount != ordered:
            return Unknown(reason="amount_differs")
        case AnswerStatus.SUCCEEDED if not answer.trade_no or answer.paid_at is None:
            return Unknown(reason="unreadable")
        case AnswerStatus.SUCCEEDED:
            return Result(
                status=Status.SUCCEEDED,
                trade_no=answer.trade_no,
                paid_at=answer.paid_at,
                split_pending=answer.split_pending,
            )
        case AnswerStatus.FAILED if answer.failure_code in FAILURE_CLASSES:
            return failed(answer.failure_code)
        case AnswerStatus.FAILED:
            return Unknown(reason="unknown_failure_code")
        case AnswerStatus.CLOSED:
            return failed("CLOSED")
        case _:
            return Unknown(reason=answer.status.lower())


def failed(code: str) -> Result:
    """Make the result of a deduction that failed with a known code."""
    return Result(status=Status.FAILED, failure_code=code, failure_class=FAILURE_CLASSES[code])
