"""Tell each funder, when a day's rounds are over, what was collected; and later what came after.

A version holds what no earlier one did: nothing stands in two, and every success of the date
comes into one, however late it is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from chalicelib.domain import funder_lines
from chalicelib.domain.deduction import Deduction, Status, facts_of
from chalicelib.domain.funder import RepaymentLine
from chalicelib.domain.loan import Mode
from chalicelib.flows import deduction_round, due_list, file_versions
from chalicelib.flows.file_versions import Shelf, Version
from chalicelib.flows.funder_ports import FunderFile, FunderFiles
from chalicelib.flows.ports import Books, ObjectStore, Runs

JOBS = "funder_repayments_"

Paid = Mapping[str, Mapping[str, Deduction]]
"""A date's successful orders of joint loans, by funder and order number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that repayment files are written with.

    `cut_off` is when the first one is written at the latest, whatever orders have no end by then.
    """

    books: Books
    runs: Runs
    objects: ObjectStore
    writer: FunderFiles
    round_count: int
    cut_off: time = time(22, 30)


def job_of(funder_id: str) -> str:
    """Name the job.

    >>> job_of("bank-a")
    'funder_repayments_bank-a'
    """
    return f"{JOBS}{funder_id}"


def write(
    *, business_date: date, now: datetime, desk: Desk, paid: Paid | None = None
) -> tuple[str, ...]:
    """Write each funder's file of a date once its rounds are over, and what came later beside it.

    Until the cut-off what is later waits, so that an evening is one supplement and not many; then
    every pass writes what is new.  Safe to repeat: nothing new writes nothing.  Gives the keys of
    what was written.  `paid` is what `paid_by_funder` gives, where that is read already.
    """
    is_final = now >= datetime.combine(business_date, desk.cut_off, tzinfo=now.tzinfo)
    wanted = [
        funder_id
        for funder_id in _funders(business_date, desk)
        if is_final or _is_wanted(business_date, funder_id, desk)
    ]
    if not wanted and not is_final:
        return ()
    if paid is None:
        paid = paid_by_funder(business_date=business_date, books=desk.books)
    written: list[str] = []
    known = desk.books.funders.keys() & {*wanted, *(paid if is_final else ())}
    for funder_id in sorted(known):
        records = paid.get(funder_id, {})
        written += _write(
            shelf=Shelf(
                kind=FunderFile.REPAYMENTS, funder_id=funder_id, business_date=business_date
            ),
            paid=records,
            now=now,
            desk=desk,
        )
    return tuple(written)


def paid_by_funder(*, business_date: date, books: Books) -> Paid:
    """Gather a date's successful orders of joint loans, by funder and order number."""
    records = [
        record
        for record in books.journal.of_day(business_date)
        if isinstance(record, Deduction)
        and record.mode == Mode.JOINT_LENDING
        and record.result.status is Status.SUCCEEDED
    ]
    heads = books.loans.get_many(sorted({record.loan_id for record in records}))
    paid: dict[str, dict[str, Deduction]] = {}
    for record in records:
        paid.setdefault(heads[record.loan_id].funder_id, {})[record.order_no] = record
    return paid


def put(
    *,
    version: Version,
    shelf: Shelf,
    job: str,
    paid: Mapping[str, Deduction],
    books: Books,
    runs: Runs,
    writer: FunderFiles,
) -> str:
    """Write the file of a version, and that it is there; done twice, the same bytes.  Gives its key.

    `job` is whose run keeps it as a part; `paid` are the records that are read already.
    """
    key = shelf.key_of(version.number)
    written = writer.write(
        kind=shelf.kind,
        funder_id=shelf.funder_id,
        key=key,
        lines=lines_of(order_nos=version.order_nos, paid=paid, books=books),
    )
    # After the file: a version without its part is written again, the same bytes.
    runs.put_part(
        business_date=shelf.business_date,
        job=job,
        shard=version.number,
        totals={
            "key": key,
            "orders": len(version.order_nos),
            "rows": written.rows,
            "amount_fen": written.amount.fen,
            "sha256": written.sha256,
        },
    )
    return key


def lines_of(
    *, order_nos: Sequence[str], paid: Mapping[str, Deduction], books: Books
) -> Iterator[RepaymentLine]:
    """Give the lines of a file, in the order of its orders, from the journal that never changes."""
    unread = [order_no for order_no in order_nos if order_no not in paid]
    records = {**paid, **(books.journal.get_many(unread) if unread else {})}
    for order_no in order_nos:
        yield from funder_lines.repayment_lines(records[order_no])


# --- when -------------------------------------------------------------------------------


def _funders(business_date: date, desk: Desk) -> Sequence[str]:
    """Name the funders whose dues are on the list: they get a file, and be nothing paid."""
    return sorted(due_list.funders_of(desk.runs.get(business_date, due_list.JOB)))


def _is_wanted(business_date: date, funder_id: str, desk: Desk) -> bool:
    """Whether the first version is not written, and the rounds have brought what they can."""
    run = desk.runs.get(business_date, job_of(funder_id))
    if run is not None and run.is_complete:
        return False
    return all(
        _is_over(business_date, round_no, funder_id, desk)
        for round_no in range(1, desk.round_count + 1)
    )


def _is_over(business_date: date, round_no: int, funder_id: str, desk: Desk) -> bool:
    """Whether a round is complete and no order of the funder's loans waits for its end."""
    run = desk.runs.get(business_date, deduction_round.job_of(round_no))
    if run is None or not run.is_complete:
        return False
    named = run.totals.get("unfinished_orders", ())
    if run.totals.get("unfinished", 0) != len(named):
        return False
    heads = desk.books.loans.get_many([facts_of(order_no)[2] for order_no in named])
    return not any(loan.funder_id == funder_id for loan in heads.values())


# --- what -------------------------------------------------------------------------------


def _write(
    *, shelf: Shelf, paid: Mapping[str, Deduction], now: datetime, desk: Desk
) -> Sequence[str]:
    """Write the versions whose file is not proven to be there, then what none of them holds."""
    job = job_of(shelf.funder_id)
    run = desk.runs.start(business_date=shelf.business_date, job=job, at=now)
    versions = file_versions.standing(shelf=shelf, objects=desk.objects)
    written: list[str] = []
    while True:
        written += [
            put(
                version=version,
                shelf=shelf,
                job=job,
                paid=paid,
                books=desk.books,
                runs=desk.runs,
                writer=desk.writer,
            )
            for version in versions
            if version.number not in run.parts
        ]
        held = {order_no for version in versions for order_no in version.order_nos}
        left = sorted(set(paid) - held)
        if versions and not left:
            break
        file_versions.add(
            shelf=shelf, number=len(versions) + 1, order_nos=left, objects=desk.objects
        )
        # Read again: another may have put this version, with less or more in it.
        versions = file_versions.standing(shelf=shelf, objects=desk.objects)
        run = desk.runs.start(business_date=shelf.business_date, job=job, at=now)
    _complete(shelf=shelf, now=now, desk=desk)
    return written


def _complete(*, shelf: Shelf, now: datetime, desk: Desk) -> None:
    """Add the versions up in the run's totals."""
    job = job_of(shelf.funder_id)
    run = desk.runs.start(business_date=shelf.business_date, job=job, at=now)
    parts = run.parts.values()
    totals = {
        "versions": len(run.parts),
        "orders": sum(part["orders"] for part in parts),
        "rows": sum(part["rows"] for part in parts),
        "amount_fen": sum(part["amount_fen"] for part in parts),
    }
    if totals != run.totals or not run.is_complete:
        desk.runs.put_totals(run.completed(at=run.completed_at or now, totals=totals))
