"""What a loan owes, kept day by day as a clerk would: the other opinion on the domain's arithmetic.

Nothing here asks the code under test for a figure.  No dates are subtracted: every day that
passes adds one to each late row's count.
"""

import math
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from chalicelib.domain.money import Part
from chalicelib.domain.product import Product, Rounding
from chalicelib.domain.schedule import Instalment

PARTS = ("principal", "interest", "penalty")
DAY = timedelta(days=1)


def rounded(exact: Fraction, product: Product) -> int:
    """Round an amount that is not negative, in fen; half a fen as the product says."""
    floor = math.floor(exact)
    half = exact - floor - Fraction(1, 2)
    up = half > 0 or (half == 0 and (product.rounding is Rounding.HALF_UP or floor % 2 == 1))
    return floor + up


@dataclass
class Row:
    """One instalment, in fen: what it asks, what of it is paid, and how many days it is late."""

    number: int
    due_on: date
    principal: int
    interest: int
    principal_paid: int = 0
    interest_paid: int = 0
    penalty_paid: int = 0
    penalty_carried: int = 0
    days_late: int = 0
    days_counted: int = 0

    @property
    def left(self) -> dict[str, int]:
        """What it asks apart from the penalty that has run since it was last paid on."""
        return {
            "principal": self.principal - self.principal_paid,
            "interest": self.interest - self.interest_paid,
            "penalty": self.penalty_carried,
        }

    @property
    def is_open(self) -> bool:
        return any(self.left.values())


@dataclass
class DayLedger:
    """The rows of a loan, the day it is, and all that was ever paid."""

    today: date
    disbursed: int
    annual_rate: Fraction
    rows: list[Row]
    paid: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    @classmethod
    def of(cls, schedule: tuple[Instalment, ...], *, today: date, annual_rate: Fraction):
        rows = [_row_of(row) for row in schedule]
        disbursed = sum(row.principal for row in rows)
        return cls(today=today, disbursed=disbursed, annual_rate=annual_rate, rows=rows)

    # --- time ---------------------------------------------------------------------------

    def live(self, days: int) -> None:
        """Let days pass, one by one."""
        for _ in range(days):
            self.today += DAY
            for row in self.rows:
                if row.is_open and self.today > row.due_on:
                    row.days_late += 1
                    row.days_counted += 1

    def as_it_was(self) -> "DayLedger":
        return deepcopy(self)

    # --- what is owed -------------------------------------------------------------------

    @property
    def open_rows(self) -> list[Row]:
        return [row for row in self.rows if row.is_open]

    @property
    def unpaid_due_on(self) -> date | None:
        return self.open_rows[0].due_on if self.open_rows else None

    @property
    def principal_left(self) -> int:
        return sum(row.left["principal"] for row in self.rows)

    def owed(self, product: Product) -> dict[int, dict[str, int]]:
        """Say what each row that is due by today owes, the oldest first."""
        due = [row for row in self.open_rows if row.due_on <= self.today]
        return {row.number: row.left | {"penalty": self._penalty(row, product)} for row in due}

    def overdue(self, product: Product) -> dict[int, dict[str, int]]:
        late = {row.number for row in self.rows if row.due_on < self.today}
        return {number: owed for number, owed in self.owed(product).items() if number in late}

    def amount_owed(self, product: Product) -> int:
        return sum(sum(parts.values()) for parts in self.owed(product).values())

    @property
    def days_past_due(self) -> int:
        return max((row.days_late for row in self.open_rows), default=0)

    def _penalty(self, row: Row, product: Product) -> int:
        if row.days_late <= product.grace_days:
            return row.penalty_carried
        rate = min(
            self.annual_rate * (1 + Fraction(product.penalty_uplift)),
            Fraction(product.annual_cost_cap),
        )
        left = row.left["principal"] + product.penalty_on_interest * row.left["interest"]
        return row.penalty_carried + rounded(left * rate * row.days_counted / 360, product)

    # --- what is paid -------------------------------------------------------------------

    def poured(self, amount: int, product: Product) -> dict[int, dict[str, int]]:
        """Say what an amount would pay, row by row and part by part."""
        spread = {}
        late = {row.number: row.days_late for row in self.rows}
        for number, owed in self.owed(product).items():
            accrues = late[number] < product.non_accruing_from_dpd
            order = product.accruing_order if accrues else product.non_accruing_order
            spread[number] = dict.fromkeys(PARTS, 0)
            for part in map(Part, order):
                spread[number][part.value] = min(amount, owed[part.value])
                amount -= spread[number][part.value]
        return {number: parts for number, parts in spread.items() if any(parts.values())}

    def pay(self, spread: dict[int, dict[str, int]], owed: dict[int, dict[str, int]]) -> None:
        """Book what was paid of what was owed then; a penalty that was met counts anew from here."""
        for row in self.rows:
            if row.number not in spread:
                continue
            parts, penalty = spread[row.number], owed[row.number]["penalty"]
            row.principal_paid += parts["principal"]
            row.interest_paid += parts["interest"]
            row.penalty_paid += parts["penalty"]
            row.penalty_carried = penalty - parts["penalty"]
            if penalty:
                row.days_counted = 0
            for part in PARTS:
                self.paid[part] += parts[part]

    def pay_ahead(self, *, principal: int, interest: int, again: tuple[Instalment, ...]) -> None:
        """Book what was paid before its time: the rows that were left make way for the new ones."""
        self.paid["principal"] += principal
        self.paid["interest"] += interest
        self.rows = [row for row in self.rows if not row.is_open] + [_row_of(row) for row in again]
        for row in self.rows[len(self.rows) - len(again) :]:
            # The order's end may have come late: the days since are counted as well.
            day = row.due_on
            while row.is_open and day < self.today:
                day += DAY
                row.days_late += 1
                row.days_counted += 1

    def interest_run(
        self, *, running: Row, disbursed_on: date, paid_until: date, days_of_year: int
    ) -> Fraction:
        """Add up the interest of the running period, day by day, on all principal not yet due."""
        before = [row.due_on for row in self.rows if row.number < running.number]
        day, run = max(before, default=disbursed_on), Fraction(0)
        while day < min(self.today, running.due_on):
            day += DAY
            if day > paid_until:
                run += self.principal_ahead * self.annual_rate / days_of_year
        return run

    @property
    def principal_ahead(self) -> int:
        return sum(row.left["principal"] for row in self.open_rows if row.due_on > self.today)


def _row_of(row: Instalment) -> Row:
    return Row(
        number=row.number,
        due_on=row.due_on,
        principal=row.principal.fen,
        interest=row.interest.fen,
    )
