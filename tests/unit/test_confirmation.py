"""A funder's word on each order: agreed closes, everything else is one discrepancy."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.confirmation import Judged, discrepancies, judge
from chalicelib.domain.discrepancy import SUGGESTIONS
from chalicelib.domain.funder import Agreement, ConfirmationLine
from chalicelib.domain.money import Money, total
from chalicelib.domain.reconciliation import Kind
from chalicelib.domain.run import Tally
from tests.builders import TODAY, at

SEVEN, EIGHT = Money(7), Money(8)


def says(order_no: str, amount: Money, status: Agreement = Agreement.AGREED, reason: str = ""):
    return ConfirmationLine(order_no=order_no, status=status, funder_amount=amount, reason=reason)


def found(judged: Judged) -> dict[str, tuple[Kind, str]]:
    return {each.order_no: (each.kind, each.note) for each in judged.findings}


def test_what_is_agreed_is_no_finding():
    judged = judge(ours={"1": SEVEN, "2": EIGHT}, lines=[says("1", SEVEN), says("2", EIGHT)])

    assert (judged.agreed, judged.findings) == (Tally(count=2, amount=Money(15)), ())


def test_one_fen_is_a_difference_though_they_call_it_agreed():
    judged = judge(ours={"1": SEVEN}, lines=[says("1", EIGHT)])

    assert found(judged) == {"1": (Kind.CONFIRMATION_DIFFERS, "agreed_with_another_amount")}


def test_what_they_say_differs_does_so_though_the_amounts_are_the_same():
    judged = judge(ours={"1": SEVEN}, lines=[says("1", SEVEN, Agreement.DIFFERS, "paid twice")])

    assert found(judged) == {"1": (Kind.CONFIRMATION_DIFFERS, "differs_there")}
    assert judged.findings[0].reason == "paid twice"


def test_an_order_they_never_mention_is_open():
    judged = judge(ours={"1": SEVEN, "2": EIGHT}, lines=[says("1", SEVEN)])

    assert found(judged) == {"2": (Kind.UNCONFIRMED, "never_mentioned")}


def test_an_order_that_is_none_of_ours_is_open():
    judged = judge(ours={}, lines=[says("1", SEVEN)])

    assert found(judged) == {"1": (Kind.CONFIRMED_UNKNOWN, "not_in_our_file")}
    assert (judged.findings[0].here, judged.findings[0].there) == (None, SEVEN)


def test_an_order_they_mention_twice_is_agreed_with_neither():
    judged = judge(ours={"1": SEVEN}, lines=[says("1", SEVEN), says("1", SEVEN)])

    assert found(judged) == {"1": (Kind.CONFIRMATION_DIFFERS, "mentioned_twice")}


def test_each_finding_becomes_a_discrepancy_with_both_sides_and_what_to_do():
    judged = judge(ours={"1": SEVEN}, lines=[says("1", EIGHT, Agreement.DIFFERS, "one fen more")])

    [(discrepancy_id, each)] = discrepancies(
        judged=judged, business_date=TODAY, channel="funder-F1", at=at(11)
    ).items()
    assert discrepancy_id == "confirmation_differs#1"
    assert (each.here, each.there) == (SEVEN, EIGHT)
    assert each.facts == {"note": "differs_there", "reason": "one fen more"}
    assert each.suggestion == SUGGESTIONS[Kind.CONFIRMATION_DIFFERS]


ORDERS = st.sampled_from("123456")
AMOUNTS = st.integers(1, 3).map(Money)


@given(
    ours=st.dictionaries(ORDERS, AMOUNTS),
    lines=st.lists(st.builds(says, ORDERS, AMOUNTS, st.sampled_from(Agreement)), max_size=8),
)
def test_every_order_and_every_line_is_in_exactly_one_place(ours, lines):
    judged = judge(ours=ours, lines=lines)
    names = [each.order_no for each in judged.findings]

    assert len(names) == len(set(names))
    assert set(names) <= ours.keys() | {line.order_no for line in lines}
    agreed = {no for no in ours if no not in names}
    assert judged.agreed == Tally(count=len(agreed), amount=total(ours[no] for no in agreed))
    for order_no in agreed:
        assert [line.funder_amount for line in lines if line.order_no == order_no] == [
            ours[order_no]
        ]
