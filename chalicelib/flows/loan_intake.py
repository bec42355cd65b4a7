"""Take new loans into the book: good lines go in, bad lines are named."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import islice

from chalicelib.domain import position, schedule
from chalicelib.domain.business_calendar import WorkingDays
from chalicelib.domain.funder import Funder
from chalicelib.domain.loan import Loan, Mode
from chalicelib.domain.money import Money
from chalicelib.domain.position import START
from chalicelib.domain.product import Method
from chalicelib.domain.schedule import Cut, IllegalTermsError, Terms
from chalicelib.flows.file_ports import CallsInFlight, Fault, Line, Outcome
from chalicelib.flows.landing import Applied, Batch
from chalicelib.flows.ports import Borrower, Borrowers, Loans, Products, Schedules

FIRST_SCHEDULE = 1
LINES_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class LoanLine:
    """One line of a loans file, every cell well-formed."""

    loan_id: str
    borrower_id: str
    borrower_name: str
    phone: str
    product: str
    mode: Mode
    funder_id: str
    funder_share_bps: int
    principal: Money
    annual_rate: Decimal
    method: Method
    terms: int
    disbursed_on: date
    first_due_on: date
    agreement_no: str
    revolving: bool

    def __repr__(self) -> str:
        return f"LoanLine({self.loan_id})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """All that loans are taken in with; `funders` are those there is an agreement with."""

    loans: Loans
    schedules: Schedules
    borrowers: Borrowers
    products: Products
    served_modes: frozenset[Mode]
    calls: CallsInFlight
    working_days: WorkingDays | None = None
    funders: Mapping[str, Funder] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Accepted:
    """A line that may go into the book, with what it comes to."""

    number: int
    line: LoanLine
    cut: Cut


def take(*, batch: Batch[LoanLine], desk: Desk) -> Applied:
    """Put every good line's loan into the book; name the faults of the others.

    Taken again, a loan of the same line of the same bytes is in already, and counts as taken;
    one that another file or line brought is a duplicate, and changes nothing.
    """
    seen: set[str] = set()
    applied = refused = 0
    faults: list[Fault] = []
    lines = batch.lines()
    while chunk := tuple(islice(lines, LINES_AT_ONCE)):
        wanted: list[_Accepted] = []
        for line in chunk:
            decided = _decide(line=line, seen=seen, desk=desk)
            if isinstance(decided, _Accepted):
                wanted.append(decided)
            else:
                refused += 1
                faults += decided
        taken = _put(wanted=wanted, sha256=batch.sha256, desk=desk)
        applied += len(taken)
        refused += len(wanted) - len(taken)
        faults += _duplicates(wanted, taken)
    return Applied(
        applied=applied, refused=refused, faults=sorted(faults, key=lambda fault: fault.line)
    )


def faults_of(*, line: Line[LoanLine], seen: set[str], desk: Desk) -> Sequence[Fault]:
    """Name the faults of a line by what needs no book; `seen` are the loans named before it."""
    decided = _decide(line=line, seen=seen, desk=desk)
    return () if isinstance(decided, _Accepted) else decided


# --- decide -----------------------------------------------------------------------------


def _decide(*, line: Line[LoanLine], seen: set[str], desk: Desk) -> _Accepted | tuple[Fault, ...]:
    record = line.record
    if record is None:
        return line.faults
    faults = [
        Fault(line=line.number, column=column, reason=reason)
        for column, reason in _objections(record, seen, desk)
    ]
    seen.add(record.loan_id)
    if faults:
        return tuple(faults)
    try:
        cut = _cut(record, desk)
    except IllegalTermsError as error:
        return tuple(Fault(line=line.number, reason=reason) for reason in error.reasons)
    return _Accepted(number=line.number, line=record, cut=cut)


def _objections(record: LoanLine, seen: set[str], desk: Desk) -> Iterator[tuple[str, str]]:
    """Name what is wrong with cells that are well-formed each."""
    if record.loan_id in seen:
        yield "loan_id", "stands in the file twice"
    if record.product not in desk.products:
        yield "product", "no such product"
    if record.mode not in desk.served_modes:
        yield "mode", "a mode that is not served"
    elif (record.mode is Mode.SELF_OPERATED) != (not record.funder_id):
        yield "funder_id", "a funder belongs to every loan but a self-operated one"
    elif record.funder_id and record.funder_id not in desk.funders:
        yield "funder_id", "no such funder"
    elif record.funder_id and not _is_of_its_kind(desk.funders[record.funder_id], record.mode):
        yield "funder_id", "not agreed with the funder: it has no part in such loans"
    elif record.mode is Mode.SELF_OPERATED and record.funder_share_bps:
        yield "funder_share_bps", "nobody has a share of a self-operated loan"
    if record.first_due_on <= record.disbursed_on:
        yield "first_due_on", "not after the disbursement"


def _is_of_its_kind(funder: Funder, mode: Mode) -> bool:
    """Whether a funder can have such a loan: else nobody would deduct it, or its part go nowhere."""
    return funder.deducts if mode.funder_deducts else funder.lends_jointly


def _cut(record: LoanLine, desk: Desk) -> Cut:
    terms = Terms(
        principal=record.principal,
        annual_rate=record.annual_rate,
        method=record.method,
        instalments=record.terms,
        disbursed_on=record.disbursed_on,
        first_due_on=record.first_due_on,
    )
    return schedule.cut(
        terms=terms, product=desk.products[record.product], working_days=desk.working_days
    )


# --- put --------------------------------------------------------------------------------


def _put(*, wanted: Sequence[_Accepted], sha256: str, desk: Desk) -> Sequence[_Accepted]:
    """Write schedules, then borrowers, then heads; return what is in the book now.

    The schedule is the claim: whoever wrote it first owns the loan's id, so a duplicate changes
    nobody's personal data.  The head comes last: a loan with a head has everything.
    """

    def claim(each: _Accepted) -> bool:
        return desk.schedules.add(
            each.line.loan_id, FIRST_SCHEDULE, each.cut, source=f"{sha256}:{each.number}"
        )

    claims = _all(desk.calls.map(claim, wanted))
    ours = [each for each, is_ours in zip(wanted, claims, strict=True) if is_ours]
    people = {each.line.borrower_id: _borrower_of(each.line) for each in ours}
    _all(desk.calls.map(desk.borrowers.put, list(people.values())))
    _all(desk.calls.map(desk.loans.add, [_loan_of(each, desk) for each in ours]))
    return ours


def _all(outcomes: Sequence[Outcome | Exception]) -> Sequence[Outcome]:
    """Return the outcomes; the first failure among them is raised."""
    done: list[Outcome] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
        done.append(outcome)
    return done


def _duplicates(wanted: Iterable[_Accepted], taken: Sequence[_Accepted]) -> Iterator[Fault]:
    ours = {each.number for each in taken}
    for each in wanted:
        if each.number not in ours:
            yield Fault(line=each.number, column="loan_id", reason="is in the book already")


def _borrower_of(line: LoanLine) -> Borrower:
    return Borrower(borrower_id=line.borrower_id, name=line.borrower_name, phone=line.phone)


def _loan_of(accepted: _Accepted, desk: Desk) -> Loan:
    line = accepted.line
    funder = desk.funders.get(line.funder_id)
    return Loan(
        loan_id=line.loan_id,
        borrower_id=line.borrower_id,
        product=line.product,
        mode=line.mode,
        principal=line.principal,
        annual_rate=line.annual_rate,
        agreement_no=line.agreement_no,
        schedule_version=FIRST_SCHEDULE,
        position=START,
        unpaid_due_on=position.unpaid_due_on(START, accepted.cut.instalments),
        funder_id=line.funder_id,
        funder_share_bps=line.funder_share_bps,
        # Whatever is agreed later, this loan is split by what is agreed now.
        funder_terms=funder.terms_version if funder else 0,
        revolving=line.revolving,
    )
