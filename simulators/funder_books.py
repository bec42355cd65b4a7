"""The funder's own books: its loans, what was repaid of them, and what each still owes.

A loan's standing is worked out from its contract and its payments, whenever it is asked for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from simulators import funder_standing
from simulators.funder_contracts import Loan
from simulators.funder_recut import RECUTS, REDUCE
from simulators.funder_split import NOTHING, Parts
from simulators.funder_standing import Line, Prospect, Standing

PARTIES = ("whole", "funder", "platform")


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """One order that paid something of a loan, in the order of value date and time."""

    order_no: str
    trade_no: str
    kind: str
    value_on: date
    paid_at: str
    lines: tuple[Line, ...]

    @property
    def place(self) -> tuple[date, str, str]:
        return self.value_on, self.paid_at, self.order_no

    @property
    def amount_fen(self) -> int:
        return sum(line.parts.total for line in self.lines)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """An amount whole and by party."""

    whole: Parts = NOTHING
    funder: Parts = NOTHING

    @property
    def platform(self) -> Parts:
        return self.whole.less(self.funder)

    def plus(self, other: "Shares") -> "Shares":
        return Shares(whole=self.whole.plus(other.whole), funder=self.funder.plus(other.funder))

    def nine(self) -> dict[str, int]:
        """Write the nine amounts of a file."""
        amounts = self.whole.told()
        for party in ("funder", "platform"):
            parts: Parts = getattr(self, party)
            amounts |= {f"{party}_{name}": fen for name, fen in parts.told().items()}
        return amounts

    def told(self) -> dict[str, dict[str, int]]:
        return {party: getattr(self, party).told() for party in PARTIES}


class Account:
    """One loan, and all its payments."""

    def __init__(self, loan: Loan) -> None:
        self.loan = loan
        self._start = funder_standing.at_start(loan.contract)
        self._payments: list[Payment] = []
        self._recuts: dict[str, str] = {}
        self._latest: Standing | None = None

    @property
    def payments(self) -> Sequence[Payment]:
        """All payments taken in, in their order."""
        return self._payments

    def standing(self, before: tuple[date, str, str] | None = None) -> Standing:
        """Say where the loan stands: now, or as a payment of a place in the order finds it."""
        if before is None and self._latest is not None:
            return self._latest
        standing = self._start
        for payment in self._payments:
            if before is not None and payment.place >= before:
                break
            standing = funder_standing.after(
                standing,
                self.loan.contract,
                payment.value_on,
                payment.lines,
                self._recuts.get(payment.order_no, REDUCE),
            )
        if before is None:
            self._latest = standing
        return standing

    def take(self, payment: Payment) -> None:
        """Enter a payment in its place."""
        self._payments.append(payment)
        self._payments.sort(key=lambda one: one.place)
        self._latest = None

    def recut(self, order_no: str, recut: str) -> None:
        """Note how an order cuts the schedule again; where nothing is noted, instalments shrink.

        :raises ValueError: if there is no such way.
        """
        if recut not in RECUTS:
            raise ValueError(f"recut must be one of {', '.join(sorted(RECUTS))}")
        self._recuts[order_no] = recut
        self._latest = None

    def owed(self, as_of: date) -> tuple[Line, ...]:
        return funder_standing.owed(self.standing(), self.loan.contract, as_of)

    def prospect(self, as_of: date) -> Prospect:
        return funder_standing.prospect(self.standing(), self.loan.contract, as_of)

    def prospect_at(self, payment: Payment) -> Prospect:
        """Say what could be paid when a payment came."""
        standing = self.standing(payment.place)
        return funder_standing.prospect(standing, self.loan.contract, payment.value_on)

    def days_past_due(self, as_of: date) -> int:
        """Count from the oldest unpaid instalment; negative before it is due."""
        unpaid = funder_standing.still_open(self.standing())
        return (as_of - unpaid[0].row.due_on).days if unpaid else 0

    def allocated(
        self, as_of: date, amount_fen: int, *, before: tuple[date, str, str] | None = None
    ) -> tuple[Line, ...] | None:
        """Say what an amount pays, found at a place in the order of payments."""
        return funder_standing.allocated(
            self.standing(before), self.loan.contract, as_of, amount_fen
        )

    def shares(self, line: Line) -> Shares:
        """Split a line by the loan's own terms."""
        return Shares(
            whole=line.parts, funder=self.loan.sharing.funders(line.paid_before, line.parts)
        )

    def shares_of(self, lines: Iterable[Line]) -> Shares:
        total = Shares()
        for line in lines:
            total = total.plus(self.shares(line))
        return total

    def outstanding(self) -> Shares:
        """Say what principal is not repaid, due or not."""
        total = Shares()
        for one in self.standing():
            line = Line(
                number=one.row.number,
                due_on=one.row.due_on,
                parts=Parts(principal=one.left.principal),
                paid_before=one.paid,
            )
            total = total.plus(self.shares(line))
        return total

    def told(self, as_of: date) -> dict[str, object]:
        """Tell all the books say of the loan."""
        return {
            "mode": self.loan.mode,
            "owed": self.shares_of(self.owed(as_of)).told(),
            "outstanding": self.outstanding().told(),
            "repaid": self.repaid().told(),
            "days_past_due": max(self.days_past_due(as_of), 0),
            "is_settled": not funder_standing.still_open(self.standing()),
            "unpaid": [
                {
                    "instalment_no": one.row.number,
                    "due_on": one.row.due_on.isoformat(),
                    "principal_fen": one.left.principal,
                    "interest_fen": one.left.interest,
                }
                for one in funder_standing.still_open(self.standing())
            ],
            "orders": [
                {
                    "order_no": payment.order_no,
                    "kind": payment.kind,
                    "value_on": payment.value_on.isoformat(),
                    "paid_at": payment.paid_at,
                    **self.shares_of(payment.lines).told(),
                }
                for payment in self._payments
            ],
        }

    def repaid(self, value_on: date | None = None) -> Shares:
        """Sum up what was repaid, in all or of one value date."""
        lines = [
            line
            for payment in self._payments
            if value_on in (None, payment.value_on)
            for line in payment.lines
        ]
        return self.shares_of(lines)


