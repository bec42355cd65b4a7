"""What only a platform may tell us, told by others, or told wrongly by the platform itself.

Over the house's real keys, from the door to the money.  What test_platform_api.py has tried is
not tried here again; the numbers are those of failures.md part B.
"""

import base64
import gzip
import json
from datetime import timedelta
from io import StringIO

import pytest

from chalicelib import wiring
from chalicelib.adapters.dynamodb.tables import NotificationRow
from chalicelib.entrypoints import platform_api
from simulators import keys
from simulators.signatures import Signer
from tests.builders import TODAY, a_cut, a_loan
from tests.entrypoints.callers import Knock, behind_the_door, furnish, replaced, signed
from tests.lambdas import log_to

PAYMENTS = "/v1/notifications/payments"
ORDER_NO = "20261124-1-LN1"
SIGNING = ("X-Key-Id", "X-Timestamp", "X-Nonce", "X-Signature")
BYTES_MAX = 64 * 1024


@pytest.fixture(scope="module")
def texts_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sms-keys")
    keys.make(folder)
    return folder


@pytest.fixture
def street(house, key_folder, texts_folder):
    house.book(a_loan(), a_cut())
    return furnish(house, payments_folder=key_folder, texts_folder=texts_folder)


def a_notification(**facts):
    body = {"order_no": ORDER_NO, "status": "SUCCEEDED", "currency": "CNY"} | facts
    return Knock(method="POST", path=PAYMENTS, body=json.dumps(body).encode())


def notify(street, knock, **signing):
    return street.send(knock, headers=signed(street.payments, knock, **signing))


def refused(street, answer):
    """Whether it was refused as unsigned, and nothing has happened because of it."""
    code = answer.json_body["code"] if answer.status_code >= 400 else ""
    return (answer.status_code, code, street.traces()) == (401, "bad_signature", [])


class TestASignature:
    def test_32_of_a_notification_is_good(self, street):
        assert notify(street, a_notification()).json_body == {"acknowledged": True}

    def test_32_of_another_method_is_of_no_use(self, street):
        for method in ("GET", "PUT", "post", "POST ", ""):
            assert refused(street, notify(street, a_notification(), method=method)), method

    def test_32_of_another_path_is_of_no_use(self, street):
        for path in (
            "/v1/notifications/sms",
            "/v1/deductions",
            f"{PAYMENTS}/",
            f"/test{PAYMENTS}",
            f"{PAYMENTS}?order_no=1",
            f"https://api.test{PAYMENTS}",
        ):
            assert refused(street, notify(street, a_notification(), path=path)), path

    def test_32_of_an_answer_to_us_is_of_no_use(self, street):
        """The platform signs its answers too; none of them can be sent to us as news."""
        knock = a_notification()
        for method, path in (("POST", "/v1/deductions"), ("GET", f"/v1/deductions/{ORDER_NO}")):
            assert refused(street, notify(street, knock, method=method, path=path))

    def test_32_of_our_own_is_of_no_use(self, street):
        """What we have signed and sent comes back to us as news."""
        knock = a_notification()

        assert refused(street, street.send(knock, headers=signed(street.stranger, knock)))

    def test_32_of_the_other_platform_is_of_no_use_under_either_key_id(self, street):
        knock = a_notification()
        for key_id in (street.texts.key_id, street.payments.key_id):
            forging = Signer(key_id, street.texts.private_key)
            assert refused(street, street.send(knock, headers=signed(forging, knock)))

    @pytest.mark.parametrize("name", SIGNING)
    def test_32_with_a_header_that_is_missing_twice_or_nonsense_is_of_no_use(self, street, name):
        """Of a header twice API Gateway hands us the last; joined by a comma, it is no header."""
        knock = a_notification()
        headers = signed(street.payments, knock)
        missing = {key: value for key, value in headers.items() if key != name}
        assert refused(street, street.send(knock, headers=missing))
        twice = f"{headers[name]}, {headers[name]}"
        for value in ("", " ", "é", "x" * 5000, twice, f"{headers[name]},"):
            answer = street.send(knock, headers={**headers, name: value})
            assert refused(street, answer), value

    @pytest.mark.parametrize("name", ["X-Timestamp", "X-Nonce"])
    def test_32_that_is_changed_after_it_was_signed_is_of_no_use(self, street, name):
        knock = a_notification()
        later = signed(street.payments, knock, nonce="n2")
        later["X-Timestamp"] = f"{street.house.wall.now + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S%z}"
        headers = {**signed(street.payments, knock), name: later[name]}

        assert refused(street, street.send(knock, headers=headers))

    @pytest.mark.parametrize(
        ("seconds", "is_good"),
        [(-301, False), (-300, True), (0, True), (300, True), (301, False), (10**9, False)],
    )
    def test_40_is_good_for_five_minutes_each_way(self, street, monkeypatch, seconds, is_good):
        now = street.house.wall.now.replace(microsecond=0)
        monkeypatch.setattr(platform_api, "wall_clock", lambda: now)
        stamped = (now + timedelta(seconds=seconds)).isoformat()
        answer = notify(street, a_notification(), timestamp=stamped)

        assert answer.status_code == (200 if is_good else 401)
        assert len(list(NotificationRow.scan())) == is_good

    def test_40_at_a_time_that_is_none_is_of_no_use(self, street):
        now = f"{street.house.wall.now:%Y-%m-%dT%H:%M:%S}"  # without its zone
        for timestamp in (now, "1795485600", "now", "2026-11-24", "9" * 400, "nan"):
            answer = notify(street, a_notification(), timestamp=timestamp)
            assert refused(street, answer), timestamp

    def test_32_40_that_was_good_is_of_no_use_for_other_words(self, street):
        headers = signed(street.payments, a_notification())
        for facts in ({"status": "FAILED"}, {"order_no": "20261124-1-LN2"}, {"amount_fen": 1}):
            answer = street.send(a_notification(**facts), headers=headers)
            assert refused(street, answer), facts

    def test_32_that_is_refused_is_told_to_the_log_without_a_word_of_it(self, street, monkeypatch):
        logged = StringIO()
        log_to(logged, monkeypatch)
        knock = a_notification(message="6222020200112233445")
        headers = signed(street.stranger, knock) | {"X-Nonce": 'n"}\r\n{"forged": 1}'}
        street.send(knock, headers=headers)

        said = [json.loads(line) for line in logged.getvalue().splitlines()]
        assert [line["message"] for line in said] == ["notification not believed", "finished"]
        assert "6222020200112233445" not in logged.getvalue()
        assert '"forged"' not in logged.getvalue()


