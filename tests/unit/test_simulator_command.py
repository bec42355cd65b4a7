"""python -m simulators: keys, ports, and a quick end."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

from simulators import keys
from simulators.__main__ import main
from simulators.keys import UnreadableKeysError
from simulators.merchant import Merchant

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys") / "payment"
    assert keys.make(folder)
    return folder


class TestKeys:
    def test_are_made_once_and_for_the_owner_alone(self, key_folder, capsys):
        files = sorted(key_folder.iterdir())
        before = [file.read_bytes() for file in files]

        assert [file.name for file in files] == ["merchant.json", "platform.json"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert main(["keys", "--out", str(key_folder)]) == 0
        assert [file.read_bytes() for file in files] == before
        assert "already there" in capsys.readouterr().out

    def test_of_the_merchant_are_what_the_secret_holds(self, key_folder):
        given = json.loads((key_folder / "merchant.json").read_text())

        assert list(given) == [
            "key_id",
            "private_key_pem",
            "platform_key_id",
            "platform_public_keys",
        ]
        assert list(given["platform_public_keys"]) == [given["platform_key_id"]]

    def test_must_be_there(self, tmp_path):
        with pytest.raises(UnreadableKeysError):
            keys.of_platform(tmp_path)


class TestCommand:
    def test_says_in_one_line_that_a_port_is_in_use(self, key_folder, capsys):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            code = main(["payment", "--port", str(port), "--keys", str(key_folder)])

        said = capsys.readouterr().err
        assert (code, said.count("\n")) == (2, 1)
        assert f"127.0.0.1:{port}: Address already in use" in said

    def test_says_in_one_line_that_there_are_no_keys(self, tmp_path, capsys):
        assert main(["sms", "--port", "0", "--keys", str(tmp_path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_stops_at_once_even_while_somebody_hangs(self, key_folder):
        order = {"order_no": "O1", "agreement_no": "AG7", "amount_fen": 1, "currency": "CNY"}
        command = ["-m", "simulators", "payment", "--port", "0", "--keys", str(key_folder)]
        with subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, *command, "--hang-seconds", "60", "--notify"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            url = process.stdout.readline().split()[-1]
            merchant = Merchant(url=url, ring=keys.of_merchant(key_folder))
            script = {"agreement_no": "AG7", "outcomes": ["timeout_after_charge"]}
            assert merchant.control("POST", "scripts", script)[0] == 200
            with pytest.raises(urllib3.exceptions.ReadTimeoutError):
                merchant.call("POST", "/v1/deductions", order, seconds=0.2)
            started = time.monotonic()

            process.send_signal(signal.SIGTERM)

            assert process.wait(timeout=5) == 0
            assert time.monotonic() - started < 2
            merchant.close()
