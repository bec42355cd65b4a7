"""The funders of a day, in process: what they send when, spoilt or right, and what they make of ours.

They are one more oracle: their books are worked out by themselves.  Here is only when they act, and
how their files travel.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from functools import partial
from random import Random  # noqa: TID251  seeded: chance is what the simulation is made of
from typing import TYPE_CHECKING, Any

from chalicelib.domain.funder import Funder as Agreed
from chalicelib.settings import settings
from infra.local.sample_book import SampleBook
from simulators.funder import Funder, NoFileError
from simulators.funder_acquirer import InProcess
from simulators.funder_contracts import AGREEMENTS
from simulators.funder_mutations import Mutation
from simulators.payment_platform import PaymentPlatform
from tests.simulation.rows import text

if TYPE_CHECKING:
    from tests.simulation.day import Day

BUCKET = "afterloan-test-exchange"
TOLERANCE_BPS = {"F1": 4_000, "F2": 2_500}
"""Of some five dues of a funder one is a fifth: less would hold every file whole."""

FUNDER_URL = "http://funder.test/v1/deductions"
LATE_HOURS = 2.6
DUE_AT = {"F1": 6.0, "F2": 5.5}
ROUNDS_AT = {1: 9.5, 2: 18.0}
READS_AT, CONFIRMS_AT = (23.9, 33.5), 35.3
SWEEPS_AT = (22.6,)
SWEEPS_BEFORE, ACTS_BEFORE = 0.4, 0.25
SWEPT_HOURS = 45.0
"""So long after a day's midnight sweeps bring its files: later ones would begin yet another day."""

NEXT_ROUND_AT = 33.0
SENT_OTHERWISE = frozenset(("late", "twice", "manifest_first"))


def our_funders(catalogue: Mapping[str, Agreed]) -> Mapping[str, Agreed]:
    """Give the catalogue of the simulated stage: smaller books, and the simulated wire."""
    return {
        name: replace(
            each,
            tolerance_bps=TOLERANCE_BPS.get(name, each.tolerance_bps),
            deductions_url=each.deductions_url and FUNDER_URL,
        )
        for name, each in catalogue.items()
    }


def is_shared(sample: SampleBook) -> bool:
    """Whether others lend in a book."""
    return any(loan.funder_id for loan in sample.loans)


class Letterbox:
    """The exchange bucket as the funders see it; while `held` is a list, they only write drafts."""

    def __init__(self, day: "Day") -> None:
        self._s3 = day.world.s3
        self.held: list[tuple[str, bytes]] | None = None

    def put(self, key: str, body: bytes) -> None:
        if self.held is not None:
            self.held.append((key, body))
        else:
            self._s3.put(BUCKET, key, body)

    def get(self, key: str) -> bytes | None:
        return self._s3.get(BUCKET, key)

    def keys(self, prefix: str) -> Sequence[str]:
        return self._s3.keys(BUCKET, prefix)


