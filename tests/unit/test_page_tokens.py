"""Tokens of the borrower's page: links, sessions, forms, and their keys."""

import base64
import json
from datetime import timedelta

import jwt
import pytest

from chalicelib.adapters.access_tokens import BadTokenError, TokensUnverifiableError
from chalicelib.adapters.page_tokens import PageTokens, Purpose
from tests.builders import at
from tests.fakes import MonotonicClock

NOW = at(9)
K1, K2, K3 = ("a1" * 32, "b2" * 40, "c3" * 64)


def minutes(count):
    return timedelta(minutes=count)


class Secrets:
    """Secrets Manager with one secret, counted."""

    def __init__(self, current="k1", **keys):
        self.asked = 0
        self.put(current, **(keys or {"k1": K1}))

    def put(self, current, **keys):
        self.text = json.dumps({"current": current, "keys": keys})

    def get_secret_value(self, SecretId):  # noqa: N803  boto3's name
        assert SecretId == "afterloan/test/pages"
        self.asked += 1
        return {"SecretString": self.text}


@pytest.fixture
def secrets():
    return Secrets()


@pytest.fixture
def clock():
    return MonotonicClock()


@pytest.fixture
def tokens(secrets, clock):
    return PageTokens(client=secrets, secret_id="afterloan/test/pages", monotonic=clock)


def refused(tokens, token, purpose=Purpose.SESSION, now=NOW):
    with pytest.raises(BadTokenError) as error:
        tokens.read(token, purpose=purpose, now=now)
    return str(error.value)


class TestALink:
    def test_is_for_one_borrower_and_a_quarter_of_an_hour(self, tokens):
        link = tokens.link("B1", now=NOW)

        last = NOW + timedelta(minutes=14, seconds=59)
        assert tokens.read(link, purpose=Purpose.LINK, now=NOW).borrower_id == "B1"
        assert tokens.read(link, purpose=Purpose.LINK, now=last).borrower_id == "B1"
        assert refused(tokens, link, Purpose.LINK, NOW + minutes(15)) == "expired"

    def test_is_no_session_and_a_session_is_no_link(self, tokens):
        assert refused(tokens, tokens.link("B1", now=NOW)) == "purpose"
        session = tokens.session("B1", now=NOW, since=NOW)
        assert refused(tokens, session, Purpose.LINK) == "purpose"

    @pytest.mark.parametrize("borrower_id", ["", "../B1", "B 1", "借款人", "B" * 65])
    def test_is_made_for_borrowers_only(self, tokens, borrower_id):
        with pytest.raises(BadTokenError):
            tokens.link(borrower_id, now=NOW)


class TestASession:
    def test_remembers_when_the_borrower_signed_in(self, tokens):
        session = tokens.session("B1", now=NOW + minutes(40), since=NOW)

        found = tokens.read(session, purpose=Purpose.SESSION, now=NOW + minutes(50))
        assert (found.borrower_id, found.auth_time) == ("B1", NOW)

    def test_ends_a_quarter_of_an_hour_after_its_last_renewal(self, tokens):
        session = tokens.session("B1", now=NOW + minutes(40), since=NOW)

        assert refused(tokens, session, now=NOW + minutes(55)) == "expired"

    def test_ends_after_two_hours_however_often_it_is_renewed(self, tokens):
        session = tokens.session("B1", now=NOW + minutes(119), since=NOW)

        tokens.read(session, purpose=Purpose.SESSION, now=NOW + minutes(119))
        assert refused(tokens, session, now=NOW + minutes(120)) == "expired"
        with pytest.raises(BadTokenError):
            tokens.session("B1", now=NOW + minutes(120), since=NOW)

    def test_is_believed_in_every_part_or_not_at_all(self, tokens):
        session = tokens.session("B1", now=NOW, since=NOW)
        head, payload, signature = session.split(".")
        other = tokens.session("B2", now=NOW, since=NOW).split(".")[1]

        assert refused(tokens, f"{head}.{other}.{signature}") == "signature"
        assert refused(tokens, f"{head}.{payload}.") == "signature"

    @pytest.mark.parametrize("token", ["", "..", "a.b.c", "e30.e30.e30", "令牌", "x" * 5000])
    def test_is_no_nonsense(self, tokens, token):
        assert refused(tokens, token) in {"malformed", "not a token", "key id"}


class TestAForgedToken:
    def forged(self, key, algorithm="HS256", kid="k1", typ="page+jwt", **claims):
        made = {
            "sub": "B1",
            "purpose": "session",
            "auth_time": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 900,
            **claims,
        }
        return jwt.encode(made, key, algorithm=algorithm, headers={"kid": kid, "typ": typ})

    def test_with_our_key_would_be_good(self, tokens):
        good = self.forged(bytes.fromhex(K1))

        assert tokens.read(good, purpose=Purpose.SESSION, now=NOW).borrower_id == "B1"

    def test_with_another_key_algorithm_or_kind_is_not(self, tokens):
        key = bytes.fromhex(K1)
        assert refused(tokens, self.forged(bytes.fromhex(K2))) == "signature"
        assert refused(tokens, self.forged(K1.encode())) == "signature"
        assert refused(tokens, self.forged(key * 2, algorithm="HS512")) == "signature"
        assert refused(tokens, self.forged(None, algorithm="none")) == "signature"
        assert refused(tokens, self.forged(key, typ="at+jwt")) == "purpose"
        assert refused(tokens, self.forged(key, kid="../k1")) == "key id"
        assert refused(tokens, self.forged(key, kid="k9")) == "unknown key"
        assert refused(tokens, self.forged(key, exp=None)) == "signature"

    def test_without_a_signature_is_not(self, tokens):
        head = {"alg": "none", "kid": "k1", "typ": "page+jwt"}
        parts = [json.dumps(part).encode() for part in (head, {"sub": "B1"})]
        token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

        assert refused(tokens, f"{token}.") == "signature"


