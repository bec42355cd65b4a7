"""Every money event of a day is booked in double entry, and everything balances."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.adapters import accounts
from chalicelib.domain.correction import Correction, CorrectionKind, correction_no_of
from chalicelib.domain.deduction import Deduction, Result, Status
from chalicelib.domain.discrepancy import Discrepancy, DiscrepancyState
from chalicelib.domain.due import InstalmentDue
from chalicelib.domain.loan import Mode
from chalicelib.domain.money import NOTHING, ZERO, Components, Money, total
from chalicelib.domain.money_event import (
    Component,
    EventKind,
    MoneyEvent,
    NegativeAmountError,
    UntiedError,
    amounts_of,
    corrected,
    repaid,
    written_off,
)
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.voucher import (
    ANY_MODE,
    Side,
    UnbalancedVoucherError,
    UnruledEventError,
    Voucher,
    VoucherBook,
    cases,
    vouch,
)
from tests.builders import TODAY, at

CHART = accounts.read()
CASH, LOANS, INTEREST, PENALTY = "101201", "1303", "1132", "601101"
PAYABLE, SUSPENSE, FEES = "224101", "224102", "6021"
PAID = Components(principal=Money(100_00), interest=Money(9_00), penalty=Money(50))
FUNDERS = Components(principal=Money(70_00), interest=Money(5_00), penalty=Money(35))


def a_record(mode="self_operated", *, number=1, paid=PAID, funder=NOTHING, fee=ZERO) -> Deduction:
    shared = funder if mode == Mode.JOINT_LENDING else None
    return Deduction(
        order_no=f"20261124-1-LN{number}",
        loan_id=f"LN{number}",
        borrower_id="B1",
        mode=mode,
        business_date=TODAY,
        round_no=1,
        agreement_no="AG",
        amount=paid.total + fee,
        components=paid,
        result=Result(status=Status.SUCCEEDED, trade_no="T", paid_at=at(9)),
        recorded_at=at(9),
        listed=paid.total,
        lines=(InstalmentDue(instalment_no=1, due_on=TODAY, components=paid, funder=shared),),
        fee=fee,
        product="consumer",
    )


def a_correction(kind: CorrectionKind, record: Deduction) -> Correction:
    is_refund = kind is CorrectionKind.REFUND
    return Correction(
        correction_no=correction_no_of(record.order_no, kind),
        kind=kind,
        order_no=record.order_no,
        loan_id=record.loan_id,
        borrower_id=record.borrower_id,
        mode=record.mode,
        product=record.product,
        business_date=TODAY,
        value_date=TODAY - timedelta(days=1),
        amount=record.amount,
        reason="asked the platform",
        made_by="ann",
        approved_by="bob",
        recorded_at=at(12),
        components=NOTHING if is_refund else record.components,
        fee=ZERO if is_refund else record.fee,
        lines=() if is_refund else record.lines,
    )


def a_discrepancy(kind: Kind, **changes) -> Discrepancy:
    facts = {
        "business_date": TODAY,
        "channel": "main",
        "kind": kind,
        "order_no": "20261124-1-LN9",
        "opened_at": at(10),
        "state": DiscrepancyState.WRITTEN_OFF,
    }
    return Discrepancy(**(facts | changes))


def event_of(record: Deduction) -> MoneyEvent:
    funder_id = "" if record.mode == Mode.SELF_OPERATED else "F1"
    return repaid(record, product=record.product, funder_id=funder_id)


def booked(*events: MoneyEvent) -> VoucherBook:
    book = VoucherBook(business_date=TODAY, chart=CHART)
    for event in events:
        book.add(event)
    book.prove()
    return book


def told(event: MoneyEvent) -> list[tuple[str, str, str]]:
    voucher = vouch(event=event, voucher_no="1", chart=CHART)
    return [(entry.side.value, entry.account.code, str(entry.amount)) for entry in voucher.entries]


def net(book: VoucherBook) -> dict[str, Money]:
    """Debit less credit of each account."""
    codes = {code for code, _ in book.sides}
    sides = book.sides
    return {
        code: sides.get((code, Side.DEBIT), ZERO) - sides.get((code, Side.CREDIT), ZERO)
        for code in codes
    }


class TestARepayment:
    def test_of_our_own_loan_pays_principal_interest_penalty_and_fee(self):
        assert told(event_of(a_record(fee=Money(1_00)))) == [
            ("debit", CASH, "110.50"),
            ("credit", LOANS, "100.00"),
            ("credit", INTEREST, "9.00"),
            ("credit", PENALTY, "0.50"),
            ("credit", FEES, "1.00"),
        ]

    def test_of_a_joint_loan_owes_its_funder_what_is_the_funders(self):
        event = event_of(a_record("joint_lending", funder=FUNDERS))

        assert told(event) == [
            ("debit", CASH, "109.50"),
            ("credit", LOANS, "30.00"),
            ("credit", INTEREST, "4.00"),
            ("credit", PENALTY, "0.15"),
            ("credit", PAYABLE, "75.35"),
        ]

    def test_owes_the_funder_though_the_split_is_still_pending(self):
        record = a_record("joint_lending", funder=FUNDERS)
        pending = replace(record, result=replace(record.result, split_pending=True))

        assert told(event_of(pending)) == told(event_of(record))

    def test_of_an_assisted_loan_moves_nothing_of_ours(self):
        event = event_of(a_record("loan_assistance"))
        voucher = vouch(event=event, voucher_no="1", chart=CHART)

        assert all(entry.account.off_balance for entry in voucher.entries)
        assert voucher.total(Side.DEBIT) == Money(109_50)

    def test_whose_parts_are_not_its_amount_is_booked_nowhere(self):
        with pytest.raises(UntiedError, match="20261124-1-LN1"):
            event_of(replace(a_record(), amount=Money(1)))


class TestACorrection:
    def test_that_is_a_late_success_is_booked_like_a_repayment(self):
        [event] = corrected(a_correction(CorrectionKind.LATE_SUCCESS, a_record()))

        assert event.kind is EventKind.LATE_SUCCESS
        assert told(event) == told(event_of(a_record()))

    def test_that_refunds_takes_the_money_in_and_gives_it_back(self):
        events = list(corrected(a_correction(CorrectionKind.REFUND, a_record())))

        assert [told(event) for event in events] == [
            [("debit", CASH, "109.50"), ("credit", SUSPENSE, "109.50")],
            [("debit", SUSPENSE, "109.50"), ("credit", CASH, "109.50")],
        ]

    @pytest.mark.parametrize("mode", list(Mode))
    def test_that_reverses_leaves_nothing_on_any_account(self, mode):
        record = a_record(mode.value, funder=FUNDERS, fee=Money(3))
        [reversal] = corrected(a_correction(CorrectionKind.REVERSAL, record))

        after = net(booked(event_of(record), reversal))

        assert len(after) >= 5
        assert set(after.values()) == {ZERO}


class TestADifferenceThatIsWrittenOff:
    def test_stays_in_suspense_where_the_money_is_there(self):
        event = written_off(a_discrepancy(Kind.MISSING_HERE, there=Money(7)))

        assert told(event) == [("debit", CASH, "0.07"), ("credit", SUSPENSE, "0.07")]

    def test_is_a_loss_where_the_money_never_came(self):
        event = written_off(a_discrepancy(Kind.MISSING_THERE, here=Money(7)))

        assert told(event) == [("debit", "6711", "0.07"), ("credit", CASH, "0.07")]

    @pytest.mark.parametrize(
        "discrepancy",
        [
            a_discrepancy(Kind.MISSING_HERE, there=Money(7), state=DiscrepancyState.RESOLVED),
            a_discrepancy(Kind.MISSING_HERE),
            a_discrepancy(Kind.SPLIT_DIFFERS, here=Money(7), there=Money(7)),
        ],
        ids=["resolved", "without an amount", "of another kind"],
    )
    def test_moves_nothing_where_nothing_is_known_to_have_moved(self, discrepancy):
        assert written_off(discrepancy) is None


class TestDisposal:
    """The records that tell of these come with disposal; the rules stand."""

    @pytest.mark.parametrize(
        ("kind", "debit"),
        [(EventKind.CLAIM_PAID, "1002"), (EventKind.RECOVERY, "1002")],
    )
    def test_money_comes_in_by_bank(self, kind, debit):
        event = replace(event_of(a_record()), kind=kind)

        assert told(event)[0] == ("debit", debit, "109.50")

    def test_a_write_off_uses_up_the_allowance_for_principal_and_interest(self):
        owed = replace(PAID, penalty=ZERO)
        event = replace(event_of(a_record(paid=owed)), kind=EventKind.WRITE_OFF)

        assert told(event) == [
            ("debit", "1304", "109.00"),
            ("credit", LOANS, "100.00"),
            ("credit", INTEREST, "9.00"),
        ]

    def test_penalty_is_on_no_book_and_is_not_written_off(self):
        with pytest.raises(UnruledEventError, match="write_off self_operated penalty"):
            told(replace(event_of(a_record()), kind=EventKind.WRITE_OFF))


class TestAVoucher:
    def test_is_never_out_of_balance(self):
        whole = vouch(event=event_of(a_record()), voucher_no="1", chart=CHART)

        with pytest.raises(UnbalancedVoucherError):
            Voucher(voucher_no="1", event=whole.event, entries=whole.entries[:-1])

    def test_is_never_of_a_negative_amount(self):
        with pytest.raises(NegativeAmountError):
            replace(event_of(a_record()), amounts={Component.PRINCIPAL: Money(-1)})

    def test_names_account_and_event_in_each_of_its_lines(self):
        [line, *_] = vouch(event=event_of(a_record()), voucher_no="1", chart=CHART).lines

        assert (line.account_name, line.summary) == (
            "其他货币资金—支付平台",
            "收到还款 20261124-1-LN1",
        )


class TestTheBook:
    def test_numbers_its_vouchers_without_a_gap(self):
        book = VoucherBook(business_date=TODAY, chart=CHART)
        numbers = [book.add(event_of(a_record(number=n))).voucher_no for n in (7, 3)]

        assert numbers == ["20261124-000001", "20261124-000002"]

    def test_takes_no_event_of_another_day(self):
        book = VoucherBook(business_date=TODAY + timedelta(days=1), chart=CHART)

        with pytest.raises(ValueError, match="not of 2026-11-25"):
            book.add(event_of(a_record()))

    @pytest.mark.parametrize("side", list(Side))
    def test_finds_a_fen_that_went_astray(self, side):
        book = booked(event_of(a_record()))
        code = CASH if side is Side.DEBIT else LOANS
        book.sides[code, side] += Money(1)

        with pytest.raises(UntiedError, match=f"{code} {side}"):
            book.prove()

    def test_finds_an_event_that_was_not_booked(self):
        book = booked(event_of(a_record()))
        book.amounts[EventKind.REPAYMENT, "self_operated"][Component.FEE] = Money(1)

        with pytest.raises(UntiedError, match=FEES):
            book.prove()

    def test_finds_a_day_out_of_balance(self):
        """Were both its sums wrong alike, its two sides would still have to be equal."""

        class Lopsided(VoucherBook):
            def total(self, side):
                return super().total(side) + Money(int(side is Side.DEBIT))

        with pytest.raises(UntiedError, match="debit is not its credit"):
            Lopsided(business_date=TODAY, chart=CHART).prove()


fen = st.integers(0, 10**9).map(Money)
parts = st.builds(Components, principal=fen, interest=fen, penalty=fen).filter(bool)


@st.composite
def records(draw, number=1):
    paid = draw(parts)
    shares = {
        part: Money(draw(st.integers(0, getattr(paid, part).fen)))
        for part in ("principal", "interest", "penalty")
    }
    return a_record(
        draw(st.sampled_from([mode.value for mode in Mode])),
        number=draw(st.integers(1, 10**6)),
        paid=paid,
        funder=Components(**shares),
        fee=draw(fen),
    )


@given(st.lists(records(), max_size=12), st.data())
def test_a_day_of_whatever_happened_balances_and_ties_to_the_journal(journal, data):
    corrections = [
        a_correction(data.draw(st.sampled_from(CorrectionKind)), record) for record in journal[::2]
    ]
    events = [
        *map(event_of, journal),
        *(event for correction in corrections for event in corrected(correction)),
    ]
    book = booked(*events)

    whole = total(record.amount for record in journal)
    twice = total(c.amount for c in corrections if c.kind is CorrectionKind.REFUND)
    assert book.total(Side.DEBIT) == whole + total(c.amount for c in corrections) + twice
    assert book.total(Side.CREDIT) == book.total(Side.DEBIT)


@given(st.lists(records(), max_size=12))
def test_the_principal_credited_is_the_principal_posted_by_mode_and_party(journal):
    after = net(booked(*map(event_of, journal)))
    own = [record for record in journal if record.mode != Mode.LOAN_ASSISTANCE]
    assisted = [record for record in journal if record.mode == Mode.LOAN_ASSISTANCE]

    assert -after.get(LOANS, ZERO) == total(
        record.components.principal - record.funder.principal for record in own
    )
    assert -after.get(PAYABLE, ZERO) == total(record.funder.total for record in own)
    assert -after.get("910201", ZERO) == total(r.components.principal for r in assisted)


@given(records(), st.sampled_from([CorrectionKind.LATE_SUCCESS, None]))
def test_what_is_taken_back_nets_to_zero_on_every_account(record, late):
    paid = list(corrected(a_correction(late, record))) if late else [event_of(record)]
    reversal = corrected(a_correction(CorrectionKind.REVERSAL, record))

    assert set(net(booked(*paid, *reversal)).values()) == {ZERO}


@given(parts, fen)
def test_taking_an_amount_apart_loses_nothing(whole, fee):
    assert total(amounts_of(whole=whole, fee=fee).values()) == whole.total + fee


class TestTheChart:
    def changed(self, tmp_path, change) -> object:
        chart = json.loads(accounts.CATALOGUE.read_text())
        change(chart)
        path = tmp_path / "accounts.json"
        path.write_text(json.dumps(chart))
        return accounts.read(path)

    def test_has_a_rule_for_everything_that_happens(self):
        for case in cases():
            debit, credit = CHART.accounts_of(*case)
            assert debit.code != credit.code

    def test_never_moves_money_that_is_not_ours_onto_the_balance_sheet(self):
        for kind, mode, component in cases():
            for account in CHART.accounts_of(kind, mode, component):
                assert account.off_balance == (mode == Mode.LOAN_ASSISTANCE)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda c: c["rules"].pop(), "recovery self_operated penalty"),
            (lambda c: c["rules"].append(c["rules"][0]), "a case stands twice"),
            (lambda c: c["accounts"].append(c["accounts"][0]), "an account stands twice"),
            (lambda c: c["rules"][0].update(debit="9999"), "no account 9999"),
            (lambda c: c["rules"][0].update(debit="1303"), "moves nothing"),
            (lambda c: c["rules"][0].update(debit="910101"), "leaves the balance sheet"),
            (lambda c: c["rules"][0].update(colour="red"), "colour"),
        ],
    )
    def test_that_contradicts_itself_is_refused(self, tmp_path, change, says):
        with pytest.raises(ValidationError, match=says):
            self.changed(tmp_path, change)

    def test_calls_accounts_what_a_lenders_ledger_calls_them(self):
        chart = accounts.read(codes={"101201": "1012.09"})
        debit, _ = chart.accounts_of(EventKind.SUSPENSE, ANY_MODE, Component.UNBOOKED)

        assert (debit.code, debit.name) == ("1012.09", "其他货币资金—支付平台")

    def test_refuses_another_name_for_an_account_it_does_not_have(self):
        with pytest.raises(accounts.UnknownAccountError, match="1012"):
            accounts.read(codes={"1012": "1"})
