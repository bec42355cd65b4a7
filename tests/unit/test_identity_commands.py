"""bin/afterloan token, link, block, unblock: what they ask for, and what they refuse."""

import argparse
from types import SimpleNamespace

import pytest
import urllib3

from chalicelib import wiring
from chalicelib.adapters.access_tokens import TokensUnverifiableError
from infra import identity
from infra.commands import main
from infra.local import controls, office
from infra.local.office import CommandError

BORROWER = {"stage": "local", "borrower": "B1", "json": False, "dry_run": False, "by": "ops"}


@pytest.fixture(autouse=True)
def book(monkeypatch):
    """B1 has a loan, and nobody else."""
    loans = SimpleNamespace(of_borrower=lambda who: ["LN1"] if who == "B1" else [])
    monkeypatch.setattr(wiring, "books", lambda: SimpleNamespace(loans=loans))


def options(**given):
    return argparse.Namespace(**{**BORROWER, "seconds": 900, "role": "borrower", **given})


class TestToken:
    def test_is_asked_of_the_local_issuer(self, monkeypatch):
        asked = []

        def tell(url, door, payload):
            asked.append((url, door, payload))
            return {"access_token": "a.b.c", "expires_in": 60}

        monkeypatch.setattr(controls, "tell", tell)
        monkeypatch.setenv("AFTERLOAN_PORT_BASE", "9870")

        assert identity.token(options(seconds=60)) == "a.b.c"
        assert identity.token(options(json=True))["expires_in"] == 60
        payload = {"sub": "B1", "roles": ["borrower"], "seconds": 60, "audience": "afterloan"}
        assert asked[0] == ("http://127.0.0.1:9874", "tokens", payload)

    def test_warns_of_a_borrower_without_a_loan(self, monkeypatch, capsys):
        monkeypatch.setattr(controls, "tell", lambda *_: {"access_token": "a.b.c"})

        assert identity.token(options(borrower="NOPE")) == "a.b.c"
        assert capsys.readouterr().err == "afterloan: NOPE has no loan in the book\n"

    @pytest.mark.parametrize("wrong", [{"stage": "prod"}, {"stage": "test"}])
    def test_is_given_away_locally_only(self, wrong):
        with pytest.raises(CommandError, match="issuer of its own"):
            identity.token(options(**wrong))

    @pytest.mark.parametrize("wrong", [{"borrower": "../B1"}, {"borrower": ""}, {"role": "a b"}])
    def test_is_for_somebody(self, wrong):
        with pytest.raises(CommandError, match="not a"):
            identity.token(options(**wrong))

    def test_says_that_the_issuer_does_not_answer(self, monkeypatch):
        def tell(*_):
            raise urllib3.exceptions.NewConnectionError(None, "refused")

        monkeypatch.setattr(controls, "tell", tell)
        with pytest.raises(CommandError, match="afterloan up"):
            identity.token(options())


class TestLink:
    def test_is_the_page_s_address_with_a_token(self, monkeypatch):
        class Tokens:
            def link(self, borrower_id, *, now):
                return f"link-of-{borrower_id}"

        monkeypatch.setattr(wiring, "page_tokens", Tokens)
        monkeypatch.setattr(office, "api_url", lambda stage: f"https://{stage}.test/api")

        assert identity.link(options()) == "https://local.test/api/m/enter?token=link-of-B1"

    def test_is_not_made_in_production(self):
        with pytest.raises(CommandError, match="production"):
            identity.link(options(stage="prod"))

    def test_says_that_there_are_no_keys(self, monkeypatch):
        class Tokens:
            def link(self, *_, **__):
                raise TokensUnverifiableError("secret afterloan/local/pages holds no current key")

        monkeypatch.setattr(wiring, "page_tokens", Tokens)
        with pytest.raises(CommandError, match="afterloan/local/pages"):
            identity.link(options())


class TestBlock:
    @pytest.mark.parametrize(("command", "on"), [("block", True), ("unblock", False)])
    def test_is_written_with_who_decided_it(self, monkeypatch, command, on):
        written = []

        class Controls:
            def block(self, borrower_id, **given):
                written.append((borrower_id, given["on"], given["by"]))

        monkeypatch.setattr(wiring, "controls", Controls)
        identity.block(options(command=command, dry_run=True))
        assert written == []

        identity.block(options(command=command))
        assert written == [("B1", on, "ops")]


@pytest.mark.parametrize(
    "arguments", [["token"], ["link"], ["block", "--borrower", "B1"], ["unblock", "--by", "me"]]
)
def test_commands_say_what_they_need(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)

    assert error.value.code == 2
    assert "required" in capsys.readouterr().err
