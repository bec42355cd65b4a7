"""What the borrower's API makes of requests that are malformed, too many, or that meet a fault.

Test numbers are those of failures.md part C.
"""

import json
from io import StringIO

import pytest
from botocore.exceptions import ClientError

from tests.builders import a_cut, a_loan
from tests.entrypoints.house import around_calls
from tests.lambdas import log_to

CANARY = "6222020200112233445"
QUOTES, REPAYMENTS = "/v1/loans/LN1/quotes", "/v1/loans/LN1/repayments"
A_QUOTE_ID = "Qabcdefghijklmno2"

UNREADABLE = {
    "nothing": b"",
    "not JSON": b"{",
    "two values": b'{"kind": "full"} {}',
    "NaN": b'{"kind": "partial", "amount_fen": NaN}',
    "infinity": b'{"kind": "partial", "amount_fen": 1e999}',
    "minus infinity": b'{"kind": "partial", "amount_fen": -Infinity}',
    "full-width digits": '{"kind": "partial", "amount_fen": １００}'.encode(),
    "an underscore": b'{"kind": "partial", "amount_fen": 1_000}',
    "a leading zero": b'{"kind": "partial", "amount_fen": 0100}',
    "a plus": b'{"kind": "partial", "amount_fen": +100}',
    "a hundred thousand digits": b'{"kind": "partial", "amount_fen": ' + b"9" * 60_000 + b"}",
    "a key twice": b'{"kind": "full", "kind": "full"}',
    "a key twice, once escaped": b'{"kind": "full", "k\\u0069nd": "full"}',
    "too deep": b"[" * 30_000 + b"]" * 30_000,
    "never closed": b"[" * 60_000,
    "GBK": '{"kind": "全部"}'.encode("gbk"),
    "half a surrogate pair": b'{"kind": "\\ud83d"}',
    "UTF-16": '{"kind": "full"}'.encode("utf-16"),
    "a form": b"kind=full",
}
"""Bodies that are no JSON to be relied on: 400, whatever the route."""

UNFIT = {
    "null": b"null",
    "a list": b"[]",
    "a number": b"100",
    "a text": b'"full"',
    "an empty object": b"{}",
    "a NUL": b'{"kind": "full\\u0000", "quote_id": "Q\\u0000"}',
    "too much": b'{"kind": "full", "quote_id": "Qabcdefghijklmno2", "note": "x"}',
}
"""JSON that fits no route that takes a body: 422."""

UNFIT_WISHES = {
    "kind": [b"null", b'"scheduled"', b'"FULL"', b'"full "', b"1", b"true", b'["full"]', b"{}"],
    "amount_fen": [
        *(b"0", b"-1", b"-0", b"1e9", b"1e2", b"100.0", b"100.001", b"1000000000001"),
        *(b"true", b"false", b"null", b"[]", b"{}", b"[100]"),
        *(b'"100"', '"１００"'.encode(), b'" 1_000 "', b'"1E2"', b'""', b'"NaN"'),
        b"9" * 4000,
    ],
    "recut": [b'"longer"', b"1", b"true", b"[]"],
}
UNFIT_QUOTE_IDS = [
    *(b"null", b"1", b"true", b"[]", b"{}", b'""', b'"Q"', b'"qabcdefghijklmno2"'),
    *(b'"Qabcdefghijklmno2 "', b'"Qabcdefghijklmno1"', b'"Qabcdefghijklmno2\\n"'),
    *('"Ｑabcdefghijklmno2"'.encode(), b'"../../../../etc/pw"', b'"' + b"Q" * 3000 + b'"'),
]


@pytest.fixture
def phone(house):
    house.book(a_loan(), a_cut())
    return house.phone()


def wishes():
    """Name the bodies with one field of a good wish gone wrong."""
    for field, values in UNFIT_WISHES.items():
        for value in values:
            fields = {"kind": b'"partial"', "amount_fen": b"500000", field: value}
            pairs = (b'"%s": %s' % (name.encode(), said) for name, said in fields.items())
            yield b"{%s}" % b", ".join(pairs)


