"""Vouchers: each money event of a day in double entry, by a table of rules.

A rule says of a kind of event, a mode and a component which account is debited and which is
credited, so a voucher balances by construction; it is checked all the same, and so is the day.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

from chalicelib.domain.loan import Mode
from chalicelib.domain.money import ZERO, Money, total
from chalicelib.domain.money_event import Amounts, Component, EventKind, MoneyEvent, UntiedError
from chalicelib.domain.run import NONE, Facts, Tally

CURRENCY = "CNY"
ANY_MODE = ""

RULED_AS: Mapping[EventKind, EventKind] = {
    EventKind.LATE_SUCCESS: EventKind.REPAYMENT,
    EventKind.REVERSAL: EventKind.REPAYMENT,
}
"""Kinds without rules of their own: so nothing is left on any account by what is taken back."""

MIRRORED = frozenset({EventKind.REVERSAL})

SUMMARIES: Mapping[EventKind, str] = {
    EventKind.REPAYMENT: "收到还款",
    EventKind.LATE_SUCCESS: "补记还款",
    EventKind.REVERSAL: "冲回还款",
    EventKind.SUSPENSE: "暂收款入账",
    EventKind.REFUND: "暂收款退回",
    EventKind.SHORTAGE: "短款核销",
    EventKind.CLAIM_PAID: "收到代偿理赔款",
    EventKind.WRITE_OFF: "贷款核销",
    EventKind.RECOVERY: "收回已核销贷款",
}

_LOAN = (Component.PRINCIPAL, Component.INTEREST, Component.PENALTY)
_FUNDERS = (Component.FUNDER_PRINCIPAL, Component.FUNDER_INTEREST, Component.FUNDER_PENALTY)


def cases() -> Iterator[tuple[EventKind, str, Component]]:
    """Name every kind, mode and component that a chart must have a rule for."""
    for mode in Mode:
        shared = _FUNDERS if mode is Mode.JOINT_LENDING else ()
        for component in (*_LOAN, *shared, Component.FEE):
            yield EventKind.REPAYMENT, mode, component
    for mode in (Mode.SELF_OPERATED, Mode.JOINT_LENDING):
        for component in _LOAN:
            yield EventKind.CLAIM_PAID, mode, component
            yield EventKind.RECOVERY, mode, component
            # Penalty is on no book before it is paid: there is nothing to write off.
            if component is not Component.PENALTY:
                yield EventKind.WRITE_OFF, mode, component
    for kind in (EventKind.SUSPENSE, EventKind.REFUND, EventKind.SHORTAGE):
        yield kind, ANY_MODE, Component.UNBOOKED


class Side(StrEnum):
    """The two sides of an account."""

    DEBIT = "debit"
    CREDIT = "credit"


class IllegalChartError(ValueError):
    """The chart of accounts contradicts itself, or has no rule for something that happens."""


class UnruledEventError(ValueError):
    """Nobody has said how this is booked."""


class UnbalancedVoucherError(ValueError):
    """Debit and credit of a voucher are not the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """An account; `side` is where it grows, `off_balance` money that is never ours."""

    code: str
    name: str
    english: str
    side: Side
    off_balance: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How one component of an event is booked; without modes it is for all of them."""

    event: EventKind
    component: Component
    debit: str
    credit: str
    modes: tuple[Mode, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The accounts, and the table of rules."""

    accounts: tuple[Account, ...]
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        """Check the table.

        :raises IllegalChartError: if an account or a case stands twice, or a case is missing; if an
            account is not there; if a rule moves money on or off the balance sheet, or nowhere.
        """
        if len(self.by_code) != len(self.accounts):
            raise IllegalChartError("an account stands twice")
        for rule in self.rules:
            if strange := {rule.debit, rule.credit} - self.by_code.keys():
                raise IllegalChartError(f"no account {', '.join(sorted(strange))}")
            if rule.debit == rule.credit:
                raise IllegalChartError(f"{rule.event} {rule.component} moves nothing")
            if self.by_code[rule.debit].off_balance != self.by_code[rule.credit].off_balance:
                raise IllegalChartError(f"{rule.event} {rule.component} leaves the balance sheet")
        if len(self._by_case) != sum(max(len(rule.modes), 1) for rule in self.rules):
            raise IllegalChartError("a case stands twice")
        for kind, mode, component in cases():
            self.accounts_of(kind, mode, component)

    def accounts_of(
        self, kind: EventKind, mode: str, component: Component
    ) -> tuple[Account, Account]:
        """Give the account that is debited, and the one that is credited.

        :raises UnruledEventError: if there is no rule for it.
        """
        ruled = RULED_AS.get(kind, kind)
        try:
            rule = (
                self._by_case.get((ruled, mode, component))
                or self._by_case[ruled, ANY_MODE, component]
            )
        except KeyError as error:
            raise UnruledEventError(f"{kind} {mode} {component}".replace("  ", " ")) from error
        debit, credit = self.by_code[rule.debit], self.by_code[rule.credit]
        return (credit, debit) if kind in MIRRORED else (debit, credit)

    @cached_property
    def by_code(self) -> Mapping[str, Account]:
        return {account.code: account for account in self.accounts}

    @cached_property
    def _by_case(self) -> Mapping[tuple[EventKind, str, Component], Rule]:
        return {
            (rule.event, mode, rule.component): rule
            for rule in self.rules
            for mode in rule.modes or (ANY_MODE,)
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One side of one account in a voucher."""

    account: Account
    side: Side
    amount: Money


@dataclass(frozen=True, kw_only=True, slots=True)
class VoucherLine:
    """One entry with all that is told of its event, as it stands in the file."""

    voucher_no: str
    business_date: date
    event: str
    order_no: str
    loan_id: str
    mode: str
    funder_id: str
    product: str
    account_code: str
    account_name: str
    side: Side
    amount: Money
    currency: str
    summary: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Voucher:
    """One event in double entry: what is debited first, then what is credited."""

    voucher_no: str
    event: MoneyEvent
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        if self.total(Side.DEBIT) != self.total(Side.CREDIT):
            raise UnbalancedVoucherError(self.voucher_no)

    def total(self, side: Side) -> Money:
        return total(entry.amount for entry in self.entries if entry.side is side)

    @property
    def lines(self) -> Iterator[VoucherLine]:
        event = self.event
        for entry in self.entries:
            yield VoucherLine(
                voucher_no=self.voucher_no,
                business_date=event.business_date,
                event=event.kind.value,
                order_no=event.order_no,
                loan_id=event.loan_id,
                mode=event.mode,
                funder_id=event.funder_id,
                product=event.product,
                account_code=entry.account.code,
                account_name=entry.account.name,
                side=entry.side,
                amount=entry.amount,
                currency=CURRENCY,
                summary=f"{SUMMARIES[event.kind]} {event.source_no}",
            )


def voucher_no_of(business_date: date, number: int) -> str:
    """Name a voucher: without gaps within its day, so that a missing one is seen.

    >>> voucher_no_of(date(2026, 11, 24), 7)
    '20261124-000007'
    """
    return f"{business_date:%Y%m%d}-{number:06}"


def vouch(*, event: MoneyEvent, voucher_no: str, chart: Chart) -> Voucher:
    """Book an event: one entry for each side of each account it touches.

    :raises UnruledEventError: if there is no rule for a component of it.
    """
    entries = _sides(kind=event.kind, mode=event.mode, amounts=event.amounts, chart=chart)
    return Voucher(
        voucher_no=voucher_no,
        event=event,
        entries=tuple(
            Entry(account=chart.by_code[code], side=side, amount=amount)
            for side in Side
            for (code, where), amount in entries.items()
            if where is side
        ),
    )


def _sides(
    *, kind: EventKind, mode: str, amounts: Amounts, chart: Chart
) -> Mapping[tuple[str, Side], Money]:
    """Add up what goes to each side of each account, by its code."""
    sides: dict[tuple[str, Side], Money] = {}
    for component, amount in amounts.items():
        for account, side in zip(chart.accounts_of(kind, mode, component), Side, strict=True):
            where = (account.code, side)
            sides[where] = sides.get(where, ZERO) + amount
    return sides


# --- the day ----------------------------------------------------------------------------


@dataclass(kw_only=True, slots=True)
class VoucherBook:
    """A day's vouchers as they are made, one after the other: it numbers them and adds them up.

    It keeps two sums of the day that must come to the same: of the entries, account by account, and
    of the events, component by component.
    """

    business_date: date
    chart: Chart
    lines: int = 0
    events: dict[EventKind, Tally] = field(default_factory=dict)
    sides: dict[tuple[str, Side], Money] = field(default_factory=dict)
    amounts: dict[tuple[EventKind, str], dict[Component, Money]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, event: MoneyEvent) -> Voucher:
        """Book the next event.

        :raises ValueError: if it is of another day.
        """
        if event.business_date != self.business_date:
            raise ValueError(f"{event.source_no} is not of {self.business_date}")
        so_far = self.events.get(event.kind, NONE)
        self.events[event.kind] = so_far + Tally(count=1, amount=event.total)
        voucher_no = voucher_no_of(self.business_date, self.count)
        voucher = vouch(event=event, voucher_no=voucher_no, chart=self.chart)
        for entry in voucher.entries:
            where = (entry.account.code, entry.side)
            self.sides[where] = self.sides.get(where, ZERO) + entry.amount
        self.lines += len(voucher.entries)
        sums = self.amounts[event.kind, event.mode]
        for component, amount in event.amounts.items():
            sums[component] = sums.get(component, ZERO) + amount
        return voucher

    @property
    def count(self) -> int:
        return sum(tally.count for tally in self.events.values())

    def total(self, side: Side) -> Money:
        """Add up one side of all accounts."""
        return total(amount for (_, where), amount in self.sides.items() if where is side)

    def prove(self) -> None:
        """Hold the accounts against the events, and debit against credit.

        :raises UntiedError: if they are not the same.
        """
        expected: dict[tuple[str, Side], Money] = {}
        for (kind, mode), amounts in self.amounts.items():
            sums = _sides(kind=kind, mode=mode, amounts=amounts, chart=self.chart)
            for where, amount in sums.items():
                expected[where] = expected.get(where, ZERO) + amount
        if wrong := sorted(
            f"{code} {side}"
            for code, side in expected.keys() | self.sides.keys()
            if expected.get((code, side)) != self.sides.get((code, side))
        ):
            raise UntiedError(f"vouchers and events differ on {', '.join(wrong)}")
        if self.total(Side.DEBIT) != self.total(Side.CREDIT):
            raise UntiedError("the day's debit is not its credit")

    def as_facts(self) -> Facts:
        """Write the day as plain data: its events by kind, its accounts by code."""
        return {
            "vouchers": self.count,
            "lines": self.lines,
            "debit_fen": self.total(Side.DEBIT).fen,
            "credit_fen": self.total(Side.CREDIT).fen,
            "events": {
                kind.value: {"count": tally.count, "amount_fen": tally.amount.fen}
                for kind, tally in sorted(self.events.items())
            },
            "accounts": {
                code: {
                    "name": self.chart.by_code[code].name,
                    **{f"{side}_fen": self.sides.get((code, side), ZERO).fen for side in Side},
                }
                for code in sorted({code for code, _ in self.sides})
            },
        }
