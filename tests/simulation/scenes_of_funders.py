"""Who may meet over funders' files: rounds, borrowers, versions, the close of a day."""

from functools import partial

from tests.simulation.arranging import Scenes, but
from tests.simulation.meetings import Meeting
from tests.simulation.staged import BUSINESS_DATE, EVERYTHING, NOTIFICATIONS, a_book, a_loan

FUNDERS = Scenes()
JOINT = a_book(a_loan(mode="joint_lending", funder_id="F1", funder_share_bps=7_000))
ASSISTED = a_book(a_loan(mode="loan_assistance", funder_id="F3", funder_share_bps=10_000))

# --- joint lending ------------------------------------------------------------------------------


@FUNDERS.of_orders("a corrected due file × the round's opening", sample=JOINT)
def _due_file_and_opening(met: Meeting) -> None:
    _corrected_due_file(met)
    met.day.until(7.9, holding=but("walks"))
    met.gather()
    met.day.deliver("files", about="due_v2.csv.ok")
    met.day.fire("open_round_1", 8.0)


@FUNDERS.of_orders("a corrected due file × the round's walk", sample=JOINT)
def _due_file_and_walk(met: Meeting) -> None:
    _corrected_due_file(met)
    met.day.until(8.05, holding=EVERYTHING)
    met.gather()
    met.day.deliver("files", about="due_v2.csv.ok")
    met.day.deliver("walks")


@FUNDERS.of_orders("a due file × its next version", sample=JOINT)
def _due_file_and_next(met: Meeting) -> None:
    met.day.until(1.0)
    met.day.hold(*EVERYTHING)
    _send(met, "due_file", "F1", "change_amount")
    _send(met, "due_file", "F1")
    met.gather()
    met.day.deliver("files", about="due_v1.csv.ok")
    met.day.deliver("files", about="due_v2.csv.ok")


@FUNDERS.of_orders("a confirmation × the close", sample=JOINT)
def _confirmation_and_close(met: Meeting) -> None:
    _up_to_the_confirmation(met)
    _send(met, "confirmation", "F1")
    met.gather()
    met.day.deliver("files", about="confirmation_v1.csv.ok")
    met.day.fire("close_day", 36.0)


for _way in ("reject_row", "missing_line"):

    @FUNDERS.of_orders(f"a confirmation ({_way}) × its next version", sample=JOINT)
    def _confirmation_and_next(met: Meeting, way: str = _way) -> None:
        _up_to_the_confirmation(met)
        _send(met, "confirmation", "F1", way)
        _send(met, "confirmation", "F1")
        met.gather()
        met.day.deliver("files", about="confirmation_v1.csv.ok")
        met.day.deliver("files", about="confirmation_v2.csv.ok")


@FUNDERS.of_orders("a supplement × a late success", "timeout_after_charge", sample=JOINT)
def _supplement_and_success(met: Meeting) -> None:
    _cleared(met)
    for at in (22.6, 22.7):
        met.day.at(at, "sweep", partial(met.day.fire, "sweep", at))
    met.day.until(23.0, holding={"asks", NOTIFICATIONS})
    met.gather()
    met.day.deliver("asks")
    met.day.fire("sweep", 23.25)


@FUNDERS.of_orders(
    "a split's repair × the sweep", "split_fails_after_charge", "split_repair_lost", sample=JOINT
)
def _repair_and_sweep(met: Meeting) -> None:
    _cleared(met)
    met.day.until(8.3, holding={"asks", NOTIFICATIONS})
    met.gather()
    met.day.deliver("asks")
    met.day.fire("sweep", 8.5)


# --- loan assistance ----------------------------------------------------------------------------


@FUNDERS.of_orders("a results file × a forwarded repayment", sample=ASSISTED)
def _results_and_wish(met: Meeting) -> None:
    _wished(met)
    _send(met, "results", "r1")
    met.gather()
    met.day.deliver("files", about="results_r1_v1.csv.ok")
    met.day.deliver("repayments")


@FUNDERS.of_orders("a results file × the question after a forwarded repayment", sample=ASSISTED)
def _results_and_question(met: Meeting) -> None:
    met.day.funders.funder.wishes.script(ASSISTED.loans[0].agreement_no, ["timeout_after_charge"])
    _wished(met)
    met.day.until(9.1, holding=but("repayments"))
    _send(met, "results", "r1")
    met.gather()
    met.day.deliver("files", about="results_r1_v1.csv.ok")
    met.day.deliver("asks")


for _way in ("wrong_status", "change_amount", "missing_line"):

    @FUNDERS.of_orders(f"a results file ({_way}) × its next version", sample=ASSISTED)
    def _results_and_next(met: Meeting, way: str = _way) -> None:
        met.day.until(9.0, holding={"files"})
        _send(met, "results", "r1", way)
        _send(met, "results", "r1")
        met.gather()
        met.day.deliver("files", about="results_r1_v1.csv.ok")
        met.day.deliver("files", about="results_r1_v2.csv.ok")


@FUNDERS.of_orders("a results file × itself", sample=ASSISTED)
def _results_twice(met: Meeting) -> None:
    met.day.until(9.0, holding={"files"})
    _send(met, "results", "r1")
    met.gather()
    met.day.deliver("files", about="results_r1_v1.csv.ok")
    met.day.deliver("files", about='results_r1_v1.csv"')


# --- how they are brought there -----------------------------------------------------------------


def _send(met: Meeting, kind: str, about: str, way: str = "") -> None:
    side = met.day.funders
    assert side is not None
    side.send(kind, about, BUSINESS_DATE, way)


def _corrected_due_file(met: Meeting) -> None:
    """Have a spoilt due file be taken in, and the next one wait."""
    met.day.until(1.0)
    _send(met, "due_file", "F1", "change_amount")
    met.day.until(7.0)
    met.day.hold(*EVERYTHING)
    _send(met, "due_file", "F1")


def _cleared(met: Meeting) -> None:
    met.day.until(1.0)
    _send(met, "due_file", "F1")
    met.day.until(7.0)


def _up_to_the_confirmation(met: Meeting) -> None:
    """Have all be paid, billed and told, and files held from here on."""
    _cleared(met)
    met.day.until(35.1)
    met.day.hold("files")


def _wished(met: Meeting) -> None:
    """Have a borrower start a repayment that is to be forwarded, and hold it back."""
    met.day.until(9.0, holding=but("walks"))
    assert met.day.pay(met.day.quote(), key="k1").status == 202
