"""The proof of the funders' loans: three ledgers that were never in one room agree to the fen.

Ours is the journal and the heads; the funder's books come of its own arithmetic; the payment
platform knows what was really taken, and what of it went to whose account.  They are laid beside
each other by party and component, loan by loan and order by order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from chalicelib import wiring
from chalicelib.domain import loan as loans
from chalicelib.domain.deduction import Deduction, Status
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Loan, Mode
from chalicelib.domain.money import NOTHING, Components, Money
from chalicelib.domain.position import unpaid
from chalicelib.domain.split import Split
from infra.local import controls, funders
from infra.local.cloud import Cloud

FUNDER_ACCOUNTS = "funder"
"""Accounts of the simulated platform that begin so are a funder's."""

Parts = Mapping[str, int]
"""Fen by party and component: `funder principal` and so on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """One order that took money, as one side has it; of an assisted loan all is the funder's.

    `charged_fen` is more than the parts where there was a fee: that is the platform's alone, and in
    no funder's books.
    """

    loan_id: str
    amount_fen: int
    charged_fen: int = field(compare=False)
    funder_fen: int
    parts: Parts


def of_day(
    cloud: Cloud, business_date: date, journal: Sequence[Deduction]
) -> dict[str, dict[str, Any]]:
    """Prove a day, funder by funder; those without a loan are left out."""
    paid = [record for record in journal if record.result.status is Status.SUCCEEDED]
    concerned = (*funders.lent(cloud, deducts=False), *funders.lent(cloud, deducts=True))
    return {each.funder_id: _proof(cloud, business_date, each.funder, paid) for each in concerned}


def _proof(
    cloud: Cloud, business_date: date, funder: Funder, paid: Sequence[Deduction]
) -> dict[str, Any]:
    as_of = business_date + timedelta(days=1)
    books = funders.books(cloud, funder.funder_id, as_of)
    split_or_told = [record.loan_id for record in paid if record.mode != Mode.SELF_OPERATED]
    heads = wiring.books().loans.get_many(sorted({*books["loans"], *split_or_told}))
    mine = [
        record
        for record in paid
        if record.loan_id in heads and heads[record.loan_id].funder_id == funder.funder_id
    ]
    here = {_name(record): _taken_here(record) for record in mine}
    there = dict(_taken_there(cloud, funder, books, business_date))
    platform = _taken_at_platform(cloud, funder, business_date, set(books["loans"]), here)
    standing = [
        loan_id
        for loan_id, told in sorted(books["loans"].items())
        if loan_id not in heads or _stands(heads[loan_id], as_of) != _stands_there(told)
    ]
    wrong = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
    unlike = sorted(name for name in {*here, *platform} if _sums(here, name) != platform.get(name))
    return {
        "mode": (Mode.LOAN_ASSISTANCE if funder.deducts else Mode.JOINT_LENDING).value,
        "name": funder.name,
        "loans": len(books["loans"]),
        "ours": _summed(here.values()),
        "books": _summed(there.values()),
        "platform": {
            "count": len(platform),
            "amount_fen": sum(amount for amount, _ in platform.values()),
            "funder_fen": sum(funder_fen for _, funder_fen in platform.values()),
        },
        "orders_differ_from_books": wrong,
        "orders_differ_from_platform": unlike,
        "loans_stand_otherwise": standing,
        "holds": not (wrong or unlike or standing),
    }


# --- the three sides --------------------------------------------------------------------


def _name(record: Deduction) -> str:
    """Name an order as both sides know it: a funder that deducts has numbers of its own."""
    is_told = Mode(record.mode).funder_deducts
    return record.result.trade_no if is_told else record.order_no


def _taken_here(record: Deduction) -> Taken:
    is_told = Mode(record.mode).funder_deducts
    funder = record.components if is_told else record.funder
    return Taken(
        loan_id=record.loan_id,
        amount_fen=record.components.total.fen,
        charged_fen=record.amount.fen,
        funder_fen=funder.total.fen,
        parts=_parts(funder=funder, platform=record.components - funder),
    )


def _taken_there(
    cloud: Cloud, funder: Funder, books: Mapping[str, Any], business_date: date
) -> Iterator[tuple[str, Taken]]:
    trades = {
        order["order_no"]: order["funder_trade_no"]
        for order in (funders.ledger(cloud, funder.funder_id)["deductions"])
    }
    for loan_id, told in books["loans"].items():
        for order in told["orders"]:
            if order["value_on"] != business_date.isoformat():
                continue
            name = trades[order["order_no"]] if funder.deducts else order["order_no"]
            yield (
                name,
                Taken(
                    loan_id=loan_id,
                    amount_fen=sum(order["whole"].values()),
                    charged_fen=sum(order["whole"].values()),
                    funder_fen=sum(order["funder"].values()),
                    parts={
                        f"{party} {part.removesuffix('_fen')}": fen
                        for party in ("funder", "platform")
                        for part, fen in order[party].items()
                    },
                ),
            )


def _taken_at_platform(
    cloud: Cloud,
    funder: Funder,
    business_date: date,
    loan_ids: set[str],
    here: Mapping[str, Taken],
) -> dict[str, tuple[int, int]]:
    """Read what was really charged, and what of it is the funder's, by the order's name.

    What a borrower of an assisted loan wished is charged by the funder's own interface.
    """
    if funder.deducts:
        charges = controls.ask(cloud.payment_url, f"ledger?date={business_date}&merchant=funder")[
            "charges"
        ]
        taken = {charge["trade_no"]: (charge["amount_fen"],) * 2 for charge in charges}
        wishes = {
            order["funder_trade_no"]: (order["amount_fen"],) * 2
            for order in funders.ledger(cloud, funder.funder_id)["deductions"]
            if not order["round"]
            and order["status"] == "SUCCEEDED"
            and order["value_on"] == business_date.isoformat()
        }
        return taken | wishes
    charges = controls.ask(cloud.payment_url, f"ledger?date={business_date}")["charges"]
    return {
        charge["order_no"]: (charge["amount_fen"], _of_funder(charge["split"]))
        for charge in charges
        if charge["order_no"] in here or charge["order_no"].split("-", 2)[2] in loan_ids
    }


def _of_funder(shares: Iterable[Mapping[str, Any]]) -> int:
    return sum(
        share["amount_fen"] for share in shares if share["account"].startswith(FUNDER_ACCOUNTS)
    )


def _sums(here: Mapping[str, Taken], name: str) -> tuple[int, int] | None:
    taken = here.get(name)
    return (taken.charged_fen, taken.funder_fen) if taken else None


# --- where a loan stands ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    """What a loan owes by party and component, and its instalments that are not paid.

    Of each its number, its due date, and its principal and interest in fen: a schedule that was cut
    again otherwise shows here.
    """

    owed: Parts
    unpaid: tuple[tuple[int, str, int, int], ...]


def _stands(loan: Loan, as_of: date) -> Stand:
    books = wiring.books()
    cut = books.schedules.get(loan.loan_id, loan.schedule_version)
    dues = loans.owed(
        loan=loan, schedule=cut.instalments, product=books.products[loan.product], as_of=as_of
    )
    parts = loans.split_of(
        lines=dues.lines,
        loan=loan,
        schedule=cut.instalments,
        shares=loans.shares_of(loan=loan, funders=books.funders),
    ) or Split(funder=dues.components, platform=NOTHING)
    return Stand(
        owed=_parts(funder=parts.funder, platform=parts.platform),
        unpaid=tuple(
            (row.number, row.due_on.isoformat(), left.principal.fen, left.interest.fen)
            for row, left in unpaid(loan.position, cut.instalments)
        ),
    )


def _stands_there(told: Mapping[str, Any]) -> Stand:
    return Stand(
        owed={
            f"{party} {part.removesuffix('_fen')}": fen
            for party in ("funder", "platform")
            for part, fen in told["owed"][party].items()
        },
        unpaid=tuple(
            (one["instalment_no"], one["due_on"], one["principal_fen"], one["interest_fen"])
            for one in told["unpaid"]
        ),
    )


# --- sums -------------------------------------------------------------------------------


def _parts(*, funder: Components, platform: Components) -> Parts:
    return {
        f"{party} {name}": getattr(amounts, name).fen
        for party, amounts in (("funder", funder), ("platform", platform))
        for name in asdict(amounts)
    }


def _summed(taken: Iterable[Taken]) -> dict[str, Any]:
    everything = list(taken)
    names = list(dict.fromkeys(name for each in everything for name in each.parts))
    return {
        "count": len(everything),
        "amount_fen": sum(each.amount_fen for each in everything),
        "funder_fen": sum(each.funder_fen for each in everything),
        "parts": {name: sum(each.parts[name] for each in everything) for name in names},
    }


# --- as text ----------------------------------------------------------------------------


def as_lines(funder_id: str, found: Mapping[str, Any]) -> Iterator[str]:
    """Write one funder's proof: a row for each party's component, a column for each ledger."""
    ours, books, platform = found["ours"], found["books"], found["platform"]
    yield f"Proof of {funder_id} {found['name']}, {found['mode']}, {found['loans']} loans"
    yield f"  {'':<22}{'our journal':>18}{'its own books':>18}{'payment platform':>18}"
    counts = (f"{each['count']} 笔" for each in (ours, books, platform))
    yield f"  {'orders':<22}" + "".join(f"{count:>17}" for count in counts)
    for name in dict.fromkeys((*ours["parts"], *books["parts"])):
        fens = [each["parts"].get(name, 0) for each in (ours, books)]
        if any(fens):
            yield f"  {name:<22}" + "".join(f"{Money(fen)!s:>18}" for fen in fens)
    for name, key in (("the funder's part", "funder_fen"), ("the whole", "amount_fen")):
        yield f"  {name:<22}" + "".join(
            f"{Money(each[key])!s:>18}" for each in (ours, books, platform)
        )
    for name in (
        "orders_differ_from_books",
        "orders_differ_from_platform",
        "loans_stand_otherwise",
    ):
        named = " ".join(found[name][:5])
        yield f"  {name.replace('_', ' '):<28}{len(found[name]):>4} 笔  {named}".rstrip()
