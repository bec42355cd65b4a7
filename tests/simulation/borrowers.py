"""Borrowers who pay early, through the API: in two tabs, with two taps, at the worst moments."""

from typing import TYPE_CHECKING, Any

from tests.simulation.clock import clock_time
from tests.simulation.gateway import Phone
from tests.simulation.plan import Visit
from tests.simulation.tokens import token_of

if TYPE_CHECKING:
    from tests.simulation.day import Day


class Borrowers:
    """`promised` is what we have said an order will charge, by its number."""

    def __init__(self, day: "Day") -> None:
        self._day = day
        self.promised: dict[str, int] = {}
        self.refused: list[str] = []
        self.wrong_answers: list[str] = []

    def make_appointments(self) -> None:
        for place, visit in enumerate(self._day.plan.visits):
            for tab in range(visit.tabs):
                self._day.at(
                    visit.at,
                    "a borrower",
                    lambda place=place, visit=visit, tab=tab: self._come(place, visit, tab),
                )

    def _come(self, place: int, visit: Visit, tab: int) -> None:
        day = self._day
        loan = day.plan.sample.loans[visit.loan]
        token = token_of(loan.borrower_id, day=clock_time(day.plan.midnight, -1))
        phone = Phone(world=day.world, token=token)
        key = f"visit-{place}-{tab}"
        day.tell(f"{loan.borrower_id} wishes to pay {visit.kind} of {loan.loan_id}")

        def visited() -> None:
            if quote_id := self._quoted(phone, loan.loan_id, visit):
                for tap in range(1, visit.taps):
                    day.world.tasks.start(
                        f"tap {tap}",
                        lambda: self._pay(phone, loan.loan_id, quote_id, key),
                        nobody_waits,
                    )
                self._pay(phone, loan.loan_id, quote_id, key)

        day.world.tasks.start("visit", visited, self._left)

    def _left(self, ended: object) -> None:
        if isinstance(ended, BaseException):
            self.wrong_answers.append(f"a visit ended with {ended!r}")

    def _quoted(self, phone: Phone, loan_id: str, visit: Visit) -> str:
        wanted: dict[str, Any] = {"kind": visit.kind}
        shown = phone.get(f"/v1/loans/{loan_id}")
        if visit.kind == "partial":
            principal = (shown.body or {}).get("outstanding_principal_fen", 1_000_000)
            wanted |= {
                "amount_fen": 100_00 + int(visit.amount_share * principal),
                "recut": visit.recut,
            }
        quoted = phone.post(f"/v1/loans/{loan_id}/quotes", wanted)
        if quoted.status == 201:
            return str(quoted.body["quote_id"])
        self._refusal("quote", quoted)
        return ""

    def _pay(self, phone: Phone, loan_id: str, quote_id: str, key: str) -> None:
        begun = phone.post(f"/v1/loans/{loan_id}/repayments", {"quote_id": quote_id}, key=key)
        if begun.status != 202:
            self._refusal("repayment", begun)
            return
        self.promised[begun.body["order_no"]] = begun.body["amount_fen"]
        self._day.tell(f"{begun.body['order_no']} is on its way")
        seen = phone.get(f"/v1/repayments/{begun.body['order_no']}")
        if seen.status not in {200, 500, 502, 503}:
            self.wrong_answers.append(f"{begun.body['order_no']}: asked after, {seen.status}")

    def _refusal(self, what: str, answer: Any) -> None:
        code = (answer.body or {}).get("code", "") if isinstance(answer.body, dict) else ""
        self.refused.append(f"{what} {answer.status} {code}")
        if answer.status in {400, 401, 403, 404, 405}:
            self.wrong_answers.append(f"{what}: {answer.status} {code}")


def nobody_waits(_: object) -> None:
    """Nobody waits for a second tap."""
