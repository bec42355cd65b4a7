"""Run items: what each job of a business date did, and how far the jobs have come."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.adapters.dynamodb.conditions import ConditionFailedError, conditional
from chalicelib.adapters.dynamodb.tables_operations import RunRow
from chalicelib.domain.run import Facts, Run

LAST = "last"
COMPLETE = "complete"
STARTED = "started"


class DynamoRuns:
    def start(self, *, business_date: date, job: str, at: datetime) -> Run:
        row = RunRow(
            business_date=business_date.isoformat(),
            job=job,
            state=STARTED,
            started_at=at,
            parts={},
        )
        try:
            # One run a job and date: whoever comes second joins the one that stands.
            with conditional():
                row.save(condition=RunRow.job.does_not_exist())
        except ConditionFailedError:
            return _run_of(RunRow.get(business_date.isoformat(), job, consistent_read=True))
        return _run_of(row)

    def get(self, business_date: date, job: str) -> Run | None:
        try:
            return _run_of(RunRow.get(business_date.isoformat(), job, consistent_read=True))
        except RunRow.DoesNotExist:
            return None

    def of_day(self, business_date: date) -> Sequence[Run]:
        rows = RunRow.query(business_date.isoformat(), consistent_read=True)
        return [_run_of(row) for row in rows]

    def put_part(self, *, business_date: date, job: str, shard: int, totals: Facts) -> Run:
        row = RunRow(business_date.isoformat(), job)
        row.update(actions=[_part(shard).set(json.dumps(totals, sort_keys=True))])
        return _run_of(row)

    def claim(self, *, business_date: date, job: str, version: int) -> bool:
        try:
            # Versions only rise: whoever works with an older file finds out, and writes no totals.
            with conditional():
                RunRow(business_date.isoformat(), job).update(
                    actions=[RunRow.claimed.set(version)],
                    condition=RunRow.claimed.does_not_exist() | (RunRow.claimed <= version),
                )
        except ConditionFailedError:
            return False
        return True

    def put_totals(self, run: Run) -> None:
        if run.is_complete:
            # First: who dies in between leaves a run that is completed when it comes again.
            self._move_last(run)
        row = RunRow(run.business_date.isoformat(), run.job)
        actions: list[Action] = [RunRow.totals.set(dict(run.totals))]
        if run.is_complete and run.completed_at:
            actions += [RunRow.state.set(COMPLETE), RunRow.completed_at.set(run.completed_at)]
        claimed = RunRow.claimed == run.claimed if run.claimed else None
        with suppress(ConditionFailedError), conditional():
            # Claimed for a later version meanwhile: its own worker writes.
            row.update(actions=actions, condition=claimed)

    def ask_reopening(self, *, business_date: date, job: str, asked: Facts) -> bool:
        try:
            # Who has asked first is who has asked, until the run is reopened.
            with conditional():
                RunRow(business_date.isoformat(), job).update(
                    actions=[
                        RunRow.asked.set(dict(asked)),
                        RunRow.asked_by.set(str(asked["by"])),
                    ],
                    condition=(RunRow.state == COMPLETE)
                    & (RunRow.asked_by.does_not_exist() | (RunRow.asked_by == str(asked["by"]))),
                )
        except ConditionFailedError:
            return False
        return True

    def reopen(self, *, business_date: date, job: str) -> bool:
        try:
            # Of two who reopen it at once one does; parts and totals stay as they are.
            with conditional():
                RunRow(business_date.isoformat(), job).update(
                    actions=[
                        RunRow.state.set(STARTED),
                        RunRow.completed_at.remove(),
                        RunRow.asked_by.remove(),
                        RunRow.reopened.add(1),
                    ],
                    condition=RunRow.state == COMPLETE,
                )
        except ConditionFailedError:
            return False
        return True

    def last_completed(self, job: str) -> date | None:
        try:
            return RunRow.get(LAST, job, consistent_read=True).last_date
        except RunRow.DoesNotExist:
            return None

    def _move_last(self, run: Run) -> None:
        try:
            # It only moves forward: a day caught up late does not hide a later one.
            with conditional():
                RunRow(LAST, run.job).update(
                    actions=[RunRow.last_date.set(run.business_date)],
                    condition=RunRow.last_date.does_not_exist()
                    | (RunRow.last_date < run.business_date),
                )
        except ConditionFailedError:
            return


def _part(shard: int) -> UnicodeAttribute:
    """Name the place of one shard inside the map of parts."""
    part: UnicodeAttribute = RunRow.parts[str(shard)]  # type: ignore[assignment]
    return part


def _run_of(row: RunRow) -> Run:
    parts: dict[str, str] = row.parts.as_dict()
    return Run(
        business_date=date.fromisoformat(row.business_date),
        job=row.job,
        state=row.state or STARTED,
        started_at=row.started_at,
        completed_at=row.completed_at,
        parts={int(shard): json.loads(totals) for shard, totals in parts.items()},
        totals=row.totals or {},
        claimed=row.claimed or 0,
        reopened=row.reopened or 0,
        asked=row.asked or {},
        is_asked=row.asked_by is not None,
    )
