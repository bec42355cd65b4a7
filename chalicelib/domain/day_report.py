"""The report of a closed day: what became of it, by whom and for what, and what proves it.

A report is frozen: a day that is opened and closed again gets another version, and the old one
stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from chalicelib.domain.correction import CorrectionKind
from chalicelib.domain.deduction import Deduction, Skip, Status
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, total
from chalicelib.domain.money_event import EventKind, UntiedError
from chalicelib.domain.run import NONE, Facts, Tally

FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Place:
    """What a day is sorted by."""

    mode: str
    channel: str
    funder_id: str
    product: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What became of the day in one place, in orders and fen.

    `paid`, `fee` and `funder` say what the money of the orders that succeeded was; corrections are
    those approved that day, of whatever day they are.
    """

    due: Tally = NONE
    succeeded: Tally = NONE
    failed: Tally = NONE
    unknown: Tally = NONE
    skipped: Tally = NONE
    paid: Components = NOTHING
    fee: Money = ZERO
    funder: Money = ZERO
    late_success: Tally = NONE
    reversal: Tally = NONE
    refund: Tally = NONE

    def __add__(self, other: "Figures") -> "Figures":
        if not isinstance(other, Figures):
            return NotImplemented
        return Figures(
            due=self.due + other.due,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            unknown=self.unknown + other.unknown,
            skipped=self.skipped + other.skipped,
            paid=self.paid + other.paid,
            fee=self.fee + other.fee,
            funder=self.funder + other.funder,
            late_success=self.late_success + other.late_success,
            reversal=self.reversal + other.reversal,
            refund=self.refund + other.refund,
        )

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """Name what is counted."""
        return {
            "due": self.due,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "unknown": self.unknown,
            "skipped": self.skipped,
            "late_success": self.late_success,
            "reversal": self.reversal,
            "refund": self.refund,
        }

    @property
    def amounts(self) -> Mapping[str, Money]:
        """Name what the money of the successes was."""
        return {
            "principal": self.paid.principal,
            "interest": self.paid.interest,
            "penalty": self.paid.penalty,
            "fee": self.fee,
            "funder": self.funder,
        }


NO_FIGURES = Figures()


def figures_of(record: Deduction | Skip) -> Figures:
    """Count one record of the journal; of an assisted loan all of the money is the funder's.

    :raises UntiedError: if its parts are not its amount.
    """
    if isinstance(record, Skip):
        return Figures(skipped=Tally(count=1, amount=record.listed))
    taken = Tally(count=1, amount=record.amount)
    if record.result.status is Status.FAILED:
        return Figures(failed=taken)
    if record.components.total + record.fee != record.amount:
        raise UntiedError(f"{record.order_no}: {record.amount} is not the sum of its parts")
    return Figures(
        succeeded=taken, paid=record.components, fee=record.fee, funder=record.funder.total
    )


def figures_of_correction(kind: CorrectionKind, amount: Money) -> Figures:
    """Count one correction."""
    made = Tally(count=1, amount=amount)
    match kind:
        case CorrectionKind.LATE_SUCCESS:
            return Figures(late_success=made)
        case CorrectionKind.REVERSAL:
            return Figures(reversal=made)
        case CorrectionKind.REFUND:
            return Figures(refund=made)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Differences:
    """Discrepancies of one channel, kind and state; the sums are of the sides that are known.

    `apart` is what is in question: what the sides differ in, or all of it where both name the same.
    """

    channel: str
    kind: str
    state: str
    count: int
    here: Money
    there: Money
    apart: Money


def differences(standing: Iterable[Discrepancy]) -> tuple[Differences, ...]:
    """Count discrepancies by channel, kind and state."""
    groups: dict[tuple[str, str, str], list[Discrepancy]] = {}
    for each in standing:
        groups.setdefault((each.channel, each.kind.value, each.state.value), []).append(each)
    return tuple(
        Differences(
            channel=channel,
            kind=kind,
            state=state,
            count=len(group),
            here=total(each.here or ZERO for each in group),
            there=total(each.there or ZERO for each in group),
            apart=total(map(_apart, group)),
        )
        for (channel, kind, state), group in sorted(groups.items())
    )


