"""The platform's bill: in time, late, twice, spoilt; and the corrected ones that follow it."""

from typing import TYPE_CHECKING

from simulators import bill
from tests.simulation.world import BUCKET

if TYPE_CHECKING:
    from tests.simulation.day import Day

LATE_HOURS = 1.2


class Bills:
    """Drops the day's bills into the exchange bucket, and the next days' where they are wanted."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._version = 0
        self._spoilt = next(iter(day.plan.of_kind("bill")), None)

    def drop(self) -> None:
        """Drop the day's first bill, as it was drawn."""
        spoilt = self._spoilt
        kind = spoilt.about if spoilt else ""
        if kind == "late":
            self._day.at(34.0 + LATE_HOURS, "late bill", lambda: self._put())
        elif kind == "twice":
            self._put()
            self._put(version=1)
        else:
            self._put(kind)

    def drop_another(self) -> None:
        """Drop a corrected bill: the platform gives back what it took too much."""
        self._day.payment.correct()
        self._put()

    def drop_following(self) -> None:
        """Drop the next day's: what was left to it stands there."""
        self._drop(self._day.next_date, version=1)

    def _put(self, kind: str = "", *, version: int = 0) -> None:
        self._version = version or self._version + 1
        mutations: tuple[bill.Mutation, ...] = ()
        if kind and self._spoilt:
            mutations = (bill.Mutation(kind=kind),)
        self._drop(self._day.plan.business_date, version=self._version, mutations=mutations)

    def _drop(
        self, day: object, *, version: int, mutations: tuple[bill.Mutation, ...] = ()
    ) -> None:
        made = self._day.payment.bill(day=day, mutations=mutations)  # type: ignore[arg-type]
        spoilt = ", ".join(each.kind for each in mutations)
        self._day.tell(
            f"bill v{version} of {day} {spoilt}: {made.rows} rows, {made.amount_fen} fen"
        )
        key, manifest_key = bill.keys_of(day=day, channel="main", version=version)  # type: ignore[arg-type]
        s3 = self._day.world.s3
        s3.call("PutObject", {"Bucket": BUCKET, "Key": key, "Body": made.body})
        if made.manifest is not None:
            s3.call("PutObject", {"Bucket": BUCKET, "Key": manifest_key, "Body": made.manifest})
