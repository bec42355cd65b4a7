"""The funder's routes (interfaces.md section 6)."""

import re
from collections.abc import Callable, Mapping
from datetime import date

from simulators.clock import SettableClock
from simulators.funder import Funder, NoFileError
from simulators.funder_mutations import Mutation, mutation_of
from simulators.keys import KeyRing
from simulators.service import Call, Handler, Service, clock_route, mix_route, script_route
from simulators.wire import IllegalRequestError, Reply, refusal

VERSION_MAX = 9999
DASH = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def funder_service(
    *,
    funder: Funder,
    clock: SettableClock,
    keys: KeyRing,
    refuses: Callable[[], bool] = lambda: False,
) -> Service:
    """Put the funder behind HTTP."""
    wishes = funder.wishes
    return Service(
        name="funder",
        keys=keys,
        refuses=refuses,
        routes={
            "POST /v1/deductions": lambda call: wishes.deduct(call.body),
            "GET /v1/deductions/<order_no>": lambda call: wishes.query(call.args["order_no"]),
            "POST /v1/deductions/<order_no>/close": lambda call: wishes.close(
                call.args["order_no"]
            ),
            "POST /_control/scripts": script_route("agreement_no", wishes.script),
            "POST /_control/mix": mix_route(wishes.mix),
            "POST /_control/clock": clock_route(clock),
            "POST /_control/corrections": lambda _: Reply(body={"orders": wishes.correct()}),
            "POST /_control/funders": lambda call: Reply(
                body={"funder_id": funder.agree(call.body)}
            ),
            "POST /_control/loans": _loans(funder),
            "POST /_control/recuts": _recuts(funder),
            "POST /_control/due-file": _due_file(funder),
            "POST /_control/repayments": _repayments(funder),
            "POST /_control/confirm": _confirm(funder),
            "POST /_control/round": _round(funder),
            "GET /_control/books": _books(funder),
            "GET /_control/ledger": lambda call: Reply(
                body=funder.ledger(funder_id=call.query.get("funder_id", ""))
            ),
        },
    )


def _loans(funder: Funder) -> Handler:
    """Make POST /_control/loans {loans?: [lines of a loans file]}; without, the bucket is read."""

    def loans(call: Call) -> Reply:
        given = call.body.get("loans")
        if given is None:
            return Reply(body=funder.read_loans())
        if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
            raise IllegalRequestError("loans must be a list of objects")
        lines = [{name: str(cell) for name, cell in one.items()} for one in given]
        return Reply(body=funder.add_loans(lines))

    return loans


def _recuts(funder: Funder) -> Handler:
    """Make POST /_control/recuts {loan_id, order_no, recut}."""

    def recuts(call: Call) -> Reply:
        names = ("loan_id", "order_no", "recut")
        loan_id, order_no, recut = (str(call.body.get(name)) for name in names)
        funder.recut(loan_id=loan_id, order_no=order_no, recut=recut)
        return Reply(body={"order_no": order_no, "recut": recut})

    return recuts


def _due_file(funder: Funder) -> Handler:
    """Make POST /_control/due-file {funder_id, date, version?, mutations?}."""

    def due_file(call: Call) -> Reply:
        return Reply(
            body=funder.send_due_file(
                funder_id=_funder_id(call),
                day=_day(call),
                version=_number(call, "version"),
                mutations=_mutations(call),
            )
        )

    return due_file


def _repayments(funder: Funder) -> Handler:
    """Make POST /_control/repayments {funder_id, date}."""

    def repayments(call: Call) -> Reply:
        return Reply(body=funder.take_repayments(funder_id=_funder_id(call), day=_day(call)))

    return repayments


def _confirm(funder: Funder) -> Handler:
    """Make POST /_control/confirm {funder_id, date, version?, mutations?}; 409 NO_FILE without one."""

    def confirm(call: Call) -> Reply:
        try:
            answer = funder.confirm(
                funder_id=_funder_id(call),
                day=_day(call),
                version=_number(call, "version"),
                mutations=_mutations(call),
            )
        except NoFileError as error:
            return refusal(409, "NO_FILE", str(error))
        return Reply(body=answer)

    return confirm


def _round(funder: Funder) -> Handler:
    """Make POST /_control/round {funder_id, date, round, version?, mutations?}."""

    def run(call: Call) -> Reply:
        return Reply(
            body=funder.run_round(
                funder_id=_funder_id(call),
                day=_day(call),
                round_no=_number(call, "round", default=0),
                version=_number(call, "version"),
                mutations=_mutations(call),
            )
        )

    return run


def _books(funder: Funder) -> Handler:
    """Make GET /_control/books?funder_id=&date=."""

    def books(call: Call) -> Reply:
        day = call.query.get("date")
        return Reply(
            body=funder.books(
                funder_id=call.query.get("funder_id", ""),
                as_of=date.fromisoformat(day) if day else None,
            )
        )

    return books


def _funder_id(call: Call) -> str:
    return str(call.body.get("funder_id"))


def _day(call: Call) -> date:
    given = call.body.get("date")
    if not isinstance(given, str) or not DASH.fullmatch(given):
        raise ValueError("date must be YYYY-MM-DD")
    return date.fromisoformat(given)


def _number(call: Call, name: str, *, default: int = 1) -> int:
    given = call.body.get(name, default)
    if type(given) is not int or not 1 <= given <= VERSION_MAX:
        raise ValueError(f"{name} must be a whole number of 1 or more")
    return given


def _mutations(call: Call) -> list[Mutation]:
    given = call.body.get("mutations", [])
    if not isinstance(given, list):
        raise IllegalRequestError("mutations must be a list")
    return [mutation_of(each) for each in given]