class TestABody:
    def test_37_may_be_as_large_as_is_said_and_no_larger(self, street):
        knock = a_notification(message="")
        full = knock.body.ljust(BYTES_MAX)
        assert notify(street, replaced(knock, body=full)).status_code == 200
        assert notify(street, replaced(knock, body=full + b" ")).status_code == 413

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ("application/json", 200),
            ("application/json; charset=utf-8", 200),
            ("application/json; charset=gbk", 200),  # read as UTF-8, whatever it says
            ("APPLICATION/JSON", 200),
            ("application/xml", 415),
            ("application/json+xml", 415),
            ("multipart/form-data; boundary=x", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
        ],
    )
    def test_37_is_read_by_its_type_and_by_no_other(self, street, content_type, status):
        knock = replaced(a_notification(), content_type=content_type)

        assert notify(street, knock).status_code == status
        assert len(list(NotificationRow.scan())) == (status == 200)

    def test_37_that_is_packed_is_not_unpacked(self, street):
        knock = replaced(a_notification(), body=gzip.compress(a_notification().body * 1000))
        headers = signed(street.payments, knock) | {"Content-Encoding": "gzip"}
        answer = street.send(knock, headers=headers)

        assert (answer.status_code, answer.json_body["code"]) == (400, "not_json")
        assert street.traces() == []

    def test_32_in_base64_is_verified_over_the_bytes_it_stands_for(self, street):
        knock = a_notification()
        headers = signed(street.payments, knock)
        for body, status in (
            (b'{"order_no": "20261124-1-LN2"}', 401),
            (knock.body, 200),
        ):
            answer = behind_the_door(
                knock, headers=headers, body=base64.b64encode(body).decode(), isBase64Encoded=True
            )
            assert answer["statusCode"] == status

    @pytest.mark.parametrize(
        "extra",
        [
            '"__proto__": {"a": 1}',
            '"state": "taken"',
            '"notification_id": "x"',
            '"order_date": "x"',
        ],
    )
    def test_37_can_say_nothing_of_how_it_is_kept(self, street, extra):
        knock = a_notification()
        knock = replaced(knock, body=knock.body.replace(b"{", b"{" + extra.encode() + b", ", 1))
        assert notify(street, knock).status_code == 200

        [row] = NotificationRow.scan()
        assert (row.state, len(row.notification_id)) == ("received", 64)
        assert row.order_date == TODAY


class TestAPlatformThatIsWrong:
    """33, 35: signed as it should be, and not true."""

    @pytest.mark.parametrize(
        ("facts", "state", "counted"),
        [
            ({}, "taken", ()),
            ({"amount_fen": 1}, "differs", ("NotificationsDiffering",)),
            ({"currency": "USD"}, "differs", ("NotificationsDiffering",)),
            ({"status": "FAILED"}, "contradicts", ("Contradictions",)),
            ({"order_no": "20261124-1-LN404"}, "unknown_order", ("NotificationsUnknown",)),
            ({"order_no": "20261124-2-LN1"}, "unknown_order", ("NotificationsUnknown",)),
            ({"mch_id": "1900000109"}, "taken", ()),  # whose merchant it is, the key says
        ],
    )
    def test_33_35_moves_no_money_and_is_found(self, street, facts, state, counted):
        house = street.house
        house.deduct()
        before = (house.charges(), house.journal(), house.loan())
        house.counted.clear()
        assert notify(street, a_notification(**facts)).status_code == 200
        for _ in range(2):
            house.invoke("take_payment_notification", *house.waiting("payment-notifications"))

        [row] = NotificationRow.scan()
        assert row.state == state
        assert (house.charges(), house.journal(), house.loan()) == before
        found = {name for name in house.counted if not name.startswith("Deductions_")}
        assert found == set(counted)

    def test_33_of_a_success_that_is_none_pays_nothing(self, street):
        house = street.house
        house.platform.script("AG-LN1", ["insufficient_funds"])
        house.deduct()
        before = house.loan()
        notify(street, a_notification(amount_fen=10**9))
        house.invoke("take_payment_notification", *house.waiting("payment-notifications"))

        assert house.charges() == []
        assert house.loan() == before
        [row] = NotificationRow.scan()
        assert row.state == "contradicts"

    def test_33_of_an_order_nobody_has_sent_begins_none(self, street):
        notify(street, a_notification(amount_fen=1))
        street.house.invoke(
            "take_payment_notification", *street.house.waiting("payment-notifications")
        )

        assert street.house.charges() == []
        assert wiring.books().loans.get("LN1").slot is None
