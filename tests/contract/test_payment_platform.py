"""The payment platform over real HTTP: every outcome of the simulator, and what we make of it."""

import json
from dataclasses import replace
from random import Random  # noqa: TID251  seeded: the simulator's chance
from types import SimpleNamespace

import pytest

from chalicelib.adapters.payment_platform import (
    OPEN_SECONDS,
    Breaker,
    HttpPaymentPlatform,
    _read_refund,
)
from chalicelib.adapters.rate_limit import TokenBucket
from chalicelib.adapters.signatures import Signer, Verifier
from chalicelib.adapters.signed_http import Reply, SignedHttp
from chalicelib.adapters.wall_clock import wall_clock
from chalicelib.domain.correction import RefundStatus
from chalicelib.domain.deduction import (
    AnswerStatus,
    Order,
    Result,
    Share,
    Status,
    Unknown,
    split_no_of,
    verdict,
)
from chalicelib.domain.money import Money
from simulators import keys
from simulators.clock import SettableClock
from simulators.payment_platform import PaymentPlatform
from simulators.payment_service import payment_service
from simulators.server import SimulatorServer

ORDER = Order(
    order_no="20261124-1-LN1", agreement_no="AG1", amount=Money(1_234_56), subject="还款 LN1"
)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    keys.make(folder)
    return folder


@pytest.fixture
def simulator():
    return PaymentPlatform(clock=SettableClock(), rng=Random(7), hang_seconds=0.2)


@pytest.fixture
def server(key_folder, simulator):
    service = payment_service(
        platform=simulator,
        clock=SettableClock(),
        keys=keys.of_platform(key_folder),
        bucket=None,
        refuses=lambda: False,
    )
    server = SimulatorServer(service, port=0)
    server.start()
    yield server
    server.stop()


def platform_at(url, key_folder, *, breaker=None, heard=None):
    ours = json.loads((key_folder / "merchant.json").read_text())
    return HttpPaymentPlatform(
        http=SignedHttp(
            base_url=url,
            keys=SimpleNamespace(
                signer=lambda: Signer(ours["key_id"], ours["private_key_pem"]),
                verifier=lambda: Verifier(ours["platform_public_keys"]),
            ),
            clock=wall_clock,
            on_bad_signature=heard or (lambda: None),
            connect_seconds=1.0,
            read_seconds=2.0,
        ),
        bucket=TokenBucket(1_000),
        notify_url="http://127.0.0.1:1/v1/notifications/payments",
        breaker=breaker or Breaker(),
    )


@pytest.fixture
def platform(server, key_folder):
    return platform_at(server.url, key_folder)


@pytest.mark.parametrize(
    ("outcome", "first"),
    [
        ("succeed", AnswerStatus.SUCCEEDED),
        ("insufficient_funds", AnswerStatus.FAILED),
        ("agreement_terminated", AnswerStatus.FAILED),
        ("limit_exceeded", AnswerStatus.FAILED),
        ("processing_then_succeed", AnswerStatus.PROCESSING),
        ("processing_then_fail", AnswerStatus.PROCESSING),
        ("timeout_after_charge", AnswerStatus.UNREADABLE),
        ("timeout_before_charge", AnswerStatus.UNREADABLE),
        ("wrong_amount", AnswerStatus.SUCCEEDED),
        ("bad_signature", AnswerStatus.UNREADABLE),
        ("html_error", AnswerStatus.UNREADABLE),
        ("not_exist_after_accept", AnswerStatus.PROCESSING),
    ],
)
def test_says_what_is_known_and_doubts_the_rest(platform, simulator, outcome, first):
    simulator.script("AG1", [outcome])

    answer = platform.deduct(ORDER)

    assert answer.status is first
    judged = verdict(ordered=ORDER.amount, answer=answer)
    is_known = first in {AnswerStatus.SUCCEEDED, AnswerStatus.FAILED} and outcome != "wrong_amount"
    assert isinstance(judged, Result if is_known else Unknown)


