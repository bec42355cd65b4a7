"""Settings that would be dangerous are refused when they are read."""

import pytest

from chalicelib.domain.loan import Mode
from chalicelib.settings import IllegalSettingError, Settings

AT_HOME = "http://127.0.0.1:9204/jwks.json"


@pytest.mark.parametrize(
    ("stage", "url"),
    [
        ("prod", AT_HOME),
        ("prod", "http://issuer.example/jwks.json"),
        ("test", "http://issuer.example/jwks.json"),
        ("local", "http://127.0.0.1:x@issuer.example/jwks.json"),
        ("local", "http://127.0.0.1.issuer.example/jwks.json"),
        ("local", "ftp://127.0.0.1/jwks.json"),
    ],
)
def test_keys_are_read_where_nobody_can_change_them_on_the_way(monkeypatch, stage, url):
    monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv("TEST_CLOCK", "off")
    monkeypatch.setenv("JWKS_URL", url)

    with pytest.raises(IllegalSettingError, match="JWKS_URL"):
        Settings.from_environ()


@pytest.mark.parametrize(
    ("stage", "url"), [("prod", "https://issuer.example/jwks.json"), ("local", AT_HOME)]
)
def test_keys_are_read_from_an_issuer_one_can_trust(monkeypatch, stage, url):
    monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv("JWKS_URL", url)

    assert Settings.from_environ().jwks_url == url


def test_only_our_own_mode_is_served_where_nothing_is_said(monkeypatch):
    monkeypatch.delenv("SERVED_MODES", raising=False)
    assert Settings.from_environ().served_modes == {Mode.SELF_OPERATED}

    monkeypatch.setenv("SERVED_MODES", "self_operated,joint_lending,loan_assistance")
    assert Settings.from_environ().served_modes == frozenset(Mode)


@pytest.mark.parametrize(
    ("stage", "urls"),
    [
        ("prod", "F3=http://127.0.0.1:9203/v1/deductions"),
        ("test", "F3=http://three.example/v1/deductions"),
        ("prod", "F2=https://two.example,F3=http://three.example"),
        ("prod", "https://three.example"),
    ],
)
def test_orders_are_sent_where_nobody_can_change_them_on_the_way(monkeypatch, stage, urls):
    monkeypatch.setenv("STAGE", stage)
    monkeypatch.setenv("TEST_CLOCK", "off")
    monkeypatch.setenv("FUNDER_URLS", urls)

    with pytest.raises(IllegalSettingError, match="FUNDER_URLS"):
        Settings.from_environ()


@pytest.mark.parametrize(
    ("opens", "closes"), [("SEND_FROM", "SEND_UNTIL"), ("ACTIVE_FROM", "ACTIVE_UNTIL")]
)
def test_a_window_opens_before_it_closes(monkeypatch, opens, closes):
    monkeypatch.setenv(opens, "10:00")
    monkeypatch.setenv(closes, "10:00")

    with pytest.raises(IllegalSettingError, match=opens):
        Settings.from_environ()
