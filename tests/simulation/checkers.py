"""What must hold when a day is over and its faults have stopped, from the platforms' own ledgers.

Each checker yields sentences that begin with the invariant's number (failures.md section 3).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib import wiring
from chalicelib.adapters import products
from chalicelib.domain import loan as loans
from chalicelib.domain import prepayment
from chalicelib.domain.deduction import Kind
from chalicelib.domain.loan import Mode
from chalicelib.domain.prepayment import Wish
from tests.simulation.book import CANARY, PHONE_FROM
from tests.simulation.plan import LIE
from tests.simulation.rows import Item, Rows, fen, loan_id_of, text
from tests.simulation.world import BUCKET, RETRY_DPD_MAX

if TYPE_CHECKING:
    from simulators.bill import Charge
    from tests.simulation.day import Day

Checker = Callable[["Books"], Iterator[str]]
DUE_ONLY = frozenset(("scheduled", "overdue", "instalment"))
PRODUCTS = products.read()
FAILED_DPD_MAX = 7
UNRESOLVED = frozenset(("open", "explained"))


@dataclass
class Books:
    """All sides of a day that is over: ours as rows, theirs as ledgers."""

    day: "Day"

    def __post_init__(self) -> None:
        self.rows = Rows(self.day.world.dynamodb)

    @cached_property
    def records(self) -> list[Item]:
        return self.rows.records()

    @cached_property
    def paid(self) -> dict[str, Item]:
        """Our successes by order number."""
        return {
            text(row["order_no"]): row for row in self.records if text(row["status"]) == "SUCCEEDED"
        }

    @cached_property
    def assisted(self) -> frozenset[str]:
        """Loans that their funder deducts by itself: checkers_funders.py holds what it took."""
        loans_ = self.day.book.loans.values()
        return frozenset(each.loan_id for each in loans_ if each.mode.funder_deducts)

    @cached_property
    def corrections(self) -> dict[tuple[str, str], Item]:
        """What two people have decided, by the order's number and what was done."""
        return {
            (said["order_no"], said["kind"]): row
            for row in self.rows.corrections()
            for said in [json.loads(text(row["correction"]))]
        }

    @cached_property
    def corrected(self) -> dict[str, int]:
        """Money that was posted late or went back, by order number."""
        return {
            order_no: fen(row["amount"])
            for (order_no, kind), row in self.corrections.items()
            if kind in {"late_success", "refund"}
        }

    @cached_property
    def paid_of_loan(self) -> Mapping[str, list[Item]]:
        """What each loan has taken, in its order; what was posted late as well."""
        found: dict[str, list[Item]] = defaultdict(list)
        late = [row for (_, kind), row in self.corrections.items() if kind == "late_success"]
        for row in sorted([*self.paid.values(), *late], key=lambda row: text(row["recorded_at"])):
            found[text(row["loan_id"])].append(row)
        return found

    @cached_property
    def charges(self) -> dict[str, "Charge"]:
        return {charge.order_no: charge for charge in self.day.payment.charges()}

    @cached_property
    def silent(self) -> frozenset[str]:
        """Loans whose borrowers are told by the funder."""
        tell = {name for name, each in wiring.books().funders.items() if each.texts_by == "funder"}
        heads = self.day.book.loans.values()
        return frozenset(each.loan_id for each in heads if each.funder_id in tell)

    @cached_property
    def heads(self) -> dict[str, Item]:
        return {text(row["loan_id"]): row for row in self.rows.all("loans")}

    @cached_property
    def discrepancies(self) -> list[Item]:
        return list(self.rows.all("discrepancies"))

    @cached_property
    def open_cases(self) -> frozenset[str]:
        """Order numbers a person has to look at."""
        return frozenset(
            text(row["order_no"]) for row in self.discrepancies if text(row["state"]) in UNRESOLVED
        )

    @cached_property
    def unfinished_cases(self) -> frozenset[str]:
        """What is open of a day that a sweep has begun for a funder's file, and nobody goes on with."""
        days = tuple(on.isoformat() for on in self.day.plan.dates)
        return frozenset(
            text(row["order_no"])
            for row in self.discrepancies
            if self.day.funders
            and (
                not text(row["day_channel"]).startswith(days)
                or any(
                    loan_id in text(row["order_no"])
                    for loan_id in self.told_two_ways | self.told_too_late
                )
            )
        )

    @cached_property
    def told_two_ways(self) -> frozenset[str]:
        """Loans of which a funder has told an earlier round's end twice, and not alike.

        Of an earlier round there are no versions: a person has to clear it up.
        """
        return frozenset(
            json.loads(text(row["facts"]))["loan_id"]
            for row in self.discrepancies
            if "told_otherwise_before" in text(row.get("facts"))
        )

    @cached_property
    def told_too_late(self) -> frozenset[str]:
        """Loans that a funder's file has told of once their day was closed: a person lets it in."""
        keys = (
            text(row["object_key"])
            for row in self.rows.all("files")
            if "the day is closed" in text(row.get("reason"))
        )
        bodies = [self.day.world.s3.get(BUCKET, key) or b"" for key in keys]
        return frozenset(
            each for each in self.assisted if any(each.encode() in body for body in bodies)
        )

    def is_unfinished(self, order_no: str) -> bool:
        """Whether an order is of a round of such a day."""
        last = f"{self.day.plan.dates[-1]:%Y%m%d}"
        return bool(self.day.funders) and order_no[:8] > last and order_no[9] in "12"

    @cached_property
    def listed(self) -> dict[str, int]:
        """The due list as it lies in the bucket: what each loan was listed with."""
        lines = self.list_of(self.day.plan.business_date)
        return {line["loan_id"]: line["amount_fen"] for line in lines}

    def list_of(self, on: date) -> list[dict[str, Any]]:
        """Read the due list of a date as it lies in the bucket, mode by mode."""
        folders = [f"due-lists/{on:%Y%m%d}/{mode.value}/shard-" for mode in Mode]
        bodies = (
            self.day.world.s3.get(BUCKET, key)
            for folder in folders
            for key in self.day.world.s3.keys(BUCKET, folder)
        )
        return [json.loads(line) for body in bodies if body for line in body.splitlines()]

    @cached_property
    def lies(self) -> frozenset[str]:
        """Orders that the platform has charged after it had called them failed: a person decides."""
        liars = {fault.about for fault in self.day.plan.of_kind("outcome") if LIE in fault.more}
        failed = {text(row["order_no"]) for row in self.records if text(row["status"]) == "FAILED"}
        return frozenset(
            no
            for no, charge in self.charges.items()
            if charge.agreement_no in liars and no in failed
        )

    @cached_property
    def untold(self) -> frozenset[str]:
        """Lies that stand in no bill that was believed: nobody can know of them yet."""
        keys = (
            text(row["object_key"])
            for row in self.rows.all("files")
            if text(row["state"]) == "applied" and not text(row.get("reason"))
        )
        bills = [self.day.world.s3.get(BUCKET, key) or b"" for key in keys if "/bill/" in key]
        return frozenset(no for no in self.lies if not any(no.encode() in bill for bill in bills))

    @cached_property
    def runs(self) -> dict[tuple[str, str], Item]:
        return {
            (text(row["business_date"]), text(row["job"])): row for row in self.rows.all("runs")
        }