class Books:
    """All loans of all funders, by loan."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}

    def open(self, loan: Loan) -> bool:
        """Open an account; a loan that has one keeps it."""
        if loan.loan_id in self._accounts:
            return False
        self._accounts[loan.loan_id] = Account(loan)
        return True

    def find(self, loan_id: str) -> Account | None:
        return self._accounts.get(loan_id)

    def of_agreement(self, agreement_no: str) -> Account | None:
        """Find the loan of an agreement, if it is the only one."""
        found = [one for one in self._accounts.values() if one.loan.agreement_no == agreement_no]
        return found[0] if len(found) == 1 else None

    def accounts(self, funder_id: str, mode: str = "") -> Iterator[Account]:
        """List a funder's loans, in the order of their numbers."""
        for _, account in sorted(self._accounts.items()):
            if account.loan.funder_id == funder_id and mode in ("", account.loan.mode):
                yield account

    def told(self, funder_id: str, as_of: date) -> Mapping[str, object]:
        """Tell the whole of a funder's books as of a date: the oracle."""
        accounts = list(self.accounts(funder_id))
        owed, outstanding, repaid = Shares(), Shares(), Shares()
        for account in accounts:
            owed = owed.plus(account.shares_of(account.owed(as_of)))
            outstanding = outstanding.plus(account.outstanding())
            repaid = repaid.plus(account.repaid())
        return {
            "funder_id": funder_id,
            "as_of": as_of.isoformat(),
            "loans": {account.loan.loan_id: account.told(as_of) for account in accounts},
            "owed": owed.told(),
            "outstanding": outstanding.told(),
            "repaid": repaid.told(),
        }
