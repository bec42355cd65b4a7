"""Long-running processes of a home folder: start them once, find them again, stop no other's.

Each runs in a process group of its own.  The pid file keeps the start time beside the pid, so
that a pid the system has given to somebody else meanwhile is never signalled.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05
KILL_SECONDS = 2.0
LOG_LINES_SHOWN = 15

_children: list[subprocess.Popen[bytes]] = []  # a child forgotten while it runs is a warning


class PortInUseError(Exception):
    """Somebody else listens where one of our processes is to listen."""


class NotStartedError(Exception):
    """A process ended, or was not healthy in time; the message holds the end of its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What is to run, in which folder; `health` is a path that answers 200 once it serves."""

    name: str
    command: Sequence[str]
    port: int
    health: str
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """What runs: the leader of its process group, known by pid and start time."""

    name: str
    pid: int
    started: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """The processes of one home folder: pid file `pids.json`, logs in `logs/`."""

    home: Path

    def running(self) -> dict[str, Process]:
        """Give those of the pid file that still run, by name."""
        return {one.name: one for one in self._recorded() if _started(one.pid) == one.started}

    def start(self, program: Program, *, port_setting: str, seconds: float) -> Process:
        """Start a program and wait until it is healthy.

        :raises PortInUseError: if its port is taken; nothing is started.
        :raises NotStartedError: if it ends or is not healthy within `seconds`; it is stopped.
        """
        if is_listening(program.port):
            raise PortInUseError(
                f"port {program.port} of {program.name} is in use: "
                f"stop what listens there, or set {port_setting} to another base port"
            )
        log = self.log_of(program.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            child = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=program.folder,
                env=dict(program.environment),
                start_new_session=True,
            )
        _children.append(child)
        process = Process(
            name=program.name,
            pid=child.pid,
            started=_started(child.pid) or "",
            port=program.port,
        )
        self._record([*self.running().values(), process])
        url = f"http://{LOOPBACK}:{program.port}{program.health}"
        if not wait_until(lambda: child.poll() is not None or _is_healthy(url), seconds=seconds):
            self.stop([process.name], seconds=1)
            raise NotStartedError(f"{program.name} is not healthy after {seconds} s\n{_end(log)}")
        if child.poll() is not None:
            self.stop([process.name], seconds=1)
            raise NotStartedError(f"{program.name} ended with {child.returncode}\n{_end(log)}")
        return process

    def stop(self, names: Sequence[str] | None = None, *, seconds: float) -> list[str]:
        """Stop processes with their groups, and name them; none running is fine.

        Each is asked to end and after `seconds` ended, with all that it started.
        """
        recorded = self._recorded()
        chosen = [one for one in recorded if names is None or one.name in names]
        alive = [one for one in chosen if _started(one.pid) == one.started]
        for one in alive:
            _signal(os.kill, one.pid, signal.SIGTERM)
        wait_until(
            lambda: not any(_started(one.pid) == one.started for one in alive), seconds=seconds
        )
        for one in chosen:
            self._end_group(one)
        self._record([one for one in recorded if one not in chosen])
        return [one.name for one in alive]

    def kill(self, names: Sequence[str]) -> None:
        """End processes with their groups at once; they are not asked.

        Their ports are free afterwards: a thread may hold one for a moment after its process.
        """
        recorded = self._recorded()
        chosen = [one for one in recorded if one.name in names]
        for one in chosen:
            self._end_group(one)
        wait_until(lambda: not any(is_listening(one.port) for one in chosen), seconds=KILL_SECONDS)
        self._record([one for one in recorded if one not in chosen])

    def log_of(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _end_group(self, process: Process) -> None:
        """Kill what is left of a process's group.

        A leader that is not ours has our pid: the group is not ours either.  Without a leader,
        members are killed only if this home folder stands in their command line.
        """
        leader = _started(process.pid)
        if leader == process.started:
            _signal(os.killpg, process.pid, signal.SIGKILL)
            wait_until(lambda: _started(process.pid) != leader, seconds=KILL_SECONDS)
        elif leader is None:
            for pid in _members(process.pid, command_holds=str(self.home)):
                _signal(os.kill, pid, signal.SIGKILL)
        for child in _children:
            child.poll()

    def _recorded(self) -> list[Process]:
        try:
            return [Process(**one) for one in json.loads(self._pid_file.read_text())]
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return []

    def _record(self, processes: Sequence[Process]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        draft = self._pid_file.with_suffix(".draft")
        draft.write_text(json.dumps([asdict(one) for one in processes], indent=1))
        draft.replace(self._pid_file)

    @property
    def _pid_file(self) -> Path:
        return self.home / "pids.json"


def is_listening(port: int) -> bool:
    """Say whether anybody listens on a port of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll a condition; False if it has not come true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310  our own process on the loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _started(pid: int) -> str | None:
    """Read when a process started, in a form that only compares; None if it does not run."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] == "Z" else fields[19]
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def _members(group: int, *, command_holds: str) -> Iterator[int]:
    """Find the processes of a group whose command line holds a text (Linux only)."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if int(fields[2]) == group and command_holds in command:
            yield int(entry.name)


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except ProcessLookupError:
        return


def _end(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
