"""The files between a funder and us: due, results and confirmations come, the others are sent."""

from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.adapters.file_cells import (
    Matching,
    MaybeEmpty,
    Named,
    OneOf,
    Text,
    WholeNumber,
    day,
    identifier,
    long_identifier,
    long_identifier_or_none,
    moment,
    status_or_none,
)
from chalicelib.adapters.file_layouts import Amount, Column, Layout
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due_comparison import COMPARED, DifferenceLine, Match
from chalicelib.domain.funder import (
    Agreement,
    ConfirmationLine,
    DueLine,
    NineAmounts,
    RepaymentLine,
    ResultLine,
    ResultStatus,
)
from chalicelib.domain.schedule import INSTALMENTS_MAX

ROUNDS_MAX = 3
REASON_CHARACTERS_MAX = 200

WHOLE = ("principal_fen", "interest_fen", "penalty_fen")
PARTS = tuple(f"{party}_{name}" for party in ("funder", "platform") for name in WHOLE)
NINE_AMOUNTS = tuple(Amount(name) for name in (*WHOLE, *PARTS))

KINDS: Mapping[str, Kind] = {
    "scheduled": Kind.SCHEDULED,
    "overdue": Kind.OVERDUE,
    "partial": Kind.PARTIAL,
    "settlement": Kind.FULL,
}
TOLD_KINDS: Mapping[Kind, str] = {
    **{kind: told for told, kind in KINDS.items()},
    Kind.INSTALMENT: "scheduled",  # who pays an instalment early pays it as scheduled
}

loan_id = Column("loan_id", identifier)
instalment_no = Column("instalment_no", WholeNumber(at_least=1, at_most=INSTALMENTS_MAX))


# --- what must be true of a line --------------------------------------------------------


def unequal_parts(line: NineAmounts) -> Iterator[tuple[str, str]]:
    """Name the components whose two parts are not the whole."""
    for name in WHOLE:
        part = name.removesuffix("_fen")
        whole = getattr(line.whole, part)
        if getattr(line.funder, part) + getattr(line.platform, part) != whole:
            yield name, "funder's and platform's parts do not add up to it"


def incomplete_result(line: ResultLine) -> Iterator[tuple[str, str]]:
    """Name what a success or a failure lacks, and what neither can have."""
    match line.status:
        case ResultStatus.SUCCEEDED:
            if line.paid_at is None:
                yield "paid_at", "missing of a success"
            if not line.funder_trade_no:
                yield "funder_trade_no", "missing of a success"
            if line.failure_code:
                yield "failure_code", "a success has none"
            if not line.whole:
                yield "principal_fen", "a success pays something"
        case ResultStatus.FAILED:
            if not line.failure_code:
                yield "failure_code", "missing of a failure"
            for name in WHOLE:
                if getattr(line, name.removesuffix("_fen")):
                    yield name, "a failure pays nothing"


def unexplained_difference(line: ConfirmationLine) -> Iterator[tuple[str, str]]:
    """Name the reason where a difference comes without."""
    if line.status is Agreement.DIFFERS and not line.reason:
        yield "reason", "missing of a difference"


# --- files ------------------------------------------------------------------------------


DUE = Layout(
    make=DueLine,
    control=WHOLE,
    broken_rules=unequal_parts,
    key=("loan_id", "instalment_no"),
    columns=(loan_id, instalment_no, Column("due_on", day), *NINE_AMOUNTS),
)

RESULTS = Layout(
    make=ResultLine,
    control=WHOLE,
    broken_rules=incomplete_result,
    # A borrower may pay twice of one instalment on one day, in two trades (round 0), and a line of
    # yesterday's round may come late beside today's.
    key=("loan_id", "instalment_no", "round", "funder_trade_no"),
    columns=(
        loan_id,
        instalment_no,
        Column("round", WholeNumber(at_least=0, at_most=ROUNDS_MAX)),
        Column("status", OneOf(ResultStatus)),
        *(Amount(name) for name in WHOLE),
        Column("paid_at", MaybeEmpty(moment, None)),
        Column("failure_code", status_or_none),
        Column("funder_trade_no", long_identifier_or_none),
    ),
)

CONFIRMATION = Layout(
    make=ConfirmationLine,
    control=("funder_amount_fen",),
    broken_rules=unexplained_difference,
    key=("order_no",),
    columns=(
        Column("order_no", long_identifier),
        Column("status", OneOf(Agreement)),
        Amount("funder_amount_fen"),
        Column("reason", MaybeEmpty(Text(REASON_CHARACTERS_MAX), "")),
    ),
)

REPAYMENTS = Layout(
    make=RepaymentLine,
    control=WHOLE,
    broken_rules=unequal_parts,
    key=("order_no", "instalment_no"),
    is_sent=True,
    columns=(
        Column("order_no", long_identifier),
        Column("trade_no", long_identifier),
        loan_id,
        instalment_no,
        Column("kind", Named(KINDS), TOLD_KINDS.__getitem__),
        *NINE_AMOUNTS,
        Column("paid_at", moment),
    ),
)
RECONCILIATION = REPAYMENTS

DUE_DIFFERENCES = Layout(
    make=DifferenceLine,
    control=("theirs_fen",),
    key=("loan_id", "instalment_no", "field"),
    is_sent=True,
    columns=(
        loan_id,
        instalment_no,
        Column("difference", OneOf(Match)),
        Column("field", MaybeEmpty(Matching("|".join(COMPARED), "not a field of a due"), "")),
        Amount("theirs_fen"),
        Amount("ours_fen"),
        Column("their_due_on", MaybeEmpty(day, None)),
        Column("our_due_on", MaybeEmpty(day, None)),
    ),
)

FUNDER_LAYOUTS: Mapping[str, Layout[Any]] = {
    "due": DUE,
    "results": RESULTS,
    "confirmation": CONFIRMATION,
    "repayments": REPAYMENTS,
    "reconciliation": RECONCILIATION,
    "due-differences": DUE_DIFFERENCES,
}
"""By the kinds that a funder's `dialects` are named by."""
