"""When what happens on a simulated day, by itself or as it was drawn."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from chalicelib import wiring
from tests.simulation.plan import HOURS, JOBS

if TYPE_CHECKING:
    from tests.simulation.day import Day

SWEEPS = {
    "calm": (8.5, 16.5, 23.5),
    "usual": (0.5, 8.25, 8.75, 16.25, 16.75, 23.5),
    "storm": (0.5, 8.25, 8.75, 12.25, 16.25, 16.75, 21.75, 23.5, 23.75, 24.1),
}
"""Of the 96 sweeps of a real day, how many there are: a sweep that finds nothing proves nothing."""

RELEASES = (8.5, 12.2, 16.5, 21.9, 32.0)
BILLS, CLOSINGS = (34.0, 35.5, 37.0), (35.0, 36.0)
RECOVERIES = (37.5, 38.5, 39.5, 40.5, 59.0, 60.0, 61.0)
BRINGS_BILL = 59.0


class Timetable:
    """The appointments of one seed."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self._later = 24.0 * (len(day.plan.dates) - 1)

    def make(self) -> None:
        """Make all appointments, those of the faults as well."""
        day, plan = self._day, self._day.plan
        for number, on in enumerate(plan.dates):
            later = 24.0 * number
            for job in JOBS:
                self._expect(job, later)
            for at in SWEEPS[plan.weather.name]:
                self.fire("sweep", at + later)
            for at in RELEASES:
                self.fire("release_texts", at + later)
            first, *more = BILLS
            day.at(first + later, "bill", lambda on=on: day.bills.drop(on))
            for at in more:
                day.at(at + later, "bill", lambda on=on: self._correct(on))
            for at in CLOSINGS:
                day.at(at + later, "close_day", lambda on=on, at=at + later: self._close(on, at))
        day.borrowers.make_appointments()
        day.staff.make_appointments(self._later)
        if day.funders:
            day.funders.make_appointments()
        for fault in plan.of_kind("more_loans"):
            day.at(fault.at, "more loans", lambda how=fault.about: day.more_loans.drop(how))
        self._make_switches()

    def recoveries(self) -> Iterator[tuple[float, bool]]:
        """List when the nets are drawn in, and whether another bill comes before."""
        for at in RECOVERIES:
            yield at + self._later, at == BRINGS_BILL

    def pause(self, on: bool) -> None:
        wiring.controls().pause(on=on, by="drill", at=self._day.world.clock.now())

    def fire(self, job: str, at: float) -> None:
        self._day.at(at, job, lambda: self._day.fire(job, at))

    def _close(self, on: object, at: float) -> None:
        """A day that is closed is not closed again."""
        if not self._day.is_closed(on):  # type: ignore[arg-type]
            self._day.fire("close_day", at)

    def _correct(self, on: object) -> None:
        if not self._day.is_closed(on):  # type: ignore[arg-type]
            self._day.bills.correct(on)  # type: ignore[arg-type]

    def _make_switches(self) -> None:
        day = self._day
        switches: Mapping[str, Callable[[bool], None]] = {
            "platform_down": lambda on: setattr(day.world.platforms, "is_down", on),
            "platform_throttling": lambda on: setattr(day.world.platforms, "is_throttling", on),
            "paused": self.pause,
            "funder_down": lambda on: setattr(day.world.platforms, "is_funder_down", on),
        }
        for fault in day.plan.of_kind(*switches):
            turn = switches[fault.kind]
            day.at(fault.at, fault.kind, lambda turn=turn: turn(True))
            day.at(fault.until, f"{fault.kind} over", lambda turn=turn: turn(False))

    def _expect(self, job: str, later: float) -> None:
        """Have a scheduled job fire as it should, or as was drawn for the first day's."""
        at = HOURS[job] + later
        faults = self._day.plan.of_kind("job_missing", "job_thrice", "job_late")
        fault = next((each for each in faults if each.about == job and not later), None)
        match fault.kind if fault else "":
            case "job_missing":
                return
            case "job_late":
                self._day.at(at + fault.more, job, lambda: self._day.fire(job, at))  # type: ignore[union-attr]
                return
            case "job_thrice":
                for again in (0.0, 0.001):
                    self._day.at(at + again, job, lambda: self._day.fire(job, at))
        self.fire(job, at)
