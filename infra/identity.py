"""Commands about who may call: a token, a link to a borrower's page, a borrower kept out."""

import argparse
import re
import sys
from typing import Any

import urllib3

from chalicelib import wiring
from chalicelib.adapters.access_tokens import SUBJECT, TokensUnverifiableError
from chalicelib.adapters.wall_clock import wall_clock
from infra.local import controls, office
from infra.local.cloud import STAGE
from infra.local.office import CommandError

ROLE = re.compile(r"[a-z_]{1,32}", re.ASCII)


def token(options: argparse.Namespace) -> Any:
    if options.stage != STAGE:
        raise CommandError(
            f"stage {options.stage} has an issuer of its own: sign in there; "
            "only the local stage's issuer gives tokens away"
        )
    if not ROLE.fullmatch(options.role):
        raise CommandError(f"not a role (lower-case letters and _): {options.role!r}")
    wanted = {
        "sub": _borrower_of(options),
        "roles": [options.role],
        "seconds": options.seconds,
        "audience": office.AUDIENCE,
    }
    try:
        made = controls.tell(office.local_cloud().issuer_url, "tokens", wanted)
    except urllib3.exceptions.HTTPError as error:
        raise CommandError("the issuer does not answer: `bin/afterloan up` starts it") from error
    return made if options.json else made["access_token"]


def link(options: argparse.Namespace) -> str:
    if options.stage == "prod":
        raise CommandError("not in production: whoever opens it is the borrower")
    borrower_id = _borrower_of(options)
    try:
        made = wiring.page_tokens().link(borrower_id, now=wall_clock())
    except TokensUnverifiableError as error:
        raise CommandError(str(error)) from error
    return f"{office.api_url(options.stage)}/m/enter?token={made}"


def block(options: argparse.Namespace) -> str:
    on = options.command == "block"
    borrower_id = _borrower_of(options)
    says = "kept out, whatever token he holds" if on else "let in again"
    if options.dry_run:
        return f"{borrower_id} would be {says}"
    wiring.controls().block(borrower_id, on=on, by=options.by, at=wall_clock())
    return f"{borrower_id} is {says}"


def _borrower_of(options: argparse.Namespace) -> str:
    borrower_id: str = options.borrower
    if not SUBJECT.fullmatch(borrower_id):
        raise CommandError(f"not a borrower's id (letters, digits, _ and -): {borrower_id!r}")
    if not wiring.books().loans.of_borrower(borrower_id):
        sys.stderr.write(f"afterloan: {borrower_id} has no loan in the book\n")
    return borrower_id
