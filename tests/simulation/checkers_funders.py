"""What must hold between funders and us, from all books there are: ours, theirs, the platforms'.

Each checker yields sentences that begin with the invariant's number.  Nothing here is of interest
on a day without funders.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from simulators import funder_dialects
from simulators.funder_books import Payment
from simulators.funder_contracts import AGREEMENTS
from tests.simulation.checkers import Books, Checker
from tests.simulation.funders import TOLERANCE_BPS, FunderSide
from tests.simulation.rows import Item, fen, loan_id_of, text
from tests.simulation.world import BUCKET

PARTIES = ("whole", "funder", "platform")
NAMES = ("principal_fen", "interest_fen", "penalty_fen")
GO_ON = frozenset(("F2",))
"""Whose dues go out though no due file has come: chalicelib/funders.json says so."""

SLACK = timedelta(minutes=10)
"""Who refuses a file may have begun before the round did."""

FUNDERS_SKIPS = frozenset(("funder_differs", "funder_file_held", "funder_file_missing"))


class Line(NamedTuple):
    """What is paid of an instalment: whole, and of a joint loan the funder's part."""

    number: int
    whole: tuple[int, int, int]
    funder: tuple[int, int, int] = (0, 0, 0)


@dataclass
class Both:
    """The books of a day, and what funders have to do with it."""

    books: Books
    side: FunderSide

    @cached_property
    def funder_of(self) -> Mapping[str, str]:
        loans = self.books.day.book.loans.values()
        return {each.loan_id: each.funder_id for each in loans if each.funder_id}

    @cached_property
    def joint(self) -> frozenset[str]:
        return frozenset(self.funder_of) - self.books.assisted

    @cached_property
    def paid_joint(self) -> Mapping[str, Item]:
        return {
            order_no: row
            for order_no, row in self.books.paid.items()
            if text(row["loan_id"]) in self.joint and self.is_of_the_plan(order_no)
        }

    def is_of_the_plan(self, order_no: str) -> bool:
        """Whether an order is of a day that is played to its end; a sweep may begin the next."""
        return any(order_no.startswith(f"{on:%Y%m%d}") for on in self.books.day.plan.dates)

    @cached_property
    def theirs(self) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """What the funders' books hold of joint loans, by order: the loan, and who got what."""
        told: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for funder_id in self.side.joint:
            books: Any = self.side.funder.books(funder_id=funder_id)
            for loan_id, account in books["loans"].items():
                told |= {
                    each["order_no"]: (loan_id, each)
                    for each in account["orders"]
                    if self.is_of_the_plan(each["order_no"])
                }
        return told

    def charges_of(self, order_no: str) -> Any:
        return self.books.charges.get(order_no)

    def opened(self, loan_id: str) -> bool:
        """Whether a person is asked about a loan."""
        return any(
            text(row["state"]) == "open" and loan_id in f"{text(row['order_no'])}{row.get('facts')}"
            for row in self.books.discrepancies
        )

    def file(self, kind: str, funder_id: str, key: str) -> list[dict[str, str]]:
        """Read a file in the bucket as the funder writes and reads it; it must be whole."""
        s3 = self.books.day.world.s3
        body = s3.get(BUCKET, key) or b""
        dialect = AGREEMENTS[funder_id].dialect(kind)
        return funder_dialects.read(kind, body, s3.get(BUCKET, f"{key}.ok"), dialect)

    def keys(self, folder: str) -> list[str]:
        """List the files of a folder, the oldest version first; manifests are left out."""
        found = [each for each in self.books.day.world.s3.keys(BUCKET, folder) if ".ok" not in each]
        return sorted(found, key=_version)

    def run(self, on: date, job: str) -> Mapping[str, Any]:
        """Read a run's totals; with nothing there is nothing in them."""
        row = self.books.runs.get((on.isoformat(), job))
        return json.loads(text(row.get("totals")) or "{}") if row else {}


def _of(books: Books) -> Both | None:
    side = books.day.funders
    return Both(books=books, side=side) if side else None


