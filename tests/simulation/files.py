"""The files that arrive: the platform's bills, in time, late, twice, spoilt; and more loans."""

from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING

from infra.local import sample_book
from infra.local.sample_book import SampleBook
from simulators import bill
from tests.simulation import book as books
from tests.simulation.world import BUCKET

if TYPE_CHECKING:
    from tests.simulation.day import Day

LATE_HOURS = 1.2


class MoreLoans:
    """Drops another loans file into the exchange bucket in the course of the day."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self.sample: SampleBook | None = None

    def drop(self, how: str) -> None:
        """Drop it; its manifest may be first, and both may come twice."""
        day = self._day
        self.sample = sample = books.more(day.plan.book)
        key = sample_book.key(sample, version=2)
        files = [(key, sample_book.loans_csv(sample)), (f"{key}.ok", sample_book.manifest(sample))]
        if how == "manifest first":
            files.reverse()
        day.tell(f"{len(sample.loans)} more loans arrive, {how}")
        for name, body in files * (2 if how == "twice" else 1):
            day.world.s3.call("PutObject", {"Bucket": BUCKET, "Key": name, "Body": body})


class Bills:
    """Drops bills into the exchange bucket."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._versions: Counter[date] = Counter()
        self._spoilt = next(iter(day.plan.of_kind("bill")), None)

    def drop(self, on: date) -> None:
        """Drop a date's first bill; the first date's as it was drawn."""
        is_first = on == self._day.plan.business_date
        kind = self._spoilt.about if self._spoilt and is_first else ""
        if kind == "late":
            self._day.after(LATE_HOURS * 3600, "late bill", lambda: self._put(on))
        elif kind == "twice":
            self._put(on)
            self._put(on, version=1)
        else:
            self._put(on, kind)

    def correct(self, on: date) -> None:
        """Drop a corrected bill: the platform gives back what it took too much."""
        self._day.payment.correct()
        self._put(on)

    def drop_following(self) -> None:
        """Drop the bill of the day after: what was left to it stands there."""
        self._put(self._day.plan.dates[-1] + timedelta(days=1))

    def _put(self, on: date, kind: str = "", *, version: int = 0) -> None:
        self._versions[on] = version = version or self._versions[on] + 1
        mutations = (bill.Mutation(kind=kind),) if kind else ()
        made = self._day.payment.bill(day=on, mutations=mutations)
        told = f"bill v{version} of {on}: {made.rows} rows, {made.amount_fen} fen {kind}"
        self._day.tell(told.rstrip())
        key, manifest_key = bill.keys_of(day=on, channel="main", version=version)
        s3 = self._day.world.s3
        s3.call("PutObject", {"Bucket": BUCKET, "Key": key, "Body": made.body})
        if made.manifest is not None:
            s3.call("PutObject", {"Bucket": BUCKET, "Key": manifest_key, "Body": made.manifest})