def nobody_pays_more_than_he_owes(books: Books) -> Iterator[str]:
    """I1, I7: what the platform took of a loan is at most what it owed."""
    taken: dict[tuple[str, date], int] = defaultdict(int)
    kinds: dict[tuple[str, date], set[str]] = defaultdict(set)
    first = books.day.plan.business_date
    for order_no, charge in books.charges.items():
        if order_no in books.lies:
            continue
        on = date(int(order_no[:4]), int(order_no[4:6]), int(order_no[6:8]))
        place = loan_id_of(order_no), on
        taken[place] += charge.amount_fen
        record = books.paid.get(order_no)
        kinds[place].add(text(record.get("kind")) or "scheduled" if record else "scheduled")
    for (loan_id, on), amount in taken.items():
        if on != first:
            continue  # the first day's payments have moved the loan: I4 and I5 hold it then
        loan, cut = books.day.book.loans[loan_id], books.day.book.cuts[loan_id]
        product = PRODUCTS[loan.product]
        if kinds[loan_id, on] <= DUE_ONLY:
            owed = loans.owed(
                loan=loan, schedule=cut.instalments, product=product, as_of=on
            ).amount.fen
            owed = max(owed, _next_instalment(books, loan_id))
        else:
            standing = loans.standing(loan=loan, cut=cut, product=product, as_of=on)
            owed = _payoff(standing)
        if amount > owed:
            yield f"I1 {loan_id}: {amount} fen taken on {on}, {owed} owed"


