"""The local cloud: MiniStack and the simulated platforms, as processes of one home folder.

Everything of a run is under its home (`.afterloan/local`, or `.afterloan/<base port>`): pid
file, logs, keys, MiniStack's data and temporary files, builds.  Two runs with different base
ports do not meet.  MiniStack keeps its state in memory: `down` forgets it.  With
AFTERLOAN_KEEP_DATA=on it also writes it to its home when it is asked to end, and finds it there
when `up` starts it again while the platforms still run: that is for drills.
"""

import atexit
import fcntl
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from infra.local.processes import (
    LOOPBACK,
    NotStartedError,
    PortInUseError,
    Processes,
    Program,
    is_listening,
)
from simulators import keys

PORT_SETTING = "AFTERLOAN_PORT_BASE"
KEEP_SETTING = "AFTERLOAN_KEEP_DATA"
PORT_BASE = 9200
PORT_BASE_MAX = 65_000
PORTS = 5
REGION = "cn-north-1"
ACCOUNT = "000000000000"
STAGE = "local"
EXCHANGE_BUCKET = f"afterloan-{STAGE}-exchange-{ACCOUNT}"
START_SECONDS = 60.0
STOP_SECONDS = 5.0
SAVE_SECONDS = 30.0
ROOT = Path(__file__).resolve().parents[2]


class IllegalPortError(ValueError):
    """The setting of the ports is no port."""


class NoFreePortsError(Exception):
    """There is no room for another local cloud on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Where each process listens on the loopback."""

    cloud: int
    payment: int
    sms: int
    funder: int
    issuer: int

    @classmethod
    def from_base(cls, base: int) -> Self:
        """Give five ports in a row."""
        return cls(cloud=base, payment=base + 1, sms=base + 2, funder=base + 3, issuer=base + 4)

    @classmethod
    def from_environ(cls) -> Self:
        """Read the base port from AFTERLOAN_PORT_BASE (9200).

        :raises IllegalPortError: if it is none.
        """
        given = os.environ.get(PORT_SETTING, str(PORT_BASE))
        if not (given.isascii() and given.isdigit() and 1024 <= int(given) <= PORT_BASE_MAX):
            raise IllegalPortError(f"{PORT_SETTING} is not a port from 1024 on: {given!r}")
        return cls.from_base(int(given))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cloud:
    """A running local cloud; `started` names what this very call has started."""

    home: Path
    ports: Ports
    started: tuple[str, ...] = field(default=(), compare=False)

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.cloud}"

    @property
    def payment_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.payment}"

    @property
    def sms_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.sms}"

    @property
    def funder_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.funder}"

    @property
    def funder_urls(self) -> str:
        """Say where the one simulator takes the orders of each funder that deducts by itself."""
        return f"F3={self.funder_url}/v1/deductions"

    @property
    def issuer_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.issuer}"

    def client(self, service: str) -> Any:
        """Make a client of one service of the local cloud, as its administrator."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  the local cloud's own, no secret
            config=Config(retries={"max_attempts": 2}, s3={"addressing_style": "path"}),
        )

    def keys_of(self, platform: str) -> Path:
        """Give the folder of a platform's key files (`payment`, `sms`, `funder`, …)."""
        return self.home / "keys" / platform


def home_of(root: Path, ports: Ports) -> Path:
    """Give the home folder of a checkout's run."""
    name = STAGE if ports.cloud == PORT_BASE else str(ports.cloud)
    return root.resolve() / ".afterloan" / name


