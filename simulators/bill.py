"""The payment platform's T+1 bill: a line for each successful order and each refund, then the manifest.

Mutations spoil it on request, one order each.  A mutation that names no order hits the line of
its own place in the list of mutations, so the same request always hits the same orders.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta

from simulators.clock import SHANGHAI, rfc3339

FUNDER_ACCOUNT_PREFIX = "funder"
"""Accounts of a split that begin so are a funder's; all others are the platform's."""


class UnknownMutationError(ValueError):
    """No bill can be spoilt in this way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    account: str
    amount_fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Money that was really taken."""

    order_no: str
    trade_no: str
    agreement_no: str
    amount_fen: int
    split: tuple[Share, ...]
    paid_at: datetime

    @property
    def paid_on(self) -> date:
        return self.paid_at.astimezone(SHANGHAI).date()


@dataclass(frozen=True, kw_only=True, slots=True)
class Refund:
    """Money that was given back, under a number of its own."""

    refund_no: str
    trade_no: str
    agreement_no: str
    amount_fen: int
    refunded_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the bill; the fields are its columns, in order."""

    trade_no: str
    order_no: str
    agreement_no: str
    amount_fen: int
    funder_amount_fen: int
    platform_amount_fen: int
    status: str
    paid_at: str


COLUMNS = tuple(field.name for field in fields(Line))


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutation:
    """One way to spoil a bill.

    drop_row, duplicate_row · extra_row (amount_fen of an order nobody sent) · change_amount (by_fen, on the
    platform's share) · change_split (by_fen from platform to funder) · change_status (to `to`) ·
    reverse (the bank took a paid charge back) ·
    shift_day (left to the next day's bill) · wrong_digest, wrong_rows, wrong_sum, no_manifest ·
    truncate (the second half is missing, the manifest is of the whole).
    """

    kind: str
    order_no: str = ""
    by_fen: int = 1
    amount_fen: int = 100_00
    to: str = "FAILED"


OF_LINES = frozenset(
    (
        "drop_row",
        "duplicate_row",
        "change_amount",
        "change_split",
        "change_status",
        "reverse",
        "shift_day",
    )
)
OF_FILE = frozenset(("wrong_digest", "wrong_rows", "wrong_sum", "no_manifest", "truncate"))
MUTATIONS = OF_LINES | OF_FILE | {"extra_row"}


def mutation_of(given: object) -> Mutation:
    """Read a mutation: its kind alone, or an object {kind, order_no?, by_fen?, amount_fen?, to?}.

    >>> mutation_of("drop_row").kind
    'drop_row'

    :raises UnknownMutationError: if it is neither.
    """
    asked = {"kind": given} if isinstance(given, str) else given
    if not isinstance(asked, Mapping):
        raise UnknownMutationError(f"a mutation is a text or an object, not {given!r}")
    try:
        mutation = Mutation(**asked)
    except TypeError as error:
        raise UnknownMutationError(str(error)) from error
    texts = all(isinstance(text, str) for text in (mutation.kind, mutation.order_no, mutation.to))
    numbers = type(mutation.by_fen) is int and type(mutation.amount_fen) is int
    if not texts or not numbers or mutation.kind not in MUTATIONS:
        known = ", ".join(sorted(MUTATIONS))
        raise UnknownMutationError(f"{given!r} is not a mutation; known are {known}")
    return mutation


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """A bill as it is handed out; `manifest` is None where it is withheld.

    `rows` and `amount_fen` say what the file holds before the file itself is spoilt; `hits` say
    which order each mutation hit ("" if there was none to hit).
    """

    body: bytes
    manifest: bytes | None
    rows: int
    amount_fen: int
    hits: tuple[tuple[str, str], ...] = ()


def aimed(mutations: Sequence[Mutation], charges: Sequence[Charge]) -> tuple[Mutation, ...]:
    """Give every mutation of a line the order it hits."""
    return tuple(
        replace(mutation, order_no=charges[place % len(charges)].order_no)
        if mutation.kind in OF_LINES and not mutation.order_no and charges
        else mutation
        for place, mutation in enumerate(mutations)
    )


