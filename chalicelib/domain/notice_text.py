"""The words of a notice.  What goes into them may come from anywhere: it is cleaned here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from chalicelib.domain.money import Money, total
from chalicelib.domain.notice import Line, Notice, Scenario, Text, said

TEXT_UNITS_MAX = 70
"""One text; longer ones are cut in parts of 67 and each is paid for."""

MOBILE_DIGITS = 11
LOAN_TAIL_LENGTH = 4
_PARAM = re.compile(r"\{(\w*)\}")

WIDEST: Mapping[str, str] = {
    "name": "𠮷*𠮷",
    "loan": "0" * LOAN_TAIL_LENGTH,
    "count": "99",
    "amount": str(Money(123_456_789)),
    "date": "12月31日",
    "due_on": "12月31日",
}
"""The widest each parameter becomes, but for sums over ten million."""


class IllegalTemplateError(ValueError):
    """A template asks for what it cannot get, or its text can be too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One text with its parameters in braces; `code` names it and its version at the platform."""

    code: str
    text: str

    def __post_init__(self) -> None:
        unknown = set(_PARAM.findall(self.text)) - WIDEST.keys()
        if unknown:
            raise IllegalTemplateError(f"{self.code}: unknown parameters {sorted(unknown)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Templates:
    """Every text there is, for one loan and for several; `signature` stands before each.

    :raises IllegalTemplateError: if a text can be longer than one text.
    """

    signature: str
    for_one: Mapping[Scenario, Template]
    for_several: Mapping[Scenario, Template]

    def __post_init__(self) -> None:
        for template in (*self.for_one.values(), *self.for_several.values()):
            width = units(self.signature + _filled(template, WIDEST))
            if width > TEXT_UNITS_MAX:
                raise IllegalTemplateError(f"{template.code}: up to {width} characters")


def units(text: str) -> int:
    """Count characters the way a text is charged: UTF-16 code units.

    >>> units("王"), units("𠮷")
    (1, 2)
    """
    return len(text.encode("utf-16-le")) // 2


def compose(*, notice: Notice, name: str, templates: Templates) -> Text:
    """Write the text of a notice that has something to say; the same notice, the same words."""
    scenario = notice.recipient.scenario
    lines = said(notice)
    count = _count(lines, scenario)
    template = (templates.for_one if count == 1 else templates.for_several)[scenario]
    known = _params_of(lines, count=count, name=name, business_date=notice.recipient.business_date)
    params = {wanted: known[wanted] for wanted in _PARAM.findall(template.text)}
    return Text(
        template=template.code,
        params=params,
        text=templates.signature + _filled(template, params),
    )


def _count(lines: tuple[Line, ...], scenario: Scenario) -> int:
    """Count loans; but of repayments that failed each one, for their amounts are added up."""
    if scenario is Scenario.ACTIVE_FAILED:
        return len(lines)
    return len({line.loan_id for line in lines})


def _params_of(
    lines: tuple[Line, ...], *, count: int, name: str, business_date: date
) -> dict[str, str]:
    due_dates = [line.due_on for line in lines if line.due_on is not None]
    return {
        "name": masked(name),
        "loan": cleaned(lines[0].loan_id)[-LOAN_TAIL_LENGTH:],
        "count": str(count),
        "amount": str(total(line.amount for line in lines)),
        "date": _day(business_date),
        "due_on": _day(min(due_dates, default=business_date)),
    }


def _filled(template: Template, params: Mapping[str, str]) -> str:
    """Fill in once: what is filled in is not read again."""
    return _PARAM.sub(lambda found: params[found[1]], template.text)


def _day(day: date) -> str:
    return f"{day.month}月{day.day}日"


def cleaned(text: str) -> str:
    r"""Leave letters and digits: no control characters, no braces, no brackets of a signature.

    >>> cleaned("王\u202e{amount}【别的】\r\n")
    '王amount别的'
    """
    return "".join(character for character in text if character.isalnum())


def masked(name: str) -> str:
    """Show no more of a name than its owner needs to know that he is meant.

    >>> masked("王小明"), masked("王明"), masked("阿卜杜拉·买买提"), masked("")
    ('王*明', '王*', '阿*提', '')
    """
    letters = cleaned(name)
    return letters[:1] + "*" * bool(letters) + (letters[-1] if len(letters) > 2 else "")


def is_mobile(phone: str) -> bool:
    """Whether a text can be sent to the number: a mainland mobile one.

    >>> is_mobile("13800000000"), is_mobile("+8613800000000"), is_mobile("1380000000０")
    (True, False, False)
    """
    return (
        len(phone) == MOBILE_DIGITS
        and phone.isascii()
        and phone.isdigit()
        and phone.startswith("1")
    )