def _next_instalment(books: Books, loan_id: str) -> int:
    """An instalment may be paid at its borrower's wish before it is due."""
    cut = books.day.book.cuts[loan_id]
    kinds = {text(row.get("kind")) for row in books.paid_of_loan.get(loan_id, ())}
    return cut.instalments[0].total.fen if "instalment" in kinds else 0


def _payoff(standing: prepayment.Standing) -> int:
    offered = prepayment.offer(wish=Wish(kind=Kind.FULL), standing=standing)
    return offered.amount.fen if isinstance(offered, prepayment.Offer) else 0


def no_success_is_lost(books: Books) -> Iterator[str]:
    """I2: every charge is posted once, to the fen, or a person has been asked."""
    for order_no, charge in books.charges.items():
        record = books.paid.get(order_no)
        if record is None:
            is_asked = order_no in books.open_cases | books.untold | books.corrected.keys()
            if not is_asked and not books.is_unfinished(order_no):
                yield f"I2 {order_no}: {charge.amount_fen} fen taken and not posted"
        elif (fen(record["amount"]), text(record.get("trade_no"))) != (
            charge.amount_fen,
            charge.trade_no,
        ):
            yield f"I2 {order_no}: {charge.amount_fen} fen taken, {fen(record['amount'])} posted"


def no_success_is_made_up(books: Books) -> Iterator[str]:
    """I3: every posted success exists at the platform."""
    for order_no in books.paid:
        if order_no not in books.charges and loan_id_of(order_no) not in books.assisted:
            yield f"I3 {order_no}: posted, and never taken"
    for order_no, amount in books.day.borrowers.promised.items():
        charge = books.charges.get(order_no)
        if charge and charge.amount_fen != amount:
            yield f"I3 {order_no}: quoted {amount} fen, taken {charge.amount_fen}"


def books_balance(books: Books) -> Iterator[str]:
    """I4, I5: each record adds up, and a loan's head is its book less its payments."""
    for order_no, row in books.paid.items():
        parts = sum(fen(row.get(part)) for part in ("principal", "interest", "penalty", "fee"))
        if parts != fen(row["amount"]):
            yield f"I4 {order_no}: parts add up to {parts}, not {fen(row['amount'])}"
        lines = _lines(row)
        for place, part in ((2, "principal"), (3, "interest"), (4, "penalty")):
            if sum(line[place] for line in lines) != fen(row.get(part)) and part != "principal":
                yield f"I4 {order_no}: its lines do not add up to its {part}"
        numbers = [line[0] for line in lines]
        if numbers != sorted(set(numbers)):
            yield f"I5 {order_no}: instalments are paid out of order"
    for loan_id, head in books.heads.items():
        yield from _head_folds(books, loan_id, head)


def _head_folds(books: Books, loan_id: str, head: Item) -> Iterator[str]:
    loan = books.day.book.loans.get(loan_id)
    if loan is None:
        return  # it came in the course of the day, and is not due
    records = books.paid_of_loan.get(loan_id, [])
    paid = sum(fen(row.get("principal")) for row in records)
    schedule = _schedule(books, loan_id, fen(head["sv"]))
    number, settled = fen(head["n"]), text(head["st"]) == "settled"
    left = 0 if settled else _left(schedule, number, fen(head["pp"]), 1)
    if left < 0 or paid + left != loan.principal.fen:
        yield f"I4 {loan_id}: {paid} of principal paid and {left} left of {loan.principal.fen}"
    current = next((row for row in schedule if row[0] == number), None)
    if current and not settled and (fen(head["pp"]) > current[1] or fen(head["ip"]) > current[2]):
        yield f"I5 {loan_id}: more is paid of instalment {number} than it asks"
    yield from _days_past_due(books, loan_id, head, schedule)