NO_KEYS = [
    *("k" * 256, "k" * 8000, "钥匙", "clé", "ｋｅｙ", "a key", "key\n", "key\r\nX-Injected: 1"),
    *("k\x00ey", "key\x7f", "\t"),
]


def a_key(key):
    return {"Idempotency-Key": key}


def said_of(answer):
    return answer.status_code, answer.json_body["code"]


class TestAKey:
    def test_43_that_is_missing_or_none_is_refused_and_nothing_is_started(
        self, house, phone, monkeypatch
    ):
        monkeypatch.setenv("REPAYMENTS_PER_MINUTE", "20")
        house.restart()
        body = {"quote_id": phone.quote()["quote_id"]}
        missing = [phone.post(REPAYMENTS, body, headers=given) for given in ({}, a_key(""))]
        bad = [phone.post(REPAYMENTS, body, headers=a_key(key)) for key in NO_KEYS]

        assert [said_of(answer) for answer in missing] == [(400, "idempotency_key_missing")] * 2
        assert [said_of(answer) for answer in bad] == [(400, "idempotency_key_invalid")] * 11
        assert house.orders() == []

    @pytest.mark.parametrize("key", ["k", "~" * 255, '"{}#;,|&=%00../'])
    def test_43_may_be_any_printable_ascii(self, phone, key):
        quote_id = phone.quote()["quote_id"]
        answers = [phone.pays(quote_id, key=key) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[1].headers["Idempotent-Replayed"] == "true"


class TestABody:
    @pytest.fixture
    def post(self, phone):
        """Post to either route, a minute after the last time."""

        def post(path, body):
            phone.house.wall.passes(60)
            return phone.post(path, body, headers=a_key("a-key"))

        return post

    @pytest.mark.parametrize("path", [QUOTES, REPAYMENTS])
    def test_50_that_is_unreadable_is_a_bad_request(self, house, post, path):
        answers = {what: post(path, body).status_code for what, body in UNREADABLE.items()}

        assert answers == dict.fromkeys(UNREADABLE, 400)
        assert house.orders() == []

    @pytest.mark.parametrize("path", [QUOTES, REPAYMENTS])
    def test_50_that_does_not_fit_is_refused(self, house, post, path):
        answers = {what: post(path, body).status_code for what, body in UNFIT.items()}

        assert answers == dict.fromkeys(UNFIT, 422)
        assert house.orders() == []

    def test_50_with_a_wish_that_is_none_is_refused(self, post):
        bodies = list(wishes())
        answers = {body[:80]: post(QUOTES, body).status_code for body in bodies}

        assert answers == dict.fromkeys((body[:80] for body in bodies), 422)

    def test_50_with_a_quote_id_that_is_none_is_refused(self, house, post):
        answers = {
            value[:80]: post(REPAYMENTS, b'{"quote_id": %s}' % value).status_code
            for value in UNFIT_QUOTE_IDS
        }

        assert answers == dict.fromkeys((value[:80] for value in UNFIT_QUOTE_IDS), 422)
        assert house.orders() == []

    @pytest.mark.parametrize(
        "wish",
        [
            {"kind": "full", "amount_fen": 12_180_00},
            {"kind": "overdue", "amount_fen": 1},
            {"kind": "full", "recut": "shorten_term"},
            {"kind": "partial"},
            {"kind": "partial", "recut": "shorten_term"},
        ],
    )
    def test_50_whose_fields_contradict_each_other_is_refused(self, post, wish):
        assert post(QUOTES, json.dumps(wish).encode()).status_code == 422

    @pytest.mark.parametrize("amount_fen", [1_000_000_000, 10**12])
    def test_50_with_more_than_anybody_owes_is_outside_the_limits(self, post, amount_fen):
        answer = post(QUOTES, b'{"kind": "partial", "amount_fen": %d}' % amount_fen)

        assert (answer.status_code, answer.json_body["code"]) == (422, "amount_out_of_limits")

    def test_50_names_the_fields_that_do_not_fit_and_nothing_of_what_was_sent(self, post):
        answer = post(QUOTES, b'{"kind": "%s", "amount_fen": "%s"}' % ((CANARY.encode(),) * 2))

        assert {error["field"] for error in answer.json_body["errors"]} == {"kind", "amount_fen"}
        assert CANARY.encode() not in answer.body

    @pytest.mark.parametrize("path", [QUOTES, REPAYMENTS])
    def test_that_is_too_large_is_refused(self, post, path):
        assert post(path, b" " * (64 * 1024 + 1)).status_code == 413

    @pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "text/html"])
    def test_of_another_type_is_refused_in_our_own_words(self, phone, content_type):
        answer = phone.post(QUOTES, {"kind": "full"}, headers={"Content-Type": content_type})

        assert (answer.status_code, answer.json_body["code"]) == (415, "unsupported_media_type")
        assert content_type not in str(answer.json_body)


