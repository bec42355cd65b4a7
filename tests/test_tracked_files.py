"""What must be in no file of the repository: secrets, hosts, and where it happens to lie."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY",
    "a key of AWS": r"\b(?:AKIA|ASIA|AGPA|AROA)[0-9A-Z]{16}\b",
    "a signed token": r"\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}",
    "a token of a code host": r"\b(?:gh[opsru]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,})",
    "a token of a registry": r"\b(?:npm_\w{30,}|pypi-[\w-]{50,})",
    "a token of a chat": r"\bxox[abeprs]-[\w-]{10,}",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@{}<>\"']+:[^\s/@{}<>\"']+@"
    r"(?![\w.-]+\.(?:example|test)\b)",
}
"""What secrets look like; none is ever in a file, be it one for tests."""

HOSTS = {"127.0.0.1", "localhost", "www.apache.org", "www.w3.org", "keepachangelog.com"}
"""What an address in a file may lead to: this machine, a licence, a namespace, a convention."""

RESERVED = (".test", ".example", ".invalid", ".localhost", ".amazonaws.com")
ADDRESS = re.compile(r"\bhttps?://([A-Za-z0-9][A-Za-z0-9.-]*)")
SOMEBODYS = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt)/[\w.]")
"""A path that is somebody's machine, and no one else's."""


def tracked():
    """List the text files that are in the repository, or would be with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return {file: text for file in files if (text := text_of(file)) is not None}


def text_of(file):
    try:
        return file.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return None  # a picture; or it was removed just now


@pytest.fixture(scope="module")
def texts():
    return tracked()


def where(texts, pattern):
    return [
        f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
        for file, text in texts.items()
        for found in re.finditer(pattern, text)
    ]


def is_known(host):
    host = host.rstrip(".").lower()  # what an f-string puts together ends in a dot here
    return host in HOSTS or "." not in host or host.endswith(RESERVED)


class TestTheRepository:
    def test_is_looked_through(self, texts):
        assert len(texts) > 300
        assert ROOT / "chalicelib/wiring.py" in texts

    @pytest.mark.parametrize("what", SECRETS)
    def test_holds_no_secret_such_as(self, texts, what):
        assert where(texts, SECRETS[what]) == []

    def test_leads_to_no_host_it_does_not_need(self, texts):
        led_to = {
            (str(file.relative_to(ROOT)), host)
            for file, text in texts.items()
            for host in ADDRESS.findall(text)
        }

        assert {(name, host) for name, host in led_to if not is_known(host)} == set()

    def test_lies_anywhere(self, texts):
        assert where(texts, SOMEBODYS) == []
        assert where(texts, re.escape(str(ROOT)) + r"\b") == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a private key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("a key of AWS", "AK" + "IA" + "A1" * 8),
        ("a signed token", ".".join(("ey" + "J" + "a" * 20, "ey" + "J" + "b" * 20, "c" * 43))),
        ("a token of a code host", "gh" + "p_" + "a1" * 18),
        ("a token of a registry", "npm" + "_" + "a1" * 18),
        ("a token of a chat", "xo" + "xb-" + "1234567890-ab"),
        ("a password in an address", "https" + "://user" + ":word@host.intern/"),
    ],
)
def test_a_secret_would_be_found(what, text):
    assert re.search(SECRETS[what], f"x = '{text}'")
