"""Seal a day that closes: its vouchers, then its report, each proven before it is written.

Both are derived from what the day's jobs have left, and from nothing else: whoever dies while he
seals a day writes the same bytes when he comes again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

from chalicelib.domain.day_report import (
    NO_FIGURES,
    DayReport,
    Differences,
    Evidence,
    Figures,
    Place,
    check,
    check_vouchers,
    differences,
    evidence_of,
    figures_of,
    figures_of_correction,
    tally_of,
)
from chalicelib.domain.deduction import Deduction, Skip, Status, facts_of
from chalicelib.domain.funder_results import channel_of
from chalicelib.domain.money_event import assists
from chalicelib.domain.reconciliation import OrderState
from chalicelib.domain.run import NONE, Facts, Run, Tally, sum_of
from chalicelib.flows import deduction_round, due_list, our_orders, reconciliation, vouchers
from chalicelib.flows.close_ports import DayReports, FrozenReportError, Kept
from chalicelib.flows.day_records import placed
from chalicelib.flows.ports import DueLine, DueLists, Runs

OF_ROUND = ("succeeded", "failed", "skipped")


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that a day is sealed with; `round_count` is how many rounds a day has of ours."""

    booking: vouchers.Desk
    runs: Runs
    due_lists: DueLists
    reports: DayReports
    round_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tallied:
    """A day's records added up, by place; and by round what rounds of ours have told of as well."""

    places: Mapping[Place, Figures]
    rounds: Mapping[int, Figures]


def seal(*, business_date: date, closed_before: int, desk: Desk) -> Facts:
    """Write vouchers and report of a day on which nothing is open, and say where they are.

    Safe to repeat: the same facts are the same bytes.  `closed_before` is how often the day was
    closed already.

    :raises UntiedError: if the day's figures do not tie; then no report is written.
    """
    booked = vouchers.write(business_date=business_date, desk=desk.booking)
    tallied = _tallied(business_date, desk)
    runs = {run.job: run for run in desk.runs.of_day(business_date)}
    report = DayReport(
        business_date=business_date,
        version=closed_before + 1,
        places=tallied.places,
        differences=_differences(business_date, desk),
        evidence=_evidence(runs, booked.kept),
        vouchers=booked.totals,
    )
    _check_rounds(tallied, runs, desk)
    _check_bills(business_date, tallied, runs, desk)
    check_vouchers(report.grand, booked.events)
    report, kept = _frozen(report, desk)
    return {
        "vouchers": {**booked.totals, "key": booked.kept.key, "sha256": booked.kept.sha256},
        "report": {"key": kept.key, "sha256": kept.sha256, "version": report.version},
    }


def _frozen(report: DayReport, desk: Desk) -> tuple[DayReport, Kept]:
    """Freeze a report under the first version that is free.

    One that stands there is of a closing that died when the day stood otherwise: nobody has been
    told of it, and it stays as it lies.
    """
    while True:
        try:
            return report, desk.reports.freeze(report)
        except FrozenReportError:
            report = replace(report, version=report.version + 1)


# --- what became of the day ---------------------------------------------------------------


def _tallied(business_date: date, desk: Desk) -> Tallied:
    places: dict[Place, Figures] = defaultdict(lambda: NO_FIGURES)
    rounds: dict[int, Figures] = defaultdict(lambda: NO_FIGURES)
    books = desk.booking.books
    for due in placed(_dues(business_date, desk), books.loans):
        place = _place(due.record.mode, due.funder_id, due.product, desk)
        places[place] += Figures(due=Tally(count=1, amount=due.record.amount))
    records = _last_word(books.journal.of_day(business_date))
    for each in placed(records, books.loans):
        record, figures = each.record, figures_of(each.record)
        places[_place(record.mode, each.funder_id, each.product, desk)] += figures
        if not assists(record.mode):
            rounds[record.round_no] += figures
    for correction in vouchers.corrections_of(business_date=business_date, journal=books.journal):
        place = _place(correction.mode, correction.funder_id, correction.product, desk)
        places[place] += figures_of_correction(correction.kind, correction.amount)
    return Tallied(places=dict(places), rounds=dict(rounds))


