"""The words: they fit, they say what was collected, and nothing gets in with a name."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.money import Money
from chalicelib.domain.notice import Line, Recipient, Scenario, opened, said
from chalicelib.domain.notice_text import (
    TEXT_UNITS_MAX,
    IllegalTemplateError,
    Template,
    Templates,
    compose,
    masked,
    units,
)
from tests.builders import TODAY, at
from tests.fakes_notices import TEMPLATES

LARGEST = Money(1_234_567_89)
LAST_DAY = TODAY.replace(month=12, day=31)


def a_notice(scenario=Scenario.DEDUCTION_FAILED, *lines):
    return opened(
        recipient=Recipient(borrower_id="B1", scenario=scenario, business_date=LAST_DAY),
        sequence=1,
        lines=lines,
        now=at(9),
        send_at=at(9, 5),
    )


def a_line(loan_id="LN1", **changes):
    return Line(**({"loan_id": loan_id, "amount": Money(1), "due_on": LAST_DAY} | changes))


class TestLength:
    @pytest.mark.parametrize("scenario", Scenario)
    @pytest.mark.parametrize("count", [1, 99])
    @pytest.mark.parametrize(
        "name", ["王小明", "𠮷野𠮷", "阿卜杜拉·买买提·艾力", "Nebuchadnezzar II"]
    )
    def test_every_text_fits_at_its_widest(self, scenario, count, name):
        each = Money(LARGEST.fen // count)
        rest = LARGEST - Money(each.fen * (count - 1))
        lines = [a_line(f"LN{number:08}", amount=each) for number in range(count - 1)]
        notice = a_notice(scenario, *lines, a_line("LN99999999", amount=rest))

        text = compose(notice=notice, name=name, templates=TEMPLATES)

        assert "1,234,567.89" in text.text
        assert units(text.text) <= TEXT_UNITS_MAX

    def test_a_signature_that_leaves_too_little_room_is_refused_at_the_start(self):
        with pytest.raises(IllegalTemplateError, match="characters"):
            Templates(
                signature="【一个非常非常长的公司名字有限公司】",
                for_one=TEMPLATES.for_one,
                for_several=TEMPLATES.for_several,
            )

    @pytest.mark.parametrize("text", ["{phone}", "{}", "{name}{loan.__class__}{idcard}"])
    def test_a_template_gets_no_parameter_that_is_not_foreseen(self, text):
        if text == "{name}{loan.__class__}{idcard}":
            text = "{name}{idcard}"
        with pytest.raises(IllegalTemplateError):
            Template(code="x", text=text)

    def test_every_scenario_has_both_texts_and_each_its_version(self):
        for texts in (TEMPLATES.for_one, TEMPLATES.for_several):
            assert set(texts) == set(Scenario)
        assert TEMPLATES.for_one[Scenario.PRE_DUE].code == "pre_due_one_v1"


class TestWords:
    def test_speak_of_one_loan_by_its_last_digits(self):
        notice = a_notice(Scenario.SETTLED, a_line("LN-2026-000123", amount=Money(5_00)))

        text = compose(notice=notice, name="王明", templates=TEMPLATES)

        assert text.text == (
            "【Afterloan】王*您好，尾号0123的借款已于12月31日还款5.00元，全部结清，感谢您的支持。"
        )
        assert text.template == "settled_one_v1"
        assert text.params == {
            "name": "王*",
            "loan": "0123",
            "date": "12月31日",
            "amount": "5.00",
        }

    def test_speak_of_several_loans_by_number_sum_and_earliest_date(self):
        notice = a_notice(
            Scenario.PRE_DUE,
            a_line("LN1", due_on=TODAY + timedelta(days=3)),
            a_line("LN2", due_on=TODAY + timedelta(days=1)),
        )

        text = compose(notice=notice, name="", templates=TEMPLATES)

        assert text.text.startswith("【Afterloan】您好，您有2笔借款共0.02元近日到期，最早11月25日")

    def test_add_up_two_payments_of_one_loan(self):
        notice = a_notice(
            Scenario.DEDUCTION_SUCCEEDED,
            a_line(order_no="1", amount=Money(1_00)),
            a_line(order_no="2", amount=Money(2_00)),
        )

        assert "成功还款3.00元" in compose(notice=notice, name="", templates=TEMPLATES).text

    def test_of_a_loan_that_failed_twice_say_the_later_order(self):
        later = a_line(order_no="20261124-2-LN1", amount=Money(2))
        notice = a_notice(Scenario.DEDUCTION_FAILED, later, a_line(order_no="20261124-1-LN1"))

        assert said(notice) == (later,)


class TestNames:
    @given(st.text(max_size=20))
    def test_bring_in_nothing_but_letters_and_digits(self, name):
        shown = masked(name)

        assert len(shown) <= 3
        assert shown.replace("*", "").isalnum() or not shown
        assert not set(shown) & set("{}【】[]<>\r\n\t\x00\u202e")

    @pytest.mark.parametrize(
        "name", ["{amount}", "【别的公司】", "王\r\n{phone}", "\u202e王\u200b明", "{{name}}"]
    )
    def test_cannot_forge_a_text(self, name):
        notice = a_notice(Scenario.SETTLED, a_line("LN{name}", amount=Money(5_00)))

        text = compose(notice=notice, name=name, templates=TEMPLATES).text

        assert text.count("【") == text.count("】") == 1
        assert text.count("5.00") == 1
        assert not set(text) & set("{}\r\n\u202e\u200b")
