"""Makers of the lines and files that go between a funder and us."""

from datetime import datetime

from chalicelib.domain.funder import (
    Agreement,
    ConfirmationLine,
    DueLine,
    ResultLine,
    ResultStatus,
)
from chalicelib.domain.money import ZERO, Money
from tests.builders import TODAY

NOON = datetime.fromisoformat("2026-11-24T12:00:00+08:00")


def a_due_line(
    loan_id: str = "LN1",
    *,
    instalment_no: int = 1,
    due_on=TODAY,
    principal: tuple[Money, Money] = (Money(700_00), Money(300_00)),
    interest: tuple[Money, Money] = (Money(14_00), Money(6_00)),
    penalty: tuple[Money, Money] = (ZERO, ZERO),
) -> DueLine:
    """Make a due line; each component is funder's part and platform's part."""
    return DueLine(
        loan_id=loan_id,
        instalment_no=instalment_no,
        due_on=due_on,
        principal=principal[0] + principal[1],
        interest=interest[0] + interest[1],
        penalty=penalty[0] + penalty[1],
        funder_principal=principal[0],
        funder_interest=interest[0],
        funder_penalty=penalty[0],
        platform_principal=principal[1],
        platform_interest=interest[1],
        platform_penalty=penalty[1],
    )


def a_success(loan_id: str = "LN1", **changes) -> ResultLine:
    told = {
        "loan_id": loan_id,
        "instalment_no": 1,
        "round": 1,
        "status": ResultStatus.SUCCEEDED,
        "principal": Money(1000_00),
        "interest": Money(20_00),
        "paid_at": NOON,
        "funder_trade_no": f"FT-{loan_id}",
    }
    return ResultLine(**(told | changes))


def a_failure(loan_id: str = "LN1", **changes) -> ResultLine:
    told = {
        "loan_id": loan_id,
        "instalment_no": 1,
        "round": 1,
        "status": ResultStatus.FAILED,
        "failure_code": "INSUFFICIENT_FUNDS",
    }
    return ResultLine(**(told | changes))


def a_confirmation(order_no: str = "20261124-1-LN1", **changes) -> ConfirmationLine:
    told = {"order_no": order_no, "status": Agreement.AGREED, "funder_amount": Money(714_00)}
    return ConfirmationLine(**(told | changes))
