"""Say what a joint loan owes, or was paid, in the lines of a funder's files."""

from collections.abc import Iterable, Mapping

from chalicelib.domain.deduction import Deduction
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.funder import DueLine, RepaymentLine
from chalicelib.domain.money import NOTHING, Money, Part


class UnpaidOrderError(ValueError):
    """The order has paid nothing: there is nothing to tell a funder."""


def due_lines(*, loan_id: str, lines: Iterable[InstalmentDue]) -> tuple[DueLine, ...]:
    """Give the lines of a due file for one loan whose due is split."""
    return tuple(
        DueLine(
            loan_id=loan_id,
            instalment_no=line.instalment_no,
            due_on=line.due_on,
            **nine_amounts(line),
        )
        for line in lines
    )


def repayment_lines(record: Deduction) -> tuple[RepaymentLine, ...]:
    """Give the lines that a successful order has in repayment and reconciliation files.

    All lines of an order are of its kind: what a round collects is scheduled, overdue instalments
    and all.  The fee is the platform's alone and in no line.

    :raises UnpaidOrderError: if the order did not succeed.
    """
    if record.result.paid_at is None:
        raise UnpaidOrderError(record.order_no)
    return tuple(
        RepaymentLine(
            order_no=record.order_no,
            trade_no=record.result.trade_no,
            loan_id=record.loan_id,
            instalment_no=line.instalment_no,
            kind=record.kind,
            paid_at=record.result.paid_at,
            **nine_amounts(line),
        )
        for line in record.lines
    )


def nine_amounts(line: InstalmentDue) -> Mapping[str, Money]:
    """Give a line's amounts by the names of the files' columns.

    >>> from datetime import date
    >>> from chalicelib.domain.money import Components
    >>> line = InstalmentDue(
    ...     instalment_no=1,
    ...     due_on=date(2026, 11, 24),
    ...     components=Components(principal=Money(10)),
    ...     funder=Components(principal=Money(7)),
    ... )
    >>> amounts = nine_amounts(line)
    >>> amounts["principal"], amounts["funder_principal"], amounts["platform_principal"]
    (Money(fen=10), Money(fen=7), Money(fen=3))
    """
    funder = line.funder or NOTHING
    parts = {"": line.components, "funder_": funder, "platform_": line.components - funder}
    return {f"{party}{part}": whole.of(part) for party, whole in parts.items() for part in Part}