def _dues(business_date: date, desk: Desk) -> Iterator[DueLine]:
    listed = desk.runs.get(business_date, due_list.JOB)
    for shard in sorted(listed.parts if listed else ()):
        yield from desk.due_lists.read(business_date=business_date, round_no=1, shard=shard)


def _last_word(records: Iterable[Deduction | Skip]) -> Iterator[Deduction | Skip]:
    """Leave out the skips of orders that have a result as well: it stands right before them."""
    before = ""
    for record in records:
        if not (isinstance(record, Skip) and record.order_no == before):
            yield record
        before = record.order_no


def _place(mode: str, funder_id: str, product: str, desk: Desk) -> Place:
    """Say where something belongs; what funders deduct is in no channel of ours."""
    channel = channel_of(funder_id) if assists(mode) else desk.booking.channels[0]
    return Place(mode=mode, channel=channel, funder_id=funder_id, product=product)


def _differences(business_date: date, desk: Desk) -> tuple[Differences, ...]:
    funders = map(channel_of, sorted(desk.booking.books.funders))
    return differences(
        each
        for channel in (*desk.booking.channels, *funders)
        for each in desk.booking.discrepancies.of_day(business_date, channel)
    )


def _evidence(runs: Mapping[str, Run], written: Kept) -> tuple[Evidence, ...]:
    """Name the files of the day's jobs with their digests, and what was written of them."""
    jobs = [run for job, run in sorted(runs.items()) if job != reconciliation.CLOSE_JOB]
    named = (
        each
        for run in jobs
        for facts in (run.totals, *run.parts.values())
        for each in evidence_of(facts)
    )
    return tuple(sorted({*named, Evidence(key=written.key, sha256=written.sha256)}))


# --- what must tie ----------------------------------------------------------------------


def _check_rounds(tallied: Tallied, runs: Mapping[str, Run], desk: Desk) -> None:
    """Hold the journal against what each round has told; a closed day knows every end."""
    for round_no in range(1, desk.round_count + 1):
        job = deduction_round.job_of(round_no)
        told = runs[job].totals
        ours = tallied.rounds.get(round_no, NO_FIGURES)
        theirs = {
            "succeeded": tally_of(told["succeeded"]),
            "failed": sum_of(map(tally_of, told["failed"].values())),
            "skipped": sum_of(map(tally_of, told["skipped"].values())),
        }
        for name in OF_ROUND:
            # A message of an order that nobody listed leaves a skip, and moves no money.
            if name != "skipped" or ours.tallies[name].count <= theirs[name].count:
                check(f"{job} {name}", ours.tallies[name], theirs[name])
        check(f"{job} unknown", ours.unknown, tally_of(told["unknown"]))


def _check_bills(
    business_date: date, tallied: Tallied, runs: Mapping[str, Run], desk: Desk
) -> None:
    """Hold the journal against what was reconciled: the rounds' orders, and those of borrowers."""
    reconciled = (runs[reconciliation.job_of(channel)] for channel in desk.booking.channels)
    theirs = sum_of(tally_of(run.totals["journal"]["succeeded"]) for run in reconciled)
    ours = sum((figures.succeeded for figures in tallied.rounds.values()), NONE)
    late, taken_back = _corrected(business_date, desk)
    check("reconciliation", ours + late, theirs + taken_back)


def _corrected(business_date: date, desk: Desk) -> tuple[Tally, Tally]:
    """Say what of the day's orders was found paid later, and what was found never to have been.

    Both are reconciled as they stand corrected, and booked on the day of their correction.
    """
    late = taken_back = NONE
    books = desk.booking.books
    for order_no in our_orders.handled(
        each
        for channel in desk.booking.channels
        for each in desk.booking.discrepancies.of_day(business_date, channel)
    ):
        if facts_of(order_no)[0] != business_date:
            continue
        record, order = books.journal.find(order_no), our_orders.find(order_no, books)
        was = isinstance(record, Deduction) and record.result.status is Status.SUCCEEDED
        stands = order is not None and order.state is OrderState.SUCCEEDED
        if order and stands and not was:
            late += Tally(count=1, amount=order.amount)
        elif order and was and not stands:
            taken_back += Tally(count=1, amount=order.amount)
    return late, taken_back
