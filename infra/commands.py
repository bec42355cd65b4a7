"""bin/afterloan: bring the local cloud up, drive a business day, look at what became of it.

Exit codes: 0 done, 1 something is wrong with the system or the data, 2 wrong use.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from infra import driving, files, identity, looking, proof, validating
from infra.local import office
from infra.local.business_day import StepFailedError
from infra.local.cloud import STAGE, IllegalPortError, NoFreePortsError
from infra.local.controls import RefusedError
from infra.local.deployment import DeploymentFailedError
from infra.local.packaging import PackagingFailedError
from infra.local.processes import NotStartedError, PortInUseError

WRONG = 1
WRONG_USE = 2
CLOUDLESS = frozenset({"up", "down", "demo", "doctor", "validate-file", "simulate", "replay"})
CLOUDLESS_WHEN_DRY = frozenset({"seed", "run-day", "drop"})
EXPECTED = (
    office.CommandError,
    StepFailedError,
    PortInUseError,
    NotStartedError,
    PackagingFailedError,
    DeploymentFailedError,
    NoFreePortsError,
    RefusedError,
    BotoCoreError,
    ClientError,
    PynamoDBException,
)
"""What may go wrong without being a fault of the tool: told in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and give the exit code."""
    options = _parser().parse_args(arguments)
    try:
        office.connect(options.stage)
    except IllegalPortError as error:
        sys.stderr.write(f"afterloan: {error}\n")
        return WRONG_USE
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"afterloan: stage {options.stage} cannot be reached: {error}\n")
        return WRONG
    if _needs_cloud(options) and not office.answers():
        ports = office.local_cloud().ports
        sys.stderr.write(
            f"afterloan {options.command}: no local cloud on port {ports.cloud}:"
            " start one with `bin/afterloan up`\n"
        )
        return WRONG
    verb: Callable[[argparse.Namespace], Any] = options.verb
    try:
        found = verb(options)
    except EXPECTED as error:
        sys.stderr.write(f"afterloan {options.command}: {error}\n")
        return WRONG
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if found is not None:
        show(found, as_json=options.json)
    return 0


def _needs_cloud(options: argparse.Namespace) -> bool:
    is_dry = options.command in CLOUDLESS_WHEN_DRY and options.dry_run
    return options.stage == STAGE and options.command not in CLOUDLESS and not is_dry


def show(found: object, *, as_json: bool) -> None:
    """Print what was found: text as it is, anything else as JSON or as lines."""
    if as_json or not isinstance(found, str):
        sys.stdout.write(json.dumps(found, default=_plain, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(found.rstrip("\n") + "\n")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="afterloan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--stage", default=STAGE, choices=("local", "test", "prod"), help="local by default"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _cloud_commands(commands)
    _day_commands(commands)
    _looking_commands(commands)
    _identity_commands(commands)
    _proof_commands(commands)
    return parser


def _add(
    commands: Any, name: str, verb: Callable[[argparse.Namespace], Any], says: str
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, help=says, description=says)
    added.set_defaults(verb=verb)
    return added


def _dry(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dry-run", action="store_true", help="say what would be done")


def _cloud_commands(commands: Any) -> None:
    _add(
        commands,
        "up",
        driving.up,
        "start the local cloud and the simulated platforms, deploy both stacks",
    )
    _add(
        commands,
        "down",
        driving.down,
        "stop what `up` started, by process id; its data are forgotten",
    )
    _add(
        commands,
        "doctor",
        driving.doctor,
        "check that this machine and the running stage are in order",
    )
    demo = _add(
        commands,
        "demo",
        driving.demo,
        "up, seed, a business day, the next morning, the report, down",
    )
    _book(demo)
    demo.add_argument("--keep", action="store_true", help="leave everything running")


def _book(command: argparse.ArgumentParser) -> None:
    command.add_argument("--loans", type=_positive, default=320, metavar="N", help="how many: 320")
    command.add_argument("--seed", type=int, default=7, metavar="S", help="which book: 7")
    command.add_argument(
        "--date", type=_date, default=None, help="business date, YYYY-MM-DD; tomorrow by default"
    )


def _day_commands(commands: Any) -> None:
    seed = _add(commands, "seed", driving.seed, "drop a made-up loan book into the exchange bucket")
    _book(seed)
    _dry(seed)
    run_day = _add(
        commands, "run-day", driving.run_day, "drive a business day and the next morning"
    )
    run_day.add_argument("--date", type=_date, required=True)
    run_day.add_argument(
        "--until", default="", metavar="JOB", help="stop after this job; --dry-run lists them"
    )
    run_day.add_argument("--resume", action="store_true", help="go on from the clock's time")
    run_day.add_argument(
        "--mutate",
        action="append",
        default=[],
        metavar="M",
        help="spoil the bill, as docs/interfaces.md says (repeatable)",
    )
    _dry(run_day)
    clock = _add(commands, "clock", driving.clock, "business time of a local or test stage")
    clock.add_argument("action", choices=("show", "set", "advance"))
    clock.add_argument("value", nargs="?", default="", help="RFC 3339 time, or minutes to advance")
    _dry(clock)
    drop = _add(
        commands, "drop", files.drop, "put a file and its manifest into the exchange bucket"
    )
    drop.add_argument("file", type=Path)
    drop.add_argument("key", help="where to, such as in/loans/20261124/loans_v2.csv")
    drop.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    _dry(drop)
    _validate_command(commands)
    reconcile = _add(
        commands,
        "reconcile",
        files.reconcile,
        "match the newest bill of a date with the journal again",
    )
    reconcile.add_argument("--date", type=_date, required=True)
    _dry(reconcile)
    for name, says in (("pause", "send no more deductions"), ("resume", "send deductions again")):
        switch = _add(commands, name, driving.switch, says)
        switch.add_argument("--by", required=True, help="who turns the switch")
        _dry(switch)


def _validate_command(commands: Any) -> None:
    validate = _add(
        commands,
        "validate-file",
        validating.validate_file,
        "list every bad line of a file, take nothing in",
    )
    validate.description = (
        "List every bad line of a file, offline; nothing is taken in.  The file is read as FUNDER"
        " has agreed to write its kind, or in DIALECT if that is named as well; with neither, in"
        " the default dialect: comma, UTF-8, whole fen, our column names, a manifest.  Exit 1 if"
        " there is a fault, 2 if there is no such file, funder or dialect, or if no such file goes"
        " between the funder and us."
    )
    validate.add_argument("file", type=Path)
    validate.add_argument("--kind", choices=sorted(validating.KINDS), required=True)
    validate.add_argument(
        "--funder", default="", metavar="FUNDER", help="whose file; by default the KEY's funder"
    )
    validate.add_argument(
        "--dialect", default="", metavar="DIALECT", help="how it is written, whatever is agreed"
    )
    validate.add_argument(
        "--key",
        default="",
        metavar="KEY",
        help="its name in the exchange bucket: checks name and size, of results rounds and times",
    )
    manifest = validate.add_mutually_exclusive_group()
    manifest.add_argument(
        "--manifest", type=Path, default=None, metavar="M", help="FILE.ok by default"
    )
    manifest.add_argument(
        "--no-manifest", action="store_true", help="judge the lines alone, though one is agreed"
    )
    validate.add_argument("--json", action="store_true", default=argparse.SUPPRESS)


def _looking_commands(commands: Any) -> None:
    runs = _add(commands, "runs", looking.runs, "what the jobs of a date did")
    runs.add_argument(
        "--date", type=_date, default=None, help="YYYY-MM-DD; the last one with runs by default"
    )
    for name, verb, says in (
        (
            "report",
            looking.day_report,
            "the frozen report of a closed day, held against its digest",
        ),
        ("vouchers", looking.vouchers, "a closed day's vouchers by account: debit and credit"),
    ):
        of_day = _add(commands, name, verb, says)
        of_day.add_argument("--date", type=_date, required=True, help="YYYY-MM-DD")
        of_day.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    runs.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    of_date = _add(
        commands, "files", files.files, "what became of the files of a date, and why not"
    )
    of_date.add_argument("--date", type=_date, required=True)
    of_date.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    read = _add(commands, "read", files.read, "print an object of the exchange bucket")
    read.add_argument("key", help="such as quarantine/in/loans/20261124/loans_v2.csv.reasons.json")
    loan = _add(
        commands, "loan", looking.loan, "one loan: terms, schedule, what it owes, its payments"
    )
    loan.add_argument("loan_id")
    order = _add(
        commands,
        "order",
        looking.order,
        "one deduction order: journal, slot and platform side by side",
    )
    order.add_argument("order_no")
    found = _add(
        commands, "discrepancies", looking.discrepancies, "what does not agree with a bill"
    )
    found.add_argument("action", choices=("list", "show"))
    found.add_argument("reference", nargs="?", default="", help="of `show`: the id `list` gives")
    found.add_argument("--date", type=_date, default=None, help="one date's; else all that is open")
    found.add_argument("--channel", default="main", metavar="C", help="main, funder-F1, …")
    dlq = _add(commands, "dlq", looking.dlq, "messages that failed five times")
    dlq.add_argument("action", choices=("list", "redrive"))
    dlq.add_argument("queue", nargs="?", default="", help="one queue only, such as deductions")
    _dry(dlq)


def _identity_commands(commands: Any) -> None:
    token = _add(
        commands, "token", identity.token, "an access token of the local issuer, for the API"
    )
    token.add_argument("--seconds", type=_positive, default=900, metavar="N", help="its life: 900")
    token.add_argument(
        "--role", default="borrower", metavar="R", help="borrower, the only one served today"
    )
    link = _add(
        commands, "link", identity.link, "the address of a borrower's page, good for 15 minutes"
    )
    for asked in (token, link):
        asked.add_argument("--borrower", required=True, metavar="B", help="the borrower's id")
    for name, says in (
        ("block", "keep a borrower out, though his token is still valid"),
        ("unblock", "let a borrower in again"),
    ):
        switch = _add(commands, name, identity.block, says)
        switch.add_argument("--borrower", required=True, metavar="B", help="the borrower's id")
        switch.add_argument("--by", required=True, help="who decided it")
        _dry(switch)


def _proof_commands(commands: Any) -> None:
    many = _add(
        commands,
        "simulate",
        proof.simulate,
        "play seeded days with faults, and hold the invariants",
    )
    many.add_argument("--days", type=_positive, default=500, metavar="N", help="how many: 500")
    many.add_argument("--jobs", type=_positive, default=1, metavar="J", help="processes: 1")
    many.add_argument("--seed", type=int, default=1, metavar="S", help="the first one: 1")
    one = _add(commands, "replay", proof.replay, "play one seeded day again and tell its story")
    one.add_argument("--seed", type=int, required=True, metavar="S")
    one.add_argument("--only", default="", metavar="F", help="the only faults there are: 3,17")
    one.add_argument("--shrink", action="store_true", help="look for the fewest faults that fail")
    for command in (many, one):
        command.add_argument(
            "--repaying", type=float, default=0.5, metavar="P", help="chance of early repayments"
        )
        command.add_argument("--weather", default="", help="calm, usual or storm for every day")


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a date (YYYY-MM-DD): {text}") from error


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"not a positive whole number: {text}")
    return int(text)