def _days_past_due(
    books: Books, loan_id: str, head: Item, schedule: list[tuple[int, int, int, str]]
) -> Iterator[str]:
    """I12: the oldest unpaid instalment, found anew from the payments."""
    slot = text(head.get("slot", {}).get("M", {}).get("no"))
    if slot and slot not in books.open_cases and not books.is_unfinished(slot):
        yield f"I13 {loan_id}: {slot} still holds the slot"
    if text(head["st"]) == "settled":
        if head.get("agenda_key") or head.get("due"):
            yield f"I7 {loan_id}: settled, and still on the agenda"
        return
    paid: Counter[int] = Counter()
    last_cut = max(
        (place for place, row in enumerate(books.paid_of_loan.get(loan_id, ())) if _cuts(row)),
        default=-1,
    )
    for row in books.paid_of_loan.get(loan_id, ())[last_cut + 1 :]:
        for line in _lines(row):
            paid[line[0]] += line[2] + line[3]
    first = schedule[0][0] if last_cut >= 0 else 1
    oldest = next(
        (row for row in schedule if row[0] >= first and paid[row[0]] < row[1] + row[2]), None
    )
    if last_cut < 0 and oldest and text(head.get("due")) != oldest[3]:
        yield f"I12 {loan_id}: due {text(head.get('due'))}, by its payments {oldest[3]}"
    agenda = text(head.get("agenda_key"))
    if not agenda.startswith(text(head.get("due")) + "#"):
        yield f"I12 {loan_id}: stands on the agenda under {agenda}, due {text(head.get('due'))}"


def penalty_is_a_function_of_facts(books: Books) -> Iterator[str]:
    """I12: the penalty of each paid line, by hand."""
    for order_no, row in books.paid.items():
        if (text(row.get("kind")) or "scheduled") not in DUE_ONLY:
            continue
        loan_id = text(row["loan_id"])
        earlier = books.paid_of_loan[loan_id].index(row)
        if earlier:
            continue
        loan, cut = books.day.book.loans[loan_id], books.day.book.cuts[loan_id]
        on = date(int(order_no[:4]), int(order_no[4:6]), int(order_no[6:8]))
        rate = min(loan.annual_rate * Decimal("1.5"), Decimal("0.24"))
        by_number = {each.number: each for each in cut.instalments}
        for number, _due, _principal, _interest, penalty in _lines(row):
            instalment = by_number[number]
            days = max((on - instalment.due_on).days, 0)
            exact = Decimal(instalment.principal.fen) * rate * days / 360
            wanted = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
            if penalty != wanted:
                yield f"I12 {order_no}: penalty {penalty} for {days} days, {wanted} by hand"


def everybody_is_told_once(books: Books) -> Iterator[str]:
    """I9: one line of one text for each end of an order; no text twice."""
    told: Counter[str] = Counter()
    for row in books.rows.all("notices"):
        for key in row.get("items", {}).get("M", {}):
            is_reminder = text(row["scenario"]) == "pre_due"  # one before each of several dates
            told[f"reminder of {text(row['business_date'])} {key}" if is_reminder else key] += 1
    for key, times in told.items():
        if times > 1:
            yield f"I9 {key}: told {times} times"
    yield from _everybody_is_told(books, told)
    messages = books.day.sms.messages()
    if messages["conflicts"]:
        yield f"I9 {messages['conflicts']} texts came again in other words"
    for message in messages["messages"]:
        hour = int(message["accepted_at"][11:13])
        if not 8 <= hour < 22:
            yield f"I9 {message['message_id']} was sent at {message['accepted_at']}"


