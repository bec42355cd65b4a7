"""Makes data for tests: say what matters, the rest is ordinary."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from chalicelib.domain import schedule
from chalicelib.domain.funder import Funder, FunderTerms
from chalicelib.domain.loan import Loan, Mode, Schedule
from chalicelib.domain.money import Money, total
from chalicelib.domain.position import Position
from chalicelib.domain.product import Method, Product
from chalicelib.domain.schedule import Cut, Terms

TODAY = date(2026, 11, 24)
SHANGHAI = ZoneInfo("Asia/Shanghai")
PRODUCT = Product(code="consumer", name="消费贷")
FUNDER = Funder(
    funder_id="F1",
    name="江河银行",
    account="funder-F1",
    platform_account="platform-F1",
    terms={1: FunderTerms(rate=Decimal("0.1001"))},
)


def at(hour: int, minute: int = 0, *, second: int = 0, day: date = TODAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=SHANGHAI)


def a_cut(
    *, first_due_on: date = TODAY, instalments: int = 6, product: Product = PRODUCT, **terms: object
) -> Cut:
    """Cut a loan of 12,000 yuan at 18 %; `terms` are those of the contract that matter."""
    facts: dict[str, object] = {
        "principal": Money(12_000_00),
        "annual_rate": Decimal("0.18"),
        "method": Method.EQUAL_INSTALMENT,
        "instalments": instalments,
        "disbursed_on": first_due_on - timedelta(days=31),
        "first_due_on": first_due_on,
    }
    return schedule.cut(terms=Terms(**(facts | terms)), product=product)


def a_schedule(*, first_due_on: date = TODAY, instalments: int = 6) -> Schedule:
    return a_cut(first_due_on=first_due_on, instalments=instalments).instalments


def cut_of(rows: Schedule) -> Cut:
    """Give a plain schedule the terms it would have been cut from."""
    return Cut(
        terms=Terms(
            principal=total(row.principal for row in rows),
            annual_rate=Decimal("0.18"),
            method=Method.EQUAL_INSTALMENT,
            instalments=len(rows),
            disbursed_on=rows[0].due_on - timedelta(days=31),
            first_due_on=rows[0].due_on,
            first_no=rows[0].number,
        ),
        instalments=rows,
    )


def a_loan(
    loan_id: str = "LN1", *, overdue_days: int = 0, borrower_id: str = "B1", **changes: object
) -> Loan:
    """Make a loan whose first instalment fell due so many days before TODAY."""
    facts: dict[str, object] = {
        "loan_id": loan_id,
        "borrower_id": borrower_id,
        "product": "consumer",
        "mode": Mode.SELF_OPERATED,
        "principal": Money(12_000_00),
        "annual_rate": Decimal("0.18"),
        "agreement_no": f"AG-{loan_id}",
        "schedule_version": 1,
        "position": Position(),
        "unpaid_due_on": TODAY - timedelta(days=overdue_days),
    }
    return Loan(**(facts | changes))


def a_joint_loan(loan_id: str = "LN1", *, overdue_days: int = 0, **changes: object) -> Loan:
    """Make a loan of which FUNDER has lent 70 %, at its own rate."""
    facts: dict[str, object] = {
        "mode": Mode.JOINT_LENDING,
        "funder_id": FUNDER.funder_id,
        "funder_share_bps": 7_000,
        "funder_terms": 1,
    }
    return a_loan(loan_id, overdue_days=overdue_days, **(facts | changes))