class TestTooManyRequests:
    def test_for_quotes_are_told_to_wait_a_minute(self, house, phone):
        statuses = [phone.asks_quote().status_code for _ in range(31)]
        last = phone.asks_quote()

        assert statuses == [201] * 30 + [429]
        assert (last.json_body["code"], last.headers["Retry-After"]) == ("too_many_requests", "60")
        assert phone.loan().status_code == 200, "looking is no asking"
        house.wall.passes(60)
        assert phone.asks_quote().status_code == 201

    def test_for_repayments_are_told_to_wait_a_minute(self, house, phone):
        quote_id = phone.quote()["quote_id"]
        statuses = [phone.pays(quote_id, key=f"key-{tap}").status_code for tap in range(11)]
        last = phone.pays(quote_id, key="key-0")

        assert statuses == [202] + [409] * 9 + [429]
        assert (last.status_code, last.headers["Retry-After"]) == (429, "60")
        house.wall.passes(60)
        assert phone.pays(quote_id, key="key-0").status_code == 202

    def test_of_one_borrower_are_no_burden_to_another(self, house, phone):
        house.book(a_loan("LN2", borrower_id="B2"), a_cut())
        for _ in range(31):
            phone.asks_quote()

        assert phone.asks_quote().status_code == 429
        assert house.phone("B2").asks_quote("LN2").status_code == 201


class TestAFault:
    @pytest.fixture
    def logged(self, monkeypatch):
        stream = StringIO()
        log_to(stream, monkeypatch)
        return stream

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError(CANARY),
            ClientError({"Error": {"Code": "ValidationException", "Message": CANARY}}, "GetItem"),
            KeyError(CANARY),
        ],
    )
    def test_is_a_problem_that_carries_nothing(self, phone, monkeypatch, logged, error):
        def fail(*_):
            raise error

        quote_id = phone.quote()["quote_id"]
        around_calls(monkeypatch, before=fail)
        answers = [
            phone.get("/v1/loans"),
            phone.loan(),
            phone.asks_quote(),
            phone.pays(quote_id),
            phone.order("20261124-1-LN1"),
            phone.post("/v1/page-links", {}),
        ]

        assert [answer.status_code for answer in answers] == [500] * 6
        assert {answer.body for answer in answers} == {answers[0].body}
        assert answers[0].json_body.keys() == {"type", "status", "code", "detail"}
        assert logged.getvalue().count('"failed"') == 6
        assert CANARY not in logged.getvalue()

    def test_of_the_queue_starts_the_order_when_the_request_is_repeated(
        self, house, phone, monkeypatch
    ):
        def fail(operation, _):
            if operation == "SendMessageBatch":
                raise RuntimeError(CANARY)

        quote_id = phone.quote()["quote_id"]
        with monkeypatch.context() as patched:
            around_calls(patched, before=fail)
            assert phone.pays(quote_id).status_code == 500

        answer = phone.pays(quote_id)
        assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (202, None)
        house.send_repayments()
        assert len(house.charges()) == 1
