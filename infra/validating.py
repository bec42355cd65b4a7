"""The command that tries a file before it is sent: every fault of it, offline; nothing is taken in."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chalicelib import wiring, wiring_assistance
from chalicelib.adapters import file_layouts, funders
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS
from chalicelib.domain.funder import Funder
from chalicelib.domain.money import Money
from chalicelib.domain.told import NO_SUCH_ROUND, why_unusable
from chalicelib.flows import funder_results, loan_intake
from chalicelib.flows.file_ports import Fault, Line
from chalicelib.flows.landing import Route
from infra.examining import (
    NO_MANIFEST,
    Judge,
    beside,
    contradicted,
    examined,
    fault_as_text,
    own_faults,
)

KINDS: Mapping[str, file_layouts.Layout[Any]] = {
    "loans": file_layouts.LOANS,
    "bill": file_layouts.BILL,
    **FUNDER_LAYOUTS,
}
ROUTES: Mapping[str, str] = {
    "loans": "loans",
    "bill": "bill",
    "due": "funder_due",
    "results": "results",
    "confirmation": "funder_confirmation",
}
"""The kinds that come in, and how their routes are called."""

WHAT_WE_KNOW: Mapping[str, str] = {
    "loans": "whether a loan is in the book already, and whether the stage serves its mode",
    "bill": "whether the orders are ours, and paid on the bill's date",
    "due": "whether loans, instalments and amounts are ours",
    "results": "whether loans, instalments and amounts are ours",
    "confirmation": "whether the orders and amounts are those of the reconciliation file",
}
UNNAMED = "name, date, version and size: --key KEY checks them"
UNNAMED_RESULTS = "name, date, version, size, rounds and times: --key KEY checks them"


class WrongUseError(Exception):
    """The command line asks for what is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What a file is to be: of this kind, from this funder, written so, under this name."""

    kind: str
    form: CsvFormat[Any]
    funder: Funder | None
    key: str
    manifest: bytes | None


def validate_file(options: argparse.Namespace) -> int:
    """Read a file as the intake would, and list every fault; nothing is taken in.

    It needs no cloud.  Give 0 if all is well, 1 if something is bad, 2 if there is no such file,
    funder or dialect, or the funder has no such files.
    """
    try:
        asked = _asked(options)
    except WrongUseError as error:
        sys.stderr.write(f"afterloan validate-file: {error}\n")
        return 2
    found = _found(asked, options)
    sys.stdout.write(_as_json(found) if options.json else _as_text(found))
    return 1 if found["faults"] else 0


# --- what is asked ------------------------------------------------------------------------


def _asked(options: argparse.Namespace) -> _Asked:
    for named in (options.file, options.manifest):
        if named and not named.is_file():
            raise WrongUseError(f"no such file: {named}")
    funder, dialects = _funder(options), funders.read_dialects()
    if options.dialect and options.dialect not in dialects:
        known = ", ".join(sorted(dialects))
        raise WrongUseError(f"no dialect {options.dialect}; there are {known}")
    dialect = DEFAULT
    if options.dialect:
        dialect = dialects[options.dialect]
    elif funder:
        dialect = funders.dialect_of(funder, options.kind, dialects)
    return _Asked(
        kind=options.kind,
        form=CsvFormat(layout=KINDS[options.kind], dialect=dialect),
        funder=funder,
        key=options.key,
        manifest=options.manifest.read_bytes() if options.manifest else beside(options.file),
    )


def _funder(options: argparse.Namespace) -> Funder | None:
    """Find whose file it is: as said, else as its name in the bucket says."""
    named = re.match(r"in/funders/([^/]+)/", options.key)
    funder_id = options.funder or (named[1] if named else "")
    if not funder_id:
        return None
    known = funders.read()
    if funder_id not in known:
        raise WrongUseError(f"no funder {funder_id}; there are {', '.join(sorted(known))}")
    funder = known[funder_id]
    kinds = (*funders.sent_by(funder), *funders.sent_to(funder))
    if options.kind not in kinds:
        raise WrongUseError(
            f"no {options.kind} file goes between {funder_id} and us, only {', '.join(kinds)}"
        )
    return funder


# --- what is found ------------------------------------------------------------------------


def _found(asked: _Asked, options: argparse.Namespace) -> Mapping[str, Any]:
    route, of_name = _route(asked)
    read = examined(asked.form, options.file, _judge(asked, route))
    faults = [*of_name, *_too_large(options, route), *read.faults]
    said, of_manifest = "none is agreed, the trailer counts", list[Fault]()
    if asked.form.has_manifest and options.no_manifest:
        said = "left out, as asked"
    elif asked.form.has_manifest and asked.manifest is None:
        said, of_manifest = "missing", [Fault(column="manifest", reason=NO_MANIFEST)]
    elif asked.form.has_manifest and asked.manifest is not None:
        of_manifest = [*contradicted(asked.form, asked.manifest, path=options.file, read=read)]
        is_held = read.is_whole and read.summed is not None
        said = "agrees" if is_held else "agrees as far as the file can be read"
        said = "does not fit" if of_manifest else said
    return {
        "file": options.file.name,
        "rows": read.rows,
        "amount_fen": read.amount.fen,
        "manifest": said,
        "faults": [
            asdict(fault) for fault in sorted(faults + of_manifest, key=lambda fault: fault.line)
        ],
        "not_checked": _not_checked(asked),
    }


def _not_checked(asked: _Asked) -> Sequence[str]:
    unnamed = UNNAMED_RESULTS if asked.kind == "results" else UNNAMED
    left = [] if asked.key or asked.kind not in ROUTES else [unnamed]
    return [*left, *([WHAT_WE_KNOW[asked.kind]] if asked.kind in WHAT_WE_KNOW else [])]


def _route(asked: _Asked) -> tuple[Route[Any] | None, Sequence[Fault]]:
    """Find who would take the file under its name in the bucket, and what is wrong with that."""
    if not asked.key:
        return None, ()
    routes = wiring_assistance.files().routes
    route = next((each for each in routes if each.expects(asked.key)), None)
    if route is None:
        return None, [Fault(column="name", reason="no file of this name is expected")]
    if route.kind != ROUTES.get(asked.kind):
        return None, [
            Fault(column="name", reason=f"the name of another kind of file: {route.kind}")
        ]
    if asked.funder and f"/{asked.funder.funder_id}/" not in asked.key:
        return None, [Fault(column="name", reason="the name of another funder's file")]
    return route, _of_results(route, asked)


def _of_results(route: Route[Any], asked: _Asked) -> Sequence[Fault]:
    if asked.kind != "results" or not asked.funder:
        return ()
    _, round_no, version = route.facts_of(asked.key)
    found = []
    if round_no not in funder_results.rounds_of(asked.funder):
        found.append(Fault(column="name", reason=NO_SUCH_ROUND))
    if version > funder_results.VERSIONS_MAX:
        reason = f"more than {funder_results.VERSIONS_MAX} versions"
        found.append(Fault(column="name", reason=reason))
    return found


def _too_large(options: argparse.Namespace, route: Route[Any] | None) -> Sequence[Fault]:
    if route and options.file.stat().st_size > route.bytes_max:
        return [Fault(reason=f"larger than {route.bytes_max} bytes")]
    return ()


def _judge(asked: _Asked, route: Route[Any] | None) -> Judge:
    """Choose who names a line's faults: all that can be known without a database."""
    if asked.kind == "loans":
        return _of_loans()
    if asked.kind == "results" and route and asked.funder:
        business_date, _, _ = route.facts_of(asked.key)
        rounds = len(funder_results.rounds_of(asked.funder))

        def of_day(line: Line[Any]) -> Iterable[Fault]:
            if line.record is None:
                return line.faults
            column, reason = why_unusable(line.record, business_date=business_date, rounds=rounds)
            return [Fault(line=line.number, column=column, reason=reason)] if reason else ()

        return of_day
    return own_faults


def _of_loans() -> Judge:
    desk, seen = wiring.intakes(), set[str]()
    return lambda line: loan_intake.faults_of(line=line, seen=seen, desk=desk)


# --- how it is told -----------------------------------------------------------------------


def _as_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _as_text(found: Mapping[str, Any]) -> str:
    count = len(found["faults"])
    faults = "no fault" if not count else "1 fault" if count == 1 else f"{count} faults"
    told = [f"{found['rows']} rows, {Money(found['amount_fen'])} 元, {faults}"]
    told[0] += f" (manifest: {found['manifest']})"
    told += [fault_as_text(Fault(**fault)) for fault in found["faults"]]
    told += [f"  not checked: {what}" for what in found["not_checked"]]
    return "\n".join(told) + "\n"
