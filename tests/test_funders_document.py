"""docs/funders.md shows files that exist, and commands that answer so."""

import os
import re
import shlex
from pathlib import Path

import pytest

from chalicelib.adapters.funders import CATALOGUE
from chalicelib.domain.funder import Funder
from infra.commands import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "funders.md").read_text()
SAMPLES = re.findall(r"^\[`[^`]+`\]\(\.\./(\S+)\)\n```\n(.*?)```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(
    r"^```console\n\$ bin/afterloan (.*?)\n(.*?)```$", TEXT, re.MULTILINE | re.DOTALL
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Leave the environment as it was: the command points it at the local cloud."""
    before = dict(os.environ)
    monkeypatch.chdir(ROOT)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_there_is_a_sample_of_each_kind_and_proof():
    kinds = {Path(name).name.partition("_")[0] for name, _ in SAMPLES}

    assert kinds == {"due", "results", "confirmation"}
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize(("name", "shown"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_a_sample_is_a_golden_file(name, shown):
    body = (ROOT / name).read_bytes()

    assert body.decode("gb18030" if "gb18030" in name else "utf-8").rstrip() == shown.rstrip()


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[each for each, _ in COMMANDS])
def test_a_command_answers_as_shown(command, shown, capsys):
    main(shlex.split(command))

    said = capsys.readouterr()
    assert said.out + said.err == shown


def test_every_field_of_the_agreement_is_described():
    fields = TEXT.partition("## The agreement")[2]

    assert CATALOGUE.name in fields
    assert [name for name in Funder.__dataclass_fields__ if f"`{name}`" not in fields] == []