def make(
    *,
    day: date,
    charges: Sequence[Charge],
    refunds: Sequence[Refund] = (),
    mutations: Sequence[Mutation] = (),
) -> Bill:
    """Write a day's bill; mutations are aimed already.  The same input gives the same bytes.

    A charge of another day stands as paid in the first second of this one: it was shifted here.
    """
    lines = [*(_line(charge, day) for charge in charges), *map(_refund_line, refunds)]
    for place, mutation in enumerate(mutations):
        lines = _spoilt(lines, mutation, day=day, place=place)
    body = _render(lines)
    rows, amount_fen = len(lines), sum(line.amount_fen for line in lines)
    kinds = {mutation.kind for mutation in mutations}
    manifest = {
        "rows": rows + ("wrong_rows" in kinds),
        "amount_fen": amount_fen + ("wrong_sum" in kinds),
        "sha256": hashlib.sha256(body + b"?" * ("wrong_digest" in kinds)).hexdigest(),
    }
    return Bill(
        body=body[: len(body) * 2 // 3] if "truncate" in kinds else body,
        manifest=None if "no_manifest" in kinds else json.dumps(manifest).encode(),
        rows=rows,
        amount_fen=amount_fen,
        hits=tuple(
            (mutation.kind, _extra(mutation, day, place).order_no)
            if mutation.kind == "extra_row"
            else (mutation.kind, mutation.order_no)
            for place, mutation in enumerate(mutations)
        ),
    )


def keys_of(*, day: date, channel: str, version: int) -> tuple[str, str]:
    """Name the bill and its manifest in the exchange bucket.

    >>> keys_of(day=date(2026, 11, 24), channel="main", version=2)[0]
    'in/payment/main/bill/20261124/bill_v2.csv'
    """
    key = f"in/payment/{channel}/bill/{day:%Y%m%d}/bill_v{version}.csv"
    return key, f"{key}.ok"


def _line(charge: Charge, day: date) -> Line:
    funder_fen = sum(
        share.amount_fen
        for share in charge.split
        if share.account.startswith(FUNDER_ACCOUNT_PREFIX)
    )
    paid_at = charge.paid_at if charge.paid_on == day else _first_second(day)
    return Line(
        trade_no=charge.trade_no,
        order_no=charge.order_no,
        agreement_no=charge.agreement_no,
        amount_fen=charge.amount_fen,
        funder_amount_fen=funder_fen,
        platform_amount_fen=charge.amount_fen - funder_fen,
        status="SUCCEEDED",
        paid_at=rfc3339(paid_at),
    )


def _refund_line(refund: Refund) -> Line:
    """Write what went back; no part of it is told to be a funder's."""
    return Line(
        trade_no=refund.trade_no,
        order_no=refund.refund_no,
        agreement_no=refund.agreement_no,
        amount_fen=refund.amount_fen,
        funder_amount_fen=0,
        platform_amount_fen=refund.amount_fen,
        status="REFUNDED",
        paid_at=rfc3339(refund.refunded_at),
    )


def _spoilt(lines: Sequence[Line], mutation: Mutation, *, day: date, place: int) -> list[Line]:
    """Apply one mutation to the lines; those of the file and shift_day are not for here."""
    if mutation.kind == "extra_row":
        return [*lines, _extra(mutation, day, place)]
    spoilt: list[Line] = []
    for line in lines:
        if line.order_no != mutation.order_no:
            spoilt.append(line)
            continue
        match mutation.kind:
            case "drop_row":
                pass
            case "duplicate_row":
                spoilt += [line, line]
            case "change_amount":
                spoilt.append(_moved(line, amount=mutation.by_fen, platform=mutation.by_fen))
            case "change_split":
                spoilt.append(_moved(line, funder=mutation.by_fen, platform=-mutation.by_fen))
            case "change_status":
                spoilt.append(replace(line, status=mutation.to))
            case "reverse":
                spoilt.append(replace(line, status="REVERSED"))
            case _:
                spoilt.append(line)
    return spoilt


def _moved(line: Line, *, amount: int = 0, funder: int = 0, platform: int = 0) -> Line:
    return replace(
        line,
        amount_fen=line.amount_fen + amount,
        funder_amount_fen=line.funder_amount_fen + funder,
        platform_amount_fen=line.platform_amount_fen + platform,
    )


def _extra(mutation: Mutation, day: date, place: int) -> Line:
    """Make up a line; its order number looks like one of round 1."""
    order_no = mutation.order_no or f"{day:%Y%m%d}-1-LN99999{place:05}"
    digest = hashlib.sha256(order_no.encode()).hexdigest()
    return Line(
        trade_no=f"4299{day:%Y%m%d}{int(digest, 16) % 10**14:014}",
        order_no=order_no,
        agreement_no="AG00000000",
        amount_fen=mutation.amount_fen,
        funder_amount_fen=0,
        platform_amount_fen=mutation.amount_fen,
        status="SUCCEEDED",
        paid_at=rfc3339(_first_second(day) + timedelta(hours=9)),
    )


def _first_second(day: date) -> datetime:
    return datetime.combine(day, time(0, 0, 1), SHANGHAI)


def _render(lines: Sequence[Line]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([getattr(line, column) for column in COLUMNS] for line in lines)
    return text.getvalue().encode()