def _moment(value: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(text(value))


def _version(key: str) -> int:
    return int(key.rpartition("_v")[2].removesuffix(".csv"))


def _lines(row: Item) -> list[Line]:
    """Read what a record has paid, line by line."""
    lines = []
    for told in filter(None, text(row.get("lines")).split(";")):
        number, _due, *amounts = told.split(",")
        whole, funder = map(int, amounts[:3]), map(int, amounts[3:])
        lines.append(Line(int(number), tuple(whole), tuple(funder) or (0, 0, 0)))  # type: ignore[arg-type]
    return lines


def _sum(parts: Iterable[tuple[int, int, int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*parts, strict=True))) or (0, 0, 0)


# --- joint lending ------------------------------------------------------------------------------


def splits_add_up(books: Books) -> Iterator[str]:
    """I4: what was split is what was charged, and each party has what the record gives it."""
    both = _of(books)
    for order_no, row in both.paid_joint.items() if both else ():
        funder_id = both.funder_of[text(row["loan_id"])]
        lines = _lines(row)
        funder = sum(sum(line.funder) for line in lines)
        amount, fee = fen(row["amount"]), fen(row.get("fee"))
        if sum(sum(line.whole) for line in lines) + fee != amount:
            yield f"I4 {order_no}: its lines and its fee do not add up to {amount}"
        if any(
            part < 0 or part > all_
            for line in lines
            for part, all_ in zip(line.funder, line.whole, strict=True)
        ):
            yield f"I4 {order_no}: the funder's part is none of the whole: {lines}"
        charge = both.charges_of(order_no)
        if charge is None:
            continue
        shares = {share.account: share.amount_fen for share in charge.split}
        wanted = {f"funder-{funder_id}": funder, "platform": amount - funder}
        if shares != {account: part for account, part in wanted.items() if part}:
            yield f"I4 {order_no}: split as {shares}, recorded as {wanted}"


def funders_have_what_we_say(books: Books) -> Iterator[str]:
    """I4, I6: per loan, party and component the funder's books are the journal."""
    both = _of(books)
    if both is None:
        return
    for order_no, row in both.paid_joint.items():
        held = both.theirs.get(order_no)
        loan_id = text(row["loan_id"])
        if held is None:
            if not both.opened(loan_id):
                yield f"I6 {order_no}: paid, and not in the books of {both.funder_of[loan_id]}"
            continue
        lines = _lines(row)
        whole, funder = _sum(line.whole for line in lines), _sum(line.funder for line in lines)
        parts = whole, funder, tuple(a - b for a, b in zip(whole, funder, strict=True))
        for party, ours in zip(PARTIES, parts, strict=True):
            there = tuple(held[1][party][name] for name in NAMES)
            if there != ours:
                yield f"I4 {order_no}: {party} {ours} here, {there} there"
    for order_no, (loan_id, _) in both.theirs.items():
        if order_no not in both.paid_joint:
            yield f"I6 {order_no} of {loan_id}: in the funder's books, and not in ours"


def each_success_is_told_once(books: Books) -> Iterator[str]:
    """I6: every paid order of a joint loan stands in exactly one version of the repayment files."""
    both = _of(books)
    if both is None:
        return
    told: Counter[str] = Counter()
    lines: dict[str, list[dict[str, str]]] = defaultdict(list)
    for funder_id in both.side.joint:
        for on in books.day.plan.dates:
            folder = f"out/funders/{funder_id}/repayments/{on:%Y%m%d}/"
            for key in both.keys(folder):
                rows = both.file("repayments", funder_id, key)
                told.update({row["order_no"] for row in rows})
                for row in rows:
                    lines[row["order_no"]].append(row)
    for order_no, row in both.paid_joint.items():
        if told[order_no] != 1:
            yield f"I6 {order_no}: paid, and told {told[order_no]} times"
            continue
        there = sorted(
            (int(each["instalment_no"]), int(each["principal_fen"])) for each in lines[order_no]
        )
        if there != sorted((line.number, line.whole[0]) for line in _lines(row)):
            yield f"I6 {order_no}: told as {there}"
    for order_no in told.keys() - both.paid_joint.keys():
        yield f"I6 {order_no}: told, and not paid"


def a_closed_day_is_confirmed(books: Books) -> Iterator[str]:
    """I10: of a closed day each funder has agreed to each order of our latest file."""
    both = _of(books)
    for on in books.day.plan.dates if both else ():
        if not books.day.is_closed(on):
            continue
        for funder_id in both.side.joint:
            paid = {
                order_no
                for order_no, row in both.paid_joint.items()
                if order_no.startswith(f"{on:%Y%m%d}")
                and both.funder_of[text(row["loan_id"])] == funder_id
            }
            yield from _is_confirmed(both, on, funder_id, paid)


def _is_confirmed(both: Both, on: date, funder_id: str, paid: set[str]) -> Iterator[str]:
    keys = both.keys(f"out/funders/{funder_id}/reconciliation/{on:%Y%m%d}/")
    told = (
        {row["order_no"] for row in both.file("reconciliation", funder_id, keys[-1])}
        if keys
        else set()
    )
    if told != paid:
        yield f"I10 {on} is closed, and {funder_id} was told of {sorted(told)}, paid {sorted(paid)}"
    if not paid:
        return
    totals = both.run(on, f"funder_confirmation_{funder_id}")
    if "key" not in totals:
        yield f"I10 {on} is closed, and {funder_id} has confirmed nothing"
        return
    rows = both.file("confirmation", funder_id, totals["key"])
    agreed = {row["order_no"] for row in rows if row["status"] == "agreed"}
    if not paid <= agreed or len(rows) != len(agreed):
        yield f"I10 {on} is closed, and {funder_id} has agreed to {sorted(agreed)} of {sorted(paid)}"


def dues_go_out_as_the_funder_clears_them(books: Books) -> Iterator[str]:
    """I7: what differs is held and skipped with the reason, what is equal goes, by hand."""
    both = _of(books)
    for on in books.day.plan.dates if both else ():
        opened = books.runs.get((on.isoformat(), "round_1"))
        if opened is None:
            continue
        listed: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for line in books.list_of(on):
            if line["mode"] == "joint_lending":
                listed[line["funder_id"]].append(line)
        for funder_id, lines in listed.items():
            yield from _cleared(both, on, funder_id, lines)


def _cleared(both: Both, on: date, funder_id: str, lines: list[Mapping[str, Any]]) -> Iterator[str]:
    totals = both.run(on, f"funder_due_{funder_id}")
    reason, held = _verdict(both, funder_id, totals, lines)
    yield from _the_right_file_stood(both, on, funder_id, totals)
    skips: dict[str, str] = {}
    sent: set[str] = set()
    day = f"{on:%Y%m%d}"
    for row in both.books.rows.all("journal"):
        place, source, loan_id = text(row["order_no"]).removesuffix("#skip").split("-", 2)
        if place != day or source not in {"1", "2"} or both.funder_of.get(loan_id) != funder_id:
            continue
        if text(row["status"]) != "SKIPPED":
            sent.add(loan_id)
        elif text(row.get("reason")) in FUNDERS_SKIPS:
            skips[loan_id] = text(row["reason"])
    sent |= {
        loan_id_of(no)
        for no in both.books.day.payment._orders
        if no.startswith((f"{day}-1-", f"{day}-2-"))
    } & {line["loan_id"] for line in lines}
    for line in lines:
        loan_id = line["loan_id"]
        wanted = reason or ("funder_differs" if loan_id in held else "")
        if wanted and loan_id in sent:
            yield f"I7 {loan_id}: sent in a round of {on}, and held: {wanted}"
        if skips.get(loan_id, "") != wanted:
            told = skips.get(loan_id) or "not at all"
            yield f"I7 {loan_id}: held as {told} on {on}, by hand {wanted or 'not at all'}"


def _verdict(
    both: Both, funder_id: str, totals: Mapping[str, Any], lines: list[Mapping[str, Any]]
) -> tuple[str, frozenset[str]]:
    """Judge a due file by hand: why all is held, or the loans that are."""
    if "key" not in totals:
        return ("" if funder_id in GO_ON else "funder_file_missing"), frozenset()
    amounts = ("due_on", *funder_dialects.NINE)
    theirs = {
        (row["loan_id"], int(row["instalment_no"])): tuple(row[name] for name in amounts)
        for row in both.file("due", funder_id, totals["key"])
    }
    ours = {
        (line["loan_id"], each["instalment_no"]): tuple(str(each[name]) for name in amounts)
        for line in lines
        for each in line["instalments"]
    }
    differ = [place for place in {*theirs, *ours} if theirs.get(place) != ours.get(place)]
    if len(differ) * 10_000 > TOLERANCE_BPS[funder_id] * len({*theirs, *ours}):
        return "funder_file_held", frozenset()
    return "", frozenset(loan_id for loan_id, _ in differ)


def _the_right_file_stood(
    both: Both, on: date, funder_id: str, totals: Mapping[str, Any]
) -> Iterator[str]:
    """The latest version that was taken in before the round stands, and none after it."""
    rows = {
        text(row["object_key"]): row
        for row in both.books.rows.all("files")
        if f"/{funder_id}/due/{on:%Y%m%d}/" in text(row["object_key"])
    }
    run = both.books.runs.get((on.isoformat(), f"funder_due_{funder_id}"))
    frozen_at = _moment(run["completed_at"]) if run and "completed_at" in run else None
    stood = text(rows[totals["key"]]["object_key"]) if totals.get("key") in rows else ""
    for key, row in rows.items():
        state, note = text(row["state"]), text(row.get("reason"))
        is_taken = state == "applied" and not note
        if is_taken and (not stood or _version(key) > _version(stood)):
            yield f"I10 {key} was taken in, and {stood or 'nothing'} stood in the round"
        if state == "refused" and frozen_at and _moment(row["finished_at"]) + SLACK < frozen_at:
            yield f"I10 {key} was refused before the round began: {note}"
    if totals.get("key") and not rows:
        yield f"I10 {totals['key']} stood, and was never taken in"


# --- loan assistance ----------------------------------------------------------------------------


def we_never_deduct_what_a_funder_does(books: Books) -> Iterator[str]:
    """I7: no order of an assisted loan has come to our own platform."""
    if _of(books) is None:
        return
    for order_no in books.day.payment._orders:
        if loan_id_of(order_no) in books.assisted:
            yield f"I7 {order_no}: its funder deducts it, and we have asked our platform"


def what_funders_collect_is_posted_once(books: Books) -> Iterator[str]:
    """I2, I3: line by line, what a funder took of a loan is what is posted of it."""
    both = _of(books)
    for loan_id in sorted(books.assisted) if both else ():
        account = both.side.funder._books.find(loan_id)
        there: Counter[tuple[date, int, tuple[int, ...]]] = Counter()
        for payment in account.payments if account else ():
            there.update(_told_lines(both, payment))
        here: Counter[tuple[date, int, tuple[int, ...]]] = Counter()
        for row in books.paid_of_loan.get(loan_id, ()):
            no = text(row["order_no"])
            on = date(int(no[:4]), int(no[4:6]), int(no[6:8]))
            here.update((on, line.number, line.whole) for line in _lines(row))
        if both.opened(loan_id):
            continue
        for line in here - there:
            yield f"I3 {loan_id}: {line} is posted, and was not collected"
        for line in there - here:
            if line[0] not in books.day.plan.dates and _still_waits(both, line[0]):
                continue
            if _came_too_late(both, line[0]):
                continue
            yield f"I2 {loan_id}: {line} was collected, and is not posted"


def _told_lines(both: Both, payment: Payment) -> Iterator[tuple[date, int, tuple[int, ...]]]:
    """List a payment's lines, but for those no file has told of yet and nobody asked about."""
    deduction = both.side.funder._deductions.find(payment.order_no)
    is_wish = payment.order_no.count("-") == 2
    for line in payment.lines:
        is_told = deduction is None or line.number in deduction.listed
        if is_wish or (is_told and _was_believed(both, deduction.listed[line.number])):
            yield payment.value_on, line.number, tuple(line.parts)


def _came_too_late(both: Both, on: date) -> bool:
    """Whether a correction came when the day was closed: it needs an approval, and says so."""
    return any(
        f"/results/{on:%Y%m%d}/" in text(row["object_key"])
        and "is closed" in text(row.get("reason"))
        for row in both.books.rows.all("files")
    )


def _still_waits(both: Both, on: date) -> bool:
    """Whether a loan of a day that is not played to its end waits for another order's end."""
    runs = (both.run(on, f"results_{each}_r1") for each in both.side.assisted)
    return any(run.get("loans", {}).get("waiting") for run in runs)


def _was_believed(both: Both, name: str) -> bool:
    """Whether a results file of that date and round was ever taken in whole."""
    day, _, about = name.partition("-")
    return any(
        f"/results/{day}/results_{about}_v" in text(row["object_key"])
        and text(row["state"]) == "applied"
        for row in both.books.rows.all("files")
    )


def wishes_end_as_the_funder_says(books: Books) -> Iterator[str]:
    """I3: a forwarded order is charged what was quoted, and ends here as it has ended there."""
    both = _of(books)
    if both is None:
        return
    charges = {each.order_no: each for each in both.side.funder.wishes.charges()}
    for order_no, amount in books.day.borrowers.promised.items():
        charge = charges.get(order_no)
        if charge and charge.amount_fen != amount:
            yield f"I3 {order_no}: quoted {amount}, the funder took {charge.amount_fen}"
    for row in books.records:
        order_no = text(row["order_no"])
        if order_no.split("-")[1][0] != "Q" or text(row["loan_id"]) not in books.assisted:
            continue
        is_paid = text(row["status"]) == "SUCCEEDED"
        if is_paid != (order_no in charges):
            yield f"I3 {order_no}: {text(row['status'])} here, {'' if order_no in charges else 'not '}paid there"
        elif is_paid and fen(row["amount"]) != charges[order_no].amount_fen:
            yield f"I2 {order_no}: {fen(row['amount'])} posted, {charges[order_no].amount_fen} taken"
    for order_no, charge in charges.items():
        if order_no not in books.paid and not both.opened(loan_id_of(order_no)):
            yield f"I2 {order_no}: {charge.amount_fen} taken by the funder, and not posted"


# --- liveness -----------------------------------------------------------------------------------


def nobody_is_asked_for_nothing(books: Books) -> Iterator[str]:
    """I13: once right files have come, nothing between funders and us is open for a person."""
    both = _of(books)
    if both is None:
        return
    about_lies = {
        *map(loan_id_of, books.lies),
        *books.told_two_ways,
        *books.told_too_late,
    }
    for row in books.discrepancies:
        place = text(row["day_channel"])
        is_played = any(place.startswith(on.isoformat()) for on in books.day.plan.dates)
        if not is_played or "#funder-" not in place:
            continue
        is_lie = any(loan_id in str(row) for loan_id in about_lies)
        if text(row["state"]) == "open" and not is_lie:
            yield f"I13 {place} {text(row['discrepancy_id'])}: open, though right files have come"
    for each in both.side.objections:
        order_no = each.split()[1].rstrip(":")
        if order_no in books.charges or order_no in books.paid:
            yield f"I6 {each}"


CHECKERS: tuple[Checker, ...] = (
    splits_add_up,
    funders_have_what_we_say,
    each_success_is_told_once,
    a_closed_day_is_confirmed,
    dues_go_out_as_the_funder_clears_them,
    we_never_deduct_what_a_funder_does,
    what_funders_collect_is_posted_once,
    wishes_end_as_the_funder_says,
    nobody_is_asked_for_nothing,
)
