"""The account of a reconciliation: control totals of both sides, and what does not agree.

Of what agrees only counts and sums are kept, so that it does not matter how much that is.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from chalicelib.domain.money import Money, total
from chalicelib.domain.reconciliation import (
    BUCKETS,
    MOVED,
    BillRow,
    Kind,
    LocalOrder,
    Match,
    OrderState,
    match,
    values_of,
)
from chalicelib.domain.run import NONE, Tally, tally_of

RULES: Mapping[str, str] = {
    "bill": "post_what_the_bill_shows_paid",
    "bill_absence": "close_what_the_bill_does_not_show",
}
"""What settles an unknown order by the bill, by what its record says of it (`settled_by`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """All orders of one side, counted: with what was ordered by state, and those a rule settled."""

    by_state: Mapping[OrderState, Tally] = field(
        default_factory=lambda: dict.fromkeys(OrderState, NONE)
    )
    settled: Mapping[str, int] = field(default_factory=dict)

    @property
    def moved(self) -> Tally:
        """How many there are, and what has moved."""
        return Tally(
            count=sum(tally.count for tally in self.by_state.values()),
            amount=total(self.by_state.get(state, NONE).amount for state in sorted(MOVED)),
        )

    def __add__(self, other: "Orders") -> "Orders":
        return Orders(
            by_state={
                state: self.by_state.get(state, NONE) + other.by_state.get(state, NONE)
                for state in OrderState
            },
            settled=Counter(self.settled) + Counter(other.settled),
        )

    def __sub__(self, other: "Orders") -> "Orders":
        return Orders(
            by_state={
                state: self.by_state.get(state, NONE) - other.by_state.get(state, NONE)
                for state in OrderState
            },
            settled=Counter(self.settled) - Counter(other.settled),
        )


def counted(orders: Iterable[LocalOrder]) -> Orders:
    """Count orders."""
    amounts: dict[OrderState, list[Money]] = {state: [] for state in OrderState}
    settled: Counter[str] = Counter()
    for order in orders:
        amounts[order.state].append(order.amount)
        if order.settled_by in RULES:
            settled[order.settled_by] += 1
    tallies = {state: tally_of(some) for state, some in amounts.items()}
    return Orders(by_state=tallies, settled=settled)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What a comparison has come to: how much agrees, what does not, and our orders as read.

    The same findings stand in the same order, whatever order the two sides came in.
    `agreed_there` and `agreed_here` are rows and orders that are no findings; `orders` counts all
    orders, agreed or not, so that both ways to the sum can be held against each other.
    """

    agreed_there: Tally = NONE
    agreed_here: Tally = NONE
    findings: tuple[Match, ...] = ()
    orders: Orders = field(default_factory=Orders)

    @property
    def there(self) -> Mapping[Kind, Tally]:
        """The bill's rows by bucket."""
        rows = [(found.kind, found.row.amount) for found in self.findings if found.row]
        return _by_kind(self.agreed_there, rows)

    @property
    def here(self) -> Mapping[Kind, Tally]:
        """Our orders by bucket, with what has moved."""
        orders = [(found.kind, found.order.moved) for found in self.findings if found.order]
        return _by_kind(self.agreed_here, orders)

    def with_findings(self, found: Iterable[Match]) -> "Account":
        """Take up more of them: what agrees is counted, all else is kept."""
        found = tuple(found)
        agreed = [each for each in found if each.kind is Kind.MATCHED]
        differing = [each for each in found if each.kind is not Kind.MATCHED]
        return replace(
            self,
            agreed_there=self.agreed_there
            + tally_of(each.row.amount for each in agreed if each.row),
            agreed_here=self.agreed_here
            + tally_of(each.order.moved for each in agreed if each.order),
            findings=tuple(sorted((*self.findings, *differing), key=_place)),
        )

    def judged_again(
        self,
        *,
        orders: Iterable[LocalOrder],
        business_date: date,
        billed_elsewhere: Collection[str] = (),
    ) -> "Account":
        """Judge some findings' orders anew, as they are by now; all else stays as it was found."""
        now = {order.order_no: order for order in orders}
        again = [found for found in self.findings if found.order_no in now]
        before = [found.order for found in again if found.order]
        kept = replace(
            self,
            findings=tuple(found for found in self.findings if found.order_no not in now),
            orders=self.orders - counted(before) + counted(now.values()),
        )
        return kept.with_findings(
            match(
                rows=[found.row for found in again if found.row],
                orders=now.values(),
                business_date=business_date,
                billed_elsewhere=billed_elsewhere,
            )
        )

    def as_facts(self) -> Mapping[str, Any]:
        """Write every bucket as plain data; `here_fen` is what has moved by our books."""
        there, here = self.there, self.here
        return {
            kind.value: {
                "rows": there.get(kind, NONE).count,
                "there_fen": there.get(kind, NONE).amount.fen,
                "orders": here.get(kind, NONE).count,
                "here_fen": here.get(kind, NONE).amount.fen,
            }
            for kind in BUCKETS
        }


def _by_kind(agreed: Tally, amounts: Iterable[tuple[Kind, Money]]) -> Mapping[Kind, Tally]:
    by_kind: dict[Kind, list[Money]] = {Kind.MATCHED: []}
    for kind, amount in amounts:
        by_kind.setdefault(kind, []).append(amount)
    tallies = {kind: tally_of(some) for kind, some in by_kind.items()}
    return tallies | {Kind.MATCHED: tallies[Kind.MATCHED] + agreed}


def _place(found: Match) -> tuple[object, ...]:
    return found.order_no, found.kind.value, found.note, values_of(found.row)


def account_of(
    *,
    rows: Iterable[BillRow],
    orders: Iterable[LocalOrder],
    business_date: date,
    billed_elsewhere: Collection[str] = (),
) -> Account:
    """Compare two sides row by row: what every faster way to the same account is held against."""
    ours = tuple(orders)
    return Account(orders=counted(ours)).with_findings(
        match(
            rows=rows, orders=ours, business_date=business_date, billed_elsewhere=billed_elsewhere
        )
    )


def by_state(orders: Orders) -> Mapping[str, Any]:
    """Tell our orders by what became of them, with what was ordered."""
    tallies = {state: orders.by_state.get(state, NONE) for state in OrderState}
    return {
        state.lower(): {"count": tally.count, "amount_fen": tally.amount.fen}
        for state, tally in tallies.items()
    }


def by_rule(orders: Orders) -> Mapping[str, int]:
    """Count the orders that a rule has settled by the bill."""
    return {rule: orders.settled.get(settled_by, 0) for settled_by, rule in RULES.items()}