def _apart(each: Discrepancy) -> Money:
    here, there = each.here or ZERO, each.there or ZERO
    return there if here == there else max(here, there) - min(here, there)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Evidence:
    """A file that the day rests on."""

    key: str
    sha256: str


def evidence_of(facts: object) -> Iterator[Evidence]:
    """Find every file that plain facts name, with its digest.

    >>> list(evidence_of({"bill": {"key": "in/bill.csv", "sha256": "ab", "rows": 3}}))
    [Evidence(key='in/bill.csv', sha256='ab')]
    """
    if not isinstance(facts, Mapping):
        return
    key, sha256 = facts.get("key"), facts.get("sha256")
    if key and sha256:
        yield Evidence(key=key, sha256=sha256)
    for fact in facts.values():
        yield from evidence_of(fact)


@dataclass(frozen=True, kw_only=True, slots=True)
class DayReport:
    """All that is told of a closed day; `vouchers` are the day's sums by account and event."""

    business_date: date
    version: int
    places: Mapping[Place, Figures]
    differences: tuple[Differences, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    vouchers: Facts = field(default_factory=dict)

    @property
    def grand(self) -> Figures:
        """The whole day."""
        return sum(self.places.values(), NO_FIGURES)

    @property
    def remainder(self) -> Tally:
        """What two people have written off, so that the day could close."""
        return Tally(
            count=sum(each.count for each in self._written_off),
            amount=total(each.apart for each in self._written_off),
        )

    @property
    def _written_off(self) -> tuple[Differences, ...]:
        return tuple(
            each for each in self.differences if each.state == DiscrepancyState.WRITTEN_OFF
        )

    def as_facts(self) -> dict[str, Any]:
        """Write the report as plain data."""
        return {
            "format": FORMAT,
            "business_date": self.business_date.isoformat(),
            "version": self.version,
            "total": _facts(self.grand),
            "places": [
                {
                    "mode": place.mode,
                    "channel": place.channel,
                    "funder_id": place.funder_id,
                    "product": place.product,
                    **_facts(figures),
                }
                for place, figures in sorted(self.places.items())
            ],
            "discrepancies": [
                {
                    "channel": each.channel,
                    "kind": each.kind,
                    "state": each.state,
                    "count": each.count,
                    "here_fen": each.here.fen,
                    "there_fen": each.there.fen,
                    "apart_fen": each.apart.fen,
                }
                for each in self.differences
            ],
            "remainder": {"count": self.remainder.count, "amount_fen": self.remainder.amount.fen},
            "vouchers": dict(self.vouchers),
            "files": [{"key": each.key, "sha256": each.sha256} for each in self.evidence],
        }


def _facts(figures: Figures) -> dict[str, Any]:
    return {
        **{
            name: {"count": tally.count, "amount_fen": tally.amount.fen}
            for name, tally in figures.tallies.items()
        },
        **{f"{name}_fen": amount.fen for name, amount in figures.amounts.items()},
    }


# --- what must tie ----------------------------------------------------------------------


def check(what: str, ours: Tally, theirs: Tally) -> None:
    """Hold one sum against another that must be the same.

    :raises UntiedError: if it is not.
    """
    if ours != theirs:
        raise UntiedError(
            f"{what}: {ours.count} orders of {ours.amount} here, {theirs.count} of {theirs.amount}"
        )


def check_vouchers(grand: Figures, events: Mapping[EventKind, Tally]) -> None:
    """Hold the day's money against its vouchers, kind by kind.

    :raises UntiedError: if they differ.
    """
    for kind, tally in (
        (EventKind.REPAYMENT, grand.succeeded),
        (EventKind.LATE_SUCCESS, grand.late_success),
        (EventKind.REVERSAL, grand.reversal),
        (EventKind.REFUND, grand.refund),
    ):
        check(f"vouchers of {kind}", tally, events.get(kind, NONE))


def tally_of(facts: Facts) -> Tally:
    """Read a tally from plain facts.

    >>> tally_of({"count": 2, "amount_fen": 5})
    Tally(count=2, amount=Money(fen=5))
    """
    return Tally(count=facts["count"], amount=Money(facts["amount_fen"]))
