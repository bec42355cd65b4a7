"""What two readers could read differently is refused; the rest is read strictly."""

from dataclasses import dataclass
from datetime import date
from time import process_time

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.entrypoints import request_body
from chalicelib.entrypoints.request_body import BYTES_MAX, DEPTH_MAX, UnreadableBodyError


class Amount(BaseModel):
    model_config = ConfigDict(extra="ignore")

    amount_fen: int = Field(ge=1, le=10**8)


class Words(BaseModel):
    words: str


@dataclass(frozen=True)
class Day:
    business_date: date


def amount(text: str) -> bytes:
    return f'{{"amount_fen": {text}}}'.encode()


class TestABodyThatFits:
    def test_is_read_into_a_model(self):
        assert request_body.read(Amount, amount("100")).amount_fen == 100

    def test_is_read_into_a_dataclass(self):
        read = request_body.read(Day, b'{"business_date": "2026-11-24"}')

        assert read == Day(business_date=date(2026, 11, 24))

    @pytest.mark.parametrize("words", ["王小明", "😀", "𠮷", "a\\u0000b", "[[[[{{{{" * 100])
    def test_may_say_anything_in_its_texts(self, words):
        assert request_body.read(Words, f'{{"words": "{words}"}}'.encode())

    def test_may_be_as_large_and_as_deep_as_is_said(self):
        nested = "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)
        body = f'{{"amount_fen": 1, "more": {nested}}}'.encode()

        assert request_body.read(Amount, body.ljust(BYTES_MAX)).amount_fen == 1


class TestAnAmount:
    """failures.md no. 50 and T3 to T6."""

    @pytest.mark.parametrize(
        "text",
        ["0", "-1", "1000000000", "1e9", "100.001", "100.0", "1e2", "true", "null", "[]", "{}",
         '"100"', '"１００"', '" 1_000 "', '""', "9" * 4000],
    )  # fmt: skip
    def test_50_that_is_json_and_no_amount_does_not_fit(self, text):
        with pytest.raises(ValidationError):
            request_body.read(Amount, amount(text))

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("NaN", "not_a_number"),
            ("Infinity", "not_a_number"),
            ("-Infinity", "not_a_number"),
            ("1e999", "not_a_number"),
            ("-1e999", "not_a_number"),
            ("１００", "not_json"),
            ("1_000", "not_json"),
            ("0100", "not_json"),
            ("+1", "not_json"),
            ("0x64", "not_json"),
            ("9" * 5000, "not_json"),
            ("", "not_json"),
        ],
    )
    def test_50_that_is_no_json_number_is_unreadable(self, text, code):
        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Amount, amount(text))

        assert (refused.value.status, refused.value.code) == (400, code)

    @pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"{}"])
    def test_50_that_is_missing_does_not_fit(self, body):
        with pytest.raises(ValidationError):
            request_body.read(Amount, body)


class TestABody:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"amount_fen": 1, "amount_fen": 100}',
            b'{"amount_fen": 1, "amount\\u005ffen": 100}',
            b'{"amount_fen": 1, "more": [{"a": 1, "a": 1}]}',
        ],
    )
    def test_with_a_key_twice_is_unreadable_wherever_it_stands(self, body):
        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Amount, body)

        assert (refused.value.status, refused.value.code) == (400, "duplicate_key")

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 60_000,
            b"[" * 30_000 + b"]" * 30_000,
            b'{"a":' * 10_000,
            b'{"amount_fen": 1, "more": ' + b"[" * DEPTH_MAX + b"]" * DEPTH_MAX + b"}",
        ],
    )
    def test_that_is_too_deep_is_unreadable(self, body):
        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Amount, body)

        assert (refused.value.status, refused.value.code) == (400, "too_deep")

    @pytest.mark.parametrize("body", [b" " * (BYTES_MAX + 1), b"[" * 100_000, b"1" * 10_000_000])
    def test_that_is_too_large_is_not_looked_at(self, body):
        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Amount, body)

        assert (refused.value.status, refused.value.code) == (413, "body_too_large")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"not json",
            b'{"amount_fen": 1}}',
            b'{"amount_fen": 1} {"amount_fen": 2}',
            b"{'amount_fen': 1}",
            b'{"amount_fen": 1,}',
            '{"words": "王小明"}'.encode("gbk"),
            '{"amount_fen": 1}'.encode("utf-16"),
            b"\xef\xbb\xbf" + amount("1"),
            b'{"words": "\xed\xa0\x80"}',
            b'{"words": "\xff"}',
            b'{"words": "a\x00b"}',
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        ],
    )
    def test_that_is_no_json_in_utf_8_is_unreadable(self, body):
        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Words, body)

        assert (refused.value.status, refused.value.code) == (400, "not_json")

    @pytest.mark.parametrize("model", [Words, Amount])
    @pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\ud800\\ud800"])
    def test_with_half_a_surrogate_pair_is_unreadable(self, model, half):
        body = f'{{"words": "{half}", "amount_fen": 1}}'.encode()

        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(model, body)

        assert (refused.value.status, refused.value.code) == (400, "not_json")

    def test_that_is_refused_says_nothing_of_what_it_held(self):
        body = b'{"words": "6222020200112233445", "words": 1}'

        with pytest.raises(UnreadableBodyError) as refused:
            request_body.read(Words, body)

        told = f"{refused.value} {refused.value.detail} {refused.value.__cause__}"
        assert "6222020200112233445" not in told


@pytest.mark.parametrize(
    "raw",
    [b'"' + b'\\"' * 32_000, b'"' * 64_000, b'"' + b"\\" * 64_000, b'["' + b'\\"' * 31_000],
    ids=["escaped quotes", "quotes", "backslashes", "an open string in an array"],
)
def test_no_body_is_read_again_and_again(raw):
    """What takes one pass takes well under a second of CPU for 64 KB; a second pass each, minutes."""
    began = process_time()
    with pytest.raises(UnreadableBodyError):
        request_body.read(dict[str, int], raw)

    assert process_time() - began < 1
