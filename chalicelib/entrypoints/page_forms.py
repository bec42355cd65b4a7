"""What a borrower's forms and addresses carry: read strictly, and never as a float."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.domain.deduction import Kind
from chalicelib.domain.money import Money
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Recut
from chalicelib.entrypoints import request_body
from chalicelib.entrypoints.request_body import UnreadableBodyError

FIELDS_MAX = 200
LOANS_MAX = 20
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)
THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,2})?", re.ASCII)
COMMAS = ",，"


class IllegalAmountError(ValueError):
    """The text is no amount of yuan; `code` says what is wrong with it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a borrower has chosen for one loan, as he sent it."""

    loan_id: str
    kind: str = ""
    amount: str = ""
    recut: str = ""

    @property
    def wish(self) -> Wish:
        """Read the wish.

        :raises IllegalAmountError: if nothing was chosen, or the amount is none.
        """
        if self.kind not in {Kind.OVERDUE, Kind.INSTALMENT, Kind.PARTIAL, Kind.FULL}:
            raise IllegalAmountError("choice_missing")
        if self.kind != Kind.PARTIAL:
            return Wish(kind=Kind(self.kind))
        recut = Recut(self.recut) if self.recut in set(Recut) else None
        return Wish(kind=Kind.PARTIAL, amount=amount_of(self.amount), recut=recut)


def amount_of(text: str) -> Money:
    """Read an amount of yuan with at most two decimals, as people write it and pages show it.

    >>> amount_of("1234.5"), amount_of("0.07"), amount_of(" 1,234 ")
    (Money(fen=123450), Money(fen=7), Money(fen=123400))

    :raises IllegalAmountError: if it is anything else; what two people could read differently
        is refused.
    """
    given = text.strip(" ")
    if not given:
        raise IllegalAmountError("amount_missing")
    if THOUSANDS.fullmatch(given):
        given = given.replace(",", "")
    if any(comma in given for comma in COMMAS):
        raise IllegalAmountError("amount_commas")
    found = AMOUNT.fullmatch(given)
    if not found:
        raise IllegalAmountError("amount_malformed")
    yuan, fen = found.groups()
    return Money(int(yuan) * 100 + int((fen or "").ljust(2, "0")))


def query_of(request: Request) -> Mapping[str, str]:
    """Read what the address carries."""
    return dict(request.query_params or {})


def form_of(request: Request) -> Mapping[str, str]:
    """Read a form.

    :raises UnreadableBodyError: if it is too large, no form, or has a field twice.
    """
    raw = request_body.bytes_of(request)
    request_body.check_size(raw)
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        raise UnreadableBodyError("not_a_form", "not a form in UTF-8") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise UnreadableBodyError("duplicate_field", "a field is given twice")
    return fields


def loans_in(given: Mapping[str, str]) -> tuple[str, ...]:
    """List the loans that are named: each by a field of its own, so that none is folded away.

    >>> loans_in({"loan.LN1": "1", "loan.LN2": "1", "x": ""})
    ('LN1', 'LN2')

    :raises UnreadableBodyError: if there are too many.
    """
    return tuple(identified(given, "loan."))


def quotes_in(given: Mapping[str, str]) -> Mapping[str, str]:
    """List the loans that are to be paid, each with the quote that says how much."""
    return identified(given, "quote.")


def choices_in(form: Mapping[str, str]) -> tuple[Choice, ...]:
    """List what was chosen for each loan that is named."""
    return tuple(
        Choice(
            loan_id=loan_id,
            kind=form.get(f"choice.{loan_id}", ""),
            amount=form.get(f"amount.{loan_id}", ""),
            recut=form.get(f"recut.{loan_id}", ""),
        )
        for loan_id in loans_in(form)
    )


def listed(text: str) -> tuple[str, ...]:
    """Read a list of identifiers from an address.

    :raises UnreadableBodyError: if there are too many.
    """
    found = tuple(dict.fromkeys(part for part in text.split(",") if part))
    if len(found) > LOANS_MAX:
        raise UnreadableBodyError("too_many", f"at most {LOANS_MAX} at a time")
    return found


def identified(given: Mapping[str, str], prefix: str) -> Mapping[str, str]:
    """Pick the fields whose names end in an identifier.

    :raises UnreadableBodyError: if there are too many.
    """
    found = {
        name.removeprefix(prefix): text
        for name, text in given.items()
        if name.startswith(prefix) and IDENTIFIER.fullmatch(name.removeprefix(prefix))
    }
    if len(found) > LOANS_MAX:
        raise UnreadableBodyError("too_many", f"at most {LOANS_MAX} at a time")
    return found