class TestKeys:
    def test_are_read_once_in_five_minutes(self, tokens, secrets, clock):
        for _ in range(3):
            tokens.link("B1", now=NOW)
        clock.seconds += 299
        tokens.link("B1", now=NOW)
        assert secrets.asked == 1

        clock.seconds += 2
        tokens.link("B1", now=NOW)
        assert secrets.asked == 2

    def test_rotate_while_both_verify(self, tokens, secrets, clock):
        old = tokens.session("B1", now=NOW, since=NOW)
        secrets.put("k2", k1=K1, k2=K2)
        clock.seconds += 301
        new = tokens.session("B1", now=NOW, since=NOW)

        assert jwt.get_unverified_header(new)["kid"] == "k2"
        for session in (old, new):
            assert tokens.read(session, purpose=Purpose.SESSION, now=NOW).borrower_id == "B1"

        secrets.put("k2", k2=K2, k3=K3)
        clock.seconds += 301
        assert refused(tokens, old) == "unknown key"

    def test_that_another_worker_signs_with_already_are_looked_up(self, tokens, secrets, clock):
        tokens.link("B1", now=NOW)
        secrets.put("k2", k1=K1, k2=K2)
        other = PageTokens(client=secrets, secret_id="afterloan/test/pages", monotonic=clock)
        session = other.session("B1", now=NOW, since=NOW)

        assert tokens.read(session, purpose=Purpose.SESSION, now=NOW).borrower_id == "B1"

    def test_are_not_read_for_every_made_up_key_id(self, tokens, secrets, clock):
        key = bytes.fromhex(K1)
        tokens.link("B1", now=NOW)
        for seconds in (0, 31):
            clock.seconds += seconds
            for number in range(20):
                made_up = jwt.encode({}, key, algorithm="HS256", headers={"kid": f"k{number}0"})
                assert refused(tokens, made_up) == "unknown key"
        assert secrets.asked == 3

    @pytest.mark.parametrize(
        "text",
        [
            '{"not_set_yet": "x"}',
            '{"current": "k1", "keys": {}}',
            '{"current": "k1", "keys": []}',
            '{"current": ["k1"], "keys": {"k1": "' + K1 + '"}}',
            '{"current": "k1", "keys": {"k1": "abc"}}',
            '{"current": "k1", "keys": {"k1": "' + "zz" * 32 + '"}}',
            '{"current": "k1", "keys": {"k1": 7}}',
            '{"current": "k2", "keys": {"k1": "' + K1 + '"}}',
            "[]",
            "no JSON",
        ],
    )
    def test_that_are_not_there_close_the_door(self, tokens, secrets, text):
        secrets.text = text
        known = PageTokens(client=Secrets(), secret_id="afterloan/test/pages")
        with pytest.raises(TokensUnverifiableError, match="afterloan/test/pages"):
            tokens.link("B1", now=NOW)
        with pytest.raises(TokensUnverifiableError):
            tokens.read(known.link("B1", now=NOW), purpose=Purpose.LINK, now=NOW)


class TestAForm:
    def test_carries_what_belongs_to_its_session_however_often_that_is_renewed(self, tokens):
        session = tokens.session("B1", now=NOW, since=NOW)
        form = tokens.form_token(session)
        renewed = tokens.session("B1", now=NOW + minutes(5), since=NOW)

        assert tokens.is_form_token(session, form)
        assert tokens.is_form_token(renewed, form)

    def test_is_of_no_use_in_another_session(self, tokens):
        form = tokens.form_token(tokens.session("B1", now=NOW, since=NOW))

        for other in (
            tokens.session("B2", now=NOW, since=NOW),
            tokens.session("B1", now=NOW + minutes(1), since=NOW + minutes(1)),
            tokens.link("B1", now=NOW),
            "",
            "nonsense",
        ):
            assert not tokens.is_form_token(other, form)

    @pytest.mark.parametrize("given", ["", "0" * 64, "表单", "\x00"])
    def test_is_not_made_up(self, tokens, given):
        assert not tokens.is_form_token(tokens.session("B1", now=NOW, since=NOW), given)

    def test_outlives_the_rotation_of_a_key(self, tokens, secrets, clock):
        form = tokens.form_token(tokens.session("B1", now=NOW, since=NOW))
        secrets.put("k2", k1=K1, k2=K2)
        clock.seconds += 301

        assert tokens.is_form_token(tokens.session("B1", now=NOW, since=NOW), form)

    def test_is_made_for_sessions_only(self, tokens):
        with pytest.raises(BadTokenError):
            tokens.form_token(tokens.link("B1", now=NOW))