class FunderSide:
    """All funders of a day.  `sent` are the versions that were put, by kind of file and date."""

    def __init__(self, day: "Day") -> None:
        self._day, plan = day, day.plan
        self._bucket = Letterbox(day)
        clock = day.world.clock.now
        self.platform = PaymentPlatform(clock=clock, rng=Random(f"acquirer {plan.seed}"))
        self.dpd_max = settings().rules.retry_dpd_max
        self.funder = Funder(
            clock=clock,
            rng=Random(f"funder {plan.seed}"),
            bucket=self._bucket,
            acquirer=InProcess(self.platform),
            agreements={
                name: replace(agreement, dpd_max=self.dpd_max)
                for name, agreement in AGREEMENTS.items()
            },
        )
        self.funder.add_loans(
            {name: str(cell) for name, cell in asdict(loan).items()} for loan in plan.sample.loans
        )
        self.joint = sorted(
            {loan.funder_id for loan in plan.sample.loans if loan.mode == "joint_lending"}
        )
        self.assisted = sorted(
            {loan.funder_id for loan in plan.sample.loans if loan.mode == "loan_assistance"}
        )
        self.sent: Counter[tuple[str, str, date]] = Counter()
        self.objections: list[str] = []
        self._last: dict[tuple[str, str, date], list[bytes]] = {}
        for fault in plan.of_kind("funder_outcome"):
            self.platform.script(fault.about, fault.more)
        for fault in plan.of_kind("wish_outcome"):
            self.funder.wishes.script(fault.about, fault.more)

    # --- when -----------------------------------------------------------------------------

    def make_appointments(self) -> None:
        """Make the appointments of all days of the plan."""
        day = self._day
        for number, on in enumerate(day.plan.dates):
            later, faults = 24.0 * number, self._faults() if not number else {}
            for funder_id in self.joint:
                self._expect("due_file", funder_id, on, DUE_AT[funder_id] + later, faults)
                self._expect("confirmation", funder_id, on, CONFIRMS_AT + later, faults)
            for round_no, at in ROUNDS_AT.items() if self.assisted else ():
                self._expect("results", f"r{round_no}", on, at + later, faults)
            for at in READS_AT:
                self._at(at + later, partial(self.read, on))
            for at in SWEEPS_AT:
                day.timetable.fire("sweep", at + later)
        if self.assisted and any(day.plan.of_kind("next_round")):
            following = day.plan.dates[-1] + timedelta(days=1)
            later = 24.0 * (len(day.plan.dates) - 1)
            self._at(NEXT_ROUND_AT + later, partial(self.send, "results", "r1", following))

    def catch_up(self, at: float, *, sweeps: bool) -> None:
        """Have files that are right come before the day's nets are drawn in once more."""
        if sweeps and at < SWEPT_HOURS + 24.0 * (len(self._day.plan.dates) - 1):
            self._day.timetable.fire("sweep", at - SWEEPS_BEFORE)
        self._at(at - ACTS_BEFORE, self._correct)

    def _faults(self) -> Mapping[tuple[str, str], tuple[str, float]]:
        kinds = ("due_file", "results", "confirmation")
        return {(each.kind, each.about): each.more for each in self._day.plan.of_kind(*kinds)}

    def _at(self, hours: float, keep: Callable[[], object]) -> None:
        self._day.at(hours, "a funder", keep)

    def _expect(
        self,
        kind: str,
        about: str,
        on: date,
        at: float,
        faults: Mapping[tuple[str, str], tuple[str, float]],
    ) -> None:
        way, corrected_at = faults.get((kind, about), ("", 0.0))
        self._at(at, partial(self.send, kind, about, on, way))
        if corrected_at > at:
            self._at(corrected_at, partial(self.send, kind, about, on))

    def _correct(self) -> None:
        """Send again what was not right, and what has come since."""
        for on in self._day.plan.dates:
            for round_no in ROUNDS_AT if self.assisted else ():
                self.send("results", f"r{round_no}", on)
            for funder_id in self.joint:
                self.send("confirmation", funder_id, on)

    # --- what -----------------------------------------------------------------------------

    def read(self, on: date) -> None:
        """Have every funder read what was collected for it."""
        self._tell_recuts()
        for funder_id in self.joint:
            told: Any = self.funder.take_repayments(funder_id=funder_id, day=on)
            for one in told["objections"]:
                self.objections.append(f"{funder_id} {one['order_no']}: {one['reason']}")
            for key, reason in told["unusable"].items():
                self.objections.append(f"{key}: {reason}")

    def send(self, kind: str, about: str, on: date, way: str = "") -> None:
        """Send the next version of a file, spoilt in one way; what is as it was is not sent again.

        A day that is closed is closed.
        """
        place = kind, about, on
        if self._day.is_closed(on):
            return
        is_late = way == "late"
        mutations = () if way in SENT_OTHERWISE or not way else (Mutation(kind=way),)
        files = self._drafted(kind, about, on, self.sent[place] + 1, mutations)
        if not files or [body for _, body in files] == self._last.get(place):
            return
        self.sent[place] += 1
        self._last[place] = [body for _, body in files]
        self._day.tell(f"{kind} {about} v{self.sent[place]} of {on} {way}".rstrip())
        if way == "manifest_first":
            files.reverse()
        put = partial(self._put, files * (2 if way == "twice" else 1))
        if is_late:
            self._day.after(LATE_HOURS * 3600, "a late file", put)
        else:
            put()

    def _put(self, files: Sequence[tuple[str, bytes]]) -> None:
        for key, body in files:
            self._bucket.put(key, body)

    def _drafted(
        self, kind: str, about: str, on: date, version: int, mutations: Sequence[Mutation]
    ) -> list[tuple[str, bytes]]:
        """Have the funder write a file, and keep it back."""
        more: dict[str, Any] = {"day": on, "version": version, "mutations": mutations}
        self._tell_recuts()
        self._bucket.held = drafts = []
        try:
            if kind == "due_file":
                self.funder.send_due_file(funder_id=about, **more)
            elif kind == "results":
                for funder_id in self.assisted:
                    self.funder.run_round(funder_id=funder_id, round_no=int(about[1:]), **more)
            else:
                self.funder.confirm(funder_id=about, **more)
        except NoFileError:
            return []
        finally:
            self._bucket.held = None
        return drafts

    def _tell_recuts(self) -> None:
        """Tell how borrowers wished what they paid ahead to cut their schedules: no file does."""
        for row in self._day.rows.all("quotes"):
            *_, recut = text(row["wish"]).split(",")
            loan_id = text(row["loan_id"])
            if recut and self._day.book.loans[loan_id].funder_id:
                on = text(row["as_of"]).replace("-", "")
                order_no = f"{on}-{text(row['quote_id'])}-{loan_id}"
                self.funder.recut(loan_id=loan_id, order_no=order_no, recut=recut)