def _everybody_is_told(books: Books, told: Counter[str]) -> Iterator[str]:
    """Of each end somebody is told, by us or by the funder, and by one of them alone."""
    last_hour = books.day.plan.dates[-1] + timedelta(days=2)
    for row in books.records:
        order_no, status = text(row["order_no"]), text(row["status"])
        key = f"{text(row['loan_id'])}/{order_no}"
        is_old = status == "FAILED" and fen(row.get("dpd")) > FAILED_DPD_MAX
        by_funder = text(row["loan_id"]) in books.silent
        if by_funder and told[key]:
            yield f"I9 {key}: its funder tells, and we have told as well"
        if (
            not told[key]
            and not is_old
            and not by_funder
            and text(row["recorded_at"])[:10] < str(last_hour)
        ):
            yield f"I9 {key}: {status} and nobody is told"


def every_due_has_one_end(books: Books) -> Iterator[str]:
    """I10: rounds and reconciliation tie, counted again from the rows."""
    for on in books.day.plan.dates:
        yield from _every_due_of(books, on.isoformat())
    yield from _the_list_is_whole(books, books.day.plan.business_date.isoformat())


def _every_due_of(books: Books, on: str) -> Iterator[str]:
    ends: Counter[tuple[str, str]] = Counter()
    for row in books.rows.all("journal"):
        number = text(row["order_no"]).split("-")
        if loan_id_of(text(row["order_no"]).removesuffix("#skip")) in books.assisted:
            continue
        if text(row["order_no"]).startswith(on.replace("-", "")) and number[1] in {"1", "2"}:
            ends[number[1], text(row["status"])] += 1
    for round_no in ("1", "2"):
        run = books.runs.get((on, f"round_{round_no}"))
        if run is None or text(run.get("state")) != "complete":
            yield f"I13 round {round_no} of {on} is not complete"
            continue
        totals = _plain(run["totals"])
        counted = {
            "SUCCEEDED": totals["succeeded"]["count"],
            "FAILED": sum(each["count"] for each in totals["failed"].values()),
        }
        for status, number in counted.items():
            if number != ends[round_no, status]:
                yield f"I10 round {round_no}: {number} {status} counted, {ends[round_no, status]} stand"
        if not totals["ties"] or totals["waiting"]["count"]:
            yield f"I10 round {round_no} does not tie"


def _the_list_is_whole(books: Books, on: str) -> Iterator[str]:
    """Every loan that owed something in the morning is on the list with it, and none else."""
    run = books.runs.get((on, "due_list"))
    if run is None or text(run.get("state")) != "complete":
        yield f"I13 the due list of {on} is not complete"
        return
    listed = books.listed
    for loan_id, loan in books.day.book.loans.items():
        if any(text(row.get("kind")) for row in books.paid_of_loan.get(loan_id, ())):
            continue  # its borrower has paid by himself, perhaps before the list was made
        owed = loans.owed(
            loan=loan,
            schedule=books.day.book.cuts[loan_id].instalments,
            product=PRODUCTS[loan.product],
            as_of=books.day.plan.business_date,
        )
        wanted = owed.amount.fen if owed.dpd <= RETRY_DPD_MAX else 0
        if listed.get(loan_id, 0) != wanted:
            yield f"I10 {loan_id}: listed with {listed.get(loan_id, 0)} fen, {wanted} owed"
    modes = _plain(run["totals"])["modes"].values()
    count, amount = (sum(each[name] for each in modes) for name in ("count", "amount_fen"))
    if (count, amount) != (len(listed), sum(listed.values())):
        yield f"I10 the list of {on} holds {len(listed)} dues, its run says {count}"


def the_day_is_proven(books: Books) -> Iterator[str]:
    """I10, I13: the days close, or a person has something to decide."""
    for on in books.day.plan.dates:
        yield from _is_proven(books, on.isoformat())
    for order_no in sorted(books.lies - books.untold - books.corrected.keys()):
        held = text(books.heads[loan_id_of(order_no)].get("hold"))
        if order_no not in books.open_cases or not held:
            yield f"I2 {order_no}: charged after it had failed, and nobody is asked"
    for order_no in sorted(books.open_cases - books.lies - books.unfinished_cases):
        yield f"I13 {order_no}: a case is open that a corrected bill should have closed"


