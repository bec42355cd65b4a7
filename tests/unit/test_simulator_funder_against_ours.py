"""The funder's arithmetic and ours, written apart, over made-up loans: they agree to the fen."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random  # noqa: TID251 - seeded

from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.allocation import allocate, position_after
from chalicelib.domain.business_calendar import add_months
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due import owed
from chalicelib.domain.money import Money
from chalicelib.domain.position import START, is_settled, outstanding_principal
from chalicelib.domain.prepayment import Offer, Standing, Wish, limits, offer, recuts_offered
from chalicelib.domain.product import DayCount, Method, Product, Recut, Rounding
from chalicelib.domain.schedule import Terms, cut
from simulators import funder_standing
from simulators.clock import SettableClock
from simulators.funder import Funder
from simulators.funder_acquirer import InProcess
from simulators.funder_contracts import agreement_of
from simulators.funder_schedule import Contract, ProductTerms, schedule
from simulators.funder_split import Sharing, SplitTerms
from simulators.payment_platform import PaymentPlatform
from tests.funder_side import MemoryBucket, a_loan, a_repayment, send

DISBURSED = date(2026, 1, 1)

methods = st.sampled_from([method.value for method in Method])
day_counts = st.sampled_from([count.value for count in DayCount])
roundings = st.sampled_from([rounding.value for rounding in Rounding])


@st.composite
def contracts(draw):
    disbursed_on = DISBURSED + timedelta(days=draw(st.integers(0, 800)))
    whole_month = add_months(disbursed_on, 1)
    broken = disbursed_on + timedelta(days=draw(st.integers(1, 62)))
    rate = draw(st.integers(0, 3600))
    return Contract(
        principal_fen=draw(st.integers(1, 50_000_00)),
        annual_rate=Fraction(rate, 10_000),
        method=draw(methods),
        months=draw(st.integers(1, 40)),
        disbursed_on=disbursed_on,
        first_due_on=draw(st.sampled_from([whole_month, broken])),
        product=ProductTerms(
            day_count=draw(day_counts),
            rounding=draw(roundings),
            grace_days=draw(st.sampled_from([0, 0, 3])),
        ),
    )


def our_terms(contract):
    rate = contract.annual_rate
    return Terms(
        principal=Money(contract.principal_fen),
        annual_rate=Decimal(rate.numerator) / Decimal(rate.denominator),
        method=Method(contract.method),
        instalments=contract.months,
        disbursed_on=contract.disbursed_on,
        first_due_on=contract.first_due_on,
    )


def our_product(contract):
    return Product(
        code="P",
        name="P",
        day_count=DayCount(contract.product.day_count),
        rounding=Rounding(contract.product.rounding),
        grace_days=contract.product.grace_days,
        partial_min=Money(1),
    )


def our_rows(instalments):
    return [(row.number, row.due_on, row.principal.fen, row.interest.fen) for row in instalments]


def their_rows(rows):
    return [(row.number, row.due_on, row.principal_fen, row.interest_fen) for row in rows]


def our_lines(lines):
    return [
        (
            line.instalment_no,
            line.due_on,
            (
                line.components.principal.fen,
                line.components.interest.fen,
                line.components.penalty.fen,
            ),
        )
        for line in lines
    ]


def their_lines(lines):
    return [(line.number, line.due_on, tuple(line.parts)) for line in lines]


@given(contracts())
@example(
    Contract(
        principal_fen=12_000_00,
        annual_rate=Fraction(12, 100),
        method="equal_instalment",
        months=360,
        disbursed_on=date(2026, 1, 31),
        first_due_on=date(2026, 3, 31),
    )
)
def test_schedules_agree(contract):
    ours = cut(terms=our_terms(contract), product=our_product(contract)).instalments

    assert their_rows(schedule(contract)) == our_rows(ours)


class Both:
    """One loan in both books, paid in step; 61.7 % of it are the funder's, at three quarters of its rate."""

    def __init__(self, contract):
        own = contract.annual_rate * 3 / 4
        terms = SplitTerms(rate=own, penalty_to="funder")
        self.sharing = Sharing(share_bps=6_170, annual_rate=contract.annual_rate, terms=terms)
        of_interest = (6_170 * 3, 40_000 - 6_170 * 3) if own else (6_170, 3_830)
        self.weights = {"principal": (6_170, 3_830), "interest": of_interest, "penalty": (1, 0)}
        self.contract = contract
        self.product = our_product(contract)
        self.cut = cut(terms=our_terms(contract), product=self.product)
        self.position = START
        self.theirs = funder_standing.at_start(contract)

    def ours_at(self, as_of):
        return Standing(
            position=self.position,
            cut=self.cut,
            product=self.product,
            annual_rate=self.cut.terms.annual_rate,
            as_of=as_of,
        )

    def due(self, as_of):
        return owed(
            position=self.position,
            schedule=self.cut.instalments,
            product=self.product,
            annual_rate=self.cut.terms.annual_rate,
            as_of=as_of,
        )

    def agree_on(self, as_of):
        theirs = funder_standing.owed(self.theirs, self.contract, as_of)
        assert their_lines(theirs) == our_lines(self.due(as_of).lines)
        for line in theirs:
            self.agree_on_nine(line)
        principal = outstanding_principal(self.position, self.cut.instalments).fen
        assert funder_standing.outstanding_principal(self.theirs) == principal
        settled = is_settled(self.position, self.cut.instalments)
        assert settled == (not funder_standing.still_open(self.theirs))

    def agree_on_nine(self, line):
        """Split a line as the rules say, with our own largest remainder."""
        for name, weights in self.weights.items():
            before, amount = getattr(line.paid_before, name), getattr(line.parts, name)
            upto, already = (Money(fen).shares(weights) for fen in (before + amount, before))
            funder = getattr(self.sharing.funders(line.paid_before, line.parts), name)
            assert funder == upto[0].fen - already[0].fen

    def take(self, as_of, amount_fen, ours, recut=Recut.REDUCE_INSTALMENT):
        lines = funder_standing.allocated(self.theirs, self.contract, as_of, amount_fen)
        assert their_lines(lines) == our_lines(ours)
        self.theirs = funder_standing.after(self.theirs, self.contract, as_of, lines, recut.value)

    def deduct(self, as_of, tenths):
        """Pay the due, or a part of it."""
        due = self.due(as_of)
        amount = Money(due.amount.fen * tenths // 10)
        paid = allocate(amount=amount, due=due, product=self.product)
        self.take(as_of, amount.fen, paid.lines)
        self.position = position_after(
            position=self.position, schedule=self.cut.instalments, due=due, paid=paid
        )

    def prepay(self, as_of, thousandths, recut):
        """Pay a part ahead, or all of it where no part may be paid."""
        standing = self.ours_at(as_of)
        allowed = limits(standing)
        if allowed.amount_min is None or allowed.amount_max is None or thousandths == 1000:
            wish = Wish(kind=Kind.FULL)
        else:
            span = allowed.amount_max.fen - allowed.amount_min.fen
            amount = Money(allowed.amount_min.fen + span * thousandths // 1000)
            recut = recut if recut in recuts_offered(standing) else Recut.REDUCE_INSTALMENT
            wish = Wish(kind=Kind.PARTIAL, amount=amount, recut=recut)
        offered = offer(wish=wish, standing=standing)
        assert isinstance(offered, Offer)
        paid = [line for line in offered.paid.lines if line.components]
        self.take(as_of, offered.amount.fen, paid, recut)
        self.position = offered.position_after
        self.cut = offered.cut_after or self.cut


steps = st.lists(
    st.tuples(
        st.integers(1, 70),
        st.sampled_from(["look", "deduct", "part", "prepay"]),
        st.integers(1, 9),
        st.sampled_from([0, 17, 400, 900, 1000]),
        st.sampled_from(list(Recut)),
    ),
    max_size=8,
)


@given(contracts(), steps)
def test_lives_agree(contract, life):
    both, as_of = Both(contract), contract.disbursed_on
    both.agree_on(as_of)
    for days, step, tenths, thousandths, recut in life:
        as_of += timedelta(days=days)
        both.agree_on(as_of)
        if is_settled(both.position, both.cut.instalments):
            break
        match step:
            case "deduct":
                both.deduct(as_of, 10)
            case "part":
                both.deduct(as_of, tenths)
            case "prepay":
                both.prepay(as_of, thousandths, recut)
        both.agree_on(as_of)
    both.agree_on(as_of + timedelta(days=400))


class Sent(Both):
    """Our book alone pays; the funder hears of it by repayment files, as it would."""

    def __init__(self, contract):
        super().__init__(contract)
        self.clock = SettableClock()
        self.bucket = MemoryBucket()
        own = decimal_text(self.sharing.terms.rate)
        agreement = agreement_of({"funder_id": "F1", "rate": own, "penalty_to": "funder"})
        self.funder = Funder(
            clock=self.clock,
            rng=Random(7),
            bucket=self.bucket,
            acquirer=InProcess(PaymentPlatform(clock=self.clock, rng=Random(7))),
            agreements={"F1": agreement},
            products={"consumer": contract.product},
        )
        loan = a_loan(
            funder_share_bps="6170",
            principal_fen=str(contract.principal_fen),
            annual_rate=decimal_text(contract.annual_rate),
            method=contract.method,
            terms=str(contract.months),
            disbursed_on=contract.disbursed_on.isoformat(),
            first_due_on=contract.first_due_on.isoformat(),
        )
        assert self.funder.add_loans([loan]) == {"opened": 1, "refused": 0}
        self.orders = 0

    def pay(self, as_of, wish):
        """Pay what our offer says, tell the funder, and see that it has nothing to say against it."""
        offered = offer(wish=wish, standing=self.ours_at(as_of))
        if not isinstance(offered, Offer):
            return
        self.orders += 1
        paid = [line for line in offered.paid.lines if line.components]
        rows = [self.row(as_of, offered.kind, line) for line in paid]
        send(self.bucket, "repayments", as_of, rows, version=self.orders)
        if offered.recut:
            self.funder.recut(loan_id="LN1", order_no=f"O{self.orders}", recut=offered.recut.value)
        taken = self.funder.take_repayments(funder_id="F1", day=as_of)
        assert (taken["objections"], taken["taken"]) == ([], [f"O{self.orders}"])
        self.position = offered.position_after
        self.cut = offered.cut_after or self.cut

    def row(self, as_of, kind, line):
        whole = line.components
        parts = {"principal": whole.principal, "interest": whole.interest, "penalty": whole.penalty}
        funder = [amount.shares(self.weights[name])[0].fen for name, amount in parts.items()]
        amounts = [amount.fen for amount in parts.values()]
        platform = [whole - part for whole, part in zip(amounts, funder, strict=True)]
        return a_repayment(
            *(*amounts, *funder, *platform),
            order_no=f"O{self.orders}",
            instalment_no=line.instalment_no,
            kind={"instalment": "scheduled", "full": "settlement"}.get(kind.value, kind.value),
            paid_at=f"{as_of}T10:00:{self.orders:02}+08:00",
        )

    def agree_with_the_file(self, as_of):
        key = self.funder.send_due_file(funder_id="F1", day=as_of)["key"]
        text = self.bucket.objects[key].decode()
        told = [line.split(",")[1:6] for line in text.splitlines()[1:]]
        ours = self.due(as_of).lines if self.due(as_of).dpd <= 90 else ()
        assert told == [
            [str(number), day.isoformat(), *map(str, parts)]
            for number, day, parts in our_lines(ours)
        ]


def decimal_text(rate):
    return str(Decimal(rate.numerator) / Decimal(rate.denominator))


wishes = st.lists(
    st.tuples(
        st.integers(1, 70),
        st.sampled_from(
            [Kind.OVERDUE, Kind.INSTALMENT, Kind.INSTALMENT, Kind.PARTIAL, Kind.PARTIAL, Kind.FULL]
        ),
        st.integers(0, 999),
        st.sampled_from(list(Recut)),
    ),
    max_size=6,
)


@given(contracts(), wishes)
def test_what_we_send_is_taken_in_and_the_next_due_file_is_ours(contract, life):
    sent, as_of = Sent(contract), contract.disbursed_on
    for days, kind, thousandths, recut in life:
        as_of += timedelta(days=days)
        sent.agree_with_the_file(as_of)
        sent.pay(as_of, a_wish(sent.ours_at(as_of), kind, thousandths, recut))
        sent.agree_with_the_file(as_of)
    sent.agree_with_the_file(as_of + timedelta(days=40))


def a_wish(standing, kind, thousandths, recut):
    """Wish for a part between the limits, if there is one to be had."""
    if kind is not Kind.PARTIAL:
        return Wish(kind=kind)
    allowed = limits(standing)
    if allowed.amount_min is None or allowed.amount_max is None:
        return Wish(kind=Kind.FULL)
    span = allowed.amount_max.fen - allowed.amount_min.fen
    amount = Money(allowed.amount_min.fen + span * thousandths // 1000)
    offered = recuts_offered(standing)
    return Wish(kind=kind, amount=amount, recut=recut if recut in offered else None)