def test_charges_a_number_once_however_often_it_is_sent(platform, simulator):
    answers = [platform.deduct(ORDER) for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert len(simulator.ledger()["charges"]) == 1


def test_finds_out_by_asking_what_a_time_out_hid(platform, simulator):
    simulator.script("AG1", ["timeout_after_charge"])
    platform.deduct(ORDER)

    judged = verdict(ordered=ORDER.amount, answer=platform.ask(ORDER.order_no))

    assert isinstance(judged, Result)
    assert judged.status is Status.SUCCEEDED


def test_tells_an_order_that_is_not_there_from_silence(platform):
    assert platform.ask("20261124-1-NOBODY").status is AnswerStatus.NOT_EXIST
    assert platform.close("20261124-1-NOBODY").status is AnswerStatus.NOT_EXIST


def test_reports_an_answer_that_is_not_the_platforms(server, key_folder, simulator):
    simulator.script("AG1", ["bad_signature"])
    heard = []
    answer = platform_at(server.url, key_folder, heard=lambda: heard.append(1)).deduct(ORDER)

    assert (answer.status, heard) == (AnswerStatus.UNREADABLE, [1])


def test_never_raises_where_nobody_listens_and_opens_its_breaker(key_folder):
    seconds = [0.0]
    platform = platform_at(
        "http://127.0.0.1:9", key_folder, breaker=Breaker(monotonic=lambda: seconds[0])
    )

    for _ in range(5):
        assert platform.is_available()
        assert platform.deduct(ORDER).status is AnswerStatus.UNREADABLE
    assert not platform.is_available()
    seconds[0] = OPEN_SECONDS
    assert platform.is_available()
    assert not platform.is_available(), "one caller tries, the others wait for what it finds"


SHARES = (
    Share(account="funder-F1", amount=Money(1_000_00)),
    Share(account="platform", amount=Money(234_56)),
)
SPLIT_ORDER = replace(ORDER, split=SHARES)


def split_again(platform, **changes):
    asked = {"order_no": ORDER.order_no, "split_no": split_no_of(ORDER.order_no), "split": SHARES}
    return platform.split_again(**(asked | changes))


class TestASplit:
    """failures.md row 89, over the wire."""

    def test_is_told_and_done_in_transit(self, platform, simulator):
        answer = platform.deduct(SPLIT_ORDER)

        assert (answer.status, answer.split_pending) == (AnswerStatus.SUCCEEDED, False)
        [charge] = simulator.charges()
        assert [(share.account, share.amount_fen) for share in charge.split] == [
            ("funder-F1", 1_000_00),
            ("platform", 234_56),
        ]

    @pytest.mark.parametrize(
        ("outcome", "told"),
        [
            ("split_fails_after_charge", [True, True]),
            ("split_fails_twice", [False, True]),
            ("split_repair_lost", [False, True]),
        ],
    )
    def test_that_fails_is_done_again_until_it_is_known_to_be_done(
        self, platform, simulator, outcome, told
    ):
        simulator.script("AG1", [outcome])

        assert platform.deduct(SPLIT_ORDER).split_pending
        assert platform.ask(ORDER.order_no).split_pending
        assert [split_again(platform) for _ in told] == told
        assert not platform.ask(ORDER.order_no).split_pending
        assert [len(charge.split) for charge in simulator.charges()] == [2]

    def test_that_has_not_failed_is_known_to_be_done(self, platform):
        platform.deduct(SPLIT_ORDER)

        assert split_again(platform)

    def test_that_is_refused_is_not_done(self, platform):
        assert not split_again(platform)
        platform.deduct(SPLIT_ORDER)
        assert not split_again(platform, split=SHARES[:1])

    def test_is_not_known_to_be_done_where_nobody_listens(self, key_folder):
        assert not split_again(platform_at("http://127.0.0.1:9", key_folder))


def refund(platform, **changes):
    asked = {"refund_no": f"{ORDER.order_no}-R", "order_no": ORDER.order_no}
    return platform.refund(**(asked | {"amount": ORDER.amount} | changes))


class TestARefund:
    def test_is_done_once_by_its_number(self, platform, simulator):
        platform.deduct(ORDER)
        first, again = refund(platform), refund(platform)

        assert (first.status, first.trade_no) == (RefundStatus.DONE, again.trade_no)
        assert first == again
        assert first.refunded_at is not None
        assert simulator.ledger(None)["refunds"][0]["amount_fen"] == ORDER.amount.fen

    @pytest.mark.parametrize(
        ("changes", "note"),
        [
            ({"order_no": "20261124-1-LN9"}, "NOT_EXIST"),
            ({"refund_no": "X", "amount": ORDER.amount + Money(1)}, "REFUND_EXCEEDS_PAID"),
            ({"amount": Money(1)}, "REFUND_CONFLICT"),
        ],
    )
    def test_is_refused_where_the_platform_says_so_plainly(self, platform, changes, note):
        platform.deduct(ORDER)
        if note == "REFUND_CONFLICT":
            refund(platform)
        answer = refund(platform, **changes)

        assert (answer.status, answer.note) == (RefundStatus.REFUSED, note)

    def test_of_what_was_not_paid_is_refused(self, platform, simulator):
        simulator.script("AG1", ["insufficient_funds"])
        platform.deduct(ORDER)

        assert refund(platform).note == "ORDER_NOT_PAID"

    def test_is_not_known_where_nobody_listens(self, key_folder):
        answer = refund(platform_at("http://127.0.0.1:9", key_folder))

        assert answer.status is RefundStatus.UNKNOWN

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(status=200, body=b"<html>"),
            Reply(status=500, body=b'{"code": "NOT_EXIST"}'),
            Reply(status=429, body=b'{"code": "THROTTLED"}'),
            Reply(
                status=200,
                body=b'{"refund_no": "R", "order_no": "O", "amount_fen": 2, "status": "SUCCEEDED"}',
            ),
            Reply(
                status=200,
                body=b'{"refund_no": "R", "order_no": "O", "amount_fen": 1, '
                b'"status": "PROCESSING"}',
            ),
        ],
    )
    def test_is_not_known_where_the_answer_is_not_plain(self, reply):
        asked = {"refund_no": "R", "order_no": "O", "amount_fen": 1}

        assert _read_refund(asked, reply).status is RefundStatus.UNKNOWN


def test_keeps_its_rate():
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    bucket = TokenBucket(10, monotonic=lambda: now[0], sleep=sleep)
    for _ in range(30):
        bucket.wait()

    assert sum(slept) == pytest.approx(2.0)
