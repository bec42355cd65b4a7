"""A discrepancy in people's hands: two of them, one version at a time, and all of it written down."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import discrepancy_life as life
from chalicelib.domain.correction import CorrectionKind
from chalicelib.domain.deduction import Answer, AnswerStatus
from chalicelib.domain.discrepancy import (
    Action,
    Approval,
    Discrepancy,
    DiscrepancyState,
    IllegalReferenceError,
    Proposal,
    facts_of_reference,
    reference_of,
)
from chalicelib.domain.discrepancy_life import ALLOWED, StepRefusedError
from chalicelib.domain.money import Money
from chalicelib.domain.reconciliation import Kind
from chalicelib.flows import audit, day_close, discrepancy_life, reconciliation
from chalicelib.flows.discrepancy_life import NoSuchDiscrepancyError, SeenOtherwiseError
from tests.builders import TODAY, at
from tests.disputed import (
    IN_TWO_DAYS,
    LI,
    ORDER,
    WANG,
    a_bill_that_lacks_a_row,
    a_double,
    a_late_success,
    a_phantom,
    approve,
    billed_again,
    explain,
    on_the_api,
    standing,
    verbs,
)
from tests.fakes import Crash
from tests.fakes_files import a_bill_row, a_worked_day, the_true_bill

OPEN = Discrepancy(
    business_date=TODAY,
    channel="main",
    kind=Kind.MISSING_THERE,
    order_no=ORDER,
    opened_at=at(10),
    here=Money(100),
)
PROPOSAL = Proposal(action=Action.ACCEPT, reason="known", made_by=WANG, made_at=at(11))
EXPLAINED = life.explained(OPEN, proposal=PROPOSAL)
APPROVED = life.approved(EXPLAINED, by=LI, at=at(12), business_date=TODAY)
RESOLVED = life.concluded(APPROVED, at=at(13))


def rule_against(step):
    with pytest.raises(StepRefusedError) as refused:
        step()
    assert refused.value.detail
    return refused.value.rule


class TestTheLife:
    def test_leads_from_open_by_two_people_to_an_end(self):
        states = [each.state.value for each in (OPEN, EXPLAINED, APPROVED, RESOLVED)]

        assert states == ["open", "explained", "explained", "resolved"]
        assert (EXPLAINED.decided_by, RESOLVED.decided_by) == (WANG, LI)
        assert RESOLVED.is_resolved and not APPROVED.is_resolved

    def test_ends_written_off_where_the_remainder_is_booked_away(self):
        proposal = replace(PROPOSAL, action=Action.WRITE_OFF, amount=Money(100))
        approved = life.approved(
            life.explained(OPEN, proposal=proposal), by=LI, at=at(12), business_date=TODAY
        )
        ended = life.concluded(approved, at=at(13))

        assert ended.state is DiscrepancyState.WRITTEN_OFF
        assert ended.is_resolved

    @pytest.mark.parametrize(
        ("rule", "step"),
        [
            ("not_open", lambda: life.explained(EXPLAINED, proposal=PROPOSAL)),
            ("not_open", lambda: life.explained(RESOLVED, proposal=PROPOSAL)),
            ("not_open", lambda: life.assigned(RESOLVED, owner=LI)),
            ("not_explained", lambda: life.approved(OPEN, by=LI, at=at(12), business_date=TODAY)),
            ("not_explained", lambda: life.rejected(OPEN)),
            ("not_explained", lambda: life.rejected(RESOLVED)),
            (
                "maker_is_checker",
                lambda: life.approved(EXPLAINED, by=WANG, at=at(12), business_date=TODAY),
            ),
            (
                "already_approved",
                lambda: life.approved(APPROVED, by="zhao", at=at(12), business_date=TODAY),
            ),
            ("already_approved", lambda: life.rejected(APPROVED)),
            ("already_approved", lambda: life.reopened(APPROVED, reason="no")),
            ("already_open", lambda: life.reopened(OPEN, reason="no")),
            ("reason_missing", lambda: life.reopened(RESOLVED, reason=" ")),
            (
                "reason_missing",
                lambda: life.explained(OPEN, proposal=replace(PROPOSAL, reason="")),
            ),
            (
                "action_not_allowed",
                lambda: life.explained(OPEN, proposal=replace(PROPOSAL, action=Action.REFUND)),
            ),
            (
                "amount_not_fitting",
                lambda: life.explained(OPEN, proposal=replace(PROPOSAL, amount=Money(1))),
            ),
            (
                "amount_not_fitting",
                lambda: life.explained(
                    OPEN, proposal=replace(PROPOSAL, action=Action.WRITE_OFF, amount=Money(101))
                ),
            ),
            (
                "amount_not_fitting",
                lambda: life.explained(OPEN, proposal=replace(PROPOSAL, action=Action.WRITE_OFF)),
            ),
            ("text_not_fitting", lambda: life.commented(OPEN, by=LI, at=at(12), text="x" * 1001)),
        ],
    )
    def test_refuses_every_other_step_by_a_named_rule(self, rule, step):
        assert rule_against(step) == rule

    def test_goes_back_to_open_and_to_the_rules(self):
        for each in (EXPLAINED, RESOLVED):
            again = life.reopened(each, reason="not so")

            assert again == OPEN

    def test_has_at_most_a_hundred_comments(self):
        each = OPEN
        for _ in range(life.COMMENTS_MAX):
            each = life.commented(each, by=LI, at=at(12), text="hm")

        assert rule_against(lambda: life.commented(each, by=LI, at=at(12), text="hm")) == (
            "too_many_comments"
        )

    def test_never_writes_off_what_a_borrower_has_paid_too_much(self):
        assert {kind for kind, actions in ALLOWED.items() if Action.WRITE_OFF not in actions} == {
            Kind.MISSING_HERE,
            Kind.DUPLICATE,
        }
        assert set(ALLOWED) == set(Kind) - {Kind.MATCHED}

    def test_knows_its_age(self):
        assert OPEN.age_days(TODAY + timedelta(days=3)) == 3
        assert RESOLVED.age_days(TODAY + timedelta(days=3)) == 0


class TestAReference:
    @given(
        channel=st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
        kind=st.sampled_from(Kind),
        order_no=st.text(max_size=80).filter(lambda text: text.isprintable()),
    )
    def test_names_any_discrepancy_in_an_address_and_back(self, channel, kind, order_no):
        facts = {"business_date": TODAY, "channel": channel, "kind": kind, "order_no": order_no}
        reference = reference_of(**facts)

        assert reference.replace("-", "").replace("_", "").isalnum()
        assert facts_of_reference(reference) == tuple(facts.values())

    @given(st.text(max_size=80))
    def test_is_written_in_one_way_only(self, text):
        try:
            facts = facts_of_reference(text)
        except IllegalReferenceError:
            return
        names = ("business_date", "channel", "kind", "order_no")
        assert reference_of(**dict(zip(names, facts, strict=True))) == text


class TestALateSuccess:
    def test_is_taken_by_the_loan_as_of_its_own_day(self):
        world = a_late_success()
        before, failure = world.loans.rows["LN1"], world.journal.results[ORDER]
        assert before.hold == f"discrepancy status_differs#{ORDER}"

        effect = explain(world, "post_late_success").handling.proposal.effect
        assert (effect["amount_fen"], effect["penalty_fen"]) == (failure.amount.fen, 0)
        assert effect["owed_before_fen"] > failure.amount.fen
        assert effect["owed_after_fen"] == 0
        worked = approve(world)

        after = world.loans.rows["LN1"]
        assert (worked.discrepancy.state, worked.waits_for) == (DiscrepancyState.RESOLVED, "")
        assert (after.position.instalment_no, after.slot, after.hold) == (2, None, "")
        [made] = world.journal.corrections.values()
        assert (made.correction_no, made.kind) == (f"{ORDER}-L", CorrectionKind.LATE_SUCCESS)
        assert (made.business_date, made.value_date) == (IN_TWO_DAYS.date(), TODAY)
        assert (made.components, made.made_by, made.approved_by) == (failure.components, WANG, LI)
        assert world.journal.results[ORDER] == failure, "the old record stays as it was"

    def test_splits_a_joint_loan_s_money_as_its_order_would_have(self):
        world = a_late_success(joint=True)
        explain(world, "post_late_success")
        approve(world)

        [made] = world.journal.corrections.values()
        assert made.funder_id == "F1"
        other = world.journal.results[f"{TODAY:%Y%m%d}-1-LN2"]
        assert made.funder == other.funder

    def test_is_refused_where_the_loan_has_moved_since(self):
        world = a_late_success()
        loan = world.loans.rows["LN1"]
        moved = replace(loan.position, instalment_no=2)
        world.loans.rows["LN1"] = replace(loan, position=moved)

        assert rule_against(lambda: explain(world, "post_late_success")) == "not_owed"
        assert standing(world).state is DiscrepancyState.OPEN

    def test_waits_while_another_order_holds_the_loan(self):
        world = a_late_success()
        explain(world, "post_late_success")
        other = world.journal.results[ORDER]
        loan = world.loans.rows["LN1"]
        slot = discrepancy_slot(other)
        world.loans.rows["LN1"] = replace(loan, slot=slot)

        assert approve(world).waits_for == "loan_busy"
        assert life.is_being_done(standing(world))
        world.loans.rows["LN1"] = replace(world.loans.rows["LN1"], slot=None)
        assert discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working) == 0
        assert standing(world).is_resolved

    def test_is_opened_again_where_it_cannot_be_posted_after_all(self):
        world = a_late_success()
        explain(world, "post_late_success")

        def moves(call):
            if call == "FakeLoans.write":
                world.outside.before_call = None
                loan = world.loans.rows["LN1"]
                world.loans.rows["LN1"] = replace(
                    loan, position=replace(loan.position, instalment_no=2), version=99
                )

        world.outside.before_call = moves
        worked = approve(world)

        assert worked.discrepancy.state is DiscrepancyState.OPEN
        assert worked.discrepancy.handling.comments[-1].text.startswith("not_owed")
        assert world.journal.corrections == {}
        assert (WANG, "withdraw", "done") not in verbs(world)
        assert (LI, "withdraw", "done") in verbs(world)

    def test_stays_resolved_when_the_bill_is_looked_at_again(self):
        world = a_late_success()
        explain(world, "post_late_success")
        approve(world)
        before = world.state()
        reconciliation.again(
            business_date=TODAY,
            channel="main",
            now=IN_TWO_DAYS,
            desk=world.reconciling,
            files=world.arrivals,
        )

        after = world.state()
        assert {name: after[name] for name in ("loans", "discrepancies", "corrections")} == {
            name: before[name] for name in ("loans", "discrepancies", "corrections")
        }


def discrepancy_slot(record):
    from chalicelib.domain.loan import Slot

    return Slot(
        order_no=f"{TODAY:%Y%m%d}-Qabcdefghijklmno2-LN1",
        amount=record.amount,
        components=record.components,
        listed=record.amount,
        as_of=TODAY,
        sent_at=at(10),
    )


class TestAPhantom:
    def test_is_taken_back_and_owed_again(self):
        world = a_phantom()
        paid = world.journal.results[ORDER]
        explain(world, "reverse")
        approve(world)

        loan = world.loans.rows["LN1"]
        assert (loan.position.instalment_no, loan.unpaid_due_on, loan.slot) == (1, TODAY, None)
        [made] = world.journal.corrections.values()
        assert (made.kind, made.lines) == (CorrectionKind.REVERSAL, paid.lines)
        assert made.amount == paid.amount
        assert standing(world).is_resolved

    def test_is_left_where_a_later_payment_stands_on_it(self):
        world = a_phantom()
        later = replace(
            world.journal.results[ORDER],
            order_no=f"{IN_TWO_DAYS:%Y%m%d}-1-LN1",
            business_date=IN_TWO_DAYS.date(),
            recorded_at=IN_TWO_DAYS,
        )
        world.journal.results[later.order_no] = later

        assert rule_against(lambda: explain(world, "reverse")) == "journal_unclear"

    def test_that_the_platform_has_after_all_is_left_to_its_loan(self):
        world = a_bill_that_lacks_a_row()
        before = world.loans.rows["LN1"]
        explain(world, "reverse")
        worked = approve(world)

        assert worked.discrepancy.state is DiscrepancyState.OPEN
        assert "paid_there" in worked.discrepancy.handling.comments[-1].text
        assert (world.loans.rows["LN1"], world.journal.corrections) == (before, {})

    def test_of_which_the_platform_says_nothing_waits(self):
        world = a_phantom()
        world.platform.ends[ORDER] = Answer(status=AnswerStatus.UNREADABLE)
        explain(world, "reverse")

        assert approve(world).waits_for == "platform_unanswered"
        assert world.journal.corrections == {}
        del world.platform.ends[ORDER]
        assert discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working) == 0
        assert standing(world).is_resolved

    def test_approved_on_the_api_is_left_to_the_sweep(self):
        world = a_phantom()
        explain(world, "reverse")

        assert approve(world, desk=on_the_api(world)).waits_for == "waits_for_the_sweep"
        assert world.journal.corrections == {}


class TestADouble:
    def test_goes_back_once_by_the_correction_s_number(self):
        world = a_double()
        effect = explain(world, "refund").handling.proposal.effect
        approve(world)

        amount = world.journal.results[ORDER].amount
        assert effect == {"correction_no": f"{ORDER}-R", "amount_fen": amount.fen}
        assert world.platform.refunded == {f"{ORDER}-R": (ORDER, amount)}
        [made] = world.journal.corrections.values()
        assert (made.kind, made.amount, made.components.total) == (
            *(CorrectionKind.REFUND, amount),
            Money(0),
        )
        assert (standing(world).is_resolved, world.loans.rows["LN1"].hold) == (True, "")

    def test_that_nobody_heard_of_is_asked_again_by_the_same_number(self):
        world = a_double()
        world.platform.refund_script = ["unheard", "unheard"]
        explain(world, "refund")

        assert approve(world).waits_for == "refund_unanswered"
        assert world.journal.corrections == {}, "unknown is not done"
        assert world.loans.rows["LN1"].hold, "and the loan is still held"
        waiting = [discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working) for _ in range(3)]
        assert waiting == [1, 0, 0]
        assert list(world.platform.refunded) == [f"{ORDER}-R"]
        assert standing(world).is_resolved

    def test_that_the_platform_refuses_is_open_again(self):
        world = a_double()
        world.platform.refund_script = ["refused"]
        explain(world, "refund")
        worked = approve(world)

        assert worked.discrepancy.state is DiscrepancyState.OPEN
        assert "ORDER_NOT_PAID" in worked.discrepancy.handling.comments[-1].text
        assert world.journal.corrections == {}

    def test_approved_on_the_api_is_left_to_the_sweep(self):
        world = a_double()
        explain(world, "refund")

        assert approve(world, desk=on_the_api(world)).waits_for == "waits_for_the_sweep"
        assert world.platform.refunded == {}
        assert discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working) == 0
        assert standing(world).is_resolved


ALL = [
    (a_late_success, "post_late_success"),
    (a_phantom, "reverse"),
    (a_double, "refund"),
]


@pytest.mark.parametrize(("made", "action"), ALL, ids=[action for _, action in ALL])
class TestWhoeverDies:
    def test_at_any_boundary_is_followed_by_the_sweep_to_the_same_end(self, made, action):
        whole = made()
        explain(whole, action)
        start = whole.outside.boundaries
        approve(whole)
        boundaries = whole.outside.boundaries - start
        assert boundaries > 20
        for died_at in range(boundaries):
            world = made()
            explain(world, action)
            world.outside.dies_at = world.outside.boundaries + died_at
            with pytest.raises(Crash):
                approve(world)
            world.outside.dies_at = None
            if not life.is_being_done(standing(world)) and not standing(world).is_resolved:
                approve(world)  # it was not yet approved
            discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working)
            assert end_of(world) == end_of(whole), died_at
            assert audit.verify(subject=subject(world), trail=world.trail) is None

    def test_twice_is_followed_all_the_same(self, made, action):
        whole = made()
        explain(whole, action)
        approve(whole)
        for first in range(0, 60, 3):
            world = made()
            explain(world, action)
            for died_at in (first, 5):
                world.outside.dies_at = world.outside.boundaries + died_at
                try:
                    if life.is_being_done(standing(world)) or standing(world).is_resolved:
                        discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working)
                    else:
                        approve(world)
                except Crash:
                    pass
                world.outside.dies_at = None
            if not life.is_being_done(standing(world)) and not standing(world).is_resolved:
                approve(world)
            discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working)
            assert end_of(world) == end_of(whole), first


def end_of(world):
    """All that is durable but the versions, which count the tries."""
    state = world.state()
    loans = {name: replace(loan, version=0) for name, loan in state["loans"].items()}
    return {**state, "loans": loans, "refunds": dict(world.platform.refunded)}


def subject(world):
    return discrepancy_life.subject_of(standing(world))


class TestTwoPeople:
    def test_are_needed(self):
        world = a_late_success()
        explain(world, "post_late_success")

        assert rule_against(lambda: approve(world, by=WANG)) == "maker_is_checker"
        assert world.journal.corrections == {}
        assert verbs(world)[-1] == (WANG, "approve", "refused")

    def test_who_approve_at_once_do_it_once_and_one_is_told(self):
        world = a_late_success()
        explain(world, "post_late_success")

        def another(call):
            if call == "FakeDiscrepancies.write":
                world.outside.before_call = None
                approve(world, by="zhao")

        world.outside.before_call = another
        with pytest.raises(SeenOtherwiseError):
            approve(world)

        assert len(world.journal.corrections) == 1
        assert standing(world).handling.approval.approved_by == "zhao"
        assert verbs(world)[-1] == (LI, "approve", "refused")

    def test_who_go_on_with_it_at_once_end_it_once(self):
        world = a_late_success()
        explain(world, "post_late_success")

        def another(call):
            if call == "FakeLoans.write":
                world.outside.before_call = None
                discrepancy_life.go_on(now=IN_TWO_DAYS, desk=world.working)

        world.outside.before_call = another
        with pytest.raises(SeenOtherwiseError):
            approve(world)

        assert len(world.journal.corrections) == 1
        assert world.loans.rows["LN1"].position.instalment_no == 2
        assert standing(world).is_resolved


class TestRulesAndPeople:
    def test_a_person_never_writes_over_what_a_rule_has_found_since(self):
        world = a_late_success()
        seen = standing(world)
        world.discrepancies.put(replace(seen, there=Money(1)))

        with pytest.raises(SeenOtherwiseError):
            discrepancy_life.assign(
                reference=seen.reference,
                version=seen.version,
                owner=LI,
                by=LI,
                now=IN_TWO_DAYS,
                desk=world.working,
            )
        assert standing(world).there == Money(1)

    def test_a_rule_that_comes_in_between_makes_the_person_look_again(self):
        world = a_late_success()

        def finds_otherwise(call):
            if call == "FakeDiscrepancies.write":
                world.outside.before_call = None
                world.discrepancies.put(replace(standing(world), there=Money(1)))

        world.outside.before_call = finds_otherwise
        with pytest.raises(SeenOtherwiseError):
            explain(world, "post_late_success")
        assert standing(world).state is DiscrepancyState.OPEN

    def test_a_rule_leaves_owner_and_comments(self):
        world = a_late_success()
        each = standing(world)
        desk = world.working
        each = discrepancy_life.comment(
            reference=each.reference, text="asked them", by=WANG, now=IN_TWO_DAYS, desk=desk
        ).discrepancy
        discrepancy_life.assign(
            reference=each.reference,
            version=each.version,
            owner=LI,
            by=WANG,
            now=IN_TWO_DAYS,
            desk=desk,
        )
        world.discrepancies.put(replace(OPEN, kind=each.kind, there=Money(1)))

        handling = standing(world).handling
        assert (handling.owner, handling.comments[0].text) == (LI, "asked them")

    def test_the_money_of_one_order_is_corrected_from_one_discrepancy(self):
        world = a_late_success()
        explain(world, "post_late_success")
        world.journal.claims[ORDER] = "another"

        assert rule_against(lambda: approve(world)) == "corrected_elsewhere"
        assert not life.is_being_done(standing(world))

    def test_an_order_has_one_correction_of_a_kind(self):
        world = a_double()
        explain(world, "refund")
        approve(world)
        each = standing(world)
        discrepancy_life.reopen(
            reference=each.reference,
            version=each.version,
            reason="they say not",
            by=WANG,
            now=IN_TWO_DAYS,
            desk=world.working,
        )

        assert rule_against(lambda: explain(world, "refund")) == "corrected_already"


class TestTheTrail:
    def test_has_every_step_and_every_refusal(self):
        world = a_late_success()
        explain(world, "post_late_success")
        with pytest.raises(StepRefusedError):
            approve(world, by=WANG)
        each = standing(world)
        discrepancy_life.reject(
            reference=each.reference,
            version=each.version,
            reason="not sure",
            by=LI,
            now=IN_TWO_DAYS,
            desk=world.working,
        )

        assert verbs(world) == [
            (WANG, "explain", "done"),
            (WANG, "approve", "refused"),
            (LI, "reject", "done"),
        ]
        assert standing(world).state is DiscrepancyState.OPEN
        assert audit.verify(subject=subject(world), trail=world.trail) is None

    def test_shows_what_was_tampered_with(self):
        world = a_late_success()
        explain(world, "post_late_success")
        approve(world)
        key = (subject(world), 2)
        world.trail.rows[key] = replace(world.trail.rows[key], by="nobody")

        assert audit.verify(subject=subject(world), trail=world.trail) == 2


class TestTheDesk:
    def test_knows_what_is_not_there(self):
        world = a_late_success()
        reference = reference_of(
            business_date=TODAY, channel="main", kind=Kind.DUPLICATE, order_no="X"
        )
        with pytest.raises(NoSuchDiscrepancyError):
            discrepancy_life.find(reference=reference, desk=world.working)

    def test_names_what_is_old(self):
        world = a_late_success()
        opened = list(discrepancy_life.of_open(world.working))

        assert discrepancy_life.aged(now=IN_TWO_DAYS, opened=opened) == ()
        assert discrepancy_life.aged(now=IN_TWO_DAYS + timedelta(days=2), opened=opened) == (
            f"2026-11-24 main status_differs#{ORDER}",
        )


def test_an_approval_names_its_day_before_anything_is_done():
    assert APPROVED.handling.approval == Approval(
        approved_by=LI, approved_at=at(12), business_date=TODAY
    )


class TestACorrectedBill:
    """What people have decided stands on what they have seen."""

    def test_that_says_the_same_leaves_it_as_it_was_decided(self):
        world = a_late_success()
        explain(world, "accept")
        approve(world)
        billed_again(world, list(the_true_bill_with_the_late_one(world).values()))

        assert standing(world).is_resolved

    def test_that_lacks_what_was_posted_late_asks_again(self):
        world = a_late_success()
        explain(world, "post_late_success")
        approve(world)
        rows = the_true_bill(world)
        billed_again(world, [row for loan_id, row in rows.items() if loan_id != "LN1"])

        assert standing(world, "status_differs").is_resolved
        assert standing(world, "missing_there").state is DiscrepancyState.OPEN

    def test_that_has_what_was_taken_back_asks_again_and_holds_the_loan(self):
        world = a_phantom()
        explain(world, "reverse")
        approve(world)
        amount = world.journal.results[ORDER].amount.fen
        rows = {**the_true_bill(world), "LN1": a_bill_row("LN1", amount_fen=amount)}
        billed_again(world, list(rows.values()))

        found = standing(world, "status_differs")
        assert (found.state, found.facts["note"]) == (
            DiscrepancyState.OPEN,
            "failed_here_paid_there",
        )
        assert world.loans.rows["LN1"].hold

    def test_that_has_what_was_posted_late_agrees(self):
        world = a_late_success()
        explain(world, "post_late_success")
        approve(world)
        billed_again(world, list(the_true_bill_with_the_late_one(world).values()))

        run = world.runs.get(TODAY, "reconciliation_main")
        assert (run.totals["bill"]["version"], run.totals["open"]) == (2, 0)
        assert run.totals["classes"]["status_differs"]["rows"] == 0, "it is matched by now"

    def test_lets_the_day_close_with_what_was_posted_late(self):
        world = a_late_success()
        explain(world, "post_late_success")
        approve(world)

        closing = day_close.close(business_date=TODAY, now=IN_TWO_DAYS, desk=world.closing)
        assert closing.open == ()

    def test_that_shows_another_difference_opens_what_was_accepted(self):
        world = a_worked_day({"LN1": "succeed", "LN2": "succeed"})
        rows = the_true_bill(world)
        ordered = world.journal.results[ORDER].amount.fen
        one_more = {**rows, "LN1": a_bill_row("LN1", amount_fen=ordered + 1)}
        billed_again(world, list(one_more.values()), version=1)
        explain(world, "accept")
        approve(world)
        much_more = {**rows, "LN1": a_bill_row("LN1", amount_fen=ordered + 500_00)}
        billed_again(world, list(much_more.values()))

        each = standing(world)
        assert (each.state, each.decided_by) == (DiscrepancyState.OPEN, "")
        assert each.there == Money(ordered + 500_00)
        assert each.handling.comments[-1].by == "reconciliation"
        assert world.loans.rows["LN1"].hold


def the_true_bill_with_the_late_one(world):
    amount = world.journal.results[ORDER].amount.fen
    return {**the_true_bill(world), "LN1": a_bill_row("LN1", amount_fen=amount)}
