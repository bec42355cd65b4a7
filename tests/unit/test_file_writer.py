"""What is written is read back equal, and opens in a spreadsheet as what it is."""

import json
import string
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters import file_writer, funders
from chalicelib.adapters.file_dialects import DEFAULT, CsvFormat
from chalicelib.adapters.file_manifests import read_manifest
from chalicelib.adapters.funder_layouts import FUNDER_LAYOUTS, REPAYMENTS
from chalicelib.domain.deduction import Kind
from chalicelib.domain.due_comparison import COMPARED, DifferenceLine, Match
from chalicelib.domain.funder import (
    Agreement,
    ConfirmationLine,
    DueLine,
    RepaymentLine,
    ResultLine,
    ResultStatus,
)
from chalicelib.domain.money import ZERO, Money

DIALECTS = funders.read_dialects()
IDENTIFIERS = string.ascii_letters + string.digits + "-_"
names = st.text(IDENTIFIERS, min_size=1, max_size=32)
numbers = st.integers(1, 360)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
moments = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001  the zone is in the next argument
    datetime(2099, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
amounts = st.integers(0, 10**13).map(Money)
PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"))
texts = st.text(PRINTABLE, max_size=200) | st.sampled_from(
    ["=1+1", "'=1", "@x", "+1", '"', "a,b", "`", "", "李|雷", "''-1"]
)


@st.composite
def nine_amounts(draw):
    parts = {
        f"{party}_{name}": draw(amounts)
        for party in ("funder", "platform")
        for name in ("principal", "interest", "penalty")
    }
    whole = {
        name: parts[f"funder_{name}"] + parts[f"platform_{name}"]
        for name in ("principal", "interest", "penalty")
    }
    return whole | parts


@st.composite
def due_lines(draw):
    return DueLine(
        loan_id=draw(names), instalment_no=draw(numbers), due_on=draw(days), **draw(nine_amounts())
    )


@st.composite
def repayment_lines(draw):
    return RepaymentLine(
        order_no=draw(names),
        trade_no=draw(names),
        loan_id=draw(names),
        instalment_no=draw(numbers),
        kind=draw(st.sampled_from([kind for kind in Kind if kind is not Kind.INSTALMENT])),
        paid_at=draw(moments),
        **draw(nine_amounts()),
    )


@st.composite
def result_lines(draw):
    line = ResultLine(
        loan_id=draw(names),
        instalment_no=draw(numbers),
        round=draw(st.integers(0, 3)),
        status=ResultStatus.FAILED,
        failure_code="INSUFFICIENT_FUNDS",
    )
    if draw(st.booleans()):
        return line
    return replace(
        line,
        status=ResultStatus.SUCCEEDED,
        principal=draw(st.integers(1, 10**10).map(Money)),
        interest=draw(amounts),
        paid_at=draw(moments),
        failure_code="",
        funder_trade_no=draw(names),
    )


confirmation_lines = st.builds(
    ConfirmationLine,
    order_no=names,
    status=st.just(Agreement.DIFFERS),
    funder_amount=amounts,
    reason=texts.filter(bool),
) | st.builds(
    ConfirmationLine, order_no=names, status=st.just(Agreement.AGREED), funder_amount=amounts
)
difference_lines = st.builds(
    DifferenceLine,
    loan_id=names,
    instalment_no=numbers,
    difference=st.sampled_from(Match),
    field=st.sampled_from([*COMPARED, ""]),
    theirs=amounts,
    ours=amounts,
    their_due_on=st.none() | days,
    our_due_on=st.none() | days,
)
LINES = {
    "due": due_lines(),
    "results": result_lines(),
    "confirmation": confirmation_lines,
    "repayments": repayment_lines(),
    "reconciliation": repayment_lines(),
    "due-differences": difference_lines,
}


def a_repayment(**changes) -> RepaymentLine:
    nothing = dict.fromkeys(
        f"{party}{name}"
        for party in ("", "funder_", "platform_")
        for name in ("principal", "interest", "penalty")
    )
    line = RepaymentLine(
        order_no="20261124-1-LN1",
        trade_no="T1",
        loan_id="LN1",
        instalment_no=1,
        kind=Kind.SCHEDULED,
        paid_at=datetime.fromisoformat("2026-11-24T09:00:00+08:00"),
        **dict.fromkeys(nothing, ZERO),
    )
    return replace(line, **changes)


def key_of(record, layout):
    return tuple(getattr(record, name) for name in layout.key)


def test_every_kind_of_funder_file_is_tried():
    assert LINES.keys() == FUNDER_LAYOUTS.keys()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", FUNDER_LAYOUTS)
@given(data=st.data())
def test_what_is_written_is_read_back_equal(kind, dialect, data):
    layout = FUNDER_LAYOUTS[kind]
    lines = data.draw(
        st.lists(LINES[kind], max_size=5, unique_by=lambda record: key_of(record, layout))
    )

    written = file_writer.write(lines, layout=layout, dialect=DIALECTS[dialect])

    read = list(CsvFormat(layout=layout, dialect=DIALECTS[dialect]).lines([written.body]))
    assert [line.faults for line in read] == [()] * len(lines)
    assert [line.record for line in read] == lines
    manifest = read_manifest(written.manifest)
    assert (manifest.rows, manifest.amount) == (written.rows, written.amount)
    assert (written.rows, written.amount) == (
        len(lines),
        sum((line.amount for line in read), ZERO),
    )


def test_the_same_lines_are_the_same_bytes():
    lines = [a_repayment(), a_repayment(order_no="20261124-1-LN2", kind=Kind.FULL)]

    one, two = (file_writer.write(lines, layout=REPAYMENTS) for _ in range(2))

    assert one == two
    assert one.body.decode().splitlines()[1:] == [
        "20261124-1-LN1,T1,LN1,1,scheduled,0,0,0,0,0,0,0,0,0,2026-11-24T09:00:00+08:00",
        "20261124-1-LN2,T1,LN1,1,settlement,0,0,0,0,0,0,0,0,0,2026-11-24T09:00:00+08:00",
    ]
    assert json.loads(one.manifest)["rows"] == 2


def test_an_instalment_paid_early_is_told_as_scheduled():
    written = file_writer.write([a_repayment(kind=Kind.INSTALMENT)], layout=REPAYMENTS)

    assert b",scheduled," in written.body


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_looks_like_a_formula_is_neutralised_and_a_number_is_not(start):
    line = a_repayment(trade_no=f"{start}1+1", principal=Money(-5))

    written = file_writer.write([line], layout=REPAYMENTS, dialect=DEFAULT).body.decode()

    assert f"'{start}1+1" in written
    assert ",-5," in written