def reserve_base(first: int) -> int:
    """Find five free ports in a row, from a base on, and keep others of us off them.

    The reservation is a lock on a file of the machine, and ends with this process.

    :raises NoFreePortsError: if there are none among the next thousand.
    """
    for base in range(first, first + 1000, 10):
        lock = (Path(tempfile.gettempdir()) / f"afterloan-ports-{base}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if not any(is_listening(port) for port in range(base, base + PORTS)):
            atexit.register(lock.close)
            return base
        lock.close()
    raise NoFreePortsError(f"no five free ports in a row from {first} on; set {PORT_SETTING}")


def up(home: Path, ports: Ports, *, strict: bool = True) -> Cloud:
    """Start what does not run yet, and wait until all of it is healthy.

    Run twice, the second call starts nothing.  `strict` makes MiniStack hold every Lambda to
    its own policy, as AWS does.

    :raises PortInUseError: if a port is taken by a process that is not of this home.
    :raises NotStartedError: if a process does not become healthy.
    After either, what this call started is stopped again.
    """
    processes = Processes(home=home)
    running = processes.running()
    if not running:
        _forget(home)
    cloud = Cloud(home=home, ports=ports)
    for platform in ("payment", "sms", "funder"):
        keys.make(cloud.keys_of(platform))
    keys.add_merchant(cloud.keys_of("payment"), "funder")
    if "cloud" not in running:
        _forget_places_in_streams(home)
    started: list[str] = []
    try:
        for program in _programs(cloud, strict=strict):
            if program.name not in running:
                started.append(program.name)
                processes.start(program, port_setting=PORT_SETTING, seconds=START_SECONDS)
    except (PortInUseError, NotStartedError):
        processes.stop(started, seconds=STOP_SECONDS)
        raise
    return Cloud(home=home, ports=ports, started=tuple(started))


def down(home: Path) -> list[str]:
    """Stop what runs with all that it started, forget its state, and name what was stopped.

    Run twice, the second call stops nothing.  Logs and keys stay.
    """
    stopped = Processes(home=home).stop(seconds=STOP_SECONDS)
    _forget(home)
    return stopped


def break_down(home: Path, *, saving: bool) -> None:
    """Stop MiniStack with all its Lambdas in mid-work; `up` starts it again, the platforms go on.

    With `saving` it writes what it holds (if AFTERLOAN_KEEP_DATA was on when it was started);
    without, it is killed, and `up` finds what was written before: tables and queues of an old
    backup, beside the exchange bucket of today.
    """
    processes = Processes(home=home)
    if saving:
        processes.stop(["cloud"], seconds=SAVE_SECONDS)
    else:
        processes.kill(["cloud"])


def _programs(cloud: Cloud, *, strict: bool) -> list[Program]:
    environment = _environment(cloud.home)
    seed = ("--seed", os.environ.get("AFTERLOAN_SEED", "7"))
    bucket = ("--bucket", EXCHANGE_BUCKET, "--bucket-endpoint", cloud.endpoint)
    payment = ("--payment-keys", str(cloud.keys_of("payment")), "--payment-url", cloud.payment_url)

    def simulator(name: str, port: int, *more: str) -> Program:
        keys = ("--keys", str(cloud.keys_of(name)))
        return Program(
            name=name,
            command=[sys.executable, "-m", "simulators", name, "--port", str(port), *keys, *more],
            port=port,
            health="/_control/health",
            folder=ROOT,
            environment=environment,
        )

    return [
        Program(
            name="cloud",
            command=[sys.executable, "-m", "ministack"],
            port=cloud.ports.cloud,
            health="/_ministack/ready",
            folder=cloud.home,
            environment=environment | _cloud_environment(cloud.home, cloud.ports, strict=strict),
        ),
        simulator("payment", cloud.ports.payment, *seed, "--notify", *bucket),
        simulator("sms", cloud.ports.sms, *seed),
        simulator("funder", cloud.ports.funder, *seed, "--notify", *payment, *bucket),
        simulator("issuer", cloud.ports.issuer, "--issuer", cloud.issuer_url),
    ]


def _environment(home: Path) -> dict[str, str]:
    """Give a process no more than it needs: Lambdas inherit MiniStack's whole environment."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _cloud_environment(home: Path, ports: Ports, *, strict: bool) -> dict[str, str]:
    data = home / "ministack"
    keeps = "1" if os.environ.get(KEEP_SETTING) == "on" else "0"
    return {
        "GATEWAY_PORT": str(ports.cloud),
        "BIND_HOST": LOOPBACK,  # its default is every interface
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AUTH": "true" if strict else "false",
        "STATE_DIR": str(data),
        "S3_DATA_DIR": str(data / "s3"),
        "PERSIST_STATE": keeps,
        "S3_PERSIST": keeps,
        "IOT_MTLS_ENABLED": "0",  # a second listener, on a port that does not move
        "SFTP_ENABLED": "0",
    }


def _forget(home: Path) -> None:
    for folder in ("tmp", "ministack"):
        shutil.rmtree(home / folder, ignore_errors=True)
        (home / folder).mkdir(parents=True)


def _forget_places_in_streams(home: Path) -> None:
    """Take from saved data how far each stream was read: MiniStack saves that, but no stream.

    Left in, as many new records as it had read before would be passed over unread.
    """
    file = home / "ministack" / "lambda.json"
    if file.exists():
        saved = json.loads(file.read_text())
        saved["payload"]["dynamodb_stream_positions"] = {}
        file.write_text(json.dumps(saved))
