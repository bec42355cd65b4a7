"""What the pages make of loans, quotes and orders; what they read of forms."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.deduction import Kind
from chalicelib.domain.loan import LoanStatus, Slot
from chalicelib.domain.money import Components, Money, total
from chalicelib.domain.position import Position
from chalicelib.domain.prepayment import Wish
from chalicelib.domain.product import Prepayment, Recut
from chalicelib.entrypoints import page_confirm, page_forms, page_progress, page_views
from chalicelib.entrypoints.page_forms import Choice, IllegalAmountError, amount_of
from chalicelib.entrypoints.page_views import Badge
from chalicelib.entrypoints.request_body import UnreadableBodyError
from chalicelib.flows import borrower_loans, early_repayment
from tests.builders import TODAY, a_cut, a_loan, at
from tests.fakes import World

NOW = at(9)


def slot(order_no="20261124-1-LN1", **changes):
    return Slot(
        order_no=order_no,
        amount=Money(100),
        components=Components(principal=Money(100)),
        listed=Money(100),
        as_of=TODAY,
        sent_at=NOW,
        **changes,
    )


def view_of(*, due_in_days=12, product=None, **changes):
    world = World()
    if product:
        world.books.products["consumer"] = replace(world.books.products["consumer"], **product)
    cut = a_cut(first_due_on=TODAY + timedelta(days=due_in_days))
    world.book(a_loan(overdue_days=-due_in_days, **changes), cut)
    return borrower_loans.loan_of(borrower_id="B1", loan_id="LN1", now=NOW, desk=world.repaying)


class TestAnAmount:
    @pytest.mark.parametrize(
        ("text", "fen"),
        [
            ("1", 100),
            ("0.01", 1),
            ("0.1", 10),
            ("1234.56", 123456),
            (" 12.30 ", 1230),
            ("007", 700),
            ("999999999.99", 99999999999),
            ("0", 0),
        ],
    )
    def test_is_read_to_the_fen(self, text, fen):
        assert amount_of(text) == Money(fen)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "amount_missing"),
            ("   ", "amount_missing"),
            ("1,00", "amount_commas"),
            ("10,00,000", "amount_commas"),
            ("1，000", "amount_commas"),
            ("1000,50", "amount_commas"),
            *(
                (text, "amount_malformed")
                for text in (
                    "-1", "+1", "1.001", "1.", ".5", "1e9", "1e999", "NaN", "inf", "true", "null",
                    "１００", "٣", "1_000", "1 000", "0x10", "¥5", "5元", "1234567890", "1\n", "[]",
                )
            ),
        ],
    )  # fmt: skip
    def test_that_could_be_read_in_two_ways_is_refused(self, text, code):
        with pytest.raises(IllegalAmountError) as refused:
            amount_of(text)
        assert refused.value.code == code


class TestAChoice:
    def test_of_nothing_is_asked_for(self):
        for kind in ("", "scheduled", "everything"):
            with pytest.raises(IllegalAmountError, match="choice_missing"):
                _ = Choice(loan_id="LN1", kind=kind).wish

    def test_needs_an_amount_only_where_the_borrower_says_how_much(self):
        assert Choice(loan_id="LN1", kind="full", amount="x").wish == Wish(kind=Kind.FULL)
        assert Choice(
            loan_id="LN1", kind="partial", amount="500", recut="shorten_term"
        ).wish == Wish(kind=Kind.PARTIAL, amount=Money(500_00), recut=Recut.SHORTEN_TERM)

    def test_names_each_loan_by_a_field_of_its_own(self):
        form = {"loan.LN1": "1", "choice.LN1": "full", "loan.<b>": "1", "choice.LN2": "full"}
        assert page_forms.choices_in(form) == (Choice(loan_id="LN1", kind="full"),)

    def test_of_more_loans_than_anybody_has_is_refused(self):
        with pytest.raises(UnreadableBodyError):
            page_forms.loans_in({f"loan.LN{number}": "1" for number in range(21)})
        with pytest.raises(UnreadableBodyError):
            page_forms.listed(",".join(f"Q{number}" for number in range(21)))


class TestACard:
    def test_says_how_the_loan_stands(self):
        assert page_views.card_of(view_of()).badge is Badge.CURRENT
        assert page_views.card_of(view_of(due_in_days=0)).badge is Badge.DUE_TODAY
        assert page_views.card_of(view_of(due_in_days=-3)).badge is Badge.OVERDUE
        assert page_views.card_of(view_of(slot=slot())).badge is Badge.BUSY
        assert page_views.card_of(view_of(hold="dispute")).badge is Badge.HELD

    def test_says_what_comes_next_and_from_which_mandate(self):
        card = page_views.card_of(view_of(due_in_days=-3, agreement_no="AG-2026-0019"))

        assert (card.dpd, card.tail, card.agreement_tail) == (3, "LN1", "0019")
        assert card.next_on == TODAY.replace(month=12, day=21)
        assert card.due > card.next_amount

    def test_offers_nothing_while_somebody_looks_into_the_loan(self):
        assert not page_views.card_of(view_of(hold="dispute")).is_payable
        assert page_views.card_of(view_of(hold="CARD_CLOSED")).is_payable

    def test_names_a_failure_it_has_no_words_for(self):
        assert page_views.card_of(view_of(last_failure="ODD_CODE")).last_failure == "unnamed"


class TestTheFirstPage:
    def test_adds_up_what_is_due_and_leaves_out_what_is_being_paid(self):
        overdue, busy = view_of(due_in_days=-3), view_of(due_in_days=0, slot=slot())
        home = page_views.home_of([overdue, busy])

        assert home.due == overdue.due.amount
        assert home.outstanding == Money(24_000_00)
        assert (home.dpd, home.payable_count) == (3, 1)


class TestWhatMayBePaid:
    def kinds(self, view):
        part = page_views.repay_part(view, choice=Choice(loan_id="LN1"))
        return {option.kind.value: option for option in part.options}

    def test_is_offered_with_its_price(self):
        offered = self.kinds(view_of(due_in_days=0))
        assert list(offered) == ["instalment", "partial", "full"]
        assert offered["partial"].amount is None
        assert offered["full"].amount > offered["instalment"].amount

    def test_names_the_overdue_amount_once(self):
        assert list(self.kinds(view_of(due_in_days=-3))) == ["overdue", "partial", "full"]

    def test_is_chosen_beforehand_only_where_there_is_no_choice(self):
        assert not any(option.is_chosen for option in self.kinds(view_of()).values())
        only = self.kinds(view_of(due_in_days=-3, product={"prepayment": Prepayment.NONE}))
        assert only["overdue"].is_chosen

    def test_is_nothing_where_an_order_is_in_flight_or_a_person_looks(self):
        for view, code in (
            (view_of(slot=slot()), "loan_busy"),
            (view_of(hold="dispute"), "on_hold"),
            (view_of(product={"prepayment": Prepayment.NONE}), "not_offered"),
        ):
            part = page_views.repay_part(view, choice=Choice(loan_id="LN1"))
            assert (part.options, part.refusal.code) == ((), code)

    def test_asks_how_to_cut_again_only_where_there_is_a_choice(self):
        def recuts(**changes):
            return page_views.repay_part(view_of(**changes), choice=Choice(loan_id="LN1")).recuts

        assert len(recuts()) == 2
        assert recuts(product={"recuts": (Recut.SHORTEN_TERM,)}) == ()
        assert recuts(product={"prepayment": Prepayment.FULL_ONLY}) == ()


class TestTheEffect:
    def effect(self, kind, *, due_in_days=12, **wish):
        view = view_of(due_in_days=due_in_days)
        offered = early_repayment.prepayment.offer(
            wish=Wish(kind=kind, **wish), standing=view.standing
        )
        return offered, page_confirm.effect_of(offered, view)

    def test_of_a_part_is_smaller_instalments_and_the_interest_that_is_saved(self):
        offered, effect = self.effect(
            Kind.PARTIAL, amount=Money(5_000_00), recut=Recut.REDUCE_INSTALMENT
        )
        assert (effect.count_before, effect.count_after) == (6, 6)
        assert effect.next_after < effect.next_before
        asked_before = total(row.before for row in effect.rows)
        asked_after = total(row.after for row in effect.rows) + offered.amount
        assert effect.interest_saved == asked_before - asked_after

    def test_of_a_shortened_term_is_an_earlier_end(self):
        _, effect = self.effect(Kind.PARTIAL, amount=Money(5_000_00), recut=Recut.SHORTEN_TERM)
        assert effect.count_after < effect.count_before
        assert effect.last_after < effect.last_before
        assert [row.after for row in effect.rows][-1] is None

    def test_of_paying_it_off_is_that_nothing_is_left(self):
        _, effect = self.effect(Kind.FULL)
        assert effect.count_after == 0
        assert effect.interest_saved

    def test_of_paying_the_overdue_is_that_the_rest_stays(self):
        _, effect = self.effect(Kind.OVERDUE, due_in_days=-3)
        assert (effect.count_before, effect.count_after) == (6, 5)
        assert not effect.interest_saved
        assert all(row.after in {None, row.before} for row in effect.rows)


class TestProgress:
    def test_waits_longer_each_time_and_gives_up_asking_in_the_end(self):
        assert [page_progress.pause_seconds(step) for step in (0, 1, 6, 99)] == [2, 3, 30, 30]
        assert (
            page_progress.waited(8)
            < page_progress.LONG
            < page_progress.waited(9) + timedelta(seconds=30)
        )

    @pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "９", "99999"])
    def test_counts_from_the_start_what_it_cannot_read(self, text):
        assert page_progress.step_in({"n": text}) == 0

    def test_says_after_two_minutes_that_it_takes_long_even_if_the_page_was_closed(self):
        view = view_of(slot=slot())
        part = page_progress.ResultPart(card=page_views.card_of(view), state="PROCESSING")

        def progress(*, step=0, later=timedelta()):
            return page_progress.progress_of([part], views=[view], step=step, now=NOW + later)

        assert not progress().is_long
        assert progress(step=10).is_long
        assert progress(later=timedelta(minutes=3)).is_long
        assert progress().mark != progress(step=10).mark

    def test_takes_from_an_address_only_codes_it_knows(self):
        found = page_progress.refusals_in(
            "LN1:loan_busy:20261124-1-LN1,LN2:<script>,<b>:settled,LN3:settled:<i>,,:::"
        )
        assert list(found) == ["LN1"]
        assert found["LN1"].order_no == "20261124-1-LN1"


def test_a_position_inside_an_instalment_shows_what_is_left_of_it():
    view = view_of(position=Position(principal_paid=Money(500_00)))
    schedule = view.standing.cut.instalments
    first = page_views.plan_of(view, schedule=schedule, settled_ahead_from=None)[0]
    assert first.left == first.amount - Money(500_00)


def test_instalments_that_were_settled_early_are_not_shown_as_paid():
    view = view_of(position=Position(instalment_no=7), status=LoanStatus.SETTLED)
    schedule = view.standing.cut.instalments
    plan = page_views.plan_of(view, schedule=schedule, settled_ahead_from=3)

    assert [row.state for row in plan] == ["paid"] * 2 + ["settled"] * 4
