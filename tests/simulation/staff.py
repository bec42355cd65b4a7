"""Finance staff, through the API: they decide what no rule decides, two by two, and not always well."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.clock import clock_time
from tests.simulation.gateway import Answered, Phone
from tests.simulation.plan import Fault
from tests.simulation.tokens import token_of

if TYPE_CHECKING:
    from tests.simulation.day import Day

MAKER, CHECKER, SECOND_CHECKER = "lin", "wei", "yan"
OFFICES = ("finance", "approver")
HASTY_AT, DECIDED_AT = 34.6, 38.2
"""Between the first bill and the corrected one; after the last of them."""

REASON = "as the platform's statement shows"
EXPECTED = frozenset({200, 201, 403, 404, 409, 500, 502, 503})


class Staff:
    """`refused` is what they were told they may not do."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self.wrong_answers: list[str] = []
        self.refused: list[str] = []

    def make_appointments(self, later: float) -> None:
        """Come when it was drawn."""
        for fault in self._day.plan.of_kind("staff_hasty"):
            self._day.at(
                HASTY_AT, "hasty staff", lambda fault=fault: self._come(fault, self._hurry)
            )
        for fault in self._day.plan.of_kind("staff_decides"):
            at = DECIDED_AT + later
            self._day.at(at, "staff", lambda fault=fault: self._come(fault, self._decide))

    def _come(self, fault: Fault, work: Any) -> None:
        self._day.world.tasks.start("staff", lambda: work(fault), self._left)

    def _left(self, ended: object) -> None:
        if isinstance(ended, BaseException):
            self.wrong_answers.append(f"staff at work ended with {ended!r}")

    # --- what they do -------------------------------------------------------------------

    def _hurry(self, fault: Fault) -> None:
        """Do something about what the corrected bill is about to clear up."""
        for each in self._open():
            if each["kind"] == "missing_there" and fault.about == "reverse":
                self._worked(each, "reverse", fault)
            elif explained := self._explained(each, "accept"):
                verb = "reject" if fault.about != "reopen" else "reopen"
                who = CHECKER if verb == "reject" else MAKER
                self._said(who, explained, verb, {"reason": "too early to say"})

    def _decide(self, fault: Fault) -> None:
        """End what stands open once all bills are there."""
        for each in self._open():
            if each["state"] == "explained" and not each["is_approved"]:
                self._said(CHECKER, each, "reject", {"reason": "left lying"})
                continue
            facts = self._shown(each).get("facts", {})
            if facts.get("note") == "failed_here_paid_there":
                wanted = fault.about
                if not self._worked(each, wanted, fault) and wanted == "post_late_success":
                    self._worked(self._again(each), "refund", fault)

    def _worked(self, each: Mapping[str, Any], action: str, fault: Fault) -> bool:
        """Propose as one person and approve as another; perhaps as the same first, perhaps twice."""
        explained = self._explained(each, action)
        if not explained:
            return False
        if fault.more == "alone":
            alone = self._said(MAKER, explained, "resolve", {})
            if alone.status == 200:
                self.wrong_answers.append(f"{each['order_no']}: its maker approved it himself")
        if fault.more == "at_once":
            self._day.world.tasks.start(
                "second checker",
                lambda: self._said(SECOND_CHECKER, explained, "resolve", {}),
                self._left,
            )
        approved = self._said(CHECKER, explained, "resolve", {})
        self._day.tell(f"{action} of {each['order_no']}: {approved.status}")
        return approved.status != 409 or self._again(each).get("is_approved", False)

    def _explained(self, each: Mapping[str, Any], action: str) -> Mapping[str, Any]:
        answer = self._said(MAKER, each, "explain", {"action": action, "reason": REASON})
        return answer.body if answer.status == 200 else {}

    # --- how they say it ----------------------------------------------------------------

    def _open(self) -> list[Mapping[str, Any]]:
        answer = self._phone(MAKER).get("/v1/ops/discrepancies")
        return answer.body["discrepancies"] if answer.status == 200 else []

    def _shown(self, each: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._phone(MAKER).get(f"/v1/ops/discrepancies/{each['id']}")
        return answer.body if answer.status == 200 else {}

    def _again(self, each: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._shown(each) or each

    def _said(
        self, who: str, each: Mapping[str, Any], verb: str, wanted: Mapping[str, Any]
    ) -> Answered:
        answer = self._phone(who).post(
            f"/v1/ops/discrepancies/{each['id']}/{verb}", {"version": each["version"], **wanted}
        )
        if answer.status not in EXPECTED:
            self.wrong_answers.append(f"{verb} {each['order_no']}: {answer.status} {answer.body}")
        if answer.status in {403, 409}:
            self.refused.append(f"{verb} {each['order_no']}: {answer.body['code']}")
        return answer

    def _phone(self, who: str) -> Phone:
        day = clock_time(self._day.plan.midnight, -1)
        return Phone(world=self._day.world, token=token_of(who, day=day, roles=OFFICES))
