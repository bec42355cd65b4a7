"""What the funder knows of its loans: the agreements it made, and the loans files it was sent."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from simulators.funder_dialects import DIALECTS, Dialect, dialect_of
from simulators.funder_schedule import Contract, ProductTerms
from simulators.funder_split import AS_THE_CUSTOMER, WHOLE_BPS, Sharing, SplitTerms

JOINT, ASSISTED = "joint_lending", "loan_assistance"
DPD_MAX = 90

PRODUCTS: Mapping[str, ProductTerms] = {
    "consumer": ProductTerms(),
    "consumer_act": ProductTerms(day_count="ACT/365"),
    "cash_line": ProductTerms(day_count="ACT/360"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """One funder, as it sees itself.

    New loans are made under `terms`; a loan more than `dpd_max` days past due is on none of its
    lists; `dialects` are by kind of file, the contract's own where none is named.
    """

    funder_id: str
    terms: SplitTerms = AS_THE_CUSTOMER
    dpd_max: int = DPD_MAX
    dialects: Mapping[str, Dialect] = field(default_factory=dict)

    def dialect(self, kind: str) -> Dialect:
        return self.dialects.get(kind, DIALECTS["default"])


AGREEMENTS: Mapping[str, Agreement] = {
    "F1": Agreement(funder_id="F1", terms=SplitTerms(rate=Fraction("0.085"))),
    "F2": Agreement(
        funder_id="F2",
        terms=SplitTerms(rate=Fraction("0.09"), penalty_to="platform"),
        dialects=dict.fromkeys(
            ("due", "confirmation", "repayments", "reconciliation"), DIALECTS["gb18030-trailer"]
        ),
    ),
    "F3": Agreement(
        funder_id="F3",
        terms=SplitTerms(penalty_to="funder"),
        dialects={"results": DIALECTS["pipe-backtick"]},
    ),
}


def agreement_of(given: Mapping[str, object], standing: Agreement | None = None) -> Agreement:
    """Read an agreement {funder_id, rate?, penalty_to?, dpd_max?, dialects?}; what is not said stays.

    :raises ValueError: if it is none.
    """
    funder_id = given.get("funder_id")
    if not isinstance(funder_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", funder_id):
        raise ValueError("funder_id must be 1 to 32 of A-Z a-z 0-9 _ -")
    before = standing or Agreement(funder_id=funder_id)
    rate = given.get("rate", before.terms.rate)
    dpd_max, dialects = given.get("dpd_max", before.dpd_max), given.get("dialects", {})
    if type(dpd_max) is not int or not isinstance(dialects, Mapping):
        raise ValueError("dpd_max must be a whole number, dialects an object")
    try:
        own_rate = None if rate is None else Fraction(str(rate))
    except ValueError as error:
        raise ValueError("rate must be a plain decimal, or null") from error
    return Agreement(
        funder_id=funder_id,
        terms=SplitTerms(
            rate=own_rate, penalty_to=str(given.get("penalty_to", before.terms.penalty_to))
        ),
        dpd_max=dpd_max,
        dialects={
            **before.dialects,
            **{kind: dialect_of(dialect) for kind, dialect in dialects.items()},
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Loan:
    """One loan a funder takes part in; of an assisted one the whole is the funder's."""

    loan_id: str
    funder_id: str
    mode: str
    agreement_no: str
    contract: Contract
    sharing: Sharing


def loan_of(
    told: Mapping[str, str],
    agreements: Mapping[str, Agreement],
    products: Mapping[str, ProductTerms],
) -> Loan | None:
    """Read one line of a loans file; None if it is nobody's of ours.

    :raises ValueError: if it is ours and cannot be read.
    """
    mode, funder_id = told.get("mode", ""), told.get("funder_id", "")
    if mode not in {JOINT, ASSISTED} or funder_id not in agreements:
        return None
    try:
        rate = Fraction(told["annual_rate"])
        contract = Contract(
            principal_fen=int(told["principal_fen"]),
            annual_rate=rate,
            method=told["method"],
            months=int(told["terms"]),
            disbursed_on=date.fromisoformat(told["disbursed_on"]),
            first_due_on=date.fromisoformat(told["first_due_on"]),
            product=products[told["product"]],
        )
        share = WHOLE_BPS if mode == ASSISTED else int(told["funder_share_bps"])
        return Loan(
            loan_id=told["loan_id"],
            funder_id=funder_id,
            mode=mode,
            agreement_no=told["agreement_no"],
            contract=contract,
            sharing=Sharing(
                share_bps=share,
                annual_rate=rate,
                terms=SplitTerms(penalty_to="funder")
                if mode == ASSISTED
                else agreements[funder_id].terms,
            ),
        )
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"no loan: {error!r}") from error


def lines_of(body: bytes) -> Iterator[Mapping[str, str]]:
    """Read a loans file line by line; one that cannot be decoded holds nothing."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    for line in csv.DictReader(io.StringIO(text)):
        yield {name: cell or "" for name, cell in line.items() if isinstance(name, str)}