def _is_proven(books: Books, on: str) -> Iterator[str]:
    reconciled = books.runs.get((on, "reconciliation_main"))
    if reconciled is None or text(reconciled.get("state")) != "complete":
        yield f"I13 the bill of {on} is not reconciled"
        return
    closed = books.runs.get((on, "close"))
    is_closed = closed is not None and text(closed.get("state")) == "complete"
    open_today = [row for row in books.discrepancies if text(row["day_channel"]).startswith(on)]
    is_open = any(text(row["state"]) in UNRESOLVED for row in open_today)
    if is_closed and is_open:
        yield f"I10 {on} is closed with open discrepancies"
    if not is_closed and not is_open:
        yield f"I13 {on} has nothing open and is not closed"


def every_loan_is_taken_in(books: Books) -> Iterator[str]:
    """What arrives in a file is in the book, whole and once, with its schedule."""
    sample = books.day.more_loans.sample
    for loan in sample.loans if sample else ():
        head = books.heads.get(loan.loan_id)
        schedule = _schedule(books, loan.loan_id, 1)
        if head is None or sum(row[1] for row in schedule) != loan.principal_fen:
            yield f"I10 {loan.loan_id}: arrived in a file, and is not in the book"
    for loan_id, head in books.heads.items():
        hold = text(head.get("hold"))
        if hold.startswith("discrepancy") and not books.open_cases:
            yield f"I13 {loan_id}: held by {hold}, and no case is open"


def no_secret_is_told(books: Books) -> Iterator[str]:
    """I16: names and phones are in no queue, no journal, no file of ours but the texts."""
    canaries = (CANARY, str(PHONE_FROM)[:8])
    for table in (
        "loans",
        "journal",
        "runs",
        "discrepancies",
        "notifications",
        "files",
        "requests",
    ):
        for row in books.rows.all(table):
            said = str(row)
            if any(canary in said for canary in canaries):
                yield f"I16 personal data in {table}"


def nobody_was_lied_to(books: Books) -> Iterator[str]:
    """The doors: no forgery believed, no borrower turned away with a wrong answer, nothing dead."""
    for key in books.day.notifications.believed_forgeries:
        yield f"I8 a forged notification of {key} was believed"
    yield from books.day.borrowers.wrong_answers
    yield from books.day.staff.wrong_answers
    for queue, depth in books.day.dead_letters().items():
        yield f"I13 {depth} messages are dead in {queue}"


CHECKERS: tuple[Checker, ...] = (
    nobody_pays_more_than_he_owes,
    no_success_is_lost,
    no_success_is_made_up,
    books_balance,
    penalty_is_a_function_of_facts,
    everybody_is_told_once,
    every_due_has_one_end,
    the_day_is_proven,
    every_loan_is_taken_in,
    no_secret_is_told,
    nobody_was_lied_to,
)


def _lines(row: Item) -> list[tuple[int, str, int, int, int]]:
    """Read which instalments a record has paid."""
    lines = (line.split(",") for line in text(row.get("lines")).split(";") if line)
    return [(int(n), due, int(p), int(i), int(f)) for n, due, p, i, f, *_ in lines]


def _cuts(row: Item) -> bool:
    return text(row.get("kind")) == "partial"


def _schedule(books: Books, loan_id: str, version: int) -> list[tuple[int, int, int, str]]:
    """Read a schedule: number, principal, interest, due date."""
    for row in books.rows.all("schedules"):
        if text(row["loan_id"]) == loan_id and fen(row["version"]) == version:
            cells = (each.split(",") for each in text(row["instalments"]).split(";"))
            return [(int(n), int(p), int(i), f"{d[:4]}-{d[4:6]}-{d[6:]}") for n, d, p, i in cells]
    return []


def _left(schedule: list[tuple[int, int, int, str]], number: int, paid: int, column: int) -> int:
    return sum(row[column] for row in schedule if row[0] >= number) - paid


def _plain(value: Mapping[str, Any]) -> Any:
    """Read a JSON attribute."""
    return json.loads(value["S"])
